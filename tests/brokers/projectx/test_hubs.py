"""A hub's end is told at once, whenever it comes."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from brokers.projectx.hubs import Hub, HubLost
from schema.clock import SYSTEM_CLOCK


@pytest.mark.parametrize("reads", [False, True])
async def test_a_connection_that_ends_within_the_handshake_is_told_at_once(reads: bool) -> None:
    async def door(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if reads:
            await socket.receive()
        if request.transport is not None:
            request.transport.close()
        return socket

    app = web.Application()
    app.router.add_get("/hubs/user", door)
    async with TestServer(app) as server:
        for _ in range(20):
            hub = Hub(str(server.make_url("/hubs/user")), SYSTEM_CLOCK, lambda *_: None, lambda *_: None)
            async with asyncio.timeout(2):
                with pytest.raises(HubLost, match=r"closed the connection|does not open its hub"):
                    await hub.open("token")
            await hub.close()
