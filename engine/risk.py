"""Pre-trade risk: the only place that makes an `ApprovedOrder`. Pure; called by the core after the journal's commit."""

from schema.records import ApprovedOrder, Copy, Decision, ManualOrder, ManualState


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


def approve_manual(order: ManualOrder, venue_account_id: str, *, now_ns: int, deadline_ns: int) -> ApprovedOrder | str:
    """As `approve`, for a journaled order of the trader's: past its deadline the market is another than he saw."""
    if order.state is not ManualState.PENDING:
        return f"it is {order.state.replace('_', ' ')}"
    if not venue_account_id:
        return "the account was taken off the desk before it could be sent"
    if now_ns > deadline_ns:
        return f"the deadline passed {(now_ns - deadline_ns) / 1e6:.0f} ms before it could be sent"
    return ApprovedOrder(
        account=order.account,
        venue_account_id=venue_account_id,
        symbol=order.symbol,
        side=order.side,
        qty=order.qty,
        order_type=order.order_type,
        cl_ord_id=order.cl_ord_id,
        reducing=order.reducing,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        time_in_force=order.time_in_force,
    )
