"""Joint search over codes, precisions and mappings of one network, for one board."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..boards import Board, load_board
from ..config import Config
from ..ir import Array, BadInput, DoesNotFit, E3neError, Graph
from ..ir.user_arrays import UserArrays, input_arrays
from ..lower.choose_precision import HELD_OUT
from ..progress import Tell, tell_nobody
from ..toolchain.nextpnr import PLACED
from .cache import Cache, Figures, default_folder
from .crew import open_crew
from .dials import Wishes, read_space, space_of, wishes_of
from .keys import content_key
from .missing import needed_packages
from .objectives import USUAL, dominates, front, objectives_of, row_of
from .search import Counts, Evaluations, Plan, held_out, search
from .space import Space
from .study import (
    clear_storage_errors,
    enqueue_starts,
    open_study,
    take_up_stale_trials,
)
from .subject import Subject
from .tools import Limits
from .trials import Trial, finished, front_of

__all__ = [
    "Counts",
    "Explored",
    "Limits",
    "Plan",
    "Point",
    "Wishes",
    "explore",
    "front",
    "objectives_of",
    "read_space",
    "wishes_of",
]

log = logging.getLogger(__name__)

LEAST_FRAMES = 20
Watch = Callable[[Counts], None]


@dataclass(frozen=True)
class Point:
    """A trial of the Pareto front. `held_out` are its figures on the frames that the search has
    not seen; `confirmed`: no other point of the front beats it there."""

    trial: Trial
    held_out: Figures
    confirmed: bool


@dataclass(frozen=True)
class Explored:
    """The front of a search, most accurate first, and every finished trial by number."""

    front: tuple[Point, ...]
    trials: tuple[Trial, ...]
    counts: Counts
    plan: Plan
    space: Space
    subject: Subject


def explore(
    model: Any,
    x: UserArrays,
    y: Array,
    *,
    trials: int,
    storage: str,
    study: str = "explore",
    board: str | Board = "ulx3s-85f",
    plan: Plan | None = None,
    wishes: Wishes | None = None,
    jobs: int = 2,
    scheduler: str | None = None,
    cache: str | Path | None = None,
    take_over: bool = False,
    part_held_out: float = HELD_OUT,
    calibration: UserArrays | None = None,
    config: Any = None,
    example_input: Any = None,
    steps: int | None = None,
    input_has_steps: bool = False,
    readout: Any = None,
    outputs: Any = 1,
    title: str = "network",
    watch: Watch | None = None,
    progress: Tell = tell_nobody,
) -> Explored:
    """Searches the Pareto front of `model` on `board`: `trials` trials in all in the study.

    Frames `x` with labels `y` judge (`part_held_out` of them, the last, only confirm the front);
    `model`, `calibration` (default: `x`), `config`, `steps`, `readout` and `outputs` as of
    `e3ne.compile`. `storage` is a database URL as Optuna takes it; a study that is there goes on.
    `jobs` Dask workers run on this machine, or those of `scheduler` (`tcp://host:port`); then the
    caller must be guarded by `if __name__ == "__main__"`. `cache` is a folder of results by
    content. `take_over` also fails trials that processes on other hosts have not finished.
    Raises BadInput, UnsupportedModel, DoesNotFit (where no trial fits) and ToolError.
    """
    with needed_packages():
        import distributed  # noqa: F401 (told before work begins)
        import optuna  # noqa: F401
    plan = plan or Plan(objectives_of(USUAL))
    check_measure(plan, board if isinstance(board, Board) else load_board(board))
    subject, space = prepare(
        *(model, x, y, board, wishes or Wishes({}), part_held_out, calibration, config),
        *(example_input, steps, input_has_steps, readout, outputs, title),
    )
    kept = open_study(storage, study, plan.objectives, described(subject, space, plan))
    with clear_storage_errors(storage):
        stale, others = take_up_stale_trials(kept, take_over)
        if stale:
            log.warning(
                "%s: %d unfinished trials of an ended process are tried again", study, stale
            )
        if others:
            log.warning(
                "%s: %d trials are another process's, which runs or ran on another host; "
                "--take-over tries them again",
                study,
                others,
            )
        enqueue_starts(kept, space)
    with (
        open_crew(jobs, scheduler) as workers,
        Evaluations(workers, Cache(Path(cache or default_folder())), subject, plan) as work,
        clear_storage_errors(storage),
    ):
        counts = search(kept, space, work, trials, watch or (lambda counts: None))
        done = finished(kept)
        best = front_of(done, plan.objectives)
        if not best:
            raise DoesNotFit(nothing_found(done))
        trees = {trial.number: trial.tree for trial in best}
        seen = held_out(work, trees, lambda n, total: progress("held out frames", n, total))
    return Explored(confirmed(best, seen, plan), tuple(done), counts, plan, space, subject)


def check_measure(plan: Plan, board: Board) -> None:
    """BadInput where the plan wants routed figures of a part that no packaged tool routes."""
    if plan.measure == "route" and board.family not in PLACED:
        raise BadInput(
            f"--measure route: found board {board.name}, whose family {board.family} no packaged "
            f"tool routes, accepted boards of {', '.join(PLACED)}; use --measure synthesis"
        )


def prepare(
    model: Any,
    x: UserArrays,
    y: Array,
    board: str | Board,
    wishes: Wishes,
    part_held_out: float,
    calibration: UserArrays | None,
    config: Any,
    example_input: Any,
    steps: int | None,
    input_has_steps: bool,
    readout: Any,
    outputs: Any,
    title: str,
) -> tuple[Subject, Space]:
    """Everything that is checked and traced once."""
    from ..check import checked_labels
    from ..compile import read_config
    from ..data import checked_frames
    from ..trace_frames import example_of

    settings = read_config(config)
    settings = replace(settings, steps=settings.steps if steps is None else steps)
    if isinstance(readout, str):
        settings, readout = replace(settings, readout=readout), None
    if y is None:
        raise BadInput("data: found no labels, accepted y, one class a frame; accuracy needs them")
    frames = checked_frames("data", x, np.asarray(y))
    assert frames.y is not None
    count = len(frames.y)
    judged = count - round(count * part_held_out)
    if not 0 < part_held_out < 1 or judged < LEAST_FRAMES or count == judged:
        raise BadInput(
            f"data: found {count} labelled frames, {count - judged} of them held out, accepted "
            f"{LEAST_FRAMES} or more for the search and some held out; give more frames"
        )
    ranges = frames.x if calibration is None else calibration
    example = example_input
    if example is None:
        example = example_of(ranges, input_has_steps, settings)

    def traced(chosen: Config) -> Graph:
        from ..compile import trace_model

        graph = trace_model(model, example, input_has_steps, chosen, readout, outputs)
        return replace(graph, streaming=graph.streaming or settings.streaming)

    first = traced(settings)
    y = checked_labels(first, frames.y)
    arrays = input_arrays("data", first.inputs, frames.x)
    calibrated = input_arrays("calibration", first.inputs, ranges)
    flexible = not isinstance(model, Graph)
    space = space_of(first, settings, calibrated, wishes, flexible)
    graphs, space = in_other_steps(first, space, settings, traced)
    found = board if isinstance(board, Board) else load_board(board)
    return Subject(title, graphs, arrays, y, calibrated, found, judged), space


def in_other_steps(
    first: Graph, space: Space, settings: Config, traced: Callable[[Config], Graph]
) -> tuple[dict[int | None, Graph], Space]:
    """The network in each number of steps of the space, which loses those it cannot have."""
    graphs: dict[int | None, Graph] = {settings.steps: first, space.base.steps: first}
    dials = []
    for dial in space.dials:
        choices = list(dial.choices)
        for choice in dial.choices:
            if dial.name == "code":
                name, _, count = str(choice).partition(" ")
                if name == "rate":
                    graphs[int(count)] = first
            elif dial.name == "steps" and choice not in graphs:
                wanted = int(choice or 0)
                try:
                    graphs[wanted] = traced(replace(settings, steps=wanted))
                except E3neError as error:
                    log.info("steps %d: left out: %s", wanted, error)
                    choices.remove(choice)
        dials.append(replace(dial, choices=tuple(choices)))
    return graphs, replace(space, dials=tuple(dials))


def described(subject: Subject, space: Space, plan: Plan) -> dict[str, Any]:
    """What a study is of, as plain values: a study goes on only where all of it is the same."""
    return {
        "network and calibration": subject.key,
        "data": content_key(subject.data_keys),
        "board": f"{subject.board.name} {content_key(subject.board)[:8]}",
        "objectives": list(plan.objectives),
        "measure": plan.measure,
        "space": space.figures(),
        "configuration": content_key(space.base),
    }


def nothing_found(trials: Sequence[Trial]) -> list[str]:
    """Why no trial gave a design: each reason once, with how often."""
    reasons: dict[str, int] = {}
    for trial in trials:
        reasons[trial.message] = reasons.get(trial.message, 0) + 1
    most = sorted(reasons.items(), key=lambda item: -item[1])[:3]
    return [
        f"explore: found no design in {len(trials)} trials, accepted one or more; {times} "
        f"times: {reason}"
        for reason, times in most
    ]


def confirmed(best: Sequence[Trial], seen: Mapping[int, Figures], plan: Plan) -> tuple[Point, ...]:
    """The front with its held out figures beside it."""
    rows = [
        row_of(plan.objectives, {**t.figures, "accuracy": seen[t.number]["accuracy"]}) for t in best
    ]
    return tuple(
        Point(
            trial,
            seen[trial.number],
            not any(dominates(plan.objectives, other, row) for other in rows),
        )
        for trial, row in zip(best, rows, strict=True)
    )
