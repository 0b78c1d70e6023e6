"""``python -m tests.tui.picture [FILE] [--layout NAME]``: draw a picture of the README from the practice desk.

Runs `copydesk demo`'s desk against its sandbox for a while behind a screen of 200x50 that no terminal shows, and
writes what the screen holds then as an SVG. `--tape FILE` replays a recorded market.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

from engine.collector import settle
from engine.thread import EngineThread, ThreadSeat
from schema.settings import load_settings
from tui.app import CopydeskApp
from tui.demo import Demo, Sandbox

SIZE = (200, 50)
CURSOR_ON = 6
"""The row of the accounts pane that the cursor is on, so that the message line has something to say."""


async def draw(seat: ThreadSeat, file: Path, seconds: float, layout: str) -> None:
    app = CopydeskApp(seat, after_first_paint=settle, layout=layout)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(seconds)
        await pilot.press(*["down"] * CURSOR_ON)
        await pilot.pause(0.5)
        app.export_svg(str(file))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", nargs="?", type=Path, default=Path("docs/desk.svg"))
    arguments.add_argument("--layout", default="")
    arguments.add_argument("--tape", type=Path)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--speed", type=float, default=1.0)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="copydesk-picture-") as folder:
        Path(folder).chmod(0o711)  # as root the database runs under another account
        demo = Demo(load_settings(state_dir=Path(folder)), tape=options.tape, speed=options.speed, seed=7)

        def work(_sandbox: Sandbox, _engine: EngineThread, seat: ThreadSeat) -> int:
            options.file.parent.mkdir(parents=True, exist_ok=True)
            asyncio.run(draw(seat, options.file, options.seconds, options.layout))
            return 0

        demo.session(work)


if __name__ == "__main__":
    main()
