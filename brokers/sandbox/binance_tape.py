"""One symbol's market as the Binance door tells it: its trades, its candles, and its book with numbered changes
(`docs/binance.md` 5 to 7).

Pure. Follows the sandbox's own market (`charts.ChartBook`, `book.Book`) by `catch_up`; `binance_rest.py` and
`binance_streams.py` read it. Quantities are whole, prices whole ticks; texts have eight places, as the venue's have.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice

from brokers.sandbox.book import Book
from brokers.sandbox.charts import ChartBook
from brokers.sandbox.instruments import ListedContract
from schema.records import Record

MS = 1_000_000
_DAY_MS = 86_400_000
_MINUTES_KEPT = 20_000
_CHANGES_KEPT = 50_000
DEEPEST = 5_000
INTERVALS = {
    "1s": 1_000, "1m": 60_000, "3m": 180_000, "5m": 300_000, "15m": 900_000, "30m": 1_800_000,
    "1h": 3_600_000, "2h": 7_200_000, "4h": 14_400_000, "6h": 21_600_000, "8h": 28_800_000, "12h": 43_200_000,
    "1d": _DAY_MS, "3d": 3 * _DAY_MS, "1w": 7 * _DAY_MS, "1M": 0,
}  # fmt: skip
_MONDAY_MS = 4 * _DAY_MS  # 1970-01-05


class Traded(Record, frozen=True):
    """One trade. `seller` says that the seller crossed the spread."""

    trade_id: int
    at_ms: int
    ticks: int
    qty: int
    seller: bool


@dataclass(slots=True)
class Kline:
    """One candle, prices in ticks, money in ticks times quantity; without trades `first_id` and `last_id` are -1."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    qty: int = 0
    quote: int = 0
    count: int = 0
    taker_qty: int = 0
    taker_quote: int = 0
    first_id: int = -1
    last_id: int = -1

    def take(self, trade: Traded) -> None:
        self.high, self.low, self.close = max(self.high, trade.ticks), min(self.low, trade.ticks), trade.ticks
        self.qty += trade.qty
        self.quote += trade.qty * trade.ticks
        self.count += 1
        if not trade.seller:
            self.taker_qty += trade.qty
            self.taker_quote += trade.qty * trade.ticks
        self.first_id = trade.trade_id if self.first_id < 0 else self.first_id
        self.last_id = trade.trade_id

    def join(self, later: "Kline") -> None:
        """Take a later candle into this one."""
        if not later.count:
            return
        if not self.count:
            self.open = self.high = self.low = later.open
        self.high, self.low, self.close = max(self.high, later.high), min(self.low, later.low), later.close
        self.qty += later.qty
        self.quote += later.quote
        self.count += later.count
        self.taker_qty += later.taker_qty
        self.taker_quote += later.taker_quote
        self.first_id = later.first_id if self.first_id < 0 else self.first_id
        self.last_id = later.last_id


class SymbolMarket:
    """See the module's docstring. `number` is the book's; `changes` are (number, sign, ticks, size), the size the
    level's new total."""

    def __init__(self, contract: ListedContract, chart: ChartBook, book: Book, number: int, trades_kept: int) -> None:
        self.contract = contract
        self.symbol = f"{contract.product.root}USDT"
        self.number = number
        self.trades: deque[Traded] = deque(maxlen=trades_kept)
        self.minutes: deque[Kline] = deque(maxlen=_MINUTES_KEPT)
        self.changes: deque[tuple[int, int, int, int]] = deque(maxlen=_CHANGES_KEPT)
        self._chart = chart
        self._book = book
        self._levels: dict[tuple[int, int], int] = {}
        self._seen = 0
        self.catch_up()

    # --- following the market ----------------------------------------------------------------------------------------

    def catch_up(self) -> None:
        """Take in what the market has done since."""
        for tick in self._chart.ticks_after(self._seen):
            self._seen = tick.tick_id
            trade = Traded(
                trade_id=tick.tick_id,
                at_ms=tick.at_ns // MS,
                ticks=tick.ticks,
                qty=tick.size,
                seller=tick.aggressor < 0,
            )
            self.trades.append(trade)
            _into(self.minutes, trade, 60_000)
        now = {(sign, ticks): size for sign in (1, -1) for ticks, size in self._book.depth(sign, DEEPEST)}
        if now == self._levels:
            return
        for place in dict.fromkeys((*self._levels, *now)):
            size = now.get(place, 0)
            if size != self._levels.get(place, 0):
                self.number += 1
                self.changes.append((self.number, *place, size))
        self._levels = now

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def last_trade_id(self) -> int:
        return self._seen

    def side(self, sign: int, limit: int) -> list[tuple[int, int]]:
        """The best levels of a side, best first, as `number` has them."""
        found = [(ticks, size) for (of, ticks), size in self._levels.items() if of == sign]
        return sorted(found, key=lambda level: -level[0] * sign)[:limit]

    def changed(self, first: int) -> dict[tuple[int, int], int]:
        """(sign, ticks) -> new size for everything that changed from number `first` on."""
        latest: dict[tuple[int, int], int] = {}
        for number, sign, ticks, size in reversed(self.changes):
            if number < first:
                break
            latest.setdefault((sign, ticks), size)
        return latest

    def trades_from(self, trade_id: int, limit: int) -> list[Traded]:
        if not self.trades:
            return []
        start = max(trade_id - self.trades[0].trade_id, 0)
        return list(islice(self.trades, start, start + limit))

    def newest(self, limit: int) -> list[Traded]:
        return self.trades_from(self._seen - limit + 1, limit)

    def trades_between(self, start_ms: int | None, end_ms: int | None, limit: int) -> list[Traded]:
        """Within both ends included: from the start on where there is one, else the newest before the end."""
        first = 0 if start_ms is None else self._place(start_ms)
        last = len(self.trades) if end_ms is None else self._place(end_ms + 1)
        if start_ms is None:
            first = max(0, last - limit)
        return list(islice(self.trades, first, min(last, first + limit)))

    def _place(self, at_ms: int) -> int:
        return bisect_left(self.trades, at_ms, key=lambda trade: trade.at_ms)

    def klines(
        self, interval: str, start_ms: int | None, end_ms: int | None, limit: int, shift_ms: int = 0
    ) -> list[Kline]:
        """Candles that open within both ends, oldest first; times without a trade have candles of the last price.
        `shift_ms` is a time zone's distance from UTC."""
        if interval == "1s":
            newest_ms = self.trades[-1].at_ms if self.trades else 0
            since_ms = start_ms if start_ms is not None else (end_ms or newest_ms) - limit * 1_000
            source: Iterable[Kline] = _seconds(islice(self.trades, self._place(since_ms - since_ms % 1_000), None))
        else:
            source = self.minutes
        found: list[Kline] = []
        for part in source:
            opens_ms = opens(interval, part.start_ms, shift_ms)
            while found and found[-1].start_ms < opens_ms:
                next_ms = following(interval, found[-1].start_ms, shift_ms)
                price = part.open if next_ms == opens_ms else found[-1].close
                found.append(Kline(next_ms, price, price, price, price))
            if not found:
                found.append(Kline(opens_ms, part.open, part.high, part.low, part.close))
            found[-1].join(part)
        within = [
            kline
            for kline in found
            if (start_ms is None or kline.start_ms >= start_ms) and (end_ms is None or kline.start_ms <= end_ms)
        ]
        return within[:limit] if start_ms is not None else within[-limit:]

    # --- texts -------------------------------------------------------------------------------------------------------

    def price(self, ticks: int) -> str:
        return f"{self.contract.price(ticks):.8f}"

    def money(self, ticks_qty: int) -> str:
        return f"{self.contract.product.tick_size * ticks_qty:.8f}"

    def level(self, ticks: int, size: int, *, three_wide: bool = False) -> list[object]:
        return [self.price(ticks), quantity(size), []] if three_wide else [self.price(ticks), quantity(size)]


def quantity(qty: int) -> str:
    return f"{Decimal(qty):.8f}"


def opens(interval: str, at_ms: int, shift_ms: int = 0) -> int:
    """When the candle that holds a time opens."""
    local = at_ms + shift_ms
    if interval == "1M":
        day = datetime.fromtimestamp(local / 1000, UTC)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * 1000 - shift_ms
    width, origin = INTERVALS[interval], _MONDAY_MS if interval == "1w" else 0
    return local - (local - origin) % width - shift_ms


def following(interval: str, start_ms: int, shift_ms: int = 0) -> int:
    """When the next candle opens."""
    if interval == "1M":
        return opens(interval, start_ms + 32 * _DAY_MS, shift_ms)
    return start_ms + INTERVALS[interval]


def _into(bars: deque[Kline], trade: Traded, width_ms: int) -> None:
    start_ms = trade.at_ms - trade.at_ms % width_ms
    if not bars or bars[-1].start_ms != start_ms:
        bars.append(Kline(start_ms, trade.ticks, trade.ticks, trade.ticks, trade.ticks))
    bars[-1].take(trade)


def _seconds(trades: Iterable[Traded]) -> Iterator[Kline]:
    bars: deque[Kline] = deque()
    for trade in trades:
        _into(bars, trade, 1_000)
        while len(bars) > 1:
            yield bars.popleft()
    yield from bars
