"""What a rule would do, before it is set: the planner's own decisions along one path of the leader. Reads the core and
changes nothing; called by `engine/desk.py` for the rules page.

The path goes from flat through 1 to 10 lots one fill at a time, out in parts, and across zero both ways. Every order is
taken to be filled whole, as it is at a venue that answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import rollover
from engine.planner import CLOSES_FIRST, FollowerView, plan
from engine.rules import symbol_for
from engine.shown import PreviewStep, RulePreview
from schema.expiry import front_of
from schema.records import Decision, Episode, FollowerConfig, Guard, Side, Signal, SignalKind
from schema.trading_day import trading_day

if TYPE_CHECKING:
    from engine.core import Core

PATH = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 7, 4, 1, 0, 3, -3, -1, 2, 0)
"""What the leader holds, one step after the other."""


def preview(core: Core, follower: FollowerConfig, chart_symbol: str) -> RulePreview:
    """A follower as it would be. `chart_symbol` is taken for what the leader trades while it has not traded."""
    leader = core.groups[follower.group].leader
    leader_symbol = _copied_by(core, follower, leader, chart_symbol)
    symbol = symbol_for(follower, leader_symbol)
    scale = core.scale(follower, leader, leader_symbol)
    note = f"percent needs the equities of {follower.account} and {leader}, and one is not known"
    return RulePreview(
        account=follower.account,
        leader_symbol=leader_symbol,
        symbol=symbol,
        steps=tuple(steps(follower, leader_symbol, symbol, scale, flips=core.able(follower.account).flips)),
        note=note if scale is None else "",
    )


def _copied_by(core: Core, follower: FollowerConfig, leader: str, chart_symbol: str) -> str:
    """A contract of the leader that the follower copies: one that it trades, else the chart's, else a front month."""
    for symbol in (*rollover.led_in(core, leader, chart_symbol), chart_symbol):
        if symbol:
            return symbol
    root = follower.symbols[0].leader_root if follower.symbols else "ES"
    return front_of(root, trading_day(core.now_ns)).symbol


def steps(
    follower: FollowerConfig, leader_symbol: str, symbol: str, scale: Decimal | None, *, flips: bool
) -> Iterator[PreviewStep]:
    """The follower along `PATH`. `scale` is its lots per lot of the leader; `flips`: its venue takes an order across
    zero, else it takes two."""
    config = replace(follower, enabled=True, guard=Guard.NONE)
    held, planned, episode = 0, 0, Episode.NONE
    for before, leader_net in itertools.pairwise(PATH):
        if before == 0 or before * leader_net < 0:
            planned = 0  # a new trade: whoever missed the last one may join it
            episode = Episode.NONE if episode is Episode.MISSED else episode
        view = FollowerView(
            config=config,
            symbol=symbol,
            net=held,
            known=True,
            flips=flips,
            episode=episode,
            scale=scale,
            planned=planned,
        )
        copy = plan(_signal(follower, leader_symbol, before, leader_net), view, tag="preview")
        order = copy.qty * copy.side.sign if copy.decision is Decision.PENDING else 0
        note = copy.reason
        if note == CLOSES_FIRST:  # the rest goes as a second order, once the first has filled
            order, note = copy.target_net - held, "two orders: its venue takes none across zero"
        held, planned, episode = held + order, copy.target_net, copy.episode
        yield PreviewStep(leader_before=before, leader_net=leader_net, order=order, held=held, note=note)


def _signal(follower: FollowerConfig, leader_symbol: str, before: int, after: int) -> Signal:
    return Signal(
        signal_id="preview",
        kind=SignalKind.LEADER_FILL,
        group=follower.group,
        leader="",
        symbol=leader_symbol,
        side=Side.of(after - before),
        qty=abs(after - before),
        price=Decimal(0),
        leader_net=after,
        source="preview",
        venue_ns=0,
        received_ns=0,
    )
