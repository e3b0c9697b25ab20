"""What a library computes with a model of its own, called as a user would call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from torch import nn

from e3ne.frontend.nesting import flat
from e3ne.frontend.registry import find_neuron
from e3ne.ir import Array

from .case import Case


@dataclass(frozen=True)
class Own:
    """What the library computed: its output, and all that each neuron module returned or shows.

    All (frames, steps, -1), or (frames, 1, -1) for scores; a module may return spikes, currents
    and membranes.
    """

    output: Array
    neurons: dict[str, list[Array]]


def own_forward(case: Case, x: Array) -> Own:
    """The library's own forward, called as a user would call it, from a fresh model.

    In float64, or in float32 where the library makes float32 numbers for its own layers (rockpool).
    """
    if case.single:
        return _own_forward(case, x, torch.float32)
    try:
        return _own_forward(case, x, torch.float64)
    except RuntimeError as error:
        if "dtype" not in str(error):
            raise
        return _own_forward(case, x, torch.float32)


def _own_forward(case: Case, x: Array, dtype: torch.dtype) -> Own:
    model = case.build().to(dtype).eval()
    caught: dict[str, list[list[torch.Tensor]]] = {}

    def watch(path: str) -> Callable[..., None]:
        def catch(module: nn.Module, args: object, output: object) -> None:
            shown = (*flat(output), getattr(module, "v", None))  # spikingjelly keeps its membrane
            found = [item.detach().clone() for item in shown if is_real(item)]
            caught.setdefault(path, []).append(found)

        return catch

    def cast(module: nn.Module, args: tuple[object, ...]) -> tuple[object, ...]:
        """Some libraries make float32 spikes whatever comes in."""
        return tuple(item.to(dtype) if is_real(item) else item for item in args)

    for path, module in model.named_modules():
        module.register_forward_pre_hook(cast)
        if find_neuron(module) is not None:
            module.register_forward_hook(watch(path))
    with torch.no_grad(), by_default(dtype):
        parts = fed(case, torch.from_numpy(x).to(dtype))
        outputs = [first_tensor(model(part)) for part in parts]
    frames = len(x)
    neurons = {
        path: [as_train(case, list(parts), frames) for parts in zip(*calls, strict=True)]
        for path, calls in caught.items()
    }
    return Own(as_train(case, outputs, frames), neurons)


def is_real(item: object) -> TypeGuard[torch.Tensor]:
    """A tensor of floats."""
    return isinstance(item, torch.Tensor) and item.is_floating_point()


def fed(case: Case, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """The arguments of the calls that a user makes for frames `x`."""
    if case.feed == "loop":
        yield from x.unbind(1)
    elif case.feed == "steps first":
        yield x.transpose(0, 1).contiguous()
    elif case.feed == "merged":
        yield x.flatten(0, 1)
    else:
        yield x


def as_train(case: Case, parts: list[torch.Tensor], frames: int) -> Array:
    """What one or several calls returned, as (frames, steps or 1, -1)."""
    if len(parts) > 1:
        return torch.stack(parts, dim=1).flatten(2).numpy() if parts[0].ndim > 1 else np.array([])
    found = parts[0]
    if found.shape[:2] == (case.steps, frames):
        return found.transpose(0, 1).flatten(2).numpy()
    if found.shape[:2] == (frames, case.steps):
        return found.flatten(2).numpy()
    if found.shape[0] == frames * case.steps:
        return found.reshape(frames, case.steps, -1).numpy()
    return found.reshape(frames, 1, -1).numpy()


def first_tensor(output: object) -> torch.Tensor:
    """The tensor that a module returns first; a list of steps is stacked."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, list) and all(isinstance(item, torch.Tensor) for item in output):
        return torch.stack(output)
    assert isinstance(output, tuple | list), type(output)
    return first_tensor(output[0])


@contextmanager
def by_default(dtype: torch.dtype) -> Iterator[None]:
    """States that a model creates are of `dtype` too."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
