"""Trading at the Tradovate door: place, modify, cancel, liquidate, linked orders (`protocols/tradovate.md 1.3`).

A refusal for business reasons is HTTP 200 with failureReason and failureText. Every wish that arrives is written down
in the house's `received`, whatever becomes of it, so that a test can count what the venue was asked. Routes are merged
by `tradovate_door.py`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from brokers.sandbox.doors import House, Received
from brokers.sandbox.faults import Refusal
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Order, Origin, Reason, Refused
from brokers.sandbox.tradovate_call import Answer, Call, Handler, Malformed, NotFound
from brokers.sandbox.tradovate_library import Library
from brokers.sandbox.tradovate_wishes import (
    CancelBody,
    DryRun,
    LegBody,
    LiquidateBody,
    ModifyBody,
    OcoBody,
    OrderBody,
    OsoBody,
    TermsBody,
    only_another_qty,
    sign_of,
    terms_of,
    time_ns,
)

_DRY_RUN_ORDERS = 4
_TRADING = (
    "order/placeorder",
    "order/modifyorder",
    "order/cancelorder",
    "order/liquidateposition",
    "order/placeoco",
    "order/placeoso",
    "orderstrategy/startorderstrategy",
)


class Trading:
    """See the module's docstring."""

    def __init__(self, house: House, library: Library) -> None:
        self._house = house
        self._venue = house.venue
        self._library = library
        self._faults = house.faults

    def routes(self) -> dict[str, Handler]:
        return {
            "order/placeorder": self._place,
            "order/modifyorder": self._modify,
            "order/cancelorder": self._cancel,
            "order/liquidateposition": self._liquidate,
            "order/placeoco": self._place_oco,
            "order/placeoso": self._place_oso,
            "order/dryrun": self._dry_run,
        }

    def receive(self, call: Call) -> Received | None:
        """Write a trading request down; None when it is none."""
        if call.endpoint not in _TRADING:
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
        body = call.body(OrderBody)
        sign, terms = sign_of(body.action), terms_of(body, body.order_qty)

        def act() -> dict[str, Any]:
            account_id = self._trading_account(call, body)
            self.refuse_on_demand(account_id)
            late = self._faults.late_rejects.take(account_id)
            waits_s = self._until_s(body.activation_time)
            held = late is not None or waits_s > 0
            order = self._venue.place(account_id, body.symbol, sign, terms(), self._origin(call, body), held=held)
            if late is not None:
                self._reject_later(order.order_id, late)
            elif held:
                self._house.later(waits_s, lambda: self._venue.release_held(order.order_id))
            self._expire_later(order)
            return {"orderId": order.order_id}

        return _answered(act)

    def _place_oco(self, call: Call) -> Answer:
        body = call.body(OcoBody)
        first, other = self._leg(call, body, body.order_qty), self._leg(call, body.other, body.order_qty)

        def act() -> dict[str, Any]:
            account_id = self._trading_account(call, body)
            self.refuse_on_demand(account_id)
            pair = self._venue.place_oco(account_id, body.symbol, first(), other())
            self._expire_later(*pair)
            return {"orderId": pair[0].order_id, "ocoId": pair[1].order_id}

        return _answered(act)

    def _place_oso(self, call: Call) -> Answer:
        body = call.body(OsoBody)
        entry = self._leg(call, body, body.order_qty)
        brackets = [self._leg(call, leg, body.order_qty) for leg in (body.bracket1, body.bracket2) if leg]

        def act() -> dict[str, Any]:
            account_id = self._trading_account(call, body)
            self.refuse_on_demand(account_id)
            parent, children = self._venue.place_oso(account_id, body.symbol, entry(), [leg() for leg in brackets])
            self._expire_later(parent, *children)
            ids = {f"oso{number}Id": child.order_id for number, child in enumerate(children, start=1)}
            return {"orderId": parent.order_id, **ids}

        return _answered(act)

    def _modify(self, call: Call) -> Answer:
        body = call.body(ModifyBody)
        terms = terms_of(body, body.order_qty)
        account_id = self._own_order(call, body.order_id)

        def act() -> dict[str, Any]:
            self.refuse_on_demand(account_id)
            order = self._venue.orders[body.order_id]
            wanted = only_another_qty(order.terms, body) if order.terms.trail is not None else terms()
            if body.time_in_force is None:
                kept = order.terms
                wanted = msgspec.structs.replace(wanted, time_in_force=kept.time_in_force, expires_ns=kept.expires_ns)
            command = self._venue.modify(body.order_id, wanted, self._origin(call, body))
            self._expire_later(order)
            return {"commandId": command.command_id}

        return _answered(act)

    def _cancel(self, call: Call) -> Answer:
        body = call.body(CancelBody)
        account_id = self._own_order(call, body.order_id)

        def act() -> dict[str, Any]:
            self.refuse_on_demand(account_id)
            return {"commandId": self._venue.cancel(body.order_id, self._origin(call, body)).command_id}

        return _answered(act)

    def _liquidate(self, call: Call) -> Answer:
        body = call.body(LiquidateBody)

        def act() -> dict[str, Any]:
            if body.account_id not in self._library.account_ids(call):
                raise Refused(Reason.UNAUTHORIZED, f"There is no account {body.account_id}")
            listed = self._venue.catalogue.by_id.get(body.contract_id)
            if listed is None or not listed.front:
                raise Refused(Reason.INVALID_CONTRACT, f"There is no contract {body.contract_id}")
            self.refuse_on_demand(body.account_id)
            order = self._venue.liquidate(body.account_id, body.contract_id, self._origin(call, body))
            # The page does not say what a flat account's liquidation answers: neither an order nor a failure here.
            return {} if order is None else {"orderId": order.order_id}

        return _answered(act)

    def _dry_run(self, call: Call) -> Answer:
        """What would become of up to four orders. The page names the rejectReason and not the answer's shape: here it
        is one entry an order, in the order of the request."""
        bodies = call.body(DryRun).orders or [call.body(OrderBody)]
        if len(bodies) > _DRY_RUN_ORDERS:
            raise Malformed(f"orders must be {_DRY_RUN_ORDERS} or fewer")
        return Answer(data={"orders": [self._dry(call, body) for body in bodies]})

    def _dry(self, call: Call, body: OrderBody) -> dict[str, Any]:
        sign, terms = sign_of(body.action), terms_of(body, body.order_qty)
        try:
            self._venue.check(self.account(call, body.account_id, body.account_spec), body.symbol, sign, terms())
        except Refused as refused:
            return {"rejectReason": refused.reason.value, "rejectText": refused.text}
        return {"rejectReason": "Success"}

    # --- reading a wish ----------------------------------------------------------------------------------------------

    def account(self, call: Call, account_id: int | None, spec: str | None) -> int:
        """The login's account that is named by id or by spec. Raises Refused."""
        found = account_id if account_id is not None else self._by_spec(call, spec or "")
        if found is None or found not in self._library.account_ids(call):
            raise Refused(Reason.UNAUTHORIZED, f"There is no account {found or spec}")
        return found

    def _trading_account(self, call: Call, body: OrderBody) -> int:
        return self.account(call, body.account_id, body.account_spec)

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

    def _leg(self, call: Call, body: LegBody, qty: int) -> Callable[[], Leg]:
        sign, terms = sign_of(body.action), terms_of(body, qty)
        return lambda: Leg(sign=sign, terms=terms(), origin=self._origin(call, body))

    def _origin(self, call: Call, body: TermsBody | CancelBody | LiquidateBody) -> Origin:
        assert call.session is not None
        return Origin(
            cl_ord_id=None if isinstance(body, LiquidateBody) else _optional_text(body.cl_ord_id),
            custom_tag=body.custom_tag50,
            automated=body.is_automated,
            user_id=call.session.user.user_id,
            session_id=call.session.session_id,
        )

    def refuse_on_demand(self, account_id: int) -> None:
        """Raises Refused when the control socket ordered it."""
        refusal = self._faults.rejects.take(account_id)
        if refusal is not None:
            raise Refused(refusal.reason, refusal.text)

    def _until_s(self, at: datetime | None) -> float:
        return 0.0 if at is None else (time_ns(at) - self._house.clock.now_ns()) / 1e9

    def _expire_later(self, *orders: Order) -> None:
        """End good-till-date orders when their date comes."""
        for order in orders:
            expires_ns = order.terms.expires_ns
            if expires_ns is not None:
                left_s = max(0.0, (expires_ns - self._house.clock.now_ns()) / 1e9)
                self._house.later(left_s, lambda order=order: self._expire(order))

    def _expire(self, order: Order) -> None:
        expires_ns = order.terms.expires_ns
        if expires_ns is None or not order.status.live:
            return
        if expires_ns <= self._house.clock.now_ns():
            self._venue.expire(order.order_id)
        else:
            self._expire_later(order)  # the timer was a little early, or the date is a later one by now

    def _reject_later(self, order_id: int, late: Refusal) -> None:
        self._house.later(late.after_s, lambda: self._venue.reject_held(order_id, late.reason, late.text))


def _answered(act: Callable[[], dict[str, Any]]) -> Answer:
    try:
        return Answer(data=act())
    except Refused as refused:
        data: dict[str, Any] = {"failureReason": refused.reason.value, "failureText": refused.text}
        return Answer(data=data if refused.order_id is None else data | {"orderId": refused.order_id})


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)
