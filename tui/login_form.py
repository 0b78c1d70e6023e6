"""The pages on which a login is added and its accounts are picked, without leaving the screen: `:add` and `:sync`.
`tui/app.py` opens them.

What is typed goes to the desk (`engine/logins.py`), which tries a login at its venue before it stores anything.
Secrets are never shown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from textual.app import ComposeResult
from textual.widgets import Button, Static

from brokers.registry import VENUE_TABLE, capabilities_of
from engine.logins import fix_login, ninja_login, parse_maps, parse_rule_words, words_of
from engine.seat import AccountRow, Chosen, CommandRefused, LoginAccounts, Seat, Topic
from engine.shown import PracticeLogin
from schema.login import FOLLOW_ONLY, Credentials
from schema.records import ConnectionConfig, Environment, VenueAccount
from tui.keymap import called
from tui.page import Choice, Field, Page, PickList, labelled, whole_number
from tui.text import clean, counted

_PROVEN = tuple(name for name, venue in VENUE_TABLE.items() if venue.proof)
_HTTP = ("tradovate", "projectx")
_TRADOVATE, _FIX, _NINJA = ("tradovate",), ("fix",), ("ninjatrader",)
_OWN = "empty: the venue's own"
LOGIN_FIELDS = (
    Field("venue", "Venue", choices=tuple(VENUE_TABLE), value="tradovate"),
    Field("environment", "Environment", "live is real money", choices=tuple(map(str, Environment)), value="demo"),
    Field("username", "User name", "what the venue knows you as"),
    Field("password", "Password", "hidden, and stored sealed", venues=_PROVEN, secret=True),
    Field("app_id", "Application", "the name the venue gave the API key", venues=_TRADOVATE, value="copydesk"),
    Field("cid", "API key id", "empty when you have none", venues=_TRADOVATE),
    Field("sec", "API secret", "hidden, and stored sealed", venues=_TRADOVATE, secret=True),
    Field("fix_address", "Address", "HOST:PORT of the counterparty", ("fix-address",), _FIX),
    Field("sender", "SenderCompID", "who this desk is (tag 49)", ("sender-comp-id",), _FIX),
    Field("target", "TargetCompID", "who the counterparty is (tag 56)", ("target-comp-id",), _FIX),
    Field("version", "Version", venues=_FIX, choices=("FIX.4.4", "FIX.4.2"), value="FIX.4.4"),
    Field("dialect", "Dialect", "a name in dialects.toml", venues=_FIX, value="generic"),
    Field("tls", "Encrypted", venues=_FIX, choices=("yes", "no"), value="yes"),
    Field("ninja_address", "Address", "HOST:PORT of its AT interface, or HOST", ("ninja-address",), _NINJA),
    Field("ninja_folder", "Folder", "its documents folder, for exits; may be empty", ("ninja-folder",), _NINJA),
    Field("ninja", "Switches", "such as readings=cache, settle_ms=50", venues=_NINJA),
    Field("only", "Accounts", "their names, with commas: it lists none", ("account",)),
    Field("connection", "Name here", "for this desk; empty: the user name"),
    Field("rest_url", "REST address", _OWN, venues=_HTTP),
    Field("ws_url", "Stream address", _OWN, venues=_HTTP),
    Field("md_url", "Data address", _OWN, venues=_TRADOVATE),
    Field("requests_per_min", "Requests", "a minute at most; empty: as the settings say", venues=_HTTP),
)
NOBODY = "nobody"
PLACE_FIELDS = (
    Field("leader", "Leader", "nobody: they follow", choices=(NOBODY,), value=NOBODY),
    Field("group", "Group"),
    Field("rule", "Rule", "such as proportional 0.5; empty: one to one", ("value", "rounding")),
    Field("maps", "Map", "such as ES:MES:10, 10 MES for an ES; or empty", ("map",)),
    Field("max_position", "Position cap", "lots; empty: none", ("cap",)),
    Field("armed", "Armed", "no: the checklist arms them", choices=("no", "yes"), value="no"),
)
NO_PRACTICE = "no"


class LoginPage(Page):
    """A new login: what it is, then what the venue says to it. `practice` are logins of the practice venue, to be taken
    as they are."""

    GO_ON = "Try it at the venue"

    def __init__(self, seat: Seat, practice: Sequence[PracticeLogin] = ()) -> None:
        self._practice = {f"{each.login.username} at {VENUE_TABLE[each.login.venue].name}": each for each in practice}
        offered = Field(
            "practice",
            "Practice venue",
            f"{called('turn_on')} takes one of its logins as it is",
            choices=(NO_PRACTICE, *self._practice),
            value=NO_PRACTICE,
        )
        super().__init__(seat, "Add a login", (*((offered,) if practice else ()), *LOGIN_FIELDS))

    def on_mount(self) -> None:
        self._show_lines()

    def on_choice_changed(self, event: Choice.Changed) -> None:
        event.stop()
        self._show_lines()

    def _show_lines(self) -> None:
        """Only the lines of the chosen venue, with its word for the proof and what it demands of where a desk runs; for
        a practice login none of them."""
        taken = self._taken
        venue = taken.login.venue if taken else self.text("venue")
        for each in LOGIN_FIELDS:
            shown = each.venues is None or venue in each.venues
            if each.name == "only":
                shown = not capabilities_of(venue).lists_accounts
            shown = shown and taken is None
            self.query_one(f"#line-{each.name}").display = shown
        proof = VENUE_TABLE[venue].proof
        self.query_one("#line-password .label", Static).update(proof or "Password")
        about = "what the venue knows you as" if proof else "a name of your choice: it asks for none"
        self.query_one("#line-username .hint", Static).update(about)
        self.note(VENUE_TABLE[venue].policy)
        self.say("")

    def action_enter(self) -> None:
        """From a practice login straight to the button: the lines between may not be gone yet when keys come fast."""
        if self._taken is not None and self.focused is self._typed["practice"]:
            self.set_focus(self.query_one("#go", Button))
        else:
            super().action_enter()

    @property
    def _taken(self) -> PracticeLogin | None:
        """The practice login that is chosen."""
        return self._practice.get(self.text("practice")) if self._practice else None

    def _login(self) -> tuple[ConnectionConfig, Credentials]:
        if (taken := self._taken) is not None:
            return taken.login, taken.credentials
        venue, username = self.text("venue"), self.text("username")
        if not username:
            raise CommandRefused("username: it is empty; write what the venue knows you as.")
        proven, keyed, http = bool(VENUE_TABLE[venue].proof), venue in _TRADOVATE, venue in _HTTP
        if proven and not self._typed["password"].value:
            raise CommandRefused(f"password: it is empty; type the {VENUE_TABLE[venue].proof} (it is not shown).")
        fix = ninja = None
        if venue in _FIX:
            words = (self.text(each) for each in ("fix_address", "sender", "target", "version", "dialect"))
            fix = fix_login(*words, tls=self.text("tls") == "yes")
        if venue in _NINJA:
            switches = words_of(self.text("ninja"))
            ninja = ninja_login(self.text("ninja_address"), self.text("ninja_folder"), switches, leader="")
        login = ConnectionConfig(
            connection=self.text("connection") or username,
            venue=venue,
            environment=Environment(self.text("environment")),
            username=username,
            rest_url=self.text("rest_url") if http else "",
            ws_url=self.text("ws_url") if http else "",
            md_url=self.text("md_url") if keyed else "",
            requests_per_min=whole_number("requests_per_min", self.text("requests_per_min")) if http else None,
            fix=fix,
            ninja=ninja,
        )
        credentials = Credentials(
            username=username,
            password=self._typed["password"].value if proven else "",
            app_id=self.text("app_id") if keyed else "copydesk",
            device_id=f"copydesk-{login.connection}",
            cid=self.text("cid") if keyed else "",
            sec=self._typed["sec"].value if keyed else "",
        )
        return login, credentials

    async def go_on(self) -> str:
        login, credentials = self._login()
        name = VENUE_TABLE[login.venue].name
        self.say(f"Trying {login.username} at {name} …")
        wished = list(self._taken.accounts) if self._taken else words_of(self.text("only"))
        if capabilities_of(login.venue).lists_accounts:
            wished = []
        found = await self._seat.try_login(login, credentials, wished)
        if not found:
            raise CommandRefused(f"{login.username} has no account at {name}.")
        page = NewAccountsPage(self._seat, login, credentials, found, practising=self._taken is not None)
        self.add_class("-under")
        done: str | None = await self.app.push_screen_wait(page)
        self.remove_class("-under")
        if done is None:
            self.say("Nothing was stored.")
        return done or ""


class AccountsPage(Page):
    """A login's accounts, to pick from, and what they are to do on the desk."""

    GO_ON = "Put them on the desk"
    STORES = True

    def __init__(
        self,
        seat: Seat,
        heading: str,
        rows: Sequence[tuple[str, str, bool]],
        login: tuple[str, Environment],
        *,
        practising: bool = False,
    ) -> None:
        """`rows`: each account's name, a word about it, and whether it is picked to begin with. `login`: its venue and
        environment. `practising`: on a desk without a group the first account is offered as the leader."""
        venue, environment = login
        names = [name for name, _, _ in rows]
        live = environment is Environment.LIVE
        self._live = live
        self._groups = _groups(seat)
        fields = _place_fields(self._groups, venue, names, live=live, practising=practising) if rows else ()
        super().__init__(seat, heading, fields, VENUE_TABLE[venue].policy)
        self._list = PickList(rows, id="picked")

    def lines(self) -> ComposeResult:
        if self._fields:
            yield labelled("Accounts", self._list)
            yield from super().lines()

    def line_about(self, text: str) -> str | None:
        return "picked" if text.startswith(("picked:", "account:")) else super().line_about(text)

    def picked(self) -> list[str]:
        """The picked names, the leader's among them. Raises CommandRefused."""
        leader = self._leader()
        names = self._list.picked
        names += [leader] if leader and leader not in names else []
        if not names:
            keys = f"{called('pick')} picks the one under the cursor, {called('pick_all')} picks all"
            raise CommandRefused(f"picked: no account is; {keys}.")
        if self._live and sorted(words_of(self.text("names"))) != sorted(names):
            typed = "its name" if len(names) == 1 else "their names, with commas,"
            raise CommandRefused(f"names: this is REAL MONEY: type {typed} to allow it: {', '.join(names)}.")
        return names

    def _leader(self) -> str:
        return "" if "leader" not in self._typed or self.text("leader") == NOBODY else self.text("leader")

    def chosen(self) -> Chosen:
        """What the lines say. Raises CommandRefused."""
        group, leader = self.text("group") or "main", self._leader()
        if not leader and group not in self._groups:
            if "leader" in self._typed:
                raise CommandRefused(f"leader: group {group} has none yet; choose the account that leads it.")
            raise CommandRefused(f"group: there is no {group}; add the login of the account that leads it first.")
        return Chosen(
            group=group,
            leader=leader,
            rule=parse_rule_words(self.text("rule")) if self.text("rule") else None,
            symbols=parse_maps(words_of(self.text("maps"))),
            max_position=whole_number("max_position", self.text("max_position")),
            armed=self.text("armed") == "yes",
        )


def _groups(seat: Seat) -> list[str]:
    rows = [row for row in seat.view(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]
    return sorted({row.group for row in rows if row.group})


def _place_fields(
    groups: Sequence[str], venue: str, names: Sequence[str], *, live: bool, practising: bool
) -> Iterator[Field]:
    """The lines below the accounts: a leader only where its venue's accounts can lead, names only for real money."""
    for field in PLACE_FIELDS:
        if field.name == "leader":
            if venue not in FOLLOW_ONLY:
                first = names[0] if practising and not groups else NOBODY
                yield replace(field, choices=(NOBODY, *names), value=first)
        elif field.name == "group":
            there = f"there is {', '.join(groups)}" if groups else "there is none yet: choose its leader above"
            yield replace(field, value="main" if "main" in groups or not groups else groups[0], hint=there)
        else:
            yield field
    if live:
        yield Field("names", "REAL MONEY", "type the name of each picked one, with commas")


class NewAccountsPage(AccountsPage):
    """The accounts of a login that was just tried: all that may trade are picked to begin with."""

    def __init__(
        self,
        seat: Seat,
        login: ConnectionConfig,
        credentials: Credentials,
        found: Sequence[VenueAccount],
        *,
        practising: bool = False,
    ) -> None:
        may = {each.account: each.active and not each.readonly for each in found}
        rows = [(name, "may trade" if may[name] else "may not trade", may[name]) for name in may]
        heading = f"{login.connection} has {counted(len(found), 'account', 'accounts')}"
        super().__init__(seat, heading, rows, (login.venue, login.environment), practising=practising)
        self._login, self._credentials, self._found = login, credentials, found

    async def go_on(self) -> str:
        names, chosen = self.picked(), self.chosen()
        wanted = [each for each in self._found if each.account in names]
        return await self._seat.add_login(self._login, self._credentials, wanted, chosen)


class SyncPage(AccountsPage):
    """A login's accounts as its venue has them now; those that are not on the desk can be picked."""

    def __init__(self, seat: Seat, listed: LoginAccounts) -> None:
        self._connection = listed.connection
        self._known = [each for each in listed.accounts if each.mine]
        rows = [(each.account, f"{each.state}, {each.role}", False) for each in listed.accounts if not each.mine]
        heading = f"{listed.connection}, as its venue has it now"
        super().__init__(seat, heading, rows, (listed.venue, listed.environment))

    def lines(self) -> ComposeResult:
        known = [f"{each.account:18} {each.state:14} {each.role}" for each in self._known]
        if not self._fields:
            known += ["", "It has no account that is not on the desk."]
        yield Static("\n".join(map(clean, known)), markup=False, classes="known")
        yield from super().lines()

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#go", Button).display = bool(self._fields)

    async def go_on(self) -> str:
        return await self._seat.add_accounts(self._connection, self.picked(), self.chosen())
