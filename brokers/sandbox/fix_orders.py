"""Trading at the FIX door: what each application message asks of the venue, and what the venue says back, in both
versions (`protocols/fix.md C3`). `fix_front.py` owns one `Desk` for each login.
"""

from decimal import Decimal

from brokers.sandbox.doors import House, Received, User
from brokers.sandbox.fix_checks import TIMES, TYPES, UNUSED_TIMES, BadMessage, check, number_of
from brokers.sandbox.fix_session import Acceptor
from brokers.sandbox.fix_wire import Fields, Frame, timestamp
from brokers.sandbox.orders import ExecutionReported, Order, OrderStatus, Origin, Reason, Refused, Terms
from brokers.sandbox.settings import FixSettings
from schema.records import TimeInForce

_TYPE_WORDS = {kind: word for word, kind in TYPES.items()}
_TIME_WORDS = {kind: word for word, kind in TIMES.items()}
_STATUS = {
    OrderStatus.PENDING: "A",
    OrderStatus.SUSPENDED: "9",
    OrderStatus.FILLED: "2",
    OrderStatus.CANCELED: "4",
    OrderStatus.REJECTED: "8",
    OrderStatus.EXPIRED: "C",
}
_WHY = {
    Reason.INVALID_CONTRACT: "1",
    Reason.BACK_MONTH: "1",
    Reason.SESSION_CLOSED: "2",
    Reason.MAX_ORDER_QTY: "3",
    Reason.MAX_POSITION: "3",
    Reason.NOT_ENOUGH_LIQUIDITY: "3",
    Reason.TOO_LATE: "4",
}


class Desk:
    """See the module's docstring. What is said while nobody is connected is said by a resend."""

    def __init__(self, house: House, user: User, settings: FixSettings, session: Acceptor) -> None:
        self._house = house
        self._venue = house.venue
        self._user = user
        self._settings = settings
        self.session = session
        self._used: set[str] = set()
        self._by_id: dict[str, int] = {}  # every ClOrdID -> order id
        self._current: dict[int, str] = {}  # order id -> the ClOrdID the venue accepted last
        self._arrived: list[int] = []
        self._next = 1

    # --- in ----------------------------------------------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """One application message, in order."""
        handler = {
            "D": self._new,
            "G": self._replace,
            "F": self._cancel,
            "H": self._status,
            "q": self._mass_cancel,
            "AF": self._mass_status,
            "AN": self._positions,
            "BB": self._collateral,
        }.get(frame.kind)
        try:
            check(frame, t4=self.session.t4)
        except BadMessage as bad:
            self._say_bad(frame, bad)
            return
        if handler is None or not self._offers(frame.kind):
            self.session.business_reject(frame, 3, "Unsupported Message Type")
            return
        if frame.kind in "DGF":
            self._house.received.append(self._note(frame))
        if self._too_many():
            self.session.business_reject(frame, 0, "Throttled: too many messages")
            return
        try:
            handler(frame)
        except BadMessage as bad:
            self._say_bad(frame, bad)

    def _say_bad(self, frame: Frame, bad: BadMessage) -> None:
        if bad.business >= 0:
            self.session.business_reject(frame, bad.business, str(bad))
        else:
            self.session.reject(frame, bad.reason, str(bad), bad.tag)

    def _offers(self, kind: str) -> bool:
        settings = self._settings
        return {"H": settings.order_status, "AF": settings.mass_status, "AN": settings.positions}.get(kind, True)

    def _too_many(self) -> bool:
        if self._house.faults.throttles.take(self._user.name):
            return True
        now = self._house.clock.now_ns()
        self._arrived = [at for at in self._arrived if now - at < 1_000_000_000]
        self._arrived.append(now)
        return 0 < self._settings.messages_per_s < len(self._arrived)

    def _note(self, frame: Frame) -> Received:
        account = self.account_of(frame)
        return Received(frame.kind, self._user.name, account, frame[11] or None, self._house.clock.now_ns())

    def account_of(self, frame: Frame) -> int | None:
        """The account a message is about; None when it is not of this login, or not said."""
        mine = {self._venue.accounts[each].name: each for each in self._user.account_ids}
        if 1 in frame:
            return mine.get(frame[1])
        if frame[41] in self._by_id:
            return self._venue.orders[self._by_id[frame[41]]].account_id
        return next(iter(mine.values())) if len(mine) == 1 else None

    def _new(self, frame: Frame) -> None:
        note = self._house.received[-1]
        if frame[8] == "FIX.4.4" and 55 not in frame:
            raise BadMessage("Conditionally Required Field Missing (55)", business=5)
        if 38 not in frame and frame[40] != "F":
            raise BadMessage("Conditionally Required Field Missing (38)", business=5)
        tag = frame[11]
        if tag in self._used:
            note.outcome = "duplicate"
            if frame[97] != "Y":  # with PossResend what is known is ignored
                self._refuse(frame, "6", "Duplicate ClOrdID")
            return
        self._used.add(tag)
        faults = self._house.faults
        if note.account_id is None:
            note.outcome = "no account"
            self._refuse(frame, "0" if frame[8] == "FIX.4.2" else "15", "Unknown account")
            return
        if (refusal := faults.rejects.take(note.account_id)) is not None:
            note.outcome = refusal.reason.value
            self._refuse(frame, _WHY.get(refusal.reason, "0"), refusal.text)
            return
        if frame[40] not in (*TYPES, "F") or frame[59] in UNUSED_TIMES:
            note.outcome = "unsupported"
            self._refuse(frame, "11", "Unsupported order characteristic")
            return
        if frame[40] == "F":
            self._flatten(frame, note)
            return
        late = faults.late_rejects.take(note.account_id)
        sign = 1 if frame[54] == "1" else -1
        try:
            order = self._venue.place(
                note.account_id, frame[55], sign, _terms(frame), Origin(cl_ord_id=tag, user_id=self._user.user_id),
                held=late is not None,
            )  # fmt: skip
        except Refused as refused:
            note.outcome, note.order_id = refused.reason.value, refused.order_id
            if refused.order_id is None:
                self._refuse(frame, _WHY.get(refused.reason, "0"), refused.text)
            return
        note.outcome, note.order_id = "taken", order.order_id
        if late is not None:
            refusal = late
            self._by_id[tag] = order.order_id
            self._current[order.order_id] = tag
            self._report(order, "PendingNew", self._exec_id())  # taken in, not yet by the market
            self._house.later(
                refusal.after_s, lambda: self._venue.reject_held(order.order_id, refusal.reason, refusal.text)
            )

    def _flatten(self, frame: Frame, note: Received) -> None:
        """T4's order that closes whatever the account holds of the contract (C3)."""
        contract = self._venue.catalogue.by_symbol.get(frame[55])
        order: Order | None = None
        text, why = "There is nothing to close", "99"
        if contract is None:
            text, why = f"There is no contract {frame[55]}", "1"
        elif note.account_id is not None:
            origin = Origin(cl_ord_id=frame[11], user_id=self._user.user_id)
            try:
                order = self._venue.liquidate(note.account_id, contract.contract_id, origin)
            except Refused as refused:
                note.outcome, note.order_id = refused.reason.value, refused.order_id
                if refused.order_id is not None:
                    return
                text, why = refused.text, _WHY.get(refused.reason, "0")
        if order is None:
            note.outcome = note.outcome or "flat"
            self._refuse(frame, why, text)
        else:
            note.outcome, note.order_id = "taken", order.order_id

    def _find(self, frame: Frame, answer_to: str) -> Order | None:
        """The order that a cancel or a replace is about; None after saying that there is none."""
        order_id = self._by_id.get(frame[41])
        if frame[11] in self._used:
            if frame[97] != "Y":
                # 4.2 has no word for it (C3).
                why = "6" if frame[8] != "FIX.4.2" else ""
                self._cancel_reject(frame, answer_to, why, "Duplicate ClOrdID", order_id)
            return None
        self._used.add(frame[11])
        if (refusal := self._house.faults.rejects.take(self._house.received[-1].account_id)) is not None:
            self._cancel_reject(frame, answer_to, "2", refusal.text, order_id)
            return None
        if order_id is None:
            self._cancel_reject(frame, answer_to, "1", "Unknown order", None)
            return None
        if self._current.get(order_id) != frame[41]:
            self._cancel_reject(frame, answer_to, "1", "41 is not the last accepted ClOrdID", order_id)
            return None
        return self._venue.orders[order_id]

    def _refused_on_demand(self, frame: Frame, answer_to: str, order: Order) -> bool:
        refusal = self._house.faults.rejects.take(order.account_id)
        if refusal is None:
            return False
        self._house.received[-1].outcome = refusal.reason.value
        self._cancel_reject(frame, answer_to, "2", refusal.text, order.order_id)
        return True

    def _cancel(self, frame: Frame) -> None:
        note = self._house.received[-1]
        order = self._find(frame, "1")
        if order is None:
            note.outcome = "refused"
            return
        self._by_id[frame[11]] = order.order_id
        if self._refused_on_demand(frame, "1", order):
            return
        try:
            self._venue.cancel(order.order_id, Origin(cl_ord_id=frame[11], user_id=self._user.user_id))
            note.outcome, note.order_id = "taken", order.order_id
        except Refused as refused:
            note.outcome = refused.reason.value
            self._cancel_reject(frame, "1", "0", refused.text, order.order_id)

    def _replace(self, frame: Frame) -> None:
        note = self._house.received[-1]
        order = self._find(frame, "2")
        if order is None:
            note.outcome = "refused"
            return
        self._by_id[frame[11]] = order.order_id
        if self._refused_on_demand(frame, "2", order):
            return
        try:
            if frame[40] not in TYPES or frame[59] in UNUSED_TIMES:
                raise Refused(Reason.UNSUPPORTED, "Unsupported order characteristic")
            terms = _terms(frame, order.terms)
            self._venue.modify(order.order_id, terms, Origin(cl_ord_id=frame[11], user_id=self._user.user_id))
            note.outcome, note.order_id = "taken", order.order_id
        except Refused as refused:
            note.outcome = refused.reason.value
            why = "0" if refused.reason is Reason.TOO_LATE else "2"
            self._cancel_reject(frame, "2", why, refused.text, order.order_id)

    def _status(self, frame: Frame) -> None:
        order_id = self._by_id.get(frame[11]) or self._by_order_id(frame)
        if order_id is None:
            kind = [(20, "3"), (150, "8")] if frame[8] == "FIX.4.2" else [(150, "I")]
            self._say_refused(frame, kind, "5", "Unknown order")
            return
        self._report(self._venue.orders[order_id], "status", self._exec_id())

    def say_again(self) -> None:
        """A status that nobody asked for."""
        order_id = next(reversed(self._by_id.values()), None)
        if order_id is None:
            self.session.send("0", [])
        else:
            self._report(self._venue.orders[order_id], "status", self._exec_id())

    def _by_order_id(self, frame: Frame) -> int | None:
        order_id = frame.number(37)
        order = self._venue.orders.get(order_id)
        return order_id if order is not None and order.account_id in self._user.account_ids else None

    def _mass_status(self, frame: Frame) -> None:
        if frame[585] != "7":
            raise BadMessage("Value is incorrect (out of range) for this tag", reason=5, tag=585)
        live = [order for each in self._user.account_ids for order in self._venue.live_orders(each)]
        marks: Fields = [(584, frame[584]), (911, str(len(live)))]
        if not live:
            fields: Fields = [(37, "NONE"), (17, self._exec_id()), (150, "I"), (39, "8"), (54, "1")]
            self.session.send("8", [*fields, (151, "0"), (14, "0"), (6, "0"), *marks, (912, "Y"), (58, "No orders")])
        for number, order in enumerate(live, 1):
            last: Fields = [(912, "Y")] if number == len(live) else []
            self._report(order, "status", self._exec_id(), more=marks + last)

    def _mass_cancel(self, frame: Frame) -> None:
        """Every working order of the login, or of the account (1) it names (C3: 530=7)."""
        wanted = self.account_of(frame) if 1 in frame else None
        head: Fields = [(11, frame[11]), (37, f"M{self._exec_id()}"), (530, frame[530])]
        if frame[530] != "7" or (1 in frame and wanted is None):
            text, why = ("Unknown account", "99") if frame[530] == "7" else ("Only 530=7 is offered", "0")
            self.session.send("r", [*head, (531, "0"), (532, why), (58, text)])
            return
        mine = self._user.account_ids if wanted is None else (wanted,)
        live = [order for each in mine for order in self._venue.live_orders(each)]
        marked: Fields = [(1, frame[1])] if 1 in frame else []
        self.session.send("r", [*head, *marked, (531, "7"), (533, str(len(live)))])
        for order in live:
            if order.status.live:  # canceling one may have ended another
                self._venue.cancel(order.order_id, Origin(user_id=self._user.user_id))

    def _collateral(self, frame: Frame) -> None:
        """T4's list of accounts: a report for each (C2)."""
        for account_id in self._user.account_ids:
            name = self._venue.accounts[account_id].name
            asked: Fields = [(909, frame[909])] if 909 in frame else []
            self.session.send(
                "BA",
                [
                    (1, name), (908, self._exec_id()), *asked, (910, "0"),
                    (453, "1"), (448, str(account_id)), (447, "D"), (452, "24"),
                ],
            )  # fmt: skip

    def _positions(self, frame: Frame) -> None:
        account_id = self.account_of(frame)
        held = [each for each in (self._venue.accounts[account_id].holdings.values() if account_id else ()) if each.net]
        party: Fields = [(453, "1"), (448, frame[1]), (447, "D"), (452, "38")]
        result = "2" if not held else "0"
        if account_id is None:
            result = "99"
        ack: Fields = [(721, self._exec_id()), (710, frame[710]), (727, str(len(held))), (728, result), (729, "0")]
        self.session.send("AO", [*ack, *party, (1, frame[1]), (581, frame[581])])
        for each in held:
            long, short = (each.net, 0) if each.net > 0 else (0, -each.net)
            price = _text(each.average or Decimal(0))
            self.session.send(
                "AP",
                [
                    (721, self._exec_id()), (710, frame[710]), (727, str(len(held))), (728, "0"), (715, frame[715]),
                    *party, (1, frame[1]), (581, frame[581]), (55, each.contract.symbol),
                    (730, price), (731, "1"), (734, price),
                    (702, "1"), (703, "TQ"), (704, str(long)), (705, str(short)),
                ],
            )  # fmt: skip

    # --- out ---------------------------------------------------------------------------------------------------------

    def on_report(self, event: ExecutionReported) -> None:
        """The venue says what happened to an order of this login, whoever sent it."""
        order = event.order
        asked = self._venue.commands[event.command_id]
        theirs = asked.origin.cl_ord_id or f"V{order.order_id}"
        before = self._current.setdefault(order.order_id, theirs)
        self._by_id.setdefault(before, order.order_id)
        more: Fields = []
        current = before
        if asked.kind in ("Modify", "Cancel") and asked.origin.cl_ord_id:
            more.append((41, before))
            current = theirs
        if event.exec_type == "Replaced" and asked.origin.cl_ord_id:
            self._current[order.order_id] = theirs
        if event.reason is not None:
            more.append((103, _WHY.get(event.reason, "0")))
        if event.text:
            more.append((58, event.text))
        lose = event.exec_type == "Trade" and self._house.faults.loses_fill(self._user.name)
        last = (event.last_qty, event.last_ticks)
        seq = self.session.memory.out
        self._report(order, event.exec_type, f"{event.report_id}", cl_ord_id=current, last=last, more=more, lose=lose)
        if self._house.faults.tells_twice(self._user.name):
            self.session.again(seq)

    def _report(
        self,
        order: Order,
        what: str,
        exec_id: str,
        *,
        cl_ord_id: str = "",
        last: tuple[int | None, int | None] = (None, None),
        more: Fields | None = None,
        lose: bool = False,
    ) -> None:
        old = self.session.version == "FIX.4.2"
        terms, contract = order.terms, order.contract
        status = _STATUS.get(order.status) or ("1" if order.filled_qty else "0")
        kind = {
            "New": "0",
            "PendingNew": "A",
            "Canceled": "4",
            "Replaced": "5",
            "Rejected": "8",
            "Expired": "C",
            "Trade": ("1" if order.left else "2") if old else "F",
            "status": (status if status != "9" else "0") if old else "I",
        }[what]
        if old and what == "Replaced":
            status = "5"
        transaction: Fields = [(20, "3" if what == "status" else "0")] if old else []
        qty, ticks = last
        fields: Fields = [
            (1, self._venue.accounts[order.account_id].name),
            (6, _text(order.average or Decimal(0))),
            (11, cl_ord_id or self._current.get(order.order_id, f"V{order.order_id}")),
            (14, str(order.filled_qty)),
            (17, exec_id),
            *transaction,
            (31, _text(contract.price(ticks)) if ticks is not None else "0"),
            (32, str(qty or 0)),
            (37, str(order.order_id)),
            (38, str(terms.qty)),
            (39, status),
            (40, _TYPE_WORDS[terms.order_type]),
        ]
        if terms.limit is not None:
            fields.append((44, _text(terms.limit)))
        fields += [(54, "1" if order.sign > 0 else "2"), (55, contract.symbol)]
        fields += [(59, _TIME_WORDS[terms.time_in_force]), (60, timestamp(self._house.clock.now_ns()))]
        if terms.stop is not None:
            fields.append((99, _text(terms.stop)))
        fields += [(150, kind), (151, str(order.left if order.status.live else 0))]
        self.session.send("8", fields + (more or []), lose=lose)

    def _refuse(self, frame: Frame, why: str, text: str) -> None:
        """A new order that no order came of."""
        kind: Fields = [(20, "0"), (150, "8")] if frame[8] == "FIX.4.2" else [(150, "8")]
        self._say_refused(frame, kind, why, text)

    def _say_refused(self, frame: Frame, kind: Fields, why: str, text: str) -> None:
        fields: Fields = [(6, "0"), (11, frame[11]), (14, "0"), (17, self._exec_id()), (31, "0"), (32, "0")]
        copied: Fields = [(tag, frame[tag]) for tag in (1, 38, 40, 54, 55) if tag in frame]
        named = "NONE" if why == "5" else f"R{self._exec_id()}"
        self.session.send("8", [*fields, (37, named), (39, "8"), *kind, *copied, (58, text), (103, why), (151, "0")])

    def _cancel_reject(self, frame: Frame, answer_to: str, why: str, text: str, order_id: int | None) -> None:
        order = self._venue.orders.get(order_id or 0)
        status = "8" if order is None else _STATUS.get(order.status) or ("1" if order.filled_qty else "0")
        named = "NONE" if order is None else str(order.order_id)
        reason: Fields = [(102, why)] if why else []
        fields: Fields = [(11, frame[11]), (37, named), (39, status), (41, frame[41]), (58, text)]
        self.session.send("9", [*fields, *reason, (434, answer_to)])

    def _exec_id(self) -> str:
        self._next += 1
        return f"{self._user.user_id}-{self._house.clock.now_ns() // 1_000_000}-{self._next}"


def _terms(frame: Frame, old: Terms | None = None) -> Terms:
    qty = number_of(frame[38]) if 38 in frame else Decimal(old.qty if old else 0)
    if qty is None or qty != qty.to_integral_value() or qty <= 0:
        raise Refused(Reason.OTHER, f"OrderQty {frame[38]} is not a number of contracts")
    return Terms(
        qty=int(qty),
        order_type=TYPES[frame[40]],
        limit=number_of(frame[44]) if 44 in frame else None,
        stop=number_of(frame[99]) if 99 in frame else None,
        time_in_force=TIMES[frame[59]] if 59 in frame else TimeInForce.DAY,
    )


def _text(price: Decimal) -> str:
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
