"""Whose lots a follower holds, and what follows when somebody else trades on its account. Part of the core.

A fill on a follower is a copy's (its tag or its order says so), a flatten's, the venue's own liquidation, or foreign.
One of an order that the trader gave from the desk (`engine/manual.py`) is foreign, but nobody has to be told of it.
Foreign lots belong to the trader: targets, copies, corrections and resyncs reckon with the copies' lots alone and leave
the foreign ones where they are; only a flatten closes them. Lots that were held before the desk first met the follower
are foreign too. A foreign fill against the copies' lots closes those first: a follower whose copies were all closed by
hand is out of the leader's open trade, so that its exits do not open the other way; of one whose copies were closed in
part nothing is opened again before the leader trades.

What else follows is the group's policy: `ignore` says nothing, `alert` says it once for each order, `disarm` also
switches the follower off, `flatten` also flattens it. No policy touches a foreign order by itself but the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine import guards
from engine.inflight import InFlight
from engine.rules import reducing_part, symbol_for
from schema.records import Episode, Fill, FollowerConfig, Foreign, LiveOrder, Lots, Out, VenueOrder

if TYPE_CHECKING:
    from engine.core import Core

COPY_TAG, FLATTEN_TAG = "cd", "cf"
_FLATTEN_NS = 15_000_000_000


def lots_of(core: Core, account: str, symbol: str) -> Lots:
    """Whose lots the account holds of `symbol`."""
    return core.lots.get((account, symbol)) or Lots(account=account, symbol=symbol)


def held_by_copies(core: Core, account: str, symbol: str) -> int:
    """What the account holds without the foreign lots: the position that targets are about."""
    lots = core.lots.get((account, symbol))
    return core.ledger.net(account, symbol) - (lots.foreign if lots else 0)


def put(core: Core, lots: Lots) -> None:
    """Remember and store whose lots are whose. The trader's own from the desk are never more than all foreign ones."""
    if lots.manual:
        together = min(lots.manual, lots.foreign, key=abs) if lots.manual * lots.foreign > 0 else 0
        lots = replace(lots, manual=together)
    if core.lots.get((lots.account, lots.symbol)) != lots:
        core.lots[lots.account, lots.symbol] = lots
        core.emit(ev.Keep(lots=(lots,)))


def copied(core: Core, account: str, symbol: str, signed_qty: int) -> None:
    """A copy of this account was filled."""
    lots = lots_of(core, account, symbol)
    put(core, replace(lots, copied=lots.copied + signed_qty))
    tidy(core, account, symbol)


def tidy(core: Core, account: str, symbol: str) -> None:
    """Nothing is held: then nobody holds anything, unless the two sides stand against each other."""
    lots = core.lots.get((account, symbol))
    if lots is not None and not core.ledger.net(account, symbol) and lots.copied + lots.foreign:
        put(core, replace(lots, copied=0, foreign=0, closed=0))


def meet(core: Core, account: str) -> bool:
    """The desk reads a follower for the first time: what it holds already is not from copies. True when it was new."""
    if account in core.met or account not in core.followers or not core.ledger.known(account):
        return False
    core.met.add(account)
    for owner, symbol, holding in core.ledger.positions():
        if owner == account and holding.net:
            put(core, Lots(account=account, symbol=symbol, foreign=holding.net))
            text = f"{account}: holds {holding.net:+d} {symbol} from before it followed; the copies leave that alone"
            core.emit(ev.Alert(level="info", text=text))
    return True


def filled(core: Core, fill: Fill) -> None:
    """A fill that was not seen before, on any account; the ledger has booked it."""
    follower = core.followers.get(fill.account)
    if follower is None or core.inflight.get(fill.cl_ord_id):
        return
    if fill.cl_ord_id.startswith(COPY_TAG):
        copied(core, fill.account, fill.symbol, fill.net_qty)  # of a copy that ended long ago
        return
    net_qty, manual = fill.net_qty, core.manual.mine(fill)
    if manual:  # what of it the position showed before is the trader's already
        net_qty -= core.manual.shown_before(fill)
    lots = lots_of(core, fill.account, fill.symbol)
    closing = reducing_part(lots.copied, net_qty)
    left = replace(lots, copied=lots.copied + closing)
    if not manual and _closes(core, fill, lots):
        rest = reducing_part(left.foreign, net_qty - closing)
        put(core, replace(left, foreign=left.foreign + rest))
        tidy(core, fill.account, fill.symbol)
        return
    traders(core, follower, fill.symbol, net_qty, manual=manual)
    if not manual:
        what = f"{fill.side} {fill.qty} {fill.symbol} at {fill.price.normalize():f} was filled"
        _say(core, follower, fill.order_id, what)


def traders(core: Core, follower: FollowerConfig, symbol: str, net_qty: int, *, manual: bool) -> None:
    """So many signed lots came to a follower by the trader's hand, `manual` from the desk: they close the copies' lots
    first."""
    lots = lots_of(core, follower.account, symbol)
    closing = reducing_part(lots.copied, net_qty)
    rest = net_qty - closing
    own = lots.manual + rest if manual else lots.manual
    copied = lots.copied + closing
    closed = lots.closed + closing if copied else 0
    left = replace(lots, copied=copied, foreign=lots.foreign + rest, manual=own, closed=closed)
    put(core, left)
    tidy(core, follower.account, symbol)
    if closing and not left.copied:
        leave(core, follower, symbol)


def led(core: Core, account: str, symbol: str) -> None:
    """The leader has traded, or the follower has another rule: what was closed by hand before counts no more."""
    lots = core.lots.get((account, symbol))
    if lots is not None and lots.closed:
        put(core, replace(lots, closed=0))


def spared(core: Core, account: str, symbol: str, target: int) -> tuple[int, int]:
    """How far below and above its target a follower may stay, towards flat, since its copies were closed by hand:
    (0 or less, 0 or more)."""
    closed = lots_of(core, account, symbol).closed
    return (-min(target, -closed) if target > 0 > closed else 0, min(-target, closed) if target < 0 < closed else 0)


def _closes(core: Core, fill: Fill, lots: Lots) -> bool:
    """Whether the fill is a flatten's, of this desk or of another process, or the venue's own liquidation."""
    since_ns = fill.venue_ns - core.flattened_ns.get(fill.account, -_FLATTEN_NS)
    if fill.cl_ord_id.startswith(FLATTEN_TAG) or guards.being_flattened(core, fill.account):
        return True
    money = core.money.get(fill.account)
    reduces = (lots.copied + lots.foreign) * fill.net_qty < 0
    return 0 <= since_ns < _FLATTEN_NS or (reduces and money is not None and money.liquidate_only)


def seen(core: Core, order: VenueOrder) -> None:
    """The venue showed an order, by stream or by reading: a working one on a follower that is nobody's here is said."""
    follower = core.followers.get(order.account)
    if follower is None or not isinstance(order, LiveOrder) or (order.account, order.order_id) in core.foreign_orders:
        return
    ours = order.cl_ord_id.startswith((COPY_TAG, FLATTEN_TAG)) or core.inflight.get(order.cl_ord_id)
    if ours or core.manual.mine(order) or guards.being_flattened(core, order.account):
        return
    price = order.limit_price or order.stop_price
    at = f" at {price.normalize():f}" if price else ""
    _say(core, follower, order.order_id, f"{order.side} {order.qty} {order.symbol} {order.order_type}{at} is working")


def _say(core: Core, follower: FollowerConfig, order_id: str, what: str) -> None:
    """Carry the group's policy out, once for each order."""
    account = follower.account
    if (account, order_id) in core.foreign_orders:
        return
    core.foreign_orders.add((account, order_id))
    policy = core.groups[follower.group].foreign
    if policy is Foreign.IGNORE:
        return
    text = f"{account}: order {order_id} is not the desk's: {what}"
    if policy is Foreign.ALERT or not follower.enabled:
        core.emit(ev.Alert(level="warn", text=f"{text}; its lots are left alone"))
        return
    why = f"somebody else traded on it: {what}"
    flattens = policy is Foreign.FLATTEN
    core.emit(ev.Alert(level="alarm", text=f"{text}; switched off{' and flattened' if flattens else ''}"))
    disarm(core, account, why)
    core.emit(ev.Disarm(account=account, reason=why, flatten=flattens))


def disarm(core: Core, account: str, why: str) -> None:
    """The follower is off from now on, also while the switch is still being stored."""
    core.followers[account] = off = replace(core.followers[account], enabled=False, why_off=why)
    core.members[off.group] = [off if f.account == account else f for f in core.members[off.group]]
    core.disarming[account] = why
    core.leave_episodes(account)


def still_disarming(core: Core, followers: tuple[FollowerConfig, ...]) -> tuple[FollowerConfig, ...]:
    """The followers of a configuration just read; one that was disarmed stays off until the stored switch says so."""
    for follower in followers:
        if not follower.enabled:
            core.disarming.pop(follower.account, None)
    return tuple(
        replace(f, enabled=False, why_off=core.disarming[f.account]) if f.account in core.disarming else f
        for f in followers
    )


def recovered(core: Core, event: ev.Recovered) -> None:
    """What the journal knows of whose lots are whose, and of copies whose fills have not all come."""
    for lots in event.lots:
        core.lots[lots.account, lots.symbol] = lots
        core.met.add(lots.account)
        follower = core.followers.get(lots.account)
        for (account, leader_symbol), state in core.states.items():
            if follower is None or account != lots.account or symbol_for(follower, leader_symbol) != lots.symbol:
                continue
            open_now = core.leader_net_for(account, leader_symbol) != 0
            if lots.out is not Out.NO:
                state.out = lots.out is Out.ALWAYS
                state.behind = False
                if state.out or open_now:
                    state.episode = Episode.MISSED
            # What copies left with a follower that should hold nothing must go.
            if lots.copied and (state.episode is Episode.MISSED or not open_now):
                state.behind = True
    for signal, copy in event.short_copies:
        core.inflight.remember(InFlight.ended(signal, copy))


def new_trade(core: Core, follower: FollowerConfig, leader_symbol: str) -> None:
    """The leader begins a trade from flat: who only left the last one may join it."""
    lots = core.lots.get((follower.account, symbol_for(follower, leader_symbol)))
    if lots is not None and lots.out is Out.TRADE:
        put(core, replace(lots, out=Out.NO))


def back(core: Core, account: str) -> None:
    """The trader switched the follower on again: nothing keeps it out any more."""
    for lots in [lots for (owner, _), lots in core.lots.items() if owner == account]:
        put(core, replace(lots, out=Out.NO))
    for (owner, _), state in core.states.items():
        if owner == account:
            state.out = False


def left(core: Core, account: str) -> None:
    """The account was flattened: it is out of the trades that are open now."""
    follower = core.followers.get(account)
    for owner, leader_symbol in core.states:
        if follower is not None and owner == account and core.leader_net_for(account, leader_symbol):
            lots = lots_of(core, account, symbol_for(follower, leader_symbol))
            put(core, replace(lots, out=Out.TRADE if lots.out is Out.NO else lots.out))


def leave(core: Core, follower: FollowerConfig, symbol: str) -> None:
    """The copies' lots were closed by hand: the follower takes no further part in the trade that is open."""
    for (account, leader_symbol), state in core.states.items():
        if account != follower.account or symbol_for(follower, leader_symbol) != symbol:
            continue
        if core.leader_net_for(account, leader_symbol) and state.episode is Episode.JOINED:
            state.episode = Episode.MISSED
            state.behind = False
            put(core, replace(lots_of(core, account, symbol), out=Out.TRADE))
            text = f"{account}: its copies in {symbol} were closed by hand; it is out of this trade"
            core.emit(ev.Alert(level="warn", text=text))
