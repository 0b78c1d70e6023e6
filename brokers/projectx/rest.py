"""Requests of a logged-in session: budget, token, and what an answer proves (`protocols/projectx.md 2.3`, `2.5`).

Only a proven no is a no: a 5xx, an unreadable answer or a code that says "pending" or "unknown" is RequestUnknown.
"""

from collections.abc import Mapping

import msgspec

from brokers.adapter import RequestRefused, RequestUnknown
from brokers.budget import Lane, RequestBudget
from brokers.projectx import wire
from brokers.projectx.http import TIMEOUT_S, Handed, Http
from brokers.projectx.login import Login
from brokers.text import NOT_READ, clean
from schema.records import RejectClass

_lists = msgspec.json.Decoder(wire.Lists, strict=False)


class Said(RequestRefused):
    """The venue understood and refused with this code of the endpoint's."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class TokenDead(RequestRefused):
    """401: nothing was done."""


class Rest:
    def __init__(self, http: Http, login: Login, budget: RequestBudget, bars: RequestBudget) -> None:
        self._http = http
        self._login = login
        self._budget = budget
        self._bars = bars

    async def read(
        self, path: str, body: Mapping[str, object], *, lane: Lane = Lane.QUERY, needed: bool = False
    ) -> wire.Lists:
        """One reading, once more with a new token when it is dead. `needed`: counted but never held back.

        Raises RequestRefused (Said: the venue said no), RequestUnknown, VenueUnreachable, LoginRefused.
        """
        budget = self._bars if path.startswith("History/") else self._budget
        if needed:
            budget.spend()
        elif refusal := budget.take(lane):
            raise RequestRefused(f"{path} was not asked: {refusal}", RejectClass.THROTTLED)
        generation = self._login.generation
        data = wire.encode(body)
        try:
            return await self._once(path, data, TIMEOUT_S, None, budget)
        except TokenDead:
            await self._login.renewed(generation)
            budget.spend()
            return await self._once(path, data, TIMEOUT_S, None, budget)

    async def command(
        self, path: str, body: bytes, *, lane: Lane, timeout_s: float = TIMEOUT_S, handed: Handed | None = None
    ) -> wire.Lists:
        """Send an order or a command, once. Raises RequestRefused (Said, TokenDead) when proven not taken,
        RequestUnknown, or VenueUnreachable when it never left."""
        if refusal := self._budget.take(lane):
            raise RequestRefused(refusal, RejectClass.THROTTLED)
        return await self._once(path, body, timeout_s, handed, self._budget)

    async def _once(
        self, path: str, body: bytes, timeout_s: float, handed: Handed | None, budget: RequestBudget
    ) -> wire.Lists:
        status, data = await self._http.post(path, body, token=self._login.token, timeout_s=timeout_s, handed=handed)
        if status == 401:
            raise TokenDead("the venue answers 401: the login's token is no longer good", RejectClass.AUTH)
        if status == 403:
            raise RequestRefused(f"{path}: the venue answers 403: no access", RejectClass.AUTH)
        if status == 429:
            budget.throttled()
            raise RequestRefused("the venue answers 429: too many requests", RejectClass.THROTTLED)
        if status != 200:
            if 400 <= status < 500 and status != 408:
                raise RequestRefused(f"{path}: the venue answers {status}: malformed request")
            raise RequestUnknown(f"{path}: the venue answers {status}, which proves nothing")
        try:
            answer = _lists.decode(data)
        except NOT_READ as error:
            raise RequestUnknown(f"the answer to {path} cannot be read: {error}") from None
        if not answer.success:
            words = clean(answer.error_message or "") or f"error {answer.error_code}"
            raise Said(f"{path.partition('/')[2]}: {words}", answer.error_code)
        return answer
