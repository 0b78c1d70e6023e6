"""Users, sessions and tokens of the Tradovate door (`protocols/tradovate.md 1.1`).

A session is what a login starts; a token stands for it until the token expires; renewing makes a new token for the
same session; a third session of a user ends the oldest. Used by `tradovate_door.py`.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import msgspec

from brokers.sandbox.doors import User
from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_call import Answer, Call, Malformed
from brokers.sandbox.tradovate_entities import timestamp
from schema.clock import Clock

_LONGEST_DEVICE = 64


@dataclass(slots=True, eq=False)
class Session:
    """One login of a user. `token_ends_ns` holds every token it has, with its end."""

    session_id: int
    user: User
    token_ends_ns: dict[str, int] = field(default_factory=dict[str, int], repr=False)


class AccessToken(msgspec.Struct, rename="camel"):
    """What a login or a renewal answers."""

    access_token: str
    md_access_token: str
    expiration_time: str
    password_expiration_time: str
    user_status: str
    user_id: int
    name: str
    has_live: bool
    has_funded: bool
    has_market_data: bool
    outdated_ta_c: bool
    outdated_liquidation_policy: bool
    hibp_hint: bool = False
    has_sim_plus: bool = False
    show_kids: bool = msgspec.field(name="showKIDs", default=False)


class _Login(msgspec.Struct, rename="camel"):
    """cid and sec (text or number), appId, appVersion and deviceId are accepted and not checked."""

    name: str
    password: str
    device_id: str = ""


class Auth:
    """See the module's docstring. `session_ended` is called with a session that lost its last right to be here."""

    def __init__(self, settings: DoorSettings, clock: Clock, random: Random) -> None:
        self.users: dict[str, User] = {}
        self.session_ended: Callable[[Session], None] = lambda _: None
        self._settings = settings
        self._clock = clock
        self._random = random
        self._sessions: dict[str, Session] = {}
        self._by_user: dict[str, list[Session]] = {}
        self._started = 0

    def session(self, token: str) -> Session | None:
        """The session a token stands for; None when there is none, or no longer."""
        session = self._sessions.get(token)
        if session is None or session.token_ends_ns.get(token, 0) <= self._clock.now_ns():
            return None
        return session

    def alive(self, session: Session) -> bool:
        """Whether any token of a session still holds: a socket lives with its session, not with one token."""
        now_ns = self._clock.now_ns()
        return any(ends_ns > now_ns for ends_ns in session.token_ends_ns.values())

    def access_token(self, call: Call) -> Answer:
        """auth/accesstokenrequest: a wrong password is HTTP 200 with an errorText."""
        wish = call.body(_Login)
        if len(wish.device_id) > _LONGEST_DEVICE:
            raise Malformed(f"deviceId is longer than {_LONGEST_DEVICE} characters")
        user = self.users.get(wish.name)
        if user is None or not hmac.compare_digest(user.password.encode(), wish.password.encode()):
            return Answer(data={"errorText": "Incorrect username or password. Please try again."})
        self._started += 1
        session = Session(session_id=self._started, user=user)
        mine = self._by_user.setdefault(user.name, [])
        mine.append(session)
        while len(mine) > self._settings.sessions_per_user:
            self._end(mine[0])
        return self._grant(session)

    def renew(self, call: Call) -> Answer:
        """auth/renewaccesstoken: a new token for the same session."""
        assert call.session is not None
        return self._grant(call.session)

    def oauth_token(self, call: Call) -> Answer:
        """auth/oauthtoken: this venue has no OAuth applications."""
        if "grant_type" not in call.arguments:
            raise Malformed("grant_type is missing")
        return Answer(data={"error": "invalid_client", "error_description": "Client is not registered"})

    def expire(self, login: str) -> int:
        """Every token of a login (all logins: '') expires now; the sessions stay. Returns how many did."""
        expired = 0
        for token, session in self._sessions.items():
            if not login or session.user.name == login:
                expired += token in session.token_ends_ns
                session.token_ends_ns[token] = 0
        return expired

    def _grant(self, session: Session) -> Answer:
        ends_ns = self._clock.now_ns() + round(self._settings.token_lifetime_s * 1e9)
        tokens = [f"{self._random.getrandbits(320):080x}" for _ in range(2)]
        for token in tokens:
            session.token_ends_ns[token] = ends_ns
            self._sessions[token] = session
        return Answer(
            data=AccessToken(
                access_token=tokens[0],
                md_access_token=tokens[1],
                expiration_time=timestamp(ends_ns),
                password_expiration_time=timestamp(ends_ns + 365 * 86_400 * 1_000_000_000),
                user_status="Active",
                user_id=session.user.user_id,
                name=session.user.name,
                has_live=self._settings.environment == "live",
                has_funded=False,
                has_market_data=True,
                outdated_ta_c=False,
                outdated_liquidation_policy=False,
            )
        )

    def _end(self, session: Session) -> None:
        self._by_user[session.user.name].remove(session)
        for token in session.token_ends_ns:
            del self._sessions[token]
        session.token_ends_ns.clear()
        self.session_ended(session)
