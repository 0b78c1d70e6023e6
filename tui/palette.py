"""The palette: keys and commands by what they do, found while a word of it is typed. Opened by `tui/app.py`, which does
what was chosen as if its key had been pressed or its command typed: whatever asks first there asks here too.
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import ClassVar

from textual.widgets import Input

from tui.finding import FindingPage
from tui.keymap import CONTEXTS, Key, Keymap, called
from tui.panes.lines import Span, SpanLines
from tui.syntax import SYNTAX
from tui.text import clean, fit

SHOWN = 16
_NAME = 22
_PREFIX, _WITHIN, _LETTERS = 3, 2, 1


@dataclass(frozen=True, slots=True)
class Choice:
    """A key, or a command (`key` None) as `line` begins it: with a space at its end when more is to be typed. `why_not`
    says why it can't act now."""

    name: str
    about: str
    shown: str
    key: Key | None = None
    line: str = ""
    why_not: str = ""


def choices(
    keymap: Keymap, here: Iterable[str], panes: Container[str], why_not: Callable[[Key], str | None]
) -> list[Choice]:
    """Everything that can be done from `here` (contexts, the nearest first): keys of `here`, keys of other panes, which
    are gone to first, and commands."""
    nearest = tuple(here)
    contexts = [*nearest, *(each for each in CONTEXTS if each in panes and each not in nearest)]
    found = [
        Choice(
            name=key.description,
            about=key.tooltip if context in nearest else f"{key.tooltip} {CONTEXTS[context]}.",
            shown=key.shown,
            key=key,
            why_not=(why_not(key) or "") if context in nearest else "",
        )
        for context in contexts
        for key in keymap.of(context)
        if key.id != "palette"
    ]
    return found + [
        Choice(
            name=f":{syntax.name}",
            about=f"{syntax.does[:1].upper()}{syntax.does[1:]}.",
            shown=f":{syntax.example}",
            line=f"{syntax.name} " if syntax.arguments else syntax.name,
        )
        for syntax in SYNTAX
    ]


def matching(text: str, among: Iterable[Choice]) -> list[Choice]:
    """Those that every word of `text` is found in, the best first: at the beginning of a word, within one, or letter by
    letter in the name."""
    words = text.casefold().split()
    scored = [(sum(score), at, each) for at, each in enumerate(among) if all(score := [_score(w, each) for w in words])]
    return [each for _, _, each in sorted(scored, key=lambda found: (-found[0], found[1]))]


def _score(word: str, choice: Choice) -> int:
    name, about = choice.name.casefold(), choice.about.casefold()
    for text, counts in ((name, 10), (about, 1)):
        if any(each.lstrip(":").startswith(word) for each in text.split()):
            return _PREFIX * counts
        if word in text:
            return _WITHIN * counts
    letters = iter(name)
    return _LETTERS if all(letter in letters for letter in word) else 0


class Choices(SpanLines):
    """The choices, one a line, the chosen one lit; what can't act now is dim and says why."""

    PREFIX = "matches"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"matches--chosen", "matches--symbol", "matches--dim"}

    def show(self, found: list[Choice], chosen: int) -> None:
        top = max(0, chosen - SHOWN + 1)
        lines = [self._line(each, at == chosen) for at, each in enumerate(found[: top + SHOWN]) if at >= top]
        self.set_lines(lines or [[Span(" Nothing does that; ? has every key and command.", "dim")]])

    def _line(self, choice: Choice, lit: bool) -> list[Span]:
        name = fit(f"{'▌' if lit else ' '}{clean(choice.name)}", _NAME)
        shown = f"  {clean(choice.shown)} "
        about = clean(f"Not now: {choice.why_not}" if choice.why_not else choice.about)
        room = max(0, self.size.width - _NAME - len(shown) - 1)
        if lit:
            return [Span(f"{name} {fit(about, room)}{shown}", "chosen")]
        return [
            Span(name, "dim" if choice.why_not else "symbol"),
            Span(f" {fit(about, room)}", "dim" if choice.why_not else ""),
            Span(shown, "dim"),
        ]


class Palette(FindingPage[Choice | None]):
    """What is found changes with every letter."""

    def __init__(self, every: list[Choice]) -> None:
        self._choices = Choices(id="matches")
        super().__init__("what to do", self._choices)
        self._every = every
        self.found = every
        self._chosen = 0

    def hints(self) -> Iterable[str]:
        does = {"choose": "do it", "choose_next": "next", "choose_none": "close"}
        return (f"{called(key)}  {what}" for key, what in does.items())

    def on_mount(self) -> None:
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.found, self._chosen = matching(event.value, self._every), 0
        self._show()

    def _show(self) -> None:
        self._choices.show(self.found, self._chosen)

    def on_resize(self) -> None:
        self._show()

    def action_step(self, by: int) -> None:
        self._chosen = max(0, min(self._chosen + by, len(self.found) - 1))
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """With what the line holds by now: its change may not have come yet."""
        event.stop()
        found = matching(event.value, self._every)
        if found != self.found:
            self.found, self._chosen = found, 0
        if self.found:
            self.dismiss(self.found[self._chosen])
