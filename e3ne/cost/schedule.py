"""When words cross the streams of a mapped network: one frame through an idle pipeline.

Times are the cycles in which words are transferred, counted from the frame's first beat (0). A
producer is assumed never to wait for room behind it: in an idle pipeline a full queue in front of
a busy unit delays the producer, not the unit. Feedback is walked step by step.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ir import Graph, Node, Output, OutputWords, computing_order
from ..ir.cycles import (
    EVENT_LATENCY_CYCLES,
    VERDICT_CYCLES,
    class_readout_latency_cycles,
    neuron_cycles_per_word,
    neuron_latency_cycles,
    readout_latency_cycles,
)
from ..ir.edge_words import source_lanes, wanted_lanes
from ..ir.frames import (
    input_words,
    kept_words,
    output_format,
    source_windows,
    window_steps,
)
from ..ir.thresholds import compares
from .activity import Trains
from .engines import DelayClock, SynapseClock
from .pace import Pace, Times

WALKED_STEPS = 16  # of a frame, to see how fast a loop goes

Windows = list[Times]
"""The words of each window of a frame."""


def frame_latency(
    graph: Graph, known: Mapping[str, Times] | None = None, trains: Trains | None = None
) -> int:
    """Cycles from a frame's first input beat to its last output word, both included.

    `known`, `trains`: see node_times.

    The first beats of all inputs come together; the last word is that of the latest output. No
    output leaves before the frame's last beat has shown that the frame is whole.
    """
    times = node_times(graph, known, trains)
    whole = max((int(times[s.name][-1]) + 1 for s in graph.inputs if not s.events), default=0)
    if graph.streaming:  # nothing else is let in
        whole = 0
    ends = []
    for output in graph.outputs:
        is_class = output.words is OutputWords.CLASS
        first = max(
            int(times[output.source][-1]) + output_latency(graph, output),
            whole + (1 if is_class else readout_latency_cycles(1, output.readout)),
        )
        ends.append(first + output_format(graph, output).beats)
    return max(ends)


def output_latency(graph: Graph, output: Output) -> int:
    """Cycles from the last word of an output's node to its first beat."""
    type = graph.edge(output.source)
    window = window_steps(graph, type.steps)
    if output.words is not OutputWords.CLASS:
        return readout_latency_cycles(window, output.readout)
    lanes = source_lanes(graph, output.source)
    assert lanes is not None
    words = type.neurons // lanes
    return class_readout_latency_cycles(window, output.readout, lanes, words)


def node_times(
    graph: Graph, known: Mapping[str, Times] | None = None, trains: Trains | None = None
) -> dict[str, Times]:
    """When the words of each input and of each node are sent.

    `known` holds those of nodes that nothing changed before (in `computing_order`, for a loop all
    of its nodes) since they were computed. With `trains` EVENT nodes leave out what is zero in
    their first frame, else nothing.
    """
    known = known or {}
    times = input_times(graph)
    for group in computing_order(graph):
        if all(node.name in known for node in group):
            times.update({node.name: known[node.name] for node in group})
            continue
        times.update(group_times(graph, group, times, trains))
    return times


def group_times(
    graph: Graph,
    group: tuple[Node, ...],
    times: Mapping[str, Times],
    trains: Trains | None = None,
) -> dict[str, Times]:
    """When the nodes of one group of `computing_order` send their words, given their sources."""
    sent = _walked(graph, group, times, trains)
    return {name: np.concatenate(windows) for name, windows in sent.items()}


def input_times(graph: Graph) -> dict[str, Times]:
    """When the words of each input come; a frame of events is one event.

    A streaming network is entered when the last input is known to be good.
    """
    firsts = {s.name: EVENT_LATENCY_CYCLES if s.events else 1 for s in graph.inputs}
    counts = {source.name: input_words(graph, source) for source in graph.inputs}
    if graph.streaming:
        judged = [1 if source.events else counts[source.name] for source in graph.inputs]
        opens = max(judged) + VERDICT_CYCLES
        firsts = {name: max(first, opens) for name, first in firsts.items()}
    return {name: np.arange(counts[name], dtype=np.int64) + firsts[name] for name in counts}


def loop_cycles(graph: Graph, group: tuple[Node, ...], trains: Trains | None = None) -> int:
    """Cycles between two frames back to back that the feedback of a loop's nodes allows.

    The third of three frames, whose words from elsewhere are all there. Steps behind the first 16
    of a frame take as long as the last of these.
    """
    steps = group[0].type.steps
    walked = min(steps, WALKED_STEPS)
    clocks = {node.name: NodeClock(graph, node, trains) for node in group}
    ends: list[list[int]] = []
    sent: dict[str, Windows] = {}
    for frame in range(3):
        start = frame * walked if graph.streaming else 0  # a stream goes on, a frame starts anew
        if start == 0:
            sent = {
                synapse.source: [np.zeros(_words(graph, synapse.source), np.int64)] * 3 * walked
                for node in group
                for synapse in node.synapses
            }
            sent.update({name: [] for name in clocks})
        ends.append([])
        for step in range(start, start + walked):
            for name, clock in clocks.items():
                sent[name].append(clock.window(step, sent, begins=0))
            ends[-1].append(max(int(sent[name][step][-1]) for name in clocks))
    interval = ends[2][-1] - ends[1][-1]
    if steps == walked:
        return interval
    half = walked // 2
    return interval + -(-(steps - walked) * (ends[2][-1] - ends[2][half - 1]) // half)


def _walked(
    graph: Graph, group: tuple[Node, ...], times: Mapping[str, Times], trains: Trains | None
) -> dict[str, Windows]:
    """The words of the nodes of a loop (or of one node), window after window."""
    clocks = {node.name: NodeClock(graph, node, trains) for node in group}
    count = source_windows(graph, group[0].name)
    sent: dict[str, Windows] = {
        source: replayed(np.split(times[source], source_windows(graph, source)), count)
        for node in group
        for source in (synapse.source for synapse in node.synapses)
        if source not in clocks
    }
    sent.update({name: [] for name in clocks})
    begins = int(times[graph.inputs[0].name][0]) + 1
    for window in range(count):
        for name, clock in clocks.items():
            sent[name].append(clock.window(window, sent, begins))
    return {name: sent[name] for name in clocks}


def replayed(sent: Windows, count: int) -> Windows:
    """`count` windows of words: where the source sends only one, a Replay sends it again."""
    words = len(sent[0])
    again = sent[0][-1] + 1 + np.arange((count - 1) * words, dtype=np.int64)
    return [*sent, *np.split(again, count - 1)] if len(sent) == 1 < count else sent


class NodeClock:
    """When a node sends its words, given those of its sources."""

    def __init__(self, graph: Graph, node: Node, trains: Trains | None = None) -> None:
        assert node.mapping is not None
        self.node = node
        count = len(node.synapses)
        self.synapses = [SynapseClock(graph, node, index, trains) for index in range(count)]
        self.delays = [DelayClock(synapse.delay) for synapse in node.synapses]
        self.words = [_words(graph, synapse.source) for synapse in node.synapses]
        steps_in = window_steps(graph, graph.edge(node.synapses[0].source).steps)
        steps_out = window_steps(graph, node.type.steps)
        kept = kept_words(graph, node)
        apart = neuron_cycles_per_word(node.neuron, steps_in, steps_out, kept)
        few_levels = compares(node.neuron, node.type, node.mapping.lanes)
        self.latency = neuron_latency_cycles(node.neuron, steps_in, steps_out, kept, few_levels)
        self.parts = node.mapping.neuron_parts
        summed = len(node.synapses) > 1 or node.synapses[0].gain != 1
        # A SumUnit; the Split before few neurons, or the Hold before slow ones.
        self.latency += summed + (self.parts > 1 or (apart > 1 and not summed))
        # An engine whose currents wait at the sum stands still, and goes on at its own pace.
        self.joined = Pace(max(synapse.apart for synapse in self.synapses))
        self.apart = apart
        self.pace = Pace(apart)

    def window(self, window: int, sent: Mapping[str, Windows], begins: int) -> Times:
        """When the words of `window` are sent; `sent` has those of the sources until then.

        The silence of delays comes from cycle `begins` on.
        """
        currents = []
        for index, synapse in enumerate(self.node.synapses):
            source = sent[synapse.source]
            if synapse.delay:
                delay = self.delays[index]
                words = delay.window(window, source, self.words[index], begins)
            else:
                words = source[window]
            currents.append(self.synapses[index].window(words)[0])
        joined = self.joined(np.max(currents, axis=0))
        return self.fired(joined)

    def fired(self, joined: Times) -> Times:
        """When words are sent, given when those of currents are there."""
        return self.pace(np.repeat(joined, self.parts) + self.latency)


def _words(graph: Graph, name: str) -> int:
    """Words in a window of what the input or node called `name` sends."""
    lanes = source_lanes(graph, name)
    assert lanes is not None
    return graph.edge(name).neurons // lanes


def taken_times(
    graph: Graph, node: Node, index: int, source: Times, trains: Trains | None = None
) -> tuple[Times, int]:
    """(when the engine of one synapse takes each of its words of a frame, their lanes)."""
    clock = SynapseClock(graph, node, index, trains)
    windows = np.split(source, source_windows(graph, node.synapses[index].source))
    taken = [clock.window(words)[1] for words in windows]
    return np.concatenate(taken), wanted_lanes(graph, node, index)
