"""`copydesk report`: what was earned and how it was copied on a trading day or several, with or without a running desk.
Loads no terminal."""

from pathlib import Path

import click
import msgspec

from engine.export import counted_rows, export_report
from engine.reported import Report, ReportAsked
from engine.reporting import make
from schema.clock import SYSTEM_CLOCK
from schema.settings import Settings
from schema.store import Store
from tui.report_text import text_of
from tui.shell import practice, refusals, run, settings_with_log


@click.command("report")
@click.option("--day", help="This trading day: 2026-11-21, today, yesterday.  [today]")
@click.option("--from", "since", help="From this trading day on.")
@click.option("--to", "until", help="Up to this trading day, it included.")
@click.option("--account", help="Only this account.")
@click.option("--group", help="Only the accounts of this group.")
@click.option("--demo", is_flag=True, help="Of the practice desk.")
@click.option("--plot", is_flag=True, help="Draw the equity curve, P&L by account, latency and slippage.")
@click.option("--csv", "csv_file", help="Write a row for each account and day to this file, - for standard output.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; amounts are text, exact.")
@click.pass_obj
def report_command(
    config: Path | None,
    day: str | None,
    since: str | None,
    until: str | None,
    account: str | None,
    group: str | None,
    demo: bool,
    plot: bool,
    csv_file: str | None,
    as_json: bool,
) -> None:
    """P&L, fees, trades, copies, slippage and latency of a trading day (17:00 to 17:00 Chicago), or of several."""
    if as_json + plot + (csv_file == "-") > 1:
        raise click.UsageError("--json, --plot and --csv -: write one of them to standard output.")
    settings = practice(settings_with_log(config), demo)
    made = run(_made(settings, ReportAsked(day=day, since=since, until=until, account=account, group=group)))
    if csv_file is not None:
        with refusals():
            rows = export_report(made, csv_file)
        if csv_file == "-":
            return
        click.echo(f"{counted_rows('report', rows)} written to {csv_file}.", err=True)
    if as_json:
        click.echo(msgspec.json.encode(made).decode())
        return
    click.echo(text_of(made))
    if plot:
        from tui.report_plot import plots, width_here

        for drawn in plots(made, width_here()):
            click.echo(f"\n{drawn}")


async def _made(settings: Settings, asked: ReportAsked) -> Report:
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        return await make(store.reports(), asked, SYSTEM_CLOCK.now_ns())
    finally:
        await store.close()
