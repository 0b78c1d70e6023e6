"""Candles as lines of text: a pure function from bars to runs of characters. The candles pane draws them.

Prices have half a row of resolution: a heavy line is the body, a light one the wick, and a cell may be half of each.
Built whole in about 1 ms for 150 x 30 (a plotting library needs 20 times that).
"""

from collections.abc import Sequence
from typing import NamedTuple

from schema.records import Bar
from tui.text import clock_time

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
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_STEPS_S = (60, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_LABEL_EVERY = 10
_VOLUME_FROM_HEIGHT = 10


class Run(NamedTuple):
    """Characters with one look: up, down, axis, last, last-line or empty for nothing."""

    text: str
    look: str


Line = tuple[Run, ...]


def decimals_of(bars: Sequence[Bar]) -> int:
    """How many decimals the prices need (at most 6)."""
    sample = [price for bar in bars[-20:] for price in (bar.open, bar.high, bar.low, bar.close)]
    for decimals in range(6):
        if all(abs(round(price, decimals) - price) < 1e-9 for price in sample):
            return decimals
    return 6


def build(bars: Sequence[Bar], last: float, interval_s: int, width: int, height: int) -> list[Line]:
    """`height` lines of `width` cells: prices, volume when there is room, time. Empty when there is too little room."""
    decimals = decimals_of(bars)
    ends = (max(bar.high for bar in bars), min(bar.low for bar in bars), last)
    labels_width = max(len(f"{price:,.{decimals}f}") for price in ends) + 2
    plot_width = width - labels_width
    volume_rows = 2 if height >= _VOLUME_FROM_HEIGHT else 0
    rows = height - volume_rows - 1
    if plot_width < 4 or rows < 3:
        return []
    shown = bars[-(plot_width - 1) :]
    high, low = max(bar.high for bar in shown), min(bar.low for bar in shown)
    if high <= low:
        high, low = high + 1, low - 1
    left = plot_width - 1 - len(shown)
    scale = (2 * rows - 1) / (high - low)

    chars = [[" "] * plot_width for _ in range(rows)]
    looks = [[""] * plot_width for _ in range(rows)]
    for x, bar in enumerate(shown, left):
        look = "up" if bar.close >= bar.open else "down"
        top, bottom = round((high - bar.high) * scale), round((high - bar.low) * scale)
        body_top = round((high - max(bar.open, bar.close)) * scale)
        body_bottom = round((high - min(bar.open, bar.close)) * scale)
        for row in range(top // 2, bottom // 2 + 1):
            halves = [
                2 if body_top <= half <= body_bottom else 1 if top <= half <= bottom else 0
                for half in (2 * row, 2 * row + 1)
            ]
            chars[row][x] = _CELLS[halves[0], halves[1]]
            looks[row][x] = look

    last_row = round((high - last) * scale) // 2 if low <= last <= high else -1
    if last_row >= 0:
        for x in range(plot_width):
            if chars[last_row][x] == " ":
                chars[last_row][x], looks[last_row][x] = "┈", "last-line"
    axis = _price_axis(high, low, rows, decimals)
    lines: list[Line] = []
    for row in range(rows):
        label, look = axis.get(row, ""), "axis"
        if row == last_row:
            label, look = f"{last:,.{decimals}f}", "last"
        lines.append((*_runs(chars[row], looks[row]), Run(f" {label:>{labels_width - 2}} ", look)))
    lines += _volume(shown, left, plot_width, volume_rows, labels_width)
    lines.append((Run(_time_axis(shown, left, interval_s, plot_width) + " " * labels_width, "axis"),))
    return lines


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


def _volume(bars: Sequence[Bar], left: int, width: int, rows: int, labels_width: int) -> list[Line]:
    most = max(bar.volume for bar in bars) or 1
    lines: list[Line] = []
    for row in range(rows):
        floor = (rows - 1 - row) * 8
        chars, looks = [" "] * width, [""] * width
        for x, bar in enumerate(bars, left):
            filled = round(bar.volume / most * rows * 8) - floor
            chars[x] = _EIGHTHS[max(0, min(8, filled))]
            looks[x] = "axis"
        label = "volume" if row == rows - 1 and labels_width >= 8 else ""
        lines.append((*_runs(chars, looks), Run(f" {label:>{labels_width - 2}} ", "axis")))
    return lines


def _time_axis(bars: Sequence[Bar], left: int, interval_s: int, width: int) -> str:
    every_s = next((step for step in _STEPS_S if step >= interval_s * _LABEL_EVERY), _STEPS_S[-1])
    text = [" "] * width
    free_from = 0
    for x, bar in enumerate(bars, left):
        if bar.start_ns // 1_000_000_000 % every_s == 0 and x >= free_from and x + 5 <= width:
            text[x : x + 5] = clock_time(bar.start_ns)[:5] or "00:00"
            free_from = x + 6
    return "".join(text)
