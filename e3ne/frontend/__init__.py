"""From a trained torch model, or a `.nir` file, to a checked graph of stage FLOAT.

`trace` watches one real forward and checks what it read against the model; `load_model` finds the
model; `register_neuron` teaches the frontend a neuron class of yours. `frontend.nir` reads and
writes NIR and needs no torch, so the others are loaded when they are first named.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .load import load_model
    from .registry import NeuronModel, register_neuron, register_reset
    from .tracing import trace
    from .values import Layout

__all__ = ["Layout", "NeuronModel", "load_model", "register_neuron", "register_reset", "trace"]

_HOMES = {
    "Layout": "values",
    "NeuronModel": "registry",
    "load_model": "load",
    "register_neuron": "registry",
    "register_reset": "registry",
    "trace": "tracing",
}


def __getattr__(name: str) -> Any:
    """One of `__all__`, loaded with torch when it is first named."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
