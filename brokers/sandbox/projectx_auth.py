"""Users, sessions and tokens of the ProjectX door (`protocols/projectx.md 2.1`).

A token is written as a JWT so that clients can read its end; its last part is drawn at random and stands for nothing.
Used by `projectx_door.py` and `projectx_hub.py`.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import msgspec

from brokers.sandbox.doors import User
from brokers.sandbox.settings import ProjectXSettings
from schema.clock import Clock


@dataclass(slots=True, eq=False)
class Session:
    """One login of a user."""

    session_id: int
    user: User


class Auth:
    """See the module's docstring. `superseded` is called with a user's earlier sessions at a new login."""

    def __init__(self, settings: ProjectXSettings, clock: Clock, random: Random) -> None:
        self.users: dict[str, User] = {}
        self.superseded: Callable[[list[Session]], None] = lambda _: None
        self._settings = settings
        self._clock = clock
        self._random = random
        self._tokens: dict[str, tuple[Session, int]] = {}
        self._started = 0

    def session(self, token: str) -> Session | None:
        """The session a token stands for; None when there is none, or no longer."""
        session, ends_ns = self._tokens.get(token, (None, 0))
        return session if ends_ns > self._clock.now_ns() else None

    def log_in(self, name: str, secret: str) -> tuple[Session, str] | None:
        """A new session and its token; None when the key is wrong."""
        user = self.users.get(name)
        if user is None or not hmac.compare_digest(user.password.encode(), secret.encode()):
            return None
        earlier = {id(s): s for s, ends_ns in self._tokens.values() if s.user is user and ends_ns > 0}
        if earlier and self._settings.logout_on_second_login:
            self.superseded(list(earlier.values()))
        self._started += 1
        session = Session(self._started, user)
        return session, self.grant(session)

    def grant(self, session: Session) -> str:
        """A new token of a session; those it has stay good until they end."""
        now_ns = self._clock.now_ns()
        ends_ns = now_ns + round(self._settings.token_lifetime_s * 1e9)
        self._tokens = {token: held for token, held in self._tokens.items() if held[1] > now_ns}
        claims = {"sub": str(session.user.user_id), "sid": session.session_id, "exp": ends_ns // 1_000_000_000}
        parts = (
            msgspec.json.encode({"alg": "HS256", "typ": "JWT"}),
            msgspec.json.encode(claims),
            self._random.getrandbits(256).to_bytes(32, "big"),
        )
        token = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        self._tokens[token] = (session, ends_ns)
        return token

    def revoke(self, token: str) -> None:
        self._tokens.pop(token, None)

    def expire(self, login: str) -> int:
        """Every token of a login (all logins: '') ends now. Returns how many did."""
        mine = [token for token, (session, _) in self._tokens.items() if login in ("", session.user.name)]
        for token in mine:
            del self._tokens[token]
        return len(mine)
