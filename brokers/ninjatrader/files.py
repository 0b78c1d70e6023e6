"""NinjaTrader's file interface (`protocols/ninjatrader.md B3`), for exits while its port is closed. Blocking: the
folder may be on another machine, so `sending.py` calls everything here in a thread.

A file in `incoming` is one command; NinjaTrader carries it out and deletes it. What became of an order stands in
`outgoing`, once NinjaTrader has written it. A file that nobody took is withdrawn: an exit must not be carried out by a
NinjaTrader that is started hours later.
"""

from contextlib import suppress
from pathlib import Path

from brokers.ninjatrader.names import decimal, state_word, whole
from brokers.ninjatrader.values import AvgPrice, FilledQty, OrderState
from brokers.ninjatrader.wire import Command
from schema.clock import Clock


class Files:
    """The two folders in `folder`. Every method but `missing` may raise OSError."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._latest = 0

    def missing(self) -> str:
        """Why commands can't be written there; empty when they can."""
        incoming = self._folder / "incoming"
        return "" if incoming.is_dir() else f"{incoming} is no folder"

    def put(self, command: Command) -> Path:
        """Write a command; the file it is in. No two have the same name: NinjaTrader may ignore a name it has seen."""
        self._latest = max(self._latest + 1, self._clock.now_ns() // 1_000)
        aside = self._folder / f"copydesk-{self._latest}.tmp"
        place = self._folder / "incoming" / f"oif{self._latest}.txt"
        try:
            aside.write_bytes(command.line)
            return aside.rename(place)
        except OSError:
            with suppress(OSError):
                aside.unlink()
            raise

    def withdraw(self, place: Path) -> bool:
        """Take a command back that lies there still; whether it did."""
        try:
            place.unlink()
        except FileNotFoundError:
            return False
        return True

    def status(self, order_id: str) -> list[OrderState | FilledQty | AvgPrice]:
        """What `outgoing` says of an order; nothing when it says nothing, or is being written just now."""
        try:
            text = (self._folder / "outgoing" / f"{order_id}.txt").read_text("utf-8", "replace")
        except FileNotFoundError:
            return []
        state, *numbers = (part.strip() for part in text.strip().split(";"))
        qty, average = (whole(numbers[0]), decimal(numbers[1])) if len(numbers) == 2 else (None, None)
        if not state or qty is None or average is None or qty < 0:
            return []
        return [
            AvgPrice(order_id=order_id, price=average),
            FilledQty(order_id=order_id, qty=qty),
            OrderState(order_id=order_id, word=state_word(state)),
        ]
