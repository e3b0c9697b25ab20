# amaranth: UnusedElaboratable=no
"""Text mutations of the EVENT front ends: every one must be noticed."""

from __future__ import annotations

import pytest
from amaranth.hdl import UnusedElaboratable

from .core_runs import check_core
from .lane_cases import LANE_ROWS, lane_frames, lane_rows
from .mutations import Mutation, label, survives
from .test_event_fronts import (
    LANES,
    LISTS,
    NONE,
    ROWS,
    SLOW_SINK,
    SLOW_SOURCE,
    check_lanes,
    check_list,
    check_rows,
)
from .test_exact_cycles import check_exact

pytestmark = pytest.mark.filterwarnings(
    f"ignore::{UnusedElaboratable.__module__}.UnusedElaboratable"
)


def lists() -> None:
    """Lists of several shapes, sparse and full, each with one kind of pause."""
    for case, share, pauses in (
        (LISTS[1], 0.15, NONE),
        (LISTS[2], 0.5, SLOW_SINK),
        (LISTS[4], 0.15, SLOW_SOURCE),
        (LISTS[1], 1.0, SLOW_SINK),
        (LISTS[3], 0.5, NONE),
    ):
        check_list(case, share, pauses, 3)


def rows() -> None:
    """Images of several geometries, sparse and full, each with one kind of pause."""
    for case, share, pauses in (
        (ROWS[2], 0.5, NONE),
        (ROWS[1], 0.15, SLOW_SOURCE),
        (ROWS[3], 0.5, SLOW_SINK),
        (ROWS[4], 1.0, NONE),
        (ROWS[6], 0.5, NONE),
        (ROWS[2], 1.0, SLOW_SINK),
    ):
        check_rows(case, share, pauses, 3)


def lanes() -> None:
    """Lanes of several shapes, sparse and full; whole networks with their weights."""
    for case, share, pauses in (
        (LANES[0], 0.15, NONE),
        (LANES[0], 0.5, SLOW_SINK),
        (LANES[1], 0.5, SLOW_SOURCE),
        (LANES[2], 1.0, NONE),
    ):
        check_lanes(case, share, pauses, 3)
    graph = lane_rows(LANE_ROWS[1])
    check_exact(graph, lane_frames(graph, 0.3, 3))
    check_core(graph, lane_frames(graph, 0.5, 3), limit_cycles=3_000)


OF_LISTS = [
    Mutation(
        "event_list",
        "left.eq(there & kept),",
        "left.eq(there),",
    ),
    Mutation(
        "event_list",
        "finished.eq(pending & room & ~several(left)),",
        "finished.eq(pending & room),",
    ),
    Mutation(
        "event_list",
        "pushes.eq(pending & room & left.any()),",
        "pushes.eq(pending & left.any()),",
    ),
    Mutation(
        "event_list",
        "at.eq(Mux(bank, 0, self.kept))",
        "at.eq(Mux(bank, self.kept, 0))",
    ),
    Mutation(
        "event_list",
        "issues.eq(moves & (whole | ~at_tail)),",
        "issues.eq(moves & (whole | some)),",
    ),
    Mutation(
        "event_list",
        "at_tail.eq(~some | (at == tail)),",
        "at_tail.eq(at == tail),",
    ),
    Mutation(
        "event_list",
        "base.eq(Mux(done, 0, base + self.kept)),",
        "base.eq(base + self.kept),",
    ),
    Mutation(
        "event_list",
        "self._whole[number].eq(0), self._some[number].eq(0)",
        "self._whole[number].eq(0)",
    ),
    Mutation(
        "event_list",
        "rows[part].eq(row + before[part])",
        "rows[part].eq(row + part)",
    ),
    Mutation(
        "event_list",
        "ends_frame.eq(done & (window == self.windows - 1)),",
        "ends_frame.eq(done),",
    ),
]

OF_LANES = [
    *(
        Mutation("event_lane", old, new)
        for old, new in (
            ("self.taken & (self.word.any() | self.ends)", "self.taken & self.word.any()"),
            ("self.taken & (self.word.any() | self.ends)", "self.taken"),
            ("Mux(self.bank, 0, self.words)", "Mux(self.bank, self.words, 0)"),
            ("self.full.eq(Mux(self.bank, *reversed(whole))),", "self.full.eq(0),"),
            ("self.final.eq(ends & ~several(left)),", "self.final.eq(ends),"),
            ("gone.eq(Mux(used, 0, gone | picked))", "gone.eq(gone | picked)"),
            ("used.eq(self.goes & self.valid & ~several(left))", "used.eq(self.goes & self.valid)"),
            ("+ encoded_by(picked, range(self.places)) + base", "+ base"),
            ("turns.eq(self.valid & ends),", "turns.eq(ends),"),
            ("next_bank.eq(bank ^ (turns & out_ends)),", "next_bank.eq(bank ^ turns),"),
            ("*reversed(whole)) | (next_at != free_at)", "*reversed(whole))"),
            ("port.en.eq((used | ~self.valid) & there),", "port.en.eq(there),"),
            ("base.eq(Mux(out_ends, 0, base + self.rows)),", "base.eq(base + self.rows),"),
        )
    ),
    *(
        Mutation("event_lanes", old, new)
        for old, new in (
            ("elements[k :: plan.in_lanes]", "elements[k * plan.places : (k + 1) * plan.places]"),
            ("row.eq(Mux(ends, 0, row + plan.places)),", "row.eq(row + plan.places),"),
            ("done.eq(Mux(all_end, 0, ended)),", "done.eq(ended),"),
            ("Mux(there[k], lane.value, 0)", "lane.value"),
            ("lane.goes.eq(moves & ~done[k])", "lane.goes.eq(moves)"),
            ("payload.first.eq(first),", "payload.first.eq(1),"),
            ("number.eq(Mux(at_end, 0, number + 1))", "number.eq(number + 1)"),
        )
    ),
    Mutation("weight_images", "np.where(elements >= 0, blocks", "np.where(elements > 0, blocks"),
    Mutation(
        "matrix_unit",
        "for word in words for k in range(lanes)]",
        "for k in range(lanes) for word in reversed(words)]",
    ),
]

OF_ROWS = [
    Mutation(
        "event_rows",
        "filled + (taken & row_ends) - frees",
        "filled + (taken & row_ends) - frees.any()",
    ),
    Mutation(
        "event_rows",
        "self.i.ready.eq(filled != ring),",
        "self.i.ready.eq(1),",
    ),
    Mutation(
        "event_rows",
        "write.en.eq(whole << whole_slot),",
        "write.en.eq(whole.replicate(ring)),",
    ),
    Mutation(
        "event_scan",
        "starts.eq(~walking & (~self.o.valid | self.o.ready) & (seen >= needed)),",
        "starts.eq(~walking & (seen >= needed)),",
    ),
    Mutation(
        "event_scan",
        "bottoms = [min(max(top + window.span[0], 1), window.rows) for top in tops]",
        "bottoms = [min(max(top + window.span[0], 0), window.rows) for top in tops]",
    ),
    Mutation(
        "event_scan",
        "flag.eq((image_row >= 0) & (image_row < window.rows)),",
        "flag.eq(image_row >= 0),",
    ),
    Mutation(
        "event_scan",
        "there.eq((at >= padding) & (at < padding + window.columns)),",
        "there.eq(at >= padding),",
    ),
    Mutation(
        "event_scan",
        "phase.eq(Mux(hit, stride - 1, phase - 1)),",
        "phase.eq(Mux(hit, 0, phase - 1)),",
    ),
    Mutation(
        "event_scan",
        "patch.frees.eq(Mux(left == 1, frees, 0)),",
        "patch.frees.eq(0),",
    ),
    Mutation(
        "event_scan",
        "again = window.rows - out_rows",
        "again = 1 + window.rows - out_rows",
    ),
    Mutation(
        "event_pick",
        "left.eq(left & ~lowest(left))",
        "left.eq(0)",
    ),
    Mutation(
        "event_pick",
        "base.eq(Mux(done, 0, base + self.fold.slices)),",
        "base.eq(Mux(group_ends, 0, base + self.fold.slices)),",
    ),
    Mutation(
        "event_pick",
        "column.eq(column + self.group_words)",
        "column.eq(column)",
    ),
    Mutation(
        "event_pick",
        "self.frees.eq(Mux(self.reads, frees, 0)),",
        "self.frees.eq(frees),",
    ),
    Mutation(
        "event_pick",
        '"last": ends & done}',
        '"last": done}',
    ),
    Mutation(
        "picking",
        "return flags & (~flags + 1)[: len(flags)]",
        "return flags & ~(flags << 1)[: len(flags)]",
    ),
    Mutation(
        "picking",
        "two[0] | two[1] | (one[0] & one[1]),",
        "one[0] & one[1],",
    ),
    Mutation(
        "picking",
        "three[0] | three[1] | (two[0] & one[1]) | (one[0] & two[1]),",
        "two[0] & two[1],",
    ),
    Mutation(
        "event_pick",
        "final.eq(few[1])]",
        "final.eq(few[0])]",
    ),
]


def test_the_checks_pass_without_a_mutation():
    lists()
    lanes()
    rows()


@pytest.mark.parametrize("mutation", OF_LISTS, ids=label)
def test_a_mutation_of_lists_is_noticed(mutation):
    assert not survives(mutation, [lists])


@pytest.mark.parametrize("mutation", OF_LANES, ids=label)
def test_a_mutation_of_lanes_is_noticed(mutation):
    assert not survives(mutation, [lanes])


@pytest.mark.parametrize("mutation", OF_ROWS, ids=label)
def test_a_mutation_of_rows_is_noticed(mutation):
    assert not survives(mutation, [rows])
