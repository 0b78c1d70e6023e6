"""A report as it is handed on: what `engine/report.py` makes, and the shell, the screen and a CSV file show.

Money and slippage are exact; what is not known is None and never 0. Slippage is of a follower's fill against the
leader's, above 0 where the follower got the worse price. Days are trading days (17:00 to 17:00 Chicago).
"""

from datetime import date
from decimal import Decimal

from schema.records import Record


class ReportAsked(Record, frozen=True):
    """What a report is asked of, as it was typed: `day` alone, or `since` and `until`, both included (a missing one is
    the other, or today); ``2026-11-21``, ``today``, ``yesterday``. Of everything, an account, or a group."""

    day: str | None = None
    since: str | None = None
    until: str | None = None
    account: str | None = None
    group: str | None = None


class Result(Record, frozen=True):
    """What some accounts earned in some time. `fees` is the sum of those that venues told, None where none did;
    `fills_with_fee` of the `fills` had theirs told. `net` is `realized` less `fees`. A trade goes from flat to flat
    and counts when it ends; it is won when it earned more than its told fees, lost when less. `drawdown` is the
    deepest fall of `net` below its highest point (0 at the beginning), from fill to fill."""

    realized: Decimal
    fees: Decimal | None
    net: Decimal
    fills: int
    fills_with_fee: int
    lots: int
    trades: int
    wins: int
    losses: int
    drawdown: Decimal


class Outcomes(Record, frozen=True):
    """How pairs of a leader's event and a follower ended. Corrections are counted beside them: no event asked for
    them."""

    pairs: int
    copied: int
    skipped: int
    rejected: int
    expired: int
    unknown: int
    pending: int
    corrections: int

    @property
    def failed(self) -> int:
        return self.rejected + self.expired + self.unknown


class Reason(Record, frozen=True):
    """Why so many pairs ended as `decision`; the words are the desk's or the venue's own."""

    decision: str
    reason: str
    count: int


class Spread(Record, frozen=True):
    """Figures of one kind: the mean to four decimals, percentiles by nearest rank, the worst (largest), the sum."""

    mean: Decimal
    p50: Decimal
    p95: Decimal
    worst: Decimal
    total: Decimal


class Slippage(Record, frozen=True):
    """Of so many copies and their lots: in ticks of the follower's contract for each copy, and in money for all lots
    of each."""

    copies: int
    lots: int
    ticks: Spread
    money: Spread


class Delay(Record, frozen=True):
    """One stage of copies, in milliseconds. `over` of the `count` took longer than `budget_ms`."""

    stage: str
    count: int
    p50: float
    p99: float
    max: float
    budget_ms: float
    over: int

    @property
    def ok(self) -> bool:
        """Whether 99 of 100 were inside the budget."""
        return self.p99 <= self.budget_ms


class AccountLine(Record, frozen=True):
    """One account in the whole time. `role` is leader, follower, or empty. `total_ms` is None when it had no copy that
    was followed to its fill."""

    account: str
    role: str
    group: str
    connection: str
    venue: str
    environment: str
    result: Result
    outcomes: Outcomes
    slippage: Slippage | None
    total_ms: Delay | None


class AccountDay(Record, frozen=True):
    """One account on one day on which it traded or was copied to."""

    day: date
    account: str
    role: str
    group: str
    connection: str
    venue: str
    environment: str
    result: Result
    outcomes: Outcomes
    slippage: Slippage | None


class ResultLine(Record, frozen=True):
    """A group, a firm (the login and where it is) or a day; `about` says more of it."""

    name: str
    about: str
    accounts: int
    result: Result


class BestDay(Record, frozen=True):
    """How even an account's profit is, for firms that pay out only when no day is too large a part of it. `share_pct`
    is the best day's part of `profit`, None when there is no profit. `lacking` says what is still to be earned, on
    other days, until the best is at most so many per cent of it: (percent, money), 0 where it is so already."""

    account: str
    days: int
    profit: Decimal
    best_day: date
    best: Decimal
    share_pct: Decimal | None
    lacking: tuple[tuple[int, Decimal], ...]


class Point(Record, frozen=True):
    """What had been earned by then, net."""

    at_ns: int
    net: Decimal


class Bin(Record, frozen=True):
    """So many values from `low` up to and without `high`."""

    low: Decimal
    high: Decimal
    count: int


class Report(Record, frozen=True):
    """What accounts earned, how they were copied to, how well and how fast, from `since` to `until`, both days
    included. `of` is empty, or the account or group that it is limited to. `over_sla` of the copies of the stage total
    took longer than `sla_ms`. `not_compared` copies were filled at a price that no leader's price can be held against.
    `equity` is thinned to what a plot can show. `notes` are sentences on what the figures do not hold."""

    since: date
    until: date
    since_ns: int
    until_ns: int
    made_at_ns: int
    of: str
    total: Result
    accounts: tuple[AccountLine, ...]
    groups: tuple[ResultLine, ...]
    firms: tuple[ResultLine, ...]
    days: tuple[ResultLine, ...]
    account_days: tuple[AccountDay, ...]
    best_days: tuple[BestDay, ...]
    outcomes: Outcomes
    reasons: tuple[Reason, ...]
    slippage: Slippage | None
    not_compared: int
    latency: tuple[Delay, ...]
    sla_ms: float
    over_sla: int
    equity: tuple[Point, ...]
    latency_bins: tuple[Bin, ...]
    slippage_bins: tuple[Bin, ...]
    notes: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Nothing was traded and nothing was copied."""
        return not (self.total.fills or self.outcomes.pairs or self.outcomes.corrections)
