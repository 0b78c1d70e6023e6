"""Pre-trade risk: the only place that makes an `ApprovedOrder`. Pure; called by the core after the journal's commit."""

from schema.records import ApprovedOrder, Copy, Decision


def approve(copy: Copy, venue_account_id: str, *, now_ns: int, deadline_ns: int) -> ApprovedOrder | str:
    """The order of a journaled copy, or the reason why it must not leave any more.

    A copy past its deadline is refused even when it reduces: the market and the position have moved on since it was
    planned, and reconcile plans the reduction anew from what is held now.
    """
    if copy.decision is not Decision.PENDING or not copy.journaled_ns:
        return "not journaled"
    if now_ns > deadline_ns:
        return f"the deadline passed {(now_ns - deadline_ns) / 1e6:.0f} ms before it could be sent"
    return ApprovedOrder(
        account=copy.follower,
        venue_account_id=venue_account_id,
        symbol=copy.symbol,
        side=copy.side,
        qty=copy.qty,
        order_type=copy.order_type,
        cl_ord_id=copy.cl_ord_id,
        reducing=copy.reducing,
        limit_price=copy.limit_price,
        stop_price=copy.stop_price,
        trail=copy.trail,
        time_in_force=copy.time_in_force,
    )
