"""Themes as data: `themes/*.toml` become Textual themes, `themes/copydesk.tcss` the style sheet. Called by the app."""

import tomllib
from functools import cache
from importlib import resources

import msgspec
from rich.color import ColorSystem
from textual.theme import Theme

DEFAULT = "desk"
STANDARD = ColorSystem.STANDARD


class ThemeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One theme file. The colours of `looks` are the variables the style sheet uses beyond Textual's own;
    those of `sixteen` stand in for them, and for its own, on a terminal that has no more than 16."""

    name: str
    description: str
    dark: bool
    primary: str
    secondary: str
    accent: str
    warning: str
    error: str
    success: str
    foreground: str
    background: str
    surface: str
    panel: str
    looks: dict[str, str]
    sixteen: dict[str, str] = {}


@cache
def themes() -> dict[str, ThemeFile]:
    """Every theme by name, the default first."""
    found: dict[str, ThemeFile] = {}
    for entry in resources.files("themes").iterdir():
        if entry.name.endswith(".toml"):
            read = msgspec.convert(tomllib.loads(entry.read_text("utf-8")), ThemeFile)
            found[read.name] = read
    return dict(sorted(found.items(), key=lambda item: (item[0] != DEFAULT, item[0])))


def for_sixteen(theme: ThemeFile) -> ThemeFile:
    """The theme as it reads in 16 colours."""
    own = {name: colour for name, colour in theme.sixteen.items() if name not in theme.looks}
    looks = {name: theme.sixteen.get(name, colour) for name, colour in theme.looks.items()}
    return msgspec.structs.replace(theme, looks=looks, **own)


def textual_theme(theme: ThemeFile) -> Theme:
    return Theme(
        name=theme.name,
        primary=theme.primary,
        secondary=theme.secondary,
        accent=theme.accent,
        warning=theme.warning,
        error=theme.error,
        success=theme.success,
        foreground=theme.foreground,
        background=theme.background,
        surface=theme.surface,
        panel=theme.panel,
        dark=theme.dark,
        variables=dict(theme.looks),
    )


def style_sheet() -> str:
    return resources.files("themes").joinpath("copydesk.tcss").read_text("utf-8")
