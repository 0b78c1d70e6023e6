"""The layouts that come with copydesk: one for each size of terminal, and one for each screen of a trader with several.

`tui/layouts.py` shows them. They name every pane there will be; one that this version does not have is left out.
"""

from dataclasses import dataclass

from tui.layout import Tree, parse

AUTO = "auto"
NARROW, SHORT, ROOMY = 110, 30, 170
"""Below so many columns two panes stand side by side with difficulty; below so many lines three stand one under the
other; from so many columns there is room for a watchlist beside the chart."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A preset on terminals of at least a size, in columns and lines."""

    tree: Tree
    least_width: int = 0
    least_height: int = 0


@dataclass(frozen=True, slots=True)
class Preset:
    """The widest of its variants that a terminal has room for is shown; the last one needs none."""

    name: str
    does: str
    variants: tuple[Variant, ...]

    def for_size(self, width: int, height: int) -> int:
        """The number of the variant for a terminal of so many columns and lines."""
        fits = (
            number
            for number, each in enumerate(self.variants)
            if width >= each.least_width and height >= each.least_height
        )
        return next(fits, len(self.variants) - 1)


_WIDE = "row(124:column(27:accounts,19:copies),75:column(20:row(44:candles,31:watch),14:positions,12:orders))"  # 200x50
_MIDDLE = "row(124:column(27:accounts,19:copies),75:column(20:candles,14:positions,12:orders))"  # 120x40
_FLAT = "row(124:column(27:accounts,19:copies),75:column(20:candles,14:positions))"  # 120x24
_SMALL = "column(27:accounts,19:copies)"  # 80x24


def _preset(name: str, does: str, *texts: tuple[str, int, int]) -> Preset:
    return Preset(name, does, tuple(Variant(parse(text), width, height) for text, width, height in texts))


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        _preset(
            AUTO,
            "what fits the terminal: 200x50, 120x40 or 80x24",
            (_WIDE, ROOMY, SHORT),
            (_MIDDLE, NARROW, SHORT),
            (_FLAT, NARROW, 0),
            (_SMALL, 0, 0),
        ),
        _preset("80x24", "accounts and their copies", (_SMALL, 0, 0)),
        _preset("120x40", "and the chart, positions and orders", (_MIDDLE, 0, 0)),
        _preset("200x50", "and a watchlist", (_WIDE, 0, 0)),
        _preset(
            "trade",
            "the ladder between the accounts and the chart",
            (
                "row(92:column(22:accounts,13:positions,11:orders),36:depth,70:column(26:candles,20:tape))",
                ROOMY,
                SHORT,
            ),
            ("row(78:column(18:accounts,17:orders),41:depth)", NARROW, SHORT),
            ("row(78:column(11:accounts,8:orders),41:depth)", NARROW, 0),
            ("row(43:column(1:positions,1:orders),36:depth)", 0, 0),
        ),
        _preset(
            "tape",
            "the market of one symbol: ladder, time and sales, chart",
            ("row(44:depth,55:tape,99:column(30:candles,16:watch))", ROOMY, SHORT),
            ("row(40:depth,79:column(1:tape,1:candles))", NARROW, SHORT),
            ("row(1:depth,1:tape)", 0, 0),
        ),
        _preset(
            "copies",
            "what becomes of each copy: ledger, drift, latency",
            ("row(99:column(28:accounts,18:drift),100:column(28:copies,18:latency))", ROOMY, SHORT),
            ("column(13:accounts,13:copies,9:drift)", 0, SHORT),
            ("column(8:copies,8:drift)", 0, 0),
        ),
        _preset(
            "charts",
            "the chart, and beside it the watchlist and the tape",
            ("row(146:candles,53:column(1:watch,1:tape))", ROOMY, SHORT),
            ("row(79:candles,40:watch)", NARROW, 0),
            ("candles", 0, 0),
        ),
        _preset(
            "risk",
            "what is held, what is off target, what is wrong",
            (
                "row(112:column(18:accounts,14:positions,13:drift),86:column(18:alerts,14:health,13:orders))",
                ROOMY,
                SHORT,
            ),
            ("column(11:positions,9:drift,9:alerts,6:health)", 0, SHORT),
            ("column(7:positions,6:drift,6:alerts)", 0, 0),
        ),
    )
}
