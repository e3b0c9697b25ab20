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
    OutputWords,
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
from e3ne.ir.frames import is_image
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


def parameter(draw: Any, shape: tuple[int, ...], low: int, high: int) -> Any:
    """A scalar, one value a channel or one a neuron."""
    size = draw(st.sampled_from([(), (), shape[:1], shape]))
    if size == ():
        return draw(st.integers(low, high))
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    return frozen(random.integers(low, high + 1, size), np.int64)


def factors(draw: Any, shape: tuple[int, ...], largest: int = 1) -> Dyadic:
    """A constant in [0, largest], scalar, one a channel or one a neuron."""
    shift = draw(st.integers(0, 6))
    return Dyadic(parameter(draw, shape, 0, largest << shift), shift)


def draw_spiking(draw: Any, shape: tuple[int, ...]) -> IntegrateFire | Integrate:
    """A spiking neuron or an integrator with random options; membrane_bits still open."""
    common: dict[str, Any] = {
        "decay": factors(draw, shape),
        "gain": factors(draw, shape, 3),
        "synaptic_decay": factors(draw, shape) if draw(st.integers(0, 3)) == 0 else None,
        "offset": parameter(draw, shape, -3, 3),
    }
    if draw(st.integers(0, 4)) == 0:
        return Integrate(**common)
    reset_step = draw(st.sampled_from(["next", "same", "both"]))
    reset = draw(st.sampled_from(["subtract", "to_value", "none"]))
    if reset_step == "both":
        reset = "subtract"
    most = draw(st.sampled_from([1, 1, 1, 3, 7, 15]))
    return IntegrateFire(
        **common,
        threshold=parameter(draw, shape, 1, 12),
        fire_on=draw(st.sampled_from([">", ">="])),
        reset=reset,
        reset_value=draw(st.integers(-3, 3)),
        reset_step=reset_step,
        reset_keeps_input=draw(st.booleans()),
        max_spikes=1 if reset_step == "both" else most,
        floor=draw(st.sampled_from([None, None, 0, -4])),
        sends=draw(st.sampled_from(["spikes", "spikes", "spikes", "membrane"])),
    )


def sends_membrane(neuron: Neuron) -> bool:
    """Whether the edge of a node carries membranes."""
    return isinstance(neuron, Integrate) or (
        isinstance(neuron, IntegrateFire) and neuron.sends == "membrane"
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
            if neuron.membrane_bits == 0:
                neuron = replace(neuron, membrane_bits=width)
            return replace(node, neuron=neuron, type=spiking_type(neuron, type))
        case _:
            raise AssertionError(neuron)


def spiking_type(neuron: IntegrateFire | Integrate, type: SpikeType) -> SpikeType:
    """The narrowest edge for what a neuron with a state sends."""
    if isinstance(neuron, IntegrateFire) and neuron.sends == "spikes":
        return replace(type, bits=neuron.most_spikes.bit_length())
    return replace(type, bits=neuron.membrane_bits, signed=True)


def draw_neuron(draw: Any, shape: tuple[int, ...], steps: int) -> Neuron:
    kinds = ["spiking", "spiking", "relay"] + (["requantize"] * 2 if steps == 1 else [])
    kind = draw(st.sampled_from(kinds))
    if kind == "relay":
        return Relay()
    if kind == "requantize":
        multiplier = parameter(draw, shape, 1, 40) if draw(st.booleans()) else 1
        return Requantize(multiplier, draw(st.integers(0, 8)))
    return draw_spiking(draw, shape)


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
        out_lanes=out_lanes,
        pixel_lanes=pixel_lanes,
        synapses=tuple(synapses),
        queue_words=queue,
        neuron_lanes=draw_neuron_lanes(draw, out_lanes),
    )


def draw_neuron_lanes(draw: Any, out_lanes: int) -> int | None:
    """As many neurons as output lanes, or fewer."""
    return draw(st.sampled_from([None, None, *divisors(out_lanes)]))


@st.composite
def mapped_graphs(
    draw: Any,
    max_nodes: int = 4,
    recurrent: bool = True,
    joins: bool = True,
    several: bool = False,
) -> Graph:
    """A legal mapped graph: a chain of up to `max_nodes` nodes, residual sums.

    It ends in a vector or an image. Where `several`, it may have a second input, and more outputs.

    Where `recurrent`, half of them have delays on some synapses and feedback of one or more nodes
    (`with_feedback`), and no sums over the steps.
    """
    shape = draw(st.sampled_from([(1,), (4,), (6,), (1, 4, 4), (2, 3, 4), (3, 4, 3)]))
    steps = draw(st.sampled_from([1, 1, 2, 4]))
    bits = draw(st.sampled_from([1, 1, 3, 8]))
    is_signed = bits > 1 and draw(st.booleans())
    source = Input("input", SpikeType(shape, steps, bits, is_signed))
    inputs = [source]
    if several and draw(st.booleans()):
        second = draw(st.sampled_from([shape, (1,), (5,), (2, 3, 2)]))
        inputs.append(Input("second", SpikeType(second, steps, 3)))
    graph = Graph(Stage.INTEGER, tuple(inputs), (), ())
    delays = recurrent and draw(st.booleans())
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
        if index == count - 1 and any(size > 1 for size in out_shape[1:]) and draw(st.booleans()):
            op = Linear(weights(draw, (3, from_type.neurons)))
            out_shape = (3,)
        synapses = [Synapse(op, last, 0, draw(st.sampled_from([1, 1, 2, -3])))]
        for other in [item.name for item in (*inputs, *graph.nodes)]:
            alike = graph.edge(other)
            if other == "second" and len(out_shape) == 1 and alike.steps == from_type.steps:
                weight = weights(draw, (*out_shape, alike.neurons))
                synapses.append(Synapse(Linear(weight), other))
                continue
            fits = joins and alike.shape == out_shape and alike.steps == from_type.steps
            if fits and draw(st.booleans()):
                synapses.append(Synapse(Identity(), other, 0, draw(st.sampled_from([1, 2]))))
        neuron = draw_neuron(draw, out_shape, from_type.steps)
        out_steps = from_type.steps
        if from_type.steps == 1 and isinstance(neuron, IntegrateFire | Integrate):
            out_steps = draw(st.sampled_from([1, steps, 3]))
        elif from_type.steps > 1 and not delays and draw(st.integers(0, 4)) == 0:
            out_steps = 1
        if delays and out_steps == from_type.steps:
            late = st.sampled_from([0, 0, 0, 1, 2, 3])
            synapses = [replace(synapse, delay=draw(late)) for synapse in synapses]
        if delays and sends_membrane(neuron):  # of a width that no feedback changes
            neuron = replace(neuron, membrane_bits=draw(st.integers(6, 9)))  # type: ignore[call-arg]
        node = Node(name, tuple(synapses), neuron, SpikeType(out_shape, out_steps))
        graph = graph.with_nodes([*graph.nodes, node])
        node = finished(draw, graph, node)
        graph = graph.with_nodes([*graph.nodes[:-1], node])
        last = name
    readout = draw(st.sampled_from(list(Readout)))
    outputs = [Output(last, readout)]
    while several and draw(st.integers(0, 2)) == 0:
        name = draw(st.sampled_from([node.name for node in graph.nodes]))
        outputs.append(Output(name, draw(st.sampled_from(list(Readout)))))
    graph = replace(graph, outputs=tuple(outputs))
    if delays:
        graph = with_feedback(draw, graph)
    verify(graph)
    return draw_layout(draw, graph, delays)


def draw_ports(draw: Any, graph: Graph) -> Graph:
    """The same network with packed inputs or not, and outputs of any words and widths."""
    inputs = tuple(
        replace(source, packed=not source.events and draw(st.booleans())) for source in graph.inputs
    )
    outputs = []
    for output in graph.outputs:
        kinds = list(OutputWords)[: 1 if is_image(graph.edge(output.source)) else 2]
        words, bits = draw(st.sampled_from(kinds)), draw(st.sampled_from([8, 16, 32]))
        outputs.append(replace(output, words=words, bits=bits))
    return verify(replace(graph, inputs=inputs, outputs=tuple(outputs)))


def with_feedback(draw: Any, graph: Graph) -> Graph:
    """Up to three delayed synapses from later nodes, or from themselves, into spiking ones.

    They come directly, or through a Relay that stands behind their source or before their target.
    """
    for number in range(draw(st.integers(1, 3))):
        targets = [
            n
            for n in graph.nodes
            if isinstance(n.neuron, IntegrateFire | Integrate)
            and all(graph.edge(s.source).steps == n.type.steps for s in n.synapses)
        ]
        if not targets:
            break
        target = draw(st.sampled_from(targets))
        later = graph.nodes[graph.nodes.index(target) :]
        source = draw(st.sampled_from([n for n in later if n.type.steps == target.type.steps]))
        relay = f"relay{number}"
        delay = draw(st.sampled_from([1, 1, 2, 3]))
        op = feedback_op(draw, source.type, target.type.shape)
        if op is None:
            continue
        kind = draw(st.sampled_from(["direct", "direct", "behind", "before"]))
        nodes = list(graph.nodes)
        gain = draw(st.sampled_from([1, 1, 2]))
        if kind == "behind":  # the delay is read through the weights
            relayed = Node(relay, (Synapse(Identity(), source.name),), Relay(), source.type)
            nodes.insert(nodes.index(source) + 1, relayed)
            fed = Synapse(op, relay, delay, gain)
        elif kind == "before":  # the weights are read at once, the Relay is late
            relayed = Node(relay, (Synapse(Identity(), source.name, delay),), Relay(), source.type)
            nodes.insert(nodes.index(target), relayed)
            fed = Synapse(op, relay, 0, gain)
        else:
            fed = Synapse(op, source.name, delay, gain)
        nodes[nodes.index(target)] = replace(target, synapses=(*target.synapses, fed))
        graph = graph.with_nodes(nodes)
    return graph.with_nodes([widened(draw, graph, node) for node in graph.nodes])


def widened(draw: Any, graph: Graph, node: Node) -> Node:
    """The node with a membrane for its feedback as well, where its edge does not show it."""
    if isinstance(node.neuron, IntegrateFire) and not sends_membrane(node.neuron):
        return finished(draw, graph, replace(node, neuron=replace(node.neuron, membrane_bits=0)))
    return node


def feedback_op(draw: Any, source: SpikeType, shape: tuple[int, ...]) -> Op | None:
    """An op from `source` to `shape`; None where there is none, or numbers would grow large."""
    if source.bits > 12:
        return None
    choices: list[str] = ["identity"] if source.shape == shape else []
    if len(shape) == 1:
        choices.append("linear")
    elif source.shape[1:] == shape[1:]:
        choices += ["conv"]
    if not choices:
        return None
    kind = draw(st.sampled_from(choices))
    if kind == "linear":
        return Linear(weights(draw, (shape[0], source.neurons)), biases(draw, shape[0]))
    if kind == "conv":
        size = draw(st.sampled_from([1, 3]))
        weight = weights(draw, (shape[0], source.shape[0], size, size))
        return Conv2d(weight, biases(draw, shape[0]), (1, 1), (size // 2, size // 2))
    return Identity()


def draw_layout(draw: Any, graph: Graph, loops: bool) -> Graph:
    """Random windows and lanes for a graph of stage INTEGER."""
    counts = {item.type.steps for item in (*graph.inputs, *graph.nodes)}
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
    inputs = [
        replace(source, lanes=draw(st.sampled_from(divisors(source.type.neurons))))
        for source in graph.inputs
    ]
    return verify(
        replace(
            graph,
            stage=Stage.MAPPED,
            nodes=tuple(nodes),
            inputs=tuple(inputs),
            steps_in_window=window,
        )
    )


def draw_frames(draw: Any, graph: Graph, frames: int) -> Any:
    """Random integers (frames, steps, *shape) for the input; the first frame is extreme.

    A tuple of them where there are several inputs.
    """
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    arrays = []
    for type in (source.type for source in graph.inputs):
        x = random.integers(type.low, type.high + 1, (frames, type.steps, *type.shape))
        x[0] = draw(st.sampled_from([type.low, type.high]))
        arrays.append(x)
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
