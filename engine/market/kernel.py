"""Opens the market-data kernel: the compiled one where it is there and of this source, else the Python twin.

`market.py` calls `open_kernel` once. The choice is a setting (`market_kernel`), so that tests and a doubting trader can
have either.
"""

import importlib
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

from engine.market.build import digest
from engine.market.packing import RECORD
from engine.market.ports import CANDLE_FORM, Candle, Kernel, Limits, Print, Stats
from engine.market.twin import Twin

Choice = Literal["auto", "compiled", "python"]
_LEVEL, _PRINT = struct.Struct("=2q"), struct.Struct("=5q")


class KernelMissing(Exception):
    """The compiled kernel was asked for and is not there; the text says why and what helps."""


def open_kernel(choice: Choice = "auto", limits: Limits | None = None) -> Kernel:
    """A new kernel that knows no symbol. Raises KernelMissing when it must be the compiled one and that is missing."""
    limits = limits or Limits()
    missing = why_missing()
    if choice == "compiled" and missing:
        raise KernelMissing(f"market_kernel: the compiled kernel is not there ({missing}); say auto, or run make.")
    return Twin(limits) if choice == "python" or missing else CompiledKernel(limits)


@cache
def why_missing() -> str:
    """Why the compiled kernel can't be used; empty when it can."""
    try:
        compiled = _load()
    except ImportError as error:
        return f"it was not compiled: {error}"
    said = compiled.ffi.string(compiled.lib.cd_source).decode()
    return "" if said == digest() else "it was compiled from another source"


def _load() -> Any:
    return importlib.import_module("engine.market._kernel")


class CompiledKernel:
    """See `ports.Kernel`. A call gives up the GIL while it runs, which is what batches are for."""

    name = "compiled"

    def __init__(self, limits: Limits) -> None:
        compiled = _load()
        self._ffi, self._lib = compiled.ffi, compiled.lib
        kernel = self._lib.cd_new(
            self._ffi.new(
                "cd_limits *",
                (
                    limits.crossed_ns,
                    limits.ahead_ns,
                    limits.fresh_ns,
                    limits.far_ticks,
                    limits.tape_kept,
                    limits.far_ratio,
                ),
            )
        )
        if not kernel:
            raise MemoryError
        self._kernel = self._ffi.gc(kernel, self._lib.cd_free)
        self._dirty = self._ffi.new("int32_t[]", 1)
        self._room: dict[str, Any] = {}
        self._stats = self._ffi.new("cd_stats *")
        self._stats_raw = self._ffi.buffer(self._stats)

    def symbol(self, tick: float, step: float) -> int:
        number = self._made(self._lib.cd_symbol(self._kernel, tick, step))
        self._dirty = self._ffi.new("int32_t[]", number + 1)
        return number

    def forget(self, symbol: int) -> None:
        self._lib.cd_forget(self._kernel, symbol)

    def series(self, symbol: int, kind: int, width: int, kept: int) -> int:
        return self._made(self._lib.cd_series(self._kernel, symbol, kind, width, kept))

    def drop(self, series: int) -> None:
        self._lib.cd_drop(self._kernel, series)

    def apply(self, records: bytes | bytearray | memoryview) -> None:
        raw = self._ffi.from_buffer(records)
        count, rest = divmod(len(raw), RECORD.size)
        if rest:
            raise ValueError(f"{rest} bytes behind the last whole record")
        self._lib.cd_apply(self._kernel, self._ffi.cast("cd_record *", raw), count)

    def book(self, symbol: int, side: int, most: int) -> Sequence[tuple[int, int]]:
        out = self._out("cd_level[]", most)
        count = self._lib.cd_book(self._kernel, symbol, side, most, out)
        return list(_LEVEL.iter_unpack(self._ffi.buffer(out, count * _LEVEL.size)))

    def tape(self, symbol: int, most: int) -> Sequence[Print]:
        out = self._out("cd_print[]", most)
        count = self._lib.cd_tape(self._kernel, symbol, most, out)
        return list(_PRINT.iter_unpack(self._ffi.buffer(out, count * _PRINT.size)))

    def opened(self, series: int) -> int:
        return self._lib.cd_opened(self._kernel, series)

    def candles(self, series: int, first: int, most: int) -> Sequence[Candle]:
        out = self._out("cd_candle[]", most)
        count = self._lib.cd_candles(self._kernel, series, first, most, out)
        return [Candle(*fields) for fields in CANDLE_FORM.iter_unpack(self._ffi.buffer(out, count * CANDLE_FORM.size))]

    def stats(self, symbol: int) -> Stats:
        self._lib.cd_stats_of(self._kernel, symbol, self._stats)
        return Stats.of(self._stats_raw)

    def dirty(self) -> list[int]:
        count = self._lib.cd_dirty(self._kernel, len(self._dirty), self._dirty)
        return self._ffi.unpack(self._dirty, count)

    def refused(self) -> int:
        return self._lib.cd_refused(self._kernel)

    def _out(self, form: str, most: int) -> Any:
        """Room for so many, kept for the next time."""
        held = self._room.get(form)
        if held is None or len(held) < most:
            held = self._room[form] = self._ffi.new(form, most)
        return held

    def _made(self, number: int) -> int:
        if number < 0:
            raise MemoryError
        return number
