"""The panes there are, one entry each: `tui/app.py` makes its panes from it, layouts name them (`tui/layouts.py`).

To add a pane: a widget with `TOPIC`, `NAME` and `show(view, now_ns)` that takes the keyword `id`, and its entry here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from engine.seat import Topic, View
from tui.paint import TICKS_PER_S
from tui.panes.accounts import AccountsPane
from tui.panes.alerts import AlertsPane
from tui.panes.candles import CandlePane
from tui.panes.copies import CopiesPane
from tui.panes.depth import DepthPane
from tui.panes.drift import DriftPane
from tui.panes.health import HealthPane
from tui.panes.latency import LatencyPane
from tui.panes.orders import OrdersPane
from tui.panes.positions import PositionsPane
from tui.panes.tape import TapePane
from tui.panes.watch import WatchPane


class Pane(Protocol):
    """What a widget is asked for to be a pane. It draws its title on its first line."""

    TOPIC: ClassVar[Topic]
    NAME: ClassVar[str]

    def show(self, view: View, now_ns: int) -> None:
        """Take the newest snapshot of `TOPIC`; cheap when it is the one it has. `now_ns` is the desk's clock."""
        ...

    def forget(self) -> None:
        """Draw everything anew: how text is shown has changed."""
        ...


@dataclass(frozen=True, slots=True)
class PaneKind:
    """One pane. `name` is its id and what layouts and `:pane` call it; `make` takes `id`. It is shown the newest
    snapshot `per_s` times a second while it is on screen, and with `always` also while it is not.

    `also` are further topics it reads: their views are given to its `show_also(view)`, each time before `show`."""

    name: str
    make: Callable[..., Any]
    per_s: int
    description: str
    always: bool = False
    also: tuple[Topic, ...] = ()


PANES: dict[str, PaneKind] = {
    kind.name: kind
    for kind in (
        PaneKind("accounts", AccountsPane, 5, "who leads, who follows, and how their copies went"),
        PaneKind("positions", PositionsPane, 5, "what every account holds, against its target"),
        PaneKind("orders", OrdersPane, TICKS_PER_S, "the last orders of every account"),
        PaneKind("copies", CopiesPane, TICKS_PER_S, "the copy ledger: what became of each copy"),
        PaneKind("candles", CandlePane, 4, "the chart, its studies and the fills", also=CandlePane.ALSO),
        PaneKind("depth", DepthPane, TICKS_PER_S, "the book as a ladder, with the orders in it", also=DepthPane.ALSO),
        PaneKind("tape", TapePane, 10, "time and sales", always=True, also=TapePane.ALSO),
        PaneKind("watch", WatchPane, TICKS_PER_S, "a watchlist with its prices", always=True),
        PaneKind("alerts", AlertsPane, 5, "what the desk has told"),
        PaneKind("drift", DriftPane, 4, "followers off their target, why, and what will be done"),
        PaneKind("health", HealthPane, 2, "the process, the database, every login and feed", also=(Topic.FEEDS,)),
        PaneKind("latency", LatencyPane, 2, "the stages of the copies against what they may take"),
    )
}
