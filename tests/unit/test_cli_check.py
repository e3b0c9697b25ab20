"""`e3ne check` on graphs: its picture, its figures, and how far each network comes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from e3ne.cli import options
from e3ne.cli.checking import Findings, document, lowered, print_findings, summary_text, totals
from e3ne.cli.commands import main
from e3ne.cli.options import Loaded
from e3ne.cli.picture import picture
from e3ne.config import Config, parse_config
from e3ne.ir import (
    Array,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    UnsupportedModel,
    Upsample2d,
    verify,
)
from e3ne.lower import lower
from tests.unit.lower_graphs import chain, conv, frames, linear, norm, real

Golden = Callable[[str, str], None]
LIF = IntegrateFire(0.5, 0.9)
STEPS = 4


def branches() -> Graph:
    """Two inputs, a branch that joins again, feedback over two nodes, a recurrence, two outputs."""
    image, vector = SpikeType((2, 4, 4), STEPS), SpikeType((6,), STEPS)
    same = conv(2, 2, padding=(1, 1))
    nodes = (
        Node("stem", (Synapse(same, "left"),), LIF, image),
        Node("block.conv1", (Synapse(same, "stem"), Synapse(same, "block.conv2", 1)), LIF, image),
        Node("block.conv2", (Synapse(same, "block.conv1"),), LIF, image),
        Node("add", (Synapse(Identity(), "stem"), Synapse(Identity(), "block.conv2")), LIF, image),
        Node(
            "pool",
            (Synapse(MaxPool2d((2, 2), (2, 2)), "add"),),
            Relay(),
            SpikeType((2, 2, 2), STEPS),
        ),
        Node(
            "fc",
            (
                Synapse(linear(6, 8), "pool"),
                Synapse(Linear(real(6, 3)), "right"),
                Synapse(Linear(real(6, 6)), "fc", 2),
            ),
            LIF,
            vector,
        ),
        Node("up", (Synapse(Upsample2d((2, 2)), "pool"),), Relay(), image),
        Node("li", (Synapse(linear(3, 6), "fc"),), Integrate(0.5), SpikeType((3,), STEPS)),
    )
    inputs = (Input("left", image), Input("right", SpikeType((3,), STEPS)))
    outputs = (Output("li", Readout.LAST), Output("up", Readout.COUNT))
    return verify(Graph(Stage.FLOAT, inputs, nodes, outputs))


def spikes(graph: Graph) -> list[Array]:
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 2, (3, s.type.steps, *s.type.shape)).astype(float) for s in graph.inputs
    ]


def loaded(graph: Graph, arrays: list[Array] | None = None, config: Config | None = None) -> Loaded:
    return Loaded(graph, None, True, None if arrays is None else tuple(arrays), config or Config())


def test_the_picture_of_branches_and_feedback(golden: Golden) -> None:
    graph = branches()
    golden("picture_float.txt", picture(graph))
    golden("picture_integer.txt", picture(lower(graph, spikes(graph))))
    assert picture(graph) == picture(branches())


def test_a_chain_has_no_rails() -> None:
    text = picture(chain((2, 4, 4), {"c": Conv2d(real(3, 2, 3, 3), stride=(2, 1)), "r": Rectify()}))
    assert text.splitlines() == [
        "   x  2x4x4  1 step  input",
        "↓  c  3x1x2  1 step  Relay <- Conv2d 3x3 stride 2x1 of x",
        "↓  r  3x1x2  1 step  Rectify <- Identity of c ⇒ last",
    ]


def test_every_reader_stands_on_the_rail_of_its_source() -> None:
    """The rails of a picture, read back, are the synapses of the graph."""
    graph = branches()
    lines = picture(graph).splitlines()
    names = [source.name for source in graph.inputs] + [node.name for node in graph.nodes]
    wide = lines[0].index("left") - 3
    found = set()
    for column in range(0, wide, 2):
        run: list[int] = []
        for row, line in enumerate(lines):
            if line[column] in "╭├╰":
                run.append(row)
            if line[column] == "╰":
                sends = [r for r in run if lines[r][wide - 1] != ">"]
                assert len(sends) <= 1, "two sources on one rail"
                found |= {(s, r) for s in sends for r in run if r != s}
                run = []
    for node in graph.nodes:
        for synapse in node.synapses:
            source, reader = names.index(synapse.source), names.index(node.name)
            sends_only = lines[source][wide - 1] != ">"
            if source not in (reader, reader - 1) and sends_only:
                assert (source, reader) in found, (synapse.source, node.name)


def test_figures_count_shared_weights_once() -> None:
    graph = branches()
    figures = totals(graph)
    assert figures["populations"] == 8
    assert figures["edges"] == 12
    shared = 2 * 2 * 9 + 2  # one convolution that three synapses share
    assert figures["parameters"] == 3 * shared - 2 * shared + (8 * 6 + 6) + 18 + 36 + 21
    assert figures["steps"] == STEPS
    assert figures["codes"] == []
    assert summary_text(graph).startswith(
        "8 populations, 177 neurons, 12 edges, 167 parameters, 4 steps"
    )
    integer = lower(graph, spikes(graph))
    assert totals(integer)["codes"] == ["analog", "rate"]


# ------------------------------------------------------------------------ how far it comes


def test_with_calibration_it_is_lowered_and_mapped() -> None:
    graph = branches()
    found = lowered(graph, loaded(graph, spikes(graph)), Config(), None)
    assert (found.refused, found.unmeasured) == ((), ())
    assert found.graph is not None
    assert found.graph.stage is Stage.INTEGER
    plain = chain((6,), {"fc": linear(3, 6), "r": Rectify()})
    found = lowered(plain, loaded(plain, [frames(5, 6)]), Config(), "ulx3s-85f")
    assert found.graph is not None
    assert found.graph.stage is Stage.MAPPED


def test_streams_and_events_are_told() -> None:
    graph = branches()
    arrays = spikes(graph)
    settings = parse_config({"streaming": True, "input": {"left": {"events": True}}})
    with_frames = loaded(replace(graph, streaming=True), arrays, settings)
    found = lowered(replace(graph, streaming=True), with_frames, settings, None)
    assert found.refused == ()
    assert found.graph is not None
    assert summary_text(found.graph).endswith("; streaming")
    told = document("net", found)
    assert told["streaming"] is True
    assert [source["events"] for source in told["inputs"]][:2] == [
        source.name == "left" for source in graph.inputs[:2]
    ]
    signed = parse_config({"input": {"left": {"events": True, "signed": True, "bits": 4}}})
    refused = lowered(graph, loaded(graph, arrays, signed), signed, None).refused
    assert "input left: found events on an edge of 4 signed bits" in refused[0]


def test_without_it_the_missing_ranges_are_named() -> None:
    graph = chain((6,), {"fc": linear(3, 6), "r": Rectify()})
    found = lowered(graph, loaded(graph), Config(), None)
    assert found.unmeasured == ("x", "fc")
    assert found.graph is not None
    assert [node.name for node in found.graph.nodes] == ["fc"]
    config = parse_config({"input": {"bits": 4, "scale": 0.1}})
    bounded = chain((6,), {"fc": linear(3, 6), "r": Rectify(1.0)})
    found = lowered(bounded, loaded(bounded), config, None)
    assert found.graph is not None
    assert found.graph.stage is Stage.INTEGER


def test_what_is_refused_is_told_without_calibration_too() -> None:
    graph = chain((6,), {"a": linear(3, 6), "r1": Rectify(), "b": linear(3, 3), "r2": Rectify()})
    timed = graph.with_nodes([replace(n, type=replace(n.type, steps=3)) for n in graph.nodes])
    timed = replace(timed, inputs=(Input("x", SpikeType((6,), 3)),))
    found = lowered(timed, loaded(timed), Config(), None)
    assert [problem.split(":")[0] for problem in found.refused] == ["a", "b"]
    assert found.graph is not None
    large = chain((6,), {"fc": linear(300, 6), "r": Rectify(), "f2": linear(4000, 300)})
    tight = parse_config({"utilisation": 0.01})
    found = lowered(large, loaded(large, [frames(5, 6)], tight), tight, "icebreaker")
    assert found.refused
    assert found.graph is not None
    assert found.graph.stage is Stage.INTEGER


def test_problems_of_every_pass_are_told_at_once() -> None:
    """A normalisation that nothing takes, a flatten that nothing reorders, a ReLU in time."""
    flat, image = SpikeType((1056,), 3), SpikeType((1, 33, 32), 3)
    nodes = (
        Node("flat", (Synapse(Flatten(), "x"),), Relay(), flat),
        Node("bn", (Synapse(norm(1056), "lif"),), Relay(), flat),
        Node("lif", (Synapse(Identity(), "y"),), LIF, flat),
        Node("sum", (Synapse(Identity(), "flat"), Synapse(Identity(), "bn")), Relay(), flat),
        Node("fc", (Synapse(linear(2, 1056), "sum"),), Rectify(), SpikeType((2,), 3)),
    )
    nodes = (nodes[0], nodes[2], nodes[1], *nodes[3:])
    inputs = (Input("x", image), Input("y", flat))
    graph = verify(Graph(Stage.FLOAT, inputs, nodes, (Output("fc", Readout.LAST),)))
    config = parse_config({"nodes": {"lif3": {"weight_bits": 4}}})
    found = lowered(graph, loaded(graph), config, None)
    places = [problem.split(":")[0] for problem in found.refused]
    assert places == ["bn", "sum", "fc", "config.nodes.lif3"]
    assert "batch normalisation of 1056 features" in found.refused[0]
    assert "found Identity on a flattened image" in found.refused[1]
    assert "found a ReLU with 3 time steps" in found.refused[2]


def test_the_document_says_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    graph = branches()
    found = document("net", Findings(graph, (), ("left",)))
    assert found["compiles"] is True
    assert found["stage"] == "float"
    assert found["needs_calibration_for"] == ["left"]
    assert found["nodes"][1]["synapses"][1] == {
        "source": "block.conv2",
        "op": "Conv2d 3x3",
        "delay": 1,
    }
    assert found["outputs"][0] == {"node": "li", "readout": "last"}
    refused = Findings(None, ("a: found X, accepted Y",))
    assert document("net", refused)["totals"] is None
    assert document("net", refused)["compiles"] is False
    print_findings(refused)
    assert "refused: a: found X, accepted Y" in capsys.readouterr().err
    print_findings(Findings(graph, (), ("left",)))
    assert "not lowered: the ranges of left are not known" in capsys.readouterr().out


def test_what_a_file_holds_is_refused_like_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Graph:
        raise UnsupportedModel(["a: found X, accepted Y", "b: found Z, accepted Y"])

    monkeypatch.setattr(options, "read_file", refuse)
    result = CliRunner().invoke(main, ["check", "net.nir", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["refused"] == [
        "a: found X, accepted Y",
        "b: found Z, accepted Y",
    ]
