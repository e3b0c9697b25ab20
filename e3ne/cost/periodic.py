"""When words are sent and taken while frames follow each other at a given interval.

The schedule shows how much room queues need: a pipeline that works as soon as it can is never
behind a schedule that its queues have room for. Each unit is assumed never to wait for room behind
it, as in `schedule.py`; where currents wait for other synapses or for slow neurons, the words of
the engine are taken that much later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Graph, Node, computing_order
from ..ir.frames import source_windows
from .pace import Times
from .schedule import NodeClock, input_times, replayed


@dataclass(frozen=True)
class Schedule:
    """Times of all frames: when each input or node sends words, when each synapse takes its own."""

    sent: dict[str, Times]
    taken: dict[tuple[str, int], Times]


def paced_inputs(graph: Graph, interval: int, frames: int) -> dict[str, Times]:
    """The words of each input, evenly over every interval; of events as they leave the memory."""
    found = {}
    for source in graph.inputs:
        first = input_times(graph)[source.name]
        count = len(first)
        apart = 1 if source.events else max(interval // count, 1)
        frame = int(first[0]) + np.arange(count, dtype=np.int64) * apart
        found[source.name] = np.concatenate([frame + k * interval for k in range(frames)])
    return found


def periodic_times(graph: Graph, interval: int, frames: int) -> Schedule | None:
    """The schedule of `frames` frames; None where a synapse has a delay."""
    if any(synapse.delay for node in graph.nodes for synapse in node.synapses):
        return None
    sent = paced_inputs(graph, interval, frames)
    taken: dict[tuple[str, int], Times] = {}
    for (node,) in computing_order(graph):
        sent[node.name], takes = _node(graph, node, sent, frames)
        taken.update({(node.name, index): times for index, times in enumerate(takes)})
    return Schedule(sent, taken)


def _node(
    graph: Graph, node: Node, sent: dict[str, Times], frames: int
) -> tuple[Times, list[Times]]:
    """(when the node sends its words, when each of its synapses takes those of its source)."""
    clock = NodeClock(graph, node)
    count = source_windows(graph, node.name)
    sources = []
    for synapse in node.synapses:
        windows = source_windows(graph, synapse.source)
        by_frame = np.split(sent[synapse.source], frames)
        sources.append([replayed(np.split(words, windows), count) for words in by_frame])
    leaves: list[Times] = []
    takes: list[list[Times]] = [[] for _ in node.synapses]
    for frame in range(frames):
        for window in range(len(sources[0][frame])):
            found = [
                synapse.window(sources[index][frame][window])
                for index, synapse in enumerate(clock.synapses)
            ]
            joined = clock.joined(np.max([currents for currents, _ in found], axis=0))
            leaves.append(clock.fired(joined))
            leads = leaves[-1][:: clock.parts] - clock.latency
            for index, (currents, taken) in enumerate(found):
                late = leads - currents
                place = np.arange(len(taken)) * len(late) // len(taken)
                takes[index].append(taken + late[place])
    return np.concatenate(leaves), [np.concatenate(times) for times in takes]
