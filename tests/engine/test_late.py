"""Late joiners: the group's policy decides, by the price and the time, once for each follower and trade."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine import events as ev
from schema.records import Decision, DriftPolicy, Episode, Guard, LateJoin, Out, RejectClass, Rule, SignalKind
from tests.engine.table import S, Table
from tests.practice import practice, until

ONE = Rule()
NO_WORSE = {"late": LateJoin.NO_WORSE}
WITHIN = {"late": LateJoin.WITHIN, "late_ticks": 4, "late_s": 30}


def table_with(*names: str, rule: Rule = ONE, **group: object) -> Table:
    table = Table(dict.fromkeys(names or ("DEMO1",), rule), drift=DriftPolicy.EXITS)
    table.config = replace(table.config, groups=(replace(table.config.groups[0], **group),))
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))
    return table


def away_at_the_entry(table: Table, qty: int = +2) -> None:
    """DEMO1 misses the leader's entry at 4800 and is back five seconds later."""
    table.disconnect("DEMO1")
    table.leader(qty)
    table.take()
    table.now_ns += 5 * S
    table.connect("DEMO1", first=False)


def price(table: Table, value: str) -> None:
    table.feed(ev.PriceSeen(at_ns=table.now_ns, symbol="ESH4", price=Decimal(value)))
    table.passes(0.1)


def test_next_flat_joins_at_no_price() -> None:
    table = table_with()
    away_at_the_entry(table)
    price(table, "4700")
    assert table.take() == []


def test_no_worse_joins_when_the_price_is_back_at_the_leaders_entry_and_gets_the_exits() -> None:
    table = table_with(**NO_WORSE)
    away_at_the_entry(table)
    price(table, "4800.25")
    assert table.take() == [], "a tick worse"
    price(table, "4800")
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(1, 2)]
    copy = table.last("DEMO1")
    assert (copy.decision, copy.episode) == (Decision.COPIED, Episode.JOINED)
    assert copy.reason == "joined late, no worse than the leader"
    assert table.core.tally.pairs == 1, "a join is no leader's pair"
    assert table.core.recent[copy.signal_id, "DEMO1"][0].kind is SignalKind.CORRECTION
    table.leader(-2)
    table.execute_all()
    assert table.holds("DEMO1") == 0


def test_no_worse_for_a_follower_that_trades_the_other_way_is_the_other_way() -> None:
    table = table_with(rule=Rule(invert=True), **NO_WORSE)
    away_at_the_entry(table)
    price(table, "4799")
    assert table.take() == []
    price(table, "4801")
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(-1, 2)]


@pytest.mark.parametrize(
    ("ticks", "seconds", "joins"), [("4801", 5, True), ("4801.25", 5, False), ("4800", 26, False), ("4799", 20, True)]
)
def test_within_takes_so_many_ticks_and_so_many_seconds(ticks: str, seconds: int, joins: bool) -> None:
    table = table_with(**WITHIN)
    away_at_the_entry(table)
    table.now_ns += seconds * S
    price(table, ticks)
    assert bool(table.execute_all()) is joins
    assert (table.holds("DEMO1") == 2) is joins


def test_never_stays_out_of_the_next_trades_too_until_it_is_switched_off_and_on() -> None:
    table = table_with(late=LateJoin.NEVER)
    away_at_the_entry(table)
    price(table, "4700")
    table.leader(-2)
    table.leader(+1)
    assert table.take() == []
    assert table.last("DEMO1").reason.startswith("out: missed a trade")
    assert table.core.lots["DEMO1", "ESH4"].out is Out.ALWAYS, "and is stored"
    table.leader(-1)
    table.configure(enabled=False)
    table.configure(enabled=True)
    table.leader(+1)
    assert [o.qty for o in table.execute_all()] == [1]


def test_without_a_price_or_with_an_old_one_nobody_joins() -> None:
    table = table_with(**NO_WORSE)
    away_at_the_entry(table)
    table.passes(1, ticks=20)
    assert table.take() == [], "the leader's own fill is too old to be the price now"
    table.feed(ev.PriceSeen(at_ns=table.now_ns - 6 * S, symbol="ESH4", price=Decimal(4700)))
    table.passes(1, ticks=20)
    assert table.take() == []


def test_a_join_is_tried_once_in_a_trade_and_a_refused_one_is_over() -> None:
    table = table_with(**NO_WORSE)
    away_at_the_entry(table)
    price(table, "4800")
    table.reject(table.take()[0], RejectClass.UNAVAILABLE)
    for _ in range(20):
        price(table, "4790")
    assert table.take() == []
    assert table.last("DEMO1").episode is Episode.MISSED
    table.leader(-2)
    assert table.take() == [], "and it gets none of the exits"


def test_who_was_refused_for_good_or_left_by_itself_does_not_join() -> None:
    table = table_with("DEMO1", "DEMO2", "DEMO3", **NO_WORSE)
    table.leader(+2)
    first, second, third = table.take()
    table.reject(first, RejectClass.MARGIN)
    table.execute(second)
    table.execute(third)
    table.fill("DEMO2", -2)
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO3",)))
    table.fill("DEMO3", -2)
    table.feed(ev.FlattenEnded(at_ns=table.now_ns, accounts=("DEMO3",)))
    for _ in range(5):
        price(table, "4790")
    assert table.take() == []


def test_a_follower_that_is_switched_on_may_join_and_one_that_is_guarded_waits() -> None:
    table = table_with("DEMO1", "DEMO2", **NO_WORSE)
    table.configure(enabled=False)
    table.leader(+1)
    on = tuple(
        replace(f, enabled=True, guard=Guard.HALT if f.account == "DEMO2" else Guard.NONE)
        for f in table.config.followers
    )
    table.reconfigure(on)
    price(table, "4799")
    assert [o.account for o in table.execute_all()] == ["DEMO1"]
    table.configure(guard=Guard.NONE)
    price(table, "4799")
    assert [o.account for o in table.execute_all()] == ["DEMO2"]


def test_t_scope_a_join_touches_no_other_follower() -> None:
    table = table_with("DEMO1", "DEMO2", **NO_WORSE)
    away_at_the_entry(table)
    table.execute_all()
    price(table, "4799")
    assert {o.account for o in table.execute_all()} == {"DEMO1"}


async def test_a_login_that_was_away_joins_over_real_sockets_by_the_markets_price(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        group = replace(desk.core.config.groups[0], late=LateJoin.WITHIN, late_ticks=400, late_s=30)
        await desk.store.put_group(group)
        await until(lambda: desk.core.config.groups[0].late is LateJoin.WITHIN, 2)
        await desk.control("market", paused=False)
        await desk.control("disconnect", login="desk1", refuse_s=1.5)
        await until(lambda: not desk.core.up["desk1"], 2)
        await desk.leader(+2)
        away = [name for name, account in desk.core.accounts.items() if account.connection == "desk1"]
        assert all(desk.core.state(name, "ESH4").episode is Episode.MISSED for name in away)
        await until(lambda: desk.core.up["desk1"], 8)
        await until(lambda: all(desk.core.state(name, "ESH4").episode is Episode.JOINED for name in away), 5)
        await desk.promise_holds()
        late = [copy for copy in await desk.decisions() if copy.reason.startswith("joined late")]
        assert sorted(copy.follower for copy in late) == sorted(away)
