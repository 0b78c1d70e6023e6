"""Promises about logins and tokens: refused in one sentence, renewed once, never leaked."""

import asyncio
import logging
import traceback

import pytest
import structlog

from brokers.adapter import LoginRefused, RequestRefused, StreamDown, VenueUnreachable
from brokers.budget import RequestBudget
from brokers.tradovate.entities import Account
from brokers.tradovate.http import Http
from brokers.tradovate.login import Login
from brokers.tradovate.rest import Rest
from schema.clock import SYSTEM_CLOCK
from schema.records import Environment
from tests.brokers.tradovate.bench import Bench, buy, connected, until
from tests.brokers.tradovate.venue import PASSWORD, Venue


@pytest.fixture
async def venue():
    async with Venue().serving() as serving:
        yield serving


async def refusal(bench: Bench, kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        await bench.adapter.connect()
    await bench.adapter.close()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


async def test_wrong_password_is_refused_in_the_venues_words_and_not_repeated(venue: Venue):
    venue.on_login = lambda body: (200, {"errorText": f"Incorrect username or password {body['password']}"})
    text = await refusal(Bench(venue), LoginRefused)
    assert "Incorrect username or password" in text and "desk1" in text and PASSWORD not in text
    assert len(venue.logins) == 1
    assert venue.logins[0]["deviceId"] == "bench"


async def test_wrong_host_is_named(venue: Venue):
    bench = Bench(venue, rest_url="http://127.0.0.1:1/v1")
    text = await refusal(bench, VenueUnreachable)
    assert "127.0.0.1:1" in text and "cannot be reached" in text


async def test_a_host_that_is_no_venue_is_named(venue: Venue):
    venue.on_login = lambda body: (404, "nothing here")
    assert "check rest_url" in await refusal(Bench(venue), VenueUnreachable)
    venue.on_login = lambda body: (200, ["what"])
    assert "not as Tradovate does" in await refusal(Bench(venue), VenueUnreachable)


async def test_demo_login_on_live_is_refused(venue: Venue):
    text = await refusal(Bench(venue, environment=Environment.LIVE), LoginRefused)
    assert "DEMO1001" in text and "live" in text
    assert venue.asked("user/syncrequest") == []


async def test_login_without_accounts_is_refused(venue: Venue):
    venue.accounts = []
    assert "lists no account" in await refusal(Bench(venue), LoginRefused)


async def test_token_without_access_is_refused(venue: Venue):
    venue.on_rest = lambda path, body: (401, "Access is denied") if path == "account/list" else None
    assert "belongs to demo" in await refusal(Bench(venue), LoginRefused)


async def test_empty_sync_is_the_wrong_environment(venue: Venue):
    venue.on_ws = lambda c, path, i, body: (200, {}) if path == "user/syncrequest" else None
    assert "synchronises no account" in await refusal(Bench(venue), LoginRefused)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rest_url": "ftp://x/v1"}, "rest_url"),
        ({"rest_url": "http://venue.example/v1"}, "in clear"),
        ({"rest_url": "https://live.tradovateapi.com/v1", "ws_url": ""}, "live host"),
    ],
)
async def test_addresses_that_contradict_are_refused(venue: Venue, changes: dict, words: str):
    assert words in await refusal(Bench(venue, **changes), LoginRefused)


async def test_p_ticket_is_waited_for_and_the_same_body_sent_again(venue: Venue):
    venue.on_login = lambda body: None if "p-ticket" in body else (200, {"p-ticket": "abc123", "p-time": 0.05})
    async with connected(venue):
        first, second = venue.logins
        assert second == first | {"p-ticket": "abc123"}


async def test_captcha_stops_the_login(venue: Venue):
    venue.on_login = lambda body: (200, {"p-ticket": "x", "p-time": 60, "p-captcha": True})
    assert "wait 1 h" in await refusal(Bench(venue), LoginRefused)
    assert len(venue.logins) == 1


async def test_connect_may_be_tried_again_after_the_venue_was_away(venue: Venue):
    venue.on_login = lambda body: (503, "maintenance")
    bench = Bench(venue)
    with pytest.raises(VenueUnreachable):
        await bench.adapter.connect()
    venue.on_login = lambda body: None
    await bench.adapter.connect()
    assert bench.adapter.health().state == "up"
    await bench.adapter.close()


class Session:
    """A login and its REST, without sockets."""

    def __init__(self, venue: Venue) -> None:
        bench = Bench(venue)
        self.http = Http(venue.url)
        budget = RequestBudget(SYSTEM_CLOCK, 5000, 0)
        self.login = Login(bench.adapter.config, bench.adapter._credentials, self.http, budget, SYSTEM_CLOCK)
        self.rest = Rest(self.http, self.login, budget)

    async def __aenter__(self) -> "Session":
        await self.login.log_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.login.close()
        await self.http.close()


@pytest.mark.parametrize("same_text", [False, True])
async def test_fifty_dead_tokens_cause_one_renewal(venue: Venue, same_text: bool):
    """T-AUTH: one renewal in flight, whoever asks."""

    async def slowly():
        await asyncio.sleep(0.05)
        answer = venue.give_token()
        if same_text:  # the venue extends the session and keeps the token's text
            venue.valid.add(session_token)
            answer["accessToken"] = session_token
        return 200, answer

    async with Session(venue) as session:
        session_token = session.login.token
        venue.valid.clear()
        venue.on_renew = slowly
        lists = await asyncio.gather(*(session.rest.read("account/list", list[Account]) for _ in range(50)))
        assert all(len(accounts) == 2 for accounts in lists)
        assert venue.renewals == 1 and len(venue.logins) == 1


@pytest.mark.parametrize(
    "failure", [(500, "boom"), (200, ["odd"]), (429, None), (200, {"p-ticket": "t", "p-time": 3600})]
)
async def test_failed_renewal_never_replaces_a_good_token(venue: Venue, failure: tuple):
    """T-AUTH."""
    async with Session(venue) as session:
        good = session.login.token
        venue.on_renew = lambda: failure
        with pytest.raises(VenueUnreachable):
            await session.login.renewed(session.login.generation)
        assert session.login.token == good
        assert (await session.http.send("account/list", token=session.login.token))[0] == 200
        assert len(venue.logins) == 1


async def test_refused_renewal_and_refused_login_keep_the_token_too(venue: Venue):
    async with Session(venue) as session:
        good = session.login.token
        venue.on_renew = lambda: (200, {"errorText": "Session expired"})
        venue.on_login = lambda body: (200, {"errorText": "Incorrect password"})
        for _ in range(3):
            with pytest.raises(LoginRefused):
                await session.login.renewed(session.login.generation)
        assert session.login.token == good
        assert len(venue.logins) == 2  # the first one, and one wrong password; never a second


async def test_token_is_renewed_ahead_of_its_end(venue: Venue):
    venue.token_life_s = 1.0
    async with connected(venue) as bench:
        await until(lambda: venue.renewals >= 2, "two renewals ahead of time")
        assert len(venue.logins) == 1
        assert bench.of(StreamDown) == []


async def test_expired_session_logs_in_again_and_the_stream_stays(venue: Venue):
    async with connected(venue) as bench:
        venue.valid.clear()
        venue.token = "gone"
        venue.on_ws = lambda c, path, i, body: (
            (401, "Access is denied") if path == "order/placeorder" and len(venue.logins) < 2 else None
        )
        await bench.adapter.place([buy("a")])
        await until(lambda: len(venue.logins) == 2, "a new login")
        await until(lambda: [f for f in venue.raw_frames if f.startswith("authorize")][1:], "authorized again")
        assert bench.outcomes("a") == ["OrderRejected"]
        assert bench.of(StreamDown) == []
        await bench.adapter.snapshot()


async def test_unknown_symbol_is_refused(venue: Venue):
    async with connected(venue) as bench:
        with pytest.raises(RequestRefused, match="no contract ZZZ9"):
            await bench.adapter.instrument("ZZZ9")
        es = await bench.adapter.instrument("ESH4")
        assert (es.root, str(es.tick_size), str(es.tick_value), es.venue_id) == ("ES", "0.25", "12.50", "501")


async def test_no_secret_reaches_logs_reprs_or_kept_messages(venue: Venue, caplog: pytest.LogCaptureFixture):
    logged: list[str] = []

    def keep(_, __, event):
        logged.append(repr(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[structlog.processors.format_exc_info, keep], cache_logger_on_first_use=False)
    caplog.set_level(logging.DEBUG)
    try:
        async with connected(venue) as bench:
            await venue.raw(f'a[{{"i":"{venue.token}"}},{{"e":"props","d":"{PASSWORD}"}}]')
            await venue.raw(f"x{PASSWORD} canary-md-token")
            await until(lambda: bench.adapter.health().unreadable == 3, "three unreadable messages")
            venue.drop_all()
            await until(lambda: bench.adapter.health().reconnects == 1, "a reconnect")
            everything = [
                repr(bench.events),
                repr(bench.adapter),
                repr(vars(bench.adapter)),
                repr(bench.adapter.health()),
            ]
            everything += [repr(vars(bench.adapter._session)), repr(bench.adapter._connection)]
    finally:
        structlog.configure(**before)
    text = "\n".join([*everything, *logged, caplog.text])
    assert logged and "[redacted]" in text
    for canary in (PASSWORD, "canary-token", "canary-md-token"):
        assert canary not in text
