"""What the shell commands share: settings with their log, and one sentence for every error a trader can cause.

Called by `tui/cli.py`, which holds the commands, and by `tui/accounts.py`. Loads no terminal.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click
from click.exceptions import NoArgsIsHelpError

from schema.logs import open_log
from schema.settings import Settings, load_settings

if TYPE_CHECKING:
    from schema.store import Store

_T = TypeVar("_T")
_REFUSALS = (
    ("schema.settings", "SettingsError"),
    ("schema.lock", "StateDirBusy"),
    ("schema.postgres", "PostgresError"),
    ("schema.store", "JournalDown"),
    ("schema.store", "StoreRefused"),
    ("schema.vault", "VaultError"),
    ("brokers.adapter", "VenueError"),
    ("engine.seat", "CommandRefused"),
    ("engine.export", "ExportRefused"),
    ("engine.session", "SessionRefused"),
    ("engine.rules", "RuleRefused"),
)
"""By module and name: a command loads those that it can raise, and no database for one that has none."""


class Refused(click.ClickException):
    """What the desk will not do; the text is one sentence naming the field and the remedy. Exit code 1."""


def _loaded_refusals() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in _REFUSALS if module in sys.modules)


@contextmanager
def refusals() -> Generator[None]:
    """What the desk refuses becomes Refused."""
    try:
        yield
    except _loaded_refusals() as error:
        # `from None`: a chain could show what the sentence leaves out.
        raise Refused(str(error)) from None


def settings_from(config: Path | None) -> Settings:
    """The settings. Raises Refused."""
    with refusals():
        return load_settings(config)


def settings_with_log(config: Path | None) -> Settings:
    """The settings, with the log of this process going to their state directory. Raises Refused."""
    settings = settings_from(config)
    try:
        open_log(settings)
    except OSError as error:
        raise Refused(unusable(settings, error)) from None
    return settings


def practice(settings: Settings, demo: bool) -> Settings:
    """The settings, or with `demo` those of the practice desk."""
    return settings.model_copy(update={"state_dir": settings.state_dir / "demo"}) if demo else settings


def unusable(settings: Settings, error: OSError) -> str:
    """The sentence for a state directory that can't be written."""
    return f"state_dir: {settings.state_dir} can't be used ({error.strerror}); choose another state_dir."


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a command's coroutine. Raises Refused."""
    with refusals():
        return asyncio.run(work)


def with_store(config: Path | None, work: "Callable[[Store], Coroutine[Any, Any, _T]]") -> _T:
    """Run a command's coroutine on the open store of the settings. Raises Refused."""
    from schema.clock import SYSTEM_CLOCK
    from schema.store import Store

    settings = settings_with_log(config)

    async def whole() -> _T:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            return await work(store)
        finally:
            await store.close()

    return run(whole())


class OneSentence(click.Group):
    """A group whose every error is one sentence on standard error: exit code 2 for a command line that can't be
    read, 1 for what was refused."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            code = super().main(*args, standalone_mode=False, **extra)
        except NoArgsIsHelpError as wants_help:
            wants_help.show()
            code = wants_help.exit_code
        except click.UsageError as error:
            place = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
            code = _say(f"{error.format_message()}{place}", error.exit_code)
        except click.ClickException as error:
            code = _say(error.format_message(), error.exit_code)
        except click.Abort:
            code = _say("Stopped.", 1)
        _leave(code)


def _say(sentence: str, code: int) -> int:
    from tui.text import clean  # venues' words are in many a sentence

    click.echo("\n".join(clean(line) for line in sentence.splitlines()), err=True)
    return code


def _leave(code: Any) -> NoReturn:
    sys.exit(code if isinstance(code, int) else 0)
