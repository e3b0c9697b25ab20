"""Channels that do nothing are gone, and the network computes what it did before."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from e3ne import reference
from e3ne.config import parse_config
from e3ne.frontend import trace
from e3ne.ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    verify,
)
from e3ne.lower import lower, simplify
from e3ne.lower.channel_ranges import channel_ranges
from e3ne.lower.remove_silent import remove_silent
from tests.property.lower_networks import inputs, radix_networks, spiking_networks
from tests.unit.lower_graphs import (
    add,
    assert_same,
    average_pool,
    chain,
    conv,
    frames,
    linear,
    max_pool,
    output,
    real,
    then,
)

SEEDS = st.integers(0, 2**16)


def zeroed(draw: Any, weight: Any) -> Any:
    """Weights with rows and inputs of zeros, or of one sign."""
    rng = np.random.default_rng(draw(SEEDS))
    values = np.array(weight)
    values[rng.random(len(values)) < 0.4] = 0
    if values.ndim > 1:
        values[:, rng.random(values.shape[1]) < 0.3] = 0
    negative = rng.random(len(values)) < 0.2
    values[negative] = -np.abs(values[negative])
    return frozen(values, np.float32)


@st.composite
def pruned(draw: Any) -> Graph:
    """A network with channels that do nothing, as it is traced or simplified."""
    graph = draw(radix_networks() | spiking_networks())
    nodes = []
    for node in graph.nodes:
        synapses = []
        for synapse in node.synapses:
            op: Any = synapse.op
            if isinstance(op, Linear | Conv2d):
                bias = None if op.bias is None else zeroed(draw, op.bias)
                op = replace(op, weight=zeroed(draw, op.weight), bias=bias)
            synapses.append(replace(synapse, op=op))
        nodes.append(replace(node, synapses=tuple(synapses)))
    graph = verify(graph.with_nodes(nodes))
    return simplify(graph) if draw(st.booleans()) else graph


def neurons(graph: Graph) -> int:
    return sum(node.type.neurons for node in graph.nodes)


@settings(max_examples=150, deadline=None)
@given(pruned(), SEEDS)
def test_outputs_stay(graph: Graph, seed: int) -> None:
    smaller = remove_silent(graph)
    assert neurons(smaller) <= neurons(graph)
    x = inputs(graph, 4, seed)
    scale = max(1.0, float(np.abs(output(graph, x)).max()))
    assert_same(graph, smaller, x, 1e-5 * scale)
    assert remove_silent(smaller) is smaller


@settings(max_examples=100, deadline=None)
@given(pruned(), SEEDS)
def test_ranges_hold(graph: Graph, seed: int) -> None:
    ranges = channel_ranges(graph)
    values = reference.run(graph, inputs(graph, 4, seed) * 10)
    for node in graph.nodes:
        found = np.moveaxis(values[node.name], 2, 0).reshape(node.type.channels, -1)
        mine = ranges[node.name]
        slack = 1e-6 * max(1.0, float(np.abs(found).max()))
        assert (found.min(axis=1) >= mine.low - slack).all(), node.name
        assert (found.max(axis=1) <= mine.high + slack).all(), node.name
        spread = found.max(axis=1) - found.min(axis=1)
        assert (spread[mine.fixed] <= slack).all(), node.name


def without_rows(op: Any, *rows: int, bias: float = 0.0) -> Any:
    """The op without weights in some rows, which have a bias of their own."""
    weight, biases = np.array(op.weight), np.array(op.bias)
    weight[list(rows)], biases[list(rows)] = 0, bias
    return replace(op, weight=frozen(weight, np.float32), bias=frozen(biases, np.float32))


def shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    return {node.name: node.type.shape for node in graph.nodes}


@pytest.mark.parametrize("bias", [0.0, -0.5])
def test_silent_channels_go_through_pools_and_flattens(bias: float) -> None:
    layers = {
        "conv": without_rows(conv(4, 2), 1, 3, bias=bias),
        "relu": Rectify(),
        "pool": max_pool(),
        "mean": average_pool(),
        "flat": Flatten(),
        "fc": linear(3, 4),
    }
    graph = chain((2, 6, 6), layers)
    smaller = remove_silent(graph)
    assert shapes(smaller) == {
        **{"conv": (2, 4, 4), "relu": (2, 4, 4), "pool": (2, 2, 2)},
        **{"mean": (2, 1, 1), "flat": (2,), "fc": (3,)},
    }
    assert_same(graph, smaller, frames(5, 2, 6, 6))


def test_a_constant_moves_into_the_next_bias_but_not_through_padding() -> None:
    norm = ChannelAffine(frozen([1, 2, 3], np.float32), frozen([0.5, 0.25, -1], np.float32))
    layers = {"conv": without_rows(conv(3, 2), 0), "norm": norm, "relu": Rectify(0.4)}
    for padding, kept in (((0, 0), 2), ((1, 1), 3)):
        graph = chain((2, 6, 6), {**layers, "next": conv(2, 3, padding=padding)})
        smaller = remove_silent(graph)
        assert shapes(smaller)["relu"] == (kept, 4, 4)
        assert_same(graph, smaller, frames(5, 2, 6, 6), 1e-6)
    broken = chain((2, 6, 6), {**layers, "next": conv(2, 3)})
    bias = remove_silent(broken).node("next").synapses[0].op.bias
    assert not np.allclose(bias, broken.node("next").synapses[0].op.bias)


def test_what_nobody_reads_goes() -> None:
    last = linear(3, 5)
    weight = np.array(last.weight)
    weight[:, [0, 4]] = 0
    layers = {"a": linear(6, 4), "b": Rectify(), "c": linear(5, 6), "d": Rectify()}
    graph = chain((4,), {**layers, "e": replace(last, weight=frozen(weight, np.float32))})
    smaller = remove_silent(graph)
    assert shapes(smaller) == {"a": (6,), "b": (6,), "c": (3,), "d": (3,), "e": (3,)}
    assert_same(graph, smaller, frames(5, 4))


def test_depthwise_channels_go_and_grouped_ones_stay(caplog: Any) -> None:
    first = without_rows(conv(4, 2), 0, 2)
    for groups, kept in ((4, 2), (2, 4)):
        middle = conv(4, 4, groups=groups)
        middle = replace(middle, bias=None)
        graph = chain((2, 6, 6), {"a": first, "r": Rectify(), "b": middle, "c": conv(2, 4, 1)})
        with caplog.at_level(logging.INFO):
            smaller = remove_silent(graph)
        assert shapes(smaller)["r"] == (kept, 4, 4)
        assert smaller.node("b").synapses[0].op.groups == min(groups, 2)
        assert_same(graph, smaller, frames(5, 2, 6, 6))
    assert "r: 2 of 4 channels do nothing and stay" in caplog.text


def branches(first: Linear, second: Linear) -> Graph:
    """A residual sum of two layers, a ReLU, and a layer that reads it."""
    graph = chain((4,), {"in": linear(4, 4), "one": first})
    graph = then(graph, Node("two", (Synapse(second, "in"),), Relay(), SpikeType((5,))))
    graph = add(graph, "sum", "one", "two")
    graph = then(graph, Node("relu", (Synapse(Identity(), "sum"),), Rectify(), SpikeType((5,))))
    return then(graph, Node("fc", (Synapse(linear(2, 5), "relu"),), Relay(), SpikeType((2,))))


def test_a_residual_sum_loses_what_all_its_branches_lose() -> None:
    one, two = linear(5, 4), linear(5, 4, seed=7)
    both = branches(without_rows(one, 0, 1, 2), without_rows(two, 1, 2, 3))
    smaller = remove_silent(both)
    assert {name: shapes(smaller)[name] for name in ("one", "two", "sum", "relu")} == dict.fromkeys(
        ("one", "two", "sum", "relu"), (3,)
    )
    assert_same(both, smaller, frames(5, 4))
    alone = branches(without_rows(one, 0), two)
    assert shapes(remove_silent(alone))["one"] == (5,)


def loop(weight: float, offset: float = 0.0) -> Graph:
    """Two populations that drive each other; the second channel of both has no input."""
    drive = frozen([[1, 1], [0, 0]], np.float32)
    back = frozen([[0.3, 0.2], [0, weight]], np.float32)
    train = SpikeType((2,), 6)
    lif = IntegrateFire(0.5, 0.9, offset=frozen([0, offset], np.float32))
    first = (Synapse(Linear(drive), "x"), Synapse(Linear(back), "b", delay=1))
    second = Synapse(Linear(frozen([[0.6, 0], [0, 0.7]], np.float32)), "a")
    nodes = (Node("a", first, lif, train), Node("b", (second,), lif, train))
    last = Node("out", (Synapse(linear(2, 2), "b"),), Integrate(0.9), train)
    outputs = (Output("out", Readout.LAST),)
    return verify(Graph(Stage.FLOAT, (Input("x", train),), (*nodes, last), outputs))


def test_a_loop_that_starts_silent_and_stays_so_goes() -> None:
    x = np.random.default_rng(0).integers(0, 2, (5, 6, 2)).astype(float)
    graph = loop(2.0)
    smaller = remove_silent(graph)
    assert shapes(smaller) == {"a": (1,), "b": (1,), "out": (2,)}
    assert_same(graph, smaller, x)
    assert shapes(remove_silent(loop(2.0, offset=0.2)))["b"] == (2,)


def test_a_population_keeps_one_channel() -> None:
    dead = Linear(frozen(np.zeros((4, 3)), np.float32), frozen(-np.ones(4), np.float32))
    graph = chain((3,), {"a": dead, "r": Rectify(), "b": linear(2, 4)})
    smaller = remove_silent(graph)
    assert shapes(smaller) == {"a": (1,), "r": (1,), "b": (2,)}
    assert_same(graph, smaller, frames(5, 3))


def test_parameters_of_neurons_follow() -> None:
    lif = IntegrateFire(
        frozen([0.3, 0.4, 0.5, 0.6], np.float32),
        decay=frozen(np.linspace(0.1, 0.9, 64).reshape(4, 4, 4), np.float32),
    )
    graph = chain((2, 6, 6), {"conv": without_rows(conv(4, 2), 2), "lif": lif}, steps=4)
    graph = then(graph, Node("fc", (Synapse(real_linear(3, 64), "lif"),), Relay(),
                             SpikeType((3,), 4)))  # fmt: skip
    smaller = remove_silent(graph)
    kept: Any = smaller.node("lif").neuron
    assert kept.threshold.tolist() == np.float32([0.3, 0.4, 0.6]).tolist()
    assert kept.decay.shape == (3, 4, 4)
    assert_same(graph, smaller, frames(5, 2, 6, 6))


def real_linear(outs: int, ins: int) -> Linear:
    return Linear(real(outs, ins))


def test_the_integers_stay_too() -> None:
    layers = {
        "a": without_rows(linear(6, 4), 1, 4),
        "b": Rectify(2.0),
        "c": without_rows(linear(5, 6), 0),
        "d": Rectify(1.0),
        "e": linear(3, 5),
    }
    graph = chain((4,), layers)
    config = parse_config({"input": {"bits": 4, "scale": 1 / 15}})
    words = np.random.default_rng(0).integers(0, 16, (50, 1, 4))
    before, after = (
        reference.run(lower(one, config=config), words)["e"]
        for one in (graph, remove_silent(graph))
    )
    assert np.array_equal(before, after)
    assert neurons(remove_silent(graph)) == neurons(graph) - 6


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("remove_silent._with_constants", lambda op, columns, values: op.bias),
        ("channel_ranges.Channels.with_silence", lambda channels: channels),
        (
            "remove_silent.used",
            lambda graph: {n.name: np.zeros(n.type.channels, bool) for n in graph.nodes},
        ),
    ],
)
def test_broken_twins_are_caught(monkeypatch: Any, name: str, broken: Any) -> None:
    """A constant in front of a padded sum: each of the rules is needed to keep the outputs."""
    layers = {"a": without_rows(conv(3, 2), 0, bias=0.7), "r": Rectify(), "b": max_pool()}
    layers |= {"c": replace(average_pool(), padding=(1, 1)), "d": linear(3, 12)}
    first = chain((2, 6, 6), layers)
    second = chain((4,), {"a": without_rows(linear(3, 4), 0, bias=0.7), "d": linear(2, 3)})
    x = (frames(5, 2, 6, 6), frames(5, 4))

    def check() -> None:
        for graph, values in zip((first, second), x, strict=True):
            assert_same(graph, remove_silent(graph), values, 1e-6)

    check()
    monkeypatch.setattr(f"e3ne.lower.{name}", broken)
    with pytest.raises(AssertionError):
        check()


def test_a_concatenation_loses_what_its_parts_lose() -> None:
    """As torch traces it, and with the concatenation folded into the weights behind it."""

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a = nn.Conv2d(1, 4, 3, padding=1)
            self.b = nn.Conv2d(1, 3, 3, padding=1)
            self.c = nn.Conv2d(7, 5, 3, padding=1)
            self.fc = nn.Linear(320, 3)
            with torch.no_grad():
                self.a.weight[[0, 2]], self.a.bias[[0, 2]] = 0.0, -0.1
                self.b.weight[1], self.b.bias[1] = 0.0, 0.0
                self.c.weight[4], self.c.bias[4] = 0.0, 0.3

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            joined = torch.cat([torch.relu(self.a(x)), torch.relu(self.b(x))], 1)
            return self.fc(torch.relu(self.c(joined)).flatten(1))

    graph = trace(Joined().eval(), torch.rand(2, 1, 8, 8))
    x = frames(4, 1, 8, 8)
    for before in (graph, simplify(graph)):
        smaller = remove_silent(before)
        found = shapes(smaller)
        assert (found["a"], found["b"], found["c"]) == ((2, 8, 8), (2, 8, 8), (4, 8, 8))
        assert found.get("cat", (4, 8, 8)) == (4, 8, 8)
        assert_same(before, smaller, x, 1e-6)
