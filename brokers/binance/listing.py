"""The symbols that the venue has, with tick and lot, so that one it does not have is refused by name.

The venue itself would take a subscription to nonsense and stay silent (`docs/binance.md` 4). Used by `feed.py` and
`history.py`.
"""

import asyncio
import difflib
from collections.abc import Iterable
from decimal import Decimal

from brokers.binance import SOURCE
from brokers.binance.rest import Rest
from brokers.feed import FeedDown
from brokers.text import clean
from schema.records import Record

_OLD_S = 300.0  # an unknown symbol may be a new one: what was read so long ago is read again


class Listed(Record, frozen=True):
    """One symbol. `tick_size` and `lot_size` are 0 where the venue names none."""

    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    trading: bool


class Listing:
    """Read when it is first wanted."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._symbols: dict[str, Listed] = {}
        self._read_at = 0.0
        self._line = asyncio.Lock()

    async def require(self, symbols: Iterable[str]) -> list[Listed]:
        """These symbols, written in whatever case. Raises FeedDown for the first that is unknown, or when the venue
        can't be asked."""
        wanted = list(dict.fromkeys(symbol.strip().upper() for symbol in symbols))
        async with self._line:
            now = asyncio.get_running_loop().time()
            unknown = any(symbol not in self._symbols for symbol in wanted)
            if unknown and (not self._symbols or now - self._read_at > _OLD_S):
                await self._read()
        for symbol in wanted:
            if symbol not in self._symbols:
                near = difflib.get_close_matches(symbol, self._symbols, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else "its names are like BTCUSDT."
                raise FeedDown(f"symbol: {SOURCE} has no {clean(symbol, 40)!r}; {hint}")
        return [self._symbols[symbol] for symbol in wanted]

    async def all(self) -> list[Listed]:
        """Every symbol that is traded, as read now. Raises FeedDown."""
        async with self._line:
            await self._read()
        return [each for each in self._symbols.values() if each.trading]

    async def _read(self) -> None:
        info = await self._rest.listing()
        self._symbols = {
            row.symbol: Listed(
                symbol=row.symbol,
                tick_size=row.step("PRICE_FILTER"),
                lot_size=row.step("LOT_SIZE"),
                trading=row.status == "TRADING",
            )
            for row in info.symbols
        }
        self._read_at = asyncio.get_running_loop().time()
