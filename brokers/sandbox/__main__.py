"""`python -m brokers.sandbox`: the practice venue as its own process. `tui/cli.py` offers it as `copydesk sandbox`.

Prints one JSON line when the doors are open: addresses, control socket, and the logins with their passwords. Ends on
SIGTERM or SIGINT, and when the pipe at its standard input closes, so that a parent that dies leaves nothing behind.
"""

import asyncio
import gc
import os
import signal
import stat
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
import uvloop

from brokers.sandbox.client import ANNOUNCED
from brokers.sandbox.market_tape import TapeUnreadable
from brokers.sandbox.server import TRADOVATE, Login, Options, Sandbox, UnknownVenue, desk_logins
from brokers.sandbox.settings import BinanceSettings, DoorSettings, FixSettings, NinjaTraderSettings, ProjectXSettings
from schema.clock import SYSTEM_CLOCK

_ON_OFF = click.Choice(["on", "off"])


def _announced_at(context: click.Context, _parameter: click.Parameter, given: Path | None) -> Path | None:
    """Where it says its doors: for the desk that this user opens, unless a desk starts it for itself."""
    if given is not None or context.parent is None:
        return given
    from schema.settings import SettingsError, load_settings

    try:
        return load_settings(context.obj).state_dir / ANNOUNCED
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


@click.command("sandbox")
@click.option("--tape", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A recorded market to play.")
@click.option("--speed", type=click.FloatRange(min=0.01, max=1000), default=1.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the market, the leader and the passwords.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 takes any free one.")
@click.option("--control", type=click.Path(path_type=Path), help="Unix socket to order faults and read the truth at.")
@click.option(
    "--announce",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_announced_at,
    help="A file that tells the login form of a desk where the doors are.  [in the state directory]",
)
@click.option(
    "--accounts", help="JSON file (- for a line of standard input): [{username, accounts: [names], venue}, ...]."
)
@click.option("--logins", type=click.IntRange(min=0), default=4, show_default=True, help="Besides the leader's own.")
@click.option("--venue", "venues", multiple=True, help="Whose doors the logins are dealt to in turn.  [tradovate]")
@click.option("--feed", "feeds", multiple=True, help="Public market data to offer beside: binance.")
@click.option("--accounts-per-login", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--requests-per-min", type=click.IntRange(min=0), default=80, show_default=True, help="Per user; 0: all.")
@click.option("--balance", type=Decimal, default=Decimal(250_000), show_default=True, help="Of each account.")
@click.option("--leader-script", type=_ON_OFF, default="off", show_default=True, help="Trade the first account.")
@click.option("--leader-pace", type=click.FloatRange(min=0.001), default=0.5, show_default=True, help="Seconds a step.")
@click.option("--environment", type=click.Choice(["demo", "live"]), default="demo", show_default=True)
@click.option("--token-lifetime", type=click.FloatRange(min=0.1), default=4800.0, show_default=True, help="Seconds.")
@click.option("--strict-entity-types", type=_ON_OFF, default="off", show_default=True, help="No types, no sync.")
@click.option("--split-responses", type=_ON_OFF, default="off", show_default=True, help="Heed splitResponses.")
@click.option("--exit-with-parent/--no-exit-with-parent", default=True, show_default=True, help="When stdin closes.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=N",
    help="Any other limit of the door's settings; VENUE.NAME=N at another door.",
)
def sandbox_command(**given: Any) -> None:
    """The practice venue: a matching engine behind a broker's real protocol, on this machine only."""
    try:
        options = _options(given)
        uvloop.run(_run(options, exit_with_parent=given["exit_with_parent"], announce=given["announce"]))
    except (TapeUnreadable, UnknownVenue, OSError) as error:
        raise click.ClickException(str(error)) from None
    except BaseExceptionGroup as group:
        known = group.subgroup((TapeUnreadable, UnknownVenue, OSError))
        if known is None:
            raise
        raise click.ClickException(str(known.exceptions[0])) from None


def _options(given: dict[str, Any]) -> Options:
    return Options(
        logins=_logins(given),
        tape=given["tape"],
        speed=given["speed"],
        seed=given["seed"],
        port=given["port"],
        control=given["control"],
        balance=given["balance"],
        leader_on=given["leader_script"] == "on",
        leader_pace_s=given["leader_pace"],
        door=_door_settings(given),
        projectx=_projectx_settings(given),
        fix=_with_limits(FixSettings, {}, _limits_of("fix", given)),
        ninjatrader=_with_limits(NinjaTraderSettings, {}, _limits_of("ninjatrader", given)),
        binance=_with_limits(BinanceSettings, {}, _limits_of("binance", given)),
        feeds=given["feeds"],
    )


def _logins(given: dict[str, Any]) -> tuple[Login, ...]:
    source: str | None = given["accounts"]
    if source is None:
        return desk_logins(given["logins"], given["accounts_per_login"], given["venues"] or (TRADOVATE,))
    try:
        text = sys.stdin.readline() if source == "-" else Path(source).read_text("utf-8")
        logins = msgspec.json.decode(text, type=tuple[Login, ...])
    except (OSError, msgspec.MsgspecError) as error:
        raise click.BadParameter(f"{source}: {error}", param_hint="--accounts") from None
    if not logins or not logins[0].accounts:
        raise click.BadParameter("the first login needs an account: it leads.", param_hint="--accounts")
    return logins


def _door_settings(given: dict[str, Any]) -> DoorSettings:
    wanted: dict[str, Any] = {
        "environment": given["environment"],
        "token_lifetime_s": given["token_lifetime"],
        "requests_per_min": given["requests_per_min"],
        "strict_entity_types": given["strict_entity_types"] == "on",
        "split_responses": given["split_responses"] == "on",
    }
    return _with_limits(DoorSettings, wanted, [limit for limit in given["limits"] if "." not in limit.split("=")[0]])


SettingsT = TypeVar("SettingsT", DoorSettings, ProjectXSettings, FixSettings, NinjaTraderSettings, BinanceSettings)


def _limits_of(venue: str, given: dict[str, Any]) -> list[str]:
    """What ``--limit VENUE.NAME=N`` says of one door (`Options` has a field of each such door's name)."""
    for limit in given["limits"]:
        named = limit.split("=")[0].rpartition(".")[0]
        if named and named not in Options.__struct_fields__:
            raise click.BadParameter(f"there is no door {named!r}.", param_hint="--limit")
    return [limit.removeprefix(f"{venue}.") for limit in given["limits"] if limit.startswith(f"{venue}.")]


def _with_limits(shape: type[SettingsT], wanted: dict[str, Any], limits: list[str]) -> SettingsT:
    """A door's settings. Raises click.BadParameter naming what is wrong."""
    for limit in limits:
        name, _, value = limit.partition("=")
        if name not in shape.__struct_fields__:
            known = ", ".join(shape.__struct_fields__)
            raise click.BadParameter(f"there is no {name!r}; there are {known}.", param_hint="--limit")
        wanted[name] = value
    try:
        return msgspec.convert(wanted, shape, strict=False)
    except msgspec.ValidationError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from None


def _projectx_settings(given: dict[str, Any]) -> ProjectXSettings:
    return _with_limits(ProjectXSettings, {}, _limits_of("projectx", given))


async def _run(options: Options, *, exit_with_parent: bool, announce: Path | None = None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if exit_with_parent:
        _watch_stdin(loop, stop)
    ready: asyncio.Future[dict[str, Any]] = loop.create_future()
    ready.add_done_callback(lambda line: _say(line.result(), announce))
    sandbox = Sandbox(options, SYSTEM_CLOCK)
    # Full collections over a day's orders would show as the venue's latency: what is young is collected, what has
    # grown old here is no garbage.
    gc.freeze()
    gc.set_threshold(700, 10, 1_000_000)
    try:
        await sandbox.run(ready, stop)
    finally:
        if announce is not None:
            _withdraw(announce)


def _say(line: dict[str, Any], announce: Path | None) -> None:
    click.echo(msgspec.json.encode(line))
    if announce is None:
        return
    announce.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = announce.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode({"pid": os.getpid(), **line}))
    beside.replace(announce)
    if sys.stderr.isatty():
        text = "Its logins are in the desk's login form now: open copydesk in another terminal, then a. "
        click.echo(f"{text}With --leader-script on --leader-pace 15 its leader trades.", err=True)


def _withdraw(announce: Path) -> None:
    """Unless another one has announced itself since."""
    try:
        if msgspec.json.decode(announce.read_bytes())["pid"] == os.getpid():
            announce.unlink()
    except (OSError, msgspec.MsgspecError):
        return


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Stop when the pipe a parent holds at our standard input closes. A terminal or a file there is left alone."""
    fd = sys.stdin.fileno()
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def readable() -> None:
        if not os.read(fd, 4096):
            loop.remove_reader(fd)
            stop.set()

    loop.add_reader(fd, readable)


if __name__ == "__main__":
    sandbox_command()
