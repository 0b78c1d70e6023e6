"""The trader's own keys: `keys.toml` over the table in `tui/keymap.py`. Called by `tui/sit.py` and `copydesk keys`.

```toml
[keys]
zoom = "Z"
kill = ["K", "F10"]
```

Every mistake gets one sentence and leaves that key as the table has it: the desk opens with the good ones.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.keys import KEY_NAME_REPLACEMENTS, key_to_character

from schema.settings import SettingsError, read_toml
from schema.words import near_words
from tui.keymap import BY_ID, CONTEXTS, KEYS, OPENS, TYPED, Key, Keymap, meet

_NAMES = {
    "space": "Space",
    "tab": "Tab",
    "enter": "Enter",
    "escape": "Esc",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "home": "Home",
    "end": "End",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "insert": "Ins",
    "delete": "Del",
    "backspace": "Backspace",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}
_ALSO = {"return": "enter", "esc": "escape", "pgup": "pageup", "pgdn": "pagedown", "ins": "insert", "del": "delete"}
_MOVES = frozenset({"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "delete"})
_SAME = {"i": "Tab", "m": "Enter", "j": "Enter", "h": "Backspace", "c": "the key that interrupts"}
_LINE = frozenset({"left", "right", "home", "end", "delete", "backspace", *(f"ctrl+{each}" for each in "acdefkuvwx")})
"""What Textual's own line takes for itself."""
_UNICODE_NAMES = {short: name for name, short in KEY_NAME_REPLACEMENTS.items()}
_UP = re.compile(r"key[-_ ]?up|release", re.IGNORECASE)
_MEANT = {"control": "ctrl", "c": "ctrl", "meta": "alt", "option": "alt", "cmd": "super", "command": "super"}
_SHIFTED = re.compile(r"shift\+[a-z]")
EVERYWHERE = "quit"
"""The one key that works also while something is typed or asked."""


def _character(name: str) -> str | None:
    """The character that a key types, None for a key that types none. Textual's function does not know its own short
    names, such as ``slash``."""
    return key_to_character(_UNICODE_NAMES.get(name, name))


class BadKey(ValueError):
    """No key can be meant; the text ends the sentence that begins with what was written."""


def read_key(written: str) -> str:
    """Textual's name of the key that was `written`: ``Z``, ``/``, ``Space``, ``F5``, ``Ctrl+K``. Raises BadKey when no
    terminal sends it, or none can be relied on to."""
    text = written.strip()
    if _UP.search(text):
        raise BadKey("is a key that goes up, which no terminal tells; name the key alone.")
    if len(text) == 1:
        return _of_character(text)
    *before, last = text.split("+") if not text.endswith("++") else [*text[:-2].split("+"), "+"]
    modifiers = {_MEANT.get(each.strip().casefold(), each.strip().casefold()) for each in before}
    if strange := modifiers - {"ctrl", "shift", "alt", "super", "hyper"}:
        raise BadKey(f"is no key: {sorted(strange)[0]!r} is nothing that is held down.")
    name = _ALSO.get(last.strip().casefold(), last.strip().casefold())
    if modifiers & {"alt", "super", "hyper"}:
        raise BadKey("is sent by no terminal as one key; a letter, a function key or Ctrl with a letter is.")
    if modifiers == {"ctrl", "shift"}:
        raise BadKey("is sent by no terminal: with Ctrl it can't tell whether Shift is held; leave Shift out.")
    if modifiers == {"ctrl"}:
        return _with_ctrl(name)
    if modifiers == {"shift"}:
        return _with_shift(name)
    if name in _NAMES:
        return name
    character = _character(name) if name.replace("_", "").isalpha() else None
    if character is None or not character.isprintable():
        raise BadKey(f"is no key{near_words(last, _NAMES.values(), '; write something like Z, F5 or Ctrl+K')}")
    return _of_character(character)


def _of_character(character: str) -> str:
    if character == " ":
        return "space"
    if not character.isprintable():
        raise BadKey("is no key that can be typed.")
    if character.isalnum():
        return f"{character},shift+{character.lower()}" if character.isascii() and character.isupper() else character
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


def _with_ctrl(name: str) -> str:
    if name in _MOVES or name == "space":
        return "ctrl+at" if name == "space" else f"ctrl+{name}"
    if name in _SAME:
        raise BadKey(f"arrives as {_SAME[name]}; take another letter.")
    if len(name) == 1 and name.isascii() and name.isalpha():
        return f"ctrl+{name}"
    raise BadKey("is sent by no terminal; Ctrl goes with a letter or an arrow.")


def _with_shift(name: str) -> str:
    if name == "tab" or name in _MOVES:
        return f"shift+{name}"
    if len(name) == 1 and name.isascii() and name.isalpha():
        return _of_character(name.upper())
    if len(name) == 1:
        raise BadKey("is another character on every keyboard; write the one that it types.")
    raise BadKey("is sent by no terminal; Shift goes with a letter, Tab or an arrow.")


def shown(names: str) -> str:
    """What pages call a key of Textual's names."""
    parts: list[str] = []
    for name in names.split(","):
        *modifiers, last = name.split("+")
        if modifiers == ["shift"] and len(last) == 1:
            continue  # the capital letter before it is the same key
        character = None if last in _NAMES else _character(last)
        label = _NAMES.get(last) or (character if not modifiers else (character or last).upper()) or last
        parts.append("+".join([*(each.capitalize() for each in modifiers), label]))
    return " ".join(parts)


def typed(names: str) -> bool:
    """Whether one of the keys is a character, so that it may be typed into a line."""
    characters = [_character(name) for name in names.split(",")]
    return any(each is not None and each.isprintable() for each in characters)


def presses(key: Key) -> set[str]:
    """A key's names, each character under one of its names alone."""
    found: set[str] = set()
    for name in key.keys.split(","):
        one = "tab" if name == "ctrl+i" else name
        found.add((_character(one) if one not in _NAMES else None) or one)
    return {each for each in found if not _SHIFTED.fullmatch(each)}


def works_together(one: Key, other: Key) -> bool:
    """Whether both keys may act in one place, or one of them on the page that the other opens."""
    answers = other.id in OPENS.get(one.id, ()) or one.id in OPENS.get(other.id, ())
    return answers or EVERYWHERE in (one.id, other.id) or meet(one.context, other.context)


# --- the file -------------------------------------------------------------------------------------------------------


def keymap_from(file: Path | None) -> Keymap:
    """The table with what `file` says of it; without a file, the table."""
    if file is None:
        return Keymap()
    try:
        values = read_toml(file.expanduser())
    except SettingsError as wrong:
        return Keymap(mistakes=(str(wrong),))
    return keymap_of_values(values, file.name)


def keymap_of_values(values: Mapping[str, Any], place: str) -> Keymap:
    """As `keymap_from`, of what the file holds. `place` is what sentences call it."""
    mistakes = [f"{place}: there is no {name!r} here; keys stand under [keys]." for name in values if name != "keys"]
    table = values.get("keys", {})
    if not isinstance(table, Mapping):
        return Keymap(mistakes=(*mistakes, f'{place}: keys is no table; write [keys] and below it zoom = "Z".'))
    wanted: dict[str, Key] = {}
    for key_id, value in table.items():
        try:
            wanted[key_id] = _wanted(key_id, value)
        except BadKey as bad:
            mistakes.append(f"{place}: {bad}")
    mistakes += _drop_clashes(wanted, place)
    return Keymap(keys=tuple(wanted.get(key.id, key) for key in KEYS), mistakes=tuple(mistakes))


def _wanted(key_id: str, value: Any) -> Key:
    """The key as the trader wants it. Raises BadKey."""
    key = BY_ID.get(key_id)
    if key is None:
        raise BadKey(f"there is no key {key_id!r}{near_words(key_id, BY_ID, '; `copydesk keys` lists them')}")
    written = [value] if isinstance(value, str) else value
    if not isinstance(written, list) or not written or not all(isinstance(each, str) and each for each in written):
        raise BadKey(f'{key_id} = {value!r} is no key; write something like {key_id} = "Z" or ["Z", "F5"].')
    names: list[str] = []
    for each in written:
        try:
            name = read_key(each)
        except BadKey as bad:
            raise BadKey(f"{key_id} = {each!r} {bad}") from None
        if key_id in OPENS and name == "enter":  # buttons and lists take it whatever the table says
            raise BadKey(f"{key_id} = {each!r} goes on to the question, so held down it would answer; take another.")
        if typed(name) and (key.context in TYPED or key_id == EVERYWHERE):
            raise BadKey(f"{key_id} = {each!r} is typed into lines; take one that is not, such as F5 or Ctrl+X.")
        if key.context in TYPED and name in _LINE:
            raise BadKey(f"{key_id} = {each!r} edits the line that is typed; take another, such as F5.")
        names.append(name)
    keys = ",".join(names)
    return replace(key, keys=keys, shown=shown(keys))


def _drop_clashes(wanted: dict[str, Key], place: str) -> list[str]:
    """Take back what would leave one key with two meanings in one place, the later of the file first, until none is
    left: the table itself has none. Returns a sentence for each."""
    said: list[str] = []
    while True:
        now = [wanted.get(key.id, key) for key in KEYS]
        clash = next(
            (
                (mine, other, taken)
                for mine in reversed(list(wanted.values()))
                for other in now
                if other.id != mine.id and works_together(mine, other) and (taken := presses(mine) & presses(other))
            ),
            None,
        )
        if clash is None:
            return said
        mine, other, taken = clash
        del wanted[mine.id]
        said.append(
            f"{place}: {mine.id} = {min(taken)!r} is taken: it is {other.id} ({other.description}) {_where(other)}; "
            "take another, or give that one a new key."
        )


def _where(key: Key) -> str:
    heading = CONTEXTS[key.context]
    return heading[:1].lower() + heading[1:]


# --- telling it -----------------------------------------------------------------------------------------------------


def key_table_text(keymap: Keymap) -> str:
    """Every key by context: what it is called, its id, and what it does."""
    lines: list[str] = []
    for context, heading in CONTEXTS.items():
        lines += [heading, *(f"  {key.shown:<14} {key.id:<18} {key.tooltip}" for key in keymap.of(context)), ""]
    return "\n".join(lines)


def key_table_toml(keymap: Keymap) -> str:
    """A keys.toml: the trader's own keys, and the others behind a comment."""
    own = keymap.changed()
    lines = ["[keys]"]
    for context, heading in CONTEXTS.items():
        lines += ["", f"# {heading}"]
        for key in keymap.of(context):
            value = json.dumps([_written(name) for name in key.keys.split(",") if not _SHIFTED.fullmatch(name)])
            lines.append(f"{'' if key.id in own else '# '}{key.id} = {value}  # {key.tooltip}")
    return "\n".join(lines)


def _written(name: str) -> str:
    """A key as `read_key` takes it."""
    character = None if name in _NAMES else _character(name)
    return character if character is not None and character.isprintable() else name
