"""What terminal a seat is at: colours, UTF-8, tmux, ssh, and what to set where something is missing.

Pure, and loads no terminal: `tui/sit.py` chooses by it, `copydesk doctor` and `:terminal` tell it.
"""

from collections.abc import Mapping
from typing import NamedTuple

TMUX_LINES = (
    "set -g set-clipboard on",
    "set -g allow-passthrough on",
    "set -as terminal-features ',*:RGB'",
)
"""What tmux needs in ~/.tmux.conf to let the clipboard, alerts and 24-bit colour through."""

SIXTEEN, MANY, ALL = 16, 256, 1 << 24
_BY_NAME = {"standard": SIXTEEN, "256": MANY, "truecolor": ALL}
_CANNOT_PLACE = ("", "dumb", "unknown")


class Here(NamedTuple):
    """A terminal. `colours` is how many it shows, 0 when NO_COLOR asks for none; `encoding` is that of its streams."""

    term: str
    colours: int
    encoding: str
    tmux: bool
    ssh: bool

    @property
    def utf8(self) -> bool:
        return self.encoding.lower().replace("-", "").replace("_", "") == "utf8"

    @property
    def refusal(self) -> str | None:
        """One sentence saying why no screen can be shown and what to do, or None when one can."""
        if self.term not in _CANNOT_PLACE:
            return None
        return (
            f"TERM is {self.term!r}, which can't place text: set TERM to what your terminal is, "
            "e.g. TERM=xterm-256color."
        )


def look(environ: Mapping[str, str], encoding: str) -> Here:
    """The terminal that an environment tells of."""
    return Here(
        term=environ.get("TERM", ""),
        colours=_colours(environ),
        encoding=encoding,
        tmux=bool(environ.get("TMUX")),
        ssh=any(environ.get(name) for name in ("SSH_TTY", "SSH_CONNECTION")),
    )


def _colours(environ: Mapping[str, str]) -> int:
    """As rich, which draws the screen, counts them."""
    if environ.get("NO_COLOR"):
        return 0
    chosen = environ.get("TEXTUAL_COLOR_SYSTEM", "auto").lower()
    if chosen in _BY_NAME:
        return _BY_NAME[chosen]
    if environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return ALL
    kind = environ.get("TERM", "").strip().lower().rpartition("-")[2]
    return MANY if kind in ("256color", "kitty") else SIXTEEN


def colours_told(colours: int) -> str:
    """``24-bit colour``, ``256 colours``, ``no colour``."""
    if colours == ALL:
        return "24-bit colour"
    return f"{colours} colours" if colours else "no colour: NO_COLOR is set"


def told(here: Here) -> list[str]:
    """The terminal in sentences, each of which names the remedy where there is one."""
    said = [f"terminal {here.term or '?'}, {colours_told(here.colours)}"]
    if not here.utf8:
        said.append(
            f"its encoding is {here.encoding or 'not known'}: lines and arrows are drawn in ASCII; "
            "LC_ALL=C.UTF-8 brings the real ones"
        )
    if here.tmux:
        said.append("in tmux; in ~/.tmux.conf these bring clipboard, alerts and 24-bit colour through it:")
        said += [f"  {line}" for line in TMUX_LINES]
    elif here.ssh:
        said.append(
            "over ssh without tmux: when the line drops the desk goes on, but nobody sees it until `copydesk attach`"
        )
    if 0 < here.colours < ALL:
        said.append(
            "COLORTERM is not set to truecolor: SendEnv COLORTERM (AcceptEnv at the server) brings 24-bit colour"
        )
    return said
