"""What the venue has said about one login's orders, fills and positions, each fact told once (`protocols/projectx.md`).

Pure but for `emit`: fed by the user hub (`session.py`) and by what was read over HTTP (`reads.py`), in any order, twice
or late. A fill whose order is not known waits while it could belong to an order of ours that has no venue id yet.
"""

from collections import OrderedDict
from decimal import Decimal
from typing import TypeVar

from brokers.adapter import AccountUpdated, Emit, Filled, OrderUpdated, PositionUpdated
from brokers.amounts import time_ns
from brokers.own import OwnOrders
from brokers.projectx import wire
from brokers.projectx.translate import (
    MARKET,
    REJECTED,
    SUSPENDED,
    fill_of,
    may_trade,
    order_of,
    position_of,
    side_of,
    symbol_of,
)
from brokers.text import clean
from schema.clock import Clock
from schema.records import AccountState, Fill, VenueAccount, VenueOrder

T = TypeVar("T")
_KEPT = 50_000
_CLAIM_NS = 5_000_000_000  # a closing order that has no tag shows up this soon


class Facts:
    """See the module's docstring. `accounts` are the login's by venue id."""

    def __init__(self, connection: str, clock: Clock, own: OwnOrders, emit: Emit) -> None:
        self.accounts: dict[int, VenueAccount] = {}
        self.refused_tags: set[str] = set()
        self.live: dict[int, wire.Order] = {}
        self.newest_fill: dict[int, tuple[int, int]] = {}  # account id -> venue time in ns, trade id
        self.held: dict[int, dict[str, int]] = {}  # account id -> symbol -> net, as the stream said it
        self._connection = connection
        self._clock = clock
        self._own = own
        self._emit = emit
        self._tags: OrderedDict[int, str] = OrderedDict()
        self._links: OrderedDict[int, tuple[int, int]] = OrderedDict()  # order id -> its entry, its other
        self._stages: OrderedDict[int, tuple[int, int, int, Decimal | None, Decimal | None]] = OrderedDict()
        self._fills: OrderedDict[int, Decimal] = OrderedDict()  # what each earned
        self._waiting: list[tuple[wire.Trade, int]] = []
        self._closings: list[tuple[str, int, str, int]] = []  # cl_ord_id, account, symbol, until when
        self._seen: dict[int, int] = {}  # order id -> when an event or a reading last spoke of it
        self._realized: dict[int, Decimal] = {}  # by account

    # --- reading ---------------------------------------------------------------------------------------------------

    def name(self, account_id: int) -> str:
        account = self.accounts.get(account_id)
        return account.account if account else ""

    def tag(self, order_id: int) -> str:
        """The client id of an order, as far as it is known."""
        return self._tags.get(order_id, "") or self._own.tag_of(order_id)

    def order_with(self, tag: str) -> int:
        """The venue's id of an order by its client id; 0 when none is known."""
        return next((order_id for order_id, known in reversed(self._tags.items()) if known == tag), 0)

    def working(self, account_id: int, since_ns: int) -> set[int]:
        """The account's orders placed since then that work as far as is known, and that a list must have: a bracket
        that waits for its entry is in none (2.3)."""
        return {
            order.id
            for order in self.live.values()
            if order.account_id == account_id
            and order.status != SUSPENDED
            and time_ns(order.creation_timestamp) > since_ns
        }

    def spoken_of(self, order_id: int) -> bool:
        """Whether the stream or a reading has said anything about an order."""
        return order_id in self._seen

    def leaves_out(self, account_id: int, trades: list[wire.Trade], since_ns: int) -> bool:
        """Whether a list of trades since then lacks one that we know: such an answer is not the account's truth."""
        at_ns, newest = self.newest_fill.get(account_id, (0, 0))
        return at_ns > since_ns and all(trade.id != newest for trade in trades)

    def state(self, account: wire.Account) -> AccountState:
        """Money as the venue says it; realised P&L is what the day's trades that we know earned, after fees."""
        realized = self._realized.get(account.id, Decimal(0))
        return AccountState(account=self.name(account.id), balance=account.balance, realized_pnl=realized)

    # --- what the venue says -----------------------------------------------------------------------------------------

    def closing(self, cl_ord_id: str, account_id: int, symbol: str) -> None:
        """A close was asked for: the next market order without a tag in that contract is it."""
        self._closings.append((cl_ord_id, account_id, symbol, self._clock.now_ns() + _CLAIM_NS))

    def account(self, entity: wire.Account, now_ns: int) -> None:
        if entity.id in self.accounts:
            self._emit(AccountUpdated(connection=self._connection, received_ns=now_ns, state=self.state(entity)))

    def learn_order(self, entity: wire.Order) -> VenueOrder | None:
        """Take an order in without telling it; None when its account is not of this login. Raises UnknownContract,
        and then nothing of it was taken in."""
        name = self.name(entity.account_id)
        if not name:
            return None
        symbol_of(entity.contract_id)
        tag = clean(entity.custom_tag or "")
        if tag:
            _keep(self._tags, entity.id, tag)
        elif entity.type == MARKET and not self.tag(entity.id):
            self._claim(entity)
        _keep(self._seen, entity.id, 0)
        if may_trade(entity):
            self.live[entity.id] = entity
        else:
            self.live.pop(entity.id, None)
        _keep(self._stages, entity.id, _stage(entity))
        self._learn_links(entity)
        known = self.tag(entity.id)
        if known in self._own:
            if entity.status == REJECTED:
                self.refused_tags.add(known)
                self._own.rejected_without_reason(known, entity.id)
            else:
                self._own.accepted(known, entity.id)
        return self.record(entity, name, known)

    def _learn_links(self, entity: wire.Order) -> None:
        links = (entity.parent_order_id or 0, entity.linked_order_id or 0)
        if any(links):
            _keep(self._links, entity.id, links)
            if links[1]:  # the target names its stop, the stop does not name its target
                _keep(self._links, links[1], (links[0], entity.id))

    def record(self, entity: wire.Order, account: str, cl_ord_id: str) -> VenueOrder:
        """An order as the port has it, linked as the stream told."""
        return order_of(entity, account, cl_ord_id, self._links.get(entity.id, (0, 0)))

    def order(self, entity: wire.Order, now_ns: int) -> None:
        """An order's event: told when it says something new. One that is behind what is known tells nothing."""
        before = self._stages.get(entity.id)
        if before is not None and (before == _stage(entity) or _behind(entity, before)):
            return
        record = self.learn_order(entity)
        if record is not None:
            self._emit(OrderUpdated(connection=self._connection, received_ns=now_ns, order=record))
        self.release(now_ns)

    def learn_fill(self, entity: wire.Trade) -> Fill | None:
        """Take a trade in without telling it; None when it is voided or not of this login. Raises UnknownContract, and
        then nothing of it was taken in."""
        name = self.name(entity.account_id)
        if not name or entity.voided:
            return None
        symbol_of(entity.contract_id)
        earned = (entity.profit_and_loss or Decimal(0)) - (entity.fees or Decimal(0))
        before = self._fills.get(entity.id, Decimal(0))
        _keep(self._fills, entity.id, earned)
        self._realized[entity.account_id] = self._realized.get(entity.account_id, Decimal(0)) + earned - before
        at_ns = time_ns(entity.creation_timestamp)
        self.newest_fill[entity.account_id] = max((at_ns, entity.id), self.newest_fill.get(entity.account_id, (0, 0)))
        return fill_of(entity, name, self.tag(entity.order_id))

    def trade(self, entity: wire.Trade, now_ns: int) -> None:
        """A fill, told once for ever; held while its order may be one of ours that is not identified yet."""
        if entity.id in self._fills:
            return
        nameless = not self.tag(entity.order_id) and entity.order_id not in self._seen
        if nameless and self._own.may_be_ours(entity.account_id, symbol_of(entity.contract_id), side_of(entity.side)):
            if all(entity.id != waiting.id for waiting, _ in self._waiting):
                self._waiting.append((entity, now_ns))
            return
        record = self.learn_fill(entity)
        if record is not None:
            self._emit(Filled(connection=self._connection, received_ns=now_ns, fill=record))

    def position(self, entity: wire.Position, now_ns: int) -> None:
        name = self.name(entity.account_id)
        if name:
            position = position_of(entity, name)
            self.held.setdefault(entity.account_id, {})[position.symbol] = position.net_qty
            self._emit(PositionUpdated(connection=self._connection, received_ns=now_ns, position=position))

    def release(self, now_ns: int) -> None:
        """An order became known: fills that waited for it go on."""
        waiting, self._waiting = self._waiting, []
        for entity, _ in waiting:
            self.trade(entity, now_ns)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _claim(self, entity: wire.Order) -> None:
        now_ns, symbol = self._clock.now_ns(), symbol_of(entity.contract_id)
        self._closings = [each for each in self._closings if each[3] > now_ns]
        for number, (cl_ord_id, account_id, wanted, _) in enumerate(self._closings):
            if (account_id, wanted) == (entity.account_id, symbol):
                del self._closings[number]
                _keep(self._tags, entity.id, cl_ord_id)
                return


def _stage(entity: wire.Order) -> tuple[int, int, int, Decimal | None, Decimal | None]:
    return (entity.status, entity.fill_volume or 0, entity.size, entity.limit_price, entity.stop_price)


def _behind(entity: wire.Order, before: tuple[int, int, int, Decimal | None, Decimal | None]) -> bool:
    """Whether an event is older than what is known: an ended order does not come back, filled lots do not go."""
    ended = before[0] in (2, 3, 4, 5)
    if (entity.fill_volume or 0) < before[1] or (ended and may_trade(entity)):
        return True
    return before[0] not in (0, 6, 8) and entity.status in (6, 8)


def _keep(table: dict[int, T], key: int, value: T) -> None:
    table[key] = value
    if len(table) > _KEPT:
        del table[next(iter(table))]
