"""`copydesk health`: how the running desk is, for a person, a monitor or a script. Called by `tui/cli.py`."""

from pathlib import Path

import click
import msgspec

from engine.health import HealthReport, read
from schema.clock import SYSTEM_CLOCK
from schema.lock import holder
from schema.market import FeedHealth
from tui.shell import Refused, settings_from
from tui.text import clean

_OLD_S = 5.0


class Answer(msgspec.Struct, frozen=True, omit_defaults=False):
    """What ``--json`` prints. `age_ms` is how old the report is, -1 when there is none; `ok` says that the desk runs,
    has reported within 5 s, may send orders, and hears all of its feeds."""

    ok: bool
    running: bool
    age_ms: float
    desk: HealthReport | None
    feeds: tuple[FeedHealth, ...]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def health(config: Path | None, as_json: bool) -> None:
    """How the running desk and its feeds are. Exit code 1 when it is not well, or none is running."""
    settings = settings_from(config)
    try:
        pid = holder(settings.state_dir)
    except OSError as error:
        raise Refused(f"state_dir: {settings.state_dir} can't be read ({error.strerror}).") from None
    answer = _answer(pid, read(settings.state_dir))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(answer)))
    else:
        for line in _lines(answer):
            click.echo(line)
    if not answer.ok:
        raise click.exceptions.Exit(1)


def _answer(pid: int | None, report: HealthReport | None) -> Answer:
    mine = report if report is not None and report.pid == pid else None
    age_ms = (SYSTEM_CLOCK.now_ns() - mine.at_ns) / 1e6 if mine is not None else -1.0
    feeds = mine.feeds if mine is not None else ()
    well = mine is not None and age_ms < _OLD_S * 1000 and not mine.blocked
    return Answer(
        ok=well and all(feed.ws_state in ("up", "idle") for feed in feeds),
        running=pid is not None,
        age_ms=round(age_ms, 1),
        desk=mine,
        feeds=feeds,
    )


def _lines(answer: Answer) -> list[str]:
    desk = answer.desk
    if not answer.running:
        return ["no desk is running here"]
    if desk is None:
        return ["a desk is starting here: it has not said yet how it is"]
    said = [f"desk {desk.desk}, pid {desk.pid}, as of {answer.age_ms / 1000:.1f} s ago"]
    said.append(f"connections {desk.connections_up} of {desk.connections} up, {desk.undecided} undecided")
    said.append(f"loop p99 {desk.loop_lag_p99_ms:.1f} ms, memory {desk.rss_mb:.0f} MB")
    said += [desk.blocked] if desk.blocked else []
    for feed in answer.feeds:
        said.append(
            f"{clean(feed.source)}: {feed.ws_state}, last message {feed.last_msg_age_ms:.0f} ms ago, "
            f"lag {feed.lag_ms:.0f} ms, {feed.reconnects} reconnects, {feed.gaps} gaps, {feed.dropped} dropped, "
            f"{feed.catchup_candles_total} candles caught up"
        )
    for market in desk.markets:
        lies = ", ".join(f"{what} {count}" for what, count in market.lies) or "no lies"
        said.append(
            f"{clean(market.symbol)} of {clean(market.source)}: {market.trades} trades, {market.held} kept off the "
            f"candles, {market.gaps} gaps, {market.missed} missed; {lies}"
        )
    return said
