"""What is added to a desk while it runs works without a restart: a login, and a contract that was refused at first."""

from pathlib import Path

import pytest

from brokers.adapter import Credentials
from engine import desk as desk_module
from schema.records import AccountConfig, FollowerConfig
from schema.vault import Vault
from tests.practice import practice, until


async def test_a_login_added_while_the_desk_runs_is_connected_and_copied_to(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        taken = sorted(name for name, account in desk.core.accounts.items() if account.connection == "desk4")
        accounts = {account.account: account for account in desk.core.config.accounts}
        login = next(each for each in desk.core.config.connections if each.connection == "desk4")
        for name in taken:
            await desk.store.remove_account(name)
        await until(lambda: "desk4" not in {c.connection for c in desk.core.config.connections}, 3)
        await until(lambda: "desk4" not in desk.desk.adapters, 3)  # its venue is left with it
        # The same login under a name the desk has never seen.
        added = type(login)(**{**{f: getattr(login, f) for f in login.__struct_fields__}, "connection": "added"})
        password = next(each["password"] for each in desk.sandbox.ready["logins"] if each["username"] == "desk4")
        vault = Vault.open(desk.settings)
        sealed = vault.seal_credentials(
            added, Credentials(username="desk4", password=password, device_id="copydesk-added")
        )
        async with desk.store.all_or_nothing() as changing:
            await changing.add_connection(added, sealed)
            await changing.put_account(
                AccountConfig(account=taken[0], connection="added", venue_id=accounts[taken[0]].venue_id)
            )
            await changing.put_follower(FollowerConfig(account=taken[0], group=desk.core.config.groups[0].group))
        await until(lambda: bool(desk.core.up.get("added")), 5)
        await until(lambda: desk.core.instruments.get(("added", "ESH4")) == "", 5)
        await desk.leader(+2)
        await until(lambda: desk.core.ledger.net(taken[0], "ESH4") == 2, 3)


async def test_a_refused_contract_is_asked_for_again(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "_ASK_REFUSED_EVERY_NS", 500_000_000)
    async with practice(state_dir) as desk:
        wrong = "symbol: the venue had no such contract when it was first asked"
        desk.core.instruments["desk2", "MESH4"] = wrong
        await until(lambda: desk.core.instruments["desk2", "MESH4"] == "", 4)
