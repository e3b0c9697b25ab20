"""Front ends of the EVENT engine; what is zero is told by `cost.activity`."""

from __future__ import annotations

from ...ir.geometry import Fold, Window
from ..activity import ListActivity, RowsActivity
from .links import Link, Slots


class EventList:
    """Slices of a vector that matter, collected in two banks and replayed `outs` times."""

    def __init__(self, i: Link, windows: list[ListActivity], outs: int) -> None:
        self.i, self.windows, self.outs = i, windows, outs
        self.slots = Slots(2)
        self.o = self.slots.o
        self.whole, self.count = [False, False], [0, 0]
        self.pending, self.left, self.word, self.window, self.bank = False, 0, 0, 0, 0
        self.ends = False
        self.at = self.out = self.read_window = self.read_bank = 0

    def step(self) -> None:
        """One clock cycle."""
        room = not self.whole[self.bank]
        released = self._replay()
        self._collect(room)
        if released is not None:
            self.whole[released], self.count[released] = False, 0

    def _collect(self, room: bool) -> None:
        i = self.i
        pushes = self.pending and room and self.left > 0
        finished = self.pending and room and self.left <= 1
        place = i.ready = not self.pending or finished
        bank = self.bank
        if pushes:
            self.count[bank] += 1
            self.left -= 1
        if finished and self.ends:
            self.whole[bank] = True
            self.bank ^= 1
        if place:
            self.pending = bool(i.valid)
            if i.valid:
                pushed = self.windows[self.window].pushes
                self.left = pushed[self.word]
                self.word += 1
                self.ends = self.word == len(pushed)
                if self.ends:
                    self.word, self.window = 0, self.window + 1

    def _replay(self) -> int | None:
        """The bank that is free from now on."""
        if not self.slots.moves:
            return None
        bank = self.read_bank
        count, whole = self.count[bank], self.whole[bank]
        at_tail = count == 0 or self.at == count - 1
        if not whole and at_tail:
            self.slots.put(None)
            return None
        window = self.windows[self.read_window]
        self.slots.put((whole and at_tail, window.cycles[self.at] if count else window.empty))
        self.at += 1
        if not (whole and at_tail):
            return None
        self.at, self.out = 0, self.out + 1
        if self.out < self.outs:
            return None
        self.out, self.read_window, self.read_bank = 0, self.read_window + 1, bank ^ 1
        return bank


class EventRows:
    """Rows in a ring of memory, and the flags of their slices."""

    def __init__(self, i: Link, window: Window, fold: Fold, windows: list[RowsActivity]) -> None:
        self.i, self.window, self.fold, self.windows = i, window, fold, windows
        self.slots = Slots(4)
        self.o = self.slots.o
        self.frees: list[int] = [0, 0]  # of the slices in the first two of these registers
        self.row_words = window.columns * (window.channels // fold.in_lanes)
        self.position = self.filled = self.seen = 0
        self.written = False
        # The scan: which row of positions, and where in its walk; a patch of flags that waits.
        self.out_row, self.walking, self.phase, self.patches = 0, False, 0, 0
        self.offered, self.offer_frees, self.current_frees = False, 0, 0
        start = min(window.padding[1], window.span[1] - 1)
        self.first_phase = window.span[1] - 1 - start
        tops = [r * window.stride[0] - window.padding[0] for r in range(window.out_shape[0])]
        self.needed = [min(max(top + window.span[0], 1), window.rows) for top in tops]
        freed = [min(max(top, 0), window.rows) for top in tops[1:]] + [window.rows]
        self.row_frees = [after - before for before, after in zip([0, *freed], freed, strict=False)]
        self.busy, self.patch_frees, self.patch, self.at_window = False, 0, 0, 0
        self.pending: list[list[int]] = []  # cycles of the slices of the patch at work, by sum

    def step(self) -> None:
        """One clock cycle."""
        i = self.i
        ready = i.ready = self.filled != self.window.ring_rows
        taken_patch = self._pick()
        self._scan(taken_patch)
        self.seen += self.written
        self.written = False
        if i.valid and ready:
            self.position += 1
            if self.position == self.row_words:
                self.position, self.written = 0, True
                self.filled += 1

    def _pick(self) -> bool:
        """One more slice; whether the patch that is offered is taken."""
        if self.slots.moves:
            self.filled -= self.frees[1]
            self.frees[1], self.frees[0] = self.frees[0], 0
            if self.busy:
                current = self.pending[0]
                cycles = current.pop(0)
                self.slots.put((not current, cycles))
                if not current:
                    self.pending.pop(0)
                if not self.pending:
                    self.frees[0] = self.patch_frees
                    self.busy = False
            else:
                self.slots.put(None)
        takes = self.offered and not self.busy
        if takes:
            activity = self.windows[self.at_window]
            self.pending = [list(cycles) for cycles in activity.sums[self.patch]]
            self.busy, self.patch_frees = True, self.offer_frees
            self.patch += 1
            if self.patch == len(activity.sums):
                self.patch, self.at_window = 0, self.at_window + 1
        return takes

    def _scan(self, taken: bool) -> None:
        """Shifts flags, offers patches; begins with the next row of positions."""
        free = not self.offered or taken
        starts = not self.walking and free and self.seen >= self.needed[self.out_row]
        if taken:
            self.offered = False
        if self.walking and free:
            hit = self.phase == 0
            self.offered = hit
            self.phase = self.window.stride[1] - 1 if hit else self.phase - 1
            if hit:
                self.patches -= 1
                self.offer_frees = 0 if self.patches else self.current_frees
                self.walking = self.patches != 0
        if starts:
            self.walking, self.phase = True, self.first_phase
            self.patches = self.window.out_shape[1]
            self.current_frees = self.row_frees[self.out_row]
            self.out_row += 1
            if self.out_row == len(self.needed):
                self.out_row = 0
                self.seen -= self.window.rows
