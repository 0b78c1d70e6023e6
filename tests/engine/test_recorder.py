"""T-REPLAY: what the core was given is in the session's file before the core handles it, and replays to the same."""

import asyncio
import os
import resource
import signal
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine import planner
from engine.recorder import Recorder
from engine.replay import Replayed, replay
from engine.session import FRAME, INPUT, TICK, Ended, Header, SessionRefused, Torn, read, sessions
from schema.clock import SYSTEM_CLOCK
from schema.records import RejectClass, Rule
from schema.settings import Settings
from tests.engine.table import LEADER, Table

SESSION = "0123456789abcdef"


def settings_of(state_dir: Path, **values: int) -> Settings:
    return Settings(state_dir=state_dir, **values)  # type: ignore[arg-type]


class RecordedTable(Table):
    """A practice table whose core's inputs are recorded as the desk records them."""

    def __init__(self, recorder: Recorder, followers: int = 3) -> None:
        self.recorder = recorder
        super().__init__({f"DEMO{1001 + number}": Rule() for number in range(followers)})

    def feed(self, event: ev.AnyInput) -> None:
        if "process" not in vars(self.core):
            self.core.process = partial(self._recorded, self.core.process)  # type: ignore[method-assign]
        super().feed(event)

    def _recorded(self, process: Callable[[ev.AnyInput], list[ev.AnyEffect]], event: ev.AnyInput) -> list[ev.AnyEffect]:
        self.recorder.input(event)
        effects = process(event)
        self.recorder.decided(effects)
        return effects

    def trade(self, times: int = 5) -> None:
        """Entries, exits, a reject and a lost answer, with ticks between."""
        for number in range(times):
            self.leader(2 if number % 2 == 0 else -2)
            for order in self.take():
                if number == 1 and order.account == "DEMO1001":
                    self.reject(order, RejectClass.OTHER)
                elif not (number == 3 and order.account == "DEMO1002"):
                    self.execute(order)
            self.passes(4, ticks=80)
            self.recorder.flush()


@contextmanager
def recorded_table(state_dir: Path, **values: int) -> Iterator[RecordedTable]:
    recorder = Recorder.open(settings_of(state_dir, **values), SYSTEM_CLOCK, SESSION)
    table = RecordedTable(recorder)
    yield table
    recorder.close()


def test_a_session_replays_to_the_same_decisions(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        table.trade()
    found = replay(table.recorder.path)
    assert found.same and found.closed and found.unrecorded == 0 and found.notes == ()
    assert found.inputs == table.core.seq == table.recorder.seq
    assert found.decisions > 15
    assert found.ended_ns == table.now_ns


def test_every_input_and_event_there_is_can_be_recorded_and_read() -> None:
    """The kinds are found, not listed: one that is new is recorded without a change here."""
    from engine.session import _decoders, _leaves  # pyright: ignore[reportPrivateUsage]

    kinds = [*_leaves(ev.Input), *_leaves(venue.Event)]
    assert {ev.Tick, ev.Committed, ev.Recovered, venue.Filled, venue.StreamUp} <= set(kinds)
    names = [kind.__name__ for kind in kinds]
    assert len(set(names)) == len(names)
    assert msgspec.inspect.type_info(_decoders()[1].type) is not None


def test_the_input_is_in_the_file_before_the_core_handles_it(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        told: list[int] = []
        handle = table.core._handlers[venue.Filled]

        def handling(event: venue.Filled) -> None:
            told.append(sum(isinstance(frame, venue.Filled) for frame in read(table.recorder.path)))
            handle(event)

        table.core._handlers[venue.Filled] = handling
        table.leader(1)
        table.execute_all()
    assert told == [1, 2, 3, 4]


def test_another_planner_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded_table(tmp_path) as table:
        table.trade()
    right = planner.target_net
    monkeypatch.setattr(planner, "target_net", lambda rule, scale, net: right(rule, scale, net) + (1 if net else 0))
    found = replay(table.recorder.path)
    first = found.differences[0]
    assert not found.same
    assert (first.input, first.follower) == ("Filled", "DEMO1001")
    assert (first.recorded, first.now) == ("buy 2 ESH4 to +2 (held +0)", "buy 3 ESH4 to +3 (held +0)")


def test_another_configuration_is_found_out(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        table.trade()
    mutate_rules(table.recorder.path, "DEMO1002", Rule(value=Decimal("0.5")))
    found = replay(table.recorder.path)
    assert found.differences[0].follower == "DEMO1002"
    assert {difference.follower for difference in found.differences if difference.follower} == {"DEMO1002"}


def mutate_rules(path: Path, follower: str, rule: Rule) -> None:
    """Rewrite a session as if the follower had had another rule."""
    whole, place, parts = path.read_bytes(), 0, list[bytes]()
    while place < len(whole):
        kind, length = FRAME.unpack_from(whole, place)
        place += FRAME.size
        body = b"" if kind == TICK else whole[place : place + length]
        place += len(body)
        if kind.islower():
            kind, body = kind.upper(), zlib.decompress(body)
            length = len(body)
        if kind == INPUT and msgspec.msgpack.decode(body)["type"] == "ConfigLoaded":
            event = msgspec.msgpack.decode(body, type=ev.ConfigLoaded)
            followers = tuple(replace(f, rule=rule) if f.account == follower else f for f in event.config.followers)
            body = msgspec.msgpack.encode(replace(event, config=replace(event.config, followers=followers)))
            length = len(body)
        parts.append(FRAME.pack(kind, length) + body)
    path.write_bytes(b"".join(parts))


def test_a_large_reading_is_packed_and_comes_back_as_it_was(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        for _ in range(100):
            table.leader(1, tell=False)
            table.leader(-1, tell=False)
        reading = ev.SnapshotRead(
            at_ns=table.now_ns, connection=f"at-{LEADER}", snapshot=table.snapshot(LEADER), asked_seq=1
        )
        before = table.recorder.path.stat().st_size
        table.recorder.input(reading)
        size = table.recorder.path.stat().st_size - before
    assert size < len(msgspec.msgpack.encode(reading)) / 4
    assert reading in list(read(table.recorder.path))


def test_a_core_that_breaks_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded_table(tmp_path) as table:
        table.trade()
    monkeypatch.setattr("engine.answers.sent", lambda core, event: 1 // 0)
    found = replay(table.recorder.path)
    assert not found.same
    assert found.differences[-1].now.startswith("the core broke: ZeroDivisionError")


@pytest.mark.parametrize("cut", [1, 3, 6, 100, 1000])
def test_a_torn_end_is_said_and_all_before_it_replayed(tmp_path: Path, cut: int) -> None:
    with recorded_table(tmp_path) as table:
        table.trade()
    whole = table.recorder.path.read_bytes()
    table.recorder.path.write_bytes(whole[:-cut])
    found = replay(table.recorder.path)
    assert found.same and not found.closed
    assert 0 < found.inputs <= table.core.seq
    torn = [frame for frame in read(table.recorder.path) if isinstance(frame, Torn)]
    assert len(found.notes) == len(torn) <= 1


def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        table.trade()
    path, whole = table.recorder.path, table.recorder.path.read_bytes()
    for bad in (b"X" + whole[1:], whole[: len(whole) // 2] + b"\xff" * 400 + whole[len(whole) // 2 :], b"", b"\0" * 99):
        path.write_bytes(bad)
        with pytest.raises(SessionRefused) as refused:
            found = replay(path)
            raise AssertionError(found)
        assert str(refused.value).startswith(path.name) and str(refused.value).endswith(".")


def test_only_the_trader_may_read_it(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        mode = table.recorder.path.stat().st_mode
        folder = table.recorder.path.parent.stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(folder) == 0o700


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    """The kernel refuses to let the file grow, as a full disk would: in a process of its own, which it binds."""
    code = (
        "import sys; from pathlib import Path; from tests.engine import test_recorder\n"
        "test_recorder.trade_on_a_small_disk(Path(sys.argv[1]))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("session recording ended, copying goes on: ")
    path = sessions(tmp_path)[0]
    found = replay(path)
    assert found.same and not found.closed and found.inputs > 10


def trade_on_a_small_disk(state_dir: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_001, 20_001))
    with recorded_table(state_dir) as table:
        table.trade(9)
        assert table.holds("DEMO1003") == 2
        assert table.recorder.path.stat().st_size == 20_001
        print(table.recorder.trouble)


def test_a_session_at_its_cap_ends_and_says_so(tmp_path: Path) -> None:
    with recorded_table(tmp_path, sessions_mb=1) as table:
        table.trade(400)
        assert table.holds("DEMO1003") == 0
    assert "1 MB that sessions_mb allows" in table.recorder.trouble
    assert 900_000 < table.recorder.path.stat().st_size <= 1 << 20
    assert replay(table.recorder.path).same


def test_a_state_directory_that_cannot_be_written_is_said_not_raised(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("in the way")
    with recorded_table(tmp_path) as table:
        table.trade()
    assert table.recorder.trouble.startswith("session recording ended, copying goes on: ")
    assert table.holds("DEMO1003") == 2


def test_old_sessions_go_and_new_ones_stay(tmp_path: Path) -> None:
    paths: list[Path] = []
    for number in range(3):
        recorder = Recorder(tmp_path / "sessions" / f"2026010{number}-000000-aaaaaaaa.inputs", 1 << 20)
        recorder.close()
        paths.append(recorder.path)
    old_s = time.time() - 31 * 86_400
    os.utime(paths[0], (old_s, old_s))
    Recorder.open(settings_of(tmp_path, sessions_days=30), SYSTEM_CLOCK, SESSION).close()
    assert [path for path in paths if path.exists()] == paths[1:]
    paths[1].write_bytes(b"x" * (1 << 20))
    newest = Recorder.open(settings_of(tmp_path, sessions_mb=1), SYSTEM_CLOCK, "f" * 32)
    newest.close()
    assert not paths[1].exists() and newest.path.exists()


async def test_the_desk_is_told_when_recording_ends(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("in the way")
    recorder = Recorder.open(settings_of(tmp_path), SYSTEM_CLOCK, SESSION)
    said: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    running = asyncio.create_task(recorder.run(lambda *alert: said.put_nowait(alert)))
    level, text = await asyncio.wait_for(said.get(), 5)
    running.cancel()
    assert level == "warn" and text == recorder.trouble


def test_a_closed_session_says_how_it_began_and_that_it_ended(tmp_path: Path) -> None:
    with recorded_table(tmp_path) as table:
        table.trade(1)
    frames = list(read(table.recorder.path))
    assert isinstance(frames[0], Header) and isinstance(frames[-1], Ended)
    assert frames[0].limits == table.core.limits
    assert isinstance(replay(table.recorder.path), Replayed)
