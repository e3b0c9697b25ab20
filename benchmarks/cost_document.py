"""What the area estimate is worth: predicted beside measured resources of the sweep."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from e3ne.boards import Family
from e3ne.cost.features import node_features
from e3ne.cost.resources import family_units
from e3ne.ir import Graph
from e3ne.toolchain import versions

NEAR = 0.15
WORST = 5
Runs = dict[str, dict[str, int]]

HEAD = """# The cost model

Cycles are exact (they are the formulas of the hardware). Area is estimated: `e3ne/cost` counts what
a node is made of (bits of adders, of multiplexers, of products, memories, multipliers), and one
figure per kind and family turns that into LUTs. This page is written by
`python -m benchmarks.fit_cost --write`, which synthesizes every node of `benchmarks/cost_cases.py`
with Yosys {yosys}, alone, and fits the figures (`e3ne/cost/lut_table.py`).

LUTs are the family's own: four inputs, six on Xilinx. Block RAMs count 18 kbit (4 kbit on iCE40;
half a RAMB36 on Xilinx). Where a memory lies follows Yosys's own costs
(`e3ne/cost/memory_kinds.py`); `tests/golden/memory_choices.json` has 310 memories of each family,
all predicted as Yosys chose.

The fit is on the nodes it is judged by. *Left out of the fit* is the share within 15 % where each
fifth of the nodes is predicted by a fit to the other four: what to expect of a node that is not in
the sweep. Where nodes say little, the figures of ECP5 stay near what a LUT of four inputs can do,
those of the other families, which have fewer nodes, near those of ECP5 times one factor. Encoders
are among the nodes, with the memory that sends their samples again; the ports of a network are not.
Nodes whose Yosys run was missing when the page was written are not in it.

"""

TABLE = """| family | nodes | LUTs within 15 % | left out of the fit | median | largest \
| flip-flops within 15 % | block RAM exact | multipliers exact |
|---|---|---|---|---|---|---|---|---|
"""


def predicted(
    graph: Graph, family: Family, table: dict[str, float], ff_table: dict[str, float]
) -> tuple[float, float, int]:
    """(LUTs, flip-flops, block RAMs) of the only node, with the figures of the tables."""
    features = node_features(graph, graph.nodes[0])
    by_family, cells = family_units(features, family)
    luts = sum(table.get(kind, 0.0) * amount for kind, amount in by_family.items())
    units = features.units | {"counted": features.ffs}
    ffs = sum(ff_table.get(kind, 0.0) * amount for kind, amount in units.items())
    return (
        luts,
        ffs + sum(cell.ffs for cell in cells),
        sum(cell.brams for cell in cells),
    )


def write_document(
    found: dict[Family, tuple[dict[str, Graph], Runs]],
    tables: dict[Family, dict[str, float]],
    ff_tables: dict[Family, dict[str, float]],
    held: dict[Family, float],
    page: Path | None,
) -> None:
    """Prints the figures of every family; writes them as `page` as well."""
    rows, worst = [], []
    for family, (graphs, runs) in found.items():
        errors, ff_errors, blocks, dsps = {}, [], 0, 0
        for name, graph in graphs.items():
            luts, ffs, brams = predicted(graph, family, tables[family], ff_tables[family])
            errors[name] = luts / runs[name]["luts"] - 1
            ff_errors.append(ffs / max(1, runs[name]["ffs"]) - 1)
            blocks += brams == runs[name]["brams"]
            dsps += node_features(graph, graph.nodes[0]).dsps == runs[name]["dsps"]
        sizes = np.abs(np.array(list(errors.values())))
        count = len(errors)
        rows.append(
            f"| {family} | {count} | {np.mean(sizes <= NEAR):.0%} | {held[family]:.0%} "
            f"| {np.median(sizes):.1%} | {sizes.max():.0%} "
            f"| {np.mean(np.abs(ff_errors) <= NEAR):.0%} "
            f"| {blocks} of {count} | {dsps} of {count} |"
        )
        largest = sorted(errors, key=lambda name: -abs(errors[name]))[:WORST]
        worst += [f"| {family} | {name} | {errors[name]:+.0%} |" for name in largest]
    text = HEAD.format(yosys=versions()["yosys"])
    text += TABLE + "\n".join(rows)
    text += "\n\n## The largest errors\n\n| family | node | LUTs |\n|---|---|---|\n"
    text += "\n".join(worst) + "\n"
    print(text)
    if page is not None:
        page.write_text(text)
