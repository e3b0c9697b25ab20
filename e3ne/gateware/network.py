"""The whole network: AXI4-Stream in, populations, readout, AXI4-Stream out."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir import Graph
from ..ir.frames import input_format, window_steps
from .core import Core, Probe
from .frame_input import FrameInput
from .readout import OUTPUT_BITS, Readout
from .rom import RomForm, RomImage


class Network(wiring.Component):
    """A mapped graph as one component; Verilog module `e3ne_network`.

    `s_axis_*` takes frames of `ir.frames.input_format`, `m_axis_*` gives those of
    `ir.frames.output_format`; `error` is high from the first frame of a wrong length until reset
    (the frame is dropped). `probe_strobe`, `probe_data` and `probes`: see `Core`. `ports` are all
    signals besides clock and reset; `roms` the images to write next to the Verilog.

    Every frame passes every population in turn; all of them work at the same time on different
    frames or parts of one, and frames follow each other without a gap.
    """

    def __init__(self, graph: Graph, rom_form: RomForm = "file") -> None:
        source, output = graph.inputs[0], graph.outputs[0]
        self.graph = graph
        self.core = Core(graph, rom_form)
        self.roms: tuple[RomImage, ...] = self.core.roms
        self.probes: tuple[Probe, ...] = self.core.probes
        type = graph.edge(output.source)
        windows = type.steps // window_steps(graph, type.steps)
        # A verdict waits from a frame's last word until its output: each population holds parts
        # of at most two frames, the ports of one more each.
        depth = 2 * len(graph.nodes) + 4
        self.frame_input = FrameInput(input_format(graph, source), source.type.signed, depth)
        self.readout = Readout(self.core.o_word, type.neurons, windows, output.readout)
        super().__init__(
            {
                "s_axis_tdata": In(8 * input_format(graph, source).beat_bytes),
                "s_axis_tvalid": In(1),
                "s_axis_tready": Out(1),
                "s_axis_tlast": In(1),
                "m_axis_tdata": Out(OUTPUT_BITS),
                "m_axis_tvalid": Out(1),
                "m_axis_tready": In(1),
                "m_axis_tlast": Out(1),
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
        m.submodules.frame_input = head = self.frame_input
        m.submodules.core = core = self.core
        m.submodules.readout = tail = self.readout
        wiring.connect(m, head.o, core.i)
        wiring.connect(m, core.o, tail.i)
        wiring.connect(m, head.verdict, tail.verdict)
        m.d.comb += [
            head.i.payload.data.eq(self.s_axis_tdata),
            head.i.payload.last.eq(self.s_axis_tlast),
            head.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(head.i.ready),
            self.m_axis_tdata.eq(tail.o.payload.data),
            self.m_axis_tlast.eq(tail.o.payload.last),
            self.m_axis_tvalid.eq(tail.o.valid),
            tail.o.ready.eq(self.m_axis_tready),
            self.error.eq(head.error),
            self.probe_strobe.eq(core.probe_strobe),
            self.probe_data.eq(core.probe_data),
        ]
        return m
