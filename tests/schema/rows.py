"""Records for the store's tests: one desk with a leader and followers, signals and copies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

from schema import driver
from schema.driver import Connection
from schema.migrate import migrate, migrations
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    Copy,
    Decision,
    Environment,
    Episode,
    Fill,
    FollowerConfig,
    GroupConfig,
    Rule,
    Side,
    Signal,
    SignalKind,
)
from schema.store import Store

LEADER = "DEMO1000"
NAN = Decimal("NaN")
AT_NS = 1_700_000_000_123_456_789


def connection(name: str = "desk1") -> ConnectionConfig:
    return ConnectionConfig(connection=name, venue="tradovate", environment=Environment.DEMO, username=name)


def accounts(*names: str, venue_id: str = "") -> tuple[AccountConfig, ...]:
    """Accounts of that login, each with an id of its own unless all have `venue_id`."""
    return tuple(
        AccountConfig(account=name, connection="desk1", venue_id=venue_id or str(number))
        for number, name in enumerate(names)
    )


async def desk(store: Store, followers: int = 20) -> list[str]:
    """A login, a leader and its followers in group main; returns the followers' names."""
    await store.add_connection(connection(), b"sealed")
    names = [f"DEMO{1001 + number}" for number in range(followers)]
    for account in accounts(LEADER, *names):
        await store.put_account(account)
    await store.put_group(GroupConfig(group="main", leader=LEADER))
    for name in names:
        await store.put_follower(FollowerConfig(account=name, group="main", rule=Rule(value=Decimal("0.5"))))
    return names


def signal(number: int, net: int = 1, symbol: str = "ESH4", **more: object) -> Signal:
    given: dict[str, object] = {
        "signal_id": f"signal-{number}",
        "kind": SignalKind.LEADER_FILL,
        "group": "main",
        "leader": LEADER,
        "symbol": symbol,
        "side": Side.BUY,
        "qty": 1,
        "price": Decimal("4800.25"),
        "leader_net": net,
        "source": f"fill-{number}",
        "venue_ns": AT_NS + number,
        "received_ns": AT_NS + number,
    }
    return Signal(**{**given, **more})  # type: ignore[arg-type]


def copies(of: Signal, followers: list[str], decision: Decision = Decision.PENDING) -> list[Copy]:
    return [
        Copy(
            signal_id=of.signal_id,
            follower=follower,
            symbol=of.symbol,
            leader_symbol=of.symbol,
            decision=decision,
            side=of.side,
            qty=1,
            target_net=of.leader_net,
            scale=Decimal("0.5"),
            episode=Episode.JOINED,
            cl_ord_id=f"cd-{of.signal_id}-{follower}",
            received_ns=of.received_ns,
        )
        for follower in followers
    ]


def fill(number: int, account: str, **more: object) -> Fill:
    given: dict[str, object] = {
        "venue": "tradovate",
        "fill_id": f"fill-{number}",
        "account": account,
        "order_id": f"order-{number}",
        "symbol": "ESH4",
        "side": Side.BUY,
        "qty": 1,
        "price": Decimal("4800.25"),
        "venue_ns": AT_NS + number,
    }
    return Fill(**{**given, **more})  # type: ignore[arg-type]


@asynccontextmanager
async def before_migration(server_url: str, ending: str) -> AsyncIterator[tuple[Connection, str]]:
    """A database as it was before the migration whose name ends so, with the name: a session with it, until it is
    dropped."""
    admin = await driver.connect(server_url, timeout=5)
    database = f"before{ending}"
    await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
    await admin.execute(f"CREATE DATABASE {database}")
    session = await driver.connect(server_url.replace("/postgres?", f"/{database}?"), timeout=5)
    try:
        known = migrations()
        at = next(number for number, each in enumerate(known) if each.name.endswith(ending))
        await migrate(session, known[:at])
        yield session, known[at].name
    finally:
        await session.close()
        await admin.execute(f"DROP DATABASE {database} WITH (FORCE)")
        await admin.close()
