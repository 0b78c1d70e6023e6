"""Pages of text over the desk: scrolled by key or wheel, and searched (`/`, `n`, `N`) with a count of what was found.

`tui/dialogs.py` makes the help and the stories of it; so can any page that is lines of text.
"""

from typing import Any, ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input, Static

from tui.keymap import bindings, called
from tui.patient import PatientModal
from tui.text import clean


class Piece(NamedTuple):
    """A part of a line that fits the width: its text is ``line[start:end]``."""

    line: int
    start: int
    end: int


class Match(NamedTuple):
    """Where the text that is searched for stands."""

    line: int
    start: int
    end: int


def wrapped(lines: list[str], width: int) -> list[Piece]:
    """The pieces of all lines at a width, broken between words where there are any."""
    return [Piece(at, start, end) for at, line in enumerate(lines) for start, end in _cuts(line, max(1, width))]


def _cuts(line: str, width: int) -> list[tuple[int, int]]:
    cuts: list[tuple[int, int]] = []
    start = 0
    while cell_len(line[start:]) > width:
        end = start + width
        while cell_len(line[start:end]) > width:
            end -= 1
        space = line.rfind(" ", start + 1, end + 1)
        if space > start and line[start:space].strip():
            cuts.append((start, space))
            start = space + 1
        else:
            end = max(end, start + 1)
            cuts.append((start, end))
            start = end
    return [*cuts, (start, len(line))]


def found(lines: list[str], text: str) -> list[Match]:
    """Every place of `text`, whatever its case, from the top. Nothing for an empty text."""
    if not text:
        return []
    matches: list[Match] = []
    folded = text.lower()
    for at, line in enumerate(lines):
        lower = line.lower()
        if len(lower) != len(line):  # a letter that is longer in lower case: places would be others
            lower, folded_here = line, text
        else:
            folded_here = folded
        start = lower.find(folded_here)
        while start >= 0:
            matches.append(Match(at, start, start + len(text)))
            start = lower.find(folded_here, start + len(text))
    return matches


class TextLines(ScrollView, can_focus=True, inherit_bindings=False):
    """The lines, with what is found in them lit. Line API: a page of thousands of lines costs what is seen of it."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"text--match", "text--chosen"}

    def __init__(self, text: str, *, wraps: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self._wraps = wraps
        self.lines = [clean(line) for line in text.splitlines()] or [""]
        self.matches: list[Match] = []
        self.chosen = 0
        self._pieces: list[Piece] = []
        self._styles_by_look: dict[str, Style] = {}

    def on_resize(self, _event: events.Resize) -> None:
        self._wrap()

    def _wrap(self) -> None:
        whole = [Piece(at, 0, len(line)) for at, line in enumerate(self.lines)]
        self._pieces = wrapped(self.lines, self.size.width) if self._wraps else whole
        self.virtual_size = Size(self.size.width, len(self._pieces))
        self.refresh()

    def tell(self, text: str) -> None:
        """Other lines instead; what was found in the old ones is forgotten."""
        self.lines = [clean(line) for line in text.splitlines()] or [""]
        self.matches = []
        self._wrap()

    def search(self, text: str) -> None:
        """Light every place of `text`, and go to the first that is not above what is seen."""
        self.matches = found(self.lines, text)
        top = self._pieces[self.scroll_offset.y] if self.scroll_offset.y < len(self._pieces) else Piece(0, 0, 0)
        ahead = [at for at, match in enumerate(self.matches) if (match.line, match.start) >= (top.line, top.start)]
        self.chosen = ahead[0] if ahead else 0
        self._bring()

    def step(self, by: int) -> None:
        """Go to the next match, or the one before; round at the ends."""
        if self.matches:
            self.chosen = (self.chosen + by) % len(self.matches)
            self._bring()

    def _bring(self) -> None:
        """Have the chosen match in view."""
        if self.matches:
            match = self.matches[self.chosen]
            row = next(
                (at for at, each in enumerate(self._pieces) if each.line == match.line and match.start < each.end), 0
            )
            top, height = self.scroll_offset.y, self.size.height
            if not top <= row < top + height:
                self.scroll_to(y=max(0, row - height // 3), animate=False, immediate=True)
        self.refresh()

    @property
    def top(self) -> int:
        """The line at the top of what is seen."""
        at = self.scroll_offset.y
        return self._pieces[at].line if at < len(self._pieces) else 0

    def go_to(self, line: int) -> None:
        """Have a line at the top, or as near to it as the end lets it come."""
        row = next((at for at, each in enumerate(self._pieces) if each.line >= line), len(self._pieces))
        self.move(row - self.scroll_offset.y)

    def move(self, by: int) -> None:
        self.scroll_to(y=self.scroll_offset.y + by, animate=False, immediate=True)

    def render_line(self, y: int) -> Strip:
        width, at = self.size.width, y + self.scroll_offset.y
        if at >= len(self._pieces):
            return Strip([Segment(" " * width, self.rich_style)], width)
        piece = self._pieces[at]
        line = self.lines[piece.line]
        segments: list[Segment] = []
        x = piece.start
        for number, match in enumerate(self.matches):
            start, end = max(match.start, piece.start), min(match.end, piece.end)
            if match.line != piece.line or start >= end:
                continue
            segments.append(Segment(line[x:start], self.rich_style))
            segments.append(Segment(line[start:end], self._style("chosen" if number == self.chosen else "match")))
            x = end
        segments.append(Segment(line[x : piece.end], self.rich_style))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _style(self, look: str) -> Style:
        style = self._styles_by_look.get(look)
        if style is None:
            style = self._styles_by_look[look] = self.get_component_rich_style(f"text--{look}")
        return style

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_look.clear()


class TextPage(PatientModal[None]):
    """A page of `text`, whose lines are wrapped unless `wraps` is False. Closed with Escape or `q`; `about` is what its
    last line says besides."""

    BINDINGS: ClassVar[list[Any]] = bindings("text")

    def __init__(self, text: str, about: str = "", *, wraps: bool = True) -> None:
        super().__init__()
        self._about = about
        self.text = TextLines(text, wraps=wraps)
        self._input = Input(compact=True, placeholder="text on this page")
        self._input.display = False
        self._foot = Static("", markup=False, classes="answer")

    def compose(self) -> ComposeResult:
        with Vertical():
            yield from self.heading()
            yield self.text
            yield self._input
            yield self._foot

    def heading(self) -> ComposeResult:
        """What stands over the text, and is not searched."""
        yield from ()

    async def on_mount(self) -> None:
        self.text.focus()
        self._say()

    def tell(self, text: str) -> None:
        """Other text instead, searched for what was searched for."""
        self.text.tell(text)
        self.text.search(self._input.value)
        self._say()

    @property
    def foot(self) -> str:
        """What the last line says."""
        searched = self._input.value
        if not searched:
            keys = [(called("text_find"), "find"), (called("text_close"), "close")]
            return "    ".join([*(f"{key}  {does}" for key, does in keys), *([self._about] if self._about else [])])
        if not self.text.matches:
            return f"/{searched}  not on this page"
        count = f"{self.text.chosen + 1} of {len(self.text.matches)}"
        return f"/{searched}  {count}    {called('text_next')}  next"

    def _say(self) -> None:
        self._foot.update(clean(self.foot))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.text.search(event.value)
        self._say()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._close_line()

    def _close_line(self) -> None:
        self._input.display = False
        self.text.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Its key is a letter of what is searched for while that is typed."""
        return not self._input.display if action == "find" else super().check_action(action, parameters)

    def action_find(self) -> None:
        self._input.display = True
        self.set_focus(self._input)  # now: the next letter already belongs to it
        self._input.action_select_all()

    def action_step(self, by: int) -> None:
        self.text.step(by)
        self._say()

    def action_scroll(self, by: int) -> None:
        self.text.move(by)

    def action_turn(self, pages: int) -> None:
        self.text.move(pages * max(1, self.text.size.height - 1))

    def action_edge(self, last: int) -> None:
        self.text.move(len(self.text.lines) * self.text.size.height if last else -self.text.scroll_offset.y)

    def action_leave(self) -> None:
        """Leave the search first, then the page."""
        if self._input.value or self._input.display:
            self._input.value = ""
            self.text.search("")
            self._close_line()
            self._say()
        else:
            self.dismiss(None)
