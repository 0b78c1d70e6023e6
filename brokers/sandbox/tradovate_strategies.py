"""Order strategies at the Tradovate door: an entry with brackets that are placed once it is filled.

`protocols/tradovate.md 1.3`: startorderstrategy of type 2 (multibracket), whose targets and stops are signed points
from the entry's average fill; interruptorderstrategy cancels what is left of one. Routes are merged by
`tradovate_door.py`, the venue's events come from `tradovate_front.py`.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from brokers.sandbox.doors import House
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Order, OrderChanged, OrderStatus, Origin, Reason, Refused, Terms, VenueEvent
from brokers.sandbox.tradovate_call import Answer, Call, Handler, Malformed, NotFound
from brokers.sandbox.tradovate_entities import OrderStrategyEntity, OrderStrategyLinkEntity, timestamp
from brokers.sandbox.tradovate_library import Library
from brokers.sandbox.tradovate_orders import Trading
from brokers.sandbox.tradovate_records import Records
from brokers.sandbox.tradovate_wishes import OrderBody, sign_of, terms_of
from schema.records import OrderType

MULTIBRACKET = 2
_ACTIVE, _FAILED, _FINISHED, _INTERRUPTED = (
    "ActiveStrategy",
    "ExecutionFailed",
    "ExecutionFinished",
    "ExecutionInterrupted",
)


class _Bracket(msgspec.Struct, rename="camel"):
    qty: int
    profit_target: Decimal | None = None
    stop_loss: Decimal | None = None
    trailing_stop: bool = False


class _Params(msgspec.Struct, rename="camel"):
    entry_version: dict[str, Any]
    brackets: list[_Bracket] = []


class _Start(msgspec.Struct, rename="camel"):
    symbol: str
    action: str
    order_strategy_type_id: int
    params: str | dict[str, Any]
    account_id: int | None = None
    account_spec: str | None = None
    uuid: str | None = None
    custom_tag50: str | None = None


class _Named(msgspec.Struct, rename="camel"):
    order_strategy_id: int


@dataclass(slots=True, eq=False)
class _Strategy:
    entity: OrderStrategyEntity
    brackets: list[_Bracket]
    origin: Origin
    entry: Order | None = None
    exits: list[Order] = field(default_factory=list[Order])
    bracketed: bool = False


class Strategies:
    """See the module's docstring."""

    def __init__(self, house: House, library: Library, records: Records, trading: Trading) -> None:
        self._house = house
        self._venue = house.venue
        self._library = library
        self._records = records
        self._trading = trading
        self._strategies: dict[int, _Strategy] = {}
        self._of_order: dict[int, _Strategy] = {}

    def routes(self) -> dict[str, Handler]:
        return {
            "orderstrategy/startorderstrategy": self._start,
            "orderstrategy/modifyorderstrategy": self._modify,
            "orderstrategy/interruptorderstrategy": self._interrupt,
        }

    def on_event(self, event: VenueEvent) -> None:
        """One of a strategy's orders may have ended. What follows is done after the venue has finished telling."""
        if isinstance(event, OrderChanged) and not event.order.status.live:
            strategy = self._of_order.get(event.order.order_id)
            if strategy is not None:
                self._house.later(0, lambda: self._advance(strategy))

    # --- the endpoints -----------------------------------------------------------------------------------------------

    def _start(self, call: Call) -> Answer:
        wish = call.body(_Start)
        if wish.order_strategy_type_id != MULTIBRACKET:
            return _refused(f"There is no strategy of type {wish.order_strategy_type_id}")
        try:
            raw = msgspec.json.decode(wish.params) if isinstance(wish.params, str) else wish.params
            params = msgspec.convert(raw, _Params, strict=False)
            entry = msgspec.convert(
                {**params.entry_version, "action": wish.action, "symbol": wish.symbol}, OrderBody, strict=False
            )
        except msgspec.MsgspecError as error:
            raise Malformed(f"params: {error}") from None
        sign, terms = sign_of(entry.action), terms_of(entry, entry.order_qty)
        try:
            account_id = self._trading.account(call, wish.account_id, wish.account_spec)
            self._check(wish.symbol, sign, params.brackets)
        except Refused as refused:
            return _refused(refused.text)
        assert call.session is not None
        origin = Origin(
            custom_tag=wish.custom_tag50,
            automated=entry.is_automated,
            user_id=call.session.user.user_id,
            session_id=call.session.session_id,
        )
        entity = OrderStrategyEntity(
            id=self._venue.new_id(),
            account_id=account_id,
            timestamp=self._now(),
            contract_id=self._venue.catalogue.by_symbol[wish.symbol].contract_id,
            order_strategy_type_id=MULTIBRACKET,
            action="Buy" if sign > 0 else "Sell",
            params=wish.params if isinstance(wish.params, str) else msgspec.json.encode(wish.params).decode(),
            uuid=wish.uuid,
            status=_ACTIVE,
            sender_id=origin.user_id,
            custom_tag50=wish.custom_tag50,
            user_session_id=origin.session_id,
        )
        strategy = _Strategy(entity, params.brackets, origin)
        self._strategies[entity.id] = strategy
        self._become(strategy, _ACTIVE)
        try:
            self._trading.refuse_on_demand(account_id)
            strategy.entry = self._venue.place(account_id, wish.symbol, sign, terms(), origin)
        except Refused as refused:
            self._become(strategy, _FAILED, refused.text)
            return Answer(data={"errorText": refused.text, "orderStrategy": strategy.entity})
        self._link(strategy, strategy.entry, "entry")
        self._house.later(0, lambda: self._advance(strategy))
        return Answer(data={"orderStrategy": strategy.entity})

    def _modify(self, call: Call) -> Answer:
        """What a command may say is in no public page."""
        self._own(call)
        return _refused("This venue knows no commands for a strategy: interrupt it and start another")

    def _interrupt(self, call: Call) -> Answer:
        strategy = self._own(call)
        if strategy.entity.status != _ACTIVE:
            return _refused(f"The strategy is {strategy.entity.status}")
        self._become(strategy, _INTERRUPTED)
        for order in (strategy.entry, *strategy.exits):
            if order is not None and order.status.live:
                self._venue.cancel(order.order_id, strategy.origin)
        return Answer(data={"orderStrategy": strategy.entity})

    # --- a strategy's life -------------------------------------------------------------------------------------------

    def _advance(self, strategy: _Strategy) -> None:
        entry = strategy.entry
        if strategy.entity.status != _ACTIVE or entry is None or entry.status.live:
            return
        if not strategy.bracketed:
            strategy.bracketed = True
            try:
                self._bracket(strategy, entry)
            except Refused as refused:
                self._become(strategy, _FAILED, refused.text)
                return
        if not any(order.status.live for order in strategy.exits):
            failed = entry.status is OrderStatus.REJECTED
            self._become(strategy, _FAILED if failed else _FINISHED)

    def _bracket(self, strategy: _Strategy, entry: Order) -> None:
        """Targets and stops for what was filled, bracket by bracket. Raises Refused."""
        left = entry.filled_qty
        for bracket in strategy.brackets:
            qty = min(bracket.qty, left)
            if not qty:
                return
            left -= qty
            legs = _legs(entry, bracket, qty, strategy.origin)
            symbol = entry.contract.symbol
            if len(legs) == 2:
                placed = self._venue.place_oco(entry.account_id, symbol, *legs)
            else:
                placed = tuple(
                    self._venue.place(entry.account_id, symbol, leg.sign, leg.terms, leg.origin) for leg in legs
                )
            for order in placed:
                strategy.exits.append(order)
                self._link(strategy, order, "bracket")

    def _become(self, strategy: _Strategy, status: str, failure: str | None = None) -> None:
        strategy.entity = msgspec.structs.replace(strategy.entity, status=status, failure_message=failure)
        self._records.put("orderStrategy", strategy.entity, strategy.entity.account_id)

    def _link(self, strategy: _Strategy, order: Order, label: str) -> None:
        self._of_order[order.order_id] = strategy
        link = OrderStrategyLinkEntity(
            id=self._venue.new_id(), order_strategy_id=strategy.entity.id, order_id=order.order_id, label=label
        )
        self._records.put("orderStrategyLink", link, order.account_id)

    # --- reading a wish ----------------------------------------------------------------------------------------------

    def _own(self, call: Call) -> _Strategy:
        wanted = call.body(_Named).order_strategy_id
        strategy = self._strategies.get(wanted)
        if strategy is None or strategy.entity.account_id not in self._library.account_ids(call):
            raise NotFound(f"There is no orderStrategy {wanted}")
        return strategy

    def _check(self, symbol: str, sign: int, brackets: list[_Bracket]) -> None:
        contract = self._venue.listed(symbol)
        for bracket in brackets:
            for name, points, wanted in (
                ("profitTarget", bracket.profit_target, sign),
                ("stopLoss", bracket.stop_loss, -sign),
            ):
                if points is None:
                    continue
                if points * wanted <= 0 or contract.ticks(abs(points)) is None:
                    side = "above" if wanted > 0 else "below"
                    raise Refused(Reason.INVALID_PRICE, f"{name} {points} must be whole ticks {side} the entry")

    def _now(self) -> str:
        return timestamp(self._house.clock.now_ns())


def _legs(entry: Order, bracket: _Bracket, qty: int, origin: Origin) -> list[Leg]:
    contract, ticks = entry.contract, round(entry.filled_ticks / entry.filled_qty)
    legs: list[Leg] = []
    if bracket.profit_target is not None:
        price = contract.price(ticks) + bracket.profit_target
        legs.append(Leg(sign=-entry.sign, terms=Terms(qty=qty, order_type=OrderType.LIMIT, limit=price), origin=origin))
    if bracket.stop_loss is not None:
        trail = abs(bracket.stop_loss) if bracket.trailing_stop else None
        price = contract.price(ticks) + bracket.stop_loss
        terms = Terms(qty=qty, order_type=OrderType.STOP, stop=price, trail=trail)
        legs.append(Leg(sign=-entry.sign, terms=terms, origin=origin))
    return legs


def _refused(text: str) -> Answer:
    return Answer(data={"errorText": text})
