"""The line at the bottom where commands and filters are typed. `tui/app.py` opens it and carries out what it says.

Completion and checking live in `tui/commands.py`; this is only the typing: Tab goes through the matches, the arrow
keys through the history, and the message line above shows what comes next.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from tui.commands import Known, complete, usage
from tui.keymap import bindings
from tui.text import hidden

_HISTORY_KEPT = 200
_SHOWN = 12


class _FirstMatch(Suggester):
    """The first completion, shown dim after the cursor; the right arrow takes it."""

    def __init__(self, matches: Callable[[str], list[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._matches = matches

    async def get_suggestion(self, value: str) -> str | None:
        if not value or hidden():  # it would show the name of an account
            return None
        return next((match for match in self._matches(value) if match.startswith(value)), None)


class Prompt(Container):
    """Closed until `open`; then it has the focus until Enter or Escape."""

    BINDINGS: ClassVar[list[Any]] = bindings("prompt")

    class Entered(Message):
        """Enter was pressed on a command line."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    class Filtering(Message):
        """The filter's text as it is typed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """The line is gone; whoever had the focus gets it back. `kept` is False after Escape."""

        def __init__(self, mode: str, kept: bool) -> None:
            super().__init__()
            self.mode = mode
            self.kept = kept

    class Hint(Message):
        """What could come next, for the message line."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, known: Callable[[], Known], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._known = known
        self.mode: Literal["command", "filter"] = "command"
        self._mark = Static(":", markup=False)
        self._input = Input(compact=True, suggester=_FirstMatch(self._matches), select_on_focus=False)
        self._history: list[str] = []
        self._history_at = 0
        self._cycle: list[str] = []
        self._cycle_at = 0

    def compose(self) -> ComposeResult:
        yield self._mark
        yield self._input

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    def open(self, mode: Literal["command", "filter"], text: str = "") -> None:
        self.mode = mode
        self._mark.update(":" if mode == "command" else "/")
        self._history_at = len(self._history)
        self._cycle = []
        self.add_class("-open")
        self.display = True  # now, not with the next styles: the next key already belongs to the line
        with self.prevent(Input.Changed):
            self._input.value = text
        self._input.cursor_position = len(text)
        self.screen.set_focus(self._input)
        self._hint(text)

    def _close(self, kept: bool) -> None:
        self.remove_class("-open")
        self.display = False
        self.post_message(self.Closed(self.mode, kept))

    def _matches(self, line: str) -> list[str]:
        return complete(line, self._known()) if self.mode == "command" else []

    def _hint(self, line: str) -> None:
        if self.mode != "command":
            return
        matches = self._matches(line)
        words = [match.rstrip().rpartition(" ")[2] for match in matches]
        more = f"  +{len(words) - _SHOWN}" if len(words) > _SHOWN else ""
        parts = [usage(line), "  ".join(words[:_SHOWN]) + more]
        self.post_message(self.Hint("   │  ".join(part for part in parts if part)))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self.is_open:
            return
        if self.mode == "filter":
            self.post_message(self.Filtering(event.value))
        elif event.value not in self._cycle:
            self._cycle = []
            self._hint(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        line = event.value.strip()
        self._close(kept=True)
        if self.mode == "command" and line:
            if not self._history or self._history[-1] != line:
                self._history = [*self._history[-_HISTORY_KEPT:], line]
            self.post_message(self.Entered(line))

    def action_leave(self) -> None:
        self._close(kept=False)

    def action_complete(self, step: int) -> None:
        if not self._cycle:
            self._cycle = self._matches(self._input.value)
            self._cycle_at = -1 if step > 0 else 0
        if not self._cycle:
            return
        self._cycle_at = (self._cycle_at + step) % len(self._cycle)
        self._put(self._cycle[self._cycle_at])
        if len(self._cycle) == 1:
            self._cycle = []

    def action_history(self, step: int) -> None:
        if self.mode != "command" or not self._history:
            return
        self._history_at = max(0, min(self._history_at + step, len(self._history)))
        self._cycle = []
        self._put(self._history[self._history_at] if self._history_at < len(self._history) else "")

    def _put(self, text: str) -> None:
        self._input.value = text
        self._input.cursor_position = len(text)
