"""The screen by itself at 200x50 under 2,000 events a second: key to paint, and what part of a core it takes."""

from tests.bench.figures import Measured
from tests.tui.pty_terminal import ROWS, PtyDesk

_KEYS = 120
_MESSAGE_LINE = ROWS - 2
_CPU_WINDOWS = 10


def measure() -> list[Measured]:
    took_ms: list[float] = []
    cpu_percent: list[float] = []
    with PtyDesk("--events", "2000") as desk:
        desk.ready()
        desk.read_for(1.0)
        row = 0
        for number in range(_KEYS):
            step = 1 if (number // 20) % 2 == 0 else -1
            row += step
            name = f"DEMO{1000 + row}" if row else "LEAD1000"
            desk.press("j" if step > 0 else "k")
            took = desk.until(lambda name=name: desk.screen.lines[_MESSAGE_LINE].startswith(f" {name} "), 5, name)
            took_ms.append(took * 1000)
            desk.read_for(0.013 * (number % 5))
        before = desk.reports[-1]
        for _ in range(_CPU_WINDOWS):
            desk.read_for(0.5)
            after = desk.reports[-1]
            cpu_percent.append(100 * (after["cpu_s"] - before["cpu_s"]) / (after["at_s"] - before["at_s"]))
            before = after
    return [
        Measured("key to paint, 200x50, 2,000 events a second", "ms", took_ms),
        Measured("processor time of the screen and its feed, 200x50", "%", cpu_percent),
    ]
