"""Seats in other processes, over a real socket, at a real desk: with orders that cross real sockets to the sandbox, or
without logins where none are needed."""

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from engine import seat_wire as wire
from engine.desk import Desk
from engine.door import Counts, Door
from engine.remote import NoDesk, RemoteSeat, connect
from engine.row_changes import Items, patched
from engine.seat import Chosen, CommandRefused, Ticket, Topic
from engine.seat_socket import DoorRefused, address, socket_of
from engine.seat_wire import MarketKind, SeatRole, Shown
from engine.thread import ThreadSeat
from schema.clock import SYSTEM_CLOCK
from schema.layouts import DeleteLayout
from schema.login import Credentials
from schema.market import Aggressor, DepthSnapshot, SymbolListed, Trade
from schema.records import ConnectionConfig, Environment, Guard, Rule, Side
from schema.settings import Settings
from schema.store import Store
from schema.watchlists import AddSymbols, Watched
from tests.practice import desk_alone, practice, sockets_at, until

NOBODY = Counts(seats=0, subscriptions=0, wanted=0, asked=0, dropped=0, tasks=4)
"""The door's own tasks: one that runs it, one that takes views, one that tells, one that looks for who is slow."""
FOLLOWER = "DEMO1003"
LOGIN = ConnectionConfig(
    connection="ann", venue="projectx", environment=Environment.DEMO, username="ann", rest_url="http://127.0.0.1:9"
)
LISTENER = wire.Hello(wire.VERSION, SeatRole.VIEWER)
_Message = TypeVar("_Message")


@pytest.fixture
async def desk(settings: Settings, store: Store) -> AsyncIterator[Desk]:
    async with desk_alone(settings, store) as alone:
        yield alone


@contextmanager
def opened(desk: Desk, state_dir: Path, **given: Any) -> Iterator[Door]:
    """The desk's door, as `engine/thread.py` opens it."""
    door = Door(state_dir, "desk", ThreadSeat(desk, asyncio.get_running_loop()), desk.tap, **given)
    desk.views.publish(SYSTEM_CLOCK.now_ns())
    door.start()
    try:
        yield door
    finally:
        door.stop()
        assert door.counts().seats == 0
        assert not door.path.exists()


@asynccontextmanager
async def seated(state_dir: Path, role: SeatRole = SeatRole.TRADER) -> AsyncIterator[RemoteSeat]:
    seat = RemoteSeat(state_dir, role)
    await asyncio.to_thread(seat.start)
    try:
        yield seat
    finally:
        await asyncio.to_thread(seat.stop)


def same(desk: Desk, seat: RemoteSeat) -> bool:
    return all(seat.view(topic).rows == desk.view(topic).rows for topic in Topic)


def say_much(desk: Desk) -> None:
    """40 kB that every seat is shown."""
    now_ns = SYSTEM_CLOCK.now_ns()
    for number in range(20):
        desk.views.alert(now_ns, "info", f"{number} ".ljust(2_000, "."))
    desk.views.publish(now_ns)


@dataclass
class Raw:
    """A seat that says and reads what the test wants, no more: the kernel's socket and the frames on it."""

    socket: socket.socket
    frames: wire.Frames

    def say(self, message: wire.FromSeat) -> None:
        self.socket.sendall(wire.frame(message))

    async def hear(self) -> list[wire.FromDesk]:
        """What has come by now, at least one message; raises EOFError at the end."""
        loop = asyncio.get_running_loop()
        found: list[wire.FromDesk] = []
        while not found:
            data = await asyncio.wait_for(loop.sock_recv(self.socket, 65_536), 5)
            if not data:
                raise EOFError
            found = [wire.decode_from_desk(body) for body in self.frames.feed(data)]
        return found

    async def next(self, kind: type[_Message]) -> _Message:
        while True:
            for message in await self.hear():
                if isinstance(message, kind):
                    return message


@contextmanager
def raw_seat(door: Door, role: SeatRole | None = SeatRole.TRADER) -> Iterator[Raw]:
    with socket.socket(socket.AF_UNIX) as connected, address(door.path) as name:
        connected.connect(name)
        connected.setblocking(False)
        raw = Raw(connected, wire.Frames())
        if role is not None:
            raw.say(wire.Hello(wire.VERSION, role))
        yield raw


# --- sitting down ---------------------------------------------------------------------------------------------------


async def test_a_seat_is_whole_within_a_second_and_every_change_reaches_it(state_dir: Path) -> None:
    async with practice(state_dir, user="ann") as at:
        desk = at.desk
        await desk.edit_lists(AddSymbols(name="majors", symbols=(Watched(source="", symbol="ESZ6"),)))
        with opened(desk, state_dir) as door:
            mode = door.path.stat().st_mode
            assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
            assert stat.S_IMODE(door.path.parent.stat().st_mode) == 0o700
            started = time.monotonic()
            async with seated(state_dir) as first, seated(state_dir, SeatRole.VIEWER) as second:
                took_s = time.monotonic() - started
                assert first.away == second.away == ""
                assert {len(seat.view(Topic.ACCOUNTS).rows) for seat in (first, second)} == {21}
                for number in range(6):
                    await at.leader(-2 if number % 2 else +2)
                    await until(lambda: same(desk, first) and same(desk, second), 5)
                await at.settled(5)
                await until(lambda: len(first.view(Topic.COPIES).rows) == 120, 5)
                await until(lambda: same(desk, first) and same(desk, second), 5)
                assert len(first.view(Topic.WATCHLISTS).rows) == 1
                assert door.counts().subscriptions == 2 * len(Topic)
            await until(lambda: door.counts() == NOBODY, 5)
        assert took_s <= 2 * 1.0, f"two seats took {took_s:.2f} s"


async def test_a_stale_socket_is_replaced_a_living_desks_is_refused_and_a_long_path_is_no_matter(
    desk: Desk, state_dir: Path
) -> None:
    far = state_dir / ("a" * 90) / "state"
    place = socket_of(far)
    place.parent.mkdir(parents=True)
    with address(place) as name, socket.socket(socket.AF_UNIX) as dead:
        dead.bind(name)  # nobody listens any more
    with opened(desk, far):
        async with seated(far) as seat:
            assert seat.view(Topic.STATUS).rows
        again = Door(far, "other", ThreadSeat(desk, asyncio.get_running_loop()), desk.tap)
        with pytest.raises(DoorRefused, match=r"a desk that runs answers at .* set another state_dir"):
            again.start()
        async with seated(far) as seat:
            await until(lambda: same(desk, seat), 5)
    place.write_text("somebody's notes")
    with pytest.raises(DoorRefused, match=r"is not a socket; move it away"):
        again.start()


def test_without_a_desk_a_seat_says_so_in_one_sentence(state_dir: Path) -> None:
    with pytest.raises(NoDesk, match="No desk runs here; start it with `copydesk` or `copydesk engine`"):
        RemoteSeat(state_dir).start()


async def test_what_is_no_seat_is_told_so_and_harms_nobody(desk: Desk, state_dir: Path) -> None:
    with opened(desk, state_dir) as door:
        async with seated(state_dir) as seat:
            with raw_seat(door, None) as other:
                other.say(wire.Hello(99, SeatRole.TRADER))
                assert "version 1 of the seat protocol and this seat 99" in (await other.next(wire.Bye)).reason
            with raw_seat(door, None) as other:
                other.say(wire.Hello(wire.VERSION, SeatRole.TRADER, "of a copydesk with another field"))
                assert "another copydesk than the desk" in (await other.next(wire.Bye)).reason
            with raw_seat(door, None) as other:
                other.say(wire.Follow((Topic.STATUS,)))
                assert (await other.next(wire.Bye)).reason == "seats: a seat begins with its greeting."
            for rubbish in (b"\x00\x00\x00\x04rub!", b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"):
                with raw_seat(door, None) as other:
                    other.socket.sendall(rubbish)
                    assert "not the seat protocol" in (await other.next(wire.Bye)).reason
            await until(lambda: door.counts().seats == 1, 5)
            say_much(desk)
            await until(lambda: same(desk, seat), 5)


# --- commands -------------------------------------------------------------------------------------------------------


async def test_every_command_is_the_desks_own_and_its_refusals_travel(state_dir: Path) -> None:
    async with practice(state_dir, user="ann") as at:
        desk = at.desk
        with opened(desk, state_dir) as door:
            async with seated(state_dir) as seat:
                assert await seat.toggle(FOLLOWER) == f"{FOLLOWER} is off: copies to it stop."
                assert not desk.core.followers[FOLLOWER].enabled
                assert "on: it joins the next trade" in await seat.toggle(FOLLOWER)
                with pytest.raises(CommandRefused, match="account: there is no DEMO103; did you mean DEMO10"):
                    await seat.toggle("DEMO103")
                assert "now copies" in await seat.set_rule(FOLLOWER, "fixed", "2")
                assert "late is never" in await seat.set_group("main", "late", "never")
                await seat.guard(FOLLOWER, Guard.HALT)
                await seat.guard(FOLLOWER, Guard.NONE)
                with pytest.raises(CommandRefused, match="contract"):
                    await seat.acknowledge("nothing")
                await at.leader(+2)
                await at.settled(5)
                assert await seat.open_positions() == await desk.open_positions() > 1
                assert FOLLOWER in await seat.why(FOLLOWER)
                plan = await seat.resync("all")
                assert replace(plan, seconds=0.0) == replace(await desk.resync("all"), seconds=0.0)
                assert (await seat.resync("all", plan)).sent
                ticket = Ticket(target=FOLLOWER, side=Side.BUY, qty=1, symbol="ESH4")
                shown = await seat.place(ticket)
                assert [line.refused for line in shown.lines] == [""]
                assert (await seat.place(ticket, shown)).lines[0].outcome.startswith("filled 1")
                with pytest.raises(CommandRefused, match="sent already"):
                    await seat.place(ticket, shown)
                with pytest.raises(CommandRefused, match="order: 1 does not work on"):
                    await seat.move(FOLLOWER, "1", Decimal(4800))
                with pytest.raises(CommandRefused, match="order: nothing works on"):
                    await seat.cancel(FOLLOWER)
                found = await seat.find_symbols("ESZ6")
                assert found == await desk.find_symbols("ESZ6") and found
                added = await seat.edit_lists(AddSymbols(name="mine", symbols=(Watched(source="", symbol="ESZ6"),)))
                assert "mine" in added
                out = state_dir / "copies.csv"
                assert "copies written to" in await seat.export("copies", os.path.relpath(out))
                assert out.read_text().count("\n") > 20
                result = await seat.flatten(FOLLOWER)
                assert result.flat == (FOLLOWER,) and not result.not_flat
                login = desk.core.config.connections[0]
                listed = await seat.login_accounts(login.connection)
                assert listed == await desk.login_accounts(login.connection) and listed.accounts
                with pytest.raises(CommandRefused, match="account: the login has no NOBODY"):
                    await seat.add_accounts(login.connection, ["NOBODY"], Chosen())
                killed = await seat.kill()
                assert not killed.not_flat
                assert desk.core.config.guard is Guard.HALT
                await until(lambda: door.counts().asked == 0, 5)


async def test_a_viewer_sees_all_asks_what_it_likes_and_changes_nothing(desk: Desk, state_dir: Path) -> None:
    with opened(desk, state_dir):
        async with seated(state_dir, SeatRole.VIEWER) as seat:
            await until(lambda: same(desk, seat), 5)
            assert await seat.open_positions() == 0
            await until(lambda: bool(desk.watching.find("ESZ6", 1)), 5)  # they are listed once the desk is open
            assert await seat.find_symbols("ESZ6")
            before = desk.core.config
            secret = Credentials(username="ann", password="s3cret-of-ann")
            asked: list[tuple[str, Callable[[], Any]]] = [
                ("toggle", lambda: seat.toggle(FOLLOWER)),
                ("set_rule", lambda: seat.set_rule(FOLLOWER, "fixed", "2")),
                ("set_group", lambda: seat.set_group("main", "late", "never")),
                ("guard", lambda: seat.guard("all", Guard.HALT)),
                ("acknowledge", lambda: seat.acknowledge("ESZ6")),
                ("chart", lambda: seat.chart("ESZ6")),
                ("kill", seat.kill),
                ("flatten", lambda: seat.flatten("all")),
                ("resync", lambda: seat.resync("all")),
                ("place", lambda: seat.place(Ticket(target=FOLLOWER, side=Side.BUY, qty=1))),
                ("move", lambda: seat.move(FOLLOWER, "1", Decimal(4800))),
                ("cancel", lambda: seat.cancel("all")),
                ("try_login", lambda: seat.try_login(LOGIN, secret, ())),
                ("add_login", lambda: seat.add_login(LOGIN, secret, (), Chosen())),
                ("login_accounts", lambda: seat.login_accounts("ann")),
                ("add_accounts", lambda: seat.add_accounts("ann", ("X",), Chosen())),
                ("set_size", lambda: seat.set_size("main", Rule(), None)),
                ("lead", lambda: seat.lead(FOLLOWER, "main")),
                ("follow", lambda: seat.follow(FOLLOWER, "main")),
                ("unfollow", lambda: seat.unfollow(FOLLOWER)),
                ("remove_account", lambda: seat.remove_account(FOLLOWER)),
                ("arm_checklist", lambda: seat.arm_checklist("main", ())),
                ("arm", lambda: seat.arm((FOLLOWER,), ())),
                ("practice_logins", seat.practice_logins),
                ("edit_lists", lambda: seat.edit_lists(AddSymbols(name="mine", symbols=()))),
                ("edit_layouts", lambda: seat.edit_layouts(DeleteLayout(name="mine"))),
            ]
            assert {name for name, _ in asked} | wire.READS == set(wire.METHODS)
            for name, ask in asked:
                with pytest.raises(CommandRefused, match=f"^{name}: this seat is a viewer's, which changes nothing"):
                    await ask()
            assert desk.core.config == before


async def test_a_login_typed_at_a_far_seat_is_tried_and_its_secret_is_in_no_log(
    desk: Desk, state_dir: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "pass-phrase-of-ann-1947"
    with opened(desk, state_dir) as door:
        async with seated(state_dir) as seat:
            with pytest.raises(CommandRefused) as refused:
                await seat.try_login(LOGIN, Credentials(username="ann", password=secret), ())
            assert secret not in str(refused.value)
        with raw_seat(door) as other:  # a seat of another version may send what is none of ours
            arguments = wire.raw(({"connection": secret}, {"username": 7, "password": secret}, 3))
            other.say(wire.Ask(1, "try_login", arguments))
            said = await other.next(wire.Refusal)
            assert said.text == "try_login: what it was given is not what this desk takes."
    out, err = capfd.readouterr()
    assert secret not in out + err + caplog.text
    files = [path for path in state_dir.rglob("*") if path.is_file()]
    assert [path for path in files if secret.encode() in path.read_bytes()] == []


# --- seats that do not read, and seats that die ---------------------------------------------------------------------


async def test_a_seat_that_does_not_read_gets_the_newest_then_is_dropped_with_a_word_and_delays_nobody(
    desk: Desk, state_dir: Path
) -> None:
    with opened(desk, state_dir, patience_s=1.0) as door, raw_seat(door) as slow:
        slow.say(wire.Follow(tuple(Topic)))
        async with seated(state_dir) as quick:
            worst_s, started = 0.0, time.monotonic()
            while door.counts().dropped == 0:
                assert time.monotonic() - started < 30, "never dropped"
                say_much(desk)
                began = time.monotonic()
                await until(lambda: same(desk, quick), 5)
                worst_s = max(worst_s, time.monotonic() - began)
            assert worst_s < 1.0, f"the other seat waited {worst_s:.2f} s"
            had: set[Topic] = set()
            words: list[str] = []
            with pytest.raises(EOFError):
                while True:
                    for message in await slow.hear():
                        if isinstance(message, wire.Whole):
                            had.add(message.topic)
                        if isinstance(message, wire.Bye):
                            words.append(message.reason)
            assert words == ["seats: this seat read nothing for 1 s and was dropped."]
            assert had == set(Topic), "what it read at last is less than what it followed"
            await until(lambda: door.counts().seats == 1, 5)
            assert door.counts().dropped == 1
            say_much(desk)
            await until(lambda: same(desk, quick), 5)


async def test_a_seat_that_reads_again_is_at_the_newest_at_once(desk: Desk, state_dir: Path) -> None:
    """It is written at most what the kernel holds meanwhile, and then what it lacks, whole."""
    with opened(desk, state_dir, patience_s=60.0) as door, raw_seat(door) as slow:
        slow.say(wire.Follow(tuple(Topic)))
        async with seated(state_dir) as quick:
            for _ in range(10):
                say_much(desk)
                await until(lambda: same(desk, quick), 5)
        held: dict[Topic, tuple[int, Items]] = {}
        passed_over = 0

        def right() -> bool:
            return all(
                topic in held and held[topic][1] == wire.items_of(desk.view(topic))[1]
                for topic in set(Topic) - {Topic.STATUS}
            )

        ends = time.monotonic() + 5
        while not right():
            assert time.monotonic() < ends
            for message in await slow.hear():
                if isinstance(message, wire.Whole):
                    before = held.get(message.topic, (0, ()))[0]
                    passed_over += message.number > before + 1 and before > 0
                    held[message.topic] = message.number, wire.decode_rows(message.topic, message.rows)
                elif isinstance(message, wire.Changed):
                    number, rows = held[message.topic]
                    assert message.number == number + 1, "a gap"
                    fresh = wire.decode_rows(message.topic, message.rows)
                    held[message.topic] = message.number, patched(rows, message.runs, fresh)
        assert passed_over > 0, "it was never behind"


async def test_a_gap_in_the_numbers_makes_a_seat_ask_for_the_topic_anew(desk: Desk, state_dir: Path) -> None:
    with opened(desk, state_dir):
        async with seated(state_dir) as seat:
            say_much(desk)
            await until(lambda: len(seat.view(Topic.ALERTS).rows) == 20, 5)
            seat._numbers[Topic.ALERTS] -= 1  # as if a change had been lost
            say_much(desk)
            await until(lambda: len(seat.view(Topic.ALERTS).rows) == 40 and same(desk, seat), 5)


_A_SEAT = """
import sys, time
from pathlib import Path
from engine.remote import RemoteSeat
seat = RemoteSeat(Path(sys.argv[1]))
seat.start()
print("seated", flush=True)
time.sleep(60)
"""


async def test_a_seat_that_is_killed_leaves_nothing(desk: Desk, state_dir: Path) -> None:
    with opened(desk, state_dir) as door:
        command = [sys.executable, "-c", _A_SEAT, str(state_dir)]
        child = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert await asyncio.to_thread(child.stdout.readline) == b"seated\n"
        assert door.counts().seats == 1 and door.counts().subscriptions == len(Topic)
        assert sockets_at(door.path) == 2
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.stdout.close()
        await until(lambda: door.counts() == NOBODY, 5)
        await until(lambda: sockets_at(door.path) == 1, 5)


async def test_a_seat_says_that_the_desk_is_away_and_comes_back_with_it(desk: Desk, state_dir: Path) -> None:
    with opened(desk, state_dir):
        seat = RemoteSeat(state_dir)
        await asyncio.to_thread(seat.start)
        version = seat.view(Topic.STATUS).version
    try:
        await until(lambda: seat.away != "", 5)
        assert seat.away in (
            "The desk was closed.",
            "No desk runs here; start it with `copydesk` or `copydesk engine`.",
        )
        with pytest.raises(CommandRefused, match=r"^Not done: "):
            await seat.toggle(FOLLOWER)
        say_much(desk)
        with opened(desk, state_dir):
            await until(lambda: seat.away == "" and same(desk, seat), 5)
            assert seat.view(Topic.STATUS).version > version, "a pane would take it for what it painted"
            assert await seat.find_symbols("ESZ6")
    finally:
        await asyncio.to_thread(seat.stop)


# --- the market -----------------------------------------------------------------------------------------------------


def _event(kind: type[Any], at: int, **fields: Any) -> Any:
    return kind(source="test", symbol="ESUSDT", ts_ns=at, received_ns=time.time_ns(), **fields)


async def test_listeners_hear_the_newest_quote_depth_and_tape_and_what_nobody_wants_is_not_told(
    desk: Desk, state_dir: Path
) -> None:
    heard: list[wire.FromDesk] = []
    market = desk.market
    market.take(_event(SymbolListed, 1, tick_size=0.25, size_step=1.0))
    market.take(_event(DepthSnapshot, 1, bids=((4800.0, 5.0),), asks=((4800.25, 6.0),)))
    with opened(desk, state_dir) as door:
        link = await connect(door.path, LISTENER, heard.append)
        for kind in MarketKind:
            link.say(wire.Listen(kind, ("esusdt",)))
        link.say(wire.Listen(MarketKind.QUOTE, ("NOTHING",)))

        def told(kind: MarketKind, symbol: str = "ESUSDT") -> list[Shown]:
            messages = [m for m in heard if isinstance(m, wire.Told) and (m.kind, m.symbol) == (kind, symbol)]
            return [wire.decode_shown(message) for message in messages]

        def newest() -> bool:
            """What was told last is what panes would be shown."""
            shown = {MarketKind.QUOTE: market.top, MarketKind.DEPTH: market.book, MarketKind.TAPE: market.tape}
            return all((known := told(kind)) and known[-1] == of("ESUSDT") for kind, of in shown.items())

        await until(newest, 5)
        await until(lambda: told(MarketKind.QUOTE, "NOTHING") == [None], 5)
        for number in range(100):
            market.take(_event(Trade, 2 + number, price=4800.25, size=float(1 + number), aggressor=Aggressor.BUY))
        await until(newest, 5)
        tape = market.tape("ESUSDT")
        assert tape is not None and tape.trades == 100
        assert len(told(MarketKind.TAPE)) < 20, "a hundred trades of a moment are one message"
        link.say(wire.Unlisten(MarketKind.QUOTE, ("ESUSDT", "NOTHING")))
        link.say(wire.Unlisten(MarketKind.DEPTH, ("ESUSDT",)))
        await until(lambda: door.counts().wanted == 1, 5)
        assert set(desk.tap.wanted) == {(MarketKind.TAPE, "ESUSDT")}
        before = len(told(MarketKind.QUOTE))
        link.say(wire.Listen(MarketKind.QUOTE, ("ESUSDT",)))
        await until(lambda: len(told(MarketKind.QUOTE)) > before, 5)
        link.close()
        await until(lambda: door.counts() == NOBODY and not desk.tap.wanted, 5)


async def test_more_symbols_than_a_frame_may_cost_are_refused_in_one_sentence(desk: Desk, state_dir: Path) -> None:
    heard: list[wire.FromDesk] = []
    with opened(desk, state_dir) as door:
        link = await connect(door.path, LISTENER, heard.append)
        link.say(wire.Listen(MarketKind.QUOTE, tuple(f"S{number}" for number in range(201))))
        await until(lambda: any(isinstance(m, wire.NotTold) for m in heard), 5)
        (refusal,) = [m for m in heard if isinstance(m, wire.NotTold)]
        assert refusal.symbol == "S200" and "200 symbols are listened to already" in refusal.reason
        assert door.counts().wanted == 200
        link.close()
