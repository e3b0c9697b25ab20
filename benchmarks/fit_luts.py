"""Fits the LUT estimate of e3ne/cost to real Yosys runs: `python -m benchmarks.fit_luts`.

A few dozen nodes are synthesized one by one (`lut_cases.py`; ten minutes on two cores, kept in
`--cache`). The LUTs of each are a sum over its features (`e3ne.cost.node_features`); non-negative
least squares of the relative error gives the LUTs of one unit of each, which are written to
`e3ne/cost/lut_table.py` with `--write`.

A node alone is mapped for speed as a whole; in a network only the slowest path is, and the rest
gives up to a quarter of its LUTs back. So the estimate of a network is on the safe side.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from e3ne.boards import Family
from e3ne.cost import node_resources, predict
from e3ne.cost.features import node_features
from e3ne.cost.lut_table import LUTS
from e3ne.cost.memories import memory_cells
from e3ne.emit.graph_file import load_graph
from e3ne.emit.verilog import without_brackets
from e3ne.ir import Graph
from e3ne.synthesis import OPTIONS, resources_used
from e3ne.toolchain import yosys

from .lut_cases import cases

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "hdl_templates" / "e3ne_rom.v"
TABLE = ROOT / "e3ne" / "cost" / "lut_table.py"
ICE40_EACH = 5  # every fifth node is synthesized for iCE40 as well


def synthesize(graph: Graph, family: str) -> dict[str, int]:
    """Resources after Yosys of the only node of `graph`."""
    from amaranth.back import rtlil

    from e3ne.gateware.node_unit import NodeUnit

    unit = NodeUnit(graph, graph.nodes[0], "file")
    text = without_brackets(rtlil.convert(unit, name="node", emit_src=False))
    with TemporaryDirectory(prefix="e3ne-") as name:
        folder = Path(name)
        (folder / "rom").mkdir()
        for rom in unit.roms:
            lines = "".join(f"{word:x}\n" for word in rom.words)
            (folder / "rom" / f"{rom.name}.hex").write_text(lines)
        (folder / "node.il").write_text(text)
        (folder / "e3ne_rom.v").write_text(TEMPLATE.read_text())
        command = yosys.SYNTHESIS[family].format(top="node")
        script = [
            "read_verilog -defer e3ne_rom.v",
            "read_rtlil node.il",
            " ".join([command, *OPTIONS[family]]),
            "tee -q -o node.stat.json stat -json",
        ]
        yosys.run(script, folder)
        cells = yosys.cell_counts(folder / "node.stat.json", "node")
    return {**resources_used(family, cells), **{f"cell {k}": v for k, v in cells.items()}}


def measured(graphs: dict[str, Graph], cache: Path, family: str, jobs: int) -> dict[str, Any]:
    """The resources of every graph by name; what `cache` holds is not run again."""
    found: dict[str, Any] = json.loads(cache.read_text()) if cache.is_file() else {}
    missing = [name for name in graphs if name not in found]

    def run(name: str) -> None:
        found[name] = synthesize(graphs[name], family)
        cache.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, missing))
    return found


def fitted(graphs: dict[str, Graph], found: dict[str, Any]) -> dict[str, float]:
    """LUTs of one unit of each feature, by least squares of the relative error, none negative."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]  # scipy has no stubs

    features = [node_features(graph, graph.nodes[0]) for graph in graphs.values()]
    kinds = sorted({kind for item in features for kind in item.units})
    table = np.array([[item.units.get(kind, 0.0) for kind in kinds] for item in features])
    known = np.array([sum(memory_cells(m, "ecp5").luts for m in f.memories) for f in features])
    luts = np.array([found[name]["luts"] for name in graphs], float)
    weights, _ = nnls(table / luts[:, None], (luts - known) / luts)
    return {kind: round(float(w), 3) for kind, w in zip(kinds, weights, strict=True) if w >= 0.01}


def family_factor(graphs: dict[str, Graph], found: dict[str, Any]) -> float:
    """How many times as many LUTs as ECP5 iCE40 takes for logic: the median over the nodes."""
    ratios = []
    for name, graph in graphs.items():
        features = node_features(graph, graph.nodes[0])
        logic = sum(LUTS.get(kind, 0.0) * amount for kind, amount in features.units.items())
        memories = sum(memory_cells(m, "ice40").luts for m in features.memories)
        ratios.append((found[name]["luts"] - memories) / logic)
    return round(float(np.median(ratios)), 2)


def compared(graphs: dict[str, Graph], found: dict[str, Any], family: Family) -> float:
    """Prints predicted beside measured resources; the share of LUTs within 20 %."""
    errors = []
    for name, graph in graphs.items():
        predicted, real = node_resources(graph, graph.nodes[0], family), found[name]
        errors.append(predicted.luts / real["luts"] - 1)
        print(
            f"{name:84} LUTs {predicted.luts:6} {real['luts']:6} {errors[-1]:+5.0%}  "
            f"FFs {predicted.ffs:6} {real['ffs']:6}  BRAM {predicted.brams:3} {real['brams']:3}"
        )
    share = float(np.mean(np.abs(errors) <= 0.2))
    print(f"{family}: {len(errors)} nodes, {share:.0%} within 20 % of Yosys\n")
    return share


def compare_builds(builds: Path) -> None:
    """Prints the same for the whole networks in `builds` that Yosys has seen."""
    for folder in sorted(path.parent for path in builds.glob("*/report.json")):
        report = json.loads((folder / "report.json").read_text())
        real = report.get("resources", {}).get("synthesis")
        if real is None:
            continue
        predicted = predict(load_graph(folder / "sim"))
        print(
            f"{folder.name:24} LUTs {predicted.luts:6} {real['luts']:6} "
            f"{predicted.luts / real['luts'] - 1:+5.0%}  FFs {predicted.ffs:6} {real['ffs']:6}  "
            f"BRAM {predicted.brams:3} {real['brams']:3}"
        )


def write_table(luts: dict[str, float], factor: float) -> None:
    """Writes `e3ne/cost/lut_table.py`."""
    lines = "".join(f'    "{kind}": {value},\n' for kind, value in luts.items())
    TABLE.write_text(
        '"""LUTs of one unit of each feature; written by `python -m benchmarks.fit_luts --write`.'
        '"""\n\nfrom ..boards import Family\n\n'
        f"LUTS: dict[str, float] = {{\n{lines}}}\n"
        '"""Fitted to `synth_ecp5 -nodsp`; a feature that is not here costs nothing."""\n\n'
        f'FAMILY_FACTOR: dict[Family, float] = {{"ecp5": 1.0, "ice40": {factor}}}\n'
        '"""Logic of a family, in that of ECP5."""\n'
    )


@click.command()
@click.option("--cache", default="build/fit_luts", type=click.Path(path_type=Path))
@click.option("--builds", default="build", type=click.Path(path_type=Path))
@click.option("--jobs", default=2, help="Yosys runs at a time.")
@click.option("--write", is_flag=True, help="Write e3ne/cost/lut_table.py.")
def main(cache: Path, builds: Path, jobs: int, write: bool) -> None:
    """Fits the LUT estimate to Yosys and prints predicted beside measured figures."""
    cache.mkdir(parents=True, exist_ok=True)
    every = dict(cases())
    some = dict(list(every.items())[::ICE40_EACH])
    ecp5 = measured(every, cache / "ecp5.json", "ecp5", jobs)
    ice40 = measured(some, cache / "ice40.json", "ice40", jobs)
    if write:
        write_table(fitted(every, ecp5), family_factor(some, ice40))
        print(f"{TABLE} written; run again to compare with it\n")
        return
    compared(every, ecp5, "ecp5")
    compared(some, ice40, "ice40")
    compare_builds(builds)


if __name__ == "__main__":
    main()
