"""`docs/adapters.md`: what each venue can do, and every card at every venue. Written by `python -m
tests.brokers.contract`, and kept current by `test_cards.py`."""

from itertools import groupby
from pathlib import Path

from brokers.adapter import Capabilities
from schema.records import OrderType, TimeInForce
from tests.brokers.contract import cases as cases  # makes the cards
from tests.brokers.contract.cards import CARDS, Card, offers
from tests.brokers.contract.venue import Venue
from tests.brokers.contract.venues import VENUES

FILE = Path(__file__).parents[3] / "docs" / "adapters.md"
FLAGS = {
    "client_tag": "orders carry our id and are found by it",
    "duplicate_tag_rejected": "the venue itself refuses a client id it has seen",
    "native_brackets": "the venue links brackets and one-cancels-other pairs",
    "links_orders": "the desk places them so, in one request",
    "native_trailing": "the venue trails a stop",
    "flips": "one order may cross zero",
    "liquidates": "one request closes a position",
    "market_data": "prices of the market",
    "bars": "bars and their history",
    "depth": "depth and every trade of a market",
    "lists_accounts": "the venue says which accounts there are",
    "lists_positions": "positions can be asked for, also those of before the first connect",
    "account_money": "balances and profit",
    "describes_contracts": "tick size and value are the venue's own word",
    "authenticates": "the venue checks a secret",
    "tokens_expire": "a login has a token that ends",
    "exits_without_stream": "exits leave while the order stream is down",
    "tells_gap": "what others did while the stream was away is learned when it is back",
    "answers_commands": "a command is answered",
    "reject_reasons": "a refusal says why",
    "tells_terms": "orders of other front ends are told, with what they are about",
    "executions": "fills are the venue's own, each with its price",
    "tags_closes": "fills of a close carry its id",
    "throttles": "the venue says when it was asked for too much",
    "uncounted_lists": "an empty list may be a fault",
}
"""Every switch of the capabilities, in words."""
_INTRO = """# Adapters

Every adapter keeps one contract, the port in `brokers/adapter.py`. `tests/brokers/contract/` proves it: each card below
runs over real sockets against the venue's own door of the sandbox. **pass** is the card itself; **refused** means that
the venue can't, by the fact that its note names, and that the adapter was shown to refuse, or to claim nothing it can't
know. A venue is added with one file in `tests/brokers/contract/venues/`. This page is written by
`python -m tests.brokers.contract`; a test fails when it is not current.
"""


def page() -> str:
    notes = _Notes()
    return "\n".join([_INTRO, _abilities(notes), _cards(notes), notes.page()])


class _Notes:
    """The facts, numbered as they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, venue: Venue, need: str) -> str:
        """The note of what a venue lacks, as a link; empty when nothing is known to stand behind it."""
        fact = venue.facts.get(need)
        if fact is None:
            return ""
        text = f"{fact.text[0].upper()}{fact.text[1:]} (`{fact.source}`)."
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        return f" [{number}](#notes)"

    def page(self) -> str:
        return "## Notes\n\n" + "".join(f"{number}. {text}\n" for text, number in self._numbers.items())


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _head(*cells: str) -> str:
    return _row(*cells) + "|" + "---|" * len(cells) + "\n"


def _abilities(notes: _Notes) -> str:
    text = "## What a venue can do\n\n" + _head("", *(venue.title for venue in VENUES.values()))
    for need, words in abilities().items():
        text += _row(words, *(_ability(venue, need, notes) for venue in VENUES.values()))
    return text


def abilities() -> dict[str, str]:
    """Everything a venue may offer or lack, as a need, in words."""
    kinds = {f"order_types:{kind}": f"{kind.replace('_', '-')} orders" for kind in OrderType}
    return FLAGS | kinds | {f"times_in_force:{time}": f"time in force: {time}" for time in TimeInForce}


def _ability(venue: Venue, need: str, notes: _Notes) -> str:
    return "yes" if offers(venue.capabilities, need) else "no" + notes.of(venue, need)


def _cards(notes: _Notes) -> str:
    cards = [CARDS[number] for number in sorted(CARDS)]
    refused = sum(not offers(venue.capabilities, card.needs) for card in cards for venue in VENUES.values())
    text = f"## The contract\n\n{len(cards)} cards at {len(VENUES)} venues, {refused} of these pairs refused.\n"
    for group, members in groupby(cards, key=lambda card: card.group):
        text += f"\n### {group}\n\n" + _head("card", "promise", *(venue.title for venue in VENUES.values()))
        for card in members:
            text += _row(card.name, _promise(card), *(_verdict(venue, card, notes) for venue in VENUES.values()))
    return text


def _promise(card: Card) -> str:
    title = card.title[0].upper() + card.title[1:]
    return f"**{title}.** {card.promise}" + (f" *Refused:* {card.refusal}" if card.refusal else "")


def _verdict(venue: Venue, card: Card, notes: _Notes) -> str:
    return "pass" if offers(venue.capabilities, card.needs) else "refused" + notes.of(venue, card.needs)


def switches() -> set[str]:
    """The names of the capabilities that are yes or no."""
    return {name for name, kind in Capabilities.__annotations__.items() if kind in (bool, "bool")}
