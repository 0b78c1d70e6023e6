"""A backfill to be killed: ``python -m tests.engine.backfill_child ADDRESS FIRST COUNT`` asks a venue whose pages come
slowly and prints how many it had after each one."""

import asyncio
import sys
from collections.abc import AsyncIterator

from engine.backfill import Backfill
from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval
from schema.records import Bar
from schema.store_market import MarketStore
from tests.engine.histories import MINUTE, MINUTE_NS, Past, minutes

_PAGE_S = 0.005


class _Slow(Past):
    async def bars(
        self, symbol: str, interval: Interval, since_ns: int, until_ns: int
    ) -> AsyncIterator[tuple[Bar, ...]]:
        async for page in super().bars(symbol, interval, since_ns, until_ns):
            await asyncio.sleep(_PAGE_S)  # the way to the venue and back
            yield page
            print(self.told, flush=True)


async def main(address: str, first: int, length: int) -> None:
    market = MarketStore(lambda: driver.connect(address, timeout=5))
    past = _Slow(minutes(first, length), page=100)
    await Backfill(past, market, SYSTEM_CLOCK).bars("ESZ6", MINUTE, first * MINUTE_NS, (first + length) * MINUTE_NS)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
