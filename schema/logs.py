"""The log: JSON lines in the state directory, every one of them through the redactor. Set up once, by the shell.

The standard library's logging (asyncio, aiohttp) goes to the same file, so that nothing ever writes over the screen.
"""

import logging
import os
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import stamina
import structlog
from structlog.typing import EventDict, WrappedLogger

from schema.redact import REDACTOR
from schema.settings import Settings

FILE_NAME = "copydesk.log"
_CAP = 20 * 2**20


def open_log(settings: Settings) -> Path:
    """Send all logging of this process to the log file, from `settings.log_level` on, and return its path. A file that
    has grown beyond 20 MB is put aside first, in place of the one put aside before."""
    path = settings.state_dir / FILE_NAME
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and path.stat().st_size > _CAP:
        path.rename(path.with_suffix(".log.1"))
    file: BinaryIO = open(path, "ab", buffering=0, opener=_private)  # noqa: SIM115 - open as long as the process
    for secret in (settings.database_url, settings.passphrase):
        if secret is not None:
            REDACTOR.register(secret.get_secret_value())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    # Whoever retries says itself what failed and when it is over; a line an attempt would only fill the disk.
    stamina.instrumentation.set_on_retry_hooks(())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(file),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=max(level, logging.INFO), force=True)
    return path


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: the event without secrets, traceback text included. After it nothing may be added."""
    return {name: value if name == "timestamp" else REDACTOR.value(value, name) for name, value in event.items()}


class _ToStructlog(logging.Handler):
    """Passes a record of the standard library's logging on."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _json(event: Any, **_: Any) -> bytes:
    return msgspec.json.encode(event)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
