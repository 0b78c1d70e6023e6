"""A page on which something is found while it is typed. `tui/palette.py` and `tui/search.py` are two of them."""

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ScreenResultType
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.keymap import bindings
from tui.patient import PatientModal


class FindingPage(PatientModal[ScreenResultType]):
    """The line, what is found below it, and its keys. A subclass shows what is found for what the line holds."""

    BINDINGS: ClassVar[list[Any]] = bindings("choose")

    def __init__(self, placeholder: str, found: Widget) -> None:
        super().__init__()
        self._input = Input(compact=True, placeholder=placeholder)
        self._lines = found

    def hints(self) -> Iterable[str]:
        """What its keys do."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._input
            yield self._lines
            yield Static("    ".join(self.hints()), markup=False, classes="answer")

    def on_mount(self) -> None:
        self._input.focus()

    def on_key(self, event: events.Key) -> None:
        """A letter that was typed before the line was there is the line's: no key of what lies below."""
        if event.character and event.is_printable:
            event.stop()
            self._input.insert_text_at_cursor(event.character)

    async def action_choose(self) -> None:
        await self._input.action_submit()
