"""Which numbers come out: the living definition of every op and neuron, in plain NumPy.

Works on graphs of every stage: float64 in stage FLOAT, int64 after the integer line. It reads
no mapping. `run` returns what every node sends; `read_out` what leaves the network.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import numpy as np

from ..ir import (
    Array,
    BadInput,
    Encode,
    Graph,
    Input,
    Node,
    Output,
    Readout,
    Stage,
    computing_order,
)
from ..ir.neurons import goes_on
from ..ir.user_arrays import as_frames
from .encoders import encode, encode_stream
from .neurons import Population, fire, saturate, times
from .ops import op_currents
from .stream import Stream, longest_delay

__all__ = [
    "Stream",
    "checked_input",
    "delayed",
    "delayed_stream",
    "encode",
    "encode_input",
    "fire",
    "group_spikes",
    "node_spikes",
    "op_currents",
    "read_out",
    "real_input",
    "run",
    "saturate",
    "times",
]


def run(graph: Graph, *inputs: Array, stream: Stream | None = None) -> dict[str, Array]:
    """What every input and node sends, by name: (frames, steps, *shape) each.

    `inputs` has one array for each input of the graph, (frames, steps, *shape), or
    (frames, *shape) where that input has one step: integers within the edge's range after the
    integer line. The frames of a `streaming` graph are one stream from reset, or go on where
    `stream` stands, which is moved on. BadInput where an array is anything else.
    """
    stream = Stream() if stream is None else stream
    checked = real_input if graph.stage is Stage.FLOAT else checked_input
    values = {
        source.name: checked(source, array)
        for source, array in zip(graph.inputs, inputs, strict=True)
    }
    for group in computing_order(graph):
        values.update(group_spikes(graph, group, values, stream))
    if graph.streaming:
        stream.advance(graph, values)
    return values


def encode_input(source: Input, x: Array) -> Array:
    """Real samples as the edge's integers: clip(round(x / scale)), round half to even."""
    type = source.type
    return np.clip(np.rint(np.asarray(x, np.float64) / source.scale), type.low, type.high).astype(
        np.int64
    )


def real_input(source: Input, array: Array) -> Array:
    """`array` as (frames, steps, *shape) of float64, as an input of stage FLOAT sends it.

    Where its type has bits, a model rounds its samples itself, to whole units of `scale`.
    """
    x = checked_input(replace(source, type=replace(source.type, bits=0)), array)
    return encode_input(source, x) * source.scale if source.type.bits else x


def checked_input(source: Input, array: Array) -> Array:
    """`array` as (frames, steps, *shape), float64 or int64; BadInput where it does not fit.

    Axes of length 1 may be missing or too many (`ir.user_arrays.as_frames`).
    """
    type = source.type
    where = f"input {source.name}"
    array = np.asarray(array)
    shaped = as_frames(type, array)
    if shaped is None:
        wanted = ", ".join(map(str, ("frames", type.steps, *type.shape)))
        raise BadInput(
            f"{where}: found shape {array.shape}, accepted ({wanted}); give one row a frame, with "
            "its steps before its shape"
        )
    array = shaped
    if type.bits == 0:
        return array.astype(np.float64)
    if not np.issubdtype(array.dtype, np.integer) and array.dtype != np.bool_:
        raise BadInput(
            f"{where}: found {array.dtype}, accepted integers; encode samples with encode_input"
        )
    array = array.astype(np.int64)
    if array.size and (array.min() < type.low or array.max() > type.high):
        raise BadInput(
            f"{where}: found values {array.min()} .. {array.max()}, accepted {type.low} .. "
            f"{type.high}; scale the samples into the range of {type.bits} bits"
        )
    return array


def node_spikes(graph: Graph, node: Node, values: dict[str, Array]) -> Array:
    """(frames, steps, *shape) sent by `node`, given what its sources (but itself) send."""
    return group_spikes(graph, (node,), values)[node.name]


def group_spikes(
    graph: Graph,
    group: tuple[Node, ...],
    values: dict[str, Array],
    stream: Stream | None = None,
) -> dict[str, Array]:
    """What the nodes of a feedback loop (or one node) send, given `values` of their sources.

    Currents from outside of the group are formed for all steps at once, those within it step by
    step. A streaming group with a state takes all frames as one long one; `stream` is the state
    before it, whose `advance` is left to the caller.
    """
    stream = Stream() if stream is None else stream
    if isinstance(group[0].neuron, Encode):  # reads an input as it is
        return {group[0].name: _encoded(graph, group[0], values, stream)}
    names = {node.name for node in group}
    outside = {node.name: _outside_currents(graph, node, names, values, stream) for node in group}
    frames, steps = outside[group[0].name].shape[:2]
    endless = graph.streaming and any(_has_state(node, names) for node in group)
    populations = {
        node.name: stream.population(node) if endless else Population(node, frames)
        for node in group
    }
    count, length = (1, frames * steps) if endless else (frames, steps)
    sent, before = {}, {}
    for node in group:
        outside[node.name] = outside[node.name].reshape(count, length, *node.type.shape)
        past = before[node.name] = longest_delay(graph, node.name)
        sent[node.name] = _silence(node, count, past + length)
        if endless and past:
            sent[node.name][:, :past] = stream.past(graph, node.name)
    for step in range(length):
        for node in group:
            current = outside[node.name][:, step]
            for synapse in node.synapses:
                if synapse.source in names:
                    at = before[synapse.source] + step - synapse.delay
                    past_spikes = sent[synapse.source][:, at][:, None]
                    current = current + op_currents(synapse.op, past_spikes)[:, 0] * synapse.gain
            sent[node.name][:, before[node.name] + step] = populations[node.name].step(current)
    return {
        node.name: sent[node.name][:, before[node.name] :].reshape(frames, steps, *node.type.shape)
        for node in group
    }


def _encoded(graph: Graph, node: Node, values: dict[str, Array], stream: Stream) -> Array:
    """The trains of an encoder; one with a state has one train for all frames of a stream."""
    assert isinstance(node.neuron, Encode)
    samples = values[node.synapses[0].source]
    if not (graph.streaming and goes_on(node.neuron)):
        return encode(node.neuron, samples, node.type)
    trains, level = encode_stream(node, samples, stream.level(node))
    stream.keep_level(node, level)
    return trains


def _has_state(node: Node, group: set[str]) -> bool:
    """Does what it sends depend on earlier steps: over its neurons, or over its own loop?"""
    return goes_on(node.neuron) or any(synapse.source in group for synapse in node.synapses)


def _outside_currents(
    graph: Graph, node: Node, group: set[str], values: dict[str, Array], stream: Stream
) -> Array:
    """(frames, steps of the node, *shape): the sum over the synapses from outside of the group."""
    total: Array | None = None
    for synapse in node.synapses:
        if synapse.source not in group:
            spikes = values[synapse.source]
            if graph.streaming and synapse.delay:
                past = stream.past(graph, synapse.source)
                spikes = delayed_stream(spikes, synapse.delay, past)
            else:
                spikes = delayed(spikes, synapse.delay)
            term = op_currents(synapse.op, spikes) * synapse.gain
            total = term if total is None else total + term
    if total is None:  # driven by its loop alone
        frames = len(next(iter(values.values())))
        return _silence(node, frames, node.type.steps)
    if node.type.steps == 1 and total.shape[1] > 1:
        return np.asarray(total.sum(axis=1, keepdims=True))
    if total.shape[1] == 1 and node.type.steps > 1:
        return np.broadcast_to(total, (len(total), node.type.steps, *total.shape[2:]))
    return total


def _silence(node: Node, frames: int, steps: int) -> Array:
    dtype = np.float64 if node.type.bits == 0 else np.int64
    return np.zeros((frames, steps, *node.type.shape), dtype)


def delayed(spikes: Array, delay: int) -> Array:
    """The same trains `delay` steps later; silence before."""
    if delay == 0:
        return spikes
    silence = np.zeros_like(spikes[:, :delay])
    return np.concatenate([silence, spikes[:, : max(0, spikes.shape[1] - delay)]], axis=1)


def delayed_stream(spikes: Array, delay: int, past: Array) -> Array:
    """The frames of a stream `delay` steps later; before them what `past` (steps, *shape) holds."""
    stream = np.concatenate([past[len(past) - delay :], spikes.reshape(-1, *spikes.shape[2:])])
    return stream[: len(stream) - delay].reshape(spikes.shape)


def read_out(output: Output, values: dict[str, Array]) -> tuple[Array, Array]:
    """(words (frames, elements), classes); the lowest index wins a tie.

    Classes are (frames,), or of an image (frames, rows, columns): the largest channel of a pixel.
    """
    trains = values[output.source]
    shape = trains.shape[2:]
    trains = trains.reshape(*trains.shape[:2], -1)
    match output.readout:
        case Readout.COUNT | Readout.MEAN:
            words = trains.sum(axis=1)
        case Readout.LAST:
            words = trains[:, -1]
        case Readout.MAX:
            words = trains.max(axis=1)
        case _:
            assert_never(output.readout)
    pixels = shape[1:] if any(size != 1 for size in shape[1:]) else ()
    return words, words.reshape(len(words), -1, *pixels).argmax(axis=1)
