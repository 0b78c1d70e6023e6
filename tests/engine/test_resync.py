"""Resync: shown first, exits before entries, journaled, and never for another account than the ones named."""

from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from engine import events as ev
from engine import resync
from engine.seat import ResyncLine, ResyncPlan
from schema.records import Decision, DriftPolicy, Episode, FollowerConfig, Mode, RejectClass, Rule, SignalKind
from tests.engine.table import Table
from tests.practice import PracticeDesk, practice, until
from tests.sim.plan import LEADER, draw
from tests.sim.schedule import Schedule
from tests.sim.store import lasting

ONE = Rule()


def shown(table: Table, *accounts: str, price: str = "4801") -> tuple[ResyncLine, ...]:
    return resync.lines(table.core, accounts or tuple(table.core.followers), lambda _: Decimal(price))


def confirm(table: Table, *accounts: str) -> None:
    """As the shell does it: exits, their answers, then entries."""
    lines = shown(table, *accounts)
    for entries in (False, True):
        places = resync.places(lines, entries=entries)
        table.feed(ev.Resync(at_ns=table.now_ns, places=places, entries=entries))
        table.execute_all()


def test_a_line_shows_held_target_order_and_price_against_the_leaders_entry() -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.SHOW)
    table.leader(+2)
    table.reject(table.take()[0], RejectClass.MARGIN)
    (line,) = shown(table)
    assert (line.held, line.target, line.delta) == (0, 2, 2)
    assert (line.entry_price, line.price, line.ticks_worse) == (Decimal(4800), Decimal(4801), 4)
    assert table.take() == [], "looking sends nothing"


def test_a_confirmed_resync_brings_a_follower_that_missed_the_trade_into_it() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE}, drift=DriftPolicy.SHOW)
    table.leader(+2)
    first, second = table.take()
    table.reject(first, RejectClass.MARGIN)
    table.execute(second)
    assert table.last("DEMO1").episode is Episode.MISSED
    confirm(table, "DEMO1")
    assert table.holds("DEMO1") == 2
    copy = table.last("DEMO1")
    assert (copy.decision, copy.episode) == (Decision.COPIED, Episode.JOINED)
    table.leader(-2)
    table.execute_all()
    assert (table.holds("DEMO1"), table.holds("DEMO2")) == (0, 0), "and its exits follow"


def test_t_scope_a_resync_touches_only_the_accounts_it_names() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE}, drift=DriftPolicy.SHOW)
    table.leader(+1)
    for order in table.take():
        table.reject(order, RejectClass.MARGIN)
    confirm(table, "DEMO2")
    assert (table.holds("DEMO1"), table.holds("DEMO2")) == (0, 1)


def test_the_first_pass_only_reduces() -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.SHOW)
    table.leader(+2)
    table.execute_all()
    table.leader(-5)
    table.reject(table.take()[0], RejectClass.MARGIN)
    (line,) = shown(table)
    assert line.delta == -5
    table.feed(ev.Resync(at_ns=table.now_ns, places=(("DEMO1", "ESH4", -5),), entries=False))
    assert [(o.side.sign, o.qty, o.reducing) for o in table.execute_all()] == [(-1, 2, True)]
    table.feed(ev.Resync(at_ns=table.now_ns, places=(("DEMO1", "ESH4", -5),), entries=True))
    assert [(o.side.sign, o.qty, o.reducing) for o in table.execute_all()] == [(-1, 3, False)]
    assert table.holds("DEMO1") == -3


def test_an_entry_behind_a_gate_is_left_out_and_says_why_and_an_exit_goes_all_the_same() -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.SHOW)
    table.leader(+2)
    table.execute_all()
    table.leader(-5)
    table.reject(table.take()[0], RejectClass.MARGIN)
    for _ in range(5):
        table.core.breakers["at-DEMO1"].failed(table.now_ns)
    (line,) = shown(table)
    assert line.delta == -2
    assert line.note == "entry held back: breaker of at-DEMO1 is open"
    confirm(table)
    assert table.holds("DEMO1") == 0


def test_a_follower_that_is_off_or_has_an_order_on_its_way_is_shown_and_left_alone() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE}, drift=DriftPolicy.SHOW)
    table.leader(+1)
    table.reconfigure(
        (FollowerConfig(account="DEMO1", group="main", enabled=False), FollowerConfig(account="DEMO2", group="main"))
    )
    notes = {line.account: (line.delta, line.note) for line in shown(table)}
    assert notes == {"DEMO1": (0, "switched off: left alone"), "DEMO2": (0, "an order is on its way: look again")}


def test_what_differs_from_what_was_shown_is_not_sent() -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.SHOW)
    table.leader(+1)
    table.reject(table.take()[0], RejectClass.MARGIN)
    plan = ResyncPlan(target="DEMO1", accounts=1, lines=shown(table))
    table.leader(+1)
    (line,) = resync.confirmed(shown(table), plan)
    assert (line.delta, line.note) == (0, resync.CHANGED)


async def test_t_conv_a_resync_over_real_sockets_corrects_one_account_and_shows_the_price(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        victim = sorted(desk.core.followers)[0]
        await desk.control("reject", account=victim, count=1, reason="MaxPosLimitReached", text="no more")
        await desk.leader(+2)
        await desk.settled(5)
        await until(lambda: desk.core.state(victim, "ESH4").episode is Episode.MISSED, 2)
        received = len((await desk.books()).received)
        plan = await desk.desk.resync("all")
        assert [line.account for line in plan.lines] == [victim]
        assert plan.lines[0].ticks_worse is not None and plan.unread == ()
        assert len((await desk.books()).received) == received, "looking sends no trading request"
        started = desk.now_s()
        done = await desk.desk.resync("all", plan)
        assert desk.now_s() - started < 3.0 and done.orders == 1
        books = await desk.books()
        assert len(books.received) == received + 1
        await _stands(desk, victim)


async def _stands(desk: PracticeDesk, account: str) -> None:
    await desk.settled(3)
    assert account not in await desk.off_target()
    assert (await desk.decisions())[0].follower == account, "the correction is in the journal"


def test_what_a_resync_finds_is_journaled_in_line_with_what_the_stream_tells() -> None:
    """A resync reads four fills that the stream lost, and a fifth comes while the slow journal takes them."""
    plan = draw(1)
    group = replace(plan.config.groups[0], mode=Mode.FILLS)
    run = Schedule(replace(plan, config=replace(plan.config, groups=(group,)), moves=(), faults=(), reconcile_s=60.0))

    def script() -> None:
        run.start()
        run.world.run_for(2.0)
        leader = run.home[LEADER]
        leader.faults.drop_share, leader.faults.drop_until_ns = 1.0, lasting(0.1, run.world)
        for _ in range(4):
            run.move(1)
        run.world.run_for(0.2)
        run.journal.slow_s, run.journal.slow_until_ns = 0.2, lasting(5.0, run.world)
        run.command("confirm_resync", "all")
        run.world.run_for(0.2)
        run.move(-1)
        run.world.run_for(8.0)

    run.run(script)
    kept = [signal for _, signal in run.disk.signals.values() if signal.kind is SignalKind.LEADER_FILL]
    assert [signal.leader_net for signal in kept] == [1, 2, 3, 4, 3]
