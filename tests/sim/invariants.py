"""What must hold, each promise in a function that names it by its T-name (`FIELD.md`, section 3).

`Books` watches from outside: what leaves the desk, what reaches the venue, what the disk holds. Expected positions are
computed here from the leader's position and the rule in exact fractions, by no code of the engine. A broken promise is
noted when it is seen and raised at the next check.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from brokers.sandbox.orders import Order, Origin
from engine.seat import FlattenResult, StatusRow, Topic
from schema.records import (
    ApprovedOrder,
    Copy,
    Decision,
    DriftPolicy,
    Episode,
    FollowerConfig,
    Guard,
    Mode,
    Out,
    Rounding,
    RuleKind,
    Signal,
    SignalKind,
)
from tests.sim.by_hand import ByHand
from tests.sim.login import Witness
from tests.sim.plan import LEADER
from tests.sim.resting import Resting
from tests.sim.world import S, Violation

if TYPE_CHECKING:
    from tests.sim.schedule import Schedule

_SYMBOL = "ESH4"
_GRACE_S = 2.0
_ROWS = 12
_MAY_HOLD_AN_EXIT = (
    "off:",
    "missed the entry",
    "at target",
    "position is not known",
    "equity of follower or leader",
    "an earlier order's outcome",
)
_OPEN = (Decision.PENDING, Decision.UNKNOWN)


def share_of(follower: FollowerConfig, leader_net: int, equity: Fraction, leader_equity: Fraction) -> int:
    """T-SIZE: the signed lots a follower's rule asks for, in exact arithmetic."""
    rule = follower.rule
    factor = next((Fraction(entry.lot_factor) for entry in follower.symbols if entry.leader_root == "ES"), Fraction(1))
    value = Fraction(rule.value)
    if leader_net == 0:
        return 0
    exact = {
        RuleKind.FIXED: value,
        RuleKind.PROPORTIONAL: value * factor * abs(leader_net),
        RuleKind.PERCENT: equity / leader_equity * value / 100 * factor * abs(leader_net),
    }[rule.kind]
    lots = {
        Rounding.DOWN: floor(exact),
        Rounding.UP: ceil(exact),
        Rounding.NEAREST: floor(exact + Fraction(1, 2)),
    }[rule.rounding]
    if follower.max_position is not None:
        lots = min(lots, follower.max_position)
    return lots * (1 if leader_net > 0 else -1) * (-1 if rule.invert else 1)


def symbol_of(follower: FollowerConfig) -> str:
    return "MESH4" if follower.symbols else _SYMBOL


def reduces(held: int, delta: int) -> bool:
    """Whether a change brings a position toward zero and not across it."""
    return held * delta < 0 and abs(delta) <= abs(held)


class Books(Witness):
    """See the module's docstring."""

    def __init__(self, run: Schedule) -> None:
        self.run = run
        self.problems: list[str] = []
        self.left: dict[str, ApprovedOrder] = {}
        self.arrived: dict[str, ApprovedOrder] = {}
        self.hands: set[str] = set()  # accounts the trader took out of a trade: what they hold is theirs
        self.guarded: set[str] = set()
        self.hand = ByHand(self)
        self.equity = {name: Fraction(balance) for name, balance in run.plan.balances}
        self.journal_well_ns = 0
        self.checks = 0
        self.ordered_ns: dict[str, int] = {}  # follower -> when its newest order was journaled
        self.rows: dict[str, deque[tuple[str, str]]] = {}  # follower -> its newest rows
        self.symbols = {follower.account: symbol_of(follower) for follower in run.plan.config.followers}
        self.resting = Resting(self)
        self.mirrors = self.resting.mode is not Mode.FILLS
        self.strangers: set[str] = set()  # accounts on which somebody else traded
        self.killed_ns = 0

    def broken(self, text: str) -> None:
        self.problems.append(f"{text} [at {self.run.world.elapsed_s:.3f} s]")

    # --- as it happens ---------------------------------------------------------------------------------------------

    def leaves(self, order: ApprovedOrder) -> None:
        self.t_dup(order, self.left, "left the desk")
        self.t_wal(order)
        self.t_halt(order)
        self.hand.leaves(order)
        self.left[order.cl_ord_id] = order

    def arrives(self, order: ApprovedOrder) -> None:
        self.t_dup(order, self.arrived, "reached the venue")
        self.arrived[order.cl_ord_id] = order

    def exit_refused(self, order: ApprovedOrder, budget_left: int, reason: str) -> None:
        """T-PANIC: requests are kept back for exits, and a pause after a 429 does not bind them."""
        if budget_left > 0:
            self.broken(f"T-PANIC {order.cl_ord_id} reduces and was refused with {budget_left} requests left: {reason}")

    def committed(self, signal: Signal, copies: Sequence[Copy]) -> None:
        self.t_ledger_whole(signal, copies)
        self.t_scope(signal, copies)
        for copy in copies:
            self.t_brk(copy)
            self.t_scope_of_others(copy)
            self.rows.setdefault(copy.follower, deque(maxlen=_ROWS)).append((copy.signal_id, copy.follower))

    def commanded(self, name: str, args: tuple[str, ...]) -> None:
        if name == "manual":
            self.hand.asks(args[0], int(args[1]), args[2])
        elif name == "cancel_manual":
            self.hand.withdraws(args[0])
        elif name in ("toggle", "flatten"):
            self.hands.add(args[0])
        elif name == "kill":
            self.hands |= set(self.run.exchange.ids)
        elif name == "guard":  # whoever missed an entry meanwhile is out of that trade
            self.guarded |= set(self.run.exchange.ids) if args[0] == "all" else {args[0]}

    def stranger(self, account: str) -> None:
        """Somebody else trades there: what the account holds from now on is not the copies' alone."""
        self.hands.add(account)
        self.strangers.add(account)

    def killed(self, result: FlattenResult) -> None:
        """T-PANIC: what the kill switch calls flat is flat, with nothing working; the leader and strangers may have
        traded since it was verified."""
        exchange = self.run.exchange
        for account in set(result.flat) - self.strangers - {LEADER}:
            if exchange.net(account, self.symbol(account)) or exchange.working(account):
                self.broken(f"T-PANIC {account} was called flat by the kill switch and is not")

    def symbol(self, account: str) -> str:
        """The contract in which a follower copies."""
        return self.symbols.get(account, _SYMBOL)

    def t_halt(self, order: ApprovedOrder) -> None:
        """T-PANIC: while the desk is halted, nothing that opens leaves it."""
        desk = self.run.desk
        if desk is not None and desk.core.config.guard is not Guard.NONE and not order.reducing:
            self.broken(f"T-PANIC {order.cl_ord_id} of {order.account} opens and left a halted desk")

    def t_dup(self, order: ApprovedOrder, seen: dict[str, ApprovedOrder], where: str) -> None:
        """T-DUP: no (signal, follower) pair is sent twice, not even with a restart or a reconnect in between."""
        if order.cl_ord_id in seen:
            self.broken(f"T-DUP {order.cl_ord_id} of {order.account} {where} twice")

    def t_wal(self, order: ApprovedOrder) -> None:
        """T-WAL: no order without an intent on the disk, and the order is what the intent says."""
        if manual := self.run.disk.manual.get(order.cl_ord_id):
            row = manual[1]
            if (row.account, row.symbol, row.side, row.qty) != (order.account, order.symbol, order.side, order.qty):
                self.broken(f"T-WAL {order} is not what its row says: {row}")
            return
        key = self.run.disk.tags.get(order.cl_ord_id)
        if key is None:
            self.broken(f"T-WAL {order.cl_ord_id} of {order.account} left the desk and is not in the journal")
            return
        copy = self.run.disk.copies[key]
        if (copy.follower, copy.symbol, copy.side, copy.qty) != (order.account, order.symbol, order.side, order.qty):
            self.broken(f"T-WAL {order} is not what its intent says: {copy}")

    def t_ledger_whole(self, signal: Signal, copies: Sequence[Copy]) -> None:
        """T-LEDGER: a leader's event has one row for each of its followers, and no other."""
        if signal.kind is SignalKind.CORRECTION:
            return
        members = sorted(f.account for f in self.run.disk.config.followers if f.group == signal.group)
        if sorted(copy.follower for copy in copies) != members:
            self.broken(f"T-LEDGER signal {signal.signal_id} has {len(copies)} rows for {len(members)} followers")

    def t_scope(self, signal: Signal, copies: Sequence[Copy]) -> None:
        """T-SCOPE: a correction touches one account only."""
        if signal.kind is SignalKind.CORRECTION and len(copies) != 1:
            self.broken(f"T-SCOPE a correction has {len(copies)} orders")

    def t_scope_of_others(self, copy: Copy) -> None:
        """T-SCOPE: who took part, whole, is out of the trade only by what was done to itself."""
        if (
            not copy.reason.startswith("missed the entry")
            or copy.follower in self.hands | self.guarded
            or self.mirrors
            or self.hand.may_be_out(copy.follower)  # who is closed by hand, whole, takes no further part
        ):
            return
        rows = [self.run.disk.copies[key] for key in self.rows.get(copy.follower, ())]
        took_part = rows and rows[-1].episode is Episode.JOINED and copy.net_before
        # An order that fails puts its follower out of the trade, whenever its answer comes.
        if took_part and all(
            row.reason.startswith("at target") or (row.decision is Decision.COPIED and row.filled_qty == row.qty)
            for row in rows
        ):
            self.broken(f"T-SCOPE {copy.follower} was in the trade and is out of it, and nothing was done to it")

    def t_brk(self, copy: Copy) -> None:
        """T-BRK: a reducing order passes every gate, and is marked so that it passes those further on."""
        desk = self.run.desk
        if desk is None:
            return
        others = [o for o in desk.core.inflight.at(copy.follower, copy.symbol) if o.copy.signal_id != copy.signal_id]
        recently = self.run.world.now_ns() - self.ordered_ns.get(copy.follower, 0) < S
        if copy.qty:
            self.ordered_ns[copy.follower] = self.run.world.now_ns()
        if others or (recently and not copy.qty):
            return  # planned while an order was on its way that has had its end since
        held = copy.net_before + copy.on_the_way
        if copy.decision is Decision.SKIPPED:
            wanted = copy.target_net - held
            toward = held * wanted < 0
            waits = self.mirrors and copy.reason == "its own order at rest works for it"  # T-CONV says how long
            if toward and not waits and not copy.reason.startswith(_MAY_HOLD_AN_EXIT):
                self.broken(
                    f"T-BRK {copy.follower} holds {copy.net_before:+d}, should go to {copy.target_net:+d}, "
                    f"and nothing was sent: {copy.reason}"
                )
        elif (
            copy.decision is Decision.PENDING
            and copy.cl_ord_id
            and not copy.reducing
            and reduces(held, copy.qty * copy.side.sign)
        ):
            self.broken(f"T-BRK {copy.cl_ord_id} of {copy.follower} only reduces and is not marked so")

    # --- now and then ------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Every quarter of a second. Raises Violation."""
        self.checks += 1
        for loop in self.run.lives:
            if loop.failures:
                self.broken(f"T-ALIVE {loop.failures[0]}")
        self.t_ledger_decided()
        self.hand.step()
        self.resting.step()
        if self.problems:
            raise Violation(self.problems[0])

    def t_ledger_decided(self) -> None:
        """T-LEDGER: every pair is decided once its deadline has passed, while the journal can be written."""
        run, now_ns = self.run, self.run.world.now_ns()
        journal, desk = run.journal, run.desk
        slow_until_ns = journal.slow_until_ns + int(2 * journal.slow_s * S)  # a statement may have begun just before
        ill = now_ns < max(journal.gone_until_ns, slow_until_ns) or journal.lose_answers
        if ill or desk is None or desk.journal.down_reason:
            self.journal_well_ns = now_ns
        if desk is None or now_ns - self.journal_well_ns < int(_GRACE_S * S):
            return
        for order in desk.core.inflight.all():
            late_s = (now_ns - order.signal.received_ns) / S - desk.core.limits.deadline_s
            if order.copy.decision is Decision.PENDING and order.copy.journaled_ns and late_s > _GRACE_S:
                self.broken(
                    f"T-LEDGER {order.copy.cl_ord_id} of {order.copy.follower} is undecided {late_s:.1f} s "
                    "after its deadline"
                )

    # --- at rest -----------------------------------------------------------------------------------------------------

    @property
    def drift(self) -> DriftPolicy:
        return self.run.disk.config.groups[0].drift

    def quiet(self) -> bool:
        return not self.why_not_quiet()

    def why_not_quiet(self) -> str:
        """What still goes on; '' at rest."""
        run, desk = self.run, self.run.desk
        if desk is None or not run.opened:
            return "the desk is not up"
        core = desk.core
        if down := [name for name in run.logins if not core.up.get(name)]:
            return f"{down} are down"
        if not desk.idle or desk.journal.down_reason:
            return f"the desk is busy: {desk.journal.down_reason}"
        if orders := core.inflight.all():
            copy = orders[0].copy
            return f"{len(orders)} orders are on their way, the first is {copy.cl_ord_id} of {copy.follower}"
        # The trader's own at rest are none of the desk's doing: they may wait for ever.
        working = [name for name in run.exchange.ids if self.not_by_hand(name)]
        if working and not self.mirrors:
            return f"orders are working at the venue: {working}"
        if changing := [mirror for mirror in core.mirrored.all() if mirror.flying or mirror.next]:
            return f"an order at rest of {changing[0].order.copy.follower} is being changed"
        if self.drift is not DriftPolicy.SHOW and (
            behind := [key for key, state in core.states.items() if state.behind]
        ):
            return f"behind: {behind}"
        return ""

    def at_rest(self, where: str, *, whole: bool = False) -> None:
        """Everything that must hold when nothing moves. With `whole`, every follower takes part. Raises Violation."""
        self.t_truth(where)
        self.t_conv(where, whole=whole)
        self.t_tally(where)
        self.t_foreign(where)
        self.t_orphan(where)
        self.resting.at_rest(where)
        self.step()

    def t_truth(self, where: str) -> None:
        """T-UNKNOWN: what the desk thinks anybody holds is what the venue says."""
        run = self.run
        assert run.desk is not None
        for account in run.exchange.ids:
            for symbol in ("ESH4", "MESH4"):
                ours, theirs = run.desk.core.ledger.net(account, symbol), run.exchange.net(account, symbol)
                if ours != theirs:
                    self.broken(f"T-UNKNOWN {where}: {account} holds {theirs:+d} {symbol}, the desk says {ours:+d}")

    def t_conv(self, where: str, *, whole: bool) -> None:
        """T-CONV: every follower stands at its target; one that missed something stands between flat and there. Where
        orders are mirrored, the target is anywhere between what the leader's own working orders may make of it: the
        copy of such an order may have traded, in a market that is thin, and the leader's not."""
        run = self.run
        least, most = self.resting.leader_may_hold()
        for follower in run.disk.config.followers:
            name, symbol = follower.account, symbol_of(follower)
            if name in self.hands or (self.drift is DriftPolicy.SHOW and not whole):
                continue
            copied = self.hand.copied(name, symbol)
            targets = [share_of(follower, net, self.equity[name], self.equity[LEADER]) for net in (least, most)]
            # Lots beyond the cap (an entry filled behind an exit that was lost) are an accident: they go again.
            if not any(min(0, *targets) <= held <= max(0, *targets) for held in copied):
                self.broken(f"T-CONV {where}: {self.holds(name, symbol)} and should hold {targets} at most")
            if self.hand.closed(name) or self.hand.may_be_out(name, heard_ns=0):
                continue  # what he closed stays closed till the leader trades, all of it till the leader's next trade
            if (
                whole
                and follower.max_order is None
                and not any(min(targets) <= held <= max(targets) for held in copied)
            ):
                self.broken(f"T-CONV {where}: {self.holds(name, symbol)} and should hold {targets}")

    def holds(self, account: str, symbol: str) -> str:
        """In words: what an account holds, and what of it is the copies'."""
        net, copied = self.run.exchange.net(account, symbol), sorted(self.hand.copied(account, symbol))
        of_copies = f", {' or '.join(f'{held:+d}' for held in copied)} of it by copies" if copied != [net] else ""
        return f"{account} holds {net:+d} {symbol}{of_copies},"

    def not_by_hand(self, account: str) -> list[Order]:
        """What works at the venue and is no order of the trader's from the desk."""
        return [order for order in self.run.exchange.working(account) if not self.hand.mine(order)]

    def t_foreign(self, where: str) -> None:
        """T-SCOPE: what the group does when somebody else trades on a follower is done to that follower alone."""
        for follower in self.run.disk.config.followers:
            if follower.why_off and follower.account not in self.strangers:
                self.broken(
                    f"T-SCOPE {where}: {follower.account} is off, and nothing was done to it: {follower.why_off}"
                )

    def t_orphan(self, where: str) -> None:
        """T-ORPHAN: with the leader out and nothing working, no follower has an order working but what the trader rests
        there, whatever its drift; one that is off keeps what protects what it holds."""
        run = self.run
        self.hand.t_orphan(where)
        if run.leader.net or run.exchange.working(LEADER):
            return
        for follower in run.disk.config.followers:
            if self.not_by_hand(follower.account) and follower.account not in self.hands:
                self.broken(f"T-ORPHAN {where}: {follower.account} has an order working for a leader that is out")

    def t_tally(self, where: str) -> None:
        """T-LEDGER: the tally on the screen is what the disk holds of this session."""
        run, desk = self.run, self.run.desk
        assert desk is not None
        session = f"session {len(run.lives)}"
        mine = {
            signal.signal_id
            for writer, signal in run.disk.signals.values()
            if writer == session and signal.kind is not SignalKind.CORRECTION
        }
        run.publish(run.world.now_ns())
        (status,) = desk.view(Topic.STATUS).rows
        assert isinstance(status, StatusRow)
        if status.undecided or status.blocked or status.pairs != sum(desk.core.tally.decisions.values()):
            self.broken(f"T-LEDGER {where}: the screen says {status}")
        if desk.core.tally.signals != len(mine):
            self.broken(f"T-LEDGER {where}: {len(mine)} signals on the disk, {desk.core.tally.signals} in the tally")
        if len(run.lives) == 1:
            stored = Counter(copy.decision for copy in run.disk.copies.values() if copy.signal_id in mine)
            shown = {decision: count for decision, count in desk.core.tally.decisions.items() if count}
            if dict(stored) != shown:
                self.broken(f"T-LEDGER {where}: the disk holds {dict(stored)}, the tally says {shown}")

    def everybody_joins(self) -> None:
        """Before a new trade: whoever is off is switched on, whatever the trader's hands left is closed by hand, and
        breakers and budgets have time to forget."""
        run = self.run
        members = run.disk.config.followers
        for target in ("all", *(f.account for f in members if f.guard is not Guard.NONE)):
            run.command("guard", target, Guard.NONE)
        for follower in members:
            symbol = symbol_of(follower)
            for order in run.exchange.working(follower.account):
                run.exchange.venue.cancel(order.order_id, Origin())
            lots = run.desk.core.lots.get((follower.account, symbol)) if run.desk is not None else None
            # A stranger's lots and the copies' may stand against each other: the account is flat, and neither is gone.
            for qty in (lots.foreign if lots else 0, lots.copied if lots else 0):
                if qty:
                    run.exchange.trade(follower.account, symbol, -qty)
            if net := run.exchange.net(follower.account, symbol):
                run.exchange.trade(follower.account, symbol, -net)
        run.tell_all()
        run._for(20.0)  # what follows from a stranger's trade may be a flatten
        never = {lots.account for lots in run.disk.lots.values() if lots.out is Out.ALWAYS}
        for account in sorted(never & {f.account for f in run.disk.config.followers if f.enabled}):
            run.command("toggle", account)
        run._for(1.0)
        for follower in run.disk.config.followers:
            if not follower.enabled:
                run.command("toggle", follower.account)
        self.strangers.clear()
        self.hands.clear()
        self.hand.everybody_joined()
        run._for(11.0)
        for _ in range(300):
            if all(login.adapter is None or login.adapter.spare_requests > 50 for login in run.logins.values()):
                break
            run._for(0.5)

    def all_decided(self) -> None:
        """T-LEDGER: every fill of the leader has its signal, and every pair its end. Raises Violation."""
        run = self.run
        since_ns = run.disk.baselines.get(LEADER, 0)
        sources = {signal.source for _, signal in run.disk.signals.values()}
        for fill in run.exchange.fills[LEADER]:
            if fill.venue_ns >= since_ns and fill.fill_id not in sources:
                self.broken(f"T-LEDGER the leader's fill {fill.fill_id} has no signal")
        for copy in run.disk.copies.values():
            if copy.decision in _OPEN:
                self.broken(f"T-LEDGER {copy.signal_id} of {copy.follower} ended as {copy.decision}: {copy.reason}")
        self.hand.all_decided()
        self.step()
