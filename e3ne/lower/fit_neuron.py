"""The threshold and the decay of spiking neurons with which integers spike as the floats do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from .. import reference
from ..ir import Array, Dyadic, IntegrateFire, Node, frozen
from .synapse_weights import may_have_channel_scales
from .trial import Trial, acts

RATIOS = (1.0, *(1 + sign * k / 50 for k in range(1, 16) for sign in (1, -1)))  # 0.7 .. 1.3
DECAY_BITS = range(1, 13)


def fitted(trial: Trial, name: str, group: tuple[str, ...]) -> Node:
    """The node with the threshold, and the decay of the fewest bits, of the best agreement.

    Rounded weights make other currents, and thresholds that are fitted to them make the same
    spikes. Candidates are 0.7 .. 1.3 times the real threshold in steps of 1/50, measured by the
    spikes that equal those of the float network on the calibration frames, given what the
    integer network sends up to here; a tie goes to the nearest to the real one. Thresholds that
    are one a channel (or may be, with `per_channel`) are chosen one by one. Then a decay that has
    no `decay_bits` becomes the m / 2**k of the least k that agrees as well; its real value in the
    FLOAT graph is this number, so that lowering keeps it.
    """
    node = trial.ready.node(name)
    meter = _Meter(trial, name, group)
    neuron = node.neuron
    assert isinstance(neuron, IntegrateFire)
    settings = trial.context.config.node(name)
    single = not isinstance(neuron.threshold, np.ndarray) and not (
        settings.per_channel and may_have_channel_scales(node)
    )
    counts = np.array(
        [meter.errors(replace(node, neuron=_scaled(neuron, ratio))) for ratio in RATIOS]
    )
    best: Array | float = RATIOS[int(np.argmin(counts.sum(axis=1)))]
    if not single and len(group) == 1:
        each = np.asarray(RATIOS)[np.argmin(counts, axis=0)]
        best = float(each[0]) if (each == each[0]).all() else each
    neuron = _scaled(neuron, best, node)
    return replace(node, neuron=_with_cheap_decays(node, neuron, meter, settings.decay_bits))


class _Meter:
    """Counts the spikes of a candidate that differ from those of the float network."""

    def __init__(self, trial: Trial, name: str, group: tuple[str, ...]) -> None:
        self.trial, self.name, self.group = trial, name, group

    def errors(self, node: Node) -> Array:
        """Unequal spikes of each channel, over frames, steps and places: int64 (channels,)."""
        integer, graph = self.trial.lowered(node)[0], self.trial.integer
        if self.name in self.trial.currents:
            sent = acts(graph, integer, self.trial.currents[self.name][1])
        else:
            members = tuple(
                integer if name == self.name else graph.node(name) for name in self.group
            )
            sent = reference.group_spikes(graph, members, self.trial.found)[self.name]
        unequal = sent != np.rint(self.trial.wanted[self.name])
        return np.asarray(unequal.sum(axis=(0, 1, *range(3, unequal.ndim))))


def _scaled(neuron: IntegrateFire, ratio: Array | float, node: Node | None = None) -> IntegrateFire:
    """The neuron with its threshold times `ratio`, a number or one a channel of `node`."""
    threshold = np.asarray(neuron.threshold, np.float64)
    if isinstance(ratio, np.ndarray) and node is not None and threshold.shape == node.type.shape:
        ratio = ratio.reshape(-1, *(1,) * (threshold.ndim - 1))
    product = threshold * ratio
    return replace(
        neuron, threshold=frozen(product, np.float32) if product.ndim else float(product)
    )


def _with_cheap_decays(
    node: Node, neuron: IntegrateFire, meter: _Meter, bits: int | None
) -> IntegrateFire:
    """Decays of fewer bits, one after the other, where no more spikes differ."""
    least = int(meter.errors(replace(node, neuron=neuron)).sum())
    names = ("decay", "synaptic_decay") if bits is None else ()
    for field in names:
        factor = getattr(neuron, field)
        if factor is None or isinstance(factor, Dyadic):
            continue
        for candidate in _coarse(np.asarray(factor, np.float64)):
            changed = replace(neuron, **{field: candidate})  # type: ignore[arg-type]
            if int(meter.errors(replace(node, neuron=changed)).sum()) <= least:
                neuron = changed
                break
    return neuron


def _coarse(decay: Array) -> Iterable[Array | float]:
    """The nearest m / 2**k for each k, coarsest first, up to the first that is the decay itself.

    A leak stays one: a membrane that never forgets has no bound in an endless stream.
    """
    for bits in DECAY_BITS:
        rounded = np.rint(decay * 2.0**bits) / 2.0**bits
        if ((rounded >= 1) & (decay < 1)).any():
            continue
        yield frozen(rounded, np.float32) if rounded.ndim else float(rounded)
        if (rounded == decay).all():
            return
