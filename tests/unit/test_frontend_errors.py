"""Models and inputs that cannot be traced: each message names the place and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from e3ne.frontend import table, trace
from e3ne.ir import BadInput, Readout, UnsupportedModel, text

snntorch = pytest.importorskip("snntorch", reason="pip install snntorch")

IMAGE = torch.rand(2, 3, 8, 8)
FEATURES = torch.rand(2, 6)


class Forward(nn.Module):
    """A model with two linear layers and a forward of the test's own."""

    def __init__(self, function: Callable[[Any, torch.Tensor], Any]) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 6)
        self.fc2 = nn.Linear(6, 6)
        self._function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self._function(self, x)


class Spiking(Forward):
    """The same with two neurons."""

    def __init__(self, function: Callable[[Any, torch.Tensor], Any], **options: Any) -> None:
        super().__init__(function)
        self.lif1 = snntorch.Leaky(beta=0.9, **options)
        self.lif2 = snntorch.Leaky(beta=0.9, **options)


class Custom(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch._C.DisableTorchFunction():
            return -x


def problems(model: nn.Module, x: torch.Tensor, **options: Any) -> tuple[str, ...]:
    with pytest.raises(UnsupportedModel) as caught:
        trace(model, x, **options)
    return caught.value.problems


def test_all_unsupported_modules_are_listed_with_their_alternatives() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.GroupNorm(2, 4),
        nn.GELU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Flatten(),
        nn.Linear(1024, 4),
        nn.Softmax(dim=1),
    )
    accepted = (
        "accepted Linear, convolutions, BatchNorm, ReLU, pooling, +, cat and moves of activations"
    )
    assert problems(model, IMAGE) == (
        f"1 (GroupNorm): found group_norm, {accepted}; use BatchNorm1d or BatchNorm2d, which "
        "vanish into the weights",
        f"2 (GELU): found gelu, {accepted}; use ReLU or ReLU6, which become the radix neuron",
        "3 (Upsample): found interpolation (bilinear) from (8, 8) to (16, 16), accepted "
        "mode='nearest' to whole multiples; use Upsample(scale_factor=2) or ConvTranspose2d",
        f"6 (Softmax): found softmax, {accepted}; leave it out of forward: the class is the "
        "largest score with or without it",
    )


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(
    ("module", "found"),
    [
        (nn.LeakyReLU(), "found leaky_relu"),
        (nn.Sigmoid(), "found sigmoid"),
        (nn.Hardtanh(-1, 1), "found a clamp from -1 to 1, accepted 0 to a number above 0"),
        (nn.LayerNorm(8), "found layer_norm"),
        (nn.ConvTranspose2d(3, 3, 2, padding=2), "found a transposed convolution with kernel (2"),
        (nn.ConvTranspose2d(3, 3, 3, 2, 0, 2, dilation=3), "found a transposed convolution with k"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), "found padding with reflect, acc"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular"), "found padding with circular"),
        (nn.ConstantPad2d(1, 0.5), "found padding with 0.5, accepted zeros"),
        (nn.ReflectionPad2d(1), "found padding with reflect"),
        (nn.Conv2d(3, 3, 2, padding="same"), "found padding='same' with a kernel of (2, 2)"),
        (nn.MaxPool2d(3, dilation=2), "found max pooling with dilation"),
        (nn.MaxPool2d(3, padding=1), "found max pooling with padding over values that may be neg"),
        (nn.MaxPool2d(3, return_indices=True), "found max_pool2d_with_indices"),
        (nn.MaxPool2d(3, ceil_mode=True), "found a result of shape (3, 3, 3) from pooling with c"),
        (nn.AvgPool2d(3, ceil_mode=True), "found a result of shape (3, 3, 3) from pooling with c"),
        (nn.AdaptiveMaxPool2d(3), "found adaptive pooling from (8, 8) to (3, 3)"),
        (nn.FractionalMaxPool2d(2, output_size=4), "found fractional_max_pool2d"),
        (nn.LPPool2d(2, 2), "found pooling by a norm of 2"),
        (nn.Upsample(size=(12, 8)), "found interpolation (nearest) from (8, 8) to (12, 8)"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), "found interpolation (bicubic)"),
        (nn.AvgPool2d(3, padding=1, count_include_pad=False), "found average pooling with count_i"),
        (nn.AdaptiveAvgPool2d(3), "found adaptive pooling from (8, 8) to (3, 3)"),
        (nn.InstanceNorm2d(3), "found instance_norm"),
        (nn.BatchNorm2d(3, track_running_stats=False), "found batch normalisation with the stat"),
        (nn.PixelShuffle(1), "found pixel_shuffle"),
        (nn.Softplus(), "found softplus"),
    ],
)
def test_modules_and_options(module: nn.Module, found: str) -> None:
    (problem,) = problems(nn.Sequential(nn.Identity(), module), IMAGE)
    assert problem.startswith(f"1 ({type(module).__name__}): {found}")
    assert "accepted" in problem


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda m, x: m.fc1(x) * m.fc2(x), "found a product of two activations"),
        (lambda m, x: m.fc1(x) / m.fc2(x), "found a division by an activation"),
        (lambda m, x: 1 / m.fc1(x), "found __rdiv__"),
        (lambda m, x: F.linear(x, m.fc1(x)), "found linear with a weight that depends on the"),
        (lambda m, x: torch.cat([x, torch.ones(2, 1)], 1), "found constants other than zero joi"),
        (lambda m, x: torch.cat([m.fc1(x), m.fc2(x)]).relu(), "found cat of tensors that are not"),
        (lambda m, x: x[0].relu(), "found x[...] from (2, 6) to (6,) on activations of one step"),
        (lambda m, x: x.view(1, 12)[:, :6].relu(), "found getitem from (1, 12) to (1, 6)"),
        (lambda m, x: m.fc1(x).view(2, 2, 3).relu(), "found view from (2, 6) to (2, 2, 3)"),
        (lambda m, x: m.fc1(x).view(2, 1, 2, 3).relu(), "found view from (2, 6) to (2, 1, 2, 3)"),
        (lambda m, x: m.fc1(x).T.relu(), "found T from (2, 6) to (6, 2)"),
        (lambda m, x: m.fc1(x).flip(0).relu(), "found flip from (2, 6) to (2, 6)"),
        (lambda m, x: m.fc1(x).unsqueeze(1).relu(), "found unsqueeze from (2, 6) to (2, 1, 6)"),
        (lambda m, x: x.sum(0), "found sum over axis 0"),
        (lambda m, x: x.mean(), "found mean over axis None"),
        (lambda m, x: x.max(1)[0], "found max over axis 1"),
        (lambda m, x: x.exp_(), "found exp_"),
        (lambda m, x: x.clone().zero_(), "found zero_"),
        (lambda m, x: m.fc1(x).floor_(), "found floor_"),
        (lambda m, x: F.dropout(x, 0.5), "found dropout that is active in evaluation"),
        (lambda m, x: torch.where(x > 0, x, x), "found gt"),
        (lambda m, x: (x > 0).float(), "found gt"),
        (lambda m, x: x.long().float(), "found long"),
        (lambda m, x: x.to(torch.int64).double(), "found cast to integers"),
        (lambda m, x: x + torch.rand(2, 6), "found add with a constant of shape (2, 6)"),
        (lambda m, x: m.fc1(x).clamp(-1, 1), "found a clamp from -1 to 1"),
        (lambda m, x: torch.clamp(x, torch.zeros(6), torch.ones(6)), "found a clamp from a ten"),
        (lambda m, x: torch.bernoulli(x), "found bernoulli"),
        (lambda m, x: torch.poisson(x), "found poisson"),
        (lambda m, x: torch.rand_like(x) + x, "found rand_like"),
        (lambda m, x: x.matmul(m.fc1(x).T), "found matmul"),
    ],
)
def test_functions(function: Callable[[Any, torch.Tensor], Any], found: str) -> None:
    assert problems(Forward(function), FEATURES)[0].startswith(f"forward of Forward: {found}")


@pytest.mark.parametrize(
    ("function", "read"),
    [
        (lambda m, x: m.fc1(x) if x.sum() > 0 else m.fc2(x), "__bool__"),
        (lambda m, x: m.fc1(x) * float(x.max()), "__float__"),
        (lambda m, x: m.fc1(x) * x.mean().item(), "item"),
        (lambda m, x: m.fc1(x) if torch.equal(x, x) else x, "equal"),
        (lambda m, x: m.fc1(x) * (int(x.abs().sum()) % 1 + 1), "__int__"),
    ],
)
def test_data_dependent_control_flow(
    function: Callable[[Any, torch.Tensor], Any], read: str
) -> None:
    (problem,) = problems(Forward(function), FEATURES)
    assert problem.startswith(f"forward of Forward: found {read} of an activation")
    assert "(test_frontend_errors.py:" in problem
    assert "accepted control flow that is the same for every input" in problem


def test_control_flow_that_hides_its_reading_shows_on_random_inputs() -> None:
    def forward(model: Any, x: torch.Tensor) -> torch.Tensor:
        with torch._C.DisableTorchFunction():
            small = bool((x.sum(1) < 2.9).all())
        return model.fc1(x) if small else model.fc2(x)

    example = torch.tensor([[0.0, 0, 0, 0, 0, 1], [1, 0, 0, 0, 0, 0]]) * 0.99
    assert problems(Forward(forward), example) == (
        "forward: found other layers on another input than on the example, accepted control flow "
        "that is the same for every input; compute without looking at values",
    )


def test_weights_that_are_not_finite_are_all_named() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    with torch.no_grad():
        model[0].weight[0, :2] = float("nan")
        model[1].running_mean[0] = float("inf")
    with pytest.raises(BadInput) as caught:
        trace(model, FEATURES)
    assert caught.value.problems == (
        "0.weight: found 2 NaN or infinite values of 24, accepted finite ones; check the training",
        "1.running_mean: found 1 NaN or infinite values of 4, accepted finite ones; check the "
        "training",
    )


def test_an_input_that_the_model_refuses_names_module_and_reason() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(10, 4))
    with pytest.raises(BadInput, match=r"^1 \(Linear\): found input \(frames, ...\) of shape "
                       r"\(2, 3, 8, 8\), on which the model fails with RuntimeError: .*; accepted "
                       r"frames that its own forward takes; check"):  # fmt: skip
        trace(model, IMAGE)


def test_steps_that_the_model_refuses_either_way_are_shown_both_ways() -> None:
    with pytest.raises(BadInput) as caught:
        trace(Spiking(loop(5)), torch.rand(2, 5, 7), input_has_steps=True)
    both = caught.value.problems
    assert [problem.split(", on which")[0] for problem in both] == [
        "fc1 (Linear): found input (steps, frames, ...) of shape (5, 2, 7)",
        "fc1 (Linear): found input (frames, ...) of shape (2, 7)",
    ]


@pytest.mark.parametrize(
    ("example", "options", "found"),
    [
        (np.zeros((2, 1, 1, 8, 8)), {}, "shape (2, 1, 1, 8, 8), accepted (frames, features), (fra"),
        (np.zeros((0, 6)), {}, "shape (0, 6)"),
        (np.zeros((2, 6)), {"input_has_steps": True}, "shape (2, 6), accepted (frames, steps, f"),
        (np.full((2, 6), np.nan), {}, "NaN or infinite values"),
        (np.array([["a"]]), {}, "<U1, accepted an array of numbers"),
    ],
)
def test_examples_that_are_no_frames(
    example: np.ndarray[Any, Any], options: dict[str, Any], found: str
) -> None:
    with pytest.raises(BadInput) as caught:
        trace(nn.Sequential(nn.Linear(6, 2)), example, **options)
    assert str(caught.value).startswith(f"example_input: found {found}")


@pytest.mark.parametrize("readout", ["COUNT", "sum", "", 3])
def test_readouts_that_do_not_exist(readout: Any) -> None:
    with pytest.raises(BadInput) as caught:
        trace(nn.Sequential(nn.Linear(6, 2)), FEATURES, readout=readout)
    assert str(caught.value).startswith(
        f"readout: found {readout!r}, accepted count, last, max, mean or None; leave it out"
    )


@pytest.mark.parametrize("readout", list(Readout))
def test_a_readout_goes_by_its_name_too(readout: Readout) -> None:
    model = nn.Sequential(nn.Linear(6, 3), snntorch.Leaky(beta=0.9, init_hidden=True, output=True))
    by_name = trace(model, FEATURES, steps=3, readout=readout.value)
    assert by_name.outputs[0].readout is readout
    assert text(by_name) == text(trace(model, FEATURES, steps=3, readout=readout))


@pytest.mark.parametrize("output", [lambda m, x: {"scores": x}, lambda m, x: None])
def test_outputs_of_other_kinds(output: Callable[[Any, torch.Tensor], Any]) -> None:
    assert problems(Forward(output), FEATURES)[0].startswith("output: found ")


def test_the_input_as_output_is_refused() -> None:
    assert problems(nn.Sequential(nn.Identity()), FEATURES) == (
        "output: found the input itself, accepted a layer's output; add a layer",
    )


def test_computations_that_nobody_sees_are_named() -> None:
    model = nn.Sequential(nn.Linear(6, 4), Custom(), nn.Linear(4, 2))
    (problem,) = problems(model, FEATURES)
    assert problem.startswith("1 (Custom): found a computation that e3ne cannot follow")
    (problem,) = problems(Forward(lambda m, x: torch.zeros(2, 3)), FEATURES)
    assert problem.startswith("output: found a tensor that e3ne cannot follow back to the input")


def test_a_forward_that_needs_more_than_its_input() -> None:
    class Explicit(nn.Module):
        def forward(self, x: torch.Tensor, mem: torch.Tensor, steps: int) -> torch.Tensor:
            return x + mem * steps

    with pytest.raises(BadInput) as caught:
        trace(Explicit(), FEATURES)
    assert str(caught.value).startswith(
        "forward of Explicit: found required arguments mem, steps beside the input, accepted none"
    )


def test_a_constant_picked_by_an_activation_is_not_taken_for_a_constant() -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.fc1(x) + m.fc2.weight[(x * 3).long()[:, 0]]

    assert "found long" in problems(Forward(forward), FEATURES)[0]


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiled_modules_are_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 4), torch.jit.script(nn.ReLU()))
    assert problems(model, FEATURES) == (
        "1: found a compiled module (RecursiveScriptModule), accepted the module that it was "
        "compiled from; pass the one before torch.jit or torch.compile",
    )


def test_a_model_that_cannot_be_copied() -> None:
    model = Forward(lambda m, x: m.fc1(x))
    model.generator = (item for item in ())
    with pytest.raises(BadInput, match="found a Forward that cannot be copied"):
        trace(model, FEATURES)


# ------------------------------------------------------------------------------------- steps


def loop(steps: int) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    def forward(model: Any, x: torch.Tensor) -> torch.Tensor:
        mem, record = model.lif1.init_leaky(), []
        for _ in range(steps):
            spikes, mem = model.lif1(model.fc1(x), mem)
            record.append(spikes)
        return torch.stack(record)

    return forward


@pytest.mark.parametrize(
    ("model", "options", "found"),
    [
        (nn.Sequential(nn.Linear(6, 2)), {"steps": 5}, "steps=5 for a model without spiking neur"),
        (Spiking(loop(4)), {"steps": 0}, "0, accepted 1 or more"),
        (Spiking(lambda m, x: m.fc1(x)), {"steps": 5}, "steps=5 for a model without spiking neur"),
        (Spiking(loop(4)), {"steps": 5}, "5, but the model's own loop makes 4"),
        (
            Spiking(lambda m, x: m.lif1(m.fc1(x)), init_hidden=True),
            {},
            "a model that makes one time step a call",
        ),
    ],
)
def test_numbers_of_steps(model: nn.Module, options: dict[str, Any], found: str) -> None:
    with pytest.raises(BadInput) as caught:
        trace(model, FEATURES, **options)
    assert str(caught.value).startswith(f"steps: found {found}")


def test_numbers_of_steps_of_the_example() -> None:
    x = torch.rand(2, 5, 6)
    with pytest.raises(BadInput, match=r"^steps: found input_has_steps=True for a model without"):
        trace(nn.Sequential(nn.Linear(6, 2)), x, input_has_steps=True)
    with pytest.raises(BadInput, match=r"^steps: found steps=4 and example_input with 5 steps"):
        trace(Spiking(loop(5)), x, steps=4, input_has_steps=True)


def in_loop(
    body: Callable[[Any, torch.Tensor, int, Any], tuple[torch.Tensor, Any]],
) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    def forward(model: Any, x: torch.Tensor) -> torch.Tensor:
        record, state = [], None
        for step in range(4):
            spikes, state = body(model, x, step, state)
            record.append(spikes)
        return torch.stack(record)

    return forward


def twice(m: Any, x: torch.Tensor, step: int, mem: Any) -> tuple[torch.Tensor, Any]:
    spikes, mem = m.lif1(m.fc1(x), mem)
    return m.lif1(m.fc2(spikes), mem)


def one_step_differs(m: Any, x: torch.Tensor, step: int, mem: Any) -> tuple[torch.Tensor, Any]:
    return m.lif1(m.fc1(x) if step < 2 else m.fc2(x), mem)


def feedback(m: Any, x: torch.Tensor, step: int, state: Any) -> tuple[torch.Tensor, Any]:
    spikes, mem1, mem2 = state or (None, None, None)
    first, mem1 = m.lif1(m.fc1(x), mem1)
    second, mem2 = m.lif2(m.fc2(first if spikes is None else spikes), mem2)
    return second, (first, mem1, mem2)


def forgets(m: Any, x: torch.Tensor, step: int, mem: Any) -> tuple[torch.Tensor, Any]:
    return m.lif1(m.fc1(x), torch.zeros(2, 6))


def starts_high(m: Any, x: torch.Tensor, step: int, mem: Any) -> tuple[torch.Tensor, Any]:
    return m.lif1(m.fc1(x), torch.ones(2, 6) if mem is None else mem)


def alternates(m: Any, x: torch.Tensor, step: int, state: Any) -> tuple[torch.Tensor, Any]:
    mem1, mem2 = state or (None, None)
    spk1, mem1 = m.lif1(m.fc1(x), mem1)
    spk2, mem2 = m.lif2(m.fc2(spk1), mem2)
    return (spk1 if step == 1 else spk2), (mem1, mem2)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (twice, "lif1 (Leaky): found step 0 of its input in its call number 2"),
        (one_step_differs, "lif1 (Leaky): found another input in call number 3"),
        (feedback, "lif2 (Leaky): found step 0 of its input in its call number 2"),
        (forgets, "lif1 (Leaky): found a mem in call number 2 that is not the one returned"),
        (starts_high, "lif1 (Leaky): found a first mem other than zero"),
        (alternates, "output: found stack of tensors that are not the same population"),
    ],
)
def test_loops_that_do_not_fold(body: Any, found: str) -> None:
    assert problems(Spiking(in_loop(body)), FEATURES)[0].startswith(found)


def test_neurons_that_make_different_numbers_of_steps() -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        mem1 = mem2 = None
        for step in range(4):
            spk1, mem1 = m.lif1(m.fc1(x), mem1)
            if step < 3:
                spk2, mem2 = m.lif2(m.fc2(spk1), mem2)
        return spk2

    (problem,) = problems(Spiking(forward), FEATURES)
    assert problem.startswith("forward: found neurons that make different numbers of steps (lif1 4")


def test_steps_that_are_left_out() -> None:
    def some(m: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.stack(list(loop(4)(m, x))[:3])

    def behind(m: Any, x: torch.Tensor) -> torch.Tensor:
        return m.fc2(torch.stack(list(loop(4)(m, x))[:3]).sum(0))

    def middle(m: Any, x: torch.Tensor) -> torch.Tensor:
        return loop(4)(m, x)[1]

    assert problems(Spiking(some), FEATURES)[0].startswith("output: found a record of 3 of 4 steps")
    assert problems(Spiking(behind), FEATURES)[0].startswith("forward: found a sum over 3 of 4")
    assert problems(Spiking(middle), FEATURES)[0].startswith("output: found step 1 of 4")


def test_static_models_given_steps_first_hint_at_input_has_steps() -> None:
    def forward(m: Any, x: torch.Tensor) -> torch.Tensor:
        mem, record = None, []
        for step in range(len(x)):
            spikes, mem = m.lif1(m.fc1(x[step]), mem)
            record.append(spikes)
        return torch.stack(record)

    problem, *_ = problems(Spiking(forward), FEATURES)
    assert problem.endswith("pass input_has_steps=True")


def test_a_neuron_fed_from_nowhere() -> None:
    (problem,) = problems(Spiking(lambda m, x: m.lif1(torch.ones(2, 6))), FEATURES)
    assert problem.startswith("lif1 (Leaky): found an input that does not come from the network's")


# ------------------------------------------------------------------------- functions by name


def test_every_function_is_either_read_or_has_one_alternative() -> None:
    assert not set(table.HANDLERS) & set(table.ALTERNATIVES)


@pytest.mark.parametrize("name", sorted(table.ALTERNATIVES))
def test_the_message_about_a_function_names_it_and_the_alternative(name: str) -> None:
    message = table.unsupported(name)
    assert message.startswith(f"found {name}, accepted {table.ACCEPTED}; ")
    assert message.endswith(table.ALTERNATIVES[name])


def test_functions_that_nobody_has_heard_of_get_an_alternative_too() -> None:
    assert table.unsupported("erfinv").endswith("or a spiking neuron")
    assert table.unsupported("relu6_").endswith("use the function without the underscore, relu6")
