"""C-800: brackets and one-cancels-other pairs that the venue itself links."""

from decimal import Decimal

from brokers.adapter import OrderUpdated
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Terms
from schema.records import DoneOrder, LiveOrder, OrderType
from tests.brokers.contract.bench import ES, A, Bench
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


async def legs_are_seen_by_what_they_did(bench: Bench) -> None:
    """Orders of others have no terms here: no leg is told as an order, and what they trade is told as lots."""
    on = _Bracket(bench, entry=None)
    await bench.until(lambda: bench.told_net() == 2, "the entry's lots")
    bench.trades_at(bench.order(bench.number(on.target))["limit"] + 1, 2)
    await bench.until(lambda: bench.told_net() == 0 and bench.position() == 0, "the target's lots")
    assert bench.of(OrderUpdated) == [] and bench.net() == 0


async def legs_are_orders_like_others(bench: Bench) -> None:
    """What the venue links is told as orders of their own: no link is shown that the protocol does not say."""
    if not bench.adapter.capabilities.tells_terms:
        await legs_are_seen_by_what_they_did(bench)
        return
    on = _Bracket(bench, entry=None)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    legs = [on.told(on.stop), on.told(on.target)]
    assert [(leg.parent_id, leg.oco_id) for leg in legs if leg is not None] == [("", "")] * 2
    assert bench.nothing_reached()


async def legs_end_as_orders_like_others(bench: Bench) -> None:
    """When the venue ends a leg because the other was filled, it is told as canceled, without a link."""
    if not bench.adapter.capabilities.tells_terms:
        await legs_are_seen_by_what_they_did(bench)
        return
    on = _Bracket(bench, entry=None)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    bench.trades_at(bench.order(bench.number(on.target))["limit"] + 1, 2)
    await bench.until(lambda: on.status(on.stop) == "canceled", "the other leg is canceled")
    await bench.until(lambda: bench.told_net() == 0, "the target's fill")
    assert bench.net() == 0


@card(801, needs="native_brackets", without=legs_are_orders_like_others)
async def a_bracket_is_told_with_its_links(bench: Bench) -> None:
    """The legs of an entry name it as their parent from the first time they are shown."""
    on = _Bracket(bench, entry=None)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    legs = [on.told(on.stop), on.told(on.target)]
    assert [leg.parent_id for leg in legs if leg is not None] == [on.entry] * 2
    assert [leg.qty for leg in legs if leg is not None] == [2, 2]


async def waiting_legs_are_seen_when_they_work(bench: Bench) -> None:
    """Legs that wait for their entry are not told by the protocol before they work; none is called working early."""
    if not bench.adapter.capabilities.tells_terms:
        await legs_are_seen_by_what_they_did(bench)
        return
    on = _Bracket(bench, entry=bench.price(-200))
    await bench.until(lambda: on.status(on.entry) == "working", "the entry rests")
    await bench.marker()
    assert on.status(on.stop) != "working" and on.status(on.target) != "working"
    bench.trades_at(bench.price(-201), 2)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    assert bench.told_net() == 2


@card(805, needs="native_brackets", without=waiting_legs_are_seen_when_they_work)
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
    """The entry is canceled at the venue: it is over, and none of its legs is ever told as working."""
    if not bench.adapter.capabilities.tells_terms:
        await legs_are_seen_by_what_they_did(bench)
        return
    on = _Bracket(bench, entry=bench.price(-200))
    await bench.until(lambda: on.status(on.entry) == "working", "the entry rests")
    await bench.adapter.cancel(A, on.entry)
    await bench.until(lambda: on.status(on.entry) == "canceled", "canceled")
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


async def a_flatten_takes_what_is_not_shown(bench: Bench) -> None:
    """T-ORPHAN: legs that are told by nothing go with the position all the same."""
    _Bracket(bench, entry=None)
    await bench.until(lambda: bench.told_net() == 2, "the entry's lots")
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: (bench.net(), bench.working()) == (0, 0), "flat, and nothing works")
    assert not [p for p in (await bench.adapter.exposure()).positions if p.net_qty]


@card(820, needs="tells_terms", without=a_flatten_takes_what_is_not_shown)
async def a_flatten_takes_the_legs_with_it(bench: Bench) -> None:
    """T-ORPHAN: closing a bracketed position leaves no leg that could open a new one."""
    on = _Bracket(bench, entry=None)
    await bench.until(lambda: on.status(on.stop) == on.status(on.target) == "working", "both legs work")
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: (bench.net(), bench.working()) == (0, 0), "flat, and nothing works")
    exposure = await bench.adapter.exposure()
    assert exposure.working == () and not [p for p in exposure.positions if p.net_qty]
