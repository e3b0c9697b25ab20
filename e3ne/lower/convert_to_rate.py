"""A plain network of ReLUs becomes a network of spiking neurons with the same weights (code rate).

Spikes of threshold theta that subtract it stand for a ReLU clipped at theta: after T steps of a
current whose mean is i, a neuron has sent about n = T * clip(i / theta, 0, 1) spikes, so n * theta
/ T is what the ReLU would send. Threshold balancing (Diehl et al., IJCNN 2015; Rueckauer et al.,
Front. Neurosci. 2017): theta is the bound of the ReLU, its own or the calibrated one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..config import Config
from ..ir import (
    Array,
    BadInput,
    ChannelAffine,
    Conv2d,
    Encode,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Op,
    Readout,
    Rectify,
    Relay,
    SumPool2d,
    Synapse,
    UnsupportedModel,
    frozen,
)
from .context import Context
from .encode_inputs import encode_inputs

log = logging.getLogger(__name__)


def convert_to_rate(graph: Graph, context: Context) -> Graph:
    """Turns every ReLU into integrate-and-fire neurons of `steps` steps, where `code` is rate.

    Each neuron starts half a threshold ahead (Bu et al., ICLR 2022), spread over the steps as an
    offset of theta / (2 T), so that a constant current gives the rounded count, not the floor.
    A network without ReLUs stays as it is. BadInput without `steps`; UnsupportedModel where ReLUs
    and spiking neurons mix, or an input has other steps.
    """
    config = context.config
    rectified = [node.name for node in graph.nodes if isinstance(node.neuron, Rectify)]
    if config.code != "rate" or not rectified:
        return graph
    if config.steps is None:
        raise BadInput(
            "steps: found none, accepted the time steps of a rate code, 1 .. 4096; give --steps or "
            "steps in the configuration"
        )
    problems = _problems(graph, config.steps, config)
    if problems:
        raise UnsupportedModel(problems)
    graph = pools_in_front(graph, _trains(graph, config))
    done = spiking(graph, config.steps, config)
    encoded = encode_inputs(done, context.calibration, config)
    if encoded is done:
        return done
    done = spiking(graph, config.steps, config, values=_spike_values(encoded))
    return encode_inputs(done, context.calibration, config)


def _trains(graph: Graph, config: Config) -> frozenset[str]:
    """The inputs whose samples change from step to step."""
    return frozenset(
        source.name
        for source in graph.inputs
        if source.type.steps > 1 or config.input_of(source.name).encoder is not None
    )


def _spike_values(encoded: Graph) -> dict[str, float]:
    """By input: what one spike of its encoder stands for.

    A regular or Bernoulli train of a sample x of b bits sends x / 2**b spikes a step.
    """
    return {
        node.synapses[0].source: node.neuron.unit * 2.0**node.neuron.bits
        for node in encoded.nodes
        if isinstance(node.neuron, Encode)
    }


def spiking(
    graph: Graph,
    steps: int,
    config: Config,
    ahead: float = 0.5,
    values: Mapping[str, float] | None = None,
) -> Graph:
    """The graph with spiking neurons for ReLUs, over `steps` steps.

    `ahead` is the part of a threshold that every membrane gains over all steps. `values` says what
    a spike of an input stands for, where it sends spikes. Biases of neurons
    become offsets, whose unit is as fine as the membrane's. A sum of weights that leaves the
    network has its mean over the steps as its readout: a membrane where it has a bias.
    """
    done = _Done({source.name: 1.0 for source in graph.inputs} | dict(values or {}), {})
    for source in graph.inputs:
        done.steps[source.name] = source.type.steps
    nodes = [_converted(node, done, steps, config, ahead) for node in graph.nodes]
    graph = graph.with_nodes(nodes)
    nodes = [_averaging(node) if _is_score(graph, node) else node for node in nodes]
    averaging = {node.name for node in nodes if isinstance(node.neuron, Integrate)}
    outputs = tuple(
        output
        if done.steps[output.source] == 1
        else replace(output, readout=Readout.LAST if output.source in averaging else Readout.MEAN)
        for output in graph.outputs
    )
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def pools_in_front(
    graph: Graph, trains: frozenset[str] = frozenset(), everywhere: bool = False
) -> Graph:
    """Moves maxima of ReLUs in front of them where currents are constant (direct coding).

    relu(max(i)) = max(relu(i)), so nothing is lost there, the currents are formed once, and only
    the pooled neurons are there at all. Of currents that change from step to step the mean of the
    maxima is more than the maximum of the means; there a maximum of spikes is nearer (an OR), or
    all are moved `everywhere`. `trains` are the inputs that change from step to step. A pooling
    stays where others read the ReLU too, or where it is padded (zeros would win over negative
    currents).
    """
    changing = set(trains)
    for node in graph.nodes:
        if isinstance(node.neuron, Rectify) or any(s.source in changing for s in node.synapses):
            changing.add(node.name)
    moved: dict[str, str] = {}
    for node in graph.nodes:
        source = node.synapses[0].source
        if _is_movable(graph, node):
            before = {synapse.source for synapse in graph.node(source).synapses}
            if everywhere or not before & changing:
                moved[source] = node.name
    back = {pool: relu for relu, pool in moved.items()}
    nodes = []
    for node in graph.nodes:
        if node.name in moved:
            nodes.append(replace(node, neuron=Relay()))
        elif node.name in back:
            nodes.append(replace(node, neuron=graph.node(back[node.name]).neuron))
        else:
            nodes.append(node)
    return graph.with_nodes(nodes)


def _is_movable(graph: Graph, node: Node) -> bool:
    """Is it a maximum over a ReLU that nobody else reads?"""
    op = node.synapses[0].op
    if not isinstance(node.neuron, Relay) or not isinstance(op, MaxPool2d) or any(op.padding):
        return False
    source = node.synapses[0].source
    if len(node.synapses) > 1 or source in {item.name for item in graph.inputs}:
        return False
    alone = len(list(graph.consumers(source))) == 1
    sent = any(output.source == source for output in graph.outputs)
    return alone and not sent and isinstance(graph.node(source).neuron, Rectify)


@dataclass(frozen=True)
class _Done:
    """By name: the real value of one unit that it sends now, and its steps."""

    values: dict[str, float]
    steps: dict[str, int]


def _converted(node: Node, done: _Done, steps: int, config: Config, ahead: float) -> Node:
    """`node` with the values of its sources' spikes in its weights; `done` learns what it sends."""
    found = max(done.steps[synapse.source] for synapse in node.synapses)
    value = 1.0
    synapses = node.synapses
    first = synapses[0]
    if len(synapses) == 1 and isinstance(node.neuron, Relay) and not _takes_value(first.op):
        value = done.values[first.source]
        if isinstance(first.op, MaxPool2d) and found > 1:
            log.info(
                "%s: a maximum of spikes is an OR of them; average pooling is exact in a rate code",
                node.name,
            )
    else:
        synapses = tuple(_valued(node, synapse, done.values) for synapse in synapses)
    neuron = node.neuron
    if isinstance(neuron, Rectify):
        assert neuron.bound is not None, f"{node.name}: calibrate before converting"
        found, value = steps, neuron.bound
        synapses, bias = _without_bias(synapses)
        offset = ahead * neuron.bound / steps
        neuron = IntegrateFire(
            neuron.bound,
            offset=offset if bias is None else frozen(bias + offset, np.float32),
            fire_on=">=",
            reset_step="same",
            max_spikes=config.node(node.name).max_spikes or 1,
        )
    done.values[node.name], done.steps[node.name] = value, found
    return replace(node, synapses=synapses, neuron=neuron, type=replace(node.type, steps=found))


def _without_bias(synapses: tuple[Synapse, ...]) -> tuple[tuple[Synapse, ...], Array | None]:
    """The synapses without their biases, and the sum of these (channels,), or None."""
    total: Array | None = None
    rest = []
    for synapse in synapses:
        op = synapse.op
        if isinstance(op, Linear | Conv2d) and op.bias is not None:
            bias = op.bias.astype(np.float64)
            total = bias if total is None else total + bias
            synapse = replace(synapse, op=replace(op, bias=None))
        rest.append(synapse)
    return tuple(rest), total


def _is_score(graph: Graph, node: Node) -> bool:
    """Is it a sum of weights with a bias and several steps that only leaves the network?"""
    leaves = any(output.source == node.name for output in graph.outputs)
    biased = any(getattr(synapse.op, "bias", None) is not None for synapse in node.synapses)
    read = next(graph.consumers(node.name), None) is not None
    return leaves and biased and not read and isinstance(node.neuron, Relay) and node.type.steps > 1


def _averaging(node: Node) -> Node:
    """The sum as an integrator whose membrane at the last step is its mean over the steps."""
    synapses, bias = _without_bias(node.synapses)
    assert bias is not None
    steps = node.type.steps
    neuron = Integrate(gain=1 / steps, offset=frozen(bias / steps, np.float32))
    return replace(node, synapses=synapses, neuron=neuron)


def _takes_value(op: Op) -> bool:
    """Can the value of a spike become part of it?"""
    return isinstance(op, Linear | Conv2d | SumPool2d | ChannelAffine | Identity)


def _valued(node: Node, synapse: Synapse, values: dict[str, float]) -> Synapse:
    """The synapse with the value of its source's spikes in its weights."""
    value, op = values[synapse.source], synapse.op
    if value == 1.0:
        return synapse
    match op:
        case Linear() | Conv2d():
            return replace(synapse, op=replace(op, weight=_times(op.weight, value)))
        case SumPool2d():
            return replace(synapse, op=replace(op, divisor=op.divisor / value))
        case ChannelAffine():
            return replace(synapse, op=replace(op, gain=_times(op.gain, value)))
        case Identity():
            gain = np.full(node.type.channels, value)
            affine = ChannelAffine(frozen(gain, np.float32), frozen(gain * 0, np.float32))
            return replace(synapse, op=affine)
        case _:
            raise UnsupportedModel(
                f"{node.name}: found a sum with {type(op).__name__} of spikes, accepted sums of "
                "weights, average poolings and spikes as they are in a rate code; use code: radix"
            )


def _times(array: Array, value: float) -> Array:
    return frozen(array.astype(np.float64) * value, np.float32)


def _problems(graph: Graph, steps: int, config: Config) -> list[str]:
    problems = [
        f"input {source.name}: found encoder {config.input_of(source.name).encoder} with code: "
        "rate, accepted regular or bernoulli, whose rate is the sample; leave input.encoder out "
        "for samples as they are"
        for source in graph.inputs
        if config.input_of(source.name).encoder not in (None, "regular", "bernoulli")
    ]
    problems += [
        f"{node.name}: found a spiking neuron beside ReLUs, accepted a plain network with code: "
        "rate; use code: radix"
        for node in graph.nodes
        if isinstance(node.neuron, IntegrateFire | Integrate)
    ]
    return problems + [
        f"input {source.name}: found {source.type.steps} steps, accepted 1 or {steps}, the steps "
        "of the rate code; give frames of one step"
        for source in graph.inputs
        if source.type.steps not in (1, steps)
    ]
