"""How the decoders are fuzzed: `hammer` feeds one check with what hypothesis makes until the time is up.

In `make test` each decoder gets a second from fixed seeds, so that the run is the same everywhere; in `make soak` 2
minutes from fresh ones (FUZZ_S changes that). What breaks a decoder is kept in `tests/fuzz/found` on the machine that
found it; once it is understood it becomes an explicit seed beside its decoder, and those are tried first everywhere.
"""

import asyncio
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from brokers.adapter import Event, Filled, MessageUnreadable
from brokers.text import utf8

SOAK_S = float(os.environ.get("FUZZ_S", "120"))
SHORT_S = 0.8
HANG_S = 2.0
"""Of the thread's own time: more for one input is a hang, however busy the machine is."""
_FOUND = Path(__file__).parent / "found"
_EXAMPLES_A_SEED = 100
T = TypeVar("T")

LENGTHS = pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(SHORT_S, id="short"),
        pytest.param(SOAK_S, id="soak", marks=[pytest.mark.soak, pytest.mark.timeout(SOAK_S + 120)]),
    ],
)


def hammer(
    name: str, make: Callable[[Random], T], check: Callable[[T], None], seeds: Iterable[T], seconds: float
) -> None:
    """Try the seeds, then whatever `make` makes of random numbers for so long. `check` raises for what breaks a
    promise. Hypothesis draws only the numbers' seed, so that most of the time goes into the decoder."""

    def timed(one: T) -> None:
        began = time.thread_time()
        check(one)
        took = time.thread_time() - began
        assert took < HANG_S, f"{name}: one input took {took:.1f} s"

    for one in seeds:
        timed(one)
    first = 0 if seconds <= SHORT_S else Random().randrange(10**9)
    ends, tried = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        _batch(timed, make, first + tried, name)()
        tried += 1
    sys.stdout.write(f"{name}: {tried * _EXAMPLES_A_SEED} inputs in {seconds:g} s, from seed {first}\n")


def _batch(check: Callable[[T], None], make: Callable[[Random], T], number: int, name: str) -> Callable[[], None]:
    @seed(number)
    @settings(
        max_examples=_EXAMPLES_A_SEED,
        deadline=None,
        database=DirectoryBasedExampleDatabase(_FOUND / name.replace(" ", "_")),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**63))
    def batch(number: int) -> None:
        check(make(Random(number)))

    return batch


@contextmanager
def on_one_loop() -> Iterator[Callable[[Coroutine[Any, Any, None]], None]]:
    """Runs checks that need a loop, one after the other."""
    with asyncio.Runner() as runner:
        yield runner.run


# --- what is made -----------------------------------------------------------------------------------------------------

NASTY = [
    "",
    " ",
    "0",
    "-0",
    "-1",
    "0.5",
    "1e999999",
    "1e-999999",
    "NaN",
    "Infinity",
    "9" * 18,
    "9" * 40,
    "9" * 5_000,
    "0." + "3" * 5_000,
    "1_0",
    "+5",
    " 5",
    "\u0665",
    "\xff\xfe",
    "null",
    "true",
    "Y",
    "N",
    "[]",
    "{}",
    "20261121-02:19:48",
    "99999999-99:99:99",
    "00010101-00:00:00",
    "9999-12-31T23:59:59.999999+23:59",
    "0001-01-01T00:00:00-12:00",
    "A" * 20_000,
]


class Bare(str):
    """Stands in JSON as it is, without quotes."""

    __slots__ = ()


_NUMBERS: list[Any] = [0, 1, -1, 2, 2**31, -(2**63), 2**64, 10**40, 1e308, -1e308, 5e-324, 0.1, 1.5]
HUGE = [Bare(each) for each in ("1e999999", "1e-999999", "0e-999999", "9" * 5_000, "-0", "0." + "3" * 99)]
"""Numbers that JSON allows and nobody has."""
DEEP = [Bare("[" * 3_000 + "]" * 3_000), Bare('{"a":' * 3_000 + "1" + "}" * 3_000)]


def as_json(value: Any) -> bytes:
    """JSON that may hold numbers no encoder would write."""
    if isinstance(value, Bare):
        return value.encode()
    if isinstance(value, dict):
        return b"{%b}" % b",".join(as_json(key) + b":" + as_json(each) for key, each in value.items())
    if isinstance(value, list):
        return b"[%b]" % b",".join(as_json(each) for each in value)
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def word(random: Random) -> str:
    """Something a field may hold and should not."""
    if random.random() < 0.6:
        return random.choice(NASTY)
    if random.random() < 0.5:
        return str(random.randint(-(10**6), 10**6))
    return "".join(chr(random.randrange(1, 0x2FF)) for _ in range(random.randrange(12)))


def junk(random: Random, depth: int = 2) -> Any:
    """Any JSON."""
    kind = random.randrange(8 if depth else 5)
    if kind == 0:
        return random.choice([None, True, False] if random.random() < 0.9 else [*DEEP, Bare("NaN")])
    if kind in (1, 2):
        return random.choice([*_NUMBERS, *HUGE])
    if kind in (3, 4):
        return word(random)
    if kind in (5, 6):
        return [junk(random, depth - 1) for _ in range(random.randrange(4))]
    return {word(random)[:20]: junk(random, depth - 1) for _ in range(random.randrange(4))}


def bent(random: Random, template: dict[str, Any]) -> dict[str, Any]:
    """An object of the venue with up to three of its fields lost, or holding what they should not."""
    made = dict(template)
    for _ in range(random.randrange(4)):
        key = random.choice(sorted(template))
        if random.random() < 0.3:
            made.pop(key, None)
        else:
            made[key] = junk(random)
    return made


def is_json(data: bytes) -> bool:
    """Whether it is JSON at all, whatever numbers stand in it."""

    def no_number(text: str) -> str:
        raise ValueError(text)

    try:
        json.loads(data.decode("utf-8", "replace"), parse_int=str, parse_float=str, parse_constant=no_number)
    except (ValueError, RecursionError):
        return False
    return True


def spoilt(random: Random, data: bytes) -> bytes:
    """Bytes with something lost, doubled or put between."""
    at, to = sorted((random.randrange(len(data) + 1), random.randrange(len(data) + 1)))
    what = random.randrange(4)
    if what == 0:
        return data[:at]
    if what == 1:
        return data[:at] + noise(random, 8) + data[at:]
    if what == 2:
        return data[:at] + data[to:]
    return data[:to] + data[at:]


def hopeless(made: dict[str, Any], needed: Iterable[str]) -> bool:
    """Whether nobody could read it: something that it must have is missing, or is a list or an object."""
    return any(isinstance(made.get(key), list | dict) or made.get(key) in (None, *DEEP) for key in needed)


def noise(random: Random, most: int = 60) -> bytes:
    return random.randbytes(random.randrange(most))


def cut_up(random: Random, data: bytes) -> list[bytes]:
    """The same bytes in pieces."""
    places = [random.randrange(len(data) + 1) for _ in range(random.randrange(6))]
    return [data[one:two] for one, two in itertools.pairwise(sorted({0, len(data), *places}))]


class Answers:
    """What stands for a venue's HTTP side: each request is answered with the next of these, over and over."""

    host = "api.example"

    def __init__(self, answers: list[tuple[int, bytes]]) -> None:
        self._answers = answers
        self._asked = 0

    async def send(self, path: str, *_: Any, **__: Any) -> tuple[int, bytes]:
        self._asked += 1
        status, data = self._answers[self._asked % len(self._answers)]
        return status, utf8(data)

    post = send


# --- what comes out ---------------------------------------------------------------------------------------------------

_MOST = 2**63 - 1


def assert_sound(value: Any, where: str = "") -> None:
    """Everything an adapter tells may reach the screen, a sum and a column of the journal."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            assert_sound(getattr(value, name), f"{where}.{name}")
        quantity = getattr(value, "qty", 1)
        assert quantity >= (1 if hasattr(value, "fill_id") else 0), f"{where}: {quantity} contracts"
    elif isinstance(value, str):
        assert value.isprintable() and len(value) <= 2_000, f"{where}: {value[:80]!r}"
    elif isinstance(value, Decimal):
        assert value.is_finite() and value.adjusted() <= 18 and value.as_tuple().exponent >= -100, f"{where}: {value}"
    elif isinstance(value, float):
        assert math.isfinite(value), where
    elif isinstance(value, int):
        assert -_MOST <= value <= _MOST, where
    elif isinstance(value, tuple | list | frozenset | set):
        for each in value:
            assert_sound(each, where)


def assert_told(events: list[Event], unreadable: int) -> None:
    """All that an adapter told is sound, and it told of every message that it counts as unreadable."""
    for event in events:
        assert_sound(event, type(event).__name__)
        msgspec.json.encode(event)
    assert len([event for event in events if isinstance(event, MessageUnreadable)]) == unreadable


def assert_once(events: list[Event], order_id: str, fills: range) -> None:
    """These fills of the order were told, each once."""
    told = [int(e.fill.fill_id) for e in events if isinstance(e, Filled) and e.fill.order_id == order_id]
    mine = [each for each in told if each in fills]
    assert len(set(mine)) == len(fills) and len(mine) == len(fills), f"{len(fills)} fills came, told were {mine}"
