"""The spiking membrane, with every option of `ir/neurons.py`."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...ir import Dyadic, IntegrateFire
from ...ir.cycles import fire_phases
from ...ir.ranges import Range
from ..rom import RomForm, RomImage
from .arithmetic import choose_last, clamp, membrane_span, range_of, rounded_sum, shape_of
from .integrate import leak_range
from .membrane import KeptState, Windows, phased_step
from .parameters import ChannelParameters
from .steps import StepItem


def total_range(neuron: IntegrateFire, drive: Range) -> Range:
    """Range of the membrane before saturation: what leaks and drives, less what a reset takes.

    A reset of the step before takes at most max_spikes thresholds, or puts reset_value plus the
    drive in place of everything; the union of the cases bounds each of them.
    """
    assert isinstance(neuron.decay, Dyadic)
    found = leak_range(neuron.decay, drive, neuron.membrane_bits)
    if neuron.reset_step == "same" or neuron.reset == "none":
        return found
    if neuron.reset == "to_value":
        value = int(neuron.reset_value)
        return Range(
            min(found.low, value + min(drive.low, 0)), max(found.high, value + max(drive.high, 0))
        )
    largest = max(int(theta) for theta in _flat(neuron.threshold))
    return Range(found.low - neuron.max_spikes * largest, found.high)


@dataclass(frozen=True)
class _Lane:
    """The signals of one neuron: kept state, input, thresholds (k * theta, k = 1, 2, ...)."""

    index: int
    membrane: Value
    before: Value
    drive: Value
    decay: Value
    thresholds: list[Value]


class FireLoop(wiring.Component):
    """The membrane of `IntegrateFire` without gain, offset and synaptic current; sends spikes.

    Members `i`: steps of the drive x + offset, `o`: steps of the spike counts, `spike_bits`
    wide. `fire_phases` cycles a step, and as many to the first output: leak, add and take back
    an earlier reset; saturate, fire and reset (a third phase where reset_step is "both").
    Per-channel decay and thresholds come from the ROM `name`. The membrane, and the spikes
    before where the reset needs them, are 0 at the first step of a frame and kept between its
    windows (`KeptState`). Reset: a new frame.
    """

    def __init__(
        self,
        name: str,
        neuron: IntegrateFire,
        item: StepItem,
        channels: int,
        windows: Windows,
        rom_form: RomForm,
    ) -> None:
        assert isinstance(neuron.decay, Dyadic)
        self.neuron, self.item, self.windows = neuron, item, windows
        self.phases = fire_phases(neuron, windows.steps, windows.kept_words)
        self.spikes = StepItem(item.lanes, neuron.max_spikes.bit_length(), signed=False)
        self.keeps_spikes = neuron.reset_step == "next" and neuron.reset != "none"
        multiples = {
            f"threshold_{k}": k * neuron.threshold for k in range(1, neuron.max_spikes + 1)
        }
        self.parameters = ChannelParameters(
            name, {"decay": neuron.decay.multiplier, **multiples}, item.lanes, channels, rom_form
        )
        self.roms: tuple[RomImage, ...] = self.parameters.roms
        super().__init__({"i": In(item.signature), "o": Out(self.spikes.signature)})

    @property
    def state_bits(self) -> int:
        """Bits kept for one neuron."""
        return self.neuron.membrane_bits + (self.spikes.bits if self.keeps_spikes else 0)

    def elaborate(self, platform):
        m = Module()
        m.submodules.parameters = parameters = self.parameters
        m.submodules.kept = kept = KeptState(self.item.lanes * self.state_bits, self.windows)
        phase, final = phased_step(m, self.i, self.o, self.phases, parameters.ready)
        states: list[Value] = []
        for index in range(self.item.lanes):
            lane = self._lane(index, kept.state.word_select(index, self.state_bits))
            if self.neuron.reset_step == "both":
                membrane, spikes = self._twice(m, lane, phase)
            else:
                membrane, spikes = self._once(m, lane, phase)
            after = Signal(
                shape_of(membrane_span(self.neuron.membrane_bits)), name=f"after_{index}"
            )
            sent = Signal(self.spikes.bits, name=f"sent_{index}")
            m.d.comb += [after.eq(membrane), sent.eq(spikes)]
            states += [after, sent] if self.keeps_spikes else [after]
            with m.If(final):
                m.d.sync += self.o.p.values[index].eq(sent)
        m.d.comb += [
            kept.new.eq(Cat(states)),
            kept.update.eq(final),
            kept.ends_word.eq(self.i.p.ends_word),
            parameters.next_word.eq(final & self.i.p.ends_word),
        ]
        with m.If(final):
            m.d.sync += [self.o.p.ends_word.eq(self.i.p.ends_word), self.o.p.last.eq(self.i.p.last)]
        return m

    def _lane(self, index: int, state: Value) -> _Lane:
        bits = self.neuron.membrane_bits
        return _Lane(
            index,
            state[:bits].as_signed(),
            state[bits:],
            self.i.p.values[index],
            self.parameters.value("decay", index),
            [
                self.parameters.value(f"threshold_{k}", index)
                for k in range(1, self.neuron.max_spikes + 1)
            ],
        )

    def _once(self, m: Module, lane: _Lane, phase: Value) -> tuple[Value, Value]:
        """(membrane, spikes) of a step whose reset is "next", "same" or "none"."""
        neuron = self.neuron
        total = Signal(
            shape_of(total_range(neuron, range_of(lane.drive.shape()))), name=f"total_{lane.index}"
        )
        driven = self._driven(lane)
        if self.phases == 1:
            m.d.comb += total.eq(driven)
        else:
            with m.If(phase == 0):
                m.d.sync += total.eq(driven)
        membrane = self._saturated(m, total, lane.index)
        fired = self._fires(membrane, lane)
        counts = [Const(k + 1) for k in range(neuron.max_spikes)]
        spikes = choose_last(fired, counts, Const(0))
        if neuron.reset_step == "same" and neuron.reset == "subtract":
            left = [membrane - theta for theta in lane.thresholds]
            return choose_last(fired, left, membrane), spikes
        if neuron.reset_step == "same" and neuron.reset == "to_value":
            return Mux(fired[0], int(neuron.reset_value), membrane), spikes
        return membrane, spikes

    def _driven(self, lane: _Lane) -> Value:
        """decay * v + x, with the reset for the spikes of the step before."""
        neuron = self.neuron
        assert isinstance(neuron.decay, Dyadic)
        product, drive = lane.membrane * lane.decay, lane.drive
        if self.keeps_spikes and neuron.reset == "subtract":
            spent = [lane.before == k + 1 for k in range(neuron.max_spikes)]
            drive = drive - choose_last(spent, lane.thresholds, Const(0))
        driven = rounded_sum(product, neuron.decay.shift, drive)
        if self.keeps_spikes and neuron.reset == "to_value":
            kept = lane.drive if neuron.reset_keeps_input else Const(0)
            return Mux(lane.before.any(), kept + int(neuron.reset_value), driven)
        return driven

    def _twice(self, m: Module, lane: _Lane, phase: Value) -> tuple[Value, Value]:
        """(membrane, spikes) of a step that resets again what fired before: "both"."""
        neuron = self.neuron
        theta = lane.thresholds[0]
        span = total_range(neuron, range_of(lane.drive.shape()))
        total = Signal(shape_of(span), name=f"total_{lane.index}")
        again = Signal(name=f"again_{lane.index}")
        held = Signal(shape_of(membrane_span(neuron.membrane_bits)), name=f"held_{lane.index}")
        with m.If(phase == 0):
            m.d.sync += [
                total.eq(self._driven(lane)),
                again.eq(self._fires(lane.membrane, lane)[0]),
            ]
        reset = Signal(shape_of(span), name=f"reset_{lane.index}")
        m.d.comb += reset.eq(Mux(again, total - theta, total))
        saturated = self._saturated(m, reset, lane.index)
        with m.If(phase == 1):
            m.d.sync += held.eq(saturated)
        fired = self._fires(held, lane)[0]
        bounds = membrane_span(neuron.membrane_bits)
        down = clamp(held - theta, bounds.low, bounds.high)
        up = clamp(held + theta, bounds.low, bounds.high)
        return Mux(fired & ~again, down, Mux(again & ~fired, up, held)), fired

    def _saturated(self, m: Module, total: Value, index: int) -> Value:
        bounds = membrane_span(self.neuron.membrane_bits)
        low = bounds.low if self.neuron.floor is None else int(self.neuron.floor)
        saturated = Signal(shape_of(bounds), name=f"saturated_{index}")
        m.d.comb += saturated.eq(clamp(total, low, bounds.high))
        return saturated

    def _fires(self, membrane: Value, lane: _Lane) -> list[Value]:
        """Whether the membrane passed 1, 2, ... thresholds."""
        if self.neuron.fire_on == ">":
            return [membrane > theta for theta in lane.thresholds]
        return [membrane >= theta for theta in lane.thresholds]


def _flat(parameter: object) -> list[int]:
    return [int(value) for value in getattr(parameter, "flat", [parameter])]
