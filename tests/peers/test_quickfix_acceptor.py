"""The production adapter against the QuickFIX engine as its counterparty: orders, commands, forced disconnects, and
`kill -9` of the process that trades. 1,000 orders and 20 disconnects run in `make soak`, a short form everywhere."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("quickfix", reason="the QuickFIX engine is not built: `make peers` does it")

from brokers.adapter import Event, OrderAccepted, OrderNotSent, OrderSent, OrderUpdated, RequestRefused, StreamUp
from brokers.fix.adapter import FixAdapter
from brokers.sessions import MemorySessions
from schema.clock import SYSTEM_CLOCK
from schema.login import AdapterSettings, Credentials
from schema.records import AccountConfig, ConnectionConfig, Environment, FixLogin, OrderType
from schema.settings import Settings
from schema.store import Store
from tests.brokers.fix.door import Seat, order, until
from tests.peers.quickfix_venue import Running

BOTH = pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])


class Line:
    """The wire between the adapter and the venue, which a test can cut."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self) -> "Line":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._open -= {writer, back}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(4096):
                sink.write(data)
        except OSError:
            pass
        finally:
            sink.close()

    def cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    def stop(self) -> None:
        self.cut()
        self._server.close()


def login(port: int, version: str, dialect: str) -> ConnectionConfig:
    return ConnectionConfig(
        connection="fix1",
        venue="fix",
        environment=Environment.DEMO,
        username="DESK",
        fix=FixLogin(
            host="127.0.0.1",
            port=port,
            sender_comp_id="DESK",
            target_comp_id="QT",
            version=version,
            dialect=dialect,
            tls=False,
        ),
    )


@asynccontextmanager
async def at_quickfix(path: Path, version: str) -> AsyncIterator[tuple[Running, Line, Seat]]:
    venue = await asyncio.to_thread(Running, path, version)
    line = await Line(venue.port).start()
    events: list[Event] = []
    adapter = FixAdapter(
        login(line.port, version, "generic-plain"),
        Credentials(username="", password=""),
        AdapterSettings(deadline_s=2.0, requests_per_min=60_000, reconnect_cap_s=0.1),
        SYSTEM_CLOCK,
        events.append,
        Random(1),
        accounts=[AccountConfig(account="SIM1", connection="fix1", venue_id="SIM1")],
        sessions=MemorySessions(),
    )
    try:
        await adapter.connect()
        yield venue, line, Seat(adapter, events)
    finally:
        await adapter.close()
        line.stop()
        await asyncio.to_thread(venue.stop)


@BOTH
async def test_orders_commands_and_status_are_what_quickfix_expects(tmp_path: Path, version: str) -> None:
    async with at_quickfix(tmp_path, version) as (venue, _, on):
        await on.buy("C1", 3)
        await until(lambda: on.filled("C1") == 3)
        await on.buy("C2", 2, order_type=OrderType.LIMIT, limit_price=4990)
        order_id = (await on.one(OrderUpdated, "C2")).order.order_id
        await on.adapter.modify("SIM1", order_id, qty=3, order_type=OrderType.LIMIT, limit_price=4991)
        await on.adapter.cancel("SIM1", order_id)
        with pytest.raises(RequestRefused):
            await on.adapter.cancel("SIM1", order_id)
        snapshot = await on.adapter.snapshot()
        assert [p.net_qty for p in snapshot.positions] == [3]
        assert {each.cl_ord_id for each in snapshot.orders} == {"C1", "C2"}
        rejects = [each for each in venue.app.admin_out if "|35=3|" in each]
        assert rejects == []


@BOTH
async def test_quickfix_asks_for_everything_again_and_gets_no_order(tmp_path: Path, version: str) -> None:
    """T-REPLAY: the line breaks in the middle of a burst; QuickFIX sees the gap, asks, and is told by gap fill."""
    async with at_quickfix(tmp_path, version) as (venue, line, on):
        for batch in range(10):
            await on.adapter.place([order(f"B{batch}-{n}") for n in range(10)])
            if batch == 4:
                line.cut()
        await on.ups(2)
        await on.buy("LAST")
        await until(lambda: on.filled("LAST") == 1, 10)
        assert max(venue.app.orders.values()) == 1
        assert venue.app.resent == []


async def _storm(path: Path, version: str, orders: int, cuts: int) -> None:
    random = Random(orders)
    async with at_quickfix(path, version) as (venue, line, on):
        cut_at = set(random.sample(range(5, orders), cuts))
        for number in range(orders):
            await on.buy(f"C{number}")
            if number in cut_at:
                ups = len(on.all(StreamUp))
                await asyncio.sleep(random.uniform(0, 0.004))  # somewhere between the bytes and their answers
                line.cut()
                await until(lambda ups=ups: len(on.all(StreamUp)) > ups, 10, "not up again")
            elif number % 20 == 0:
                await asyncio.sleep(0.002)
        await until(lambda: on.filled(f"C{orders - 1}") == 1, 10)
        snapshot = await on.adapter.snapshot()
        shown = {each.cl_ord_id for each in snapshot.orders}
        sent = {each.cl_ord_id for each in on.all(OrderSent)}
        kept = {each.cl_ord_id for each in on.all(OrderNotSent)}
        heard = venue.app
        taken = heard.orders
        assert sum(count - 1 for count in taken.values()) == 0, "an order reached the venue twice"
        assert heard.resent == [], "an order was resent"
        assert set(taken) <= sent
        assert not set(taken) & kept, "an order that was said not to have left was taken"
        assert shown == set(taken), "what the desk knows is what the venue has"
        assert {each.cl_ord_id for each in on.all(OrderAccepted)} <= set(taken)
        assert snapshot.positions[0].net_qty == len(taken)
        assert heard.logons == cuts + 1
        too_low = [each for each in heard.admin_out if "too low" in each]
        assert too_low == [], "numbers went backwards"
        print(f"{version}: {len(taken)} of {orders} orders, {cuts} disconnects, 0 duplicates")


@BOTH
async def test_forced_disconnects_duplicate_nothing(tmp_path: Path, version: str) -> None:
    """T-DUP: the short form."""
    await _storm(tmp_path, version, 200, 6)


@pytest.mark.soak
@BOTH
async def test_a_thousand_orders_and_twenty_forced_disconnects(tmp_path: Path, version: str) -> None:
    await _storm(tmp_path, version, 1000, 20)


async def _killed(path: Path, settings: Settings, version: str, kills: int) -> None:
    """Kill a trading process again and again, with its numbers in a real Postgres."""
    random = Random(kills)
    venue = await asyncio.to_thread(Running, path, version)
    assert settings.database_url is not None
    try:
        for life in range(kills + 1):
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.peers.fix_child",
                str(venue.port),
                version,
                f"L{life}",
                env={**os.environ, "COPYDESK_DATABASE_URL": settings.database_url.get_secret_value()},
                stdout=asyncio.subprocess.PIPE,
            )
            assert child.stdout is not None
            async with asyncio.timeout(20):
                assert (await child.stdout.readline()) == b"up\n"
                for _ in range(random.randrange(1, 30)):
                    await child.stdout.readline()
            child.send_signal(signal.SIGKILL if life < kills else signal.SIGTERM)
            await child.wait()
        assert max(venue.app.orders.values()) == 1
        assert venue.app.resent == []
        assert [each for each in venue.app.admin_out if "too low" in each] == []
        assert [each for each in venue.app.admin_in if "|141=Y|" in each] == []
        assert venue.app.logons == kills + 1
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            saved = await store.load_fix("fix1")
        finally:
            await store.close()
        fills = [row for row in saved.rows if row.kind == "fill"]
        assert len(fills) == len(venue.app.orders), "every fill is known after the last life"
        print(f"{version}: {kills} kills, {len(venue.app.orders)} orders, 0 duplicates, numbers intact")
    finally:
        await asyncio.to_thread(venue.stop)


@BOTH
async def test_numbers_are_intact_after_kill_9(tmp_path: Path, settings: Settings, version: str) -> None:
    """T-CRASH: numbers only rise, what was missed comes again, no order is repeated."""
    await _killed(tmp_path, settings, version, 3)


@pytest.mark.soak
@BOTH
async def test_numbers_are_intact_after_twenty_kills(tmp_path: Path, settings: Settings, version: str) -> None:
    await _killed(tmp_path, settings, version, 20)
