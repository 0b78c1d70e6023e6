"""The rules page: what is typed is shown as a table at once, and set only by its button."""

from decimal import Decimal

from engine.shown import PreviewStep, RulePreview
from schema.records import Rule, RuleKind
from tests.tui.driving import desk
from tui.rules_page import preview_text


async def test_a_rule_is_previewed_as_it_is_typed_and_set_by_the_button() -> None:
    async with desk(signals=0) as on:
        await on.pilot.press("down", "r")
        await on.shows("Rule of DEMO1001")
        await on.shows("+0 > +1" if "+0 > +1" in on.text else "0 > +1")
        await on.pilot.press("right", "enter", "ctrl+u", "7")
        await on.shows("buy 7")
        assert "DEMO1001" not in on.seat.sizes
        for _ in range(5):
            await on.pilot.press("enter")
        await on.shows("DEMO1001 now copies")
        rule, cap = on.seat.sizes["DEMO1001"]
        assert (rule.value, cap) == (Decimal(7), None)
        assert rule.kind is not RuleKind.PROPORTIONAL


async def test_a_cap_shows_in_the_table_and_a_wrong_one_is_refused_at_its_line() -> None:
    async with desk(signals=0) as on:
        await on.command("rules main")
        await on.shows("Rule of main")
        await on.pilot.press("enter", "ctrl+u", "9", "enter", "enter", "enter", "4")
        await on.shows("buy 4")
        await on.pilot.press("ctrl+u", "x")
        await on.shows("cap: 'x' is not a whole number; write 1 or more, or nothing.")
        await on.pilot.press("ctrl+u", "4", "enter", "enter", "enter")
        await on.shows("main now copies proportional 9.")
        assert on.seat.sizes["DEMO1020"] == (Rule(value=Decimal(9)), 4)


async def test_a_value_that_is_no_number_is_said_and_nothing_is_set() -> None:
    async with desk(signals=0) as on:
        await on.pilot.press("down", "r")
        await on.shows("Rule of DEMO1001")
        await on.pilot.press("enter", "ctrl+u", "x")
        await on.shows("value: 'x' is not a number; write one above 0, such as 0.5.")
        await on.pilot.press("escape")
        await on.shows("Nothing was changed.")
        assert not on.seat.sizes


def test_the_table_has_every_step_and_the_notes_below() -> None:
    steps = (
        PreviewStep(leader_before=0, leader_net=1, order=0, held=0, note="at target +0"),
        PreviewStep(leader_before=1, leader_net=2, order=1, held=1),
        PreviewStep(
            leader_before=2, leader_net=-3, order=-2, held=-1, note="two orders: its venue takes none across zero"
        ),
    )
    text = preview_text(RulePreview(account="D1", leader_symbol="ESH4", symbol="MESH4", steps=steps))
    assert text.splitlines()[0] == "D1 copies ESH4 as MESH4"
    assert "0 > +1" in text and "+1 > +2" in text and "+2 > -3" in text
    assert "sell 2" in text and text.endswith("two orders: its venue takes none across zero")
    assert "at target" not in text
