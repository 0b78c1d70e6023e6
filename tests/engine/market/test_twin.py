"""The Python twin is the compiled kernel: the same answers, bit for bit, to whatever a source may say."""

import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.kernel import open_kernel, why_missing
from engine.market.packing import RECORD
from engine.market.ports import Kernel, Limits

pytestmark = pytest.mark.skipif(bool(why_missing()), reason=f"there is no compiled kernel here: {why_missing()}")

LIMITS = Limits(crossed_ns=3, ahead_ns=50, fresh_ns=40, far_ticks=4, tape_kept=5, far_ratio=0.02)
GRIDS = ((0.25, 1.0), (0.01, 0.001))
SERIES = [
    (symbol, kind, width, kept)
    for symbol in (0, 1)
    for kind, width in ((1, 7), (2, 3), (3, 4), (4, 2))
    for kept in (3, 40)
]
ODD = [0.0, -0.0, -1.0, 0.1, 1e300, -1e300, math.nan, math.inf, -math.inf, 5e-324]
near = st.integers(-6, 6)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Records in a market that moves on, sane for the most part; now and then each field is anything at all."""
    records: list[tuple[Any, ...]] = []
    ts = seq = 1
    for _ in range(draw(st.integers(1, 60))):
        ts += draw(st.integers(-3, 12))
        ts = max(ts, 0)
        seq += draw(st.integers(-1, 3))
        symbol = draw(st.integers(0, 2))
        tick, step = GRIDS[symbol % 2]
        price = (draw(near) + 20) * tick if draw(st.integers(0, 15)) else draw(st.sampled_from(ODD))
        size = draw(st.integers(0, 9)) * step if draw(st.integers(0, 15)) else draw(st.sampled_from(ODD))
        kind = draw(st.sampled_from([1, 1, 1, 2, 2, 2, 3, 4, 4, 5, 6, 0, 9]))
        side = draw(st.integers(0, 4 if kind == 5 else 3))
        first = max(0, draw(st.sampled_from([0, seq, seq, ts - 9])))
        received = ts + draw(st.sampled_from([0, 5, -60, 100])) if ts > 100 else ts
        records.append((ts, received, first, max(0, seq), price, size, symbol, kind, side, 0))
    return records


def everything(kernel: Kernel) -> bytes:
    """All that the kernel says, floats by their bits."""
    said: list[Any] = [kernel.refused(), kernel.dirty()]
    for symbol in (0, 1):
        now = kernel.stats(symbol)
        said += [{name: getattr(now, name) for name in now.__struct_fields__ if name != "notional"}]
        said += [struct.pack("d", now.notional), kernel.book(symbol, 1, 4), kernel.book(symbol, 2, 100)]
        said += [kernel.tape(symbol, 3), kernel.tape(symbol, 100)]
    for series in range(len(SERIES)):
        for candle in (*kernel.candles(series, 0, 100), *kernel.candles(series, 2, 2)):
            said.append([getattr(candle, name) for name in candle.__struct_fields__[:-1]])
            said.append(struct.pack("d", candle.notional))
        said.append(kernel.opened(series))
    return repr(said).encode()


def opened(choice: Any) -> Kernel:
    kernel = open_kernel(choice, LIMITS)
    for grid in GRIDS:
        kernel.symbol(*grid)
    for each in SERIES:
        kernel.series(*each)
    return kernel


def answer_alike(records: list[tuple[Any, ...]], cut: int) -> None:
    kernels = [opened("compiled"), opened("python")]
    for part in (records[:cut], records[cut:]):
        packed = b"".join(RECORD.pack(*record) for record in part)
        for kernel in kernels:
            kernel.apply(packed)
        assert everything(kernels[0]) == everything(kernels[1])


@settings(max_examples=100, deadline=None)
@given(streams(), st.integers(0, 60))
def test_whatever_a_source_says_both_kernels_answer_the_same(records: list[tuple[Any, ...]], cut: int) -> None:
    answer_alike(records, cut)


@pytest.mark.soak
@pytest.mark.timeout(900)
@settings(max_examples=20_000, deadline=None)
@given(streams(), st.integers(0, 60))
def test_for_minutes_both_kernels_answer_the_same(records: list[tuple[Any, ...]], cut: int) -> None:
    answer_alike(records, cut)


@settings(max_examples=30, deadline=None)
@given(streams(), streams(), st.integers(0, len(SERIES) - 1))
def test_what_is_dropped_and_forgotten_is_gone_in_both(
    before: list[tuple[Any, ...]], after: list[tuple[Any, ...]], dropped: int
) -> None:
    kernels = [opened("compiled"), opened("python")]
    for kernel in kernels:
        kernel.apply(b"".join(RECORD.pack(*record) for record in before))
        kernel.drop(dropped)
        kernel.forget(1)
        kernel.apply(b"".join(RECORD.pack(*record) for record in after))
    assert everything(kernels[0]) == everything(kernels[1])
    assert all(kernel.opened(dropped) == 0 and not kernel.book(1, 1, 9) for kernel in kernels)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_whatever_bring_a_kernel_down(noise: bytes) -> None:
    whole = noise[: len(noise) // RECORD.size * RECORD.size]
    kernels = [opened("compiled"), opened("python")]
    for kernel in kernels:
        kernel.apply(whole)
    assert everything(kernels[0]) == everything(kernels[1])


@pytest.mark.parametrize("choice", ["compiled", "python"])
def test_half_a_record_is_refused(choice: Any) -> None:
    with pytest.raises((ValueError, struct.error)):
        opened(choice).apply(b"\0" * 57)
