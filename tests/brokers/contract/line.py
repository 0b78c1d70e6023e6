"""A line between an adapter and its door that a card can spoil: TCP in, TCP out, bytes as they are.

What the client writes is counted in `sent`. Faults act on all connections, on those open now and on later ones.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Link:
    """One connection through the line; `opening` is how its client began, `mute` that its door is not heard."""

    def __init__(self, client: asyncio.StreamWriter, door: asyncio.StreamWriter, *, mute: bool) -> None:
        self.mute = mute
        self.client = client
        self.door = door
        self.opening = b""

    def cut(self) -> None:
        self.client.transport.abort()
        self.door.transport.abort()


class Line:
    """`piece`: bytes to the client come in pieces of so many. `swallow`: what the client writes from now on never
    arrives, nor does what the door says on a connection opened from now on. `opened` counts connections. `cut_at`: once
    so many more bytes have gone to a client, its line breaks there, in mid-message."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.sent = bytearray()
        self.piece = 0
        self.swallow = False
        self.swallowed = bytearray()
        self.cut_at = 0
        self.cuts = 0
        self.opened = 0
        self._door_port = port
        self._links: list[_Link] = []

    def cut(self) -> None:
        """Break every connection now."""
        links, self._links = self._links, []
        for link in links:
            link.cut()

    def inject(self, data: bytes, *, opened_with: bytes) -> int:
        """Say something to the clients that began with `opened_with` or came to it soon; how many those were."""
        links = [link for link in self._links if opened_with in link.opening]
        for link in links:
            link.client.write(data)
        return len(links)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            door_reader, door_writer = await asyncio.open_connection("127.0.0.1", self._door_port)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, door_writer, mute=self.swallow)
        self.opened += 1
        self._links.append(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._up(reader, link))
                group.create_task(self._down(door_reader, link))
        except* OSError:
            pass
        finally:
            link.cut()
            if link in self._links:
                self._links.remove(link)

    async def _up(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await reader.read(65_536):
            self.sent += data
            if len(link.opening) < 8_192:
                link.opening += data
            if self.swallow:
                self.swallowed += data
            else:
                link.door.write(data)
        link.cut()

    async def _down(self, reader: asyncio.StreamReader, link: _Link) -> None:
        while data := await reader.read(65_536):
            if link.mute:
                continue
            if self.cut_at:
                data, self.cut_at = data[: self.cut_at], self.cut_at - len(data)
                if self.cut_at <= 0:
                    self.cut_at = 0
                    self.cuts += 1
                    link.client.write(data)
                    await link.client.drain()
                    link.client.close()
                    link.door.transport.abort()
                    return
            for piece in _pieces(data, self.piece):
                link.client.write(piece)
                if self.piece:
                    await asyncio.sleep(0)  # the pieces arrive apart
        link.cut()


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)] if size else [data]


@asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    """A line to a port of this host; it breaks when the block ends."""
    line = Line(port)
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        line.cut()
        await asyncio.sleep(0)


def websocket_frame(text: str) -> bytes:
    """A text frame as a server sends it."""
    data = text.encode()
    head = bytes([0x81, len(data)]) if len(data) < 126 else b"\x81\x7e" + len(data).to_bytes(2, "big")
    return head + data
