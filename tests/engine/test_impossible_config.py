"""A desk that finds an impossible configuration refuses to trade by it, in a sentence; one that runs keeps its own."""

from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from engine.desk import Desk
from engine.soundness import why_impossible
from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.records import DeskConfig, FollowerConfig, GroupConfig, Rule, SymbolMap
from schema.settings import Settings
from schema.store import Store, StoreRefused
from schema.vault import Vault
from tests.practice import practice, until
from tests.schema import rows

CIRCLE = (
    'INSERT INTO followers (account, "group", enabled, why_off, rule, symbols) '
    "VALUES ('DEMO1000', '%s', true, '', '{}', '[]')"
)


async def past_the_triggers(database_url: str, sql: str) -> None:
    """Write as somebody who has switched the triggers off, as a restore does."""
    session = await driver.connect(database_url, timeout=5)
    async with session.transaction():
        await session.execute("ALTER TABLE followers DISABLE TRIGGER no_circle")
        await session.execute(sql)
        await session.execute("ALTER TABLE followers ENABLE TRIGGER no_circle")
    await session.close()


async def test_a_desk_that_finds_an_impossible_configuration_refuses_in_one_sentence(
    settings: Settings, store: Store, database_url: str
) -> None:
    await rows.desk(store, followers=1)
    await past_the_triggers(database_url, CIRCLE % "main")
    desk = Desk(settings, store, Vault.open(settings), SYSTEM_CLOCK, Random(1))
    with pytest.raises(StoreRefused) as refused:
        await desk.open()
    await desk.close()
    assert str(refused.value) == (
        "the configuration in the database can't be traded: account: DEMO1000 leads group main and follows in group "
        "main, a circle; remove it as a follower, or give the group another leader."
    )
    assert desk.adapters == {}, "it connected nowhere"


async def test_a_running_desk_keeps_its_configuration_when_an_impossible_one_is_written(
    state_dir: Path, database_url: str
) -> None:
    async with practice(state_dir, database_url=database_url) as desk:
        before = desk.core.config
        await desk.leader(+2)
        await desk.promise_holds()
        await past_the_triggers(database_url, CIRCLE % before.groups[0].group)
        await until(lambda: any("can't be traded" in alert for alert in alerts(desk.desk)), 5.0)
        assert desk.core.config == before
        await desk.leader(-2)
        await desk.settled(3.0)
        assert await desk.off_target() == {}, "it went on copying"
        await past_the_triggers(database_url, "DELETE FROM followers WHERE account = 'DEMO1000'")
        await desk.promise_holds()


def alerts(desk: Desk) -> list[str]:
    return [row.text for row in desk.views._alerts]


def config_of(*followers: FollowerConfig) -> DeskConfig:
    return DeskConfig(
        connections=(rows.connection(),),
        accounts=rows.accounts("DEMO1000", "DEMO1001", "DEMO1002"),
        groups=(GroupConfig(group="main", leader="DEMO1000"),),
        followers=followers,
    )


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (config_of(FollowerConfig(account="DEMO1001", group="main")), ""),
        (config_of(FollowerConfig(account="DEMO1000", group="main")), "a circle"),
        (config_of(*[FollowerConfig(account="DEMO1001", group="main")] * 2), "follows 2 times"),
        (config_of(FollowerConfig(account="DEMO1009", group="main")), "no account of the desk"),
        (config_of(FollowerConfig(account="DEMO1001", group="other")), "which is no group"),
        (config_of(FollowerConfig(account="DEMO1001", group="main", rule=Rule(value=rows.NAN))), "a value above 0"),
        (
            config_of(
                FollowerConfig(
                    account="DEMO1001",
                    group="main",
                    symbols=(
                        SymbolMap(leader_root="ES", follower_root="MES"),
                        SymbolMap(leader_root="NQ", follower_root="MES"),
                    ),
                )
            ),
            "MES is named by two maps of DEMO1001",
        ),
        (replace(config_of(), groups=(GroupConfig(group="main", leader="DEMO9"),)), "leader: DEMO9 of group main"),
        (replace(config_of(), accounts=rows.accounts("DEMO1000", "DEMO1001", venue_id="7")), "both account 7 of desk1"),
    ],
)
def test_each_impossible_graph_is_named_in_one_sentence(config: DeskConfig, words: str) -> None:
    said = why_impossible(config)
    assert words in said
    assert bool(said) is bool(words) and said.count(".") == bool(words)
