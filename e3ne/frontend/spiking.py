"""One neuron module of the model: its calls, step after step, as one population (or two)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..ir import UnsupportedModel
from .calls import Call, NotSupported, Traced
from .delays import Root, later, roots
from .nesting import flat
from .populations import Populations, populations
from .registry import Describe, NeuronModel
from .states import States
from .values import Kind, Layout, Unknown, Value, population_shape, unknown

Meanings = list[tuple[torch.Tensor, Traced]]


class SpikingModule:
    """A neuron module. Its call number k is step k, or one call is all steps; `count` steps so far.

    It checks that every step reads the same populations, and continues from the states of the step
    before. A step may read more than those before it where that comes from earlier steps:
    feedback, whose first steps are silent. Known from its first call on: `model` (None where it is
    `refused`, for these reasons), `shape` of the population, `input_shape` of the one that it
    reads, and `taken_shape`, the same as the module takes it (without frames and steps).
    """

    def __init__(self, module: nn.Module, describe: Describe) -> None:
        self.count = 0
        self._module = module
        self._describe = describe
        self.model: NeuronModel | None = None
        self.refused: list[str] = []
        self.shape: tuple[int, ...] = ()
        self.input_shape: tuple[int, ...] = ()
        self.taken_shape: tuple[int, ...] = ()
        self._populations: Populations | None = None
        self._reads: Root | None = None
        self._states = States()
        self._problem: NotSupported | None = None

    @property
    def not_given(self) -> set[str]:
        """States that the model did not pass on from call to call."""
        return self._states.not_given

    def called(
        self, where: str, call: Call, args: Sequence[Any], named: Mapping[str, Any], returned: Any
    ) -> Meanings:
        """What the tensors that the next call, made at `where`, `returned` stand for.

        Also the membrane that it keeps and users read (`membrane_name`). NotSupported where the
        call, or one before it, does not continue the steps before.
        """
        try:
            return self._called(where, call, args, named, returned)
        except NotSupported as problem:
            self._problem = self._problem or problem
            raise self._problem from None

    def _called(
        self, where: str, call: Call, args: Sequence[Any], named: Mapping[str, Any], returned: Any
    ) -> Meanings:
        tensors = [item for item in flat(returned) if isinstance(item, torch.Tensor)]
        given = inspect.signature(self._module.forward).bind(*args, **named).arguments
        current = args[0] if args else next(iter(given.values()))
        step, self.count = self.count, self.count + 1
        value = _read(call, current)
        if self.model is None and isinstance(current, torch.Tensor) and current.ndim > 1:
            lead = _axes_before(value)
            shown = tensors[0] if tensors else current
            self.taken_shape = tuple(current.shape[lead:])
            self.input_shape, self.shape = _shape(current, lead), _shape(shown, lead)
            try:
                self.model = self._describe(self._module, self.shape)
            except UnsupportedModel as error:
                self.refused = [f"{where}: {problem}" for problem in error.problems]
                trouble = unknown(*([] if value is None else [value]), *self.refused)
                return [(tensor, trouble) for tensor in tensors]
        if isinstance(value, Unknown):
            return [(tensor, value) for tensor in tensors]
        if self.model is None:
            raise NotSupported(_CONSTANT)
        if value is not None and self.model.layout is not None:
            value = _known(call.train(current, self.model.layout))
        if value is not None:
            value = call.per_step(value)
        self._check_layout(self.model, value, step)
        if self._populations is None:
            self._populations = populations(
                call.sketch, self.model, self.shape, call.origin, f"{where}: {_CONSTANT}"
            )
        self._drive(call, self._populations, value, step)
        self._states.check(call, self.model, given, step)
        meanings = self._meanings(call, self.model, self._populations, value, step, tensors)
        self._states.remember(self.model, returned, meanings)
        return meanings

    def _check_layout(self, model: NeuronModel, value: Value | None, step: int) -> None:
        layout = value.layout if value is not None and value.kind is Kind.TRAIN else None
        if layout is model.layout and (layout is None or step == 0):
            if layout is not None and value is not None:
                self.count = value.steps
            return
        if layout is not None and model.layout is None:
            raise NotSupported(
                "found all time steps in one call, accepted one step a call; call it in a loop"
            )
        if model.layout is not None and step > 0:
            raise NotSupported(
                "found a second call, accepted all time steps in one call; give every place its "
                "own neuron module"
            )
        assert model.layout is not None
        found = "one step" if layout is None else f"all time steps as {layout.value}"
        raise NotSupported(
            f"found {found} in its call, accepted all time steps in one call as "
            f"{model.layout.value}; bring the steps to that axis"
        )

    # ------------------------------------------------------------------------------- its input

    def _drive(self, call: Call, own: Populations, value: Value | None, step: int) -> None:
        """Notes what this step reads; constants (None) only until an earlier step is read."""
        if value is None:
            if self._reads is not None:
                raise NotSupported(f"{_CONSTANT} (in call number {step + 1})")
            return
        reads = self._reads_at(call, value, step)
        if reads == self._reads:
            return
        before = set() if self._reads is None else roots(call.sketch, *self._reads)
        now = roots(call.sketch, *reads)
        if step > 0 and not (before <= now and max(delay for _, delay in now) == step):
            raise NotSupported(self._other_input(value, step))
        self._reads = reads
        try:
            own.drive(call.sketch, *reads)
        except ValueError as error:
            raise NotSupported(f"{error}; e3ne reads shapes without the frames axis") from error

    def _reads_at(self, call: Call, value: Value, step: int) -> Root:
        if value.kind is Kind.STATIC and self.model is not None and self.model.recurrence:
            return call.sketch.repeated(value.source), 0  # its other synapses have steps
        if value.kind is not Kind.STEP:
            recurrent = self.model is not None and bool(self.model.recurrence)
            once = None if recurrent else call.repeated(value.source)
            return value.source if once is None else once, 0
        if value.steps > step:
            raise NotSupported(
                f"found step {value.steps} of its input in its call number {step + 1}, accepted "
                "every step in order; call it once in every step"
            )
        return later(call.sketch, value.source, step - value.steps)

    @staticmethod
    def _other_input(value: Value, step: int) -> str:
        if value.kind is Kind.STEP and value.steps < step:
            return (
                f"found step {value.steps} of its input in its call number {step + 1}, accepted "
                "one call a step with that step's input, or with spikes of as many steps ago in "
                "every step, silent at first; give every place its own neuron module"
            )
        return (
            f"found another input in call number {step + 1} than in the first call, accepted "
            "the same layers in every step; give every place its own neuron module, and make "
            "no step a special case"
        )

    # ----------------------------------------------------------------------------- its outputs

    def _meanings(
        self,
        call: Call,
        model: NeuronModel,
        own: Populations,
        value: Value | None,
        step: int,
        tensors: Sequence[torch.Tensor],
    ) -> Meanings:
        """Each tensor with what it stands for; a tensor returned twice means the better of both."""
        sent = Value(0, Kind.STEP, step)
        if value is not None and value.kind is Kind.TRAIN:
            sent = value
        found: Meanings = []
        known: dict[int, Traced] = {}
        for position, tensor in enumerate(tensors):
            meaning: Traced = unknown(
                f"{call.origin.path}: found its output number {position + 1} used, accepted "
                "its spikes or its membrane; use those"
            )
            if position == model.spikes_at and own.spikes_shown is not None:
                meaning = replace(sent, source=own.spikes_shown)
            elif position == model.membrane_at:
                meaning = _membrane(call, own, _part(sent, tensor, tensors[0]))
            if isinstance(known.get(id(tensor)), Value):
                meaning = known[id(tensor)]
            known[id(tensor)] = meaning
            found.append((tensor, meaning))
        for name in (model.membrane_name, model.membrane_train):
            kept = getattr(self._module, name or "", None)
            if isinstance(kept, torch.Tensor) and id(kept) not in known:
                found.append((kept, _membrane(call, own, _part(sent, kept, tensors[0]))))
        return [(tensor, known.get(id(tensor), meaning)) for tensor, meaning in found]


_CONSTANT = (
    "found an input that does not come from the network's input, accepted one that does; feed the "
    "neuron what a layer computes"
)


def _part(sent: Value, tensor: torch.Tensor, whole: torch.Tensor) -> Value:
    """`sent`, or its last step where a train is `whole` and `tensor` has no steps."""
    if sent.kind is Kind.TRAIN and tensor.shape != whole.shape:
        return Value(0, Kind.STEP, sent.steps - 1)
    return sent


def _membrane(call: Call, own: Populations, sent: Value) -> Traced:
    if own.membrane_shown is not None:
        return replace(sent, source=own.membrane_shown)
    return unknown(
        f"{call.origin.path}: found its membrane used outside of the neuron while "
        "spikes reset it, accepted its spikes; return the spikes first, or set "
        "reset_mechanism='none' on a neuron whose membrane is the output"
    )


def _read(call: Call, current: object) -> Traced | None:
    """What a neuron's input stands for; a train in any layout."""
    try:
        return call.value(current)
    except NotSupported:
        for layout in Layout:
            with suppress(NotSupported):
                found = call.train(current, layout)
                if isinstance(found, Value):
                    return found
        raise


def _known(value: Traced | None) -> Value:
    assert isinstance(value, Value)
    return value


def _axes_before(value: object) -> int:
    """How many axes of a tensor are frames and steps."""
    if isinstance(value, Value) and value.kind is Kind.TRAIN:
        return 2 if value.layout in (Layout.STEPS_FRAMES, Layout.FRAMES_STEPS) else 1
    return 1


def _shape(tensor: torch.Tensor, lead: int) -> tuple[int, ...]:
    shape = tuple(tensor.shape[lead:])
    return population_shape(shape) or shape
