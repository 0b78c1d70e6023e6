"""Orders and fills on a follower that are not the desk's: seen, said once, and left alone unless the group's policy
says otherwise; the trader's own lots are never closed by a copy, a correction or a resync."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine import resync
from schema.records import (
    AccountState,
    Decision,
    DriftPolicy,
    Episode,
    Foreign,
    LiveOrder,
    LiveStatus,
    Lots,
    OrderType,
    Out,
    Rule,
    Side,
)
from tests.engine.table import S, Table
from tests.practice import practice, until

ONE = Rule()


def table_with(policy: Foreign, *names: str, drift: DriftPolicy = DriftPolicy.AUTO) -> Table:
    table = Table(dict.fromkeys(names or ("DEMO1",), ONE), drift=drift)
    group = replace(table.config.groups[0], foreign=policy)
    table.config = replace(table.config, groups=(group,))
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))
    return table


def working(table: Table, account: str, order_id: str = "77") -> LiveOrder:
    order = LiveOrder(
        account=account,
        order_id=order_id,
        symbol="ESH4",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=2,
        limit_price=Decimal("4790.50"),
        status=LiveStatus.WORKING,
    )
    table.feed(venue.OrderUpdated(connection=f"at-{account}", received_ns=table.now_ns, order=order))
    return order


def test_where_no_order_may_cross_zero_copies_close_in_two_steps_when_the_traders_lots_stand_against_them() -> None:
    table = table_with(Foreign.ALERT)
    table.feed(ev.VenueAbilities(at_ns=table.now_ns, connection="at-DEMO1", flips=False))
    table.leader(+3)
    table.execute_all()
    table.fill("DEMO1", -5)  # three of them close the copies
    table.leader(-3)
    assert table.take() == []
    table.leader(+3)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(1, 2)], "the account holds two lots short"
    table.passes(1, ticks=20)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(1, 1)]
    table.leader(-3)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(-1, 1)]
    table.passes(1, ticks=20)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(-1, 2)]
    assert table.holds("DEMO1") == -2


def test_the_traders_own_lots_are_left_alone_by_copies_and_their_exits() -> None:
    table = table_with(Foreign.ALERT)
    table.fill("DEMO1", +3)
    table.leader(+1)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(1, 1)]
    table.leader(-1)
    assert [(o.side.sign, o.qty, o.reducing) for o in table.execute_all()] == [(-1, 1, True)]
    table.passes(5, ticks=50)
    assert table.take() == []
    assert table.holds("DEMO1") == 3


def test_no_drift_policy_closes_a_position_the_trader_opened() -> None:
    table = table_with(Foreign.ALERT)
    table.leader(+2)
    table.execute_all()
    table.fill("DEMO1", +3)
    table.configure(rule=Rule(value=Decimal("0.5")))
    table.passes(1, ticks=20)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(-1, 1)], "only the copies' lots are corrected"
    (line,) = resync.lines(table.core, ["DEMO1"], lambda _: Decimal(0))
    assert (line.held, line.target, line.delta) == (4, 1, 0)
    assert line.note == "+3 not the desk's: left alone"


def test_lots_against_the_copies_lots_keep_both_sides_apart() -> None:
    table = table_with(Foreign.ALERT)
    table.fill("DEMO1", +3)
    table.leader(-3)
    table.execute_all()
    assert table.holds("DEMO1") == 0, "the trader's three and the copies' three stand against each other"
    table.leader(+3)
    table.execute_all()
    assert table.holds("DEMO1") == 3


def test_a_copy_closed_by_hand_is_out_of_the_trade_and_its_exit_does_not_open_the_other_way() -> None:
    table = table_with(Foreign.ALERT)
    table.leader(+2)
    table.execute_all()
    table.fill("DEMO1", -2)
    assert table.core.state("DEMO1", "ESH4").episode is Episode.MISSED
    assert any("closed by hand" in alert for alert in table.alerts)
    table.leader(+1)
    table.leader(-3)
    table.passes(3, ticks=30)
    assert table.take() == []
    assert table.holds("DEMO1") == 0
    table.leader(+1)
    assert [o.qty for o in table.execute_all()] == [1], "the next trade is copied again"


def test_a_working_foreign_order_is_said_once_and_not_touched() -> None:
    table = table_with(Foreign.ALERT)
    for _ in range(3):
        working(table, "DEMO1")
    said = [alert for alert in table.alerts if "77" in alert]
    assert said == ["DEMO1: order 77 is not the desk's: buy 2 ESH4 limit at 4790.5 is working; its lots are left alone"]
    assert table.take() == []


def test_ignore_says_nothing_and_still_leaves_the_lots_alone() -> None:
    table = table_with(Foreign.IGNORE)
    table.alerts.clear()
    table.fill("DEMO1", +3)
    table.leader(+1)
    table.execute_all()
    table.leader(-1)
    table.execute_all()
    assert table.alerts == []
    assert table.holds("DEMO1") == 3


@pytest.mark.parametrize(("policy", "flattens"), [(Foreign.DISARM, False), (Foreign.FLATTEN, True)])
def test_disarm_and_flatten_switch_that_follower_off_at_once_and_no_other(policy: Foreign, flattens: bool) -> None:
    table = table_with(policy, "DEMO1", "DEMO2")
    table.leader(+1)
    table.execute_all()
    effects = table.core.process(
        venue.Filled(connection="at-DEMO1", received_ns=table.now_ns, fill=table.fill("DEMO1", +3, tell=False))
    )
    (disarm,) = [effect for effect in effects if isinstance(effect, ev.Disarm)]
    assert (disarm.account, disarm.flatten) == ("DEMO1", flattens)
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))  # read before the switch was stored
    table.leader(+1)
    assert {order.account for order in table.take()} == {"DEMO2"}
    assert table.last("DEMO1").reason.startswith("off: somebody else traded on it: buy 3 ESH4")
    assert table.last("DEMO1").decision is Decision.SKIPPED
    off = tuple(replace(f, enabled=f.account != "DEMO1") for f in table.config.followers)
    table.reconfigure(off)
    table.configure(enabled=True)
    assert table.core.followers["DEMO1"].enabled, "the trader switches it on again"


def test_copies_flattens_and_the_venues_own_liquidation_are_not_foreign() -> None:
    table = table_with(Foreign.DISARM)
    table.leader(+2)
    table.execute_all()
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.fill("DEMO1", -2)
    table.feed(ev.FlattenEnded(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.leader(-2)
    table.now_ns += 60 * S
    table.leader(+1)
    table.execute_all()
    locked = AccountState(account="DEMO1", balance=Decimal(1), liquidate_only=True)
    table.feed(venue.AccountUpdated(connection="at-DEMO1", received_ns=table.now_ns, state=locked))
    table.fill("DEMO1", -1)
    assert table.core.followers["DEMO1"].enabled
    assert not [alert for alert in table.alerts if "not the desk's" in alert]


def test_what_a_follower_held_before_it_followed_is_the_traders() -> None:
    table = Table({"DEMO1": ONE}, connect=False)
    table.position["DEMO1", "ESH4"] = 4
    for name in ("DEMO1000", "DEMO1"):
        table.connect(name)
    table.leader(+1)
    table.execute_all()
    table.leader(-1)
    table.execute_all()
    assert table.holds("DEMO1") == 4


def restarted(table: Table, lots: tuple[Lots, ...]) -> Table:
    """A new core on the journal's latest copies and the same venue."""
    again = Table(dict.fromkeys(table.core.followers, ONE), connect=False)
    again.now_ns, again.position, again.fills, again.fill_no = table.now_ns, table.position, table.fills, table.fill_no
    latest = {copy.follower: copy for copy in table.copies.values()}
    again.feed(
        ev.Recovered(
            at_ns=again.now_ns,
            open_copies=(),
            latest_copies=tuple(latest.values()),
            leader_nets=(("DEMO1000", "ESH4", table.core.leader_nets["DEMO1000", "ESH4"]),),
            seen_fills=frozenset((fill.account, fill.fill_id) for fill in table.fills),
            baselines=(("DEMO1000", 1),),
            lots=lots,
        )
    )
    for name in ("DEMO1000", *table.core.followers):
        again.connect(name)
    return again


def test_after_a_restart_the_lots_are_still_whose_they_were() -> None:
    table = table_with(Foreign.ALERT)
    table.fill("DEMO1", +3)
    table.leader(+2)
    table.execute_all()
    again = restarted(table, tuple(table.core.lots.values()))
    again.leader(-2)
    assert [(o.side.sign, o.qty) for o in again.execute_all()] == [(-1, 2)]
    assert again.holds("DEMO1") == 3


def test_after_a_restart_what_earlier_copies_left_with_a_follower_that_missed_the_trade_goes() -> None:
    table = table_with(Foreign.ALERT)
    table.leader(+2)
    table.execute_all()
    (lots,) = table.core.lots.values()
    missed = {key: replace(copy, episode=Episode.MISSED) for key, copy in table.copies.items()}
    table.copies = missed
    again = restarted(table, (lots,))
    assert again.core.state("DEMO1", "ESH4").episode is Episode.MISSED
    again.passes(1, ticks=20)
    assert [(o.side.sign, o.qty) for o in again.execute_all()] == [(-1, 2)]
    assert again.holds("DEMO1") == 0


def test_after_a_restart_a_follower_that_was_closed_by_hand_is_still_out() -> None:
    table = table_with(Foreign.ALERT)
    table.leader(+2)
    table.execute_all()
    table.fill("DEMO1", -2)
    (lots,) = table.core.lots.values()
    assert lots.out is Out.TRADE
    again = restarted(table, (lots,))
    again.leader(+1)
    assert again.take() == []
    again.leader(-3)
    again.leader(+1)
    assert [o.qty for o in again.execute_all()] == [1]


async def test_a_foreign_trade_over_real_sockets_is_said_stored_and_left_alone(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        victim = sorted(desk.core.followers)[0]
        await desk.control("trade", account=victim, symbol="ESH4", side="buy", qty=3)
        await until(lambda: any(lots.foreign == 3 for lots in desk.core.lots.values()), 2)
        before = (await desk.books()).net(victim, "ESH4")
        await desk.leader(+2)
        await desk.settled(3)
        await desk.leader(-2)
        await desk.settled(3)
        assert (await desk.books()).net(victim, "ESH4") == before == 3
        await desk.desk.journal.flush()
        assert [lots for lots in await desk.store.lots() if lots.foreign] == [
            Lots(account=victim, symbol="ESH4", foreign=3)
        ]
        said = [row.text for row in desk.desk.view("alerts").rows]  # type: ignore[arg-type]
        assert sum("is not the desk's" in text for text in said) == 1
        result = await desk.desk.flatten(victim)
        assert result.not_flat == ()
        assert desk.core.ledger.net(victim, "ESH4") == 0


async def test_policy_flatten_over_real_sockets_closes_and_switches_off_that_account_alone(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        group = replace(desk.core.config.groups[0], foreign=Foreign.FLATTEN)
        await desk.store.put_group(group)
        await until(lambda: desk.core.config.groups[0].foreign is Foreign.FLATTEN, 2)
        await desk.leader(+2)
        await desk.settled(3)
        victim = sorted(desk.core.followers)[0]
        await desk.control("trade", account=victim, symbol="ESH4", side="buy", qty=1)
        await until(lambda: not desk.core.followers[victim].enabled, 2)
        await until(lambda: desk.core.ledger.net(victim, "ESH4") == 0, 5)
        assert (await desk.books()).net(victim, "ESH4") == 0
        config = {f.account: f for f in (await desk.store.load_config()).followers}
        assert not config[victim].enabled and config[victim].why_off.startswith("somebody else traded on it")
        assert all(f.enabled for name, f in config.items() if name != victim)
