"""The screen without colour, for NO_COLOR: what a background says (cursor, focus, alarm) is said by reversed text.

`tui/app.py` puts it in the place of Textual's own filter, which turns colours into greys.
"""

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from tui.theme import ThemeFile

_REVERSED = ("desk-focus-back", "desk-cursor-back", "desk-alarm-back", "desk-accent")
_UNDERLINED = ("desk-cursor-blurred-back",)


class Colourless(LineFilter):
    """Takes every colour off; attributes stay. Built for all themes at once, so that changing one changes nothing."""

    def __init__(self, themes: Iterable[ThemeFile]) -> None:
        super().__init__()
        self._says: dict[str, Style] = {}
        for theme in themes:
            self._says |= {theme.looks[name].lower(): Style(reverse=True) for name in _REVERSED}
            self._says |= {theme.looks[name].lower(): Style(underline=True) for name in _UNDERLINED}
            for quiet in (theme.background, theme.surface, theme.panel):
                self._says.pop(quiet.lower(), None)
        self._plain: dict[Style, Style] = {}

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text, style and self._without(style), control) for text, style, control in segments]

    def _without(self, style: Style) -> Style:
        plain = self._plain.get(style)
        if plain is None:
            plain = style.without_color
            back = style.bgcolor.triplet if style.bgcolor is not None else None
            if back is not None and (says := self._says.get(back.hex.lower())):
                plain += says
            self._plain[style] = plain
        return plain
