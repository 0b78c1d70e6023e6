"""The HTTP side of the ProjectX door: REST requests, negotiation, and the hubs' WebSockets (`protocols/projectx.md 2`).

Made by `projectx_door.py`. Paths in any case; everything is POST with JSON but ``GET /api/Status/ping``.
"""

import asyncio
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from brokers.sandbox.doors import House, Received, sit_out
from brokers.sandbox.projectx_auth import Auth, Session
from brokers.sandbox.projectx_call import Answer, Call, Denied, Handler, Malformed, denied, done, encode
from brokers.sandbox.projectx_hub import Hub
from brokers.sandbox.projectx_limits import Limits
from brokers.sandbox.projectx_orders import Trading
from brokers.sandbox.projectx_reads import Reads
from brokers.sandbox.projectx_stream import Stream
from brokers.sandbox.settings import ProjectXSettings

_HUBS = ("hubs/user", "hubs/market")
_PUBLIC = ("auth/loginkey", "auth/loginapp")


class ProjectXRest:
    """See the module's docstring. Open hubs are kept in `hubs`."""

    def __init__(
        self,
        house: House,
        settings: ProjectXSettings,
        auth: Auth,
        stream: Stream,
        hubs: set[Hub],
    ) -> None:
        self._house = house
        self._settings = settings
        self._auth = auth
        self._stream = stream
        self._hubs = hubs
        self._limits = Limits(settings, house.clock)
        self._random = house.random("projectx connections")
        self._negotiated: dict[str, tuple[Session, str]] = {}
        self.reads = Reads(house, stream)
        self._trading = Trading(house, self.reads, settings)
        self._routes: dict[str, Handler] = {
            "auth/loginkey": self._log_in,
            "auth/loginapp": self._log_in_app,
            "auth/validate": self._validate,
            "auth/logout": self._log_out,
            **self.reads.routes(),
            **self._trading.routes(),
        }

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path.strip("/").lower()
        if path in _HUBS:
            return await self._serve_hub(request, market=path.endswith("market"))
        if path.removesuffix("/negotiate") in _HUBS:
            return self._negotiate(request)
        endpoint = path.removeprefix("api/")
        if endpoint == "status/ping" and request.method == "GET":
            return web.Response(text="pong")
        if endpoint not in self._routes:
            return web.Response(status=404)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        return await self._serve_call(request, endpoint)

    # --- REST --------------------------------------------------------------------------------------------------------

    async def _serve_call(self, request: web.Request, endpoint: str) -> web.StreamResponse:
        arrived_ns, faults = self._house.clock.now_ns(), self._house.faults
        token = _bearer(request)
        session = self._auth.session(token)
        if session is None and endpoint not in _PUBLIC:
            return web.Response(status=401)
        try:
            call = Call(
                endpoint=endpoint,
                arguments=_arguments(await request.read()),
                arrived_ns=arrived_ns,
                token=token,
                session=session,
            )
        except Malformed as error:
            return _problem(error)
        received = self._trading.receive(call)
        self._house.count(call.login, endpoint)
        if faults.throttles.take(call.login) or (call.session and self._limits.over(call.login, endpoint)):
            if received is not None:
                received.outcome = "refused 429"
            return web.Response(status=429)
        await sit_out(faults, faults.hanging_until_ns, call.login)
        if delay_s := faults.delay_s(call.login):
            await asyncio.sleep(delay_s)
        try:
            # The answer is written in this same turn of the loop, its events leave in the next.
            answer = self._perform(call, received)
        except Malformed as error:
            return _problem(error)
        if faults.events_of(call.login).before_answer:
            self._stream.flush()
            await asyncio.sleep(0)
        if answer.undelivered and request.transport is not None:
            request.transport.abort()
        if answer.data is None:
            return web.Response(status=answer.status)
        return web.Response(status=answer.status, body=encode(answer.data), content_type="application/json")

    def _perform(self, call: Call, received: Received | None) -> Answer:
        """Carry a call out. Raises Malformed."""
        if received is not None and self._house.faults.lost_requests.take(received.account_id):
            received.outcome = "lost"
            return Answer(undelivered=True)
        try:
            data = self._routes[call.endpoint](call)
        except Denied as refusal:
            data = denied(refusal)
        except Malformed:
            if received is not None:
                received.outcome = "refused 400"
            raise
        if received is None:
            return Answer(data=data)
        received.outcome = "taken" if data["success"] else f"error {data['errorCode']}: {data['errorMessage']}"
        received.order_id = data.get("orderId")
        if self._house.faults.hidden_answers.take(received.account_id):
            return Answer(undelivered=True)
        if status := self._house.faults.broken_answers.take(received.account_id):
            return Answer(status=status)
        return Answer(data=data)

    # --- tokens ------------------------------------------------------------------------------------------------------

    def _log_in(self, call: Call) -> dict[str, Any]:
        name, key = call.arguments.get("userName"), call.arguments.get("apiKey")
        granted = self._auth.log_in(name, key) if isinstance(name, str) and isinstance(key, str) else None
        if granted is None:
            raise Denied(3, None, {"token": None})
        return done(token=granted[1])

    def _log_in_app(self, call: Call) -> dict[str, Any]:
        """With the user's secret as its password, from any application and device that names itself."""
        given = [call.arguments.get(name) for name in ("userName", "password", "deviceId", "appId", "verifyKey")]
        name, password, device, app, key = (each if isinstance(each, str) else "" for each in given)
        for value, code in ((app, 4), (key, 5), (device, 6)):
            if not value:
                raise Denied(code, None, {"token": None})
        granted = self._auth.log_in(name, password)
        if granted is None:
            raise Denied(2 if name in self._auth.users else 1, None, {"token": None})
        return done(token=granted[1])

    def _validate(self, call: Call) -> dict[str, Any]:
        assert call.session is not None
        return done(newToken=self._auth.grant(call.session) if self._settings.validate_renews else None)

    def _log_out(self, call: Call) -> dict[str, Any]:
        self._auth.revoke(call.token)
        return done()

    # --- hubs --------------------------------------------------------------------------------------------------------

    def _negotiate(self, request: web.Request) -> web.Response:
        token = _bearer(request)
        session = self._auth.session(token)
        if session is None:
            return web.Response(status=401)
        if request.method != "POST":
            return web.Response(status=405, headers={"Allow": "POST"})
        ids = [str(UUID(int=self._random.getrandbits(128), version=4)) for _ in range(2)]
        second = request.query.get("negotiateVersion", "0") != "0"
        self._negotiated[ids[1] if second else ids[0]] = (session, token)
        data: dict[str, Any] = {"negotiateVersion": 1 if second else 0, "connectionId": ids[0]}
        if second:
            data["connectionToken"] = ids[1]
        data["availableTransports"] = [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}]
        return web.Response(body=encode(data), content_type="application/json")

    async def _serve_hub(self, request: web.Request, *, market: bool) -> web.StreamResponse:
        token = _bearer(request)
        session = self._auth.session(token)
        if (connection := request.query.get("id")) is not None:
            if connection not in self._negotiated:
                return web.Response(status=404, text="No Connection with that ID")
            negotiated, token = self._negotiated.pop(connection)
            session = negotiated if self._auth.session(token) else None
        if session is None:
            return web.Response(status=401)
        faults = self._house.faults
        if faults.left_s(faults.refuse_until_ns, session.user.name):
            return web.Response(status=503)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=400, text="Connection ID required")
        ws = web.WebSocketResponse(max_msg_size=1 << 20, autoping=True)
        await ws.prepare(request)
        hub = Hub(
            session,
            ws,
            request.transport,
            self._settings,
            faults,
            self._house.clock,
            market=market,
            contract_known=self.reads.contracts.__contains__,
            token_alive=lambda: self._auth.session(token) is not None,
        )
        self._hubs.add(hub)
        if not market:
            self._stream.join(hub)
        try:
            await hub.run()
        finally:
            self._hubs.discard(hub)
            self._stream.leave(hub)
        return ws


def _bearer(request: web.Request) -> str:
    """The token of the header, or of the address as SignalR clients write it."""
    header = request.headers.get("Authorization", "").strip()
    if header.lower().startswith("bearer "):
        return header[7:].strip()
    return request.query.get("access_token", "")


def _arguments(body: bytes) -> dict[str, Any]:
    """The fields of a request's body. Raises Malformed."""
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Malformed("The body must be a JSON object") from None


def _problem(error: Malformed) -> web.Response:
    """The answer to a request that can't be read, as the venue's framework gives it."""
    data = {"title": "One or more validation errors occurred.", "status": 400, "errors": {"request": [str(error)]}}
    return web.Response(status=400, body=encode(data), content_type="application/problem+json")
