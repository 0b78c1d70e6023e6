"""What a chart says of itself: loading, live, gap or stale. Pure; whoever shows candles asks it at every paint."""

from enum import StrEnum

from schema.stretches import Stretch, Stretches, minus

STALE_AFTER_MS = 5_000.0
_NS_PER_MS = 1_000_000


class Badge(StrEnum):
    LOADING = "loading"  # what is missing is being asked for
    LIVE = "live"  # all of it is there, and the source speaks
    GAP = "gap"  # something is missing, and nobody asks for it now
    STALE = "stale"  # the source has said nothing for a while: the newest price may be old


def badge(
    *,
    since_ns: int,
    now_ns: int,
    covered: Stretches,
    last_msg_age_ms: float,
    filling: bool,
    stale_after_ms: float = STALE_AFTER_MS,
) -> Badge:
    """The badge of a chart that begins at `since_ns`. `covered` is what is known to be complete of it: by the store,
    and by the feed for as long as it has told everything. `last_msg_age_ms` is how long the source has been silent, -1
    before its first word; `filling`: a backfill of these candles runs.

    An old price is the worst to take for a new one, so `stale` comes before everything but an empty chart; a backfill
    of what this chart does not show makes it no less live. What happened since the source's last word can't be missing
    yet, so it is not looked at: between two messages nothing changes but the age.
    """
    heard = last_msg_age_ms >= 0
    until_ns = now_ns - int(last_msg_age_ms * _NS_PER_MS) if heard else now_ns
    if filling and not any(each.until_ns > since_ns for each in covered):
        return Badge.LOADING
    if last_msg_age_ms > stale_after_ms or (not heard and covered):
        return Badge.STALE
    if not heard:
        return Badge.LOADING
    if not minus(Stretch(since_ns, until_ns), covered):
        return Badge.LIVE
    return Badge.LOADING if filling else Badge.GAP
