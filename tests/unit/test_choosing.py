"""`e3ne.choose_precision`, `e3ne.choose_encoding` and `e3ne choose` on the digits examples."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import e3ne
from e3ne.choosing import (
    Bench,
    Network,
    best_run,
    bits_figures,
    costs_of,
    networks,
    part_rows,
    save_config,
)
from e3ne.cli.commands import main
from e3ne.compile import trace_model
from e3ne.config import Config, InputConfig, MappingConfig, NodeConfig, load_config
from e3ne.frontend import load_model
from e3ne.ir import Array, BadInput, Graph, IntegrateFire
from e3ne.lower import lower
from e3ne.lower.choose_encoding import ChosenCode, Row, candidates, shortened
from e3ne.lower.choose_precision import Chosen
from e3ne.lower.evaluation import by_reference
from e3ne.training.datasets import digits
from tests.fixed_lanes import no_search
from tests.unit.lower_graphs import chain, conv, frames, linear

Golden = Callable[[str, str], None]
FOLDER = Path(__file__).parents[2] / "examples" / "digits_radix"
MODEL = f"{FOLDER / 'model.py'}:net"
WEIGHTS = FOLDER / "weights.safetensors"
FROZEN = Path(__file__).parents[1] / "golden" / "choose_digits.safetensors"  # the example, once


@pytest.fixture(scope="module")
def network() -> Graph:
    config = load_config(FOLDER / "e3ne.yaml")
    return trace_model(load_model(MODEL, WEIGHTS), digits().train_x[:2], False, config)


def settings() -> Config:
    return replace(load_config(FOLDER / "e3ne.yaml"), scale="integer")


@pytest.fixture(scope="module")
def chosen(network: Graph) -> Chosen:
    split = digits()
    return e3ne.choose_precision(
        network, split.train_x, split.train_y, 98.0, config=settings(), calibration=split.train_x
    )


def percent(graph: Graph, x: Array, y: Array) -> float:
    from e3ne.training.twin import accuracy

    return accuracy(graph, x, y)


def test_the_configuration_gives_what_was_measured(network: Graph, chosen: Chosen) -> None:
    split = digits()
    graph = lower(network, split.train_x, chosen.config)
    for part in (chosen.chosen_on, chosen.checked_on):
        again = percent(graph, split.train_x[part], split.train_y[part])
        assert again == pytest.approx(chosen.measured.accuracy(part))
        assert again >= 98.0
    assert percent(graph, split.test_x, split.test_y) > 95  # training knew the other frames
    assert chosen.measured.cost("synaptic_ops") < 0.6 * chosen.start.cost("synaptic_ops")


def test_the_table_is_measured(network: Graph, chosen: Chosen) -> None:
    split = digits()
    row = next(row for row in part_rows(chosen) if row["part"] == "conv2 edge")
    nodes = {"conv2": NodeConfig(weight_bits=4, edge_bits=1)}
    first = lower(network, split.train_x, settings())
    alone = lower(network, split.train_x, replace(settings(), nodes=nodes))
    part = chosen.chosen_on
    x, y = split.train_x[part], split.train_y[part]
    assert row["points"][1] == pytest.approx(percent(first, x, y) - percent(alone, x, y), abs=1e-3)
    assert [found["name"] for found in networks(chosen)] == ["start", "equal bits", "chosen"]
    assert json.loads(json.dumps(bits_figures(chosen)))["floor"] == 98.0


def test_the_twin_and_the_reference_measure_the_same(network: Graph) -> None:
    split = digits()
    x = split.train_x[:60].reshape(60, 1, 1, 8, 8)
    bench = Bench(Network(network, (x,), split.train_y[:60], (split.train_x[:200],)))
    fast = bench.measure(settings())
    assert bench.run is not by_reference
    bench = Bench(Network(network, (x,), split.train_y[:60], (split.train_x[:200],)))
    bench.run = by_reference
    slow = bench.measure(settings())
    assert fast.synaptic_ops == slow.synaptic_ops
    assert np.array_equal(fast.right, slow.right)
    assert best_run() is not by_reference


def test_the_hessian_may_order_the_steps_of_weights(network: Graph) -> None:
    split = digits()
    found = [
        e3ne.choose_precision(
            *(network, split.train_x[:300], split.train_y[:300], 97.0),
            config=settings(),
            cost="memory",
            sensitivity=sensitivity,
        )
        for sensitivity in ("perturbation", "hessian")
    ]
    for one in found:
        assert one.measured.accuracy(one.chosen_on) >= 97.0
        assert one.measured.cost("memory_bits") < one.start.cost("memory_bits")
    with pytest.raises(BadInput, match="sensitivity: found 'guess', accepted perturbation or"):
        e3ne.choose_precision(
            *(network, split.train_x[:60], split.train_y[:60], 97.0), sensitivity="guess"
        )


@pytest.fixture(scope="module")
def codes(network: Graph) -> ChosenCode:
    split = digits()
    with no_search():
        return e3ne.choose_encoding(
            network,
            split.train_x[:300],
            split.train_y[:300],
            97.0,
            config=settings(),
            calibration=split.train_x[:200],
            radix_bits=(1, 2, 4),
            code_steps=(4, 8),
        )


def test_the_cheapest_code_above_the_floor(codes: ChosenCode) -> None:
    kept = [row for row in codes.table if row.measured and row.measured.accuracy() >= 97.0]
    assert codes.row.cost("synaptic_ops") == min(row.cost("synaptic_ops") for row in kept)
    by_name = {row.name: row for row in codes.table}
    assert by_name["radix 1"].measured is not None
    assert by_name["radix 1"].measured.accuracy() < 97.0
    assert "found encoder latency" in by_name["rate 4, latency input"].refused
    assert by_name["rate 8, direct input"].cycles is not None
    assert by_name["rate 8, direct input"].config.steps == 8


def test_a_code_that_no_floor_allows(network: Graph) -> None:
    split = digits()
    with no_search(), pytest.raises(BadInput) as caught:
        e3ne.choose_encoding(
            *(network, split.train_x[:60], split.train_y[:60] * 0 + 9, 90.0),
            config=settings(),
            radix_bits=(4,),
            code_steps=(2,),
        )
    assert "floor: found at most" in str(caught.value)
    assert "lower the floor of 90 %" in str(caught.value)


def spiking() -> Graph:
    layers = {"conv": conv(3, 1), "lif": IntegrateFire(0.5, 0.9), "fc": linear(4, 108)}
    return chain((1, 8, 8), layers | {"out": IntegrateFire(0.5, 0.9)}, steps=8)


def test_spiking_networks_get_fewer_steps_and_encoders() -> None:
    found = candidates(spiking(), Config(), steps=(2, 8))
    assert [one.name for one in found] == [
        f"{steps} steps, {kind} input"
        for steps in (2, 8)
        for kind in ("direct", "regular", "bernoulli", "latency")
    ]
    assert shortened(spiking(), 2).edge("conv").steps in (1, 2)
    assert shortened(spiking(), 2).edge("out").steps == 2
    generator = np.random.default_rng(0)
    x, y = frames(60, 1, 8, 8), generator.integers(0, 4, 60)
    with no_search():
        codes = e3ne.choose_encoding(spiking(), x, y, 1.0, code_steps=(2, 8), cost="cycles")
    assert len(codes.table) == 8
    assert all(row.measured is not None for row in codes.table)
    assert codes.row.cost("cycles") == min(row.cost("cycles") for row in codes.table)


def test_what_is_not_measured_costs_most() -> None:
    row = Row("none", Config(), refused="no")
    assert row.cost("cycles") == row.cost("value_ops") == float("inf")


def test_labels_are_needed(network: Graph) -> None:
    with pytest.raises(BadInput, match="data: found no labels, accepted y"):
        e3ne.choose_precision(network, frames(60, 1, 8, 8), None, 98.0)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="cost: found joules, accepted synaptic-ops"):
        costs_of({"joules": 1.0})


def test_configurations_are_written_and_read_back(tmp_path: Path) -> None:
    config = Config(
        steps=5,
        code="rate",
        input=InputConfig(bits=4),
        inputs={"x": InputConfig(bits=3, scale=0.25, signed=False)},
        default=NodeConfig(weight_bits=3),
        nodes={"a": NodeConfig(weight_bits=1.58), "b": NodeConfig(weight_bits=3)},
        mapping={"a": MappingConfig(out_lanes=2)},
        utilisation=0.3,
    )
    save_config(config, tmp_path / "e3ne.yaml")
    again = load_config(tmp_path / "e3ne.yaml")
    for name in ("a", "b"):
        assert again.node(name) == config.node(name)
    assert again.input_of("x") == config.input_of("x")
    assert replace(again, nodes={}, inputs={}) == replace(config, nodes={}, inputs={})


# The command ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("choose")
    split = digits()
    np.savez(folder / "labelled.npz", x=split.train_x[:800], y=split.train_y[:800])
    np.savez(folder / "few.npz", x=split.train_x[:20], y=split.train_y[:20])
    np.savez(folder / "plain.npz", x=split.train_x[:100])
    return folder


def invoke(data: Path, *more: str, file: str = "labelled.npz") -> Any:
    arguments = ["choose", MODEL, "--weights", str(WEIGHTS), "--data", str(data / file)]
    arguments += ["-c", str(FOLDER / "e3ne.yaml"), *more]
    return CliRunner().invoke(main, arguments)


def test_the_command_prints_what_it_decided_from(data: Path, golden: Golden) -> None:
    output = data / "e3ne.yaml"
    arguments = ["choose", str(FROZEN), "--data", str(data / "labelled.npz"), "-o", str(output)]
    result = CliRunner().invoke(main, [*arguments, "--floor", "98"])
    assert result.exit_code == 0, result.output
    golden("choose_digits.txt", result.stdout.replace(str(output), "e3ne.yaml"))
    golden("choose_digits.yaml", output.read_text())


def test_the_written_configuration_compiles_as_it_is(data: Path) -> None:
    output = data / "written.yaml"
    result = invoke(data, "--floor", "98.5", "-o", str(output), "--json")
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures["config"] == str(output)
    checked = CliRunner().invoke(
        main,
        ["check", MODEL, "--weights", str(WEIGHTS), "-c", str(output), "--input-shape", "1,8,8"],
    )
    assert checked.exit_code == 0, checked.output
    bits = {part["part"]: part["chosen"] for part in figures["parts"]}
    assert load_config(output).node("conv2").edge_bits == bits["conv2 edge"]


@pytest.mark.parametrize(
    ("file", "more", "message"),
    [
        ("labelled.npz", ("--floor", "985"), "found 985, accepted percent above 0"),
        ("few.npz", ("--floor", "98"), "found 20 labelled frames, which tell 98 % from others"),
        ("plain.npz", ("--floor", "98"), "found no labels, accepted x and y"),
        ("labelled.npz", ("--floor", "98", "--cost", "joules"), "cost: found joules, accepted"),
        ("labelled.npz", ("--floor", "98", "--cost", "memory=much"), "found 'memory=much'"),
        (
            "labelled.npz",
            ("--floor", "98", "--encoding", "--cost", "memory"),
            "cost: found 'memory', accepted synaptic-ops, value-ops, cycles",
        ),
    ],
)
def test_wrong_use(data: Path, file: str, more: tuple[str, ...], message: str) -> None:
    result = invoke(data, *more, "-o", str(data / "wrong.yaml"), file=file)
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert not (data / "wrong.yaml").exists()


def test_the_configuration_that_is_read_is_not_overwritten(data: Path) -> None:
    result = invoke(data, "--floor", "98", "-o", str(FOLDER / "e3ne.yaml"))
    assert result.exit_code == 1
    assert "the configuration that is read; name another" in " ".join(result.stderr.split())
