"""Spikes from before the first step: the zeros that feedback starts from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..ir import ChannelAffine, Op


def without_silence(
    value: Callable[[object], object], ops: Sequence[Op], sources: Sequence[object]
) -> tuple[Sequence[Op], Sequence[object]]:
    """Leaves out constant zeros that a layer without bias reads, if anything else is left.

    `value` says what a source stands for; None for constants.
    """
    kept = [
        (op, source)
        for op, source in zip(ops, sources, strict=True)
        if not (value(source) is None and _keeps_zeros(op) and _is_zeros(source))
    ]
    return ([op for op, _ in kept], [source for _, source in kept]) if kept else (ops, sources)


def _is_zeros(item: object) -> bool:
    return isinstance(item, torch.Tensor) and not bool(item.any())


def _keeps_zeros(op: Op) -> bool:
    """Whether the currents of silence are zero."""
    bias = getattr(op, "offset" if isinstance(op, ChannelAffine) else "bias", None)
    return bias is None or not bool(np.any(bias))
