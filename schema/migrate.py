"""Migrations: numbered `.sql` files, each applied once, in order, in one transaction, and never edited afterwards.

Called when a database is opened. A new change is a new file with the next number.
"""

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from schema.driver import Connection
from schema.postgres_home import PostgresError
from schema.records import Record

_LOCK = 7_226_397_355
"""Any number will do, as long as every desk uses the same: one migrates, the others wait for it."""


class MigrationRefused(PostgresError):
    """The database and this version of the desk do not fit; one sentence says which migration and what to do."""


class Migration(Record, frozen=True):
    """One file: its name without `.sql`, its text, and the text's SHA-256."""

    name: str
    sql: str
    checksum: str


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """Every migration of this version, in order."""
    found: list[Migration] = []
    for file in (folder or files("schema").joinpath("migrations")).iterdir():
        if file.name.endswith(".sql"):
            sql = file.read_text("utf-8")
            checksum = hashlib.sha256(sql.encode()).hexdigest()
            found.append(Migration(name=file.name.removesuffix(".sql"), sql=sql, checksum=checksum))
    return sorted(found, key=lambda migration: migration.name)


async def migrate(connection: Connection, known: list[Migration] | None = None) -> list[str]:
    """Bring the database up to this version; returns the names applied now. Raises MigrationRefused, and then nothing
    was changed."""
    steps = migrations() if known is None else known
    applied_now: list[str] = []
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
        rows = await connection.fetch("SELECT name, checksum FROM migrations")
        applied: dict[str, str] = {row["name"]: row["checksum"] for row in rows}
        for name in sorted(applied.keys() - {step.name for step in steps}):
            raise MigrationRefused(f"database: it has migration {name}, this copydesk is older; install a newer one.")
        for step in steps:
            if step.name not in applied:
                await connection.execute(step.sql)
                await connection.execute(
                    "INSERT INTO migrations (name, checksum) VALUES ($1, $2)", step.name, step.checksum
                )
                applied_now.append(step.name)
            elif applied[step.name] != step.checksum:
                raise MigrationRefused(
                    f"database: migration {step.name} was edited after it was applied; "
                    "restore the file and make the change in a new one."
                )
    return applied_now
