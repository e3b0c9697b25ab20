"""What e3ne notes in the metadata of a `.nir` file so that a round trip loses nothing.

The equations of NIR stay the truth: a note about a neuron counts only as long as it agrees with
the parameters beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ...ir import BadInput, Graph, Input, Integrate, IntegrateFire, Node, Output, Readout, frozen
from .network import Primitive

WRITER = "e3ne"
MIXED = "mixed"  # the populations of a graph reset in different ways
UNBOUNDED = "unbounded"
RECORDS: dict[str, type[IntegrateFire] | type[Integrate]] = {
    "IntegrateFire": IntegrateFire,
    "Integrate": Integrate,
}
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Notes:
    """What the writer knew about the graph: order, steps, inputs and outputs of its nodes."""

    dt: float
    reset: str
    convention: str
    steps: Mapping[str, int]  # of every input and node, in the order of the graph
    scales: Mapping[str, float]
    inputs: tuple[str, ...]
    outputs: tuple[tuple[str, str], ...]  # (source, readout)


def graph_notes(graph: Graph, dt: float, reset: str, convention: str) -> dict[str, Any]:
    """The metadata of the top graph: dt, reset, convention, and the rest as one JSON text."""
    members: list[Input | Node] = [*graph.inputs, *graph.nodes]
    notes = {
        "steps": {member.name: member.type.steps for member in members},
        "scales": {member.name: member.scale for member in members if member.scale != 1.0},
        "inputs": [source.name for source in graph.inputs],
        "outputs": [[output.source, output.readout.value] for output in graph.outputs],
    }
    steps = max(member.type.steps for member in members)
    return {
        "writer": WRITER, "dt": float(dt), "reset": reset, "convention": convention,
        "steps": steps, "notes": json.dumps(notes),
    }  # fmt: skip


def read_notes(metadata: Mapping[str, Any]) -> Notes | None:
    """The notes of a file that e3ne wrote, None for another; BadInput where they are damaged."""
    if metadata.get("writer") != WRITER:
        return None
    try:
        notes = json.loads(metadata["notes"])
        return Notes(
            float(metadata["dt"]),
            str(metadata["reset"]),
            str(metadata["convention"]),
            {str(name): int(steps) for name, steps in notes["steps"].items()},
            {str(name): float(scale) for name, scale in notes["scales"].items()},
            tuple(map(str, notes["inputs"])),
            tuple((str(source), Readout(read).value) for source, read in notes["outputs"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"nir: found damaged notes of e3ne in the metadata ({error}), accepted them as "
            "written; write the file again, or take 'writer' out of its metadata and give --dt"
        ) from error


def neuron_notes(neuron: IntegrateFire | Integrate) -> dict[str, Any]:
    """Every field of a neuron, for the metadata of its node."""
    notes: dict[str, Any] = {"record": type(neuron).__name__}
    for item in fields(neuron):
        value = getattr(neuron, item.name)
        if item.name == "max_spikes" and value is None:
            value = UNBOUNDED
        if value is not None:
            notes[item.name] = value
    return notes


def noted_neuron(node: Primitive, derived: IntegrateFire | Integrate) -> IntegrateFire | Integrate:
    """The neuron in the node's metadata, `derived` where there is none.

    ValueError where the note is damaged, or the parameters were changed after it was written.
    """
    notes = node.metadata.get("neuron")
    if notes is None:
        return derived
    if not isinstance(notes, dict) or notes.get("record") != type(derived).__name__:
        raise ValueError(f"found a note of another neuron than {node.kind}, accepted {DISAGREE}")
    kind = RECORDS[type(derived).__name__]
    known = {item.name for item in fields(kind)}
    try:
        neuron = kind(**{name: _plain(notes[name]) for name in notes if name in known})
        for name in ("decay", "gain", "synaptic_decay", "offset", "threshold", "reset_value"):
            if name in known:
                _check(name, getattr(neuron, name), getattr(derived, name), neuron)
    except TypeError as error:
        raise ValueError(f"found a damaged note of the neuron ({error}); {DISAGREE}") from error
    return neuron


DISAGREE = "a note that agrees with the parameters; remove 'neuron' from the node's metadata"


def _check(name: str, noted: Any, derived: Any, neuron: IntegrateFire | Integrate) -> None:
    if name == "reset_value" and getattr(neuron, "reset", "") != "to_value":
        return
    if noted is None and derived is None:
        return
    noted, derived = (
        np.ravel(np.asarray(value, np.float64)) if value is not None else None
        for value in (noted, derived)
    )
    if (
        noted is None
        or derived is None
        or (noted.size > 1 and derived.size > 1 and noted.size != derived.size
            and max(noted.size, derived.size) % min(noted.size, derived.size))
        or not np.allclose(
            [noted.min(), noted.max()], [derived.min(), derived.max()], TOLERANCE, TOLERANCE * 0.1
        )
    ):  # fmt: skip
        raise ValueError(
            f"found {name} in a note of e3ne that differs from the parameters, accepted {DISAGREE}"
        )


def _plain(value: Any) -> Any:
    """A value as it was before HDF5: numbers and text, arrays frozen."""
    if value is None or isinstance(value, str):
        return None if value == UNBOUNDED else value
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else frozen(array, array.dtype)


def noted_inputs(notes: Notes, inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    """The inputs in the order of the notes."""
    return tuple(sorted(inputs, key=lambda source: notes.inputs.index(source.name)))


def noted_outputs(notes: Notes) -> tuple[Output, ...]:
    """The outputs with their readouts."""
    return tuple(Output(source, Readout(read)) for source, read in notes.outputs)
