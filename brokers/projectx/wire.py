"""The venue's answers and hub messages: bytes to what the desk reads of them, pure (`protocols/projectx.md 2.2-2.4`).

Every field that the venue may leave out has a default. Payloads of events come bare or wrapped in ``{action, data}``,
one or several to an argument; `rows` takes them apart. Nothing of this module leaves the package.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal, TypeVar

import msgspec

from brokers.amounts import Contracts, Id, Traded, check
from brokers.text import NOT_READ

SEPARATOR = "\x1e"
INVOCATION, COMPLETION, PING, CLOSE = 1, 3, 6, 7
LONGEST = 1 << 24
"""Characters of one record; a longer one is no message of this protocol."""
Raw = msgspec.Raw
WireSide = Literal[0, 1]


class Entity(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """Base of what the venue sends."""


class Answer(Entity, frozen=True, kw_only=True):
    """Every answer: HTTP 200 says nothing, `success` does. `order_id` is of Order/place, `new_token` of validate."""

    success: bool
    error_code: int = 0
    error_message: str | None = None
    token: str | None = None
    new_token: str | None = None
    order_id: Id | None = None


class Account(Entity, frozen=True):
    id: Id
    name: str
    balance: Decimal = Decimal(0)
    can_trade: bool = True
    is_visible: bool = True
    simulated: bool = True

    def __post_init__(self) -> None:
        check(self.balance)


class Contract(Entity, frozen=True):
    id: str
    name: str = ""
    tick_size: Decimal = Decimal(0)
    tick_value: Decimal = Decimal(0)
    active_contract: bool = True
    symbol_id: str = ""

    def __post_init__(self) -> None:
        check(self.tick_size, self.tick_value)


class Order(Entity, frozen=True):
    id: Id
    account_id: Id
    contract_id: str
    status: int
    type: int = 0
    side: WireSide = 0
    size: Contracts = 0
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    fill_volume: Contracts | None = None
    filled_price: Decimal | None = None
    custom_tag: str | None = None
    parent_order_id: Id | None = None
    linked_order_id: Id | None = None
    creation_timestamp: str | None = None
    update_timestamp: str | None = None

    def __post_init__(self) -> None:
        check(self.limit_price, self.stop_price, self.filled_price)


class Position(Entity, frozen=True):
    account_id: Id
    contract_id: str
    type: int
    size: Contracts
    average_price: Decimal | None = None

    def __post_init__(self) -> None:
        check(self.average_price)


class Trade(Entity, frozen=True):
    """A half-turn. `profit_and_loss` None: it opened."""

    id: Id
    account_id: Id
    contract_id: str
    order_id: Id
    side: WireSide
    size: Traded
    price: Decimal
    creation_timestamp: str | None = None
    profit_and_loss: Decimal | None = None
    fees: Decimal | None = None
    voided: bool | None = None

    def __post_init__(self) -> None:
        check(self.price, self.profit_and_loss, self.fees)


class Bar(msgspec.Struct, frozen=True, gc=False):
    t: str
    o: float
    h: float
    l: float  # noqa: E741 - the venue's name
    c: float
    v: float = 0


class Quote(Entity, frozen=True):
    """After the first one only what changed."""

    last_price: float | None = None
    best_bid: float | None = None
    best_ask: float | None = None
    timestamp: str | None = None


class MarketTrade(Entity, frozen=True):
    """`type` is who crossed the spread: 0 the buyer, 1 the seller."""

    price: float
    volume: float
    type: int = -1
    timestamp: str | None = None


class Depth(Entity, frozen=True):
    """`type` is a DomType; a level's `volume` is its new total."""

    type: int
    price: float = 0.0
    volume: float = 0.0
    timestamp: str | None = None


class Lists(Answer, frozen=True, kw_only=True):
    """The answers that list something; each has one of these."""

    accounts: list[Account] | None = None
    contracts: list[Contract] | None = None
    contract: Contract | None = None
    orders: list[Order] | None = None
    positions: list[Position] | None = None
    trades: list[Trade] | None = None
    bars: list[Bar] | None = None


class HubMessage(Entity, frozen=True):
    """One message of a hub; a handshake's answer has no type. `arguments` are still undecoded."""

    type: int = 0
    target: str = ""
    arguments: list[msgspec.Raw] = []
    invocation_id: str | None = None
    error: str | None = None


class _Wrapped(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw(b"")


EntityT = TypeVar("EntityT", bound=Entity)
_hub_message = msgspec.json.Decoder(HubMessage)
_wrapped = msgspec.json.Decoder(_Wrapped)
_several = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder(decimal_format="number")


def hub_message(record: str) -> HubMessage:
    """One record, without its separator. Raises one of NOT_READ."""
    return _hub_message.decode(record)


def rows(argument: msgspec.Raw | bytes) -> Iterator[bytes]:
    """The payloads that one argument of an event carries, one by one: what one of them holds is no other's concern."""
    for row in _rows(bytes(argument)):
        yield from _rows(_bare(row))


def read(row: bytes, shape: type[EntityT]) -> EntityT:
    """One payload. Raises one of NOT_READ."""
    return msgspec.json.decode(row, type=shape, strict=False)


def _rows(raw: bytes) -> list[bytes]:
    return [bytes(row) for row in _several.decode(raw)] if raw.lstrip()[:1] == b"[" else [raw]


def _bare(row: bytes) -> bytes:
    """The payload itself, out of its wrapper if it is in one."""
    if b'"data"' not in row:
        return row
    try:
        return bytes(_wrapped.decode(row).data) or row
    except NOT_READ:
        return row  # whoever reads it says what is wrong with it


def encode(body: object) -> bytes:
    """A request body as JSON; a Decimal is written as the number it is."""
    return _encoder.encode(body)
