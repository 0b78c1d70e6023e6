"""One request at the Tradovate door, the same over REST and over a socket, and its answer.

Used by everything that handles requests. The wire is read liberally (`protocols/tradovate.md 1.1, 1.4`): bodies may be
missing, ``undefined``, pretty-printed or form-encoded, endpoint names in any case.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from schema.records import Record

if TYPE_CHECKING:
    from brokers.sandbox.tradovate_auth import Session
    from brokers.sandbox.tradovate_socket import Socket

Body = TypeVar("Body")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Malformed(Exception):
    """The request can't be read: HTTP 400."""


class NotFound(Exception):
    """There is no such entity or endpoint: HTTP 404."""


class Call(Record, frozen=True):
    """`arguments` are the query's and the body's together. `session` None: not authorised. `socket` None: REST."""

    endpoint: str
    arguments: dict[str, Any]
    arrived_ns: int
    session: "Session | None" = None
    socket: "Socket | None" = None

    @property
    def login(self) -> str:
        return self.session.user.name if self.session else ""

    def body(self, shape: type[Body]) -> Body:
        """The arguments as `shape`; numbers may come as text. Raises Malformed."""
        try:
            return msgspec.convert(self.arguments, shape, strict=False)
        except msgspec.ValidationError as error:
            raise Malformed(str(error)) from None


class Answer(Record, frozen=True):
    """`data` None: the answer has no body. `undelivered`: the venue acted, and the answer never arrives."""

    status: int = 200
    data: Any = None
    undelivered: bool = False


Handler = Callable[[Call], Answer]


def read_arguments(query: str, body: str) -> dict[str, Any]:
    """The arguments of a request. Raises Malformed when the body is neither empty, JSON object nor form."""
    arguments: dict[str, Any] = {}
    if query and query != "undefined":
        arguments.update(parse_qsl(query.lstrip("?"), keep_blank_values=True))
    text = body.strip()
    if not text or text == "undefined":
        return arguments
    try:
        decoded: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        form = parse_qsl(text)
        if not form:
            raise Malformed("The body is not JSON") from None
        return arguments | dict(form)
    if decoded is None or decoded == "":
        return arguments
    if not isinstance(decoded, dict):
        raise Malformed("The body must be an object")
    return arguments | decoded


def endpoint_name(text: str) -> str:
    return text.strip().strip("/").lower()


def encode(data: Any) -> bytes:
    """JSON with prices as numbers."""
    return _ENCODER.encode(data)
