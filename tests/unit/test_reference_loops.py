"""Feedback over several populations, against a loop over steps in plain Python."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from e3ne import reference
from e3ne.ir import (
    ONE,
    Conv2d,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    computing_order,
    frozen,
    in_loop,
    loop_of,
    verify,
)

STEPS = 12
SIZE = 5
FIRE = IntegrateFire(6, ONE, ONE, reset_step="same", membrane_bits=12)


def matrix(seed: int) -> Linear:
    return Linear(frozen(np.random.default_rng(seed).integers(-3, 5, (SIZE, SIZE)), np.int64))


def spiking(name: str, *synapses: Synapse) -> Node:
    return Node(name, synapses, FIRE, SpikeType((SIZE,), STEPS, 1))


def network(*nodes: Node) -> Graph:
    source = Input("x", SpikeType((SIZE,), STEPS, 3))
    output = Output(nodes[-1].name, Readout.COUNT)
    return verify(Graph(Stage.INTEGER, (source,), nodes, (output,)))


def frames(count: int = 3) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 8, (count, STEPS, SIZE))


class Layer:
    """FIRE, one neuron after the other."""

    def __init__(self) -> None:
        self.membranes = [0] * SIZE

    def step(self, currents: list[int]) -> list[int]:
        spikes = []
        for place, current in enumerate(currents):
            membrane = self.membranes[place] + current
            spikes.append(int(membrane > 6))
            self.membranes[place] = membrane - 6 * spikes[-1]
        return spikes


def weighted(op: Linear, spikes: list[int]) -> list[int]:
    return [sum(int(w) * s for w, s in zip(row, spikes, strict=True)) for row in op.weight]


def added(*terms: list[int]) -> list[int]:
    return [sum(parts) for parts in zip(*terms, strict=True)]


@pytest.mark.parametrize(("delay", "relay_delay"), [(1, 0), (1, 1), (3, 0), (2, 2)])
def test_three_populations_in_a_loop(delay: int, relay_delay: int) -> None:
    """x -> a -> b -> relay (a Relay, `relay_delay` steps later) -> a, `delay` steps later."""
    w1, w2, w3 = matrix(1), matrix(2), matrix(3)
    relay = Node(
        "relay",
        (Synapse(Identity(), "b", relay_delay, gain=2),),
        Relay(),
        SpikeType((SIZE,), STEPS, 2),
    )
    graph = network(
        spiking("a", Synapse(w1, "x"), Synapse(w3, "relay", delay)),
        spiking("b", Synapse(w2, "a"), Synapse(w3, "b", 1)),
        relay,
    )
    x = frames()
    sent = reference.run(graph, x)
    fed_back = 0
    for frame in range(len(x)):
        silent = [0] * SIZE
        a, b = Layer(), Layer()
        history = {"a": [], "b": [], "relay": []}

        def earlier(name: str, steps: int, history=history, silent=silent) -> list[int]:
            return history[name][-steps] if len(history[name]) >= steps else silent

        for step in range(STEPS):
            recurrent = weighted(w3, earlier("relay", delay))
            fed_back += any(recurrent)
            history["a"].append(a.step(added(weighted(w1, x[frame, step].tolist()), recurrent)))
            own = weighted(w3, earlier("b", 1))
            history["b"].append(b.step(added(weighted(w2, history["a"][-1]), own)))
            doubled = earlier("b", relay_delay + 1)  # b has this step already
            history["relay"].append([2 * spike for spike in doubled])
        for name, rows in history.items():
            assert sent[name][frame].tolist() == rows, (name, frame)
    assert fed_back > STEPS  # the loop is busy


def test_a_bias_on_a_feedback_counts_from_the_first_step() -> None:
    bias = frozen(np.full(SIZE, 4), np.int64)
    quiet = Linear(frozen(np.zeros((SIZE, SIZE)), np.int64), bias)
    graph = network(
        spiking("a", Synapse(matrix(1), "x"), Synapse(quiet, "b", 1)),
        spiking("b", Synapse(matrix(2), "a")),
    )
    sent = reference.run(graph, np.zeros((1, STEPS, SIZE), np.int64))["a"][0]
    # Membranes 4, 8*, 6, 10*, 8*, 6: the bias of 4 is there at every step.
    assert sent[:6, 0].tolist() == [0, 1, 0, 1, 1, 0]


def test_a_loop_through_a_convolution() -> None:
    """Images feed back as well; the same as unrolling the steps by hand with NumPy."""
    kernel = frozen(np.random.default_rng(4).integers(-2, 3, (2, 2, 3, 3)), np.int64)
    conv = Conv2d(kernel, None, (1, 1), (1, 1))
    type = SpikeType((2, 4, 4), STEPS, 1)
    nodes = (
        Node("a", (Synapse(Identity(), "x"), Synapse(conv, "b", 1)), FIRE, type),
        Node("b", (Synapse(conv, "a"),), FIRE, type),
    )
    source = Input("x", SpikeType((2, 4, 4), STEPS, 3))
    graph = verify(Graph(Stage.INTEGER, (source,), nodes, (Output("b", Readout.COUNT),)))
    x = np.random.default_rng(5).integers(0, 8, (1, STEPS, 2, 4, 4))
    sent = reference.run(graph, x)
    membrane_a = membrane_b = np.zeros((2, 4, 4), np.int64)
    spikes_b = np.zeros((2, 4, 4), np.int64)
    for step in range(STEPS):
        back = reference.op_currents(conv, spikes_b[None, None])[0, 0]
        membrane_a = membrane_a + x[0, step] + back
        spikes_a = (membrane_a > 6).astype(np.int64)
        membrane_a = membrane_a - 6 * spikes_a
        membrane_b = membrane_b + reference.op_currents(conv, spikes_a[None, None])[0, 0]
        spikes_b = (membrane_b > 6).astype(np.int64)
        membrane_b = membrane_b - 6 * spikes_b
        np.testing.assert_array_equal(sent["a"][0, step], spikes_a)
        np.testing.assert_array_equal(sent["b"][0, step], spikes_b)
    assert 0 < sent["b"].mean() < 1


def test_a_loop_that_no_input_reaches_runs_as_well() -> None:
    """Its trains have as many frames as the others."""
    bias = frozen([3] * SIZE, np.int64)
    own = Linear(matrix(6).weight, bias)
    graph = network(
        spiking("a", Synapse(own, "b", 1)),
        spiking("b", Synapse(matrix(2), "a")),
        spiking("end", Synapse(Identity(), "b"), Synapse(Identity(), "x")),
    )
    sent = reference.run(graph, frames(2))
    assert sent["a"].shape == (2, STEPS, SIZE)
    np.testing.assert_array_equal(sent["a"][0], sent["a"][1])
    assert sent["a"].any()


def test_every_node_may_stand_before_its_feedback() -> None:
    """The order of a loop's nodes does not matter where delays allow both."""
    one = spiking("a", Synapse(matrix(1), "x"), Synapse(matrix(2), "b", 1))
    other = spiking("b", Synapse(matrix(3), "a", 2))
    end = spiking("end", Synapse(Identity(), "a"), Synapse(Identity(), "b"))
    runs = [
        reference.run(network(*nodes, end), frames())
        for nodes in itertools.permutations((one, other))
    ]
    for name in ("a", "b", "end"):
        np.testing.assert_array_equal(runs[0][name], runs[1][name])


# ---------------------------------------------------------------------------- computing order


def names(groups: tuple[tuple[Node, ...], ...]) -> list[list[str]]:
    return [[node.name for node in group] for group in groups]


def test_without_feedback_every_node_is_a_group_in_graph_order() -> None:
    graph = network(
        spiking("a", Synapse(matrix(1), "x")),
        spiking("b", Synapse(matrix(1), "x"), Synapse(matrix(1), "b", 1)),
        spiking("c", Synapse(Identity(), "a"), Synapse(Identity(), "b", 2)),
    )
    assert names(computing_order(graph)) == [["a"], ["b"], ["c"]]
    assert [in_loop(graph, name) for name in "abc"] == [False, True, False]


def test_loops_are_groups_behind_all_that_drives_them() -> None:
    """Two loops that share a node are one group; a later driver comes before its loop."""
    graph = network(
        spiking(
            "a", Synapse(matrix(1), "x"), Synapse(matrix(1), "c", 1), Synapse(matrix(1), "d", 1)
        ),
        spiking("b", Synapse(matrix(1), "a"), Synapse(matrix(1), "c", 2)),
        spiking("c", Synapse(matrix(1), "b")),
        spiking("d", Synapse(matrix(1), "x")),
        spiking("e", Synapse(matrix(1), "c")),
    )
    assert names(computing_order(graph)) == [["d"], ["a", "b", "c"], ["e"]]
    assert names((loop_of(graph, "b"),)) == [["a", "b", "c"]]
    assert [in_loop(graph, name) for name in "abcde"] == [True, True, True, False, False]
    sent = reference.run(graph, frames())
    assert set(sent) == {"x", "a", "b", "c", "d", "e"}


def test_a_long_chain_needs_no_recursion() -> None:
    nodes = [spiking("n0", Synapse(Identity(), "x"), Synapse(Identity(), "n1999", 1))]
    nodes += [spiking(f"n{k}", Synapse(Identity(), f"n{k - 1}")) for k in range(1, 2000)]
    output = Output("n1999", Readout.LAST)
    graph = Graph(
        Stage.INTEGER, (Input("x", SpikeType((SIZE,), STEPS, 3)),), tuple(nodes), (output,)
    )
    assert len(computing_order(graph)[0]) == 2000


@pytest.mark.parametrize("delay", [1, 3, STEPS - 1, STEPS, STEPS + 2])
def test_a_delay_of_any_length(delay: int) -> None:
    """Silence before; a train that is later than the frame is long is never heard."""
    late = Node("late", (Synapse(Identity(), "x", delay),), Relay(), SpikeType((SIZE,), STEPS, 3))
    x = frames()
    sent = reference.run(network(late), x)["late"]
    assert sent.shape == x.shape
    assert not sent[:, :delay].any()
    np.testing.assert_array_equal(sent[:, delay:], x[:, : max(0, STEPS - delay)])
