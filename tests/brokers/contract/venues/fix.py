"""FIX on the contract's bench: 4.2 and 4.4 at a counterparty that keeps its numbers, and T4, which begins anew."""

from brokers.adapter import BrokerAdapter
from brokers.fix.adapter import FixAdapter
from brokers.sandbox.fix_front import FixFront
from brokers.sandbox.orders import Reason
from brokers.sandbox.settings import FixSettings
from schema.records import ConnectionConfig, FixLogin
from tests.brokers.contract.bench import Bench
from tests.brokers.contract.venue import CONNECTION, USERNAME, Fact, Seat, Venue, rejects


def _at(version: str, dialect: str) -> "Venue":
    def build(seat: Seat) -> BrokerAdapter:
        config = ConnectionConfig(
            connection=CONNECTION,
            venue="fix",
            environment=seat.environment,
            username=USERNAME,
            fix=FixLogin(
                host="127.0.0.1",
                port=seat.port,
                sender_comp_id=USERNAME,
                target_comp_id=seat.door["target_comp_id"],
                version=version,
                dialect=dialect,
                tls=False,
            ),
        )
        return FixAdapter(
            config,
            seat.credentials,
            seat.settings,
            seat.clock,
            seat.emit,
            seat.random,
            accounts=seat.accounts,
            sessions=seat.sessions,
        )

    t4 = dialect == "t4"
    facts = dict(_FACTS)
    if version == "FIX.4.2":
        facts["lists_positions"] = Fact(
            text="FIX 4.2 has no request for positions: they are what the reports of this session add up to",
            source="protocols/fix.md C2",
        )
    if t4:
        facts["tells_gap"] = Fact(
            text="numbers begin at 1 after every disconnect and nothing is resent: of the gap, our own orders can be "
            "asked about, and nothing else",
            source="protocols/fix.md C1",
        )
    return Venue(
        name=f"fix-{version[4:]}" + ("-t4" if t4 else ""),
        door="fix",
        title=f"FIX {version[4:]}" + (" (T4)" if t4 else ""),
        build=build,
        garble=_garble,
        rejects=rejects(Reason.OTHER, "Insufficient margin", contract="No such symbol"),
        facts=facts,
        place="D",
        modify="G",
        cancel="F",
        close="D",
        options={"fix": FixSettings(restart_numbers=t4, check_clocks=not t4)},
    )


_NO_TRAIL = Fact(text="no order type (40) of the standard trails a stop", source="protocols/fix.md C3")
_FACTS = {
    "lists_accounts": Fact(
        text="FIX has no list of accounts: those of the configuration are all there are", source="protocols/fix.md C2"
    ),
    "account_money": Fact(text="standard FIX tells no balances", source="protocols/fix.md C2"),
    "describes_contracts": Fact(
        text="standard FIX does not describe contracts: tick size and value are the product table's",
        source="protocols/fix.md C6",
    ),
    "tokens_expire": Fact(text="a session is one connection, and has no token that ends", source="protocols/fix.md C1"),
    "exits_without_stream": Fact(
        text="orders leave over the session or not at all", source="protocols/fix.md C4"
    ),
    "uncounted_lists": Fact(
        text="reports say how many they are (727, 911): none is an answer, not a fault", source="protocols/fix.md C2"
    ),
    "duplicate_tag_rejected": Fact(
        text="that a ClOrdID seen before is refused (103=6) is a convention, so nothing relies on it",
        source="protocols/fix.md C3",
    ),
    "native_brackets": Fact(
        text="no portable message places a bracket or an OCO pair", source="protocols/fix.md C3"
    ),
    "native_trailing": _NO_TRAIL,
    "order_types:trailing_stop": _NO_TRAIL,
    "links_orders": Fact(
        text="no portable message places a bracket or an OCO pair", source="protocols/fix.md C3"
    ),
    "bars": Fact(text="standard FIX has no bars", source="protocols/fix.md C6"),
    "liquidates": Fact(
        text="no portable request closes a position: its orders are canceled, then it is closed at market",
        source="protocols/fix.md C3",
    ),
    "depth": Fact(text="market data needs a session of its own", source="protocols/fix.md C6"),
    "market_data": Fact(
        text="market data needs a session of its own, and standard FIX has no bars", source="protocols/fix.md C6"
    ),
}  # fmt: skip


def _garble(bench: Bench) -> int:
    front = bench.sandbox.doors["fix"]
    assert isinstance(front, FixFront)
    desk = front._desks[USERNAME]
    report = [(6, "0"), (11, "x1"), (14, "0"), (17, "none1"), (20, "0"), (37, "9"), (39, "0"), (54, "1"), (55, "ESH4")]
    report += [(150, "0"), (151, "0")]
    desk.session.send("8", [*report, (1, "NOBODY"), (38, "1"), (40, "1")])  # not of this login
    desk.session.send("8", [field for field in report if field[0] != 37])  # a required tag is missing
    return 2


FIX_42 = _at("FIX.4.2", "generic")
FIX_44 = _at("FIX.4.4", "generic")
FIX_T4 = _at("FIX.4.2", "t4")
