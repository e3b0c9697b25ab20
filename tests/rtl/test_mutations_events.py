"""Text mutations of the port of events: all of them are caught."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e3ne.ir import SpikeType
from e3ne.ir.events import NO_EVENT

from .event_cases import Events, any_events, regular
from .mutations import CHECK, Mutation, label, survives
from .test_gateware_event_input import test_cycles_between_frames, test_cycles_of_a_frame

PAUSES = [(0.0, 0.0, 0.0), (0.4, 0.4, 0.4), (0.0, 0.8, 0.0)]


@CHECK
@given(any_events(), st.sampled_from(PAUSES), st.integers(0, 99))
def any_frames(events, pauses, seed):
    events.check(pauses, seed=seed, limit_cycles=3000)


@CHECK
@given(any_events(), st.integers(5, 40))
def reset_within(events, cycle):
    events.check(reset_at=cycle, limit_cycles=3000)


def chosen_frames():
    """Neighbours in one word; times from frame to frame; a queue of verdicts that is full."""
    again = (0, 0, 1, 0, 1 << 20, 0 << 20 | NO_EVENT, 1 << 20)
    Events(SpikeType((4,), 2, 2), 4, 1, (again, (0,), again)).check()
    Events(SpikeType((8,), 3, 1), 1, 1, ((2 << 20,), (0,), (2 << 20, 1), (1,))).check()
    regular(SpikeType((2,), 1, 1), [1] * 8).check((0.0, 0.0, 0.9), depth=1)


def cycles():
    for beats in (1, 5):
        test_cycles_of_a_frame(beats, 1, 1)
        test_cycles_between_frames(beats, 2, 1)
        test_cycles_between_frames(beats, 8, 3)


INPUT = [
    ("counted.clear),\n            self.i.ready", "1),\n            self.i.ready"),
    ("self.i.ready.eq(register.i.ready & counted.clear)", "self.i.ready.eq(register.i.ready)"),
    ("beat.p.data != NO_EVENT", "beat.p.data != 0"),
    ("(time >= self.type.steps) | (address", "(address"),
    ("(time >= self.type.steps)", "(time > self.type.steps)"),
    (" | (address >= self.type.neurons)", ""),
    ("(address >= self.type.neurons)", "(address > self.type.neurons)"),
    ("beyond | (time < earliest)", "beyond"),
    ("time < earliest", "time <= earliest"),
    ("is_event & (beyond", "(beyond"),
    ("room & (~beat.p.last | verdicts.w_rdy)", "room"),
    ("room & (~beat.p.last | verdicts.w_rdy)", "(~beat.p.last | verdicts.w_rdy)"),
    ("verdicts.w_data.eq(~(bad_before | wrong))", "verdicts.w_data.eq(~wrong)"),
    ("verdicts.w_data.eq(~(bad_before | wrong))", "verdicts.w_data.eq(~bad_before)"),
    ("(bad_before | wrong) & ~beat.p.last", "(bad_before | wrong)"),
    ("with m.If(wrong):", "with m.If(0):"),
    ("m.d.sync += earliest.eq(0)", "pass"),
    ("takes & is_event & ~wrong", "takes & is_event"),
    ("takes & is_event & ~wrong", "takes & ~wrong"),
    ("time // per_window", "time"),
    ("time % per_window", "0"),
    ("times.data[self.step_bits :] + offset", "times.data[self.step_bits :]"),
    ("address[self.lane_bits :])", "address)"),
]
MEMORY = [
    ("closed.bit_select(bank ^ self.closes, 1)", "closed.bit_select(bank, 1)"),
    ("closed.bit_select(bank, 1).eq(1), bank.eq(~bank)", "bank.eq(~bank)"),
    ("counted & (counted_bank == bank) & (address == self.place)", "0"),
    ("counted & (counted_bank == bank) & (", "counted & ("),
    ("(counted_bank == bank) & (address == self.place)", "(counted_bank == bank)"),
    ("with m.If(closing):", "with m.If(self.closes):"),
    ("Mux(looks_up, self.place, position)", "Mux(looks_up, address, position)"),
    ("read.en.eq(looks_up | clears)", "read.en.eq(1)"),
    ("write.data.eq(Mux(clears, 0, new))", "write.data.eq(new)"),
    ("clears | (counted & (counted_bank == index))", "clears | counted"),
    ("(sends & (out_bank == index)) | ~self.clear", "sends & (out_bank == index)"),
    ("Mux(same, written, Mux(counted_bank", "Mux(0, written, Mux(counted_bank"),
    ("Mux(shown, rows[1], rows[0])", "Mux(out_bank, rows[1], rows[0])"),
    ("free.eq(~self.o.valid | self.o.ready)", "free.eq(1)"),
    ("free.eq(~self.o.valid | self.o.ready)", "free.eq(~self.o.valid)"),
    ("sends.eq(full.bit_select(out_bank, 1) & free)", "sends.eq(free)"),
    ("Mux(ends, 0, position + 1)", "position + 1"),
    ("self.o.payload.last.eq(ends)", "self.o.payload.last.eq(1)"),
    ("full.bit_select(out_bank, 1).eq(0), ", ""),
    ("self.o.valid & self.o.ready & self.o.payload.last", "self.o.valid & self.o.payload.last"),
    ("closed.bit_select(shown, 1).eq(0)", "closed.eq(0)"),
    ("(lane == k // self.word.steps) & ", ""),
    (" & (step == k % self.word.steps)", ""),
    ("here & (count != largest)", "here"),
]
MUTATIONS = [
    *(Mutation("event_input", *pair) for pair in INPUT),
    *(Mutation("event_memory", *pair) for pair in MEMORY),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=label)
def test_mutation_is_caught(mutation):
    assert not survives(mutation, [chosen_frames, cycles, any_frames, reset_within])


def test_the_checks_pass_as_it_is():
    for check in (chosen_frames, cycles, any_frames, reset_within):
        check()
