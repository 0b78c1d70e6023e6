"""Asking for a report: which days and accounts are meant, the rows of them, and the report made from those.

Called by `copydesk report`, by `engine/desk.py` for the screen, and by `engine/export.py` for its CSV. The desk has it
made on a thread of its own: a day's tens of thousands of rows would keep orders waiting.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta

from engine.report import bounds, report
from engine.reported import Report, ReportAsked
from engine.seat import CommandRefused
from schema.store_report import AccountFact, ReportStore
from schema.trading_day import trading_day
from schema.words import near_words

_MOST_DAYS = 366


async def make(store: ReportStore, asked: ReportAsked, now_ns: int) -> Report:
    """The report. Raises CommandRefused, whose text names the field, and JournalDown."""
    since, until = days_of(asked, now_ns)
    accounts = await _accounts_of(store, asked)
    since_ns, until_ns = bounds(since, until)
    facts = await store.facts(since_ns, until_ns, accounts)
    return report(facts, since, until, now_ns, of=asked.account or asked.group or "")


def make_apart(store: ReportStore, asked: ReportAsked, now_ns: int) -> Report:
    """The same, with a loop of its own: for a thread that has none."""
    return asyncio.run(make(store, asked, now_ns))


def days_of(asked: ReportAsked, now_ns: int) -> tuple[date, date]:
    """The first and the last day that are meant. Raises CommandRefused."""
    today = trading_day(now_ns)
    if asked.day is not None:
        if asked.since is not None or asked.until is not None:
            raise CommandRefused("day: give one day, or --from and --to, not both.")
        day = _day("day", asked.day, today)
        return day, day
    until = _day("to", asked.until, today) if asked.until is not None else None
    since = _day("from", asked.since, today) if asked.since is not None else until or today
    until = until or max(since, today)
    if until < since:
        raise CommandRefused(f"to: {until} is before {since}; give a later day or leave it out.")
    if (until - since).days >= _MOST_DAYS:
        raise CommandRefused(f"from: a report is of {_MOST_DAYS} days at most; give a later day.")
    return since, until


def _day(field: str, text: str, today: date) -> date:
    word = text.strip().casefold()
    if word in ("today", "yesterday"):
        return today - timedelta(days=word == "yesterday")
    try:
        day = date.fromisoformat(word)
    except ValueError:
        day = None
    if day is None or not 1970 < day.year < 2200:
        raise CommandRefused(
            f"{field}: {text!r} is not a trading day; write one like 2026-11-21, today or yesterday."
        ) from None
    return day


async def _accounts_of(store: ReportStore, asked: ReportAsked) -> tuple[str, ...] | None:
    """The accounts that are meant; None for all. Raises CommandRefused."""
    if asked.account is None and asked.group is None:
        return None
    known: Sequence[AccountFact] = await store.accounts()
    names = {fact.account for fact in known}
    if asked.group is not None:
        members = {fact.account for fact in known if fact.group == asked.group}
        if not members:
            groups = sorted({fact.group for fact in known if fact.group})
            raise CommandRefused(f"group: there is no {asked.group}{near_words(asked.group, groups)}")
        if asked.account is not None and asked.account not in members:
            raise CommandRefused(f"account: {asked.account} is not in group {asked.group}; leave out one of the two.")
        names = members
    if asked.account is None:
        return tuple(sorted(names))
    if asked.account not in names and asked.account not in (names := names | await store.traders()):
        raise CommandRefused(f"account: there is no {asked.account}{near_words(asked.account, sorted(names))}")
    return (asked.account,)
