"""HTTP to the venue and the addresses it lives at: bytes out, status and bytes in (`protocols/projectx.md 2.1`).

`login.py` and `rest.py` call it. It says whether a request that failed is proven never to have left.
"""

import os
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import urlsplit

import aiohttp
import msgspec

from brokers.adapter import LoginRefused, RequestUnknown, VenueUnreachable
from brokers.text import clean, utf8
from schema.records import ConnectionConfig

_USUAL = "https://api.topstepx.com"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_KEPT_S = 15.0  # a connection that idled longer may be gone without our knowing: it carries no order
TIMEOUT_S = 10.0
Handed = Callable[[], None]


class NeverLeft(VenueUnreachable):
    """No byte of the request was written."""


class Addresses(msgspec.Struct, frozen=True):
    rest: str
    user_hub: str
    market_hub: str


def addresses(config: ConnectionConfig) -> Addresses:
    """The addresses of a connection; `rest_url` may end in ``/api``. The hubs live at ``rtc.`` beside ``api.``.

    Raises LoginRefused when an address is none, or would carry the key over the network in clear.
    """
    rest = (config.rest_url or _USUAL).rstrip("/").removesuffix("/api")
    hubs = rest.replace("://api.", "://rtc.").replace("://gateway-api", "://gateway-rtc")
    found = Addresses(rest, config.ws_url or f"{hubs}/hubs/user", config.md_url or f"{hubs}/hubs/market")
    for field, url in (("rest_url", found.rest), ("ws_url", found.user_hub), ("md_url", found.market_hub)):
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http", "wss", "ws") or not parts.hostname:
            raise LoginRefused(f"{field} of connection {config.connection} is not an address: write it as https://host")
        if parts.scheme in ("http", "ws") and parts.hostname not in _LOOPBACK:
            raise LoginRefused(
                f"{field} of connection {config.connection} would send the key in clear to {parts.hostname}: "
                f"write {parts.scheme}s:// instead of {parts.scheme}://"
            )
    return found


class Http:
    """One pool of connections."""

    def __init__(self, base_url: str) -> None:
        self.host = urlsplit(base_url).netloc
        self._base = base_url
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_on_headers_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEPT_S, limit=0), trace_configs=[trace]
        )

    async def close(self) -> None:
        await self._session.close()

    async def post(
        self, path: str, body: bytes, *, token: str = "", timeout_s: float = TIMEOUT_S, handed: Handed | None = None
    ) -> tuple[int, bytes]:
        """Status and body of any answer; `handed` is called when the request's bytes go to the socket. Raises
        NeverLeft or RequestUnknown."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        left = False

        def on_left() -> None:
            nonlocal left
            left = True
            if handed is not None:
                handed()

        try:
            async with self._session.post(
                f"{self._base}/api/{path}",
                data=body,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                allow_redirects=False,
                trace_request_ctx=on_left,
            ) as answer:
                return answer.status, utf8(await answer.read())
        # The client library's errors can carry request headers: their text stays, their chain does not.
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if left:
                raise RequestUnknown(f"{self.host} did not answer {path}: {_why(error)}") from None
            raise NeverLeft(
                f"{self.host} cannot be reached ({_why(error)}): check the address and the network"
            ) from None


async def _on_headers_sent(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.trace_request_ctx()


def _why(error: BaseException) -> str:
    """A transport error in a few words."""
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0
        return clean(os.strerror(number) if number > 0 else error.os_error.strerror or "no connection", 120)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return clean(str(error), 120) or type(error).__name__
