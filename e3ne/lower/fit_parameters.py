"""Chooses biases, thresholds and decays so that the integers do what the float network does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Conv2d, Encode, Graph, Linear, Node, frozen
from .context import Context
from .fit_neuron import fitted
from .quantize import unquantizable
from .quantize_neurons import sends_spikes
from .synapse_weights import is_rounded
from .trial import Trial, started


def fit_parameters(graph: Graph, context: Context) -> Graph:
    """Corrects biases, and fits thresholds and decays, node after node on the calibration frames.

    `correct_biases`: what a rounded network makes of a channel on average differs from what the
    float network makes of it, and that difference goes into the bias (Nagel et al. 2019,
    arXiv:1906.04721, appendix D). Each node is corrected behind those before it, so that their
    errors count, too. A layer without a bias gets none: it would cost the hardware a memory and
    an adder. Weights that were all taken over exactly are trained, and keep their bias. Done
    wherever there are calibration frames, unless the configuration says false.
    `fit_threshold`: see `fit_neuron`. BadInput where one of them is asked for without frames.
    """
    if unquantizable(graph):
        return graph  # `quantize` tells why
    config = context.config
    fit = [
        node.name
        for node in graph.nodes
        if config.node(node.name).fit_threshold and sends_spikes(node.neuron)
    ]
    asked = config.correct_biases
    correct = context.calibration is not None if asked is None else asked
    if not fit and not (correct and any(_bias_at(node) is not None for node in graph.nodes)):
        return graph
    trial = started(graph, context, "correct_biases" if correct else "fit_threshold")
    biased = [node.name for node in graph.nodes if correct and _is_corrected(trial, node)]
    if not fit and not biased:
        return graph
    for names in trial.groups():
        moved = [name for name in names if name in biased]
        for name in moved:
            trial.change(_corrected(trial, trial.ready.node(name)))
        if moved:
            trial.recompute(names)
        for name in names:
            if name in fit:
                trial.change(fitted(trial, name, names))
                trial.recompute(names)
    return trial.ready


def _bias_at(node: Node) -> int | None:
    """The index of the first synapse with a bias."""
    for index, synapse in enumerate(node.synapses):
        if isinstance(synapse.op, Linear | Conv2d) and synapse.op.bias is not None:
            return index
    return None


def _is_corrected(trial: Trial, node: Node) -> bool:
    """Has it a bias, and weights that rounding moved?"""
    if isinstance(node.neuron, Encode) or _bias_at(node) is None:
        return False
    pairs = zip(node.synapses, trial.integer.node(node.name).synapses, strict=True)
    return any(is_rounded(before.op, after.op) for before, after in pairs)


def _corrected(trial: Trial, node: Node) -> Node:
    """The node with the mean error of its current in its first bias."""
    index = _bias_at(node)
    assert index is not None
    synapses = list(node.synapses)
    op = synapses[index].op
    assert isinstance(op, Linear | Conv2d)
    assert op.bias is not None
    bias = frozen(op.bias + _mean_error(trial, node), np.float32)
    synapses[index] = replace(synapses[index], op=replace(op, bias=bias))
    return replace(node, synapses=tuple(synapses))


def _mean_error(trial: Trial, node: Node) -> Array:
    """Wanted minus found current of each channel, per step of its sources: float64 (channels,)."""
    wanted, found = trial.both_currents(node.name)
    scale = trial.lowered(node)[1]
    steps = max(trial.integer.edge(synapse.source).steps for synapse in node.synapses)
    summed = steps if node.type.steps == 1 else 1
    axes = (0, 1, *range(3, wanted.ndim))
    return np.asarray(wanted.mean(axis=axes) - found.mean(axis=axes) * scale) / summed
