"""What the suite must be told of a venue: how its adapter is built, which of its words mean what, and which fact
stands behind each flag it lacks. One file of `venues/` makes one of these; `bench.py` works with it."""

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from brokers.adapter import AdapterSettings, BrokerAdapter, Capabilities, Credentials, Emit
from brokers.sandbox.orders import Reason
from brokers.sessions import MemorySessions
from schema.clock import Clock
from schema.records import AccountConfig, Environment, Record, RejectClass

if TYPE_CHECKING:
    from tests.brokers.contract.bench import Bench

CONNECTION, USERNAME = "desk1", "desk1"


class Fact(Record, frozen=True):
    """Why a venue can't: one sentence, and the page and section that say so."""

    text: str
    source: str


class Seat(msgspec.Struct, kw_only=True):
    """What an adapter is built of. `door` is what the door said when it opened; `port` is where to reach it, which
    may be a line's."""

    door: Mapping[str, Any]
    port: int
    emit: Emit
    clock: Clock
    random: Random
    sessions: MemorySessions
    credentials: Credentials
    settings: AdapterSettings
    environment: Environment
    accounts: tuple[AccountConfig, ...]


class Said(Record, frozen=True):
    """A reject that the door is made to give: what it calls the reason, in which words, and the class that is."""

    reason: Reason
    text: str
    reject_class: RejectClass


def rejects(
    margin: Reason, margin_text: str, *, closed: str = "The session is closed", contract: str = "No such contract"
) -> tuple[Said, ...]:
    """One reject of every class, as most venues word them; what the doors call a lack of margin differs most."""
    return (
        Said(reason=Reason.MAX_POSITION, text="Position limit reached", reject_class=RejectClass.LIMIT),
        Said(reason=Reason.SESSION_CLOSED, text=closed, reject_class=RejectClass.MARKET_CLOSED),
        Said(reason=Reason.INVALID_CONTRACT, text=contract, reject_class=RejectClass.CONTRACT),
        Said(reason=Reason.LOCKED, text="Trading is locked", reject_class=RejectClass.LOCKED),
        Said(reason=Reason.INVALID_PRICE, text="The price is off", reject_class=RejectClass.PRICE),
        Said(reason=margin, text=margin_text, reject_class=RejectClass.MARGIN),
        Said(reason=Reason.OTHER, text="Just no", reject_class=RejectClass.OTHER),
    )


class Venue(Record, frozen=True):
    """`door` names the sandbox's door, `options` its settings. `place`, `modify`, `cancel` and `close` are what the
    door's list of received requests calls each; `close` is what a liquidation closes with. `garble` makes the venue
    say something that nobody can read, and returns how much of it. `other_kind` is an environment and the name of an
    account that does not belong to it. `named` is what its adapter calls an order of the venue's. `facts` are by need
    (`cards.py`)."""

    name: str
    door: str
    title: str
    build: Callable[[Seat], BrokerAdapter]
    garble: Callable[["Bench"], int]
    rejects: tuple[Said, ...]
    facts: Mapping[str, Fact]
    place: str
    modify: str
    cancel: str
    close: str
    options: Mapping[str, Any] = {}
    named: Callable[["Bench", int], str] = lambda _, order_id: str(order_id)
    other_kind: tuple[Environment, str] = (Environment.DEMO, "DEMO1001")

    @property
    def capabilities(self) -> Capabilities:
        """The adapter's flags; they are known before it connects."""
        return self.build(unconnected(self)).capabilities


def unconnected(venue: Venue) -> Seat:
    """A seat at no door."""
    from schema.clock import SYSTEM_CLOCK

    return Seat(
        door={
            "host": "127.0.0.1",
            "port": 9,
            "ports": {USERNAME: 9},
            "target_comp_id": "NOBODY",
            "rest": "http://127.0.0.1:9",
        },
        port=9,
        emit=lambda _: None,
        clock=SYSTEM_CLOCK,
        random=Random(1),
        sessions=MemorySessions(),
        credentials=Credentials(username=USERNAME, password="nobody's"),
        settings=AdapterSettings(),
        environment=Environment.DEMO,
        accounts=(),
    )
