"""A report as a table of numbers, for CSV: a row for each account and trading day, so that a spreadsheet can sum by
whatever it likes. Pure; called by `engine/export.py` and by the report's page. Empty is what is not known."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from engine.reported import AccountDay, Report, Slippage, Spread

_SPREAD = ("mean", "p50", "p95", "worst", "total")
COLUMNS = (
    "day",
    "account",
    "role",
    "group",
    "connection",
    "venue",
    "environment",
    "realized",
    "fees",
    "net",
    "fills",
    "fills_with_fee",
    "lots",
    "trades",
    "wins",
    "losses",
    "drawdown",
    "pairs",
    "copied",
    "skipped",
    "rejected",
    "expired",
    "unknown",
    "pending",
    "corrections",
    "slippage_copies",
    "slippage_lots",
    *(f"slippage_ticks_{name}" for name in _SPREAD),
    *(f"slippage_money_{name}" for name in _SPREAD),
)


def rows(report: Report) -> Iterable[tuple[Any, ...]]:
    """By day, then account."""
    return map(_row, report.account_days)


def _row(of: AccountDay) -> tuple[Any, ...]:
    result, ended = of.result, of.outcomes
    return (
        of.day,
        of.account,
        of.role,
        of.group,
        of.connection,
        of.venue,
        of.environment,
        result.realized,
        result.fees,
        result.net,
        result.fills,
        result.fills_with_fee,
        result.lots,
        result.trades,
        result.wins,
        result.losses,
        result.drawdown,
        ended.pairs,
        ended.copied,
        ended.skipped,
        ended.rejected,
        ended.expired,
        ended.unknown,
        ended.pending,
        ended.corrections,
        *_slippage(of.slippage),
    )


def _slippage(of: Slippage | None) -> tuple[int | Decimal | None, ...]:
    if of is None:
        return (0, 0, *(None for _ in range(2 * len(_SPREAD))))
    return (of.copies, of.lots, *_spread(of.ticks), *_spread(of.money))


def _spread(of: Spread) -> tuple[Decimal, ...]:
    return tuple(getattr(of, name) for name in _SPREAD)
