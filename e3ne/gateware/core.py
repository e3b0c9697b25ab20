"""All populations of a network as one pipeline, and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import Graph, Node
from ..ir.frames import window_steps
from .node_unit import NodeUnit
from .plumbing import Delay, Fork, Queue, Regroup
from .rom import RomForm
from .streams import Word


@dataclass(frozen=True)
class Probe:
    """Where `probe_data` shows the words of a node, and their shape."""

    node: str
    offset_bits: int
    word: Word


class Core(wiring.Component):
    """`i`: the words of the network's input; `o`: those of its output node.

    `probe_strobe` has one bit a node, high in a cycle in which the node sends a word;
    `probe_data` shows the words of all nodes side by side (`probes`). The queue that a mapping asks
    for behind a node stands before each of its consumers. Nodes of several
    synapses have a queue of one whole window before each of these (`edge_queue_words`), so no
    stall pattern can deadlock forks that join again.
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
        source = graph.inputs[0]
        self.i_word = Word(
            source.lanes,
            window_steps(graph, source.type.steps),
            source.type.bits,
            source.type.signed,
        )
        self.o_word = self.units[graph.outputs[0].source].word
        super().__init__(
            {
                "i": In(self.i_word.signature),
                "o": Out(self.o_word.signature),
                "probe_strobe": Out(len(probes)),
                "probe_data": Out(offset),
            }
        )

    def elaborate(self, platform):
        m = Module()
        sends = {self.graph.inputs[0].name: wiring.flipped(self.i)}
        for node in self.graph.nodes:
            unit = m.submodules[node.name] = self.units[node.name]
            sends[node.name] = unit.o
        streams = [unit.o for unit in self.units.values()]
        m.d.comb += [
            self.probe_strobe.eq(Cat(stream.valid & stream.ready for stream in streams)),
            self.probe_data.eq(Cat(stream.payload.values.as_value() for stream in streams)),
        ]
        for name, stream in sends.items():
            self._deliver(m, name, stream)
        return m

    def _deliver(self, m, name: str, stream) -> None:
        """From the source `name` to every synapse that reads it, and to the output."""
        sinks = []
        for node, index in self.graph.consumers(name):
            sinks.append(self._entry(m, name, node, index))
        if self.graph.outputs[0].source == name:
            sinks.append(wiring.flipped(self.o))
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
        return self.i_word if name == self.graph.inputs[0].name else self.units[name].word

    def _queue_words(self, name: str) -> int:
        """Words of the queue that the mapping asks for behind `name`."""
        if name == self.graph.inputs[0].name:
            return 0
        mapping = self.graph.node(name).mapping
        assert mapping is not None
        return mapping.queue_words

    def _entry(self, m, name: str, node: Node, index: int):
        """The stream that takes words of `name` for synapse `index` of `node`."""
        word, unit = self._word(name), self.units[node.name]
        wanted = unit.words_in[index]
        type = self.graph.edge(name)
        chain = []
        delay = node.synapses[index].delay
        if delay:
            chain.append(("delay", Delay(word, type.neurons // word.lanes, type.steps, delay)))
        depth = edge_queue_words(self.graph, node, index, word.lanes)
        depth = 0 if delay else max(depth, self._queue_words(name))
        if wanted.lanes > word.lanes:  # a queue of wide words empties faster
            chain.append(("regroup", Regroup(word, wanted.lanes)))
            depth = -(-depth * word.lanes // wanted.lanes)
            word = wanted
        if depth:
            chain.append(("queue", Queue(word, depth)))
        if wanted.lanes != word.lanes:
            chain.append(("regroup", Regroup(word, wanted.lanes)))
        sink = getattr(unit, f"i{index}")
        for label, part in reversed(chain):
            m.submodules[f"{node.name}.{label}{index}"] = part
            wiring.connect(m, part.o, sink)
            sink = part.i
        return sink


def edge_queue_words(graph: Graph, node: Node, index: int, lanes: int) -> int:
    """Depth of the queue before synapse `index`: a whole window where streams join again, else 0.

    Proof that this suffices: let a join wait for a word of window w on one of its inputs. All
    that word depends on are words of windows up to w. A fork upstream sends a word to the other
    branches as soon as they have room; the queue before the join on such a branch holds a whole
    window, and the join has already taken every word of it that precedes the missing one, so the
    rest of window w fits. Hence every word of window w passes every fork, and the missing word
    comes. Frames end like windows.
    """
    if len(node.synapses) < 2:
        return 0
    return graph.edge(node.synapses[index].source).neurons // lanes
