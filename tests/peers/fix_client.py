"""A FIX initiator written from `protocols/fix.md` alone, for tests of the sandbox's door: a socket, its own framing
and its own numbers. It shares no code with the product and does nothing by itself, so that a test can send what no
well-behaved engine would.

`Client.expect` waits for the next message of the venue that has some fields; `ended` for the end of the connection.
Every frame that comes is checked as a strict engine would (C1): length, checksum, the order of its first three and
its last field, header before body, and the fields that FIX demands of its type (C3).
"""

import asyncio
import itertools
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import pytest

Fields = list[tuple[int, str]]
SOH = b"\x01"
BOTH = pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
HEADER = frozenset({8, 9, 35, 34, 43, 49, 50, 52, 56, 57, 90, 91, 97, 115, 116, 122, 128, 129, 369})
EXECUTION_REPORT = (37, 17, 150, 39, 54, 151, 14, 6)
DEMANDED = {
    ("FIX.4.2", "8"): (*EXECUTION_REPORT, 20, 55),
    ("FIX.4.4", "8"): EXECUTION_REPORT,
    ("FIX.4.2", "9"): (37, 11, 41, 39, 434),
    ("FIX.4.4", "9"): (37, 11, 41, 39, 434),
    ("FIX.4.2", "j"): (372, 380),
    ("FIX.4.4", "j"): (372, 380),
    ("FIX.4.2", "3"): (45,),
    ("FIX.4.4", "3"): (45,),
    ("FIX.4.2", "A"): (98, 108),
    ("FIX.4.4", "A"): (98, 108),
    ("FIX.4.2", "2"): (7, 16),
    ("FIX.4.4", "2"): (7, 16),
    ("FIX.4.2", "4"): (36,),
    ("FIX.4.4", "4"): (36,),
    ("FIX.4.2", "1"): (112,),
    ("FIX.4.4", "1"): (112,),
}
EXEC_TYPES = {"FIX.4.2": "01245689ACDE3", "FIX.4.4": "0456789ACDEFGHI3"}


def stamp(shift_s: float = 0.0, *, millis: bool = True) -> str:
    now = datetime.now(UTC) + timedelta(seconds=shift_s)
    return now.strftime("%Y%m%d-%H:%M:%S") + (f".{now.microsecond // 1000:03d}" if millis else "")


def seconds(text: str) -> str:
    """A UTC timestamp of the venue, with or without milliseconds."""
    assert re.fullmatch(r"\d{8}-\d\d:\d\d:\d\d(\.\d{3})?", text), text
    return text


class Priced(Protocol):
    def price(self) -> Decimal: ...


def away(venue: Priced, points: int) -> Decimal:
    """A price so far from the market."""
    return venue.price() + points


def frame(begin_string: str, fields: Fields, *, length: int | None = None, checksum: int | None = None) -> bytes:
    """The message's bytes; a wrong length or checksum on demand."""
    body = b"".join(f"{tag}={value}".encode("latin-1") + SOH for tag, value in fields)
    head = f"8={begin_string}".encode() + SOH + f"9={len(body) if length is None else length}".encode() + SOH
    total = sum(head + body) % 256 if checksum is None else checksum
    return head + body + f"10={total:03d}".encode() + SOH


class Message:
    """One message of the venue."""

    def __init__(self, raw: bytes, fields: Fields) -> None:
        self.raw = raw
        self.fields = fields

    def get(self, tag: int) -> str | None:
        return next((value for found, value in self.fields if found == tag), None)

    def __getitem__(self, tag: int) -> str:
        value = self.get(tag)
        assert value is not None, f"{tag} is missing in {self}"
        return value

    def all(self, tag: int) -> list[str]:
        return [value for found, value in self.fields if found == tag]

    @property
    def kind(self) -> str:
        return self[35]

    @property
    def seq(self) -> int:
        return int(self[34])

    @property
    def again(self) -> bool:
        return self.get(43) == "Y"

    def has(self, wanted: dict[int, Any]) -> bool:
        return all(self.get(tag) == (None if value is None else str(value)) for tag, value in wanted.items())

    def __repr__(self) -> str:
        return self.raw.replace(SOH, b"|").decode("latin-1")


def read(raw: bytes) -> Message:
    """A whole frame, checked. Raises AssertionError."""
    pairs = [field.partition(b"=") for field in raw.split(SOH)[:-1]]
    fields = [(int(tag), value.decode("latin-1")) for tag, _, value in pairs]
    message = Message(raw, fields)
    assert [tag for tag, _ in fields[:3]] == [8, 9, 35], f"first fields: {message}"
    assert fields[-1][0] == 10, f"last field: {message}"
    start = raw.index(SOH, raw.index(SOH) + 1) + 1
    end = raw.rindex(b"\x0110=") + 1
    assert end - start == int(message[9]), f"length {end - start}: {message}"
    assert message[10] == f"{sum(raw[:end]) % 256:03d}", f"checksum: {message}"
    for tag in (49, 56, 34, 52):
        assert message[tag]
    in_header = [tag in HEADER for tag, _ in fields[:-1]]
    assert in_header == sorted(in_header, reverse=True), f"header and body are mixed: {message}"
    assert all(value for _, value in fields), f"empty value: {message}"
    version = message[8]
    for tag in DEMANDED.get((version, message.kind), ()):
        assert message[tag]
    if message.kind == "8":
        assert message[150] in EXEC_TYPES[version], f"150 of the other version: {message}"
        assert (message.get(20) is not None) == (version == "FIX.4.2"), f"20 is of 4.2: {message}"
        if message[39] in ["4", "8", "C"]:
            assert message[151] == "0", f"an ended order leaves nothing: {message}"
    return message


class Client:
    """One connection; `out` is the number of the next message, `came` everything the venue said, in order."""

    def __init__(self, address: dict[str, Any], version: str = "FIX.4.2", *, sender: str = "DESK") -> None:
        self.host, self.port = address["host"], address["port"]
        self.version, self.sender, self.target = version, sender, address["target_comp_id"]
        self.password = "canary-password-7f3a"
        self.out = 1
        self.came: list[Message] = []
        self._next = 0
        self._news = asyncio.Condition()
        self._ids = itertools.count(1)
        self._over = False

    # --- the socket ------------------------------------------------------------------------------------------------

    async def open(self) -> "Client":
        self._reader, self._writer = await asyncio.open_connection(self.host, self.port)
        self._task = asyncio.create_task(self._listen())
        self._over = False
        return self

    async def close(self) -> None:
        self._writer.close()
        await self._task

    async def __aenter__(self) -> "Client":
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _listen(self) -> None:
        waiting = b""
        try:
            while data := await self._reader.read(65_536):
                waiting += data
                while (end := end_of(waiting)) > 0:
                    raw, waiting = waiting[:end], waiting[end:]
                    async with self._news:
                        self.came.append(read(raw))
                        self._news.notify_all()
        except ConnectionError:
            pass
        finally:
            async with self._news:
                self._over = True
                self._news.notify_all()

    # --- what it says ----------------------------------------------------------------------------------------------

    def header(self, kind: str, seq: int | None = None, **more: Any) -> Fields:
        fields: Fields = [
            (35, kind),
            (49, more.get("sender", self.sender)),
            (56, more.get("target", self.target)),
            (34, str(self.out if seq is None else seq)),
            (52, more.get("sent", stamp())),
        ]
        return fields

    def write(self, raw: bytes) -> None:
        self._writer.write(raw)

    def send(
        self, kind: str, body: dict[int, Any] | Fields | None = None, *, seq: int | None = None, **more: Any
    ) -> int:
        """Send a message and give its number. `seq` names another number and leaves the count alone. `head` adds to
        the header, `drop` leaves tags out, `begin` is another version."""
        number = self.out if seq is None else seq
        pairs = list(body.items()) if isinstance(body, dict) else list(body or [])
        fields = self.header(kind, seq, **more) + list(more.get("head", {}).items())
        fields += [(tag, str(value)) for tag, value in pairs]
        fields = [(tag, value) for tag, value in fields if tag not in more.get("drop", ())]
        self.write(
            frame(more.get("begin", self.version), fields, length=more.get("length"), checksum=more.get("checksum"))
        )
        if seq is None:
            self.out += 1
        return number

    def logon(self, *, heartbeat: int = 30, reset: bool = False, **more: Any) -> int:
        body: dict[int, Any] = {98: 0, 108: heartbeat, **({141: "Y"} if reset else {})}
        body |= {553: self.sender, 554: more.pop("password", self.password), **more.pop("body", {})}
        if reset:
            self.out = 1
        return self.send("A", body, **more)

    async def login(self, **more: Any) -> Message:
        self.logon(**more)
        return await self.expect({35: "A"})

    def order(self, **more: Any) -> str:
        """A market order for one ES, all that both versions demand; `body` changes fields, None leaves one out."""
        body: dict[int, Any] = {
            11: more.pop("id", f"C{next(self._ids)}"),
            1: "SIM1",
            21: 1,
            55: "ESH4",
            54: 1,
            60: stamp(millis=False),
            38: 1,
            40: 1,
            59: 0,
        }
        body |= more.pop("body", {})
        self.send("D", {tag: value for tag, value in body.items() if value is not None}, **more)
        return str(body[11])

    def replace(self, original: str, **more: Any) -> str:
        body: dict[int, Any] = {41: original, 11: more.pop("id", f"G{next(self._ids)}"), 1: "SIM1", 21: 1, 55: "ESH4"}
        body |= {54: 1, 60: stamp(millis=False), 38: 1, 40: 2, 59: 0} | more.pop("body", {})
        self.send("G", {tag: value for tag, value in body.items() if value is not None}, **more)
        return str(body[11])

    def cancel(self, original: str, **more: Any) -> str:
        body: dict[int, Any] = {41: original, 11: more.pop("id", f"F{next(self._ids)}"), 1: "SIM1", 55: "ESH4"}
        body |= {54: 1, 60: stamp(millis=False), 38: 1} | more.pop("body", {})
        self.send("F", {tag: value for tag, value in body.items() if value is not None}, **more)
        return str(body[11])

    # --- what it hears ---------------------------------------------------------------------------------------------

    async def expect(self, wanted: dict[int, Any], within_s: float = 3.0) -> Message:
        """The next message with these fields (None: without that tag); what came before it is passed over."""
        try:
            async with asyncio.timeout(within_s), self._news:
                while True:
                    while self._next < len(self.came):
                        message = self.came[self._next]
                        self._next += 1
                        if message.has(wanted):
                            return message
                    assert not self._over, f"the connection ended before {wanted}: {self.came[-5:]}"
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted} did not come in {within_s} s: {self.came[-5:]}") from None

    async def ended(self, within_s: float = 3.0) -> list[Message]:
        """Wait until the venue has closed the connection; what it said since the last `expect`."""
        try:
            async with asyncio.timeout(within_s), self._news:
                while not self._over:
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"still connected after {within_s} s: {self.came[-5:]}") from None
        rest, self._next = self.came[self._next :], len(self.came)
        return rest

    async def in_step(self) -> list[Message]:
        """Ask for a heartbeat and give what came before it: whatever the venue had to say by now is among it."""
        name = f"STEP{next(self._ids)}"
        self.send("1", {112: name})
        start = self._next
        await self.expect({35: "0", 112: name})
        return self.came[start : self._next - 1]


def end_of(data: bytes) -> int:
    """Where the first message in these bytes ends, or 0. The venue's own lengths must be right."""
    if data.count(SOH) < 3:
        return 0
    second = data.index(SOH, data.index(SOH) + 1)
    length = int(data[data.index(b"\x019=") + 3 : second])
    end = second + 1 + length + 7
    return end if len(data) >= end else 0


async def traded(desk: Client) -> None:
    """Logon 1, a heartbeat 2, reports from 3 on."""
    await desk.login()
    await desk.in_step()
    name = desk.order()
    await desk.expect({35: "8", 11: name, 39: 2})


def whole(kind: str) -> list[tuple[int, str]]:
    """A body of every tag that the type demands in either version."""
    bodies: dict[str, str] = {
        "D": "11=R1|1=SIM1|21=1|55=ESH4|54=1|60=NOW|38=1|40=1|59=0",
        "G": "41=R0|11=R1|1=SIM1|21=1|55=ESH4|54=1|60=NOW|38=1|40=2|44=4000|59=0",
        "F": "41=R0|11=R1|1=SIM1|55=ESH4|54=1|60=NOW|38=1",
        "H": "11=R1|1=SIM1|55=ESH4|54=1",
        "V": "262=M1|263=1|264=1|267=2|269=0|269=1|146=1|55=ESH4",
        "q": "11=Q1|530=7|60=NOW|1=SIM1",
        "AN": "710=P1|724=0|1=SIM1|581=1|60=NOW|715=20261121",
        "1": "112=T1",
        "2": "7=1|16=0",
        "4": "123=N|36=50",
    }
    pairs = [field.partition("=") for field in bodies[kind].replace("NOW", stamp(millis=False)).split("|")]
    return [(int(tag), value) for tag, _, value in pairs]
