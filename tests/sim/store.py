"""A journal with the semantics of Postgres commits, in memory: `Disk` outlives the desk, `SimStore` is one session.

A statement travels to the disk, takes effect whole or not at all, and its answer travels back; either way can be lost.
What `schema/store_journal.py` promises about a signal that is committed twice holds here by the same steps.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from schema.records import (
    AccountState,
    Copy,
    Decision,
    DeskConfig,
    Fill,
    Guard,
    LiveOrder,
    Lots,
    ManualOrder,
    ManualState,
    Position,
    Rule,
    Signal,
    SignalKind,
    VenueOrder,
)
from schema.store import Batch, CheckedContract, JournalDown
from tests.sim.world import S, World

_T = TypeVar("_T")
_TIMEOUT_S = 2.0
_ABOUT_ORDERS = (SignalKind.LEADER_ORDER, SignalKind.LEADER_CHANGE, SignalKind.LEADER_CANCEL)
_encode = msgspec.msgpack.Encoder().encode


class Disk:
    """What is durable. `history` hashes every commit in its order: the journal hash of a run."""

    def __init__(self, config: DeskConfig) -> None:
        self.config = config
        self.signals: dict[str, tuple[str, Signal]] = {}
        self.copies: dict[tuple[str, str], Copy] = {}
        self.tags: dict[str, tuple[str, str]] = {}
        self.latest: dict[tuple[str, str], tuple[str, str]] = {}
        self.leader_nets: dict[tuple[str, str], int] = {}
        self.fills: dict[tuple[str, str, str], Fill] = {}
        self.orders: dict[tuple[str, str], VenueOrder] = {}
        self.positions: dict[tuple[str, str], Position] = {}
        self.states: dict[str, AccountState] = {}
        self.lots: dict[tuple[str, str], Lots] = {}
        self.manual: dict[str, tuple[str, ManualOrder]] = {}  # with the session that committed it
        self.baselines: dict[str, int] = {}
        self.listeners: list[Callable[[], None]] = []
        self.committed: Callable[[Signal, Sequence[Copy]], None] = lambda *_: None
        self.history = sha256()

    def commit(self, session: str, signal: Signal, copies: Sequence[Copy]) -> bool:
        """The one statement of `commit_signal`: everything, or nothing because the signal is there already."""
        if signal.signal_id in self.signals:
            return False
        self.signals[signal.signal_id] = (session, signal)
        self.leader_nets[signal.leader, signal.symbol] = signal.leader_net
        for copy in copies:
            key = (copy.signal_id, copy.follower)
            if key in self.copies or (copy.cl_ord_id and copy.cl_ord_id in self.tags):
                raise AssertionError(f"the tables refuse a second {key}")
            self.copies[key] = copy
            self.latest[copy.follower, copy.leader_symbol] = key
            if copy.cl_ord_id:
                self.tags[copy.cl_ord_id] = key
        self.history.update(_encode((signal, list(copies))))
        self.committed(signal, copies)
        return True

    def commit_manual(self, session: str, orders: Sequence[ManualOrder]) -> frozenset[str]:
        """The one statement of `commit_manual`: one order of a plan for each account, for ever."""
        there = {(order.plan_id, order.account) for _, order in self.manual.values()}
        fresh = [o for o in orders if o.cl_ord_id not in self.manual and (o.plan_id, o.account) not in there]
        self.manual.update({order.cl_ord_id: (session, order) for order in fresh})
        self.history.update(_encode(fresh))
        return frozenset(order.cl_ord_id for order in fresh)

    def record(self, batch: Batch) -> None:
        for copy in batch.copies:
            if (copy.signal_id, copy.follower) in self.copies:
                self.copies[copy.signal_id, copy.follower] = copy
        for fill in batch.fills:
            self.fills.setdefault((fill.account, fill.venue, fill.fill_id), fill)
        for order in batch.orders:
            self.orders[order.account, order.order_id] = order
        self.positions.update({(position.account, position.symbol): position for position in batch.positions})
        self.states.update({state.account: state for state in batch.states})
        self.lots.update({(lots.account, lots.symbol): lots for lots in batch.lots})
        for order in batch.manual:
            if order.cl_ord_id in self.manual:
                self.manual[order.cl_ord_id] = (self.manual[order.cl_ord_id][0], order)
        self.history.update(_encode((batch.copies, batch.fills, batch.lots)))

    def configure(self, config: DeskConfig) -> None:
        self.config = config
        for told in list(self.listeners):
            told()


class JournalFaults:
    """What is wrong with the journal now."""

    def __init__(self) -> None:
        self.gone_until_ns = 0
        self.slow_until_ns = 0
        self.slow_s = 0.0
        self.lose_answers = 0


class SimStore:
    """All that the desk asks of a `Store`."""

    def __init__(self, world: World, disk: Disk, faults: JournalFaults, session: str) -> None:
        self._world = world
        self._disk = disk
        self._faults = faults
        self.session_id = session
        self._perhaps_written: set[str] = set()
        self._clock = world

    # --- how a statement goes ----------------------------------------------------------------------------------

    async def _statement(self, effect: Callable[[], _T]) -> _T:
        world, faults = self._world, self._faults
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        way_s = 0.0002 + world.random.random() * 0.0004
        if world.now_ns() < faults.slow_until_ns:
            way_s += world.random.random() * faults.slow_s
        lost = False
        if faults.lose_answers and world.random.random() < 0.7:
            faults.lose_answers -= 1
            lost = True

        def arrive() -> None:
            if world.now_ns() < faults.gone_until_ns:
                return fail("no server")
            result = effect()
            if not lost:
                world.after(way_s, done, result)
            else:
                world.after(way_s, fail, "connection lost")

        def done(result: Any) -> None:
            if not answer.done():
                answer.set_result(result)

        def fail(reason: str) -> None:
            if not answer.done():
                answer.set_exception(JournalDown(reason))

        world.after(way_s, arrive)
        world.after(_TIMEOUT_S, fail, "no answer in time")
        return await answer

    # --- the journal -------------------------------------------------------------------------------------------

    async def commit_signal(self, signal: Signal, copies: Sequence[Copy]) -> bool:
        retried = signal.signal_id in self._perhaps_written
        self._perhaps_written.add(signal.signal_id)
        fresh = await self._statement(lambda: self._disk.commit(self.session_id, signal, copies))
        if not fresh and retried:
            there = await self._statement(lambda: self._disk.signals[signal.signal_id])
            fresh = (there[0], there[1].received_ns) == (self.session_id, signal.received_ns)
        self._perhaps_written.discard(signal.signal_id)
        return fresh

    async def commit_manual(self, orders: Sequence[ManualOrder]) -> frozenset[str]:
        tags = [order.cl_ord_id for order in orders]
        retried = [tag for tag in tags if tag in self._perhaps_written]
        self._perhaps_written.update(tags)
        fresh = await self._statement(lambda: self._disk.commit_manual(self.session_id, orders))
        if retried:
            mine = await self._statement(lambda: [t for t in retried if self._disk.manual[t][0] == self.session_id])
            fresh |= frozenset(mine)
        self._perhaps_written.difference_update(tags)
        return fresh

    async def record(self, batch: Batch) -> None:
        await self._statement(lambda: self._disk.record(batch))

    async def put_contracts(self, contracts: Sequence[CheckedContract]) -> None:
        """For the shell to look at; the desk decides nothing by it."""

    async def set_baseline(self, leader: str, at_ns: int) -> None:
        await self._statement(lambda: self._disk.baselines.setdefault(leader, at_ns))

    async def claim(self, desk: str) -> None:
        await self._statement(lambda: None)

    async def rehearse(self) -> None:
        await self._statement(lambda: None)

    async def revive(self) -> None:
        await asyncio.sleep(0)

    # --- what a start reads --------------------------------------------------------------------------------------

    async def open_copies(self) -> list[tuple[Signal, Copy]]:
        open_ = (Decision.PENDING, Decision.UNKNOWN)
        disk = self._disk
        return await self._statement(
            lambda: [(disk.signals[c.signal_id][1], c) for c in disk.copies.values() if c.decision in open_]
        )

    async def latest_copies(self) -> list[Copy]:
        return await self._statement(lambda: [self._disk.copies[key] for key in self._disk.latest.values()])

    async def short_copies(self) -> list[tuple[Signal, Copy]]:
        disk = self._disk
        return await self._statement(
            lambda: [
                (disk.signals[c.signal_id][1], c)
                for c in disk.copies.values()
                if c.decision is Decision.COPIED and c.filled_qty < c.qty and c.cl_ord_id and not c.working
            ]
        )

    async def working_copies(self) -> list[tuple[Signal, Copy]]:
        disk = self._disk
        return await self._statement(
            lambda: [(disk.signals[c.signal_id][1], c) for c in disk.copies.values() if c.working]
        )

    async def leader_orders(self) -> list[Signal]:
        def read() -> list[Signal]:
            newest: dict[tuple[str, str, str], Signal] = {}
            for _, signal in self._disk.signals.values():
                if signal.kind in _ABOUT_ORDERS:
                    newest[signal.leader, signal.source, signal.group] = signal
            return [signal for signal in newest.values() if signal.kind is not SignalKind.LEADER_CANCEL]

        return await self._statement(read)

    async def open_manual(self) -> list[ManualOrder]:
        if not self._disk.manual:  # nothing is asked, so that schedules without such orders stay what they were
            return []
        ends = (ManualState.DONE, ManualState.REJECTED, ManualState.NOT_SENT)
        return await self._statement(lambda: [o for _, o in self._disk.manual.values() if o.state not in ends])

    async def lots(self) -> list[Lots]:
        return await self._statement(lambda: list(self._disk.lots.values()))

    async def live_orders(self) -> list[tuple[str, str]]:
        def read() -> list[tuple[str, str]]:
            following = {follower.account for follower in self._disk.config.followers}
            orders = self._disk.orders.values()
            return [(o.account, o.order_id) for o in orders if isinstance(o, LiveOrder) and o.account in following]

        return await self._statement(read)

    async def leader_nets(self) -> list[tuple[str, str, int]]:
        return await self._statement(lambda: [(*key, net) for key, net in self._disk.leader_nets.items()])

    async def seen_fills(self, account: str, since_ns: int = 0) -> set[str]:
        def wanted(venue_ns: int) -> bool:
            return venue_ns >= since_ns or venue_ns == 0

        def read() -> set[str]:
            fills = self._disk.fills.values()
            kept = {fill.fill_id for fill in fills if fill.account == account and wanted(fill.venue_ns)}
            return kept | {
                signal.source
                for _, signal in self._disk.signals.values()
                if signal.leader == account and signal.kind is SignalKind.LEADER_FILL and wanted(signal.venue_ns)
            }

        return await self._statement(read)

    async def baseline(self, leader: str) -> int | None:
        return await self._statement(lambda: self._disk.baselines.get(leader))

    # --- configuration -------------------------------------------------------------------------------------------

    async def load_config(self) -> DeskConfig:
        return await self._statement(lambda: self._disk.config)

    async def sealed_credentials(self, connection: str) -> bytes:
        return await self._statement(lambda: b"sealed")

    async def set_enabled(self, account: str, enabled: bool, why_off: str = "") -> None:
        await self._change(account, enabled=enabled, why_off="" if enabled else why_off)

    async def guard_target(self, target: str, guard: Guard) -> None:
        if target == "all":
            await self.set_guard(guard)
        elif target in {group.group for group in self._disk.config.groups}:
            await self.set_guard(guard, group=target)
        else:
            await self.set_guard(guard, account=target)

    async def set_guard(self, guard: Guard, *, group: str = "", account: str = "") -> None:
        if account:
            await self._change(account, guard=guard)
            return

        def write() -> None:
            config = self._disk.config
            if group:
                groups = tuple(replace(g, guard=guard) if g.group == group else g for g in config.groups)
                self._disk.configure(replace(config, groups=groups))
            else:
                self._disk.configure(replace(config, guard=guard))

        await self._statement(write)

    async def mark_flattened(self, accounts: Iterable[str], at_ns: int) -> None:
        def write() -> None:
            config = self._disk.config
            known = dict(config.flattened)
            known |= {account: max(at_ns, known.get(account, 0)) for account in accounts}
            self._disk.configure(replace(config, flattened=tuple(sorted(known.items()))))

        await self._statement(write)

    async def set_rule(self, account: str, rule: Rule) -> None:
        await self._change(account, rule=rule)

    async def _change(self, account: str, **changes: Any) -> None:
        def write() -> None:
            config = self._disk.config
            followers = tuple(replace(f, **changes) if f.account == account else f for f in config.followers)
            self._disk.configure(replace(config, followers=followers))

        await self._statement(write)

    async def listen(self, changed: Callable[[], Awaitable[None]]) -> None:
        bell = asyncio.Event()
        bell.set()
        self._disk.listeners.append(bell.set)
        try:
            while True:
                await bell.wait()
                bell.clear()
                try:
                    await changed()
                except JournalDown:
                    bell.set()
                    await asyncio.sleep(0.1)
        finally:
            self._disk.listeners.remove(bell.set)


def lasting(seconds: float, world: World) -> int:
    """The virtual time `seconds` from now."""
    return world.now_ns() + int(seconds * S)
