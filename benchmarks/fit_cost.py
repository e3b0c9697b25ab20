"""Fits the area of e3ne/cost to real Yosys runs: `python -m benchmarks.fit_cost --family ecp5`.

The nodes of `cost_cases.py` are synthesized (`cost_runs.py`; results are kept by their contents in
`--cache`). The LUTs of each are a sum over its features (`e3ne.cost.features`) beside those of its
memories; non-negative least squares of the relative error gives the LUTs of one unit of each, which
`--write` puts into `e3ne/cost/lut_table.py`, and what remains as error into `docs/cost_model.md`.

The other families than ECP5 have every third of the smaller nodes only: their figures are pulled
towards those of ECP5 times one factor where their own nodes do not say otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click
import numpy as np

from e3ne.boards import Family
from e3ne.cost import node_resources
from e3ne.cost.features import node_features
from e3ne.cost.lut_table import FFS, LUTS
from e3ne.cost.memories import memory_cells
from e3ne.ir import Graph
from e3ne.toolchain import versions

from .cost_cases import cases
from .cost_document import NEAR, predicted, write_document
from .cost_runs import Component, component, measured

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "e3ne" / "cost" / "lut_table.py"
GOLDEN = ROOT / "tests" / "golden" / "yosys_nodes.json"
COLUMNS = ("luts", "ffs", "brams", "dsps")
OTHERS_EACH, MOST_LUTS = 3, 800  # of a node for the other families
PULL = 2.0  # towards the coefficients of ECP5, for the other families: they have few nodes
FOLDS = 5
ROUNDS = 30  # of reweighting, from least squares towards least absolute errors
Table = dict[str, float]
Runs = dict[str, dict[str, int]]


def fitted(
    graphs: dict[str, Graph], runs: Runs, family: Family, pulled: Table | None, what: str
) -> Table:
    """LUTs (or flip-flops) of one unit of each feature, none negative; `pulled` towards others."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]  # scipy has no stubs

    features = [node_features(graph, graph.nodes[0]) for graph in graphs.values()]
    units = [item.units | ({"counted": item.ffs} if what == "ffs" else {}) for item in features]
    kinds = sorted({kind for item in units for kind in item} | set(pulled or ()))
    table = np.array([[item.get(kind, 0.0) for kind in kinds] for item in units])
    cells = [[memory_cells(m, family) for m in item.memories] for item in features]
    known = np.array([sum(getattr(cell, what) for cell in item) for item in cells])
    counts = np.array([runs[name][what] for name in graphs], float)
    wanted = counts - known
    scale = np.ones(len(counts))
    rows, targets = table / counts[:, None], wanted / counts
    more, more_targets = np.zeros((0, len(kinds))), np.zeros(0)
    if pulled is not None:
        base = np.array([pulled.get(kind, 0.0) for kind in kinds])
        whole = table @ base
        factor = float(np.median(wanted[whole > 0] / whole[whole > 0]))
        typical = np.median(rows, axis=0) + rows.max(axis=0) / 4
        more, more_targets = PULL * np.diag(typical), PULL * typical * base * factor
    for _ in range(ROUNDS):
        stacked = np.vstack([rows * scale[:, None], more])
        found, _ = nnls(stacked, np.concatenate([targets * scale, more_targets]))
        scale = 1 / np.sqrt(np.maximum(np.abs(rows @ found - targets), 0.02) / 0.02)
    return {kind: round(float(w), 3) for kind, w in zip(kinds, found, strict=True) if w >= 0.005}


def held_out(graphs: dict[str, Graph], runs: Runs, family: Family, pulled: Table | None) -> float:
    """The share of nodes within 15 % when a fit without them predicts their LUTs."""
    near = []
    for fold in range(FOLDS):
        others = {name: g for at, (name, g) in enumerate(graphs.items()) if at % FOLDS != fold}
        table = fitted(others, runs, family, pulled, "luts")
        for name in graphs.keys() - others.keys():
            luts = predicted(graphs[name], family, table, {})[0]
            near.append(abs(luts / runs[name]["luts"] - 1) <= NEAR)
    return float(np.mean(near))


def kinds_of(graphs: dict[str, Graph]) -> set[str]:
    """Every feature that a node of the sweep has; the figures of others are kept as they are."""
    return {
        kind for graph in graphs.values() for kind in node_features(graph, graph.nodes[0]).units
    }


def is_small(graph: Graph) -> bool:
    """Whether a node is for the other families, too."""
    return node_resources(graph, graph.nodes[0]).luts < MOST_LUTS


def write_table(luts: dict[Family, Table], ffs: dict[Family, Table]) -> None:
    """Writes `e3ne/cost/lut_table.py`."""
    text = (
        '"""LUTs of one unit of each feature by family; `python -m benchmarks.fit_cost --write` '
        'wrote it."""\n\nfrom ..boards import Family\n'
    )
    for name, tables in (("LUTS", luts), ("FFS", ffs)):
        text += f"\n{name}: dict[Family, dict[str, float]] = {{\n"
        for family, table in tables.items():
            lines = "".join(f'        "{kind}": {value},\n' for kind, value in table.items())
            text += f'    "{family}": {{\n{lines}    }},\n'
        text += "}\n"
    text += '"""A feature that is not here costs nothing; `counted` are flip-flops one by one."""\n'
    TABLE.write_text(text)


def write_golden(found: dict[Family, tuple[dict[str, Graph], Runs]]) -> None:
    """What Yosys gave, for `tests/unit/test_cost.py`."""
    lines = []
    for family, (_, runs) in found.items():
        rows = [
            f"  {json.dumps(name)}: {json.dumps([used[key] for key in COLUMNS])}"
            for name, used in runs.items()
        ]
        lines.append(f' "{family}": {{\n' + ",\n".join(rows) + "\n }")
    head = f' "yosys": "{versions()["yosys"]}",\n "columns": {json.dumps(COLUMNS)},\n'
    GOLDEN.write_text("{\n" + head + ",\n".join(lines) + "\n}\n")


@click.command()
@click.option("--family", "families", multiple=True, type=click.Choice(get_args(Family)))
@click.option("--cache", default="build/fit_cost", type=click.Path(path_type=Path))
@click.option("--jobs", default=3, help="Yosys runs at a time.")
@click.option("--again", is_flag=True, help="Fit what was measured last; synthesize nothing.")
@click.option("--write", is_flag=True, help="Write e3ne/cost/lut_table.py and the document.")
def main(families: tuple[Family, ...], cache: Path, jobs: int, again: bool, write: bool) -> None:
    """Fits the area estimate to Yosys and prints what remains as error."""
    every = dict(cases())
    parts: dict[str, Component] = {}
    luts: dict[Family, Table] = dict(LUTS)
    ffs: dict[Family, Table] = dict(FFS)
    held: dict[Family, float] = {}
    found: dict[Family, tuple[dict[str, Graph], Runs]] = {}
    for family in families or get_args(Family):
        last = cache / f"{family}.json"
        if again:
            runs: Runs = json.loads(last.read_text())
        else:
            names = list(every)
            if family != "ecp5":
                names = [name for name in every if is_small(every[name])][::OTHERS_EACH]
            parts.update({n: component(every[n]) for n in names if n not in parts})
            runs = measured({name: parts[name] for name in names}, family, cache, jobs)
            last.write_text(json.dumps(runs, indent=1) + "\n")
        graphs = {name: every[name] for name in runs}
        pulled = None if family == "ecp5" else luts["ecp5"]
        held[family] = held_out(graphs, runs, family, pulled)
        unseen = set(LUTS["ecp5"]) - kinds_of(every)
        kept = {kind: LUTS[family][kind] for kind in unseen & set(LUTS[family])}
        luts[family] = kept | fitted(graphs, runs, family, pulled, "luts")
        ffs[family] = fitted(graphs, runs, family, ffs["ecp5"], "ffs")
        found[family] = graphs, runs
    write_document(found, luts, ffs, held, ROOT / "docs" / "cost_model.md" if write else None)
    if write:
        write_table(luts, ffs)
        write_golden(found)


if __name__ == "__main__":
    main()
