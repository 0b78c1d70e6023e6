"""Opening the desk with its screen, and what happens when either of them ends first. Called by `tui/cli.py`."""

import os
import signal
import threading

import click

from engine.collector import settle
from engine.seat_socket import DoorRefused
from engine.thread import EngineThread, ThreadSeat
from schema.lock import StateDirBusy, StateDirLock
from schema.logs import open_log
from schema.postgres import PostgresError
from schema.settings import Settings
from schema.store import StoreRefused
from schema.vault import VaultError


def open_desk(settings: Settings, *, screen: bool = True, layout: str = "") -> int:
    """Open the desk on the user's own configuration, without a screen if so wanted; returns the exit code."""
    try:
        with StateDirLock(settings.state_dir):
            open_log(settings)
            engine = EngineThread(settings)
            seat = engine.start()
            try:
                return sit_down(engine, seat, settings, layout) if screen else run_alone(engine, settings)
            finally:
                engine.stop()
    except (StateDirBusy, PostgresError, StoreRefused, VaultError, DoorRefused) as refused:
        click.echo(str(refused), err=True)
        return 1


def run_alone(engine: EngineThread, settings: Settings) -> int:
    """`copydesk engine`: no screen, until SIGTERM or SIGINT; seats sit down at its door."""
    settle()
    click.echo(f"{settings.desk} runs, pid {os.getpid()}; `copydesk attach` sits down at it.", err=True)
    _go_on_alone(engine)
    return 0


def sit_down(engine: EngineThread, seat: ThreadSeat, settings: Settings, layout: str = "") -> int:
    """Run the screen until the trader quits. When the terminal goes away instead, the desk goes on copying without a
    seat until it is told to stop (SIGTERM or SIGINT); `copydesk attach` sits down at it."""
    from tui.sit import NoTerminal, sit

    try:
        app = sit(
            seat,
            theme=settings.theme,
            mouse=settings.mouse,
            glyphs=settings.glyphs,
            notify=settings.notify,
            after_first_paint=settle,
            layout=layout,
            keys_file=settings.keys_file,
            state_dir=settings.state_dir,
        )
    except NoTerminal as refusal:
        click.echo(str(refusal), err=True)
        return 1
    if app.hung_up:
        _go_on_alone(engine)
    return 0


def _go_on_alone(engine: EngineThread) -> None:
    """Without a terminal the engine's thread does the work; this one only waits to be told to stop."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while engine.alive and not told.wait(1.0):
        pass
