"""C-200: accounts, what they hold, and contracts."""

from decimal import Decimal

from brokers.adapter import AccountUpdated, OrderNotSent, OrderUnknown, OrderUpdated, RequestRefused
from schema.records import RejectClass, Side
from tests.brokers.contract.bench import ES, MES, A, B, Bench, C
from tests.brokers.contract.cards import Group

card = Group("Accounts and contracts", 200)


async def only_given_accounts(bench: Bench) -> None:
    """The accounts are those of the configuration, no more and no fewer; another one is not sent for."""
    assert [each.account for each in bench.ups()[0].snapshot.accounts] == [A, B]
    await bench.buy("a", account=C)
    assert len(bench.of(OrderNotSent, "a")) == 1
    assert bench.nothing_reached()


@card(201, needs="lists_accounts", without=only_given_accounts)
async def the_venue_says_which_accounts_there_are(bench: Bench) -> None:
    """The accounts come from the venue, with its own ids, and only those of this login."""
    listed = bench.ups()[0].snapshot.accounts
    assert {each.account for each in listed} == {A, B}
    ids = {each["account"]: str(each["id"]) for each in bench.control("state")["accounts"]}
    assert {each.account: each.venue_id for each in listed} == {A: ids[A], B: ids[B]}


async def positions_are_what_reports_add_up_to(bench: Bench) -> None:
    """What was held before the first connect can't be asked for, and health says so in a sentence."""
    await bench.adapter.connect()
    assert "add up to" in bench.adapter.health().reason
    await bench.sell("a", 2)
    await bench.filled("a", 2)
    assert [p.net_qty for p in (await bench.adapter.snapshot()).positions] == [-2]


@card(205, needs="lists_positions", without=positions_are_what_reports_add_up_to, connect=False)
async def what_was_held_before_is_in_the_first_truth(bench: Bench) -> None:
    """Positions of before the first connect come with it, with their average price."""
    bench.foreign(3)
    bench.foreign(2, "sell", B, symbol=MES)
    await bench.adapter.connect()
    held = {(p.account, p.symbol): p for p in bench.ups()[0].snapshot.positions if p.net_qty}
    assert {key: p.net_qty for key, p in held.items()} == {(A, ES): 3, (B, MES): -2}
    paid = [fill["qty"] * Decimal(str(fill["price"])) for fill in bench.fills_at_venue()]
    assert abs(held[A, ES].avg_price - sum(paid) / 3) < Decimal("0.0001")


@card(210)
async def what_others_trade_on_an_account_is_told(bench: Bench) -> None:
    """A trade from another front end: its fill and the position, without a client id of ours."""
    order_id = bench.named(bench.foreign(2))
    await bench.until(lambda: bench.told_net() == 2 and bench.position() == 2, "the trade")
    assert {event.fill.order_id for event in bench.fills()} == {order_id}
    assert {event.fill.account for event in bench.fills()} == {A}
    assert not [event for event in bench.fills() if event.fill.cl_ord_id in bench.placed]


async def orders_of_others_are_not_made_up(bench: Bench) -> None:
    """Of an order whose terms are not told there is no event; while it works exposure names it, by its id alone."""
    order_id = bench.named(bench.foreign(type="limit", limit=str(bench.price(-200))))
    await bench.known(order_id)
    (working,) = (await bench.adapter.exposure()).working
    assert (working.account, working.order_id, working.symbol) == (A, order_id, "")
    assert bench.of(OrderUpdated) == [] and (await bench.adapter.snapshot()).orders == ()


@card(212, needs="tells_terms", without=orders_of_others_are_not_made_up)
async def an_order_of_others_is_told_with_its_terms(bench: Bench) -> None:
    """From another front end: contract, side, quantity and price, while it rests and with what it filled."""
    price = bench.price(-200)
    order_id = bench.named(bench.foreign(2, type="limit", limit=str(price)))
    await bench.known(order_id)
    told = bench.of(OrderUpdated)[-1].order
    assert (told.symbol, told.side, told.qty, told.limit_price) == (ES, Side.BUY, 2, price)
    bench.trades_at(bench.price(-201), 2)
    await bench.until(lambda: bench.of(OrderUpdated)[-1].order.filled_qty == 2, "filled")
    assert told.cl_ord_id not in bench.placed


@card(215)
async def accounts_of_a_login_are_kept_apart(bench: Bench) -> None:
    """What happens on one account is never told of the other."""
    await bench.buy("a", 2)
    await bench.sell("b", 1, account=B)
    await bench.filled("a", 2)
    await bench.filled("b", 1)
    await bench.until(lambda: bench.position(A) == 2 and bench.position(B) == -1, "both positions")
    assert {event.fill.account for event in bench.fills("a")} == {A}
    assert {event.fill.account for event in bench.fills("b")} == {B}
    assert (bench.net(A), bench.net(B)) == (2, -1)


async def no_money_is_made_up(bench: Bench) -> None:
    """No balance is told: neither in the truth nor as an event."""
    await bench.buy("a")
    await bench.filled("a", 1)
    assert (await bench.adapter.snapshot()).states == ()
    assert bench.of(AccountUpdated) == []


@card(220, needs="account_money", without=no_money_is_made_up)
async def money_is_the_venues(bench: Bench) -> None:
    """The balance is in the first truth, and told again when it changes."""
    states = {state.account: state for state in bench.ups()[0].snapshot.states}
    assert {account: state.balance for account, state in states.items()} == {A: Decimal(250_000), B: Decimal(250_000)}
    await bench.buy("in", 1)
    await bench.filled("in", 1)
    await bench.sell("out", 1)
    await bench.filled("out", 1)
    bought, sold = (bench.fills(tag)[0].fill.price for tag in ("in", "out"))
    lost = (sold - bought) * 50
    assert lost < 0
    await bench.until(
        lambda: [e for e in bench.of(AccountUpdated) if e.state.account == A and e.state.balance == 250_000 + lost],
        "the balance after the loss",
    )
    assert {state.account: state.balance for state in (await bench.adapter.snapshot()).states}[A] == 250_000 + lost


@card(225)
async def an_account_of_somebody_else_is_never_traded(bench: Bench) -> None:
    """Orders are not sent, commands are refused, and nothing reaches the venue."""
    theirs = bench.foreign(account=C, type="limit", limit=str(bench.price(-200)))
    await bench.buy("a", account=C)
    assert len(bench.of(OrderNotSent, "a")) == 1
    assert C in bench.of(OrderNotSent, "a")[0].reason
    with bench.refused():
        await bench.adapter.liquidate(C, ES, "flat")
    with bench.refused():
        await bench.adapter.cancel(C, bench.named(theirs))
    assert bench.working(C) == 1
    assert [each for each in bench.asked("place")] == []


@card(230)
async def what_others_logins_do_is_not_told(bench: Bench) -> None:
    """Trades of an account that is not of this login are nobody's business here."""
    bench.foreign(3, account=C)
    await bench.marker(A)
    assert {event.fill.account for event in bench.fills()} == {A}
    assert C not in (await bench.adapter.snapshot()).complete


@card(235)
async def exposure_is_what_is_open(bench: Bench) -> None:
    """Exposure names every account read, each position and each working order, and nothing that is over."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    order_id = await bench.resting("rest")
    gone = await bench.resting("gone", away=-210)
    await bench.adapter.cancel(A, gone)
    await bench.until(lambda: bench.done("gone"), "the cancel is told")
    exposure = await bench.adapter.exposure()
    assert exposure.complete == {A, B}
    assert [(p.account, p.symbol, p.net_qty) for p in exposure.positions if p.net_qty] == [(A, ES, 2)]
    assert [(w.account, w.order_id) for w in exposure.working] == [(A, order_id)]


@card(240)
async def a_snapshot_is_the_venues_truth(bench: Bench) -> None:
    """Positions, orders at rest and fills are those of the venue's own books."""
    await bench.buy("in", 3)
    await bench.filled("in", 3)
    await bench.sell("out", 1)
    await bench.filled("out", 1)
    order_id = await bench.resting("rest", 2)
    snapshot = await bench.adapter.snapshot()
    assert snapshot.complete == {A, B}
    assert [(p.account, p.symbol, p.net_qty) for p in snapshot.positions if p.net_qty] == [(A, ES, 2)]
    assert [(o.order_id, o.qty) for o in snapshot.orders if o.status == "working"] == [(order_id, 2)]
    told = sorted((f.cl_ord_id, f.price) for f in snapshot.fills for _ in range(f.qty))
    books = bench.control("state")["orders"]
    tags = {each["order_id"]: each["cl_ord_id"] for each in books}
    assert told == sorted(
        (tags[f["order_id"]], Decimal(str(f["price"]))) for f in bench.fills_at_venue() for _ in range(f["qty"])
    )  # fmt: skip


@card(245)
async def a_contract_is_described(bench: Bench) -> None:
    """Tick size and tick value of a contract and of its micro, each by its own name."""
    es, mes = await bench.adapter.instrument(ES), await bench.adapter.instrument(MES)
    assert (es.symbol, es.root, es.tick_size, es.tick_value) == (ES, "ES", Decimal("0.25"), Decimal("12.50"))
    assert (mes.symbol, mes.root, mes.tick_size, mes.tick_value) == (MES, "MES", Decimal("0.25"), Decimal("1.25"))


async def contracts_are_the_tables(bench: Bench) -> None:
    """The product table's word, whatever the venue lists; a product that is not in it is refused."""
    bench.control("listing", login="desk1", symbol=ES, tick_size="0.5")
    assert (await bench.adapter.instrument(ES)).tick_size == Decimal("0.25")
    with bench.refused():
        await bench.adapter.instrument("QQQQZ6")


@card(250, needs="describes_contracts", without=contracts_are_the_tables)
async def a_contract_is_what_the_venue_says(bench: Bench) -> None:
    """Another tick size at the venue is told as it is; a contract it does not list is refused by class."""
    bench.control("listing", login="desk1", symbol=ES, tick_size="0.5")
    assert (await bench.adapter.instrument(ES)).tick_size == Decimal("0.5")
    for unknown in ("NQH4", "nonsense"):
        with bench.refused():
            await bench.adapter.instrument(unknown)


async def nothing_comes_of_it(bench: Bench) -> None:
    """Nobody says that there is no such contract: the order is unknown at the deadline, nothing stands at the venue,
    and a whole truth that is read afterwards leaves it out."""
    await bench.buy("a", symbol="NQH4")
    await bench.until(lambda: bench.of(OrderUnknown, "a"), "unknown")
    snapshot = await bench.adapter.snapshot()
    assert A in snapshot.complete and snapshot.orders == ()
    assert bench.control("state", account=A)["orders"] == []
    assert bench.outcomes("a") == ["OrderUnknown"]


@card(255, needs="answers_commands", without=nothing_comes_of_it)
async def a_contract_the_venue_does_not_have_is_refused(bench: Bench) -> None:
    """An order for it is a reject of the contract's class or is not sent; no order stands at the venue."""
    await bench.buy("a", symbol="NQH4")
    await bench.outcome("a")
    told = [event.reject_class for event in bench.of_rejects("a")]
    assert told == [RejectClass.CONTRACT] or len(bench.of(OrderNotSent, "a")) == 1
    assert bench.control("state", account=A)["orders"] == []


@card(260)
async def an_order_id_that_is_none_is_refused_before_it_leaves(bench: Bench) -> None:
    """A cancel or a modify of something that can't be an order id never reaches the venue."""
    with bench.refused(RequestRefused):
        await bench.adapter.cancel(A, "no-such-order")
    with bench.refused(RequestRefused):
        await bench.adapter.modify(A, "no-such-order", qty=1, order_type=bench.limit, limit_price=bench.price(-10))
    assert bench.nothing_reached()
