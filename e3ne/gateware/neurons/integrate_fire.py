"""The spiking membrane, with every option of `ir/neurons.py`."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...ir import Dyadic, IntegrateFire, SpikeType
from ...ir.cycles import fire_phases, searches_spikes
from ...ir.ranges import Range
from ..rom import RomForm
from .arithmetic import choose_last, clamp, membrane_span, range_of, rounded_sum, shape_of, times
from .integrate import leak_range
from .membrane import MembraneLoop, Windows
from .parameters import NeuronParameters
from .spike_search import passes, spike_search
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
    return Range(found.low - neuron.most_spikes * largest, found.high)


def sent_steps(neuron: IntegrateFire, lanes: int) -> StepItem:
    """The steps that membranes send: spike counts, or themselves where the neuron sends these."""
    if neuron.sends == "membrane":
        return StepItem(lanes, neuron.membrane_bits)
    return StepItem(lanes, neuron.most_spikes.bit_length(), signed=False)


@dataclass(frozen=True)
class _Lane:
    """The signals of one neuron: kept state, input, thresholds (k * theta, k = 1, 2, ...).

    `before` says what the neuron sent at the step before (`FireLoop.before_bits`).
    """

    index: int
    membrane: Value
    before: Value
    drive: Value
    decay: Value
    thresholds: list[Value]


@dataclass(frozen=True)
class _Step:
    """What a step of a neuron ends with; `left` is the membrane less a threshold a spike."""

    membrane: Value
    spikes: Value
    left: Value | None = None


class FireLoop(MembraneLoop):
    """The membrane of `IntegrateFire` without gain, offset and synaptic current.

    Members `i`: steps of the drive x + offset, `o`: steps of `sent`: spike counts, or
    membranes where the neuron sends these. `fire_phases` cycles a step, and as many to the first
    output: leak, add and take back an earlier reset; saturate, fire and reset (a third phase where
    reset_step is "both"; one more a bit of the count where the count is searched). Decays and
    thresholds that differ between words come from the ROM `name`. The membrane, and what
    a later reset needs of the step before, are 0 at the first step of a frame and kept between
    its windows (`KeptState`). Reset: a new frame.
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
        self.spike_bits = neuron.most_spikes.bit_length()
        self.searches = searches_spikes(neuron)
        self.levels = 1 if self.searches else neuron.most_spikes
        fields = {"decay": neuron.decay.multiplier}
        fields |= {f"threshold_{k}": k * neuron.threshold for k in range(1, self.levels + 1)}
        parameters = NeuronParameters(name, fields, item.lanes, type, rom_form)
        phases = fire_phases(neuron, windows.steps, windows.kept_words)
        state_bits = neuron.membrane_bits + self.before_bits
        sent = sent_steps(neuron, item.lanes)
        super().__init__(item, sent, phases, state_bits, windows, parameters)

    @property
    def keeps_before(self) -> bool:
        """Whether a reset needs to know at the next step what was sent."""
        return self.neuron.reset_step == "next" and self.neuron.reset != "none"

    @property
    def before_bits(self) -> int:
        """Bits kept for that: the spikes, or (where they are searched) what the search left."""
        if not self.keeps_before:
            return 0
        if self.searches and self.neuron.reset == "subtract":
            return self.neuron.membrane_bits
        return self.spike_bits

    def step(self, m: Module, lane: int, state: Value, phase: Value, final: Value) -> Value:
        form = self._twice if self.neuron.reset_step == "both" else self._once
        step = form(m, self._lane(lane, state), phase)
        after = Signal(shape_of(membrane_span(self.neuron.membrane_bits)), name=f"after_{lane}")
        spikes = Signal(self.spike_bits, name=f"spikes_{lane}")
        m.d.comb += [after.eq(step.membrane), spikes.eq(step.spikes)]
        with m.If(final):
            sent = after if self.neuron.sends == "membrane" else spikes
            m.d.sync += self.o.p.values[lane].eq(sent)
        if not self.keeps_before:
            return after
        before = Signal(self.before_bits, name=f"before_{lane}")
        m.d.comb += before.eq(spikes if step.left is None else step.left)
        return Cat(after, before)

    def _lane(self, index: int, state: Value) -> _Lane:
        bits = self.neuron.membrane_bits
        thresholds = [
            self.parameters.value(f"threshold_{k}", index) for k in range(1, self.levels + 1)
        ]
        return _Lane(
            index,
            state[:bits].as_signed(),
            state[bits:],
            self.i.p.values[index],
            self.parameters.value("decay", index),
            thresholds,
        )

    def _once(self, m: Module, lane: _Lane, phase: Value) -> _Step:
        """A step whose reset is "next", "same" or "none"."""
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
        if self.searches:
            spikes, left = spike_search(
                m, neuron, membrane, lane.thresholds[0], phase, self.phases, lane.index
            )
            fired = spikes.any()
        else:
            passed = self._fires(membrane, lane)
            fired = passed[0]
            spikes = choose_last(passed, [Const(k + 1) for k in range(self.levels)], Const(0))
            left = choose_last(passed, [membrane - theta for theta in lane.thresholds], membrane)
        stays = left if self.searches and neuron.reset == "subtract" else None
        if neuron.reset_step == "same" and neuron.reset == "subtract":
            return _Step(left, spikes)
        if neuron.reset_step == "same" and neuron.reset == "to_value":
            return _Step(Mux(fired, int(neuron.reset_value), membrane), spikes)
        return _Step(membrane, spikes, stays)

    def _driven(self, lane: _Lane) -> Value:
        """decay * v + x, with the reset for the spikes of the step before."""
        neuron = self.neuron
        assert isinstance(neuron.decay, Dyadic)
        product, drive = times(lane.membrane, lane.decay), lane.drive
        if self.keeps_before and neuron.reset == "subtract":
            drive = drive - self._spent(lane)
        driven = rounded_sum(product, neuron.decay.shift, drive)
        if self.keeps_before and neuron.reset == "to_value":
            kept = lane.drive if neuron.reset_keeps_input else Const(0)
            return Mux(lane.before.any(), kept + int(neuron.reset_value), driven)
        return driven

    def _spent(self, lane: _Lane) -> Value:
        """A threshold for each spike of the step before."""
        if self.searches:
            return lane.membrane - lane.before.as_signed()
        sent = [lane.before == k + 1 for k in range(self.levels)]
        return choose_last(sent, lane.thresholds, Const(0))

    def _twice(self, m: Module, lane: _Lane, phase: Value) -> _Step:
        """A step that resets again what fired before: "both"."""
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
        return _Step(Mux(fired & ~again, down, Mux(again & ~fired, up, held)), fired)

    def _saturated(self, m: Module, total: Value, index: int) -> Value:
        bounds = membrane_span(self.neuron.membrane_bits)
        low = bounds.low if self.neuron.floor is None else int(self.neuron.floor)
        saturated = Signal(shape_of(bounds), name=f"saturated_{index}")
        m.d.comb += saturated.eq(clamp(total, low, bounds.high))
        return saturated

    def _fires(self, membrane: Value, lane: _Lane) -> list[Value]:
        """Whether the membrane passed 1, 2, ... thresholds."""
        return [passes(self.neuron, membrane, theta) for theta in lane.thresholds]


def _flat(parameter: object) -> list[int]:
    return [int(value) for value in getattr(parameter, "flat", [parameter])]
