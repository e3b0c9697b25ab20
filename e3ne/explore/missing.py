"""What to do where the packages of the extra `explore` are not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..toolchain import ToolMissing


@contextmanager
def needed_packages() -> Iterator[None]:
    """Turns a failed import of Optuna or Dask into ToolMissing with the line that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in ("optuna", "distributed", "dask"):
            raise ToolMissing(
                f"explore: found no package {error.name}, accepted Optuna and Dask; "
                "pip install 'e3ne[explore]'"
            ) from None
        raise
