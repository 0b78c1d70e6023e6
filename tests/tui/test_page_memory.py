"""A page that is closed leaves nothing behind, so that a screen of many hours stays as small as it was."""

import gc

from textual.strip import Strip

from tests.tui.driving import desk
from tui.textpage import TextPage


async def test_pages_that_were_closed_leave_no_lines_behind() -> None:
    async with desk() as on:

        async def look() -> int:
            for _ in range(3):
                await on.pilot.press("question_mark")
                await on.until(lambda: isinstance(on.app.screen, TextPage), "the help")
                await on.pilot.pause()
                await on.pilot.press("escape")
                await on.until(lambda: len(on.app.screen_stack) == 1, "the desk again")
            gc.collect()
            return sum(isinstance(each, Strip) for each in gc.get_objects())

        first = await look()
        assert await look() - first < 50  # each page has more lines than that
