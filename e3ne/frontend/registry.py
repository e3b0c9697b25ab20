"""Which modules are neurons, and what each one computes: the door for libraries and users.

A library has one file (`frontend/libraries/snntorch.py`) that registers its classes by their dotted
name, so that nothing is imported before the user's own model has imported it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from ..ir import Array, ChannelAffine, Conv2d, Integrate, IntegrateFire, Linear
from .values import Layout


@dataclass(frozen=True)
class NeuronModel:
    """What one neuron module computes, and where its trains are.

    `neuron`: what its spikes follow; None where it never fires. `membrane`: what the membrane that
    it shows follows by itself: an `Integrate`, or `neuron` with sends="membrane"; None where the
    module shows none, or none that e3ne can compute.

    `spikes_at`, `membrane_at`: positions among the tensors that the module returns, counted
    through nested tuples, named tuples and dicts (a lone tensor is position 0); None where it is
    not returned. `membrane_name`: the attribute of the module that holds the membrane after a call
    and that users read (spikingjelly's `v`); `membrane_train`: one that holds it for all steps of
    a call (`v_seq`).

    `states`: the arguments of `forward` that take what the call before returned: the last items of
    what it returns, in this order; () where the module keeps its state to itself. `layout`: how a
    call carries the steps; None for one step a call.

    `input_op`: a layer inside the module in front of the neurons (Norse's recurrent cells).
    `recurrence`: layers from its own spikes of the step before into its current; they read 0 / 1
    spikes, so `spike_value` is part of their weights.

    `spike_value`: what one spike is worth where the module returns it (graded_spikes_factor).
    The membrane shown is membrane_gain * v + membrane_offset, v as in `ir/neurons.py`: so a neuron
    that rests at v_leak is described by its distance from there. These three are numbers or
    float32 (channels,) arrays.
    """

    neuron: IntegrateFire | None
    membrane: Integrate | IntegrateFire | None
    spikes_at: int | None = 0
    membrane_at: int | None = None
    states: tuple[str, ...] = ()
    layout: Layout | None = None
    membrane_name: str | None = None
    input_op: Linear | Conv2d | None = None
    recurrence: tuple[Linear | Conv2d | ChannelAffine, ...] = ()
    spike_value: float | Array = 1.0
    membrane_gain: float | Array = 1.0
    membrane_offset: float | Array = 0.0
    membrane_train: str | None = None


Describe = Callable[[nn.Module, tuple[int, ...]], NeuronModel]
"""(module, shape of the population without frames) to its model.

Raises UnsupportedModel with *found X, accepted Y; do Z* for options that e3ne cannot compute; the
caller adds the path of the module.
"""


Reset = Callable[[nn.Module], None]
"""Brings a module back to its state before the first step."""


def nothing_to_reset(module: nn.Module) -> None:
    """For neurons that keep no state between calls."""


@dataclass(frozen=True)
class NeuronClass:
    """What is registered for a class: `describe` it, `reset` it to before the first step."""

    describe: Describe
    reset: Reset


Found = TypeVar("Found")

_NEURONS: dict[str, NeuronClass] = {}
_KEEPERS: dict[str, Reset] = {}


def register_neuron(
    cls: type[nn.Module] | str, reset: Reset = nothing_to_reset
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


def register_reset(cls: type[nn.Module] | str) -> Callable[[Reset], Reset]:
    """Decorates the function that resets `cls`, which keeps a state but is no neuron.

    For containers that hold the spikes of the step before and feed them back themselves. Whatever
    they do with them is traced through their forward.
    """

    def register(reset: Reset) -> Reset:
        _KEEPERS[cls if isinstance(cls, str) else _dotted(cls)] = reset
        return reset

    return register


def find_neuron(module: nn.Module) -> NeuronClass | None:
    """What is registered for the class of `module`, or None where it is no neuron."""
    return _of_class(module, _NEURONS)


def reset(model: nn.Module) -> None:
    """Brings everything in `model` that keeps a state back to before the first step."""
    for module in nn.Module.modules(model):
        neuron, keeper = find_neuron(module), _of_class(module, _KEEPERS)
        if neuron is not None:
            neuron.reset(module)
        elif keeper is not None:
            keeper(module)


def _of_class(module: nn.Module, known: dict[str, Found]) -> Found | None:
    for cls in type(module).__mro__:
        if _dotted(cls) in known:
            return known[_dotted(cls)]
    return None


def _dotted(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
