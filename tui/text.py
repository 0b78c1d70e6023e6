"""Text and numbers as every pane shows them. Pure functions; the panes, the status line and the message line call them.

Profit and loss never rests on colour alone: it carries a sign and an arrow. Times on screen are UTC.

A screen that is shared hides money, average prices and the names of accounts and logins (`hide`, by the app alone: a
process has one screen). Money goes through `money`, `plain_money` and `whole_money`, an average price through
`average`, all other text through `clean`, so nothing else need know of it; what is typed goes through `real_names`.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

UP, DOWN = "▲", "▼"
MASK = "•••"

# C0 and C1 controls would reach the terminal as commands; the bidirectional and zero-width marks can make one text
# look like another.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_ESCAPES = re.compile(
    "\x1b\\[[0-?]*[ -/]*[@-~]"  # CSI
    "|\x1b[\\]PX^_].*?(?:\x07|\x1b\\\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC and their payload
    "|\x1b[ -/]*[0-~]",  # the short ones
    re.DOTALL,
)
_MONEY = re.compile(
    r"(\$\s?|\b(?:equity|balance|p&l|pnl|realised|realized|profit|loss|drawdown|margin|cash)\b[^\d\n]{0,12}?)"
    r"[-+]?\d[\d,]*(?:\.\d+)?",
    re.IGNORECASE,
)


class _Hiding:
    """What is hidden now: nothing without `names`."""

    names: re.Pattern[str] | None = None
    instead: Mapping[str, str] = {}
    stand_ins: re.Pattern[str] = re.compile("(?!)")
    real: Mapping[str, str] = {}


def _whole(words: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(map(re.escape, words), key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(longest_first) or r'(?!)'})(?![^\W_])", re.IGNORECASE)


def hide(names: Mapping[str, str] | None) -> None:
    """From now on show `MASK` for money and, for each of these names, what stands for it; None shows everything."""
    _Hiding.instead = {name.casefold(): instead for name, instead in (names or {}).items()}
    _Hiding.names = None if names is None else _whole(_Hiding.instead)
    # What stands for one name and is another's is that other's: an order goes to nobody by a likeness.
    _Hiding.real = {instead: name for name, instead in (names or {}).items() if instead not in _Hiding.instead}
    _Hiding.stand_ins = _whole(_Hiding.real)
    masked.cache_clear()


def hidden() -> bool:
    """Whether money and names are hidden."""
    return _Hiding.names is not None


@lru_cache(maxsize=8192)
def masked(text: str) -> str:
    """`text` without the money and the names that are hidden now."""
    return text if _Hiding.names is None else _MONEY.sub(rf"\1{MASK}", without_names(text))


def without_names(text: str) -> str:
    """`text` with what stands for the names that are hidden now, to be typed on."""
    if _Hiding.names is None:
        return text
    return _Hiding.names.sub(lambda found: _Hiding.instead.get(found[0].casefold(), MASK), text)


def real_names(typed: str) -> str:
    """What was typed on a screen that hides names, with the names themselves."""
    return _Hiding.stand_ins.sub(lambda found: _Hiding.real[found[0].casefold()], typed)


@lru_cache(maxsize=8192)
def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(" ", _ESCAPES.sub("", text))


def clean(text: str) -> str:
    """`text` as it may be drawn: escape sequences removed whole, other control characters turned into spaces, and
    what a shared screen hides masked."""
    printable = _printable(text)
    return printable if _Hiding.names is None else masked(printable)


def fit(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` cells: padded on the left when `right`, cut with an ellipsis when too long."""
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    pad = " " * (width - length)
    return pad + text if right else text + pad


def money(amount: Decimal) -> str:
    """Profit or loss: ``▲ +1,234.50``, ``▼ -12.50``, ``0.00``. ``•••`` while it is hidden."""
    if hidden():
        return MASK
    if not amount.is_finite():
        return "?"
    if amount == 0:
        return "0.00"
    return f"{UP if amount > 0 else DOWN} {amount:+,.2f}"


def pnl_look(amount: Decimal) -> str:
    """The look that goes with `money`."""
    if hidden() or not amount.is_finite() or amount == 0:
        return "dim"
    return "up" if amount > 0 else "down"


def plain_money(value: Decimal) -> str:
    """Money that is no profit or loss, such as a balance: ``50,000.00``; ``•••`` while it is hidden."""
    return MASK if hidden() else f"{value:,.2f}"


def whole_money(value: Decimal) -> str:
    """What an order is worth: ``480,125``; ``•••`` while money is hidden."""
    return MASK if hidden() else f"{value:,.0f}"


def exact_money(value: Decimal) -> str:
    """What a tick is worth, to the last digit that it has: ``12.5``; ``•••`` while money is hidden."""
    return MASK if hidden() else f"{value.normalize():,f}"


def price(value: Decimal | None) -> str:
    """A price with two decimals, or as many as it has up to seven; empty when there is none."""
    if value is None:
        return ""
    whole, _, decimals = f"{value:,.7f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def signed_price(value: float) -> str:
    """A change of a price: ``▲ +1.25``, ``▼ -0.0005``, ``0.00``."""
    if not value:
        return "0.00"
    text = price(abs(Decimal(repr(value))))
    return f"{UP} +{text}" if value > 0 else f"{DOWN} -{text}"


def average(value: Decimal | None) -> str:
    """An average price, which may have no end: two to four decimals; empty when there is none. ``•••`` while money is
    hidden, for beside the market's price it tells the profit."""
    if value is None:
        return ""
    return MASK if hidden() else price(round(value, 4))


def millis(value_ms: float) -> str:
    """A latency in milliseconds, three figures: ``0.54``, ``12.3``, ``950``, ``2.5s``; ``-`` when there is none."""
    if value_ms < 0:
        return "-"
    if value_ms < 10:
        return f"{value_ms:.2f}"
    if value_ms < 100:
        return f"{value_ms:.1f}"
    return f"{value_ms:.0f}" if value_ms < 1000 else f"{value_ms / 1000:.1f}s"


def age(seconds: float) -> str:
    """How old something is, coarse so that it seldom repaints; empty under 10 s."""
    if seconds < 10:
        return ""
    if seconds < 60:
        return f"{int(seconds // 10) * 10}s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m"
    return f"{int(seconds // 3600)}h" if seconds < 360_000 else "99h"


def clock_time(at_ns: int, millis_too: bool = False) -> str:
    """The UTC time of day; empty for 0."""
    if at_ns <= 0:
        return ""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    minutes, second = divmod(seconds % 86_400, 60)
    text = f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"
    return f"{text}.{rest // 1_000_000:03}" if millis_too else text


def signed(net_qty: int) -> str:
    """A net quantity: ``+2``, ``-1``, ``0``."""
    return f"{net_qty:+}" if net_qty else "0"


def counted(count: int, one: str, many: str) -> str:
    """``1 account``, ``3 accounts``."""
    return f"{count} {one if count == 1 else many}"
