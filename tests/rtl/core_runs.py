"""A whole pipeline against the reference, node by node; shared by the tests of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Signal

from e3ne.gateware.core import Core
from e3ne.ir import Graph
from e3ne.ir.order import to_words
from e3ne.reference import run as reference_run

from .bench import Run, Sink, Source, always, simulate, to_payloads


class Observed:
    """The words that a node sends, as a stream for the bench; its ready does nothing."""

    def __init__(self, core: Core, index: int) -> None:
        probe = core.probes[index]
        end = probe.offset_bits + probe.word.value_bits
        self.valid = core.probe_strobe[index]
        self.payload = core.probe_data[probe.offset_bits : end]
        self.ready = Signal()


def check_core(
    graph: Graph,
    x: Any,
    pauses: tuple[float, float] = (0.0, 0.0),
    seed: int = 0,
    *,
    awake: tuple[Callable[[int], bool], Callable[[int], bool]] = (always, always),
    limit_cycles: int = 60_000,
) -> Run:
    """Frames x through `graph`: every word of every node is the reference's.

    `pauses` and `awake` are those of source and sink (bench.py). Returns the run; its first sink
    is the core's output, the others are the nodes.
    """
    core = Core(graph, "memory")
    values = reference_run(graph, x)
    word = core.i_word
    inputs = to_payloads(word, to_words(x, graph.inputs[0].type.shape, word.lanes, word.steps))
    wanted = [
        to_words(values[p.node], graph.edge(p.node).shape, p.word.lanes, p.word.steps)
        for p in core.probes
    ]
    counts = [words.shape[0] * words.shape[1] for words in wanted]
    out = [p.node for p in core.probes].index(graph.outputs[0].source)
    run = simulate(
        core,
        [Source(core.i, inputs, pauses[0], awake=awake[0])],
        [Sink(core.o, counts[out], pauses[1], awake=awake[1])]
        + [Sink(Observed(core, index), count) for index, count in enumerate(counts)],
        seed=seed,
        limit_cycles=limit_cycles,
    )
    assert run.sinks[0].payloads == to_payloads(core.o_word, wanted[out])
    for probe, words, seen in zip(core.probes, wanted, run.sinks[1:], strict=True):
        mask = (1 << probe.word.value_bits) - 1
        expected = [payload & mask for payload in to_payloads(probe.word, words)]
        assert seen.payloads == expected, f"node {probe.node}"
    return run
