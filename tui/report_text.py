"""A report as text: plain tables, the same on the screen's page, in a terminal and in a pipe. Pure; called by
`tui/report.py` and `tui/report_page.py`. Nothing in it rests on colour, and what is not known says so."""

from collections.abc import Sequence
from decimal import Decimal

from engine.reported import AccountLine, Delay, Outcomes, Report, Result, ResultLine, Slippage
from schema.clock import to_datetime
from tui.text import MASK, clean, counted, hidden, millis, plain_money

Section = tuple[str, list[str]]
"""A heading and its lines."""
_REASONS = 12
_RESULT = ("realised", "fees", "net", "lots", "trades", "won", "drawdown")


def text_of(report: Report) -> str:
    """All of it."""
    parts = [title(report)]
    for section in sections(report):
        parts += ["", *section_lines(section)]
    return "\n".join(parts)


def section_lines(section: Section) -> list[str]:
    """A heading, and its lines under it."""
    heading, lines = section
    return [heading, *(f"  {line}".rstrip() for line in lines)]


def title(report: Report) -> str:
    days = f"{report.since}" if report.since == report.until else f"{report.since} to {report.until}"
    of = f" of {clean(report.of)}" if report.of else ""
    made = f"{to_datetime(report.made_at_ns):%Y-%m-%d %H:%M:%S} UTC"
    return f"REPORT{of} {days}  trading days from 17:00 to 17:00 Chicago, made {made}"


def sections(report: Report) -> list[Section]:
    """In the order of the page."""
    if report.empty:
        return [("NOTHING", ["Nothing was traded and nothing was copied in this time.", *report.notes])]
    found = [
        ("P&L", [*_totals(report), "", *_by_account(report.accounts)]),
        ("BY GROUP", _by_name("group", report.groups)),
        ("BY FIRM", _by_name("login", report.firms)),
        ("BY DAY", _by_name("day", report.days)),
        ("COPIES", _copies(report)),
        ("SLIPPAGE against the leader's fill; above 0 is worse for the follower", _slippage(report)),
        ("LATENCY in ms against the budget", _latency(report)),
    ]
    if report.best_days:
        found.append(("CONSISTENCY the best day's part of an account's profit", _best_days(report)))
    if report.notes:
        found.append(("NOTES", [clean(note) for note in report.notes]))
    return [(heading, lines) for heading, lines in found if lines]


# --- money -----------------------------------------------------------------------------------------------------------


def amount(value: Decimal) -> str:
    """``+1,234.50``, ``-12.50``, ``0.00``; a sign where there is one, to be read without colour. Masked on a shared
    screen."""
    if hidden():
        return MASK
    rounded = round(value, 2)
    return f"{rounded:+,.2f}" if rounded else "0.00"


def _fees(result: Result) -> str:
    if result.fees is None:
        return "not told" if result.fills else ""
    some = "" if result.fills_with_fee == result.fills else f" ({result.fills_with_fee}/{result.fills})"
    return f"{plain_money(result.fees)}{some}"


def _won(result: Result) -> str:
    return f"{result.wins * 100 / result.trades:.0f}%" if result.trades else ""


def _result(result: Result) -> tuple[str, ...]:
    return (
        amount(result.realized),
        _fees(result),
        amount(result.net),
        f"{result.lots:,}",
        f"{result.trades:,}",
        _won(result),
        amount(-result.drawdown),
    )


def _totals(report: Report) -> list[str]:
    total = report.total
    fees = "fees not told" if total.fees is None else f"fees {_fees(total)}"
    return [
        f"realised {amount(total.realized)}, {fees}, net {amount(total.net)}; "
        f"deepest fall {amount(-total.drawdown)} from the highest point",
        f"{counted(total.trades, 'trade', 'trades')} from flat to flat: {total.wins} won, {total.losses} lost, "
        f"{total.trades - total.wins - total.losses} even{f'; {_won(total)} won' if total.trades else ''}; "
        f"{counted(total.fills, 'fill', 'fills')}, {counted(total.lots, 'lot', 'lots')}",
    ]


def _by_account(accounts: Sequence[AccountLine]) -> list[str]:
    rows = [("account", "", "group", "login", *_RESULT)]
    rows += [(a.account, a.role, a.group, a.connection, *_result(a.result)) for a in accounts]
    return aligned(rows, left=4)


def _by_name(what: str, lines: Sequence[ResultLine]) -> list[str]:
    rows = [(what, "", "accounts", *_RESULT)]
    rows += [(line.name, line.about, str(line.accounts), *_result(line.result)) for line in lines]
    return aligned(rows, left=2) if lines else []


# --- copies ----------------------------------------------------------------------------------------------------------


def _ended(of: Outcomes) -> tuple[str, ...]:
    return (str(of.pairs), str(of.copied), str(of.failed), str(of.skipped), str(of.pending), str(of.corrections))


def _copies(report: Report) -> list[str]:
    of = report.outcomes
    if not of.pairs and not of.corrections:
        return []
    rows = [("account", "pairs", "ok", "failed", "skipped", "open", "corrections")]
    rows += [(a.account, *_ended(a.outcomes)) for a in report.accounts if a.outcomes.pairs or a.outcomes.corrections]
    lines = aligned([*rows, ("all", *_ended(of))], left=1)
    lines += [
        "",
        f"failed: {of.rejected} rejected, {of.expired} expired, {of.unknown} unknown and asked about",
    ]
    if report.reasons:
        shown = report.reasons[:_REASONS]
        table = aligned([(str(r.count), r.decision, r.reason or "no reason was given") for r in shown], left=3, right=1)
        lines += ["why pairs were not copied:", *(f"  {line}" for line in table)]
        if left := report.reasons[_REASONS:]:
            lines.append(
                f"  and {sum(r.count for r in left)} for {counted(len(left), 'other reason', 'other reasons')}"
            )
    return lines


def _slippage(report: Report) -> list[str]:
    if report.slippage is None and not report.not_compared:
        return []
    lines: list[str] = []
    if report.slippage is not None:
        rows: list[tuple[str, ...]] = [("", "", "", "ticks", "", "", "", "money", "", "", "", "")]
        rows.append(("account", "copies", "lots", *(2 * ("mean", "p50", "p95", "worst")), "in all"))
        rows += [(a.account, *_slipped(a.slippage)) for a in report.accounts if a.slippage is not None]
        lines = aligned([*rows, ("all", *_slipped(report.slippage))], left=1)
    if report.not_compared:
        lines.append(
            f"{counted(report.not_compared, 'copy', 'copies')} can't be compared: what the leader got, or the price "
            "of one contract in the other's, is not known."
        )
    return lines


def _slipped(of: Slippage) -> tuple[str, ...]:
    ticks = tuple(
        f"{value:+.2f}" if value else "0" for value in (of.ticks.mean, of.ticks.p50, of.ticks.p95, of.ticks.worst)
    )
    money = (of.money.mean, of.money.p50, of.money.p95, of.money.worst, of.money.total)
    return (str(of.copies), str(of.lots), *ticks, *map(amount, money))


# --- time ------------------------------------------------------------------------------------------------------------


def _latency(report: Report) -> list[str]:
    if not any(delay.count for delay in report.latency):
        return []
    rows = [("stage", "copies", "p50", "p99", "max", "budget", "over", "")]
    rows += [_delay(delay) for delay in report.latency]
    lines = aligned(rows, left=1)
    total = report.latency[-1]
    verdict = f"{report.over_sla} OVER" if report.over_sla else "PASS"
    inside = f"{total.count - report.over_sla} of {counted(total.count, 'copy', 'copies')}"
    lines += ["", f"inside {report.sla_ms / 1000:g} s: {inside}, {verdict}"]
    lines.append("total: from the leader's fill at its venue to the follower's last; a stage passes when 99 of 100 do.")
    timed = [account for account in report.accounts if account.total_ms is not None]
    if timed:
        lines += ["", *aligned([("account", "copies", "p50", "p99", "max"), *map(_account_delay, timed)], left=1)]
    return lines


def _delay(of: Delay) -> tuple[str, ...]:
    verdict = "" if not of.count else "PASS" if of.ok else "OVER"
    return (
        of.stage,
        f"{of.count:,}",
        millis(of.p50),
        millis(of.p99),
        millis(of.max),
        f"{of.budget_ms:.0f}",
        f"{of.over:,}" if of.count else "",
        verdict,
    )


def _account_delay(of: AccountLine) -> tuple[str, ...]:
    assert of.total_ms is not None
    return (of.account, f"{of.total_ms.count:,}", *map(millis, (of.total_ms.p50, of.total_ms.p99, of.total_ms.max)))


def _best_days(report: Report) -> list[str]:
    percents = [percent for percent, _ in report.best_days[0].lacking]
    heads = ("account", "days", "profit", "best day", "", "part", *(f"to {percent}%" for percent in percents))
    rows = [heads]
    rows += [
        (
            of.account,
            str(of.days),
            amount(of.profit),
            amount(of.best),
            str(of.best_day),
            "" if of.share_pct is None else f"{of.share_pct:.0f}%",
            *("holds" if not lacking else amount(lacking) for _, lacking in of.lacking),
        )
        for of in report.best_days
    ]
    return [
        *aligned(rows, left=1),
        "to 30%: what other days must still earn until the best day is so much of the profit.",
    ]


def aligned(rows: Sequence[Sequence[str]], *, left: int, right: int = 0) -> list[str]:
    """Rows as columns; the first `left` of them stand to the left, but for the first `right` of those."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    used = [at for at, width in enumerate(widths) if width]
    return [
        "  ".join(
            row[at].ljust(widths[at]) if right <= at < left else row[at].rjust(widths[at]) for at in used
        ).rstrip()
        for row in cells
    ]
