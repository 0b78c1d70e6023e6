"""What is typed at once after `/` is looked for, whatever keys its letters are elsewhere."""

from tests.tui.pty_terminal import PtyDesk


def shown(desk: PtyDesk, text: str) -> None:
    desk.until(lambda: any(text in line for line in desk.screen.lines), 5, text)


def test_letters_that_come_with_the_slash_are_what_is_looked_for() -> None:
    with PtyDesk("--events", "200") as desk:
        desk.ready()
        desk.press(":report\r")
        shown(desk, "REPORT 2026")
        desk.press("/FIRM/\r")
        shown(desk, "/FIRM/  not on this page")
        desk.press("\x1b")
        shown(desk, "/  find")
        desk.press("/GROUP\r")
        shown(desk, "/GROUP  1 of 3")
        desk.press("q")
        shown(desk, "/  find")
        desk.press("q")
        desk.until(lambda: not any("REPORT 2026" in line for line in desk.screen.lines), 5, "the panes")
        desk.press("5/4810.25\r")
        shown(desk, " O 4,8")  # the bar under the crosshair
