"""Whole layouts out of a search: what they cost, in real, and which one is the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..boards import Board
from ..cost import Prediction, energy, port_cycles, predict
from ..ir import Graph, Mapping
from .labels import Found, search
from .limits import COLUMNS, Limits
from .size_queues import size_queues
from .stages import Stages

PLAIN_LABELS = 96  # of layouts whose latency is not looked at
TIMED_LABELS = 96  # of those whose latency is, with the widest beats; fewer with others
OTHER_LABELS = 24
RUNGS = (0.125, 0.5, 1.0)  # shares of the board's LUTs that searches for low latency stay within
RANKED = 16  # designs that are looked at in full behind the first one that fits
REFUSED = 8  # designs that fit as sketches, and not when they are built and told exactly

Rank = tuple[float, ...]


@dataclass(frozen=True)
class Design:
    """A layout of the network `original`: a label of a search on a sketch of it.

    `latency_cycles` is that without queues, None where the search did not look at it; `costs` are
    estimates without queues. `within` is the interval that each of its parts keeps.
    """

    original: Graph
    stages: Stages
    found: Found
    label: int
    within: float
    latency_cycles: int | None
    costs: tuple[int, ...]

    @cached_property
    def sketch(self) -> Graph:
        """The mapped sketch, with the queues behind its nodes.

        None behind inputs: a frame may wait in front of the port, and a queue there takes two
        cycles of every frame's latency.
        """
        laid = self.stages.graph
        mappings = self._mappings()
        nodes = [replace(node, mapping=mappings[node.name]) for node in laid.nodes]
        return replace(size_queues(laid.with_nodes(nodes)), inputs=laid.inputs)

    @cached_property
    def prediction(self) -> Prediction:
        """What the sketch costs; cycles as of the schedule."""
        return predict(self.sketch, self.stages.family, self.stages.trains, exact=False)

    @cached_property
    def graph(self) -> Graph:
        """The mapped network, with its queues."""
        mappings = {node.name: node.mapping for node in self.sketch.nodes}
        nodes = [replace(node, mapping=mappings[node.name]) for node in self.original.nodes]
        return self.stages.graph.with_nodes(nodes)

    def outcome(self, limits: Limits) -> Prediction:
        """What the network itself costs; cycles are exact where there are limits on them."""
        return self._exact if limits.cycles < math.inf else self._scheduled

    @cached_property
    def _exact(self) -> Prediction:
        return predict(self.graph, self.stages.family, self.stages.trains)

    @cached_property
    def _scheduled(self) -> Prediction:
        return predict(self.graph, self.stages.family, self.stages.trains, exact=False)

    @cached_property
    def energy_nj(self) -> float:
        """Nanojoules of a frame, modelled, at the board's clock."""
        stages = self.stages
        known = self.prediction, stages.activity
        return energy(self.sketch, stages.board, *known, trains=stages.trains).nominal_nj

    def keeps(self, limits: Limits) -> bool:
        """Whether the sketch is within all limits."""
        if limits.exceeded(self.prediction):
            return False
        return limits.energy_nj == math.inf or self.energy_nj <= limits.energy_nj

    def _mappings(self) -> dict[str, Mapping | None]:
        return {
            node.name: node.mapping
            for part, pick in zip(self.stages.parts, self.found.picks(self.label), strict=True)
            for node in part.choices[pick].nodes
        }

    def fits(self, limits: Limits) -> bool:
        """Whether the costs without queues are within the limits."""
        return all(
            cost <= getattr(limits, name) for name, cost in zip(COLUMNS, self.costs, strict=True)
        ) and (self.latency_cycles is None or self.latency_cycles <= limits.latency_cycles)


class Designs:
    """The designs of one network for all its windows and input lanes; searches are kept.

    No search knows of the budget: so what fits a smaller one is found with a larger one, too.
    """

    def __init__(self, original: Graph, every: list[Stages], board: Board) -> None:
        self.original = original
        self.every = every
        self.board = board
        have = board.resources
        self.ceilings = np.array([getattr(have, name) for name in COLUMNS], np.float64)
        self.widest = max(lanes for stages in every for _, lanes in stages.input_lanes())
        self._kept: dict[tuple[int, float, bool, float], list[Design]] = {}

    def unbounded(self) -> Designs:
        """The designs of the same network on a board that has enough of everything."""
        free = Designs(self.original, self.every, self.board)
        free.ceilings = np.full(len(COLUMNS), np.inf)
        return free

    def plain(self, within: float) -> list[Design]:
        """Designs of few resources that keep an interval."""
        return [
            design for index in range(len(self.every)) for design in self._of(index, within, False)
        ]

    def timed(self, within: float, most_luts: float = math.inf) -> list[Design]:
        """Designs of low latency for their resources that keep an interval.

        Of a network that takes all of a board only few labels are small; so of `most_luts` there
        are searches within each share of the board's up to the first that holds them.
        """
        have = self.ceilings[0]
        rungs = [share for share in RUNGS if share * have < most_luts]
        rungs += [share for share in RUNGS if share not in rungs][:1]
        if have == math.inf:
            rungs = [1.0]
        return [
            design
            for share in rungs
            for index in range(len(self.every))
            for design in self._of(index, within, True, share)
        ]

    def _of(self, index: int, within: float, timed: bool, share: float = 1.0) -> list[Design]:
        key = (index, within, timed, share)
        if key not in self._kept:
            self._kept[key] = list(self._searched(self.every[index], within, timed, share))
        return self._kept[key]

    def _searched(
        self, stages: Stages, within: float, timed: bool, share: float
    ) -> Iterator[Design]:
        if port_cycles(stages.graph) > within:
            return
        widest = max(lanes for _, lanes in stages.input_lanes())
        most = PLAIN_LABELS
        if timed:
            most = TIMED_LABELS if widest == self.widest else OTHER_LABELS
        ceilings = np.where(np.arange(len(COLUMNS)) == 0, share, 1.0) * self.ceilings
        found = search(stages, within, ceilings, timed, most)
        last = found.layers[-1]
        if len(found.layers) <= len(stages.parts):
            return
        for label, (row, state) in enumerate(zip(last.rows, last.state, strict=True)):
            latency = stages.latency(last.states[state], int(row[0])) if timed else None
            costs = tuple(int(cost) for cost in row[1:])
            yield Design(self.original, stages, found, label, within, latency, costs)

    def intervals(self) -> list[int]:
        """Every interval that a part or a port of some design sets, ascending."""
        found: set[int] = set()
        for stages in self.every:
            least = max(port_cycles(stages.graph), *(int(p.cycles.min()) for p in stages.parts))
            found |= {max(least, int(c)) for part in stages.parts for c in part.cycles}
        return sorted(found)

    def may_fit(self, within: float, limits: Limits) -> bool:
        """False where the least costs of all parts for an interval are above the limits."""
        most = np.array([getattr(limits, name) for name in COLUMNS])
        for stages in self.every:
            if port_cycles(stages.graph) > within:
                continue
            if not (stages.least_rest(within)[0] + stages.port_costs > most).any():
                return True
        return False


def best_of(
    designs: list[Design],
    limits: Limits,
    bound: Callable[[Design], Rank],
    rank: Callable[[Prediction], Rank],
) -> Design | None:
    """The design within the limits of the lowest `rank`; None where there is none.

    `bound` is no higher than the rank, as far as is known without queues.
    """
    for _ in range(REFUSED):
        best = _best_sketch(designs, limits, bound, rank)
        if best is None or not limits.exceeded(best.outcome(limits)):
            return best
        designs = [design for design in designs if design is not best]
    return None


def _best_sketch(
    designs: list[Design],
    limits: Limits,
    bound: Callable[[Design], Rank],
    rank: Callable[[Prediction], Rank],
) -> Design | None:
    best: tuple[Rank, Design] | None = None
    looked = 0
    for design in sorted(designs, key=lambda design: (bound(design), design.costs)):
        if not design.fits(limits):
            continue
        if best is not None and (bound(design) > best[0] or looked >= RANKED):
            break
        looked += best is not None
        if design.keeps(limits):
            found = rank(design.prediction)
            if best is None or found < best[0]:
                best = (found, design)
    return None if best is None else best[1]
