"""Bits for each layer: the cheapest network that was found to keep an accuracy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..config import Config
from ..ir import BadInput
from .choice_problems import impossible, problems_of
from .evaluation import Measured
from .sensitivity import (
    Bits,
    Costs,
    Measure,
    Part,
    Tried,
    bits_of,
    options,
    priced,
    remembered,
    sensitivities,
    with_bits,
)

HELD_OUT = 0.25  # of the labelled frames
LEAST_LOSS = 1e-6  # nats: what loses less than this is free
WORTH = 0.1  # of an even share of the cost: what saves less may lose nothing
SWAPS = 60  # measurements of the local improvement, at most
LOOKED_AT = 3  # steps down that are measured before one is taken


@dataclass(frozen=True)
class Chosen:
    """A configuration with bits for every part, and what it was decided from.

    `table` has each part at each number of bits that it may have, alone; `steps` the networks on
    the way from the start to the choice, as text. `uniform` is the cheapest network that keeps the
    floor with the same number of bits in all parts of a kind, None where none does.
    """

    config: Config
    measured: Measured
    start_config: Config
    start: Measured
    uniform: tuple[Config, Measured] | None
    parts: tuple[Part, ...]
    table: tuple[Tried, ...]
    steps: tuple[str, ...]
    floor: float
    cost: Costs
    chosen_on: slice
    checked_on: slice


@dataclass(frozen=True, eq=False)
class Point:
    """A network on the way."""

    config: Config
    measured: Measured
    text: str


def choose_precision(
    measure: Measure,
    config: Config,
    parts: Sequence[Part],
    floor: float,
    cost: Costs,
    bits: Callable[[Part], Sequence[Bits]],
    frames: int,
    held_out: float = HELD_OUT,
    foretold: Mapping[tuple[Part, Bits], float] | None = None,
) -> Chosen:
    """The cheapest bits for `parts` with at least `floor` percent of the labels.

    `measure` measures a configuration on `frames` labelled frames; `config` is written out
    (`sensitivity.written_out`) and is where the search begins; `bits` says what a part may have;
    `cost` weighs the kinds of costs. The search runs on the first frames; the last `held_out` part
    of them only decides which of the networks that it found keep the floor there, too.

    `foretold` losses (nats, of a Hessian for example) order the steps instead of the measured ones.

    Down from the start, greedily: of the steps that lose least for what they save (by the measured
    sensitivities) the best few are measured where the search is, and the best is taken. A step
    that saves next to nothing (WORTH) is not taken where it loses anything. Then single parts go
    up where others may go down for it. The same from the cheapest network of equal bits. BadInput
    where the floor is impossible, out of range, or the frames are too few to tell.
    """
    search = Search(measure, config, tuple(parts), floor, cost, bits, frames, held_out)
    search.foretold = dict(foretold or {})
    return search.run()


class Search:
    """One search; see `choose_precision`."""

    def __init__(
        self,
        measure: Measure,
        config: Config,
        parts: tuple[Part, ...],
        floor: float,
        cost: Costs,
        bits: Callable[[Part], Sequence[Bits]],
        frames: int,
        held_out: float,
    ) -> None:
        problems = problems_of(parts, floor, cost, frames)
        if problems:
            raise BadInput(problems)
        self.config, self.parts = config, parts
        self.measure = remembered(measure)
        self.floor, self.cost = floor, cost
        split = frames - int(frames * held_out)
        self.chosen_on, self.checked_on = slice(0, split), slice(split, frames)
        self.bits = {part: options(part, bits(part), config) for part in parts}
        self.start = self.measure(config)
        self.table: dict[tuple[Part, Bits], Tried] = {}
        self.foretold: dict[tuple[Part, Bits], float] = {}

    def run(self) -> Chosen:
        """The whole search."""
        first = self._first()
        below = {part: bits_of(first.config, part) for part in self.parts}
        for tried in sensitivities(
            self.measure, first.config, self.parts, self.bits.__getitem__, self.cost, self.chosen_on
        ):
            self.table[tried.part, tried.bits] = tried
        uniform = self._uniform(below)
        starts = [[first], *([[first, uniform]] if uniform else [])]
        paths = [self._swapped(self._down(begun)) for begun in starts]
        kept = [
            (path, place)
            for path in paths
            for place, point in enumerate(path)
            if self._keeps(point.measured, self.checked_on)
        ]
        path, place = min(kept, key=lambda found: self._price(found[0][found[1]]))
        last = path[place]
        return Chosen(
            last.config,
            last.measured,
            first.config,
            first.measured,
            None if uniform is None else (uniform.config, uniform.measured),
            self.parts,
            tuple(self.table.values()),
            tuple(point.text for point in path[: place + 1]),
            self.floor,
            self.cost,
            self.chosen_on,
            self.checked_on,
        )

    def _first(self) -> Point:
        """The start, or the same with the most bits everywhere; BadInput where both are too bad."""
        first = Point(self.config, self.start, "start")
        if self._keeps_all(first.measured):
            return first
        config = self._all_at_most(self.config)
        most = Point(config, self.measure(config), "the most bits everywhere")
        if self._keeps_all(most.measured):
            return most
        best = max(first, most, key=self._found)
        raise BadInput(
            impossible(
                *(self.measure, best.config, best.measured, self._found(best)),
                *(self.parts, self.bits),
            )
        )

    def _all_at_most(self, config: Config) -> Config:
        for part in self.parts:
            if self.bits[part]:
                config = with_bits(config, part, max(self.bits[part]))
        return config

    def _uniform(self, most: dict[Part, Bits]) -> Point | None:
        """The cheapest network of equal bits everywhere (nowhere more than where the search is)."""
        found: list[Point] = []
        for bits in sorted({bits for part in self.parts for bits in self.bits[part]}):
            config = self.config
            for part in self.parts:
                fits = [b for b in self.bits[part] if b <= min(bits, most[part])]
                config = with_bits(config, part, max(fits) if fits else most[part])
            point = Point(config, self.measure(config), f"{_text(bits)} bits everywhere")
            if self._keeps_all(point.measured):
                found.append(point)
        return min(found, key=self._price) if found else None

    def _down(self, path: list[Point]) -> list[Point]:
        """The path, prolonged by one step down after the other as long as the floor is kept."""
        path = list(path)
        closed: set[tuple[Part, Bits]] = set()
        while True:
            here = path[-1]
            moves = [
                (part, fewer)
                for part in self.parts
                if (fewer := self._fewer(part, here.config)) is not None
                and (part, fewer) not in closed
            ]
            moves.sort(key=lambda move: self._expected(here, *move))
            step = self._best(here, moves, closed)
            if step is None:
                return path
            path.append(step)

    def _best(
        self, here: Point, moves: list[tuple[Part, Bits]], closed: set[tuple[Part, Bits]]
    ) -> Point | None:
        """The best measured step of the first few that keep the floor."""
        found: list[tuple[float, Point]] = []
        for part, fewer in moves:
            text = f"{part} {_text(bits_of(here.config, part))} -> {_text(fewer)}"
            config = with_bits(here.config, part, fewer)
            there = Point(config, self.measure(config), text)
            saved = self._price(here) - self._price(there)
            lost = max(self._loss(there) - self._loss(here), LEAST_LOSS)
            little = saved < WORTH / len(self.parts) * self._price(here)
            worth = saved > 0 and not (little and lost > LEAST_LOSS)
            if not worth or not self._keeps(there.measured, self.chosen_on):
                closed.add((part, fewer))
                continue
            found.append((lost / saved, there))
            if len(found) == LOOKED_AT:
                break
        return min(found, key=lambda pair: pair[0])[1] if found else None

    def _swapped(self, path: list[Point]) -> list[Point]:
        """The path, prolonged by cheaper networks in which one part went up and others down."""
        path, left = list(path), SWAPS
        improved = True
        while improved and left > 0:
            improved = False
            for up in self.parts:
                here = path[-1]
                more = self._more(up, here.config)
                if more is None or left <= 0:
                    continue
                left -= 1
                config = with_bits(here.config, up, more)
                raised = Point(config, self.measure(config), f"{up} -> {_text(more)}")
                lowered = self._down([raised])
                left -= len(lowered)
                if self._price(lowered[-1]) < self._price(here) and len(lowered) > 1:
                    text = ", ".join(point.text for point in lowered)
                    path.append(replace(lowered[-1], text=text))
                    improved = True
        return path

    def _fewer(self, part: Part, config: Config) -> Bits | None:
        below = [bits for bits in self.bits[part] if bits < bits_of(config, part)]
        return max(below) if below else None

    def _more(self, part: Part, config: Config) -> Bits | None:
        above = [bits for bits in self.bits[part] if bits > bits_of(config, part)]
        return min(above) if above else None

    def _expected(self, here: Point, part: Part, bits: Bits) -> float:
        """Loss for what is saved, as the sensitivities have it."""
        before, after = (part, bits_of(here.config, part)), (part, bits)
        lost = max(self._alone(after) - self._alone(before), LEAST_LOSS)
        price = self.table[before].cost if before in self.table else self._price(here)
        return lost / max(price - self.table[after].cost, 1e-9)

    def _alone(self, which: tuple[Part, Bits]) -> float:
        """What a part alone loses at these bits."""
        if which in self.foretold:
            return self.foretold[which]
        tried = self.table.get(which)
        return tried.entropy + tried.divergence if tried else 0.0

    def _loss(self, point: Point) -> float:
        """What a step is judged by: errors against labels and distance from the float network."""
        frames = self.chosen_on
        return point.measured.cross_entropy(frames) + point.measured.divergence(frames)

    def _price(self, point: Point) -> float:
        return priced(point.measured, self.cost, self.start)

    def _keeps(self, measured: Measured, frames: slice) -> bool:
        if frames.stop <= frames.start:
            return True
        return measured.accuracy(frames) >= self.floor

    def _keeps_all(self, measured: Measured) -> bool:
        return self._keeps(measured, self.chosen_on) and self._keeps(measured, self.checked_on)

    def _found(self, point: Point) -> float:
        """The accuracy that a floor is compared with: the lower one of both parts."""
        parts = [part for part in (self.chosen_on, self.checked_on) if part.stop > part.start]
        return min(point.measured.accuracy(part) for part in parts)


def _text(bits: Bits) -> str:
    return f"{bits:g}"
