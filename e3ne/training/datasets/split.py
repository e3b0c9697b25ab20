"""A data set in two parts, and where its files are sought."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ...ir import Array, BadInput

CHECKOUT = Path(__file__).resolve().parents[3]


class MissingData(BadInput):
    """A data set is not on this machine; the message says where it was sought and how to get it."""


@dataclass(frozen=True)
class Split:
    """Samples float32 (frames, *shape) in 0 .. 1 and classes int64 (frames,), train and test."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


def find_data(name: str, files: tuple[str, ...], source: str) -> Path:
    """The first folder `name` of `$E3NE_DATA` and `../shared/data` that holds all `files`.

    MissingData where neither does; `source` says where they come from.
    """
    roots = [CHECKOUT.parent / "shared" / "data"]
    if os.environ.get("E3NE_DATA"):
        roots.insert(0, Path(os.environ["E3NE_DATA"]))
    for root in roots:
        if all((root / name / file).is_file() for file in files):
            return root / name
    sought = " and ".join(str(root / name) for root in roots)
    raise MissingData(
        f"{name}: found no {', '.join(files)} in {sought}, accepted a folder that holds them all; "
        f"get them from {source} and set E3NE_DATA to the folder that contains {name}/"
    )
