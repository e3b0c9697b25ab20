"""From a `.nir` file, or a nir.NIRGraph, to a graph of stage FLOAT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...ir import (
    BadInput,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Neuron,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    UnsupportedModel,
    verify,
)
from .conventions import check_reset, convention_of, time_unit
from .kinds import NEURONS
from .metadata import (
    MIXED,
    Notes,
    neuron_fields,
    noted_inputs,
    noted_neuron,
    noted_outputs,
    read_notes,
)
from .network import Network, load_network
from .order import ordered, with_closing_delays
from .primitives import Reading, neuron_of, scale_per_neuron
from .shapes import graph_shape, infer_shapes
from .wiring import Wiring


def read_nir(
    source: str | Path | Any,
    dt: float | None = None,
    reset: str | None = None,
    convention: str | None = None,
    steps: int | None = None,
    input_has_steps: bool = True,
    readout: str | Readout | None = None,
) -> Graph:
    """The network of a `.nir` file or a nir.NIRGraph as a graph of stage FLOAT.

    `dt` is the time step in seconds, `reset` one of subtract, value (v_reset), zero and none,
    `convention` whose neurons they are (`CONVENTIONS`, docs/nir.md; default euler), `steps` the
    time steps of a frame. A file that e3ne wrote brings all of them along; what is given must then
    agree. `input_has_steps` False feeds the same frame at every step (direct coding). `readout`
    is count, last, max or mean (default: count of spikes, last value of membranes).

    BadInput or UnsupportedModel lists every problem. Nothing in the file is executed.
    """
    return graph_of(load_network(source), dt, reset, convention, steps, input_has_steps, readout)


def graph_of(
    network: Network,
    dt: float | None = None,
    reset: str | None = None,
    convention: str | None = None,
    steps: int | None = None,
    input_has_steps: bool = True,
    readout: str | Readout | None = None,
) -> Graph:
    """`read_nir` of a network that is loaded already."""
    notes = read_notes(network.metadata)
    options = _options(notes, dt, reset, convention, steps)
    reads, sends = infer_shapes(network, options.reading.convention.steps_in_shape)
    wiring = Wiring(network, reads, sends, options.reading.dt)
    problems: list[str] = []
    nodes: list[Node] = []
    for name in network.nodes:
        if wiring.is_population(name) or _adds_up(network, wiring, name):
            try:
                neuron = _neuron(network, wiring, name, options.reading)
            except ValueError as error:
                problems.append(f"{name}: {error}")
                continue
            place = SpikeType(graph_shape(sends[name]))
            nodes.append(Node(name, wiring.synapses(name), neuron, place))
    if problems:
        raise BadInput(problems)
    inputs = tuple(
        Input(name, SpikeType(graph_shape(sends[name]), options.steps if input_has_steps else 1))
        for name in network.of("Input")
    )
    outputs = tuple(_output(network, wiring, name, nodes, readout) for name in network.of("Output"))
    if notes is not None and notes.fit({i.name for i in inputs}, {n.name for n in nodes}):
        return _as_noted(notes, inputs, nodes, outputs, input_has_steps, readout)
    nodes = with_closing_delays(ordered(nodes, [source.name for source in inputs]))
    nodes = _with_steps(inputs, nodes, options.steps)
    return verify(Graph(Stage.FLOAT, inputs, tuple(nodes), outputs))


@dataclass(frozen=True)
class _Options:
    reading: Reading
    steps: int


def _options(
    notes: Notes | None,
    dt: float | None,
    reset: str | None,
    convention: str | None,
    steps: int | None,
) -> _Options:
    """What the user gave and what the file says, as one; BadInput lists what is missing."""
    given: Mapping[str, Any] = {"dt": dt, "reset": reset, "convention": convention, "steps": steps}
    known: Mapping[str, Any] = {}
    if notes is not None:
        known = {
            "dt": notes.dt, "reset": notes.reset, "convention": notes.convention,
            "steps": max(notes.steps.values(), default=1),
        }  # fmt: skip
    problems = [
        f"nir: found {name} {given[name]!r}, accepted {value!r} as the file says that e3ne wrote; "
        "leave the option out"
        for name, value in known.items()
        if given[name] is not None and not _agrees(name, given[name], value)
    ]
    chosen: dict[str, Any] = {
        name: value if value is not None else known.get(name) for name, value in given.items()
    }
    problems += [f"nir: found no {name}, accepted {MISSING[name]}" for name in MISSING
                 if chosen[name] is None]  # fmt: skip
    if chosen["dt"] is not None and not 0 < chosen["dt"] < float("inf"):
        problems.append(f"dt: found {chosen['dt']}, accepted a time in seconds > 0; give --dt 1e-4")
    if chosen["steps"] is not None and chosen["steps"] < 1:
        problems.append(f"steps: found {chosen['steps']}, accepted 1 or more")
    if problems:
        raise BadInput(problems)
    rules = convention_of(chosen["convention"] or "euler")
    if notes is None:
        check_reset(chosen["reset"], rules)
    reading = Reading(rules, chosen["reset"], float(chosen["dt"]), 1.0)
    return _Options(reading, int(chosen["steps"]))


def _agrees(name: str, given: Any, noted: Any) -> bool:
    if name == "dt":
        return bool(np.isclose(given, noted, rtol=1e-6, atol=0))
    return bool(given == noted or (name == "reset" and {given, noted} == {"zero", "value"}))


MISSING = {
    "dt": "the time step of the network in seconds, which the format lacks; give --dt 1e-4",
    "reset": "what a spike does to the membrane, which the format lacks; give --reset subtract, or "
    "value (to v_reset), zero or none",
    "steps": "the number of time steps of a frame; give --steps 100",
}


def _neuron(network: Network, wiring: Wiring, name: str, reading: Reading) -> Neuron:
    node = network.nodes[name]
    if node.kind in NEURONS:
        unit = time_unit(network, reading.convention, reading.dt)
        derived_from = replace(reading, unit=unit)
        noted = neuron_fields(node)
        if noted is not None:  # the note says how it resets
            to = {"to_value": "value", "subtract": "subtract", "none": "none"}
            derived_from = replace(derived_from, reset=to.get(str(noted.get("reset")), "subtract"))
        elif reading.reset == MIXED:
            raise ValueError(
                "found a neuron without a note in a file of mixed resets, accepted notes for all; "
                "write the file again"
            )
        shape = wiring.reads[name]
        derived = neuron_of(node, shape, derived_from, wiring.reads_itself(name))
        return noted_neuron(node, derived, graph_shape(shape))
    return scale_per_neuron(node, wiring.reads[name]) or Relay()


def _adds_up(network: Network, wiring: Wiring, name: str) -> bool:
    """Does an Output need a node of its own: several sources, a delay, or an input?"""
    if network.nodes[name].kind != "Output":
        return False
    synapses = wiring.synapses(name)
    return (
        len(synapses) != 1
        or synapses[0].delay > 0
        or synapses[0].op != Identity()
        or network.nodes[synapses[0].source].kind == "Input"
    )


def _output(
    network: Network, wiring: Wiring, name: str, nodes: list[Node], readout: str | Readout | None
) -> Output:
    by_name = {node.name: node for node in nodes}
    source = name if name in by_name else wiring.synapses(name)[0].source
    if readout is not None:
        return Output(source, _readout(readout))
    spikes = isinstance(by_name[source].neuron, IntegrateFire)
    return Output(source, Readout.COUNT if spikes else Readout.LAST)


def _readout(readout: str | Readout) -> Readout:
    try:
        return Readout(readout)
    except ValueError as error:
        names = ", ".join(kind.value for kind in Readout)
        raise BadInput(f"readout: found {readout!r}, accepted {names}") from error


def _with_steps(inputs: tuple[Input, ...], nodes: list[Node], steps: int) -> list[Node]:
    """Neurons make all steps; a relay makes as many as its sources."""
    counts = {source.name: source.type.steps for source in inputs}
    for node in nodes:
        sources = [counts[s.source] for s in node.synapses if s.source in counts]
        relayed = max(sources, default=steps) if isinstance(node.neuron, Relay) else steps
        counts[node.name] = relayed
    return [replace(node, type=replace(node.type, steps=counts[node.name])) for node in nodes]


def _as_noted(
    notes: Notes,
    inputs: tuple[Input, ...],
    nodes: list[Node],
    outputs: tuple[Output, ...],
    input_has_steps: bool,
    readout: str | Readout | None,
) -> Graph:
    """The graph as e3ne wrote it: order, steps, scales, readouts."""
    place = {name: index for index, name in enumerate(notes.steps)}
    nodes = with_closing_delays(sorted(nodes, key=lambda node: place[node.name]))
    nodes = [
        replace(
            node,
            type=replace(node.type, steps=notes.steps[node.name]),
            scale=notes.scales.get(node.name, 1.0),
        )
        for node in nodes
    ]
    inputs = tuple(
        replace(
            source,
            type=replace(source.type, steps=notes.steps[source.name] if input_has_steps else 1),
            scale=notes.scales.get(source.name, 1.0),
        )
        for source in noted_inputs(notes, inputs)
    )
    if readout is None and {out.source for out in outputs} == {s for s, _ in notes.outputs}:
        outputs = noted_outputs(notes)
    try:
        return verify(Graph(Stage.FLOAT, inputs, tuple(nodes), outputs))
    except UnsupportedModel as error:
        raise BadInput(
            ("nir: found notes of e3ne that do not fit the nodes; write the file again",
             *error.problems)
        ) from error  # fmt: skip
