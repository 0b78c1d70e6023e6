"""What only a running desk knows is a table that reads back as the same numbers, and nothing in it can run."""

import csv
import io
from decimal import Decimal

import pytest

from engine.export import ExportRefused, export_pane
from engine.export_panes import PANES
from engine.seat import Candles, Topic, WatchlistRow, WatchRow
from tests.tui.scripted_seat import ScriptedSeat


def exported(seat: ScriptedSeat, what: str, account: str | None = None) -> list[dict[str, str]]:
    out = io.StringIO(newline="")
    rows = export_pane(seat.view, what, out, account)
    found = list(csv.DictReader(io.StringIO(out.getvalue(), newline=""), strict=True))
    assert len(found) == rows
    return found


@pytest.mark.parametrize("what", PANES)
def test_each_has_a_header_before_anything_is_known(what: str) -> None:
    out = io.StringIO(newline="")
    export_pane(lambda topic: ScriptedSeat().view(topic).__class__(topic=topic, version=0, rows=()), what, out)
    assert out.getvalue().count("\r\n") == 1


def test_candles_read_back_as_they_were() -> None:
    seat = ScriptedSeat()
    seat.advance(500)
    (chart,) = seat.view(Topic.CANDLES).rows
    assert isinstance(chart, Candles)
    found = exported(seat, "candles")
    assert [(float(row["open"]), float(row["close"]), float(row["volume"])) for row in found] == [
        (bar.open, bar.close, bar.volume) for bar in chart.bars
    ]
    assert found[0]["start"].endswith(":00.000000000Z")


def test_drift_names_who_holds_something_else() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.advance(1600)
    held = exported(seat, "drift")
    for row in held:
        assert Decimal(row["target_net"]) - Decimal(row["held_net"]) == Decimal(row["delta_net"]) != 0
    assert exported(seat, "drift", held[0]["account"] if held else "DEMO1001") == held[:1]
    with pytest.raises(ExportRefused, match="account: depth is of no account; leave it out"):
        exported(seat, "depth", "DEMO1001")


def test_a_symbol_that_is_a_formula_does_not_run_and_a_fall_stays_a_number() -> None:
    row = WatchRow(source="=cmd", symbol="@SUM(A1)", change=-1.25)
    seat = ScriptedSeat()
    view = seat.view(Topic.WATCHLISTS)
    lists = type(view)(topic=view.topic, version=1, rows=(WatchlistRow(name="-mine", rows=(row,)),))
    out = io.StringIO(newline="")
    export_pane(lambda _: lists, "watchlists", out)
    (found,) = csv.DictReader(io.StringIO(out.getvalue(), newline=""), strict=True)
    assert (found["list"], found["source"], found["symbol"]) == ("'-mine", "'=cmd", "'@SUM(A1)")
    assert float(found["change"]) == -1.25
