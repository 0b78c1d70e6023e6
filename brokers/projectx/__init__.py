"""ProjectX gateways: TopstepX and other firms. `adapter.py` is the way in."""

POLICY = "TopstepX forbids API trading from a VPS, VPN or remote server: run this desk on the trader's own device."
"""What the venue demands of where a desk runs (`protocols/projectx.md 2.1`)."""
