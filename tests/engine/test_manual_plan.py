"""The preview of an order: what each account would get, what it is worth, how far from the market it is, and what
refuses it."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from brokers.registry import capabilities_of
from engine import manual_plan
from engine.manual_plan import Around, Market, order_lines
from engine.seat import OrderLine, Ticket
from schema.records import (
    FollowerConfig,
    LiveOrder,
    LiveStatus,
    OrderType,
    Rounding,
    Rule,
    Side,
    SymbolMap,
    TimeInForce,
)
from tests.engine.table import LEADER, Table

ONE = Rule()


def around(table: Table, price: str = "4800", venue: str = "tradovate", **changes: Any) -> Around:
    logins = [login.connection for login in table.config.connections]
    return Around(
        market=lambda symbol: Market(price=Decimal(price) if symbol == "ESH4" else Decimal(0), age_ns=0),
        capabilities={name: capabilities_of(venue) for name in logins},
        budgets=dict.fromkeys(logins, (60, 20)),
        **{"most_lots": 50, "collar_percent": 2.0, **changes},
    )


def ticket(target: str = "DEMO1", lots: int = 2, **terms: Any) -> Ticket:
    kind = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }["limit_price" in terms, "stop_price" in terms]
    prices = {name: Decimal(value) if name.endswith("price") else value for name, value in terms.items()}
    return Ticket(target=target, side=Side.of(lots), qty=abs(lots), symbol="ESH4", order_type=kind, **prices)


def line(table: Table, asked: Ticket, **changes: Any) -> OrderLine:
    (found,) = order_lines(table.core, asked, around(table, **changes))
    return found


def test_a_line_says_what_it_is_worth_and_how_far_the_market_is() -> None:
    table = Table({"DEMO1": ONE})
    limit = line(table, ticket(limit_price="4795"))
    assert (limit.market, limit.ticks, limit.notional, limit.tick_value) == (4800, 20, 479_500, 25)
    assert limit.refused == "" and limit.held == 0
    assert line(table, ticket(limit_price="4801")).ticks == -4, "it would trade at once"
    assert line(table, ticket(lots=-2, limit_price="4805")).ticks == 20
    assert line(table, ticket(stop_price="4810")).ticks == 40
    assert line(table, ticket(lots=-1, stop_price="4790")).ticks == 40
    assert line(table, ticket()).notional == 480_000


def test_a_groups_followers_get_what_their_rules_make_of_the_leaders_size() -> None:
    micro = SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10))
    table = Table(
        {
            "DEMO1": ONE,
            "DEMO2": Rule(value=Decimal("0.4"), rounding=Rounding.DOWN),
            "DEMO3": Rule(invert=True),
            "DEMO4": FollowerConfig(account="DEMO4", group="main", symbols=(micro,)),
            "DEMO5": FollowerConfig(account="DEMO5", group="main", enabled=False),
        }
    )
    found = {each.account: each for each in order_lines(table.core, ticket("main"), around(table))}
    assert LEADER not in found
    sizes = {name: (each.side.sign * each.qty, each.symbol) for name, each in found.items() if not each.refused}
    assert sizes == {"DEMO1": (2, "ESH4"), "DEMO3": (-2, "ESH4"), "DEMO4": (20, "MESH4")}
    assert found["DEMO2"].refused == "its rule (proportional 0.4) makes no lot of it"
    assert found["DEMO5"].refused == "off: switched off by the trader"
    assert found["DEMO4"].market == 4800, "nobody tells MES, and its twin's price is the same"
    limits = {each.account: each for each in order_lines(table.core, ticket("main", limit_price="4795"), around(table))}
    assert limits["DEMO3"].order_type is OrderType.STOP, "the other way at the same price"


def test_an_account_gets_exactly_what_is_written() -> None:
    table = Table({"DEMO1": Rule(value=Decimal(3))})
    found = line(table, ticket(lots=-2))
    assert (found.side, found.qty, found.copies) == (Side.SELL, 2, 0)
    led = line(table, ticket(LEADER))
    assert (led.qty, led.copies) == (2, 1)


def test_fat_fingers_are_refused_in_a_sentence_that_names_the_field() -> None:
    table = Table({"DEMO1": ONE})
    assert line(table, ticket(lots=51)).refused == "qty: 51 lots are more than order_lots allows (50)"
    off_tick = line(table, ticket(limit_price="4795.30")).refused
    assert off_tick == "limit: 4795.30 is off the tick of 0.25; 4795.25 is the nearest"
    far = line(table, ticket(limit_price="479")).refused
    assert far.startswith("limit: 479 is 90.0 % from the market (4800)")
    wrong = line(table, ticket(stop_price="4790")).refused
    assert wrong == "stop: 4790 is on the wrong side of the market: it would trade at once"


def test_where_nobody_tells_a_price_the_line_says_so() -> None:
    table = Table({"DEMO1": ONE})
    found = line(table, ticket(limit_price="4795"), price="0")
    assert (found.refused, found.market, found.ticks, found.note) == ("", None, None, manual_plan.NO_PRICE)


def test_a_venue_that_can_not_is_refused_with_its_fact() -> None:
    table = Table({"DEMO1": ONE})
    able = capabilities_of("tradovate")
    without = replace(able, order_types=frozenset({OrderType.MARKET}), times_in_force=frozenset({TimeInForce.DAY}))
    can = replace_capabilities(around(table), without)
    (limit,) = order_lines(table.core, ticket(limit_price="4795"), can)
    assert limit.refused == f"{able.venue} takes no limit orders"
    (gtc,) = order_lines(table.core, ticket(time_in_force=TimeInForce.GTC), can)
    assert gtc.refused == f"{able.venue} takes no GTC orders"


def replace_capabilities(given: Around, able: Any) -> Around:
    return replace(given, capabilities=dict.fromkeys(given.capabilities, able))


def test_orders_of_one_preview_share_their_logins_requests_and_exits_have_the_kept_ones() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE}, shared="both")
    few = replace(around(table), budgets={"both": (21, 20)})
    refused = [each.refused for each in order_lines(table.core, ticket("main"), few)]
    assert refused == ["", "the requests of both are spent for now: 21 left, 20 kept for exits"]
    table.fill("DEMO2", +2)
    spent = replace(few, budgets={"both": (1, 20)})
    (exit_line,) = order_lines(table.core, ticket("DEMO2", lots=-2), spent)
    assert exit_line.refused == ""


def test_an_order_against_the_copies_says_what_becomes_of_them() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    assert line(table, ticket(lots=-2)).note == "closes its copies' +2: it is out of the leader's open trade"
    assert line(table, ticket(lots=-1)).note.startswith("closes 1 of its copies' +2")


def test_what_differs_from_what_was_shown_is_not_sent() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    shown = order_lines(table.core, ticket("main"), around(table))
    table.reconfigure(
        (
            FollowerConfig(account="DEMO1", group="main"),
            FollowerConfig(account="DEMO2", group="main", rule=Rule(value=Decimal(2))),
        )
    )
    now = order_lines(table.core, ticket("main"), around(table))
    assert [(each.account, each.refused) for each in manual_plan.confirmed(now, shown)] == [
        ("DEMO1", ""),
        ("DEMO2", manual_plan.CHANGED),
    ]


def working(order_id: str, **terms: Any) -> LiveOrder:
    return LiveOrder(
        account=LEADER,
        order_id=order_id,
        symbol="ESH4",
        side=Side.BUY,
        qty=2,
        status=LiveStatus.WORKING,
        **terms,
    )


def test_a_moved_stop_limit_keeps_its_distance_and_a_price_that_is_none_is_refused() -> None:
    table = Table({"DEMO1": ONE})
    stop = working("1", order_type=OrderType.STOP_LIMIT, stop_price=Decimal(4810), limit_price=Decimal(4812))
    moved = manual_plan.move_line(table.core, stop, Decimal(4820), None, around(table))
    assert (moved.stop_price, moved.limit_price, moved.qty, moved.refused) == (4820, 4822, 2, "")
    assert moved.note == "was 4810"
    limit = working("2", order_type=OrderType.LIMIT, limit_price=Decimal(4790))
    assert manual_plan.move_line(table.core, limit, Decimal(4790), None, around(table)).refused
    assert "off the tick" in manual_plan.move_line(table.core, limit, Decimal("4790.1"), None, around(table)).refused
    assert "more than order_lots" in manual_plan.move_line(table.core, limit, Decimal(4791), 60, around(table)).refused


def test_a_cancel_names_what_works_and_leaves_copies_to_their_leader() -> None:
    table = Table({"DEMO1": ONE})
    mine = working("1", order_type=OrderType.LIMIT, limit_price=Decimal(4790))
    copy = replace(mine, account="DEMO1", order_id="2", cl_ord_id="cd77")
    for each in (mine, copy):
        table.core.kept_orders[each.account, each.order_id] = each
    lines = manual_plan.cancel_lines(table.core, (LEADER, "DEMO1"), "", around(table))
    assert [(each.order_id, each.refused) for each in lines] == [("1", "")]
    (only,) = manual_plan.cancel_lines(table.core, ("DEMO1",), "2", around(table))
    assert only.origin == "copy" and "follows the leader's" in only.refused
    assert manual_plan.cancel_lines(table.core, (LEADER,), "NQH4", around(table)) == ()
