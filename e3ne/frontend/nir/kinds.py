"""The 18 primitives of NIR 1.0: which parameters each has, and what may stand in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .hdf5 import Tree

CONV = ("weight", "bias", "stride", "padding", "dilation", "groups")
POOL = ("kernel_size", "stride", "padding")

# kind: (parameters it must have, parameters it may have)
PRIMITIVES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Input": ((), ("shape",)),
    "Output": ((), ("shape",)),
    "Affine": (("weight", "bias"), ()),
    "Linear": (("weight",), ()),
    "Scale": (("scale",), ()),
    "Conv1d": (CONV, ("input_shape",)),
    "Conv2d": (CONV, ("input_shape",)),
    "Flatten": ((), ("start_dim", "end_dim", "input_type")),
    "SumPool2d": (POOL, ()),
    "AvgPool2d": (POOL, ()),
    "Delay": (("delay",), ()),
    "Threshold": (("threshold",), ()),
    "I": (("r",), ()),
    "LI": (("tau", "r", "v_leak"), ()),
    "IF": (("r", "v_threshold"), ("v_reset",)),
    "LIF": (("tau", "r", "v_leak", "v_threshold"), ("v_reset",)),
    "CubaLI": (("tau_mem", "tau_syn", "r", "v_leak"), ("w_in",)),
    "CubaLIF": (("tau_mem", "tau_syn", "r", "v_leak", "v_threshold"), ("v_reset", "w_in")),
}
WEIGHT_AXES = {"Affine": 2, "Linear": 2, "Conv1d": 3, "Conv2d": 4}
FIRING = frozenset(("Threshold", "IF", "LIF", "CubaLIF"))
NEURONS = FIRING | {"I", "LI", "CubaLI"}

ALTERNATIVES = {
    "MaxPool2d": "use SumPool2d or AvgPool2d",
    "Conv3d": "use Conv2d for each plane",
    "Identity": "join its source and its reader with an edge",
    "Recurrent": "draw the cycle with edges",
}


def parameter_problems(path: str, kind: str, member: Tree) -> Iterator[str]:
    """What is wrong with the parameters of the node at `path`, each problem in words."""
    required, optional = PRIMITIVES[kind]
    for name in required:
        if member.get(name) is None:
            yield f"{path}: found no {name}, accepted {kind} with {', '.join(required)}"
    for name, value in member.items():
        if name in ("type", "metadata") or value is None:
            continue
        if name not in (*required, *optional):
            yield f"{path}: found parameter {name}, accepted {', '.join((*required, *optional))}"
        elif name != "padding" or not isinstance(value, str):
            if not _are_numbers(value):
                yield (
                    f"{path}: {name}: found NaN, infinity, nothing or no numbers, accepted finite "
                    "numbers; check the training and the export"
                )
            elif name == "weight" and np.ndim(value) != (axes := WEIGHT_AXES[kind]):
                yield f"{path}: found a weight of shape {np.shape(value)}, accepted {axes} axes"


def _are_numbers(value: Any) -> bool:
    try:
        array = np.asarray(value)
        return array.dtype.kind in "fiub" and array.size > 0 and bool(np.isfinite(array).all())
    except (TypeError, ValueError):
        return False
