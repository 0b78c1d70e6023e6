"""C-800: brackets and one-cancels-other pairs that the venue itself links."""

from decimal import Decimal

from msgspec.structs import replace

from brokers.adapter import OrderUpdated
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Terms
from schema.records import ApprovedOrder, DoneOrder, LiveOrder, OrderType, Side
from tests.brokers.contract.bench import ES, A, Bench, order
from tests.brokers.contract.cards import Group

card = Group("Brackets and OCO, where native", 800)


class _Bracket:
    """An entry with its stop and target, placed on account A by another front end of the venue."""

    def __init__(self, bench: Bench, *, entry: Decimal | None) -> None:
        """`entry` is the entry's limit; None: at market."""
        at = entry or bench.price()
        kind = OrderType.MARKET if entry is None else OrderType.LIMIT
        account_id = next(a.account_id for a in bench.sandbox.venue.accounts.values() if a.name == A)
        parent, children = bench.sandbox.venue.place_oso(
            account_id,
            ES,
            Leg(sign=1, terms=Terms(qty=2, order_type=kind, limit=entry)),
            [
                Leg(sign=-1, terms=Terms(qty=2, order_type=OrderType.STOP, stop=at - 20)),
                Leg(sign=-1, terms=Terms(qty=2, order_type=OrderType.LIMIT, limit=at + 100)),
            ],
        )
        self.entry = bench.named(parent.order_id)
        self.stop, self.target = (bench.named(child.order_id) for child in children)
        self._bench = bench

    def told(self, order_id: str) -> LiveOrder | DoneOrder | None:
        found = [e.order for e in self._bench.of(OrderUpdated) if e.order.order_id == order_id]
        return found[-1] if found else None

    def status(self, order_id: str) -> str:
        found = self.told(order_id)
        return found.status if found is not None else ""

    async def only_open(self, *order_ids: str) -> None:
        """Wait until these of the three are open and no other, by what is read."""
        mine = {self.entry, self.stop, self.target}
        await self._bench.until_read(
            lambda exposure: {each.order_id for each in exposure.working} & mine == set(order_ids), "what is open"
        )

    def links_told(self) -> set[str]:
        """Every link that was told of one of the three."""
        mine = {self.entry, self.stop, self.target}
        told = [e.order for e in self._bench.of(OrderUpdated) if e.order.order_id in mine]
        return {link for order in told for link in (order.parent_id, order.oco_id)} - {""}


async def legs_are_orders_like_others(bench: Bench) -> None:
    """Legs that the venue links are orders of their own: no link is shown that the protocol does not say."""
    on = _Bracket(bench, entry=None)
    await on.only_open(on.stop, on.target)
    await bench.until(lambda: bench.told_net() == 2, "the entry's fill")
    assert on.links_told() == set() and bench.nothing_reached()


async def legs_end_as_orders_like_others(bench: Bench) -> None:
    """When the venue ends a leg because the other was filled, both are over and the fill is told, without a link."""
    on = _Bracket(bench, entry=None)
    await on.only_open(on.stop, on.target)
    await bench.until(lambda: bench.told_net() == 2, "the entry's fill")
    bench.trades_at(bench.order(bench.number(on.target))["limit"] + 1, 2)
    await on.only_open()
    await bench.until(lambda: bench.told_net() == 0, "the target's fill")
    assert bench.net() == 0 and on.links_told() == set()


@card(801, needs="native_brackets", without=legs_are_orders_like_others)
async def a_bracket_is_told_with_its_links(bench: Bench) -> None:
    """The legs of an entry name it as their parent from the first time they are shown."""
    on = _Bracket(bench, entry=None)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    legs = [on.told(on.stop), on.told(on.target)]
    assert [leg.parent_id for leg in legs if leg is not None] == [on.entry] * 2
    assert [leg.qty for leg in legs if leg is not None] == [2, 2]


async def waiting_legs_are_not_called_working(bench: Bench) -> None:
    """Before the entry is filled no leg of it is told as working; after it both legs are open."""
    on = _Bracket(bench, entry=bench.price(-200))
    await bench.known(on.entry)
    await bench.marker()
    assert on.status(on.stop) != "working" and on.status(on.target) != "working"
    bench.trades_at(bench.price(-201), 2)
    await on.only_open(on.stop, on.target)
    await bench.until(lambda: bench.told_net() == 2, "the entry's fill")


@card(805, needs="native_brackets", without=waiting_legs_are_not_called_working)
async def legs_wait_for_their_entry(bench: Bench) -> None:
    """Before the entry is filled its legs are suspended, after it they work."""
    on = _Bracket(bench, entry=bench.price(-200))
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "suspended", "both legs wait")
    bench.trades_at(bench.price(-201), 2)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    assert bench.told_net() == 2


@card(810, needs="native_brackets", without=legs_end_as_orders_like_others)
async def one_leg_cancels_the_other(bench: Bench) -> None:
    """The target is filled: the stop is told as canceled, the account is flat."""
    on = _Bracket(bench, entry=None)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    bench.trades_at(bench.order(bench.number(on.target))["limit"] + 1, 2)
    await bench.until(lambda: on.status(on.stop) == "canceled", "the other leg is canceled")
    await bench.until(lambda: on.status(on.target) == "filled" and bench.told_net() == 0, "the target's fill")
    assert (bench.net(), bench.working()) == (0, 0)


async def a_canceled_entry_leaves_nothing(bench: Bench) -> None:
    """The entry is canceled at the venue: nothing of it is open, and none of its legs is ever told as working."""
    on = _Bracket(bench, entry=bench.price(-200))
    await bench.known(on.entry)
    await bench.adapter.cancel(A, on.entry)
    await on.only_open()
    await bench.marker()
    assert bench.working() == 0
    assert {on.status(on.stop), on.status(on.target)} <= {"", "canceled"}


@card(815, needs="native_brackets", without=a_canceled_entry_leaves_nothing)
async def legs_go_with_their_entry(bench: Bench) -> None:
    """The entry is canceled before it was filled: its legs are told as canceled too."""
    on = _Bracket(bench, entry=bench.price(-200))
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "suspended", "both legs wait")
    await bench.adapter.cancel(A, on.entry)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "canceled", "both legs are canceled")
    assert bench.working() == 0


@card(820)
async def a_flatten_takes_the_legs_with_it(bench: Bench) -> None:
    """T-ORPHAN: closing a bracketed position leaves no leg that could open a new one."""
    on = _Bracket(bench, entry=None)
    await on.only_open(on.stop, on.target)
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: (bench.net(), bench.working()) == (0, 0), "flat, and nothing works")
    exposure = await bench.adapter.exposure()
    assert exposure.working == () and not [p for p in exposure.positions if p.net_qty]


def _exits(bench: Bench) -> tuple[ApprovedOrder, ApprovedOrder]:
    """A target and a stop of a long position of two."""
    sells = {"qty": 2, "side": Side.SELL, "reducing": True}
    target = order("target", order_type=OrderType.LIMIT, limit_price=bench.price(100), **sells)
    return target, order("stop", order_type=OrderType.STOP, stop_price=bench.price(-80), **sells)


async def linked_orders_are_not_sent(bench: Bench) -> None:
    """A pair, or an entry with its exits, in one order: none of it is sent, in a sentence for each, and no part of it
    reaches the venue; an order beside it does."""
    target, stop = _exits(bench)
    entry = order("entry", 2, order_type=OrderType.LIMIT, limit_price=bench.price(-10))
    legs = [replace(leg, cl_ord_id=f"{leg.cl_ord_id}2") for leg in (target, stop)]
    await bench.place(replace(target, oco=stop), order("a"), replace(entry, brackets=tuple(legs)))
    await bench.filled("a", 1)
    await bench.until(lambda: len(bench.of_not_sent()) == 5, "not sent")
    assert bench.of_not_sent() == {"target", "stop", "entry", "target2", "stop2"}
    assert (bench.working(), [each["cl_ord_id"] for each in bench.asked("place")]) == (0, ["a"])


@card(825, needs="links_orders", without=linked_orders_are_not_sent)
async def a_pair_is_placed_as_one(bench: Bench) -> None:
    """Two exits in one order: each is accepted under its own tag; when one is filled the venue cancels the other."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    target, stop = _exits(bench)
    await bench.place(replace(target, oco=stop))
    await bench.until(lambda: bench.live("target") and bench.live("stop"), "both work")
    assert bench.outcomes("target") == bench.outcomes("stop") == ["OrderAccepted"]
    bench.trades_at(bench.price(101), 2)
    await bench.filled("target", 2)
    await bench.until(lambda: bench.done("stop", "canceled"), "the other is canceled")
    assert (bench.net(), bench.working()) == (0, 0)
