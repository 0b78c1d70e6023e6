"""The Tradovate door: every endpoint's way from a request to its answer, the same for REST and sockets.

Two steps, so that a delay fits between them: `admit` (authorisation, limits, p-tickets, faults that refuse) and
`perform` (the endpoint itself, and faults that lose the answer). Used by `tradovate_socket.py`, `tradovate_front.py`.
"""

from typing import Any

from brokers.sandbox.doors import House, Received, User
from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_auth import AccessToken, Auth
from brokers.sandbox.tradovate_call import Answer, Call, Handler, Malformed, NotFound
from brokers.sandbox.tradovate_library import Library
from brokers.sandbox.tradovate_limits import Limits
from brokers.sandbox.tradovate_market_data import MarketData
from brokers.sandbox.tradovate_orders import Trading
from brokers.sandbox.tradovate_records import Records
from brokers.sandbox.tradovate_strategies import Strategies
from brokers.sandbox.tradovate_stream import Stream

_PUBLIC = ("auth/accesstokenrequest", "auth/oauthtoken")


class Door:
    """See the module's docstring."""

    def __init__(self, house: House, settings: DoorSettings) -> None:
        venue, clock, random = house.venue, house.clock, house.random("door")
        self._house = house
        self.settings = settings
        self.clock = clock
        self.records = Records(venue, clock, settings.orders_kept)
        self.faults = house.faults
        self.auth = Auth(settings, clock, random)
        self.limits = Limits(settings, clock, random)
        self.library = Library(venue, self.records, settings, self.faults)
        self.trading = Trading(house, self.library)
        self.stream = Stream(self.records, self.library, settings, self.faults, random)
        self.strategies = Strategies(house, self.library, self.records, self.trading)
        self.market_data = MarketData(venue, house.charts, lambda: house.market.now_ns, settings)
        self._routes: dict[str, Handler] = {
            "auth/accesstokenrequest": self.auth.access_token,
            "auth/oauthtoken": self.auth.oauth_token,
            "auth/renewaccesstoken": self.auth.renew,
            "auth/me": self._me,
            **self.library.routes(),
            **self.trading.routes(),
            **self.strategies.routes(),
            **self.stream.routes(),
            **self.market_data.routes(),
        }

    def add_user(self, user: User) -> None:
        self.auth.users[user.name] = user
        self.records.add_user(user.user_id, user.name)

    def admit(self, call: Call) -> tuple[Answer | None, Received | None]:
        """The refusal of a call before it reaches its endpoint (None: it may), and its note if it is about trading."""
        received = self.trading.receive(call)
        self._house.count(call.login, call.endpoint)
        answer = self._refusal(call)
        if answer is not None and received is not None:
            received.outcome = f"refused {answer.status}"
        return answer, received

    def perform(self, call: Call, received: Received | None) -> Answer:
        """Carry a call out. Raises nothing that a client can cause."""
        if received is not None and self.faults.lost_requests.take(received.account_id):
            received.outcome = "lost"
            return Answer(undelivered=True)
        try:
            handler = self._routes.get(call.endpoint)
            if handler is None:
                raise NotFound(f"There is no endpoint {call.endpoint}")
            answer = handler(call)
        except Malformed as error:
            answer = Answer(status=400, data=str(error))
        except NotFound as error:
            answer = Answer(status=404, data=str(error))
        if call.endpoint == "auth/accesstokenrequest" and not isinstance(answer.data, AccessToken):
            self.limits.failed(call.endpoint)
        if received is None:
            return answer
        received.outcome = f"refused {answer.status}"
        if answer.status == 200:
            said: Any = answer.data
            refusal = said.get("failureReason") or said.get("errorText")
            received.outcome, received.order_id = refusal or "taken", said.get("orderId")
        if self.faults.hidden_answers.take(received.account_id):
            return Answer(undelivered=True)
        if status := self.faults.broken_answers.take(received.account_id):
            return Answer(status=status, data="Internal error")
        return answer

    def _refusal(self, call: Call) -> Answer | None:
        if (ticketing := self.faults.tickets.take(call.endpoint)) is not None and "p-ticket" not in call.arguments:
            return self.limits.ticket(call.endpoint, ticketing.wait_s, captcha=ticketing.captcha)
        if call.session is None and call.endpoint not in _PUBLIC:
            return Answer(status=401, data="Access is denied")
        if self.faults.throttles.take(call.login):
            return Answer(status=429)
        return self.limits.over_budget(call) or self.limits.ticketed(call)

    def _me(self, call: Call) -> Answer:
        assert call.session is not None
        user = call.session.user
        return Answer(
            data={
                "userId": user.user_id,
                "name": user.name,
                "fullName": user.name,
                "email": f"{user.name}@example.invalid",
                "emailVerified": True,
                "isTrial": False,
            }
        )
