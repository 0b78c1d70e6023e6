"""Dialects are data: what each sends at logon, when its numbers begin anew, and what it refuses."""

from datetime import UTC, datetime

import pytest

from brokers.adapter import LoginRefused
from brokers.fix.dialect import dialect_of, dialects
from schema.clock import from_datetime
from schema.login import Credentials

SECRET = Credentials(username="user", password="canary-1", sec="canary-2")


def at(text: str) -> int:
    return from_datetime(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "now", "started"),
    [
        ("generic", "2026-11-21 10:00", None),
        ("generic-daily", "2026-11-21 10:00", "2026-11-20 22:00"),
        ("generic-daily", "2026-11-21 22:00", "2026-11-21 22:00"),
        ("generic-weekly", "2026-11-21 10:00", "2026-11-15 22:00"),  # a Saturday; the session began on Sunday
        ("generic-weekly", "2026-11-22 21:59", "2026-11-15 22:00"),
        ("generic-weekly", "2026-11-22 22:00", "2026-11-22 22:00"),
        ("generic-weekly", "2026-11-23 01:00", "2026-11-22 22:00"),
    ],
)
def test_session_begins_when_its_dialect_says(name: str, now: str, started: str | None) -> None:
    assert dialects()[name].session_start_ns(at(now)) == (at(started) if started else 0)


def test_generic_logon_carries_user_and_password() -> None:
    assert dialects()["generic"].logon_fields(SECRET) == ((553, "user"), (554, "canary-1"))


def test_t4_logon_carries_licence_and_options() -> None:
    fields = dialects()["t4"].logon_fields(SECRET)
    assert fields[:4] == ((91, "canary-2"), (90, "8"), (553, "user"), (554, "canary-1"))
    assert (384, "2") in fields
    assert [value for tag, value in fields if tag == 372] == ["D", "8"]


def test_4_2_asks_neither_for_positions_nor_for_all_orders() -> None:
    generic = dialects()["generic"]
    assert not generic.asks_positions("FIX.4.2")
    assert not generic.asks_all_orders("FIX.4.2")
    assert generic.asks_positions("FIX.4.4")
    assert generic.asks_all_orders("FIX.4.4")


def test_unknown_dialect_and_version_are_refused_in_a_sentence() -> None:
    with pytest.raises(LoginRefused, match="dialect: there is no 'cqg'; write one of generic"):
        dialect_of("cqg", "FIX.4.2")
    with pytest.raises(LoginRefused, match=r"version: the dialect t4 speaks FIX.4.2, not FIX.4.4"):
        dialect_of("t4", "FIX.4.4")
