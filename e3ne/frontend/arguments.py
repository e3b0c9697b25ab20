"""The arguments of a model's forward."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from torch import nn

from ..ir import BadInput


def argument_names(model: nn.Module, count: int) -> list[str]:
    """The names of the first `count` arguments of forward; BadInput where it has fewer."""
    parameters = list(inspect.signature(model.forward).parameters.values())
    positional = [
        item.name
        for item in parameters
        if item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD)
    ]
    if any(item.kind is item.VAR_POSITIONAL for item in parameters):
        positional += [f"input_{index}" for index in range(len(positional), count)]
    if len(positional) < count:
        raise BadInput(
            f"example_input: found {count} inputs for a forward of {type(model).__name__} that "
            f"takes {len(positional)}, accepted one for each argument; pass a single array, or a "
            "tuple as long as the inputs"
        )
    return positional[:count]


def takes_state(model: nn.Module, inputs: int) -> bool:
    """Whether forward has a `state` behind its inputs: what it returned last, as in Norse."""
    return "state" in list(inspect.signature(model.forward).parameters)[inputs:]


def check_arguments(model: nn.Module, given: Sequence[str | None]) -> None:
    """BadInput where forward needs more than its inputs, or lacks one.

    `given` has the keyword of each input, None for positional ones.
    """
    parameters = inspect.signature(model.forward).parameters
    keywords = [name for name in given if name is not None]
    absent = [name for name in keywords if name not in parameters]
    if absent and not any(item.kind is item.VAR_KEYWORD for item in parameters.values()):
        raise BadInput(
            f"example_input: found inputs {', '.join(absent)}, accepted the arguments of "
            f"forward of {type(model).__name__} ({', '.join(parameters)}); use these names as keys"
        )
    positional = len(given) - len(keywords)
    needed = [
        item.name
        for item in list(parameters.values())[positional:]
        if item.default is item.empty
        and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
        and item.name not in keywords
    ]
    if needed:
        raise BadInput(
            f"forward of {type(model).__name__}: found required arguments {', '.join(needed)} "
            "beside the input, accepted none; give them defaults, and keep states inside (create "
            "membranes in forward, or use init_hidden=True); for several inputs pass a tuple as "
            "example_input"
        )
