"""Which layouts a matrix unit has: bits at a time, and products in multipliers of the part."""

from __future__ import annotations

from collections.abc import Iterator

from .graph import Graph, Mapping, Storage, Synapse, SynapseMapping
from .ops import Conv2d, Linear
from .products import MOST_PRODUCTS_PER_DSP, MULTIPLIERS, packings
from .synapse_products import stored_kind


def matrix_problems(
    graph: Graph, synapse: Synapse, mapping: Mapping, lanes: SynapseMapping, skips_slices: bool
) -> Iterator[str]:
    """Every rule that a synapse of DENSE (or, where it skips slices, EVENT) breaks."""
    type = graph.edge(synapse.source)
    bits = type.bits if lanes.bit_lanes is None else lanes.bit_lanes
    if bits < 1 or type.bits % bits:
        yield f"found bit_lanes={bits}, accepted a divisor of the {type.bits} bits of its source"
        return
    if skips_slices and type.signed and 1 < bits < type.bits:
        yield f"found bit_lanes={bits} of a signed source on engine event, accepted 1 or none"
    if lanes.buffer_storage is Storage.LOADED:
        yield "found buffer_storage loaded, accepted auto, block or lut"
    if not 1 <= lanes.products_per_dsp <= MOST_PRODUCTS_PER_DSP:
        yield (
            f"found products_per_dsp={lanes.products_per_dsp}, accepted 1 to "
            f"{MOST_PRODUCTS_PER_DSP}"
        )
    elif lanes.dsps:
        yield from _multipliers(synapse, mapping, lanes, bits, type.signed and skips_slices)


def _multipliers(
    synapse: Synapse, mapping: Mapping, lanes: SynapseMapping, bits: int, keeps_sign: bool
) -> Iterator[str]:
    assert isinstance(synapse.op, Linear | Conv2d)
    weight_bits, count = stored_kind(synapse.op)[0], lanes.products_per_dsp
    if bits < 2 or weight_bits < 2:
        yield (
            f"found dsps={lanes.dsps} for weights of {weight_bits} and elements of {bits} bits, "
            "accepted 0: such products are gates"
        )
        return
    if keeps_sign:
        yield f"found dsps={lanes.dsps} for a signed source on engine event, accepted 0"
    if not any(count in packings(weight_bits, bits, part) for part in MULTIPLIERS.values()):
        yield (
            f"found products_per_dsp={count} for weights of {weight_bits} and elements of {bits} "
            "bits, accepted fewer: no multiplier is so wide"
        )
    if mapping.out_lanes % count:
        yield f"found products_per_dsp={count}, accepted a divisor of out_lanes={mapping.out_lanes}"
        return
    sums = mapping.pixel_lanes * lanes.step_lanes
    most = sums * lanes.in_lanes * (mapping.out_lanes // count)
    if lanes.dsps < 0 or lanes.dsps % sums or lanes.dsps > most:
        yield (
            f"found dsps={lanes.dsps}, accepted multiples of pixel_lanes * step_lanes = {sums} up "
            f"to {most}"
        )
