"""Text mutations of components: each must be caught by the checks that guard the component."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from hypothesis import HealthCheck, Phase, settings

PACKAGE = "e3ne.gateware"

# Always the same examples, no shrinking: the first one that fails kills the mutant.
CHECK = settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Mutation:
    """`old`, which stands once in the source of `module` (below e3ne.gateware), becomes `new`."""

    module: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.module}: {self.old.strip()} -> {self.new.strip()}"


def label(parameter: object) -> str:
    """The part of a test's name for a mutation or for the check that guards it."""
    return getattr(parameter, "__name__", None) or str(parameter)


def survives(mutation: Mutation, checks: Sequence[Callable[[], Any]]) -> bool:
    """Whether every check passes although the source is mutated."""
    with mutated(mutation):
        try:
            for check in checks:
                check()
        except Exception:
            return False
    return True


@contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    """All functions of the module have the mutated code inside of the block."""
    module = importlib.import_module(f"{PACKAGE}.{mutation.module}")
    source = inspect.getsource(module)
    found = source.count(mutation.old)
    assert found == 1, f"{mutation}: found {found} times, accepted once; update the mutation"
    twin = ModuleType(module.__name__)
    twin.__dict__.update(__package__=module.__package__, __file__=module.__file__)
    code = compile(source.replace(mutation.old, mutation.new), str(module.__file__), "exec")
    exec(code, twin.__dict__)
    replaced = _functions(module)
    originals = {name: function.__code__ for name, function in replaced.items()}
    try:
        for name, function in _functions(twin).items():
            replaced[name].__code__ = function.__code__
        yield
    finally:
        for name, function in replaced.items():
            function.__code__ = originals[name]


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    """Functions and methods that the module's own text defines, by qualified name."""
    members = list(vars(module).values())
    for member in list(members):
        if inspect.isclass(member) and member.__module__ == module.__name__:
            members += [getattr(value, "fget", value) for value in vars(member).values()]
    return {
        member.__qualname__: member
        for member in members
        if isinstance(member, FunctionType) and member.__code__.co_filename == module.__file__
    }
