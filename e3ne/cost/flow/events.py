"""Front ends of the EVENT engine; what is zero is told by `cost.activity`."""

from __future__ import annotations

from ...ir.geometry import Fold, Window
from ..activity import LanesActivity, ListActivity, RowsActivity
from .links import Link, Slots


class EventList:
    """Slices of a vector that matter, collected in two banks and replayed `outs` times."""

    def __init__(self, i: Link, windows: list[ListActivity], outs: int) -> None:
        self.i, self.windows, self.outs = i, tuple(windows), outs
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
                    self.word, self.window = 0, (self.window + 1) % len(self.windows)

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
        self.out, self.read_bank = 0, bank ^ 1
        self.read_window = (self.read_window + 1) % len(self.windows)
        return bank


class EventLanes:
    """Lanes that follow their own events, and wait for each other at the end of a window."""

    def __init__(self, i: Link, windows: list[LanesActivity], outs: int) -> None:
        self.i, self.windows = i, tuple(windows)
        self.slots = Slots(1)
        self.o = self.slots.o
        self.bank = self.word = self.window = 0
        self.lanes = [_Lane(outs) for _ in windows[0].events[0]]

    def step(self) -> None:
        """One clock cycle."""
        i, lanes = self.i, self.lanes
        room = i.ready = not any(lane.whole[self.bank] for lane in lanes)
        moves = self.slots.moves
        if moves:
            there = any(lane.left and not lane.done for lane in lanes)
            ends = all(lane.done or lane.ends_sum for lane in lanes)
            cycles = self.windows[0].cycles
            self.slots.put((ends, cycles) if there else None)
        going = [moves and not lane.done for lane in lanes]
        if moves:
            for lane in lanes:
                lane.done = not ends and (lane.done or lane.ends_sum)
        for lane, goes in zip(lanes, going, strict=True):
            lane.step(goes)
        if i.valid and room:
            events = self.windows[self.window].events
            self.word += 1
            last = self.word == len(events)
            for lane, count in zip(lanes, events[self.word - 1], strict=True):
                lane.keep(self.bank, count, last)
            if last:
                self.word, self.bank = 0, self.bank ^ 1
                self.window = (self.window + 1) % len(self.windows)


class _Lane:
    """An EventLane: words kept in two banks, and the one that is worked on."""

    def __init__(self, outs: int) -> None:
        self.outs = outs
        self.kept: list[list[int]] = [[], []]  # events of the words of each bank
        self.whole = [False, False]
        self.at = self.bank = self.out = 0
        self.left, self.ends = 0, False  # events of the word; it is the window's last one
        self.done = False

    @property
    def ends_sum(self) -> bool:
        """Whether the event that is offered ends the lane's part of a sum."""
        return self.left == 1 and self.ends

    def step(self, goes: bool) -> None:
        """One clock cycle, in which the event that is offered goes or does not."""
        if self.left > 1 or (self.left and not goes):
            self.left -= goes
            return
        released = None
        if self.left and self.ends:
            self.at, self.out = 0, self.out + 1
            if self.out == self.outs:
                released, self.out, self.bank = self.bank, 0, self.bank ^ 1
        kept = self.kept[self.bank]
        self.left = 0
        if self.at < len(kept):
            self.left = max(1, kept[self.at])
            self.at += 1
            self.ends = self.whole[self.bank] and self.at == len(kept)
        if released is not None:
            self.kept[released].clear()
            self.whole[released] = False

    def keep(self, bank: int, events: int, last: bool) -> None:
        """A word that comes."""
        if events or last:
            self.kept[bank].append(events)
        self.whole[bank] = self.whole[bank] or last


class EventRows:
    """Rows in a ring of memory, and the flags of their slices."""

    def __init__(self, i: Link, window: Window, fold: Fold, windows: list[RowsActivity]) -> None:
        self.i, self.window, self.fold, self.windows = i, window, fold, tuple(windows)
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
        self.needed = tuple(min(max(top + window.span[0], 1), window.rows) for top in tops)
        freed = [min(max(top, 0), window.rows) for top in tops[1:]] + [window.rows]
        frees = (after - before for before, after in zip([0, *freed], freed, strict=False))
        self.row_frees = tuple(frees)
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
                self.patch, self.at_window = 0, (self.at_window + 1) % len(self.windows)
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
