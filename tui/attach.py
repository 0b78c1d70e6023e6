"""`copydesk engine`, the desk without a terminal, and `copydesk attach`, a seat at a desk that runs."""

import sys
from pathlib import Path

import click

from tui.shell import Refused, refusals, settings_from, settings_with_log


@click.command("engine")
@click.pass_obj
def engine_command(config: Path | None) -> None:
    """The desk without a terminal, until SIGTERM (for systemd); `copydesk attach` sits down at it."""
    from tui.launch import open_desk

    with refusals():
        sys.exit(open_desk(settings_with_log(config), screen=False))


@click.command("attach")
@click.option("--viewer", is_flag=True, help="Look only: nothing at the desk can be changed from this seat.")
@click.option("--demo", is_flag=True, help="At the practice desk.")
@click.option("--layout", default="", help="The layout to show; without it, what was shown last.")
@click.pass_obj
def attach(config: Path | None, viewer: bool, demo: bool, layout: str) -> None:
    """Sit down at the desk that runs. Leaving, or a terminal that hangs up, ends the seat and never the desk."""
    from engine.collector import settle
    from engine.remote import NoDesk, RemoteSeat
    from engine.seat_wire import SeatRole
    from tui.sit import NoTerminal, sit

    settings = settings_from(config)
    state_dir = settings.state_dir / "demo" if demo else settings.state_dir
    seat = RemoteSeat(state_dir, SeatRole.VIEWER if viewer else SeatRole.TRADER)
    try:
        seat.start()
        try:
            sit(
                seat,
                theme=settings.theme,
                mouse=settings.mouse,
                glyphs=settings.glyphs,
                notify=settings.notify,
                after_first_paint=lambda: settle(by_hand=False),
                attached=True,
                layout=layout,
                keys_file=settings.keys_file,
                state_dir=state_dir,
            )
        finally:
            seat.stop()
    except (NoDesk, NoTerminal) as refused:
        raise Refused(str(refused)) from None
