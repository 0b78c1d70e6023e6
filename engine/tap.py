"""What listeners in other processes want to hear of the market, taken from it on the engine's loop once a frame.

`engine/desk.py` owns one and calls `frame`; `engine/door.py`, on its own thread, says what is wanted and is handed what
changed: the immutable snapshots that panes are shown, whatever the number of listeners. With none wanted a frame costs
nothing.
"""

from collections.abc import Callable

from engine.market.market import Market
from engine.seat_wire import MarketKind, Shown

Key = tuple[MarketKind, str]
Taken = tuple[tuple[Key, Shown], ...]
MOST_WANTED = 200
"""Symbols and kinds that may be listened to at once, by however many."""
MADE_A_FRAME = 10
"""Books and tapes that one frame makes at most, at 0.04 ms each: all of `MOST_WANTED` at once would keep an order
waiting for 8 ms. What was handed longest ago is first."""
_NOTHING = object()  # was handed yet


class MarketTap:
    """`wanted` is replaced as a whole, from any thread: what is listened to, and a number that is new whenever
    listening began anew. `hand` is called on the engine's loop with its time and what changed since the last frame."""

    def __init__(self, market: Market) -> None:
        self.wanted: dict[Key, int] = {}
        self.hand: Callable[[int, Taken], None] | None = None
        self._market = market
        self._known: dict[Key, int] = {}  # `wanted` as the last frame saw it
        self._handed: dict[Key, object] = {}  # what was handed last, longest ago first

    def frame(self, now_ns: int) -> None:
        wanted, hand = self.wanted, self.hand
        if wanted is not self._known:
            held = {key: last for key, last in self._handed.items() if wanted.get(key) == self._known[key]}
            self._handed = dict.fromkeys((key for key in wanted if key not in held), _NOTHING) | held
            self._known = wanted
        if not wanted or hand is None:
            return
        changed: list[tuple[Key, Shown]] = []
        made = 0
        for key, last in tuple(self._handed.items()):
            quick = key[0] is MarketKind.QUOTE
            if not quick and made >= MADE_A_FRAME:
                continue
            shown = self._shown(*key)
            if shown is not last:
                changed.append((key, shown))
                del self._handed[key]
                self._handed[key] = shown
                made += not quick
        if changed:
            hand(now_ns, tuple(changed))

    def _shown(self, kind: MarketKind, symbol: str) -> Shown:
        match kind:
            case MarketKind.QUOTE:
                return self._market.top(symbol)
            case MarketKind.TAPE:
                return self._market.tape(symbol)
            case MarketKind.DEPTH:
                return self._market.book(symbol)
