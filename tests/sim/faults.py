"""The plan of one seed: what the leader does, what the trader does, and what goes wrong, each at its virtual time.

A plan is drawn once and then only data, so that a run can be repeated with fewer faults (`shrink.py`). `apply` makes a
fault true; what lasts ends by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers.sandbox.orders import Reason
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    DeskConfig,
    DriftPolicy,
    Environment,
    FollowerConfig,
    GroupConfig,
    Guard,
    Mode,
    Record,
    Rounding,
    Rule,
    RuleKind,
    SymbolMap,
)
from tests.sim.store import lasting
from tests.sim.venue import LISTED_S

if TYPE_CHECKING:
    from tests.sim.schedule import Schedule

LEADER = "DEMO1000"
GROUP = "main"
FOLLOWERS = 20
EVENTS = 200
_LOGINS = 6  # the leader's own, and five of four followers each
_MAX_NET = 6
_REJECTS = (
    (Reason.NOT_ENOUGH_LIQUIDITY, "Insufficient margin"),
    (Reason.MAX_POSITION, "Position limit"),
    (Reason.SESSION_CLOSED, "The session is closed"),
    (Reason.OTHER, "Other"),
    (Reason.UNKNOWN, "Unknown"),
)


class Move(Record, frozen=True):
    """The leader trades so many lots (signed) at market."""

    at_s: float
    qty: int
    symbol: str = "ESH4"


class Fault(Record, frozen=True):
    """Something goes wrong, or the trader does something. What the fields mean depends on `kind`."""

    at_s: float
    kind: str
    where: str = ""
    for_s: float = 0.0
    count: int = 0
    share: float = 0.0
    what: str = ""


class Plan(Record, frozen=True):
    """All of one seed."""

    seed: int
    config: DeskConfig
    balances: tuple[tuple[str, Decimal], ...]
    moves: tuple[Move, ...]
    faults: tuple[Fault, ...]
    reconcile_s: float
    ends_s: float
    listed_s: int = LISTED_S  # how long the venue lists what followers did


# --- drawing ---------------------------------------------------------------------------------------------------------


def draw_rule(random: Random) -> Rule:
    kind = random.choice((RuleKind.PROPORTIONAL, RuleKind.PROPORTIONAL, RuleKind.FIXED, RuleKind.PERCENT))
    value = {
        RuleKind.PROPORTIONAL: random.choice(("0.25", "0.5", "1", "1.5", "2")),
        RuleKind.FIXED: random.choice(("1", "2", "3")),
        RuleKind.PERCENT: random.choice(("50", "100", "150")),
    }[kind]
    rounding = random.choice(list(Rounding))
    return Rule(kind=kind, value=Decimal(value), rounding=rounding, invert=random.random() < 0.15)


def draw_config(random: Random) -> DeskConfig:
    names = [f"DEMO{1001 + number}" for number in range(FOLLOWERS)]
    per_min = random.choice((400, 1_000, 5_000, 5_000))
    micro = (SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(random.choice((1, 2, 10)))),)
    home = {LEADER: "login0"} | {name: f"login{1 + number % (_LOGINS - 1)}" for number, name in enumerate(names)}
    return DeskConfig(
        connections=tuple(
            ConnectionConfig(
                connection=f"login{number}",
                venue="tradovate",
                environment=Environment.DEMO,
                username=f"user{number}",
                requests_per_min=per_min,
            )
            for number in range(_LOGINS)
        ),
        accounts=tuple(AccountConfig(account=name, connection=home[name], venue_id=name[4:]) for name in home),
        groups=(GroupConfig(group=GROUP, leader=LEADER, drift=random.choice(list(DriftPolicy))),),
        followers=tuple(
            FollowerConfig(
                account=name,
                group=GROUP,
                rule=draw_rule(random),
                symbols=micro if random.random() < 0.25 else (),
                max_position=random.choice((None, None, None, 3, 5)),
                max_order=random.choice((None, None, None, None, 4)),
            )
            for name in names
        ),
    )


def draw_moves(random: Random, over_s: float) -> tuple[Move, ...]:
    """In, out, more, less and across, in bursts and with pauses, never beyond `_MAX_NET`."""
    times = sorted(random.random() * over_s for _ in range(EVENTS))
    net, moves = 0, list[Move]()
    for number, at_s in enumerate(times):
        if number and random.random() < 0.3:
            at_s = max(moves[-1].at_s, min(at_s, moves[-1].at_s + 0.01 * random.random()))
        choice = random.random()
        if net and choice < 0.25:
            qty = -net
        elif net and choice < 0.35:
            qty = -net - random.choice((1, 2)) * (1 if net > 0 else -1)
        else:
            qty = random.choice((-3, -2, -1, -1, 1, 1, 2, 3))
        if abs(net + qty) > _MAX_NET:
            qty = -qty
        net += qty
        moves.append(Move(at_s=at_s, qty=qty))
    return tuple(sorted(moves, key=lambda move: move.at_s))


_KINDS: tuple[tuple[str, int], ...] = (
    ("cut", 5),
    ("unreachable", 1),
    ("slow", 2),
    ("hang", 2),
    ("lose_requests", 2),
    ("lose_answers", 3),
    ("late_answers", 2),
    ("errors", 2),
    ("silence", 2),
    ("duplicate", 2),
    ("reorder", 2),
    ("drop", 2),
    ("replay", 3),
    ("no_reading", 2),
    ("partial", 2),
    ("torn", 1),
    ("throttle", 2),
    ("reject", 3),
    ("reduce_only", 1),
    ("thin", 2),
    ("journal_gone", 1),
    ("journal_slow", 1),
    ("journal_answers", 2),
    ("crash", 3),
    ("toggle", 2),
    ("rule", 2),
    ("flatten", 1),
)


def draw_faults(random: Random, over_s: float) -> tuple[Fault, ...]:
    kinds = random.sample(_KINDS, random.randint(3, len(_KINDS)))
    faults: list[Fault] = []
    for _ in range(random.choice((0, 4, 10, 20, 35))):
        ((kind, _),) = random.choices(kinds, [weight for _, weight in kinds])
        rule = draw_rule(random)
        faults.append(
            Fault(
                at_s=0.0 if random.random() < 0.03 else round(random.random() * over_s, 4),
                kind=kind,
                where=f"login{random.randrange(_LOGINS)}"
                if kind not in ("toggle", "rule", "flatten", "reduce_only")
                else f"DEMO{1001 + random.randrange(FOLLOWERS)}",
                for_s=round(random.choice((0.05, 0.5, 2.0, 4.0)) * (0.5 + random.random()), 4),
                count=random.choice((1, 2, 5, 9)),
                share=random.choice((0.3, 0.8)),
                what=f"{rule.kind} {rule.value}" if kind == "rule" else "",
            )
        )
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def draw(seed: int, *, resting: bool = False) -> Plan:
    """The plan of a seed. With `resting` the leader keeps a stop under its position, and the group mirrors it."""
    random = Random(f"plan {seed}")
    over_s = random.choice((12.0, 25.0, 40.0))
    config = draw_config(random)
    if resting:
        mode = Random(f"mode {seed}").choice((Mode.ORDERS, Mode.PROTECTIVE))
        config = replace(config, groups=tuple(replace(group, mode=mode) for group in config.groups))
    equities = ("150000", "50000", "100000", "75000", "25000")
    balances = [(LEADER, Decimal(150_000))]
    balances += [(follower.account, Decimal(random.choice(equities)) * 40) for follower in config.followers]
    moves = draw_moves(random, over_s)
    faults = tuple(sorted((*draw_faults(random, over_s), *_hands(seed, over_s)), key=lambda fault: fault.at_s))
    return Plan(
        seed=seed,
        config=config,
        balances=tuple((name, balance if name != LEADER else balance * 40) for name, balance in balances),
        moves=moves,
        faults=faults,
        reconcile_s=random.choice((4.0, 8.0, 8.0)),
        ends_s=over_s,
        listed_s=_listed_s(seed, faults),
    )


def _hands(seed: int, over_s: float) -> list[Fault]:
    """In every third schedule the trader also halts a follower for a while, or everybody, and resyncs."""
    random = Random(f"hands {seed}")
    hands: list[Fault] = []
    for _ in range(random.choice((0, 0, 6))):
        who = random.choice(("all", f"DEMO{1001 + random.randrange(FOLLOWERS)}"))
        kind = random.choice(("guard", "guard", "resync"))
        guard = random.choice((Guard.HALT, Guard.REDUCE_ONLY))
        at_s = round(random.random() * over_s, 4)
        hands.append(Fault(at_s=at_s, kind=kind, where=who, for_s=random.choice((0.5, 3.0)), what=guard))
    return hands


def _listed_s(seed: int, faults: tuple[Fault, ...]) -> int:
    """Some venues forget soon what is over. Not while the desk is away for longer: lots that nobody wrote down and
    nobody lists any more are whose, nothing can say."""
    if any(fault.kind in ("crash", "journal_gone") for fault in faults):
        return LISTED_S
    return Random(f"listed {seed}").choice((2, 5, 5, LISTED_S))


# --- making them true -----------------------------------------------------------------------------------------------


def apply(run: Schedule, fault: Fault) -> None:
    """Make a fault true now."""
    _APPLY[fault.kind](run, fault)


def _until(name: str) -> Callable[[Schedule, Fault], None]:
    def lasts(run: Schedule, fault: Fault) -> None:
        setattr(run.logins[fault.where].faults, name, lasting(fault.for_s, run.world))

    return lasts


def _times(name: str) -> Callable[[Schedule, Fault], None]:
    def happens(run: Schedule, fault: Fault) -> None:
        setattr(run.logins[fault.where].faults, name, fault.count)

    return happens


def _unreachable(run: Schedule, fault: Fault) -> None:
    _until("unreachable_until_ns")(run, fault)
    run.logins[fault.where].cut()


def _partial(run: Schedule, fault: Fault) -> None:
    """Readings leave accounts out, as `[]` on a 401 does; sometimes the first reading of a new stream, too."""
    _until("partial_until_ns")(run, fault)
    if fault.count > 2:
        run.logins[fault.where].cut()


def _slow(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.slow_s = fault.share
    _until("slow_until_ns")(run, fault)


def _late(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.late_s = 2.0 + fault.for_s
    _times("late_answers")(run, fault)


def _silence(run: Schedule, fault: Fault) -> None:
    """Accepted, then nothing: neither the answers nor the events of what follows come through."""
    _times("lose_answers")(run, fault)
    run.logins[fault.where].faults.drop_share = 1.0
    _until("drop_until_ns")(run, fault)


def _drop(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.drop_share = fault.share
    _until("drop_until_ns")(run, fault)


def _reject(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.rejects += [run.world.random.choice(_REJECTS) for _ in range(fault.count)]


def _reduce_only(run: Schedule, fault: Fault) -> None:
    run.reduce_only(fault.where, True)
    run.world.after(fault.for_s, run.reduce_only, fault.where, False)


def _thin(run: Schedule, fault: Fault) -> None:
    run.exchange.depth = fault.count
    run.world.after(fault.for_s, run.deep)
    run.refill()


def _journal(name: str) -> Callable[[Schedule, Fault], None]:
    def lasts(run: Schedule, fault: Fault) -> None:
        setattr(run.journal, name, lasting(fault.for_s, run.world))
        run.journal.slow_s = fault.share * 1.5

    return lasts


def _journal_answers(run: Schedule, fault: Fault) -> None:
    run.journal.lose_answers = fault.count


def _crash(run: Schedule, fault: Fault) -> None:
    run.world.crash_after = run.world.random.randrange(1, 400)


def _guard(run: Schedule, fault: Fault) -> None:
    """Halted or reduce only for a while, then resumed."""
    run.command("guard", fault.where, Guard(fault.what))
    run.world.after(fault.for_s, run.command, "guard", fault.where, Guard.NONE)


_APPLY: dict[str, Callable[[Schedule, Fault], None]] = {
    "cut": lambda run, fault: run.logins[fault.where].cut(),
    "unreachable": _unreachable,
    "slow": _slow,
    "hang": _until("hung_until_ns"),
    "lose_requests": _times("lose_requests"),
    "lose_answers": _times("lose_answers"),
    "late_answers": _late,
    "errors": _times("errors"),
    "silence": _silence,
    "duplicate": _until("duplicate_until_ns"),
    "reorder": _until("reorder_until_ns"),
    "drop": _drop,
    "replay": lambda run, fault: run.logins[fault.where].replay(),
    "no_reading": _until("no_reading_until_ns"),
    "partial": _partial,
    "torn": _until("torn_until_ns"),
    "throttle": _until("throttled_until_ns"),
    "reject": _reject,
    "reduce_only": _reduce_only,
    "thin": _thin,
    "journal_gone": _journal("gone_until_ns"),
    "journal_slow": _journal("slow_until_ns"),
    "journal_answers": _journal_answers,
    "crash": _crash,
    "toggle": lambda run, fault: run.command("toggle", fault.where),
    "guard": _guard,
    "resync": lambda run, fault: run.command("confirm_resync", fault.where),
    "rule": lambda run, fault: run.command("set_rule", fault.where, *fault.what.split()),
    "flatten": lambda run, fault: run.command("flatten", fault.where),
}
