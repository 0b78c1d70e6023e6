"""`copydesk replay`: a recorded session through the engine again, and what other rules would have done with it.

Works on the session's file alone: no desk, no database, no venue. Loads no terminal.
"""

import sys
from decimal import Decimal
from pathlib import Path

import click
import msgspec

from engine.replay import Difference, Replayed, replay, words
from engine.rulefile import OtherRules
from engine.session import ENDING, SessionRefused, read_header, sessions
from engine.whatif import Outcome, WhatIf, what_if
from schema.clock import to_datetime
from schema.records import Copy
from schema.settings import Settings
from tui.shell import refusals, settings_from
from tui.text import counted

_SHOWN = 10


@click.command("replay")
@click.argument("session", required=False)
@click.option("--list", "listing", is_flag=True, help="Show the recorded sessions.")
@click.option("--each", is_flag=True, help="Show every decision, the same or not.")
@click.option(
    "--rules",
    type=click.Path(dir_okay=False, path_type=Path),
    help="What other rules would have done: a TOML file with [default] and [accounts.NAME].",
)
@click.option("--demo", is_flag=True, help="A session of the practice desk.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def replay_command(
    config: Path | None, session: str | None, listing: bool, each: bool, rules: Path | None, demo: bool, as_json: bool
) -> None:
    """Replay a recorded SESSION (the latest) and compare every decision; exit code 1 when one is different."""
    with refusals():
        settings = settings_from(config)
        if demo:
            settings = settings.model_copy(update={"state_dir": settings.state_dir / "demo"})
        if listing:
            _list(settings, as_json=as_json)
            return
        path = _chosen(settings, session)
        if rules is not None:
            other = what_if(path, OtherRules.read(rules))
            click.echo(msgspec.json.encode(other).decode() if as_json else _as_table(other))
            return
        found = replay(path, _say if each and not as_json else None)
    click.echo(msgspec.json.encode(found).decode() if as_json else as_text(found))
    sys.exit(0 if found.same else 1)


def _chosen(settings: Settings, name: str | None) -> Path:
    """The session's file: a path, a name, or the beginning of one; the latest without a name. Raises
    SessionRefused."""
    known = sessions(settings.state_dir)
    if name is None:
        if not known:
            raise SessionRefused(
                f"session: none is recorded in {settings.state_dir}; run the desk first, or use --demo."
            )
        return known[-1]
    if Path(name).is_file():
        return Path(name)
    found = [path for path in known if path.name.startswith(name)]
    if len(found) != 1:
        what = "more than one begins with" if found else "there is no"
        raise SessionRefused(f"session: {what} {name}; choose one that `copydesk replay --list` shows.")
    return found[0]


def _list(settings: Settings, *, as_json: bool) -> None:
    rows: list[dict[str, str | int]] = []
    for path in sessions(settings.state_dir):
        try:
            desk, started_ns = (header := read_header(path)).desk, header.started_ns
        except SessionRefused as refused:
            desk, started_ns = str(refused), 0
        rows.append(
            {
                "session": path.name.removesuffix(ENDING),
                "started": f"{to_datetime(started_ns):%Y-%m-%dT%H:%M:%SZ}" if started_ns else "",
                "bytes": path.stat().st_size,
                "desk": desk,
            }
        )
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
    for row in [] if as_json else rows:
        click.echo(f"{row['session']}  {row['started']:20}  {int(row['bytes']) / 1e6:8.1f} MB  {row['desk']}")


def _say(copy: Copy, same: bool) -> None:
    click.echo(f"{'same' if same else 'DIFFERENT':9}  {copy.signal_id}  {copy.follower}  {words(copy)}")


def as_text(found: Replayed) -> str:
    """The replay for a person: a summary, then the first differences."""
    began, ended = to_datetime(found.started_ns), to_datetime(found.ended_ns)
    lines = [f"session {found.session} of {found.desk}, {began:%Y-%m-%d %H:%M:%S} to {ended:%H:%M:%S} UTC"]
    lines += [f"note: {note}" for note in found.notes]
    if found.unrecorded:
        last = counted(found.unrecorded, "input was", "inputs were")
        lines.append(f"note: the desk was killed before what the last {last} answered with could be recorded")
    end = "all the same" if found.same else f"{found.different:,} different"
    lines.append(f"{found.inputs:,} inputs, {found.decisions:,} decisions, {end}")
    for difference in found.differences[:_SHOWN]:
        lines += ["", *_difference(difference)]
    if found.different > _SHOWN:
        lines += ["", f"and {found.different - _SHOWN:,} more; the first one matters most"]
    return "\n".join(lines)


def _difference(found: Difference) -> list[str]:
    at = f" at {to_datetime(found.at_ns):%H:%M:%S.%f}"[:-3] if found.at_ns else ""
    about = f", {found.follower}, signal {found.signal_id}" if found.follower else ""
    return [
        f"input {found.seq:,}{at} ({found.input or 'without effect now'}){about}",
        f"  recorded  {found.recorded or 'nothing'}",
        f"  now       {found.now}",
    ]


def _as_table(found: WhatIf) -> str:
    """What other rules would have done, a line a follower and below it what was recorded."""
    lines = [
        f"session {found.session} with other rules: {found.inputs:,} inputs, {found.signals:,} signals; orders filled "
        "at once at the leader's price"
    ]
    lines += [f"note: {note}" for note in found.notes]
    lines += [
        "",
        f"{'follower':12} {'':9} {'rule':28} {'copies':>7} {'lots':>7} {'final':14} {'realised':>13} {'open':>13}",
    ]
    for follower in found.followers:
        lines += [_row(follower.account, "now", follower.other), _row("", "recorded", follower.recorded)]
    lines.append("")
    for name in ("now", "recorded"):
        each = [follower.other if name == "now" else follower.recorded for follower in found.followers]
        total = Outcome(
            rule="",
            copies=sum(outcome.copies for outcome in each),
            lots=sum(outcome.lots for outcome in each),
            final="",
            realized=sum((outcome.realized for outcome in each), Decimal(0)),
            open=sum((outcome.open for outcome in each), Decimal(0)),
        )
        lines.append(_row("all" if name == "now" else "", name, total))
    return "\n".join(lines)


def _row(account: str, name: str, outcome: Outcome) -> str:
    return (
        f"{account:12} {name:9} {outcome.rule:28} {outcome.copies:7,} {outcome.lots:7,} {outcome.final:14} "
        f"{outcome.realized:13,.2f} {outcome.open:13,.2f}"
    )
