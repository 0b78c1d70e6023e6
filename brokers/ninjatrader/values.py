"""The server's values as facts, and what one connection has been told in all (`protocols/ninjatrader.md B1`). Pure.

The values are the whole of what can be read: there is no question and no answer. `link.py` keeps one `Told` for the
standing connection, `reading.py` makes a new one for each reading.
"""

from collections.abc import Callable
from decimal import Decimal

from brokers.ninjatrader.names import decimal, state_word, whole
from schema.records import Record

AT_INTERFACE = "ATI"
MOST_LOTS = 10_000
"""Of one order: each becomes a fill, so that a value above, which is a mistake, would hold up the desk for seconds."""


class Interface(Record, frozen=True):
    """Whether the AT interface is on."""

    on: bool


class OrderIds(Record, frozen=True):
    """Every order id of an account, whoever sent it."""

    account: str
    ids: tuple[str, ...]


class OrderState(Record, frozen=True):
    order_id: str
    word: str


class FilledQty(Record, frozen=True):
    order_id: str
    qty: int


class AvgPrice(Record, frozen=True):
    order_id: str
    price: Decimal


class NetPosition(Record, frozen=True):
    account: str
    instrument: str
    net_qty: int


class EntryPrice(Record, frozen=True):
    account: str
    instrument: str
    price: Decimal


class Money(Record, frozen=True):
    account: str
    kind: str
    amount: Decimal


class Price(Record, frozen=True):
    """A price of the market; `kind` is ask, bid or last."""

    instrument: str
    kind: str
    price: Decimal


Fact = Interface | OrderIds | OrderState | FilledQty | AvgPrice | NetPosition | EntryPrice | Money | Price
_PRICES = {"0": "ask", "1": "bid", "2": "last"}
MONEY = ("CashValue", "BuyingPower", "RealizedPnL")


def read(key: str, value: str) -> Fact | str | None:
    """What a value says: a fact, None when it is of no use to the desk, a sentence when it can't be read."""
    if not key.isprintable() or not value.isprintable():
        return "it holds characters that no name or number has"
    if key == AT_INTERFACE:
        return Interface(on=value == "True")
    kind, *names = key.split("|")
    reader = _READERS.get((kind, len(names)))
    if reader is None:
        return None
    return reader(names, value) or f"the value of {kind} is {value!r}"


def _ids(names: list[str], value: str) -> Fact | None:
    return OrderIds(account=names[0], ids=tuple(each for each in value.split("|") if each))


def _state(names: list[str], value: str) -> Fact | None:
    return OrderState(order_id=names[0], word=state_word(value)) if value.strip() else None


def _filled(names: list[str], value: str) -> Fact | None:
    qty = whole(value)
    return None if qty is None or not 0 <= qty <= MOST_LOTS else FilledQty(order_id=names[0], qty=qty)


def _average(names: list[str], value: str) -> Fact | None:
    price = decimal(value)
    return None if price is None else AvgPrice(order_id=names[0], price=price)


def _position(names: list[str], value: str) -> Fact | None:
    net = whole(value)
    return None if net is None else NetPosition(instrument=names[0], account=names[1], net_qty=net)


def _entry(names: list[str], value: str) -> Fact | None:
    price = decimal(value)
    return None if price is None else EntryPrice(instrument=names[0], account=names[1], price=price)


def _money(kind: str) -> Callable[[list[str], str], Fact | None]:
    def reader(names: list[str], value: str) -> Fact | None:
        amount = decimal(value)
        return None if amount is None else Money(account=names[0], kind=kind, amount=amount)

    return reader


def _price(names: list[str], value: str) -> Fact | None:
    price = decimal(value)
    if price is None or names[1] not in _PRICES:
        return None
    return Price(instrument=names[0], kind=_PRICES[names[1]], price=price)


_READERS: dict[tuple[str, int], Callable[[list[str], str], Fact | None]] = {
    ("Orders", 1): _ids,
    ("OrderStatus", 1): _state,
    ("Filled", 1): _filled,
    ("AvgFillPrice", 1): _average,
    ("MarketPosition", 2): _position,
    ("AvgEntryPrice", 2): _entry,
    ("MarketData", 2): _price,
    **{(kind, 1): _money(kind) for kind in MONEY},
}


class Told:
    """What one connection has been told. `shown` are the accounts of which it was told anything at all: of any other
    nothing is known, and it is not flat."""

    def __init__(self) -> None:
        self.shown: set[str] = set()
        self.ids: dict[str, set[str]] = {}
        self.words: dict[str, str] = {}
        self.filled: dict[str, int] = {}
        self.averages: dict[str, Decimal] = {}
        self.nets: dict[tuple[str, str], int] = {}  # (account, instrument)
        self.entries: dict[tuple[str, str], Decimal] = {}
        self.money: dict[str, dict[str, Decimal]] = {}

    def take(self, fact: Fact) -> None:
        match fact:
            case OrderIds():
                self.shown.add(fact.account)
                self.ids[fact.account] = set(fact.ids)
            case OrderState():
                self.words[fact.order_id] = fact.word
            case FilledQty():
                self.filled[fact.order_id] = fact.qty
            case AvgPrice():
                self.averages[fact.order_id] = fact.price
            case NetPosition():
                self.shown.add(fact.account)
                self.nets[fact.account, fact.instrument] = fact.net_qty
            case EntryPrice():
                self.entries[fact.account, fact.instrument] = fact.price
            case Money():
                self.shown.add(fact.account)
                self.money.setdefault(fact.account, {})[fact.kind] = fact.amount
            case _:
                pass

    def account_of(self, order_id: str) -> str:
        """Whose order it is, if an account lists it."""
        return next((account for account, ids in self.ids.items() if order_id in ids), "")
