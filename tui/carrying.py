"""Carrying commands out: what each asks of the desk, which question comes first, and what is said of how it went.

`tui/app.py` has one, and gives it what was typed or what a key means. All that is awaited runs in workers of the app,
so that the screen goes on meanwhile.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from brokers.registry import VENUE_TABLE
from engine.reported import ReportAsked
from engine.seat import AccountRow, CommandRefused, FlattenResult, ResyncPlan, Seat, Topic
from tui import commands
from tui.asking import outcome
from tui.dialogs import ArmQuestion, Confirm, QuitQuestion, ResyncQuestion, StoryPage
from tui.foresee import HEADS, closing
from tui.lists import Lists
from tui.managing import Managing
from tui.page import Page
from tui.panes.lines import MessageLine
from tui.report_page import ReportPage
from tui.sharing import Sharing
from tui.text import counted
from tui.trading import Trading

if TYPE_CHECKING:
    from tui.app import CopydeskApp

ANSWER_S = 2.0
"""How long quitting waits for the desk to say whether positions are open."""

_log = structlog.get_logger()


class Carrying:
    """Commands of one screen. `attached`: the desk goes on when the screen is left, so leaving asks nothing."""

    def __init__(
        self,
        app: "CopydeskApp",
        seat: Seat,
        lists: Lists,
        message: MessageLine,
        sharing: Sharing,
        *,
        attached: bool,
    ) -> None:
        self._app = app
        self._sharing = sharing
        self._seat = seat
        self._lists = lists
        self._message = message
        self._attached = attached
        self.trading = Trading(app, seat, message, self.ask)
        self.managing = Managing(app, seat)

    def run(self, command: commands.Command) -> None:
        """Carry a command out in a worker; the screen goes on meanwhile."""
        match command:
            case commands.SetTheme(name):
                self._app.theme = name
                self._message.say(f"Theme {name}.")
            case commands.Hide():
                self._app.action_hide()
            case commands.ShowTerminal():
                self._app.action_terminal()
            case commands.Help():
                self._app.action_help()
            case commands.Quit():
                self._app.run_worker(self._leave(), group="leave", exclusive=True)
            case commands.AddLogin():
                self.ask(self.managing.add())
            case commands.Sync(login):
                self._message.say(f"Sync {login}: asking the venue …")
                self.ask(self._sync(login))
            case commands.Flatten(target):
                self.ask(self._flatten(target))
            case commands.Resync(target):
                self._message.say(f"Resync {target}: reading the venue …")
                self.ask(self._resync(target))
            case commands.Kill():
                self.ask(self._kill())
            case commands.PlaceOrder() | commands.MoveOrder() | commands.CancelOrders():
                self.trading.run(command)
            case commands.SetLadder(target, qty):
                self._message.say(self.trading.ladder.choose(target, qty))
            case commands.Chart(symbol):
                self.ask(self._seat.chart(symbol))
            case commands.Acknowledge(contract):
                self.ask(self._seat.acknowledge(contract))
            case commands.SetGuard(target, guard):
                self.ask(self._seat.guard(target, guard))
            case commands.SetGroup(group, field, value):
                self.ask(self._seat.set_group(group, field, value))
            case commands.Manage(what, target, group):
                self.ask(self.managing.by_name(what, target, group))
            case commands.Toggle(account):
                self.ask(self._toggle(account))
            case commands.SetRule(account, kind, value):
                self.ask(self._seat.set_rule(account, kind, value))
            case commands.Why(account, at):
                self.ask(self.tell(self._seat.why(account, at)))
            case commands.Watch(symbols):
                self.ask(self._lists.add(symbols))
            case commands.Unwatch(symbols):
                self.ask(self._lists.remove(symbols))
            case commands.ShowList(name):
                self.ask(self._show_list(name))
            case commands.ShowLists():
                self._app.push_screen(StoryPage(self._lists.text()))
            case commands.EditLists(edit):
                self.ask(self._seat.edit_lists(edit))
            case commands.Filter(name, saved):
                self.ask(self._lists.filter(name, saved))
            case commands.ShowLayout(name):
                self.ask(self._show_layout(name))
            case commands.SaveLayout(name):
                self.ask(self._relaid(self._app.layouts.save(name)))
            case commands.DeleteLayout(name):
                self.ask(self._relaid(self._app.layouts.delete(name)))
            case commands.ShowLayouts():
                self._app.push_screen(StoryPage(self._app.layouts.text()))
            case commands.PutPane(name):
                self._app.board.put(name)
            case commands.ShowReport(day):
                self.ask(self._report(day))
            case commands.Export(what, path, account):
                self.ask(self._seat.export(what, str(Path(path).expanduser()), account))

    def ask(self, asked: Coroutine[Any, Any, str]) -> None:
        """Await the desk in a worker and say how it went."""
        self._app.run_worker(self._answered(asked), group="commands")

    async def _answered(self, asked: Coroutine[Any, Any, str]) -> None:
        self._message.say(*await outcome(asked))

    async def tell(self, asked: Coroutine[Any, Any, str]) -> str:
        """Open the page with the story that is awaited."""
        story = await asked
        self._app.push_screen(StoryPage(story))
        return ""

    async def _report(self, day: str | None) -> str:
        """Open the page with a day's report."""
        report = await self._seat.report(ReportAsked(day=day))
        self._app.push_screen(ReportPage(self._seat, report, self._sharing.learn))
        return ""

    async def _show_list(self, name: str) -> str:
        said = await self._lists.show(name)
        self._app.bring("watch")
        return said

    async def _show_layout(self, name: str) -> str:
        said = self._app.layouts.show(name)
        self._app.board.show_tree()
        if without := self._app.board.without_room:
            return f"{said} {counted(without, 'pane has', 'panes have')} no room on a terminal of this size."
        return said

    async def _relaid(self, asked: Coroutine[Any, Any, str]) -> str:
        """What was done to the layouts, and show the one that is to be shown now."""
        said = await asked
        self._app.board.show_tree()
        return said

    async def _page(self, page: Page) -> str:
        """What was done on a page, or that nothing was."""
        return await self._app.push_screen_wait(page) or "Nothing was changed."

    async def _sync(self, login: str) -> str:
        from tui.login_form import SyncPage

        return await self._page(SyncPage(self._seat, await self._seat.login_accounts(login)))

    async def _toggle(self, account: str) -> str:
        """Switch a follower; one that is switched on has what its venue demands shown first."""
        rows = [row for row in self._seat.view(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]
        row = next((row for row in rows if row.account == account), None)
        venue = VENUE_TABLE.get(row.venue) if row is not None and not row.enabled else None
        policy = venue.policy if venue is not None else ""
        if policy and not await self._app.push_screen_wait(ArmQuestion(account, policy)):
            return f"{account} stays off."
        return await self._seat.toggle(account)

    async def _flatten(self, target: str) -> str:
        """Show what closes and what is canceled, and send it when the trader says so."""
        would = closing(target, self._seat.view)
        does = f"flatten {target if would.accounts == 1 else counted(would.accounts, 'account', 'accounts')}"
        page = Confirm(f"Flatten {target}: {would.says}.", would.rows, does, heads=HEADS, notes=would.notes)
        if not await self._app.push_screen_wait(page):
            return "Nothing was sent."
        self._message.say(f"Flattening {target} …")
        return await self._flattened(self._seat.flatten(target))

    async def _kill(self) -> str:
        """As a flatten of all, with the desk halted before."""
        would = closing("all", self._seat.view)
        halted = "The desk is halted first: nothing is opened until :resume all."
        heading, does = f"Kill switch: halts the desk, {would.says}.", "halt the desk and flatten all"
        if not await self._app.push_screen_wait(
            Confirm(heading, would.rows, does, heads=HEADS, notes=(halted, *would.notes))
        ):
            return "Nothing was sent."
        self._message.say("Kill switch: the desk is halted, flattening all …")
        return await self._flattened(self._seat.kill())

    async def _flattened(self, asked: Coroutine[Any, Any, FlattenResult]) -> str:
        result = await asked
        flat = f"{counted(len(result.flat), 'account is', 'accounts are')} flat after {result.seconds:.1f} s"
        if not result.not_flat:
            return f"{flat}, checked with the venue."
        left = "; ".join(f"{account}: {reason}" for account, reason in result.not_flat)
        raise CommandRefused(f"NOT flat: {left}. {flat}.")

    async def _resync(self, target: str) -> str:
        """Show the difference, and send it when the trader says so."""
        shown: ResyncPlan = await self._seat.resync(target)
        if not shown.lines and not shown.unread:
            return (
                f"{counted(shown.accounts, 'follower stands', 'followers stand')} at target: there is nothing to send."
            )
        if not await self._app.push_screen_wait(ResyncQuestion(shown)):
            return "Nothing was sent."
        self._message.say(f"Resync {target}: {counted(shown.orders, 'order goes', 'orders go')}, exits first …")
        done: ResyncPlan = await self._seat.resync(target, shown)
        left = "; ".join(f"{line.account}: {line.note}" for line in done.lines if not line.delta and line.note)
        sent = f"{counted(done.orders, 'correction', 'corrections')} sent in {done.seconds:.1f} s"
        return f"{sent}. Left out: {left}." if left else f"{sent}; the copy ledger shows what came of them."

    async def _leave(self) -> None:
        """Quit, after asking when positions are open or the desk can't say."""
        if isinstance(self._app.screen, QuitQuestion):
            return
        await self._app.remember_layout()
        if self._attached:
            self._app.exit()
            return
        holding: int | None
        try:
            holding = await asyncio.wait_for(self._seat.open_positions(), ANSWER_S)
        except Exception as failure:  # noqa: BLE001 - a desk that can't answer must not keep anyone from leaving
            _log.warning("the desk did not say whether positions are open", kind=type(failure).__name__)
            holding = None
        if holding != 0 and not await self._app.push_screen_wait(QuitQuestion(holding)):
            return
        self._app.exit()
