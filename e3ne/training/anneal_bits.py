"""Annealing: a network learns at many bits first, then at ever fewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..ir import BadInput
from .network import QuantizedNetwork

Bits = int | float
Stage = Bits | Mapping[str, Bits]
"""One number for all, or one for each of some nodes by name."""


@dataclass(frozen=True)
class AnnealBits:
    """Gives a network its bits of a stage when training comes there; `after_step` of `fit`.

    `edges` and `weights` say from which step of the optimizer on which bits hold, as in
    `edges={0: 8, 500: 6, 1000: 4}`; step 0 holds from now on. The weights' scales are chosen again
    with their bits, the bounds of edges stay. BadInput for names or bits that there are not.
    """

    network: QuantizedNetwork
    edges: Mapping[int, Stage]
    weights: Mapping[int, Stage] | None = None

    def __post_init__(self) -> None:
        for names, plan in self._plans():
            for step, stage in plan.items():
                strange = [name for name in _spread(stage, names) if name not in names]
                if step < 0 or strange:
                    raise BadInput(
                        f"annealing: found {', '.join(strange) or f'step {step}'}, accepted steps "
                        f">= 0 and the nodes {', '.join(names)}"
                    )
        self(0)

    def __call__(self, step: int) -> None:
        """Sets the bits of the stages that begin at `step`."""
        (edges, edge_plan), (weights, weight_plan) = self._plans()
        if step in edge_plan or step in weight_plan:
            self.network.set_bits(
                weights=_spread(weight_plan.get(step, {}), weights),
                edges={
                    name: int(bits)
                    for name, bits in _spread(edge_plan.get(step, {}), edges).items()
                },
            )

    def _plans(self) -> tuple[tuple[list[str], Mapping[int, Stage]], ...]:
        network = self.network
        return (list(network.edge_bits()), self.edges), (
            list(network.weight_bits()),
            self.weights or {},
        )


def _spread(stage: Stage, names: list[str]) -> dict[str, Bits]:
    return dict(stage) if isinstance(stage, Mapping) else dict.fromkeys(names, stage)
