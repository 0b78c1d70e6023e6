"""What the door has published last, of a topic or of a symbol's market, and the frames that say so: each is made when
the first seat needs it, and once however many seats there are. Used by `engine/door.py`, on its thread."""

from abc import ABC, abstractmethod
from typing import Protocol

from engine import seat_wire as wire
from engine.row_changes import Items
from engine.seat import View
from engine.seat_wire import MarketKind, Shown


class Reader(Protocol):
    """A seat, as what it follows knows it (`engine/seated.py`)."""

    def tell(self, what: "Published") -> None: ...


class Published(ABC):
    """`number` grows with each change; 0 before there was anything. `seats` are those that follow."""

    def __init__(self) -> None:
        self.number = 0
        self.seats: dict[Reader, None] = {}

    @abstractmethod
    def frame_after(self, number: int) -> bytes:
        """What brings a seat that has `number` (0: nothing) to now."""


class PublishedTopic(Published):
    """A topic: whole at first, then what changed, to whoever has what was before it."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.number = 1
        self._head, self._items = wire.items_of(view)
        self._before: Items = ()
        self._whole = self._changed = b""

    def advance(self, view: View) -> bool:
        """Publish a newer view; whether it is one."""
        if view is self.view:
            return False
        self.view, self.number, self._before = view, self.number + 1, self._items
        self._head, self._items = wire.items_of(view)
        self._whole = self._changed = b""
        return True

    def frame_after(self, number: int) -> bytes:
        if number == self.number - 1 and number > 0:
            if not self._changed:
                self._changed = wire.changed(self.view.topic, self.number, self._before, self._head, self._items)
            return self._changed
        if not self._whole:
            self._whole = wire.whole(self.view.topic, self.number, self._head, self._items)
        return self._whole


class PublishedMarket(Published):
    """A symbol's market: the newest each time."""

    def __init__(self, kind: MarketKind, symbol: str) -> None:
        super().__init__()
        self._kind, self._symbol = kind, symbol
        self._frame = b""

    def advance(self, at_ns: int, shown: Shown) -> None:
        self.number += 1
        self._frame = wire.frame(wire.Told(self._kind, self._symbol, self.number, at_ns, wire.raw(shown)))

    def frame_after(self, number: int) -> bytes:
        return self._frame
