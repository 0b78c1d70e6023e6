"""T-PROT where a follower's orders are not its leader's one for one: whatever it holds is protected, and what must
close goes, whatever else an order of the leader asks."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from brokers.adapter import OrderUpdated
from engine import events as ev
from schema.records import (
    ApprovedOrder,
    DoneOrder,
    DoneStatus,
    DriftPolicy,
    FollowerConfig,
    Mode,
    OrderType,
    RejectClass,
    Rule,
    RuleKind,
    Side,
    Unfilled,
)
from tests.engine.mirror_table import MirrorTable, reborn
from tests.engine.table import LEADER

D = Decimal
HALF = Rule(value=D("0.5"))


def finished(order: ApprovedOrder) -> DoneOrder:
    return DoneOrder(
        account=order.account,
        order_id=f"o-{order.cl_ord_id}",
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        qty=order.qty,
        filled_qty=order.qty,
        cl_ord_id=order.cl_ord_id,
        status=DoneStatus.FILLED,
    )


def table(rule: Rule | None = None, **group: object) -> MirrorTable:
    group = {"mode": Mode.ORDERS, "drift": DriftPolicy.EXITS, **group}
    return MirrorTable({"DEMO1": rule or Rule()}, **group)  # type: ignore[arg-type]


def test_t_prot_of_a_stop_and_reverse_that_is_not_there_what_closes_is_placed_and_no_more() -> None:
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.rest("R1", -3, stop="4790")
    desk.work()
    (reverse,) = desk.tags("DEMO1")
    assert desk.working("DEMO1") == [("stop", -3, D(4790))]
    desk.gone(reverse, DoneStatus.CANCELED)
    desk.passes(1, ticks=20)
    desk.work()
    desk.passes(1, ticks=20)
    desk.answer()
    assert desk.working("DEMO1") == [("stop", -1, D(4790))], "nothing is opened by what no signal of the leader asked"
    desk.leader_fills("R1")
    desk.trades(desk.tags("DEMO1")[0])
    desk.passes(1, ticks=20)
    desk.work()
    assert desk.holds("DEMO1") == -2, "the reverse is copied when the leader has it"


def test_t_prot_an_entry_that_fills_before_the_leaders_is_protected_by_the_leaders_stop() -> None:
    desk = table()
    desk.leader(-3)
    desk.work()
    desk.rest("S1", +1, stop="4820")
    desk.rest("S2", +2, stop="4850")
    desk.rest("L1", -3, limit="4810")
    desk.work()
    entry = next(key for key in desk.tags("DEMO1") if desk.orders[key].limit_price == D(4810))
    desk.trades(entry)
    desk.answer()
    assert desk.holds("DEMO1") == -6
    assert desk.working("DEMO1") == [("stop", +2, D(4850)), ("stop", +4, D(4820))]
    desk.leader_fills("L1")
    desk.move("S1", qty=4)
    for _ in range(2):
        desk.passes(1, ticks=20)
        desk.answer()
    assert desk.working("DEMO1") == [("stop", +2, D(4850)), ("stop", +4, D(4820))]
    assert desk.take() == []


@pytest.mark.parametrize("invert", [False, True])
def test_t_prot_an_entry_that_fills_first_is_protected_where_the_leaders_own_lots_ask_for_none(*, invert: bool) -> None:
    """Half of the leader's one lot is none: the target was 0, and what its entry had brought had no stop."""
    desk = table(replace(HALF, invert=invert))
    entry, exit_ = ("stop", "limit") if invert else ("limit", "stop")
    lots = -2 if invert else +2
    desk.leader(+1)
    desk.rest("S1", -1, stop="4780")
    desk.rest("L1", +3, limit="4790")
    desk.work()
    assert desk.working("DEMO1") == [(entry, lots, D(4790))]
    desk.trades(desk.tags("DEMO1")[0])
    desk.work()
    assert desk.working("DEMO1") == [(exit_, -lots, D(4780))]
    desk.leader_fills("L1")
    desk.move("S1", qty=4)
    for _ in range(2):
        desk.passes(1, ticks=20)
        desk.answer()
    assert desk.working("DEMO1") == [(exit_, -lots, D(4780))]
    assert desk.take() == []


@pytest.mark.parametrize("mode", [Mode.ORDERS, Mode.PROTECTIVE])
@pytest.mark.parametrize(("rule", "holds", "rest"), [(Rule(), -2, -1), (HALF, -1, 0)])
def test_t_prot_lots_whose_exit_waits_after_the_leaders_has_filled_keep_a_stop(
    rule: Rule, holds: int, rest: int, mode: Mode
) -> None:
    """Its limit missed the market that filled the leader's: until it fills, or goes at market, the lots are held."""
    desk = table(rule, mode=mode, unfilled_s=30)
    desk.leader(-2)
    desk.work()
    desk.rest("T1", +1, limit="4790")
    desk.rest("S1", +2, stop="4820")
    desk.work()
    exit_ = next(key for key in desk.tags("DEMO1") if desk.orders[key].limit_price == D(4790))
    both = [("limit", holds - rest, D(4790)), ("stop", holds, D(4820))]
    assert desk.working("DEMO1") == [(kind, -lots, price) for kind, lots, price in both]
    desk.leader_fills("T1")
    desk.move("S1", qty=1)
    for _ in range(4):
        desk.passes(1, ticks=20)
        desk.work()
        desk.answer()
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (holds, [(kind, -lots, price) for kind, lots, price in both])
    desk.trades(exit_)
    for _ in range(2):
        desk.passes(1, ticks=20)
        desk.answer()
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (rest, [("stop", -rest, D(4820))] if rest else [])


def test_t_prot_an_exit_that_has_waited_long_enough_goes_at_market_and_its_stop_with_it() -> None:
    desk = table(HALF, unfilled_s=2)
    desk.links()
    desk.leader(-2)
    desk.work()
    desk.oco("X", +1, target="4790", stop="4820")
    desk.rest("S2", +1, stop="4830")
    desk.work()
    assert desk.working("DEMO1") == [("limit", +1, D(4790)), ("stop", +1, D(4820))]
    desk.leader_fills("XT")
    desk.answer()
    desk.passes(1, ticks=20)
    desk.work()
    assert desk.working("DEMO1") == [("limit", +1, D(4790)), ("stop", +1, D(4830))]
    sent: list[ApprovedOrder] = []
    for _ in range(6):
        desk.passes(1, ticks=20)
        sent += desk.work()
        desk.answer()
    assert [order.qty for order in sent if order.order_type is OrderType.MARKET] == [1]
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (0, [])


@pytest.mark.parametrize("unfilled", list(Unfilled))
def test_t_conv_an_order_that_closes_and_reverses_and_does_not_fill_closes_at_market(unfilled: Unfilled) -> None:
    desk = table(unfilled=unfilled, unfilled_s=2)
    desk.leader(+3)
    desk.work()
    desk.rest("L1", -6, limit="4820")
    desk.work()
    desk.leader_fills("L1")
    for _ in range(4):
        desk.passes(1, ticks=20)
        desk.answer()
    first, *others = [order for order in desk.work() if order.order_type is OrderType.MARKET]
    assert first.side is Side.SELL
    for _ in range(4):
        desk.passes(1, ticks=20)
        desk.answer()
        others += desk.work()
    rests = [lots for _, lots, _ in desk.working("DEMO1")]
    expected = {Unfilled.MARKET: (-3, []), Unfilled.CANCEL: (0, []), Unfilled.LEAVE: (0, [-3])}
    assert (desk.holds("DEMO1"), rests) == expected[unfilled]
    assert others == []


def test_an_equity_that_was_not_known_is_not_known_after_a_restart_either_and_asks_for_no_zero_lots() -> None:
    desk = MirrorTable({"DEMO1": Rule(kind=RuleKind.PERCENT, value=D(100))}, mode=Mode.ORDERS)
    desk.core.money.pop(LEADER)  # as when its venue's reading left it out
    desk.rest("L1", +1, limit="4790")
    assert desk.take() == []
    assert desk.last("DEMO1").reason == "equity of follower or leader is not known yet"
    again = reborn(desk)
    assert again.core.state("DEMO1", "ESH4").scale is None


def test_an_order_at_rest_whose_fills_nobody_told_is_counted_as_the_copies_once_the_position_is_read() -> None:
    """Its end was told, its fill was not, and the venue lists it no more when the account is read."""
    desk = table()
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -2, stop="4790")
    desk.work()
    (stop,) = desk.tags("DEMO1")
    fill = desk.trades(stop, tell=False)
    desk.fills.remove(fill)
    desk.show(desk.orders[stop])
    desk.connect("DEMO1", first=False)
    assert desk.core.ledger.net("DEMO1", "ESH4") == 0
    assert desk.core.lots["DEMO1", "ESH4"].copied == 0
    desk.tell(fill)
    assert desk.core.lots["DEMO1", "ESH4"].copied == 0, "a fill that is told late counts once"


def test_a_new_rule_holds_for_orders_at_rest_whose_leader_is_flat() -> None:
    desk = table()
    desk.rest("L1", +2, limit="4790")
    desk.work()
    (follower,) = desk.config.followers
    desk.reconfigure((replace(follower, rule=Rule(value=D(2))),))
    desk.passes(1, ticks=20)
    desk.answer()
    assert desk.working("DEMO1") == [("limit", +4, D(4790))]
    desk.leader(+1)
    assert [order.qty for order in desk.work()] == [2]


def test_lots_of_an_order_the_venue_forgot_that_stood_against_those_of_a_finished_one_are_the_copies_too() -> None:
    """The position never moved, so that neither showed in it."""
    desk = MirrorTable({"DEMO1": Rule()}, drift=DriftPolicy.EXITS)
    desk.leader(+2)
    (entry,) = desk.take()
    desk.accept(entry)
    desk.execute(entry, tell=False)
    desk.feed(OrderUpdated(connection="at-DEMO1", received_ns=desk.now_ns, order=finished(entry)))
    desk.leader(-2)
    (exit_,) = desk.take()
    desk.accept(exit_)
    desk.execute(exit_, tell=False)
    desk.orders.clear()
    desk.fills = [fill for fill in desk.fills if fill.account != "DEMO1"]
    for _ in range(3):
        desk.passes(2, ticks=20)
        desk.answer_question("DEMO1")
    assert desk.core.ledger.net("DEMO1", "ESH4") == 0
    assert desk.core.lots["DEMO1", "ESH4"].copied == 0


def test_t_conv_lots_beyond_the_cap_go_also_when_an_order_at_rest_explained_some_of_them() -> None:
    follower = FollowerConfig(account="DEMO1", group="main", rule=Rule(value=D(3)), max_position=3)
    desk = MirrorTable({"DEMO1": follower}, drift=DriftPolicy.EXITS, mode=Mode.ORDERS, unfilled_s=30)
    desk.leader(-1)
    desk.work()
    for _ in range(2):
        desk.leader(+1)
        assert len(desk.take()) == 1, "an exit that is lost, before an entry that is not"
        desk.leader(-1)
        desk.work()
    desk.rest("S1", +1, stop="4820")
    desk.work()
    desk.leader(-3)
    desk.leader_fills("S1")
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (-9, [("stop", +3, D(4820))])
    desk.passes(3, ticks=3)
    for _ in range(2):
        desk.passes(1.1)
        desk.answer_question("DEMO1")
    desk.passes(0.5)
    assert [(o.qty, o.side) for o in desk.work()] == [(3, Side.BUY)], "the stop may bring three of the six"
    desk.answer()
    for _ in range(4):
        desk.passes(1, ticks=20)
        desk.work()
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (-3, [])


def answer_but(desk: MirrorTable, refused: Decimal) -> None:
    """The venues refuse to move a stop to where the market has been already, and carry out the rest."""
    for change in list(desk.changes):
        if change.terms is not None and change.terms.stop_price == refused:
            desk.changes.remove(change)
            desk.said(change, ev.Outcome.REFUSED, text="the market is past this stop")
    desk.answer()


@pytest.mark.parametrize("unfilled", list(Unfilled))
def test_t_conv_an_order_that_can_not_go_where_its_leaders_filled_still_waits_no_longer(unfilled: Unfilled) -> None:
    desk = table(unfilled=unfilled, unfilled_s=2)
    desk.leader(-2)
    desk.work()
    desk.rest("R1", +5, stop="4820")
    desk.work()
    desk.move("R1", stop_price=D(4810))
    answer_but(desk, D(4810))
    desk.leader_fills("R1")
    for _ in range(6):
        desk.passes(1, ticks=20)
        answer_but(desk, D(4810))
        desk.work()
        desk.answer_question("DEMO1")
    rests = {Unfilled.MARKET: (+3, []), Unfilled.CANCEL: (0, []), Unfilled.LEAVE: (0, [("stop", +3, D(4820))])}
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == rests[unfilled]


@pytest.mark.parametrize("unfilled", list(Unfilled))
def test_protective_mode_enters_at_market_also_where_an_old_exit_waits(unfilled: Unfilled) -> None:
    """The exit could not be made smaller in time, and is as large as the way to the leader's new position."""
    desk = MirrorTable(
        {"DEMO1": Rule()}, drift=DriftPolicy.EXITS, mode=Mode.PROTECTIVE, unfilled=unfilled, unfilled_s=2
    )
    desk.leader(-5)
    desk.work()
    desk.rest("S1", +5, stop="4820")
    desk.work()
    desk.leader(+2)
    desk.work()
    desk.move("S1", qty=3)
    for change in list(desk.changes):
        desk.changes.remove(change)
        desk.said(change, ev.Outcome.REFUSED, RejectClass.THROTTLED, "request budget spent")
    desk.leader_fills("S1")
    desk.leader(+2)
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (-3, [("stop", +5, D(4820))])
    for _ in range(6):
        desk.passes(1, ticks=20)
        desk.answer()
        desk.work()
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (+2, [])


def test_t_conv_lots_of_an_exit_that_filled_unheard_go_again_from_who_has_left_the_trade() -> None:
    desk = table()
    desk.leader(+2)
    desk.work()
    desk.rest("T1", -2, limit="4820")
    desk.work()
    (target,) = desk.tags("DEMO1")
    desk.leader(-2)
    desk.work()
    fill = desk.trades(target, tell=False)
    desk.fills.remove(fill)
    desk.show(desk.orders[target])
    desk.leader(+2)
    (entry,) = desk.take()
    desk.reject(entry)
    desk.passes(1, ticks=10)
    assert (desk.take(), desk.holds("DEMO1")) == ([], -2)
    desk.connect("DEMO1", first=False)
    desk.passes(1, ticks=10)
    desk.work()
    assert desk.holds("DEMO1") == 0


def test_t_prot_what_waits_for_another_try_at_an_old_order_is_placed_when_nothing_happens_but_time() -> None:
    """A venue has ended the last trade's stop again and again; the next trade begins in the pause."""
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.rest("S1", -1, stop="4790")
    desk.work()
    for _ in range(5):
        (stop,) = desk.tags("DEMO1")
        desk.gone(stop)
        desk.passes(2, ticks=40)
        desk.work()
    desk.gone(desk.tags("DEMO1")[0])
    desk.leader(-2)
    desk.gone("S1")
    desk.rest("S2", +1, stop="4810")
    desk.work()
    desk.passes(0.2, ticks=4)
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (-1, [])
    for _ in range(6):
        desk.passes(0.5, ticks=10)
        desk.work()
    assert desk.working("DEMO1") == [("stop", +1, D(4810))]
