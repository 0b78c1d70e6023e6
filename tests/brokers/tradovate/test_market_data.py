"""Promises about market data: quotes and bars arrive, come back after a loss, and never touch the order stream."""

import asyncio

import pytest

from brokers.adapter import BarsUpdated, MarketTold, OrderAccepted, QuoteUpdated, RequestRefused, StreamDown
from schema.market import Trade
from tests.brokers.tradovate.bench import Bench, buy, connected, until
from tests.brokers.tradovate.venue import Venue

BAR = {"timestamp": "2023-12-25T23:01:00.000Z", "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5}


@pytest.fixture
async def venue():
    async with Venue().serving() as serving:

        async def market(client, path, i, body):
            if path != "md/getchart":
                return None
            # History overtakes the answer that names its ids.
            later = BAR | {"timestamp": "2023-12-25T23:02:00.000Z", "upVolume": 3, "downVolume": 4}
            await client.send({"e": "chart", "d": {"charts": [{"id": 32, "td": 20231225, "bars": [later, BAR]}]}})
            await client.send({"s": 200, "i": i, "d": {"historicalId": 32, "realtimeId": 31}})
            await client.send({"e": "chart", "d": {"charts": [{"id": 32, "eoh": True}]}})
            await client.send({"e": "chart", "d": {"charts": [{"id": 31, "td": 20231225, "bars": [later]}]}})
            quote = {
                "timestamp": BAR["timestamp"],
                "contractId": 501,
                "entries": {"Bid": {"price": 1.25, "size": 7.123}},
            }
            await client.send({"e": "md", "d": {"quotes": [quote]}})
            quote = quote | {"entries": {"Offer": {"price": 1.5, "size": 2}, "LowPrice": {"price": 1}}}
            await client.send({"e": "md", "d": {"quotes": [quote]}}, {"e": "md", "d": {"doms": []}})
            return "nothing"

        serving.on_ws = market
        yield serving


async def test_quotes_and_bars_arrive(venue: Venue):
    async with connected(venue) as bench:
        await bench.adapter.watch("ESH4", 60, 100)
        await bench.adapter.watch("ESH4", 60, 100)
        await until(lambda: len(bench.of(BarsUpdated)) == 2 and len(bench.of(QuoteUpdated)) == 2, "bars and quotes")
        history, live = bench.of(BarsUpdated)
        assert [bar.start_ns % 120_000_000_000 for bar in history.bars] == [60_000_000_000, 0]
        assert (live.symbol, live.interval_s, live.bars[0].volume) == ("ESH4", 60, 7)
        quote = bench.of(QuoteUpdated)[-1].quote
        assert (quote.bid, quote.bid_size, quote.ask, quote.last) == (1.25, 7.123, 1.5, None)
        (chart,) = venue.asked("md/getchart")
        assert chart == {
            "symbol": "ESH4",
            "chartDescription": {
                "elementSize": 1,
                "underlyingType": "MinuteBar",
                "elementSizeUnit": "UnderlyingUnits",
                "withHistogram": False,
            },
            "timeRange": {"asMuchAsElements": 100},
        }
        assert "authorize\n1\n\ncanary-md-token" in venue.raw_frames


async def test_market_data_comes_back_by_itself_and_orders_never_notice(venue: Venue):
    async with connected(venue) as bench:
        await bench.adapter.watch("ESH4", 60, 100)
        await until(lambda: bench.of(QuoteUpdated), "quotes")
        market = next(client for client in venue.clients if not client.synced)
        market.ws._req.transport.abort()
        await until(lambda: len(venue.asked("md/subscribequote")) == 2, "subscribed again")
        assert len(venue.asked("md/getchart")) == 2
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderAccepted), "accepted")
        assert bench.of(StreamDown) == []


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_that_is_closed_while_its_market_data_is_lost_ends(venue: Venue, turns: int):
    bench = Bench(venue)
    await bench.adapter.connect()
    await bench.adapter.watch("ESH4", 60, 100)
    await until(lambda: bench.of(QuoteUpdated), "quotes")
    for client in venue.clients:
        client.ws._req.transport.abort()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(3):
        await bench.adapter.close()


async def test_orders_work_where_market_data_does_not(venue: Venue):
    async with connected(venue, md_url="ws://127.0.0.1:1/v1/websocket") as bench:
        await bench.adapter.watch("ESH4", 60, 100)
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderAccepted), "accepted")
        assert bench.adapter.health().state == "up"


async def test_what_cannot_be_watched_is_refused(venue: Venue):
    async with connected(venue, md_url="") as bench:
        with pytest.raises(RequestRefused, match="md_url"):
            await bench.adapter.watch("ESH4", 60, 10)
    async with connected(venue) as bench:
        with pytest.raises(RequestRefused, match="multiple of 60"):
            await bench.adapter.watch("ESH4", 5, 10)
        with pytest.raises(RequestRefused, match="no contract"):
            await bench.adapter.watch("QQQ9", 60, 10)


async def test_ticks_are_told_in_order_and_once_and_one_without_a_time_leaves_a_gap():
    def packet(chart_id, *ticks, bt=1_703_545_200_000):
        tks = [{"t": t, "p": p, "s": 2, "id": tick_id, "b": -1, "bs": 3, "a": 0, "as": 4} for tick_id, t, p in ticks]
        return {
            "e": "chart",
            "d": {"charts": [{"id": chart_id, "s": "db", "bt": bt, "bp": 19_200, "ts": 0.25, "tks": tks}]},
        }

    async with Venue().serving() as serving:

        async def market(client, path, i, body):
            if path != "md/getchart":
                return None
            await client.send(packet(41, (3, 9, -1)))  # it happens while history comes, before the answer
            await client.send({"s": 200, "i": i, "d": {"historicalId": 42, "realtimeId": 41}})
            await client.send(
                packet(42, (2, 5, 0), (1, 1, 1)), {"e": "chart", "d": {"charts": [{"id": 42, "eoh": True}]}}
            )
            await client.send(packet(41, (3, 9, -1), (4, 12, 2)))
            await client.send(packet(41, (5, 1, 0), bt=10**18), packet(41, (6, 20, 0)))
            return "nothing"

        serving.on_ws = market
        async with connected(serving) as bench:
            await bench.adapter.follow("ESH4")
            await until(lambda: len(bench.of(MarketTold)) >= 6, "ticks")
            told = [each.event for each in bench.of(MarketTold)]
            assert [getattr(each, "trade_id", "gap") for each in told] == ["1", "2", "3", "4", "gap", "6"]
            assert [each.price for each in told if isinstance(each, Trade)] == [4800.25, 4800, 4799.75, 4800.5, 4800]
            assert [str(each.aggressor) for each in told[:3]] == ["buy", "buy", "sell"]
            assert (told[4].since_ns, told[4].ts_ns) == (told[3].ts_ns, told[5].ts_ns)
        assert serving.asked("md/getchart")[0]["timeRange"] == {"asMuchAsElements": 1}
        assert serving.asked("md/subscribedom") == [{"symbol": "ESH4"}]
