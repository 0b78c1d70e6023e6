"""The sandbox's FIX door against the QuickFIX engine as its client: what the door says must be FIX to somebody else.
QuickFIX checks every message against its dictionary and answers what it does not like with 35=3."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytest.importorskip("quickfix", reason="the QuickFIX engine is not built: `make peers` does it")

from tests.brokers.fix.door import PASSWORD, Practice, practice
from tests.peers.quickfix_client import Heard, Peer

BOTH = pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
AT = "20261121-02:19:48"
Seen = Callable[[Heard], bool]


@asynccontextmanager
async def quickfix(path: Path, version: str) -> AsyncIterator[tuple[Practice, Peer]]:
    async with practice() as venue:
        peer = Peer(path, version, venue.address["port"], PASSWORD)
        try:
            await heard(peer, lambda said: said.logons == 1)
            yield venue, peer
        finally:
            peer.stop()


async def heard(peer: Peer, true: Seen, within_s: float = 8.0) -> Heard:
    """Wait for what the client must have received."""
    async with asyncio.timeout(within_s):
        while not true(said := await asyncio.to_thread(peer.heard)):  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(0.02)
    return said


def reports(said: Heard, **wanted: str) -> list[dict[str, str]]:
    return [m for m in said.app if all(m.get(tag.lstrip("_")) == value for tag, value in wanted.items())]


def refused_by_quickfix(venue: Practice, version: str) -> int:
    """Session rejects the client sent: messages of the door that its dictionary does not allow."""
    return venue.sandbox.doors["fix"].rejected.get("DESK", 0)  # type: ignore[attr-defined]


def new(peer: Peer, tag: str, **more: str) -> None:
    order = {"_1": "SIM1", "_21": "1", "_55": "ESH4", "_54": "1", "_60": AT, "_38": "2", "_40": "1", "_59": "0"}
    peer.send(_35="D", _11=tag, **{**order, **more})


@BOTH
async def test_quickfix_trades_at_the_door(tmp_path: Path, version: str) -> None:
    async with quickfix(tmp_path, version) as (venue, peer):
        new(peer, "C1")
        said = await heard(peer, lambda said: bool(reports(said, _11="C1", _39="2")))
        assert reports(said, _11="C1")[0]["150"] == "0"
        assert reports(said, _11="C1", _39="2")[-1]["150"] == ("2" if version == "FIX.4.2" else "F")
        low = venue.price() - 50
        new(peer, "C2", _40="2", _44=str(low))
        await heard(peer, lambda said: bool(reports(said, _11="C2", _39="0")))
        peer.send(_35="G", _41="C2", _11="C3", _1="SIM1", _21="1", _55="ESH4", _54="1", _60=AT, _38="3", _40="2",
                  _44=str(low - 1))  # fmt: skip
        await heard(peer, lambda said: bool(reports(said, _11="C3", _150="5")))
        peer.send(_35="F", _41="C3", _11="C4", _1="SIM1", _55="ESH4", _54="1", _60=AT, _38="3")
        await heard(peer, lambda said: bool(reports(said, _11="C4", _150="4")))
        peer.send(_35="F", _41="C3", _11="C5", _1="SIM1", _55="ESH4", _54="1", _60=AT, _38="3")
        said = await heard(peer, lambda said: bool(reports(said, _35="9", _11="C5")))
        assert reports(said, _35="9")[0]["434"] == "1"
        new(peer, "C1")
        said = await heard(peer, lambda said: bool(reports(said, _11="C1", _39="8")))
        assert reports(said, _11="C1", _39="8")[0]["103"] == "6"
        peer.send(_35="H", _11="C1", _55="ESH4", _54="1")
        await heard(peer, lambda said: len(reports(said, _11="C1", _39="2")) >= 2)
        assert venue.net() == 2
        assert refused_by_quickfix(venue, version) == 0


async def test_mass_status_and_positions_pass_quickfix(tmp_path: Path) -> None:
    async with quickfix(tmp_path, "FIX.4.4") as (venue, peer):
        peer.send(_35="AF", _584="m1", _585="7")
        said = await heard(peer, lambda said: bool(reports(said, _584="m1")))
        assert reports(said, _584="m1")[0]["911"] == "0"
        for number in (1, 2):
            new(peer, f"C{number}", _40="2", _44=str(venue.price() - 50))
        await heard(peer, lambda said: bool(reports(said, _11="C2", _39="0")))
        peer.send(_35="AF", _584="m2", _585="7")
        said = await heard(peer, lambda said: len(reports(said, _584="m2")) == 2)
        assert [each.get("912") for each in reports(said, _584="m2")] == [None, "Y"]
        new(peer, "C3")
        await heard(peer, lambda said: bool(reports(said, _11="C3", _39="2")))
        assert refused_by_quickfix(venue, "FIX.4.4") == 0


@BOTH
async def test_lost_fill_is_asked_for_again_by_quickfix(tmp_path: Path, version: str) -> None:
    """The door uses up a number without sending it: QuickFIX asks, and the door resends with 43=Y."""
    async with quickfix(tmp_path, version) as (venue, peer):
        venue.order("events", login="DESK", drop_fills=1.0)
        new(peer, "C1")
        await heard(peer, lambda said: bool(reports(said, _11="C1", _39="0")))
        venue.order("clear")
        new(peer, "C2", _40="2", _44=str(venue.price() - 50))
        said = await heard(peer, lambda said: bool(reports(said, _11="C1", _39="2")))
        assert reports(said, _11="C1", _39="2")[0]["43"] == "Y"


@BOTH
async def test_disconnects_lose_nothing_and_numbers_go_on(tmp_path: Path, version: str) -> None:
    async with quickfix(tmp_path, version) as (venue, peer):
        for round_no in range(1, 4):
            new(peer, f"C{round_no}")
            await heard(peer, lambda said, n=round_no: bool(reports(said, _11=f"C{n}", _39="2")))
            venue.order("disconnect", login="DESK")
            venue.order("trade", account="SIM1", side="buy", qty=1)
            said = await heard(peer, lambda said, n=round_no: said.logons == n + 1)
        fills = await heard(peer, lambda said: len({m["17"] for m in said.app if int(m.get("32", "0"))}) >= 6)
        assert len({m["17"] for m in fills.app if int(m.get("32", "0"))}) >= 6
        assert [m for m in said.admin if "too low" in m.get("58", "")] == []
        assert venue.net() == 9


async def test_second_session_and_wrong_password_are_sent_away(tmp_path: Path) -> None:
    async with quickfix(tmp_path / "first", "FIX.4.4") as (venue, peer):
        other = Peer(tmp_path / "second", "FIX.4.4", venue.address["port"], PASSWORD)
        try:
            await asyncio.sleep(0.5)
            assert (await asyncio.to_thread(other.heard)).logons == 0
        finally:
            other.stop()
        new(peer, "C1")
        await heard(peer, lambda said: bool(reports(said, _11="C1", _39="2")))
    async with practice() as venue:
        wrong = Peer(tmp_path / "wrong", "FIX.4.2", venue.address["port"], "not it")
        try:
            said = await heard(wrong, lambda said: bool(said.admin))
            assert (said.admin[0]["35"], said.logons) == ("5", 0)
        finally:
            wrong.stop()
