"""Distillation: a network with few bits learns from the scores of a float one.

    loss = (1 - alpha) * cross_entropy(s, y) + alpha * T**2 * KL(softmax(t / T) || softmax(s / T))
         + sum over the layers of weight * mean((rate_s - rate_t)**2) / mean(rate_t**2)

s are the student's logits, t the teacher's, T the temperature (Hinton, Vinyals & Dean 2015,
"Distilling the knowledge in a neural network"). A rate is the mean over the steps of what a
population sends, in real values; matching them layer by layer is optional.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ..ir import BadInput
from .network import QuantizedNetwork

Values = Callable[[Tensor], Mapping[str, Tensor]]
"""Samples to what populations send, by the student's names: (frames, steps, *shape) each."""

Model = TypeVar("Model", bound=nn.Module)


def distillation_loss(
    student: Tensor, teacher: Tensor, y: Tensor, alpha: float, temperature: float
) -> Tensor:
    """The loss of logits (frames, classes) of both, and classes (frames,); see the module."""
    soft = nn.functional.kl_div(
        nn.functional.log_softmax(student / temperature, dim=1),
        nn.functional.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    hard = nn.functional.cross_entropy(student, y)
    return (1 - alpha) * hard + alpha * temperature**2 * soft


def rate_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """mean((rate_s - rate_t)**2) / mean(rate_t**2) of (frames, steps, *shape) of both."""
    ours, theirs = student.mean(dim=1), teacher.mean(dim=1)
    if ours.shape != theirs.shape and ours.numel() == theirs.numel():
        theirs = theirs.reshape(ours.shape)
    error = (ours - theirs).square().mean()
    return error / theirs.square().mean().clamp(min=torch.finfo(theirs.dtype).tiny)


def as_teacher(model: Model) -> Model:
    """A copy that does not train, in evaluation; a QuantizedNetwork computes in float."""
    teacher = copy.deepcopy(model).eval().requires_grad_(False)
    if isinstance(teacher, QuantizedNetwork):
        teacher.quantizing = False
    return teacher


class Distillation:
    """The loss as an `objective` of `fit`: (model, samples, classes) to a scalar.

    `teacher` is any callable from samples to logits: a torch module, or a network of `as_teacher`.
    `features` has the weight of each layer, by node name, whose rates are to be alike; the student
    is a QuantizedNetwork then, and the teacher has the same nodes, or `teacher_values` says what
    its layers send (`module_values`). BadInput where alpha, temperature or weights are no such.
    """

    def __init__(
        self,
        teacher: Callable[[Tensor], Any],
        alpha: float = 0.5,
        temperature: float = 4.0,
        features: Mapping[str, float] | None = None,
        teacher_values: Values | None = None,
    ) -> None:
        problems = []
        if not 0 <= alpha <= 1:
            problems.append(f"alpha: found {alpha}, accepted 0 .. 1")
        if not temperature > 0:
            problems.append(f"temperature: found {temperature}, accepted a number > 0")
        problems += [
            f"features: found weight {weight} of {name}, accepted numbers >= 0"
            for name, weight in (features or {}).items()
            if not weight >= 0
        ]
        if features and teacher_values is None and not isinstance(teacher, QuantizedNetwork):
            problems.append(
                "features: found a teacher whose layers are not known, accepted a QuantizedNetwork "
                "(as_teacher) or teacher_values; use module_values(teacher, paths)"
            )
        if problems:
            raise BadInput(problems)
        self.teacher, self.alpha, self.temperature = teacher, alpha, temperature
        self.features = dict(features or {})
        self.teacher_values = teacher_values

    def __call__(self, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """The loss of one batch."""
        with torch.no_grad():
            wanted, theirs = self._taught(x)
        if not self.features:
            return distillation_loss(model(x), wanted, y, self.alpha, self.temperature)
        found = student_of(model)
        values = found.values(x)
        logits = found.logits(values)
        assert isinstance(logits, Tensor)
        loss = distillation_loss(logits, wanted, y, self.alpha, self.temperature)
        for name, weight in self.features.items():
            _check_layer(name, values)
            _check_layer(name, theirs)
            scale = found.integers.probe.scale(name) if found.quantizing else 1.0
            loss = loss + weight * rate_loss(values[name] * scale, theirs[name])
        return loss

    def _taught(self, x: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The teacher's logits, and what its layers send where that is asked for."""
        if not self.features:
            return self.teacher(x), {}
        if self.teacher_values is not None:
            return self.teacher(x), self.teacher_values(x)
        teacher = student_of(self.teacher)
        values = teacher.values(x)
        scales = teacher.integers.probe.scale if teacher.quantizing else lambda name: 1.0
        logits = teacher.logits(values)
        assert isinstance(logits, Tensor)
        for name in self.features:
            _check_layer(name, values)
        return logits, {name: values[name] * scales(name) for name in self.features}


def _check_layer(name: str, values: Mapping[str, Tensor]) -> None:
    if name not in values:
        raise BadInput(
            f"features: found {name}, accepted layers of student and teacher: {', '.join(values)}"
        )


def student_of(model: Any) -> QuantizedNetwork:
    """`model` where its layers have names; BadInput otherwise."""
    if not isinstance(model, QuantizedNetwork):
        raise BadInput(
            f"features: found a {type(model).__name__}, accepted a QuantizedNetwork; leave "
            "features out to match scores alone"
        )
    return model


def module_values(
    model: nn.Module, paths: Mapping[str, str], steps_axis: int | None = None
) -> Values:
    """What modules of a torch model send, for `teacher_values`.

    `paths` maps names of the student's nodes to module paths. The calls of a module that is called
    once a step are its steps; `steps_axis` is their axis where one call returns all of them.
    """
    modules = {name: model.get_submodule(path) for name, path in paths.items()}

    def values(x: Tensor) -> dict[str, Tensor]:
        seen: dict[str, list[Tensor]] = {name: [] for name in modules}
        with ExitStack() as stack:
            for name, module in modules.items():
                stack.callback(module.register_forward_hook(_keeping(seen[name])).remove)
            model(x)
        if steps_axis is not None:
            return {name: calls[0].movedim(steps_axis, 1) for name, calls in seen.items()}
        return {name: torch.stack(calls, dim=1) for name, calls in seen.items()}

    return values


def _keeping(calls: list[Tensor]) -> Callable[[nn.Module, Any, Any], None]:
    def keep(module: nn.Module, given: Any, sent: Any) -> None:
        calls.append(sent[0] if isinstance(sent, tuple) else sent)

    return keep
