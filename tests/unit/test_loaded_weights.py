"""Loaded weights: what they cost, who may ask for them, what a build says of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e3ne.boards import load_board
from e3ne.config import parse_config
from e3ne.cost import node_resources, port_cycles, predict
from e3ne.cost.memories import Memory, memory_cells
from e3ne.ir import (
    DoesNotFit,
    Graph,
    OutputWords,
    Stage,
    Storage,
    UnsupportedModel,
    text,
    verify,
)
from e3ne.ir.weight_port import loads_weights
from e3ne.optimize import choose_mapping
from tests.port_networks import few_pins, with_loaded_weights
from tests.small_networks import convolution, spiking, wide


@pytest.mark.parametrize(
    ("width", "depth", "sprams"),
    [(1, 2, 1), (16, 16_384, 1), (17, 5, 2), (16, 16_385, 2), (64, 6_272, 4), (48, 20_000, 6)],
)
def test_sprams_side_by_side_and_one_after_the_other(width: int, depth: int, sprams: int) -> None:
    cells = memory_cells(Memory(width, depth, True, Storage.LOADED), "ice40")
    assert (cells.sprams, cells.brams) == (sprams, 0)


def test_elsewhere_they_are_block_rams() -> None:
    cells = memory_cells(Memory(36, 1024, True, Storage.LOADED), "ecp5")
    assert (cells.sprams, cells.brams) == (0, 2)


def test_a_prediction_counts_them() -> None:
    plain, filled = spiking(), with_loaded_weights(spiking())
    assert predict(plain, "ice40").spram_bits == 0
    assert predict(filled, "ice40").spram_bits == (2 + 2) * 262_144  # words of 24 bits
    assert node_resources(filled, filled.node("out"), "ice40").spram_bits == 2 * 262_144
    assert predict(filled, "ice40").latency_cycles == predict(plain, "ice40").latency_cycles


def test_a_graph_says_whether_it_has_the_port() -> None:
    assert not loads_weights(spiking())
    assert loads_weights(with_loaded_weights(spiking(), ["out"]))
    assert " loaded] " in text(with_loaded_weights(spiking(), ["out"]))


@pytest.mark.parametrize("bits", [1, 12, 128])
def test_the_width_of_the_port_is_checked(bits: int) -> None:
    with pytest.raises(UnsupportedModel, match=f"weight port of {bits} bits, accepted 8, 16, 32"):
        with_loaded_weights(spiking(), port_bits=bits)


@pytest.mark.parametrize("key", ["storage", "buffer_storage"])
@pytest.mark.parametrize("name", ["pool", "head"])
def test_only_weights_are_loaded(name: str, key: str) -> None:
    graph = convolution()
    node = graph.node(name)
    assert node.mapping is not None
    lanes = replace(node.mapping.synapses[0], **{key: Storage.LOADED})
    asking = replace(node, mapping=replace(node.mapping, synapses=(lanes,)))
    changed = graph.with_nodes([asking if n.name == name else n for n in graph.nodes])
    if (name, key) == ("head", "storage"):
        assert loads_weights(verify(changed))
        return
    with pytest.raises(UnsupportedModel, match=f"{name}: found (buffer_)?storage loaded, accepted"):
        verify(changed)


def test_narrow_beats_cost_cycles_and_the_class_alone_none() -> None:
    assert port_cycles(wide()) == 4 + 1
    assert port_cycles(few_pins(wide())) == 4 * 4
    assert port_cycles(few_pins(wide(), OutputWords.CLASS)) == 1


def unmapped(graph: Graph) -> Graph:
    inputs = tuple(replace(source, lanes=1) for source in graph.inputs)
    nodes = tuple(replace(node, mapping=None) for node in graph.nodes)
    return replace(graph, stage=Stage.INTEGER, inputs=inputs, nodes=nodes, steps_in_window=None)


def test_the_mapper_loads_what_a_configuration_asks_for() -> None:
    config = parse_config({"mapping": {"hidden": {"storage": "loaded"}}})
    mapped = choose_mapping(unmapped(spiking()), load_board("icebreaker"), config)
    assert [
        node.mapping.synapses[0].storage is Storage.LOADED for node in mapped.nodes if node.mapping
    ] == [True, False]
    assert 0 < predict(mapped, "ice40").spram_bits <= 4 * 262_144


def test_more_large_ram_than_there_is_does_not_fit() -> None:
    words = {"storage": "loaded", "engine": "dense", "in_lanes": 10, "out_lanes": 8}
    config = parse_config({"mapping": {"hidden": words}})
    with pytest.raises(DoesNotFit) as caught:
        choose_mapping(unmapped(spiking()), load_board("icebreaker"), config)
    assert str(caught.value) == (
        "board icebreaker: found a network of 3,932,160 bits of large RAM in its smallest layout, "
        "accepted 1,048,576; take a larger part, give fewer nodes `storage: loaded`, or use fewer "
        "weight bits, steps or channels, most of all in hidden (100% of what layers take)"
    )
