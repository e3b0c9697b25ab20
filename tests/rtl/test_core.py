"""Random small networks: the whole pipeline equals the reference at every node."""

from __future__ import annotations

from amaranth.hdl import Signal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from e3ne.gateware.core import Core
from e3ne.ir.order import to_words
from e3ne.reference import run as reference_run
from tests.strategies import draw_frames, mapped_graphs

from .bench import Sink, Source, simulate, to_payloads


class Observed:
    """The words that a node sends, as a stream for the bench; its ready does nothing."""

    def __init__(self, core: Core, index: int) -> None:
        probe = core.probes[index]
        end = probe.offset_bits + probe.word.value_bits
        self.valid = core.probe_strobe[index]
        self.payload = core.probe_data[probe.offset_bits : end]
        self.ready = Signal()


QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(st.data())
def test_every_node_equals_the_reference(data):
    graph = data.draw(mapped_graphs())
    x = draw_frames(data.draw, graph, 3)
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)]))
    seed = data.draw(st.integers(0, 1000))
    core = Core(graph, "memory")
    values = reference_run(graph, x)
    source = graph.inputs[0]
    word = core.i_word
    inputs = to_payloads(word, to_words(x, source.type.shape, word.lanes, word.steps))
    wanted = [
        to_words(values[p.node], graph.edge(p.node).shape, p.word.lanes, p.word.steps)
        for p in core.probes
    ]
    out = [p.node for p in core.probes].index(graph.outputs[0].source)
    run = simulate(
        core,
        [Source(core.i, inputs, pauses[0])],
        [Sink(core.o, wanted[out].shape[0] * wanted[out].shape[1], pauses[1])]
        + [
            Sink(Observed(core, index), words.shape[0] * words.shape[1])
            for index, words in enumerate(wanted)
        ],
        seed=seed,
        limit_cycles=60_000,
    )
    assert run.sinks[0].payloads == to_payloads(core.o_word, wanted[out])
    for probe, words, seen in zip(core.probes, wanted, run.sinks[1:], strict=True):
        mask = (1 << probe.word.value_bits) - 1
        expected = [payload & mask for payload in to_payloads(probe.word, words)]
        assert seen.payloads == expected, f"node {probe.node}"
