"""A practice account: its positions from fills, its money, and the risk checks before an order.

Pure. Used by `venue.py`. Positions close first in, first out; prices are ticks, sides +1 and -1; money is Decimal.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.orders import Fill, Order, Pair, Reason, Refused

ZERO = Decimal(0)


@dataclass(slots=True, eq=False)
class _Lot:
    fill: Fill
    left: int


@dataclass(slots=True, eq=False)
class Holding:
    """What an account holds, and has traded today, of one contract. A flat one stays listed."""

    position_id: int
    contract: ListedContract
    net: int = 0
    bought: int = 0
    bought_ticks: int = 0
    sold: int = 0
    sold_ticks: int = 0
    realized_ticks: int = 0
    changed_ns: int = 0
    lots: deque[_Lot] = field(default_factory=deque[_Lot])

    @property
    def cost_ticks(self) -> int:
        """Sum of price times quantity of the open lots."""
        return sum(lot.left * lot.fill.ticks for lot in self.lots)

    @property
    def average(self) -> Decimal | None:
        """Average price of the open lots; None when flat."""
        return self.contract.product.tick_size * self.cost_ticks / abs(self.net) if self.net else None

    def open_ticks(self, mark: int) -> int:
        sign = 1 if self.net > 0 else -1
        return self.net * mark - sign * self.cost_ticks

    def apply(self, fill: Fill, next_id: Callable[[], int]) -> list[Pair]:
        """Take a fill in: pair it with open lots of the other side, keep what is left as a lot."""
        if fill.sign > 0:
            self.bought += fill.qty
            self.bought_ticks += fill.qty * fill.ticks
        else:
            self.sold += fill.qty
            self.sold_ticks += fill.qty * fill.ticks
        pairs: list[Pair] = []
        left = fill.qty
        while left and self.lots and self.net * fill.sign < 0:
            lot = self.lots[0]
            part = min(left, lot.left)
            buy, sell = (fill, lot.fill) if fill.sign > 0 else (lot.fill, fill)
            pairs.append(
                Pair(
                    pair_id=next_id(),
                    account_id=fill.account_id,
                    contract=self.contract,
                    buy_fill_id=buy.fill_id,
                    sell_fill_id=sell.fill_id,
                    qty=part,
                    buy_ticks=buy.ticks,
                    sell_ticks=sell.ticks,
                )
            )
            self.realized_ticks += part * (sell.ticks - buy.ticks)
            left -= part
            lot.left -= part
            self.net += part * fill.sign
            if not lot.left:
                self.lots.popleft()
        if left:
            self.lots.append(_Lot(fill, left))
            self.net += left * fill.sign
        self.changed_ns = fill.at_ns
        return pairs


@dataclass(slots=True, eq=False)
class Account:
    """One account. `max_position` caps contracts per contract, `max_order` per order; None is no cap."""

    account_id: int
    name: str
    user_id: int
    balance: Decimal
    live: bool = False
    active: bool = True
    readonly: bool = False
    locked: bool = False
    liquidate_only: bool = False
    max_position: int | None = None
    max_order: int | None = 100
    holdings: dict[int, Holding] = field(default_factory=dict[int, Holding])

    @property
    def realized(self) -> Decimal:
        """Today's realised P&L."""
        return sum((held.contract.money(held.realized_ticks) for held in self.holdings.values()), ZERO)

    def open_pnl(self, marks: dict[int, int]) -> Decimal:
        """Open P&L at `marks` (contract id -> ticks)."""
        return sum(
            (held.contract.money(held.open_ticks(marks[key])) for key, held in self.holdings.items() if held.net), ZERO
        )

    def margin(self, *, initial: bool) -> Decimal:
        return sum(
            (
                abs(held.net) * (held.contract.initial_margin if initial else held.contract.maintenance_margin)
                for held in self.holdings.values()
            ),
            ZERO,
        )

    def net(self, contract: ListedContract) -> int:
        held = self.holdings.get(contract.contract_id)
        return held.net if held else 0

    def check(self, order: Order, working: Iterable[Order], marks: dict[int, int]) -> None:
        """Refuse an order this account may not send. `working` are its other live orders. What can only reduce
        passes every check but the lock. The venue's word for a lack of margin is not in the public pages: it is
        `NotEnoughLiquidity` here, with the sums in the text."""
        if not self.active:
            raise Refused(Reason.ACCOUNT_CLOSED, f"Account {self.name} is closed")
        if self.readonly:
            raise Refused(Reason.UNAUTHORIZED, f"Account {self.name} is read-only")
        if self.locked:
            raise Refused(Reason.LOCKED, f"Trading is locked for account {self.name}")
        if self.max_order is not None and order.terms.qty > self.max_order:
            raise Refused(Reason.MAX_ORDER_QTY, f"Order quantity {order.terms.qty} is above {self.max_order}")
        net = self.net(order.contract)
        alone = net + order.sign * order.left
        if abs(alone) <= abs(net) and alone * net >= 0:
            return
        others = [o for o in working if o.contract is order.contract and o.sign == order.sign]
        after = alone + order.sign * sum(o.left for o in others if o is not order and o.order_id != order.oco_id)
        if self.liquidate_only:
            raise Refused(Reason.LIQUIDATION_ONLY, f"Account {self.name} may only reduce positions")
        if self.max_position is not None and abs(after) > self.max_position:
            raise Refused(Reason.MAX_POSITION, f"Position {after} would be above the limit of {self.max_position}")
        needed = self.margin(initial=True) + order.contract.initial_margin * (abs(after) - abs(net))
        has = self.balance + self.realized + self.open_pnl(marks)
        if abs(after) > abs(net) and needed > has:
            raise Refused(Reason.NOT_ENOUGH_LIQUIDITY, f"Insufficient margin: {needed} needed, {has} available")
