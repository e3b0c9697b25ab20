"""Layers that say nothing on the calibration frames: never a spike, or always the largest."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from .. import reference
from ..ir import Array, Encode, Graph, IntegrateFire, Node, Rectify, Requantize, Stage
from .context import Context
from .quantize_neurons import sends_spikes

log = logging.getLogger(__name__)

FRAMES = 32
MOST_VALUES = 1 << 22  # of all edges of all frames
SATURATED = 0.98  # of the values are the largest that there is


def warn_of_silent_layers(ready: Graph, integer: Graph, context: Context) -> None:
    """Logs by name the layers that are dead or saturated on the first calibration frames.

    Dead: no value above zero; saturated: 98 % of the values are the largest of the edge. Looked
    for in the integer graph, and where something is found in the float one, too: what is so
    before rounding is the model's, what is not is the bits'. Nothing without calibration frames.
    """
    if context.calibration is None:
        return
    frames = _frames(integer)
    real = [np.asarray(array[:frames], np.float64) for array in context.calibration]
    words = [
        reference.encode_input(source, array)
        for source, array in zip(integer.inputs, real, strict=True)
    ]
    found = silent_layers(integer, words)
    if not found:
        return
    before = silent_layers(ready, real)
    for name, state in found.items():
        where = f"in the first {len(real[0])} calibration frames"
        if before.get(name) == state:
            advice = "so it is in the float network: look at its training, and at the calibration"
        elif state == "dead":
            advice = (
                "rounding did that, the float network sends there: more weight_bits or edge_bits, "
                "weight_scale: mse, calibration: mse, or fit_threshold"
            )
        else:
            advice = (
                "rounding did that: more edge_bits or weight_bits, calibration: max, or "
                "fit_threshold"
            )
        what = "nothing above zero" if state == "dead" else "hardly anything but the largest value"
        log.warning("%s: found %s %s; the layer is %s; %s", name, what, where, state, advice)


def silent_layers(graph: Graph, frames: Sequence[Array]) -> dict[str, str]:
    """`dead` or `saturated` by name, of the ReLUs and spiking neurons that are."""
    values = reference.run(graph, *frames)
    states = {
        node.name: _state(node, graph, values[node.name])
        for node in graph.nodes
        if isinstance(node.neuron, Rectify | Requantize | Encode) or _spikes(node)
    }
    return {name: state for name, state in states.items() if state}


def _spikes(node: Node) -> bool:
    return isinstance(node.neuron, IntegrateFire) and sends_spikes(node.neuron)


def _state(node: Node, graph: Graph, sent: Array) -> str | None:
    if not (sent > 0).any():
        return "dead"
    largest = _largest(node, graph)
    if largest is None or isinstance(node.neuron, Encode):
        return None
    return "saturated" if float((sent >= largest * (1 - 1e-6)).mean()) > SATURATED else None


def _largest(node: Node, graph: Graph) -> float | None:
    """The largest value that the node can send; None where there is no limit."""
    if isinstance(node.neuron, IntegrateFire):
        return node.neuron.max_spikes
    if graph.stage is Stage.FLOAT:
        return node.neuron.bound if isinstance(node.neuron, Rectify) else None
    return float(node.type.high)


def _frames(graph: Graph) -> int:
    types = [source.type for source in graph.inputs] + [node.type for node in graph.nodes]
    per_frame = sum(type.neurons * type.steps for type in types)
    return int(min(FRAMES, max(1, MOST_VALUES // per_frame)))
