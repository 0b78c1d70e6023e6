"""The rollover guard: which month is traded, which is the venue's front one, and how long a contract still lives.

Functions of the core; no I/O, and no clock but the core's: expiry and front month come in with `InstrumentChecked`, the
day is that of the inputs' own times and ends at 17:00 Chicago. Each day, and whenever a venue has described a contract,
what does not fit is told once. A contract within `WARN_DAYS` of its expiry opens nothing unless the trader acknowledged
it, one that has expired never does; what reduces always passes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine.rules import symbol_for
from engine.seat import CommandRefused
from schema.expiry import expires_ns, front_of
from schema.records import FollowerConfig, Record
from schema.symbols import ContractKey, UnknownProduct, key_of, parse_contract, products
from schema.trading_day import ends_ns, trading_day

if TYPE_CHECKING:
    from engine.core import Core

WARN_DAYS = 7
_ACKNOWLEDGE = "roll, or acknowledge with :ack"
_OPENS_NOTHING = "and opens nothing"
_FAR_NS = (WARN_DAYS + 2) * 86_400_000_000_000


class Known(Record, frozen=True):
    """A contract as a login's venue has it. `expires_ns` is the venue's word, or the product table's where it says
    nothing; `said_month` tells whether the month is the venue's own word; `front` is '' when nobody knows it."""

    key: ContractKey
    expires_ns: int
    said_month: bool
    front: str
    front_by_table: bool


class Rolls:
    """What the guard remembers. `checked_on` is the day a pair's contract was last read from its venue, `clashes` says
    why a pair is not the leader's contract at all, `newest` which contract of a root a leader traded last."""

    def __init__(self) -> None:
        self.day = date.min
        self.day_ends_ns = 0
        self.contracts: dict[tuple[str, str], Known] = {}
        self.checked_on: dict[tuple[str, str], date] = {}
        self.clashes: dict[tuple[str, str], str] = {}
        self.acknowledged: frozenset[ContractKey] = frozenset()
        self.newest: dict[tuple[str, str], str] = {}
        self.said: set[str] = set()


def days_left(expires: int, now_ns: int) -> int:
    """Whole trading days of the calendar until the one a contract expires on; 0 on that day, below 0 after it."""
    return (trading_day(expires) - trading_day(now_ns)).days


def in_days(days: int) -> str:
    """``today``, ``tomorrow``, ``in 5 days``."""
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")


# --- what comes in ---------------------------------------------------------------------------------------------------


def configured(core: Core) -> None:
    """The configuration changed: acknowledgements, and who follows whom."""
    core.rolls.acknowledged = frozenset(
        ContractKey(exchange=exchange, root=root, month=month) for exchange, root, month in core.config.acknowledged
    )
    _find_clashes(core)


def checked(core: Core, event: ev.InstrumentChecked) -> None:
    """A venue described a contract, or refused to."""
    pair, rolls, found = (event.connection, event.symbol), core.rolls, event.instrument
    rolls.checked_on[pair] = rolls.day
    try:
        key = key_of(event.symbol, rolls.day)
        if found is not None and found.month:
            key = replace(key, month=found.month)
        front, by_table = "", False
        if found is not None:
            by_table = not found.described
            front = front_of(key.root, rolls.day).symbol if by_table else found.front
        known = Known(
            key=key,
            expires_ns=(found.expires_ns if found is not None else 0) or expires_ns(key),
            said_month=found is not None and found.month > 0,
            front=front,
            front_by_table=by_table,
        )
    except UnknownProduct:
        return  # the check itself says so
    rolls.contracts[pair] = known
    _find_clashes(core)
    tell(core)


def traded(core: Core, leader: str, symbol: str) -> None:
    """A leader traded: an older month of the same root that it does not hold is not what it trades any more."""
    core.rolls.newest[leader, _root(symbol)] = symbol


def new_day(core: Core) -> None:
    """Another trading day begins: what does not fit is told again, and every contract is to be read again (`due`)."""
    rolls = core.rolls
    rolls.day = trading_day(core.now_ns)
    rolls.day_ends_ns = ends_ns(rolls.day)
    rolls.said.clear()
    tell(core)


def due(core: Core) -> set[tuple[str, str]]:
    """(connection, symbol) pairs to ask a venue about: refused, or not read yet on this trading day."""
    rolls = core.rolls
    return {
        pair for pair, error in core.instruments.items() if error or rolls.checked_on.get(pair) != rolls.day
    }  # fmt: skip


# --- what follows ----------------------------------------------------------------------------------------------------


def gate_of(core: Core, connection: str, symbol: str) -> str:
    """Why nothing may be opened in a contract now, or ''."""
    rolls = core.rolls
    known = rolls.contracts.get((connection, symbol))
    if known is None:
        return ""
    if known.expires_ns - core.now_ns <= _FAR_NS:
        if core.now_ns >= known.expires_ns:
            return _expired(symbol, known)
        days = days_left(known.expires_ns, core.now_ns)
        if days <= WARN_DAYS and known.key not in rolls.acknowledged:
            return f"{symbol} expires {in_days(days)}; {_ACKNOWLEDGE} {symbol}"
    return rolls.clashes.get((connection, symbol), "")


def held_back(reason: str) -> bool:
    """Whether a copy's reason says that its contract's expiry held it back."""
    return _ACKNOWLEDGE in reason or _OPENS_NOTHING in reason


def why_disarmed(core: Core, follower: FollowerConfig) -> str:
    """Why a follower opens nothing in what its leader trades, as far as months and expiries go; or ''."""
    group = core.groups.get(follower.group)
    connection = core.connection_of(follower.account)
    for symbol in traded_by(core, group.leader) if group else ():
        if gate := gate_of(core, connection, symbol_for(follower, symbol)):
            return gate
    return ""


def tell(core: Core) -> None:
    """Alert to what was not told today."""
    for level, text in _notices(core):
        if text not in core.rolls.said:
            core.rolls.said.add(text)
            core.emit(ev.Alert(level=level, text=text))


def _notices(core: Core) -> Iterator[tuple[str, str]]:
    venues = {login.connection: login.venue for login in core.config.connections}
    for leader, groups in core.leads.items():
        traded_now = traded_by(core, leader)
        followers = [follower for group in groups for follower in core.members.get(group.group, ())]
        for leader_symbol in traded_now:
            places = {(core.connection_of(leader), leader_symbol): ""}
            places |= {(core.connection_of(f.account), symbol_for(f, leader_symbol)): f.account for f in followers}
            for pair in places:
                yield from _of_place(core, pair, leader, venues.get(pair[0], pair[0]))
        for follower in followers:
            yield from _held_in_another_month(core, follower, leader, traded_now)


def _of_place(core: Core, pair: tuple[str, str], leader: str, venue: str) -> Iterator[tuple[str, str]]:
    rolls, symbol = core.rolls, pair[1]
    known = rolls.contracts.get(pair)
    if known is None:
        return
    if clash := rolls.clashes.get(pair):
        yield "alarm", clash
    front, whose = _front(core, known)
    if front and front != symbol:
        yield "warn", f"{venue}: the front month is {front}{whose}, and {symbol} is traded, led by {leader}"
    days, day = days_left(known.expires_ns, core.now_ns), trading_day(known.expires_ns)
    if core.now_ns >= known.expires_ns:
        yield "alarm", _expired(symbol, known)
    elif days <= WARN_DAYS and known.key in rolls.acknowledged:
        yield "info", f"{symbol} expires {in_days(days)} ({day}); acknowledged, so entries go on until then"
    elif days <= WARN_DAYS:
        yield "warn", f"{symbol} expires {in_days(days)} ({day}) {_OPENS_NOTHING}; {_ACKNOWLEDGE} {symbol}"


def _expired(symbol: str, known: Known) -> str:
    return f"{symbol} expired on {trading_day(known.expires_ns)} {_OPENS_NOTHING}; trade the next month"


def _front(core: Core, known: Known) -> tuple[str, str]:
    """A contract's front month, and whose word that is when it is not the venue's own. Where a venue names none, what
    another one says of the same market counts, and the product table where nobody does."""
    if not known.front_by_table:
        return known.front, ""
    market = _market(known.key.root)
    for other in core.rolls.contracts.values():
        if other.front and not other.front_by_table and _market(other.key.root) == market:
            return f"{known.key.root}{other.front.removeprefix(other.key.root)}", " at another venue"
    return known.front, " by the product table"


def _market(root: str) -> str:
    """The root that a micro is the twin of; other roots are their own market."""
    return next((each.root for each in products().values() if each.micro == root), root)


def _held_in_another_month(
    core: Core, follower: FollowerConfig, leader: str, traded_now: list[str]
) -> Iterator[tuple[str, str]]:
    mapped = {symbol_for(follower, symbol): symbol for symbol in traded_now}
    by_root = {_root(ours): (ours, theirs) for ours, theirs in mapped.items()}
    for account, symbol, holding in core.ledger.positions():
        if account == follower.account and holding.net and symbol not in mapped and _root(symbol) in by_root:
            ours, theirs = by_root[_root(symbol)]
            copied = "" if ours == theirs else f", copied as {ours}"
            yield "warn", f"{account} holds {holding.net:+d} {symbol}, while {leader} trades {theirs}{copied}"


def traded_by(core: Core, leader: str) -> list[str]:
    """The contracts a leader trades now: checked at its venue, and held or not followed by another month yet."""
    connection = core.connection_of(leader)
    return [
        symbol
        for at, symbol in core.rolls.contracts
        if at == connection
        and (
            core.leader_nets.get((leader, symbol), 0)
            or core.rolls.newest.get((leader, _root(symbol)), symbol) == symbol
        )
    ]


def led_in(core: Core, leader: str, chart_symbol: str) -> list[str]:
    """Of those, the contracts that its followers are asked to copy: it traded them, or the chart shows it. Another
    account of its login may have had others checked."""
    return [s for s in traded_by(core, leader) if (leader, s) in core.leader_nets or s == chart_symbol]


def _find_clashes(core: Core) -> None:
    """Venues that mean different months by one name (a one-digit year): there the follower's is not the leader's."""
    rolls = core.rolls
    rolls.clashes = {}
    venues = {login.connection: login.venue for login in core.config.connections}
    for leader, groups in core.leads.items():
        at = core.connection_of(leader)
        for leader_symbol in [symbol for connection, symbol in rolls.contracts if connection == at]:
            theirs = rolls.contracts[at, leader_symbol]
            for follower in [each for group in groups for each in core.members.get(group.group, ())]:
                pair = (core.connection_of(follower.account), symbol_for(follower, leader_symbol))
                ours = rolls.contracts.get(pair)
                if ours and ours.said_month and theirs.said_month and ours.key.month != theirs.key.month:
                    rolls.clashes[pair] = (
                        f"{pair[1]} is {_month(ours)} at {venues.get(pair[0], pair[0])} and {leader_symbol} is "
                        f"{_month(theirs)} at {venues.get(at, at)}: another contract, not armed"
                    )


def _month(known: Known) -> str:
    return f"{known.key.year}-{known.key.month_number:02d}"


def _root(symbol: str) -> str:
    try:
        return parse_contract(symbol).root
    except UnknownProduct:
        return symbol


# --- acknowledging ---------------------------------------------------------------------------------------------------


def contracts_of(core: Core) -> dict[ContractKey, int]:
    """Every contract that was checked, and when it expires."""
    return {known.key: known.expires_ns for known in core.rolls.contracts.values()}


def to_acknowledge(text: str, known: dict[ContractKey, int], now_ns: int) -> ContractKey:
    """The contract that the trader acknowledges by ``ESZ6``. `known` are those that venues described, and when each
    expires. Raises CommandRefused: no contract, or one that has expired."""
    symbol = text.upper()
    keys = [key for key in known if key.symbol == symbol]
    try:
        key = max(keys) if keys else key_of(symbol, trading_day(now_ns))
    except UnknownProduct as unknown:
        raise CommandRefused(f"contract: {unknown}{_nearest(symbol, known)}") from None
    expires = known.get(key) or expires_ns(key)
    if now_ns >= expires:
        raise CommandRefused(
            f"contract: {symbol} expired on {trading_day(expires)}, which can't be acknowledged; trade the next month."
        )
    return key


def _nearest(symbol: str, known: Iterable[ContractKey]) -> str:
    near = difflib.get_close_matches(symbol, [key.symbol for key in known], n=1)
    return f" The desk trades {near[0]}." if near else ""


def acknowledged(key: ContractKey) -> str:
    """What was done, for the message line."""
    return f"{key.symbol} ({key}) is acknowledged: entries go until it expires."
