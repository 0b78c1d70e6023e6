"""The plan of one seed: what the leader does, what the trader and strangers do, and what goes wrong, each at its time.

A plan is drawn once and then only data, so that a run can be repeated with fewer faults (`shrink.py`). The group's
mode and policies and what each login's venue can do are drawn with it; `faults.py` makes the faults true.
"""

from decimal import Decimal
from random import Random

from msgspec.structs import replace

from schema.records import (
    AccountConfig,
    ConnectionConfig,
    DeskConfig,
    DriftPolicy,
    Environment,
    FollowerConfig,
    Foreign,
    GroupConfig,
    Guard,
    LateJoin,
    Mode,
    Record,
    Rounding,
    Rule,
    RuleKind,
    SymbolMap,
    Unfilled,
)
from tests.sim.venue import LISTED_S

LEADER = "DEMO1000"
GROUP = "main"
FOLLOWERS = 20
EVENTS = 200
_LOGINS = 6  # the leader's own, and five of four followers each
MAX_NET = 6
_EXITS = ("none", "stop", "bracket", "legs", "oco", "trail", "trail oco")


class Move(Record, frozen=True):
    """What the leader does: trades so many lots (signed) at market, or rests, shifts or cancels an order, `ticks` away
    from the market. A `with exits` is a limit behind which its venue holds a stop and a target. A `swing` is the
    market's, which goes so many ticks and takes what it reaches."""

    at_s: float
    qty: int
    act: str = "trade"  # trade, limit, stop, with exits, shift, cancel or swing
    ticks: int = 0


class Fault(Record, frozen=True):
    """Something goes wrong, or the trader does something. What the fields mean depends on `kind`."""

    at_s: float
    kind: str
    where: str = ""
    for_s: float = 0.0
    count: int = 0
    share: float = 0.0
    what: str = ""


class Abilities(Record, frozen=True):
    """What the venue of one login can do, and how long its answers take at most."""

    flips: bool = True
    duplicate_tag_rejected: bool = False
    links: bool = False  # an entry with its exits, and two exits that cancel each other, are one request
    trails: bool = True  # stops
    trails_shown: bool = False  # it says where they have come to
    trails_moved: bool = False  # their distance can be changed; asked of the leader's venue alone
    finds: bool = True  # orders by their tag
    way_s: float = 0.005


class Plan(Record, frozen=True):
    """All of one seed. `exits` are the orders that the leader keeps for what it holds."""

    seed: int
    config: DeskConfig
    balances: tuple[tuple[str, Decimal], ...]
    moves: tuple[Move, ...]
    faults: tuple[Fault, ...]
    reconcile_s: float
    ends_s: float
    listed_s: int = LISTED_S  # how long the venue lists what followers did
    exits: str = "none"  # none, stop, bracket (a stop and a target), legs (a stop and two targets), oco or trail (oco)
    abilities: tuple[tuple[str, Abilities], ...] = ()  # of each login's venue


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
    """In, out, more, less and across, in bursts and with pauses, never beyond `MAX_NET`."""
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
        if abs(net + qty) > MAX_NET:
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


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    random = Random(f"plan {seed}")
    over_s = random.choice((12.0, 25.0, 40.0))
    config = draw_config(random)
    group = draw_group(seed, config.groups[0])
    equities = ("150000", "50000", "100000", "75000", "25000")
    balances = [(LEADER, Decimal(150_000))]
    balances += [(follower.account, Decimal(random.choice(equities)) * 40) for follower in config.followers]
    moves = draw_moves(random, over_s)
    faults = (
        *draw_faults(random, over_s),
        *_hands(seed, over_s),
        *_kill(seed, over_s),
        *_strangers(seed, over_s),
        *_orders_by_hand(seed, over_s),
    )
    return Plan(
        seed=seed,
        config=replace(config, groups=(group,)),
        balances=tuple((name, balance if name != LEADER else balance * 40) for name, balance in balances),
        moves=moves if group.mode is Mode.FILLS else _with_exits(seed, _resting(seed, moves)),
        faults=tuple(sorted(faults, key=lambda fault: fault.at_s)),
        reconcile_s=random.choice((4.0, 8.0, 8.0)),
        ends_s=over_s,
        listed_s=_listed_s(seed, faults),
        exits=Random(f"exits {seed}").choice(_EXITS) if group.mode is not Mode.FILLS else "none",
        abilities=tuple((login.connection, _abilities(seed, login.connection)) for login in config.connections),
    )


def draw_group(seed: int, group: GroupConfig) -> GroupConfig:
    """How the group mirrors its leader, and its policies."""
    random = Random(f"group {seed}")
    return replace(
        group,
        mode=random.choices((Mode.FILLS, Mode.ORDERS, Mode.PROTECTIVE), (6, 2, 2))[0],
        late=random.choice((LateJoin.NEXT_FLAT, *LateJoin)),
        late_ticks=random.choice((1, 4)),
        late_s=random.choice((2, 30)),
        unfilled=random.choice(list(Unfilled)),
        unfilled_s=random.choice((1, 3)),
        foreign=random.choice(list(Foreign)),
    )


def _resting(seed: int, moves: tuple[Move, ...]) -> tuple[Move, ...]:
    """Half of what the leader does becomes orders that rest, their changes and cancels, and moves of the market."""
    random = Random(f"resting {seed}")
    acts = random.choices(("trade", "swing", "limit", "stop", "shift", "cancel"), (50, 20, 12, 6, 8, 4), k=len(moves))
    return tuple(
        replace(move, act=act, ticks=random.choice((-1, 1)) * random.randint(1, 12) if act != "trade" else 0)
        for move, act in zip(moves, acts, strict=True)
    )


def _with_exits(seed: int, moves: tuple[Move, ...]) -> tuple[Move, ...]:
    """In every third schedule half of the limits have a stop and a target behind them."""
    random = Random(f"with exits {seed}")
    if random.random() > 0.34:
        return moves
    return tuple(
        replace(move, act="with exits") if move.act == "limit" and random.random() < 0.5 else move for move in moves
    )


def _abilities(seed: int, login: str) -> Abilities:
    random = Random(f"venue of {login} {seed}")
    return Abilities(
        flips=random.random() < 0.75,
        duplicate_tag_rejected=random.random() < 0.5,
        links=random.random() < 0.5,
        trails=random.random() < 0.5,
        way_s=random.choice((0.005, 0.005, 0.005, 0.03, 0.15)),
        trails_shown=random.random() < 0.5,
        trails_moved=random.random() < 0.5,
        finds=random.random() < 0.75,
    )


def _kill(seed: int, over_s: float) -> list[Fault]:
    """In every eighth schedule the trader pulls the kill switch, and lets entries go again later."""
    random = Random(f"kill {seed}")
    if random.random() > 0.125:
        return []
    return [Fault(at_s=round(random.random() * over_s, 4), kind="kill", for_s=random.choice((1.0, 4.0, 9.0)))]


def _strangers(seed: int, over_s: float) -> list[Fault]:
    """In every fifth schedule somebody else trades on followers' accounts, or rests an order there for a while."""
    random = Random(f"strangers {seed}")
    if random.random() > 0.2:
        return []
    return [
        Fault(
            at_s=round(random.random() * over_s, 4),
            kind="stranger",
            where=f"DEMO{1001 + random.randrange(FOLLOWERS)}",
            for_s=random.choice((0.5, 3.0)),
            count=random.choice((-2, -1, 1, 2)),
            what=random.choice(("trade", "trade", "rest")),
        )
        for _ in range(random.randint(1, 4))
    ]


_AT_A_HAND = ("lose_answers", "lose_requests", "late_answers", "errors", "silence", "crash", "cut")


def _orders_by_hand(seed: int, over_s: float) -> list[Fault]:
    """In every fourth schedule the trader gives orders from the desk, at market or at rest for a while: to followers,
    at times to the leader; each is confirmed twice. To every third something happens as it leaves."""
    random = Random(f"orders by hand {seed}")
    if random.random() > 0.25:
        return []
    faults: list[Fault] = []
    for _ in range(random.randint(2, 12)):
        number, at_s = random.randrange(FOLLOWERS), round(random.random() * over_s, 4)
        leads = random.random() < 0.2
        faults.append(
            Fault(
                at_s=at_s,
                kind="manual",
                where=LEADER if leads else f"DEMO{1001 + number}",
                for_s=random.choice((0.5, 3.0)),
                count=random.choice((-2, -1, 1, 2)),
                what=random.choice(("trade", "trade", "trade", "rest", "near", "moved")),
            )
        )
        kind, home = (
            random.choice(_AT_A_HAND * 2 + ("",) * 4 * len(_AT_A_HAND)),
            0 if leads else 1 + number % (_LOGINS - 1),
        )
        if kind:
            faults.append(Fault(at_s=max(0.0, at_s - 0.0001), kind=kind, where=f"login{home}", for_s=0.5, count=2))
    return faults


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
