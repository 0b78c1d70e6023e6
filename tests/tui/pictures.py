"""Pictures of every pane at three sizes in three themes, drawn over a script that is the same each time.

``python -m tests.tui.pictures`` draws them anew into `tests/tui/svg/`, as gzipped SVG, which browsers and git's
`diff` show after `gunzip`; `test_pictures.py` compares what the panes draw now.
"""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.segment import Segment, Segments

from tests.tui.driving import Driver, desk
from tests.tui.health_rows import connection, postgres, process
from tests.tui.scripted_seat import ScriptedSeat
from tests.tui.test_desk_panes import adrift, timed, zoomed
from tui.panes.registry import PANES
from tui.theme import themes

SIZES = ((80, 24), (120, 40), (200, 50))
KEPT = Path(__file__).parent / "svg"


def script() -> ScriptedSeat:
    """A desk some trades into its day, with something to say in every pane."""
    seat = adrift()
    seat.times = timed().times
    seat.health = (
        process(),
        postgres(),
        connection(),
        connection(connection="login2", state="down", reason="nothing from the venue for 10 s", breaker="open"),
    )
    seat.alert("info", "DEMO1001: armed by the trader")
    seat.alert("warn", "login2: nothing from the venue for 10 s")
    seat.alert("alarm", "DEMO1004: off its target by +1 for 3 s")
    seat.advance(1200)
    seat.publish()
    return seat


async def drawn(theme: str, width: int, height: int) -> AsyncIterator[tuple[str, str]]:
    """Each pane's name and its picture, with the screen to itself."""
    async with desk(width, height, theme=theme, seat=script()) as on:
        on.enter("watch ESH4 NQH4")
        await on.until(lambda: bool(on.app.lists.view.rows), "a watchlist")
        for name, kind in PANES.items():
            await zoomed(on, name)
            on.app._paint(kind, on.app._panes[name])
            await on.pilot.pause()
            yield name, _picture(on, name)


def _picture(on: Driver, name: str) -> str:
    region = on.app._panes[name].region
    paper = Console(width=region.width, file=io.StringIO(), force_terminal=True, color_system="truecolor", record=True)
    for strip in on.app.screen._compositor.render_strips()[region.y : region.bottom]:
        paper.print(Segments(strip.crop(region.x, region.right)), Segment.line(), end="")
    return paper.export_svg(title=name, unique_id="pane")


def file_of(theme: str, width: int, height: int, pane: str) -> Path:
    return KEPT / f"{theme}-{width}x{height}-{pane}.svgz"


async def _draw_all() -> None:
    KEPT.mkdir(exist_ok=True)
    for theme in themes():
        for width, height in SIZES:
            async for pane, picture in drawn(theme, width, height):
                file_of(theme, width, height, pane).write_bytes(gzip.compress(picture.encode(), mtime=0))


if __name__ == "__main__":
    asyncio.run(_draw_all())
