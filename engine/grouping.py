"""Who leads, who follows, and by which rule, changed while the desk runs. `engine/desk.py` owns the one instance.

Whoever leads, follows another leader or leaves must be at rest: nothing held, nothing working, and the venue says so
now. A follower that changes its place starts switched off: `engine/arming.py` has the checklist by which it is armed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from msgspec.structs import replace

from brokers.adapter import BrokerAdapter, Exposure, VenueError
from engine.core import Core
from engine.seat import CommandRefused
from schema.records import FollowerConfig, GroupConfig, Rule
from schema.store import Store
from schema.words import near_words

_READ_S = 3.0


class Grouping:
    """`configure` stores a change and has the core follow it; `flush` writes down what is not yet."""

    def __init__(
        self,
        core: Core,
        store: Store,
        adapters: dict[str, BrokerAdapter],
        configure: Callable[[Coroutine[Any, Any, object]], Awaitable[None]],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self._core = core
        self._store = store
        self._adapters = adapters
        self._configure = configure
        self._flush = flush

    # --- places ------------------------------------------------------------------------------------------------------

    async def lead(self, account: str, group: str) -> str:
        """Have `account` lead `group`, which is made when there is none. Raises CommandRefused."""
        core = self._core
        if not group.strip():
            raise CommandRefused("group: it has no name; write one, such as main.")
        known = core.groups.get(group)
        old = known.leader if known is not None else ""
        if old == account:
            raise CommandRefused(f"leader: {account} leads {group} already.")
        follower = core.followers.get(account)
        if follower is not None and follower.group != group:
            raise CommandRefused(
                f"leader: {account} follows in {follower.group} and can't lead {group}; take it out there first."
            )
        members = [each.account for each in core.members.get(group, ())]
        await self.at_rest("leader", dict.fromkeys((account, *([old] if old else []), *members)))
        await self._configure(self._store_leader(known or GroupConfig(group=group, leader=account), account))
        left = f"; {old} is in no group now" if old and old not in core.leads else ""
        return f"{account} leads {group}{left}."

    async def _store_leader(self, group: GroupConfig, account: str) -> None:
        async with self._store.all_or_nothing() as changing:
            await changing.remove_follower(account)
            await changing.put_group(replace(group, leader=account))

    async def follow(self, account: str, group: str) -> str:
        """Put `account` into `group` as a follower that is off, with the rule it had. Raises CommandRefused."""
        core = self._core
        if group not in core.groups:
            near = near_words(group, core.groups, "; make an account its leader first")
            raise CommandRefused(f"group: there is no {group!r}{near}")
        old = core.followers.get(account)
        if old is not None and old.group == group:
            raise CommandRefused(f"group: {account} follows in {group} already.")
        if account in core.leads:
            led = core.leads[account][0].group
            raise CommandRefused(f"account: {account} leads {led} and can't follow in {group}; give {led} another.")
        if old is not None:
            await self.at_rest("account", [account])
        new = replace(old or FollowerConfig(account=account, group=group), group=group, enabled=False, why_off="")
        await self._configure(self._store_follower(new))
        return f"{account} follows in {group}, off: A arms it by the checklist."

    async def _store_follower(self, follower: FollowerConfig) -> None:
        async with self._store.all_or_nothing() as changing:
            await changing.remove_follower(follower.account)
            await changing.put_follower(follower)

    async def unfollow(self, account: str) -> str:
        """Take a follower out of its group. Raises CommandRefused."""
        follower = self._core.followers.get(account)
        if follower is None:
            raise CommandRefused(f"account: {account} follows in no group.")
        await self.at_rest("account", [account])
        await self._configure(self._store.remove_follower(account))
        return f"{account} is out of {follower.group}; it stays on the desk."

    async def remove(self, account: str) -> str:
        """Take an account off the desk. Raises CommandRefused. Where its login is down, what its venue last said
        counts."""
        core = self._core
        connection = core.connection_of(account)
        if core.up.get(connection):
            await self.at_rest("account", [account])
        await self._flush()
        last = [each.account for each in core.config.accounts if each.connection == connection] == [account]
        await self._configure(self._store.remove_account(account))
        return f"{account} is off the desk{f', and its login {connection} with it' if last else ''}."

    # --- sizes -------------------------------------------------------------------------------------------------------

    async def size(self, accounts: Iterable[str], rule: Rule, max_position: int | None) -> str:
        """Give these followers a rule and a position cap, all or none of them. Raises CommandRefused."""
        changed = [replace(self._core.followers[account], rule=rule, max_position=max_position) for account in accounts]

        async def store() -> None:
            async with self._store.all_or_nothing() as changing:
                for follower in changed:
                    await changing.put_follower(follower)

        await self._configure(store())
        who = changed[0].account if len(changed) == 1 else f"{len(changed)} followers"
        cap = "" if max_position is None else f", {max_position} lots at most"
        return f"{who} now {'copies' if len(changed) == 1 else 'copy'} {rule}{cap}."

    async def arm(self, accounts: Iterable[str]) -> None:
        """Switch these followers on, all or none of them."""
        names = tuple(accounts)

        async def store() -> None:
            async with self._store.all_or_nothing() as changing:
                for account in names:
                    await changing.set_enabled(account, True)

        await self._configure(store())

    # --- at rest -----------------------------------------------------------------------------------------------------

    async def at_rest(self, field: str, accounts: Iterable[str]) -> None:
        """Ask the venues what these accounts hold and have working now. Raises CommandRefused naming the first one
        that holds or waits for something, or of which that can't be said."""
        core, names = self._core, tuple(accounts)
        for account in names:
            if any(order.copy.follower == account for order in core.inflight.all()):
                raise CommandRefused(f"{field}: an order of {account} is on its way or being asked for; wait for it.")
        connections = dict.fromkeys(core.connection_of(account) for account in names)
        answers = await asyncio.gather(*(self._exposure(connection) for connection in connections))
        exposures = dict(zip(connections, answers, strict=True))
        for account in names:
            found = exposures[core.connection_of(account)]
            if isinstance(found, str):
                raise CommandRefused(f"{field}: what {account} holds can't be said: {found}.")
            if account not in found.complete:
                raise CommandRefused(f"{field}: the venue's answer leaves out what {account} holds; try again.")
            held = [
                f"{each.net_qty:+d} {each.symbol}"
                for each in found.positions
                if each.account == account and each.net_qty
            ]
            working = sum(order.account == account for order in found.working)
            held += [f"{working} working order{'s' if working > 1 else ''}"] if working else []
            if held:
                raise CommandRefused(
                    f"{field}: {account} has {' and '.join(held)}; that is changed only at rest, so "
                    f":flatten {account} first."
                )
        moved = core.ledger.open_accounts() & set(names)  # while the venues were asked
        if moved:
            raise CommandRefused(f"{field}: {min(moved)} has just traded; :flatten {min(moved)} first.")

    async def _exposure(self, connection: str) -> Exposure | str:
        """What a login's accounts hold, or why that can't be read."""
        adapter = self._adapters.get(connection)
        if adapter is None or not self._core.up.get(connection):
            return f"{connection} is down: {self._core.down_reason.get(connection) or 'not connected yet'}"
        try:
            async with asyncio.timeout(_READ_S):
                return await adapter.exposure()
        except VenueError as error:
            return str(error).rstrip(".")
        except TimeoutError:
            return f"{connection} did not answer within {_READ_S:g} s"
