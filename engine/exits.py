"""Flatten: cancel working orders, close positions, and verify with the venue who is flat and who is not."""

import asyncio
from collections.abc import Iterable

import structlog

from brokers.adapter import BrokerAdapter, VenueError
from engine.core import Core, digest
from engine.seat import FlattenResult
from schema.clock import Clock
from schema.records import LiveOrder, VenueOrder

_ROUNDS = 3
_ROUND_S = 1.0
_POLL_S = 0.02
log = structlog.get_logger(__name__)


class Exits:
    """Closes accounts by their venues' own liquidation. The caller has taken them out of the leader's trade."""

    def __init__(self, core: Core, adapters: dict[str, BrokerAdapter], clock: Clock) -> None:
        self._core = core
        self._adapters = adapters
        self._clock = clock
        self.live: dict[tuple[str, str], LiveOrder] = {}  # orders that may still trade, as the venues last said

    def order_changed(self, order: VenueOrder) -> None:
        """Remember which orders may still trade."""
        if isinstance(order, LiveOrder):
            self.live[order.account, order.order_id] = order
        else:
            self.live.pop((order.account, order.order_id), None)

    async def flatten(self, accounts: Iterable[str]) -> FlattenResult:
        """Cancel and close everything of `accounts`, ask again for what is left, and verify by reading the venue."""
        started_ns = self._clock.now_ns()
        left = list(accounts)
        reasons: dict[str, str] = {}
        for round_no in range(_ROUNDS):
            answers = await asyncio.gather(*(self._close(account, started_ns, round_no) for account in left))
            reasons = {account: reason for account, reason in zip(left, answers, strict=True) if reason}
            await self._settled(left)
            left = [account for account in left if not self._is_flat(account)]
            if not left:
                break
        unread = await self._verify(accounts)
        not_flat = {account: reasons.get(account, "still holds a position or a working order") for account in left}
        not_flat |= {account: reason for account, reason in unread.items() if account not in not_flat}
        return FlattenResult(
            flat=tuple(account for account in accounts if account not in not_flat),
            not_flat=tuple(sorted(not_flat.items())),
            seconds=(self._clock.now_ns() - started_ns) / 1e9,
        )

    async def _close(self, account: str, started_ns: int, round_no: int) -> str:
        adapter = self._adapters.get(self._core.connection_of(account))
        if adapter is None:
            return "its connection is not running"
        held = {symbol for owner, symbol, holding in self._core.ledger.positions() if owner == account and holding.net}
        working = {order.symbol for order in self._working(account)}
        try:
            for symbol in sorted(held):
                tag = "cf" + digest(account, symbol, str(started_ns), str(round_no))
                await adapter.liquidate(account, symbol, tag)
            for order in [o for o in self._working(account) if o.symbol in working - held]:
                await adapter.cancel(account, order.order_id)
        except VenueError as error:
            log.warning("flatten", account=account, error=str(error))
            return str(error)
        return ""

    def _working(self, account: str) -> list[LiveOrder]:
        return [order for (owner, _), order in self.live.items() if owner == account]

    def _is_flat(self, account: str) -> bool:
        held = any(h.net for owner, _, h in self._core.ledger.positions() if owner == account)
        return self._core.ledger.known(account) and not held and not self._working(account)

    async def _settled(self, accounts: list[str]) -> None:
        ends_ns = self._clock.now_ns() + int(_ROUND_S * 1e9)
        while self._clock.now_ns() < ends_ns and not all(self._is_flat(a) for a in accounts):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)  # the ledger is what is waited for: it belongs to the core and has no events

    async def _verify(self, accounts: Iterable[str]) -> dict[str, str]:
        """Accounts the venue, read now, does not show as flat."""
        wanted = set(accounts)
        problems: dict[str, str] = {}
        for connection in sorted({self._core.connection_of(account) for account in wanted}):
            mine = [a for a in self._core.accounts_of(connection) if a in wanted]
            try:
                snapshot = await self._adapters[connection].snapshot()
            except (VenueError, KeyError) as error:
                problems |= dict.fromkeys(mine, f"not verified: {error}")
                continue
            for account in mine:
                open_now = [p for p in snapshot.positions if p.account == account and p.net_qty]
                working = [o for o in snapshot.orders if o.account == account and isinstance(o, LiveOrder)]
                if account not in snapshot.complete:
                    problems[account] = "not verified: the venue left it out"
                elif open_now or working:
                    problems[account] = f"the venue shows {len(open_now)} positions and {len(working)} working orders"
        return problems
