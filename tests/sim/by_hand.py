"""The trader's hand, watched from outside: what he asked for, and which lots that makes his. Used by `invariants.py`.

Whose lots are whose is read off the venue's own fills, one after the other: a copy's fill moves the copies' lots, one
of an order by hand closes the copies' lots first and is the trader's beyond that. Where a login, the journal or the
desk was ill around a fill by hand, the desk may have heard of it before or after a copy's fill beside it, and both
readings are right: each is kept, and a promise is broken when it is broken in all. Else there is one reading.
"""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from typing import TYPE_CHECKING

from brokers.sandbox.orders import Order
from engine.foreign import COPY_TAG
from engine.manual_book import ENDS, MANUAL_TAG
from schema.records import ApprovedOrder, Fill, Guard, LateJoin, ManualState, OrderType, Side
from tests.sim.plan import LEADER
from tests.sim.world import S

if TYPE_CHECKING:
    from engine.core import Core
    from engine.seat import OrderPlan
    from tests.sim.invariants import Books

_AROUND_NS = 12 * S  # by then the deadline of what was lost, the asking and the next reading have passed
_SETTLED_NS = 3 * S
_STEP_NS = S // 4
_FORGOTTEN = "over: the venue lists it no more"
Lots = tuple[int, int]  # the copies' and the trader's


class Asked:
    """One order that the trader confirmed. `tag` is empty until it left."""

    def __init__(self, account: str, symbol: str, lots: int, limit: str) -> None:
        self.account = account
        self.terms = (
            symbol,
            Side.of(lots),
            abs(lots),
            OrderType.LIMIT if limit else OrderType.MARKET,
            Decimal(limit) if limit else None,
            None,
        )
        self.tag = ""
        self.withdrawn = False


class ByHand:
    """See the module's docstring. What it finds broken it tells `books`."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._run = books.run
        self.wanted = any(fault.kind == "manual" for fault in books.run.plan.faults)
        self.asked: list[Asked] = []
        self.accounts: set[str] = set()  # followers for which the trader gave orders from the desk
        self._since: dict[str, int] = {}  # account -> its fills from before everybody joined
        self._known: dict[str, tuple[int, frozenset[Lots], int]] = {}
        self._ill_ns: dict[str, list[int]] = {}
        self._left_ns: dict[str, int] = {}  # account -> when an order last left for it

    # --- as it happens -----------------------------------------------------------------------------------------------

    def asks(self, account: str, lots: int, limit: str) -> None:
        """The trader confirms an order, twice at once."""
        self.asked.append(Asked(account, self._books.symbol(account), lots, limit))
        self.accounts |= {account} - {LEADER}

    def withdraws(self, account: str) -> None:
        """He cancels whatever rests there."""
        for asked in self.asked:
            if asked.account == account:
                asked.withdrawn = True

    def leaves(self, order: ApprovedOrder) -> None:
        """An order leaves the desk, a copy's or the trader's."""
        if order.cl_ord_id.startswith(MANUAL_TAG):
            self.t_scope(order)
            self.t_panic(order)
            self.t_size(order)
        self._left_ns[order.account] = self._run.world.now_ns()

    def t_scope(self, order: ApprovedOrder) -> None:
        """T-SCOPE: an order by hand is one that the trader asked for, as he asked for it, and once."""
        terms = (order.symbol, order.side, order.qty, order.order_type, order.limit_price, order.stop_price)
        for asked in self.asked:
            if asked.account == order.account and asked.terms == terms and asked.tag in ("", order.cl_ord_id):
                asked.tag = order.cl_ord_id
                return
        self._books.broken(f"T-SCOPE {order.cl_ord_id} of {order.account} left, and nobody asked for {terms}")

    def t_panic(self, order: ApprovedOrder) -> None:
        """T-PANIC: what passes the gates as an exit brings the account nearer to flat at its venue, and what opens
        leaves no account that the trader guards."""
        account, lots = order.account, order.qty * order.side.sign
        desk = self._run.desk
        if desk is not None and not order.reducing and (guarded := _guard(desk.core, account)):
            self._books.broken(f"T-PANIC {order.cl_ord_id} of {account} opens and left while {guarded} is guarded")
        net = self._run.exchange.net(account, order.symbol)
        if order.reducing and self._settled(account) and not (net * lots < 0 and abs(lots) <= abs(net)):
            self._books.broken(f"T-PANIC {order.cl_ord_id} left as an exit of {lots:+d}, and {account} holds {net:+d}")

    def t_size(self, order: ApprovedOrder) -> None:
        """T-SIZE: an order by hand keeps to its account's caps, those that rest there reckoned with."""
        follower = next((f for f in self._run.disk.config.followers if f.account == order.account), None)
        if follower is None or order.reducing:
            return
        sign = order.side.sign
        if follower.max_order is not None and order.qty > follower.max_order:
            self._books.broken(f"T-SIZE {order.cl_ord_id} has {order.qty} lots, its cap is {follower.max_order}")
        resting = sum(o.left for o in self.at_rest(order.account) if o.sign == sign)
        would = self._run.exchange.net(order.account, order.symbol) + sign * (order.qty + resting)
        if follower.max_position is not None and self._settled(order.account) and abs(would) > follower.max_position:
            self._books.broken(f"T-SIZE with {order.cl_ord_id} {order.account} may hold {would:+d}, beyond its cap")

    def said(self, plan: OrderPlan, *, canceled: bool = False) -> None:
        """T-UNKNOWN: what the trader is told of his orders is what the venue has."""
        orders = self._run.exchange.venue.orders
        for line in plan.lines:
            order = orders.get(int(line.order_id)) if line.order_id else None
            first, _, rest = line.outcome.partition(" ")
            if first == "moved" and order is not None and order.status.live and order.terms.limit != line.limit_price:
                self._books.broken(f"T-UNKNOWN order {line.order_id} of {line.account} was called moved: {order.terms}")
            if canceled and first == "canceled" and order is not None and order.status.live:
                self._books.broken(f"T-ORPHAN order {line.order_id} of {line.account} was called canceled and works")
            if first == "filled" and (order is None or order.filled_qty != int(rest.split()[0])):
                self._books.broken(f"T-UNKNOWN {line.account}: '{line.outcome}' of order {line.order_id}: {order}")

    # --- what is known of the venue's side ---------------------------------------------------------------------------

    def step(self) -> None:
        """A quarter of a second has passed: note who is ill."""
        if not self.wanted:
            return
        run, now_ns = self._run, self._run.world.now_ns()
        journal, desk = run.journal, run.desk
        ill = now_ns < max(journal.gone_until_ns, journal.slow_until_ns) or journal.lose_answers
        ill = ill or desk is None or not run.opened or desk.journal.down_reason
        for name, login in run.logins.items():
            spent = login.adapter is not None and not login.adapter.may_read
            if ill or spent or not login.stream or login.ill_ns > now_ns - _STEP_NS or login.faults.last(now_ns):
                self._ill_ns.setdefault(name, []).append(now_ns)

    def _well(self, account: str, at_ns: int) -> bool:
        """Whether nothing was wrong with an account's login around a time, nor with what all logins need."""
        samples = self._ill_ns.get(self._run.home[account].name, [])
        first = bisect_left(samples, at_ns - _AROUND_NS)
        return first == len(samples) or samples[first] > at_ns + _AROUND_NS

    def _settled(self, account: str) -> bool:
        """Whether what the venue has is what any desk must know: well, and nothing left or filled lately."""
        now_ns, fills = self._run.world.now_ns(), self._run.exchange.fills[account]
        lately = max(self._left_ns.get(account, 0), fills[-1].venue_ns if fills else 0)
        return now_ns - lately > _SETTLED_NS and self._well(account, now_ns)

    def mine(self, order: Order) -> bool:
        """Whether an order at the venue is one of the trader's from the desk."""
        return self._run.exchange.tag_of(order).startswith(MANUAL_TAG) if order.command_id else False

    def at_rest(self, account: str) -> list[Order]:
        """His orders that work there."""
        return [order for order in self._run.exchange.working(account) if self.mine(order)]

    def lots(self, account: str, symbol: str) -> frozenset[Lots]:
        """Whose lots the account holds, since everybody joined last; more than one answer as the docstring says."""
        return self._read(account, symbol)[1]

    def copied(self, account: str, symbol: str) -> frozenset[int]:
        """What the copies hold there."""
        net = self._run.exchange.net(account, symbol)
        if account not in self.accounts:
            return frozenset((net,))
        return frozenset(net - own for _, own in self.lots(account, symbol))

    def may_be_out(self, account: str, heard_ns: int = _AROUND_NS) -> bool:
        """Whether the trader's own order may have closed all copies in the trade that the leader has open; the desk may
        have heard of that trade so much later."""
        if account not in self.accounts:
            return False
        out_ns = self._read(account, self._books.symbol(account))[2]
        if self._run.plan.config.groups[0].late is LateJoin.NEVER:
            return bool(out_ns)  # who is out of one trade stays out until he is switched off and on
        return bool(out_ns) and out_ns >= self._trade_began_ns() - heard_ns

    def closed(self, account: str) -> bool:
        """Whether he has closed lots of the copies since the leader last traded: they stay closed until it trades."""
        fills, leaders = self._run.exchange.fills[account], self._run.exchange.fills[LEADER]
        mine = [f.venue_ns for f in fills if f.cl_ord_id.startswith(MANUAL_TAG)]
        return account in self.accounts and bool(mine) and (not leaders or mine[-1] > leaders[-1].venue_ns)

    def _trade_began_ns(self) -> int:
        """When the leader was last flat, or crossed."""
        net = began_ns = 0
        for fill in self._run.exchange.fills[LEADER]:
            before, net = net, net + fill.net_qty
            if before * net <= 0:
                began_ns = fill.venue_ns
        return began_ns

    def _read(self, account: str, symbol: str) -> tuple[int, frozenset[Lots], int]:
        """How many fills there are, whose lots they make, and when one by hand last may have closed all copies."""
        every = self._run.exchange.fills[account]
        known = self._known.get(account)
        lately_ns = self._run.world.now_ns() - 2 * _AROUND_NS  # what is ill after a fill counts, too
        if known is None or known[0] != len(every) or (every and every[-1].venue_ns > lately_ns):
            known = self._known[account] = (len(every), *self._follow(every[self._since.get(account, 0) :], symbol))
        return known

    def _follow(self, fills: list[Fill], symbol: str) -> tuple[frozenset[Lots], int]:
        states, out_ns = {(0, 0)}, 0
        for fill in fills:
            if fill.symbol != symbol:
                continue
            net = fill.net_qty
            if not fill.cl_ord_id.startswith(MANUAL_TAG):
                states = {(copied + net, own) for copied, own in states}
                continue
            sure, after = self._well(fill.account, fill.venue_ns), set[Lots]()
            for copied, own in states:
                most = min(abs(copied), abs(net)) if copied * net < 0 else 0
                for closed in (most,) if sure else range(fill.qty + 1):
                    left = copied + closed * fill.side.sign
                    after.add((left, own + net - closed * fill.side.sign))
                    if closed and (not sure or not left):
                        out_ns = fill.venue_ns
            states = after
        return frozenset(states), out_ns

    # --- at rest -----------------------------------------------------------------------------------------------------

    def everybody_joined(self) -> None:
        """Every account is flat and every order gone: from here on there is one reading."""
        self._since = {account: len(fills) for account, fills in self._run.exchange.fills.items()}
        self._known.clear()
        self.accounts.clear()

    def copies_filled(self) -> dict[str, int]:
        """How many fills of copies each follower has."""
        fills = self._run.exchange.fills
        return {name: sum(fill.cl_ord_id.startswith(COPY_TAG) for fill in fills[name]) for name in fills}

    def t_untouched(self, where: str, before: dict[str, int]) -> None:
        """T-SCOPE: what the trader does to followers by hand moves no copy, neither theirs nor anybody's."""
        for name, count in self.copies_filled().items():
            if count != before[name]:
                text = f"{self._books.holds(name, self._books.symbol(name))} and its leader did nothing"
                self._books.broken(f"T-SCOPE {where}: copies traded, {text}")

    def t_stays(self, where: str) -> None:
        """T-SCOPE: what the trader rests works as he asked for it until he cancels it, whatever the leader does."""
        live = {self._run.exchange.tag_of(order): order for name in self.accounts for order in self.at_rest(name)}
        for asked in self.asked:
            rests = asked.terms[4] is not None and asked.tag and not asked.withdrawn
            order = live.get(asked.tag)
            if rests and (order is None or (order.left, order.terms.limit) != (asked.terms[2], asked.terms[4])):
                self._books.broken(f"T-SCOPE {where}: {asked.tag} of {asked.account} rests no more as it was asked for")

    def t_orphan(self, where: str) -> None:
        """T-ORPHAN: an order by hand works for as long as the trader wants it, and as he asked for it, no longer."""
        wanted = {asked.tag for asked in self.asked if asked.tag and not asked.withdrawn}
        for account in self._run.exchange.ids:
            for order in self.at_rest(account):
                if self._run.exchange.tag_of(order) not in wanted:
                    self._books.broken(f"T-ORPHAN {where}: order {order.order_id} of {account} by hand works on")

    def all_decided(self) -> None:
        """T-LEDGER: the row of every order by hand has its end, and says what the venue says."""
        run = self._run
        for _, row in run.disk.manual.values():
            if row.state not in ENDS:
                self._books.broken(f"T-LEDGER the order by hand {row.cl_ord_id} ended as {row.state}: {row.reason}")
            filled = sum(f.qty for f in run.exchange.fills[row.account] if f.cl_ord_id == row.cl_ord_id)
            if filled and row.state in (ManualState.NOT_SENT, ManualState.REJECTED):
                self._books.broken(f"T-UNKNOWN {row.cl_ord_id} was filled, and its row says: {row.reason}")
            # A venue that forgets soon what is over may have told the desk of the position alone.
            elif filled != row.filled_qty and not row.reason.startswith(_FORGOTTEN):
                text = f"{row.cl_ord_id} has {filled} lots at the venue and {row.filled_qty} in its row"
                self._books.broken(f"T-LEDGER {text}: {row.state} {row.reason}")


def _guard(core: Core, account: str) -> str:
    """Who guards the account's entries, as the desk has read it; '' when nobody does."""
    follower = core.followers.get(account)
    if core.config.guard is not Guard.NONE:
        return "the desk"
    groups = [core.groups[follower.group]] if follower is not None else core.leads.get(account, [])
    if groups and all(group.guard is not Guard.NONE for group in groups):
        return "the group"
    return account if follower is not None and follower.guard is not Guard.NONE else ""
