"""The report's page by keys: a day, its sections, its plots, the days beside it, and its rows as CSV."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from tests.tui.driving import Driver, desk
from tui.report_page import ReportPage


async def opened(on: Driver, line: str = "report") -> ReportPage:
    await on.command(line)
    await on.until(lambda: isinstance(on.app.screen, ReportPage), "the report")
    page = on.app.screen
    assert isinstance(page, ReportPage)
    await on.shows("P&L")
    return page


async def test_the_day_is_told_and_scrolled_by_section() -> None:
    async with desk(120, 16) as on:
        page = await opened(on)
        await on.shows("REPORT 2026-11-25")
        assert "realised +937.50, fees 9.00 (5/10), net +928.50" in on.text
        assert "BY FIRM" not in on.text
        await on.pilot.press("tab", "tab")
        await on.shows("BY FIRM")
        assert " ".join(on.line_of("two  ").split()).count("1 -12.50 not told -12.50") == 1
        await on.pilot.press("shift+tab", "shift+tab")
        await on.shows("realised +937.50")
        await on.pilot.press("end")
        await on.shows("Fees were told of 5 of 10 fills")
        await on.pilot.press("escape")
        await on.until(lambda: on.app.screen is not page, "the panes")


async def test_the_days_beside_it_are_a_key_away() -> None:
    async with desk() as on:
        page = await opened(on, "report 2026-11-25")
        await on.pilot.press("left_square_bracket")
        await on.shows("REPORT 2026-11-24")
        await on.shows("Nothing was traded and nothing was copied in this time.")
        await on.pilot.press("right_square_bracket")
        await on.shows("REPORT 2026-11-25")
        assert page.report.total.net == Decimal("928.50")


async def test_its_rows_are_written_as_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with desk() as on:
        page = await opened(on)
        await on.pilot.press("e")
        await on.shows("3 rows of report written to")
    with (tmp_path / "report-2026-11-25.csv").open(newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert {row["account"]: Decimal(row["net"]) for row in rows} == {
        line.account: line.result.net for line in page.report.accounts
    }
    assert [row["fees"] for row in rows] == ["9.00", "", ""]


async def test_the_plots_come_and_go() -> None:
    async with desk(130, 50) as on:
        await opened(on)
        await on.pilot.press("p")
        await on.shows("net P&L by account")
        assert "+741.00" in on.line_of("F1  ") and "#" in on.text
        await on.pilot.press("p")
        await on.until(lambda: "net P&L by account" not in on.text, "no plots")


async def test_a_day_that_cannot_be_meant_is_one_sentence() -> None:
    async with desk() as on:
        await on.command("report 2026-13-01")
        await on.shows("day: '2026-13-01' is not a trading day; write one like 2026-11-21, today or yesterday.")


async def test_slash_finds_text_of_the_report_and_n_goes_on() -> None:
    async with desk(120, 16) as on:
        page = await opened(on)
        await on.pilot.press("slash", *"FIRM", "enter")
        await on.shows("BY FIRM")
        await on.shows("/FIRM  1 of 1")
        await on.pilot.press("escape", "slash", *"lots", "enter")
        await on.shows("/lots  4 of 5")  # the first that is not above what is seen
        await on.pilot.press("n", "n")
        await on.shows("/lots  1 of 5")
        await on.shows("realised +937.50")
        await on.pilot.press("slash", *"nowhere", "enter")
        await on.shows("/nowhere  not on this page")
        await on.pilot.press("escape", "escape")
        await on.until(lambda: on.app.screen is not page, "the panes")


async def test_a_shared_screen_shows_a_report_without_money_or_names() -> None:
    async with desk(130, 50) as on:
        await on.pilot.press("dollar_sign")
        await opened(on)
        await on.shows("realised •••, fees ••• (5/10), net •••")
        shown = "\n".join(line for line in on.text.splitlines() if "│" in line)
        assert not any(told in shown for told in ("937.50", "928.50", "741.00", "12.50", "9.00"))
        await on.pilot.press("p")
        await on.shows("Plots are of money, which is hidden")
        await on.pilot.press("escape")
        await on.until(lambda: not isinstance(on.app.screen, ReportPage), "the panes")
        await on.pilot.press("dollar_sign")
        await on.shows("Money and names are shown again.")
