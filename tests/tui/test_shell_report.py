"""`copydesk report` without a desk: the day's figures as text, numbers and plots, or one sentence."""

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests import report_book
from tests.tui.shell import Shell, filled

DAY = ("--day", "2026-11-25")


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A state directory with the book of `tests/report_book.py`."""
    with filled(report_book.write) as shell:
        yield shell


def test_it_is_plain_text_in_a_pipe_with_every_section(shell: Shell) -> None:
    text = shell.does("report", *DAY, "--plot")
    assert "\x1b" not in text
    assert "realised +937.50, fees 9.00 (5/10), net +928.50" in text
    for heading in ("BY GROUP", "BY FIRM", "BY DAY", "COPIES", "SLIPPAGE", "LATENCY", "NOTES", "net P&L by account"):
        assert heading in text
    assert "2  skipped   off: by the trader" in text
    assert "inside 3 s: 2 of 3 copies, 1 OVER" in text


def test_csv_and_json_read_back_as_the_same_numbers(shell: Shell) -> None:
    rows = list(csv.DictReader(io.StringIO(shell.does("report", *DAY, "--csv", "-"), newline=""), strict=True))
    told = json.loads(shell.does("report", *DAY, "--json"))
    by_account = {line["account"]: line["result"] for line in told["accounts"]}
    for row in rows:
        assert Decimal(row["net"]) == Decimal(by_account[row["account"]]["net"])
        assert row["fees"] == (by_account[row["account"]]["fees"] or "")
    assert sum(Decimal(row["net"]) for row in rows) == Decimal(told["total"]["net"]) == Decimal("928.50")


def test_a_file_holds_what_the_export_does(shell: Shell) -> None:
    out = shell.state_dir / "report.csv"
    done = shell("report", *DAY, "--csv", str(out))
    assert (done.returncode, done.stderr) == (0, f"3 rows of report written to {out}.\n")
    assert out.read_bytes().decode() == shell.does("export", "report", "--from", DAY[1], "--to", DAY[1])


def test_a_day_without_anything_says_so(shell: Shell) -> None:
    assert "Nothing was traded and nothing was copied in this time." in shell.does("report", "--day", "2026-10-01")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--day", "soon"], "day: 'soon' is not a trading day; write one like 2026-11-21, today or yesterday."),
        (["--account", "F9"], "account: there is no F9; write F1, F2 or LEAD."),
        (["--json", "--plot"], "--json, --plot and --csv -: write one of them to standard output."),
        ([*DAY, "--csv", "/nowhere/at/all.csv"], "out: it can't be written (No such file or directory);"),
    ],
)
def test_what_cannot_be_reported_is_one_sentence(shell: Shell, arguments: list[str], says: str) -> None:
    assert says in shell.refuses("report", *arguments)
