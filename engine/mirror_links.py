"""Orders that a venue links: an entry with its brackets, and a stop and a target of which one cancels the other.

`engine/mirror.py` and `engine/mirror_align.py` plan pairs that belong together in one go and have them linked here, for
followers whose venue can; the core hands what was approved to `approved`, and the orders leave in one request once the
journal holds the pair of each. From then on the venue cancels and resizes by itself, which the desk expects for a
moment and does itself after that; what is linked is read from the venue's own words, so a restart needs nothing else.

Only whole alternatives are linked: one stop and one target of the same lots, and brackets as large as their entry.
Everything else is held by the desk: each leg an order of its own, and the desk cancels the twin. Functions of the
core; no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import foreign
from engine.mirror_book import LeaderOrder, Link, Mirror, Place
from engine.mirror_pairs import order_row
from engine.mirror_terms import Terms, is_stop
from engine.rules import reducing_part
from schema.records import (
    ApprovedOrder,
    Copy,
    Decision,
    FollowerConfig,
    GroupConfig,
    LiveOrder,
    Signal,
    VenueOrder,
)

if TYPE_CHECKING:
    from engine.core import Core

TWIN_WAIT_NS = 100_000_000
"""How long an order of a leader waits for the one that its venue links with it, before it is copied alone."""

_VENUE_ACTS_NS = 300_000_000
"""How long a venue has to cancel or resize an order whose twin traded, before the desk does."""


# --- what belongs together -------------------------------------------------------------------------------------------


def brackets_of(core: Core, group: GroupConfig, entry: LeaderOrder) -> list[LeaderOrder]:
    """The exits that wait behind a leader's new entry, when copies of them may be placed with its copies."""
    if entry.filled or not any(core.able(follower.account).links for follower in core.members.get(group.group, [])):
        return []
    found = [
        order
        for order in core.mirrored.leaders(entry.account, entry.symbol).values()
        if order.parent_id == entry.order_id and order.held and order.working and group.group not in order.signals
    ]
    whole = all(o.terms.side is not entry.terms.side and o.terms.qty == entry.terms.qty for o in found)
    return (
        found if whole and (len(found) == 1 or (len(found) == 2 and _alternatives(*(o.terms for o in found)))) else []
    )


def twin_to_come(core: Core, order: LeaderOrder, groups: Sequence[GroupConfig]) -> bool:
    """Whether the order that the venue links with a leader's new order has yet to work, and copies could be linked."""
    if not order.oco_id or not any(core.able(f.account).links for g in groups for f in core.members.get(g.group, [])):
        return False
    twin = core.mirrored.leaders(order.account, order.symbol).get(order.oco_id)
    return twin is None or (twin.working and twin.held)


def _alternatives(first: Terms, other: Terms) -> bool:
    """Whether they are a stop and a target of the same lots."""
    return (
        first.side is other.side
        and first.qty == other.qty
        and is_stop(first.order_type) is not is_stop(other.order_type)
    )


# --- pairs that leave together ------------------------------------------------------------------------------------


def with_brackets(
    core: Core,
    follower: FollowerConfig,
    entry: Copy,
    brackets: Sequence[tuple[Signal, LeaderOrder, Copy]],
) -> list[Copy]:
    """The brackets' pairs of one follower, beside its entry's: orders that leave with that, where its venue can."""
    held = foreign.held_by_copies(core, follower.account, entry.symbol)
    lots = entry.qty * entry.side.sign
    places = entry.decision is Decision.PENDING and bool(entry.cl_ord_id) and not reducing_part(held, lots)
    if not places or not core.able(follower.account).links:
        why = "it is placed when its entry fills" if places else "its entry was not copied"
        return [replace(copy, reason=why) for _, _, copy in brackets]
    rows = [
        replace(order_row(core, signal, order, follower, -lots, "waits at the venue for its entry"), reducing=True)
        for signal, order, _ in brackets
    ]
    _link(core, (entry.cl_ord_id, *(row.cl_ord_id for row in rows)), brackets=True)
    return rows


def as_alternatives(core: Core, first: Copy, other: Copy) -> None:
    """Let two exits of one follower that are planned in one go leave together, where they and its venue allow it."""
    planned = all(copy.decision is Decision.PENDING and copy.cl_ord_id and copy.reducing for copy in (first, other))
    same = first.qty == other.qty and first.side is other.side and first.symbol == other.symbol
    kinds = is_stop(first.order_type) is not is_stop(other.order_type)
    if planned and same and kinds and core.able(first.follower).links:
        _link(core, (first.cl_ord_id, other.cl_ord_id), brackets=False)


def _link(core: Core, tags: tuple[str, ...], *, brackets: bool) -> None:
    link = Link(tags, brackets=brackets)
    for tag in tags:
        core.mirrored.links[tag] = link


def placed(core: Core, mirror: Mirror) -> None:
    """A mirror whose order is about to leave: what it will be linked with."""
    link = core.mirrored.links.get(mirror.tag)
    if link is None:
        return
    legs = link.tags[1:] if link.brackets else link.tags
    if mirror.tag in legs:
        mirror.parent = link.tags[0] if link.brackets else ""
        mirror.oco = next((tag for tag in legs if tag != mirror.tag), "")


def approved(core: Core, order: ApprovedOrder) -> list[ApprovedOrder]:
    """An order may leave: what leaves now, in one request with it, or nothing while it waits for the others."""
    link = core.mirrored.links.get(order.cl_ord_id)
    if link is None:
        return [order]
    link.ready[order.cl_ord_id] = order
    return _leave(core, link)


def dropped(core: Core, tag: str, reason: str) -> list[ApprovedOrder]:
    """An order will not leave. The brackets of an entry stay with it; what else waited for it goes without it."""
    link = core.mirrored.links.pop(tag, None)
    if link is None:
        return []
    if link.brackets and tag == link.tags[0]:
        for leg in link.tags[1:]:
            core.mirrored.links.pop(leg, None)
            order = core.inflight.get(leg)
            if order is not None and order.copy.decision is Decision.PENDING:
                core.end(order, Decision.SKIPPED, f"its entry was not placed: {reason}")
                core.keep(order)
        return []
    link.tags = tuple(each for each in link.tags if each != tag)
    link.ready.pop(tag, None)
    return _leave(core, link) if link.tags else []


def _leave(core: Core, link: Link) -> list[ApprovedOrder]:
    if set(link.tags) != link.ready.keys():
        return []
    for tag in link.tags:
        core.mirrored.links.pop(tag, None)
    first, *others = (link.ready[tag] for tag in link.tags)
    if link.brackets:
        return [replace(first, brackets=tuple(others))]
    return [replace(first, oco=others[0])] if others else [first]


# --- what the venue does by itself --------------------------------------------------------------------------------


def shown(core: Core, mirror: Mirror, seen: VenueOrder) -> None:
    """The venue showed an order: what it says of its links is what they are."""
    if isinstance(seen, LiveOrder):
        mirror.oco = seen.oco_id
        mirror.parent = seen.parent_id
    else:
        mirror.ended_ns = mirror.ended_ns or core.now_ns


def follows_entry(place: Place, mirror: Mirror) -> bool:
    """Whether its venue sizes it: it belongs to an entry that may still fill."""
    parent = place.named(mirror.parent)
    return parent is not None and parent.live


def venue_acts(core: Core, place: Place, mirror: Mirror, goal: Terms | None) -> bool:
    """Whether the venue is about to do by itself what the desk wants of a linked order: cancel it with its entry or
    when its twin has filled, or give it the size that a fill of either leaves."""
    parent, twin = place.named(mirror.parent), place.named(mirror.oco)
    if goal is None and parent is not None:
        leaves = any(change is not None and change.terms is None for change in (parent.flying, parent.next))
        if leaves if parent.live else core.now_ns - parent.ended_ns < _VENUE_ACTS_NS:
            return True
    if goal is not None and goal != replace(mirror.terms, qty=goal.qty):
        return False
    smaller = goal is None or goal.qty < mirror.terms.qty
    traded = twin if smaller else parent
    return traded is not None and core.now_ns - traded.order.copy.filled_ns < _VENUE_ACTS_NS


def awaited(core: Core, place: Place, mirror: Mirror) -> bool:
    """Whether an ended order is to be remembered a moment longer: its venue still acts on those it links with it."""
    names = (mirror.tag, mirror.order.copy.order_id)
    linked = any(other.live and (other.oco in names or other.parent in names) for other in place.mirrors.values())
    return linked and core.now_ns - mirror.moved_ns < _VENUE_ACTS_NS


def waits_for_entry(core: Core, tag: str) -> bool:
    """Whether the order with this tag was placed as the bracket of an entry."""
    mirror = core.mirrored.get(tag)
    return mirror is not None and bool(mirror.parent)


def ended_by_venue(core: Core, seen: VenueOrder) -> str:
    """Why the venue itself has ended a linked order, in words, or ''."""
    found = core.mirrored.by_tag.get(seen.cl_ord_id)
    if found is None:
        return ""
    place, mirror = found
    if mirror.flying is not None and mirror.flying.terms is None:
        return ""  # the desk asked for it
    twin, parent = place.named(mirror.oco), place.named(mirror.parent)
    if twin is not None and twin.order.copy.filled_qty:
        return "its venue canceled it when its twin was filled"
    if parent is not None and not parent.live:
        return "its venue canceled it with its entry"
    return ""
