"""CSV export: RFC 4180, harmless in a spreadsheet, the same bytes wherever they go, and clear about what is wrong."""

import csv
import io
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.export import ExportRefused, export
from schema.records import (
    AccountState,
    Decision,
    DoneOrder,
    DoneStatus,
    LiveOrder,
    LiveStatus,
    OrderType,
    Position,
    Side,
)
from schema.settings import Settings
from schema.store import Batch, Store
from tests.schema import rows

ROOT = Path(__file__).parent.parent.parent
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def order(number: int, account: str = "DEMO1001", text: str = "") -> DoneOrder:
    return DoneOrder(
        account=account, order_id=f"o{number:04}", symbol="ESH4", side=Side.SELL, order_type=OrderType.LIMIT, qty=2,
        limit_price=Decimal("-37.63"), status=DoneStatus.CANCELED, text=text, venue_ns=rows.AT_NS + number,
    )  # fmt: skip


async def exported(store: Store, what: str, **more: str) -> list[dict[str, str]]:
    out = io.StringIO()
    count = await export(store, what, out, **more)
    assert out.getvalue().endswith("\r\n")
    found = list(csv.DictReader(io.StringIO(out.getvalue(), newline=""), strict=True))
    assert len(found) == count
    return found


async def test_everything_that_can_be_exported_has_a_header_even_when_empty(store: Store) -> None:
    for what, first in (
        ("orders", "updated,"),
        ("copies", "received,"),
        ("positions", "account,"),
        ("accounts", "account,"),
    ):
        out = io.StringIO()
        assert await export(store, what, out) == 0
        assert out.getvalue().startswith(first)
        assert out.getvalue().count("\r\n") == 1


async def test_orders_come_with_exact_prices_and_nanoseconds(store: Store) -> None:
    working = LiveOrder(
        account="DEMO1001", order_id="1", symbol="ESH4", side=Side.BUY, order_type=OrderType.STOP_LIMIT, qty=3,
        limit_price=Decimal("4800.25"), stop_price=Decimal("0.0000005"), status=LiveStatus.WORKING,
        text='he said "no, thanks"\nand left', venue_ns=rows.AT_NS,
    )  # fmt: skip
    await store.record(Batch(orders=(working,)))
    (row,) = await exported(store, "orders")
    assert row["venue"] == "2023-11-14T22:13:20.123456789Z"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", row["updated"])
    assert (row["limit_price"], row["stop_price"], row["avg_price"]) == ("4800.25", "0.0000005", "")
    assert (row["status"], row["side"], row["qty"]) == ("working", "buy", "3")
    assert row["text"] == 'he said "no, thanks"\nand left'


async def test_a_negative_number_stays_a_number_and_a_formula_does_not_run(store: Store) -> None:
    await store.record(
        Batch(
            orders=(order(1, text="=cmd|' /C calc'!A0"), order(2, text="-1+1"), order(3, text="'quoted"), order(4)),
            positions=(Position(account="DEMO1001", symbol="ESH4", net_qty=-3, avg_price=Decimal("-12.50")),),
        )
    )
    texts = [row["text"] for row in await exported(store, "orders")]
    assert texts == ["'=cmd|' /C calc'!A0", "'-1+1", "'quoted", ""]
    assert {row["limit_price"] for row in await exported(store, "orders")} == {"-37.63"}
    (position,) = await exported(store, "positions")
    assert (position["net_qty"], position["avg_price"]) == ("-3", "-12.50")


@examples(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=5))
async def test_any_text_survives_the_round_trip(store: Store, texts: list[str]) -> None:
    await store.record(Batch(orders=tuple(order(number, f"A{number}", text) for number, text in enumerate(texts))))
    found = {row["account"]: row["text"] for row in await exported(store, "orders")}
    for number, text in enumerate(texts):
        written = found[f"A{number}"]
        assert written == (f"'{text}" if text.startswith(DANGEROUS) else text)
        assert not written.startswith(DANGEROUS)


async def test_copies_tell_signal_decision_and_six_times(store: Store) -> None:
    names = await rows.desk(store, followers=2)
    signal = rows.signal(1, net=-2, side=Side.SELL)
    pairs = rows.copies(signal, names)
    await store.commit_signal(signal, pairs)
    done = replace(pairs[0], decision=Decision.COPIED, filled_qty=1, avg_price=Decimal("4800.125"), sent_ns=rows.AT_NS)
    await store.record(Batch(copies=(done,)))
    first, second = await exported(store, "copies")
    assert (first["account"], first["decision"], first["avg_price"]) == ("DEMO1001", "copied", "4800.125")
    assert first["sent"] == "2023-11-14T22:13:20.123456789Z"
    assert (first["filled"], first["leader"], first["leader_net"]) == ("", rows.LEADER, "-2")
    assert (second["decision"], second["sent"]) == ("pending", "")


async def test_accounts_come_with_role_rule_and_money(store: Store) -> None:
    await rows.desk(store, followers=1)
    await store.record(Batch(states=(AccountState(account="DEMO1001", balance=Decimal("50000.10")),)))
    leader, follower = await exported(store, "accounts")
    assert (leader["role"], leader["group"], leader["rule"], leader["balance"]) == ("leader", "main", "", "")
    assert (follower["role"], follower["rule"], follower["rule_value"]) == ("follower", "proportional", "0.5")
    assert (follower["enabled"], follower["balance"]) == ("true", "50000.10")
    assert "sealed" not in leader


async def test_only_the_account_and_the_time_asked_for(store: Store) -> None:
    for number in range(4):
        signal = rows.signal(number, received_ns=rows.AT_NS + number * 86_400_000_000_000)
        await store.commit_signal(signal, rows.copies(signal, ["A", "B"]))
    await rows.desk(store, followers=1)
    await store.record(Batch(positions=(Position(account="A", symbol="ESH4", net_qty=0),)))
    days = [row["received"][:10] for row in await exported(store, "copies", account="A")]
    assert days == ["2023-11-14", "2023-11-15", "2023-11-16", "2023-11-17"]
    some = await exported(store, "copies", since="2023-11-15", until="2023-11-17")
    assert [row["received"][:10] for row in some] == ["2023-11-15", "2023-11-15", "2023-11-16", "2023-11-16"]
    late = await exported(store, "copies", since="2023-11-18T00:13:20.2+02:00")
    assert late == []


async def test_a_large_table_is_streamed_and_counted(store: Store) -> None:
    await store.record(Batch(orders=tuple(order(number) for number in range(1234))))
    found = await exported(store, "orders")
    assert [row["order_id"] for row in found] == [f"o{number:04}" for number in range(1234)]


@pytest.mark.parametrize(
    ("what", "more", "sentence"),
    [
        ("ordres", {}, "export: 'ordres' can't be exported; did you mean orders?"),
        ("orders", {"since": "yesterday"},
         "from: 'yesterday' is not a day or a time; write one like 2026-11-21 or 2026-11-21T14:30."),
        ("orders", {"since": "2026-11-21", "until": "2026-11-21"},
         "to: 2026-11-21 is not after 2026-11-21; give a later end or leave it out."),
        ("orders", {"account": "DEMO1002"}, "account: there is no DEMO1002; did you mean DEMO1001?"),
    ],
)  # fmt: skip
async def test_a_bad_argument_gets_one_sentence(store: Store, what: str, more: dict[str, str], sentence: str) -> None:
    await rows.desk(store, followers=1)
    with pytest.raises(ExportRefused) as refused:
        await export(store, what, io.StringIO(), **more)
    assert str(refused.value) == sentence


async def test_a_file_appears_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    await store.record(Batch(orders=(order(1),)))
    out = tmp_path / "orders.csv"
    out.write_text("what was there before")
    assert await export(store, "orders", str(out)) == 1
    assert out.read_bytes().count(b"\r\n") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["orders.csv"]
    with pytest.raises(ExportRefused, match="out: it can't be written"):
        await export(store, "orders", tmp_path / "nowhere" / "orders.csv")
    with pytest.raises(ExportRefused, match="out: it can't be written"):
        await export(store, "orders", tmp_path)
    with pytest.raises(ExportRefused, match="No space left"):
        await export(store, "orders", "/dev/full")


async def test_file_stream_and_standard_output_get_the_same_bytes(
    store: Store, tmp_path: Path, settings: Settings
) -> None:
    await store.record(Batch(orders=(order(1, text="caffè, doppio"), order(2))))
    stream = io.StringIO(newline="")
    await export(store, "orders", stream)
    await export(store, "orders", tmp_path / "orders.csv")
    written = (tmp_path / "orders.csv").read_bytes()
    assert stream.getvalue().encode() == written
    assert settings.database_url is not None
    code = (
        "import asyncio, sys\n"
        "from engine.export import export\n"
        "from schema.clock import SYSTEM_CLOCK\n"
        "from schema.settings import load_settings\n"
        "from schema.store import Store\n"
        "async def work():\n"
        "    store = await Store.open(load_settings(), SYSTEM_CLOCK)\n"
        "    await export(store, 'orders', '-')\n"
        "    await store.close()\n"
        "asyncio.run(work())\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('textual', 'tui')]\n"
    )
    url = settings.database_url.get_secret_value()
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs here meanwhile
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False,
        env={"COPYDESK_DATABASE_URL": url, "HOME": str(tmp_path), "LC_ALL": "C"},
    )  # fmt: skip
    assert done.stderr == b""
    assert done.stdout == written
