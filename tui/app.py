"""The seat's screen: panes over a `Seat`, painted on one clock, with a command line. `tui/sit.py` runs it.

It sees the desk only through `engine/seat.py`: snapshots are read on the paint clock, commands are awaited in
workers that the app holds, and what they say goes to the message line.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import structlog
from textual.app import ComposeResult
from textual.events import Resize
from textual.geometry import Size
from textual.widget import Widget

from brokers.registry import VENUE_TABLE
from engine.seat import (
    AccountRow,
    AlertRow,
    CommandRefused,
    CopyRow,
    FlattenResult,
    ResyncPlan,
    Role,
    Seat,
    StatusRow,
    Topic,
    WatchRow,
)
from schema.listed import Listed
from schema.watchlists import Scope, Watched
from tui import commands, theme
from tui.asking import outcome
from tui.commandline import Prompt
from tui.commands import BadCommand, Known
from tui.dialogs import ArmQuestion, HelpPage, QuitQuestion, ResyncQuestion, StoryPage
from tui.grid import GridPane
from tui.keymap import BY_ID, bindings, hints
from tui.lists import Lists
from tui.login_form import LoginPage, SyncPage
from tui.page import Page
from tui.paint import TICKS_PER_S, PaintClock
from tui.panes.accounts import AccountsPane
from tui.panes.alerts import AlertsPane
from tui.panes.candles import CandlePane
from tui.panes.copies import CopiesPane
from tui.panes.lines import HintLine, MessageLine, StatusLine
from tui.panes.orders import OrdersPane
from tui.panes.positions import PositionsPane
from tui.panes.watch import WatchPane
from tui.patient import PatientApp
from tui.search import SymbolSearch
from tui.split import Divider, Split
from tui.text import counted

ANSWER_S = 2.0
"""How long quitting waits for the desk to say whether positions are open."""
NARROW, SHORT, ROOMY = 110, 30, 170
UNDER_A_PAGE = 10
MOVE_ON = ("command", "kill_switch", "filter", "pane", "find_symbol", "focus_next", "focus_previous")
_REMOTE_FONT = re.compile(r"@font-face\s*{[^}]*}\s*")

_log = structlog.get_logger()


class CopydeskApp(PatientApp):
    """The desk's screen. `after_first_paint` is called once, when the first frame is out. `attached`: the desk goes on
    when it is left, so leaving asks nothing."""

    TITLE = "copydesk"
    ENABLE_COMMAND_PALETTE = False
    CSS = theme.style_sheet()
    BINDINGS: ClassVar[list[Any]] = bindings("desk")

    def __init__(
        self,
        seat: Seat,
        *,
        theme_name: str = theme.DEFAULT,
        after_first_paint: Callable[[], None] | None = None,
        attached: bool = False,
    ) -> None:
        super().__init__()
        self._attached = attached
        for file in theme.themes().values():
            self.register_theme(theme.textual_theme(file))
        self._wanted_theme = theme_name
        self.theme = theme_name if theme_name in theme.themes() else theme.DEFAULT
        self._seat = seat
        self._after_first_paint = after_first_paint
        self.clock = PaintClock()
        self.accounts = AccountsPane(id="accounts")
        self.copies = CopiesPane(id="copies")
        self.candles = CandlePane(id="candles")
        self.positions = PositionsPane(id="positions")
        self.orders = OrdersPane(id="orders")
        self.watchlist = WatchPane(id="watch")
        self.alerts = AlertsPane(id="alerts")
        self._panes: dict[str, GridPane[Any] | CandlePane] = {
            "accounts": self.accounts,
            "positions": self.positions,
            "orders": self.orders,
            "copies": self.copies,
            "candles": self.candles,
            "watch": self.watchlist,
            "alerts": self.alerts,
        }
        self.lists = Lists(seat, self.watchlist, {Scope.ORDERS: self.orders, Scope.ALERTS: self.alerts})
        self._status = StatusLine(id="status")
        self.message = MessageLine(id="message")
        self.prompt = Prompt(self._known, id="prompt")
        self._hints = HintLine(id="hints")
        self._root = Split(
            "row",
            Split("column", self.accounts, self.copies, ratios=(27, 19)),
            Split(
                "column",
                Split("row", self.candles, self.watchlist, ratios=(44, 31)),
                self.positions,
                self.orders,
                self.alerts,
                ratios=(20, 14, 12, 10),
            ),
            ratios=(124, 75),
            id="root",
        )
        self._has_lists = False
        self._zoomed: str | None = None
        self._back_to: Widget | None = None
        self._filter_target: GridPane[Any] | None = None
        self._beat = 0
        self._status_version = -1
        self._spoke_s = time.monotonic()

    def compose(self) -> ComposeResult:
        yield self._status
        yield self._root
        yield self.message
        yield self.prompt
        yield self._hints

    def on_mount(self) -> None:
        for pane, per_s in (
            (self.accounts, 5),
            (self.positions, 5),
            (self.orders, TICKS_PER_S),
            (self.copies, TICKS_PER_S),
            (self.candles, 4),
            (self.alerts, 5),
        ):
            self.clock.add(lambda pane=pane: self._paint(pane), per_s)
        self.clock.add(self._paint_watchlist, TICKS_PER_S)
        self.clock.add(self.lists.follow_filters, 5)
        self.clock.add(self._paint_status, 4)
        self.set_interval(1 / TICKS_PER_S, self._tick)
        self._arrange()
        self.screen.set_focus(self.accounts)  # now: a command typed before the first frame keeps its line
        self.watch(self.screen, "focused", self._focus_moved, init=True)
        if self.theme != self._wanted_theme:
            names = ", ".join(theme.themes())
            self.message.say(f"theme: there is no {self._wanted_theme!r}; write one of {names}.", "refused")
        self.call_after_refresh(self._first_paint)

    def _first_paint(self) -> None:
        if self._after_first_paint is not None:
            self._after_first_paint()

    # --- painting -------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        # Under a page everything is blended again with each frame, so the panes go on at a tenth of the pace.
        self._beat = (self._beat + 1) % UNDER_A_PAGE
        covered = len(self.screen_stack) > 1 and self._beat > 0
        self.clock.tick(hold=self.stalled or covered)

    def _paint(self, pane: GridPane[Any] | CandlePane) -> None:
        if pane.display and pane.size.width:
            pane.show(self._seat.view(pane.TOPIC), self._now_ns())

    def _paint_watchlist(self) -> None:
        """The pane is there once its user has a list; an edit is seen at once, prices come five times a second."""
        view = self.lists.view
        if bool(view.rows) != self._has_lists:
            self._has_lists = bool(view.rows)
            self._arrange()
            self._keep_focus_visible()
        self.watchlist.show(view, self._now_ns())

    def _now_ns(self) -> int:
        rows = self._seat.view(Topic.STATUS).rows
        return rows[0].now_ns if rows and isinstance(rows[0], StatusRow) else 0

    def _paint_status(self) -> None:
        view = self._seat.view(Topic.STATUS)
        now_s = time.monotonic()
        if view.version != self._status_version:
            self._status_version, self._spoke_s = view.version, now_s
        alerts = self._seat.view(Topic.ALERTS).rows
        status = view.rows[0] if view.rows else None
        alert = alerts[0] if alerts else None
        self._status.show(
            status if isinstance(status, StatusRow) else None,
            alert if isinstance(alert, AlertRow) else None,
            now_s - self._spoke_s,
            self.clock.lag_p99_ms,
            self._seat.away,
        )
        self._root.set_class(bool(self._seat.away), "old")

    # --- layout -----------------------------------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        self._arrange(event.size)  # `self.size` is still the size before

    def _arrange(self, size: Size | None = None) -> None:
        """Show what fits: everything on a wide terminal, accounts and copies on a narrow one, one pane when zoomed."""
        width, height = size or self.size
        if self._zoomed is not None:
            shown = {self._zoomed}
        elif width < NARROW:
            shown = {"accounts", "copies"}
        elif height < SHORT:
            shown = {"accounts", "copies", "candles", "positions"}
        else:
            shown = set(self._panes) - {"alerts"}
            if width < ROOMY or not self._has_lists:
                shown.discard("watch")
        self._root.show_only(lambda pane: pane.id in shown)

    def action_zoom(self) -> None:
        if self._zoomed is not None:
            self._zoomed = None
        elif self.focused is not None and self.focused.id in self._panes:
            self._zoomed = self.focused.id
        else:
            self.message.say("Go to a pane first (1 to 7), then z gives it the screen.", "refused")
        self._arrange()
        self._keep_focus_visible()

    def action_pane(self, name: str) -> None:
        pane = self._panes[name]
        if self._zoomed is not None or not self._on_screen(pane):
            self._zoomed = name
            self._arrange()
        self.screen.set_focus(pane)  # now: the next key already belongs to it

    @staticmethod
    def _on_screen(widget: Widget) -> bool:
        return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))

    def _keep_focus_visible(self) -> None:
        if self.focused is None or not self._on_screen(self.focused):
            self.call_after_refresh(self.accounts.focus)

    def _focus_moved(self, focused: Widget | None) -> None:
        if focused is self.accounts:
            contexts = ("accounts", "grid", "desk")
        elif focused is self.watchlist:
            contexts = ("watch", "grid", "desk")
        elif focused is self.copies:
            contexts = ("copies", "grid", "desk")
        elif isinstance(focused, GridPane):
            contexts = ("grid", "desk")
        elif isinstance(focused, Divider):
            contexts = ("split", "desk")
        elif self.prompt.is_open:
            contexts = ("prompt",)
        else:
            contexts = ("desk",)
        self._hints.show(hints(contexts))

    # --- keys -------------------------------------------------------------------------------------------------------

    @property
    def account_at_hand(self) -> AccountRow | None:
        return self.accounts.current

    @property
    def copy_at_hand(self) -> CopyRow | None:
        return self.copies.current

    @property
    def watched_at_hand(self) -> WatchRow | None:
        return self.watchlist.current

    async def action_guarded(self, key_id: str) -> None:
        """A key that may be unable to act now: say why, or act."""
        key = BY_ID[key_id]
        reason = key.disabled(self) if key.disabled else None
        if reason:
            self.message.say(reason, "refused")
        else:
            await self.run_action(key.action)

    def action_toggle_follower(self) -> None:
        row = self.account_at_hand
        if row is not None:
            self._run(commands.Toggle(row.account))

    def action_why(self) -> None:
        row = self.copy_at_hand
        if row is not None:
            self._ask(self._tell(self._seat.why(row.follower, None, row.signal_id)))

    def action_unwatch(self) -> None:
        row = self.watched_at_hand
        if row is not None:
            self._ask(self.lists.remove((_watched(row),)))

    def action_move_watched(self, by: int) -> None:
        row = self.watched_at_hand
        if row is not None:
            self._ask(self.lists.move(_watched(row), by))

    def action_next_list(self) -> None:
        self._ask(self.lists.show_next())

    def action_find_symbol(self) -> None:
        self.run_worker(self._find_symbol(), group="find", exclusive=True)

    async def _find_symbol(self) -> None:
        found = await self.push_screen_wait(SymbolSearch(self._seat.find_symbols, self.lists.name))
        if found is not None:
            self._ask(self.lists.add((_watched(found),)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that take the focus elsewhere act before any other, but not while something is typed or asked."""
        if action in MOVE_ON:
            return not self.prompt.is_open and len(self.screen_stack) == 1
        return super().check_action(action, parameters)

    def action_command(self) -> None:
        self._open_prompt("command", "")

    def action_filter(self) -> None:
        if isinstance(self.focused, GridPane):
            self._filter_target = self.focused
            self._open_prompt("filter", self.focused.filter_text)

    def action_unfilter(self) -> None:
        if isinstance(self.focused, GridPane):
            self.focused.set_filter("")

    def action_kill_switch(self) -> None:
        """The first of the two deliberate keys: Enter is the second."""
        self._open_prompt("command", "kill")

    def action_help(self) -> None:
        self.push_screen(HelpPage())

    def action_help_quit(self) -> None:
        self.message.say("Ctrl+Q leaves the desk.", "refused")

    async def action_quit(self) -> None:
        self._run(commands.Quit())

    async def on_hint_line_pressed(self, event: HintLine.Pressed) -> None:
        focused = self.focused
        action = f"app.guarded('{event.key.id}')" if event.key.disabled else event.key.action
        namespace = self.prompt if self.prompt.is_open else focused or self
        await self.run_action(action, namespace)

    def on_grid_pane_chosen(self, event: GridPane.Chosen) -> None:
        if event.pane.has_focus:
            self.message.say(event.detail, "detail")

    # --- the command line ---------------------------------------------------------------------------------------------

    def _known(self) -> Known:
        rows = [row for row in self._seat.view(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]
        return Known(
            accounts=tuple(row.account for row in rows),
            followers=tuple(row.account for row in rows if row.role is Role.FOLLOWER),
            groups=tuple(sorted({row.group for row in rows if row.group})),
            logins=tuple(sorted({row.connection for row in rows})),
            themes=tuple(theme.themes()),
            lists=self.watchlist.names,
            watched=tuple(dict.fromkeys(row.symbol for row in self.watchlist.rows)),
            filters=tuple(dict.fromkeys(each.name for each in self.lists.filters)),
        )

    def _open_prompt(self, mode: Any, text: str) -> None:
        self._back_to = self.focused
        self._hints.display = False
        self.prompt.open(mode, text)

    def on_prompt_closed(self, event: Prompt.Closed) -> None:
        again = self.prompt.is_open  # by keys that came right after: the focus is theirs
        self._hints.display = not again
        if event.mode == "filter" and not event.kept and self._filter_target is not None:
            self._filter_target.set_filter("")
        if event.mode == "command" and not again:
            self.message.say("")
        back = self._back_to if self._back_to is not None and self._back_to.is_attached else self.accounts
        if not again:
            back.focus()

    def on_prompt_hint(self, event: Prompt.Hint) -> None:
        if self.prompt.is_open:
            self.message.say(event.text, "detail")

    def on_prompt_filtering(self, event: Prompt.Filtering) -> None:
        if self._filter_target is not None:
            self._filter_target.set_filter(event.text)

    def on_prompt_entered(self, event: Prompt.Entered) -> None:
        try:
            command = commands.parse(event.line, self._known())
        except BadCommand as refused:
            self.message.say(str(refused), "refused")
            return
        self._run(command)

    # --- commands -----------------------------------------------------------------------------------------------------

    def _run(self, command: commands.Command) -> None:
        """Carry a command out in a worker; the screen goes on meanwhile."""
        match command:
            case commands.SetTheme(name):
                self.theme = name
                self.message.say(f"Theme {name}.")
            case commands.Help():
                self.action_help()
            case commands.Quit():
                self.run_worker(self._leave(), group="leave", exclusive=True)
            case commands.AddLogin():
                self._ask(self._page(LoginPage(self._seat)))
            case commands.Sync(login):
                self.message.say(f"Sync {login}: asking the venue …")
                self._ask(self._sync(login))
            case commands.Flatten(target):
                self.message.say(f"Flattening {target} …")
                self._ask(self._flattened(self._seat.flatten(target)))
            case commands.Resync(target):
                self.message.say(f"Resync {target}: reading the venue …")
                self._ask(self._resync(target))
            case commands.Kill():
                self.message.say("Kill switch: the desk is halted, flattening all …")
                self._ask(self._flattened(self._seat.kill()))
            case commands.Acknowledge(contract):
                self._ask(self._seat.acknowledge(contract))
            case commands.SetGuard(target, guard):
                self._ask(self._seat.guard(target, guard))
            case commands.SetGroup(group, field, value):
                self._ask(self._seat.set_group(group, field, value))
            case commands.Toggle(account):
                self._ask(self._toggle(account))
            case commands.SetRule(account, kind, value):
                self._ask(self._seat.set_rule(account, kind, value))
            case commands.Why(account, at):
                self._ask(self._tell(self._seat.why(account, at)))
            case commands.Watch(symbols):
                self._ask(self.lists.add(symbols))
            case commands.Unwatch(symbols):
                self._ask(self.lists.remove(symbols))
            case commands.ShowList(name):
                self._ask(self._show_list(name))
            case commands.ShowLists():
                self.push_screen(StoryPage(self.lists.text()))
            case commands.EditLists(edit):
                self._ask(self._seat.edit_lists(edit))
            case commands.Filter(name, saved):
                self._ask(self.lists.filter(name, saved))
            case commands.Export(what, path, account):
                self._ask(self._seat.export(what, str(Path(path).expanduser()), account))

    def _ask(self, asked: Coroutine[Any, Any, str]) -> None:
        self.run_worker(self._answered(asked), group="commands")

    async def _answered(self, asked: Coroutine[Any, Any, str]) -> None:
        """Await the desk and say how it went."""
        self.message.say(*await outcome(asked))

    async def _show_list(self, name: str) -> str:
        said = await self.lists.show(name)
        if not self._on_screen(self.watchlist):
            self.action_pane("watch")
        return said

    async def _tell(self, asked: Coroutine[Any, Any, str]) -> str:
        """Open the page with the story that is awaited."""
        story = await asked
        self.push_screen(StoryPage(story))
        return ""

    async def _page(self, page: Page) -> str:
        """What was done on a page, or that nothing was."""
        return await self.push_screen_wait(page) or "Nothing was changed."

    async def _sync(self, login: str) -> str:
        return await self._page(SyncPage(self._seat, await self._seat.login_accounts(login)))

    async def _toggle(self, account: str) -> str:
        """Switch a follower; one that is switched on has what its venue demands shown first."""
        rows = [row for row in self._seat.view(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]
        row = next((row for row in rows if row.account == account), None)
        venue = VENUE_TABLE.get(row.venue) if row is not None and not row.enabled else None
        if venue is not None and venue.policy and not await self.push_screen_wait(ArmQuestion(account, venue.policy)):
            return f"{account} stays off."
        return await self._seat.toggle(account)

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
        if not await self.push_screen_wait(ResyncQuestion(shown)):
            return "Nothing was sent."
        self.message.say(f"Resync {target}: {counted(shown.orders, 'order goes', 'orders go')}, exits first …")
        done: ResyncPlan = await self._seat.resync(target, shown)
        left = "; ".join(f"{line.account}: {line.note}" for line in done.lines if not line.delta and line.note)
        sent = f"{counted(done.orders, 'correction', 'corrections')} sent in {done.seconds:.1f} s"
        return f"{sent}. Left out: {left}." if left else f"{sent}; the copy ledger shows what came of them."

    async def _leave(self) -> None:
        """Quit, after asking when positions are open or the desk can't say."""
        if isinstance(self.screen, QuitQuestion):
            return
        if self._attached:
            self.exit()
            return
        holding: int | None
        try:
            holding = await asyncio.wait_for(self._seat.open_positions(), ANSWER_S)
        except Exception as failure:  # noqa: BLE001 - a desk that can't answer must not keep anyone from leaving
            _log.warning("the desk did not say whether positions are open", kind=type(failure).__name__)
            holding = None
        if holding != 0 and not await self.push_screen_wait(QuitQuestion(holding)):
            return
        self.exit()

    def export_svg(self, path: str) -> None:
        """Write the screen as it is now as an SVG picture, which loads nothing from anywhere."""
        picture = self.export_screenshot(title="copydesk")
        Path(path).write_text(_REMOTE_FONT.sub("", picture), "utf-8")


def _watched(symbol: WatchRow | Listed) -> Watched:
    return Watched(source=symbol.source, symbol=symbol.symbol)
