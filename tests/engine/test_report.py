"""A report is right to the cent: against a book added up by hand, whatever it is summed by, and at a day's edges."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.report import bounds, report
from engine.reported import Report, ReportAsked
from engine.reporting import days_of, make
from engine.seat import CommandRefused
from schema.records import Position
from schema.store import Batch, Store
from schema.store_report import AccountFact, FillFact, ReportFacts, ToldFact
from tests import report_book as book
from tests.report_book import BEGINS_NS, DAY, ENDS_NS, S_NS, D, at, fill

NOW_NS = ENDS_NS + 3600 * S_NS


async def made(store: Store, **asked: str) -> Report:
    return await make(store.reports(), ReportAsked(**(asked or {"day": str(DAY)})), NOW_NS)


def line(of: Report, account: str):
    return next(each for each in of.accounts if each.account == account)


async def test_every_figure_of_a_small_book_is_the_one_added_up_by_hand(store: Store) -> None:
    await book.write(store)
    found = await made(store)
    lead, one, two = (line(found, name).result for name in ("LEAD", "F1", "F2"))
    assert (lead.realized, lead.fees, lead.net, lead.fills, lead.trades, lead.wins) == (D(200), None, D(200), 3, 1, 1)
    # The lot held overnight is closed at what it was opened for, the flip ends one trade and begins the next.
    assert (one.realized, one.fees, one.net) == (D("750"), D("9"), D("741"))
    assert (one.fills, one.lots, one.trades, one.wins, one.losses) == (5, 9, 2, 1, 1)
    # Net falls by fees alone to -2, rises to 893, then falls by 50 + 1 and 100 + 1.
    assert one.drawdown == D("152")
    assert (two.realized, two.fees, two.net, two.trades, two.losses) == (D("-12.50"), None, D("-12.50"), 1, 1)
    total = found.total
    assert (total.realized, total.fees, total.net) == (D("937.50"), D("9"), D("928.50"))
    assert (total.fills, total.fills_with_fee, total.trades, total.wins, total.losses) == (10, 5, 4, 2, 2)
    # -2 of fees; +200 = 198; +895 = 1093; -12.50 = 1080.50; -51 = 1029.50; -101 = 928.50
    assert total.drawdown == D("164.50")
    assert [point.net for point in found.equity] == [
        D(n) for n in ("0", "0", "0", "-1", "-2", "-2", "198", "1093", "1080.50", "1029.50", "928.50")
    ]
    assert [(each.name, each.about, each.result.net) for each in found.firms] == [
        ("one", "projectx demo", D("941")),
        ("two", "tradovate demo", D("-12.50")),
    ]
    assert [(each.name, each.accounts, each.result.net) for each in found.groups] == [("main", 3, D("928.50"))]
    assert [(each.name, each.result.net) for each in found.days] == [("2026-11-25", D("928.50"))]
    assert any("Fees were told of 5 of 10 fills" in note for note in found.notes)


async def test_copies_are_counted_with_their_reasons_and_held_against_the_leaders_fill(store: Store) -> None:
    await book.write(store)
    found = await made(store)
    ended = found.outcomes
    assert (ended.pairs, ended.copied, ended.skipped, ended.rejected, ended.failed) == (6, 3, 2, 1, 1)
    assert ended.corrections == 1
    assert [(each.decision, each.reason, each.count) for each in found.reasons] == [
        ("skipped", "off: by the trader", 2),
        ("rejected", "=margin: too little", 1),
    ]
    one, two = line(found, "F1").slippage, line(found, "F2").slippage
    # 0.50 better is -2 ticks of 12.50; 1.50 worse is 6. MES: one tick of 1.25 for ten lots.
    assert (one.copies, one.lots, one.ticks.mean, one.ticks.p50, one.ticks.worst) == (2, 2, D(2), D(-2), D(6))
    assert (one.money.total, one.money.worst) == (D(50), D(75))
    assert (two.ticks.worst, two.money.total) == (D(1), D("12.50"))
    assert found.slippage is not None
    assert (found.slippage.ticks.p50, found.slippage.ticks.p95, found.slippage.money.total) == (D(1), D(6), D("62.50"))
    assert found.not_compared == 0


async def test_each_stage_of_the_copies_stands_against_its_budget(store: Store) -> None:
    await book.write(store)
    found = await made(store)
    stages = {each.stage: each for each in found.latency}
    assert [(s.count, s.p50, s.over, s.ok) for s in (stages["detect"], stages["publish"], stages["fan-out"])] == [
        (3, 20.0, 0, True),
        (3, 10.0, 0, True),
        (3, 5.0, 0, True),
    ]
    venue, total = stages["venue"], stages["total"]
    assert (venue.p50, venue.p99, venue.max, venue.over, venue.ok) == (900.0, 3000.0, 3000.0, 2, False)
    assert (stages["collect"].p50, stages["collect"].ok) == (30.0, True)
    # 20 + 15 + the venue's + 30
    assert (total.p50, total.max, total.over) == (965.0, 3065.0, 1)
    assert found.over_sla == 1
    late = line(found, "F1").total_ms
    assert late is not None and (late.p50, late.max) == (165.0, 3065.0)


async def test_a_day_ends_where_the_next_begins(store: Store) -> None:
    await book.write(store)
    tomorrow = await made(store, day="2026-11-26")
    assert (tomorrow.total.fills, tomorrow.total.net, tomorrow.outcomes.pairs) == (2, D(5), 0)
    yesterday = await made(store, day="2026-11-24")
    assert (yesterday.total.fills, yesterday.total.net, yesterday.outcomes.pairs) == (1, D(-1), 1)
    all_of_it = await made(store, since="2026-11-24", until="2026-11-26")
    assert [each.result.net for each in all_of_it.days] == [D(-1), D("928.50"), D(5)]
    assert all_of_it.total.net == D("932.50")
    best = {each.account: each for each in all_of_it.best_days}
    assert (best["F1"].best, best["F1"].profit, best["F1"].share_pct) == (D(741), D(740), D("100.14"))
    # Half of the profit at most: 741 of at least 1482, of which 740 are there.
    assert dict(best["F1"].lacking)[50] == D("742")
    assert best["F2"].share_pct is None


async def test_an_account_a_group_and_what_there_is_not(store: Store) -> None:
    await book.write(store)
    only = await made(store, day=str(DAY), account="F1")
    assert [each.account for each in only.accounts if each.result.fills] == ["F1"]
    assert (only.total.net, only.outcomes.pairs) == (D(741), 3)
    assert (await made(store, day=str(DAY), group="main")).total.net == D("928.50")
    for asked, said in (
        ({"account": "F3"}, "account: there is no F3; write F1, F2 or LEAD."),
        ({"group": "mian"}, "group: there is no mian; did you mean main?"),
    ):
        with pytest.raises(CommandRefused) as refused:
            await made(store, **asked)
        assert str(refused.value) == said


async def test_lots_that_no_fill_brought_are_taken_from_the_venue_and_earn_nothing(store: Store) -> None:
    """Held before the desk came: 2 from 5000 by the venue's word. They are sold at 5010, and a trade follows."""
    await book.accounts(store)
    held = Position(account="F1", symbol="ESZ6", net_qty=2, avg_price=D(5000))
    await store.record(Batch(positions=(held,), fills=(fill(1, "F1", "sell", 2, "5010", at(50)),)))
    session = await store._database.connect()
    await session.execute("UPDATE position_changes SET at_ns = $1", BEGINS_NS - 3600 * S_NS)
    await session.close()
    found = await made(store)
    assert found.total.realized == D(1000)
    await store.record(Batch(fills=(fill(2, "F1", "buy", 1, "5010", at(60)), fill(3, "F1", "sell", 1, "5011", at(61)))))
    assert (await made(store)).total.realized == D(1050)


async def test_a_position_that_changed_is_kept_with_its_time_and_one_that_did_not_is_not(store: Store) -> None:
    held = Position(account="F1", symbol="ESZ6", net_qty=2, avg_price=D(5000))
    for each in (held, held, replace(held, net_qty=0, avg_price=D(0)), held):
        await store.record(Batch(positions=(each,)))
    session = await store._database.connect()
    kept = await session.fetch("SELECT net_qty FROM position_changes ORDER BY at_ns")
    await session.close()
    assert [row[0] for row in kept] == [2, 0, 2]


def facts(fills: list[FillFact], told: tuple[ToldFact, ...] = ()) -> ReportFacts:
    names = sorted({each.account for each in fills})
    accounts = tuple(
        AccountFact(
            account=name, connection=f"l{number % 2}", venue="v", environment="demo", group=f"g{number % 3}", role=""
        )
        for number, name in enumerate(names)
    )
    return ReportFacts(accounts=accounts, fills=tuple(fills), told=told)


_FILLS = st.lists(
    st.builds(
        FillFact,
        account=st.sampled_from(["A", "B", "C", "D"]),
        symbol=st.sampled_from(["ESZ6", "MESZ6", "NQZ6"]),
        net_qty=st.integers(-5, 5).filter(bool),
        price=st.decimals(100, 200, places=2),
        fee=st.none() | st.decimals(0, 5, places=2),
        venue_ns=st.integers(BEGINS_NS, ENDS_NS + 86_000 * S_NS),
    ),
    max_size=60,
)


@given(fills=_FILLS)
def test_whatever_is_summed_by_account_group_firm_or_day_comes_to_the_total(fills: list[FillFact]) -> None:
    fills.sort(key=lambda each: each.venue_ns)
    until = DAY + timedelta(days=1)
    found = report(facts(fills), DAY, until, bounds(DAY, until)[1])
    parts = (found.accounts, found.groups, found.firms, found.days, found.account_days)
    for name in ("realized", "net", "fills", "fills_with_fee", "lots", "trades", "wins", "losses"):
        sums = [sum(getattr(each.result, name) for each in part) for part in parts]
        assert sums == [getattr(found.total, name)] * len(parts), name
    fees = [sum((each.result.fees or Decimal(0)) for each in part) for part in parts]
    assert fees == [found.total.fees or Decimal(0)] * len(parts)
    assert found.total.net == found.total.realized - (found.total.fees or 0)
    assert found.total.drawdown >= max(Decimal(0), -found.total.net)


@given(cuts=st.lists(st.integers(1, 9), min_size=1, max_size=9), price=st.decimals(100, 200, places=2))
def test_in_however_many_parts_a_position_is_closed_it_earns_the_same(cuts: list[int], price: Decimal) -> None:
    entry = [("5000.25", 1), ("5000.50", 2), ("5000.75", 4 + sum(cuts))]
    lots = sum(qty for _, qty in entry)
    parts = [*cuts, lots - sum(cuts)]
    signed = [(D(p), qty) for p, qty in entry] + [(price, -qty) for qty in parts]
    fills = [
        FillFact(account="A", symbol="ESZ6", net_qty=qty, price=p, fee=None, venue_ns=BEGINS_NS + number)
        for number, (p, qty) in enumerate(signed)
    ]
    by_hand = 50 * (price * lots - sum(D(p) * qty for p, qty in entry))
    found = report(facts(fills), DAY, DAY, ENDS_NS)
    assert found.total.realized == by_hand
    assert (found.total.trades, found.total.lots) == (1, 2 * lots)


def test_what_a_venue_says_is_believed_where_the_fills_say_less() -> None:
    """The desk was away while 1 was bought; what it says beside a fill that is on its way is not news."""
    told = tuple(
        ToldFact(account="A", symbol="ESZ6", at_ns=at(second), net_qty=net, avg_price=D(5000))
        for second, net in ((1, 0), (100, 1), (199, 1), (200.05, 0))
    )
    sold = FillFact(account="A", symbol="ESZ6", net_qty=-1, price=D(5004), fee=None, venue_ns=at(200))
    found = report(facts([sold], told), DAY, DAY, ENDS_NS)
    assert found.total.realized == D(200)
    assert found.notes[-1] == (
        "A: 1 ESZ6 came or went without a fill that the desk saw; what they earned is not known and not counted."
    )


def test_a_contract_of_no_known_worth_is_left_out_and_named() -> None:
    fills = [
        FillFact(account="A", symbol="WHOZ6", net_qty=qty, price=D(price), fee=None, venue_ns=at(number))
        for number, (qty, price) in enumerate(((1, "10"), (-1, "20")))
    ]
    found = report(facts(fills), DAY, DAY, ENDS_NS)
    assert (found.total.realized, found.total.fills) == (D(0), 2)
    assert "WHOZ6: nobody has said what its tick is worth; what it earned is not known and not counted." in found.notes


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, ("2026-11-26", "2026-11-26")),
        ({"day": "yesterday"}, ("2026-11-25", "2026-11-25")),
        ({"since": "2026-11-20"}, ("2026-11-20", "2026-11-26")),
        ({"until": "2026-11-20"}, ("2026-11-20", "2026-11-20")),
        ({"since": "2026-11-20", "until": "today"}, ("2026-11-20", "2026-11-26")),
    ],
)
def test_the_days_that_are_meant(asked: dict[str, str], meant: tuple[str, str]) -> None:
    assert tuple(map(str, days_of(ReportAsked(**asked), NOW_NS))) == meant


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"day": "2026-13-01"},
         "day: '2026-13-01' is not a trading day; write one like 2026-11-21, today or yesterday."),
        ({"day": "today", "since": "today"}, "day: give one day, or --from and --to, not both."),
        ({"since": "2026-11-21", "until": "2026-11-20"},
         "to: 2026-11-20 is before 2026-11-21; give a later day or leave"),
        ({"since": "2024-11-21"}, "from: a report is of 366 days at most; give a later day."),
    ],
)  # fmt: skip
def test_days_that_cannot_be_meant_get_one_sentence(asked: dict[str, str], said: str) -> None:
    with pytest.raises(CommandRefused) as refused:
        days_of(ReportAsked(**asked), NOW_NS)
    assert str(refused.value).startswith(said)
