"""Write `docs/adapters.md` anew."""

from tests.brokers.contract.table import FILE, page

FILE.write_text(page())
