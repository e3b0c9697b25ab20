"""A network in one file: nothing is lost, and nothing but a network is taken for one."""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import e3ne
from e3ne import reference
from e3ne.cli.commands import main
from e3ne.config import Config, InputConfig, NodeConfig, config_as_dict, parse_config
from e3ne.ir import BadInput, Conv2d, Graph, IntegrateFire, Linear, Rectify, frozen, text
from e3ne.ir.grids import grid_of, grids_of_channels
from e3ne.lower import lower
from e3ne.network_file import load_network, save_network
from tests.fixed_lanes import no_search
from tests.property.lower_networks import radix_networks, spiking_networks
from tests.unit.lower_graphs import chain, conv, frames, linear, real
from tests.unit.test_emit_graph_file import same

CONFIG = Config(
    steps=None,
    default=NodeConfig(weight_bits=1.58, edge_bits=3),
    nodes={"fc": NodeConfig(weight_bits=3)},
    input=InputConfig(bits=4, scale=1 / 15),
    inputs={"x": InputConfig(bits=2, scale=1 / 3)},
)
INFO = {"command": "python train.py --seed 3", "seed": 3, "accuracy": {"test": 98.5}}


def on_grid(*shape: int, levels: int, scale: float, seed: int = 0) -> Any:
    integers = np.random.default_rng(seed).integers(-levels, levels + 1, shape)
    return frozen(np.float32(integers) * np.float32(scale), np.float32)


def small() -> Graph:
    """A ternary convolution of three scales, a ReLU, weights of 3 bits."""
    scales = np.float32([0.1013, 0.7127, 3.3719]).reshape(-1, 1, 1, 1)
    by_channel = on_grid(3, 2, 3, 3, levels=1, scale=1.0) * scales
    first = Conv2d(frozen(by_channel, np.float32), real(3))
    second = Linear(on_grid(5, 48, levels=3, scale=0.0731), real(5))
    layers = {"conv": first, "relu": Rectify(1.5, 3), "fc": second}
    return chain((2, 6, 6), layers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A whole file."""
    save_network(tmp_path / "net.safetensors", small(), CONFIG, INFO)
    return tmp_path / "net.safetensors"


@settings(max_examples=40, deadline=None)
@given(radix_networks() | spiking_networks())
def test_graphs_come_back_equal(graph: Graph) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "deep", "net.safetensors")
        save_network(file, graph, CONFIG, INFO)
        found, config, info = load_network(file)
    assert same(graph, found)
    assert text(graph) == text(found)
    assert (config, info) == (CONFIG, INFO)


def test_weights_on_a_grid_are_small_and_exact(path: Path) -> None:
    tensors = load_file(path)
    assert tensors["conv/synapses/0/op/weight"].dtype == np.int8
    assert tensors["conv/synapses/0/op/weight.scale"].shape == (3,)
    assert tensors["fc/synapses/0/op/weight"].dtype == np.int8
    assert np.abs(tensors["fc/synapses/0/op/weight"]).max() == 3
    assert tensors["fc/synapses/0/op/weight.scale"].dtype == np.float32
    assert same(load_network(path)[0], small())


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 128), st.integers(0, 2**16), st.booleans(), st.booleans())
def test_grids_are_found(levels: int, seed: int, double: bool, two_sided: bool) -> None:
    random = np.random.default_rng(seed)
    scale = float(np.exp(3 * random.normal()))
    integers = random.integers(-levels, levels + (not two_sided), (4, 9))
    kind = np.float64 if double else np.float32
    values = np.float32(integers * kind(scale))
    found = grid_of(values)
    assert found is not None
    assert np.array_equal(np.float32(found[0] * found[1]), values)
    assert np.abs(found[0]).max() <= np.abs(integers).max()
    assert grids_of_channels(values) is not None


def test_zeros_without_a_sign_come_back_bit_for_bit(tmp_path: Path) -> None:
    weight = frozen(np.float32([[-0.0, 0.5, -0.5, 0.0]] * 9), np.float32)
    assert not np.signbit(weight[weight == 0]).any()
    graph = chain((4,), {"fc": Linear(weight)})
    save_network(tmp_path / "net.safetensors", graph)
    assert text(load_network(tmp_path / "net.safetensors")[0]) == text(graph)


def test_what_lies_on_no_grid() -> None:
    values = np.float32([1, 2, 3, 127]) * np.float32(0.3)
    assert grid_of(values) is not None
    values[1] = np.nextafter(values[1], np.float32(9))  # the broken twin: one bit of one weight
    values[2] = np.nextafter(values[2], np.float32(0))
    assert grid_of(values) is None
    assert grid_of(np.float32([1, 1.007])) is None
    assert grid_of(np.float32([np.nan, 1])) is None
    assert grid_of(np.float32([0, 0])) is not None


def test_half_rounds_weights_alone(tmp_path: Path) -> None:
    graph = chain((4,), {"fc": linear(5, 4), "out": Linear(on_grid(3, 5, levels=7, scale=0.1))})
    save_network(tmp_path / "half.safetensors", graph, half=True)
    tensors = load_file(tmp_path / "half.safetensors")
    assert tensors["fc/synapses/0/op/weight"].dtype == np.float16
    assert tensors["fc/synapses/0/op/bias"].dtype == np.float32
    assert tensors["out/synapses/0/op/weight"].dtype == np.int8
    found, _, _ = load_network(tmp_path / "half.safetensors")
    before, after = (g.node("fc").synapses[0].op.weight for g in (graph, found))
    assert not np.array_equal(before, after)
    np.testing.assert_allclose(after, before, rtol=2**-10)
    assert same(found.node("out"), graph.node("out"))


def test_weights_too_large_for_half_stay(tmp_path: Path) -> None:
    graph = chain((4,), {"fc": Linear(real(5, 4, size=1e6))})
    save_network(tmp_path / "net.safetensors", graph, half=True)
    assert same(load_network(tmp_path / "net.safetensors")[0], graph)


def test_an_array_that_is_held_twice_stays_one(tmp_path: Path) -> None:
    weight = real(4, 4)
    graph = chain((4,), {"a": Linear(weight), "b": Rectify(1.0), "c": Linear(weight)})
    save_network(tmp_path / "net.safetensors", graph)
    assert len(load_file(tmp_path / "net.safetensors")) == 1
    found, _, _ = load_network(tmp_path / "net.safetensors")
    assert found.node("a").synapses[0].op.weight is found.node("c").synapses[0].op.weight


def test_equal_networks_give_equal_bytes(tmp_path: Path, path: Path) -> None:
    save_network(tmp_path / "again.safetensors", small(), CONFIG, INFO)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.safetensors", "net.safetensors"]


def test_a_write_that_fails_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def fail(*names: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_network(path, chain((4,), {"fc": linear(5, 4)}))
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("config", [Config(), CONFIG])
def test_configurations_come_back(config: Config) -> None:
    assert parse_config(json.loads(json.dumps(config_as_dict(config)))) == config


def test_what_cannot_be_saved(tmp_path: Path) -> None:
    settings = parse_config({"input": {"bits": 4, "scale": 1.0}})
    integer = lower(chain((4,), {"fc": linear(5, 4)}), config=settings)
    with pytest.raises(BadInput, match="found a graph of stage integer, accepted float"):
        save_network(tmp_path / "net.safetensors", integer)
    for info in ({"x": object()}, {"x": float("nan")}):
        with pytest.raises(BadInput, match="found an info that JSON does not hold"):
            save_network(tmp_path / "net.safetensors", small(), info=info)
    assert list(tmp_path.iterdir()) == []


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Writes the file anew after `change` (tensors, content) of its parts in place."""
    header = json.loads(path.read_bytes()[8 : 8 + struct.unpack("<Q", path.read_bytes()[:8])[0]])
    content = json.loads(header["__metadata__"]["e3ne"])
    tensors = dict(load_file(path))
    change(tensors, content)
    save_file(tensors, path, {"e3ne": json.dumps(content)})


def raw(path: Path, header: bytes, length: int | None = None) -> None:
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "truncated header": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "text": lambda path: path.write_text("no tensors at all"),
    "absurd header": lambda path: raw(path, b"{}", 2**62),
    "header of 1 GB": lambda path: raw(path, b"{}", 2**30),
    "absurd tensor": lambda path: raw(
        path, b'{"x":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,399999999996]}}'
    ),
    "unknown dtype": lambda path: raw(
        path, b'{"x":{"dtype":"F99","shape":[0],"data_offsets":[0,0]}}'
    ),
    "weights alone": lambda path: save_file(load_file(path), path),
    "no JSON": lambda path: save_file(load_file(path), path, {"e3ne": "{"}),
    "a list": lambda path: save_file(load_file(path), path, {"e3ne": "[]"}),
    "deep nesting": lambda path: save_file(load_file(path), path, {"e3ne": "[" * 10**6}),
    "deep tuples": lambda path: save_file(
        load_file(path),
        path,
        {"e3ne": '{"format":1,"graph":' + '{"tuple":[' * 20000 + "]}" * 20000 + "}"},
    ),
    "NaN": lambda path: save_file(load_file(path), path, {"e3ne": '{"format": NaN}'}),
    "long number": lambda path: save_file(load_file(path), path, {"e3ne": "1" * 10**5}),
}
Content = dict[str, Any]
TREES: dict[str, Callable[[dict[str, Any], Content], Any]] = {
    "no tensor": lambda tensors, content: tensors.pop("fc/synapses/0/op/bias"),
    "no scale": lambda tensors, content: tensors.pop("fc/synapses/0/op/weight.scale"),
    "wide integers": lambda tensors, content: tensors.update(
        {"fc/synapses/0/op/weight": tensors["fc/synapses/0/op/weight"].astype(np.int64)}
    ),
    "integer bias": lambda tensors, content: tensors.update(
        {"fc/synapses/0/op/bias": np.zeros(5, np.int32)}
    ),
    "long bias": lambda tensors, content: tensors.update(
        {"fc/synapses/0/op/bias": np.zeros(7, np.float32)}
    ),
    "bias of NaN": lambda tensors, content: tensors.update(
        {"fc/synapses/0/op/bias": np.full(5, np.nan, np.float32)}
    ),
    "flat weight": lambda tensors, content: tensors.update(
        {"fc/synapses/0/op/weight": np.zeros(240, np.int8)}
    ),
    "scales": lambda tensors, content: tensors.update(
        {"fc/synapses/0/op/weight.scale": np.ones(3, np.float32)}
    ),
    "format": lambda tensors, content: content.update(format=2),
    "no graph": lambda tensors, content: content.pop("graph"),
    "a number": lambda tensors, content: content.update(graph=7),
    "no info": lambda tensors, content: content.update(info="text"),
    "no config": lambda tensors, content: content.update(config=None),
    "wrong config": lambda tensors, content: content["config"].update(scale="furlong"),
    "unknown record": lambda tensors, content: content["graph"].update(record="Popen"),
    "unknown field": lambda tensors, content: content["graph"].update(shell=True),
    "wrong stage": lambda tensors, content: content["graph"]["stage"].update(value="mapped"),
    "unknown enum": lambda tensors, content: content["graph"]["stage"].update(enum="Popen"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_refused(path: Path, damage: str) -> None:
    DAMAGE[damage](path)
    with pytest.raises(BadInput, match=r"net\.safetensors: .*found .*, accepted "):
        load_network(path)


@pytest.mark.parametrize("change", TREES)
def test_damaged_networks_are_refused(path: Path, change: str) -> None:
    rewritten(path, TREES[change])
    with pytest.raises(BadInput, match=r"net\.safetensors: .*found .*, accepted "):
        load_network(path)


def test_a_file_that_nobody_changed_is_read(path: Path) -> None:
    rewritten(path, lambda tensors, content: None)
    assert same(load_network(path)[0], small())


JUNK: list[Any] = [
    *(None, True, 0, -1, 2**70, 1.5, -1e300, "", "x", "conv", [], {}, [1], {"tuple": []}),
    *({"record": "Relay"}, {"array": "fc/synapses/0/op/bias"}, {"tuple": [0, 0]}, {"a": {}}),
    {"tuple": [10**9, 10**9, 10**9]},
]


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value inside."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from places(tree[key])


def test_whatever_the_tree_holds_it_is_a_network_or_bad_input(path: Path) -> None:
    tensors, contents = load_file(path), []
    rewritten(path, lambda tensors, content: contents.append(copy.deepcopy(content)))
    refused = 0
    count = len(list(places(contents[0]["graph"])))
    for number in range(count):
        for junk in JUNK:
            content = copy.deepcopy(contents[0])
            container, key = list(places(content["graph"]))[number]
            container[key] = junk
            save_file(tensors, path, {"e3ne": json.dumps(content)})
            try:
                found, _, _ = load_network(path)
            except BadInput:
                refused += 1
                continue
            assert isinstance(found, Graph)
            reference.run(found, frames(1, *found.inputs[0].type.shape))
    assert refused > count


def test_a_saved_network_compiles_with_its_own_configuration(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with no_search():
        hardware = e3ne.compile(str(path))
        other = e3ne.compile(path, config={"input": {"bits": 5, "scale": 0.1}}, output="other")
    assert hardware.folder == tmp_path / "build" / "net"
    assert hardware.graph.inputs[0].type.bits == 2
    assert other.graph.inputs[0].type.bits == 5
    with pytest.raises(BadInput) as error:
        e3ne.compile(path, frames(1, 2, 6, 6), steps=3, readout="last", outputs=2)
    assert len(error.value.problems) == 4


@pytest.mark.parametrize("command", ["check", "compile"])
def test_the_command_line_takes_a_saved_network(path: Path, command: str) -> None:
    output = ("-o", str(path.parent / "out")) if command == "compile" else ()
    with no_search():
        result = CliRunner().invoke(main, [command, str(path), *output], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    wrong = ("--weights", "w.pt", "--steps", "3", "--dt", "1", "--input-is-static")
    result = CliRunner().invoke(main, [command, str(path), *output, *wrong])
    assert result.exit_code == 1
    for name in ("--weights", "--steps", "--dt", "--input-has-steps"):
        assert f"{name}: found with a saved network" in " ".join(result.output.split())


def test_spiking_parameters_of_neurons_come_back(tmp_path: Path) -> None:
    lif = IntegrateFire(real(3), decay=real(3, 4, 4), offset=0.25, max_spikes=None)
    lif = replace(lif, threshold=frozen(np.abs(real(3)) + 1, np.float32))
    graph = chain((2, 6, 6), {"conv": conv(3, 2), "lif": lif}, steps=4)
    save_network(tmp_path / "net.safetensors", graph)
    assert same(load_network(tmp_path / "net.safetensors")[0], graph)


NAMES = ["../up", "a/b", "a\\b", "a\nb", "x; endmodule", "", "é", 'a"b', "$(touch x)", "a" * 129]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_lead_out_of_the_build_folder_are_refused(path: Path, name: str) -> None:
    def rename(tensors: dict[str, Any], content: dict[str, Any]) -> None:
        content["graph"] = json.loads(
            json.dumps(content["graph"]).replace('"fc"', json.dumps(name))
        )

    rewritten(path, rename)
    with pytest.raises(BadInput, match="found a name that no file and no Verilog takes"):
        load_network(path)
