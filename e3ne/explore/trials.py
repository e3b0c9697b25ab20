"""Trials as the study keeps them: what was tried, what was found, or why there is nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .objectives import Row, front, row_of, worst
from .space import Space, Values

if TYPE_CHECKING:
    import optuna

FIGURES, MESSAGE, TREE = "figures", "message", "config"
FITS = "fits"  # the constraint: 0 where there is a design, 1 where there is none


@dataclass(frozen=True)
class Trial:
    """A finished trial. `figures` is empty, and `message` says why, where there is no design:
    it does not fit (`infeasible`), or a tool or a worker failed."""

    number: int
    values: Values
    tree: Mapping[str, Any]
    figures: Mapping[str, Any]
    message: str = ""
    infeasible: bool = False


def ask(study: optuna.Study, space: Space, who: Mapping[str, Any]) -> tuple[optuna.Trial, Values]:
    """The next trial and its choices; it belongs to the process `who` until it is told."""
    from .study import OWNER

    trial = study.ask()
    trial.set_user_attr(OWNER, dict(who))
    values: Values = {
        dial.name: trial.suggest_categorical(dial.name, list(dial.choices)) for dial in space.dials
    }
    return trial, values


def tell(
    study: optuna.Study,
    trial: optuna.Trial,
    objectives: Sequence[str],
    tree: Mapping[str, Any],
    figures: Mapping[str, Any],
) -> None:
    """Keeps what was found for a trial, at once: `infeasible` figures count as the worst."""
    trial.set_user_attr(TREE, dict(tree))
    infeasible = "infeasible" in figures
    if infeasible:
        trial.set_user_attr(MESSAGE, "; ".join(figures["infeasible"]))
    else:
        trial.set_user_attr(FIGURES, dict(figures))
    trial.set_constraint(FITS, 1.0 if infeasible else 0.0)
    row = worst(objectives) if infeasible else row_of(objectives, figures)
    study.tell(trial, row)


def tell_failure(
    study: optuna.Study, trial: optuna.Trial, tree: Mapping[str, Any], message: str
) -> None:
    """Keeps that a tool or a worker failed: the trial counts, and is not tried again."""
    from optuna.trial import TrialState

    trial.set_user_attr(TREE, dict(tree))
    trial.set_user_attr(MESSAGE, message)
    study.tell(trial, state=TrialState.FAIL)


def finished(study: optuna.Study) -> list[Trial]:
    """Every finished trial, by number; those that a killed process left do not count.

    It may have been killed after it had noted what it found, before it had told the study.
    """
    from optuna.trial import TrialState

    from .study import RETRY_OF

    trials = study.get_trials(deepcopy=False)
    left = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    found = []
    for trial in trials:
        known = trial.user_attrs
        ended = trial.state in (TrialState.COMPLETE, TrialState.FAIL)
        if not ended or trial.number in left or not {FIGURES, MESSAGE} & known.keys():
            continue
        found.append(
            Trial(
                trial.number,
                dict(trial.params),
                known[TREE],
                known.get(FIGURES, {}) if trial.state is TrialState.COMPLETE else {},
                known.get(MESSAGE, ""),
                trial.state is TrialState.COMPLETE and MESSAGE in known,
            )
        )
    return found


def front_of(trials: Sequence[Trial], objectives: Sequence[str]) -> list[Trial]:
    """The trials that no other one beats, the most accurate (or else the first objective) first."""
    built = [trial for trial in trials if trial.figures]
    rows: list[Row] = [row_of(objectives, trial.figures) for trial in built]
    return [
        built[place]
        for place in sorted(front(objectives, rows), key=lambda place: (-rows[place][0], place))
    ]
