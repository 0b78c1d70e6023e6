"""What the login's ids stand for: accounts by id and name, contracts by id and symbol. Filled by `session.py` and
`adapter.py`, read by everything that turns the venue's entities into records."""

from collections.abc import Iterable

from brokers.tradovate.entities import Account, Contract
from brokers.tradovate.wire import clean
from schema.records import VenueAccount


class Directory:
    def __init__(self) -> None:
        self.accounts: dict[int, VenueAccount] = {}
        self.account_ids: dict[str, int] = {}
        self.symbols: dict[int, str] = {}  # contract id -> name
        self.contract_ids: dict[str, int] = {}

    def add_accounts(self, accounts: Iterable[Account]) -> None:
        for entity in accounts:
            name = clean(entity.name)
            self.accounts[entity.id] = VenueAccount(
                account=name,
                venue_id=str(entity.id),
                active=entity.active is not False,
                readonly=entity.readonly is True,
            )
            self.account_ids[name] = entity.id

    def add_contracts(self, contracts: Iterable[Contract]) -> None:
        for entity in contracts:
            self.symbols[entity.id] = symbol = clean(entity.name)
            self.contract_ids[symbol] = entity.id

    def account_name(self, account_id: int) -> str | None:
        account = self.accounts.get(account_id)
        return account.account if account else None
