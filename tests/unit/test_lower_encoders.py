"""Encoders by configuration: the graph that is compiled, its samples, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from e3ne import reference
from e3ne.config import Config, parse_config
from e3ne.ir import (
    BadInput,
    Encode,
    Graph,
    Identity,
    Input,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Rectify,
    Relay,
    SpikeType,
    Stage,
    Synapse,
    UnsupportedModel,
    frozen,
    verify,
)
from e3ne.lower import lower, prepared, refusals
from e3ne.lower.calibrate import unmeasured
from e3ne.lower.encode_inputs import encode_inputs
from e3ne.lower.fidelity import spike_agreement

SHAPE = (1, 2, 3)
FIRE = IntegrateFire(1.0, 0.9)
MATRIX = Linear(frozen(np.linspace(-1, 1.5, 24).reshape(4, 6), np.float32))
SECOND = Linear(frozen(np.linspace(-1, 1, 12).reshape(3, 4), np.float32))


def network(input_steps: int = 8, steps: int = 8, neuron: Any = FIRE) -> Graph:
    """Two layers of neurons of `steps` steps; with an input of one step it is direct coded."""
    fc1 = Node("fc1", (Synapse(MATRIX, "x"),), Relay(), SpikeType((4,), input_steps))
    one = Node("lif1", (Synapse(Identity(), "fc1"),), neuron, SpikeType((4,), steps))
    two = Node("lif2", (Synapse(SECOND, "lif1"),), FIRE, SpikeType((3,), steps))
    inputs = (Input("x", SpikeType(SHAPE, input_steps)),)
    return verify(Graph(Stage.FLOAT, inputs, (fc1, one, two), (Output("lif2", Readout.COUNT),)))


def config(**chosen: Any) -> Config:
    return parse_config({"input": chosen})


def samples(*lead: int, seed: int = 0) -> np.ndarray:
    """Samples of 0 .. 1, the largest of them 1."""
    found = np.random.default_rng(seed).random((*lead, *SHAPE))
    found.flat[0] = 1.0
    return found


KINDS: list[tuple[Mapping[str, Any], int]] = [
    ({"encoder": "regular"}, 8),
    ({"encoder": "regular", "bits": 5}, 8),
    ({"encoder": "bernoulli", "seed": 77}, 8),
    ({"encoder": "latency", "bits": 6}, 8),
    ({"encoder": "radix"}, 8),
    ({"encoder": "radix"}, 5),
]


@pytest.mark.parametrize("input_steps", ["trains", "direct"])
@pytest.mark.parametrize(("chosen", "steps"), KINDS, ids=str)
def test_an_input_gets_its_encoder(chosen: Mapping[str, Any], steps: int, input_steps: str) -> None:
    before = network(steps if input_steps == "trains" else 1, steps)
    x = samples(20)
    graph = encode_inputs(before, x, config(**chosen))
    neuron = graph.node("x.encoder").neuron
    assert isinstance(neuron, Encode)
    assert (neuron.kind, neuron.seed) == (chosen["encoder"], chosen.get("seed", 1))
    assert neuron.bits == chosen.get("bits", steps if chosen["encoder"] == "radix" else 8)
    assert neuron.unit == 1 / (2**neuron.bits - 1)
    assert graph.inputs[0].type == SpikeType(SHAPE, 1)
    assert [node.type.steps for node in graph.nodes] == [steps] * 4
    trains = reference.run(graph, x)["x.encoder"]
    assert np.array_equal(
        reference.run(network(steps, steps), trains)["lif2"], reference.run(graph, x)["lif2"]
    )
    assert encode_inputs(graph, x, config(**chosen)) is graph  # there already


@pytest.mark.parametrize(("chosen", "steps"), KINDS, ids=str)
def test_lowering_goes_over_the_line_with_it(chosen: Mapping[str, Any], steps: int) -> None:
    x, settings = samples(20), config(**chosen)
    ready = prepared(network(steps, steps), x, settings)
    integer = lower(network(steps, steps), x, settings)
    neuron = integer.node("x.encoder").neuron
    assert isinstance(neuron, Encode)
    assert neuron == ready.node("x.encoder").neuron
    source = integer.inputs[0]
    assert (source.type, source.scale) == (SpikeType(SHAPE, 1, neuron.bits), neuron.unit)
    assert integer.node("x.encoder").type == SpikeType(SHAPE, steps, 1)
    words = reference.encode_input(source, x.reshape(20, 1, *SHAPE))
    trains = reference.run(integer, words)["x.encoder"]
    assert np.array_equal(trains, reference.run(ready, x)["x.encoder"])
    assert spike_agreement(ready, integer, x.reshape(20, 1, *SHAPE))["lif2"].fraction > 0.9


def test_delta_takes_samples_of_all_steps() -> None:
    x = np.random.default_rng(2).uniform(-1, 1, (9, 8, *SHAPE))
    x.flat[0] = -1.27
    settings = config(encoder="delta", threshold=0.2)
    integer = lower(network(), x, settings)
    assert integer.node("x.encoder").neuron == Encode("delta", 8, 0.01, 1, 20, True)
    assert integer.inputs[0].type == SpikeType(SHAPE, 8, 8, True)
    assert integer.node("x.encoder").type == SpikeType(SHAPE, 8, 2, True)
    unsigned = lower(network(), np.abs(x), settings)
    assert unsigned.inputs[0].type == SpikeType(SHAPE, 8, 8)


def test_without_calibration_the_user_says_the_scale() -> None:
    integer = lower(network(), None, config(encoder="regular", scale=0.5, bits=4))
    assert (integer.inputs[0].type.bits, integer.inputs[0].scale) == (4, 0.5)
    assert unmeasured(integer, config(encoder="regular", scale=0.5)) == []


def test_check_shows_encoders_whose_unit_is_not_known() -> None:
    graph, refused = refusals(network(), config(encoder="latency"))
    assert not refused
    assert graph.node("x.encoder").type.steps == 8
    assert unmeasured(graph, config(encoder="latency")) == ["x"]
    _, refused = refusals(network(1, 1), config(encoder="latency"))
    assert len(refused) == 1
    assert "found encoder latency for a network of one time step" in refused[0]


def two_inputs(steps: int, other: int) -> Graph:
    """Inputs x of trains and y of `other` steps, which meet in one population."""
    second = Linear(frozen(np.linspace(-1, 1, 16).reshape(4, 4), np.float32))
    node = Node("fc", (Synapse(MATRIX, "x"), Synapse(second, "y")), FIRE, SpikeType((4,), steps))
    inputs = (Input("x", SpikeType(SHAPE, other)), Input("y", SpikeType((4,), other)))
    return verify(Graph(Stage.FLOAT, inputs, (node,), (Output("fc", Readout.COUNT),)))


def test_several_inputs_by_their_names() -> None:
    chosen = parse_config(
        {"input": {"x": {"encoder": "regular"}, "y": {"encoder": "bernoulli", "seed": 5}}}
    )
    data = {"x": samples(6), "y": np.random.default_rng(0).random((6, 4))}
    graph = encode_inputs(two_inputs(8, 8), data, chosen)
    assert graph.node("x.encoder").neuron.kind == "regular"  # type: ignore[union-attr]
    assert graph.node("y.encoder").neuron.seed == 5  # type: ignore[union-attr]
    one = parse_config({"input": {"x": {"encoder": "regular"}}})
    trains = {"x": samples(6), "y": np.random.default_rng(0).random((6, 8, 4)) < 0.5}
    graph = encode_inputs(two_inputs(8, 8), trains, one)
    assert [node.name for node in graph.nodes] == ["x.encoder", "fc"]
    assert [source.type.steps for source in graph.inputs] == [1, 8]


def test_the_input_whose_frames_are_trains_is_named() -> None:
    chosen = parse_config({"input": {"encoder": "regular"}})
    for data in (
        {"x": samples(6), "y": np.random.default_rng(0).random((6, 8, 4))},
        (samples(6), np.random.default_rng(0).random((6, 8, 4))),
    ):
        with pytest.raises(BadInput) as caught:
            encode_inputs(two_inputs(8, 8), data, chosen)
        told = [text for text in caught.value.problems if "the encoder makes the steps" in text]
        assert [text.split(":")[0] for text in told] == ["input y"]


def test_trains_do_not_meet_samples() -> None:
    one = parse_config({"input": {"x": {"encoder": "regular"}}})
    with pytest.raises(UnsupportedModel, match="fc: found trains of the encoder of x beside samp"):
        encode_inputs(two_inputs(8, 1), None, one)


BAD = [
    (network(1, 1), {"encoder": "bernoulli"}, "found encoder bernoulli for a network of one time"),
    (network(1, 1), {"encoder": "radix"}, "found encoder radix for a network of one time step"),
    (network(), {"encoder": "radix", "bits": 4}, "radix encoder of input.bits 4 for 8 steps, acc"),
    (network(20, 20), {"encoder": "radix"}, r"radix encoder of 20 steps, accepted 1 \.\. 16"),
    (network(1), {"encoder": "delta", "threshold": 1}, "delta encoder for samples of one step"),
    (network(), {"encoder": "radix", "events": True}, "found encoder radix with input.events, acc"),
    (network(), {"encoder": "delta"}, "found no input.threshold for the delta encoder, accepted a"),
    (network(), {"encoder": "latency", "signed": True}, "signed samples for a latency encoder, ac"),
]


@pytest.mark.parametrize(("graph", "chosen", "message"), BAD, ids=[text for *_, text in BAD])
def test_choices_that_do_not_fit_are_refused(
    graph: Graph, chosen: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=f"input x: .*{message}") as caught:
        encode_inputs(graph, None, config(**chosen))
    assert len(caught.value.problems) == 1


BAD_DATA = [
    ({"encoder": "regular"}, samples(5) - 0.5, r"found samples -0\.\d+ \.\. 0\.5 for a regular"),
    ({"encoder": "regular"}, None, "found no calibration frames for the regular encoder, accepted"),
    ({"encoder": "regular"}, samples(5, 8), "calibration frames of 8 steps, accepted samples with"),
    (
        {"encoder": "delta", "threshold": 0.001},
        samples(5, 8),
        r"input\.threshold 0\.001, less than half a unit of 0\.00392157, accepted a unit",
    ),
    (
        {"encoder": "delta", "threshold": 1, "bits": 1},
        samples(5, 8) - 0.5,
        "found 1 bit with a sign, accepted 2 or more",
    ),
]


@pytest.mark.parametrize(("chosen", "x", "message"), BAD_DATA, ids=[text for *_, text in BAD_DATA])
def test_data_that_do_not_fit_are_refused(chosen: Any, x: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        encode_inputs(network(), x, config(**chosen))


def test_a_model_has_one_encoder() -> None:
    graph = encode_inputs(network(), samples(4), config(encoder="regular"))
    with pytest.raises(BadInput, match="found encoder latency in the configuration and a regular"):
        encode_inputs(graph, samples(4), config(encoder="latency"))


def test_seeds_and_thresholds_are_checked_by_the_configuration() -> None:
    with pytest.raises(
        BadInput, match=r"config.input.seed: found 0, accepted an integer 1 \.\. 65"
    ):
        config(encoder="bernoulli", seed=0)
    with pytest.raises(BadInput, match=r"config.input.threshold: found 0, accepted a number > 0"):
        config(encoder="delta", threshold=0)


def test_relus_of_trains_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="fc1: found a ReLU with 8 time steps"):
        lower(
            network(1, 1, Rectify(1.0)).with_nodes(rectified()), samples(4), config(encoder="radix")
        )


def rectified() -> list[Node]:
    """A ReLU on the samples, then neurons of 8 steps."""
    nodes = list(network(1, 8).nodes)
    relu = Node("relu", (Synapse(Identity(), "fc1"),), Rectify(1.0), SpikeType((4,)))
    lif = Node("lif1", (Synapse(Identity(), "relu"),), FIRE, SpikeType((4,), 8))
    return [nodes[0], relu, lif, nodes[2]]
