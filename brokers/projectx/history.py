"""ProjectX as a `History`: candles over HTTP, in windows that no answer can overflow (`protocols/projectx.md 2.5,
2.7`). Candles are all that it tells of the past; trades of the market it tells live alone.

`logged_in` is a login of its own without hubs, so that a running desk keeps its session; `brokers/histories.py` opens
it for the shell. The desk gives one its connection's `rest`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import stamina

from brokers.adapter import Credentials, RequestRefused, RequestUnknown, VenueError, VenueUnreachable
from brokers.budget import RequestBudget
from brokers.feed import FeedDown
from brokers.projectx import wire
from brokers.projectx.http import Http, addresses
from brokers.projectx.login import Login
from brokers.projectx.market_data import bar_of, unit_of
from brokers.projectx.reads import find_contract
from brokers.projectx.rest import Rest
from schema.clock import Clock, to_datetime
from schema.market import Interval, IntervalKind, S, Trade
from schema.records import Bar, ConnectionConfig, RejectClass

SOURCE = "projectx"
_PAGE = 10_000  # candles at most in a window; the venue would send 20,000
_PER_MIN = 20  # of the requests for candles, beside a desk that makes its own: older pages allow both 60 together
_LOOKS_PER_MIN = 30
_WAIT_S = 1.0
_TRIES, _PATIENCE_S = 4, 60.0


class ProjectXHistory:
    """See the module's docstring."""

    source = SOURCE

    def __init__(self, rest: Rest, host: str) -> None:
        self._rest = rest
        self._host = host
        self._ids: dict[str, str] = {}

    async def bars(
        self, symbol: str, interval: Interval, since_ns: int, until_ns: int
    ) -> AsyncIterator[tuple[Bar, ...]]:
        """Finished candles alone. Raises FeedDown, also for candles that are no time."""
        if interval.kind is not IntervalKind.TIME:
            raise FeedDown(f"interval: {self._host} has no candles of {interval}; write a time such as 1m or 4h.")
        contract_id = await self._contract_id(symbol)
        unit, number = unit_of(interval.count)
        window_ns = _PAGE * interval.count * S
        for at_ns in range(since_ns, until_ns, window_ns):
            end_ns = min(at_ns + window_ns, until_ns)
            answer = await self._read(
                "History/retrieveBars",
                {
                    "contractId": contract_id,
                    "live": False,
                    "startTime": to_datetime(at_ns).isoformat(),
                    "endTime": to_datetime(end_ns).isoformat(),
                    "unit": unit,
                    "unitNumber": number,
                    "limit": _PAGE + 2,  # both ends may be told, whatever the venue thinks of them
                    "includePartialBar": False,
                },
            )
            told = (bar_of(symbol, contract_id, bar) for bar in answer.bars or ())
            page = {bar.start_ns: bar for bar in told if at_ns <= bar.start_ns < end_ns}
            if page:
                yield tuple(page[start_ns] for start_ns in sorted(page))

    async def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        """Raises FeedDown: the venue tells none of the past."""
        raise FeedDown(f"source: {self._host} tells no trades of the past; leave --trades out.")
        yield ()  # a generator by its form

    async def _contract_id(self, symbol: str) -> str:
        if symbol not in self._ids:
            self._ids[symbol] = await self._find(symbol)
        return self._ids[symbol]

    async def _find(self, symbol: str) -> str:
        try:
            contract, _ = await find_contract(self._rest, self._host, symbol)
        except RequestRefused as refused:
            raise FeedDown(f"symbol: {refused}; write a contract such as ESZ6.") from None
        except VenueError as error:
            raise FeedDown(f"source: {error}") from None
        return contract.id

    async def _read(self, path: str, body: dict[str, object]) -> wire.Lists:
        """One answer, waiting for the budget as long as it takes, and asking again what was not answered."""
        try:
            async for attempt in stamina.retry_context(
                on=(RequestUnknown, VenueUnreachable), attempts=_TRIES, timeout=_PATIENCE_S, wait_max=5.0
            ):
                with attempt:
                    return await self._in_turn(path, body)
        except VenueError as error:
            raise FeedDown(f"source: {error}") from None
        raise AssertionError("the last attempt returns or raises")

    async def _in_turn(self, path: str, body: dict[str, object]) -> wire.Lists:
        while True:
            try:
                return await self._rest.read(path, body)
            except RequestRefused as refused:
                if refused.reject_class is not RejectClass.THROTTLED:
                    raise
            await asyncio.sleep(_WAIT_S)


@asynccontextmanager
async def logged_in(
    config: ConnectionConfig, credentials: Credentials, clock: Clock
) -> AsyncGenerator[ProjectXHistory]:
    """The history of a login, over requests of its own. Raises LoginRefused or VenueUnreachable."""
    http = Http(addresses(config).rest)
    budget = RequestBudget(clock, _LOOKS_PER_MIN, 0)
    login = Login(config, credentials, http, budget, clock)
    try:
        await login.log_in()
        yield ProjectXHistory(Rest(http, login, budget, RequestBudget(clock, _PER_MIN, 0)), http.host)
    finally:
        await login.close()
        await http.close()
