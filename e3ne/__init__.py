"""e3ne: from a trained PyTorch spiking neural network to checked Verilog."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

# Loaded when first used: importing e3ne imports neither torch nor Amaranth.
_EXPORTS = {
    "Hardware": "e3ne.compile",
    "compile": "e3ne.compile",
    "choose_encoding": "e3ne.choosing",
    "choose_precision": "e3ne.choosing",
    "default_config": "e3ne.compile",
    "encoders": "e3ne.training",
    "list_boards": "e3ne.boards",
    "load_board": "e3ne.boards",
    "load_network": "e3ne.network_file",
    "read_nir": "e3ne.frontend.nir",
    "register_neuron": "e3ne.frontend",
    "save_network": "e3ne.network_file",
    "write_nir": "e3ne.frontend.nir",
}

__all__ = [
    "Hardware",
    "__version__",
    "choose_encoding",
    "choose_precision",
    "compile",
    "default_config",
    "encoders",
    "list_boards",
    "load_board",
    "load_network",
    "read_nir",
    "register_neuron",
    "save_network",
    "write_nir",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'e3ne' has no attribute {name!r}")
    if name == "encoders":  # a module, not something in one
        importlib.import_module("e3ne.training.encoders")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """This package; `e3ne.compile` stays the function when its module of that name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "compile" and isinstance(value, ModuleType):
            value = value.compile
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
