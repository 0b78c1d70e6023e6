"""Every venue the contract is run against. A new one is a file like these and a line in `VENUES`."""

from tests.brokers.contract.venue import Venue
from tests.brokers.contract.venues import fix, ninjatrader, projectx, tradovate

VENUES: dict[str, Venue] = {
    venue.name: venue
    for venue in (
        tradovate.TRADOVATE,
        projectx.PROJECTX,
        fix.FIX_42,
        fix.FIX_44,
        fix.FIX_T4,
        ninjatrader.NINJATRADER,
    )
}
