"""What goes wrong, and what the trader and strangers do: `apply` makes a fault true; what lasts ends by itself.

Which faults there are is drawn in `plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from brokers.sandbox.orders import Origin, Reason, Refused, Terms
from schema.records import Guard, OrderType, Side
from tests.sim.plan import LEADER, Fault
from tests.sim.store import lasting

if TYPE_CHECKING:
    from tests.sim.schedule import Schedule

_REJECTS = (
    (Reason.NOT_ENOUGH_LIQUIDITY, "Insufficient margin"),
    (Reason.MAX_POSITION, "Position limit"),
    (Reason.SESSION_CLOSED, "The session is closed"),
    (Reason.OTHER, "Other"),
    (Reason.UNKNOWN, "Unknown"),
)


def apply(run: Schedule, fault: Fault) -> None:
    """Make a fault true now. Whom it may touch has an excuse for as long as it lasts, and a while longer."""
    logins = list(run.logins.values())
    if fault.where in run.logins and not fault.kind.startswith("journal"):
        logins = [run.logins[fault.where]]
    if fault.kind not in _NO_EXCUSE:
        for login in logins:
            login.ill_ns = max(login.ill_ns, lasting(fault.for_s, run.world))
    _APPLY[fault.kind](run, fault)


def _until(name: str) -> Callable[[Schedule, Fault], None]:
    def lasts(run: Schedule, fault: Fault) -> None:
        setattr(run.logins[fault.where].faults, name, lasting(fault.for_s, run.world))

    return lasts


def _times(name: str) -> Callable[[Schedule, Fault], None]:
    def happens(run: Schedule, fault: Fault) -> None:
        setattr(run.logins[fault.where].faults, name, fault.count)

    return happens


def _unreachable(run: Schedule, fault: Fault) -> None:
    _until("unreachable_until_ns")(run, fault)
    run.logins[fault.where].cut()


def _partial(run: Schedule, fault: Fault) -> None:
    """Readings leave accounts out, as `[]` on a 401 does; sometimes the first reading of a new stream, too."""
    _until("partial_until_ns")(run, fault)
    if fault.count > 2:
        run.logins[fault.where].cut()


def _slow(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.slow_s = fault.share
    _until("slow_until_ns")(run, fault)


def _late(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.late_s = 2.0 + fault.for_s
    _times("late_answers")(run, fault)


def _silence(run: Schedule, fault: Fault) -> None:
    """Accepted, then nothing: neither the answers nor the events of what follows come through."""
    _times("lose_answers")(run, fault)
    run.logins[fault.where].faults.drop_share = 1.0
    _until("drop_until_ns")(run, fault)


def _drop(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.drop_share = fault.share
    _until("drop_until_ns")(run, fault)


def _reject(run: Schedule, fault: Fault) -> None:
    run.logins[fault.where].faults.rejects += [run.world.random.choice(_REJECTS) for _ in range(fault.count)]


def _reduce_only(run: Schedule, fault: Fault) -> None:
    run.reduce_only(fault.where, True)
    run.world.after(fault.for_s, run.reduce_only, fault.where, False)


def _thin(run: Schedule, fault: Fault) -> None:
    run.exchange.depth = fault.count
    run.world.after(fault.for_s, run.deep)
    run.refill()


def _journal(name: str) -> Callable[[Schedule, Fault], None]:
    def lasts(run: Schedule, fault: Fault) -> None:
        setattr(run.journal, name, lasting(fault.for_s, run.world))
        run.journal.slow_s = fault.share * 1.5

    return lasts


def _journal_answers(run: Schedule, fault: Fault) -> None:
    run.journal.lose_answers = fault.count


def _crash(run: Schedule, fault: Fault) -> None:
    run.world.crash_after = run.world.random.randrange(1, 400)


def _guard(run: Schedule, fault: Fault) -> None:
    """Halted or reduce only for a while, then resumed."""
    run.command("guard", fault.where, Guard(fault.what))
    run.world.after(fault.for_s, run.command, "guard", fault.where, Guard.NONE)


def _kill(run: Schedule, fault: Fault) -> None:
    """The kill switch; entries go again later."""
    run.command("kill")
    run.world.after(fault.for_s, run.command, "guard", "all", Guard.NONE)


def _stranger(run: Schedule, fault: Fault) -> None:
    """Somebody else trades on a follower's account, or rests an order there far from the market for a while."""
    run.books.stranger(fault.where)
    exchange, symbol = run.exchange, run.books.symbol(fault.where)
    if fault.what == "trade":
        exchange.trade(fault.where, symbol, fault.count)
    else:
        price = (exchange.ticks - (200 if fault.count > 0 else -200)) / Decimal(4)
        terms = Terms(qty=abs(fault.count), order_type=OrderType.LIMIT, limit=price)
        with suppress(Refused):  # his venue may let him only reduce
            order = exchange.place(fault.where, symbol, Side.of(fault.count), terms)
            run.world.after(fault.for_s, _withdraw, run, order.order_id)
    run.tell_all()


def _manual(run: Schedule, fault: Fault) -> None:
    """The trader gives an order from the desk; one that rests, near the market or far from it, he cancels there after
    a while, and moves nearer before if it is to be moved."""
    rests = fault.what != "trade" and fault.where != LEADER
    price = resting_price(run, fault.count, near=fault.what == "near")
    run.command("manual", fault.where, str(fault.count), price if rests else "")
    if rests:
        if fault.what == "moved":
            run.world.after(fault.for_s / 2, _move_nearer, run, fault.where)
        run.world.after(fault.for_s, run.command, "cancel_manual", fault.where)
        run.world.after(fault.for_s + 6.0, take_out, run, fault.where)


def resting_price(run: Schedule, lots: int, *, near: bool) -> str:
    """Of a limit: the market's next tick fills one that is near, nothing one that is far."""
    away = 0 if near else 200
    return str((run.exchange.ticks - 1 - away if lots > 0 else run.exchange.ticks + away) / Decimal(4))


def _move_nearer(run: Schedule, account: str) -> None:
    for order in run.books.hand.at_rest(account):
        run.command("move_manual", account, str(order.order_id), resting_price(run, order.sign, near=True))


def take_out(run: Schedule, account: str) -> None:
    """What the desk was not up to cancel."""
    run.books.hand.withdraws(account)
    for order in run.books.hand.at_rest(account):
        _withdraw(run, order.order_id)


def _withdraw(run: Schedule, order_id: int) -> None:
    with suppress(Refused):  # a flatten was sooner
        run.exchange.venue.cancel(order_id, Origin())
    run.tell_all()


_NO_EXCUSE = (
    "duplicate",
    "replay",
    "thin",
    "reduce_only",
    "toggle",
    "guard",
    "resync",
    "rule",
    "flatten",
    "stranger",
    "manual",
)
_APPLY: dict[str, Callable[[Schedule, Fault], None]] = {
    "cut": lambda run, fault: run.logins[fault.where].cut(),
    "unreachable": _unreachable,
    "slow": _slow,
    "hang": _until("hung_until_ns"),
    "lose_requests": _times("lose_requests"),
    "lose_answers": _times("lose_answers"),
    "late_answers": _late,
    "errors": _times("errors"),
    "silence": _silence,
    "duplicate": _until("duplicate_until_ns"),
    "reorder": _until("reorder_until_ns"),
    "drop": _drop,
    "replay": lambda run, fault: run.logins[fault.where].replay(),
    "no_reading": _until("no_reading_until_ns"),
    "partial": _partial,
    "torn": _until("torn_until_ns"),
    "throttle": _until("throttled_until_ns"),
    "reject": _reject,
    "reduce_only": _reduce_only,
    "thin": _thin,
    "journal_gone": _journal("gone_until_ns"),
    "journal_slow": _journal("slow_until_ns"),
    "journal_answers": _journal_answers,
    "crash": _crash,
    "toggle": lambda run, fault: run.command("toggle", fault.where),
    "guard": _guard,
    "resync": lambda run, fault: run.command("confirm_resync", fault.where),
    "rule": lambda run, fault: run.command("set_rule", fault.where, *fault.what.split()),
    "kill": _kill,
    "stranger": _stranger,
    "manual": _manual,
    "flatten": lambda run, fault: run.command("flatten", fault.where),
}
