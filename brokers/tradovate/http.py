"""HTTP to the venue and the addresses it lives at: bytes out, status and bytes in. `login.py`, `rest.py` and
`socket.py` call it. It says whether a failed request is proven never to have left."""

import os
from urllib.parse import urlsplit

import aiohttp
import msgspec

from brokers.adapter import LoginRefused, RequestUnknown, VenueUnreachable
from brokers.text import utf8
from brokers.tradovate.wire import clean
from schema.records import ConnectionConfig, Environment

_VENUE_DOMAIN = "tradovateapi.com"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
TIMEOUT_S = 10.0


class NeverLeft(VenueUnreachable):
    """No connection was made, so nothing was sent."""


class Addresses(msgspec.Struct, frozen=True):
    """Where the login lives; `market_data` is empty when an own `rest_url` names no `md_url` beside it."""

    rest: str
    stream: str
    market_data: str


def addresses(config: ConnectionConfig) -> Addresses:
    """The addresses of `config`, the venue's own where it names none (`protocols/tradovate.md 1.1`).

    Raises LoginRefused when they contradict the environment or would carry a password over the network in clear.
    """
    own = bool(config.rest_url)
    rest = config.rest_url.rstrip("/") or f"https://{config.environment.value}.{_VENUE_DOMAIN}/v1"
    stream = config.ws_url or "ws" + rest.removeprefix("http") + "/websocket"
    market_data = config.md_url or ("" if own else f"wss://md.{_VENUE_DOMAIN}/v1/websocket")
    other = Environment.DEMO if config.environment is Environment.LIVE else Environment.LIVE
    for field, url, scheme in (
        ("rest_url", rest, "http"),
        ("ws_url", stream, "ws"),
        ("md_url", market_data, "ws"),
    ):
        if not url:
            continue
        host = host_of(url)
        if not host or urlsplit(url).scheme not in (scheme, scheme + "s"):
            raise LoginRefused(
                f"{field} of connection {config.connection} is not an address: write it as {scheme}s://host/v1"
            )
        if urlsplit(url).scheme == scheme and host not in _LOOPBACK:
            raise LoginRefused(
                f"{field} of connection {config.connection} would send the password in clear to {host}: "
                f"write {scheme}s:// instead of {scheme}://"
            )
        if field != "md_url" and host.endswith(_VENUE_DOMAIN) and host.startswith(other.value):
            raise LoginRefused(
                f"{field} of connection {config.connection} is the venue's {other.value} host but the connection is "
                f"{config.environment.value}: correct the environment or the address"
            )
    return Addresses(rest, stream, market_data)


def host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class Http:
    """Two pools: reads keep their connections; order requests open a fresh one each, because on a kept one that the
    venue has just dropped nobody can tell whether the order was taken."""

    def __init__(self, base_url: str) -> None:
        self.host = urlsplit(base_url).netloc
        self._base = base_url
        self._kept = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        self._fresh = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))

    @property
    def session(self) -> aiohttp.ClientSession:
        return self._kept

    async def close(self) -> None:
        await self._kept.close()
        await self._fresh.close()

    async def send(
        self,
        path: str,
        *,
        token: str = "",
        query: dict[str, str] | None = None,
        body: bytes | None = None,
        order: bool = False,
        timeout_s: float = TIMEOUT_S,
    ) -> tuple[int, bytes]:
        """POST when there is a body, else GET. Raises NeverLeft or RequestUnknown; any status is an answer."""
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with (self._fresh if order else self._kept).request(
                "GET" if body is None else "POST",
                f"{self._base}/{path}",
                params=query,
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
            ) as answer:
                return answer.status, utf8(await answer.read())
        # The client library's errors can carry request headers: their text stays, their chain does not.
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise NeverLeft(
                f"{self.host} cannot be reached ({why(error)}): check the address and the network"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RequestUnknown(f"{self.host} did not answer {path}: {why(error)}") from None


def why(error: BaseException) -> str:
    """A transport error in a few words."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0  # below 0: the resolver's own, in words already
        words = os.strerror(number) if number > 0 else error.os_error.strerror
        return clean(words or type(error.os_error).__name__, 120)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (
        clean(type(error).__name__ if isinstance(error, aiohttp.InvalidURL) else str(error), 120)
        or type(error).__name__
    )
