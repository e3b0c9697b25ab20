"""Results on disk under their content keys: shared by studies and processes, written whole."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..toolchain.process import clear_os_errors

Figures = dict[str, Any]
"""Plain values by name, as JSON holds them."""


def default_folder() -> Path:
    """Where results are kept unless the user says otherwise: the cache folder of the system."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "e3ne"


class Cache:
    """A folder of results, one file a key. A damaged file counts as none and is replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hits = 0

    def get(self, key: str) -> Figures | None:
        """The result of `key`; None where there is none yet."""
        try:
            found = json.loads(self._path(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(found, dict):
            return None
        self.hits += 1
        return found

    def put(self, key: str, figures: Figures) -> None:
        """Keeps a result: another process sees all of it or nothing. ToolFailed on a full disk."""
        path = self._path(key)
        with clear_os_errors("explore", self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(prefix=".partial-", dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(figures, file)
                os.replace(partial, path)
            except BaseException:
                Path(partial).unlink(missing_ok=True)
                raise

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
