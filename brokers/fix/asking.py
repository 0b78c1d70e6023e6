"""Questions to the venue and their answers: how commands ended, and the whole truth of a login by status requests.

`adapter.py` owns one `Asking` and hands it what comes in. A question ends as an answer, a refusal (RequestRefused), or
not at all (RequestUnknown): then nothing may be concluded.
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal

from brokers.adapter import RequestRefused, RequestUnknown
from brokers.fix import tags
from brokers.fix.wire import Message
from brokers.fix.words import business_class, text_of
from schema.records import RejectClass


class Unsupported(Exception):
    """The venue does not answer this kind of question (380=3, or 373=11)."""


class Answers:
    """The answers of a question with several."""

    def __init__(self, future: "asyncio.Future[None]") -> None:
        self.future = future
        self.count = 0
        self.total: int | None = None
        self.reports: list[Message] = []

    def came(self, total: int | None, *, last: bool = False) -> None:
        self.total = total if total is not None else self.total
        if not self.future.done() and (last or (self.total is not None and self.count >= self.total)):
            self.future.set_result(None)

    def positions(self) -> list[tuple[str, int, Decimal]]:
        """What position reports say: (symbol, net, price)."""
        found: dict[str, tuple[int, Decimal]] = {}
        for message in self.reports:
            symbol = text_of(message.get(tags.SYMBOL))
            groups = message.groups(tags.POS_TYPE)
            totals = [group for group in groups if group.get(tags.POS_TYPE) == "TQ"] or groups
            before, _ = found.get(symbol, (0, Decimal(0)))
            net = before + sum(_signed(group) for group in totals)
            found[symbol] = (net, message.decimal(tags.SETTL_PRICE) or Decimal(0))
        return [(symbol, net, price) for symbol, (net, price) in found.items()]


class Asking:
    """See the module's docstring. Questions are known by the id they carry (11, 584, 710) and by their number (34)."""

    def __init__(self, deadline_s: float) -> None:
        self.deadline_s = deadline_s
        self._by_id: dict[str, asyncio.Future[None]] = {}
        self._many: dict[str, Answers] = {}
        self._numbers: dict[int, str] = {}

    # --- asking ----------------------------------------------------------------------------------------------------

    def open(self, question: str) -> "asyncio.Future[None]":
        """A question that is about to leave. One that is asked already is asked together."""
        future = self._by_id.get(question)
        if future is None:
            future = self._by_id[question] = asyncio.get_running_loop().create_future()
        return future

    def open_many(self, question: str) -> "asyncio.Future[None]":
        future = self.open(question)
        self._many[question] = Answers(future)
        return future

    def sent(self, question: str, seq: int) -> None:
        """It left under this number."""
        self._numbers[seq] = question

    async def wait(self, questions: "Iterable[tuple[str, asyncio.Future[None]]]", what: str) -> None:
        """Wait for all of them until the deadline. Raises RequestUnknown, RequestRefused, Unsupported."""
        asked = dict(questions)
        if not asked:
            return
        try:
            done, pending = await asyncio.wait(asked.values(), timeout=self.deadline_s)
        finally:
            for question, future in asked.items():
                if self._by_id.get(question) is future:
                    del self._by_id[question]
                self._many.pop(question, None)
            self._numbers = {seq: each for seq, each in self._numbers.items() if each not in asked}
        for future in pending:
            future.cancel()
        errors = [error for future in done if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        if pending:
            raise RequestUnknown(f"no answer from the venue to {what} in {self.deadline_s:g} s")

    def answers(self, question: str) -> Answers:
        """Where the answers of a question opened with `open_many` gather."""
        return self._many[question]

    # --- answers ---------------------------------------------------------------------------------------------------

    def answered(self, question: str) -> None:
        future = self._by_id.get(question)
        if future is not None and not future.done():
            future.set_result(None)

    def failed(self, question: str, error: Exception) -> bool:
        """The question ends with an error; whether it was open."""
        future = self._by_id.get(question)
        if future is None or future.done():
            return False
        future.set_exception(error)
        future.exception()  # whoever asked may be gone already
        return True

    def reported(self, mass_id: str, total: int | None, *, last: bool) -> None:
        """One execution report of a mass status."""
        asked = self._many.get(mass_id)
        if asked is not None:
            asked.count += 1
            asked.came(total, last=last)

    def none_there(self, mass_id: str) -> None:
        """A mass status that found no order."""
        asked = self._many.get(mass_id)
        if asked is not None:
            asked.came(0)

    def position_ack(self, message: Message) -> None:
        asked = self._many.get(message.get(tags.POS_REQ_ID))
        if asked is None:
            return
        result = message.get(tags.POS_REQ_RESULT)
        if result == "2":
            asked.came(0)
        elif result != "0":
            text = text_of(message.get(tags.TEXT)) or f"result {result}"
            self.failed(message.get(tags.POS_REQ_ID), RequestUnknown(f"the venue does not tell positions: {text}"))
        else:
            asked.came(message.number(tags.TOTAL_POS_REPORTS))

    def position_report(self, message: Message) -> None:
        asked = self._many.get(message.get(tags.POS_REQ_ID))
        if asked is not None:
            asked.count += 1
            asked.reports.append(message)
            asked.came(message.number(tags.TOTAL_POS_REPORTS))

    def question_of(self, seq: int | None, ref_id: str = "") -> str:
        """The open question that a reject is about, by its number or the id it names; '' when it is none."""
        if ref_id in self._by_id:
            return ref_id
        return self._numbers.get(seq or 0, "")

    def business_reject(self, question: str, reason: str, text: str) -> None:
        """A question that the business behind the session refused (35=j)."""
        if reason == "3":
            self.failed(question, Unsupported(text or "unsupported message type"))
        else:
            self.failed(question, RequestRefused(text or f"refused, reason {reason}", business_class(reason, text)))

    def session_reject(self, question: str, reason: int, text: str) -> None:
        """A question that the session itself refused (35=3)."""
        if reason == tags.BAD_MSG_TYPE:
            self.failed(question, Unsupported(text))
        else:
            self.failed(question, RequestRefused(text or f"refused, reason {reason}", RejectClass.OTHER))

    def lost(self) -> None:
        """The connection is gone with every question on it."""
        for question in list(self._by_id):
            self.failed(question, RequestUnknown("connection lost after the send"))
        self._by_id.clear()
        self._many.clear()
        self._numbers.clear()


def _signed(group: Message) -> int:
    long, short = group.decimal(tags.LONG_QTY) or 0, group.decimal(tags.SHORT_QTY) or 0
    return int(long) - int(short)
