"""The leaky integrator: a membrane that never fires, and the synaptic current."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...ir import Dyadic, SpikeType
from ...ir.cycles import integrate_phases
from ...ir.ranges import Range, factor_range
from ..rom import RomForm, RomImage
from .arithmetic import clamp, membrane_span, range_of, rounded_sum, shape_of, times
from .membrane import KeptState, Windows, phased_step
from .parameters import NeuronParameters
from .steps import StepItem


def leak_range(decay: Dyadic, drive: Range, membrane_bits: int) -> Range:
    """Range of decay * v + x for every membrane v: the sum of the ranges of its terms."""
    return factor_range(decay, membrane_span(membrane_bits)) + drive


class IntegrateLoop(wiring.Component):
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
        self.decay, self.item, self.windows = decay, item, windows
        self.phases = integrate_phases(decay, windows.steps, windows.kept_words)
        self.integrated = StepItem(item.lanes, membrane_bits)
        self.parameters = NeuronParameters(
            name, {"decay": decay.multiplier}, item.lanes, type, rom_form
        )
        self.roms: tuple[RomImage, ...] = self.parameters.roms
        super().__init__({"i": In(item.signature), "o": Out(self.integrated.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.parameters = parameters = self.parameters
        bits = self.integrated.bits
        m.submodules.kept = kept = KeptState(self.item.lanes * bits, self.windows)
        phase, final = phased_step(m, self.i, self.o, self.phases, parameters.ready)
        span = membrane_span(bits)
        membranes = []
        for lane in range(self.item.lanes):
            x = self.i.p.values[lane]
            membrane = kept.state.word_select(lane, bits).as_signed()
            leak = leak_range(self.decay, range_of(x.shape()), bits)
            total = Signal(shape_of(leak), name=f"total_{lane}")
            product = times(membrane, parameters.value("decay", lane))
            if self.phases == 1:
                m.d.comb += total.eq(rounded_sum(product, self.decay.shift, x))
            else:
                with m.If(phase == 0):
                    m.d.sync += total.eq(rounded_sum(product, self.decay.shift, x))
            after = Signal(shape_of(span), name=f"after_{lane}")
            m.d.comb += after.eq(clamp(total, span.low, span.high))
            membranes.append(after)
            with m.If(final):
                m.d.sync += self.o.p.values[lane].eq(after)
        m.d.comb += [
            kept.new.eq(Cat(membranes)),
            kept.update.eq(final),
            kept.ends_word.eq(self.i.p.ends_word),
            parameters.next_word.eq(final & self.i.p.ends_word),
        ]
        with m.If(final):
            m.d.sync += [self.o.p.ends_word.eq(self.i.p.ends_word), self.o.p.last.eq(self.i.p.last)]
        return m
