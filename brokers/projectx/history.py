"""ProjectX as a `History`: candles over HTTP, in windows that no answer can overflow (`protocols/projectx.md 2.5,
2.7`). Candles are all that it tells of the past; trades of the market it tells live alone.

`logged_in` is a login of its own without hubs, so that a running desk keeps its session; `brokers/histories.py` opens
it for the shell. A desk's adapter gives one its connection's `rest`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from brokers.adapter import Credentials, RequestRefused, VenueError
from brokers.budget import Lane, RequestBudget
from brokers.feed import FeedDown
from brokers.patience import patiently
from brokers.projectx.http import Http, addresses
from brokers.projectx.login import Login
from brokers.projectx.market_data import bar_of, unit_of
from brokers.projectx.market_stream import SOURCE
from brokers.projectx.reads import find_contract
from brokers.projectx.rest import Rest
from schema.clock import Clock, to_datetime
from schema.market import Interval, IntervalKind, S, Trade
from schema.records import Bar, ConnectionConfig

_PAGE = 10_000  # candles at most in a window; the venue would send 20,000
_PER_MIN = 20  # of the requests for candles, beside a desk that makes its own: older pages allow both 60 together
_LOOKS_PER_MIN = 30
_BREATH = 50  # candles read in one go, well under 1 ms: no order waits for them


class ProjectXHistory:
    """See the module's docstring. `ids` are the contracts that are known already, `page` how many candles are asked for
    at a time: an answer is read in one piece."""

    source = SOURCE

    def __init__(
        self,
        rest: Rest,
        host: str,
        *,
        lane: Lane = Lane.HISTORY,
        page: int,
        ids: dict[str, str] | None = None,
    ) -> None:
        self._rest = rest
        self._host = host
        self._lane = lane
        self._ids = {} if ids is None else ids
        self._page = page

    async def bars(
        self, symbol: str, interval: Interval, since_ns: int, until_ns: int
    ) -> AsyncIterator[tuple[Bar, ...]]:
        """Finished candles alone. Raises FeedDown, also for candles that are no time."""
        if interval.kind is not IntervalKind.TIME:
            raise FeedDown(f"interval: {self._host} has no candles of {interval}; write a time such as 1m or 4h.")
        contract_id = await self._contract_id(symbol)
        unit, number = unit_of(interval.count)
        window_ns = self._page * interval.count * S
        for at_ns in range(since_ns, until_ns, window_ns):
            end_ns = min(at_ns + window_ns, until_ns)
            asked: dict[str, object] = {
                "contractId": contract_id,
                "live": False,
                "startTime": to_datetime(at_ns).isoformat(),
                "endTime": to_datetime(end_ns).isoformat(),
                "unit": unit,
                "unitNumber": number,
                "limit": self._page + 2,  # both ends may be told, whatever the venue thinks of them
                "includePartialBar": False,
            }
            answer = await patiently(partial(self._rest.read, "History/retrieveBars", asked, lane=self._lane))
            page: dict[int, Bar] = {}
            for place, told in enumerate(answer.bars or ()):
                if place % _BREATH == _BREATH - 1:
                    await asyncio.sleep(0)
                bar = bar_of(symbol, contract_id, told)
                if at_ns <= bar.start_ns < end_ns:
                    page[bar.start_ns] = bar
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
        rest = Rest(http, login, budget, RequestBudget(clock, _PER_MIN, 0))
        yield ProjectXHistory(rest, http.host, lane=Lane.QUERY, page=_PAGE)
    finally:
        await login.close()
        await http.close()
