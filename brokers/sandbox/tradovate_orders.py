"""Trading at the Tradovate door: place, modify, cancel, liquidate, linked orders (`protocols/tradovate.md 1.3`).

A refusal for business reasons is HTTP 200 with failureReason and failureText. Every wish that arrives is written down
in the house's `received`, whatever becomes of it, so that a test can count what the venue was asked. Routes are merged
by `tradovate_door.py`.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from brokers.sandbox.doors import House, Received
from brokers.sandbox.faults import Refusal
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Origin, Reason, Refused, Terms
from brokers.sandbox.tradovate_call import Answer, Call, Handler, Malformed, NotFound
from brokers.sandbox.tradovate_library import Library
from brokers.sandbox.tradovate_records import ORDER_TYPES, TIMES_IN_FORCE
from schema.records import OrderType, TimeInForce

_TYPES = {word.lower(): order_type for order_type, word in ORDER_TYPES.items()}
_TIMES = {word.lower(): time_in_force for time_in_force, word in TIMES_IN_FORCE.items()}
_UNSUPPORTED_TYPES = ("mit", "qts", "trailingstop", "trailingstoplimit")
_SIGNS = {"buy": 1, "sell": -1}
Price = Decimal | None


class _TermsBody(msgspec.Struct, rename="camel", kw_only=True):
    """What every order body may hold. `customTag50` and `isAutomated` are kept with the command."""

    order_type: str
    cl_ord_id: str | int | None = None
    price: Price = None
    stop_price: Price = None
    time_in_force: str | None = None
    text: str | None = None
    activation_time: str | None = None
    custom_tag50: str | None = None
    is_automated: bool = False


class _LegBody(_TermsBody, kw_only=True):
    action: str


class _PlaceBody(_LegBody, kw_only=True):
    symbol: str
    order_qty: int
    account_id: int | None = None
    account_spec: str | None = None


class _OcoBody(_PlaceBody, kw_only=True):
    other: _LegBody


class _OsoBody(_PlaceBody, kw_only=True):
    bracket1: _LegBody
    bracket2: _LegBody | None = None


class _ModifyBody(_TermsBody, kw_only=True):
    order_id: int
    order_qty: int


class _CancelBody(msgspec.Struct, rename="camel", kw_only=True):
    order_id: int
    cl_ord_id: str | int | None = None
    custom_tag50: str | None = None
    is_automated: bool = False


class _LiquidateBody(msgspec.Struct, rename="camel", kw_only=True):
    account_id: int
    contract_id: int
    custom_tag50: str | None = None
    is_automated: bool = False


class Trading:
    """See the module's docstring."""

    def __init__(self, house: House, library: Library) -> None:
        self._house = house
        self._venue = house.venue
        self._library = library
        self._faults = house.faults

    def routes(self) -> dict[str, Handler]:
        routes: dict[str, Handler] = {
            "order/placeorder": self._place,
            "order/modifyorder": self._modify,
            "order/cancelorder": self._cancel,
            "order/liquidateposition": self._liquidate,
            "order/placeoco": self._place_oco,
            "order/placeoso": self._place_oso,
        }
        for name in ("startorderstrategy", "modifyorderstrategy", "interruptorderstrategy"):
            routes[f"orderstrategy/{name}"] = self._no_strategies
        return routes

    def receive(self, call: Call) -> Received | None:
        """Write a trading request down; None when it is none."""
        if not call.endpoint.startswith("order/") or call.endpoint not in self.routes():
            return None
        received = Received(
            endpoint=call.endpoint,
            login=call.login,
            account_id=self.account_of(call),
            cl_ord_id=_optional_text(call.arguments.get("clOrdId")),
            arrived_ns=call.arrived_ns,
        )
        self._house.received.append(received)
        return received

    def account_of(self, call: Call) -> int | None:
        """The account a trading request is about, as far as it says so readably."""
        arguments = call.arguments
        order_id, account_id = _number(arguments.get("orderId")), _number(arguments.get("accountId"))
        if order_id is not None and order_id in self._venue.orders:
            return self._venue.orders[order_id].account_id
        if account_id is None and call.session is not None:
            return self._by_spec(call, str(arguments.get("accountSpec", "")))
        return account_id

    # --- the endpoints -----------------------------------------------------------------------------------------------

    def _place(self, call: Call) -> Answer:
        body = call.body(_PlaceBody)
        sign, terms = _sign(body.action), _terms(body, body.order_qty)

        def act() -> dict[str, Any]:
            account_id = self._trading_account(call, body)
            self._refuse_on_demand(account_id)
            late = self._faults.late_rejects.take(account_id)
            order = self._venue.place(
                account_id, body.symbol, sign, terms(), self._origin(call, body), held=late is not None
            )
            if late is not None:
                self._reject_later(order.order_id, late)
            return {"orderId": order.order_id}

        return _answered(act)

    def _place_oco(self, call: Call) -> Answer:
        body = call.body(_OcoBody)
        first, other = self._leg(call, body, body.order_qty), self._leg(call, body.other, body.order_qty)

        def act() -> dict[str, Any]:
            account_id = self._trading_account(call, body)
            self._refuse_on_demand(account_id)
            pair = self._venue.place_oco(account_id, body.symbol, first(), other())
            return {"orderId": pair[0].order_id, "ocoId": pair[1].order_id}

        return _answered(act)

    def _place_oso(self, call: Call) -> Answer:
        body = call.body(_OsoBody)
        entry = self._leg(call, body, body.order_qty)
        brackets = [self._leg(call, leg, body.order_qty) for leg in (body.bracket1, body.bracket2) if leg]

        def act() -> dict[str, Any]:
            account_id = self._trading_account(call, body)
            self._refuse_on_demand(account_id)
            parent, children = self._venue.place_oso(account_id, body.symbol, entry(), [leg() for leg in brackets])
            ids = {f"oso{number}Id": child.order_id for number, child in enumerate(children, start=1)}
            return {"orderId": parent.order_id, **ids}

        return _answered(act)

    def _modify(self, call: Call) -> Answer:
        body = call.body(_ModifyBody)
        terms = _terms(body, body.order_qty)
        account_id = self._own_order(call, body.order_id)

        def act() -> dict[str, Any]:
            self._refuse_on_demand(account_id)
            wanted = terms()
            if body.time_in_force is None:
                kept = self._venue.orders[body.order_id].terms.time_in_force
                wanted = msgspec.structs.replace(wanted, time_in_force=kept)
            return {"commandId": self._venue.modify(body.order_id, wanted, self._origin(call, body)).command_id}

        return _answered(act)

    def _cancel(self, call: Call) -> Answer:
        body = call.body(_CancelBody)
        account_id = self._own_order(call, body.order_id)

        def act() -> dict[str, Any]:
            self._refuse_on_demand(account_id)
            return {"commandId": self._venue.cancel(body.order_id, self._origin(call, body)).command_id}

        return _answered(act)

    def _liquidate(self, call: Call) -> Answer:
        body = call.body(_LiquidateBody)

        def act() -> dict[str, Any]:
            if body.account_id not in self._library.account_ids(call):
                raise Refused(Reason.UNAUTHORIZED, f"There is no account {body.account_id}")
            listed = self._venue.catalogue.by_id.get(body.contract_id)
            if listed is None or not listed.front:
                raise Refused(Reason.INVALID_CONTRACT, f"There is no contract {body.contract_id}")
            self._refuse_on_demand(body.account_id)
            order = self._venue.liquidate(body.account_id, body.contract_id, self._origin(call, body))
            # The page does not say what a flat account's liquidation answers: neither an order nor a failure here.
            return {} if order is None else {"orderId": order.order_id}

        return _answered(act)

    def _no_strategies(self, call: Call) -> Answer:
        return Answer(data={"errorText": "Order strategies are not supported by this venue"})

    # --- reading a wish ----------------------------------------------------------------------------------------------

    def _trading_account(self, call: Call, body: _PlaceBody) -> int:
        account_id = body.account_id if body.account_id is not None else self._by_spec(call, body.account_spec or "")
        if account_id is None or account_id not in self._library.account_ids(call):
            raise Refused(Reason.UNAUTHORIZED, f"There is no account {account_id or body.account_spec}")
        return account_id

    def _by_spec(self, call: Call, spec: str) -> int | None:
        """The account by its name; by the user's name or by nothing at all, the user's only one."""
        assert call.session is not None
        mine = self._library.account_ids(call)
        for account_id in mine:
            if self._venue.accounts[account_id].name == spec:
                return account_id
        return mine[0] if len(mine) == 1 and spec in ("", call.session.user.name) else None

    def _own_order(self, call: Call, order_id: int) -> int:
        order = self._venue.orders.get(order_id)
        if order is None or order.account_id not in self._library.account_ids(call):
            raise NotFound(f"There is no order {order_id}")
        return order.account_id

    def _leg(self, call: Call, body: _LegBody, qty: int) -> Callable[[], Leg]:
        sign, terms = _sign(body.action), _terms(body, qty)
        return lambda: Leg(sign=sign, terms=terms(), origin=self._origin(call, body))

    def _origin(self, call: Call, body: _TermsBody | _CancelBody | _LiquidateBody) -> Origin:
        assert call.session is not None
        return Origin(
            cl_ord_id=None if isinstance(body, _LiquidateBody) else _optional_text(body.cl_ord_id),
            custom_tag=body.custom_tag50,
            automated=body.is_automated,
            user_id=call.session.user.user_id,
            session_id=call.session.session_id,
        )

    def _refuse_on_demand(self, account_id: int) -> None:
        refusal = self._faults.rejects.take(account_id)
        if refusal is not None:
            raise Refused(refusal.reason, refusal.text)

    def _reject_later(self, order_id: int, late: Refusal) -> None:
        self._house.later(late.after_s, lambda: self._venue.reject_held(order_id, late.reason, late.text))


def _answered(act: Callable[[], dict[str, Any]]) -> Answer:
    try:
        return Answer(data=act())
    except Refused as refused:
        data: dict[str, Any] = {"failureReason": refused.reason.value, "failureText": refused.text}
        return Answer(data=data if refused.order_id is None else data | {"orderId": refused.order_id})


def _sign(action: str) -> int:
    if action.lower() not in _SIGNS:
        raise Malformed("action must be Buy or Sell")
    return _SIGNS[action.lower()]


def _terms(body: _TermsBody, qty: int) -> Callable[[], Terms]:
    """The terms a body asks for: what can't be read is malformed now, what the venue does not trade is refused when
    the terms are made."""
    order_type, time_in_force = _TYPES.get(body.order_type.lower()), TimeInForce.DAY
    if order_type is None and body.order_type.lower() not in _UNSUPPORTED_TYPES:
        raise Malformed(f"orderType {body.order_type} is unknown")
    if qty < 1:
        raise Malformed("orderQty must be 1 or more")
    for name, price in (("price", body.price), ("stopPrice", body.stop_price)):
        if price is not None and not price.is_finite():
            raise Malformed(f"{name} must be a number")
    if body.time_in_force:
        if body.time_in_force.lower() not in (*_TIMES, "gtd"):
            raise Malformed(f"timeInForce {body.time_in_force} is unknown")
        time_in_force = _TIMES.get(body.time_in_force.lower())

    def made() -> Terms:
        if order_type is None:
            trailing = body.order_type.lower().startswith("trailing")
            reason = Reason.TRAILING_UNSUPPORTED if trailing else Reason.UNSUPPORTED
            raise Refused(reason, f"{body.order_type} orders are not supported by this venue")
        if time_in_force is None or body.activation_time:
            raise Refused(Reason.UNSUPPORTED, "Times of expiry and activation are not supported by this venue")
        limited = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        stopped = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
        return Terms(
            qty=qty,
            order_type=order_type,
            limit=body.price if limited else None,
            stop=body.stop_price if stopped else None,
            time_in_force=time_in_force,
            text=body.text,
        )

    return made


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)
