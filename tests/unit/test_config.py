"""The configuration: what is accepted, and what each mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import e3ne.config
from e3ne.config import (
    Config,
    InputConfig,
    MappingConfig,
    NodeConfig,
    check_names,
    default_config,
    load_config,
    parse_config,
)
from e3ne.ir import BadInput

EVERYTHING = {
    "steps": 10,
    "readout": "count",
    "scale": "power_of_two",
    "calibration": "percentile(99.9)",
    "calibration_frames": 100,
    "window": 5,
    "input": {"bits": 8, "scale": 0.5, "signed": True},
    "default": {"weight_bits": 4, "edge_bits": 3, "per_channel": True},
    "nodes": {"conv1": {"weight_bits": 3}, "fc": {"edge_bits": 8, "membrane_bits": 12}},
    "mapping": {"conv1": {"in_lanes": 25, "out_lanes": 6}},
    "utilisation": 1,
    "input_lanes": 4,
}


def test_every_key_arrives() -> None:
    config = parse_config(EVERYTHING)
    assert (config.steps, config.readout, config.window, config.input_lanes) == (10, "count", 5, 4)
    assert (config.scale, config.utilisation, config.calibration_frames) == ("power_of_two", 1, 100)
    assert config.input == InputConfig(8, 0.5, True)
    assert config.percentile == 99.9
    assert config.mapping == {"conv1": MappingConfig(in_lanes=25, out_lanes=6)}


def test_nodes_start_from_the_default() -> None:
    config = parse_config(EVERYTHING)
    assert config.node("conv1") == NodeConfig(3, 3, True)
    assert config.node("fc") == NodeConfig(4, 8, True, membrane_bits=12)
    assert config.node("elsewhere") == NodeConfig(4, 3, True)


def test_nothing_chosen_is_the_default() -> None:
    assert parse_config({}) == Config()
    assert parse_config({"nodes": None, "input": None}) == Config()
    assert Config().percentile == 100


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "e3ne.yaml"
    path.write_text(yaml.safe_dump(EVERYTHING))
    assert load_config(path) == parse_config(EVERYTHING)
    path.write_text("")
    assert load_config(path) == Config()


def test_the_documented_example_is_legal() -> None:
    """The YAML in the module's docstring."""
    text = e3ne.config.__doc__ or ""
    example = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    config = parse_config(yaml.safe_load(example.replace("max | percentile(99.9), of", "of")))
    assert config.node("conv1").weight_bits == 3
    assert config.steps == 10


def test_the_default_configuration_comes_back() -> None:
    editable = default_config(["conv1", "fc"])
    assert list(editable["nodes"]) == ["conv1", "fc"]
    assert editable["nodes"]["fc"]["weight_bits"] == 8
    assert yaml.safe_load(yaml.safe_dump(editable)) == editable
    config = parse_config(editable)
    assert config.node("fc") == Config().default
    editable["nodes"]["fc"]["weight_bits"] = 3
    assert parse_config(editable).node("fc").weight_bits == 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"weight_bits": 3}, "config.weight_bits: found an unknown key, accepted"),
        ({"step": 3}, "config.step: found an unknown key, accepted steps (the nearest)"),
        (
            {"default": {"weigth_bits": 3}},
            "config.default.weigth_bits: found an unknown key, accepted weight_bits, edge_b",
        ),
        (
            {"nodes": {"c": {"wieght": 3}}},
            "config.nodes.c.wieght: found an unknown key, accepted weight_bits",
        ),
        (
            {"mapping": {"c": {"lanes": 3}}},
            "config.mapping.c.lanes: found an unknown key, accepted",
        ),
        (
            {"default": {"weight_bits": 9}},
            "found 9, accepted binary, ternary (or 1, 1.58) or an integer 2 .. 8",
        ),
        (
            {"default": {"weight_bits": 0}},
            "found 0, accepted binary, ternary (or 1, 1.58) or an integer 2 .. 8",
        ),
        (
            {"default": {"weight_bits": 4.0}},
            "found 4.0, accepted binary, ternary (or 1, 1.58) or an integer 2 .. 8",
        ),
        (
            {"default": {"weight_bits": None}},
            "found None, accepted binary, ternary (or 1, 1.58) or an integer 2 .. 8",
        ),
        ({"default": {"edge_bits": 0}}, "found 0, accepted an integer 1 .. 8"),
        ({"nodes": {"c": {"edge_bits": 9}}}, "config.nodes.c.edge_bits: found 9, accepted an int"),
        ({"default": {"per_channel": 1}}, "found 1, accepted true or false"),
        ({"scale": "float"}, "config.scale: found 'float', accepted integer or power_of_two"),
        ({"readout": "first"}, "accepted count or last or max or mean"),
        ({"calibration": "percentile(101)"}, "accepted max, mse or percentile(99.9)"),
        ({"calibration": 99.9}, "accepted max, mse or percentile(99.9)"),
        ({"input": {"scale": 0}}, "config.input.scale: found 0, accepted a number > 0"),
        ({"input": {"bits": True}}, "config.input.bits: found True, accepted an integer 1 .. 16"),
        ({"utilisation": 1.5}, "found 1.5, accepted 0.01 .. 1.0"),
        ({"nodes": ["c"]}, "config.nodes: found list, accepted module paths as keys"),
        ({"input": 8}, "config.input: found int, accepted a mapping of keys"),
        (["steps"], "config: found list, accepted a mapping of keys"),
    ],
    ids=str,
)
def test_mistakes(data: object, words: str) -> None:
    with pytest.raises(BadInput) as found:
        parse_config(data)
    assert len(found.value.problems) == 1
    assert words in found.value.problems[0]


def test_all_mistakes_at_once() -> None:
    data = {"stepz": 1, "scale": 3, "nodes": {"a": {"weight_bits": 99}}, "input": {"bit": 1}}
    with pytest.raises(BadInput) as found:
        parse_config(data, "net.yaml")
    assert {problem.split(":")[0] for problem in found.value.problems} == {
        "net.yaml.stepz",
        "net.yaml.scale",
        "net.yaml.nodes.a.weight_bits",
        "net.yaml.input.bit",
    }


@pytest.mark.parametrize("text", ["steps: [1", None])
def test_files_that_are_no_yaml(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "e3ne.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match=r"e3ne.yaml: found no readable YAML \("):
        load_config(path)


def test_unknown_modules_are_named_with_their_nearest() -> None:
    config = parse_config({"nodes": {"conv9": {}, "fc": {}}, "mapping": {"zzz": {}}})
    with pytest.raises(BadInput) as found:
        check_names(config, ["conv1", "conv2", "fc"])
    assert found.value.problems == (
        "config.nodes.conv9: found no such node, accepted conv2, conv1 (the nearest)",
        "config.mapping.zzz: found no such node, accepted conv1, conv2, fc",
    )
    check_names(parse_config({"nodes": {"fc": {}}}), ["fc"])


def test_inputs_have_settings_of_their_own() -> None:
    config = parse_config({"input": {"bits": 6, "left": {"scale": 0.5}, "right": {"bits": 3}}})
    assert config.input == InputConfig(6)
    assert config.input_of("left") == InputConfig(6, 0.5)
    assert config.input_of("right") == InputConfig(3)
    assert config.input_of("other") == InputConfig(6)
    editable = default_config([], config)
    assert "inputs" not in editable
    assert parse_config(editable) == config
    with pytest.raises(BadInput, match=r"config\.input\.left\.bits: found 99, accepted an integer"):
        parse_config({"input": {"left": {"bits": 99}}})
    with pytest.raises(BadInput, match=r"config\.inputs: found an unknown key, accepted input"):
        parse_config({"inputs": {"left": {"bits": 9}}})
    check_names(config, [], inputs=["left", "right"])
    with pytest.raises(BadInput, match=r"config\.input\.right: found no such input, accepted lef"):
        check_names(config, [], inputs=["left"])


def test_a_limit_of_spikes() -> None:
    assert parse_config({"default": {"max_spikes": 7}}).node("a").max_spikes == 7
    with pytest.raises(BadInput, match=r"config\.default\.max_spikes: found 0, accepted"):
        parse_config({"default": {"max_spikes": 0}})


def test_a_fixed_layout_is_told_as_a_file_has_it() -> None:
    settings = parse_config({"mapping": {"fc": {"engine": "dense", "in_lanes": 3}}})
    assert str(settings.mapping["fc"]) == "{engine: dense, in_lanes: 3}"
    text = str(MappingConfig("event", dsps=0, lane_rows=True))
    assert text == "{engine: event, dsps: 0, lane_rows: true}"
    assert yaml.safe_load(text) == {"engine": "event", "dsps": 0, "lane_rows": True}
