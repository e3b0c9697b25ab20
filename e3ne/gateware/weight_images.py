"""What lies in the ROMs of a matrix unit: weights word by word, and a bias that corrects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ir.arrays import Array
from ..ir.event_lanes import LanePlan
from ..ir.geometry import Fold
from ..ir.products import Products
from .rom import RomImage, pack


def weight_image(
    name: str,
    weight: Array,
    fold: Fold,
    products: Products,
    kept_rows: Sequence[int] | None = None,
) -> RomImage:
    """The weight ROM, word by word in the order of the slices; see `stored`.

    `weight` (outputs, elements of a patch in slice order). A word holds `out_lanes` x
    `fold.in_lanes` weights, lane of the source lowest. With `kept_rows` only these words, so
    ordered.
    """
    outputs, out_lanes = fold.groups * fold.outs, products.out_lanes
    blocks = weight.reshape(outputs, out_lanes, fold.slices, fold.in_lanes).transpose(0, 2, 1, 3)
    rows = stored(blocks.reshape(outputs * fold.slices, -1), products)
    if kept_rows is not None:
        rows = rows[list(kept_rows)]
    bits = products.weight_bits
    return RomImage(name, rows.shape[1] * bits, tuple(pack_rows(rows, bits)))


def lane_images(
    name: str, weight: Array, plan: LanePlan, products: Products
) -> tuple[RomImage, ...]:
    """The weight ROMs of lanes that follow their own events: one each, rows as `plan` says.

    `weight` (outputs, elements in wire order). A word holds `out_lanes` weights; rows that are
    nobody's hold zeros.
    """
    blocks = stored(weight, products).reshape(-1, products.out_lanes, weight.shape[1])
    images = []
    for lane, elements in enumerate(plan.elements):
        rows = np.where(elements >= 0, blocks[:, :, elements], 0).transpose(0, 2, 1)
        words = pack_rows(rows.reshape(-1, products.out_lanes), products.weight_bits)
        width = products.out_lanes * products.weight_bits
        images.append(RomImage(f"{name}.{lane}", width, tuple(words)))
    return tuple(images)


def stored(weight: Array, products: Products) -> Array:
    """Weights as their ROM holds them: of +-1 as (w + 1) / 2, shifted up for digits, else plain."""
    if products.is_binary:
        return (weight + 1) // 2
    return weight + products.dsp_extra if products.is_offset else weight


def bias_image(name: str, bias: Array, out_lanes: int, width: int) -> RomImage:
    """The bias ROM: `out_lanes` numbers of `width` bits a word."""
    words = bias.reshape(-1, out_lanes).tolist()
    return RomImage(name, width * out_lanes, tuple(pack(row, width) for row in words))


def whole_bias(weight: Array, bias: Array | None, fold: Fold, products: Products) -> Array | None:
    """The bias (outputs,) with what the form of the products leaves to it; None: nothing to add.

    Right modulo 2**bits of the currents, which is all that wrapping sums need.
    """
    if not products.moves_bias:
        return bias
    outputs = weight.shape[0]
    total = np.zeros(outputs, object) if bias is None else bias.astype(object)
    planes = sum(1 << (plane * products.element_bits) for plane in range(products.planes))
    full = (1 << products.element_bits) - 1
    if products.digits:
        codes = stored(weight, products).reshape(outputs, fold.slices, fold.in_lanes)
        offsets = np.array([products.offset(code) for code in range(1 << products.weight_bits)])
        found = offsets[codes].sum(axis=1)  # (outputs, in_lanes)
        for output in range(outputs):
            in_dsps = products.dsp_lanes(output % products.out_lanes)
            total[output] -= planes * int(found[output, in_dsps:].sum())
            if products.extra < 0:
                in_luts = fold.slices * (fold.in_lanes - in_dsps)
                total[output] -= planes * products.extra * full * in_luts
    if products.is_flipped:
        half = 1 << (products.planes * products.element_bits - 1)
        total = total - half * weight.sum(axis=1).astype(object)
    return total


def pack_rows(rows: Array, bits: int) -> list[int]:
    """Each row of integers as one number of two's complement fields, the first lowest."""
    fields = ((rows[..., None] >> np.arange(bits)) & 1).astype(np.uint8)
    packed = np.packbits(fields.reshape(len(rows), -1), axis=-1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
