"""CSV export of whatever the desk has: orders, copies, positions, accounts, alerts and reports from its database, and
what its panes show now from a running desk; the same bytes from the screen and from the shell.

RFC 4180: comma, CRLF, double quotes where needed, one header row, UTF-8. Times are ISO-8601 UTC to the nanosecond,
empty when they have not happened. A text cell that a spreadsheet would run as a formula (it starts with ``=``, ``+``,
``-``, ``@``, tab, CR or LF) gets a leading apostrophe; numbers are never touched, so -12.50 stays a number.

Called by `engine/desk.py` and by `copydesk export`; imports nothing of the terminal.
"""

import csv
import difflib
import io
import os
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from engine import report_table
from engine.export_panes import EVERYTHING, PANES, REPORT, STORED, ViewOf, of_accounts, table
from engine.reported import Report, ReportAsked
from engine.reporting import make
from schema.clock import SYSTEM_CLOCK, from_datetime
from schema.driver import Connection
from schema.records import Record
from schema.store import Store

_CHUNK = 100  # rows formatted in one go, well under 1 ms: an export never holds up an order
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_FOR_EVER_NS = 2**63 - 1


class ExportRefused(Exception):
    """An export that can't be made; the text is one sentence naming the argument and the remedy."""


class _Table(Record, frozen=True):
    """What is exported: `account` and `at_ns` are what the account and the times asked for are compared with (`account`
    empty: it is of no account). A column whose name ends in `_ns` is written as a time, without that ending."""

    columns: str
    source: str
    account: str
    at_ns: str
    order: str


_TABLES = {
    "orders": _Table(
        columns=(
            "updated_ns, venue_ns, account, order_id, cl_ord_id, symbol, side, order_type, status, qty, filled_qty, "
            "avg_price, limit_price, stop_price, text"
        ),
        source="orders",
        account="account",
        at_ns="updated_ns",
        order="updated_ns, account, order_id",
    ),
    "copies": _Table(
        columns=(
            'c.received_ns, c.signal_id, s.kind, s."group", s.leader, c.leader_symbol, s.side AS leader_side, '
            "s.qty AS leader_qty, s.price AS leader_price, s.leader_net, c.follower AS account, c.symbol, c.decision, "
            "c.reason, c.side, c.order_type, c.qty, c.limit_price, c.stop_price, c.target_net, c.net_before, "
            "c.filled_qty, c.avg_price, c.reducing, c.episode, c.leader_order_id, c.cl_ord_id, c.order_id, s.venue_ns, "
            "c.decided_ns, c.journaled_ns, c.sent_ns, c.acked_ns, c.filled_ns"
        ),
        source="copies c JOIN signals s USING (signal_id)",
        account="c.follower",
        at_ns="c.received_ns",
        order="c.seq",
    ),
    "positions": _Table(
        columns="account, symbol, net_qty, avg_price, updated_ns",
        source="positions",
        account="account",
        at_ns="updated_ns",
        order="account, symbol",
    ),
    "accounts": _Table(
        columns=(
            'a.account, n.connection, n.venue, n.environment, a.active, coalesce(f."group", g."group") AS "group", '
            "CASE WHEN f.account IS NOT NULL THEN 'follower' WHEN g.leader IS NOT NULL THEN 'leader' END AS role, "
            "f.enabled, f.rule ->> 'kind' AS rule, (f.rule ->> 'value')::numeric AS rule_value, m.balance, "
            "m.realized_pnl, m.open_pnl, m.margin, m.liquidate_only, m.updated_ns"
        ),
        source=(
            "accounts a JOIN connections n USING (connection) LEFT JOIN followers f USING (account) "
            'LEFT JOIN LATERAL (SELECT leader, "group" FROM groups WHERE leader = a.account ORDER BY 2 LIMIT 1) g '
            "ON true LEFT JOIN account_states m USING (account)"
        ),
        account="a.account",
        at_ns="coalesce(m.updated_ns, 0)",
        order="a.account",
    ),
    "alerts": _Table(columns="at_ns, level, text", source="alerts", account="", at_ns="at_ns", order="seq"),
}
WHAT = (*STORED, REPORT)
"""What can be exported with or without a running desk."""


async def export(
    store: Store,
    what: str,
    out: TextIO | Path | str,
    *,
    since: str | None = None,
    until: str | None = None,
    account: str | None = None,
) -> int:
    """Write `what` as CSV and return the number of rows after the header.

    `out` is a file to make or replace (it appears whole or not at all), ``-`` for standard output, or an open text
    stream. `since` (included) and `until` (not included) are days or times, UTC unless they say otherwise: orders,
    positions and accounts by when they last changed here, copies by when the leader's event came in; a report is of
    trading days, both included. Raises ExportRefused, CommandRefused (what is wrong with a report's days) and
    JournalDown.
    """
    if what == REPORT:
        asked = ReportAsked(since=since, until=until, account=account)
        return export_report(await make(store.reports(), asked, SYSTEM_CLOCK.now_ns()), out)
    if what in PANES:
        raise ExportRefused(f"export: {what} is known to a running desk alone, and this one reads its database.")
    if what not in _TABLES:
        raise ExportRefused(f"export: {what!r} can't be exported; {_or_nearest(what, EVERYTHING)}")
    chosen = _TABLES[what]
    if account is not None and not chosen.account:
        raise ExportRefused(f"account: {what} are of no account; leave it out.")
    from_ns = moment("from", since) if since else 0
    until_ns = moment("to", until) if until else _FOR_EVER_NS
    if from_ns >= until_ns:
        raise ExportRefused(f"to: {until} is not after {since}; give a later end or leave it out.")
    whose = chosen.account or "''"
    query = (
        f"SELECT {chosen.columns} FROM {chosen.source} "  # noqa: S608 - all of it is written above
        f"WHERE {chosen.at_ns} >= $1 AND {chosen.at_ns} < $2 AND ($3::text IS NULL OR {whose} = $3) "
        f"ORDER BY {chosen.order}"
    )
    async with store.reading() as session:
        if account is not None:
            await _must_exist(session, account)
        statement = await session.prepare(query)
        names = [column.name for column in statement.get_attributes()]
        with _opened(out) as stream:
            lines = _Lines(stream)
            lines.write([[name.removesuffix("_ns") for name in names]])
            rows: list[list[str]] = []
            written = 0
            async for row in statement.cursor(from_ns, until_ns, account, prefetch=_CHUNK):
                rows.append(_cells(names, row))
                if len(rows) == _CHUNK:
                    written += lines.write(rows)
                    rows = []
            written += lines.write(rows)
    return written


def counted_rows(what: str, rows: int) -> str:
    """``3 orders``, ``3 rows of depth``."""
    return f"{rows} {what}" if what in _TABLES else f"{rows} {'row' if rows == 1 else 'rows'} of {what}"


def export_report(report: Report, out: TextIO | Path | str) -> int:
    """Write a report that was made, a row for each account and day. Raises ExportRefused."""
    return _write(report_table.COLUMNS, report_table.rows(report), out)


def export_pane(view_of: ViewOf, what: str, out: TextIO | Path | str, account: str | None = None) -> int:
    """Write one of PANES as the views have it now. Raises ExportRefused."""
    if account is not None and not of_accounts(what):
        raise ExportRefused(f"account: {what} is of no account; leave it out.")
    return _write(*table(what, view_of, account), out)


def _write(columns: Sequence[str], rows: Iterable[Sequence[Any]], out: TextIO | Path | str) -> int:
    with _opened(out) as stream:
        lines = _Lines(stream)
        lines.write([[_cell("", name.removesuffix("_ns")) for name in columns]])
        return lines.write([_cells(columns, row) for row in rows])


class _Lines:
    """Writes rows as RFC 4180 lines. A file that can't be written is refused here, so that it is never taken for a
    database that can't be reached."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._writer = csv.writer(stream, lineterminator="\r\n")

    def write(self, rows: list[list[str]]) -> int:
        with _refused():
            self._writer.writerows(rows)
            self._stream.flush()
        return len(rows)


@contextmanager
def _refused() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ExportRefused(f"out: it can't be written ({error.strerror}); choose another file.") from None


@contextmanager
def _opened(out: TextIO | Path | str) -> Generator[TextIO]:
    if not isinstance(out, Path | str):
        yield out
    elif out == "-":
        with _refused():
            stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield stream
        finally:
            stream.detach()
    else:
        path = Path(out).expanduser()
        special = path.exists() and not path.is_file()
        part = path if special else path.with_name(f".{path.name}.{os.getpid()}.part")
        with _refused():
            stream = part.open("w", encoding="utf-8", newline="")
        try:
            yield stream
            with _refused():
                stream.close()
                if not special:
                    part.replace(path)
        except BaseException:
            with suppress(OSError):  # a full disk says so again for what is still buffered
                stream.close()
            if not special:
                part.unlink(missing_ok=True)
            raise


async def _must_exist(session: Connection, account: str) -> None:
    """An account is known as long as the desk has it or has a history of it."""
    rows = await session.fetch(
        "SELECT account FROM accounts UNION SELECT account FROM orders UNION SELECT account FROM positions"
    )
    known = [str(row[0]) for row in rows]
    if account not in known:
        raise ExportRefused(f"account: there is no {account}; {_or_nearest(account, known)}")


def moment(field: str, text: str) -> int:
    """A day or a time as nanoseconds; without an offset it is UTC. Raises ExportRefused naming `field`."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ExportRefused(
            f"{field}: {text!r} is not a day or a time; write one like 2026-11-21 or 2026-11-21T14:30."
        ) from None
    return min(max(from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC)), 0), _FOR_EVER_NS)


def _or_nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(known) or 'nothing yet'}."


def _cells(columns: Sequence[str], row: Any) -> list[str]:
    return [_cell(name, row[place]) for place, name in enumerate(columns)]


def _cell(name: str, value: Any) -> str:
    """One value as it stands in the file."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() if name.endswith("_ns"):
            return iso(value)
        case int():
            return str(value)
        case float():
            return repr(value)  # the shortest that reads back as the same
        case Decimal():
            return format(value, "f")
        case date():
            return value.isoformat()
        case _:
            text = str(value)
            return f"'{text}" if text.startswith(_FORMULA) else text


def iso(at_ns: int) -> str:
    """A time as a file has it; empty when it has not happened."""
    if at_ns <= 0:
        return ""
    seconds, rest_ns = divmod(at_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"
