"""Hypothesis strategies: random small networks of stage MAPPED, with every op and neuron option."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from e3ne.ir import (
    Conv2d,
    Dyadic,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Mapping,
    MaxPool2d,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    SynapseMapping,
    Upsample2d,
    frozen,
    op_shape,
    verify,
)
from e3ne.ir.ranges import membrane_range, summed_current_range


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def weights(draw: Any, shape: tuple[int, ...]) -> Any:
    low, high = draw(st.sampled_from([(-1, 1), (-3, 3), (-8, 7)]))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    return frozen(random.integers(low, high + 1, shape), np.int64)


def biases(draw: Any, outputs: int) -> Any:
    return weights(draw, (outputs,)) if draw(st.booleans()) else None


def draw_op(draw: Any, source: SpikeType) -> Op:
    """A random op that can read `source`."""
    shape = source.shape
    kinds = ["linear", "identity"]
    if len(shape) == 3:
        kinds += ["conv", "conv", "max", "sum"]
    if len(shape) == 3 and shape[1] * shape[2] <= 12:
        kinds += ["upsample"]
    kind = draw(st.sampled_from(kinds))
    if kind == "linear":
        outputs = draw(st.integers(1, 6))
        return Linear(weights(draw, (outputs, source.neurons)), biases(draw, outputs))
    if kind == "identity":
        return Identity()
    if kind == "upsample":
        return draw_upsample(draw)
    kernel = tuple(draw(st.integers(1, min(3, size))) for size in shape[1:])
    stride = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    if kind == "conv":
        groups = draw(st.sampled_from([g for g in (1, 2, 3) if shape[0] % g == 0]))
        outputs = groups * draw(st.integers(1, 3))
        padding = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
        weight = weights(draw, (outputs, shape[0] // groups, *kernel))
        return Conv2d(weight, biases(draw, outputs), stride, padding, (1, 1), groups)
    pool = MaxPool2d if kind == "max" else SumPool2d
    return pool(kernel, stride)  # type: ignore[arg-type]


def draw_upsample(draw: Any) -> Upsample2d:
    """Repeated or spread pixels, up to three times as many rows and columns."""
    factor = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    crop = tuple(draw(st.integers(0, size - 1)) for size in factor)
    return Upsample2d(factor, draw(st.sampled_from(["repeat", "zero"])), crop)  # type: ignore[arg-type]


def factors(draw: Any, channels: int, largest: int = 1) -> Dyadic:
    """A constant in [0, largest], scalar or per channel."""
    shift = draw(st.integers(0, 6))
    high = largest << shift
    if draw(st.booleans()):
        return Dyadic(draw(st.integers(0, high)), shift)
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    return Dyadic(frozen(random.integers(0, high + 1, channels), np.int64), shift)


def parameter(draw: Any, channels: int, low: int, high: int) -> Any:
    """A scalar or one value a channel."""
    if draw(st.booleans()):
        return draw(st.integers(low, high))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    return frozen(random.integers(low, high + 1, channels), np.int64)


def draw_spiking(draw: Any, channels: int) -> IntegrateFire | Integrate:
    """A spiking neuron or an integrator with random options; membrane_bits still open."""
    common: dict[str, Any] = {
        "decay": factors(draw, channels),
        "gain": factors(draw, channels, 3),
        "synaptic_decay": factors(draw, channels) if draw(st.integers(0, 3)) == 0 else None,
        "offset": parameter(draw, channels, -3, 3),
    }
    if draw(st.integers(0, 4)) == 0:
        return Integrate(**common)
    reset_step = draw(st.sampled_from(["next", "same", "both"]))
    reset = draw(st.sampled_from(["subtract", "to_value", "none"]))
    if reset_step == "both":
        reset = "subtract"
    return IntegrateFire(
        **common,
        threshold=parameter(draw, channels, 1, 12),
        fire_on=draw(st.sampled_from([">", ">="])),
        reset=reset,
        reset_value=draw(st.integers(-3, 3)),
        reset_step=reset_step,
        reset_keeps_input=draw(st.booleans()),
        max_spikes=1 if reset_step == "both" else draw(st.sampled_from([1, 1, 3])),
        floor=draw(st.sampled_from([None, None, 0, -4])),
    )


def finished(draw: Any, graph: Graph, node: Node) -> Node:
    """The node with the edge and membrane widths that its range asks for."""
    neuron, type = node.neuron, node.type
    total = summed_current_range(graph, node)
    match neuron:
        case Relay():
            is_signed = total.low < 0
            bits = total.signed_bits if is_signed else max(1, total.high.bit_length())
            return replace(node, type=replace(type, bits=bits, signed=is_signed))
        case Requantize():
            is_signed = draw(st.integers(0, 3)) == 0
            bits = draw(st.integers(1 + is_signed, 6))
            return replace(node, type=replace(type, bits=bits, signed=is_signed))
        case IntegrateFire() | Integrate():
            reach = membrane_range(neuron, total, type.steps)
            widest = [reach.low, reach.high]
            if isinstance(neuron, IntegrateFire):
                widest += [int(np.max(neuron.threshold)), neuron.reset_value, neuron.floor or 0]
            needed = max(max(widest).bit_length(), (~min(widest)).bit_length(), 1) + 1
            narrow = draw(st.booleans())  # saturates
            width = max(6, needed - 2) if narrow else needed
            neuron = replace(neuron, membrane_bits=width)
            if isinstance(neuron, Integrate):
                return replace(node, neuron=neuron, type=replace(type, bits=width, signed=True))
            bits = neuron.max_spikes.bit_length()
            return replace(node, neuron=neuron, type=replace(type, bits=bits))
        case _:
            raise AssertionError(neuron)


def draw_neuron(draw: Any, channels: int, steps: int) -> Neuron:
    kinds = ["spiking", "spiking", "relay"] + (["requantize"] * 2 if steps == 1 else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "relay":
        return Relay()
    if kind == "requantize":
        multiplier = parameter(draw, channels, 1, 40) if draw(st.booleans()) else 1
        return Requantize(multiplier, draw(st.integers(0, 8)))
    return draw_spiking(draw, channels)


def draw_mapping(draw: Any, graph: Graph, node: Node, window: int) -> Mapping:
    """Random legal lanes."""
    allowed = divisors(node.type.channels)
    for synapse in node.synapses:
        if isinstance(synapse.op, Conv2d):
            inside = int(synapse.op.weight.shape[0]) // synapse.op.groups
            allowed = [lanes for lanes in allowed if inside % lanes == 0]
    out_lanes = draw(st.sampled_from(allowed))
    pixel_lanes = 1
    pools = any(isinstance(s.op, MaxPool2d | SumPool2d | Upsample2d) for s in node.synapses)
    if out_lanes == node.type.channels and len(node.type.shape) == 3 and not pools:
        pixel_lanes = draw(st.sampled_from(divisors(node.type.shape[2])))
    synapses = []
    for synapse in node.synapses:
        source = graph.edge(synapse.source)
        steps = draw(st.sampled_from(divisors(min(window, source.steps))))
        in_lanes = 1
        if isinstance(synapse.op, Linear):
            in_lanes = draw(st.sampled_from(divisors(source.neurons)))
        elif isinstance(synapse.op, Conv2d):
            in_lanes = draw(st.sampled_from(divisors(int(np.prod(synapse.op.weight.shape[1:])))))
        synapses.append(SynapseMapping(in_lanes, steps))
    queue = draw(st.sampled_from([0, 0, 3]))
    return Mapping(
        out_lanes=out_lanes, pixel_lanes=pixel_lanes, synapses=tuple(synapses), queue_words=queue
    )


@st.composite
def mapped_graphs(
    draw: Any, max_nodes: int = 4, recurrent: bool = True, joins: bool = True
) -> Graph:
    """A legal mapped graph of up to `max_nodes` nodes: chains, residual sums, recurrence."""
    shape = draw(st.sampled_from([(1,), (4,), (6,), (1, 4, 4), (2, 3, 4), (3, 4, 3)]))
    steps = draw(st.sampled_from([1, 1, 2, 4]))
    bits = draw(st.sampled_from([1, 1, 3, 8]))
    is_signed = bits > 1 and draw(st.booleans())
    source = Input("input", SpikeType(shape, steps, bits, is_signed))
    graph = Graph(Stage.INTEGER, (source,), (), ())
    loops = False
    last = "input"
    count = draw(st.integers(1, max_nodes))
    for index in range(count):
        name = f"layer{index}.0"
        from_type = graph.edge(last)
        if from_type.bits > 12:  # keep sums small
            op: Op = Identity()
        else:
            op = draw_op(draw, from_type)
        out_shape = op_shape(op, from_type.shape)
        if index == count - 1 and any(size > 1 for size in out_shape[1:]):
            op = Linear(weights(draw, (3, from_type.neurons)))
            out_shape = (3,)
        synapses = [Synapse(op, last, 0, draw(st.sampled_from([1, 1, 2, -3])))]
        for other in ("input", *(node.name for node in graph.nodes)):
            alike = graph.edge(other)
            fits = joins and alike.shape == out_shape and alike.steps == from_type.steps
            if fits and draw(st.booleans()):
                synapses.append(Synapse(Identity(), other, 0, draw(st.sampled_from([1, 2]))))
        neuron = draw_neuron(draw, out_shape[0], from_type.steps)
        spiking = isinstance(neuron, IntegrateFire | Integrate)
        out_steps = from_type.steps
        if from_type.steps == 1 and spiking and not loops:
            out_steps = draw(st.sampled_from([1, steps, 3]))
        elif from_type.steps > 1 and not loops and draw(st.integers(0, 4)) == 0:
            out_steps = 1
        type = SpikeType(out_shape, out_steps)
        if (
            recurrent
            and isinstance(neuron, IntegrateFire)
            and len(out_shape) == 1
            and out_steps == from_type.steps
            and draw(st.booleans())
            and all(node.type.steps == steps for node in graph.nodes)
        ):
            loops = True
            size = out_shape[0]
            loop = Linear(weights(draw, (size, size)), None)
            synapses.append(Synapse(loop, name, draw(st.sampled_from([1, 1, 2]))))
            type = replace(type, bits=neuron.max_spikes.bit_length())
        node = Node(name, tuple(synapses), neuron, type)
        graph = graph.with_nodes([*graph.nodes, node])
        node = finished(draw, graph, node)
        graph = graph.with_nodes([*graph.nodes[:-1], node])
        last = name
    readout = draw(st.sampled_from(list(Readout)))
    graph = replace(graph, outputs=(Output(last, readout),))
    verify(graph)
    return draw_layout(draw, graph, loops)


def draw_layout(draw: Any, graph: Graph, loops: bool) -> Graph:
    """Random windows and lanes for a graph of stage INTEGER."""
    counts = {graph.edge(name).steps for name in ("input", *(n.name for n in graph.nodes))}
    many = sorted(counts - {1})
    changes = any(
        graph.edge(s.source).steps != n.type.steps for n in graph.nodes for s in n.synapses
    )
    if loops:
        window = 1
    elif changes or len(many) != 1:
        window = max(counts)
    else:
        window = draw(st.sampled_from(divisors(many[0])))
    nodes = [replace(n, mapping=draw_mapping(draw, graph, n, window)) for n in graph.nodes]
    source = graph.inputs[0]
    lanes = draw(st.sampled_from(divisors(source.type.neurons)))
    return verify(
        replace(
            graph,
            stage=Stage.MAPPED,
            nodes=tuple(nodes),
            inputs=(replace(source, lanes=lanes),),
            steps_in_window=window,
        )
    )


def draw_frames(draw: Any, graph: Graph, frames: int) -> Any:
    """Random integers (frames, steps, *shape) for the input; the first frame is extreme."""
    type = graph.inputs[0].type
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    x = random.integers(type.low, type.high + 1, (frames, type.steps, *type.shape))
    x[0] = draw(st.sampled_from([type.low, type.high]))
    return x
