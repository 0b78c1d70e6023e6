"""Searching 55,000 symbols as they are typed: one figure for each length of what was typed. No terminal, no desk."""

import time
from collections.abc import Callable
from random import Random
from string import ascii_uppercase, digits

from engine.symbol_search import SymbolIndex
from schema.listed import Listed
from tests.bench.figures import Measured

SYMBOLS = 55_000
_QUERIES = 20_000
_COMMON = ("CORP", "INC", "HOLDINGS", "GROUP", "ENERGY", "BANK", "TRUST", "GLOBAL", "MICRO", "DIGITAL", "PERPETUAL")


def made_listing(size: int, seed: int = 1) -> list[Listed]:
    """So many symbols as a feed lists them: pairs, futures, shares and options, with descriptions."""
    random = Random(seed)

    def letters(shortest: int, longest: int) -> str:
        return "".join(random.choice(ascii_uppercase) for _ in range(random.randint(shortest, longest)))

    bases, rare = [letters(2, 6) for _ in range(size // 5)], [letters(4, 10) for _ in range(size // 3)]
    made: dict[tuple[str, str], Listed] = {}
    while len(made) < size:
        base = random.choice(bases)
        source, symbol = random.choice(
            (
                ("binance", base + random.choice(("USDT", "USDC", "BTC", "EUR"))),
                ("desk", base + random.choice("HMUZ") + random.choice(digits)),
                ("shares", base),
                (
                    "options",
                    f"{base}{random.randint(260101, 271231)}{random.choice('CP')}{random.randint(1, 99999):08}",
                ),
            )
        )
        description = f"{random.choice(rare)} {random.choice(_COMMON)} {random.choice(_COMMON)}"
        made[source, symbol] = Listed(source=source, symbol=symbol, description=description, exchange=source[:3])
    return list(made.values())


def typed_queries(index: SymbolIndex, listing: list[Listed], count: int, more: list[str] | None = None) -> list[float]:
    """The processor time of each query, ms: symbols, descriptions, slips and nonsense, letter by letter."""
    return [took for _, took in _typed(index, listing, count, more or [], time.thread_time_ns)]


def _typed(
    index: SymbolIndex, listing: list[Listed], count: int, more: list[str], now_ns: Callable[[], int]
) -> list[tuple[int, float]]:
    random = Random(2)
    queries = list(more)
    while len(queries) < count + len(more):
        each = random.choice(listing)
        nonsense = "".join(random.choice(ascii_uppercase + digits + " ") for _ in range(40))
        slip = each.symbol[:2] + random.choice("XQZ") + each.symbol[3:]
        text = random.choice((each.symbol, each.description, nonsense, slip))
        queries += [text[:size] for size in range(1, len(text) + 1)]
    random.shuffle(queries)
    found: list[tuple[int, float]] = []
    for query in queries:
        before = now_ns()
        index.find(query)
        found.append((len(query), (now_ns() - before) / 1e6))
    return found


def measure() -> list[Measured]:
    listing = made_listing(SYMBOLS)
    before = time.perf_counter()
    index = SymbolIndex(listing)
    built_ms = (time.perf_counter() - before) * 1e3
    took = _typed(index, listing, _QUERIES, [], time.perf_counter_ns)
    lengths = {"1 to 3": range(1, 4), "4 to 8": range(4, 9), "9 to 20": range(9, 21), "over 20": range(21, 999)}
    return [
        Measured(f"symbol search over {SYMBOLS:,}, any length", "ms", [ms for _, ms in took]),
        *(
            Measured(f"symbol search over {SYMBOLS:,}, {name} letters", "ms", [ms for size, ms in took if size in of])
            for name, of in lengths.items()
        ),
        Measured(f"- processor time alone, {SYMBOLS:,}", "ms", typed_queries(index, listing, _QUERIES)),
        Measured(f"symbol index over {SYMBOLS:,}, made once", "ms", [built_ms]),
    ]
