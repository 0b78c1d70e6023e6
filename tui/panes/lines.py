"""The fixed lines of the screen: status on top, messages and key hints at the bottom. `tui/app.py` feeds them."""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from engine.seat import AlertRow, LatencySummary, StatusRow
from tui.keymap import Key
from tui.text import clean, clock_time, fit, millis, money, pnl_look


class Span(NamedTuple):
    """Text with a look of its line."""

    text: str
    look: str = ""


class SpanLines(Widget):
    """Lines made of spans, cut at the width; repainted when they change."""

    PREFIX: ClassVar[str]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[list[Span]] = []
        self._styles_by_look: dict[str, Style] = {}

    def set_lines(self, lines: list[list[Span]]) -> None:
        if lines != self.lines:
            self.lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        segments: list[Segment] = []
        room = width
        fill = ""
        for text, look in self.lines[y] if y < len(self.lines) else []:
            if room <= 0:
                break
            text = fit(text, min(room, Segment(text).cell_length))
            segments.append(Segment(text, self._style(look)))
            room -= Segment(text).cell_length
            fill = "alarm" if look == "alarm" and len(self.lines[y]) == 1 else ""
        if room > 0:
            segments.append(Segment(" " * room, self._style(fill)))
        return Strip(segments, width)

    def _style(self, look: str) -> Style:
        style = self._styles_by_look.get(look)
        if style is None:
            style = self.get_component_rich_style(f"{self.PREFIX}--{look}") if look else self.rich_style
            self._styles_by_look[look] = style
        return style

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles_by_look.clear()


class StatusLine(SpanLines):
    """The desk at a glance: first line figures, second line what is wrong, or else the newest alert."""

    PREFIX = "status"
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"status--{look}" for look in ("name", "label", "good", "up", "down", "warn", "alarm")
    }

    def show(
        self, status: StatusRow | None, alert: AlertRow | None, silent_s: float, lag_p99_ms: float, away: str = ""
    ) -> None:
        """`silent_s` is how long the desk has published nothing; `lag_p99_ms` how late the screen's own loop runs;
        `away` why no desk is heard of (`Seat.away`)."""
        if away:
            old = f" What is shown is from {clock_time(status.now_ns)} UTC." if status else ""
            self.set_lines([[Span(f" NO DESK IS HEARD OF.{old}", "alarm")], [Span(f" {clean(away)}", "alarm")]])
            return
        if status is None:
            self.set_lines([[Span(" copydesk", "name"), Span("  the desk is opening", "label")], []])
            return
        self.set_lines([self._figures(status, lag_p99_ms), self._news(status, alert, silent_s)])

    def _figures(self, status: StatusRow, lag_p99_ms: float) -> list[Span]:
        width = self.size.width
        groups: list[tuple[int, list[Span]]] = [(0, [Span(f" {clean(status.desk)}", "name")])]
        all_up = status.connections_up == status.connections
        groups.append(
            (0, _figure("connections", f"{status.connections_up}/{status.connections}", "good" if all_up else "alarm"))
        )
        if status.guard:
            groups.append((0, [Span(clean(status.guard).upper(), "warn")]))
        groups.append((2, _figure("signals", f"{status.signals:,}")))
        groups.append((3, _figure("pairs", f"{status.pairs:,}")))
        groups.append((0, _figure("undecided", str(status.undecided), "alarm" if status.undecided else "good")))
        failed = status.rejected + status.expired + status.unknown
        groups.append((1, _figure("failed", str(failed), "alarm" if failed else "good")))
        groups.append((6, _figure("skipped", f"{status.skipped:,}")))
        groups.append((1, _figure("off target", str(status.drifting), "warn" if status.drifting else "good")))
        total = _stage(status.latency, "total")
        latency = f"{millis(total.p50)} / {millis(total.p99)} ms" if total else "-"
        groups.append((4, _figure("copy p50/p99", latency)))
        groups.append((2, _figure("day", money(status.day_pnl), _pnl(status.day_pnl))))
        groups.append((5, _figure("open", money(status.open_pnl), _pnl(status.open_pnl))))
        if status.feed_age_ms >= 0:
            stale = status.feed_age_ms >= 5000
            groups.append((7, _figure("feed", _age_text(status.feed_age_ms), "warn" if stale else "")))
        groups.append((9, _figure("engine lag", f"{millis(status.loop_lag_p99_ms)} ms")))
        groups.append((9, _figure("screen lag", f"{millis(lag_p99_ms)} ms", "warn" if lag_p99_ms > 50 else "")))
        groups.append((10, _figure("memory", f"{status.rss_mb:.0f} MB")))
        groups.append((8, [Span(f"{clock_time(status.now_ns)} UTC", "label")]))
        while sum(_length(spans) + 3 for _, spans in groups) > width and any(drop for drop, _ in groups):
            worst = max(range(len(groups)), key=lambda i: (groups[i][0], i))
            del groups[worst]
        line: list[Span] = []
        for index, (_, spans) in enumerate(groups):
            if index:
                line.append(Span(" │ ", "label"))
            line += spans
        return line

    def _news(self, status: StatusRow, alert: AlertRow | None, silent_s: float) -> list[Span]:
        if silent_s >= 3:
            return [Span(f" The desk has said nothing for {silent_s:.0f} s: what is shown is old.", "alarm")]
        if status.flatten:
            return [Span(f" {clean(status.flatten)}", "warn")]
        if status.blocked:
            return [Span(f" No order leaves: {clean(status.blocked)}", "alarm")]
        if not status.journal_ok:
            return [Span(" No order leaves: the journal can't be written.", "alarm")]
        if alert is None:
            return [Span(" Nothing to report.", "label")]
        look = {"alarm": "down", "warn": "warn"}.get(alert.level, "")
        return [Span(f" {clock_time(alert.at_ns)} ", "label"), Span(clean(alert.text), look)]


def _figure(label: str, value: str, look: str = "") -> list[Span]:
    return [Span(f"{label} ", "label"), Span(value, look)]


def _length(spans: list[Span]) -> int:
    return sum(len(span.text) for span in spans)


def _pnl(amount: object) -> str:
    look = pnl_look(amount)  # type: ignore[arg-type]
    return "" if look == "dim" else look


def _stage(latency: tuple[LatencySummary, ...], stage: str) -> LatencySummary | None:
    return next((summary for summary in latency if summary.stage == stage and summary.count), None)


def _age_text(age_ms: float) -> str:
    return "live" if age_ms < 5000 else f"{age_ms / 1000:.0f} s old"


class MessageLine(SpanLines):
    """What the last command did, or the row under the cursor in full. Remote text is never read as markup."""

    PREFIX = "message"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"message--info", "message--detail", "message--refused"}

    def say(self, text: str, look: str = "info") -> None:
        """`look` is info, detail or refused."""
        self.set_lines([[Span(f" {clean(text)}", look)]] if text else [])

    @property
    def text(self) -> str:
        return "".join(span.text for line in self.lines for span in line).strip()


class HintLine(SpanLines):
    """The keys that work here; a hint is also a button. Under the mouse it says what its key does, or why it can't."""

    PREFIX = "hint"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"hint--key", "hint--text", "hint--off", "hint--told"}

    class Pressed(Message):
        """A hint was clicked."""

        def __init__(self, key: Key) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._keys: list[Key] = []
        self._why_not: Mapping[str, str] = {}
        self._under: Key | None = None

    def show(self, keys: list[Key], why_not: Mapping[str, str] | None = None) -> None:
        """Hints that do not fit are left out; the `?` page has them all. `why_not`: by id, why one can't act now."""
        self._keys, self._why_not = keys, why_not or {}
        if self._under not in keys:
            self._under = None
        self._draw()

    def _draw(self) -> None:
        line: list[Span] = []
        x, width = 0, self.size.width
        for key in self._keys:
            if x + _hint_length(key) > width:
                break
            off = key.id in self._why_not
            looks = ("off", "off") if off else ("key", "text")
            hint = [Span(f" {key.shown}", looks[0]), Span(f" {key.description} ", looks[1])]
            if key == self._under:
                line = self._telling(key, line, hint, x)
                break
            line += hint
            x += _hint_length(key)
        self.set_lines([line])

    def _telling(self, key: Key, before: list[Span], hint: list[Span], x: int) -> list[Span]:
        """The hint under the mouse where it stands, and what it does on the side of it that has the room."""
        reason = self._why_not.get(key.id)
        told = f" {key.tooltip} Not now: {reason}" if reason else f" {key.tooltip}"
        told = clean(told)
        right = self.size.width - x - _hint_length(key)
        if right >= len(told) or right >= x:
            return [*before, *hint, Span(told, "told")]
        return [Span(fit(told, x), "told"), *hint]

    def on_resize(self, _event: events.Resize) -> None:
        self._draw()

    def _at(self, x: int) -> Key | None:
        """The key whose hint stands at `x`."""
        start = 0
        for key in self._keys:
            end = start + _hint_length(key)
            if end > self.size.width:
                return None
            if start <= x < end:
                return key
            start = end
        return None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        under = self._at(event.x)
        if under != self._under:
            self._under = under
            self._draw()

    def on_leave(self, _event: events.Leave) -> None:
        self._under = None
        self._draw()

    def on_click(self, event: events.Click) -> None:
        if (key := self._at(event.x)) is not None:
            self.post_message(self.Pressed(key))


def _hint_length(key: Key) -> int:
    return cell_len(key.shown) + cell_len(key.description) + 3
