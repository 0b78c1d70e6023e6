"""A question over the desk that one key answers with yes. Asked by `tui/managing.py` before something that is not done
in passing."""

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from tui.patient import PatientModal
from tui.text import clean


class Question(PatientModal[bool]):
    """`about` says what is the case, line by line; `yes` and `no` what the two keys do."""

    BINDINGS: ClassVar[list[Any]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape", "answer(False)", "no"),
    ]

    def __init__(self, *about: str, yes: str, no: str) -> None:
        super().__init__()
        self._about = about
        self._answers = f"y  {yes}    n  {no}"

    def compose(self) -> ComposeResult:
        with Vertical():
            for line in self._about:
                yield Static(clean(line), markup=False)
            yield Static(clean(self._answers), markup=False, classes="answer")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)
