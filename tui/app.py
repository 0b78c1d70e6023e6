"""The seat's screen: panes over a `Seat`, painted on one clock, with a command line. `tui/sit.py` runs it.

It sees the desk only through `engine/seat.py`: snapshots are read on the paint clock, commands are awaited in
workers that the app holds, and what they say goes to the message line.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.events import Resize
from textual.geometry import Size
from textual.widget import Widget

from engine.seat import (
    AccountRow,
    AlertRow,
    CopyRow,
    Role,
    Seat,
    StatusRow,
    Topic,
    WatchRow,
)
from schema.listed import Listed
from schema.watchlists import Scope, Watched
from tui import commands, theme
from tui.carrying import Carrying
from tui.commandline import Prompt
from tui.commands import BadCommand, Known
from tui.dialogs import HelpPage
from tui.grid import GridPane
from tui.keymap import BY_ID, CONTEXTS, bindings, hints
from tui.lists import Lists
from tui.paint import TICKS_PER_S, PaintClock
from tui.panes.accounts import AccountsPane
from tui.panes.alerts import AlertsPane
from tui.panes.candles import CandlePane
from tui.panes.copies import CopiesPane
from tui.panes.lines import HintLine, MessageLine, StatusLine
from tui.panes.orders import OrdersPane
from tui.panes.positions import PositionsPane
from tui.panes.registry import PANES, PaneKind
from tui.panes.watch import WatchPane
from tui.patient import PatientApp
from tui.search import SymbolSearch
from tui.split import Divider, Split

NARROW, SHORT, ROOMY = 110, 30, 170
_PLACED = ("accounts", "positions", "orders", "copies", "candles", "watch", "alerts")
UNDER_A_PAGE = 10
MOVE_ON = ("command", "kill_switch", "filter", "pane", "find_symbol", "focus_next", "focus_previous")
_REMOTE_FONT = re.compile(r"@font-face\s*{[^}]*}\s*")


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
        for file in theme.themes().values():
            self.register_theme(theme.textual_theme(file))
        self._wanted_theme = theme_name
        self.theme = theme_name if theme_name in theme.themes() else theme.DEFAULT
        self._seat = seat
        self._after_first_paint = after_first_paint
        self.clock = PaintClock()
        self._panes: dict[str, Any] = {name: kind.make(id=name) for name, kind in PANES.items()}
        self.accounts: AccountsPane = self._panes["accounts"]
        self.copies: CopiesPane = self._panes["copies"]
        self.candles: CandlePane = self._panes["candles"]
        self.positions: PositionsPane = self._panes["positions"]
        self.orders: OrdersPane = self._panes["orders"]
        self.watchlist: WatchPane = self._panes["watch"]
        self.alerts: AlertsPane = self._panes["alerts"]
        self.lists = Lists(seat, self.watchlist, {Scope.ORDERS: self.orders, Scope.ALERTS: self.alerts})
        self._status = StatusLine(id="status")
        self.message = MessageLine(id="message")
        self.prompt = Prompt(self._known, id="prompt")
        self._hints = HintLine(id="hints")
        self.carrying = Carrying(self, seat, self.lists, self.message, attached=attached)
        further = [pane for name, pane in self._panes.items() if name not in _PLACED]
        self._root = Split(
            "row",
            Split("column", self.accounts, self.copies, ratios=(27, 19)),
            Split(
                "column",
                Split("row", self.candles, self.watchlist, ratios=(44, 31)),
                self.positions,
                self.orders,
                self.alerts,
                *further,
                ratios=(20, 14, 12, 10, *(12 for _ in further)),
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
        for name, kind in PANES.items():
            self.clock.add(lambda kind=kind, pane=self._panes[name]: self._paint(kind, pane), kind.per_s)
        self.clock.add(self._follow_lists, TICKS_PER_S)
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

    def _paint(self, kind: PaneKind, pane: Any) -> None:
        if kind.always or (pane.display and pane.size.width):
            for topic in kind.also:
                pane.show_also(self._seat.view(topic))
            pane.show(self._seat.view(pane.TOPIC), self._now_ns())

    def _follow_lists(self) -> None:
        """The watchlist is there once its user has a list."""
        if bool(self.lists.view.rows) != self._has_lists:
            self._has_lists = not self._has_lists
            self._arrange()
            self._keep_focus_visible()

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
            shown = set(_PLACED) - {"alerts"}
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

    def bring(self, name: str) -> None:
        """Have a pane on screen and the focus on it, unless it is there already."""
        if not self._on_screen(self._panes[name]):
            self.action_pane(name)

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
        contexts: tuple[str, ...]
        if focused is not None and focused.id in self._panes:
            own = (focused.id,) if focused.id in CONTEXTS else ()
            contexts = (*own, *(("grid",) if isinstance(focused, GridPane) else ()), "desk")
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
            self.carrying.run(commands.Toggle(row.account))

    def action_why(self) -> None:
        row = self.copy_at_hand
        if row is not None:
            self.carrying.ask(self.carrying.tell(self._seat.why(row.follower, None, row.signal_id)))

    def action_unwatch(self) -> None:
        row = self.watched_at_hand
        if row is not None:
            self.carrying.ask(self.lists.remove((_watched(row),)))

    def action_move_watched(self, by: int) -> None:
        row = self.watched_at_hand
        if row is not None:
            self.carrying.ask(self.lists.move(_watched(row), by))

    def action_next_list(self) -> None:
        self.carrying.ask(self.lists.show_next())

    def action_find_symbol(self) -> None:
        self.run_worker(self._find_symbol(), group="find", exclusive=True)

    async def _find_symbol(self) -> None:
        found = await self.push_screen_wait(SymbolSearch(self._seat.find_symbols, self.lists.name))
        if found is not None:
            self.carrying.ask(self.lists.add((_watched(found),)))

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
        self.carrying.run(commands.Quit())

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
        self.carrying.run(command)

    def export_svg(self, path: str) -> None:
        """Write the screen as it is now as an SVG picture, which loads nothing from anywhere."""
        picture = self.export_screenshot(title="copydesk")
        Path(path).write_text(_REMOTE_FONT.sub("", picture), "utf-8")


def _watched(symbol: WatchRow | Listed) -> Watched:
    return Watched(source=symbol.source, symbol=symbol.symbol)
