"""The page of `:report`: a trading day's report, section by section, the days beside it, its plots, and its CSV. Opened
by `tui/carrying.py`. It is what `copydesk report` prints, so nothing on it rests on colour."""

import asyncio
from datetime import date, timedelta
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from engine.reported import Report, ReportAsked
from engine.seat import CommandRefused, Seat
from tui.asking import REFUSED, outcome
from tui.keymap import bindings
from tui.patient import PatientModal
from tui.report_text import section_lines, sections, title
from tui.text import clean

_PLOT_WIDTH = 100
_KEYS = "↑ ↓ scroll, Tab next section, p plots, e CSV, [ ] day before and after, Esc closes"


class ReportPage(PatientModal[None]):
    """One report; other days are asked of the seat."""

    BINDINGS: ClassVar[list[Any]] = bindings("report")

    def __init__(self, seat: Seat, report: Report) -> None:
        super().__init__()
        self._seat = seat
        self._report = report
        self._plots = False
        self._title = Static(title(report), markup=False, classes="heading")
        self._body = VerticalScroll(id="report")
        self._said = Static("", markup=False, classes="said")

    @property
    def report(self) -> Report:
        """What is shown."""
        return self._report

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._title
            with self._body:
                yield from self._sections()
            yield self._said
            yield Static(_KEYS, markup=False, classes="keys")

    def _sections(self) -> ComposeResult:
        for section in sections(self._report):
            yield Static("\n".join([*section_lines(section), ""]), markup=False, classes="section")

    def on_mount(self) -> None:
        self._body.focus()

    def say(self, text: str, look: str = "") -> None:
        self._said.update(clean(text))
        self._said.set_class(look == REFUSED, "-refused")

    # --- keys -----------------------------------------------------------------------------------------------------

    def action_section(self, step: int) -> None:
        """Scroll the next heading, or the one before, to the top."""
        tops = [each.virtual_region.y for each in self._body.query(".section")]
        at = round(self._body.scroll_y)
        further = [top for top in tops if (top > at if step > 0 else top < at)]
        if further:
            self._body.scroll_to(y=further[0] if step > 0 else further[-1], animate=False)

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
        self._report = found
        self._title.update(title(found))
        await self._draw()
        self._body.scroll_home(animate=False)
        return ""

    async def action_plots(self) -> None:
        self._plots = not self._plots
        await self._draw()
        if self._plots:
            self._body.scroll_end(animate=False)

    async def _draw(self) -> None:
        drawn: list[str] = []
        if self._plots:
            from tui.report_plot import plots

            drawn = await asyncio.to_thread(plots, self._report, _PLOT_WIDTH)
        await self._body.remove_children()
        await self._body.mount(
            *self._sections(), *(Static(f"{plot}\n", markup=False, classes="section plot") for plot in drawn)
        )

    def action_close(self) -> None:
        self.dismiss(None)
