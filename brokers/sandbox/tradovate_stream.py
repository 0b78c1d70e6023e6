"""The event stream of the Tradovate door: user/syncrequest and the props events after it.

`protocols/tradovate.md 1.4`. Every change the venue makes, whoever asked for it, goes to each socket that synced and
may see it. Changes of one loop turn leave together, after the answer that caused them; they are cut into frames of
one or several messages, and now and then into entity arrays, as a client must bear.
"""

import asyncio
import itertools
from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from brokers.sandbox.faults import Faults
from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_call import Answer, Call, Handler, Malformed, encode
from brokers.sandbox.tradovate_entities import Entity
from brokers.sandbox.tradovate_library import Library
from brokers.sandbox.tradovate_records import Change, Records
from schema.records import Record

if TYPE_CHECKING:
    from brokers.sandbox.tradovate_socket import Socket

_SYNCED = {
    "user": "users", "account": "accounts", "accountRiskStatus": "accountRiskStatuses",
    "marginSnapshot": "marginSnapshots", "userAccountAutoLiq": "userAccountAutoLiqs", "cashBalance": "cashBalances",
    "currency": "currencies", "position": "positions", "fillPair": "fillPairs", "order": "orders",
    "contract": "contracts", "contractMaturity": "contractMaturities", "product": "products", "exchange": "exchanges",
    "spreadDefinition": "spreadDefinitions", "command": "commands", "commandReport": "commandReports",
    "executionReport": "executionReports", "orderVersion": "orderVersions", "fill": "fills",
    "orderStrategy": "orderStrategies", "orderStrategyLink": "orderStrategyLinks", "userProperty": "userProperties",
    "property": "properties", "userPlugin": "userPlugins", "contractGroup": "contractGroups",
    "orderStrategyType": "orderStrategyTypes",
}  # fmt: skip
_SESSION_TYPES = ("order", "orderVersion", "command", "commandReport", "executionReport", "fill", "fillPair")
_ARRAY_SHARE = 0.2
_CUT_SHARE = 0.4


class _Sharding(msgspec.Struct, rename="camel"):
    divisor: int
    remainder: int
    expression_type: str = "modAccountId"


class _Sync(msgspec.Struct, rename="camel"):
    users: list[int] | None = None
    accounts: list[int] | None = None
    split_responses: bool = False
    entity_types: list[str] | None = None
    sharding_expression: _Sharding | None = None


class Subscription(Record, frozen=True):
    """What a synced socket is told. `entity_types` None: everything."""

    account_ids: frozenset[int]
    entity_types: frozenset[str] | None

    def wants(self, change: Change) -> bool:
        seen = change.account_id is None or change.account_id in self.account_ids
        return seen and (self.entity_types is None or change.entity_type in self.entity_types)


class Stream:
    """See the module's docstring."""

    def __init__(
        self, records: Records, library: Library, settings: DoorSettings, faults: Faults, random: Random
    ) -> None:
        self._records = records
        self._library = library
        self._settings = settings
        self._faults = faults
        self._random = random
        self._sockets: dict[Socket, Subscription] = {}
        self._pending: list[Change] = []
        self._scheduled = False
        self._cents = itertools.count()
        records.changed = self._on_change

    def routes(self) -> dict[str, Handler]:
        return {"user/syncrequest": self._sync}

    def leave(self, socket: "Socket") -> None:
        self._sockets.pop(socket, None)

    def flush(self) -> None:
        """Send what has happened since the last time."""
        changes, self._pending, self._scheduled = self._pending, [], False
        for socket, subscription in list(self._sockets.items()) if changes else ():
            mine = [change for change in changes if subscription.wants(change)]
            self._send(socket, self._faults.disturb(socket.login, mine))

    def replay_session(self, login: str) -> int:
        """Tell synced sockets of a login (of all: '') every entity of the session once more, as if just created, as
        users saw at the session's end (`protocols/tradovate.md 1.6 a`). Returns how many events that was."""
        count = 0
        for socket, subscription in list(self._sockets.items()):
            if login and socket.login != login:
                continue
            changes: list[Change] = []
            for entity_type in (*_SESSION_TYPES, "position", "cashBalance"):
                for entity in self._records.visible(entity_type, subscription.account_ids):
                    change = Change(entity_type=entity_type, event_type="Created", entity=entity, account_id=None)
                    if subscription.wants(change):
                        changes.append(change)
            count += len(changes)
            self._send(socket, changes)
        return count

    def babble(self, socket: "Socket", count: int, *, garbled: bool) -> None:
        """So many frames: an account's cash, a cent more or less each time, or fills that have no fields."""
        subscription = self._sockets.get(socket)
        if subscription is None:
            return
        event = {"e": "props", "d": {"entityType": "fill", "eventType": "Created", "entity": {"id": "?"}}}
        cash = self._records.visible("cashBalance", subscription.account_ids)
        for number in range(count):
            if not garbled:
                entity = msgspec.to_builtins(cash[number % len(cash)], builtin_types=(Decimal,))
                entity["amount"] += Decimal(next(self._cents) % 100) / 100
                event = {"e": "props", "d": {"entityType": "cashBalance", "eventType": "Updated", "entity": entity}}
            socket.send_messages([encode(event)])

    # --- inside ----------------------------------------------------------------------------------------------------

    def _on_change(self, change: Change) -> None:
        self._pending.append(change)
        if not self._scheduled and self._sockets:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)
        elif not self._sockets:
            self._pending.clear()

    def _send(self, socket: "Socket", changes: list[Change]) -> None:
        frame: list[bytes] = []
        for message in self._messages(changes):
            if frame and self._random.random() < _CUT_SHARE:
                socket.send_messages(frame)
                frame = []
            frame.append(message)
        if frame:
            socket.send_messages(frame)

    def _messages(self, changes: list[Change]) -> Iterable[bytes]:
        place = 0
        while place < len(changes):
            first, alike = changes[place], [changes[place].entity]
            while place + len(alike) < len(changes):
                following = changes[place + len(alike)]
                if (following.entity_type, following.event_type) != (first.entity_type, first.event_type):
                    break
                if self._random.random() >= _ARRAY_SHARE:
                    break
                alike.append(following.entity)
            place += len(alike)
            entity: Entity | list[Entity] = alike if len(alike) > 1 else first.entity
            yield encode(
                {
                    "e": "props",
                    "d": {"entityType": first.entity_type, "eventType": first.event_type, "entity": entity},
                }
            )

    def _sync(self, call: Call) -> Answer:
        """The snapshot, and the stream from here on; once per socket."""
        wish = call.body(_Sync)
        if wish.sharding_expression is not None and (wish.users is not None or wish.accounts is not None):
            raise Malformed("users and accounts can't be combined with shardingExpression")
        if call.socket is not None and call.socket in self._sockets:
            raise Malformed("This socket has synced already")
        assert call.session is not None
        account_ids = self._library.account_ids(call)
        if wish.accounts is not None:
            account_ids = [key for key in account_ids if key in wish.accounts]
        elif wish.users is not None and call.session.user.user_id not in wish.users:
            account_ids = []
        if (shard := wish.sharding_expression) is not None:
            if shard.divisor < 1:
                raise Malformed("divisor must be 1 or more")
            by_user = shard.expression_type == "modUserId"
            user_id = call.session.user.user_id
            account_ids = [k for k in account_ids if (user_id if by_user else k) % shard.divisor == shard.remainder]
        entity_types = None if wish.entity_types is None else frozenset(wish.entity_types)
        if entity_types is None and self._settings.strict_entity_types:
            entity_types = frozenset[str]()
        reply: dict[str, Any] = {}
        for entity_type, key in _SYNCED.items():
            wanted = entity_types is None or entity_type in entity_types
            if entity_type == "user" and wanted:
                reply[key] = self._library.visible(call, "user")
            else:
                reply[key] = self._records.visible(entity_type, account_ids) if wanted else []
        if call.socket is not None:
            self.flush()
            self._sockets[call.socket] = Subscription(account_ids=frozenset(account_ids), entity_types=entity_types)
            if wish.split_responses and self._settings.split_responses:
                call.socket.split_next_answer([{key: value} for key, value in reply.items() if value])
                return Answer(data={})
        return Answer(data=reply)
