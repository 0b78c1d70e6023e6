"""`copydesk groups`: settings listed as the words that set them; a wrong word is one sentence and changes nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from schema.clock import SYSTEM_CLOCK
from schema.records import AccountConfig, ConnectionConfig, Environment, FollowerConfig, GroupConfig, Position
from schema.settings import load_settings
from schema.store import Batch, Store
from tests.tui.shell import Shell, server_kept_up


@pytest.fixture
def shell(state_dir: Path) -> Iterator[Shell]:
    settings = load_settings(state_dir=state_dir)

    async def fill() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            login = ConnectionConfig(
                connection="demo", venue="tradovate", environment=Environment.DEMO, username="demo"
            )
            await store.add_connection(login, b"sealed")
            for number in range(1000, 1003):
                name = f"DEMO{number}"
                await store.put_account(AccountConfig(account=name, connection="demo", venue_id=str(number)))
            await store.put_group(GroupConfig(group="main", leader="DEMO1000"))
            await store.put_follower(FollowerConfig(account="DEMO1001", group="main"))
            held = Position(account="DEMO1001", symbol="ESH4", net_qty=2)
            await store.record(Batch(positions=(held,)))
        finally:
            await store.close()

    with server_kept_up(state_dir):
        asyncio.run(fill())
        yield Shell(state_dir)


def test_groups_are_listed_and_set_in_the_same_words(shell: Shell) -> None:
    listed = shell("groups", "list").stdout
    assert "leader=DEMO1000 mode=fills drift=exits late=next_flat unfilled=market foreign=alert late_ticks=4" in listed
    done = shell("groups", "set", "main", "late=within", "late_ticks=8", "foreign=disarm")
    assert done.returncode == 0 and "late=within" in done.stdout
    assert "late=within unfilled=market foreign=disarm late_ticks=8" in shell("groups", "list").stdout


def test_a_wrong_word_is_one_sentence_and_changes_nothing(shell: Shell) -> None:
    before = shell("groups", "list").stdout
    for words, sentence in (
        (("main", "late=withn"), "late: 'withn' is not known; did you mean within?"),
        (("main", "mode=orders", "foregn=alert"), "field: a group has no 'foregn'; did you mean foreign?"),
        (("main", "late_s=-1"), "late_s: '-1' is not a whole number; write one from 0 to 1000000."),
        (("man", "late=never"), "group: there is no 'man'; did you mean main?"),
        (("main", "leader=DEMO1001"), "leader: main changes its leader only when everybody in it is flat; DEMO1001"
         " holds +2 ESH4."),
    ):  # fmt: skip
        assert shell.refuses("groups", "set", *words) == sentence
    assert shell("groups", "list").stdout == before
