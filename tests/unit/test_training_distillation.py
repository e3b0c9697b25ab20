"""Distillation: the loss by hand, and a student that learns from its teacher alone."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from e3ne.config import parse_config
from e3ne.ir import BadInput, Integrate, IntegrateFire, Rectify
from e3ne.lower import prepared
from e3ne.training.distillation import (
    Distillation,
    as_teacher,
    distillation_loss,
    module_values,
    rate_loss,
)
from e3ne.training.fit import Schedule, accuracy, fit
from e3ne.training.network import QuantizedNetwork
from tests.unit.lower_graphs import chain, linear
from tests.unit.test_training_fit import network, two_classes

CONFIG = parse_config({"input": {"bits": 4, "scale": 1 / 15}, "default": {"weight_bits": 3}})


def test_the_loss_by_hand() -> None:
    student, teacher = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    y = torch.tensor([1])
    hard = math.log(1 + math.exp(2))
    p = 1 / (1 + math.exp(1.5))  # of class 0 by the teacher at temperature 2
    q = 1 / (1 + math.exp(-1))
    soft = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    for alpha in (0.0, 0.3, 1.0):
        found = distillation_loss(student, teacher, y, alpha, 2.0)
        assert float(found) == pytest.approx((1 - alpha) * hard + alpha * 4 * soft, rel=1e-5)
    assert float(distillation_loss(teacher, teacher, y, 1.0, 3.0)) == pytest.approx(0, abs=1e-6)


def test_rates_by_hand() -> None:
    ours = torch.tensor([[[1.0], [0.0]], [[1.0], [1.0]]])  # rates 0.5 and 1
    theirs = torch.tensor([[[1.0], [1.0]], [[1.0], [1.0]]])
    assert float(rate_loss(ours, theirs)) == pytest.approx(0.25 / 2)
    assert float(rate_loss(theirs, theirs)) == 0
    assert math.isfinite(float(rate_loss(ours, torch.zeros(2, 2, 1))))


def student() -> QuantizedNetwork:
    graph = chain(
        (1, 4, 4),
        {"fc1": linear(8, 16), "lif": IntegrateFire(0.7, 0.8), "fc2": linear(2, 8, 3),
         "out": Integrate(0.9)}, steps=5,
    )  # fmt: skip
    return QuantizedNetwork(prepared(graph, None, CONFIG), CONFIG)


def radix_student() -> QuantizedNetwork:
    layers = {"fc1": linear(8, 16), "relu": Rectify(2.0), "fc2": linear(2, 8, 3)}
    graph = prepared(chain((1, 4, 4), layers), None, CONFIG)
    return QuantizedNetwork(graph, CONFIG)


def teacher() -> nn.Module:
    torch.manual_seed(0)
    x, y = two_classes(400)
    model = network()
    fit(model, x, y, Schedule(10, 16, learning_rate=1e-2))
    assert accuracy(model, x, y) > 95
    return model


def test_a_student_learns_from_its_teacher_without_labels() -> None:
    x, y = two_classes(400)
    wrong = torch.zeros_like(y)
    learner = radix_student()
    fit(learner, x, wrong, Schedule(8, 16, learning_rate=1e-2),
        objective=Distillation(teacher(), alpha=1.0, temperature=2.0))  # fmt: skip
    assert accuracy(learner, x, y) > 80
    broken = radix_student()  # the twin that reads the (wrong) labels alone
    fit(broken, x, wrong, Schedule(8, 16, learning_rate=1e-2),
        objective=Distillation(teacher(), alpha=0.0))  # fmt: skip
    assert accuracy(broken, x, y) < 70


def rates(model: QuantizedNetwork, x: Tensor) -> Tensor:
    with torch.no_grad():
        scale = model.integers.probe.scale("fc1") if model.quantizing else 1.0
        return model.values(x)["fc1"].mean(dim=1) * scale


def test_rates_of_layers_are_matched() -> None:
    x, y = two_classes(200)
    guide = as_teacher(student())
    assert not guide.quantizing
    assert not any(parameter.requires_grad for parameter in guide.parameters())
    errors = []
    for weight in (0.0, 5.0):
        learner = student()
        with torch.no_grad():
            torch.manual_seed(1)
            for tensor in learner.weights.values():
                tensor += 0.3 * torch.randn_like(tensor)
        learner.refresh()
        aim = Distillation(guide, alpha=0.9, features={"fc1": weight})
        fit(learner, x, y, Schedule(4, 16, learning_rate=1e-2), objective=aim)
        errors.append(float((rates(learner, x) - rates(guide, x)).square().mean()))
    assert errors[1] < 0.7 * errors[0]


def test_layers_of_a_torch_module_are_watched() -> None:
    class Loop(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([self.fc(x * step) for step in range(5)]).sum(0)

    model, x = Loop(), torch.rand(7, 4)
    found = module_values(model, {"lif": "fc"})(x)["lif"]
    assert found.shape == (7, 5, 3)
    assert torch.equal(found[:, 2], model.fc(x * 2))
    trains = module_values(nn.Sequential(nn.Identity()), {"a": "0"}, steps_axis=0)
    assert trains(torch.rand(5, 7, 3))["a"].shape == (7, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, r"alpha: found 1.5, accepted 0 \.\. 1"),
        ({"temperature": 0}, "temperature: found 0, accepted a number > 0"),
        ({"features": {"a": -1.0}}, "features: found weight -1.0 of a"),
        ({"features": {"a": 1.0}}, "features: found a teacher whose layers are not known"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Distillation(nn.Identity(), **options)


def test_unknown_layers_are_refused() -> None:
    x, y = two_classes(4)
    aim = Distillation(nn.Identity(), features={"a": 1.0}, teacher_values=lambda x: {})
    with pytest.raises(BadInput, match="found a Sequential, accepted a QuantizedNetwork"):
        aim(network(), x, y)
    guide = as_teacher(student())
    with pytest.raises(BadInput, match="features: found nowhere, accepted layers of"):
        Distillation(guide, features={"nowhere": 1.0})(student(), x, y)
