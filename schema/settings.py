"""Settings: `copydesk.toml` and `COPYDESK_*` variables, checked once, at start; every wrong one gets one sentence.

Called by the shell commands. What lives here is how this machine runs the desk; logins, accounts, groups and rules
live in the database.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from schema.login import AdapterSettings
from schema.records import ConnectionConfig
from schema.symbols import UnknownProduct, parse_contract

ENV_PREFIX = "COPYDESK_"
FILE_NAME = "copydesk.toml"
KEYS_FILE_NAME = "keys.toml"
_NOT_SETTINGS = {"COPYDESK_CONFIG", "COPYDESK_TAPE", "COPYDESK_PASSWORD", "COPYDESK_SEC"}
"""Variables that name a file or a secret of one command; they are no settings, and no mistakes either."""

FEEDS = ("binance",)
"""Sources of market data that need no login, by name; `brokers/feeds.py` has a row for each."""
_Names = Annotated[tuple[str, ...], NoDecode]
"""A list in the file; names with commas between them in a variable."""


class SettingsError(Exception):
    """A setting the desk can't run with; the text is one sentence naming the place, the key and the remedy."""


def default_state_dir() -> Path:
    """`copydesk` in the user's state directory (XDG_STATE_HOME, else ~/.local/state)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "copydesk"


class Settings(BaseSettings):
    """How this machine runs the desk. An environment variable wins over the file."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=False
    )

    desk: str = Field(default="desk", min_length=1, max_length=24)
    """The desk's name, shown at the top of the screen."""

    state_dir: Path = Field(default_factory=default_state_dir, examples=["/srv/copydesk"])
    """Where the desk keeps its database, log, key file and lock. One desk per state directory."""

    database_url: SecretStr | None = Field(default=None, examples=["postgresql://copydesk@db.example/copydesk"])
    """An outside Postgres, as a postgresql:// address. Without it the desk runs its own under `state_dir`."""

    deadline_s: float = Field(default=2.5, gt=0, le=60)
    """Seconds a whole fan-out may take before what is unanswered is shown as unknown and asked about."""

    requests_per_min: int = Field(default=80, ge=1, le=100_000)
    """Requests a login may make of its venue in any minute, unless the login says otherwise."""

    reserved_for_exits: int = Field(default=20, ge=0)
    """How many of `requests_per_min` are kept back for orders that reduce a position."""

    reconnect_cap_s: float = Field(default=60.0, gt=0, le=600)
    """The longest wait between two attempts to reconnect to a venue, in seconds."""

    reconcile_every_s: float = Field(default=60.0, ge=1, le=3600)
    """How often every login is compared with its venue, in seconds."""

    breaker_failures: int = Field(default=5, ge=1, le=1000)
    """Failures in a row after which a connection opens nothing for a while; exits still go."""

    breaker_open_s: float = Field(default=10.0, gt=0, le=600)
    """How long a connection's breaker stays open, in seconds."""

    order_lots: int = Field(default=50, ge=1, le=10_000)
    """The most lots of one order that the trader gives by hand, for each account."""

    order_collar_percent: float = Field(default=2.0, gt=0, le=100)
    """How far from the market the price of an order given by hand may be, in percent."""

    sessions_days: int = Field(default=30, ge=1, le=3650)
    """How many days a recorded session is kept for `copydesk replay`."""

    sessions_mb: int = Field(default=2048, ge=1, le=1_000_000)
    """Megabytes that recorded sessions may take together; the oldest go first."""

    bars_days: int = Field(default=1825, ge=1, le=36_500)
    """How many days of candles are kept, counted back from now."""

    trades_days: int = Field(default=30, ge=1, le=36_500)
    """How many days of trades are kept; an ES contract makes about half a million a day."""

    strict_entity_types: bool = True
    """Ask a venue's stream for the kinds of events the desk reads, and not for everything."""

    theme: str = Field(default="desk", min_length=1)
    """The colour theme of the screen."""

    mouse: bool = True
    """Whether the screen takes the mouse; without it the terminal's own selection works."""

    glyphs: Literal["auto", "utf8", "ascii"] = "auto"
    """How lines, arrows and blocks are drawn: `ascii` for a terminal or font without them; `auto` by the locale."""

    notify: Literal["osc9", "osc777", "bell"] = "osc9"
    """How an alarm reaches the machine you sit at, besides the bell: the sequence that its terminal shows."""
    keys_file: Path | None = Field(default=None, examples=["/home/me/keys.toml"])
    """The trader's own keys; without it keys.toml beside this file or in ~/.config/copydesk, if it is there."""

    passphrase: SecretStr | None = Field(default=None, examples=["a long sentence"])
    """Unlocks the sealed logins; only from COPYDESK_PASSPHRASE. Without it a key file in `state_dir` is used."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written to the log in `state_dir`."""

    chart_interval_s: int = Field(default=60, ge=60, le=86_400, multiple_of=60)
    """Seconds per candle, whole minutes."""

    feeds: _Names = Field(default=(), examples=[("binance",)])
    """Sources of public market data, which need no login: binance."""

    binance_symbols: _Names = Field(default=(), examples=[("BTCUSDT", "ETHUSDT")])
    """What is watched at Binance from the start."""

    chart_symbol: str | None = Field(default=None, examples=["ESH4"])
    """The contract of the candles pane; without it, what the leader trades."""

    binance_ws_url: str = "wss://stream.binance.com:9443"
    """Where Binance's public streams are."""

    binance_rest_url: str = "https://api.binance.com"
    """Where Binance's public REST endpoints are."""

    @field_validator("feeds", "binance_symbols", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("feeds")
    @classmethod
    def _known_feeds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in FEEDS:
                raise ValueError(f"names {name!r}, which is no feed; there is {', '.join(FEEDS)}")
        return tuple(dict.fromkeys(value))

    @field_validator("binance_symbols")
    @classmethod
    def _plain_symbols(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not (name.isascii() and name.isalnum()):
                raise ValueError(f"names {name!r}, which is no symbol")
        return tuple(dict.fromkeys(name.upper() for name in value))

    @field_validator("binance_ws_url", "binance_rest_url")
    @classmethod
    def _address(cls, value: str, info: ValidationInfo) -> str:
        schemes = ("wss", "ws") if info.field_name == "binance_ws_url" else ("https", "http")
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError(f"is not an address that begins with {schemes[0]}://")
        return value

    market_kernel: Literal["auto", "compiled", "python"] = "auto"
    """What builds books and candles: the compiled kernel, its slower Python twin, or the first that is there."""

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("is not a Postgres address")
        return value

    @field_validator("passphrase")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 8:
            raise ValueError("is shorter than 8 characters")
        return value

    @field_validator("chart_symbol")
    @classmethod
    def _contract(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not (info.data.get("feeds") and value in info.data.get("binance_symbols", ())):
            try:
                parse_contract(value)
            except UnknownProduct:
                raise ValueError("is not a contract") from None
        return value

    @model_validator(mode="after")
    def _reserve_leaves_entries(self) -> "Settings":
        if self.reserved_for_exits >= self.requests_per_min:
            raise ValueError(
                f"reserved_for_exits ({self.reserved_for_exits}) leaves nothing of requests_per_min "
                f"({self.requests_per_min}) for entries; write a smaller number"
            )
        return self

    def adapter(self, config: ConnectionConfig) -> AdapterSettings:
        """What these settings say about the adapter of `config`."""
        per_min = config.requests_per_min or self.requests_per_min
        return AdapterSettings(
            deadline_s=self.deadline_s,
            requests_per_min=per_min,
            reserved_for_exits=min(self.reserved_for_exits, per_min // 2),
            reconnect_cap_s=self.reconnect_cap_s,
            strict_entity_types=self.strict_entity_types,
        )


def config_file() -> Path | None:
    """The settings file in use: COPYDESK_CONFIG, else ./copydesk.toml, else the one in the user's configuration
    directory; None when there is none."""
    if named := os.environ.get("COPYDESK_CONFIG"):
        return Path(named)
    return next((path for path in (Path(FILE_NAME), _home() / FILE_NAME) if path.is_file()), None)


def _home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "copydesk"


def _keys_beside(file: Path | None) -> Path | None:
    """The trader's keys: `keys.toml` beside the settings file, else in the user's configuration directory."""
    beside = [file.parent] if file is not None else []
    return next((each / KEYS_FILE_NAME for each in (*beside, _home()) if (each / KEYS_FILE_NAME).is_file()), None)


def load_settings(path: Path | None = None, **overrides: Any) -> Settings:
    """The settings from `path` (or `config_file()`), the environment, and `overrides`, the later winning.
    Raises SettingsError."""
    file = path or config_file()
    values = _read(file) if file else {}
    if keys := _keys_beside(file):
        values.setdefault("keys_file", keys)
    places = {key: str(file) for key in values}
    for variable in os.environ:
        key = variable.removeprefix(ENV_PREFIX).lower()
        if variable.startswith(ENV_PREFIX) and variable not in _NOT_SETTINGS:
            places[key] = f"environment: {variable}"
            if key not in Settings.model_fields:
                known = [ENV_PREFIX + name.upper() for name in Settings.model_fields]
                raise SettingsError(f"environment: there is no setting {variable}; {_nearest(variable, known)}")
    places |= dict.fromkeys(overrides, "option")

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=values)

    try:
        return FromFile(**overrides)
    except ValidationError as error:
        # `from None`: the original holds the values as they were given, secrets among them.
        raise SettingsError(_sentence(error, places)) from None


def read_toml(file: Path) -> dict[str, Any]:
    """What a TOML file holds. Raises SettingsError."""
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: can't be read ({error.strerror}); check the path and its permissions.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: is not UTF-8 text; save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: is not valid TOML: {error}; correct that line.") from None


def _read(file: Path) -> dict[str, Any]:
    values = read_toml(file)
    for key in values:
        if key not in Settings.model_fields:
            raise SettingsError(f"{file}: there is no setting {key!r}; {_nearest(key, list(Settings.model_fields))}")
    if "passphrase" in values:
        raise SettingsError(f"{file}: passphrase does not belong in a file; set COPYDESK_PASSPHRASE instead.")
    return values


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"remove it, or use one of {', '.join(sorted(known))}."


def _sentence(error: ValidationError, places: Mapping[str, str]) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    wrong = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if not first["loc"]:
        return f"settings: {wrong}."
    key = str(first["loc"][0])
    place = places.get(key, "settings")
    if key not in Settings.model_fields:
        return f"{place}: there is no setting {key!r}; {_nearest(key, list(Settings.model_fields))}"
    field = Settings.model_fields[key]
    shown = "" if _is_secret(field) else f" = {first['input']!r}"
    return f"{place}: {key}{shown} {wrong}; write {_example(key, field, place)}."


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _example(key: str, field: FieldInfo, place: str) -> str:
    value = field.examples[0] if field.examples else field.default
    names = list(map(str, value)) if "tuple" in str(field.annotation) else None
    if place.startswith("environment"):
        text = ",".join(names) if names is not None else str(value).lower() if isinstance(value, bool) else value
        return f"something like {ENV_PREFIX}{key.upper()}={text}"
    shown = str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else value
    if names is not None:
        shown = "[" + ", ".join(f'"{name}"' for name in names) + "]"
    return f"something like {key} = {shown}"
