"""What a design may cost and how long a frame may take: the limits of `budget`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..ir import BadInput
from .names import nearest

RESOURCES = ("luts", "ffs", "brams", "dsps", "spram_bits")
"""What a part has; a limit is a number or a share of the board's, "50%"."""

FIGURES = ("latency_cycles", "interval_cycles", "latency_us", "interval_us", "energy_nj")
"""What a frame takes; a limit is a number. Times are at the board's clock."""

MAY_BE_NONE = ("brams", "dsps", "spram_bits")  # a design can do without
COUNTED = (*RESOURCES, "latency_cycles", "interval_cycles")  # whole numbers

PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
OPTION = re.compile(r"\s*([A-Za-z_]\w*)\s*(<=|<|==?|>=?|:)\s*(\S.*?)\s*")


def limit_problem(name: str, value: Any) -> str | None:
    """*found X, accepted Y* where `value` is no limit for `name`; None where it is one."""
    known = (*RESOURCES, *FIGURES)
    if name not in known:
        return f"found an unknown resource, accepted {nearest(name, known)}; of {', '.join(known)}"
    least = "a number >= 0" if name in MAY_BE_NONE else "a number > 0"
    shares = ' or a share of the board\'s, "0.1%" .. "100%"' if name in RESOURCES else ""
    accepted = f"found {value!r}, accepted {least}{shares}"
    number = value
    if isinstance(value, str):
        share = PERCENT.fullmatch(value.strip())
        if share is None or not shares or float(share[1]) > 100:
            return accepted
        number = float(share[1])
    elif isinstance(value, bool) or not (isinstance(value, int | float) and math.isfinite(value)):
        return accepted
    elif name in COUNTED and value != int(value):
        return f"{accepted}; it is counted in whole ones"
    fits = number >= 0 if name in MAY_BE_NONE else number > 0
    return None if fits else accepted


def limit_of(value: float | str, available: int = 0) -> float:
    """A limit as a number; a share is one of `available`."""
    if isinstance(value, str):
        share = PERCENT.fullmatch(value.strip())
        assert share is not None, value
        return int(available * float(share[1]) / 100)
    return value


def budget_of(options: Iterable[str]) -> dict[str, float | str]:
    """`luts<=50%`, `latency_us<=15` ... as a mapping; BadInput with every problem."""
    found: dict[str, float | str] = {}
    problems = []
    for option in options:
        match = OPTION.fullmatch(option)
        if match is None or match[2] != "<=":
            problems.append(
                f"--budget: found {option!r}, accepted a name, <= and a limit: 'luts<=50%', "
                "'latency_cycles<=1200'"
            )
            continue
        name, value = match[1], _number(match[3])
        problem = limit_problem(name, value)
        if problem:
            problems.append(f"--budget {name}: {problem}")
        elif name in found:
            problems.append(
                f"--budget {name}: found {name}<={found[name]} and {name}<={value}, accepted one "
                "limit; leave the looser one out"
            )
        found.setdefault(name, value)
    if problems:
        raise BadInput(problems)
    return found


def budget_problems(data: Any, where: str) -> list[str]:
    """Every problem of a `budget` section."""
    if data is None:
        return []
    if not isinstance(data, Mapping):
        return [f"{where}: found {type(data).__name__}, accepted a mapping, {{luts: 50%}}"]
    found = {str(name): limit_problem(str(name), value) for name, value in data.items()}
    return [f"{where}.{name}: {problem}" for name, problem in found.items() if problem]


def _number(text: str) -> float | str:
    """A number where the text is one: 12,000 or 12_000 as 12000."""
    plain = text.replace(",", "").replace("_", "")
    try:
        return int(plain)
    except ValueError:
        pass
    try:
        return float(plain)
    except ValueError:
        return text
