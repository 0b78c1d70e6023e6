"""Leaders, groups and accounts changed at a running desk: only at rest, and what the venue says of that counts."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from brokers.adapter import StreamDown
from engine.seat import AccountRow, CommandRefused, Role, Topic
from schema.records import Rule, RuleKind
from tests.practice import LEADER, PracticeDesk, practice, until


def row(desk: PracticeDesk, account: str) -> AccountRow:
    rows = desk.desk.view(Topic.ACCOUNTS).rows
    return next(each for each in rows if isinstance(each, AccountRow) and each.account == account)


async def refused(asked: Any) -> str:
    with pytest.raises(CommandRefused) as error:
        await asked
    return str(error.value)


async def test_a_leader_is_changed_only_while_nobody_of_its_group_holds_or_waits(state_dir: Path) -> None:
    async with practice(state_dir, "--venue", "tradovate", "--logins", "1") as desk:
        first, _, second, *_ = sorted(desk.core.followers)
        await desk.leader(+2)
        await desk.settled(5)
        said = await refused(desk.desk.lead(first, "main"))
        assert said.startswith("leader: ") and ":flatten" in said and "only at rest" in said
        assert desk.core.groups["main"].leader == LEADER
        assert "changes its leader only when flat" in await refused(desk.desk.set_group("main", "leader", first))
        await desk.leader(-2)
        await desk.settled(5)

        # Flat, but an order of the leader waits at the venue.
        rests = {"symbol": "ESH4", "side": "buy", "qty": 1, "type": "limit", "limit": "4000.00"}
        resting = await desk.control("trade", account=LEADER, **rests)
        await until(lambda: desk.desk.views.publish(desk.core.now_ns) or row(desk, LEADER).working == 1, 5)
        assert f"{LEADER} has 1 working order" in await refused(desk.desk.lead(first, "main"))
        await desk.control("cancel", account=LEADER, order_id=resting["order_id"])
        await until(lambda: desk.desk.views.publish(desk.core.now_ns) or row(desk, LEADER).working == 0, 5)

        assert await desk.desk.lead(first, "main") == f"{first} leads main; {LEADER} is in no group now."
        assert (row(desk, first).role, row(desk, LEADER).role) == (Role.LEADER, Role.NONE)
        assert (await desk.store.load_config()).groups[0].leader == first
        assert first not in desk.core.followers

        # The new one is followed, the old one is not.
        signals = desk.core.tally.signals
        await desk.control("trade", account=LEADER, symbol="ESH4", side="buy", qty=1)
        await desk.control("trade", account=first, symbol="ESH4", side="buy", qty=1)
        await until(lambda: desk.core.tally.signals > signals, 5)
        await desk.settled(5)
        assert desk.core.tally.signals == signals + 1
        assert {signal.leader for signal, _ in await desk.store.recent_copies(4)} == {first}
        assert second in desk.core.followers

        # What can't be asked is not taken for flat.
        connection = desk.core.connection_of(second)
        await desk.desk.adapters[connection].close()
        desk.desk._emit(StreamDown(connection=connection, received_ns=desk.core.now_ns, reason="line cut"))
        await until(lambda: not desk.core.up[connection], 5)
        said = f"can't be said: {connection} is down: line cut"
        for asked in (desk.desk.unfollow(second), desk.desk.lead(second, "main")):
            assert said in await refused(asked)
        assert "had +1 ESH4" in await refused(desk.desk.remove_account(second))  # as its venue last said


async def test_accounts_get_rules_change_places_and_leave_the_desk_at_rest(state_dir: Path) -> None:
    async with practice(state_dir, "--venue", "tradovate", "--logins", "2", "--accounts-per-login", "2") as desk:
        names = one, two, three, four = sorted(desk.core.followers)
        fixed = Rule(kind=RuleKind.FIXED, value=Decimal(1))
        assert await desk.desk.set_size("main", fixed, 3) == "4 followers now copy fixed 1, 3 lots at most."
        assert {await desk.desk.sizing(name) for name in names} == {(fixed, 3)}
        assert {step.held for step in (await desk.desk.preview(one, fixed, 3)).steps} <= {-1, 0, 1}
        before = await desk.store.load_config()
        assert "above 0" in await refused(desk.desk.set_size("main", replace(fixed, value=Decimal(-1)), 3))
        assert await desk.store.load_config() == before, "all of them or none"

        assert await desk.desk.unfollow(one) == f"{one} is out of main; it stays on the desk."
        assert row(desk, one).role is Role.NONE
        assert "follows in no group" in await refused(desk.desk.unfollow(one))
        assert "there is no 'scalp'" in await refused(desk.desk.follow(one, "scalp"))
        assert await desk.desk.lead(one, "scalp") == f"{one} leads scalp."
        assert "already" in await refused(desk.desk.lead(one, "scalp"))
        assert f"{one} leads scalp" in await refused(desk.desk.follow(one, "main"))
        assert "follows in main and can't lead scalp" in await refused(desk.desk.lead(two, "scalp"))

        rule = desk.core.followers[two].rule
        await desk.desk.follow(two, "scalp")
        moved = desk.core.followers[two]
        assert (moved.group, moved.enabled, moved.rule) == ("scalp", False, rule)
        assert "already" in await refused(desk.desk.follow(two, "scalp"))

        # Who holds something goes nowhere.
        await desk.desk.set_size(three, Rule(), None)
        await desk.leader(+1)
        await desk.settled(5)
        for asked in (desk.desk.unfollow(three), desk.desk.follow(three, "scalp"), desk.desk.remove_account(three)):
            assert f"{three} has +1 ESH4" in await refused(asked)
        await desk.leader(-1)
        await desk.settled(5)

        # The last account takes its login along, and the desk leaves the venue.
        connection = desk.core.connection_of(three)
        assert await desk.desk.remove_account(three) == f"{three} is off the desk."
        gone = await desk.desk.remove_account(four)
        assert gone == f"{four} is off the desk, and its login {connection} with it."
        assert connection not in desk.desk.adapters
        await until(lambda: not desk.core.up[connection], 5)
        status = desk.status()
        assert (status.connections_up, status.connections) == (2, 2)
        assert "followers" in await refused(desk.desk.remove_account(one))  # it leads one
