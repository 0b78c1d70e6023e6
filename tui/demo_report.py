"""The desk's journal against the venue's own books, which the desk never wrote: the report of a headless demo, and
what the tests of the engine's promises ask."""

from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec
import psutil

from engine.rules import capped, symbol_for, target_net
from engine.seat import LatencySummary
from schema.records import Copy, Decision, FollowerConfig, Record, SignalKind
from schema.store import Store

_MIB = 2**20


class BookedAccount(Record, frozen=True):
    account: str
    balance: Decimal
    positions: dict[str, int]
    working: int


class BookedOrder(Record, frozen=True):
    order_id: int
    account: str
    symbol: str
    cl_ord_id: str | None
    status: str
    qty: int
    filled: int


class BookedFill(Record, frozen=True):
    fill_id: int
    order_id: int
    account: str
    symbol: str
    action: str
    qty: int


class Received(Record, frozen=True):
    """One trading request as it reached the venue."""

    endpoint: str
    account: str | None
    cl_ord_id: str | None
    arrived_ns: int
    outcome: str


class Books(Record, frozen=True):
    """The sandbox's answer to the control order ``state``."""

    accounts: tuple[BookedAccount, ...]
    orders: tuple[BookedOrder, ...]
    fills: tuple[BookedFill, ...]
    received: tuple[Received, ...]

    def net(self, account: str, symbol: str) -> int:
        return next(a.positions.get(symbol, 0) for a in self.accounts if a.account == account)


def books_of(answer: dict[str, Any]) -> Books:
    """The venue's books from the control socket's answer."""
    return msgspec.convert(answer, Books, strict=False)


class Account(Record, frozen=True):
    """How the journal and the books of one group compare. `open` counts pairs that are pending or unknown."""

    signals: int
    decisions: Counter[Decision]
    unaccounted: int
    duplicates: int
    open: int

    @property
    def pairs(self) -> int:
        return sum(self.decisions.values())


async def account_for(store: Store, books: Books, group: str) -> Account:
    """Compare them. `unaccounted` counts pairs that are missing or still pending, leader fills without a signal, and
    orders of the desk at the venue that no journaled pair explains; `duplicates` counts orders the venue received
    more than once."""
    config = await store.load_config()
    leader = next(entry.leader for entry in config.groups if entry.group == group)
    followers = [entry for entry in config.followers if entry.group == group]
    signals, decisions = await store.counts(group)
    pairs = await store.recent_copies(1_000_000)
    explained = {copy.cl_ord_id for _, copy in pairs if copy.cl_ord_id}
    signalled = {signal.source for signal, _ in pairs if signal.kind is SignalKind.LEADER_FILL}
    tags = Counter(each.cl_ord_id for each in books.received if (each.cl_ord_id or "").startswith("cd"))
    missing = signals * len(followers) - sum(decisions.values())
    unsignalled = sum(fill.account == leader and str(fill.fill_id) not in signalled for fill in books.fills)
    unexplained = sum(tag not in explained for tag in tags)
    return Account(
        signals=signals,
        decisions=decisions,
        unaccounted=missing + decisions[Decision.PENDING] + unsignalled + unexplained,
        duplicates=sum(count - 1 for count in tags.values()),
        open=decisions[Decision.PENDING] + decisions[Decision.UNKNOWN],
    )


async def off_rule(store: Store, books: Books, group: str) -> dict[str, str]:
    """Followers that are on and do not stand where their rule says for what the leader holds now, by the books."""
    config = await store.load_config()
    leader = next(entry.leader for entry in config.groups if entry.group == group)
    newest = {(copy.follower, copy.leader_symbol): copy for copy in await store.latest_copies()}
    symbols = {symbol for _, symbol in newest} | {s for a in books.accounts if a.account == leader for s in a.positions}
    wrong: dict[str, str] = {}
    for follower in config.followers:
        for symbol in symbols if follower.enabled and follower.group == group else ():
            target = _target(follower, newest.get((follower.account, symbol)), books.net(leader, symbol))
            held = books.net(follower.account, symbol_for(follower, symbol))
            if held != target:
                wrong[follower.account] = f"holds {held:+d} {symbol_for(follower, symbol)}, its rule says {target:+d}"
    return wrong


def _target(follower: FollowerConfig, newest: Copy | None, leader_net: int) -> int:
    scale = newest.scale if newest else Decimal(0)
    return capped(target_net(follower.rule, scale, leader_net), 0, follower.max_position)


class Percentiles(Record, frozen=True):
    """Milliseconds."""

    p50: float
    p99: float
    max: float


class DemoReport(Record, frozen=True):
    """What `copydesk demo --headless --json` prints. `pairs` are (leader signal, follower) pairs and the decisions add
    up to them; `unaccounted` and `duplicates` as in `account_for`, `drift` counts followers of `off_rule`."""

    venues: tuple[str, ...]
    signals: int
    pairs: int
    copied: int
    skipped: int
    rejected: int
    expired: int
    unknown: int
    unaccounted: int
    duplicates: int
    drift: int
    latency_ms: dict[str, Percentiles]
    rss_mb: float

    @property
    def holds(self) -> bool:
        return not (self.unaccounted or self.duplicates or self.drift)

    def as_text(self) -> str:
        """The same, a line a figure."""
        lines = [f"{name:12} {getattr(self, name)}" for name in self.__struct_fields__ if name != "latency_ms"]
        for stage, ms in self.latency_ms.items():
            lines.append(f"{stage:12} p50 {ms.p50:.2f} ms  p99 {ms.p99:.2f} ms  max {ms.max:.2f} ms")
        return "\n".join(lines)


async def demo_report(store: Store, books: Books, group: str, latency: tuple[LatencySummary, ...]) -> DemoReport:
    """The report of a session that has come to rest."""
    found = await account_for(store, books, group)
    config = await store.load_config()
    return DemoReport(
        venues=tuple(sorted({connection.venue for connection in config.connections})),
        signals=found.signals,
        pairs=found.pairs,
        copied=found.decisions[Decision.COPIED],
        skipped=found.decisions[Decision.SKIPPED],
        rejected=found.decisions[Decision.REJECTED],
        expired=found.decisions[Decision.EXPIRED],
        unknown=found.decisions[Decision.UNKNOWN],
        unaccounted=found.unaccounted,
        duplicates=found.duplicates,
        drift=len(await off_rule(store, books, group)),
        latency_ms={each.stage: Percentiles(p50=each.p50, p99=each.p99, max=each.max) for each in latency},
        rss_mb=round(psutil.Process().memory_info().rss / _MIB, 1),
    )
