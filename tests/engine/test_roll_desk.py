"""A whole desk while months roll: real sockets, a real database, a venue that calls another month its front one."""

from pathlib import Path

import pytest

from engine import desk as desk_module
from engine import rollover
from engine.seat import AccountRow, Topic
from schema.clock import SYSTEM_CLOCK
from schema.expiry import expires_ns
from schema.records import Copy, Decision, RuleKind
from schema.symbols import key_of
from schema.trading_day import ends_ns, trading_day
from tests.practice import LEADER, PracticeDesk, practice, until

MIXED = ("--venue", "tradovate", "--venue", "projectx", "--limit", "projectx.requests=0")
OPTIONS = ("--logins", "2", "--accounts-per-login", "2")


class Moved:
    """The machine's clock, moved on by hand."""

    def __init__(self) -> None:
        self.ahead_ns = 0

    def now_ns(self) -> int:
        return SYSTEM_CLOCK.now_ns() + self.ahead_ns

    def to_the_next_trading_day(self) -> None:
        now_ns = self.now_ns()
        self.ahead_ns += ends_ns(trading_day(now_ns)) - now_ns + 1_000_000_000


def alerts(desk: PracticeDesk) -> list[str]:
    desk.desk.views.publish(SYSTEM_CLOCK.now_ns())
    return [row.text for row in desk.desk.view(Topic.ALERTS).rows]  # type: ignore[union-attr]


def row(desk: PracticeDesk, account: str) -> AccountRow:
    desk.desk.views.publish(SYSTEM_CLOCK.now_ns())
    rows = [each for each in desk.desk.view(Topic.ACCOUNTS).rows if isinstance(each, AccountRow)]
    return next(each for each in rows if each.account == account)


async def decided(desk: PracticeDesk, signed_qty: int) -> dict[str, Copy]:
    """The leader trades; each follower's copy once the desk is at rest."""
    before = {copy.signal_id for copy in await desk.decisions()}
    await desk.leader(signed_qty)
    await desk.settled(5.0)
    return {copy.follower: copy for copy in await desk.decisions() if copy.signal_id not in before}


async def test_t_roll_a_front_month_that_rolls_while_the_desk_runs_is_told_when_the_day_begins(state_dir: Path) -> None:
    """T-ROLL: at both venues, with the login lists, sessions and sockets of a new day; the old month goes on."""
    clock = Moved()
    async with practice(state_dir, *MIXED, *OPTIONS, clock=clock) as desk:
        venues = {login.connection: login.venue for login in desk.core.config.connections}
        assert set(venues.values()) == {"tradovate", "projectx"}
        assert not [text for text in alerts(desk) if "front month" in text]
        for symbol in ("ESH4", "MESH4"):
            await desk.control("roll", symbol=symbol)
        clock.to_the_next_trading_day()
        for venue in ("tradovate", "projectx"):
            said = f"{venue}: the front month is ESM4, and ESH4 is traded, led by {LEADER}"
            await until(lambda said=said: said in alerts(desk), 20)
        assert alerts(desk).count(f"tradovate: the front month is ESM4, and ESH4 is traded, led by {LEADER}") == 1
        assert {state.front for pair, state in desk.core.rolls.contracts.items() if pair[1] == "ESH4"} == {"ESM4"}
        assert {row(desk, name).state for name in desk.core.followers} == {"armed"}  # told, not blocked


async def test_t_roll_within_seven_days_nothing_opens_until_it_is_acknowledged_and_exits_go(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-ROLL: the venue's own date decides; the reason is in the accounts pane and in the ledger; an acknowledgement by
    another process is followed at once."""
    monkeypatch.setattr(desk_module, "_ASK_REFUSED_EVERY_NS", 300_000_000)
    async with practice(state_dir, *OPTIONS) as desk:
        first = await decided(desk, +2)
        assert first and {copy.decision for copy in first.values()} <= {Decision.COPIED, Decision.SKIPPED}
        moving = {name for name, each in desk.core.followers.items() if each.rule.kind is not RuleKind.FIXED}
        copied = sorted(
            name
            for name, copy in first.items()
            if copy.decision is Decision.COPIED and copy.symbol == "ESH4" and name in moving
        )
        assert copied
        await desk.control("listing", symbol="ESH4", expires_in_days=5)
        for pair in [pair for pair in desk.core.instruments if pair[1] == "ESH4"]:
            desk.core.rolls.checked_on.pop(pair)  # as after a night
        await until(lambda: all(row(desk, name).state == "disarmed" for name in copied), 10)
        reason = row(desk, copied[0]).why
        assert reason.startswith("ESH4 expires in ") and reason.endswith(" days; roll, or acknowledge with :ack ESH4")
        second = await decided(desk, +2)
        assert {second[name].decision for name in copied} == {Decision.SKIPPED}
        # A small ratio or a small part of the equities may want no more than it holds already.
        assert {second[name].reason for name in copied if "at target" not in second[name].reason} == {reason}
        exits = await decided(desk, -4)
        assert {exits[name].decision for name in copied} == {Decision.COPIED}
        assert all(desk.core.ledger.net(name, "ESH4") == 0 for name in copied)
        today = trading_day(SYSTEM_CLOCK.now_ns())
        await desk.store.acknowledge(key_of("ESH4", today))  # as `copydesk symbols ack` does
        await until(lambda: all(row(desk, name).state == "armed" for name in copied), 5)
        assert (await decided(desk, +1))[copied[0]].decision is Decision.COPIED
        await decided(desk, -1)

        await desk.control("listing", symbol="ESH4", expires_in_days=-1)
        for pair in [pair for pair in desk.core.instruments if pair[1] == "ESH4"]:
            desk.core.rolls.checked_on.pop(pair)
        await until(lambda: "expired" in row(desk, copied[0]).why, 10)
        assert (await decided(desk, +1))[copied[0]].decision is Decision.SKIPPED


async def test_a_tick_that_differs_at_projectx_arms_nobody_there(state_dir: Path) -> None:
    """The venue's own tick is asked for at connect; another one than the table's refuses to arm, with the sentence."""
    async with practice(state_dir, *MIXED, *OPTIONS) as desk:
        login = next(each for each in desk.core.config.connections if each.venue == "projectx")
        await desk.control("listing", login=login.username, symbol="ESH4", tick_size="0.5")
        for account in [a.account for a in desk.core.config.accounts if a.connection == login.connection]:
            assert row(desk, account).state == "armed"
        desk.core.rolls.checked_on.clear()
        await desk.desk._contracts.check({(login.connection, "ESH4")})  # pyright: ignore[reportPrivateUsage]
        sentence = (
            "tick size of ESH4 is 0.5 at projectx and 0.25 in the product table: "
            "not armed, correct the one that is wrong"
        )
        assert f"{login.connection}: {sentence}" in alerts(desk)
        mine = [a.account for a in desk.core.config.accounts if a.connection == login.connection]
        whole = [name for name in mine if not desk.core.followers[name].symbols]
        assert whole and {(row(desk, name).state, row(desk, name).why) for name in whole} == {("disarmed", sentence)}
        copies = await decided(desk, +2)
        assert {copies[name].reason for name in whole} == {sentence}
        assert any(copy.decision is Decision.COPIED for name, copy in copies.items() if name not in mine)


@pytest.mark.parametrize("venue", ["fix", "ninjatrader"])
async def test_a_venue_that_describes_no_contract_is_checked_against_the_table_and_the_desk_says_so(
    state_dir: Path, venue: str
) -> None:
    """Standard FIX and NinjaTrader's socket have no word on ticks or months: the product table's stand, and are marked
    as such. At NinjaTrader its own name of the contract is kept."""
    async with practice(state_dir, "--venue", venue, *OPTIONS) as desk:
        assert {copy.decision for copy in (await decided(desk, +2)).values() if copy.qty} == {Decision.COPIED}
        stored = {(each.connection, each.symbol): each for each in await desk.store.contracts()}
        silent = {each.connection for each in desk.core.config.connections if each.venue == venue}
        assert silent and all(each.described is (each.connection not in silent) for each in stored.values())
        key = key_of("ESH4", trading_day(SYSTEM_CLOCK.now_ns()))
        for (connection, symbol), each in stored.items():
            if connection in silent and symbol == "ESH4":
                assert (each.key, each.expires_ns, each.error) == (key, expires_ns(key), "")
                assert each.venue_symbol == ("ESH4" if venue == "fix" else f"ES 03-{key.year % 100}")
        # ESH4 is the front month at Tradovate, which is the same market: the table's rule is not asked.
        assert not [text for text in alerts(desk) if "the front month is" in text]


async def test_t_roll_a_ninjatrader_follower_opens_nothing_when_the_table_says_that_a_contract_expires(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-ROLL: NinjaTrader tells no expiry, so the product table's date decides there, and there alone; acknowledged,
    the contract opens and closes."""
    soon_ns = SYSTEM_CLOCK.now_ns() + 5 * 86_400_000_000_000
    monkeypatch.setattr(rollover, "expires_ns", lambda key: soon_ns)  # as if five days before it
    async with practice(state_dir, "--venue", "ninjatrader", *OPTIONS) as desk:
        first = await decided(desk, +2)
        reasons = {copy.reason for copy in first.values()}
        assert {(copy.decision, copy.qty) for copy in first.values()} == {(Decision.SKIPPED, 0)}
        assert all(" expires in 5 days; roll, or acknowledge with :ack " in reason for reason in reasons), reasons
        assert {row(desk, name).state for name in desk.core.followers} == {"disarmed"}
        assert not (await desk.control("state"))["received"]
        await desk.leader(-2)
        for symbol in ("ESH4", "MESH4"):
            await desk.store.acknowledge(key_of(symbol, trading_day(SYSTEM_CLOCK.now_ns())))
        await until(lambda: all(row(desk, name).state == "armed" for name in desk.core.followers), 5)
        opened = await decided(desk, +2)
        copied = {name for name, copy in opened.items() if copy.decision is Decision.COPIED}
        assert copied
        await decided(desk, -2)
        assert all(net == 0 for owner, _, net in _nets(desk) if owner in copied)


def _nets(desk: PracticeDesk) -> list[tuple[str, str, int]]:
    return [(owner, symbol, held.net) for owner, symbol, held in desk.core.ledger.positions()]
