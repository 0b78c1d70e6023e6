"""What recording adds to an input: the time of `Recorder.input` on the order path, and of a flush beside it.

At the pace of a busy leader (ten trades a second, 20 followers), on the disk of the temporary directory: every input of
a fan-out is timed, the leader's fill first, when the process has just been idle.
"""

import tempfile
import time
from pathlib import Path

from engine import events as ev
from engine.recorder import Recorder
from schema.clock import SYSTEM_CLOCK
from schema.records import Rule
from schema.settings import Settings
from tests.bench.figures import Measured
from tests.engine.table import Table

_FOLLOWERS = 20
_EVERY_S = 0.1
_WARM_UP = 10
_ROUNDS = 100


class _TimedTable(Table):
    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.took_us: list[float] = []
        super().__init__({f"DEMO{1001 + number}": Rule() for number in range(_FOLLOWERS)})

    def feed(self, event: ev.AnyInput) -> None:
        if "process" not in vars(self.core):
            process = self.core.process

            def recorded(event: ev.AnyInput) -> list[ev.AnyEffect]:
                started = time.perf_counter()
                self.recorder.input(event)
                self.took_us.append((time.perf_counter() - started) * 1e6)
                effects = process(event)
                self.recorder.decided(effects)
                return effects

            self.core.process = recorded  # type: ignore[method-assign]
        super().feed(event)


def measure() -> list[Measured]:
    flushes_us: list[float] = []
    with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name:
        settings = Settings(state_dir=Path(name), desk="bench")
        recorder = Recorder.open(settings, SYSTEM_CLOCK, "bench000")
        table = _TimedTable(recorder)
        for number in range(_WARM_UP + _ROUNDS):
            if number == _WARM_UP:
                table.took_us.clear()
                flushes_us.clear()
            time.sleep(_EVERY_S)
            table.leader(-1 if number % 2 else 1)
            table.execute_all()
            started = time.perf_counter()
            recorder.flush()
            flushes_us.append((time.perf_counter() - started) * 1e6)
            table.passes(_EVERY_S, ticks=2)
        recorder.close()
        size = recorder.path.stat().st_size / (_WARM_UP + _ROUNDS) / 1e3
        if recorder.trouble:
            raise SystemExit(recorder.trouble)
    return [
        Measured("recording one input before it is handled", "us", table.took_us),
        Measured("recording what a fan-out decided, beside the orders", "us", flushes_us),
        Measured(f"a session's file, for each signal of {_FOLLOWERS} followers", "kB", [size]),
    ]
