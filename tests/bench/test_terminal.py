"""What the terminal's benchmark stands on: eight panes that live, and a screen that does not grow."""

import os
import time

import pytest

from tests.bench.terminal import EVENTS_PER_S, eight_panes, rss_mb, shown_by_pane

MINUTES = float(os.environ.get("SCREEN_MIN", "60"))
_WARM_UP = 0.1  # of the time
_GROWTH_MB = 10.0  # the script's hour has a hundred hours of bars, 6,000 of them, and the chart keeps them


def test_each_of_the_eight_panes_changes_within_a_second() -> None:
    with eight_panes(EVENTS_PER_S) as desk:
        before = shown_by_pane(desk)
        desk.read_for(1.0)
        assert len(before) == 8
        assert [title for title, shown in shown_by_pane(desk).items() if shown == before[title]] == []


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 60)
def test_t_soak_the_screens_memory_is_flat(capsys: pytest.CaptureFixture[str]) -> None:
    """`make soak`; SCREEN_MIN says how many minutes. 5,000 events a second, and a key every second."""
    minutes: list[float] = []
    with eight_panes(EVENTS_PER_S) as desk:
        ends, minute = time.monotonic() + MINUTES * 60, time.monotonic()
        while time.monotonic() < ends:
            for key in "\tjk?\x1b":
                desk.press(key)
                desk.read_for(1.0)
            if time.monotonic() >= minute:
                minutes.append(rss_mb(desk.process.pid))
                minute += 60
                with capsys.disabled():
                    print(f"{len(minutes) - 1} min: {minutes[-1]:.1f} MB", flush=True)
    warm = minutes[int(len(minutes) * _WARM_UP) :]
    assert max(warm) - warm[0] < _GROWTH_MB
