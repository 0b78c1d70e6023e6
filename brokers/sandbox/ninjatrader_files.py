"""The file interface of one login's NinjaTrader: commands in `incoming`, what is known in `outgoing`
(`protocols/ninjatrader.md B3`). Run by `ninjatrader_door.py` when the sandbox was given a folder.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from brokers.sandbox.ninjatrader_desktop import Desktop, Said

LOOK_EVERY_S = 0.02


class Exchange:
    """Watches `folder`'s `incoming` and writes its `outgoing`."""

    def __init__(self, folder: Path, desktop: Desktop, carry_out: Callable[[str], None], *, once: bool) -> None:
        self._incoming, self._outgoing = folder / "incoming", folder / "outgoing"
        self._desktop = desktop
        self._carry_out = carry_out
        self._once = once
        self._taken: set[str] = set()
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._outgoing.mkdir(exist_ok=True)
        for old in self._outgoing.iterdir():
            old.unlink()
        self._write(desktop.user.name, "CONNECTED")

    async def watch(self) -> None:
        """Carry out what is put there, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self._desktop.interface_on:
                continue
            for file in sorted(self._incoming.glob("oif*.txt")):
                with suppress(OSError):  # it was taken back between the look and the reading
                    lines = file.read_text("ascii", "replace").splitlines()
                    file.unlink()
                    if not (self._once and file.name in self._taken):
                        self._taken.add(file.name)
                        for line in lines:
                            if line.strip():
                                self._carry_out(line)

    def told(self, said: Said) -> None:
        """A value changed: what stands of it in a file changes with it."""
        kind, *names = said.key.split("|")
        cache = self._desktop.cache
        if kind in ("OrderStatus", "Filled", "AvgFillPrice"):
            parts = (cache.get(f"{each}|{names[0]}", "0") for each in ("OrderStatus", "Filled", "AvgFillPrice"))
            self._write(names[0], ";".join(parts))
        elif kind in ("MarketPosition", "AvgEntryPrice"):
            net = int(cache.get(f"MarketPosition|{names[0]}|{names[1]}", "0"))
            side = "LONG" if net > 0 else "SHORT" if net < 0 else "FLAT"
            contract = self._desktop.names.contract(names[0])
            exchange = contract.product.exchange if contract is not None else ""
            average = cache.get(f"AvgEntryPrice|{names[0]}|{names[1]}", "0")
            self._write(f"{names[0]} {exchange}_{names[1]}_Position", f"{side};{abs(net)};{average}")

    def _write(self, name: str, text: str) -> None:
        (self._outgoing / f"{name}.txt").write_text(text, "ascii")
