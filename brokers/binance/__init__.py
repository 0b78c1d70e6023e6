"""Binance spot's public market data: a feed and a history that need no login. `source.py` is the way in."""

SOURCE = "binance"
