"""A screen that is shared: money off it, and the names of accounts and logins replaced. `tui/app.py` has one.

What is hidden is hidden by `tui/text.py`, through which everything on the screen goes; this finds the names, and those
that come later.
"""

from collections.abc import Iterator
from itertools import count

from engine.reported import Report
from engine.seat import AccountRow, CopyRow, OrderRow, PositionRow, Role, Seat, Topic
from tui.text import hidden, hide

_TOLD_IN = (Topic.ACCOUNTS, Topic.POSITIONS, Topic.ORDERS, Topic.COPIES)


class Sharing:
    """One screen's. A name keeps what stands for it for as long as the screen is open."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._instead: dict[str, str] = {}
        self._seen: tuple[int, ...] = ()
        self._accounts, self._logins = count(), count(1)

    def toggle(self) -> str:
        """Hide or show; the sentence that says which."""
        if hidden():
            hide(None)
            return "Money and names are shown again."
        self._gather()
        hide(self._instead)
        return (
            "Money and the names of accounts and logins are hidden on this screen, not in exports; $ shows them again."
        )

    def follow(self) -> bool:
        """Hide names that are new; whether there were any."""
        if not hidden() or not self._gather():
            return False
        hide(self._instead)
        return True

    def learn(self, report: Report) -> None:
        """Hide the names of a report too: it tells of accounts that are on the desk no more."""
        for line in report.accounts:
            self._name_account(line.account)
            self._name_login(line.connection)
        for firm in report.firms:
            self._name_login(firm.name)
        if hidden():
            hide(self._instead)

    def _gather(self) -> bool:
        views = [self._seat.view(topic) for topic in _TOLD_IN]
        seen = tuple(view.version for view in views)
        if seen == self._seen:
            return False
        self._seen = seen
        known = len(self._instead)
        for view in views:
            for row in view.rows:
                if isinstance(row, AccountRow):
                    self._name_login(row.connection)
                if isinstance(row, AccountRow | PositionRow | OrderRow):
                    self._name_account(row.account)
                elif isinstance(row, CopyRow):
                    self._name_account(row.leader)
                    self._name_account(row.follower)
        return len(self._instead) > known

    def _name_account(self, name: str) -> None:
        self._name(name, self._accounts, "acct-{:02}")

    def _name_login(self, name: str) -> None:
        if name.casefold() not in list(Role):  # a login called ``leader`` says nothing, and the word stands everywhere
            self._name(name, self._logins, "login-{}")

    def _name(self, name: str, numbers: Iterator[int], form: str) -> None:
        if name and name not in self._instead:
            self._instead[name] = next(free for n in numbers if (free := form.format(n)) not in self._instead)
