"""The panes on screen: where they lie, the dividers between them, and the keys that change the layout.

`tui/app.py` has one. All panes are its children and stay so: a layout only says where each lies (`tui/layouts.py` which
one, `tui/tiling.py` where), so a pane that is moved keeps its cursor, filter and rows. After `arrange` the next keys
change the layout, until one has done so or something else has the focus; those that resize can go on.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, cast

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.keymap import bindings
from tui.layout import Direction, LayoutRefused, Tree, close, panes, put, split, swap
from tui.layouts import Layouts
from tui.tiling import Border, Tiling, Towards, border_of, fitting, moved, neighbour, tiled

STEP_S = 0.03
"""Steps of a resize within this time become one: laying the screen out costs far more than moving a mouse."""


class Divider(Widget, can_focus=True):
    """The line between two neighbours; the board says which."""

    BINDINGS: ClassVar[list[Any]] = bindings("split")

    def __init__(self, board: "Board") -> None:
        super().__init__()
        self._board = board
        self.border: Border | None = None
        self._drag_from: int | None = None

    @property
    def _row(self) -> bool:
        return self.border is not None and self.border.direction == "row"

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        lines = ("┃" if self._row else "━") if self.has_focus else ("│" if self._row else "─")
        return Strip([Segment(lines * width, self.rich_style)], width)

    def action_move(self, cells: int) -> None:
        if self.border is not None:
            self._board.move_border(self.border, cells)

    def action_reset(self) -> None:
        if self.border is not None:
            self._board.first_sizes(self.border)

    def _at(self, event: events.MouseEvent) -> int:
        return event.screen_x if self._row else event.screen_y

    def post_message(self, message: Message) -> bool:
        """A press takes the mouse and its end gives it back here, before the next event is given to anybody: a line
        that stalls brings a whole drag at once, which the pane under the mouse would have."""
        if isinstance(message, events.MouseDown):
            self.capture_mouse()
        elif isinstance(message, events.MouseUp):
            self.release_mouse()
        return super().post_message(message)

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._drag_from = self._at(event)
        event.stop()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self._drag(self._at(event))

    def on_mouse_up(self, event: events.MouseUp) -> None:
        self._drag(self._at(event))
        self._drag_from = None

    def _drag(self, to: int) -> None:
        if self._drag_from is not None and self.border is not None and to != self._drag_from:
            self._drag_from += self._board.move_border(self.border, to - self._drag_from)

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2:
            self.action_reset()


class _Tiles(Layout):
    """Textual's side of a tiling."""

    name = "tiles"

    def __init__(self, board: "Board") -> None:
        self._board = board

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        tiling = self._board.tiling(size.width, size.height)
        placed: ArrangeResult = []
        for child in children:
            if isinstance(child, Divider):
                place = tiling.borders.get(child.border) if child.border is not None else None
            else:
                place = tiling.panes.get(child.id or "")
            if place is not None:
                placed.append(WidgetPlacement(Region(*place), NULL_OFFSET, NULL_SPACING, child))
        return placed


class Board(Widget):
    """Panes by their names, laid out as `layouts` says. `say` is told what could not be done."""

    BINDINGS: ClassVar[list[Any]] = bindings("layout")

    class Rearranged(Message):
        """The layout, the zoom or what keys do has changed."""

    def __init__(
        self, shown: Mapping[str, Widget], layouts: Layouts, say: Callable[[str, str], None], *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._panes = shown
        self._layouts = layouts
        self._say = say
        self._tiles = _Tiles(self)
        self._room = Size(0, 0)
        self._on_screen: frozenset[str] = frozenset()
        self._tiling: tuple[object, Tiling] | None = None
        self._dividers = [Divider(self) for _ in range(len(shown) - 1)]
        self._last = next(iter(shown))
        self._step_due = self._step_more = False
        self.zoomed = ""
        self.arranging = False

    @property
    def layout(self) -> Layout:
        return self._tiles

    def compose(self) -> ComposeResult:
        yield from self._panes.values()
        yield from self._dividers

    # --- what is shown ----------------------------------------------------------------------------------------------

    @property
    def current(self) -> Tree:
        """What is to be laid out: the zoomed pane, or the layout."""
        return self.zoomed or self._layouts.tree

    def tiling(self, width: int, height: int) -> Tiling:
        """Where everything lies on so many cells."""
        key = (self.current, width, height, self._on_screen)
        if self._tiling is None or self._tiling[0] != key:
            self._tiling = key, tiled(self.current, width, height, self._on_screen)
        return self._tiling[1]

    @property
    def _now(self) -> Tiling:
        return self.tiling(*self._room)

    @property
    def on_screen(self) -> frozenset[str]:
        """The panes that are shown."""
        return self._on_screen

    @property
    def without_room(self) -> int:
        """How many panes of the layout the terminal is too small for."""
        return len(panes(self.current)) - len(self._on_screen)

    @property
    def at_hand(self) -> str:
        """The pane that has the focus, or had it last."""
        focused = self.screen.focused
        if focused is not None and focused.id in self._on_screen:
            return cast(str, focused.id)
        return self._last if self._last in self._on_screen else self._first

    @property
    def _first(self) -> str:
        names = panes(self.current)
        return next((name for name in names if name in self._on_screen), names[0])

    def fit(self, room: Size | None = None) -> None:
        """Show what fits: into `room` from now on, if given."""
        resized = room is not None and room != self._room
        self._room = room or self._room
        if not self._room.area:
            return
        self._on_screen = fitting(self.current, *self._room, keep=self._last)
        for name, pane in self._panes.items():
            pane.display = name in self._on_screen
        borders = list(self._now.borders)
        for index, divider in enumerate(self._dividers):
            divider.border = borders[index] if index < len(borders) else None
            divider.display = divider.border is not None
            divider.refresh()
        self._lay_out(at_once=not resized)

    def _lay_out(self, *, at_once: bool = True) -> None:
        """Textual lays out some time after it was asked to, and may scroll a pane before that: lines would be drawn for
        the places of now with the sizes of before. So it is done here and now, but for a terminal that is resizing."""
        self._clear_arrangement_cache()  # it knows only of sizes
        if at_once and self.size.area:
            self.screen._refresh_layout()
        else:
            self.refresh(layout=True, repaint=False)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if event.widget.id in self._panes:
            self._last = cast(str, event.widget.id)

    def focus_pane(self, name: str) -> None:
        """Give a pane the focus, and the screen when it has no place on it."""
        if name not in self._on_screen:
            self.zoomed = name
            self._last = name
            self.fit()
        self._last = name
        self.screen.set_focus(self._panes[name])  # now: the next key already belongs to it
        self.leave()

    def keep_focus(self) -> None:
        """Have the focus on something that is on screen."""
        focused = self.screen.focused
        if focused is None or not focused.display:
            self.screen.set_focus(self._panes[self.at_hand])

    def zoom(self) -> None:
        """Give the pane at hand the whole screen, or all panes their places again."""
        self.zoomed = "" if self.zoomed else self.at_hand
        self._rearranged()

    def show_tree(self) -> None:
        """Show what `layouts` says now."""
        self.zoomed = ""
        self._rearranged()

    # --- keys that change the layout ----------------------------------------------------------------------------------

    def arrange_by_keys(self) -> None:
        """From now on keys change the layout."""
        self.screen.set_focus(self._panes[self.at_hand])
        self.arranging = True
        self.post_message(self.Rearranged())

    def leave(self) -> None:
        """Keys do again what they do elsewhere."""
        if self.arranging:
            self.arranging = False
            self.post_message(self.Rearranged())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in _KEYS:
            return self.arranging and len(self.app.screen_stack) == 1
        return super().check_action(action, parameters)

    def action_leave(self) -> None:
        self.leave()

    def action_split(self, direction: Direction) -> None:
        """Half of the pane at hand's room goes to another that is not shown yet, which has the focus then."""
        tree, pane = self._layouts.tree, self.at_hand
        free = self._free(tree)
        if not free:
            self._refuse("Every pane is in this layout; ctrl+w then x takes one out.")
            return
        self._change(lambda tree: split(tree, pane, direction, free[0]), free[0])

    def action_close(self) -> None:
        pane = self.at_hand
        beside = next((each for side in _SIDES if (each := neighbour(self._now, pane, side))), "")
        self._change(lambda tree: close(tree, pane), beside)

    def action_other(self, step: int) -> None:
        """The next pane that is not shown, in the place of the one at hand."""
        pane, tree = self.at_hand, self._layouts.tree
        free = self._free(tree)
        if not free:
            self._refuse("Every pane is in this layout; ctrl+w and h j k l change their places.")
            return
        order = list(self._panes)
        at = order.index(pane)
        around = [name for name in order[at + 1 :] + order[:at] if name in free]
        self.put(around[0] if step > 0 else around[-1], stay=True)

    def action_towards(self, side: Towards) -> None:
        if self.zoomed:
            self.show_tree()
        beside = neighbour(self._now, self.at_hand, side)
        if beside is None:
            self._refuse(f"Nothing is {_WHERE[side]} {self.at_hand}.")
        else:
            self.focus_pane(beside)

    def action_carry(self, side: Towards) -> None:
        if self.zoomed:
            self.show_tree()
        pane = self.at_hand
        beside = neighbour(self._now, pane, side)
        if beside is None:
            self._refuse(f"Nothing is {_WHERE[side]} {pane}.")
        else:
            self._change(lambda tree: swap(tree, pane, beside), pane)

    def action_grow(self, direction: Direction, cells: int) -> None:
        """Make the pane at hand wider or taller (negative: smaller); this can go on."""
        if self.zoomed:
            self.show_tree()
        found = border_of(self._layouts.tree, self._now, self.at_hand, direction)
        if found is None:
            self._refuse(f"Nothing is {'beside' if direction == 'row' else 'above or below'} {self.at_hand}.")
            return
        border, sign = found
        self.move_border(border, sign * cells)

    def action_even(self) -> None:
        self._layouts.even()
        self.show_tree()
        self.leave()

    def action_back(self) -> None:
        try:
            self._layouts.back()
        except LayoutRefused as refused:
            self._refuse(str(refused))
            return
        self.show_tree()
        self.leave()

    def put(self, name: str, *, stay: bool = False) -> bool:
        """Show a pane where the one at hand is; if it is elsewhere, the two change places."""
        pane = self.at_hand
        return self._change(lambda tree: put(tree, pane, name), name, stay=stay)

    def move_border(self, border: Border, cells: int) -> int:
        """Move a border right or down (negative: left or up); by how much it moved."""
        by = 0

        def move(tree: Tree) -> Tree:
            nonlocal by
            tree, by = moved(tree, self._now, border, cells, self._on_screen)
            return tree

        if not self.zoomed:
            self._layouts.change(move, resizing=True)
        if by:
            self._step()
        return by

    def first_sizes(self, border: Border) -> None:
        """The row or column of a border gets the sizes back that it was kept with."""
        self._layouts.first_sizes(border.path)
        self._step()

    def _free(self, tree: Tree) -> list[str]:
        return [name for name in self._panes if name not in panes(tree)]

    def _change(self, change: Callable[[Tree], Tree], focus: str, *, stay: bool = False) -> bool:
        """Change the layout and go to a pane; with `stay` keys go on changing it."""
        try:
            self._layouts.change(change)
        except LayoutRefused as refused:
            self._refuse(str(refused))
            return False
        self._last = focus or self._last
        self.show_tree()
        self.screen.set_focus(self._panes[focus if focus in self._on_screen else self.at_hand])
        if not stay:
            self.leave()
        return True

    def _refuse(self, text: str) -> None:
        self._say(text, "refused")
        self.leave()

    def _rearranged(self) -> None:
        self.fit()
        self.keep_focus()
        self.post_message(self.Rearranged())

    def _step(self) -> None:
        """Lay the screen out once for all steps of a resize that come within a moment."""
        if self._step_due:
            self._step_more = True
            return
        self._step_due, self._step_more = True, False
        self._lay_out()
        self.post_message(self.Rearranged())
        self.set_timer(STEP_S, self._stepped)

    def _stepped(self) -> None:
        self._step_due = False
        if self._step_more:
            self._step()


_SIDES: tuple[Towards, ...] = ("left", "up", "right", "down")
_WHERE = {"left": "left of", "right": "right of", "up": "above", "down": "below"}
_KEYS = frozenset({"leave", "split", "close", "other", "towards", "carry", "grow", "even", "back"})
