"""The transport of one FIX login: open, log on, follow, and after every loss do it again until closed.

`adapter.py` owns one and is told everything through `Told`. The numbers and what was learned are kept by `saving.py`.
"""

import asyncio
import random as random_module
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol, cast

import stamina
import structlog

from brokers.adapter import LoginRefused, VenueError, VenueUnreachable
from brokers.fix.dialect import Dialect
from brokers.fix.saving import Saving
from brokers.fix.session import LOGOUT_WITHIN_S, Closed, Fact, Identity, InStep, NotUp, Rules, Session
from schema.clock import Clock
from schema.driver import JournalDown
from schema.login import AdapterSettings, Credentials
from schema.records import ConnectionConfig, FixLogin

log = structlog.get_logger()

OPEN_WITHIN_S = 10.0
STEADY_S = 5.0
AT_ONCE = 512
"""Bytes that are taken in, a report or two, before the other logins have their turn, however much one venue sends."""
UNREAD_AT_MOST = 262_144
"""Bytes the venue may leave unread before nothing more is written to it."""
_LATER = (
    "not active",
    "session time",
    "outside",
    "schedule",
    "later",
    "maintenance",
    "already",
    "unavailable",
    "closed",
)


class LinkLost(VenueError):
    """The connection is gone; it is opened again by itself. `soon`: the reason is dealt with, no wait is needed."""

    def __init__(self, text: str, *, soon: bool = False) -> None:
        super().__init__(text)
        self.soon = soon


class Told(Protocol):
    """Who hears of the link."""

    def on_fact(self, fact: Fact) -> None: ...
    async def synchronise(self) -> None:
        """The session is in step: read the venue's truth and tell it. Raises VenueError."""
        ...

    def on_down(self, reason: str, *, was_up: bool, final: bool) -> None: ...
    def on_tick(self) -> None: ...


class Backoff:
    """How long to stay away: 1, 2, 4... s up to the cap and at most 10 % more; none after what was put right."""

    def __init__(self, cap_s: float, random: random_module.Random) -> None:
        self._cap_s = cap_s
        self._random = random
        self.failures = 0

    def __call__(self, error: Exception) -> bool | float:
        """stamina's hook: seconds to wait, or False when waiting does not help."""
        if not isinstance(error, LinkLost | VenueUnreachable):
            return False
        if isinstance(error, LinkLost) and error.soon and self.failures < 2:
            self.failures += 1
            return 0.05
        wait_s = min(2.0**self.failures, self._cap_s)
        self.failures = min(self.failures + 1, 16)
        return wait_s * (1.0 + 0.1 * self._random.random())


class Link:
    """See the module's docstring."""

    def __init__(
        self,
        config: ConnectionConfig,
        fix: FixLogin,
        credentials: Credentials,
        dialect: Dialect,
        settings: AdapterSettings,
        clock: Clock,
        random: random_module.Random,
        saving: Saving,
        told: Told,
    ) -> None:
        self.session: Session | None = None
        self.state = "down"
        self.reason = ""
        self.reconnects = 0
        self.last_message_ns = -1
        self._config = config
        self._fix = fix
        self._credentials = credentials
        self._dialect = dialect
        self._clock = clock
        self._saving = saving
        self._told = told
        self._backoff = Backoff(settings.reconnect_cap_s, random)
        self._writer: asyncio.StreamWriter | None = None
        self._in_step = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_up = False
        self._was_ever_up = False
        self._reset_next = False
        self._leaving = False

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the login up until cancelled. Before it was ever up a failure is raised (LoginRefused,
        VenueUnreachable); later only a logon that a person must put right ends it, told as final."""
        try:
            async for attempt in stamina.retry_context(on=self._again, attempts=None, timeout=None):
                with attempt:
                    await self._live_once()
        except LoginRefused as refused:
            self.state, self.reason = "refused", str(refused)
            if not self._was_ever_up:
                raise
            self._told.on_down(str(refused), was_up=True, final=True)
        except LinkLost as lost:
            if self._leaving:
                return
            self.state, self.reason = "down", str(lost)
            raise VenueUnreachable(str(lost)) from None

    def _again(self, error: Exception) -> bool | float:
        if self._leaving:
            return False
        soon = isinstance(error, LinkLost) and error.soon and self._backoff.failures < 2
        return self._backoff(error) if self._was_ever_up or soon else False

    async def _live_once(self) -> None:
        """One connection from its opening to its loss, which is raised."""
        self.state = "connecting"
        was_up = False
        loop = asyncio.get_running_loop()
        up_s = loop.time()
        error: Exception = LinkLost("")
        writer: asyncio.StreamWriter | None = None
        try:
            self._in_step, self._ended = asyncio.Event(), asyncio.Event()
            session = self._session()
            await self._reserve()
            reader, writer = await self._open()
            self._writer, self.session = writer, session
            session.start()
            self._flush()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(reader, session))
                group.create_task(self._keep_time(session))
                group.create_task(self._saving.run())
                group.create_task(self._up())
        except BaseExceptionGroup as several:
            first = _first(several)
            if isinstance(first, LinkLost | LoginRefused):
                error = first
            elif isinstance(first, VenueError):
                error = LinkLost(str(first))  # the venue's truth could not be read: begin anew
            else:
                # A fault of ours must not leave the login dead: log it with its trace, then begin anew.
                log.error("fix link failed", connection=self._config.connection, exc_info=several)
                error = LinkLost("the desk could not process the session; it connects again")
        except VenueError as plain:
            error = plain
        finally:
            was_up = self._is_up
            self._is_up = False
            self.session = self._writer = None
            if writer is not None:
                writer.transport.abort()
        self.state, self.reason = "down", str(error)
        if was_up and loop.time() - up_s >= STEADY_S:
            self._backoff.failures = 0
        self.reconnects += was_up
        self._told.on_down(self.reason, was_up=was_up, final=False)
        raise error

    def _session(self) -> Session:
        """A session with the numbers as they stand, or from 1 when the clock, the dialect or trouble says so."""
        dialect, numbers, now_ns = self._dialect, self._saving.numbers, self._clock.now_ns()
        if numbers.started_ns < dialect.session_start_ns(now_ns):
            numbers.reset(now_ns)
        reset = dialect.numbers == "reset" or self._reset_next
        self._reset_next = False
        return Session(
            Identity(begin_string=self._fix.version, sender=self._fix.sender_comp_id, target=self._fix.target_comp_id),
            Rules(
                heartbeat_s=dialect.heartbeat_s,
                reset=reset or dialect.numbers == "restart",
                say_reset=reset,
                check_clocks=dialect.check_clocks,
                logon=dialect.logon_fields(self._credentials),
            ),
            numbers,
            self._clock,
        )

    async def _reserve(self) -> None:
        try:
            await self._saving.reserve()
        except JournalDown as down:
            raise LinkLost(f"the numbers of the session can't be kept: {down}") from None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context() if self._fix.tls else None
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                return await asyncio.open_connection(self._fix.host, self._fix.port, ssl=context, limit=1 << 20)
        except ssl.SSLError as error:
            raise LinkLost(
                f"{self._fix.host}:{self._fix.port} does not speak TLS as it should: {error.reason}"
            ) from None
        except (OSError, TimeoutError) as error:
            raise LinkLost(f"{self._fix.host}:{self._fix.port} can't be reached ({type(error).__name__})") from None

    async def _read(self, reader: asyncio.StreamReader, session: Session) -> None:
        while True:
            try:
                data = await reader.read(65_536)
            except OSError as error:
                data = b""
                session.lost(f"connection lost ({type(error).__name__})")
            if not data:
                session.lost("the venue closed the connection")
                self._after(session)
            for start in range(0, len(data), AT_ONCE):
                session.receive(data[start : start + AT_ONCE])
                self.last_message_ns = session.last_received_ns
                self._after(session)
                await asyncio.sleep(0)  # the other logins have their turn

    async def _keep_time(self, session: Session) -> None:
        while True:
            await asyncio.sleep(min(0.25, self._dialect.heartbeat_s / 20))
            session.tick()
            self._told.on_tick()
            self._after(session)

    async def _up(self) -> None:
        """Wait until the session is in step, then have the truth read."""
        await self._in_step.wait()
        self.state = "syncing"
        await self._told.synchronise()
        self.state, self.reason = "up", ""
        self._is_up = self._was_ever_up = True

    def _after(self, session: Session) -> None:
        """Write what the session wants written, tell its facts, raise when it is over."""
        self._flush()
        for fact in session.take_facts():
            if isinstance(fact, InStep):
                self._in_step.set()
            self._told.on_fact(fact)
        self._saving.touched()
        if session.closed is not None:
            self._ended.set()
            raise self._loss(session.closed)

    def _loss(self, closed: Closed) -> VenueError:
        """What the end of a session means for the next one."""
        numbers = self._saving.numbers
        if closed.wanted > numbers.out:
            # Our numbers are behind: those of a process that wrote nothing down. The gap is filled when asked for.
            numbers.out = closed.wanted
            return LinkLost(closed.reason, soon=True)
        if closed.too_low and self._dialect.reset_after_trouble:
            self._reset_next = True
            return LinkLost(closed.reason, soon=True)
        if closed.refused and not any(word in closed.reason.lower() for word in _LATER):
            return LoginRefused(
                f"{self._fix.host}:{self._fix.port} refused the logon of {self._fix.sender_comp_id}: {closed.reason}"
            )
        return LinkLost(closed.reason)

    # --- sending ---------------------------------------------------------------------------------------------------

    def refusal(self) -> str:
        """Why nothing can be sent now; empty when it can."""
        session, writer = self.session, self._writer
        if session is None or writer is None or not session.up or session.closed is not None:
            return f"no session with the venue: {self.reason or 'not connected'}"
        if writer.transport.is_closing():
            return "the connection to the venue is closing"
        if writer.transport.get_write_buffer_size() > UNREAD_AT_MOST:
            return "the venue does not read what it is sent"
        return ""

    def put(self, msg_type: str, fields: Sequence[tuple[int, str]], *, keep: bool = False) -> int:
        """Number a message and put it in line for `flush`. Raises NotUp."""
        reason = self.refusal()
        if reason or self.session is None:
            raise NotUp(reason)
        return self.session.send(msg_type, fields, keep=keep)

    def flush(self) -> None:
        """Hand everything that was put in line to the socket, in one write."""
        self._flush()
        self._saving.touched()

    def _flush(self) -> None:
        if self.session is not None and self._writer is not None:
            data = self.session.take_bytes()
            if data:
                self._writer.write(data)

    async def leave(self) -> None:
        """Log out, wait for the answer for up to 2 s, and do not connect again."""
        self._leaving = True
        session = self.session
        if session is None or not session.up:
            return
        session.log_out()
        self._flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(LOGOUT_WITHIN_S):
                await self._ended.wait()


def _first(group: BaseException) -> BaseException:
    """The first exception of a group that says what happened."""
    while isinstance(group, BaseExceptionGroup):
        several = cast(BaseExceptionGroup[BaseException], group).exceptions
        group = next((each for each in several if not isinstance(each, asyncio.CancelledError)), several[0])
    return group
