"""Values in nested tuples, named tuples, lists and dicts, as modules take and return them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def flat(items: Any) -> Iterator[Any]:
    """Everything in nested lists, tuples and dicts."""
    if isinstance(items, Mapping):
        items = items.values()
    elif not isinstance(items, list | tuple):
        yield items
        return
    for item in items:
        yield from flat(item)


def mapped(items: Any, change: Callable[[Any], Any]) -> Any:
    """The same nesting with every value changed; `items` itself where nothing changes."""
    if isinstance(items, Mapping):
        changed = {key: mapped(item, change) for key, item in items.items()}
        same = all(changed[key] is items[key] for key in items)
        return items if same else changed
    if not isinstance(items, list | tuple):
        return change(items)
    parts = [mapped(item, change) for item in items]
    if all(new is old for new, old in zip(parts, items, strict=True)):
        return items
    if isinstance(items, tuple) and hasattr(items, "_fields"):
        return type(items)(*parts)
    return type(items)(parts)
