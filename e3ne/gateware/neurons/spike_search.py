"""How many thresholds a membrane has passed: by one comparison for each, or bit by bit."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value

from ...ir import IntegrateFire
from .arithmetic import membrane_span, shape_of


def passes(neuron: IntegrateFire, membrane: Value, level: Value) -> Value:
    """Whether a membrane fires at `level`."""
    return membrane > level if neuron.fire_on == ">" else membrane >= level


def spike_search(
    m: Module,
    neuron: IntegrateFire,
    membrane: Value,
    theta: Value,
    phase: Value,
    phases: int,
    index: int,
) -> tuple[Value, Value]:
    """(n, membrane - n * theta) in the last of `phases` phases; `membrane` is there from 1 on.

    n is the largest number up to max_spikes whose multiple of theta the membrane passes. It is
    found from its highest bit down, one bit in each of the last phases: a bit is kept where the
    number with it is still allowed and still passed, which holds for all smaller numbers, too.
    `left` is what the bits so far leave of the membrane: a bit that is kept takes less than
    `left`, so `left` needs no more bits than the membrane.
    """
    bits = neuron.most_spikes.bit_length()
    left = Signal(shape_of(membrane_span(neuron.membrane_bits)), name=f"left_{index}")
    level = Signal(len(theta) + bits - 1, name=f"level_{index}")
    count, bit = Signal(bits, name=f"count_{index}"), Signal(bits, name=f"bit_{index}")
    kept = Signal(name=f"kept_{index}")
    with_bit = count | bit
    m.d.comb += kept.eq(passes(neuron, left, level) & (with_bit <= neuron.most_spikes))
    next_left = Signal.like(left, name=f"next_left_{index}")
    next_count = Signal.like(count, name=f"next_count_{index}")
    m.d.comb += [
        next_left.eq(Mux(kept, left - level, left)),
        next_count.eq(Mux(kept, with_bit, count)),
    ]
    with m.If(phase == 1):
        m.d.sync += [
            left.eq(membrane),
            level.eq(theta << (bits - 1)),
            count.eq(0),
            bit.eq(1 << (bits - 1)),
        ]
    with m.Elif(phase != phases - 1):
        m.d.sync += [
            left.eq(next_left),
            level.eq(level >> 1),
            count.eq(next_count),
            bit.eq(bit >> 1),
        ]
    return next_count, next_left
