# amaranth: UnusedElaboratable=no
"""Text mutations of the EVENT front ends: every one must be noticed."""

from __future__ import annotations

import pytest
from amaranth.hdl import UnusedElaboratable

from .mutations import Mutation, label, survives
from .test_event_fronts import LISTS, NONE, ROWS, SLOW_SINK, SLOW_SOURCE, check_list, check_rows

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
    rows()


@pytest.mark.parametrize("mutation", OF_LISTS, ids=label)
def test_a_mutation_of_lists_is_noticed(mutation):
    assert not survives(mutation, [lists])


@pytest.mark.parametrize("mutation", OF_ROWS, ids=label)
def test_a_mutation_of_rows_is_noticed(mutation):
    assert not survives(mutation, [rows])
