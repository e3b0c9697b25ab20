"""Chooses biases, thresholds and decays so that the integers do what the float network does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array, Conv2d, Encode, Graph, Linear, Node, frozen
from .context import Context
from .fit_neuron import fitted
from .quantize_neurons import sends_spikes
from .trial import Trial, started


def fit_parameters(graph: Graph, context: Context) -> Graph:
    """Corrects biases, and fits thresholds and decays, node after node on the calibration frames.

    `correct_biases`: what a rounded network makes of a channel on average differs from what the
    float network makes of it, and that difference goes into the bias (Nagel et al. 2019,
    arXiv:1906.04721, appendix D). Each node is corrected behind those before it, so that their
    errors count, too. A layer without a bias gets none: it would cost the hardware a memory and
    an adder. `fit_threshold`: see `fit_neuron`. BadInput without calibration frames.
    """
    config = context.config
    fit = [
        node.name
        for node in graph.nodes
        if config.node(node.name).fit_threshold and sends_spikes(node.neuron)
    ]
    if not config.correct_biases and not fit:
        return graph
    trial = started(graph, context, "correct_biases" if config.correct_biases else "fit_threshold")
    for names in trial.groups():
        changed = [_corrected(trial, name) for name in names if config.correct_biases]
        if any(changed):
            trial.recompute(names)
        for name in names:
            if name in fit:
                trial.change(fitted(trial, name, names))
                trial.recompute(names)
    return trial.ready


def _corrected(trial: Trial, name: str) -> bool:
    """Moves the mean error of the current of a node into its first bias, where it has one."""
    node = trial.ready.node(name)
    if isinstance(node.neuron, Encode):
        return False
    for index, synapse in enumerate(node.synapses):
        op = synapse.op
        if isinstance(op, Linear | Conv2d) and op.bias is not None:
            bias = op.bias + _mean_error(trial, node)
            synapses = list(node.synapses)
            synapses[index] = replace(synapse, op=replace(op, bias=frozen(bias, np.float32)))
            trial.change(replace(node, synapses=tuple(synapses)))
            return True
    return False


def _mean_error(trial: Trial, node: Node) -> Array:
    """Wanted minus found current of each channel, per step of its sources: float64 (channels,)."""
    wanted, found = trial.wanted_current(node.name), trial.found_current(node.name)
    scale = trial.lowered(node)[1]
    steps = max(trial.integer.edge(synapse.source).steps for synapse in node.synapses)
    summed = steps if node.type.steps == 1 else 1
    axes = (0, 1, *range(3, wanted.ndim))
    return np.asarray(wanted.mean(axis=axes) - found.mean(axis=axes) * scale) / summed
