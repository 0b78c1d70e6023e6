"""The cards themselves: enough of them, each asserting something, nothing skipped without a fact, the page current."""

import ast
import inspect
import textwrap

import pytest

from tests.brokers.contract.cards import CARDS, Card, Run, offers
from tests.brokers.contract.conftest import ASSERTED
from tests.brokers.contract.table import FILE, FLAGS, abilities, page, switches
from tests.brokers.contract.venue import Venue
from tests.brokers.contract.venues import VENUES

GROUPS = (
    "Connect and identity",
    "Accounts and contracts",
    "Market, limit and stop orders",
    "Modify",
    "Cancel",
    "Rejects by class, in the venue's own words",
    "Partial fills",
    "Brackets and OCO, where native",
    "Duplicates of a client tag",
    "Ambiguous submit, cancel and modify",
    "Reconnect and resync",
    "Replays, duplicates and lost events",
    "Flatten",
    "Limits and penalties",
    "Market data",
    "Bad and truncated messages",
)
EVERY = pytest.mark.parametrize("venue", VENUES.values(), ids=VENUES)


def test_every_subject_of_the_port_has_its_cards() -> None:
    assert [group for group in dict.fromkeys(CARDS[number].group for number in sorted(CARDS))] == list(GROUPS)
    assert len(CARDS) >= 60


def _asserts(run: Run) -> bool:
    """Whether a card says in its own words what must hold."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(run)))
    return any(isinstance(node, ast.Assert) for node in ast.walk(tree))


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.name)
def test_a_card_promises_something_and_asserts_it(card: Card) -> None:
    for run in filter(None, (card.run, card.without)):
        assert run.__doc__ and run.__doc__.strip().endswith("."), f"{card.name}: {run} promises nothing"
        assert _asserts(run), f"{card.name}: {run} asserts nothing of its own"


@EVERY
def test_what_a_venue_lacks_has_a_fact_and_every_fact_is_needed(venue: Venue) -> None:
    lacking = {need for need in abilities() if not offers(venue.capabilities, need)}
    assert lacking == venue.facts.keys()
    assert all(fact.text and fact.source.startswith("protocols/") for fact in venue.facts.values())


@EVERY
def test_every_class_of_reject_has_words_at_every_venue(venue: Venue) -> None:
    classes = [said.reject_class for said in venue.rejects]
    assert len(set(classes)) == len(classes) == 7


def test_a_card_needs_what_there_is() -> None:
    assert {card.needs for card in CARDS.values() if card.needs} <= set(abilities())


def test_the_page_explains_every_switch() -> None:
    assert switches() == FLAGS.keys()


def test_assertions_are_counted(request: pytest.FixtureRequest) -> None:
    """`test_contract.py` fails a card that asserted nothing, by this count."""
    before = request.node.stash.get(ASSERTED, 0)
    assert before >= 0
    assert request.node.stash.get(ASSERTED, 0) > before


def test_the_page_of_adapters_is_current() -> None:
    assert FILE.read_text() == page(), "run python -m tests.brokers.contract"
