"""`e3ne simulate` and `e3ne synth`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from ..data import load_frames
from ..toolchain.process import DAY_S
from .terminal import command_options, print_json, print_table, progress, stdout

if TYPE_CHECKING:
    from ..check import CheckResult

Simulator = Literal["verilator", "icarus", "amaranth", "reference"]
SIMULATORS = get_args(Simulator)

SIMULATE_EPILOG = """\b
Examples:
  e3ne simulate build/net --data test.npz
  e3ne simulate build/net --data test.npz --frames 20 --simulator icarus
  e3ne simulate build/net --data test.npz --json > result.json
  e3ne simulate build/net --data test.npz --jobs 4
  e3ne simulate build/net --data recordings.npz --duration-us 300000
  e3ne simulate build/net --data test.npz --frames 100 --toggles
"""

SYNTH_EPILOG = """\b
Examples:
  e3ne synth build/net
  e3ne synth build/net --seeds 5 --jobs 2
  e3ne synth build/net --seeds 0        (area by Yosys only)
"""


@click.command(epilog=SIMULATE_EPILOG)
@click.argument("build", type=click.Path(path_type=Path))
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help=".npz with x (frames, ...), or x_<input> for each input, and, where labels are known, y; "
    "or recordings of events: x, y, p, t_us, offsets, label.",
)
@click.option(
    "--duration-us",
    type=click.IntRange(1),
    help="Of recordings: the time that all steps of a frame have. Default: each one's own.",
)
@click.option(
    "--frames", type=click.IntRange(1), help="At most so many frames (icarus and amaranth: 2)."
)
@click.option("--simulator", type=click.Choice(SIMULATORS), default="verilator", show_default=True)
@click.option(
    "--stalls",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of random pauses on both sides; 0: none.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    help="Simulators of Verilator side by side. Default: 2, of a streaming network 1.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="A Dask scheduler, tcp://host:8786, whose workers run the frames in pieces instead.",
)
@click.option(
    "--toggles",
    is_flag=True,
    help="Also count how often the registers of each node change, on the first 16 frames, and "
    "take the counts into the model of energy. Builds a second simulator.",
)
@command_options
def simulate(
    build: Path,
    data: Path,
    duration_us: int | None,
    frames: int | None,
    simulator: Simulator,
    stalls: int,
    jobs: int | None,
    scheduler: str | None,
    toggles: bool,
    as_json: bool,
) -> None:
    """Run frames through the emitted Verilog and compare every node with the reference.

    Exits with 0 only when every compared number is equal. The figures go into BUILD/report.json.
    """
    from ..hardware import open_build

    hardware = open_build(build)
    given = load_frames(data, hardware.graph.inputs, duration_us)
    with progress() as tell:
        outcome = hardware.simulate(
            *(given.x, given.y),
            frames=frames,
            simulator=simulator,
            stalls=stalls,
            jobs=jobs,
            scheduler=scheduler,
            toggles=toggles,
            progress=tell,
        )
    figures = hardware.figures()
    if as_json:
        print_json(figures)
    else:
        print_simulation(figures, outcome, toggles)
    outcome.raise_for_mismatch()


def print_simulation(figures: dict[str, Any], outcome: CheckResult, toggles: bool) -> None:
    """Bit-exactness, accuracy, cycles and toggles, those of this run: the report has more."""
    ran = outcome.cycles is not None
    frames = counted(outcome.frames, "frame")
    compared = f"{outcome.nodes_checked} nodes: {outcome.mismatches:,} mismatches"
    stdout.print(f"{frames}, {compared if ran else 'in the reference alone'}")
    accuracy = figures["accuracy"]
    if outcome.reference_accuracy is not None:
        columns = ("float %", "reference %", "RTL %", "samples")
        row = (*(accuracy[name] for name in ("float", "reference", "rtl")), accuracy["samples"])
        print_table(columns, [row])
    if rows := cycle_rows(figures["cycles"]) if ran else []:
        print_table(("cycles", "kind", "mean", "median", "least", "most"), rows)
    if toggles:
        print_toggles(figures["energy"])


def counted(count: int, what: str) -> str:
    """A number of things, one or several."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def cycle_rows(cycles: dict[str, Any]) -> list[tuple[str | int | float | None, ...]]:
    """(what, kind, mean, median, least, most) of latency and interval, predicted and simulated."""
    names = {
        ("latency", "modelled"): ("predicted_latency", "p50", "", "worst"),
        ("latency", "simulated"): ("latency", "p50", "min", "max"),
        ("interval", "modelled"): ("predicted_interval", "", "", ""),
        ("interval", "simulated"): ("interval", "p50", "", "max"),
    }
    rows = []
    for (what, kind), (stem, *others) in names.items():
        mean = cycles.get(stem if kind == "modelled" else f"{stem}_mean")
        if mean:  # one frame alone has no interval
            rows.append((what, kind, mean, *(cycles.get(f"{stem}_{name}") for name in others)))
    return rows


def print_toggles(energy: dict[str, Any]) -> None:
    """Changes of registers by node, and the energy that the model makes of them."""
    counts = energy["toggles"]
    columns = ("node", "register bits", "toggles a frame", "% of the bits in a cycle")
    rows = [
        (
            *(node, found["register_bits"], found["toggles_per_frame"]),
            100 * found["toggles_per_bit_and_cycle"],
        )
        for node, found in counts["by_node"].items()
    ]
    print_table(columns, rows)
    total, frames = energy["proxies"]["toggles"], counted(counts["frames"], "frame")
    low, middle, high = (energy[f"model_{name}"] for name in ("low", "nominal", "high"))
    stdout.print(
        f"{total:,.0f} toggles a frame (simulated, {frames}); energy {low:,.0f} .. "
        f"{middle:,.0f} .. {high:,.0f} {energy['unit']} (modelled)",
        soft_wrap=True,
    )


@click.command(epilog=SYNTH_EPILOG)
@click.argument("build", type=click.Path(path_type=Path))
@click.option(
    "--seeds",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="Place and route so many times; 0 stops after Yosys.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Routings side by side; each may hold a gigabyte of memory.",
)
@click.option(
    "--tool-timeout",
    type=click.FloatRange(1),
    default=DAY_S,
    show_default="a day",
    help="Seconds after which a routing is given up; the other seeds count.",
)
@click.option(
    "--router",
    type=click.Choice(["router1", "router2"]),
    help="nextpnr's router. Default: its own; on ECP5 router2 is quicker, with slower clocks.",
)
@command_options
def synth(
    build: Path, seeds: int, jobs: int, tool_timeout: float, router: str | None, as_json: bool
) -> None:
    """Synthesize, place and route BUILD for its board: area, clock, bitstream."""
    from ..hardware import open_build

    hardware = open_build(build)
    with progress() as tell:
        hardware.synthesize(seeds, tell, jobs, tool_timeout, router)
    figures = hardware.figures()
    if as_json:
        print_json(figures)
    else:
        print_synthesis(figures)


def print_synthesis(figures: dict[str, Any]) -> None:
    """Resources stage by stage, and the clock."""
    resources = figures["resources"]
    stages = [s for s in ("predicted", "synthesis", "routed", "available") if resources.get(s)]
    rows = [
        (name, *(resources[stage].get(name) for stage in stages))
        for name in ("luts", "ffs", "brams", "bram_bits", "dsps", "spram_bits")
    ]
    print_table(("resource", *stages), rows)
    clock = figures["fmax_hz"]
    if clock.get("routed"):
        stdout.print(
            f"clock after routing: median {clock['median'] / 1e6:.1f} MHz, worst "
            f"{clock['worst'] / 1e6:.1f} MHz over {counted(len(clock['routed']), 'seed')} "
            f"(aimed at {figures['clock_hz'] / 1e6:g} MHz){unrouted_text(clock)}",
            soft_wrap=True,
        )


def unrouted_text(clock: dict[str, Any]) -> str:
    """Which seeds were given up; nothing where none was."""
    if not clock.get("unrouted"):
        return ""
    seeds = ", ".join(str(seed) for seed in clock["unrouted"])
    return f"; given up after {clock['timeout_s']:g} s: seed {seeds}"
