"""Which integers the samples of an input become."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from ..ir import Array, BadInput, Graph, Input, Integrate, IntegrateFire
from .context import Context
from .encoders import encoder_of
from .factors import scale_of_kind, scales_of_rows

log = logging.getLogger(__name__)

SPIKING_INPUT_BITS = 8
SEARCHED = 1 << 18  # samples that a percentile or a search looks at, in whole frames


def quantized_inputs(graph: Graph, context: Context) -> tuple[Input, ...]:
    """The inputs with bits, sign and scale: what the user chose, else what the frames show.

    Frames of zeros and ones are spikes: 1 bit. Negative values make the input signed. Else an
    input has the `edge_bits` of the default where no neuron has a state, 8 bits where one has.
    Whole numbers that fit keep scale 1; everything else is scaled so that the largest magnitude is
    the largest integer, or by the percentile or the least squared error (`calibration`). BadInput
    where there are no frames and the user did not choose.
    """
    frames = context.calibration or (None,) * len(graph.inputs)
    inputs: list[Input] = []
    problems: list[str] = []
    for source, array in zip(graph.inputs, frames, strict=True):
        try:
            inputs.append(_quantized(graph, source, context, array))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return tuple(inputs)


def _quantized(graph: Graph, source: Input, context: Context, frames: Array | None) -> Input:
    chosen = context.config.input_of(source.name)
    encoder = encoder_of(graph, source.name)
    if encoder is not None:  # says itself what its samples are
        type = replace(source.type, bits=encoder.bits, signed=encoder.signed)
        return replace(source, type=type, scale=encoder.unit)
    if source.type.bits and _keeps_rounding(source, context):
        return source
    if frames is None:
        if chosen.bits is None or chosen.scale is None:
            raise BadInput(
                f"input {source.name}: found no calibration frames, accepted them, or input.bits "
                "and input.scale in the configuration; give one of the two"
            )
        type = replace(source.type, bits=chosen.bits, signed=bool(chosen.signed))
        return replace(source, type=type, scale=chosen.scale)
    signed = bool((frames < 0).any()) if chosen.signed is None else chosen.signed
    bits = chosen.bits or _bits(graph, context, frames)
    type = replace(source.type, bits=bits, signed=signed)
    if type.high < 1:
        raise BadInput(
            f"input.bits: found {bits} bits with a sign, accepted 2 or more; choose them for "
            f"input {source.name}"
        )
    scale = chosen.scale
    if scale is None:
        scale = _scale(frames, type.high, context)
    return replace(source, type=type, scale=scale)


def _keeps_rounding(source: Input, context: Context) -> bool:
    """Does an input that the model rounds itself stay so? Unless the configuration says another."""
    chosen, type = context.config.input_of(source.name), source.type
    own = {"bits": type.bits, "signed": type.signed, "scale": source.scale}
    other = {
        name: getattr(chosen, name)
        for name, value in own.items()
        if getattr(chosen, name) not in (None, value)
    }
    if other:
        log.warning(
            "input %s: the model rounds its samples itself (%s), the configuration has %s: its "
            "numbers change; leave input out of the configuration",
            *(source.name, own, other),
        )
    return not other


def _bits(graph: Graph, context: Context, frames: Array) -> int:
    if ((frames == 0) | (frames == 1)).all():
        return 1
    stateful = any(isinstance(n.neuron, IntegrateFire | Integrate) for n in graph.nodes)
    return SPIKING_INPUT_BITS if stateful else max(2, context.config.default.edge_bits)


def _scale(frames: Array, high: int, context: Context) -> float:
    largest = max(float(frames.max()), -float(frames.min()))
    if largest <= high and (frames == np.rint(frames)).all():
        return 1.0
    config = context.config
    if config.calibration == "max":
        return float(scale_of_kind(largest / high, config.scale))
    some = frames[:: max(1, frames.size // SEARCHED)].astype(np.float64).reshape(1, -1)
    return float(scales_of_rows(some, high, config.scale, config.calibration)[0])
