"""What a terminal shows and what reaches the machine it stands on, as far as pure functions decide it."""

import io
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style

from engine.seat import AlertRow
from tests.tui.test_looks import contrast
from tui import theme
from tui.glyphs import ascii_only
from tui.here import ALL, MANY, SIXTEEN, TMUX_LINES, look, told
from tui.laptop import CLIPBOARD_BYTES, EVERY_S, Laptop, clipboard, notification

DESK_NS = 1_700_000_000_000_000_000


# --- what terminal it is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
        {"TERM": "xterm-256color"},
        {"TERM": "tmux-256color", "COLORTERM": "24bit"},
        {"TERM": "xterm-kitty"},
        {"TERM": "screen"},
        {"TERM": "xterm"},
        {"TERM": "linux"},
        {"TERM": "xterm-16color"},
    ],
    ids=lambda environment: "-".join(environment.values()),
)
def test_colours_are_counted_as_what_draws_them_does(environment: dict[str, str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, _environ=environment)
    counted = {"standard": SIXTEEN, "256": MANY, "truecolor": ALL}[console.color_system or ""]
    assert look(environment, "utf-8").colours == counted


def test_each_lack_of_a_terminal_is_told_with_its_remedy() -> None:
    text = "\n".join(told(look({"TERM": "screen", "TMUX": "/tmp/x,1,0", "SSH_TTY": "/dev/pts/1"}, "ascii")))
    assert "16 colours" in text and "COLORTERM" in text and "LC_ALL=C.UTF-8" in text
    assert all(f"  {line}" in text.splitlines() for line in TMUX_LINES)
    assert "copydesk attach" in "\n".join(told(look({"TERM": "xterm", "SSH_TTY": "/dev/pts/1"}, "utf-8")))
    best = told(look({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "UTF-8"))
    assert best == ["terminal xterm-256color, 24-bit colour"]
    assert "NO_COLOR" in told(look({"TERM": "xterm", "NO_COLOR": "1"}, "utf-8"))[0]
    assert look({"TERM": "xterm", "NO_COLOR": ""}, "utf-8").colours == SIXTEEN, "set, but to nothing: no wish"


def test_a_terminal_that_cannot_place_text_is_refused_with_the_remedy() -> None:
    for term in ("", "dumb", "unknown"):
        assert "TERM=xterm-256color" in (look({"TERM": term}, "utf-8").refusal or "")
    assert look({"TERM": "vt100"}, "ascii").refusal is None


# --- ASCII ----------------------------------------------------------------------------------------------------------


@given(st.text())
def test_every_glyph_becomes_ascii_in_its_own_cells(text: str) -> None:
    plain = ascii_only(text)
    assert plain.isascii()
    assert cell_len(plain) == cell_len(text)


def test_glyphs_that_say_something_say_it_in_ascii_too() -> None:
    assert ascii_only("▲ +1.00 ▼ -1.00 ♛ ● ○ … │┃ ╭─╮ naïve") == "^ +1.00 v -1.00 L * o . |# +-+ naive"
    steps = [ascii_only(glyph) for glyph in " ▁▂▃▄▅▆▇█"]
    assert len(set(steps)) >= 6 and steps[0] == " " and steps[-1] == "#"
    assert len({ascii_only(glyph) for glyph in "▲▼"}) == len({ascii_only(glyph) for glyph in "●○"}) == 2
    assert ascii_only("\x1b[31m│\x1b[0m") == "\x1b[31m|\x1b[0m"


# --- 16 colours -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(theme.themes()))
def test_in_16_colours_text_reads_and_a_gain_a_loss_and_a_warning_are_three_colours(name: str) -> None:
    file = theme.for_sixteen(theme.themes()[name])

    def shown(colour: str) -> int:
        number = Color.parse(colour).downgrade(theme.STANDARD).number
        assert number is not None
        return number

    up, down, plain = (shown(colour) for colour in (file.looks["desk-up"], file.looks["desk-down"], file.foreground))
    assert len({up, down, plain, shown(file.looks["desk-warn"])}) >= 3 and up != down
    grounds = {"plain": file.background, "cursor": file.looks["desk-cursor-back"]}
    grounds["blurred"] = file.looks["desk-cursor-blurred-back"]
    pairs = [(look, ground) for ground in grounds for look in ("up", "down", "good", "warn", "strong", "leader")]
    poor: list[str] = []
    for look_name, ground in pairs:
        pair = (file.looks[f"desk-{look_name}"], grounds[ground])
        rgb = [Color.parse(each).downgrade(theme.STANDARD).get_truecolor() for each in pair]
        if contrast(rgb[0], rgb[1]) < 2.5:
            poor.append(f"{look_name} on {ground}: {contrast(rgb[0], rgb[1]):.1f}")
    assert not poor


# --- alarms ---------------------------------------------------------------------------------------------------------


class Ear:
    """A laptop of a script: what it was sent, and its clock."""

    def __init__(self, *, tmux: bool = False, notify: str = "osc9") -> None:
        self.heard: list[str] = []
        self.now_s = 100.0
        self.laptop = Laptop(self.heard.append, tmux=tmux, notify=notify, monotonic_s=lambda: self.now_s)  # type: ignore[arg-type]
        self.alerts: list[AlertRow] = []
        self.look()

    def alert(self, level: str, text: str, *, at_s: float = 1.0) -> None:
        self.alerts.insert(0, AlertRow(at_ns=DESK_NS + int(at_s * 1e9), level=level, text=text))

    def look(self, away: str = "") -> None:
        self.laptop.follow("desk", DESK_NS, self.alerts, away)


def test_an_alarm_rings_at_once_and_a_warning_does_not() -> None:
    ear = Ear()
    ear.alert("warn", "slow")
    ear.look()
    assert ear.heard == []
    ear.alert("alarm", "DEMO1003 is NOT flat")
    ear.look()
    assert ear.heard == ["\a\x1b]9;copydesk desk: DEMO1003 is NOT flat\a"]
    ear.look()
    assert len(ear.heard) == 1


def test_a_storm_of_alarms_rings_once_and_then_once_for_all_that_came_within_five_seconds() -> None:
    ear = Ear()
    for number in range(40):
        ear.alert("alarm", f"alarm {number}")
        ear.look()
        ear.now_s += EVERY_S / 100
    assert len(ear.heard) == 1
    ear.now_s += EVERY_S
    ear.look()
    assert ear.heard[1:] == ["\a\x1b]9;copydesk desk: 39 alarms, the newest: alarm 39\a"]


def test_what_was_told_before_one_sat_down_rings_nobody_also_when_it_comes_late() -> None:
    ear = Ear()
    for number in range(200):
        ear.alert("alarm", f"old {number}", at_s=-1.0)
    ear.look()
    assert ear.heard == []


def test_a_desk_that_is_gone_rings_once() -> None:
    ear = Ear()
    for _ in range(3):
        ear.look(away="the desk has ended")
        ear.now_s += 2 * EVERY_S
    assert ear.heard == ["\a\x1b]9;copydesk desk: the desk has ended\a"]


@given(st.text())
def test_no_text_of_a_venue_ends_a_notification_or_begins_another(text: str) -> None:
    for notify in ("osc9", "osc777"):
        sent = notification(f"copydesk desk: {text}", notify, tmux=False)
        head = {"osc9": "\a\x1b]9;", "osc777": "\a\x1b]777;notify;copydesk;"}[notify]
        assert sent.startswith(head) and sent.endswith("\a")
        told_text = sent.removeprefix(head)[:-1]
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in told_text)
        assert notify == "osc9" or ";" not in told_text


def test_in_tmux_a_notification_is_wrapped_and_the_bell_is_not() -> None:
    assert notification("copydesk", "osc9", tmux=True) == "\a\x1bPtmux;\x1b\x1b]9;copydesk\a\x1b\\"
    assert notification("copydesk", "bell", tmux=True) == "\a"


# --- the clipboard --------------------------------------------------------------------------------------------------


@given(st.lists(st.text(alphabet="aé中😀", max_size=3000), min_size=1, max_size=60))
def test_a_copy_is_whole_lines_within_the_cap(lines: list[str]) -> None:
    copied = clipboard(lines, tmux=False)
    payload = copied.sequence.removeprefix("\x1b]52;c;").removesuffix("\a")
    assert len(payload) <= CLIPBOARD_BYTES
    assert b64decode(payload).decode() == "\n".join(lines[: copied.lines])
    if copied.lines < len(lines):
        more = "\n".join(lines[: copied.lines + 1]).encode()
        assert len(more) > CLIPBOARD_BYTES // 4 * 3


def test_the_message_says_how_much_was_copied_of_what() -> None:
    ear = Ear(tmux=True)
    assert ear.laptop.copy(["a\tb"], "the row") == "Sent the row to your terminal's clipboard through tmux: 3 bytes."
    lines = ["x" * 999] * 100
    said = Ear().laptop.copy(lines, "ORDERS, 100 orders")
    assert said.startswith("Sent the first 56 of 100 lines of ORDERS, 100 orders to your terminal's clipboard: 55,999")
    assert "export" in Ear().laptop.copy(["x" * 80_000], "the row")


def test_a_style_without_colour_keeps_what_colour_said() -> None:
    from tui.colourless import Colourless

    file = theme.themes()["desk"]
    plain = Colourless(theme.themes().values())._without(Style(color="#5fd787", bgcolor=file.looks["desk-cursor-back"]))
    assert (plain.color, plain.bgcolor, plain.reverse) == (None, None, True)
