"""Market data inside the desk: books, tape, candles and session figures of every symbol that a source tells of.

`market.py` is what the desk talks to. `kernel.c` does the work a batch at a time, `twin.py` is the same in Python.
"""
