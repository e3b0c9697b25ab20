"""Which kind of memory a RAM asks the synthesizer for."""

from __future__ import annotations

from ..ir import Storage

RAM_STYLES = {Storage.BLOCK: "block", Storage.LUT: "distributed"}


def memory_attributes(storage: Storage) -> dict[str, str]:
    """The attributes of a memory that lies in `storage`: none where the synthesizer chooses.

    Yosys and the vendors' tools read `ram_style`; a part without the kind gets what it has.
    """
    return {"ram_style": RAM_STYLES[storage]} if storage in RAM_STYLES else {}
