"""The lists, asked instead of the stream while it is down, silent, or silent about an order that the venue took.

`adapter.py` runs one beside the session (`protocols/projectx.md 2.6`). What it finds goes through `facts.py`, which
tells each fill once: going over to asking and back repeats nothing. It spends what the budget leaves to questions.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from brokers.adapter import VenueError
from brokers.budget import Lane
from brokers.projectx.connection import Connection
from brokers.projectx.translate import UnknownContract
from brokers.text import clean
from schema.clock import to_datetime

log = structlog.get_logger()
_BACK = timedelta(minutes=2)


class Poll:
    """`silent` is set by the session; `down` says that there is no hub, `expect` that an order must show up."""

    def __init__(self, connection: Connection) -> None:
        self.silent = False
        self.down = False
        self.rounds = 0
        self._connection = connection
        self._expected: dict[int, tuple[int, float]] = {}  # order id -> account, when it is overdue

    def expect(self, account_id: int, order_id: int) -> None:
        """The venue took an order: the stream must speak of it soon."""
        if not self._connection.facts.spoken_of(order_id):
            due_s = asyncio.get_running_loop().time() + self._connection.timing.expect_s
            self._expected[order_id] = (account_id, due_s)

    def caught_up(self) -> None:
        """The stream is up and everything was read."""
        self.silent = self.down = False

    async def run(self) -> None:
        """Look every `check_s`, ask every `poll_s` at most, for as long as the login lasts."""
        connection, timing = self._connection, self._connection.timing
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(timing.check_s)
            accounts = self._due(loop.time())
            if not accounts:
                continue
            try:
                for account_id in accounts:
                    await self._ask(account_id)
            except VenueError as error:
                log.warning("poll failed", connection=connection.config.connection, reason=clean(str(error)))
            await asyncio.sleep(timing.poll_s)

    def _due(self, now_s: float) -> list[int]:
        """The accounts to ask about now."""
        facts = self._connection.facts
        self._expected = {key: due for key, due in self._expected.items() if not facts.spoken_of(key)}
        if self.silent or self.down:
            return sorted(facts.accounts)
        return sorted({account_id for account_id, due_s in self._expected.values() if due_s <= now_s})

    async def _ask(self, account_id: int) -> None:
        """Orders before fills, so that a fill finds its order's tag."""
        connection, facts = self._connection, self._connection.facts
        if connection.budget.refusal(Lane.QUERY, count=3):
            return
        self.rounds += 1
        since = (to_datetime(connection.clock.now_ns()) - _BACK).isoformat()
        which: dict[str, object] = {"accountId": account_id}
        recent = which | {"startTimestamp": since}
        orders = (await connection.rest.read("Order/search", recent)).orders or ()
        working = (await connection.rest.read("Order/searchOpen", which)).orders or ()
        trades = (await connection.rest.read("Trade/search", recent)).trades or ()
        now_ns = connection.clock.now_ns()
        for order in (*orders, *working):
            with self._each():
                facts.order(order, now_ns)
        for trade in sorted(trades, key=lambda each: each.id):
            with self._each():
                facts.trade(trade, now_ns)

    @contextmanager
    def _each(self) -> Generator[None]:
        """A row of a contract that the desk can't name is no other row's concern."""
        try:
            yield
        except UnknownContract as error:
            log.warning("row not read", connection=self._connection.config.connection, reason=clean(str(error)))
