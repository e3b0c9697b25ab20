"""Where libraries stand that cannot be installed beside each other."""

from __future__ import annotations

import os
from pathlib import Path

from .case import LIBRARIES

ROOT = Path(__file__).parents[2]
SEPARATE = ROOT / ".venv" / "separate"


def folder_of(library: str) -> Path | None:
    """The folder that a session for the cases of `library` must see first, or None."""
    name = LIBRARIES[library]
    return None if name is None else SEPARATE / name


def python_path(library: str) -> str:
    """PYTHONPATH of such a session."""
    folder = folder_of(library)
    return os.pathsep.join(str(path) for path in (folder, ROOT) if path is not None)
