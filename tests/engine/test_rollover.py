"""The rollover guard, on the practice table: what expires opens nothing, exits go, what does not fit is told daily."""

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine.core import Core
from engine.latency import Latencies
from engine.rollover import due, to_acknowledge
from engine.seat import CommandRefused
from engine.state import CoreLimits
from schema.clock import from_datetime
from schema.records import Decision, FollowerConfig, Instrument, Rule, RuleKind, SymbolMap
from schema.symbols import ContractKey
from schema.trading_day import at_chicago
from tests.engine.table import LEADER, Table

ONE = Rule(kind=RuleKind.PROPORTIONAL, value=Decimal(1))
TO_MICRO = FollowerConfig(
    account="DEMO1002",
    group="main",
    rule=ONE,
    symbols=(SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10)),),
)
ESZ6, MESZ6 = ("CME", "ES", 202612), ("CME", "MES", 202612)
EXPIRES_NS = at_chicago(date(2026, 12, 18), 8, 30)
DAY_S = 86_400


def at(text: str) -> int:
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC))


class December(Table):
    """A table on a day of December 2026, whose venue describes ESZ6 and MESZ6 as real ones do."""

    def __init__(self, now_ns: int, *, checked: bool = True) -> None:
        super().__init__({"DEMO1001": ONE, "DEMO1002": TO_MICRO}, connect=False)
        self.inputs: list[ev.AnyInput] = [ev.ConfigLoaded(at_ns=self.now_ns, config=self.config)]
        self.now_ns = now_ns
        for name in (LEADER, "DEMO1001", "DEMO1002"):
            self.connect(name)
            if checked:
                for symbol in ("ESZ6", "MESZ6"):
                    self.described(name, symbol)

    def feed(self, event: ev.AnyInput) -> None:
        if hasattr(self, "inputs"):
            self.inputs.append(event)
        super().feed(event)

    def described(self, account: str, symbol: str, **said: object) -> None:
        root = symbol[:-2]
        terms: dict[str, object] = {
            "symbol": symbol,
            "root": root,
            "tick_size": Decimal("0.25"),
            "tick_value": Decimal("12.50") if root == "ES" else Decimal("1.25"),
            "month": 202612,
            "expires_ns": EXPIRES_NS,
            "front": symbol,
        }
        found = Instrument(**(terms | said))  # type: ignore[arg-type]
        self.feed(ev.InstrumentChecked(at_ns=self.now_ns, connection=f"at-{account}", symbol=symbol, instrument=found))

    def trades(self, signed_qty: int) -> dict[str, tuple[Decision, str]]:
        """The leader trades ESZ6; each follower's decision and reason, its orders filled."""
        self.now_ns += 1_000_000
        self.copies.clear()
        self.fill(LEADER, signed_qty, "ESZ6")
        for order in self.take():
            self.execute(order)
        return {copy.follower: (copy.decision, copy.reason) for copy in self.copies.values()}

    def acknowledges(self, *keys: tuple[str, str, int]) -> None:
        self.config = replace(self.config, acknowledged=keys)
        self.feed(ev.ConfigLoaded(at_ns=self.now_ns, config=self.config))

    def later(self, now_ns: int) -> list[str]:
        """Time passes until then; what was alerted on the way."""
        self.alerts.clear()
        self.now_ns = now_ns
        self.feed(ev.Tick(at_ns=now_ns))
        return list(self.alerts)


def test_eight_days_before_its_expiry_a_contract_is_traded_and_seven_days_before_it_opens_nothing() -> None:
    table = December(at("2026-12-10T15:00"))
    assert {decision for decision, _ in table.trades(+1).values()} == {Decision.COPIED}
    table.trades(-1)
    assert table.later(at("2026-12-10T22:59:59")) == []
    said = table.later(at("2026-12-10T23:00"))  # 17:00 Chicago: the trading day of the 11th begins
    assert said == [
        f"{symbol} expires in 7 days (2026-12-18) and opens nothing; roll, or acknowledge with :ack {symbol}"
        for symbol in ("ESZ6", "MESZ6")
    ]
    assert table.trades(+1) == {
        "DEMO1001": (Decision.SKIPPED, "ESZ6 expires in 7 days; roll, or acknowledge with :ack ESZ6"),
        "DEMO1002": (Decision.SKIPPED, "MESZ6 expires in 7 days; roll, or acknowledge with :ack MESZ6"),
    }


def test_exits_pass_and_what_of_a_flip_opens_is_held_back() -> None:
    table = December(at("2026-12-10T15:00"))
    table.trades(+2)
    table.later(at("2026-12-14T15:00"))
    decisions = table.trades(-3)
    assert decisions["DEMO1001"] == (
        Decision.COPIED,
        "entry held back: ESZ6 expires in 4 days; roll, or acknowledge with :ack ESZ6",
    )
    assert table.core.ledger.net("DEMO1001", "ESZ6") == table.core.ledger.net("DEMO1002", "MESZ6") == 0


def test_an_acknowledged_contract_is_opened_until_it_expires_and_only_that_one() -> None:
    table = December(at("2026-12-15T15:00"))
    table.acknowledges(ESZ6)
    decisions = table.trades(+1)
    assert decisions["DEMO1001"][0] is Decision.COPIED
    assert decisions["DEMO1002"] == (
        Decision.SKIPPED,
        "MESZ6 expires in 3 days; roll, or acknowledge with :ack MESZ6",
    )
    table.trades(-1)
    table.acknowledges(ESZ6, MESZ6)
    assert {decision for decision, _ in table.trades(+1).values()} == {Decision.COPIED}
    table.trades(-1)
    table.later(EXPIRES_NS - 1_000_000_000)
    assert {decision for decision, _ in table.trades(+1).values()} == {Decision.COPIED}


def test_an_expired_contract_opens_nothing_acknowledged_or_not_and_still_closes() -> None:
    table = December(at("2026-12-17T15:00"))
    table.acknowledges(ESZ6, MESZ6)
    table.trades(+1)
    assert "ESZ6 expires today (2026-12-18); acknowledged, so entries go on until then" in table.later(EXPIRES_NS - 1)
    said = table.later(EXPIRES_NS)
    decisions = table.trades(+1)
    assert decisions["DEMO1001"][1] == "ESZ6 expired on 2026-12-18 and opens nothing; trade the next month"
    assert {decision for decision, _ in decisions.values()} == {Decision.SKIPPED}
    table.trades(-2)
    assert table.core.ledger.net("DEMO1001", "ESZ6") == table.core.ledger.net("DEMO1002", "MESZ6") == 0
    assert said == []  # in the middle of a day; told when the next one begins
    assert "ESZ6 expired on 2026-12-18 and opens nothing; trade the next month" in table.later(at("2026-12-18T23:00"))


@pytest.mark.parametrize(
    ("before", "begins"),
    [("2026-03-06T22:59:59", "2026-03-06T23:00"), ("2026-03-09T21:59:59", "2026-03-09T22:00")],
)
def test_t_clock_contracts_are_due_again_when_the_trading_day_begins(before: str, begins: str) -> None:
    """T-CLOCK: at 17:00 Chicago, in winter and in summer, and at no other time."""
    table = December(at(before) - 3_600_000_000_000)
    table.later(at(before))
    assert due(table.core) == set()
    table.later(at(begins))
    assert due(table.core) == set(table.core.instruments)
    for name in (LEADER, "DEMO1001", "DEMO1002"):
        for symbol in ("ESH4", "MESH4"):
            table.feed(
                ev.InstrumentChecked(at_ns=table.now_ns, connection=f"at-{name}", symbol=symbol, instrument=None)
            )
    assert {symbol for _, symbol in due(table.core)} == {"ESZ6", "MESZ6"}


def test_t_roll_a_venue_whose_front_month_is_another_is_told_once_a_day_naming_both() -> None:
    """T-ROLL: the pinned symbol goes on, and the desk says so every day until it is rolled."""
    table = December(at("2026-11-25T15:00"))
    assert not [text for text in table.alerts if "front" in text]
    table.described("DEMO1002", "MESZ6", front="MESH7")
    table.described("DEMO1002", "MESZ6", front="MESH7")
    rolled = f"tradovate: the front month is MESH7, and MESZ6 is traded, led by {LEADER}"
    assert [text for text in table.alerts if "front" in text] == [rolled]
    assert rolled in table.later(at("2026-11-26T15:00"))
    assert table.later(at("2026-11-26T16:00")) == []


def test_t_roll_where_a_venue_names_no_front_month_the_product_table_does() -> None:
    """T-ROLL at FIX: no contract is described there."""
    table = December(at("2026-12-01T15:00"), checked=False)

    def describe_nothing() -> None:
        for name in (LEADER, "DEMO1001", "DEMO1002"):
            for symbol in ("ESZ6", "MESZ6"):
                table.described(name, symbol, front="", month=0, expires_ns=0, described=False)

    describe_nothing()
    assert not [text for text in table.alerts if "front" in text]
    table.later(at("2026-12-10T15:00"))
    describe_nothing()
    for old, new in (("ESZ6", "ESH7"), ("MESZ6", "MESH7")):
        said = f"tradovate: the front month is {new} by the product table, and {old} is traded, led by {LEADER}"
        assert said in table.alerts
    table.later(at("2026-12-10T16:00"))
    table.described(LEADER, "ESZ6")  # a venue that names one knows better than the table
    table.later(at("2026-12-11T15:00"))
    assert not [text for text in table.alerts if "front" in text]
    table.later(at("2026-12-11T15:00"))
    assert table.trades(+1)["DEMO1001"][1] == "ESZ6 expires in 7 days; roll, or acknowledge with :ack ESZ6"


def test_t_roll_a_follower_that_stands_in_another_month_than_its_leader_is_told() -> None:
    """T-ROLL: a position that was left behind in the old month is named with the new one."""
    table = December(at("2026-12-10T15:00"))
    table.fill("DEMO1001", 2, "ESZ6")
    table.described(LEADER, "ESH7", month=202703, expires_ns=at_chicago(date(2027, 3, 19), 8, 30))
    table.now_ns += 1_000_000
    table.fill(LEADER, 1, "ESH7")
    assert f"DEMO1001 holds +2 ESZ6, while {LEADER} trades ESH7" in table.later(at("2026-12-11T15:00"))


def test_one_name_for_two_months_arms_nobody() -> None:
    """ESZ6 is 2026 here and 2036 there: another contract under the same name."""
    table = December(at("2026-11-25T15:00"))
    table.described("DEMO1001", "ESZ6", month=203612)
    clash = "ESZ6 is 2036-12 at tradovate and ESZ6 is 2026-12 at tradovate: another contract, not armed"
    assert clash in table.alerts
    assert table.trades(+1)["DEMO1001"] == (Decision.SKIPPED, clash)
    table.described("DEMO1001", "ESZ6")
    table.trades(-1)
    assert table.trades(+1)["DEMO1001"][0] is Decision.COPIED


def test_what_was_held_back_is_not_opened_by_surprise_once_it_is_acknowledged() -> None:
    table = December(at("2026-12-10T15:00"))
    table.trades(+1)
    table.later(at("2026-12-14T15:00"))
    assert table.trades(+1)["DEMO1001"][0] is Decision.SKIPPED
    table.passes(5, ticks=10)
    assert not any(state.behind for state in table.core.states.values())
    table.acknowledges(ESZ6, MESZ6)
    table.passes(5, ticks=10)
    assert table.take() == []
    table.trades(+1)
    assert table.core.ledger.net("DEMO1001", "ESZ6") == 3


def test_t_replay_the_same_inputs_tell_and_gate_the_same() -> None:
    table = December(at("2026-12-10T15:00"))
    table.trades(+2)
    table.later(at("2026-12-11T15:00"))
    table.trades(+1)
    table.acknowledges(ESZ6)
    table.trades(+1)
    table.later(at("2026-12-18T15:00"))
    table.trades(-4)
    one, other = (Core(CoreLimits(), Latencies(Random(seed))) for seed in (1, 2))
    for event in table.inputs:
        assert one.process(event) == other.process(event)
    assert one.rolls.said == other.rolls.said != set()


def test_what_can_be_acknowledged() -> None:
    now_ns = at("2026-12-14T15:00")
    key = ContractKey(exchange="CME", root="ES", month=202612)
    assert to_acknowledge("esz6", {key: EXPIRES_NS}, now_ns) == key
    assert to_acknowledge("ESZ6", {}, now_ns) == key
    for text, says in (
        (
            "ES",
            "contract: 'ES' is not a contract; write root, month code and year, such as ESH4. The desk trades ESZ6.",
        ),
        ("ESSZ6", "contract: the product table has no 'ESS'; did you mean ES? The desk trades ESZ6."),
        ("ESU6", "contract: ESU6 expired on 2026-09-18, which can't be acknowledged; trade the next month."),
    ):
        with pytest.raises(CommandRefused) as refused:
            to_acknowledge(text, {key: EXPIRES_NS}, now_ns)
        assert str(refused.value) == says


def test_the_day_begins_with_whatever_comes_first_in_it() -> None:
    table = December(at("2026-12-10T15:00"))
    table.now_ns = at("2026-12-10T23:00")
    table.feed(venue.StreamDown(connection=f"at-{LEADER}", received_ns=table.now_ns, reason="line cut"))
    assert table.core.rolls.day == date(2026, 12, 11)
