"""Which modules are neurons, and what each one computes: the door for libraries and users.

A library has one file (`frontend/snntorch.py`) that registers its classes by their dotted name, so
that nothing is imported before the user's own model has imported it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ..ir import Integrate, IntegrateFire


@dataclass(frozen=True)
class NeuronModel:
    """What one neuron module computes, and where its trains are.

    `neuron` is what its spikes follow; None where it never fires. `membrane` is what its membrane
    follows by itself, None where no `Integrate` gives the same numbers. `spikes_at` and
    `membrane_at` are positions in the tuple that the module returns (a lone tensor is position 0);
    None where it is not returned. `state` names the argument of `forward` that takes the membrane
    of the step before, None where the module keeps it to itself.
    """

    neuron: IntegrateFire | None
    membrane: Integrate | None
    spikes_at: int | None = 0
    membrane_at: int | None = None
    state: str | None = None


Describe = Callable[[nn.Module, tuple[int, ...]], NeuronModel]
"""(module, shape of the population without frames) to its model.

Raises UnsupportedModel with *found X, accepted Y; do Z* for options that e3ne cannot compute; the
caller adds the path of the module.
"""


def nothing_to_reset(module: nn.Module) -> None:
    """For neurons that keep no state between calls."""


@dataclass(frozen=True)
class NeuronClass:
    """What is registered for a class: `describe` it, `reset` it to before the first step."""

    describe: Describe
    reset: Callable[[nn.Module], None]


_NEURONS: dict[str, NeuronClass] = {}


def register_neuron(
    cls: type[nn.Module] | str, reset: Callable[[nn.Module], None] = nothing_to_reset
) -> Callable[[Describe], Describe]:
    """Decorates the function that describes `cls` (a class or its `module.ClassName`).

    `reset` brings a module back to its state before the first step. Subclasses of `cls` that have
    no function of their own are served too. Every trace checks the description against the
    module's own forward.
    """

    def register(describe: Describe) -> Describe:
        _NEURONS[cls if isinstance(cls, str) else _dotted(cls)] = NeuronClass(describe, reset)
        return describe

    return register


def find_neuron(module: nn.Module) -> NeuronClass | None:
    """What is registered for the class of `module`, or None where it is no neuron."""
    for cls in type(module).__mro__:
        if _dotted(cls) in _NEURONS:
            return _NEURONS[_dotted(cls)]
    return None


def _dotted(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
