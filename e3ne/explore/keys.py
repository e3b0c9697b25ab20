"""Keys by content: two evaluations have one key only where they cannot but give one result."""

from __future__ import annotations

import enum
import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = Path(__file__).resolve().parents[1]
KEY_DIGITS = 32


def content_key(*parts: Any) -> str:
    """SHA-256 (its first 32 digits) of plain values, arrays, records, lists and mappings of them.

    Mappings count without their order. TypeError for anything else: what cannot be read cannot be
    told apart.
    """
    found = hashlib.sha256()
    for part in parts:
        _feed(found.update, part)
    return found.hexdigest()[:KEY_DIGITS]


def _feed(update: Callable[[bytes], None], part: Any) -> None:
    if isinstance(part, np.ndarray):
        update(f"array {part.dtype} {part.shape} ".encode())
        update(np.ascontiguousarray(part).tobytes())
    elif is_dataclass(part) and not isinstance(part, type):
        update(f"record {type(part).__name__} ".encode())
        for item in fields(part):
            update(f"{item.name} ".encode())
            _feed(update, getattr(part, item.name))
    elif isinstance(part, Mapping):
        update(f"mapping {len(part)} ".encode())
        for name, value in sorted(part.items(), key=lambda item: repr(item[0])):
            _feed(update, name)
            _feed(update, value)
    elif isinstance(part, list | tuple):
        update(f"list {len(part)} ".encode())
        for value in part:
            _feed(update, value)
    elif isinstance(part, enum.Enum):
        update(f"{type(part).__name__} {part.name} ".encode())
    elif part is None or isinstance(part, bool | int | float | str | np.number):
        text = repr(part.item() if isinstance(part, np.number) else part)
        update(f"value {len(text)} {text} ".encode())
    else:
        raise TypeError(f"content key: found {type(part).__name__}, accepted plain values")


@functools.cache
def compiler_key() -> str:
    """A key of e3ne itself: its sources and templates. Another e3ne, other figures."""
    folders = (PACKAGE, PACKAGE.parent / "hdl_templates")
    sources = sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    return content_key([[str(path.relative_to(PACKAGE.parent)), _sha(path)] for path in sources])


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
