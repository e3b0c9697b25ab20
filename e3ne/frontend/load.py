"""Finds the user's model: a factory function, and the weights for it."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from ..ir import BadInput

WEIGHT_SUFFIXES = (".pt", ".pth", ".safetensors", ".ckpt", ".pkl")


def load_model(spec: str, weights: str | Path | None = None) -> nn.Module:
    """The module that a factory returns, with weights loaded, in evaluation mode.

    `spec` is `file.py:factory` or `package.module:factory`; this runs the user's code. `weights`
    is a state dict as `.pt` (read with weights_only=True) or `.safetensors`; files that hold whole
    modules are refused. BadInput where anything is missing or does not fit.
    """
    where, separator, name = spec.rpartition(":")
    if Path(spec).suffix in WEIGHT_SUFFIXES:
        raise BadInput(
            f"model {spec!r}: found a file of weights, accepted file.py:factory or "
            "package.module:factory; give the function that makes the model, and this file as "
            "weights"
        )
    if not separator or not where or not name:
        raise BadInput(
            f"model {spec!r}: found no factory, accepted file.py:factory or "
            "package.module:factory; add a colon and the name of a function without "
            "arguments that returns the model"
        )
    with neighbours_of(Path(where)) if where.endswith(".py") else nullcontext():
        module = _import_file(Path(where)) if where.endswith(".py") else _import_module(where)
        model = _call(getattr(module, name, None), spec)
    if weights is not None:
        load_weights(model, Path(weights))
    return model.eval()


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads a state dict whose keys and shapes are exactly the model's; BadInput otherwise."""
    state = read_state(path)
    own = model.state_dict()
    problems = [f"{path}: found no {key}; save it with the model's state_dict()"
                for key in own if key not in state]  # fmt: skip
    problems += [
        f"{path}: found {key}, which the model lacks; check that file and factory belong together"
        for key in state
        if key not in own
    ]
    problems += [
        f"{path}: found {key} of shape {tuple(state[key].shape)}, accepted {tuple(own[key].shape)}"
        "; check the sizes that the factory uses"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if problems:
        raise BadInput(problems)
    model.load_state_dict(state)


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a `.pt` or `.safetensors` file by name; executes nothing from it."""
    if not path.is_file():
        raise BadInput(f"weights {path}: found no such file, accepted a .pt or .safetensors file")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in (".pt", ".pth"):
        raise BadInput(
            f"weights {path}: found {path.suffix or 'no suffix'}, accepted .pt or .safetensors; "
            "save model.state_dict() with torch.save"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise BadInput(f"weights {path}: {_why_not_loaded(error)}") from error
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    ):
        raise BadInput(
            f"weights {path}: found {type(state).__name__} with other things than tensors by name, "
            "accepted a state dict; save model.state_dict() alone"
        )
    return state


def _why_not_loaded(error: Exception) -> str:
    """What is wrong with a file that torch did not read, and what to do."""
    text = str(error)
    named = re.search(r"GLOBAL ([\w.]+)", text)
    if named is not None or "TorchScript" in text:
        objects = named.group(1) if named is not None else "a TorchScript archive"
        return (
            f"found Python objects beside tensors ({objects}), whose loading may run any code, "
            "accepted a state dict; save model.state_dict() instead of the model"
        )
    return (
        f"found a file that is cut off or damaged, or no torch file ({type(error).__name__}), "
        "accepted a state dict; save model.state_dict() with torch.save, or copy the file again"
    )


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        from safetensors.torch import load_file
    except ImportError as error:
        raise BadInput(
            f"weights {path}: found no safetensors package, accepted it installed; run pip install "
            "safetensors, or save a .pt"
        ) from error
    try:
        return load_file(path)
    except Exception as error:
        raise BadInput(
            f"weights {path}: found a damaged file ({error}), accepted safetensors; save it again"
        ) from error


@contextmanager
def neighbours_of(path: Path) -> Iterator[None]:
    """While it lasts, `path` can import the files beside it, as if it were run.

    Afterwards their names are free again: the next model may have neighbours of the same names.
    """
    folder = path.resolve().parent
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).resolve().is_relative_to(folder):
                del sys.modules[name]


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise BadInput(f"model {path}: found no such file, accepted a Python file; check the path")
    spec = importlib.util.spec_from_file_location(f"e3ne_model_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadInput(
            f"model {path}: found {type(error).__name__} on import ({error}), accepted a file that "
            "imports; run it with python first"
        ) from error
    return module


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise BadInput(
            f"model {name}: found {type(error).__name__} on import ({error}), accepted an "
            "importable module; install it, or give a path that ends with .py"
        ) from error


def _call(factory: Callable[[], object] | None, spec: str) -> nn.Module:
    if not callable(factory):
        raise BadInput(
            f"model {spec}: found no function of that name, accepted a function without arguments; "
            "check its spelling"
        )
    try:
        model = factory()
    except Exception as error:
        raise BadInput(
            f"model {spec}: found {type(error).__name__} when calling the factory ({error}), "
            "accepted a function without arguments that returns a torch.nn.Module; give every "
            "argument a default"
        ) from error
    if not isinstance(model, nn.Module):
        raise BadInput(
            f"model {spec}: found a factory that returns {type(model).__name__}, accepted a "
            "torch.nn.Module; return the model"
        )
    return model
