"""Fills out of values: in whatever pieces and order these come, the same lots at the same total, once."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from brokers.ninjatrader.book import Book, Entry
from brokers.ninjatrader.values import AvgPrice, FilledQty, OrderState
from schema.records import ApprovedOrder, DoneOrder, DoneStatus, Fill, LiveOrder, OrderType, Side

TICK = Decimal("0.25")
SETTLE_NS = 30_000_000
Fact = OrderState | FilledQty | AvgPrice


def opened(qty: int = 3, book: Book | None = None) -> tuple[Book, Entry]:
    book = book or Book(SETTLE_NS)
    order = ApprovedOrder(
        account="SIM1",
        venue_account_id="Sim101",
        symbol="ESZ6",
        side=Side.BUY,
        qty=qty,
        order_type=OrderType.MARKET,
        cl_ord_id="C1",
        reducing=False,
    )
    return book, book.open(order, 1)


def filled(qty: int) -> FilledQty:
    return FilledQty(order_id="C1", qty=qty)


def average(price: str | Decimal) -> AvgPrice:
    return AvgPrice(order_id="C1", price=Decimal(price))


def state(word: str) -> OrderState:
    return OrderState(order_id="C1", word=word)


class Hand:
    """A book fed by hand; time passes between `at` and `at`."""

    def __init__(self, qty: int = 3) -> None:
        self.book, self.entry = opened(qty)
        self.now_ns = 1_000_000_000
        self.fills: list[Fill] = []

    def take(self, *facts: Fact) -> None:
        for fact in facts:
            self.book.take(fact, self.now_ns)

    def settle(self) -> list[Fill]:
        self.now_ns += SETTLE_NS
        new = [fill for each in self.book.settle(self.now_ns) for fill in each.fills]
        self.fills += new
        return new

    def prices(self) -> list[str]:
        return [str(fill.price) for fill in self.fills]


def test_the_price_of_a_fill_is_the_difference_of_two_averages() -> None:
    hand = Hand()
    hand.take(state("working"), filled(1), average("5000.25"))
    assert [fill.fill_id for fill in hand.settle()] == ["C1@1"]
    hand.take(filled(2), average("5000.5"))
    hand.settle()
    hand.take(filled(3), average("5000.333333333333"), state("filled"))
    hand.settle()
    assert hand.prices() == ["5000.25", "5000.75", "5000.00"]
    assert {fill.qty for fill in hand.fills} == {1}
    record = hand.entry.record()
    assert isinstance(record, DoneOrder) and (record.status, record.filled_qty) == (DoneStatus.FILLED, 3)


def test_nothing_is_told_before_the_values_have_settled() -> None:
    hand = Hand()
    hand.take(state("filled"))
    assert not hand.book.settle(hand.now_ns + SETTLE_NS - 1)
    assert not hand.settle(), "filled, but no lot was told yet"
    hand.take(filled(3))
    assert not hand.settle(), "no price was told yet"
    assert isinstance(hand.entry.record(), DoneOrder)
    hand.take(average("5000"))
    assert len(hand.settle()) == 3
    assert not hand.book.unsettled


def test_an_average_that_comes_first_is_as_good() -> None:
    hand = Hand()
    hand.take(average("5000.25"), filled(1), state("partfilled"))
    hand.settle()
    assert hand.prices() == ["5000.25"]
    assert isinstance(hand.entry.record(), LiveOrder)


def test_an_average_that_did_not_change_is_not_told_again() -> None:
    hand = Hand()
    hand.take(filled(1), average("5000"))
    hand.settle()
    hand.take(filled(3))
    hand.settle()
    assert hand.prices() == ["5000.00", "5000.00", "5000.00"]


def test_a_value_that_goes_backwards_is_counted_and_is_no_fill() -> None:
    hand = Hand()
    hand.take(filled(2), average("5000"))
    hand.settle()
    hand.take(filled(1), filled(0), filled(2), state("working"))
    assert not hand.settle()
    assert (hand.book.went_back, hand.entry.filled, len(hand.fills)) == (2, 2, 2)


def test_a_late_price_is_made_up_for_by_the_next_lot() -> None:
    """The sum is right to the tick, whatever was told late."""
    hand = Hand()
    hand.take(filled(1), average("5000"))
    hand.settle()
    hand.take(filled(2))  # the average of both comes late
    hand.settle()
    hand.take(average("5000.5"))
    hand.settle()
    assert hand.book.repriced == 1
    hand.take(filled(3), average("5000.5"))
    hand.settle()
    assert sum(fill.price for fill in hand.fills) == Decimal("5000.5") * 3


def test_what_has_ended_does_not_wake_up() -> None:
    hand = Hand()
    hand.take(filled(3), average("5000"), state("filled"))
    hand.settle()
    hand.take(state("working"), state("partfilled"))
    assert hand.entry.done and not hand.settle()


def test_values_that_do_not_fit_together_are_doubtful() -> None:
    hand = Hand()
    hand.take(state("filled"), filled(2), average("5000"))
    assert len(hand.settle()) == 2
    assert not hand.book.doubtful(hand.now_ns - 1_000_000_000)
    assert hand.book.doubtful(hand.now_ns)


def test_a_value_of_somebody_elses_order_is_not_the_desks() -> None:
    hand = Hand()
    assert hand.book.take(FilledQty(order_id="X", qty=1), 5) is None


lots = st.lists(st.integers(19_000, 21_000), min_size=1, max_size=8)


@given(lots, st.data())
def test_any_pieces_in_any_order_with_any_repeats_give_the_same_lots_once(
    ticks: list[int], data: st.DataObject
) -> None:
    """T-DUP, T-REPLAY: executions seen at some moments and not at others; values of one moment in any order, repeated,
    old ones again; and the whole told once more to a second book, as after a restart."""
    hand = Hand(len(ticks))
    moments: list[list[Fact]] = []
    for count in range(1, len(ticks) + 1):
        if count == len(ticks) or data.draw(st.booleans()):
            price = Decimal(float(TICK * sum(ticks[:count]) / count))
            word = "filled" if count == len(ticks) else "partfilled"
            moments.append([filled(count), average(price), state(word)])
    old: list[Fact] = []
    for moment in moments:
        facts = data.draw(st.permutations(moment))
        again = data.draw(st.lists(st.sampled_from(old), max_size=3)) if old else []
        hand.take(*[each for each in again if not isinstance(each, AvgPrice)], *facts)
        hand.settle()
        old += moment
    assert [fill.fill_id for fill in hand.fills] == [f"C1@{number}" for number in range(1, len(ticks) + 1)]
    assert all(fill.price % TICK == 0 for fill in hand.fills)
    assert sum(fill.price for fill in hand.fills) == TICK * sum(ticks)
    rows, _ = hand.book.take_changes()
    later = Book(SETTLE_NS)
    later.load(rows)
    for fact in old:
        later.take(fact, hand.now_ns)
    assert not [fill for each in later.settle(hand.now_ns, everything=True) for fill in each.fills]
