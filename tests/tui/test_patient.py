"""A frame that was owed to a slow terminal leaves nothing out, whenever the terminal has caught up."""

import asyncio
import gc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from tests.tui.driving import desk
from tui.patient import PatientApp, part


class OneLine(PatientApp):
    def __init__(self) -> None:
        super().__init__()
        self.line = Static("before")
        self.shown = ""

    def compose(self) -> ComposeResult:
        yield self.line

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if renderable is not None:
            self.shown += "".join(segment.text for segment in self.console.render(renderable))
        super()._display(screen, renderable)


async def test_what_changed_just_before_the_terminal_caught_up_is_painted() -> None:
    app = OneLine()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.line.update("after", layout=False)
        while app.line not in app.screen._dirty_widgets:  # noqa: ASYNC110 - Textual has no event for it
            await asyncio.sleep(0)
        app.frame_owed = True
        app.terminal_drained(0.1)
        await pilot.pause(0.2)
        assert "after" in app.shown


def strips() -> int:
    return sum(isinstance(each, Strip) for each in gc.get_objects())


async def test_painting_leaves_nothing_to_the_collector() -> None:
    """A desk collects by hand and seldom, an attached seat hardly ever: cycles would be its memory's growth."""
    async with desk() as driver:
        await driver.pilot.pause(0.2)
        gc.collect()
        gc.disable()
        try:
            for _ in range(10):
                driver.seat.advance(400)
                await driver.pilot.pause(0.1)
            found = strips()
            gc.collect()
            kept = strips()
        finally:
            gc.enable()
        assert kept > 200, "nothing was painted: the test shows nothing"
        assert found - kept < 20


@given(
    st.lists(st.text(alphabet="aZ 9│▲●♛…é中😀é", min_size=1, max_size=9), min_size=1, max_size=6),
    st.integers(0, 30),
    st.integers(1, 30),
)
def test_a_part_of_a_line_is_sent_as_the_line_cut_there(texts: list[str], start: int, length: int) -> None:
    console = Console(force_terminal=True, color_system="truecolor")
    looks = (Style(color="#ff0000"), Style(bold=True), Style())
    strip = Strip([Segment(text, looks[at % 3]) for at, text in enumerate(texts)])
    start = min(start, strip.cell_length - 1)
    stop = min(start + length, strip.cell_length)
    assert part(strip, start, stop, console) == strip.crop(start, stop).render(console)
