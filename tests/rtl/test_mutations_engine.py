# amaranth: UnusedElaboratable=no
"""Text mutations of the DENSE engine, plumbing and core: every one must be noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from amaranth.hdl import Module, Signal, UnusedElaboratable
from amaranth.sim import Simulator

from e3ne.gateware.select import selected

from . import engine_zoo, test_matrix_unit, test_plumbing
from .engine_zoo import check_networks, check_synapses
from .mutations import Mutation, label, survives
from .test_deadlock import residual, run_residual

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{UnusedElaboratable.__module__}.UnusedElaboratable"
)


def plumbing() -> None:
    """The tests of plumbing, with few of their arguments."""
    for depth in (1, 3):
        test_plumbing.test_a_queue_holds_its_depth(depth)
    test_plumbing.test_a_queue_keeps_order_and_values(3, (0.5, 0.5))
    test_plumbing.test_a_queue_passes_a_word_a_cycle_after_two()
    test_plumbing.test_a_skid_keeps_order_and_values((0.5, 0.5))
    test_plumbing.test_a_skid_passes_a_word_a_cycle_at_once()
    test_plumbing.test_a_skid_holds_one_word()
    test_plumbing.test_a_hold_keeps_order_and_values(test_plumbing.WORD, (0.5, 0.5))
    test_plumbing.test_a_hold_passes_a_word_a_cycle_after_one()
    for seed in range(3):
        test_plumbing.test_every_consumer_gets_every_word_once(3, seed)
    test_plumbing.test_a_fork_is_eager()
    test_plumbing.test_a_split_sends_a_narrow_word_a_cycle()
    test_plumbing.test_a_collect_takes_a_narrow_word_a_cycle()
    for lanes in (1, 4, 6):
        test_plumbing.test_cycles_of_a_regroup_are_those_of_its_docstring(4, lanes)
    for pauses in ((0.0, 0.0), (0.5, 0.5)):
        test_plumbing.test_a_delay_closes_a_loop(3, 4, 1, pauses)
        test_plumbing.test_a_delay_closes_a_loop(2, 2, 3, pauses)
        test_plumbing.test_a_delay_is_silent_first_and_drops_the_rest(2, 5, 2, pauses)
    test_plumbing.test_a_delay_speaks_first(3, 4, 2)
    for held in ((1, 4, 1, 2), (2, 3, 3, 0), (2, 9, 3, 8), (4, 8, 7, 4)):
        test_plumbing.test_a_delay_holds_one_step_more_than_it_delays(*held)
    test_plumbing.test_frames_that_begin_wait_where_a_delay_can_count_no_more()
    for words in (1, 3):
        test_plumbing.test_every_frame_begins_once(words, (0.5, 0.5))
    test_plumbing.test_a_frame_begins_when_it_is_offered()
    test_plumbing.test_a_frame_passes_when_it_begins()
    test_plumbing.test_words_that_a_delay_drops_wait_for_nobody()
    for words in (1, 2, 3):
        test_plumbing.test_a_replay_sends_every_frame_again(words, 3, (0.5, 0.5))
        test_plumbing.test_a_replay_sends_a_word_a_cycle(words)
    regroup_with_pauses()


def regroup_with_pauses() -> None:
    for source_lanes, lanes in ((4, 6), (6, 4), (1, 3), (6, 2)):
        test_plumbing.test_a_regroup_keeps_the_sequence(source_lanes, lanes)


def rows() -> None:
    check_synapses(engine_zoo.row_memories())


def patches() -> None:
    check_synapses(engine_zoo.sliding_windows())
    check_synapses(engine_zoo.wide_windows())


def pools() -> None:
    check_synapses(engine_zoo.pools())
    check_synapses(engine_zoo.wide_windows()[-4:])


def upsamples() -> None:
    check_synapses(engine_zoo.upsamples())


def matrices() -> None:
    """Both folds, and the ends of the narrowest widths."""
    rows()
    for source in ((1, True), (3, False), (4, True)):
        test_matrix_unit.test_sums_at_both_ends_of_the_narrowest_width(
            ([-8, 7, -8, 7, -8, 7], [1, -1, 0, 3, -8, 7]), source, 13
        )
    for last in (0, 1):  # ternary weights, and binary ones of one bit
        test_matrix_unit.test_sums_at_both_ends_of_the_narrowest_width(
            ([1, -1, 1, -1, -1, 1], [-1, -1, 1, 1, 1, last]), (3, False), None
        )
    for step_lanes in (1, 4):
        test_matrix_unit.test_each_weight_word_is_fetched_once_for_a_slice(step_lanes, 0.5)
        test_matrix_unit.test_each_weight_word_is_fetched_once_for_a_slice(step_lanes, 0.0)
    test_matrix_unit.test_pack_puts_the_first_value_lowest()
    test_matrix_unit.test_rows_are_packed_like_single_words(5)


def joins() -> None:
    check_networks()
    run_residual(residual(1, 1, 3), limit_cycles=1_000)


def selection() -> None:
    """Every index of three, five and eight values."""
    for count in (1, 3, 5, 8):
        index = Signal(range(count))
        values = [Signal(4, init=k + 3) for k in range(count)]
        chosen = selected(values, index)

        async def process(ctx, index=index, chosen=chosen, count=count):
            for k in range(count):
                ctx.set(index, k)
                assert ctx.get(chosen) == k + 3

        simulator = Simulator(Module())
        simulator.add_testbench(process)
        simulator.run()


PLUMBING = [
    # Split
    ("self.i.ready.eq((left == 0) | ((left == 1) & self.o.ready))", "self.i.ready.eq(left == 0)"),
    ("((left == 1) & self.o.ready)", "(left == 1)"),
    ("last & (left == 1)", "last"),
    ("held.eq(held >> self.out.value_bits)", "held.eq(held)"),
    ("left.eq(self.parts)", "left.eq(self.parts - 1)"),
    # Collect
    ("self.i.ready.eq(~full | self.o.ready)", "self.i.ready.eq(~full)"),
    ("self.i.ready.eq(~full | self.o.ready)", "self.i.ready.eq(1)"),
    ("with m.If(self.o.ready):\n            m.d.sync += full.eq(0)", "pass"),
    ("Cat(held[self.word.value_bits :], incoming)", "Cat(incoming, held)"),
    ("full.eq(count == self.parts - 1)", "full.eq(1)"),
    ("count == self.parts - 1, 0, count + 1", "count == self.parts - 1, 1, count + 1"),
    # Hold
    (
        "with m.If(self.i.ready):\n            m.d.sync += [self.o.valid.eq(self.i.valid),",
        "with m.If(1):\n            m.d.sync += [self.o.valid.eq(self.i.valid),",
    ),
    ("= self.i.ready.eq(~self.o.valid | self.o.ready)", "= self.i.ready.eq(~self.o.valid)"),
    # Skid
    (
        "self.i.ready.eq(~full),\n            self.o.valid",
        "self.i.ready.eq(1),\n            self.o.valid",
    ),
    ("self.o.valid.eq(self.i.valid | full)", "self.o.valid.eq(self.i.valid)"),
    ("Mux(full, spare.as_value(), self.i", "Mux(0, spare.as_value(), self.i"),
    ("full.eq(self.o.valid & ~self.o.ready)", "full.eq(self.o.valid)"),
    ("full.eq(self.o.valid & ~self.o.ready)", "full.eq(~self.o.ready)"),
    ("with m.If(~full):  #", "with m.If(1):  #"),
    # Queue
    ("width=self.word.value_bits + 1", "width=self.word.value_bits"),
    ("depth=self.depth_words + 1", "depth=self.depth_words - 1"),
    ("words.w_en.eq(self.i.valid)", "words.w_en.eq(1)"),
    ("words.r_en.eq(self.o.ready)", "words.r_en.eq(1)"),
    # Fork
    ("out.valid.eq(self.i.valid & ~taken[index])", "out.valid.eq(self.i.valid)"),
    ("done[index].eq(taken[index] | out.ready)", "done[index].eq(out.ready)"),
    ("self.i.ready.eq(done.all())", "self.i.ready.eq(done.any())"),
    ("with m.If(self.i.valid):\n", "with m.If(1):\n"),
    ("Mux(done.all(), 0, done)", "done"),
    # Replay
    ("ends.eq(place == self.words - 1)", "ends.eq(place == 0)"),
    ("first.eq(time == 0)", "first.eq(1)"),
    ("final.eq(time == self.times - 1)", "final.eq(time == 1)"),
    ("self.i.ready.eq(first & self.o.ready)", "self.i.ready.eq(self.o.ready)"),
    ("self.o.payload.last.eq(final & ends)", "self.o.payload.last.eq(ends)"),
    ("queue.i.valid.eq(goes & ~final)", "queue.i.valid.eq(goes)"),
    ("queue.i.valid.eq(goes & ~final)", "queue.i.valid.eq(goes & first)"),
    ("queue.o.ready.eq(goes & ~first)", "queue.o.ready.eq(~first)"),
    ("Mux(ends, 0, place + 1)", "Mux(ends, 1, place + 1)"),
    ("Mux(final, 0, time + 1)", "Mux(final, 1, time + 1)"),
    # Regroup
    ("math.gcd(self.word.lanes, self.lanes)", "1"),
]
DELAYS = [
    # FrameStart
    ("self.begins.eq(self.i.valid & ~begun & self.room)", "self.begins.eq(self.i.valid & ~begun)"),
    ("self.begins.eq(self.i.valid & ~begun & self.room)", "self.begins.eq(self.i.valid)"),
    ("passes.eq(begun | self.room)", "passes.eq(1)"),
    ("passes.eq(begun | self.room)", "passes.eq(begun)"),
    ("self.i.ready.eq(self.o.ready & passes)", "self.i.ready.eq(self.o.ready)"),
    ("m.d.sync += begun.eq(1)", "pass"),
    ("self.o.valid & self.o.ready & self.o.payload.last", "self.o.valid & self.o.payload.last"),
    ("self.o.valid & self.o.ready & self.o.payload.last", "self.o.valid & self.o.ready"),
    # Delay
    ("words_per_step * (delay_steps + 1)", "words_per_step * delay_steps"),
    ("words_per_step * (delay_steps + 1), self.kept_words)", "1, 1)"),
    ("keep.eq(written < self.kept_words)", "keep.eq(1)"),
    ("~first | (pending != 0)", "1"),
    ("~first | (pending != 0)", "pending != 0"),
    ("self.room.eq(pending != self.PENDING_FRAMES)", "self.room.eq(1)"),
    ("self.begins - (goes & first)", "self.begins - goes"),
    ("self.begins - (goes & first)", "self.begins"),
    ("pending.eq(pending + self.begins -", "pending.eq(pending -"),
    ("self.i.ready.eq(queue.i.ready | ~keep)", "self.i.ready.eq(queue.i.ready)"),
    ("queue.i.valid.eq(self.i.valid & keep)", "queue.i.valid.eq(self.i.valid)"),
    ("Mux(written == self.frame_words - 1, 0,", "Mux(written == self.frame_words - 1, 1,"),
    ("return read < self.silent_words", "return read <= self.silent_words"),
    ("self.o.payload.last.eq(read == self.frame_words - 1)", "self.o.payload.last.eq(0)"),
    ("self.o.ready & begun & ~silent", "self.o.ready & begun"),
    ("with m.If(~silent):", "with m.If(1):"),
]
SLIDING = [
    ("waits = inside | (", "waits = inside & ("),
    ("step.eq((~waits | self.i.valid) &", "step.eq((~inside | self.i.valid) &"),
    ("& (~pending | self.o.ready)),\n            self.i.ready", "),\n            self.i.ready"),
    ("self.i.ready.eq(inside & (~pending | self.o.ready))", "self.i.ready.eq(inside & ~pending)"),
    (
        "self.i.ready.eq(inside & (~pending | self.o.ready))",
        "self.i.ready.eq(~pending | self.o.ready)",
    ),
    ("Mux(inside, self.i.payload.values.as_value(), 0)", "self.i.payload.values.as_value()"),
    ("pairwise([*kept, word])", "pairwise([word, *kept])"),
    ("self.walk.columns.first + 1, self", "self.walk.columns.first + 2, self"),
    ("pixels[self.walk.offset :]", "pixels[:]"),
    ("w.word_select(c, pixel_bits)", "w.word_select(columns - 1 - c, pixel_bits)"),
    ("step & column.at_end)\n", "step)\n"),
    ("pending.eq(row_hit & column_hit)", "pending.eq(column_hit)"),
    ("row_final & column_final & last_window", "row_final & column_final"),
    ("row_final & column_final & last_window", "row_final & last_window"),
    ("Mux(last_window, 0, window_index + 1)", "Mux(last_window, 1, window_index + 1)"),
    ("with m.Elif(self.o.ready):", "with m.Elif(0):"),
    ("r * window.dilation[0]", "r"),
    ("c * window.dilation[1]", "c"),
    ("p * window.stride[1] +", "p +"),
    ("moved = Cat(above[bits:], word)", "moved = Cat(word, above[:-bits])"),
    ("read.addr.eq(column.next)", "read.addr.eq(column.index)"),
    ("read.en.eq(step)", "read.en.eq(1)"),
    ("self.index >= start if start", "self.index > start if start"),
    ("self.index < end if", "self.index <= end if"),
    ("init=first, name", "init=first + 1, name"),
    ("phase.eq(first), left.eq(count)", "phase.eq(advance - 1), left.eq(count)"),
    ("phase.eq(advance - 1)", "phase.eq(0)"),
    ("return hit, left == 1", "return hit, left <= 2"),
]
SLICES = [
    ("last & finishes)", "last)"),
    ("self.o.ready & finishes)),", "self.o.ready)),"),
    ("~busy | (self.o.ready & finishes)", "~busy"),
    ("take.eq(busy & self.o.ready)", "take.eq(busy)"),
    ("Mux(last_slice, 0, slice_index + 1)", "Mux(last_slice, 1, slice_index + 1)"),
    ("last_slice & last_out & (group_index", "last_out & (group_index"),
    ("with m.If(last_slice & last_out):", "with m.If(last_out):"),
    ("pixel[0].rotate_right(slice_bits)", "pixel[0] >> slice_bits"),
    ("busy.eq(~finishes)", "busy.eq(1)"),
    ("base + position * self.channels + channel", "base + channel * positions + position"),
    ("base = pixel * patch_elements", "base = 0"),
]
ROWS = [
    ("filled + row_written - freed", "filled + row_written"),
    ("self.i.ready.eq(filled != self.ring_rows)", "self.i.ready.eq(1)"),
    ("slot == self.ring_rows - 1, 0,", "slot == self.ring_rows - 1, 1,"),
    ("port.en.eq(taken)", "port.en.eq(1)"),
    ("Mux(row_ends, 0, position + 1)", "Mux(row_ends, 1, position + 1)"),
    ("filled + row_written, freed)", "filled, freed)"),
    ("Mux(last_row, 0, out_row + 1)", "Mux(last_row, 1, out_row + 1)"),
    ("for _, gone in window.ring_steps])[out_row]", "for _, gone in window.ring_steps])[next_row]"),
    ("leaves + needs[next_row]", "leaves + needs[out_row]"),
    ("owed + needs[out_row]", "owed + needs[next_row]"),
    ("top.eq(top + window.stride[0])", "top.eq(top + 1)"),
    ("top.eq(first_top),\n", ""),
    ("Mux(row_ends, there >= leaves, ~walking", "Mux(row_ends, 1, ~walking"),
    ("~walking & (there >= owed)", "~walking"),
    ("m.d.comb += freed.eq(gone)", "m.d.comb += freed.eq(gone & 1)"),
    ("Mux(ends_image, 0, oldest + gone)", "oldest + gone"),
    ("Mux(row_ends, last_row, out_row == 0)", "last_row"),
    ("Mux(slot >= self.ring_rows, slot - self.ring_rows, slot)", "slot"),
    ("Mux(row_ends, goes_on, starts)", "1"),
    ("Mux(row_ends, goes_on, starts)", "starts"),
    ("goes_on.eq(there >= leaves + needs", "goes_on.eq(there >= needs"),
    ("goes_on.eq(there >= leaves", "goes_on.eq(there > leaves"),
    ("starts.eq(~walking & (there >= owed", "starts.eq(~walking & (there > owed"),
    (", owed.eq(leaves)]", "]"),
    ("Mux(row_ends, leaves, owed)", "leaves"),
    ("m.d.sync += [\n                owed.eq(0),", "m.d.sync += ["),
    ("ends_frame = last_row & (window_index", "ends_frame = (window_index"),
    ("last_row & (window_index == self.windows - 1)", "last_row"),
    ("Mux(last_window, 0, window_index + 1)", "Mux(last_window, 1, window_index + 1)"),
    ('index["kernel_row"] * window.dilation[0]', 'index["kernel_row"]'),
    ('index["out_column"] * window.stride[1]', 'index["out_column"]'),
    ('index["kernel_column"] * window.dilation[1]', 'index["kernel_column"]'),
    ("- window.padding[1]\n", "\n"),
    ("(image_row >= 0)\n", "1\n"),
    ("& (image_row < window.rows)\n", "\n"),
    ("& (image_column < window.columns)", ""),
    ("oldest_slot + (image_row - oldest)", "oldest_slot + image_row"),
    ('+ index["group"] * group_words', ""),
    ("moves.eq(~self.o.valid | self.o.ready)", "moves.eq(1)"),
    ("port.en.eq(walking & moves)", "port.en.eq(1)"),
    ("last.eq(row_ends & ends_frame)", "last.eq(ends_frame)"),
    ("Mux(padded, 0, port.data)", "port.data"),
]
UPSAMPLE = [
    ("(walk.row_copy == 0) & (walk.column_copy == 0)", "walk.column_copy == 0"),
    ("(walk.row_copy == 0) & (walk.column_copy == 0)", "walk.row_copy == 0"),
    ("self.o.valid.eq(~shown | self.i.valid)", "self.o.valid.eq(self.i.valid)"),
    ("self.o.valid.eq(~shown | self.i.valid)", "self.o.valid.eq(1)"),
    ("self.i.ready.eq(shown & self.o.ready)", "self.i.ready.eq(self.o.ready)"),
    ("moves.eq(self.o.valid & self.o.ready)", "moves.eq(self.o.valid)"),
    ("Mux(shown, self.i.payload.values.as_value(), 0)", "self.i.payload.values.as_value()"),
    ("moves.eq(full & self.o.ready)", "moves.eq(full)"),
    ("~full | (moves & walk.last_use)", "~full"),
    ("~full | (moves & walk.last_use)", "~full | moves"),
    ("full.eq(self.i.valid)", "full.eq(1)"),
    ("self.i.ready.eq(filled != size)", "self.i.ready.eq(1)"),
    ("write.en.eq(taken)", "write.en.eq(1)"),
    ("free_place.eq(~self.o.valid | self.o.ready)", "free_place.eq(~self.o.valid)"),
    ("free_place.eq(~self.o.valid | self.o.ready)", "free_place.eq(1)"),
    ("filled > (at - oldest)", "filled >= (at - oldest)"),
    ("filled > (at - oldest)", "filled > (at & 0)"),
    ("frees.eq(moves & walk.last_use)", "frees.eq(moves)"),
    ("if self.op.factor[0] > 1 else walk.group", "if self.op.factor[0] > 9 else walk.group"),
    ("read.en.eq(moves)", "read.en.eq(1)"),
    ("filled + taken - frees", "filled + taken"),
    ("Mux(pointer == size - 1, 0, pointer + 1)", "Mux(pointer == size - 1, 1, pointer + 1)"),
    ("self.o.valid.eq(moves), self.o", "self.o.valid.eq(1), self.o"),
    ("self.place.eq(column_starts + self.group)", "self.place.eq(column_starts)"),
    ("Mux(column_ends, 0, column_starts + unit.groups)", "column_starts + unit.groups"),
    ("column_starts + unit.groups)", "column_starts + 1)"),
    ("op.crop[1], moves & group_ends", "op.crop[1], moves"),
    ("op.crop[1], moves & group_ends", "0, moves & group_ends"),
    ("op.factor[0], op.crop[0], carry", "op.factor[0], 0, carry"),
    ("Mux(last_window, 0, window + 1)", "Mux(last_window, 1, window + 1)"),
    ("self.last_use = column_copied & row_copied", "self.last_use = row_copied"),
    ("self.last_use = column_copied & row_copied", "self.last_use = column_copied"),
    ("row_copied & row_ends & last_window", "row_copied & row_ends"),
    ("self.ends = group_ends & column_copied", "self.ends = column_copied"),
    ("Mux(copied, 0, copy + 1)", "copy + 1"),
    ("Mux(ends, 0, index + 1)", "index + 1"),
    ("Mux(ends, factor - 1 - crop, factor - 1)", "factor - 1"),
]
OTHERS: list[tuple[str, Callable[[], None], str, str]] = [
    ("pool_unit", pools, "position * self.out_lanes + lane", "lane * positions + position"),
    ("pool_unit", pools, "range(pixel * positions,", "range(0 * positions,"),
    ("pool_unit", pools, "(pixel + 1) * positions)", "(pixel + 1) * positions - (positions > 1))"),
    ("pool_unit", pools, "~self.o.valid | self.o.ready", "1"),
    ("pool_unit", pools, 'if self.kind == "sum"', 'if self.kind != "sum"'),
    ("pool_unit", pools, "Mux(a > b, a, b)", "Mux(a < b, a, b)"),
    ("sum_unit", joins, "source.ready.eq(moves & valid)", "source.ready.eq(moves)"),
    ("sum_unit", joins, "for source in sources).all()", "for source in sources).any()"),
    ("sum_unit", joins, "~self.o.valid | self.o.ready", "1"),
    ("sum_unit", joins, "[step] * gain", "[step]"),
    ("sum_unit", joins, "sources[0].payload.last", "0"),
    ("core", joins, "if len(node.synapses) < 2:", "if True:"),
    ("core", joins, ".neurons // lanes\n", ".neurons // lanes // 8\n"),
    ("core", joins, "stream.valid & stream.ready for", "stream.valid for"),
    ("core", joins, "offset += unit.word.value_bits", "offset += 1"),
    ("core", joins, "m.d.comb += stream.ready.eq(1)", "pass"),
    ("core", joins, "type.steps, synapse.delay, self", "type.steps, 1, self"),
    ("core", joins, "start.room.eq(Cat(delay.room for delay in", "start.room.eq(0 if 1 else ("),
    ("core", joins, "m.d.comb += delay.begins.eq(start.begins)", "m.d.comb += delay.begins.eq(0)"),
    ("core", joins, "if narrow.lanes < word.lanes:", "if narrow.lanes > word.lanes:"),
    ("rom", matrices, "with m.If(self.enable):", "with m.If(1):"),
    ("rom", matrices, "(int(value) & mask)", "abs(int(value))"),
    ("rom", matrices, "<< (index * bits)", "<< index"),
    ("pipeline", matrices, "with m.If(moves):", "with m.If(1):"),
    ("pipeline", pools, "group[at : at + 2]", "group[at : at + 1]"),
    ("select", selection, "index[bit], *reversed(pair)", "index[bit], *pair"),
    ("select", selection, "for bit in range(len(index))", "for bit in reversed(range(len(index)))"),
]  # fmt: skip

MUTATIONS = [
    *((Mutation("plumbing", *pair), plumbing) for pair in PLUMBING),
    *((Mutation("delays", *pair), plumbing) for pair in DELAYS),
    *((Mutation("sliding_window", *pair), patches) for pair in SLIDING),
    *((Mutation("patch_slices", *pair), patches) for pair in SLICES),
    *((Mutation("row_memory", *pair), rows) for pair in ROWS),
    *((Mutation("upsample_unit", *pair), upsamples) for pair in UPSAMPLE),
    *((Mutation(module, old, new), check) for module, check, old, new in OTHERS),
]
CHECKS = (plumbing, rows, patches, pools, upsamples, matrices, joins, selection)


@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_accept_the_originals(check):
    check()


@pytest.mark.parametrize(("mutation", "check"), MUTATIONS, ids=label)
def test_mutations_are_killed(mutation, check):
    assert not survives(mutation, (check,))
