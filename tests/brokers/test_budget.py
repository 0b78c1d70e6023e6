"""The request budget: a rolling minute, and an exit that never waits behind an entry."""

from hypothesis import given
from hypothesis import strategies as st

from brokers.budget import Lane, RequestBudget


class HandClock:
    def __init__(self) -> None:
        self.ns = 1_000_000_000_000

    def now_ns(self) -> int:
        return self.ns

    def sleep(self, seconds: float) -> None:
        self.ns += int(seconds * 1e9)


def test_entries_leave_the_reserve_to_exits():
    budget = RequestBudget(HandClock(), 80, 20)
    assert [budget.take(Lane.ENTRY) for _ in range(60)] == [""] * 60
    assert "kept for exits" in budget.take(Lane.ENTRY)
    assert [budget.take(Lane.EXIT) for _ in range(20)] == [""] * 20
    assert budget.take(Lane.EXIT) and budget.left() == 0


def test_the_window_rolls():
    clock = HandClock()
    budget = RequestBudget(clock, 2, 0)
    assert budget.take(Lane.ENTRY) == ""
    clock.sleep(30)
    assert budget.take(Lane.ENTRY) == "" and budget.take(Lane.ENTRY)
    clock.sleep(30)
    assert budget.take(Lane.ENTRY) == "" and budget.take(Lane.ENTRY)


def test_too_many_requests_pause_entries_longer_each_time_and_exits_never():
    clock = HandClock()
    budget = RequestBudget(clock, 80, 20)
    budget.throttled()
    budget.throttled()  # the same storm
    assert "paused for 2.0 s" in budget.take(Lane.ENTRY) and budget.take(Lane.EXIT) == ""
    clock.sleep(2.01)
    assert budget.take(Lane.ENTRY) == ""
    budget.throttled()
    assert "paused for 4.0 s" in budget.take(Lane.ENTRY)
    clock.sleep(200)
    budget.throttled()
    assert "paused for 2.0 s" in budget.take(Lane.ENTRY)


def test_the_venues_own_waiting_time_is_kept():
    clock = HandClock()
    budget = RequestBudget(clock, 80, 20)
    budget.throttled(15)
    clock.sleep(14)
    assert budget.take(Lane.ENTRY)
    clock.sleep(1.1)
    assert budget.take(Lane.ENTRY) == ""


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans()), max_size=200), st.integers(1, 30), st.integers(0, 30))
def test_no_minute_ever_holds_more_than_the_limit(steps: list[tuple[float, bool]], per_min: int, reserved: int):
    clock = HandClock()
    budget = RequestBudget(clock, per_min, reserved)
    taken: list[tuple[int, bool]] = []
    for pause, reducing in steps:
        clock.sleep(pause)
        if not budget.take(Lane.EXIT if reducing else Lane.ENTRY):
            taken.append((clock.ns, reducing))
            recent = [at for at, _ in taken if at > clock.ns - 60_000_000_000]
            assert len(recent) <= per_min
            assert reducing or len(recent) <= max(0, per_min - min(reserved, per_min))


def taken_by(budget: RequestBudget, lane: Lane) -> int:
    """How many requests the lane gets before it is refused."""
    count = 0
    while not budget.take(lane):
        count += 1
    return count


def test_a_storm_in_one_lane_leaves_room_to_every_lane_before_it():
    budget = RequestBudget(HandClock(), 80, 20)
    taken = {lane.name: taken_by(budget, lane) for lane in reversed(Lane)}
    others = {"MODIFY": 8, "FIND": 4, "ENTRY": 3, "PROTECTIVE": 10, "CANCEL": 5, "EXIT": 5}
    assert taken == {"HISTORY": 30, "QUERY": 15, **others}


def test_t_panic_modifications_alone_leave_the_whole_reserve():
    budget = RequestBudget(HandClock(), 80, 20)
    assert taken_by(budget, Lane.MODIFY) == 53
    budget.throttled(3600)
    assert taken_by(budget, Lane.EXIT) == 27
