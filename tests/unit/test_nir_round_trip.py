"""From a graph to a `.nir` file and back: equal text, and a file that the nir package reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from e3ne.frontend.nir import read_nir, write_nir
from e3ne.ir import (
    BadInput,
    ChannelAffine,
    Conv2d,
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
    SumPool2d,
    Synapse,
    UnsupportedModel,
    Upsample2d,
    frozen,
    op_shape,
    text,
)
from tests.nir_cases import sent, shared, spikes
from tests.unit.nir_graphs import float_graphs

nir = pytest.importorskip("nir", reason="pip install 'e3ne[nir]'")


@given(graph=float_graphs())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_round_trip_of_random_graphs(graph: Graph, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    write_nir(graph, path, 1e-3)
    again = read_nir(path)
    assert text(again) == text(graph)
    write_nir(again, path, 1e-3)
    assert text(read_nir(path, 1e-3)) == text(graph)


@pytest.mark.parametrize(
    ("name", "reset", "convention"),
    [
        ("lif_norse.nir", "value", "norse"),
        ("braille_noDelay_bias_zero.nir", "zero", "snntorch"),
        ("braille_noDelay_noBias_subtract.nir", "subtract", "snntorch"),
    ],
)
def test_round_trip_of_shared_files(name: str, reset: str, convention: str, tmp_path: Path) -> None:
    graph = read_nir(shared(name), 1e-4, reset, convention, steps=64)
    write_nir(graph, tmp_path / "again.nir", 1e-4)
    assert text(read_nir(tmp_path / "again.nir")) == text(graph)
    assert text(read_nir(nir.read(tmp_path / "again.nir"))) == text(graph)


def lif(decay: Any = 0.75, **options: Any) -> IntegrateFire:
    return IntegrateFire(1.0, decay, **options)


def chain(*parts: tuple[Any, Any], shape: tuple[int, ...] = (6,), **options: Any) -> Graph:
    """Populations one after another, (op, neuron) each."""
    source = Input("input", SpikeType(shape, 20))
    nodes: list[Node] = []
    before = ("input", shape)
    for index, (op, neuron) in enumerate(parts):
        shape = op_shape(op, before[1])
        synapse = Synapse(op, before[0], **options)
        nodes.append(Node(f"n{index}", (synapse,), neuron, SpikeType(shape, 20)))
        before = (f"n{index}", shape)
    return Graph(Stage.FLOAT, (source,), tuple(nodes), (Output(before[0], Readout.COUNT),))


def weights(*shape: int, seed: int = 0) -> Any:
    random = np.random.default_rng(seed)
    return frozen(random.normal(0.1, 0.5, shape).astype(np.float32), np.float32)


def test_the_nir_package_reads_the_file_typed(tmp_path: Path) -> None:
    graph = chain(
        (Conv2d(weights(4, 2, 3, 3), padding=(1, 1)), lif()),
        (SumPool2d((2, 2), (2, 2), divisor=4), Relay()),
        (Conv2d(weights(4, 1, 3, 3), groups=4), lif(synaptic_decay=0.5)),
        (Linear(weights(5, 16)), lif(1.0)),
        (Linear(weights(3, 5), weights(3)), Integrate(0.9, 0.1)),
        shape=(2, 8, 8),
    )
    write_nir(graph, tmp_path / "net.nir", 1e-4)
    typed = nir.read(tmp_path / "net.nir")
    assert typed.check_types()
    kinds = {type(node).__name__ for node in typed.nodes.values()}
    assert kinds == {
        "Input", "Conv2d", "LIF", "AvgPool2d", "CubaLIF", "Flatten", "Linear", "IF", "Affine",
        "LI", "Output",
    }  # fmt: skip
    assert typed.metadata["dt"] == 1e-4
    assert typed.metadata["reset"] == "subtract"
    assert text(read_nir(typed)) == text(graph)


def test_rows_are_written_as_conv1d(tmp_path: Path) -> None:
    graph = chain(
        (Conv2d(weights(4, 2, 1, 3), stride=(1, 2), padding=(0, 1)), lif()),
        (Linear(weights(3, 20)), lif()),
        shape=(2, 1, 10),
    )
    write_nir(graph, tmp_path / "net.nir", 1e-4)
    typed = nir.read(tmp_path / "net.nir")
    assert isinstance(typed.nodes["n0.synapse"], nir.Conv1d)
    assert typed.nodes["n0"].tau.shape == (4, 5)
    assert text(read_nir(tmp_path / "net.nir")) == text(graph)


def test_parameters_are_those_of_forward_euler(tmp_path: Path) -> None:
    """Read by its equations alone, without the notes, the file fires alike."""
    graph = chain(
        (Linear(weights(5, 6)), lif(0.8, gain=0.9, offset=0.02, synaptic_decay=0.6,
                                    reset="to_value", reset_step="same", reset_value=-0.1)),
        (Linear(weights(4, 5)), lif(0.9, reset="to_value", reset_step="same", reset_value=-0.1)),
    )  # fmt: skip
    write_nir(graph, tmp_path / "net.nir", 1e-3)
    plain = nir.read(tmp_path / "net.nir")
    plain.metadata.clear()
    for node in plain.nodes.values():
        node.metadata.clear()
    with pytest.raises(BadInput, match="found no dt"):
        read_nir(plain)
    again = read_nir(plain, 1e-3, "value", "euler", steps=20)
    x = spikes((6,), 20)
    assert np.count_nonzero(sent(graph, x)) > 10
    np.testing.assert_array_equal(sent(again, x), sent(graph, x))


@pytest.mark.parametrize(
    ("op", "neuron", "shape", "found"),
    [
        (Upsample2d((2, 2)), Relay(), (1, 2, 2), "found Upsample2d, which NIR"),
        (MaxPool2d((2, 2), (2, 2)), lif(), (1, 4, 4), "found MaxPool2d, which NIR"),
        (SumPool2d((2, 2), (2, 2), divisor=3), lif(), (1, 4, 4), "a pooling divided by 3"),
        (ChannelAffine(weights(2), weights(2)), lif(), (2,), "found a batch normalisation"),
        (Identity(), Rectify(), (2,), "found Rectify"),
        (Identity(), lif(1.5), (2,), "found decays 1.5 .. 1.5, accepted 0 .. 1"),
        (Identity(), lif(1.0, offset=0.5), (2,), "found an offset on neurons without a leak"),
        (Identity(), lif(synaptic_decay=1.5), (2,), "found a synaptic decay outside of 0 .. 1"),
        (Identity(), lif(sends="membrane"), (2,), "found firing neurons that send their membrane"),
    ],
)
def test_what_nir_lacks_is_refused_by_name(
    op: Any, neuron: Any, shape: tuple[int, ...], found: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match=found) as raised:
        write_nir(chain((op, neuron), shape=shape), tmp_path / "net.nir", 1e-3)
    assert str(raised.value).startswith("n0: ")
    assert not (tmp_path / "net.nir").exists()


def test_other_refusals(tmp_path: Path) -> None:
    graph = chain((Linear(weights(3, 6)), lif()))
    path = tmp_path / "net.nir"
    with pytest.raises(BadInput, match="dt: found 0"):
        write_nir(graph, path, 0)
    with pytest.raises(BadInput, match="found stage integer, accepted float"):
        write_nir(replace(graph, stage=Stage.INTEGER), path, 1e-3)
    node = replace(graph.nodes[0], name="a/b")
    named = replace(graph, nodes=(node,), outputs=(Output("a/b", Readout.LAST),))
    with pytest.raises(UnsupportedModel, match="found a name that no file and no Verilog takes"):
        write_nir(named, path, 1e-3)
    with pytest.raises(UnsupportedModel, match="found a synapse of gain 2"):
        write_nir(chain((Identity(), lif()), gain=2), path, 1e-3)
    dead = Node("dead", (Synapse(Identity(), "n0"),), lif(), SpikeType((3,), 20))
    with pytest.raises(UnsupportedModel, match="dead: found no path from it to an Output"):
        write_nir(graph.with_nodes([*graph.nodes, dead]), path, 1e-3)
    double = Linear(frozen(np.full((3, 6), 0.1), np.float64))
    with pytest.raises(UnsupportedModel, match="comes back from NIR as"):
        write_nir(chain((double, lif())), path, 1e-3)
    assert not path.exists()


def test_a_changed_parameter_beside_its_note_is_seen(tmp_path: Path) -> None:
    write_nir(chain((Linear(weights(3, 6)), lif())), tmp_path / "net.nir", 1e-3)
    changed = nir.read(tmp_path / "net.nir")
    changed.nodes["n0"].tau *= 1.5
    with pytest.raises(BadInput, match=r"n0: found decay in a note of e3ne that differs"):
        read_nir(changed)
    del changed.nodes["n0"].metadata["neuron"]
    graph = read_nir(changed)
    assert graph.nodes[0].neuron.decay == pytest.approx(1 - 0.25 / 1.5)  # type: ignore[union-attr]


def test_options_that_contradict_the_file(tmp_path: Path) -> None:
    write_nir(chain((Linear(weights(3, 6)), lif())), tmp_path / "net.nir", 1e-3)
    with pytest.raises(BadInput) as raised:
        read_nir(tmp_path / "net.nir", 1e-4, "value", "norse", 30)
    assert len(raised.value.problems) == 4
    assert raised.value.problems[0].startswith("nir: found dt 0.0001, accepted 0.001")
    read_nir(tmp_path / "net.nir", 1e-3, "subtract", "euler", 20)
