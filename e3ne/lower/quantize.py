"""Crosses the integer line: weights, currents, neurons and edges become integers."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Integrate, IntegrateFire, Node, Rectify, Stage, UnsupportedModel
from ..ir.ranges import summed_current_range
from .context import Context
from .quantize_input import quantized_inputs
from .quantize_neurons import Sum, integer_neurons, spike_type
from .rewiring import with_node
from .synapse_scales import integer_synapses


def quantize(graph: Graph, context: Context) -> Graph:
    """The graph in stage INTEGER; ReLUs need a bound (`calibrate`).

    UnsupportedModel lists ReLUs inside of a time loop and integrators that feed themselves.
    """
    problems = [problem for node in graph.nodes for problem in _problems(node)]
    if problems:
        raise UnsupportedModel(problems)
    result = replace(graph, stage=Stage.INTEGER, inputs=quantized_inputs(graph, context), nodes=())
    for node in graph.nodes:
        result = result.with_nodes([*result.nodes, _integer_node(result, node, context)])
    return result


def _integer_node(before: Graph, node: Node, context: Context) -> Node:
    """`node` in integers; `before` holds its sources, in integers already."""
    settings, kind = context.config.node(node.name), context.config.scale
    neuron = node.neuron
    type = spike_type(node, neuron) if isinstance(neuron, IntegrateFire) else node.type
    started = replace(node, type=type)
    graph = before.with_nodes([*before.nodes, started])
    currents = integer_synapses(graph, node, settings, kind)
    started = replace(started, synapses=currents.synapses)
    found = summed_current_range(with_node(graph, started), started)
    return integer_neurons(started, Sum(found, currents.scale), settings, kind)


def _problems(node: Node) -> list[str]:
    if isinstance(node.neuron, Rectify) and node.type.steps != 1:
        return [
            f"{node.name}: found a ReLU with {node.type.steps} time steps, accepted ReLUs on one "
            "step (radix); sum the steps before it or use a spiking neuron"
        ]
    recurrent = any(synapse.source == node.name for synapse in node.synapses)
    if isinstance(node.neuron, Integrate) and recurrent:
        return [
            f"{node.name}: found an integrator that feeds its membrane to itself, accepted "
            "recurrence of spikes; use its decay instead"
        ]
    return []
