"""What the core asks of venues besides sending orders, each in a task of its own; the answers are inputs of the core.
`engine/desk.py` owns one.
"""

from collections.abc import Callable, Mapping

from brokers import adapter as venue
from brokers.finding import unknown
from engine import events as ev
from engine.core import Core
from engine.exits import Exits
from engine.flatten import exposure_of
from schema.clock import Clock
from schema.records import RejectClass


class Requests:
    """`adapters` are the desk's by login; one that was taken off the desk meanwhile is asked nothing. `answer` takes
    what came of a request."""

    def __init__(
        self,
        core: Core,
        adapters: Mapping[str, venue.BrokerAdapter],
        exits: Exits,
        clock: Clock,
        answer: Callable[[ev.AnyInput], None],
    ) -> None:
        self._core = core
        self._adapters = adapters
        self._book = exits.book
        self._clock = clock
        self._answer = answer

    async def change(self, effect: ev.ChangeOrder) -> None:
        """One request about an order at rest, and what is known of it afterwards."""
        terms, outcome, reject_class, text = effect.terms, ev.Outcome.TAKEN, RejectClass.OTHER, ""
        adapter = self._adapters.get(effect.connection)
        try:
            if adapter is None:
                raise venue.RequestRefused("its connection is not running", RejectClass.UNAVAILABLE)
            if terms is None:
                await adapter.cancel(effect.account, effect.order_id)
            elif terms.trail is not None and isinstance(adapter, venue.Trails):
                await adapter.modify_trailing(
                    effect.account, effect.order_id, qty=terms.qty, trail=terms.trail, stop_price=terms.stop_price
                )
            else:
                await adapter.modify(
                    effect.account,
                    effect.order_id,
                    qty=terms.qty,
                    order_type=terms.order_type,
                    limit_price=terms.limit_price,
                    stop_price=terms.stop_price,
                )
        except venue.RequestRefused as refused:
            outcome, reject_class, text = ev.Outcome.REFUSED, refused.reject_class, str(refused)
        except venue.VenueUnreachable as unreachable:
            outcome, reject_class, text = ev.Outcome.REFUSED, RejectClass.UNAVAILABLE, str(unreachable)
        except venue.VenueError as unknown:
            outcome, text = ev.Outcome.UNKNOWN, str(unknown)
        self._answer(
            ev.ChangeAnswered(
                at_ns=self._clock.now_ns(),
                account=effect.account,
                cl_ord_id=effect.cl_ord_id,
                terms=terms,
                outcome=outcome,
                reject_class=reject_class,
                text=text,
            )
        )

    async def ask(self, connection: str) -> None:
        """Read a login whole."""
        asked_seq, adapter = self._core.seq, self._adapters.get(connection)
        if adapter is None:
            return  # taken off the desk
        try:
            snapshot = await adapter.snapshot()
        except venue.VenueError as error:
            self._answer(ev.AskFailed(at_ns=self._clock.now_ns(), connection=connection, reason=str(error)))
            return
        self._book.read(connection, exposure_of(snapshot))
        self._answer(
            ev.SnapshotRead(at_ns=self._clock.now_ns(), connection=connection, snapshot=snapshot, asked_seq=asked_seq)
        )

    async def find(self, effect: ev.AskOrders) -> None:
        """Ask for orders by their tags."""
        asked_ns = self._clock.now_ns()
        try:
            found = await self._adapters[effect.connection].find(effect.wanted)
        except KeyError:
            return  # its login was taken off the desk
        except venue.VenueError as error:
            found = tuple(unknown(wanted, str(error)) for wanted in effect.wanted)
        self._answer(
            ev.OrdersFound(at_ns=self._clock.now_ns(), connection=effect.connection, asked_ns=asked_ns, found=found)
        )
