"""Exits by file while the port is closed: real folders that the sandbox's door watches."""

from pathlib import Path

import pytest

from brokers.adapter import OrderAccepted, OrderNotSent, OrderUnknown, RequestRefused, RequestUnknown, StreamDown
from schema.records import OrderType, Side
from tests.brokers.fix.door import Seat, order, until
from tests.brokers.ninjatrader.door import Practice, practice, seat


async def cut_off(venue: Practice, on: Seat, seconds: float = 30) -> None:
    venue.order("disconnect", login="DESK", refuse_s=seconds)
    await on.one(StreamDown)


async def test_an_exit_goes_by_file_and_its_outcome_is_read_there(tmp_path: Path) -> None:
    async with practice(folder=str(tmp_path)) as venue, seat(venue.port, folder=str(tmp_path / "DESK")) as on:
        await on.buy("C1", 2)
        await until(lambda: on.filled("C1") == 2)
        await cut_off(venue, on)
        await on.adapter.place([order("C2", 2, side=Side.SELL, reducing=True)])
        assert on.outcomes("C2") == ["OrderSent", "OrderAccepted"]
        await until(lambda: on.filled("C2") == 2)
        assert venue.net() == 0 and venue.received() == ["C1", "C2"]
        venue.order("clear")
        await on.ups(2)
        assert on.filled("C2") == 2, "the connection tells the same fills again, and they are none"


async def test_entries_never_go_by_file(tmp_path: Path) -> None:
    async with practice(folder=str(tmp_path)) as venue, seat(venue.port, folder=str(tmp_path / "DESK")) as on:
        await cut_off(venue, on)
        await on.buy("C1", 2)
        assert "no connection" in on.all(OrderNotSent, "C1")[0].reason
        assert venue.verbs() == []


async def test_cancel_and_close_go_by_file_and_say_what_is_not_known(tmp_path: Path) -> None:
    async with practice(folder=str(tmp_path)) as venue, seat(venue.port, folder=str(tmp_path / "DESK")) as on:
        await on.buy("C1", 2)
        await on.buy("C2", 1, order_type=OrderType.LIMIT, limit_price=venue.price() - 50)
        await on.one(OrderAccepted, "C2")
        await until(lambda: on.filled("C1") == 2)
        await cut_off(venue, on)
        await on.adapter.cancel("SIM1", "C2")  # the file of the order says that it is canceled
        with pytest.raises(RequestUnknown, match="written to a file"):
            await on.adapter.liquidate("SIM1", "ESH4", "cf1")
        await until(lambda: venue.net() == 0)
        with pytest.raises(RequestUnknown, match="not connected"):
            await on.adapter.exposure()
        assert venue.verbs() == ["PLACE", "PLACE", "CANCEL", "CLOSEPOSITION"]


async def test_a_file_nobody_takes_is_withdrawn_and_its_order_is_unknown(tmp_path: Path) -> None:
    """A NinjaTrader that is started hours later must not find an exit of today's."""
    (tmp_path / "incoming").mkdir()
    (tmp_path / "outgoing").mkdir()
    async with practice() as venue, seat(venue.port, folder=str(tmp_path), deadline_s=0.3) as on:
        await cut_off(venue, on)
        await on.adapter.place([order("C1", 2, side=Side.SELL, reducing=True)])
        await on.one(OrderUnknown, "C1")
        assert on.outcomes("C1") == ["OrderSent", "OrderUnknown"]
        await until(lambda: not list(tmp_path.rglob("*.*")))


async def test_without_its_folder_an_exit_is_proven_not_sent(tmp_path: Path) -> None:
    async with practice() as venue, seat(venue.port, folder=str(tmp_path / "gone")) as on:
        await cut_off(venue, on)
        await on.adapter.place([order("C1", 2, side=Side.SELL, reducing=True)])
        assert "is no folder" in on.all(OrderNotSent, "C1")[0].reason
        with pytest.raises(RequestRefused, match="is no folder"):
            await on.adapter.liquidate("SIM1", "ESH4", "cf1")


async def test_half_written_and_strange_status_files_prove_nothing(tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "outgoing").mkdir()
    for name, text in (("C1", "Filled;"), ("C2", ""), ("C3", "Filled;x;y"), ("C4", "Working;0;0")):
        (tmp_path / "outgoing" / f"{name}.txt").write_text(text)
    async with practice() as venue, seat(venue.port, folder=str(tmp_path), deadline_s=0.3) as on:
        await cut_off(venue, on)
        names = ("C1", "C2", "C3", "C4")
        await on.adapter.place([order(name, 1, side=Side.SELL, reducing=True) for name in names])
        for name in names[:3]:
            assert on.outcomes(name) == ["OrderSent", "OrderUnknown"]
        assert on.outcomes("C4") == ["OrderSent", "OrderAccepted"]
