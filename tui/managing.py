"""Accounts, groups and rules, managed from the screen: which page or question comes first, and what is asked of the
desk then. `tui/carrying.py` has one; keys of the accounts pane and the commands of the same names lead here.
"""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from engine.seat import AccountRow, CommandRefused, Role, Seat, Topic
from tui.arm_page import ArmPage
from tui.dialogs import Question
from tui.group_page import GroupPage
from tui.rules_page import RulesPage

if TYPE_CHECKING:
    from tui.app import CopydeskApp

NOTHING = "Nothing was changed."


class Managing:
    """Each method returns the sentence for the message line, and raises CommandRefused."""

    def __init__(self, app: "CopydeskApp", seat: Seat) -> None:
        self._app = app
        self._seat = seat

    def by_key(self, what: str) -> Coroutine[Any, Any, str]:
        """What a key of the accounts pane means for the line that is under its cursor now."""
        pane = self._app.accounts
        row, group = pane.current, pane.group_at_hand
        if what == "add":
            return self.add()
        if what == "arm":
            return self.arm(group or (row.account if row is not None else "all"))
        return self.by_name(what, row.account if row is not None else "")

    async def by_name(self, what: str, target: str, group: str = "") -> str:
        """What a command of the same name means."""
        match what:
            case "arm":
                return await self.arm(target)
            case "rules":
                return await self.rules(target)
            case "lead":
                return await self.lead(target, group)
            case "join":
                return await self.join(target, group)
            case "leave":
                return await self.leave(target)
            case _:
                return await self.remove(target)

    # --- one each ---------------------------------------------------------------------------------------------------

    async def add(self) -> str:
        """The login form, with the practice venue's logins when one runs."""
        from tui.login_form import LoginPage  # seldom wanted, and it loads what a login is made of

        page = LoginPage(self._seat, await self._seat.practice_logins())
        return await self._app.push_screen_wait(page) or NOTHING

    async def arm(self, target: str) -> str:
        plan = await self._seat.arm_checklist(target, ())
        return await self._app.push_screen_wait(ArmPage(self._seat, plan)) or NOTHING

    async def rules(self, target: str) -> str:
        followers = [row for row in self._rows() if row.role is Role.FOLLOWER and target in (row.account, row.group)]
        if not followers:
            raise CommandRefused(f"account: {target} is no follower and has none; only followers have a rule.")
        rule, cap = await self._seat.sizing(followers[0].account)
        page = RulesPage(self._seat, target, rule, cap, [row.account for row in followers])
        return await self._app.push_screen_wait(page) or NOTHING

    async def lead(self, account: str, group: str) -> str:
        row = self._row(account)
        group = group or row.group or self._only_group()
        old = next((each.account for each in self._rows() if each.role is Role.LEADER and each.group == group), "")
        about = f"{old} leads {group} now and will be in no group." if old else f"{group} is a new group."
        question = Question(
            about,
            f"Every account of it must be at rest: the venues are asked. Have {account} lead {group}?",
            does=f"{account} leads",
            leave="leave it as it is",
        )
        if not await self._app.push_screen_wait(question):
            return NOTHING
        return await self._seat.lead(account, group)

    async def join(self, account: str, group: str) -> str:
        if group:
            return await self._seat.follow(account, group)
        row = self._row(account)
        groups = sorted({each.group for each in self._rows() if each.group} - {row.group})
        page = GroupPage(self._seat, account, groups)
        return await self._app.push_screen_wait(page) or NOTHING

    async def leave(self, account: str) -> str:
        row = self._row(account)
        question = Question(
            f"{account} follows in {row.group}. Out of it, it copies nothing; it stays on the desk.",
            does="take it out",
            leave="leave it there",
        )
        if not await self._app.push_screen_wait(question):
            return NOTHING
        return await self._seat.unfollow(account)

    async def remove(self, account: str) -> str:
        row = self._row(account)
        last = sum(each.connection == row.connection for each in self._rows()) == 1
        login = f" Its login {row.connection} has no other account and goes with it." if last else ""
        question = Question(
            f"{account} comes off the desk; nothing is done at its venue, and its history stays.{login}",
            does=f"remove {account}",
            leave="keep it",
        )
        if not await self._app.push_screen_wait(question):
            return NOTHING
        return await self._seat.remove_account(account)

    # --- what there is ----------------------------------------------------------------------------------------------

    def _rows(self) -> list[AccountRow]:
        return [row for row in self._seat.view(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]

    def _row(self, account: str) -> AccountRow:
        found = next((row for row in self._rows() if row.account == account), None)
        if found is None:
            raise CommandRefused(f"account: there is no {account} on the desk.")
        return found

    def _only_group(self) -> str:
        """The group that an account in none would lead: the one there is, or the first."""
        groups = sorted({row.group for row in self._rows() if row.group})
        return groups[0] if len(groups) == 1 else "main"
