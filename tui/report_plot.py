"""The plots of a report, drawn once by plotext: the equity curve, P&L by account, and how long and how far off copies
were. For `copydesk report --plot` and the report's page. Plain characters, no colour: the same in a pipe."""

import shutil
from collections.abc import Sequence
from typing import Any

import plotext as untyped

from engine.reported import Bin, Report
from schema.clock import to_datetime
from tui.text import clean

plotext: Any = untyped
_HEIGHT = 15
_LEAST, _MOST = 60, 140
_TICKS = 5
_DAY_NS = 86_400 * 1_000_000_000


def width_here() -> int:
    """As wide as the terminal, within reason."""
    return min(max(shutil.get_terminal_size((100, 24)).columns - 1, _LEAST), _MOST)


def plots(report: Report, width: int) -> list[str]:
    """Those that there is anything to draw for."""
    found = [_equity(report, width), _by_account(report, width)]
    found.append(
        _histogram("latency of copies in all, ms (the last bar: the slowest hundredth)", report.latency_bins, width)
    )
    found.append(
        _histogram("slippage of copies, ticks (right of 0: worse for the follower)", report.slippage_bins, width)
    )
    return [plot for plot in found if plot]


def _figure(title: str, width: int, height: int) -> Any:
    figure = plotext.figure
    plotext.terminal.limit(False, False)  # else no plot is larger than 80x24 where there is no terminal
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, height)
    figure.title(title)
    return figure


def _built(figure: Any) -> str:
    text = str(plotext.uncolorize(str(figure.build())))
    return "\n".join(line.rstrip() for line in text.splitlines())


def _y_ticks(figure: Any, low: float, high: float, form: str) -> None:
    """Numbers that a person reads, where plotext would write 1.2e4."""
    at = [low + (high - low) * number / (_TICKS - 1) for number in range(_TICKS)]
    figure.ruler("y").ticks(at, labels=[format(value, form) for value in at])


def _equity(report: Report, width: int) -> str:
    points = report.equity
    if len(points) < 2:
        return ""
    figure = _figure("net P&L of all accounts, UTC", width, _HEIGHT)
    first_ns, last_ns = points[0].at_ns, points[-1].at_ns
    if len(points) > 2:  # the line begins with the first trade, not with hours of nothing
        first_ns = points[1].at_ns
    xs = [max(0.0, (point.at_ns - first_ns) / 1e9) for point in points]
    curve = figure.signal(xs, [float(point.net) for point in points])
    curve.lines(True)
    figure.draw(curve)
    nets = [float(point.net) for point in points]
    _y_ticks(figure, min(nets), max(nets) if max(nets) > min(nets) else min(nets) + 1, ",.0f")
    span_s = max((last_ns - first_ns) / 1e9, 1.0)
    form = "%H:%M:%S" if span_s < 3600 else "%H:%M" if span_s * 1e9 < _DAY_NS else "%m-%d %H:%M"
    places = [span_s * number / (_TICKS - 1) for number in range(_TICKS)]
    figure.ruler("x").ticks(places, labels=[f"{to_datetime(first_ns + int(at * 1e9)):{form}}" for at in places])
    return _built(figure)


def _by_account(report: Report, width: int) -> str:
    """Bars to the right for a profit and to the left for a loss, a line each: by plotext they would have no names."""
    traded = [line for line in report.accounts if line.result.fills]
    if not traded:
        return ""
    return bars(
        "net P&L by account",
        [(line.account, float(line.result.net), f"{line.result.net:+,.2f}") for line in traded],
        width,
    )


def _histogram(title: str, of: Sequence[Bin], width: int) -> str:
    if not of:
        return ""
    figure = _figure(title, width, _HEIGHT)
    figure.draw(figure.bar([f"{each.low:f}" for each in of], [each.count for each in of]))
    _y_ticks(figure, 0, max(each.count for each in of), ",.0f")
    return _built(figure)


def bars(title: str, of: Sequence[tuple[str, float, str]], width: int) -> str:
    """One line each: its name, a bar from the middle, its figure."""
    names, figures = max(len(name) for name, _, _ in of), max(len(text) for _, _, text in of)
    half = max(5, (width - names - figures - 6) // 2)
    largest = max((abs(value) for _, value, _ in of), default=0.0) or 1.0
    lines = [title.center(width).rstrip()]
    for name, value, text in of:
        length = round(abs(value) / largest * half)
        lost, won = ("#" * length if value < 0 else "").rjust(half), ("#" * length if value > 0 else "").ljust(half)
        lines.append(f"{clean(name):<{names}} {lost}|{won} {text:>{figures}}")
    return "\n".join(lines)
