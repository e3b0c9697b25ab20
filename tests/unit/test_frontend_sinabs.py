"""sinabs's neurons beside e3ne's, step by step; runs in a session that sees sinabs's folder."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip("sinabs", reason="make setup")

import sinabs
from sinabs import activation, layers

from e3ne import reference
from e3ne.frontend import trace
from e3ne.frontend.forward import private_copy
from e3ne.frontend.libraries.sinabs import forget
from e3ne.frontend.registry import find_neuron
from e3ne.frontend.values import Layout
from e3ne.ir import (
    Array,
    BadInput,
    ChannelAffine,
    Integrate,
    IntegrateFire,
    TraceMismatch,
    UnsupportedModel,
)
from tests.beside import (
    FRAMES,
    STEPS,
    assert_membranes,
    assert_spikes,
    by_reference,
    currents,
    described,
)

SPIKES: dict[str, tuple[Any, int | None]] = {
    "MultiSpike": (activation.MultiSpike, None),
    "SingleSpike": (activation.SingleSpike, 1),
    "MaxSpike(3)": (activation.MaxSpike(3), 3),
    "MaxSpike()": (activation.MaxSpike(), None),
}
RESETS = {
    "subtract": activation.MembraneSubtract(),
    "subtract 0.6": activation.MembraneSubtract(subtract_value=0.6),
    "to zero": activation.MembraneReset(),
}


def trains(module: nn.Module, x: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """Output and membranes, (frames, steps, *shape), of a module that is not squeezed."""
    dtype = torch.float32 if hasattr(module, "rec_connect") else torch.float64
    with torch.no_grad():  # spikes are float32 always, and so must be the layer that reads them
        output = module.to(dtype)(torch.from_numpy(x).to(dtype))
    return output, module.recordings["v_mem"]


def check(module: nn.Module, *shape: int, **drawn: float) -> IntegrateFire:
    """The description of a fresh module equals what the module computes."""
    model = described(module, shape)
    assert (model.layout, model.spikes_at) == (Layout.FRAMES_STEPS, 0)
    assert model.membrane_name == "v_mem"
    x = currents(*shape, **drawn)
    spikes, membranes = trains(module, x)
    assert_spikes(model, x, spikes)
    if model.recurrence:  # its recordings are those of the next step, before the reset
        assert model.membrane is not None
        last = by_reference(model, model.membrane, x, shape)[:, -1]
        np.testing.assert_allclose(last, module.v_mem.numpy(), rtol=0, atol=1e-4)
    else:
        assert_membranes(model, x, membranes)
        assert torch.equal(module.v_mem, membranes[:, -1])
    assert isinstance(model.neuron, IntegrateFire)
    return model.neuron


@pytest.mark.parametrize(("sends", "resets"), list(product(SPIKES, RESETS)))
def test_iaf(sends: str, resets: str) -> None:
    function, most = SPIKES[sends]
    module = layers.IAF(
        spike_threshold=torch.tensor(0.6),
        spike_fn=function,
        reset_fn=RESETS[resets],
        record_states=True,
    )
    neuron = check(module, 3, 2, 2, low=-1.0, high=1.6)
    assert (neuron.max_spikes, neuron.fire_on) == (most, ">=")


@pytest.mark.parametrize(
    ("tau_syn", "min_v_mem", "norm_input"),
    list(product((None, 3.0), (None, -0.2, 0.0), (True, False))),
)
def test_lif(tau_syn: float | None, min_v_mem: float | None, norm_input: bool) -> None:
    module = layers.LIF(
        tau_mem=6.0,
        tau_syn=tau_syn,
        min_v_mem=min_v_mem,
        norm_input=norm_input,
        spike_threshold=torch.tensor(0.2),
        record_states=True,
    )
    neuron = check(module, 5, low=-2.0, high=2.6)
    assert neuron.floor == (None if min_v_mem is None else pytest.approx(min_v_mem))


def test_iaf_with_a_synaptic_current() -> None:
    check(layers.IAF(tau_syn=4.0, min_v_mem=-0.5, record_states=True), 4, low=-1.0, high=1.2)


@pytest.mark.parametrize("trained", [True, False])
def test_parameters_one_a_channel_and_one_a_neuron(trained: bool) -> None:
    torch.manual_seed(0)
    for size in ((3, 1, 1), (3, 2, 2)):
        module = layers.LIF(
            tau_mem=4 + 10 * torch.rand(size),
            tau_syn=2 + 4 * torch.rand(size),
            spike_threshold=0.1 + 0.3 * torch.rand(size),
            train_alphas=trained,
            record_states=True,
        )
        check(module, 3, 2, 2, low=-1.0, high=2.0)


@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("norm_input", [True, False])
def test_exp_leak(trained: bool, norm_input: bool) -> None:
    module = layers.ExpLeak(tau_mem=5.0, train_alphas=trained, norm_input=norm_input)
    model = described(module, (4,))
    assert (model.neuron, model.spikes_at, model.membrane_at) == (None, None, 0)
    assert isinstance(model.membrane, Integrate)
    x = currents(4)
    with torch.no_grad():
        assert_membranes(model, x, module.double()(torch.from_numpy(x).double()))


@pytest.mark.parametrize("given", ["batch_size", "num_timesteps"])
def test_squeezed_forms(given: str) -> None:
    size = {"batch_size": FRAMES} if given == "batch_size" else {"num_timesteps": STEPS}
    x = currents(2, 3, 3)
    merged = torch.from_numpy(x).double().flatten(0, 1)
    for module in (
        layers.IAFSqueeze(**size),
        layers.LIFSqueeze(tau_mem=4.0, norm_input=False, **size),
    ):
        model = described(module, (2, 3, 3))
        assert model.layout is Layout.MERGED_FRAMES_STEPS
        with torch.no_grad():
            spikes = module.double()(merged)
        assert_spikes(model, x, spikes.unflatten(0, (FRAMES, STEPS)))
    leak = layers.ExpLeakSqueeze(tau_mem=4.0, **size)
    model = described(leak, (2, 3, 3))
    assert (model.layout, model.neuron) == (Layout.MERGED_FRAMES_STEPS, None)
    with torch.no_grad():
        assert_membranes(model, x, leak.double()(merged).unflatten(0, (FRAMES, STEPS)))


RECURRENT = {
    "Linear": (lambda: nn.Linear(4, 4, bias=False), (4,)),
    "Conv2d": (lambda: nn.Conv2d(2, 2, 3, padding=1, bias=False), (2, 4, 4)),
    "Identity": (nn.Identity, (3, 2, 2)),
}


@pytest.mark.parametrize("layer", RECURRENT)
@pytest.mark.parametrize("leaky", [True, False])
def test_recurrent(layer: str, leaky: bool) -> None:
    torch.manual_seed(1)
    make, shape = RECURRENT[layer]
    connect = make()
    for weight in connect.parameters():
        weight.data *= 0.5
    options: dict[str, Any] = {"rec_connect": connect, "record_states": True}
    if leaky:
        module = layers.LIFRecurrent(5.0, tau_syn=2.0, min_v_mem=-1.0, **options)
        check(module, *shape, low=-9.0, high=10.0)
    else:
        module = layers.IAFRecurrent(
            spike_fn=activation.SingleSpike, reset_fn=activation.MembraneReset(), **options
        )
        check(module, *shape, low=-1.0, high=1.0)


def test_a_wrong_description_is_caught() -> None:
    module = layers.LIF(
        tau_mem=5.0, tau_syn=2.0, min_v_mem=-0.1, norm_input=False, record_states=True
    )
    model = described(module, (4,))
    x = currents(4, low=-2.0, high=2.6)
    spikes, _ = trains(module, x)
    assert isinstance(model.neuron, IntegrateFire)
    wrong: list[dict[str, Any]] = [
        {"gain": 1.0}, {"decay": 0.8}, {"synaptic_decay": 0.6}, {"floor": None}, {"floor": -0.2},
        {"max_spikes": 1}, {"reset": "to_value"}, {"threshold": 1.05},
    ]  # fmt: skip
    for change in wrong:
        with pytest.raises(AssertionError):
            assert_spikes(replace(model, neuron=replace(model.neuron, **change)), x, spikes)


def test_a_membrane_of_exactly_two_thresholds_sends_two() -> None:
    module = layers.IAF()
    model = described(module, (1,))
    x = np.array([2.0, 0.5, 0.5, -1.0], np.float32).reshape(1, 4, 1)
    assert module(torch.from_numpy(x)).ravel().tolist() == [2, 0, 1, 0]
    assert model.neuron is not None
    assert by_reference(model, model.neuron, x, (1,)).ravel().tolist() == [2, 0, 1, 0]


def test_forget_brings_back_the_first_state() -> None:
    torch.manual_seed(2)
    for module in (layers.LIF(5.0, 2.0, norm_input=False), layers.IAFSqueeze(batch_size=2)):
        x = torch.rand(2, 4, 3) if type(module) is layers.LIF else torch.rand(8, 3)
        first = module(x)
        found = find_neuron(module)
        assert found is not None
        assert not torch.equal(module(x), first)
        found.reset(module)
        assert torch.equal(module(x), first)
        found.reset(module)
        assert module(torch.cat([x, x])).shape[0] == 2 * len(x)


def test_copies_own_all_their_parts() -> None:
    """The library's own copy of a recurrent layer fails; e3ne's leaves the original alone."""
    torch.manual_seed(3)
    connect = nn.Linear(4, 4, bias=False)
    module = layers.LIFRecurrent(5.0, connect, norm_input=False, record_states=True)
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(module))
    x = torch.rand(2, 6, 4) * 3
    first = model(x)  # leaves states and recordings that hang on a training graph
    with pytest.raises(AttributeError, match="rec_connect"):
        copy.deepcopy(model)
    copied = private_copy(model, torch.float64)
    assert connect.weight.dtype is torch.float32
    assert module.rec_connect is connect
    inner = copied[1][0]
    assert inner.rec_connect.weight.dtype is torch.float64
    assert torch.equal(inner.rec_connect.weight.float(), connect.weight)
    for part in (module, inner):
        forget(part)
    assert torch.equal(model(x), first)
    assert torch.equal(copied.float()(x), first)
    assert inner.spike_fn is module.spike_fn


def refused(module: nn.Module, pattern: str, shape: tuple[int, ...] = (4,)) -> None:
    with pytest.raises(UnsupportedModel, match=pattern):
        described(module, shape)


def test_options_that_are_refused() -> None:
    refused(layers.IAF(reset_fn=activation.MembraneReset(0.5)), "added to every neuron in every")
    other = activation.MembraneSubtract(subtract_value=0.5)
    refused(layers.IAF(reset_fn=other), r"subtract_value=0.5\) with another spike_threshold")
    refused(layers.IAF(reset_fn=lambda spikes, state, threshold: state), "found reset_fn=function")
    refused(
        layers.IAF(spike_fn=activation.Quantize), "found spike_fn=Quantize, accepted MultiSpike"
    )
    refused(layers.IAF(min_v_mem=0.5), "found min_v_mem=0.5, accepted one number of at most 0")
    lowest = torch.tensor([-1.0, -2.0, -1.0, -1.0])
    refused(layers.IAF(min_v_mem=lowest), "accepted one number of at most 0 for all neurons")
    refused(layers.ExpLeak(tau_mem=5.0, min_v_mem=-1.0), "found min_v_mem on ExpLeak")
    refused(layers.IAF(spike_threshold=torch.tensor(0.0)), "found spike_threshold 0, accepted")


def test_recurrent_layers_that_are_refused() -> None:
    refused(layers.IAFRecurrent(rec_connect=nn.Linear(4, 4)), "found a bias in rec_connect")
    flat = nn.Sequential(nn.Flatten(), nn.Linear(8, 8, bias=False))
    refused(layers.IAFRecurrent(rec_connect=flat), "found rec_connect=Sequential", (2, 2, 2))
    strided = nn.Conv2d(2, 2, 3, dilation=2, padding=2, bias=False)
    refused(layers.IAFRecurrent(rec_connect=strided), "that keeps the shape", (2, 4, 4))


DESCRIBED = {
    "IAF", "IAFRecurrent", "IAFSqueeze", "LIF", "LIFRecurrent", "LIFSqueeze", "ExpLeak",
    "ExpLeakSqueeze",
}  # fmt: skip
WIRING = {
    "ChannelShift",
    "Cropping2dLayer",
    "FlattenTime",
    "Merge",
    "Repeat",
    "SumPool2d",
    "UnflattenTime",
}


def exported() -> list[type[nn.Module]]:
    found = [cls for cls in vars(layers).values() if isinstance(cls, type)]
    return [cls for cls in found if issubclass(cls, nn.Module)]


@pytest.mark.parametrize("cls", exported(), ids=lambda cls: cls.__name__)
def test_every_layer_is_described_refused_by_name_or_wiring(cls: type[nn.Module]) -> None:
    module = cls.__new__(cls)
    if cls.__name__ in WIRING:
        assert find_neuron(module) is None
    elif cls.__name__ not in DESCRIBED:
        with pytest.raises(UnsupportedModel, match=f"^found sinabs's {cls.__name__}, accepted IAF"):
            described(module, (4,))


def test_all_that_should_be_described_are() -> None:
    assert {cls.__name__ for cls in exported()} >= DESCRIBED | WIRING
    assert sinabs.__version__ == "3.1.3"
    identity = described(layers.IAFRecurrent(rec_connect=nn.Identity()), (3,))
    assert isinstance(identity.recurrence[0], ChannelAffine)


def test_refusals_name_the_module() -> None:
    net = nn.Sequential(nn.Linear(6, 5), layers.ALIF(5.0, 3.0), layers.NeuromorphicReLU())
    with pytest.raises(UnsupportedModel) as caught:
        trace(net, currents(6, steps=8), input_has_steps=True)
    text = "\n".join(caught.value.problems)
    assert "1 (ALIF): found sinabs's ALIF, accepted IAF, LIF" in text
    assert "2 (NeuromorphicReLU): found sinabs's NeuromorphicReLU" in text


@pytest.mark.parametrize("size", [{"batch_size": 2}, {"batch_size": 1}, {"num_timesteps": 8}])
def test_squeezed_networks_of_any_fixed_size_are_traced(size: dict[str, int]) -> None:
    """Merged frames and steps: the number of frames that the neurons insist on is respected."""
    torch.manual_seed(4)
    net = nn.Sequential(
        nn.Linear(6, 5), layers.IAFSqueeze(**size), nn.Linear(5, 3), layers.IAFSqueeze(**size)
    )
    x = currents(6, high=4.0, steps=8)
    graph = trace(net, x, input_has_steps=True)
    frames = size.get("batch_size", FRAMES)
    for module in (net[1], net[3]):
        forget(module)
    with torch.no_grad():
        expected = net(torch.from_numpy(x[:frames]).flatten(0, 1)).unflatten(0, (frames, 8))
    got = reference.run(graph, x[:frames])[graph.outputs[0].source]
    assert np.array_equal(got, expected.numpy())
    assert expected.any()


def test_a_wrong_number_of_steps_is_refused() -> None:
    net = nn.Sequential(nn.Linear(6, 5), layers.IAFSqueeze(num_timesteps=5))
    with pytest.raises((UnsupportedModel, BadInput, TraceMismatch), match="steps"):
        trace(net, currents(6, steps=8), input_has_steps=True)
