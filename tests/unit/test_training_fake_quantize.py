"""The rules of fake quantisation equal a plain NumPy statement of them."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from e3ne.training.fake_quantize import (
    QuantizedWeight,
    Rules,
    attach,
    max_scale,
    power_of_two_scale,
    quantize_edge,
    quantize_input,
    quantize_weight,
    quantized_state,
)


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        OrderedDict(
            linear1=nn.Linear(6, 5),
            clip1=nn.Hardtanh(0.0, 15 / 16),
            linear2=nn.Linear(5, 3, bias=False),
        )
    )


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_weights_follow_the_rule_of_the_largest_magnitude(bits: int) -> None:
    weight = torch.randn(7, 9, generator=torch.Generator().manual_seed(bits))
    q = 2 ** (bits - 1) - 1
    scale = np.abs(weight.numpy()).max() / q
    expected = np.clip(np.round(weight.numpy() / scale), -q, q) * scale
    found = quantize_weight(weight, bits, max_scale(weight, bits))
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-6)
    assert len(np.unique(np.round(found.numpy() / scale))) <= 2 * q + 1


def test_weights_on_a_tie_round_to_even() -> None:
    found = quantize_weight(torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5, 9.0]), 3, 1.0)
    assert found.tolist() == [0.0, 2.0, 2.0, 0.0, -2.0, 3.0]


def test_edges_on_a_tie_round_up_and_saturate() -> None:
    found = quantize_edge(torch.tensor([-0.4, 0.5, 1.5, 2.49, 2.5, 15.6]), 4, 1.0)
    assert found.tolist() == [0.0, 1.0, 2.0, 2.0, 3.0, 15.0]


def test_inputs_on_a_tie_round_to_even_and_saturate() -> None:
    found = quantize_input(torch.tensor([-1.0, 0.5, 1.5, 2.5, 16.0]), 4, 1.0)
    assert found.tolist() == [0.0, 0.0, 2.0, 2.0, 15.0]


def test_gradients_pass_inside_the_range_and_stop_outside() -> None:
    x = torch.tensor([-1.0, 0.3, 0.7, 99.0], requires_grad=True)
    quantize_edge(x, 4, 1 / 16).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_the_power_of_two_has_the_least_error_of_all_powers() -> None:
    weight = torch.randn(400, generator=torch.Generator().manual_seed(0)) * 0.1
    chosen = power_of_two_scale(weight, 3)
    errors = {
        2.0**e: float((quantize_weight(weight, 3, 2.0**e) - weight).square().sum())
        for e in range(-12, 4)
    }
    assert chosen == min(errors, key=lambda scale: errors[scale])


@pytest.mark.parametrize("bits", [3, 4, 6])
def test_a_quantised_weight_is_a_fixpoint_of_the_rule(bits: int) -> None:
    weight = torch.randn(40, generator=torch.Generator().manual_seed(bits)) * 0.1
    scale = 2.0 ** (1 - bits)  # wide of what the weights need: none reaches the last level
    found = QuantizedWeight(bits, scale)(weight)
    assert max_scale(found, bits) == scale
    assert torch.equal(quantize_weight(found, bits, max_scale(found, bits)), found)


def test_the_plain_model_with_exported_weights_computes_the_same_integers() -> None:
    model = network()
    attach(model, Rules(4, edge_bits=4, input_bits=4, input_scale=1 / 16, source_scale=1 / 16))
    x = torch.rand(50, 6, generator=torch.Generator().manual_seed(1))
    state = quantized_state(model)
    plain = network()
    assert set(state) == set(plain.state_dict())
    plain.load_state_dict(state)

    integers = np.clip(np.round(x.numpy() * 16), 0, 15)
    w1, w2 = state["linear1.weight"].numpy(), state["linear2.weight"].numpy()
    unit1, unit2 = np.abs(w1).max() / 7, np.abs(w2).max() / 7
    currents = integers @ np.round(w1 / unit1).T + np.round(
        state["linear1.bias"].numpy() / (unit1 / 16)
    )
    hidden = np.clip(np.floor(currents * unit1 + 0.5), 0, 15)
    expected = hidden @ np.round(w2 / unit2).T * unit2 / 16
    assert np.array_equal(model(x).detach().numpy(), expected)


def test_bits_of_a_single_node_go_before_the_default() -> None:
    model = network()
    attach(model, Rules(8, nodes={"linear2": 2}))
    state = quantized_state(model)
    assert len(state["linear2.weight"].unique()) <= 3
    assert len(state["linear1.weight"].unique()) > 3


def test_a_hardtanh_with_negative_values_is_refused() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Hardtanh(-1.0, 1.0))
    with pytest.raises(ValueError, match=r"1: found Hardtanh\(-1.0, 1.0\), accepted Hardtanh\(0"):
        attach(model, Rules(4, edge_bits=4))
