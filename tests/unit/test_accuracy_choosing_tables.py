"""The tables of docs/choosing.md: written between their marks, from what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.accuracy import lenet5_bits, rate_or_radix
from benchmarks.accuracy.page import PAGE, write_between


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- t: begin -->\nold\n<!-- t: end -->\nafter\n")
    write_between("t", ["| new |"], page)
    assert page.read_text() == "before\n<!-- t: begin -->\n\n| new |\n\n<!-- t: end -->\nafter\n"
    write_between("t", ["| new |"], page)
    assert page.read_text().count("| new |") == 1


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- t: end --> <!-- t: begin -->\n")
    with pytest.raises(ValueError, match="found no marks <!-- t: begin --> and <!-- t: end -->"):
        write_between("t", [], page)


def test_the_page_has_the_tables_of_what_was_measured() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for line in lenet5_bits.rows():
        assert line in page
    for name in rate_or_radix.CASES:
        path = lenet5_bits.RESULTS / f"rate_or_radix_{name}.json"
        for row in json.loads(path.read_text())["codes"]:
            assert rate_or_radix.code_line(row) in page


def test_chosen_bits_beat_equal_bits_in_the_table() -> None:
    """Fewer synaptic operations at equal or better accuracy (means of the same seeds)."""
    runs = [json.loads(p.read_text()) for p in lenet5_bits.RESULTS.glob("*_?.json")]

    def mean(name: str, key: str) -> float:
        values = [run["test"][key] for run in runs if run["name"] == name]
        assert len(values) == len(lenet5_bits.SEEDS)
        return sum(values) / len(values)

    chosen, equal = "chosen, floor 99.45", "3 bits everywhere"
    assert mean(chosen, "synaptic_ops") < mean(equal, "synaptic_ops")
    assert mean(chosen, "percent") >= mean(equal, "percent") - 1e-9
