"""The store's part for reports: what was traded and copied from one moment to another. Called by `engine/reporting.py`.

It has a session of its own and takes rows as they are: a day of twenty accounts is tens of thousands of them. Every
query walks an index, so a day's report takes no longer as the ledger grows.
"""

# ruff: noqa: S608 - table and column names in statements are this package's own

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from schema import driver
from schema.driver import Connection
from schema.records import Record
from schema.store_plans import expand

_TIMEOUT_S = 60.0
SETTLED_NS = 10_000_000_000
"""How long a venue's word of a position must stand, with no fill after it, before it is compared with the fills: the
two come by different clocks."""

_ACCOUNTS = """
SELECT a.account, a.connection, n.venue, n.environment, coalesce(f."group", g."group", ''),
  CASE WHEN f.account IS NOT NULL THEN 'follower' WHEN g.leader IS NOT NULL THEN 'leader' ELSE '' END
FROM accounts a JOIN connections n USING (connection) LEFT JOIN followers f USING (account)
LEFT JOIN LATERAL (SELECT leader, "group" FROM groups WHERE leader = a.account ORDER BY 2 LIMIT 1) g ON true
ORDER BY a.account
"""
_TICKS = (
    "SELECT connection, symbol, tick_size, tick_value FROM contracts WHERE tick_size > 0 ORDER BY connection, symbol"
)
_FILL = "f.account, f.symbol, CASE f.side WHEN 'buy' THEN f.qty ELSE -f.qty END, f.price, f.fee, f.venue_ns"
_IN_ORDER = "ORDER BY f.venue_ns, length(f.fill_id), f.fill_id"
_FILLS = f"""
SELECT {_FILL} FROM fills f
WHERE f.venue_ns >= $1 AND f.venue_ns < $2 AND ($3::text[] IS NULL OR f.account = ANY($3)) {_IN_ORDER}
"""
# Where each of the pairs that traded was last known to be flat: what came before that is nothing to this report.
_FLATS = """
SELECT pair.account, pair.symbol, coalesce(flat.at_ns, 0)
FROM unnest($1::text[], $2::text[]) AS pair (account, symbol)
LEFT JOIN LATERAL (
  SELECT p.at_ns FROM position_changes p
  WHERE p.account = pair.account AND p.symbol = pair.symbol AND p.net_qty = 0 AND p.at_ns <= $3::bigint - $4::bigint
    AND NOT EXISTS (
      SELECT FROM position_changes later WHERE later.account = p.account AND later.symbol = p.symbol
        AND later.at_ns > p.at_ns AND later.at_ns <= p.at_ns + $4::bigint)
    AND NOT EXISTS (
      SELECT FROM fills f WHERE f.account = p.account AND f.symbol = p.symbol
        AND f.venue_ns > p.at_ns AND f.venue_ns <= p.at_ns + $4::bigint)
  ORDER BY p.at_ns DESC LIMIT 1) AS flat ON true
"""
_BEFORE = f"""
SELECT {_FILL} FROM unnest($1::text[], $2::text[], $3::bigint[]) AS pair (account, symbol, flat_ns)
JOIN fills f ON f.account = pair.account AND f.symbol = pair.symbol AND f.venue_ns > pair.flat_ns AND f.venue_ns < $4
{_IN_ORDER}
"""
_TOLD = """
SELECT p.account, p.symbol, p.at_ns, p.net_qty, p.avg_price
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS pair (account, symbol, flat_ns)
JOIN position_changes p
  ON p.account = pair.account AND p.symbol = pair.symbol AND p.at_ns >= pair.flat_ns AND p.at_ns < $4
ORDER BY p.at_ns, p.account, p.symbol
"""
# A copy of a leader's fill is held against that fill; one of an order at rest against what the leader's order got.
_COPIES = """
WITH RECURSIVE names AS (
  (SELECT follower FROM copies ORDER BY follower LIMIT 1)
  UNION ALL
  SELECT next.follower FROM names, LATERAL (
    SELECT follower FROM copies WHERE follower > names.follower ORDER BY follower LIMIT 1) AS next
)
SELECT c.follower, c.symbol, c.leader_symbol, s.kind, s."group", s.leader, c.decision, c.reason,
  CASE c.side WHEN 'buy' THEN 1 ELSE -1 END, c.qty, c.filled_qty, c.avg_price, c.order_type,
  CASE WHEN c.leader_order_id <> '' THEN theirs.price WHEN s.kind = 'leader_fill' THEN s.price END,
  s.venue_ns, c.received_ns, c.decided_ns, c.journaled_ns, c.sent_ns, c.acked_ns, c.filled_ns
FROM names JOIN copies c ON c.follower = names.follower AND c.received_ns >= $1 AND c.received_ns < $2
JOIN signals s USING (signal_id)
LEFT JOIN LATERAL (
  SELECT sum(f.price * f.qty) / sum(f.qty) AS price FROM fills f
  WHERE c.leader_order_id <> '' AND c.filled_qty > 0 AND f.account = s.leader AND f.order_id = c.leader_order_id
) AS theirs ON true
WHERE ($3::text[] IS NULL OR c.follower = ANY($3))
ORDER BY c.received_ns, c.seq
"""


class AccountFact(Record, frozen=True):
    """An account of the desk: where it is, and its part in a group now (`role` leader, follower or empty)."""

    account: str
    connection: str
    venue: str
    environment: str
    group: str
    role: str


class TickFact(Record, frozen=True):
    """What a login's venue said a contract's tick is, and what it is worth."""

    connection: str
    symbol: str
    tick_size: Decimal
    tick_value: Decimal


class FillFact(Record, frozen=True):
    """One fill: `net_qty` signed lots, `fee` None where the venue has not told."""

    account: str
    symbol: str
    net_qty: int
    price: Decimal
    fee: Decimal | None
    venue_ns: int


class ToldFact(Record, frozen=True):
    """What a venue said that an account holds, as it was written at `at_ns`, our clock."""

    account: str
    symbol: str
    at_ns: int
    net_qty: int
    avg_price: Decimal


class CopyFact(Record, frozen=True):
    """One pair of a signal and a follower. `sign` is 1 for a buy. `leader_price` is what the leader got, None where
    that is not known. The times are those of `Copy`; `venue_ns` is the leader's venue's."""

    follower: str
    symbol: str
    leader_symbol: str
    kind: str
    group: str
    leader: str
    decision: str
    reason: str
    sign: int
    qty: int
    filled_qty: int
    avg_price: Decimal | None
    order_type: str
    leader_price: Decimal | None
    venue_ns: int
    received_ns: int
    decided_ns: int
    journaled_ns: int
    sent_ns: int
    acked_ns: int
    filled_ns: int


class ReportFacts(Record, frozen=True):
    """All that a report is made from. `fills` are those in its time, `before` those since each of their positions was
    last known to be flat; both in order. `timeless` counts fills of no day, whose venue told no time."""

    accounts: tuple[AccountFact, ...] = ()
    ticks: tuple[TickFact, ...] = ()
    before: tuple[FillFact, ...] = ()
    fills: tuple[FillFact, ...] = ()
    told: tuple[ToldFact, ...] = ()
    copies: tuple[CopyFact, ...] = ()
    timeless: int = 0


class ReportStore:
    """Reads; made by `Store.reports`. May be used from any thread and loop."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect

    async def accounts(self) -> tuple[AccountFact, ...]:
        """The accounts there are. Raises JournalDown."""
        async with self._session() as session:
            return await _accounts(session)

    async def traders(self) -> set[str]:
        """Every account that ever traded or copied, on the desk or taken off it. Raises JournalDown."""
        async with self._session() as session:
            rows = await session.fetch(_loose("fills", "account") + " UNION " + _loose("copies", "follower"))
        return {row[0] for row in rows}

    async def facts(self, since_ns: int, until_ns: int, accounts: Sequence[str] | None = None) -> ReportFacts:
        """What happened from `since_ns` up to and without `until_ns`: fills by their venue's time, copies by when the
        leader's event was here; of some accounts, or of all. Raises JournalDown."""
        only = None if accounts is None else list(accounts)
        async with self._session() as session:
            fills = [_fill(row) for row in await session.fetch(_FILLS, since_ns, until_ns, only)]
            pairs = sorted({(fill.account, fill.symbol) for fill in fills})
            owners, symbols = [account for account, _ in pairs], [symbol for _, symbol in pairs]
            flats = await session.fetch(_FLATS, owners, symbols, since_ns, SETTLED_NS)
            since = [[row[place] for row in flats] for place in range(3)]
            return ReportFacts(
                accounts=tuple(each for each in await _accounts(session) if only is None or each.account in only),
                ticks=tuple(
                    TickFact(connection=row[0], symbol=row[1], tick_size=row[2], tick_value=row[3])
                    for row in await session.fetch(_TICKS)
                ),
                before=tuple(_fill(row) for row in await session.fetch(_BEFORE, *since, since_ns)),
                fills=tuple(fills),
                told=tuple(
                    ToldFact(account=row[0], symbol=row[1], at_ns=row[2], net_qty=row[3], avg_price=row[4])
                    for row in await session.fetch(_TOLD, *since, until_ns)
                ),
                copies=tuple(_copy(row) for row in await session.fetch(_COPIES, since_ns, until_ns, only)),
                timeless=await session.fetchval(
                    "SELECT count(*) FROM fills WHERE venue_ns = 0 AND ($1::text[] IS NULL OR account = ANY($1))", only
                ),
            )

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Connection]:
        """One consistent view of everything."""
        session = await self._connect()
        try:
            async with driver.journal_errors():
                await session.execute(f"SET statement_timeout = '{_TIMEOUT_S:.0f}s'")
                await expand(session)
                async with session.transaction(isolation="repeatable_read", readonly=True):
                    yield session
        finally:
            session.terminate()


def _loose(table: str, column: str) -> str:
    """The different values of an index's first column, by jumping from one to the next."""
    return (
        f"(WITH RECURSIVE names AS ((SELECT {column} FROM {table} ORDER BY {column} LIMIT 1) UNION ALL "
        f"SELECT next.{column} FROM names, LATERAL (SELECT {column} FROM {table} WHERE {column} > names.{column} "
        f"ORDER BY {column} LIMIT 1) AS next) SELECT {column} FROM names)"
    )


async def _accounts(session: Connection) -> tuple[AccountFact, ...]:
    return tuple(
        AccountFact(account=row[0], connection=row[1], venue=row[2], environment=row[3], group=row[4], role=row[5])
        for row in await session.fetch(_ACCOUNTS)
    )


def _fill(row: driver.Row) -> FillFact:
    return FillFact(account=row[0], symbol=row[1], net_qty=row[2], price=row[3], fee=row[4], venue_ns=row[5])


def _copy(row: driver.Row) -> CopyFact:
    return CopyFact(
        follower=row[0],
        symbol=row[1],
        leader_symbol=row[2],
        kind=row[3],
        group=row[4],
        leader=row[5],
        decision=row[6],
        reason=row[7],
        sign=row[8],
        qty=row[9],
        filled_qty=row[10],
        avg_price=row[11],
        order_type=row[12],
        leader_price=row[13],
        venue_ns=row[14],
        received_ns=row[15],
        decided_ns=row[16],
        journaled_ns=row[17],
        sent_ns=row[18],
        acked_ns=row[19],
        filled_ns=row[20],
    )
