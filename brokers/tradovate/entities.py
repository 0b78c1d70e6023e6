"""The venue's entities and answers as it writes them; only the fields the desk reads. `orders.py`, `money.py`,
`login.py` and `rest.py` decode with it, and nothing of it leaves this package.

Every field that the venue may leave out has a default: "any may be null or absent" (`protocols/tradovate.md 1.4`).
"""

from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import field

from brokers.amounts import Contracts, Id, NetContracts, Traded, check, check_wait
from brokers.text import NOT_READ

Raw = msgspec.Raw
Action = Literal["Buy", "Sell"]


class Entity(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """Base of what the venue sends (`protocols/tradovate.md 1.2`, `1.3`)."""


class Account(Entity, frozen=True):
    id: Id
    name: str
    user_id: Id | None = None
    active: bool | None = None
    readonly: bool | None = None


class Contract(Entity, frozen=True):
    id: Id
    name: str
    contract_maturity_id: Id | None = None


class ContractMaturity(Entity, frozen=True):
    """`expiration_month` is YYYYMM."""

    id: Id
    product_id: Id
    expiration_month: int = 0
    expiration_date: str | None = None
    is_front: bool | None = None


class Product(Entity, frozen=True):
    id: Id
    name: str
    tick_size: Decimal
    value_per_point: Decimal

    def __post_init__(self) -> None:
        check(self.tick_size, self.value_per_point)
        if self.tick_size <= 0 or self.value_per_point <= 0:
            raise ValueError("a tick without size or value")


class Order(Entity, frozen=True):
    """Has neither clOrdId nor quantity nor price: those are on Command and OrderVersion."""

    id: Id
    account_id: Id
    action: Action
    contract_id: Id | None = None
    timestamp: str | None = None
    ord_status: str | None = None
    oco_id: Id | None = None
    parent_id: Id | None = None


class OrderVersion(Entity, frozen=True):
    id: Id
    order_id: Id
    order_qty: Contracts | None = None
    order_type: str | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    peg_difference: Decimal | None = None
    time_in_force: str | None = None

    def __post_init__(self) -> None:
        check(self.price, self.stop_price, self.peg_difference)


class Command(Entity, frozen=True):
    id: Id
    order_id: Id
    command_type: str | None = None
    command_status: str | None = None
    cl_ord_id: str | None = None


class CommandReport(Entity, frozen=True):
    id: Id
    command_id: Id
    command_status: str | None = None
    reject_reason: str | None = None
    text: str | None = None


class ExecutionReport(Entity, frozen=True):
    id: Id
    command_id: Id | None = None
    order_id: Id | None = None
    exec_type: str | None = None
    ord_status: str | None = None
    reject_reason: str | None = None
    text: str | None = None


class Fill(Entity, frozen=True):
    """Has no account: join through its order."""

    id: Id
    order_id: Id
    action: Action
    qty: Traded
    price: Decimal
    contract_id: Id | None = None
    timestamp: str | None = None
    active: bool | None = None

    def __post_init__(self) -> None:
        check(self.price)


class Position(Entity, frozen=True):
    id: Id
    account_id: Id
    contract_id: Id
    net_pos: NetContracts
    net_price: Decimal | None = None
    timestamp: str | None = None

    def __post_init__(self) -> None:
        check(self.net_price)


class CashBalance(Entity, frozen=True):
    id: Id
    account_id: Id
    amount: Decimal | None = None
    realized_pnl: Decimal | None = field(name="realizedPnL", default=None)

    def __post_init__(self) -> None:
        check(self.amount, self.realized_pnl)


class MarginSnapshot(Entity, frozen=True):
    """Its id is the account's."""

    id: Id
    initial_margin: Decimal | None = None
    total_used_margin: Decimal | None = None

    def __post_init__(self) -> None:
        check(self.initial_margin, self.total_used_margin)


class AccountRiskStatus(Entity, frozen=True):
    """Its id is the account's when `accountId` is not given."""

    id: Id
    account_id: Id | None = None
    admin_action: str | None = None
    liquidate_only: bool | str | None = None
    user_triggered_liq_only: bool | str | None = None


AnyEntity = (
    Account
    | Contract
    | Order
    | OrderVersion
    | Command
    | CommandReport
    | ExecutionReport
    | Fill
    | Position
    | CashBalance
    | MarginSnapshot
    | AccountRiskStatus
)

# The entity types the desk follows, by the name the stream gives them, each with its collection in a sync reply.
FOLLOWED: dict[str, tuple[str, type[AnyEntity]]] = {
    "account": ("accounts", Account),
    "contract": ("contracts", Contract),
    "order": ("orders", Order),
    "orderVersion": ("orderVersions", OrderVersion),
    "command": ("commands", Command),
    "commandReport": ("commandReports", CommandReport),
    "executionReport": ("executionReports", ExecutionReport),
    "fill": ("fills", Fill),
    "position": ("positions", Position),
    "cashBalance": ("cashBalances", CashBalance),
    "marginSnapshot": ("marginSnapshots", MarginSnapshot),
    "accountRiskStatus": ("accountRiskStatuses", AccountRiskStatus),
}
ENTITY_TYPES = tuple(FOLLOWED)
# Not strict: an id in quotes or a quantity written 1.0 is still that id and that quantity.
_BY_LOWER_NAME = {name.lower(): msgspec.json.Decoder(kind, strict=False) for name, (_, kind) in FOLLOWED.items()}
_ARRAY = msgspec.json.Decoder(list[Raw])
_ARRAY_OR_NULL = msgspec.json.Decoder(list[Raw] | None)
_NULL = Raw(b"null")


class PropsEvent(Entity, frozen=True):
    """`d` of a props event. `entity` is one object or an array of them; `eventType` is sometimes missing."""

    entity_type: str
    entity: Raw
    event_type: str | None = None


class SyncReply(Entity, frozen=True):
    """What `user/syncrequest` answers, collection by collection; None means the venue did not say."""

    accounts: list[Account] | None = None
    contracts: list[Contract] | None = None
    orders: list[Order] | None = None
    order_versions: list[OrderVersion] | None = None
    commands: list[Command] | None = None
    command_reports: list[CommandReport] | None = None
    execution_reports: list[ExecutionReport] | None = None
    fills: list[Fill] | None = None
    positions: list[Position] | None = None
    cash_balances: list[CashBalance] | None = None
    margin_snapshots: list[MarginSnapshot] | None = None
    account_risk_statuses: list[AccountRiskStatus] | None = None

    @property
    def says_everything(self) -> bool:
        """Whether every collection the desk follows was named, so that no further part is to come."""
        return all(getattr(self, name) is not None for name in self.__struct_fields__)

    def merged(self, later: "SyncReply") -> "SyncReply":
        """This reply and a further part of it (splitResponses)."""
        parts: dict[str, list[AnyEntity] | None] = {}
        for name in self.__struct_fields__:
            mine, more = getattr(self, name), getattr(later, name)
            parts[name] = mine if more is None else (mine or []) + more
        return SyncReply(**parts)  # type: ignore[arg-type]


class _Owner(Entity, frozen=True):
    """What an entity that cannot be read may still say of where it belongs."""

    account_id: Id | None = None


class UnreadableRow(msgspec.Struct, frozen=True):
    """A row of a sync reply that could not be read; `account_id` is None when it does not even say whose it is."""

    raw: bytes
    error: str
    account_id: int | None


class AccessToken(Entity, frozen=True):
    """Answer of accesstokenrequest and renewaccesstoken; a business failure is HTTP 200 with `error_text`
    (`protocols/tradovate.md 1.1`)."""

    access_token: str | None = None
    md_access_token: str | None = None
    expiration_time: str | None = None
    error_text: str | None = None
    user_id: Id | None = None
    user_status: str | None = None

    def __repr__(self) -> str:
        return "AccessToken(...)"

    __str__ = __repr__


class Penalty(msgspec.Struct, frozen=True):
    """A p-ticket: HTTP 200 that is not the answer but a penalty (`protocols/tradovate.md 1.5`)."""

    ticket: str | None = field(name="p-ticket", default=None)
    wait_s: float = field(name="p-time", default=0)
    captcha: bool | None = field(name="p-captcha", default=None)

    def __post_init__(self) -> None:
        check_wait(self.wait_s)


class Violation(Entity, frozen=True):
    """What a request broke; `value` is whatever the field held."""

    description: str | None = None
    constraint: str | None = None
    value: Any = None


class OrderAnswer(Entity, frozen=True):
    """PlaceOrderResult, also of linked orders, and CommandResult, with the other ways in which the venue says no at
    status 200."""

    order_id: Id | None = None
    oco_id: Id | None = None
    oso1_id: Id | None = None
    oso2_id: Id | None = None
    command_id: Id | None = None
    failure_reason: str | None = None
    failure_text: str | None = None
    error_text: str | None = None
    violations: list[Violation] | None = None
    ticket: str | None = field(name="p-ticket", default=None)
    wait_s: float | None = field(name="p-time", default=None)

    def __post_init__(self) -> None:
        check_wait(self.wait_s)

    @property
    def refused(self) -> bool:
        return bool(self.error_text or self.violations or (self.failure_reason and self.failure_reason != "Success"))

    @property
    def linked(self) -> tuple[int, ...]:
        """The orders placed together with `order_id`, in the order in which the request named them."""
        return tuple(each for each in (self.oco_id, self.oso1_id, self.oso2_id) if each)

    @property
    def words(self) -> str:
        """The venue's own words of a refusal."""
        if self.violations:
            return "; ".join(v.description or v.constraint or str(v.value or "") for v in self.violations)
        return self.failure_text or self.error_text or self.failure_reason or ""


class ErrorAnswer(Entity, frozen=True):
    error_text: str | None = None


class Shutdown(Entity, frozen=True):
    reason_code: str | None = None
    reason: str | None = None


_FIELD_OF = {field.encode_name: field.name for field in msgspec.structs.fields(SyncReply)}
_props = msgspec.json.Decoder(PropsEvent)
order_answer = msgspec.json.Decoder(OrderAnswer, strict=False)
_collections = msgspec.json.Decoder(dict[str, Raw])
_owner = msgspec.json.Decoder(_Owner, strict=False)
shutdown = msgspec.json.Decoder(Shutdown)
_penalty = msgspec.json.Decoder(Penalty, strict=False)


def read_penalty(data: bytes) -> Penalty | None:
    """The penalty that an answer with status 200 is, if it is one."""
    if b'"p-ticket"' not in data:
        return None
    try:
        penalty = _penalty.decode(data)
    except NOT_READ:
        return None
    return penalty if penalty.ticket is not None else None


def read_sync(data: Raw) -> tuple[SyncReply, list[UnreadableRow]]:
    """A sync reply, row by row: one that cannot be read costs its account's completeness, not the stream. Raises
    one of NOT_READ when it is not a sync reply at all."""
    given = _collections.decode(data)
    collections: dict[str, list[AnyEntity] | None] = {}
    unreadable: list[UnreadableRow] = []
    for name, (collection, _) in FOLLOWED.items():
        raws = _ARRAY_OR_NULL.decode(given.get(collection, _NULL))
        decoder = _BY_LOWER_NAME[name.lower()]
        rows: list[AnyEntity] = []
        for raw in raws or ():
            try:
                rows.append(decoder.decode(raw))
            except NOT_READ as error:
                unreadable.append(UnreadableRow(bytes(raw), f"{collection}: {error}", _owner_of(raw)))
        collections[_FIELD_OF[collection]] = None if raws is None else rows
    return SyncReply(**collections), unreadable  # type: ignore[arg-type]


def _owner_of(raw: Raw) -> int | None:
    try:
        return _owner.decode(raw).account_id
    except NOT_READ:
        return None


def props_entities(data: Raw) -> tuple[list[AnyEntity], list[tuple[bytes, str]]]:
    """The entities of a props event that the desk follows, and raw bytes and error of those it could not read.

    Unknown entity types and deletions give nothing: a deleted row is no news about an account. Raises
    one of NOT_READ when the event itself is not one.
    """
    event = _props.decode(data)
    decoder = _BY_LOWER_NAME.get(event.entity_type.lower())
    if decoder is None or event.event_type == "Deleted":
        return [], []
    entity = event.entity
    if memoryview(entity)[0] != ord("["):
        return [decoder.decode(entity)], []
    readable: list[AnyEntity] = []
    unreadable: list[tuple[bytes, str]] = []
    for raw in _ARRAY.decode(entity):
        try:
            readable.append(decoder.decode(raw))
        except NOT_READ as error:
            unreadable.append((bytes(raw), str(error)))
    return readable, unreadable
