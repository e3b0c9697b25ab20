"""Cross-layer equalisation: the same network, with weights that one scale fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, parse_config
from e3ne.ir import (
    Array,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    IntegrateFire,
    Linear,
    Neuron,
    Node,
    Op,
    Rectify,
    Synapse,
    frozen,
    verify,
)
from e3ne.lower import lower, simplify
from e3ne.lower.context import Context
from e3ne.lower.equalize import equal_pairs, equalize
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

ON = Config(equalize=True)


def equalized(graph: Graph, config: Config = ON) -> Graph:
    return equalize(simplify(graph), Context(config))


def uneven(op: Any, seed: int = 0) -> Any:
    """The op with channels whose weights differ by up to 2**10 in size."""
    sizes = np.exp2(np.random.default_rng(seed).uniform(-5, 5, len(op.weight)))
    spread = op.weight * sizes.reshape(-1, *(1,) * (op.weight.ndim - 1))
    bias = None if op.bias is None else frozen(op.bias * sizes, np.float32)
    return type(op)(**{**op.__dict__, "weight": frozen(spread, np.float32), "bias": bias})


def pictures() -> Graph:
    """Convolutions, one of them depthwise, poolings and Linear layers of uneven channels."""
    layers: dict[str, Op | Neuron] = {
        "c1": uneven(conv(6, 2, padding=(1, 1))),
        "r1": Rectify(),
        "p1": max_pool(),
        "c2": uneven(conv(6, 6, padding=(1, 1), groups=6), seed=1),
        "r2": Rectify(),
        "p2": average_pool(),
        "c3": uneven(conv(8, 6, 1, groups=2), seed=2),
        "r3": Rectify(),
        "flat": Flatten(),
        "f1": uneven(linear(10, 32), seed=3),
        "r4": Rectify(),
        "f2": linear(4, 10, seed=5),
    }
    return chain((2, 8, 8), layers)


def weights(graph: Graph, name: str) -> Array:
    op = graph.node(name).synapses[0].op
    assert isinstance(op, Linear | Conv2d)
    return op.weight


def test_the_network_stays_what_it_is() -> None:
    graph = pictures()
    after = equalized(graph)
    assert list(equal_pairs(simplify(graph), ON)) == ["c1", "c2", "c3", "f1"]
    x = frames(5, 2, 8, 8)
    scale = np.abs(output(graph, x)).max()
    np.testing.assert_allclose(output(after, x) / scale, output(graph, x) / scale, atol=1e-5)
    verify(after)


def test_both_sides_of_every_channel_get_one_range() -> None:
    after = equalized(pictures())
    for name, reader in (("c1", "c2"), ("f1", "f2")):
        before = np.abs(weights(after, name)).reshape(len(weights(after, name)), -1).max(axis=1)
        behind = np.abs(weights(after, reader))
        behind = behind.max(axis=0) if behind.ndim == 2 else behind.reshape(6, -1).max(axis=1)
        np.testing.assert_allclose(before, behind, rtol=1e-2)


def test_uneven_channels_lose_less() -> None:
    """The naive choice loses what equalisation keeps."""
    graph, x = pictures(), frames(60, 2, 8, 8)
    wanted = output(graph, x).reshape(60, -1)

    def error(**keys: Any) -> float:
        config = parse_config({"default": {"weight_bits": 6, "edge_bits": 8}, **keys})
        integer = lower(graph, x, config)
        found = reference.run(integer, reference.encode_input(integer.inputs[0], x))
        scores = found["f2"].reshape(60, -1) * integer.scale("f2")
        return float(((scores - wanted) ** 2).mean() / (wanted**2).mean())

    assert error(equalize=True) < 0.25 * error()


def test_nothing_moves_unless_it_is_asked_for() -> None:
    graph = simplify(pictures())
    assert equalize(graph, Context(Config())) is graph


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        ({"a": linear(5, 4), "r": Rectify(), "b": linear(3, 5)}, ["a"]),
        ({"a": linear(5, 4), "r": Rectify(1.0), "b": linear(3, 5)}, []),  # a bound of its own
        ({"a": linear(5, 4), "r": Rectify(1.0, 4), "b": linear(3, 5)}, []),
        ({"a": linear(5, 4), "r": Rectify(), "n": IntegrateFire(1.0)}, []),  # no weights behind
        ({"a": linear(5, 4), "n": IntegrateFire(1.0), "b": linear(3, 5)}, []),  # spikes
        ({"a": linear(5, 4), "r": Rectify()}, []),  # leaves the network
        ({"r": Rectify(), "b": linear(3, 4)}, []),  # no weights before
    ],
)
def test_where_channels_may_be_scaled(layers: dict[str, Any], wanted: list[str]) -> None:
    graph = chain((4,), layers, steps=1 if "n" not in layers else 3)
    assert list(equal_pairs(simplify(graph), ON)) == wanted


def test_residual_sums_have_no_such_freedom() -> None:
    start = chain((4,), {"a": linear(4, 4), "r": Rectify()})
    graph = then(
        start, Node("b", (Synapse(linear(4, 4, seed=3), "r"),), Rectify(), start.edge("r"))
    )
    graph = add(graph, "sum", "b", "r")
    graph = then(
        graph,
        Node(
            "c",
            (Synapse(linear(2, 4), "sum"),),
            Rectify(),
            chain((4,), {"c": linear(2, 4)}).edge("c"),
        ),
    )
    assert list(equal_pairs(simplify(graph), ON)) == []
    assert_same(graph, equalized(graph), frames(3, 4), tolerance=1e-6)


def test_several_readers_take_the_same_factor() -> None:
    graph = chain((4,), {"a": uneven(linear(6, 4)), "r": Rectify()})
    type = chain((4,), {"c": linear(3, 4)}).edge("c")
    graph = then(graph, Node("b", (Synapse(linear(3, 6), "r"),), Rectify(), type))
    c = Node("c", (Synapse(linear(3, 6, seed=2), "r"), Synapse(Identity(), "b")), Rectify(), type)
    graph = then(graph, c)
    pairs = equal_pairs(simplify(graph), ON)
    assert pairs == {"a": (("b", 0), ("c", 0))}
    x = frames(5, 4)
    np.testing.assert_allclose(output(equalized(graph), x), output(graph, x), rtol=1e-5, atol=1e-6)


def test_dead_channels_stay() -> None:
    first, second = np.array(real(5, 4)), np.array(real(3, 5))
    first[1] = 0
    second[:, 2] = 0
    a, b = Linear(frozen(first, np.float32)), Linear(frozen(second, np.float32))
    graph = chain((4,), {"a": a, "r": Rectify(), "b": b})
    after = equalized(graph)
    np.testing.assert_array_equal(weights(after, "a")[2], first[2])
    assert np.isfinite(weights(after, "a")).all()


def test_trained_integers_are_left_alone() -> None:
    grid = np.random.default_rng(0).integers(-7, 8, (5, 12)) * 0.1
    trained = Linear(frozen(grid, np.float32))
    graph = chain((12,), {"a": trained, "r": Rectify(), "b": linear(3, 5)})
    assert equal_pairs(simplify(graph), ON) == {}
    narrow = parse_config({"equalize": True, "nodes": {"a": {"weight_bits": 3}}})
    assert list(equal_pairs(simplify(graph), narrow)) == ["a"]
