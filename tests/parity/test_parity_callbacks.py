"""Callback registrations: workflow services are told of the rows that they ask for, on both databases.

https://learn.microsoft.com/power-automate/dataverse/create-update-delete-trigger
https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/callbackregistration
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from orgstead import extensions as org
from orgstead.identity import hash_secret
from orgstead.identity.development import PUBLIC_CLIENT_ID, TENANT_ID
from tests.parity.conftest import ORIGIN, Clock, Web, opened
from tests.parity.soap import Row, Soap
from tests.parity.test_parity_secured_columns import secure
from tests.parity.test_parity_security import give_role, make_user
from tests.parity.test_parity_webhooks import body_of_step
from tests.receiver import Post, Receiver, receiving

ADDED, DELETED, MODIFIED, ADDED_OR_MODIFIED, ALL = 1, 2, 3, 4, 7
USER, UNIT, UNITS_BELOW, ORGANIZATION = 1, 2, 3, 4
MODIFYING_USER, ROW_OWNER, FLOW_OWNER = 1, 2, 3
OURS = ("ItemInternalId", "SdkMessage", "RunAsSystemUserId", "RowVersion")
TABLE_NOT_FOUND = "0x80041102"
SECRET = "sig=very-secret"


clock = Clock()


@pytest.fixture(scope="module")
def web(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Web]:
    with opened(request.param, tmp_path_factory, new_postgres_database, clock=clock) as client:
        yield client


@pytest.fixture
def receiver(web: Web) -> Iterator[Receiver]:
    # Tests move the clock further than a token lasts.
    web.sign_in()
    with receiving() as found:
        yield found
    for row in web.get("callbackregistrations?$select=callbackregistrationid").rows:
        path = f"callbackregistrations({row['callbackregistrationid']})"
        assert web.call("DELETE", path).status == 204


def body_of(receiver: Receiver, **values: Any) -> dict[str, Any]:
    """What a workflow service registers with."""
    return {
        "entityname": "account",
        "message": ADDED,
        "scope": ORGANIZATION,
        "version": 1,
        "url": f"{receiver.url}/workflows/1/triggers/manual/paths/invoke?{SECRET}",
        **values,
    }


def register(web: Web, receiver: Receiver, headers: dict[str, str] | None = None, **values: Any) -> str:
    return web.call("POST", "callbackregistrations", body_of(receiver, **values), **(headers or {})).id


def as_user(id: str) -> dict[str, str]:
    return {"MSCRMCallerID": id}


def seller(web: Web, unit: str | None = None) -> str:
    return make_user(web, unit or root_of(web), role_of(web, "Salesperson"))


def root_of(web: Web) -> str:
    (row,) = web.get("businessunits?$filter=_parentbusinessunitid_value eq null").rows
    return str(row["businessunitid"])


def role_of(web: Web, name: str) -> str:
    """The role of this name in the root unit."""
    (row,) = web.get(f"roles?$filter=name eq '{name}' and _businessunitid_value eq {root_of(web)}").rows
    return str(row["roleid"])


def unit_below(web: Web, unit: str) -> str:
    parent = {"parentbusinessunitid@odata.bind": f"businessunits({unit})"}
    return web.make("businessunits", name=web.name("Unit"), **parent)


def me(web: Web) -> str:
    return str(web.get("WhoAmI").json["UserId"])


def sign_in_as(web: Web, user: str) -> str:
    """The Authorization header of a user who signs in with a password."""
    assert web.organisation is not None
    web.organisation.directory.set_password(user, hash_secret("a password"))
    name = web.get(f"systemusers({user})?$select=domainname").json["domainname"]
    form = {
        "grant_type": "password", "client_id": PUBLIC_CLIENT_ID, "username": name, "password": "a password",
        "scope": f"{ORIGIN}/.default",
    }  # fmt: skip
    answer = web.client.post(f"/{TENANT_ID}/oauth2/v2.0/token", data=form)
    return f"Bearer {answer.json()['access_token']}"


def told(post: Post) -> tuple[str, str]:
    return post.json["SdkMessage"], post.json["ItemInternalId"]


def told_of(receiver: Receiver, *ids: str) -> list[tuple[str, str]]:
    """What has been told once the last of the rows has been told of."""
    posts = receiver.wait_until(lambda posts: any(post.json["ItemInternalId"] == ids[-1] for post in posts))
    return [told(post) for post in posts]


def job_of(web: Web, id: str) -> dict[str, Any]:
    (row,) = web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
    return row


def jobs_of(web: Web, name: str) -> list[str]:
    """The messages that a registration is told of: its system jobs are there as soon as the change is."""
    query = f"$filter=operationtype eq 79 and name eq '{name}'&$orderby=createdon,asyncoperationid"
    return [row["messagename"] for row in web.get(f"asyncoperations?{query}").rows]


def deliveries(web: Web, id: str) -> list[dict[str, Any]]:
    return web.get(f"orgstead_deliveries?$filter=primaryentityid eq {id}&$orderby=attempt,senton").rows


def registrations(web: Web) -> list[dict[str, Any]]:
    return web.get("callbackregistrations").rows


# -- what is told ------------------------------------------------------------------------------------------------
def test_a_new_row_is_told_as_the_web_api_writes_it(web: Web, receiver: Receiver) -> None:
    register(web, receiver)
    contact = web.make("contacts", lastname="First")
    id = web.make(
        "accounts",
        name="Told",
        revenue=12.5,
        donotfax=True,
        industrycode=1,
        **{"primarycontactid@odata.bind": f"contacts({contact})"},
    )
    (post,) = receiver.wait(1)
    body = post.json
    assert post.path.endswith(f"?{SECRET}")
    assert post.headers["content-type"] == "application/json; charset=utf-8"
    assert tuple(body)[-4:] == OURS
    assert (body["ItemInternalId"], body["SdkMessage"]) == (id, "Create")
    row = web.get(f"accounts({id})").json
    # Every column that has a value, as a reader of the row sees it.
    shown = {name: value for name, value in row.items() if value is not None and not name.startswith("@")}
    assert {name: body[name] for name in shown} == shown
    assert body["revenue"] == 12.5
    assert body["RowVersion"] == str(row["versionnumber"])
    # Labels beside choices, tables beside lookups.
    assert (body["industrycode"], body["_industrycode_label"]) == (1, "Accounting")
    assert (body["statecode"], body["_statecode_label"]) == (0, "Active")
    assert body["_primarycontactid_value"] == contact
    assert body["_primarycontactid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "contact"
    assert body["_primarycontactid_type"] == "contacts"
    assert body["_ownerid_type"] == "systemusers"
    # What has no value is left out.
    assert "telephone1" not in body
    assert not any(name.startswith("@") for name in body)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (1, ["Create"]),
        (2, ["Delete"]),
        (3, ["Update"]),
        (4, ["Create", "Update"]),
        (5, ["Create", "Delete"]),
        (6, ["Update", "Delete"]),
        (7, ["Create", "Update", "Delete"]),
    ],
)
def test_a_registration_is_told_of_the_messages_that_it_names(
    web: Web, receiver: Receiver, message: int, expected: list[str]
) -> None:
    name = web.name("Flow")
    register(web, receiver, name=name, message=message)
    id = web.make("accounts", name="Row")
    web.call("PATCH", f"accounts({id})", {"name": "Changed"})
    web.call("DELETE", f"accounts({id})")
    assert jobs_of(web, name) == expected
    assert [told(post) for post in receiver.wait(len(expected))] == [(each, id) for each in expected]


def test_a_deleted_row_is_told_by_its_id_alone(web: Web, receiver: Receiver) -> None:
    id = web.make("accounts", name="Gone")
    version = web.get(f"accounts({id})").json["versionnumber"]
    register(web, receiver, message=DELETED, filterexpression="name eq 'something else'")
    web.call("DELETE", f"accounts({id})")
    (post,) = receiver.wait(1)
    assert post.json == {
        "accountid": id,
        "ItemInternalId": id,
        "SdkMessage": "Delete",
        "RunAsSystemUserId": me(web),
        "RowVersion": str(version),
    }


def test_a_row_is_told_as_it_was_when_it_was_written(web: Web, receiver: Receiver) -> None:
    register(web, receiver, message=ADDED_OR_MODIFIED)
    receiver.answer = lambda post: 503 if len(receiver.posts) == 1 else 200
    id = web.make("accounts", name="First")
    web.call("PATCH", f"accounts({id})", {"name": "Second"})
    web.call("PATCH", f"accounts({id})", {"name": "Third"})
    receiver.wait(1)
    while not deliveries(web, id):
        pass
    clock.now += 61
    posts = receiver.wait(4)
    # In order, whatever fails in between.
    assert [post.json["name"] for post in posts] == ["First", "First", "Second", "Third"]
    assert posts[0].body == posts[1].body
    assert posts[0].headers["x-request-id"] == posts[1].headers["x-request-id"]


def test_a_row_that_is_too_large_is_told_by_its_id(web: Web, receiver: Receiver) -> None:
    register(web, receiver, entityname="annotation")
    small = web.make("annotations", subject="Small", notetext="x")
    large = web.make("annotations", subject="Large", notetext="\N{EURO SIGN}" * 99_000)
    posts = {post.json["annotationid"]: post for post in receiver.wait(2)}
    assert posts[small].json["subject"] == "Small"
    assert posts[large].json.keys() == {"annotationid", *OURS}
    assert posts[large].headers["x-ms-dynamics-msg-size-exceeded"] == "true"


# -- which rows are told of --------------------------------------------------------------------------------------
def test_filtering_columns_are_those_of_updates_alone(web: Web, receiver: Receiver) -> None:
    name = web.name("Flow")
    register(web, receiver, name=name, message=ALL, filteringattributes="fax, telephone1")
    id = web.make("accounts", name="New")
    web.call("PATCH", f"accounts({id})", {"name": "Not asked for"})
    web.call("PATCH", f"accounts({id})", {"telephone1": "1"})
    web.call("DELETE", f"accounts({id})")
    assert jobs_of(web, name) == ["Create", "Update", "Delete"]
    update = receiver.wait(3)[1].json
    # The whole row, not only what is new.
    assert (update["name"], update["telephone1"]) == ("Not asked for", "1")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("name eq 'John'", ["John"]),
        ("contains(name,'oh') and revenue gt 5", ["John"]),
        ("primarycontactid/lastname eq 'Friend'", ["Tied"]),
        ("Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['John','Tied'])", ["John", "Tied"]),
        ("not contains(name,'John')", ["Tied"]),
    ],
)
def test_only_rows_that_meet_the_filter_after_the_change_are_told(
    web: Web, receiver: Receiver, condition: str, expected: list[str]
) -> None:
    name = web.name("Flow")
    register(web, receiver, name=name, message=ADDED_OR_MODIFIED, filterexpression=condition)
    contact = web.make("contacts", lastname="Friend")
    id = web.make("accounts", name="John-to-be", revenue=1)
    web.call("PATCH", f"accounts({id})", {"name": "John", "revenue": 10})
    web.make("accounts", name="Tied", **{"primarycontactid@odata.bind": f"contacts({contact})"})
    assert len(jobs_of(web, name)) == len(expected)
    assert sorted(post.json["name"] for post in receiver.wait(len(expected))) == expected


def test_the_scope_counts_from_the_owner_of_the_registration(web: Web, receiver: Receiver) -> None:
    root = root_of(web)
    mine = unit_below(web, root)
    below = unit_below(web, mine)
    administrator = role_of(web, "System Administrator")
    owner = make_user(web, mine, administrator)
    people = {
        "owner": owner,
        "colleague": make_user(web, mine, administrator),
        "below": make_user(web, below, administrator),
        "elsewhere": make_user(web, root, administrator),
    }
    urls = {scope: f"{receiver.url}/{scope}" for scope in (USER, UNIT, UNITS_BELOW, ORGANIZATION)}
    for scope, url in urls.items():
        register(web, receiver, as_user(owner), scope=scope, url=url)
    made = {web.make("accounts", name=name, **{"ownerid@odata.bind": f"systemusers({id})"}): name
            for name, id in people.items()}  # fmt: skip
    posts = receiver.wait(1 + 2 + 3 + 4)
    found = {
        scope: {made[post.json["ItemInternalId"]] for post in posts if post.path.endswith(f"/{scope}")}
        for scope in urls
    }
    assert found == {
        USER: {"owner"},
        UNIT: {"owner", "colleague"},
        UNITS_BELOW: {"owner", "colleague", "below"},
        ORGANIZATION: {"owner", "colleague", "below", "elsewhere"},
    }
    assert len(posts) == 10


def test_what_the_owner_may_not_read_is_not_told(web: Web, receiver: Receiver) -> None:
    root = root_of(web)
    owner, stranger = seller(web, root), seller(web, unit_below(web, root))
    name = web.name("Flow")
    register(web, receiver, as_user(owner), name=name, message=ALL)
    hidden = web.make("accounts", name="Hidden", **{"ownerid@odata.bind": f"systemusers({stranger})"})
    web.call("PATCH", f"accounts({hidden})", {"name": "Still hidden"})
    web.call("DELETE", f"accounts({hidden})")
    seen = web.make("accounts", name="Seen", **{"ownerid@odata.bind": f"systemusers({owner})"})
    assert jobs_of(web, name) == ["Create"]
    assert told_of(receiver, seen) == [("Create", seen)]


def test_secured_columns_are_told_to_those_who_may_read_them(web: Web, receiver: Receiver) -> None:
    owner, name = seller(web), web.name("Flow")
    register(web, receiver, as_user(owner), name=name, message=MODIFIED)
    register(
        web, receiver, as_user(owner), name=f"{name} fax", message=MODIFIED, filterexpression="fax eq '1'"
    )
    id = web.make("accounts", name="Row", fax="1", **{"ownerid@odata.bind": f"systemusers({owner})"})
    web.call("PATCH", f"accounts({id})", {"telephone1": "1"})
    assert [post.json["fax"] for post in receiver.wait(2)] == ["1", "1"]
    assert secure(web, "account", "fax").status == 204
    try:
        web.call("PATCH", f"accounts({id})", {"telephone1": "2"})
        last = receiver.wait(3)[-1].json
        assert (last["telephone1"], "fax" in last) == ("2", False)
        # Nor can it be found out by asking.
        assert len(jobs_of(web, f"{name} fax")) == 1
    finally:
        assert secure(web, "account", "fax", value=False).status == 204


def test_what_is_rolled_back_is_never_told(web: Web, receiver: Receiver) -> None:
    register(web, receiver)
    parts = "".join(
        f"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {n}\r\n\r\n"
        f"POST accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
        for n, body in enumerate(('{"name":"never"}', '{"nonsense":1}'), 1)
    )
    batch = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n".encode()
    assert web.call("POST", "$batch", batch, content_type="multipart/mixed; boundary=b").status == 400
    id = web.make("accounts", name="told")
    assert told_of(receiver, id) == [("Create", id)]


def test_a_request_can_ask_that_nobody_is_called_back(web: Web, receiver: Receiver) -> None:
    name = web.name("Flow")
    register(web, receiver, name=name)
    silent = {"MSCRM.SuppressCallbackRegistrationExpanderJob": "true"}
    assert web.call("POST", "accounts", {"name": "Silent"}, **silent).status == 204
    assert jobs_of(web, name) == []
    soap = Soap(web)
    target = Row("account", {"name": "Silent"})
    soap.execute("Create", Target=target, SuppressCallbackRegistrationExpanderJob=True)
    assert jobs_of(web, name) == []
    web.make("accounts", name="Loud")
    soap.execute("Create", Target=target)
    assert jobs_of(web, name) == ["Create", "Create"]


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_what_a_step_does_is_told_whatever_the_request_asks_for(
    database: str, tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> None:
    @org.step("Create", "contact", stage=40)
    def employ(event: org.StepInvocation) -> None:
        event.create("account", name="By a step")

    with receiving() as receiver:
        try:
            with opened(database, tmp_path_factory, new_postgres_database) as web:
                register(web, receiver)
                silent = {"MSCRM.SuppressCallbackRegistrationExpanderJob": "true"}
                assert web.call("POST", "accounts", {"name": "By the client"}, **silent).status == 204
                assert web.call("POST", "contacts", {"lastname": "Row"}, **silent).status == 204
                (post,) = receiver.wait(1)
                assert post.json["name"] == "By a step"
        finally:
            for code in org.steps():
                org._steps.pop(code.step.id)


@pytest.mark.parametrize(
    ("run_as", "expected"),
    [
        (MODIFYING_USER, "modifier"),
        (ROW_OWNER, "owner"),
        (FLOW_OWNER, "administrator"),
        (None, "administrator"),
    ],
)
def test_who_is_named_to_run_as_is_what_the_registration_says(
    web: Web, receiver: Receiver, run_as: int | None, expected: str
) -> None:
    people = {"modifier": seller(web), "owner": seller(web), "administrator": me(web)}
    register(web, receiver, message=MODIFIED, **({} if run_as is None else {"runas": run_as}))
    id = web.make("accounts", name="Row", **{"ownerid@odata.bind": f"systemusers({people['owner']})"})
    share = {
        "Target": {"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": id},
        "PrincipalAccess": {
            "Principal": {
                "@odata.type": "Microsoft.Dynamics.CRM.systemuser",
                "systemuserid": people["modifier"],
            },
            "AccessMask": "ReadAccess,WriteAccess",
        },
    }
    assert web.call("POST", "GrantAccess", share).status == 204
    changed = web.call("PATCH", f"accounts({id})", {"name": "By somebody"}, **as_user(people["modifier"]))
    assert changed.status == 204, changed.text
    (post,) = receiver.wait(1)
    assert post.json["RunAsSystemUserId"] == people[expected]


# -- delivery ----------------------------------------------------------------------------------------------------
def test_every_call_back_is_a_system_job_and_a_delivery(web: Web, receiver: Receiver) -> None:
    of = register(web, receiver, name="My flow")
    id = web.make("accounts", name="Seen")
    row = web.ended(job_of(web, id)["asyncoperationid"])
    assert (row["statuscode"], row["operationtype"], row["messagename"], row["name"]) == (
        30,
        79,
        "Create",
        "My flow",
    )
    (delivery,) = deliveries(web, id)
    assert (delivery["succeeded"], delivery["httpstatus"], delivery["attempt"]) == (True, 200, 1)
    assert delivery["_callbackregistrationid_value"] == of
    assert delivery["_serviceendpointid_value"] is None
    assert delivery["body"].encode() == receiver.posts[0].body
    # Nothing of it tells where it went.
    assert SECRET not in json.dumps([delivery, row])


def test_a_call_back_that_is_refused_fails_visibly_and_can_be_sent_again(
    web: Web, receiver: Receiver
) -> None:
    of = register(web, receiver)
    receiver.answer = lambda post: 404 if len(receiver.posts) == 1 else 202
    id = web.make("accounts", name="Twice")
    assert web.ended(job_of(web, id)["asyncoperationid"])["statuscode"] == 31
    (row,) = deliveries(web, id)
    action = f"orgstead_deliveries({row['orgstead_deliveryid']})/Microsoft.Dynamics.CRM.orgstead_SendAgain"
    answer = web.call("POST", action, {})
    assert web.ended(answer.json["AsyncOperationId"])["operationtype"] == 79
    first, second = receiver.posts
    assert (first.body, first.path) == (second.body, second.path)
    assert [(each["httpstatus"], each["_callbackregistrationid_value"]) for each in deliveries(web, id)] == [
        (404, of),
        (202, of),
    ]


def test_nothing_is_told_before_the_time_that_a_registration_names(web: Web, receiver: Receiver) -> None:
    until = datetime.fromtimestamp(clock.now + 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    register(web, receiver, postponeuntil=until)
    id = web.make("accounts", name="Later")
    job = job_of(web, id)
    assert (job["statecode"], job["postponeuntil"]) == (0, until)
    register(web, receiver, entityname="contact")
    contact = web.make("contacts", lastname="Now")
    assert told_of(receiver, contact) == [("Create", contact)]
    clock.now += 86_401
    web.sign_in()
    assert told_of(receiver, id)[-1] == ("Create", id)


def test_a_registration_whose_filter_no_longer_makes_sense_fails_and_not_the_change(
    web: Web, receiver: Receiver
) -> None:
    column = {
        "@odata.type": "Microsoft.Dynamics.CRM.StringAttributeMetadata", "SchemaName": "new_Passing", "MaxLength": 10,
        "AttributeType": "String", "RequiredLevel": {"Value": "None"},
    }  # fmt: skip
    path = "EntityDefinitions(LogicalName='account')/Attributes"
    made = web.call("POST", path, column)
    assert made.status == 204, made.text
    register(web, receiver, filterexpression="new_passing eq 'x'")
    assert web.call("DELETE", f"{path}(LogicalName='new_passing')").status == 204
    id = web.make("accounts", name="Row")
    row = web.ended(job_of(web, id)["asyncoperationid"])
    assert (row["statuscode"], "new_passing" in row["message"]) == (31, True)
    assert receiver.posts == []


# -- registration ------------------------------------------------------------------------------------------------
def test_a_registration_says_what_it_was_not_told(web: Web, receiver: Receiver) -> None:
    values = body_of(receiver)
    del values["version"]
    id = web.make("callbackregistrations", **values)
    row = web.get(f"callbackregistrations({id})").json
    assert row["name"] == f"Callback Registration Id: {id}"
    assert (row["version"], row["runas"], row["softdeletestatus"], row["_ownerid_value"]) == (
        1,
        3,
        0,
        me(web),
    )


def test_a_registration_that_is_changed_off_or_gone_is_obeyed(web: Web, receiver: Receiver) -> None:
    name = web.name("Flow")
    of = register(web, receiver, name=name)
    path = f"callbackregistrations({of})"
    assert web.call("PATCH", path, {"softdeletestatus": 1}).status == 204
    web.make("accounts", name="untold")
    assert web.call("PATCH", path, {"softdeletestatus": 0, "entityname": "contact"}).status == 204
    web.make("accounts", name="untold")
    assert jobs_of(web, name) == []
    change = {"entityname": "account", "message": MODIFIED, "url": f"{receiver.url}/new"}
    assert web.call("PATCH", path, change).status == 204
    id = web.make("accounts", name="untold")
    web.call("PATCH", f"accounts({id})", {"name": "told"})
    assert jobs_of(web, name) == ["Update"]
    (post,) = receiver.wait(1)
    assert (told(post), post.path.endswith("/new")) == (("Update", id), True)
    assert web.call("DELETE", path).status == 204
    web.call("PATCH", f"accounts({id})", {"name": "untold"})
    assert jobs_of(web, name) == ["Update"]


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        ({"entityname": None}, 400, "0x80040200"),
        ({"message": None}, 400, "0x80040200"),
        ({"scope": None}, 400, "0x80040200"),
        ({"url": None}, 400, "0x80040200"),
        ({"url": ""}, 400, "0x80040200"),
        ({"url": "/relative"}, 400, "0x80040203"),
        ({"url": "ftp://127.0.0.1/"}, 400, "0x80040203"),
        ({"url": "http://10.0.0.1/hook"}, 400, "0x80040203"),
        ({"url": "https://169.254.169.254/latest/meta-data"}, 400, "0x80040203"),
        ({"url": "https://user:secret@127.0.0.1/"}, 400, "0x80040203"),
        ({"entityname": "nonsense"}, 400, TABLE_NOT_FOUND),
        ({"entityname": "orgstead_grant"}, 400, TABLE_NOT_FOUND),
        ({"entityname": "asyncoperation"}, 400, "0x80040203"),
        ({"entityname": "callbackregistration"}, 400, "0x80040203"),
        ({"entityname": "none"}, 400, TABLE_NOT_FOUND),
        ({"entityname": "currency", "scope": 1}, 400, TABLE_NOT_FOUND),
        ({"entityname": "transactioncurrency", "scope": 1}, 400, "0x80040203"),
        ({"message": 8}, 400, None),
        ({"scope": 5}, 400, None),
        ({"filteringattributes": "name,nonsense"}, 400, None),
        ({"filterexpression": "name eq"}, 400, None),
        ({"filterexpression": "$filter=name eq 'x'"}, 400, None),
        ({"filterexpression": "nonsense eq 'x'"}, 400, None),
        ({"filterexpression": "name eq 5"}, 400, None),
        ({"filterexpression": "(" * 200 + "name eq 'x'" + ")" * 200}, 400, None),
        ({"filterexpression": "name eq '" + "x" * 70_000 + "'"}, 400, None),
        ({"postponeuntil": "tomorrow"}, 501, None),
        ({"sdkmessagename": "new_Business"}, 501, None),
    ],
)  # fmt: skip
def test_a_registration_that_could_not_be_called_back_is_refused(
    web: Web, receiver: Receiver, given: dict[str, Any], status: int, code: str | None
) -> None:
    answer = web.call("POST", "callbackregistrations", body_of(receiver, **given))
    assert answer.status == status, answer.text
    if code is not None:
        assert answer.json["error"]["code"] == code, answer.text
    assert registrations(web) == []
    # Nor can one become like it.
    of = register(web, receiver)
    assert web.call("PATCH", f"callbackregistrations({of})", given).status == status
    id = web.make("accounts", name="told all the same")
    assert told_of(receiver, id) == [("Create", id)]


def test_the_url_is_written_and_never_read(web: Web, receiver: Receiver) -> None:
    of = register(web, receiver, filterexpression="name eq 'x'")
    row = web.get(f"callbackregistrations({of})")
    assert row.json["filterexpression"] == "name eq 'x'"
    assert "url" not in row.json
    for query in ("$select=url", f"$filter=contains(url,'{SECRET}')", "$orderby=url"):
        assert web.get(f"callbackregistrations?{query}").status == 400
    fetch = "<fetch><entity name='callbackregistration'><all-attributes/></entity></fetch>"
    texts = [
        row.text,
        web.get(f"callbackregistrations?fetchXml={fetch}").text,
        web.get("callbackregistrations").text,
    ]
    answer = web.call("POST", "callbackregistrations", body_of(receiver), Prefer="return=representation")
    assert answer.status == 201
    assert not any(SECRET in text for text in (*texts, answer.text))


def test_users_register_for_themselves_and_see_no_others(web: Web, receiver: Receiver) -> None:
    owner, other = seller(web), seller(web)
    of = register(web, receiver, as_user(owner))
    path = f"callbackregistrations({of})"
    assert web.get(path).json["_ownerid_value"] == owner
    assert web.get(path, **as_user(owner)).status == 200
    for method, body in (("GET", None), ("PATCH", {"url": receiver.url}), ("DELETE", None)):
        assert web.call(method, path, body, **as_user(other)).status == 403
    for_other = body_of(receiver, **{"ownerid@odata.bind": f"systemusers({owner})"})
    assert web.call("POST", "callbackregistrations", for_other, **as_user(other)).status == 403
    # Nobody gets to be told what somebody else may see.
    handed_over = {"ownerid@odata.bind": f"systemusers({me(web)})"}
    assert web.call("PATCH", path, handed_over, **as_user(owner)).status == 403
    assert web.call("DELETE", path, **as_user(owner)).status == 204


def test_whoever_shares_a_registration_cannot_lead_it_elsewhere(web: Web, receiver: Receiver) -> None:
    of = register(web, receiver)
    other = seller(web)
    share = {
        "Target": {
            "@odata.type": "Microsoft.Dynamics.CRM.callbackregistration",
            "callbackregistrationid": of,
        },
        "PrincipalAccess": {
            "Principal": {"@odata.type": "Microsoft.Dynamics.CRM.systemuser", "systemuserid": other},
            "AccessMask": "ReadAccess,WriteAccess",
        },
    }
    assert web.call("POST", "GrantAccess", share).status == 204
    path = f"callbackregistrations({of})"
    assert web.get(path, **as_user(other)).status == 200
    assert web.call("PATCH", path, {"url": f"{receiver.url}/other"}, **as_user(other)).status == 403


def test_whoever_acts_for_another_registers_no_more_than_both_may_see(web: Web, receiver: Receiver) -> None:
    delegate = seller(web)
    give_role(web, delegate, role_of(web, "Delegate"))
    signed_in = {"authorization": sign_in_as(web, delegate)}
    values = body_of(receiver)
    assert web.call("POST", "callbackregistrations", values, **signed_in).status == 204
    for_me = {**signed_in, **as_user(me(web))}
    assert web.call("POST", "callbackregistrations", values, **for_me).status == 403
    assert [row["_ownerid_value"] for row in registrations(web)] == [delegate]


def test_to_run_as_somebody_else_needs_the_privilege_to_act_for_others(web: Web, receiver: Receiver) -> None:
    owner = seller(web)
    values = body_of(receiver, runas=MODIFYING_USER)
    answer = web.call("POST", "callbackregistrations", values, **as_user(owner))
    assert answer.status == 403
    assert "prvActOnBehalfOfAnotherUser" in answer.text


def test_a_team_owns_no_registration(web: Web, receiver: Receiver) -> None:
    (team,) = web.get(f"teams?$filter=_businessunitid_value eq {root_of(web)} and isdefault eq true").rows
    values = body_of(receiver, **{"ownerid@odata.bind": f"{ORIGIN}/api/data/v9.2/teams({team['teamid']})"})
    answer = web.call("POST", "callbackregistrations", values)
    assert answer.fault == (400, "0x80040203"), answer.text


def test_nobody_registers_without_end(web: Web, receiver: Receiver) -> None:
    owner = seller(web)
    bodies = [
        web.call("POST", "callbackregistrations", body_of(receiver), **as_user(owner)) for _ in range(201)
    ]
    assert [answer.status for answer in bodies] == [*[204] * 200, 400]


def test_no_step_is_told_of_a_registration(web: Web, receiver: Receiver) -> None:
    to = web.make(
        "serviceendpoints", name="Other", contract=8, connectionmode=1, url=receiver.url, authtype=4, authvalue="k"
    )  # fmt: skip
    body = body_of_step(web, to, "Create", "callbackregistration")
    assert web.call("POST", "sdkmessageprocessingsteps", body).fault == (400, "0x80044187")
    # One that is for all tables is for this one neither.
    step = web.call("POST", "sdkmessageprocessingsteps", body_of_step(web, to, "Create", None, mode=0)).id
    register(web, receiver)
    assert receiver.posts == []
    assert web.call("DELETE", f"sdkmessageprocessingsteps({step})").status == 204
