"""A FIX acceptor written from `protocols/fix.md` alone, for tests of the adapter: nasty, but legal. It shares no code
with the product; the framing is `fix_client.py`'s.

By itself it answers a logon, test requests, resend requests (with gaps), status and position requests (from `orders`
and `held`) and logouts; a kind in `mute` gets no answer. Everything else a test says with `say` and `report`.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from schema.records import ConnectionConfig, Environment, FixLogin
from tests.peers.fix_client import SOH, Fields, Message, end_of, frame, read, stamp


class Server:
    """One login's venue. `out` is the number of the next message, `came` everything the desk said, in order; both go
    on over connections."""

    def __init__(self, version: str = "FIX.4.4") -> None:
        self.version = version
        self.name, self.client = "VENUE", "DESK"
        self.out = self.expected = 1
        self.came: list[Message] = []
        self.mute: set[str] = set()
        self.orders: dict[str, dict[int, Any]] = {}  # what H is answered with, by ClOrdID
        self.held: dict[str, dict[str, int]] = {}  # account -> contract -> net
        self.heartbeat: int | None = None
        self.logons = 0
        self.on_logon: Callable[[Message], None] | None = None
        self._news = asyncio.Condition()
        self._next = 0
        self._ids = itertools.count(1)
        self._writer: asyncio.StreamWriter | None = None
        self._up = False

    async def __aenter__(self) -> "Server":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()

    def login(self, version: str, dialect: str) -> ConnectionConfig:
        host, port = self._server.sockets[0].getsockname()[:2]
        fix = FixLogin(
            host=host,
            port=port,
            sender_comp_id=self.client,
            target_comp_id=self.name,
            version=version,
            dialect=dialect,
            tls=False,
        )
        return ConnectionConfig(connection="fix1", venue="fix", environment=Environment.DEMO, username="DESK", fix=fix)

    # --- the socket ------------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer, waiting, self._up = writer, b"", False
        try:
            while data := await reader.read(65_536):
                waiting += data
                while (end := end_of(waiting)) > 0:
                    raw, waiting = waiting[:end], waiting[end:]
                    message = read(raw)
                    self._answer(message)
                    async with self._news:
                        self.came.append(message)
                        self._news.notify_all()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def cut(self) -> None:
        """Break the connection, as a network does."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    def write(self, raw: bytes) -> None:
        if self._writer is not None:
            self._writer.write(raw)

    # --- what it says ----------------------------------------------------------------------------------------------

    def made(
        self, kind: str, body: dict[int, Any] | Fields | None = None, *, seq: int | None = None, **more: Any
    ) -> bytes:
        """A message's bytes. `seq` names another number than the next and leaves the count alone; `again` says that it
        was sent before (43=Y, 122)."""
        number = self.out if seq is None else seq
        pairs = list(body.items()) if isinstance(body, dict) else list(body or [])
        fields: Fields = [
            (35, kind),
            (34, str(number)),
            (49, self.name),
            (52, more.get("sent", stamp())),
            (56, self.client),
        ]
        if more.get("again"):
            fields += [(43, "Y"), (122, stamp(-1))]
        fields += [*more.get("head", {}).items(), *((tag, str(value)) for tag, value in pairs if value is not None)]
        if seq is None:
            self.out += 1
        return frame(more.get("begin", self.version), fields, checksum=more.get("checksum"))

    def say(self, kind: str, body: dict[int, Any] | Fields | None = None, **more: Any) -> None:
        self.write(self.made(kind, body, **more))

    def report(self, cl_ord_id: str, status: str, **more: Any) -> bytes:
        """An execution report's bytes, all that both versions demand. Fields by tag in `body`; `fill` is (quantity,
        price) of the fill it tells, `cum` and `avg` what is filled by now."""
        old = self.version == "FIX.4.2"
        qty, cum = more.pop("qty", 1), more.pop("cum", 0)
        last = more.pop("fill", None)
        kind = more.pop("kind", None)
        if kind is None:
            kind = (status if old else "F") if last else ("5" if status == "5" else status)
        body: dict[int, Any] = {
            37: f"V-{cl_ord_id}",
            11: cl_ord_id,
            17: more.pop("exec_id", None) or f"E{next(self._ids)}",
            20: more.pop("transaction", 0) if old else None,
            150: kind,
            39: status,
            1: "SIM1",
            55: "ESH4",
            54: 1,
            38: qty,
            32: last[0] if last else 0,
            31: last[1] if last else 0,
            14: cum,
            151: 0 if status in "248C3" else qty - cum,
            6: more.pop("avg", last[1] if last else 0),
            60: stamp(),
        }
        body |= more.pop("body", {})
        return self.made("8", body, **more)

    def tell(self, cl_ord_id: str, status: str, **more: Any) -> None:
        self.write(self.report(cl_ord_id, status, **more))

    def _answer(self, message: Message) -> None:
        kind = message.kind
        greeting = kind == "A" and not self._up
        if greeting:
            self._up = True
            self.logons += 1
            if message.get(141) == "Y":
                self.out = self.expected = 1
        if message.seq >= self.expected and not message.again:
            self.expected = message.seq + 1
        if kind in self.mute:
            return
        if greeting:
            if self.on_logon is not None:
                self.on_logon(message)
                return
            self.welcome(message)
        elif kind == "1":
            self.say("0", {112: message[112]})
        elif kind == "2":
            self.say("4", {123: "Y", 36: self.out}, seq=int(message[7]), again=True)
        elif kind == "5":
            self.say("5")
        elif kind == "AF":
            self._all_orders(message)
        elif kind == "H":
            self._status(message)
        elif kind == "AN":
            self._positions(message)

    def welcome(self, message: Message, **more: Any) -> None:
        """Answer a logon."""
        body: dict[int, Any] = {98: 0, 108: message[108] if self.heartbeat is None else self.heartbeat}
        self.say("A", body | ({141: "Y"} if message.get(141) == "Y" else {}), **more)

    def _all_orders(self, message: Message) -> None:
        shown = [each for each in self.orders.values() if each.get(39) in ("0", "1", "A")]
        if not shown:
            nothing = {150: "I", 39: "8", 37: "NONE", 55: "[N/A]", 1: None, 38: None, 584: message[584]}
            self.tell("NONE", "8", body={**nothing, 11: None, 911: 0, 912: "Y"})
        for number, order in enumerate(shown, 1):
            more = {584: message[584], 911: len(shown), **({912: "Y"} if number == len(shown) else {})}
            self._show(order, more)

    def _status(self, message: Message) -> None:
        order = self.orders.get(message[11])
        if order is None:
            self._show({11: message[11], 39: "8", 37: "NONE", 103: 5, 58: "Unknown order"}, {})
        else:
            self._show(order, {})

    def _show(self, order: dict[int, Any], more: dict[int, Any]) -> None:
        old = self.version == "FIX.4.2"
        status = str(order[39])
        body = {150: status if old else "I", **order, **more}
        self.tell(str(order[11]), status, transaction=3, kind=body[150], body=body)

    def _positions(self, message: Message) -> None:
        held = self.held.get(message[1], {})
        head = {
            721: f"P{next(self._ids)}",
            710: message[710],
            727: len(held),
            728: 0 if held else 2,
            1: message[1],
            581: 1,
        }
        self.say("AO", {**head, 729: 0})
        for symbol, net in held.items():
            sides = [(704, str(max(net, 0))), (705, str(max(-net, 0)))]
            fields: Fields = [
                (tag, str(value)) for tag, value in {**head, 728: 0, 715: stamp()[:8], 55: symbol}.items()
            ]
            self.say("AP", [*fields, (730, "5000"), (731, "1"), (734, "5000"), (702, "1"), (703, "TQ"), *sides])

    # --- what it hears ---------------------------------------------------------------------------------------------

    async def expect(self, wanted: dict[int, Any], within_s: float = 3.0) -> Message:
        """The next message of the desk with these fields; what came before it is passed over."""
        try:
            async with asyncio.timeout(within_s), self._news:
                while True:
                    while self._next < len(self.came):
                        message = self.came[self._next]
                        self._next += 1
                        if message.has(wanted):
                            return message
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{wanted} did not come in {within_s} s: {self.came[-6:]}") from None

    async def in_step(self) -> list[Message]:
        """Ask for a heartbeat and give what came before it."""
        name = f"STEP{next(self._ids)}"
        start = self._next
        self.say("1", {112: name})
        await self.expect({35: "0", 112: name})
        return self.came[start : self._next - 1]

    def kinds(self, kind: str) -> list[Message]:
        return [message for message in self.came if message.kind == kind]

    async def slowly(self, raw: bytes, piece: int = 1) -> None:
        """Write bytes in so small segments."""
        for place in range(0, len(raw), piece):
            self.write(raw[place : place + piece])
            assert self._writer is not None
            await self._writer.drain()
            await asyncio.sleep(0)


def joined(*parts: bytes) -> bytes:
    assert all(part.endswith(SOH) for part in parts)
    return b"".join(parts)
