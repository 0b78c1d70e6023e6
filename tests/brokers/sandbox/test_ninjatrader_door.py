"""The NinjaTrader door with a client written from the page alone: its golden exchange, its commands, its silences."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.brokers.fix.door import until
from tests.brokers.ninjatrader.door import Practice, Raw, practice, raw

ES = "ES 03-34"  # listed after 2024, ESH4 is that of 2034


def place(
    order_id: str, *, side: str = "BUY", qty: int = 2, terms: str = "MARKET;0;0", oco: str = "", **at: str
) -> str:
    account, instrument = at.get("account", "SIM1"), at.get("instrument", ES)
    return f"PLACE;{account};{instrument};{side};{qty};{terms};DAY;{oco};{order_id};;"


def low(venue: Practice, ticks: int = 200) -> Decimal:
    return venue.price() - ticks * Decimal("0.25")


async def at_rest(client: Raw, venue: Practice, order_id: str, **more: str) -> None:
    client.command(place(order_id, terms=f"LIMIT;{low(venue)};0", **more))
    await client.until(f"OrderStatus|{order_id}", "Working")


async def test_the_pages_golden_exchange() -> None:
    async with practice() as venue, raw(venue.port) as client:
        assert await client.next() == ("ATI", "True")
        await client.quiet()
        client.send("4", ES, "1")
        assert Decimal(await client.until(f"MarketData|{ES}|1")) > 0
        client.command(place("OID1"))
        told = [(key, value) for key, value in await client.quiet(0.2) if not key.startswith("MarketData")]
        keys = [key for key, _ in told]
        assert keys.index("Orders|SIM1") < keys.index("OrderStatus|OID1") < keys.index("Filled|OID1")
        assert keys.index("Filled|OID1") < keys.index("AvgFillPrice|OID1") < keys.index(f"MarketPosition|{ES}|SIM1")
        cache = dict(told)
        assert (cache["Orders|SIM1"], cache["OrderStatus|OID1"], cache["Filled|OID1"]) == ("OID1", "Filled", "2")
        assert cache[f"MarketPosition|{ES}|SIM1"] == "2"
        (fill, *_) = venue.order("state", account="SIM1")["fills"]
        assert Decimal(cache["AvgFillPrice|OID1"]) == fill["price"]
        assert {"CashValue|SIM1", "BuyingPower|SIM1", "RealizedPnL|SIM1"} <= client.cache.keys()


async def test_bytes_may_come_cut_anywhere_and_unknown_types_take_one_text() -> None:
    async with practice() as venue, raw(venue.port) as client:
        client.send("9", "whatever", "3", "1", "1", "2", ES, "5000.25", "3", "")
        await client.trickle(b"0\0" + place("OID1").encode() + b"\0")
        assert await client.until("Filled|OID1") == "2"
        assert venue.sandbox.doors["ninjatrader"].desktop("DESK").confirm_orders  # type: ignore[attr-defined]


async def test_values_are_told_when_they_change_and_to_everybody() -> None:
    async with practice() as venue, raw(venue.port) as one, raw(venue.port) as other:
        await one.quiet()
        await other.quiet()
        one.command(place("OID1"))
        assert await other.until("Filled|OID1") == "2"
        await one.quiet()
        assert not await one.quiet()


async def test_a_new_connection_is_told_everything_unless_it_is_set_otherwise() -> None:
    async with practice() as venue:
        async with raw(venue.port) as client:
            client.command(place("OID1"))
            await client.until("Filled|OID1")
        async with raw(venue.port) as client:
            await client.quiet()
            cache = client.cache
            assert client.values[0] == ("ATI", "True")
            assert (cache["OrderStatus|OID1"], cache[f"MarketPosition|{ES}|SIM1"]) == ("Filled", "2")
            assert Decimal(cache["CashValue|SIM2"]) == 250_000
    async with practice(tells_everything=False) as venue, raw(venue.port) as client:
        assert await client.quiet() == [("ATI", "True")]


@pytest.mark.parametrize(
    "line",
    [
        place("OID1", account="Nobody"),
        place("OID1", instrument="ES 06-24 Nowhere"),
        place("OID1", instrument="ESH4"),
        place("OID1", side="HOLD"),
        place("OID1", qty=0),
        "PLACE;SIM1;ES 03-34;BUY;2;MARKET;0;0;DAY;;OID1;",
        "CANCEL;;;;0;;0;0;;;NEVER;;",
        "CHANGE;;;;3;;0;0;;;NEVER;;",
        "CLOSEPOSITION;SIM1;NQ 03-34;;0;;0;0;;;;;",
        "DANCE;SIM1;;;;;;;;;;;",
        "",
    ],
)
async def test_what_makes_no_sense_is_answered_by_nothing(line: str) -> None:
    async with practice() as venue, raw(venue.port) as client:
        await client.quiet()
        client.command(line)
        assert not await client.quiet()
        assert not venue.orders()


@pytest.mark.parametrize("terms", ["LIMIT;0;0", "LIMIT;5000,25;0", "STOPMARKET;0;0", "LIMIT;5000.1;0"])
async def test_a_wrong_price_is_rejected_without_a_word(terms: str) -> None:
    async with practice() as venue, raw(venue.port) as client:
        await client.quiet()
        client.command(place("OID1", terms=terms))
        await client.until("OrderStatus|OID1", "Rejected")
        assert client.cache["Orders|SIM1"] == "OID1"


async def test_a_repeated_id_is_ignored() -> None:
    async with practice() as venue, raw(venue.port) as client:
        client.command(place("OID1"))
        await client.until("Filled|OID1")
        await client.quiet()
        client.command(place("OID1"))
        assert not await client.quiet()
        assert venue.net() == 2 and len(venue.received()) == 2


async def test_change_leaves_what_is_zero_and_shows_its_state() -> None:
    async with practice() as venue, raw(venue.port) as client:
        await at_rest(client, venue, "OID1")
        client.command("CHANGE;;;;5;;0;0;;;OID1;;")
        await client.until("OrderStatus|OID1", "Change submitted")
        await client.until("OrderStatus|OID1", "Working")
        assert (venue.orders()[0]["qty"], venue.orders()[0]["limit"]) == (5, low(venue))
        client.command(f"CHANGE;;;;0;;{low(venue, 240)};0;;;OID1;;")
        await client.until("OrderStatus|OID1", "Working")
        assert (venue.orders()[0]["qty"], venue.orders()[0]["limit"]) == (5, low(venue, 240))
        client.command("CANCEL;;;;;;;;;;OID1;;")
        await client.until("OrderStatus|OID1", "Cancelled")


async def test_closeposition_is_of_one_account_and_contract_and_flatteneverything_is_not() -> None:
    async with practice() as venue, raw(venue.port) as client:
        for account in ("SIM1", "SIM2"):
            for instrument in (ES, "MES 03-34"):
                client.command(place(f"{account}{instrument[0]}", account=account, instrument=instrument))
                await client.until(f"MarketPosition|{instrument}|{account}", "2")
        await at_rest(client, venue, "R1")
        client.command(f"CLOSEPOSITION;SIM1;{ES};;0;;0;0;;;;;")
        await client.until("OrderStatus|R1", "Cancelled")
        await client.until(f"MarketPosition|{ES}|SIM1", "0")
        assert [venue.net(a, s) for a in ("SIM1", "SIM2") for s in ("ESH4", "MESH4")] == [0, 2, 2, 2]
        await at_rest(client, venue, "R2", account="SIM2")
        client.command("CANCELALLORDERS;;;;;;;;;;;;")
        await client.until("OrderStatus|R2", "Cancelled")
        client.command("FLATTENEVERYTHING")
        await until(lambda: not any(venue.net(a, s) for a in ("SIM1", "SIM2") for s in ("ESH4", "MESH4")))


async def test_reverseposition_closes_then_places() -> None:
    async with practice() as venue, raw(venue.port) as client:
        client.command(place("OID1"))
        await client.until(f"MarketPosition|{ES}|SIM1", "2")
        client.command(place("OID2", side="SELL", qty=3).replace("PLACE", "REVERSEPOSITION"))
        await client.until(f"MarketPosition|{ES}|SIM1", "-3")


async def test_one_of_an_oco_group_cancels_the_other() -> None:
    async with practice() as venue, raw(venue.port) as client:
        await at_rest(client, venue, "A", oco="G1")
        await at_rest(client, venue, "B", oco="G1")
        client.command("CANCEL;;;;0;;0;0;;;A;;")
        await client.until("OrderStatus|B", "Cancelled")


async def test_orders_of_others_have_ids_of_ninjatraders_making() -> None:
    async with practice() as venue, raw(venue.port) as client:
        await client.quiet()
        venue.order("trade", account="SIM1", side="buy", qty=1)
        made = await client.until("Orders|SIM1")
        assert len(made) == 32 and made == made.upper()
        assert await client.until(f"Filled|{made}") == "1"
    async with practice(shows_foreign=False) as venue, raw(venue.port) as client:
        await client.quiet()
        venue.order("trade", account="SIM1", side="buy", qty=1)
        told = await client.quiet()
        assert (f"MarketPosition|{ES}|SIM1", "1") in told
        assert not [key for key, _ in told if key.startswith(("Orders", "OrderStatus", "Filled"))]


async def test_a_client_that_takes_the_tapes_year_is_told_of_it_under_that_name() -> None:
    async with practice() as venue, raw(venue.port) as client:
        await client.quiet()
        client.send("0", "PLACE;SIM1;ES 03-24;BUY;2;MARKET;0;0;DAY;;OID1;;")
        assert await client.until("MarketPosition|ES 03-24|SIM1", "2") == "2"
        client.send("4", "ES MAR24", "1")
        assert Decimal(await client.until("MarketData|ES MAR24|1")) > 0


async def test_faults_of_the_control_socket() -> None:
    async with practice() as venue:
        async with raw(venue.port) as client:
            await client.quiet()
            venue.order("latency", login="DESK", p50_ms=150, p95_ms=150)
            client.command(place("L1"))
            assert not await client.quiet(0.05)
            await client.until("Filled|L1")
            venue.order("clear")
            venue.order("reject", account="SIM1")
            client.command(place("R1"))
            await client.until("OrderStatus|R1", "Rejected")
            venue.order("drop_answer", account="SIM1")
            await client.quiet()
            client.command(place("H1"))
            assert not await client.quiet()
            venue.order("events", login="DESK", duplicate=1.0)
            client.command(place("D1"))
            await client.until("Filled|D1")
            assert (await client.next())[0] == "Filled|D1"
            venue.order("clear")
            await client.quiet()
            venue.order("events", login="DESK", drop_fills=1.0)
            client.command(place("F1"))
            told = [key for key, _ in await client.quiet()]
            assert "OrderStatus|F1" in told and not [key for key in told if key.endswith("|F1") and "ill" in key]
            venue.order("clear")
            venue.order("silence", login="DESK", seconds=0.3)
            client.command(place("S1"))
            assert not await client.quiet(0.1)
            venue.order("clear")
            assert venue.order("replay", login="DESK")["events"] > 10
            await client.until("Filled|S1")
            venue.order("disconnect", login="DESK", frame=2)
            client.command(place("X1"))
            assert await client.closed()
        async with raw(venue.port) as client:
            await client.until("Filled|H1")
            venue.order("go_away", login="DESK")
            await client.until("ATI", "False")
            client.command(place("O1"))
            await client.until("ATI", "True", within_s=4)
            assert "O1" not in venue.received()
        venue.order("disconnect", login="DESK", refuse_s=0.3)
        async with raw(venue.port) as client:
            assert await client.closed()


async def test_files_are_carried_out_once_and_say_what_became_of_them(tmp_path: Path) -> None:
    async with practice(folder=str(tmp_path)) as venue, raw(venue.port) as client:
        folder = tmp_path / "DESK"
        assert (folder / "outgoing" / "DESK.txt").read_text() == "CONNECTED"
        aside = folder / "oif.tmp"

        def put(name: str, *lines: str) -> None:
            aside.write_text("\r\n".join(lines) + "\r\n")
            aside.rename(folder / "incoming" / name)

        put("oif1.txt", f"PLACE;SIM1;{ES};BUY;2;MARKET;;;DAY;;OID1;;", f"PLACE;SIM1;{ES};BUY;1;MARKET;;;DAY;;OID2;;")
        await client.until("Filled|OID2")
        state, filled, price = (folder / "outgoing" / "OID1.txt").read_text().split(";")
        assert (state, filled) == ("Filled", "2") and Decimal(price) > 0
        side, qty, _ = (folder / "outgoing" / f"{ES} CME_SIM1_Position.txt").read_text().split(";")
        assert (side, qty) == ("LONG", "3")
        put("oif1.txt", f"PLACE;SIM1;{ES};BUY;2;MARKET;;;DAY;;OID3;;")
        await until(lambda: not list((folder / "incoming").iterdir()))
        assert venue.net() == 3, "a file name counts once"
        put("oif2.txt", f"CLOSEPOSITION;SIM1;{ES};;;;;;;;;;")
        await client.until(f"MarketPosition|{ES}|SIM1", "0")
