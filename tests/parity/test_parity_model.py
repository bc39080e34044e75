"""What anybody may do and see after any run of requests, against a plain model of the documented rules.

The model is written from docs/explanation/security.md and from the cascades of the relationships, and calls nothing of
the product. Hypothesis draws who does what; after every step everybody's lists are what the model says.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from orgstead.identity import hash_secret
from orgstead.identity.development import PUBLIC_CLIENT_ID, TENANT_ID
from tests.parity.conftest import ORIGIN, ROOT, Answer, Web
from tests.parity.test_parity_security import copy_of, make_user

Fault = tuple[int, str]
LOOPS: dict[str, Fault] = {"account": (400, "0x80040507"), "contact": (400, "0x8004050a")}
DENIED: Fault = (403, "0x80040220")
MISSING: Fault = (404, "0x80040217")
OWNS_IT: Fault = (400, "0x80040214")

RIGHTS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")
DEPTHS = ("Basic", "Local", "Deep", "Global")
# A row can be shared with every right but that of making it.
SHARED = tuple(right for right in RIGHTS if right != "Create")

# Each business unit and the one above it; each principal and its unit. Every principal has a role of its own name.
ABOVE: Mapping[str, str | None] = {"root": None, "middle": "root", "bottom": "middle", "beside": "root"}
TEAM = "team"
USERS = ("head", "lead", "clerk", "hand", "guest")
PRINCIPALS = (*USERS, TEAM)
ADMINISTRATOR = "administrator"
ACTORS = (*USERS, ADMINISTRATOR)
UNIT = {
    "head": "root", "lead": "middle", "clerk": "middle", "hand": "bottom", "guest": "beside", TEAM: "middle",
    ADMINISTRATOR: "root",
}  # fmt: skip
# What the roles hold at first, on both tables unless one is named. The guest has nothing but what the team brings.
ROLES: Mapping[str, Mapping[str, str]] = {
    "head": {**dict.fromkeys(RIGHTS, "Global"), "AssignContact": "Local"},
    "lead": {**dict.fromkeys(RIGHTS, "Deep"), "Delete": "Local", "Share": "Local", "Append": "Basic"},
    "clerk": {**dict.fromkeys(RIGHTS, "Local"), "Write": "Basic", "Delete": "Basic", "Read": "Deep"},
    "hand": {**dict.fromkeys(RIGHTS, "Basic"), "AppendTo": "Global", "Create": "Local"},
    "guest": {},
    TEAM: {**dict.fromkeys(RIGHTS, "Basic"), "ReadAccount": "Local", "AppendTo": "Deep"},
}
MEMBERS = frozenset({"guest"})

TABLES = ("account", "contact")
SET = {"account": "accounts", "contact": "contacts"}
KEY = {"account": "accountid", "contact": "contactid"}
NAME = {"account": "name", "contact": "lastname"}
NUMBER = {"account": "numberofemployees", "contact": "numberofchildren"}
PARENT = {"account": "parentaccountid", "contact": "parentcustomerid"}
# By the table of a row and of its parent: where the row leads to the parent, and where the parent lists the row.
UP = {
    ("account", "account"): "parentaccountid",
    ("contact", "account"): "parentcustomerid_account",
    ("contact", "contact"): "parentcustomerid_contact",
}
DOWN = {
    ("account", "account"): "account_parent_account",
    ("contact", "account"): "contact_customer_accounts",
    ("contact", "contact"): "contact_customer_contacts",
}
TIE = "new_account_contact"
NAVIGATIONS = {
    table: (
        *(path for (child, _), path in UP.items() if child == table),
        *(path for (_, parent), path in DOWN.items() if parent == table),
        TIE,
    )
    for table in TABLES
}
TO_ONE = frozenset(UP.values())


@dataclass(slots=True)
class Row:
    """An account or a contact as it must be."""

    id: str
    table: str
    name: str | None
    number: int | None
    owner: str
    parent: str | None = None


@dataclass(slots=True)
class Share:
    """The rights that somebody has been given on a row, and on one above it."""

    own: frozenset[str] = frozenset()
    inherited: frozenset[str] = frozenset()


class Model:
    """The rows, the shares and the roles, with the documented rules about them."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.shares: dict[tuple[str, str], Share] = {}
        self.ties: set[tuple[str, str]] = set()
        self.members = MEMBERS
        self.roles = first_roles()

    # -- who may -------------------------------------------------------------------------------------------------
    def principals(self, who: str) -> tuple[str, ...]:
        return (who, TEAM) if who in self.members else (who,)

    def held(self, who: str, right: str, table: str) -> list[tuple[str, str]]:
        """The depths at which somebody holds a privilege, each with the unit that it counts from."""
        if who == ADMINISTRATOR:
            return [("Global", UNIT[who])]
        roles = [(role, UNIT[role]) for role in self.principals(who)]
        return [
            (self.roles[role][right, table], unit)
            for role, unit in roles
            if (right, table) in self.roles[role]
        ]

    def holds(self, who: str, right: str, *tables: str) -> bool:
        return all(self.held(who, right, table) for table in tables)

    def may(self, who: str, right: str, row: Row) -> bool:
        """Whether somebody holds the privilege and the row is within its reach."""
        held = self.held(who, right, row.table)
        if not held:
            return False
        principals = self.principals(who)
        if row.owner in principals or any(reaches(*each, UNIT[row.owner]) for each in held):
            return True
        given = [self.shares.get((row.id, principal), Share()) for principal in principals]
        return any(right in share.own | share.inherited for share in given)

    def may_own(self, owner: str, by: str, table: str) -> bool:
        """Whether somebody can be made the owner of a row."""
        return owner == by or self.holds(owner, "Read", table)

    def may_tie(self, who: str, row: Row, parent: Row) -> bool:
        return self.may(who, "Append", row) and self.may(who, "AppendTo", parent)

    # -- what is there -------------------------------------------------------------------------------------------
    def seen(self, who: str, table: str) -> list[Row]:
        return [row for row in self.rows.values() if row.table == table and self.may(who, "Read", row)]

    def related(self, who: str, row: Row, path: str) -> list[Row]:
        """The rows at the end of a navigation property that somebody sees."""
        found: Iterable[Row]
        if path == TIE:
            ends = (each for each in self.ties if row.id in each)
            found = (self.rows[id] for each in ends for id in each if id != row.id)
        elif path in TO_ONE:
            parent = self.rows.get(row.parent or "")
            found = (parent,) if parent is not None and UP[row.table, parent.table] == path else ()
        else:
            below = (each for each in self.rows.values() if each.parent == row.id)
            found = (each for each in below if DOWN[each.table, row.table] == path)
        return [each for each in found if self.may(who, "Read", each)]

    def family(self, id: str) -> list[str]:
        """A row and all that is below it, as far as sharing goes."""
        found = [id]
        for each in found:
            found += [row.id for row in self.rows.values() if row.parent == each and row.id not in found]
        return found

    def loops(self, id: str, parent: str) -> bool:
        """Whether a row would come to stand below itself."""
        above = self.rows.get(parent)
        while above is not None and above.table == self.rows[id].table:
            if above.id == id:
                return True
            above = self.rows.get(above.parent or "")
        return False

    def handed_over(self, row: Row, owner: str) -> list[Row]:
        """What changes hands with a row: what is below it, as far as it is not the new owner's already."""
        found = [row]
        for each in found:
            below = (other for other in self.rows.values() if other.parent == each.id)
            found += [other for other in below if other.owner != owner and other not in found]
        return found

    def taken_along(self, id: str) -> list[Row]:
        """What is deleted with a row: the contacts of an account, but no account and nothing of a contact."""
        if self.rows[id].table == "contact":
            return [self.rows[id]]
        below = [row for row in self.rows.values() if row.parent == id and row.table == "contact"]
        return [self.rows[id], *below]

    # -- what happens --------------------------------------------------------------------------------------------
    def delete(self, id: str) -> None:
        gone = {row.id for row in self.taken_along(id)}
        self.rows = {id: row for id, row in self.rows.items() if id not in gone}
        self.shares = {key: share for key, share in self.shares.items() if key[0] not in gone}
        self.ties = {pair for pair in self.ties if not gone & set(pair)}
        for row in self.rows.values():
            if row.parent in gone:
                row.parent = None

    def give(self, id: str, principal: str, rights: frozenset[str], *, replace: bool) -> None:
        for each in self.family(id):
            share = self.shares.setdefault((each, principal), Share())
            if each == id:
                share.own = rights if replace else share.own | rights
            else:
                share.inherited = rights if replace else share.inherited | rights

    def revoke(self, id: str, principal: str) -> None:
        for each in self.family(id):
            self.shares.pop((each, principal), None)


def first_roles() -> dict[str, dict[tuple[str, str], str]]:
    return {
        name: {
            (right, table): role.get(f"{right}{table.capitalize()}", role[right])
            for right, table in itertools.product(RIGHTS, TABLES)
            if right in role
        }
        for name, role in ROLES.items()
    }


def reaches(depth: str, unit: str, of: str) -> bool:
    """Whether a depth that counts from one unit extends to the rows of another."""
    if depth == "Deep":
        above: str | None = of
        while above is not None and above != unit:
            above = ABOVE[above]
        return above == unit
    return depth == "Global" or (depth == "Local" and of == unit)


# -- questions ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Filter:
    """A condition as text, the tables that it reads, and what it means to somebody."""

    text: str
    tables: frozenset[str]
    holds: Callable[[Model, str, Row], bool] = field(repr=False)


WORDS = st.sampled_from(["ant", "bee", "antler", "O'Hara"])
NUMBERS = st.none() | st.integers(0, 3)
WHO = st.sampled_from(ACTORS)
WHOM = st.sampled_from(PRINCIPALS)
MASKS = st.frozensets(st.sampled_from(SHARED), max_size=2)
WAYS = st.sampled_from(["bind", "lookup", "collection"])


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def other_end(table: str, path: str) -> str:
    """The table that a navigation property leads to."""
    if path == TIE:
        return "contact" if table == "account" else "account"
    ends = {UP[pair]: pair[1] for pair in UP} | {DOWN[pair]: pair[0] for pair in DOWN}
    return ends[path]


def by_name(table: str, word: str, operator: str) -> Filter:
    def holds(model: Model, who: str, row: Row) -> bool:
        name = (row.name or "").lower()
        return {"eq": name == word.lower(), "ne": name != word.lower(), "contains": word.lower() in name}[
            operator
        ]

    text = f"{NAME[table]} {operator} {quoted(word)}"
    if operator == "contains":
        text = f"contains({NAME[table]},{quoted(word)})"
    return Filter(text, frozenset({table}), holds)


def by_number(table: str, number: int | None) -> Filter:
    """At least so much, or nothing at all."""
    text = f"{NUMBER[table]} eq null" if number is None else f"{NUMBER[table]} ge {number}"
    return Filter(
        text,
        frozenset({table}),
        lambda model, who, row: (
            row.number is None if number is None else row.number is not None and row.number >= number
        ),
    )


def by_owner(table: str, owner: str) -> Filter:
    # The id is put in when it is known.
    return Filter(
        f"_ownerid_value eq {{{owner}}}", frozenset({table}), lambda model, who, row: row.owner == owner
    )


def by_related(table: str, path: str, word: str, kind: str) -> Filter:
    """By what hangs on the row: a name that only those know who see it."""
    end = other_end(table, path)
    tables = frozenset({table, end})
    if path in TO_ONE:

        def leads(model: Model, who: str, row: Row) -> bool:
            names = [each.name for each in model.related(who, row, path)]
            return {"some": word in names, "none": word not in names, "any": not names}[kind]

        operator = {"some": f"eq {quoted(word)}", "none": f"ne {quoted(word)}", "any": "eq null"}[kind]
        return Filter(f"{path}/{NAME[end]} {operator}", tables, leads)

    def lists(model: Model, who: str, row: Row) -> bool:
        names = [each.name for each in model.related(who, row, path)]
        return {"some": word in names, "none": all(name == word for name in names), "any": bool(names)}[kind]

    inside = f"e:e/{NAME[end]} eq {quoted(word)}"
    return Filter(
        {"some": f"{path}/any({inside})", "none": f"{path}/all({inside})", "any": f"{path}/any()"}[kind],
        tables,
        lists,
    )


def both(one: Filter, other: Filter, word: str) -> Filter:
    return Filter(
        f"({one.text} {word} {other.text})",
        one.tables | other.tables,
        lambda model, who, row: (all if word == "and" else any)(
            each.holds(model, who, row) for each in (one, other)
        ),
    )


def negated(one: Filter) -> Filter:
    return Filter(f"not ({one.text})", one.tables, lambda model, who, row: not one.holds(model, who, row))


def filters(table: str) -> st.SearchStrategy[Filter]:
    known = st.just(table)
    leaves = st.one_of(
        st.builds(by_name, known, WORDS, st.sampled_from(["eq", "ne", "contains"])),
        st.builds(by_number, known, NUMBERS),
        st.builds(by_owner, known, WHOM),
        st.builds(
            by_related,
            known,
            st.sampled_from(NAVIGATIONS[table]),
            WORDS,
            st.sampled_from(["some", "none", "any"]),
        ),
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.builds(both, inner, inner, st.sampled_from(["and", "or"])) | st.builds(negated, inner)
        ),
        max_leaves=3,
    )


FILTERS = {table: st.none() | filters(table) for table in TABLES}
EXPANDS = {table: st.lists(st.sampled_from(NAVIGATIONS[table]), max_size=3, unique=True) for table in TABLES}


LINKS = st.one_of(*(st.tuples(st.just(each), st.sampled_from(NAVIGATIONS[each])) for each in TABLES))


def ends_of(table: str, path: str) -> tuple[str, str]:
    """The columns that go together, of a row and of what it leads to."""
    end = other_end(table, path)
    return (PARENT[table], KEY[end]) if path in TO_ONE else (KEY[table], PARENT[end])


def fetch(table: str, path: str, kind: str, word: str | None, *, count: bool) -> str:
    """FetchXML that follows a relationship in the way that ``kind`` says, to rows of a name or to all."""
    end = other_end(table, path)
    far, near = (KEY[end], KEY[end]) if path == TIE else ends_of(table, path)
    head, shown = "<fetch>", f"<attribute name='{KEY[table]}'/>"
    inside = f"<attribute name='{NAME[end]}'/>"
    if count:
        head, shown = (
            "<fetch aggregate='true'>",
            f"<attribute name='{KEY[table]}' alias='n' aggregate='count'/>",
        )
    if count or kind in ("any", "not any"):
        inside = ""
    if word is not None:
        condition = f"<condition attribute='{NAME[end]}' operator='eq' value={quoteattr(word)}/>"
        inside += f"<filter>{condition}</filter>"
    link = f"<link-entity name='{end}' from='{near}' to='{far}' link-type='{kind}' alias='e'>{inside}</link-entity>"
    if path == TIE:
        outer = f"<link-entity name='{TIE}' from='{KEY[table]}' to='{KEY[table]}' link-type='{kind}'>"
        link = f"{outer}{link}</link-entity>"
    if kind in ("any", "not any"):
        link = f"<filter>{link}</filter>"
    return f"{head}<entity name='{table}'>{shown}{link}</entity></fetch>"


def sql(table: str, path: str, kind: str, word: str | None) -> str:
    """The same question in SQL."""
    end = other_end(table, path)
    far, near = ends_of(table, path)
    named = f" AND e.{NAME[end]} = {quoted(word)}" if word is not None else ""
    joined = f"{'LEFT' if kind == 'outer' else 'INNER'} JOIN {end} e ON t.{far} = e.{near}{named}"
    return f"SELECT t.{KEY[table]}, e.{NAME[end]} AS found FROM {table} t {joined}"


# -- the organisation --------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The organisation that all runs share: what the principals are called, and what their roles hold just now."""

    web: Web
    ids: dict[str, str]
    roles: dict[str, str]
    tokens: dict[str, str]
    privileges: dict[str, str]
    held: dict[str, dict[tuple[str, str], str]]
    members: set[str]

    def bound(self, principal: str) -> str:
        return f"{'teams' if principal == TEAM else 'systemusers'}({self.ids[principal]})"

    def typed(self, principal: str) -> dict[str, str]:
        """A principal as a parameter."""
        table = "team" if principal == TEAM else "systemuser"
        return {f"{table}id": self.ids[principal], "@odata.type": f"Microsoft.Dynamics.CRM.{table}"}

    def set_role(self, role: str, held: Mapping[tuple[str, str], str]) -> None:
        if self.held.get(role) == held:
            return
        given = [
            {"PrivilegeId": self.privileges[f"prv{right}{table.capitalize()}"], "Depth": depth}
            for (right, table), depth in held.items()
        ]
        path = f"roles({self.roles[role]})/Microsoft.Dynamics.CRM.ReplacePrivilegesRole"
        assert self.web.call("POST", path, {"Privileges": given}).status == 204
        self.held[role] = dict(held)

    def set_members(self, wanted: Iterable[str]) -> None:
        for message, who in (
            ("AddMembersTeam", set(wanted) - self.members),
            ("RemoveMembersTeam", self.members - set(wanted)),
        ):
            if who:
                path = f"teams({self.ids[TEAM]})/Microsoft.Dynamics.CRM.{message}"
                body = {"Members": [self.typed(each) for each in sorted(who)]}
                assert self.web.call("POST", path, body).status == 204
        self.members.clear()
        self.members.update(wanted)

    def clear(self) -> None:
        """As it was before the first run: no rows, and the first roles."""
        for table in ("contact", "account"):
            for row in self.web.get(f"{SET[table]}?$select={KEY[table]}").rows:
                assert self.web.call("DELETE", f"{SET[table]}({row[KEY[table]]})").status == 204
        for role, held in first_roles().items():
            self.set_role(role, held)
        self.set_members(MEMBERS)


def sign_in(web: Web, user: str) -> str:
    """The Authorization header of a user who signs in with a password."""
    assert web.organisation is not None
    web.organisation.directory.set_password(user, hash_secret("a password"))
    answer = web.client.post(
        f"/{TENANT_ID}/oauth2/v2.0/token",
        data={
            "grant_type": "password",
            "client_id": PUBLIC_CLIENT_ID,
            "username": web.get(f"systemusers({user})?$select=domainname").json["domainname"],
            "password": "a password",
            "scope": f"{ORIGIN}/.default",
        },
    )
    return f"Bearer {answer.json()['access_token']}"


@pytest.fixture(scope="module")
def world(web: Web) -> World:
    units = {"root": web.get("WhoAmI").json["BusinessUnitId"]}
    for name, parent in ABOVE.items():
        if parent is not None:
            bound = {"parentbusinessunitid@odata.bind": f"businessunits({units[parent]})"}
            units[name] = web.make("businessunits", name=name, **bound)
    top = {"businessunitid@odata.bind": f"businessunits({units['root']})"}
    roles = {name: web.make("roles", name=name, **top) for name in ROLES}
    ids = {user: make_user(web, units[UNIT[user]], roles[user]) for user in USERS}
    ids[ADMINISTRATOR] = web.get("WhoAmI").json["UserId"]
    ids[TEAM] = web.make(
        "teams",
        name="team",
        teamtype=0,
        **{
            "businessunitid@odata.bind": f"businessunits({units[UNIT[TEAM]]})",
            "administratorid@odata.bind": f"systemusers({ids['lead']})",
        },
    )
    tie = {"@odata.id": f"{ROOT}roles({copy_of(web, roles[TEAM], units[UNIT[TEAM]])})"}
    assert web.call("POST", f"teams({ids[TEAM]})/teamroles_association/$ref", tie).status == 204
    menu = {"Behavior": "DoNotDisplay", "Group": "Details", "Order": 10_000}
    relationship = {
        "@odata.type": "Microsoft.Dynamics.CRM.ManyToManyRelationshipMetadata",
        "SchemaName": TIE,
        "IntersectEntityName": TIE,
        "Entity1LogicalName": "account",
        "Entity2LogicalName": "contact",
        "Entity1AssociatedMenuConfiguration": menu,
        "Entity2AssociatedMenuConfiguration": menu,
    }
    assert web.call("POST", "RelationshipDefinitions", relationship).status == 204
    return World(
        web=web,
        ids=ids,
        roles=roles,
        tokens={user: sign_in(web, ids[user]) for user in USERS},
        privileges={row["name"]: row["privilegeid"] for row in web.get("privileges?$select=name").rows},
        held={},
        members=set(),
    )


class Business(RuleBasedStateMachine):
    """Some people at work."""

    accounts: Bundle[str] = Bundle("accounts")
    contacts: Bundle[str] = Bundle("contacts")

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.model = Model()
        # Every other request is impersonated, the rest are signed in.
        self.doors: Iterator[bool] = itertools.cycle((True, False))
        # Of all rows that there have been.
        self.tables: dict[str, str] = {}
        # Who has yet to look after the last change.
        self.looking = set(ACTORS)
        world.clear()

    # -- asking --------------------------------------------------------------------------------------------------
    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        if who == ADMINISTRATOR:
            pass
        elif next(self.doors):
            headers["MSCRMCallerID"] = self.world.ids[who]
        else:
            headers["authorization"] = self.world.tokens[who]
        answer = self.world.web.call(method, path, body, **headers)
        if method != "GET":
            # What has been refused has changed nothing, which one who sees everything can tell.
            self.looking |= set(ACTORS) if answer.status < 300 else {ADMINISTRATOR}
        return answer

    def address(self, id: str) -> str:
        return f"{SET[self.tables[id]]}({id})"

    def reference(self, id: str) -> dict[str, str]:
        return {"@odata.id": f"{ROOT}{self.address(id)}"}

    def is_gone(self, who: str, right: str, id: str, answer: Answer) -> None:
        """Refuse a row that is not there; whether the privilege is asked for before it is not documented."""
        known = self.model.holds(who, right, self.tables[id])
        assert answer.fault in ({MISSING} if known else {MISSING, DENIED})

    # -- making --------------------------------------------------------------------------------------------------
    def keep(self, id: str, row: Row) -> MultipleResults[str]:
        row.id = id
        self.model.rows[id] = row
        self.tables[id] = row.table
        return multiple(id)

    def parent_of(self, table: str, id: str | None) -> Row | None:
        parent = self.model.rows.get(id or "")
        return parent if parent is not None and (table, parent.table) in UP else None

    def body(self, row: Row) -> dict[str, Any]:
        return {NAME[row.table]: row.name, NUMBER[row.table]: row.number}

    def make(
        self, who: str, row: Row, *, child: str | None = None, below: bool = False
    ) -> MultipleResults[str]:
        """A new row, perhaps with a contact of its own, perhaps made in a collection of its parent's."""
        model, body, path = self.model, self.body(row), SET[row.table]
        if row.owner != who:
            body["ownerid@odata.bind"] = self.world.bound(row.owner)
        parent = model.rows[row.parent] if row.parent is not None else None
        allowed = model.may(who, "Create", row) and model.may_own(row.owner, who, row.table)
        if parent is not None:
            allowed = allowed and model.may_tie(who, row, parent)
            if below:
                path = f"{self.address(parent.id)}/{DOWN[row.table, parent.table]}"
            else:
                body[f"{UP[row.table, parent.table]}@odata.bind"] = self.address(parent.id)
        if child is not None:
            body[DOWN["contact", row.table]] = [{"lastname": child}]
            below_it = Row("", "contact", child, None, who)
            allowed = allowed and model.may(who, "Create", below_it) and model.may_tie(who, below_it, row)
        answer = self.ask(who, "POST", path, body)
        if not allowed:
            assert answer.fault == DENIED
            return multiple()
        made = self.keep(answer.id, row)
        if child is not None:
            listed = self.world.web.get(
                f"{self.address(row.id)}/{DOWN['contact', row.table]}?$select=contactid"
            )
            (only,) = listed.rows
            below_it.parent = row.id
            self.keep(only["contactid"], below_it)
        return made

    @initialize(target=accounts, drawn=st.lists(st.tuples(WORDS, NUMBERS, WHOM), min_size=2, max_size=4))
    def first_accounts(self, drawn: list[tuple[str, int | None, str]]) -> MultipleResults[str]:
        """A few accounts, each below the one before."""
        above, made = None, []
        for name, number, owner in drawn:
            row = Row("", "account", name, number, owner, above)
            above = self.given(row)
            made.append(above)
        return multiple(*made)

    @initialize(
        target=contacts,
        account=accounts,
        drawn=st.lists(st.tuples(WORDS, NUMBERS, WHOM), min_size=2, max_size=4),
    )
    def first_contacts(self, account: str, drawn: list[tuple[str, int | None, str]]) -> MultipleResults[str]:
        """A few contacts of one account."""
        return multiple(*(self.given(Row("", "contact", *each, account)) for each in drawn))

    def given(self, row: Row) -> str:
        """A row that the administrator makes."""
        body = self.body(row) | {"ownerid@odata.bind": self.world.bound(row.owner)}
        if row.parent is not None:
            up = UP[row.table, self.tables[row.parent]]
            body[f"{up}@odata.bind"] = self.address(row.parent)
        id = self.world.web.make(SET[row.table], **body)
        self.keep(id, row)
        return id

    @rule(
        target=accounts,
        who=WHO,
        name=WORDS,
        number=NUMBERS,
        owner=st.none() | WHOM,
        parent=st.none() | accounts,
        child=st.none() | WORDS,
        below=st.booleans(),
    )
    def make_account(
        self,
        who: str,
        name: str,
        number: int | None,
        owner: str | None,
        parent: str | None,
        child: str | None,
        below: bool,
    ) -> MultipleResults[str]:
        above = self.parent_of("account", parent)
        row = Row("", "account", name, number, owner or who, above.id if above else None)
        return self.make(who, row, child=child, below=below)

    @rule(
        target=contacts,
        who=WHO,
        name=WORDS,
        number=NUMBERS,
        owner=st.none() | WHOM,
        parent=st.none() | accounts | contacts,
        below=st.booleans(),
    )
    def make_contact(
        self, who: str, name: str, number: int | None, owner: str | None, parent: str | None, below: bool
    ) -> MultipleResults[str]:
        above = self.parent_of("contact", parent)
        row = Row("", "contact", name, number, owner or who, above.id if above else None)
        return self.make(who, row, below=below)

    # -- changing ------------------------------------------------------------------------------------------------
    @rule(who=WHO, id=accounts | contacts, name=WORDS, number=NUMBERS, make=st.booleans())
    def change(self, who: str, id: str, name: str, number: int | None, make: bool) -> None:
        """A change; one that may make the row does so when it is gone."""
        table = self.tables[id]
        new = Row(id, table, name, number, who)
        headers = {} if make else {"If_Match": "*"}
        answer = self.ask(who, "PATCH", self.address(id), self.body(new), **headers)
        row = self.model.rows.get(id)
        if row is not None:
            if not self.model.may(who, "Write", row):
                assert answer.fault == DENIED
                return
            assert answer.status == 204, answer.text
            row.name, row.number = name, number
        elif not make:
            self.is_gone(who, "Write", id, answer)
        elif self.model.may(who, "Create", new):
            assert answer.id == id
            self.keep(id, new)
        else:
            assert answer.fault == DENIED

    @rule(who=WHO, id=accounts | contacts, parent=accounts | contacts, way=WAYS)
    def tie_to_parent(self, who: str, id: str, parent: str, way: str) -> None:
        """A lookup is set by its own column or from the other side."""
        row, above = self.model.rows.get(id), self.parent_of(self.tables[id], parent)
        if above is None:
            return
        up, down = UP[self.tables[id], above.table], DOWN[self.tables[id], above.table]
        match way:
            case "bind":
                body = {f"{up}@odata.bind": self.address(parent)}
                answer = self.ask(who, "PATCH", self.address(id), body, If_Match="*")
            case "lookup":
                answer = self.ask(who, "PUT", f"{self.address(id)}/{up}/$ref", self.reference(parent))
            case _:
                answer = self.ask(who, "POST", f"{self.address(parent)}/{down}/$ref", self.reference(id))
        if row is None:
            self.is_gone(who, "Write", id, answer)
        elif self.model.may(who, "Write", row) and (
            row.parent == parent or self.model.may_tie(who, row, above)
        ):
            if self.model.loops(id, parent):
                assert answer.fault == LOOPS[row.table]
                return
            assert answer.status == 204, answer.text
            row.parent = parent
        else:
            assert answer.fault == DENIED

    @rule(who=WHO, id=accounts | contacts, way=WAYS)
    def untie_from_parent(self, who: str, id: str, way: str) -> None:
        """A lookup is emptied by its own column or from the other side."""
        row = self.model.rows.get(id)
        above = self.model.rows.get(row.parent or "") if row is not None else None
        if row is None or above is None:
            return
        up, down = UP[row.table, above.table], DOWN[row.table, above.table]
        match way:
            case "bind":
                answer = self.ask(who, "PATCH", self.address(id), {f"{up}@odata.bind": None}, If_Match="*")
            case "lookup":
                answer = self.ask(who, "DELETE", f"{self.address(id)}/{up}/$ref")
            case _:
                answer = self.ask(who, "DELETE", f"{self.address(above.id)}/{down}({id})/$ref")
        if self.model.may(who, "Write", row):
            assert answer.status == 204, answer.text
            row.parent = None
        else:
            assert answer.fault == DENIED

    @rule(who=WHO, account=accounts, contact=contacts, tied=st.booleans(), turned=st.booleans())
    def tie(self, who: str, account: str, contact: str, tied: bool, turned: bool) -> None:
        """Tie or untie an account and a contact, from either end."""
        first, second = (contact, account) if turned else (account, contact)
        path = f"{self.address(first)}/{TIE}"
        if tied:
            answer = self.ask(who, "POST", f"{path}/$ref", self.reference(second))
        else:
            answer = self.ask(who, "DELETE", f"{path}({second})/$ref")
        ends = [self.model.rows[id] for id in (account, contact) if id in self.model.rows]
        allowed = all(self.model.may(who, right, end) for right in ("Append", "AppendTo") for end in ends)
        if len(ends) < 2:
            assert answer.fault in (MISSING, DENIED)
        elif not allowed:
            assert answer.fault == DENIED
        elif tied:
            assert answer.status == 204, answer.text
            self.model.ties.add((account, contact))
        elif (account, contact) in self.model.ties:
            assert answer.status == 204, answer.text
            self.model.ties.remove((account, contact))
        else:
            assert answer.fault == MISSING

    @rule(who=WHO, id=accounts | contacts)
    def delete(self, who: str, id: str) -> None:
        """A row goes with all that its relationships take along, or not at all."""
        answer = self.ask(who, "DELETE", self.address(id))
        if id not in self.model.rows:
            self.is_gone(who, "Delete", id, answer)
        elif all(self.model.may(who, "Delete", row) for row in self.model.taken_along(id)):
            assert answer.status == 204, answer.text
            self.model.delete(id)
        else:
            assert answer.fault == DENIED

    @rule(who=WHO, id=accounts | contacts, owner=WHOM, name=st.none() | WORDS, by_reference=st.booleans())
    def assign(self, who: str, id: str, owner: str, name: str | None, by_reference: bool) -> None:
        """Give a row to another owner, perhaps together with a new name."""
        address, bound = self.address(id), self.world.bound(owner)
        if by_reference and name is None:
            answer = self.ask(who, "PUT", f"{address}/ownerid/$ref", {"@odata.id": f"{ROOT}{bound}"})
        else:
            body = {"ownerid@odata.bind": bound} | ({NAME[self.tables[id]]: name} if name else {})
            answer = self.ask(who, "PATCH", address, body, If_Match="*")
        row = self.model.rows.get(id)
        if row is None:
            self.is_gone(who, "Write", id, answer)
            return
        allowed = True
        handed_over = self.model.handed_over(row, owner) if owner != row.owner else []
        for each in handed_over:
            allowed = allowed and self.model.may(who, "Assign", each)
            allowed = allowed and self.model.may_own(owner, who, each.table)
        if owner == row.owner or name is not None:
            allowed = allowed and self.model.may(who, "Write", row)
        if not allowed:
            assert answer.fault == DENIED
            return
        assert answer.status == 204, answer.text
        for each in handed_over:
            each.owner = owner
        row.name = name or row.name

    # -- sharing -------------------------------------------------------------------------------------------------
    @rule(
        who=st.just(ADMINISTRATOR) | WHO,
        id=accounts | contacts,
        principal=WHOM,
        steps=st.lists(st.tuples(st.booleans(), MASKS), min_size=1, max_size=3),
    )
    def share(self, who: str, id: str, principal: str, steps: list[tuple[bool, frozenset[str]]]) -> None:
        """Give somebody rights on a row, or other ones in their place; no rights take them back."""
        for replace, rights in steps:
            if rights:
                self.give(who, id, principal, rights, replace=replace)
            else:
                self.revoke(who, id, principal)
        if id in self.model.rows:
            for each in self.model.family(id):
                self.check_shares(ADMINISTRATOR, each)

    def target(self, id: str) -> dict[str, str]:
        table = self.tables[id]
        return {KEY[table]: id, "@odata.type": f"Microsoft.Dynamics.CRM.{table}"}

    def give(self, who: str, id: str, principal: str, rights: frozenset[str], *, replace: bool) -> None:
        mask = ", ".join(f"{right}Access" for right in sorted(rights))
        access = {"Principal": self.world.typed(principal), "AccessMask": mask}
        message = "ModifyAccess" if replace else "GrantAccess"
        answer = self.ask(who, "POST", message, {"Target": self.target(id), "PrincipalAccess": access})
        row = self.model.rows.get(id)
        if row is None:
            self.is_gone(who, "Share", id, answer)
        elif not self.model.may(who, "Share", row):
            assert answer.fault == DENIED
        elif principal == row.owner:
            assert answer.fault == OWNS_IT
        # known: a team is given rights that it does not hold.
        elif all(
            self.model.may(who, right, row)
            and (principal == TEAM or self.model.holds(principal, right, row.table))
            for right in rights
        ):
            assert answer.status == 204, answer.text
            self.model.give(id, principal, rights, replace=replace)
        else:
            assert answer.fault == DENIED

    def revoke(self, who: str, id: str, principal: str) -> None:
        body = {"Target": self.target(id), "Revokee": self.world.typed(principal)}
        answer = self.ask(who, "POST", "RevokeAccess", body)
        row = self.model.rows.get(id)
        if row is None:
            self.is_gone(who, "Share", id, answer)
        elif self.model.may(who, "Share", row):
            assert answer.status == 204, answer.text
            self.model.revoke(id, principal)
        else:
            assert answer.fault == DENIED

    def check_shares(self, who: str, id: str) -> None:
        """With whom a row is shared is what somebody is told who may read it."""
        path = f"RetrieveSharedPrincipalsAndAccess(Target=@t)?@t={{'@odata.id':'{self.address(id)}'}}"
        answer = self.ask(who, "GET", path)
        row = self.model.rows.get(id)
        if row is None:
            self.is_gone(who, "Read", id, answer)
        elif not self.model.may(who, "Read", row):
            assert answer.fault == DENIED
        else:
            told = {
                principal: mask_of(each["AccessMask"])
                for each in answer.json["PrincipalAccesses"]
                for principal in without_notes(each["Principal"]).values()
            }
            assert told == {
                self.world.ids[principal]: share.own | share.inherited
                for (shared, principal), share in self.model.shares.items()
                if shared == id
            }

    # -- administration ------------------------------------------------------------------------------------------
    @rule(
        role=WHOM,
        rights=st.sets(st.sampled_from(RIGHTS), min_size=1, max_size=3),
        tables=st.sets(st.sampled_from(TABLES), min_size=1),
        depth=st.none() | st.sampled_from(DEPTHS),
    )
    def change_role(self, role: str, rights: set[str], tables: set[str], depth: str | None) -> None:
        """The administrator gives rights to a role, or takes them away."""
        held = self.model.roles[role]
        for right, table in itertools.product(rights, tables):
            held.pop((right, table), None)
            if depth is not None:
                held[right, table] = depth
        self.world.set_role(role, held)
        self.looking = set(ACTORS)

    @rule(members=st.frozensets(st.sampled_from(USERS), max_size=2))
    def change_team(self, members: frozenset[str]) -> None:
        """The administrator says who is in the team."""
        self.world.set_members(members)
        self.model.members = members
        self.looking = set(ACTORS)

    # -- asking --------------------------------------------------------------------------------------------------
    def shown(self, row: Row) -> dict[str, Any]:
        return {
            KEY[row.table]: row.id,
            NAME[row.table]: row.name,
            NUMBER[row.table]: row.number,
            "_ownerid_value": self.world.ids[row.owner],
            f"_{PARENT[row.table]}_value": row.parent,
        }

    def select(self, table: str) -> str:
        return f"$select={NAME[table]},{NUMBER[table]},_ownerid_value,_{PARENT[table]}_value"

    @rule(
        who=WHO,
        question=st.one_of(*(st.tuples(st.just(each), FILTERS[each], EXPANDS[each]) for each in TABLES)),
    )
    def look(self, who: str, question: tuple[str, Filter | None, list[str]]) -> None:
        """A list with all that hangs on it, and its count."""
        table, condition, paths = question
        ends = {path: other_end(table, path) for path in paths}
        options = [self.select(table), "$count=true"]
        if condition is not None:
            options.append(f"$filter={condition.text.format(**self.world.ids)}")
        if paths:
            options.append(
                "$expand=" + ",".join(f"{path}($select={NAME[end]})" for path, end in ends.items())
            )
        answer = self.ask(who, "GET", f"{SET[table]}?{'&'.join(options)}")
        tables = {table, *ends.values(), *(condition.tables if condition is not None else ())}
        if not self.model.holds(who, "Read", *tables):
            assert answer.fault == DENIED
            return
        wanted = self.found(who, table, condition)
        assert answer.json["@odata.count"] == len(wanted)
        assert {row[KEY[table]] for row in answer.rows} == {row.id for row in wanted}
        given = {row[KEY[table]]: row for row in answer.rows}
        for row in wanted:
            assert without_notes(given[row.id], *paths) == self.shown(row)
            for path, end in ends.items():
                names = {each.id: each.name for each in self.model.related(who, row, path)}
                rows = given[row.id][path]
                if path in TO_ONE:
                    rows = [rows] if rows is not None else []
                assert {each[KEY[end]]: each[NAME[end]] for each in rows} == names

    def found(self, who: str, table: str, condition: Filter | None) -> list[Row]:
        return [
            row
            for row in self.model.seen(who, table)
            if condition is None or condition.holds(self.model, who, row)
        ]

    @rule(who=WHO, question=st.one_of(*(st.tuples(st.just(each), FILTERS[each]) for each in TABLES)))
    def count(self, who: str, question: tuple[str, Filter | None]) -> None:
        """Groups with their counts and sums, and the plain number of rows."""
        table, condition = question
        text = condition.text.format(**self.world.ids) if condition is not None else ""
        groups = f"groupby(({NAME[table]}),aggregate($count as n,{NUMBER[table]} with sum as total))"
        steps = f"filter({text})/{groups}" if text else groups
        grouped = self.ask(who, "GET", f"{SET[table]}?$apply={steps}")
        plain = self.ask(who, "GET", f"{SET[table]}/$count" + (f"?$filter={text}" if text else ""))
        tables = condition.tables if condition is not None else {table}
        if not self.model.holds(who, "Read", *tables):
            assert grouped.fault == DENIED
            assert plain.fault == DENIED
            return
        wanted: dict[str | None, list[int | None]] = {}
        for row in self.found(who, table, condition):
            wanted.setdefault(row.name, []).append(row.number)
        assert {row[NAME[table]]: (row["n"], row.get("total")) for row in grouped.rows} == {
            name: (len(numbers), total(numbers)) for name, numbers in wanted.items()
        }
        assert int(plain.text.lstrip("\ufeff")) == sum(len(numbers) for numbers in wanted.values())

    @rule(
        who=WHO,
        link=LINKS,
        kind=st.sampled_from(["inner", "outer", "any", "not any"]),
        word=st.none() | WORDS,
    )
    def join(self, who: str, link: tuple[str, str], kind: str, word: str | None) -> None:
        """FetchXML and SQL: joined rows, and how many they are."""
        table, path = link
        end = other_end(table, path)
        if path == TIE and kind in ("any", "not any"):
            kind = "inner"
        listed, counted = (fetch(table, path, kind, word, count=count) for count in (False, True))
        answer = self.ask(who, "GET", f"{SET[table]}?fetchXml={listed}")
        number = self.ask(who, "GET", f"{SET[table]}?fetchXml={counted}")
        if not self.model.holds(who, "Read", table, end):
            assert answer.fault == DENIED
            assert number.fault == DENIED
            return
        wanted: list[tuple[str, str | None]] = []
        for row in self.model.seen(who, table):
            found: list[str | None] = [
                each.name for each in self.model.related(who, row, path) if word in (None, each.name)
            ]
            if kind in ("any", "not any"):
                found = [None] if bool(found) == (kind == "any") else []
            elif kind == "outer":
                found = found or [None]
            wanted += [(row.id, name) for name in found]
        wanted.sort(key=str)
        shown = [(row[KEY[table]], row.get(f"e.{NAME[end]}")) for row in answer.rows]
        assert sorted(shown, key=str) == wanted
        assert number.rows[0]["n"] == len(wanted)
        if path != TIE and kind in ("inner", "outer"):
            selected = self.ask(who, "GET", f"{SET[table]}?sql={sql(table, path, kind, word)}")
            shown = [(row[KEY[table]], row.get("found")) for row in selected.rows]
            assert sorted(shown, key=str) == wanted

    @rule(who=WHO, id=accounts | contacts, path=st.sampled_from([*UP.values(), *DOWN.values(), TIE]))
    def read(self, who: str, id: str, path: str) -> None:
        """One row, and what is found through it."""
        table = self.tables[id]
        answer = self.ask(who, "GET", f"{self.address(id)}?{self.select(table)}")
        row = self.model.rows.get(id)
        if row is None:
            self.is_gone(who, "Read", id, answer)
            return
        seen = self.model.may(who, "Read", row)
        if seen:
            assert without_notes(answer.json) == self.shown(row)
        else:
            assert answer.fault == DENIED
        if path not in NAVIGATIONS[table]:
            return
        end = other_end(table, path)
        through = self.ask(who, "GET", f"{self.address(id)}/{path}?$select={NAME[end]}")
        wanted = {each.id: each.name for each in self.model.related(who, row, path)}
        if not seen or not self.model.holds(who, "Read", end):
            assert through.fault == DENIED
        elif path not in TO_ONE:
            assert {each[KEY[end]]: each[NAME[end]] for each in through.rows} == wanted
        elif wanted:
            assert {through.json[KEY[end]]: through.json[NAME[end]]} == wanted
        else:
            # A row that is not seen is as good as none.
            assert through.status == 204

    @rule(who=WHO)
    def list_ties(self, who: str) -> None:
        """What ties two rows is seen by whoever sees both, whatever privileges somebody has."""
        answer = self.ask(who, "GET", f"{TIE}set?$select=accountid,contactid")
        seen = {row.id for table in TABLES for row in self.model.seen(who, table)}
        assert {(row["accountid"], row["contactid"]) for row in answer.rows} == {
            pair for pair in self.model.ties if seen.issuperset(pair)
        }

    @rule(who=WHO, id=accounts | contacts)
    def ask_for_rights(self, who: str, id: str) -> None:
        """What somebody is told about everybody's rights on a row, and with whom it is shared."""
        target = f"Target=@t)?@t={{'@odata.id':'{self.address(id)}'}}"
        row = self.model.rows.get(id)
        seen = row is not None and self.model.may(who, "Read", row)
        for of in PRINCIPALS:
            path = f"{self.world.bound(of)}/Microsoft.Dynamics.CRM.RetrievePrincipalAccess({target}"
            rights = self.ask(who, "GET", path)
            if row is None:
                self.is_gone(who, "Read", id, rights)
            elif not seen:
                assert rights.fault == DENIED
            else:
                wanted = {right for right in SHARED if self.model.may(of, right, row)}
                assert mask_of(rights.json["AccessRights"]) & set(SHARED) == wanted
        self.check_shares(who, id)

    @invariant()
    def everybody_sees_what_they_may(self) -> None:
        """Lists hold the rows that each may read, with their values, and no others."""
        for who, table in itertools.product(sorted(self.looking), TABLES):
            answer = self.ask(who, "GET", f"{SET[table]}?{self.select(table)}")
            if not self.model.holds(who, "Read", table):
                assert answer.fault == DENIED
                continue
            wanted = {row.id: self.shown(row) for row in self.model.seen(who, table)}
            assert {row[KEY[table]]: without_notes(row) for row in answer.rows} == wanted
        self.looking.clear()


def without_notes(row: Mapping[str, Any], *paths: str) -> dict[str, Any]:
    """A row without annotations, and without what was expanded."""
    return {name: value for name, value in row.items() if "@" not in name and name not in paths}


def total(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def mask_of(text: str) -> set[str]:
    return {name.removesuffix("Access") for name in text.split(", ")} - {"None"}


@pytest.mark.timeout(600)  # making a failure smaller takes its time
def test_everybody_does_and_sees_what_the_rules_say(world: World) -> None:
    class Here(Business):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            phases=set(Phase) - {Phase.explain},
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
