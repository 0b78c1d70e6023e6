"""The trader's own keys: read, refused in one sentence each, and never one key with two meanings in one place."""

import tomllib
from pathlib import Path

import pytest

from tests.tui.driving import Driver
from tests.tui.scripted_seat import ScriptedSeat
from tests.tui.test_keys import SpySeat
from tui.app import CopydeskApp
from tui.keymap import BY_ID, KEYS, OPENS, Keymap
from tui.user_keys import key_table_toml, keymap_from, keymap_of_values, presses, works_together


def test_the_table_has_no_key_with_two_meanings_in_one_place() -> None:
    twice = [
        (one.id, other.id)
        for at, one in enumerate(KEYS)
        for other in KEYS[at + 1 :]
        if works_together(one, other) and presses(one) & presses(other)
    ]
    assert twice == []


@pytest.mark.parametrize(
    ("written", "names", "shown"),
    [
        ("Z", "Z,shift+z", "Z"),
        ("%", "percent_sign", "%"),
        ("F5", "f5", "F5"),
        ("Ctrl+X", "ctrl+x", "Ctrl+X"),
        ("shift+q", "Q,shift+q", "Q"),
        (["F5", "shift+pgup"], "f5,shift+pageup", "F5 Shift+PgUp"),
    ],
)
def test_a_key_of_the_traders_own_is_read(written: object, names: str, shown: str) -> None:
    keymap = keymap_of_values({"keys": {"zoom": written}}, "keys.toml")
    assert keymap.mistakes == ()
    assert (keymap["zoom"].keys, keymap["zoom"].shown) == (names, shown)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"keys": {"zom": "Z"}}, "keys.toml: there is no key 'zom'; did you mean zoom?"),
        ({"key": {}}, "keys.toml: there is no 'key' here; keys stand under [keys]."),
        (
            {"keys": {"zoom": "ctrl+shift+z"}},
            "keys.toml: zoom = 'ctrl+shift+z' is sent by no terminal: with Ctrl it can't tell whether Shift is held; "
            "leave Shift out.",
        ),
        (
            {"keys": {"zoom": "ctrl+enter"}},
            "keys.toml: zoom = 'ctrl+enter' is sent by no terminal; Ctrl goes with a letter or an arrow.",
        ),
        (
            {"keys": {"zoom": "keyup+z"}},
            "keys.toml: zoom = 'keyup+z' is a key that goes up, which no terminal tells; name the key alone.",
        ),
        ({"keys": {"zoom": "ctrl+i"}}, "keys.toml: zoom = 'ctrl+i' arrives as Tab; take another letter."),
        (
            {"keys": {"quit": "/"}},
            "keys.toml: quit = '/' is typed into lines; take one that is not, such as F5 or Ctrl+X.",
        ),
        (
            {"keys": {"zoom": "f"}},
            "keys.toml: zoom = 'f' is taken: it is find (find symbol) everywhere; take another, or give that one a new "
            "key.",
        ),
        (
            {"keys": {"toggle": "s"}},
            "keys.toml: toggle = 's' is taken: it is sort (sort) in a table; take another, or give that one a new key.",
        ),
        (
            {"keys": {"confirm": "F"}},
            "keys.toml: confirm = 'F' is taken: it is flatten_account (flatten) in accounts; take another, or give "
            "that one a new key.",
        ),
        (
            {"keys": {"confirm": "Return"}},
            "keys.toml: confirm = 'Return' goes on to the question, so held down it would answer; take another.",
        ),
        ({"keys": {"zoom": 5}}, 'keys.toml: zoom = 5 is no key; write something like zoom = "Z" or ["Z", "F5"].'),
    ],
)
def test_a_mistake_gets_one_sentence_and_the_key_stays_as_it_was(values: dict[str, object], sentence: str) -> None:
    keymap = keymap_of_values(values, "keys.toml")
    assert keymap.mistakes == (sentence,)
    assert keymap.keys == KEYS


@pytest.mark.parametrize(("second", "first"), [(second, first) for second in OPENS for first in OPENS[second]])
def test_no_file_makes_one_key_both_open_a_question_and_answer_it(second: str, first: str) -> None:
    for values in ({first: "f5", second: "f5"}, {second: "f5", first: "f5"}):
        keymap = keymap_of_values({"keys": values}, "keys.toml")
        assert len(keymap.mistakes) == 1
        assert not presses(keymap[first]) & presses(keymap[second])


async def test_a_key_held_down_flattens_nothing_whatever_the_file_says() -> None:
    for wanted, held in (({"confirm": "F"}, "F"), ({"flatten_account": "y", "copy_row": "f9"}, "y")):
        seat = SpySeat()
        seat.advance(800)
        app = CopydeskApp(seat, keymap=keymap_of_values({"keys": wanted}, "keys.toml"))
        async with app.run_test(size=(200, 50)) as pilot:
            on = Driver(app, seat, pilot)
            await on.shows("DEMO1001")
            await pilot.press("1", "down", *[held] * 5)
            await pilot.pause()
            assert seat.traded == []


def test_two_keys_may_change_places_and_panes_that_never_meet_may_share_a_key() -> None:
    keymap = keymap_of_values({"keys": {"zoom": "f", "find": "z", "toggle": "w"}}, "keys.toml")
    assert keymap.mistakes == ()
    assert (keymap["zoom"].keys, keymap["find"].keys, keymap["toggle"].keys) == ("f", "z", "w")


def test_good_keys_hold_beside_bad_ones_and_a_file_that_is_no_toml_leaves_the_table(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('[keys]\nzoom = "Z"\nfind = "alt+f"\n')
    keymap = keymap_from(file)
    assert keymap["zoom"].shown == "Z" and keymap["find"] == BY_ID["find"] and len(keymap.mistakes) == 1
    file.write_text("[keys\n")
    keymap = keymap_from(file)
    assert keymap.keys == KEYS and "is not valid TOML" in keymap.mistakes[0]


def test_the_toml_that_is_printed_reads_back_as_the_table() -> None:
    every = key_table_toml(Keymap()).replace("\n# ", "\n").splitlines()
    text = "\n".join(line for line in every if " = " in line)
    keymap = keymap_of_values({"keys": tomllib.loads(text)}, "keys.toml")
    assert keymap.mistakes == ()
    assert [key.keys for key in keymap.keys if presses(key) != presses(BY_ID[key.id])] == []


async def test_the_desk_opens_with_the_good_keys_and_says_what_is_wrong_with_the_others() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.advance(400)
    keymap = keymap_of_values({"keys": {"zoom": "Z", "find": "ctrl+shift+f", "zom": "x"}}, "keys.toml")
    app = CopydeskApp(seat, keymap=keymap)
    async with app.run_test(size=(200, 50)) as pilot:
        on = Driver(app, seat, pilot)
        await on.shows("DEMO1001")
        await on.shows("1 more: `copydesk keys` tells them.")
        assert " Z zoom " in on.lines[-1]
        await pilot.press("z")
        assert app.accounts.size.width < 200
        await pilot.press("Z")
        await on.until(lambda: app.accounts.size.width == 200, "zoom by the trader's own key")
        await pilot.press("question_mark", "slash", *"zoom", "enter")
        await on.shows("Z            zoom")
