"""Where steps and frames are in the tensors that a model or one of its modules takes."""

from __future__ import annotations

import torch
from torch import nn

from .registry import find_neuron
from .values import Layout


def arranged(x: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(frames, steps, *shape) in another layout; a copy of its own."""
    if layout.is_steps_first:
        x = x.transpose(0, 1)
    if layout.is_merged:
        x = x.flatten(0, 1)
    return x.clone(memory_format=torch.contiguous_format)


def taken_apart(x: torch.Tensor, layout: Layout, steps: int) -> tuple[torch.Tensor, ...]:
    """The steps of a tensor in `layout`, each (frames, *shape)."""
    if layout.is_merged:
        lead = (steps, -1) if layout.is_steps_first else (-1, steps)
        x = x.reshape(*lead, *x.shape[1:])
    return x.unbind(0 if layout.is_steps_first else 1)


def fixed_frames(model: nn.Module) -> int | None:
    """How many frames the neurons of `model` insist on (sinabs' batch_size); None where any do."""
    return _fixed(model, "batch_size")


def fixed_steps(model: nn.Module) -> int | None:
    """How many steps the neurons of `model` insist on (sinabs' num_timesteps)."""
    return _fixed(model, "num_timesteps")


def _fixed(model: nn.Module, name: str) -> int | None:
    neurons = [module for module in nn.Module.modules(model) if find_neuron(module)]
    found = [getattr(module, name, None) for module in neurons]
    numbers = [item for item in found if isinstance(item, int) and item > 0]
    return numbers[0] if numbers else None
