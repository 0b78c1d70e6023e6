"""The venue's orders, positions, trades, accounts and contracts as the ProjectX door writes them.

`protocols/projectx.md 2.2, 2.3, 2.8, 2.9`: plain dictionaries in the wire's words and numbers. Used by the door's
answers (`projectx_reads.py`) and by its stream (`projectx_stream.py`).
"""

from typing import Any

from brokers.sandbox.accounts import Account, Holding
from brokers.sandbox.instruments import Catalogue, ListedContract
from brokers.sandbox.orders import Fill, Order, OrderStatus
from brokers.sandbox.projectx_call import stamp
from schema.records import OrderType
from schema.symbols import ContractKey
from schema.venue_symbols import render, venue_product

VENUE = "projectx"
BID, ASK = 0, 1
ORDER_TYPES = {OrderType.LIMIT: 1, OrderType.MARKET: 2, OrderType.STOP_LIMIT: 3, OrderType.STOP: 4}
TRAILING_STOP = 5
STATUSES = {
    OrderStatus.WORKING: 1,
    OrderStatus.FILLED: 2,
    OrderStatus.CANCELED: 3,
    OrderStatus.EXPIRED: 4,
    OrderStatus.REJECTED: 5,
    OrderStatus.PENDING: 6,
    OrderStatus.SUSPENDED: 8,
}


def side(sign: int) -> int:
    return BID if sign > 0 else ASK


def symbol_id(contract: ListedContract) -> str:
    return venue_product(VENUE, contract.product.root)


def contract_key(contract: ListedContract) -> str:
    """``CON.F.US.EP.H24``: the venue's root, month code, two digits of the year."""
    product = contract.product
    return render(VENUE, ContractKey(exchange=product.exchange, root=product.root, month=contract.expiration_month))


def contracts_by_key(catalogue: Catalogue) -> dict[str, ListedContract]:
    """The listed contracts by id. A client that takes the tape's year for the contract's (H24 for H34) means the same
    one."""
    found: dict[str, ListedContract] = {}
    for contract in catalogue.by_symbol.values():
        product = contract.product
        for month in (contract.expiration_month - 1000, contract.expiration_month):
            found[render(VENUE, ContractKey(exchange=product.exchange, root=product.root, month=month))] = contract
    return found


def contract_model(contract: ListedContract, tick_size: Any, *, active: bool) -> dict[str, Any]:
    """A contract as it is listed; `tick_size` None: its own."""
    return {
        "id": contract_key(contract),
        "name": contract.symbol,
        "description": f"{contract.product.name}: {contract.expiration_month}",
        "tickSize": tick_size or contract.product.tick_size,
        "tickValue": contract.product.tick_value,
        "activeContract": active,
        "symbolId": symbol_id(contract),
    }


def account_model(account: Account) -> dict[str, Any]:
    return {
        "id": account.account_id,
        "name": account.name,
        "balance": account.balance + account.realized,
        "canTrade": account.active and not account.readonly and not account.locked,
        "isVisible": True,
        "simulated": not account.live,
    }


def order_model(order: Order, tag: str | None, updated_ns: int | None) -> dict[str, Any]:
    """An order as REST lists it, with its customTag. A bracket that waits for its entry has no price yet."""
    terms = order.terms
    waiting = order.status is OrderStatus.SUSPENDED
    return {
        "id": order.order_id,
        "accountId": order.account_id,
        "contractId": contract_key(order.contract),
        "symbolId": symbol_id(order.contract),
        "creationTimestamp": stamp(order.placed_ns),
        "updateTimestamp": None if updated_ns is None else stamp(updated_ns),
        "status": STATUSES[order.status],
        "type": ORDER_TYPES[terms.order_type] if terms.trail is None else TRAILING_STOP,
        "side": side(order.sign),
        "size": terms.qty,
        "limitPrice": None if waiting else terms.limit,
        "stopPrice": None if waiting else terms.stop,
        "fillVolume": order.filled_qty,
        "filledPrice": order.average,
        "customTag": tag,
    }


def position_model(account_id: int, held: Holding) -> dict[str, Any]:
    """A position; a closed one is of type 0 and size 0."""
    return {
        "id": held.position_id,
        "accountId": account_id,
        "contractId": contract_key(held.contract),
        "creationTimestamp": stamp(held.changed_ns),
        "type": 0 if not held.net else 1 if held.net > 0 else 2,
        "size": abs(held.net),
        "averagePrice": held.average or 0,
    }


def trade_model(fill: Fill, profit_and_loss: Any) -> dict[str, Any]:
    """A half-turn; `profit_and_loss` None: it opened."""
    return {
        "id": fill.fill_id,
        "accountId": fill.account_id,
        "contractId": contract_key(fill.contract),
        "creationTimestamp": stamp(fill.at_ns),
        "price": fill.contract.price(fill.ticks),
        "profitAndLoss": profit_and_loss,
        "fees": 0,
        "side": side(fill.sign),
        "size": fill.qty,
        "voided": False,
        "orderId": fill.order_id,
    }
