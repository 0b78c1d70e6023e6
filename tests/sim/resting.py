"""T-PROT, T-ORPHAN and where a follower may stand because of orders at rest, for groups that mirror their leader's.

Called by `invariants.py` with every step. A line that is cut, a venue that is silent or throttles, a spent budget, a
journal or a desk that is away excuse whom they concern, until `_EXCUSED_S` after their end: by then the deadline of
what was lost, the asking and the next reading of the venue have passed. Whoever the trader or a stranger took out of
the trade is not looked at, nor anybody whose group shows drift only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brokers.sandbox.orders import Order, OrderStatus
from schema.records import DriftPolicy, FollowerConfig, Mode, OrderType
from tests.sim.plan import LEADER
from tests.sim.world import S

if TYPE_CHECKING:
    from tests.sim.invariants import Books

_EXCUSED_S = 12.0
_LIMIT_S = 2.0


class Resting:
    """How long what should not be has been so."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._run = books.run
        self.mode = self._run.plan.config.groups[0].mode
        self._since_ns: dict[tuple[str, str], int] = {}
        self._stood: dict[str, object] = {}
        self._excused_ns = 0

    def step(self) -> None:
        """A quarter of a second has passed."""
        if self.mode is Mode.FILLS:
            return
        self._ills()
        theirs, covered = self._run.exchange.working(LEADER), self._run.leader.covered
        for follower in self._run.disk.config.followers:
            self._look_at(follower, theirs, covered=covered)

    def _ills(self) -> None:
        """Note what excuses whom now."""
        run, now_ns = self._run, self._run.world.now_ns()
        journal = run.journal
        if now_ns < max(journal.gone_until_ns, journal.slow_until_ns) or journal.lose_answers:
            self._excused_ns = now_ns
        if run.desk is None or not run.opened or run.desk.journal.down_reason:
            self._excused_ns = now_ns
        for login in run.logins.values():
            spent = login.adapter is not None and not login.adapter.may_read
            if login.faults.last(now_ns) or not login.stream or spent:
                login.ill_ns = max(login.ill_ns, now_ns)

    def _well(self, follower: str) -> bool:
        run = self._run
        ill_ns = max(self._excused_ns, run.home[LEADER].ill_ns, run.home[follower].ill_ns)
        return run.world.now_ns() - ill_ns > _EXCUSED_S * S

    def _look_at(self, follower: FollowerConfig, theirs: list[Order], *, covered: bool) -> None:
        """`theirs` is what the leader has working, `covered` whether that covers its position."""
        run, name = self._run, follower.account
        if not self._well(name) or name in self._books.hands or self._books.drift is DriftPolicy.SHOW:
            self._since_ns.pop(("T-PROT", name), None)
            self._since_ns.pop(("T-ORPHAN", name), None)
            self._since_ns.pop(("T-PROT all", name), None)
            return
        symbol, live = self._books.symbol(name), self._books.not_by_hand(name)
        working = [order for order in live if order.status is OrderStatus.WORKING]  # not behind an entry
        leader_net = run.leader.net
        # What the copies hold, and the lots of stops for it. The trader's own lots are his to protect.
        stops = {
            held: sum(order.left for order in working if _protects(follower, order, held))
            for held in self._books.hand.copied(name, symbol)
        }
        joined = leader_net != 0 and covered and 0 not in stops
        stands = (leader_net, stops)
        if self._stood.get(name) != stands:
            self._since_ns.pop(("T-PROT all", name), None)
        self._stood[name] = stands
        text = f"{self._books.holds(name, symbol)} with {list(stops.values())} lots of stops at rest"
        self._lasts("T-PROT", name, joined and not any(stops.values()), text)
        # An entry that rests on the exits' side is one of them for as long as it would close something.
        stopping = [o.left for o in theirs if o.status is OrderStatus.WORKING and _stops(o, -leader_net)]
        entries = sum(stopping) != abs(leader_net)
        wrong = all(lots < abs(held) or (lots > abs(held) and not entries) for held, lots in stops.items())
        self._lasts("T-PROT all", name, joined and wrong, text)
        flat = stops.keys() == {0} and leader_net == 0 and not theirs
        self._lasts("T-ORPHAN", name, flat and bool(live), f"{name} is flat with {len(live)} orders working")

    def _lasts(self, promise: str, name: str, broken: bool, text: str) -> None:
        now_ns = self._run.world.now_ns()
        if not broken:
            self._since_ns.pop((promise, name), None)
        elif now_ns - self._since_ns.setdefault((promise, name), now_ns) > _LIMIT_S * S:
            self._books.broken(f"{promise} {text} for over {_LIMIT_S:g} s")

    def at_rest(self, where: str) -> None:
        """Nothing moves: a stop that a follower's venue trails has the distance of its leader's."""
        run = self._run
        theirs = {order.terms.trail for order in run.exchange.working(LEADER)} - {None}
        for follower in run.disk.config.followers:
            name = follower.account
            if not theirs or name in self._books.hands or self._books.drift is DriftPolicy.SHOW:
                continue
            wrong = {order.terms.trail for order in self._books.not_by_hand(name)} - {None} - theirs
            if wrong:
                text = f"a stop of {name} trails by {wrong.pop()}, its leader's by {theirs.pop()}"
                self._books.broken(f"T-PROT {where}: {text}")
                return

    def leader_may_hold(self) -> tuple[int, int]:
        """The least and the most its working orders that are mirrored may make the leader hold, what it holds included:
        a follower's copy may trade before the leader's own order does, and after it."""
        net = self._run.leader.net
        if self.mode is Mode.FILLS:
            return net, net
        working = [o for o in self._run.exchange.working(LEADER) if o.status is not OrderStatus.SUSPENDED]
        least = net - sum(order.left for order in working if order.sign < 0)
        most = net + sum(order.left for order in working if order.sign > 0)
        if self.mode is Mode.PROTECTIVE:
            least, most = max(least, min(net, 0)), min(most, max(net, 0))
        return least, most


def _stops(order: Order, net: int) -> bool:
    return order.terms.order_type is OrderType.STOP and order.sign * net > 0


def _protects(follower: FollowerConfig, order: Order, held: int) -> bool:
    """Whether it is the copy of a stop of the leader: an inverted follower's is a limit at the same price."""
    wanted = OrderType.LIMIT if follower.rule.invert else OrderType.STOP
    return order.terms.order_type is wanted and order.sign * held < 0
