"""Settings: the environment wins over the file, and every mistake gets one sentence with the place and the remedy."""

from pathlib import Path

import pytest

from schema.records import ConnectionConfig, Environment
from schema.settings import Settings, SettingsError, load_settings

CANARY = "canary-7f3a9"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no settings on it."""
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "copydesk.toml"
    file.write_text(text)
    return file


def test_without_a_file_the_defaults_hold(home: Path) -> None:
    settings = load_settings()
    assert (settings.deadline_s, settings.requests_per_min, settings.reserved_for_exits) == (2.5, 80, 20)
    assert settings.state_dir == home / "xdg_state_home" / "copydesk"
    assert settings.database_url is None


def test_the_nearest_file_counts_and_the_environment_wins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(home / "xdg_config_home" / "copydesk", "deadline_s = 1")
    assert load_settings().deadline_s == 1
    written(home, "deadline_s = 2\nbreaker_failures = 7")
    assert load_settings().deadline_s == 2
    named = written(home / "named", "deadline_s = 3\nbreaker_failures = 7")
    monkeypatch.setenv("COPYDESK_CONFIG", str(named))
    assert load_settings().deadline_s == 3
    monkeypatch.setenv("COPYDESK_DEADLINE_S", "4")
    assert (load_settings().deadline_s, load_settings().breaker_failures) == (4, 7)
    assert load_settings(**{"deadline_s": 5.0}).deadline_s == 5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("deadline = 3", "{file}: there is no setting 'deadline'; did you mean deadline_s?"),
        (
            "deadline_s = 'soon'",
            "{file}: deadline_s = 'soon' should be a valid number, unable to parse string as a number; "
            "write something like deadline_s = 2.5.",
        ),
        (
            "requests_per_min = 0",
            "{file}: requests_per_min = 0 should be greater than or equal to 1; "
            "write something like requests_per_min = 80.",
        ),
        ("mouse = 'often'", "{file}: mouse = 'often' should be a valid boolean, unable to interpret input; "
         "write something like mouse = true."),
        ("chart_symbol = 'gold'", "{file}: chart_symbol = 'gold' is not a contract; "
         'write something like chart_symbol = "ESH4".'),
        (
            "reserved_for_exits = 80",
            "settings: reserved_for_exits (80) leaves nothing of requests_per_min (80) for entries; "
            "write a smaller number.",
        ),
        (f"passphrase = '{CANARY}'", "{file}: passphrase does not belong in a file; set COPYDESK_PASSPHRASE instead."),
        ("feeds = ['binanse']", "{file}: feeds = ['binanse'] names 'binanse', which is no feed; there is binance; "
         'write something like feeds = ["binance"].'),
        ("binance_symbols = ['B/U']", "{file}: binance_symbols = ['B/U'] names 'B/U', which is no symbol; "
         'write something like binance_symbols = ["BTCUSDT", "ETHUSDT"].'),
        ("binance_ws_url = 'https://stream.binance.com'", "{file}: binance_ws_url = 'https://stream.binance.com' "
         'is not an address that begins with wss://; write something like binance_ws_url = '
         '"wss://stream.binance.com:9443".'),
        (
            "deadline_s = \n",
            "{file}: is not valid TOML: Invalid value (at line 1, column 14); correct that line.",
        ),
        (
            f"database_url = 'mysql://desk:{CANARY}@host/db'",
            "{file}: database_url is not a Postgres address; "
            'write something like database_url = "postgresql://copydesk@db.example/copydesk".',
        ),
    ],
)  # fmt: skip
def test_a_wrong_file_gets_one_sentence(home: Path, text: str, sentence: str) -> None:
    file = written(home, text)
    with pytest.raises(SettingsError) as refused:
        load_settings(file)
    assert str(refused.value) == sentence.format(file=file)
    assert CANARY not in repr(refused.value.__cause__)


def test_feeds_are_off_and_named_in_a_list_or_with_commas(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (load_settings().feeds, load_settings().binance_rest_url) == ((), "https://api.binance.com")
    written(home, 'feeds = ["binance"]\nbinance_symbols = ["btcusdt", "ETHUSDT", "BTCUSDT"]')
    assert load_settings().feeds == ("binance",)
    assert load_settings().binance_symbols == ("BTCUSDT", "ETHUSDT")
    monkeypatch.setenv("COPYDESK_BINANCE_SYMBOLS", "bnbusdt, solusdt")
    assert load_settings().binance_symbols == ("BNBUSDT", "SOLUSDT")


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "COPYDESK_FEEDS",
            "binance,kraken",
            "environment: COPYDESK_FEEDS: feeds = 'binance,kraken' names 'kraken', "
            "which is no feed; there is binance; write something like COPYDESK_FEEDS=binance.",
        ),
        (
            "COPYDESK_DEADLINE",
            "3",
            "environment: there is no setting COPYDESK_DEADLINE; did you mean COPYDESK_DEADLINE_S?",
        ),
        (
            "COPYDESK_LOG_LEVEL",
            "loud",
            "environment: COPYDESK_LOG_LEVEL: log_level = 'loud' should be 'debug', 'info', 'warning' or 'error'; "
            "write something like COPYDESK_LOG_LEVEL=info.",
        ),
        (
            "COPYDESK_PASSPHRASE",
            "canary",
            "environment: COPYDESK_PASSPHRASE: passphrase is shorter than 8 characters; "
            "write something like COPYDESK_PASSPHRASE=a long sentence.",
        ),
    ],
)
def test_a_wrong_variable_gets_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert str(refused.value) == sentence


def test_a_file_that_is_not_there_is_named(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: can't be read"):
        load_settings(home / "nowhere.toml")


def test_secrets_do_not_show_when_settings_are_printed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COPYDESK_PASSPHRASE", CANARY)
    monkeypatch.setenv("COPYDESK_DATABASE_URL", f"postgresql://desk:{CANARY}@host/db")
    settings = load_settings()
    assert CANARY not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.passphrase is not None
    assert settings.passphrase.get_secret_value() == CANARY


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_a_login_with_a_budget_of_its_own_keeps_room_for_entries(home: Path) -> None:
    config = ConnectionConfig(connection="a", venue="tradovate", environment=Environment.DEMO, username="a")
    assert load_settings().adapter(config).requests_per_min == 80
    small = ConnectionConfig(
        connection="a", venue="tradovate", environment=Environment.DEMO, username="a", requests_per_min=10
    )
    assert load_settings().adapter(small).requests_per_min == 10
    assert load_settings().adapter(small).reserved_for_exits == 5
