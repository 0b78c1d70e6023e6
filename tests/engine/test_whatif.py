"""What other rules would have done with a recorded session, counted by hand."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine import events as ev
from engine.rulefile import OtherRules
from engine.rules import RuleRefused
from engine.session import SessionRefused
from engine.whatif import FollowerTwice, WhatIf, what_if
from schema.records import Instrument, Mode, RejectClass
from tests.engine.table import LEADER
from tests.engine.test_recorder import RecordedTable, recorded_table

FOLLOWERS = ("DEMO1001", "DEMO1002", "DEMO1003")


def rules(folder: Path, text: str) -> OtherRules:
    path = folder / "rules.toml"
    path.write_text(text)
    return OtherRules.read(path)


def leader_trades(table: RecordedTable, signed_qty: int, price: str) -> None:
    table.now_ns += 10_000_000
    fill = table.fill(LEADER, signed_qty, tell=False)
    table.tell(replace(fill, price=Decimal(price)))


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """ES at 50 a point. The leader buys 2 at 4800, 2 at 4804, sells 3 at 4810: +1 left. DEMO1001 is refused its first
    entry; the rest follow lot for lot, filled at 4800 by the table's venue."""
    with recorded_table(tmp_path) as table:
        contract = Instrument(symbol="ESH4", root="ES", tick_size=Decimal("0.25"), tick_value=Decimal("12.5"))
        for name in (LEADER, *FOLLOWERS):
            table.feed(
                ev.InstrumentChecked(at_ns=table.now_ns, connection=f"at-{name}", symbol="ESH4", instrument=contract)
            )
        leader_trades(table, 2, "4800")
        for order in table.take():
            if order.account == "DEMO1001":
                table.reject(order, RejectClass.MARGIN)
            else:
                table.execute(order)
        for quantity, price in ((2, "4804"), (-3, "4810")):
            leader_trades(table, quantity, price)
            table.execute_all()
            table.passes(1, ticks=20)
    return table.recorder.path


def of(found: WhatIf, account: str) -> FollowerTwice:
    return next(follower for follower in found.followers if follower.account == account)


def test_the_same_rules_give_every_follower_its_ideal(session: Path) -> None:
    found = what_if(session, rules(session.parent, ""))
    assert found.signals == 3 and found.notes == ()
    ideal = of(found, "DEMO1002").other
    # 4 lots at 4802 on average, 3 of them sold at 4810: 8 points x 3 x 50; 1 lot left, 8 points over its price.
    assert (ideal.copies, ideal.lots, ideal.final) == (3, 7, "+1 ESH4")
    assert (ideal.realized, ideal.open) == (Decimal(1200), Decimal(400))
    recorded = of(found, "DEMO1002").recorded
    assert (recorded.copies, recorded.lots, recorded.final, recorded.realized) == (3, 7, "+1 ESH4", Decimal(0))
    # A reject of the venue is not the rule's doing.
    assert of(found, "DEMO1001").other == ideal
    assert (of(found, "DEMO1001").recorded.copies, of(found, "DEMO1001").recorded.final) == (0, "flat")


def test_other_rules_are_counted_by_hand(session: Path) -> None:
    text = """
        [default]
        value = 0.5
        [accounts.DEMO1002]
        kind = "fixed"
        value = 3
        max_position = "none"
        [accounts.DEMO1003]
        invert = true
        value = 1
        max_position = 3
    """
    found = what_if(session, rules(session.parent, text))
    half, fixed, inverse = (of(found, account).other for account in FOLLOWERS)
    # +1 at 4800, +1 at 4804, then half of +1 is 0: both sold at 4810.
    assert (half.rule, half.copies, half.lots, half.final) == ("proportional 0.5", 3, 4, "flat")
    assert half.realized == Decimal(8 * 2 * 50)
    assert (fixed.rule, fixed.copies, fixed.lots, fixed.final, fixed.realized) == ("fixed 3", 1, 3, "+3 ESH4", 0)
    assert fixed.open == Decimal(10 * 3 * 50)
    # Short 2 at 4800 and, capped at 3, 1 more at 4804; 2 bought back at 4810.
    assert (inverse.rule, inverse.lots, inverse.final) == ("proportional 1 invert", 5, "-1 ESH4")
    average = (Decimal(4800) * 2 + 4804) / 3
    assert round(inverse.realized, 6) == round((average - 4810) * 2 * 50, 6)
    assert of(found, "DEMO1003").recorded.rule == "proportional 1"


def test_a_flatten_closes_the_account_at_the_leaders_price(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        leader_trades(table, 2, "4800")
        table.execute_all()
        table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1001",)))
        leader_trades(table, 1, "4801")
        table.execute_all()
    found = what_if(table.recorder.path, rules(tmp_path, "[default]\nvalue = 2\n"))
    assert of(found, "DEMO1001").other.final == "flat"
    assert of(found, "DEMO1002").other.final == "+6 ESH4"


def test_a_connection_that_was_down_stays_down(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        table.disconnect("DEMO1001")
        leader_trades(table, 2, "4800")
        table.execute_all()
    found = what_if(table.recorder.path, rules(tmp_path, "[default]\nvalue = 2\n"))
    assert of(found, "DEMO1001").other.copies == 0
    assert of(found, "DEMO1002").other.final == "+4 ESH4"


def test_a_group_that_mirrors_orders_is_refused(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        groups = tuple(replace(group, mode=Mode.ORDERS) for group in table.config.groups)
        table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=replace(table.config, groups=groups)))
    with pytest.raises(SessionRefused) as refused:
        what_if(table.recorder.path, rules(tmp_path, ""))
    assert str(refused.value).startswith("rules: group main mirrors orders, whose fills can't be made up;")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("default = 1", "rules: [default] of rules.toml is not a table; write keys such as value = 0.5 under it."),
        ("[defualt]", "has 'defualt'; write [default] or [accounts.NAME]."),
        ("accounts = 3", "is not a table; write [accounts.NAME]."),
        ("[default]\nvlue = 2", "rules: [default] of rules.toml has no 'vlue'; did you mean value?"),
        ("[default]\ninvert = 1", "rules: [default] of rules.toml: invert is 1; write true or false."),
        ("[default]\nmax_position = 0", 'max_position is 0; write whole lots from 1 on, or "none".'),
        ("[default]\nvalue = []", "rules: [default] of rules.toml: value is []; write a word or a number."),
        ("[default]\nkind = 'half'", "'half' is not a kind of rule; write fixed, proportional or percent."),
        ("[accounts.DEMO1001]\nvalue = -1", "DEMO1001 in rules.toml: value: -1 would not copy the leader;"),
        ("[accounts.DEMO10O1]\nvalue = 1", "rules: the session has no follower DEMO10O1; did you mean DEMO1001?"),
        ("a b", "is not valid TOML ("),
    ],
)
def test_a_bad_file_gets_one_sentence_naming_field_and_remedy(session: Path, text: str, said: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        what_if(session, rules(session.parent, text))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
