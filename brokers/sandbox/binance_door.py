"""The Binance door as the sandbox runs it: public market data over its own markets, for anyone who connects.

Built by `server.py` when it is asked for (``--feed binance``). Written from `docs/binance.md` alone; what the page
leaves open is a switch of `settings.BinanceSettings`. It has no logins: faults of the control socket name it
``binance``. Its symbols are the front contracts' roots in USDT: ``ESUSDT``, ``MESUSDT``.
"""

import asyncio
from typing import Any

from aiohttp import web

from brokers.sandbox.binance_limits import Limits
from brokers.sandbox.binance_rest import LOGIN, BinanceRest
from brokers.sandbox.binance_socket import BinanceSocket
from brokers.sandbox.binance_streams import Streams
from brokers.sandbox.binance_tape import SymbolMarket
from brokers.sandbox.doors import House, User, listen
from brokers.sandbox.orders import VenueEvent
from brokers.sandbox.settings import BinanceSettings


class BinanceDoor:
    """See the module's docstring; the methods are `doors.VenueDoor`'s. `sockets` are open, `served` ever were."""

    def __init__(self, house: House, settings: BinanceSettings) -> None:
        self.sockets: set[BinanceSocket] = set()
        self.served = 0
        self.most_in_a_second = 0
        self.limits = Limits(settings, house.clock)
        self.markets: dict[str, SymbolMarket] = {}
        self._house = house
        self._settings = settings
        self._runner: web.AppRunner | None = None
        for contract in house.venue.catalogue.fronts:
            chart, book = house.charts[contract.contract_id], house.venue.books[contract.contract_id]
            # Numbers of the book grow from run to run.
            first = house.clock.now_ns() // 1_000_000
            market = SymbolMarket(contract, chart, book, first, settings.trades_kept)
            self.markets[market.symbol] = market
        self.streams = Streams(house, settings, self.markets)

    def add_user(self, user: User) -> None:
        raise ValueError(f"login {user.name!r}: binance has no logins here; its door is opened by --feed binance.")

    def on_event(self, event: VenueEvent) -> None:
        """No account is here."""

    async def open(self, port: int, tasks: asyncio.TaskGroup) -> dict[str, Any]:
        house, settings = self._house, self._settings
        self.streams.begin()
        rest = BinanceRest(house, settings, self.limits, self.markets)
        application = web.Application()
        application.router.add_route("*", "/api/v3/{endpoint:[A-Za-z]+}", rest.serve)
        for path in ("/ws", "/ws/{stream:.+}", "/stream", "/stream/"):
            application.router.add_get(path, self._serve_socket)
        self._runner, taken = await listen(application, port)
        tasks.create_task(self._pump())
        at = f"127.0.0.1:{taken}"
        return {"rest": f"http://{at}", "ws": f"ws://{at}", "symbols": list(self.markets)}

    async def close(self) -> None:
        for socket in list(self.sockets):
            socket.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    def quote(self) -> None:
        """Its own pump is faster."""

    async def _pump(self) -> None:
        while True:
            await asyncio.sleep(self._settings.pump_s)
            self.streams.pump(self.sockets)

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        settings, faults = self._settings, self._house.faults
        if not self.limits.attempt(request.remote or ""):
            return web.Response(status=429)
        if faults.left_s(faults.refuse_until_ns, LOGIN):
            return web.Response(status=503)
        raw = request.path.startswith("/ws")
        named = [request.match_info["stream"]] if "stream" in request.match_info else []
        if not raw:
            named = [name for name in request.query.get("streams", "").split("/") if name]
        if not named and not settings.bare_connect:
            return web.Response(status=400)
        ws = web.WebSocketResponse(autoping=False, compress=False, timeout=0.2)
        await ws.prepare(request)
        socket = BinanceSocket(ws, request, self._house, settings)
        socket.combined = not raw
        socket.streams = dict.fromkeys(named)
        self.sockets.add(socket)
        self.served += 1
        self._house.count(LOGIN, "connection")
        try:
            if len(named) > settings.streams:
                socket.abort()
            else:
                await socket.serve()
        finally:
            self.sockets.discard(socket)
            self.most_in_a_second = max(self.most_in_a_second, socket.most_in_a_second)
        return ws

    # --- faults ------------------------------------------------------------------------------------------------------

    def disconnect(self, login: str) -> int:
        sockets = self._sockets_of(login)
        for socket in sockets:
            socket.abort()
        return len(sockets)

    def expire(self, login: str) -> int:
        return 0

    def replay(self, login: str) -> int:
        return 0

    def shutdown(self, login: str, code: str, text: str) -> int:
        """serverShutdown; the connections stay until something else ends them."""
        sockets = self._sockets_of(login)
        for socket in sockets:
            self.streams.shutdown(socket)
        return len(sockets)

    def go_away(self, login: str) -> int:
        """A close frame."""
        sockets = self._sockets_of(login)
        for socket in sockets:
            socket.close("Going away")
        return len(sockets)

    def babble(self, login: str, count: int, *, garbled: bool) -> int:
        """An answer to no request, or half of an event."""
        sockets = self._sockets_of(login)
        frame = b'{"stream":"esusdt@trade","data":{"e":' if garbled else b'{"result":null,"id":null}'
        for socket in sockets:
            for _ in range(count):
                socket.send(frame)
        return count * len(sockets)

    def _sockets_of(self, login: str) -> list[BinanceSocket]:
        return list(self.sockets) if login in ("", LOGIN) else []
