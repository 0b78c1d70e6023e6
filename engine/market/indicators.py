"""Indicators over candles, one candle at a time: what closed stays, the open one gets a provisional value.

`charts.py` keeps one of each kind that a pane asks for. Definitions are TA-Lib's: averages begin with the plain mean of
their first values, Wilder's smoothing is `(held * (n - 1) + new) / n`, Bollinger's deviation is that of the whole
population, MACD's fast average begins where the slow one can. A value is None until there are candles enough.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

from schema.records import Bar

Value = float | None
Values = tuple[Value, ...]
_DAY_NS = 86_400_000_000_000
_ZERO = 1e-14  # below this a sum is none; TA-Lib's

_State = TypeVar("_State")


class Indicator(ABC, Generic[_State]):
    """`step` is a function from what is known and a candle to what is known then, so that the open candle can be asked
    about as often as it changes without a trace."""

    names: tuple[str, ...]

    def __init__(self, start: _State) -> None:
        self._state = start

    @abstractmethod
    def step(self, state: _State, bar: Bar) -> tuple[_State, Values]: ...

    def close(self, bar: Bar) -> Values:
        """Take a closed candle; the values at its close, one for each name."""
        self._state, values = self.step(self._state, bar)
        return values

    def peek(self, bar: Bar) -> Values:
        """The values if the open candle closed as it stands."""
        return self.step(self._state, bar)[1]


_Window = tuple[float, ...]


class Sma(Indicator[_Window]):
    """The mean of the last n closes."""

    def __init__(self, n: int) -> None:
        super().__init__(())
        self.names = (f"sma {n}",)
        self._n = n

    def step(self, state: _Window, bar: Bar) -> tuple[_Window, Values]:
        window = (*state, bar.close)[-self._n :]
        return window, (sum(window) / self._n if len(window) == self._n else None,)


class Bollinger(Indicator[_Window]):
    """Upper, middle, lower: the mean of the last n closes, and `k` standard deviations around it."""

    def __init__(self, n: int, k: float) -> None:
        super().__init__(())
        self.names = (f"bb {n} upper", f"bb {n} middle", f"bb {n} lower")
        self._n, self._k = n, k

    def step(self, state: _Window, bar: Bar) -> tuple[_Window, Values]:
        window = (*state, bar.close)[-self._n :]
        if len(window) < self._n:
            return window, (None, None, None)
        mean = sum(window) / self._n
        width = self._k * math.sqrt(sum((close - mean) ** 2 for close in window) / self._n)
        return window, (mean + width, mean, mean - width)


_Mean = tuple[int, float]
"""How many values were taken; their sum until there are enough, then the average."""


def _smooth(state: _Mean, value: float, n: int, follow: Callable[[float, float], float]) -> tuple[_Mean, Value]:
    """An average that begins with the plain mean of its first n values and then follows the held one and the new."""
    taken, held = state[0] + 1, state[1]
    if taken > n:
        held = follow(held, value)
        return (taken, held), held
    held += value
    if taken < n:
        return (taken, held), None
    return (taken, held / n), held / n


def _exponential(n: int) -> Callable[[float, float], float]:
    weight = 2.0 / (n + 1)
    return lambda held, new: (new - held) * weight + held


def _wilder(n: int) -> Callable[[float, float], float]:
    return lambda held, new: (held * (n - 1) + new) / n


class Ema(Indicator[_Mean]):
    """The exponential average of closes: the newest weighs 2 / (n + 1)."""

    def __init__(self, n: int) -> None:
        super().__init__((0, 0.0))
        self.names = (f"ema {n}",)
        self._n, self._follow = n, _exponential(n)

    def step(self, state: _Mean, bar: Bar) -> tuple[_Mean, Values]:
        state, value = _smooth(state, bar.close, self._n, self._follow)
        return state, (value,)


class Rsi(Indicator[tuple[Value, _Mean, _Mean]]):
    """Wilder's relative strength, 0 to 100; 0 as well while no close moved (as TA-Lib has it)."""

    def __init__(self, n: int) -> None:
        super().__init__((None, (0, 0.0), (0, 0.0)))
        self.names = (f"rsi {n}",)
        self._n, self._follow = n, _wilder(n)

    def step(self, state: tuple[Value, _Mean, _Mean], bar: Bar) -> tuple[tuple[Value, _Mean, _Mean], Values]:
        before, ups, downs = state
        if before is None:
            return (bar.close, ups, downs), (None,)
        change = bar.close - before
        ups, up = _smooth(ups, max(change, 0.0), self._n, self._follow)
        downs, down = _smooth(downs, max(-change, 0.0), self._n, self._follow)
        value = None
        if up is not None and down is not None:
            value = 100.0 * up / (up + down) if up + down > _ZERO else 0.0
        return (bar.close, ups, downs), (value,)


class Macd(Indicator[tuple[int, _Mean, _Mean, _Mean]]):
    """The fast average less the slow one, the average of that, and what the first is above the second."""

    def __init__(self, fast: int, slow: int, signal: int) -> None:
        super().__init__((0, (0, 0.0), (0, 0.0), (0, 0.0)))
        self.names = (f"macd {fast} {slow}", f"macd signal {signal}", "macd histogram")
        self._n = (fast, slow, signal)
        self._follow = (_exponential(fast), _exponential(slow), _exponential(signal))

    def step(self, state: tuple[int, _Mean, _Mean, _Mean], bar: Bar) -> tuple[tuple[int, _Mean, _Mean, _Mean], Values]:
        taken, fast, slow, signal = state
        quick: Value = None
        line: Value = None
        average: Value = None
        if taken >= self._n[1] - self._n[0]:
            fast, quick = _smooth(fast, bar.close, self._n[0], self._follow[0])
        slow, calm = _smooth(slow, bar.close, self._n[1], self._follow[1])
        if quick is not None and calm is not None:
            line = quick - calm
            signal, average = _smooth(signal, line, self._n[2], self._follow[2])
        above = line - average if line is not None and average is not None else None
        return (taken + 1, fast, slow, signal), (line, average, above)


class Atr(Indicator[tuple[Value, _Mean]]):
    """Wilder's average true range."""

    def __init__(self, n: int) -> None:
        super().__init__((None, (0, 0.0)))
        self.names = (f"atr {n}",)
        self._n, self._follow = n, _wilder(n)

    def step(self, state: tuple[Value, _Mean], bar: Bar) -> tuple[tuple[Value, _Mean], Values]:
        before, mean = state
        if before is None:
            return (bar.close, mean), (None,)
        true_range = max(bar.high, before) - min(bar.low, before)
        mean, value = _smooth(mean, true_range, self._n, self._follow)
        return (bar.close, mean), (value,)


class Vwap(Indicator[tuple[int, float, float]]):
    """The average price of the day's volume so far, each candle's at the mean of its high, low and close. A day begins
    `day_starts_s` seconds after midnight UTC."""

    def __init__(self, day_starts_s: int = 0) -> None:
        super().__init__((-1, 0.0, 0.0))
        self.names = ("vwap",)
        self._starts_ns = day_starts_s * 1_000_000_000

    def step(self, state: tuple[int, float, float], bar: Bar) -> tuple[tuple[int, float, float], Values]:
        day, money, volume = state
        today = (bar.start_ns - self._starts_ns) // _DAY_NS
        if today != day:
            money = volume = 0.0
        money += (bar.high + bar.low + bar.close) / 3 * bar.volume
        volume += bar.volume
        return (today, money, volume), (money / volume if volume else None,)


_MADE: dict[str, tuple[Callable[..., "Indicator[object]"], tuple[float, ...], str]] = {
    "sma": (Sma, (20,), "sma:20"),
    "ema": (Ema, (20,), "ema:20"),
    "vwap": (Vwap, (0,), "vwap, or vwap:82800 for days from 23:00 UTC"),
    "rsi": (Rsi, (14,), "rsi:14"),
    "macd": (Macd, (12, 26, 9), "macd:12:26:9"),
    "bb": (Bollinger, (20, 2.0), "bb:20:2"),
    "atr": (Atr, (14,), "atr:14"),
}  # type: ignore[assignment]
KINDS = tuple(_MADE)


def parse_indicator(text: str) -> "Indicator[object]":
    """``sma:20 ema:9 vwap rsi:14 macd:12:26:9 bb:20:2 atr:14``; what is left out takes the usual value. Raises
    ValueError naming what is wrong."""
    kind, *given = text.strip().lower().split(":")
    if kind not in _MADE:
        raise ValueError(f"indicator {text!r} is none; there are {', '.join(KINDS)}.")
    make, usual, example = _MADE[kind]
    wrong = ValueError(f"indicator {text!r} can't be read; write {example}.")
    try:
        chosen = [float(word) if kind == "bb" and at else int(word) for at, word in enumerate(given)]
    except ValueError:
        raise wrong from None
    least = 0 if kind == "vwap" else 2 if kind in ("rsi", "bb") else 1
    values = (*chosen, *usual[len(chosen) :])
    if len(values) > len(usual) or not all(least <= value <= 100_000 for value in values[:1]):
        raise wrong
    if any(not 0 < value <= 100_000 for value in values[1:]) or (kind == "macd" and values[0] >= values[1]):
        raise wrong
    return make(*values)
