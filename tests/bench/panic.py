"""The kill switch under a budget saturated by stop modifications at Tradovate's 80 requests a minute: 20 followers and
their leader, each with a position and a working stop, over real sockets."""

import asyncio
import contextlib
import io
import tempfile
from pathlib import Path

from tests.bench.figures import Measured
from tests.engine.test_panic import PER_MIN, everybody_in_with_a_stop, panic, saturated
from tests.practice import practice

_ROUNDS = 3  # each takes a desk and a venue of its own: the venue's minute is spent


def measure(rounds: int = _ROUNDS) -> list[Measured]:
    """Milliseconds from the key to the last exit read by the venue, and to the venue having shown everybody flat."""
    sent_ms: list[float] = []
    verified_ms: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name, contextlib.redirect_stdout(io.StringIO()):
            Path(name).chmod(0o711)
            sent, verified = asyncio.run(_panic(Path(name) / "state"))
        sent_ms.append(sent)
        verified_ms.append(verified)
    return [
        Measured("panic flatten: last exit sent, 20 accounts", "ms", sent_ms),
        Measured("panic flatten: verified flat, 20 accounts", "ms", verified_ms),
    ]


async def _panic(state_dir: Path) -> tuple[float, float]:
    async with practice(state_dir, "--requests-per-min", str(PER_MIN), requests_per_min=PER_MIN) as desk:
        await everybody_in_with_a_stop(desk)
        async with saturated(desk):
            result, sent_ms, verified_ms = await panic(desk)
        open_now = [each for each in (await desk.books()).accounts if each.positions or each.working]
        if result.not_flat or open_now:
            raise SystemExit(f"not everybody was flat: {result.not_flat or open_now}")
    return sent_ms, verified_ms
