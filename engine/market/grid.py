"""Prices and sizes as whole units and back: ticks of a contract, steps of its size."""

from schema.symbols import parse_contract, product


class Grid:
    """Multiples of `unit`. What comes back is the nearest float of the decimal: 12345.67, not 12345.670000000002."""

    def __init__(self, unit: float) -> None:
        if not 0 < unit < float("inf"):
            raise ValueError(f"a tick or a step of {unit} is none; say one above 0, such as 0.25.")
        self.unit = unit
        parts = round(1 / unit)
        self._parts = parts if parts and abs(1 / unit - parts) <= 1e-9 * parts else 0

    def value(self, units: float) -> float:
        return units / self._parts if self._parts else units * self.unit

    def units(self, value: float) -> int:
        return round(value / self.unit)


def tick_of(symbol: str) -> float:
    """The tick of a contract in the product table. Raises UnknownProduct."""
    return float(product(parse_contract(symbol).root).tick_size)
