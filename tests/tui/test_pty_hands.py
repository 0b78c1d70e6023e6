"""Hands at a real terminal: the palette, completion, the history, and the mouse, as the bytes that a terminal sends."""

from collections.abc import Iterator

import pytest

from tests.tui.pty_terminal import PtyDesk


@pytest.fixture
def at() -> Iterator["Hands"]:
    with PtyDesk("--events", "200") as desk:
        desk.ready()
        yield Hands(desk)


class Hands:
    """What is done at one desk, and what is seen."""

    def __init__(self, desk: PtyDesk) -> None:
        self.desk = desk

    def press(self, keys: str) -> None:
        self.desk.press(keys)

    def sees(self, text: str) -> tuple[int, int]:
        """Wait for a text; where it begins (x, y)."""
        self.desk.until(lambda: any(text in line for line in self.desk.screen.lines), 5, text)
        y = next(y for y, line in enumerate(self.desk.screen.lines) if text in line)
        return self.desk.screen.lines[y].index(text), y

    def gone(self, text: str) -> None:
        self.desk.until(lambda: not any(text in line for line in self.desk.screen.lines), 5, f"no {text}")

    def mouse(self, button: int, x: int, y: int, *, up: bool = False) -> None:
        """As a terminal tells it (SGR): 0 is the left button, 32 its drag, 35 a move, 64 and 65 the wheel."""
        self.press(f"\x1b[<{button};{x + 1};{y + 1}{'m' if up else 'M'}")

    def is_told_of_help(self) -> None:
        """Move the mouse over a hint, once the hints are the divider's and stand where they will."""
        self.sees("Enter reset")
        self.desk.finish_frame()
        self.mouse(35, *self.sees("? help"))
        self.sees("Show the keys and commands.")


def test_the_palette_finds_a_key_by_what_it_does_and_presses_it(at: Hands) -> None:
    at.press("\x10zoom")  # at once: no letter is a key of what lies below
    at.sees("Give the pane the whole screen")
    at.press("\r")
    at.gone("CANDLES ·")
    at.sees("ACCOUNTS ·")
    at.press("fnasdaq")
    at.sees("E-mini Nasdaq")
    at.press("\x1b")
    at.gone("E-mini Nasdaq")
    at.sees("ACCOUNTS ·")


def test_tab_completes_and_ctrl_r_takes_an_earlier_command_into_the_line(at: Hands) -> None:
    at.press(":togg\tDEMO10\t\t\r")  # as fast as a terminal sends it
    at.sees("DEMO1002 is off from the next leader event.")
    at.press(":\x12off")  # the same
    at.sees("No command with that was typed.")
    at.press("\x15togg")
    at.sees("1 of 1   :toggle DEMO1002")
    at.press("\r")
    at.sees(":toggle DEMO1002")
    at.press("\r")
    at.sees("DEMO1002 is on from the next leader event.")


def test_the_mouse_focuses_scrolls_resizes_and_is_told_what_a_key_does(at: Hands) -> None:
    x, y = at.sees(" COPIES ·")
    at.mouse(0, x + 2, y + 3)
    at.mouse(0, x + 2, y + 3, up=True)
    at.sees("▌COPIES ·")
    at.sees("↑0 ")
    for _ in range(3):
        at.mouse(65, x + 2, y + 3)
    at.desk.until(lambda: "↑0" not in at.desk.screen.lines[y].split("│")[0], 5, "the ledger scrolled")
    candles, top = at.sees(" CANDLES ·")
    at.mouse(0, candles - 1, top + 2)
    for step in range(1, 11):
        at.mouse(32, candles - 1 - step, top + 2)
    at.mouse(0, candles - 11, top + 2, up=True)
    at.desk.until(lambda: at.sees(" CANDLES ·")[0] == candles - 10, 5, "the divider ten columns to the left")
    at.is_told_of_help()


def test_a_drag_that_comes_at_once_moves_the_divider_and_lets_the_mouse_go(at: Hands) -> None:
    candles, top = at.sees(" CANDLES ·")
    drag = [(0, 1, "M"), *((32, 1 + step, "M") for step in range(1, 11)), (0, 11, "m")]
    at.press("".join(f"\x1b[<{button};{candles - back + 1};{top + 3}{end}" for button, back, end in drag))
    at.desk.until(lambda: at.sees(" CANDLES ·")[0] == candles - 10, 5, "the divider ten columns to the left")
    at.mouse(35, candles - 40, top + 3)  # no button is held
    at.is_told_of_help()
    assert at.sees(" CANDLES ·")[0] == candles - 10
