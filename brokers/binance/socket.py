"""One connection to the combined streams: opened, subscribed at the venue's pace, pings answered, dead when silent
(`docs/binance.md` 2 to 4). `shards.py` opens them and decides when one follows on another."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence

import aiohttp
from aiohttp.http_websocket import WSMessageNoDecodeText

from brokers.binance import SOURCE, wire
from brokers.binance.limits import Limits, Rolling
from brokers.text import clean

_MAX_FRAME_BYTES = 16 * 1024 * 1024
_TURN_S = 0.004  # frames that came together are read for so long, then others on this loop have their turn

OnMessage = Callable[[wire.Message], None]
OnUnreadable = Callable[[bytes, str], None]


class StreamLost(Exception):
    """The connection is of no more use, or could not be had; one sentence."""


class StreamSocket:
    """One open connection. `serve` reads it until `lost` has its reason; `ending` is set when the server says that it
    will go."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse[bool], first: str, limits: Limits) -> None:
        loop = asyncio.get_running_loop()
        self.streams: set[str] = {first}
        self.lost: asyncio.Future[str] = loop.create_future()
        self.ending = asyncio.Event()
        self.opened_at = loop.time()
        self._ws = ws
        self._limits = limits
        self._pace = Rolling(1, limits.message_every_s)
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[None]] = {}

    async def subscribe(self, streams: Iterable[str]) -> None:
        """Returns once the venue has said yes to all of them. Raises StreamLost."""
        for part in self._parts(streams):
            await self._ask("SUBSCRIBE", part)
            self.streams.update(part)

    async def unsubscribe(self, streams: Iterable[str]) -> None:
        for part in self._parts(streams):
            await self._ask("UNSUBSCRIBE", part)
            self.streams.difference_update(part)

    def _parts(self, streams: Iterable[str]) -> list[list[str]]:
        ordered, most = sorted(streams), self._limits.params_per_message
        return [ordered[at : at + most] for at in range(0, len(ordered), most)]

    async def _ask(self, method: str, streams: Sequence[str]) -> None:
        await self._pace.take()
        number = next(self._numbers)
        answered = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._limits.open_s):
                await self._ws.send_str(wire.request(method, streams, number))
                await answered
        except TimeoutError:
            self.lose(f"{SOURCE} did not answer {method} in {self._limits.open_s:.0f} s")
            raise StreamLost(self.lost.result()) from None
        except (ConnectionError, aiohttp.ClientError) as error:
            self.lose(f"the connection broke ({clean(str(error), 120)})")
            raise StreamLost(self.lost.result()) from None
        finally:
            self._asked.pop(number, None)

    async def serve(self, on_message: OnMessage, on_unreadable: OnUnreadable) -> None:
        """Read until the connection is lost."""
        loop = asyncio.get_running_loop()
        try:
            turn_ends = loop.time() + _TURN_S
            while not self.lost.done():
                data = await self._receive()
                if data is not None:
                    self._take(data, on_message, on_unreadable)
                if loop.time() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = loop.time() + _TURN_S
        except StreamLost as lost:
            self.lose(str(lost))
        finally:
            await self.close()

    async def close(self) -> None:
        """Leave without waiting for the venue's farewell."""
        self.lose("closed by the feed")
        connection = self._ws._response.connection  # pyright: ignore[reportPrivateUsage]
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        await self._ws.close()

    def lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)
        for answered in self._asked.values():
            if not answered.done():
                answered.set_exception(ConnectionError(reason))

    async def _receive(self) -> bytes | None:
        try:
            message = await self._ws.receive(timeout=self._limits.silence_s)
        except TimeoutError:
            raise StreamLost(f"nothing from {SOURCE} for {self._limits.silence_s:.0f} s, not even a ping") from None
        if message.type is aiohttp.WSMsgType.TEXT:
            return _bytes(message)
        if message.type is aiohttp.WSMsgType.PING:
            try:
                await self._ws.pong(message.data)
            except (ConnectionError, aiohttp.ClientError):
                raise StreamLost("the connection broke at a ping") from None
            return None
        if message.type in (aiohttp.WSMsgType.PONG, aiohttp.WSMsgType.BINARY):
            return None
        raise StreamLost(f"{SOURCE} closed the connection")

    def _take(self, data: bytes, on_message: OnMessage, on_unreadable: OnUnreadable) -> None:
        try:
            message = wire.parse(data)
        except wire.Unreadable as unreadable:
            on_unreadable(data, str(unreadable))
            return
        if isinstance(message, wire.Answer):
            self._answer(message)
        elif isinstance(message, wire.Shutdown):
            self.ending.set()
        elif message is not None:
            on_message(message)

    def _answer(self, answer: wire.Answer) -> None:
        asked = self._asked.get(answer.id) if isinstance(answer.id, int) else None
        if answer.error:
            # Some errors carry no id (`docs/binance.md` 4): then it is of the one request that is under way.
            waiting = [asked] if asked is not None else list(self._asked.values())
            for each in waiting:
                if not each.done():
                    each.set_exception(ConnectionError(f"{SOURCE} refuses: {answer.error}"))
        elif asked is not None and not asked.done():
            asked.set_result(None)


def _bytes(message: aiohttp.WSMessage | WSMessageNoDecodeText) -> bytes:
    data: bytes | str = message.data
    return data.encode() if isinstance(data, str) else data


async def open_socket(http: aiohttp.ClientSession, base_url: str, first: str, limits: Limits) -> StreamSocket:
    """Connect with one stream named in the address; the others are subscribed to. Raises StreamLost."""
    url = f"{base_url.rstrip('/')}/stream?streams={first}"
    try:
        async with asyncio.timeout(limits.open_s):
            ws = await http.ws_connect(
                url,
                autoping=False,
                decode_text=False,
                max_msg_size=_MAX_FRAME_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.2),  # pyright: ignore[reportCallIssue] - attrs class
            )
    except aiohttp.WSServerHandshakeError as error:
        where = "; it serves nobody from here: set binance_ws_url" if error.status == 451 else ""
        raise StreamLost(f"{SOURCE} refuses the connection (HTTP {error.status}){where}") from None
    except aiohttp.InvalidURL:
        raise StreamLost(f"binance_ws_url {base_url!r} is no address; write it as wss://host") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        why = "no answer in time" if isinstance(error, TimeoutError) else clean(str(error), 120)
        raise StreamLost(f"{SOURCE} can't be reached at {base_url} ({why})") from None
    return StreamSocket(ws, first, limits)
