"""What one connection was told, as the port's records. Pure; `adapter.py` calls it for each reading."""

from collections.abc import Iterator
from decimal import Decimal

from brokers.adapter import Exposure, Snapshot, WorkingOrder
from brokers.ninjatrader.book import Book
from brokers.ninjatrader.directory import Directory
from brokers.ninjatrader.names import status_of
from brokers.ninjatrader.values import Told
from schema.records import AccountState, DoneStatus, Position, VenueAccount, VenueOrder


def position(told: Told, directory: Directory, account: str, instrument: str) -> Position:
    """`account` and `instrument` are NinjaTrader's names."""
    net = told.nets.get((account, instrument), 0)
    average = told.entries.get((account, instrument), Decimal(0)) if net else Decimal(0)
    return Position(account=directory.ours[account], symbol=directory.learn(instrument), net_qty=net, avg_price=average)


def state(told: Told, directory: Directory, account: str) -> AccountState | None:
    """An account's money, by NinjaTrader's name of it; None until its cash was told."""
    money = told.money.get(account, {})
    if "CashValue" not in money or account not in directory.ours:
        return None
    realized = money.get("RealizedPnL", Decimal(0))
    return AccountState(account=directory.ours[account], balance=money["CashValue"], realized_pnl=realized)


def snapshot(
    told: Told, book: Book, directory: Directory, complete: frozenset[str], *, at_ns: int, since_ns: int
) -> Snapshot:
    """What was told of the accounts, with what ended or was filled since `since_ns`."""
    return Snapshot(
        at_ns=at_ns,
        accounts=tuple(VenueAccount(account=each, venue_id=directory.theirs[each]) for each in sorted(complete)),
        complete=complete,
        positions=_positions(told, directory),
        orders=tuple(_orders(told, book, since_ns)),
        fills=tuple(
            entry.fill(number)
            for entry in book.entries()
            for number, lot in enumerate(entry.lots, 1)
            if lot.learned_ns >= since_ns
        ),
        states=tuple(
            found for each in complete if (found := state(told, directory, directory.theirs[each])) is not None
        ),
    )


def exposure(told: Told, book: Book, directory: Directory, complete: frozenset[str], *, at_ns: int) -> Exposure:
    """An order that an account lists without a state counts as working: nothing says that it is over."""
    working: list[WorkingOrder] = []
    for theirs, ids in told.ids.items():
        for order_id in sorted(ids) if theirs in directory.ours else ():
            entry = book.get(order_id)
            word = told.words.get(order_id, entry.word if entry is not None else "")
            if not isinstance(status_of(word), DoneStatus):
                symbol = entry.symbol if entry is not None else ""
                working.append(WorkingOrder(account=directory.ours[theirs], order_id=order_id, symbol=symbol))
    return Exposure(at_ns=at_ns, complete=complete, positions=_positions(told, directory), working=tuple(working))


def _positions(told: Told, directory: Directory) -> tuple[Position, ...]:
    return tuple(
        position(told, directory, account, instrument)
        for (account, instrument), net in told.nets.items()
        if net and account in directory.ours
    )


def _orders(told: Told, book: Book, since_ns: int) -> Iterator[VenueOrder]:
    """The desk's own orders: of others only the ids are told."""
    for entry in book.entries():
        ended = entry.done and entry.seen_ns >= since_ns
        if entry.ours and entry.known and (ended or (not entry.done and entry.order_id in told.words)):
            yield entry.record()
