"""What the desk asks of NinjaTrader, and what proves that it was taken. `adapter.py` owns one `Sender`.

A command has no answer. An order was taken when any value of it comes; a cancel and a change when the order's state
says so; a close when the position comes down. Nothing of it by the deadline is unknown, and nothing is sent again.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from brokers.adapter import Emit, OrderNotSent, OrderSent, RequestRefused, RequestUnknown, VenueError
from brokers.alone import alone
from brokers.budget import Lane, RequestBudget, lane_of
from brokers.ninjatrader import wire
from brokers.ninjatrader.book import NO_REASON, Book, Entry
from brokers.ninjatrader.directory import Directory
from brokers.ninjatrader.files import Files
from brokers.ninjatrader.link import Link
from brokers.ninjatrader.names import CANCELING, CHANGED, status_of
from brokers.ninjatrader.values import AvgPrice, Fact, FilledQty, NetPosition, OrderState
from brokers.own import never_twice
from brokers.promises import Promises
from schema.clock import Clock
from schema.records import ApprovedOrder, DoneStatus, OrderType, RejectClass
from schema.symbols import UnknownProduct, parse_contract, product

FILE_POLL_S = 0.05
SaidT = TypeVar("SaidT")
Proof = Callable[[Fact], bool | VenueError]
"""Looks at a fact: it proves what was asked (True), says that it will not be (an error), or nothing (False)."""


class Sender:
    """See the module's docstring. `on_order` takes what a file said of an order."""

    def __init__(
        self,
        connection: str,
        deadline_s: float,
        clock: Clock,
        emit: Emit,
        book: Book,
        promises: Promises,
        budget: RequestBudget,
        files: Files | None,
        directory: Directory,
        on_order: Callable[[OrderState | FilledQty | AvgPrice], None],
    ) -> None:
        self.link: Link | None = None
        self._connection = connection
        self._deadline_s = deadline_s
        self._clock = clock
        self._emit = emit
        self._book = book
        self._promises = promises
        self._budget = budget
        self._files = files
        self._directory = directory
        self._on_order = on_order
        self._waiting: dict[asyncio.Future[None], Proof] = {}
        self._closings: set[str] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    def close(self) -> None:
        """No event is emitted after this."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.lost()

    # --- proof -------------------------------------------------------------------------------------------------------

    def on_fact(self, fact: Fact) -> None:
        """Whoever waits for this fact goes on."""
        for future, proof in list(self._waiting.items()):
            found = proof(fact)
            if future.done() or found is False:
                continue
            if found is True:
                future.set_result(None)
            else:
                future.set_exception(found)

    def lost(self) -> None:
        """The connection is gone: what was asked may have been done."""
        self._promises.lost()
        for future in self._waiting:
            if not future.done():
                future.set_exception(RequestUnknown("the connection was lost before NinjaTrader showed it"))

    async def _until(self, proof: Proof, send: Callable[[], None], what: str) -> None:
        """Send, and wait for the proof. Raises RequestRefused, RequestUnknown."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = proof
        try:
            send()
            async with asyncio.timeout(self._deadline_s):
                await future
        except TimeoutError:
            raise RequestUnknown(f"NinjaTrader did not show {what} within {self._deadline_s:g} s") from None
        finally:
            del self._waiting[future]

    # --- orders ------------------------------------------------------------------------------------------------------

    async def place(self, orders: Sequence[ApprovedOrder]) -> None:
        """See the port. Orders that go by file are followed there until they are proven or their deadline has come."""
        self._never_twice(leg.cl_ord_id for order in orders for leg in order.legs)
        filed: list[tuple[Entry, wire.Command]] = []
        told: list[OrderSent | OrderNotSent] = []
        for order in alone(orders, self._connection, self._clock, self._emit):
            command = self._command(order)
            if isinstance(command, str):
                told.append(self._not_sent(order.account, order.cl_ord_id, command))
                continue
            refusal = self._refusal()
            by_file = bool(refusal) and order.reducing and self._files is not None
            refusal = "" if by_file else refusal or self._budget.take(lane_of(order))
            if refusal:
                told.append(self._not_sent(order.account, order.cl_ord_id, refusal))
                continue
            entry = self._book.open(order, self._clock.now_ns())
            if by_file:
                filed.append((entry, command))
                continue
            self._write(command)
            told.append(self._sent(entry))
        for event in told:
            self._emit(event)
        await asyncio.gather(*(self._place_by_file(entry, command) for entry, command in filed))

    def _never_twice(self, cl_ord_ids: Iterable[str]) -> None:
        """Raises ValueError when an order or a close has one of the ids, or it stands there twice."""
        ids = tuple(cl_ord_ids)
        never_twice(ids, {each for each in ids if each in self._book or each in self._closings})

    def _command(self, order: ApprovedOrder) -> wire.Command | str:
        """The order as it leaves, or why it can't."""
        account = self._directory.account(order.account)
        if not account:
            return f"account {order.account} is not of this connection"
        try:
            product(parse_contract(order.symbol).root)
            return wire.place(
                account=account,
                instrument=self._directory.instrument(order.symbol),
                side=order.side,
                qty=order.qty,
                order_type=order.order_type,
                order_id=order.cl_ord_id,
                limit_price=order.limit_price,
                stop_price=order.stop_price,
                time_in_force=order.time_in_force,
            )
        except (UnknownProduct, ValueError) as error:
            return str(error)

    def _refusal(self) -> str:
        return self.link.refusal() if self.link is not None else "no connection to NinjaTrader: not connected"

    def _write(self, command: wire.Command) -> None:
        assert self.link is not None
        self.link.write(command.frame)

    def _sent(self, entry: Entry) -> OrderSent:
        self._promises.made(entry.account, entry.order_id)
        self._tick_after(self._deadline_s)
        return OrderSent(
            connection=self._connection,
            received_ns=self._clock.now_ns(),
            account=entry.account,
            cl_ord_id=entry.order_id,
        )

    def _not_sent(self, account: str, cl_ord_id: str, reason: str) -> OrderNotSent:
        return OrderNotSent(
            connection=self._connection,
            received_ns=self._clock.now_ns(),
            account=account,
            cl_ord_id=cl_ord_id,
            reason=reason,
        )

    def _tick_after(self, after_s: float) -> None:
        """Look at the deadlines then."""

        def tick() -> None:
            self._timers.discard(timer)
            self._promises.tick()

        timer = asyncio.get_running_loop().call_later(after_s + 0.005, tick)
        self._timers.add(timer)

    # --- commands ----------------------------------------------------------------------------------------------------

    async def cancel(self, account: str, order_id: str) -> None:
        entry = self._known(account, order_id)
        if self._refusal() and self._files is not None:
            await self._cancel_by_file(entry, order_id)
            return
        self._may_send(Lane.CANCEL)
        command = self._said(lambda: wire.cancel(order_id))

        def proof(fact: Fact) -> bool | VenueError:
            if not isinstance(fact, OrderState) or fact.order_id != order_id:
                return False
            status = status_of(fact.word)
            if status is DoneStatus.CANCELED or fact.word in CANCELING:
                return True
            return _too_late(order_id, status) if isinstance(status, DoneStatus) else False

        await self._until(proof, lambda: self._write(command), "the cancel")

    async def modify(
        self,
        account: str,
        order_id: str,
        *,
        qty: int,
        order_type: OrderType,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        """NinjaTrader does not tell an order's terms: the new ones are taken for true once a state that belongs to a
        change comes after the command. Without it they may hold or not; to send the same terms again does no harm."""
        entry = self._known(account, order_id)
        if entry is None:
            raise RequestRefused(f"order {order_id} of {account} is not the desk's; its terms are not known")
        if order_type is not entry.order_type:
            raise RequestRefused(f"NinjaTrader can't make a {entry.order_type} order a {order_type} order")
        if qty < entry.filled:
            raise RequestRefused(f"{entry.filled} of order {order_id} are filled; it can't become one of {qty}")
        self._may_send(Lane.MODIFY)
        command = self._said(
            lambda: wire.change(order_id=order_id, qty=qty, limit_price=limit_price, stop_price=stop_price)
        )

        def proof(fact: Fact) -> bool | VenueError:
            if not isinstance(fact, OrderState) or fact.order_id != order_id:
                return False
            status = status_of(fact.word)
            return _too_late(order_id, status) if isinstance(status, DoneStatus) else fact.word in CHANGED

        await self._until(proof, lambda: self._write(command), "the change")
        entry.qty = qty
        entry.limit_price = limit_price or entry.limit_price
        entry.stop_price = stop_price or entry.stop_price
        self._book.retold(entry)

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        """CLOSEPOSITION for this account and this contract, and nothing that reaches further."""
        theirs = self._directory.account(account)
        if not theirs:
            raise RequestRefused(f"account {account} is not of this connection")
        self._never_twice((cl_ord_id,))
        instrument = self._said(lambda: self._directory.instrument(symbol))
        command = self._said(lambda: wire.close_position(theirs, instrument))
        by_file = bool(self._refusal()) and self._files is not None
        if not by_file:
            self._may_send(Lane.EXIT)
        self._closings.add(cl_ord_id)
        if by_file:
            await self._put_file(command)
            raise RequestUnknown("the close was written to a file; NinjaTrader does not say there what came of it")
        assert self.link is not None
        held = self.link.told.nets.get((theirs, instrument), 0)
        resting = {
            each.order_id
            for each in self._book.entries()
            if (each.account, each.symbol) == (account, symbol) and each.ours and not each.done
        }

        def proof(fact: Fact) -> bool | VenueError:
            if held:
                if not isinstance(fact, NetPosition) or (fact.account, fact.instrument) != (theirs, instrument):
                    return False
                return abs(fact.net_qty) < abs(held)
            if isinstance(fact, OrderState) and isinstance(status_of(fact.word), DoneStatus):
                resting.discard(fact.order_id)
            return not resting

        if held or resting:
            await self._until(proof, lambda: self._write(command), "the close")
        else:
            self._write(command)  # nothing to close is known of: nothing will show that it was taken

    def _known(self, account: str, order_id: str) -> Entry | None:
        """The desk's order of that id; None for one that somebody else sent on this account. Raises RequestRefused."""
        entry = self._book.get(order_id)
        if entry is None:
            theirs = self._directory.account(account)
            if not theirs or self.link is None or order_id not in self.link.told.ids.get(theirs, ()):
                raise RequestRefused(f"order {order_id} of {account} is not known here")
            return None
        if entry.account != account:
            raise RequestRefused(f"order {order_id} is not of {account}")
        if isinstance(entry.status, DoneStatus):
            raise _too_late(order_id, entry.status)
        return entry

    def _may_send(self, lane: Lane) -> None:
        """Raises RequestRefused."""
        if refusal := self._refusal():
            raise RequestRefused(f"not sent: {refusal}", RejectClass.UNAVAILABLE)
        if refusal := self._budget.take(lane):
            raise RequestRefused(f"not sent: {refusal}", RejectClass.THROTTLED)

    def _said(self, say: Callable[[], SaidT]) -> SaidT:
        """What `say` returns. Raises RequestRefused when it can't be said to NinjaTrader."""
        try:
            return say()
        except (UnknownProduct, ValueError) as error:
            raise RequestRefused(str(error)) from None

    # --- by file, while the port is closed ---------------------------------------------------------------------------

    async def _place_by_file(self, entry: Entry, command: wire.Command) -> None:
        try:
            place = await self._put_file(command)
        except RequestRefused as refused:
            self._book.never_left(entry)
            self._emit(self._not_sent(entry.account, entry.order_id, str(refused)))
            return
        self._emit(self._sent(entry))
        await self._follow(place, entry.order_id, lambda: entry.done)

    async def _cancel_by_file(self, entry: Entry | None, order_id: str) -> None:
        """Raises RequestRefused, and RequestUnknown when nothing shows what came of it."""
        place = await self._put_file(self._said(lambda: wire.cancel(order_id)))

        def proven() -> bool:
            return entry is not None and (entry.done or entry.word in CANCELING)

        await self._follow(place, order_id, proven)
        if entry is None or not proven():
            raise RequestUnknown("the cancel was written to a file; nothing shows yet what came of it")
        status = entry.status
        if isinstance(status, DoneStatus) and status is not DoneStatus.CANCELED:
            raise _too_late(order_id, status)

    async def _put_file(self, command: wire.Command) -> Path:
        """Raises RequestRefused: it was not written."""
        assert self._files is not None
        try:
            if missing := await asyncio.to_thread(self._files.missing):
                raise RequestRefused(f"not sent: {missing}", RejectClass.UNAVAILABLE)
            return await asyncio.to_thread(self._files.put, command)
        except OSError as error:
            reason = f"not sent: the file could not be written ({error.strerror})"
            raise RequestRefused(reason, RejectClass.UNAVAILABLE) from None

    async def _follow(self, place: Path, order_id: str, enough: Callable[[], bool]) -> None:
        """Look what is written of an order until it is enough or the deadline has come; then take the command back if
        nobody took it."""
        assert self._files is not None
        ends_s = asyncio.get_running_loop().time() + self._deadline_s
        try:
            while not enough() and asyncio.get_running_loop().time() < ends_s:
                for fact in await asyncio.to_thread(self._files.status, order_id):
                    self._on_order(fact)
                await asyncio.sleep(FILE_POLL_S)
            await asyncio.to_thread(self._files.withdraw, place)
        except OSError:
            return  # what can't be read proves nothing: the deadline makes it unknown


def _too_late(order_id: str, status: DoneStatus) -> RequestRefused:
    if status is DoneStatus.REJECTED:
        return RequestRefused(NO_REASON)
    return RequestRefused(f"too late: order {order_id} is {status}")
