"""The control socket: faults to order, the venue's truth to read, the leader and the market to command.

A Unix socket; one JSON object a line, ``{"order": name, ...}``, answered by one line, ``{"ok": true, ...}`` or
``{"ok": false, "error": sentence}``. `client.py` is its client. ``login`` '' (the default) means every login, no
``account`` (a name) means every account, ``count`` is 1 by default; all seconds may be fractions. Terms are qty, type,
limit, stop, trail (a trailing stop's distance) and time_in_force. The Binance door, which has no logins, is the login
``binance``: at it `events` has the shares of stream messages that come twice, or never (`drop_fills`), and whether what
happens at once comes shuffled; `shutdown` is its serverShutdown event, and `silence` loses what it holds back.

| order | fields | what it does |
|---|---|---|
| ping | | answers |
| clear | | no faults any more |
| latency | login, p50_ms, p95_ms, max_ms | requests come in after a lognormal delay, capped; p50_ms 0 ends it |
| reject | account, count, reason, text | the next trading requests are refused at once |
| late_reject | account, count, reason, text, after_s | the next orders get an id, and are refused `after_s` later |
| lose_request | account, count | the next trading requests never reach the venue, and nothing is said of them |
| drop_answer | account, count | the next trading requests are carried out; their answers never come (REST: a reset) |
| http_error | account, count, status | the next trading requests are carried out and answered 5xx |
| throttle | login, count | the next requests are answered 429 |
| ticket | endpoint, count, wait_s, captcha | the next calls of an endpoint get a p-ticket |
| expire | login | tokens expire now |
| disconnect | login, frame, refuse_s | breaks at the user socket's frame-th frame (0: now); no new one so long |
| silence | login, seconds | sockets stay open and send nothing |
| hang | login, seconds | requests lie unread |
| empty | login, seconds | lists are answered ``[]``, with status 200, all but the accounts themselves |
| babble | login, per_s, seconds, garbled | so many messages a second that nobody asked for; garbled: unreadable ones |
| events | login, duplicate, drop_fills, reorder, before_answer | shares 0 to 1 and switches; what is not given is off |
| listing | login, symbol, tick_size, listed, expires_in_days | another tick size or expiry is told, or no contract |
| roll | symbol | from now on the month after this contract's is the front one; its market stays |
| replay | login | every entity of the session is told again as just created |
| shutdown | login, code, text | the shutdown event |
| go_away | login | the close frame ``c[3000,"Go away!"]`` |
| state | account, since | accounts, positions, all orders, fills and requests; `since` skips received ones |
| leader | action (start, stop, step), pace_s, flat, steps | the scripted leader; `stop` cancels its orders |
| trade | account, side (buy, sell), qty, symbol, cl_ord_id, and terms | an order from another front end |
| oco | account, side, qty, symbol, target, guard | a limit at `target` and a stop at `guard`, one cancels the other |
| bracket | as trade, with target, guard | an order with the exits that wait behind it: a limit, a stop, or both |
| modify | order_id, and terms | other terms from another front end |
| cancel | order_id | a cancel from another front end |
| print | symbol, limit, qty, side | the market trades so many at a price, taking from what rests (side: who took) |
| account | account, locked, liquidate_only, active, readonly, max_position, max_order | sets what is given; 0: no cap |
| market | paused | the market stands still, or goes on |
| session | open | closed: day orders expire, new ones are refused |
"""

import asyncio
import math
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from brokers.sandbox.doors import VenueDoor
from brokers.sandbox.faults import EventFaults, Latency, Listing, Refusal, Ticketing
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Order, Origin, Reason, Refused, Terms
from brokers.sandbox.tradovate_call import encode, endpoint_name
from brokers.sandbox.tradovate_records import action
from schema.records import OrderType, Side, TimeInForce

if TYPE_CHECKING:
    from brokers.sandbox.server import Sandbox


_BABBLE_EVERY_S = 0.01


class BadOrder(Exception):
    """An order of the control socket that can't be done; one sentence."""


class ControlOrder(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Every field any order may have; see the module's table."""

    order: str
    login: str = ""
    account: str | None = None
    count: int = 1
    reason: Reason = Reason.OTHER
    text: str = "Refused on demand"
    code: str = "Maintenance"
    after_s: float = 0.2
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    max_ms: float = math.inf
    status: int = 500
    endpoint: str = ""
    wait_s: float = 1.0
    captcha: bool = False
    frame: int = 0
    refuse_s: float = 0.0
    seconds: float = 1.0
    per_s: int = 1_000
    garbled: bool = False
    duplicate: float = 0.0
    drop_fills: float = 0.0
    reorder: bool = False
    before_answer: bool = False
    since: int = 0
    action: str = "start"
    pace_s: float | None = None
    flat: bool = False
    steps: int = 1
    side: Side = Side.BUY
    qty: int = 1
    symbol: str = "ESH4"
    type: OrderType = OrderType.MARKET
    limit: Decimal | None = None
    stop: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    target: Decimal | None = None
    guard: Decimal | None = None
    cl_ord_id: str | None = None
    order_id: int = 0
    locked: bool | None = None
    liquidate_only: bool | None = None
    active: bool | None = None
    readonly: bool | None = None
    max_position: int | None = None
    max_order: int | None = None
    paused: bool = True
    tick_size: Decimal | None = None
    listed: bool = True
    expires_in_days: float | None = None
    open: bool = False


class Control:
    """Carries out the orders of the control socket on a sandbox."""

    def __init__(self, sandbox: "Sandbox") -> None:
        self._sandbox = sandbox
        self._venue = sandbox.venue
        self._doors = sandbox.doors
        self._house = sandbox.house
        self._faults = sandbox.house.faults
        self._orders: dict[str, Callable[[ControlOrder], dict[str, Any] | None]] = {
            "ping": lambda _: None,
            "clear": lambda _: self._faults.clear(),
            "latency": self._latency,
            "reject": lambda o: self._faults.rejects.add(self._account(o), o.count, _refusal(o)),
            "late_reject": lambda o: self._faults.late_rejects.add(self._account(o), o.count, _refusal(o)),
            "lose_request": lambda o: self._faults.lost_requests.add(self._account(o), o.count, True),
            "drop_answer": lambda o: self._faults.hidden_answers.add(self._account(o), o.count, True),
            "http_error": lambda o: self._faults.broken_answers.add(self._account(o), o.count, o.status),
            "throttle": lambda o: self._faults.throttles.add(o.login or None, o.count, 429),
            "ticket": self._ticket,
            "expire": lambda o: {"tokens": self._sum(lambda door: door.expire(o.login))},
            "disconnect": self._disconnect,
            "silence": lambda o: self._hold(self._faults.silent_until_ns, o),
            "hang": lambda o: self._hold(self._faults.hanging_until_ns, o),
            "empty": lambda o: self._hold(self._faults.empty_until_ns, o),
            "babble": self._babble,
            "events": self._events,
            "listing": self._listing,
            "roll": self._roll,
            "replay": lambda o: {"events": self._sum(lambda door: door.replay(o.login))},
            "shutdown": lambda o: {"sockets": self._sum(lambda door: door.shutdown(o.login, o.code, o.text))},
            "go_away": lambda o: {"sockets": self._sum(lambda door: door.go_away(o.login))},
            "state": self._state,
            "leader": self._leader,
            "trade": self._trade,
            "oco": self._oco,
            "bracket": self._bracket,
            "modify": self._modify,
            "cancel": self._cancel,
            "print": self._print,
            "account": self._set_account,
            "market": self._market,
            "session": self._session,
        }  # fmt: skip

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a line in, a line out, until it closes."""
        try:
            while line := await reader.readline():
                writer.write(encode(self.carry_out(line)) + b"\n")
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def carry_out(self, line: bytes) -> dict[str, Any]:
        """One order, as its line, and its answer."""
        try:
            wish = msgspec.json.decode(line, type=ControlOrder)
            if wish.order not in self._orders:
                raise BadOrder(f"there is no order {wish.order!r}; the orders are {', '.join(sorted(self._orders))}.")
            return {"ok": True} | (self._orders[wish.order](wish) or {})
        except (msgspec.MsgspecError, BadOrder) as error:
            return {"ok": False, "error": str(error)}
        except Refused as refused:
            return {"ok": False, "error": f"{refused.reason}: {refused.text}"}

    # --- faults ------------------------------------------------------------------------------------------------------

    def _account(self, wish: ControlOrder) -> int | None:
        return None if wish.account is None else self._named(wish)

    def _named(self, wish: ControlOrder) -> int:
        for account in self._venue.accounts.values():
            if account.name == wish.account:
                return account.account_id
        raise BadOrder(f"account: there is no {wish.account!r}.")

    def _latency(self, wish: ControlOrder) -> None:
        self._faults.latency.pop(wish.login, None)
        if wish.p50_ms > 0:
            self._faults.latency[wish.login] = Latency(
                p50_ms=wish.p50_ms, p95_ms=max(wish.p50_ms, wish.p95_ms), max_ms=wish.max_ms
            )

    def _ticket(self, wish: ControlOrder) -> None:
        ticketing = Ticketing(wait_s=wish.wait_s, captcha=wish.captcha)
        self._faults.tickets.add(endpoint_name(wish.endpoint), wish.count, ticketing)

    def _hold(self, until_ns: dict[str, int], wish: ControlOrder) -> None:
        until_ns[wish.login] = self._house.clock.now_ns() + round(wish.seconds * 1e9)

    def _babble(self, wish: ControlOrder) -> None:
        self._hold(self._faults.babbling_until_ns, wish)
        per_turn = max(1, round(wish.per_s * _BABBLE_EVERY_S))

        def turn() -> None:
            if self._faults.left_s(self._faults.babbling_until_ns, wish.login):
                self._sum(lambda door: door.babble(wish.login, per_turn, garbled=wish.garbled))
                self._house.later(_BABBLE_EVERY_S, turn)

        turn()

    def _disconnect(self, wish: ControlOrder) -> dict[str, Any]:
        if wish.refuse_s:
            self._faults.refuse_until_ns[wish.login] = self._house.clock.now_ns() + round(wish.refuse_s * 1e9)
        if wish.frame > 0:
            self._faults.frames_left[wish.login] = wish.frame
            return {"sockets": 0}
        return {"sockets": self._sum(lambda door: door.disconnect(wish.login))}

    def _events(self, wish: ControlOrder) -> None:
        self._faults.events[wish.login] = EventFaults(
            duplicate=wish.duplicate,
            drop_fills=wish.drop_fills,
            reorder=wish.reorder,
            before_answer=wish.before_answer,
        )

    def _listing(self, wish: ControlOrder) -> None:
        if wish.symbol not in self._venue.catalogue.by_symbol:
            raise BadOrder(f"symbol: there is no {wish.symbol!r}.")
        expires_ns = None
        if wish.expires_in_days is not None:
            expires_ns = self._house.clock.now_ns() + round(wish.expires_in_days * 86_400e9)
        self._faults.listings[wish.login, wish.symbol] = Listing(
            tick_size=wish.tick_size, listed=wish.listed, expires_ns=expires_ns
        )

    def _roll(self, wish: ControlOrder) -> None:
        contract = self._venue.catalogue.by_symbol.get(wish.symbol)
        if contract is None:
            raise BadOrder(f"symbol: there is no {wish.symbol!r}.")
        self._venue.catalogue.roll(contract.product.root)

    def _sum(self, act: Callable[[VenueDoor], int]) -> int:
        """Do it at every door; a login is known to one of them only."""
        return sum(act(door) for door in self._doors.values())

    # --- the venue's truth -------------------------------------------------------------------------------------------

    def _state(self, wish: ControlOrder) -> dict[str, Any]:
        only = self._account(wish)
        wanted = [a for a in self._venue.accounts.values() if only in (None, a.account_id)]
        ids, marks = {account.account_id for account in wanted}, self._venue.marks()
        names = {account.account_id: account.name for account in self._venue.accounts.values()}
        return {
            "now_ns": self._house.clock.now_ns(),
            "market_ns": self._sandbox.market.now_ns,
            "accounts": [
                {
                    "account": account.name,
                    "id": account.account_id,
                    "balance": account.balance,
                    "realized_pnl": account.realized,
                    "open_pnl": account.open_pnl(marks),
                    "positions": {held.contract.symbol: held.net for held in account.holdings.values() if held.net},
                    "working": sum(1 for _ in self._venue.live_orders(account.account_id)),
                }
                for account in wanted
            ],
            "orders": [self._shown(order, names) for order in self._venue.orders.values() if order.account_id in ids],
            "fills": [
                {
                    "fill_id": fill.fill_id,
                    "order_id": fill.order_id,
                    "account": names[fill.account_id],
                    "symbol": fill.contract.symbol,
                    "action": action(fill.sign),
                    "qty": fill.qty,
                    "price": fill.contract.price(fill.ticks),
                    "at_ns": fill.at_ns,
                }
                for fill in self._venue.fills
                if fill.account_id in ids
            ],
            "requests": {login: dict(kinds) for login, kinds in self._house.requests.items()},
            "received": [
                {
                    "endpoint": each.endpoint,
                    "login": each.login,
                    "account": names.get(each.account_id or 0),
                    "cl_ord_id": each.cl_ord_id,
                    "arrived_ns": each.arrived_ns,
                    "outcome": each.outcome,
                    "order_id": each.order_id,
                }
                for each in self._house.received[wish.since :]
                if only is None or each.account_id == only
            ],
        }

    def _shown(self, order: Order, names: dict[int, str]) -> dict[str, Any]:
        terms = order.terms
        return {
            "order_id": order.order_id,
            "account": names[order.account_id],
            "symbol": order.contract.symbol,
            "action": action(order.sign),
            "type": (OrderType.TRAILING_STOP if terms.trail is not None else terms.order_type).value,
            "qty": terms.qty,
            "filled": order.filled_qty,
            "limit": terms.limit,
            "stop": terms.stop,
            "trail": terms.trail,
            "trigger": order.trigger,
            "time_in_force": terms.time_in_force.value,
            "status": order.status.value,
            "cl_ord_id": self._venue.commands[order.command_id].origin.cl_ord_id,
            "oco_id": order.oco_id,
            "parent_id": order.parent_id,
            "placed_ns": order.placed_ns,
        }

    # --- trading and the market --------------------------------------------------------------------------------------

    def _leader(self, wish: ControlOrder) -> dict[str, Any]:
        if wish.pace_s is not None:
            self._sandbox.leader_pace_s = wish.pace_s
        match wish.action:
            case "start":
                self._sandbox.leading.set()
            case "stop":
                self._sandbox.leading.clear()
                self._sandbox.leader.rest(flat=wish.flat)
            case "step":
                return {"actions": [self._sandbox.leader.step() for _ in range(wish.steps)]}
            case _:
                raise BadOrder("action must be start, stop or step.")
        return {"steps": self._sandbox.leader.steps}

    def _trade(self, wish: ControlOrder) -> dict[str, Any]:
        terms = _terms(wish)
        origin = Origin(cl_ord_id=wish.cl_ord_id)
        order = self._venue.place(self._named(wish), wish.symbol, wish.side.sign, terms, origin)
        return {"order_id": order.order_id, "status": order.status.value, "filled": order.filled_qty}

    def _oco(self, wish: ControlOrder) -> dict[str, Any]:
        first, other = self._exits(wish, wish.side.sign, 2)
        pair = self._venue.place_oco(self._named(wish), wish.symbol, first, other)
        return {"order_ids": [order.order_id for order in pair]}

    def _bracket(self, wish: ControlOrder) -> dict[str, Any]:
        terms = _terms(wish)
        entry = Leg(sign=wish.side.sign, terms=terms, origin=Origin(cl_ord_id=wish.cl_ord_id))
        exits = self._exits(wish, -wish.side.sign, 1)
        parent, children = self._venue.place_oso(self._named(wish), wish.symbol, entry, exits)
        return {"order_ids": [parent.order_id, *(child.order_id for child in children)]}

    def _exits(self, wish: ControlOrder, sign: int, at_least: int) -> list[Leg]:
        """The target and the guard that an order names, in that order."""
        legs: list[Leg] = []
        if wish.target is not None:
            legs.append(Leg(sign=sign, terms=Terms(qty=wish.qty, order_type=OrderType.LIMIT, limit=wish.target)))
        if wish.guard is not None:
            legs.append(Leg(sign=sign, terms=Terms(qty=wish.qty, order_type=OrderType.STOP, stop=wish.guard)))
        if len(legs) < at_least:
            raise BadOrder("target, guard: name a price for the limit and one for the stop.")
        return legs

    def _modify(self, wish: ControlOrder) -> None:
        if wish.order_id not in self._venue.orders:
            raise BadOrder(f"order_id: there is no order {wish.order_id}.")
        terms = _terms(wish)
        self._venue.modify(wish.order_id, terms, Origin())

    def _print(self, wish: ControlOrder) -> None:
        contract = self._venue.catalogue.by_symbol.get(wish.symbol)
        ticks = None if contract is None or wish.limit is None else contract.ticks(wish.limit)
        if contract is None or ticks is None:
            raise BadOrder("symbol, limit: name a contract, and a price that is a multiple of its tick.")
        self._venue.market_trade(contract.contract_id, ticks, wish.qty, wish.side.sign)

    def _cancel(self, wish: ControlOrder) -> None:
        if wish.order_id not in self._venue.orders:
            raise BadOrder(f"order_id: there is no order {wish.order_id}.")
        self._venue.cancel(wish.order_id, Origin())

    def _set_account(self, wish: ControlOrder) -> None:
        account = self._venue.accounts[self._named(wish)]
        for name in ("locked", "liquidate_only", "active", "readonly", "max_position", "max_order"):
            value = getattr(wish, name)
            if value is not None:
                setattr(account, name, value if isinstance(value, bool) else value or None)
        self._venue.account_changed(account.account_id)

    def _market(self, wish: ControlOrder) -> None:
        self._sandbox.market_paused = wish.paused

    def _session(self, wish: ControlOrder) -> None:
        if wish.open:
            self._venue.session_open = True
        else:
            self._venue.close_session()


def _refusal(wish: ControlOrder) -> Refusal:
    return Refusal(reason=wish.reason, text=wish.text, after_s=wish.after_s)


def _terms(wish: ControlOrder) -> Terms:
    return Terms(
        qty=wish.qty,
        order_type=OrderType.STOP if wish.type is OrderType.TRAILING_STOP else wish.type,
        limit=wish.limit,
        stop=wish.stop,
        trail=wish.trail,
        time_in_force=wish.time_in_force,
    )
