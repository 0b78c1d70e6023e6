"""The shell commands. The only module that starts processes; every import waits until a command needs it, so that
`copydesk export` never loads the terminal, and `copydesk kill` nothing that it can do without."""

import sys
from importlib import import_module
from pathlib import Path

import click
from click.exceptions import NoSuchCommand

from tui.shell import OneSentence, refusals, run, settings_with_log

_ELSEWHERE = {
    "accounts": "tui.accounts:accounts",
    "attach": "tui.attach:attach",
    "backfill": "tui.backfill:backfill",
    "candles": "tui.candles:candles",
    "engine": "tui.attach:engine_command",
    "export": "tui.exporting:export_command",
    "groups": "tui.groups:groups",
    "guard": "tui.kill:guard",
    "health": "tui.health:health",
    "keys": "tui.keys:keys",
    "kill": "tui.kill:kill",
    "replay": "tui.replay:replay_command",
    "report": "tui.report:report_command",
    "sandbox": "brokers.sandbox.__main__:sandbox_command",
    "symbols": "tui.symbols:symbols",
    "watch": "tui.watch:watch",
    "why": "tui.why:why_command",
}
"""Commands of other modules, by name."""


class _Commands(OneSentence):
    """Imports a command's module when it is called, or when all are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), *_ELSEWHERE))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = _ELSEWHERE[cmd_name].partition(":")
        return getattr(import_module(module), name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as unknown:  # click looks for the nearest among those that are imported
            raise NoSuchCommand(unknown.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None


@click.group(cls=_Commands, invoke_without_command=True)
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="Settings file (copydesk.toml).")
@click.option("--layout", default="", help="The layout to show; without it, what was shown last.")
@click.pass_context
def main(context: click.Context, config: Path | None, layout: str) -> None:
    """copydesk mirrors a leader account's trades to its followers. Without a command it opens your desk."""
    context.obj = config
    if layout and context.invoked_subcommand is not None:
        raise click.UsageError(f"--layout comes after {context.invoked_subcommand}, as an option of it.")
    if context.invoked_subcommand is None:
        from tui.launch import open_desk

        with refusals():
            sys.exit(open_desk(settings_with_log(config), layout=layout))


@main.command()
@click.option("--tape", type=click.Path(exists=True, dir_okay=False, path_type=Path), envvar="COPYDESK_TAPE")
@click.option(
    "--speed",
    type=click.FloatRange(min=0.01, max=1000),
    help="The market's time per real time.  [20 with a tape, else 1: a made market's time is ours]",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--headless", is_flag=True, help="No screen: run, settle, report.")
@click.option("--seconds", type=click.FloatRange(min=1), default=30.0, show_default=True, help="With --headless.")
@click.option("--json", "as_json", is_flag=True, help="With --headless: one JSON object.")
@click.option("--venue", "venues", multiple=True, help="Where the followers' logins are, in turn.  [every venue]")
@click.option(
    "--venue-latency",
    type=(click.FloatRange(min=0.1), click.FloatRange(min=0.1), click.FloatRange(min=0.1)),
    metavar="P50 P95 MAX",
    help="Milliseconds (lognormal, none above MAX) that every request takes to its venue.",
)
@click.option("--layout", default="", help="The layout to show; without it, what was shown last.")
@click.pass_obj
def demo(
    config: Path | None,
    tape: Path | None,
    speed: float | None,
    seed: int,
    headless: bool,
    seconds: float,
    as_json: bool,
    venues: tuple[str, ...],
    venue_latency: tuple[float, float, float] | None,
    layout: str,
) -> None:
    """The practice desk: sandbox venues, one leader and 20 followers, real sockets and a real database."""
    from tui.demo import VENUES, Demo

    settings = settings_with_log(config)
    with refusals():
        speed = speed or (20.0 if tape else 1.0)
        practice = Demo(settings, tape=tape, speed=speed, seed=seed, venues=venues or VENUES, latency_ms=venue_latency)
        sys.exit(practice.headless(seconds, as_json=as_json) if headless else practice.open(layout))


@main.command()
@click.pass_obj
def doctor(config: Path | None) -> None:
    """Check this machine, the settings, the database and every login; PASS or FAIL a line."""
    from tui.doctor import examine

    sys.exit(run(examine(config)))


if __name__ == "__main__":
    main()
