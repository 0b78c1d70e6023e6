"""C-600: rejects, by class and in the venue's own words."""

from decimal import Decimal

from brokers.adapter import OrderRejected, OrderUpdated
from schema.records import DoneOrder, LiveOrder, LiveStatus, OrderType, RejectClass
from tests.brokers.contract.bench import A, Bench
from tests.brokers.contract.cards import Group

card = Group("Rejects by class, in the venue's own words", 600)


async def _class(bench: Bench, reject_class: RejectClass) -> None:
    """The door gives the reject that means `reject_class` at this venue."""
    (said,) = [each for each in bench.venue.rejects if each.reject_class is reject_class]
    bench.control("reject", account=A, reason=said.reason.value, text=said.text)
    await bench.buy("a")
    await bench.outcome("a")
    assert bench.outcomes("a") == ["OrderRejected"]
    (told,) = bench.of(OrderRejected, "a")
    assert (told.reject_class, said.text in told.text, told.account) == (reject_class, True, A)
    assert bench.net() == 0 and bench.reached("a") == 1


async def a_reject_has_no_words(bench: Bench) -> None:
    """Whatever the venue's reason: one reject of the class of those without, a sentence that says where the reason is,
    and none of the venue's words or of our own making."""
    for number, said in enumerate(bench.venue.rejects):
        bench.control("reject", account=A, reason=said.reason.value, text=said.text)
        await bench.buy(f"a{number}")
        await bench.outcome(f"a{number}")
        (told,) = bench.of(OrderRejected, f"a{number}")
        assert (told.reject_class, said.text in told.text, told.account) == (RejectClass.OTHER, False, A)
        assert "no reason" in told.text and bench.reached(f"a{number}") == 1
    assert bench.net() == 0 and bench.fills() == []


async def the_books_refuse_without_words(bench: Bench) -> None:
    """More than the account may hold, a price between two ticks, a locked account: each rejected once, without words;
    nothing stands, and the next order trades."""
    between = bench.price(-200) + Decimal("0.10")
    await bench.buy("many", 500)
    await bench.buy("between", order_type=OrderType.LIMIT, limit_price=between)
    for tag in ("many", "between"):
        await bench.outcome(tag)
    bench.control("account", account=A, locked=True)
    await bench.buy("locked")
    await bench.outcome("locked")
    bench.control("account", account=A, locked=False)
    for tag in ("many", "between", "locked"):
        (told,) = bench.of(OrderRejected, tag)
        assert told.reject_class is RejectClass.OTHER and "no reason" in told.text
    assert (bench.net(), bench.working()) == (0, 0)
    await bench.buy("b")
    await bench.filled("b", 1)


@card(601, needs="reject_reasons", without=a_reject_has_no_words)
async def a_limit_of_the_account(bench: Bench) -> None:
    """T-VERBATIM: over a limit."""
    await _class(bench, RejectClass.LIMIT)
    assert bench.fills() == []


@card(605, needs="reject_reasons", without=a_reject_has_no_words)
async def a_closed_market(bench: Bench) -> None:
    """T-VERBATIM: the session is closed."""
    await _class(bench, RejectClass.MARKET_CLOSED)
    assert bench.fills() == []


@card(610, needs="reject_reasons", without=a_reject_has_no_words)
async def a_contract_that_is_not_traded(bench: Bench) -> None:
    """T-VERBATIM: no such contract."""
    await _class(bench, RejectClass.CONTRACT)
    assert bench.fills() == []


@card(615, needs="reject_reasons", without=a_reject_has_no_words)
async def a_locked_account(bench: Bench) -> None:
    """T-VERBATIM: trading is locked."""
    await _class(bench, RejectClass.LOCKED)
    assert bench.fills() == []


@card(620, needs="reject_reasons", without=a_reject_has_no_words)
async def a_price_that_is_none(bench: Bench) -> None:
    """T-VERBATIM: a price that the venue does not take."""
    await _class(bench, RejectClass.PRICE)
    assert bench.fills() == []


@card(625, needs="reject_reasons", without=a_reject_has_no_words)
async def a_lack_of_money(bench: Bench) -> None:
    """T-VERBATIM: margin."""
    await _class(bench, RejectClass.MARGIN)
    assert bench.fills() == []


@card(630, needs="reject_reasons", without=a_reject_has_no_words)
async def a_reason_the_desk_does_not_know(bench: Bench) -> None:
    """T-VERBATIM: whatever else, in the venue's words."""
    await _class(bench, RejectClass.OTHER)
    assert bench.fills() == []


@card(635, needs="reject_reasons", without=the_books_refuse_without_words)
async def a_reject_of_the_books_is_told_once(bench: Bench) -> None:
    """More than the account may hold: one reject, with the reason, whatever the answer and the stream each say."""
    await bench.buy("a", 500)
    await bench.outcome("a")
    await bench.marker()
    (told,) = bench.of(OrderRejected, "a")
    assert "100" in told.text or "margin" in told.text.lower()
    assert bench.at_venue("a")["status"] == "Rejected" and bench.net() == 0


@card(640)
async def a_late_reject_follows_its_acceptance(bench: Bench) -> None:
    """Taken, then refused by risk: accepted and rejected, in this order, once each, with the words."""
    bench.control("late_reject", account=A, after_s=0.1, reason="MaxPosLimitReached", text="Risk says no")
    await bench.buy("a")
    await bench.until(lambda: bench.of(OrderRejected, "a"), "the late reject")
    await bench.marker()
    assert bench.outcomes("a") == ["OrderAccepted", "OrderRejected"]
    assert bench.of(OrderRejected, "a")[0].order_id == bench.named(bench.at_venue("a")["order_id"])
    assert bench.net() == 0


@card(645, needs="reject_reasons", without=a_reject_has_no_words)
async def words_are_fit_for_a_screen(bench: Bench) -> None:
    """Control characters and endless words of a venue do not pass; the words themselves do."""
    bench.control("reject", account=A, text="\u001b[31mNot today\u0007 " + "x" * 2_000)
    await bench.buy("a")
    await bench.outcome("a")
    text = bench.of(OrderRejected, "a")[0].text
    assert "Not today" in text and text.isprintable() and len(text) < 600


@card(650)
async def a_rejected_order_never_works(bench: Bench) -> None:
    """No event shows it working, and it is over where it is shown at all."""
    await bench.buy("a", 500, order_type=OrderType.LIMIT, limit_price=bench.price(-200))
    await bench.outcome("a")
    await bench.marker()
    told = [event.order for event in bench.of(OrderUpdated, "a")]
    assert not [order for order in told if isinstance(order, LiveOrder) and order.status is LiveStatus.WORKING]
    assert not told or isinstance(told[-1], DoneOrder)
    assert (bench.working(), bench.fills("a")) == (0, [])


@card(655)
async def a_reject_of_one_is_a_reject_of_one(bench: Bench) -> None:
    """Of three orders in one pass the venue refuses one: the others trade."""
    bench.control("account", account="DEMO1002", max_order=1)
    from tests.brokers.contract.bench import order

    await bench.place(order("a"), order("b", 5, account="DEMO1002"), order("c"))
    await bench.filled("a", 1)
    await bench.filled("c", 1)
    await bench.outcome("b")
    await bench.until(lambda: bench.of_rejects("b"), "the reject")
    assert bench.outcomes("a") == bench.outcomes("c") == ["OrderAccepted"]
    assert bench.of_rejects("a") == bench.of_rejects("c") == []
    assert (bench.net(), bench.net("DEMO1002")) == (2, 0)


@card(660, needs="reject_reasons", without=the_books_refuse_without_words)
async def a_price_between_ticks_is_refused_and_nothing_stands(bench: Bench) -> None:
    """The venue's own check of a price: rejected with its words, or not sent; nothing works."""
    await bench.buy("a", order_type=OrderType.LIMIT, limit_price=bench.price(-200) + Decimal("0.10"))
    await bench.outcome("a")
    (told,) = bench.of(OrderRejected, "a")
    assert told.reject_class is RejectClass.PRICE and "multiple" in told.text
    assert bench.working() == 0


@card(665, needs="reject_reasons", without=the_books_refuse_without_words)
async def an_account_the_venue_locked_opens_nothing(bench: Bench) -> None:
    """The venue locks the account: LOCKED, in its words; after it is unlocked, orders go again."""
    bench.control("account", account=A, locked=True)
    await bench.buy("a")
    await bench.outcome("a")
    (told,) = bench.of(OrderRejected, "a")
    assert told.reject_class is RejectClass.LOCKED and "locked" in told.text.lower()
    bench.control("account", account=A, locked=False)
    await bench.buy("b")
    await bench.filled("b", 1)
    assert bench.net() == 1
