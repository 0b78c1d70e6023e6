"""`copydesk export`: anything the desk has as CSV, from its database with or without a running desk, and of a running
desk, over its socket, what only that knows. Loads no terminal."""

from pathlib import Path

import click

from engine.export import counted_rows, export, export_pane
from engine.export_panes import EVERYTHING, PANES
from schema.clock import SYSTEM_CLOCK
from schema.settings import Settings
from schema.store import Store
from tui.shell import Refused, practice, refusals, run, settings_with_log


@click.command("export", help=f"Write one of these as CSV (RFC 4180): {', '.join(EVERYTHING)}.")
@click.argument("what", metavar="WHAT")
@click.option("--from", "since", help="From this day or time on, UTC: 2026-11-21 or 2026-11-21T14:30.")
@click.option("--to", "until", help="Up to and without this day or time, UTC; of a report, trading days, and with it.")
@click.option("--account", help="Only this account.")
@click.option("--demo", is_flag=True, help="Of the practice desk.")
@click.option("--out", default="-", show_default=True, help="File to write, - for standard output.")
@click.pass_obj
def export_command(
    config: Path | None, what: str, since: str | None, until: str | None, account: str | None, demo: bool, out: str
) -> None:
    settings = practice(settings_with_log(config), demo)
    if what in PANES:
        rows = _of_running(settings, what, since or until, account, out)
    else:
        rows = run(_of_store(settings, what, since, until, account, out))
    if out != "-":
        click.echo(f"{counted_rows(what, rows)} written to {out}.", err=True)


async def _of_store(
    settings: Settings, what: str, since: str | None, until: str | None, account: str | None, out: str
) -> int:
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        return await export(store, what, out, since=since, until=until, account=account)
    finally:
        await store.close()


def _of_running(settings: Settings, what: str, time: str | None, account: str | None, out: str) -> int:
    from engine.remote import NoDesk, RemoteSeat
    from engine.seat_wire import SeatRole

    if time:
        raise Refused(f"from: {what} is what a running desk shows now; leave --from and --to out.")
    seat = RemoteSeat(settings.state_dir, SeatRole.VIEWER)
    try:
        seat.start()
    except NoDesk as reason:
        raise Refused(f"export: only a running desk knows {what}. {reason}") from None
    try:
        with refusals():
            return export_pane(seat.view, what, out, account)
    finally:
        seat.stop()
