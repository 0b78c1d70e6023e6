"""Saved layouts of the screen as records, and every edit of them as a pure function.

`schema/store_layouts.py` keeps them, `engine/layouts.py` hands them to the seats, `tui/layouts.py` shows them and makes
the edits. What a layout says is text that only the screen reads (`tui/layout.py`).
"""

from msgspec.structs import replace

from schema.records import Record
from schema.words import near_words

LAYOUTS = 50
LONGEST_NAME = 40
LONGEST_TREE = 4000


class LayoutsRefused(ValueError):
    """An edit that can't be made; the text is one sentence naming the field and the remedy."""


class SavedLayout(Record, frozen=True):
    name: str
    tree: str


class ShownLayout(Record, frozen=True):
    """What a seat of the user showed last: the layout of a name, and, where it was changed and not saved, its `tree` as
    it then was (of the preset's variant `variant`, for those that have one for each size)."""

    name: str
    variant: int = 0
    tree: str = ""


class UserLayouts(Record, frozen=True):
    """Everything of one user, by name. `shown` is None until a seat of the user has shown anything."""

    layouts: tuple[SavedLayout, ...] = ()
    shown: ShownLayout | None = None


# --- edits ---------------------------------------------------------------------------------------------------


class SaveLayout(Record, frozen=True, tag=True):
    """Keep a layout, or replace the one of its name."""

    layout: SavedLayout


class DeleteLayout(Record, frozen=True, tag=True):
    name: str


class RememberShown(Record, frozen=True, tag=True):
    """What a seat shows now."""

    shown: ShownLayout


LayoutEdit = SaveLayout | DeleteLayout | RememberShown


def edited(mine: UserLayouts, edit: LayoutEdit) -> tuple[UserLayouts, str]:
    """What an edit makes of a user's layouts, and the sentence that says what was done. Raises LayoutsRefused."""
    match edit:
        case SaveLayout(layout=layout):
            return _saved(mine, layout)
        case DeleteLayout(name=name):
            held = find_layout(mine, name)
            if held is None:
                near = near_words(name, [each.name for each in mine.layouts], f"; :layout {name} save keeps one")
                raise LayoutsRefused(f"layout: there is no {name!r} of yours{near}")
            kept = tuple(each for each in mine.layouts if each is not held)
            return replace(mine, layouts=kept), f"Layout {held.name} is deleted."
        case RememberShown(shown=shown):
            _checked_name(shown.name)
            _checked_tree(shown.tree)
            return replace(mine, shown=shown), ""


def find_layout(mine: UserLayouts, name: str) -> SavedLayout | None:
    """The layout of a name, whatever its case."""
    return next((each for each in mine.layouts if each.name.casefold() == name.strip().casefold()), None)


def _saved(mine: UserLayouts, layout: SavedLayout) -> tuple[UserLayouts, str]:
    name = _checked_name(layout.name)
    if not layout.tree:
        raise LayoutsRefused(f"layout: {name} has no panes, so there is nothing to keep.")
    _checked_tree(layout.tree)
    held = find_layout(mine, name)
    if held is None and len(mine.layouts) >= LAYOUTS:
        raise LayoutsRefused(f"layout: there are {LAYOUTS} already, which is as many as there can be; delete one.")
    new = SavedLayout(name=held.name if held else name, tree=layout.tree)
    others = [each for each in mine.layouts if each is not held]
    layouts = tuple(sorted([*others, new], key=lambda each: (each.name.casefold(), each.name)))
    return replace(mine, layouts=layouts), f"Layout {new.name} is {'saved anew' if held else 'saved'}."


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise LayoutsRefused(f"layout: {name!r} is not a name; write 1 to {LONGEST_NAME} printable characters.")
    return name


def _checked_tree(tree: str) -> None:
    if len(tree) > LONGEST_TREE:
        raise LayoutsRefused(f"layout: its text has more than {LONGEST_TREE} characters; leave panes out.")
