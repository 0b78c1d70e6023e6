"""What comes of a command that the desk was asked for: a sentence, whatever happened. `tui/app.py` shows it in the
message line, `tui/page.py` beside the line it is about."""

import traceback
from collections.abc import Coroutine
from typing import Any

import structlog

from engine.seat import CommandRefused

REFUSED = "refused"

_log = structlog.get_logger()


async def outcome(asked: Coroutine[Any, Any, str]) -> tuple[str, str]:
    """Await the desk; what it says, and its look: empty, or ``refused``. Raises nothing but a cancellation."""
    try:
        return await asked, ""
    except CommandRefused as refused:
        return str(refused), REFUSED
    except Exception as failure:  # noqa: BLE001 - a command that broke must not take the seat down with it
        # Where it broke, but not what it said: an exception's text and locals may hold a login.
        at = traceback.extract_tb(failure.__traceback__)[-1]
        _log.error("command failed", kind=type(failure).__name__, file=at.filename, line=at.lineno, function=at.name)
        return f"It was not done: {type(failure).__name__}. The log has the details.", REFUSED
