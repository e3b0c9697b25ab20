"""manifest.json: everything that a reader of a build needs, and the hash of every file."""

from __future__ import annotations

import datetime
import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ..ir import BadInput, Encode, Graph, Input, Output, text
from ..ir.events import ADDRESS_BITS, NO_EVENT, TIME_BITS
from ..ir.frames import input_format, input_ports, output_format, output_ports
from ..ir.weight_port import (
    WEIGHT_PORT,
    WEIGHTS_FILE,
    LoadedMemory,
    load_cycles,
    loads_weights,
)
from ..toolchain import versions
from .synth_scripts import Part

FORMAT = 1
PYTHON_PACKAGES = ("amaranth", "jinja2", "numpy", "torch")


@dataclass(frozen=True)
class Details:
    """What the graph does not know about a compile.

    `model` is what the user named, `board` the board's name, `source_sha256` the hash of the
    user's model and weights (hexadecimal; empty where there is no file), `seed` the seed of
    everything random in the compile, `clock_hz` the clock that the mapping aims at,
    `part` the FPGA (None: no synthesis scripts).
    """

    model: str
    board: str
    seed: int = 0
    source_sha256: str = ""
    clock_hz: float | None = None
    part: Part | None = None


def manifest_of(graph: Graph, network: Any, details: Details, folder: Path) -> dict[str, Any]:
    """The manifest of a build whose files lie in `folder` already."""
    return {
        "e3ne_build": FORMAT,
        "written_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": details.model,
        "board": details.board,
        "clock_hz": details.clock_hz,
        "part": asdict(details.part) if details.part else None,
        "seed": details.seed,
        "streaming": graph.streaming,
        "source_sha256": details.source_sha256,
        "tools": tool_versions(),
        "top": "e3ne_top",
        "ports": ports_of(graph),
        **formats_of(graph),
        **weights_of(graph, network),
        "nodes": [node_of(probe) for probe in network.probes],
        "roms": [
            {
                "file": f"rom/{image.name}.hex",
                "width_bits": image.width_bits,
                "depth_words": len(image.words),
                "sha256": sha256(folder / "rom" / f"{image.name}.hex"),
                **({"loaded": True} if image.fill is not None else {}),
            }
            for image in network.roms
        ],
        "graph": text(graph).splitlines(),
        "files": {
            path.relative_to(folder).as_posix(): sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }


def ports_of(graph: Graph) -> list[dict[str, Any]]:
    """Name, direction and width of every port of e3ne_top."""
    ports = [("clk", "in", 1), ("rst", "in", 1)]
    for port, source in zip(input_ports(graph), graph.inputs, strict=True):
        tdata_bits = 8 * input_format(graph, source).beat_bytes
        ports += [(f"{port}_tdata", "in", tdata_bits), (f"{port}_tvalid", "in", 1)]
        ports += [(f"{port}_tready", "out", 1), (f"{port}_tlast", "in", 1)]
    for port, output in zip(output_ports(graph), graph.outputs, strict=True):
        ports += [(f"{port}_tdata", "out", output.bits), (f"{port}_tvalid", "out", 1)]
        ports += [(f"{port}_tready", "in", 1), (f"{port}_tlast", "out", 1)]
    if loads_weights(graph):
        tdata_bits = graph.weight_port_bits
        ports += [(f"{WEIGHT_PORT}_tdata", "in", tdata_bits), (f"{WEIGHT_PORT}_tvalid", "in", 1)]
        ports += [(f"{WEIGHT_PORT}_tready", "out", 1), (f"{WEIGHT_PORT}_tlast", "in", 1)]
    ports.append(("error", "out", 1))
    return [{"name": n, "direction": way, "width_bits": width} for n, way, width in ports]


def formats_of(graph: Graph) -> dict[str, Any]:
    """`input` and `output`; where there are several `inputs`, `outputs`, with name and port."""
    inputs = [
        {"name": source.name, "port": port, **input_of(graph, source)}
        for port, source in zip(input_ports(graph), graph.inputs, strict=True)
    ]
    outputs = [
        {"name": output.source, "port": port, **output_of(graph, output)}
        for port, output in zip(output_ports(graph), graph.outputs, strict=True)
    ]
    return {
        **({"inputs": inputs} if inputs[1:] else {"input": input_of(graph, graph.inputs[0])}),
        **({"outputs": outputs} if outputs[1:] else {"output": output_of(graph, graph.outputs[0])}),
    }


def input_of(graph: Graph, source: Input) -> dict[str, Any]:
    """The frame format of an input: an element is clip(round_half_even(x / scale), low, high).

    `form` is dense (elements in beats) or events (one a beat: `ir/events.py`).
    """
    form = input_format(graph, source)
    common = {
        "form": "events" if source.events else "dense",
        "shape": list(source.type.shape),
        "steps": source.type.steps,
        "bits": source.type.bits,
        "signed": source.type.signed,
        "scale": source.scale,
        **encoder_of(graph, source),
    }
    if source.events:
        return {
            **common,
            "event_bits": 8 * form.beat_bytes,
            "time_bits": TIME_BITS,
            "address_bits": ADDRESS_BITS,
            "no_event": NO_EVENT,
            "order": "times do not decrease; time step above address; address in rows, columns, "
            "channels",
        }
    return {
        **common,
        "lanes": form.lanes,
        "field_bits": form.field_bits,
        "packed": form.packed,
        "steps_in_window": form.steps_in_window,
        "beats_per_frame": form.beats_per_frame,
        "order": "windows of steps, then rows, columns, channels; element 0 and step 0 lowest",
    }


def encoder_of(graph: Graph, source: Input) -> dict[str, Any]:
    """What makes trains of the samples, if anything does: an entry `encoder` (docs/codes.md)."""
    for node, _ in graph.consumers(source.name):
        if isinstance(node.neuron, Encode):
            own = {"bernoulli": ("seed",), "delta": ("threshold",)}.get(node.neuron.kind, ())
            return {
                "encoder": {
                    "kind": node.neuron.kind,
                    "bits": node.neuron.bits,
                    "steps": node.type.steps,
                    **{name: getattr(node.neuron, name) for name in own},
                }
            }
    return {}


def output_of(graph: Graph, output: Output) -> dict[str, Any]:
    """The frame format of an output; a word times `scale` is its real value.

    `class_word` is the place of the word with the class, None for an image, which has none.
    """
    form = output_format(graph, output)
    shape = list(graph.edge(output.source).shape)
    class_word = form.words - 1 if form.has_class else None
    return {
        "words": form.words,
        "beat_bits": form.beat_bits,
        "beats_per_frame": form.beats,
        "readout": form.readout,
        "scale": form.scale,
        "class_word": class_word,
        **({} if form.has_class else {"shape": shape, "order": "rows, columns, channels"}),
    }


def weights_of(graph: Graph, network: Any) -> dict[str, Any]:
    """`weights`, where memories have to be filled: what `w_axis` takes after each reset."""
    images = [image for image in network.roms if image.fill is not None]
    if not images:
        return {}
    bits = graph.weight_port_bits
    memories = [LoadedMemory(image.name, image.width_bits, len(image.words)) for image in images]
    beats = sum(memory.beats(bits) for memory in memories)
    return {
        "weights": {
            "port": WEIGHT_PORT,
            "file": WEIGHTS_FILE,
            "beat_bits": bits,
            "beats": beats,
            "bytes": beats * bits // 8,
            "load_cycles": load_cycles(memories, bits),
            "memories": [
                {
                    "file": f"rom/{memory.name}.hex",
                    "width_bits": memory.width_bits,
                    "depth_words": memory.depth,
                    "beats_per_word": memory.beats_per_word(bits),
                }
                for memory in memories
            ],
            "order": "memories in turn, each from word 0 on; a word's beats lowest first",
        }
    }


def node_of(probe: Any) -> dict[str, Any]:
    """Where a node's words lie in probe_data, and their layout."""
    word = probe.word
    return {
        "node": probe.node,
        "offset_bits": probe.offset_bits,
        "lanes": word.lanes,
        "steps": word.steps,
        "bits": word.bits,
        "signed": word.signed,
    }


def tool_versions() -> dict[str, str]:
    """Versions of this package, Python, the packages that shape a build, and every tool."""
    found = {"python": platform.python_version()}
    for package in ("e3ne", *PYTHON_PACKAGES):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {**found, **versions()}


def sha256(path: Path) -> str:
    """Hexadecimal hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of the build in `folder`; BadInput where there is none that can be read."""
    path = folder / "manifest.json"
    accepted = "accepted a folder that e3ne compile has finished; compile first"
    if not path.is_file():
        raise BadInput(f"{folder}: found no manifest.json, {accepted}")
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: found no readable JSON ({error}), {accepted}") from error
    if not isinstance(found, dict) or found.get("e3ne_build") != FORMAT:
        version = found.get("e3ne_build") if isinstance(found, dict) else None
        raise BadInput(f"{path}: found build format {version}, accepted {FORMAT}; compile again")
    return found
