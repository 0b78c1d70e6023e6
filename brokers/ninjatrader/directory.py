"""What NinjaTrader calls the login's accounts and contracts, and what the desk does. `adapter.py` owns one."""

from collections.abc import Sequence

from brokers.ninjatrader.names import instrument_name, symbol_of
from schema.clock import Clock
from schema.records import AccountConfig
from schema.symbols import UnknownProduct
from schema.trading_day import trading_day


class Directory:
    """`theirs` and `ours` are the accounts' names, both ways."""

    def __init__(self, accounts: Sequence[AccountConfig], clock: Clock, *, month_words: bool) -> None:
        self.theirs = {each.account: each.venue_id or each.account for each in accounts}
        self.ours = {theirs: ours for ours, theirs in self.theirs.items()}
        self._names: dict[str, str] = {}
        self._clock = clock
        self._month_words = month_words

    def account(self, account: str) -> str:
        """NinjaTrader's name of an account; empty when it is not of this login."""
        return self.theirs.get(account, "")

    def learn(self, instrument: str) -> str:
        """The desk's name of what NinjaTrader names; what is no future keeps its own."""
        try:
            symbol = symbol_of(instrument)
        except UnknownProduct:
            symbol = instrument
        self._names[symbol] = instrument
        return symbol

    def instrument(self, symbol: str) -> str:
        """NinjaTrader's own name of a contract where it was told one. Raises UnknownProduct."""
        if symbol in self._names:
            return self._names[symbol]
        return instrument_name(symbol, trading_day(self._clock.now_ns()), month_words=self._month_words)
