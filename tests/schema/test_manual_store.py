"""Orders that the trader gives from the desk, in the journal: one of a preview for each account, for ever."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.records import Lots, ManualOrder, ManualState, OrderType, Side
from schema.settings import Settings, load_settings
from schema.store import Batch, Store
from tests.schema.test_lost_answers import Wire


def order(account: str, plan: str = "p1", tag: str = "") -> ManualOrder:
    return ManualOrder(
        cl_ord_id=tag or f"cm-{plan}-{account}",
        plan_id=plan,
        account=account,
        symbol="ESH4",
        side=Side.BUY,
        qty=2,
        order_type=OrderType.STOP_LIMIT,
        limit_price=Decimal("4795.25"),
        stop_price=Decimal(4795),
        asked_ns=1,
    )


async def test_a_preview_is_committed_once_for_each_account_whatever_the_tags(store: Store) -> None:
    both = (order("A"), order("B"))
    assert await store.commit_manual(both) == {"cm-p1-A", "cm-p1-B"}
    assert await store.commit_manual(both) == frozenset()
    assert await store.commit_manual((order("A", tag="cm-other"), order("C"))) == {"cm-p1-C"}
    assert await store.commit_manual((order("A", "p2"),)) == {"cm-p2-A"}
    assert [each.account for each in await store.open_manual()] == ["A", "B", "C", "A"]
    assert (await store.open_manual())[0] == order("A")


async def test_what_became_of_an_order_is_written_behind_and_what_was_confirmed_stays(store: Store) -> None:
    given = order("A")
    await store.commit_manual((given,))
    done = replace(given, state=ManualState.DONE, reason="filled", filled_qty=2, avg_price=Decimal("4795.5"), qty=3)
    await store.record(Batch(manual=(replace(done, state=ManualState.TAKEN, plan_id="other"),)))
    (kept,) = await store.open_manual()
    assert kept == replace(done, state=ManualState.TAKEN)
    await store.record(Batch(manual=(done,), lots=(Lots(account="A", symbol="ESH4", foreign=2, manual=2),)))
    assert await store.open_manual() == []
    assert (await store.lots())[0].manual == 2
    await store.record(Batch(manual=(order("NEVER"),)))
    assert await store.open_manual() == [], "only what was committed has a row"


async def test_an_answer_lost_after_the_commit_is_still_ours_and_somebody_elses_is_theirs(
    database_url: str, state_dir: Path, settings: Settings
) -> None:
    async with Wire(database_url, state_dir) as wire:
        through = load_settings(**{"state_dir": state_dir, "database_url": wire.url})
        ours, theirs = await Store.open(through, SYSTEM_CLOCK), await Store.open(settings, SYSTEM_CLOCK)
        assert await theirs.commit_manual((order("B"),)) == {"cm-p1-B"}
        wire.lose_answers = True
        with pytest.raises(driver.JournalDown):
            await ours.commit_manual((order("A"), order("B")))
        wire.lose_answers = False
        assert await ours.commit_manual((order("A"), order("B"))) == {"cm-p1-A"}
        assert await ours.commit_manual((order("A"), order("B"))) == frozenset()
        await ours.close()
        await theirs.close()
