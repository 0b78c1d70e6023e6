"""The rules page: a follower's rule and cap, or a whole group's, with a table of what it would do, as it is typed.
`tui/managing.py` opens it.

The table is the desk's own (`engine/preview.py`): the planner along a path of the leader, with the follower's equity,
contract map and venue as they are.
"""

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from engine.rules import RuleRefused, parse_rule
from engine.seat import CommandRefused, Seat
from engine.shown import RulePreview
from schema.records import Rounding, Rule, RuleKind
from tui.asking import outcome
from tui.page import Choice, Field, Page, whole_number
from tui.text import clean, signed

_WIDE = 100


class RulesPage(Page):
    """`target` is a follower or a group; `shown_for` are the followers that the table can be shown for."""

    GO_ON = "Set it"
    STORES = True

    def __init__(self, seat: Seat, target: str, rule: Rule, cap: int | None, shown_for: Sequence[str]) -> None:
        fields = [
            Field("kind", "Kind", choices=tuple(map(str, RuleKind)), value=str(rule.kind)),
            Field("value", "Value", "lots, ratio, or per cent of the equities", ("rule",), value=f"{rule.value:f}"),
            Field("rounding", "Rounding", choices=tuple(map(str, Rounding)), value=str(rule.rounding)),
            Field(
                "invert", "Inverted", "yes: the other way", choices=("no", "yes"), value="yes" if rule.invert else "no"
            ),
            Field("cap", "Position cap", "lots; empty: none", ("max_position",), value="" if cap is None else str(cap)),
        ]
        if len(shown_for) > 1:
            fields.append(Field("for_whom", "Table for", choices=tuple(shown_for), value=shown_for[0]))
        super().__init__(seat, f"Rule of {target}", fields)
        self._target = target
        self._shown_for = tuple(shown_for)
        self.table = Static("", markup=False, id="preview", classes="known")

    def lines(self) -> ComposeResult:
        yield from super().lines()
        yield Vertical(self.table, classes="line")

    def on_mount(self) -> None:
        super().on_mount()
        self._preview()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._preview()

    def on_choice_changed(self, event: Choice.Changed) -> None:
        event.stop()
        self._preview()

    def _preview(self) -> None:
        self.run_worker(self._previewed(), group="preview", exclusive=True)

    async def _previewed(self) -> None:
        said, _ = await outcome(self._table())
        self.table.update(clean_lines(said))

    async def _table(self) -> str:
        rule, cap = self._rule(), self._cap()
        whom = self.text("for_whom") if "for_whom" in self._typed else self._shown_for[0]
        return preview_text(await self._seat.preview(whom, rule, cap), 3 if self.app.size.width >= _WIDE else 2)

    def _rule(self) -> Rule:
        """What the lines say. Raises CommandRefused."""
        inverted = self.text("invert") == "yes"
        try:
            return parse_rule(self.text("kind"), self.text("value"), self.text("rounding"), invert=inverted)
        except RuleRefused as refused:
            raise CommandRefused(str(refused)) from None

    def _cap(self) -> int | None:
        return whole_number("cap", self.text("cap"))

    async def go_on(self) -> str:
        return await self._seat.set_size(self._target, self._rule(), self._cap())


def clean_lines(text: str) -> str:
    return "\n".join(map(clean, text.splitlines()))


def preview_text(found: RulePreview, columns: int = 2) -> str:
    """The table, in columns: what the leader holds, the order that goes, what the follower holds then."""
    copied = found.symbol if found.symbol == found.leader_symbol else f"{found.leader_symbol} as {found.symbol}"
    heads = ("leader", "order", "holds")
    rows: list[Sequence[Any]] = [
        (
            f"{signed(step.leader_before)} > {signed(step.leader_net)}",
            f"{'buy' if step.order > 0 else 'sell'} {abs(step.order)}" if step.order else "-",
            signed(step.held),
            step.note if step.order or not step.note.startswith("at target") else "",
        )
        for step in found.steps
    ]
    height = -(-len(rows) // columns)
    told = [f"{found.account} copies {copied}{f': {found.note}' if found.note else ''}"]
    told.append("   ".join([f"{heads[0]:>10}  {heads[1]:>7}  {heads[2]:>5}"] * columns))
    for at in range(height):
        cells = [f"{row[0]:>10}  {row[1]:>7}  {row[2]:>5}" for row in rows[at::height]]
        told.append("   ".join(cells))
    notes = dict.fromkeys(str(row[3]) for row in rows if row[3])
    return "\n".join([*told, *(f"  {note}" for note in notes)])
