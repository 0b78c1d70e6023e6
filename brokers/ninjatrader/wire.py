"""The ATI socket's bytes (`protocols/ninjatrader.md B1, B3, B9`), pure: messages out of bytes however they are cut, and
the few commands that the desk sends.

A message is a type and its fields, each a text ended by a NUL. Commands are built by one function each, and there is
none for the two that act on all accounts of all connections: whatever is asked of this module, it can't say them.
"""

from decimal import Decimal
from enum import StrEnum

from schema.records import OrderType, Record, Side, TimeInForce

LONGEST = 1 << 20
"""Characters of one field; a longer one is no message of this protocol. An account's order ids come in one field."""

_FIELDS = {"0": 1, "1": 5, "2": 2, "3": 1, "4": 2}
_VALUE = "2"
ORDER_TYPES = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOPMARKET",
    OrderType.STOP_LIMIT: "STOPLIMIT",
}
TIMES_IN_FORCE = {TimeInForce.DAY: "DAY", TimeInForce.GTC: "GTC"}
_NUMBERS = (4, 6, 7)  # quantity, limit, stop


class Value(Record, frozen=True):
    """Type 2: what the server says of one key."""

    key: str
    value: str


class Unread(Record, frozen=True):
    """Texts that were no message the desk knows: kept as they came, and counted."""

    texts: tuple[str, ...]


class Overlong(ValueError):
    """A field without an end: the stream can't be followed any more."""


class Decoder:
    """Bytes in, messages out. A type that is not known takes one text with it, as in the vendor's own client; so a
    stream that got out of step is in step again after at most two messages, and what was lost is an `Unread`."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._texts: list[str] = []

    def feed(self, data: bytes) -> list[Value | Unread]:
        """The messages that `data` completes. Raises Overlong."""
        self._rest += data
        whole: list[bytearray] = []
        if b"\0" in data:  # else not looked through again: an account's list of orders comes in a thousand pieces
            *whole, self._rest = self._rest.split(b"\0")
        if len(self._rest) > LONGEST or any(len(each) > LONGEST for each in whole):
            raise Overlong(f"a text of more than {LONGEST} characters came without its end")
        found: list[Value | Unread] = []
        for each in whole:
            self._texts.append(each.decode("utf-8", "replace"))
            kind = self._texts[0]
            if len(self._texts) <= _FIELDS.get(kind, 1):
                continue
            texts, self._texts = self._texts, []
            found.append(Value(key=texts[1], value=texts[2]) if kind == _VALUE else Unread(texts=tuple(texts)))
        return found


# --- what the desk sends -------------------------------------------------------------------------------------------


class _Verb(StrEnum):
    """Every command there is here. The page's two without parameters, which flatten and cancel on all accounts of all
    connections, are left out on purpose; so is what only a strategy of the venue's own needs."""

    PLACE = "PLACE"
    CHANGE = "CHANGE"
    CANCEL = "CANCEL"
    CLOSE_POSITION = "CLOSEPOSITION"


class Command(Record, frozen=True):
    """A command ready to go: over the socket as `frame`, in a file as `line`. Made by the functions below."""

    fields: tuple[str, ...]

    @property
    def frame(self) -> bytes:
        return frame("0", ";".join(self.fields))

    @property
    def line(self) -> bytes:
        """In a file, a number that is not meant is left out; over the socket it is a zero."""
        blank = ("" if place in _NUMBERS and text == "0" else text for place, text in enumerate(self.fields))
        return ";".join(blank).encode("ascii") + b"\r\n"


def frame(kind: str, *fields: str) -> bytes:
    return b"".join(text.encode("ascii") + b"\0" for text in (kind, *fields))


def writable(text: str) -> bool:
    """Whether a name may stand in a command: printable ASCII, and nothing that would end its field."""
    return bool(text) and text.isascii() and text.isprintable() and ";" not in text and "|" not in text


def _named(**names: str) -> None:
    for field, name in names.items():
        if not writable(name):
            raise ValueError(f"{field} {name!r} can't be written to NinjaTrader: plain characters without ; and | only")


def _command(
    verb: _Verb,
    *,
    account: str = "",
    instrument: str = "",
    action: str = "",
    qty: str = "0",
    order_type: str = "",
    limit: str = "0",
    stop: str = "0",
    tif: str = "",
    order_id: str = "",
) -> Command:
    """Thirteen fields, all present. No strategy is named, and no OCO id: the desk pairs orders itself."""
    fields = (verb, account, instrument, action, qty, order_type, limit, stop, tif, "", order_id, "", "")
    return Command(fields=fields)


def place(
    *,
    account: str,
    instrument: str,
    side: Side,
    qty: int,
    order_type: OrderType,
    order_id: str,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
    time_in_force: TimeInForce = TimeInForce.DAY,
) -> Command:
    """A new order. Raises ValueError when it can't be said."""
    _named(account=account, instrument=instrument, order_id=order_id)
    if order_type not in ORDER_TYPES:
        raise ValueError(f"NinjaTrader has no {order_type} orders here")
    if time_in_force not in TIMES_IN_FORCE:
        raise ValueError(f"NinjaTrader takes day and GTC orders, not {time_in_force}")
    if qty <= 0:
        raise ValueError(f"{qty} is not a number of contracts")
    return _command(
        _Verb.PLACE,
        account=account,
        instrument=instrument,
        action="BUY" if side is Side.BUY else "SELL",
        qty=str(qty),
        order_type=ORDER_TYPES[order_type],
        limit=_price(limit_price if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None),
        stop=_price(stop_price if order_type in (OrderType.STOP, OrderType.STOP_LIMIT) else None),
        tif=TIMES_IN_FORCE[time_in_force],
        order_id=order_id,
    )


def change(
    *, order_id: str, qty: int, limit_price: Decimal | None = None, stop_price: Decimal | None = None
) -> Command:
    """Other terms for an order; a price that is left out stays as it is. Raises ValueError."""
    _named(order_id=order_id)
    if qty <= 0:
        raise ValueError(f"{qty} is not a number of contracts")
    return _command(_Verb.CHANGE, qty=str(qty), limit=_price(limit_price), stop=_price(stop_price), order_id=order_id)


def cancel(order_id: str) -> Command:
    """Cancel one order. Raises ValueError."""
    _named(order_id=order_id)
    return _command(_Verb.CANCEL, order_id=order_id)


def close_position(account: str, instrument: str) -> Command:
    """Cancel one account's orders in one contract and close its position there: the only flatten that the desk knows.
    Raises ValueError."""
    _named(account=account, instrument=instrument)
    return _command(_Verb.CLOSE_POSITION, account=account, instrument=instrument)


def subscribe(instrument: str) -> bytes:
    """Have a contract's prices told."""
    _named(instrument=instrument)
    return frame("4", instrument, "1")


def _price(price: Decimal | None) -> str:
    """With a point and no exponent, whatever the machine's own language; 0 where there is none."""
    if price is None:
        return "0"
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
