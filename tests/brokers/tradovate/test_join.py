"""The join against every order of arrival: reordered and duplicated events end in the same facts, each told once."""

import random
from decimal import Decimal

import msgspec
import pytest

from brokers.adapter import Event, Filled, OrderAccepted, OrderUpdated
from brokers.own import OwnOrders
from brokers.tradovate.directory import Directory
from brokers.tradovate.entities import Account, Contract, SyncReply
from brokers.tradovate.stream import Joined
from schema.clock import SYSTEM_CLOCK
from schema.records import DoneStatus, Side
from tests.brokers.tradovate.venue import command, fill, order, version


def props(kind: str, entity: dict) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode({"entityType": kind, "entity": entity}))


class Joins:
    """A synchronised join without a socket, and what it told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.directory = Directory()
        self.own = OwnOrders("desk1", SYSTEM_CLOCK, 2.5, self.events.append, lambda _: self.joined.release(0))
        reply = SyncReply(
            accounts=[Account(id=101, name="DEMO1001")],
            contracts=[Contract(id=501, name="ESH4")],
            orders=[],
            positions=[],
        )
        self.joined = Joined("desk1", self.directory, self.own, set(), reply)
        self.joined.start_emitting(self.events.append)


@pytest.mark.parametrize("seed", range(60))
async def test_any_order_of_events_ends_in_the_same_facts(seed: int):
    rng = random.Random(seed)
    ours, answered = rng.random() < 0.7, rng.random() < 0.5
    events = [
        ("order", order(7, "PendingNew")),
        ("order", order(7, "Working")),
        ("order", order(7, "Filled")),
        ("orderVersion", version(7, 3)),
        ("command", command(7, "tag" if ours else None)),
        ("command", command(7, "tag" if ours else None, status="AtExecution")),
        ("fill", fill(7, 1, 1, 4800.0)),
        ("fill", fill(7, 2, 2, 4800.75)),
    ]
    events += rng.sample(events, 4)
    rng.shuffle(events)
    at = rng.randrange(len(events))
    joins = Joins()
    if ours:
        joins.own.sent("tag", "DEMO1001", 101, "ESH4", Side.BUY)
    for index, (kind, entity) in enumerate(events):
        if ours and answered and index == at:
            joins.own.accepted("tag", 7)
        joins.joined.props(props(kind, entity), index)
    fills = [event.fill for event in joins.events if isinstance(event, Filled)]
    assert sorted(found.fill_id for found in fills) == ["1", "2"]
    expected = "tag" if ours else ""
    assert {found.cl_ord_id for found in fills} == {expected}
    assert len([event for event in joins.events if isinstance(event, OrderAccepted)]) == (1 if ours else 0)
    updates = [event.order for event in joins.events if isinstance(event, OrderUpdated)]
    last = updates[-1]
    assert (last.status, last.filled_qty, last.cl_ord_id) == (DoneStatus.FILLED, 3, expected)
    assert last.avg_price == Decimal("4800.5")
    assert len(set(updates)) == len(updates)  # no update that changes nothing
    joins.own.close()


async def test_foreign_orders_are_not_held_up_longer_than_their_command():
    """While an order of ours is unanswered, another of the same account may be it, until its command says no."""
    joins = Joins()
    joins.own.sent("tag", "DEMO1001", 101, "ESH4", Side.BUY)
    joins.joined.props(props("order", order(7, "Filled")), 0)
    joins.joined.props(props("fill", fill(7, 1)), 0)
    assert joins.events == []
    joins.joined.props(props("order", order(8, "Filled", action="Sell")), 0)
    joins.joined.props(props("fill", fill(8, 2, action="Sell")), 0)
    assert len(joins.events) == 1  # the other side cannot be ours
    joins.joined.props(props("command", command(7)), 0)
    assert [event.fill.fill_id for event in joins.events if isinstance(event, Filled)] == ["2", "1"]
    joins.own.close()


async def test_orders_that_ended_long_ago_take_no_room_and_a_replay_of_them_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """T-SOAK, T-REPLAY: a login that trades all day does not grow all day."""
    monkeypatch.setattr("brokers.tradovate.orders.ENDED_KEPT", 3)
    joins = Joins()
    day: list[tuple[str, dict]] = []
    for number in range(10, 30):
        joins.own.sent(f"tag{number}", "DEMO1001", 101, "ESH4", Side.BUY)
        day += [
            ("order", order(number, "Filled")),
            ("orderVersion", version(number, 1)),
            ("command", command(number, f"tag{number}")),
            ("fill", fill(number, number, 1, 4800.0)),
        ]
    for kind, entity in day:
        joins.joined.props(props(kind, entity), 1)
    told = list(joins.events)
    assert sum(isinstance(event, Filled) for event in told) == 20
    kept = joins.joined._orders
    assert (len(kept._orders), len(kept._commands)) == (3, 3)
    for kind, entity in random.Random(1).sample(day, len(day)):
        joins.joined.props(props(kind, entity), 2)
    assert joins.events == told
    assert all(f"tag{number}" in joins.own for number in range(10, 30))
    joins.own.close()
