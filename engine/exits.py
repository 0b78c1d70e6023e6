"""The desk's exits: flatten by the trader's word, whatever state the copies are in. Owned by `engine/desk.py`.

`engine/flatten.py` does the work from what the venues say; here it meets the core: which accounts, whose logins, and
which of our own orders may still bring something.
"""

import asyncio
from collections.abc import Sequence

from brokers.adapter import BrokerAdapter
from engine.core import Core
from engine.flatten import LIMIT_S, Book, Flatten, Login
from engine.seat import FlattenResult
from schema.clock import Clock


class Exits:
    """Closes accounts. The caller has taken them out of the leader's trade."""

    def __init__(self, core: Core, adapters: dict[str, BrokerAdapter], clock: Clock) -> None:
        self.book = Book()
        self.limit_s = LIMIT_S
        self._core = core
        self._adapters = adapters
        self._clock = clock
        self._running: dict[str, tuple[Flatten, asyncio.Task[FlattenResult]]] = {}

    async def flatten(self, target: str, accounts: Sequence[str]) -> FlattenResult:
        """Cancel and close everything of `accounts`, verified with the venue. Asked for again while it runs, it is the
        same flatten. It goes on when whoever asked goes away."""
        if target not in self._running:
            logins: dict[str, list[str]] = {}
            for account in accounts:
                logins.setdefault(self._core.connection_of(account), []).append(account)
            reachable = [
                Login(connection=connection, accounts=tuple(names), adapter=self._adapters[connection])
                for connection, names in logins.items()
                if connection in self._adapters
            ]
            flatten = Flatten(
                f"flatten {target}",
                reachable,
                self.book,
                self._clock,
                pending=self._pending,
                limit_s=self.limit_s,
            )
            task = asyncio.create_task(flatten.run(), name=f"flatten {target}")
            task.add_done_callback(lambda _: self._running.pop(target, None))
            self._running[target] = flatten, task
        result = await asyncio.shield(self._running[target][1])
        named = {account for account in (*result.flat, *(account for account, _ in result.not_flat))}
        missing = tuple((a, "its connection is not running") for a in accounts if a not in named)
        return FlattenResult(flat=result.flat, not_flat=(*result.not_flat, *missing), seconds=result.seconds)

    def says(self) -> str:
        """How the flattens that run now stand, for the screen; empty when there is none."""
        return "; ".join(flatten.says() for flatten, _ in self._running.values())

    async def stop(self) -> None:
        """The desk closes: leave the venues as they are."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _pending(self, account: str) -> str:
        """Why copies, or orders of the trader's, may still bring this account something, or ''. What waits for the
        journal was never sent, and will not be: the account is being flattened."""
        sent = any(order.sent and order.copy.follower == account for order in self._core.inflight.all())
        sent = sent or self._core.manual.pending(account)
        return "the outcome of an order is still being asked for" if sent else ""
