"""The Tradovate door as the sandbox runs it: its addresses, its open sockets, and the faults that act on them.

Built by `server.py`; the protocol itself is in `tradovate_door.py` and the modules it joins.
"""

import asyncio
from typing import Any

from aiohttp import web

from brokers.sandbox.doors import House, User, listen
from brokers.sandbox.orders import VenueEvent
from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_call import encode
from brokers.sandbox.tradovate_door import Door
from brokers.sandbox.tradovate_rest import TradovateRest
from brokers.sandbox.tradovate_socket import Socket


class TradovateFront:
    """See the module's docstring; the methods are `doors.VenueDoor`'s."""

    def __init__(self, house: House, settings: DoorSettings) -> None:
        self._house = house
        self._door = Door(house, settings)
        self._sockets: set[Socket] = set()
        self._runner: web.AppRunner | None = None
        self._door.auth.session_ended = self._end_session

    def add_user(self, user: User) -> None:
        self._door.add_user(user)
        for account_id in user.account_ids:
            self._door.records.add_account(self._house.venue.accounts[account_id])

    def on_event(self, event: VenueEvent) -> None:
        self._door.records.on_event(event)
        self._door.strategies.on_event(event)

    async def open(self, port: int, tasks: asyncio.TaskGroup) -> dict[str, Any]:
        application = TradovateRest(self._door, self._sockets, tasks).application()
        self._runner, taken = await listen(application, port)
        return {
            "rest": f"http://127.0.0.1:{taken}/v1",
            "ws": f"ws://127.0.0.1:{taken}/v1/websocket",
            "md": f"ws://127.0.0.1:{taken}/v1/md/websocket",
        }

    async def close(self) -> None:
        for socket in list(self._sockets):
            socket.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    def quote(self) -> None:
        self._door.market_data.pump()

    # --- faults ------------------------------------------------------------------------------------------------------

    def disconnect(self, login: str) -> int:
        sockets = self._sockets_of(login)
        for socket in sockets:
            socket.abort()
        return len(sockets)

    def expire(self, login: str) -> int:
        return self._door.auth.expire(login)

    def replay(self, login: str) -> int:
        return self._door.stream.replay_session(login)

    def shutdown(self, login: str, code: str, text: str) -> int:
        event = encode({"e": "shutdown", "d": {"reasonCode": code, "reason": text}})
        sockets = self._sockets_of(login)
        for socket in sockets:
            socket.send_messages([event])
        return len(sockets)

    def go_away(self, login: str) -> int:
        sockets = self._sockets_of(login)
        for socket in sockets:
            socket.go_away()
        return len(sockets)

    def babble(self, login: str, count: int, *, garbled: bool) -> int:
        sockets = self._sockets_of(login)
        for socket in sockets:
            self._door.stream.babble(socket, count, garbled=garbled)
        return count * len(sockets)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _sockets_of(self, login: str) -> list[Socket]:
        return [socket for socket in self._sockets if login in ("", socket.login)]

    def _end_session(self, session: object) -> None:
        """A user's third login: the oldest session's sockets close without a word."""
        for socket in list(self._sockets):
            if socket.session is session:
                socket.go_away(frame=False)
