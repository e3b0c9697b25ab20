"""Modules that round activations, as Brevitas has them: leaves that become radix edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..ir import Flatten, Identity, Rectify
from .calls import Call, NotSupported, Traced
from .libraries import brevitas
from .libraries.brevitas import Levels
from .sketch import Origin, Rounding
from .values import Unknown, Value


class QuantizerModule:
    """A module that rounds activations, watched. Its population is named after the layer it is in.

    `Rectify` with bits is what it computes: unsigned levels, or signed ones of values that never go
    below zero. On samples it says how the input itself is rounded.
    """

    model = None  # it has no membrane that could be driven by itself
    refused: Sequence[str] = ()
    not_given: frozenset[str] = frozenset()
    count = 0  # it makes no steps

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def called(
        self, where: str, call: Call, args: Sequence[Any], named: Mapping[str, Any], returned: Any
    ) -> list[tuple[torch.Tensor, Traced]]:
        """What the tensor that a call `returned` stands for; NotSupported where it has no edge."""
        sent = brevitas.plain(returned)
        source = brevitas.plain([*args, *named.values()][0])
        if call.bound(source) is None:
            return []  # a constant; Brevitas asks its quantisers for their scale so
        levels = brevitas.levels_of(self._module, returned)
        if isinstance(levels, str):
            raise NotSupported(levels)
        value = call.value(source)
        if isinstance(value, Unknown) or value is None:
            return [(sent, value or Unknown(()))]
        value = call.per_step(value)
        call = replace(call, origin=_named(call), result=sent)
        draft = call.sketch.drafts[value.source]
        flattened = [type(op) for op in draft.ops] == [Flatten]
        number = draft.sources[0] if flattened else value.source
        if not call.sketch.is_input(number):
            return [(sent, self._of_layer(call, value, levels))]
        rounded = self._of_input(call, replace(value, source=number), levels)
        if flattened:
            behind = replace(call.origin, whole=False, function="flatten")
            rounded = replace(call, origin=behind).node(Flatten(), rounded)
        return [(sent, rounded)]

    def _of_input(self, call: Call, value: Value, levels: Levels) -> Traced:
        """The samples behind their rounding, which becomes the input's own."""
        rounding = Rounding(levels.bits, levels.signed, levels.scale)
        rounded = call.node(Identity(), value)
        if isinstance(rounded, Value):
            known = call.sketch.roundings.setdefault(value.source, {})
            known[rounded.source] = rounding
            if set(known.values()) != {rounding}:
                raise NotSupported(
                    "found samples that are rounded in two ways, accepted one rounding of an "
                    "input; quantise it once, in front of the network"
                )
        return rounded

    def _of_layer(self, call: Call, value: Value, levels: Levels) -> Traced:
        if levels.signed:
            if levels.bits < 2 or not call.sketch.sends_unsigned(value.source):
                raise NotSupported(brevitas.signed_problem(levels))
            levels = replace(levels, bits=levels.bits - 1, signed=False)
        before = call.sketch.drafts[value.source].neuron
        neuron = Rectify(levels.scale * (2**levels.bits - 1), levels.bits)
        return value if before == neuron else call.node(Identity(), value, neuron)


def _named(call: Call) -> Origin:
    """The place of the population: the layer, where the quantiser is what that layer is for."""
    path, _, name = call.origin.path.rpartition(".")
    whole = name in ("act_quant", "trunc_quant")
    where = path if whole else call.origin.path
    return replace(call.origin, path=where, whole=True, function="levels")
