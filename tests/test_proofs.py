"""Every proof the desk owes by now has a test that names it (FIELD: the complaints about copiers, and their causes)."""

import re
from pathlib import Path

OWED = {
    "T-DUP": "nothing is sent twice, whatever is replayed, retried or restarted",
    "T-REPLAY": "a venue that replays a whole session causes no order",
    "T-LEDGER": "every (leader event, follower) pair ends with one reason",
    "T-CONV": "exits converge within 3 s after a fault clears",
    "T-ORPHAN": "no working order is left on a flat symbol after 2 s",
    "T-PROT": "no position that should have a stop is without one for over 2 s",
    "T-SIZE": "leader flat means follower flat, and sizes never drift by rounding",
    "T-STORM": "reconnecting logins do not all knock at once",
    "T-AUTH": "one token renewal in flight, and a failed one replaces nothing",
    "T-UNKNOWN": "an empty or failed answer is not a flat account",
    "T-FAN": "the last of 20 followers does not wait for the others",
    "T-DROP": "lost fill frames are found by asking",
    "T-SCOPE": "a correction touches one account",
    "T-PARTIAL": "several partial closes leave no residue",
    "T-SOAK": "nothing leaks over a long run",
    "T-PANIC": "a flatten is not delayed by a saturated request budget",
    "T-VERBATIM": "a reject keeps the venue's own words",
    "T-BRK": "an open breaker stops entries and no exit",
}


def test_every_owed_proof_is_named_by_a_test() -> None:
    texts = [path.read_text() for path in Path(__file__).parent.rglob("*.py") if path.name != Path(__file__).name]
    named = {name for text in texts for name in re.findall(r"T-[A-Z]+\b|(?<=test_)t_[a-z]+", text)}
    named = {name.upper().replace("_", "-") for name in named}
    assert sorted(set(OWED) - named) == []
