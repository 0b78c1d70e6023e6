"""Requests of a logged-in session over HTTP: budget, token, penalties, and what the answer proves. `adapter.py` and
`session.py` read lists and send orders with it (`protocols/tradovate.md 1.2`, `1.5`)."""

import asyncio
from typing import TypeVar

import msgspec

from brokers.adapter import RequestRefused, RequestUnknown
from brokers.budget import Lane, RequestBudget
from brokers.text import NOT_READ
from brokers.tradovate.answers import Outcome, Refused, Taken, Unproven, judge
from brokers.tradovate.entities import ErrorAnswer, read_penalty
from brokers.tradovate.http import Http
from brokers.tradovate.login import Login
from brokers.tradovate.wire import clean
from schema.records import RejectClass

T = TypeVar("T")
LONGEST_PENALTY_S = 15.0  # a read that must wait longer than this is refused instead
_error = msgspec.json.Decoder(ErrorAnswer)


class Rest:
    def __init__(self, http: Http, login: Login, budget: RequestBudget) -> None:
        self._http = http
        self._login = login
        self._budget = budget

    async def read(
        self,
        path: str,
        kind: type[T],
        query: dict[str, str] | None = None,
        *,
        needed: bool = False,
        lane: Lane = Lane.QUERY,
    ) -> T:
        """One read, renewed once when the token is dead, waited for once when a p-ticket asks for it. `needed`: the
        stream cannot go on without it, so it is counted but never held back by the budget.

        Raises RequestRefused when the venue says no or the budget is spent, RequestUnknown when it did not say
        anything that can be read, VenueUnreachable when no connection was made.
        """
        ticket = ""
        renewed = False
        for _ in range(3):
            refusal = "" if needed else self._budget.take(lane)
            if needed:
                self._budget.spend()
            if refusal:
                raise RequestRefused(f"{path} was not asked: {refusal}", RejectClass.THROTTLED)
            generation = self._login.generation
            body = msgspec.json.encode({**(query or {}), "p-ticket": ticket}) if ticket else None
            status, data = await self._http.send(path, token=self._login.token, query=query, body=body)
            if status == 401 and not renewed:
                renewed = True
                await self._login.renewed(generation)
                continue
            penalty = read_penalty(data) if status == 200 else None
            if penalty is None:
                return self._decoded(path, kind, status, data)
            self._budget.throttled(penalty.wait_s)
            if ticket or penalty.captcha or penalty.wait_s > LONGEST_PENALTY_S:
                break
            await asyncio.sleep(penalty.wait_s)
            ticket = penalty.ticket or ""
        raise RequestRefused(f"{path} is held back by the venue: too many requests", RejectClass.THROTTLED)

    def _decoded(self, path: str, kind: type[T], status: int, data: bytes) -> T:
        if status == 200:
            if data.strip() in (b"", b"null"):
                raise RequestRefused(f"{path}: the venue has nothing of that name")
            try:
                return msgspec.json.decode(data, type=kind, strict=False)
            except NOT_READ as error:
                words = _error_text(data)
                if words:
                    raise RequestRefused(f"{path}: {words}") from None
                raise RequestUnknown(f"the answer to {path} cannot be read: {error}") from None
        outcome = judge(status, data, needs_order_id=False)
        self.learn(outcome)
        if isinstance(outcome, Refused):
            raise RequestRefused(f"{path}: {outcome.text}", outcome.reject_class)
        raise RequestUnknown(f"{path}: the venue answers {status}")

    async def command(self, path: str, body: bytes, *, lane: Lane, order: bool, timeout_s: float) -> Outcome:
        """Send an order or a command over HTTP, once. `order`: a yes names the order, and a dead token is a reject;
        otherwise the request, proven not taken, goes again with a new token.

        Raises VenueUnreachable (proven never to have left) or RequestUnknown; RequestRefused when over budget.
        """
        refusal = self._budget.take(lane)
        if refusal:
            raise RequestRefused(refusal, RejectClass.THROTTLED)
        generation = self._login.generation
        status, data = await self._http.send(path, token=self._login.token, body=body, order=True, timeout_s=timeout_s)
        outcome = judge(status, data, needs_order_id=order)
        self.learn(outcome)
        if isinstance(outcome, Refused) and outcome.token_dead and not order:
            await self._login.renewed(generation)
            self._budget.spend()
            status, data = await self._http.send(
                path, token=self._login.token, body=body, order=True, timeout_s=timeout_s
            )
            outcome = judge(status, data, needs_order_id=order)
        return outcome

    def learn(self, outcome: Outcome) -> None:
        """Leave the venue alone for a while when it said too many requests."""
        if isinstance(outcome, Refused) and outcome.throttled:
            self._budget.throttled(outcome.wait_s)


def taken_or_raise(outcome: Outcome) -> Taken:
    """The port's errors for a command that is awaited: RequestRefused, RequestUnknown."""
    if isinstance(outcome, Refused):
        raise RequestRefused(outcome.text, outcome.reject_class)
    if isinstance(outcome, Unproven):
        raise RequestUnknown(outcome.reason)
    return outcome


def _error_text(data: bytes) -> str:
    try:
        return clean(_error.decode(data).error_text or "")
    except NOT_READ:
        return ""
