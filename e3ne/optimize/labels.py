"""Layouts of a whole network, part after part: all that no other one beats.

A label is a layout of all parts so far: its resources, and a state that says everything about it
that later parts can see: the lanes of the producers that are still read, and where latency counts
the times of their words, up to a common shift. Of labels of the same state only those stay that no
other beats; so the result is exact. Where labels become too many they are thinned: cells of a few
percent keep one each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ..cost.pace import Times
from ..ir import Array
from .pareto import thinned, undominated
from .stages import Joint, Stages, State


@dataclass
class Layer:
    """Labels behind one part. `rows` (labels, shift and costs): cycles, then resources.

    `states` and `parents` are indices into the layer's states and the labels before; `picks` into
    the choices of the part.
    """

    states: list[State]
    rows: Array
    state: Array
    parents: Array
    picks: Array
    thinned: bool = False


@dataclass
class Found:
    """All labels of a search; `exact` where none was thinned."""

    layers: list[Layer] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether no label was thinned."""
        return not any(layer.thinned for layer in self.layers)

    def picks(self, label: int) -> list[int]:
        """The choice of each part."""
        found = []
        for layer in self.layers[:0:-1]:
            found.append(int(layer.picks[label]))
            label = int(layer.parents[label])
        return found[::-1]


def search(
    stages: Stages, most_cycles: float, ceilings: Array, timed: bool, most_labels: int
) -> Found:
    """Labels of all parts with choices of at most `most_cycles`, none above the `ceilings`.

    `ceilings` (columns,) bound the resources. There are no labels where nothing fits.
    """
    rests = stages.least_rest(most_cycles)
    layer = _start(stages, timed)
    found = Found([layer])
    for index in range(len(stages.parts)):
        layer = _extended(stages, index, layer, most_cycles, ceilings - rests[index + 1], timed)
        if len(layer.rows) > most_labels:
            layer = _thinned(stages, layer, most_labels, timed)
        found.layers.append(layer)
        if not len(layer.rows):
            break
    return found


def _start(stages: Stages, timed: bool) -> Layer:
    times = stages.input_times() if timed else {}
    state = tuple((name, lanes, times.get(name, b"")) for name, lanes in stages.input_lanes())
    rows = np.concatenate([[0], stages.port_costs])[None, :]
    nothing = np.zeros(1, np.int64)
    return Layer([state], rows, nothing, nothing, nothing)


def _extended(
    stages: Stages, index: int, layer: Layer, most_cycles: float, ceilings: Array, timed: bool
) -> Layer:
    """The labels behind part `index` that no other of their state beats."""
    compared = [0, *(1 + place for place in stages.active)]
    numbers: dict[State, int] = {}
    pieces: list[list[tuple[Array, Array, Array]]] = []
    for before, state in enumerate(layer.states):
        labels = np.flatnonzero(layer.state == before)
        joint = stages.joint(index, tuple((name, lanes) for name, lanes, _ in state))
        for after, shift, choices in _moves(stages, index, state, joint, most_cycles, timed):
            number = numbers.setdefault(after, len(numbers))
            if number == len(pieces):
                pieces.append([])
            added = np.column_stack([np.full(len(choices), shift), joint.costs[choices]])
            rows = (layer.rows[labels][:, None, :] + added[None, :, :]).reshape(-1, added.shape[1])
            fits = (rows[:, 1:] <= ceilings).all(axis=1)
            parents, picks = np.repeat(labels, len(choices)), np.tile(choices, len(labels))
            pieces[number].append((rows[fits], parents[fits], picks[fits]))
    kept_rows, kept_state, kept_parents, kept_picks = [], [], [], []
    for number, piece in enumerate(pieces):
        rows, parents, picks = (np.concatenate(arrays) for arrays in zip(*piece, strict=True))
        best = undominated(rows[:, compared])
        kept_rows.append(rows[best])
        kept_state.append(np.full(len(best), number))
        kept_parents.append(parents[best])
        kept_picks.append(picks[best])
    if not pieces:
        empty = np.zeros(0, np.int64)
        return Layer([], np.zeros((0, layer.rows.shape[1]), np.int64), empty, empty, empty)
    return Layer(
        list(numbers),
        np.concatenate(kept_rows),
        np.concatenate(kept_state),
        np.concatenate(kept_parents),
        np.concatenate(kept_picks),
    )


def _moves(
    stages: Stages, index: int, state: State, joint: Joint, most_cycles: float, timed: bool
) -> Iterator[tuple[State, int, Array]]:
    """(state behind, shift, the choices that lead there) of the choices that are fast enough."""
    part = stages.parts[index]
    fast = np.flatnonzero(joint.cycles <= most_cycles)
    ways: dict[tuple[State, int], list[int]] = {}
    for choice in fast.tolist():
        open_state = {name: (lanes, times) for name, lanes, times in state}
        sent = stages.sent(index, choice, state) if timed else {}
        for name, lanes in zip(part.names, part.choices[choice].lanes, strict=True):
            open_state[name] = (lanes, sent.get(name, b""))
        still = stages.read_later[index]
        if timed:
            still = still | stages.outputs
        kept = {name: open_state[name] for name in open_state if name in still}
        after, shift = _normal(kept, stages.shifts and timed)
        ways.setdefault((after, shift), []).append(choice)
    for (after, shift), choices in ways.items():
        same = np.array(choices)
        yield after, shift, same[undominated(joint.costs[same][:, stages.active])]


def _normal(kept: dict[str, tuple[int, bytes]], shifts: bool) -> tuple[State, int]:
    """The state with the first word of all at 0, and the cycle that it was at."""
    if not shifts or not kept:
        return tuple((name, lanes, times) for name, (lanes, times) in sorted(kept.items())), 0
    arrays = {name: np.frombuffer(times, np.int64) for name, (_, times) in kept.items()}
    first = min(int(array[0]) for array in arrays.values())
    state = tuple(
        (name, lanes, (arrays[name] - first).tobytes()) for name, (lanes, _) in sorted(kept.items())
    )
    return state, first


def _thinned(stages: Stages, layer: Layer, most: int, timed: bool) -> Layer:
    """About `most` labels: of similar costs those whose words are soonest, at last and in sum."""
    costs = layer.rows[:, [1 + place for place in stages.active]]
    if timed:
        ends, means = np.array([_summary(state) for state in layer.states]).T
        values = [layer.rows[:, 0] + ends[layer.state], layer.rows[:, 0] + means[layer.state]]
    else:
        values = [costs[:, 0]]
    kept = np.unique(
        np.concatenate([thinned(costs, value, most // len(values)) for value in values])
    )
    used, state = np.unique(layer.state[kept], return_inverse=True)
    return Layer(
        [layer.states[index] for index in used],
        layer.rows[kept],
        state,
        layer.parents[kept],
        layer.picks[kept],
        thinned=True,
    )


def _summary(state: State) -> tuple[float, float]:
    """(last word of all, mean of all words) of a state."""
    arrays: list[Times] = [np.frombuffer(times, np.int64) for _, _, times in state]
    return max(float(array[-1]) for array in arrays), float(np.mean(np.concatenate(arrays)))
