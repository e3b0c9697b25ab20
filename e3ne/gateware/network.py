"""The whole network: AXI4-Stream in, populations, readouts, AXI4-Stream out."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import Graph
from ..ir.frames import input_format, input_ports, output_format, output_ports, window_steps
from .core import Core, Probe
from .frame_input import FrameInput
from .readout import OUTPUT_BITS, Readout
from .rom import RomForm, RomImage
from .verdicts import Verdicts


class Network(wiring.Component):
    """A mapped graph as one component; Verilog module `e3ne_network`.

    `s_axis_*` takes frames of `ir.frames.input_format`, `m_axis_*` gives those of
    `ir.frames.output_format`; a graph of several inputs or outputs has one such port for each
    (`ir.frames.input_ports`). `error` is high from the first frame of a wrong length until reset
    (the frame is dropped on all ports: `Verdicts`). `probe_strobe`, `probe_data` and `probes`: see
    `Core`. `ports` are all signals besides clock and reset; `roms` the images to write next to the
    Verilog.

    Every frame passes every population in turn; all of them work at the same time on different
    frames or parts of one, and frames follow each other without a gap.
    """

    def __init__(self, graph: Graph, rom_form: RomForm = "file") -> None:
        self.graph = graph
        self.core = Core(graph, rom_form)
        self.roms: tuple[RomImage, ...] = self.core.roms
        self.probes: tuple[Probe, ...] = self.core.probes
        # A verdict waits from a frame's last word until its output: each population holds parts
        # of at most two frames, the ports of one more each.
        depth = 2 * len(graph.nodes) + 4
        self.heads = {
            port: FrameInput(input_format(graph, source), source.type.signed, depth)
            for port, source in zip(input_ports(graph), graph.inputs, strict=True)
        }
        self.tails: dict[str, Readout] = {}
        for port, output, word in zip(
            output_ports(graph), graph.outputs, self.core.o_words, strict=True
        ):
            type = graph.edge(output.source)
            windows = type.steps // window_steps(graph, type.steps)
            has_class = output_format(graph, output).has_class
            self.tails[port] = Readout(word, type.neurons, windows, output.readout, has_class)
        members = {}
        for port, head in self.heads.items():
            members |= {
                f"{port}_tdata": In(8 * head.form.beat_bytes),
                f"{port}_tvalid": In(1),
                f"{port}_tready": Out(1),
                f"{port}_tlast": In(1),
            }
        for port in self.tails:
            members |= {
                f"{port}_tdata": Out(OUTPUT_BITS),
                f"{port}_tvalid": Out(1),
                f"{port}_tready": In(1),
                f"{port}_tlast": Out(1),
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
        m.submodules.verdicts = verdicts = Verdicts(len(self.heads), len(self.tails))
        for index, (port, head) in enumerate(self.heads.items()):
            m.submodules[port.replace("s_axis", "frame_input", 1)] = head
            wiring.connect(m, head.o, getattr(core, f"i{index}"))
            wiring.connect(m, head.verdict, getattr(verdicts, f"i{index}"))
            m.d.comb += [
                head.i.payload.data.eq(getattr(self, f"{port}_tdata")),
                head.i.payload.last.eq(getattr(self, f"{port}_tlast")),
                head.i.valid.eq(getattr(self, f"{port}_tvalid")),
                getattr(self, f"{port}_tready").eq(head.i.ready),
            ]
        for index, (port, tail) in enumerate(self.tails.items()):
            m.submodules[port.replace("m_axis", "readout", 1)] = tail
            wiring.connect(m, getattr(core, f"o{index}"), tail.i)
            wiring.connect(m, getattr(verdicts, f"o{index}"), tail.verdict)
            m.d.comb += [
                getattr(self, f"{port}_tdata").eq(tail.o.payload.data),
                getattr(self, f"{port}_tlast").eq(tail.o.payload.last),
                getattr(self, f"{port}_tvalid").eq(tail.o.valid),
                tail.o.ready.eq(getattr(self, f"{port}_tready")),
            ]
        m.d.comb += [
            self.error.eq(Cat(head.error for head in self.heads.values()).any()),
            self.probe_strobe.eq(core.probe_strobe),
            self.probe_data.eq(core.probe_data),
        ]
        return m
