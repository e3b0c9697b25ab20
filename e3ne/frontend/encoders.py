"""Encoders of e3ne inside of a model: leaves that become `ir.Encode` populations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..ir import Encode, Flatten, Identity
from .calls import Call, NotSupported
from .values import Kind, Layout, Unknown, Value

ENCODER = "e3ne.training.encoders.Encoder"  # by name: a model that has one has imported it


def is_encoder(module: nn.Module) -> bool:
    """Whether a module is an encoder of `e3ne.encoders`."""
    return any(f"{cls.__module__}.{cls.__qualname__}" == ENCODER for cls in type(module).__mro__)


class EncoderModule:
    """An encoder module, watched: one call makes all steps, `count` of them so far."""

    model = None  # it has no membrane that could be driven by itself
    refused: Sequence[str] = ()
    not_given: frozenset[str] = frozenset()

    def __init__(self, module: nn.Module) -> None:
        self.count = 0
        self._neuron: Encode = module.neuron  # type: ignore[assignment]
        self._layout = Layout.FRAMES_STEPS if module.frames_first else Layout.STEPS_FRAMES

    def called(
        self, where: str, call: Call, args: Sequence[Any], named: Mapping[str, Any], returned: Any
    ) -> list[tuple[torch.Tensor, Value | Unknown]]:
        """What the train that a call `returned` stands for; NotSupported off the input."""
        source = [*args, *named.values()][0]
        delta = self._neuron.kind == "delta"
        value = call.train(source, self._layout) if delta else call.value(source)
        if isinstance(value, Unknown):
            return [(returned, value)]
        if value is None:
            raise NotSupported(
                "found samples that do not come from the network's input, accepted that input"
            )
        self._check(value, delta)
        flattened = self._flattened(call, value.source)
        number = value.source if flattened is None else flattened
        if not call.sketch.is_input(number):
            raise NotSupported(
                "found an encoder behind other layers, accepted one that reads an input of the "
                "network; encode the samples first, or take a spiking neuron here"
            )
        origin = replace(call.origin, whole=True)
        sent = call.sketch.add([Identity()], [number], self._neuron, True, origin)
        if flattened is not None:
            behind = replace(origin, whole=False, function="flatten")
            sent = call.sketch.add([Flatten()], [sent], _relay(call, value.source), True, behind)
        self.count = value.steps if delta else returned.shape[0 if self._steps_first else 1]
        return [(returned, Value(sent, Kind.TRAIN, self.count, layout=self._layout))]

    @property
    def _steps_first(self) -> bool:
        return self._layout.is_steps_first

    def _check(self, value: Value, delta: bool) -> None:
        """NotSupported where the samples have steps, or none where they should."""
        if delta and (value.kind is not Kind.TRAIN or value.layout is not self._layout):
            raise NotSupported(
                f"found samples of {value.kind.value}, accepted all steps as {self._layout.value}; "
                "pass input_has_steps=True, and say frames_first of the encoder"
            )
        if not delta and value.kind is not Kind.STATIC:
            raise NotSupported(
                f"found samples of {value.kind.value}, accepted samples without steps; leave "
                "input_has_steps out, and call the encoder once, before the loop over time"
            )

    def _flattened(self, call: Call, number: int) -> int | None:
        """The input that population `number` flattens, where encoding may come first."""
        draft = call.sketch.drafts[number]
        if [type(op) for op in draft.ops] != [Flatten]:
            return None
        source = draft.sources[0]
        shape = call.sketch.drafts[source].shape
        if self._neuron.kind == "bernoulli" and len(shape) == 3 and shape[0] > 1:
            raise NotSupported(
                "found a Bernoulli encoder of a flattened image of several channels, accepted the "
                "image; encode it first and flatten the spikes"
            )
        return source


def _relay(call: Call, number: int) -> Any:
    return call.sketch.drafts[number].neuron
