"""Which numbers come out: the living definition of every op and neuron, in plain NumPy.

Works on graphs of every stage: float64 in stage FLOAT, int64 after the integer line. It reads
no mapping. `run` returns what every node sends; `read_out` what leaves the network.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np

from .ir import (
    Array,
    BadInput,
    ChannelAffine,
    Conv2d,
    Dyadic,
    Factor,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Op,
    Output,
    Readout,
    Rectify,
    Relay,
    Requantize,
    SpikeType,
    SumPool2d,
    Synapse,
)

EXACT_FLOAT = 2**53  # integers below it are exact in float64, so BLAS may multiply them


def run(graph: Graph, *inputs: Array) -> dict[str, Array]:
    """What every input and node sends, by name: (frames, steps, *shape) each.

    `inputs` has one array for each input of the graph, (frames, steps, *shape), or
    (frames, *shape) where that input has one step: integers within the edge's range after the
    integer line. BadInput where an array is anything else.
    """
    values = {
        source.name: checked_input(source, array)
        for source, array in zip(graph.inputs, inputs, strict=True)
    }
    for node in graph.nodes:
        values[node.name] = node_spikes(graph, node, values)
    return values


def encode_input(source: Input, x: Array) -> Array:
    """Real samples as the edge's integers: clip(round(x / scale)), round half to even."""
    type = source.type
    return np.clip(np.rint(np.asarray(x, np.float64) / source.scale), type.low, type.high).astype(
        np.int64
    )


def checked_input(source: Input, array: Array) -> Array:
    """`array` as (frames, steps, *shape), float64 or int64; BadInput where it does not fit."""
    type = source.type
    where = f"input {source.name}"
    array = np.asarray(array)
    wanted = (type.steps, *type.shape)
    if type.steps == 1 and array.shape[1:] == type.shape:
        array = array[:, None]
    if array.ndim != len(wanted) + 1 or array.shape[1:] != wanted:
        raise BadInput(
            f"{where}: found shape {array.shape}, accepted (frames, {', '.join(map(str, wanted))})"
            "; give one row a frame, with its steps before its shape"
        )
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
    """(frames, steps, *shape) sent by `node`, given what its sources send."""
    currents = None
    recurrent: list[Synapse] = []
    for synapse in node.synapses:
        if synapse.source == node.name:
            recurrent.append(synapse)
            continue
        spikes = delayed(values[synapse.source], synapse.delay)
        term = op_currents(synapse.op, spikes) * synapse.gain
        currents = term if currents is None else currents + term
    assert currents is not None, f"{node.name}: a node needs a synapse from elsewhere"
    if node.type.steps == 1 and currents.shape[1] > 1:
        currents = currents.sum(axis=1, keepdims=True)
    if currents.shape[1] == 1 and node.type.steps > 1:
        currents = np.broadcast_to(
            currents, (currents.shape[0], node.type.steps, *currents.shape[2:])
        )
    return neuron_spikes(node, currents, recurrent)


def delayed(spikes: Array, delay: int) -> Array:
    """The same trains `delay` steps later; silence before."""
    if delay == 0:
        return spikes
    silence = np.zeros_like(spikes[:, :delay])
    return np.concatenate([silence, spikes[:, : spikes.shape[1] - delay]], axis=1)


# ---------------------------------------------------------------------------------------- ops


def op_currents(op: Op, x: Array) -> Array:
    """(frames, steps, *source shape) to (frames, steps, *shape of the currents)."""
    match op:
        case Linear():
            flat = x.reshape(*x.shape[:2], -1)
            return with_bias(exact_matmul(flat, op.weight.T), op.bias, 0)
        case Conv2d():
            return conv2d(op, x)
        case MaxPool2d():
            largest: Array = patches(x, op.kernel, op.stride, op.padding, (1, 1)).max(axis=(-2, -1))
            return largest
        case SumPool2d():
            total: Array = patches(x, op.kernel, op.stride, op.padding, (1, 1)).sum(axis=(-2, -1))
            return total if op.divisor == 1 else total / op.divisor
        case ChannelAffine():
            shape = (-1,) + (1,) * (x.ndim - 3)
            return x * op.gain.astype(np.float64).reshape(shape) + op.offset.reshape(shape)
        case Identity():
            return x
        case Flatten():
            return x.reshape(*x.shape[:2], -1)
        case _:
            assert_never(op)


def conv2d(op: Conv2d, x: Array) -> Array:
    """Cross-correlation, one group after the other, each as one matrix product."""
    windows = patches(x, op.kernel, op.stride, op.padding, op.dilation)
    frames, steps, channels, rows, columns = windows.shape[:5]
    outs = []
    for group in range(op.groups):
        width = channels // op.groups
        part = windows[:, :, group * width : (group + 1) * width]
        matrix = part.transpose(0, 1, 3, 4, 2, 5, 6).reshape(frames, steps, rows * columns, -1)
        height = op.weight.shape[0] // op.groups
        weight = op.weight[group * height : (group + 1) * height].reshape(height, -1)
        outs.append(exact_matmul(matrix, weight.T))
    out = np.concatenate(outs, axis=-1).transpose(0, 1, 3, 2)
    return with_bias(out.reshape(frames, steps, -1, rows, columns), op.bias, 2)


def patches(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Array:
    """(..., rows, columns) to a view (..., out rows, out columns, kernel rows, kernel columns)."""
    pad = [(0, 0)] * (x.ndim - 2) + [(p, p) for p in padding]
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(np.pad(x, pad), span, axis=(-2, -1))  # type: ignore[call-overload]
    return view[..., :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]  # type: ignore[no-any-return]


def exact_matmul(x: Array, weight: Array) -> Array:
    """x @ weight; integers go through float64 BLAS where every sum stays below 2**53."""
    if not np.issubdtype(x.dtype, np.integer):
        return x @ weight.astype(np.float64)
    largest = int(np.abs(x).max(initial=0)) * int(np.abs(weight).sum(axis=0).max(initial=0))
    if largest >= EXACT_FLOAT:
        return x @ weight
    return (x.astype(np.float64) @ weight.astype(np.float64)).astype(np.int64)


def with_bias(currents: Array, bias: Array | None, trailing: int) -> Array:
    """Adds a bias of shape (channels,) to (..., channels, *trailing axes)."""
    return currents if bias is None else currents + bias.reshape(-1, *(1,) * trailing)


# ------------------------------------------------------------------------------------ neurons


def neuron_spikes(node: Node, currents: Array, recurrent: list[Synapse]) -> Array:
    """(frames, steps, *shape) of currents to what the neurons send."""
    neuron, type = node.neuron, node.type
    match neuron:
        case Relay():
            return clip_to_type(currents, type)
        case Rectify():
            return np.clip(currents, 0, neuron.bound)
        case Requantize():
            scaled = times(Dyadic(neuron.multiplier, neuron.shift), currents, type)
            return np.clip(scaled, type.low, type.high)
        case IntegrateFire() | Integrate():
            return run_steps(node, neuron, currents, recurrent)
        case _:
            assert_never(neuron)


def run_steps(
    node: Node, neuron: IntegrateFire | Integrate, currents: Array, recurrent: list[Synapse]
) -> Array:
    """The membrane equations of `ir/neurons.py`, step by step."""
    frames, steps = currents.shape[:2]
    dtype = np.float64 if node.type.bits == 0 else np.int64
    sent = np.zeros((frames, steps, *node.type.shape), dtype)
    membrane = np.zeros((frames, *node.type.shape), dtype)
    synaptic = np.zeros_like(membrane)
    silence = np.zeros((frames, 1, *node.type.shape), dtype)
    for step in range(steps):
        current = currents[:, step]
        for synapse in recurrent:
            past = step - synapse.delay
            spikes = sent[:, past : past + 1] if past >= 0 else silence
            current = current + op_currents(synapse.op, spikes)[:, 0] * synapse.gain
        drive = times(neuron.gain, current, node.type)
        if neuron.synaptic_decay is not None:
            synaptic = times(neuron.synaptic_decay, synaptic, node.type) + drive
            drive = synaptic = saturate(synaptic, neuron.membrane_bits)
        drive = drive + per_channel(neuron.offset, node.type)
        leaked = times(neuron.decay, membrane, node.type)
        if isinstance(neuron, Integrate):
            membrane = saturate(leaked + drive, neuron.membrane_bits)
            sent[:, step] = membrane
        else:
            before = sent[:, step - 1] if step else silence[:, 0]
            membrane, sent[:, step] = fire(neuron, node.type, leaked, drive, membrane, before)
    return sent


def fire(
    neuron: IntegrateFire,
    type: SpikeType,
    leaked: Array,
    drive: Array,
    membrane: Array,
    spikes_before: Array,
) -> tuple[Array, Array]:
    """(membrane after this step, spikes of this step), each (frames, *shape)."""
    theta = per_channel(neuron.threshold, type)
    total = leaked + drive
    again = fires(neuron, membrane, theta) if neuron.reset_step == "both" else 0
    if neuron.reset_step == "next" and neuron.reset == "subtract":
        total = total - spikes_before * theta
    elif neuron.reset_step == "next" and neuron.reset == "to_value":
        kept = drive if neuron.reset_keeps_input else 0
        total = np.where(spikes_before > 0, neuron.reset_value + kept, total)
    elif neuron.reset_step == "both":
        total = total - again * theta
    if neuron.floor is not None:
        total = np.maximum(total, neuron.floor)
    membrane = saturate(total, neuron.membrane_bits)
    spikes = fires(neuron, membrane, theta)
    if neuron.reset_step == "same" and neuron.reset == "subtract":
        membrane = membrane - spikes * theta
    elif neuron.reset_step == "same" and neuron.reset == "to_value":
        membrane = np.where(spikes > 0, neuron.reset_value, membrane)
    elif neuron.reset_step == "both":
        membrane = saturate(membrane - (spikes - again) * theta, neuron.membrane_bits)
    return membrane, spikes


def fires(neuron: IntegrateFire, membrane: Array, theta: Array) -> Array:
    """Spikes of this step: how many multiples of the threshold the membrane has passed."""
    compare = np.greater if neuron.fire_on == ">" else np.greater_equal
    passed = [compare(membrane, k * theta) for k in range(1, neuron.max_spikes + 1)]
    return np.asarray(np.sum(passed, axis=0, dtype=np.int64))


def times(factor: Factor, x: Array, type: SpikeType) -> Array:
    """factor * x; a Dyadic rounds half up."""
    if isinstance(factor, Dyadic):
        half = (1 << factor.shift) >> 1
        return (x * per_channel(factor.multiplier, type) + half) >> factor.shift
    return x * per_channel(factor, type)


def per_channel(parameter: float | int | Array, type: SpikeType) -> Array:
    """A scalar, or (channels,) shaped so that it broadcasts over (frames, *shape)."""
    array = np.asarray(parameter)
    return array.reshape(-1, *(1,) * (len(type.shape) - 1)) if array.ndim else array


def saturate(x: Array, width_bits: int) -> Array:
    """Saturation to two's complement of `width_bits`; nothing where it is 0 (stage FLOAT)."""
    if width_bits == 0:
        return x
    return np.clip(x, -(1 << (width_bits - 1)), (1 << (width_bits - 1)) - 1)


def clip_to_type(x: Array, type: SpikeType) -> Array:
    """Saturation to the edge; `verify` asks for edges that make it do nothing."""
    return x if type.bits == 0 else np.clip(x, type.low, type.high)


# ------------------------------------------------------------------------------------ readout


def read_out(output: Output, values: dict[str, Array]) -> tuple[Array, Array]:
    """(words (frames, classes), class index (frames,)); the lowest index wins a tie."""
    trains = values[output.source]
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
    return words, words.argmax(axis=1)
