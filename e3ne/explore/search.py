"""The search: ask the study, evaluate on the crew, tell the study as answers come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..boards import Board
from ..config import config_as_dict
from ..ir import UnsupportedModel
from ..ir.errors import E3neError
from ..toolchain import ToolError, ToolFailed, versions
from .cache import Cache, Figures
from .crew import Answer, Crew, WorkerLost, shared
from .evaluate import Desk, Tree, times_us
from .keys import compiler_key, content_key
from .space import Space
from .study import Sampler, sampler_for
from .subject import Part, Subject
from .tools import DEFAULT_LIMITS, Limits, Measure, run_tools
from .trials import ask, finished, tell, tell_failure

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

LOST_IN_A_ROW = 3
"""Trials whose workers died, one after the other, that end a search."""

MORE_THAN_THREADS = 1
"""Trials that wait so that no worker does: while one answer is told, the next task runs."""


@dataclass(frozen=True)
class Plan:
    """How a search goes: objectives, what measures them, limits of the tools, sampler, seed."""

    objectives: tuple[str, ...]
    measure: Measure = "predicted"
    limits: Limits = DEFAULT_LIMITS
    sampler: Sampler = "tpe"
    seed: int = 0


@dataclass
class Counts:
    """How far a search is: finished trials, and among them."""

    finished: int = 0
    wanted: int = 0
    cached: int = 0
    infeasible: int = 0
    failed: int = 0
    running: int = 0


Tell = Callable[[Counts], None]


class Evaluations:
    """Figures of configurations, out of the cache or from the crew; every answer is kept.

    A task is (name, tree, part, figures so far): first the evaluation, then, where the plan
    measures by tools, their run as a task of its own.
    """

    def __init__(self, crew: Crew, cache: Cache, subject: Subject, plan: Plan) -> None:
        self.crew, self.cache, self.subject, self.plan = crew, cache, subject, plan
        self._share = f"e3ne-{content_key(subject.key, subject.data_keys)}"
        self._tool_versions = used_tools() if plan.measure != "predicted" else {}
        self._open: dict[Any, tuple[Tree, Part, str, Figures | None]] = {}

    def __enter__(self) -> Evaluations:
        self.crew.share(self._share, Desk(self.subject))
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.unshare(self._share)

    def begin(self, name: Any, tree: Tree, part: Part, measured: bool = True) -> Figures | None:
        """The figures where they are known; else the work begins and `next` will give them."""
        subject = self.subject
        key = content_key(
            *(compiler_key(), subject.key, subject.board, subject.data_keys[part], tree)
        )
        figures = self.cache.get(key)
        if figures is None:
            self._open[name] = (tree, part, key, None)
            self.crew.submit(name, _evaluate, self._share, dict(tree), part)
            return None
        return self._measure(name, tree, part, figures) if measured else figures

    def next(self) -> tuple[Any, Figures | Exception]:
        """(name, figures, or the error that a tool or a lost worker ended in) of a task."""
        while True:
            answer = self.crew.answer()
            tree, part, key, known = self._open.pop(answer.name)
            if answer.error is not None:
                return answer.name, _expected(answer)
            self.cache.put(key, answer.value)
            if known is not None:
                return answer.name, merged(known, answer.value)
            figures: Figures = answer.value
            whole = self._measure(answer.name, tree, part, figures) if part == "search" else figures
            if whole is not None:
                return answer.name, whole

    def _measure(self, name: Any, tree: Tree, part: Part, figures: Figures) -> Figures | None:
        """The figures with those of the tools; None where the tools have begun."""
        plan = self.plan
        if plan.measure == "predicted" or "infeasible" in figures:
            return figures
        seeds = plan.limits.seeds if plan.measure == "route" else 0
        key = content_key(
            *(compiler_key(), self._tool_versions, self.subject.board),
            *(figures["mapped"], plan.measure, seeds),
        )
        known = self.cache.get(key)
        if known is not None:
            return merged(figures, known)
        self._open[name] = (tree, part, key, figures)
        self.crew.submit(
            name, _run_tools, self._share, dict(tree), self.subject.board, plan.measure, plan.limits
        )
        return None


def search(
    study: optuna.Study, space: Space, work: Evaluations, wanted: int, progress: Tell
) -> Counts:
    """Tries configurations until the study has `wanted` finished trials; how far it is then.

    Each is kept as it finishes. ToolFailed where workers die again and again or the scheduler is
    lost.
    """
    from .study import owner

    who, plan, counts = owner(), work.plan, Counts(wanted=wanted)
    open_trials: dict[int, tuple[optuna.Trial, Tree]] = {}
    lost = 0
    count(counts, study)
    while counts.finished < wanted:
        most = work.crew.threads
        most += MORE_THAN_THREADS if most > 1 else 0
        while len(open_trials) < most and counts.finished + len(open_trials) < wanted:
            number = counts.finished + len(open_trials)
            study.sampler = sampler_for(plan.sampler, plan.seed, number)
            trial, values = ask(study, space, who)
            tree: Tree = config_as_dict(space.config(values))
            figures = work.begin(trial.number, tree, "search")
            if figures is not None:
                tell(study, trial, plan.objectives, tree, figures)
                counts.cached += 1
                count(counts, study)
            else:
                open_trials[trial.number] = (trial, tree)
            counts.running = len(open_trials)
            progress(counts)
        if not open_trials:
            continue
        number, found = work.next()
        trial, tree = open_trials.pop(number)
        if isinstance(found, Exception):
            tell_failure(study, trial, tree, str(found))
            lost = lost + 1 if isinstance(found, WorkerLost) else 0
        else:
            tell(study, trial, plan.objectives, tree, found)
            lost = 0
        counts.running = len(open_trials)
        count(counts, study)
        progress(counts)
        if lost == LOST_IN_A_ROW:
            raise ToolFailed(str(found))
    return counts


def count(counts: Counts, study: optuna.Study) -> None:
    """Brings the counts up to what the study holds, of whichever process."""
    trials = finished(study)
    counts.finished = len(trials)
    counts.infeasible = sum(trial.infeasible for trial in trials)
    counts.failed = sum(not trial.figures and not trial.infeasible for trial in trials)


def merged(figures: Mapping[str, Any], measured: Mapping[str, Any]) -> Figures:
    """Predicted figures with what tools found in their place; times by the routed clock."""
    if "infeasible" in measured:
        return dict(measured)
    found = {**figures, **measured}
    return found | times_us(found, found["clock_hz"])


def _expected(answer: Answer) -> Exception:
    """The error of a task, where it says something to a user; a defect is raised."""
    error = answer.error
    assert error is not None
    if isinstance(error, ToolError | E3neError | UnsupportedModel | MemoryError):
        return error
    raise error


def _evaluate(share: str, tree: dict[str, Any], part: Part) -> Figures:
    """On a worker: accuracy and prediction, of frames that only confirm accuracy alone."""
    desk: Desk = shared(share)
    return desk.evaluate(tree) if part == "search" else desk.judge(tree)


def _run_tools(
    share: str, tree: dict[str, Any], board: Board, measure: Measure, limits: Limits
) -> Figures:
    """On a worker: synthesis and routing."""
    desk: Desk = shared(share)
    return run_tools(desk.journey(tree).mapped, board, measure, limits)


def used_tools() -> dict[str, str]:
    """The versions of the tools whose figures count."""
    known = versions().items()
    return {name: version for name, version in known if name.startswith(("yosys", "nextpnr"))}


def held_out(
    work: Evaluations, trees: Mapping[int, Tree], progress: Callable[[int, int], None]
) -> dict[int, Figures]:
    """By trial: the figures on the frames that the search has not seen."""
    found: dict[int, Figures] = {}
    waiting: Sequence[int] = list(trees)
    for number in waiting:
        known = work.begin(number, trees[number], "held_out", measured=False)
        if known is not None:
            found[number] = known
    progress(len(found), len(trees))
    while len(found) < len(trees):
        number, figures = work.next()
        if isinstance(figures, Exception):
            raise figures
        found[number] = figures
        progress(len(found), len(trees))
    return found
