"""Trading at the ProjectX door: place, modify, cancel, close (`protocols/projectx.md 2.3`).

Every wish that arrives is written down in the house's `received`, whatever becomes of it. A customTag is used up by the
request that carries it, also when the order is refused. Routes are merged by `projectx_door.py`.
"""

from decimal import Decimal
from typing import Any

import msgspec

from brokers.sandbox.doors import House, Received
from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Order, Origin, Reason, Refused, Terms
from brokers.sandbox.projectx_call import Call, Denied, Handler, done
from brokers.sandbox.projectx_models import ASK, BID, ORDER_TYPES
from brokers.sandbox.projectx_reads import Reads
from brokers.sandbox.settings import ProjectXSettings
from schema.records import OrderType, TimeInForce

_LIMIT, _MARKET, _STOP_LIMIT, _STOP, _TRAILING, _JOIN_BID, _JOIN_ASK = 1, 2, 3, 4, 5, 6, 7
_TYPES = {number: order_type for order_type, number in ORDER_TYPES.items()}
_ENDPOINTS = ("order/place", "order/modify", "order/cancel", "position/closecontract", "position/partialclosecontract")
_REJECTED = 2
_CODES = {
    Reason.UNAUTHORIZED: 1,
    Reason.NOT_ENOUGH_LIQUIDITY: 3,
    Reason.LIQUIDATION_ONLY: 4,
    Reason.MAX_ORDER_QTY: 4,
    Reason.MAX_POSITION: 4,
    Reason.SESSION_CLOSED: 5,
    Reason.COMMAND_PENDING: 6,
    Reason.UNKNOWN: 7,
    Reason.INVALID_CONTRACT: 8,
    Reason.BACK_MONTH: 9,
    Reason.LOCKED: 10,
    Reason.ACCOUNT_CLOSED: 10,
}
_CHANGE_CODES = {Reason.COMMAND_PENDING: 4, Reason.UNKNOWN: 5, Reason.LOCKED: 6, Reason.ACCOUNT_CLOSED: 6}
_CLOSE_LATER = {Reason.COMMAND_PENDING: 1, Reason.UNKNOWN: 2, Reason.LOCKED: 3, Reason.ACCOUNT_CLOSED: 3}
Price = Decimal | None


class _Shape(msgspec.Struct, rename="camel", kw_only=True):
    """Base of request bodies."""


class _Bracket(_Shape):
    ticks: int
    type: int


class _Place(_Shape):
    account_id: int
    contract_id: str
    type: int
    side: int
    size: int
    limit_price: Price = None
    stop_price: Price = None
    trail_price: Price = None
    custom_tag: str | None = None
    stop_loss_bracket: _Bracket | None = None
    take_profit_bracket: _Bracket | None = None
    linked_order_id: int | None = None


class _Modify(_Shape):
    account_id: int
    order_id: int
    size: int | None = None
    limit_price: Price = None
    stop_price: Price = None
    trail_price: Price = None


class _Cancel(_Shape):
    account_id: int
    order_id: int


class _Close(_Shape):
    account_id: int
    contract_id: str


class _PartialClose(_Close):
    size: int


class Trading:
    """See the module's docstring."""

    def __init__(self, house: House, reads: Reads, settings: ProjectXSettings) -> None:
        self._house = house
        self._venue = house.venue
        self._faults = house.faults
        self._reads = reads
        self._settings = settings
        self._tags: dict[int, set[str]] = {}

    def routes(self) -> dict[str, Handler]:
        return dict(
            zip(_ENDPOINTS, (self._place, self._modify, self._cancel, self._close, self._partial_close), strict=True)
        )

    def receive(self, call: Call) -> Received | None:
        """Write a trading request down; None when it is none."""
        if call.endpoint not in _ENDPOINTS:
            return None
        account_id, tag = call.arguments.get("accountId"), call.arguments.get("customTag")
        received = Received(
            endpoint=call.endpoint,
            login=call.login,
            account_id=account_id if isinstance(account_id, int) else None,
            cl_ord_id=tag if isinstance(tag, str) else None,
            arrived_ns=call.arrived_ns,
        )
        self._house.received.append(received)
        return received

    # --- place -------------------------------------------------------------------------------------------------------

    def _place(self, call: Call) -> dict[str, Any]:
        body = call.body(_Place)
        try:
            return done(orderId=self._placed(call, body).order_id)
        except Denied as refusal:
            raise Denied(refusal.code, refusal.text, {"orderId": None} | refusal.extra) from None

    def _placed(self, call: Call, body: _Place) -> Order:
        account_id = call.own_account(body.account_id)
        contract = self._reads.contract(call, body.contract_id, 8)
        self._use_tag(account_id, body.custom_tag)
        if (refusal := self._faults.rejects.take(account_id)) is not None:
            raise Denied(_CODES.get(refusal.reason, _REJECTED), refusal.text)
        sign, terms = self._terms(body, contract)
        brackets = self._brackets(body, contract, sign)
        origin = self._origin(call, body.custom_tag)
        late = self._faults.late_rejects.take(account_id)
        if brackets and self._settings.position_brackets:
            if self._settings.refused_bracket_leaves_order:
                self._venue.place(account_id, contract.symbol, sign, terms, origin)
            text = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
            raise Denied(_REJECTED, text)
        try:
            if brackets:
                entry = Leg(sign=sign, terms=terms, origin=origin)
                return self._venue.place_oso(account_id, contract.symbol, entry, brackets)[0]
            order = self._venue.place(account_id, contract.symbol, sign, terms, origin, held=late is not None)
        except Refused as refused:
            known = {"orderId": refused.order_id} if self._settings.reject_names_order else {}
            raise Denied(_CODES.get(refused.reason, _REJECTED), refused.text, known) from None
        if late is not None:
            after_s, reason, text = late.after_s, late.reason, late.text
            self._house.later(after_s, lambda: self._venue.reject_held(order.order_id, reason, text))
        return order

    def _use_tag(self, account_id: int, tag: str | None) -> None:
        if tag is None:
            return
        used = self._tags.setdefault(account_id, set())
        if tag in used:
            raise Denied(_REJECTED, self._settings.duplicate_tag_text)
        used.add(tag)

    def _terms(self, body: _Place, contract: ListedContract) -> tuple[int, Terms]:
        if body.side not in (BID, ASK):
            raise Denied(_REJECTED, "Invalid order side")
        if body.size < 1:
            raise Denied(_REJECTED, "Invalid order size")
        sign = 1 if body.side == BID else -1
        number, limit = body.type, body.limit_price
        if number in (_JOIN_BID, _JOIN_ASK):
            touch = self._venue.books[contract.contract_id].best_market(1 if number == _JOIN_BID else -1)
            if touch is None:
                raise Denied(_REJECTED, "There is no price to join")
            number, limit = _LIMIT, contract.price(touch)
        if number == _TRAILING:
            return sign, self._trailing(body, contract, sign)
        if number not in _TYPES or (number == _STOP_LIMIT and not self._settings.stop_limit):
            raise Denied(_REJECTED, "Invalid order type")
        terms = Terms(
            qty=body.size,
            order_type=_TYPES[number],
            limit=limit if number in (_LIMIT, _STOP_LIMIT) else None,
            stop=body.stop_price if number in (_STOP, _STOP_LIMIT) else None,
            time_in_force=TimeInForce.GTC,
        )
        return sign, terms

    def _trailing(self, body: _Place, contract: ListedContract, sign: int) -> Terms:
        """A stop that follows the market. What trailPrice means is not known for sure, so it is a setting: the distance
        to the last price, or the price at which the stop begins."""
        if body.trail_price is None:
            raise Denied(_REJECTED, "Invalid trail price")
        last = contract.price(self._venue.mark(contract.contract_id))
        distance = (body.trail_price - last) * sign if self._settings.trail_price_is_level else body.trail_price
        return Terms(
            qty=body.size,
            order_type=OrderType.STOP,
            stop=last + sign * distance,
            time_in_force=TimeInForce.GTC,
            trail=distance,
        )

    def _brackets(self, body: _Place, contract: ListedContract, sign: int) -> list[Leg]:
        """The stop loss and the take profit asked for, priced from the entry's fill; ticks are signed from it."""
        legs: list[Leg] = []
        for bracket, name, wanted, side, suffix in (
            (body.stop_loss_bracket, "stop loss", -sign, _STOP, "SL"),
            (body.take_profit_bracket, "take profit", sign, _LIMIT, "TP"),
        ):
            if bracket is None:
                continue
            trailing = side == _STOP and bracket.type == _TRAILING
            if bracket.type != side and not trailing:
                kind = _TYPES[bracket.type].name.title() if bracket.type in _TYPES else str(bracket.type)
                raise Denied(_REJECTED, f"Invalid {name} type ({kind})")
            if bracket.ticks * wanted <= 0:
                relation, going = "less" if wanted < 0 else "greater", "longing" if sign > 0 else "going short"
                raise Denied(
                    _REJECTED,
                    f"Invalid {name} ticks ({bracket.ticks}). Ticks should be {relation} than zero when {going}.",
                )
            if abs(bracket.ticks) < self._settings.min_bracket_ticks:
                raise Denied(_REJECTED, f"Price should be at least {self._settings.min_bracket_ticks} ticks away")
            # A price it never trades at: the fill gives the real one.
            price = contract.price(self._venue.mark(contract.contract_id) + bracket.ticks)
            stop = side == _STOP
            terms = Terms(
                qty=body.size,
                order_type=OrderType.STOP if stop else OrderType.LIMIT,
                limit=None if stop else price,
                stop=price if stop else None,
                time_in_force=TimeInForce.GTC,
                trail=contract.price(abs(bracket.ticks)) if trailing else None,
            )
            origin = Origin(cl_ord_id=f"{body.custom_tag}-{suffix}" if body.custom_tag else None)
            legs.append(Leg(sign=-sign, terms=terms, origin=origin, offset=bracket.ticks))
        return legs

    def _origin(self, call: Call, tag: str | None = None) -> Origin:
        assert call.session is not None
        return Origin(cl_ord_id=tag, user_id=call.session.user.user_id, session_id=call.session.session_id)

    # --- modify, cancel, close ---------------------------------------------------------------------------------------

    def _own_order(self, call: Call, account_id: int, order_id: int) -> Order:
        own, order = call.own_account(account_id), self._venue.orders.get(order_id)
        if order is None or order.account_id != own:
            raise Denied(2, "Order not found")
        if (refusal := self._faults.rejects.take(account_id)) is not None:
            raise Denied(_CHANGE_CODES.get(refusal.reason, 3), refusal.text)
        return order

    def _modify(self, call: Call) -> dict[str, Any]:
        body = call.body(_Modify)
        order = self._own_order(call, body.account_id, body.order_id)
        terms = msgspec.structs.replace(
            order.terms,
            qty=order.terms.qty if body.size is None else body.size,
            limit=order.terms.limit if body.limit_price is None else body.limit_price,
            stop=order.terms.stop if body.stop_price is None else body.stop_price,
        )
        try:
            self._venue.modify(order.order_id, terms, self._origin(call))
        except Refused as refused:
            raise Denied(3, refused.text) from None
        return done()

    def _cancel(self, call: Call) -> dict[str, Any]:
        body = call.body(_Cancel)
        order = self._own_order(call, body.account_id, body.order_id)
        try:
            self._venue.cancel(order.order_id, self._origin(call))
        except Refused as refused:
            raise Denied(3, refused.text) from None
        return done()

    def _close(self, call: Call) -> dict[str, Any]:
        body = call.body(_Close)
        self._close_at_market(call, body, None, rejected=5)
        return done()

    def _partial_close(self, call: Call) -> dict[str, Any]:
        body = call.body(_PartialClose)
        self._close_at_market(call, body, body.size, rejected=6)
        return done()

    def _close_at_market(self, call: Call, body: _Close, size: int | None, *, rejected: int) -> None:
        """Close at market; working orders, brackets among them, stay. `rejected` is the endpoint's first code for what
        the market refuses; pending, unknown and the account's own follow it."""
        account_id = call.own_account(body.account_id)
        contract = self._reads.contract(call, body.contract_id, 3)
        if not contract.front:
            raise Denied(4, "Contract is not active")
        net = self._venue.accounts[account_id].net(contract)
        if not net:
            raise Denied(2, "Position not found")
        if size is not None and not 1 <= size <= abs(net):
            raise Denied(5, "Invalid close size")
        if (refusal := self._faults.rejects.take(account_id)) is not None:
            raise Denied(rejected + _CLOSE_LATER.get(refusal.reason, 0), refusal.text)
        terms = Terms(qty=size or abs(net), order_type=OrderType.MARKET, time_in_force=TimeInForce.GTC)
        try:
            self._venue.place(account_id, contract.symbol, -1 if net > 0 else 1, terms, self._origin(call))
        except Refused as refused:
            raise Denied(rejected + _CLOSE_LATER.get(refused.reason, 0), refused.text) from None
