"""The pages over the desk: the questions before quitting, before a resync and before an account is armed whose venue
demands something, the keys and commands, and the story of a copy. Opened by `tui/app.py`."""

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from engine.seat import ResyncLine, ResyncPlan, WatchlistRow
from schema.watchlists import SavedFilter
from tui.commands import SYNTAX
from tui.keymap import CONTEXTS, KEYS
from tui.patient import PatientModal
from tui.text import clean, counted


class QuitQuestion(PatientModal[bool]):
    """Asked when accounts hold positions, or when the desk can't say (`holding` None)."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("y", "answer(True)", "quit"),
        Binding("n,escape", "answer(False)", "stay"),
    ]

    def __init__(self, holding: int | None) -> None:
        super().__init__()
        self._holding = holding

    def compose(self) -> ComposeResult:
        if self._holding is None:
            open_now = "The desk does not answer, so whether positions are open is not known."
        else:
            holds = "holds" if self._holding == 1 else "hold"
            open_now = f"{counted(self._holding, 'account', 'accounts')} {holds} a position."
        with Vertical():
            yield Static(open_now, markup=False)
            yield Static("Quitting stops the copying. Positions and working orders stay at the venue.", markup=False)
            yield Static("y  quit    n  stay", markup=False, classes="answer")

    def action_answer(self, leave: bool) -> None:
        self.dismiss(leave)


class ArmQuestion(PatientModal[bool]):
    """What a venue demands of where a desk runs, before an account of it is switched on."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("y", "answer(True)", "switch on"),
        Binding("n,escape", "answer(False)", "leave off"),
    ]

    def __init__(self, account: str, policy: str) -> None:
        super().__init__()
        self._account = account
        self._policy = policy

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(clean(self._policy), markup=False)
            yield Static(f"Switch {clean(self._account)} on?", markup=False)
            yield Static("y  switch it on    n  leave it off", markup=False, classes="answer")

    def action_answer(self, arm: bool) -> None:
        self.dismiss(arm)


class ResyncQuestion(PatientModal[bool]):
    """What a resync would send, a line for each follower and contract. With nothing to send it can only be closed."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("y", "answer(True)", "send"),
        Binding("n,escape", "answer(False)", "leave"),
    ]

    def __init__(self, plan: ResyncPlan) -> None:
        super().__init__()
        self._plan = plan

    def compose(self) -> ComposeResult:
        plan = self._plan
        with Vertical():
            with VerticalScroll():
                yield Static(resync_text(plan), markup=False)
            send = f"y  send {counted(plan.orders, 'order', 'orders')}, exits first    " if plan.orders else ""
            yield Static(f"{send}n  leave everything as it is", markup=False, classes="answer")

    def action_answer(self, send: bool) -> None:
        self.dismiss(send and self._plan.orders > 0)


def resync_text(plan: ResyncPlan) -> str:
    """The difference as a table: what is held, what the rule asks for, the order, and what the price says about it."""
    heads = ("account", "contract", "held", "target", "order", "leader in at", "now", "")
    rows = [heads, *(_resync_row(line) for line in plan.lines)]
    rows += [(account, "", "?", "?", "", "", "", f"not read: {why}") for account, why in plan.unread]
    rows = [tuple(map(clean, row)) for row in rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads) - 1)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)) + f"  {row[-1]}".rstrip()
        for row in rows
    )


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


class HelpPage(PatientModal[None]):
    """Every key by context, then every command."""

    BINDINGS: ClassVar[list[Any]] = [Binding("escape,q,question_mark", "dismiss(None)", "close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(help_text(), markup=False)


class StoryPage(PatientModal[None]):
    """The story of one copy."""

    BINDINGS: ClassVar[list[Any]] = [Binding("escape,q,w", "dismiss(None)", "close")]

    def __init__(self, story: str) -> None:
        super().__init__()
        self._story = story

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static("\n".join(clean(line) for line in self._story.splitlines()), markup=False)
            yield Static("Esc closes this page.", markup=False, classes="answer")


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


def help_text() -> str:
    """The page, from the key table and the command table."""
    lines: list[str] = []
    for context, heading in CONTEXTS.items():
        lines.append(heading)
        lines += [f"  {key.shown:<10} {key.description:<15} {key.tooltip}" for key in KEYS if key.context == context]
        lines.append("")
    lines.append("Commands, after :")
    lines += [f"  {syntax.example:<36} {syntax.does}" for syntax in SYNTAX]
    lines += ["", "Hold Shift to select text with the mouse. Esc closes this page."]
    return "\n".join(lines)
