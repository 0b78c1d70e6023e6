"""FIX sessions in a real Postgres: one cut of numbers and rows, or nothing."""

from schema.fix import Saved, SavedRow
from schema.records import ConnectionConfig, Environment, FixLogin
from schema.store import Store


def row(key: str, body: bytes = b"{}") -> SavedRow:
    return SavedRow(kind="order", key=key, body=body)


async def test_session_that_never_was_begins_at_one(store: Store) -> None:
    assert await store.load_fix("nobody") == Saved()


async def test_numbers_and_rows_are_kept_together(store: Store) -> None:
    await store.save_fix("a", Saved(out=1001, expected=7, started_ns=5, rows=(row("C1"), row("C2"))), [])
    await store.save_fix("b", Saved(out=2, expected=2), [])
    await store.save_fix(
        "a", Saved(out=2001, expected=9, started_ns=5, rows=(row("C2", b"x"), row("C3"))), [("order", "C1")]
    )
    found = await store.load_fix("a")
    assert (found.out, found.expected, found.started_ns) == (2001, 9, 5)
    assert {each.key: each.body for each in found.rows} == {"C2": b"x", "C3": b"{}"}
    assert (await store.load_fix("b")).rows == ()


async def test_fix_login_comes_back_as_it_was_given(store: Store) -> None:
    fix = FixLogin(
        host="fix.example.com", port=9880, sender_comp_id="DESK", target_comp_id="QT", version="FIX.4.2", dialect="t4"
    )
    given = ConnectionConfig(connection="q1", venue="fix", environment=Environment.LIVE, username="user", fix=fix)
    await store.add_connection(given, b"sealed")
    assert (await store.load_config()).connections == (given,)
