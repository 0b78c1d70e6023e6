"""Two writers for one (account, symbol): what a follower trades for one contract is written by that one alone."""

from decimal import Decimal

import pytest

from engine.recovery import drifting
from schema.records import Decision, FollowerConfig, SymbolMap
from schema.store import Store, StoreRefused
from tests.engine.table import LEADER, Table
from tests.schema import rows

MICRO = SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10))


def test_the_leaders_own_trade_in_a_contract_that_another_is_mapped_to_is_not_copied() -> None:
    table = Table({"DEMO1": FollowerConfig(account="DEMO1", group="main", symbols=(MICRO,))})
    table.leader(+1)
    table.execute_all()
    assert table.holds("DEMO1", "MESH4") == 10
    table.fill(LEADER, +3, "MESH4")
    table.execute_all()
    (copy,) = [copy for copy in table.copies.values() if copy.leader_symbol == "MESH4"]
    assert (copy.decision, copy.reason) == (
        Decision.SKIPPED,
        "MES is what this follower trades for ES: MES itself is not copied",
    )
    table.fill(LEADER, -3, "MESH4")
    table.passes(5.0, ticks=10)
    table.execute_all()
    assert table.holds("DEMO1", "MESH4") == 10
    assert list(drifting(table.core)) == []
    table.leader(-1)
    table.execute_all()
    assert table.holds("DEMO1", "MESH4") == 0


@pytest.mark.parametrize(
    "other", [SymbolMap(leader_root="NQ", follower_root="MES"), SymbolMap(leader_root="ES", follower_root="MNQ")]
)
async def test_two_maps_that_name_one_contract_are_refused(store: Store, other: SymbolMap) -> None:
    (name,) = await rows.desk(store, followers=1)
    config = next(f for f in (await store.load_config()).followers if f.account == name)
    with pytest.raises(StoreRefused, match=r"symbols: M?ES is named by two maps; one position has one writer"):
        await store.put_follower(FollowerConfig(account=name, group=config.group, symbols=(MICRO, other)))
