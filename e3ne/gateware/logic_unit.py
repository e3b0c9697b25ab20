"""The LOGIC engine's unit: whole patches or vectors times constants, as tables and adders."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..ir.adder_graph import GATE_BITS, cofactors, table_inputs, truth_tables, width_bits
from ..ir.logic_plan import LogicPlan
from ..ir.ranges import Range
from .streams import Word


class LogicUnit(wiring.Component):
    """currents = constant matrix times the elements of a word, plus biases, at every step.

    `i`: a vector, or the patches of several pixels side by side, with all steps of a window; `o`:
    all currents of these with the same steps, `current_bits` wide. The network (`plan.network`)
    has no memory; each of `plan.step_lanes` steps has a copy. A register stands behind every
    `ir.logic_plan.LOGIC_LEVELS` levels of it; those that follow the data are not cleared by reset.

    Where a word passes in several chunks it is held, step lanes by step lanes and of each the
    highest bits first; behind the network the sums of all bits are shifted and added up. These may
    wrap, the whole one does not. Cycles: `plan.chunks` a word, no gap. Latency:
    `plan.latency_cycles`. All of it stalls while `o` waits.
    """

    def __init__(self, word: Word, plan: LogicPlan, currents: Range) -> None:
        self.word = word
        self.plan = plan
        self.current_bits = currents.signed_bits
        self.out = Word(len(plan.network.outputs), word.steps, self.current_bits, True)
        super().__init__({"i": In(word.signature), "o": Out(self.out.signature)})

    def elaborate(self, platform):
        m = Module()
        moves = Signal()  # the whole pipeline moves
        m.d.comb += moves.eq(~self.o.valid | self.o.ready)
        if self.plan.chunks == 1:
            m.d.comb += self.i.ready.eq(moves)
            values = self.i.payload.values
            elements = [
                [values[lane][step] for lane in self.plan.lanes] for step in range(self.word.steps)
            ]
            marks = {"last": self.i.payload.last}
            sums, valid, marks = self._network(m, moves, elements, self.i.valid, marks)
            currents = [[step[k] for step in sums] for k in range(self.out.lanes)]
            m.d.comb += [self.o.valid.eq(valid), self.o.payload.last.eq(marks["last"])]
        else:
            elements, valid, marks = self._hold(m, moves)
            sums, valid, marks = self._network(m, moves, elements, valid, marks)
            currents = self._accumulate(m, moves, sums, valid, marks)
        m.d.comb += self.o.payload.values.eq(
            Cat(_extended(step, self.current_bits) for lane in currents for step in lane)
        )
        return m

    def _hold(self, m, moves):
        """The word in a register, of which the next chunk stands lowest.

        Returns (elements [step lane][input of the network], valid, marks {first, done, last}).
        """
        plan, word = self.plan, self.word
        held = Signal(len(self._chunk(0)) * plan.chunks, reset_less=True)
        busy, last = Signal(), Signal()
        bits, steps = Signal(range(plan.bit_chunks)), Signal(range(plan.step_chunks))
        last_bits, last_chunk = Signal(), Signal()
        take = Signal()
        m.d.comb += [
            last_bits.eq(bits == plan.bit_chunks - 1),
            last_chunk.eq(last_bits & (steps == plan.step_chunks - 1)),
            self.i.ready.eq(moves & (~busy | last_chunk)),
            take.eq(self.i.valid & self.i.ready),
        ]
        width = len(held) // plan.chunks
        with m.If(moves & busy):
            m.d.sync += [
                held.eq(held >> width),
                busy.eq(~last_chunk),
                bits.eq(Mux(last_bits, 0, bits + 1)),
            ]
            with m.If(last_bits):
                m.d.sync += steps.eq(Mux(steps == plan.step_chunks - 1, 0, steps + 1))
        with m.If(take):
            m.d.sync += [
                held.eq(Cat(self._chunk(chunk) for chunk in range(plan.chunks))),
                busy.eq(1),
                last.eq(self.i.payload.last),
            ]
        is_signed = word.signed and plan.bit_chunks == 1
        elements = [
            [
                part.as_signed() if is_signed else part
                for lane in range(len(plan.lanes))
                for at in [(step * len(plan.lanes) + lane) * plan.bit_lanes]
                for part in [held[at : at + plan.bit_lanes]]
            ]
            + ([last_bits] if plan.bit_chunks > 1 else [])
            for step in range(plan.step_lanes)
        ]
        marks = {"first": bits == 0, "done": last_chunk, "last": last}
        return elements, busy, marks

    def _chunk(self, chunk: int):
        """The bits of the word that pass together: step lanes, in each the network's elements."""
        plan = self.plan
        steps, bits = divmod(chunk, plan.bit_chunks)
        at = self.word.bits - (bits + 1) * plan.bit_lanes
        parts = []
        for step in range(steps * plan.step_lanes, (steps + 1) * plan.step_lanes):
            for lane in plan.lanes:
                element = self.i.payload.values[lane][step].as_unsigned()
                if plan.flips_sign:
                    element = element ^ Const(1 << (self.word.bits - 1), self.word.bits)
                parts.append(element[at : at + plan.bit_lanes])
        return Cat(parts)

    def _network(self, m, moves, elements, valid, marks):
        """Tables and adders with registers in between.

        `elements` [copy][input]. Returns (sums [copy][output], valid, marks), delayed alike.
        """
        plan, first = self.plan, len(self.plan.network.inputs)
        copies = [dict(enumerate(inputs)) for inputs in elements]
        for stage in range(plan.stages):
            for index, item in enumerate(plan.network.sums):
                if not item.is_wires and plan.stage_of(first + index) == stage:
                    for copy, values in enumerate(copies):
                        found = Signal(_shape(item.range), name=f"sum_{copy}_{index}")
                        m.d.comb += found.eq(self._sum(item, values))
                        values[first + index] = found
            following = [{} for _ in copies]
            kept_valid = Signal(name=f"valid_{stage}")
            kept_marks = {name: Signal(name=f"{name}_{stage}") for name in marks}
            with m.If(moves):
                m.d.sync += kept_valid.eq(valid)
                m.d.sync += [kept_marks[name].eq(mark) for name, mark in marks.items()]
                for node, last in plan.last_stages.items():
                    if plan.stage_of(node) <= stage < last:
                        for copy, values in enumerate(copies):
                            kept = Signal(
                                _shape(plan.network.node_range(node)),
                                name=f"stage_{stage}_{copy}_{node}",
                                reset_less=True,
                            )
                            m.d.sync += kept.eq(values[node])
                            following[copy][node] = kept
            copies, valid, marks = following, kept_valid, kept_marks
        outputs = [
            [
                Const(0, 1) if output is None else self._value(output.node, values) * output.factor
                for output in plan.network.outputs
            ]
            for values in copies
        ]
        return outputs, valid, marks

    def _value(self, node, values):
        """A node in the stage whose values these are."""
        first = len(self.plan.network.inputs)
        if node >= first and self.plan.network.sums[node - first].is_wires:
            return self._sum(self.plan.network.sums[node - first], values)
        return values[node]

    def _sum(self, item, values):
        """The value of a table or an adder."""
        network = self.plan.network
        if item.is_table:
            bits = [self._value(n, values)[bit] for n, bit, _ in table_inputs(network, item)]
            tables = truth_tables(network, item)
            found = Cat(table_value(bits, table) for table in tables)
            return found.as_signed() if item.range.low < 0 else found
        terms = [(self._value(t.node, values), t.factor) for t in item.terms]
        if len(terms) == 1:
            return terms[0][0] * terms[0][1] + item.offset
        (low, one), (high, factor) = sorted(terms, key=lambda term: abs(term[1]))
        shift = abs(factor).bit_length() - 1
        if one < 0:  # what is subtracted borrows from every bit
            found = added(high * factor, low, True, width_bits(item.range))
        else:
            bits = width_bits(item.range) - shift
            found = Cat(_extended(low, shift), added(low >> shift, high, factor < 0, bits))
        return found.as_signed() if item.range.low < 0 else found

    def _accumulate(self, m, moves, sums, valid, marks):
        """The last stage: sums of all bits, in a ring with one entry a chunk of steps.

        Returns the currents [lane][step].
        """
        plan = self.plan
        ring = [
            [
                [
                    Signal(signed(self.current_bits), name=f"sum_{o}_{c}_{s}", reset_less=True)
                    for s in range(plan.step_lanes)
                ]
                for c in range(plan.step_chunks)
            ]
            for o in range(self.out.lanes)
        ]
        with m.If(moves):
            m.d.sync += [
                self.o.valid.eq(valid & marks["done"]),
                self.o.payload.last.eq(marks["last"]),
            ]
            for o, entries in enumerate(ring):
                for s in range(plan.step_lanes):
                    before = Mux(marks["first"], 0, entries[-1][s] << plan.bit_lanes)
                    m.d.sync += entries[-1][s].eq(before + sums[s][o])
                    with m.If(marks["first"]):
                        for c in range(plan.step_chunks - 1):
                            m.d.sync += entries[c][s].eq(entries[c + 1][s])
        return [[entry[s] for entry in o for s in range(plan.step_lanes)] for o in ring]


def added(a, b, subtracts: bool, bits: int):
    """The low `bits` bits of a + b or a - b: a carry chain, or where that is short a few gates."""
    if bits > GATE_BITS:
        return (a - b if subtracts else a + b)[:bits]
    carry = Const(int(subtracts), 1)
    found = []
    for x, y in zip(_extended(a, bits), _extended(b, bits), strict=True):
        y = ~y if subtracts else y
        found.append(x ^ y ^ carry)
        carry = (x & y) | ((x ^ y) & carry)
    return Cat(found)


def table_value(bits, table: int):
    """The function of some bits whose value is bit k of `table` where they are k: one LUT."""
    full = (1 << (1 << len(bits))) - 1
    if table in (0, full):
        return Const(table & 1, 1)
    low, high = cofactors(table, len(bits), len(bits) - 1)
    first, rest = bits[-1], bits[:-1]
    if low == high:
        return table_value(rest, low)
    part = full >> (1 << len(rest))
    if low == high ^ part:
        other = table_value(rest, low)
        return first ^ other
    if low == 0:
        return first & table_value(rest, high)
    if high == 0:
        return ~first & table_value(rest, low)
    return Mux(first, table_value(rest, high), table_value(rest, low))


def _shape(span: Range) -> Shape:
    return signed(width_bits(span)) if span.low < 0 else unsigned(width_bits(span))


def _extended(value, bits: int):
    """A number in `bits` bits: of more the low ones."""
    if len(value) >= bits:
        return value[:bits]
    sign = value[-1] if value.shape().signed else Const(0, 1)
    return Cat(value, sign.replicate(bits - len(value)))
