"""What each primitive becomes, and what cycles, delays, sums, fan-out and inner graphs mean."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from e3ne.frontend.nir import read_nir
from e3ne.ir import (
    ChannelAffine,
    Conv2d,
    Flatten,
    Graph,
    Identity,
    Integrate,
    IntegrateFire,
    Linear,
    Readout,
    Relay,
    SumPool2d,
    op_shape,
)
from e3ne.reference import run

nir = pytest.importorskip("nir", reason="pip install 'e3ne[nir]'")

DT = 0.5


def array(*values: float) -> Any:
    return np.array(values, np.float64)


def full(value: float, *shape: int) -> Any:
    return np.full(shape, value)


def read(nodes: dict[str, Any], edges: list[tuple[str, str]], **options: Any) -> Graph:
    """The graph of a network without type check; options of read_nir over plain ones."""
    given: dict[str, Any] = {"dt": DT, "reset": "subtract", "steps": 8}
    return read_nir(nir.NIRGraph(nodes, edges, type_check=False), **{**given, **options})


def chain(*nodes: Any, shape: tuple[int, ...], **options: Any) -> Graph:
    """Input -> node 0 -> node 1 -> ... -> Output."""
    named = {"input": nir.Input(np.array(shape))}
    named |= {f"n{index}": node for index, node in enumerate(nodes)}
    named["output"] = nir.Output(None)
    names = list(named)
    return read(named, list(itertools.pairwise(names)), **options)


def lif(*shape: int, tau: float = 2.0, r: float = 4.0, theta: float = 1.0) -> Any:
    return nir.LIF(
        tau=full(tau, *shape), r=full(r, *shape), v_leak=full(0.0, *shape),
        v_threshold=full(theta, *shape), v_reset=full(0.0, *shape),
    )  # fmt: skip


def of(graph: Graph, name: str) -> Any:
    return graph.node(name).neuron


# Neurons: numbers by hand, forward Euler with dt 0.5


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (nir.I(array(3.0)), Integrate(1.0, 1.5)),
        (nir.LI(array(2.0), array(3.0), array(0.5)), Integrate(0.75, 0.75, offset=0.125)),
        (
            nir.CubaLI(array(1.0), array(2.0), array(3.0), array(0.5), array(2.0)),
            Integrate(0.75, 0.75, 0.5, 0.125),
        ),
        (nir.Threshold(array(0.7)), IntegrateFire(0.7, 0.0, reset="none", reset_step="same")),
        (
            nir.IF(array(3.0), array(0.7), array(0.25)),
            IntegrateFire(
                0.7, 1.0, 1.5, reset="to_value", reset_value=0.25, reset_step="same", offset=0.0
            ),
        ),
        (
            nir.LIF(array(2.0), array(3.0), array(0.5), array(0.7), array(0.25)),
            IntegrateFire(
                0.7, 0.75, 0.75, reset="to_value", reset_value=0.25, reset_step="same", offset=0.125
            ),
        ),
        (
            nir.CubaLIF(array(1.0), array(2.0), array(3.0), array(0.5), array(0.7), array(0.25)),
            IntegrateFire(
                0.7, 0.75, 0.375, 0.5, 0.125,
                reset="to_value", reset_value=0.25, reset_step="same",
            ),
        ),
    ],
)  # fmt: skip
def test_neurons_by_forward_euler(node: Any, expected: Any) -> None:
    found = of(chain(node, shape=(1,), reset="value"), "n0")
    assert type(found) is type(expected)
    assert vars(found) == pytest.approx(vars(expected))


@pytest.mark.parametrize(
    ("convention", "reset", "expected"),
    [
        ("euler", "subtract", (">", "subtract", "same", True, 1)),
        ("snntorch", "subtract", (">", "subtract", "next", True, 1)),
        ("snntorch", "zero", (">", "to_value", "next", True, 1)),
        ("snntorch", "none", (">", "none", "next", True, 1)),
        ("spikingjelly", "value", (">=", "to_value", "same", True, 1)),
        ("norse", "value", (">", "to_value", "same", True, 1)),
        ("sinabs", "subtract", (">=", "subtract", "same", True, None)),
        ("rockpool", "subtract", (">=", "subtract", "same", True, None)),
    ],
)
def test_how_each_convention_fires(convention: str, reset: str, expected: Any) -> None:
    neuron = of(chain(lif(1), shape=(1,), convention=convention, reset=reset), "n0")
    found = (
        neuron.fire_on, neuron.reset, neuron.reset_step, neuron.reset_keeps_input,
        neuron.max_spikes,
    )  # fmt: skip
    assert found == expected


@pytest.mark.parametrize(
    ("convention", "node", "decay", "gain"),
    [
        ("norse", nir.IF(array(3.0), array(0.7)), 1.0, 3.0),
        ("norse", nir.LIF(array(0.25), array(3.0), array(0.0), array(0.7)), 0.0, 3.0),
        ("spikingjelly", nir.IF(array(2.0), array(0.7)), 1.0, 1.0),
        ("sinabs", nir.IF(array(3.0), array(0.7)), 1.0, 3.0),
        ("sinabs", nir.LI(array(4.0), array(1.0), array(0.0)), np.exp(-0.25), 1.0),
        ("sinabs", lif(1, tau=4.0, r=1.0), np.exp(-0.25), 1 - np.exp(-0.25)),
        ("rockpool", lif(1, tau=2.0, r=4 * np.exp(-0.25)), np.exp(-0.25), 1.0),
        (
            "rockpool",
            nir.LI(array(2.0), array(4 * np.exp(-0.25)), array(0.0)),
            np.exp(-0.25),
            np.exp(-0.25),
        ),
    ],
)
def test_units_of_the_writers(convention: str, node: Any, decay: float, gain: float) -> None:
    neuron = of(chain(node, shape=(1,), convention=convention), "n0")
    assert (neuron.decay, neuron.gain) == pytest.approx((decay, gain))


def test_membranes_are_counted_from_where_they_start() -> None:
    """SpikingJelly starts at v_reset, Norse at v_leak: the graph counts from there, from 0."""
    node = nir.LIF(array(2.0), array(4.0), array(-0.5), array(1.0), array(-0.5))
    jelly = of(chain(node, shape=(1,), convention="spikingjelly", reset="value"), "n0")
    assert (jelly.threshold, jelly.reset_value, jelly.offset) == (1.5, 0.0, 0.0)
    node = nir.LIF(array(2.0), array(4.0), array(0.25), array(1.0), array(0.0))
    norse = of(chain(node, shape=(1,), convention="norse", reset="value"), "n0")
    assert (norse.threshold, norse.reset_value, norse.offset) == (0.75, -0.25, 0.0)


def test_parameters_become_scalars_channels_or_neurons() -> None:
    values = np.arange(1.0, 13.0).reshape(2, 2, 3)
    node = nir.LIF(
        tau=full(2.0, 2, 2, 3), r=values, v_leak=full(0.0, 2, 2, 3),
        v_threshold=np.repeat([1.0, 2.0], 6).reshape(2, 2, 3),
    )  # fmt: skip
    neuron = of(chain(node, shape=(2, 2, 3)), "n0")
    assert neuron.decay == 0.75
    assert neuron.threshold.tolist() == [1.0, 2.0]
    np.testing.assert_allclose(neuron.gain, values * 0.25)
    assert neuron.gain.dtype == np.float32


# Ops


def test_ops_merge_into_the_neurons_that_read_them() -> None:
    weight = np.arange(12.0).reshape(3, 4)
    graph = chain(nir.Affine(weight, array(1, 2, 3)), lif(3), shape=(4,))
    (node,) = graph.nodes
    (synapse,) = node.synapses
    assert isinstance(synapse.op, Linear)
    np.testing.assert_array_equal(synapse.op.weight, weight)
    assert synapse.op.bias is not None
    assert synapse.op.bias.tolist() == [1, 2, 3]
    assert (synapse.source, synapse.delay) == ("input", 0)


def test_a_chain_of_ops_relays() -> None:
    graph = chain(
        nir.Conv2d((6, 6), np.ones((3, 2, 3, 3)), 1, 1, 1, 1, np.zeros(3)),
        nir.SumPool2d(array(2, 2), array(2, 2), array(0, 0)),
        nir.AvgPool2d(array(3, 3), array(3, 3), array(0, 0)),
        nir.Flatten(np.array([3, 1, 1]), 0, -1),
        nir.Linear(np.ones((5, 3))),
        shape=(2, 6, 6),
    )
    ops = {node.name: node.synapses[0].op for node in graph.nodes}
    assert all(isinstance(node.neuron, Relay) for node in graph.nodes)
    assert list(ops) == ["n0", "n1", "n2", "n4"]  # the Linear reads the image itself
    assert isinstance(ops["n0"], Conv2d)
    assert ops["n0"].bias is None
    assert ops["n0"].padding == (1, 1)
    assert ops["n1"] == SumPool2d((2, 2), (2, 2), (0, 0), 1)
    assert ops["n2"] == SumPool2d((3, 3), (3, 3), (0, 0), 9)
    assert graph.node("n4").synapses[0].source == "n2"
    assert graph.outputs[0].readout is Readout.LAST


@pytest.mark.parametrize("padding", ["same", "valid", 1])
def test_conv1d_is_a_conv2d_of_one_row(padding: Any) -> None:
    node = nir.Conv1d(10, np.ones((4, 2, 3)), 1, padding, 1, 1, array(0, 0, 1, 0))
    graph = chain(node, lif(4, 8 if padding == "valid" else 10), shape=(2, 10))
    assert graph.inputs[0].type.shape == (2, 1, 10)
    op = graph.node("n1").synapses[0].op
    assert isinstance(op, Conv2d)
    assert op.weight.shape == (4, 2, 1, 3)
    assert op.padding == (0, 0 if padding == "valid" else 1)
    assert graph.node("n1").type.shape == op_shape(op, (2, 1, 10))


def test_scale() -> None:
    graph = chain(nir.Scale(array(1, 2, 3)), lif(3), shape=(3,))
    op = graph.node("n1").synapses[0].op
    assert isinstance(op, Linear)
    assert op.weight.tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 3]]
    channels = np.repeat([2.0, 3.0], 4).reshape(2, 2, 2)
    op = chain(nir.Scale(channels), lif(2, 2, 2), shape=(2, 2, 2)).node("n1").synapses[0].op
    assert isinstance(op, ChannelAffine)
    assert op.gain.tolist() == [2, 3]
    pixels = np.arange(8.0).reshape(2, 2, 2)
    graph = chain(nir.Scale(pixels), lif(2, 2, 2), shape=(2, 2, 2))
    x = np.ones((1, 8, 2, 2, 2))
    np.testing.assert_array_equal(run(graph, x)["n0"], np.broadcast_to(pixels, x.shape))


def test_flatten_before_neurons_is_an_op() -> None:
    graph = chain(nir.Flatten(np.array([2, 3, 2]), 0, -1), lif(12), shape=(2, 3, 2))
    assert graph.node("n1").synapses[0].op == Flatten()


# Structure


def test_sums_fan_out_and_several_inputs_and_outputs() -> None:
    nodes = {
        "left": nir.Input(np.array([2])),
        "right": nir.Input(np.array([2])),
        "both": nir.Affine(np.eye(2), array(1, 1)),
        "a": lif(2),
        "b": nir.LI(full(2.0, 2), full(4.0, 2), full(0.0, 2)),
        "first": nir.Output(np.array([2])),
        "second": nir.Output(np.array([2])),
        "third": nir.Output(np.array([2])),
    }
    edges = [
        ("left", "both"), ("right", "both"), ("both", "a"), ("left", "b"), ("a", "b"),
        ("a", "first"), ("b", "second"), ("a", "third"), ("right", "third"),
    ]  # fmt: skip
    graph = read(nodes, edges)
    assert [source.name for source in graph.inputs] == ["left", "right"]
    assert [(s.source, getattr(s.op, "bias", None) is not None) for s in
            graph.node("a").synapses] == [("left", True), ("right", False)]  # fmt: skip
    assert [synapse.source for synapse in graph.node("b").synapses] == ["left", "a"]
    assert [(out.source, out.readout.value) for out in graph.outputs] == [
        ("a", "count"), ("b", "last"), ("third", "last"),
    ]  # fmt: skip
    x = np.ones((1, 8, 2))
    values = run(graph, x, 2 * x)
    np.testing.assert_array_equal(values["third"], values["a"] + 2 * x)


def test_readout_and_direct_coding() -> None:
    graph = chain(lif(3), shape=(3,), readout="max", input_has_steps=False)
    assert graph.outputs[0].readout is Readout.MAX
    assert (graph.inputs[0].type.steps, graph.node("n0").type.steps) == (1, 8)


def test_a_cycle_takes_one_step() -> None:
    nodes = {
        "input": nir.Input(np.array([2])),
        "lif": lif(2),
        "rec": nir.Linear(np.eye(2)),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "lif"), ("lif", "rec"), ("rec", "lif"), ("lif", "output")]
    (node,) = read(nodes, edges).nodes
    delays = {synapse.source: synapse.delay for synapse in node.synapses}
    assert delays == {"input": 0, "lif": 1}


@pytest.mark.parametrize("swap", [False, True])
def test_the_edge_back_to_the_entry_closes_a_long_cycle(swap: bool) -> None:
    nodes = {
        "input": nir.Input(np.array([2])),
        "z.entry": lif(2),
        "a.inner": lif(2),
        "m.last": lif(2),
        "output": nir.Output(np.array([2])),
    }
    edges = [
        ("input", "z.entry"), ("z.entry", "a.inner"), ("a.inner", "m.last"),
        ("m.last", "z.entry"), ("m.last", "output"),
    ]  # fmt: skip
    graph = read(nodes, edges[::-1] if swap else edges)
    assert [node.name for node in graph.nodes] == ["z.entry", "a.inner", "m.last"]
    delays = {
        (synapse.source, node.name): synapse.delay
        for node in graph.nodes
        for synapse in node.synapses
    }
    assert delays == {
        ("input", "z.entry"): 0, ("m.last", "z.entry"): 1,
        ("z.entry", "a.inner"): 0, ("a.inner", "m.last"): 0,
    }  # fmt: skip


def test_a_cycle_with_a_delay_takes_that_delay() -> None:
    nodes = {
        "input": nir.Input(np.array([2])),
        "lif": lif(2),
        "wait": nir.Delay(full(3 * DT, 2)),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "lif"), ("lif", "wait"), ("wait", "lif"), ("lif", "output")]
    (node,) = read(nodes, edges).nodes
    assert {synapse.source: synapse.delay for synapse in node.synapses} == {"input": 0, "lif": 3}


def test_a_cycle_of_relays_with_a_delay() -> None:
    nodes = {
        "input": nir.Input(np.array([2])),
        "half": nir.Linear(np.eye(2) / 2),
        "wait": nir.Delay(full(DT, 2)),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "half"), ("half", "wait"), ("wait", "half"), ("half", "output")]
    x = np.zeros((1, 8, 2))
    x[0, 0] = 8
    np.testing.assert_array_equal(run(read(nodes, edges), x)["half"][0, :4, 0], [4, 2, 1, 0.5])


def test_delays() -> None:
    graph = chain(nir.Delay(full(2 * DT, 3)), nir.Linear(np.eye(3)), lif(3), shape=(3,))
    (node,) = graph.nodes
    assert [(s.source, s.delay) for s in node.synapses] == [("input", 2)]
    graph = chain(nir.Affine(np.eye(3), array(1, 1, 1)), nir.Delay(full(DT, 3)), lif(3), shape=(3,))
    assert graph.node("n2").synapses[0].delay == 1  # the bias is delayed as well
    assert graph.node("n2").synapses[0].source == "n0"
    graph = chain(nir.Delay(array(DT, 0, 2 * DT)), lif(3), shape=(3,))
    x = np.zeros((1, 8, 3))
    x[0, 0] = 1, 2, 3
    np.testing.assert_array_equal(
        run(graph, x)["n0"][0, :4], [[0, 2, 0], [1, 0, 0], [0, 0, 3], [0, 0, 0]]
    )
    graph = chain(nir.Delay(full(DT, 3)), shape=(3,))
    np.testing.assert_array_equal(run(graph, x)["output"][0, 1], [1, 2, 3])


def test_delays_of_channels_of_an_image() -> None:
    delay = np.repeat([0.0, DT], 4).reshape(2, 2, 2)
    graph = chain(nir.Delay(delay), shape=(2, 2, 2))
    x = np.zeros((1, 8, 2, 2, 2))
    x[0, 0] = 1
    found = run(graph, x)[graph.outputs[0].source][0]
    assert found[0, 0].all()
    assert found[1, 1].all()
    assert found.sum() == 8


def test_inner_graphs_are_flattened_with_dotted_names() -> None:
    inner = nir.NIRGraph(
        {
            "input": nir.Input(np.array([2])), "lif": lif(2), "w_rec": nir.Linear(np.eye(2)),
            "output": nir.Output(np.array([2])),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )  # fmt: skip
    graph = chain(nir.Linear(np.ones((2, 3))), inner, lif(2), shape=(3,))
    assert [node.name for node in graph.nodes] == ["n1.lif", "n2"]
    assert [(s.source, s.delay) for s in graph.node("n1.lif").synapses] == [
        ("n1.lif", 1), ("input", 0),
    ]  # fmt: skip
    deeper = nir.NIRGraph(
        {"i": nir.Input(np.array([2])), "part": inner, "o": nir.Output(np.array([2]))},
        [("i", "part"), ("part", "o")], type_check=False,
    )  # fmt: skip
    graph = chain(deeper, shape=(2,))
    assert graph.nodes[0].name == "n0.part.lif"


def test_an_edge_from_a_neuron_to_itself() -> None:
    nodes = {"input": nir.Input(np.array([2])), "lif": lif(2), "output": nir.Output(np.array([2]))}
    graph = read(nodes, [("input", "lif"), ("lif", "lif"), ("lif", "output")])
    assert [(s.op, s.delay) for s in graph.nodes[0].synapses] == [(Identity(), 0), (Identity(), 1)]


def test_shapes_that_writers_leave_with_a_frames_axis() -> None:
    """Norse and Rockpool trace with one frame; scalars of neurons take the layer's shape."""
    nodes = {
        "input": nir.Input(np.array([1, 3])),
        "fc": nir.Affine(np.ones((4, 3)), np.ones(4)),
        "lif": nir.LIF(np.float64(2.0), np.float64(4.0), np.float64(0.0), np.float64(1.0)),
        "output": nir.Output(np.array([1, 4])),
    }
    graph = read(nodes, [("input", "fc"), ("fc", "lif"), ("lif", "output")])
    assert graph.inputs[0].type.shape == (3,)
    assert graph.node("lif").type.shape == (4,)


def test_both_ways_are_names_of_the_package() -> None:
    import e3ne
    from e3ne.frontend.nir import write_nir

    assert (e3ne.read_nir, e3ne.write_nir) == (read_nir, write_nir)


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    import subprocess

    graph = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))), lif(2))
    nir.write(tmp_path / "net.nir", graph)
    code = (
        "import sys; from e3ne.frontend.nir import read_nir; "
        f"read_nir({str(tmp_path / 'net.nir')!r}, 0.5, 'subtract', steps=4); "
        "print(sorted({'torch', 'nir'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
