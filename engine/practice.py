"""The practice venue that runs on this machine: its logins, as the login form offers them. `copydesk sandbox` says in a
file of the state directory where its doors are; the file goes when it ends.

Its logins and passwords are made up and good for nothing else, so they may be read from there.
"""

import os
from pathlib import Path

import msgspec

from brokers.sandbox.client import ANNOUNCED
from engine.shown import PracticeLogin
from schema.login import Credentials
from schema.records import ConnectionConfig, DeskConfig, Environment, FixLogin, NinjaLogin


class _Account(msgspec.Struct, frozen=True):
    name: str


class _Login(msgspec.Struct, frozen=True):
    username: str
    password: str
    accounts: tuple[_Account, ...]


class Door(msgspec.Struct, frozen=True):
    """What the sandbox says of the door of one venue."""

    logins: tuple[_Login, ...] = ()
    rest: str = ""
    ws: str = ""
    md: str = ""
    host: str = ""
    port: int = 0
    target_comp_id: str = ""
    ports: dict[str, int] = {}
    folders: dict[str, str] = {}


class _Announced(msgspec.Struct, frozen=True):
    pid: int
    venues: dict[str, Door]


def logins(state_dir: Path, desk: DeskConfig) -> tuple[PracticeLogin, ...]:
    """The logins of a practice venue that runs, without those that `desk` has; none when none runs."""
    try:
        said = msgspec.json.decode((state_dir / ANNOUNCED).read_bytes(), type=_Announced)
        os.kill(said.pid, 0)
    except (OSError, msgspec.MsgspecError):
        return ()
    here = {(each.venue, each.username) for each in desk.connections}
    return tuple(
        PracticeLogin(
            login=connection_of(venue, door, each.username, None),
            credentials=Credentials(
                username=each.username, password=each.password, device_id=f"copydesk-{each.username}"
            ),
            accounts=tuple(account.name for account in each.accounts),
        )
        for venue, door in said.venues.items()
        for each in door.logins
        if (venue, each.username) not in here
    )


def connection_of(venue: str, door: Door, name: str, requests_per_min: int | None) -> ConnectionConfig:
    """A login at one of the sandbox's doors."""
    fix = None
    if venue == "fix":
        fix = FixLogin(
            host=door.host, port=door.port, sender_comp_id=name, target_comp_id=door.target_comp_id, tls=False
        )
    ninja = None
    if venue == "ninjatrader":
        ninja = NinjaLogin(host=door.host, port=door.ports[name], folder=door.folders.get(name, ""))
    return ConnectionConfig(
        connection=name,
        venue=venue,
        environment=Environment.DEMO,
        username=name,
        rest_url=door.rest,
        ws_url=door.ws,
        md_url=door.md,
        requests_per_min=requests_per_min,
        fix=fix,
        ninja=ninja,
    )
