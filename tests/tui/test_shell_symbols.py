"""`copydesk symbols`: what venues said of contracts, what each venue calls one, and acknowledging from the shell."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from schema.clock import SYSTEM_CLOCK
from schema.expiry import front_of
from schema.records import ConnectionConfig, Environment, NinjaLogin
from schema.settings import load_settings
from schema.store import CheckedContract, Store
from schema.symbols import ContractKey
from schema.trading_day import at_chicago, trading_day
from tests.tui.shell import Shell, server_kept_up

TODAY = trading_day(SYSTEM_CLOCK.now_ns())
FRONT = front_of("ES", TODAY)
NAMED = f"ES {FRONT.month_number:02d}-{FRONT.year % 100}"  # at NinjaTrader
SOON = at_chicago(TODAY + timedelta(days=5), 8, 30)
OLD = ContractKey(exchange="CME", root="ES", month=(TODAY.year - 1) * 100 + 12)


def said(connection: str, key: ContractKey, **more: object) -> CheckedContract:
    return CheckedContract(
        **{  # type: ignore[arg-type]
            "connection": connection,
            "symbol": key.symbol,
            "exchange": key.exchange,
            "root": key.root,
            "month": key.month,
            "venue_symbol": key.symbol,
            "tick_size": Decimal("0.25"),
            "tick_value": Decimal("12.50"),
            "expires_ns": SOON,
            "front": key.symbol,
            "described": True,
            "error": "",
            "checked_ns": SYSTEM_CLOCK.now_ns(),
        }
        | more
    )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    state_dir = tmp_path_factory.mktemp("symbols", numbered=True)
    for folder in (state_dir, *state_dir.parents[:2]):
        folder.chmod(0o711)
    settings = load_settings(state_dir=state_dir)

    async def fill() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            for venue in ("tradovate", "projectx", "fix", "ninjatrader"):
                login = ConnectionConfig(
                    connection=f"at-{venue}",
                    venue=venue,
                    environment=Environment.DEMO,
                    username="demo",
                    ninja=NinjaLogin(host="127.0.0.1") if venue == "ninjatrader" else None,
                )
                await store.add_connection(login, b"sealed")
            await store.put_contracts(
                [
                    said("at-tradovate", FRONT, front="ESX9"),
                    said("at-projectx", FRONT, error="tick size of ES is wrong"),
                    said("at-fix", FRONT, described=False, front=""),
                    said("at-ninjatrader", FRONT, described=False, front=FRONT.symbol, venue_symbol=NAMED),
                    said("at-tradovate", OLD, expires_ns=at_chicago(TODAY - timedelta(days=30), 8, 30), symbol="ESZ0"),
                    said("gone", FRONT),  # its login was taken off meanwhile
                ]
            )
        finally:
            await store.close()

    with server_kept_up(state_dir):
        asyncio.run(fill())
        yield Shell(state_dir)


def test_every_contract_is_listed_with_ticks_expiry_front_month_and_what_it_was_checked_against(shell: Shell) -> None:
    lines = shell.does("symbols", "list").splitlines()
    assert len(lines) == 5
    mine = {line.split()[0]: line for line in lines if f" {FRONT.symbol} " in line}
    assert {name: line.split()[1:5] for name, line in mine.items()} == {
        venue: [FRONT.symbol, *str(FRONT).split()] for venue in ("tradovate", "projectx", "fix", "ninjatrader")
    }
    assert "0.25/12.5" in mine["tradovate"] and "(in 5 days)" in mine["tradovate"]
    assert mine["tradovate"].endswith("front is ESX9")
    assert mine["projectx"].endswith("front, tick size of ES is wrong")
    assert mine["fix"].endswith(
        "front month not said, not described by the venue: checked against the product table only"
    )
    assert mine["ninjatrader"].endswith(
        "front, not described by the venue: checked against the product table only"
    )  # fmt: skip
    assert f"expired {TODAY - timedelta(days=30)}" in next(line for line in lines if " ESZ0 " in line)
    assert [line.split()[0] for line in shell.does("symbols", "list", "--venue", "fix").splitlines()] == ["fix"]


def test_a_contract_is_shown_with_its_key_and_its_name_at_every_venue(shell: Shell) -> None:
    text = shell.does("symbols", "show", FRONT.symbol.lower())
    assert text.splitlines()[0] == f"{FRONT.symbol}  {FRONT}  E-mini S&P 500"
    for shown in (
        "tick size 0.25, tick value 12.5",
        f"CON.F.US.EP.{FRONT.code}{FRONT.year % 100}",
        NAMED,
        f"/ES{FRONT.code}{FRONT.year % 100}:XCME",
        f"front month {FRONT.symbol}",
        "third Friday",
        "at-fix: fix",
        "at-ninjatrader: ninjatrader",
    ):
        assert shown in text
    assert "NYMEX CL" in shell.does("symbols", "show", "CLF8")  # of the table, though no venue was asked


def test_an_acknowledgement_is_kept_for_that_contract_and_shown(shell: Shell) -> None:
    assert "acknowledged: no" in shell.does("symbols", "show", FRONT.symbol)
    done = shell.does("symbols", "ack", FRONT.symbol)
    assert done == f"{FRONT.symbol} ({FRONT}) is acknowledged: entries go until it expires.\n"
    assert shell.does("symbols", "ack", FRONT.symbol) == done
    assert "acknowledged: yes" in shell.does("symbols", "show", FRONT.symbol)
    listed = [line for line in shell.does("symbols", "list").splitlines() if f" {FRONT.symbol} " in line]
    assert all("acknowledged" in line for line in listed)
    assert len(shell.dump()["acknowledged"]) == 1


@pytest.mark.parametrize(
    ("contract", "says"),
    [
        ("ESS6", "contract: 'ESS6' is not a contract; write root, month code and year, such as ESH4."),
        ("MESSZ6", "contract: the product table has no 'MESS'; did you mean MES?"),
        (f"{OLD.symbol}", f"contract: {OLD.symbol} expired on "),
    ],
)
def test_what_can_not_be_acknowledged_is_one_sentence(shell: Shell, contract: str, says: str) -> None:
    assert shell.refuses("symbols", "ack", contract).startswith(says)


def test_a_desk_that_has_asked_nobody_yet_says_so(state_dir: Path) -> None:
    said_nothing = Shell(state_dir).does("symbols", "list")
    assert said_nothing == "No venue has described a contract yet; a desk that opens asks for its own.\n"
