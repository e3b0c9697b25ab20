"""All populations of a network as one pipeline, and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import Graph, Input, Node
from ..ir.edge_words import queue_words, sends_through_skid, takes_through_skid
from ..ir.frames import source_windows, synapse_windows, window_steps
from .delays import Delay, FrameStart
from .node_unit import NodeUnit
from .plumbing import Fork, Queue, Regroup, Replay, Skid
from .rom import RomForm
from .streams import Word


@dataclass(frozen=True)
class Probe:
    """Where `probe_data` shows the words of a node, and their shape."""

    node: str
    offset_bits: int
    word: Word


class Core(wiring.Component):
    """`i0`, `i1`, ...: the words of the inputs; `o0`, `o1`, ...: those of the output nodes.

    `probe_strobe` has one bit a node, high in a cycle in which the node sends a word;
    `probe_data` shows the words of all nodes side by side (`probes`). The queue that a mapping asks
    for behind a node stands before each of its consumers. Nodes of several
    synapses have a queue of one whole window before each of these (`edge_queue_words`), so no
    stall pattern can deadlock forks that join again; synapses with a delay have a `Delay`, which
    extends that to feedback. Its silence begins when a frame does, at the first input.
    """

    def __init__(self, graph: Graph, rom_form: RomForm) -> None:
        self.graph = graph
        self.units = {node.name: NodeUnit(graph, node, rom_form) for node in graph.nodes}
        self.roms = tuple(rom for unit in self.units.values() for rom in unit.roms)
        probes = []
        offset = 0
        for name, unit in self.units.items():
            probes.append(Probe(name, offset, unit.word))
            offset += unit.word.value_bits
        self.probes = tuple(probes)
        self.i_words = tuple(input_word(graph, source) for source in graph.inputs)
        self.o_words = tuple(self.units[output.source].word for output in graph.outputs)
        super().__init__(
            {
                **{f"i{k}": In(word.signature) for k, word in enumerate(self.i_words)},
                **{f"o{k}": Out(word.signature) for k, word in enumerate(self.o_words)},
                "probe_strobe": Out(len(probes)),
                "probe_data": Out(offset),
            }
        )

    def elaborate(self, platform):
        m = Module()
        sends = {
            source.name: wiring.flipped(getattr(self, f"i{k}"))
            for k, source in enumerate(self.graph.inputs)
        }
        self._add_delays(m, sends)
        for node in self.graph.nodes:
            unit = m.submodules[node.name] = self.units[node.name]
            sends[node.name] = unit.o
            if sends_through_skid(self.graph, node):
                m.submodules[f"{node.name}.skid"] = skid = Skid(unit.word)
                wiring.connect(m, unit.o, skid.i)
                sends[node.name] = skid.o
        streams = [unit.o for unit in self.units.values()]
        m.d.comb += [
            self.probe_strobe.eq(Cat(stream.valid & stream.ready for stream in streams)),
            self.probe_data.eq(Cat(stream.payload.values.as_value() for stream in streams)),
        ]
        for name, stream in sends.items():
            self._deliver(m, name, stream)
        return m

    def _add_delays(self, m, sends: dict) -> None:
        """A Delay for each synapse that has one, told of every frame that the first input begins.

        The words of that input go through a FrameStart.
        """
        self.delays = {}
        for node in self.graph.nodes:
            for index, synapse in enumerate(node.synapses):
                if synapse.delay:
                    word, type = self._word(synapse.source), self.graph.edge(synapse.source)
                    words = type.neurons // word.lanes
                    delay = Delay(word, words, type.steps, synapse.delay, self.graph.streaming)
                    self.delays[node.name, index] = delay
        if self.delays:
            first = self.graph.inputs[0].name
            m.submodules[f"{first}.start"] = start = FrameStart(self.i_words[0])
            wiring.connect(m, sends[first], start.i)
            sends[first] = start.o
            m.d.comb += start.room.eq(Cat(delay.room for delay in self.delays.values()).all())
            for delay in self.delays.values():
                m.d.comb += delay.begins.eq(start.begins)

    def _deliver(self, m, name: str, stream) -> None:
        """From the source `name` to every synapse that reads it, and to its outputs."""
        sinks = []
        for node, index in self.graph.consumers(name):
            sinks.append(self._entry(m, name, node, index))
        for k, output in enumerate(self.graph.outputs):
            if output.source == name:
                sinks.append(wiring.flipped(getattr(self, f"o{k}")))
        if not sinks:  # nobody listens: a population that is only observed
            m.d.comb += stream.ready.eq(1)
        elif len(sinks) == 1:
            wiring.connect(m, stream, sinks[0])
        else:
            word = self._word(name)
            m.submodules[f"{name}.fork"] = fork = Fork(word, len(sinks))
            wiring.connect(m, stream, fork.i)
            for index, sink in enumerate(sinks):
                wiring.connect(m, getattr(fork, f"o{index}"), sink)

    def _word(self, name: str) -> Word:
        for source, word in zip(self.graph.inputs, self.i_words, strict=True):
            if source.name == name:
                return word
        return self.units[name].word

    def _entry(self, m, name: str, node: Node, index: int):
        """The stream that takes words of `name` for synapse `index` of `node`."""
        word, unit = self._word(name), self.units[node.name]
        wanted = unit.words_in[index]
        chain = []
        delay = self.delays.get((node.name, index))
        if delay is not None:
            chain.append(("delay", delay))
        times = synapse_windows(self.graph, node, index)
        if times > source_windows(self.graph, name):
            words = self.graph.edge(name).neurons // word.lanes
            chain.append(("replay", Replay(word, words, times)))
        depth = edge_queue_words(self.graph, node, index, word.lanes)
        depth = 0 if delay is not None else max(depth, queue_words(self.graph, name))
        if word.lanes % wanted.lanes:  # what is not only split goes on behind a full engine
            chain.append(("regroup", Regroup(word, wanted.lanes)))
            depth = -(-depth * word.lanes // wanted.lanes)
            word = wanted
        if depth:
            chain.append(("queue", Queue(word, depth)))
        narrow = min(word, wanted, key=lambda form: form.lanes)
        if narrow.lanes < word.lanes:
            chain.append(("regroup", Regroup(word, narrow.lanes)))
        if takes_through_skid(self.graph, node, index):
            chain.append(("skid", Skid(narrow)))
        if narrow.lanes < wanted.lanes:
            chain.append(("regroup", Regroup(narrow, wanted.lanes)))
        sink = getattr(unit, f"i{index}")
        for label, part in reversed(chain):
            m.submodules[f"{node.name}.{label}{index}"] = part
            wiring.connect(m, part.o, sink)
            sink = part.i
        return sink


def input_word(graph: Graph, source: Input) -> Word:
    """The words of an input."""
    type = source.type
    return Word(source.lanes, window_steps(graph, type.steps), type.bits, type.signed)


def edge_queue_words(graph: Graph, node: Node, index: int, lanes: int) -> int:
    """Depth of the queue before synapse `index`: a whole window where streams join again, else 0.

    Proof that this suffices: let a join wait for a word of window w on one of its inputs. All
    that word depends on are words of windows up to w. A fork upstream sends a word to the other
    branches as soon as they have room; the queue before the join on such a branch holds a whole
    window, and the join has already taken every word of it that precedes the missing one, so the
    rest of window w fits. Hence every word of window w passes every fork, and the missing word
    comes. Frames end like windows. Of several inputs one may be a window ahead for the same
    reason, so that words of window w are offered on all of them.
    """
    if len(node.synapses) < 2:
        return 0
    return graph.edge(node.synapses[index].source).neurons // lanes
