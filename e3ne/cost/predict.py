"""Cycles and resources of a mapped network, before any tool has run.

Cycles follow the formulas of the hardware. LUTs are an estimate of four-input LUTs from a few
constants fitted to Yosys runs for ECP5 without DSP (`benchmarks/fit_luts.py`), good for choosing
lanes; Yosys and nextpnr say the real figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from ..ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Requantize,
    SumPool2d,
)
from ..ir.cycles import neuron_cycles_per_word, readout_cycles
from ..ir.engine_cycles import folded_window_cycles, row_memory_cycles
from ..ir.frames import input_format, window_steps
from ..ir.geometry import matrix_fold, op_window, pool_fold, wanted_lanes
from ..ir.ranges import Range, current_range, synapse_range
from .schedule import frame_latency

LUTS_PER_PRODUCT_BIT = 1.6  # of weight bits x spike bits, adder tree apart
LUTS_PER_SUM_BIT = 1.3  # adder tree and accumulators
LUTS_PER_MEMBRANE_BIT = 9.0  # a spiking lane, all states
LUTS_PER_NODE = 150  # counters and handshakes
BLOCK_RAM_BITS = 18_432
SMALL_MEMORY_WORDS = 32  # shallower memories become LUT RAM


@dataclass(frozen=True)
class Prediction:
    """`latency_cycles` from a frame's first beat to its last word in an idle network;
    `interval_cycles` between two frames back to back; resources as estimates."""

    latency_cycles: int
    interval_cycles: int
    luts: int
    brams: int
    bram_bits: int


def predict(graph: Graph) -> Prediction:
    """The prediction for a graph of stage MAPPED."""
    source, output = graph.inputs[0], graph.outputs[0]
    classes = graph.edge(output.source).neurons
    beats = input_format(graph, source).beats_per_frame
    interval = max(beats, readout_cycles(0, classes))
    interval = max(interval, *(node_cycles(graph, node) for node in graph.nodes))
    bits = [width * depth for node in graph.nodes for width, depth in node_memories(graph, node)]
    brams = sum(
        -(-width // 36) * -(-depth // 512)
        for node in graph.nodes
        for width, depth in node_memories(graph, node)
    )
    luts = sum(node_luts(graph, node) for node in graph.nodes)
    return Prediction(frame_latency(graph), interval, luts, brams, sum(bits))


def node_cycles(graph: Graph, node: Node) -> int:
    """Cycles of the slowest part of a node for one frame; frames back to back, nothing missing."""
    assert node.mapping is not None
    steps_in = window_steps(graph, graph.edge(node.synapses[0].source).steps)
    steps_out = window_steps(graph, node.type.steps)
    windows = node.type.steps // steps_out
    words = node.type.neurons // node.mapping.lanes
    kept = words if windows > 1 else 0
    found = words * windows * neuron_cycles_per_word(node.neuron, steps_in, steps_out, kept)
    for index in range(len(node.synapses)):
        found = max(found, synapse_cycles(graph, node, index))
    return found


def synapse_cycles(graph: Graph, node: Node, index: int) -> int:
    """Cycles of one synapse's engine for one frame."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    source = graph.edge(synapse.source)
    steps = window_steps(graph, source.steps)
    windows = source.steps // steps
    match synapse.op:
        case Linear() | Conv2d() as op:
            lanes = mapping.synapses[index]
            fold = matrix_fold(op, mapping.out_lanes, lanes.in_lanes, mapping.pixel_lanes)
            window, chunks = op_window(op, source.shape), steps // lanes.step_lanes
            if fold.in_memory:
                own = row_memory_cycles(window, fold, chunks)
                arrival = source.neurons // fold.in_lanes
            else:
                own = folded_window_cycles(window, mapping.pixel_lanes, fold.words, chunks)
                arrival = window.rows * window.columns
        case MaxPool2d() | SumPool2d() as op:
            window = op_window(op, source.shape)
            fold = pool_fold(source.channels, op.kernel, mapping.out_lanes)
            own = folded_window_cycles(window, 1, fold.words)
            arrival = window.rows * window.columns
        case Identity() | Flatten():
            own, arrival = 0, source.neurons // mapping.lanes
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)
    return max(own, arrival, regroup_words(graph, node, index)) * windows


def regroup_words(graph: Graph, node: Node, index: int) -> int:
    """Words a window inside of a Regroup that has to split and collect; else 0.

    0 as well while the source has no mapping yet.
    """
    assert node.mapping is not None
    source = node.synapses[index].source
    sent = source_lanes(graph, source)
    wanted = wanted_lanes(graph, node, index)
    if sent is None or sent % wanted == 0 or wanted % sent == 0:
        return 0
    return graph.edge(source).neurons // int(np.gcd(sent, wanted))


def source_lanes(graph: Graph, name: str) -> int | None:
    """Elements in a word of the input or node called `name`; None before it is mapped."""
    for source in graph.inputs:
        if source.name == name:
            return source.lanes
    mapping = graph.node(name).mapping
    return None if mapping is None else mapping.lanes


def node_luts(graph: Graph, node: Node) -> int:
    """Estimated four-input LUTs of one node."""
    assert node.mapping is not None
    mapping = node.mapping
    total = float(LUTS_PER_NODE)
    for synapse, lanes in zip(node.synapses, mapping.synapses, strict=True):
        source = graph.edge(synapse.source)
        steps = window_steps(graph, source.steps)
        width = synapse_range(synapse, source).signed_bits
        if isinstance(synapse.op, Linear | Conv2d):
            weight = synapse.op.weight
            bits = Range(int(weight.min()), int(weight.max())).signed_bits
            products = mapping.lanes * lanes.in_lanes * lanes.step_lanes
            leaf = bits * source.bits * LUTS_PER_PRODUCT_BIT if source.bits > 1 else bits
            sums = mapping.lanes * lanes.step_lanes * width
            total += products * (leaf + (bits + source.bits + 1) * LUTS_PER_SUM_BIT)
            total += (sums + mapping.lanes * steps * width / 4) * LUTS_PER_SUM_BIT
        elif isinstance(synapse.op, MaxPool2d | SumPool2d):
            area = synapse.op.kernel[0] * synapse.op.kernel[1]
            total += mapping.out_lanes * steps * area * (source.bits + 1) * 2
        else:
            total += mapping.lanes * steps * width
    total += neuron_luts(graph, node)
    return round(total)


def neuron_luts(graph: Graph, node: Node) -> float:
    """Estimated LUTs of a node's neurons."""
    assert node.mapping is not None
    lanes, width = node.mapping.lanes, current_range(graph, node).signed_bits
    match node.neuron:
        case IntegrateFire() | Integrate():
            steps = window_steps(graph, node.type.steps)
            shift_in = width * steps * 0.5
            return lanes * (node.neuron.membrane_bits * LUTS_PER_MEMBRANE_BIT + shift_in)
        case Requantize():
            multiplier = int(np.max(np.abs(node.neuron.multiplier)))
            product = width * multiplier.bit_length() if multiplier > 1 else 0
            return lanes * (product * 1.1 + 3 * width)
        case _:
            return lanes * width


def node_memories(graph: Graph, node: Node) -> list[tuple[int, int]]:
    """(width in bits, depth in words) of each memory of a node that is deep enough."""
    assert node.mapping is not None
    mapping, found = node.mapping, []
    for synapse, lanes in zip(node.synapses, mapping.synapses, strict=True):
        source = graph.edge(synapse.source)
        element_bits = source.bits * window_steps(graph, source.steps)
        if isinstance(synapse.op, Linear | Conv2d):
            op = synapse.op
            fold = matrix_fold(op, mapping.out_lanes, lanes.in_lanes, mapping.pixel_lanes)
            bits = Range(int(op.weight.min()), int(op.weight.max())).signed_bits
            found.append((mapping.out_lanes * fold.in_lanes * bits, fold.words))
            window = op_window(op, source.shape)
            if fold.in_memory:
                words = window.ring_rows * window.columns * window.channels // fold.in_lanes
                found.append((fold.in_lanes * element_bits, words))
    return [(width, depth) for width, depth in found if depth > SMALL_MEMORY_WORDS]
