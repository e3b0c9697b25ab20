"""What is best: for each target the designs that may be it, and the rank among them."""

from __future__ import annotations

import math
from typing import assert_never

from ..boards import Board
from ..config.records import Target
from ..cost import Prediction
from .designs import Design, Designs, Rank, best_of
from .limits import Limits

FEW_INTERVALS = 12  # of all, where each takes a search
TIMED_INTERVALS = 2  # the shortest of these, for which latency is looked at, too


def best_design(target: Target, designs: Designs, limits: Limits, board: Board) -> Design | None:
    """The best design for a target within the limits; None where none is found.

    throughput: the least interval, then the least latency that is worth its LUTs (a latency
    shorter by 1 % may cost 2 % more LUTs). latency: the least latency, then interval, then LUTs.
    area: the least sum of shares of the board's LUTs, block RAMs and multipliers, then interval.
    energy: the least energy of a frame, then interval.
    """
    match target:
        case "throughput":
            return _throughput(designs, limits)
        case "latency":
            return _latency(designs, limits)
        case "area":
            return _area(designs, limits, board)
        case "energy":
            return _energy(designs, limits)
        case _:
            assert_never(target)


def _throughput(designs: Designs, limits: Limits) -> Design | None:
    """The first interval, ascending, that has a design; all searches of it."""

    def rank(found: Prediction) -> Rank:
        return found.interval_cycles, found.latency_cycles * math.sqrt(found.luts)

    def bound(design: Design) -> Rank:
        latency = design.latency_cycles or 0
        return 0, latency * math.sqrt(design.costs[0])

    intervals = [k for k in designs.intervals() if k <= limits.interval_cycles]
    if limits.latency_cycles < math.inf:
        intervals = few(intervals)
    for interval in intervals:
        if not designs.may_fit(interval, limits):
            continue
        small = best_of(designs.plain(interval), limits, bound, rank)
        if small or limits.latency_cycles < math.inf:
            found = [*designs.timed(interval, limits.luts), *([small] if small else [])]
            best = best_of(found, limits, bound, rank)
            if best is not None:
                return best
    return None


def _latency(designs: Designs, limits: Limits) -> Design | None:
    """The designs of low latency, and those of few resources for some intervals."""

    def rank(found: Prediction) -> Rank:
        return found.latency_cycles, found.interval_cycles, found.luts

    def bound(design: Design) -> Rank:
        return (design.latency_cycles or 0,)

    return best_of(_of_all_paces(designs, limits), limits, bound, rank)


def _of_all_paces(designs: Designs, limits: Limits) -> list[Design]:
    """Designs of low latency, of any interval and of some short ones; and small ones for many.

    A search in which every part keeps a pace thins its labels less.
    """
    found = list(designs.timed(limits.interval_cycles, limits.luts))
    paces = few([k for k in designs.intervals() if k <= limits.interval_cycles])
    fitting = [k for k in paces if designs.may_fit(k, limits)]
    for interval in fitting[:TIMED_INTERVALS]:
        found += designs.timed(interval, limits.luts)
    for interval in fitting:
        found += smallest(designs.plain(interval), limits)
    return found


def _area(designs: Designs, limits: Limits, board: Board) -> Design | None:
    """The smallest designs, and where latency counts, those of low latency."""
    have = board.resources

    def shares(luts: int, brams: int, dsps: int) -> float:
        return luts / have.luts + brams / max(have.brams, 1) + dsps / max(have.dsps, 1)

    def rank(found: Prediction) -> Rank:
        shared = shares(found.luts, found.brams, found.dsps)
        return shared, found.interval_cycles, found.latency_cycles

    def bound(design: Design) -> Rank:
        luts, _, brams, dsps, _ = design.costs
        return (shares(luts, brams, dsps),)

    found = list(designs.plain(limits.interval_cycles))
    if min(limits.latency_cycles, limits.energy_nj) < math.inf:
        found += _of_all_paces(designs, limits)
    return best_of(found, limits, bound, rank)


def _energy(designs: Designs, limits: Limits) -> Design | None:
    """Of designs of every pace, small and of low latency, the one of the least energy."""
    found = _of_all_paces(designs, limits)
    fitting = [design for design in found if design.fits(limits) and design.keeps(limits)]
    for design in sorted(fitting, key=lambda d: (d.energy_nj, d.prediction.interval_cycles)):
        if not limits.exceeded(design.outcome(limits)):
            return design
    return None


def smallest(found: list[Design], limits: Limits) -> list[Design]:
    """Of designs within the limits the one of fewest LUTs."""
    fitting = [design for design in found if design.fits(limits)]
    return [min(fitting, key=lambda design: design.costs)] if fitting else []


def few(intervals: list[int]) -> list[int]:
    """At most about a dozen of ascending intervals, spread evenly over their magnitudes."""
    if len(intervals) <= FEW_INTERVALS:
        return intervals
    span = math.log(intervals[-1] / max(intervals[0], 1)) or 1.0
    cells = {
        int(FEW_INTERVALS * math.log(k / max(intervals[0], 1)) / span): k
        for k in reversed(intervals)
    }
    return sorted(cells.values())
