"""All cards. Importing this package makes them."""

from tests.brokers.contract.cases import (
    accounts as accounts,
)
from tests.brokers.contract.cases import (
    ambiguous as ambiguous,
)
from tests.brokers.contract.cases import (
    changes as changes,
)
from tests.brokers.contract.cases import (
    connect as connect,
)
from tests.brokers.contract.cases import (
    fills as fills,
)
from tests.brokers.contract.cases import (
    orders as orders,
)
from tests.brokers.contract.cases import (
    rejects as rejects,
)
from tests.brokers.contract.cases import (
    tags as tags,
)
