"""Pipelines that move as a whole: registers and reduction trees over nested lists of values."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth.hdl import Shape, Signal

from ..ir.engine_cycles import TREE_LEVELS


def reduced(terms: Sequence, combine: Callable) -> list:
    """Neighbouring groups of 2**TREE_LEVELS terms, each combined in a balanced tree."""
    size = 1 << TREE_LEVELS
    results = []
    for start in range(0, len(terms), size):
        group = list(terms[start : start + size])
        while len(group) > 1:
            pairs = (group[at : at + 2] for at in range(0, len(group), 2))
            group = [combine(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        results.append(group[0])
    return results


def registered(m, moves, values, valid, marks, name, width_bits=None):
    """One pipeline stage: (values, valid, marks) behind registers that move with `moves`.

    `values` is a nested list, `marks` a dict of flags that travel along. Values wider than
    `width_bits` are cut to it: right for sums whose final value fits, as addition wraps.
    """

    def register(value, label):
        shape = value.shape()
        if width_bits is not None and shape.width > width_bits:
            shape = Shape(width_bits, shape.signed)
        stage = Signal(shape, name=label)
        with m.If(moves):
            m.d.sync += stage.eq(value)
        return stage

    values = nested_map(values, lambda value: register(value, name))
    marks = {label: register(mark, f"{name}_{label}") for label, mark in marks.items()}
    return values, register(valid, f"{name}_valid"), marks


def nested_map(nested, function: Callable):
    """`function` of every leaf of a nested list."""
    if isinstance(nested, list):
        return [nested_map(item, function) for item in nested]
    return function(nested)
