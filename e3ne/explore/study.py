"""The memory of a search: an Optuna study in a database, which a killed process leaves whole."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

from ..ir import BadInput
from ..toolchain import ToolFailed
from .keys import content_key
from .missing import needed_packages
from .objectives import directions
from .space import Space

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "nsga2", "random"]
SAMPLERS: tuple[Sampler, ...] = ("tpe", "nsga2", "random")
POPULATION = 24  # of NSGA-II

SQLITE = "sqlite:///"
OPTUNA_TABLES = {"studies", "trials", "version_info", "study_directions", "alembic_version"}
DRIVER_PACKAGES = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
}
"""What brings a module that SQLAlchemy looks for, where the names differ."""

OWNER = "owner"
SUBJECT = "subject"
RETRY_OF = "retry_of"


def open_study(
    storage: str, name: str, objectives: Sequence[str], subject: Mapping[str, Any]
) -> optuna.Study:
    """The study called `name`, new or as it was left; finished trials stay as they are.

    `subject` says what is explored, as plain values: another one under this name is refused.
    BadInput where the database is damaged or holds something else (it is not touched), where it
    cannot be reached, or the study is of something else.
    """
    with needed_packages():
        import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    check_file(storage)
    shown = _without_password(storage)
    with clear_storage_errors(storage):
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=directions(objectives),  # type: ignore[arg-type]
            load_if_exists=True,
            sampler=optuna.samplers.RandomSampler(),
        )
        known = study.user_attrs.get(SUBJECT)
        if known is None and study.get_trials(deepcopy=False):
            raise BadInput(
                f"{shown}: found a study {name!r} that e3ne has not made, accepted a new name; "
                "choose another --study"
            )
        if known is None:
            study.set_user_attr(SUBJECT, dict(subject))
    differing = [key for key in subject if known is not None and known.get(key) != subject[key]]
    if differing:
        raise BadInput(
            f"{shown}: found a study {name!r} with other {', '.join(differing)}, accepted the "
            "same as in the run that began it; choose another --study, or repeat its command"
        )
    return study


def check_file(storage: str) -> None:
    """BadInput where an SQLite file is damaged or of somebody else; it is opened to read only."""
    if not storage.startswith(SQLITE):
        return
    path = Path(unquote(storage.removeprefix(SQLITE).split("?")[0]))
    if not path.name or path.name == ":memory:":
        raise BadInput(
            f"--storage: found {storage!r}, accepted a file: sqlite:///explore.db; without one "
            "nothing could be resumed"
        )
    if path.is_dir() or not path.parent.is_dir():
        raise BadInput(f"--storage: found no place for a file at {path}, accepted a file's path")
    if not path.exists() or not path.stat().st_size:
        return
    advice = "accepted a database that Optuna made; name another --storage, or restore the file"
    journal = path.with_name(f"{path.name}-journal")
    mode = "rw" if journal.exists() or path.with_name(f"{path.name}-wal").exists() else "ro"
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
        try:
            faults = [str(row[0]) for row in connection.execute("PRAGMA quick_check(1)")]
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {str(row[0]) for row in names}
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise BadInput(f"{path}: found a damaged database ({error}), {advice}") from error
    if faults != ["ok"]:
        raise BadInput(f"{path}: found a damaged database ({faults[0]}), {advice}")
    if tables and not tables & OPTUNA_TABLES:
        raise BadInput(
            f"{path}: found a database of something else (tables {', '.join(sorted(tables)[:4])})"
            f", {advice}"
        )


@contextmanager
def clear_storage_errors(storage: str) -> Iterator[None]:
    """Turns what a database or its driver raises into BadInput or ToolFailed with advice."""
    import sqlalchemy.exc
    from optuna.exceptions import StorageInternalError

    shown = _without_password(storage)
    try:
        yield
    except ImportError as error:
        module = missing_module(error)
        package = DRIVER_PACKAGES.get(module, module)
        raise BadInput(
            f"--storage: found no Python package {module} for {shown}, accepted a database whose "
            f"driver is installed; pip install {package}, or leave --storage out: a file of SQLite "
            "needs no driver"
        ) from error
    except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError) as error:
        raise BadInput(
            f"--storage: found {shown!r} ({error}), accepted a database URL "
            "as Optuna takes it: sqlite:///explore.db, postgresql://user@host/name"
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
        cause = error.__cause__ or error
        said = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise ToolFailed(
            f"{shown}: found a database that does not work ({said}); what "
            "was finished is kept: mend it, or free disk space, and repeat the command"
        ) from error
    except RuntimeError as error:
        if "storage" not in str(error) and "version" not in str(error):
            raise
        raise BadInput(
            f"{shown}: found a database of another Optuna ({error}), accepted "
            "one of this version; run `optuna storage upgrade`, or name another --storage"
        ) from error


def missing_module(error: ImportError) -> str:
    """The module whose absence an error is about, or its cause (Optuna's own does not say)."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ImportError) and cause.name:
            return cause.name.split(".")[0]
        cause = cause.__cause__ or cause.__context__
    return "of its driver"


def sampler_for(kind: Sampler, seed: int, number: int) -> Any:
    """The sampler of trial `number`: its choices depend on the seed, the number and the history,
    so that a search that was killed goes on as if it had not been."""
    import optuna

    drawn = int(content_key(seed, number)[:8], 16)
    match kind:
        case "tpe":
            return optuna.samplers.TPESampler(seed=drawn, multivariate=True, constant_liar=True)
        case "nsga2":
            return optuna.samplers.NSGAIISampler(seed=drawn, population_size=POPULATION)
        case "random":
            return optuna.samplers.RandomSampler(seed=drawn)


def owner() -> dict[str, Any]:
    """Who runs a trial: this process on this host."""
    import psutil

    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": psutil.Process().create_time(),
    }


def is_gone(who: Mapping[str, Any] | None, take_over: bool) -> bool:
    """Has the process that ran a trial ended? Of another host only the user knows."""
    import psutil

    if who is None or take_over:
        return True
    if who["host"] != socket.gethostname():
        return False
    try:
        return bool(abs(psutil.Process(who["pid"]).create_time() - who["since"]) > 1.0)
    except psutil.NoSuchProcess:
        return True


def take_up_stale_trials(study: optuna.Study, take_over: bool) -> tuple[int, int]:
    """(trials of dead processes, which are failed and wait anew; those that others still run)."""
    from optuna.trial import TrialState

    stale = waiting = 0
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not is_gone(trial.user_attrs.get(OWNER), take_over):
            waiting += 1
            continue
        study.enqueue_trial(
            trial.params or trial.system_attrs.get("fixed_params", {}),
            user_attrs={RETRY_OF: trial.number},
        )
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        stale += 1
    return stale, waiting


def enqueue_starts(study: optuna.Study, space: Space) -> None:
    """The user's own configuration and the corners first; those that are there are left out."""
    for values in space.starts():
        study.enqueue_trial(values, skip_if_exists=True)


def _without_password(storage: str) -> str:
    scheme, mark, rest = storage.partition("://")
    login, at, place = rest.rpartition("@")
    return f"{scheme}{mark}{login.split(':')[0]}{at}{place}"
