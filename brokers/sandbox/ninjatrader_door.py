"""The NinjaTrader door as the sandbox runs it: one NinjaTrader for each login, each on a port of its own
(`protocols/ninjatrader.md B1, B6`). Built by `server.py`.

There is no login on the wire: who reaches the port may trade. What the faults mean here: a value that is dropped or
hidden is in the cache all the same, and a new connection is told it; a lost request is a command that nobody carried
out; `go_away` switches the AT interface off for 2 s; nothing expires and nothing is throttled (B1, B5); `empty` makes
new connections be told nothing but that the interface is on.
"""

import asyncio
import itertools
from functools import partial
from pathlib import Path
from typing import Any

from brokers.sandbox.doors import House, User, sit_out
from brokers.sandbox.ninjatrader_desktop import Desktop, Said
from brokers.sandbox.ninjatrader_files import Exchange
from brokers.sandbox.ninjatrader_wire import COMMAND, CONFIRM, SUBSCRIBE, Names, Texts, text_of, value
from brokers.sandbox.orders import VenueEvent, account_of
from brokers.sandbox.settings import NinjaTraderSettings

_OFF_S = 2.0
_ASK, _BID, _LAST = 0, 1, 2


class NinjaTraderDoor:
    """See the module's docstring; the methods are `doors.VenueDoor`'s."""

    def __init__(self, house: House, settings: NinjaTraderSettings) -> None:
        self.house = house
        self.settings = settings
        self._names = Names(house.venue.catalogue, month_words=settings.month_words)
        self._desktops: dict[str, Desktop] = {}
        self._owner: dict[int, Desktop] = {}
        self._files: dict[str, Exchange] = {}
        self._waiting: dict[str, list[Said]] = {}
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._cents = itertools.count()

    def add_user(self, user: User) -> None:
        desktop = Desktop(self.house, user, self.settings, self._names, lambda said: self._say(user.name, said))
        self._desktops[user.name] = desktop
        self._owner |= dict.fromkeys(user.account_ids, desktop)
        self._waiting.pop(user.name, None)  # what is so from the beginning is told to whoever comes

    def on_event(self, event: VenueEvent) -> None:
        self._owner[account_of(event)].on_event(event)

    async def open(self, port: int, tasks: asyncio.TaskGroup) -> dict[str, Any]:
        ports: dict[str, int] = {}
        folders: dict[str, str] = {}
        for login, desktop in self._desktops.items():

            def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, login: str = login) -> None:
                tasks.create_task(Connection(self, login, reader, writer).serve())

            server = await asyncio.start_server(connected, "127.0.0.1", port)
            self._servers.append(server)
            ports[login] = server.sockets[0].getsockname()[1]
            if self.settings.folder:
                folder = Path(self.settings.folder) / login
                take = partial(self.command, login)
                files = Exchange(folder, desktop, take, once=self.settings.ignore_duplicate_files)
                self._files[login] = files
                folders[login] = str(folder)
                tasks.create_task(files.watch())
        return {"host": "127.0.0.1", "ports": ports, "folders": folders}

    async def close(self) -> None:
        for connection in list(self._connections):
            connection.abort()
        for server in self._servers:
            server.close()

    def quote(self) -> None:
        for connection in self._connections:
            connection.quote()

    # --- faults ------------------------------------------------------------------------------------------------------

    def disconnect(self, login: str) -> int:
        chosen = self._of(login)
        for connection in chosen:
            connection.abort()
        return len(chosen)

    def expire(self, login: str) -> int:
        return 0  # there is no login, and nothing of it that ends

    def replay(self, login: str) -> int:
        """Every value once more, as it stands."""
        count = 0
        for connection in self._of(login):
            for key, text in list(self._desktops[connection.login].cache.items()):
                connection.write(value(key, text))
                count += 1
        return count

    def shutdown(self, login: str, code: str, text: str) -> int:
        return self.disconnect(login)

    def go_away(self, login: str) -> int:
        chosen = [each for name, each in self._desktops.items() if login in ("", name)]
        for desktop in chosen:
            self._switch(desktop, on=False)
            self.house.later(_OFF_S, lambda desktop=desktop: self._switch(desktop, on=True))
        return len(chosen)

    def _switch(self, desktop: Desktop, *, on: bool) -> None:
        desktop.interface_on = on
        for connection in self._of(desktop.user.name):
            connection.write(value("ATI", str(on)))

    def babble(self, login: str, count: int, *, garbled: bool) -> int:
        """The cash of an account, a cent more or less each time, or texts that begin no message."""
        chosen = self._of(login)
        for connection in chosen:
            cash = [key for key in self._desktops[connection.login].cache if key.startswith("CashValue|")]
            for number in range(count):
                cents = f"{next(self._cents) % 100:02d}"
                connection.write(b"7\0?\0" if garbled else value(cash[number % len(cash)], f"250000.{cents}"))
        return count * len(chosen)

    # --- values out, commands in -------------------------------------------------------------------------------------

    def _say(self, login: str, said: Said) -> None:
        """Values of one moment leave together; until then they may be shuffled, told twice or lost."""
        waiting = self._waiting.setdefault(login, [])
        waiting.append(said)
        if len(waiting) == 1 and self._servers:
            asyncio.get_running_loop().call_soon(self._flush, login)

    def _flush(self, login: str) -> None:
        told = self._waiting.pop(login, [])
        if files := self._files.get(login):
            for said in told:
                files.told(said)
        for said in self.house.faults.disturb(login, told):
            for connection in self._of(login):
                connection.write(value(said.key, said.value))

    def command(self, login: str, text: str) -> None:
        """A command, after the login's latency."""
        desktop = self._desktops[login]
        delay_s = self.house.faults.delay_s(login)
        if delay_s:
            self.house.later(delay_s, lambda: desktop.carry_out(text))
        else:
            desktop.carry_out(text)

    def desktop(self, login: str) -> Desktop:
        return self._desktops[login]

    def opened(self, connection: "Connection") -> None:
        self._connections.add(connection)

    def closed(self, connection: "Connection") -> None:
        self._connections.discard(connection)

    def _of(self, login: str) -> "list[Connection]":
        return [each for each in self._connections if login in ("", each.login)]


class Connection:
    """One client's socket."""

    def __init__(
        self, door: NinjaTraderDoor, login: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.login = login
        self._door = door
        self._reader = reader
        self._writer = writer
        self._texts = Texts()
        self._watched: dict[str, dict[int, str]] = {}  # instrument as the client calls it -> what it was told

    def write(self, data: bytes) -> None:
        faults = self._door.house.faults
        if self._writer.is_closing() or faults.left_s(faults.silent_until_ns, self.login):
            return
        if faults.frame_cuts(self.login):
            self.abort()
            return
        self._writer.write(data)

    def abort(self) -> None:
        self._door.closed(self)
        self._writer.transport.abort()

    async def serve(self) -> None:
        """Tell everything, then read until the end. Raises nothing a client can cause."""
        faults = self._door.house.faults
        if faults.left_s(faults.refuse_until_ns, self.login):
            self._writer.transport.abort()
            return
        self._greet()
        self._door.opened(self)
        try:
            while data := await self._reader.read(65_536):
                await sit_out(faults, faults.hanging_until_ns, self.login)
                if self._writer.is_closing():
                    return  # what lay unread when the line broke was never read
                for texts in self._texts.feed(data):
                    self._take(texts)
        except OSError:
            pass
        finally:
            self._door.closed(self)
            self._writer.close()

    def _greet(self) -> None:
        desktop, faults = self._door.desktop(self.login), self._door.house.faults
        self.write(value("ATI", str(desktop.interface_on)))
        if not desktop.interface_on or not self._door.settings.tells_everything:
            return
        if not faults.left_s(faults.empty_until_ns, self.login):
            for key, text in desktop.cache.items():
                self.write(value(key, text))

    def _take(self, texts: list[str]) -> None:
        desktop = self._door.desktop(self.login)
        kind, *fields = texts
        if not desktop.interface_on:
            return
        if kind == COMMAND:
            self._door.command(self.login, fields[0])
        elif kind == CONFIRM:
            desktop.confirm_orders = fields[0] == "1"
        elif kind == SUBSCRIBE:
            if fields[1] == "1":
                self._watched.setdefault(fields[0], {})
            else:
                self._watched.pop(fields[0], None)

    def quote(self) -> None:
        """What has changed of the prices that were asked for."""
        venue, names = self._door.house.venue, self._door.desktop(self.login).names
        for name, told in self._watched.items():
            contract = names.contract(name)
            if contract is None or contract.contract_id not in venue.books:
                continue  # a name that is not there is told nothing
            book = venue.books[contract.contract_id]
            prices = {
                _ASK: book.best_market(-1),
                _BID: book.best_market(1),
                _LAST: venue.last.get(contract.contract_id),
            }
            for which, ticks in prices.items():
                if ticks is not None and told.get(which) != (text := text_of(contract.price(ticks))):
                    told[which] = text
                    self.write(value(f"MarketData|{name}|{which}", text))
