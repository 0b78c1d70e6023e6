"""All entities of the Tradovate door: kept by type and id, the one truth behind lists, snapshots and the stream.

`Records` turns each of the venue's events that it is told into entities at once; whoever wants the stream sets
`changed`. Used by `tradovate_library.py` (lists) and `tradovate_stream.py` (events).
"""

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from brokers.sandbox.accounts import Account
from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.orders import (
    AccountChanged,
    CommandReported,
    CommandTaken,
    ExecutionReported,
    FillsPaired,
    MoneyMoved,
    Order,
    OrderAdded,
    OrderChanged,
    OrderFilled,
    PositionMoved,
    Terms,
    VenueEvent,
    VersionAdded,
)
from brokers.sandbox.tradovate_contracts import CURRENCY_ID, contract_entities
from brokers.sandbox.tradovate_entities import (
    AccountEntity,
    AccountRiskStatusEntity,
    CashBalanceEntity,
    CommandEntity,
    CommandReportEntity,
    Entity,
    ExecutionReportEntity,
    FillEntity,
    FillPairEntity,
    MarginSnapshotEntity,
    OrderEntity,
    OrderVersionEntity,
    PositionEntity,
    UserEntity,
    timestamp,
    trade_date,
)
from brokers.sandbox.venue import Venue
from schema.clock import Clock
from schema.records import OrderType, Record, TimeInForce

ORDER_TYPES = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "StopLimit",
}
TRAILING_TYPES = {OrderType.STOP: "TrailingStop", OrderType.STOP_LIMIT: "TrailingStopLimit"}
TOUCHED = "MIT"
GOOD_TILL_DATE = "GTD"
TIMES_IN_FORCE = {TimeInForce.DAY: "Day", TimeInForce.GTC: "GTC", TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}


class Change(Record, frozen=True):
    """One entity was made or changed. `account_id` None: it is everyone's. `order_id` groups what belongs together."""

    entity_type: str
    event_type: str
    entity: Entity
    account_id: int | None
    order_id: int = 0


class Records:
    """See the module's docstring."""

    def __init__(self, venue: Venue, clock: Clock, orders_kept: int) -> None:
        self.changed: Callable[[Change], None] = lambda _: None
        self._venue = venue
        self._clock = clock
        self._tables: dict[str, dict[int, Entity]] = {}
        self._owners: dict[str, dict[int, int | None]] = {}
        self._orders_kept = orders_kept
        self._of_order: dict[int, dict[tuple[str, int], None]] = {}
        for entity_type, entity in contract_entities(venue.catalogue):
            self._put(entity_type, entity, None, 0)

    # --- reading ---------------------------------------------------------------------------------------------------

    def types(self) -> Iterable[str]:
        return self._tables.keys()

    def visible(self, entity_type: str, account_ids: Iterable[int]) -> list[Entity]:
        """The entities of a type that the owner of these accounts may see, oldest first."""
        allowed, owners = {None, *account_ids}, self._owners.get(entity_type, {})
        return [entity for key, entity in self._tables.get(entity_type, {}).items() if owners[key] in allowed]

    def item(self, entity_type: str, entity_id: int, account_ids: Iterable[int]) -> Entity | None:
        owner = self._owners.get(entity_type, {}).get(entity_id, -1)
        if owner is not None and owner not in account_ids:
            return None
        return self._tables[entity_type].get(entity_id)

    # --- what doors and logins add --------------------------------------------------------------------------------

    def put(self, entity_type: str, entity: Entity, account_id: int) -> None:
        """An entity that the door itself makes or changes."""
        self._put(entity_type, entity, account_id, 0)

    def add_user(self, user_id: int, name: str) -> None:
        user = UserEntity(
            id=user_id,
            name=name,
            timestamp=self._now(),
            email=f"{name}@example.invalid",
            status="Active",
            professional=False,
            user_type="Trader",
        )
        # A user's own entity is shown by the login itself, never in another's list.
        self._put("user", user, -1, 0)

    def user(self, user_id: int) -> Entity:
        return self._tables["user"][user_id]

    def add_account(self, account: Account) -> None:
        self._account(account)
        self._money(account)

    # --- what the venue tells ----------------------------------------------------------------------------------------

    def on_event(self, event: VenueEvent) -> None:
        match event:
            case OrderAdded():
                self._forget_oldest()
                self._order(event.order)
            case OrderChanged():
                self._order(event.order)
            case VersionAdded():
                self._version(event.version_id, event.order, event.terms)
            case CommandTaken():
                command, origin = event.command, event.command.origin
                entity = CommandEntity(
                    id=command.command_id,
                    order_id=command.order_id,
                    timestamp=timestamp(command.at_ns),
                    cl_ord_id=origin.cl_ord_id,
                    command_type=command.kind,
                    command_status="Pending",
                    sender_id=origin.user_id or None,
                    user_session_id=origin.session_id or None,
                    custom_tag50=origin.custom_tag,
                    is_automated=origin.automated,
                )
                self._put("command", entity, command.account_id, command.order_id)
            case CommandReported():
                self._report(event)
            case ExecutionReported():
                self._execution(event)
            case OrderFilled():
                fill = event.fill
                entity = FillEntity(
                    id=fill.fill_id,
                    order_id=fill.order_id,
                    contract_id=fill.contract.contract_id,
                    timestamp=timestamp(fill.at_ns),
                    trade_date=trade_date(fill.at_ns),
                    action=action(fill.sign),
                    qty=fill.qty,
                    price=fill.contract.price(fill.ticks),
                    active=True,
                    finally_paired=0,
                )
                self._put("fill", entity, fill.account_id, fill.order_id)
            case FillsPaired():
                self._pair(event)
            case PositionMoved():
                self._position(self._venue.accounts[event.account_id], event.contract)
            case MoneyMoved():
                self._money(self._venue.accounts[event.account_id])
            case AccountChanged():
                self._account(self._venue.accounts[event.account_id])

    # --- making entities ---------------------------------------------------------------------------------------------

    def _put(self, entity_type: str, entity: Entity, account_id: int | None, order_id: int) -> None:
        table = self._tables.setdefault(entity_type, {})
        event_type = "Updated" if entity.id in table else "Created"
        table[entity.id] = entity
        self._owners.setdefault(entity_type, {})[entity.id] = account_id
        if order_id:
            self._of_order.setdefault(order_id, {})[entity_type, entity.id] = None
        change = Change(
            entity_type=entity_type, event_type=event_type, entity=entity, account_id=account_id, order_id=order_id
        )
        self.changed(change)

    def _forget_oldest(self) -> None:
        """Make room for a new order: the oldest leaves with all that belongs to it; a live one is kept as if new."""
        for _ in range(len(self._of_order)):
            if len(self._of_order) < self._orders_kept:
                return
            oldest = next(iter(self._of_order))
            theirs = self._of_order.pop(oldest)
            if self._venue.orders[oldest].status.live:
                self._of_order[oldest] = theirs
                continue
            for entity_type, entity_id in theirs:
                del self._tables[entity_type][entity_id], self._owners[entity_type][entity_id]

    def _now(self) -> str:
        return timestamp(self._clock.now_ns())

    def _order(self, order: Order) -> None:
        entity = OrderEntity(
            id=order.order_id,
            account_id=order.account_id,
            contract_id=order.contract.contract_id,
            timestamp=timestamp(order.placed_ns),
            action=action(order.sign),
            ord_status=order.status.value,
            execution_provider_id=1,
            oco_id=order.oco_id,
            parent_id=order.parent_id,
            linked_id=order.oco_id,
            admin=False,
        )
        self._put("order", entity, order.account_id, order.order_id)

    def _version(self, version_id: int, order: Order, terms: Terms) -> None:
        entity = OrderVersionEntity(
            id=version_id,
            order_id=order.order_id,
            order_qty=terms.qty,
            order_type=order_type_word(terms),
            price=terms.limit,
            stop_price=terms.stop,
            peg_difference=terms.trail,
            time_in_force=TIMES_IN_FORCE[terms.time_in_force] if terms.expires_ns is None else GOOD_TILL_DATE,
            expire_time=None if terms.expires_ns is None else timestamp(terms.expires_ns),
            text=terms.text,
        )
        self._put("orderVersion", entity, order.account_id, order.order_id)

    def _report(self, event: CommandReported) -> None:
        command = event.command
        report = CommandReportEntity(
            id=event.report_id,
            command_id=command.command_id,
            timestamp=timestamp(event.at_ns),
            command_status=event.status,
            reject_reason=event.reason,
            text=event.text,
            ord_status=event.order_status,
        )
        self._put("commandReport", report, command.account_id, command.order_id)
        entity = self._tables["command"][command.command_id]
        assert isinstance(entity, CommandEntity)
        entity = msgspec.structs.replace(entity, command_status=event.status)
        self._put("command", entity, command.account_id, command.order_id)

    def _execution(self, event: ExecutionReported) -> None:
        order = event.order
        entity = ExecutionReportEntity(
            id=event.report_id,
            command_id=event.command_id,
            name=str(event.report_id),
            account_id=order.account_id,
            contract_id=order.contract.contract_id,
            timestamp=timestamp(event.at_ns),
            trade_date=trade_date(event.at_ns),
            order_id=order.order_id,
            exec_type=event.exec_type,
            ord_status=order.status.value,
            action=action(order.sign),
            cum_qty=order.filled_qty,
            avg_px=order.average,
            last_qty=event.last_qty,
            last_px=None if event.last_ticks is None else order.contract.price(event.last_ticks),
            reject_reason=event.reason,
            text=event.text,
            exchange_order_id=str(order.order_id),
        )
        self._put("executionReport", entity, order.account_id, order.order_id)

    def _pair(self, event: FillsPaired) -> None:
        pair = event.pair
        held = self._venue.accounts[pair.account_id].holdings[pair.contract.contract_id]
        entity = FillPairEntity(
            id=pair.pair_id,
            position_id=held.position_id,
            buy_fill_id=pair.buy_fill_id,
            sell_fill_id=pair.sell_fill_id,
            qty=pair.qty,
            buy_price=pair.contract.price(pair.buy_ticks),
            sell_price=pair.contract.price(pair.sell_ticks),
            active=True,
        )
        closing = self._tables["fill"][max(pair.buy_fill_id, pair.sell_fill_id)]
        assert isinstance(closing, FillEntity)
        self._put("fillPair", entity, pair.account_id, closing.order_id)

    def _position(self, account: Account, contract: ListedContract) -> None:
        held = account.holdings[contract.contract_id]
        entity = PositionEntity(
            id=held.position_id,
            account_id=account.account_id,
            contract_id=contract.contract_id,
            timestamp=timestamp(held.changed_ns),
            trade_date=trade_date(held.changed_ns),
            net_pos=held.net,
            net_price=held.average,
            bought=held.bought,
            bought_value=contract.price(held.bought_ticks),
            sold=held.sold,
            sold_value=contract.price(held.sold_ticks),
            prev_pos=0,
        )
        self._put("position", entity, account.account_id, 0)

    def _account(self, account: Account) -> None:
        entity = AccountEntity(
            id=account.account_id,
            name=account.name,
            user_id=account.user_id,
            account_type="Customer",
            active=account.active,
            clearing_house_id=2,
            risk_category_id=3,
            auto_liq_profile_id=8,
            margin_account_type="Speculator",
            legal_status="Individual",
            timestamp=self._now(),
            readonly=account.readonly or None,
        )
        self._put("account", entity, account.account_id, 0)
        action = "Normal"
        if account.locked:
            action = "LockTradingImmediately"
        elif account.liquidate_only:
            action = "LiquidateOnlyModeImmediately"
        now = self._now()
        risk = AccountRiskStatusEntity(
            id=account.account_id,
            admin_action=action,
            liquidate_only=now if account.liquidate_only else None,
            user_triggered_liq_only=False,
            admin_timestamp=now,
        )
        self._put("accountRiskStatus", risk, account.account_id, 0)

    def _money(self, account: Account) -> None:
        now_ns, realized = self._clock.now_ns(), account.realized
        cash = CashBalanceEntity(
            id=account.account_id,
            account_id=account.account_id,
            timestamp=timestamp(now_ns),
            trade_date=trade_date(now_ns),
            currency_id=CURRENCY_ID,
            amount=account.balance + realized,
            realized_pnl=realized,
            week_realized_pnl=realized,
            amount_sod=account.balance,
        )
        self._put("cashBalance", cash, account.account_id, 0)
        initial, maintenance = account.margin(initial=True), account.margin(initial=False)
        margin = MarginSnapshotEntity(
            id=account.account_id,
            timestamp=timestamp(now_ns),
            risk_time_period_id=1,
            initial_margin=initial,
            maintenance_margin=maintenance,
            auto_liq_level=Decimal(0),
            liq_only_level=Decimal(0),
            total_used_margin=initial,
            full_initial_margin=initial,
            position_margin=initial,
        )
        self._put("marginSnapshot", margin, account.account_id, 0)


def order_type_word(terms: Terms) -> str:
    """``TrailingStop``"""
    if terms.touched:
        return TOUCHED
    return (ORDER_TYPES if terms.trail is None else TRAILING_TYPES)[terms.order_type]


def action(sign: int) -> str:
    return "Buy" if sign > 0 else "Sell"
