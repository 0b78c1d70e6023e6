"""The page on which an account is put into a group. `tui/managing.py` opens it."""

from collections.abc import Sequence

from engine.seat import CommandRefused, Seat
from tui.page import Field, Page


class GroupPage(Page):
    """`groups` are those it can go to."""

    GO_ON = "Put it there"
    STORES = True

    def __init__(self, seat: Seat, account: str, groups: Sequence[str]) -> None:
        hint = "it follows there, off until it is armed"
        field = Field("group", "Group", hint, choices=tuple(groups), value=groups[0]) if groups else None
        note = (
            "" if groups else "There is no other group: make an account the leader of one first (:lead ACCOUNT GROUP)."
        )
        super().__init__(seat, f"Put {account} into a group", [field] if field else [], note)
        self._account = account

    async def go_on(self) -> str:
        if not self._fields:
            raise CommandRefused("group: there is no other group; make an account the leader of one first.")
        return await self._seat.follow(self._account, self.text("group"))
