"""The search of `e3ne explore` on a small network, with workers inside the test."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import e3ne
from e3ne.config import load_config
from e3ne.explore import Counts, Explored, Plan, explore, wishes_of
from e3ne.explore.output import CSV_FILE, JSON_FILE, SVG_FILE, front_rows, write_all
from e3ne.ir import BadInput, DoesNotFit
from e3ne.toolchain import ToolFailed, ToolMissing
from tests.unit.explore_cases import (
    OBJECTIVES,
    cluster_here,
    quick_evaluate,
    relu_network,
    small,
)

search_module = importlib.import_module("e3ne.explore.search")
crew_module = importlib.import_module("e3ne.explore.crew")
TRIALS = 5


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster_here() as found:
        yield found


def run(tmp_path: Path, address: str, trials: int, **changes: Any) -> Explored:
    """A search whose database and cache are in `tmp_path`."""
    arguments = {
        "storage": f"sqlite:///{tmp_path}/study.db",
        "cache": tmp_path / "cache",
        "scheduler": address,
        "trials": trials,
    }
    return explore(**small(**{**arguments, **changes}))


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations take no time: what is tested is the search."""
    monkeypatch.setattr(search_module, "_evaluate", quick_evaluate)


@pytest.fixture(scope="module")
def explored(address: str, tmp_path_factory: pytest.TempPathFactory) -> Explored:
    return run(tmp_path_factory.mktemp("explored"), address, TRIALS)


def test_the_front_is_that_of_all_trials(explored: Explored) -> None:
    assert [trial.number for trial in explored.trials] == list(range(TRIALS))
    assert explored.counts.finished == TRIALS
    best = [point.trial.figures["accuracy"] for point in explored.front]
    assert best == sorted(best, reverse=True)
    for point in explored.front:
        assert point.held_out["frames"] == 20
        assert point.trial.figures["frames"] == 60
        for trial in explored.trials:
            better = [
                trial.figures["accuracy"] > point.trial.figures["accuracy"],
                trial.figures["latency_us"] < point.trial.figures["latency_us"],
                trial.figures["luts"] < point.trial.figures["luts"],
            ]
            assert not all(better)


def test_a_point_compiles_to_what_was_predicted(explored: Explored, tmp_path: Path) -> None:
    """`e3ne compile -c` makes the very network: cycles, resources and classes."""
    write_all(explored, tmp_path, "e3ne compile net")
    arguments = small()
    for point in explored.front:
        config = tmp_path / "pareto" / str(point.trial.number) / "e3ne.yaml"
        hardware = e3ne.compile(
            relu_network(),
            calibration=arguments["x"],
            board="ulx3s-85f",
            config=load_config(config),
            output=tmp_path / "build" / str(point.trial.number),
        )
        figures, report = point.trial.figures, hardware.figures()
        assert report["cycles"]["predicted_latency"] == figures["latency_cycles"]
        assert report["cycles"]["predicted_interval"] == figures["interval_cycles"]
        for name, used in report["resources"]["predicted"].items():
            assert figures[name] == used
        classes = hardware.reference(arguments["x"]).classes
        right = classes == arguments["y"]
        assert 100 * right[:60].mean() == figures["accuracy"]
        assert 100 * right[60:].mean() == point.held_out["accuracy"]


def test_what_is_written(explored: Explored, tmp_path: Path) -> None:
    (tmp_path / "pareto" / "9999").mkdir(parents=True)
    (tmp_path / "pareto" / "9999" / "e3ne.yaml").write_text("old")
    (tmp_path / "pareto" / "9998" / "build").mkdir(parents=True)
    (tmp_path / "pareto" / "9998" / "e3ne.yaml").write_text("old")
    write_all(explored, tmp_path, "e3ne compile net --board b")
    lines = (tmp_path / CSV_FILE).read_text().splitlines()
    assert lines[0].startswith("trial,accuracy,latency_us,luts,held_out_accuracy")
    assert len(lines) == 1 + len(explored.front)
    found = json.loads((tmp_path / JSON_FILE).read_text())
    assert found["front"] == json.loads(json.dumps(front_rows(explored)))
    assert len(found["trials"]) == TRIALS
    assert (tmp_path / SVG_FILE).read_text().startswith("<svg")
    number = str(explored.front[0].trial.number)
    text = (tmp_path / "pareto" / number / "e3ne.yaml").read_text()
    assert "# e3ne compile net --board b -c " in text
    assert not (tmp_path / "pareto" / "9999").exists()
    assert (tmp_path / "pareto" / "9998" / "build").is_dir()  # what a user built there stays
    assert not (tmp_path / "pareto" / "9998" / "e3ne.yaml").exists()


@pytest.mark.usefixtures("quickly")
def test_one_worker_and_one_seed_suggest_the_same_also_in_two_runs(
    address: str, tmp_path: Path
) -> None:
    whole = run(tmp_path, address, 20, cache=tmp_path / "one")
    run(tmp_path, address, 13, study="two", cache=tmp_path / "two")
    again = run(tmp_path, address, 20, study="two", cache=tmp_path / "two")
    assert [t.values for t in again.trials] == [t.values for t in whole.trials]
    assert [t.figures for t in again.trials] == [t.figures for t in whole.trials]
    other = run(tmp_path, address, 20, study="other", plan=Plan(OBJECTIVES, seed=4))
    assert [t.values for t in other.trials] != [t.values for t in whole.trials]


@pytest.mark.usefixtures("quickly")
def test_nothing_is_evaluated_twice(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(tmp_path, address, 8)

    def never(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(search_module, "_evaluate", never)
    again = run(tmp_path, address, 8, study="second")
    assert again.counts.cached == 8
    assert [t.figures for t in again.trials] == [t.figures for t in first.trials]


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("sampler", ["nsga2", "random"])
def test_other_samplers(sampler: Any, address: str, tmp_path: Path) -> None:
    plan = Plan(("accuracy", "luts"), sampler=sampler)
    assert run(tmp_path, address, 12, plan=plan).counts.finished == 12


STILL = {"code": "radix", "target": "area", "weight_bits": 4, "edge_bits": 4, "input_bits": 8}


def test_designs_that_do_not_fit_are_trials(address: str, tmp_path: Path) -> None:
    wishes = wishes_of(STILL | {"utilisation": [0.01, 0.5]})
    found = run(tmp_path, address, 2, board="icebreaker", wishes=wishes)
    unfit = [trial for trial in found.trials if trial.infeasible]
    assert unfit
    assert found.counts.infeasible == len(unfit)
    assert "icebreaker" in unfit[0].message
    assert all(point.trial.values["utilisation"] == 0.5 for point in found.front)


def test_nothing_fits(address: str, tmp_path: Path) -> None:
    wishes = wishes_of(STILL | {"utilisation": 0.01})
    with pytest.raises(DoesNotFit, match="found no design in 1 trials, accepted one or more; "):
        run(tmp_path, address, 1, board="icebreaker", wishes=wishes)


@pytest.mark.usefixtures("quickly")
def test_a_study_of_something_else_is_refused(address: str, tmp_path: Path) -> None:
    run(tmp_path, address, 2)
    with pytest.raises(BadInput, match="study 'explore' with other board"):
        run(tmp_path, address, 3, board="icebreaker")
    plan = Plan(("accuracy", "luts"))
    with pytest.raises(BadInput, match="with other objectives, accepted the same"):
        run(tmp_path, address, 3, plan=plan)


@pytest.mark.usefixtures("quickly")
def test_a_study_of_somebody_else_is_refused(address: str, tmp_path: Path) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(
        storage=storage, study_name="explore", directions=["maximize", "minimize", "minimize"]
    )
    study.tell(study.ask(), [1, 2, 3])
    with pytest.raises(BadInput, match="that e3ne has not made"):
        run(tmp_path, address, 3)


@pytest.mark.usefixtures("quickly")
def test_trials_of_a_dead_process_are_tried_again(
    address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import optuna

    run(tmp_path, address, 4)
    study = optuna.load_study(study_name="explore", storage=f"sqlite:///{tmp_path}/study.db")
    dead, elsewhere = study.ask(), study.ask()
    dead.set_user_attr("owner", {"host": __import__("socket").gethostname(), "pid": 1, "since": 0})
    for name in ("config", "figures"):  # it was killed before it told the study
        dead.set_user_attr(name, {})
    elsewhere.set_user_attr("owner", {"host": "elsewhere", "pid": 1, "since": 0})
    with caplog.at_level(logging.WARNING):
        found = run(tmp_path, address, 6)
    assert "1 unfinished trials of an ended process are tried again" in caplog.text
    assert "1 trials are another process's" in caplog.text
    assert (found.counts.finished, found.counts.failed) == (6, 0)
    states = [trial.state.name for trial in study.get_trials()]
    assert states[4] == "FAIL"
    assert states[5] == "RUNNING"
    run(tmp_path, address, 7, take_over=True)
    assert study.get_trials()[5].state.name == "FAIL"


BEGUN: list[object] = []


def fail_first(*arguments: Any) -> dict[str, Any]:
    """Stands in for synthesis on a worker; a function of a module, so that it is not copied."""
    BEGUN.append(arguments)
    if len(BEGUN) == 1:
        raise ToolFailed("yosys: found no end")
    return {"luts": 7, "ffs": 5, "brams": 0, "dsps": 0}


@pytest.mark.usefixtures("quickly")
def test_failures_of_tools_are_told_and_kept(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BEGUN.clear()
    monkeypatch.setattr(search_module, "_run_tools", fail_first)
    plan = Plan(OBJECTIVES, measure="synthesis")
    found = run(tmp_path, address, 5, plan=plan)
    assert found.counts.failed == 1
    assert found.trials[0].message == "yosys: found no end"
    assert {t.figures["luts"] for t in found.trials[1:]} == {7}
    mapped = {t.figures["mapped"] for t in found.trials[1:]}
    assert len(BEGUN) <= 1 + len(mapped | {"first"})  # one network, one synthesis


def test_workers_that_die_one_after_the_other_end_the_search(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*arguments: object) -> None:
        raise crew_module.WorkerLost("explore: found that every worker died")

    monkeypatch.setattr(search_module, "_evaluate", die)
    with pytest.raises(ToolFailed, match="every worker died"):
        run(tmp_path, address, 9)
    monkeypatch.setattr(search_module, "_evaluate", quick_evaluate)
    assert run(tmp_path, address, 5).counts.failed == 3


def test_a_defect_is_no_trial(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(search_module, "_evaluate", defect)
    with pytest.raises(ZeroDivisionError):
        run(tmp_path, address, 2)


@pytest.mark.usefixtures("quickly")
def test_progress_is_told(address: str, tmp_path: Path) -> None:
    told: list[Counts] = []
    run(tmp_path, address, 4, watch=lambda counts: told.append(Counts(**vars(counts))))
    assert [counts.finished for counts in told] == sorted(counts.finished for counts in told)
    assert told[-1].finished == told[-1].wanted == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": None}, "found no labels"),
        ({"part_held_out": 0.0}, "found 80 labelled frames, 0 of them held out"),
        ({"part_held_out": 0.9}, "found 80 labelled frames, 72 of them held out"),
        ({"board": "ulx3s"}, "board: found 'ulx3s'"),
        ({"storage": "mydb://x/y"}, "found 'mydb://x/y'"),
        ({"storage": "sqlite:///"}, "nothing could be resumed"),
        ({"scheduler": "nonsense"}, "found 'nonsense'.*accepted an address like"),
        (
            {"board": "arty-a7-35t", "plan": Plan(OBJECTIVES, measure="route")},
            "--measure route: found board arty-a7-35t, whose family xilinx7 no packaged tool "
            "routes, accepted boards of .*ecp5.*; use --measure synthesis",
        ),
    ],
)
def test_bad_input(changes: dict[str, Any], message: str, address: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=message):
        run(tmp_path, address, 2, **changes)


@pytest.mark.parametrize(
    ("driver", "package"), [("psycopg2", "psycopg2-binary"), ("pymysql", "pymysql")]
)
def test_a_database_without_its_driver(
    driver: str, package: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, driver, None)
    dialect = {"psycopg2": "postgresql", "pymysql": "mysql"}[driver]
    storage = f"{dialect}+{driver}://me:secret@localhost/studies"
    with pytest.raises(BadInput) as error:
        run(tmp_path, address, 2, storage=storage)
    shown = storage.replace(":secret", "")
    assert str(error.value) == (
        f"--storage: found no Python package {driver} for {shown}, accepted a database whose "
        f"driver is installed; pip install {package}, or leave --storage out: a file of SQLite "
        "needs no driver"
    )


def test_a_scheduler_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "CONNECT_S", 0.5)
    with pytest.raises(ToolFailed, match="found no scheduler that answers"):
        run(tmp_path, "tcp://127.0.0.1:1", 2)


def test_missing_packages_are_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ToolMissing, match=r"found no package optuna.*pip install 'e3ne\[explore\]'"
    ):
        run(tmp_path, address, 2)


def test_the_rest_of_e3ne_needs_neither_optuna_nor_dask() -> None:
    import subprocess

    code = (
        "import sys; sys.modules.update(dict.fromkeys(('optuna', 'distributed', 'dask', 'psutil')))"
        "; import e3ne, e3ne.cli.commands, e3ne.explore, e3ne.hardware"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
