"""The order stream of one login: open, synchronise, follow, and after every loss do it again until closed.
`adapter.py` owns one (`protocols/tradovate.md 1.4`, `1.6`)."""

import asyncio
import random as random_module
from collections.abc import Callable

import msgspec
import stamina
import structlog

from brokers.adapter import (
    LoginRefused,
    MessageUnreadable,
    StreamDown,
    StreamUp,
    VenueError,
    VenueUnreachable,
)
from brokers.own import OwnOrders
from brokers.text import NOT_READ
from brokers.tradovate import entities, wire
from brokers.tradovate.connection import Connection
from brokers.tradovate.entities import ENTITY_TYPES, SyncReply, UnreadableRow
from brokers.tradovate.gaps import Gaps
from brokers.tradovate.socket import StreamLost, VenueSocket, error_words, handshake_gate, open_socket
from brokers.tradovate.stream import Joined

log = structlog.get_logger()

SYNC_S = 10.0
PARTS_QUIET_S = 0.3  # no further part of a split sync reply for this long: it was whole (its end mark is UNVERIFIED)
STEADY_S = 5.0  # a stream that lived this long starts the next wait for reconnecting anew
NEVER_REACHED_WAIT_S = 1.0
CAPTCHA_WAIT_S = 3_600.0


class _SyncRequest(msgspec.Struct, rename="camel", omit_defaults=True):
    users: list[int]
    entity_types: list[str] = []
    ticket: str = msgspec.field(name="p-ticket", default="")


class Backoff:
    """How long to stay away after each failure: min(1000 * 2^n ms, cap) and at most 10 % more (`1.6`). A venue that
    was never reached is asked again within a second: nothing there counts the attempts."""

    def __init__(self, cap_s: float, random: random_module.Random) -> None:
        self._cap_s = cap_s
        self._random = random
        self._failures = 0

    def steady(self) -> None:
        self._failures = 0

    def __call__(self, error: Exception) -> bool | float:
        """stamina's hook: seconds to wait, or False when waiting does not help."""
        if isinstance(error, LoginRefused):
            return False
        jitter = 1.0 + 0.1 * self._random.random()
        if isinstance(error, StreamLost) and error.wait_s is not None:
            return error.wait_s * jitter
        if isinstance(error, StreamLost) and not error.reached:
            return min(NEVER_REACHED_WAIT_S, self._cap_s)
        if isinstance(error, StreamLost | VenueError):
            wait_s = min(2.0**self._failures, self._cap_s)
            self._failures = min(self._failures + 1, 16)
            return wait_s * jitter
        return False


class Session:
    """The user socket and the joined truth behind it. `socket` is None while orders cannot be sent over it."""

    def __init__(self, connection: Connection, own: OwnOrders, seen_fills: set[int], *, first: bool) -> None:
        self.socket: VenueSocket | None = None
        self.state = "connecting"
        self.reason = ""
        self.reconnects = 0
        self.unreadable = 0
        self.latest: VenueSocket | None = None  # the last one opened, for its ages
        self.joined: Joined | None = None
        self._connection = connection
        self._config = connection.config
        self._settings = connection.settings
        self._clock = connection.clock
        self._emit = connection.emit
        self._http = connection.http
        self._urls = connection.urls
        self._login = connection.login
        self._budget = connection.budget
        self._directory = connection.directory
        self._own = own
        self._seen_fills = seen_fills
        self._backoff = Backoff(connection.settings.reconnect_cap_s, connection.random)
        self._first = True  # nothing was up yet: failures are raised, not retried
        self._first_of_life = first
        self._on_first_up: Callable[[], None] = lambda: None
        self._group: asyncio.TaskGroup | None = None
        self._early: list[tuple[wire.Envelope, int]] = []  # events that came before the sync reply was joined
        self._gaps = Gaps(connection)
        self._reauthorizing = False

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def run(self, on_first_up: Callable[[], None]) -> None:
        """Keep the stream up; `on_first_up` is called after the first StreamUp. Before it a failure is raised
        (LoginRefused, VenueUnreachable); later only a refused login ends the stream, told by a final StreamDown."""
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
        except (StreamLost, VenueError) as error:
            raise VenueUnreachable(str(error)) from None

    def _again(self, error: Exception) -> bool | float:
        return False if self._first else self._backoff(error)

    async def _live_once(self) -> None:
        """One socket from handshake to loss, which is raised: StreamLost or a VenueError."""
        self.state = "connecting"
        up_s = asyncio.get_running_loop().time()
        was_up = False
        socket: VenueSocket | None = None
        error: Exception = StreamLost("")
        try:
            self.latest = socket = await self._open()
            async with asyncio.TaskGroup() as group:
                self._group = group
                self.state = "syncing"
                self.joined = None
                self._early = []
                self._gaps = Gaps(self._connection)
                group.create_task(socket.serve(self._on_event, self._on_unreadable))
                await self._synchronise(socket)
                was_up = True
                up_s = asyncio.get_running_loop().time()
        except BaseExceptionGroup as group_error:
            error = first_of(group_error)
            if not isinstance(error, StreamLost | VenueError):
                # A fault of ours must not leave the login dead: log it with its trace, then resynchronise.
                log.error("order stream failed", connection=self._config.connection, exc_info=group_error)
                error = StreamLost("the desk could not process the stream; it resynchronises")
        except (StreamLost, VenueError) as plain:
            error = plain
        finally:
            self._group = None
            self.socket = None
            self.joined = None
        self.reason = wire.clean(str(error))
        if was_up:
            self._down(self.reason)
        if socket is not None:
            socket.abandon()
        if was_up and asyncio.get_running_loop().time() - up_s >= STEADY_S:
            self._backoff.steady()
        raise error

    def _down(self, reason: str, *, final: bool = False) -> None:
        if not final:
            self.state = "down"
            self.reconnects += 1
        log.warning("order stream down", connection=self._config.connection, reason=reason, final=final)
        self._emit(
            StreamDown(connection=self._config.connection, received_ns=self._clock.now_ns(), reason=reason, final=final)
        )

    async def _open(self) -> VenueSocket:
        """An authorized socket; a token that the venue refuses is renewed once."""
        token = await self._login.fresh()
        for last in (False, True):
            generation = self._login.generation
            try:
                async with handshake_gate(self._urls.stream):
                    self._budget.spend()
                    return await open_socket(self._http.session, self._urls.stream, token, self._clock)
            except StreamLost as lost:
                if lost.status not in (401, 403) or (last and not self._first):
                    raise
                if last:
                    raise LoginRefused(self._wrong_environment("its stream refuses the token")) from None
            token = await self._login.renewed(generation)
        raise AssertionError("unreachable")

    def _wrong_environment(self, what: str) -> str:
        config = self._config
        return (
            f"{self._http.host} accepts the login of {config.username} but {what}: "
            f"check that this login belongs to {config.environment.value}"
        )

    # --- synchronise ---------------------------------------------------------------------------------------------

    async def _synchronise(self, socket: VenueSocket) -> None:
        at_ns = self._clock.now_ns()
        reply, unreadable = await self._sync_reply(socket)
        if reply.accounts:
            reply = await self._gaps.completed(reply)
        joined = Joined(self._config.connection, self._directory, self._own, self._seen_fills, reply, unreadable)
        missing = joined.unnamed_contracts()
        if missing:
            await self._gaps.name_contracts(missing)
        if not joined.synchronised():
            if self._first:
                raise LoginRefused(self._wrong_environment("synchronises no account"))
            raise StreamLost("the venue's sync reply names no account")
        # Nothing awaits from here to the end: no event can come between the snapshot and what follows it.
        self.state, self.reason = "up", ""
        self.joined = joined
        self.socket = socket
        starting, self._first = self._first, False
        first, self._first_of_life = self._first_of_life, False
        self._emit(
            StreamUp(
                connection=self._config.connection,
                received_ns=self._clock.now_ns(),
                first=first,
                snapshot=joined.snapshot(at_ns),
            )
        )
        joined.start_emitting(self._emit)
        early, self._early = self._early, []
        for envelope, now_ns in early:
            self._on_event(envelope, now_ns)
        if starting:
            self._on_first_up()
        log.info("order stream up", connection=self._config.connection, first=first)

    async def _sync_reply(self, socket: VenueSocket) -> tuple[SyncReply, list[UnreadableRow]]:
        """Ask once and put the parts of the answer together (`1.4`, user/syncrequest)."""
        parts: asyncio.Queue[wire.Envelope] = asyncio.Queue()

        def on_part(envelope: wire.Envelope | None, now_ns: int) -> None:
            if envelope is None:
                return
            if self.joined is None:
                parts.put_nowait(envelope)
            else:
                self._on_late_part(envelope, now_ns)

        request = _SyncRequest(
            users=[self._login.user_id],
            entity_types=list(ENTITY_TYPES) if self._settings.strict_entity_types else [],
        )
        try:
            self._budget.spend()
            await socket.request("user/syncrequest", on_part, body=wire.encode(request), many=True)
            async with asyncio.timeout(SYNC_S):
                first = await parts.get()
            penalty = entities.read_penalty(bytes(first.d)) if first.s == 200 else None
            if penalty is not None:
                if penalty.captcha:
                    raise StreamLost("the venue holds synchronising back for an hour", wait_s=CAPTCHA_WAIT_S)
                await asyncio.sleep(penalty.wait_s)
                request.ticket = penalty.ticket or ""
                self._budget.spend()
                await socket.request("user/syncrequest", on_part, body=wire.encode(request), many=True)
                async with asyncio.timeout(SYNC_S):
                    first = await parts.get()
        except TimeoutError:
            raise StreamLost(f"the venue did not synchronise in {SYNC_S:.0f} s") from None
        if first.s != 200:
            if first.s in (423, 429):
                self._budget.throttled()
            if first.s == 401:
                await self._login.renewed(self._login.generation)
            raise StreamLost(f"the venue answers {first.s} to the sync request: {error_words(first)}")
        reply, unreadable = self._read_sync(first)
        while not reply.says_everything:
            try:
                async with asyncio.timeout(PARTS_QUIET_S):
                    part = await parts.get()
            except TimeoutError:
                break
            more, more_unreadable = self._read_sync(part)
            reply = reply.merged(more)
            unreadable += more_unreadable
        for row in unreadable:
            self._on_unreadable(row.raw, row.error, self._clock.now_ns())
        return reply, unreadable

    def _read_sync(self, envelope: wire.Envelope) -> tuple[SyncReply, list[UnreadableRow]]:
        try:
            return entities.read_sync(envelope.d)
        except NOT_READ as error:
            # Half a snapshot would make accounts look flat that are not.
            raise StreamLost(f"the venue's sync reply cannot be read: {error}") from None

    def _on_late_part(self, envelope: wire.Envelope, now_ns: int) -> None:
        reply, unreadable = self._read_sync(envelope)
        for row in unreadable:
            self._on_unreadable(row.raw, row.error, now_ns)
        if self.joined is not None:
            self.joined.later_part(reply, now_ns)

    # --- follow --------------------------------------------------------------------------------------------------

    def _on_event(self, envelope: wire.Envelope, now_ns: int) -> None:
        joined = self.joined
        if envelope.e == "props":
            if joined is None:
                self._early.append((envelope, now_ns))
                return
            try:
                unreadable = joined.props(envelope.d, now_ns)
            except NOT_READ as error:
                unreadable = [(bytes(envelope.d), str(error))]
            for raw, why in unreadable:
                self._on_unreadable(raw, why, now_ns)
            if self._group is not None:
                self._gaps.check(joined, self._group)
        elif envelope.e == "shutdown":
            raise StreamLost(f"the venue shuts the connection down: {_why_shut(envelope)}")

    def _on_unreadable(self, raw: bytes, error: str, now_ns: int) -> None:
        self.unreadable += 1
        secrets = list(self._login.secrets())
        text = wire.redact(raw, secrets)
        log.warning("message unreadable", connection=self._config.connection, error=wire.clean(error))
        self._emit(
            MessageUnreadable(
                connection=self._config.connection,
                received_ns=now_ns,
                raw=text,
                error=wire.redact(error.encode(), secrets),
            )
        )

    def release(self) -> None:
        if self.joined is not None:
            self.joined.release(self._clock.now_ns())

    # --- a token that died under the socket ------------------------------------------------------------------------

    def reauthorize(self) -> None:
        """A request was answered 401: renew the token and authorize this socket again, once at a time."""
        if self._group is not None and self.socket is not None and not self._reauthorizing:
            self._reauthorizing = True
            self._group.create_task(self._reauthorize(self.socket, self._login.generation))

    async def _reauthorize(self, socket: VenueSocket, generation: int) -> None:
        try:
            token = await self._login.renewed(generation)
            self._budget.spend()
            answer = await socket.ask("authorize", body=token.encode(), timeout_s=self._settings.deadline_s)
        except (TimeoutError, ConnectionError):
            raise StreamLost("the venue did not answer authorize") from None
        finally:
            self._reauthorizing = False
        if answer.s != 200:
            raise StreamLost("the venue wants a new socket for the new token")


def _why_shut(envelope: wire.Envelope) -> str:
    try:
        notice = entities.shutdown.decode(envelope.d)
    except NOT_READ:
        return ""
    return wire.clean(notice.reason or notice.reason_code or "")


def first_of(group: BaseExceptionGroup[BaseException]) -> Exception:
    """The first plain exception in a group; what a person or a retry must act on (LoginRefused) goes first."""
    plain: list[Exception] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        elif isinstance(error, Exception):
            plain.append(error)
    return next((error for error in plain if isinstance(error, LoginRefused)), plain[0])
