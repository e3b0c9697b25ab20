"""States that a model carries from call to call: they are what the call before returned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from .calls import Call, NotSupported, Traced
from .nesting import flat
from .registry import NeuronModel


class States:
    """What one neuron module returned at the step before, for each of its state arguments."""

    def __init__(self) -> None:
        self.not_given: set[str] = set()  # though the call before returned them
        self._before: dict[str, list[Traced]] = {}

    def check(self, call: Call, model: NeuronModel, given: Mapping[str, Any], step: int) -> None:
        """NotSupported unless the state arguments continue the call before, or begin at rest.

        None is left to the module; where it forgets then, the numbers of the trace differ.
        """
        for name in model.states:
            tensors = [item for item in flat(given.get(name)) if isinstance(item, torch.Tensor)]
            if not tensors:
                if step > 0:
                    self.not_given.add(name)
                continue
            meanings = [call.value(tensor) for tensor in tensors]
            if step == 0:
                if any(item is not None for item in meanings) or not _at_rest(tensors, model):
                    raise NotSupported(
                        f"found a first {name} other than zero, accepted the neuron's own initial "
                        "state; start from what the library makes (init_leaky() and its like), or "
                        "from None"
                    )
            elif not _same(meanings, self._before.get(name, [])):
                raise NotSupported(
                    f"found a {name} in call number {step + 1} that is not the one returned by the "
                    "call before, accepted an unchanged one; create it before the time loop and "
                    "pass on what the neuron returns"
                )

    def remember(
        self, model: NeuronModel, returned: Any, meanings: Iterable[tuple[torch.Tensor, Traced]]
    ) -> None:
        """Notes what a call returned: its last items are the states, in the order of `states`."""
        known = {id(tensor): meaning for tensor, meaning in meanings}
        items = list(returned) if isinstance(returned, tuple | list) else []
        self._before = {
            name: [known[id(tensor)] for tensor in flat(item) if isinstance(tensor, torch.Tensor)]
            for name, item in zip(reversed(model.states), reversed(items), strict=False)
        }


def state_arguments(model: NeuronModel, returned: Any) -> dict[str, Any]:
    """The state arguments of the next call, from what a call returned."""
    items = list(returned) if isinstance(returned, tuple | list) else []
    return dict(zip(reversed(model.states), reversed(items), strict=False))


def _at_rest(tensors: Iterable[torch.Tensor], model: NeuronModel) -> bool:
    """Zero, or the membrane that the library shows at rest."""
    rest = np.unique(np.append(np.asarray(model.membrane_offset), 0.0)).tolist()
    return all(
        bool(torch.isin(tensor.float(), torch.tensor(rest, dtype=torch.float32)).all())
        for tensor in tensors
    )


def _same(given: list[Traced | None], before: list[Traced]) -> bool:
    return len(given) == len(before) and all(
        new is old for new, old in zip(given, before, strict=True)
    )
