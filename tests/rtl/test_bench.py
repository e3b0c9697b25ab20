"""The shared test bench itself: it must see what it is there to see (each checker has a twin)."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from e3ne.gateware.streams import Word

from .bench import Sink, Source, from_payloads, simulate, to_payloads

WORD = Word(lanes=2, steps=3, bits=4, signed=True)


class Register(wiring.Component):
    """A word register; `fault` names the stream rule that it breaks."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        super().__init__({"i": In(WORD.signature), "o": Out(WORD.signature)})

    def elaborate(self, platform):
        m = Module()
        full = self.o.valid
        m.d.comb += self.i.ready.eq(~full | self.o.ready)
        if self.fault == "falls":
            m.d.sync += full.eq(0)
        if self.fault == "changes":
            with m.If(full):
                m.d.sync += self.o.p.values[0][0].eq(self.o.p.values[0][0] + 1)
        with m.If(self.i.ready):
            m.d.sync += [full.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        return m


class Waiting(wiring.Component):
    """Valid waits for ready: against the rules."""

    def __init__(self) -> None:
        super().__init__({"i": In(WORD.signature), "o": Out(WORD.signature)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.o.payload.eq(self.i.payload),
            self.o.valid.eq(self.i.valid & self.o.ready),
            self.i.ready.eq(self.o.ready),
        ]
        return m


def frames(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-8, 8, (3, 5, 2, 3))


def send(design, pause: float = 0.4, count: int = 15, **options):
    return simulate(
        design,
        [Source(design.i, to_payloads(WORD, frames()), pause)],
        [Sink(design.o, count, pause)],
        **options,
    )


@pytest.mark.parametrize("pause", [0.0, 0.4])
def test_words_pass_a_register(pause):
    run = send(Register(), pause)
    assert np.array_equal(from_payloads(WORD, run.sinks[0].payloads, 5), frames())


def test_cycles_of_a_register_without_pauses():
    run = send(Register(), 0.0)
    assert run.sources[0].cycles == list(range(15))
    assert run.sinks[0].cycles == list(range(1, 16))


def test_reset_starts_the_sources_anew():
    run = send(Register(), 0.3, reset_at=11)
    assert np.array_equal(from_payloads(WORD, run.sinks[0].payloads, 5), frames())


@pytest.mark.parametrize(("fault", "message"), [("falls", "valid fell"), ("changes", "changed")])
def test_broken_rules_are_seen(fault, message):
    with pytest.raises(AssertionError, match=message):
        send(Register(fault))


def test_valid_that_waits_for_ready_is_a_deadlock():
    with pytest.raises(AssertionError, match="not finished after 500 cycles: 0 of 15 sent"):
        send(Waiting(), limit_cycles=500)


def test_a_word_too_many_is_seen():
    with pytest.raises(AssertionError, match="a word too many"):
        send(Register(), 0.0, count=14)


def test_last_is_checked():
    payloads = to_payloads(WORD, frames())
    payloads[3] |= 1 << WORD.value_bits
    with pytest.raises(AssertionError, match="word 3: last is wrong"):
        from_payloads(WORD, payloads, 5)
