"""The pages over the desk: the one that asks before anything is sent, the questions made of it, the keys and commands,
and the story of a copy. Opened by `tui/app.py` and `tui/carrying.py`."""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from engine.seat import ResyncLine, ResyncPlan, WatchlistRow
from schema.watchlists import SavedFilter
from tui.keymap import CONTEXTS, Key, Keymap, KeyState, binding, bindings, called
from tui.patient import PatientModal
from tui.syntax import SYNTAX
from tui.text import clean, counted, fit
from tui.textpage import TextPage


class Confirm(PatientModal[bool]):
    """What would happen, account by account, and the one key that does it: the second deliberate key, after the one
    that opened the page. Enter, held down or typed ahead, never is.

    `heading` says it in one line; `rows` are the accounts, positions and orders it would happen to, under `heads`;
    `does` is what the key does (``flatten 7 accounts``), empty when there is nothing to do: then the page can only be
    closed. `notes` are sentences below the table; `leave` is what any other answer means. Text from venues may be given
    as it came. Dismissed with whether to go on.
    """

    BINDINGS: ClassVar[list[Any]] = bindings("confirm")

    def __init__(
        self,
        heading: str,
        rows: Sequence[Sequence[str]] = (),
        does: str = "",
        *,
        heads: Sequence[str] = (),
        notes: Sequence[str] = (),
        leave: str = "leave everything as it is",
    ) -> None:
        super().__init__()
        self._heading = heading
        self._rows = rows
        self._heads = heads
        self._does = does
        self._notes = notes
        self._leave = leave

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(clean(self._heading), markup=False, classes="heading")
            if self._rows:
                with VerticalScroll():
                    yield Static(table_text(self._rows, self._heads), markup=False)
            for note in self._notes:
                yield Static(clean(note), markup=False, classes="note")
            go_on = f"{called('confirm')}  {self._does}    " if self._does else ""
            answer = f"{go_on}{called('decline')}  {self._leave}"
            yield Static(clean(answer), markup=False, classes="answer")

    def action_answer(self, go_on: bool) -> None:
        self.dismiss(go_on and bool(self._does))


def table_text(rows: Sequence[Sequence[str]], heads: Sequence[str] = ()) -> str:
    """Columns as wide as their widest cell, under their heads; the last one is not padded."""
    cells = [[clean(cell) for cell in row] for row in ((heads, *rows) if heads else rows)]
    widths = [max(cell_len(row[at]) for row in cells) for at in range(len(cells[0]) - 1)]
    return "\n".join(
        "  ".join([*(fit(cell, width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in cells
    )


class Question(Confirm):
    """A question without a table: what is the case, and sentences about it."""

    def __init__(self, heading: str, *notes: str, does: str, leave: str) -> None:
        super().__init__(heading, does=does, notes=notes, leave=leave)


class QuitQuestion(Question):
    """Asked when accounts hold positions, or when the desk can't say (`holding` None)."""

    def __init__(self, holding: int | None) -> None:
        if holding is None:
            open_now = "The desk does not answer, so whether positions are open is not known."
        else:
            holds = "holds" if holding == 1 else "hold"
            open_now = f"{counted(holding, 'account', 'accounts')} {holds} a position."
        stays = "Quitting stops the copying. Positions and working orders stay at the venue."
        super().__init__(open_now, stays, does="quit", leave="stay")


class ArmQuestion(Question):
    """What a venue demands of where a desk runs, before an account of it is switched on."""

    def __init__(self, account: str, policy: str) -> None:
        super().__init__(f"Switch {account} on?", policy, does="switch it on", leave="leave it off")


class ResyncQuestion(Confirm):
    """What a resync would send, a line for each follower and contract. With nothing to send it can only be closed."""

    def __init__(self, plan: ResyncPlan) -> None:
        orders = counted(plan.orders, "order", "orders")
        super().__init__(
            f"Resync {plan.target}: {orders if plan.orders else 'nothing can be sent'}",
            resync_rows(plan),
            f"send {orders}, exits first" if plan.orders else "",
            heads=_RESYNC_HEADS,
        )


_RESYNC_HEADS = ("account", "contract", "held", "target", "order", "leader in at", "now", "")


def resync_rows(plan: ResyncPlan) -> list[tuple[str, ...]]:
    """The difference: what is held, what the rule asks for, the order, and what the price says about it."""
    rows = [_resync_row(line) for line in plan.lines]
    return rows + [(account, "", "?", "?", "", "", "", f"not read: {why}") for account, why in plan.unread]


def _resync_row(line: ResyncLine) -> tuple[str, ...]:
    order = f"{'buy' if line.delta > 0 else 'sell'} {abs(line.delta)}" if line.delta else "-"
    worse = line.ticks_worse
    ticks = (
        ""
        if worse is None
        else "no worse"
        if worse == 0
        else f"{abs(worse)} ticks {'worse' if worse > 0 else 'better'}"
    )
    return (
        line.account,
        line.symbol,
        "?" if line.held is None else f"{line.held:+d}",
        "?" if line.target is None else f"{line.target:+d}",
        order,
        "" if line.entry_price is None else f"{line.entry_price.normalize():f}",
        "" if line.price is None else f"{line.price.normalize():f}",
        "; ".join(part for part in (ticks, line.note) if part),
    )


class HelpPage(TextPage):
    """The keys of the pane that has the focus, then those that work everywhere, then the others and every command."""

    BINDINGS: ClassVar[list[Any]] = [binding("help", "dismiss(None)")]

    def __init__(
        self, keymap: Keymap | None = None, here: Sequence[str] = ("desk",), state: KeyState | None = None
    ) -> None:
        super().__init__(help_text(keymap, here, state), "Shift-drag selects text with the mouse.")


class StoryPage(TextPage):
    """The story of one copy."""

    BINDINGS: ClassVar[list[Any]] = [binding("why", "dismiss(None)")]


def lists_text(lists: Sequence[WatchlistRow], filters: Sequence[SavedFilter]) -> str:
    """Every watchlist with its symbols, then every saved filter."""
    width = max((len(each.name) for each in (*lists, *filters)), default=0)
    lines = ["Watchlists"]
    for each in lists:
        named = f"  {each.name:<{width}}  {counted(len(each.rows), 'symbol', 'symbols')}"
        lines.append(f"{named}  {' '.join(row.symbol for row in each.rows)}".rstrip())
    lines += ["  none yet; :watch ESZ6 makes one"] if not lists else []
    lines += ["", "Filters", *(f"  {each.name:<{width}}  {each.about()}" for each in filters)]
    lines += ["  none yet; :filter big symbol=ES size>=5 saves one"] if not filters else []
    return "\n".join([*lines, ""])


def help_text(keymap: Keymap | None = None, here: Sequence[str] = ("desk",), state: KeyState | None = None) -> str:
    """The page: the contexts of `here` first, where a key that can't act now says why, then the others."""
    keys = keymap or Keymap()
    lines: list[str] = []
    for context in dict.fromkeys((*here, *CONTEXTS)):
        lines.append(CONTEXTS[context] + (", now" if context in here and context != "desk" else ""))
        lines += [_help_line(key, state if context in here else None) for key in keys.of(context)]
        lines.append("")
    lines.append("Commands, after :")
    lines += [f"  {syntax.example:<36} {syntax.does}" for syntax in SYNTAX]
    return "\n".join(lines)


def _help_line(key: Key, state: KeyState | None) -> str:
    line = f"  {key.shown:<12} {key.description:<15} {key.tooltip}"
    reason = key.disabled(state) if key.disabled and state is not None else None
    return f"{line} Not now: {reason}" if reason else line
