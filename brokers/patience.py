"""Asking a login's venue for history: nobody waits for it, so it waits for all. Used by the histories of logins."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from brokers.adapter import RequestRefused, RequestUnknown, VenueError, VenueUnreachable
from brokers.feed import FeedDown
from schema.records import RejectClass

_WAIT_S = 1.0
_TRIES, _PATIENCE_S = 4, 60.0
_Answer = TypeVar("_Answer")


async def patiently(ask: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """What `ask` returns: waits for the budget as long as it takes, and asks again what was not answered. Raises
    FeedDown."""

    async def in_turn() -> _Answer:
        while True:
            try:
                return await ask()
            except RequestRefused as refused:
                if refused.reject_class is not RejectClass.THROTTLED:
                    raise
            await asyncio.sleep(_WAIT_S)

    try:
        async for attempt in stamina.retry_context(
            on=(RequestUnknown, VenueUnreachable), attempts=_TRIES, timeout=_PATIENCE_S, wait_max=5.0
        ):
            with attempt:
                return await in_turn()
    except VenueError as error:
        raise FeedDown(f"source: {error}") from None
    raise AssertionError("the last attempt returns or raises")
