"""The report of a headless demo: the desk's journal against the venue's own books, which the desk never wrote."""

from schema.records import Record


class Percentiles(Record):
    """Milliseconds."""

    p50: float
    p99: float
    max: float


class DemoReport(Record):
    """What `copydesk demo --headless --json` prints.

    `pairs` are (leader signal, follower) pairs; the six decisions add up to them. `unaccounted` counts pairs without a
    decision, leader fills at the venue without a signal, and orders at the venue that no journaled pair explains.
    `duplicates` counts orders the venue received more than once. `drift` counts followers that at rest do not stand
    where their rule says, by the venue's positions.
    """

    venues: tuple[str, ...]
    signals: int
    pairs: int
    copied: int
    skipped: int
    rejected: int
    expired: int
    unknown: int
    unaccounted: int
    duplicates: int
    drift: int
    latency_ms: dict[str, Percentiles]
    rss_mb: float

    @property
    def holds(self) -> bool:
        return not (self.unaccounted or self.duplicates or self.drift)

    def as_text(self) -> str:
        """The same, a line a figure."""
        lines = [f"{name:12} {getattr(self, name)}" for name in self.__struct_fields__ if name != "latency_ms"]
        for stage, ms in self.latency_ms.items():
            lines.append(f"{stage:12} p50 {ms.p50:.2f} ms  p99 {ms.p99:.2f} ms  max {ms.max:.2f} ms")
        return "\n".join(lines)
