"""`copydesk why`: the story of one copy, from the journal, with or without a running desk. Loads no terminal."""

import sys
import time
from pathlib import Path

import click
import msgspec
import psutil

from engine.why import clock, undecided, why
from schema.clock import SYSTEM_CLOCK
from schema.records import Copy, Signal
from schema.settings import Settings
from schema.store import Store
from tui.shell import run, settings_with_log
from tui.text import clean, counted


@click.command("why")
@click.argument("account", required=False)
@click.argument("at", metavar="[TIME]", required=False)
@click.option(
    "--undecided", "open_only", is_flag=True, help="Pairs past their deadline without a decision; there are 0."
)
@click.option("--demo", is_flag=True, help="On the practice desk.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def why_command(
    config: Path | None, account: str | None, at: str | None, open_only: bool, demo: bool, as_json: bool
) -> None:
    """The story of ACCOUNT's last copy, or of its newest at or before TIME (14:32, 14:32:05, 2026-11-21T14:32; UTC)."""
    settings = settings_with_log(config)
    if demo:
        settings = settings.model_copy(update={"state_dir": settings.state_dir / "demo"})
    if open_only:
        sys.exit(run(_undecided(settings, as_json=as_json)))
    if account is None:
        raise click.UsageError("account: name the follower, as in `copydesk why DEMO1001 14:32`.")
    run(_story(settings, account, at, as_json=as_json))


async def _story(settings: Settings, account: str, at: str | None, *, as_json: bool) -> None:
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        told = await why(store, account, at, now_ns=SYSTEM_CLOCK.now_ns())
    finally:
        await store.close()
    if as_json:
        click.echo(msgspec.json.encode(told).decode())
        return
    click.echo("\n".join(clean(line) for line in told.as_text().splitlines()))
    total_ms = (time.time() - psutil.Process().create_time()) * 1e3
    click.echo(f"asked the journal for {told.query_ms:.1f} ms, {total_ms:,.0f} ms in all")


async def _undecided(settings: Settings, *, as_json: bool) -> int:
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        overdue, asking = await undecided(store, SYSTEM_CLOCK.now_ns(), settings.deadline_s)
    finally:
        await store.close()
    if as_json:
        pairs = [{"signal": signal, "copy": copy} for signal, copy in overdue]
        click.echo(msgspec.json.encode({"undecided": pairs, "unknown": asking}).decode())
    else:
        click.echo(f"{counted(len(overdue), 'pair', 'pairs')} undecided, {asking} unknown and asked about")
        for signal, copy in overdue:
            click.echo(_line(signal, copy))
    return 1 if overdue else 0


def _line(signal: Signal, copy: Copy) -> str:
    order = f"{copy.side} {copy.qty} {copy.symbol}" if copy.qty else copy.symbol
    return f"{clock(copy.received_ns)}  {copy.follower}  {order}  after {signal.leader} {signal.kind} {signal.source}"
