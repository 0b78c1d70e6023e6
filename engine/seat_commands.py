"""What seats in other processes ask of the desk: carried out for them, each by itself, or refused in one sentence.

Used by `engine/door.py`, on its thread. What is asked is never logged: it may be a login's secrets.
"""

import asyncio

import msgspec
import structlog

from engine import seat_wire as wire
from engine.seat import CommandRefused, Seat
from engine.seat_wire import SeatRole
from engine.seated import MOST_ASKED, Seated

log = structlog.get_logger(__name__)


class SeatCommands:
    """Runs them at `desk`, a seat for any thread, in the door's task group."""

    def __init__(self, desk: Seat, group: asyncio.TaskGroup) -> None:
        self._desk = desk
        self._group = group
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def ask(self, seat: Seated, ask: wire.Ask) -> None:
        method = wire.METHODS.get(ask.method)
        if method is None:
            said = f"seats: there is no {ask.method!r} at this desk; use a copydesk of the desk's version."
        elif seat.role is SeatRole.VIEWER and ask.method not in wire.READS:
            said = f"{ask.method}: this seat is a viewer's, which changes nothing; sit down without --viewer."
        elif seat.asked >= MOST_ASKED:
            said = f"{ask.method}: {MOST_ASKED} commands of this seat are running; wait for one to end."
        else:
            seat.asked += 1
            task = self._group.create_task(self._do(seat, ask.id, method, ask.arguments))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            return
        seat.answer(wire.Refusal(ask.id, said))

    def cancel(self) -> None:
        for task in self._running:
            task.cancel()

    async def _do(self, seat: Seated, number: int, method: wire.Method, arguments: msgspec.Raw) -> None:
        """Also to its end when the seat is gone meanwhile: half a command would be worse."""
        try:
            given = method.arguments(arguments)
            value = await getattr(self._desk, method.name)(*given)
            answer: wire.Answer | wire.Refusal = wire.Answer(number, wire.raw(value))
        except CommandRefused as refused:
            answer = wire.Refusal(number, str(refused))
        except msgspec.MsgspecError:
            answer = wire.Refusal(number, f"{method.name}: what it was given is not what this desk takes.")
        except Exception as failure:  # noqa: BLE001 - whatever is wrong with one command, the others go on
            log.error("command of a seat failed", method=method.name, kind=type(failure).__name__)
            answer = wire.Refusal(number, f"{method.name}: the desk failed at it ({type(failure).__name__}).")
        finally:
            seat.asked -= 1
        seat.answer(answer)
