"""The parts of one network, and how a choice for one goes with the choices before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..boards import Board
from ..config import Config
from ..cost import port_resources
from ..cost.activity import Trains
from ..cost.predict import regroup_words, replayed_words
from ..cost.resources import regroup_resources
from ..cost.schedule import frame_latency, group_times, input_times
from ..ir import Array, Graph
from ..ir.frames import synapse_windows
from .choices import Choice, numbered
from .limits import COLUMNS
from .parts import parts_of
from .placing import with_lanes

Lanes = tuple[tuple[str, int], ...]
State = tuple[tuple[str, int, bytes], ...]
"""(name, lanes, times from the first word on) of every producer that is still read."""


@dataclass(frozen=True)
class Joint:
    """Cycles (choices,) and costs (choices, columns) of a part behind sources of given lanes."""

    cycles: Array
    costs: Array


class Stages:
    """The parts of `graph`, of stage MAPPED without mappings: windows and input lanes are chosen.

    `port_costs` (columns,) are those of the ports. `read_later` has for each part the producers
    that parts behind it read. `active` are the columns of costs in which layouts are compared.
    `shifts`: later inputs move all times by as much. `trains` as of `choose_mapping`, a typical
    frame first. `known` keeps choices for other widths of the input's beats; `loads` as of
    `node_choices`. `timings` number for each part the choices of equal timing.
    """

    def __init__(
        self,
        graph: Graph,
        config: Config,
        board: Board,
        trains: Trains | None = None,
        known: dict[object, list[Choice]] | None = None,
        loads: bool = False,
    ) -> None:
        self.graph = graph
        self.board, self.family, self.trains = board, board.family, trains
        self.activity = None if trains is None else ones_among_bits(graph, trains)
        known = {} if known is None else known
        self.parts = parts_of(graph, config, board, trains, known, loads)
        self.timings = [numbered([c.timing for c in part.choices]) for part in self.parts]
        self.port_costs = self._costs(port_resources(graph, board.family))
        self.outputs = {output.source for output in graph.outputs}
        self.read_later: list[set[str]] = []
        later: set[str] = set()
        for part in reversed(self.parts):
            self.read_later.append(set(later))
            later |= set(part.sources)
        self.read_later.reverse()
        self.shifts = not any(s.delay for node in graph.nodes for s in node.synapses)
        used = np.sum([part.costs.sum(axis=0) for part in self.parts], axis=0)
        compared = ("luts", *(name for name in COLUMNS if name in ("brams", "dsps", "spram_bits")))
        self.active = [
            place
            for place, name in enumerate(COLUMNS)
            if name == "luts"
            or (name in compared and used[place])
            or (name == "ffs" and name in config.budget)
        ]
        self._begins = input_times(graph)
        self._joints: dict[tuple[int, Lanes], Joint] = {}
        self._sent: dict[tuple[int, int, State], dict[str, bytes]] = {}

    def input_lanes(self) -> Lanes:
        """(name, lanes) of every input."""
        return tuple((source.name, source.lanes) for source in self.graph.inputs)

    def input_times(self) -> dict[str, bytes]:
        """When the words of each input come."""
        return {name: times.tobytes() for name, times in self._begins.items()}

    def least_rest(self, most_cycles: float) -> list[Array]:
        """For each part, and behind the last: the least costs of it and all parts behind it.

        Of choices of at most `most_cycles`; infinite where a part has none.
        """
        rests = [np.zeros(len(COLUMNS))]
        for part in reversed(self.parts):
            fast = part.costs[part.cycles <= most_cycles]
            least = fast.min(axis=0) if len(fast) else np.full(len(COLUMNS), np.inf)
            rests.append(rests[-1] + least)
        return rests[::-1]

    def joint(self, index: int, lanes: Lanes) -> Joint:
        """Part `index` behind sources that send words of `lanes`: with what regroups words."""
        part = self.parts[index]
        read = tuple((name, count) for name, count in lanes if name in part.sources)
        if (index, read) not in self._joints:
            self._joints[index, read] = self._joined(index, dict(read))
        return self._joints[index, read]

    def _joined(self, index: int, lanes: Mapping[str, int]) -> Joint:
        part = self.parts[index]
        cycles, costs = part.cycles.copy(), part.costs.copy()
        bare = with_lanes(self.graph, (), lanes)
        ports = self._costs(port_resources(bare, self.family))
        for place, choice in enumerate(part.choices):
            graph = with_lanes(self.graph, choice.nodes, lanes)
            for node in choice.nodes:
                for number in range(len(node.synapses)):
                    words = max(
                        regroup_words(graph, node, number), replayed_words(graph, node, number)
                    )
                    windows = synapse_windows(graph, node, number)
                    cycles[place] = max(cycles[place], words * windows)
                    costs[place] += self._costs(regroup_resources(graph, node, number))
                if node.name in self.outputs:
                    costs[place] += self._costs(port_resources(graph, self.family)) - ports
        return Joint(cycles, costs)

    def sent(self, index: int, choice: int, state: State) -> dict[str, bytes]:
        """When the nodes of part `index` send their words, given the state before it."""
        part = self.parts[index]
        read = tuple(item for item in state if item[0] in part.sources)
        key = (index, int(self.timings[index][choice]), read)
        if key not in self._sent:
            lanes = {name: count for name, count, _ in read}
            times = dict(self._begins)  # of delayed synapses: silence begins with the inputs
            times.update({name: np.frombuffer(found, np.int64) for name, _, found in read})
            nodes = part.choices[choice].nodes
            graph = with_lanes(self.graph, nodes, lanes)
            found = group_times(graph, nodes, times, self.trains)
            self._sent[key] = {name: found[name].tobytes() for name in part.names}
        return self._sent[key]

    def latency(self, state: State, shift: int) -> int:
        """Cycles of a frame whose outputs send as of `state`, `shift` cycles later."""
        known = {name: np.frombuffer(times, np.int64) + shift for name, _, times in state}
        for part in self.parts:
            known.update({name: np.zeros(1, np.int64) for name in part.names if name not in known})
        lanes = {name: count for name, count, _ in state}
        return frame_latency(with_lanes(self.graph, (), lanes), known)

    @staticmethod
    def _costs(found: object) -> Array:
        return np.array([getattr(found, name, 0) for name in COLUMNS], np.int64)


def ones_among_bits(graph: Graph, trains: Trains) -> dict[str, float]:
    """By input and node the share of ones among the bits that it sends."""
    found = {}
    for name, values in trains.items():
        bits = graph.edge(name).bits
        ones = np.bitwise_count(np.asarray(values, np.int64) & ((1 << bits) - 1))
        found[name] = float(ones.mean()) / bits
    return found
