"""Recovery and reconcile: what a venue says is true against what the desk thinks. Functions of the core; no I/O.

Start, reconnect and the periodic reading are one path: adopt positions, settle orders, find fills that were missed,
turn missed leader fills into signals (too old to open anything, never too old to reduce), ask about what is unknown,
and correct followers that fell behind, each on its own, exits first, entries only where the group's policy says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from brokers import adapter as venue
from engine import (
    answers,
    finding,
    foreign,
    guards,
    late,
    manual_asking,
    mirror,
    mirror_answers,
    mirror_plan,
    returned,
    rollover,
    unlisted,
)
from engine import events as ev
from engine.rules import capped, clash, meant, reducing_part, symbol_for, target_net
from engine.state import FollowerState
from schema.records import (
    Decision,
    DriftPolicy,
    Episode,
    Fill,
    FollowerConfig,
    GroupConfig,
    Side,
    Signal,
    SignalKind,
)

if TYPE_CHECKING:
    from engine.core import Core

_ASK_EVERY_NS = 500_000_000
_ASK_BRISKLY = 4  # so many questions at that pace, then half as often each time
_ASK_AT_LEAST_NS = 2_000_000_000
_ASK_UNREAD_NS = 10_000_000_000  # nothing is unknown, but the last question was not answered
_DISAGREES_AFTER_NS = 1_000_000_000
_FIRST_RETRY_NS = 100_000_000
_LAST_RETRY_NS = 2_000_000_000
_ENTRY_ATTEMPTS = 5


def stream_up(core: Core, event: venue.StreamUp) -> None:
    """A login is (again) in step with its venue: its snapshot is the truth, whatever was thought before."""
    core.up[event.connection] = True
    core.down_reason[event.connection] = ""
    core.breakers[event.connection].succeeded()
    core.asked_ns[event.connection] = event.received_ns
    core.returning = event.connection
    _answered(core, event.connection, event.snapshot, event.received_ns)
    _read(core, event.snapshot, event.received_ns, adopt=event.snapshot.complete)
    mirror_answers.snapshot_read(core, event.snapshot, core.seq, event.received_ns)
    _correct(core)
    core.returning = ""
    returned.stream_up(core, event)


def snapshot_read(core: Core, event: ev.SnapshotRead) -> None:
    """An answer to a question. Positions of accounts that traded since it was asked are left as they are."""
    _answered(core, event.connection, event.snapshot, event.at_ns)
    quiet = frozenset(a for a in event.snapshot.complete if core.fill_seqs.get(a, 0) <= event.asked_seq)
    _read(core, event.snapshot, event.at_ns, adopt=quiet)
    mirror_answers.snapshot_read(core, event.snapshot, event.asked_seq, event.at_ns)
    _correct(core)


def ask_failed(core: Core, event: ev.AskFailed) -> None:
    """A question went unanswered: nothing is adopted, and the trader is told once."""
    since_ns, said = core.unread.get(event.connection, (event.at_ns, ""))
    core.unread[event.connection] = (since_ns, event.reason)
    if not said:
        core.emit(ev.Alert(level="warn", text=f"{event.connection}: {event.reason}; asking on"))


def _answered(core: Core, connection: str, snapshot: venue.Snapshot, at_ns: int) -> None:
    """Note which logins can be read: one whose accounts are not all there counts as not answering."""
    left_out = sorted(set(core.accounts_of(connection)) - snapshot.complete)
    if left_out:
        text = f"the venue's answer leaves out what {', '.join(left_out[:3])} hold{'s' if len(left_out) == 1 else ''}"
        ask_failed(core, ev.AskFailed(at_ns=at_ns, connection=connection, reason=text))
    elif connection in core.unread:
        since_ns, _ = core.unread.pop(connection)
        text = f"{connection}: read again after {(at_ns - since_ns) / 1e9:.0f} s"
        core.emit(ev.Alert(level="info", text=text))


def _read(core: Core, snapshot: venue.Snapshot, at_ns: int, *, adopt: frozenset[str]) -> None:
    for state in snapshot.states:
        core.money[state.account] = state
    fresh = [fill for fill in snapshot.fills if core.is_new(fill)]
    fresh.sort(key=lambda fill: (fill.venue_ns, fill.fill_id))
    first_seen = {a for a in snapshot.complete if a in core.leads and a not in core.baselines}
    for account in snapshot.complete:
        core.last_said_ns[account] = at_ns
    moved: unlisted.Moved = {}
    for account in sorted(adopt):
        started = not core.ledger.known(account) and account in core.met
        for symbol, ours, theirs in core.ledger.adopt(account, [p for p in snapshot.positions if p.account == account]):
            core.venue_nets.pop((account, symbol), None)
            moved[account, symbol] = theirs - ours
            if account in first_seen:
                _meet_leader(core, account, symbol, theirs)
            elif not any(fill.account == account and fill.symbol == symbol for fill in fresh) and ours:
                text = (
                    f"{account}: the venue holds {theirs:+d} {symbol}, the desk thought {ours:+d}; the venue is right"
                )
                core.emit(ev.Alert(level="warn", text=text))
        if started:  # what it held when the last desk wrote is what it moved from
            for (owner, symbol), lots in core.lots.items():
                if owner == account:
                    moved[account, symbol] = core.ledger.net(account, symbol) - lots.copied - lots.foreign
    for account in sorted(first_seen & adopt):
        # Everything up to the newest fill listed now is history; with none listed, so is what is older than now.
        newest = max((f.venue_ns + 1 for f in snapshot.fills if f.account == account), default=snapshot.at_ns)
        core.baselines[account] = newest
        core.emit(ev.SetBaseline(leader=account, at_ns=newest))
    for order in snapshot.orders:
        answers.order_seen(core, order, at_ns)
    strangers = {account for account in sorted(adopt) if foreign.meet(core, account)}
    for fill in fresh:
        _missed_fill(core, fill, at_ns, booked=fill.account in adopt)
        if fill.account not in strangers:
            foreign.filled(core, fill)
    left = unlisted.unexplained(core, moved, fresh, adopt)
    manual_asking.explain(core, adopt, left)
    for account in sorted(adopt):
        _leader_agrees(core, account, at_ns)
        _finish(core, account)
    unlisted.read(core, snapshot, adopt, left)
    orders = tuple(order for order in snapshot.orders if answers.news(core, order))
    core.emit(ev.Keep(fills=tuple(fresh), orders=orders, positions=snapshot.positions, states=snapshot.states))


def _meet_leader(core: Core, leader: str, symbol: str, net: int) -> None:
    """A leader seen for the first time while it holds something: its followers missed that entry."""
    core.leader_nets[leader, symbol] = net
    for group in core.leads[leader]:
        for follower in core.members.get(group.group, []):
            core.state(follower.account, symbol).episode = Episode.MISSED


def _missed_fill(core: Core, fill: Fill, at_ns: int, *, booked: bool) -> None:
    core.seen_fills.add((fill.account, fill.fill_id))
    mirror.leader_fill(core, fill)
    if not booked:
        core.ledger.book(fill)
    answers.copy_filled(core, fill, at_ns)
    if fill.account in core.leads and fill.venue_ns >= core.baselines.get(fill.account, 0):
        core.leader_filled(fill, at_ns)


def _leader_agrees(core: Core, account: str, at_ns: int) -> None:
    """The leader's position must be what its fills add up to; if not, the difference itself is a signal."""
    if account not in core.leads:
        return
    symbols = {symbol for leader, symbol in core.leader_nets if leader == account}
    symbols |= {symbol for owner, symbol, _ in core.ledger.positions() if owner == account}
    for symbol in sorted(symbols):
        before, net = core.leader_nets.get((account, symbol), 0), core.ledger.net(account, symbol)
        if before == net:
            continue
        core.leader_nets[account, symbol] = net
        text = f"{account}: {symbol} is {net:+d} at the venue, its fills add up to {before:+d}; only exits follow"
        core.emit(ev.Alert(level="alarm", text=text))
        for group in core.leads[account]:
            signal = Signal(
                signal_id=core.digest("position", account, symbol, str(net), str(at_ns), group.group),
                kind=SignalKind.LEADER_POSITION,
                group=group.group,
                leader=account,
                symbol=symbol,
                side=Side.of(net - before),
                qty=abs(net - before),
                price=Decimal(0),
                leader_net=net,
                source="venue position",
                venue_ns=0,
                received_ns=at_ns,
            )
            core.signal(signal, core.members.get(group.group, []), leader_before=before)


def _finish(core: Core, account: str) -> None:
    """An adopted position holds every fill of a finished order, whether or not the venue still lists them."""
    for order in (*core.inflight.all(), *core.inflight.resting()):
        if order.copy.follower == account and order.done_filled >= 0 and not order.unknown_since_ns:
            lots = order.net_left
            order.adopted += abs(lots)
            foreign.copied(core, account, order.copy.symbol, lots)
            if lots:  # the follower may have left the trade since
                core.state(account, order.copy.leader_symbol).behind = True
            core.inflight.end(order)
    for owner, symbol in list(core.lots):
        if owner == account:
            foreign.tidy(core, account, symbol)


def tick(core: Core, event: ev.Tick) -> None:
    """Time passed: deadlines, questions that are due, corrections."""
    now_ns = event.at_ns
    mirror_answers.tick(core, now_ns)
    asking = mirror_answers.asking(core)
    for order in core.inflight.all():
        if order.copy.decision is Decision.PENDING and order.copy.journaled_ns and now_ns > order.deadline_ns:
            answers.becomes_unknown(core, order, f"no answer within {core.limits.deadline_s:g} s; asking the venue")
    asking |= finding.tick(core, now_ns)
    for (account, symbol), (net, said_ns) in core.venue_nets.items():
        differs = net != core.ledger.net(account, symbol) and now_ns - said_ns > _DISAGREES_AFTER_NS
        if differs and not core.inflight.at(account, symbol):
            asking.add(core.connection_of(account))
    every_ns = int(core.limits.reconcile_every_s * 1e9)
    for connection, up in core.up.items():
        asked = core.asked_in_a_row.get(connection, 0)
        slowest_ns = _ASK_AT_LEAST_NS if connection in asking else _ASK_UNREAD_NS
        due_ns = min(_ASK_EVERY_NS << max(0, asked - _ASK_BRISKLY), slowest_ns)
        if connection not in asking and connection not in core.unread:
            due_ns, asked = every_ns, -1
            core.asked_in_a_row[connection] = 0
        if up and now_ns - core.asked_ns.get(connection, 0) >= due_ns:
            core.asked_ns[connection] = now_ns
            core.asked_in_a_row[connection] = asked + 1
            core.emit(ev.Ask(connection=connection))
    _correct(core)
    late.join(core)
    returned.tell(core)


def target_of(core: Core, follower: FollowerConfig, leader_symbol: str) -> int | None:
    """What the follower should hold now for the leader's trade of `leader_symbol`; None when nothing is asked of it
    (it missed the trade) or it can't be said."""
    state = core.states.get((follower.account, leader_symbol))  # only read: the screen asks too, and may change nothing
    leader_net = core.leader_net_for(follower.account, leader_symbol)
    if clash(follower, leader_symbol):
        return None
    if leader_net == 0:
        return 0
    if state is None or state.episode is not Episode.JOINED or state.scale is None:
        return None
    held = foreign.held_by_copies(core, follower.account, symbol_for(follower, leader_symbol))
    asked = target_net(follower.rule, state.scale, leader_net)
    return capped(asked, meant(held, state.planned), follower.max_position)


def _correct(core: Core) -> None:
    for (account, leader_symbol), state in list(core.states.items()):
        if not state.behind or guards.being_flattened(core, account):
            continue
        follower = core.followers.get(account)
        if follower is None or not follower.enabled or clash(follower, leader_symbol):
            state.behind = False
            continue
        symbol = symbol_for(follower, leader_symbol)
        group = core.groups[follower.group]
        if any(core.inflight.on_the_way(account, symbol)) or not _can_correct(
            core, account, group, chased=core.now_ns < state.chase_until_ns
        ):
            continue
        target, held = target_of(core, follower, leader_symbol), foreign.held_by_copies(core, account, symbol)
        # Who missed the trade is asked for nothing, but what copies brought it all the same must go again.
        copied = foreign.lots_of(core, account, symbol).copied
        low, high = mirror_plan.slack(core, follower, leader_symbol)
        if target is None:
            delta = reducing_part(held, -copied)
        else:
            below, above = foreign.spared(core, account, symbol, target)
            delta = _beyond(target, held, min(low, below), max(high, above))
        if delta == 0:
            state.behind = False
            state.attempts = 0
        elif core.now_ns >= state.retry_ns:
            _correct_one(core, follower, leader_symbol, state, target, delta)


def _beyond(target: int, held: int, low: int, high: int) -> int:
    """The lots that bring `held` to the nearest position from `low` to `high` lots off the target."""
    return max(target + low, min(target + high, held)) - held


def _can_correct(core: Core, account: str, group: GroupConfig, *, chased: bool) -> bool:
    return (
        bool(core.up.get(core.connection_of(account)))
        and core.ledger.known(account)
        and core.ledger.known(group.leader)
        and (group.drift is not DriftPolicy.SHOW or chased)
    )


def _correct_one(
    core: Core, follower: FollowerConfig, leader_symbol: str, state: FollowerState, target: int | None, delta: int
) -> None:
    group = core.groups[follower.group]
    held = foreign.held_by_copies(core, follower.account, symbol_for(follower, leader_symbol))
    chased = core.now_ns < state.chase_until_ns
    gate = "" if group.drift is DriftPolicy.AUTO or chased else "the group corrects exits only"
    if state.hopeless:
        gate = gate or "it can't be opened in this trade"
    symbol = symbol_for(follower, leader_symbol)
    expiring = rollover.gate_of(core, core.connection_of(follower.account), symbol)
    if not reducing_part(held, delta) and (expiring or guards.gate_of(core, follower)):
        state.behind = False  # for good: nothing is opened by surprise when it is lifted, or acknowledged
        return
    if not reducing_part(held, delta) and (gate or state.hopeless or state.attempts >= _ENTRY_ATTEMPTS):
        state.behind = False
        text = f"{follower.account}: {delta:+d} {symbol_for(follower, leader_symbol)} behind its target"
        core.emit(ev.Alert(level="warn", text=text))
        return
    state.attempts += 1
    state.retry_ns = core.now_ns + min(_FIRST_RETRY_NS << min(state.attempts, 10), _LAST_RETRY_NS)
    signal = Signal(
        signal_id=core.digest("correction", follower.account, leader_symbol, str(core.now_ns), str(core.seq)),
        kind=SignalKind.CORRECTION,
        group=group.group,
        leader=group.leader,
        symbol=leader_symbol,
        side=Side.of(delta),
        qty=abs(delta),
        price=Decimal(0),
        leader_net=core.leader_net_for(follower.account, leader_symbol),
        source=f"attempt {state.attempts}",
        venue_ns=core.now_ns,
        received_ns=core.now_ns,
    )
    copy = core.correct(signal, follower, delta, gate=gate, target=target)
    if copy.decision is Decision.PENDING:
        core.commit(signal, [copy])


def drifting(core: Core) -> Iterable[tuple[FollowerConfig, str, int, int]]:
    """(follower, symbol, target, held) of every enabled follower that does not stand at its target and has nothing
    on the way to it. Lots that the trader gave it from the desk are no drift: he knows of them."""
    leader_symbols = {symbol for _, symbol in core.leader_nets}
    for follower in core.followers.values():
        if not follower.enabled or not core.ledger.known(follower.account):
            continue
        for leader_symbol in leader_symbols:
            symbol = symbol_for(follower, leader_symbol)
            target, held = target_of(core, follower, leader_symbol), core.ledger.net(follower.account, symbol)
            low, high = mirror_plan.slack(core, follower, leader_symbol)
            own = held - foreign.lots_of(core, follower.account, symbol).manual
            off = target is not None and _beyond(target, own, low, high)
            if target is not None and off and not core.inflight.at(follower.account, symbol):
                yield follower, symbol, target, held
