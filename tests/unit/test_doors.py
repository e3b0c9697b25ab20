"""The doors between the rooms: who may import whom (docs/architecture.md)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "e3ne"

# A room, and the rooms of e3ne that it may import; rooms that are not named here may import any.
ROOMS = {
    "ir": set[str](),
    "toolchain": set[str](),
    "reference": {"ir"},
    "boards": {"ir"},
    "cost": {"ir", "boards"},
    "config": {"ir"},
    "optimize": {"ir", "cost", "boards", "config"},
    "gateware": {"ir"},
    "lower": {"ir", "config", "reference"},
    "frontend": {"ir", "reference"},
    "training": {"ir", "reference", "config", "lower", "event_data"},
    "event_data": {"ir"},
}

# A room, and the other packages that it may import beside the standard library.
PACKAGES = {
    "ir": {"numpy"},
    "reference": {"numpy"},
    "cost": {"numpy"},
    "optimize": {"numpy"},
    "boards": set[str](),
    "toolchain": {"pyosys", "cocotb", "cocotb_tools"},
    "gateware": {"amaranth", "numpy"},
}

# Packages that only some rooms may import when they are loaded themselves.
HEAVY = {
    "torch": {"frontend", "training"},
    "amaranth": {"gateware", "emit", "check"},
    "optuna": set[str](),
    "distributed": set[str](),
    "psutil": set[str](),
}


def modules(package: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """(room, dotted name, syntax tree) of every module of the package."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        yield parts[0], ".".join(("e3ne", *parts)), ast.parse(path.read_text(encoding="utf-8"))


def imports(module: str, tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """(line, dotted name of what is imported, whether at load time) of every import."""
    for node, at_load in nodes(tree, True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, at_load
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            name = ".".join([*base, node.module] if node.module else base)
            for alias in node.names:
                yield node.lineno, f"{name}.{alias.name}", at_load


def nodes(tree: ast.AST, at_load: bool) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it runs when the module is loaded (not so inside functions)."""
    for child in ast.iter_child_nodes(tree):
        typing_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        loaded = at_load and not inside and not typing_only
        yield child, loaded
        yield from nodes(child, loaded)


def door_problems(package: Path) -> list[str]:
    """Every import that goes through a wall, as *module:line: found ..., accepted ...*."""
    problems = []
    for room, module, tree in modules(package):
        for line, name, at_load in imports(module, tree):
            where = f"{module}:{line}: found import of {name}"
            top, *rest = name.split(".")
            if top == "e3ne":
                target = rest[0] if rest else ""
                if room in ROOMS and target not in ROOMS[room] | {room, "__version__"}:
                    problems.append(f"{where}, accepted {sorted(ROOMS[room])}")
            elif top not in sys.stdlib_module_names:
                if room in PACKAGES and top not in PACKAGES[room]:
                    problems.append(f"{where}, accepted {sorted(PACKAGES[room])}")
                if at_load and top in HEAVY and room not in HEAVY[top]:
                    problems.append(f"{where} at load time, accepted in {sorted(HEAVY[top])}")
    return problems


def test_doors_are_kept() -> None:
    assert door_problems(PACKAGE) == []


def test_every_room_has_modules_or_is_no_room() -> None:
    found = {room for room, _, _ in modules(PACKAGE)}
    assert set(ROOMS) <= found
    assert set(PACKAGES) <= found


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("ir/bad.py", "import scipy"),
        ("ir/bad.py", "from ..reference import run"),
        ("gateware/bad.py", "from e3ne.reference import run"),
        ("gateware/deep/bad.py", "from ...reference import run"),
        ("gateware/bad.py", "from e3ne import reference"),
        ("cost/bad.py", "def late():\n    from e3ne.optimize import choose_mapping"),
        ("toolchain/bad.py", "from ..ir import errors"),
        ("lower/bad.py", "import torch"),
        ("report/bad.py", "from torch import nn"),
        ("reference.py", "from .lower import lower"),
        ("compile.py", "import amaranth"),
        ("explore/bad.py", "import optuna"),
        ("explore/bad.py", "from distributed import Client"),
    ],
)
def test_broken_twins_are_caught(tmp_path: Path, room: str, line: str) -> None:
    path = tmp_path / room
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n", encoding="utf-8")
    assert len(door_problems(tmp_path)) == 1


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("compile.py", "def late():\n    import torch"),
        ("report/good.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("frontend/good.py", "import torch\nfrom ..ir import Graph\nfrom .trace import trace"),
        ("cost/good.py", "import math\nimport numpy as np\nfrom ..boards import Board"),
    ],
)
def test_doors_that_are_open(tmp_path: Path, room: str, line: str) -> None:
    path = tmp_path / room
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(line + "\n", encoding="utf-8")
    assert door_problems(tmp_path) == []


def test_importing_e3ne_loads_neither_torch_nor_amaranth() -> None:
    import subprocess

    code = "import sys, e3ne; print(sorted({'torch', 'amaranth'} & set(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert out.stdout.strip() == "[]"
