"""Products that go into multipliers of the part: `*` in simulation, a template in Verilog."""

from __future__ import annotations

from amaranth.hdl import Instance, Signal

from .rom import RomForm


def multiply(m, a, b, form: RomForm):
    """The product of two unsigned numbers, exact; a signal of all its bits.

    In form "file" an instance of `e3ne_multiply` (`hdl_templates/`), so that synthesis can tell
    these products from those that stay in LUTs; `toolchain.yosys` maps each to one multiplier.
    """
    product = Signal(len(a) + len(b))
    if form == "memory":
        m.d.comb += product.eq(a * b)
    else:
        m.submodules += Instance(
            "e3ne_multiply",
            p_A_WIDTH=len(a),
            p_B_WIDTH=len(b),
            i_a=a,
            i_b=b,
            o_product=product,
        )
    return product
