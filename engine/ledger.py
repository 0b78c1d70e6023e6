"""The ledger: the only writer of positions and P&L, from fills. Synchronous; owned by the core."""

from decimal import Decimal

from schema.records import Fill, Position

_ZERO = Decimal(0)


class Holding:
    """One (account, symbol): signed position, average entry price, realised P&L in money since the desk opened."""

    __slots__ = ("avg_price", "net", "realized")

    def __init__(self, net: int = 0, avg_price: Decimal = _ZERO, realized: Decimal = _ZERO) -> None:
        self.net = net
        self.avg_price = avg_price
        self.realized = realized

    def apply(self, signed_qty: int, price: Decimal, point_value: Decimal) -> None:
        """Book one fill of `signed_qty` at `price`: what closes realises P&L, what opens moves the average."""
        closing = min(abs(signed_qty), abs(self.net)) if signed_qty * self.net < 0 else 0
        if closing:
            direction = 1 if self.net > 0 else -1
            self.realized += (price - self.avg_price) * closing * direction * point_value
        opening = abs(signed_qty) - closing
        before = abs(self.net) - closing
        self.net += signed_qty
        if self.net == 0:
            self.avg_price = _ZERO
        elif opening:
            self.avg_price = (self.avg_price * before + price * opening) / (before + opening)

    def open_pnl(self, mark: Decimal, point_value: Decimal) -> Decimal:
        """Money the position would realise at `mark`; 0 when flat or unmarked."""
        if self.net == 0 or mark <= 0:
            return _ZERO
        return (mark - self.avg_price) * self.net * point_value


class Ledger:
    """Positions of every account. A position that no venue has confirmed is not known, and is not flat."""

    def __init__(self) -> None:
        self._holdings: dict[tuple[str, str], Holding] = {}
        self._known: set[str] = set()
        self.point_values: dict[str, Decimal] = {}

    def known(self, account: str) -> bool:
        """Whether the venue has said what this account holds since the desk opened."""
        return account in self._known

    def net(self, account: str, symbol: str) -> int:
        holding = self._holdings.get((account, symbol))
        return holding.net if holding else 0

    def avg_price(self, account: str, symbol: str) -> Decimal:
        """Average entry price of what is held; 0 when flat."""
        holding = self._holdings.get((account, symbol))
        return holding.avg_price if holding else _ZERO

    def holding(self, account: str, symbol: str) -> Holding:
        return self._holdings.setdefault((account, symbol), Holding())

    def book(self, fill: Fill) -> None:
        self.holding(fill.account, fill.symbol).apply(
            fill.net_qty, fill.price, self.point_values.get(fill.symbol, Decimal(1))
        )

    def adopt(self, account: str, positions: list[Position]) -> list[tuple[str, int, int]]:
        """Take the venue's positions of an account as the truth; returns (symbol, ours, venue's) where they differed.
        Symbols the venue does not list are flat: call it only with a complete reading of that account."""
        differences: list[tuple[str, int, int]] = []
        said = {position.symbol: position for position in positions}
        symbols = {symbol for owner, symbol in self._holdings if owner == account} | set(said)
        for symbol in sorted(symbols):
            holding = self.holding(account, symbol)
            venue = said.get(symbol) or Position(account=account, symbol=symbol, net_qty=0)
            if holding.net != venue.net_qty:
                differences.append((symbol, holding.net, venue.net_qty))
                holding.net = venue.net_qty
                holding.avg_price = venue.avg_price
            elif holding.net:
                holding.avg_price = venue.avg_price or holding.avg_price
        self._known.add(account)
        return differences

    def positions(self) -> list[tuple[str, str, Holding]]:
        """(account, symbol, holding) of everything ever held since the desk opened."""
        return [(account, symbol, holding) for (account, symbol), holding in self._holdings.items()]

    def open_accounts(self) -> set[str]:
        """Accounts that hold something."""
        return {account for (account, _), holding in self._holdings.items() if holding.net}
