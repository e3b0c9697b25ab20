"""Targets and budgets: what is accepted, what is reached, what each refusal says."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.lut_cases import LEAKY, integers
from e3ne.boards import load_board
from e3ne.cli import main
from e3ne.config import Config, MappingConfig, budget_of, config_as_dict, parse_config
from e3ne.cost import energy, predict
from e3ne.ir import (
    BadInput,
    DoesNotFit,
    Engine,
    Graph,
    Input,
    Linear,
    Node,
    Output,
    Readout,
    SpikeType,
    Stage,
    Synapse,
    verify,
)
from e3ne.optimize import choose_mapping, designs
from e3ne.optimize.choose_mapping import typical_first
from e3ne.optimize.limits import limits_of
from e3ne.optimize.targets import FEW_INTERVALS, few
from e3ne.reference import run

LARGE, SMALL = load_board("ulx3s-85f"), load_board("ice40-hx8k")


def network(steps: int = 4, inputs: int = 24, hidden: int = 16) -> Graph:
    """Two layers of Leaky neurons."""
    types = [SpikeType((size,), steps, 1) for size in (inputs, hidden, 10)]
    nodes = [
        Node(name, (Synapse(Linear(integers((out, source), 4)), before),), LEAKY, type)
        for name, before, source, out, type in (
            ("hidden", "input", inputs, hidden, types[1]),
            ("classes", "hidden", hidden, 10, types[2]),
        )
    ]
    output = Output("classes", Readout.COUNT)
    return verify(Graph(Stage.INTEGER, (Input("input", types[0]),), tuple(nodes), (output,)))


def chosen(target: str = "throughput", **budget: float | str):
    config = Config(target=target, budget=budget, window=4, input_lanes=8)  # type: ignore[arg-type]
    return choose_mapping(network(), LARGE, config)


def test_a_budget_is_read_and_comes_back() -> None:
    config = parse_config({"target": "latency", "budget": {"luts": "50%", "latency_us": 1.5}})
    assert config.target == "latency"
    assert config.budget == {"luts": "50%", "latency_us": 1.5}
    assert parse_config(config_as_dict(config)) == config
    assert parse_config({"budget": None}) == Config()


def test_options_say_the_same() -> None:
    assert budget_of(["luts<=50%", "brams <= 18", "latency_us<=1.5", "ffs<=12,000"]) == {
        "luts": "50%",
        "brams": 18,
        "latency_us": 1.5,
        "ffs": 12000,
    }


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"lut": 5}, "config.budget.lut: found an unknown resource, accepted luts (the nearest)"),
        (
            {"luts": "120%"},
            "found '120%', accepted a number > 0 or a share of the board's, \"0.1%\"",
        ),
        ({"luts": 0}, "config.budget.luts: found 0, accepted a number > 0"),
        ({"luts": -3}, "config.budget.luts: found -3, accepted a number > 0"),
        ({"luts": "0%"}, "config.budget.luts: found '0%', accepted a number > 0"),
        ({"luts": True}, "config.budget.luts: found True, accepted a number > 0"),
        ({"luts": 2.5}, "it is counted in whole ones"),
        ({"luts": "many"}, "config.budget.luts: found 'many', accepted a number > 0"),
        ({"brams": -1}, "config.budget.brams: found -1, accepted a number >= 0"),
        ({"latency_us": "50%"}, "config.budget.latency_us: found '50%', accepted a number > 0"),
        ({"latency_cycles": float("nan")}, "config.budget.latency_cycles: found nan, accepted"),
        ([], "config.budget: found list, accepted a mapping, {luts: 50%}"),
    ],
)
def test_limits_that_none_can_have_are_refused(budget, words) -> None:
    with pytest.raises(BadInput) as error:
        parse_config({"budget": budget})
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("luts<50%", "--budget: found 'luts<50%', accepted a name, <= and a limit: 'luts<=50%'"),
        ("luts=50%", "--budget: found 'luts=50%', accepted a name, <= and a limit"),
        ("luts", "--budget: found 'luts', accepted a name, <= and a limit"),
        ("slices<=4", "--budget slices: found an unknown resource, accepted luts"),
        ("luts<=150%", "--budget luts: found '150%', accepted a number > 0 or a share"),
    ],
)
def test_options_that_cannot_be_read_are_refused(option, words) -> None:
    with pytest.raises(BadInput) as error:
        budget_of([option])
    assert words in str(error.value)


def test_one_limit_a_name() -> None:
    with pytest.raises(BadInput, match=r"found luts<=50% and luts<=9, accepted one limit"):
        budget_of(["luts<=50%", "luts<=9"])


def test_the_command_line_refuses_before_any_work() -> None:
    ran = CliRunner().invoke(
        main, ["compile", "nothing.py:net", "-o", "out", "--budget", "luts<50%"]
    )
    assert ran.exit_code != 0
    assert "accepted a name, <= and a limit" in ran.output + str(ran.exception)
    ran = CliRunner().invoke(main, ["compile", "nothing.py:net", "-o", "out", "--target", "speed"])
    assert ran.exit_code == 2


def test_limits_of_a_board() -> None:
    limits = limits_of(LARGE, Config(budget={"brams": "50%", "latency_us": 2, "ffs": 10**9}))
    assert limits.luts == int(0.6 * LARGE.resources.luts)
    assert limits.brams == LARGE.resources.brams // 2
    assert limits.ffs == LARGE.resources.ffs
    assert limits.latency_cycles == int(2e-6 * LARGE.clock_hz)
    assert limits_of(LARGE, Config(budget={"luts": "80%"})).luts == int(0.8 * LARGE.resources.luts)


def test_multipliers_of_a_board_without_any_are_refused() -> None:
    with pytest.raises(BadInput, match=r"budget\.dsps: found 4, accepted 0: board ice40-hx8k has"):
        limits_of(SMALL, Config(budget={"dsps": 4}))
    assert limits_of(SMALL, Config(budget={"dsps": 0})).dsps == 0


def test_less_than_a_cycle_is_refused() -> None:
    with pytest.raises(BadInput, match="accepted at least one cycle of the board's clock"):
        limits_of(LARGE, Config(budget={"latency_us": 0.001}))


def test_each_target_is_best_at_its_own() -> None:
    found = {
        target: predict(chosen(target, luts=6000), exact=False)
        for target in ("throughput", "latency", "area")
    }
    assert found["latency"].latency_cycles == min(x.latency_cycles for x in found.values())
    assert found["throughput"].interval_cycles == min(x.interval_cycles for x in found.values())
    assert found["area"].luts == min(x.luts for x in found.values())
    assert found["area"].luts < 0.7 * found["latency"].luts


def test_the_least_energy_is_found() -> None:
    least, fast = (energy(chosen(target), LARGE).nominal_nj for target in ("energy", "latency"))
    assert least <= fast
    assert energy(chosen("area", energy_nj=1.05 * least), LARGE).nominal_nj <= 1.1 * least


def test_budgets_are_kept() -> None:
    found = predict(chosen("latency", luts=4000, brams=0, ffs=4000), exact=False)
    assert found.luts <= 4000
    assert found.ffs <= 4000
    assert found.brams == 0
    small = predict(chosen("area", latency_cycles=120), exact=False)
    assert small.latency_cycles <= 120
    assert small.luts < predict(chosen("latency"), exact=False).luts
    fast = predict(chosen("throughput", latency_cycles=90), exact=False)
    assert fast.latency_cycles <= 90


def test_a_frame_that_comes_in_slower_contradicts_the_budget() -> None:
    with pytest.raises(BadInput) as error:
        choose_mapping(
            network(inputs=512), LARGE, Config(budget={"latency_cycles": 3, "interval_us": 0.03})
        )
    message = str(error.value)
    assert "config.budget.latency_cycles: found 3 cycles, accepted at least " in message
    assert "config.budget.interval_us: found " in message
    assert "a frame takes as many at the ports" in message


def test_a_figure_that_no_layout_reaches_names_the_best_and_the_layer() -> None:
    with pytest.raises(DoesNotFit) as error:
        chosen("area", latency_cycles=13)
    message = str(error.value)
    assert "config.budget.latency_cycles: found 13, accepted at least " in message
    assert "that is the best layout found on ulx3s-85f, and " in message
    assert "hidden limits it (" in message or "classes limits it (" in message
    with pytest.raises(DoesNotFit, match=r"config.budget.latency_us: found 13 cycles, accepted at"):
        chosen("latency", latency_us=0.13)


def test_the_best_figure_there_is_may_be_asked_for() -> None:
    """What the search judges is what is built: no queue behind an input that takes two cycles."""
    free = chosen("latency")
    best = predict(free).latency_cycles
    assert predict(chosen("latency", latency_cycles=best)).latency_cycles == best
    assert all(source.queue_words == 0 for source in free.inputs)


def test_a_figure_that_only_the_schedule_keeps_names_the_exact_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    best = predict(chosen("latency")).latency_cycles

    def later(*arguments, exact=True):
        found = predict(*arguments, exact=exact)
        return replace(found, latency_cycles=found.latency_cycles + 100 * exact)

    monkeypatch.setattr(designs, "predict", later)
    with pytest.raises(DoesNotFit) as error:
        chosen("latency", latency_cycles=best + 1)
    assert f"budget.latency_cycles: found {best + 1}, accepted at least {best + 100}" in str(
        error.value
    )
    assert "limits it" in str(error.value)


def test_budgets_that_exclude_each_other_are_both_named() -> None:
    free = predict(chosen("latency"), exact=False)
    least = predict(chosen("area"), exact=False)
    with pytest.raises(DoesNotFit) as error:
        chosen("area", luts=least.luts + 50, latency_cycles=free.latency_cycles + 2)
    message = str(error.value)
    assert f"config.budget.latency_cycles: found {free.latency_cycles + 2}" in message
    assert f"in luts<={least.luts + 50:,}" in message
    assert " LUTs: raise one of the two" in message


def test_too_small_a_budget_names_what_the_smallest_layout_takes() -> None:
    with pytest.raises(DoesNotFit) as error:
        chosen("latency", luts=40)
    message = str(error.value)
    assert "board ulx3s-85f: found a network of about " in message
    assert "LUTs in its smallest layout, accepted 40; raise luts of `budget`, or use" in message
    assert re.search(r"most of all in (hidden|classes) \(\d+% of what layers take\)", message)


def test_a_fixed_engine_is_kept() -> None:
    for engine in Engine:
        config = parse_config({"mapping": {"hidden": {"engine": engine.value}}, "window": 4})
        mapping = choose_mapping(network(), LARGE, config).node("hidden").mapping
        assert mapping is not None
        assert mapping.engine is engine


def test_sparse_trains_make_events_worth_while() -> None:
    """In a budget where lanes are few, leaving out silent words is what makes it fast."""
    graph = network(steps=8, inputs=64, hidden=16)
    x = np.zeros((3, 8, 64), np.int64)
    x[:, ::3, ::17] = 1
    trains = {"input": x, **run(graph, x)}
    config = Config(target="latency", budget={"luts": 1800}, window=8, input_lanes=8)
    quiet = choose_mapping(graph, LARGE, config, trains)
    busy = choose_mapping(graph, LARGE, config)
    figures = [predict(item, "ecp5", trains).latency_cycles for item in (quiet, busy)]
    assert figures[0] < figures[1]
    assert any(node.mapping and node.mapping.engine is Engine.EVENT for node in quiet.nodes)


def test_the_typical_frame_comes_first() -> None:
    trains = {"a": np.array([[[1, 1, 1]], [[0, 0, 0]], [[1, 0, 0]]])}
    assert typical_first(trains)["a"][0].tolist() == [[1, 0, 0]]


def test_few_intervals_of_many() -> None:
    assert few([3, 4]) == [3, 4]
    some = few(list(range(10, 4000)))
    assert len(some) <= FEW_INTERVALS + 1
    assert some[0] == 10
    assert some == sorted(some)


def test_two_searches_give_the_same() -> None:
    one, other = chosen("latency"), chosen("latency")
    assert [node.mapping for node in one.nodes] == [node.mapping for node in other.nodes]


def test_weights_lie_in_large_ram_only_where_nothing_else_fits(caplog) -> None:
    board = load_board("icebreaker")
    config = Config(window=1, input_lanes=8)
    free = choose_mapping(network(), board, config)
    assert predict(free, "ice40").spram_bits == 0
    assert not caplog.records
    loaded = choose_mapping(network(inputs=512, hidden=64), board, config)
    assert predict(loaded, "ice40").spram_bits > 0
    assert "nothing else fits board icebreaker: the weights of hidden lie in its" in caplog.text


def test_multipliers_that_cannot_form_a_product_are_refused() -> None:
    config = Config(mapping={"hidden": MappingConfig(dsps=8)}, window=4)
    with pytest.raises(BadInput, match=r"hidden\.dsps: found 8, accepted 0 for weights of 4 bits"):
        choose_mapping(network(), LARGE, config)


def test_a_budget_of_cycles_is_kept_exactly() -> None:
    found = chosen("area", interval_cycles=40, latency_cycles=90)
    assert (exact := predict(found)).interval_cycles <= 40
    assert exact.latency_cycles <= 90
