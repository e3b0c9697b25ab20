"""The text form of a graph: stable, one line an input, node or output."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from .arrays import fingerprint
from .graph import (
    WORD_BITS,
    Graph,
    Mapping,
    Node,
    Output,
    OutputWords,
    Storage,
    Synapse,
    SynapseMapping,
)
from .neurons import Dyadic, Neuron
from .ops import Op
from .spikes import SpikeType


def text(graph: Graph) -> str:
    """The whole graph; equal texts mean equal networks (arrays stand by shape, range and hash)."""
    window = f" steps_in_window={graph.steps_in_window}" if graph.steps_in_window else ""
    streaming = " streaming" if graph.streaming else ""
    port = f" weight_port_bits={graph.weight_port_bits}" if graph.weight_port_bits != 8 else ""
    lines = [f"graph stage={graph.stage.value}{window}{streaming}{port}"]
    lines += [
        f"input {source.name}: {type_text(source.type)} scale={source.scale:.9g}"
        + (" events" if source.events else "")
        + (" packed" if source.packed else "")
        + (f" queue={source.queue_words}" if source.queue_words else "")
        for source in graph.inputs
    ]
    lines += [_node_text(node) for node in graph.nodes]
    lines += [_output_text(output) for output in graph.outputs]
    return "\n".join(lines) + "\n"


def _output_text(output: Output) -> str:
    words = f" words={output.words.value}" if output.words is not OutputWords.ALL else ""
    bits = f" bits={output.bits}" if output.bits != WORD_BITS else ""
    return f"output {output.source} readout={output.readout.value}{words}{bits}"


def type_text(type: SpikeType) -> str:
    """`1x8x8 steps=1 bits=4`."""
    shape = "x".join(map(str, type.shape))
    bits = "real" if type.bits == 0 else f"bits={type.bits}{' signed' if type.signed else ''}"
    return f"{shape} steps={type.steps} {bits}"


def value_text(value: object) -> str:
    """One field: arrays by shape, range and fingerprint, everything else as it prints."""
    if isinstance(value, np.ndarray):
        shape = "x".join(map(str, value.shape))
        low, high = (value.min(), value.max()) if value.size else (0, 0)
        return f"<{shape} {low:.6g}..{high:.6g} #{fingerprint(value)}>"
    if isinstance(value, Dyadic):
        return f"{value_text(value.multiplier)}/2^{value.shift}"
    if isinstance(value, tuple):
        return "(" + ",".join(map(value_text, value)) + ")"
    if isinstance(value, float):
        return f"{value:.9g}"
    return str(value)


def _record_text(record: Op | Neuron) -> str:
    parts = (
        f"{item.name}={value_text(getattr(record, item.name))}"
        for item in fields(record)
        if getattr(record, item.name) is not None
    )
    return f"{type(record).__name__}({', '.join(parts)})"


def _synapse_text(synapse: Synapse) -> str:
    delay = f" delay={synapse.delay}" if synapse.delay else ""
    gain = f" gain={synapse.gain}" if synapse.gain != 1 else ""
    return f"{_record_text(synapse.op)} @ {synapse.source}{delay}{gain}"


def _mapping_text(mapping: Mapping) -> str:
    lanes = ", ".join(map(_lanes_text, mapping.synapses))
    neurons = f" neurons={mapping.neuron_lanes}" if mapping.neuron_lanes else ""
    queue = f" queue={mapping.queue_words}" if mapping.queue_words else ""
    return (
        f" | {mapping.engine.value} in=[{lanes}] out={mapping.out_lanes}"
        f" pixels={mapping.pixel_lanes}{neurons}{queue}"
    )


def _lanes_text(lanes: SynapseMapping) -> str:
    """`8x1`, and what is not as usual: `8x1 bits=1 columns=2 lut dsps=4x3 buffer=lut`."""
    parts = [f"{lanes.in_lanes}x{lanes.step_lanes}"]
    if lanes.bit_lanes is not None:
        parts.append(f"bits={lanes.bit_lanes}")
    if lanes.in_columns != 1:
        parts.append(f"columns={lanes.in_columns}")
    if lanes.storage is not Storage.AUTO:
        parts.append(lanes.storage.value)
    if lanes.buffer_storage is not Storage.AUTO:
        parts.append(f"buffer={lanes.buffer_storage.value}")
    if lanes.dsps:
        parts.append(f"dsps={lanes.dsps}x{lanes.products_per_dsp}")
    if lanes.lane_rows:
        parts.append("lane_rows")
    return " ".join(parts)


def _node_text(node: Node) -> str:
    currents = " + ".join(map(_synapse_text, node.synapses))
    scale = f" scale={node.scale:.9g}"
    layout = _mapping_text(node.mapping) if node.mapping else ""
    return (
        f"{node.name}: {type_text(node.type)}{scale} = {_record_text(node.neuron)} <- "
        f"{currents}{layout}"
    )
