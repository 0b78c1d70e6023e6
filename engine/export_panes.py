"""What only a running desk knows, as tables for CSV: the market its panes show, its feeds and delays, who is adrift.

Pure: from the views of a seat, so that the desk (`:export`) and the shell (over the desk's socket) write the same bytes
of the same moment. Called by `engine/export.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.market.shown import BookLevel, BookShown, Print, TapeShown
from engine.seat import (
    AccountRow,
    Candles,
    LatencySummary,
    PositionRow,
    StatusRow,
    Topic,
    View,
    WatchlistRow,
    WatchRow,
)
from schema.market import FeedHealth
from schema.records import Record, Side

ViewOf = Callable[[Topic], View]
Table = tuple[Sequence[str], Iterable[Sequence[Any]]]
"""Column names and rows. A column whose name ends in `_ns` is a time."""


def _names(kind: type[Record], *left_out: str) -> tuple[str, ...]:
    return tuple(name for name in kind.__struct_fields__ if name not in left_out)


def _values(row: Record, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in names)


def _candles(view_of: ViewOf) -> Table:
    rows = [row for row in view_of(Topic.CANDLES).rows if isinstance(row, Candles)]
    lines = [line for row in rows for line in row.lines]

    def values() -> Iterable[Sequence[Any]]:
        for chart in rows:
            gaps, partial = set(chart.gaps), set(chart.partial)
            for at, bar in enumerate(chart.bars):
                back = at - len(chart.bars)
                drawn = [line.values[back] if len(line.values) >= -back else None for line in chart.lines]
                figures = (bar.open, bar.high, bar.low, bar.close, bar.volume)
                lacking = (bar.start_ns in gaps, bar.start_ns in partial)
                yield (chart.symbol, chart.interval or f"{chart.interval_s}s", bar.start_ns, *figures, *lacking, *drawn)

    columns = ("symbol", "interval", "start_ns", "open", "high", "low", "close", "volume", "gap", "partial")
    return (*columns, *(line.name for line in lines)), values()


def _depth(view_of: ViewOf) -> Table:
    def values() -> Iterable[Sequence[Any]]:
        for book in view_of(Topic.DEPTH).rows:
            if isinstance(book, BookShown):
                truth = (book.state, book.crossed, book.torn, book.heard_ns)
                sides: tuple[tuple[Side, tuple[BookLevel, ...]], ...] = ((Side.BUY, book.bids), (Side.SELL, book.asks))
                for side, levels in sides:
                    for number, level in enumerate(levels, 1):
                        yield (book.symbol, side, number, level.price, level.size, level.own, *truth)

    return (
        ("symbol", "side", "level", "price", "size", "own", "state", "crossed", "torn", "heard_ns"),
        values(),
    )


def _tape(view_of: ViewOf) -> Table:
    tapes = [row for row in view_of(Topic.TAPE).rows if isinstance(row, TapeShown)]
    names = _names(Print)
    return ("symbol", *names), ((tape.symbol, *_values(each, names)) for tape in tapes for each in tape.prints)


def _watchlists(view_of: ViewOf) -> Table:
    lists = [row for row in view_of(Topic.WATCHLISTS).rows if isinstance(row, WatchlistRow)]
    names = _names(WatchRow)
    return ("list", "place", *names), (
        (each.name, place, *_values(row, names)) for each in lists for place, row in enumerate(each.rows, 1)
    )


def _health(view_of: ViewOf) -> Table:
    rows = [row for row in view_of(Topic.STATUS).rows if isinstance(row, StatusRow)]
    names = _names(StatusRow, "latency")
    return names, (_values(row, names) for row in rows)


def _feeds(view_of: ViewOf) -> Table:
    rows = [row for row in view_of(Topic.FEEDS).rows if isinstance(row, FeedHealth)]
    names = _names(FeedHealth)
    return names, (_values(row, names) for row in rows)


def _latency(view_of: ViewOf) -> Table:
    rows = [row for row in view_of(Topic.STATUS).rows if isinstance(row, StatusRow)]
    return ("stage", "count", "p50_ms", "p99_ms", "max_ms"), (
        _values(stage, _names(LatencySummary)) for row in rows for stage in row.latency
    )


def _drift(view_of: ViewOf) -> Table:
    """Followers that hold something else than their rule asks for."""
    accounts = {row.account: row for row in view_of(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)}

    def values() -> Iterable[Sequence[Any]]:
        for row in view_of(Topic.POSITIONS).rows:
            if isinstance(row, PositionRow) and row.drift and row.target_net is not None:
                account = accounts.get(row.account)
                held = (row.net_qty, row.target_net, row.target_net - row.net_qty)
                told = (account.state, account.why) if account else ("", "")
                yield (row.account, row.group, row.symbol, *held, *told, row.as_of_ns)

    return ("account", "group", "symbol", "held_net", "target_net", "delta_net", "state", "why", "as_of_ns"), values()


_PANES: dict[str, Callable[[ViewOf], Table]] = {
    "candles": _candles,
    "depth": _depth,
    "tape": _tape,
    "watchlists": _watchlists,
    "drift": _drift,
    "health": _health,
    "feeds": _feeds,
    "latency": _latency,
}
PANES = tuple(_PANES)
"""What can be exported of a running desk alone."""
STORED = ("orders", "copies", "positions", "accounts", "alerts")
REPORT = "report"
EVERYTHING = (*STORED, REPORT, *PANES)
"""What can be exported; the others are in the database (`engine/export.py`)."""


def table(what: str, view_of: ViewOf, account: str | None = None) -> Table:
    """`what` as it is now; of one account, where it is of accounts at all (`of_accounts`)."""
    columns, rows = _PANES[what](view_of)
    if account is not None:
        place = list(columns).index("account")
        rows = (row for row in rows if row[place] == account)
    return columns, rows


def of_accounts(what: str) -> bool:
    """Whether its rows are of accounts."""
    return what == "drift"
