"""What one login needs besides its configuration: its secrets, and the limits the desk's settings put on it.

Made by `schema/vault.py` and `schema/settings.py`, used by every adapter; both are known to the port as
`brokers.adapter.Credentials` and `brokers.adapter.AdapterSettings`.
"""

from schema.records import Record

VENUES = ("tradovate", "projectx", "fix", "ninjatrader")
"""The venues a login can be for, by name; `brokers/registry.py` has an adapter for each."""

FOLLOW_ONLY = {
    "ninjatrader": "NinjaTrader tells no executions of what the trader does there, so its accounts only follow",
}
"""Venues whose accounts can't lead, and why, in one sentence without its end."""


class AdapterSettings(Record, frozen=True):
    """What the desk's settings say about every adapter."""

    deadline_s: float = 2.5
    requests_per_min: int = 80
    reserved_for_exits: int = 20
    reconnect_cap_s: float = 60.0
    strict_entity_types: bool = True


class Credentials(Record, frozen=True):
    """A login's secrets, in memory only. Printing one, by `repr` or by a pretty printer, shows no value. `password` is
    what the venue proves the login with: at ProjectX the API key."""

    username: str
    password: str
    app_id: str = "copydesk"
    app_version: str = "1.0"
    device_id: str = ""
    cid: str = ""
    sec: str = ""

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, ...)"

    __str__ = __repr__

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("username", self.username)]
