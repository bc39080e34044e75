"""Who may do what: privilege, depth, ownership, shares; the same for one row, for lists, counts, expands and sums."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from orgstead.engine.context import SYSTEM
from orgstead.identity import hash_secret
from orgstead.identity.development import PUBLIC_CLIENT_ID, TENANT_ID
from orgstead.model.messages import Update
from orgstead.model.record import Record, Ref
from tests.parity.conftest import ORIGIN, ROOT, Answer, Web

DENIED = (403, "0x80040220")
# The user's own rows, those of the user's team, of a colleague in the same unit, of somebody in a unit below it, beside
# it and above it, and a stranger's that has been shared with the user.
WHOSE = ("mine", "team", "unit", "below", "beside", "above", "shared")
REACH = {
    None: set(),
    "Basic": {"mine", "team", "shared"},
    "Local": {"mine", "team", "shared", "unit"},
    "Deep": {"mine", "team", "shared", "unit", "below"},
    "Global": set(WHOSE),
}
RIGHTS = ("Create", "Read", "Write", "Delete", "Append", "AppendTo", "Assign", "Share")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """An organisation with a few business units: whoever is asked about is ``user``, in ``units["unit"]``."""

    web: Web
    units: dict[str, str]
    users: dict[str, str]
    team: str
    role: str
    team_role: str
    others: str
    privileges: dict[str, str]

    @property
    def user(self) -> str:
        return self.users["mine"]

    def may(self, role: str | None = None, **depths: str | None) -> None:
        """Leave in the user's role (or another) these privileges: by name without prv, at a depth."""
        given = [
            {"PrivilegeId": self.privileges[f"prv{name}"], "Depth": depth}
            for name, depth in depths.items()
            if depth is not None
        ]
        path = f"roles({role or self.role})/Microsoft.Dynamics.CRM.ReplacePrivilegesRole"
        assert self.web.call("POST", path, {"Privileges": given}).status == 204

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request of the user's."""
        return self.web.call(method, path, body, MSCRMCallerID=self.user, **headers)

    def accounts(self, **values: Any) -> dict[str, str]:
        """An account of each kind of owner, shared as its kind says with all rights."""
        made: dict[str, str] = {}
        for whose in WHOSE:
            owner = "team" if whose == "team" else "beside" if whose == "shared" else whose
            bound = f"teams({self.team})" if owner == "team" else f"systemusers({self.users[owner]})"
            made[whose] = self.web.make("accounts", name=whose, **{"ownerid@odata.bind": bound}, **values)
        return made

    def share(self, account: str, mask: str, *, to: str | None = None, **headers: str) -> Answer:
        body = {
            "Target": {"accountid": account, "@odata.type": "Microsoft.Dynamics.CRM.account"},
            "PrincipalAccess": {
                "Principal": {
                    "systemuserid": to or self.user,
                    "@odata.type": "Microsoft.Dynamics.CRM.systemuser",
                },
                "AccessMask": mask,
            },
        }
        return self.web.call("POST", "GrantAccess", body, **headers)


def make_user(web: Web, unit: str, role: str | None = None) -> str:
    name = web.name("person").replace(" ", "")
    user = web.make(
        "systemusers",
        firstname="A",
        lastname=name,
        domainname=f"{name}@example.org",
        **{"businessunitid@odata.bind": f"businessunits({unit})"},
    )
    known = Record(table="systemuser", values={"azureactivedirectoryobjectid": str(uuid4())})
    assert web.organisation is not None
    web.organisation.engine.run([Update(ref=Ref("systemuser", user), record=known)], SYSTEM)
    if role is not None:
        give_role(web, user, role)
    return user


def give_role(web: Web, user: str, role: str) -> None:
    """Tie the copy of a root unit's role that is in the user's unit."""
    unit = web.get(f"systemusers({user})?$select=_businessunitid_value").json["_businessunitid_value"]
    tie = {"@odata.id": f"{ROOT}roles({copy_of(web, role, unit)})"}
    assert web.call("POST", f"systemusers({user})/systemuserroles_association/$ref", tie).status == 204


def sign_in_as(world: World) -> str:
    """The Authorization header of the tested user, who signs in with a password."""
    web = world.web
    name = web.get(f"systemusers({world.user})?$select=domainname").json["domainname"]
    assert web.organisation is not None
    web.organisation.directory.set_password(world.user, hash_secret("a password"))
    answer = web.client.post(
        f"/{TENANT_ID}/oauth2/v2.0/token",
        data={
            "grant_type": "password",
            "client_id": PUBLIC_CLIENT_ID,
            "username": name,
            "password": "a password",
            "scope": f"{ORIGIN}/.default",
        },
    )
    return f"Bearer {answer.json()['access_token']}"


def copy_of(web: Web, role: str, unit: str) -> str:
    """The role itself in its own unit, what is made of it in another."""
    own = f"(_parentrootroleid_value eq {role} or roleid eq {role})"
    (found,) = web.get(f"roles?$filter=_businessunitid_value eq {unit} and {own}&$select=roleid").rows
    return str(found["roleid"])


@pytest.fixture(scope="module")
def world(web: Web) -> World:
    root = web.get("WhoAmI").json["BusinessUnitId"]
    units = {"above": root}
    for name, parent in (("unit", "above"), ("below", "unit"), ("beside", "above")):
        bound = {"parentbusinessunitid@odata.bind": f"businessunits({units[parent]})"}
        units[name] = web.make("businessunits", name=web.name(name), **bound)
    found = web.get("privileges?$select=name,privilegeid").rows
    privileges = {row["name"]: row["privilegeid"] for row in found}
    bound = {"businessunitid@odata.bind": f"businessunits({root})"}
    tested, others, teams = (web.make("roles", name=web.name("role"), **bound) for _ in range(3))
    users: dict[str, str] = {"mine": make_user(web, units["unit"], tested)}
    for whose in ("unit", "below", "beside", "above"):
        users[whose] = make_user(web, units[whose], others)
    team = web.make(
        "teams",
        name=web.name("team"),
        teamtype=0,
        **{
            "businessunitid@odata.bind": f"businessunits({units['unit']})",
            "administratorid@odata.bind": f"systemusers({users['mine']})",
        },
    )
    tie = {"@odata.id": f"{ROOT}roles({copy_of(web, teams, units['unit'])})"}
    assert web.call("POST", f"teams({team})/teamroles_association/$ref", tie).status == 204
    members = {
        "Members": [{"systemuserid": users["mine"], "@odata.type": "Microsoft.Dynamics.CRM.systemuser"}]
    }
    assert web.call("POST", f"teams({team})/Microsoft.Dynamics.CRM.AddMembersTeam", members).status == 204
    world = World(
        web=web, units=units, users=users, team=team, role=tested, team_role=teams, others=others,
        privileges=privileges,
    )  # fmt: skip
    world.may(others, ReadAccount="Basic", ReadContact="Basic", ReadActivity="Basic")
    return world


def rows_of_all(world: World, right: str) -> dict[str, str]:
    """Rows of each kind, the shared one shared with ``right`` and reading. No role is left with anything."""
    world.may(world.team_role, ReadAccount="Basic")
    world.may(**{f"{name}Account": "Basic" for name in RIGHTS})
    made = world.accounts()
    mask = "ReadAccess" if right in ("Create", "Read") else f"ReadAccess, {right}Access"
    assert world.share(made["shared"], mask).status == 204
    world.may(world.team_role)
    world.may()
    return made


@pytest.mark.parametrize("depth", [None, "Basic", "Local", "Deep", "Global"])
def test_what_is_read_is_what_the_depth_reaches(world: World, depth: str | None) -> None:
    rows = rows_of_all(world, "Read")
    contacts = {
        whose: world.web.make(
            "contacts", lastname=whose, **{"parentcustomerid_account@odata.bind": f"accounts({id})"}
        )
        for whose, id in rows.items()
    }
    world.may(ReadAccount=depth, ReadContact="Global")
    reached = REACH[depth]
    listed = " or ".join(f"accountid eq {id}" for id in rows.values())
    wanted = {rows[whose] for whose in reached}
    for whose, id in rows.items():
        one = world.ask("GET", f"accounts({id})?$select=name")
        if whose in reached:
            assert one.json["name"] == whose
        else:
            assert one.fault == DENIED
            assert whose not in one.text
    many = world.ask("GET", f"accounts?$filter={listed}&$select=name")
    if depth is None:
        assert many.fault == DENIED
        through = world.ask("GET", "contacts?$select=lastname&$expand=parentcustomerid_account($select=name)")
        assert through.fault == DENIED
        return
    assert {row["accountid"] for row in many.rows} == wanted
    assert [row["name"] for row in many.rows] == [
        row["name"] for row in many.rows if row["accountid"] in wanted
    ]
    counted = world.ask("GET", f"accounts?$filter={listed}&$count=true&$top=1").json
    assert counted["@odata.count"] == len(wanted)
    summed = world.ask("GET", f"accounts?$apply=filter({listed})/aggregate($count as n)").rows
    assert summed[0]["n"] == len(wanted)
    fetch = (
        "<fetch aggregate='true'><entity name='account'><attribute name='accountid' alias='n' aggregate='count'/>"
        "<filter type='or'>"
        + "".join(f"<condition attribute='accountid' operator='eq' value='{id}'/>" for id in rows.values())
        + "</filter></entity></fetch>"
    )
    assert world.ask("GET", f"accounts?fetchXml={fetch}").rows[0]["n"] == len(wanted)
    counted = (
        "<fetch><entity name='account'><attribute name='accountid' alias='below' rowaggregate='CountChildren'/>"
        f"<filter><condition attribute='accountid' operator='eq' value='{rows['mine']}'/></filter></entity></fetch>"
    )
    parent = {"parentaccountid@odata.bind": f"accounts({rows['mine']})"}
    for whose, id in rows.items():
        if whose != "mine":
            assert world.web.call("PATCH", f"accounts({id})", parent).status == 204
    assert world.ask("GET", f"accounts?fetchXml={counted}").rows[0]["below"] == len(wanted) - 1
    # What hangs on a row that is not seen does not show it: expand, filter and order through the lookup.
    people = " or ".join(f"contactid eq {id}" for id in contacts.values())
    expanded = world.ask(
        "GET", f"contacts?$filter={people}&$select=lastname&$expand=parentcustomerid_account($select=name)"
    ).rows
    assert {row["lastname"] for row in expanded if row["parentcustomerid_account"]} == reached
    through = world.ask(
        "GET", f"contacts?$filter=({people}) and parentcustomerid_account/name ne null&$select=lastname"
    ).rows
    assert {row["lastname"] for row in through} == reached
    ordered = world.ask(
        "GET", f"contacts?$filter={people}&$select=lastname&$orderby=parentcustomerid_account/name desc"
    ).rows
    assert {row["lastname"] for row in ordered[: len(reached)]} == reached
    inner = (
        "<fetch><entity name='contact'><attribute name='lastname'/><filter type='or'>"
        + "".join(
            f"<condition attribute='contactid' operator='eq' value='{id}'/>" for id in contacts.values()
        )
        + "</filter><link-entity name='account' from='accountid' to='parentcustomerid' alias='a'>"
        "<attribute name='name'/></link-entity></entity></fetch>"
    )
    assert {row["a.name"] for row in world.ask("GET", f"contacts?fetchXml={inner}").rows} == reached
    sql = "SELECT a.name FROM contact c JOIN account a ON c.parentcustomerid = a.accountid WHERE a.name IN ("
    sql += ", ".join(f"'{whose}'" for whose in WHOSE) + ")"
    seen = world.ask("GET", f"contacts?sql={sql}").rows
    assert {row["name"] for row in seen if "name" in row} <= reached | {None}


@pytest.mark.parametrize("depth", [None, "Basic", "Local", "Deep", "Global"])
@pytest.mark.parametrize("right", ["Write", "Delete", "Append", "AppendTo", "Assign", "Share"])
def test_what_is_done_is_what_the_depth_reaches(world: World, right: str, depth: str | None) -> None:
    rows = rows_of_all(world, right)
    # Every other right is there, so that only this one decides.
    others = {f"{name}Account": "Global" for name in RIGHTS if name != right}
    world.may(**others, **{f"{right}Account": depth}, AppendContact="Global", AppendToContact="Global",
              ReadContact="Global", CreateContact="Global", WriteContact="Global")  # fmt: skip
    other = world.web.make("contacts", lastname="other")
    reached = REACH[depth]
    for whose, id in rows.items():
        match right:
            case "Write":
                answer = world.ask("PATCH", f"accounts({id})", {"telephone1": "1"}, If_Match="*")
            case "Delete":
                answer = world.ask("DELETE", f"accounts({id})")
            case "Append":
                bound = {"primarycontactid@odata.bind": f"contacts({other})"}
                answer = world.ask("PATCH", f"accounts({id})", bound, If_Match="*")
            case "AppendTo":
                bound = {"lastname": "new", "parentcustomerid_account@odata.bind": f"accounts({id})"}
                answer = world.ask("POST", "contacts", bound)
            case "Assign":
                bound = {
                    "ownerid@odata.bind": f"systemusers({world.users['below' if whose == 'above' else 'above']})"
                }
                answer = world.ask("PATCH", f"accounts({id})", bound, If_Match="*")
            case _:
                answer = world.share(id, "ReadAccess", to=world.users["below"], MSCRMCallerID=world.user)
        if whose == "below" and right == "Share":
            # Not with its owner.
            assert answer.fault in (DENIED, (400, "0x80040214"))
        elif whose in reached:
            assert answer.status == 204, (whose, answer.text)
        else:
            assert answer.fault == DENIED, (whose, answer.status)
            stored = world.web.get(f"accounts({id})?$select=telephone1,_primarycontactid_value").json
            assert stored["telephone1"] is None
            assert stored["_primarycontactid_value"] is None


@pytest.mark.parametrize("depth", [None, "Basic", "Local", "Deep", "Global"])
def test_a_row_is_made_for_whom_the_depth_reaches(world: World, depth: str | None) -> None:
    world.may(world.team_role, ReadAccount="Basic")
    world.may(CreateAccount=depth, ReadAccount="Basic")
    for whose in WHOSE[:-1]:
        bound = f"teams({world.team})" if whose == "team" else f"systemusers({world.users[whose]})"
        answer = world.ask("POST", "accounts", {"name": "new", "ownerid@odata.bind": bound})
        if whose in REACH[depth]:
            assert answer.status == 204, (whose, answer.text)
        else:
            assert answer.fault == DENIED, whose
    # Without an owner it is one's own.
    answer = world.ask("POST", "accounts", {"name": "new"})
    assert answer.status == 204 if depth else answer.fault == DENIED


@pytest.mark.parametrize("depth", ["Basic", "Local", "Deep", "Global"])
def test_what_is_followed_is_what_the_depth_reaches(world: World, depth: str) -> None:
    world.may(ReadAccount=depth)
    link = world.ask("GET", "accounts?$select=name", Prefer="odata.track-changes").json["@odata.deltaLink"]
    rows = rows_of_all(world, "Read")
    world.may(ReadAccount=depth)
    first = world.ask("GET", link).json
    assert {row["name"] for row in first["value"]} == REACH[depth]
    for id in rows.values():
        assert world.web.call("DELETE", f"accounts({id})").status == 204
    gone = {row["id"] for row in world.ask("GET", first["@odata.deltaLink"]).json["value"]}
    # A share goes with its row: who had no more than that is not told of the end.
    assert gone == {rows[whose] for whose in REACH[depth] - ({"shared"} if depth != "Global" else set())}
    world.may()
    assert world.ask("GET", link).fault == DENIED


def test_a_share_is_given_changed_seen_and_taken(world: World) -> None:
    web, user = world.web, world.user
    world.may(**{f"{name}{of}": "Basic" for name in RIGHTS for of in ("Account", "Contact", "Note")})
    stranger = world.users["beside"]
    account = web.make("accounts", name="shared", **{"ownerid@odata.bind": f"systemusers({stranger})"})
    parent = {"parentcustomerid_account@odata.bind": f"accounts({account})"}
    note = web.make("annotations", subject="on it", **{"objectid_account@odata.bind": f"accounts({account})"})
    web.make("contacts", lastname="of it", **parent)
    about = f"RetrievePrincipalAccess(Target=@t)?@t={{'@odata.id':'accounts({account})'}}"
    mine = f"systemusers({user})/Microsoft.Dynamics.CRM.{about}"

    def rights() -> set[str]:
        return set(web.get(mine).json["AccessRights"].split(", "))

    assert rights() == {"None"}
    assert world.ask("GET", f"accounts({account})").fault == DENIED
    # Only those who may share it give it away, nobody gets what they could never use, and an owner needs nothing.
    assert world.share(account, "ReadAccess", MSCRMCallerID=user).fault == DENIED
    assert world.share(account, "ReadAccess", to=world.users["beside"]).fault == (400, "0x80040214")
    assert world.share(account, "Everything").fault[0] == 400
    world.may(ReadAccount="Basic")
    assert world.share(account, "ReadAccess, WriteAccess").fault == DENIED
    world.may(**{f"{name}{of}": "Basic" for name in RIGHTS for of in ("Account", "Contact", "Note")})

    assert world.share(account, "ReadAccess").status == 204
    assert world.share(account, "WriteAccess").status == 204
    assert rights() == {"ReadAccess", "WriteAccess"}
    assert world.ask("PATCH", f"accounts({account})", {"telephone1": "2"}).status == 204
    assert world.ask("DELETE", f"accounts({account})").fault == DENIED
    # What the relationship shares along is seen, too.
    assert world.ask("GET", f"annotations({note})?$select=subject").json["subject"] == "on it"
    shared = web.get(
        f"RetrieveSharedPrincipalsAndAccess(Target=@t)?@t={{'@odata.id':'accounts({account})'}}"
    ).json
    (one,) = shared["PrincipalAccesses"]
    assert one["AccessMask"] == "ReadAccess, WriteAccess"
    assert one["Principal"] == {"@odata.type": "#Microsoft.Dynamics.CRM.systemuser", "systemuserid": user}

    changed = {
        "Target": {"accountid": account, "@odata.type": "Microsoft.Dynamics.CRM.account"},
        "PrincipalAccess": {
            "Principal": {"systemuserid": user, "@odata.type": "Microsoft.Dynamics.CRM.systemuser"},
            "AccessMask": "ReadAccess",
        },
    }
    assert web.call("POST", "ModifyAccess", changed).status == 204
    assert rights() == {"ReadAccess"}
    assert world.ask("PATCH", f"accounts({account})", {"telephone1": "3"}).fault == DENIED
    taken = {"Target": changed["Target"], "Revokee": changed["PrincipalAccess"]["Principal"]}
    assert web.call("POST", "RevokeAccess", taken).status == 204
    assert rights() == {"None"}
    assert world.ask("GET", f"accounts({account})").fault == DENIED
    assert world.ask("GET", f"annotations({note})").fault == DENIED
    # A team's share is its members'.
    team = {"teamid": world.team, "@odata.type": "Microsoft.Dynamics.CRM.team"}
    given = {"Target": changed["Target"], "PrincipalAccess": {"Principal": team, "AccessMask": "ReadAccess"}}
    assert web.call("POST", "GrantAccess", given).status == 204
    assert world.ask("GET", f"accounts({account})").status == 200
    assert rights() == {"ReadAccess"}
    # Shares go with the row.
    assert web.call("DELETE", f"accounts({account})").status == 204
    assert web.get(f"principalobjectaccessset?$filter=objectid eq {account}").rows == []


def test_parts_ties_and_names_follow_their_rows(world: World) -> None:
    web = world.web
    rows = rows_of_all(world, "Read")
    made: dict[str, dict[str, str]] = {}
    for whose in ("mine", "beside"):
        made[whose] = {
            "address": web.make(
                "customeraddresses", name=whose, **{"parentid_account@odata.bind": f"accounts({rows[whose]})"}
            ),
            "contact": web.make(
                "contacts",
                lastname=whose,
                **{"parentcustomerid_account@odata.bind": f"accounts({rows[whose]})"},
            ),
        }
    world.may(ReadAccount="Basic", WriteAccount="Basic", DeleteAccount="Basic", ReadContact="Global")
    # Parts.
    addresses = " or ".join(f"customeraddressid eq {each['address']}" for each in made.values())
    assert [row["name"] for row in world.ask("GET", f"customeraddresses?$filter={addresses}").rows] == [
        "mine"
    ]
    assert world.ask("GET", f"customeraddresses({made['beside']['address']})").fault == DENIED
    change = {"name": "changed"}
    assert world.ask("PATCH", f"customeraddresses({made['mine']['address']})", change).status == 204
    assert world.ask("PATCH", f"customeraddresses({made['beside']['address']})", change).fault == DENIED
    # Names.
    label = "_parentcustomerid_value@OData.Community.Display.V1.FormattedValue"
    named = world.ask(
        "GET",
        f"contacts({made['beside']['contact']})?$select=_parentcustomerid_value",
        Prefer='odata.include-annotations="*"',
    )
    assert named.json[label] == "beside"
    # Ties: they are seen with both ends, and made with rights on both.
    lists = web.make("lists", listname="Everybody", createdfromcode=1)
    for whose in ("mine", "beside"):
        tie = {"@odata.id": f"{ROOT}accounts({rows[whose]})"}
        assert web.call("POST", f"lists({lists})/listaccount_association/$ref", tie).status == 204
    world.may(ReadAccount="Basic", ReadList="Global")
    seen = world.ask("GET", f"lists({lists})/listaccount_association?$select=name").rows
    assert [row["name"] for row in seen] == ["mine"]
    members = world.ask("GET", f"listmembers?$filter=_listid_value eq {lists}")
    assert len(members.rows) == 1
    world.may(ReadAccount="Basic")
    assert world.ask("GET", "listmembers").rows == []
    tie = {"@odata.id": f"{ROOT}accounts({rows['mine']})"}
    assert world.ask("POST", f"lists({lists})/listaccount_association/$ref", tie).fault == DENIED


def test_units_bring_copies_of_roles_and_a_default_team(world: World) -> None:
    web = world.web
    name = web.name("young")
    unit = web.make("businessunits", name=name, **{
        "parentbusinessunitid@odata.bind": f"businessunits({world.units['below']})"
    })  # fmt: skip
    (team,) = web.get(f"teams?$filter=_businessunitid_value eq {unit}&$select=name,isdefault").rows
    assert (team["name"], team["isdefault"]) == (name, True)
    copies = web.get(
        f"roles?$filter=_businessunitid_value eq {unit}&$select=name,_parentrootroleid_value"
    ).rows
    roots = web.get(f"roles?$filter=_businessunitid_value eq {world.units['above']}&$select=name").rows
    assert {row["_parentrootroleid_value"] for row in copies} >= {row["roleid"] for row in roots}
    # A role that is made later is there as well, and goes with its copies.
    bound = {"businessunitid@odata.bind": f"businessunits({world.units['unit']})"}
    role = web.make("roles", name=web.name("late"), **bound)
    found = web.get(f"roles?$filter=_parentrootroleid_value eq {role}&$select=_businessunitid_value").rows
    assert {row["_businessunitid_value"] for row in found} == {world.units["below"], unit}
    assert web.call("DELETE", f"roles({found[0]['roleid']})").status == 400
    assert web.call("DELETE", f"roles({role})").status == 204
    assert web.get(f"roles?$filter=_parentrootroleid_value eq {role}").rows == []
    # Roles of other units are not given.
    tie = {"@odata.id": f"{ROOT}roles({copy_of(web, world.role, world.units['unit'])})"}
    stranger = world.users["beside"]
    answer = web.call("POST", f"systemusers({stranger})/systemuserroles_association/$ref", tie)
    assert answer.fault == (400, "0x80041409")
    # A user is named by the id as an owner as well.
    plain = web.make("teams", name=web.name("plain"), teamtype=0, **{
        "businessunitid@odata.bind": f"businessunits({unit})",
        "administratorid@odata.bind": f"systemusers({stranger})",
    })  # fmt: skip
    owner = {"Members": [{"ownerid": stranger, "@odata.type": "Microsoft.Dynamics.CRM.systemuser"}]}
    path = f"teams({plain})/Microsoft.Dynamics.CRM.AddMembersTeam"
    assert web.call("POST", path, owner).status == 204
    (member,) = web.get(f"teams({plain})/teammembership_association?$select=systemuserid").rows
    assert member["systemuserid"] == stranger
    # Who is in a default team follows from the unit.
    person = make_user(web, unit)
    member = web.get(f"teams({team['teamid']})/teammembership_association?$select=systemuserid").rows
    assert [row["systemuserid"] for row in member] == [person]
    members = {"Members": [{"systemuserid": stranger, "@odata.type": "Microsoft.Dynamics.CRM.systemuser"}]}
    path = f"teams({team['teamid']})/Microsoft.Dynamics.CRM.AddMembersTeam"
    assert web.call("POST", path, members).status == 400


def test_a_user_who_moves_leaves_roles_and_takes_rows(world: World) -> None:
    web = world.web
    person = make_user(web, world.units["unit"], world.role)
    world.may(ReadAccount="Basic")
    account = web.make("accounts", name="follows", **{"ownerid@odata.bind": f"systemusers({person})"})
    bound = {"businessunitid@odata.bind": f"businessunits({world.units['beside']})"}
    assert web.call("PATCH", f"systemusers({person})", bound).status == 204
    assert web.get(f"systemusers({person})/systemuserroles_association").rows == []
    owned = web.get(f"accounts({account})?$select=_owningbusinessunit_value").json
    assert owned["_owningbusinessunit_value"] == world.units["beside"]
    teams = web.get(f"systemusers({person})/teammembership_association?$select=_businessunitid_value").rows
    assert [row["_businessunitid_value"] for row in teams] == [world.units["beside"]]


def test_acting_for_another_needs_the_privilege_and_what_both_may_do(world: World) -> None:
    web, other = world.web, world.users["unit"]
    me = web.get("WhoAmI").json["UserId"]
    assert world.ask("GET", "WhoAmI").json["UserId"] == world.user
    assert web.get("WhoAmI", MSCRMCallerID="no id").fault[0] == 400
    assert web.get("WhoAmI", MSCRMCallerID="00000000-0000-4000-8000-00000000ffff").fault[0] == 403
    world.may(ReadAccount="Basic", CreateAccount="Basic", WriteAccount="Basic", AppendAccount="Basic",
              AppendToTransactionCurrency="Global")  # fmt: skip
    made = world.ask("POST", "accounts", {"name": "for another"}).id
    row = web.get(f"accounts({made})?$select=_createdby_value,_createdonbehalfby_value,_ownerid_value").json
    assert (row["_createdby_value"], row["_createdonbehalfby_value"]) == (world.user, me)
    assert row["_ownerid_value"] == world.user
    # By the id in the directory, and for a whole batch.
    directory = web.get(f"systemusers({world.user})?$select=azureactivedirectoryobjectid").json
    directory = directory["azureactivedirectoryobjectid"]
    assert web.get("WhoAmI", CallerObjectId=directory).json["UserId"] == world.user
    body = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        "GET WhoAmI HTTP/1.1\r\n{}\r\n\r\n--b--\r\n"
    )
    kind = {"content_type": "multipart/mixed; boundary=b"}
    batch = web.call("POST", "$batch", body.format("").encode(), CallerObjectId=directory, **kind)
    assert f'"UserId":"{world.user}"' in batch.text
    part = web.call("POST", "$batch", body.format(f"MSCRMCallerID: {other}\r\n").encode(), **kind)
    assert part.status == 400
    # Somebody without the privilege acts for nobody; with it, only as far as both may.
    signed_in = sign_in_as(world)
    assert web.get("WhoAmI", authorization=signed_in, MSCRMCallerID=other).fault == (403, "0x8004a110")
    world.may(ReadAccount="Basic", ActOnBehalfOfAnotherUser="Global")
    assert web.get("WhoAmI", authorization=signed_in, MSCRMCallerID=other).json["UserId"] == other
    assert web.get("contacts", authorization=signed_in, MSCRMCallerID=other).fault == DENIED
    assert web.get("contacts", MSCRMCallerID=other).status == 200
    mine = web.get("accounts?$select=_ownerid_value", authorization=signed_in, MSCRMCallerID=other).rows
    assert {row["_ownerid_value"] for row in mine} <= {other}
    # A disabled user acts no more, and nobody acts as one.
    assert web.call("PATCH", f"systemusers({world.user})", {"isdisabled": True}).status == 204
    assert web.get("WhoAmI", authorization=signed_in).fault == (403, "0x80040225")
    assert web.get("WhoAmI", authorization=signed_in, MSCRMCallerID=other).fault == (403, "0x80040225")
    for path in ("accounts", "EntityDefinitions", "$metadata", ""):
        assert world.ask("GET", path).fault == (403, "0x80040225")
    assert web.call("PATCH", f"systemusers({world.user})", {"isdisabled": False}).status == 204


def test_nobody_hands_on_more_than_they_have(world: World) -> None:
    web, other = world.web, world.users["unit"]
    bound = {"businessunitid@odata.bind": f"businessunits({world.units['unit']})"}
    strong, weak = (web.make("roles", name=web.name("role"), **bound) for _ in range(2))
    world.may(strong, DeleteAccount="Deep")
    world.may(weak, ReadAccount="Basic")
    world.may(ReadRole="Global", WriteRole="Global", AppendRole="Global", AppendToRole="Global", AssignRole="Global",
              AppendUser="Global", AppendToUser="Global", ReadUser="Global", ReadAccount="Local")  # fmt: skip
    path = f"systemusers({other})/systemuserroles_association/$ref"
    assert world.ask("POST", path, {"@odata.id": f"{ROOT}roles({strong})"}).fault == DENIED
    assert world.ask("POST", path, {"@odata.id": f"{ROOT}roles({weak})"}).status == 204
    (administrators,) = web.get(
        f"roles?$filter=name eq 'System Administrator' and _businessunitid_value eq {world.units['unit']}"
    ).rows
    tie = {"@odata.id": f"{ROOT}roles({administrators['roleid']})"}
    assert world.ask("POST", path, tie).fault == DENIED
    for name, depth, status in (
        ("ReadAccount", "Basic", 204),
        ("ReadAccount", "Global", 403),
        ("WriteLead", "Basic", 403),
    ):
        given = {"Privileges": [{"PrivilegeId": world.privileges[f"prv{name}"], "Depth": depth}]}
        answer = world.ask("POST", f"roles({weak})/Microsoft.Dynamics.CRM.AddPrivilegesRole", given)
        assert answer.status == status, (name, depth, answer.text)
    held = web.get(f"RetrieveRolePrivilegesRole(RoleId={weak})").json["RolePrivileges"]
    assert [(row["PrivilegeName"], row["Depth"]) for row in held] == [("prvReadAccount", "Basic")]
    # A depth that a privilege cannot be held at.
    given = {"Privileges": [{"PrivilegeId": world.privileges["prvReadProduct"], "Depth": "Basic"}]}
    answer = web.call("POST", f"roles({weak})/Microsoft.Dynamics.CRM.AddPrivilegesRole", given)
    assert answer.fault == (400, "0x8004140b")
    gone = {"PrivilegeId": world.privileges["prvReadAccount"]}
    assert web.call("POST", f"roles({weak})/Microsoft.Dynamics.CRM.RemovePrivilegeRole", gone).status == 204
    assert web.get(f"RetrieveRolePrivilegesRole(RoleId={weak})").json["RolePrivileges"] == []
    mine = web.get(f"systemusers({world.user})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges").json[
        "RolePrivileges"
    ]
    assert {"prvAssignRole", "prvReadUser"} <= {row["PrivilegeName"] for row in mine}
    me = web.get("WhoAmI").json["UserId"]
    all_ = web.get(f"systemusers({me})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges").json["RolePrivileges"]
    assert len(all_) == len(world.privileges)


def test_the_shipped_roles_let_people_work(world: World) -> None:
    web, unit = world.web, world.units["unit"]

    def role(name: str) -> str:
        (row,) = web.get(
            f"roles?$filter=name eq '{name}' and parentroleid/roleid eq null&$select=roleid"
        ).rows
        return str(row["roleid"])

    seller, other = (make_user(web, unit, role("Salesperson")) for _ in range(2))
    as_seller: dict[str, str] = {"MSCRMCallerID": seller}
    lead = web.call("POST", "leads", {"subject": "new", "lastname": "One"}, **as_seller)
    assert lead.status == 204, lead.text
    deep = {
        "name": "Heron Foods",
        "contact_customer_accounts": [{"lastname": "Child"}],
        "Account_Tasks": [{"subject": "Call"}],
    }
    account = web.call("POST", "accounts", deep, **as_seller)
    assert account.status == 204, account.text
    bound = {"name": "Deal", "estimatedvalue": 5, "parentaccountid@odata.bind": f"accounts({account.id})"}
    assert web.call("POST", "opportunities", bound, **as_seller).status == 204
    meeting = {
        "subject": "Meet",
        "regardingobjectid_account_appointment@odata.bind": f"accounts({account.id})",
        "appointment_activity_parties": [
            {"partyid_systemuser@odata.bind": f"systemusers({seller})", "participationtypemask": 5}
        ],
    }
    assert web.call("POST", "appointments", meeting, **as_seller).status == 204
    # Read in the unit, change only one's own, and see nothing of the rest of the house.
    assert web.get(f"accounts({account.id})", MSCRMCallerID=other).status == 200
    assert (
        web.call("PATCH", f"accounts({account.id})", {"name": "Yours"}, MSCRMCallerID=other).fault == DENIED
    )
    assert web.get("systemusers?$select=fullname", **as_seller).status == 200
    assert web.call("POST", "roles", {"name": "x"}, **as_seller).status == 403
    table = {"@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": "new_Nothing"}
    assert web.call("POST", "EntityDefinitions", table, **as_seller).status in (400, 403)
    assert web.get("EntityDefinitions(LogicalName='account')?$select=LogicalName", **as_seller).status == 200
    basic = make_user(web, unit, role("Basic User"))
    assert web.get("leads", MSCRMCallerID=basic).fault == DENIED
    assert web.call("POST", "contacts", {"lastname": "Own"}, MSCRMCallerID=basic).status == 204
    nobody = make_user(web, unit)
    assert web.get("WhoAmI", MSCRMCallerID=nobody).status == 200
    assert web.get("accounts", MSCRMCallerID=nobody).fault == DENIED
    assert web.get("accounts?$apply=aggregate($count as n)", MSCRMCallerID=nobody).fault == DENIED


def test_a_new_table_brings_its_privileges_and_takes_them_along(world: World) -> None:
    web = world.web
    label = {
        "@odata.type": "Microsoft.Dynamics.CRM.Label",
        "LocalizedLabels": [{"Label": "Gem", "LanguageCode": 1033}],
    }
    table = {
        "@odata.type": "Microsoft.Dynamics.CRM.EntityMetadata", "SchemaName": "sec_Gem", "DisplayName": label,
        "DisplayCollectionName": label, "OwnershipType": "UserOwned", "HasActivities": False, "HasNotes": False,
        "Attributes": [{
            "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "sec_Name",
            "IsPrimaryName": True, "MaxLength": 100, "DisplayName": label,
        }],
    }  # fmt: skip
    made = web.call("POST", "EntityDefinitions", table)
    assert made.status == 204, made.text
    rows = web.get("privileges?$filter=contains(name,'sec_Gem')&$select=name,canbebasic").rows
    assert {row["name"] for row in rows} == {f"prv{right}sec_Gem" for right in RIGHTS}
    shown = web.get("EntityDefinitions(LogicalName='sec_gem')?$select=Privileges").json["Privileges"]
    assert {each["PrivilegeId"] for each in shown} == {row["privilegeid"] for row in rows}
    assert world.ask("GET", "sec_gems").fault == DENIED
    known = {row["name"]: row["privilegeid"] for row in rows}
    world.privileges.update(known)
    world.may(ReadAccount="Basic", Readsec_Gem="Basic", Createsec_Gem="Basic")
    assert world.ask("POST", "sec_gems", {"sec_name": "Ruby"}).status == 204
    web.make("sec_gems", sec_name="Not yours")
    assert [row["sec_name"] for row in world.ask("GET", "sec_gems").rows] == ["Ruby"]
    world.may()
    assert web.call("DELETE", "EntityDefinitions(LogicalName='sec_gem')").status == 204
    assert web.get("privileges?$filter=contains(name,'sec_Gem')").rows == []
    for name in known:
        del world.privileges[name]
