"""The scripted leader: trades its own account from inside the venue, as if from another front end.

Pure: randomness passed in, one action a `step`. The server gives it its pace; the control socket starts and stops it.
Scales in and out, rests limits at the touch (which fill in parts), flips, and leaves stops that reverse the position;
whatever of its orders fills, the position stays within `limit` contracts.
"""

from random import Random

import msgspec

from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.orders import Order, Origin, Refused, Terms
from brokers.sandbox.venue import Venue
from schema.records import OrderType

_FLAT = {"enter": 4, "rest": 1}
_IN_THE_MARKET = {
    "scale in": 6,
    "scale out": 6,
    "flip": 3,
    "rest": 2,
    "rest out": 2,
    "stop and reverse": 2,
    "reprice": 1,
}
_LIMIT_STEPS = 6
_STOP_STEPS = 25


class Leader:
    """See the module's docstring."""

    def __init__(self, venue: Venue, account_id: int, contract: ListedContract, random: Random, limit: int = 6) -> None:
        self.steps = 0
        self._venue = venue
        self._account_id = account_id
        self._contract = contract
        self._random = random
        self._limit = limit
        self._since: dict[int, int] = {}

    def step(self) -> str:
        """Cancel what has waited too long, then do one thing; returns what it was."""
        self.steps += 1
        for order in self._working():
            if order.status.live and self.steps - self._since.get(order.order_id, 0) > _patience(order):
                self._venue.cancel(order.order_id, Origin())
        net = self._venue.accounts[self._account_id].net(self._contract)
        weights = dict(_IN_THE_MARKET if net else _FLAT)
        while weights:
            action = self._random.choices(list(weights), list(weights.values()))[0]
            try:
                if self._act(action, net):
                    return action
            except Refused as refused:
                return f"{action}: {refused.reason}"
            del weights[action]
        for order in self._working():  # what rests leaves no room for anything else
            if order.status.live:
                self._venue.cancel(order.order_id, Origin())
                return "cancel"
        return "wait"

    def rest(self, *, flat: bool) -> None:
        """Cancel what works; with `flat`, close the position too."""
        for order in self._working():
            if order.status.live:
                self._venue.cancel(order.order_id, Origin())
        if flat:
            self._venue.liquidate(self._account_id, self._contract.contract_id, Origin())

    # --- inside ----------------------------------------------------------------------------------------------------

    def _working(self) -> list[Order]:
        return [order for order in self._venue.live_orders(self._account_id) if order.contract is self._contract]

    def _act(self, action: str, net: int) -> bool:
        """Do it; False when there is no room or no occasion for it now."""
        sign, working = (net > 0) - (net < 0), self._working()
        match action:
            case "enter":
                return self._place(self._random.choice((1, -1)), self._random.randint(1, 3))
            case "scale in":
                return self._place(sign, self._random.randint(1, 2))
            case "scale out":
                return self._place(-sign, self._random.randint(1, abs(net)))
            case "flip":
                return self._place(-sign, abs(net) + self._random.randint(1, 2))
            case "rest" | "rest out":
                side = -sign if action == "rest out" else sign or self._random.choice((1, -1))
                touch = self._venue.books[self._contract.contract_id].best_market(side)
                if touch is None or any(order.terms.limit for order in working):
                    return False
                return self._place(side, self._random.randint(2, 3), limit=touch)
            case "stop and reverse":
                last = self._venue.last.get(self._contract.contract_id)
                if last is None or any(order.terms.stop for order in working):
                    return False
                return self._place(-sign, 2 * abs(net), stop=last - sign * self._random.randint(1, 2))
            case _:
                return self._reprice(working)

    def _reprice(self, working: list[Order]) -> bool:
        for order in working:
            touch = self._venue.books[self._contract.contract_id].best_market(order.sign)
            if order.terms.limit is not None and touch is not None:
                terms = msgspec.structs.replace(order.terms, limit=self._contract.price(touch))
                if terms != order.terms:
                    self._venue.modify(order.order_id, terms, Origin())
                    return True
        return False

    def _place(self, sign: int, qty: int, *, limit: int | None = None, stop: int | None = None) -> bool:
        net = self._venue.accounts[self._account_id].net(self._contract)
        room = self._limit - sign * net - sum(order.left for order in self._working() if order.sign == sign)
        qty = min(qty, room)
        if qty < 1:
            return False
        price = self._contract.price
        kind = OrderType.STOP if stop is not None else OrderType.LIMIT if limit is not None else OrderType.MARKET
        terms = Terms(
            qty=qty,
            order_type=kind,
            limit=None if limit is None else price(limit),
            stop=None if stop is None else price(stop),
        )
        order = self._venue.place(self._account_id, self._contract.symbol, sign, terms, Origin())
        self._since[order.order_id] = self.steps
        return True


def _patience(order: Order) -> int:
    return _STOP_STEPS if order.terms.order_type is OrderType.STOP else _LIMIT_STEPS
