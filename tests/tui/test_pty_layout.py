"""A layout made at a real terminal is there at the next seat, exactly; an unknown one gets a sentence."""

from pathlib import Path

import pytest

from tests.tui.practice_terminal import PracticeTerminal
from tests.tui.test_attach import Seat

pytestmark = pytest.mark.timeout(90)


def titles(seat: Seat) -> dict[str, tuple[int, int]]:
    """Where the title of each pane is."""
    found: dict[str, tuple[int, int]] = {}
    for y, line in enumerate(seat.screen.lines):
        for name in ("ACCOUNTS ·", "COPIES ·", "POSITIONS ·", "ORDERS ·", "ALERTS ·", "WATCH ·", "CANDLES ·"):
            if (x := line.find(name)) >= 0:
                found[name] = (x, y)
    return found


def test_what_a_seat_saved_comes_back_in_another_process_and_an_unknown_layout_is_named(state_dir: Path) -> None:
    with PracticeTerminal(state_dir):
        with Seat(state_dir, "--demo", "--layout", "80x24") as maker:
            maker.shows("20 of 20 followers armed")
            maker.press("\x17v\x17>>>\x1b")
            maker.until(lambda: "POSITIONS ·" in titles(maker), 10, "a pane beside accounts")
            maker.press(":layout mine save\r")
            maker.shows("Layout mine is saved.")
            maker.read_for(0.3)
            made = titles(maker)
            maker.press(":quit\r")
            assert maker.ends() == 0
        with Seat(state_dir, "--demo") as again:
            again.shows("20 of 20 followers armed")
            again.until(lambda: titles(again) == made, 10, f"{made}")
        with Seat(state_dir, "--demo", "--viewer", "--layout", "trde") as other:
            other.shows("layout: there is no 'trde'; did you mean trade?")
            other.until(lambda: titles(other) == made, 10, f"{made}")
