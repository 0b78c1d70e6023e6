"""`copydesk candles`: what is stored of a symbol's candles, as a table, CSV, JSON or a drawing, with or without a
running desk. Loads no terminal."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import click
import msgspec

from engine.export import iso, moment
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval
from schema.records import Bar
from schema.store import Store
from schema.store_market import MarketStore
from tui.shell import Refused, refusals, run, settings_with_log
from tui.text import clean, price

_MOST = 100_000
_COLUMNS = ("open", "high", "low", "close", "volume")


class _Shown(msgspec.Struct):
    """What `--json` writes."""

    source: str
    symbol: str
    interval: str
    candles: tuple[Bar, ...]


@click.command("candles")
@click.argument("symbol")
@click.argument("interval")
@click.option("--limit", type=click.IntRange(1, _MOST), default=600, show_default=True, help="The newest so many.")
@click.option("--source", help="Whose candles, when there are several.")
@click.option("--since", help="From this day or time on, UTC: 2026-11-21 or 2026-11-21T14:30.")
@click.option("--csv", "as_csv", is_flag=True, help="RFC 4180, times to the nanosecond.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--plot", is_flag=True, help="Draw them, as wide as the terminal.")
@click.pass_obj
def candles(
    config: Path | None,
    symbol: str,
    interval: str,
    limit: int,
    source: str | None,
    since: str | None,
    as_csv: bool,
    as_json: bool,
    plot: bool,
) -> None:
    """Show the stored candles of SYMBOL (ESZ6, BTCUSDT) in INTERVAL (1m, 4h, 1d), oldest first."""
    if as_csv + as_json + plot > 1:
        raise click.UsageError("--csv, --json and --plot: write one of them.")
    settings, of = settings_with_log(config), interval_of(interval)
    name = symbol.upper()
    with refusals():
        since_ns = moment("since", since) if since else 0

    async def work() -> tuple[str, tuple[Bar, ...]]:
        store = await Store.open(settings, SYSTEM_CLOCK)
        market = store.market()
        try:
            chosen = source or await _only_source(market, name, of)
            return chosen, await market.bars(chosen, name, of, limit=limit, since_ns=since_ns)
        finally:
            await market.close()
            await store.close()

    chosen, bars = run(work())
    if not bars:
        raise Refused(_none(name, of, chosen, since))
    if as_csv:
        click.echo(_csv(bars), nl=False)
    elif as_json:
        click.echo(msgspec.json.encode(_Shown(chosen, name, str(of), bars)))
    elif plot:
        from tui.candle_plot import plotted

        click.echo(plotted(bars, f"{name} {of} {chosen}"))
    else:
        click.echo(_table(bars))


def interval_of(text: str) -> Interval:
    """Raises Refused."""
    try:
        return Interval.parse(text)
    except ValueError as error:
        raise Refused(str(error)) from None


async def _only_source(market: MarketStore, symbol: str, interval: Interval) -> str:
    """Raises Refused unless there is exactly one."""
    known = await market.sources(symbol, interval)
    if len(known) > 1:
        raise Refused(f"source: {clean(symbol)} has {interval} candles of {', '.join(known)}; add --source {known[0]}.")
    if not known:
        raise Refused(_none(symbol, interval, None, None))
    return known[0]


def _none(symbol: str, interval: Interval, source: str | None, since: str | None) -> str:
    where = (f" of {clean(source)}" if source else "") + (f" since {clean(since)}" if since else "")
    return (
        f"symbol: no {interval} candles of {clean(symbol)}{where} are stored; "
        f"`copydesk backfill {clean(symbol)} {interval} --from DAY` asks for them."
    )


def _csv(bars: tuple[Bar, ...]) -> str:
    """Numbers as the shortest text that reads back as the same."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\r\n")
    lines.writerow(("start", *_COLUMNS))
    lines.writerows((iso(bar.start_ns), *(repr(getattr(bar, name)) for name in _COLUMNS)) for bar in bars)
    return text.getvalue()


def _table(bars: tuple[Bar, ...]) -> str:
    rows = [("start (UTC)", *_COLUMNS)]
    rows += [
        (
            iso(bar.start_ns)[:19].replace("T", " "),
            *(price(Decimal(repr(getattr(bar, name)))) for name in _COLUMNS[:4]),
            f"{bar.volume:,.12g}",
        )
        for bar in bars
    ]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
