"""The table of seconds in docs/mapping.md: its networks, and a row for each."""

from __future__ import annotations

from benchmarks.search_seconds import CASES, PAGE, TARGETS, vgg_11
from e3ne.ir import Conv2d, Linear, MaxPool2d


def test_vgg_11_has_its_layers() -> None:
    graph, _, _ = vgg_11()
    ops = [synapse.op for node in graph.nodes for synapse in node.synapses]
    counts = [sum(isinstance(op, kind) for op in ops) for kind in (Conv2d, MaxPool2d, Linear)]
    assert counts == [8, 5, 1]
    assert sum(op.weight.size for op in ops if isinstance(op, Conv2d | Linear)) == 9_222_848


def test_the_page_has_a_row_for_each_network_and_target() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, (_, board) in CASES.items():
        for target in TARGETS:
            assert f"| {name} | {board} | {target} | " in page
