"""Puts encoders between the network and its inputs, which are samples then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np

from ..config import Config, InputConfig
from ..ir import (
    Array,
    BadInput,
    Encode,
    Graph,
    Identity,
    Input,
    Node,
    Rectify,
    SpikeType,
    Synapse,
    UnsupportedModel,
    verify,
)
from ..ir.neurons import EncoderKind
from ..ir.user_arrays import UserArrays, as_frames
from .calibrate import checked_calibration
from .encoders import encoder_of

SAMPLE_BITS = 8


def encode_inputs(
    graph: Graph,
    calibration: UserArrays | None = None,
    config: Config | None = None,
    measured: bool = True,
) -> Graph:
    """The FLOAT graph with the encoders that `config` asks for: the graph that is compiled.

    An input of T steps of trains becomes one of 1 step of samples (delta: of T steps of samples)
    and an `Encode` node, `<input>.encoder`, that everybody reads in its place. Of an input of one
    step, whose samples drive neurons of T steps (direct coding), what only computes with the
    samples works on the train from then on. `calibration` holds samples; bits and unit come from
    the configuration, else 8 bits (radix: T) and the largest sample. An input that has an encoder
    of this kind stays. BadInput and UnsupportedModel with every problem; without `measured` units
    that nothing is known of are 1.
    """
    config = config or Config()
    wanted = [source for source in graph.inputs if _is_wanted(graph, source, config)]
    if not wanted or _waits_for_spikes(graph, config):
        return graph
    problems = [problem for source in wanted for problem in _problems(graph, source, config)]
    if problems:
        raise BadInput(problems)
    for source in wanted:
        chosen = config.input_of(source.name)
        graph = _encoded(graph, source, _draft(graph, source, chosen))
    _check_joins(graph, wanted)
    frames = None if calibration is None else _samples(graph, calibration, wanted)
    records = _records(graph, wanted, frames, config, measured)
    nodes = [replace(n, neuron=records[n.name]) if n.name in records else n for n in graph.nodes]
    return verify(graph.with_nodes(nodes))


def _is_wanted(graph: Graph, source: Input, config: Config) -> bool:
    """Shall this input get an encoder that it does not have yet?"""
    kind = config.input_of(source.name).encoder
    own = encoder_of(graph, source.name)
    if own is not None and kind not in (None, own.kind):
        raise BadInput(
            f"input {source.name}: found encoder {kind} in the configuration and a {own.kind} "
            "encoder in the model, accepted one of the two; leave input.encoder out"
        )
    return kind is not None and own is None


def _waits_for_spikes(graph: Graph, config: Config) -> bool:
    """Are there ReLUs that `convert_to_rate` makes spiking neurons of, encoders included?"""
    return config.code == "rate" and any(isinstance(n.neuron, Rectify) for n in graph.nodes)


def _problems(graph: Graph, source: Input, config: Config) -> list[str]:
    """What is wrong with the choices for one input."""
    chosen, where = config.input_of(source.name), f"input {source.name}"
    steps = _steps(graph, source)
    problems = []
    if chosen.encoder not in get_args(EncoderKind):
        problems.append(f"{where}: found no encoder called {chosen.encoder}")
    if steps == 1 and not (chosen.encoder == "radix" and chosen.bits == 1):
        problems.append(
            f"{where}: found encoder {chosen.encoder} for a network of one time step, accepted "
            "networks that take trains of 0 and 1, or spiking neurons over several steps; leave "
            "input.encoder out: a radix network gets its samples as they are"
        )
    elif chosen.encoder == "radix" and chosen.bits not in (None, steps):
        problems.append(
            f"{where}: found a radix encoder of input.bits {chosen.bits} for {steps} steps, "
            "accepted as many bits as steps; leave input.bits out"
        )
    elif chosen.encoder == "radix" and steps > 16:
        problems.append(
            f"{where}: found a radix encoder of {steps} steps, accepted 1 .. 16 steps, one a bit"
        )
    if chosen.events:
        problems.append(
            f"{where}: found encoder {chosen.encoder} with input.events, accepted one of the two: "
            "events are spikes already; leave one out"
        )
    if chosen.encoder == "delta" and source.type.steps == 1 < steps:
        problems.append(
            f"{where}: found a delta encoder for samples of one step, accepted a network whose "
            "frames have steps (input_has_steps); only samples that change have a delta"
        )
    if chosen.encoder == "delta" and chosen.threshold is None:
        problems.append(
            f"{where}: found no input.threshold for the delta encoder, accepted a number > 0 in "
            "units of the samples; give the change that shall be a spike"
        )
    if chosen.encoder != "delta" and chosen.signed:
        problems.append(
            f"{where}: found signed samples for a {chosen.encoder} encoder, accepted unsigned "
            "ones; shift them to 0 .. 1, or take delta"
        )
    return problems


def _steps(graph: Graph, source: Input) -> int:
    """The steps of the trains: those of the input, or of the neurons that it drives."""
    if source.type.steps > 1:
        return source.type.steps
    return max(node.type.steps for node in graph.nodes)


def _draft(graph: Graph, source: Input, chosen: InputConfig) -> Node:
    """The encoder's node; its unit and threshold follow from the samples later."""
    steps = _steps(graph, source)
    bits = chosen.bits or (steps if chosen.encoder == "radix" else SAMPLE_BITS)
    neuron = Encode(chosen.encoder, bits, seed=chosen.seed, threshold=1)  # type: ignore[arg-type]
    name, taken = f"{source.name}.encoder", {node.name for node in graph.nodes}
    while name in taken:
        name += "_"
    type = SpikeType(source.type.shape, steps)
    return Node(name, (Synapse(Identity(), source.name),), neuron, type)


def _encoded(graph: Graph, source: Input, encoder: Node) -> Graph:
    """The graph in which `encoder` stands behind its input, and trains come from it."""
    assert isinstance(encoder.neuron, Encode)
    steps = encoder.type.steps
    given = steps if encoder.neuron.kind == "delta" else 1
    inputs = tuple(
        replace(item, type=replace(item.type, steps=given)) if item.name == source.name else item
        for item in graph.inputs
    )
    trains = {encoder.name}
    nodes = [encoder]
    for node in graph.nodes:
        synapses = tuple(
            replace(s, source=encoder.name) if s.source == source.name else s for s in node.synapses
        )
        before = {graph.edge(s.source).steps for s in node.synapses}
        if before == {1} == {node.type.steps} and any(s.source in trains for s in synapses):
            node = replace(node, type=replace(node.type, steps=steps))
            trains.add(node.name)
        nodes.append(replace(node, synapses=synapses))
    return replace(graph, inputs=inputs, nodes=tuple(nodes))


def _check_joins(graph: Graph, wanted: Sequence[Input]) -> None:
    """UnsupportedModel where trains of an encoder meet samples of another input."""
    names = ", ".join(source.name for source in wanted)
    problems = [
        f"{node.name}: found trains of the encoder of {names} beside samples without steps, "
        "accepted either of them; give every input that meets here an encoder"
        for node in graph.nodes
        if len({graph.edge(s.source).steps for s in node.synapses}) > 1
    ]
    if problems:
        raise UnsupportedModel(problems)


def _samples(graph: Graph, calibration: UserArrays, wanted: Sequence[Input]) -> dict[str, Array]:
    """The calibration frames of each input; BadInput also where they are trains."""
    try:
        arrays = checked_calibration(graph, calibration)
    except BadInput as error:
        given = calibration if isinstance(calibration, list | tuple) else [calibration]
        named = {source.name: array for source, array in zip(graph.inputs, given, strict=False)}
        named = dict(calibration) if isinstance(calibration, Mapping) else named
        trains = [
            f"input {before.name}: found calibration frames of {before.type.steps} steps, accepted "
            "samples without steps: the encoder makes the steps"
            for before in wanted
            for array in [named.get(before.name)]
            if array is not None and as_frames(before.type, np.asarray(array)) is not None
        ]
        raise BadInput([*error.problems, *trains]) from error
    return {source.name: array for source, array in zip(graph.inputs, arrays, strict=True)}


def _records(
    graph: Graph,
    wanted: Sequence[Input],
    frames: dict[str, Array] | None,
    config: Config,
    measured: bool,
) -> dict[str, Encode]:
    """The finished record of each new encoder, by its node; BadInput with every problem."""
    records: dict[str, Encode] = {}
    problems: list[str] = []
    for source in wanted:
        node = next(n for n, _ in graph.consumers(source.name) if isinstance(n.neuron, Encode))
        assert isinstance(node.neuron, Encode)
        try:
            array = None if frames is None else frames[source.name]
            if array is not None or measured or config.input_of(source.name).scale is not None:
                records[node.name] = _record(source.name, node.neuron, array, config)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return records


def _record(name: str, neuron: Encode, frames: Array | None, config: Config) -> Encode:
    chosen, where = config.input_of(name), f"input {name}"
    if frames is None and chosen.scale is None:
        raise BadInput(
            f"{where}: found no calibration frames for the {neuron.kind} encoder, accepted them, "
            "or input.scale in the configuration; give one of the two"
        )
    negative = frames is not None and bool((frames < 0).any())
    if negative and neuron.kind != "delta":
        assert frames is not None
        raise BadInput(
            f"{where}: found samples {frames.min():g} .. {frames.max():g} for a {neuron.kind} "
            "encoder, accepted samples >= 0; shift them to 0 .. 1, or take delta"
        )
    signed = neuron.kind == "delta" and (negative if chosen.signed is None else chosen.signed)
    if neuron.bits < 2 and signed:
        raise BadInput(f"{where}: found 1 bit with a sign, accepted 2 or more; choose input.bits")
    neuron = replace(neuron, signed=signed, unit=_unit(neuron.bits - signed, frames, chosen))
    if neuron.kind != "delta":
        return replace(neuron, threshold=0)
    assert chosen.threshold is not None
    threshold = round(chosen.threshold / neuron.unit)
    if threshold < 1:
        raise BadInput(
            f"{where}: found input.threshold {chosen.threshold:g}, less than half a unit of "
            f"{neuron.unit:g}, accepted a unit or more; raise it, or input.bits"
        )
    return replace(neuron, threshold=threshold)


def _unit(bits: int, frames: Array | None, chosen: InputConfig) -> float:
    """The real value of one unit of a sample of `bits` bits beside its sign."""
    if chosen.scale is not None:
        return chosen.scale
    assert frames is not None
    return float(np.abs(frames).max()) / ((1 << bits) - 1)
