"""One REST request at the ProjectX door and its answer (`protocols/projectx.md 2.3`).

Used by every module that handles requests. A refusal is HTTP 200 with ``success: false`` and an ``errorCode``.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from brokers.sandbox.projectx_auth import Session
from schema.clock import from_datetime, to_datetime
from schema.records import Record

Body = TypeVar("Body")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Malformed(Exception):
    """The request can't be read: HTTP 400."""


class Denied(Exception):
    """The venue understood and said no: HTTP 200, success false. `extra` are the answer's other fields."""

    def __init__(self, code: int, text: str | None = None, extra: dict[str, Any] | None = None) -> None:
        super().__init__(text or f"error {code}")
        self.code = code
        self.text = text
        self.extra = extra or {}


class Call(Record, frozen=True):
    """`session` is None at the endpoints that start one."""

    endpoint: str
    arguments: dict[str, Any]
    arrived_ns: int
    token: str = ""
    session: Session | None = None

    @property
    def login(self) -> str:
        return self.session.user.name if self.session else ""

    @property
    def account_ids(self) -> list[int]:
        return self.session.user.account_ids if self.session else []

    def body(self, shape: type[Body]) -> Body:
        """The arguments as `shape`. Raises Malformed."""
        try:
            return msgspec.convert(self.arguments, shape, strict=False)
        except msgspec.ValidationError as error:
            raise Malformed(str(error)) from None

    def own_account(self, account_id: int, code: int = 1) -> int:
        """The account, which is the caller's. Raises Denied."""
        if account_id not in self.account_ids:
            raise Denied(code, "Account not found")
        return account_id


class Answer(Record, frozen=True):
    """`data` None: the answer has no body. `undelivered`: the venue acted, and the answer never arrives."""

    status: int = 200
    data: Any = None
    undelivered: bool = False


Handler = Callable[[Call], dict[str, Any]]


def done(**fields: Any) -> dict[str, Any]:
    """A successful answer."""
    return {**fields, "success": True, "errorCode": 0, "errorMessage": None}


def denied(refusal: Denied) -> dict[str, Any]:
    return {**refusal.extra, "success": False, "errorCode": refusal.code, "errorMessage": refusal.text}


def encode(data: Any) -> bytes:
    """JSON with prices as numbers."""
    return _ENCODER.encode(data)


def stamp(at_ns: int) -> str:
    """A time as the venue writes it."""
    return to_datetime(at_ns).isoformat(timespec="microseconds")


def moment(text: str) -> int:
    """A time of a request in ns; without an offset it is UTC. Raises Malformed."""
    try:
        at = datetime.fromisoformat(text)
        return from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Malformed(f"{text} is not a time") from None
