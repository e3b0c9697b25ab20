"""The models of all parts of a mapped network, joined as the hardware joins them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...ir import Encode, Graph, Input, Integrate, IntegrateFire, Node, Output
from ...ir.cycles import (
    GATE_QUEUE_SPARE,
    class_stages,
    encode_phases,
    is_stepwise,
    membrane_stages,
    neuron_cycles_per_word,
    neuron_latency_cycles,
    readout_stages,
    step_sum_stages,
)
from ...ir.edge_words import (
    queue_words,
    sends_through_skid,
    source_lanes,
    takes_through_skid,
    wanted_lanes,
)
from ...ir.events import to_events
from ...ir.frames import (
    input_words,
    kept_words,
    output_format,
    source_windows,
    synapse_windows,
    window_steps,
)
from ...ir.thresholds import compares
from ..activity import Trains
from .delays import Delay, FrameStart
from .links import Collect, Fork, Link, Part, Pipe, Queue, RegisterSlice, Replay, Skid, Split, Sum
from .neurons import Loop, StepJoin, StepSplit
from .ports import (
    ClassPipe,
    EventMemory,
    Frames,
    Gate,
    Judge,
    Judged,
    Narrow,
    Readout,
    Sink,
    Verdicts,
)
from .synapses import synapse_parts

Units = Mapping[str, Link]


class FlowNetwork:
    """A mapped graph as models, for `frames` (indices of frames of `trains`) in turn.

    `sources` and `sinks` note the cycles of beats.
    """

    def __init__(self, graph: Graph, frames: list[int], trains: Trains | None) -> None:
        self.graph, self.frames, self.trains = graph, frames, trains
        self.parts: list[Part] = []  # makers before takers
        self.delays: dict[tuple[str, int], Delay] = {}
        takers = graph.inputs if graph.streaming else graph.outputs
        self.verdicts = Verdicts(len(takers))
        self.sources: list[Frames] = []
        self.sinks: list[Sink] = []
        for node in graph.nodes:
            for index, synapse in enumerate(node.synapses):
                if synapse.delay:
                    words, type = self._words(synapse.source), graph.edge(synapse.source)
                    delay = Delay(Link(), words, type.steps, synapse.delay, graph.streaming)
                    self.delays[node.name, index] = delay
        ports = [self._port(source) for source in graph.inputs]
        self.parts.append(self.verdicts)  # stepped behind its takers, before the judges
        heads = [self._head(index, *port) for index, port in enumerate(ports)]
        self.streams: dict[tuple[str, Any], Link] = {}
        for index, (source, link) in enumerate(zip(graph.inputs, heads, strict=True)):
            if index == 0 and self.delays:
                start = FrameStart(link, input_words(graph, source), list(self.delays.values()))
                self.parts.append(start)
                link = start
            self._deliver(source.name, link)
        for node in graph.nodes:
            link = self._node(node)
            if sends_through_skid(graph, node):
                link = self._add(Skid(link))
            self._deliver(node.name, link)
        for place, output in enumerate(graph.outputs):
            self._tail(place, output)
        self.order = [part.step for part in reversed(self.parts)]

    def step(self) -> None:
        """One clock cycle."""
        for delay in self.delays.values():
            delay.announce()
        for step in self.order:
            step()
        for delay in self.delays.values():
            delay.step()

    def _add(self, part: Any) -> Link:
        """The output of a new part."""
        self.parts.append(part)
        return part if isinstance(part, Link) else part.o

    def _words(self, name: str) -> int:
        lanes = source_lanes(self.graph, name)
        assert lanes is not None
        return self.graph.edge(name).neurons // lanes

    def _port(self, source: Input) -> tuple[Link, list[int]]:
        """(beats behind a register of the port of an input, how many each frame has)."""
        beats = [input_words(self.graph, source)] * len(self.frames)
        if source.events:
            beats = [1] * len(self.frames)
            if self.trains is not None:
                chosen = self.trains[source.name][self.frames]
                beats = to_events(source.type, chosen)[1].tolist()
        frames = Frames(beats)
        self.sources.append(frames)
        link = self._add(RegisterSlice(self._add(frames)))
        judge = Judge(link, beats)
        self.verdicts.judges.append(judge)
        self.parts.append(judge)
        return link, beats

    def _head(self, index: int, link: Link, beats: list[int]) -> Link:
        """The words of an input as they enter the populations."""
        source = self.graph.inputs[index]
        words = input_words(self.graph, source)
        if source.events:
            link = self._add(EventMemory(link, beats, words))
        if self.graph.streaming:
            if not source.events:
                link = self._add(Queue(link, words + GATE_QUEUE_SPARE))
            link = self._add(Gate(link, words, self.verdicts, index))
        return link

    def _deliver(self, name: str, link: Link) -> None:
        """To every synapse that reads `name`, and to its outputs."""
        sinks: list[tuple[str, Any]] = [
            (node.name, index) for node, index in self.graph.consumers(name)
        ]
        outputs = enumerate(self.graph.outputs)
        sinks += [("", place) for place, output in outputs if output.source == name]
        links = [link]
        if not sinks:
            link.ready = True
        elif len(sinks) > 1:
            fork = Fork(link, len(sinks))
            self.parts.append(fork)
            links = list(fork.outs)
        for sink, branch in zip(sinks, links, strict=False):
            self.streams[sink] = branch
            if sink in self.delays:
                self.delays[sink].i = branch

    def _node(self, node: Node) -> Link:
        """A NodeUnit and what stands before it."""
        currents = []
        for index in range(len(node.synapses)):
            link = self._entry(node, index)
            for part in synapse_parts(self.graph, node, index, self.trains, self.frames, link):
                link = self._add(part)
            currents.append(link)
        steps_in = window_steps(self.graph, self.graph.edge(node.synapses[0].source).steps)
        steps_out = window_steps(self.graph, node.type.steps)
        shape = (node.neuron, steps_in, steps_out, kept_words(self.graph, node))
        link = currents[0]
        if [synapse.gain for synapse in node.synapses] != [1]:
            link = self._add(Sum(currents))
        assert node.mapping is not None
        if node.mapping.neuron_parts > 1:
            link = self._add(Split(link, node.mapping.neuron_parts))
        elif len(currents) == 1 == node.synapses[0].gain and neuron_cycles_per_word(*shape) > 1:
            link = self._add(Pipe(link, 1))
        return self._neuron(node, link, *shape[1:])

    def _neuron(self, node: Node, link: Link, steps_in: int, steps: int, kept: int) -> Link:
        neuron, stages = node.neuron, step_sum_stages(steps_in, steps)
        if stages and not isinstance(neuron, Encode):
            link = self._add(Pipe(link, stages))
        stepwise = isinstance(neuron, Encode) and is_stepwise(neuron)
        if not stepwise and not isinstance(neuron, IntegrateFire | Integrate):
            assert node.mapping is not None
            few_levels = compares(neuron, node.type, node.mapping.lanes)
            latency = neuron_latency_cycles(neuron, steps_in, steps, kept, few_levels)
            return self._add(Pipe(link, latency - stages))
        if steps > 1:
            link = self._add(StepSplit(link, steps))
        if isinstance(neuron, Encode):
            link = self._add(Loop(link, encode_phases(steps, kept)))
        elif isinstance(neuron, IntegrateFire | Integrate):
            for kind, cycles in membrane_stages(neuron, steps, kept):
                link = self._add(Pipe(link, cycles) if kind == "drive" else Loop(link, cycles))
        return self._add(StepJoin(link, steps)) if steps > 1 else link

    def _entry(self, node: Node, index: int) -> Link:
        """As core.Core: what stands before a synapse."""
        graph, name = self.graph, node.synapses[index].source
        link = self.streams.get((node.name, index))
        delay = self.delays.get((node.name, index))
        if delay is not None:
            link = delay.o
        assert link is not None
        sent, wanted = source_lanes(graph, name), wanted_lanes(graph, node, index)
        assert sent is not None
        times = synapse_windows(graph, node, index)
        if times > source_windows(graph, name):
            link = self._add(Replay(link, self._words(name), times))
        depth = 0
        if delay is None:
            depth = self._words(name) if len(node.synapses) > 1 else 0
            depth = max(depth, queue_words(self.graph, name))
        if sent % wanted:
            link, depth = self._regroup(link, sent, wanted), -(-depth * sent // wanted)
            sent = wanted
        if depth:
            link = self._add(Queue(link, depth))
        narrow = min(sent, wanted)
        link = self._regroup(link, sent, narrow)
        if takes_through_skid(graph, node, index):
            link = self._add(Skid(link))
        return self._regroup(link, narrow, wanted)

    def _regroup(self, link: Link, lanes: int, wanted: int) -> Link:
        common = int(np.gcd(lanes, wanted))
        if lanes > common:
            link = self._add(Split(link, lanes // common))
        if wanted > common:
            link = self._add(Collect(link, wanted // common))
        return link

    def _tail(self, place: int, output: Output) -> None:
        """What stands before the port of an output."""
        graph = self.graph
        steps = window_steps(graph, graph.edge(output.source).steps)
        form, words = output_format(graph, output), self._words(output.source)
        link = self.streams["", place]
        stages = readout_stages(steps, output.readout)
        verdicts, taker = (Verdicts(1), 0) if graph.streaming else (self.verdicts, place)
        if form.class_only:
            lanes = source_lanes(graph, output.source)
            assert lanes is not None
            tree = class_stages(lanes) - (words == 1)
            windows = source_windows(graph, output.source)
            pipe = ClassPipe(link, stages + max(tree, 0), words * windows)
            link = self._add(RegisterSlice(self._add(pipe)))
            link = self._add(Judged(link, verdicts, taker))
        else:
            collected = words * source_windows(graph, output.source)
            readout = Readout(link, stages, collected, form.words, verdicts, taker)
            link = self._add(readout)
            if form.beats_per_word > 1:
                link = self._add(Narrow(link, form.beats_per_word))
        sink = Sink(link)
        self.sinks.append(sink)
        self.parts.append(sink)
