"""ASCII stand-ins for every glyph of the screen, for terminals without UTF-8. `tui/terminal.py` sends through it.

Chosen once, at the door: panes draw what they like, and each glyph becomes as many ASCII characters as it has cells, so
that nothing moves. What has no stand-in of its own loses its accent, or becomes a question mark.
"""

import unicodedata

from rich.cells import cell_len

_STAND_INS = {
    "-": "─┄┈╌╴╶╼╾╍┅┉‐‑‒–—−↔▁",
    "=": "━═╸╺▀▅▆▋▊",
    "|": "│┆┊╎╵╷║▏▎▍↕",
    "#": "┃┇┋╏╹╻╽╿█▇▉▐▓■▪◼⬛",
    "/": "╱",
    "\\": "╲",
    "X": "╳",
    "^": "▲△↑⇑⬆▴▵",
    "v": "▼▽↓⇓⬇▾▿",
    ">": "▶▷►▸→⇒›»❯▌",
    "<": "◀◁◄◂←⇐‹«❮",
    "*": "●◉◆★•◾✱✻",
    "o": "○◌◇☆□◻▢",
    "_": "▂",
    ".": "·░…∙",
    ":": "▃▒",
    "+": "▄±✚",
    "L": "♛♕♚♔",
    "!": "⚠≠",
    "V": "✓✔",
    "x": "✗✘×✕",
    "'": "‘’′",
    '"': "“”″",
    "E": "€",
    "u": "µμ",
    " ": "\u00a0\u2002\u2003\u2009\u202f",
}
_BOX, _BRAILLE = range(0x2500, 0x2580), range(0x2800, 0x2900)


class _Table(dict[int, str]):
    """What `str.translate` asks; filled as glyphs come up."""

    def __missing__(self, code: int) -> str:
        self[code] = found = chr(code) if code < 128 else _stand_in(chr(code))
        return found


def _stand_in(glyph: str) -> str:
    """For a glyph that the table above does not name."""
    code = ord(glyph)
    if code in _BOX:  # corners and crossings
        return "+"
    if code in _BRAILLE:
        dots = (code - _BRAILLE.start).bit_count()
        return " .::"[min(3, (dots + 1) // 2)] if dots else " "
    bare = unicodedata.normalize("NFKD", glyph).encode("ascii", "ignore").decode()
    cells = cell_len(glyph)
    return bare if bare and len(bare) == cells else "?" * cells


_TABLE = _Table({ord(glyph): plain for plain, glyphs in _STAND_INS.items() for glyph in glyphs})


def ascii_only(text: str) -> str:
    """`text` in ASCII, every glyph in its own cells; control sequences as they are."""
    return text if text.isascii() else text.translate(_TABLE)
