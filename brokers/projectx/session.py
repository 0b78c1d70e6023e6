"""The user hub of one login: open, subscribe, read the truth, follow, and after every loss do it again until closed.

`adapter.py` owns one (`protocols/projectx.md 2.4`, `2.6`). The venue replays nothing: what a gap hid comes from its
lists. While the hub is down, silent, or silent about an order that was taken, `poll.py` asks the lists instead.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

import stamina
import structlog

from brokers.adapter import LoginRefused, MessageUnreadable, StreamDown, StreamUp, VenueError, VenueUnreachable
from brokers.projectx import wire
from brokers.projectx.connection import Backoff, Connection
from brokers.projectx.hubs import Hub, HubLost, HubRefused
from brokers.projectx.poll import Poll
from brokers.projectx.reads import first_of, read_snapshot
from brokers.text import NOT_READ, clean, redact

log = structlog.get_logger()
LOGOUT = "GatewayLogout"


class Session:
    """See the module's docstring. `state` is one of ConnectionHealth's."""

    def __init__(self, connection: Connection, poll: Poll, *, first: bool) -> None:
        self.state = "connecting"
        self.reason = ""
        self.reconnects = 0
        self.unreadable = 0
        self.hub: Hub | None = None
        self._connection = connection
        self._facts = connection.facts
        self._poll = poll
        self._backoff = Backoff(connection.settings.reconnect_cap_s, connection.random)
        self._first = True  # nothing was up yet: failures are raised, not retried
        self._first_of_life = first
        self._on_first_up: Callable[[], None] = lambda: None
        self._early: list[tuple[wire.HubMessage, str, int]] | None = None
        self._disturbed: set[int] = set()
        self._logouts: deque[int] = deque()
        self._fought_over = False
        self._current: Hub | None = None
        self._up_ns = 0
        facts = connection.facts
        self._tellers: dict[str, Callable[[bytes, int], None]] = {
            "GatewayUserOrder": lambda row, now_ns: facts.order(wire.read(row, wire.Order), now_ns),
            "GatewayUserTrade": self._on_trade,
            "GatewayUserPosition": self._on_position,
            "GatewayUserAccount": lambda row, now_ns: facts.account(wire.read(row, wire.Account), now_ns),
        }

    @property
    def up(self) -> bool:
        return self.state == "up"

    def disturbed(self) -> set[int]:
        """The accounts that had a fill on the stream since this was asked last."""
        found, self._disturbed = self._disturbed, set()
        return found

    async def run(self, on_first_up: Callable[[], None]) -> None:
        """Keep the stream up. Before the first StreamUp a failure is raised (LoginRefused, VenueUnreachable); later
        only what a person must settle ends the stream, told by a final StreamDown."""
        self._on_first_up = on_first_up
        try:
            async for attempt in stamina.retry_context(on=self._again, attempts=None, timeout=None):
                with attempt:
                    await self._live_once()
        except LoginRefused as refusal:
            self.state, self.reason = "refused", str(refusal)
            if self._first:
                raise
            self._down(str(refusal), final=True)
        except (HubLost, VenueError) as error:
            raise VenueUnreachable(str(error)) from None

    def _again(self, error: Exception) -> bool | float:
        return False if self._first else self._backoff(error)

    async def _live_once(self) -> None:
        """One hub from its opening to its loss, which is raised."""
        connection, timing = self._connection, self._connection.timing
        self.state = "connecting"
        was_up = False
        error: Exception = HubLost("")
        hub = Hub(connection.urls.user_hub, connection.clock, self._on_message, self._on_unreadable)
        self._current = hub
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            await self._open(hub)
            self.state = "syncing"
            await self._synchronise(hub)
            was_up, began_s = True, loop.time()
            await self._follow(hub)
        except BaseExceptionGroup as group_error:
            error = first_of(group_error)
            if not isinstance(error, HubLost | VenueError):
                # A fault of ours must not leave the login dead: log it with its trace, then resynchronise.
                log.error("order stream failed", connection=connection.config.connection, exc_info=group_error)
                error = HubLost("the desk could not process the stream; it resynchronises")
        except (HubLost, VenueError) as plain:
            error = plain
        finally:
            self.hub = self._current = None
            self._early = None
            self._poll.down = not self._first
            await hub.close()
        if self._fought_over:
            error = LoginRefused(
                f"{connection.host} ended the session of {connection.config.username} {len(self._logouts)} times in "
                f"{timing.logouts_s:.0f} s: another client uses this login; stop it, then start the connection again"
            )
        self.reason = clean(str(error))
        if was_up:
            self._down(self.reason)
            if loop.time() - began_s >= timing.steady_s:
                self._backoff.steady()
        raise error

    async def _open(self, hub: Hub) -> None:
        """Open with a good token; one that the venue does not take is renewed once. Subscribe to everything."""
        login = self._connection.login
        token = await login.fresh()
        generation = login.generation
        self._early = []
        try:
            await hub.open(token)
        except HubLost as lost:
            if lost.refused:
                await login.renewed(generation)
            raise
        try:
            calls = [hub.invoke("SubscribeAccounts")]
            for account_id in self._facts.accounts:
                for what in ("Orders", "Positions", "Trades"):
                    calls.append(hub.invoke(f"Subscribe{what}", account_id))
            await asyncio.gather(*calls)
        except HubRefused as refused:
            raise HubLost(f"the venue refuses a subscription: {refused}") from None

    async def _synchronise(self, hub: Hub) -> None:
        connection = self._connection
        snapshot = await read_snapshot(connection, self.disturbed, needed=True)
        # Nothing awaits from here to the end: no event can come between the snapshot and what follows it.
        if hub.lost.done():
            raise HubLost(hub.lost.result())
        self.state, self.reason, self.hub = "up", "", hub
        first, self._first_of_life = self._first_of_life, False
        starting, self._first = self._first, False
        self._up_ns = now_ns = connection.clock.now_ns()
        connection.emit(
            StreamUp(connection=connection.config.connection, received_ns=now_ns, first=first, snapshot=snapshot)
        )
        early, self._early = self._early or [], None
        for message, record, at_ns in early:
            self._on_message(message, record, at_ns)
        self._poll.caught_up()
        if starting:
            self._on_first_up()
        log.info("order stream up", connection=connection.config.connection, first=first)

    async def _follow(self, hub: Hub) -> None:
        """Until the hub is lost, its token is replaced, or nothing has come for too long. Raises HubLost."""
        connection, timing = self._connection, self._connection.timing
        loop = asyncio.get_running_loop()
        generation, pinged_s = connection.login.generation, loop.time()
        while not hub.lost.done():
            await asyncio.wait([hub.lost], timeout=timing.check_s)
            silent_s = (connection.clock.now_ns() - hub.last_message_ns) / 1e9
            if connection.login.generation != generation:
                raise HubLost("the login has a new token; the stream is opened with it")
            if silent_s > timing.dead_s:
                raise HubLost(f"the venue said nothing for {silent_s:.0f} s")
            self._poll.silent = silent_s > timing.silent_s
            if loop.time() - pinged_s >= timing.ping_s:
                pinged_s = loop.time()
                await hub.ping()
        raise HubLost(hub.lost.result())

    def _down(self, reason: str, *, final: bool = False) -> None:
        connection = self._connection
        if not final:
            self.state = "down"
            self.reconnects += 1
        log.warning("order stream down", connection=connection.config.connection, reason=reason, final=final)
        connection.emit(
            StreamDown(
                connection=connection.config.connection,
                received_ns=connection.clock.now_ns(),
                reason=reason,
                final=final,
            )
        )

    # --- messages --------------------------------------------------------------------------------------------------

    def _on_message(self, message: wire.HubMessage, record: str, now_ns: int) -> None:
        if message.target == LOGOUT:
            self._logged_out(now_ns)
            return
        if self._early is not None:
            self._note(message)
            self._early.append((message, record, now_ns))
            return
        tell = self._tellers.get(message.target)
        if tell is None:
            return  # an event that the desk does not follow
        try:
            if not message.arguments:
                raise ValueError(f"{clean(message.target, 40)} carries nothing")
            rows = list(wire.rows(message.arguments[0]))
        except (*NOT_READ, ValueError) as error:
            self._on_unreadable(record, str(error), now_ns)
            return
        for row in rows:
            try:
                tell(row, now_ns)
            except (*NOT_READ, ValueError) as error:
                self._on_unreadable(row.decode("utf-8", "replace"), str(error), now_ns)

    def _note(self, message: wire.HubMessage) -> None:
        """Remember whose fills came while the lists are read. What can't be read is told once the stream is up."""
        if message.target == "GatewayUserTrade" and message.arguments:
            with contextlib.suppress(*NOT_READ):
                for row in wire.rows(message.arguments[0]):
                    with contextlib.suppress(*NOT_READ):
                        self._disturbed.add(wire.read(row, wire.Trade).account_id)

    def _on_position(self, row: bytes, now_ns: int) -> None:
        position = wire.read(row, wire.Position)
        if now_ns > self._up_ns:  # the snapshot's are newer than those that came before it and waited for their turn
            self._facts.position(position, now_ns)

    def _on_trade(self, row: bytes, now_ns: int) -> None:
        trade = wire.read(row, wire.Trade)
        self._disturbed.add(trade.account_id)
        self._facts.trade(trade, now_ns)

    def _logged_out(self, now_ns: int) -> None:
        """The venue ended this session. Now and then that is maintenance; in a row it is another client that takes the
        session each time we take it back, and fighting on would leave both blind."""
        timing, config = self._connection.timing, self._connection.config
        self._logouts.append(now_ns)
        while self._logouts and self._logouts[0] < now_ns - timing.logouts_s * 1e9:
            self._logouts.popleft()
        log.warning("the venue ended the session", connection=config.connection, count=len(self._logouts))
        self._fought_over = len(self._logouts) > timing.logouts
        if self._current is not None:
            self._current.lose("the venue ended the session (GatewayLogout)")

    def _on_unreadable(self, raw: str, error: str, now_ns: int) -> None:
        self.unreadable += 1
        connection = self._connection
        secrets = list(connection.login.secrets())
        log.warning("message unreadable", connection=connection.config.connection, error=clean(error))
        connection.emit(
            MessageUnreadable(
                connection=connection.config.connection,
                received_ns=now_ns,
                raw=redact(raw.encode(), secrets),
                error=redact(error.encode(), secrets),
            )
        )
