"""All cards. Importing this package makes them."""

from tests.brokers.contract.cases import accounts as accounts
from tests.brokers.contract.cases import ambiguous as ambiguous
from tests.brokers.contract.cases import changes as changes
from tests.brokers.contract.cases import connect as connect
from tests.brokers.contract.cases import fills as fills
from tests.brokers.contract.cases import flatten as flatten
from tests.brokers.contract.cases import limits as limits
from tests.brokers.contract.cases import linked as linked
from tests.brokers.contract.cases import market_data as market_data
from tests.brokers.contract.cases import orders as orders
from tests.brokers.contract.cases import reconnect as reconnect
from tests.brokers.contract.cases import rejects as rejects
from tests.brokers.contract.cases import replays as replays
from tests.brokers.contract.cases import tags as tags
from tests.brokers.contract.cases import wire as wire
