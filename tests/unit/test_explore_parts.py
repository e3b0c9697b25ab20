"""Keys, cache, objectives, dials, picture and database check of `e3ne explore`."""

from __future__ import annotations

import math
import sqlite3
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from e3ne.config import Config, NodeConfig, config_as_dict, parse_config
from e3ne.explore.cache import Cache
from e3ne.explore.dials import Wishes, read_space, space_of, wishes_of
from e3ne.explore.keys import compiler_key, content_key
from e3ne.explore.objectives import dominates, front, objectives_of, row_of, worst
from e3ne.explore.picture import axis, pareto_svg
from e3ne.explore.study import check_file, is_gone, owner
from e3ne.ir import BadInput
from tests.unit.explore_cases import SHAPE, relu_network, spiking_network
from tests.unit.lower_graphs import frames


def test_equal_content_has_one_key_and_other_content_another() -> None:
    one = {"a": [1, 2], "b": np.arange(3), "c": NodeConfig(weight_bits=3)}
    again = {"c": NodeConfig(weight_bits=3), "b": np.arange(3), "a": (1, 2)}
    assert content_key(one) == content_key(again)
    others: list[Any] = [
        one | {"a": [2, 1]},
        one | {"a": [[1], 2]},
        one | {"b": np.arange(3).astype(np.float32)},
        one | {"b": np.arange(3).reshape(3, 1)},
        one | {"c": NodeConfig(weight_bits=4)},
        one | {"d": None},
    ]
    assert len({content_key(other) for other in [one, *others]}) == 1 + len(others)
    assert content_key("ab", "c") != content_key("a", "bc")
    assert content_key(1) != content_key("1") != content_key(True)


def test_what_cannot_be_read_has_no_key() -> None:
    with pytest.raises(TypeError, match="found function"):
        content_key({"a": lambda: 0})


def test_graphs_differ_by_one_weight() -> None:
    graph = relu_network()
    node = graph.nodes[0]
    op: Any = node.synapses[0].op
    weight = op.weight.copy()
    weight[0, 0] += 1e-6
    weight.setflags(write=False)
    synapse = replace(node.synapses[0], op=replace(op, weight=weight))
    other = graph.with_nodes([replace(node, synapses=(synapse,)), *graph.nodes[1:]])
    assert content_key(graph) != content_key(other)
    assert len(compiler_key()) == 32


def test_the_cache_keeps_whole_results_and_forgets_damaged_ones(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "new")
    assert cache.get("abc") is None
    cache.put("abc", {"accuracy": 99.5, "infeasible": ["no"]})
    assert Cache(tmp_path / "new").get("abc") == {"accuracy": 99.5, "infeasible": ["no"]}
    (path,) = (tmp_path / "new").rglob("*.json")
    for damaged in ("", "{", "[1]"):
        path.write_text(damaged)
        assert cache.get("abc") is None
    cache.put("abc", {"accuracy": 1})
    assert cache.get("abc") == {"accuracy": 1}
    assert [found.name for found in (tmp_path / "new").rglob("*") if found.is_file()] == [path.name]


rows = st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 3), max_size=12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows)
def test_the_front_is_what_nobody_beats(values: list[tuple[float, ...]]) -> None:
    names = ("accuracy", "latency_us", "luts")
    found = front(names, values)
    kept = [values[place] for place in found]
    assert len(set(kept)) == len(kept)
    for row in values:
        beaten = any(dominates(names, other, row) for other in values)
        assert (row in kept) != beaten
    assert not any(dominates(names, one, other) for one in kept for other in kept)


def test_objectives() -> None:
    assert objectives_of("accuracy, luts") == ("accuracy", "luts")
    assert row_of(("accuracy", "luts"), {"accuracy": 9, "luts": 2, "ffs": 1}) == (9.0, 2.0)
    assert worst(("accuracy", "luts")) == (0.0, math.inf)
    for given_names, message in (
        ("accuracy,lutz", "found 'lutz', accepted .*luts"),
        ("accuracy,accuracy", "accepted each once"),
        ("luts", "found luts alone, accepted two or more"),
    ):
        with pytest.raises(BadInput, match=message):
            objectives_of(given_names)
    with pytest.raises(BadInput, match="found energy_nj, which nobody knows"):
        row_of(("accuracy", "energy_nj"), {"accuracy": 9})


def test_dials_of_relus_and_of_spikes() -> None:
    x = frames(30, *SHAPE)
    space = space_of(relu_network(), Config(), x, Wishes({}))
    kinds = [dial.name for dial in space.dials]
    assert {"code", "edge_bits", "weight_bits", "input_bits", "target", "utilisation"} == set(kinds)
    space = space_of(spiking_network(), Config(), x, Wishes({}))
    dials = {dial.name: dial for dial in space.dials}
    assert "code" not in dials
    assert "edge_bits" not in dials
    assert dials["steps"].choices == (1, 2, 3, 4, 6, 8)
    assert dials["steps"].start == 8
    space = space_of(spiking_network(), Config(), x, Wishes({}), may_have_other_steps=False)
    assert "steps" not in [dial.name for dial in space.dials]


def test_layers_may_have_dials_of_their_own() -> None:
    given_dials = {
        "weight_bits": [2, 4],
        "fc1.weight_bits": "ternary",
        "fc2.weight_bits": [3, 8],
        "per_layer": "weight_bits",
        "edge_bits": 3,
    }
    space = space_of(relu_network(), Config(), frames(30, *SHAPE), wishes_of(given_dials))
    dials = {dial.name: dial.choices for dial in space.dials}
    assert dials["weight_bits/fc1"] == (1.58,)
    assert dials["weight_bits/fc2"] == (3, 8)
    assert "weight_bits" not in dials
    values = {dial.name: dial.choices[-1] for dial in space.dials}
    config = space.config(values | {"code": "radix"})
    assert config.node("fc1").weight_bits == 1.58
    assert config.node("fc2").weight_bits == 8
    assert config.node("fc1").edge_bits == 3
    assert parse_config(config_as_dict(config)).node("fc2") == config.node("fc2")


def test_choices_that_do_not_matter_make_one_configuration() -> None:
    space = space_of(relu_network(), Config(), frames(30, *SHAPE), Wishes({}))
    values = space.starts()[0] | {"code": "rate 8"}
    one, other = (space.config(values | {"edge_bits": bits}) for bits in (1, 5))
    assert content_key(config_as_dict(one)) == content_key(config_as_dict(other))
    assert (one.code, one.steps) == ("rate", 8)
    radix = [space.config(values | {"code": "radix", "edge_bits": bits}) for bits in (1, 5)]
    assert content_key(radix[0]) != content_key(radix[1])


def test_the_user_begins_where_he_stands() -> None:
    config = Config(default=NodeConfig(weight_bits=5, edge_bits=3), utilisation=0.2)
    space = space_of(relu_network(), config, frames(30, *SHAPE), Wishes({}))
    starts = space.starts()
    assert starts[0]["weight_bits"] == 5
    assert starts[0]["edge_bits"] == 3
    assert starts[0]["utilisation"] == 0.2
    assert all(set(values) == {dial.name for dial in space.dials} for values in starts)
    assert {values["weight_bits"] for values in starts} == {2, 5, 8}
    assert {values["code"] for values in starts} >= {"radix", "rate 16"}


@pytest.mark.parametrize(
    ("given_dials", "message"),
    [
        ({"weigth_bits": [2]}, r"explore.weigth_bits: found an unknown dial, accepted weight_bits"),
        ({"weight_bits": [2, 9]}, "explore.weight_bits: found 9, accepted binary, ternary"),
        ({"weight_bits": []}, "found no choice"),
        ({"code": ["rate"]}, "found 'rate', accepted radix, rate 4"),
        ({"utilisation": 2}, "found 2, accepted 0.01 .. 1.0"),
        ({"per_layer": ["steps"]}, "found 'steps', accepted true, or some of"),
        ({"fc1.target": ["area"]}, "explore.fc1.target: found an unknown dial"),
        ({"calibration": "mean"}, "found 'mean', accepted max, mse or percentile"),
    ],
)
def test_wrong_dials(given_dials: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        wishes_of(given_dials)


def test_dials_that_this_network_has_not() -> None:
    x = frames(30, *SHAPE)
    with pytest.raises(BadInput, match=r"explore.code: found a dial that this network has not"):
        space_of(spiking_network(), Config(), x, wishes_of({"code": ["radix"]}))
    with pytest.raises(BadInput, match=r"explore.fc3.weight_bits: found no such layer, accepted"):
        space_of(relu_network(), Config(), x, wishes_of({"fc3.weight_bits": [2]}))


def test_dials_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("explore:\n  weight_bits: [2, ternary]\n  per_layer: true\n")
    assert read_space(path).choices == {"weight_bits": (2, 1.58)}
    assert len(read_space(path).per_layer) == 3
    for text, message in (("- 1", "found list"), (": :", "no readable YAML")):
        path.write_text(text)
        with pytest.raises(BadInput, match=message):
            read_space(path)


def test_the_picture_holds_every_trial_and_stands_alone() -> None:
    names = ("accuracy", "latency_us", "luts")
    given_rows = [(0, (99.0, 1.0, 50.0)), (1, (98.0, 20.0, 9000.0)), (2, (97.0, 0.5, 700.0))]
    text = pareto_svg("a < b", names, given_rows, [0, 2], [2])
    tree = ElementTree.fromstring(text)
    circles = [item for item in tree.iter() if item.tag.endswith("circle")]
    assert len(circles) == 2 * len(given_rows) + 3  # two panels, and the legend
    assert "a &lt; b" in text
    assert "href" not in text
    single = pareto_svg("one", names, given_rows[:1], [0], [])
    assert "nan" not in single
    assert axis("luts", [50, 9000]).logarithmic
    assert not axis("accuracy", [1, 99]).logarithmic
    assert axis("luts", [0, 9000]).place(0) > 0


def test_damaged_and_foreign_databases_are_told_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    url = f"sqlite:///{path}"
    check_file(url)  # none yet
    path.write_bytes(b"")
    check_file(url)
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE bills (amount INTEGER)")
    foreign.executemany("INSERT INTO bills VALUES (?)", [(k,) for k in range(5000)])
    foreign.commit()
    foreign.close()
    whole = path.read_bytes()
    damaged = whole[: len(whole) // 2 + 7]
    cases = (
        (whole, r"found a database of something else \(tables bills\)"),
        (damaged, "found a damaged database"),
        (b"no database at all" * 100, "found a damaged database"),
        (whole[:100], "found a damaged database"),
        (whole[:8192] + bytes(4096) + whole[12288:], r"found a damaged database \(\*\*\* in"),
    )
    for content, message in cases:
        path.write_bytes(content)
        with pytest.raises(BadInput, match=message):
            check_file(url)
        assert path.read_bytes() == content
        assert [found.name for found in tmp_path.iterdir()] == [path.name]
    with pytest.raises(BadInput, match="nothing could be resumed"):
        check_file("sqlite:///:memory:")
    with pytest.raises(BadInput, match="found no place for a file"):
        check_file(f"sqlite:///{tmp_path}/none/study.db")


def test_whose_trial_is_whose() -> None:
    me = owner()
    assert not is_gone(me, take_over=False)
    assert is_gone(me | {"since": me["since"] - 100}, take_over=False)  # the number, used again
    assert is_gone(me | {"pid": 2**22 + 1}, take_over=False)
    assert not is_gone(me | {"host": "elsewhere"}, take_over=False)
    assert is_gone(me | {"host": "elsewhere"}, take_over=True)
    assert is_gone(None, take_over=False)
