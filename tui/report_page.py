"""The page of `:report`: a trading day's report, section by section, the days beside it, its plots, and its CSV. Opened
by `tui/carrying.py`. It is what `copydesk report` prints, so nothing on it rests on colour."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.widgets import Static

from engine.reported import Report, ReportAsked
from engine.seat import CommandRefused, Seat
from tui.asking import REFUSED, outcome
from tui.keymap import BY_ID, bindings, called
from tui.report_text import section_lines, sections, title
from tui.text import clean, hidden
from tui.textpage import TextPage

_PLOT_WIDTH = 100


class ReportPage(TextPage):
    """One report; other days are asked of the seat."""

    BINDINGS: ClassVar[list[Any]] = bindings("report")

    def __init__(self, seat: Seat, report: Report, learn: Callable[[Report], None]) -> None:
        super().__init__("", wraps=False)
        self._seat = seat
        self._learn = learn
        """What a shared screen has to know of a report before it is shown."""
        learn(report)
        self._report = report
        self._plots = False
        self._tops: list[int] = []
        self._title = Static(title(report), markup=False, classes="heading")
        self._said = Static("", markup=False, classes="said")

    @property
    def report(self) -> Report:
        """What is shown."""
        return self._report

    def heading(self) -> ComposeResult:
        yield self._title
        yield self._said

    async def on_mount(self) -> None:
        keys = ("section", "report_plots", "report_csv", "day_before")
        self._about = "  ".join(f"{called(key)} {BY_ID[key].description}" for key in keys)
        await self._draw()

    def say(self, text: str, look: str = "") -> None:
        self._said.update(clean(text))
        self._said.set_class(look == REFUSED, "-refused")

    # --- keys -----------------------------------------------------------------------------------------------------

    def action_section(self, step: int) -> None:
        """Scroll the next heading, or the one before, to the top."""
        at = self.text.top
        further = [top for top in self._tops if (top > at if step > 0 else top < at)]
        if further:
            self.text.go_to(further[0] if step > 0 else further[-1])

    def action_export(self) -> None:
        """Write the CSV into the folder that this seat runs in."""
        from engine.export import ExportRefused, counted_rows, export_report  # a seat loads no database to sit down

        days = [str(day) for day in dict.fromkeys((self._report.since, self._report.until))]
        path = Path.cwd() / f"report-{'-to-'.join(days)}.csv"
        try:
            rows = export_report(self._report, path)
        except ExportRefused as refused:
            self.say(str(refused), REFUSED)
        else:
            self.say(f"{counted_rows('report', rows)} written to {path}.")

    def action_day(self, step: int) -> None:
        """The report of the day before or after."""
        day = (self._report.until if step > 0 else self._report.since) + timedelta(days=step)
        self.say(f"Asking for {day} …")
        self.run_worker(self._ask(day), group="report", exclusive=True)

    async def _ask(self, day: date) -> None:
        self.say(*await outcome(self._show(day)))

    async def _show(self, day: date) -> str:
        found = await self._seat.report(ReportAsked(day=str(day)))
        if found.empty and day > date.today() + timedelta(days=1):  # noqa: DTZ011 - a trading day is at most one ahead
            raise CommandRefused(f"day: {day} has not come yet.")
        self._learn(found)
        self._report = found
        self._title.update(title(found))
        await self._draw()
        self.text.go_to(0)
        return ""

    async def action_plots(self) -> None:
        if hidden():
            self.say(f"Plots are of money, which is hidden; {called('hide')} at the panes shows it.", REFUSED)
            return
        self._plots = not self._plots
        await self._draw()
        if self._plots:
            self.text.go_to(len(self.text.lines))

    async def _draw(self) -> None:
        """The sections, and the plots under them where they are wanted."""
        parts = [section_lines(section) for section in sections(self._report)]
        if self._plots:
            from tui.report_plot import plots

            drawn = await asyncio.to_thread(plots, self._report, _PLOT_WIDTH)
            parts += [plot.splitlines() for plot in drawn]
        lines: list[str] = []
        self._tops = []
        for part in parts:
            self._tops.append(len(lines))
            lines += [*part, ""]
        self.tell("\n".join(lines))
