"""Pruning: which weights, or whole output channels, become zero while a network trains.

A mask of zeros and ones multiplies the weight that trains; what it hides keeps its value and can
come back when masks are chosen again. The schedule is the cubic one of Zhu & Gupta 2017 ("To
prune, or not to prune", eq. 1), here over the number of weights that are kept:

    kept(t) = end + (start - end) * (1 - clip((t - first) / steps, 0, 1))**3

`Pruner` works on anything with parameters by name and masks by the same names: a
`QuantizedNetwork`, or two dicts. `e3ne.lower.remove_silent` takes channels that no longer send
anything out of the graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..ir import BadInput
from .network import QuantizedNetwork

Scope = Literal["global", "layer"]


@dataclass(frozen=True)
class CubicSchedule:
    """Optimizer steps over which pruning goes on: from step `first` over `steps` more.

    Masks are chosen again at every step number that `every` divides, and at the last; afterwards
    they stay as they are.
    """

    steps: int
    first: int = 0
    every: int = 1

    def progress(self, step: int) -> float:
        """0 at `first` and before, 1 at the end and after, in between 1 - (1 - t)**3."""
        share = 1.0 if self.steps <= 0 else (step - self.first) / self.steps
        return 1.0 - (1.0 - min(max(share, 0.0), 1.0)) ** 3

    def is_due(self, step: int) -> bool:
        """Are masks chosen at this step?"""
        last = self.first + max(self.steps, 0)
        return self.first <= step <= last and (step % self.every == 0 or step == last)


def magnitude_masks(
    weights: Mapping[str, Tensor], kept: int | Mapping[str, int], relative: bool = True
) -> dict[str, Tensor]:
    """Masks (0.0 and 1.0, of each weight's shape) that keep the largest magnitudes.

    An integer is kept of all weights together, where `relative` compares magnitudes in units of
    the root mean square of their tensor; a dict has a number for each. Of equal magnitudes the
    first ones stay, so exactly `kept` are ones.
    """
    if isinstance(kept, Mapping):
        return {
            name: _largest(weight.detach().abs(), kept[name]) for name, weight in weights.items()
        }
    sizes = {name: weight.detach().abs() for name, weight in weights.items()}
    if relative:
        sizes = {name: size / _root_mean_square(size) for name, size in sizes.items()}
    mask = _largest(torch.cat([size.reshape(-1) for size in sizes.values()]), kept)
    parts = torch.split(mask, [size.numel() for size in sizes.values()])
    return {
        name: part.reshape(size.shape)
        for (name, size), part in zip(sizes.items(), parts, strict=True)
    }


def channel_masks(
    weights: Mapping[str, Tensor], kept: int | Mapping[str, int], order: float = 2
) -> dict[str, Tensor]:
    """Masks that keep whole output channels (rows of a Linear): those of the largest norms.

    The norm of `order` (1, 2, ...) of a channel's weights is compared; over several layers (an
    integer) in units of the root mean square of each layer's norms, and every layer keeps one
    channel at least.
    """
    norms = {
        name: weight.detach().flatten(1).norm(order, dim=1) for name, weight in weights.items()
    }
    if isinstance(kept, int):
        first = {name: _largest(norm, 1) for name, norm in norms.items()}
        sizes = {
            name: norm / _root_mean_square(norm) + 1e9 * first[name] for name, norm in norms.items()
        }
        chosen = magnitude_masks(sizes, max(kept, len(norms)), relative=False)
    else:
        chosen = magnitude_masks(norms, {name: max(1, count) for name, count in kept.items()})
    return {
        name: chosen[name].reshape(-1, *(1,) * (weight.ndim - 1)).expand(weight.shape).clone()
        for name, weight in weights.items()
    }


def nonzero(weights: Mapping[str, Tensor]) -> int:
    """How many weights are not 0."""
    return sum(int(torch.count_nonzero(weight)) for weight in weights.values())


def kept_of(weights: Mapping[str, Tensor], sparsity: float) -> dict[str, int]:
    """How many of each weight stay where the share `sparsity` (0 .. 1) of each becomes 0."""
    if not 0 <= sparsity < 1:
        raise BadInput(f"sparsity: found {sparsity}, accepted 0 .. 1 without 1")
    return {name: round((1 - sparsity) * weight.numel()) for name, weight in weights.items()}


def _largest(sizes: Tensor, kept: int) -> Tensor:
    """1.0 at the `kept` largest of `sizes`, of equal ones the first; 0.0 elsewhere."""
    flat = sizes.reshape(-1)
    order = torch.argsort(flat, descending=True, stable=True)
    mask = torch.zeros_like(flat)
    mask[order[: max(0, kept)]] = 1.0
    return mask.reshape(sizes.shape)


def _root_mean_square(sizes: Tensor) -> Tensor:
    """Of all elements; 1 for zeros alone."""
    found = sizes.square().mean().sqrt()
    return torch.where(found > 0, found, torch.ones_like(found))


class Pruner:
    """Chooses masks again while a network trains, along a schedule; `after_step` of `fit`.

    `kept` is how many weights stay at the end, in all (an integer) or of each (a dict by name).
    With `channels` whole output channels go, and `kept` counts channels; `bound` then has for each
    weight the other parameters whose channels go with it (its bias), which leaves them silent.
    `changed` is called after every choice. BadInput where `kept` names other weights, or more than
    there are.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        masks: MutableMapping[str, Tensor],
        kept: int | Mapping[str, int],
        schedule: CubicSchedule,
        channels: bool = False,
        bound: Mapping[str, Mapping[str, Tensor]] | None = None,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self.weights, self.masks, self.schedule = weights, masks, schedule
        self.channels, self.bound, self.changed = channels, bound or {}, changed
        self.start = {
            name: len(weight) if channels else weight.numel() for name, weight in weights.items()
        }
        self.kept = kept
        self._check()

    def __call__(self, step: int) -> None:
        """Chooses masks where the schedule says so; `step` counts the optimizer's steps."""
        if self.schedule.is_due(step):
            self.choose(self.schedule.progress(step))

    @torch.no_grad()
    def choose(self, progress: float) -> None:
        """Sets the masks to what is kept at `progress` 0 (everything) .. 1 (`kept`)."""
        if isinstance(self.kept, Mapping):
            start = self.start
            kept: int | dict[str, int] = {
                name: _between(start[name], end, progress) for name, end in self.kept.items()
            }
        else:
            kept = _between(sum(self.start.values()), self.kept, progress)
        found = (channel_masks if self.channels else magnitude_masks)(self.weights, kept)
        for name, mask in found.items():
            self.masks[name] = mask
            for other, tensor in self.bound.get(name, {}).items():
                shape = (-1, *(1,) * (tensor.ndim - 1))
                self.masks[other] = mask.flatten(1)[:, 0].reshape(shape).expand(tensor.shape)
        if self.changed is not None:
            self.changed()

    def _check(self) -> None:
        every, total = ", ".join(self.start), sum(self.start.values())
        if isinstance(self.kept, Mapping):
            if set(self.kept) != set(self.start):
                raise BadInput(f"kept: found {', '.join(self.kept)}, accepted numbers for {every}")
            wrong = {n: k for n, k in self.kept.items() if not 0 < k <= self.start[n]}
        else:
            wrong = {} if 0 < self.kept <= total else {"all": self.kept}
        problems = [
            f"kept of {name}: found {count}, accepted 1 .. {self.start.get(name, 0) or total}"
            for name, count in wrong.items()
        ]
        if problems:
            raise BadInput(problems)


def network_pruner(
    network: QuantizedNetwork,
    kept: int | Mapping[str, int],
    schedule: CubicSchedule,
    channels: bool = False,
) -> Pruner:
    """The pruner of the weights of a network, by their names in it (`fc1.weight`).

    With `channels`, of all populations but outputs: biases, and the weights of further synapses,
    lose the same channels. Scales of weights are chosen again with the masks.
    """
    tensors = network.weights
    weights = {name: tensor for name, tensor in tensors.items() if name.endswith(".weight")}
    bound: dict[str, dict[str, Tensor]] = {}
    if channels:
        outputs = {output.source for output in network.graph.outputs}
        weights = {}
        for node in network.graph.nodes:
            own = [name for name in tensors if _is_of(name, node.name)]
            first = next((name for name in own if name.endswith(".weight")), None)
            if first is not None and node.name not in outputs:
                weights[first] = tensors[first]
                bound[first] = {name: tensors[name] for name in own if name != first}
    if isinstance(kept, Mapping) and channels:
        weights = {name: tensor for name, tensor in weights.items() if name in kept}
    return Pruner(weights, network.masks, kept, schedule, channels, bound, network.refresh)


def _is_of(name: str, node: str) -> bool:
    """Whether a parameter is a weight or bias of a node: `node.weight`, `node.1.bias`."""
    return re.fullmatch(re.escape(node) + r"(\.\d+)?\.(weight|bias)", name) is not None


def _between(start: int, end: int, progress: float) -> int:
    return round(start + (end - start) * progress)
