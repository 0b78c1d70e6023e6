"""What `copydesk accounts add --venue ninjatrader` asks of its words, and of the NinjaTrader itself. Called by
`tui/accounts.py`."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from schema.login import FOLLOW_ONLY
from schema.records import AccountConfig, NinjaLogin, VenueAccount
from tui.shell import Refused

PORT = 36_973
_SWITCHES = ("readings", "settle_ms", "quiet_ms", "month_words")


def ninja_login(address: str | None, folder: str, switches: Sequence[str], leader: str | None) -> NinjaLogin:
    """Where a NinjaTrader listens, as the command line says it. Raises Refused naming what is wrong."""
    if leader:
        raise Refused(f"leader: {leader} can't lead: {FOLLOW_ONLY['ninjatrader']}.")
    host, colon, port = (address or "").partition(":")
    if not host or (colon and not (port.isdecimal() and 0 < int(port) < 65_536)):
        raise Refused(
            f"ninja-address: {address or ''!r} is not HOST:PORT; write where its AT interface can be reached, such as "
            f"127.0.0.1:{PORT}."
        )
    if folder and not (Path(folder) / "incoming").is_dir():
        raise Refused(
            f"ninja-folder: {folder} has no folder named incoming; write the path of NinjaTrader's own documents "
            "folder, such as '/mnt/NinjaTrader 8'."
        )
    given: dict[str, object] = {"host": host, "port": int(port) if colon else PORT, "folder": folder}
    for switch in switches:
        name, _, value = switch.partition("=")
        if name not in _SWITCHES:
            raise Refused(f"ninja: there is no {name!r}; there are {', '.join(_SWITCHES)}.")
        given[name] = value
    try:
        login = msgspec.convert(given, NinjaLogin, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(f"ninja: {error}; write one such as readings=cache or settle_ms=50.") from None
    if login.settle_ms < 0 or login.quiet_ms < 10:
        raise Refused("ninja: settle_ms is 0 or more and quiet_ms 10 or more; both are milliseconds.")
    return login


def all_shown(given: Sequence[AccountConfig], found: Sequence[VenueAccount]) -> list[VenueAccount]:
    """The accounts the trader named, when NinjaTrader shows something of each. Raises Refused naming one it does not:
    a wrong name there is answered by nothing, for ever."""
    shown = {each.account for each in found}
    for each in given:
        if each.account not in shown:
            raise Refused(
                f"account: NinjaTrader shows nothing of {each.venue_id}; write its Account Name (not the display name) "
                "exactly as the Accounts tab has it, and see that its connection there is on."
            )
    return list(found)
