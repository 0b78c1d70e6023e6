"""The login and its tokens: one session per login, shared by REST and both sockets, renewed by one request at a time
however many callers found the token dead. `adapter.py` owns it (`protocols/tradovate.md 1.1`, `1.5`)."""

import asyncio
import hashlib
import platform
from collections.abc import Iterator

import msgspec
import stamina
import structlog

from brokers.adapter import Credentials, LoginRefused, RequestUnknown, VenueUnreachable
from brokers.amounts import time_ns
from brokers.budget import RequestBudget
from brokers.text import NOT_READ
from brokers.tradovate.entities import AccessToken, read_penalty
from brokers.tradovate.http import Http
from brokers.tradovate.wire import clean
from schema.clock import Clock
from schema.records import ConnectionConfig
from schema.redact import REDACTOR

log = structlog.get_logger()

_NS = 1_000_000_000
RENEW_BEFORE_S = 900.0  # the vendor's advice: 15 min before the end
RENEW_FIRST_S = 300.0  # less than this left: renew before the token authorizes a socket
ASSUMED_LIFE_S = 4_500.0  # when the venue names no end: below the shortest life on record, 80 min
LONGEST_PENALTY_S = 60.0
_token = msgspec.json.Decoder(AccessToken, strict=False)


class _TokenRequest(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str
    password: str
    app_id: str
    app_version: str
    device_id: str
    cid: str = ""
    sec: str = ""
    ticket: str = msgspec.field(name="p-ticket", default="")

    def __repr__(self) -> str:
        return "_TokenRequest(...)"

    __str__ = __repr__


class _Ticket(msgspec.Struct):
    ticket: str = msgspec.field(name="p-ticket")


class Login:
    """Tokens of one login, in memory only."""

    def __init__(
        self, config: ConnectionConfig, credentials: Credentials, http: Http, budget: RequestBudget, clock: Clock
    ) -> None:
        self.user_id = 0
        self.generation = 0  # counts tokens: a renewal may answer with the same text for a longer life
        self._config = config
        self._credentials = credentials
        self._http = http
        self._budget = budget
        self._clock = clock
        self._access = ""
        self._market_data = ""
        self._expires_ns = 0
        self._life_s = ASSUMED_LIFE_S
        self._refused: LoginRefused | None = None
        self._flight: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Login({self._config.connection!r})"

    @property
    def token(self) -> str:
        return self._access

    @property
    def market_data_token(self) -> str:
        """The MD socket's own token, or the access token when the venue gave no other (`1.7`)."""
        return self._market_data or self._access

    def secrets(self) -> Iterator[str]:
        """What must be cut out of anything that is kept or shown."""
        yield from (self._access, self._market_data, self._credentials.password, self._credentials.sec)

    async def log_in(self) -> None:
        """Start a session. Raises LoginRefused (which it never tries again by itself: a wrong password repeated locks
        the user) or VenueUnreachable."""
        if self._refused is not None:
            raise self._refused
        credentials = self._credentials
        request = _TokenRequest(
            name=credentials.username,
            password=credentials.password,
            app_id=credentials.app_id,
            app_version=credentials.app_version,
            device_id=credentials.device_id or _device_id(credentials.username),
            cid=credentials.cid,
            sec=credentials.sec,
        )
        try:
            answer = await self._ask("auth/accesstokenrequest", request)
            if answer is None:
                raise LoginRefused(
                    f"{self._http.host} refused the login of {credentials.username}: no access, check the address and "
                    "the API key"
                )
            if answer.user_status not in (None, "", "Active"):
                raise LoginRefused(
                    f"{self._http.host} says the user {credentials.username} is {clean(answer.user_status)}: "
                    "sign in on the venue's own site to put it right"
                )
        except LoginRefused as refusal:
            self._refused = refusal
            raise
        self._keep(answer)

    async def renewed(self, stale: int) -> str:
        """A token newer than generation `stale`: the current one, or the result of the one renewal that all callers
        share. Raises LoginRefused or VenueUnreachable, and then the token at hand stays."""
        if self.generation != stale:
            return self._access
        if self._flight is None:
            self._flight = asyncio.get_running_loop().create_task(self._renew())
            self._flight.add_done_callback(self._landed)
        await asyncio.shield(self._flight)
        return self._access

    def _landed(self, flight: asyncio.Task[None]) -> None:
        self._flight = None
        if not flight.cancelled() and (error := flight.exception()) is not None:
            log.warning("token renewal failed", connection=self._config.connection, reason=clean(str(error)))

    async def fresh(self) -> str:
        """The access token, renewed first when it would end soon (`1.6`)."""
        if self._left_s() < min(RENEW_FIRST_S, self._life_s / 10):
            return await self.renewed(self.generation)
        return self._access

    async def keep_fresh(self) -> None:
        """Renew ahead of the end, for as long as the login lasts."""
        while True:
            await asyncio.sleep(max(0.2, self._left_s() - min(RENEW_BEFORE_S, self._life_s / 5)))
            try:
                # All renewals count against 15 an hour, so a failed one is not repeated quickly (`1.5`).
                async for attempt in stamina.retry_context(
                    on=VenueUnreachable, attempts=6, timeout=None, wait_initial=30.0, wait_max=120.0, wait_jitter=5.0
                ):
                    with attempt:
                        await self.renewed(self.generation)
            except VenueUnreachable:
                continue
            except LoginRefused:
                return  # the stream finds out at its next need of a token and says so

    async def close(self) -> None:
        flight = self._flight
        if flight is not None:
            flight.cancel()
            await asyncio.wait([flight])

    async def _renew(self) -> None:
        answer = await self._ask("auth/renewaccesstoken", None)
        if answer is None:
            # The session is over (expired, or another login closed it): only the password starts a new one.
            await self.log_in()
        else:
            self._keep(answer)

    def _keep(self, answer: AccessToken) -> None:
        assert answer.access_token
        self._access = answer.access_token
        self.generation += 1
        self._market_data = answer.md_access_token or self._market_data
        REDACTOR.register(*self.secrets())
        self.user_id = answer.user_id or self.user_id
        now = self._clock.now_ns()
        life_s = (time_ns(answer.expiration_time) - now) / _NS
        # An end in the past is a clock that differs, not a token that is dead on arrival.
        self._life_s = life_s if life_s > 0 else ASSUMED_LIFE_S
        self._expires_ns = now + int(self._life_s * _NS)

    def _left_s(self) -> float:
        return (self._expires_ns - self._clock.now_ns()) / _NS

    async def _ask(self, path: str, request: _TokenRequest | None) -> AccessToken | None:
        """One token request, with the wait and second try that a p-ticket asks for. None: no access (401, 403, or a
        renewal refused at status 200)."""
        host = self._http.host
        body = None if request is None else msgspec.json.encode(request)
        for second_try in (False, True):
            self._budget.spend()
            try:
                status, data = await self._http.send(path, token="" if request else self._access, body=body)
            except RequestUnknown as error:
                raise VenueUnreachable(str(error)) from None
            if status in (401, 403):
                return None
            if status in (423, 429):
                self._budget.throttled()
                raise VenueUnreachable(f"{host} answers {status} to {path}: too many requests, try again later")
            if status != 200:
                raise VenueUnreachable(f"{host} answers {status} to {path}: check rest_url if this stays")
            penalty = read_penalty(data)
            if penalty is None:
                break
            if penalty.captcha:
                raise LoginRefused(
                    f"{host} asks for a captcha after too many logins: wait 1 h, then start the connection again"
                )
            if second_try or penalty.wait_s > LONGEST_PENALTY_S:
                raise VenueUnreachable(f"{host} holds {path} back for {penalty.wait_s:.0f} s: too many requests")
            await asyncio.sleep(penalty.wait_s)
            ticket = penalty.ticket or ""
            if request is None:
                body = msgspec.json.encode(_Ticket(ticket))
            else:
                body = msgspec.json.encode(msgspec.structs.replace(request, ticket=ticket))
        try:
            answer = _token.decode(data)
        except NOT_READ:
            raise VenueUnreachable(f"{host} answers, but not as Tradovate does: check rest_url") from None
        if answer.access_token and not answer.error_text:
            return answer
        if request is None:
            return None
        words = clean(answer.error_text or "no token and no reason given")
        for secret in self.secrets():
            words = words.replace(secret, "[redacted]") if secret else words
        raise LoginRefused(f"{host} refused the login of {request.name}: {words}")


def _device_id(username: str) -> str:
    """The same on every start on this machine; at most 64 characters (`1.1`)."""
    return hashlib.sha256(f"copydesk {platform.node()} {username}".encode()).hexdigest()[:32]
