"""The ProjectX door as the sandbox runs it: its addresses, its open hubs, and the faults that act on them.

Built by `server.py`. The protocol is in `projectx_rest.py` and `projectx_hub.py` and what they join, written from
`protocols/projectx.md` alone. What the page leaves open is a switch of `settings.ProjectXSettings`.
"""

import asyncio
from typing import Any

from aiohttp import web

from brokers.sandbox.doors import House, User, listen
from brokers.sandbox.orders import VenueEvent
from brokers.sandbox.projectx_auth import Auth, Session
from brokers.sandbox.projectx_hub import Hub
from brokers.sandbox.projectx_market_data import MarketData
from brokers.sandbox.projectx_rest import ProjectXRest
from brokers.sandbox.projectx_stream import Stream
from brokers.sandbox.settings import ProjectXSettings


class ProjectXDoor:
    """See the module's docstring; the methods are `doors.VenueDoor`'s."""

    def __init__(self, house: House, settings: ProjectXSettings) -> None:
        self._auth = Auth(settings, house.clock, house.random("projectx tokens"))
        self._stream = Stream(house, settings)
        self._hubs: set[Hub] = set()
        self._rest = ProjectXRest(house, settings, self._auth, self._stream, self._hubs)
        self._market_data = MarketData(house, self._rest.reads.contracts, settings)
        self._runner: web.AppRunner | None = None
        self._auth.superseded = self._on_superseded

    def add_user(self, user: User) -> None:
        self._auth.users[user.name] = user

    def on_event(self, event: VenueEvent) -> None:
        self._stream.on_event(event)

    async def open(self, port: int, tasks: asyncio.TaskGroup) -> dict[str, Any]:
        self._runner, taken = await listen(self._rest.application(), port)
        base = f"http://127.0.0.1:{taken}"
        return {"rest": base, "user_hub": f"{base}/hubs/user", "market_hub": f"{base}/hubs/market"}

    async def close(self) -> None:
        for hub in list(self._hubs):
            hub.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    def quote(self) -> None:
        self._market_data.pump([hub for hub in self._hubs if hub.market and hub.subscribed])

    # --- faults ------------------------------------------------------------------------------------------------------

    def disconnect(self, login: str) -> int:
        hubs = self._hubs_of(login)
        for hub in hubs:
            hub.abort()
        return len(hubs)

    def expire(self, login: str) -> int:
        return self._auth.expire(login)

    def replay(self, login: str) -> int:
        return self._stream.replay(login)

    def shutdown(self, login: str, code: str, text: str) -> int:
        """A close message of the hubs' protocol."""
        hubs = self._hubs_of(login)
        for hub in hubs:
            hub.go_away(f"{code}: {text}")
        return len(hubs)

    def go_away(self, login: str) -> int:
        """GatewayLogout."""
        hubs = self._hubs_of(login)
        for hub in hubs:
            hub.log_out()
        return len(hubs)

    def babble(self, login: str, count: int, *, garbled: bool) -> int:
        hubs = [hub for hub in self._hubs_of(login) if not hub.market]
        for hub in hubs:
            self._stream.babble(hub, count, garbled=garbled)
        return count * len(hubs)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _hubs_of(self, login: str) -> list[Hub]:
        return [hub for hub in self._hubs if login in ("", hub.login)]

    def _on_superseded(self, sessions: list[Session]) -> None:
        for hub in self._hubs:
            if hub.session in sessions:
                hub.log_out()
