"""The feed against the practice door over real sockets: nothing lost or twice, no limit broken, no gap kept quiet."""

import asyncio
from pathlib import Path
from random import Random

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from brokers.binance.limits import Limits
from brokers.binance.source import BinanceSource
from brokers.feed import FeedDown
from schema.clock import SYSTEM_CLOCK
from schema.market import DepthSnapshot, FeedGap, Interval, SessionChanged, SessionState, Trade
from schema.records import Bar
from tests.brokers.binance.bench import practised

ES, MES = "ESUSDT", "MESUSDT"
NO_WEIGHT = {"weight": 1_000_000}


async def test_trades_quotes_depth_and_session_are_told(tmp_path: Path) -> None:
    async with practised(tmp_path) as bench:
        await bench.feed.subscribe(["esusdt", MES])
        await bench.feed.subscribe([ES])  # again: harmless
        await bench.until(lambda: len(bench.told.of(Trade)) > 50 and len(bench.told.quotes(MES)) > 5)
        await bench.settled(ES, MES)
        bench.prove(ES, MES)
        assert [(each.symbol, each.state) for each in bench.told.of(SessionChanged)] == [
            (ES, SessionState.OPEN),
            (MES, SessionState.OPEN),
        ]
        assert len(bench.told.of(DepthSnapshot)) == 2
        assert bench.told.of(FeedGap) == []
        market = bench.door.markets[ES]
        (bid, bid_size), (ask, ask_size) = market.side(1, 1)[0], market.side(-1, 1)[0]
        tick = float(market.contract.product.tick_size)
        await bench.until(
            lambda: (
                [(q.bid, q.bid_size, q.ask, q.ask_size) for q in bench.told.quotes(ES)[-1:]]
                == [(bid * tick, bid_size, ask * tick, ask_size)]
            )
        )
        health = bench.health()
        assert (health.ws_state, health.reconnects, health.gaps, health.dropped) == ("up", 0, 0, 0)
        assert health.last_msg_age_ms >= 0
        stored = {trade.trade_id: trade for trade in bench.told.of(Trade) if trade.symbol == ES}
        for row in market.trades_from(bench.told.first_id[ES], 1000):
            told = stored[str(row.trade_id)]
            assert (told.price, told.size, told.aggressor == "sell") == (row.ticks * tick, row.qty, row.seller)
            assert told.ts_ns == row.at_ms * 1_000_000


async def test_a_symbol_the_venue_has_not_is_refused_by_name(tmp_path: Path) -> None:
    async with practised(tmp_path) as bench:
        with pytest.raises(FeedDown, match=r"^symbol: binance has no 'ESUSD'; did you mean ESUSDT\?$"):
            await bench.feed.subscribe([ES, "ESUSD"])
        assert bench.health().ws_state == "idle"
        (listed,) = await bench.source.listing.require([ES])
        assert (str(listed.tick_size), str(listed.lot_size)) == ("0.25", "1")


async def test_what_is_left_is_told_no_more(tmp_path: Path) -> None:
    async with practised(tmp_path) as bench:
        await bench.feed.subscribe([ES, MES])
        await bench.until(lambda: {ES, MES} <= bench.told.last_id.keys())
        await bench.feed.unsubscribe([MES])
        await bench.until(lambda: all(len(socket.streams) == 3 for socket in bench.door.sockets))
        before = len([event for event in bench.told.events if event.symbol == MES])
        await bench.until(lambda: len(bench.told.of(Trade)) > before + 100)
        assert len([event for event in bench.told.events if event.symbol == MES]) == before
        await bench.settled(ES)
        bench.prove(ES)


async def test_through_100_forced_disconnects_every_trade_is_told_once_and_the_book_is_the_venues(
    tmp_path: Path,
) -> None:
    async with practised(tmp_path, door=NO_WEIGHT) as bench:
        await bench.feed.subscribe([ES, MES])
        for number in range(100):
            await bench.until(lambda: bench.health().ws_state == "up" and bench.told.numbers.keys() == {ES, MES})
            if number % 3 == 2:
                await bench.another_trade()
            assert bench.faults("disconnect")["sockets"] >= 1
            await bench.until(lambda number=number: bench.health().ws_state != "up")
        await bench.until(lambda: bench.health().reconnects == 100)
        await bench.settled(ES, MES)
        bench.prove(ES, MES)
        assert bench.told.missed == 0  # each could be fetched
        assert bench.told.depth_gaps >= 100
        assert bench.door.limits.refused == 0
        first = bench.told.first_id
        expected = sum(bench.door.markets[each].last_trade_id - first[each] + 1 for each in (ES, MES))
        assert len(bench.told.of(Trade)) == expected > 300


async def test_a_quiet_symbol_is_caught_up_after_a_reconnect(tmp_path: Path) -> None:
    """What happened while the connection was gone is told though nothing happens after it."""
    async with practised(tmp_path) as bench:
        await bench.feed.subscribe([ES])
        await bench.another_trade()
        await bench.settled(ES)
        bench.faults("disconnect", refuse_s=0.3)
        await bench.until(lambda: bench.health().ws_state == "down")
        contract = bench.door.markets[ES].contract
        bench.control("print", symbol=contract.symbol, limit="4800.25", qty=5, side="buy")
        bench.sandbox.venue.market_level(contract.contract_id, 1, 4000 * 4, 77)
        await bench.settled(ES)
        bench.prove(ES)
        assert (1, 4000.0) in bench.told.books[ES]


async def test_a_feed_that_is_run_again_goes_on_where_it_was(tmp_path: Path) -> None:
    async with practised(tmp_path) as bench:
        await bench.feed.subscribe([ES])
        await bench.another_trade()
        await bench.end()
        assert bench.health().ws_state == "off"
        seen, market = bench.told.last_id[ES], bench.door.markets[ES]
        await bench.until(lambda: (market.catch_up(), market.last_trade_id)[1] > seen + 10)
        bench.begin()
        await bench.until(lambda: bench.told.last_id[ES] > seen)
        await bench.settled(ES)
        bench.prove(ES)
        assert bench.told.missed == 0


async def test_history_and_feed_say_when_they_are_not_served_from_here(tmp_path: Path) -> None:
    """HTTP 451 and 403, which the door does not give: a venue of a few lines does."""
    for status, sentence in (
        (451, r"^binance serves nobody from here \(HTTP 451\): turn it off"),
        (403, r"^binance keeps this address out \(HTTP 403\); it takes no requests for \d+ s more\.$"),
        (500, r"^binance fails at exchangeInfo \(HTTP 500\); asked again for 0 s\.$"),
        (400, r"^binance refuses exchangeInfo \(HTTP 400\)\.$"),
    ):
        server = TestServer(_answering(status))
        await server.start_server()
        source = BinanceSource(
            SYSTEM_CLOCK, Random(1), rest_url=str(server.make_url("")), limits=Limits(give_up_s=0.2, first_wait_s=0.01)
        )
        with pytest.raises(FeedDown, match=sentence):
            await source.feed.subscribe([ES])
        await source.close()
        await server.close()


def _answering(status: int) -> web.Application:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    return application


@pytest.mark.parametrize(
    "fault",
    [
        {"duplicate": 0.5},
        {"drop_fills": 0.2},
        {"reorder": True},
        {"duplicate": 0.3, "drop_fills": 0.1, "reorder": True},
    ],
)
async def test_lost_repeated_and_shuffled_messages_change_nothing_of_what_is_told(
    tmp_path: Path, fault: dict[str, object]
) -> None:
    async with practised(tmp_path, door=NO_WEIGHT) as bench:
        await bench.feed.subscribe([ES])
        bench.faults("events", **fault)
        await bench.until(lambda: len(bench.told.of(Trade)) > 300, 30.0)
        bench.faults("events")
        await bench.another_trade()
        await bench.settled(ES)
        bench.prove(ES)
        assert bench.told.missed == 0


async def test_trades_the_venue_will_not_say_are_a_gap_with_their_count(tmp_path: Path) -> None:
    async with practised(tmp_path, fill_s=0.3, request_s=0.2) as bench:
        await bench.feed.subscribe([ES])
        await bench.until(lambda: bench.told.last_id.get(ES, 0) > 0)
        bench.faults("hang", seconds=60)
        bench.faults("events", drop_fills=0.3)
        await bench.until(lambda: bench.told.missed > 0)
        bench.control("clear")
        await bench.another_trade()
        await bench.settled(ES)
        bench.prove(ES)
        gap = next(gap for gap in bench.told.of(FeedGap) if gap.missed)
        assert gap.since_ns <= gap.ts_ns and "in time" in gap.reason


async def test_a_renewal_before_the_24th_hour_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with practised(tmp_path, door={"life_s": 5.0, **NO_WEIGHT}, renew_after_s=0.6) as bench:
        await bench.feed.subscribe([ES, MES])
        await bench.until(lambda: bench.door.served >= 5, 30.0)
        await bench.settled(ES, MES)
        bench.prove(ES, MES)
        assert bench.told.of(FeedGap) == []
        assert (bench.health().reconnects, bench.told.snapshots) == (0, 2)


async def test_a_server_that_will_shut_down_is_left_before_it_does(tmp_path: Path) -> None:
    async with practised(tmp_path) as bench:
        await bench.feed.subscribe([ES])
        await bench.until(lambda: ES in bench.told.last_id)
        (old,) = bench.door.sockets
        bench.faults("shutdown")
        await bench.until(lambda: bench.door.sockets != {old} and old not in bench.door.sockets)
        await bench.settled(ES)
        bench.prove(ES)
        assert bench.told.of(FeedGap) == []


async def test_a_silent_connection_is_left_and_pings_alone_keep_one(tmp_path: Path) -> None:
    async with practised(tmp_path, door={"ping_s": 0.2}, silence_s=2.0, open_s=0.5) as bench:
        await bench.feed.subscribe([ES])
        await bench.another_trade()
        await bench.settled(ES)
        served = bench.door.served
        await bench.until(lambda: bench.health().last_msg_age_ms > 3_000)
        assert bench.door.served == served  # nothing but pings for longer than the silence allowed
        bench.faults("silence", seconds=2.5)
        await bench.until(lambda: bench.health().reconnects >= 1)
        await bench.settled(ES)
        bench.prove(ES)


async def test_streams_are_dealt_to_connections_within_the_pace_of_messages(tmp_path: Path) -> None:
    """Two streams a connection, one to a message, as 1,024 and 200 are: no connection is told too much at a time."""
    async with practised(tmp_path, door={"streams": 2}, streams_per_connection=2, params_per_message=1) as bench:
        await bench.feed.subscribe([ES, MES])
        await bench.until(lambda: bench.told.last_id.keys() == {ES, MES} == bench.told.numbers.keys())
        await bench.until(lambda: sorted(len(socket.streams) for socket in bench.door.sockets) == [2, 2, 2])
        bench.faults("disconnect")
        await bench.until(lambda: bench.health().reconnects == 3 and bench.health().ws_state == "up")
        await bench.settled(ES, MES)
        bench.prove(ES, MES)
        most = max(socket.most_in_a_second for socket in bench.door.sockets)
        assert max(most, bench.door.most_in_a_second) <= 5
        assert (bench.requests("too many messages"), bench.requests("too many streams")) == (0, 0)


async def test_many_requests_on_one_connection_stay_below_five_messages_a_second(tmp_path: Path) -> None:
    async with practised(tmp_path, params_per_message=1) as bench:
        await bench.feed.subscribe([ES, MES])
        for _ in range(3):
            await bench.feed.unsubscribe([MES])
            await bench.feed.subscribe([MES])
        await bench.until(lambda: [len(socket.streams) for socket in bench.door.sockets] == [6], 30.0)
        await bench.until(lambda: MES in bench.told.numbers)
        assert max(socket.most_in_a_second for socket in bench.door.sockets) <= 5
        assert bench.requests("too many messages") == 0
        assert bench.health().reconnects == 0


async def test_connections_stay_below_the_attempts_of_an_address(tmp_path: Path) -> None:
    async with practised(
        tmp_path, door={"attempts": 6, "attempts_window_s": 2.0}, attempts=5, attempts_window_s=2.0
    ) as bench:
        await bench.feed.subscribe([ES])
        for _ in range(8):
            await bench.until(lambda: bench.health().ws_state == "up")
            bench.faults("disconnect")
            await bench.until(lambda: bench.health().ws_state != "up")
        await bench.until(lambda: bench.health().ws_state == "up")
        assert bench.door.limits.attempts == 9  # none was refused and tried again


async def test_the_weight_of_an_address_is_never_overspent(tmp_path: Path) -> None:
    async with practised(tmp_path, door={"weight": 200, "weight_minute_by_clock": False}) as bench:
        await bench.feed.subscribe([ES])
        await bench.until(lambda: ES in bench.told.numbers)
        for _ in range(4):
            await bench.until(lambda: bench.health().ws_state == "up")
            bench.faults("disconnect")
            await bench.until(lambda: bench.health().ws_state != "up")
        await bench.until(lambda: bench.health().ws_state == "up")
        await bench.until(lambda: bench.source.rest.weights.used(asyncio.get_running_loop().time()) > 100)
        assert bench.door.limits.most <= 160  # four fifths of it; the rest is for others at this address
        assert bench.door.limits.refused == 0


async def test_weight_that_others_spent_counts(tmp_path: Path) -> None:
    async with practised(tmp_path, door={"weight": 200, "weight_minute_by_clock": False}) as bench:
        other = type(bench.source.rest)(bench.addresses["rest"], bench.source.rest._clock, bench.source.rest._limits)
        for _ in range(3):
            await other.listing()  # 60 of another program
        await other.close()
        await bench.source.listing.require([ES])
        weights = bench.source.rest.weights
        assert weights.used(asyncio.get_running_loop().time()) == 80


async def test_a_429_is_waited_out_as_long_as_the_venue_says(tmp_path: Path) -> None:
    async with practised(tmp_path, give_up_s=90.0) as bench:
        bench.faults("throttle", count=1)
        asked = asyncio.create_task(bench.feed.subscribe([ES]))
        await bench.until(lambda: bench.door.limits.refused == 1)
        weights = bench.source.rest.weights
        await bench.until(lambda: weights._closed_until > 0)
        left_s = weights._closed_until - asyncio.get_running_loop().time()
        assert 0 < left_s <= 61
        assert bench.requests("exchangeInfo") == 1
        weights._closed_until = 0.0  # the minute is over
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await bench.feed.subscribe([ES])
        assert bench.requests("exchangeInfo") == 2


async def test_a_ban_is_one_sentence_and_no_request_follows(tmp_path: Path) -> None:
    door = {"weight": 10, "patience": 0, "ban_s": 600.0}
    async with practised(tmp_path, door=door) as bench:
        with pytest.raises(
            FeedDown, match=r"^binance bans this address \(HTTP 418\): Way too much .* for \d+ s more\.$"
        ):
            await bench.feed.subscribe([ES])
        with pytest.raises(FeedDown, match="HTTP 418"):
            await bench.feed.subscribe([ES])
        assert bench.requests("exchangeInfo") == 1


async def test_a_venue_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    async with practised(tmp_path, give_up_s=0.3) as bench:
        bench.source.rest._base = "http://127.0.0.1:9"
        with pytest.raises(FeedDown, match=r"^binance can't be reached at http://127.0.0.1:9 \(.*\); asked again"):
            await bench.feed.subscribe([ES])


async def test_history_comes_in_pages_without_a_hole_or_a_repeat(tmp_path: Path) -> None:
    async with practised(tmp_path, page=50) as bench:
        bench.play(on=False)
        market = bench.door.markets[ES]
        market.catch_up()
        first, last = market.trades[3], market.trades[-4]
        since_ns, until_ns = first.at_ms * 1_000_000, last.at_ms * 1_000_000
        pages = [page async for page in bench.source.history.trades(ES, since_ns, until_ns)]
        assert len(pages) > 5 and max(map(len, pages)) <= 50
        told = [int(trade.trade_id) for page in pages for trade in page]
        assert told == [trade.trade_id for trade in market.trades if first.at_ms <= trade.at_ms < last.at_ms]
        bars: list[Bar] = []
        minutes = [page async for page in bench.source.history.bars(ES, Interval.parse("1m"), since_ns, until_ns)]
        for page in minutes:
            bars += page
        assert len(minutes) > 1
        starts = [bar.start_ns for bar in bars]
        assert starts == list(range(starts[0], starts[-1] + 1, 60_000_000_000))
        assert starts[0] >= since_ns and starts[-1] < until_ns
        assert bench.health().catchup_candles_total == len(bars)
        with pytest.raises(FeedDown, match="interval: binance has no candles of 500t"):
            _ = [page async for page in bench.source.history.bars(ES, Interval.parse("500t"), since_ns, until_ns)]


async def test_through_a_flood_nothing_is_lost_and_the_loop_gives_others_their_turn(tmp_path: Path) -> None:
    """Two hundred times the market's pace: a task that wants its turn every 10 ms is as a rule not kept waiting longer
    than a frame, beside how long it waits here without the feed."""
    late_ms: list[float] = []

    async def beat() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.01
            await asyncio.sleep(0.01)
            late_ms.append((loop.time() - due) * 1e3)

    async with practised(tmp_path, speed=200.0, door=NO_WEIGHT) as bench:
        beating = asyncio.create_task(beat())
        await bench.until(lambda: len(late_ms) == 50)
        beating.cancel()
        quiet_ms = sorted(late_ms)[25]
        late_ms.clear()
        await bench.feed.subscribe([ES, MES])
        await bench.until(lambda: bench.told.last_id.keys() == {ES, MES} == bench.told.numbers.keys())
        beating = asyncio.create_task(beat())
        await bench.until(lambda: len(bench.told.of(Trade)) > 5_000, 30.0)
        beating.cancel()
        await bench.settled(ES, MES)
        bench.prove(ES, MES)
        assert bench.told.of(FeedGap) == []
        assert sorted(late_ms)[len(late_ms) // 2] < 5 * quiet_ms + 25


async def test_frames_that_nobody_asked_for_or_can_read_cost_no_trade(tmp_path: Path) -> None:
    async with practised(tmp_path) as bench:
        await bench.feed.subscribe([ES])
        await bench.another_trade()
        bench.door.babble("binance", 200, garbled=False)
        await bench.another_trade()
        assert bench.health().dropped == 0
        bench.door.babble("binance", 200, garbled=True)
        await bench.until(lambda: bench.health().dropped == 200)
        await bench.settled(ES)
        bench.prove(ES)
        assert (bench.health().reconnects, bench.told.missed) == (0, 0)
