"""Fits the area of e3ne/cost to real Yosys runs: `python -m benchmarks.fit_cost --family ecp5`.

The nodes of `cost_cases.py` are synthesized (`cost_runs.py`; results are kept by their contents in
`--cache`). The LUTs of each are a sum over its features (`e3ne.cost.features`) beside those of its
memories; non-negative least squares of the relative error gives the LUTs of one unit of each, which
`--write` puts into `e3ne/cost/lut_table.py`, and what remains as error into `docs/cost_model.md`.

The other families than ECP5 have every third node only: their figures are pulled towards those of
ECP5 times one factor where their own nodes do not say otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
import numpy as np

from e3ne.boards import Family
from e3ne.cost.features import node_features
from e3ne.cost.lut_table import LUTS
from e3ne.cost.memories import memory_cells
from e3ne.ir import Graph

from .cost_cases import cases
from .cost_document import write_document
from .cost_runs import component, measured

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "e3ne" / "cost" / "lut_table.py"
EACH = {"ecp5": 1}
OTHERS_EACH = 3
PULL = 0.1  # of the coefficients of ECP5, for the other families
ROUNDS = 30  # of reweighting, from least squares towards least absolute errors
Table = dict[str, float]
Runs = dict[str, dict[str, int]]


def fitted(graphs: dict[str, Graph], runs: Runs, family: Family, pulled: Table | None) -> Table:
    """LUTs of one unit of each feature, none negative; `pulled` towards another family's."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]  # scipy has no stubs

    features = [node_features(graph, graph.nodes[0]) for graph in graphs.values()]
    kinds = sorted({kind for item in features for kind in item.units} | set(pulled or ()))
    table = np.array([[item.units.get(kind, 0.0) for kind in kinds] for item in features])
    known = np.array([sum(memory_cells(m, family).luts for m in f.memories) for f in features])
    luts = np.array([runs[name]["luts"] for name in graphs], float)
    wanted = luts - known
    scale = np.ones(len(luts))
    rows, targets = table / luts[:, None], wanted / luts
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


def write_table(tables: dict[Family, Table]) -> None:
    """Writes `e3ne/cost/lut_table.py`."""
    blocks = ""
    for family, table in tables.items():
        lines = "".join(f'        "{kind}": {value},\n' for kind, value in table.items())
        blocks += f'    "{family}": {{\n{lines}    }},\n'
    TABLE.write_text(
        '"""LUTs of one unit of each feature by family; `python -m benchmarks.fit_cost --write` '
        'wrote it."""\n\nfrom ..boards import Family\n\n'
        f"LUTS: dict[Family, dict[str, float]] = {{\n{blocks}}}\n"
        '"""A feature that is not here costs nothing."""\n'
    )


@click.command()
@click.option("--family", "families", multiple=True, type=click.Choice(get_args(Family)))
@click.option("--cache", default="build/fit_cost", type=click.Path(path_type=Path))
@click.option("--jobs", default=3, help="Yosys runs at a time.")
@click.option("--write", is_flag=True, help="Write e3ne/cost/lut_table.py and the document.")
def main(families: tuple[Family, ...], cache: Path, jobs: int, write: bool) -> None:
    """Fits the area estimate to Yosys and prints what remains as error."""
    every = dict(cases())
    parts = {name: component(graph) for name, graph in every.items()}
    tables: dict[Family, Table] = dict(LUTS)
    found: dict[Family, tuple[dict[str, Graph], Runs]] = {}
    for family in families or get_args(Family):
        graphs = dict(list(every.items())[:: EACH.get(family, OTHERS_EACH)])
        runs = measured({name: parts[name] for name in graphs}, family, cache, jobs)
        pulled = None if family == "ecp5" else tables["ecp5"]
        tables[family] = fitted(graphs, runs, family, pulled)
        found[family] = graphs, runs
    write_document(found, tables, ROOT / "docs" / "cost_model.md" if write else None)
    if write:
        write_table(tables)


if __name__ == "__main__":
    main()
