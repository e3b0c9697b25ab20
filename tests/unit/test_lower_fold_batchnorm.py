"""Folding batch normalisation: where it goes, and that the network says the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.ir import (
    Conv2d,
    Flatten,
    Linear,
    Node,
    Rectify,
    Relay,
    SpikeType,
    SumPool2d,
    Synapse,
    UnsupportedModel,
)
from e3ne.lower.context import Context
from e3ne.lower.fold_batchnorm import fold_batchnorm
from tests.unit.lower_graphs import (
    add,
    assert_same,
    average_pool,
    chain,
    conv,
    frames,
    linear,
    max_pool,
    names,
    norm,
    real,
    then,
)

FOLD_TOLERANCE = 2e-6  # folded weights are float32


FOLDABLE = {
    "after conv": {"0": conv(4, 2, padding=(1, 1)), "1": norm(4)},
    "after grouped conv": {"0": conv(4, 2, groups=2), "1": norm(4)},
    "after linear": {"f": Flatten(), "0": linear(5, 72), "1": norm(5)},
    "after conv and max pool": {"0": conv(4, 2), "p": max_pool(), "1": norm(4, positive=True)},
    "after conv and average pool": {"0": conv(4, 2), "p": average_pool(), "1": norm(4)},
    "before conv": {"1": norm(2), "0": conv(4, 2)},
    "before grouped conv": {"1": norm(2), "0": conv(4, 2, groups=2)},
    "before padded conv": {"1": norm(2, offset=False), "0": conv(4, 2, padding=(1, 1))},
    "before linear": {"f": Flatten(), "1": norm(72), "0": linear(5, 72)},
    "twice": {"0": conv(4, 2), "1": norm(4), "2": norm(4, seed=1)},
    "between": {"r": Rectify(), "1": norm(2), "0": conv(4, 2), "2": norm(4)},
}


@pytest.mark.parametrize("layers", FOLDABLE.values(), ids=list(FOLDABLE))
def test_batch_normalisation_disappears(layers: dict) -> None:
    graph = chain((2, 6, 6), layers)
    folded = fold_batchnorm(graph, Context())
    assert names(folded) == [name for name in layers if name not in ("1", "2")]
    assert_same(graph, folded, frames(3, 2, 6, 6), FOLD_TOLERANCE)


DEPTHWISE = {
    "before padded conv": {"1": norm(2), "0": conv(4, 2, padding=(1, 1))},
    "behind a maximum that it turns around": {"0": conv(2, 2), "p": max_pool(), "1": norm(2)},
    "on a spiking edge": {"0": Rectify(), "1": norm(2)},
    "behind a padded average": {
        "0": conv(2, 2),
        "p": SumPool2d((2, 2), (2, 2), (1, 1), 4),
        "1": norm(2),
    },
}


@pytest.mark.parametrize("layers", DEPTHWISE.values(), ids=list(DEPTHWISE))
def test_what_cannot_be_folded_becomes_a_depthwise_convolution(layers: dict) -> None:
    graph = chain((2, 6, 6), layers)
    folded = fold_batchnorm(graph, Context())
    op = folded.node("1").synapses[0].op
    assert isinstance(op, Conv2d)
    assert (op.groups, op.kernel) == (2, (1, 1))
    assert_same(graph, folded, frames(3, 2, 6, 6), FOLD_TOLERANCE)


def test_currents_with_other_readers_keep_their_weights() -> None:
    graph = chain((2, 6, 6), {"0": conv(2, 2, padding=(1, 1)), "1": norm(2)})
    graph = add(graph, "sum", "0", "1")
    folded = fold_batchnorm(graph, Context())
    assert folded.node("0") is graph.node("0")
    assert_same(graph, folded, frames(3, 2, 6, 6), FOLD_TOLERANCE)


def test_a_sum_over_steps_does_not_take_the_offset_over() -> None:
    """The offset would count once a step."""
    graph = chain((3, 2, 2), {"a": Relay()}, input_steps=4)
    weights = Node("0", (Synapse(conv(3, 3, 1), "a"),), Relay(), SpikeType((3, 2, 2), 1))
    graph = then(graph, weights)
    graph = then(graph, Node("1", (Synapse(norm(3), "0"),), Relay(), SpikeType((3, 2, 2), 1)))
    folded = fold_batchnorm(graph, Context())
    assert names(folded) == ["a", "0", "1"]
    assert_same(graph, folded, frames(2, 4, 3, 2, 2), FOLD_TOLERANCE)


def test_on_a_flat_edge_it_becomes_a_diagonal() -> None:
    layers = {"f": Flatten(), "a": Rectify(), "bn.1": norm(72), "b": Rectify(), "bn.2": norm(72)}
    graph = chain((2, 6, 6), layers)
    folded = fold_batchnorm(graph, Context())
    assert isinstance(folded.node("bn.1").synapses[0].op, Linear)
    assert_same(graph, folded, frames(3, 2, 6, 6), FOLD_TOLERANCE)


def test_batch_normalisation_that_nothing_takes_over() -> None:
    layers = {"f": Flatten(), "a": Rectify(), "bn.1": norm(1025), "b": Rectify()}
    with pytest.raises(UnsupportedModel) as found:
        fold_batchnorm(chain((1025, 1, 1), {**layers, "bn.2": norm(1025)}), Context())
    assert [problem.split(":")[0] for problem in found.value.problems] == ["bn.1", "bn.2"]
    assert "found a batch normalisation of 1025 features that neither a layer before it" in str(
        found.value
    )


def test_a_delayed_reader_does_not_take_the_offset_over() -> None:
    """It would hear the offset in the silence before the first step, too."""
    graph = chain((2, 3, 3), {"1": norm(2)}, input_steps=4)
    late = Synapse(linear(3, 18), "1", delay=1)
    graph = then(graph, Node("0", (late,), Relay(), SpikeType((3,), 4)))
    folded = fold_batchnorm(graph, Context())
    assert names(folded) == ["1", "0"]
    assert_same(graph, folded, frames(2, 4, 2, 3, 3), FOLD_TOLERANCE)


def test_the_offset_counts_once_where_currents_of_two_weights_add_up() -> None:
    graph = chain((2, 6, 6), {"0": conv(4, 2)})
    other = Synapse(Conv2d(real(4, 2, 3, 3, seed=9)), "x")
    both = replace(graph.nodes[0], synapses=(graph.nodes[0].synapses[0], other))
    graph = then(graph.with_nodes([both]), Node("1", (Synapse(norm(4), "0"),), Relay(), both.type))
    folded = fold_batchnorm(graph, Context())
    assert names(folded) == ["0"]
    assert_same(graph, folded, frames(3, 2, 6, 6), FOLD_TOLERANCE)
