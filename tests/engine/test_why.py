"""`why` tells what the journal holds, all of it, and quickly however long the ledger is."""

# ruff: noqa: E501 - what is told is one line

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.planner import FollowerView, plan
from engine.seat import CommandRefused
from engine.why import Story, moment, undecided, why
from schema import driver, store_why
from schema.clock import from_datetime
from schema.records import (
    Copy,
    Decision,
    DoneOrder,
    DoneStatus,
    Episode,
    FollowerConfig,
    OrderType,
    Rounding,
    Rule,
    RuleKind,
    Side,
    Signal,
    SignalKind,
)
from schema.settings import Settings
from schema.store import Batch, Store
from tests.schema.rows import LEADER, desk, fill, signal

PAIRS = 100_000
MS = 1_000_000
S = 1_000 * MS
MINUTE = 60 * S


def at(hour: int, minute: int, second: int = 0, day: int = 21) -> int:
    return from_datetime(datetime(2026, 11, day, hour, minute, second, tzinfo=UTC))


NOW = at(15, 0)


def planned(
    number: int, at_ns: int, net: int, rule: Rule, *, held: int = 0, coming: int = 0, cap: int | None = None
) -> tuple[Signal, Copy]:
    """A leader's signal and what the planner makes of it for DEMO1001."""
    one = signal(number, net, received_ns=at_ns, venue_ns=at_ns - 12 * MS, qty=2)
    view = FollowerView(
        config=FollowerConfig(account="DEMO1001", group="main", rule=rule, max_position=cap),
        symbol="ESH4",
        net=held,
        known=True,
        on_the_way=coming,
        episode=Episode.JOINED,
        scale=rule.value,
    )
    return one, plan(one, view, tag=f"cd{number}")


def filled(copy: Copy) -> Copy:
    at_ns = copy.received_ns
    return replace(
        copy,
        decision=Decision.COPIED,
        order_id="991",
        filled_qty=copy.qty,
        avg_price=Decimal("4812.25"),
        decided_ns=at_ns + 400_000,
        journaled_ns=at_ns + 1_600_000,
        sent_ns=at_ns + 2_000_000,
        acked_ns=at_ns + 7_100_000,
        filled_ns=at_ns + 7_600_000,
    )


def step(story: Story, name: str) -> str:
    return "\n".join(next(step.lines for step in story.steps if step.name == name))


@pytest.mark.parametrize(
    ("rule", "net", "held", "coming", "cap", "told"),
    [
        (Rule(value=Decimal("0.5")), 3, 0, 0, None, "leader +3 x 0.5 = 1.5 -> +1 (proportional 0.5), held +0, on the way +0 -> buy 1"),
        (Rule(value=Decimal("0.5"), rounding=Rounding.UP), 3, 1, 0, None, "leader +3 x 0.5 = 1.5 -> +2 (proportional 0.5 up), held +1, on the way +0 -> buy 1"),
        (Rule(invert=True), 3, 0, -1, None, "leader +3 x -1 = -3 -> -3 (proportional 1 invert), held +0, on the way -1 -> sell 2"),
        (Rule(kind=RuleKind.FIXED, value=Decimal(2)), 5, 0, 0, None, "2 while the leader is in -> +2 (fixed 2), held +0, on the way +0 -> buy 2"),
        (Rule(value=Decimal(2)), 3, 0, 0, 4, "leader +3 x 2 = 6 -> +6 (proportional 2), limited to +4, held +0, on the way +0 -> buy 4"),
        (Rule(), 0, 2, 0, None, "leader flat -> +0 (proportional 1), held +2, on the way +0 -> sell 2"),
        (Rule(value=Decimal("0.25")), 1, 0, 0, None, "leader +1 x 0.25 = 0.25 -> +0 (proportional 0.25), held +0, on the way +0 -> no order"),
    ],
)  # fmt: skip
async def test_the_plan_is_told_in_the_arithmetic_it_was_made_with(
    store: Store, rule: Rule, net: int, held: int, coming: int, cap: int | None, told: str
) -> None:
    one, copy = planned(1, at(14, 32, 5), net, rule, held=held, coming=coming, cap=cap)
    await store.commit_signal(one, [copy])
    assert step(await why(store, "DEMO1001", now_ns=NOW), "plan") == told


async def test_a_copy_is_told_from_the_leaders_fill_to_the_correction_after_it(store: Store) -> None:
    one, copy = planned(1, at(14, 32, 5), 3, Rule(value=Decimal("0.5")))
    done = filled(copy)
    later = signal(2, 3, kind=SignalKind.CORRECTION, received_ns=at(14, 32, 6), venue_ns=0, source="attempt 1")
    correction = replace(copy, signal_id=later.signal_id, cl_ord_id="cd2", received_ns=later.received_ns)
    rejected = replace(correction, decision=Decision.REJECTED, reason="margin: not enough")
    two, other = planned(3, at(14, 33), 1, Rule())
    for each, its in ((one, copy), (later, correction), (two, other)):
        await store.commit_signal(each, [its])
    order = DoneOrder(
        account="DEMO1001",
        order_id="991",
        symbol="ESH4",
        side=Side.BUY,
        order_type=OrderType.MARKET,
        qty=1,
        filled_qty=1,
        cl_ord_id="cd1",
        text="as you wish",
        status=DoneStatus.FILLED,
    )
    shot = fill(7, "DEMO1001", order_id="991", price=Decimal("4812.25"), venue_ns=at(14, 32, 5))
    await store.record(Batch(copies=(done, rejected), orders=(order,), fills=(shot,)))

    story = await why(store, "DEMO1001", "14:32:05", now_ns=NOW)
    assert story.copy == done and story.signal == one
    text = story.as_text().splitlines()
    assert text[0] == "DEMO1001  2026-11-21 14:32:05.000 UTC  ESH4  copied"
    assert text[2:] == [
        f"leader    {LEADER} bought 2 ESH4 at 4800.25, from +1 to +3 (fill fill-1)",
        "          the venue's own time is 14:32:04.988, 12.0 ms before it was here",
        "plan      leader +3 x 0.5 = 1.5 -> +1 (proportional 0.5), held +0, on the way +0 -> buy 1",
        "checks    every gate was open",
        "commit    in the journal 1.2 ms after the decision, before anything was sent",
        "send      order cd1 was at the socket 0.4 ms after the commit",
        "venue     it took the order as 991 5.1 ms after it was sent; 1 of 1 filled at 4812.25",
        "          its last word: filled, as you wish",
        "          fill fill-7: 1 at 4812.25, 14:32:05.000 its time",
        "outcome   copied",
        "then      14:32:06.000 buy 1, rejected: margin: not enough",
        "",
        "times (UTC)",
        "received  14:32:05.000        0.0 ms        0.0 ms in all",
        "decided   14:32:05.000        0.4 ms        0.4 ms in all",
        "journaled 14:32:05.001        1.2 ms        1.6 ms in all",
        "sent      14:32:05.002        0.4 ms        2.0 ms in all",
        "acked     14:32:05.007        5.1 ms        7.1 ms in all",
        "filled    14:32:05.007        0.5 ms        7.6 ms in all",
    ]
    refused = await why(store, "DEMO1001", "14:32", now_ns=NOW)
    assert refused.copy == rejected
    assert step(refused, "leader").startswith("no event: the desk brings the follower to its target, attempt 1;")


async def test_what_was_refused_or_held_back_is_told_in_the_words_there_are(store: Store) -> None:
    one, copy = planned(1, at(14, 0), 2, Rule())
    refused = replace(filled(copy), decision=Decision.REJECTED, reason="limit: max position exceeded", filled_qty=0)
    two, other = planned(2, at(14, 1), 3, Rule(), held=2)
    skipped = replace(other, decision=Decision.SKIPPED, reason="desk1 is down: line cut", qty=0, cl_ord_id="")
    three, third = planned(3, at(14, 2), 4, Rule())
    away = replace(
        third, decision=Decision.SKIPPED, reason="off: switched off by the trader", qty=0, cl_ord_id="", target_net=0
    )
    four, fourth = planned(4, at(14, 3), 0, Rule(), held=2)
    for each, its in ((one, copy), (two, skipped), (three, away), (four, fourth)):
        await store.commit_signal(each, [its])
    await store.record(Batch(copies=(refused,)))
    story = await why(store, "DEMO1001", "14:00", now_ns=NOW)
    assert step(story, "venue") == "it refused 5.1 ms after it was sent: limit: max position exceeded"
    story = await why(store, "DEMO1001", "14:01", now_ns=NOW)
    assert step(story, "checks") == "desk1 is down: line cut"
    assert "send" not in [step.name for step in story.steps]
    story = await why(store, "DEMO1001", "14:02", now_ns=NOW)
    assert step(story, "plan").startswith("the rule was not asked (off: switched off by the trader); held +0")
    story = await why(store, "DEMO1001", now_ns=NOW)
    assert step(story, "checks") == "it reduces, so it passes every gate"
    assert step(story, "venue") == "no answer yet"


async def test_what_there_is_no_copy_for_is_refused_with_what_to_ask_instead(store: Store) -> None:
    await desk(store, 2)
    one, copy = planned(1, at(14, 32, 5, day=20), 3, Rule())
    await store.commit_signal(one, [copy])
    for account, asked, said in (
        ("DEMO1001", "09:00", "time: nothing was copied to DEMO1001 that day up to 09:00; its last before is 2026-11-20T14:32:05."),
        ("DEMO1002", None, "account: nothing was copied to DEMO1002 yet; its rule is not asked before."),
        (LEADER, None, f"account: {LEADER} leads; ask for one of its followers, such as DEMO1001."),
        ("DEMO101", None, "account: there is no follower DEMO101; did you mean DEMO1001?"),
        ("DEMO1001", "half past", "time: 'half past' can't be read; write 14:32, 14:32:05 or 2026-11-21T14:32, UTC as on the screen."),
    ):  # fmt: skip
        with pytest.raises(CommandRefused) as refused:
            await why(store, account, asked, now_ns=NOW)
        assert str(refused.value) == said
    assert (await why(store, "DEMO1001", "2026-11-20T14:32:05", now_ns=NOW)).copy == copy


def test_a_time_is_the_whole_minute_or_second_of_today_unless_a_day_is_written() -> None:
    assert moment("14:32", NOW) == (at(0, 0), at(14, 33))
    assert moment("14:32:05", NOW) == (at(0, 0), at(14, 32, 6))
    assert moment("2026-11-20T23:59", NOW) == (at(0, 0, day=20), at(0, 0))
    assert moment("2026-11-20T08:00:01", NOW) == (at(0, 0, day=20), at(8, 0, 2, day=20))


async def test_undecided_pairs_are_those_past_their_deadline(store: Store) -> None:
    one, copy = planned(1, NOW - 10 * S, 3, Rule())
    two, fresh = planned(2, NOW - 1 * S, 3, Rule())
    three, asked = planned(3, NOW - 10 * S, 3, Rule())
    for each, its in ((one, copy), (two, fresh), (three, asked)):
        await store.commit_signal(each, [its])
    await store.record(Batch(copies=(replace(asked, decision=Decision.UNKNOWN),)))
    assert await undecided(store, NOW, 2.5) == ([(one, copy)], 1)


async def test_why_answers_in_200_ms_with_100_000_pairs_stored(store: Store, settings: Settings) -> None:
    """20 followers, 5,000 leader events a minute apart; asked for the newest, the oldest and one in between, and for an
    account that was last copied to long ago."""
    one, copy = planned(1, NOW - 5_000 * MINUTE, 3, Rule())
    await store.commit_signal(one, [replace(filled(copy), follower="DEMO0999", cl_ord_id="cd0")])
    await store.record(Batch(fills=(fill(0, "DEMO0999"),)))
    assert settings.database_url is not None
    session = await driver.connect(settings.database_url.get_secret_value(), timeout=5)
    try:
        for table, others, source in (
            ("signals", "signal_id, received_ns", "SELECT 's' || n, $2 + n * $3::bigint FROM generate_series(1, $1::bigint / 20) n"),
            (
                "copies",
                "signal_id, received_ns, follower, cl_ord_id, order_id",
                "SELECT 's' || n, $2 + n * $3::bigint, 'DEMO' || f, 'cd' || n || '-' || f, n || '-' || f "
                "FROM generate_series(1, $1::bigint / 20) n, generate_series(1001, 1020) f",
            ),
            (
                "fills",
                "fill_id, venue_ns, account, order_id",
                "SELECT n || '-' || f, $2 + n * $3::bigint, 'DEMO' || f, n || '-' || f "
                "FROM generate_series(1, $1::bigint / 20) n, generate_series(1001, 1020) f",
            ),
        ):  # fmt: skip
            await copy_rows(session, table, others, source)
        await session.execute("ANALYZE")
        assert await session.fetchval("SELECT count(*) FROM copies") == PAIRS + 1
        took: list[float] = []
        for account, asked in (
            ("DEMO1001", None),
            ("DEMO1020", "2026-11-20T10:00"),
            ("DEMO1010", "2026-11-18T04:00:00"),
            ("DEMO0999", None),
        ):
            started = time.perf_counter()
            story = await why(store, account, asked, now_ns=NOW)
            took.append((time.perf_counter() - started) * 1e3)
            assert story.copy.follower == account
            assert ("fill " in step(story, "venue")) is (account != "DEMO0999")
            assert story.query_ms < 200
        print(f"why among {PAIRS:,} pairs: {', '.join(f'{each:.1f}' for each in took)} ms")
        for query, arguments in (
            (store_why.AT_OR_BEFORE, ("DEMO1001", 0, NOW)),
            (store_why.OF_SIGNAL, ("s77", "DEMO1001")),
            (store_why.AFTER, ("DEMO1001", "ESH4", "s77", 5)),
            (store_why.FILLS, ("DEMO1001", "77-1001")),
        ):
            lines = await session.fetch(f"EXPLAIN {query}", *arguments)
            steps = "\n".join(str(line[0]) for line in lines)
            assert "Index" in steps and "Seq Scan" not in steps, steps
    finally:
        await session.close()


async def copy_rows(session: driver.Connection, table: str, others: str, source: str) -> None:
    """Many rows like the first one of a table, with other values in some columns."""
    names = [
        row["column_name"]
        for row in await session.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND is_identity = 'NO'", table
        )
    ]
    theirs = others.split(", ")
    kept = ", ".join(f'"{name}"' for name in names if name not in theirs)
    picked = ", ".join(f'm."{name}"' for name in names if name not in theirs)
    await session.execute(
        f"INSERT INTO {table} ({others}, {kept}) SELECT made.*, {picked} FROM ({source}) AS made, "
        f"(SELECT * FROM {table} LIMIT 1) AS m",
        PAIRS,
        NOW - 5_000 * MINUTE,
        MINUTE,
        timeout=60,
    )
