"""The line at the bottom where commands, filters and what is looked for in a chart are typed. `tui/app.py` opens it and
carries out what it says.

Completion and checking live in `tui/parsing.py`, what a line would do in `tui/foresee.py`; this is only the typing:
Tab goes through the matches, the arrow keys through the history, Ctrl+R searches it, and the message line above shows
what the line would do now, or what comes next.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Literal

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from tui.commands import Known
from tui.history import History
from tui.keymap import bindings, called, key_of
from tui.parsing import complete, usage
from tui.text import hidden, real_names, without_names

_SHOWN = 12
Mode = Literal["command", "filter", "seek"]


class _FirstMatch(Suggester):
    """The first completion, shown dim after the cursor; the right arrow takes it."""

    def __init__(self, matches: Callable[[str], list[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._matches = matches

    async def get_suggestion(self, value: str) -> str | None:
        if not value:
            return None
        return next((match for match in self._matches(value) if match.startswith(value)), None)


class _Line(Input):
    """Carries the keys of the line out in their turn among the letters: one that waited for its way up to a parent
    would come after what was typed behind it."""

    async def _on_key(self, event: events.Key) -> None:
        key = key_of("prompt", event.aliases)
        if key is not None and isinstance(self.parent, Prompt):
            event.prevent_default()
            event.stop()
            await self.parent.run_action(key.action)


class Prompt(Container):
    """Closed until `open`; then it has the focus until Enter or Escape. `foreseen` says what a line would do now."""

    BINDINGS: ClassVar[list[Any]] = bindings("prompt")

    class Entered(Message):
        """Enter was pressed on a command line."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    class Sought(Message):
        """Enter was pressed on what is looked for."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

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
        """What the line would do, or what could come next, for the message line."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(
        self,
        known: Callable[[], Known],
        foreseen: Callable[[str], str],
        history: History,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._known = known
        self._foreseen = foreseen
        self._history = history
        self.mode: Mode = "command"
        self._mark = Static(":", markup=False)
        self._input = _Line(compact=True, suggester=_FirstMatch(self._matches), select_on_focus=False)
        self._history_at = 0
        self._cycle: list[str] = []
        self._cycle_at = 0
        self._before_search: str | None = None
        """What was typed before Ctrl+R; None while the history is not searched."""
        self._found_at = 0
        self._said = ""

    def compose(self) -> ComposeResult:
        yield self._mark
        yield self._input

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def is_searching(self) -> bool:
        return self._before_search is not None

    def open(self, mode: Mode, text: str = "") -> None:
        self.mode = mode
        self._before_search = None
        self._mark.update(":" if mode == "command" else "/")
        self._history_at = len(self._history.lines)
        self._cycle = []
        self.add_class("-open")
        self.display = True  # now, not with the next styles: the next key already belongs to the line
        with self.prevent(Input.Changed):
            self._input.value = without_names(text)
        self._input.cursor_position = len(self._input.value)
        self.screen.set_focus(self._input)
        self._hint(text)

    def _close(self, kept: bool) -> None:
        self.remove_class("-open")
        self.display = False
        self._said = ""
        self.post_message(self.Closed(self.mode, kept))

    def _matches(self, line: str) -> list[str]:
        if self.mode != "command" or self.is_searching:
            return []
        return complete(line, _without_names(self._known()) if hidden() else self._known())

    # --- what is said above the line ----------------------------------------------------------------------------------

    def _hint(self, line: str) -> None:
        if self.mode == "command":
            self._said = self._found_text(line) if self.is_searching else self._next_text(line)
            self.post_message(self.Hint(self._said))

    def look_again(self) -> None:
        """Say anew what the line would do, if that is something else by now."""
        if not self.is_open or self.mode != "command" or self.is_searching:
            return
        said = self._next_text(self._input.value)
        if said != self._said:
            self._said = said
            self.post_message(self.Hint(said))

    def _next_text(self, line: str) -> str:
        foreseen = self._foreseen(real_names(line)) if line.strip() else ""
        matches = self._matches(line)
        words = [match.rstrip().rpartition(" ")[2] for match in matches]
        more = f"  +{len(words) - _SHOWN}" if len(words) > _SHOWN else ""
        others = "  ".join(words[:_SHOWN]) + more
        parts = [foreseen, others if len(words) > 1 else ""] if foreseen else [usage(line), others]
        return "   │  ".join(part for part in parts if part)

    def _found_text(self, text: str) -> str:
        found = self._history.matching(real_names(text))
        if not found:
            return "No command with that was typed." if text else "No command was typed yet."
        self._found_at %= len(found)
        keys = f"{called('run')}  take it    {called('search')}  an older one"
        return f"{self._found_at + 1} of {len(found)}   :{found[self._found_at]}   │  {keys}"

    # --- typing -------------------------------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if not self.is_open:
            return
        if self.mode == "filter":
            self.post_message(self.Filtering(event.value))
        elif self.is_searching:
            self._found_at = 0
            self._hint(event.value)
        else:
            if event.value not in self._cycle:
                self._cycle = []
            self._hint(event.value)

    def action_run(self) -> None:
        """Take what was found into the line, or carry the line out."""
        typed = real_names(self._input.value)
        if self.is_searching:
            found = self._history.matching(typed)
            self._end_search(found[self._found_at % len(found)] if found else self._before_search or "")
            return
        line = typed.strip()
        if self.mode == "filter":  # its last letters may not have been told yet
            self.post_message(self.Filtering(self._input.value))
        self._close(kept=True)
        if self.mode == "command" and line:
            self._history.remember(line)
            self.post_message(self.Entered(line))
        elif self.mode == "seek" and line:
            self.post_message(self.Sought(line))

    def action_leave(self) -> None:
        """Leave the search first, then the line."""
        if self.is_searching:
            self._end_search(self._before_search or "")
        else:
            self._close(kept=False)

    def action_search(self) -> None:
        """Search what was typed before; again: an older match. Enter takes the match into the line, and only there it
        can be run."""
        if self.mode != "command":
            return
        if self.is_searching:
            self._found_at += 1
        else:
            self._before_search, self._found_at = self._input.value, 0
            self._mark.update("?")
            with self.prevent(Input.Changed):
                self._input.value = ""
        self._hint(self._input.value)

    def _end_search(self, line: str) -> None:
        self._before_search = None
        self._mark.update(":")
        self._put(line)
        self._hint(line)

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
        if self.mode != "command" or self.is_searching or not self._history.lines:
            return
        lines = self._history.lines
        self._history_at = max(0, min(self._history_at + step, len(lines)))
        self._cycle = []
        self._put(lines[self._history_at] if self._history_at < len(lines) else "")

    def _put(self, text: str) -> None:
        self._input.value = without_names(text)
        self._input.cursor_position = len(self._input.value)


def _without_names(known: Known) -> Known:
    """As a shared screen offers them: what stands for a name is what is typed."""
    accounts, followers, logins = (
        tuple(map(without_names, names)) for names in (known.accounts, known.followers, known.logins)
    )
    return replace(known, accounts=accounts, followers=followers, logins=logins)
