"""Logins beside the desk's configuration: what is new and gone, and that no login takes another one's name."""

import pytest
from msgspec.structs import replace

from engine.logins import accounts_in, compared, must_be_free
from engine.seat import CommandRefused
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    DeskConfig,
    Environment,
    FollowerConfig,
    GroupConfig,
    VenueAccount,
)

BOSS = ConnectionConfig(connection="boss", venue="tradovate", environment=Environment.DEMO, username="boss")
DESK = DeskConfig(
    connections=(BOSS,),
    accounts=tuple(AccountConfig(account=name, connection="boss", venue_id=name) for name in ("L1", "F1", "F2", "OLD")),
    groups=(GroupConfig(group="main", leader="L1"),),
    followers=(
        FollowerConfig(account="F1", group="main"),
        FollowerConfig(account="F2", group="main", enabled=False),
        FollowerConfig(account="OLD", group="main"),
    ),
)


def listed(account: str, *, active: bool = True, readonly: bool = False) -> VenueAccount:
    return VenueAccount(account=account, venue_id=account, active=active, readonly=readonly)


def test_what_a_login_lists_is_told_beside_the_desks_new_and_gone_alike() -> None:
    found = [listed("L1"), listed("F1"), listed("F2", active=False), listed("NEW"), listed("LOOK", readonly=True)]
    assert [(each.account, each.state, each.role, each.mine) for each in compared(DESK, "boss", found)] == [
        ("L1", "may trade", "leads main", True),
        ("F1", "may trade", "follows in main, on", True),
        ("F2", "may not trade", "follows in main, off", True),
        ("NEW", "may trade", "not on the desk", False),
        ("LOOK", "may not trade", "not on the desk", False),
        ("OLD", "not listed", "on the desk, but the venue no longer lists it", True),
    ]


@pytest.mark.parametrize(
    "other",
    [
        replace(BOSS, environment=Environment.LIVE),
        replace(BOSS, username="someone"),
        replace(BOSS, venue="projectx"),
    ],
)
def test_a_login_takes_no_other_logins_name_and_no_practice_account_becomes_a_live_one(other: ConnectionConfig) -> None:
    with pytest.raises(CommandRefused, match="connection: boss is the demo login boss at tradovate; choose another"):
        must_be_free(DESK, other)
    must_be_free(DESK, replace(other, connection="another"))
    must_be_free(DESK, replace(BOSS, rest_url="https://elsewhere.example/v1"))  # the same login again


def test_accounts_are_counted_in_words() -> None:
    assert [accounts_in(count, "main") for count in (1, 2)] == ["1 account in group main", "2 accounts in group main"]
