"""Fits the area of e3ne/cost to real Yosys runs: `python -m benchmarks.fit_cost --family ecp5`.

The nodes of `cost_cases.py` are synthesized (`cost_runs.py`; results are kept by their contents in
`--cache`). The LUTs of each are a sum over its features (`e3ne.cost.features`) beside those of its
memories; non-negative least squares of the relative error gives the LUTs of one unit of each, which
`--write` puts into `e3ne/cost/lut_table.py` (`flip_flop_table.py`: flip-flops), and what remains
as error into `docs/cost_model.md`.

The other families than ECP5 have fewer nodes (`cost_cases.OTHERS`): where these do not say
otherwise their figures are those of ECP5 times one factor; those of ECP5 what a LUT can do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click
import numpy as np

from e3ne.boards import Family
from e3ne.cost.features import node_features
from e3ne.cost.flip_flop_table import FFS
from e3ne.cost.lut_table import LUTS
from e3ne.cost.resources import family_units
from e3ne.ir import Graph
from e3ne.toolchain import versions

from .cost_cases import OTHERS, cases
from .cost_document import NEAR, predicted, write_document
from .cost_runs import Component, component, measured

ROOT = Path(__file__).resolve().parents[1]
TABLES = {"LUTS": "lut_table.py", "FFS": "flip_flop_table.py"}
"""The files of `e3ne/cost` by the name of what is in them."""
GOLDEN = ROOT / "tests" / "golden" / "yosys_nodes.json"
COLUMNS = ("luts", "ffs", "brams", "dsps")
PULL = 2.0  # towards what is expected: 1 counts as an error of a typical node of that size
LIKE: dict[Family, Family] = {
    **{"ice40": "ecp5", "gowin": "ecp5", "nexus": "ecp5"},
    **{"xilinx7": "ecp5", "ultrascale_plus": "xilinx7"},
}
"""The family whose figures, times one factor, are expected of another."""
FOLDS = 5
ROUNDS = 30  # of reweighting, from least squares towards least absolute errors
Table = dict[str, float]
Runs = dict[str, dict[str, int]]

EXPECTED: Table = {
    **{"accumulator_bits": 2, "address_bits": 1, "bias_bits": 0.3, "clamp_bits": 0.5},
    **{"compared_bits": 0.5, "constant_adder_bits": 1, "digit_adder_bits": 1, "digit_bits": 1},
    **{"encoder_gate_bits": 1, "encoder_leak_bits": 1, "encoder_split_bits": 1},
    **{"event_list": 130, "event_rows": 180, "factor_bits": 1, "flag_bits": 1, "gate_bits": 1},
    **{"leak_bits": 1, "loaded_bits": 1, "logic_carry_bits": 1, "logic_gate_bits": 1},
    **{"logic_tables": 1, "mask_bits": 0.2, "masked_bits": 1, "membrane_bits": 2, "node": 20},
    **{"memory_luts": 1, "picked_bits": 0.5, "placed_bits": 0.5, "pooled_bits": 1.5},
    **{"pooled_gates": 1, "rom_luts": 1, "rotated_bits": 2, "rounded_bits": 0.5},
    **{"row_memory": 130, "seen_bits": 1, "sliding_window": 20, "split_bits": 1},
    **{"step_sum_bits": 1, "sum_bits": 1, "tree_bits": 1, "triple_digit_bits": 2},
    **{"vector_memory": 130},
}
"""LUTs of four inputs that one unit may take by its form: an adder's bit one, a choice of two with
an enable one, ... Where the nodes of ECP5 say little, the fit stays near these."""


def fitted(
    graphs: dict[str, Graph], runs: Runs, family: Family, expected: Table | None, what: str
) -> Table:
    """LUTs (or flip-flops) of one unit of each feature, none negative; `expected` for few nodes."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]  # scipy has no stubs

    units, known = zip(*(units_of(graph, family, what) for graph in graphs.values()), strict=True)
    kinds = sorted({kind for item in units for kind in item} | set(expected or ()))
    table = np.array([[item.get(kind, 0.0) for kind in kinds] for item in units])
    counts = np.array([runs[name][what] for name in graphs], float)
    scale = np.ones(len(counts))
    rows, targets = table / counts[:, None], 1 - np.array(known) / counts
    more, more_targets = np.zeros((0, len(kinds))), np.zeros(0)
    if expected is not None:
        base = np.array([expected.get(kind, 0.0) for kind in kinds])
        whole = table @ base
        factor = float(np.median(counts[whole > 0] / whole[whole > 0]))
        typical = np.sqrt(np.mean(rows**2, axis=0)) + 1e-6
        more, more_targets = PULL * np.diag(typical), PULL * typical * base * factor
    for _ in range(ROUNDS):
        stacked = np.vstack([rows * scale[:, None], more])
        found, _ = nnls(stacked, np.concatenate([targets * scale, more_targets]))
        scale = 1 / np.sqrt(np.maximum(np.abs(rows @ found - targets), 0.02) / 0.02)
    return {kind: round(float(w), 3) for kind, w in zip(kinds, found, strict=True) if w >= 0.005}


def units_of(graph: Graph, family: Family, what: str) -> tuple[dict[str, float], float]:
    """(what the LUTs or flip-flops of a node follow, flip-flops of memories)."""
    features = node_features(graph, graph.nodes[0])
    units, cells = family_units(features, family)
    if what == "luts":
        return units, 0.0
    return features.units | {"counted": features.ffs}, sum(cell.ffs for cell in cells)


def held_out(graphs: dict[str, Graph], runs: Runs, family: Family, expected: Table) -> float:
    """The share of nodes within 15 % when a fit without them predicts their LUTs."""
    near = []
    for fold in range(FOLDS):
        others = {name: g for at, (name, g) in enumerate(graphs.items()) if at % FOLDS != fold}
        table = fitted(others, runs, family, expected, "luts")
        for name in graphs.keys() - others.keys():
            luts = predicted(graphs[name], family, table, {})[0]
            near.append(abs(luts / runs[name]["luts"] - 1) <= NEAR)
    return float(np.mean(near))


def table_text(name: str, tables: dict[Family, Table]) -> str:
    """The text of a file of `TABLES`."""
    what, more = {
        "LUTS": ("LUTs", ""),
        "FFS": ("Flip-flops", "; `counted` are flip-flops one by one"),
    }[name]
    text = (
        f'"""{what} of a unit of each feature; `python -m benchmarks.fit_cost '
        '--write` wrote it."""\n\nfrom ..boards import Family\n\n'
        f"{name}: dict[Family, dict[str, float]] = {{\n"
    )
    for family, table in tables.items():
        lines = "".join(f'        "{kind}": {value},\n' for kind, value in table.items())
        text += f'    "{family}": {{\n{lines}    }},\n'
    return text + f'}}\n"""A feature that is not here costs nothing{more}."""\n'


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
@click.option("--known", is_flag=True, help="Fit what the cache has; synthesize nothing.")
@click.option("--write", is_flag=True, help="Write the tables of e3ne/cost and the document.")
def main(families: tuple[Family, ...], cache: Path, jobs: int, known: bool, write: bool) -> None:
    """Fits the area estimate to Yosys and prints what remains as error."""
    every = dict(cases())
    parts: dict[str, Component] = {}
    luts: dict[Family, Table] = dict(LUTS)
    ffs: dict[Family, Table] = dict(FFS)
    held: dict[Family, float] = {}
    found: dict[Family, tuple[dict[str, Graph], Runs]] = {}
    for family in families or get_args(Family):
        names = list(every) if family == "ecp5" else OTHERS
        parts.update({n: component(every[n]) for n in names if n not in parts})
        runs = measured({name: parts[name] for name in names}, family, cache, jobs, known)
        graphs = {name: every[name] for name in runs}
        expected = EXPECTED if family == "ecp5" else luts[LIKE[family]]
        held[family] = held_out(graphs, runs, family, expected)
        luts[family] = fitted(graphs, runs, family, expected, "luts")
        ffs[family] = fitted(graphs, runs, family, ffs["ecp5"], "ffs")
        found[family] = graphs, runs
    write_document(found, luts, ffs, held, ROOT / "docs" / "cost_model.md" if write else None)
    if write:
        for name, tables in (("LUTS", luts), ("FFS", ffs)):
            (ROOT / "e3ne" / "cost" / TABLES[name]).write_text(table_text(name, tables))
        write_golden(found)


if __name__ == "__main__":
    main()
