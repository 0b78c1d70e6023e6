"""The entities of the Tradovate door, in the wire's own shape (`protocols/tradovate.md 1.2, 1.3, 1.8`).

Made by `tradovate_records.py` from what the venue tells; encoded by msgspec, so a field without a value is left out.
Prices are Decimals and become JSON numbers; times are ISO 8601 with milliseconds and Z.
"""

from decimal import Decimal
from functools import lru_cache

import msgspec

from schema.clock import to_datetime


class Entity(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    """Base of every entity; untracked by the collector, since there are many and none holds another."""

    id: int


class TradeDate(msgspec.Struct, frozen=True, gc=False):
    year: int
    month: int
    day: int


def timestamp(at_ns: int) -> str:
    """``2016-11-04T00:02:36.626Z``"""
    return _stamp(at_ns // 1_000_000)


@lru_cache(maxsize=256)
def _stamp(at_ms: int) -> str:
    """One order has a dozen entities of the same millisecond."""
    return to_datetime(at_ms * 1_000_000).isoformat(timespec="milliseconds")[:-6] + "Z"


def trade_date(at_ns: int) -> TradeDate:
    at = to_datetime(at_ns)
    return TradeDate(at.year, at.month, at.day)


class UserEntity(Entity, frozen=True, kw_only=True):
    name: str
    timestamp: str
    email: str
    status: str
    professional: bool
    user_type: str


class AccountEntity(Entity, frozen=True, kw_only=True):
    name: str
    user_id: int
    account_type: str
    active: bool
    clearing_house_id: int
    risk_category_id: int
    auto_liq_profile_id: int
    margin_account_type: str
    legal_status: str
    timestamp: str
    readonly: bool | None = None


class AccountRiskStatusEntity(Entity, frozen=True, kw_only=True):
    """`id` is the account's."""

    admin_action: str
    liquidate_only: str | None = None
    user_triggered_liq_only: bool
    admin_timestamp: str


class CashBalanceEntity(Entity, frozen=True, kw_only=True):
    account_id: int
    timestamp: str
    trade_date: TradeDate
    currency_id: int
    amount: Decimal
    realized_pnl: Decimal = msgspec.field(name="realizedPnL")
    week_realized_pnl: Decimal = msgspec.field(name="weekRealizedPnL")
    amount_sod: Decimal = msgspec.field(name="amountSOD")


class MarginSnapshotEntity(Entity, frozen=True, kw_only=True):
    """`id` is the account's."""

    timestamp: str
    risk_time_period_id: int
    initial_margin: Decimal
    maintenance_margin: Decimal
    auto_liq_level: Decimal
    liq_only_level: Decimal
    total_used_margin: Decimal
    full_initial_margin: Decimal
    position_margin: Decimal


class PositionEntity(Entity, frozen=True, kw_only=True):
    account_id: int
    contract_id: int
    timestamp: str
    trade_date: TradeDate
    net_pos: int
    net_price: Decimal | None = None
    bought: int
    bought_value: Decimal
    sold: int
    sold_value: Decimal
    prev_pos: int
    prev_price: Decimal | None = None


class OrderEntity(Entity, frozen=True, kw_only=True):
    account_id: int
    contract_id: int
    timestamp: str
    action: str
    ord_status: str
    execution_provider_id: int
    oco_id: int | None = None
    parent_id: int | None = None
    linked_id: int | None = None
    admin: bool


class OrderVersionEntity(Entity, frozen=True, kw_only=True):
    order_id: int
    order_qty: int
    order_type: str
    price: Decimal | None = None
    stop_price: Decimal | None = None
    peg_difference: Decimal | None = None
    time_in_force: str
    expire_time: str | None = None
    text: str | None = None


class OrderStrategyEntity(Entity, frozen=True, kw_only=True):
    account_id: int
    timestamp: str
    contract_id: int
    order_strategy_type_id: int
    action: str
    params: str
    uuid: str | None = None
    status: str
    failure_message: str | None = None
    sender_id: int
    custom_tag50: str | None = None
    user_session_id: int


class OrderStrategyLinkEntity(Entity, frozen=True, kw_only=True):
    order_strategy_id: int
    order_id: int
    label: str


class CommandEntity(Entity, frozen=True, kw_only=True):
    order_id: int
    timestamp: str
    cl_ord_id: str | None = None
    command_type: str
    command_status: str
    sender_id: int | None = None
    user_session_id: int | None = None
    custom_tag50: str | None = None
    is_automated: bool


class CommandReportEntity(Entity, frozen=True, kw_only=True):
    command_id: int
    timestamp: str
    command_status: str
    reject_reason: str | None = None
    text: str | None = None
    ord_status: str | None = None


class ExecutionReportEntity(Entity, frozen=True, kw_only=True):
    command_id: int
    name: str
    account_id: int
    contract_id: int
    timestamp: str
    trade_date: TradeDate
    order_id: int
    exec_type: str
    exec_ref_id: str | None = None
    ord_status: str
    action: str
    cum_qty: int
    avg_px: Decimal | None = None
    last_qty: int | None = None
    last_px: Decimal | None = None
    reject_reason: str | None = None
    text: str | None = None
    exchange_order_id: str | None = None


class FillEntity(Entity, frozen=True, kw_only=True):
    order_id: int
    contract_id: int
    timestamp: str
    trade_date: TradeDate
    action: str
    qty: int
    price: Decimal
    active: bool
    finally_paired: int


class FillPairEntity(Entity, frozen=True, kw_only=True):
    position_id: int
    buy_fill_id: int
    sell_fill_id: int
    qty: int
    buy_price: Decimal
    sell_price: Decimal
    active: bool


class ContractEntity(Entity, frozen=True, kw_only=True):
    name: str
    contract_maturity_id: int


class ContractMaturityEntity(Entity, frozen=True, kw_only=True):
    product_id: int
    expiration_month: int
    expiration_date: str
    is_front: bool
    archived: bool
    series_id: int


class ProductEntity(Entity, frozen=True, kw_only=True):
    name: str
    currency_id: int
    product_type: str
    description: str
    exchange_id: int
    contract_group_id: int
    status: str
    value_per_point: Decimal
    price_format_type: str
    price_format: int
    tick_size: Decimal


class NamedEntity(Entity, frozen=True, kw_only=True):
    """Exchange, contract group and others that are only a name."""

    name: str


class CurrencyEntity(Entity, frozen=True, kw_only=True):
    name: str
    symbol: str
