"""The login and its token: one session, shared by REST and both hubs, renewed by one request at a time however many
callers found the token dead. `adapter.py` owns it (`protocols/projectx.md 2.1`)."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Iterator

import msgspec
import structlog

from brokers.adapter import Credentials, LoginRefused, RequestUnknown, VenueUnreachable
from brokers.budget import RequestBudget
from brokers.projectx import wire
from brokers.projectx.http import Http
from brokers.text import NOT_READ, clean
from schema.clock import Clock
from schema.records import ConnectionConfig
from schema.redact import REDACTOR

log = structlog.get_logger()

_NS = 1_000_000_000
RENEW_BEFORE_S = 3_600.0
ASSUMED_LIFE_S = 24 * 3_600.0
_TRY_AGAIN_S = 60.0
_WORDS = {
    1: "there is no such user",
    2: "the key is wrong",
    3: "user name or key is wrong",
    7: "agreements are not signed: sign in on the venue's own site",
    9: "the account has no API subscription",
    10: "login by API key is switched off",
}
_answer = msgspec.json.Decoder(wire.Answer, strict=False)


class _Claims(msgspec.Struct, frozen=True):
    exp: float = 0


class Login:
    """The token of one login, in memory only. `generation` counts tokens."""

    def __init__(
        self, config: ConnectionConfig, credentials: Credentials, http: Http, budget: RequestBudget, clock: Clock
    ) -> None:
        self.token = ""
        self.generation = 0
        self._config = config
        self._credentials = credentials
        self._http = http
        self._budget = budget
        self._clock = clock
        self._expires_ns = 0
        self._life_s = ASSUMED_LIFE_S
        self._refused: LoginRefused | None = None
        self._flight: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Login({self._config.connection!r})"

    def secrets(self) -> Iterator[str]:
        """What must be cut out of anything that is kept or shown."""
        yield from (self.token, self._credentials.password)

    async def log_in(self) -> None:
        """Start a session. Raises LoginRefused, which it never tries again by itself, or VenueUnreachable."""
        if self._refused is not None:
            raise self._refused
        name, host = self._credentials.username, self._http.host
        body = wire.encode({"userName": name, "apiKey": self._credentials.password})
        answer = await self._ask("Auth/loginKey", body, token="")
        if answer is not None and answer.success and answer.token:
            self._keep(answer.token)
            return
        words = "no access" if answer is None else _WORDS.get(answer.error_code) or clean(answer.error_message or "")
        self._refused = LoginRefused(
            f"{host} refused the login of {name}: {words or 'no reason given'}; check user name and API key"
        )
        raise self._refused

    async def renewed(self, stale: int) -> str:
        """A token newer than generation `stale`: the current one, or the result of the one renewal that all callers
        share. Raises LoginRefused or VenueUnreachable, and then the token at hand stays."""
        if self.generation != stale:
            return self.token
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._renew())
            self._flight.add_done_callback(self._landed)
        await asyncio.shield(self._flight)
        return self.token

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flight = None
        if not flight.cancelled() and (error := flight.exception()) is not None:
            log.warning("token renewal failed", connection=self._config.connection, reason=clean(str(error)))

    async def fresh(self) -> str:
        """The token, renewed first when it would end soon."""
        if self._left_s() < min(RENEW_BEFORE_S, self._life_s / 10):
            return await self.renewed(self.generation)
        return self.token

    async def keep_fresh(self) -> None:
        """Renew ahead of the end, for as long as the login lasts."""
        while True:
            left_s = self._left_s() - min(RENEW_BEFORE_S, self._life_s / 5)
            await asyncio.sleep(max(0.2, left_s))
            try:
                await self.renewed(self.generation)
            except VenueUnreachable:
                await asyncio.sleep(min(_TRY_AGAIN_S, self._life_s / 20))
            except LoginRefused:
                return  # the stream finds out at its next need of a token and says so

    async def close(self) -> None:
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    async def _renew(self) -> None:
        answer = await self._ask("Auth/validate", b"{}", token=self.token)
        if answer is None or not answer.success:
            await self.log_in()  # the session is over: only the key starts a new one
        else:
            self._keep(answer.new_token or self.token)  # null: the one at hand stays good

    def _keep(self, token: str) -> None:
        self.token = token
        self.generation += 1
        REDACTOR.register(*self.secrets())
        now_ns = self._clock.now_ns()
        life_s = _ends_s(token) - now_ns / _NS
        # An end in the past is a clock that differs, not a token that is dead on arrival.
        self._life_s = life_s if life_s > 0 else ASSUMED_LIFE_S
        self._expires_ns = now_ns + int(self._life_s * _NS)

    def _left_s(self) -> float:
        return (self._expires_ns - self._clock.now_ns()) / _NS

    async def _ask(self, path: str, body: bytes, *, token: str) -> wire.Answer | None:
        """One request about tokens; None: no access. Raises VenueUnreachable."""
        host = self._http.host
        self._budget.spend()
        try:
            status, data = await self._http.post(path, body, token=token)
        except RequestUnknown as error:
            raise VenueUnreachable(str(error)) from None
        if status in (401, 403):
            return None
        if status == 429:
            self._budget.throttled()
            raise VenueUnreachable(f"{host} answers 429 to {path}: too many requests, try again later")
        if status != 200:
            raise VenueUnreachable(f"{host} answers {status} to {path}: check rest_url if this stays")
        try:
            return _answer.decode(data)
        except NOT_READ:
            raise VenueUnreachable(f"{host} answers, but not as ProjectX does: check rest_url") from None


def _ends_s(token: str) -> float:
    """When a token says it ends, seconds since the epoch; 0 when it does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return 0.0
    try:
        return msgspec.json.decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=_Claims).exp
    except (*NOT_READ, ValueError):
        return 0.0
