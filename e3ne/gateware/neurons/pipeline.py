"""A pipeline whose stages move together: one word a cycle, one gate from ready to ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Const, Module, Signal, Value


class Pipeline:
    """Register stages between the streams `i` and `o`, built inside an elaborate.

    All stages move in every cycle in which `o` is empty or taken, so a word never waits for
    the next one. `keep` registers values into the next stage, `stage` closes it; `finish` makes
    the last stage the output. `moves` is high where `i` is taken if it is valid. Reset
    empties every stage.
    """

    def __init__(self, m: Module, i: Any, o: Any, ready: Value | int = 1) -> None:
        self.m, self.o = m, o
        self.advance = Signal()
        self.valid: Value = i.valid & ready
        m.d.comb += [self.advance.eq(~o.valid | o.ready), i.ready.eq(self.advance & ready)]

    def keep(self, values: Sequence[Value], name: str) -> list[Value]:
        """The values one stage later; constants stay constants."""
        kept = []
        for index, value in enumerate(values):
            if isinstance(value, Const):
                kept.append(value)
                continue
            register = Signal(value.shape(), name=f"{name}_{index}", reset_less=True)
            with self.m.If(self.advance):
                self.m.d.sync += register.eq(value)
            kept.append(register)
        return kept

    def stage(self) -> None:
        """Closes a stage: its values are registered."""
        valid = Signal()
        with self.m.If(self.advance):
            self.m.d.sync += valid.eq(self.valid)
        self.valid = valid

    def finish(self, assignments: Sequence[Any]) -> None:
        """The last stage's registers become the output's payload."""
        self.m.d.comb += [self.o.valid.eq(self.valid), *assignments]
