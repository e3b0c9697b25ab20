"""Reads the parameters of a neuron module, and collects what is wrong with them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ...ir import Array, UnsupportedModel
from ..arrays import channel_values, neuron_values


class Parameters:
    """The parameters of one neuron `module`, for a population of `shape` (without frames).

    What cannot be used is replaced by 1.0 and noted; `raise_problems` raises all of it at once.
    """

    def __init__(self, module: nn.Module, shape: tuple[int, ...]) -> None:
        self.module: Any = module  # a class of the library, known by its attributes only
        self.shape = shape
        self._problems: list[str] = []

    def tensor(self, name: str) -> torch.Tensor:
        """The attribute `name`, a tensor or a number, as a tensor outside of training."""
        return torch.as_tensor(getattr(self.module, name)).detach()

    def values(self, name: str, values: torch.Tensor) -> float | Array:
        """One number, one a channel, or one a neuron."""
        found = neuron_values(values, self.shape)
        if found is not None and bool(values.isfinite().all()):
            return found
        what = f"of shape {tuple(values.shape)}" if found is None else "that is not finite"
        self.problem(
            f"found {name} {what} for a population of shape {self.shape}, accepted one finite "
            "value, one a channel or one a neuron; give it a shape that broadcasts"
        )
        return 1.0

    def positive(self, name: str, values: torch.Tensor) -> float | Array:
        """As `values`, all above zero."""
        if bool((values <= 0).any()):
            self.problem(
                f"found {name} {float(values.min()):g}, accepted values above 0; train with a "
                "positive one (add a bias in front of the neuron to shift it)"
            )
            return 1.0
        return self.values(name, values)

    def channels(self, name: str, values: torch.Tensor) -> float | Array:
        """One number, or one a channel."""
        found = channel_values(values, self.shape)
        if found is not None:
            return found
        self.problem(
            f"found {name} of shape {tuple(values.shape)} for a population of shape {self.shape}, "
            "accepted one value, or one a channel; share it within a channel"
        )
        return 1.0

    def problem(self, text: str) -> None:
        """Notes what is wrong."""
        self._problems.append(text)

    def raise_problems(self) -> None:
        """UnsupportedModel with everything that was noted."""
        if self._problems:
            raise UnsupportedModel(self._problems)
