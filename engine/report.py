"""A report: what was earned, how it was copied, how well and how fast, of some days. Pure: rows in, a report out.

`engine/reporting.py` asks for it, for the desk and the shell alike, so that it is the same beside a running desk, after
it, and for any day before. Everything is of fills and copies alone: open positions are not marked.
"""

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from engine.report_books import Books, Move, Sum, Ticks, booked, money
from engine.report_copies import (
    SLA_MS,
    TOTAL,
    Delays,
    Slip,
    delay_bins,
    outcomes,
    reasons,
    slip_of,
    slippage,
    tick_bins,
    was_filled,
)
from engine.reported import AccountDay, AccountLine, BestDay, Point, Report, Result, ResultLine
from schema.store_report import AccountFact, CopyFact, ReportFacts
from schema.trading_day import ends_ns

_ZERO = Decimal(0)
_POINTS = 1000
_PER_CENT = (30, 40, 50)
"""How large a part of the profit a best day may be, at different firms (FIELD.md 4)."""
_NOT_HERE = "not on the desk"
NO_GROUP = "no group"


def bounds(since: date, until: date) -> tuple[int, int]:
    """When a day begins and another has ended, ns."""
    return ends_ns(since - timedelta(days=1)), ends_ns(until)


def report(facts: ReportFacts, since: date, until: date, now_ns: int, of: str = "") -> Report:
    """The report of `facts` from `since` to `until`, both included."""
    since_ns, until_ns = bounds(since, until)
    known = {fact.account: fact for fact in facts.accounts}
    ticks = Ticks(facts.ticks, {fact.account: fact.connection for fact in facts.accounts})
    books = booked(facts.before, facts.fills, facts.told, ticks, since_ns, min(until_ns, now_ns))
    slips = [slip for copy in facts.copies if (slip := slip_of(copy, ticks)) is not None]
    delays = Delays(facts.copies)
    total, equity = _curve(books.moves, since_ns)
    account_days = tuple(_account_days(facts.copies, books.moves, known, ticks, _Days(since, until)))
    totals_ms = delays.stages[TOTAL]
    return Report(
        since=since,
        until=until,
        since_ns=since_ns,
        until_ns=until_ns,
        made_at_ns=now_ns,
        of=of,
        total=total,
        accounts=tuple(_accounts(facts, books.moves, known, ticks, delays)),
        groups=_lines(books.moves, lambda move: _of(known, move.account).group or NO_GROUP, lambda _: ""),
        firms=_lines(
            books.moves,
            lambda move: _of(known, move.account).connection or _NOT_HERE,
            {fact.connection: f"{fact.venue} {fact.environment}" for fact in facts.accounts}.get,
        ),
        days=_lines(books.moves, _day_of(_Days(since, until)), lambda _: ""),
        account_days=account_days,
        best_days=tuple(_best_days(account_days)) if since != until else (),
        outcomes=outcomes(facts.copies),
        reasons=reasons(facts.copies),
        slippage=slippage(slips),
        not_compared=sum(map(was_filled, facts.copies)) - len(slips),
        latency=delays.table(),
        sla_ms=SLA_MS,
        over_sla=sum(ms > SLA_MS for ms in totals_ms),
        equity=equity,
        latency_bins=delay_bins(totals_ms),
        slippage_bins=tick_bins(slips),
        notes=tuple(_notes(facts, books, total)),
    )


class _Days:
    """Which of the days a moment is in."""

    def __init__(self, since: date, until: date) -> None:
        self._days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
        self._ends_ns = [ends_ns(day) for day in self._days]

    def of(self, at_ns: int) -> date:
        return self._days[bisect.bisect_right(self._ends_ns, at_ns)]


def _day_of(days: _Days) -> Callable[[Move], str]:
    return lambda move: days.of(move.at_ns).isoformat()


def _of(known: dict[str, AccountFact], account: str) -> AccountFact:
    """What is known of an account; of one that was taken off the desk, nothing."""
    nowhere = AccountFact(account=account, connection="", venue="", environment="", group="", role="")
    return known.get(account, nowhere)


# --- money -----------------------------------------------------------------------------------------------------------


def _summed(moves: Iterable[Move]) -> Result:
    summed = Sum()
    for move in moves:
        summed.add(move)
    return summed.result()


def _curve(moves: Sequence[Move], since_ns: int) -> tuple[Result, tuple[Point, ...]]:
    """The sum of all, and how it came about: where there are too many points, the lowest and the highest of each
    stretch stand for it."""
    summed = Sum()
    points = [Point(at_ns=since_ns, net=_ZERO)]
    points += [Point(at_ns=move.at_ns, net=money(summed.add(move))) for move in moves]
    length = -(-len(points) // (_POINTS // 2))
    if length > 2:
        thinned: list[Point] = []
        for first in range(0, len(points), length):
            stretch = points[first : first + length]
            ends = {min(stretch, key=_net), max(stretch, key=_net)}
            thinned += [point for point in stretch if point in ends]
        points = [*thinned, points[-1]] if thinned[-1] != points[-1] else thinned
    return summed.result(), tuple(points)


def _net(point: Point) -> Decimal:
    return point.net


def _lines(
    moves: Iterable[Move], name_of: Callable[[Move], str], about: Callable[[str], str | None]
) -> tuple[ResultLine, ...]:
    """The moves summed by a name, the names in order."""
    sums: defaultdict[str, Sum] = defaultdict(Sum)
    accounts: defaultdict[str, set[str]] = defaultdict(set)
    for move in moves:
        name = name_of(move)
        sums[name].add(move)
        accounts[name].add(move.account)
    return tuple(
        ResultLine(name=name, about=about(name) or "", accounts=len(accounts[name]), result=sums[name].result())
        for name in sorted(sums)
    )


def _accounts(
    facts: ReportFacts, moves: Sequence[Move], known: dict[str, AccountFact], ticks: Ticks, delays: Delays
) -> Iterable[AccountLine]:
    """Leaders first, then by name: all that have a part in a group, traded, or were copied to."""
    mine: defaultdict[str, list[Move]] = defaultdict(list)
    copies: defaultdict[str, list[CopyFact]] = defaultdict(list)
    for move in moves:
        mine[move.account].append(move)
    for copy in facts.copies:
        copies[copy.follower].append(copy)
    names = mine.keys() | copies.keys() | {fact.account for fact in facts.accounts if fact.role}
    for name in sorted(names, key=lambda name: (_of(known, name).role != "leader", name)):
        fact = _of(known, name)
        yield AccountLine(
            account=name,
            role=fact.role,
            group=fact.group,
            connection=fact.connection,
            venue=fact.venue,
            environment=fact.environment,
            result=_summed(mine[name]),
            outcomes=outcomes(copies[name]),
            slippage=slippage(_slips(copies[name], ticks)),
            total_ms=delays.total_of(name),
        )


def _slips(copies: Iterable[CopyFact], ticks: Ticks) -> list[Slip]:
    return [slip for copy in copies if (slip := slip_of(copy, ticks)) is not None]


def _account_days(
    all_copies: Iterable[CopyFact], moves: Iterable[Move], known: dict[str, AccountFact], ticks: Ticks, days: _Days
) -> Iterable[AccountDay]:
    mine: defaultdict[tuple[date, str], list[Move]] = defaultdict(list)
    copies: defaultdict[tuple[date, str], list[CopyFact]] = defaultdict(list)
    for move in moves:
        mine[days.of(move.at_ns), move.account].append(move)
    for copy in all_copies:
        copies[days.of(copy.received_ns), copy.follower].append(copy)
    for day, name in sorted(mine.keys() | copies.keys()):
        fact = _of(known, name)
        yield AccountDay(
            day=day,
            account=name,
            role=fact.role,
            group=fact.group,
            connection=fact.connection,
            venue=fact.venue,
            environment=fact.environment,
            result=_summed(mine[day, name]),
            outcomes=outcomes(copies[day, name]),
            slippage=slippage(_slips(copies[day, name], ticks)),
        )


def _best_days(account_days: Iterable[AccountDay]) -> Iterable[BestDay]:
    """Of each account that traded, in the order of their names."""
    traded: defaultdict[str, list[AccountDay]] = defaultdict(list)
    for each in account_days:
        if each.result.fills:
            traded[each.account].append(each)
    for account in sorted(traded):
        days = traded[account]
        best = max(days, key=lambda each: each.result.net)
        profit = sum((each.result.net for each in days), _ZERO)
        most = max(best.result.net, _ZERO)
        yield BestDay(
            account=account,
            days=len(days),
            profit=money(profit),
            best_day=best.day,
            best=best.result.net,
            share_pct=money((most / profit * 100).quantize(Decimal("0.01"))) if profit > 0 else None,
            lacking=tuple(
                (percent, money(max(_ZERO, most * 100 / percent - profit).quantize(Decimal("0.01"))))
                for percent in _PER_CENT
            ),
        )


# --- what the figures do not hold -------------------------------------------------------------------------------------


def _notes(facts: ReportFacts, books: Books, total: Result) -> Iterable[str]:
    if 0 < total.fills_with_fee < total.fills:
        yield (
            f"Fees were told of {total.fills_with_fee} of {total.fills} fills; the venues of the others tell none, "
            "and net holds none of theirs."
        )
    elif total.fills and not total.fills_with_fee:
        yield "No venue told fees: net is before them."
    for symbol in books.unpriced:
        yield f"{symbol}: nobody has said what its tick is worth; what it earned is not known and not counted."
    for (account, symbol), lots in books.unexplained:
        yield (
            f"{account}: {lots} {symbol} came or went without a fill that the desk saw; what they earned is not known "
            "and not counted."
        )
    if facts.timeless:
        yield f"{facts.timeless} fills have no time of their venue and are in no day."
