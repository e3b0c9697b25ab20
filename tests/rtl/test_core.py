"""Random small networks: the whole pipeline equals the reference at every node."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.strategies import draw_frames, mapped_graphs

from .core_runs import check_core

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), phases=QUICK)
@given(st.data())
def test_every_node_equals_the_reference(data):
    graph = data.draw(mapped_graphs(several=True))
    x = draw_frames(data.draw, graph, 3)
    pauses = data.draw(st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)]))
    check_core(graph, x, pauses, data.draw(st.integers(0, 1000)))
