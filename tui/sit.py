"""Sitting down at a desk: check the terminal, run the screen, let go of the terminal. Called by `tui/launch.py` and
`tui/attach.py`."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from engine.seat import Seat
from tui.app import CopydeskApp
from tui.history import History, history_file
from tui.laptop import Notify
from tui.terminal import check_terminal, hung_up, this_terminal
from tui.theme import DEFAULT
from tui.user_keys import keymap_from


class NoTerminal(Exception):
    """The screen can't be shown here; the text says why and what to do."""


def sit(
    seat: Seat,
    *,
    theme: str = DEFAULT,
    mouse: bool = True,
    glyphs: Literal["auto", "utf8", "ascii"] = "auto",
    notify: Notify = "osc9",
    after_first_paint: Callable[[], None] | None = None,
    attached: bool = False,
    layout: str = "",
    keys_file: Path | None = None,
    state_dir: Path | None = None,
) -> CopydeskApp:
    """Show the desk in a layout (without one, as it was shown last), with the trader's own keys of `keys_file` and the
    commands that he typed before, kept in `state_dir`, until the trader leaves, SIGTERM comes or the
    terminal hangs up; the returned app says which (`hung_up`, `terminated`). Main thread only. Raises NoTerminal.
    After a hang-up standard streams that were that terminal lead to ``/dev/null``, so that nothing later
    fails by writing to a terminal that is gone."""
    if refusal := check_terminal():
        raise NoTerminal(refusal)
    here = this_terminal()
    app = CopydeskApp(
        seat,
        theme_name=theme,
        after_first_paint=after_first_paint,
        attached=attached,
        layout=layout,
        here=here,
        ascii_only=glyphs == "ascii" or (glyphs == "auto" and not here.utf8),
        notify="bell" if here.term == "linux" else notify,  # a console has nowhere to show it
        keymap=keymap_from(keys_file),
        history=History(history_file(state_dir) if state_dir is not None else None),
    )
    app.run(mouse=mouse)
    if app.hung_up:
        _let_go_of_terminal()
    return app


def _let_go_of_terminal() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
        if stream is not None and hung_up(stream.fileno()):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
