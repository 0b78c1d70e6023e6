"""The base of every tabular pane: fixed columns, sort, filter, cursor, and a repaint of changed cells only.

The panes in `tui/panes/` give it columns and a topic; the paint clock calls `show` with the newest snapshot. It
draws itself line by line (title, column heads, rows): a row's strip is built once for as long as its cells stay the
same, and a change of one number repaints one cell. No widget, no message and no rich renderable is made per row.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import Reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from engine.seat import Topic, View
from tui.columns import Cell, Column, Placed, place
from tui.keymap import bindings, called
from tui.text import DOWN, UP, clean, counted, fit

R = TypeVar("R")
HEAD_LINES = 2  # title, column heads


class Drawn(NamedTuple):
    """What a line of the pane shows: the row's key, its cells, and the state that tints the whole row."""

    key: str
    cells: tuple[Cell, ...]
    state: str


class GridPane(ScrollView, Generic[R], can_focus=True):
    """A table of rows of one topic. Subclasses say `TOPIC`, `NAME`, `ROWS`, `EMPTY`, `COLUMNS` and `row_key`."""

    TOPIC: ClassVar[Topic]
    NAME: ClassVar[str]
    ROWS: ClassVar[tuple[str, str]]  # one, many
    EMPTY: ClassVar[str]
    COLUMNS: ClassVar[Sequence[Column[Any]]]
    BINDINGS: ClassVar[list[Any]] = bindings("grid")

    LOOKS: ClassVar[tuple[str, ...]] = ("up", "down", "good", "warn", "alarm", "dim", "strong", "leader", "accent")
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"grid--{look}" for look in LOOKS),
        "grid--title",
        "grid--title-focused",
        "grid--head",
        "grid--cursor",
        "grid--cursor-blurred",
        "grid--empty",
    }

    class Chosen(Message):
        """The cursor moved onto a row by hand; `detail` tells it in full."""

        def __init__(self, pane: "GridPane[Any]", detail: str) -> None:
            super().__init__()
            self.pane = pane
            self.detail = detail

        @property
        def control(self) -> "GridPane[Any]":
            return self.pane

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: Sequence[R] = ()
        self._version = -1
        self._now_ns = 0
        self._shown: list[R] = []
        self._cells: dict[str, tuple[R, int, tuple[Cell, ...]]] = {}
        self._placed: tuple[Placed, ...] = ()
        self._placed_for = -1
        self._drawn: dict[int, Drawn] = {}
        self._strips: dict[Drawn, Strip] = {}
        self._styles_by_look: dict[tuple[str, str], Style] = {}
        self._cursor_key = ""
        self._cursor = 0
        self._filter = ""
        self._keep: Callable[[R], bool] | None = None
        self._keep_name = ""
        self._sort: int | None = None
        self._sort_down = False
        self._title_drawn = ""

    # --- what a pane says about its rows ------------------------------------------------------------------------

    def row_key(self, row: R) -> str:
        """What identifies `row` between snapshots."""
        raise NotImplementedError

    def row_state(self, row: R) -> str:
        """A look for the whole row, such as dim for one that is switched off."""
        return ""

    def detail(self, row: R) -> str:
        """The row in one line, for the message line: what its cells had to cut."""
        return ""

    def heading(self) -> str:
        """What the title begins with."""
        return self.NAME

    def summary(self) -> str:
        """What the title says after the count."""
        return ""

    def arranged(self, rows: list[R]) -> list[R]:
        """The rows that pass, in their order, as they stand below each other: a pane may put headings between."""
        return rows

    def selectable(self, row: R) -> bool:
        """Whether the cursor may stand on a row."""
        return True

    def count(self, rows: Sequence[R]) -> int:
        """How many of them the title counts."""
        return len(rows)

    def why_empty(self) -> Sequence[str]:
        """What stands in place of rows, line by line."""
        return (f" {self.EMPTY}",)

    # --- data ---------------------------------------------------------------------------------------------------

    def show(self, view: View, now_ns: int) -> None:
        """Take the newest snapshot; only cells whose text or look changed are repainted. Cheap when nothing did."""
        self.show_rows(view.version, cast(Sequence[R], view.rows), now_ns)

    def show_rows(self, version: int, rows: Sequence[R], now_ns: int) -> None:
        """As `show`, for rows that are a part of a topic's."""
        coarse_ns = now_ns - now_ns % 10_000_000_000  # ages are shown in steps of ten seconds
        if version == self._version and coarse_ns == self._now_ns:
            return
        self._version, self._now_ns, self._rows = version, coarse_ns, rows
        self._arrange()

    @property
    def now_ns(self) -> int:
        return self._now_ns

    @property
    def rows(self) -> Sequence[R]:
        """Every row of the snapshot, before the filter."""
        return self._rows

    @property
    def shown(self) -> Sequence[R]:
        """The rows on screen, filtered and in order."""
        return self._shown

    @property
    def current(self) -> R | None:
        """The row under the cursor."""
        return self._shown[self._cursor] if self._shown else None

    @property
    def filter_text(self) -> str:
        return self._filter

    def set_filter(self, text: str) -> None:
        """Show only rows with a cell that contains `text`, whatever its case; empty shows all."""
        self._filter = text.casefold().strip()
        self._arrange()

    def set_keep(self, name: str, keep: Callable[[R], bool] | None) -> None:
        """Show only rows that the saved filter `name` lets pass, besides what is typed; None shows all."""
        self._keep, self._keep_name = keep, name if keep else ""
        self._arrange()

    def sort_by(self, index: int | None, down: bool = False) -> None:
        """Order by a column, or as the desk gave the rows when None."""
        self._sort, self._sort_down = index, down
        self._arrange()
        self.refresh(Region(0, 1, self.size.width, 1))

    def forget(self) -> None:
        """Make every cell anew: how text is shown has changed."""
        self._cells.clear()
        self._arrange()

    def lines_to_copy(self, *, whole: bool) -> tuple[list[str], str]:
        """The row under the cursor, or with `whole` the heads and every row that is shown, as lines with tabs between
        all columns; and what that is called."""
        row = self.current
        rows = list(self._shown) if whole else [] if row is None else [row]
        lines = [
            "\t".join(cell.text.removeprefix(f"{UP} ").removeprefix(f"{DOWN} ") for cell in self.cells_of(row))
            for row in rows
        ]
        if whole:
            return [
                "\t".join(column.title for column in self.COLUMNS),
                *lines,
            ], f"{self.heading()}, {counted(len(rows), 'row', 'rows')}"
        return lines, f"the row under the cursor of {self.heading()}"

    def cells_of(self, row: R) -> tuple[Cell, ...]:
        """The row's cells, made once per row of a snapshot."""
        key = self.row_key(row)
        known = self._cells.get(key)
        if known is not None and known[0] is row and known[1] == self._now_ns:
            return known[2]
        cells = tuple(
            Cell(clean(cell.text), cell.look if cell.text else "")
            for cell in (column.cell(row, self._now_ns) for column in self.COLUMNS)
        )
        self._cells[key] = (row, self._now_ns, cells)
        return cells

    def _arrange(self) -> None:
        """Filter and order the rows, keep the cursor on its row, and repaint what differs."""
        rows = list(self._rows) if self._keep is None else [row for row in self._rows if self._keep(row)]
        if self._filter:
            rows = [row for row in rows if any(self._filter in clean(c.text).casefold() for c in self.cells_of(row))]
        if self._sort is not None:
            by = self.COLUMNS[self._sort].sort
            if by is not None:
                rows.sort(key=by, reverse=self._sort_down)
        rows = self.arranged(rows)
        resized = len(rows) != len(self._shown)
        self._shown = rows
        if len(self._cells) > 2 * len(self._rows) + 50:
            keys = {self.row_key(row) for row in self._rows}
            self._cells = {key: known for key, known in self._cells.items() if key in keys}
        self._find_cursor()
        if resized:
            self._fit_scroll()
        self._repaint_changed()

    def _fit_scroll(self) -> None:
        """Let the scroll range follow the number of rows. Without the reactive, which would lay the screen out and
        repaint all of it for one row more: nothing but the range depends on it, there is no scrollbar."""
        self.set_reactive(
            cast(Reactive[Size], GridPane.virtual_size), Size(self.size.width, len(self._shown) + HEAD_LINES)
        )
        if self.scroll_offset.y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False, immediate=True)

    def _find_cursor(self) -> None:
        if self._shown and self._cursor_key:
            if self._cursor < len(self._shown) and self.row_key(self._shown[self._cursor]) == self._cursor_key:
                return
            for index, row in enumerate(self._shown):
                if self.row_key(row) == self._cursor_key:
                    self._cursor = index
                    return
        self._cursor = self._settled(max(0, min(self._cursor, len(self._shown) - 1)))

    def _settled(self, at: int, step: int = 1) -> int:
        """The nearest row to `at` that the cursor may stand on, first in the direction of `step`."""
        rows = self._shown
        onward, back = range(at, len(rows)), range(min(at, len(rows) - 1), -1, -1)
        for index in (*onward, *back) if step > 0 else (*back, *onward):
            if self.selectable(rows[index]):
                return index
        return at

    # --- painting -------------------------------------------------------------------------------------------------

    def _place(self) -> tuple[Placed, ...]:
        """Where the columns are at the current width."""
        width = self.size.width
        if self._placed_for != width:
            self._placed, self._placed_for = place(self.COLUMNS, width), width
            self._strips.clear()
            self._drawn.clear()
        return self._placed

    def _line(self, y: int) -> Drawn | None:
        """What content line `y` shows now."""
        index = y - HEAD_LINES + self.scroll_offset.y
        if y < HEAD_LINES or not 0 <= index < len(self._shown):
            return None
        row = self._shown[index]
        state = self.row_state(row)
        if index == self._cursor:
            state += "/cursor" if self.has_focus else "/cursor-blurred"
        return Drawn(self.row_key(row), self.cells_of(row), state)

    def _repaint_changed(self) -> None:
        """Ask for a repaint of the cells that differ from what is drawn."""
        if not self.size.width or not self.is_mounted:
            return
        placed = self._place()
        regions: list[Region] = []
        for y in range(HEAD_LINES, self.size.height):
            new, old = self._line(y), self._drawn.get(y)
            if new == old:
                continue
            if new is None or old is None or new.state != old.state:
                regions.append(Region(0, y, self.size.width, 1))
            else:
                regions.extend(
                    Region(x, y, width, 1) for i, x, width in placed if new.cells[i] != old.cells[i]
                )  # a cell left out for want of width changes nothing
            if new is None:
                self._drawn.pop(y, None)
            else:
                self._drawn[y] = new
        if self._title_text() != self._title_drawn:
            regions.append(Region(0, 0, self.size.width, 1))
        if not self._shown:
            regions.append(Region(0, HEAD_LINES, self.size.width, max(1, self.size.height - HEAD_LINES)))
        if regions:
            self.refresh(*regions)

    def _title_text(self) -> str:
        total, shown = self.count(self._rows), self.count(self._shown)
        count = counted(total, *self.ROWS) if shown == total else f"{shown} of {counted(total, *self.ROWS)}"
        parts = [f"{self.heading()} · {count}"]
        if summary := self.summary():
            parts.append(summary)
        if self._keep_name:
            parts.append(f"filter {clean(self._keep_name)}")
        if self._filter:
            parts.append(f"/{clean(self._filter)}")
        below = len(self._shown) - self.scroll_offset.y - max(0, self.size.height - HEAD_LINES)
        if self.scroll_offset.y > 0 or below > 0:
            parts.append(f"↑{self.scroll_offset.y} ↓{max(0, below)}")
        return " · ".join(parts)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            self._title_drawn = self._title_text()
            style = self._style("title-focused" if self.has_focus else "title")
            mark = "▌" if self.has_focus else " "
            return Strip([Segment(fit(f"{mark}{self._title_drawn}", width), style)], width)
        placed = self._place()
        if y == 1:
            return self._head(placed, width)
        line = self._line(y)
        if line is None:
            self._drawn.pop(y, None)
            said = () if self._shown else self._said_empty()
            text = said[y - HEAD_LINES] if y - HEAD_LINES < len(said) else ""
            return Strip([Segment(fit(text, width), self._style("empty"))], width)
        self._drawn[y] = line
        strip = self._strips.get(line)
        if strip is None:
            if len(self._strips) > 2 * self.size.height:
                drawn = set(self._drawn.values())
                self._strips = {each: strip for each, strip in self._strips.items() if each in drawn}
            strip = self._strips[line] = self._row_strip(line, placed, width)
        return strip

    def _said_empty(self) -> Sequence[str]:
        if self._rows and self._filter:
            return (f" Nothing matches /{clean(self._filter)}; {called('unfilter')} clears it.",)
        if self._rows and self._keep_name:
            return (f" Nothing passes filter {clean(self._keep_name)}; :filter off shows every row.",)
        return self.why_empty()

    def _head(self, placed: tuple[Placed, ...], width: int) -> Strip:
        style = self._style("head")
        segments: list[Segment] = []
        x = 0
        for index, at, column_width in placed:
            column = self.COLUMNS[index]
            title = column.title
            if index == self._sort:
                title = f"{title}{'↓' if self._sort_down else '↑'}"
            segments.append(Segment(" " * (at - x) + fit(title, column_width, column.right), style))
            x = at + column_width
        segments.append(Segment(" " * max(0, width - x), style))
        return Strip(segments, width)

    def _row_strip(self, line: Drawn, placed: tuple[Placed, ...], width: int) -> Strip:
        blank = self._style("", line.state)
        segments: list[Segment] = []
        x = 0
        for index, at, column_width in placed:
            cell = line.cells[index]
            text = fit(cell.text, column_width, self.COLUMNS[index].right)
            if at > x:
                segments.append(Segment(" " * (at - x), blank))
            segments.append(Segment(text, self._style(cell.look, line.state) if cell.look else blank))
            x = at + column_width
        if width > x:
            segments.append(Segment(" " * (width - x), blank))
        return Strip(segments, width)

    def _style(self, look: str, state: str = "") -> Style:
        """The style of a look on a row in a state; from the theme once, then from memory."""
        style = self._styles_by_look.get((look, state))
        if style is None:
            row_look, _, cursor = state.partition("/")
            style = self.rich_style
            for name in (row_look, look):
                if name:
                    style += self.get_component_rich_style(f"grid--{name}", partial=name in self.LOOKS)
            if cursor:
                under = self.get_component_rich_style(f"grid--{cursor}")
                style += Style(bgcolor=under.bgcolor, bold=under.bold, reverse=under.reverse)
            self._styles_by_look[look, state] = style
        return style

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_look.clear()
        self._strips.clear()

    # --- the cursor -----------------------------------------------------------------------------------------------

    def move_cursor(self, to: int) -> None:
        """Put the cursor on row `to` of those shown, and the row in view."""
        if not self._shown:
            return
        self._cursor = self._settled(max(0, min(to, len(self._shown) - 1)), 1 if to >= self._cursor else -1)
        row = self._shown[self._cursor]
        self._cursor_key = self.row_key(row)
        page = max(1, self.size.height - HEAD_LINES)
        above = self._cursor - 1  # a heading above comes into view with it
        if above < 0 or self.selectable(self._shown[above]):
            above = self._cursor
        if above < self.scroll_offset.y:
            self.scroll_to(y=above, animate=False, immediate=True)
        elif self._cursor >= self.scroll_offset.y + page:
            self.scroll_to(y=self._cursor - page + 1, animate=False, immediate=True)
        self._repaint_changed()
        self.post_message(self.Chosen(self, clean(self.detail(row))))

    def action_cursor(self, by: int) -> None:
        self.move_cursor(self._cursor + by)

    def action_page(self, by: int) -> None:
        self.move_cursor(self._cursor + by * max(1, self.size.height - HEAD_LINES - 1))

    def action_edge(self, last: int) -> None:
        self.move_cursor(len(self._shown) - 1 if last else 0)

    def action_sort_next(self) -> None:
        order: list[int | None] = [None, *(p.column for p in self._place() if self.COLUMNS[p.column].sort)]
        at = order.index(self._sort) if self._sort in order else 0
        self.sort_by(order[(at + 1) % len(order)])

    def action_sort_reverse(self) -> None:
        if self._sort is not None:
            self.sort_by(self._sort, not self._sort_down)

    def on_focus(self, _event: events.Focus) -> None:
        if self._shown and not self._cursor_key:
            self._cursor_key = self.row_key(self._shown[self._cursor])
        self._focus_changed()

    def on_blur(self, _event: events.Blur) -> None:
        self._focus_changed()

    def _focus_changed(self) -> None:
        self.refresh(Region(0, 0, self.size.width, 1))
        self._repaint_changed()

    def on_resize(self, _event: events.Resize) -> None:
        self._place()
        self._fit_scroll()
        self._repaint_changed()

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 1:
            for index, x, width in self._place():
                if x <= offset.x < x + width and self.COLUMNS[index].sort:
                    self.sort_by(index, not self._sort_down if index == self._sort else False)
        elif offset.y >= HEAD_LINES:
            self.move_cursor(offset.y - HEAD_LINES + self.scroll_offset.y)
