"""How many lots each order of a leader asks of a follower now, and how far its orders at rest explain where it stands.
Reads the core and changes nothing; `engine/mirror.py` acts on it, the planner and recovery take the slack.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import foreign, guards
from engine.mirror_book import LeaderOrder, Mirror, Place
from engine.mirror_terms import Rung, Share, Size, is_stop, price_differs, shares
from engine.rules import clash, map_for, meant, reducing_part, symbol_for
from schema.records import Episode, FollowerConfig, GroupConfig, Mode, Side, Unfilled

if TYPE_CHECKING:
    from engine.core import Core

_NOTHING = Share()


class Wants:
    """`lots` is what each of the leader's orders asks for, signed, by its id. The follower may stand `low` (0 or less)
    to `high` (0 or more) lots from its target, because of its own orders at rest. `why` says why it takes no part, or
    is ''. `target` is what the follower should hold, None
    when nothing is asked of it. `waiting` are the mirrors whose leader's order has filled and that still wait to.
    `held` is what its copies hold, `extra` (signed) the lots of it beyond the target that its own orders explain: they
    came by entries before the leader's own, or wait for exits after those."""

    __slots__ = ("extra", "held", "high", "lots", "low", "shares", "target", "waiting", "why")

    def __init__(self) -> None:
        self.lots: dict[str, int] = {}
        self.shares: Mapping[str, Share] = {}
        self.low = 0
        self.high = 0
        self.why = ""
        self.target: int | None = None
        self.held = 0
        self.extra = 0
        self.waiting: list[Mirror] = []

    def share(self, order_id: str) -> Share:
        return self.shares.get(order_id, _NOTHING)


def mirrors(core: Core, follower: FollowerConfig) -> bool:
    """Whether orders of its leader are mirrored for this follower."""
    group = core.groups.get(follower.group)
    return group is not None and group.mode is not Mode.FILLS


def slack(core: Core, follower: FollowerConfig, leader_symbol: str) -> tuple[int, int]:
    """How far below and above its target the follower's orders at rest explain its position: (0 or less, 0 or more)."""
    if (follower.account, leader_symbol) not in core.mirrored.places:
        return 0, 0
    wants = wanted(core, follower, leader_symbol)
    return wants.low, wants.high


def unprotected(core: Core, account: str, leader_symbol: str) -> str:
    """Why nothing may be opened beside a position whose protective order its venue refuses, or ''."""
    place = core.mirrored.places.get((account, leader_symbol))
    return f"its protective order was refused ({place.alarmed})" if place is not None and place.alarmed else ""


def wanted(core: Core, follower: FollowerConfig, leader_symbol: str) -> Wants:
    wants = Wants()
    group = core.groups[follower.group]
    place = core.mirrored.places.get((follower.account, leader_symbol)) or Place()
    orders = core.mirrored.leaders(group.leader, leader_symbol)
    symbol = symbol_for(follower, leader_symbol)
    net = foreign.held_by_copies(core, follower.account, symbol)
    way = core.inflight.on_the_way(follower.account, symbol)
    coming = way[0]
    wants.held = net
    state = core.states.get((follower.account, leader_symbol))
    scale = state.scale if state else None
    by_plan = meant(net + coming, state.planned) if state else 0
    leader_net = core.leader_nets.get((group.leader, leader_symbol), 0)
    wants.target = None if leader_net else 0
    wants.why = _no_part(core, group, follower, leader_symbol, flat=not net and not any(way))
    if wants.why or scale is None:
        wants.why = wants.why or "equity of follower or leader is not known yet"
        _keep_protected(follower, place, net, wants)
        return wants

    size = Size(rule=follower.rule, scale=scale, by_plan=by_plan, max_position=follower.max_position)
    rungs = tuple([_rung(order, leader_net) for order in orders.values() if order.rests])
    protective = group.mode is Mode.PROTECTIVE
    wants.shares = shares(rungs, leader_net, net, coming, size, protective=protective)
    if early := _early_exits(place, wants):
        wants.shares = shares(rungs, leader_net, net, coming, size, protective=protective, early=early)
    wants.lots = {order_id: share.lots for order_id, share in wants.shares.items()}
    wants.target = size.target(leader_net)
    gap = wants.target - net - coming
    _explain(group, place, orders, net + coming, gap, wants)
    _cover(orders, -leader_net if follower.rule.invert else leader_net, net + coming, wants)
    _bind_entries(core, follower, net + coming, wants)
    return wants


def _rung(order: LeaderOrder, leader_net: int) -> Rung:
    """A leader's order as a rung. One of a pair that its venue links is no larger than what it closes: when the other
    trades, the venue makes it smaller a moment later than it tells the fill."""
    rung = order.rung
    if not order.oco_id or leader_net * order.terms.side.sign >= 0:
        return rung
    return replace(rung, left=min(rung.left, abs(leader_net)))


def _no_part(core: Core, group: GroupConfig, follower: FollowerConfig, leader_symbol: str, *, flat: bool) -> str:
    """Why the follower has no part in its leader's orders, or ''."""
    if group.mode is Mode.FILLS:
        return "this group mirrors fills"
    off = guards.off_of(core, follower, flat=flat)
    if off:
        return off
    state = core.states.get((follower.account, leader_symbol))
    in_trade = core.leader_nets.get((group.leader, leader_symbol), 0) != 0
    if state is not None and state.episode is Episode.MISSED and in_trade:
        return "missed the entry of this trade"
    return clash(follower, leader_symbol) or price_differs(map_for(follower, leader_symbol))


def _keep_protected(follower: FollowerConfig, place: Place, net: int, wants: Wants) -> None:
    """A follower that is switched off keeps what protects its position, as large as that is and no larger."""
    if follower.enabled:
        return
    for mirror in place.mirrors.values():
        sign = mirror.terms.side.sign
        if mirror.left and sign * net < 0:
            wants.lots[mirror.leader_order_id] = sign * min(mirror.left, abs(net))


def _explain(
    group: GroupConfig, place: Place, orders: dict[str, LeaderOrder], held: int, gap: int, wants: Wants
) -> None:
    """What the follower's own orders at rest still bring of `gap`, and what they brought before the leader's did."""
    ahead: dict[tuple[bool, bool], int] = {}  # (buy, is a stop) -> lots, of orders that close the same position
    for order_id, mirrors_of in place.by_order.items():
        leader = orders.get(order_id)
        filled = sum([mirror.order.copy.filled_qty for mirror in mirrors_of])
        leads = leader is not None and leader.filled > 0
        if not filled and not leads:
            continue  # both wait: it explains nothing yet
        share = wants.share(order_id)
        left = sum([mirror.left * mirror.terms.side.sign for mirror in mirrors_of])
        behind = _beyond(left, share.due) if leads else 0
        if behind:
            wants.low -= max(0, behind)
            wants.high += max(0, -behind)
            owed = max(-abs(behind), min(abs(behind), gap)) if behind * gap > 0 else 0
            if owed:
                wants.waiting += [mirror for mirror in mirrors_of if mirror.left]
                stays = owed
                if place.overdue:  # what closes goes at market in any case
                    left_there = unfilled_of(group, mirrors_of) is Unfilled.LEAVE
                    opens = gap - reducing_part(held, gap) if left_there else 0
                    stays = max(-abs(opens), min(abs(opens), owed))
                gap -= owed
                if leader is not None and not is_stop(leader.terms.order_type) and not place.overdue:
                    wants.extra -= reducing_part(held, owed)
                wants.lots[order_id] = wants.lots.get(order_id, 0) + stays
        early = _beyond(share.due, left)
        early = max(-filled, min(filled, early))
        if not early:
            continue
        if share.exit:
            stops = is_stop(mirrors_of[0].terms.order_type)
            ahead[early > 0, stops] = ahead.get((early > 0, stops), 0) + early
        else:
            wants.high += max(0, early)
            wants.low += min(0, early)
            wants.extra += early
    # A stop and a target of one position are alternatives: that both have filled is a surplus, and explains nothing.
    wants.high += max((lots for (buy, _), lots in ahead.items() if buy), default=0)
    wants.low += min((lots for (buy, _), lots in ahead.items() if not buy), default=0)


def unfilled_of(group: GroupConfig, waited: Iterable[Mirror]) -> Unfilled:
    """What becomes of what these orders, which have waited too long, were to open. Exits of the last trade are no
    entries of the next: what they have kept from opening goes at market, as it does where entries go by position."""
    exits = all(mirror.order.copy.reducing for mirror in waited)
    return Unfilled.MARKET if exits or group.mode is Mode.PROTECTIVE else group.unfilled


def _cover(orders: dict[str, LeaderOrder], leads_to: int, held: int, wants: Wants) -> None:
    """Lots that an entry brought before the leader's own, or that wait for a limit that has filled for the leader, are
    protected as what the leader holds is: where stops cover all of that, the one that the market reaches first covers
    these lots, too. `leads_to` is what the leader holds, as the follower would hold it; its share of that may be no
    lots at all."""
    surplus = min(abs(held) - abs(wants.target or 0), abs(wants.extra))
    if surplus <= 0 or held * wants.extra <= 0 or held * leads_to <= 0:
        return
    stops = [
        order
        for order in orders.values()
        if (share := wants.share(order.order_id)).exit
        and (share.due or not wants.target)
        and is_stop(order.terms.order_type)
    ]
    if stops and sum(order.rung.left for order in stops) >= abs(leads_to):
        upward = stops[0].terms.side is Side.BUY
        first = (min if upward else max)(stops, key=lambda order: order.asks.trigger)
        wants.lots[first.order_id] = wants.lots.get(first.order_id, 0) + (-surplus if held > 0 else surplus)


def _early_exits(place: Place, wants: Wants) -> int:
    """Lots that the follower's exits have filled before its leader's."""
    return sum(
        max(0, min(filled, abs(share.due) - mirror.left))
        for mirror in place.mirrors.values()
        if (filled := mirror.order.copy.filled_qty) and (share := wants.share(mirror.leader_order_id)).exit
    )


def _beyond(lots: int, other: int) -> int:
    """By how much `lots` goes further than `other` in its own direction (signed), 0 when it does not."""
    if lots > 0:
        return max(0, lots - max(0, other))
    return min(0, lots - min(0, other))


def _bind_entries(core: Core, follower: FollowerConfig, held: int, wants: Wants) -> None:
    """What opens keeps to the order cap, and goes where a guard lets no entry rest."""
    for order_id, lots in wants.lots.items():
        reducing = reducing_part(held, lots)
        opening = lots - reducing
        if not opening:
            continue
        if not guards.rests_entries(core, follower) or (reducing and not core.able(follower.account).flips):
            opening = 0
        elif follower.max_order is not None:
            opening = max(-follower.max_order, min(follower.max_order, opening))
        wants.lots[order_id] = reducing + opening
