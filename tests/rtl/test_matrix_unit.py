"""The matrix unit at both ends of its ranges, and how often it fetches weights."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Signal

from e3ne.gateware.matrix_unit import MatrixUnit
from e3ne.gateware.rom import pack
from e3ne.gateware.streams import Word
from e3ne.gateware.weight_images import pack_rows, weight_image
from e3ne.ir import SynapseMapping, frozen
from e3ne.ir.geometry import Fold
from e3ne.ir.products import Products
from e3ne.ir.ranges import Range, is_binary, stored_bits, weighted_range

from .bench import Run, Sink, Source, from_payloads, simulate, to_payloads

INPUTS, OUTPUTS, STEPS = 6, 2, 2


class Watched(MatrixUnit):
    """A matrix unit that shows when it reads its weights (never, where they are constants)."""

    def elaborate(self, platform):
        m = super().elaborate(platform)
        if not self.is_constant:
            m.d.comb += self.fetch.valid.eq(m.submodules.weights.enable)
        return m


def products_of(weight, in_lanes: int, out_lanes: int) -> Products:
    """Of a unit whose elements are spikes of one bit."""
    return Products(stored_bits(weight), is_binary(weight), 1, False, in_lanes, out_lanes)


class Fetches:
    """The fetches of weights as a stream for the bench: one payload bit that is never set."""

    def __init__(self) -> None:
        self.valid, self.ready, self.payload = Signal(), Signal(), Signal()


def linear(weight, bias, source: Word, in_lanes: int, out_lanes: int, step_lanes: int) -> Watched:
    """A unit of `weight` (outputs, inputs) whose currents have the narrowest width."""
    outputs, inputs = weight.shape
    fold = Fold(1, outputs // out_lanes, inputs // in_lanes, in_lanes, in_memory=True)
    low = -(1 << (source.bits - 1)) if source.signed else 0
    high = (1 << (source.bits - source.signed)) - 1
    currents = weighted_range(weight, bias, Range(low, high))
    word = Word(in_lanes, source.steps, source.bits, source.signed)
    unit = Watched(
        *(word, fold, weight, bias, currents, out_lanes, 1, SynapseMapping(in_lanes, step_lanes)),
        name="w",
        rom_form="memory",
    )
    unit.fetch = Fetches()
    return unit


def run_linear(unit: Watched, x, pause: float = 0.0) -> tuple[np.ndarray, Run]:
    """Currents (frames, outputs, steps) of spikes x (frames, inputs, steps)."""
    frames, _, steps = x.shape
    slices = x.reshape(frames, unit.fold.slices, unit.fold.in_lanes, steps)
    slices = np.tile(slices, (1, unit.fold.outs, 1, 1))
    words = unit.fold.outs
    run = simulate(
        unit,
        [Source(unit.i, to_payloads(unit.word, slices), pause)],
        [Sink(unit.o, frames * words, pause), Sink(unit.fetch, None)],
        limit_cycles=4_000,
    )
    got = from_payloads(unit.out, run.sinks[0].payloads, words)
    return got.reshape(frames, -1, steps), run


def extremes(is_signed: bool, bits: int, weight) -> np.ndarray:
    """Frames (frames, inputs, STEPS): all low, all high, and the ends of the sum of each output."""
    low = -(1 << (bits - 1)) if is_signed else 0
    high = (1 << (bits - is_signed)) - 1
    frames = [np.full(INPUTS, low), np.full(INPUTS, high)]
    for row in weight:
        frames += [np.where(row > 0, high, low), np.where(row > 0, low, high)]
    first = np.stack(frames)
    return np.stack([first, first[::-1]], axis=-1)  # the opposite extreme in the other step


@pytest.mark.parametrize("bias_value", [None, -9, 13], ids=str)
@pytest.mark.parametrize("source", [(1, False), (1, True), (3, False), (4, True)], ids=str)
@pytest.mark.parametrize(
    "rows",
    [
        ([7] * 6, [7] * 6),
        ([-8] * 6, [-8] * 6),
        ([-8, 7, -8, 7, -8, 7], [1, -1, 0, 3, -8, 7]),
        ([1] * 6, [0] * 6),
        ([-1] * 6, [0] * 6),
        ([1] * 6, [-1] * 6),
        ([1, -1, 1, -1, -1, -1], [-1, -1, 1, 1, 1, -1]),
    ],
    ids=["high", "low", "mixed", "one", "minus_one", "ends_of_binary", "binary"],
)
def test_sums_at_both_ends_of_the_narrowest_width(rows, source, bias_value):
    bits, is_signed = source
    weight = frozen(rows, np.int64)
    bias = None if bias_value is None else frozen([bias_value, -bias_value], np.int64)
    unit = linear(weight, bias, Word(1, STEPS, bits, is_signed), 3, 1, 1)
    x = extremes(is_signed, bits, weight)
    wanted = np.einsum("oi,fis->fos", weight, x) + (0 if bias is None else bias[:, None])
    got, _ = run_linear(unit, x)
    np.testing.assert_array_equal(got, wanted)
    # No narrower number would do: an end of the range is reached, and one bit less cannot hold it.
    reached = Range(int(wanted.min()), int(wanted.max()))
    zero_too = Range(min(reached.low, 0), max(reached.high, 0))
    assert unit.current_bits == zero_too.signed_bits


@pytest.mark.parametrize("source", [(1, False), (1, True), (3, False), (4, True)], ids=str)
@pytest.mark.parametrize(
    "rows", [([-8, 7, -8, 0, 5, 1], [1, -1, 2, 3, -4, -8]), ([1] * 6, [-1] * 6)]
)
def test_weights_of_a_single_word_are_constants_without_a_rom(rows, source):
    bits, is_signed = source
    weight = frozen(rows, np.int64)
    unit = linear(weight, None, Word(1, STEPS, bits, is_signed), 6, 2, 1)
    assert [image.name for image in unit.roms if "weight" in image.name] == []
    x = extremes(is_signed, bits, weight)
    got, _ = run_linear(unit, x)
    np.testing.assert_array_equal(got, np.einsum("oi,fis->fos", weight, x))


@pytest.mark.parametrize("step_lanes", [1, 2, 4])
@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_each_weight_word_is_fetched_once_for_a_slice(step_lanes, pause):
    """Four steps in one, two or four chunks: as many reads of the ROM as slices."""
    weight = frozen(np.arange(-6, 6).reshape(OUTPUTS, INPUTS), np.int64)
    unit = linear(weight, None, Word(1, 4, 2), 2, 1, step_lanes)
    x = np.random.default_rng(step_lanes).integers(0, 4, (5, INPUTS, 4))
    got, run = run_linear(unit, x, pause)
    np.testing.assert_array_equal(got, np.einsum("oi,fis->fos", weight, x))
    slices = len(run.sources[0].payloads)
    assert slices == 5 * unit.fold.words
    assert run.sinks[1].cycles == run.sources[0].cycles
    chunks = 4 // step_lanes
    if not pause:
        starts, ends = run.sources[0].cycles, run.sinks[0].cycles
        assert starts == [starts[0] + k * chunks for k in range(slices)]
        last_slices = starts[unit.fold.slices - 1 :: unit.fold.slices]
        assert ends == [cycle + unit.products.latency for cycle in last_slices]


@pytest.mark.parametrize(
    ("values", "bits"),
    [
        ((0,), 1),
        ((-1,), 1),
        ((1,), 1),
        ((1, 0), 2),
        ((-1, 1), 1),
        ((-8, 7), 4),
        ((-9,), 5),
        ((8, 0), 5),
    ],
)
def test_weights_have_the_narrowest_width(values, bits):
    assert stored_bits(np.array(values)) == bits


def test_binary_weights_are_one_bit_each_in_the_rom():
    weight = np.array([[1, -1, -1, 1, 1, -1], [-1, -1, 1, 1, 1, 1]])
    fold = Fold(1, 2, 2, 3, in_memory=True)
    image = weight_image("w", weight, fold, products_of(weight, 3, 1))
    assert image.width_bits == 3
    assert image.words == (0b001, 0b011, 0b100, 0b111)
    with_zero = np.where(np.arange(6) == 2, 0, weight)
    image = weight_image("w", with_zero, fold, products_of(with_zero, 3, 1))
    assert image.width_bits == 6
    assert image.words[0] == 0b00_11_01


def test_pack_puts_the_first_value_lowest():
    assert pack([], 3) == 0
    assert pack([1, 2, 3], 4) == 0x321
    assert pack([-1, 0, -8], 4) == 0x80F
    assert pack([True, False, True], 1) == 0b101


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 13])
def test_rows_are_packed_like_single_words(bits):
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    rows = np.random.default_rng(bits).integers(low, high + 1, (6, 5))
    rows[0], rows[1] = low, high
    assert pack_rows(rows, bits) == [pack(row, bits) for row in rows.tolist()]


def test_the_weight_image_is_read_from_front_to_back():
    """For each group, for each word of outputs, for each slice: outputs by source lanes."""
    groups, outs, slices, out_lanes, in_lanes, bits = 2, 3, 2, 2, 4, 7
    count = groups * outs * out_lanes
    weight = np.arange(count * slices * in_lanes).reshape(count, -1) % 128 - 64
    fold = Fold(groups, outs, slices, in_lanes, in_memory=False)
    image = weight_image("node.weight", weight, fold, products_of(weight, in_lanes, out_lanes))
    words = []
    for first in range(0, count, out_lanes):
        for slice_index in range(slices):
            fields = [
                int(weight[first + out, slice_index * in_lanes + lane])
                for out in range(out_lanes)
                for lane in range(in_lanes)
            ]
            words.append(pack(fields, bits))
    assert image.words == tuple(words)
    assert (image.name, image.width_bits) == ("node.weight", out_lanes * in_lanes * bits)
    assert len(image.words) == fold.words
