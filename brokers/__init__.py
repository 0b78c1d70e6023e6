"""One package per venue behind one port (`adapter.py`); knows no engine."""
