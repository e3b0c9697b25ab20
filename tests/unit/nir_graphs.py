"""Random float graphs that NIR can hold: every op, neuron option, delays, loops, fan-out, sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from e3ne.ir import (
    Array,
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Neuron,
    Node,
    Op,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    SumPool2d,
    Synapse,
    frozen,
    op_shape,
    verify,
)

STEPS = 6


def reals(draw: Any, shape: tuple[int, ...], low: float = -1.0, high: float = 1.0) -> Array:
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    return frozen(random.uniform(low, high, shape).astype(np.float32), np.float32)


def draw_op(draw: Any, shape: tuple[int, ...]) -> Op:
    """A random op that can read `shape`."""
    image = len(shape) == 3
    kinds = ["linear", "identity", "scale"] + ["conv", "pool", "flatten"] * image
    kind = draw(st.sampled_from(kinds))
    if kind == "linear":
        outputs = draw(st.integers(1, 5))
        bias = draw(st.sampled_from([None, "zeros", "some"]))
        values = frozen(np.zeros(outputs), np.float32) if bias else None
        weight = reals(draw, (outputs, int(np.prod(shape))))
        return Linear(weight, reals(draw, (outputs,)) if bias == "some" else values)
    if kind == "identity":
        return Identity()
    if kind == "flatten":
        return Flatten()
    if kind == "scale":
        gain = reals(draw, (draw(st.sampled_from([1, shape[0]])),))
        return ChannelAffine(gain, frozen(np.zeros_like(gain), np.float32))
    kernel = tuple(draw(st.integers(1, min(2, size))) for size in shape[1:])
    stride = draw(st.sampled_from([(1, 1), (1, 2)]))
    if kind == "pool":
        area = kernel[0] * kernel[1]
        return SumPool2d(kernel, stride, (0, 0), draw(st.sampled_from([1, area])))  # type: ignore[arg-type]
    groups = draw(st.sampled_from([g for g in (1, 2) if shape[0] % g == 0]))
    weight = reals(draw, (groups * 2, shape[0] // groups, *kernel))
    bias = reals(draw, (len(weight),)) if draw(st.booleans()) else None
    padding = draw(st.sampled_from([(0, 0), (0, 1)]))
    return Conv2d(weight, bias, stride, padding, (1, 1), groups)


def parameter(draw: Any, shape: tuple[int, ...], low: float, high: float) -> Any:
    """One number, one a channel or one a neuron."""
    kind = draw(st.sampled_from(["scalar", "scalar", "channel", "neuron"]))
    if kind == "scalar":
        return draw(st.floats(low, high, allow_subnormal=False))
    return reals(draw, shape[:1] if kind == "channel" else shape, low, high)


def draw_neuron(draw: Any, shape: tuple[int, ...]) -> Neuron:
    """Any neuron that NIR can hold, with any option."""
    kind = draw(st.sampled_from(["relay", "fire", "fire", "integrate", "threshold"]))
    if kind == "relay":
        return Relay()
    if kind == "threshold":
        theta = parameter(draw, shape, 0.1, 2.0)
        return IntegrateFire(theta, 0.0, reset="none", fire_on=draw(st.sampled_from([">", ">="])))
    leaks = draw(st.booleans())
    common: dict[str, Any] = {
        "decay": parameter(draw, shape, 0.0, 0.999) if leaks else 1.0,
        "gain": parameter(draw, shape, -2.0, 2.0),
        "offset": parameter(draw, shape, -0.5, 0.5) if leaks else 0.0,
    }
    if draw(st.booleans()):
        common["synaptic_decay"] = parameter(draw, shape, 0.0, 0.999)
    if kind == "integrate":
        return Integrate(**common)
    step = draw(st.sampled_from(["same", "next", "both"]))
    reset = (
        "subtract" if step == "both" else draw(st.sampled_from(["subtract", "to_value", "none"]))
    )
    return IntegrateFire(
        parameter(draw, shape, 0.1, 2.0), **common, reset=reset, reset_step=step,
        fire_on=draw(st.sampled_from([">", ">="])),
        reset_value=draw(st.sampled_from([0, 0.0, -0.25])),
        reset_keeps_input=draw(st.booleans()),
        max_spikes=1 if step == "both" else draw(st.sampled_from([1, 3, None])),
        floor=draw(st.sampled_from([None, -1.0])),
    )  # fmt: skip


@st.composite
def float_graphs(draw: Any, max_nodes: int = 5) -> Graph:
    """A legal graph of stage FLOAT; every node reaches the output."""
    shape = draw(st.sampled_from([(1,), (4,), (2, 1, 5), (1, 1, 4), (2, 3, 4), (1, 3, 3)]))
    names = draw(st.sampled_from([("input",), ("input", "other.input")]))
    inputs = tuple(Input(name, SpikeType(shape, STEPS)) for name in names)
    graph = Graph(Stage.FLOAT, inputs, (), ())
    last = "input"
    for index in range(draw(st.integers(1, max_nodes))):
        op = draw_op(draw, graph.edge(last).shape)
        out = op_shape(op, graph.edge(last).shape)
        delays = st.sampled_from([0, 0, 0, 1, 3])
        synapses = [Synapse(op, last, draw(delays))]
        if names[1:] and index == 0:
            synapses.append(Synapse(op, "other.input", draw(delays)))
        for node in (*graph.inputs, *graph.nodes):
            if graph.edge(node.name).shape == out and draw(st.booleans()):
                synapses.append(Synapse(Identity(), node.name, draw(delays)))
        neuron = draw_neuron(draw, out)
        name = f"part{index}.node"
        if not isinstance(neuron, Relay) and draw(st.integers(0, 2)) == 0:
            loop = Identity() if len(out) == 3 else Linear(reals(draw, (out[0], out[0])))
            synapses.insert(0, Synapse(loop, name, draw(st.sampled_from([1, 1, 2]))))
        node = Node(name, tuple(synapses), neuron, SpikeType(out, STEPS))
        graph = graph.with_nodes([*graph.nodes, node])
        last = name
    if len(graph.nodes) > 2 and draw(st.booleans()):  # feedback over several nodes
        first = graph.nodes[0]
        sizes = first.type.neurons, graph.edge(last).neurons
        back = Synapse(Linear(reals(draw, sizes)), last, draw(st.sampled_from([1, 1, 2])))
        if len(first.type.shape) == 1:
            first = replace(first, synapses=(*first.synapses, back))
            graph = graph.with_nodes([first, *graph.nodes[1:]])
    outputs = [Output(last, draw(st.sampled_from(list(Readout))))]
    if draw(st.booleans()):
        outputs.append(Output(graph.nodes[0].name, Readout.MAX))
    return verify(replace(graph, outputs=tuple(outputs)))
