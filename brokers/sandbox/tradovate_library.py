"""Reading at the Tradovate door: the generic entity operations and the few calls that compute an answer.

`protocols/tradovate.md 1.2, 1.8`: list, item, items, find, deps, ldeps, suggest for every entity type; the cash balance
snapshot; rolling a contract. Routes are merged by `tradovate_door.py`.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from brokers.sandbox.faults import Faults
from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_call import Answer, Call, Handler, Malformed, NotFound
from brokers.sandbox.tradovate_entities import ContractEntity, ContractMaturityEntity, Entity, ProductEntity, timestamp
from brokers.sandbox.tradovate_records import Records
from brokers.sandbox.venue import Venue

ENTITY_TYPES = (
    "account", "accountRiskStatus", "cashBalance", "cashBalanceLog", "command", "commandReport", "contract",
    "contractGroup", "contractMargin", "contractMaturity", "currency", "currencyRate", "exchange", "executionReport",
    "fill", "fillFee", "fillPair", "marginSnapshot", "order", "orderStrategy", "orderStrategyLink",
    "orderStrategyType", "orderVersion", "position", "product", "productMargin", "productSession", "property",
    "spreadDefinition", "tradingPermission", "user", "userAccountAutoLiq", "userAccountPositionLimit", "userPlugin",
    "userProperty",
)  # fmt: skip
_MASTERS = {
    "account": "user_id",
    "accountRiskStatus": "id",
    "cashBalance": "account_id",
    "command": "order_id",
    "commandReport": "command_id",
    "contract": "contract_maturity_id",
    "contractMaturity": "product_id",
    "executionReport": "command_id",
    "fill": "order_id",
    "fillPair": "position_id",
    "marginSnapshot": "id",
    "order": "account_id",
    "orderStrategy": "account_id",
    "orderStrategyLink": "order_strategy_id",
    "orderVersion": "order_id",
    "position": "account_id",
    "product": "exchange_id",
}


class _Roll(msgspec.Struct, rename="camel"):
    name: str
    forward: bool = True
    if_expired: bool = False


class _AccountId(msgspec.Struct, rename="camel"):
    account_id: int


class Library:
    """See the module's docstring."""

    def __init__(self, venue: Venue, records: Records, settings: DoorSettings, faults: Faults) -> None:
        self._venue = venue
        self._records = records
        self._settings = settings
        self._faults = faults
        self._maturities = {each.maturity_id: each for each in venue.catalogue.by_symbol.values()}

    def routes(self) -> dict[str, Handler]:
        found: dict[str, Handler] = {
            "cashbalance/getcashbalancesnapshot": self._cash_snapshot,
            "contract/rollcontract": self._roll,
        }
        for entity_type in ENTITY_TYPES:
            for name, operation in (
                ("list", self._list),
                ("item", self._item),
                ("items", self._items),
                ("find", self._find),
                ("deps", self._deps),
                ("ldeps", self._deps),
                ("suggest", self._suggest),
            ):
                found[f"{entity_type.lower()}/{name}"] = _bound(entity_type, operation)
        return found

    def account_ids(self, call: Call) -> list[int]:
        """The accounts a call may see: its user's, of this environment."""
        assert call.session is not None
        live = self._settings.environment == "live"
        return [key for key in call.session.user.account_ids if self._venue.accounts[key].live is live]

    def visible(self, call: Call, entity_type: str) -> list[Entity]:
        """Everything of a type that a call may see."""
        assert call.session is not None
        if entity_type == "user":
            return [self._records.user(call.session.user.user_id)]
        found = self._records.visible(entity_type, self.account_ids(call))
        return [told for entity in found if (told := self._told(call, entity)) is not None]

    def _told(self, call: Call, entity: Entity) -> Entity | None:
        """The entity as this login is told it: a listing fault changes a product's tick size or a month's expiry, or
        hides a contract; which month is the front one changes when the venue rolls."""
        if isinstance(entity, ContractEntity) and not self._faults.listing(call.login, entity.name).listed:
            return None
        if isinstance(entity, ContractMaturityEntity):
            contract = self._maturities[entity.id]
            expires_ns = self._faults.listing(call.login, contract.symbol).expires_ns
            date = entity.expiration_date if expires_ns is None else timestamp(expires_ns)
            return replace(entity, is_front=self._venue.catalogue.is_front(contract), expiration_date=date)
        if isinstance(entity, ProductEntity):
            for contract in self._venue.catalogue.by_symbol.values():
                tick_size = self._faults.listing(call.login, contract.symbol).tick_size
                if contract.product_id == entity.id and tick_size is not None:
                    return replace(entity, tick_size=tick_size)
        return entity

    # --- the generic operations ------------------------------------------------------------------------------------

    def _list(self, entity_type: str, call: Call) -> Answer:
        return Answer(data=self._listed(entity_type, call))

    def _listed(self, entity_type: str, call: Call) -> list[Entity]:
        """What a list may hold; nothing under the fault that empties lists."""
        if entity_type != "account" and self._faults.left_s(self._faults.empty_until_ns, call.login):
            return []
        return self.visible(call, entity_type)

    def _item(self, entity_type: str, call: Call) -> Answer:
        entity_id = _ids(call, "id")[0]
        found = self.visible(call, "user") if entity_type == "user" else []
        item = self._records.item(entity_type, entity_id, self.account_ids(call))
        for entity in (item, *found):
            if entity is not None and entity.id == entity_id and (told := self._told(call, entity)) is not None:
                return Answer(data=told)
        raise NotFound(f"There is no {entity_type} {entity_id}")

    def _items(self, entity_type: str, call: Call) -> Answer:
        wanted = set(_ids(call, "ids"))
        return Answer(data=[entity for entity in self._listed(entity_type, call) if entity.id in wanted])

    def _find(self, entity_type: str, call: Call) -> Answer:
        name = _text(call, "name")
        for entity in self.visible(call, entity_type):
            if getattr(entity, "name", None) == name:
                return Answer(data=entity)
        raise NotFound(f"There is no {entity_type} {name}")

    def _deps(self, entity_type: str, call: Call) -> Answer:
        wanted = set(_ids(call, "masterids" if "masterids" in call.arguments else "masterid"))
        master = _MASTERS.get(entity_type, "id")
        return Answer(data=[each for each in self._listed(entity_type, call) if getattr(each, master) in wanted])

    def _suggest(self, entity_type: str, call: Call) -> Answer:
        start = _text(call, "t").upper()
        count = _ids(call, "l")[0] if "l" in call.arguments else 10
        named = [e for e in self.visible(call, entity_type) if getattr(e, "name", "").upper().startswith(start)]
        return Answer(data=named[:count])

    # --- computed answers ---------------------------------------------------------------------------------------------

    def _cash_snapshot(self, call: Call) -> Answer:
        account_id = call.body(_AccountId).account_id
        if account_id not in self.account_ids(call):
            return Answer(data={"errorText": f"There is no account {account_id}"})
        account = self._venue.accounts[account_id]
        realized, open_pnl = account.realized, account.open_pnl(self._venue.marks())
        cash = account.balance + realized
        return Answer(
            data={
                "totalCashValue": cash,
                "totalPnL": realized + open_pnl,
                "initialMargin": account.margin(initial=True),
                "maintenanceMargin": account.margin(initial=False),
                "netLiq": cash + open_pnl,
                "openPnL": open_pnl,
                "realizedPnL": realized,
                "weekRealizedPnL": realized,
            }
        )

    def _roll(self, call: Call) -> Answer:
        wish, catalogue = call.body(_Roll), self._venue.catalogue
        contract = catalogue.by_symbol.get(wish.name)
        if contract is None:
            raise NotFound(f"There is no contract {wish.name}")
        # The market of what is listed here goes on for good: rolled only if expired, it stays what it is.
        rolled = contract if wish.if_expired else catalogue.rolled(contract, forward=wish.forward)
        if rolled is None:
            raise NotFound(f"There is no contract {'after' if wish.forward else 'before'} {wish.name}")
        return Answer(data=self._records.item("contract", rolled.contract_id, ()))


def _bound(entity_type: str, operation: Any) -> Handler:
    return lambda call: operation(entity_type, call)


def _ids(call: Call, name: str) -> list[int]:
    """A number or several (text with commas, or a list). Raises Malformed."""
    value: Any = call.arguments.get(name)
    text = str(value).strip("[]")  # a list of a JSON body reads like the text of a query
    try:
        return [int(part) for part in text.split(",")]
    except (TypeError, ValueError):
        raise Malformed(f"{name} must be a number") from None


def _text(call: Call, name: str) -> str:
    value = call.arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"{name} is missing")
    return value
