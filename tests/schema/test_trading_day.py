"""T-CLOCK: the futures day ends at 17:00 in Chicago, whatever the clocks there do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.clock import from_datetime
from schema.trading_day import at_chicago, chicago, ends_ns, trading_day

CHICAGO = ZoneInfo("America/Chicago")
MOMENTS = st.datetimes(datetime(2007, 12, 1), datetime(2037, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(MOMENTS)
def test_t_clock_chicagos_clocks_are_those_of_the_zone_files(at: datetime) -> None:
    assert chicago(from_datetime(at)).replace(tzinfo=None) == at.astimezone(CHICAGO).replace(tzinfo=None)


@pytest.mark.parametrize("year", range(2020, 2031))
def test_t_clock_every_quarter_of_an_hour_around_both_changes_is_right(year: int) -> None:
    for month, days in ((3, range(7, 16)), (10, range(31, 32)), (11, range(1, 9))):
        for day in days:
            for quarter in range(96):
                at = datetime(year, month, day, tzinfo=UTC) + timedelta(minutes=15 * quarter)
                assert chicago(from_datetime(at)).replace(tzinfo=None) == at.astimezone(CHICAGO).replace(tzinfo=None)


@given(MOMENTS)
def test_t_clock_a_day_ends_when_the_next_one_begins(at: datetime) -> None:
    at_ns = from_datetime(at)
    day = trading_day(at_ns)
    end = ends_ns(day)
    assert at_ns < end and trading_day(end - 1) == day and trading_day(end) == day + timedelta(days=1)
    assert chicago(end).hour == 17


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2026-03-06T22:59:59", date(2026, 3, 6)),  # winter: 17:00 is 23:00 UTC
        ("2026-03-06T23:00:00", date(2026, 3, 7)),
        ("2026-03-09T21:59:59", date(2026, 3, 9)),  # summer since the day before: 22:00 UTC
        ("2026-03-09T22:00:00", date(2026, 3, 10)),
        ("2026-11-01T22:59:59", date(2026, 11, 1)),  # back to winter on this day
        ("2026-11-01T23:00:00", date(2026, 11, 2)),
        ("2026-11-25T00:30:00", date(2026, 11, 25)),  # neither UTC's midnight nor New York's evening counts
    ],
)
def test_t_clock_the_day_changes_at_five_in_the_afternoon(utc: str, day: date) -> None:
    assert trading_day(from_datetime(datetime.fromisoformat(utc).replace(tzinfo=UTC))) == day


def test_the_hour_that_comes_twice_is_the_first_one() -> None:
    assert at_chicago(date(2026, 11, 1), 1, 30) == from_datetime(datetime(2026, 11, 1, 6, 30, tzinfo=UTC))
