"""Bad NIR files and options: one message each that names the place and what to do."""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e3ne.frontend.nir import read_nir
from e3ne.frontend.nir.hdf5 import MOST_ELEMENTS
from e3ne.ir import BadInput

nir = pytest.importorskip("nir", reason="pip install 'e3ne[nir]'")
h5py = pytest.importorskip("h5py", reason="pip install 'e3ne[nir]'")

OPTIONS: dict[str, Any] = {"dt": 1e-3, "reset": "subtract", "steps": 8}


def full(value: float, size: int = 2) -> Any:
    return np.full(size, value)


def lif(**changes: Any) -> Any:
    values = {"tau": full(0.02), "r": full(1.0), "v_leak": full(0.0), "v_threshold": full(1.0)}
    return nir.LIF(**{**values, **changes})


def network(*nodes: Any, edges: list[tuple[str, str]] | None = None, **more: Any) -> Any:
    """Input (2) -> n0 -> n1 ... -> Output, or with `edges`; `more` are nodes by name."""
    named = {"input": nir.Input(np.array([2]))}
    named |= {f"n{index}": node for index, node in enumerate(nodes)}
    named["output"] = nir.Output(None)
    names = list(named)
    joined = edges if edges is not None else list(pairwise(names))
    return nir.NIRGraph({**named, **more}, joined, type_check=False)


def message(source: Any, **options: Any) -> str:
    """The one problem that reading `source` finds."""
    with pytest.raises(BadInput) as raised:
        read_nir(source, **{**OPTIONS, **options})
    assert len(raised.value.problems) == 1, raised.value.problems
    return raised.value.problems[0]


# Options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"dt": None}, "nir: found no dt, accepted the time step of the network in seconds"),
        ({"reset": None}, "nir: found no reset, accepted what a spike does to the membrane"),
        ({"steps": None}, "nir: found no steps, accepted the number of time steps of a frame"),
        ({"dt": 0.0}, "dt: found 0.0, accepted a time in seconds > 0; give --dt 1e-4"),
        ({"dt": float("nan")}, "dt: found nan, accepted a time in seconds > 0"),
        ({"steps": 0}, "steps: found 0, accepted 1 or more"),
        ({"reset": "soft"}, "reset: found 'soft', accepted subtract, value, zero, none with"),
        (
            {"convention": "rockpool", "reset": "zero"},
            "reset: found 'zero', accepted subtract with convention rockpool",
        ),
        (
            {"convention": "lava"},
            "convention: found 'lava', accepted euler, snntorch, spikingjelly, norse, sinabs, "
            "rockpool; name the library that wrote the file",
        ),
        ({"readout": "first"}, "readout: found 'first', accepted count, last, max, mean"),
    ],
)
def test_options(options: dict[str, Any], expected: str) -> None:
    assert message(network(lif()), **options).startswith(expected)


def test_everything_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(BadInput) as raised:
        read_nir(network(lif()))
    assert [re.findall("found no ([a-z]+)", text)[0] for text in raised.value.problems] == [
        "dt", "reset", "steps",
    ]  # fmt: skip


# Nodes and edges


class Sigmoid(nir.ir.node.NIRNode):
    def __init__(self) -> None:
        self.input_type = self.output_type = {}


class MaxPool2d(Sigmoid):
    pass


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (network(Sigmoid()), "n0: found primitive Sigmoid, accepted Input, Output, Affine"),
        (network(MaxPool2d()), "n0: found primitive MaxPool2d, accepted Input, Output, Affine"),
        (network(lif(), lost=lif()), "lost: found no path to it from an Input"),
        (network(lif(), output=nir.Output(np.array([3]))), "output: found shape (3,), accepted"),
        (
            network(lif(), edges=[("input", "n0"), ("n0", "output"), ("n0", "x")], x=lif()),
            "x: found no path from it to an Output",
        ),
        (
            network(lif(), edges=[("input", "n0"), ("n0", "output"), ("n0", "ghost")]),
            "edge n0 -> ghost: found no node ghost, accepted the names of nodes",
        ),
        (
            network(lif(tau=np.array([0.02, np.nan]))),
            "n0: tau: found NaN, infinity, nothing or no numbers, accepted finite numbers",
        ),
        (network(lif(tau=full(-0.02))), "n0: found tau -0.02, accepted numbers > 0"),
        (
            network(lif(tau=full(1e-4))),
            "n0: found a time constant of 0.0001 s, shorter than the step dt 0.001 s, accepted "
            "tau >= dt",
        ),
        (network(lif(v_threshold=full(0.0))), "n0: found v_threshold 0 (above the resting"),
        (network(lif(v_threshold=full(-1.0))), "n0: found v_threshold -1 (above the resting"),
        (network(lif(v_reset=full(0.5))), "n0: found v_reset 0.5 with reset subtract, accepted 0"),
        (network(nir.Threshold(full(0.0))), "n0: found threshold 0, accepted numbers > 0"),
        (
            network(nir.Delay(full(0.0015)), lif()),
            "n0: found a delay of 0.0015 s, accepted whole numbers 0 .. 1048576 of steps of",
        ),
        (network(nir.Delay(full(-0.001)), lif()), "n0: found a delay of -0.001 s"),
        (
            network(nir.Linear(np.eye(2)), lif(), edges=[
                ("input", "n0"), ("n0", "n1"), ("n1", "output"), ("n0", "n2"), ("n2", "n0"),
            ], n2=nir.Scale(full(1.0))),
            "n0, n2: found a cycle without any neuron, accepted cycles with a neuron in them",
        ),
        (
            network(nir.Delay(full(0.001)), lif(), edges=[
                ("input", "n0"), ("n0", "n1"), ("n1", "output"), ("n0", "n2"), ("n2", "n0"),
            ], n2=nir.Delay(full(0.001))),
            "n0, n2: found a cycle without any neuron, accepted cycles with a neuron in them",
        ),
        (
            network(nir.Linear(np.ones((3, 2))), lif()),
            "n1: found tau of shape (2,), accepted (3,), the shape of its sources",
        ),
        (network(nir.Linear(np.ones((3, 5)))), "n0: found sources of shape (2,), accepted (5,)"),
        (network(nir.Linear(np.ones((2, 2, 2)))), "n0: found a weight of shape (2, 2, 2)"),
        (
            network(nir.Affine(np.eye(2), np.ones(3))),
            "n0: found a bias of shape (3,), accepted (2,)",
        ),
        (
            network(nir.Conv2d((4, 4), np.ones((1, 2, 3, 3)), 1, 0, 1, 1, np.zeros(1))),
            "n0: found sources of shape (2,), accepted (2, rows, columns)",
        ),
        (
            network(nir.SumPool2d(full(2.0), full(2.0), full(0.0))),
            "n0: found sources of shape (2,), accepted (channels, rows, columns)",
        ),
        (
            network(lif(), nir.Linear(np.ones((3, 2))), edges=[
                ("input", "n0"), ("input", "n1"), ("n0", "output"), ("n1", "output"),
            ]),
            "n1 -> output: found shape (3,), accepted (2,) as the other nodes before it send",
        ),
        (nir.NIRGraph({"input": nir.Input(np.array([2]))}, [], type_check=False),
         "graph: found no Output, accepted at least one; add nir.Output"),
    ],
)  # fmt: skip
def test_networks(source: Any, expected: str) -> None:
    if expected.startswith("graph: found no Output"):
        with pytest.raises(BadInput, match=expected):
            read_nir(source, **OPTIONS)
        return
    assert message(source).startswith(expected)


def test_an_unknown_primitive_names_the_alternative() -> None:
    assert message(network(MaxPool2d())).endswith("; use SumPool2d or AvgPool2d")


@pytest.mark.parametrize(
    ("convention", "changes", "expected"),
    [
        ("snntorch", {"v_leak": full(0.1)}, "found v_leak != 0, accepted 0 with convention sn"),
        ("sinabs", {"v_leak": full(0.1)}, "found v_leak != 0, accepted 0 with convention sinabs"),
        ("sinabs", {"v_reset": full(0.1)}, "found v_reset != 0, accepted 0 with convention si"),
        ("euler", {"v_reset": np.array([0.1, 0.2])}, "found 2 different v_reset"),
    ],
)
def test_what_a_library_does_not_know(
    convention: str, changes: dict[str, Any], expected: str
) -> None:
    found = message(network(lif(**changes)), convention=convention, reset="value")
    assert found.startswith(f"n0: {expected}")


def test_membranes_that_start_elsewhere() -> None:
    node = nir.LI(full(0.02), full(1.0), full(0.3))
    found = message(network(node), convention="norse")
    assert found.startswith("n0: found v_leak 0.3 on neurons that send their membrane")


def test_time_constants_in_two_units() -> None:
    source = network(lif(tau=np.array([0.02, 1e-5])))
    found = message(source, convention="norse")
    assert found.startswith("nir: found time constants from 1e-05 to 0.02 with dt 0.001")


def test_partial_flatten_and_unlike_delays() -> None:
    image = {"input": nir.Input(np.array([2, 2, 2]))}
    graph = network(nir.Flatten(None, 1, -1), **image)
    assert message(graph).startswith("n0: found a Flatten of (2, 2, 2) into (2, 4)")
    delay = np.arange(8.0).reshape(2, 2, 2) * 1e-3
    graph = network(nir.Delay(delay), **image)
    assert message(graph).startswith("n0: found delays that differ within a channel")
    conv = nir.Conv2d((2, 2), np.ones((1, 2, 2, 2)), 1, "same", 1, 1, np.zeros(1))
    assert message(network(conv, **image)).startswith("n0: found padding 'same' with kernel")


def test_other_things_than_networks() -> None:
    assert message(3).startswith("nir: found int, accepted a path or a nir.NIRGraph")
    assert message(lif()).startswith("nir: found no NIRGraph at the top")


# Files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    graph = network(nir.Linear(np.eye(2)), lif(), output=nir.Output(np.array([2])))
    nir.write(tmp_path / "net.nir", graph)
    return tmp_path / "net.nir"


def file_message(path: Path) -> str:
    found = message(path)
    assert found.startswith(str(path))
    return found


def test_a_good_file_is_read(path: Path) -> None:
    assert len(read_nir(path, **OPTIONS).nodes) == 1


def test_missing_truncated_and_other_files(path: Path, tmp_path: Path) -> None:
    assert "found no such file" in file_message(tmp_path / "none.nir")
    assert "found no such file" in file_message(tmp_path)
    content = path.read_bytes()
    for name, part in {
        "empty": b"", "text": b"not a network", "half": content[: len(content) // 2],
        "head": content[:600],
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(part)
        assert "found a damaged file or none of the HDF5 format" in file_message(tmp_path / name)


def test_flipped_bytes_never_do_worse_than_a_message(path: Path, tmp_path: Path) -> None:
    """A damaged file is refused, or (where the damage hits a number) read; nothing else."""
    content = path.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for place in random.integers(0, len(content), 150):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (tmp_path / "bad.nir").write_bytes(bytes(damaged))
        try:
            read_nir(tmp_path / "bad.nir", **OPTIONS)
        except BadInput:
            refused += 1
    assert refused > 5


def test_a_heap_of_texts_that_would_be_walked_forever(path: Path) -> None:
    """One byte of a size: h5py alone never returns from reading such a file."""
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + 16 + 9] = 0x0F
    path.write_bytes(bytes(content))
    assert f"found a damaged file (texts at byte {heap})" in file_message(path)


def external_link(file: Any) -> None:
    file["node/nodes/n0"]["extra"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_link(file: Any) -> None:
    file["node/nodes/n0"]["extra"] = h5py.SoftLink("/node/nodes/n1")


def external_data(file: Any) -> None:
    file["node/nodes/n0"].create_dataset(
        "bias", (2,), "f8", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
    )


def virtual_data(file: Any) -> None:
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (2,))
    file["node/nodes/n0"].create_virtual_dataset("bias", layout)


def reference(file: Any) -> None:
    file["node/nodes/n0"].create_dataset("bias", data=file.ref, dtype=h5py.ref_dtype)


def compound(file: Any) -> None:
    file["node/nodes/n0"].create_dataset("bias", data=np.zeros(2, [("a", "f8"), ("b", "i4")]))


def opaque(file: Any) -> None:
    file["node/nodes/n0"].create_dataset("bias", data=np.void(b"cos\nsystem\n"))


def huge(file: Any) -> None:
    del file["node/nodes/n0/weight"]
    file["node/nodes/n0"].create_dataset("weight", (1 << 20, 1 << 20), "f4", chunks=(64, 64))


def cyclic(file: Any) -> None:
    file["node/nodes/n0"]["extra"] = file["node"]


def huge_shape(file: Any) -> None:
    del file["node/nodes/input/shape"]
    file["node/nodes/input"]["shape"] = np.array([1 << 40])


def negative_shape(file: Any) -> None:
    del file["node/nodes/input/shape"]
    file["node/nodes/input"]["shape"] = np.array([-2])


def wrong_version(file: Any) -> None:
    del file["version"]
    file["version"] = "2.0.0"


def no_version(file: Any) -> None:
    del file["version"]


def no_node(file: Any) -> None:
    del file["node"]


def no_edges(file: Any) -> None:
    del file["node/edges"]


def odd_edges(file: Any) -> None:
    del file["node/edges"]
    file["node"].create_dataset("edges", data=np.zeros((3, 2)))


def no_weight(file: Any) -> None:
    del file["node/nodes/n0/weight"]


def text_weight(file: Any) -> None:
    del file["node/nodes/n0/weight"]
    file["node/nodes/n0"]["weight"] = "import os"


def unknown_parameter(file: Any) -> None:
    file["node/nodes/n0"]["exec"] = np.zeros(2)


def unknown_type(file: Any) -> None:
    del file["node/nodes/n0/type"]
    file["node/nodes/n0"]["type"] = "os.system"


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (external_link, "/node/nodes/n0/extra: found a link to another place, accepted data in"),
        (soft_link, "/node/nodes/n0/extra: found a link to another place, accepted data in the"),
        (external_data, "/node/nodes/n0/bias: found data kept in another file, accepted data in"),
        (virtual_data, "/node/nodes/n0/bias: found data kept in another file, accepted data in"),
        (reference, "/node/nodes/n0/bias: found elements of type object, accepted numbers or"),
        (compound, "/node/nodes/n0/bias: found elements of type ["),
        (opaque, "/node/nodes/n0/bias: found elements of type |V"),
        (huge, "/node/nodes/n0/weight: found an array of shape (1048576, 1048576), accepted"),
        (cyclic, "found groups within groups without end, accepted 24 levels"),
        (huge_shape, "input: found shape [1099511627776], accepted at most 16777216 neurons"),
        (negative_shape, "input: found shape [-2], accepted positive whole numbers"),
        (wrong_version, "found version '2.0.0', accepted NIR 0 and 1; write it with nir 1.0.8"),
        (no_version, "found version None, accepted NIR 0 and 1"),
        (no_node, "nir: found no NIRGraph at the top"),
        (odd_edges, "edges: found array([0., 0.]), accepted pairs of names of nodes"),
        (no_weight, "n0: found no weight, accepted Linear with weight"),
        (text_weight, "n0: weight: found NaN, infinity, nothing or no numbers"),
        (unknown_parameter, "n0: found parameter exec, accepted weight"),
        (unknown_type, "n0: found primitive os.system, accepted Input, Output"),
    ],
)
def test_hostile_and_broken_files(harm: Callable[[Any], None], expected: str, path: Path) -> None:
    with h5py.File(path, "a") as file:
        harm(file)
    assert expected in message(path)


def test_a_file_without_edges(path: Path) -> None:
    with h5py.File(path, "a") as file:
        no_edges(file)
    with pytest.raises(BadInput, match="n0: found no path to it from an Input"):
        read_nir(path, **OPTIONS)


def test_the_limit_of_elements_counts_all_arrays(path: Path) -> None:
    with h5py.File(path, "a") as file:
        for index in range(3):
            file["node"].create_dataset(f"a{index}", (MOST_ELEMENTS // 2 - 1,), "i1", chunks=True)
    assert "/node/a2: found an array of shape" in message(path)


def test_damaged_notes(path: Path) -> None:
    with h5py.File(path, "a") as file:
        metadata = file["node"].create_group("metadata")
        metadata["writer"], metadata["notes"] = "e3ne", "{not json"
    assert message(path).startswith("nir: found damaged notes of e3ne in the metadata")


def test_without_h5py(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_h5py(name: str, *rest: Any, **named: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", no_h5py)
    assert message(path).endswith("run pip install 'e3ne[nir]'")
