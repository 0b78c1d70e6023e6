"""What can be done through the ATI socket, and what can't (`protocols/ninjatrader.md`). `adapter.py` asks it once."""

from msgspec.structs import replace

from brokers.adapter import Capabilities, Requests
from brokers.ninjatrader.names import VENUE
from brokers.ninjatrader.wire import ORDER_TYPES, TIMES_IN_FORCE
from schema.records import NinjaLogin, NinjaReadings

CAPABILITIES = Capabilities(
    venue=VENUE,
    client_tag=True,  # an order's id is the desk's (B3)
    duplicate_tag_rejected=False,  # what a repeated id does is not documented (B3)
    native_brackets=False,  # by a template of the trader's own or a shared OCO id; no value tells a link (B3, B4)
    native_trailing=False,  # no order type trails (B3)
    flips=True,
    liquidates=True,  # CLOSEPOSITION (B3)
    market_data=True,
    bars=False,  # prices alone, and no history (B7)
    order_types=frozenset(ORDER_TYPES),
    times_in_force=frozenset(TIMES_IN_FORCE),
    lists_accounts=False,  # only the accounts that the trader named (B2)
    describes_contracts=False,  # no value tells a tick, and no search finds a contract (B7)
    authenticates=False,  # no login, no handshake (B1)
    tokens_expire=False,
    answers_commands=False,  # a command that is refused does nothing at all (B3, B5)
    reject_reasons=False,  # its Log tab has them (B3)
    tells_terms=False,  # of an order: state, filled quantity, average price (B1, B4)
    executions=False,  # they are derived from totals (B4)
    tags_closes=False,  # CLOSEPOSITION has no order id (B3)
    throttles=False,  # no limit is documented (B5)
    find=Requests(once=0, each=0),  # both are a new connection, and no command
    reading=Requests(once=0, each=0),
)


def capabilities_of(login: NinjaLogin) -> Capabilities:
    """A login's. What the accounts hold can only be asked where a new connection is told everything, which is not
    verified (B6), and exits have a second way where the folder of the file interface is set (B3)."""
    fresh = login.readings is NinjaReadings.FRESH
    return replace(CAPABILITIES, lists_positions=fresh, tells_gap=fresh, exits_without_stream=bool(login.folder))
