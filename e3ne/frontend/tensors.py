"""The tensors of one forward: what each stands for, and what torch computed for it."""

from __future__ import annotations

import torch

from .calls import Bound
from .layouts import taken_apart
from .sketch import Sketch
from .values import Kind, Value, unknown


class Tensors:
    """`values` says what each tensor (by id) stands for, `observed` what torch computed for each.

    It keeps the tensors alive, so that no other one gets the id of one.
    """

    def __init__(self, sketch: Sketch) -> None:
        self.values: dict[int, Bound] = {}
        self.observed: dict[Value, torch.Tensor] = {}
        self._sketch = sketch
        self._alive: dict[int, list[torch.Tensor]] = {}  # by the memory that they are views of

    def bind(self, tensor: torch.Tensor, value: Bound, copy: bool) -> bool:
        """From now on `tensor` stands for `value`; False where that is known with other numbers.

        `copy`: it may be overwritten where nobody sees it.
        """
        self.values[id(tensor)] = value
        self.keep(tensor)
        if not isinstance(value, Value):
            return True
        if value in self.observed:
            return self._is_seen(value, tensor)
        seen = tensor.detach()
        self._observe(value, seen.clone() if copy else seen)
        return True

    def keep(self, tensor: torch.Tensor) -> None:
        """Keeps a tensor alive."""
        self._alive.setdefault(_memory(tensor), []).append(tensor)

    def forget(self) -> None:
        """Lets go of all tensors."""
        self.values.clear()
        self.observed.clear()
        self._alive.clear()

    def overwritten(self, tensor: torch.Tensor, where: str) -> None:
        """Copies what was observed in the memory of a tensor that is about to be overwritten.

        Nobody follows what becomes of other tensors in that memory.
        """
        memory = _memory(tensor)
        for value, seen in self.observed.items():
            if _memory(seen) == memory:
                self.observed[value] = seen.clone()
        for other in self._alive.get(memory, ()):
            if other is not tensor and id(other) in self.values:
                self.values[id(other)] = unknown(
                    f"{where}: found activations that were overwritten in place through "
                    "another view of them, accepted work in place on the tensor that is used "
                    "afterwards; leave out inplace=True, or the underscore"
                )

    def _is_seen(self, value: Value, tensor: torch.Tensor) -> bool:
        """Whether what is taken for a known value holds its numbers."""
        seen = self.observed[value]
        if seen.numel() != tensor.numel():
            return True
        with torch._C.DisableTorchFunction():
            if seen.shape == tensor.shape and torch.equal(seen, tensor):
                return True
            seen, again = seen.double().flatten(), tensor.detach().double().flatten()
            return torch.allclose(seen, again, rtol=1e-4, atol=1e-6)

    def _observe(self, value: Value, seen: torch.Tensor) -> None:
        """Keeps what torch computed; of neurons step by step, however they send it."""
        self.observed[value] = seen
        draft = self._sketch.drafts[value.source]
        if draft.keeps_state and value.kind is Kind.TRAIN:
            del self.observed[value]
            for step, part in enumerate(taken_apart(seen, value.layout, value.steps)):
                self.observed.setdefault(Value(value.source, Kind.STEP, step), part)
        elif draft.keeps_state and value.kind is Kind.STEP and len(seen) == 1:
            self.observed[value] = seen.expand(self._sketch.frames, *seen.shape[1:])


def _memory(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage().data_ptr())
