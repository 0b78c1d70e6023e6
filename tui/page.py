"""Pages of labelled lines, and the button that carries them out: the ground of the login pages in `tui/login_form.py`.

Everything goes by keyboard: Enter and the arrows go from line to line and at last to the button. What the desk refuses
is said under the line it is about, and what was typed stays.

Keys that move or choose act before any other (`priority`), so that what is typed ahead, over a slow line or by a tool,
goes where it belongs: a password that came too early for its line would be shown.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.seat import CommandRefused, Seat
from tui.asking import REFUSED, outcome
from tui.keymap import bindings, called
from tui.patient import PatientModal
from tui.text import clean

_NAMED_FIRST = re.compile(r"([\w-]+)(?:: | of connection )")
"""How a refusal names what it is about: ``group: there is no ...``, ``rest_url of connection desk2 is ...``."""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a page. `words` are the names by which a refusal calls it, besides its own. `venues` None: of every
    venue. `choices` makes it one to choose from, `secret` hides what is typed, `value` is what it begins with."""

    name: str
    label: str
    hint: str = ""
    words: tuple[str, ...] = ()
    venues: tuple[str, ...] | None = None
    value: str = ""
    secret: bool = False
    choices: tuple[str, ...] = ()


class Choice(Static, can_focus=True):
    """One of a few words; keys and the mouse change it."""

    BINDINGS: ClassVar[list[Any]] = bindings("choice")

    class Changed(Message):
        """Another word was chosen."""

    def __init__(self, choices: Sequence[str], value: str, *, id: str) -> None:
        super().__init__(f"‹ {clean(value)} ›", markup=False, id=id)
        self.choices = tuple(choices)
        self.value = value

    def action_turn(self, step: int) -> None:
        self.value = self.choices[(self.choices.index(self.value) + step) % len(self.choices)]
        self.update(f"‹ {clean(self.value)} ›")
        self.post_message(self.Changed())

    def on_click(self) -> None:
        self.action_turn(1)


class SecretInput(Input):
    """Hides what is typed, and gives it to no clipboard: a terminal's is not the desk's to keep secrets in."""

    def __init__(self, value: str, *, id: str) -> None:
        super().__init__(value, password=True, id=id, compact=True)

    def action_copy(self) -> None:
        """Nothing: see the class."""

    def action_cut(self) -> None:
        """Nothing: see the class."""


class PickList(OptionList):
    """Names with a box each, which keys and the mouse tick."""

    BINDINGS: ClassVar[list[Any]] = bindings("pick")

    def __init__(self, rows: Sequence[tuple[str, str, bool]], *, id: str) -> None:
        """`rows`: each name, a word about it, and whether it is ticked to begin with."""
        self._rows = [(name, about) for name, about, _ in rows]
        self._ticked = {name for name, _, ticked in rows if ticked}
        super().__init__(*(Option(self._line(at)) for at in range(len(rows))), id=id, compact=True)

    @property
    def picked(self) -> list[str]:
        """The ticked names, in their order."""
        return [name for name, _ in self._rows if name in self._ticked]

    def _line(self, at: int) -> Content:
        name, about = self._rows[at]
        return Content(f"[{'x' if name in self._ticked else ' '}] {clean(name):18} {clean(about)}")

    def _tick(self, ats: Iterable[int], ticked: bool) -> None:
        for at in ats:
            (self._ticked.add if ticked else self._ticked.discard)(self._rows[at][0])
            self.replace_option_prompt_at_index(at, self._line(at))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """By the mouse."""
        event.stop()
        self.action_pick()

    def action_pick(self) -> None:
        if (at := self.highlighted) is not None:
            self._tick([at], self._rows[at][0] not in self._ticked)

    def action_pick_all(self) -> None:
        self._tick(range(len(self._rows)), len(self._ticked) < len(self._rows))

    def step(self, step: int) -> bool:
        """Move the cursor; False where the list ends."""
        at = (self.highlighted or 0) + step
        if not 0 <= at < len(self._rows):
            return False
        self.highlighted = at
        return True


class Page(PatientModal[str | None]):
    """Labelled lines and a button. Dismissed with what was done, in one sentence, or None."""

    GO_ON: ClassVar[str]
    STORES: ClassVar[bool] = False
    """What the button does must not be left half done: Esc waits for it."""
    BINDINGS: ClassVar[list[Any]] = bindings("page")

    def __init__(self, seat: Seat, heading: str, fields: Iterable[Field], note: str = "") -> None:
        """`note` is what the trader must have read before anything here is carried out."""
        super().__init__()
        self._seat = seat
        self._fields = tuple(fields)
        self._heading = heading
        self._busy = False
        self._note = Static(clean(note), markup=False, classes="note")
        self._said = Static("", markup=False, classes="said")
        self._typed: dict[str, Input | Choice] = {each.name: line_of(each) for each in self._fields}

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(clean(self._heading), markup=False, classes="heading")
            yield self._note
            with VerticalScroll(can_focus=False):
                yield from self.lines()
            yield self._said
            yield Button(self.GO_ON, compact=True, id="go")
            yield Static(_keys(), markup=False, classes="keys")

    def lines(self) -> ComposeResult:
        for each in self._fields:
            yield labelled(each.label, self._typed[each.name], each.hint)

    def on_mount(self) -> None:
        self.note(str(self._note.content))

    def note(self, text: str) -> None:
        self._note.update(clean(text))
        self._note.display = bool(text)

    def text(self, name: str) -> str:
        """What a line holds."""
        return self._typed[name].value.strip()

    # --- from line to line ------------------------------------------------------------------------------------------

    def action_line(self, step: int) -> None:
        if step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    def action_step(self, step: int) -> None:
        if self.focused is None:  # a page that only tells
            self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)
        elif not (isinstance(self.focused, PickList) and self.focused.step(step)):
            self.action_line(step)

    def action_enter(self) -> None:
        if isinstance(self.focused, Button):
            self.focused.press()
        else:
            self.focus_next()

    def action_go(self) -> None:
        """Press the button from wherever the focus is."""
        button = self.query_one("#go", Button)
        if button.display:
            self.set_focus(button)
            button.press()

    def action_leave(self) -> None:
        if not (self._busy and self.STORES):
            self.dismiss(None)

    # --- what is said -----------------------------------------------------------------------------------------------

    def say(self, text: str, look: str = "") -> None:
        """Above the button, or, when it is refused for what one line holds, under that line, which gets the focus."""
        for error in self.query(".error"):
            error.display = False
        self._said.set_class(look == REFUSED, "-refused")
        line = self.line_about(text) if look == REFUSED else None
        if line is None:
            self._said.update(clean(text))
            return
        self._said.update("")
        error = self.query_one(f"#error-{line}", Static)
        error.update(clean(text))
        error.display = True
        self.query_one(f"#{line}").focus()

    def line_about(self, text: str) -> str | None:
        """The line that a refusal names first, if it is on the page."""
        named = _NAMED_FIRST.match(text)
        for each in self._fields:
            if named and named[1] in (each.name, *each.words) and self._shows(each.name):
                return each.name
        return None

    def _shows(self, name: str) -> bool:
        return any(line.display for line in self.query(f"#line-{name}"))

    # --- carrying it out --------------------------------------------------------------------------------------------

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if not self._busy:
            self._busy = True
            self.run_worker(self._tried(), exclusive=True, group="page")

    async def go_on(self) -> str:
        """What the button does. Returns what was done, which is the page's end, or an empty text to stay. Raises
        CommandRefused, which the page says."""
        raise NotImplementedError

    async def _tried(self) -> None:
        try:
            for line in self._typed.values():
                await _caught_up(line)
            said, look = await outcome(self.go_on())
        finally:
            self._busy = False
        if look:
            self.say(said, look)
        elif said:
            self.dismiss(said)


def _keys() -> str:
    """What keys do on any page, in one line."""
    go_on, back = f"{called('page_enter')} {called('page_next')} go on", f"{called('page_before')} goes back"
    choose = f"{called('turn_back')} {called('turn_on')} choose"
    return f"{go_on}, {back}, {choose}, {called('page_go')} presses the button, {called('page_leave')} leaves."


async def _caught_up(widget: Widget) -> None:
    """Return once a widget has taken the keys that were typed before."""
    done = asyncio.Event()
    if widget.call_later(done.set):
        await done.wait()


def line_of(field: Field) -> Input | Choice:
    """Where a field is typed or chosen."""
    if field.choices:
        return Choice(field.choices, field.value, id=field.name)
    if field.secret:
        return SecretInput(field.value, id=field.name)
    return Input(field.value, id=field.name, compact=True, select_on_focus=False)


def labelled(label: str, widget: Widget, hint: str = "") -> Vertical:
    """One line: what it is, where it is typed, and a word about it; and a place for what is wrong with it."""
    error = Static("", markup=False, classes="error", id=f"error-{widget.id}")
    error.display = False
    name = Static(label, markup=False, classes="label")
    line = Horizontal(name, widget, *([Static(clean(hint), markup=False, classes="hint")] if hint else []))
    return Vertical(line, error, classes="line", id=f"line-{widget.id}")


def whole_number(field: str, text: str) -> int | None:
    """A number of lots or requests that was typed, or nothing. Raises CommandRefused."""
    if text and not (text.isascii() and text.isdecimal() and int(text) > 0):
        raise CommandRefused(f"{field}: {text!r} is not a whole number; write 1 or more, or nothing.")
    return int(text) if text else None
