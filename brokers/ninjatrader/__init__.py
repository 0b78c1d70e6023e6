"""NinjaTrader by its Automated Trading Interface (`protocols/ninjatrader.md`): a local program's socket, with commands
going in, values coming out, and nothing that answers."""
