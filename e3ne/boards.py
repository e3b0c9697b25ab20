"""The boards that a network can be built for: one TOML file each, in `boards/`."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from .ir.errors import BadInput

Family = Literal["ecp5", "ice40", "gowin", "nexus", "xilinx7", "ultrascale_plus"]
"""The families that Yosys and the cost model are set up for; nextpnr routes the first four."""

PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Resources:
    """What a part holds.

    A LUT has four inputs, six on xilinx7 and ultrascale_plus. `bram_bits` is the total over all
    block RAMs; `brams` counts blocks of 18 kbit (4 kbit on ice40; half a RAMB36 on Xilinx). A DSP
    is what multiplies 18 x 18 bits (16 x 16 on ice40, 25 x 18 on xilinx7, 27 x 18 on
    ultrascale_plus). `spram_bits` are those of large RAMs beside the block RAMs (SPRAM of ice40,
    LRAM of nexus, UltraRAM), `lut_ram_bits` those that LUTs can keep (0: not limited below
    what all LUTs hold, or none).
    """

    luts: int
    ffs: int
    brams: int
    bram_bits: int
    dsps: int
    spram_bits: int = 0
    lut_ram_bits: int = 0


@dataclass(frozen=True)
class Oscillator:
    """The clock source on the board: its frequency and the FPGA pin that it drives."""

    hz: int
    pin: str
    io_standard: str


@dataclass(frozen=True)
class Board:
    """A board, its part in the names of nextpnr, and what the part holds.

    `device`, `package` and `speed` are nextpnr's names (`speed` is "" where the family has one
    grade only, or the device names it). `pins` counts the package's user I/O. `clock_hz` is
    the clock that a build aims at, which a PLL makes from the oscillator. `sources` says where the
    figures come from. `io_pins`: pins with space between them that the ports of a core may take,
    where nextpnr chooses none by itself (gowin, nexus); the first takes the clock.
    `static_uw` microwatts the part takes without a clock (0: the energy model takes its family's).
    """

    name: str
    title: str
    family: Family
    device: str
    part: str
    package: str
    pins: int
    speed: str
    clock_hz: int
    resources: Resources
    oscillator: Oscillator
    sources: tuple[tuple[str, str], ...] = ()
    io_pins: str = ""
    static_uw: int = 0


def boards_folder() -> Path:
    """Where the TOML files are: inside an installed wheel, or at the top of a checkout."""
    installed = PACKAGE / "boards_data"
    return installed if installed.is_dir() else PACKAGE.parent / "boards"


def list_boards() -> tuple[str, ...]:
    """The names of all boards, sorted."""
    return tuple(sorted(path.stem for path in boards_folder().glob("*.toml")))


def load_board(name: str) -> Board:
    """The board called `name`, or the one described by the TOML file at the path `name`.

    BadInput where there is no such board (names the nearest one) or its file is not as it must be.
    """
    if name.endswith(".toml"):
        return read_board(Path(name))
    known = list_boards()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else "`e3ne boards` lists them"
        raise BadInput(f"board: found {name!r}, accepted {', '.join(known)}; {hint}")
    return read_board(boards_folder() / f"{name}.toml")


def read_board(path: Path) -> Board:
    """The board described by the file `path`; BadInput with every problem of the file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: found no readable TOML file ({error}); see boards/") from error
    return board_from_table(path.stem, table, str(path))


def board_from_table(name: str, table: dict[str, Any], where: str) -> Board:
    """The board called `name` out of a table as the TOML files have; BadInput as `read_board`."""
    parts = {key: table.get(key, {}) for key in ("resources", "oscillator", "sources")}
    problems = [
        f"{where}: {key}: found {value!r}, accepted a table"
        for key, value in parts.items()
        if not isinstance(value, dict)
    ]
    if not problems:
        problems += _problems(where, "", table, Board, {"name"})
        problems += _problems(where, "resources.", parts["resources"], Resources)
        problems += _problems(where, "oscillator.", parts["oscillator"], Oscillator)
    if not problems and table["family"] not in get_args(Family):
        accepted = ", ".join(map(repr, get_args(Family)))
        problems.append(f"{where}: family: found {table['family']!r}, accepted {accepted}")
    if problems:
        raise BadInput(problems)
    plain = {key: value for key, value in table.items() if key not in parts}
    return Board(
        name=name,
        resources=Resources(**parts["resources"]),
        oscillator=Oscillator(**parts["oscillator"]),
        sources=tuple(sorted((str(key), str(text)) for key, text in parts["sources"].items())),
        **plain,
    )


def board_table(board: Board) -> dict[str, Any]:
    """The board as `board_from_table` reads it, and as JSON can hold it."""
    table = asdict(board) | {"sources": dict(board.sources)}
    del table["name"]
    return table


ACCEPTED = {"str": str, "int": int, "Family": str}
OPTIONAL = ("sources", "spram_bits", "lut_ram_bits", "io_pins", "static_uw")


def _problems(
    where: str, prefix: str, table: dict[str, Any], record: type, given: set[str] | None = None
) -> list[str]:
    """Missing and unknown keys, and values of the wrong type, of one table."""
    wanted = {item.name: item for item in fields(record) if item.name not in (given or set())}
    problems = [
        f"{where}: {prefix}{key}: found an unknown key, accepted {', '.join(wanted)}"
        for key in sorted(set(table) - set(wanted))
    ]
    for key, item in wanted.items():
        kind = ACCEPTED.get(str(item.type))
        if key not in table:
            if key not in OPTIONAL:
                problems.append(f"{where}: {prefix}{key}: found nothing, accepted {item.type}")
        elif kind is not None and (type(table[key]) is not kind):
            problems.append(
                f"{where}: {prefix}{key}: found {table[key]!r}, accepted {kind.__name__}"
            )
        elif kind is int and table[key] < 0:
            problems.append(f"{where}: {prefix}{key}: found {table[key]}, accepted 0 or more")
    return problems
