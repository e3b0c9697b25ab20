"""What a model returns: its tensors by name, what they stand for, and which ones are outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from ..ir import BadInput
from .arithmetic import stacked
from .calls import NotSupported, Traced
from .nesting import flat
from .values import unknown

Outputs = dict[str, Traced]
"""What the returned tensors stand for, in order: by key, field name or position."""

Meaning = Callable[[Any], Traced | None]
"""What a tensor stands for; NotSupported where no population sends it as it lies."""

Wanted = int | str | Sequence[int | str]
"""Which outputs: the first so many, or their names or positions."""


def outputs_of(meaning: Meaning, returned: Any) -> Outputs:
    """What the forward returned: a tensor, a list with an entry a step, or several of both."""
    if isinstance(returned, Mapping):
        named = {str(key): item for key, item in returned.items()}
    elif isinstance(returned, tuple) and returned:
        names = getattr(returned, "_fields", map(str, range(len(returned))))
        named = dict(zip(names, returned, strict=True))
    else:
        return {"0": _meaning(meaning, returned)}
    found: Outputs = {}
    for name, item in named.items():
        if isinstance(item, tuple | Mapping):
            inner = outputs_of(meaning, item)
            found.update({f"{name}.{key}": meaning for key, meaning in inner.items()})
        else:
            found[name] = _meaning(meaning, item)
    return found or {"0": _meaning(meaning, returned)}


def stacked_outputs(steps: Sequence[Outputs]) -> Outputs:
    """The trains that the outputs of one call a step make."""
    found: Outputs = {}
    for name in steps[0]:
        entries = [outputs[name] for outputs in steps if name in outputs]
        try:
            found[name] = stacked(entries)
        except NotSupported as problem:
            found[name] = unknown(f"output: {problem}")
    return found


def selected(outputs: Outputs, wanted: Wanted) -> list[Traced]:
    """The wanted outputs in the order asked for; BadInput where there is no such output."""
    names = list(outputs)
    if isinstance(wanted, int):
        items: list[int | str] = list(range(wanted))
        if not 1 <= wanted <= len(names):
            raise BadInput(
                f"outputs: found {wanted}, accepted 1 to {len(names)}, as many as forward returns; "
                "leave it out to take the first"
            )
    else:
        items = [wanted] if isinstance(wanted, str) else list(wanted)
    chosen = [_chosen(names, item) for item in items]
    if not chosen or len(set(chosen)) < len(chosen):
        raise BadInput(f"outputs: found {wanted!r}, accepted one or more outputs, each once")
    return [outputs[name] for name in chosen]


def _chosen(names: Sequence[str], item: int | str) -> str:
    if isinstance(item, str) and item in names:
        return item
    if isinstance(item, int) and 0 <= item < len(names):
        return names[item]
    raise BadInput(
        f"outputs: found {item!r}, accepted {', '.join(names)} or a position below {len(names)}; "
        "name what forward returns"
    )


def _meaning(meaning: Meaning, item: Any) -> Traced:
    """What one returned item stands for; a list is a record of steps."""
    if isinstance(item, list):
        try:
            return stacked([meaning(entry) for entry in flat(item)])
        except NotSupported as problem:
            return unknown(f"output: {problem}")
    if not isinstance(item, torch.Tensor):
        return unknown(
            f"output: found {type(item).__name__}, accepted a tensor, or a tuple or list that "
            "starts with the spikes or scores; return the tensor itself"
        )
    try:
        found = meaning(item)
    except NotSupported as problem:
        return unknown(f"output: {problem}")
    return found or unknown(
        "output: found a tensor that e3ne cannot follow back to the input (it is constant, or made "
        "by a custom autograd.Function or another library), accepted torch functions; if it comes "
        "from a neuron, describe it with @e3ne.register_neuron"
    )
