"""Flattens disappear: who reads an image flat reads the image."""

from __future__ import annotations

import numpy as np
import pytest

from e3ne.ir import (
    Flatten,
    Graph,
    Identity,
    Input,
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
    UnsupportedModel,
    frozen,
    verify,
)
from e3ne.lower.absorb_flatten import absorb_flatten
from e3ne.lower.context import Context
from tests.unit.lower_graphs import (
    add,
    assert_same,
    average_pool,
    chain,
    conv,
    frames,
    linear,
    names,
    then,
)


def test_a_linear_reads_the_image() -> None:
    graph = chain((2, 6, 6), {"r": Rectify(), "flat": Flatten(), "fc": linear(5, 72)})
    after = absorb_flatten(graph, Context())
    assert names(after) == ["r", "fc"]
    assert after.node("fc").synapses[0].source == "r"
    assert_same(graph, after, frames(3, 2, 6, 6))


def test_neurons_behind_a_flatten_get_the_shape_of_the_image() -> None:
    theta = frozen(np.repeat([0.4, 0.8], 9), np.float32)
    layers = {
        "c": conv(2, 2, 4),
        "flat": Flatten(),
        "lif": IntegrateFire(theta, 0.5),
        "again": Flatten(),
        "fc": linear(5, 18),
    }
    graph = chain((2, 6, 6), layers, steps=6)
    after = absorb_flatten(graph, Context())
    assert names(after) == ["c", "lif", "fc"]
    assert after.node("lif").type == SpikeType((2, 3, 3), 6)
    assert after.node("lif").neuron.threshold.shape == (2,)  # type: ignore[union-attr]
    assert_same(graph, after, frames(3, 2, 6, 6))


def test_one_pixel_keeps_a_flatten_of_wires() -> None:
    graph = chain((4, 2, 2), {"p": average_pool(), "flat": Flatten(), "fc": linear(4, 4)})
    graph = add(graph, "sum", "flat", "fc")
    after = absorb_flatten(graph, Context())
    assert isinstance(after.node("sum").synapses[0].op, Flatten)
    assert after.node("sum").synapses[0].source == "p"
    assert_same(graph, after, frames(3, 4, 2, 2))


def test_one_pixel_may_leave_the_network_flat() -> None:
    graph = chain((4, 2, 2), {"p": average_pool(), "flat": Flatten()})
    after = absorb_flatten(graph, Context())
    assert names(after) == ["p", "flat"]
    assert_same(graph, after, frames(3, 4, 2, 2))


def test_neurons_behind_one_pixel_stay_flat() -> None:
    graph = chain((4, 2, 2), {"p": average_pool(), "flat": Flatten(), "r": Rectify(0.4)})
    after = absorb_flatten(graph, Context())
    assert after.node("r").type.shape == (4,)
    assert isinstance(after.node("r").synapses[0].op, Flatten)
    assert_same(graph, after, frames(3, 4, 2, 2))


def test_parameters_a_feature_become_one_a_neuron_of_the_image() -> None:
    theta = frozen(np.linspace(0.1, 0.9, 8), np.float32)
    layers = {"r": Rectify(), "flat": Flatten(), "lif": IntegrateFire(theta, 0.5)}
    graph = chain((2, 2, 2), {**layers, "fc": linear(3, 8)}, steps=3)
    after = absorb_flatten(graph, Context())
    assert after.node("lif").neuron.threshold.shape == (2, 2, 2)  # type: ignore[union-attr]
    assert_same(graph, after, frames(3, 2, 2, 2))


def test_a_flat_output_becomes_an_image_of_the_same_words() -> None:
    layers = {"r": Rectify(), "flat": Flatten(), "lif": IntegrateFire(0.3)}
    graph = chain((2, 2, 2), layers, steps=3)
    after = absorb_flatten(graph, Context())
    assert after.edge(after.outputs[0].source).shape == (2, 2, 2)
    assert_same(graph, after, frames(3, 2, 2, 2))


def test_an_image_beside_a_vector_is_reordered_by_weights() -> None:
    graph = chain((2, 2, 2), {"flat": Flatten(), "fc": linear(8, 8)})
    graph = add(graph, "sum", "flat", "fc")
    after = absorb_flatten(graph, Context())
    assert isinstance(after.node("sum").synapses[0].op, Linear)
    assert_same(graph, after, frames(3, 2, 2, 2))


def test_images_too_large_to_reorder() -> None:
    graph = chain((1, 33, 32), {"flat": Flatten(), "fc": linear(1056, 1056)})
    with pytest.raises(UnsupportedModel, match=r"sum: found Identity on a flattened image of sh"):
        absorb_flatten(add(graph, "sum", "flat", "fc"), Context())


def flat_loop(read: str) -> Graph:
    """Neurons of an image whose flattened spikes come back, through a later flatten."""
    shape = SpikeType((2, 2, 2), 4)
    lif = Node("lif", (Synapse(Identity(), "x"),), IntegrateFire(0.4, 0.8), shape)
    flat = Node("flat", (Synapse(Flatten(), read),), Relay(), SpikeType((8,), 4))
    late = Node("late", (Synapse(linear(8, 8), "flat", delay=1), Synapse(linear(8, 8), "x")),
                IntegrateFire(0.4, 0.8), SpikeType((8,), 4))  # fmt: skip
    source = Input("x", shape)
    nodes = (lif, late, flat) if read == "lif" else (lif, flat, late)
    return verify(Graph(Stage.FLOAT, (source,), nodes, (Output("late", Readout.LAST),)))


def test_a_flatten_that_stands_behind_its_reader() -> None:
    graph = flat_loop("lif")
    after = absorb_flatten(graph, Context())
    assert names(after) == ["lif", "late"]
    assert after.node("late").synapses[0].source == "lif"
    assert_same(graph, after, frames(3, 4, 2, 2, 2))


def test_neurons_that_read_themselves_behind_a_flatten() -> None:
    graph = chain((2, 2, 2), {"flat": Flatten()}, input_steps=4)
    synapses = (Synapse(Identity(), "flat"), Synapse(Identity(), "lif", delay=1))
    lif = Node("lif", synapses, IntegrateFire(0.4, 0.8), SpikeType((8,), 4))
    graph = then(
        then(graph, lif), Node("fc", (Synapse(linear(3, 8), "lif"),), Relay(), SpikeType((3,), 4))
    )
    after = absorb_flatten(graph, Context())
    assert after.node("lif").type.shape == (2, 2, 2)
    assert_same(graph, after, frames(3, 4, 2, 2, 2))
