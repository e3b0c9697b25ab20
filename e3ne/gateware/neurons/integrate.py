"""The leaky integrator: a membrane that never fires, and the synaptic current."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from ...ir import Dyadic, SpikeType
from ...ir.cycles import integrate_phases
from ...ir.ranges import Range, factor_range
from ..rom import RomForm
from .arithmetic import clamp, membrane_span, range_of, rounded_sum, shape_of, times
from .membrane import MembraneLoop, Windows
from .parameters import NeuronParameters
from .steps import StepItem


def leak_range(decay: Dyadic, drive: Range, membrane_bits: int) -> Range:
    """Range of decay * v + x for every membrane v: the sum of the ranges of its terms."""
    return factor_range(decay, membrane_span(membrane_bits)) + drive


class IntegrateLoop(MembraneLoop):
    """v = sat(decay * v + x), step by step; sends v.

    Members `i`: steps of x, `o`: steps of v, `membrane_bits` wide, signed. `integrate_phases`
    cycles a step, and as many to the first output: leak and add, then saturate. Decays that
    differ between words come from the ROM `name`. v is 0 at the first step of a frame and kept
    between its windows (`KeptState`). Reset: a new frame.
    """

    def __init__(
        self,
        name: str,
        decay: Dyadic,
        item: StepItem,
        membrane_bits: int,
        type: SpikeType,
        windows: Windows,
        rom_form: RomForm,
    ) -> None:
        self.decay = decay
        sent = StepItem(item.lanes, membrane_bits)
        phases = integrate_phases(decay, windows.steps, windows.kept_words)
        fields = {"decay": decay.multiplier}
        parameters = NeuronParameters(name, fields, item.lanes, type, rom_form)
        super().__init__(item, sent, phases, membrane_bits, windows, parameters)

    def step(self, m: Module, lane: int, state: Value, phase: Value, final: Value) -> Value:
        x = self.i.p.values[lane]
        leak = leak_range(self.decay, range_of(x.shape()), self.state_bits)
        total = Signal(shape_of(leak), name=f"total_{lane}")
        product = times(state.as_signed(), self.parameters.value("decay", lane))
        if self.phases == 1:
            m.d.comb += total.eq(rounded_sum(product, self.decay.shift, x))
        else:
            with m.If(phase == 0):
                m.d.sync += total.eq(rounded_sum(product, self.decay.shift, x))
        span = membrane_span(self.state_bits)
        after = Signal(shape_of(span), name=f"after_{lane}")
        m.d.comb += after.eq(clamp(total, span.low, span.high))
        with m.If(final):
            m.d.sync += self.o.p.values[lane].eq(after)
        return after
