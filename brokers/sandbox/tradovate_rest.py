"""The HTTP side of the Tradovate door: REST requests, and the WebSocket addresses.

Made by `server.py`. Any method, any case, with or without ``/v1`` (`protocols/tradovate.md 1.1, 1.5`).
"""

import asyncio
from typing import Any

from aiohttp import web

from brokers.sandbox.tradovate_call import Answer, Call, Malformed, encode, endpoint_name, read_arguments
from brokers.sandbox.tradovate_door import Door
from brokers.sandbox.tradovate_socket import Socket

_SOCKETS = ("websocket", "md/websocket")


class TradovateRest:
    """See the module's docstring. Open sockets are kept in `sockets`; `tasks` outlives them."""

    def __init__(self, door: Door, sockets: set[Socket], tasks: asyncio.TaskGroup) -> None:
        self._door = door
        self._sockets = sockets
        self._tasks = tasks

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        endpoint = endpoint_name(request.path).removeprefix("v1/")
        if endpoint in _SOCKETS:
            return await self._serve_socket(request, market_data=endpoint.startswith("md/"))
        arrived_ns = self._door.clock.now_ns()
        text = (await request.read()).decode("utf-8", "replace")
        token = request.headers.get("Authorization", "").strip()
        if token.lower().startswith("bearer "):
            token = token[7:].strip()
        try:
            call = Call(
                endpoint=endpoint,
                arguments=read_arguments(request.query_string, text),
                arrived_ns=arrived_ns,
                session=self._door.auth.session(token),
            )
        except Malformed as error:
            return _response(Answer(status=400, data=str(error)))
        refusal, received = self._door.admit(call)
        if refusal is not None:
            return _response(refusal)
        if delay_s := self._door.faults.delay_s(call.login):
            await asyncio.sleep(delay_s)
        # The answer is written in this same turn of the loop, its events leave in the next.
        answer = self._door.perform(call, received)
        if self._door.faults.events_of(call.login).before_answer:
            self._door.stream.flush()
            await asyncio.sleep(0)
        if answer.undelivered and request.transport is not None:
            request.transport.abort()
        return _response(answer)

    async def _serve_socket(self, request: web.Request, *, market_data: bool) -> web.StreamResponse:
        faults = self._door.faults
        if faults.refuse_until_ns.get("", 0) > self._door.clock.now_ns():
            return web.Response(status=503)
        ws = web.WebSocketResponse(max_msg_size=1 << 20)
        await ws.prepare(request)
        frame_sent = _never if market_data else self._frame_sent
        socket = Socket(self._door, ws, request.transport, self._tasks, frame_sent)
        self._sockets.add(socket)
        try:
            await socket.run()
        finally:
            self._sockets.discard(socket)
        return ws

    def _frame_sent(self, socket: Socket) -> bool:
        """Break every connection of a login at the ordered frame of its user socket."""
        cut = self._door.faults.frame_cuts(socket.login)
        for other in list(self._sockets) if cut else ():
            if other.login == socket.login:
                other.abort()
        return cut


def _never(socket: Socket) -> bool:
    return False


def _response(answer: Answer) -> web.Response:
    if answer.data is None:
        return web.Response(status=answer.status)
    data: Any = answer.data
    if answer.status == 400:
        data = {"violations": [{"constraint": "Malformed", "description": answer.data}]}
    elif answer.status >= 400:
        data = {"errorText": answer.data}
    return web.Response(status=answer.status, body=encode(data), content_type="application/json")
