"""A simulation on the workers of a Dask scheduler: the build goes there once, frames in pieces.

A host unpacks the build into its cache under the key of its content and builds the simulator
there once; its workers, and later runs, share that.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..emit import Build, load_build
from ..explore.cache import default_folder
from ..explore.crew import Crew, open_crew, shared
from ..ir import Array
from .pieces import Compared, Piece, Progress, cut, merged, run_piece
from .runs import Frames, RunOptions, build_simulator, run_verilator

KEY_DIGITS = 24


def run_on_cluster(
    build: Build,
    frames: Frames,
    pieces: list[Piece],
    alone: Frames,
    scheduler: str,
    progress: Progress | None,
) -> tuple[Compared, Array]:
    """(all pieces as of one run, latencies of the frames `alone`, one by one).

    BadInput for an address that is none; ToolError where scheduler, worker or tool fails.
    """
    packed = pack(build)
    name = f"e3ne-build-{packed[0]}"
    with open_crew(1, scheduler) as crew:
        crew.share(name, packed)
        try:
            crew.submit(-1, _latencies, name, narrow(alone))
            for number, piece in enumerate(pieces):
                crew.submit(number, _compared, name, narrow(cut(frames, piece)), piece)
            found = dict(_answers(crew, len(pieces), len(frames[0]), pieces, progress))
        finally:
            crew.unshare(name)
    latencies: Array = found.pop(-1)
    return merged((found[k] for k in range(len(pieces))), len(frames[0]), None), latencies


def _answers(
    crew: Crew, count: int, frames: int, pieces: list[Piece], progress: Progress | None
) -> Iterator[tuple[int, Any]]:
    """Answers as they come; the first error ends the run."""
    done = 0
    for _ in range(count + 1):
        answer = crew.answer()
        if answer.error is not None:
            raise answer.error
        if answer.name >= 0:
            done += pieces[answer.name].stop - pieces[answer.name].start
            if progress is not None:
                progress(done, frames)
        yield answer.name, answer.value


def narrow(frames: Frames) -> Frames:
    """The same integers in the narrowest dtypes, for the way to a worker."""
    found = []
    for array in frames:
        low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
        found.append(array.astype(np.result_type(*map(np.min_scalar_type, (low, high)))))
    return tuple(found)


def pack(build: Build) -> tuple[str, bytes]:
    """(key by content, tar file) of a build without what simulation and synthesis made in it."""
    folder, names = build.folder, ["manifest.json", *sorted(build.manifest["files"])]
    held, digest = io.BytesIO(), hashlib.sha256()
    with tarfile.open(fileobj=held, mode="w:gz", compresslevel=1) as tar:
        for name in names:
            tar.add(folder / name, arcname=name)
            digest.update(name.encode() + b"\0" + (folder / name).read_bytes())
    return digest.hexdigest()[:KEY_DIGITS], held.getvalue()


def unpacked(packed: tuple[str, bytes]) -> Build:
    """On a worker: the build in this host's cache, unpacked by the first who needs it."""
    key, tar_bytes = packed
    folder = default_folder() / "simulations" / key
    with locked(folder.with_suffix(".lock")):
        if not folder.is_dir():
            partial_folder = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder.parent))
            try:
                with tarfile.open(fileobj=io.BytesIO(tar_bytes)) as tar:
                    tar.extractall(partial_folder, filter="data")
                partial_folder.rename(folder)
            finally:
                shutil.rmtree(partial_folder, ignore_errors=True)
        build = load_build(folder)
        build_simulator(build)
    return build


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock among the processes of this host; it goes when its process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compared(name: str, frames: Frames, piece: Piece) -> Compared:
    """On a worker: a piece, simulated and compared."""
    build = unpacked(shared(name))
    run = partial(run_verilator, build, build_simulator(build))
    return run_piece(build, run, wide(frames), piece)


def _latencies(name: str, frames: Frames) -> Array:
    """On a worker: cycles of frames that have the hardware for themselves."""
    build = unpacked(shared(name))
    options = RunOptions(isolated=True)
    return run_verilator(build, build_simulator(build), wide(frames), options).latencies


def wide(frames: Frames) -> Frames:
    """Integers as the reference takes them."""
    return tuple(array.astype(np.int64) for array in frames)
