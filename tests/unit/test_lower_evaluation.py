"""The evaluator of choices: what it measures, what it remembers, and broken twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, NodeConfig
from e3ne.ir import Array, Graph, IntegrateFire, Rectify, frozen
from e3ne.lower import lower
from e3ne.lower.content_keys import content_keys
from e3ne.lower.evaluation import (
    Evaluator,
    by_reference,
    half_width,
    memory_bits,
    score_scale,
)
from e3ne.report import Activity
from tests.unit.lower_graphs import chain, conv, frames, linear, max_pool

FRAMES = 40


def network(steps: int = 1) -> Graph:
    """A convolution, a pooling and two layers; spiking where there are several steps."""
    neuron = Rectify() if steps == 1 else IntegrateFire(0.5, 0.9)
    layers = {
        "conv": conv(3, 1),
        "first": neuron,
        "pool": max_pool(),
        "fc": linear(6, 27),
        "second": neuron,
        "scores": linear(4, 6),
    }
    return chain((1, 8, 8), layers, steps)


def samples() -> tuple[Array, Array]:
    x = frames(FRAMES, 1, 1, 8, 8)
    return x, np.random.default_rng(1).integers(0, 4, FRAMES)


def integers(config: Config | None = None, steps: int = 1) -> Graph:
    return lower(network(steps), samples()[0], config or Config())


class Counting:
    """The reference, which counts how many nodes it runs."""

    def __init__(self) -> None:
        self.nodes: list[str] = []

    def __call__(self, graph: Graph, inputs: Sequence[Array]) -> dict[str, Array]:
        self.nodes += [node.name for node in graph.nodes]
        return reference.run(graph, *inputs)


@pytest.mark.parametrize("steps", [1, 5])
def test_accuracy_and_operations_are_those_of_reference_and_report(steps: int) -> None:
    graph, (x, y) = integers(steps=steps), samples()
    found = Evaluator((x,), y).measure(graph)
    values = reference.run(graph, reference.encode_input(graph.inputs[0], x))
    words, classes = reference.read_out(graph.outputs[0], values)
    assert found.accuracy() == pytest.approx(100 * np.mean(classes == y))
    assert found.accuracy(slice(10)) == pytest.approx(100 * np.mean((classes == y)[:10]))
    activity = Activity(graph)
    activity.add(values)
    assert found.cost("value_ops") == pytest.approx(activity.proxies()["synaptic_ops_effective"])
    logits = words * score_scale(graph)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    entropy = -np.log(chances[np.arange(FRAMES), y]).mean()
    assert found.cross_entropy() == pytest.approx(entropy)
    assert found.divergence() == 0


def test_synaptic_operations_count_ones_among_the_bits() -> None:
    graph, (x, y) = integers(), samples()
    found = Evaluator((x,), y).measure(graph)
    values = reference.run(graph, reference.encode_input(graph.inputs[0], x))
    ones = np.bitwise_count(values["pool"].astype(np.uint8)).sum() / FRAMES
    assert found.synaptic_ops["fc"] == pytest.approx(ones * 6)
    assert found.value_ops["fc"] <= found.synaptic_ops["fc"]


def test_divergence_is_from_the_real_scores() -> None:
    graph, (x, y) = integers(), samples()
    values = reference.run(graph, reference.encode_input(graph.inputs[0], x))
    words, _ = reference.read_out(graph.outputs[0], values)
    same = words * score_scale(graph)
    assert Evaluator((x,), y, real=same).measure(graph).divergence() == pytest.approx(0, abs=1e-12)
    assert Evaluator((x,), y, real=-same).measure(graph).divergence() > 0.01


def test_only_what_is_behind_a_change_runs_again() -> None:
    x, y = samples()
    run = Counting()
    evaluator = Evaluator((x,), y, run)
    first = evaluator.measure(integers())
    assert sorted(run.nodes) == ["conv", "fc", "pool", "scores"]
    run.nodes.clear()
    config = Config(nodes={"fc": NodeConfig(edge_bits=2)})
    changed = evaluator.measure(integers(config))
    assert run.nodes == ["fc", "scores"]
    run.nodes.clear()
    assert evaluator.measure(integers()).cross_entropy() == first.cross_entropy()
    assert run.nodes == []
    assert changed.cross_entropy() == Evaluator((x,), y).measure(integers(config)).cross_entropy()


def recurrent() -> Graph:
    """Spiking neurons that read themselves one step later."""
    graph = chain((5,), {"fc": linear(4, 5), "lif": IntegrateFire(0.5, 0.9)}, steps=6)
    fused = lower(graph, frames(4, 1, 5)).nodes[0]
    back = replace(fused.synapses[0], source=fused.name, delay=1)
    own = replace(back, op=replace(back.op, weight=frozen(np.eye(4), np.int64), bias=None))
    node = replace(fused, synapses=(*fused.synapses, own))
    return replace(lower(graph, frames(4, 1, 5)), nodes=(node,))


def test_feedback_is_measured_and_a_scale_is_no_content() -> None:
    graph, x = recurrent(), frames(FRAMES, 1, 5)
    y = np.random.default_rng(0).integers(0, 4, FRAMES)
    found = Evaluator((x,), y).measure(graph)
    values = reference.run(graph, reference.encode_input(graph.inputs[0], x))
    activity = Activity(graph)
    activity.add(values)
    assert found.cost("value_ops") == pytest.approx(activity.proxies()["synaptic_ops_effective"])
    other = graph.with_nodes([replace(node, scale=2.0) for node in graph.nodes])
    assert content_keys(other) == content_keys(graph)
    slower = replace(graph.nodes[0].synapses[1], delay=2)
    changed = replace(graph.nodes[0], synapses=(graph.nodes[0].synapses[0], slower))
    assert content_keys(graph.with_nodes([changed])) != content_keys(graph)


def test_memory_is_as_wide_as_the_widest_weight() -> None:
    node = integers(Config(default=NodeConfig(weight_bits=3))).node("fc")
    assert memory_bits(node) == 3 * 6 * 27


def test_a_broken_evaluator_is_caught() -> None:
    graph, (x, y) = integers(), samples()

    def wrong(graph: Graph, inputs: Sequence[Array]) -> dict[str, Array]:
        sent = dict(by_reference(graph, inputs))
        sent["fc"] = sent["fc"] + 1
        return sent

    def short(graph: Graph, inputs: Sequence[Array]) -> dict[str, Array]:
        return {name: sent[1:] for name, sent in by_reference(graph, inputs).items()}

    Evaluator((x,), y).check(graph)
    with pytest.raises(ValueError, match="fc: found other integers than the reference's"):
        Evaluator((x,), y, wrong).check(graph)
    with pytest.raises(ValueError, match="found 39 frames of 40 from the evaluator"):
        Evaluator((x,), y, short).measure(graph)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("e3ne.lower.evaluation.CACHE_BYTES", 1)
    x, y = samples()
    run = Counting()
    evaluator = Evaluator((x,), y, run)
    before = evaluator.measure(integers())
    evaluator.measure(integers(Config(nodes={"conv": NodeConfig(edge_bits=2)})))
    run.nodes.clear()
    assert evaluator.measure(integers()).cross_entropy() == before.cross_entropy()
    assert run.nodes == ["conv", "pool", "fc", "scores"]


def test_the_interval_of_an_accuracy() -> None:
    assert half_width(50, 100) == pytest.approx(9.62, abs=0.01)
    assert half_width(99, 10_000) == pytest.approx(0.196, abs=0.002)
    assert half_width(100, 100) > 1
