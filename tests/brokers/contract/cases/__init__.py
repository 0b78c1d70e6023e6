"""All cards. Importing this package makes them."""

from tests.brokers.contract.cases import (
    accounts as accounts,
)
from tests.brokers.contract.cases import (
    connect as connect,
)
from tests.brokers.contract.cases import (
    orders as orders,
)
