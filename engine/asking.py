"""A seat whose commands are carried out elsewhere: on the engine's thread (`engine/thread.py`) or in the desk's process
(`engine/remote.py`). One list of them; each says in `_ask` how they get there."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from engine.reported import Report, ReportAsked
from engine.seat import Chosen, FlattenResult, LoginAccounts, OrderPlan, ResyncPlan, Ticket
from engine.shown import ArmPlan, PracticeLogin, RulePreview
from engine.symbol_search import LIMIT, Match
from schema.layouts import LayoutEdit
from schema.login import Credentials
from schema.records import Bar, ConnectionConfig, Guard, Rule, VenueAccount
from schema.watchlists import Edit


class AskingSeat(ABC):
    """The commands of `engine/seat.py`, as they are declared there."""

    @abstractmethod
    async def _ask(self, method: str, *arguments: Any) -> Any:
        """Have the desk carry out a method of its seat, and return what it does."""

    async def toggle(self, account: str) -> str:
        return await self._ask("toggle", account)

    async def set_rule(self, account: str, kind: str, value: str) -> str:
        return await self._ask("set_rule", account, kind, value)

    async def set_group(self, group: str, field: str, value: str) -> str:
        return await self._ask("set_group", group, field, value)

    async def sizing(self, account: str) -> tuple[Rule, int | None]:
        return await self._ask("sizing", account)

    async def set_size(self, target: str, rule: Rule, max_position: int | None) -> str:
        return await self._ask("set_size", target, rule, max_position)

    async def preview(self, account: str, rule: Rule, max_position: int | None) -> RulePreview:
        return await self._ask("preview", account, rule, max_position)

    async def lead(self, account: str, group: str) -> str:
        return await self._ask("lead", account, group)

    async def follow(self, account: str, group: str) -> str:
        return await self._ask("follow", account, group)

    async def unfollow(self, account: str) -> str:
        return await self._ask("unfollow", account)

    async def remove_account(self, account: str) -> str:
        return await self._ask("remove_account", account)

    async def arm_checklist(self, target: str, acknowledged: Sequence[str]) -> ArmPlan:
        return await self._ask("arm_checklist", target, acknowledged)

    async def arm(self, accounts: Sequence[str], acknowledged: Sequence[str]) -> ArmPlan:
        return await self._ask("arm", accounts, acknowledged)

    async def guard(self, target: str, guard: Guard) -> str:
        return await self._ask("guard", target, guard)

    async def chart(self, symbol: str) -> str:
        return await self._ask("chart", symbol)

    async def acknowledge(self, contract: str) -> str:
        return await self._ask("acknowledge", contract)

    async def kill(self) -> FlattenResult:
        return await self._ask("kill")

    async def flatten(self, target: str) -> FlattenResult:
        return await self._ask("flatten", target)

    async def resync(self, target: str, shown: ResyncPlan | None = None) -> ResyncPlan:
        return await self._ask("resync", target, shown)

    async def place(self, ticket: Ticket, shown: OrderPlan | None = None) -> OrderPlan:
        return await self._ask("place", ticket, shown)

    async def move(
        self, account: str, order_id: str, price: Decimal, qty: int | None = None, shown: OrderPlan | None = None
    ) -> OrderPlan:
        return await self._ask("move", account, order_id, price, qty, shown)

    async def cancel(self, target: str, what: str = "", shown: OrderPlan | None = None) -> OrderPlan:
        return await self._ask("cancel", target, what, shown)

    async def export(self, what: str, path: str, account: str | None = None) -> str:
        return await self._ask("export", what, path, account)

    async def report(self, asked: ReportAsked) -> Report:
        return await self._ask("report", asked)

    async def why(self, account: str, at: str | None = None, signal_id: str | None = None) -> str:
        return await self._ask("why", account, at, signal_id)

    async def try_login(
        self, login: ConnectionConfig, credentials: Credentials, accounts: Sequence[str]
    ) -> tuple[VenueAccount, ...]:
        return await self._ask("try_login", login, credentials, accounts)

    async def add_login(
        self, login: ConnectionConfig, credentials: Credentials, wanted: Sequence[VenueAccount], chosen: Chosen
    ) -> str:
        return await self._ask("add_login", login, credentials, wanted, chosen)

    async def practice_logins(self) -> tuple[PracticeLogin, ...]:
        return await self._ask("practice_logins")

    async def login_accounts(self, connection: str) -> LoginAccounts:
        return await self._ask("login_accounts", connection)

    async def add_accounts(self, connection: str, accounts: Sequence[str], chosen: Chosen) -> str:
        return await self._ask("add_accounts", connection, accounts, chosen)

    async def find_symbols(self, text: str, limit: int = LIMIT) -> tuple[Match, ...]:
        return await self._ask("find_symbols", text, limit)

    async def edit_lists(self, edit: Edit) -> str:
        return await self._ask("edit_lists", edit)

    async def edit_layouts(self, edit: LayoutEdit) -> str:
        return await self._ask("edit_layouts", edit)

    async def stored_bars(self, symbol: str, interval: str, until_ns: int, limit: int) -> tuple[Bar, ...]:
        return await self._ask("stored_bars", symbol, interval, until_ns, limit)

    async def open_positions(self) -> int:
        return await self._ask("open_positions")
