"""What fills earned: the ledger's own arithmetic (average cost) over the fills of a report. Pure; `engine/report.py`
calls it.

The fills before the report's time are booked first, from where the venue last said that a position was flat, so that
what is closed on a day is held against what it was opened at. Lots that a venue told of and no fill brought (held
before the desk came, traded while it was away) are taken from the venue's word, as the desk itself does: they earn
nothing here, are counted, and what is closed later is held against the venue's average price.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from engine.ledger import Holding
from engine.reported import Result
from schema.records import Record
from schema.store_report import SETTLED_NS, FillFact, TickFact, ToldFact
from schema.symbols import Product, UnknownProduct, parse_contract, product

_ZERO = Decimal(0)
_EXACT, _CENT = Decimal("0.000001"), Decimal("0.01")
Place = tuple[str, str]
"""An account and a symbol."""


class Tick(Record, frozen=True):
    """A contract's tick, and the money it is worth."""

    size: Decimal
    value: Decimal


class Ticks:
    """The tick of each contract where it was traded: as that login's venue told it, else as any did, else as the
    product table has it."""

    def __init__(self, told: Iterable[TickFact], connections: dict[str, str]) -> None:
        """`connections`: the login of each account."""
        self._told: dict[Place, Tick] = {}
        for each in told:
            tick = Tick(size=each.tick_size, value=each.tick_value)
            self._told[each.connection, each.symbol] = tick
            self._told.setdefault(("", each.symbol), tick)
        self._connections = connections
        self._found: dict[Place, Tick | None] = {}

    def of(self, account: str, symbol: str) -> Tick | None:
        """None where nobody knows it."""
        place = (self._connections.get(account, ""), symbol)
        if place not in self._found:
            self._found[place] = self._told.get(place) or self._told.get(("", symbol)) or _in_table(symbol)
        return self._found[place]


def product_of(symbol: str) -> Product | None:
    """The product table's row of a contract."""
    try:
        return product(parse_contract(symbol).root)
    except UnknownProduct:
        return None


def _in_table(symbol: str) -> Tick | None:
    found = product_of(symbol)
    return Tick(size=found.tick_size, value=found.tick_value) if found else None


class Move(Record, frozen=True):
    """What one fill did. `fee` is None where it was not told; `ended` is what the trade earned that it ended, less
    the fees that were told of it, None when it ended none."""

    at_ns: int
    account: str
    symbol: str
    lots: int
    realized: Decimal
    fee: Decimal | None
    ended: Decimal | None


class Books(Record, frozen=True):
    """The moves of the report's fills, in their order. `unpriced` symbols are of no known tick value: their fills
    earned nothing here. `unexplained` are lots in the report's time that the venue told of and no fill brought."""

    moves: tuple[Move, ...]
    unpriced: tuple[str, ...]
    unexplained: tuple[tuple[Place, int], ...]


class _Position:
    """One account's position in one symbol while the fills are booked. What it has realised is rounded as a whole,
    and a fill is given what that grew by: averages have no end, and yet all sums of fills are exact."""

    __slots__ = ("holding", "realized", "trade")

    def __init__(self) -> None:
        self.holding = Holding()
        self.realized = _ZERO
        self.trade = _ZERO  # what the open trade has earned so far

    def book(self, fill: FillFact, tick: Tick | None) -> tuple[Decimal, Decimal | None]:
        """What the fill realised, and what the trade earned that it ended."""
        holding = self.holding
        before, realized = holding.net, self.realized
        holding.apply(fill.net_qty, fill.price, tick.value / tick.size if tick else _ZERO)
        self.realized = holding.realized.quantize(_EXACT)
        earned = self.realized - realized
        self.trade += earned - (fill.fee or _ZERO)
        ended = before != 0 and (holding.net == 0 or (holding.net > 0) != (before > 0))
        if not ended:
            return earned, None
        traded, self.trade = self.trade, _ZERO
        return earned, traded

    def take(self, told: ToldFact) -> int:
        """Hold what the venue told; returns by how many lots it is more or less."""
        lots = abs(told.net_qty - self.holding.net)
        self.holding.net = told.net_qty
        self.holding.avg_price = told.avg_price if told.net_qty else _ZERO
        if not told.net_qty:
            self.trade = _ZERO
        return lots


def booked(
    before: Sequence[FillFact],
    fills: Sequence[FillFact],
    told: Sequence[ToldFact],
    ticks: Ticks,
    since_ns: int,
    until_ns: int,
) -> Books:
    """Book `before` and then `fills`, both in the order of their times; moves are of the latter alone. `until_ns` is up
    to when all that was said and traded is among them."""
    words = _to_compare([*before, *fills], [word for word in told if word.at_ns <= until_ns - SETTLED_NS])
    positions: defaultdict[Place, _Position] = defaultdict(_Position)
    moves: list[Move] = []
    unpriced: set[str] = set()
    unexplained: defaultdict[Place, int] = defaultdict(int)

    def take(word: ToldFact) -> None:
        place = (word.account, word.symbol)
        if lots := positions[place].take(word):
            unexplained[place] += lots if word.at_ns >= since_ns else 0

    for fill in itertools.chain(before, fills):
        place = (fill.account, fill.symbol)
        for word in _up_to(words.get(place), fill.venue_ns):
            take(word)
        tick = ticks.of(*place)
        realized, ended = positions[place].book(fill, tick)
        if fill.venue_ns < since_ns:
            continue
        if tick is None:
            unpriced.add(fill.symbol)
        moves.append(
            Move(
                at_ns=fill.venue_ns,
                account=fill.account,
                symbol=fill.symbol,
                lots=abs(fill.net_qty),
                realized=realized,
                fee=fill.fee,
                ended=ended,
            )
        )
    for left in words.values():
        for word in left:
            take(word)
    return Books(
        moves=tuple(moves),
        unpriced=tuple(sorted(unpriced)),
        unexplained=tuple(sorted((place, lots) for place, lots in unexplained.items() if lots)),
    )


def _up_to(words: list[ToldFact] | None, at_ns: int) -> Iterator[ToldFact]:
    """Take from the front those that were told before `at_ns`."""
    while words and words[0].at_ns < at_ns:
        yield words.pop(0)


def _to_compare(fills: Sequence[FillFact], told: Sequence[ToldFact]) -> dict[Place, list[ToldFact]]:
    """The words of venues, by place and in order, that no fill explains: those that stood for a while with no fill
    after them, and that name another position than the fills up to then add up to. A fill of the moments before may
    be in it or not: the venue was read beside it."""
    times: defaultdict[Place, list[tuple[int, int]]] = defaultdict(list)
    for fill in fills:
        times[fill.account, fill.symbol].append((fill.venue_ns, fill.net_qty))
    of: defaultdict[Place, list[ToldFact]] = defaultdict(list)
    for word in told:
        of[word.account, word.symbol].append(word)
    return {place: list(_corrections(words, times[place])) for place, words in of.items()}


def _corrections(words: list[ToldFact], fills: list[tuple[int, int]]) -> Iterator[ToldFact]:
    net = at = 0
    for number, word in enumerate(words):
        nets = {net}
        while at < len(fills) and fills[at][0] <= word.at_ns:
            if fills[at][0] <= word.at_ns - SETTLED_NS:
                nets.clear()
            net += fills[at][1]
            nets.add(net)
            at += 1
        until_ns = word.at_ns + SETTLED_NS
        fleeting = number + 1 < len(words) and words[number + 1].at_ns <= until_ns
        followed = at < len(fills) and fills[at][0] <= until_ns
        if fleeting or followed or word.net_qty in nets:
            continue
        net = word.net_qty
        yield word


def money(amount: Decimal) -> Decimal:
    """The same amount, in cents where it is whole cents."""
    cents = amount.quantize(_CENT)
    return cents if cents == amount else amount.normalize()


class Sum:
    """Adds moves up, in the order of their times."""

    __slots__ = (
        "_deepest",
        "_fees",
        "_fills",
        "_highest",
        "_losses",
        "_lots",
        "_net",
        "_realized",
        "_told",
        "_trades",
        "_wins",
    )

    def __init__(self) -> None:
        self._realized = self._fees = self._net = self._highest = self._deepest = _ZERO
        self._fills = self._told = self._lots = self._wins = self._losses = self._trades = 0

    def add(self, move: Move) -> Decimal:
        """Returns what was earned by then."""
        self._realized += move.realized
        self._net += move.realized
        if move.fee is not None:
            self._fees += move.fee
            self._net -= move.fee
            self._told += 1
        self._fills += 1
        self._lots += move.lots
        if move.ended is not None:
            self._trades += 1
            self._wins += move.ended > 0
            self._losses += move.ended < 0
        if self._net > self._highest:
            self._highest = self._net
        elif self._highest - self._net > self._deepest:
            self._deepest = self._highest - self._net
        return self._net

    def result(self) -> Result:
        return Result(
            realized=money(self._realized),
            fees=money(self._fees) if self._told else None,
            net=money(self._net),
            fills=self._fills,
            fills_with_fee=self._told,
            lots=self._lots,
            trades=self._trades,
            wins=self._wins,
            losses=self._losses,
            drawdown=money(self._deepest),
        )
