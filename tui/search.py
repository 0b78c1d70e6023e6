"""The page on which a symbol is found while it is typed. Opened by `tui/app.py`; the answers come from the seat."""

from collections.abc import Awaitable, Callable, Iterable
from typing import ClassVar

from textual.widgets import Input

from engine.symbol_search import How, Match
from schema.listed import Listed
from tui.finding import FindingPage
from tui.keymap import called
from tui.panes.lines import Span, SpanLines
from tui.text import clean, fit

SHOWN = 16
_HOW = {How.EXACT: "", How.PREFIX: "", How.WORD: "by name", How.TYPO: "one letter off", How.LETTERS: "its letters"}


class Matches(SpanLines):
    """The answers, one a line, the chosen one lit; repainted when they differ."""

    PREFIX = "matches"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"matches--chosen", "matches--symbol", "matches--dim"}

    def show(self, matches: tuple[Match, ...], chosen: int, nothing: str) -> None:
        top = max(0, chosen - SHOWN + 1)
        lines = [self._line(match, at == chosen) for at, match in enumerate(matches[: top + SHOWN]) if at >= top]
        self.set_lines(lines or [[Span(f" {nothing}", "dim")]])

    def _line(self, match: Match, lit: bool) -> list[Span]:
        each, width = match.listed, self.size.width
        name = fit(f"{'▌' if lit else ' '}{clean(each.symbol)}", 24)
        told = f" {clean(each.description)}"
        place = f"  {clean(' '.join(part for part in (each.exchange, each.source, _HOW[match.how]) if part))} "
        room = max(0, width - len(name) - len(place))
        if lit:
            return [Span(name + fit(told, room) + place, "chosen")]
        return [Span(name, "symbol"), Span(fit(told, room)), Span(place, "dim")]


class SymbolSearch(FindingPage[Listed | None]):
    """Answers change with every letter."""

    def __init__(self, find: Callable[[str], Awaitable[tuple[Match, ...]]], list_name: str) -> None:
        self._answers = Matches(id="matches")
        super().__init__("symbol or name", self._answers)
        self._find = find
        self._list_name = list_name
        self._matches: tuple[Match, ...] = ()
        self._chosen = 0

    def hints(self) -> Iterable[str]:
        yield f"{called('choose')}  put it on {clean(self._list_name)}"
        yield f"{called('choose_previous')} {called('choose_next')}  choose"
        yield f"{called('choose_none')}  close"

    @property
    def matches(self) -> tuple[Match, ...]:
        return self._matches

    async def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._matches, self._chosen = await self._find(event.value), 0
        self._show()

    def _show(self) -> None:
        nothing = "Nothing is called that." if self._input.value.strip() else "Type a symbol, a name or part of one."
        self._answers.show(self._matches, self._chosen, nothing)

    def on_resize(self) -> None:
        self._show()

    def action_step(self, by: int) -> None:
        if self._matches:
            self._chosen = max(0, min(self._chosen + by, len(self._matches) - 1))
            self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._matches:
            self.dismiss(self._matches[self._chosen].listed)
