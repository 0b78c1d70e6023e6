"""`copydesk watch` and `copydesk symbols search`: lists from the shell, the same that a desk's seats show."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.seat import Topic, WatchlistRow, WatchRow
from engine.thread import EngineThread
from schema.clock import SYSTEM_CLOCK
from schema.expiry import front_of
from schema.lock import StateDirLock
from schema.settings import Settings, load_settings
from schema.store import Store
from schema.trading_day import trading_day
from schema.watchlists import UserLists, this_user
from tests.practice import wait_for
from tests.tui.shell import Shell, server_kept_up
from tui.demo import Sandbox

TODAY = trading_day(SYSTEM_CLOCK.now_ns())
ES, NQ = front_of("ES", TODAY).symbol, front_of("NQ", TODAY).symbol


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    state_dir = tmp_path_factory.mktemp("watch", numbered=True)
    for folder in (state_dir, *state_dir.parents[:2]):
        folder.chmod(0o711)
    with server_kept_up(state_dir):
        yield Shell(state_dir)


def kept(shell: Shell) -> UserLists:
    async def read() -> UserLists:
        store = await Store.open(load_settings(state_dir=shell.state_dir), SYSTEM_CLOCK)
        try:
            return await store.lists_of(this_user())
        finally:
            await store.close()

    return asyncio.run(read())


def test_lists_are_made_shown_changed_and_deleted_from_the_shell(shell: Shell) -> None:
    assert shell.does("watch") == "Nothing is watched yet; `copydesk watch add NAME ESZ6` makes a list.\n"
    said = shell.does("watch", "add", "majors", ES.lower(), "binance:btcusdt")
    assert said == f"{ES}, BTCUSDT added to majors.\n"
    assert shell.does("watch", "add", "nq", NQ) == f"{NQ} added to nq.\n"
    assert shell.does("watch") == shell.does("watch", "list") == f"majors  {ES} BTCUSDT\nnq      {NQ}\n"
    assert [(each.source, each.symbol) for each in kept(shell).lists[0].symbols] == [
        ("desk", ES),
        ("binance", "BTCUSDT"),
    ]
    assert shell.does("watch", "remove", "MAJORS", "btcusdt") == "BTCUSDT taken off majors.\n"
    assert shell.does("watch", "delete", "nq") == "nq and its 1 symbol are deleted.\n"
    assert [each.name for each in kept(shell).lists] == ["majors"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "majors", "ESS6"), "symbol: there is no 'ESS6' here; did you mean ES"),
        (("remove", "nobody", ES), "list: there is no 'nobody'"),
        (("add", " ", ES), "list: '' is not a name; write 1 to 40 printable characters."),
        (("add", "majors"), "Missing argument 'SYMBOL...'."),
    ],
)
def test_what_can_not_be_done_is_one_sentence(shell: Shell, words: tuple[str, ...], says: str) -> None:
    assert shell.refuses("watch", *words).startswith(says)


def test_contracts_are_found_from_the_shell(shell: Shell) -> None:
    found = shell.does("symbols", "search", "micro", "nasdaq").splitlines()
    assert found[0].split()[:2] == [front_of("MNQ", TODAY).symbol, "CME"]
    assert found[0].endswith(str(front_of("MNQ", TODAY).year))
    assert len(shell.does("symbols", "search", "e", "--limit", "3").splitlines()) == 3
    assert shell.refuses("symbols", "search", "zzzz") == (
        "text: nothing is called 'zzzz'; try a root (ES) or a part of a name."
    )


def test_what_the_shell_puts_on_a_list_is_told_and_found_at_a_desk_whose_feed_has_it(
    shell: Shell, state_dir: Path
) -> None:
    sandbox = Sandbox(state_dir.parent, "--feed", "binance")
    at = sandbox.ready["venues"]["binance"]
    urls = {"binance_ws_url": at["ws"], "binance_rest_url": at["rest"]}
    engine = EngineThread(Settings(state_dir=shell.state_dir, feeds=("binance",), **urls))
    try:
        with StateDirLock(shell.state_dir):
            seat = engine.start()

            def row(name: str) -> WatchRow | None:
                lists = [each for each in seat.view(Topic.WATCHLISTS).rows if isinstance(each, WatchlistRow)]
                return next((each.rows[0] for each in lists if each.name == name), None)

            assert shell.does("watch", "add", "coins", "binance:esusdt") == "ESUSDT added to coins.\n"
            wait_for(lambda: bool((told := row("coins")) and told.bid and told.ask and told.exchange), 30.0)
            told, (found, *_) = row("coins"), asyncio.run(seat.find_symbols("esusd"))
            assert told is not None and told.bid is not None and told.ask is not None and told.bid < told.ask
            assert (told.source, told.symbol) == (found.listed.source, found.listed.symbol) == ("binance", "ESUSDT")
            shell.does("watch", "delete", "coins")
            wait_for(lambda: row("coins") is None, 10.0)
            wait_for(lambda: not seat.view(Topic.TRUTH).rows, 10.0)  # nothing follows it any more
    finally:
        engine.stop()
        sandbox.stop()
