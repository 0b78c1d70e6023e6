"""What if: a recorded session with other rules. Called by `copydesk replay --rules`.

The core is given the session again, with three things changed. The followers have the file's rules. Whatever a venue
said about the desk's own orders is left out, and instead every order is filled at once, whole, at the leader's last
price. Whatever followers hold is what those fills bring, from the positions the session began with; what somebody else
traded on them is left out. Everything else is as it was recorded: the leader's trades, the connections that were down,
equities, switches, guards and flattens.
"""

from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine.core import Core
from engine.replay import at_ns_of, core_of
from engine.rulefile import OtherRules
from engine.rules import RuleRefused
from engine.session import Header, SessionRefused, read
from schema.records import Copy, DeskConfig, Fill, FollowerConfig, Mode, Position, Record, Side

_ZERO = Decimal(0)


class Outcome(Record, frozen=True):
    """What became of a follower: its rule at the end, how many of its copies were filled, and how many lots; what it
    holds (``+2 ESH4``; ``flat``), and money: realised, and open at the leader's last price."""

    rule: str
    copies: int
    lots: int
    final: str
    realized: Decimal
    open: Decimal


class FollowerTwice(Record, frozen=True):
    """One follower under the file's rules, and as it was recorded."""

    account: str
    other: Outcome
    recorded: Outcome


class WhatIf(Record, frozen=True):
    """A session under other rules. `notes` are sentences."""

    session: str
    inputs: int
    signals: int
    followers: tuple[FollowerTwice, ...]
    notes: tuple[str, ...]


def what_if(path: Path, rules: OtherRules) -> WhatIf:
    """The session recorded in `path` under `rules`, beside what was recorded. Raises SessionRefused and RuleRefused."""
    followers = {f.account for event in _inputs(path) if isinstance(event, ev.ConfigLoaded) for f in _of_fills(event)}
    rules.known(followers)
    header = next(read(path))
    if not isinstance(header, Header):
        raise SessionRefused(f"{path.name}: it has no beginning; choose one that `copydesk replay --list` shows.")
    was, other = _Books(core_of(header)), _Ideal(core_of(header), rules)
    inputs = 0
    for event in _inputs(path):
        inputs += 1
        try:
            was.keep(was.core.process(event))
            other.take(event)
        except RuleRefused:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever breaks the core; a replay without rules shows it
            raise SessionRefused(
                f"{path.name}: it can't be replayed ({type(failure).__name__} at input {inputs:,}); see what is "
                "different with `copydesk replay` and no --rules."
            ) from None
    pairs = tuple(
        FollowerTwice(
            account=account,
            other=other.outcome(account, other.core, other.prices),
            recorded=was.outcome(account, was.core, other.prices),
        )
        for account in sorted(followers)
    )
    notes = [f"{other.unpriced} fills had no price of the leader's and count as 0"] if other.unpriced else []
    return WhatIf(
        session=header.session,
        inputs=inputs,
        signals=was.core.tally.signals,
        followers=pairs,
        notes=tuple(notes),
    )


def _inputs(path: Path) -> Iterable[ev.AnyInput]:
    return (frame for frame in read(path) if isinstance(frame, ev.Input | venue.Event))


def _of_fills(event: ev.ConfigLoaded) -> tuple[FollowerConfig, ...]:
    """The followers of a configuration, all of whose groups must mirror fills. Raises SessionRefused."""
    for group in event.config.groups:
        if group.mode is not Mode.FILLS:
            raise SessionRefused(
                f"rules: group {group.group} mirrors {group.mode}, whose fills can't be made up; only a session whose "
                "groups all mirror fills can be tried with other rules."
            )
    return event.config.followers


class _Books:
    """A core, and the newest state of every copy it asked for."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.copies: dict[tuple[str, str], Copy] = {}

    def keep(self, effects: Iterable[ev.AnyEffect]) -> None:
        for effect in effects:
            if isinstance(effect, ev.Commit | ev.Keep):
                self.copies |= {(copy.signal_id, copy.follower): copy for copy in effect.copies}

    def outcome(self, account: str, core: Core, prices: dict[str, Decimal]) -> Outcome:
        filled = [copy for (_, owner), copy in self.copies.items() if owner == account and copy.filled_qty]
        places = {copy.symbol: copy.leader_symbol for (_, owner), copy in self.copies.items() if owner == account}
        held = [(symbol, holding) for owner, symbol, holding in core.ledger.positions() if owner == account]
        follower = core.followers.get(account)
        return Outcome(
            rule=str(follower.rule) if follower else "",
            copies=len(filled),
            lots=sum(copy.filled_qty for copy in filled),
            final=" ".join(f"{holding.net:+d} {symbol}" for symbol, holding in sorted(held) if holding.net) or "flat",
            realized=sum((holding.realized for _, holding in held), _ZERO),
            open=sum(
                (
                    holding.open_pnl(
                        prices.get(places.get(symbol, symbol), _ZERO), core.ledger.point_values.get(symbol, Decimal(1))
                    )
                    for symbol, holding in held
                ),
                _ZERO,
            ),
        )


class _Ideal(_Books):
    """A core with other rules, at a venue that fills everything at once at the leader's last price."""

    def __init__(self, core: Core, rules: OtherRules) -> None:
        super().__init__(core)
        self.prices: dict[str, Decimal] = {}
        self.unpriced = 0
        self._rules = rules
        self._seqs = [0]  # this core's number when the recorded one's was the index
        self._fills = 0

    def take(self, event: ev.AnyInput) -> None:
        """Handle a recorded input, changed as this module says."""
        for each in self._changed(event):
            self._feed(each)
        if isinstance(event, ev.Flattened):
            for account in event.accounts:
                self._close(account, event.at_ns)
        self._seqs.append(self.core.seq)

    def _leads(self, account: str) -> bool:
        return account in self.core.leads

    def _changed(self, event: ev.AnyInput) -> list[ev.AnyInput]:
        match event:
            case ev.ConfigLoaded():
                return [replace(event, config=self._other(event.config))]
            case ev.Recovered():
                return [replace(event, open_copies=(), short_copies=(), working_copies=())]
            case ev.SnapshotRead():
                asked_seq = self._seqs[min(event.asked_seq, len(self._seqs) - 1)]
                return [replace(event, asked_seq=asked_seq, snapshot=self._seen(event.snapshot))]
            case venue.StreamUp():
                return [replace(event, snapshot=self._seen(event.snapshot))]
            case venue.Filled():
                if self._leads(event.fill.account):
                    self.prices[event.fill.symbol] = event.fill.price
                    return [event]
                return []
            case venue.OrderUpdated():
                return [event] if self._leads(event.order.account) else []
            case venue.PositionUpdated():
                return [event] if self._leads(event.position.account) else []
            case ev.OrdersFound():
                return []
            case ev.ManualRecovered() | ev.ManualAsked() | ev.ManualCommitted() | ev.ManualChange():
                return []  # on a leader what came of them is told by its venue; the rest is somebody else's
            case ev.Committed() | ev.Resync():
                return []  # this core's own commits are answered at once, and it leaves nobody behind
            case _:
                return [] if hasattr(event, "cl_ord_id") else [event]

    def _other(self, config: DeskConfig) -> DeskConfig:
        return replace(config, followers=tuple(self._rules.apply(follower) for follower in config.followers))

    def _seen(self, snapshot: venue.Snapshot) -> venue.Snapshot:
        """The venue's truth with this core's fills in place of the recorded ones."""
        for fill in sorted(snapshot.fills, key=lambda fill: fill.venue_ns):
            if self._leads(fill.account) and (fill.account, fill.fill_id) not in self.core.seen_fills:
                self.prices[fill.symbol] = fill.price
        positions = [
            position
            for position in snapshot.positions
            if self._leads(position.account) or not self.core.ledger.known(position.account)
        ]
        positions += [
            Position(account=account, symbol=symbol, net_qty=holding.net, avg_price=holding.avg_price)
            for account, symbol, holding in self.core.ledger.positions()
            if account in snapshot.complete and not self._leads(account) and self.core.ledger.known(account)
        ]
        for position in positions:
            if self._leads(position.account) and position.net_qty:
                self.prices.setdefault(position.symbol, position.avg_price)
        return replace(
            snapshot,
            positions=tuple(positions),
            orders=tuple(order for order in snapshot.orders if self._leads(order.account)),
            fills=tuple(fill for fill in snapshot.fills if self._leads(fill.account)),
        )

    def _feed(self, event: ev.AnyInput) -> None:
        effects = self.core.process(event)
        self.keep(effects)
        now_ns = at_ns_of(event)
        for effect in effects:
            if isinstance(effect, ev.Commit):
                signal_id = effect.signal.signal_id
                self._feed(ev.Committed(at_ns=now_ns, signal_id=signal_id, fresh=True, decided_ns=now_ns))
            elif isinstance(effect, ev.Send):
                for order in effect.orders:
                    self._fill(effect.connection, order, now_ns)

    def _fill(self, connection: str, order: venue.ApprovedOrder, now_ns: int) -> None:
        account, tag = order.account, order.cl_ord_id
        self._feed(venue.OrderSent(connection=connection, received_ns=now_ns, account=account, cl_ord_id=tag))
        taken = venue.OrderAccepted(
            connection=connection, received_ns=now_ns, account=account, cl_ord_id=tag, order_id=f"o{tag}"
        )
        self._feed(taken)
        flight = self.core.inflight.get(tag)
        self._execute(
            connection,
            account,
            order.symbol,
            order.qty * order.side.sign,
            flight.copy.leader_symbol if flight else order.symbol,
            tag,
            now_ns,
        )

    def _close(self, account: str, now_ns: int) -> None:
        """A flatten closes the account at once."""
        if self._leads(account):
            return
        sources = {copy.symbol: copy.leader_symbol for (_, owner), copy in self.copies.items() if owner == account}
        for owner, symbol, holding in self.core.ledger.positions():
            if owner == account and holding.net:
                source = sources.get(symbol, symbol)
                self._execute(
                    self.core.connection_of(account), account, symbol, -holding.net, source, f"cf{now_ns}", now_ns
                )

    def _execute(
        self, connection: str, account: str, symbol: str, signed_qty: int, leader_symbol: str, tag: str, now_ns: int
    ) -> None:
        self._fills += 1
        price = self.prices.get(leader_symbol, _ZERO)
        self.unpriced += not price
        fill = Fill(
            venue="what if",
            fill_id=str(self._fills),
            account=account,
            order_id=f"o{tag}",
            symbol=symbol,
            side=Side.of(signed_qty),
            qty=abs(signed_qty),
            price=price,
            venue_ns=now_ns,
            cl_ord_id=tag,
        )
        self._feed(venue.Filled(connection=connection, received_ns=now_ns, fill=fill))
