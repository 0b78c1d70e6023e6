"""What an answer of the venue proves about an order or a command, pure. The same judgement for both ways of asking,
socket and REST: `adapter.py` and `rest.py` call it.

Only a proven reject is a reject. A 5xx, an unreadable answer or one that says neither yes nor no is `Unproven`
(`protocols/tradovate.md 1.3`, `1.5`).
"""

from typing import Any

import msgspec

from brokers.text import NOT_READ
from brokers.tradovate.entities import order_answer
from brokers.tradovate.translate import reject_class
from brokers.tradovate.wire import clean
from schema.records import RejectClass


class Taken(msgspec.Struct, frozen=True):
    """The venue took the command; `order_id` is 0 where it names none, `linked` are the orders placed with it."""

    order_id: int = 0
    linked: tuple[int, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """Proven not taken. `throttled`: too many requests, for `wait_s` where it says so; `token_dead`: a 401."""

    reject_class: RejectClass
    text: str
    order_id: int = 0
    throttled: bool = False
    wait_s: float | None = None
    token_dead: bool = False


class Unproven(msgspec.Struct, frozen=True):
    reason: str


Outcome = Taken | Refused | Unproven

_any_json = msgspec.json.Decoder(Any)


def judge(status: int, data: bytes | msgspec.Raw, *, needs_order_id: bool) -> Outcome:
    """What `status` and body say about the request; `needs_order_id` where a yes always names the order."""
    if status == 200:
        return _judge_200(data, needs_order_id)
    if status in (423, 429):
        return Refused(RejectClass.THROTTLED, f"the venue answers {status}: too many requests", throttled=True)
    if status in (401, 403):
        text = f"the venue answers {status}: {_words(data) or 'no access'}"
        return Refused(RejectClass.AUTH, text, token_dead=status == 401)
    if 400 <= status < 500 and status != 408:
        return Refused(RejectClass.OTHER, f"the venue answers {status}: {_words(data) or 'malformed request'}")
    return Unproven(f"the venue answers {status}, which proves nothing")


def _judge_200(data: bytes | msgspec.Raw, needs_order_id: bool) -> Outcome:
    try:
        answer = order_answer.decode(data)
    except NOT_READ:
        return Unproven("the venue's answer cannot be read")
    if answer.ticket is not None:
        wait_s = answer.wait_s or 0.0
        return Refused(
            RejectClass.THROTTLED,
            f"the venue holds this request back for {wait_s:.0f} s: too many requests",
            throttled=True,
            wait_s=wait_s,
        )
    if answer.refused:
        words = clean(answer.words)
        return Refused(reject_class(answer.failure_reason, words), words, order_id=answer.order_id or 0)
    if needs_order_id and answer.order_id is None:
        return Unproven("the venue's answer names no order")
    return Taken(answer.order_id or 0, answer.linked)


def _words(data: bytes | msgspec.Raw) -> str:
    """The sentence in an error body, which is a JSON string, an object with errorText, or plain text."""
    raw = bytes(data)
    try:
        body = _any_json.decode(raw)
    except NOT_READ:
        return clean(raw.decode("utf-8", "replace"))
    if isinstance(body, str):
        return clean(body)
    try:
        return clean(order_answer.decode(raw).words)
    except NOT_READ:
        return ""
