"""A hung login holds up nobody else (T-HUNG). The bound is generous, for a loaded machine; `make bench` has figures."""

from pathlib import Path
from statistics import median

from tests.bench.hung import take_turns
from tests.practice import practice


async def test_a_hung_venue_does_not_delay_the_orders_of_the_other_logins(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        well, hung = await take_turns(desk, rounds=4, trades=10)
        print(f"p50 well {median(well):.2f} ms, hung {median(hung):.2f} ms; worst {max(well):.2f}, {max(hung):.2f}")
        assert len(well) == len(hung) == 20
        assert median(hung) < 3 * median(well) + 5
        await desk.promise_holds(within_s=10)
