"""What the drift, health and latency panes, the arm checklist and the preview of a rule show. Records only.

`engine/seat.py` passes them on; `engine/drift.py`, `engine/vitals.py`, `engine/waterfall.py`, `engine/arming.py` and
`engine/preview.py` make them.
"""

from enum import StrEnum

from schema.login import Credentials
from schema.records import ConnectionConfig, Environment, Record

# --- drift -----------------------------------------------------------------------------------------------------------


class DriftRow(Record, frozen=True):
    """A follower that does not stand at its target in one contract. `held` is None where the venue has not said it;
    `foreign` of it are not the desk's. `delta` is the signed lots that would bring the copies' own to the target.
    `why` is what kept it from there, `since_ns` when it was first seen so, `will` what the desk does about it."""

    account: str
    group: str
    symbol: str
    held: int | None
    target: int | None
    delta: int
    foreign: int
    why: str
    since_ns: int
    will: str


# --- health ----------------------------------------------------------------------------------------------------------


class ConnectionShown(Record, frozen=True, tag=True):
    """One login now. `heard_ns` is when its venue last sent anything, 0 for never; `breaker` is closed, open or
    probing after `failures` failures in a row; `round_trip_ms` is -1 before the first."""

    connection: str
    venue: str
    environment: Environment
    accounts: int
    state: str  # starting, connecting, syncing, up, down, refused
    reason: str
    heard_ns: int
    reconnects: int
    unreadable: int
    breaker: str
    failures: int
    budget_left: int
    budget_per_min: int
    round_trip_ms: float


class ProcessShown(Record, frozen=True, tag=True):
    """The desk's process. `collect_ms` is the last full garbage collection, -1 before the first; `fds` is -1 where
    the system does not say."""

    pid: int
    rss_mb: float
    threads: int
    fds: int
    tasks: int
    loop_lag_p50_ms: float
    loop_lag_p99_ms: float
    collect_ms: float


class PostgresShown(Record, frozen=True, tag=True):
    """The journal's database. `reason` says why it is away. Commits are those that orders wait for, of the last 500,
    -1 before the first; `waiting` rows are still to be written behind."""

    up: bool
    reason: str
    commits: int
    commit_p50_ms: float
    commit_p99_ms: float
    commit_max_ms: float
    waiting: int
    flush_ms: float


# --- latency ---------------------------------------------------------------------------------------------------------


class StageShown(Record, frozen=True, tag=True):
    """One stage of the way of a copy since the desk opened, milliseconds; `over` copies took longer than its budget."""

    stage: str
    count: int
    p50: float
    p99: float
    max: float
    budget_ms: float
    over: int


class CopyTimes(Record, frozen=True, tag=True):
    """How long one copy took in each stage (`engine.waterfall.STAGES`), milliseconds; -1 where it can't be said."""

    signal_id: str
    follower: str
    symbol: str
    at_ns: int
    stages_ms: tuple[float, ...]
    total_ms: float


# --- arming ----------------------------------------------------------------------------------------------------------


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 - no secret
    NOTE = "note"  # to know; it keeps nobody from being armed
    FAIL = "fail"


class ArmCheck(Record, frozen=True):
    """One line of the checklist; `reason` is one sentence, empty where there is nothing to say."""

    name: str
    verdict: Verdict
    reason: str = ""


class ArmLine(Record, frozen=True):
    """One follower and its checks. `on`: it is switched on already."""

    account: str
    group: str
    on: bool
    checks: tuple[ArmCheck, ...]

    @property
    def passes(self) -> bool:
        return all(check.verdict is not Verdict.FAIL for check in self.checks)


class VenuePolicy(Record, frozen=True):
    """What a venue demands of where a desk runs, to be acknowledged before an account of it is armed."""

    venue: str
    text: str


class ArmPlan(Record, frozen=True):
    """The checklist of `target`, and, after arming, who was armed by it."""

    target: str
    lines: tuple[ArmLine, ...]
    policies: tuple[VenuePolicy, ...] = ()
    armed: tuple[str, ...] = ()

    @property
    def ready(self) -> tuple[str, ...]:
        """Who is off and passes."""
        return tuple(line.account for line in self.lines if line.passes and not line.on)


# --- the preview of a rule -------------------------------------------------------------------------------------------


class PreviewStep(Record, frozen=True):
    """The leader goes from `leader_before` to `leader_net` lots: the follower is sent `order` signed lots and then
    holds `held`. `note` says what is special."""

    leader_before: int
    leader_net: int
    order: int
    held: int
    note: str = ""


class RulePreview(Record, frozen=True):
    """What a rule would do for one follower, from flat through 1 to 10 lots, partial exits and flips. `note` is one
    sentence where nothing can be said."""

    account: str
    leader_symbol: str
    symbol: str
    steps: tuple[PreviewStep, ...]
    note: str = ""


# --- the practice venue ----------------------------------------------------------------------------------------------


class PracticeLogin(Record, frozen=True):
    """A login at the practice venue that runs on this machine, and is not on the desk."""

    login: ConnectionConfig
    credentials: Credentials
    accounts: tuple[str, ...]
