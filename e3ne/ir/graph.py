"""The graph: populations joined by synapses, in three stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from .neurons import Neuron
from .ops import Op
from .spikes import SpikeType


class Stage(Enum):
    """How far a graph has come. After INTEGER no pass may change a number."""

    FLOAT = "float"
    INTEGER = "integer"
    MAPPED = "mapped"


class Engine(Enum):
    """The kind of hardware that forms the currents of a node's Linear and Conv2d synapses.

    Pooling, upsampling and bare edges have one kind only; there an engine says nothing.
    """

    DENSE = "dense"  # every slice of the source is multiplied with weights from a memory
    EVENT = "event"  # the same, but slices that are all zero are left out
    LOGIC = "logic"  # weights are constants of an adder network


class Storage(Enum):
    """Where a memory lies."""

    AUTO = "auto"  # where the synthesizer finds it cheapest
    BLOCK = "block"  # block RAM
    LUT = "lut"  # memory made of LUTs
    LOADED = "loaded"  # large RAM without contents of its own (SPRAM), filled after each reset


class Readout(Enum):
    """How the trains of an output node become one number a class; ties go to the lowest index."""

    COUNT = "count"  # sum of the spikes over all steps
    LAST = "last"  # value at the last step
    MAX = "max"  # largest value of any step
    MEAN = "mean"  # sum over all steps; the manifest's scale divides by the steps


WORD_BITS = 32
"""Bits of a word of an output."""


class OutputWords(Enum):
    """Which words of a frame an output sends."""

    ALL = "all"  # a number an element, then the class of a vector
    CLASS = "class"  # the class of a vector alone


@dataclass(frozen=True)
class SynapseMapping:
    """How far one synapse is unrolled, and what it is made of.

    `in_lanes` source elements are multiplied in a cycle, `step_lanes` of their steps, and of each
    integer `bit_lanes` bits (None: all). `in_columns` columns of the source are taken in one word
    by a sliding window: 1, or pixel_lanes times the stride. `storage` is that of the weights,
    `buffer_storage` that of what is kept of the source. `dsps` multipliers of the part form
    `products_per_dsp` products each, of as many output lanes with one element; the others are
    made of LUTs. With `lane_rows` (a Linear on EVENT) each input lane follows its own next event,
    with a memory of weights of its own.
    """

    in_lanes: int = 1
    step_lanes: int = 1
    bit_lanes: int | None = None
    in_columns: int = 1
    storage: Storage = Storage.AUTO
    buffer_storage: Storage = Storage.AUTO
    dsps: int = 0
    products_per_dsp: int = 1
    lane_rows: bool = False


@dataclass(frozen=True)
class Mapping:
    """How a node is laid out; the reference never reads it.

    `out_lanes` currents are formed at once for each of `pixel_lanes` neighbouring output columns
    (more than one only where `out_lanes` is all channels; EVENT has one). LOGIC forms all channels
    from all elements under the kernel. `synapses` has one entry a synapse.
    `neuron_lanes` neurons work at once, on parts of a word of currents one after the other (None:
    as many as currents); the node sends words of so many elements.
    `queue_words` is the depth of the queue behind the node (0: none).
    """

    engine: Engine = Engine.DENSE
    out_lanes: int = 1
    pixel_lanes: int = 1
    synapses: tuple[SynapseMapping, ...] = ()
    queue_words: int = 0
    neuron_lanes: int | None = None

    @property
    def current_lanes(self) -> int:
        """Elements in a word of the currents that the synapses form."""
        return self.out_lanes * self.pixel_lanes

    @property
    def lanes(self) -> int:
        """Elements in a word of the node's output stream: its neurons."""
        return self.neuron_lanes or self.current_lanes

    @property
    def neuron_parts(self) -> int:
        """Words of the neurons in a word of currents."""
        return self.current_lanes // self.lanes


@dataclass(frozen=True)
class Synapse:
    """Currents from the population (or input) `source`, `delay` steps ago, times `gain`.

    `gain` is an integer after the integer line: lowering brings several synapses to one
    accumulator scale with it. Steps before the first count as silence. A synapse whose source is
    its own or a later node has delay >= 1: recurrence.
    """

    op: Op
    source: str
    delay: int = 0
    gain: int = 1


@dataclass(frozen=True)
class Node:
    """A population: its neurons `neuron` of `type`, driven by the sum of its `synapses`.

    `name` is the path of the torch module (dots kept) and becomes the Verilog instance name.
    `scale` is the real value of one unit of the edge (1.0 in stage FLOAT); nothing computes with
    it after the integer line.
    """

    name: str
    synapses: tuple[Synapse, ...]
    neuron: Neuron
    type: SpikeType
    mapping: Mapping | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Input:
    """An input of the network. An element is clip(round_half_even(x / scale), low, high).

    In stage FLOAT an input without bits sends samples as they are. One with bits belongs to a model
    that rounds its samples itself, by this very rule; it sends that integer times `scale`.
    `lanes` elements travel in one beat (stage MAPPED; it divides the neurons). With `events` frames
    arrive as address events instead (`ir/events.py`), and `lanes` elements in one word behind it.
    `packed`: elements of a beat follow each other without padding to whole bytes. `queue_words` is
    the depth of the queue behind the port (0: none), as of a `Mapping`.
    """

    name: str
    type: SpikeType
    scale: float = 1.0
    lanes: int = 1
    events: bool = False
    packed: bool = False
    queue_words: int = 0


@dataclass(frozen=True)
class Output:
    """A node whose trains leave the network, how they are read, and what its port sends of that.

    Beats have `bits` bits, 8, 16 or 32: a 32-bit word is so many of them, the lowest first.
    """

    source: str
    readout: Readout
    words: OutputWords = OutputWords.ALL
    bits: int = WORD_BITS


@dataclass(frozen=True)
class Graph:
    """A network. Nodes stand in an order in which every source without delay comes first.

    A synapse with a delay may read any node, also a later one: feedback (`ir/loops.py`).

    `steps_in_window` says how many time steps one word of a stream carries (stage MAPPED); it
    divides the steps of every edge that has more, and an edge of fewer steps has one window.

    `streaming`: frames are consecutive pieces of one endless stream. Membranes, synaptic currents,
    the spikes of the step before, what delayed synapses read and the levels of delta encoders go
    on from frame to frame and are cleared by a reset only; everything else (sums over steps,
    readouts) is of one frame.

    `weight_port_bits`: width of the port that fills memories of storage LOADED.
    """

    stage: Stage
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    steps_in_window: int | None = None
    streaming: bool = False
    weight_port_bits: int = 8
    _by_name: dict[str, Node] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {node.name: node for node in self.nodes})

    def node(self, name: str) -> Node:
        """The node called `name`; KeyError where there is none."""
        return self._by_name[name]

    def edge(self, name: str) -> SpikeType:
        """The type of what the node or input called `name` sends."""
        for source in self.inputs:
            if source.name == name:
                return source.type
        return self._by_name[name].type

    def scale(self, name: str) -> float:
        """The real value of one unit of what the node or input called `name` sends."""
        for source in self.inputs:
            if source.name == name:
                return source.scale
        return self._by_name[name].scale

    def consumers(self, name: str) -> Iterator[tuple[Node, int]]:
        """(node, index of its synapse) of every synapse that reads `name`, in graph order."""
        for node in self.nodes:
            for index, synapse in enumerate(node.synapses):
                if synapse.source == name:
                    yield node, index

    def with_nodes(self, nodes: tuple[Node, ...] | list[Node]) -> Graph:
        """The same graph with other nodes."""
        return replace(self, nodes=tuple(nodes))
