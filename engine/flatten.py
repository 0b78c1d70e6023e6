"""Flatten: cancel what works, close what is held, and read the venue until it shows nothing. Independent of the core.

Called by `engine/exits.py` for a running desk and by `tui/kill.py` without one. Every login goes by itself, so a venue
that hangs holds up nobody else's exit. What is not known is asked for, never taken for flat, and an account counts as
flat only once its venue was read after the last request and showed neither a position nor a working order.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from brokers import adapter as venue
from engine.core import digest
from engine.seat import FlattenResult
from schema.clock import Clock
from schema.records import LiveOrder, Record

LIMIT_S = 10.0
"""How long a flatten goes on; whoever is not flat by then is named."""
_ATTEMPTS = 3  # requests for one position or order: a venue that said no three times will not say yes
_READS = 6  # readings of one login
_QUIET_S = 0.5  # how long the stream may take to show that a request was carried out
_PENDING_S = 3.0  # how long an order of unknown outcome is waited for
_FIRST_PAUSE_S = 0.1
_POLL_S = 0.01
_LET_GO_S = 0.2
_NAMED = 3
log = structlog.get_logger(__name__)


class Book:
    """What the venues say is open: positions and working orders by account. Fed with every event of the adapters."""

    def __init__(self) -> None:
        self._accounts: dict[str, set[str]] = {}  # connection -> the accounts of which everything is known
        self._held: dict[tuple[str, str], int] = {}
        self._working: dict[tuple[str, str], venue.WorkingOrder] = {}
        self._seen: dict[type, Callable[[Any], object]] = {
            venue.StreamUp: lambda event: self.read(event.connection, exposure_of(event.snapshot)),
            venue.StreamDown: lambda event: self._accounts.pop(event.connection, None),
            venue.PositionUpdated: lambda event: self._position(event.position),
            venue.OrderUpdated: lambda event: self._order(event.order),
        }

    def see(self, event: venue.Event) -> None:
        """Take in what a venue said."""
        if take := self._seen.get(type(event)):
            take(event)

    def read(self, connection: str, exposure: venue.Exposure) -> None:
        """Take in a reading: of its complete accounts, what it does not list is not there."""
        self._accounts.setdefault(connection, set()).update(exposure.complete)
        self._held = {key: net for key, net in self._held.items() if key[0] not in exposure.complete}
        self._working = {key: order for key, order in self._working.items() if key[0] not in exposure.complete}
        for position in exposure.positions:
            self._position(position)
        for order in exposure.working:
            self._working[order.account, order.order_id] = order

    def _position(self, position: venue.Position) -> None:
        if position.net_qty:
            self._held[position.account, position.symbol] = position.net_qty
        else:
            self._held.pop((position.account, position.symbol), None)

    def _order(self, order: venue.VenueOrder) -> None:
        key = (order.account, order.order_id)
        if isinstance(order, LiveOrder):
            self._working[key] = venue.WorkingOrder(account=order.account, order_id=order.order_id, symbol=order.symbol)
        else:
            self._working.pop(key, None)

    def known(self, account: str) -> bool:
        """Whether the venue has said all of what this account has open."""
        return any(account in accounts for accounts in self._accounts.values())

    def held(self, account: str) -> dict[str, int]:
        """Signed lots by symbol."""
        return {symbol: net for (owner, symbol), net in self._held.items() if owner == account}

    def working(self, account: str) -> list[venue.WorkingOrder]:
        return [order for (owner, _), order in self._working.items() if owner == account]

    def flat(self, account: str) -> bool:
        """Known, nothing held, nothing working."""
        return self.known(account) and not self.held(account) and not self.working(account)

    def says(self, account: str) -> str:
        """What is open, in words."""
        held = [f"{net:+d} {symbol}" for symbol, net in sorted(self.held(account).items())]
        working = len(self.working(account))
        orders = [f"{working} working order{'s' if working > 1 else ''}"] if working else []
        return " and ".join([*held, *orders])


def exposure_of(snapshot: venue.Snapshot) -> venue.Exposure:
    """What a snapshot says is open."""
    return venue.Exposure(
        at_ns=snapshot.at_ns,
        complete=snapshot.complete,
        positions=snapshot.positions,
        working=tuple(
            venue.WorkingOrder(account=order.account, order_id=order.order_id, symbol=order.symbol)
            for order in snapshot.orders
            if isinstance(order, LiveOrder)
        ),
    )


class Login(Record, frozen=True, gc=True):
    """The accounts to close over one login. `ready` is awaited first, for an adapter that has yet to connect."""

    connection: str
    accounts: tuple[str, ...]
    adapter: venue.BrokerAdapter
    ready: Callable[[], Awaitable[None]] | None = None


class Flatten:
    """One flatten. `pending` says why an account's orders may still bring something, or ''; `told` is called with each
    account that is flat, and the seconds it took."""

    def __init__(
        self,
        name: str,
        logins: Sequence[Login],
        book: Book,
        clock: Clock,
        *,
        pending: Callable[[str], str] = lambda _: "",
        told: Callable[[str, float], None] | None = None,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._name = name
        self._logins = logins
        self._book = book
        self._clock = clock
        self._pending = pending
        self._told = told
        self._limit_s = limit_s
        self._started_ns = clock.now_ns()
        self._accounts = [account for login in logins for account in login.accounts]
        self._attempts: Counter[tuple[str, str]] = Counter()
        self.flat_after_s: dict[str, float] = {}
        self.problems: dict[str, str] = {}
        self._refusals: dict[str, str] = {}  # what the venue said to the last request for an account

    async def run(self) -> FlattenResult:
        """Close everything; returns when every account is flat, is hopeless, or the limit has passed."""
        tasks = [asyncio.create_task(self._survive(login), name=login.connection) for login in self._logins]
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=self._limit_s)
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=_LET_GO_S)
        late = f"its venue has not shown it flat after {self._limit_s:g} s"
        not_flat = [account for account in self._accounts if account not in self.flat_after_s]
        return FlattenResult(
            flat=tuple(account for account in self._accounts if account in self.flat_after_s),
            not_flat=tuple((account, self.problems.get(account, late)) for account in not_flat),
            seconds=self._elapsed_s(),
        )

    def says(self) -> str:
        """How it stands: ``flatten all: 17 of 20 flat, 1.2 s, waiting for DEMO1007``."""
        waiting = [account for account in self._accounts if account not in self.flat_after_s]
        text = f"{self._name}: {len(self.flat_after_s)} of {len(self._accounts)} flat, {self._elapsed_s():.1f} s"
        if waiting:
            more = f" and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
            text += f", waiting for {', '.join(waiting[:_NAMED])}{more}"
        return text

    def _elapsed_s(self) -> float:
        return (self._clock.now_ns() - self._started_ns) / 1e9

    async def _survive(self, login: Login) -> None:
        try:
            if login.ready is not None:
                await login.ready()
            await self._close(login)
        except venue.VenueError as error:
            self._problem(login.accounts, str(error))
        except Exception as failure:  # a fault of ours at one login must not cost the others their exits
            log.exception("flatten failed", connection=login.connection)
            self._problem(login.accounts, f"failed inside the desk: {type(failure).__name__}; the log has the details")

    def _problem(self, accounts: Iterable[str], text: str) -> None:
        for account in accounts:
            if account not in self.flat_after_s:
                self.problems[account] = text

    async def _close(self, login: Login) -> None:
        left = list(login.accounts)
        pause_s = _FIRST_PAUSE_S
        for _ in range(_READS):
            if await self._act(login.adapter, left):
                await self._until(self._book.flat, left, _QUIET_S)
            try:
                exposure = await login.adapter.exposure()
            except venue.VenueError as error:
                self._problem(left, f"not verified: {error}")
            else:
                self._book.read(login.connection, exposure)
                left = [account for account in left if not self._verified(account, exposure)]
                if not any(map(self._hopeful, left)):
                    return
                if all(map(self._book.flat, left)):  # nothing to do but to wait for what may still come
                    await self._until(self._settled, left, _PENDING_S)
                    continue
            await asyncio.sleep(pause_s)
            pause_s *= 2

    async def _act(self, adapter: venue.BrokerAdapter, accounts: Iterable[str]) -> bool:
        """Cancel and close what is known to be open, all in one pass; whether there was anything. A liquidation cancels
        the orders of its contract by itself. Closing comes first, should the tokens not be enough for all of it."""
        closing: list[Coroutine[Any, Any, None]] = []
        canceling: list[Coroutine[Any, Any, None]] = []
        for account in accounts:
            held = self._book.held(account)
            for symbol in held:
                if (number := self._attempt(account, symbol)) <= _ATTEMPTS:
                    tag = "cf" + digest(account, symbol, str(self._started_ns), str(number))
                    closing.append(self._ask(account, adapter.liquidate(account, symbol, tag)))
            for order in self._book.working(account):
                if order.symbol not in held and self._attempt(account, order.order_id) <= _ATTEMPTS:
                    canceling.append(self._ask(account, adapter.cancel(account, order.order_id)))
        await asyncio.gather(*closing, *canceling)
        return bool(closing or canceling)

    def _attempt(self, account: str, what: str) -> int:
        self._attempts[account, what] += 1
        return self._attempts[account, what]

    async def _ask(self, account: str, request: Coroutine[Any, Any, None]) -> None:
        try:
            await request
        except venue.VenueError as error:
            log.warning("flatten", account=account, error=str(error))
            self._refusals[account] = str(error)
        else:
            self._refusals.pop(account, None)

    def _verified(self, account: str, exposure: venue.Exposure) -> bool:
        """Whether this reading shows the account flat; why not is kept."""
        if account not in exposure.complete:
            self.problems[account] = "not verified: the venue left it out"
        elif open_now := self._book.says(account):
            said = self._refusals.get(account, "")
            self.problems[account] = f"the venue shows {open_now}" + (f" ({said})" if said else "")
        elif why := self._pending(account):
            self.problems[account] = why
        else:
            self.flat_after_s[account] = self._elapsed_s()
            self.problems.pop(account, None)
            if self._told is not None:
                self._told(account, self.flat_after_s[account])
            return True
        return False

    def _hopeful(self, account: str) -> bool:
        """Whether asking once more may change anything."""
        open_now = [*self._book.held(account), *(order.order_id for order in self._book.working(account))]
        return not open_now or any(self._attempts[account, what] < _ATTEMPTS for what in open_now)

    def _settled(self, account: str) -> bool:
        return not self._pending(account)

    async def _until(self, true: Callable[[str], bool], accounts: Iterable[str], within_s: float) -> None:
        """Wait for what the venues' events change; they have no event of their own to wait for."""
        ends_ns = self._clock.now_ns() + int(within_s * 1e9)
        while not all(map(true, accounts)) and self._clock.now_ns() < ends_ns:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
