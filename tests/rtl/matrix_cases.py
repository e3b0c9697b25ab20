"""Matrix units of every form, run against plain sums of products, cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from e3ne.gateware.matrix_unit import MatrixUnit
from e3ne.gateware.slices import AddressedSlice
from e3ne.gateware.streams import Word
from e3ne.ir import SynapseMapping, frozen
from e3ne.ir.geometry import Fold
from e3ne.ir.ranges import Range, weighted_range

from .bench import Sink, Source, from_payloads, simulate, to_payloads

OUTS = 2


@dataclass(frozen=True)
class Form:
    """A layout of a matrix unit; elements of `bits` bits, weights of `weight_bits`."""

    weight_bits: int
    bits: int
    signed: bool = False
    bit_lanes: int | None = None
    dsps: int = 0
    each: int = 1
    in_lanes: int = 3
    out_lanes: int = 2
    pixel_lanes: int = 1
    steps: int = 1
    step_lanes: int = 1
    addressed: bool = False
    binary: bool = False
    biased: bool = False
    slices: int = 2

    @property
    def lowest(self) -> int:
        """The least element."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest element."""
        return (1 << (self.bits - self.signed)) - 1

    def weight(self):
        """(outputs, inputs): both ends of the range, mixtures of them, and random ones."""
        low, high = -(1 << (self.weight_bits - 1)), (1 << (self.weight_bits - 1)) - 1
        if self.binary:
            low, high = -1, 1
        shape = (OUTS * self.out_lanes, self.slices * self.in_lanes)
        found = np.random.default_rng(self.weight_bits).integers(low, high + 1, shape)
        if self.binary:
            found = np.where(found > 0, 1, -1)
        found[0], found[1] = low, high
        found[-1] = np.where(np.arange(shape[1]) % 2, low, high)
        return frozen(found, np.int64)

    def frames(self, weight) -> np.ndarray:
        """Elements (frames, pixels, inputs, steps): ends, random ones, and slices of zeros."""
        random = np.random.default_rng(self.bits)
        shape = (self.pixel_lanes, weight.shape[1], self.steps)
        found = [np.full(shape, self.lowest), np.full(shape, self.highest)]
        for row in weight[[0, -1]]:
            ends = np.where(row > 0, self.highest, self.lowest)
            found += [np.broadcast_to(ends[None, :, None], shape)]
        found += list(random.integers(self.lowest, self.highest + 1, (4, *shape)))
        sparse = random.integers(self.lowest, self.highest + 1, (4, *shape))
        sparse[:, :, : self.in_lanes] = 0  # one slice, or one bit
        sparse[1] = 0
        sparse[2] &= 1
        sparse[3] &= -2
        return np.clip(np.stack([*found, *sparse]), self.lowest, self.highest)


def unit_of(form: Form) -> tuple[MatrixUnit, np.ndarray, np.ndarray | None]:
    """The unit, its weights (outputs, inputs) and its bias."""
    weight = form.weight()
    bias = None
    if form.biased:
        bias = frozen(np.arange(len(weight)) * 9 - 11, np.int64)
    fold = Fold(1, OUTS, form.slices, form.in_lanes, in_memory=False)
    word = Word(form.in_lanes * form.pixel_lanes, form.steps, form.bits, form.signed)
    unit = MatrixUnit(
        AddressedSlice(word, fold.words) if form.addressed else word,
        fold,
        weight,
        bias,
        weighted_range(weight, bias, Range(form.lowest, form.highest)),
        form.out_lanes,
        form.pixel_lanes,
        SynapseMapping(
            form.in_lanes,
            form.step_lanes,
            form.bit_lanes,
            dsps=form.dsps,
            products_per_dsp=form.each,
        ),
        name="w",
        rom_form="memory",
    )
    return unit, weight, bias


def plain_slices(form: Form, x) -> list[int]:
    """Payloads: all slices, for each word of currents again."""
    frames = len(x)
    shape = (frames, form.pixel_lanes, form.slices, form.in_lanes, form.steps)
    slices = x.reshape(shape).transpose(0, 2, 1, 3, 4).reshape(frames, form.slices, -1, form.steps)
    word = Word(form.in_lanes * form.pixel_lanes, form.steps, form.bits, form.signed)
    return to_payloads(word, np.tile(slices, (1, OUTS, 1, 1)))


def addressed_slices(form: Form, x) -> list[int]:
    """Payloads: the slices that are not zero, in any order of their sum; an empty one for none."""
    random = np.random.default_rng(7)
    word = Word(form.in_lanes, form.steps, form.bits, form.signed)
    layout = AddressedSlice(word, OUTS * form.slices)
    values_of = to_payloads(word, x.reshape(len(x) * form.slices, 1, form.in_lanes, form.steps))
    payloads = []
    for frame in range(len(x)):
        for out in range(OUTS):
            kept = [
                (
                    values_of[frame * form.slices + s] & ((1 << word.value_bits) - 1),
                    out * form.slices + s,
                )
                for s in random.permutation(form.slices)
                if x[frame].reshape(form.slices, -1)[s].any()
            ]
            is_empty = not kept
            if is_empty:  # its values and row say nothing
                kept = [((1 << word.value_bits) - 1, int(random.integers(OUTS * form.slices)))]
            for at, (values, row) in enumerate(kept):
                final = at == len(kept) - 1
                flags = [at == 0, final, is_empty, final and out == OUTS - 1]
                payload = values | int(row) << word.value_bits
                for bit, flag in enumerate(flags):
                    payload |= int(flag) << (word.value_bits + layout.row_bits + bit)
                payloads.append(payload)
    return payloads


def check_form(form: Form, pause: float = 0.0, sink_pause: float | None = None) -> None:
    """Currents equal to the plain sums; without pauses, cycles as the formulas say."""
    unit, weight, bias = unit_of(form)
    x = form.frames(weight)
    payloads = (addressed_slices if form.addressed else plain_slices)(form, x)
    run = simulate(
        unit,
        [Source(unit.i, payloads, pause)],
        [Sink(unit.o, len(x) * OUTS, pause if sink_pause is None else sink_pause)],
        seed=3,
        limit_cycles=3_000,
    )
    got = from_payloads(unit.out, run.sinks[0].payloads, OUTS)
    got = got.reshape(len(x), OUTS, form.pixel_lanes, form.out_lanes, form.steps)
    wanted = np.einsum("oi,fpis->fpos", weight, x)
    if bias is not None:
        wanted = wanted + bias[:, None]
    shape = (len(x), form.pixel_lanes, OUTS, form.out_lanes, form.steps)
    np.testing.assert_array_equal(got, wanted.reshape(shape).transpose(0, 2, 1, 3, 4))
    if not pause and not sink_pause:
        check_cycles(form, unit, payloads, run)


def check_cycles(form: Form, unit: MatrixUnit, payloads, run) -> None:
    """Each slice takes as long as it has chunks, and a sum comes `Products.latency` later."""
    products, starts = unit.products, run.sources[0].cycles
    cycles = [products.slice_cycles] * len(payloads)
    finals = list(range(form.slices - 1, len(payloads), form.slices))
    if form.addressed:
        at = form.in_lanes * form.steps * form.bits
        row_bits = unit.word.row_bits
        finals = [k for k, p in enumerate(payloads) if p >> (at + row_bits + 1) & 1]
        if form.bit_lanes == 1 and form.steps == form.step_lanes:
            cycles = [visited_planes(form, payload, at + row_bits + 2) for payload in payloads]
    assert [b - a for a, b in pairwise(starts)] == cycles[:-1]
    spared = [products.slice_cycles - cycles[k] for k in finals]
    ends = [starts[k] + products.latency - less for k, less in zip(finals, spared, strict=True)]
    assert run.sinks[0].cycles == ends


def visited_planes(form: Form, payload: int, empty_at: int) -> int:
    """Planes of bits with a one, at least one; one of an empty slice."""
    if payload >> empty_at & 1:
        return 1
    elements = [
        payload >> (k * form.bits) & ((1 << form.bits) - 1)
        for k in range(form.in_lanes * form.steps)
    ]
    return max(1, int(np.bitwise_or.reduce(elements)).bit_count())
