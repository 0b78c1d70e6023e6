"""A rejected graph: circles and two writers of one (account, symbol) are refused by the database itself, whoever writes
them."""

import asyncio

import pytest

from schema import driver
from schema.records import AccountConfig
from schema.store import Store, StoreRefused
from tests.schema import rows

NEW_FOLLOWER = 'INSERT INTO followers (account, "group", enabled, why_off, rule, symbols) VALUES '
NEW_GROUP = 'INSERT INTO groups ("group", leader, mode, drift) VALUES '
MAPS = (
    'UPDATE followers SET symbols = \'[{"leader_root": "%s", "follower_root": "%s"}, '
    '{"leader_root": "%s", "follower_root": "%s"}]\''
)
IMPOSSIBLE = [
    ("a leader follows itself", NEW_FOLLOWER + "('DEMO1000', 'main', true, '', '{}', '[]')",
     "DEMO1000 would lead and follow at once; take it out of one of the two"),
    ("a follower leads its own group", "UPDATE groups SET leader = 'DEMO1001'",
     "DEMO1001 would lead and follow at once"),
    ("a circle of two groups", NEW_GROUP + "('back', 'DEMO1001', 'fills', 'auto')",
     "DEMO1001 would lead and follow at once"),
    ("a leader is moved among the followers", "UPDATE followers SET account = 'DEMO1000' WHERE account = 'DEMO1001'",
     "DEMO1000 would lead and follow at once"),
    ("all of it in one statement",
     "WITH led AS (" + NEW_GROUP + "('back', 'DEMO3000', 'fills', 'auto') RETURNING leader) " + NEW_FOLLOWER
     + "('DEMO3000', 'main', true, '', '{}', '[]')", "DEMO3000 would lead and follow at once"),
    ("a follower in two groups", NEW_FOLLOWER + "('DEMO1001', 'second', true, '', '{}', '[]')",
     "an_account_follows_in_one_group_only"),
    ("two maps onto one contract", MAPS % ("ES", "MES", "NQ", "MES"),
     "MES is named by two maps of DEMO1001; one position has one writer, keep one map"),
    ("two maps of one contract", MAPS % ("ES", "MES", "ES", "NQ"), "ES is named by two maps of DEMO1001"),
    ("a map without a contract", """UPDATE followers SET symbols = '[{"leader_root": "ES"}]'""",
     "names no leader_root or no follower_root"),
    ("a map of no lots",
     """UPDATE followers SET symbols = '[{"leader_root": "ES", "follower_root": "NQ", "lot_factor": "NaN"}]'""",
     "lot_factor of DEMO1001 is not a number above 0"),
    ("maps that are none", "UPDATE followers SET symbols = '{}'", "not a list of maps"),
    ("one account of the venue under two names", "INSERT INTO accounts VALUES ('TWIN', 'desk1', '1', true)",
     "one_name_an_account"),
    ("a rule that is no number", """UPDATE followers SET rule = '{"value": "NaN"}'""", "rule_has_a_value"),
    ("a rule nobody knows", """UPDATE followers SET rule = '{"kind": "double"}'""", "rule_is_known"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "words"), [case[1:] for case in IMPOSSIBLE], ids=[case[0] for case in IMPOSSIBLE])
async def test_the_database_itself_refuses_an_impossible_graph(
    store: Store, database_url: str, sql: str, words: str
) -> None:
    await rows.desk(store, followers=1)
    for name in ("DEMO2000", "DEMO3000"):
        await store.put_account(AccountConfig(account=name, connection="desk1", venue_id=name[4:]))
    session = await driver.connect(database_url, timeout=5)
    await session.execute(NEW_GROUP + "('second', 'DEMO2000', 'fills', 'auto')")
    before = await store.load_config()
    with pytest.raises(driver.CONSTRAINT, match=words):
        await session.execute(sql)
    assert await store.load_config() == before
    await session.close()


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
async def test_two_programs_that_do_not_see_each_other_make_no_circle(
    store: Store, database_url: str, isolation: str
) -> None:
    """One makes an account a leader while the other makes it a follower; each is right by what it sees."""
    await rows.desk(store, followers=1)
    await store.put_account(AccountConfig(account="DEMO3000", connection="desk1", venue_id="3000"))
    first = await driver.connect(database_url, timeout=5)
    second = await driver.connect(database_url, timeout=5)
    for session in (first, second):
        await session.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        await session.fetchval("SELECT count(*) FROM followers")
    await first.execute(NEW_GROUP + "('back', 'DEMO3000', 'fills', 'auto')")
    waiting = asyncio.create_task(second.execute(NEW_FOLLOWER + "('DEMO3000', 'main', true, '', '{}', '[]')"))
    await asyncio.wait({waiting}, timeout=0.2)
    assert not waiting.done(), "it waits for the first to end"
    await first.execute("COMMIT")
    with pytest.raises(driver.POSTGRES_REFUSED, match=r"lead and follow at once|could not serialize access"):
        await waiting
    await second.execute("ROLLBACK")
    config = await store.load_config()
    assert [follower.account for follower in config.followers] == ["DEMO1001"]
    await first.close()
    await second.close()


async def test_a_swap_of_leader_and_follower_in_one_transaction_is_allowed(store: Store, database_url: str) -> None:
    await rows.desk(store, followers=1)
    session = await driver.connect(database_url, timeout=5)
    async with session.transaction():
        await session.execute("DELETE FROM followers")
        await session.execute("UPDATE groups SET leader = 'DEMO1001'")
        await session.execute(NEW_FOLLOWER + "('DEMO1000', 'main', true, '', '{}', '[]')")
    config = await store.load_config()
    assert (config.groups[0].leader, config.followers[0].account) == ("DEMO1001", "DEMO1000")
    await store.remove_account("DEMO1000")
    await session.close()


async def test_a_second_name_for_an_account_is_refused_in_a_sentence(store: Store) -> None:
    await rows.desk(store, followers=1)
    with pytest.raises(StoreRefused, match="DEMO1001 is account 1 of desk1 already; one position has one writer"):
        await store.put_account(AccountConfig(account="TWIN", connection="desk1", venue_id="1"))
