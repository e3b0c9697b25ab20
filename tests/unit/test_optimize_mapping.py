"""The mapper on networks of every structure: fits, keeps what is fixed, says what would fit."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.lut_cases import LEAKY, integers
from e3ne.boards import load_board
from e3ne.config import Config, MappingConfig, parse_config
from e3ne.cost import frame_interval, node_cycles, predict
from e3ne.cost.schedule import frame_latency, node_times
from e3ne.ir import (
    BadInput,
    Conv2d,
    DoesNotFit,
    Graph,
    Identity,
    Input,
    Linear,
    MaxPool2d,
    Node,
    Output,
    Readout,
    Relay,
    Requantize,
    SpikeType,
    Stage,
    Synapse,
    SynapseMapping,
    frozen,
    text,
    verify,
)
from e3ne.optimize import choose_mapping
from e3ne.optimize.windows import allowed_windows
from tests.fixed_lanes import few_lanes

LARGE = load_board("ulx3s-85f")
SMALL = load_board("icebreaker")


def spiking(steps: int = 10, inputs: int = 64, hidden: int = 32) -> Graph:
    """Two layers of Leaky neurons."""
    return graph_of(
        SpikeType((inputs,), steps, 1),
        node("first", Linear(integers((hidden, inputs), 4)), "input", hidden, steps),
        node("last", Linear(integers((10, hidden), 4)), "first", 10, steps),
    )


def residual() -> Graph:
    """A convolution and a bare edge join before the classes."""
    type = SpikeType((4, 6, 6), 1, 4)
    block = Node(
        "block",
        (Synapse(Conv2d(integers((4, 4, 3, 3), 4), padding=(1, 1)), "stem"),
         Synapse(Identity(), "stem", gain=8)),
        Requantize(1, 4),
        type,
    )  # fmt: skip
    stem = Conv2d(integers((4, 1, 3, 3), 4), padding=(1, 1))
    return graph_of(
        SpikeType((1, 6, 6), 1, 4),
        Node("stem", (Synapse(stem, "input"),), Requantize(1, 4), type),
        block,
        classes("block", type),
    )


def recurrent() -> Graph:
    """Spikes feed back one step later."""
    loop = Synapse(Linear(integers((16, 16), 4)), "loop", delay=1)
    first = Synapse(Linear(integers((16, 24), 4)), "input")
    return graph_of(
        SpikeType((24,), 6, 1),
        Node("loop", (first, loop), LEAKY, SpikeType((16,), 6, 1)),
        node("last", Linear(integers((10, 16), 4)), "loop", 10, 6),
    )


def hybrid() -> Graph:
    """A spiking front of eight steps, and one step behind it."""
    hidden = SpikeType((16,), 8, 1)
    summed = Node(
        "summed",
        (Synapse(Linear(integers((12, 16), 4)), "front"),),
        Requantize(1, 3),
        SpikeType((12,), 1, 4),
    )
    return graph_of(
        SpikeType((24,), 8, 1),
        replace(node("front", Linear(integers((16, 24), 4)), "input", 16, 8), type=hidden),
        summed,
        classes("summed", summed.type),
    )


def grouped(groups: int = 2) -> Graph:
    """A grouped convolution, a depthwise one and a pooling."""
    type = SpikeType((8, 6, 6), 1, 4)
    pooled = SpikeType((8, 3, 3), 1, 4)
    first = Conv2d(integers((8, 4 // groups, 3, 3), 4), padding=(1, 1), groups=groups)
    deep = Conv2d(integers((8, 1, 3, 3), 4), padding=(1, 1), groups=8)
    return graph_of(
        SpikeType((4, 6, 6), 1, 4),
        Node("grouped", (Synapse(first, "input"),), Requantize(1, 3), type),
        Node("depthwise", (Synapse(deep, "grouped"),), Requantize(1, 3), type),
        Node("pool", (Synapse(MaxPool2d((2, 2), (2, 2)), "depthwise"),), Relay(), pooled),
        classes("pool", pooled),
    )


def node(name: str, op: Linear, source: str, size: int, steps: int) -> Node:
    return Node(name, (Synapse(op, source),), LEAKY, SpikeType((size,), steps, 1))


def classes(source: str, type: SpikeType) -> Node:
    op = Linear(integers((10, type.neurons), 4))
    return Node("classes", (Synapse(op, source),), Relay(), SpikeType((10,), 1, 16, True))


def graph_of(source: SpikeType, *nodes: Node) -> Graph:
    output = Output(nodes[-1].name, Readout.COUNT if source.steps > 1 else Readout.LAST)
    return verify(Graph(Stage.INTEGER, (Input("input", source),), nodes, (output,)))


@pytest.mark.parametrize("build", [spiking, residual, recurrent, hybrid, grouped])
@pytest.mark.parametrize("utilisation", [0.05, 0.6])
def test_networks_of_every_structure_map(build, utilisation):
    mapped = choose_mapping(build(), LARGE, Config(utilisation=utilisation))
    assert mapped.stage is Stage.MAPPED
    found = predict(mapped)
    assert found.luts <= utilisation * LARGE.resources.luts
    assert found.interval_cycles <= found.latency_cycles + 50


def test_more_luts_are_spent_where_they_shorten_the_interval():
    small, large = (choose_mapping(spiking(), LARGE, Config(utilisation=u)) for u in (0.03, 0.3))
    assert predict(large).interval_cycles < predict(small).interval_cycles / 2


def test_a_tiny_network_does_not_fill_the_part():
    tiny = graph_of(
        SpikeType((16,), 1, 4),
        Node("only", (Synapse(Linear(integers((4, 16), 4)), "input"),), Relay(),
             SpikeType((4,), 1, 12, True)),
    )  # fmt: skip
    assert predict(choose_mapping(tiny, LARGE, Config())).luts < 0.05 * LARGE.resources.luts


def test_windows_that_may_be_chosen():
    assert allowed_windows(spiking(10), None) == [1, 2, 5, 10]
    assert allowed_windows(spiking(10), 5) == [5]
    assert allowed_windows(spiking(100), None) == [1, 2, 4, 5, 10, 20, 25]
    assert allowed_windows(spiking(37), None) == [1]
    assert allowed_windows(recurrent(), None) == [1]
    assert allowed_windows(hybrid(), None) == [8]
    assert allowed_windows(residual(), None) == [1]


def test_a_window_that_the_network_cannot_have_is_refused():
    with pytest.raises(BadInput, match=r"config\.window: found 4, accepted 1, 2, 5, 10"):
        choose_mapping(spiking(10), LARGE, Config(window=4))
    with pytest.raises(BadInput, match="found 6, accepted 1 for this network"):
        choose_mapping(recurrent(), LARGE, Config(window=6))


def test_the_chosen_window_is_no_slower_than_any_fixed_one():
    free = predict(choose_mapping(spiking(25), LARGE, Config(utilisation=0.1)))
    for window in (1, 5, 25):
        fixed = choose_mapping(spiking(25), LARGE, Config(utilisation=0.1, window=window))
        assert fixed.steps_in_window == window
        assert free.interval_cycles <= predict(fixed).interval_cycles


def test_fixed_lanes_are_kept():
    fixed = {"first": MappingConfig(in_lanes=8, out_lanes=4, step_lanes=2, neuron_lanes=2)}
    mapped = (
        choose_mapping(spiking(), LARGE, Config(mapping=fixed, input_lanes=4)).node("first").mapping
    )
    assert mapped is not None
    assert (mapped.out_lanes, mapped.neuron_lanes, mapped.synapses[0].in_lanes) == (4, 2, 8)
    assert mapped.synapses[0].step_lanes == 2


def test_lanes_with_rows_of_their_own_are_kept():
    """Three of them, which divide nothing."""
    fixed = MappingConfig("event", in_lanes=3, out_lanes=4, step_lanes=2, lane_rows=True)
    settings = parse_config({"mapping": {"first": {"lane_rows": True, "engine": "event"}}})
    assert settings.mapping["first"] == MappingConfig("event", lane_rows=True)
    mapped = choose_mapping(spiking(), LARGE, Config(mapping={"first": fixed}, input_lanes=4))
    assert mapped.node("first").mapping.synapses[0] == SynapseMapping(3, 2, lane_rows=True)
    assert "3x2 lane_rows" in text(mapped)


def test_lanes_that_no_layout_has_are_refused():
    config = Config(mapping={"first": MappingConfig(out_lanes=7)})
    with pytest.raises(DoesNotFit, match=r"config\.mapping\.first: found no layout with"):
        choose_mapping(spiking(), LARGE, config)


@pytest.mark.parametrize(("fixed", "found"), [(4, None), (2, 2), (1, 1)])
def test_as_many_bits_at_once_as_the_user_fixes(fixed: int, found: int | None):
    graph = graph_of(
        SpikeType((16,), 1, 4), node("only", Linear(integers((8, 16), 4)), "input", 8, 1)
    )
    config = Config(mapping={"only": MappingConfig("logic", bit_lanes=fixed)})
    mapping = choose_mapping(graph, LARGE, config).node("only").mapping
    assert mapping is not None
    assert mapping.synapses[0].bit_lanes == found


def test_windows_without_the_fixed_step_lanes_are_left_out():
    config = Config(mapping={"first": MappingConfig(step_lanes=5)})
    assert choose_mapping(spiking(10), LARGE, config).steps_in_window in (5, 10)


def test_too_many_luts_names_need_have_and_what_would_fit():
    wide = spiking(steps=32, inputs=64, hidden=64)
    with pytest.raises(DoesNotFit) as error:
        choose_mapping(wide, SMALL, Config(utilisation=0.1))
    message = str(error.value)
    assert "board icebreaker: found a network of about " in message
    assert "LUTs in its smallest layout, accepted 10% of 5,280" in message
    assert "take ice40-hx8k" in message or "take a larger part" in message
    assert "raise `utilisation`" in message


def test_too_much_memory_names_need_have_and_what_would_fit():
    weight = frozen(np.random.default_rng(1).integers(-127, 128, (512, 512)), np.int64)
    large = graph_of(
        SpikeType((512,), 1, 4),
        Node("big", (Synapse(Linear(weight), "input"),), Requantize(1, 8), SpikeType((512,), 1, 4)),
        classes("big", SpikeType((512,), 1, 4)),
    )
    with pytest.raises(DoesNotFit) as error:
        choose_mapping(large, SMALL, Config(utilisation=1.0))
    message = str(error.value)
    assert "board icebreaker: found a network of " in message
    assert "block RAMs in its smallest layout, accepted 30; take " in message


def test_latency_from_known_times_is_the_same():
    mapped = choose_mapping(grouped(), LARGE, Config(utilisation=0.1))
    times = node_times(mapped)
    known = {name: times[name] for name in ("input", "grouped", "depthwise")}
    assert frame_latency(mapped, known) == frame_latency(mapped)
    late = {**known, "depthwise": times["depthwise"] + 100}
    assert frame_latency(mapped, late) == frame_latency(mapped) + 100


def test_mapping_is_quick():
    """1 to 2 s of CPU where other processes share its core."""
    started = time.process_time()
    choose_mapping(spiking(25, 192, 48), LARGE, Config())
    assert time.process_time() - started < 4


def looped(steps: int = 20) -> Graph:
    """Two populations that drive each other; the second one stands behind its reader."""
    back = Synapse(Linear(integers((16, 24), 4)), "second", delay=1)
    first = node("first", Linear(integers((16, 32), 4)), "input", 16, steps)
    return graph_of(
        SpikeType((32,), steps, 1),
        replace(first, synapses=(*first.synapses, back)),
        node("second", Linear(integers((24, 16), 4)), "first", 24, steps),
        node("last", Linear(integers((10, 24), 4)), "second", 10, steps),
    )


def test_feedback_over_several_nodes_is_mapped_in_windows_of_one_step():
    graph = looped()
    assert allowed_windows(graph, None) == [1]
    mapped = choose_mapping(graph, LARGE, Config())
    assert mapped.steps_in_window == 1


def test_a_loop_bounds_the_interval():
    """A step waits for the other population and for itself: longer than both take."""
    mapped = few_lanes(looped())
    alone = [node_cycles(mapped, mapped.node(name)) for name in ("first", "second")]
    assert sum(alone) < frame_interval(mapped) < 1.1 * sum(alone)
    # Steps behind the first sixteen take as long as these.
    steps = {count: map_like(mapped, count) for count in (20, 40, 80)}
    assert steps[80] - steps[40] == pytest.approx(2 * (steps[40] - steps[20]), rel=0.02)


def map_like(mapped: Graph, steps: int) -> int:
    """The interval of the same layout for more steps."""
    inputs = tuple(replace(x, type=replace(x.type, steps=steps)) for x in mapped.inputs)
    nodes = [replace(n, type=replace(n.type, steps=steps)) for n in mapped.nodes]
    return frame_interval(replace(mapped, inputs=inputs).with_nodes(nodes))
