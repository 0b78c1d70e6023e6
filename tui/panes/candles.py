"""The candles pane: the chart of the watched symbol, its studies, the desk's fills, and a crosshair.

`series.py` merges the bars and reckons the studies, `chart.py` makes the lines, `fills.py` says where accounts were
filled. Bars from before the desk's snapshot are asked for with `OlderWanted`, which the app answers with `take_older`.
"""

from typing import Any, ClassVar, NamedTuple

from textual import events
from textual.message import Message

from engine.seat import Candles, CopyRow, OrderRow, Topic, View
from schema.market import Interval, IntervalKind
from schema.records import Bar
from tui.keymap import bindings, called
from tui.panes import chart
from tui.panes.chart import Cross, Frame, Mode, Panel, Study
from tui.panes.drawn import Line, LinePane, Run, fitted
from tui.panes.fills import Fill, by_bar, fills_of, summed, told
from tui.panes.ladder import leaders_of
from tui.panes.seeking import Sought, sought
from tui.panes.series import Series
from tui.text import DOWN, UP, clean, counted

PAGE = 1_000
"""Older bars that are asked for at once."""
_MOST_OLDER = 20_000
ZOOMS = (1, 2, 3, 5, 10, 20)
_LOOKS = (
    "up", "down", "axis", "last", "last-line", "stale", "empty", "line", "leader", "cross", "cross-label", "first",
    "second", "third", "fourth",
)  # fmt: skip


class Overlay(NamedTuple):
    """A study over the prices: what it is in `engine/market/indicators.py`, and how its lines are drawn."""

    text: str
    look: str
    glyph: str


OVERLAYS = {
    "sma": Overlay("sma:20", "first", "─"),
    "ema": Overlay("ema:9", "second", "━"),
    "vwap": Overlay("vwap", "third", "═"),
    "bands": Overlay("bb:20:2", "fourth", "·"),
}
PANELS = ("", "rsi:14", "macd:12:26:9", "atr:14")


def interval_text(interval_s: int) -> str:
    """``1m``, ``4h``, ``30s``."""
    return str(Interval(IntervalKind.TIME, interval_s))


class CandlePane(LinePane):
    """It follows the newest bar until it is scrolled back; End follows it again."""

    TOPIC = Topic.CANDLES
    ALSO = (Topic.ORDERS, Topic.COPIES, Topic.ACCOUNTS)
    NAME = "CANDLES"
    PREFIX = "candles"
    COMPONENT_CLASSES: ClassVar[set[str]] = LinePane.looks("candles", *_LOOKS)
    BINDINGS: ClassVar[list[Any]] = bindings("candles")

    class OlderWanted(Message):
        """Bars of a symbol that begin before `until_ns` are wanted, the newest `limit` of them."""

        def __init__(self, pane: "CandlePane", symbol: str, interval: str, until_ns: int, limit: int) -> None:
            super().__init__()
            self.pane = pane
            self.symbol = symbol
            self.interval = interval
            self.until_ns = until_ns
            self.limit = limit

        @property
        def control(self) -> "CandlePane":
            return self.pane

    class Said(Message):
        """What came of looking for something, for the message line; `look` is ``refused`` when nothing did."""

        def __init__(self, text: str, look: str = "") -> None:
            super().__init__()
            self.text = text
            self.look = look

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._candles: Candles | None = None
        self._versions: dict[Topic, int] = {}
        self._orders: tuple[OrderRow, ...] = ()
        self._copies: tuple[CopyRow, ...] = ()
        self._leaders: frozenset[str] = frozenset()
        self._fills: tuple[Fill, ...] | None = None
        self._placed: dict[int, list[Fill]] = {}  # by cell
        self._placed_for: tuple[int, int, int] | None = None
        self._changed = False
        self._older: tuple[Bar, ...] = ()  # before those of the snapshot
        self._asked_ns = 0  # the time before which bars were asked for last
        self._no_older = False
        self._frame: Frame | None = None
        self._newest_ns = 0  # the last cell that is shown; 0 follows the newest
        self._cross_ns = 0  # the cell under the crosshair; 0 for none
        self._cross_price: float | None = None  # None: the close of its cell
        self._sought: Sought | None = None
        self._seeking = False  # in the bars that were asked for
        self.series = Series()
        self.mode = Mode.CANDLES
        self.overlays: frozenset[str] = frozenset()
        self.panel = ""

    # --- data ---------------------------------------------------------------------------------------------------------

    def show_also(self, view: View) -> None:
        """Take the newest snapshot of one of `ALSO`; `show` draws it."""
        if self._versions.get(view.topic) == view.version:
            return
        self._versions[view.topic] = view.version
        if view.topic is Topic.ORDERS:
            self._orders = tuple(row for row in view.rows if isinstance(row, OrderRow))
        elif view.topic is Topic.COPIES:
            self._copies = tuple(row for row in view.rows if isinstance(row, CopyRow))
        elif view.topic is Topic.ACCOUNTS:
            leaders = leaders_of(view)
            if leaders == self._leaders:
                return
            self._leaders = leaders
        self._fills, self._changed = None, True

    def show(self, view: View, _now_ns: int) -> None:
        """Take the newest snapshot."""
        if view.version == self._versions.get(Topic.CANDLES) and not self._changed:
            return
        self._changed = False
        if view.version != self._versions.get(Topic.CANDLES):
            self._versions[Topic.CANDLES] = view.version
            row = view.rows[0] if view.rows else None
            self._take(row if isinstance(row, Candles) else None)
        self.rebuild()

    def _take(self, candles: Candles | None) -> None:
        before, self._candles = self._candles, candles
        same = before is not None and candles is not None and _known(before) == _known(candles)
        if not same:
            self._older, self._asked_ns, self._no_older = (), 0, False
            self._newest_ns = self._cross_ns = 0
            self._cross_price = self._fills = self._sought = None
            self._seeking = False
        elif before is not None and candles is not None and before.bars and candles.bars:
            # The snapshot holds the newest bars only: those that fall out of it are kept.
            gone = next((i for i, bar in enumerate(before.bars) if bar.start_ns >= candles.bars[0].start_ns), 0)
            self._older = (*self._older, *before.bars[:gone])[-_MOST_OLDER:] if gone else self._older
        if candles is not None:
            self.series.take((*self._older, *candles.bars), candles.interval_s)

    def take_older(self, bars: tuple[Bar, ...], until_ns: int) -> None:
        """The bars that were asked for before `until_ns`; none: there are no more."""
        if self._candles is None or until_ns != self._asked_ns:
            return  # of a chart that is gone
        self._asked_ns = 0
        self._no_older = not bars
        self._older = (*(bar for bar in bars if bar.start_ns < until_ns), *self._older)[-_MOST_OLDER:]
        first_ns = self.series.cells[0].start_ns
        self.series.take((*self._older, *self._candles.bars), self._candles.interval_s)
        self.rebuild()
        if self._seeking:
            self._seek(self.series.cell_at(first_ns))

    def older_failed(self) -> None:
        """They could not be had: they are asked for again with the next key."""
        self._asked_ns, self._seeking = 0, False

    def _ask_older(self) -> None:
        base = self.series.base
        if self._candles is None or not base or self._no_older or self._asked_ns or len(self._older) >= _MOST_OLDER:
            return
        self._asked_ns = base[0].start_ns
        interval = self._candles.interval or interval_text(max(1, self._candles.interval_s))
        self.post_message(self.OlderWanted(self, self._candles.symbol, interval, self._asked_ns, PAGE))

    # --- drawing ------------------------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        width, height = self.size
        if not width or height < 2:
            return
        candles, cells = self._candles, self.series.cells
        self._frame = None
        lines: list[Line] = []
        if candles is not None and candles.bars and cells:
            stop = self.series.cell_at(self._newest_ns) + 1 if self._newest_ns else len(cells)
            self._frame = chart.frame_of(
                cells, candles.last, width, height - 1, stop=stop, mode=self.mode, panel=bool(self.panel)
            )
            lines = self._chart(candles, self._frame, width, height - 1) if self._frame else []
            if self._frame and self._newest_ns and self._frame.left > 0:
                self._ask_older()
        if not lines:
            lines = [fitted([Run(self._why_empty(), "empty")], width)]
        self.draw([self.title(self._title_runs()), *lines])

    def _chart(self, candles: Candles, frame: Frame, width: int, height: int) -> list[Line]:
        fills = {bar: summed(each) for bar, each in self._fills_by_bar().items()}
        return chart.build(
            self.series.cells,
            candles.last,
            self.series.interval_s * self.series.zoom,
            width,
            height,
            frame=frame,
            mode=self.mode,
            studies=self._overlaid(frame),
            panel=self._panel(frame),
            fills=fills,
            cross=self._cross(),
        )

    def _overlaid(self, frame: Frame) -> list[Study]:
        return [
            Study(name, values, overlay.look, overlay.glyph)
            for key, overlay in OVERLAYS.items()
            if key in self.overlays
            for name, values in self.series.lines(overlay.text, frame.first, frame.stop)
        ]

    def _panel(self, frame: Frame) -> Panel | None:
        if not self.panel:
            return None
        looks = ("first", "second", "")
        studies = [
            Study(name, values, look, bars="histogram" in name)
            for (name, values), look in zip(self.series.lines(self.panel, frame.first, frame.stop), looks, strict=False)
        ]
        studies.sort(key=lambda study: not study.bars)  # lines over columns
        if self.panel.startswith("rsi"):
            return Panel(self.panel, studies, (0.0, 100.0), (30.0, 70.0))
        return Panel(self.panel, studies)

    def _fills_by_bar(self) -> dict[int, list[Fill]]:
        cells = self.series.cells
        if self._fills is None:
            symbol = self._candles.symbol if self._candles else ""
            self._fills = fills_of(self._orders, self._copies, symbol, self._leaders)
            self._placed_for = None
        where = (len(cells), cells[0].start_ns if cells else 0, cells[-1].start_ns if cells else 0)
        if self._placed_for != where:
            self._placed_for, self._placed = where, by_bar(self._fills, self.series.cell_at)
        return self._placed

    def _cross(self) -> Cross | None:
        at = self.series.cell_at(self._cross_ns) if self._cross_ns else -1
        if at < 0:
            return None
        cell = self.series.cells[at]
        default = cell.volume if self.mode is Mode.VOLUME else cell.close
        return Cross(at, default if self._cross_price is None else self._cross_price)

    def _title_runs(self) -> list[Run]:
        candles = self._candles
        if candles is None or not candles.symbol:
            return [Run(self.NAME)]
        series = self.series
        zoom = f" x{series.zoom}" if series.zoom > 1 else ""
        symbol = f"{clean(candles.symbol)} {interval_text(max(1, series.interval_s))}{zoom}"
        cross = self._cross()
        parts = [f"{symbol} {self._told(cross)}"] if cross is not None else [self.NAME, symbol, *self._newest(candles)]
        runs = [Run(" · ".join(parts)), Run(" · ")]
        runs.append(Run(clean(candles.badge), "stale" if candles.badge in ("stale", "gap") else ""))
        if self.mode is not Mode.CANDLES:
            runs.append(Run(f" · {self.mode}"))
        shown = [OVERLAYS[key].text.replace(":", " ") for key in OVERLAYS if key in self.overlays]
        runs += [Run(f" · {each}") for each in shown]
        if self._newest_ns:
            back = len(series.cells) - 1 - series.cell_at(self._newest_ns)
            older = ", no older are stored" if self._no_older else ""
            runs.append(Run(f" · {counted(back, 'bar', 'bars')} back{older}"))
        elif self._no_older:
            runs.append(Run(" · no older are stored"))
        return runs

    def _newest(self, candles: Candles) -> list[str]:
        if not candles.bars:
            return []
        decimals = chart.decimals_of(candles.bars)
        change = candles.last - candles.bars[0].open
        arrow = UP if change > 0 else DOWN if change < 0 else " "
        return [f"{candles.last:,.{decimals}f} {arrow} {change:+,.{decimals}f}"]

    def _told(self, cross: Cross) -> str:
        """The bar under the crosshair, and what was filled in it."""
        cell = self.series.cells[cross.bar]
        decimals = chart.decimals_of(self.series.base)
        prices = zip("OHLC", (cell.open, cell.high, cell.low, cell.close), strict=True)
        day = f"{chart.moment(cell.start_ns, 86_400)} "
        parts = [f"{day}{chart.moment(cell.start_ns, 0)}"]
        parts += [f"{letter} {value:,.{decimals}f}" for letter, value in prices]
        parts.append(f"V {cell.volume:,.12g}")
        fills = told(self._fills_by_bar().get(cross.bar, ()))
        return " ".join(parts) + (f" · {fills}" if fills else "")

    def _why_empty(self) -> str:
        candles = self._candles
        if candles is None or not candles.symbol:
            return " Nothing is charted: no leader has traded yet. :chart ESZ6 shows a contract."
        if not candles.bars:
            return f" Waiting for the bars of {clean(candles.symbol)}."
        return f" Too small for a chart; {called('zoom')} gives it the screen."

    # --- keys: what is drawn ------------------------------------------------------------------------------------------

    def action_mode(self) -> None:
        """Candles, a line of closes, volumes."""
        modes = list(Mode)
        self.mode = modes[(modes.index(self.mode) + 1) % len(modes)]
        self._cross_price = None
        self.rebuild()

    def action_overlay(self, name: str) -> None:
        """Put a study over the prices, or take it off."""
        self.overlays = self.overlays ^ {name}
        self._want()

    def action_panel(self) -> None:
        """The next study under the chart, or none."""
        self.panel = PANELS[(PANELS.index(self.panel) + 1) % len(PANELS)]
        self._want()

    def _want(self) -> None:
        wanted = [overlay.text for key, overlay in OVERLAYS.items() if key in self.overlays]
        self.series.want([*wanted, *([self.panel] if self.panel else [])])
        self.rebuild()

    def action_zoom_bars(self, by: int) -> None:
        """More bars in a cell (above 0), or fewer."""
        at = ZOOMS.index(self.series.zoom)
        self.series.choose(zoom=ZOOMS[max(0, min(at + by, len(ZOOMS) - 1))])
        self._settle()

    def action_interval(self, by: int) -> None:
        """The next longer interval, or the next shorter."""
        there = self.series.intervals_s
        at = there.index(self.series.interval_s)
        self.series.choose(interval_s=there[max(0, min(at + by, len(there) - 1))])
        self._settle()

    def _settle(self) -> None:
        """Draw, and ask for older bars when there are too few to fill the pane."""
        self.rebuild()
        if self._frame is not None and self._frame.left > 0:
            self._ask_older()

    # --- keys: where one is -------------------------------------------------------------------------------------------

    def action_cross(self, by: int) -> None:
        """Move the crosshair by so many bars; it begins on the newest that is shown."""
        if self._frame is None:
            return
        at = self.series.cell_at(self._cross_ns) + by if self._cross_ns else self._frame.stop - 1
        self._put_cross(at, None)

    def _put_cross(self, at: int, price: float | None) -> None:
        frame, cells = self._frame, self.series.cells
        if frame is None:
            return
        if at < 0:
            self._ask_older()
        at = max(0, min(at, len(cells) - 1))
        self._cross_ns, self._cross_price = cells[at].start_ns, price
        if at < frame.first:
            self._show_until(frame.stop - (frame.first - at))
        elif at >= frame.stop:
            self._show_until(at + 1)
        self.rebuild()

    def action_level(self, rows: int) -> None:
        """Move the crosshair's level by so many rows, up when above 0."""
        cross = self._cross()
        if self._frame is None:
            return
        if cross is None:
            self.action_cross(0)
            return
        price = cross.price + 2 * rows / self._frame.scale
        self._cross_price = max(self._frame.low, min(price, self._frame.high))
        self.rebuild()

    def action_scroll_bars(self, pages: int) -> None:
        """A page forward (above 0) or back."""
        frame = self._frame
        if frame is not None:
            self._show_until(frame.stop + pages * max(1, frame.plot_width - 2))
            self.rebuild()

    def action_oldest(self) -> None:
        if self._frame is not None:
            self._show_until(0)
            self._ask_older()
            self.rebuild()

    def action_newest(self) -> None:
        self._newest_ns = 0
        self._no_older = False  # there may be by the next time
        self.rebuild()

    def action_leave(self) -> None:
        """No crosshair, and the newest bars."""
        self._cross_ns, self._cross_price = 0, None
        self.action_newest()

    def _show_until(self, stop: int) -> None:
        """Show the bars before `stop`; the newest are followed where that is all of them."""
        frame, cells = self._frame, self.series.cells
        if frame is None:
            return
        least = min(len(cells), frame.plot_width - 1)
        if stop < least:
            self._ask_older()
        stop = max(least, stop)
        self._newest_ns = 0 if stop >= len(cells) else cells[stop - 1].start_ns

    # --- keys: looking for something ----------------------------------------------------------------------------------

    def seek(self, text: str) -> None:
        """Put the crosshair on the bar of a moment, or on the newest that traded at a price; what is stored from before
        the chart is asked for when it is not in it. Said when it is none (`Said`)."""
        cells = self.series.cells
        if self._frame is None:
            self.post_message(self.Said("There are no bars to look in yet.", "refused"))
            return
        try:
            self._sought = sought(text, cells[-1].start_ns)
        except ValueError as refused:
            self.post_message(self.Said(str(refused), "refused"))
        else:
            self._seek(len(cells))

    def action_again(self, by: int) -> None:
        """The next older bar (below 0) that traded at the price, or the next newer."""
        cross = self._cross()
        if self._sought is None or not self._sought.price or cross is None:
            key = called("chart_find")
            self.post_message(self.Said(f"No price was looked for here; {key} does.", "refused"))
        else:
            self._seek(cross.bar, by)

    def _seek(self, beside: int, by: int = -1) -> None:
        """Go to the first cell before `beside`, or after it, that is what is sought."""
        cells, what = self.series.cells, self._sought
        assert what is not None
        if what.price:
            through = range(beside - 1, -1, -1) if by < 0 else range(beside + 1, len(cells))
            at = next((at for at in through if cells[at].low <= what.price <= cells[at].high), -1)
        else:
            at = self.series.cell_at(what.at_ns)
        more = by < 0 and not self._no_older and len(self._older) < _MOST_OLDER
        self._seeking = at < 0 and more
        if at >= 0:
            self._put_cross(at, what.price or None)
        elif more:
            self._ask_older()
        price = f"{what.price:,.{chart.decimals_of(self.series.base)}f}"
        none = f"{'older' if by < 0 else 'newer'} bar {f'traded at {price}' if what.price else 'is stored'}"
        said = "Looking in the bars that are stored …" if self._seeking else "" if at >= 0 else f"No {none}."
        self.post_message(self.Said(said, "refused" if said and not self._seeking else ""))

    # --- mouse --------------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        self._point(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if event.button:
            self._point(event)

    def _point(self, event: events.MouseEvent) -> None:
        """The crosshair goes where the mouse is pressed or dragged."""
        offset, frame = event.get_content_offset(self), self._frame
        if offset is not None and frame is not None and offset.x < frame.plot_width and 1 <= offset.y <= frame.rows:
            self._put_cross(frame.bar_at(offset.x), frame.price_at(offset.y - 1))

    def on_mouse_scroll_up(self, _event: events.MouseScrollUp) -> None:
        self.action_zoom_bars(-1)

    def on_mouse_scroll_down(self, _event: events.MouseScrollDown) -> None:
        self.action_zoom_bars(1)


def _known(candles: Candles) -> tuple[str, int, str]:
    return (candles.symbol, candles.interval_s, candles.interval)
