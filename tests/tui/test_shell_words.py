"""What the shell says to words that it can't mean: one sentence on standard error, and the exit code."""

from pathlib import Path

import pytest

from tests.tui.shell import Shell


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("why", "account: name the follower, as in `copydesk why DEMO1001 14:32`. See `"),
        ("guard", "Missing argument 'FOLLOWER|GROUP|all'. See `"),
        ("guard all sometimes", "Invalid value for '{none|halt|reduce_only|close_only}': 'sometimes' is not one of "),
        ("sandbox --control", "Option '--control' requires an argument."),
        ("health now", "Got unexpected extra argument (now) See `"),
        ("keys now", "Got unexpected extra argument (now) See `"),
        ("attach", "No desk runs here; start it with `copydesk` or `copydesk engine`."),
        ("helth", "No such command 'helth'. Did you mean 'health'? See `"),
    ],
)
def test_words_that_mean_nothing_get_one_sentence(words: str, sentence: str, state_dir: Path) -> None:
    assert Shell(state_dir).refuses(*words.split()).startswith(sentence)


def test_keys_are_printed_with_the_traders_own_in_them_and_each_mistake_is_told(state_dir: Path) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    file = state_dir / "keys.toml"
    file.write_text('[keys]\nzoom = "Z"\nfind = "ctrl+enter"\npage_go = "g"\n')
    done = Shell(state_dir)("keys", COPYDESK_KEYS_FILE=str(file))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "keys.toml: find = 'ctrl+enter' is sent by no terminal; Ctrl goes with a letter or an arrow.",
        "keys.toml: page_go = 'g' is typed into lines; take one that is not, such as F5 or Ctrl+X.",
    ]
    told = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert (told["zoom"], told["find"], told["page_go"]) == ("Z", "f", "Ctrl+G")
