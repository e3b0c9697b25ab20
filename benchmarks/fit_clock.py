"""Fits the estimate of the clock to nextpnr runs: `python -m benchmarks.fit_clock --write`.

Single nodes of `cost_cases.py` are routed alone, where their ports are few enough for pins (a node
has registers inside, and nextpnr judges paths between registers). Non-negative
least squares of the relative error gives nanoseconds of each kind. Routed clocks are kept by name
in `--cache`: of a node whose gateware changed, remove its line.
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
NODES = (
    "conv_spiking steps=4 lanes=(9, 4, 1, 1)",
    "dense conv bias in=4 bit_lanes=1 dsps=0",
    "dense in=12 out=6 bit_lanes=1",
    "event radix in=2 out=8 bit_lanes=1",
    "event steps=8 in=2 out=2 step_lanes=8 weight=6",
    "linear_radix in=1 out=1 bits=4 weight=4",
    "linear_spiking steps=10 window=2 in=24 out=2 step_lanes=2 weight=4",
    "linear_spiking steps=5 window=5 in=4 out=4 step_lanes=1 weight=4",
    "logic 16x8 bits=4 weight=3 zeros=0.0 bit_lanes=None",
    "logic 32x16 bits=4 weight=2 zeros=0.7 bit_lanes=None",
    "neuron both",
    "pool MaxPool2d (12, 8, 8) steps=10 bits=1 out=1",
)
"""Small ones of every engine; of those with too many pins none is routed."""
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
    rows = table / periods[:, None]
    found, _ = nnls(rows, np.ones(len(periods)))
    others = []  # each node by a fit to the others
    for at in range(len(periods)):
        without, _ = nnls(np.delete(rows, at, axis=0), np.ones(len(periods) - 1))
        others.append(rows[at] @ without - 1)
    print(f"{len(hz)} nodes", end="")
    for what, errors in (("", rows @ found - 1), (", left out of the fit", np.array(others))):
        sizes = np.abs(errors)
        print(f"{what}: median error {np.median(sizes):.1%}, largest {np.max(sizes):.0%}", end="")
    print()
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
    graphs = {name: graph for name, graph in cases() if name in NODES}
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
