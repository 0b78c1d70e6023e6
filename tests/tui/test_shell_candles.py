"""`copydesk backfill` and `copydesk candles` as a trader uses them: real commands, a real database, a real venue."""

import csv
import gzip
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from schema.records import Bar
from tests.engine.test_backfill_tape import MINUTE_NS, by_hand
from tests.tui.shell import ROOT, Shell, server_kept_up
from tui.demo import Sandbox

LONG_AGO = {"COPYDESK_TRADES_DAYS": "30000", "COPYDESK_BARS_DAYS": "30000"}
DAY = ("--from", "2023-12-25", "--to", "2023-12-26")


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """A state directory whose database holds what the tests of this module put there."""
    folder = Path(tempfile.mkdtemp(prefix="copydesk-test-"))
    folder.chmod(0o711)
    made = Shell(folder / "state")
    with server_kept_up(made.state_dir):
        yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def filled(shell: Shell, tape: Path) -> Shell:
    """With the recorded evening in it."""
    done = shell("backfill", "ESH4", "1m", *DAY, "--tape", str(tape), **LONG_AGO)
    assert done.returncode == 0, done.stderr
    return shell


def test_a_recorded_evening_is_filled_once_and_candles_come_out_as_they_are(filled: Shell, tape: Path) -> None:
    again = filled("backfill", "esh4", "1m", *DAY, "--tape", str(tape), **LONG_AGO)
    assert again.returncode == 0
    assert again.stdout == "ESH4 trades of tape: nothing is missing.\n60 1m candles built of trades.\n"
    expected = by_hand(tape, MINUTE_NS)
    shown = filled.does("candles", "ESH4", "1m").splitlines()
    assert len(shown) == 61 and shown[0].split() == ["start", "(UTC)", "open", "high", "low", "close", "volume"]
    assert shown[-1].split()[:3] == ["2023-12-25", "23:59:00", "4,810.25"]

    text = filled.does("candles", "ESH4", "1m", "--csv")
    assert text.endswith("\r\n") and text.count("\r\n") == text.count("\n") == 61
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["start"] for row in rows][:2] == ["2023-12-25T23:00:00.000000000Z", "2023-12-25T23:01:00.000000000Z"]
    assert [tuple(float(row[name]) for name in ("open", "high", "low", "close", "volume")) for row in rows] == [
        (bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in expected
    ]

    read = json.loads(filled.does("candles", "ESH4", "1m", "--json", "--limit", "7"))
    assert (read["source"], read["symbol"], read["interval"]) == ("tape", "ESH4", "1m")
    assert msgspec.convert(read["candles"], list[Bar]) == expected[-7:]
    since = json.loads(filled.does("candles", "ESH4", "1m", "--json", "--since", "2023-12-25T23:57"))
    assert msgspec.convert(since["candles"], list[Bar]) == expected[-3:]


def test_progress_is_plain_lines_where_there_is_no_terminal(shell: Shell, tape: Path) -> None:
    done = shell("backfill", "NQH4", "5m", *DAY, "--tape", str(tape), **LONG_AGO)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert lines[-1] == "NQH4 trades: 2,973 trades, 100%" and 1 < len(lines) <= 11
    assert "\x1b" not in done.stderr + done.stdout


def test_progress_is_a_bar_on_a_terminal(shell: Shell, tape: Path) -> None:
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "tui.cli", "backfill", "YMH4", "5m", *DAY, "--tape", str(tape)]
    running = subprocess.Popen(
        command, cwd=ROOT, env=shell.environment(**LONG_AGO, TERM="xterm"), stdout=subprocess.PIPE, stderr=child
    )
    os.close(child)
    seen = b""
    while running.poll() is None or select.select([parent], [], [], 0.1)[0]:
        if select.select([parent], [], [], 0.1)[0]:
            try:
                seen += os.read(parent, 65_536)
            except OSError:  # the other end is gone
                break
    os.close(parent)
    out, _ = running.communicate(timeout=10)
    assert running.returncode == 0
    assert "━" in seen.decode() and "100%" in seen.decode()
    assert b"\x1b" not in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("candles", "ESH4", "1x"), "interval '1x' is none; write one such as 1m, 4h, 500t, 1000v or 8r."),
        (("candles", "ESZ9", "1m"), "symbol: no 1m candles of ESZ9 are stored; `copydesk backfill ESZ9 1m --from DAY`"),
        (("candles", "ESH4", "1m", "--since", "noon"), "since: 'noon' is not a day or a time"),
        (("candles", "ESH4", "1m", "--csv", "--json"), "--csv, --json and --plot: write one of them."),
        (("backfill", "ESH4", "1m", "--from", "2026-01-02", "--to", "2026-01-01"), "to: 2026-01-01 is not after"),
        (
            ("backfill", "ESH4", "1m", "--from", "1999-01-01"),
            "from: 1999-01-01 is longer ago than the 1825 days of bar",
        ),
        (
            ("backfill", "ESH4", "9t", "--from", "2026-01-02", "--trades"),
            "interval: candles of 9t can't be built of tr",
        ),
        (("backfill", "ESH4", "1m", "--from", "2026-01-02"), "source: no login tells candles; add one at projectx"),
        (
            ("backfill", "ESH4", "1m", "--from", "2026-01-02", "--source", "mars"),
            "source: mars tells no candles; write binance.",
        ),
        (("backfill", "ESH4", "1m", "--from", "2026-11-20", "--tape", "/nowhere"), "tape: there is no file /nowhere"),
        (("backfill", "ESH4", "1m", "--from", "2026-1-2", "--tape", "x", "--source", "y"), "--source and --tape"),
    ],
)
def test_a_mistake_gets_one_sentence_that_names_the_field(
    shell: Shell, arguments: tuple[str, ...], sentence: str
) -> None:
    assert shell.refuses(*arguments).startswith(sentence)


def test_a_file_that_is_no_tape_is_refused_with_its_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "t.gz").write_bytes(b"no gzip")
    done = shell("backfill", "CLF4", "1m", *DAY, "--tape", str(tmp_path / "t.gz"), **LONG_AGO)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith(f"tape: {tmp_path}/t.gz, line 1: can't be read")


def test_several_sources_are_asked_which(filled: Shell, tape: Path) -> None:
    """A login at a real door, with the same contract as the tape: its own candles, apart from the tape's."""
    folder = filled.state_dir.parent / "venue"
    folder.mkdir()
    logins = [
        {"username": "boss", "accounts": ["DEMO1"]},
        {"username": "px", "accounts": ["DEMO2"], "venue": "projectx", "password": "canary-key"},
    ]
    (folder / "logins.json").write_text(json.dumps(logins))
    options = ("--tape", str(tape), "--speed", "1000", "--limit", "projectx.bars=0")
    sandbox = Sandbox(folder, "--accounts", str(folder / "logins.json"), *options)
    try:
        url = sandbox.ready["venues"]["projectx"]["rest"]
        filled.does(
            "accounts", "add", "px", "--venue", "projectx", "--rest-url", url, "--leader", "DEMO2",
            password="canary-key",
        )  # fmt: skip
        ends = time.monotonic() + 30
        while sandbox.control.order("state")["market_ns"] < by_hand(tape, MINUTE_NS)[-1].start_ns:
            assert time.monotonic() < ends
            time.sleep(0.05)  # the venue is another process
        hour = ("--from", "2023-12-25T23:00", "--to", "2023-12-25T23:59")
        for source in ((), ("--source", "px"), ("--source", "projectx")):
            done = filled("backfill", "ESH4", "1m", *hour, *source, **LONG_AGO)
            assert done.returncode == 0, done.stderr
            expected = "59 candles told, 59 new, in 1 page." if not source else "nothing is missing."
            assert done.stdout == f"ESH4 1m of projectx: {expected}\n"
        asked = filled.refuses("candles", "ESH4", "1m")
        assert asked == "source: ESH4 has 1m candles of projectx, tape; add --source projectx."
        read = json.loads(filled.does("candles", "ESH4", "1m", "--json", "--source", "projectx"))
        assert msgspec.convert(read["candles"], list[Bar]) == by_hand(tape, MINUTE_NS)[:-1]
        done = filled("backfill", "ESH4", "1m", *hour, "--source", "nobody", **LONG_AGO)
        assert done.stderr == "source: nobody tells no candles; write px, projectx, binance.\n"
        done = filled("backfill", "XXX", "1m", *hour, **LONG_AGO)
        assert done.returncode == 1 and done.stderr.startswith("symbol: ") and len(done.stderr.splitlines()) == 1
        done = filled("backfill", "ESH4", "1m", *hour, "--trades", **LONG_AGO)
        assert done.returncode == 1 and "tells no trades of the past; leave --trades out." in done.stderr
        _of_tradovate(filled, sandbox.ready["venues"]["tradovate"], hour, tape)
        _ctrl_c(filled, sandbox, int(url.rpartition(":")[2]))
        kept = (filled.state_dir / "copydesk.log").read_text() + json.dumps(filled.dump())
        assert "canary" not in kept
    finally:
        sandbox.stop()


def _of_tradovate(shell: Shell, place: dict[str, Any], hour: tuple[str, ...], tape: Path) -> None:
    """Its charts, its ticks, and the one held against the other."""
    at = ("--rest-url", place["rest"], "--ws-url", place["ws"], "--md-url", place["md"])
    secret = place["logins"][0]["password"]
    shell.does("accounts", "add", "boss", "--venue", "tradovate", *at, "--leader", "DEMO1", password=secret)
    asked = shell("backfill", "ESH4", "1m", *hour, **LONG_AGO).stderr
    assert asked == "source: several logins tell candles; add --source boss.\n"
    done = shell("backfill", "ESH4", "1m", *hour, "--source", "boss", "--trades", **LONG_AGO)
    assert done.returncode == 0, done.stderr
    candles, trades, checked = done.stdout.splitlines()
    assert candles == "ESH4 1m of tradovate: 59 candles told, 59 new, in 1 page."
    assert re.fullmatch(r"ESH4 trades of tradovate: ([\d,]+) trades told, \1 new, in 1 page\.", trades)
    assert checked == "59 1m candles built of trades; 59 held against the venue's own, all the same."
    read = json.loads(shell.does("candles", "ESH4", "1m", "--json", "--source", "tradovate"))
    assert msgspec.convert(read["candles"], list[Bar]) == by_hand(tape, MINUTE_NS)[:-1]
    assert secret not in (shell.state_dir / "copydesk.log").read_text() + json.dumps(shell.dump())


def _ctrl_c(shell: Shell, sandbox: Sandbox, port: int) -> None:
    """Ctrl+C while the venue does not answer ends at once; then the same command works."""
    arguments = ("backfill", "ESH4", "15m", "--from", "2023-12-25T23:00", "--to", "2023-12-25T23:30", "--source", "px")
    sandbox.control.order("hang", seconds=60)
    command = [sys.executable, "-m", "tui.cli", *arguments]
    stopped = subprocess.Popen(
        command, cwd=ROOT, env=shell.environment(**LONG_AGO), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    ends = time.monotonic() + 20
    while not any(each.raddr and each.raddr.port == port for each in psutil.Process(stopped.pid).net_connections()):
        assert stopped.poll() is None and time.monotonic() < ends
        time.sleep(0.02)  # the command is another process
    stopped.send_signal(signal.SIGINT)
    out, error = stopped.communicate(timeout=8)
    assert (stopped.returncode, out, error) == (130, "", "Stopped.\n")
    sandbox.control.order("clear")
    done = shell(*arguments, **LONG_AGO)
    assert (done.returncode, done.stdout) == (0, "ESH4 15m of projectx: 2 candles told, 2 new, in 1 page.\n")


def test_a_file_that_breaks_off_leaves_what_was_whole_and_the_same_command_goes_on(
    shell: Shell, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.csv.gz", tmp_path / "cut.csv.gz"
    with gzip.open(whole, "wt") as file:
        file.write("ts_utc,event,side,price,size\n")
        for number in range(4_000):
            file.write(f"2023-12-25T23:{number // 100:02}:{number % 100 // 2:02}.{number:09}Z,trade,buy,4800.25,1\n")
    cut.write_bytes(whole.read_bytes()[:-100])
    done = shell("backfill", "RTYH4", "1m", *DAY, "--tape", str(cut), **LONG_AGO)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"tape: {cut}, line ")
    assert "were told and what of them is complete is stored; run it again to go on." in done.stderr
    done = shell("backfill", "RTYH4", "1m", *DAY, "--tape", str(whole), **LONG_AGO)
    assert done.returncode == 0
    found = re.match(r"RTYH4 trades of tape: ([\d,]+) trades told, ([\d,]+) new, in", done.stdout)
    assert found is not None
    told, new = (int(text.replace(",", "")) for text in found.groups())
    assert 0 < new <= told < 4_000
    assert done.stdout.splitlines()[1] == "40 1m candles built of trades."


@pytest.mark.parametrize("width", [60, 100])
def test_a_drawing_is_as_wide_as_the_terminal_and_has_no_colours_when_told(filled: Shell, width: int) -> None:
    drawn = filled("candles", "ESH4", "1m", "--plot", "--source", "tape", COLUMNS=str(width), NO_COLOR="1")
    assert drawn.returncode == 0, drawn.stderr
    lines = drawn.stdout.splitlines()
    assert "ESH4 1m tape" in lines[0] and max(map(len, lines)) == width
    assert "\x1b" not in drawn.stdout and "┤" in drawn.stdout


def test_a_public_feed_is_asked_without_a_login(shell: Shell, tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, "--feed", "binance", "--leader-script", "off")
    try:
        at = sandbox.ready["venues"]["binance"]
        feeds = {"COPYDESK_BINANCE_REST_URL": at["rest"], "COPYDESK_BINANCE_WS_URL": at["ws"]}
        day = f"{datetime.now(UTC) - timedelta(minutes=30):%Y-%m-%dT%H:%M}"
        asking = ("backfill", "esusdt", "1m", "--from", day)
        first = shell(*asking, "--source", "binance", **feeds)
        assert re.fullmatch(r"ESUSDT 1m of binance: 3\d candles told, 3\d new, in 1 page\.\n", first.stdout), first
        again = shell(*asking, COPYDESK_FEEDS="binance", **feeds)  # the first feed of the settings has it
        assert re.match(r"ESUSDT 1m of binance: \d candles told", again.stdout), again
        read = json.loads(shell.does("candles", "ESUSDT", "1m", "--json", "--limit", "5"))
        assert read["source"] == "binance" and len(read["candles"]) == 5
        minutes = [f"{datetime.now(UTC) - timedelta(minutes=back):%Y-%m-%dT%H:%M}" for back in (12, 2)]
        both = shell(
            "backfill",
            "ESUSDT",
            "1m",
            "--from",
            minutes[0],
            "--to",
            minutes[1],
            "--trades",
            "--source",
            "binance",
            **feeds,
        )
        assert re.fullmatch(
            r"ESUSDT 1m of binance: nothing is missing\.\n"
            r"ESUSDT trades of binance: ([\d,]+) trades told, \1 new, in \d+ pages?\.\n"
            r"10 1m candles built of trades; 10 held against the venue's own, all the same\.\n",
            both.stdout,
        ), both
        unknown = shell("backfill", "ESUSD", "1m", "--from", day, "--source", "binance", **feeds)
        assert (unknown.returncode, "did you mean ESUSDT?" in unknown.stderr) == (1, True)
    finally:
        sandbox.stop()
