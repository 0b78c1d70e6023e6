"""A canary secret must be found in no log, no traceback, no table, no export and no refusal."""

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import structlog

from engine.export import WHAT, export
from schema.clock import SYSTEM_CLOCK
from schema.login import Credentials
from schema.logs import open_log
from schema.postgres import PostgresError
from schema.redact import Redactor
from schema.settings import Settings, load_settings
from schema.store import Store
from schema.vault import Vault
from tests.schema import rows

CANARY = "canary-9b1d77aa"


@pytest.fixture
def log_file(settings: Settings) -> Iterator[Path]:
    """The log of this test, and logging put back as it was afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield open_log(settings)
    structlog.reset_defaults()
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ('{"name":"u","password":"hunter22","cid":8}', '{"name":"u","password":"[hidden]","cid":8}'),
        ("accessToken: abc.def-123, next", "accessToken: [hidden], next"),
        ("Authorization: Bearer abc.def", "Authorization: [hidden] [hidden]"),
        ("postgresql://desk:hunter22@db/x", "postgresql://desk:[hidden]@db/x"),
        ("authorize\n1\n\nabc.def.ghi", "authorize\n1\n\n[hidden]"),
        ("the sec of my heart", "the sec of my heart"),
        ("security token sale", "security token sale"),
    ],
)
def test_secrets_are_known_by_their_place(text: str, clean: str) -> None:
    assert Redactor().text(text) == clean


def test_secrets_are_known_by_name_and_by_value_wherever_they_are() -> None:
    redactor = Redactor()
    redactor.register(CANARY, "abc")
    assert redactor.value({"mdAccessToken": 5, "password": "p", "note": f"x {CANARY}", "n": 3}) == {
        "mdAccessToken": 5, "password": "[hidden]", "note": "x [hidden]", "n": 3,
    }  # fmt: skip
    assert redactor.value([(CANARY,), {CANARY: CANARY.encode()}]) == [["[hidden]"], {"[hidden]": "[hidden]"}]
    assert redactor.text("abc is too short to hide") == "abc is too short to hide"


async def test_a_canary_is_nowhere_but_in_its_seal(store: Store, settings: Settings, log_file: Path) -> None:
    login = Credentials(username="u", password=CANARY, sec=CANARY + "-sec")
    vault = Vault.open(settings)
    await rows.desk(store, followers=1)
    await store.add_connection(rows.connection(), vault.seal_credentials(rows.connection(), login))
    found = vault.credentials(rows.connection(), await store.sealed_credentials("desk1"))
    assert found.password == CANARY

    log = structlog.get_logger("test")
    log.info("login", password=CANARY, frame=f'{{"password":"{CANARY}"}}', credentials=found, token="abcdef")
    try:
        raise RuntimeError(f"could not log in with {CANARY}")
    except RuntimeError:
        log.exception("failed", extra={"deep": [CANARY]})
        logging.getLogger("elsewhere").exception("failed with %s", CANARY)
    written = log_file.read_text()
    lines = [msgspec.json.decode(line) for line in written.splitlines()]
    assert [line["event"] for line in lines] == ["login", "failed", "failed with [hidden]"]
    assert "could not log in with [hidden]" in lines[1]["exception"]
    assert CANARY not in written and "abcdef" not in written
    assert log_file.stat().st_mode & 0o777 == 0o600

    async with store.reading() as session:
        tables = [row[0] for row in await session.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        assert "connections" in tables
        for table in tables:
            dumped = [row[0] for row in await session.fetch(f"SELECT t::text FROM {table} t")]
            assert not [text for text in dumped if CANARY in text or CANARY.encode().hex() in text]
    for what in WHAT:
        out = settings.state_dir / f"{what}.csv"
        await export(store, what, out)
        assert CANARY not in out.read_text()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://desk:{canary}@127.0.0.1:1/db",
         "database_url: nobody answers at 127.0.0.1:1 (ConnectionRefusedError); check the host and the port."),
        ("postgresql://desk:{canary}@nowhere.invalid/db",
         "database_url: nobody answers at nowhere.invalid:5432 (gaierror); check the host and the port."),
        ("postgresql://desk:{canary}@host:port/db",
         "database_url: it is not a Postgres address; write one like postgresql://user:password@host:5432/name."),
    ],
)  # fmt: skip
async def test_a_wrong_database_is_refused_without_its_password(state_dir: Path, url: str, sentence: str) -> None:
    settings = load_settings(**{"state_dir": state_dir, "database_url": url.format(canary=CANARY)})
    with pytest.raises(PostgresError) as refused:
        await Store.open(settings, SYSTEM_CLOCK)
    assert str(refused.value) == sentence
    assert refused.value.__cause__ is None


async def test_a_wrong_login_or_database_name_is_refused_in_one_sentence(state_dir: Path, server_url: str) -> None:
    for url, sentence in (
        (server_url.replace("copydesk@", f"stranger:{CANARY}@"), "refused the login; correct the user or the password"),
        (server_url.replace("/postgres?", "/nothing?"), "has no such database; create it or correct the name"),
    ):
        settings = load_settings(**{"state_dir": state_dir, "database_url": url})
        with pytest.raises(PostgresError) as refused:
            await Store.open(settings, SYSTEM_CLOCK)
        assert sentence in str(refused.value)
        assert CANARY not in str(refused.value)
