"""The base of panes that are a drawing and no table: lines of runs, of which what differs is repainted.

`candles.py` and `depth.py` build their lines with pure functions and hand them to `draw`. A run is text with one look,
the name of a component class of the pane; ``bid/cursor`` is the look `bid` on the cursor's background.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.text import fit


class Run(NamedTuple):
    """Characters with one look; empty for plain text."""

    text: str
    look: str = ""


Line = tuple[Run, ...]


def cells_in(text: str) -> int:
    """How many cells a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def fitted(runs: Iterable[Run], width: int, fill: str = "") -> Line:
    """Runs in exactly `width` cells: the last that fits is cut with an ellipsis, and blanks of the look `fill` follow
    where there is room."""
    line: list[Run] = []
    room = width
    for run in runs:
        length = cells_in(run.text)
        if length > room:
            if room > 0:
                line.append(Run(fit(run.text, room), run.look))
            return tuple(line)
        if length:
            line.append(run)
            room -= length
    if room > 0:
        line.append(Run(" " * room, fill))
    return tuple(line)


def differing(old: Line, new: Line) -> Iterator[tuple[int, int]]:
    """The (cell, width) of what of a line has to be repainted: the runs that changed, or all between the first and the
    last of them where they moved."""
    widths = [cells_in(run.text) for run in new]
    if [cells_in(run.text) for run in old] == widths:
        x = 0
        for before, after, width in zip(old, new, widths, strict=True):
            if before != after and width:
                yield x, width
            x += width
        return
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    tail = 0
    while tail < min(len(old), len(new)) - same and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    first = sum(widths[:same])
    total = max(sum(widths), sum(cells_in(run.text) for run in old))
    last = total - sum(widths[len(widths) - tail :])
    if last > first:
        yield first, last - first


class LinePane(Widget, can_focus=True):
    """A subclass says `PREFIX`, its `COMPONENT_CLASSES` (`looks`), and `rebuild`."""

    PREFIX: ClassVar[str]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []
        self._lines_width = 0
        self._styles_by_look: dict[str, Style] = {}

    @staticmethod
    def looks(prefix: str, *names: str) -> set[str]:
        """The component classes of these looks, and of the title's two."""
        return {f"{prefix}--{name}" for name in (*names, "title", "title-focused")}

    def rebuild(self) -> None:
        """Build the lines from what is known now, and `draw` them."""
        raise NotImplementedError

    def forget(self) -> None:
        """Build every line anew: how text is shown has changed."""
        self.rebuild()

    def draw(self, lines: list[Line]) -> None:
        """Show these lines, the title first; only what differs is repainted."""
        before, self.lines = self.lines, lines
        width = self.size.width
        if self._lines_width != width or len(before) != len(lines):
            self._lines_width = width
            self.refresh()
            return
        regions = [
            Region(x, y, cells, 1)
            for y, (old, new) in enumerate(zip(before, lines, strict=True))
            if old != new
            for x, cells in differing(old, new)
        ]
        if regions:
            self.refresh(*regions)

    def title(self, runs: Iterable[Run]) -> Line:
        """The first line: runs without a look have the title's."""
        look = "title-focused" if self.has_focus else "title"
        mark = "▌" if self.has_focus else " "
        named = [Run(run.text, run.look or look) for run in (Run(mark), *runs)]
        return fitted(named, self.size.width, look)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line = self.lines[y] if y < len(self.lines) else ()
        return Strip([Segment(run.text, self._style(run.look)) for run in fitted(line, width)], width)

    def _style(self, look: str) -> Style:
        style = self._styles_by_look.get(look)
        if style is None:
            name, _, back = look.partition("/")
            style = self.get_component_rich_style(f"{self.PREFIX}--{name}") if name else self.rich_style
            if back:
                under = self.get_component_rich_style(f"{self.PREFIX}--{back}")
                style += Style(bgcolor=under.bgcolor, bold=under.bold)
            self._styles_by_look[look] = style
        return style

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_look.clear()

    def on_resize(self, _event: events.Resize) -> None:
        self.rebuild()

    def on_focus(self, _event: events.Focus) -> None:
        self.rebuild()

    def on_blur(self, _event: events.Blur) -> None:
        self.rebuild()
