"""Models whose modules remember something between calls, though none of them is a known neuron."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from torch import nn

from .forward import called, default_dtype, private_copy
from .nesting import flat
from .registry import find_neuron, reset
from .samples import Samples


def memory_problem(model: nn.Module, samples: Samples, dtype: torch.dtype) -> str | None:
    """What to tell the user where a second call on the same frames computes something else."""
    working = private_copy(model, dtype)
    frames = [sample.frames[:, 0] if sample.timed else sample.frames for sample in samples]
    tensors = [torch.from_numpy(np.array(x)).to(dtype) for x in frames]
    first: list[torch.Tensor] = []
    second: list[torch.Tensor] = []
    with suppress(Exception), torch.no_grad(), default_dtype(dtype):
        reset(working)
        for outputs in (first, second):
            returned = flat(called(working, samples, tensors))
            outputs += [item.clone() for item in returned if isinstance(item, torch.Tensor)]
    if len(first) == len(second) and all(map(_same, first, second)):
        return None
    return (
        "forward: found another output in a second call on the same frames, accepted modules "
        "without memory beside registered neurons; if one of these modules is a neuron, "
        f"describe it with @e3ne.register_neuron: {', '.join(_own_classes(working))}"
    )


def _same(first: torch.Tensor, second: torch.Tensor) -> bool:
    return first.shape == second.shape and torch.allclose(first, second, equal_nan=True)


def _own_classes(model: nn.Module) -> list[str]:
    """The modules that are neither torch's nor registered, `path (Class)`."""
    return [
        f"{path or 'model'} ({type(module).__name__})"
        for path, module in model.named_modules()
        if not type(module).__module__.startswith("torch.") and find_neuron(module) is None
    ]
