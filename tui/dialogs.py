"""The two pages over the desk: the question before quitting, and the keys and commands. Opened by `tui/app.py`."""

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui.commands import SYNTAX
from tui.keymap import CONTEXTS, KEYS
from tui.patient import PatientModal
from tui.text import counted


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


class HelpPage(PatientModal[None]):
    """Every key by context, then every command."""

    BINDINGS: ClassVar[list[Any]] = [Binding("escape,q,question_mark", "dismiss(None)", "close")]

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Static(help_text(), markup=False)


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
