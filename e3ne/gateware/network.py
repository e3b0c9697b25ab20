"""The whole network: AXI4-Stream in, populations, readouts, AXI4-Stream out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import Graph, Input, Output
from ..ir.cycles import GATE_QUEUE_SPARE
from ..ir.frames import (
    input_format,
    input_ports,
    input_words,
    output_format,
    output_ports,
    window_steps,
)
from ..ir.weight_port import WEIGHT_PORT, LoadedMemory
from .class_readout import ClassReadout
from .core import Core, Probe
from .event_input import EventInput
from .frame_gate import FrameGate
from .frame_input import FrameInput
from .narrow import Narrow
from .plumbing import Queue
from .readout import Readout
from .rom import RomForm, RomImage
from .streams import Word
from .verdicts import Verdicts
from .weight_loader import WeightLoader

VERDICT_WORDS = 64  # of the frames on their way whose verdicts find room


class Network(wiring.Component):
    """A mapped graph as one component; Verilog module `e3ne_network`.

    `s_axis_*` takes frames of `ir.frames.input_format`, `m_axis_*` gives those of
    `ir.frames.output_format`; a graph of several inputs or outputs has one such port for each
    (`ir.frames.input_ports`). `error` is high from the first frame of a wrong length (or of wrong
    events) until reset; the frame is dropped on all ports (`Verdicts`). `probe_strobe`,
    `probe_data` and `probes`: see `Core`. `ports` are all signals besides clock and reset; `roms`
    the images to write next to the Verilog.

    Every frame passes every population in turn; all of them work at the same time on different
    frames or parts of one, and frames follow each other without a gap.

    Where weights are loaded (`WeightLoader`) no frame is taken before they are.

    A bad frame passes like any other and leaves no output. Where the graph is streaming it must
    not touch what the populations keep: there each frame waits until it is known to be good on all
    inputs (`FrameGate`), in the memory of an `EventInput` or in a queue of a frame.
    """

    def __init__(self, graph: Graph, rom_form: RomForm = "file") -> None:
        self.graph = graph
        self.core = Core(graph, rom_form)
        self.roms: tuple[RomImage, ...] = self.core.roms
        self.probes: tuple[Probe, ...] = self.core.probes
        # A verdict waits from a frame's last word until its output: each population holds parts
        # of at most two frames, the ports of one more each; frames of few words are more.
        words = min(input_words(graph, source) for source in graph.inputs)
        depth = max(2 * len(graph.nodes) + 4, -(-VERDICT_WORDS // words))
        self.heads = {
            port: input_head(graph, source, depth, rom_form)
            for port, source in zip(input_ports(graph), graph.inputs, strict=True)
        }
        for head in self.heads.values():
            self.roms += head.roms
        self.to_fill = tuple(rom for rom in self.roms if rom.fill is not None)
        self.loader = weight_loader(self.to_fill, graph.weight_port_bits)
        self.tails: dict[str, Readout | ClassReadout] = {}
        for port, output, word in zip(
            output_ports(graph), graph.outputs, self.core.o_words, strict=True
        ):
            self.tails[port] = output_tail(graph, output, word)
        members = {}
        for port, head in self.heads.items():
            members |= {
                f"{port}_tdata": In(8 * head.form.beat_bytes),
                f"{port}_tvalid": In(1),
                f"{port}_tready": Out(1),
                f"{port}_tlast": In(1),
            }
        for port, output in zip(self.tails, graph.outputs, strict=True):
            members |= {
                f"{port}_tdata": Out(output.bits),
                f"{port}_tvalid": Out(1),
                f"{port}_tready": In(1),
                f"{port}_tlast": Out(1),
            }
        if self.loader is not None:
            members |= {
                f"{WEIGHT_PORT}_tdata": In(graph.weight_port_bits),
                f"{WEIGHT_PORT}_tvalid": In(1),
                f"{WEIGHT_PORT}_tready": Out(1),
                f"{WEIGHT_PORT}_tlast": In(1),
            }
        super().__init__(
            {
                **members,
                "error": Out(1),
                "probe_strobe": Out(len(self.probes)),
                "probe_data": Out(sum(probe.word.value_bits for probe in self.probes)),
            }
        )

    @property
    def ports(self) -> list[Signal]:
        """The signals of the Verilog module besides `clk` and `rst`."""
        return [getattr(self, name) for name in self.signature.members]

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = core = self.core
        is_loaded, load_error = self._load(m)
        takers = self.heads if self.graph.streaming else self.tails
        m.submodules.verdicts = verdicts = Verdicts(len(self.heads), len(takers))
        for index, (port, head) in enumerate(self.heads.items()):
            m.submodules[port.replace("s_axis", "frame_input", 1)] = head
            words = head.o
            if self.graph.streaming:
                decision = getattr(verdicts, f"o{index}")
                words = self._gated(m, port, head, decision)
            wiring.connect(m, words, getattr(core, f"i{index}"))
            wiring.connect(m, head.verdict, getattr(verdicts, f"i{index}"))
            m.d.comb += [
                head.i.payload.data.eq(getattr(self, f"{port}_tdata")),
                head.i.payload.last.eq(getattr(self, f"{port}_tlast")),
                head.i.valid.eq(getattr(self, f"{port}_tvalid") & is_loaded),
                getattr(self, f"{port}_tready").eq(head.i.ready & is_loaded),
            ]
        for index, (port, tail) in enumerate(self.tails.items()):
            m.submodules[port.replace("m_axis", "readout", 1)] = tail
            wiring.connect(m, getattr(core, f"o{index}"), tail.i)
            if self.graph.streaming:  # only good frames have come in
                m.d.comb += [tail.verdict.valid.eq(1), tail.verdict.payload.eq(1)]
            else:
                wiring.connect(m, getattr(verdicts, f"o{index}"), tail.verdict)
            beats = tail.o
            bits = len(getattr(self, f"{port}_tdata"))
            if bits < len(beats.p.data):
                m.submodules[port.replace("m_axis", "narrow", 1)] = narrow = Narrow(bits)
                wiring.connect(m, beats, narrow.i)
                beats = narrow.o
            m.d.comb += [
                getattr(self, f"{port}_tdata").eq(beats.payload.data),
                getattr(self, f"{port}_tlast").eq(beats.payload.last),
                getattr(self, f"{port}_tvalid").eq(beats.valid),
                beats.ready.eq(getattr(self, f"{port}_tready")),
            ]
        m.d.comb += [
            self.error.eq(Cat(load_error, *(head.error for head in self.heads.values())).any()),
            self.probe_strobe.eq(core.probe_strobe),
            self.probe_data.eq(core.probe_data),
        ]
        return m

    def _load(self, m: Module) -> tuple[Value, Value]:
        """("all weights are there", "they did not come as they should")."""
        if self.loader is None:
            return Const(1), Const(0)
        m.submodules.weight_loader = loader = self.loader
        m.d.comb += [
            loader.i.p.data.eq(getattr(self, f"{WEIGHT_PORT}_tdata")),
            loader.i.p.last.eq(getattr(self, f"{WEIGHT_PORT}_tlast")),
            loader.i.valid.eq(getattr(self, f"{WEIGHT_PORT}_tvalid")),
            getattr(self, f"{WEIGHT_PORT}_tready").eq(loader.i.ready),
        ]
        for index, rom in enumerate(self.to_fill):
            assert rom.fill is not None
            m.d.comb += [
                rom.fill.write.eq(loader.write[index]),
                rom.fill.address.eq(loader.address),
                rom.fill.data.eq(loader.data),
            ]
        return loader.loaded, loader.error

    def _gated(self, m: Module, port: str, head: FrameInput | EventInput, decision: Any) -> Any:
        """The words of a streaming input's good frames."""
        words = head.o
        if isinstance(head, FrameInput):
            depth = head.form.beats_per_frame + GATE_QUEUE_SPARE
            m.submodules[port.replace("s_axis", "frame_queue", 1)] = queue = Queue(head.word, depth)
            wiring.connect(m, words, queue.i)
            words = queue.o
        m.submodules[port.replace("s_axis", "frame_gate", 1)] = gate = FrameGate(head.word)
        wiring.connect(m, words, gate.i)
        wiring.connect(m, decision, gate.decision)
        return gate.o


def input_head(
    graph: Graph, source: Input, verdict_depth: int, rom_form: RomForm
) -> FrameInput | EventInput:
    """What stands behind the port of an input."""
    form = input_format(graph, source)
    if source.events:
        return EventInput(source.name, form, source.type, verdict_depth, rom_form)
    return FrameInput(form, source.type.signed, verdict_depth)


def output_tail(graph: Graph, output: Output, word: Word) -> Readout | ClassReadout:
    """What stands before the port of an output, which gets words of shape `word`."""
    type, form = graph.edge(output.source), output_format(graph, output)
    windows = type.steps // window_steps(graph, type.steps)
    if form.class_only:
        return ClassReadout(word, type.neurons, windows, output.readout, form.beat_bits)
    return Readout(word, type.neurons, windows, output.readout, form.has_class)


def loaded_memories(roms: Sequence[RomImage]) -> tuple[LoadedMemory, ...]:
    """What the weight port fills, in its order: those of `roms` without contents of their own."""
    return tuple(
        LoadedMemory(rom.name, rom.width_bits, len(rom.words))
        for rom in roms
        if rom.fill is not None
    )


def weight_loader(roms: Sequence[RomImage], port_bits: int) -> WeightLoader | None:
    """What fills the memories that have to be filled; None where there are none."""
    return WeightLoader(loaded_memories(roms), port_bits) if roms else None
