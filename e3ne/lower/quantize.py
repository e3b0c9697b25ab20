"""Crosses the integer line: weights, currents, neurons and edges become integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir import Array, Graph, Integrate, IntegrateFire, Node, Rectify, Stage, UnsupportedModel
from ..ir.loops import computing_order
from ..ir.ranges import summed_current_range
from .context import Context
from .quantize_input import quantized_inputs
from .quantize_neurons import Sum, integer_neurons, sends_spikes, spike_type
from .synapse_scales import integer_synapses
from .synapse_weights import warn_of_weights

SOME_BITS = 32


def quantize(graph: Graph, context: Context) -> Graph:
    """The graph in stage INTEGER; ReLUs need a bound, neurons a limit of spikes (`calibrate`).

    UnsupportedModel lists ReLUs inside of a time loop, and feedback loops in which no population
    sends spikes: the width of what runs round in them is not known before it is computed.
    """
    problems = unquantizable(graph)
    if problems:
        raise UnsupportedModel(problems)
    integer = integer_graph(graph, context)
    for node in graph.nodes:
        after = integer.node(node.name)
        warn_of_weights(node, after, context.config.node(node.name), context.config.scale)
    return integer


def integer_graph(graph: Graph, context: Context) -> Graph:
    """`quantize` without its checks and its warnings: for trials."""
    result = replace(graph, stage=Stage.INTEGER, inputs=quantized_inputs(graph, context), nodes=())
    # What spikes look like is known in advance, so they may come from a later node, with a delay.
    known = {
        node.name: replace(node, type=spike_type(node, node.neuron), scale=1.0)
        for node in graph.nodes
        if sends_spikes(node.neuron)
    }
    done: dict[str, Node] = {}
    waiting = list(graph.nodes)
    problems: list[str] = []
    while waiting:
        ready = next(node for node in waiting if _is_ready(result, node, known))
        try:
            found = integer_node(result, ready, known, context)[0]
        except UnsupportedModel as error:  # a membrane without a bound; look for more of them
            problems += error.problems
            found = integer_node(result, ready, known, _with_some_width(context, ready.name))[0]
        known[ready.name] = done[ready.name] = found
        waiting.remove(ready)
    if problems:
        raise UnsupportedModel(problems)
    return result.with_nodes([done[node.name] for node in graph.nodes])


def _with_some_width(context: Context, name: str) -> Context:
    """The context in which the user chose a width for the membranes of the node `name`."""
    config = context.config
    chosen = replace(config.node(name), membrane_bits=SOME_BITS)
    return replace(context, config=replace(config, nodes={**config.nodes, name: chosen}))


def unquantizable(graph: Graph) -> list[str]:
    """The problems of a simplified graph that no calibration frames solve."""
    problems = [problem for node in graph.nodes for problem in _problems(node)]
    return problems + _loops_without_spikes(graph)


def _is_ready(graph: Graph, node: Node, known: Mapping[str, Node]) -> bool:
    inputs = {source.name for source in graph.inputs}
    return all(s.source in known or s.source in inputs for s in node.synapses)


def integer_node(
    graph: Graph, node: Node, known: Mapping[str, Node], context: Context
) -> tuple[Node, Array]:
    """(`node` in integers, the real value of a unit of its current: float64, () or (channels,)).

    `known` holds the types and scales of its sources; `graph` the integer inputs.
    """
    settings, kind = context.config.node(node.name), context.config.scale
    neuron = node.neuron
    type = spike_type(node, neuron) if sends_spikes(neuron) else node.type
    sources = graph.with_nodes(list({**known, node.name: replace(node, type=type)}.values()))
    currents = integer_synapses(sources, node, settings, kind)
    started = replace(node, type=type, synapses=currents.synapses)
    found = summed_current_range(sources, started)
    current = Sum(found, currents.scale, graph.streaming)
    return integer_neurons(started, current, settings, kind), currents.scale


def _problems(node: Node) -> list[str]:
    if isinstance(node.neuron, Rectify) and node.type.steps != 1:
        return [
            f"{node.name}: found a ReLU with {node.type.steps} time steps, accepted ReLUs on one "
            "step (radix); sum the steps before it or use a spiking neuron"
        ]
    return []


def _loops_without_spikes(graph: Graph) -> list[str]:
    """Loops that are left where everything that sends spikes is cut out."""
    silent = {node.name for node in graph.nodes if not sends_spikes(node.neuron)}
    # Each synapse from a spiking population reads a stand-in, so that only other loops are left.
    cut = graph.with_nodes(
        [
            replace(
                node,
                synapses=tuple(s for s in node.synapses if s.source in silent),
            )
            for node in graph.nodes
        ]
    )
    problems = []
    for group in computing_order(cut):
        names = [node.name for node in group]
        if len(group) == 1 and all(s.source != names[0] for s in group[0].synapses):
            continue
        if len(group) == 1 and isinstance(group[0].neuron, Integrate | IntegrateFire):
            problems.append(
                f"{names[0]}: found an integrator that feeds its membrane to itself, accepted "
                "recurrence of spikes; use its decay instead"
            )
        else:
            problems.append(
                f"{', '.join(names)}: found a feedback loop of sums and membranes, accepted loops "
                "in which some population sends spikes; put a spiking neuron into the loop"
            )
    return problems
