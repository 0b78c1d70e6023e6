"""What the health and latency panes are given by a desk that runs at real venues."""

from pathlib import Path

from engine.seat import AccountRow, Topic
from engine.shown import ConnectionShown, CopyTimes, PostgresShown, ProcessShown, StageShown
from engine.waterfall import BUDGET_MS
from schema.clock import SYSTEM_CLOCK
from tests.practice import practice, until


async def test_a_running_desk_tells_how_each_part_is_and_how_long_its_copies_took(state_dir: Path) -> None:
    async with practice(state_dir, "--venue", "tradovate", "--venue", "projectx", "--logins", "2") as desk:

        def health() -> tuple[object, ...]:
            desk.desk.views.publish(SYSTEM_CLOCK.now_ns())
            return desk.desk.view(Topic.HEALTH).rows

        def logins() -> dict[str, ConnectionShown]:
            return {row.connection: row for row in health() if isinstance(row, ConnectionShown)}

        await until(lambda: len(logins()) == 3 and all(row.state == "up" for row in logins().values()), 5)
        assert {name: (row.venue, row.accounts) for name, row in logins().items()} == {
            "leader": ("tradovate", 1),
            "desk1": ("tradovate", 5),
            "desk2": ("projectx", 5),
        }
        assert all(row.heard_ns and row.breaker == "closed" and row.budget_per_min for row in logins().values())

        await desk.leader(+1)
        await desk.settled(5)

        def timed() -> list[CopyTimes]:
            desk.desk.views.publish(SYSTEM_CLOCK.now_ns())
            return [row for row in desk.desk.view(Topic.LATENCY).rows if isinstance(row, CopyTimes)]

        filled = [copy for copy in await desk.decisions() if copy.qty and copy.filled_qty == copy.qty]
        assert filled
        await until(lambda: len(timed()) >= len(filled), 5)
        stages = [row for row in desk.desk.view(Topic.LATENCY).rows if isinstance(row, StageShown)]
        assert [row.stage for row in stages] == list(BUDGET_MS)
        total = stages[-1]
        assert total.count == len(timed()) and 0 < total.p50 <= total.p99 <= total.max
        assert all(row.follower in desk.core.followers and row.stages_ms[3] > 0 for row in timed())

        postgres = next(row for row in health() if isinstance(row, PostgresShown))
        assert postgres.up and postgres.commits >= 1 and 0 < postgres.commit_p50_ms <= postgres.commit_max_ms
        process = next(row for row in health() if isinstance(row, ProcessShown))
        assert process.rss_mb > 10 and process.tasks > 3 and process.fds > 3 and process.loop_lag_p99_ms >= 0

        for _ in range(desk.core.limits.breaker_failures):
            desk.core.breakers["desk1"].failed(SYSTEM_CLOCK.now_ns())
        await until(lambda: logins()["desk1"].breaker == "open", 5)
        assert logins()["desk1"].failures == desk.core.limits.breaker_failures

        # An account that its venue locks is shown so, and fails the checklist.
        locked, *others = sorted(name for name in desk.core.followers if desk.core.connection_of(name) == "desk1")
        await desk.leader(-1)
        await desk.settled(5)
        desk.core.breakers["desk1"].succeeded()
        await desk.control("account", account=locked, liquidate_only=True)

        def state(account: str) -> str:
            desk.desk.views.publish(SYSTEM_CLOCK.now_ns())
            rows = [row for row in desk.desk.view(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]
            return next(row.state for row in rows if row.account == account)

        await until(lambda: state(locked) == "locked", 5)
        assert {state(name) for name in others} == {"armed"}
        plan = await desk.desk.arm_checklist("main", ("projectx",))
        assert [line.account for line in plan.lines if not line.passes] == [locked]
