"""Seeded schedules of a leader's working orders and of what befalls their copies, in time that moves only when told to.

Whatever was placed, moved, canceled, filled in part, refused, left unanswered or cut short by a restart: when the
leader is out and has nothing working, every follower is flat and has nothing working, and nothing was sent twice.
"""

from decimal import Decimal
from random import Random

import pytest

from engine import events as ev
from schema.records import (
    DoneStatus,
    DriftPolicy,
    LiveOrder,
    LiveStatus,
    Mode,
    OrderType,
    RejectClass,
    Rounding,
    Rule,
    RuleKind,
    Unfilled,
)
from tests.engine.mirror_table import MirrorTable, reborn
from tests.engine.table import LEADER

STEPS = 60
PRICES = [str(price) for price in range(4780, 4821, 5)]


class Schedule:
    """One seed's run."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        rules = {
            f"DEMO{number}": Rule(
                value=Decimal(random.choice(("0.5", "1", "1.5", "2", "3"))),
                rounding=random.choice(list(Rounding)),
                invert=random.random() < 0.2,
            )
            for number in range(1, 5)
        }
        rules["DEMO4"] = Rule(kind=RuleKind.FIXED, value=Decimal(2))
        self.desk = MirrorTable(
            dict(rules),
            drift=random.choice((DriftPolicy.EXITS, DriftPolicy.AUTO)),
            mode=random.choice((Mode.ORDERS, Mode.PROTECTIVE)),
            unfilled=random.choice(list(Unfilled)),
            unfilled_s=1,
        )
        self.able = {
            name: {"links": random.random() < 0.6, "trails": random.random() < 0.5, "gtc": random.random() < 0.5}
            for name in rules
        }
        self.know_venues()
        self.tags: set[str] = set()
        self.number = 0

    def know_venues(self) -> None:
        for name, able in self.able.items():
            self.desk.can(name, **able)

    def run(self) -> None:
        for _ in range(STEPS):
            self.step()
            self.collect()
        self.come_to_rest()

    def live(self, account: str) -> list[str]:
        orders = self.desk.orders
        return [key for key, o in orders.items() if o.account == account and isinstance(o, LiveOrder)]

    def resting(self, account: str) -> list[str]:
        """Those that may trade now."""
        return [key for key in self.live(account) if self.desk.orders[key].status is LiveStatus.WORKING]  # type: ignore[union-attr]

    def step(self) -> None:
        desk, random = self.desk, self.random
        mine = self.live(LEADER)
        match random.randrange(18):
            case 17:
                desk.price(random.choice(PRICES), after_s=random.choice((0.1, 1.5)))
            case 14 | 15 if len(mine) < 4:
                self.number += 1
                sign, qty, middle = random.choice((1, -1)), random.randint(1, 4), random.randint(1, len(PRICES) - 2)
                up, down = PRICES[middle + 1], PRICES[middle - 1]
                target, stop = (up, down) if sign > 0 else (down, up)
                desk.bracket(
                    f"L{self.number}",
                    sign * qty,
                    limit=PRICES[middle],
                    target=random.choice((target, target, None)),
                    stop=stop,
                )
            case 16 if len(mine) < 4 and (net := desk.holds(LEADER)):
                self.number += 1
                up, down = PRICES[-1], PRICES[0]
                target, stop = (up, down) if net > 0 else (down, up)
                desk.oco(f"L{self.number}", -net, target=target, stop=stop)
            case 0 | 1 | 2 if len(mine) < 4:
                self.number += 1
                sign, qty, price = random.choice((1, -1)), random.randint(1, 4), random.choice(PRICES)
                kind = random.choice(("limit", "stop", "trailing"))
                prices = {"stop": price, "trail": "10"} if kind == "trailing" else {kind: price}
                desk.rest(f"L{self.number}", sign * qty, **prices)
            case 3 if mine:
                key = random.choice(mine)
                field = "limit_price" if desk.orders[key].order_type is OrderType.LIMIT else "stop_price"
                desk.move(key, **{field: Decimal(random.choice(PRICES))})
            case 4 if mine:
                desk.gone(random.choice(mine))
            case 5 | 6 if mine := self.resting(LEADER):
                key = random.choice(mine)
                left = desk.orders[key].qty - desk.orders[key].filled_qty
                desk.leader_fills(key, random.randint(1, left))
            case 7:
                net = desk.holds(LEADER)
                desk.leader(random.choice([m for m in (-3, -1, 1, 2) if abs(net + m) <= 6] or [-net]))
            case 8 | 9:
                for name in desk.core.followers:
                    for key in self.resting(name):
                        if random.random() < 0.3 and key in self.resting(name):
                            left = desk.orders[key].qty - desk.orders[key].filled_qty
                            desk.trades(key, random.randint(1, left))
            case 10:
                desk.passes(random.choice((0.05, 0.5, 1.5)), ticks=4)
            case 11 if desk.changes:
                change = desk.changes.pop(random.randrange(len(desk.changes)))
                outcome = random.choice((ev.Outcome.REFUSED, ev.Outcome.UNKNOWN))
                desk.said(change, outcome, random.choice((RejectClass.THROTTLED, RejectClass.PRICE)), "no")
            case 12 if random.random() < 0.3:
                self.restart()
            case 13 if random.random() < 0.3:
                name = random.choice(list(desk.core.followers))
                for key in self.resting(name)[:1]:
                    desk.gone(key, DoneStatus.EXPIRED)
            case _:
                desk.answer()

    def restart(self) -> None:
        self.desk = reborn(self.desk)
        self.know_venues()
        for account in self.desk.core.accounts:
            self.desk.connect(account)

    def collect(self) -> None:
        for order in self.desk.take():
            for leg in order.legs:
                assert leg.cl_ord_id not in self.tags, f"{leg.cl_ord_id} was sent twice"
                self.tags.add(leg.cl_ord_id)
            if order.order_type is not OrderType.MARKET and self.random.random() < 0.1:
                for leg in order.legs:
                    self.desk.reject(leg, RejectClass.PRICE)
            elif order.order_type is OrderType.MARKET:
                self.desk.execute(order)
            else:
                self.desk.settle(order)

    def come_to_rest(self) -> None:
        desk = self.desk
        for key in self.live(LEADER):
            if key in self.live(LEADER):
                desk.gone(key)
        if net := desk.holds(LEADER):
            desk.leader(-net)
        for _ in range(60):
            self.collect()
            desk.answer()
            for account in desk.core.followers:
                desk.answer_question(account)
            desk.passes(0.5, ticks=5)
        for name in desk.core.followers:
            assert desk.holds(name) == 0, f"{name} holds {desk.holds(name):+d} and its leader is flat"
            assert desk.working(name) == [], f"{name} has {desk.working(name)} and its leader has nothing"
        assert desk.core.undecided(desk.now_ns) == 0


@pytest.mark.parametrize("seed", range(1, 151))
def test_t_orphan_a_flat_leader_means_flat_followers_with_nothing_at_rest(seed: int) -> None:
    Schedule(seed).run()
