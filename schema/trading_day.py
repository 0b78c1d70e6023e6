"""The futures day: from 17:00 Chicago to 17:00 Chicago, by which contracts roll and expire. Pure arithmetic.

The law's rule for daylight saving (2007 on) is written out here instead of read from the machine's zone files, so that
a recorded session replays to the same days everywhere. Used by the engine's rollover guard and by `schema/expiry.py`.
"""

from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

from schema.clock import from_datetime, to_datetime

_DAY_ENDS = timedelta(hours=17)
_STANDARD, _DAYLIGHT = timezone(timedelta(hours=-6)), timezone(timedelta(hours=-5))
_SUNDAY = 6


def nth_weekday(year: int, month: int, nth: int, weekday: int) -> date:
    """The nth `weekday` (0 Monday) of a month; of a negative `nth` counted from its end."""
    if nth > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7 + 7 * (-nth - 1))


@lru_cache(64)
def _summer(year: int) -> tuple[datetime, datetime]:
    """When the clocks go forward and back, at 2:00 each time."""
    begins, ends = nth_weekday(year, 3, 2, _SUNDAY), nth_weekday(year, 11, 1, _SUNDAY)
    return (
        datetime(begins.year, begins.month, begins.day, 2, tzinfo=_STANDARD),
        datetime(ends.year, ends.month, ends.day, 2, tzinfo=_DAYLIGHT),
    )


def _is_summer(at: datetime) -> bool:
    begins, ends = _summer(at.year)
    return begins <= at < ends


def chicago(at_ns: int) -> datetime:
    """What Chicago's clocks show at `at_ns`."""
    at = to_datetime(at_ns)
    return at.astimezone(_DAYLIGHT if _is_summer(at) else _STANDARD)


def at_chicago(day: date, hours: int, minutes: int = 0) -> int:
    """Nanoseconds of a time of day in Chicago; of the hour that comes twice, the first."""
    at = datetime(day.year, day.month, day.day, hours, minutes, tzinfo=_DAYLIGHT)
    return from_datetime(at if _is_summer(at) else at.replace(tzinfo=_STANDARD))


def trading_day(at_ns: int) -> date:
    """The day a moment trades on: from 17:00 Chicago it is the next one."""
    return (chicago(at_ns) + (timedelta(days=1) - _DAY_ENDS)).date()


def ends_ns(day: date) -> int:
    """When a trading day ends: 17:00 Chicago."""
    return at_chicago(day, 17)
