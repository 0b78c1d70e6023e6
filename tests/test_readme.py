"""The README's key table is the one the desk works by (`python -m tests.test_readme` writes it anew), and its command
table names every command."""

from pathlib import Path

from tui.keymap import key_table_markdown
from tui.syntax import SYNTAX

README = Path(__file__).parent.parent / "README.md"
_START, _END = "<!-- keys -->\n", "<!-- /keys -->"


def with_keys(text: str) -> str:
    head, rest = text.split(_START)
    _, tail = rest.split(_END)
    return f"{head}{_START}{key_table_markdown()}{_END}{tail}"


def test_the_readme_has_the_keys_the_desk_has() -> None:
    text = README.read_text()
    assert with_keys(text) == text, "run python -m tests.test_readme"


def test_the_readme_names_every_command() -> None:
    rows = [line for line in README.read_text().splitlines() if line.startswith("| `:")]
    assert [each.name for each in SYNTAX if not any(f"`:{each.name}" in row for row in rows)] == []


if __name__ == "__main__":
    README.write_text(with_keys(README.read_text()))
