"""What a legal graph is, as one list of rules; run after every pass.

Each rule yields problems as text, *where: found X, accepted Y; do Z*. `verify` collects them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np

from .errors import UnsupportedModel
from .graph import Graph, Node, Stage, Synapse
from .loops import computing_order
from .neurons import Dyadic, Encode, Integrate, IntegrateFire, Rectify, Relay, Requantize
from .ops import ChannelAffine, MaxPool2d, SumPool2d, Upsample2d
from .ranges import edge_range, summed_current_range
from .shapes import op_shape
from .spikes import SpikeType
from .verify_encoders import encoder_problems
from .verify_mapping import mapping_problems

NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")
"""Of nodes and inputs: they become names of files and instances, also those read from a file."""


def verify(graph: Graph) -> Graph:
    """`graph` itself where it is legal; UnsupportedModel with every problem where it is not."""
    problems = list(_structure(graph))
    if not problems:
        problems += _loops(graph)
    if not problems:
        for node in graph.nodes:
            problems += [f"{node.name}: {problem}" for problem in _node(graph, node)]
    if not problems and graph.stage is Stage.MAPPED:
        problems += mapping_problems(graph)
    if problems:
        raise UnsupportedModel(problems)
    return graph


def _structure(graph: Graph) -> Iterator[str]:
    seen = [source.name for source in graph.inputs]
    for name in (*seen, *(node.name for node in graph.nodes)):
        if [*seen, *(node.name for node in graph.nodes)].count(name) > 1:
            yield f"{name}: found two nodes or inputs of this name, accepted one; rename one"
    every = {*seen, *(node.name for node in graph.nodes)}
    for name in sorted(every):
        if not NAME.fullmatch(name):
            yield (
                f"{name!r:.60}: found a name that no file and no Verilog takes, accepted letters, "
                "digits, _, -, spaces and single dots, at most 128; rename the module or node"
            )
    if not graph.inputs or not graph.outputs or not graph.nodes:
        yield "graph: found no inputs, nodes or outputs, accepted at least one of each"
    for node in graph.nodes:
        if not any(synapse.source != node.name for synapse in node.synapses):
            yield f"{node.name}: found no synapse from another population, accepted at least one"
        for synapse in node.synapses:
            if synapse.source not in every:
                yield (
                    f"{node.name}: found source {synapse.source}, accepted an input or a node of "
                    "the graph; check its name"
                )
            elif synapse.source not in seen and synapse.delay < 1:
                yield (
                    f"{node.name}: found {synapse.source} as source without delay, accepted "
                    "delay >= 1 from the node itself and from later ones (recurrence)"
                )
            if synapse.delay < 0:
                yield f"{node.name}: found delay {synapse.delay}, accepted 0 or more steps"
        seen.append(node.name)
    for output in graph.outputs:
        if output.source not in seen:
            yield f"output {output.source}: found no such node; name a node of the graph"


def _loops(graph: Graph) -> Iterator[str]:
    for group in computing_order(graph):
        steps = {node.type.steps for node in group}
        if len(steps) > 1:
            yield (
                f"{group[0].name}: found a loop over {', '.join(node.name for node in group)} of "
                f"{sorted(steps)} steps, accepted equal steps all around it"
            )


def _node(graph: Graph, node: Node) -> Iterator[str]:
    for synapse in node.synapses:
        source = graph.edge(synapse.source)
        try:
            shape = op_shape(synapse.op, source.shape)
        except ValueError as error:
            yield f"{type(synapse.op).__name__} from {synapse.source}: {error}"
            continue
        if shape != node.type.shape:
            yield (
                f"{type(synapse.op).__name__} from {synapse.source}: found currents of shape "
                f"{shape}, accepted {node.type.shape}, the shape of the node"
            )
        yield from _image(synapse, source)
    yield from _steps(graph, node)
    yield from _arrays(graph, node)
    yield from _neuron(graph, node)


def _image(synapse: Synapse, source: SpikeType) -> Iterator[str]:
    op = synapse.op
    if isinstance(op, Upsample2d) and not all(
        0 <= crop < factor for crop, factor in zip(op.crop, op.factor, strict=True)
    ):
        yield f"found crop {op.crop}, accepted 0 or more, below the factor {op.factor}"
    if isinstance(op, MaxPool2d) and max(op.padding) > 0 and source.signed:
        yield "found max pooling with padding over signed values, accepted unsigned ones"
    if isinstance(op, MaxPool2d | SumPool2d) and any(
        2 * pad > size for pad, size in zip(op.padding, op.kernel, strict=True)
    ):
        yield f"found pool padding {op.padding}, accepted at most half of the kernel {op.kernel}"


def _steps(graph: Graph, node: Node) -> Iterator[str]:
    steps = {graph.edge(synapse.source).steps for synapse in node.synapses}
    if len(steps) > 1:
        yield f"found sources of {sorted(steps)} steps, accepted equal steps on every synapse"
    found = steps.pop()
    if found != node.type.steps and 1 not in (found, node.type.steps):
        yield (
            f"found {found} input steps and {node.type.steps} output steps, accepted equal steps, "
            "1 to many (direct coding) or many to 1 (summed)"
        )
    if any(synapse.delay for synapse in node.synapses) and found != node.type.steps:
        yield "found a delayed synapse on a node that changes steps, accepted equal steps"


def _arrays(graph: Graph, node: Node) -> Iterator[str]:
    """Dtypes by stage, finite values, lengths of per-channel parameters."""
    kind = "f" if graph.stage is Stage.FLOAT else "i"
    for record in (node.neuron, *(synapse.op for synapse in node.synapses)):
        for name, value in _values(record):
            where = f"{type(record).__name__}.{name}"
            if isinstance(value, np.ndarray):
                if value.dtype.kind != kind:
                    yield f"{where}: found dtype {value.dtype} in stage {graph.stage.value}"
                if value.flags.writeable:
                    yield f"{where}: found a writeable array, accepted read-only ones"
            if isinstance(value, np.ndarray | float) and not np.all(np.isfinite(value)):
                yield f"{where}: found NaN or infinite values, accepted finite ones; check training"
            if (
                record is node.neuron
                and isinstance(value, np.ndarray)
                and value.shape not in ((node.type.channels,), node.type.shape)
            ):
                yield (
                    f"{where}: found shape {value.shape}, accepted a scalar, one value a channel "
                    f"({node.type.channels},) or one a neuron {node.type.shape}"
                )


def _values(record: object) -> Iterator[tuple[str, object]]:
    assert is_dataclass(record)
    for item in fields(record):
        value = getattr(record, item.name)
        if isinstance(value, Dyadic):
            yield item.name, value.multiplier
        else:
            yield item.name, value


def _neuron(graph: Graph, node: Node) -> Iterator[str]:
    neuron, integer = node.neuron, graph.stage is not Stage.FLOAT
    illegal = (Rectify,) if integer else (Requantize,)
    if isinstance(neuron, illegal):
        yield f"found {type(neuron).__name__}, which has no meaning in stage {graph.stage.value}"
        return
    if (node.type.bits == 0) == integer:
        yield f"found bits={node.type.bits} in stage {graph.stage.value}"
        return
    if isinstance(neuron, Encode):
        yield from encoder_problems(graph, node, neuron)
        return
    if isinstance(neuron, IntegrateFire):
        yield from _integrate_fire(neuron)
    if isinstance(neuron, Rectify) and neuron.bits is not None:
        if neuron.bound is None or neuron.bound <= 0:
            yield f"found a ReLU of {neuron.bits} bits without a bound, accepted a bound > 0"
        if not 1 <= neuron.bits <= 8:
            yield f"found a ReLU of {neuron.bits} bits, accepted 1 .. 8"
    if not integer:
        return
    for synapse in node.synapses:
        if isinstance(synapse.op, ChannelAffine) or (
            isinstance(synapse.op, SumPool2d) and synapse.op.divisor != 1
        ):
            yield f"found {type(synapse.op).__name__} of reals after the integer line"
            return
    yield from _integer_neuron(graph, node)


def _integrate_fire(neuron: IntegrateFire) -> Iterator[str]:
    if np.min(np.asarray(neuron.threshold)) <= 0:
        yield "found a threshold <= 0, accepted thresholds > 0"
    if neuron.max_spikes is not None and neuron.max_spikes < 1:
        yield f"found max_spikes={neuron.max_spikes}, accepted 1 or more, or None in stage float"
    if neuron.reset_step == "both" and (neuron.reset != "subtract" or neuron.max_spikes != 1):
        yield "found reset_step 'both' with another reset than subtract or with several spikes"


def _integer_neuron(graph: Graph, node: Node) -> Iterator[str]:
    neuron, sends = node.neuron, edge_range(node.type)
    if isinstance(neuron, Relay):
        found = summed_current_range(graph, node)
        if found.low < sends.low or found.high > sends.high:
            yield (
                f"found sums {found.low} .. {found.high} on an edge of {sends.low} .. "
                f"{sends.high}, accepted an edge wide enough for every sum"
            )
    if isinstance(neuron, Requantize) and node.type.steps != 1:
        yield f"found Requantize with {node.type.steps} steps, accepted 1"
    if isinstance(neuron, IntegrateFire | Integrate):
        for name in ("decay", "gain", "synaptic_decay"):
            factor = getattr(neuron, name)
            if factor is not None and not isinstance(factor, Dyadic):
                yield f"{name}: found a real factor after the integer line, accepted a Dyadic"
                return
        if neuron.membrane_bits < 2:
            yield f"found membrane_bits={neuron.membrane_bits}, accepted 2 or more"
            return
        reach = -(1 << (neuron.membrane_bits - 1)), (1 << (neuron.membrane_bits - 1)) - 1
    if isinstance(neuron, IntegrateFire):
        if neuron.max_spikes is None:
            yield "found no limit of spikes after the integer line, accepted max_spikes >= 1"
            return
        if neuron.sends == "spikes" and neuron.max_spikes > sends.high:
            yield f"found max_spikes={neuron.max_spikes} on an edge of at most {sends.high}"
        if int(np.max(np.asarray(neuron.threshold))) > reach[1]:
            yield (
                f"found a threshold {int(np.max(np.asarray(neuron.threshold)))} that no membrane "
                f"of {neuron.membrane_bits} bits reaches; widen the membrane"
            )
        if not reach[0] <= int(neuron.reset_value) <= reach[1]:
            yield f"found reset_value={neuron.reset_value} outside of the membrane {reach}"
        if neuron.floor is not None and not reach[0] <= neuron.floor <= 0:
            yield f"found floor={neuron.floor}, accepted {reach[0]} .. 0"
    if (
        isinstance(neuron, Integrate)
        or (isinstance(neuron, IntegrateFire) and neuron.sends == "membrane")
    ) and (sends.low > reach[0] or sends.high < reach[1]):
        yield f"found an edge {sends} narrower than the membrane of {neuron.membrane_bits} bits"
