"""Reading at the ProjectX door: accounts, contracts, orders, positions, trades, bars (`protocols/projectx.md 2.2-2.8`).

Routes are merged by `projectx_door.py`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from brokers.sandbox.charts import Candle
from brokers.sandbox.doors import House
from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.orders import OrderStatus
from brokers.sandbox.projectx_call import Call, Denied, Handler, Malformed, done, moment, stamp
from brokers.sandbox.projectx_models import account_model, contract_model, contracts_by_key, position_model
from brokers.sandbox.projectx_stream import Stream
from schema.clock import to_datetime

_MOST_BARS = 20_000
_MOST_CONTRACTS = 20
_SECOND_NS = 1_000_000_000
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_MONDAY_S = 4 * _DAY  # the epoch's first Monday
_SECOND_UNIT, _WEEK_UNIT, _MONTH_UNIT = 1, 5, 6
_UNIT_S = {_SECOND_UNIT: 1, 2: _MINUTE, 3: _HOUR, 4: _DAY, _WEEK_UNIT: 7 * _DAY}


class _Shape(msgspec.Struct, rename="camel", kw_only=True):
    """Base of request bodies."""


class _Accounts(_Shape):
    only_active_accounts: bool = False


class _Search(_Shape):
    search_text: str
    live: bool = False


class _ById(_Shape):
    contract_id: str


class _OfAccount(_Shape):
    account_id: int


class _Period(_Shape):
    account_id: int
    start_timestamp: str | None = None
    end_timestamp: str | None = None


class _Bars(_Shape):
    contract_id: str
    start_time: str
    end_time: str
    unit: int
    unit_number: int
    limit: int
    live: bool = False
    include_partial_bar: bool = False


class Reads:
    """See the module's docstring."""

    def __init__(self, house: House, stream: Stream) -> None:
        self._house = house
        self._venue = house.venue
        self._stream = stream
        self.contracts = contracts_by_key(house.venue.catalogue)

    def routes(self) -> dict[str, Handler]:
        return {
            "account/search": self._accounts,
            "contract/search": self._contract_search,
            "contract/searchbyid": self._contract_by_id,
            "contract/available": self._contracts_available,
            "order/searchopen": self._open_orders,
            "order/search": self._orders,
            "position/searchopen": self._positions,
            "trade/search": self._trades,
            "history/retrievebars": self._bars,
        }

    def contract(self, call: Call, key: str, code: int) -> ListedContract:
        """A listed contract. Raises Denied with this endpoint's code."""
        contract = self.contracts.get(key)
        if contract is None or not self._house.faults.listing(call.login, contract.symbol).listed:
            raise Denied(code, "Contract not found")
        return contract

    # --- accounts and contracts ------------------------------------------------------------------------------------

    def _accounts(self, call: Call) -> dict[str, Any]:
        wish = call.body(_Accounts)
        mine = [self._venue.accounts[key] for key in call.account_ids]
        return done(accounts=[account_model(each) for each in mine if each.active or not wish.only_active_accounts])

    def _told(self, call: Call, contract: ListedContract) -> dict[str, Any] | None:
        listing = self._house.faults.listing(call.login, contract.symbol)
        active = self._house.venue.catalogue.is_front(contract)
        return contract_model(contract, listing.tick_size, active=active) if listing.listed else None

    def _contract_search(self, call: Call) -> dict[str, Any]:
        text = call.body(_Search).search_text.lower()
        found = (self._told(call, contract) for contract in self._venue.catalogue.by_symbol.values())
        hits = [
            each
            for each in found
            if each and any(text in str(each[name]).lower() for name in ("id", "name", "description"))
        ]
        return done(contracts=hits[:_MOST_CONTRACTS])

    def _contract_by_id(self, call: Call) -> dict[str, Any]:
        contract = self.contract(call, call.body(_ById).contract_id, 1)
        return done(contract=self._told(call, contract))

    def _contracts_available(self, call: Call) -> dict[str, Any]:
        told = (self._told(call, contract) for contract in self._venue.catalogue.by_symbol.values())
        return done(contracts=[each for each in told if each and each["activeContract"]])

    # --- orders, positions, trades ---------------------------------------------------------------------------------

    def _empty(self, call: Call) -> bool:
        """The fault that answers lists with nothing, successfully."""
        return bool(self._house.faults.left_s(self._house.faults.empty_until_ns, call.login))

    def _open_orders(self, call: Call) -> dict[str, Any]:
        account_id = call.own_account(call.body(_OfAccount).account_id)
        live = self._venue.live_orders(account_id)
        shown = [self._stream.order(order) for order in live if order.status is not OrderStatus.SUSPENDED]
        return done(orders=[] if self._empty(call) else shown)

    def _orders(self, call: Call) -> dict[str, Any]:
        wish = call.body(_Period)
        account_id = call.own_account(wish.account_id)
        if wish.start_timestamp is None:
            raise Malformed("startTimestamp is missing")
        since_ns, until_ns = _period(wish)
        found: list[dict[str, Any]] = []
        for order in reversed(self._venue.orders.values()):
            if order.placed_ns < since_ns:
                break
            mine = order.account_id == account_id and order.status is not OrderStatus.SUSPENDED
            if mine and order.placed_ns <= until_ns:
                found.append(self._stream.order(order))
        return done(orders=[] if self._empty(call) else found[::-1])

    def _positions(self, call: Call) -> dict[str, Any]:
        account_id = call.own_account(call.body(_OfAccount).account_id)
        held = [each for each in self._venue.accounts[account_id].holdings.values() if each.net]
        return done(positions=[] if self._empty(call) else [position_model(account_id, each) for each in held])

    def _trades(self, call: Call) -> dict[str, Any]:
        wish = call.body(_Period)
        account_id = call.own_account(wish.account_id)
        since_ns, until_ns = _period(wish)
        found: list[dict[str, Any]] = []
        for fill in reversed(self._venue.fills):
            if fill.at_ns < since_ns:
                break
            if fill.account_id == account_id and fill.at_ns <= until_ns:
                found.append(self._stream.trade(fill))
        return done(trades=[] if self._empty(call) else found)

    # --- bars --------------------------------------------------------------------------------------------------------

    def _bars(self, call: Call) -> dict[str, Any]:
        wish = call.body(_Bars)
        contract = self.contract(call, wish.contract_id, 1)
        if wish.unit not in (*_UNIT_S, _MONTH_UNIT):
            raise Denied(2, "Invalid unit")
        if wish.unit_number < 1:
            raise Denied(3, "Invalid unit number")
        if not 1 <= wish.limit <= _MOST_BARS:
            raise Denied(4, f"Limit must be between 1 and {_MOST_BARS}")
        since_ns, until_ns = moment(wish.start_time), moment(wish.end_time)
        merged: dict[int, Candle] = {}
        for candle in self._candles(contract, wish.unit):
            start_s = _bucket_s(candle.start_ns // _SECOND_NS, wish.unit, wish.unit_number)
            if start_s in merged:
                merged[start_s].add(candle)
            else:
                candle.start_ns = start_s * _SECOND_NS
                merged[start_s] = candle
        now_s = self._house.market.now_ns // _SECOND_NS
        partial = _bucket_s(now_s, wish.unit, wish.unit_number)
        shown = [
            bar
            for start_s, bar in merged.items()
            if since_ns <= bar.start_ns <= until_ns and (start_s != partial or wish.include_partial_bar)
        ]
        return done(bars=[_bar(contract, bar) for bar in shown[: -wish.limit - 1 : -1]])

    def _candles(self, contract: ListedContract, unit: int) -> Iterator[Candle]:
        """Copies of what the bars are made of: minutes, or trades for bars of seconds. Oldest first."""
        chart = self._house.charts[contract.contract_id] if contract.front else None
        if chart is None:
            return
        if unit == _SECOND_UNIT:
            for tick in chart.ticks:
                yield Candle(tick.at_ns, tick.ticks, tick.ticks, tick.ticks, tick.ticks, tick.size)
        else:
            yield from chart.candles(1)


def _bar(contract: ListedContract, bar: Candle) -> dict[str, Any]:
    prices = {key: contract.price(at) for key, at in zip("ohlc", (bar.open, bar.high, bar.low, bar.close), strict=True)}
    return {"t": stamp(bar.start_ns), **prices, "v": bar.up_volume + bar.down_volume}


def _bucket_s(at_s: int, unit: int, number: int) -> int:
    """When the bar that holds a second starts."""
    if unit == _MONTH_UNIT:
        at = to_datetime(at_s * _SECOND_NS)
        months = (at.year * 12 + at.month - 1) // number * number
        return int(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC).timestamp())
    offset_s = _MONDAY_S if unit == _WEEK_UNIT else 0
    width_s = _UNIT_S[unit] * number
    return at_s - (at_s - offset_s) % width_s


def _period(wish: _Period) -> tuple[int, int]:
    since_ns = moment(wish.start_timestamp) if wish.start_timestamp else 0
    return since_ns, moment(wish.end_timestamp) if wish.end_timestamp else 1 << 63
