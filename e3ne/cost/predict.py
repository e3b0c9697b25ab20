"""Cycles and resources of a mapped network, before any tool has run.

Cycles follow the formulas of the hardware. Resources are estimates (`resources.py`), good for
choosing lanes; Yosys and nextpnr say the real figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from ..boards import Family
from ..ir import (
    ChannelAffine,
    Conv2d,
    Engine,
    Flatten,
    Graph,
    Identity,
    Linear,
    MaxPool2d,
    Node,
    Output,
    SumPool2d,
    Upsample2d,
    computing_order,
    in_loop,
)
from ..ir.cycles import event_input_cycles, neuron_cycles_per_word, readout_cycles
from ..ir.edge_words import source_lanes, wanted_lanes
from ..ir.engine_cycles import upsample_cycles
from ..ir.frames import (
    input_words,
    kept_words,
    output_format,
    source_windows,
    synapse_windows,
    window_steps,
)
from ..ir.geometry import op_window, pool_fold
from .activity import Trains
from .dense_clock import dense_cycles, walk_cycles
from .event_clock import event_cycles
from .exact import exact_cycles, follows_data
from .logic_clock import logic_cycles
from .resources import node_resources, port_resources, regroup_resources
from .schedule import frame_latency, loop_cycles


@dataclass(frozen=True)
class Prediction:
    """`latency_cycles` from a frame's first beat to its last word, both included, when idle;
    `interval_cycles` between two frames back to back; resources as estimates, multipliers exact.

    Both are the mean over `frames` of the frames whose trains are known, rounded up,
    `latency_p50_cycles` is the median of their latencies; `latency_worst_cycles` is that of a frame
    in which nothing is zero. Without trains every frame is such a one, but for a frame of events,
    which is received as one event. `is_exact`: the hardware takes these cycles for these frames, to
    the last one; else they are those of the schedule.
    """

    latency_cycles: int
    interval_cycles: int
    luts: int
    ffs: int
    brams: int
    bram_bits: int
    dsps: int = 0
    spram_bits: int = 0
    latency_worst_cycles: int = 0
    latency_p50_cycles: int = 0
    frames: int = 1
    is_exact: bool = False


def predict(
    graph: Graph,
    family: Family = "ecp5",
    trains: Trains | None = None,
    *,
    exact: bool = True,
) -> Prediction:
    """The prediction for a graph of stage MAPPED on a part of `family`.

    `trains`: what every input and node sends on some frames, integers (frames, steps, *shape).
    Cycles are exact (`exact.py`) unless a frame is very long, or `exact` is false: then they are
    those of the schedule, with a first frame of `trains`, which a search can afford.
    """
    parts = [port_resources(graph, family)]
    for node in graph.nodes:
        parts.append(node_resources(graph, node, family))
        parts += [regroup_resources(graph, node, index) for index in range(len(node.synapses))]
    latencies, interval, worst, is_exact = _cycles(graph, trains, exact)
    return Prediction(
        math.ceil(np.mean(latencies)),
        math.ceil(interval),
        sum(part.luts for part in parts),
        sum(part.ffs for part in parts),
        sum(part.brams for part in parts),
        sum(part.bram_bits for part in parts),
        sum(part.dsps for part in parts),
        sum(part.spram_bits for part in parts),
        worst,
        math.ceil(np.median(latencies)),
        len(latencies),
        is_exact,
    )


def _cycles(graph: Graph, trains: Trains | None, exact: bool) -> tuple[list[int], float, int, bool]:
    """(latency of each frame, interval, latency of a frame without zeros, whether exact)."""
    worst = frame_latency(graph)
    found = densest = exact_cycles(graph, None, worst) if exact else None
    if densest is not None:
        worst = densest.latencies[0]
    latencies = [worst]
    worst += _further_events(graph)
    if trains is not None:
        latencies = (
            scheduled_latencies(graph, trains) if exact else [frame_latency(graph, None, trains)]
        )
        if exact and follows_data(graph):
            found = exact_cycles(graph, trains, max(latencies))
    if found is not None:
        return list(found.latencies), found.interval, worst, found.lasts
    return latencies, frame_interval(graph, trains), worst, False


def _further_events(graph: Graph, trains: Trains | None = None) -> int:
    """Events of a frame beyond the one that the schedule takes it for; the words leave behind all.

    Of the input that has most. Of the first frame of `trains`; without, of one without zeros.
    """
    counts = [1]
    for source in graph.inputs:
        if source.events and trains is not None:
            counts.append(int(trains[source.name][0].sum()))
        elif source.events:
            counts.append(source.type.neurons * source.type.steps * source.type.high)
    return max(counts) - 1


def scheduled_latencies(graph: Graph, trains: Trains) -> list[int]:
    """Of each frame of `trains`, from the schedule."""
    count = len(next(iter(trains.values())))
    each = ({name: train[k : k + 1] for name, train in trains.items()} for k in range(count))
    return [frame_latency(graph, trains=frame) + _further_events(graph, frame) for frame in each]


def frame_interval(graph: Graph, trains: Trains | None = None) -> int:
    """Cycles between two frames back to back: those of the slowest part or loop.

    With `trains` in the mean of their frames.
    """
    parts = [node_cycles(graph, node, trains) for node in graph.nodes]
    for group in computing_order(graph):
        if in_loop(graph, group[0].name):
            parts.append(loop_cycles(graph, group, trains))
    return max(port_cycles(graph), *parts)


def port_cycles(graph: Graph) -> int:
    """Cycles of the slowest port for one frame: beats in (one, of events), words out."""
    beats = (
        event_input_cycles(words) if source.events else words
        for source in graph.inputs
        for words in [input_words(graph, source)]
    )
    return max(*beats, *(output_cycles(graph, output) for output in graph.outputs))


def output_cycles(graph: Graph, output: Output) -> int:
    """Cycles of an output's port for one frame."""
    form = output_format(graph, output)
    if form.class_only:
        return 1  # what its words take is a matter of the node that sends them
    return readout_cycles(0, form.words, form.beats_per_word)


def node_cycles(graph: Graph, node: Node, trains: Trains | None = None) -> int:
    """Cycles of the slowest part of a node for one frame; frames back to back, nothing missing.

    With `trains` in the mean of their frames.
    """
    indices = range(len(node.synapses))
    synapses = max(synapse_cycles(graph, node, index, trains) for index in indices)
    return max(neuron_cycles(graph, node), synapses)


def neuron_cycles(graph: Graph, node: Node) -> int:
    """Cycles of a node's neurons for one frame."""
    assert node.mapping is not None
    steps_in = window_steps(graph, graph.edge(node.synapses[0].source).steps)
    steps_out = window_steps(graph, node.type.steps)
    windows = node.type.steps // steps_out
    words = node.type.neurons // node.mapping.lanes
    kept = kept_words(graph, node)
    return words * windows * neuron_cycles_per_word(node.neuron, steps_in, steps_out, kept)


def synapse_cycles(graph: Graph, node: Node, index: int, trains: Trains | None = None) -> int:
    """Cycles of one synapse's engine for one frame (with `trains` in the mean)."""
    assert node.mapping is not None
    mapping, synapse = node.mapping, node.synapses[index]
    source = graph.edge(synapse.source)
    windows = synapse_windows(graph, node, index)
    match synapse.op:
        case Linear() | Conv2d():
            match mapping.engine:
                case Engine.DENSE:
                    own, arrival = dense_cycles(graph, node, index)
                case Engine.EVENT:
                    own, arrival = event_cycles(graph, node, index, trains)
                case Engine.LOGIC:
                    own, arrival = logic_cycles(graph, node, index)
                case _:
                    assert_never(mapping.engine)
        case MaxPool2d() | SumPool2d() as op:
            window = op_window(op, source.shape)
            fold = pool_fold(source.channels, op.kernel, mapping.out_lanes)
            columns = mapping.synapses[index].in_columns
            own = walk_cycles(window, mapping.pixel_lanes, fold.words, 1, columns)
            arrival = window.rows * window.columns // columns
        case Upsample2d():
            own = upsample_cycles(node.type.shape, mapping.current_lanes)
            arrival = source.neurons // mapping.current_lanes
        case Identity() | Flatten():
            own, arrival = 0, source.neurons // mapping.current_lanes
        case ChannelAffine():
            raise TypeError("ChannelAffine never reaches hardware")
        case _:
            assert_never(synapse.op)
    words = max(regroup_words(graph, node, index), replayed_words(graph, node, index))
    return max(own, arrival, words) * windows


def replayed_words(graph: Graph, node: Node, index: int) -> int:
    """Words that a Replay in front of synapse `index` sends in each window; 0 without one."""
    name = node.synapses[index].source
    sent = source_lanes(graph, name)
    if sent is None or synapse_windows(graph, node, index) == source_windows(graph, name):
        return 0
    return graph.edge(name).neurons // sent


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
