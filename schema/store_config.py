"""The store's configuration part: logins, accounts, groups, followers. Called by the engine and the shell commands.

What the tables would refuse is refused here first, in one sentence that names the field; the tables' own constraints
hold for whoever writes past this module.
"""

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec

from schema import driver, tables
from schema.clock import Clock
from schema.database import Database
from schema.driver import Connection
from schema.group_words import GroupRefused, changed
from schema.login import FOLLOW_ONLY, VENUES
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    DeskConfig,
    DoneStatus,
    FollowerConfig,
    GroupConfig,
    Guard,
    LiveStatus,
    Record,
    Rule,
    SymbolMap,
)
from schema.words import near_words

_TIMEOUT_S = 5.0


class StoreRefused(Exception):
    """A change the store will not make; the text is one sentence naming the field and the remedy."""


class StorePart:
    """What the three parts of the store share."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock


class ConfigStore(StorePart):
    """Configuration, through the pool that the journal does not use."""

    async def load_config(self) -> DeskConfig:
        """The whole configuration as it stands now, in one consistent reading. Raises JournalDown."""
        async with self._session() as session, session.transaction(isolation="repeatable_read", readonly=True):
            connections = await session.fetch("SELECT * FROM connections ORDER BY connection")
            accounts = await session.fetch("SELECT * FROM accounts ORDER BY account")
            groups = await session.fetch('SELECT * FROM groups ORDER BY "group"')
            followers = await session.fetch("SELECT * FROM followers ORDER BY account")
            guard = await session.fetchval("SELECT guard FROM desk")
            flattened = await session.fetch("SELECT account, at_ns FROM flattened ORDER BY account")
            acknowledged = await session.fetch("SELECT exchange, root, month FROM acknowledged ORDER BY 1, 2, 3")
        return DeskConfig(
            connections=tuple(_connection(row) for row in connections),
            accounts=tuple(tables.read(row, AccountConfig) for row in accounts),
            groups=tuple(tables.read(row, GroupConfig) for row in groups),
            followers=tuple(_follower(row) for row in followers),
            guard=Guard(guard),
            flattened=tuple((row["account"], row["at_ns"]) for row in flattened),
            acknowledged=tuple((row["exchange"], row["root"], row["month"]) for row in acknowledged),
        )

    async def add_connection(self, config: ConnectionConfig, sealed: bytes) -> None:
        """Keep a login, or replace it, with its secret as `Vault.seal` returned it. Raises StoreRefused."""
        _named(connection=config.connection, username=config.username)
        if config.venue not in VENUES:
            raise StoreRefused(f"venue: {config.venue!r} is not known; write {' or '.join(VENUES)}.")
        if config.requests_per_min is not None and config.requests_per_min < 1:
            raise StoreRefused(
                f"requests_per_min: {config.requests_per_min} would let nothing through; write 1 or more."
            )
        await self._upsert("connections", config, ("connection",), sealed=sealed)

    async def sealed_credentials(self, connection: str) -> bytes:
        """A login's sealed secret. Raises StoreRefused when there is no such login."""
        async with self._session() as session:
            sealed = await session.fetchval("SELECT sealed FROM connections WHERE connection = $1", connection)
            if sealed is None:
                raise await self._no_such(session, "connection", connection)
        return bytes(sealed)

    async def put_account(self, config: AccountConfig) -> None:
        """Keep an account of a login, or replace it. Raises StoreRefused."""
        _named(account=config.account)
        async with self._session() as session:
            await self._must_exist(session, "connection", config.connection)
            other = await session.fetchval(
                "SELECT connection FROM accounts WHERE account = $1 AND connection <> $2",
                config.account,
                config.connection,
            )
            twin = await session.fetchval(
                "SELECT account FROM accounts WHERE account <> $1 AND connection = $2 AND venue_id = $3",
                config.account,
                config.connection,
                config.venue_id,
            )
        if other is not None:
            raise StoreRefused(
                f"account: {config.account} already belongs to connection {other}; remove it there first."
            )
        if twin is not None:
            raise StoreRefused(
                f"account: {twin} is account {config.venue_id} of {config.connection} already; one position has one "
                "writer, remove that name first."
            )
        await self._upsert("accounts", config, ("account",))

    async def put_group(self, config: GroupConfig) -> None:
        """Keep a group, or replace it. Raises StoreRefused: unknown leader, or one that follows or can't lead."""
        _named(group=config.group)
        for field, count in (
            ("late_ticks", config.late_ticks),
            ("late_s", config.late_s),
            ("unfilled_s", config.unfilled_s),
        ):
            if count < 0:
                raise StoreRefused(f"{field}: {count} is below 0; write 0 or more.")
        async with self._session() as session:
            await self._must_exist(session, "account", config.leader, field="leader")
            await self._may_lead(session, config.leader)
            following = await session.fetchval('SELECT "group" FROM followers WHERE account = $1', config.leader)
        if following is not None:
            raise StoreRefused(
                f"leader: {config.leader} follows in group {following} and can't lead {config.group} as well; "
                "remove it as a follower first."
            )
        await self._upsert("groups", config, ("group",))

    async def change_group(self, name: str, changes: Iterable[str]) -> GroupConfig:
        """Apply ``FIELD=VALUE`` words to a group, all of them or none; returns it as it is now. Raises StoreRefused:
        no such group, a wrong word, or another leader while somebody in the group is not flat."""
        async with self.all_or_nothing() as changing, changing._session() as session:
            await self._must_exist(session, "group", name)
            row = await session.fetchrow('SELECT * FROM groups WHERE "group" = $1 FOR UPDATE', name)
            assert row is not None
            group = tables.read(row, GroupConfig)
            try:
                new = changed(group, changes)
            except GroupRefused as refused:
                raise StoreRefused(str(refused)) from None
            if new.leader != group.leader:
                holding = await session.fetchrow(
                    "SELECT account, symbol, net_qty FROM positions WHERE net_qty <> 0 AND (account = ANY($2) "
                    'OR account IN (SELECT account FROM followers WHERE "group" = $1)) ORDER BY account LIMIT 1',
                    name,
                    [group.leader, new.leader],
                )
                if holding is not None:
                    raise StoreRefused(
                        f"leader: {name} changes its leader only when everybody in it is flat; {holding['account']} "
                        f"holds {holding['net_qty']:+d} {holding['symbol']}."
                    )
            await changing.put_group(new)
        return new

    async def put_follower(self, config: FollowerConfig) -> None:
        """Keep a follower, or replace it. Raises StoreRefused: unknown account or group, an account that leads or
        follows elsewhere, a rule or a cap that could not trade."""
        _check_rule(config.rule)
        for field, cap in (("max_position", config.max_position), ("max_order", config.max_order)):
            if cap is not None and cap < 1:
                raise StoreRefused(f"{field}: {cap} would let nothing through; write 1 or more, or leave it out.")
        for entry in config.symbols:
            if not entry.lot_factor.is_finite() or entry.lot_factor <= 0:
                raise StoreRefused(f"symbols: {entry.lot_factor} lots for each {entry.leader_root}; write more than 0.")
        for field in ("leader_root", "follower_root"):
            roots = [getattr(entry, field) for entry in config.symbols]
            if twice := next((root for root in roots if roots.count(root) > 1), ""):
                raise StoreRefused(f"symbols: {twice} is named by two maps; one position has one writer, keep one map.")
        async with self._session() as session:
            await self._must_exist(session, "account", config.account)
            await self._must_exist(session, "group", config.group)
            leading = await session.fetchval('SELECT "group" FROM groups WHERE leader = $1', config.account)
            other = await session.fetchval(
                'SELECT "group" FROM followers WHERE account = $1 AND "group" <> $2', config.account, config.group
            )
        if leading is not None:
            raise StoreRefused(f"account: {config.account} leads group {leading} and can't follow in {config.group}.")
        if other is not None:
            raise StoreRefused(
                f"account: {config.account} already follows in group {other} and can't follow in {config.group} "
                "as well; remove it there first."
            )
        await self._upsert("followers", config, ("account",))

    async def remove_follower(self, account: str) -> None:
        """Have an account follow nobody; one that follows nobody stays as it is."""
        async with self._changing() as session:
            await session.execute("DELETE FROM followers WHERE account = $1", account)

    async def set_enabled(self, account: str, enabled: bool, why: str = "") -> None:
        """Switch a follower on or off; `why` when it was not the trader. Raises StoreRefused when it is no follower."""
        async with self.all_or_nothing() as changing:
            await changing._set(account, "enabled = $2", enabled)
            await changing._set(account, "why_off = $2", "" if enabled else why)

    async def set_rule(self, account: str, rule: Rule) -> None:
        """Give a follower another rule. Raises StoreRefused when it is no follower or the rule could not trade."""
        _check_rule(rule)
        await self._set(account, "rule = $2", _json(rule))

    async def set_guard(self, guard: Guard, *, group: str = "", account: str = "") -> None:
        """Set what may be opened by one follower, by one group, or (neither named) by the whole desk. Raises
        StoreRefused when there is no such follower or group."""
        if account:
            await self._set(account, "guard = $2", guard)
            return
        async with self._changing() as session:
            if group:
                await self._must_exist(session, "group", group)
                await session.execute('UPDATE groups SET guard = $2 WHERE "group" = $1', group, guard)
            else:
                await session.execute("UPDATE desk SET guard = $1", guard)

    async def guard_target(self, target: str, guard: Guard) -> None:
        """As `set_guard`, for a follower's or a group's name, or ``all``."""
        if target == "all":
            await self.set_guard(guard)
            return
        async with self._session() as session:
            group = await session.fetchval('SELECT "group" FROM groups WHERE "group" = $1', target)
        await (self.set_guard(guard, group=target) if group else self.set_guard(guard, account=target))

    async def mark_flattened(self, accounts: Iterable[str], at_ns: int) -> None:
        """Remember that the trader flattens these accounts: whichever desk runs takes them out of their trades."""
        async with self._changing() as session:
            await session.execute(
                "INSERT INTO flattened (account, at_ns) SELECT account, $2 FROM accounts WHERE account = ANY($1) "
                "ON CONFLICT (account) DO UPDATE SET at_ns = greatest(flattened.at_ns, excluded.at_ns)",
                list(accounts),
                at_ns,
            )

    async def mark_flat(self, accounts: Sequence[str]) -> None:
        """Remember that the venue showed these accounts with no position and no working order."""
        async with self._changing() as session:
            await session.execute(
                "UPDATE positions SET net_qty = 0, avg_price = 0 WHERE account = ANY($1)", list(accounts)
            )
            await session.execute(
                "UPDATE orders SET status = $2 WHERE account = ANY($1) AND status = ANY($3)",
                list(accounts),
                DoneStatus.CANCELED,
                list(LiveStatus),
            )

    async def remove_account(self, account: str) -> None:
        """Take an account off the desk, and its login with the last one. Its history stays. Raises StoreRefused when
        it leads a group that still has followers, or when something was open when its venue last spoke of it."""
        async with self._changing() as session:
            await self._must_exist(session, "account", account)
            busy = await session.fetchrow(
                'SELECT "group", count(*) AS followers FROM groups JOIN followers USING ("group") '
                'WHERE leader = $1 GROUP BY "group"',
                account,
            )
            if busy is not None:
                raise StoreRefused(
                    f"account: {account} leads group {busy['group']} with {busy['followers']} followers; "
                    "remove them or give the group another leader first."
                )
            held = await session.fetch(
                "SELECT symbol, net_qty FROM positions WHERE account = $1 AND net_qty <> 0 ORDER BY symbol", account
            )
            working = await session.fetchval(
                "SELECT count(*) FROM orders WHERE account = $1 AND status = ANY($2)", account, list(LiveStatus)
            )
            if held or working:
                parts = [f"{row['net_qty']:+d} {row['symbol']}" for row in held]
                parts += [f"{working} working order{'s' if working > 1 else ''}"] if working else []
                raise StoreRefused(
                    f"account: {account} had {' and '.join(parts)} when its venue last spoke of it; close it first "
                    f"with `copydesk kill --account {account}` or :flatten {account}."
                )
            await session.execute("DELETE FROM groups WHERE leader = $1", account)
            login = await session.fetchval("DELETE FROM accounts WHERE account = $1 RETURNING connection", account)
            await session.execute(
                "DELETE FROM connections WHERE connection = $1 "
                "AND NOT EXISTS (SELECT FROM accounts WHERE connection = $1)",
                login,
            )

    @asynccontextmanager
    async def all_or_nothing(self) -> AsyncGenerator["ConfigStore"]:
        """Changes made through the store this yields are kept together, or, when one is refused, not at all."""
        async with self._changing() as session:
            yield _Within(self._database, self._clock, session)

    # --- how -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Connection]:
        async with driver.session(self._database.config, _TIMEOUT_S) as session:
            yield session

    @asynccontextmanager
    async def _changing(self) -> AsyncGenerator[Connection]:
        """A transaction whose violated constraints become refusals: what the checks above could not see coming."""
        try:
            async with self._session() as session, session.transaction():
                yield session
        except driver.CONSTRAINT as error:
            raise StoreRefused(str(error).splitlines()[0].rstrip(".") + ".") from None

    @asynccontextmanager
    async def _editing(self, lock: int, user: str, refused: type[ValueError]) -> AsyncGenerator[Connection]:
        """A transaction that reads, makes and writes one edit of what is a user's own, under the advisory lock `lock`
        of that user: of two seats that edit at once the second waits and edits what the first made. An edit that
        raises `refused` is a refusal."""
        try:
            # Read committed, whatever the server's default: what is read after the lock is what was written under it.
            async with self._session() as session, session.transaction(isolation="read_committed"):
                await session.fetchval("SELECT pg_advisory_xact_lock($1, hashtext($2))", lock, user)
                yield session
        except refused as refusal:
            raise StoreRefused(str(refusal)) from None
        except driver.CONSTRAINT as error:  # somebody wrote past the store meanwhile
            raise StoreRefused(str(error).splitlines()[0].rstrip(".") + ".") from None

    async def _upsert(self, table: str, row: Record, key: tuple[str, ...], **more: object) -> None:
        names = [*tables.fields(type(row)), *more]
        given = [*(_storable(value) for value in tables.values(row)), *more.values()]
        parameters = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        async with self._changing() as session:
            await session.execute(
                f"INSERT INTO {table} ({tables.quoted(names)}) VALUES ({parameters}) "  # noqa: S608 - names are ours
                f"ON CONFLICT ({tables.quoted(key)}) DO UPDATE SET {tables.excluded(names, key)}",
                *given,
            )

    async def _set(self, account: str, change: str, value: object) -> None:
        async with self._changing() as session:
            done = await session.execute(f"UPDATE followers SET {change} WHERE account = $1", account, value)  # noqa: S608
            if done == "UPDATE 0":
                raise StoreRefused(f"account: {account} is not a follower; `copydesk accounts list` shows who is.")

    async def _must_exist(self, session: Connection, kind: str, name: str, field: str = "") -> None:
        table = f"{kind}s"
        if not await session.fetchval(f'SELECT true FROM {table} WHERE "{kind}" = $1', name):  # noqa: S608 - ours
            raise await self._no_such(session, kind, name, field)

    async def _may_lead(self, session: Connection, account: str) -> None:
        venue = await session.fetchval(
            "SELECT venue FROM connections JOIN accounts USING (connection) WHERE account = $1", account
        )
        if why := FOLLOW_ONLY.get(venue, ""):
            raise StoreRefused(f"leader: {account} can't lead: {why}.")

    async def _no_such(self, session: Connection, kind: str, name: str, field: str = "") -> StoreRefused:
        rows = await session.fetch(f'SELECT "{kind}" FROM {kind}s')  # noqa: S608 - ours
        return StoreRefused(f"{field or kind}: there is no {name!r}{nearest(name, (row[0] for row in rows))}")


class _Within(ConfigStore):
    """The configuration inside one transaction."""

    def __init__(self, database: Database, clock: Clock, session: Connection) -> None:
        super().__init__(database, clock)
        self._transaction = session

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[Connection]:
        yield self._transaction


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not there: the nearest one that is."""
    return near_words(name, known, "; add it first")


def _named(**names: str) -> None:
    for field, name in names.items():
        if not name.strip() or not name.isprintable():
            raise StoreRefused(f"{field}: {name!r} is not a name; write one or more printable characters.")


def _check_rule(rule: Rule) -> None:
    if not rule.value.is_finite() or rule.value <= 0:
        raise StoreRefused(f"rule: {rule.kind} {rule.value} would not copy the leader; write a value above 0.")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _storable(value: object) -> object:
    """A column's value: rules and symbol maps are stored as JSON."""
    return value if value is None or isinstance(value, str | int | bool | bytes) else _json(value)


def _connection(row: driver.Row) -> ConnectionConfig:
    columns = {name: row[name] for name in tables.fields(ConnectionConfig)}
    for name in ("fix", "ninja"):
        columns[name] = msgspec.json.decode(columns[name]) if columns[name] else None
    return msgspec.convert(columns, ConnectionConfig)


def _follower(row: driver.Row) -> FollowerConfig:
    return FollowerConfig(
        account=row["account"],
        group=row["group"],
        enabled=row["enabled"],
        why_off=row["why_off"],
        guard=Guard(row["guard"]),
        rule=msgspec.json.decode(row["rule"], type=Rule),
        symbols=msgspec.json.decode(row["symbols"], type=tuple[SymbolMap, ...]),
        max_position=row["max_position"],
        max_order=row["max_order"],
    )
