"""Fits the estimate of the clock to nextpnr runs: `python -m benchmarks.fit_clock --write`.

Single nodes of `cost_cases.py` are routed alone, where their ports are few enough for pins (a node
has registers inside, and nextpnr judges paths between registers). Non-negative
least squares of the relative error gives nanoseconds of each kind.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from e3ne.cost.clock import path_features
from e3ne.ir import Graph
from e3ne.toolchain import nextpnr, yosys
from e3ne.toolchain.multipliers import multiplier_commands

from .cost_cases import cases
from .cost_runs import DELAY_PS, TEMPLATES, Component, command_of, component, ports_of

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "e3ne" / "cost" / "clock_table.py"
EACH = 5
SMALL_TEXT = 500_000  # bytes of RTLIL: a run in a minute
PARTS = {
    "ecp5": ("ecp5", "85k", "CABGA756", ["--speed", "6"], 350),
    "ice40-hx": ("ice40", "hx8k", "ct256", [], 190),
}
"""nextpnr's family, die, package and options; most bits of ports of a node that is routed."""


def routed_hz(part: Component, kind: str) -> float:
    """Hz after routing of one component alone."""
    family, device, package, options, _ = PARTS[kind]
    with TemporaryDirectory(prefix="e3ne-") as place:
        folder = Path(place)
        (folder / "rom").mkdir()
        (folder / "node.il").write_text(part.rtlil.replace("@", "node"))
        for rom, lines in part.roms:
            (folder / "rom" / f"{rom.replace('@', 'node')}.hex").write_text(lines)
        templates = (ROOT / "hdl_templates" / file for file in TEMPLATES)
        (folder / "given.v").write_text("\n".join(file.read_text() for file in templates))
        script = [
            "read_verilog -defer given.v",
            "read_rtlil node.il",
            *multiplier_commands(family, "node"),
            f"scratchpad -set abc9.D {DELAY_PS}",
            command_of(family, "node"),
            "write_json node.json",
        ]
        yosys.run(script, folder)
        found = nextpnr.route(
            family, device, package, "node.json", folder, "node", 100e6, options=options
        )
        return found.fmax_hz


def measured(graphs: dict[str, Graph], kind: str, cache: Path, jobs: int) -> dict[str, float]:
    """Hz of each graph's node by name; what does not fit onto the pins is left out."""
    file = cache / f"clock-{kind}.json"
    found: dict[str, float] = json.loads(file.read_text()) if file.is_file() else {}
    parts = {name: component(graph) for name, graph in graphs.items() if name not in found}
    parts = {
        name: part
        for name, part in parts.items()
        if sum(bits for _, _, bits in ports_of(part)) <= PARTS[kind][-1]
        and len(part.rtlil) < SMALL_TEXT
    }

    def run(name: str) -> None:
        found[name] = routed_hz(parts[name], kind)
        file.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, parts))
    return {name: hz for name, hz in found.items() if name in graphs}


def fitted(graphs: dict[str, Graph], hz: dict[str, float]) -> dict[str, float]:
    """Nanoseconds of one unit of each feature, none negative."""
    from scipy.optimize import nnls  # type: ignore[import-untyped]  # scipy has no stubs

    features = [path_features(graphs[name], graphs[name].nodes[0]) for name in hz]
    kinds = sorted(features[0])
    table = np.array([[item[kind] for kind in kinds] for item in features])
    periods = np.array([1e9 / hz[name] for name in hz])
    found, _ = nnls(table / periods[:, None], np.ones(len(periods)))
    errors = table @ found / periods - 1
    print(f"{len(hz)} nodes, median error {np.median(np.abs(errors)):.1%}, ", end="")
    print(f"largest {np.max(np.abs(errors)):.0%}")
    return {kind: round(float(w), 3) for kind, w in zip(kinds, found, strict=True) if w > 0}


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(PARTS)))
@click.option("--cache", default="build/fit_cost", type=click.Path(path_type=Path))
@click.option("--jobs", default=2, help="nextpnr runs at a time.")
@click.option("--write", is_flag=True, help="Write e3ne/cost/clock_table.py.")
def main(kinds: tuple[str, ...], cache: Path, jobs: int, write: bool) -> None:
    """Fits the estimate of the clock and prints what remains as error."""
    from e3ne.cost.clock_table import PERIODS

    cache.mkdir(parents=True, exist_ok=True)
    graphs = dict(list(cases())[::EACH])
    tables = dict(PERIODS)
    for kind in kinds or PARTS:
        print(kind, end=": ")
        tables[kind] = fitted(graphs, measured(graphs, kind, cache, jobs))
    if write:
        lines = "".join(f'    "{kind}": {json.dumps(table)},\n' for kind, table in tables.items())
        TABLE.write_text(
            '"""Nanoseconds of one unit of what a path has; `python -m benchmarks.fit_clock '
            '--write` wrote it."""\n\n'
            f"PERIODS: dict[str, dict[str, float]] = {{\n{lines}}}\n"
            '"""By family (and die, on ice40)."""\n'
        )


if __name__ == "__main__":
    main()
