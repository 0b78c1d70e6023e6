"""`copydesk health` from another process: a desk that runs with a feed, one that has stopped saying, and none."""

import json
import os
import re
from pathlib import Path

import msgspec

from engine import health
from engine.thread import EngineThread
from schema.lock import StateDirLock
from schema.settings import Settings
from tests.practice import wait_for
from tests.tui.shell import Shell
from tui.demo import Sandbox

FIELDS = {
    "source", "ws_state", "last_msg_age_ms", "reconnects", "gaps", "dropped", "catchup_candles_total", "lag_ms",
}  # fmt: skip


def test_health_shows_the_running_desk_and_each_of_its_feeds(state_dir: Path) -> None:
    state_dir.mkdir(parents=True)
    sandbox, shell = Sandbox(state_dir, "--feed", "binance"), Shell(state_dir)
    try:
        at = sandbox.ready["venues"]["binance"]
        assert at["symbols"] == ["ESUSDT", "MESUSDT"] and at["logins"] == []
        settings = Settings(
            state_dir=state_dir,
            feeds=("binance",),
            binance_symbols=("ESUSDT",),
            binance_ws_url=at["ws"],
            binance_rest_url=at["rest"],
        )
        with StateDirLock(state_dir):
            engine = EngineThread(settings)
            engine.start()
            try:
                wait_for(lambda: _state(state_dir) == "up", 20.0)
                done = shell("health", "--json")
                assert (done.returncode, done.stderr) == (0, "")
                said = json.loads(done.stdout)
                assert (said["ok"], said["running"], said["desk"]["pid"]) == (True, True, os.getpid())
                assert 0 <= said["age_ms"] < 5_000
                (feed,) = said["feeds"]
                assert set(feed) == FIELDS
                assert (feed["source"], feed["ws_state"], feed["gaps"], feed["dropped"]) == ("binance", "up", 0, 0)
                assert 0 <= feed["last_msg_age_ms"] < 5_000
                shown = shell.does("health")
                assert f"pid {os.getpid()}" in shown and "binance: up, last message" in shown
                wait_for(lambda: _trades(state_dir, "ESUSDT") > 0, 20.0)
                assert re.search(
                    r"^ESUSDT of binance: \d+ trades, 0 kept off the candles, .* no lies$", shell.does("health"), re.M
                )
                sandbox.control.order("disconnect", login="binance", refuse_s=30)
                wait_for(lambda: _state(state_dir) in ("down", "connecting"), 20.0)
                done = shell("health", "--json")
                assert (done.returncode, json.loads(done.stdout)["ok"]) == (1, False)
            finally:
                engine.stop()
            _say_as_of(state_dir, 0)  # a desk that hangs still holds its lock, and writes no more
            done = shell("health", "--json")
            assert done.returncode == 1
            assert json.loads(done.stdout)["age_ms"] > 5_000
    finally:
        sandbox.stop()
    done = shell("health", "--json")
    assert (done.returncode, json.loads(done.stdout)["running"], json.loads(done.stdout)["desk"]) == (1, False, None)
    assert shell("health").stdout == "no desk is running here\n"


def _state(state_dir: Path) -> str:
    report = health.read(state_dir)
    return report.feeds[0].ws_state if report is not None and report.feeds else ""


def _trades(state_dir: Path, symbol: str) -> int:
    report = health.read(state_dir)
    return sum(each.trades for each in report.markets if each.symbol == symbol) if report is not None else 0


def _say_as_of(state_dir: Path, at_ns: int) -> None:
    report = health.read(state_dir)
    assert report is not None
    (state_dir / health.FILE_NAME).write_bytes(msgspec.json.encode(msgspec.structs.replace(report, at_ns=at_ns)))
