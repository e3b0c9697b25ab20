from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import pytest

from e3ne.ir import BadInput
from e3ne.report import kind_of, merge_report, new_report, read_report, write_html
from e3ne.report.document import KEYS, KINDS, merged, write_report
from e3ne.report.html import figure_text, html


def full_report() -> dict[str, object]:
    report = new_report("net <b>", "ulx3s-85f", 100_000_000)
    report["accuracy"] = {"float": 98.5, "reference": 98.25, "rtl": 98.25, "samples": 400}
    report["bit_exact"] = {"frames": 400, "nodes_checked": 3, "mismatches": 0}
    report["cycles"] = {"latency_mean": 1000, "interval_mean": 500, "predicted_latency": 990}
    report["resources"] = {"synthesis": {"luts": 12_345}, "available": {"luts": 83_640}}
    report["fmax_hz"] = {"routed": [50_000_000], "median": 50_000_000, "worst": 50_000_000}
    counts = {"spikes_per_frame": 3.5, "synaptic_ops_effective": 5.0, "synaptic_ops_dense": 10}
    report["activity"] = {"conv1": counts}
    return report


def test_keys_are_those_of_the_design() -> None:
    assert tuple(new_report("m", "b", 1)) == KEYS


def test_stages_add_to_the_report(tmp_path: Path) -> None:
    write_report(tmp_path, new_report("m", "b", 1))
    merge_report(tmp_path, {"cycles": {"predicted_latency": 7}, "wall_s": {"trace": 1.0}})
    report = merge_report(tmp_path, {"cycles": {"latency_min": 8}, "wall_s": {"route": 2.0}})
    assert report["cycles"] == {"predicted_latency": 7, "latency_min": 8}
    assert report["wall_s"] == {"trace": 1.0, "route": 2.0}
    assert read_report(tmp_path) == report
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_lists_of_nodes_and_seeds_are_replaced_as_a_whole() -> None:
    old = {"activity": {"gone": 1}, "fmax_hz": {"routed": [1, 2], "median": 1}}
    new = merged(old, {"activity": {"kept": 2}, "fmax_hz": {"routed": [3], "median": 3}})
    assert new == {"activity": {"kept": 2}, "fmax_hz": {"routed": [3], "median": 3}}


def test_unknown_key_is_an_error(tmp_path: Path) -> None:
    write_report(tmp_path, new_report("m", "b", 1))
    with pytest.raises(KeyError, match="latencies"):
        merge_report(tmp_path, {"latencies": {}})


def test_numbers_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    write_report(tmp_path, new_report("m", "b", 1))
    with pytest.raises(ValueError, match="not JSON compliant"):
        merge_report(tmp_path, {"cycles": {"latency_mean": float("nan")}})
    assert read_report(tmp_path)["cycles"] == {}


def test_a_full_disk_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(tmp_path, new_report("m", "b", 1))

    def full(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text[:20].encode())
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            merge_report(tmp_path, {"cycles": {"latency_min": 8}})
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert read_report(tmp_path)["cycles"] == {}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": 1}', "not json"])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(BadInput, match=r"compile"):
        read_report(tmp_path)


def test_missing_report_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run `e3ne compile` into this folder"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("accuracy.float", "measured"),
        ("accuracy.rtl", "simulated"),
        ("cycles.latency_mean", "simulated"),
        ("cycles.predicted_latency", "modelled"),
        ("resources.routed.luts", "post-route"),
        ("resources.synthesis.luts", "post-synthesis"),
        ("energy.proxies.spikes", "modelled"),
        ("activity.conv1.spikes_per_frame", "measured"),
        ("board", ""),
    ],
)
def test_every_number_has_its_kind(path: str, kind: str) -> None:
    assert kind_of(new_report("m", "b", 1), path) == kind


def test_every_section_with_numbers_has_a_kind() -> None:
    sections = set(KEYS) - {"model", "board", "clock_hz", "graph", "kinds", "resources"}
    assert sections <= set(KINDS)


def test_page_shows_the_figures_with_their_kinds() -> None:
    page = html(full_report())
    assert "98.250" in page
    assert "12,345" in page
    assert "post-synthesis" in page
    assert "Every compared number of 400 frames is equal" in page
    assert "20.000 us" in page  # 1000 cycles at the routed 50 MHz


def test_page_is_self_contained_and_escapes_names() -> None:
    page = html(full_report())
    assert "net &lt;b&gt;" in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="', page)
    assert "http" not in page


def test_page_of_mismatches_says_so() -> None:
    report = full_report()
    report["bit_exact"] = {"frames": 400, "nodes_checked": 3, "mismatches": 2}
    assert "2 numbers differ from the integer" in html(report)


def test_page_of_an_empty_report(tmp_path: Path) -> None:
    write_report(tmp_path, new_report("m", "b", 1))
    page = write_html(tmp_path).read_text(encoding="utf-8")
    assert "<h2>Resources</h2>" not in page


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234, "1,234"), (0.12345, "0.123"), (2.0, "2"), (12345.6, "12,345.6"), ([1, 2], "1, 2")],
)
def test_figures_for_people(value: object, text: str) -> None:
    assert figure_text(value) == text


def test_report_is_json_with_sorted_kinds(tmp_path: Path) -> None:
    write_report(tmp_path, new_report("m", "b", 1))
    kinds = json.loads((tmp_path / "report.json").read_text())["kinds"]
    assert list(kinds) == sorted(kinds)
