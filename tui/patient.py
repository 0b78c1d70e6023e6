"""An app that waits for its terminal instead of being stopped by it. `tui/app.py` builds the desk on it.

While the terminal has not taken the last frame, no frame is made: what changed keeps adding up in the compositor
and is painted, once and as it then stands, when the terminal has caught up. A terminal that hangs up (SIGHUP, or
found gone by the driver) ends the app with `hung_up` set, and nothing else: the caller keeps the engine going.

A strip of Textual's may keep itself in its own caches, a cycle that only the collector can free, which a desk runs by
hand and seldom (`engine/collector.py`): five megabytes a second of them under load. Here a strip that is asked for what
it is already answers itself, and keeps nothing.

The overridden names are private to Textual; the version is pinned and tests/tui/test_pty.py guards them.
"""

import re
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual._styles_cache import StylesCache
from textual.app import App
from textual.events import Idle
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.strip import Strip

from tui.terminal import PatientDriver

_SINGLE = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u2022\u2026\u2190-\u2193\u2500-\u259f\u25a0-\u25ff]*\\Z").match
"""Whether every character of a text takes one cell."""
LOOK_FOR_HANGUP_S = 0.5
TYPED_S = 0.03
LONG_STALL_S = 1.0
"""After a stall this long the whole screen is painted again: a laptop that slept may show anything."""


_crop_extend, _divide = Strip.crop_extend, Strip.divide


def _cropped(self: Strip, start: int, end: int, style: Style | None) -> Strip:
    return self if start == 0 and end == self.cell_length else _crop_extend(self, start, end, style)


def _divided(self: Strip, cuts: Iterable[int]) -> Sequence[Strip]:
    kept = [cut for cut in cuts if cut <= self.cell_length]
    return [self] if kept == [self.cell_length] else _divide(self, kept)


Strip.crop_extend, Strip.divide = _cropped, _divided


class CellUpdate(ChopsUpdate):
    """A partial update that sends the changed cells alone. Textual's own sends each of them together with all that
    stands left of it in its widget, five to ten times the bytes on a table."""

    def render_segments(self, console: Console) -> str:
        parts: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                start, stop = max(x, x1), min(end, x2)
                parts.append(f"\x1b[{y + 1};{start + 1}H")
                parts.append(
                    strip.render(console) if stop - start == end - x else part(strip, start - x, stop - x, console)
                )
        return "".join(parts)


def part(strip: Strip, start: int, stop: int, console: Console) -> str:
    """What `strip.crop(start, stop).render(console)` is, without a strip in between: a frame has a hundred of them."""
    system = console._color_system or ColorSystem.TRUECOLOR
    parts: list[str] = []
    at = 0
    for text, style, _ in strip:
        if not _SINGLE(text):
            return strip.crop(start, stop).render(console)
        end = at + len(text)
        if end > start:
            cut = text[max(0, start - at) : stop - at]
            parts.append(cut if style is None else Strip.render_style(style, cut, system))
        if end >= stop:
            break
        at = end
    return "".join(parts)


class PatientScreen(Screen[ScreenResultType]):
    """A screen that makes no frame while the terminal is behind, and one at once for what a key changes: with Textual's
    timer the message line would wait for the beat after the cursor's."""

    async def _on_idle(self, event: Idle) -> None:
        event.prevent_default()
        app = self.app
        changed = self._layout_required or self._scroll_required or self._repaint_required or self._dirty_widgets
        if changed and isinstance(app, PatientApp) and app.typed_lately and self.is_current and not app._batch_count:
            self._on_timer_update()
        else:
            await super()._on_idle(event)

    def _compositor_refresh(self) -> None:
        # Textual forgets which widgets are dirty after a refresh, also one that its timer did not begin: those that
        # became so since would never be painted. From here on the compositor holds their regions.
        self._compositor.update_widgets(self._dirty_widgets)
        self._dirty_widgets.clear()
        app = self.app
        if isinstance(app, PatientApp) and app.stalled:
            app.frame_owed = True
            return
        super()._compositor_refresh()


class PatientModal(PatientScreen[ScreenResultType], ModalScreen[ScreenResultType]):
    """A modal that waits like the screen under it."""

    def on_unmount(self) -> None:
        """Textual keeps two colours for each widget that was ever painted, and with them every line of it."""
        StylesCache.get_inner_outer.cache_clear()


class PatientApp(App[None]):
    """`hung_up` says that the terminal went away, `terminated` that SIGTERM came; both leave the engine alone."""

    hung_up = False
    terminated = False
    frame_owed = False
    ascii_only = False
    """Whether the terminal knows no other characters (`tui/glyphs.py`)."""

    def __init__(self) -> None:
        super().__init__(driver_class=PatientDriver)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if type(renderable) is ChopsUpdate:
            renderable = CellUpdate(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)
        if renderable is not None and isinstance(self._driver, PatientDriver):
            self._driver.frame_sent()

    def to_terminal(self, sequence: str) -> None:
        """Send a control sequence between two frames."""
        if isinstance(self._driver, PatientDriver):
            self._driver.write(sequence)

    @property
    def typed_lately(self) -> bool:
        """Whether something was typed so short a time ago that what it does is being painted."""
        driver = self._driver
        return isinstance(driver, PatientDriver) and time.monotonic() - driver.typed_s < TYPED_S

    @property
    def stalled(self) -> bool:
        """Whether the terminal still has to take the last frame."""
        return isinstance(self._driver, PatientDriver) and self._driver.stalled

    def get_default_screen(self) -> Screen[None]:
        return PatientScreen(id="_default")

    async def run_async(self, **options: Any) -> None:
        with self._signals():
            await super().run_async(**options)

    def on_load(self) -> None:
        self.set_interval(LOOK_FOR_HANGUP_S, self._look_for_hangup)

    def _look_for_hangup(self) -> None:
        if isinstance(self._driver, PatientDriver):
            self._driver.check_hung_up()

    def terminal_drained(self, stalled_s: float) -> None:
        """The terminal has caught up: paint what changed meanwhile."""
        if not self.frame_owed or not self._running:
            return
        self.frame_owed = False
        if stalled_s >= LONG_STALL_S:
            self.screen.refresh()
        elif isinstance(self.screen, PatientScreen):
            self.screen._compositor_refresh()

    def terminal_gone(self) -> None:
        """The other end is gone; leave at once."""
        self.hung_up = True
        self.exit()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGHUP and SIGTERM end the app instead of the process.

        Not `loop.add_signal_handler`: closing the loop would put the deadly default back, and a shell sends its
        SIGHUP a moment after the terminal is gone. After a hang-up the signal stays ignored for good.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def leave(number: int, _frame: FrameType | None) -> None:
            loop = self._loop
            if loop is None or loop.is_closed():
                return
            loop.call_soon_threadsafe(self.terminal_gone if number == signal.SIGHUP else self._terminate)

        before = {number: signal.signal(number, leave) for number in (signal.SIGHUP, signal.SIGTERM)}
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before[signal.SIGTERM])
            signal.signal(signal.SIGHUP, signal.SIG_IGN if self.hung_up else before[signal.SIGHUP])

    def _terminate(self) -> None:
        self.terminated = True
        self.exit()
