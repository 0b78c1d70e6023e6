"""A small book whose every figure is known by hand, written into the real store: tests of reports compare with it.

Two accounts copy a leader; one login told fees. The day is 2026-11-25 (from 2026-11-24 23:00 UTC on; in winter 17:00
Chicago is 23:00 UTC). ES: a tick of 0.25 is 12.50, a point 50; MES: a tick is 1.25, a point 5.

Before the day: F1 buys 1 ES at 5000.
LEAD  buys 2 at 5010 (in two fills), sells 2 at 5012: +200. One trade, won.
F1    (holds +1 from 5000) buys 2 at 5009.50 and 5011.50: holds 3, average 5007.
      Sells 5 at 5013: closes 3 for (5013 - 5007) x 3 x 50 = +900, one trade won, and is short 2 from 5013.
      Buys 1 at 5014: -50. Buys 1 at 5015: -100. The second trade is lost: -150. Fees 1.00 a lot of 9 lots: 9.00.
F2    buys 10 MES at 5010.25, sells 10 at 5010.00: -0.25 x 10 x 5 = -12.50. One trade, lost.
The next day begins with F2's buy of 1 MES at 5000; it is sold then at 5001: +5.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from schema.clock import from_datetime, to_datetime
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    Copy,
    Decision,
    Environment,
    Fill,
    FollowerConfig,
    GroupConfig,
    OrderType,
    Side,
    Signal,
    SignalKind,
    SymbolMap,
)
from schema.store import Batch, Store
from schema.store_report import AccountFact, FillFact, ReportFacts
from schema.trading_day import ends_ns, trading_day

DAY = date(2026, 11, 25)
BEGINS_NS = ends_ns(date(2026, 11, 24))
ENDS_NS = ends_ns(DAY)
S_NS = 1_000_000_000
D = Decimal


def fill(
    number: int, account: str, side: str, qty: int, price: str, at_ns: int, symbol: str = "ESZ6", **more: Any
) -> Fill:
    given: dict[str, Any] = {
        "venue": "v", "fill_id": str(number), "account": account, "order_id": f"o{number}", "symbol": symbol,
        "side": Side(side), "qty": qty, "price": D(price), "venue_ns": at_ns,
    }  # fmt: skip
    return Fill(**{**given, **more})


def at(second: float) -> int:
    """So many seconds into the day."""
    return BEGINS_NS + int(second * S_NS)


FILLS = (
    fill(1, "F1", "buy", 1, "5000", BEGINS_NS - 3600 * S_NS, fee=D("1.00")),
    fill(2, "LEAD", "buy", 1, "5010", at(0)),  # in the first moment of the day
    fill(3, "LEAD", "buy", 1, "5010", at(1)),
    fill(4, "F1", "buy", 1, "5009.50", at(1.2), fee=D("1.00")),
    fill(5, "F1", "buy", 1, "5011.50", at(1.4), fee=D("1.00")),
    fill(6, "F2", "buy", 10, "5010.25", at(1.5), "MESZ6"),
    fill(7, "LEAD", "sell", 2, "5012", at(100)),
    fill(8, "F1", "sell", 5, "5013", at(101), fee=D("5.00")),
    fill(9, "F2", "sell", 10, "5010.00", at(102), "MESZ6"),
    fill(10, "F1", "buy", 1, "5014", at(200), fee=D("1.00")),
    fill(11, "F1", "buy", 1, "5015", ENDS_NS - 1, fee=D("1.00")),  # in the last moment of the day
    fill(12, "F2", "buy", 1, "5000", ENDS_NS, "MESZ6"),
    fill(13, "F2", "sell", 1, "5001", ENDS_NS + 60 * S_NS, "MESZ6"),
)


def signal(number: int, at_ns: int, side: str = "buy", price: str = "5010", **more: Any) -> Signal:
    given: dict[str, Any] = {
        "signal_id": f"s{number}", "kind": SignalKind.LEADER_FILL, "group": "main", "leader": "LEAD", "symbol": "ESZ6",
        "side": Side(side), "qty": 1, "price": D(price), "leader_net": 1, "source": f"{number}", "venue_ns": at_ns,
        "received_ns": at_ns + 20_000_000,
    }  # fmt: skip
    return Signal(**{**given, **more})


def copied(of: Signal, follower: str, price: str, qty: int, venue_ms: float = 100, symbol: str = "ESZ6") -> Copy:
    """Detected after 20 ms, published after 10 more, sent after 5, answered after `venue_ms`, filled after 30."""
    received_ns = of.received_ns
    acked_ns = received_ns + 15_000_000 + int(venue_ms * 1e6)
    return Copy(
        signal_id=of.signal_id, follower=follower, symbol=symbol, leader_symbol="ESZ6", decision=Decision.COPIED,
        side=of.side, qty=qty, filled_qty=qty, avg_price=D(price), cl_ord_id=f"cd-{of.signal_id}-{follower}",
        received_ns=received_ns, decided_ns=received_ns + 4_000_000, journaled_ns=received_ns + 10_000_000,
        sent_ns=received_ns + 15_000_000, acked_ns=acked_ns, filled_ns=acked_ns + 30_000_000,
        order_type=OrderType.MARKET,
    )  # fmt: skip


def skipped(of: Signal, follower: str, reason: str, decision: Decision = Decision.SKIPPED) -> Copy:
    return Copy(
        signal_id=of.signal_id, follower=follower, symbol="ESZ6", leader_symbol="ESZ6", decision=decision,
        reason=reason, received_ns=of.received_ns,
    )  # fmt: skip


async def accounts(store: Store) -> None:
    """LEAD and F1 at login one (which tells fees), F2 at login two."""
    for name, venue in (("one", "projectx"), ("two", "tradovate")):
        await store.add_connection(
            ConnectionConfig(connection=name, venue=venue, environment=Environment.DEMO, username=name), b"sealed"
        )
    for name, login in (("LEAD", "one"), ("F1", "one"), ("F2", "two")):
        await store.put_account(AccountConfig(account=name, connection=login, venue_id=name))
    await store.put_group(GroupConfig(group="main", leader="LEAD"))
    await store.put_follower(FollowerConfig(account="F1", group="main"))
    maps = (SymbolMap(leader_root="ES", follower_root="MES", lot_factor=D(10)),)
    await store.put_follower(FollowerConfig(account="F2", group="main", symbols=maps))


async def write(store: Store) -> None:
    """The accounts, the fills, and the copies: F1 half a point better and then 1.5 worse than the leader, F2 one tick
    worse, then skipped; one venue refused F1's last; one copy is of the day before and one correction of none."""
    await accounts(store)
    await store.record(Batch(fills=FILLS))
    first, second, third = signal(2, at(0)), signal(3, at(1)), signal(7, at(100), "sell", "5012")
    before = signal(90, BEGINS_NS - 10 * S_NS)
    correction = signal(91, at(300), kind=SignalKind.CORRECTION, price="0")
    pairs = {
        first: [copied(first, "F1", "5009.50", 1), copied(first, "F2", "5010.25", 10, 900, "MESZ6")],
        second: [copied(second, "F1", "5011.50", 1, 3000), skipped(second, "F2", "off: by the trader")],
        third: [
            skipped(third, "F1", "=margin: too little", Decision.REJECTED),
            skipped(third, "F2", "off: by the trader"),
        ],
        before: [skipped(before, "F1", "the day before")],
        correction: [copied(correction, "F1", "5012", 1)],
    }
    for each, copies in pairs.items():
        assert await store.commit_signal(each, copies)


def book_facts() -> ReportFacts:
    """The day's fills, as the store would tell them, and no copies."""
    told = [
        FillFact(account=f.account, symbol=f.symbol, net_qty=f.net_qty, price=f.price, fee=f.fee, venue_ns=f.venue_ns)
        for f in FILLS
    ]
    return ReportFacts(
        accounts=tuple(
            AccountFact(account=name, connection=login, venue="v", environment="demo", group="main", role=role)
            for name, login, role in (("LEAD", "one", "leader"), ("F1", "one", "follower"), ("F2", "two", "follower"))
        ),
        before=tuple(each for each in told if each.venue_ns < BEGINS_NS),
        fills=tuple(each for each in told if BEGINS_NS <= each.venue_ns < ENDS_NS),
    )


assert trading_day(BEGINS_NS) == trading_day(ENDS_NS - 1) == DAY != trading_day(ENDS_NS)
assert from_datetime(to_datetime(BEGINS_NS)) == BEGINS_NS
