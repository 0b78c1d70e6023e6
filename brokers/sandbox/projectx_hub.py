"""One connection to a hub of the ProjectX door: SignalR's JSON protocol (`protocols/projectx.md 2.4`).

Made by `projectx_rest.py` for each WebSocket to the user or the market hub. Every message ends with 0x1E; a WebSocket
frame may hold several, or, from a client, a part of one. Liveness is messages of type 6, never WebSocket pings.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from brokers.sandbox.doors import sit_out
from brokers.sandbox.faults import Faults
from brokers.sandbox.projectx_auth import Session
from brokers.sandbox.projectx_call import encode
from brokers.sandbox.projectx_stream import ACCOUNT, ORDER, POSITION, TRADE, Change
from brokers.sandbox.settings import ProjectXSettings
from schema.clock import Clock

SEPARATOR = "\x1e"
LOGOUT = "GatewayLogout"
_CHECK_S = 0.1
_INVOCATION, _STREAM_INVOCATION, _CANCEL, _PING, _CLOSE = 1, 4, 5, 6, 7
_OF_ACCOUNTS = {"subscribeorders": ORDER, "subscribepositions": POSITION, "subscribetrades": TRADE}
_OF_CONTRACTS = {
    "subscribecontractquotes": "quotes",
    "subscribecontracttrades": "trades",
    "subscribecontractmarketdepth": "depth",
}


class _Message(msgspec.Struct, rename="camel"):
    """What a client sends; a handshake has a protocol and no type."""

    type: int = 0
    target: str = ""
    arguments: list[Any] = []
    invocation_id: str | None = None
    protocol: str = ""
    version: int = 0


class HubError(Exception):
    """An invocation that failed; the words its completion carries."""


class Hub:
    """See the module's docstring. `subscribed` holds (what, of which account or contract); for accounts the latter is
    0. `contract_known` tells whether a market hub may subscribe a contract."""

    def __init__(
        self,
        session: Session,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        settings: ProjectXSettings,
        faults: Faults,
        clock: Clock,
        *,
        market: bool,
        contract_known: Callable[[str], bool],
        token_alive: Callable[[], bool],
    ) -> None:
        self.session = session
        self.market = market
        self.subscribed: set[tuple[str, int | str]] = set()
        self.told: dict[tuple[str, str], Any] = {}  # what a market hub was told last, by kind and contract
        self._ws = ws
        self._transport = transport
        self._settings = settings
        self._faults = faults
        self._clock = clock
        self._contract_known = contract_known
        self._token_alive = token_alive
        self._outbox: list[str] = []
        self._wake = asyncio.Event()
        self._greeted = False
        self._closing = False
        self._logged_out = False
        self._buffer = ""
        self._opened_ns = self._sent_ns = self._heard_ns = clock.now_ns()

    @property
    def login(self) -> str:
        return self.session.user.name

    def wants(self, change: Change) -> bool:
        """Whether this user hub has subscribed an event."""
        if change.account_id not in self.session.user.account_ids:
            return False
        key = (ACCOUNT, 0) if change.target == ACCOUNT else (change.target, change.account_id)
        return key in self.subscribed

    # --- sending -------------------------------------------------------------------------------------------------

    def invoke(self, target: str, *arguments: Any) -> None:
        """Call the client: an event. Never fails: a hub that is gone drops it."""
        self._put({"type": _INVOCATION, "target": target, "arguments": arguments})

    def log_out(self) -> None:
        """Tell the client that this session is over; the connection stays."""
        self._logged_out = True
        self.invoke(LOGOUT, {"reason": "Logged out"})

    def go_away(self, text: str, *, reconnect: bool = True) -> None:
        """Close, with a message that says so."""
        self._put({"type": _CLOSE, "error": text, "allowReconnect": reconnect})
        self._closing = True
        self._wake.set()

    def abort(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _put(self, message: dict[str, Any]) -> None:
        if not self._closing:
            self._outbox.append(encode(message).decode() + SEPARATOR)
            self._wake.set()

    # --- the three loops -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until either side closes."""
        try:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(self._write()), group.create_task(self._watch())]
                try:
                    await self._read()
                finally:
                    for task in others:
                        task.cancel()
        finally:
            self._closing = True

    async def _read(self) -> None:
        async for message in self._ws:
            await sit_out(self._faults, self._faults.hanging_until_ns, self.login)
            self._heard_ns = self._clock.now_ns()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            text = message.data if isinstance(message.data, str) else message.data.decode("utf-8", "replace")
            *whole, self._buffer = (self._buffer + text).split(SEPARATOR)
            for each in whole:
                self._on_message(each)

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._outbox:
                    await sit_out(self._faults, self._faults.silent_until_ns, self.login)
                    if not self.market and self._faults.frame_cuts(self.login):
                        self.abort()
                        return
                    await self._ws.send_str(self._outbox.pop(0))
                    self._sent_ns = self._clock.now_ns()
                if self._closing:
                    await self._ws.close()
                    return
        except ConnectionError:
            self.abort()

    async def _watch(self) -> None:
        """Pings when idle, GatewayLogout when the token ends; the end for a client that is silent."""
        settings = self._settings
        while True:
            await asyncio.sleep(_CHECK_S)
            now_ns = self._clock.now_ns()
            if self._greeted and now_ns - self._sent_ns >= settings.ping_s * 1e9 and not self._outbox:
                self._put({"type": _PING})
            if not self._logged_out and not self._token_alive():
                self.log_out()
            late = not self._greeted and now_ns - self._opened_ns > settings.handshake_within_s * 1e9
            if late or now_ns - self._heard_ns > settings.client_silence_s * 1e9:
                self.go_away("Connection closed with an error.")
                return

    # --- messages ------------------------------------------------------------------------------------------------

    def _on_message(self, text: str) -> None:
        try:
            message = msgspec.json.decode(text, type=_Message)
        except (msgspec.MsgspecError, RecursionError):
            self.go_away("Connection closed with an error.", reconnect=False)
            return
        if not self._greeted:
            self._shake_hands(message)
        elif message.type == _INVOCATION:
            self._on_invocation(message)
        elif message.type == _STREAM_INVOCATION:
            self._complete(message.invocation_id, f"Method '{message.target}' does not stream")
        elif message.type == _CLOSE:
            self._closing = True
            self._wake.set()

    def _shake_hands(self, message: _Message) -> None:
        if message.protocol != "json":
            error = f"The protocol '{message.protocol}' is not supported."
        elif message.version not in (1, 2):
            error = f"The server does not support version {message.version} of the 'json' protocol."
        else:
            self._greeted = True
            self._put({})
            return
        self._put({"error": error})
        self._closing = True
        self._wake.set()

    def _on_invocation(self, message: _Message) -> None:
        try:
            self._subscribe(message.target.lower(), message.arguments)
        except HubError as error:
            self._complete(message.invocation_id, str(error))
        else:
            self._complete(message.invocation_id, None)

    def _complete(self, invocation_id: str | None, error: str | None) -> None:
        if invocation_id is not None:
            outcome = {"result": None} if error is None else {"error": error}
            self._put({"type": 3, "invocationId": invocation_id} | outcome)

    def _subscribe(self, method: str, arguments: list[Any]) -> None:
        on = not method.startswith("un")
        name = method.removeprefix("un")
        if not self.market and name == "subscribeaccounts" and not arguments:
            self._set(on, (ACCOUNT, 0))
        elif not self.market and name in _OF_ACCOUNTS:
            if len(arguments) != 1 or not isinstance(arguments[0], int):
                raise HubError(f"Failed to invoke '{method}' due to an error on the server.")
            if arguments[0] not in self.session.user.account_ids:
                raise HubError(f"Failed to invoke '{method}': there is no account {arguments[0]}")
            self._set(on, (_OF_ACCOUNTS[name], arguments[0]))
        elif self.market and name in _OF_CONTRACTS:
            if len(arguments) != 1 or not self._contract_known(str(arguments[0])):
                raise HubError(f"Failed to invoke '{method}' due to an error on the server.")
            key = (_OF_CONTRACTS[name], str(arguments[0]))
            self._set(on, key)
            self.told.pop(key, None)
        else:
            raise HubError("Method does not exist.")

    def _set(self, on: bool, key: tuple[str, int | str]) -> None:
        if on:
            self.subscribed.add(key)
        else:
            self.subscribed.discard(key)
