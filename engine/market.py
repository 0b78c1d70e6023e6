"""Quotes and candles for the screen and for marking positions. Conflated: the newest value is the only one kept."""

from decimal import Decimal

from engine.seat import Candles
from schema.records import Bar, Quote

_BARS_KEPT = 2_000
_STALE_AFTER_NS = 5_000_000_000


class Market:
    """The newest quote of each symbol and the bars of the watched one."""

    def __init__(self) -> None:
        self.symbol = ""
        self.interval_s = 60
        self.version = 0
        self.said_ns = 0
        self._quotes: dict[str, Quote] = {}
        self._heard_ns: dict[str, int] = {}
        self._bars: dict[int, Bar] = {}

    def quote(self, quote: Quote, received_ns: int) -> None:
        """Merge a partial quote: a field the venue left out keeps its last value."""
        known = self._quotes.get(quote.symbol)
        if known is not None:
            fields = {name: getattr(quote, name) for name in quote.__struct_fields__}
            quote = Quote(**{name: getattr(known, name) if value is None else value for name, value in fields.items()})
        self._quotes[quote.symbol] = quote
        self._heard_ns[quote.symbol] = received_ns
        if quote.symbol == self.symbol:
            self.said_ns = received_ns
            self.version += 1

    def bars(self, symbol: str, interval_s: int, bars: tuple[Bar, ...], received_ns: int) -> None:
        """Take history or the newest bar again; a bar is known by its start."""
        if (symbol, interval_s) != (self.symbol, self.interval_s):
            return
        for bar in bars:
            self._bars[bar.start_ns] = bar
        if len(self._bars) > _BARS_KEPT:
            for start_ns in sorted(self._bars)[: len(self._bars) - _BARS_KEPT]:
                del self._bars[start_ns]
        self.said_ns = received_ns
        self.version += 1

    def quoted(self, symbol: str) -> tuple[Quote, int] | None:
        """The newest quote of a symbol and when it came (ns); None when there is none."""
        quote = self._quotes.get(symbol)
        return None if quote is None else (quote, self._heard_ns[symbol])

    def heard_ns(self, symbol: str) -> int:
        """When the venue last quoted a symbol; 0 when it never did."""
        return self._heard_ns.get(symbol, 0)

    def mark(self, symbol: str) -> Decimal:
        """The price positions in `symbol` are marked at: the last trade, else the middle; 0 when there is none."""
        quote = self._quotes.get(symbol)
        if quote is None:
            return Decimal(0)
        if quote.last:
            return Decimal(str(quote.last))
        if quote.bid and quote.ask:
            return Decimal(str((quote.bid + quote.ask) / 2))
        return Decimal(0)

    def candles(self, now_ns: int) -> Candles:
        bars = tuple(self._bars[start_ns] for start_ns in sorted(self._bars))
        badge = "loading" if not bars else "stale" if now_ns - self.said_ns > _STALE_AFTER_NS else "live"
        last = self.mark(self.symbol)
        return Candles(
            symbol=self.symbol,
            interval_s=self.interval_s,
            bars=bars,
            last=float(last) if last else bars[-1].close if bars else 0.0,
            badge=badge,
        )
