"""The arm checklist: what would keep each follower from copying, PASS, NOTE or FAIL with the reason, and the key that
arms who passes. `tui/managing.py` opens it.

Nothing is sent from here: who is armed takes part from the leader's next event on. The desk looks once more in the
moment of arming, and says who was left off.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from engine.seat import Seat
from engine.shown import ArmCheck, ArmLine, ArmPlan, Verdict
from tui.asking import outcome
from tui.keymap import bindings, called
from tui.patient import PatientModal
from tui.text import clean, counted

_GLYPHS = {Verdict.PASS: "✓", Verdict.NOTE: "i", Verdict.FAIL: "✗"}


class ArmPage(PatientModal[str | None]):
    """Dismissed with who was armed, in one sentence, or None."""

    BINDINGS: ClassVar[list[Any]] = bindings("arm")

    def __init__(self, seat: Seat, plan: ArmPlan) -> None:
        super().__init__()
        self._seat = seat
        self.plan = plan
        self._noted: set[str] = set()
        self._all = False
        self._busy = False
        self._heading = Static("", markup=False, classes="heading")
        self._policies = Static("", markup=False, classes="note")
        self._table = Static("", markup=False)
        self._said = Static("", markup=False, classes="said")
        self._keys = Static("", markup=False, classes="answer")

    def compose(self) -> ComposeResult:
        with Vertical():
            yield self._heading
            yield self._policies
            with VerticalScroll(can_focus=False):
                yield self._table
            yield self._said
            yield self._keys

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        plan = self.plan
        failing = sum(not line.passes for line in plan.lines)
        on = sum(line.on for line in plan.lines)
        passing = len(plan.lines) - failing
        self._heading.update(
            f"Arm {clean(plan.target)}: {passing} of {counted(len(plan.lines), 'follower passes', 'followers pass')}, "
            f"{on} on already"
        )
        unread = [policy for policy in plan.policies if policy.venue not in self._noted]
        self._policies.update("\n".join(clean(policy.text) for policy in unread))
        self._policies.display = bool(unread)
        self._table.update(checklist(plan.lines, every=self._all))
        keys = [
            ("arm_them", f"arm {counted(len(plan.ready), 'follower', 'followers')}" if plan.ready else ""),
            ("arm_note", "take note of what the venue demands" if unread else ""),
            ("arm_again", "look again"),
            ("arm_details", "only what is to be said" if self._all else "every check"),
            ("arm_leave", "leave"),
        ]
        self._keys.update("    ".join(f"{called(key)}  {does}" for key, does in keys if does))

    # --- keys -------------------------------------------------------------------------------------------------------

    def action_scroll(self, by: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def action_details(self) -> None:
        self._all = not self._all
        self._show()

    def action_take_note(self) -> None:
        self._noted |= {policy.venue for policy in self.plan.policies}
        self.action_look_again()

    def action_look_again(self) -> None:
        self._work(self._look())

    def action_arm(self) -> None:
        if self.plan.ready:
            self._work(self._arm())
        elif all(line.on for line in self.plan.lines):
            self._say("Every one of them is on already.", refused=False)
        else:
            self._say("None of those that are off passes: the table says why.", refused=True)

    def action_leave(self) -> None:
        self.dismiss(None)

    # --- the desk ---------------------------------------------------------------------------------------------------

    def _work(self, work: Any) -> None:
        if self._busy:
            work.close()
            return
        self._busy = True
        self.run_worker(self._worked(work), group="arm", exclusive=True)

    async def _worked(self, work: Any) -> None:
        try:
            said, look = await outcome(work)
        finally:
            self._busy = False
        if said:
            self._say(said, refused=bool(look))

    async def _look(self) -> str:
        self.plan = await self._seat.arm_checklist(self.plan.target, sorted(self._noted))
        self._show()
        return ""

    async def _arm(self) -> str:
        wanted = self.plan.ready
        done = await self._seat.arm(wanted, sorted(self._noted))
        left = {line.account: line for line in done.lines if line.account not in done.armed and not line.on}
        armed = f"{counted(len(done.armed), 'follower is', 'followers are')} armed from the next leader event on"
        if left:
            await self._look()
            why = "; ".join(f"{account}: {first_reason(line.checks)}" for account, line in left.items())
            return f"{armed}. Left off: {why}."
        self.dismiss(f"{armed}.")
        return ""

    def _say(self, text: str, *, refused: bool) -> None:
        self._said.set_class(refused, "-refused")
        self._said.update(clean(text))


def first_reason(checks: Iterable[ArmCheck]) -> str:
    """The first reason that fails."""
    return next((check.reason for check in checks if check.verdict is Verdict.FAIL), "")


def checklist(lines: Sequence[ArmLine], *, every: bool) -> str:
    """What is so for all of them, then a line for each follower and below it what is to be said of it, or `every`
    check."""
    shared = set(lines[0].checks) if len(lines) > 1 else set[ArmCheck]()
    for line in lines:
        shared &= set(line.checks)
    said = [f"  {_told(check)}" for check in (lines[0].checks if lines else ()) if check in shared and _telling(check)]
    told = ["all of them", *said, ""] if said else []
    for line in lines:
        verdict = Verdict.PASS if line.passes else Verdict.FAIL
        state = "on" if line.on else "off"
        told.append(f"{_GLYPHS[verdict]} {verdict.upper()}  {clean(line.account):16} {state:3}  {clean(line.group)}")
        told += [f"     {_told(check)}" for check in line.checks if every or (_telling(check) and check not in shared)]
    return "\n".join(told)


def _telling(check: ArmCheck) -> bool:
    return check.verdict is not Verdict.PASS


def _told(check: ArmCheck) -> str:
    reason = clean(check.reason) or ("as it should be" if check.verdict is Verdict.PASS else "")
    return f"{_GLYPHS[check.verdict]} {check.verdict.upper():4}  {check.name:11} {reason}"
