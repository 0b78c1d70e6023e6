"""`copydesk backfill`: asks a source for what is not stored of a symbol's candles, with or without a running desk.
Loads no terminal.

What was stored stays, however it ends: the same command goes on where it was.
"""

import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

import click

from brokers.feed import FeedDown, History
from brokers.feeds import build_source
from brokers.histories import HISTORY_TABLE
from brokers.recorded import RecordedHistory
from engine.backfill import Backfill, Checked, Filled, Progress
from engine.export import iso, moment
from engine.tickbars import width_ns
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval, S
from schema.records import ConnectionConfig
from schema.settings import FEEDS, Settings
from schema.store import Store
from schema.store_market import TRADES
from schema.symbols import UnknownProduct, parse_contract
from schema.vault import Vault
from tui.candles import interval_of
from tui.shell import Refused, refusals, run, settings_with_log
from tui.text import clean, counted

_DAY_NS = 86_400 * S
_SHOWN = 10
_STEP = 0.1  # between two plain lines
_INTERRUPTED = 130


@click.command("backfill")
@click.argument("symbol")
@click.argument("interval")
@click.option("--from", "since", required=True, help="From this day or time on, UTC: 2026-11-21 or 2026-11-21T14:30.")
@click.option("--to", "until", help="Up to and without this day or time, UTC.  [now]")
@click.option("--source", help="A feed, a login, or its venue; may be left out when only one does.")
@click.option("--trades", is_flag=True, help="Ask for trades too, and hold the candles against them.")
@click.option("--tape", type=click.Path(dir_okay=False, path_type=Path), help="A recorded file instead of a source.")
@click.pass_obj
def backfill(
    config: Path | None,
    symbol: str,
    interval: str,
    since: str,
    until: str | None,
    source: str | None,
    trades: bool,
    tape: Path | None,
) -> None:
    """Ask for the candles of SYMBOL in INTERVAL (1m, 4h, 1d) that are not stored yet. Exit code 1 when it could not, or
    when candles differ from their trades; run it again to go on."""
    if source and tape:
        raise click.UsageError("--source and --tape: write one of them.")
    settings, of = settings_with_log(config), interval_of(interval)
    with refusals():
        since_ns = moment("from", since)
        until_ns = moment("to", until) if until else SYSTEM_CLOCK.now_ns()
    if (trades or tape) and not width_ns(of):
        raise Refused(f"interval: candles of {of} can't be built of trades; write a time such as 1m or 4h.")
    _check(settings, since, until, since_ns, until_ns, trades=trades or tape is not None)
    shown = _Shown()

    async def work() -> int:
        store = await Store.open(settings, SYSTEM_CLOCK)
        market = store.market()
        try:
            async with _history(settings, store, symbol, source, tape) as history:
                filling = Backfill(history, market, SYSTEM_CLOCK, shown.told)
                with shown.open():
                    done = [await filling.bars(symbol.upper(), of, since_ns, until_ns)] if tape is None else []
                    if trades or tape is not None:
                        done.append(await filling.trades(symbol.upper(), since_ns, until_ns))
                for each in done:
                    click.echo(_sentence(each))
                if not trades and tape is None:
                    return 0
                checked = await filling.build(symbol.upper(), of, since_ns, until_ns)
                _say(checked, of)
                return 1 if checked.differences else 0
        except FeedDown as down:
            raise Refused(shown.so_far(str(down))) from None
        finally:
            await market.close()
            await store.close()

    try:
        code = run(work())
    except KeyboardInterrupt:
        click.echo(shown.so_far("Stopped."), err=True)
        code = _INTERRUPTED
    sys.exit(code)


def _check(settings: Settings, since: str, until: str | None, since_ns: int, until_ns: int, *, trades: bool) -> None:
    """Raises Refused when there is nothing to ask for, or it would not be kept."""
    if since_ns >= until_ns:
        raise Refused(f"to: {until or 'now'} is not after {since}; give a later end or an earlier --from.")
    for name, days in (("bars_days", settings.bars_days), ("trades_days", settings.trades_days if trades else None)):
        if days is not None and since_ns < SYSTEM_CLOCK.now_ns() - days * _DAY_NS:
            raise Refused(f"from: {since} is longer ago than the {days} days of {name}; set {name} higher.")


@asynccontextmanager
async def _history(
    settings: Settings, store: Store, symbol: str, source: str | None, tape: Path | None
) -> AsyncGenerator[History]:
    """Raises Refused naming what is not there."""
    if tape is not None:
        if not tape.is_file():
            raise Refused(f"tape: there is no file {tape}; name a recorded one.")
        yield RecordedHistory(tape)
        return
    if feed := _feed(settings, symbol, source):
        opened = build_source(feed, settings, SYSTEM_CLOCK, Random())
        try:
            yield opened.history
        finally:
            await opened.close()
        return
    config = _login((await store.load_config()).connections, source)
    vault = Vault.open(settings)
    credentials = vault.credentials(config, await store.sealed_credentials(config.connection))
    async with HISTORY_TABLE[config.venue](config, credentials, SYSTEM_CLOCK) as history:
        yield history


def _feed(settings: Settings, symbol: str, source: str | None) -> str:
    """The source that needs no login and is meant: the one that is named, or, of a symbol that is no contract, the
    first of the settings; empty when none is."""
    if source is not None:
        return source if source in FEEDS else ""
    try:
        parse_contract(symbol.upper())
    except UnknownProduct:
        return next(iter(settings.feeds), "")
    return ""


def _login(logins: tuple[ConnectionConfig, ...], source: str | None) -> ConnectionConfig:
    telling = [login for login in logins if login.venue in HISTORY_TABLE]
    if source is not None:
        named = [login for login in telling if source in (login.connection, login.venue)]
        if named:
            return named[0]
        known = dict.fromkeys(name for login in telling for name in (login.connection, login.venue))
        raise Refused(f"source: {clean(source)} tells no candles; write {', '.join([*known, *FEEDS])}.")
    if not telling:
        raise Refused(f"source: {_none()}.")
    if len({login.venue for login in telling}) > 1:
        raise Refused(f"source: several logins tell candles; add --source {telling[0].connection}.")
    return telling[0]


def _none() -> str:
    return (
        f"no login tells candles; add one at {' or '.join(HISTORY_TABLE)}, name a feed with --source {FEEDS[0]}, "
        "or a recorded file with --tape"
    )


class _Shown:
    """The progress on standard error: a bar on a terminal, elsewhere a line for each tenth."""

    def __init__(self) -> None:
        self._newest: Progress | None = None
        self._said = 0.0
        self._draw: Callable[[Progress], None] = self._line

    @contextmanager
    def open(self) -> Generator[None]:
        if not sys.stderr.isatty():
            yield
            return
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Bars(*columns, console=Console(stderr=True)) as bars:
            tasks = {}

            def draw(progress: Progress) -> None:
                if progress.what not in tasks:
                    tasks[progress.what] = bars.add_task("", total=1.0)
                bars.update(tasks[progress.what], completed=progress.fraction, description=_words(progress))

            self._draw = draw
            yield

    def told(self, progress: Progress) -> None:
        self._newest = progress
        self._draw(progress)

    def so_far(self, sentence: str) -> str:
        if self._newest is None or not self._newest.rows:
            return sentence
        return (
            f"{sentence} {self._newest.rows:,} {_rows(self._newest.what)} were told and what of them is complete is "
            "stored; run it again to go on."
        )

    def _line(self, progress: Progress) -> None:
        if progress.fraction < self._said:
            self._said = 0.0
        if progress.fraction >= self._said + _STEP or progress.fraction >= 1.0 > self._said:
            self._said = progress.fraction
            click.echo(f"{_words(progress)}, {int(progress.fraction * 100)}%", err=True)


def _rows(what: str) -> str:
    return TRADES if what == TRADES else "candles"


def _words(progress: Progress) -> str:
    return f"{clean(progress.symbol)} {progress.what}: {progress.rows:,} {_rows(progress.what)}"


def _sentence(done: Filled) -> str:
    what = f"{clean(done.symbol)} {done.what} of {done.source}"
    if not done.asked:
        return f"{what}: nothing is missing."
    pages = counted(done.pages, "page", "pages")
    text = f"{what}: {done.rows:,} {_rows(done.what)} told, {done.changed:,} new, in {pages}"
    if done.unsound:
        text += f"; {done.unsound:,} contradict themselves and are not kept"
    return f"{text}."


def _say(checked: Checked, interval: Interval) -> None:
    same = "all the same" if not checked.differences else f"{len(checked.differences):,} differences"
    compared = f"; {checked.compared:,} held against the venue's own, {same}" if checked.compared else ""
    click.echo(f"{checked.candles:,} {interval} candles built of trades{compared}.")
    for each in checked.differences[:_SHOWN]:
        click.echo(f"{iso(each.start_ns)[:19]}  {each}")
    if len(checked.differences) > _SHOWN:
        click.echo(f"and {len(checked.differences) - _SHOWN:,} more.")
