"""Jump mode: a letter on the title of each pane, which goes to it. Opened by `tui/app.py`."""

from collections.abc import Iterable, Mapping

from textual import events
from textual.app import ComposeResult
from textual.geometry import Offset, Size
from textual.widgets import Static

from tui.patient import PatientModal


def letters_for(names: Iterable[str]) -> dict[str, str]:
    """Each pane's letter: the first of its name that none before it has, so that it is always the same."""
    letters: dict[str, str] = {}
    for name in names:
        free = (letter for letter in f"{name}abcdefghijklmnopqrstuvwxyz" if letter not in letters)
        letters[next(free)] = name
    return letters


class JumpPage(PatientModal[str | None]):
    """Shows the letters of the panes that are on screen; those of others work too. Any other key leaves."""

    def __init__(self, letters: Mapping[str, str], titles: Mapping[str, Offset]) -> None:
        """`letters` say what each goes to, `titles` where the panes on screen begin."""
        super().__init__()
        self._letters = letters
        self._titles = titles
        self._sized: Size | None = None
        self._done = False

    def compose(self) -> ComposeResult:
        for letter, name in self._letters.items():
            if name in self._titles:
                tag = Static(f" {letter}  {name} ", markup=False, classes="letter")
                tag.styles.offset = self._titles[name]
                yield tag

    def on_key(self, event: events.Key) -> None:
        event.stop()
        self._leave(self._letters.get(event.character or ""))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self._leave(None)

    def on_resize(self, event: events.Resize) -> None:
        if self._sized is not None and event.size != self._sized:
            self._leave(None)  # the titles are elsewhere now
        self._sized = event.size

    def _leave(self, name: str | None) -> None:
        if not self._done:
            self._done = True
            self.dismiss(name)
