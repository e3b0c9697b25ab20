"""A `.nir` file as a tree of plain values, read without following or executing anything.

Only groups and datasets of numbers and text that lie in the file itself are read. Links to other
places, data kept in other files, references, compound types and filters that need a plug-in are
refused, as are files whose arrays or whose number of objects pass a limit.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ...ir import BadInput

Tree = dict[str, Any]
"""Names to trees, numeric arrays, text, lists of pairs of text (edges), or None (empty)."""

MOST_ELEMENTS = 1 << 27
MOST_OBJECTS = 200_000
MOST_LEVELS = 24
HEAP = b"GCOL\x01\0\0\0"
# deflate, shuffle, fletcher32, szip, nbit, scale-offset, lzf: built into the HDF5 library.
BUILT_IN_FILTERS = frozenset((1, 2, 3, 4, 5, 6, 32000))


def h5py_module() -> Any:
    """The h5py package; BadInput with the line that installs it where it is missing."""
    try:
        import h5py
    except ImportError as error:
        raise BadInput(
            "nir: found no h5py package, accepted it installed; run pip install 'e3ne[nir]'"
        ) from error
    return h5py


def read_tree(path: Path) -> Tree:
    """The content of the HDF5 file `path`; BadInput where it is damaged, hostile or missing."""
    if not path.is_file():
        raise BadInput(f"{path}: found no such file, accepted a .nir file; check the path")
    h5py = h5py_module()
    _check_heaps(path)
    try:
        with h5py.File(path, "r") as file:
            return _Reader(h5py, path).group(file, "", 0)
    except BadInput:
        raise
    except Exception as error:  # a damaged file may fail anywhere inside of the HDF5 library
        raise BadInput(
            f"{path}: found a damaged file or none of the HDF5 format ({error}), accepted a .nir "
            "file as nir.write makes it; export it again"
        ) from error


def _check_heaps(path: Path) -> None:
    """BadInput where a heap of texts is damaged: the HDF5 library can walk such a one forever.

    A heap is "GCOL", version 1, its size, then objects: index, uses, 4 bytes, size, content. Index
    0 is the free rest.
    """
    content = path.read_bytes()
    start = content.find(HEAP)
    while start >= 0:
        end = start + int.from_bytes(content[start + 8 : start + 16], "little")
        place, sound = start + 16, start + 16 <= end <= len(content)
        while sound and place + 16 <= end:
            index = int.from_bytes(content[place : place + 2], "little")
            size = int.from_bytes(content[place + 8 : place + 16], "little")
            if index == 0:
                sound = size == end - place
                break
            place += 16 + (size + 7) // 8 * 8
            sound = place <= end
        if not sound:
            raise BadInput(
                f"{path}: found a damaged file (texts at byte {start}), accepted a .nir file "
                "as nir.write makes it; export it again"
            )
        start = content.find(HEAP, start + 4)


class _Reader:
    def __init__(self, h5py: Any, path: Path) -> None:
        self.h5py, self.path = h5py, path
        self.objects = self.elements = 0

    def refuse(self, where: str, found: str, accepted: str) -> BadInput:
        return BadInput(
            f"{self.path}: {where or '/'}: found {found}, accepted {accepted}; export it again "
            "with nir.write from a source that you trust"
        )

    def group(self, group: Any, where: str, level: int) -> Tree:
        if level > MOST_LEVELS:
            raise self.refuse(where, "groups within groups without end", f"{MOST_LEVELS} levels")
        tree: Tree = {}
        for name in group:
            place = f"{where}/{name}"
            self.objects += 1
            if self.objects > MOST_OBJECTS:
                raise self.refuse(where, "too many objects", f"{MOST_OBJECTS} of them")
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                raise self.refuse(place, "a link to another place", "data in the file itself")
            item = group[name]
            if isinstance(item, self.h5py.Group):
                tree[name] = self.group(item, place, level + 1)
            elif isinstance(item, self.h5py.Dataset):
                tree[name] = self.dataset(item, place)
            else:
                raise self.refuse(place, type(item).__name__, "groups and datasets")
        return tree

    def dataset(self, data: Any, where: str) -> Any:
        if data.is_virtual or data.external:
            raise self.refuse(where, "data kept in another file", "data in the file itself")
        if data.shape is None:
            return None
        self.elements += math.prod(data.shape)
        if self.elements > MOST_ELEMENTS:
            raise self.refuse(
                where, f"an array of shape {data.shape}", f"{MOST_ELEMENTS} numbers in all"
            )
        properties = data.id.get_create_plist()
        codes = {properties.get_filter(k)[0] for k in range(properties.get_nfilters())}
        if not codes <= BUILT_IN_FILTERS:
            raise self.refuse(where, f"filter {sorted(codes)}", "filters built into HDF5 (gzip)")
        if self.h5py.check_string_dtype(data.dtype) is not None:
            return _text(data.asstr()[()])
        if data.dtype.kind not in "fiub":
            raise self.refuse(where, f"elements of type {data.dtype}", "numbers or text")
        return np.asarray(data[()])


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return [tuple(row) if isinstance(row, np.ndarray) else row for row in value]
