"""Rules of stage MAPPED: which layouts the hardware has."""

from __future__ import annotations

from collections.abc import Iterator

from .engine_rules import engine_problems
from .events import event_problems
from .geometry import in_column_choices, op_window
from .graph import Engine, Graph, Mapping, Node, Storage, Synapse, SynapseMapping
from .neurons import Encode
from .ops import Conv2d, Flatten, Linear, MaxPool2d, SumPool2d, Upsample2d
from .port_rules import output_problems, port_problems, weight_port_problems


def mapping_problems(graph: Graph) -> list[str]:
    """Every rule that the mapping of a graph breaks, as text."""
    window = graph.steps_in_window
    if window is None:
        return ["graph: found no steps_in_window in stage mapped; map the graph first"]
    problems = list(_graph(graph, window))
    for node in graph.nodes:
        if node.mapping is None:
            problems.append(f"{node.name}: found no mapping; map the graph first")
            continue
        problems += [f"{node.name}: {text}" for text in _node(graph, node, node.mapping, window)]
    return problems


def patch_elements(op: Conv2d) -> int:
    """Elements under the kernel that one output channel reads."""
    return op.kernel[0] * op.kernel[1] * int(op.weight.shape[1])


def _graph(graph: Graph, window: int) -> Iterator[str]:
    inputs = {source.name for source in graph.inputs}
    for output in graph.outputs:
        if output.source in inputs:
            yield (
                f"output {output.source}: found an input, the hardware accepts what a population "
                "sends; leave this output out"
            )
    for output in graph.outputs:
        if output.source not in inputs:
            yield from output_problems(output, graph.edge(output.source))
    yield from weight_port_problems(graph)
    for source in graph.inputs:
        if source.type.neurons % source.lanes:
            yield (
                f"input {source.name}: found {source.lanes} lanes, accepted a divisor of its "
                f"{source.type.neurons} elements"
            )
        yield from port_problems(source)
        if source.events:
            yield from event_problems(source)
        if source.events and source.lanes & (source.lanes - 1):
            yield f"input {source.name}: found {source.lanes} lanes of events, accepted 1, 2, 4 .."
    edges = {source.name: source.type for source in graph.inputs}
    edges |= {node.name: node.type for node in graph.nodes}
    for name, type in edges.items():
        if type.steps > window and type.steps % window:
            yield f"{name}: found {type.steps} steps in windows of {window}, accepted whole windows"


def _node(graph: Graph, node: Node, mapping: Mapping, window: int) -> Iterator[str]:
    if len(mapping.synapses) != len(node.synapses):
        yield f"found lanes for {len(mapping.synapses)} of {len(node.synapses)} synapses"
        return
    if node.type.channels % mapping.out_lanes:
        yield f"found out_lanes={mapping.out_lanes}, accepted a divisor of {node.type.channels}"
    if mapping.neuron_lanes is not None and mapping.out_lanes % mapping.neuron_lanes:
        yield (
            f"found neuron_lanes={mapping.neuron_lanes}, accepted a divisor of "
            f"out_lanes={mapping.out_lanes}"
        )
    if mapping.pixel_lanes > 1:
        if len(node.type.shape) == 1 or node.type.shape[2] % mapping.pixel_lanes:
            yield f"found pixel_lanes={mapping.pixel_lanes}, accepted a divisor of the columns"
        if mapping.out_lanes != node.type.channels:
            yield "found several pixel_lanes, accepted only where out_lanes is every channel"
    for synapse, lanes in zip(node.synapses, mapping.synapses, strict=True):
        source = graph.edge(synapse.source)
        steps = min(source.steps, window)
        if steps % lanes.step_lanes:
            yield f"found step_lanes={lanes.step_lanes}, accepted a divisor of {steps}"
        if synapse.delay and window != 1:
            yield f"found windows of {window} steps on a delayed synapse, accepted 1"
        encoded = isinstance(node.neuron, Encode)
        replayed = source.steps == 1 and (window == 1 or encoded)
        changes = source.steps != node.type.steps and not replayed
        if changes and max(source.steps, node.type.steps) > window:
            yield (
                f"found {source.steps} to {node.type.steps} steps in windows of {window}, accepted "
                "one window where the number of steps changes"
            )
        yield from _synapse(graph, node, synapse, mapping, lanes)
        yield from _columns(graph, synapse, mapping, lanes.in_columns)
        has_weights = isinstance(synapse.op, Linear | Conv2d)
        own_rule = has_weights and mapping.engine is not Engine.LOGIC
        if not own_rule and lanes.buffer_storage is Storage.LOADED:
            yield "found buffer_storage loaded, accepted auto, block or lut"
        if not has_weights and lanes.lane_rows:
            yield "found lane_rows, accepted for a Linear on engine event alone"
        if not has_weights and lanes.storage is Storage.LOADED:
            yield "found storage loaded, accepted for the weights of a Linear or a Conv2d alone"
        if isinstance(synapse.op, Linear | Conv2d):
            yield from engine_problems(graph, synapse, mapping, lanes)


def _synapse(
    graph: Graph, node: Node, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping
) -> Iterator[str]:
    source, in_lanes = graph.edge(synapse.source), lanes.in_lanes
    match synapse.op:
        case Linear():
            if source.neurons % in_lanes and not lanes.lane_rows:
                yield f"found in_lanes={in_lanes}, accepted a divisor of {source.neurons}"
        case Conv2d() as op if mapping.engine is not Engine.LOGIC:
            if patch_elements(op) % in_lanes:
                yield f"found in_lanes={in_lanes}, accepted a divisor of {patch_elements(op)}"
            if int(op.weight.shape[0]) // op.groups % mapping.out_lanes:
                yield (
                    f"found out_lanes={mapping.out_lanes}, accepted a divisor of the channels of "
                    f"a group, {int(op.weight.shape[0]) // op.groups}"
                )
        case Upsample2d():
            if mapping.pixel_lanes != 1:
                yield "found several pixel_lanes on an upsampling, accepted 1"
        case Flatten():
            if source.shape[1:] not in ((), (1, 1)):
                yield "found a Flatten in hardware, accepted one that a Linear has absorbed"
        case _:
            pass


def _columns(graph: Graph, synapse: Synapse, mapping: Mapping, in_columns: int) -> Iterator[str]:
    """Several columns in a word: as many as the patches of all pixel lanes move on."""
    if in_columns == 1:
        return
    if not isinstance(synapse.op, Conv2d | MaxPool2d | SumPool2d):
        yield f"found in_columns={in_columns} without a sliding window, accepted 1"
        return
    window = op_window(synapse.op, graph.edge(synapse.source).shape)
    accepted = in_column_choices(window, mapping.pixel_lanes)
    if in_columns not in accepted:
        yield (
            f"found in_columns={in_columns} of {window.columns} columns, accepted "
            f"{' or '.join(map(str, accepted))}: pixel_lanes times the stride where it divides them"
        )
