"""A fixed set of small synapses and networks: every line of the engine counts in one of them."""

from __future__ import annotations

import numpy as np

from e3ne.ir import (
    ONE,
    Conv2d,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Mapping,
    MaxPool2d,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    Upsample2d,
    frozen,
    verify,
)
from e3ne.ir.engine_cycles import folded_window_cycles, upsample_cycles
from e3ne.ir.geometry import op_window, pool_fold, synapse_fold
from e3ne.ir.ranges import current_range
from e3ne.ir.row_cycles import row_memory_cycles
from tests.random_frames import frames_of

from .bench import Run
from .core_runs import check_core
from .test_synapse_units import check, mapped

NONE, SLOW_SOURCE, SLOW_SINK, BOTH = (0.0, 0.0), (0.7, 0.0), (0.0, 0.7), (0.4, 0.4)
Pauses = tuple[float, float]


def integers(seed: int, shape: tuple[int, ...], high: int = 7) -> np.ndarray:
    found = np.random.default_rng(seed).integers(-high - 1, high + 1, shape)
    return frozen(found, np.int64)


def conv(seed: int, shape: tuple[int, ...], biased: bool = False, **geometry) -> Conv2d:
    return Conv2d(
        integers(seed, shape), integers(seed, shape[:1], 90) if biased else None, **geometry
    )


def lanes(
    in_lanes: int = 1,
    out_lanes: int = 1,
    pixel_lanes: int = 1,
    step_lanes: int = 1,
    in_columns: int = 1,
) -> Mapping:
    synapses = (SynapseMapping(in_lanes, step_lanes, in_columns=in_columns),)
    return Mapping(out_lanes=out_lanes, pixel_lanes=pixel_lanes, synapses=synapses)


# ----------------------------------------------------------------------------------- synapses

Case = tuple[Op, SpikeType, Mapping, int, Pauses]


def row_memories() -> list[Case]:
    """Slices from memory: strides, paddings, dilations, groups, windows, one lane or several."""
    return [
        (Linear(integers(9, (1, 5))), SpikeType((5,), 1, 2), lanes(), 1, NONE),
        (
            Linear(integers(1, (4, 6)), integers(2, (4,), 50)),
            SpikeType((6,), 1, 3),
            lanes(6, 1),
            1,
            SLOW_SINK,
        ),
        (Linear(integers(3, (3, 8))), SpikeType((2, 2, 2), 4, 2), lanes(1, 1, 1, 2), 4, BOTH),
        (
            conv(4, (4, 2, 3, 2), True, padding=(1, 1)),
            SpikeType((2, 4, 3), 1, 2),
            lanes(2, 2),
            1,
            NONE,
        ),
        (
            conv(5, (2, 2, 2, 2), True, stride=(2, 1), dilation=(1, 2)),
            SpikeType((2, 5, 4), 1, 4, True),
            lanes(),
            1,
            SLOW_SINK,
        ),
        (
            conv(6, (4, 2, 2, 1), True, stride=(1, 2), dilation=(2, 1), groups=2),
            SpikeType((4, 4, 3), 1, 1),
            lanes(2, 1),
            1,
            SLOW_SOURCE,
        ),
        (
            conv(7, (2, 1, 3, 3), padding=(2, 1), stride=(3, 2)),
            SpikeType((1, 4, 4), 4, 1),
            lanes(1, 2, 1, 1),
            2,
            NONE,
        ),
        (
            conv(8, (2, 2, 1, 1), stride=(3, 2), padding=(1, 0)),
            SpikeType((2, 5, 3), 2, 2),
            lanes(2, 1, 1, 1),
            2,
            SLOW_SOURCE,
        ),
    ]


def sliding_windows() -> list[Case]:
    """Patches in registers: the same geometries, pixel lanes, patches of one slice and of more."""
    return [
        (conv(11, (3, 2, 3, 2), padding=(1, 1)), SpikeType((2, 4, 3), 1, 2), lanes(12, 3), 1, NONE),
        (
            conv(12, (2, 2, 2, 2), True, padding=(1, 1), dilation=(2, 2)),
            SpikeType((2, 4, 4), 1, 3, True),
            lanes(4, 1),
            1,
            BOTH,
        ),
        (
            conv(13, (4, 2, 2, 2), groups=2, stride=(1, 2)),
            SpikeType((4, 3, 4), 1, 1),
            lanes(4, 1),
            1,
            NONE,
        ),
        (
            conv(14, (2, 1, 2, 3), stride=(2, 1), padding=(0, 1)),
            SpikeType((1, 5, 4), 2, 1),
            lanes(6, 2, 2, 1),
            2,
            NONE,
        ),
        (
            conv(15, (2, 1, 2, 2), padding=(2, 2), stride=(2, 2)),
            SpikeType((1, 4, 3), 2, 1),
            lanes(2, 2, 1, 1),
            1,
            SLOW_SOURCE,
        ),
        (
            conv(16, (2, 1, 3, 1), stride=(1, 2)),
            SpikeType((1, 4, 1), 1, 2),
            lanes(3, 1),
            1,
            SLOW_SINK,
        ),
        (
            conv(17, (2, 2, 1, 2), True, stride=(3, 3)),
            SpikeType((2, 5, 8), 2, 1),
            lanes(1, 2, 3, 2),
            2,
            BOTH,
        ),
    ]


def wide_windows() -> list[Case]:
    """Words of several columns: padding of whole words and of parts, gaps, strides, dilation."""
    return [
        (conv(41, (2, 1, 3, 3)), SpikeType((1, 4, 6), 1, 2), lanes(9, 2, 2, 1, 2), 1, NONE),
        (
            conv(42, (2, 2, 2, 3), True, padding=(1, 1)),
            SpikeType((2, 3, 4), 2, 1),
            lanes(12, 2, 4, 1, 4),
            2,
            BOTH,
        ),
        (
            conv(43, (2, 1, 2, 2), stride=(1, 2), padding=(0, 2)),
            SpikeType((1, 3, 8), 1, 3, True),
            lanes(2, 1, 1, 1, 2),
            1,
            SLOW_SINK,
        ),
        (
            conv(44, (2, 1, 1, 3), dilation=(1, 2), padding=(1, 2)),
            SpikeType((1, 2, 6), 2, 1),
            lanes(3, 2, 3, 1, 3),
            1,
            SLOW_SOURCE,
        ),
        (
            conv(45, (1, 1, 2, 1), True, stride=(2, 3), padding=(0, 1)),
            SpikeType((1, 5, 6), 2, 1),
            lanes(2, 1, 1, 2, 3),
            2,
            NONE,
        ),
        (
            conv(46, (2, 1, 2, 2), padding=(2, 3)),
            SpikeType((1, 2, 3), 1, 2),
            lanes(4, 2, 1, 1),
            1,
            SLOW_SOURCE,
        ),
        (
            conv(47, (4, 1, 1, 1), groups=2, stride=(1, 2)),
            SpikeType((2, 3, 8), 1, 2),
            lanes(1, 1, 1, 1, 2),
            1,
            BOTH,
        ),
        (MaxPool2d((2, 2), (2, 2)), SpikeType((2, 4, 6), 1, 3), lanes(1, 1, 1, 1, 2), 1, BOTH),
        (MaxPool2d((2, 2), (2, 2)), SpikeType((2, 4, 8), 1, 3), lanes(1, 2, 2, 1, 4), 1, NONE),
        (
            SumPool2d((3, 3), (1, 1), (1, 1)),
            SpikeType((2, 3, 6), 2, 2),
            lanes(1, 2, 3, 1, 3),
            1,
            BOTH,
        ),
        (SumPool2d((2, 3), (2, 1)), SpikeType((1, 4, 6), 2, 2, True), lanes(1, 1, 4), 1, NONE),
    ]


def pools() -> list[Case]:
    """Largest values and sums, of one kernel position and of many, with and without a sign."""
    one = lanes()
    return [
        (MaxPool2d((2, 2), (2, 2)), SpikeType((2, 4, 5), 1, 3, True), lanes(1, 2), 1, NONE),
        (MaxPool2d((3, 2), (2, 1), (1, 1)), SpikeType((2, 5, 3), 2, 2), one, 1, BOTH),
        (SumPool2d((2, 3), (1, 2), (1, 0)), SpikeType((1, 3, 5), 2, 2), one, 2, NONE),
        (SumPool2d((3, 3), (3, 3)), SpikeType((2, 6, 3), 1, 4, True), one, 1, SLOW_SINK),
        (Identity(), SpikeType((4,), 2, 3, True), lanes(1, 2), 1, BOTH),
        (Identity(), SpikeType((2, 2, 1), 2, 2), lanes(1, 1), 2, NONE),
    ]


def upsamples() -> list[Case]:
    """Zeros and repeats: no memory, one word, a pixel of several words, a row; crops, windows."""
    wide = lanes(1, 2)
    return [
        (Upsample2d((2, 3), "zero", (1, 2)), SpikeType((2, 2, 3), 2, 3, True), lanes(), 1, NONE),
        (Upsample2d((3, 2), "zero"), SpikeType((4, 2, 2), 2, 2), wide, 2, BOTH),
        (Upsample2d((2, 2), "zero"), SpikeType((2, 2, 2), 2, 1), wide, 1, SLOW_SOURCE),
        (Upsample2d((1, 3), "repeat", (0, 1)), SpikeType((2, 1, 5), 2, 2), wide, 1, NONE),
        (Upsample2d((2, 1)), SpikeType((2, 4, 1), 1, 3, True), wide, 1, BOTH),
        (Upsample2d((1, 3), "repeat", (0, 2)), SpikeType((4, 2, 3), 2, 2), wide, 2, NONE),
        (Upsample2d((2, 2)), SpikeType((2, 3, 3), 2, 2, True), lanes(), 1, NONE),
        (Upsample2d((3, 2), "repeat", (1, 1)), SpikeType((2, 2, 3), 2, 1), wide, 1, BOTH),
        (Upsample2d((2, 2), "repeat", (1, 0)), SpikeType((4, 2, 3), 1, 3), wide, 1, SLOW_SINK),
        (Upsample2d((3, 1)), SpikeType((1, 3, 4), 2, 1), lanes(), 2, SLOW_SOURCE),
    ]


def check_synapses(cases: list[Case], first_seed: int = 0) -> None:
    """Equal to the reference, and where nothing pauses a window takes the cycles of the formula."""
    for seed, (op, source, mapping, window, pauses) in enumerate(cases, first_seed):
        graph = mapped(op, source, mapping, window)
        run = check(graph, 4, seed, pauses, limit_cycles=1_000)
        if pauses == NONE and not isinstance(op, Identity):
            words = len(run.sinks[0].cycles) // 4
            ends = run.sinks[0].cycles[words - 1 :: words]
            assert ends[3] - ends[1] == 2 * source.steps // window * window_cycles(graph, op)


def window_cycles(graph: Graph, op: Op) -> int:
    mapping = graph.nodes[0].mapping
    source = graph.inputs[0].type
    if isinstance(op, Upsample2d):
        return upsample_cycles(graph.nodes[0].type.shape, mapping.lanes)
    window, columns = op_window(op, source.shape), mapping.synapses[0].in_columns
    if isinstance(op, MaxPool2d | SumPool2d):
        fold = pool_fold(source.channels, op.kernel, mapping.out_lanes)
        return folded_window_cycles(window, mapping.pixel_lanes, fold.words, 1, columns)
    fold = synapse_fold(graph.nodes[0], 0)
    chunks = min(graph.steps_in_window, source.steps) // mapping.synapses[0].step_lanes
    if fold.in_memory:
        return row_memory_cycles(window, fold, chunks)
    return folded_window_cycles(window, mapping.pixel_lanes, fold.words, chunks, columns)


# ----------------------------------------------------------------------------------- networks


def relay(graph: Graph, name: str, synapses: list[Synapse], shape, mapping: Mapping) -> Graph:
    """One more population that sends its sum, as wide as the sum asks for."""
    steps = graph.edge(synapses[0].source).steps
    draft = Node(name, tuple(synapses), Relay(), SpikeType(shape, steps, 1), mapping)
    width = current_range(graph, draft).signed_bits
    node = Node(name, draft.synapses, Relay(), SpikeType(shape, steps, width, True), mapping)
    return graph.with_nodes([*graph.nodes, node])


def start(type: SpikeType, input_lanes: int, window: int) -> Graph:
    return Graph(Stage.MAPPED, (Input("x", type, lanes=input_lanes),), (), (), window)


def ended(graph: Graph, last: str) -> Graph:
    """The network with a population of two classes behind `last`."""
    op = Linear(integers(31, (2, graph.edge(last).neurons), 1))
    graph = relay(graph, "end", [Synapse(op, last, 0, 3)], (2,), lanes(1, 2))
    output = Output("end", Readout.LAST)
    return verify(Graph(graph.stage, graph.inputs, graph.nodes, (output,), graph.steps_in_window))


def many(*synapses: tuple[int, int], out_lanes: int = 1, queue_words: int = 0) -> Mapping:
    """A mapping of several synapses."""
    found = tuple(SynapseMapping(*pair) for pair in synapses)
    return Mapping(out_lanes=out_lanes, synapses=found, queue_words=queue_words)


def residual() -> Graph:
    """A convolution and its source join with gains, and a population that only watches."""
    type = SpikeType((2, 4, 3), 2, 2)
    graph = start(type, 1, 2)
    graph = relay(
        graph,
        "a.conv",
        [Synapse(conv(21, (2, 2, 3, 3), padding=(1, 1)), "x")],
        type.shape,
        lanes(2, 2),
    )
    graph = relay(
        graph,
        "a.join",
        [Synapse(Identity(), "a.conv", 0, 2), Synapse(Identity(), "x", 0, -3)],
        type.shape,
        many((1, 1), (1, 1), out_lanes=2, queue_words=3),
    )
    graph = relay(graph, "watcher", [Synapse(Identity(), "x", 0, 5)], type.shape, lanes())
    return ended(graph, "a.join")


def recurrent(delay: int) -> Graph:
    """Spiking neurons that read themselves and their source `delay` steps later."""
    type = SpikeType((4,), 5, 1)
    graph = start(type, 2, 1)
    loop = Linear(integers(22, (4, 4), 3))
    fires = IntegrateFire(2, ONE, ONE, membrane_bits=9)
    synapses = (
        Synapse(Linear(integers(23, (4, 4), 3)), "x"),
        Synapse(loop, "loop", delay),
        Synapse(Identity(), "x", delay),
    )
    mapping = many((2, 1), (4, 1), (1, 1), out_lanes=2)
    graph = graph.with_nodes([Node("loop", synapses, fires, type, mapping)])
    return ended(graph, "loop")


def check_networks() -> None:
    """Every word of every node, with and without pauses."""
    for seed, (graph, pauses) in enumerate(
        [
            (residual(), NONE),
            (residual(), BOTH),
            (recurrent(1), NONE),
            (recurrent(2), BOTH),
        ]
    ):
        run_network(graph, pauses, seed)


def run_network(graph: Graph, pauses: Pauses, seed: int) -> Run:
    return check_core(graph, frames_of(graph, 4, seed), pauses, seed, limit_cycles=1_500)
