"""The badge of a chart: what is missing, what is old, what is on its way; and never to and fro."""

from hypothesis import given
from hypothesis import strategies as st

from engine.badge import STALE_AFTER_MS, Badge, badge
from schema.stretches import Stretch, Stretches

MS = 1_000_000
SINCE, NOW = 1_000_000_000_000, 2_000_000_000_000
ALL: Stretches = (Stretch(SINCE - 5, NOW),)
HOLE: Stretches = (Stretch(SINCE, SINCE + 400), Stretch(SINCE + 500, NOW))


def of(covered: Stretches, age_ms: float = 0.0, *, filling: bool = False) -> Badge:
    return badge(since_ns=SINCE, now_ns=NOW, covered=covered, last_msg_age_ms=age_ms, filling=filling)


def test_each_badge_says_what_is_so() -> None:
    assert of((), -1) == of((), -1, filling=True) == of((), filling=True) == Badge.LOADING
    assert of(ALL) == of(ALL, filling=True) == Badge.LIVE
    assert of(HOLE, filling=True) == Badge.LOADING
    assert of(HOLE) == of(()) == of((Stretch(SINCE + 1, NOW),)) == Badge.GAP
    assert of(ALL, STALE_AFTER_MS + 1) == of(HOLE, 1e6) == of(HOLE, 1e6, filling=True) == Badge.STALE
    assert of(ALL, -1) == of(HOLE, -1, filling=True) == Badge.STALE  # what is stored, and no word from the feed yet
    assert of((), 1e6, filling=True) == Badge.LOADING  # nothing is shown that could be old


def test_what_came_after_the_newest_message_is_no_gap() -> None:
    told = (Stretch(SINCE, NOW - 3_000 * MS),)
    assert of(told, 3_000) is Badge.LIVE
    assert of(told, 2_999) is Badge.GAP


@given(st.lists(st.floats(0, STALE_AFTER_MS), min_size=2, max_size=20))
def test_between_messages_nothing_flaps(ages_ms: list[float]) -> None:
    """FIELD: no flapping. With the feed's stretch growing as it tells, the badge is live at every age up to stale."""
    seen = {of((Stretch(SINCE, NOW - int(age_ms * MS)),), age_ms) for age_ms in ages_ms}
    assert seen == {Badge.LIVE}
