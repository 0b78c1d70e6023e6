"""Which layout this screen shows, what the trader changed in it, and the layouts of a name.

`tui/board.py` asks for the tree and changes it by key and mouse, `tui/carrying.py` carries out `:layout`. A change
stays with this screen until it is saved; what a screen showed last comes back with the next one, changes and all.
"""

from collections.abc import Callable

from engine.seat import CommandRefused, Seat, Topic
from schema.layouts import (
    DeleteLayout,
    RememberShown,
    SavedLayout,
    SaveLayout,
    ShownLayout,
    UserLayouts,
    find_layout,
)
from schema.words import near_words
from tui.layout import LayoutRefused, Path, Split, Tree, at, close, equal, only, panes, parse, with_ratios, written
from tui.panes.registry import PANES
from tui.presets import AUTO, PRESETS, Preset, Variant

_PAST_KEPT = 50
_FOR_LISTS = "watch"  # the pane that `auto` leaves out while there is no list


class Layouts:
    """The layouts of one screen. `sized` is told the terminal's size, `has_lists` whether the user has a watchlist."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._wanted: str | None = None  # until the seat knows what its user saved
        self.has_lists = False
        self._size = (0, 0)
        self._past: list[Tree] = []
        self._resizing = False
        self._remembered: ShownLayout | None = None
        self._preset: Preset = PRESETS[AUTO]
        self._name = AUTO
        self._changed: dict[int, Tree] = {}

    # --- what is shown ----------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The layout that is shown."""
        return self._name

    @property
    def changed(self) -> bool:
        """Whether it differs from how it was kept."""
        return self._variant in self._changed

    @property
    def _variant(self) -> int:
        return self._preset.for_size(*self._size)

    @property
    def tree(self) -> Tree:
        return self._changed.get(self._variant) or self._kept()

    def _kept(self) -> Tree:
        """The layout as it was kept, with the panes that there are."""
        tree = only(self._preset.variants[self._variant].tree, PANES) or only(PRESETS[AUTO].variants[-1].tree, PANES)
        assert tree is not None
        if self._name == AUTO and not self.has_lists and _FOR_LISTS in panes(tree):
            tree = close(tree, _FOR_LISTS)
        return tree

    def sized(self, width: int, height: int) -> None:
        """The terminal has so many columns and lines: another variant of a preset may be the one to show."""
        before = self._variant
        self._size = (width, height)
        if self._variant != before:
            self._past.clear()

    # --- changes ------------------------------------------------------------------------------------------------------

    def change(self, change: Callable[[Tree], Tree], *, resizing: bool = False) -> None:
        """Change what is shown. Steps of one resizing are taken back together. Raises LayoutRefused."""
        before = self.tree
        after = change(before)
        if after == before:
            return
        if not (resizing and self._resizing):
            self._past = [*self._past[-_PAST_KEPT:], before]
        self._resizing = resizing
        self._changed[self._variant] = after

    def back(self) -> None:
        """Take the last change back. Raises LayoutRefused."""
        if not self._past:
            raise LayoutRefused("layout: nothing was changed here since it was shown.")
        self._changed[self._variant] = self._past.pop()
        self._resizing = False

    def first_sizes(self, path: Path) -> None:
        """The row or column at a path gets the sizes it was kept with; one that was made since gets equal ones."""

        def reset(tree: Tree) -> Tree:
            now = at(tree, path)
            assert isinstance(now, Split)
            try:
                kept = at(self._kept(), path)
            except (AssertionError, IndexError):
                kept = None
            if isinstance(kept, Split) and [*map(panes, kept.parts)] == [*map(panes, now.parts)]:
                return with_ratios(tree, path, kept.ratios)
            return with_ratios(tree, path, [1.0] * len(now.ratios))

        self.change(reset)

    def even(self) -> None:
        """Panes of one size."""
        self.change(equal)

    # --- layouts of a name --------------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """Every layout that can be shown: the user's own, then those that come with copydesk."""
        own = [each.name for each in self._mine.layouts] if self._mine else []
        return (*own, *(name for name in PRESETS if name not in own))

    @property
    def _mine(self) -> UserLayouts | None:
        """What the user saved; None until the desk has read it."""
        rows = self._seat.view(Topic.LAYOUTS).rows
        return rows[0] if rows and isinstance(rows[0], UserLayouts) else None

    def begin(self, wanted: str) -> None:
        """Begin with the layout of a name, or without one with what was shown last: `follow` does it."""
        self._wanted = wanted
        if wanted in PRESETS:  # nobody need wait for it
            self._show(wanted, PRESETS[wanted])

    def follow(self) -> tuple[str, str] | None:
        """As soon as the desk has read what its user saved, begin with what was wanted: what is to be said, and its
        look. None when nothing came of it."""
        mine = self._mine
        if self._wanted is None or mine is None:
            return None
        wanted, self._wanted, self._remembered = self._wanted, None, mine.shown
        if self._past:  # the trader did not wait
            return None
        try:
            said = self.show(wanted) if wanted else self._show_last(mine.shown)
        except CommandRefused as refused:
            self._show_last(mine.shown)
            return str(refused), "refused"
        return ("", "") if said == f"Layout {self._name}." else (said, "refused")

    def _show_last(self, shown: ShownLayout | None) -> str:
        """What the user saw last; a sentence where it can't be shown as it was."""
        if shown is None:
            return ""
        try:
            said = self.show(shown.name)
            tree = only(parse(shown.tree), PANES) if shown.tree else None
        except CommandRefused as refused:
            self._show(AUTO, PRESETS[AUTO])
            return f"{refused} Layout {AUTO} is shown."
        except LayoutRefused:
            return f"layout: the changes made in {shown.name} last can't be read, so it is shown as it was saved."
        if tree is not None:
            self._changed[shown.variant] = tree
        return said

    def show(self, name: str) -> str:
        """Show a layout as it was kept; the sentence to say. Raises CommandRefused."""
        own = find_layout(self._mine, name) if self._mine else None
        preset = next((each for each in PRESETS.values() if each.name.casefold() == name.strip().casefold()), None)
        if own is None and preset is None:
            raise CommandRefused(f"layout: there is no {name!r}{near_words(name, self.names, '; :layouts lists them')}")
        if own is None:
            assert preset is not None
            self._show(preset.name, preset)
            return f"Layout {preset.name}."
        try:
            tree = parse(own.tree)
        except LayoutRefused as refused:
            raise CommandRefused(f"{own.name} can't be shown: {refused}") from None
        missing = [pane for pane in panes(tree) if pane not in PANES]
        if len(missing) == len(panes(tree)):
            raise CommandRefused(f"layout: this version has none of the panes of {own.name}: {', '.join(missing)}.")
        self._show(own.name, Preset(own.name, "", (Variant(tree),)))
        notes = [f"this version has no pane {', '.join(missing)}"] if missing else []
        notes += ["it stands before the preset of that name"] if preset else []
        return f"Layout {own.name}{': ' if notes else ''}{', and '.join(notes)}."

    def _show(self, name: str, preset: Preset) -> None:
        self._name, self._preset = name, preset
        self._changed.clear()
        self._past.clear()
        self._resizing = False

    async def save(self, name: str) -> str:
        """Keep what is shown under a name. Raises CommandRefused."""
        if same := next((each for each in PRESETS if each.casefold() == name.strip().casefold()), ""):
            raise CommandRefused(f"layout: {same} comes with copydesk and stays as it is; take another name for yours.")
        tree = self.tree
        said = await self._seat.edit_layouts(SaveLayout(layout=SavedLayout(name=name, tree=written(tree))))
        kept = find_layout(self._mine, name) if self._mine else None
        self._show(kept.name if kept else name.strip(), Preset(name, "", (Variant(tree),)))
        return said

    async def delete(self, name: str) -> str:
        """Forget one of the user's own; if it is shown, `auto` is from now on. Raises CommandRefused."""
        own = find_layout(self._mine, name) if self._mine else None
        if own is None and name in PRESETS:
            raise CommandRefused(f"layout: {name} comes with copydesk, so it can't be deleted.")
        said = await self._seat.edit_layouts(DeleteLayout(name=name))
        if own is not None and own.name == self._name:
            self._show(AUTO, PRESETS[AUTO])
        return said

    async def remember(self) -> None:
        """Let the next screen of this user begin with what this one shows. Raises CommandRefused."""
        changed = self._changed.get(self._variant)
        tree = written(changed) if changed is not None else ""
        shown = ShownLayout(name=self._name, variant=self._variant, tree=tree)
        if self._wanted is None and shown != self._remembered:
            self._remembered = shown
            await self._seat.edit_layouts(RememberShown(shown=shown))

    def text(self) -> str:
        """Every layout, for a page."""
        own = self._mine.layouts if self._mine else ()
        width = max(len(name) for name in self.names)
        lines = [f"{self._name} is shown{', changed' if self.changed else ''}.", "", "Yours"]
        lines += [f"  {each.name:<{width}}  {_summary(each.tree)}" for each in own]
        lines += [] if own else ["  none yet: :layout NAME save keeps what is on the screen"]
        lines += ["", "Presets"]
        lines += [f"  {each.name:<{width}}  {each.does}" for each in PRESETS.values()]
        width = max(len(name) for name in PANES)
        lines += ["", "Panes"]
        lines += [f"  {each.name:<{width}}  {each.description}" for each in PANES.values()]
        return "\n".join(lines)


def _summary(text: str) -> str:
    try:
        return ", ".join(panes(parse(text)))
    except LayoutRefused as refused:
        return str(refused)
