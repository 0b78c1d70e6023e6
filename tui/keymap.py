"""The one table of keys: bindings, hint line, `?` page, palette, `copydesk keys` and README come from it.

A key belongs to a context: `desk` works everywhere, `grid` in any table, a pane's name in that pane, `layout` after
Ctrl+W (`tui/board.py`), `split` on a divider, `prompt` while typing, and pages have theirs. A key that can't act now
says why (`disabled`) instead of doing nothing. `tui/user_keys.py` reads what the trader calls them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from textual.binding import Binding

from engine.seat import AccountRow, CopyRow, Role, WatchRow


class KeyState(Protocol):
    """What a key's `disabled` may look at."""

    @property
    def account_at_hand(self) -> AccountRow | None:
        """The account under the cursor of the accounts pane."""
        ...

    @property
    def copy_at_hand(self) -> CopyRow | None:
        """The copy under the cursor of the copy ledger."""
        ...

    @property
    def watched_at_hand(self) -> WatchRow | None:
        """The symbol under the cursor of the watchlist."""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `keys` are Textual's names, the first one shown as `shown`; `action` is a Textual action; `hint` puts
    it in the hint line; `disabled` returns the sentence why it can't act now, or None."""

    id: str
    keys: str
    shown: str
    action: str
    description: str
    tooltip: str
    context: str
    hint: bool = False
    disabled: Callable[[KeyState], str | None] | None = None


def _no_follower(state: KeyState) -> str | None:
    row = state.account_at_hand
    if row is None:
        return "No account is under the cursor."
    if row.role is Role.LEADER:
        return f"{row.account} is the leader; only followers are switched on and off."
    if row.role is Role.NONE:
        return f"{row.account} is in no group; give it a leader first."
    return None


def _no_account(state: KeyState) -> str | None:
    return None if state.account_at_hand else "No account is under the cursor."


def _no_place(state: KeyState) -> str | None:
    row = state.account_at_hand
    if row is None:
        return "No account is under the cursor."
    if row.role is not Role.FOLLOWER:
        return f"{row.account} follows in no group."
    return None


def _leads(state: KeyState) -> str | None:
    row = state.account_at_hand
    if row is None:
        return "No account is under the cursor."
    if row.role is Role.LEADER:
        return f"{row.account} leads {row.group} already."
    return None


def _no_copy(state: KeyState) -> str | None:
    return None if state.copy_at_hand else "No copy is under the cursor."


def _no_symbol(state: KeyState) -> str | None:
    return None if state.watched_at_hand else "No symbol is under the cursor; find symbol puts one on the list."


CONTEXTS = {
    "desk": "Everywhere",
    "grid": "In a table",
    "accounts": "In accounts",
    "copies": "In the copy ledger",
    "watch": "In the watchlist",
    "layout": "On the layout",
    "candles": "In the candles",
    "depth": "In the depth ladder",
    "tape": "In the tape",
    "alerts": "In the alerts",
    "split": "On a divider",
    "report": "On a report, besides those of a page of text",
    "prompt": "While typing",
    "choose": "In the palette and the symbol search",
    "confirm": "On a page that asks",
    "text": "On a page of text",
    "page": "On a form",
    "choice": "On a line of a form with words to choose from",
    "pick": "On a list of a form to pick from",
    "arm": "On the arm checklist",
}
_TABLES = ("accounts", "positions", "orders", "copies", "watch", "alerts", "drift", "health", "latency")
_ALONE = ("layout", "prompt", "choose", "confirm", "text", "page", "arm")
_WITHIN = {"report": "text", "choice": "page", "pick": "page"}
TYPED = ("prompt", "choose", "page")
"""Contexts in which letters are typed, so that no letter can be a key."""


def chain(context: str) -> tuple[str, ...]:
    """The contexts whose keys work where this one's do, the nearest first."""
    if context == "desk" or context in _ALONE:
        return (context,)
    if context in _WITHIN:
        return (context, _WITHIN[context])
    return (context, "grid", "desk") if context in _TABLES else (context, "desk")


def meet(one: str, other: str) -> bool:
    """Whether keys of both contexts work in one place."""
    return one in chain(other) or other in chain(one)


KEYS: tuple[Key, ...] = (
    Key(
        "toggle",
        "space",
        "Space",
        "app.toggle_follower",
        "on / off",
        "Switch the follower under the cursor on or off from the next leader event.",
        "accounts",
        hint=True,
        disabled=_no_follower,
    ),
    Key(
        "arm",
        "A,shift+a",
        "A",
        "app.manage('arm')",
        "arm",
        "Open the checklist of the group at hand, which arms who passes it.",
        "accounts",
        hint=True,
    ),
    Key(
        "add_login",
        "a",
        "a",
        "app.manage('add')",
        "add login",
        "Add a login and choose what its accounts do.",
        "accounts",
        hint=True,
    ),
    Key(
        "lead",
        "L,shift+l",
        "L",
        "app.manage('lead')",
        "make leader",
        "Have the account lead its group, after a question; only while all of it is at rest.",
        "accounts",
        disabled=_leads,
    ),
    Key(
        "join",
        "m",
        "m",
        "app.manage('join')",
        "move to group",
        "Put the account into a group, as a follower that is off.",
        "accounts",
        disabled=_leads,
    ),
    Key(
        "leave_group",
        "u",
        "u",
        "app.manage('leave')",
        "take out",
        "Take the follower out of its group, after a question; only while it is at rest.",
        "accounts",
        disabled=_no_place,
    ),
    Key(
        "rules",
        "r",
        "r",
        "app.manage('rules')",
        "rule",
        "Change the follower's rule, with a table of what it would hold.",
        "accounts",
        hint=True,
        disabled=_no_place,
    ),
    Key(
        "remove",
        "X,shift+x",
        "X",
        "app.manage('remove')",
        "remove",
        "Take the account off the desk, after a question; only while it is at rest.",
        "accounts",
        disabled=_no_account,
    ),
    Key("fold", "c", "c", "fold", "fold", "Fold the group into its heading, or unfold it.", "accounts", hint=True),
    Key("fold_all", "C,shift+c", "C", "fold_all", "fold all", "Fold every group, or unfold all.", "accounts"),
    Key("alert_read", "x", "x", "acknowledge", "read", "The alert was read, or was not.", "alerts", hint=True),
    Key("alerts_read", "X,shift+x", "X", "acknowledge_all", "all read", "All that are shown were read.", "alerts"),
    Key("alerts_clear", "c", "c", "clear", "clear", "Take what was read off this screen.", "alerts", hint=True),
    Key("alert_level", "v", "v", "next_level", "level", "Show all, warnings, or alarms alone.", "alerts", hint=True),
    Key(
        "flatten_account",
        "F,shift+f",
        "F",
        "app.flatten_account",
        "flatten",
        "Show what flattening the account under the cursor closes and cancels, and ask.",
        "accounts",
        hint=True,
        disabled=_no_account,
    ),
    Key(
        "why",
        "w,enter",
        "w",
        "app.why",
        "why",
        "Tell the story of the copy under the cursor: plan, checks, sends, the venue's answers, six times.",
        "copies",
        hint=True,
        disabled=_no_copy,
    ),
    Key(
        "chart_it",
        "enter",
        "Enter",
        "app.chart_watched",
        "chart it",
        "Have the chart, the ladder and the tape show the symbol under the cursor.",
        "watch",
        hint=True,
        disabled=_no_symbol,
    ),
    Key(
        "unwatch",
        "d,delete",
        "d",
        "app.unwatch",
        "take off",
        "Take the symbol under the cursor off the list.",
        "watch",
        hint=True,
        disabled=_no_symbol,
    ),
    Key(
        "watch_up",
        "left_square_bracket",
        "[",
        "app.move_watched(-1)",
        "move up",
        "Move the symbol one place up, for every seat.",
        "watch",
        hint=True,
        disabled=_no_symbol,
    ),
    Key(
        "watch_down",
        "right_square_bracket",
        "]",
        "app.move_watched(1)",
        "move down",
        "Move the symbol one place down.",
        "watch",
        disabled=_no_symbol,
    ),
    Key("next_list", "l", "l", "app.next_list", "next list", "Show the next watchlist.", "watch", hint=True),
    Key("chart_mode", "c", "c", "mode", "candles / line / volume", "What the chart draws.", "candles", hint=True),
    Key("chart_back", "left,h", "← h", "cross(-1)", "crosshair back", "Move the crosshair a bar back.", "candles"),
    Key("chart_on", "right,l", "→ l", "cross(1)", "crosshair on", "Move the crosshair a bar on.", "candles"),
    Key("chart_higher", "up,k", "↑ k", "level(1)", "level up", "Move its level up a row.", "candles"),
    Key("chart_lower", "down,j", "↓ j", "level(-1)", "level down", "Move its level down a row.", "candles"),
    Key(
        "chart_page_back",
        "pageup",
        "PgUp",
        "scroll_bars(-1)",
        "older bars",
        "Scroll a page back; what was stored before is asked for.",
        "candles",
        hint=True,
    ),
    Key("chart_page_on", "pagedown", "PgDn", "scroll_bars(1)", "newer bars", "Scroll a page on.", "candles"),
    Key("chart_oldest", "home,g", "Home g", "oldest", "oldest", "Go to the oldest bar there is.", "candles"),
    Key("chart_newest", "end,G,shift+g", "End G", "newest", "newest", "Follow the newest bar again.", "candles"),
    Key("chart_leave", "escape", "Esc", "leave", "no crosshair", "Take it off and follow the newest bar.", "candles"),
    Key(
        "chart_closer",
        "plus,equals_sign",
        "+",
        "zoom_bars(-1)",
        "zoom in",
        "Fewer bars in a cell; the mouse wheel too.",
        "candles",
        hint=True,
    ),
    Key("chart_wider", "minus", "-", "zoom_bars(1)", "zoom out", "More bars in a cell.", "candles", hint=True),
    Key(
        "chart_longer",
        "right_square_bracket",
        "]",
        "interval(1)",
        "longer bars",
        "The next longer interval: 1m 5m 15m 30m 1h 4h 1d.",
        "candles",
        hint=True,
    ),
    Key("chart_shorter", "left_square_bracket", "[", "interval(-1)", "shorter bars", "The one before.", "candles"),
    Key("chart_find", "slash", "/", "app.seek", "find", "Go to a time or a price.", "candles", hint=True),
    Key("chart_older", "n", "n", "again(-1)", "older match", "The next older bar that traded there.", "candles"),
    Key("chart_newer", "N,shift+n", "N", "again(1)", "newer match", "The next newer one.", "candles"),
    Key("chart_sma", "s", "s", "overlay('sma')", "SMA", "The mean of 20 closes, on or off.", "candles"),
    Key("chart_ema", "e", "e", "overlay('ema')", "EMA", "The exponential mean of 9, on or off.", "candles"),
    Key("chart_vwap", "v", "v", "overlay('vwap')", "VWAP", "The trading day's average price, on or off.", "candles"),
    Key("chart_bands", "b", "b", "overlay('bands')", "Bollinger", "20 closes, 2 deviations, on or off.", "candles"),
    Key("chart_panel", "r", "r", "panel", "RSI / MACD / ATR", "The next one under the chart.", "candles", hint=True),
    Key("depth_up", "up,k", "↑ k", "price(1)", "price up", "Move the cursor up a tick.", "depth"),
    Key("depth_down", "down,j", "↓ j", "price(-1)", "price down", "Move the cursor down a tick.", "depth"),
    Key("depth_page_up", "pageup", "PgUp", "price_page(1)", "page up", "Move it up a page.", "depth"),
    Key("depth_page_down", "pagedown", "PgDn", "price_page(-1)", "page down", "Move it down a page.", "depth"),
    Key("depth_bid", "home,g", "Home g", "touch('bid')", "best bid", "Put the cursor on the best bid.", "depth"),
    Key("depth_ask", "end,G,shift+g", "End G", "touch('ask')", "best ask", "Put it on the best ask.", "depth"),
    Key(
        "depth_recentre",
        "m",
        "m",
        "recentre",
        "follow the market",
        "Centre the ladder on the market again, the cursor with it.",
        "depth",
        hint=True,
    ),
    Key("ladder_arm", "t", "t", "app.ladder('arm')", "arm the ladder", "Its keys place for 10 s.", "depth", hint=True),
    Key("ladder_buy", "b", "b", "ask('buy')", "buy limit", "Armed: a buy limit at the cursor.", "depth", hint=True),
    Key("ladder_sell", "s", "s", "ask('sell')", "sell limit", "Armed: a sell limit at the cursor.", "depth", hint=True),
    Key("ladder_buy_stop", "B,shift+b", "B", "ask('buy_stop')", "buy stop", "Armed: a buy stop there.", "depth"),
    Key("ladder_sell_stop", "S,shift+s", "S", "ask('sell_stop')", "sell stop", "Armed: a sell stop there.", "depth"),
    Key("ladder_cancel", "c", "c", "ask('cancel')", "cancel there", "Armed: cancels your orders there.", "depth"),
    Key("ladder_move", "v", "v", "ask('move')", "move", "Armed: takes an order up; again puts it down.", "depth"),
    Key("ladder_disarm", "escape", "Esc", "app.ladder('disarm')", "disarm", "No key places any more.", "depth"),
    Key("tape_hold", "space", "Space", "hold", "hold / run", "Stand still and count, or run again.", "tape", hint=True),
    Key(
        "tape_larger",
        "plus,equals_sign",
        "+",
        "least(1)",
        "larger only",
        "Show only trades of the next larger size: 2 3 5 10 20 50 100 200 500.",
        "tape",
        hint=True,
    ),
    Key("tape_smaller", "minus", "-", "least(-1)", "smaller too", "Show smaller trades again.", "tape", hint=True),
    Key("filter", "slash", "/", "app.filter", "filter", "Show only rows with this text.", "grid", hint=True),
    Key("sort", "s", "s", "sort_next", "sort", "Order by the next column.", "grid", hint=True),
    Key("reverse", "S,shift+s", "S", "sort_reverse", "reverse", "Turn the order round.", "grid"),
    Key("unfilter", "escape", "Esc", "app.unfilter", "clear filter", "Show every row again.", "grid"),
    Key("up", "up,k", "↑ k", "cursor(-1)", "up", "Move the cursor up.", "grid"),
    Key("down", "down,j", "↓ j", "cursor(1)", "down", "Move the cursor down.", "grid"),
    Key("page_up", "pageup", "PgUp", "page(-1)", "page up", "Move up a page.", "grid"),
    Key("page_down", "pagedown", "PgDn", "page(1)", "page down", "Move down a page.", "grid"),
    Key("top", "home,g", "Home g", "edge(0)", "first row", "Go to the first row.", "grid"),
    Key("bottom", "end,G,shift+g", "End G", "edge(1)", "last row", "Go to the last row.", "grid"),
    Key("copy_row", "y", "y", "app.copy(False)", "copy row", "Copy the row to your terminal's clipboard.", "grid"),
    Key("copy_pane", "Y,shift+y", "Y", "app.copy(True)", "copy pane", "Copy all rows shown, with tabs.", "grid"),
    Key("widen", "right,down", "→ ↓", "move(1)", "grow", "Move the divider right or down.", "split", hint=True),
    Key("narrow", "left,up", "← ↑", "move(-1)", "shrink", "Move the divider left or up.", "split", hint=True),
    Key("reset", "enter", "Enter", "reset", "reset", "The first sizes again; a double click too.", "split", hint=True),
    Key("split_right", "v", "v", "split('row')", "split right", "Another pane beside this one.", "layout", hint=True),
    Key("split_below", "s", "s", "split('column')", "split below", "Another pane below this one.", "layout", hint=True),
    Key("close_pane", "x", "x", "close", "close", "Take the pane out of the layout.", "layout", hint=True),
    Key("other_pane", "n", "n", "other(1)", "other pane", "The next that is not shown, here.", "layout", hint=True),
    Key("other_back", "p", "p", "other(-1)", "pane before", "The one before it, here.", "layout"),
    Key("to_left", "left", "←", "towards('left')", "to the left", "Go to the pane on the left.", "layout"),
    Key("to_right", "right", "→", "towards('right')", "to the right", "Go to the pane on the right.", "layout"),
    Key("to_upper", "up", "↑", "towards('up')", "up", "Go to the pane above.", "layout"),
    Key("to_lower", "down", "↓", "towards('down')", "down", "Go to the pane below.", "layout"),
    Key("carry_left", "h", "h", "carry('left')", "move left", "Change places with the left one.", "layout", hint=True),
    Key("carry_right", "l", "l", "carry('right')", "move right", "Change places with the right one.", "layout"),
    Key("carry_up", "k", "k", "carry('up')", "move up", "Change places with the pane above.", "layout"),
    Key("carry_down", "j", "j", "carry('down')", "move down", "Change places with the pane below.", "layout"),
    Key("wider", "greater_than_sign", ">", "grow('row', 2)", "wider", "Two columns more; go on.", "layout", hint=True),
    Key("thinner", "less_than_sign", "<", "grow('row', -2)", "thinner", "Two columns less.", "layout", hint=True),
    Key("taller", "plus", "+", "grow('column', 1)", "taller", "A line more; go on.", "layout", hint=True),
    Key("lower", "minus", "-", "grow('column', -1)", "lower", "A line less; go on.", "layout", hint=True),
    Key("even", "equals_sign", "=", "even", "even", "Panes of one size.", "layout", hint=True),
    Key("back", "u", "u", "back", "undo", "Take the last change of the layout back.", "layout", hint=True),
    Key("leave_layout", "escape", "Esc", "leave", "leave", "Leave the layout as it is.", "layout", hint=True),
    Key("section", "tab", "Tab", "section(1)", "next section", "Scroll to the next section.", "report"),
    Key("section_back", "shift+tab", "Shift+Tab", "section(-1)", "section before", "Scroll back a section.", "report"),
    Key("report_plots", "p", "p", "plots", "plots", "Draw the equity curve, P&L, latency and slippage.", "report"),
    Key("report_csv", "e", "e", "export", "CSV", "Write its rows to a file in the folder you started in.", "report"),
    Key("day_before", "left_square_bracket", "[", "day(-1)", "day before", "The trading day before.", "report"),
    Key("day_after", "right_square_bracket", "]", "day(1)", "day after", "The trading day after.", "report"),
    Key("run", "enter", "Enter", "run", "run", "Carry out what is typed.", "prompt", hint=True),
    Key("complete", "tab", "Tab", "complete(1)", "complete", "Complete the word.", "prompt", hint=True),
    Key("complete_back", "shift+tab", "Shift+Tab", "complete(-1)", "previous match", "The match before.", "prompt"),
    Key("older", "up", "↑", "history(-1)", "history", "An older command.", "prompt", hint=True),
    Key("newer", "down", "↓", "history(1)", "newer", "A newer command.", "prompt"),
    Key("search", "ctrl+r", "Ctrl+R", "search", "search", "Search earlier commands.", "prompt", hint=True),
    Key("leave", "escape", "Esc", "leave", "leave", "Leave without doing anything.", "prompt", hint=True),
    Key("choose_next", "down,tab", "↓ Tab", "step(1)", "next", "The next of the list.", "choose"),
    Key("choose_previous", "up,shift+tab", "↑ Shift+Tab", "step(-1)", "previous", "The one before.", "choose"),
    Key("choose", "enter", "Enter", "choose", "take", "Take the one that is lit.", "choose"),
    Key("choose_none", "escape", "Esc", "dismiss(None)", "close", "Leave without taking any.", "choose"),
    Key("confirm", "y", "y", "answer(True)", "do it", "The second key: what the page shows is done.", "confirm"),
    Key("decline", "n,escape", "n Esc", "answer(False)", "leave it", "Close the page; nothing is sent.", "confirm"),
    Key("text_find", "slash", "/", "find", "find", "Find text on this page.", "text"),
    Key("text_next", "n", "n", "step(1)", "next match", "Go to the next match.", "text"),
    Key("text_previous", "N,shift+n", "N", "step(-1)", "match before", "Go to the match before.", "text"),
    Key("text_up", "up,k", "↑ k", "scroll(-1)", "up", "Move up a line.", "text"),
    Key("text_down", "down,j", "↓ j", "scroll(1)", "down", "Move down a line.", "text"),
    Key("text_page_up", "pageup", "PgUp", "turn(-1)", "page up", "Move up a page.", "text"),
    Key("text_page_down", "pagedown,space", "PgDn Space", "turn(1)", "page down", "Move down a page.", "text"),
    Key("text_top", "home,g", "Home g", "edge(0)", "first line", "Go to the first line.", "text"),
    Key("text_bottom", "end,G,shift+g", "End G", "edge(1)", "last line", "Go to the last line.", "text"),
    Key("text_close", "escape,q", "Esc q", "leave", "close", "Close the page; leave the search first.", "text"),
    Key("page_next", "down", "↓", "step(1)", "next line", "Go to the next line; in a list, to the next row.", "page"),
    Key("page_before", "up", "↑", "step(-1)", "line before", "Go to the line before, or the row before.", "page"),
    Key("page_tab", "tab", "Tab", "line(1)", "line after", "Go to the next line, out of a list too.", "page"),
    Key("page_tab_back", "shift+tab", "Shift+Tab", "line(-1)", "line before", "Go to the line before.", "page"),
    Key("page_enter", "enter", "Enter", "enter", "go on", "Go to the next line; on the button, press it.", "page"),
    Key("page_go", "ctrl+g", "Ctrl+G", "go", "press the button", "Press the page's button from any line.", "page"),
    Key("page_leave", "escape", "Esc", "leave", "leave", "Close the page; nothing is done.", "page"),
    Key("turn_on", "right,space", "→ Space", "turn(1)", "next word", "Choose the next word.", "choice"),
    Key("turn_back", "left", "←", "turn(-1)", "word before", "Choose the word before.", "choice"),
    Key("pick", "space", "Space", "pick", "pick", "Pick the row under the cursor, or drop it.", "pick"),
    Key("pick_all", "a", "a", "pick_all", "all or none", "Pick every row, or none.", "pick"),
    Key("arm_them", "y", "y", "arm", "arm", "The second key: who passes is armed.", "arm"),
    Key("arm_note", "p", "p", "take_note", "take note", "Take note of what the venue demands.", "arm"),
    Key("arm_again", "r", "r", "look_again", "look again", "Have the desk check everybody again.", "arm"),
    Key("arm_details", "d", "d", "details", "every check", "Show every check, or what is to be said.", "arm"),
    Key("arm_leave", "escape,n,q", "Esc n q", "leave", "leave", "Close the page; nobody is armed.", "arm"),
    Key("arm_up", "up,k", "↑ k", "scroll(-1)", "up", "Move up a line.", "arm"),
    Key("arm_down", "down,j", "↓ j", "scroll(1)", "down", "Move down a line.", "arm"),
    Key("arm_page_up", "pageup", "PgUp", "scroll(-12)", "page up", "Move up a page.", "arm"),
    Key("arm_page_down", "pagedown", "PgDn", "scroll(12)", "page down", "Move down a page.", "arm"),
    Key("command", "colon", ":", "app.command", "command", "Type a command, and complete it.", "desk", hint=True),
    Key("palette", "ctrl+p", "Ctrl+P", "app.palette", "palette", "Find a key or command by name.", "desk"),
    Key("kill", "K,shift+k", "K", "app.kill_switch", "kill", "Type :kill, which shows what closes, and asks.", "desk"),
    Key("accounts", "1", "1", "app.pane('accounts')", "accounts", "Go to accounts.", "desk"),
    Key("positions", "2", "2", "app.pane('positions')", "positions", "Go to positions.", "desk"),
    Key("orders", "3", "3", "app.pane('orders')", "orders", "Go to orders.", "desk"),
    Key("copies", "4", "4", "app.pane('copies')", "copies", "Go to the copy ledger.", "desk"),
    Key("candles", "5", "5", "app.pane('candles')", "candles", "Go to the candles.", "desk"),
    Key("watch", "6", "6", "app.pane('watch')", "watchlist", "Go to the watchlist.", "desk"),
    Key("alerts", "7", "7", "app.pane('alerts')", "alerts", "Go to the alerts.", "desk"),
    Key("depth", "8", "8", "app.pane('depth')", "depth", "Go to the depth ladder.", "desk"),
    Key("tape", "9", "9", "app.pane('tape')", "tape", "Go to the tape.", "desk"),
    Key("ticket", "o", "o", "app.ticket", "order", "Write an order; it is shown before it goes.", "desk", hint=True),
    Key("drift", "D,shift+d", "D", "app.pane('drift')", "drift", "Go to who is off target.", "desk"),
    Key("health", "H,shift+h", "H", "app.pane('health')", "health", "Go to how the desk is.", "desk"),
    Key("latency", "T,shift+t", "T", "app.pane('latency')", "latency", "Go to the times of the copies.", "desk"),
    Key("find", "f", "f", "app.find_symbol", "find symbol", "Search as you type, then watch it.", "desk", hint=True),
    Key("next", "tab", "Tab", "app.focus_next", "next", "Go to the next pane or divider.", "desk", hint=True),
    Key("previous", "shift+tab", "Shift+Tab", "app.focus_previous", "previous", "Go to the one before.", "desk"),
    Key("arrange", "ctrl+w,W,shift+w", "Ctrl+W", "app.arrange", "layout", "Split, close, move.", "desk", hint=True),
    Key("jump", "J,shift+j", "J", "app.jump", "jump", "A letter on each pane; it goes there.", "desk", hint=True),
    Key("zoom", "z", "z", "app.zoom", "zoom", "Give the pane the whole screen, and back.", "desk", hint=True),
    Key("hide", "dollar_sign", "$", "app.hide", "hide", "Hide money and names on a shared screen, and back.", "desk"),
    Key("help", "question_mark", "?", "app.help", "help", "Show the keys and commands.", "desk", hint=True),
    Key("quit", "ctrl+q", "Ctrl+Q", "app.quit", "quit", "Leave; asks when positions are open.", "desk", hint=True),
)  # fmt: skip

FIRST = (
    "quit",
    "command",
    "palette",
    "kill",
    "filter",
    "chart_find",
    "text_find",
    "next",
    "previous",
    "accounts",
    "positions",
    "orders",
    "copies",
    "candles",
    "watch",
    "alerts",
    "depth",
    "tape",
    "drift",
    "health",
    "latency",
    "find",
    "arrange",
    "jump",
    "choose_next",
    "choose_previous",
)
"""The keys that take the focus elsewhere, and those that must act before the line they are pressed in."""
_BEFORE_ALL = ("layout", "page", "choice", "pick")
"""Contexts whose keys act before the line that has the focus."""
BY_ID = {key.id: key for key in KEYS}
_GO_ON = ("run", "choose", "page_enter", "page_go")
_ASK = ("toggle", "lead", "leave_group", "remove", "flatten_account", "quit")
_PLACE = ("ladder_buy", "ladder_sell", "ladder_buy_stop", "ladder_sell_stop", "ladder_cancel", "ladder_move")
OPENS = {"confirm": (*_GO_ON, *_ASK, *_PLACE), "arm_them": (*_GO_ON, "arm")}
"""The second of two deliberate keys, and the keys that may open its page: one that is held down must never be both."""


@dataclass(frozen=True)
class Keymap:
    """The table with the trader's own keys in it (`tui/user_keys.py`). `mistakes` are sentences about his file."""

    keys: tuple[Key, ...] = KEYS
    mistakes: tuple[str, ...] = ()

    def __getitem__(self, key_id: str) -> Key:
        return next(key for key in self.keys if key.id == key_id)

    def of(self, context: str) -> list[Key]:
        """The keys of a context."""
        return [key for key in self.keys if key.context == context]

    def hints(self, contexts: Iterable[str]) -> list[Key]:
        """The keys of the hint line, nearest context first."""
        return [key for context in contexts for key in self.of(context) if key.hint]

    def changed(self) -> dict[str, str]:
        """What differs from the table, as `App.set_keymap` takes it."""
        return {key.id: key.keys for key in self.keys if key.keys != BY_ID[key.id].keys}


def binding(key_id: str, action: str = "", *, priority: bool = False) -> Binding:
    """Textual's binding of one key, for another `action` where that key does something else. A key with `disabled`
    goes through the app, which asks it first."""
    key = BY_ID[key_id]
    return Binding(
        key.keys,
        action or (f"app.guarded('{key.id}')" if key.disabled else key.action),
        key.description,
        tooltip=key.tooltip,
        show=False,
        # Acted on before the next key is looked at: what is typed after `:` must reach the line, never a pane,
        # and a space after `4` must not reach the pane that had the focus before.
        priority=priority or (not action and (key.id in FIRST or key.context in _BEFORE_ALL)),
        id=key.id,
    )


def bindings(context: str) -> list[Binding]:
    """Textual's bindings of a context."""
    return [binding(key.id) for key in KEYS if key.context == context]


def hints(contexts: tuple[str, ...]) -> list[Key]:
    """The keys of the hint line as the table has them, nearest context first."""
    return Keymap().hints(contexts)


class _InUse:
    keymap = Keymap()


def use(keymap: Keymap) -> None:
    """From now on texts call the keys what this trader does; by the app alone: a process has one screen."""
    _InUse.keymap = keymap


def key_of(context: str, names: Iterable[str]) -> Key | None:
    """The trader's key of a context that has one of these names of Textual's."""
    pressed = set(names)
    return next((key for key in _InUse.keymap.of(context) if pressed & set(key.keys.split(","))), None)


def called(key_id: str) -> str:
    """What a text calls a key."""
    return _InUse.keymap[key_id].shown


def key_table_markdown(keymap: Keymap | None = None) -> str:
    """The README's key page."""
    lines: list[str] = []
    for context, heading in CONTEXTS.items():
        lines += [f"**{heading}**", "", "| key | does | |", "|---|---|---|"]
        lines += [f"| `{key.shown}` | {key.description} | {key.tooltip} |" for key in (keymap or Keymap()).of(context)]
        lines.append("")
    return "\n".join(lines)
