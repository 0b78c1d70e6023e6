"""Panes side by side or stacked, with dividers that move by key and by mouse. `tui/app.py` nests them.

Sizes are ratios, so they survive a change of the terminal's size. A divider is one cell: focus it and use the arrow
keys, drag it, or double-click it to go back to the first sizes. `show_only` hides panes (zoom, small terminals).
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.strip import Strip
from textual.widget import Widget

from tui.keymap import bindings

LEAST_WIDTH = 20
LEAST_HEIGHT = 4
DRAG_STEP_S = 0.03
"""Drag moves within this time become one: laying the screen out costs far more than moving a mouse."""


class Divider(Widget, can_focus=True):
    """The line between two panes of a Split."""

    BINDINGS: ClassVar[list[Any]] = bindings("split")

    def __init__(self, split: "Split", index: int) -> None:
        super().__init__(classes=f"-{split.direction}")
        self.split = split
        self.index = index
        self._drag_from: int | None = None
        self._drag_to = 0
        self._step_due = False

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        row = self.split.direction == "row"
        lines = ("┃" if row else "━") if self.has_focus else ("│" if row else "─")
        return Strip([Segment(lines * width, self.rich_style)], width)

    def action_move(self, cells: int) -> None:
        self.split.move(self.index, cells)

    def action_reset(self) -> None:
        self.split.reset()

    def _at(self, event: events.MouseEvent) -> int:
        return event.screen_x if self.split.direction == "row" else event.screen_y

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._drag_from = self._drag_to = self._at(event)
        self.capture_mouse()
        event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._drag_from is None:
            return
        self._drag_to = self._at(event)
        if not self._step_due:
            self._step_due = True
            self.set_timer(DRAG_STEP_S, self._step)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._drag_from is not None:
            self._drag_to = self._at(event)
            self._step()
            self._drag_from = None
            self.release_mouse()

    def _step(self) -> None:
        self._step_due = False
        if self._drag_from is not None and self._drag_to != self._drag_from:
            self._drag_from += self.split.move(self.index, self._drag_to - self._drag_from)

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.split.reset()


class Split(Container):
    """`children` in a row or a column, sized by `ratios`."""

    def __init__(
        self, direction: Literal["row", "column"], *panes: Widget, ratios: Sequence[float], id: str | None = None
    ) -> None:
        super().__init__(id=id, classes=f"-{direction}")
        self.direction = direction
        self.panes = panes
        self._first = tuple(ratios)
        self.ratios = list(ratios)
        self.dividers = [Divider(self, index) for index in range(len(panes) - 1)]

    def compose(self) -> ComposeResult:
        for index, pane in enumerate(self.panes):
            if index:
                yield self.dividers[index - 1]
            yield pane

    def on_mount(self) -> None:
        self._apply()

    def _apply(self) -> None:
        for pane, ratio in zip(self.panes, self.ratios, strict=True):
            if self.direction == "row":
                pane.styles.width, pane.styles.height = f"{ratio:.6f}fr", "1fr"
            else:
                pane.styles.width, pane.styles.height = "1fr", f"{ratio:.6f}fr"

    def reset(self) -> None:
        """Back to the first sizes."""
        self.ratios = list(self._first)
        self._apply()

    def move(self, divider: int, cells: int) -> int:
        """Move a divider right or down by `cells` (negative: left or up); both sides keep their least size.
        Returns by how much it moved."""
        before = [i for i in range(divider + 1) if self.panes[i].display]
        after = [i for i in range(divider + 1, len(self.panes)) if self.panes[i].display]
        if not before or not after:
            return 0
        a, b = before[-1], after[0]
        row = self.direction == "row"
        total = sum(self.panes[i].outer_size.width if row else self.panes[i].outer_size.height for i in (a, b))
        least = LEAST_WIDTH if row else LEAST_HEIGHT
        if total < 2 * least:
            return 0
        # From the ratios, not from the widget: moves may come faster than the screen is laid out. The half cell keeps
        # rounding from taking one away.
        shares = self.ratios[a] + self.ratios[b]
        size_a = int(total * self.ratios[a] / shares)
        new_a = max(least, min(size_a + cells, total - least))
        if new_a == size_a:
            return 0
        self.ratios[a] = shares * (new_a + 0.5) / total
        self.ratios[b] = shares - self.ratios[a]
        self._apply()
        return new_a - size_a

    def show_only(self, wanted: Callable[[Widget], bool]) -> bool:
        """Show the panes that `wanted` says, and a divider between any two; whether anything is left to show."""
        any_before = False
        for index, pane in enumerate(self.panes):
            visible = pane.show_only(wanted) if isinstance(pane, Split) else wanted(pane)
            pane.display = visible
            if index:
                self.dividers[index - 1].display = visible and any_before
            any_before = any_before or visible
        return any_before
