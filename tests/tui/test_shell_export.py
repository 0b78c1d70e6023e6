"""`copydesk export` without a desk: a file a spreadsheet can open safely, or one sentence."""

import csv
import io
from collections.abc import Iterator

import pytest

from schema.records import DoneOrder, DoneStatus, OrderType, Side
from schema.store import Batch, Store
from tests.schema import rows
from tests.tui.shell import Shell, filled

FORMULAS = ('=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx")


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A state directory with accounts and orders whose texts a spreadsheet would run."""
    with filled(fill_in) as shell:
        yield shell


async def fill_in(store: Store) -> None:
    names = await rows.desk(store)
    orders = [
        DoneOrder(
            account=names[0],
            order_id=str(number),
            symbol="ESH4",
            side=Side.SELL,
            order_type=OrderType.MARKET,
            qty=1,
            status=DoneStatus.REJECTED,
            text=text,
        )
        for number, text in enumerate(FORMULAS)
    ]
    await store.record(Batch(orders=tuple(orders)))


def test_no_cell_can_run_in_a_spreadsheet(shell: Shell) -> None:
    text = shell.does("export", "orders")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert {"'" + formula for formula in FORMULAS} <= set(cells)
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n"))]


def test_a_file_holds_what_standard_output_shows(shell: Shell) -> None:
    out = shell.state_dir / "accounts.csv"
    done = shell("export", "accounts", "--out", str(out))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"21 accounts written to {out}.\n")
    assert out.read_bytes().decode() == shell.does("export", "accounts")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["order"], "export: 'order' can't be exported; did you mean orders?"),
        ([], "Missing argument 'WHAT'."),
        (["orders", "--from", "yesterday"], "from: 'yesterday' is not a day or a time; write one like 2026-11-21"),
        (["orders", "--to", "2026-02-30"], "to: '2026-02-30' is not a day or a time"),
        (["orders", "--from", "2026-02-02", "--to", "2026-02-01"], "to: 2026-02-01 is not after 2026-02-02;"),
        (["copies", "--account", "DEMO10010"], "account: there is no DEMO10010; did you mean DEMO1010?"),
        (["alerts", "--account", "DEMO1001"], "account: alerts are of no account; leave it out."),
        (["depth"], "export: only a running desk knows depth. No desk runs here; start it with `copydesk`"),
        (["tape", "--from", "2026-11-21"], "from: tape is what a running desk shows now; leave --from and --to out."),
        (["report", "--from", "2026-11-21T10:00"], "from: '2026-11-21T10:00' is not a trading day;"),
        (["orders", "--out", "/nowhere/at/all.csv"], "out: it can't be written (No such file or directory);"),
        (["orders", "--out", "/tmp"], "out: it can't be written (Is a directory);"),
        (["orders", "--out", "/dev/full"], "out: it can't be written (No space left on device);"),
    ],
)
def test_what_cannot_be_exported_is_refused(shell: Shell, arguments: list[str], says: str) -> None:
    assert says in shell.refuses("export", *arguments)


def test_a_state_directory_that_cannot_be_used_is_refused(shell: Shell) -> None:
    taken = shell.state_dir / "taken"
    taken.write_text("")
    for command in (["export", "orders"], ["accounts", "list"], ["demo", "--headless"], []):
        assert Shell(taken).refuses(*command) == (
            f"state_dir: {taken} can't be used (File exists); choose another state_dir."
        )
