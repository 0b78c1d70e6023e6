"""The login's truth as its order stream tells it: a snapshot from a sync reply (or from lists read over REST), then
every event joined into facts. Pure: `session.py` feeds it and says when."""

from collections.abc import Iterable, Sequence

import msgspec

from brokers.adapter import Emit, Snapshot
from brokers.own import OwnOrders
from brokers.tradovate.directory import Directory
from brokers.tradovate.entities import (
    Account,
    AccountRiskStatus,
    AnyEntity,
    CashBalance,
    Command,
    Contract,
    Fill,
    MarginSnapshot,
    Order,
    OrderVersion,
    Position,
    SyncReply,
    UnreadableRow,
    props_entities,
)
from brokers.tradovate.money import MoneyJoin
from brokers.tradovate.orders import OrderJoin


class Joined:
    """One snapshot and what followed it."""

    def __init__(
        self,
        connection: str,
        directory: Directory,
        own: OwnOrders,
        seen_fills: set[int],
        reply: SyncReply,
        unreadable: Sequence[UnreadableRow] = (),
    ) -> None:
        self._directory = directory
        self._reply = reply
        self._unreadable = unreadable
        self._orders = OrderJoin(connection, directory, own, seen_fills, None)
        self._money = MoneyJoin(connection, directory, None)
        directory.add_accounts(reply.accounts or ())
        directory.add_contracts(reply.contracts or ())
        self._orders.load(
            reply.orders or (),
            reply.order_versions or (),
            reply.commands or (),
            [*(reply.command_reports or ()), *(reply.execution_reports or ())],
            reply.fills or (),
        )
        for position in reply.positions or ():
            self._money.position(position, 0)
        for cash in reply.cash_balances or ():
            self._money.cash(cash, 0)
        for margin in reply.margin_snapshots or ():
            self._money.margin(margin, 0)
        for risk in reply.account_risk_statuses or ():
            self._money.risk(risk, 0)

    def unnamed_contracts(self) -> set[int]:
        """Contract ids whose names must be asked for before anything about them can be told."""
        return self._orders.unnamed_contracts() | self._money.unnamed_contracts()

    def synchronised(self) -> bool:
        """Whether this reply is about the login's accounts at all: a wrong environment's is empty (`1.6 d`)."""
        reply = self._reply
        return bool(reply.accounts) or (
            reply.accounts is None and reply.positions is not None and reply.orders is not None
        )

    def lasting_rows(self) -> set[tuple[int, int]]:
        """(account id, contract id, or 0 for its money) that every later reading must list."""
        return self._money.lasting_rows()

    def complete(self, lasting: Iterable[tuple[int, int]] = ()) -> frozenset[str]:
        """Accounts whose every part this reply covers. A row that could not be read makes its account incomplete, and
        one that does not say whose it is, all of them; so does a row of `lasting` that is not there: an empty list is
        not a flat account (a closed position's row stays, with 0 lots: `protocols/tradovate.md 1.3`)."""
        if not self.synchronised():
            return frozenset()
        rows = self._money.rows()
        doubtful = {row.account_id for row in self._unreadable}
        doubtful |= {account_id for account_id, contract_id in lasting if (account_id, contract_id) not in rows}
        if None in doubtful:
            return frozenset()
        accounts = self._directory.accounts
        ids = accounts.keys() if self._reply.accounts is None else [entity.id for entity in self._reply.accounts]
        return frozenset(accounts[account_id].account for account_id in ids if account_id not in doubtful)

    def snapshot(self, at_ns: int, lasting: Iterable[tuple[int, int]] = ()) -> Snapshot:
        """Everything known; `lasting` as in `complete`."""
        orders, fills = self._orders.records()
        positions, states = self._money.records()
        return Snapshot(
            at_ns=at_ns,
            accounts=tuple(account for account in self._directory.accounts.values()),
            complete=self.complete(lasting),
            positions=positions,
            orders=orders,
            fills=fills,
            states=states,
        )

    def start_emitting(self, emit: Emit) -> None:
        """The snapshot was handed over: from here on changes are emitted, and orders of this process settled."""
        self._orders.start_emitting(emit)
        self._money.start_emitting(emit)
        self._orders.prove_all()

    def props(self, data: msgspec.Raw, now_ns: int) -> list[tuple[bytes, str]]:
        """Take in a props event; returns what of it could not be read. Raises one of
        `brokers.text.NOT_READ`."""
        entities, unreadable = props_entities(data)
        for entity in entities:
            self.entity(entity, now_ns)
        return unreadable

    def working_orders(self) -> set[tuple[int, int]]:
        """(account id, order id) of every order that may still trade."""
        return self._orders.working()

    def owner(self, order_id: int) -> str | None:
        """The account of an order; None when it is not known."""
        return self._orders.owner(order_id)

    def short_orders(self) -> set[int]:
        """Ids of orders that the venue says are filled and whose fills have not all come."""
        return self._orders.short_orders()

    def fills_are_final(self, order_ids: set[int], now_ns: int) -> None:
        """No more fills of these orders will come: show them as the venue does."""
        self._orders.fills_are_final(order_ids, now_ns)

    def later_part(self, reply: SyncReply, now_ns: int) -> None:
        """A part of the sync reply that came after the snapshot was handed over: as good as events."""
        parts: Iterable[Iterable[AnyEntity] | None] = (getattr(reply, name) for name in reply.__struct_fields__)
        for part in parts:
            for entity in part or ():
                self.entity(entity, now_ns)

    def entity(self, entity: AnyEntity, now_ns: int) -> None:
        match entity:
            case Fill():
                self._orders.fill(entity, now_ns)
            case Order():
                self._orders.order(entity, now_ns)
            case OrderVersion():
                self._orders.version(entity, now_ns)
            case Command():
                self._orders.command(entity, now_ns)
            case Position():
                self._money.position(entity, now_ns)
            case CashBalance():
                self._money.cash(entity, now_ns)
            case MarginSnapshot():
                self._money.margin(entity, now_ns)
            case AccountRiskStatus():
                self._money.risk(entity, now_ns)
            case Account():
                self._directory.add_accounts((entity,))
                self.release(now_ns)
            case Contract():
                self._directory.add_contracts((entity,))
                self.release(now_ns)
            case _:
                self._orders.report(entity, now_ns)

    def release(self, now_ns: int) -> None:
        """A name or a client id became known: tell what waited for it."""
        self._orders.release(now_ns)
        self._money.release(now_ns)
