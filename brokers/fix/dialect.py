"""What differs from one FIX counterparty to the next, read from `dialects.toml`. Pure data; the adapter reads it."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from brokers.adapter import LoginRefused
from brokers.fix import tags
from brokers.fix.words import parse_time
from schema.clock import to_datetime
from schema.login import Credentials

_DAY_NS = 86_400_000_000_000
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One counterparty's ways.

    `numbers`: ``keep`` goes on where the last session ended, ``reset`` begins at 1 with 141=Y at every logon,
    ``restart`` begins at 1 without saying so. `starts`: when the numbers begin at 1 by the clock, UTC: ``sun 22:00``
    every week, ``22:00`` every day, empty never. `reset_after_trouble`: when the two sides disagree on a number, the
    next logon says 141=Y instead of failing the same way for ever; what was missed is read by status requests.
    `credentials`: ``username`` sends 553 and 554, ``secure_data`` also the licence in 90/91, ``none`` nothing.
    `longest_id`: characters that ClOrdID (11) may have. `order_status`: H is answered: an order can be
    asked for by its id. `mass_status`: AF is answered (4.4 only). `positions`:
    ``request`` asks with AN (4.4 only); ``executions`` adds up what this session's reports say, from flat. That is
    right only for accounts that are flat when they are first added here and trade nowhere else.
    `check_clocks`: messages whose time (52) is 120 s off end the session. `resend_cancels`: a cancel that the venue
    missed is repeated when it asks; an order never is.
    """

    about: str
    versions: tuple[str, ...] = ("FIX.4.2", "FIX.4.4")
    heartbeat_s: int = 30
    numbers: Literal["keep", "reset", "restart"] = "keep"
    starts: str = ""
    reset_after_trouble: bool = True
    credentials: Literal["username", "secure_data", "none"] = "username"
    options: tuple[str, ...] = ()
    option_tag: int = 0
    option_count_tag: int = 0
    longest_id: int = 0
    handl_inst: str = "1"
    security_type: str = ""
    exchange: bool = False
    order_status: bool = True
    mass_status: bool = True
    positions: Literal["request", "executions"] = "request"
    check_clocks: bool = True
    resend_cancels: bool = True

    def logon_fields(self, credentials: Credentials) -> tuple[tuple[int, str], ...]:
        """What the Logon carries besides 98 and 108; secrets among it."""
        fields: list[tuple[int, str]] = []
        if self.credentials == "secure_data" and credentials.sec:
            fields += [(tags.SECURE_DATA, credentials.sec), (tags.SECURE_DATA_LEN, str(len(credentials.sec)))]
        if self.credentials != "none":
            if credentials.username:
                fields.append((tags.USERNAME, credentials.username))
            if credentials.password:
                fields.append((tags.PASSWORD, credentials.password))
        if self.options:
            fields.append((self.option_count_tag, str(len(self.options))))
            fields += [(self.option_tag, option) for option in self.options]
        return tuple(fields)

    def asks_positions(self, version: str) -> bool:
        """Whether positions are asked for: 4.2 has no message for it."""
        return self.positions == "request" and version != "FIX.4.2"

    def asks_all_orders(self, version: str) -> bool:
        return self.mass_status and version != "FIX.4.2"

    def session_start_ns(self, now_ns: int) -> int:
        """When the session that runs at `now_ns` began by the clock; 0 when no clock begins it."""
        if not self.starts:
            return 0
        *day, at = self.starts.split()
        midnight = parse_time(f"{to_datetime(now_ns):%Y%m%d}-{at}:00")
        assert midnight is not None, f"dialect: starts {self.starts!r} is no time"
        started = midnight if midnight <= now_ns else midnight - _DAY_NS
        if day:
            started -= (to_datetime(started).weekday() - _DAYS.index(day[0])) % 7 * _DAY_NS
        return started


@cache
def dialects() -> dict[str, Dialect]:
    """Every dialect by name. The dictionary is shared: read it only."""
    text = files("brokers.fix").joinpath("dialects.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Dialect])


def dialect_of(name: str, version: str) -> Dialect:
    """The dialect of that name. Raises LoginRefused: there is none, or it does not speak `version`."""
    found = dialects().get(name)
    if found is None:
        raise LoginRefused(f"dialect: there is no {name!r}; write one of {', '.join(dialects())}")
    if version not in found.versions:
        raise LoginRefused(f"version: the dialect {name} speaks {' and '.join(found.versions)}, not {version}")
    return found
