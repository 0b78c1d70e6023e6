"""What is sent to a terminal of each kind, read from the outside: colours, characters, the mouse, and how fast a slow
one is spared."""

import os
import re
import time

import pytest

from tests.tui.pty_terminal import ANSWER, ASK, PtyDesk

pytestmark = pytest.mark.timeout(60)
_MOUSE = re.compile(rb"\x1b\[\?100[0-3]h")
_COLOURS = re.compile(rb"\x1b\[((?:\d+;)*)([34]8;[25];|[349][0-7]|10[0-7])[\d;]*m")


def first_second(*options: str, **environment: str) -> bytes:
    """All that the desk sends in its first second on screen."""
    with PtyDesk("--events", "200", *options, **environment) as desk:
        desk.chunks = []
        desk.ready()
        desk.read_for(1.0)
        return b"".join(desk.chunks)


@pytest.mark.parametrize(
    ("environment", "some", "none"),
    [
        ({"COLORTERM": "truecolor"}, b"38;2;", (b"38;5;",)),
        ({"COLORTERM": ""}, b"38;5;", (b"38;2;",)),
        ({"COLORTERM": "", "TERM": "xterm"}, b"[92;40m", (b"38;5;", b"38;2;")),
    ],
    ids=["24 bit", "256", "16"],
)
def test_a_terminal_gets_the_colours_it_has(environment: dict[str, str], some: bytes, none: tuple[bytes, ...]) -> None:
    sent = first_second(**environment)
    assert _COLOURS.search(sent)
    assert _MOUSE.search(sent)
    assert some in sent
    assert not [each for each in none if each in sent]


@pytest.mark.parametrize(
    ("options", "environment"),
    [((), {"PYTHONIOENCODING": "ascii"}), (("--glyphs", "ascii"), {})],
    ids=["by the locale", "by the setting"],
)
def test_without_utf8_the_whole_desk_is_drawn_in_ascii(options: tuple[str, ...], environment: dict[str, str]) -> None:
    with PtyDesk("--events", "200", *options, **environment) as desk:
        desk.chunks = []
        desk.ready()
        desk.read_for(1.0)
        assert b"".join(desk.chunks).isascii()
        text = "\n".join(desk.screen.lines)
        assert "^ +" in text or "v -" in text
        assert any(" L LEAD1000" in line or line.startswith("L LEAD1000") for line in desk.screen.lines)
        desk.press("?")
        desk.until(lambda: "Everywhere" in "\n".join(desk.screen.lines), 5, "the help page")
        assert "?" * 4 not in "\n".join(desk.screen.lines), "glyphs without a stand-in"


def test_with_no_color_not_one_colour_is_sent_and_without_the_mouse_it_is_not_taken() -> None:
    without = first_second("--no-mouse", NO_COLOR="1")
    assert not _MOUSE.search(without)
    assert b"\x1b[7m" in without or b";7" in without, "neither focus nor cursor is seen"
    assert not _COLOURS.search(without), "a colour was sent, and none is wanted"


def test_a_terminal_that_is_behind_by_what_lies_between_gets_no_frame_until_it_has_shown_the_last() -> None:
    """The bytes are taken at once, as buffers on the way do; the answer that they were shown comes late."""
    with PtyDesk("--events", "2000") as desk:
        desk.answers = True
        desk.ready()
        desk.read_for(1.0)
        before = desk.bytes_read
        desk.read_for(1.0)
        freely = desk.bytes_read - before
        desk.answers = False
        desk.read_for(0.2)
        desk.chunks = []
        desk.read_for(2.0)
        held = b"".join(desk.chunks)
        assert len(held) < freely / 2, f"{len(held)} bytes in 2 s without an answer, {freely} a second with"
        desk.press("jj")
        started = time.monotonic()
        desk.answers = True
        os.write(desk.master, ANSWER * 8)
        desk.until(lambda: desk.screen.lines[48].startswith(" DEMO1002 "), 2, "the key that was pressed meanwhile")
        print(f"{len(held)} bytes in 2 s while held, right {time.monotonic() - started:.3f} s after the answer")
        desk.chunks = []
        desk.read_for(0.5)
        assert b"".join(desk.chunks).count(ASK) >= 4, "frames did not go on"


def test_an_answer_that_is_cut_in_two_presses_no_key() -> None:
    with PtyDesk("--events", "0") as desk:
        desk.answers = True
        desk.ready()
        for first, rest in ((ANSWER[:2], ANSWER[2:]), (ANSWER[:3], ANSWER[3:]), (b"j" + ANSWER[:3], ANSWER[3:])):
            os.write(desk.master, first)
            desk.read_for(0.02)
            os.write(desk.master, rest)
            desk.read_for(0.2)
        desk.until(lambda: desk.screen.lines[48].startswith(" DEMO1001 "), 2, "the one key that was pressed")
        assert "0 of 21" not in desk.screen.lines[2]
