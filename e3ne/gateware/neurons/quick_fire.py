"""A spiking membrane that makes a step in every cycle."""

from __future__ import annotations

from amaranth.hdl import Const, Module, Mux, Signal, Value

from ...ir import Dyadic, IntegrateFire, SpikeType
from ...ir.cycles import shift_of
from ..rom import RomForm
from .arithmetic import clamp, membrane_span, range_of, rounded_sum, shape_of, times
from .integrate_fire import sent_steps, total_range
from .membrane import MembraneLoop, Windows
from .parameters import NeuronParameters
from .steps import StepItem


class QuickFireLoop(MembraneLoop):
    """The membrane of an `IntegrateFire` that `ir.cycles.fires_quickly`; else as `FireLoop`.

    Members `i`: steps of the drive x + offset, `o`: steps of `sent`. A step a cycle, one cycle to
    the first output. The reset comes at the step behind a spike, so the membrane tells by itself
    whether it fired: compared while it leaks, and once more behind the output's register. Only the
    membrane is kept (`KeptState`). Thresholds that differ between words come from the ROM `name`.
    Reset: a new frame.
    """

    def __init__(
        self,
        name: str,
        neuron: IntegrateFire,
        item: StepItem,
        type: SpikeType,
        windows: Windows,
        rom_form: RomForm,
    ) -> None:
        assert isinstance(neuron.decay, Dyadic)
        self.neuron = neuron
        sent = sent_steps(neuron, item.lanes)
        fields = {"decay": neuron.decay.multiplier, "threshold": neuron.threshold}
        parameters = NeuronParameters(name, fields, item.lanes, type, rom_form)
        super().__init__(item, sent, 1, neuron.membrane_bits, windows, parameters)

    def step(self, m: Module, lane: int, state: Value, phase: Value, final: Value) -> Value:
        threshold = self.parameters.value("threshold", lane)
        decay = self.parameters.value("decay", lane)
        after = Signal(shape_of(membrane_span(self.state_bits)), name=f"after_{lane}")
        drive = self.i.p.values[lane]
        m.d.comb += after.eq(self._stepped(state.as_signed(), drive, threshold, decay))
        self._send(m, final, after, threshold, lane)
        return after

    def _stepped(self, membrane: Value, drive: Value, threshold: Value, decay: Value) -> Value:
        """The membrane behind a step, before its reset."""
        neuron = self.neuron
        fired = above(neuron, membrane, threshold)
        product = times(membrane, decay)
        taken = Mux(fired, threshold, 0) if neuron.reset == "subtract" else Const(0)
        total = rounded_sum(product, shift_of(neuron.decay), drive - taken)
        if neuron.reset == "to_value":
            kept = drive if neuron.reset_keeps_input else Const(0)
            total = Mux(fired, kept + int(neuron.reset_value), total)
        span = membrane_span(neuron.membrane_bits)
        low = span.low if neuron.floor is None else int(neuron.floor)
        shape = shape_of(total_range(neuron, range_of(drive.shape())))
        reached = total[: shape.width]
        return clamp(reached.as_signed() if shape.signed else reached, low, span.high)

    def _send(self, m: Module, final: Value, after: Value, threshold: Value, index: int) -> None:
        """What the step sends: the membrane, or whether it passes the threshold of its word."""
        if self.neuron.sends == "membrane":
            with m.If(final):
                m.d.sync += self.o.p.values[index].eq(after)
            return
        held = Signal(after.shape(), name=f"held_{index}")
        with m.If(final):
            m.d.sync += held.eq(after)
        if not isinstance(threshold, Const):
            level = Signal(threshold.shape(), name=f"level_{index}")
            with m.If(final):
                m.d.sync += level.eq(threshold)
            threshold = level
        m.d.comb += self.o.p.values[index].eq(above(self.neuron, held, threshold))


def above(neuron: IntegrateFire, membrane: Value, threshold: Value) -> Value:
    """Whether a membrane fires: the sign of a difference, a carry chain and no levels of LUTs."""
    difference = threshold - membrane if neuron.fire_on == ">" else membrane - threshold
    return difference[-1] if neuron.fire_on == ">" else ~difference[-1]
