"""Candles drawn once, for `copydesk candles --plot`. The only module that loads plotext; the screen draws its own.

With colours a candle is a column; without them (NO_COLOR, or output that is no terminal) a thin one whose opening
stands to the left and whose close stands to the right, so that up and down never rest on colour alone.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import plotext as untyped

from schema.clock import to_datetime
from schema.records import Bar
from tui.text import clean

plotext: Any = untyped
_AXIS = 12  # columns for prices and the frame
_TICK = 18  # columns between two times
_HEIGHT = 24
_LEAST = 40
_DAY_NS = 86_400 * 1_000_000_000


def colours() -> bool:
    """Whether standard output takes colours: it is a terminal, and nobody said NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def plotted(bars: Sequence[Bar], title: str) -> str:
    """The newest candles that fit the terminal's width, in its height or 24 rows."""
    size = shutil.get_terminal_size((100, _HEIGHT))
    width, in_colour = max(size.columns, _LEAST), colours()
    each = 1 if in_colour else 3
    shown = bars[-((width - _AXIS) // each) :]
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, min(max(size.lines - 2, 10), 40))
    figure.title(clean(title))
    data = {
        "date": range(len(shown)),
        "open": [bar.open for bar in shown],
        "close": [bar.close for bar in shown],
        "high": [bar.high for bar in shown],
        "low": [bar.low for bar in shown],
    }
    figure.draw(figure.candlestick(data, style="candle" if in_colour else "ohlc", tick=1))
    step = max(1, _TICK // each)
    places = list(range(0, len(shown), step))
    form = "%H:%M" if shown[-1].start_ns - shown[0].start_ns < _DAY_NS else "%m-%d %H:%M"
    figure.ruler("x").ticks(places, labels=[f"{to_datetime(shown[at].start_ns):{form}}" for at in places])
    text = str(figure.build())
    return text if in_colour else str(plotext.uncolorize(text))
