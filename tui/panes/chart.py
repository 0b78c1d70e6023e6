"""Candles as lines of text: pure functions from bars to runs of characters. The candles pane draws them.

Prices have half a row of resolution: a heavy line is the body, a light one the wick, and a cell may be half of each.
Whatever is drawn over them (studies, fills, the crosshair) takes cells that are free. Built whole in 1 to 2 ms for
150 x 30 (a plotting library needs 20 times that).
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from schema.clock import to_datetime
from schema.records import Bar
from tui.panes.drawn import Line, Run
from tui.text import DOWN, UP, clock_time

_CELLS = {
    (0, 0): " ",
    (1, 1): "│",
    (2, 2): "┃",
    (1, 0): "╵",
    (0, 1): "╷",
    (2, 0): "╹",
    (0, 2): "╻",
    (1, 2): "╽",
    (2, 1): "╿",
}  # fmt: skip  (upper half, lower half): 0 nothing, 1 wick, 2 body
_HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄"}
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_WICKS = frozenset("│╵╷ ┈")
_STEPS_S = (60, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 432000, 864000)
_LEAST_SPAN = 1e-300
_DAY_S = 86_400
_LABEL_EVERY = 10
_VOLUME_FROM_HEIGHT = 10
_PANEL_FROM_HEIGHT = 14
_PANEL_LABEL = 5
_BELOW, _ABOVE = ("▲", "△"), ("▼", "▽")  # the leader's, a follower's


class Mode(StrEnum):
    CANDLES = "candles"
    LINE = "line"
    VOLUME = "volume"


class Study(NamedTuple):
    """A line of an indicator: its values for the bars that are shown, and how it is drawn."""

    name: str
    values: Sequence[float | None]
    look: str
    glyph: str = "─"
    bars: bool = False  # from zero, as MACD's histogram is drawn


class Panel(NamedTuple):
    """Studies with a scale of their own under the chart. `ends` fixes the scale; `guides` are levels drawn across."""

    name: str
    studies: Sequence[Study]
    ends: tuple[float, float] | None = None
    guides: tuple[float, ...] = ()


class Fills(NamedTuple):
    """Lots that were filled within a bar: the leader's and the followers'."""

    leader_bought: int = 0
    leader_sold: int = 0
    bought: int = 0
    sold: int = 0


class Cross(NamedTuple):
    """The crosshair: the bar it is on, and the price of its level line."""

    bar: int
    price: float


class Frame(NamedTuple):
    """Where things are: bars `first` to before `stop` stand from cell `left` on, a column each. `high` is the price
    at the top half row and `low` at the lowest one."""

    first: int
    stop: int
    left: int
    plot_width: int
    labels_width: int
    rows: int
    panel_rows: int
    volume_rows: int
    high: float
    low: float
    decimals: int

    @property
    def scale(self) -> float:
        """Half rows for each unit of price."""
        return (2 * self.rows - 1) / (self.high - self.low)

    def half_of(self, price: float) -> int:
        return round((self.high - price) * self.scale)

    def row_of(self, price: float) -> int:
        """The row of a price; -1 for one that is not shown."""
        return self.half_of(price) // 2 if self.low <= price <= self.high else -1

    def price_at(self, row: int) -> float:
        """The price in the middle of a row."""
        return self.high - (2 * row + 0.5) / self.scale

    def bar_at(self, x: int) -> int:
        """The bar of a column, or the one nearest to it."""
        return max(self.first, min(self.first + x - self.left, self.stop - 1))


def decimals_of(bars: Sequence[Bar]) -> int:
    """How many decimals the prices need (at most 6)."""
    sample = [price for bar in bars[-20:] for price in (bar.open, bar.high, bar.low, bar.close)]
    for decimals in range(6):
        if all(abs(round(price, decimals) - price) < 1e-9 for price in sample):
            return decimals
    return 6


def frame_of(
    bars: Sequence[Bar],
    last: float,
    width: int,
    height: int,
    *,
    stop: int | None = None,
    mode: Mode = Mode.CANDLES,
    panel: bool = False,
) -> Frame | None:
    """What of the bars is shown in `width` x `height` cells, those before `stop`; None where there is no room."""
    stop = len(bars) if stop is None else max(1, min(stop, len(bars)))
    near = bars[max(0, stop - width) : stop]
    decimals = 0 if mode is Mode.VOLUME else decimals_of(bars)
    if mode is Mode.VOLUME:
        ends: tuple[float, ...] = (max(bar.volume for bar in near),)
    else:
        ends = (max(bar.high for bar in near), min(bar.low for bar in near), last)
    labels_width = max(_PANEL_LABEL if panel else 0, *(len(f"{price:,.{decimals}f}") for price in ends)) + 2
    plot_width = width - labels_width
    volume_rows = 2 if height >= _VOLUME_FROM_HEIGHT and mode is not Mode.VOLUME else 0
    panel_rows = max(4, height // 5) if panel and height >= _PANEL_FROM_HEIGHT else 0
    rows = height - volume_rows - panel_rows - 1
    if plot_width < 4 or rows < 3:
        return None
    first = max(0, stop - (plot_width - 1))
    shown = bars[first:stop]
    if mode is Mode.VOLUME:
        high, low = max(bar.volume for bar in shown) or 1.0, 0.0
    else:
        high, low = max(bar.high for bar in shown), min(bar.low for bar in shown)
    if high <= low:
        high, low = high + 1, low - 1
    left = plot_width - 1 - len(shown)
    return Frame(first, stop, left, plot_width, labels_width, rows, panel_rows, volume_rows, high, low, decimals)


def build(
    bars: Sequence[Bar],
    last: float,
    interval_s: int,
    width: int,
    height: int,
    *,
    frame: Frame | None = None,
    mode: Mode = Mode.CANDLES,
    studies: Sequence[Study] = (),
    panel: Panel | None = None,
    fills: Mapping[int, Fills] | None = None,
    cross: Cross | None = None,
) -> list[Line]:
    """`height` lines of `width` cells: prices, a panel, volume when there is room, time. Empty when there is too little
    room. Values of studies are those of the bars from `frame.first` on; `fills` are by the bar's place in `bars`."""
    frame = frame or frame_of(bars, last, width, height, mode=mode, panel=panel is not None)
    if frame is None:
        return []
    shown = bars[frame.first : frame.stop]
    chars = [[" "] * frame.plot_width for _ in range(frame.rows)]
    looks = [[""] * frame.plot_width for _ in range(frame.rows)]
    if mode is Mode.VOLUME:
        _draw_columns(shown, frame, chars, looks)
    elif mode is Mode.LINE:
        _draw_closes(shown, frame, chars, looks)
    else:
        _draw_candles(shown, frame, chars, looks)
    last_row = frame.row_of(last) if mode is not Mode.VOLUME else -1
    if last_row >= 0:
        _fill_row(chars[last_row], looks[last_row], "┈", "last-line")
    if mode is not Mode.VOLUME:
        for study in studies:
            _draw_study(study, frame, chars, looks)
        if fills:
            _draw_fills(shown, fills, frame, chars, looks)
    cross_row = _draw_cross(cross, frame, chars, looks) if cross else -1

    axis = _price_axis(frame.high, frame.low, frame.rows, frame.decimals)
    lines: list[Line] = []
    for row in range(frame.rows):
        label, look = axis.get(row, ""), "axis"
        if row == last_row:
            label, look = f"{last:,.{frame.decimals}f}", "last"
        if cross and row == cross_row:
            label, look = f"{cross.price:,.{frame.decimals}f}", "cross-label"
        lines.append((*_runs(chars[row], looks[row]), _label(label, look, frame)))
    if frame.panel_rows and panel is not None:
        lines += _panel(panel, frame)
    lines += _volume(shown, frame)
    lines.append(_time_axis(shown, interval_s, frame, cross))
    return lines


# --- bars -------------------------------------------------------------------------------------------------------------


def _draw_candles(shown: Sequence[Bar], frame: Frame, chars: list[list[str]], looks: list[list[str]]) -> None:
    high, scale = frame.high, frame.scale
    for x, bar in enumerate(shown, frame.left):
        look = "up" if bar.close >= bar.open else "down"
        top, bottom = round((high - bar.high) * scale), round((high - bar.low) * scale)
        body_top = round((high - max(bar.open, bar.close)) * scale)
        body_bottom = round((high - min(bar.open, bar.close)) * scale)
        for row in range(top // 2, bottom // 2 + 1):
            half = 2 * row
            upper = 2 if body_top <= half <= body_bottom else 1 if top <= half <= bottom else 0
            half += 1
            lower = 2 if body_top <= half <= body_bottom else 1 if top <= half <= bottom else 0
            chars[row][x] = _CELLS[upper, lower]
            looks[row][x] = look


def _draw_closes(shown: Sequence[Bar], frame: Frame, chars: list[list[str]], looks: list[list[str]]) -> None:
    """A line through the closes: each column goes from the close before to its own."""
    before: int | None = None
    for x, bar in enumerate(shown, frame.left):
        half = frame.half_of(bar.close)
        top = bottom = half
        if before is not None and before != half:
            top, bottom = (half, before - 1) if before > half else (before + 1, half)
        before = half
        for row in range(top // 2, bottom // 2 + 1):
            chars[row][x] = _HALVES[top <= 2 * row <= bottom, top <= 2 * row + 1 <= bottom]
            looks[row][x] = "line"


def _draw_columns(shown: Sequence[Bar], frame: Frame, chars: list[list[str]], looks: list[list[str]]) -> None:
    """Volumes over the whole height."""
    rows = frame.rows
    for x, bar in enumerate(shown, frame.left):
        filled = round(bar.volume / frame.high * rows * 8)
        for row in range(rows):
            eighths = filled - (rows - 1 - row) * 8
            if eighths > 0:
                chars[row][x] = _EIGHTHS[min(8, eighths)]
                looks[row][x] = "up" if bar.close >= bar.open else "down"


# --- what is drawn over them ------------------------------------------------------------------------------------------


def _fill_row(chars: list[str], looks: list[str], glyph: str, look: str) -> None:
    for x, char in enumerate(chars):
        if char == " ":
            chars[x], looks[x] = glyph, look


def _draw_study(study: Study, frame: Frame, chars: list[list[str]], looks: list[list[str]]) -> None:
    """Over wicks, behind bodies; what is outside the bars' prices is not shown."""
    high, low, scale = frame.high, frame.low, frame.scale
    for x, value in enumerate(study.values, frame.left):
        if value is not None and low <= value <= high:
            row = round((high - value) * scale) // 2
            if chars[row][x] in _WICKS:
                chars[row][x], looks[row][x] = study.glyph, study.look


def _draw_fills(
    shown: Sequence[Bar], fills: Mapping[int, Fills], frame: Frame, chars: list[list[str]], looks: list[list[str]]
) -> None:
    """Arrows: what was bought under the bar, what was sold over it, the leader's nearest."""
    for bar, filled in fills.items():
        if not frame.first <= bar < frame.stop:
            continue
        each = shown[bar - frame.first]
        x = frame.left + bar - frame.first
        row = frame.half_of(each.low) // 2 + 1
        for lots, glyph, look in ((filled.leader_bought, _BELOW[0], "leader"), (filled.bought, _BELOW[1], "up")):
            if lots:
                at = min(row, frame.rows - 1)
                chars[at][x], looks[at][x], row = glyph, look, row + 1
        row = frame.half_of(each.high) // 2 - 1
        for lots, glyph, look in ((filled.leader_sold, _ABOVE[0], "leader"), (filled.sold, _ABOVE[1], "down")):
            if lots:
                at = max(row, 0)
                chars[at][x], looks[at][x], row = glyph, look, row - 1


def _draw_cross(cross: Cross, frame: Frame, chars: list[list[str]], looks: list[list[str]]) -> int:
    """Where nothing else stands; the row of its level, -1 when that is not shown."""
    row = frame.row_of(cross.price)
    if row >= 0:
        for x, char in enumerate(chars[row]):
            if char in " ┈":
                chars[row][x], looks[row][x] = "┄", "cross"
    if frame.first <= cross.bar < frame.stop:
        x = frame.left + cross.bar - frame.first
        for at in range(frame.rows):
            if chars[at][x] in " ┈┄":
                chars[at][x], looks[at][x] = "┼" if at == row else "┊", "cross"
    return row


# --- around -----------------------------------------------------------------------------------------------------------


def _label(text: str, look: str, frame: Frame) -> Run:
    """In its width; a number that does not fit is left out, for a part of one would be another."""
    room = frame.labels_width - 2
    return Run(f" {text if len(text) <= room else '':>{room}} ", look)


def _runs(chars: Sequence[str], looks: Sequence[str]) -> list[Run]:
    runs: list[Run] = []
    start = 0
    for x in range(1, len(chars) + 1):
        if x == len(chars) or looks[x] != looks[start]:
            runs.append(Run("".join(chars[start:x]), looks[start]))
            start = x
    return runs


def _price_axis(high: float, low: float, rows: int, decimals: int) -> dict[int, str]:
    """Round prices, about every three rows."""
    wanted = (high - low) / max(1, rows / 3)
    step = 10.0**-decimals
    while step < wanted:
        step = next((step * factor for factor in (2, 2.5, 5) if step * factor >= wanted), step * 10)
    labels: dict[int, str] = {}
    price = (low // step + 1) * step
    while price <= high:
        labels[round((high - price) * (2 * rows - 1) / (high - low)) // 2] = f"{price:,.{decimals}f}"
        price += step
    return labels


def _panel(panel: Panel, frame: Frame) -> list[Line]:
    """The studies of a panel under a line with its name and the newest values."""
    rows = frame.panel_rows - 1
    chars = [[" "] * frame.plot_width for _ in range(rows)]
    looks = [[""] * frame.plot_width for _ in range(rows)]
    known = [value for study in panel.studies for value in study.values if value is not None]
    low, high = panel.ends or (min(known, default=0.0), max(known, default=1.0))
    if any(study.bars for study in panel.studies):
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < _LEAST_SPAN:  # less would be no number of rows
        high, low = high + 1, low - 1
    scale = (2 * rows - 1) / (high - low)
    for guide in panel.guides:
        at = round((high - guide) * scale) // 2
        _fill_row(chars[at], looks[at], "┈", "last-line")
    zero = round((high - min(max(0.0, low), high)) * scale)
    for study in panel.studies:
        for x, value in enumerate(study.values, frame.left):
            if value is None:
                continue
            half = round((high - min(max(value, low), high)) * scale)
            top, bottom = (min(half, zero), max(half, zero)) if study.bars else (half, half)
            for row in range(top // 2, bottom // 2 + 1):
                if study.bars:
                    chars[row][x] = _HALVES[top <= 2 * row <= bottom, top <= 2 * row + 1 <= bottom]
                else:
                    chars[row][x] = "▔" if half % 2 == 0 else "▁"
                looks[row][x] = ("down" if value < 0 else "up") if study.bars else study.look
    newest = [f"{study.name} {_last_value(study)}" for study in panel.studies]
    name = "  ".join(newest)[: frame.plot_width]
    rule = f"{name} " + "─" * max(0, frame.plot_width - len(name) - 1)
    lines: list[Line] = [(Run(rule[: frame.plot_width], "axis"), _label("", "axis", frame))]
    for row in range(rows):
        value = high if row == 0 else low if row == rows - 1 else None
        label = "" if value is None else short(value)
        lines.append((*_runs(chars[row], looks[row]), _label(label, "axis", frame)))
    return lines


def short(value: float) -> str:
    """A number of a panel in about five figures."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _last_value(study: Study) -> str:
    found = [value for value in study.values if value is not None]
    if not found:
        return "-"
    sign = f"{UP} " if found[-1] > 0 else f"{DOWN} " if found[-1] < 0 else ""
    return f"{sign if study.bars else ''}{found[-1]:,.2f}"


def _volume(bars: Sequence[Bar], frame: Frame) -> list[Line]:
    rows = frame.volume_rows
    most = max(bar.volume for bar in bars) or 1
    lines: list[Line] = []
    for row in range(rows):
        floor = (rows - 1 - row) * 8
        chars, looks = [" "] * frame.plot_width, [""] * frame.plot_width
        for x, bar in enumerate(bars, frame.left):
            filled = round(bar.volume / most * rows * 8) - floor
            chars[x] = _EIGHTHS[max(0, min(8, filled))]
            looks[x] = "axis"
        label = "volume" if row == rows - 1 and frame.labels_width >= 8 else ""
        lines.append((*_runs(chars, looks), _label(label, "axis", frame)))
    return lines


def moment(at_ns: int, interval_s: int) -> str:
    """A bar's time in five cells: the time of day, or the day for bars of days."""
    return f"{to_datetime(at_ns):%m-%d}" if interval_s >= _DAY_S else clock_time(at_ns)[:5] or "00:00"


def _time_axis(bars: Sequence[Bar], interval_s: int, frame: Frame, cross: Cross | None) -> Line:
    width = frame.plot_width
    every_s = next((step for step in _STEPS_S if step >= interval_s * _LABEL_EVERY), _STEPS_S[-1])
    text = [" "] * width
    free_from = 0
    before = (bars[0].start_ns - 1) // 1_000_000_000 // every_s
    for x, bar in enumerate(bars, frame.left):
        begins = bar.start_ns // 1_000_000_000 // every_s
        before, new = begins, begins != before
        if new and x >= free_from and x + 5 <= width:
            text[x : x + 5] = moment(bar.start_ns, every_s)
            free_from = x + 6
    looks = ["axis"] * width
    if cross and frame.first <= cross.bar < frame.stop and width >= 5:
        at = max(0, min(frame.left + cross.bar - frame.first - 2, width - 5))
        _blank(text, at - 1, -1)
        _blank(text, at + 5, 1)
        text[at : at + 5] = moment(bars[cross.bar - frame.first].start_ns, interval_s)
        looks[at : at + 5] = ["cross-label"] * 5
    return (*_runs(text, looks), Run(" " * frame.labels_width, "axis"))


def _blank(text: list[str], at: int, step: int) -> None:
    """Take away what is left there of a label that another stands over."""
    while 0 <= at < len(text) and text[at] != " ":
        text[at] = " "
        at += step
