"""Streams: frames are pieces of one train, bad frames leave no trace, nothing deadlocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.gateware.core import Core
from e3ne.ir import Graph
from e3ne.ir.order import to_words
from tests.strategies import draw_frames, mapped_graphs
from tests.streaming_networks import FRAMES, NETWORKS, STEPS, mapped, of_steps, train

from .bench import Sink, Source, simulate, to_payloads
from .core_runs import Observed, check_core
from .mutations import Mutation, label, mutated, survives
from .test_deadlock import STALLS
from .test_deadlock_loops import delayed_branch, loop_of_two, looped_graphs
from .test_deadlock_loops import run as run_loops

QUICK = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate,),
)
PAUSES = st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)])


@QUICK
@given(st.data())
def test_every_node_equals_the_reference(data):
    graph = replace(data.draw(mapped_graphs(several=True)), streaming=True)
    x = draw_frames(data.draw, graph, 4)
    check_core(graph, x, data.draw(PAUSES), data.draw(st.integers(0, 1000)))


@settings(parent=QUICK, max_examples=6)
@given(st.data())
def test_no_stall_pattern_deadlocks_a_stream_with_feedback(data):
    graph = replace(data.draw(looped_graphs()), streaming=True)
    x = draw_frames(data.draw, graph, 3)
    awake = data.draw(st.sampled_from(STALLS))
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.0, 0.8), (0.8, 0.0)]))
    check_core(graph, x, pauses, data.draw(st.integers(0, 1000)), awake=awake, limit_cycles=30_000)


def sent(graph: Graph, x: np.ndarray) -> dict[str, list[int]]:
    """The values of all words that each node sends, `last` left out."""
    core = Core(graph, "memory")
    words = to_words(x, graph.inputs[0].type.shape, core.i_words[0].lanes, 1)
    counts = [
        len(x) * graph.edge(p.node).neurons * graph.edge(p.node).steps // p.word.lanes
        for p in core.probes
    ]
    run = simulate(
        core,
        [Source(core.i0, to_payloads(core.i_words[0], words))],
        [Sink(core.o0, counts[-1])]
        + [Sink(Observed(core, index), count) for index, count in enumerate(counts)],
        limit_cycles=60_000,
    )
    return {p.node: seen.payloads for p, seen in zip(core.probes, run.sinks[1:], strict=True)}


@pytest.mark.parametrize(("name", "lanes"), [*((name, 2) for name in NETWORKS), ("synaptic", 1)])
def test_frames_are_one_long_train(name, lanes):
    """F frames of S steps send what one frame of F * S steps does that starts from reset."""
    graph = mapped(NETWORKS[name], lanes)
    x = train(graph)
    whole = of_steps(replace(graph, streaming=False), FRAMES * STEPS)
    assert sent(graph, x) == sent(whole, x.reshape(1, -1, *x.shape[2:]))
    assert sent(graph, x) != sent(replace(graph, streaming=False), x)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("cycle", [30, 77, 200])
def test_a_reset_clears_the_stream(name, cycle):
    """In the middle of whatever happens: then everything as after power-up."""
    graph = mapped(NETWORKS[name], 2)
    check_core(graph, train(graph), reset_at=cycle)


def test_a_delay_that_holds_no_step_more_deadlocks():
    run_loops(replace(loop_of_two(), streaming=True))
    graph = replace(delayed_branch(), streaming=True)
    run_loops(graph)
    shorter = Mutation("delays", "self.silent_words + words_per_step", "self.silent_words")
    with mutated(shorter), pytest.raises(AssertionError, match="not finished after 4000 cycles"):
        run_loops(graph)


# ------------------------------------------------------------------------------- mutations


def streams():
    for name in NETWORKS:
        graph = mapped(NETWORKS[name], 2)
        check_core(graph, train(graph), (0.2, 0.2), limit_cycles=6000)
    for name in ("lif", "delta"):
        single = mapped(of_steps(NETWORKS[name], 1), 2)  # one window a frame
        check_core(single, train(single, 6))


def reset_streams():
    for name in ("lif", "synaptic", "delayed", "recurrent", "delta"):
        graph = mapped(NETWORKS[name], 2)
        check_core(graph, train(graph), reset_at=150, limit_cycles=6000)


ONLY_MEMBRANES = "streaming and not isinstance(node.neuron, Encode)"
MUTATIONS: list[Any] = [
    Mutation("neurons.membrane", "if self.windows.streaming:", "if False:"),  # resets at frames
    Mutation("neurons.membrane", "Signal(init=1)", "Signal(init=0)"),
    Mutation("neurons.membrane", "m.d.sync += fresh.eq(0)", "pass"),
    Mutation("neurons.membrane", "return fresh & ~ends_window", "return fresh"),
    Mutation("neurons.membrane", "return fresh & ~ends_window", "return Const(0)"),
    Mutation("neurons.membrane", "self.words if self.streaming or", "self.words if"),
    Mutation("delays", "if not self.streaming:", "if True:"),
    Mutation("delays", "if streaming:\n", "if False:\n"),
    Mutation("delays", "init=self.silent_words)", "init=self.silent_words - 1)"),
    Mutation("delays", "goes & (left != 0)", "left != 0"),
    Mutation("delays", "self.o.ready & begun & ~silent", "self.o.ready & ~silent"),
    Mutation("delays", "words_per_step * delay_steps, self", "words_per_step, self"),
    Mutation("core", "synapse.delay, self.graph.streaming", "synapse.delay, False"),
    Mutation("node_unit", "streaming=graph.streaming", "streaming=False"),
    Mutation("neurons.unit", "streaming and goes_on(node.neuron)", ONLY_MEMBRANES),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=label)
def test_mutation_is_caught(mutation):
    assert not survives(mutation, [streams, reset_streams])


def test_the_checks_pass_as_it_is():
    streams()
    reset_streams()
