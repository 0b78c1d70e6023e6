"""Positions and money of the login's accounts, from the venue's entities. `stream.py` feeds it."""

from decimal import Decimal

from brokers.adapter import AccountUpdated, Emit, PositionUpdated
from brokers.amounts import time_ns
from brokers.tradovate.directory import Directory
from brokers.tradovate.entities import AccountRiskStatus, CashBalance, MarginSnapshot, Position
from brokers.tradovate.translate import position_of
from schema.records import AccountState
from schema.records import Position as PositionRecord

# `protocols/tradovate.md 1.2`: what the venue's risk desk may have done to an account that leaves it no new risk.
_NO_NEW_RISK = frozenset(
    {
        "LiquidateImmediately",
        "LiquidateOnlyModeImmediately",
        "LockTradingImmediately",
        "AgreedOnLiqOnlyModeByAutoLiq",
        "AgreedOnLiquidationByAutoLiq",
    }
)


class MoneyJoin:
    """Newest position and state per account. A repeated or older row changes nothing and is not emitted."""

    def __init__(self, connection: str, directory: Directory, emit: Emit | None) -> None:
        self._connection = connection
        self._directory = directory
        self._emit = emit
        self._positions: dict[tuple[int, int], Position] = {}  # (account id, contract id)
        self._waiting: set[tuple[int, int]] = set()  # not emitted yet: the contract's name is not known
        self._unnamed: set[int] = set()
        self._states: dict[int, AccountState] = {}
        self._cash: dict[int, CashBalance] = {}
        self._margins: dict[int, MarginSnapshot] = {}
        self._risks: dict[int, AccountRiskStatus] = {}

    def position(self, entity: Position, now_ns: int) -> None:
        key = (entity.account_id, entity.contract_id)
        before = self._positions.get(key)
        if before is not None and (entity == before or time_ns(entity.timestamp) < time_ns(before.timestamp)):
            return
        self._positions[key] = entity
        if entity.contract_id not in self._directory.symbols:
            self._unnamed.add(entity.contract_id)
        self._tell_position(key, now_ns)

    def cash(self, entity: CashBalance, now_ns: int) -> None:
        self._cash[entity.account_id] = entity
        self._tell_state(entity.account_id, now_ns)

    def margin(self, entity: MarginSnapshot, now_ns: int) -> None:
        self._margins[entity.id] = entity
        self._tell_state(entity.id, now_ns)

    def risk(self, entity: AccountRiskStatus, now_ns: int) -> None:
        account_id = entity.account_id or entity.id
        self._risks[account_id] = entity
        self._tell_state(account_id, now_ns)

    def release(self, now_ns: int) -> None:
        for key in list(self._waiting):
            self._tell_position(key, now_ns)

    def unnamed_contracts(self) -> set[int]:
        self._unnamed -= self._directory.symbols.keys()
        return set(self._unnamed)

    def start_emitting(self, emit: Emit) -> None:
        """The snapshot was handed over: from here on changes are emitted."""
        self._emit = emit

    def rows(self) -> set[tuple[int, int]]:
        """(account id, contract id) of every position row, and (account id, 0) of every cash row."""
        return set(self._positions) | {(account_id, 0) for account_id in self._cash}

    def lasting_rows(self) -> set[tuple[int, int]]:
        """The rows that a whole reading can't be without: an account's money, and every position that is not flat."""
        held = {key for key, entity in self._positions.items() if entity.net_pos}
        return held | {(account_id, 0) for account_id in self._cash}

    def records(self) -> tuple[tuple[PositionRecord, ...], tuple[AccountState, ...]]:
        positions = tuple(
            record for entity in self._positions.values() if (record := self._position_record(entity)) is not None
        )
        return positions, tuple(self._states.values())

    def _position_record(self, entity: Position) -> PositionRecord | None:
        account = self._directory.account_name(entity.account_id)
        symbol = self._directory.symbols.get(entity.contract_id)
        return None if account is None or symbol is None else position_of(entity, account, symbol)

    def _tell_position(self, key: tuple[int, int], now_ns: int) -> None:
        if self._emit is None:
            return
        record = self._position_record(self._positions[key])
        if record is None:
            self._waiting.add(key)
            return
        self._waiting.discard(key)
        self._emit(PositionUpdated(connection=self._connection, received_ns=now_ns, position=record))

    def _tell_state(self, account_id: int, now_ns: int) -> None:
        account = self._directory.account_name(account_id)
        if account is None:
            return
        cash, margin, risk = self._cash.get(account_id), self._margins.get(account_id), self._risks.get(account_id)
        zero = Decimal(0)
        state = AccountState(
            account=account,
            balance=(cash and cash.amount) or zero,
            realized_pnl=(cash and cash.realized_pnl) or zero,
            margin=(margin and (margin.total_used_margin or margin.initial_margin)) or zero,
            liquidate_only=risk is not None
            and bool(risk.liquidate_only or risk.user_triggered_liq_only or risk.admin_action in _NO_NEW_RISK),
        )
        if state == self._states.get(account_id):
            return
        self._states[account_id] = state
        if self._emit is not None:
            self._emit(AccountUpdated(connection=self._connection, received_ns=now_ns, state=state))
