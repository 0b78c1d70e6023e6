"""NinjaTrader under fire: the adapter's texts, values and book, and the practice door's texts and commands.

Values are those of the facts page with anything in them, and texts of any kind between them, cut anywhere.
"""

import asyncio
from random import Random
from typing import Any, cast

from brokers.adapter import AdapterSettings, Credentials, Event, Filled
from brokers.ninjatrader.adapter import NinjaTraderAdapter
from brokers.ninjatrader.link import Link
from brokers.ninjatrader.stream import LinkLost, Stream
from brokers.ninjatrader.wire import Decoder, Overlong, Unread
from brokers.sandbox.doors import User
from brokers.sandbox.ninjatrader_door import Connection, NinjaTraderDoor
from brokers.sandbox.settings import NinjaTraderSettings
from brokers.sessions import MemorySessions
from schema.clock import SYSTEM_CLOCK
from schema.records import AccountConfig, ConnectionConfig, Environment, NinjaLogin
from tests.brokers.fix.door import order
from tests.fuzz.running import LENGTHS, NASTY, assert_told, cut_up, hammer, noise, on_one_loop, word
from tests.fuzz.venue import close_account, open_account, sandbox

OURS, OTHERS = "OID1", "OID2"
RIGHT = [("Orders|SIM1", f"{OURS}|{OTHERS}"), (f"Filled|{OURS}", "3"), (f"AvgFillPrice|{OURS}", "5000.25"),
         (f"OrderStatus|{OURS}", "Filled")]  # fmt: skip
KEYS = [
    f"OrderStatus|{OTHERS}", f"Filled|{OTHERS}", f"AvgFillPrice|{OTHERS}", "OrderStatus|STRANGER", "Filled|STRANGER",
    "AvgFillPrice|STRANGER", "MarketPosition|ES 12-26|SIM1", "AvgEntryPrice|ES 12-26|SIM1", "CashValue|SIM1",
    "BuyingPower|SIM1", "RealizedPnL|SIM1", "MarketData|ES 12-26|0", "MarketData|ES 12-26|7", "Orders|OTHER",
    "Strategies|X",
]  # fmt: skip
Texts = tuple[bytes, Random]


def value(key: str, text: str) -> bytes:
    return f"2\0{key}\0{text}\0".encode("utf-8", "replace")


def _texts(random: Random) -> Texts:
    data = b""
    for _ in range(random.randrange(1, 14)):
        what = random.random()
        if what < 0.7:
            key = random.choice(KEYS) if random.random() < 0.9 else word(random)
            text = (
                word(random)
                if random.random() < 0.6
                else random.choice(["1", "2", "-3", "5000.25", "Working", "Filled"])
            )
            data += value(key, text)
        elif what < 0.9:
            data += word(random).encode("utf-8", "replace") + random.choice([b"\0", b"", b"\0\0\0"])
        else:
            data += noise(random)
    return data, random


def _decodes(given: Texts) -> None:
    """Every text that came is part of a value, of something counted, or waits for the rest of its message."""
    data, random = given
    decoder, texts = Decoder(), 0
    try:
        for piece in cut_up(random, data):
            texts += sum(len(one.texts) if isinstance(one, Unread) else 3 for one in decoder.feed(piece))
    except Overlong:
        return
    assert texts + len(decoder._texts) == data.count(b"\0")  # pyright: ignore[reportPrivateUsage]


DECODER_SEEDS: list[Texts] = [
    (each, Random(1)) for each in (b"\0" * 7, b"9\0x\0" + value("a", "b"), b"2\0a", b"\xff\0" * 5)
]


@LENGTHS
def test_decoder_accounts_for_every_text(seconds: float) -> None:
    hammer("ninjatrader decoder", _texts, _decodes, DECODER_SEEDS, seconds)


class Desk:
    """A login of the adapter without a network, and what it told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        login = NinjaLogin(host="127.0.0.1", settle_ms=0)
        self.adapter = adapter = NinjaTraderAdapter(
            ConnectionConfig(
                connection="nt1", venue="ninjatrader", environment=Environment.DEMO, username="DESK", ninja=login
            ),
            Credentials(username="DESK", password=""),
            AdapterSettings(),
            SYSTEM_CLOCK,
            self.events.append,
            Random(1),
            accounts=[AccountConfig(account="SIM1", connection="nt1", venue_id="SIM1")],
            sessions=MemorySessions(),
        )
        self.link = Link(login, SYSTEM_CLOCK, Random(1), 1.0, adapter)
        adapter._link = adapter._sender.link = self.link  # pyright: ignore[reportPrivateUsage]
        adapter._told = True  # pyright: ignore[reportPrivateUsage]
        for each in (OURS, OTHERS):
            adapter._book.open(order(each, 3, symbol="ESZ6"), SYSTEM_CLOCK.now_ns())  # pyright: ignore[reportPrivateUsage]

    async def hear(self, pieces: list[bytes]) -> str:
        """Read these; why the connection ended."""
        reader = asyncio.StreamReader(limit=1 << 24)
        stream = Stream(reader, cast(Any, None), "here", 1.0, self.adapter.on_unread)
        for piece in pieces:
            reader.feed_data(piece)
        reader.feed_eof()
        try:
            while True:
                for fact in await stream.facts():
                    self.link._take(fact)  # pyright: ignore[reportPrivateUsage]
        except LinkLost as lost:
            self.adapter._settle(everything=True)  # pyright: ignore[reportPrivateUsage]
            return str(lost)


async def _follows(given: Texts) -> None:
    """What is right and comes last is told whatever came before it, each lot once; all that is told is sound; only the
    end of the interface or of the bytes ends the connection."""
    data, random = given
    desk = Desk()
    # A text of any type takes at most five more with it: then messages are whole again.
    told = b"\0" * 6 + b"".join(value(*each) for each in RIGHT) * 3
    ended = await desk.hear([*cut_up(random, data), told])
    assert_told(desk.events, desk.adapter.health().unreadable)
    fills = [event.fill.fill_id for event in desk.events if isinstance(event, Filled)]
    assert len(fills) == len(set(fills)), "a lot was told twice"
    if "closed the connection" in ended:
        assert {f"{OURS}@{number}" for number in (1, 2, 3)} <= set(fills), (fills, data)
    else:
        assert "interface is off" in ended or "without its end" in ended, ended
    rows, _ = desk.adapter._book.take_changes()  # pyright: ignore[reportPrivateUsage]
    Desk().adapter._book.load(rows)  # pyright: ignore[reportPrivateUsage]
    if settling := desk.adapter._settling:  # pyright: ignore[reportPrivateUsage]
        settling.cancel()


SEEDS: list[Texts] = [
    *((value(f"Filled|{OTHERS}", each) + value(f"AvgFillPrice|{OTHERS}", "5000.25"), Random(1)) for each in NASTY),
    *((value(f"Filled|{OTHERS}", "2") + value(f"AvgFillPrice|{OTHERS}", each), Random(1)) for each in NASTY),
    *((value("MarketPosition|ES 12-26|SIM1", each), Random(1)) for each in NASTY),
    *((value("CashValue|SIM1", each), Random(1)) for each in NASTY),
    (value(f"Filled|{OTHERS}", "1000000000") + value(f"AvgFillPrice|{OTHERS}", "5000.25"), Random(1)),
    (
        value("Orders|SIM1", "A\x1b[2J|B") + value("Filled|A\x1b[2J", "1") + value("AvgFillPrice|A\x1b[2J", "1"),
        Random(1),
    ),
    (b"1\0ES 12-26\0", Random(1)),
]


@LENGTHS
def test_values_that_are_right_are_told_whatever_came_before(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("ninjatrader values", _texts, lambda given: run(_follows(given)), SEEDS, seconds)


# --- the practice door ------------------------------------------------------------------------------------------------

VERBS = [
    "PLACE",
    "PLACE",
    "PLACE",
    "CHANGE",
    "CANCEL",
    "CLOSEPOSITION",
    "REVERSEPOSITION",
    "CANCELALLORDERS",
    "CLOSESTRATEGY",
]
LIKELY = [
    ["SIM1"], ["ES 03-24"], ["BUY", "SELL"], ["1", "2", "0"], ["MARKET", "LIMIT", "STOPMARKET", "STOPLIMIT"],
    ["0", "4000", "5000.25", "5000.1"], ["0", "4000", "6000.25"], ["DAY", "GTC"],
    ["", "G1"], ["", "O1", "O2", "O3"], [""], [""],
]  # fmt: skip
Talk = tuple[list[bytes], Random]


def _talk(random: Random) -> Talk:
    made: list[bytes] = []
    for _ in range(random.randrange(1, 9)):
        fields = [word(random) if random.random() < 0.15 else random.choice(each) for each in LIKELY]
        line = ";".join([random.choice(VERBS), *fields]) if random.random() < 0.9 else word(random)
        texts = ["0", line] if random.random() < 0.85 else [word(random) for _ in range(random.randrange(4))]
        made.append("".join(f"{text}\0" for text in texts).encode("utf-8", "replace"))
    return made, random


class Wire:
    """What stands for a socket at the door."""

    def __init__(self) -> None:
        self.out = b""
        self.transport = self

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.out += data

    def abort(self) -> None: ...


async def _door_takes(talk: Talk) -> None:
    """Whatever a client sends, the next command that is right is carried out, and the books add up."""
    said, random = talk
    account_id = open_account()
    door = NinjaTraderDoor(sandbox().house, NinjaTraderSettings())
    door.add_user(User(user_id=1, name="DESK", password="pw", account_ids=[account_id]))
    sandbox().venue.events = door.on_event
    connection = Connection(door, "DESK", cast(Any, None), cast(Any, Wire()))
    for piece in cut_up(random, b"".join(said)):
        for texts in connection._texts.feed(piece):  # pyright: ignore[reportPrivateUsage]
            connection._take(texts)  # pyright: ignore[reportPrivateUsage]
    connection.quote()
    probe = "PLACE;SIM1;ES 03-24;BUY;1;LIMIT;4000;0;DAY;;STILL THERE;;"
    # A command is two texts: whoever is out of step by one stays so until there is one more.
    for texts in connection._texts.feed(b"\0" * 6 + f"0\0{probe}\0\0".encode() * 2):  # pyright: ignore[reportPrivateUsage]
        connection._take(texts)  # pyright: ignore[reportPrivateUsage]
    cache = door.desktop("DESK").cache
    assert "OrderStatus|STILL THERE" in cache, cache
    close_account(account_id)


def _command(**changed: str) -> Talk:
    names = ("verb", "account", "instrument", "action", "qty", "kind", "limit", "stop", "tif", "oco", "id", "s1", "s2")
    usual = dict(
        zip(
            names, ("PLACE", "SIM1", "ES 03-24", "BUY", "1", "LIMIT", "4000", "0", "DAY", "", "O1", "", ""), strict=True
        )
    )
    return [f"0\0{';'.join((usual | changed).values())}\0".encode("utf-8", "replace")], Random(1)


DOOR_SEEDS = [
    *(_command(**{name: each}) for name in ("qty", "limit", "stop", "id", "oco", "account") for each in NASTY),
    *(_command(kind="STOPLIMIT", stop="4001", limit=each) for each in NASTY),
    (_command()[0] + _command(verb="CHANGE", qty="1e999999")[0], Random(1)),
    (_command()[0] + _command(verb="CHANGE", limit="1e999999")[0], Random(1)),
]


@LENGTHS
def test_door_carries_out_what_is_right_after_anything(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("ninjatrader door", _talk, lambda talk: run(_door_takes(talk)), DOOR_SEEDS, seconds)
