"""A process that trades over FIX until it is killed: `python -m tests.peers.fix_child PORT VERSION NAME`. Its session's
numbers are in the Postgres of COPYDESK_DATABASE_URL. Prints `up`, then a line for each order it sends."""

import asyncio
import os
import signal
import sys
from random import Random

import structlog

from brokers.adapter import Event
from brokers.fix.adapter import FixAdapter
from schema.clock import SYSTEM_CLOCK
from schema.login import AdapterSettings, Credentials
from schema.records import AccountConfig, ConnectionConfig, Environment, FixLogin
from schema.settings import Settings
from schema.store import Store
from tests.brokers.fix.door import order


async def main(port: int, version: str, name: str) -> None:
    store = await Store.open(Settings(database_url=os.environ["COPYDESK_DATABASE_URL"]), SYSTEM_CLOCK)  # type: ignore[arg-type]
    events: list[Event] = []
    adapter = FixAdapter(
        ConnectionConfig(
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
                dialect="generic-plain",
                tls=False,
            ),
        ),
        Credentials(username="", password=""),
        AdapterSettings(requests_per_min=60_000, reconnect_cap_s=0.2),
        SYSTEM_CLOCK,
        events.append,
        Random(1),
        accounts=[AccountConfig(account="SIM1", connection="fix1", venue_id="SIM1")],
        sessions=store,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await adapter.connect()
    print("up", flush=True)
    number = 0
    while not stop.is_set():
        number += 1
        await adapter.place([order(f"{name}-{number}")])
        print(number, flush=True)
        await asyncio.sleep(0.003)
    await asyncio.sleep(0.3)
    await adapter.close()
    await store.close()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is the test's
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
