"""One neuron module of the model: its calls, step after step, as one population (or two)."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..ir import Identity, Integrate, IntegrateFire, UnsupportedModel
from .calls import Call, NotSupported, Traced
from .registry import Describe, NeuronModel
from .values import Kind, Unknown, Value, unknown


class SpikingModule:
    """A neuron module. Its call number k is step k; `count` is how many steps it has made.

    It checks that every step reads the same population at the same step, and continues from the
    membrane of the step before. `model` and `shape` (of the population) are known from its first
    call on.
    """

    def __init__(self, module: nn.Module, describe: Describe) -> None:
        self.count = 0
        self._module = module
        self._describe = describe
        self.model: NeuronModel | None = None
        self.shape: tuple[int, ...] = ()
        self._source: int | None = None
        self._membrane: Traced | None = None  # what the module returned at the step before

    def called(
        self, where: str, call: Call, args: Sequence[Any], named: dict[str, Any], outputs: int
    ) -> list[Traced]:
        """What the `outputs` tensors returned by the next call, made at `where`, stand for.

        NotSupported where the call does not continue the steps before.
        """
        given = inspect.signature(self._module.forward).bind(*args, **named).arguments
        current = next(iter(given.values()))
        step, self.count = self.count, self.count + 1
        value = call.value(current)
        if value is None:
            raise NotSupported(
                "found an input that does not come from the network's input, accepted one that "
                "does; feed the neuron what a layer computes"
            )
        if isinstance(value, Value) and value.kind is Kind.TRAIN:
            raise NotSupported(
                "found all time steps in one call, accepted one step a call; call it in a loop"
            )
        if self.model is None and current.ndim > 1:
            self.shape = tuple(current.shape[1:])
            try:
                self.model = self._describe(self._module, self.shape)
            except UnsupportedModel as error:
                return [unknown(value, *(f"{where}: {item}" for item in error.problems))] * outputs
        if isinstance(value, Unknown) or self.model is None:
            return [value] * outputs
        value = call.per_step(value)
        self._check_source(value, step)
        for name in self.model.states:
            self._check_state(call, given.get(name), step)
        return self._trains(call, self.model, value, step, outputs)

    def _check_source(self, value: Value, step: int) -> None:
        if value.kind is Kind.STEP and value.steps > step:
            raise NotSupported(
                f"found step {value.steps} of its input in its call number {step + 1}, accepted "
                "every step in order; call it once in every step"
            )
        if value.kind is Kind.STEP and value.steps < step:
            raise NotSupported(
                f"found step {value.steps} of its input in its call number {step + 1}, accepted "
                "one call a step with that step's input; give every place its own neuron module, "
                "and feed nothing back from earlier steps"
            )
        if self._source is not None and value.source != self._source:
            raise NotSupported(
                f"found another input in call number {step + 1} than in the first call, accepted "
                "the same layers in every step; give every place its own neuron module, and make "
                "no step a special case"
            )
        self._source = value.source

    def _check_state(self, call: Call, state: object, step: int) -> None:
        if not isinstance(state, torch.Tensor):
            return
        if step == 0 and bool(state.any()):
            raise NotSupported(
                "found a first membrane other than zero, accepted zero; start from init_leaky()"
            )
        if step > 0 and call.value(state) is not self._membrane:
            raise NotSupported(
                f"found a membrane in call number {step + 1} that is not the one returned by the "
                "call before, accepted an unchanged one; create it before the time loop and pass "
                "on what the neuron returns"
            )

    def _trains(
        self, call: Call, model: NeuronModel, value: Value, step: int, outputs: int
    ) -> list[Traced]:
        trains: list[Traced] = [
            unknown(f"{call.origin.path}: found its output number {position + 1} used, accepted "
                    "its spikes or its membrane; use those")
            for position in range(outputs)
        ]  # fmt: skip
        if model.spikes_at is not None and model.neuron is not None:
            trains[model.spikes_at] = self._population(call, model.neuron, value, step)
        if model.membrane_at is not None and model.membrane_at < outputs:
            if model.membrane is not None:
                membrane: Traced = self._population(call, model.membrane, value, step)
            else:
                membrane = unknown(
                    f"{call.origin.path}: found its membrane used outside of the neuron while "
                    "spikes reset it, accepted its spikes; return the spikes first, or set "
                    "reset_mechanism='none' on a neuron whose membrane is the output"
                )
            trains[model.membrane_at] = self._membrane = membrane
        return trains

    def _population(
        self, call: Call, neuron: IntegrateFire | Integrate, value: Value, step: int
    ) -> Value:
        function = "spikes" if isinstance(neuron, IntegrateFire) else "membrane"
        origin = replace(call.origin, whole=True, function=function)
        number = call.sketch.add([Identity()], [value.source], neuron, True, origin)
        return Value(number, Kind.STEP, step)
