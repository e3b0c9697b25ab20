"""Which kind of memory a RAM asks the synthesizer for."""

from __future__ import annotations

from ..ir import Storage

RAM_STYLES = {Storage.BLOCK: "block", Storage.LUT: "distributed"}


def memory_attributes(storage: Storage) -> dict[str, str]:
    """The attributes of a memory that lies in `storage`: none where the synthesizer chooses.

    Yosys and the vendors' tools read `ram_style`. Synthesis fails where the part has no such kind:
    iCE40 has no memory made of LUTs.
    """
    return {"ram_style": RAM_STYLES[storage]} if storage in RAM_STYLES else {}
