"""Where skids stand: between LOGIC layers no `ready` goes from one to the other in a cycle."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.sim import Simulator

from e3ne.gateware.core import Core
from e3ne.ir import (
    Engine,
    Graph,
    Identity,
    Input,
    Linear,
    Mapping,
    Node,
    Output,
    Readout,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    frozen,
    verify,
)

from .core_runs import check_core

LAYERS = ("first", "second", "third")
WEIGHT = frozen(np.arange(9).reshape(3, 3) % 4 - 1, np.int64)


def layers(kinds: tuple[str, ...], queue: int) -> Graph:
    """Three layers of whole vectors, "logic" or "bare", with this queue behind the first one."""
    source, nodes = Input("x", SpikeType((3,), 1, 2), lanes=3), []
    last, bits = source.name, 4
    for name, kind in zip(LAYERS, kinds, strict=True):
        is_logic = kind == "logic"
        bits += 3 * is_logic
        mapping = Mapping(
            Engine.LOGIC if is_logic else Engine.DENSE,
            3,
            1,
            (SynapseMapping(3 if is_logic else 1),),
            queue if name == "first" else 0,
        )
        synapse = Synapse(Linear(WEIGHT) if is_logic else Identity(), last)
        nodes.append(Node(name, (synapse,), Relay(), SpikeType((3,), 1, bits, True), mapping))
        last = name
    output = Output(last, Readout.LAST)
    return verify(Graph(Stage.MAPPED, (source,), tuple(nodes), (output,), 1))


@pytest.mark.parametrize("queue", [0, 2])
@pytest.mark.parametrize(
    ("kinds", "shielded"),
    [
        (("logic", "logic", "logic"), "second"),
        (("logic", "bare", "logic"), "second"),
        (("logic", "bare", "bare"), "first"),
    ],
)
def test_no_ready_passes_logic_in_a_cycle(
    kinds: tuple[str, ...], shielded: str, queue: int
) -> None:
    graph = layers(kinds, queue)
    core = Core(graph, "memory")
    kept, passed = core.units[shielded].o.ready, core.units["third"].i0.ready
    changes = []

    async def watch(context):
        context.set(core.i0.valid, 1)
        for _ in range(30):
            seen = []
            for ready in (1, 0):
                context.set(core.o0.ready, ready)
                seen.append((context.get(kept), context.get(passed)))
            context.set(core.o0.ready, 1)
            changes.append(tuple(a != b for a, b in zip(*seen, strict=True)))
            await context.tick()

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(watch)
    simulator.run()
    assert not any(here for here, _ in changes)
    assert any(there for _, there in changes), "the last layer does see it: it is kept off"


def test_words_pass_skids_unchanged() -> None:
    x = np.random.default_rng(1).integers(0, 4, (4, 1, 3))
    check_core(layers(("logic", "logic", "bare"), 2), x, (0.3, 0.4), 1)
