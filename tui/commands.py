"""The `:` commands as data, once they are understood. `tui/parsing.py` makes them of a line, `tui/carrying.py` carries
them out, `tui/foresee.py` says what one would do.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from engine.seat import Ticket
from schema.records import Guard
from schema.watchlists import (
    DeleteFilter,
    DeleteList,
    RenameList,
    SavedFilter,
    Watched,
)


class BadCommand(ValueError):
    """The line can't be carried out; the text is one sentence for the message line."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names that exist now, for checking and completing arguments."""

    accounts: tuple[str, ...] = ()
    followers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    panes: tuple[str, ...] = ()
    working: tuple[str, ...] = ()  # ids of the orders that may still trade


@dataclass(frozen=True, slots=True)
class Toggle:
    account: str


@dataclass(frozen=True, slots=True)
class Flatten:
    target: str


@dataclass(frozen=True, slots=True)
class Resync:
    target: str


@dataclass(frozen=True, slots=True)
class SetGuard:
    target: str
    guard: Guard


@dataclass(frozen=True, slots=True)
class Chart:
    symbol: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    contract: str


@dataclass(frozen=True, slots=True)
class Kill:
    pass


@dataclass(frozen=True, slots=True)
class SetGroup:
    group: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class SetRule:
    account: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Manage:
    """What an account, its place or its rule is to be; `group` where one is named, ``none`` for no group."""

    what: Literal["arm", "rules", "lead", "join", "leave", "remove"]
    target: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    what: str
    path: str
    account: str | None


@dataclass(frozen=True, slots=True)
class ShowReport:
    """Of a trading day; None for today's."""

    day: str | None


@dataclass(frozen=True, slots=True)
class Why:
    account: str
    at: str | None


@dataclass(frozen=True, slots=True)
class AddLogin:
    pass


@dataclass(frozen=True, slots=True)
class Sync:
    login: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Put symbols on the list that is shown."""

    symbols: tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class Unwatch:
    symbols: tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class ShowList:
    """Show a list, after making it when there is none."""

    name: str


@dataclass(frozen=True, slots=True)
class ShowLists:
    pass


@dataclass(frozen=True, slots=True)
class EditLists:
    edit: RenameList | DeleteList | DeleteFilter


@dataclass(frozen=True, slots=True)
class Filter:
    """Apply the filters of a name, none without one; `saved` is kept first."""

    name: str
    saved: SavedFilter | None = None


@dataclass(frozen=True, slots=True)
class ShowLayout:
    name: str


@dataclass(frozen=True, slots=True)
class SaveLayout:
    """Keep what is on the screen under a name."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteLayout:
    name: str


@dataclass(frozen=True, slots=True)
class ShowLayouts:
    pass


@dataclass(frozen=True, slots=True)
class PutPane:
    """Show a pane where the one at hand is."""

    pane: str


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class MoveOrder:
    order_id: str
    price: Decimal
    qty: int | None


@dataclass(frozen=True, slots=True)
class CancelOrders:
    """All that works on the target; of one contract, or one order, when `what` names it."""

    target: str
    what: str


@dataclass(frozen=True, slots=True)
class SetLadder:
    """For whom and how many lots the ladder places once it is armed."""

    target: str
    qty: int


@dataclass(frozen=True, slots=True)
class Hide:
    pass


@dataclass(frozen=True, slots=True)
class ShowTerminal:
    pass


@dataclass(frozen=True, slots=True)
class SetTheme:
    name: str


@dataclass(frozen=True, slots=True)
class Quit:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


Command = (
    AddLogin
    | Sync
    | Toggle
    | Flatten
    | Resync
    | SetGroup
    | SetGuard
    | Acknowledge
    | Chart
    | Kill
    | SetRule
    | Manage
    | Export
    | ShowReport
    | Why
    | Watch
    | Unwatch
    | ShowList
    | ShowLists
    | EditLists
    | Filter
    | ShowLayout
    | SaveLayout
    | DeleteLayout
    | ShowLayouts
    | PutPane
    | PlaceOrder
    | MoveOrder
    | CancelOrders
    | SetLadder
    | Hide
    | ShowTerminal
    | SetTheme
    | Quit
    | Help
)
