"""What a LogicUnit is made of: its network, what the network reads, its cycles and registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .adder_build import adder_graph
from .adder_graph import AdderGraph, Term, width_bits
from .arrays import Array
from .frames import window_steps
from .geometry import Window, op_window
from .graph import Graph, Node
from .network_sketch import NetworkSketch, network_sketch
from .ops import Conv2d, Linear
from .order import wire_index
from .ranges import Range
from .sketch import FEW_WEIGHTS, is_sketch
from .spikes import SpikeType

LOGIC_LEVELS = 3
"""Most levels of tables and adders between two registers: with 3 networks of LeNet-5 and of MLPs
reach 100 MHz on an ECP5 of speed 6; with 2 hardly more, a third of the stages later."""


@dataclass(frozen=True)
class LogicPlan:
    """One network for each of `step_lanes` steps; a word passes in step_chunks * bit_chunks parts.

    `built` is the network, or of a sketch its counts. `lanes[k]` is the lane of the word that input
    k of the network reads, `bit_lanes` bits of it at a time, the most significant first. With
    several bit chunks the sign bit of a signed element counts as inverted (`flips_sign`; the
    offsets make up for it), and the network has one input more, which is 1 with the last bits and
    brings the offsets.
    """

    built: AdderGraph | NetworkSketch
    lanes: tuple[int, ...]
    step_lanes: int
    bit_lanes: int
    step_chunks: int
    bit_chunks: int
    flips_sign: bool

    @property
    def network(self) -> AdderGraph:
        """The network; that of a sketch is never built."""
        assert isinstance(self.built, AdderGraph)
        return self.built

    @property
    def chunks(self) -> int:
        """Cycles of one word."""
        return self.step_chunks * self.bit_chunks

    @property
    def stages(self) -> int:
        """Registers from an input of the network to its outputs."""
        return max(1, -(-self.built.depth // LOGIC_LEVELS))

    @property
    def latency_cycles(self) -> int:
        """From the transfer of a word to the one of its currents.

        Where a word passes in chunks it is held, and its sums are added up behind the network.
        """
        return self.stages if self.chunks == 1 else 1 + self.stages + self.chunks

    @cached_property
    def last_stages(self) -> dict[int, int]:
        """For each node of the network that a later stage reads the last one that does; the
        register before the output counts as stage `stages`."""
        found: dict[int, int] = {}
        for stage, term in self._readers():
            for node in self.read_nodes(term.node):
                if self.stage_of(node) < stage:
                    found[node] = max(found.get(node, 0), stage)
        return found

    @cached_property
    def register_bits(self) -> int:
        """Flip-flops of one network."""
        if isinstance(self.built, NetworkSketch):
            return self.built.register_bits(self.stages)
        return sum(
            (last - self.stage_of(node)) * width_bits(self.network.node_range(node))
            for node, last in self.last_stages.items()
        )

    def stage_of(self, node: int) -> int:
        """The stage in which a node is computed: stages are even, the first has no more levels.

        What enters fans out to many nodes, and the way to them takes time.
        """
        first = len(self.network.inputs)
        if node < first:
            return 0
        level = self.network.sums[node - first].level
        return max(0, level * self.stages - 1) // max(1, self.network.depth)

    def read_nodes(self, node: int) -> Iterator[int]:
        """A node, or where it is wires the nodes that these begin at: what registers hold."""
        first = len(self.network.inputs)
        if node >= first and self.network.sums[node - first].is_wires:
            for term in self.network.sums[node - first].terms:
                yield from self.read_nodes(term.node)
        else:
            yield node

    def _readers(self) -> Iterator[tuple[int, Term]]:
        first = len(self.network.inputs)
        for index, item in enumerate(self.network.sums):
            if not item.is_wires:
                for term in item.terms:
                    yield self.stage_of(first + index), term
        for output in self.network.outputs:
            if output is not None:
                yield self.stages, output


def synapse_plan(graph: Graph, node: Node, index: int) -> LogicPlan:
    """The plan of synapse `index` of a mapped node, a Linear or Conv2d; remembered."""
    assert node.mapping is not None
    synapse, lanes = node.synapses[index], node.mapping.synapses[index]
    source = graph.edge(synapse.source)
    assert isinstance(synapse.op, Linear | Conv2d)
    window = op_window(synapse.op, source.shape)
    chunks = window_steps(graph, source.steps) // lanes.step_lanes
    bits = source.bits if lanes.bit_lanes is None else lanes.bit_lanes
    pixels = node.mapping.pixel_lanes
    return logic_plan(synapse.op, source, window, pixels, lanes.step_lanes, chunks, bits)


@lru_cache(maxsize=512)
def logic_plan(
    op: Linear | Conv2d,
    source: SpikeType,
    window: Window,
    pixel_lanes: int,
    step_lanes: int,
    step_chunks: int,
    bit_lanes: int,
) -> LogicPlan:
    """The plan for patches of `pixel_lanes` pixels, each in step_chunks parts of `step_lanes`."""
    network, lanes = _network(op, source, window, pixel_lanes, bit_lanes)
    bit_chunks = source.bits // bit_lanes
    flips_sign = source.signed and bit_chunks > 1
    return LogicPlan(network, lanes, step_lanes, bit_lanes, step_chunks, bit_chunks, flips_sign)


@lru_cache(maxsize=512)
def _network(
    op: Linear | Conv2d, source: SpikeType, window: Window, pixel_lanes: int, bit_lanes: int
) -> tuple[AdderGraph | NetworkSketch, tuple[int, ...]]:
    """The network of a plan, and its lanes."""
    bit_chunks = source.bits // bit_lanes
    matrix, lanes = unrolled_matrix(op, source.shape, window, pixel_lanes)
    bias = np.zeros(len(op.weight), np.int64) if op.bias is None else op.bias
    offsets = np.tile(bias, pixel_lanes)
    span = Range(min(source.low, 0), max(source.high, 0))
    inputs = [span] * len(lanes)
    if bit_chunks > 1:
        if source.signed:  # an element is its bits as an unsigned number, less 2**(bits - 1)
            offsets = offsets - (matrix.sum(axis=1) << (source.bits - 1))
        inputs = [Range(0, (1 << bit_lanes) - 1)] * len(lanes) + [Range(0, 1)]
        matrix = np.concatenate([matrix, offsets[:, None]], axis=1)
        offsets = np.zeros_like(offsets)
    if is_sketch(op) and np.count_nonzero(matrix) > FEW_WEIGHTS:
        return network_sketch(matrix, inputs, offsets.tolist()), lanes
    return adder_graph(matrix, inputs, offsets.tolist()), lanes


def unrolled_matrix(
    op: Linear | Conv2d, source: tuple[int, ...], window: Window, pixel_lanes: int
) -> tuple[Array, tuple[int, ...]]:
    """(pixel_lanes * outputs, elements) and the lane of each element in a word of patches.

    A word has one patch after the other, and neighbouring patches share elements: the first lane
    with an element stands for all of them. Elements without a weight are left out.
    """
    if isinstance(op, Linear):
        weight = op.weight[:, wire_index(source)]
        places = [(0, 0, k) for k in range(weight.shape[1])]
    else:
        weight = _whole_weight(op).transpose(0, 2, 3, 1).reshape(op.weight.shape[0], -1)
        places = [
            (row, column * window.dilation[1], channel)
            for row in range(window.kernel[0])
            for column in range(window.kernel[1])
            for channel in range(window.channels)
        ]
    first_lane: dict[Place, int] = {}
    outputs = len(weight)
    for pixel in range(pixel_lanes):
        for lane, place in enumerate(places):
            first_lane.setdefault(_moved(place, pixel, window), pixel * len(places) + lane)
    index = {place: column for column, place in enumerate(first_lane)}
    matrix = np.zeros((pixel_lanes * outputs, len(index)), np.int64)
    for pixel in range(pixel_lanes):
        for lane, place in enumerate(places):
            rows = slice(pixel * outputs, (pixel + 1) * outputs)
            matrix[rows, index[_moved(place, pixel, window)]] = weight[:, lane]
    used = np.flatnonzero(matrix.any(axis=0))
    found = list(first_lane.values())
    return matrix[:, used], tuple(found[column] for column in used)


def _whole_weight(op: Conv2d) -> Array:
    """Weights (outputs, all channels, rows, columns): 0 for the channels of other groups."""
    if op.groups == 1:
        return op.weight
    outputs, inside, *kernel = op.weight.shape
    whole = np.zeros((op.groups, outputs // op.groups, op.groups, inside, *kernel), np.int64)
    for group, weights in enumerate(op.weight.reshape(op.groups, -1, inside, *kernel)):
        whole[group, :, group] = weights
    return whole.reshape(outputs, -1, *kernel)


Place = tuple[int, int, int]
"""(row, column, channel) of an element, from the first one under the first kernel on."""


def _moved(place: Place, pixel: int, window: Window) -> Place:
    row, column, channel = place
    return row, column + pixel * window.stride[1], channel
