"""`e3ne explore`: the Pareto front of codes, precisions and mappings."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed

from ..boards import load_board
from ..data import load_frames
from ..ir import BadInput
from .options import MODEL_HELP, ModelOptions, load, model_options
from .terminal import command_options, print_json, print_table, stderr, stdout

if TYPE_CHECKING:
    from ..explore import Counts, Explored, Wishes

EPILOG = (
    MODEL_HELP
    + """
\b
The last quarter of the frames only confirms the front. Ranges come from
--calibration, or from --data: compile with the same frames. The same command
goes on where an earlier one ended, however it ended, up to --trials in all.

\b
Examples:
  e3ne explore model.py:net --weights net.safetensors --data labelled.npz -o out
  e3ne explore model.py:net --data labelled.npz --vary weight_bits=2,3,4 -o out
  e3ne explore model.py:net --data labelled.npz --measure route --trials 40 --jobs 4 -o out
  e3ne explore model.py:net --data labelled.npz --scheduler tcp://host:8786 -o out
"""
)
LINES = 10
"""Where nobody watches a terminal, so many lines tell how far a search is."""


@click.command(epilog=EPILOG)
@model_options
@click.option("--board", default="ulx3s-85f", show_default=True, help="A name of `e3ne boards`.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    required=True,
    help=".npz with x (or x_<input> for each of several) and labels y: frames that judge.",
)
@click.option(
    *("-o", "--output"), type=click.Path(path_type=Path), required=True, help="Folder of results."
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Trials in all, those of earlier runs of the study counted.",
)
@click.option(
    "--objectives",
    default="accuracy,latency_us,luts",
    show_default=True,
    help="What is weighed up: accuracy, latency_us, interval_us, latency_cycles, interval_cycles, "
    "luts, ffs, brams, dsps, energy_nj.",
)
@click.option(
    "--measure",
    type=click.Choice(["predicted", "synthesis", "route"]),
    default="predicted",
    show_default=True,
    help="Where figures of hardware come from: the cost model, Yosys, or nextpnr as well.",
)
@click.option(
    "--vary",
    multiple=True,
    metavar="DIAL=CHOICES",
    help="Choices of a dial, with commas: weight_bits=2,3,4, or conv1.weight_bits=8; one choice "
    "holds it still.",
)
@click.option(
    "--per-layer",
    multiple=True,
    type=click.Choice(["weight_bits", "edge_bits", "input_bits"]),
    help="Bits that every layer has for itself.",
)
@click.option("--space", type=click.Path(path_type=Path), help="YAML: the dials, under `explore`.")
@click.option("--jobs", type=click.IntRange(1, 256), default=2, show_default=True, help="Workers.")
@click.option("--scheduler", metavar="ADDRESS", help="A Dask scheduler: tcp://host:8786.")
@click.option("--storage", metavar="URL", help="Database. Default: sqlite:///OUTPUT/study.db.")
@click.option("--study", default="explore", show_default=True, help="Name in the database.")
@click.option(
    "--take-over", is_flag=True, help="Try again what processes on other hosts left unfinished."
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "nsga2", "random"]),
    default="tpe",
    show_default=True,
    help="Who suggests: Optuna's TPE, NSGA-II, or chance.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--seeds", type=click.IntRange(1, 64), default=1, show_default=True, help="Routings.")
@click.option(
    "--tool-timeout", type=click.FloatRange(1), default=3600, show_default=True, help="Seconds."
)
@click.option("--tool-memory", type=click.FloatRange(0.1), help="GB for a tool. Default: no limit.")
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Folder of results. Default: ~/.cache/e3ne."
)
@command_options
def explore(
    chosen: ModelOptions,
    board: str,
    data: Path,
    output: Path,
    vary: tuple[str, ...],
    per_layer: tuple[str, ...],
    space: Path | None,
    storage: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Search codes, bits and mappings of MODEL on BOARD for the Pareto front of the objectives.

    Accuracy is that of the integer twin. Writes pareto.csv, pareto.svg, explore.json and, for
    each point of the front, pareto/<trial>/e3ne.yaml for `e3ne compile -c`.
    """
    load_board(board)
    from ..explore.missing import needed_packages

    with needed_packages():
        import distributed  # noqa: F401 (told before the data is read)
        import optuna  # noqa: F401
    from ..explore import Plan, objectives_of
    from ..explore import explore as search
    from ..explore.output import all_figures, write_all
    from ..explore.tools import Limits

    wishes = wishes_from(vary, per_layer, space)
    memory = options.pop("tool_memory")
    limits = Limits(options.pop("tool_timeout"), memory and int(memory * 1e9), options.pop("seeds"))
    plan = Plan(
        objectives_of(options.pop("objectives")),
        options.pop("measure"),
        limits,
        options.pop("sampler"),
        options.pop("seed"),
    )
    frames = load_frames(data)
    if frames.y is None:
        raise BadInput(
            f"{data}: found no labels, accepted x and y, one class a frame; accuracy needs them"
        )
    loaded = load(chosen if chosen.calibration else replace(chosen, calibration=data))
    output.mkdir(parents=True, exist_ok=True)
    with watched() as (watch, tell):
        found = search(
            *(loaded.model, frames.x, frames.y),
            storage=storage or f"sqlite:///{output / 'study.db'}",
            board=board,
            plan=plan,
            wishes=wishes,
            calibration=loaded.frames,
            config=loaded.settings,
            example_input=loaded.example,
            steps=chosen.steps,
            input_has_steps=loaded.input_has_steps,
            readout=chosen.readout,
            outputs=1 if chosen.outputs is None else chosen.outputs,
            title=chosen.model,
            watch=watch,
            progress=tell,
            **options,
        )
    write_all(found, output, compile_command(chosen, board, data))
    if as_json:
        print_json(all_figures(found))
        return
    print_front(found)
    stdout.print(f"results: {output}", markup=False, soft_wrap=True)


def wishes_from(vary: tuple[str, ...], per_layer: tuple[str, ...], space: Path | None) -> Wishes:
    """The restrictions of file and options; an option has the last word."""
    import yaml

    from ..explore import Wishes, read_space, wishes_of

    found = Wishes({}) if space is None else read_space(space)
    given: dict[str, Any] = {}
    for option in vary:
        name, mark, choices = option.partition("=")
        if not mark or not choices.strip():
            raise BadInput(
                f"--vary: found {option!r}, accepted a dial and its choices: weight_bits=2,3,4"
            )
        given[name.strip()] = [yaml.safe_load(choice) for choice in choices.split(",")]
    more = wishes_of({**given, "per_layer": list(per_layer)}, "--vary")
    kinds = tuple(dict.fromkeys((*found.per_layer, *more.per_layer)))
    return Wishes({**found.choices, **more.choices}, kinds)


def compile_command(chosen: ModelOptions, board: str, data: Path) -> str:
    """The `e3ne compile` that makes a design of the front, but for its -c and -o."""
    words = ["e3ne", "compile", chosen.model, "--board", board]
    words += ["--calibration", str(chosen.calibration or data)]
    for shape in chosen.input_shape:
        words += ["--input-shape", ",".join(map(str, shape))]
    if chosen.input_has_steps is not None:
        words.append("--input-has-steps" if chosen.input_has_steps else "--input-is-static")
    if chosen.outputs is not None:
        names = [chosen.outputs] if isinstance(chosen.outputs, int) else chosen.outputs
        words += ["--outputs", ",".join(map(str, names))]
    for name in ("weights", "dt", "reset", "convention"):
        if getattr(chosen, name) is not None:
            words += [f"--{name}", str(getattr(chosen, name))]
    return shlex.join(words)


@contextmanager
def watched() -> Iterator[tuple[Callable[[Counts], None], Callable[[str, int, int], None]]]:
    """Live progress on stderr; a line now and then where it is no terminal."""
    if not stderr.is_terminal:
        told: set[int] = set()

        def watch_plainly(counts: Counts) -> None:
            part = LINES * counts.finished // counts.wanted
            if part not in told:
                told.add(part)
                stderr.print(
                    f"trials {counts.finished}/{counts.wanted} ({counted(counts)})", markup=False
                )

        yield watch_plainly, lambda stage, done, total: None
        return
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()),
        *(Elapsed(), TextColumn("{task.fields[more]}", style="dim")),
    )
    with Progress(*columns, console=stderr, transient=True) as bars:
        trials = bars.add_task("trials", more="")
        stages: dict[str, Any] = {}

        def watch(counts: Counts) -> None:
            bars.update(
                trials, completed=counts.finished, total=counts.wanted, more=counted(counts)
            )

        def tell(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, more="")
            bars.update(stages[stage], completed=done, total=total or None)

        yield watch, tell


def counted(counts: Counts) -> str:
    """`2 running, 5 known, 3 do not fit, 1 failed`."""
    return (
        f"{counts.running} running, {counts.cached} known, {counts.infeasible} do not fit, "
        f"{counts.failed} failed"
    )


def print_front(found: Explored) -> None:
    """The front as a table, what was held still, and what went wrong."""
    from ..explore.output import front_rows

    names = found.plan.objectives
    dials = [dial.name for dial in found.space.dials]
    rows = [
        (
            row["trial"],
            *(row[name] for name in names),
            f"{row['held_out_accuracy']:.2f} +- {row['held_out_error']:.2f}",
            "yes" if row["confirmed"] else "beaten",
            *(str(row[dial]) for dial in dials),
        )
        for row in front_rows(found)
    ]
    print_table(("trial", *names, "held out %", "confirmed", *dials), rows)
    kind = {"predicted": "modelled", "synthesis": "after Yosys", "route": "after nextpnr"}
    counts = found.counts
    stdout.print(
        f"{counts.finished} trials ({counted(counts)}), {len(rows)} on the front; hardware "
        f"{kind[found.plan.measure]}; accuracy on {found.subject.search_frames} frames, held out "
        f"{len(found.subject.y) - found.subject.search_frames}",
        soft_wrap=True,
    )
    failed = [trial for trial in found.trials if not trial.figures and not trial.infeasible]
    for trial in failed[:3]:
        stdout.print(f"trial {trial.number} failed: {trial.message}", markup=False, soft_wrap=True)
