"""What the screen tests share: an app over a scripted seat, its screen as text, and waiting for what must come true."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from rich.segment import Segment
from textual.pilot import Pilot

from tests.tui.scripted_seat import ScriptedSeat
from tui.app import CopydeskApp
from tui.commandline import Prompt
from tui.dialogs import Confirm

DEADLINE_TURNS = 200


class Driver:
    """One app under test."""

    def __init__(self, app: CopydeskApp, seat: ScriptedSeat, pilot: Pilot[Any]) -> None:
        self.app = app
        self.seat = seat
        self.pilot = pilot

    @property
    def segments(self) -> list[list[Segment]]:
        return [list(strip) for strip in self.app.screen._compositor.render_strips()]

    @property
    def lines(self) -> list[str]:
        return ["".join(segment.text for segment in line) for line in self.segments]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def line_of(self, text: str) -> str:
        return next((line for line in self.lines if text in line), "")

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Let the app run until `holds`; fails with the screen when it never does."""
        for _ in range(DEADLINE_TURNS):
            if holds():
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"never came: {what}\n{self.text}")

    async def shows(self, text: str) -> None:
        await self.until(lambda: text in self.text, repr(text))

    async def type(self, text: str) -> None:
        names = {" ": "space", ":": "colon", "/": "slash", ".": "full_stop", "-": "minus", "_": "underscore"}
        await self.pilot.press(*(names.get(character, character) for character in text))

    def enter(self, line: str) -> None:
        """As `command`, without the typing."""
        self.app.on_prompt_entered(Prompt.Entered(line))

    async def command(self, line: str) -> None:
        await self.type(":")
        await self.until(lambda: self.app.prompt.is_open, "the command line")
        await self.type(line)
        await self.pilot.press("enter")

    async def confirmed(self) -> None:
        """Press the second key on the page that asks."""
        await self.until(lambda: isinstance(self.app.screen, Confirm), "the page that asks")
        await self.pilot.press("y")


@asynccontextmanager
async def desk(
    width: int = 200,
    height: int = 50,
    *,
    signals: int = 3,
    theme: str = "desk",
    seat: ScriptedSeat | None = None,
    layout: str = "",
) -> AsyncIterator[Driver]:
    """The app at a size, over a seat whose leader has traded `signals` times."""
    if seat is None:
        seat = ScriptedSeat(publish_every=100)
        seat.advance(400 * signals)
    app = CopydeskApp(seat, theme_name=theme, layout=layout)
    async with app.run_test(size=(width, height)) as pilot:
        driver = Driver(app, seat, pilot)
        if "accounts" in app.board.on_screen:
            await driver.shows("DEMO1001" if seat.accounts else "ACCOUNTS")
        yield driver
