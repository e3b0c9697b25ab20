# amaranth: UnusedElaboratable=no
"""Text mutations of the matrix unit and its parts: every one must be noticed."""

from __future__ import annotations

import pytest
from amaranth.hdl import UnusedElaboratable

from . import test_matrix_unit
from .matrix_cases import Form, check_form
from .mutations import Mutation, label, survives

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{UnusedElaboratable.__module__}.UnusedElaboratable"
)

PLAIN = (
    Form(5, 2, True, biased=True, pixel_lanes=2),
    Form(4, 2, steps=2, step_lanes=1, biased=True),
)
PLANES = (
    Form(3, 4, True, bit_lanes=2, steps=2, step_lanes=1, biased=True),
    Form(1, 2, bit_lanes=1, binary=True),
)
PACKED = (Form(4, 2, dsps=3, each=2, out_lanes=4, biased=True),)
ADDRESSED = (
    Form(3, 3, True, addressed=True, bit_lanes=1, biased=True),
    Form(3, 3, True, addressed=True, bit_lanes=1, steps=2, step_lanes=1),
    Form(4, 2, True, addressed=True),
    Form(1, 2, addressed=True, binary=True),
)


def plain() -> None:
    run(PLAIN)
    check_form(Form(2, 2, slices=1), 0.0, 0.7)  # sums wait for each other
    test_matrix_unit.test_each_weight_word_is_fetched_once_for_a_slice(4, 0.5)
    test_matrix_unit.test_rows_are_packed_like_single_words(5)


def constants() -> None:
    rows = [-8, 7, -8, 0, 5, 1], [1, -1, 2, 3, -4, -8]
    test_matrix_unit.test_weights_of_a_single_word_are_constants_without_a_rom(rows, (3, False))


def planes() -> None:
    run(PLANES)


def packed() -> None:
    run(PACKED)


def addressed() -> None:
    run(ADDRESSED)


def run(forms: tuple[Form, ...]) -> None:
    for form in forms:
        for pause in (0.0, 0.4):
            check_form(form, pause)


UNIT = [
    (plain, "moves.eq(~self.o.valid | self.o.ready)", "moves.eq(1)"),
    (plain, "rom.enable.eq(chunks.fetches)", "rom.enable.eq(1)"),
    (constants, "Const(image.words[0], ", "Const(image.words[0] ^ 1, "),
    (constants, "weights or constants, valid", "constants[::-1], valid"),
    (plain, "out * lanes + k, bits", "k * self.out_lanes + out, bits"),
    (plain, "fresh = Signal(init=1)", "fresh = Signal()"),
    (plain, "rom.enable.eq(fresh | done)", "rom.enable.eq(1)"),
    (plain, "Mux(fresh, address, following)", "address"),
    (plain, "self._biases(m, moves & completes)", "self._biases(m, completes)"),
    (plain, 'valid & marks["final"] & marks["last_chunk"]', 'valid & marks["final"]'),
    (plain, 'self.o.payload.last.eq(marks["ends"])', "self.o.payload.last.eq(0)"),
    (plain, "Mux(begins, start[o], out[0][s])", "out[0][s]"),
    (plain, "start[o], out[0][s])", "start[o], out[-1][s])"),
    (planes, ' & marks.get("last_plane", 1)', ""),
    (planes, ' & marks.get("first_plane", 1)', ""),
    (planes, "m.d.sync += out[0][s].eq(total)", "pass"),
    (planes, 'turns = marks.get("last_plane", Const(1))', "turns = Const(1)"),
    (planes, "wide << (plane * bits)", "wide << plane"),
    (addressed, ' + marks.get("negates", 0)', ""),
    (addressed, 'found ^ marks["negates"].replicate(width)', "found"),
]
CHUNKS = [
    (plain, "self.moves & (~self.valid | ends_slice)", "self.moves & ~self.valid"),
    (plain, "self.moves & (~self.valid | ends_slice)", "self.moves"),
    (plain, "ends_slice.eq(self.last_chunk & last_plane)", "ends_slice.eq(last_plane)"),
    (planes, "ends_slice.eq(self.last_chunk & last_plane)", "ends_slice.eq(self.last_chunk)"),
    (plain, "Mux(self.last_chunk, 0, chunk + 1)", "chunk"),
    (planes, "with m.If(last_plane):", "with m.If(1):"),
    (plain, "Cat(field[:-1], ~field[-1])", "field"),
    (plain, "self.step_lanes % steps * bits", "self.step_lanes % steps"),
    (planes, "field.rotate_right(self.bit_lanes % bits)", "field"),
    (planes, "Mux(last_plane, following, turned)", "following"),
    (planes, "Mux(last_plane, following, turned)", "turned"),
    (planes, "self.plane.eq(Mux(last_plane, 0, self.plane + 1))", "self.plane.eq(0)"),
    (plain, "Mux(address == words - 1, 0,", "Mux(address == words - 1, 1,"),
    (plain, "self.first.eq(index == 0)", "self.first.eq(1)"),
    (plain, "self.final.eq(index == slices - 1)", "self.final.eq(1)"),
    (plain, "lane * steps + step][:", "step * self.word.lanes + lane][:"),
    (plain, "lanes[at : at + count] for", "lanes[:count] for"),
    (plain, "self.ends.eq(self.i.payload.last)", "self.ends.eq(0)"),
    (addressed, "self.row.eq(payload.row)", "self.row.eq(0)"),
    (addressed, "self.first.eq(payload.first)", "self.first.eq(1)"),
    (addressed, "self.final.eq(payload.final)", "self.final.eq(1)"),
    (addressed, "Mux(self.i.payload.empty, 0, field)", "field"),
    (addressed, "remaining.eq(pending & ~lowest)", "remaining.eq(0)"),
    (addressed, "lowest.eq(pending & -pending)", "lowest.eq(pending)"),
    (addressed, "field & lowest).any()", "field).any()"),
    (addressed, "self.negates.eq(lowest[-1])", "self.negates.eq(0)"),
    (addressed, "self.negates.eq(last_plane)", "self.negates.eq(0)"),
    (addressed, "self.first_plane.eq(0)", "self.first_plane.eq(1)"),
    (addressed, "for field in incoming).any())", "for field in incoming[:1]).any())"),
    (addressed, "self.is_addressed and self.planes == 1\n", "self.planes == 9\n"),
    (addressed, "element + (element << 1)", "element"),
]
PRODUCTS = [
    (plain, "value - common[0]", "value + common[0]"),
    (plain, "~value if multiple < 0 else value", "value"),
    (plain, "_complement(element) if factor < 0 else element", "element"),
    (plain, "_shifted(element, abs(multiple) - 1)", "element"),
    (plain, "low[below:]) + high", "low[below:])"),
    (plain, "total = _like(low, low[below:])", "total = _like(low, low)"),
    (plain, "pair[0] + pair[1] if", "pair[0] if"),
    (planes, "Cat(Const(1, 1), ~bits)", "Cat(Const(1, 1), bits)"),
    (planes, "Mux(element, _weight(weight, self.products.is_binary), 0)", "weight.as_signed()"),
    (packed, "packed_outs[::count]", "packed_outs[:1]"),
    (packed, "Const(0, len(element))) for w", "Const(0, 1)) for w"),
    (packed, "self.products.classes.index(self.products.dsp_lanes(out))", "0"),
    (packed, "if lane < products.dsp_lanes(o)", "if lane == 0"),
    (packed, "range(len(packed_outs), len(weights))", "range(len(weights))"),
    (packed, "products.dsp_extra if lane < in_dsps", "products.dsp_extra if lane < 1"),
    (addressed, "fill = value[-1] if value.shape().signed", "fill = value[-1] if False"),
]
IMAGES = [
    (plain, ".transpose(0, 2, 1, 3)", ".transpose(0, 1, 2, 3)"),
    (plain, 'bitorder="little"', 'bitorder="big"'),
    (planes, "(weight + 1) // 2", "(1 - weight) // 2"),
    (plain, "total[output] -= planes * int(", "total[output] += planes * int("),
    (plain, "products.extra * full", "full"),
    (planes, "1 << (plane * products.element_bits)", "1 << plane"),
    (planes, "products.planes * products.element_bits - 1", "products.element_bits - 1"),
    (packed, "output % products.out_lanes", "output % 1"),
    (packed, "found[output, in_dsps:]", "found[output]"),
    (packed, "fold.in_lanes - in_dsps", "fold.in_lanes"),
]
MUTATIONS = [
    (Mutation(module, old, new), check)
    for module, found in (
        ("matrix_unit", UNIT),
        ("slice_chunks", CHUNKS),
        ("matrix_products", PRODUCTS),
        ("weight_images", IMAGES),
    )
    for check, old, new in found
]


@pytest.mark.parametrize("check", [plain, constants, planes, packed, addressed])
def test_the_checks_accept_the_originals(check):
    check()


@pytest.mark.parametrize(("mutation", "check"), MUTATIONS, ids=label)
def test_mutations_are_killed(mutation, check):
    assert not survives(mutation, (check,))
