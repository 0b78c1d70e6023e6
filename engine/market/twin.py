"""The market-data kernel in Python: the same answers as kernel.c, bit for bit, where there was no compiler.

Read that file for the why of each rule; names and order are the same here. Keep a feed below about 100,000 records a
second with it (`make bench` says what this machine does).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence

from engine.market.packing import RECORD, Kind, Lie
from engine.market.ports import CANDLE, Candle, Limits, Print, Stats

TIME, TICK, VOLUME, RANGE = 1, 2, 3, 4
_PRE_OPEN, _OPEN, _CLOSED = 1, 2, 4
_TOUCHED, _PARTIAL = 1, 2
_BOOK, _PRINTS, _QUOTES = 0, 1, 2
_LARGEST = 9e15
_LATEST = 1 << 62
_MOST_LEVELS = 65_536


class _Side:
    """The best level stands last; keys rise towards it."""

    __slots__ = ("keys", "sign", "sizes")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.sizes: list[int] = []

    def clear(self) -> None:
        self.keys.clear()
        self.sizes.clear()

    def set(self, price: int, size: int) -> bool:
        key = self.sign * price
        at = bisect_left(self.keys, key)
        there = at < len(self.keys) and self.keys[at] == key
        if there and size:
            self.sizes[at] = size
        elif there:
            del self.keys[at], self.sizes[at]
        elif size:
            if len(self.keys) == _MOST_LEVELS:
                return False
            self.keys.insert(at, key)
            self.sizes.insert(at, size)
        return True


class _Series:
    def __init__(self, symbol: int, kind: int, width: int, kept: int) -> None:
        self.symbol, self.kind, self.width, self.kept = symbol, kind, width, kept
        self.opened = 0
        self.ring: list[Candle] = []  # the newest last, at most `kept`

    def add(self, s: "_Symbol", ts: int, price: int, size: int, side: int) -> None:
        counts = 1
        if self.kind == VOLUME and size // self.width > self.kept:
            size = self.width * self.kept + size % self.width
        while size > 0:
            now = self.ring[-1] if self.ring else None
            start, part = ts - ts % self.width if self.kind == TIME else ts, size
            if now is None or self._full(now, start, price, counts):
                self.opened += 1
                now = Candle(*CANDLE)
                self.ring.append(now)
                if len(self.ring) > self.kept:
                    del self.ring[0]
                now.start_ns = start
                now.open = now.high = now.low = price
                now.flags = (start < s.gap_until_ns) * _TOUCHED | (start < s.now.joined_ns) * _PARTIAL
            if self.kind == VOLUME:
                part = min(part, self.width - now.volume)
            now.end_ns = ts
            now.high, now.low, now.close = max(now.high, price), min(now.low, price), price
            now.volume += part
            now.bought += part * (side == 1)
            now.sold += part * (side == 2)
            now.trades += counts
            now.notional += float(price) * float(part)
            counts = 0
            size -= part

    def _full(self, now: Candle, start: int, price: int, counts: int) -> bool:
        match self.kind:
            case 1:
                return start > now.start_ns
            case 2:
                return bool(counts) and now.trades >= self.width
            case 3:
                return now.volume >= self.width
            case _:
                return max(now.high, price) - min(now.low, price) > self.width


class _Symbol:
    def __init__(self, tick: float, step: float) -> None:
        self.tick, self.step = tick, step
        self.now = Stats()
        self.now.state = _OPEN
        self.sides = (_Side(1), _Side(-1))
        self.tape: list[Print] = []  # a ring: the place of the next one is `prints` modulo its length
        self.half = [(0, 0), (0, 0)]
        self.seen_ns = [0, 0, 0]
        self.seq = [0, 0]
        self.back_ns = [0, 0, 0]
        self.gap_until_ns = self.crossed_ns = 0
        self.series: list[_Series] = []
        self.depth = self.crossed_told = self.dirty = False
        self.alive = True


class Twin:
    """See `ports.Kernel`."""

    name = "python"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._symbols: list[_Symbol] = []
        self._series: list[_Series] = []
        self._dirty: list[int] = []
        self._refused = 0

    # --- making and freeing --------------------------------------------------------------------------------------

    def symbol(self, tick: float, step: float) -> int:
        self._symbols.append(_Symbol(tick, step))
        return len(self._symbols) - 1

    def forget(self, symbol: int) -> None:
        while self._symbols[symbol].series:
            self.drop(self._series.index(self._symbols[symbol].series[-1]))
        dirty = self._symbols[symbol].dirty
        self._symbols[symbol] = gone = _Symbol(0, 0)
        gone.now = Stats()
        gone.alive, gone.dirty = False, dirty

    def series(self, symbol: int, kind: int, width: int, kept: int) -> int:
        made = _Series(symbol, kind, width, kept)
        self._symbols[symbol].series.append(made)
        self._series.append(made)
        return len(self._series) - 1

    def drop(self, series: int) -> None:
        gone = self._series[series]
        if gone in self._symbols[gone.symbol].series:
            self._symbols[gone.symbol].series.remove(gone)
        gone.ring.clear()
        gone.opened = 0

    # --- records -------------------------------------------------------------------------------------------------

    def apply(self, records: bytes | bytearray | memoryview) -> None:
        for record in RECORD.iter_unpack(records):
            self._apply(*record)

    def _apply(
        self,
        ts: int,
        received: int,
        first: int,
        seq: int,
        price: float,
        size: float,
        symbol: int,
        kind: int,
        side: int,
        _spare: int,
    ) -> None:
        known = symbol < len(self._symbols) and Kind.TRADE <= kind <= Kind.GAP
        known = known and self._symbols[symbol].alive and side <= (_CLOSED if kind == Kind.SESSION else 2)
        if kind in (Kind.SESSION, Kind.LEVEL, Kind.QUOTE):
            known = known and bool(side)
        known = known and 0 < ts < _LATEST and 0 <= received < _LATEST
        if not known or not 0 <= first < _LATEST or not 0 <= seq < _LATEST:
            self._refused += 1
            return
        s = self._symbols[symbol]
        now = s.now
        now.heard_ns = received
        now.joined_ns = now.joined_ns or ts
        if not s.dirty:
            s.dirty = True
            self._dirty.append(symbol)
        self._watch_cross(s, ts)
        if kind == Kind.TRADE:
            self._trade(s, ts, received, first, seq, price, size, side)
        elif kind == Kind.SESSION:
            _session(s, side)
        elif kind == Kind.GAP:
            now.gaps += 1
            if 0 < size < _LARGEST:
                now.missed += int(size)
            if not side:
                _touch(s, first, ts)
        elif self._book_follows(s, kind, ts, received, first, seq):
            if kind == Kind.CLEAR:
                s.sides[0].clear()
                s.sides[1].clear()
                s.depth, now.torn, s.seq[_BOOK] = True, 0, seq
            elif kind == Kind.LEVEL:
                self._level(s, price, size, side)
            else:
                self._quote(s, price, size, side)
            _show_top(s)
            self._watch_cross(s, ts)

    def _watch_cross(self, s: _Symbol, ts: int) -> None:
        now = s.now
        if not (now.state == _OPEN and now.bid_size and now.ask_size and now.bid > now.ask):
            s.crossed_ns, s.crossed_told = 0, False
        elif not s.crossed_ns:
            s.crossed_ns = ts
        elif not s.crossed_told and ts - s.crossed_ns > self._limits.crossed_ns:
            s.crossed_told = True
            now.lies[Lie.CROSSED] += 1

    def _outside(self, s: _Symbol, received: int, price: int) -> bool:
        now = s.now
        if now.state != _OPEN or not now.bid_size or not now.ask_size:
            return False
        if received - now.book_heard_ns > self._limits.fresh_ns:
            return False
        low, high = min(now.bid, now.ask), max(now.bid, now.ask)
        far = max(int(self._limits.far_ratio * abs(float(low))), self._limits.far_ticks)
        return price < low - far or price > high + far

    def _trade(
        self, s: _Symbol, ts: int, received: int, first: int, seq: int, price: float, size: float, side: int
    ) -> None:
        now = s.now
        missing = _follows(s, _PRINTS, first, seq)
        if missing < 0:
            now.repeats += 1
            return
        ticks = steps = 0
        lie, ticks = _whole(price, s.tick, Lie.PRICE) if price != 0 else (Lie.PRICE, 0)
        if not lie:
            lie, steps = _whole(size, s.step, Lie.SIZE) if size > 0 else (Lie.SIZE, 0)
        if not lie and not steps:
            lie = Lie.OFF_GRID
        if not lie and ts - received > self._limits.ahead_ns:
            lie = Lie.AHEAD
        if not lie and ts < s.seen_ns[_PRINTS]:
            lie = Lie.BACK
        if not lie and self._outside(s, received, ticks):
            lie = Lie.OUTSIDE
        kept = self._limits.tape_kept
        if len(s.tape) < kept:
            s.tape.append((ts, ticks, steps, side, int(lie)))
        else:
            s.tape[now.prints % kept] = (ts, ticks, steps, side, int(lie))
        now.prints += 1
        now.tape_version += 1
        if missing:
            now.lies[Lie.JUMP] += 1
            now.missed += missing
            _touch(s, s.seen_ns[_PRINTS], ts)
        if lie:
            now.lies[lie] += 1
            now.held += 1
            return
        s.seen_ns[_PRINTS] = ts
        now.last, now.last_size, now.last_ns = ticks, steps, ts
        if not now.trades:
            now.session_ns = ts
            now.open = now.high = now.low = ticks
        now.high, now.low = max(now.high, ticks), min(now.low, ticks)
        now.trades += 1
        now.volume += steps
        now.notional += float(ticks) * float(steps)
        for series in s.series:
            series.add(s, ts, ticks, steps, side)
        now.candle_version += 1

    def _book_follows(self, s: _Symbol, kind: int, ts: int, received: int, first: int, seq: int) -> bool:
        now = s.now
        missing = 0 if kind == Kind.CLEAR else _follows(s, _BOOK, first, seq)
        if missing < 0:
            now.repeats += 1
            return False
        if missing:
            now.lies[Lie.JUMP] += 1
            now.missed += missing
            now.torn = 1
        ahead = ts - received > self._limits.ahead_ns
        stream = _QUOTES if kind == Kind.QUOTE else _BOOK
        lie = Lie.AHEAD if ahead else Lie.BACK if ts < s.seen_ns[stream] else 0
        if lie and ts != s.back_ns[stream]:
            s.back_ns[stream] = ts
            now.lies[lie] += 1
        if not lie:
            s.seen_ns[stream] = ts
        now.changes += 1
        now.book_heard_ns = received
        return True

    def _level(self, s: _Symbol, price: float, size: float, side: int) -> None:
        lie, ticks = _whole(price, s.tick, Lie.PRICE) if price != 0 else (Lie.PRICE, 0)
        steps = 0
        if not lie:
            lie, steps = _whole(size, s.step, Lie.SIZE) if size >= 0 else (Lie.SIZE, 0)
        if lie:
            s.now.lies[lie] += 1
            return
        s.depth = True
        if not s.sides[side == 2].set(ticks, steps):
            self._refused += 1

    def _quote(self, s: _Symbol, price: float, size: float, side: int) -> None:
        at = s.sides[side == 2]
        ticks, steps = (at.sign * at.keys[-1], at.sizes[-1]) if at.keys else s.half[side == 2]
        lie = 0
        if not math.isnan(size):
            lie, steps = _whole(size, s.step, Lie.SIZE, steps) if size >= 0 else (Lie.SIZE, steps)
        if not math.isnan(price) and size != 0 and not lie:
            lie, ticks = _whole(price, s.tick, Lie.PRICE, ticks) if price != 0 else (Lie.PRICE, ticks)
        if lie:
            s.now.lies[lie] += 1
            return
        if size == 0 or not s.depth:
            at.clear()
        s.half[side == 2] = (0, 0) if size == 0 else (ticks, steps)
        if not steps or not ticks:
            return
        while at.keys and at.keys[-1] > at.sign * ticks:
            del at.keys[-1], at.sizes[-1]
        if not at.set(ticks, steps):
            self._refused += 1

    # --- reading -------------------------------------------------------------------------------------------------

    def book(self, symbol: int, side: int, most: int) -> Sequence[tuple[int, int]]:
        at = self._symbols[symbol].sides[side == 2]
        keys, sizes = at.keys[-most:], at.sizes[-most:]
        return [(at.sign * key, size) for key, size in zip(reversed(keys), reversed(sizes), strict=True)]

    def tape(self, symbol: int, most: int) -> Sequence[Print]:
        s = self._symbols[symbol]
        prints, held = s.now.prints, len(s.tape)
        return [s.tape[(prints - 1 - back) % self._limits.tape_kept] for back in range(min(most, held))]

    def opened(self, series: int) -> int:
        return self._series[series].opened

    def candles(self, series: int, first: int, most: int) -> Sequence[Candle]:
        c = self._series[series]
        start = max(first, c.opened - len(c.ring), 0) - (c.opened - len(c.ring))
        return [candle.copy() for candle in c.ring[start : start + most]]

    def stats(self, symbol: int) -> Stats:
        return self._symbols[symbol].now.copy()

    def dirty(self) -> list[int]:
        taken, self._dirty = self._dirty[::-1], []
        for symbol in taken:
            self._symbols[symbol].dirty = False
        return taken

    def refused(self) -> int:
        return self._refused


def _whole(value: float, unit: float, otherwise: Lie, held: int = 0) -> tuple[int, int]:
    """The lie it is, or 0, and the whole units (`held` where it can't be counted)."""
    units = value / unit
    if not abs(units) < _LARGEST:
        return otherwise, held
    rounded = round(units)
    return (Lie.OFF_GRID if abs(units - float(rounded)) > 0.01 else 0), rounded


def _follows(s: _Symbol, stream: int, first: int, seq: int) -> int:
    last = s.seq[stream]
    if not first:
        return 0
    if last and (seq <= last if stream == _PRINTS else seq < last):
        return -1
    s.seq[stream] = seq
    return max(0, first - last - 1) if last else 0


def _touch(s: _Symbol, since: int, until: int) -> None:
    s.gap_until_ns = max(s.gap_until_ns, until)
    for c in s.series:
        for back, candle in enumerate(reversed(c.ring)):
            if candle.start_ns + c.width <= since if c.kind == TIME else back > 0 and candle.end_ns < since:
                break
            if candle.start_ns < until:
                candle.flags |= _TOUCHED
    s.now.candle_version += 1


def _show_top(s: _Symbol) -> None:
    bids, asks = s.sides
    now = s.now
    now.bid, now.bid_size = (bids.keys[-1], bids.sizes[-1]) if bids.keys else (0, 0)
    now.ask, now.ask_size = (-asks.keys[-1], asks.sizes[-1]) if asks.keys else (0, 0)
    now.book_version += 1


def _session(s: _Symbol, state: int) -> None:
    now = s.now
    anew = now.state in (_OPEN, _CLOSED) if state == _PRE_OPEN else state == _OPEN and now.state == _CLOSED
    now.state = state
    if anew:
        now.session_ns = now.open = now.high = now.low = now.volume = now.trades = 0
        now.notional = 0.0
        s.seq[:] = [0, 0]
