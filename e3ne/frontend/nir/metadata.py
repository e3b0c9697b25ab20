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

    def fit(self, inputs: set[str], nodes: set[str]) -> bool:
        """Are they about these inputs and nodes, all of them?"""
        return set(self.steps) == inputs | nodes and set(self.inputs) == inputs


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
    if _text(metadata.get("writer")) != WRITER:
        return None
    try:
        notes = json.loads(metadata["notes"])
        if any(int(steps) < 1 for steps in notes["steps"].values()):
            raise ValueError("steps < 1")
        return Notes(
            float(metadata["dt"]),
            str(metadata["reset"]),
            str(metadata["convention"]),
            {str(name): int(steps) for name, steps in notes["steps"].items()},
            {str(name): float(scale) for name, scale in notes["scales"].items()},
            tuple(map(str, notes["inputs"])),
            tuple((str(source), Readout(read).value) for source, read in notes["outputs"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise BadInput(
            f"nir: found damaged notes of e3ne in the metadata ({error}), accepted them as "
            "written; write the file again, or take 'writer' out of its metadata and give --dt"
        ) from error


def neuron_notes(neuron: IntegrateFire | Integrate) -> dict[str, Any]:
    """Every field of a neuron, for the metadata of its node: arrays, and one JSON text."""
    plain: dict[str, Any] = {"record": type(neuron).__name__}
    arrays: dict[str, Any] = {}
    for item in fields(neuron):
        value = getattr(neuron, item.name)
        if item.name == "max_spikes" and value is None:
            value = UNBOUNDED
        if isinstance(value, np.ndarray):
            arrays[item.name] = value
        elif value is not None:
            plain[item.name] = value.item() if isinstance(value, np.generic) else value
    return arrays | {"fields": json.dumps(plain)}


def neuron_fields(node: Primitive) -> dict[str, Any] | None:
    """The fields of the neuron in the node's metadata, None where there is no note of it."""
    notes = node.metadata.get("neuron")
    if notes is None:
        return None
    try:
        plain = json.loads(notes["fields"])
        return {**notes, **plain}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"found a damaged note of e3ne ({error}), accepted {AGREEING}") from error


def noted_neuron(
    node: Primitive, derived: IntegrateFire | Integrate, shape: tuple[int, ...]
) -> IntegrateFire | Integrate:
    """The neuron in the node's metadata, `derived` where there is none; graph shape `shape`.

    ValueError where the note is damaged, or the parameters were changed after it was written.
    """
    notes = neuron_fields(node)
    if notes is None:
        return derived
    if _text(notes.get("record")) != type(derived).__name__:
        raise ValueError(f"found a note of another neuron than {node.kind}, accepted {AGREEING}")
    values: dict[str, Any] = {}
    for item in fields(derived):
        if item.name in notes:
            try:
                values[item.name] = _field(item.name, notes[item.name], shape)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"found a damaged {item.name} in a note of e3ne ({error}), accepted {AGREEING}"
                ) from error
    missing = dict.fromkeys(name for name in OPTIONAL if name in vars(derived))
    neuron = type(derived)(**{**vars(derived), **missing, **values})
    for name in PARAMETERS:
        if name in vars(derived):
            _compare(name, getattr(neuron, name), getattr(derived, name), shape)
    if isinstance(neuron, IntegrateFire) and neuron.reset == "to_value":
        assert isinstance(derived, IntegrateFire)
        _compare("reset_value", neuron.reset_value, derived.reset_value, shape)
    return neuron


AGREEING = "a note that agrees with the parameters; remove 'neuron' from the node's metadata"
PARAMETERS = ("decay", "gain", "synaptic_decay", "offset", "threshold")
OPTIONAL = ("synaptic_decay", "floor")
CHOICES = {
    "fire_on": (">", ">="),
    "reset": ("subtract", "to_value", "none"),
    "reset_step": ("same", "next", "both"),
    "sends": ("spikes",),
}


def _field(name: str, value: Any, shape: tuple[int, ...]) -> Any:
    """A field of a neuron as it was before HDF5; TypeError or ValueError where it is none."""
    if name in CHOICES:
        if _text(value) not in CHOICES[name]:
            raise ValueError(f"found {value!r}")
        return value
    if _text(value) == UNBOUNDED and name == "max_spikes":
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        raise TypeError(f"found {value!r}")
    if array.ndim == 0:
        return array.item()
    if name not in PARAMETERS or array.shape not in (shape[:1], shape):
        raise ValueError(f"found shape {array.shape}")
    return frozen(array, array.dtype)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _compare(name: str, noted: Any, derived: Any, shape: tuple[int, ...]) -> None:
    """ValueError where two parameters are not the same up to rounding."""
    if noted is None and derived is None:
        return
    if (
        noted is None
        or derived is None
        or not np.allclose(
            _spread(noted, shape), _spread(derived, shape), TOLERANCE, TOLERANCE * 0.1
        )
    ):
        raise ValueError(
            f"found {name} in a note of e3ne that differs from the parameters, accepted {AGREEING}"
        )


def _spread(value: Any, shape: tuple[int, ...]) -> Any:
    array = np.asarray(value, np.float64)
    if array.ndim == 1 and array.shape != shape:
        array = array.reshape(-1, *(1,) * (len(shape) - 1))
    return np.broadcast_to(array, shape)


def noted_inputs(notes: Notes, inputs: tuple[Input, ...]) -> tuple[Input, ...]:
    """The inputs in the order of the notes."""
    return tuple(sorted(inputs, key=lambda source: notes.inputs.index(source.name)))


def noted_outputs(notes: Notes) -> tuple[Output, ...]:
    """The outputs with their readouts."""
    return tuple(Output(source, Readout(read)) for source, read in notes.outputs)
