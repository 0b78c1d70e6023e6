"""The book follows the venue's procedure (`docs/binance.md` 6), case by case and through anything that can be lost."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from brokers.binance.depth import Depth
from brokers.binance.wire import DepthAnswer, DepthEvent, Level
from schema.market import DepthChanged, DepthSnapshot, FeedGap, MarketEvent


def event(first: int, last: int, *bids: tuple[float, float]) -> DepthEvent:
    return DepthEvent("BNBBTC", 1_000 + last, first, last, [Level(*bid) for bid in bids], [])


def snapshot(last: int, *bids: tuple[float, float]) -> DepthAnswer:
    return DepthAnswer(last, [Level(*bid) for bid in bids], [])


def kinds(events: list[MarketEvent]) -> list[str]:
    return [type(each).__name__ for each in events]


def numbers(events: list[MarketEvent]) -> list[int]:
    return [each.seq for each in events if not isinstance(each, FeedGap)]


def test_events_are_kept_until_the_snapshot_and_those_it_covers_are_dropped() -> None:
    depth = Depth("BNBBTC", 100)
    for each in (event(5, 7), event(8, 10), event(11, 12)):
        assert depth.on_event(each, 1) == []
    assert depth.wants_snapshot
    told = depth.on_snapshot(snapshot(9), 2)
    assert kinds(told) == ["DepthSnapshot", "DepthChanged", "DepthChanged"]
    assert numbers(told) == [9, 10, 12]  # the first left holds 9 within [8, 10]
    assert not depth.wants_snapshot


def test_a_snapshot_from_before_the_first_event_is_not_used() -> None:
    depth = Depth("BNBBTC", 100)
    depth.on_event(event(8, 10), 1)
    assert depth.on_snapshot(snapshot(7), 2) == []
    assert depth.wants_snapshot
    assert numbers(depth.on_snapshot(snapshot(8), 3)) == [8, 10]


def test_an_event_the_book_has_is_ignored_and_one_that_overlaps_is_applied() -> None:
    depth = Depth("BNBBTC", 100)
    depth.on_snapshot(snapshot(20), 1)
    assert depth.on_event(event(15, 19), 2) == []
    assert depth.on_event(event(18, 20), 3) == []
    assert numbers(depth.on_event(event(19, 22), 4)) == [22]
    assert numbers(depth.on_event(event(23, 23), 5)) == [23]


def test_a_jump_forgets_the_book_and_is_told_as_a_gap_once_there_is_one_again() -> None:
    depth = Depth("BNBBTC", 100)
    depth.on_snapshot(snapshot(20), 1)
    depth.on_event(event(21, 22), 2)
    assert depth.on_event(event(24, 25), 3) == []
    assert depth.wants_snapshot
    assert depth.on_event(event(26, 26), 4) == []
    told = depth.on_snapshot(snapshot(25), 5)
    assert kinds(told) == ["FeedGap", "DepthSnapshot", "DepthChanged"]
    gap = told[0]
    assert isinstance(gap, FeedGap)
    assert (gap.since_ns, gap.missed, gap.reason) == (1_022 * 1_000_000, 0, "depth: 24 came after 22")
    assert gap.ts_ns >= gap.since_ns


def test_a_quiet_symbol_is_shown_at_once_and_judged_by_its_first_event() -> None:
    depth = Depth("BNBBTC", 100)
    assert kinds(depth.on_snapshot(snapshot(20), 1)) == ["DepthSnapshot"]
    assert depth.on_event(event(30, 31), 2) == []  # the snapshot was older than the stream
    assert kinds(depth.on_snapshot(snapshot(31), 3)) == ["FeedGap", "DepthSnapshot"]
    assert numbers(depth.on_event(event(32, 33), 4)) == [33]


def test_a_lost_connection_is_a_gap_and_needs_a_snapshot_however_quiet_the_symbol() -> None:
    depth = Depth("BNBBTC", 100)
    depth.on_snapshot(snapshot(20), 1)
    depth.lost("depth: closed")
    depth.lost("depth: closed again")
    assert depth.wants_snapshot
    told = depth.on_snapshot(snapshot(20), 2)
    assert kinds(told) == ["FeedGap", "DepthSnapshot"]
    assert isinstance(told[0], FeedGap) and told[0].reason == "depth: closed"


def test_what_is_kept_is_bounded_and_what_falls_out_is_counted() -> None:
    depth = Depth("BNBBTC", 3)
    for number in range(1, 8):
        depth.on_event(event(number, number), 1)
    assert depth.dropped == 4
    assert depth.on_snapshot(snapshot(3), 2) == []  # what followed on it was dropped: another one
    assert numbers(depth.on_snapshot(snapshot(5), 3)) == [5, 6, 7]


class Told:
    """A book made of what was told, and a check that every jump was owned up to."""

    def __init__(self) -> None:
        self.levels: dict[float, float] = {}
        self.number = -1
        self.gap = False
        self.snapshots = 0
        self.times: list[int] = []

    def take(self, events: list[MarketEvent]) -> None:
        for each in events:
            self.times.append(each.ts_ns)
            if isinstance(each, FeedGap):
                self.gap = True
            elif isinstance(each, DepthSnapshot):
                self.levels, self.number = dict(each.bids), each.seq
                self.snapshots += 1
            elif isinstance(each, DepthChanged):
                assert each.first_seq <= self.number + 1 and each.seq > self.number
                for price, size in each.bids:
                    self.levels.pop(price, None) if not size else self.levels.__setitem__(price, size)
                self.number = each.seq


@given(st.integers(min_value=0, max_value=1 << 32), st.integers(min_value=20, max_value=120))
def test_through_losses_repeats_and_late_snapshots_the_book_ends_as_the_venues(seed: int, steps: int) -> None:
    random, depth, told = Random(seed), Depth("BNBBTC", 1000), Told()
    venue: dict[float, float] = {}
    number, sent, old = 100, 100, snapshot(100)

    def changes(count: int) -> DepthEvent:
        nonlocal number, sent
        levels: dict[float, float] = {}
        for _ in range(count):
            number += 1
            price, size = float(random.randint(1, 8)), float(random.randint(0, 3))
            levels[price] = size
            venue.pop(price, None) if not size else venue.__setitem__(price, size)
        first, sent = sent + 1, number
        return event(first, number, *levels.items())

    def now_ns() -> int:
        """Ours, a little ahead of the venue's."""
        return (1_005 + number) * 1_000_000

    for _ in range(steps):
        said = changes(random.randint(1, 4))
        for _ in range(random.choice((0, 1, 1, 1, 1, 2))):
            told.take(depth.on_event(said, now_ns()))
        if random.random() < 0.05:
            depth.lost("depth: closed")
        if depth.wants_snapshot and random.random() < 0.4:
            told.take(depth.on_snapshot(old if random.random() < 0.3 else snapshot(number, *venue.items()), now_ns()))
        if random.random() < 0.3:
            old = snapshot(number, *venue.items())
    told.take(depth.on_event(changes(1), now_ns()))
    if depth.wants_snapshot:
        told.take(depth.on_snapshot(snapshot(number, *venue.items()), now_ns()))
    assert (told.number, told.levels) == (number, venue)
    assert told.times == sorted(told.times)  # snapshots have no time of the venue's, and take none back
