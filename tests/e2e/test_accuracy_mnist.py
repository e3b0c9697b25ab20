"""The committed MNIST networks are what their rows say: bits, sizes, percent with every seed."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from benchmarks.accuracy.networks import load_network_of
from benchmarks.accuracy.results import SUBSET_SAMPLES, checkpoint_of, read_result
from benchmarks.accuracy.rows import ROWS, Row
from benchmarks.accuracy.sparse_ternary import nonzeros
from e3ne.ir import Conv2d, Graph, Linear, Requantize, frozen
from e3ne.lower import lower
from e3ne.network_file import load_network
from e3ne.training import twin
from e3ne.training.datasets import MissingData

MNIST_ROWS = [row for row in ROWS.values() if row.network.startswith("mnist_")]
NETWORKS = sorted({row.network for row in MNIST_ROWS})
LARGEST_LEVEL = {"3-bit": 3, "4-bit": 7, "ternary": 1}

rows = pytest.mark.parametrize("row", MNIST_ROWS, ids=lambda row: row.name)


@cache
def integer_of(row: Row) -> Graph:
    """The INTEGER graph of the committed checkpoint; its configuration needs no calibration."""
    graph, config, _ = load_network(checkpoint_of(row.name))
    return lower(graph, None, config)


def weights_of(integer: Graph) -> list[Linear | Conv2d]:
    ops = [synapse.op for node in integer.nodes for synapse in node.synapses]
    return [op for op in ops if isinstance(op, Linear | Conv2d)]


@rows
def test_the_row_reaches_its_percent_with_every_seed(row: Row) -> None:
    recorded = read_result(row.name)
    assert recorded["samples"] == 10_000
    assert set(recorded["seeds"]) == {str(seed) for seed in row.seeds}
    assert row.must_reach is not None
    assert all(seed["percent"] >= row.must_reach for seed in recorded["seeds"].values())
    assert recorded["checkpoint"]["percent"] == recorded["seeds"][str(row.seeds[0])]["percent"]


@rows
def test_the_checkpoint_says_the_command_that_trained_it(row: Row) -> None:
    _, _, info = load_network(checkpoint_of(row.name))
    command = f"python -m benchmarks.accuracy train {row.name} --seed {row.seeds[0]}"
    assert info["command"] == command
    assert info["percent"] == read_result(row.name)["checkpoint"]["percent"]


@rows
def test_weights_have_the_bits_of_the_row(row: Row) -> None:
    levels = [int(np.abs(op.weight).max()) for op in weights_of(integer_of(row))]
    assert max(levels) == LARGEST_LEVEL[row.weights]


@pytest.mark.parametrize("bits", [3, 4, 5, 6])
def test_lenet5_has_edges_and_pixels_of_its_radix_and_no_bias(bits: int) -> None:
    integer = integer_of(ROWS[f"lenet5_radix{bits}"])
    sent = {node.type.bits for node in integer.nodes if isinstance(node.neuron, Requantize)}
    assert sent == {bits} == {integer.inputs[0].type.bits}
    assert all(op.bias is None for op in weights_of(integer))
    assert sum(op.weight.size for op in weights_of(integer)) == 61_470


def test_the_cnn_of_fang_has_edges_and_pixels_of_four_bits() -> None:
    integer = integer_of(ROWS["fang_radix4"])
    sent = {node.type.bits for node in integer.nodes if isinstance(node.neuron, Requantize)}
    assert sent == {4} == {integer.inputs[0].type.bits}
    shapes = [op.weight.shape for op in weights_of(integer)]
    assert shapes == [(32, 1, 3, 3), (32, 32, 3, 3), (256, 800), (10, 256)]


@pytest.mark.parametrize("name", ["mlp_lif_w4", "mlp_lif_ternary"])
def test_the_spiking_mlp_is_784_128_10_of_three_steps_on_binary_pixels(name: str) -> None:
    integer = integer_of(ROWS[name])
    assert integer.inputs[0].type.bits == 1
    assert [(node.type.neurons, node.type.steps) for node in integer.nodes] == [(128, 3), (10, 3)]
    assert integer.nodes[0].type.bits == 1


def test_the_sparse_mlp_is_small() -> None:
    integer = integer_of(ROWS["mlp_sparse"])
    assert 3_000 <= nonzeros(integer) <= 3_800  # of 12,000 that the goal allows
    assert integer.inputs[0].type.bits == 1
    assert [node.type.bits for node in integer.nodes[:-1]] == [2]


@pytest.mark.parametrize("network", NETWORKS)
def test_post_training_8_6_is_within_three_tenths_of_float(network: str) -> None:
    recorded = read_result(f"{network}_float")
    assert recorded["post_training"]["8/6"]["percent"] >= recorded["float"]["percent"] - 0.3


@rows
def test_a_network_with_one_changed_layer_is_caught(row: Row) -> None:
    """The broken twin: the rows of the last weights in another order answer differently."""
    try:
        split = load_network_of(row.network).split()
    except MissingData as missing:
        pytest.skip(f"{missing} (E3NE_DATA)")
    integer = integer_of(row)
    last = integer.nodes[-1]
    op = last.synapses[0].op
    assert isinstance(op, Linear)
    turned = replace(op, weight=frozen(np.roll(op.weight, 1, axis=0), np.int64))
    synapses = (replace(last.synapses[0], op=turned),)
    broken = integer.with_nodes([*integer.nodes[:-1], replace(last, synapses=synapses)])
    _, classes = twin.answers(broken, split.test_x[:SUBSET_SAMPLES])
    right = int((classes == split.test_y[:SUBSET_SAMPLES]).sum())
    assert right < read_result(row.name)["subset"]["correct"] / 2
