"""FIX under fire: the adapter's framer, session and book, and the practice door's codec, session and desk.

Messages are those of the facts page with fields lost, repeated or holding anything, in frames that are right, so that
they get past the checksum, or wrong, with other bytes between them.
"""

from random import Random
from typing import Any, cast

from brokers.adapter import AdapterSettings, Credentials, Event, MessageUnreadable
from brokers.fix.adapter import FixAdapter
from brokers.fix.numbers import Numbers
from brokers.fix.session import Identity, Received, Rules, Session, Unreadable
from brokers.fix.wire import Framer, Garbled
from brokers.sandbox.doors import User
from brokers.sandbox.fix_front import Connection, FixFront
from brokers.sandbox.fix_wire import cut
from brokers.sandbox.settings import FixSettings
from brokers.sessions import MemorySessions
from schema.clock import SYSTEM_CLOCK
from schema.records import AccountConfig, ConnectionConfig, Environment
from tests.brokers.fix.raw import HandClock, split, when, wrap
from tests.fuzz.running import LENGTHS, NASTY, assert_sound, cut_up, hammer, noise, word
from tests.fuzz.venue import close_account, open_account, sandbox

Pairs = list[tuple[str, str]]
REPORT = "37=V1|11=C1|17=E1|20=0|150=1|39=1|1=SIM1|55=ESH4|54=1|38=3|40=2|44=4990.25|32=1|31=5000.25|14=1|151=2|6=5000.25|60=20261121-02:19:48|"  # noqa: E501
TEMPLATES = {
    "0": "",
    "1": "112=PING|",
    "2": "7=1|16=0|",
    "3": "45=2|58=Required tag missing|371=55|372=D|373=1|",
    "4": "123=Y|36=9|",
    "5": "58=Bye|",
    "8": REPORT,
    "9": "37=V1|11=C5|41=C1|39=2|102=0|434=1|58=Too late|",
    "j": "45=2|58=Unsupported Message Type|372=H|380=3|",
    "A": "98=0|108=30|141=Y|",
    "AO": "721=P1|710=p1|727=1|728=0|1=SIM1|581=1|453=1|448=SIM1|447=D|452=38|",
    "AP": "721=P1|710=p1|727=1|728=0|715=20261121|1=SIM1|55=ESH4|730=5000|702=1|703=TQ|704=1|705=0|",
    "D": "11=N1|1=SIM1|21=1|55=ESH4|54=1|60=20261121-02:19:48|38=1|40=2|44=4000|59=0|",
    "G": "41=N1|11=N2|1=SIM1|21=1|55=ESH4|54=1|60=20261121-02:19:48|38=2|40=2|44=4001|59=1|",
    "F": "41=N1|11=N3|1=SIM1|55=ESH4|54=1|60=20261121-02:19:48|38=1|",
    "H": "11=N1|55=ESH4|54=1|",
    "V": "262=M1|263=1|264=1|267=2|269=0|269=1|146=1|55=ESH4|",
    "q": "11=Q1|530=7|60=20261121-02:19:48|",
    "AF": "584=M1|585=7|",
    "AN": "710=P1|724=0|1=SIM1|581=1|60=20261121-02:19:48|715=20261121|",
    "BB": "909=Q1|263=0|896=0|",
    "ZZ": "58=?|",
}
_TAGS = ["34", "43", "122", "52", "36", "7", "14", "32", "584", "912", "97", "369", "0", "100000000"]
_LIKELY = ["C1", "SIM1", "ESH4", "2", "8", "F", "H", "G", "I", "5", "E", "N1"]
Said = tuple[str, Pairs, str]


def body(kind: str) -> Pairs:
    return [(tag, value) for tag, _, value in (each.partition("=") for each in TEMPLATES[kind].split("|")[:-1])]


def spoken(random: Random, kinds: tuple[str, ...]) -> Said:
    """A message's kind, its body with a few fields changed, and how its frame is spoilt."""
    kind = random.choice(kinds)
    pairs = body(kind)
    for _ in range(random.randrange(4)):
        at = random.randrange(len(pairs)) if pairs else 0
        value = word(random) if random.random() < 0.6 else random.choice(_LIKELY)
        what = random.randrange(5) if pairs else 0
        if what == 0:
            pairs.append((random.choice(_TAGS), value))
        elif what == 1:
            del pairs[at]
        elif what == 2:
            pairs.append(pairs[at])
        else:
            pairs[at] = (pairs[at][0], value)
    return kind, pairs, random.choice(["", "", "", "", "", "sum", "length", "cut"])


def framed(
    version: str, kind: str, pairs: Pairs, *, seq: int, who: tuple[str, str], at: str, spoilt: str = ""
) -> bytes:
    body = "".join(f"{tag}={value}|" for tag, value in pairs if "|" not in value and "\x01" not in value)
    head = f"35={kind}|34={seq}|49={who[0]}|52={at}|56={who[1]}|"
    data = wrap(version, (head + body).encode("latin-1", "replace").decode("latin-1"))
    if spoilt == "sum":
        return data[:-4] + b"999\x01"
    if spoilt == "length":
        return data.replace(b"\x019=", b"\x019=1", 1)
    return data[: len(data) // 2] if spoilt == "cut" else data


def adapter() -> tuple[FixAdapter, list[Event]]:
    events: list[Event] = []
    config = ConnectionConfig(connection="fix1", venue="fix", environment=Environment.DEMO, username="DESK")
    made = FixAdapter(
        config,
        Credentials(username="DESK", password="none"),
        AdapterSettings(),
        HandClock(),
        events.append,
        Random(1),
        accounts=[AccountConfig(account="SIM1", connection="fix1", venue_id="SIM1")],
        sessions=MemorySessions(),
    )
    made._told = True  # pyright: ignore[reportPrivateUsage]
    return made, events


IN_KINDS = ("0", "1", "2", "3", "4", "5", "8", "8", "8", "8", "9", "j", "A", "AO", "AP", "D", "ZZ")
Stream = tuple[str, list[Said], Random]
"""A version, what is said, and the numbers that cut it into pieces and put bytes before it."""


def _stream(random: Random) -> Stream:
    said = [spoken(random, IN_KINDS) for _ in range(random.randrange(1, 7))]
    return random.choice(["FIX.4.2", "FIX.4.4"]), said, random


def _adapter_takes(stream: Stream) -> None:
    """Every report that came whole is booked, counted as unreadable, or the session has said why it is over; and what
    came to the book adds up."""
    version, said, random = stream
    clock = HandClock()
    session = Session(Identity(begin_string=version, sender="DESK", target="VENUE"), Rules(), Numbers(1, 1, 0), clock)
    on, events = adapter()
    session.start()
    who, at = ("VENUE", "DESK"), when(clock.ns)
    session.receive(framed(version, "A", [("98", "0"), ("108", "30")], seq=1, who=who, at=at))
    data = noise(random)
    for number, (kind, pairs, spoilt) in enumerate(said, 2):
        data += framed(version, kind, pairs, seq=number, who=who, at=at, spoilt=spoilt)
    for piece in cut_up(random, data):
        session.receive(piece)
    reports = refused = 0
    for fact in session.take_facts():
        on.on_fact(fact)
        reports += isinstance(fact, Received) and fact.message.msg_type == "8"
        refused += isinstance(fact, Unreadable)
    book = on._book  # pyright: ignore[reportPrivateUsage]
    booked = sum(entry.reports for entry in book._entries.values())  # pyright: ignore[reportPrivateUsage]
    unreadable = len([event for event in events if isinstance(event, MessageUnreadable)])
    assert unreadable == on.health().unreadable
    if not any(pair[0] in ("584", "103") for _, pairs, _ in said for pair in pairs):
        assert booked + unreadable >= reports + refused, "a report is neither booked nor counted"
    for event in events:
        assert_sound(event, type(event).__name__)
    for entry in book._entries.values():  # pyright: ignore[reportPrivateUsage]
        assert_sound(entry.record(), "order")
    for position in book.positions():
        assert_sound(position, "position")
    rows, _ = book.take_changes()
    on2, _ = adapter()
    on2._book.load(rows)  # pyright: ignore[reportPrivateUsage]
    for _ in range(4):
        clock.step(20)
        session.tick()
    split(session.take_bytes())


def _seed(*said: tuple[str, str]) -> Stream:
    made = [
        (kind, [(t, v) for t, _, v in (each.partition("=") for each in text.split("|")[:-1])], "")
        for kind, text in said
    ]
    return "FIX.4.4", made, Random(1)


SEEDS: list[Stream] = [
    _seed(("8", REPORT.replace("14=1|", f"14={nasty}|"))) for nasty in NASTY if "\x01" not in nasty and "|" not in nasty
] + [
    _seed(("8", REPORT.replace("31=5000.25|", "31=1e999999|").replace("6=5000.25|", "6=1e999999|"))),
    *(_seed(("8", REPORT.replace("17=E1", f"17={each}"))) for each in ("\x1e", "A" * 20_000)),
    _seed(("4", "123=Y|36=" + "9" * 5_000 + "|")),
    _seed(("A", "98=0|108=" + "9" * 400 + "|141=Y|")),
    _seed(("2", "7=1|16=" + "9" * 18 + "|")),
    *(
        _seed(("8", REPORT.replace("60=20261121-02:19:48", f"60={at}")))
        for at in ("99991231-23:59:59", "20261121-02:19:48.\xb2")
    ),
    _seed(("8", REPORT), ("8", REPORT.replace("150=1", "150=H").replace("14=1", "14=0")), ("8", REPORT)),
]


@LENGTHS
def test_adapter_reads_any_fix_and_loses_no_report_without_a_count(seconds: float) -> None:
    hammer("fix adapter", _stream, _adapter_takes, SEEDS, seconds)


_STARTS = [
    b"8=FIX",
    b"8=FIX.4.4\x019=",
    b"8=FIX.4.4\x019=" + b"9" * 5_000,
    b"\x0110=000\x01",
    b"8=FIX.4.4\x019=70000\x0135=0\x01",
]


def _units(random: Random) -> tuple[list[bytes], Random]:
    made: list[bytes] = []
    for _ in range(random.randrange(6)):
        kind, pairs, spoilt = spoken(random, IN_KINDS)
        whole = framed("FIX.4.4", kind, pairs, seq=1, who=("V", "D"), at="20261121-02:19:48", spoilt=spoilt)
        made.append(random.choice([whole, whole, noise(random, 80), random.choice(_STARTS)]))
    return made, random


GOOD = wrap("FIX.4.4", "35=0|34=7|49=V|56=D|52=20261121-02:19:48|")


def _framer_finds(given: tuple[list[bytes], Random]) -> None:
    """A whole message among any bytes is found, or a garbled one is counted that swallowed it."""
    before, random = given
    data = b"\x01".join(before) + b"\x01" + GOOD * 3
    framer, found = Framer(), []
    for piece in cut_up(random, data):
        found += framer.feed(piece)
    good = sum(1 for each in found if not isinstance(each, Garbled) and each.seq == 7)
    garbled = sum(1 for each in found if isinstance(each, Garbled))
    assert good >= 3 or (good and garbled), f"{good} of 3 found, {garbled} counted"


@LENGTHS
def test_framer_finds_what_is_whole_among_any_bytes(seconds: float) -> None:
    texts = [b"8=FIX.4.4\x019=" + b"9" * 5_000, GOOD[:-1], GOOD[:30]]
    hammer("fix framer", _units, _framer_finds, [([text], Random(1)) for text in texts], seconds)


# --- the practice door ---------------------------------------------------------------------------------------------


class Wire:
    """What stands for a socket at the door."""

    def __init__(self) -> None:
        self.session: Any = None
        self.login = "?"
        self.out = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.out += data

    def hang_up(self) -> None:
        self.closed = True

    abort = hang_up


OUT_KINDS = ("0", "1", "2", "3", "4", "5", "A", "D", "D", "D", "G", "F", "H", "V", "q", "AF", "AN", "BB", "8", "ZZ")
Talk = tuple[str, bool, list[Said], Random]


def _talk(random: Random) -> Talk:
    said = [spoken(random, OUT_KINDS) for _ in range(random.randrange(1, 9))]
    return random.choice(["FIX.4.2", "FIX.4.4"]), random.random() < 0.3, said, random


def _door_takes(talk: Talk) -> None:
    """Whatever a client sends: every message that came whole is answered, acted on, waited with, or the session ends;
    and a client that then asks is answered."""
    version, t4, said, random = talk
    account_id = open_account()
    front = FixFront(sandbox().house, FixSettings())
    front.add_user(User(user_id=1, name="DESK", password="pw", account_ids=[account_id]))
    sandbox().venue.events = front.on_event
    wire, who, at = Wire(), ("DESK", "SANDBOX"), when(SYSTEM_CLOCK.now_ns())
    licence: Pairs = [("91", "L" * 36), ("90", "36")] if t4 else []
    logon = framed(
        version, "A", [*licence, ("98", "0"), ("108", "30"), ("553", "DESK"), ("554", "pw")], seq=1, who=who, at=at
    )
    (frame,), _ = cut(logon)
    session = front.admit(frame, cast(Connection, wire))
    assert session is not None and not isinstance(session, str)
    wire.session = session
    session.first(frame)
    data = noise(random) + b"\x01"
    for number, (kind, pairs, spoilt) in enumerate(said, 2):
        data += framed(version, kind, pairs, seq=number, who=who, at=at, spoilt=spoilt)
    buffer = b""
    for piece in cut_up(random, data):
        frames, buffer = cut(buffer + piece)
        for each in frames:
            if not session.over:
                session.take(each)
    session.tick()
    if not session.over and not session.leaving_ns:
        expected = session.memory.expected
        probe = framed(version, "1", [("112", "STILL THERE")], seq=expected, who=who, at=at)
        for each in cut(probe)[0]:
            session.take(each)
        assert any(one.get("112") == "STILL THERE" for one in split(wire.out)), split(wire.out)[-4:]
    close_account(account_id)


def _said(kind: str, text: str, version: str = "FIX.4.4", *, t4: bool = False) -> Talk:
    return version, t4, _seed((kind, text))[1], Random(1)


DOOR_SEEDS = [
    _said("4", "123=N|36=" + "9" * 5_000 + "|"),
    _said("2", "7=" + "9" * 5_000 + "|16=0|"),
    _said("D", TEMPLATES["D"].replace("38=1", "38=" + "9" * 5_000)),
    _said("D", TEMPLATES["D"].replace("44=4000", "44=1e999999")),
    _said("D", TEMPLATES["D"].replace("40=2", "40=F").replace("54=1", "54=0"), "FIX.4.2", t4=True),
    _said("H", "11=X|37=" + "9" * 5_000 + "|55=ESH4|54=1|"),
]


@LENGTHS
def test_door_takes_any_fix_and_answers_whoever_asks_next(seconds: float) -> None:
    hammer("fix door", _talk, _door_takes, DOOR_SEEDS, seconds)
