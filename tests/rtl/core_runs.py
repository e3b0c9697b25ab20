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
    reset_at: int | None = None,
) -> Run:
    """Frames x (a tuple where there are several inputs) through `graph`: every word is right.

    `pauses`, `awake` and `reset_at` are those of bench.py. Returns the run; its first sinks are the
    core's outputs, the others are the nodes.
    """
    core = Core(graph, "memory")
    arrays = x if isinstance(x, tuple) else (x,)
    values = reference_run(graph, *arrays)
    sources = []
    for index, (source, word) in enumerate(zip(graph.inputs, core.i_words, strict=True)):
        words = to_words(arrays[index], source.type.shape, word.lanes, word.steps)
        stream = getattr(core, f"i{index}")
        sources.append(Source(stream, to_payloads(word, words), pauses[0], awake=awake[0]))
    wanted = [
        to_words(values[p.node], graph.edge(p.node).shape, p.word.lanes, p.word.steps)
        for p in core.probes
    ]
    counts = [words.shape[0] * words.shape[1] for words in wanted]
    places = [[p.node for p in core.probes].index(output.source) for output in graph.outputs]
    run = simulate(
        core,
        sources,
        [
            Sink(getattr(core, f"o{index}"), counts[place], pauses[1], awake=awake[1])
            for index, place in enumerate(places)
        ]
        + [Sink(Observed(core, index), count) for index, count in enumerate(counts)],
        seed=seed,
        limit_cycles=limit_cycles,
        reset_at=reset_at,
    )
    for place, word, seen in zip(places, core.o_words, run.sinks, strict=False):
        assert seen.payloads == to_payloads(word, wanted[place])
    for probe, words, seen in zip(core.probes, wanted, run.sinks[len(places) :], strict=True):
        mask = (1 << probe.word.value_bits) - 1
        expected = [payload & mask for payload in to_payloads(probe.word, words)]
        assert seen.payloads == expected, f"node {probe.node}"
    return run
