"""Records to rows and back: a table's columns are its record's fields, so one module knows how to write them all.

Many rows travel as one array per column (`unnest`), which makes any number of them one statement and one round trip.
Called by the store's modules only.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from schema.driver import Row
from schema.records import Record

_R = TypeVar("_R", bound=Record)
_encoder = msgspec.json.Encoder()


def fields(kind: type[Record]) -> tuple[str, ...]:
    """The columns of a record, in order."""
    return kind.__struct_fields__


def quoted(names: Sequence[str]) -> str:
    """Column names for a statement; one of them is `group`."""
    return ", ".join(f'"{name}"' for name in names)


def excluded(names: Sequence[str], key: Sequence[str]) -> str:
    """What an upsert changes: every column but those of its key."""
    return ", ".join(f'"{name}" = excluded."{name}"' for name in names if name not in key)


def unnest(kind: type[Record], first: int = 1) -> str:
    """``unnest($1::text[], ...)``: the rows that `arrays` passes, from parameter `first` on."""
    hints = get_type_hints(kind)
    types = (_sql_type(hints[name]) for name in fields(kind))
    return f"unnest({', '.join(f'${number}::{sql}[]' for number, sql in enumerate(types, first))})"


def arrays(rows: Sequence[Record], kind: type[Record]) -> list[list[Any]]:
    """One list per column, for the parameters of `unnest`."""
    return [[_plain(getattr(row, name)) for row in rows] for name in fields(kind)]


def columns(kind: type[Record]) -> str:
    """``"a" text, "b" bigint``: the columns of a record and their types, for rows read from a document."""
    hints = get_type_hints(kind)
    return ", ".join(f'"{name}" {_sql_type(hints[name])}' for name in fields(kind))


def or_defaults(kind: type[Record], rows: str) -> str:
    """The columns of `rows`, with the record's default for what a document of an older version does not have."""
    return ", ".join(_or_default(each, rows) for each in msgspec.structs.fields(kind))


def _or_default(field: msgspec.structs.FieldInfo, rows: str) -> str:
    value = f'{rows}."{field.name}"'
    if field.default is msgspec.NODEFAULT or field.default is None:
        return value
    default = str(field.default).replace("'", "''")
    return f"coalesce({value}, '{default}')"


def document(rows: Sequence[Record]) -> str:
    """All rows as one JSON document, which `json_to_recordset` reads. Twenty rows travel a fifth of a millisecond
    sooner than as arrays: the driver writes one value, not five hundred."""
    text = _encoder.encode(rows).decode()
    if "\\u0000" not in text:
        return text
    return _encoder.encode([{name: _plain(getattr(row, name)) for name in fields(type(row))} for row in rows]).decode()


def values(row: Record) -> list[Any]:
    """One row's values in the order of its columns."""
    return [_plain(getattr(row, name)) for name in fields(type(row))]


def read(row: Row, kind: type[_R], prefix: str = "") -> _R:
    """The record a row holds; columns the record does not have are left out. `prefix` stands before their names."""
    return msgspec.convert({name: row[prefix + name] for name in fields(kind)}, kind, builtin_types=(Decimal,))


def _plain(value: Any) -> Any:
    # Postgres can't store a NUL in text, and nothing a venue says may keep the journal from being written.
    return value.replace("\0", "") if isinstance(value, str) else value


def _sql_type(hint: Any) -> str:
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    kind = kinds[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "text"
    return {str: "text", int: "bigint", bool: "boolean", Decimal: "numeric"}[kind]
