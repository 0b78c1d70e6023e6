"""What the configuration refuses, in one sentence each, and who is told when it changes."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.records import AccountConfig, DriftPolicy, FollowerConfig, GroupConfig, Rule, SymbolMap
from schema.settings import Settings
from schema.store import Store, StoreRefused
from tests.schema import rows

FOLLOWER = FollowerConfig(account="DEMO1001", group="main")

Refusals = list[tuple[str, Callable[[Store], Awaitable[None]]]]
REFUSED: Refusals = [
    (
        "account: DEMO1001 already follows in group main and can't follow in second as well; remove it there first.",
        lambda store: store.put_follower(replace(FOLLOWER, group="second")),
    ),
    (
        "account: DEMO1000 leads group main and can't follow in main.",
        lambda store: store.put_follower(replace(FOLLOWER, account="DEMO1000")),
    ),
    (
        "leader: DEMO1001 follows in group main and can't lead third as well; remove it as a follower first.",
        lambda store: store.put_group(GroupConfig(group="third", leader="DEMO1001")),
    ),
    (
        "rule: proportional 0 would not copy the leader; write a value above 0.",
        lambda store: store.set_rule("DEMO1001", Rule(value=Decimal(0))),
    ),
    (
        "rule: proportional -1 would not copy the leader; write a value above 0.",
        lambda store: store.put_follower(replace(FOLLOWER, rule=Rule(value=Decimal(-1)))),
    ),
    (
        "max_position: 0 would let nothing through; write 1 or more, or leave it out.",
        lambda store: store.put_follower(replace(FOLLOWER, max_position=0)),
    ),
    (
        "symbols: 0 lots for each ES; write more than 0.",
        lambda store: store.put_follower(
            replace(FOLLOWER, symbols=(SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(0)),))
        ),
    ),
    (
        "account: there is no 'DEMO10001'; did you mean DEMO1001?",
        lambda store: store.put_follower(replace(FOLLOWER, account="DEMO10001")),
    ),
    (
        "connection: there is no 'desk2'; did you mean desk1?",
        lambda store: store.put_account(AccountConfig(account="X", connection="desk2", venue_id="1")),
    ),
    (
        "venue: 'tradovat' is not known; write tradovate or projectx or fix or ninjatrader.",
        lambda store: store.add_connection(replace(rows.connection(), venue="tradovat"), b""),
    ),
    (
        "requests_per_min: 0 would let nothing through; write 1 or more.",
        lambda store: store.add_connection(replace(rows.connection(), requests_per_min=0), b""),
    ),
    (
        "account: DEMO1000 is not a follower; `copydesk accounts list` shows who is.",
        lambda store: store.set_enabled("DEMO1000", False),
    ),
    (
        "account: DEMO1000 leads group main with 2 followers; "
        "remove them or give the group another leader first.",
        lambda store: store.remove_account("DEMO1000"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "change"), REFUSED, ids=[sentence for sentence, _ in REFUSED])
async def test_a_wrong_configuration_is_refused_in_one_sentence(
    store: Store, sentence: str, change: Callable[[Store], Awaitable[None]]
) -> None:
    await rows.desk(store, followers=2)
    await store.put_account(AccountConfig(account="DEMO2000", connection="desk1", venue_id="9"))
    await store.put_group(GroupConfig(group="second", leader="DEMO2000"))
    before = await store.load_config()
    with pytest.raises(StoreRefused) as refused:
        await change(store)
    assert str(refused.value) == sentence
    assert await store.load_config() == before


async def test_the_tables_themselves_let_nobody_lead_and_follow(store: Store, database_url: str) -> None:
    """Whoever writes past the store is held by the database."""
    await rows.desk(store, followers=1)
    session = await driver.connect(database_url, timeout=5)
    with pytest.raises(driver.CONSTRAINT, match="DEMO1001 would lead and follow at once"):
        await session.execute("UPDATE groups SET leader = 'DEMO1001'")
    with pytest.raises(driver.CONSTRAINT):
        await session.execute("""UPDATE followers SET rule = '{"value": "0"}'""")
    await session.close()


async def test_switches_and_rules_stick_and_the_last_account_takes_its_login_along(store: Store) -> None:
    await rows.desk(store, followers=1)
    await store.set_enabled("DEMO1001", False)
    await store.set_rule("DEMO1001", Rule(value=Decimal("0.25")))
    follower = (await store.load_config()).followers[0]
    assert (follower.enabled, follower.rule) == (False, Rule(value=Decimal("0.25")))
    await store.remove_account("DEMO1001")
    config = await store.load_config()
    assert (len(config.accounts), config.followers, len(config.connections)) == (1, (), 1)
    await store.remove_account("DEMO1000")
    config = await store.load_config()
    assert (config.accounts, config.groups, config.connections) == ((), (), ())
    with pytest.raises(StoreRefused, match="there is no 'desk1'"):
        await store.sealed_credentials("desk1")


async def test_a_change_by_the_shell_reaches_a_running_desk(settings: Settings, store: Store) -> None:
    await rows.desk(store, followers=1)
    told = asyncio.Event()

    async def changed() -> None:
        told.set()

    listening = asyncio.create_task(store.listen(changed))
    async with asyncio.timeout(5):
        await told.wait()  # once at the start: whatever was changed before anybody listened
        shell = await Store.open(settings, SYSTEM_CLOCK)
        for change in (
            shell.set_enabled("DEMO1001", False),
            shell.put_group(GroupConfig(group="main", leader=rows.LEADER, drift=DriftPolicy.SHOW)),
        ):
            told.clear()
            await change
            await told.wait()
    await shell.close()
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening


async def test_listening_survives_a_lost_session_and_tells_what_it_may_have_missed(
    store: Store, database_url: str
) -> None:
    told = 0
    ring = asyncio.Event()

    async def changed() -> None:
        nonlocal told
        told += 1
        ring.set()

    listening = asyncio.create_task(store.listen(changed))
    killer = await driver.connect(database_url, timeout=5)
    async with asyncio.timeout(5):
        await ring.wait()
        ring.clear()
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE 'LISTEN%'"
        )
        await ring.wait()
    assert told == 2
    await killer.close()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
