"""The store's part about contracts: what venues said of them, and what the trader acknowledged. Called by the desk,
which writes the first, and by `:ack` and `copydesk symbols`, which write the second."""

from collections.abc import Sequence
from decimal import Decimal

from schema import tables
from schema.records import Record
from schema.store_config import ConfigStore
from schema.symbols import ContractKey


class CheckedContract(Record, frozen=True):
    """One contract as a login's venue had it at `checked_ns`; `error` is empty, or why it may not trade. `front` is the
    name of the venue's front month ('' not said), `expires_ns` the venue's date or, where it says none, the product
    table's. Without `described` the venue describes no contracts and the ticks are the table's."""

    connection: str
    symbol: str
    exchange: str
    root: str
    month: int
    venue_symbol: str
    tick_size: Decimal
    tick_value: Decimal
    expires_ns: int
    front: str
    described: bool
    error: str
    checked_ns: int

    @property
    def key(self) -> ContractKey:
        return ContractKey(exchange=self.exchange, root=self.root, month=self.month)


class ContractStore(ConfigStore):
    """Contracts, through the pool that the journal does not use."""

    async def put_contracts(self, contracts: Sequence[CheckedContract]) -> None:
        """Keep what venues said, but of logins that were taken off the desk meanwhile."""
        names = tables.fields(CheckedContract)
        async with self._changing() as session:
            await session.execute(
                f"INSERT INTO contracts ({tables.quoted(names)}) "  # noqa: S608 - names are ours
                f"SELECT * FROM {tables.unnest(CheckedContract)} AS said ({tables.quoted(names)}) "
                "WHERE said.connection IN (SELECT connection FROM connections) "
                f"ON CONFLICT (connection, symbol) DO UPDATE SET {tables.excluded(names, ('connection', 'symbol'))}",
                *tables.arrays(contracts, CheckedContract),
            )

    async def contracts(self) -> list[CheckedContract]:
        """What venues said, by contract and login."""
        async with self._session() as session:
            rows = await session.fetch("SELECT * FROM contracts ORDER BY exchange, root, month, connection")
        return [tables.read(row, CheckedContract) for row in rows]

    async def acknowledge(self, key: ContractKey) -> None:
        """The trader goes on opening in this contract until it expires; a running desk follows."""
        async with self._changing() as session:
            await session.execute(
                "INSERT INTO acknowledged (exchange, root, month, at_ns) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (exchange, root, month) DO NOTHING",
                key.exchange,
                key.root,
                key.month,
                self._clock.now_ns(),
            )
