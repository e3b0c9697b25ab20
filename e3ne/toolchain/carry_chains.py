"""Carry chains of ECP5 in Yosys's JSON netlist, as nextpnr packs them best."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def free_carry_outputs(netlist: Path) -> int:
    """Leaves the carry outputs of CCU2C that nobody reads open, in the JSON file; how many.

    Yosys gives the last carry of each chain a wire, and nextpnr then appends a cell of two LUTs
    that brings it out of the chain.
    """
    design: dict[str, Any] = json.loads(netlist.read_text())
    freed = 0
    for module in design["modules"].values():
        cells = module["cells"].values()
        read = {bit for port in module["ports"].values() for bit in port["bits"]}
        for cell in cells:
            outputs = {k for k, way in cell.get("port_directions", {}).items() if way == "output"}
            for port, bits in cell["connections"].items():
                if port not in outputs:
                    read.update(bits)
        for cell in cells:
            if cell["type"] == "CCU2C" and not read.intersection(cell["connections"]["COUT"]):
                cell["connections"]["COUT"] = ["x"]
                freed += 1
    if freed:
        netlist.write_text(json.dumps(design))
    return freed
