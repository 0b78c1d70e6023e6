"""How strict and how generous the sandbox is: every limit of the protocol page as a setting with its default.

Made by `__main__.py` and by tests; read by the doors.
"""

from schema.records import Record


class DoorSettings(Record, frozen=True):
    """Limits of the Tradovate door (`protocols/tradovate.md 1.1, 1.4, 1.5`).

    `environment` ``live`` shows only accounts of the live kind: a demo login then sees an empty list. A user's requests
    over `requests_per_min` are answered 423 once and 429 from then on, until the minute has room again or, with
    `lockout_s`, that long. The `*_per_hour` limits are answered by p-tickets; of logins only failures count.
    `strict_entity_types`: a sync without entityTypes gets nothing. `split_responses`: a sync that asks for it gets one
    response per entity type and a last one without data. Ended orders beyond the newest `orders_kept` leave the lists
    with all that belongs to them, so that a venue can run for days. A chart's reply holds the newest `chart_elements`
    of what was asked for; who wants more asks again from the oldest.
    """

    environment: str = "demo"
    token_lifetime_s: float = 80 * 60.0
    sessions_per_user: int = 2
    requests_per_min: int = 80
    lockout_s: float = 0.0
    failed_logins_per_hour: int = 5
    renewals_per_hour: int = 15
    me_per_hour: int = 10
    syncs_per_hour: int = 300
    heartbeat_s: float = 2.5
    authorize_within_s: float = 10.0
    client_silence_s: float = 30.0
    strict_entity_types: bool = False
    split_responses: bool = False
    orders_kept: int = 10_000
    quotes_per_s: float = 20.0
    doms_per_s: float = 4.0
    charts_per_s: float = 4.0
    chart_elements: int = 5_000


class ProjectXSettings(Record, frozen=True):
    """Limits and switches of the ProjectX door (`protocols/projectx.md`). What the page marks UNVERIFIED is a switch.

    Requests are counted per user in rolling windows: `requests` in `requests_window_s`, bars apart; 0 counts nothing.
    `wrapped`: user events come as ``{"action", "data"}`` (on), bare (off), or, with `flat_fills`, only orders wrapped.
    `position_brackets`: accounts are in Position Brackets mode and refuse an order's brackets, which with
    `refused_bracket_leaves_order` stays in the market all the same. `logout_on_second_login`: the hubs of a user's
    earlier sessions are told GatewayLogout. `validate_renews`: validating a token answers with a new one.
    `trail_price_is_level`: a trailing stop's trailPrice is the price it begins at (on) or its distance (off).
    `batch_market_data`: several trades or depth rows come as one array.
    """

    token_lifetime_s: float = 24 * 3600.0
    validate_renews: bool = True
    requests: int = 200
    requests_window_s: float = 60.0
    bars: int = 50
    bars_window_s: float = 30.0
    wrapped: bool = True
    flat_fills: bool = False
    position_brackets: bool = False
    refused_bracket_leaves_order: bool = False
    reject_names_order: bool = False
    stop_limit: bool = True
    trail_price_is_level: bool = False
    min_bracket_ticks: int = 4
    logout_on_second_login: bool = True
    duplicate_tag_text: str = "The specified custom tag already in use"
    ping_s: float = 15.0
    client_silence_s: float = 30.0
    handshake_within_s: float = 15.0
    batch_market_data: bool = True
    depth_levels: int = 10


class FixSettings(Record, frozen=True):
    """Limits of the FIX door (`protocols/fix.md C1-C4`). Both versions are spoken, a client's Logon says which.

    `target_comp_id` is the door's own name. `check_clocks`: a time (52) that is 120 s off ends the session.
    `restart_numbers`: both sides begin at 1 after every disconnect, as at T4. `order_status`: H is answered;
    `mass_status`, `positions`: AF and AN are (4.4 only). `messages_per_s` above which a request is refused as too many;
    0: no limit. `kept_messages` are resent on request; older ones are filled as a gap.
    """

    target_comp_id: str = "SANDBOX"
    check_clocks: bool = True
    restart_numbers: bool = False
    order_status: bool = True
    mass_status: bool = True
    positions: bool = True
    messages_per_s: int = 0
    kept_messages: int = 20_000


class NinjaTraderSettings(Record, frozen=True):
    """Switches of the NinjaTrader door (`protocols/ninjatrader.md`): what the page marks UNVERIFIED, and its options.

    `tells_everything`: a new connection is told every value; off, only that the interface is on. `shows_foreign`:
    orders of other front ends, and those that close a position, have ids of NinjaTrader's making. `tells_changes`: a
    change shows as a state of its own. `enum_words`: states of two words are written as one (``PartFilled``).
    `month_words`: contracts are called ``ES MAR24``. `folder` holds a folder for each login, with `incoming` and
    `outgoing`; empty: no files. `ignore_duplicate_files`: a file's name counts once.
    """

    tells_everything: bool = True
    shows_foreign: bool = True
    tells_changes: bool = True
    enum_words: bool = False
    month_words: bool = False
    folder: str = ""
    ignore_duplicate_files: bool = True


class BinanceSettings(Record, frozen=True):
    """Limits and switches of the Binance door (`docs/binance.md`). What the page marks UNVERIFIED is a switch.

    `life_s` is what a connection lives, `ping_s` how often it is pinged, `pong_within_s` when an unanswered ping ends
    it. Over `messages_per_s` it is disconnected; over `streams` too, or, without `over_streams_disconnects`, answered
    an error. `attempts` connections in `attempts_window_s` are taken, then HTTP 429. `weight` is what an address may
    use a minute, the clock's (`weight_minute_by_clock`) or any; after `patience` requests beyond it, it is banned for
    `ban_s`, twice as long each time up to `longest_ban_s`. `wrapped_errors`: errors of a stream request come in an
    ``error``. `bare_connect`: a connection may come without a stream. `three_wide_levels`: levels have the third,
    empty element. A client that does not read is let go with `queued` messages before it. `pump_s` is how often the
    market is looked at, `depth_s` and `kline_s` how long depth and candles are summed up (the slow ones ten times and
    twice as long).
    """

    life_s: float = 24 * 3600.0
    ping_s: float = 20.0
    pong_within_s: float = 60.0
    messages_per_s: int = 5
    streams: int = 1024
    over_streams_disconnects: bool = True
    attempts: int = 300
    attempts_window_s: float = 300.0
    weight: int = 6000
    weight_minute_by_clock: bool = True
    patience: int = 10
    ban_s: float = 120.0
    longest_ban_s: float = 3 * 24 * 3600.0
    wrapped_errors: bool = False
    bare_connect: bool = True
    three_wide_levels: bool = False
    queued: int = 20_000
    pump_s: float = 0.01
    depth_s: float = 0.1
    kline_s: float = 1.0
    trades_kept: int = 500_000
