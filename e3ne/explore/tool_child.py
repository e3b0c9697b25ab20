"""The process of `tools.run_tools`: `python -m e3ne.explore.tool_child FOLDER`.

One thread works, the other one waits for the parent's end; only the latter ends the process, so
that nothing is written while the folder is removed, nor the folder forgotten.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from ..boards import board_from_table
from ..emit import Details, load_graph, write_build
from ..gateware.network import Network
from ..ir import DoesNotFit, E3neError
from ..progress import Stages
from ..synthesis import check_fits, check_pins, part_of, route, synthesize
from ..toolchain import ToolError
from ..toolchain.process import end_programs, limit_programs
from .tools import OUTCOME, REQUEST

REMOVE_TRIES, REMOVE_PAUSE_S = 100, 0.05


def main(folder: Path) -> None:
    """Reads the request in `folder`, writes the outcome there, at once, and closes its output."""
    parent = os.dup(sys.stdout.fileno())  # of which no program started here has a copy
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    watcher = threading.Thread(target=end_with_parent, args=(folder,))
    watcher.start()
    try:
        outcome = outcome_of(folder)
        partial = folder / f"{OUTCOME}.partial"
        partial.write_text(json.dumps(outcome), encoding="utf-8")
        partial.replace(folder / OUTCOME)
    finally:
        os.close(parent)
        watcher.join()


def outcome_of(folder: Path) -> dict[str, Any]:
    """Figures, or why there are none."""
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    limit_programs(request["limits"]["memory_bytes"])
    try:
        return implement(folder, request)
    except DoesNotFit as error:
        return {"infeasible": list(error.problems), "kind": "DoesNotFit"}
    except (ToolError, E3neError) as error:
        return {"failed": str(error)}
    except MemoryError:
        return {"failed": "tools: found no memory left; allow more with --tool-memory"}
    except Exception as error:
        traceback.print_exc()
        return {"failed": f"tools: found {error!r}, accepted figures; this is a defect of e3ne"}


def end_with_parent(folder: Path) -> None:
    """Waits until the pipe from the parent closes; then nothing of this process stays."""
    sys.stdin.buffer.read()
    end_programs()
    for _ in range(REMOVE_TRIES):  # the other thread may still be writing into it
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            break
        time.sleep(REMOVE_PAUSE_S)
    os._exit(1)


def implement(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Verilog, Yosys and, where it is asked for, nextpnr: resources, and the median clock."""
    table = dict(request["board"])
    board = board_from_table(table.pop("name"), table, "board")
    graph = load_graph(folder / "graph")
    details = Details("explored", board.name, 0, "", board.clock_hz, part_of(board))
    build = write_build(folder / "build", graph, Network(graph, rom_form="file"), details)
    stages = Stages()
    used: dict[str, Any] = synthesize(build.folder, build.verilog, board, stages)
    check_fits(used, board)
    if request["measure"] == "synthesis":
        return used
    check_pins(build.manifest["ports"], board)
    figures = route(build.folder, board, request["limits"]["seeds"], stages)
    routed = figures["resources"]["routed"]  # without flip-flops where nextpnr counts none apart
    return {**used, **routed, "clock_hz": figures["fmax_hz"]["median"]}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
