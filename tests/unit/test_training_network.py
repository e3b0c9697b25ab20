"""Training on the graph: exact integers, gradients, masks, bits, and models of libraries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import snntorch
import torch
from spikingjelly.activation_based import layer, neuron
from torch import nn

from e3ne import reference
from e3ne.config import Config, parse_config
from e3ne.frontend import trace
from e3ne.ir import (
    Array,
    BadInput,
    Encode,
    Flatten,
    Graph,
    Identity,
    Input,
    Integrate,
    IntegrateFire,
    Linear,
    Node,
    Output,
    Readout,
    Rectify,
    SpikeType,
    Stage,
    Synapse,
    frozen,
    verify,
)
from e3ne.lower import lower, prepared
from e3ne.lower.fidelity import quantized_state
from e3ne.training import walk
from e3ne.training.encoders import Delta
from e3ne.training.fit import Schedule, fit, make_deterministic
from e3ne.training.network import QuantizedNetwork
from e3ne.training.readouts import scored_by
from e3ne.training.twin import accuracy
from tests.trained import assert_same_integers, scrambled, shares_divisors, structure
from tests.unit.lower_graphs import chain, conv, frames, linear, max_pool, norm, real, then

STEPS = 12
LIF = IntegrateFire(1.0, 0.9)


def radix_cnn() -> Graph:
    layers = {"conv": conv(6, 2), "norm": norm(6), "relu": Rectify(), "pool": max_pool()}
    layers |= {"flat": Flatten(), "fc": linear(5, 54), "relu2": Rectify(1.5), "out": linear(3, 5)}
    return chain((2, 8, 8), layers)  # type: ignore[arg-type]


def lif_mlp(lif: IntegrateFire = LIF, last: Integrate | IntegrateFire | None = None) -> Graph:
    layers = {"fc1": linear(16, 8), "lif1": lif, "fc2": linear(4, 16), "lif2": last or lif}
    return chain((8,), layers, STEPS)  # type: ignore[arg-type]


def recurrent() -> Graph:
    graph = chain((8,), {"fc": linear(6, 8)}, input_steps=STEPS)
    back = Synapse(Linear(real(6, 6, seed=4)), "lif", delay=1)
    type = SpikeType((6,), STEPS)
    graph = then(graph, Node("lif", (Synapse(Identity(), "fc"), back), LIF, type))
    readout = Node("out", (Synapse(linear(3, 6), "lif"),), Integrate(0.9), SpikeType((3,), STEPS))
    return then(graph, readout)


def residual() -> Graph:
    graph = chain((6,), {"fc": linear(6, 6), "relu": Rectify(1.0)})
    branch = (Synapse(linear(6, 6, seed=3), "relu"), Synapse(Identity(), "relu"))
    graph = then(graph, Node("sum", branch, Rectify(2.0), SpikeType((6,))))
    return then(graph, Node("out", (Synapse(linear(3, 6), "sum"),), Rectify(1.0), SpikeType((3,))))


def conv_snn() -> Graph:
    layers = {"conv": conv(4, 1), "lif": LIF, "pool": max_pool(), "flat": Flatten()}
    layers |= {"fc": linear(3, 36), "out": IntegrateFire(1.0, 0.8, reset="to_value")}
    return chain((1, 8, 8), layers, STEPS)  # type: ignore[arg-type]


def cuba() -> Graph:
    return lif_mlp(replace(LIF, synaptic_decay=0.75), Integrate(0.9, synaptic_decay=0.8))


def graded() -> Graph:
    return lif_mlp(IntegrateFire(0.3, 1.0, reset_step="same", max_spikes=3, fire_on=">="))


def streaming() -> Graph:
    return replace(recurrent(), streaming=True)


def encoded() -> Graph:
    source = Input("x", SpikeType((8,)))
    encoder = Encode("regular", 5, 1 / 32)
    coded = Node("coded", (Synapse(Identity(), "x"),), encoder, SpikeType((8,), STEPS))
    fc = Node("fc", (Synapse(linear(4, 8), "coded"),), LIF, SpikeType((4,), STEPS))
    return verify(Graph(Stage.FLOAT, (source,), (coded, fc), (Output("fc", Readout.COUNT),)))


def changes() -> Graph:
    """A stream of samples behind a delta encoder, whose level goes on from frame to frame."""
    train = SpikeType((8,), STEPS)
    encoder = Encode("delta", 5, 1 / 32, threshold=6)
    coded = Node("coded", (Synapse(Identity(), "x"),), encoder, train)
    fc = Node("fc", (Synapse(linear(4, 8), "coded"),), LIF, SpikeType((4,), STEPS))
    graph = Graph(Stage.FLOAT, (Input("x", train),), (coded, fc), (Output("fc", Readout.COUNT),))
    return verify(replace(graph, streaming=True))


ZOO = (
    *(radix_cnn, lif_mlp, recurrent, residual, conv_snn, cuba, graded),
    *(streaming, encoded, changes),
)


def samples(graph: Graph, count: int = 20, seed: int = 0) -> Array:
    """Samples in 0 .. 1, or spikes."""
    type = graph.inputs[0].type
    x = frames(count, type.steps, *type.shape, seed=seed)
    encoded = any(isinstance(node.neuron, Encode) for node in graph.nodes)
    return (x > 0.5).astype(float) if type.steps > 1 and not encoded else x


def network_of(graph: Graph, chosen: dict[str, Any] | None = None, **options: Any) -> Any:
    config = parse_config(chosen or {"default": {"weight_bits": 4}})
    x = samples(graph)
    return QuantizedNetwork(prepared(graph, x, config), config, x, **options)


@pytest.mark.parametrize("bits", [1, 1.58, 4, 8])
@pytest.mark.parametrize("kind", ["integer", "power_of_two"])
@pytest.mark.parametrize("make", ZOO, ids=lambda make: make.__name__)
def test_four_ways_to_the_same_integers(make: Any, kind: str, bits: float) -> None:
    graph = make()
    chosen = {"scale": kind, "default": {"weight_bits": bits, "per_channel": make in ZOO[::2]}}
    network = network_of(graph, chosen)
    for seed in (1, 2):
        if not shares_divisors(network):
            sent = assert_same_integers(network, samples(graph, seed=seed))
            assert any(train.any() for train in sent.values())
        scrambled(network, seed)


@pytest.mark.parametrize(
    ("make", "chosen"),
    [
        (radix_cnn, {"code": "rate", "steps": 8}),
        (radix_cnn, {"code": "rate", "steps": 8, "input": {"encoder": "bernoulli", "bits": 5}}),
        (lif_mlp, {"steps": STEPS, "input": {"encoder": "latency", "bits": 5}}),
        (radix_cnn, {"equalize": True, "correct_biases": True}),
        (recurrent, {"default": {"fit_threshold": True}}),
    ],
)
def test_networks_that_lowering_has_changed_train_as_they_are(make: Any, chosen: Any) -> None:
    network = network_of(make(), chosen)
    scrambled(network, 1)
    assert_same_integers(network, samples(make()))
    found = lower(network.float_graph(), None, network.config)
    assert structure(found) == structure(network.export())


def test_a_broken_pass_is_caught() -> None:
    network = network_of(lif_mlp())
    network.integers.held["fc1.threshold"] = network.integers.held["fc1.threshold"] * 1.02
    with pytest.raises(AssertionError, match="forward, fc1"):
        assert_same_integers(network, samples(lif_mlp(), 200))


@pytest.mark.parametrize("quantizing", [False, True])
def test_changes_between_frames_are_seen_in_training(
    quantizing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trains of one long frame; not those of a pass that starts anew with every frame."""
    network = network_of(changes(), quantizing=quantizing)
    x = torch.from_numpy(samples(changes()))
    module = Delta(6 / 32, 5, 1 / 32, signed=False, frames_first=True)
    wanted = module(x.reshape(1, -1, 8)).reshape(x.shape)
    assert torch.equal(network.values(x)["coded"].double(), wanted)
    monkeypatch.setattr(walk, "goes_on", lambda neuron: False)
    assert not torch.equal(network.values(x)["coded"].double(), wanted)


def test_logits_are_the_words_in_real_units() -> None:
    network = network_of(radix_cnn())
    x = samples(radix_cnn())
    exported = network.export()
    values = reference.run(exported, reference.encode_input(exported.inputs[0], x))
    words, _ = reference.read_out(exported.outputs[0], values)
    found = network(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, words * exported.scale("out"), rtol=1e-6)
    network.quantizing = False
    wanted = reference.run(network.float_graph(), x)["out"][:, 0]
    np.testing.assert_allclose(network(torch.from_numpy(x)).detach(), wanted, atol=1e-4)
    assert np.abs(found - wanted).max() < 1.0


def test_scores_and_activity_of_a_pass() -> None:
    graph = lif_mlp(last=Integrate(0.9))
    network = network_of(graph)
    x = torch.from_numpy(samples(graph))
    values = network.values(x)
    scale = network.export().scale("fc2")
    for readout, wanted in {
        Readout.LAST: values["fc2"][:, -1],
        Readout.MAX: values["fc2"].amax(1),
        Readout.MEAN: values["fc2"].mean(1),
        Readout.COUNT: values["fc2"].sum(1),
    }.items():
        torch.testing.assert_close(scored_by(readout)(network, x), wanted * scale)
    spikes = network.spikes_per_frame(values)
    assert spikes["fc1"].item() == pytest.approx(values["fc1"].sum().item() / len(x))
    assert list(spikes) == ["fc1"]


def test_a_price_on_spikes_makes_them_fewer() -> None:
    graph = lif_mlp(last=Integrate(0.9))
    network = network_of(graph)
    x, y = two_classes()

    def loss(model: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return network.spikes_per_frame(network.values(x))["fc1"] / 16

    before = network.spikes_per_frame(network.values(x))["fc1"].item()
    fit(network, x, y, Schedule(epochs=5, batch_size=64, learning_rate=1e-2), objective=loss)
    assert network.spikes_per_frame(network.values(x))["fc1"].item() < 0.7 * before


def test_quantising_can_start_after_float_training() -> None:
    graph = radix_cnn()
    network = network_of(graph, quantizing=False)
    x = torch.from_numpy(samples(graph))
    network(x).sum().backward()
    before = {name: weight.clone() for name, weight in network.weights.items()}
    scrambled(network, 3, size=2.0)
    network.quantizing = True
    assert_same_integers(network, x.numpy())
    grid = network.trained.grids["out"]
    largest = float(network.weights["out.weight"].detach().abs().max())
    assert grid.scale == pytest.approx(largest / 7, rel=0.6)
    assert not torch.equal(before["out.weight"], network.weights["out.weight"])


def test_masked_weights_are_zero_in_every_pass() -> None:
    network = network_of(lif_mlp())
    mask = (torch.rand(16, 8, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    network.masks["fc1.weight"] = mask
    assert_same_integers(network, samples(lif_mlp()))
    sent = np.count_nonzero(network.export().node("fc1").synapses[0].op.weight)
    assert sent <= int(mask.sum())
    network(torch.from_numpy(samples(lif_mlp()))).sum().backward()
    assert not network.weights["fc1.weight"].grad[mask == 0].any()
    network.quantizing = False
    masked = network.float_graph().node("fc1").synapses[0].op.weight
    assert np.array_equal(masked != 0, mask.numpy() != 0)


def test_bits_change_while_training() -> None:
    graph = radix_cnn()
    network = network_of(graph, {"default": {"weight_bits": 8, "edge_bits": 8}})
    assert network.edge_bits() == {"conv": 8, "fc": 8}
    network.set_edge_bits("conv", 3)
    network.set_weight_bits("fc", 1.58)
    network.set_weight_bits("out", 3)
    sent = assert_same_integers(network, samples(graph))
    assert sent["conv"].max() == 7
    assert network.weight_bits() == {"conv": 8, "fc": 1.58, "out": 3}
    assert set(np.unique(network.export().node("fc").synapses[0].op.weight)) <= {-1, 0, 1}
    reloaded = QuantizedNetwork(network.float_graph(), network.config)
    assert reloaded.edge_bits() == network.edge_bits()
    wanted = assert_same_integers(reloaded, samples(graph))
    assert all(np.array_equal(wanted[name], sent[name]) for name in sent)


def test_refusals() -> None:
    graph = radix_cnn()
    with pytest.raises(BadInput, match="conv: found a ReLU without a bound, accepted a graph of"):
        QuantizedNetwork(prepared(graph, samples(graph)).with_nodes(
            [replace(n, neuron=Rectify()) if n.name == "conv" else n
             for n in prepared(graph, samples(graph)).nodes]), None, samples(graph))  # fmt: skip
    network = network_of(graph)
    with pytest.raises(BadInput, match="out: found no ReLU, accepted conv, fc"):
        network.set_edge_bits("out", 3)
    with pytest.raises(BadInput, match=r"input x: found frames of shape \(3, 3\), accepted \(1, 2"):
        network(torch.zeros(1, 3, 3))
    with pytest.raises(BadInput, match="training: found stage integer, accepted float"):
        QuantizedNetwork(network.export())


def test_gradients_stop_where_an_edge_clips() -> None:
    weight = frozen(np.diag([7.0, 1.0, -7.0, 7.0]) / 7, np.float32)
    graph = chain((4,), {"fc": Linear(weight), "relu": Rectify(0.5)})
    config = parse_config({"default": {"weight_bits": 4}, "input": {"bits": 8, "scale": 1 / 255}})
    network = QuantizedNetwork(prepared(graph, None, config), config)
    network(torch.tensor([[0.3, 0.9, 0.9, 0.9]])).sum().backward()
    gradient = network.weights["fc.weight"].grad
    assert [bool(row.any()) for row in gradient] == [True, True, False, False]  # 0.9 > 0.5 clips


def test_gradients_of_the_real_pass_are_those_of_autograd() -> None:
    """Without spikes in between there is no surrogate: the scan is a linear recurrence."""
    graph = chain((5,), {"fc": linear(4, 5), "out": Integrate(0.8, synaptic_decay=0.6)}, STEPS)
    network = network_of(graph, quantizing=False)
    x = torch.from_numpy(samples(graph)).float()
    network(x).square().sum().backward()
    weight = network.weights["fc.weight"].detach().clone().requires_grad_()
    current, v, u = x @ weight.T + network.weights["fc.bias"].detach(), 0.0, 0.0
    for _ in range(STEPS):
        u = 0.6 * u + current
        v = 0.8 * v + u
    v.square().sum().backward()
    torch.testing.assert_close(network.weights["fc.weight"].grad, weight.grad, rtol=1e-4, atol=1e-4)


def two_classes(steps: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(400, 8, generator=torch.Generator().manual_seed(0))
    return x, (x[:, :4].sum(1) > x[:, 4:].sum(1)).long()


@pytest.mark.parametrize("bits", [1.58, 4])
@pytest.mark.parametrize("surrogate", ["fast_sigmoid", "atan", "sigmoid", "triangle", "boxcar"])
def test_few_bits_are_learned_with_every_surrogate(surrogate: str, bits: float) -> None:
    make_deterministic(1, 1)
    chosen = {"default": {"weight_bits": bits}, "input": {"bits": 8, "scale": 1 / 255}}
    config = parse_config(chosen)
    graph = chain((8,), {"fc1": linear(24, 8), "lif": LIF, "fc2": linear(2, 24),
                         "out": Integrate(0.9)}, STEPS)  # fmt: skip
    network = QuantizedNetwork(prepared(graph, None, config), config, surrogate=surrogate)
    x, y = two_classes()
    fit(network, x, y, Schedule(epochs=15, batch_size=32, learning_rate=1e-2))
    torch.use_deterministic_algorithms(False)
    assert accuracy(network.export(), x.numpy(), y.numpy()) > 90


def snntorch_model() -> tuple[nn.Module, bool]:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(8, 24), nn.Linear(24, 2)
            self.lif1 = snntorch.Leaky(beta=0.9)
            self.lif2 = snntorch.Synaptic(alpha=0.7, beta=0.9)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            v1 = self.lif1.init_leaky()
            u2, v2 = self.lif2.init_synaptic()
            sent = []
            for _ in range(STEPS):
                spikes, v1 = self.lif1(self.fc1(x), v1)
                spikes, u2, v2 = self.lif2(self.fc2(spikes), u2, v2)
                sent.append(spikes)
            return torch.stack(sent)

    return Model(), False


def spikingjelly_model() -> tuple[nn.Module, bool]:
    model = nn.Sequential(
        layer.Linear(8, 24), neuron.LIFNode(tau=2.0), layer.Linear(24, 2), neuron.IFNode()
    )
    for module in model:
        if hasattr(module, "step_mode"):
            module.step_mode = "m"
    return model, True


@pytest.mark.parametrize("make", [snntorch_model, spikingjelly_model])
def test_a_checkpoint_of_a_library_is_tuned_and_goes_back(make: Any, tmp_path: Any) -> None:
    make_deterministic(3, 1)
    model, has_steps = make()
    torch.save(model.state_dict(), tmp_path / "checkpoint.pt")
    model.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True))
    x, y = two_classes()
    x = x[:, None].repeat(1, STEPS, 1) if has_steps else x
    traced = trace(model.eval(), x[:2].numpy(), STEPS, has_steps, None)
    config = parse_config({"default": {"weight_bits": 4}, "input": {"bits": 6, "scale": 1 / 63}})
    network = QuantizedNetwork(prepared(traced, None, config), config)
    before = accuracy(network.export(), x.numpy(), y.numpy())
    fit(network, x, y, Schedule(epochs=15, batch_size=32, learning_rate=1e-2))
    torch.use_deterministic_algorithms(False)
    assert accuracy(network.export(), x.numpy(), y.numpy()) > max(85.0, before)
    tuned = network.float_graph()
    for path, (weight, bias) in quantized_state(
        traced, tuned, network.export(), network.config
    ).items():
        state = {"weight": torch.tensor(weight), "bias": torch.tensor(bias)}
        model.get_submodule(path).load_state_dict(state)
    again = prepared(trace(model.eval(), x[:2].numpy(), STEPS, has_steps, None), None, config)
    assert [node.name for node in again.nodes] == [node.name for node in tuned.nodes]
    for node in tuned.nodes:
        found, wanted = again.node(node.name).synapses[0].op, node.synapses[0].op
        np.testing.assert_allclose(found.weight, wanted.weight, rtol=1e-6, atol=1e-7)


def test_the_default_configuration_is_enough() -> None:
    graph = radix_cnn()
    x = samples(graph)
    network = QuantizedNetwork(prepared(graph, x, Config()), None, x)
    assert_same_integers(network, x)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("make", [lif_mlp, recurrent, cuba, graded, conv_snn])
def test_thresholds_and_decays_are_trained_exactly(make: Any, per_channel: bool) -> None:
    graph = make()
    chosen = {"default": {"weight_bits": 4, "per_channel": per_channel}}
    network = network_of(graph, chosen, train_thresholds=True, train_decays=True)
    x = samples(graph)
    names = [name for name in network.weights if name.endswith(("threshold", "decay"))]
    assert len(names) > 1
    network(torch.from_numpy(x)).square().sum().backward()
    assert any(network.weights[name].grad.abs().sum() > 0 for name in names)
    scrambled(network, 5, size=0.1)
    if not shares_divisors(network):
        assert_same_integers(network, x)
    network.refresh()
    if not shares_divisors(network):
        assert_same_integers(network, x)


def test_gradients_of_thresholds_and_decays_are_those_of_autograd() -> None:
    """With a boxcar the derivative of a spike is 1 near the threshold: autograd can do it, too."""
    lif = IntegrateFire(0.7, 0.8, synaptic_decay=0.5, reset_step="same")
    graph = chain((5,), {"fc": linear(4, 5), "lif": lif}, STEPS)
    options = {"train_thresholds": True, "train_decays": True, "quantizing": False}
    network = network_of(graph, surrogate="boxcar", **options)
    network.graph = replace(network.graph, outputs=(Output("fc", Readout.COUNT),))
    x = torch.from_numpy(samples(graph)).float()
    network(x).square().sum().backward()
    weights = {name: w.detach().clone().requires_grad_() for name, w in network.weights.items()}
    theta, decay = weights["fc.threshold"], weights["fc.decay"]
    current = x[:, 0] @ weights["fc.weight"].T + weights["fc.bias"]
    v, u, count = torch.zeros(20, 4), torch.zeros(20, 4), torch.zeros(20, 4)
    for _ in range(STEPS):
        u = weights["fc.synaptic_decay"] * u + current
        v = decay * v + u
        ratio = v / theta
        near = ((ratio - 1).abs() < 0.5).float().detach()
        spikes = (ratio > 1).float().detach() + near * (ratio - ratio.detach())
        count = count + spikes
        v = v - spikes.detach() * theta
    count.square().sum().backward()
    for name, weight in weights.items():
        torch.testing.assert_close(network.weights[name].grad, weight.grad, rtol=1e-3, atol=1e-3)
