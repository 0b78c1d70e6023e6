"""One contract's book: the market's own resting liquidity and our accounts' orders, matched by price, then time.

Pure and synchronous; prices are ticks, sides are +1 (bid, buy) and -1 (ask, sell). Called by `venue.py`, which knows
accounts and order types; the book knows only quantities.

What is modelled, always against the account when in doubt:

- A taker takes what is displayed. Taken size is gone until the tape says the level's size anew.
- An order that joins a level stands behind all that the market shows there. Market volume ahead of it goes away by
  trading; when a level shrinks without a trade, the part behind our order is cancelled first.
- A print through a resting order's price fills it, up to the print's size; a print at its price fills it after the
  volume ahead is used up. Opposite liquidity that arrives across a resting order trades with it at the order's price.
- What is left of a market order when the book is empty waits, first in line, for the next opposite liquidity.
"""

from schema.records import Record

MARKET = 0
"""The order id of the market's own side of a match."""


class Match(Record, frozen=True):
    """`qty` traded at `price`. Ids are ours or MARKET; `aggressor` is the taker's side, `printed` whether the tape
    itself has already shown this trade."""

    buy_id: int
    sell_id: int
    price: int
    qty: int
    aggressor: int
    printed: bool = False


class _Resting:
    """One of our orders in the book. `limit` None: a market order's remainder."""

    __slots__ = ("ahead", "limit", "order_id", "remaining", "sign")

    def __init__(self, order_id: int, sign: int, limit: int | None, remaining: int, ahead: int) -> None:
        self.order_id = order_id
        self.sign = sign
        self.limit = limit
        self.remaining = remaining
        self.ahead = ahead


class _Half:
    """One side of the book: the market's levels by price, our queues by price."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.market: dict[int, int] = {}
        self.ours: dict[int, list[_Resting]] = {}
        self._best: int | None = None

    def better(self, price: int, than: int) -> bool:
        return (price - than) * self.sign > 0

    def set(self, price: int, size: int) -> None:
        if size > 0:
            self.market[price] = size
            if self._best is None or self.better(price, self._best):
                self._best = price
        elif self.market.pop(price, None) is not None and price == self._best:
            self._best = max(self.market, key=lambda at: at * self.sign, default=None)

    def best_market(self) -> int | None:
        return self._best

    def best_ours(self) -> int | None:
        return max(self.ours, key=lambda at: at * self.sign, default=None)

    def best(self) -> int | None:
        ours = self.best_ours() if self.ours else None
        if ours is None or self._best is None:
            return self._best if ours is None else ours
        return self._best if self.better(self._best, ours) else ours

    def leave(self, order: _Resting) -> None:
        assert order.limit is not None
        queue = self.ours[order.limit]
        queue.remove(order)
        if not queue:
            del self.ours[order.limit]

    def walk(self, price: int, qty: int, market_size: int) -> tuple[int, list[tuple[_Resting, int]]]:
        """Take up to `qty` at `price` in time order. Returns the market volume used and our fills; the queue is
        brought up to date, the market's level is left to the caller."""
        used, left, fills = 0, qty, list[tuple[_Resting, int]]()
        for order in list(self.ours.get(price, ())):
            if (gap := min(order.ahead, market_size) - used) > 0:
                used += min(gap, left)
                left -= min(gap, left)
            if not left:
                break
            part = min(left, order.remaining)
            order.remaining -= part
            left -= part
            fills.append((order, part))
            if not order.remaining:
                self.leave(order)
        used += min(max(market_size - used, 0), left)
        for order in self.ours.get(price, ()):
            order.ahead = max(0, order.ahead - used)
        return used, fills


class Book:
    """See the module's docstring. Every change returns the matches it caused, in the order they happened."""

    def __init__(self) -> None:
        self._half = {1: _Half(1), -1: _Half(-1)}
        self._resting: dict[int, _Resting] = {}
        self._waiting: dict[int, list[_Resting]] = {1: [], -1: []}

    # --- the market's side -------------------------------------------------------------------------------------

    def set_level(self, sign: int, price: int, size: int) -> list[Match]:
        """The market's total size at a level is now `size` (0: the level is gone)."""
        half = self._half[sign]
        half.set(price, size)
        if not self._resting:
            return []
        for order in half.ours.get(price, ()):
            order.ahead = min(order.ahead, size)
        return self._settle() if size else []

    def clear_market(self) -> None:
        """Forget the market's levels, as before a new session's book is loaded; our orders stay."""
        for sign in (1, -1):
            half = self._half[sign]
            for price in list(half.market):
                half.set(price, 0)

    def trade(self, price: int, size: int, aggressor: int) -> list[Match]:
        """The tape printed a trade; `aggressor` 0 is an auction's, which fills only what it went through. The levels
        themselves are left alone: the tape says their new sizes next."""
        matches: list[Match] = []
        if not self._resting:
            return matches
        for sign in (1, -1):
            if aggressor == sign:
                continue
            half, left = self._half[sign], size
            while left and (best := half.best_ours()) is not None and half.better(best, price):
                _, fills = half.walk(best, left, 0)
                left -= sum(part for _, part in fills)
                matches += self._matches(fills, best, -sign, MARKET, printed=True)
            if left and aggressor and price in half.ours:
                ahead = max(order.ahead for order in half.ours[price])
                _, fills = half.walk(price, left, ahead)
                matches += self._matches(fills, price, -sign, MARKET, printed=True)
        return matches

    # --- our orders ----------------------------------------------------------------------------------------------

    def enter(self, order_id: int, sign: int, qty: int, limit: int | None) -> list[Match]:
        """A new order: takes what it can up to `limit` (None: any price); what is left rests."""
        order = _Resting(order_id, sign, limit, qty, 0)
        matches = self._take(order)
        if order.remaining:
            self._resting[order_id] = order
            if limit is None:
                self._waiting[sign].append(order)
            else:
                half = self._half[sign]
                order.ahead = half.market.get(limit, 0)
                half.ours.setdefault(limit, []).append(order)
                matches += self._settle()
        return matches

    def withdraw(self, order_id: int) -> int:
        """Take an order out; returns what was left of it (0: it was not resting)."""
        order = self._resting.pop(order_id, None)
        if order is None:
            return 0
        if order.limit is None:
            self._waiting[order.sign].remove(order)
        else:
            self._half[order.sign].leave(order)
        return order.remaining

    def shrink(self, order_id: int, remaining: int) -> None:
        """Less is left of a resting order; it keeps its place."""
        order = self._resting[order_id]
        assert 0 < remaining <= order.remaining
        order.remaining = remaining

    def available(self, sign: int, limit: int | None) -> int:
        """What an order of side `sign` could take at once up to `limit`."""
        half = self._half[-sign]
        prices = set(half.market) | set(half.ours)
        return sum(
            half.market.get(price, 0) + sum(order.remaining for order in half.ours.get(price, ()))
            for price in prices
            if limit is None or not half.better(limit, price)
        )

    # --- reading ---------------------------------------------------------------------------------------------------

    def best_market(self, sign: int) -> int | None:
        """The market's own best price of a side."""
        return self._half[sign].best_market()

    def market_size(self, sign: int, price: int) -> int:
        return self._half[sign].market.get(price, 0)

    def touch(self, sign: int) -> tuple[int, int] | None:
        """The best price of a side and all the size there, ours included; None when the side is empty."""
        half = self._half[sign]
        price = half.best()
        if price is None:
            return None
        ours = sum(order.remaining for order in half.ours.get(price, ()))
        return price, half.market.get(price, 0) + ours

    def depth(self, sign: int, levels: int) -> list[tuple[int, int]]:
        """The best `levels` prices with all the size there is, ours included, best first."""
        half = self._half[sign]
        sizes = dict(half.market)
        for price, queue in half.ours.items():
            sizes[price] = sizes.get(price, 0) + sum(order.remaining for order in queue)
        best = sorted(sizes, key=lambda price: -price * sign)[:levels]
        return [(price, sizes[price]) for price in best]

    # --- inside ----------------------------------------------------------------------------------------------------

    def _take(self, taker: _Resting) -> list[Match]:
        half, matches = self._half[-taker.sign], list[Match]()
        while taker.remaining and (price := half.best()) is not None:
            if taker.limit is not None and half.better(taker.limit, price):
                break
            shown = half.market.get(price, 0)
            used, fills = half.walk(price, taker.remaining, shown)
            if used:
                half.set(price, shown - used)
            ours = self._matches(fills, price, taker.sign, taker.order_id)
            if used:
                ours.append(_match(taker.order_id, MARKET, price, used, taker.sign))
            taker.remaining -= sum(match.qty for match in ours)
            matches += ours
        return matches

    def _settle(self) -> list[Match]:
        """Trade what waits for depth, then our limits that opposite market liquidity now crosses. While the market
        itself stands crossed (it does for an instant within one exchange message) nothing is concluded from it."""
        matches: list[Match] = []
        for sign in (1, -1):
            for order in list(self._waiting[sign]):
                matches += self._take(order)
                if not order.remaining:
                    self._waiting[sign].remove(order)
                    del self._resting[order.order_id]
            half, other = self._half[sign], self._half[-sign]
            while (ours := half.best_ours()) is not None and (price := other.best_market()) is not None:
                own_market = half.best_market()
                if half.better(price, ours) or (own_market is not None and not half.better(price, own_market)):
                    break
                shown = other.market[price]
                _, fills = half.walk(ours, shown, 0)
                other.set(price, shown - sum(part for _, part in fills))
                matches += self._matches(fills, ours, -sign, MARKET)
        return matches

    def _matches(
        self, fills: list[tuple[_Resting, int]], price: int, aggressor: int, taker_id: int, *, printed: bool = False
    ) -> list[Match]:
        for order, _ in fills:
            if not order.remaining:
                del self._resting[order.order_id]
        return [_match(taker_id, order.order_id, price, part, aggressor, printed) for order, part in fills]


def _match(taker_id: int, maker_id: int, price: int, qty: int, aggressor: int, printed: bool = False) -> Match:
    buy, sell = (taker_id, maker_id) if aggressor > 0 else (maker_id, taker_id)
    return Match(buy_id=buy, sell_id=sell, price=price, qty=qty, aggressor=aggressor, printed=printed)
