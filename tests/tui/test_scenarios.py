"""A script for every command of the line: what is typed, what is seen before Enter, what comes of it, and what is said
to a mistake.

`? LINE` types it and leaves it standing, `> LINE` enters it, `press KEYS` presses them, `sees TEXT` waits for it on the
screen, `gone TEXT` until it is not there, `says TEXT` for the whole message line, `ends` for the end of the seat.
"""

from pathlib import Path

import pytest

from schema.watchlists import UserLists, Watched, Watchlist
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tui.syntax import SYNTAX

SCRIPTS = {
    "toggle": """
        ? toggle DEMO1002
        sees Now:
        press enter
        sees DEMO1002 is off from the next leader event.
        > toggle DEMO1002
        sees DEMO1002 is on from the next leader event.
        > toggle LEAD1000
        sees account: LEAD1000 is not a follower; only a follower has a switch and a rule.""",
    "flatten": """
        ? flatten DEMO1001
        sees Now: closes +2 ESH4 on DEMO1001.
        press enter
        sees y  flatten DEMO1001
        press enter
        press n
        says Nothing was sent.
        > flatten DEMO1001
        sees y  flatten DEMO1001
        press y
        says 1 account is flat after 0.2 s, checked with the venue.
        > flatten nobody
        sees account, group or all: there is no 'nobody' here.""",
    "kill": """
        ? kill
        sees Now: halts the desk, closes +2 ESH4 on 21 accounts.
        press enter
        sees y  halt the desk and flatten all
        press y
        sees 21 accounts are flat after 0.2 s, checked with the venue.""",
    "halt": """
        ? halt all
        sees Now: 20 followers: open nothing; resting entries stay (20 hold a position, 0 orders rest).
        press enter
        sees ALL HALT
        > halt nobody
        sees follower, group or all: there is no 'nobody' here.""",
    "reduce": """
        ? reduce main
        sees Now: 20 followers: open nothing, and their resting entries are canceled
        press enter
        sees main is reduce
        > reduce
        sees :reduce needs a follower, group or all, as in :reduce main.""",
    "closeonly": """
        ? closeonly DEMO1001
        sees and join no trade once flat
        press enter
        sees DEMO1001 CLOSE_ONLY
        > closeonly LEAD1000
        sees account: LEAD1000 is not a follower; only a follower, a group or all can be guarded.""",
    "resume": """
        > halt all
        sees all is halt
        ? resume all
        sees Now: 20 followers: may open again
        press enter
        sees all is none.""",
    "ack": """
        > ack ESH4
        sees ESH4 is acknowledged.
        > ack
        sees :ack needs a contract, as in :ack ESZ6.""",
    "chart": """
        > chart NQH4
        sees The chart, the ladder and the tape show NQH4.
        > chart
        sees :chart needs a symbol, as in :chart NQZ6.""",
    "resync": """
        ? resync DEMO1001
        sees Enter reads the venues and shows what would be sent.
        press enter
        says 1 follower stands at target: there is nothing to send.
        > flatten DEMO1001
        press y
        says 1 account is flat after 0.2 s, checked with the venue.
        ? resync main
        says Now: 20 followers at target as far as is known; Enter reads the venues and shows what would be sent.
        press enter
        sees y  send 1 order, exits first
        sees 5 ticks worse
        press y
        says 1 correction sent in 0.1 s; the copy ledger shows what came of them.
        > resync nobody
        sees account, group or all: there is no 'nobody' here.""",
    "buy": """
        ? buy DEMO1001 2 ESH4 @ 4790
        sees worth 479,000 · 25 a tick · it holds +2
        press enter
        sees y  send 1 order
        press y
        sees 1 order sent in 0.1 s: DEMO1001: working, order 500060.
        > buy DEMO1001 two
        sees qty: 'two' is not a size; write whole lots, 1 or more.""",
    "sell": """
        ? sell main 1 ESH4 stop 4790
        sees 45 ticks away · worth 239,500
        press enter
        sees y  send 20 orders
        press y
        sees 20 orders sent in 0.1 s
        > sell DEMO1001 0 ESH4
        sees qty: '0' is not a size; write whole lots, 1 or more.""",
    "cancel": """
        > buy DEMO1001 2 ESH4 @ 4790
        press y
        sees 1 order sent
        > cancel DEMO1001
        sees y  cancel 1 order
        press y
        sees 1 cancel sent in 0.1 s: DEMO1001: canceled.
        > cancel nobody
        sees account, group or all: there is no 'nobody' here.""",
    "move": """
        > buy DEMO1001 2 ESH4 @ 4790
        press y
        says 1 order sent in 0.1 s: DEMO1001: working, order 500060.
        ? move 500060 4791.25 3
        says DEMO1001 buy 2 ESH4 limit 4790: to 4791.25, 2 to 3 lots
        press enter
        sees buy 3 ESH4
        press y
        says 1 move sent in 0.1 s: DEMO1001: moved.
        > move 99999 4794.75
        sees order: 99999 does not work on any account; the orders pane lists what does.
        > move
        sees :move needs an order, as in :move 10234 4794.75.""",
    "ladder": """
        > ladder DEMO1001 2
        sees The ladder places 2 lots for DEMO1001, once it is armed.
        > ladder DEMO1001 none
        sees qty: 'none' is not a size; write whole lots, 1 or more.""",
    "set": """
        ? set main late no_worse
        sees Now: late becomes no_worse for the 20 followers of main
        press enter
        sees main: late is no_worse from the next leader event on.
        > set main late whenever
        sees late: 'whenever' is not known; did you mean never?""",
    "rule": """
        ? rule DEMO1001 proportional 0.5
        sees Now: DEMO1001 copies proportional 0.5 instead of fixed 1
        press enter
        sees DEMO1001 now copies proportional 0.5.
        > rule DEMO1001 double 2
        sees kind: there is no 'double' here; write fixed, proportional or percent.""",
    "rules": """
        > rules DEMO1001
        sees Rule of DEMO1001
        press down
        press ctrl+u 3
        sees 0 > +1
        press ctrl+g
        says DEMO1001 now copies proportional 3.
        > rules nobody
        sees follower or group: there is no 'nobody' here.""",
    "arm": """
        > arm main
        sees Arm main: 20 of 20 followers pass, 20 on already
        press y
        sees Every one of them is on already.
        press escape
        > toggle DEMO1001
        says DEMO1001 is off from the next leader event.
        > arm DEMO1001
        sees y  arm 1 follower
        press y
        says 1 follower is armed from the next leader event on.
        > arm nobody
        sees follower, group or all: there is no 'nobody' here.""",
    "lead": """
        > lead DEMO1001 main
        sees LEAD1000 leads main now and will be in no group.
        press y
        says leader: LEAD1000 has +2 ESH4; :flatten LEAD1000 first.
        > flatten all
        press y
        sees 21 accounts are flat
        > lead DEMO1001 main
        sees LEAD1000 leads main now and will be in no group.
        press y
        says DEMO1001 leads main.
        sees ♛ DEMO1001
        > lead nobody
        sees account: there is no 'nobody' here.""",
    "group": """
        > group DEMO1001 none
        sees n Esc
        press y
        says DEMO1001 is out of its group; it stays on the desk.
        > group DEMO1001 main
        says DEMO1001 follows in main, off: A arms it by the checklist.
        > group DEMO1001 elsewhere
        sees group or none: there is no 'elsewhere' here.""",
    "remove": """
        > flatten DEMO1001
        press y
        sees 1 account is flat
        > remove DEMO1001
        sees DEMO1001 comes off the desk; nothing is done at its venue
        press y
        sees DEMO1001 is off the desk.
        > remove nobody
        sees account: there is no 'nobody' here.""",
    "export": """
        > export copies copies.csv
        sees 60 copies written to copies.csv.
        > export dreams d.csv
        sees what: there is no 'dreams' here; write orders, copies""",
    "report": """
        > report
        sees REPORT 2026-11-25
        press escape
        > report 2026-13-01
        sees day: '2026-13-01' is not a trading day""",
    "why": """
        > why DEMO1001
        sees line 21
        press escape
        > why nobody
        sees account: there is no 'nobody' here.""",
    "add": """
        > add
        sees Add a login
        press escape
        > add something
        sees :add does not take 'something'; write :add.""",
    "sync": """
        > sync login1
        sees login1, as its venue has it now
        press space down down down
        press ctrl+g
        says login1: 1 accounts in group main.
        sees 22 accounts · 20 of 21 followers armed
        > sync nobody
        sees login: there is no 'nobody' here.""",
    "watch": """
        > watch NQH4
        sees NQH4 added to mine.
        > watch
        sees :watch needs a symbol, as in :watch ESZ6 NQZ6.""",
    "unwatch": """
        > unwatch CLG4
        sees CLG4 taken off mine.
        > unwatch NOTHING
        sees symbol: 'NOTHING' is not on mine; it is off already.""",
    "list": """
        > list majors
        says majors is a new watchlist.
        > list majors rename minors
        says majors is now called minors.
        > list minors delete
        says minors and its 0 symbols are deleted.""",
    "lists": """
        > lists
        sees mine
        press escape""",
    "filter": """
        > filter big symbol=ES size>=5
        says Filter big: scope=orders symbol=ES size>=5.
        sees 0 of 60 orders
        > filter off
        sees ORDERS · 60 orders
        > filter big colour=red
        sees field: a filter has no 'colour'; write scope, symbol, account, side or size.""",
    "unfilter": """
        > filter big symbol=ES size>=5
        sees filter big
        > unfilter big
        sees Filter big is deleted.
        gone filter big
        > unfilter big
        sees filter: there is no 'big' here.""",
    "layout": """
        > layout trade
        sees DEPTH
        > layout mine save
        says Layout mine is saved.
        > layout risk
        gone DEPTH
        > layout mine
        says Layout mine.
        sees DEPTH
        > layout mine delete
        says Layout mine is deleted.
        > layout nothing
        sees layout: there is no 'nothing'; :layouts lists them.""",
    "layouts": """
        > layouts
        sees the book as a ladder, with the orders in it
        press escape""",
    "pane": """
        > pane tape
        sees TAPE
        > pane nothing
        sees pane: there is no 'nothing' here.""",
    "hide": """
        sees DEMO1001
        > hide
        sees Money and the names of accounts and logins are hidden on this screen
        gone DEMO1001
        > hide
        sees Money and names are shown again.
        sees DEMO1001""",
    "terminal": """
        > terminal
        sees 24-bit colour
        press escape""",
    "theme": """
        > theme light
        sees Theme light
        > theme plaid
        sees theme: there is no 'plaid' here.""",
    "help": """
        > help
        sees clear filter
        press escape
        gone clear filter""",
    "quit": """
        > quit
        sees Quitting stops the copying.
        press escape
        gone Quitting stops the copying.
        > quit
        sees y  quit
        press y
        ends""",
}


async def play(on: Driver, script: str) -> None:
    for line in filter(None, (each.strip() for each in script.splitlines())):
        does, _, what = line.partition(" ")
        if does == "?":
            await on.type(f":{what}")
        elif does == ">":
            on.enter(what)
        elif does == "press":
            await on.pilot.press(*what.split())
        elif does == "says":
            await on.until(lambda what=what: on.app.message.text == what, f"the message {what!r}")
        elif does == "ends":
            await on.until(lambda: not on.app.is_running, "the end of the seat")
        elif does == "gone":
            await on.until(lambda what=what: what not in on.text, f"no {what!r}")
        else:
            assert does == "sees", line
            await on.shows(what)


@pytest.mark.parametrize("command", [each.name for each in SYNTAX])
async def test_the_script_of_a_command_plays(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # one writes a file
    seat = ScriptedSeat(publish_every=100)
    symbols = tuple(Watched(source="contracts", symbol=symbol) for symbol in ("ESH4", "CLG4"))
    seat.mine = UserLists(lists=(Watchlist(name="mine", symbols=symbols),))
    seat.advance(1200)
    async with desk(seat=seat) as on:
        await play(on, SCRIPTS[command])
        assert not on.app.is_running or len(on.app.screen_stack) == 1
