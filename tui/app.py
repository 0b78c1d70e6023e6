"""The seat's screen: panes over a `Seat`, painted on one clock, with a command line. `tui/sit.py` runs it.

It sees the desk only through `engine/seat.py`: snapshots are read on the paint clock, commands are awaited in
workers that the app holds, and what they say goes to the message line.
"""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.events import Resize
from textual.geometry import Size
from textual.timer import Timer
from textual.widget import Widget

from engine.seat import (
    AccountRow,
    AlertRow,
    CommandRefused,
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
from tui.asking import outcome
from tui.board import Board, Divider
from tui.carrying import Carrying
from tui.colourless import Colourless
from tui.commandline import Prompt
from tui.commands import BadCommand, Known
from tui.dialogs import HelpPage, StoryPage
from tui.foresee import foresee
from tui.grid import GridPane
from tui.here import ALL, SIXTEEN, Here, told
from tui.history import History
from tui.jump import JumpPage, letters_for
from tui.keymap import BY_ID, CONTEXTS, KEYS, Key, Keymap, bindings, called, use
from tui.laptop import Laptop, Notify
from tui.layouts import Layouts
from tui.lists import Lists
from tui.paint import TICKS_PER_S, PaintClock
from tui.palette import Choice, Palette, choices
from tui.panes.accounts import AccountsPane
from tui.panes.alerts import AlertsPane
from tui.panes.candles import CandlePane
from tui.panes.copies import CopiesPane
from tui.panes.depth import DepthPane
from tui.panes.lines import HintLine, MessageLine, StatusLine
from tui.panes.orders import OrdersPane
from tui.panes.positions import PositionsPane
from tui.panes.registry import PANES, PaneKind
from tui.panes.seeking import CAN_BE
from tui.panes.watch import WatchPane
from tui.parsing import parse
from tui.patient import PatientApp
from tui.search import SymbolSearch
from tui.sharing import Sharing
from tui.text import hide
from tui.trading import ticket_for, working

AROUND = 4
"""Lines of the screen around the panes: two of status, the message, the hints or what is typed."""
REMEMBER_S = 1.0
"""A change of the layout is remembered for the next screen when none has followed for so long."""
ANSWER_S = 0.5
UNDER_A_PAGE = 10
ALARMS_EVERY_S = 0.25
_AT_THE_DESK = frozenset(
    {key.action.removeprefix("app.").partition("(")[0] for key in KEYS if key.context == "desk" and key.id != "quit"}
) | {"filter", "seek"}
"""Actions of keys that belong to the panes, and so to nobody while something is typed or asked."""
_REMOTE_FONT = re.compile(r"@font-face\s*{[^}]*}\s*")


class CopydeskApp(PatientApp):
    """The desk's screen. `after_first_paint` is called once, when the first frame is out. `attached`: the desk goes on
    when it is left, so leaving asks nothing. `layout` is shown first; without one, what the user saw last. `here` is
    the terminal it is shown on; `notify` how an alarm reaches the trader's machine besides the bell. `keymap` has the
    trader's own keys, `history` what he typed before."""

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
        layout: str = "",
        here: Here | None = None,
        ascii_only: bool = False,
        notify: Notify = "osc9",
        keymap: Keymap | None = None,
        history: History | None = None,
    ) -> None:
        super().__init__()
        self.keymap = keymap or Keymap()
        use(self.keymap)
        self.contexts: tuple[str, ...] = ("desk",)
        wanted = 0 if self.no_color else ALL
        self.here = here or Here(term="", colours=wanted, encoding="utf-8", tmux=False, ssh=False)
        self.ascii_only = ascii_only
        self.laptop = Laptop(self.to_terminal, tmux=self.here.tmux, notify=notify)
        hide(None)
        files = theme.themes().values()
        for file in files:
            of_sixteen = theme.for_sixteen(file) if self.here.colours == SIXTEEN else file
            self.register_theme(theme.textual_theme(of_sixteen))
        # Every colour here is one of 24 bits, so that Textual's own filter would copy each line for nothing.
        self._filters[:] = [] if self.here.colours else [Colourless(files)]
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
        self._sharing = Sharing(seat)
        self.lists = Lists(seat, self.watchlist, self._filtered())
        self._status = StatusLine(id="status")
        self.message = MessageLine(id="message")
        self._history = history or History()
        self.prompt = Prompt(self._known, self._foreseen, self._history, id="prompt")
        self._hints = HintLine(id="hints")
        self.carrying = Carrying(self, seat, self.lists, self.message, self._sharing, attached=attached)
        self.trading = self.carrying.trading
        self.layouts = Layouts(seat)
        self.layouts.begin(layout)
        self.board = Board(self._panes, self.layouts, self.message.say, id="board")
        self._letters = letters_for(self._panes)
        self._remembering: Timer | None = None
        self._back_to: Widget | None = None
        self._filter_target: GridPane[Any] | None = None
        self._seek_target: CandlePane | None = None
        self._beat = 0
        self._status_version = -1
        self._spoke_s = time.monotonic()

    def _filtered(self) -> dict[Scope, GridPane[Any]]:
        return {Scope.ORDERS: self.orders, Scope.ALERTS: self.alerts, Scope.TAPE: self._panes["tape"]}

    def compose(self) -> ComposeResult:
        yield self._status
        yield self.board
        yield self.message
        yield self.prompt
        yield self._hints

    def on_mount(self) -> None:
        for name, kind in PANES.items():
            self.clock.add(lambda kind=kind, pane=self._panes[name]: self._paint(kind, pane), kind.per_s)
        self.clock.add(self._follow_lists, TICKS_PER_S)
        self.clock.add(self.lists.follow_filters, 5)
        self.clock.add(self._paint_status, 4)
        self.clock.add(self._follow_names, 4)
        self.set_interval(1 / TICKS_PER_S, self._tick)
        self.clock.add(self._follow_layouts, 4)
        self._fit(self.size)
        self._follow_layouts()
        self.screen.set_focus(self._panes[self.board.at_hand])  # now: a command typed before the first frame stays
        self._follow_alarms()
        self.set_interval(ALARMS_EVERY_S, self._follow_alarms)
        self.watch(self.screen, "focused", self._focus_moved, init=True)
        if self.theme != self._wanted_theme:
            names = ", ".join(theme.themes())
            self.message.say(f"theme: there is no {self._wanted_theme!r}; write one of {names}.", "refused")
        if self.keymap.mistakes:
            first, *more = self.keymap.mistakes
            rest = f" {len(more)} more: `copydesk keys` tells them." if more else ""
            self.message.say(f"{first}{rest}", "refused")
        self.set_keymap(self.keymap.changed())
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
        there = bool(self.lists.view.rows)
        if there != self.layouts.has_lists:
            self.layouts.has_lists = there
            self.board.fit()
            self.board.keep_focus()

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
        self.board.set_class(bool(self._seat.away), "old")
        self.prompt.look_again()
        self._show_hints()

    def _follow_alarms(self) -> None:
        """Also under a page; while the terminal is behind they gather."""
        status = self._seat.view(Topic.STATUS).rows
        if status and isinstance(status[0], StatusRow) and not self.stalled:
            alerts = [row for row in self._seat.view(Topic.ALERTS).rows if isinstance(row, AlertRow)]
            self.laptop.follow(status[0].desk, status[0].now_ns, alerts, self._seat.away)

    # --- layout -----------------------------------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        self._fit(event.size)  # `self.size` is still the size before

    def _fit(self, size: Size) -> None:
        if not self.board.is_attached:
            return
        self.layouts.sized(*size)
        self.board.fit(Size(size.width, max(1, size.height - AROUND)))
        self.board.keep_focus()

    def _follow_layouts(self) -> None:
        """What the user saved may be known only after a moment."""
        if (said := self.layouts.follow()) is not None:
            self.board.show_tree()
            if said[0]:
                self.message.say(*said)

    def on_board_rearranged(self, _event: Board.Rearranged) -> None:
        self._focus_moved(self.focused)
        if self._remembering is not None:
            self._remembering.stop()
        self._remembering = self.set_timer(REMEMBER_S, lambda: self.run_worker(self.remember_layout()))

    async def remember_layout(self) -> None:
        """Let the next screen begin with what this one shows, if the desk takes it: a viewer's it does not."""
        with suppress(CommandRefused, TimeoutError):
            await asyncio.wait_for(self.layouts.remember(), ANSWER_S)

    def action_zoom(self) -> None:
        self.board.zoom()

    def action_arrange(self) -> None:
        self.board.arrange_by_keys()

    def action_jump(self) -> None:
        titles = {name: self._panes[name].region.offset for name in self.board.on_screen}
        self.push_screen(JumpPage(self._letters, titles), lambda name: self.action_pane(name) if name else None)

    def bring(self, name: str) -> None:
        """Have a pane on screen and the focus on it, unless it is there already."""
        if name not in self.board.on_screen:
            self.action_pane(name)

    def action_pane(self, name: str) -> None:
        self.board.focus_pane(name)

    def _focus_moved(self, focused: Widget | None) -> None:
        if self.board.arranging and (focused is None or self.board not in focused.ancestors):
            self.board.leave()
        contexts: tuple[str, ...]
        if self.board.arranging:
            contexts = ("layout",)
        elif focused is not None and focused.id in self._panes:
            own = (focused.id,) if focused.id in CONTEXTS else ()
            contexts = (*own, *(("grid",) if isinstance(focused, GridPane) else ()), "desk")
        elif isinstance(focused, Divider):
            contexts = ("split", "desk")
        elif self.prompt.is_open:
            contexts = ("prompt",)
        else:
            contexts = ("desk",)
        self.contexts = contexts
        self._show_hints()

    def _show_hints(self) -> None:
        keys = self.keymap.hints(self.contexts)
        self._hints.show(keys, {key.id: reason for key in keys if (reason := self.why_not(key))})

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

    def why_not(self, key: Key) -> str | None:
        """Why a key can't act now, or None."""
        return key.disabled(self) if key.disabled else None

    async def action_guarded(self, key_id: str) -> None:
        """A key that may be unable to act now: say why, or act."""
        key = BY_ID[key_id]
        if reason := self.why_not(key):
            self.message.say(reason, "refused")
        else:
            await self.run_action(key.action)

    def action_toggle_follower(self) -> None:
        row = self.account_at_hand
        if row is not None:
            self.carrying.run(commands.Toggle(row.account))

    def action_manage(self, what: str) -> None:
        """A key of the accounts pane for what is under its cursor (`tui/managing.py`)."""
        self.carrying.ask(self.carrying.managing.by_key(what))

    def action_why(self) -> None:
        row = self.copy_at_hand
        if row is not None:
            self.carrying.ask(self.carrying.tell(self._seat.why(row.follower, None, row.signal_id)))

    def action_unwatch(self) -> None:
        row = self.watched_at_hand
        if row is not None:
            self.carrying.ask(self.lists.remove((_watched(row),)))

    def action_chart_watched(self) -> None:
        row = self.watched_at_hand
        if row is not None:
            self.carrying.ask(self._seat.chart(row.symbol))

    def action_move_watched(self, by: int) -> None:
        row = self.watched_at_hand
        if row is not None:
            self.carrying.ask(self.lists.move(_watched(row), by))

    def action_ticket(self) -> None:
        """Write an order, for the row under the cursor where it says for whom."""
        row = self.focused.current if isinstance(self.focused, GridPane) else None
        self.trading.open_ticket(ticket_for(self._seat.view, row))

    def action_ladder(self, kind: str) -> None:
        """Arm the ladder, or disarm it."""
        self.trading.ladder.asked(kind, "", Decimal(0), ())

    def on_depth_pane_asked(self, event: DepthPane.Asked) -> None:
        """A key of the ladder, at the price under the depth pane's cursor."""
        self.trading.ladder.asked(event.kind, event.symbol, event.price, event.pane.orders_at_hand)

    def action_next_list(self) -> None:
        self.carrying.ask(self.lists.show_next())

    def action_find_symbol(self) -> None:
        self.push_screen(SymbolSearch(self._seat.find_symbols, self.lists.name), self._watch_found)

    def _watch_found(self, found: Listed | None) -> None:
        if found is not None:
            self.carrying.ask(self.lists.add((_watched(found),)))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the panes act before any other where they take the focus elsewhere, but not while something is typed
        or asked."""
        at_the_desk = action in _AT_THE_DESK
        if action == "guarded" and parameters and parameters[0] in BY_ID:
            at_the_desk = BY_ID[str(parameters[0])].context == "desk"
        if at_the_desk:
            return not self.prompt.is_open and len(self.screen_stack) == 1
        return super().check_action(action, parameters)

    def action_command(self) -> None:
        self._open_prompt("command", "")

    def action_filter(self) -> None:
        if isinstance(self.focused, GridPane):
            self._filter_target = self.focused
            self._open_prompt("filter", self.focused.filter_text)

    def action_seek(self) -> None:
        if isinstance(self.focused, CandlePane):
            self._seek_target = self.focused
            self._open_prompt("seek", "")
            self.message.say(f"{called('run')} goes to {CAN_BE}.", "detail")

    def action_unfilter(self) -> None:
        if isinstance(self.focused, GridPane):
            self.focused.set_filter("")

    def action_kill_switch(self) -> None:
        """Types the command; Enter shows what it does, and a key of its own does it."""
        self._open_prompt("command", "kill")

    def action_copy(self, whole: bool) -> None:
        """Put the row under the cursor, or the pane, into the clipboard of the trader's machine."""
        if isinstance(self.focused, GridPane):
            lines, what = self.focused.lines_to_copy(whole=whole)
            said = self.laptop.copy(lines, what) if lines else "No row is under the cursor."
            self.call_after_refresh(self.message.say, said)  # after what the cursor said when it came here

    def action_hide(self) -> None:
        """Money and the names of accounts and logins, off a screen that is shared, and back."""
        self.message.say(self._sharing.toggle())
        self._show_anew()

    def _follow_names(self) -> None:
        if self._sharing.follow():
            self._show_anew()

    def _show_anew(self) -> None:
        for pane in self._panes.values():
            pane.forget()

    def action_terminal(self) -> None:
        self.push_screen(StoryPage("\n".join(told(self.here))))

    def action_help(self) -> None:
        self.push_screen(HelpPage(self.keymap, self.contexts, self))

    def action_flatten_account(self) -> None:
        if (row := self.account_at_hand) is not None:
            self.carrying.run(commands.Flatten(row.account))

    def action_palette(self) -> None:
        self.push_screen(Palette(choices(self.keymap, self.contexts, self._panes, self.why_not)), self._choose)

    async def _choose(self, chosen: Choice | None) -> None:
        """Do what the palette found: press its key where it works, or type its command as far as is known."""
        if chosen is None:
            return
        if chosen.key is None:
            if chosen.line.endswith(" "):
                self._open_prompt("command", chosen.line)
            else:
                self._enter(chosen.line)
            return
        context = chosen.key.context
        if context in self._panes and context not in self.contexts:
            self.action_pane(context)
        await self.press(chosen.key)

    def action_help_quit(self) -> None:
        self.message.say(f"{called('quit')} leaves the desk.", "refused")

    async def action_quit(self) -> None:
        self.carrying.run(commands.Quit())

    async def press(self, key: Key) -> None:
        """Do what a key does where the focus is."""
        action = f"app.guarded('{key.id}')" if key.disabled else key.action
        await self.run_action(action, self.prompt if self.prompt.is_open else self.focused or self)

    async def on_hint_line_pressed(self, event: HintLine.Pressed) -> None:
        await self.press(event.key)

    def on_grid_pane_chosen(self, event: GridPane.Chosen) -> None:
        if event.pane.has_focus:
            self.message.say(event.detail, "detail")

    def on_candle_pane_older_wanted(self, event: CandlePane.OlderWanted) -> None:
        self.run_worker(self._older_bars(event), group="bars")

    async def _older_bars(self, asked: CandlePane.OlderWanted) -> None:
        async def ask() -> str:
            bars = await self._seat.stored_bars(asked.symbol, asked.interval, asked.until_ns, asked.limit)
            asked.pane.take_older(bars, asked.until_ns)
            return ""

        said, look = await outcome(ask())
        if said:
            asked.pane.older_failed()
            self.message.say(said, look)

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
            layouts=self.layouts.names,
            panes=tuple(self._panes),
            working=tuple(dict.fromkeys(row.order_id for row in working(self._seat.view))),
        )

    def _open_prompt(self, mode: Any, text: str) -> None:
        self.board.leave()
        self._back_to = self.focused
        self._hints.display = False
        self.prompt.open(mode, text)

    def on_prompt_closed(self, event: Prompt.Closed) -> None:
        again = self.prompt.is_open  # by keys that came right after: the focus is theirs
        self._hints.display = not again
        if event.mode == "filter" and not event.kept and self._filter_target is not None:
            self._filter_target.set_filter("")
        if event.mode != "filter" and not again:
            self.message.say("")
        if not again:
            back = self._back_to
            there = back is not None and back.is_attached and back.display
            self.screen.set_focus(back if there else self._panes[self.board.at_hand])  # now: a command may move it

    def on_prompt_hint(self, event: Prompt.Hint) -> None:
        if self.prompt.is_open:
            self.message.say(event.text, "detail")

    def on_prompt_filtering(self, event: Prompt.Filtering) -> None:
        if self._filter_target is not None:
            self._filter_target.set_filter(event.text)

    def on_prompt_sought(self, event: Prompt.Sought) -> None:
        if self._seek_target is not None:
            self._seek_target.seek(event.text)

    def on_candle_pane_said(self, event: CandlePane.Said) -> None:
        self.message.say(event.text, event.look)

    def on_prompt_entered(self, event: Prompt.Entered) -> None:
        self._enter(event.line)

    def _foreseen(self, line: str) -> str:
        """What a line would do if Enter were pressed now; empty while it is no command."""
        try:
            return foresee(parse(line, self._known()), self._seat.view)
        except BadCommand:
            return ""

    def _enter(self, line: str) -> None:
        try:
            command = parse(line, self._known())
        except BadCommand as refused:
            self.message.say(str(refused), "refused")
            return
        self._history.keep(line)
        self.carrying.run(command)

    def export_svg(self, path: str) -> None:
        """Write the screen as it is now as an SVG picture, which loads nothing from anywhere."""
        picture = self.export_screenshot(title="copydesk")
        Path(path).write_text(_REMOTE_FONT.sub("", picture), "utf-8")


def _watched(symbol: WatchRow | Listed) -> Watched:
    return Watched(source=symbol.source, symbol=symbol.symbol)
