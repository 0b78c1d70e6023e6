"""The candles pane: the watched symbol's bars, its last price and whether the feed is live."""

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from engine.seat import Candles, Topic, View
from tui.panes import chart
from tui.text import DOWN, UP, clean, fit

_LOOKS = ("up", "down", "axis", "last", "last-line", "stale", "empty")
_INTERVALS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def interval_text(interval_s: int) -> str:
    """``1m``, ``4h``, ``30s``."""
    return next(f"{interval_s // unit}{name}" for unit, name in _INTERVALS if interval_s % unit == 0)


class CandlePane(Widget, can_focus=True):
    """Draws itself line by line; a new snapshot repaints the lines that differ."""

    TOPIC = Topic.CANDLES
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"candles--{look}" for look in _LOOKS),
        "candles--title",
        "candles--title-focused",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._version = -1
        self._candles: Candles | None = None
        self._lines: list[chart.Line] = []
        self._built_for = (0, 0)
        self._title = ""
        self._styles_by_look: dict[str, Style] = {}

    def show(self, view: View, _now_ns: int) -> None:
        """Take the newest snapshot."""
        if view.version == self._version:
            return
        self._version = view.version
        row = view.rows[0] if view.rows else None
        self._candles = row if isinstance(row, Candles) else None
        self._build()

    def _build(self) -> None:
        width, height = self.size
        if not width or height < 2:
            return
        before, before_title, same_size = self._lines, self._title, self._built_for == (width, height)
        candles = self._candles
        self._title = self._title_text()
        self._built_for = (width, height)
        self._lines = (
            chart.build(candles.bars, candles.last, candles.interval_s, width, height - 1)
            if candles is not None and candles.bars
            else []
        )
        if not same_size or len(before) != len(self._lines):
            self.refresh()
            return
        regions = [
            Region(0, y + 1, width, 1)
            for y, (old, new) in enumerate(zip(before, self._lines, strict=True))
            if old != new
        ]
        if self._title != before_title:
            regions.append(Region(0, 0, width, 1))
        if regions:
            self.refresh(*regions)

    def _title_text(self) -> str:
        candles = self._candles
        if candles is None or not candles.symbol:
            return "CANDLES"
        parts = ["CANDLES", f"{clean(candles.symbol)} {interval_text(max(1, candles.interval_s))}"]
        if candles.bars:
            decimals = chart.decimals_of(candles.bars)
            change = candles.last - candles.bars[0].open
            arrow = UP if change > 0 else DOWN if change < 0 else " "
            parts.append(f"{candles.last:,.{decimals}f} {arrow} {change:+,.{decimals}f}")
        parts.append(clean(candles.badge))
        return " · ".join(parts)

    def _why_empty(self) -> str:
        candles = self._candles
        if candles is None or not candles.symbol:
            return " No symbol is watched."
        if not candles.bars:
            return f" Waiting for the bars of {clean(candles.symbol)}."
        return " Too small for a chart; z gives it the screen."

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y == 0:
            look = "title-focused" if self.has_focus else "title"
            mark = "▌" if self.has_focus else " "
            badge = self._candles.badge if self._candles else ""
            if badge in ("stale", "gap") and self._title.endswith(badge) and len(self._title) + 1 <= width:
                head = f"{mark}{self._title[: -len(badge)]}"
                rest = " " * (width - len(head) - len(badge))
                return Strip(
                    [
                        Segment(head, self._style(look)),
                        Segment(badge, self._style("stale")),
                        Segment(rest, self._style(look)),
                    ],
                    width,
                )
            return Strip([Segment(fit(f"{mark}{self._title or 'CANDLES'}", width), self._style(look))], width)
        if not self._lines:
            return Strip([Segment(fit(self._why_empty() if y == 1 else "", width), self._style("empty"))], width)
        if y > len(self._lines):
            return Strip.blank(width, self.rich_style)
        return Strip([Segment(run.text, self._style(run.look)) for run in self._lines[y - 1] if run.text], width)

    def _style(self, look: str) -> Style:
        style = self._styles_by_look.get(look)
        if style is None:
            style = self.get_component_rich_style(f"candles--{look}") if look else self.rich_style
            self._styles_by_look[look] = style
        return style

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_look.clear()

    def on_resize(self, _event: events.Resize) -> None:
        self._build()

    def on_focus(self, _event: events.Focus) -> None:
        self.refresh(Region(0, 0, self.size.width, 1))

    def on_blur(self, _event: events.Blur) -> None:
        self.refresh(Region(0, 0, self.size.width, 1))
