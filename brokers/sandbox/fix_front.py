"""The FIX door as the sandbox runs it: one address, one session for each login, and the faults that act on them.

Built by `server.py`. A login's SenderCompID is its user name; its password comes in 554 of the Logon. Both versions are
spoken, each with numbers of its own. A 4.2 Logon that carries a licence (91) is of the T4 dialect (C1): 49 names the
application, 553 the login, and the numbers begin at 1.
"""

import asyncio
from typing import Any

from brokers.sandbox.doors import House, User, sit_out
from brokers.sandbox.fix_orders import Desk
from brokers.sandbox.fix_session import Acceptor, Memory
from brokers.sandbox.fix_wire import Frame, build, cut, timestamp
from brokers.sandbox.orders import ExecutionReported, VenueEvent, account_of
from brokers.sandbox.settings import FixSettings

VERSIONS = ("FIX.4.2", "FIX.4.4")
_LOGON_WITHIN_S = 10.0


class FixFront:
    """See the module's docstring; the methods are `doors.VenueDoor`'s."""

    def __init__(self, house: House, settings: FixSettings) -> None:
        self._house = house
        self._settings = settings
        self._users: dict[str, User] = {}
        self._owner: dict[int, str] = {}
        self._desks: dict[str, Desk] = {}
        self._memories: dict[tuple[str, str], Memory] = {}
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    def add_user(self, user: User) -> None:
        self._users[user.name] = user
        self._owner |= dict.fromkeys(user.account_ids, user.name)
        # Until the first logon says a version, what happens is told in 4.4's words.
        session = self._session(user.name, "FIX.4.4")
        self._desks[user.name] = Desk(self._house, user, self._settings, session)

    def on_event(self, event: VenueEvent) -> None:
        if isinstance(event, ExecutionReported):
            self._desks[self._owner[account_of(event)]].on_report(event)

    async def open(self, port: int, tasks: asyncio.TaskGroup) -> dict[str, Any]:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.create_task(Connection(self, reader, writer).serve(tasks))

        self._server = await asyncio.start_server(connected, "127.0.0.1", port)
        taken = self._server.sockets[0].getsockname()[1]
        return {"host": "127.0.0.1", "port": taken, "target_comp_id": self._settings.target_comp_id}

    async def close(self) -> None:
        for connection in list(self._connections):
            connection.abort()
        if self._server is not None:
            self._server.close()

    def quote(self) -> None:
        """No market data at this door."""

    # --- faults ------------------------------------------------------------------------------------------------------

    def disconnect(self, login: str) -> int:
        chosen = self._of(login)
        for connection in chosen:
            connection.abort()
        return len(chosen)

    def expire(self, login: str) -> int:
        return 0

    def replay(self, login: str) -> int:
        """Everything that was said is said again, as a resend does."""
        count = 0
        for connection in self._of(login):
            if connection.session is not None:
                for seq in list(connection.session.memory.sent):
                    connection.session.again(seq)
                    count += 1
        return count

    def shutdown(self, login: str, code: str, text: str) -> int:
        chosen = self._of(login)
        for connection in chosen:
            if connection.session is not None:
                connection.session.log_out(f"{code}: {text}")
        return len(chosen)

    def go_away(self, login: str) -> int:
        return self.disconnect(login)

    def babble(self, login: str, count: int, *, garbled: bool) -> int:
        """The newest order's status once more (before the first order: heartbeats), or a wrong checksum."""
        chosen = [each for each in self._of(login) if each.session is not None and each.session.up]
        for connection in chosen:
            for _ in range(count):
                if garbled:
                    connection.write(build("FIX.4.4", "8", [(34, "?"), (37, "?")])[:-4] + b"999\x01")
                else:
                    self._desks[connection.login].say_again()
        return count * len(chosen)

    @property
    def rejected(self) -> dict[str, int]:
        """How many messages of this door each login's client refused as no proper FIX."""
        counts: dict[str, int] = {}
        for (login, _), memory in self._memories.items():
            counts[login] = counts.get(login, 0) + memory.rejected
        return counts

    # --- connections -------------------------------------------------------------------------------------------------

    @property
    def house(self) -> House:
        return self._house

    def opened(self, connection: "Connection") -> None:
        self._connections.add(connection)

    def closed(self, connection: "Connection") -> None:
        self._connections.discard(connection)

    def admit(self, frame: Frame, connection: "Connection") -> Acceptor | str | None:
        """The session of a Logon; a text to refuse it with, or None to hang up without a word."""
        t4 = frame[8] == "FIX.4.2" and 91 in frame
        user = self._users.get(frame[553 if t4 else 49])
        if frame.kind != "A" or frame[8] not in VERSIONS or user is None:
            return None
        if frame[56] != self._settings.target_comp_id:
            return None
        for other in [each for each in self._connections if each.session is not None and each.login == user.name]:
            if other.session is not None and not other.session.leaving_ns:
                return None  # a second one is sent away, the first stays
            other.abort()
        if self._house.faults.left_s(self._house.faults.refuse_until_ns, user.name):
            return None
        if frame[554] != user.password:
            return "Invalid username or password"
        session = self._session(user.name, frame[8], connection, name=frame[49], t4=t4)
        self._desks[user.name].session = session
        connection.login = user.name
        return session

    def refusal(self, frame: Frame, text: str) -> bytes:
        fields = [(34, "1"), (49, frame[56]), (52, timestamp(self._house.clock.now_ns())), (56, frame[49]), (58, text)]
        return build(frame[8], "5", fields)

    def business(self, login: str, frame: Frame) -> None:
        """An application message: after the login's latency, and perhaps with the line cut behind it."""
        delay_s = self._house.faults.delay_s(login)
        if delay_s:
            self._house.later(delay_s, lambda: self._carry_out(login, frame))
        else:
            self._carry_out(login, frame)

    def _carry_out(self, login: str, frame: Frame) -> None:
        desk = self._desks[login]
        account = desk.account_of(frame)
        faults = self._house.faults
        self._house.count(login, frame.kind)
        if frame.kind in "DGF" and faults.lost_requests.take(account):
            return
        if frame.kind in "DGF" and (faults.hidden_answers.take(account) or faults.broken_answers.take(account)):
            for connection in self._of(login):
                connection.abort()  # carried out all the same; what is said of it waits for a resend
        desk.take(frame)

    def _session(
        self, login: str, version: str, connection: "Connection | None" = None, *, name: str = "", t4: bool = False
    ) -> Acceptor:
        memory = self._memories.setdefault((login, version), Memory())
        return Acceptor(
            version,
            self._settings.target_comp_id,
            name or login,
            memory,
            self._settings,
            self._house.clock,
            connection.write if connection is not None else lambda _: None,
            connection.hang_up if connection is not None else lambda: None,
            lambda frame: self.business(login, frame),
            t4=t4,
        )

    def _of(self, login: str) -> "list[Connection]":
        return [each for each in self._connections if login in ("", each.login)]


class Connection:
    """One client's socket."""

    def __init__(self, front: FixFront, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.session: Acceptor | None = None
        self.login = "?"
        self._front = front
        self._reader = reader
        self._writer = writer

    def write(self, data: bytes) -> None:
        faults = self._front.house.faults
        if self._writer.is_closing() or faults.left_s(faults.silent_until_ns, self.login):
            return
        if faults.frame_cuts(self.login):
            self.abort()
            return
        self._writer.write(data)

    def hang_up(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        if self.session is not None:
            self.session.up, self.session.over = False, True
        self._writer.transport.abort()

    async def serve(self, tasks: asyncio.TaskGroup) -> None:
        """Read until the end. Raises nothing a client can cause."""
        self._front.opened(self)
        faults = self._front.house.faults
        ticking = tasks.create_task(self._keep_time())
        buffer = b""
        try:
            while data := await self._reader.read(65_536):
                await sit_out(faults, faults.hanging_until_ns, self.login)
                if self._writer.is_closing():
                    return  # what lay unread when the line broke was never read
                frames, buffer = cut(buffer + data)
                for frame in frames:
                    if not self._take(frame):
                        return
        except OSError:
            pass
        finally:
            ticking.cancel()
            self._front.closed(self)
            if self.session is not None:
                self.session.up, self.session.over = False, True
            self._writer.close()

    def _take(self, frame: Frame) -> bool:
        """False when the connection is to be closed."""
        if self.session is not None:
            self.session.take(frame)
            return not self.session.over
        session = self._front.admit(frame, self)
        if isinstance(session, Acceptor):
            self.session = session
            session.first(frame)
            return not session.over
        if session is not None:
            self._writer.write(self._front.refusal(frame, session))
        return False

    async def _keep_time(self) -> None:
        started = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(0.1)
            if self.session is not None:
                self.session.tick()
            elif asyncio.get_running_loop().time() - started > _LOGON_WITHIN_S:
                self._writer.close()
