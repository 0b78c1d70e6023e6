"""FIX 4.2 and 4.4 as an initiator: one login is one FIX session. Facts: `protocols/fix.md`."""
