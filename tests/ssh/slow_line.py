"""A slow line for tests: a TCP proxy that lets so many bytes a second through to the client, and all to the server.

It has little room of its own, so that what it does not pass on waits where it would in life: at the sender.
"""

import contextlib
import select
import socket
import threading
import time
from typing import Self

_PIECE = 1024
_ROOM = 8192
"""Bytes the sockets may hold; the kernel takes twice that."""


class SlowLine:
    """Listens on `port` while it is entered. `per_s` may be changed at any time; None lets everything through."""

    def __init__(self, to_port: int, per_s: float | None = None) -> None:
        self._to_port = to_port
        self.per_s = per_s
        self.passed = 0
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over.is_set():
            if select.select([self._listener], [], [], 0.05)[0]:
                client, _ = self._listener.accept()
                server = socket.socket()
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
                server.connect(("127.0.0.1", self._to_port))
                for link in (client, server):
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._start(self._carry, client, server)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Both ways of one connection."""
        owed, last_s = 0.0, time.monotonic()
        with contextlib.suppress(OSError), client, server:
            while not self._over.is_set():
                now_s = time.monotonic()
                per_s = self.per_s
                owed = 65536.0 if per_s is None else min(owed + (now_s - last_s) * per_s, _PIECE)
                last_s = now_s
                may = [client, server] if owed >= _PIECE else [client]
                for link in select.select(may, [], [], 0.01)[0]:
                    data = link.recv(65536 if per_s is None or link is client else _PIECE)
                    if not data:
                        return
                    (server if link is client else client).sendall(data)
                    if link is server:
                        owed -= len(data)
                        self.passed += len(data)
