"""Numbered cards: one promise of the port each, with what it needs of a venue and what holds where a venue lacks it.

Numbers are spaced so that a card can be inserted; they are never used again for something else. `cases/` makes them.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from brokers.adapter import Capabilities
from schema.records import Record

if TYPE_CHECKING:
    from tests.brokers.contract.bench import Bench

Run = Callable[["Bench"], Awaitable[None]]


class Card(Record, frozen=True):
    """`needs` is a flag of the capabilities, or a member of one of its sets (``order_types:stop_limit``); empty: every
    venue runs it. `without` is run where the need is not met. `connect` False: the card itself connects. `line`: the
    adapter reaches the door through a line that the card can cut, cut up and swallow from (`line.py`)."""

    number: int
    group: str
    run: Run
    needs: str = ""
    without: Run | None = None
    connect: bool = True
    line: bool = False

    @property
    def name(self) -> str:
        return f"C-{self.number}"

    @property
    def title(self) -> str:
        return getattr(self.run, "__name__", "").replace("_", " ")

    @property
    def promise(self) -> str:
        return " ".join((self.run.__doc__ or "").split())

    @property
    def refusal(self) -> str:
        """What holds where the need is not met."""
        return " ".join((self.without.__doc__ or "").split()) if self.without else ""


CARDS: dict[int, Card] = {}


class Group:
    """Cards of one subject, numbered from `first` to `first` + 99. Used as a decorator: ``@orders(310)``."""

    def __init__(self, title: str, first: int) -> None:
        self.title = title
        self.first = first

    def __call__(
        self, number: int, *, needs: str = "", without: Run | None = None, connect: bool = True, line: bool = False
    ) -> Callable[[Run], Run]:
        def made(run: Run) -> Run:
            assert self.first <= number < self.first + 100, f"C-{number} is outside {self.title}"
            assert number not in CARDS, f"C-{number} is there twice"
            assert bool(needs) == (without is not None), f"C-{number}: a need and what holds without it go together"
            CARDS[number] = Card(
                number=number,
                group=self.title,
                run=run,
                needs=needs,
                without=without,
                connect=connect,
                line=line,
            )
            return run

        return made


def offers(capabilities: Capabilities, need: str) -> bool:
    """Whether a venue's flags meet a need."""
    flag, _, member = need.partition(":")
    if not flag:
        return True
    value = getattr(capabilities, flag)
    return member in value if member else bool(value)
