"""The bytes of the ATI socket and the words in them (`protocols/ninjatrader.md B1, B3, B4, B8`). Pure; used by the
NinjaTrader door. Written from the facts page: it must satisfy clients that we did not write."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from brokers.sandbox.instruments import Catalogue, ListedContract
from brokers.sandbox.orders import Order, OrderStatus
from schema.records import OrderType, TimeInForce

_DIGITS = 16  # a number with more before or after its point is nobody's price
COMMAND, DATA, CONFIRM, SUBSCRIBE = "0", "1", "3", "4"
_FIELDS = {COMMAND: 1, DATA: 5, "2": 2, CONFIRM: 1, SUBSCRIBE: 2}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOPMARKET": OrderType.STOP,
    "STOP": OrderType.STOP,
    "STOPLIMIT": OrderType.STOP_LIMIT,
}
_TIMES = {"DAY": TimeInForce.DAY, "GTC": TimeInForce.GTC}
_STATES = {
    OrderStatus.PENDING: "Submitted",
    OrderStatus.SUSPENDED: "Suspended",
    OrderStatus.WORKING: "Working",
    OrderStatus.FILLED: "Filled",
    OrderStatus.CANCELED: "Cancelled",
    OrderStatus.REJECTED: "Rejected",
    OrderStatus.EXPIRED: "Cancelled",
}


class Texts:
    """A client's bytes as messages: a type and its fields. A type that is not known takes one text with it."""

    def __init__(self) -> None:
        self._rest = b""
        self._texts: list[str] = []

    def feed(self, data: bytes) -> list[list[str]]:
        self._rest += data
        found: list[list[str]] = []
        while (end := self._rest.find(b"\0")) >= 0:
            self._texts.append(self._rest[:end].decode("latin-1"))
            self._rest = self._rest[end + 1 :]
            if len(self._texts) == 1 + _FIELDS.get(self._texts[0], 1):
                found.append(self._texts)
                self._texts = []
        return found


def value(key: str, text: str) -> bytes:
    return f"2\0{key}\0{text}\0".encode("latin-1", "replace")


@dataclass(slots=True)
class Wish:
    """A command's thirteen fields, by what they are. Numbers are None where they are no numbers."""

    verb: str
    account: str
    instrument: str
    action: str
    qty: Decimal | None
    order_type: OrderType | None
    limit: Decimal | None
    stop: Decimal | None
    tif: TimeInForce | None
    oco_id: str
    order_id: str
    strategy: str
    strategy_id: str


def wish(text: str) -> Wish | None:
    """A command; None when it has not thirteen fields (the two without parameters may stand alone)."""
    fields = text.strip().split(";")
    if len(fields) == 1:
        fields += [""] * 12
    if len(fields) != 13:
        return None
    return Wish(
        verb=fields[0],
        account=fields[1],
        instrument=fields[2],
        action=fields[3],
        qty=number(fields[4]),
        order_type=_TYPES.get(fields[5]),
        limit=number(fields[6]),
        stop=number(fields[7]),
        tif=_TIMES.get(fields[8]),
        oco_id=fields[9],
        order_id=fields[10],
        strategy=fields[11],
        strategy_id=fields[12],
    )


def number(text: str) -> Decimal | None:
    """A number with a point; nothing is 0. None when it is none: a comma is no point."""
    if not text:
        return Decimal(0)
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found.adjusted()) < _DIGITS else None


def text_of(amount: Decimal) -> str:
    """As .NET writes a double, whatever the country."""
    text = repr(float(amount))
    return text.removesuffix(".0")


def state_of(order: Order, *, enum_words: bool) -> str:
    """Which spelling the socket uses for states of two words is not known; this is the help's, or the enum's."""
    if order.status is OrderStatus.WORKING and order.filled_qty:
        return "PartFilled" if enum_words else "Partially filled"
    return _STATES[order.status]


class Names:
    """What the contracts are called: ``ES 03-34``, or ``ES MAR34``; both are understood. A client that takes the tape's
    year for the contract's (``ES 03-24``) means the same one, and is told of it under that name."""

    def __init__(self, catalogue: Catalogue, *, month_words: bool) -> None:
        self._contracts: dict[str, ListedContract] = {}
        self._names: dict[int, str] = {}
        self._same: dict[str, str] = {}  # a name -> the one of the same year that is told
        for contract in catalogue.by_id.values():
            root = contract.product.root
            year, month = divmod(contract.expiration_month, 100)
            for each in (year - 10, year):
                forms = (f"{root} {month:02d}-{each % 100:02d}", f"{root} {_MONTHS[month - 1]}{each % 100:02d}")
                self._contracts |= dict.fromkeys(forms, contract)
                self._names[contract.contract_id] = forms[month_words]
                self._same |= dict.fromkeys(forms, forms[month_words])

    def contract(self, name: str) -> ListedContract | None:
        found = self._contracts.get(name)
        if found is not None:
            self._names[found.contract_id] = self._same[name]
        return found

    def name(self, contract: ListedContract) -> str:
        return self._names[contract.contract_id]
