"""`copydesk demo` as a process: one desk to a state directory, and no secret in anything it leaves behind."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import msgspec
import pytest

from brokers.adapter import Credentials
from engine.export import WHAT
from schema.lock import holder
from tests.tui.shell import ROOT, TOKEN, Shell
from tui.demo import VENUES, Sandbox

SEED = "7"


@pytest.fixture
def canaries(state_dir: Path) -> list[bytes]:
    """The passwords a demo of this seed logs in with; and proof that its tokens look as we look for them."""
    state_dir.mkdir(parents=True)
    sandbox = Sandbox(state_dir, "--seed", SEED)
    try:
        logins = sandbox.ready["logins"]
        body = {"name": logins[0]["username"], "password": logins[0]["password"]}
        request = Request(sandbox.ready["rest"] + "/auth/accesstokenrequest", msgspec.json.encode(body))
        request.add_header("Content-Type", "application/json")
        with urlopen(request) as answer:
            said = json.load(answer)
        assert TOKEN.fullmatch(said["accessToken"].encode()) and TOKEN.fullmatch(said["mdAccessToken"].encode())
        return [str(login["password"]).encode() for login in logins]
    finally:
        sandbox.stop()


@pytest.fixture
def demo(state_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "tui.cli", "demo", "--headless", "--seconds", "8", "--seed", SEED, "--json"]
    environment = Shell(state_dir).environment()
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    yield process
    if process.poll() is None:
        process.send_signal(2)
    process.communicate(timeout=20)


def test_a_tape_that_cannot_be_played_is_refused(state_dir: Path) -> None:
    shell, tape = Shell(state_dir), Path(__file__)
    said = shell.refuses("demo", "--headless", "--tape", str(tape))
    assert said.startswith(f"the sandbox did not start: {tape}, line 1: not a row of a tape")
    assert "'--tape': File '/no/tape' does not exist." in shell.refuses("demo", "--tape", "/no/tape")


def test_a_demo_at_a_venue_or_a_latency_that_does_not_exist_is_refused(state_dir: Path) -> None:
    shell = Shell(state_dir)
    assert shell.refuses("demo", "--headless", "--venue", "nowhere").startswith(
        "the sandbox did not start: the sandbox has no door for 'nowhere'; it has tradovate, "
    )
    assert "'--venue-latency': 'x' is not a valid float range." in shell.refuses(
        "demo", "--venue-latency", "2", "x", "3"
    )


def copies_of(shell: Shell) -> int:
    done = shell("export", "copies")
    return max(0, done.stdout.count("\r\n") - 1) if done.returncode == 0 else 0


def test_one_desk_to_a_state_directory_and_no_secret_anywhere(
    state_dir: Path, canaries: list[bytes], demo: "subprocess.Popen[bytes]"
) -> None:
    outside, inside = Shell(state_dir), Shell(state_dir / "demo")
    ends = time.monotonic() + 10
    while holder(inside.state_dir) is None or not (inside.state_dir / "vault.key").exists():
        assert demo.poll() is None and time.monotonic() < ends
        time.sleep(0.02)  # the desk is another process
    busy = (
        f"state_dir: a desk is already running on {inside.state_dir}, pid {demo.pid}; stop it or set another state_dir."
    )
    assert outside.refuses("demo", "--headless", "--seconds", "1") == busy
    assert outside.refuses("demo") == busy
    assert inside.refuses() == busy
    assert f"NOTE  a desk is running here, pid {demo.pid}" in inside.does("doctor")
    while copies_of(inside) < 20:
        assert demo.poll() is None

    written: dict[str, bytes] = {}
    for what in WHAT:
        written[f"export {what}"] = inside.does("export", what).encode()
    written["accounts list"] = inside.does("accounts", "list").encode()
    kept = inside.credentials()
    written["repr"] = repr(kept).encode()
    dump = inside.dump()
    written |= {f"table {name}": "\n".join(rows).encode() for name, rows in dump.items()}
    written |= {f"while it ran: {name}": text for name, text in outside.files().items()}
    out, err = demo.communicate(timeout=40)
    assert demo.returncode == 0, (out, err)
    assert err == b""
    replayed = json.loads(outside.does("replay", "--demo", "--json"))
    assert replayed["closed"] and replayed["different"] == 0 and replayed["unrecorded"] == 0
    assert replayed["decisions"] >= json.loads(out)["pairs"] > 0
    rules = state_dir / "same.toml"
    rules.write_text("[default]\n")
    tried = json.loads(outside.does("replay", "--demo", "--rules", str(rules), "--json"))
    assert len(tried["followers"]) == 20
    for each in tried["followers"]:
        assert [each["other"][name] for name in ("rule", "copies", "lots", "final")] == [
            each["recorded"][name] for name in ("rule", "copies", "lots", "final")
        ]
    told = json.loads(outside.does("why", "DEMO1001", "--demo", "--json"))
    assert [moment["name"] for moment in told["times"]] == [
        "received", "decided", "journaled", "sent", "acked", "filled"
    ]  # fmt: skip
    assert all(moment["at_ns"] and moment["since_ns"] >= 0 for moment in told["times"])
    said = outside.does("why", "DEMO1001", "--demo")
    assert "plan      leader " in said and "(proportional 1), held " in said and "every gate" in said
    assert outside.does("why", "--undecided", "--demo") == "0 pairs undecided, 0 unknown and asked about\n"
    written |= outside.files() | {"standard output": out}

    # What is looked for is what the desk logs in with, and what is searched is not empty.
    assert sorted(found.password.encode() for found in kept.values()) == sorted(canaries)
    assert all(isinstance(found, Credentials) for found in kept.values()) and len(canaries) == 5
    assert len(dump["connections"]) == 5 and len(dump["copies"]) >= 20
    assert json.loads(out)["signals"] > 0 and json.loads(out)["venues"] == sorted(VENUES)
    assert {"demo/copydesk.log", "demo/sandbox.log", "demo/postgres/server.log"} <= set(written)
    assert written["demo/copydesk.log"].count(b"order stream up") == 5
    for name, text in written.items():
        assert not [secret for secret in canaries if secret in text], name
        assert not TOKEN.search(text), name
