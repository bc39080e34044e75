"""Webhooks: rows register steps, endpoints are told of what happens, on both databases.

https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from orgstead.engine.context import SYSTEM
from orgstead.model.messages import Execute
from tests.parity.conftest import ORIGIN, Clock, Web, opened
from tests.parity.test_parity_changes import table
from tests.receiver import Post, Receiver, receiving

HOST, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


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
    # The next test has steps of its own.
    for row in web.get("sdkmessageprocessingsteps?$select=sdkmessageprocessingstepid").rows:
        assert (
            web.call("DELETE", f"sdkmessageprocessingsteps({row['sdkmessageprocessingstepid']})").status
            == 204
        )
    for row in web.get("serviceendpoints?$select=serviceendpointid").rows:
        assert web.call("DELETE", f"serviceendpoints({row['serviceendpointid']})").status == 204


def endpoint(web: Web, url: str, authtype: int = 4, authvalue: str = "a key") -> str:
    return web.make(
        "serviceendpoints",
        name="Receiver",
        contract=8,
        connectionmode=1,
        url=url,
        authtype=authtype,
        authvalue=authvalue,
    )


def message(web: Web, name: str, of: str | None = None) -> dict[str, str]:
    (row,) = web.get(f"sdkmessages?$filter=name eq '{name}'&$select=sdkmessageid").rows
    found = {"sdkmessageid@odata.bind": f"/sdkmessages({row['sdkmessageid']})"}
    if of is not None:
        (row,) = web.get(
            f"sdkmessagefilters?$filter=primaryobjecttypecode eq '{of}' and _sdkmessageid_value eq "
            f"{row['sdkmessageid']}&$select=sdkmessagefilterid"
        ).rows
        found["sdkmessagefilterid@odata.bind"] = f"/sdkmessagefilters({row['sdkmessagefilterid']})"
    return found


def body_of_step(web: Web, to: str, name: str, of: str | None, **values: Any) -> dict[str, Any]:
    return {
        "name": f"{name} of {of}",
        "stage": 40,
        "mode": 1,
        "rank": 1,
        "supporteddeployment": 0,
        "eventhandler_serviceendpoint@odata.bind": f"/serviceendpoints({to})",
        **message(web, name, of),
        **values,
    }


def step(web: Web, to: str, name: str = "Create", of: str | None = "account", **values: Any) -> str:
    return web.call("POST", "sdkmessageprocessingsteps", body_of_step(web, to, name, of, **values)).id


def image(
    web: Web, of: str, kind: int, attributes: str | None, property_name: str, alias: str = "Picture"
) -> str:
    return web.make(
        "sdkmessageprocessingstepimages",
        **{
            "name": alias,
            "entityalias": alias,
            "imagetype": kind,
            "attributes": attributes,
            "messagepropertyname": property_name,
            "sdkmessageprocessingstepid@odata.bind": f"/sdkmessageprocessingsteps({of})",
        },
    )


def values_of(entity: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in entity["Attributes"]}


def parameter(post: Post, name: str, among: str = "InputParameters") -> Any:
    return {each["key"]: each["value"] for each in post.json[among]}[name]


def job_of(web: Web, id: str) -> dict[str, Any]:
    (row,) = web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
    return row


def deliveries(web: Web, id: str) -> list[dict[str, Any]]:
    return web.get(f"orgstead_deliveries?$filter=primaryentityid eq {id}&$orderby=attempt,senton").rows


# -- asynchronous steps ------------------------------------------------------------------------------------------
def test_an_asynchronous_step_tells_its_endpoint_after_the_commit(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    id = web.make("accounts", name="Told", revenue=12.5)
    (post,) = receiver.wait(1)
    told = post.json
    assert (told["MessageName"], told["PrimaryEntityName"], told["PrimaryEntityId"]) == (
        "Create",
        "account",
        id,
    )
    assert (told["Stage"], told["Mode"], told["Depth"]) == (40, 1, 1)
    target = values_of(parameter(post, "Target"))
    assert (target["name"], target["accountid"]) == ("Told", id)
    assert target["revenue"]["Value"] == 12.5
    assert parameter(post, "id", "OutputParameters") == id
    assert post.headers["x-ms-dynamics-request-name"] == "Create"
    assert post.headers["x-ms-dynamics-entity-name"] == "account"
    row = web.ended(job_of(web, id)["asyncoperationid"])
    assert (row["statuscode"], row["operationtype"], row["messagename"]) == (30, 1, "Create")
    assert told["OperationId"] == row["asyncoperationid"]
    named = values_of(parameter(post, "AsynchronousStepPrimaryName", "PostEntityImages"))
    assert named == {"accountid": id, "name": "Told"}
    # The operation itself, with what the client has asked for.
    main = told["ParentContext"]
    assert (main["Stage"], main["MessageName"], main["ParentContext"]) == (30, "Create", None)
    (asked,) = main["InputParameters"]
    assert values_of(asked["value"]).keys() == {"name", "revenue", "accountid"}


def test_every_delivery_can_be_seen(web: Web, receiver: Receiver) -> None:
    to = endpoint(web, receiver.url)
    of = step(web, to)
    id = web.make("accounts", name="Seen")
    web.ended(job_of(web, id)["asyncoperationid"])
    (row,) = deliveries(web, id)
    assert (row["succeeded"], row["httpstatus"], row["attempt"], row["mode"]) == (True, 200, 1, 1)
    assert (row["response"], row["error"], row["messagename"]) == ("answered 200", None, "Create")
    assert row["body"].encode() == receiver.posts[0].body
    assert row["milliseconds"] > 0
    assert (row["_serviceendpointid_value"], row["_sdkmessageprocessingstepid_value"]) == (to, of)
    assert row["_asyncoperationid_value"] == job_of(web, id)["asyncoperationid"]
    assert row["_organizationid_value"] == web.get("WhoAmI").json["OrganizationId"]


@pytest.mark.parametrize(
    ("authtype", "authvalue", "path", "header"),
    [
        (4, "a key&more", "/hook?code=a%20key%26more", None),
        (5, '<settings><setting name="x-secret" value="s3" /></settings>', "/hook", ("x-secret", "s3")),
        (6, '<settings><setting name="k" value="v w"/><setting name="l" value="2"/></settings>', "/hook?k=v%20w&l=2",
         None),
    ],
)  # fmt: skip
def test_an_endpoint_gets_the_proof_that_it_wants(
    web: Web, receiver: Receiver, authtype: int, authvalue: str, path: str, header: tuple[str, str] | None
) -> None:
    to = endpoint(web, receiver.url, authtype, authvalue)
    step(web, to)
    web.make("accounts", name="Proof")
    (post,) = receiver.wait(1)
    assert post.path == path
    if header is not None:
        assert post.headers[header[0]] == header[1]
    # Whoever may read endpoints does not read their keys.
    assert "authvalue" not in web.get(f"serviceendpoints({to})").json
    assert authvalue not in web.get(f"serviceendpoints({to})").text


def test_the_keys_of_endpoints_are_told_to_nobody(web: Web, receiver: Receiver) -> None:
    to = endpoint(web, receiver.url)
    step(web, to, "Create", "serviceendpoint")
    of = step(web, to, "Update", "serviceendpoint", mode=0)
    image(web, of, 2, None, "Target")
    other = endpoint(web, receiver.url, authvalue="hush")
    assert web.call("PATCH", f"serviceendpoints({other})", {"authvalue": "hush hush"}).status == 204
    posts = receiver.wait(2)
    assert {post.json["MessageName"] for post in posts} == {"Create", "Update"}
    assert all(post.id == other and b"hush" not in post.body for post in posts)
    while len(deliveries(web, other)) < 2:
        pass
    assert "hush" not in str(deliveries(web, other))


def test_an_update_that_names_no_filtering_column_is_not_told(web: Web, receiver: Receiver) -> None:
    id = web.make("accounts", name="Before")
    step(web, endpoint(web, receiver.url), "Update", filteringattributes="name,fax")
    web.call("PATCH", f"accounts({id})", {"telephone1": "1"})
    web.call("PATCH", f"accounts({id})", {"name": "After"})
    (post,) = receiver.wait(1)
    assert values_of(parameter(post, "Target"))["name"] == "After"
    web.ended(job_of(web, id)["asyncoperationid"])
    assert len(receiver.posts) == 1


def test_images_show_the_row_before_and_after(web: Web, receiver: Receiver) -> None:
    of = step(web, endpoint(web, receiver.url), "Update")
    image(web, of, 2, "name,revenue", "Target", "Both")
    id = web.make("accounts", name="Old", revenue=1)
    web.call("PATCH", f"accounts({id})", {"name": "New"})
    (post,) = receiver.wait(1)
    before = values_of(parameter(post, "Both", "PreEntityImages"))
    after = values_of(parameter(post, "Both", "PostEntityImages"))
    assert (before["name"], after["name"], after["revenue"]["Value"]) == ("Old", "New", 1)
    assert "telephone1" not in after


def test_a_deleted_row_is_told_with_its_image(web: Web, receiver: Receiver) -> None:
    of = step(web, endpoint(web, receiver.url), "Delete")
    image(web, of, 0, None, "Target")
    id = web.make("accounts", name="Gone")
    web.call("DELETE", f"accounts({id})")
    (post,) = receiver.wait(1)
    assert parameter(post, "Target")["LogicalName"] == "account"
    assert values_of(parameter(post, "Picture", "PreEntityImages"))["name"] == "Gone"


def test_a_named_message_is_told_with_its_parameters(web: Web, receiver: Receiver) -> None:
    id = web.make("opportunities", name="Big")
    step(web, endpoint(web, receiver.url), "Win", "opportunity")
    body = {
        "Status": 3,
        "OpportunityClose": {"subject": "Won", "opportunityid@odata.bind": f"/opportunities({id})"},
    }
    assert web.call("POST", "WinOpportunity", body).status == 204
    (post,) = receiver.wait(1)
    assert (post.json["MessageName"], parameter(post, "Status")["Value"]) == ("Win", 3)


def test_what_is_rolled_back_is_never_told(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    boundary = "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: "
    parts = "".join(
        f"{boundary}{n}\r\n\r\nPOST accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
        for n, body in enumerate(('{"name":"never"}', '{"nonsense":1}'), 1)
    )
    batch = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n".encode()
    answer = web.call("POST", "$batch", batch, content_type="multipart/mixed; boundary=b")
    assert answer.status == 400
    id = web.make("accounts", name="told")
    (post,) = receiver.wait(1)
    assert post.id == id


def test_a_step_that_is_disabled_or_gone_is_not_told(web: Web, receiver: Receiver) -> None:
    to = endpoint(web, receiver.url)
    of, other = step(web, to), step(web, to, "Update")
    path = f"sdkmessageprocessingsteps({of})"
    assert web.call("PATCH", path, {"statecode": 1, "statuscode": 2}).status == 204
    id = web.make("accounts", name="untold")
    assert web.call("PATCH", path, {"statecode": 0, "statuscode": 1}).status == 204
    second = web.make("accounts", name="told")
    assert web.call("DELETE", path).status == 204
    web.make("accounts", name="untold again")
    web.call("PATCH", f"accounts({id})", {"name": "told too"})
    posts = receiver.wait(2)
    assert {post.id for post in posts} == {id, second}
    assert other


def test_a_system_job_that_has_succeeded_goes_when_its_step_says_so(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url), asyncautodelete=True)
    id = web.make("accounts", name="Forgotten")
    receiver.wait(1)
    while not deliveries(web, id):
        pass
    assert web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows == []
    assert deliveries(web, id)[0]["succeeded"]


def test_a_table_whose_rows_were_told_of_can_be_deleted(web: Web, receiver: Receiver) -> None:
    made = web.call("POST", "EntityDefinitions", table("new_Told"))
    assert made.status == 204, made.text
    of = step(web, endpoint(web, receiver.url), "Create", "new_told")
    job = job_of(web, web.make("new_tolds", new_name="Told"))["asyncoperationid"]
    web.ended(job)
    path = "EntityDefinitions(LogicalName='new_told')"
    # Not while there is a step for it.
    assert web.call("DELETE", path).fault == (400, "0x8004f01f")
    assert web.call("PATCH", f"sdkmessageprocessingsteps({of})", {"statecode": 1}).status == 204
    assert web.call("DELETE", path).fault == (400, "0x8004f01f")
    assert web.call("DELETE", f"sdkmessageprocessingsteps({of})").status == 204
    assert web.call("DELETE", path).status == 204
    assert web.get(f"asyncoperations({job})").json["_regardingobjectid_value"] is None


# -- failures ----------------------------------------------------------------------------------------------------
def test_an_endpoint_that_is_out_of_order_for_a_moment_is_told_again_later(
    web: Web, receiver: Receiver
) -> None:
    step(web, endpoint(web, receiver.url))
    receiver.answer = lambda post: 503 if len(receiver.posts) == 1 else 204
    id = web.make("accounts", name="Again")
    receiver.wait(1)
    while not deliveries(web, id):
        pass
    waits = job_of(web, id)
    assert (waits["statecode"], waits["statuscode"], waits["retrycount"]) == (1, 10, 1)
    assert waits["postponeuntil"] is not None
    clock.now += 61
    row = web.ended(job_of(web, id)["asyncoperationid"])
    assert (row["statuscode"], row["retrycount"]) == (30, 1)
    first, second = deliveries(web, id)
    assert (first["httpstatus"], first["succeeded"], first["attempt"]) == (503, False, 1)
    assert (second["httpstatus"], second["succeeded"], second["attempt"]) == (204, True, 2)
    assert receiver.posts[0].body == receiver.posts[1].body


def test_a_job_shows_that_its_endpoint_is_being_told(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    going = threading.Event()
    receiver.answer = lambda post: 204 if going.wait(30) else 500
    id = web.make("accounts", name="Under way")
    receiver.wait(1)
    while (row := job_of(web, id))["statecode"] == 0:
        pass
    going.set()
    assert (row["statecode"], row["statuscode"]) == (2, 20)
    assert row["startedon"] is not None
    assert web.ended(row["asyncoperationid"])["statuscode"] == 30


def test_a_job_that_waits_for_another_attempt_is_resumed_at_once(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    receiver.answer = lambda post: 503 if len(receiver.posts) == 1 else 204
    id = web.make("accounts", name="Impatient")
    while not deliveries(web, id):
        pass
    job = f"asyncoperations({job_of(web, id)['asyncoperationid']})"
    assert web.get(job).json["statuscode"] == 10
    assert web.call("PATCH", job, {"statecode": 0}).status == 204
    # The clock stands still.
    assert web.ended(job_of(web, id)["asyncoperationid"])["statuscode"] == 30


def test_the_owner_of_a_system_job_is_not_changed_in_silence(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    id = web.make("accounts", name="Owned")
    job = job_of(web, id)["asyncoperationid"]
    web.ended(job)
    user = web.get("WhoAmI").json["UserId"]
    answer = web.call("PATCH", f"asyncoperations({job})", {"ownerid@odata.bind": f"/systemusers({user})"})
    assert answer.fault == (400, "0x80041a02")


def test_an_endpoint_that_stays_out_of_order_fails_the_job_visibly(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    receiver.answer = lambda post: 502
    id = web.make("accounts", name="Never")
    job = job_of(web, id)["asyncoperationid"]
    for attempt in range(1, 5):
        while len(deliveries(web, id)) < attempt:
            pass
        clock.now += 301
    row = web.ended(job)
    assert row["retrycount"] == 3
    assert row["statuscode"] == 31
    assert "502" in row["message"]
    assert len(deliveries(web, id)) == len(receiver.posts)


@pytest.mark.parametrize("status", [301, 400, 404, 500])
def test_an_endpoint_that_refuses_fails_the_job_at_once(web: Web, receiver: Receiver, status: int) -> None:
    step(web, endpoint(web, receiver.url))
    receiver.answer = lambda post: status
    id = web.make("accounts", name="Refused")
    row = web.ended(job_of(web, id)["asyncoperationid"])
    assert (row["statuscode"], len(receiver.posts)) == (31, 1)
    assert row["errorcode"] == 0x80050201 - 2**32
    assert str(status) in row["message"]


def test_what_is_told_of_one_row_comes_in_order_whatever_fails_in_between(
    web: Web, receiver: Receiver
) -> None:
    to = endpoint(web, receiver.url)
    step(web, to)
    step(web, to, "Update")
    receiver.answer = lambda post: 503 if len(receiver.posts) == 1 else 200
    id = web.make("accounts", name="First")
    for number in range(5):
        web.call("PATCH", f"accounts({id})", {"name": f"Change {number}"})
    other = web.make("accounts", name="Other")
    # The other row does not wait for the one that is out of order.
    receiver.wait_until(lambda posts: any(post.id == other for post in posts))
    while not deliveries(web, id):
        pass
    clock.now += 61
    receiver.wait(8)
    names = [values_of(parameter(post, "Target"))["name"] for post in receiver.about(id)]
    assert names == ["First", "First", *(f"Change {number}" for number in range(5))]


def test_a_delivery_is_sent_again_to_the_letter(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    receiver.answer = lambda post: 400 if len(receiver.posts) == 1 else 200
    id = web.make("accounts", name="Twice")
    web.ended(job_of(web, id)["asyncoperationid"])
    (row,) = deliveries(web, id)
    action = f"orgstead_deliveries({row['orgstead_deliveryid']})/Microsoft.Dynamics.CRM.orgstead_SendAgain"
    answer = web.call("POST", action, {})
    assert answer.status == 200, answer.text
    assert web.ended(answer.json["AsyncOperationId"])["statuscode"] == 30
    first, second = receiver.posts
    assert first.body == second.body
    assert [each["succeeded"] for each in deliveries(web, id)] == [False, True]


def test_a_delivery_that_waits_can_be_canceled(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url))
    receiver.answer = lambda post: 503
    id = web.make("accounts", name="Canceled")
    job = job_of(web, id)["asyncoperationid"]
    while not deliveries(web, id):
        pass
    assert web.call("PATCH", f"asyncoperations({job})", {"statecode": 3, "statuscode": 32}).status == 204
    clock.now += 301
    step(web, endpoint(web, receiver.url))
    other = web.make("accounts", name="After it")
    receiver.wait_until(lambda posts: any(post.id == other for post in posts))
    assert len(receiver.about(id)) == 1
    assert web.ended(job)["statuscode"] == 32


def test_an_endpoint_that_has_gone_fails_what_was_for_it(web: Web, receiver: Receiver) -> None:
    to = endpoint(web, receiver.url)
    step(web, to)
    receiver.answer = lambda post: 503
    id = web.make("accounts", name="Orphan")
    while not deliveries(web, id):
        pass
    assert web.call("DELETE", f"serviceendpoints({to})").status == 204
    clock.now += 61
    row = web.ended(job_of(web, id)["asyncoperationid"])
    assert row["statuscode"] == 31


@pytest.mark.parametrize("freed", ["returned", "released"])
@pytest.mark.parametrize(
    ("wish", "becomes"), [({"statecode": 3, "statuscode": 32}, (3, 32)), ({"statecode": 1}, (1, 10))]
)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_what_was_to_end_or_to_wait_when_it_was_taken_is_not_told_once_it_is_free_again(
    database: str,
    wish: dict[str, int],
    becomes: tuple[int, int],
    freed: str,
    tmp_path: Path,
    new_postgres_database: Callable[[], str],
) -> None:
    url = new_postgres_database() if database == "postgres" else None
    organisation = open_organisation(Config(data=str(tmp_path), database_url=url, sample=False))

    def send(name: str, host: str = HOST, **parameters: Any) -> Any:
        execute = Execute(name=name, parameters={"Host": host, **parameters})
        return organisation.engine.run([execute], SYSTEM)[0].value

    # Nothing runs in the background of an application that nobody has started.
    here = Web(TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN), organisation)
    to = endpoint(here, "http://127.0.0.1:9/")
    step(here, to)
    id = here.make("accounts", name="Taken")
    (taken,) = send("ClaimDeliveries", Room={to: (1, 5)}, Free=5)
    job = taken["id"]
    assert here.call("PATCH", f"asyncoperations({job})", wish).status == 204
    assert job_of(here, id)["statecode"] == 2
    if freed == "returned":
        send("ReturnDeliveries", Ids=[job], Late=False)
    else:
        assert send("ReleaseJobs", host=OTHER, Alone=True, Now="2027-01-15T08:00:00Z") == 1
    row = job_of(here, id)
    assert (row["statecode"], row["statuscode"]) == becomes
    assert send("ClaimDeliveries", Room={to: (1, 5)}, Free=5) == []
    organisation.close()


def test_an_endpoint_is_told_however_many_calls_hang_elsewhere(
    web: Web, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgstead.server.courier.ROOM", 4)
    told = threading.Event()
    receiver.answer = lambda post: (
        200 if post.json["PrimaryEntityName"] == "contact" or told.wait(20) else 500
    )
    step(web, endpoint(web, receiver.url))
    step(web, endpoint(web, receiver.url), "Create", "contact")
    for number in range(8):
        web.make("accounts", name=f"Hanging {number}")
    receiver.wait(4)
    id = web.make("contacts", lastname="Well")
    receiver.wait_until(lambda posts: any(post.id == id for post in posts), 10)
    told.set()


def test_many_endpoints_that_have_nothing_to_be_told_leave_room_for_one_that_has(
    web: Web, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgstead.server.courier.ROOM", 64)
    monkeypatch.setattr("orgstead.server.courier.PER_ENDPOINT", 4)
    for _ in range(8):
        step(web, endpoint(web, receiver.url), "Create", "lead")
    told = threading.Event()
    receiver.answer = lambda post: 200 if told.wait(20) else 500
    step(web, endpoint(web, receiver.url))
    for number in range(4):
        web.make("accounts", name=f"Account {number}")
    # All that one endpoint may be called with, although each of the others might want as much.
    receiver.wait(4, 10)
    told.set()


def test_what_was_taken_ahead_is_given_back_when_a_server_ends(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgstead.server.courier.PER_ENDPOINT", 1)
    monkeypatch.setattr("orgstead.server.jobs.PATIENCE_SECONDS", 0.1)
    organisation = open_organisation(Config(data=str(tmp_path), sample=False))
    engine = organisation.engine
    jobs = engine.schema.tables["orgstead_job"]
    ended = threading.Event()
    receiver.answer = lambda post: 200 if ended.wait(20) else 500
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        here = Web(client, organisation)
        to = endpoint(here, receiver.url)
        step(here, to)
        boundary = (
            "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: "
        )
        # In one transaction, so that they are taken together.
        parts = "".join(
            f'{boundary}{n}\r\n\r\nPOST accounts HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{{"name":"x"}}\r\n'
            for n in range(1, 4)
        )
        batch = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{parts}--c--\r\n--b--\r\n".encode()
        assert here.call("POST", "$batch", batch, content_type="multipart/mixed; boundary=b").status == 200
        receiver.wait(1)
    with engine.store.read() as unit:
        rows = [unit.get(jobs, id, ("host",)) for id in unit.find(jobs, {"lane": to}, 5)]
    assert sorted(row["host"] is None for row in rows if row) == [False, True, True]
    ended.set()
    organisation.close()


# -- synchronous steps -------------------------------------------------------------------------------------------
def test_a_synchronous_step_is_told_before_the_answer(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url), mode=0, stage=20)
    id = web.make("accounts", name="Asked")
    (post,) = receiver.posts
    assert (post.json["Stage"], post.json["Mode"], post.json["IsInTransaction"]) == (20, 0, True)
    assert post.id == id
    while not deliveries(web, id):
        pass
    (row,) = deliveries(web, id)
    assert (row["mode"], row["succeeded"], row["_asyncoperationid_value"]) == (0, True, None)


@pytest.mark.parametrize("stage", [10, 20, 40])
def test_a_synchronous_step_that_fails_undoes_the_operation(web: Web, receiver: Receiver, stage: int) -> None:
    step(web, endpoint(web, receiver.url), mode=0, stage=stage)
    receiver.answer = lambda post: 500
    answer = web.call("POST", "accounts", {"name": "Undone"})
    assert (answer.status, answer.json["error"]["code"]) == (400, "0x80050201"), answer.text
    assert web.get("accounts?$filter=name eq 'Undone'").rows == []
    (post,) = receiver.posts
    while not deliveries(web, post.id):
        pass
    (row,) = deliveries(web, post.id)
    assert (row["succeeded"], row["httpstatus"]) == (False, 500)


def test_a_synchronous_step_whose_endpoint_hangs_again_and_again_is_refused_without_a_call(
    web: Web, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgstead.server.outside.CALL_SECONDS", 0.2)
    to = endpoint(web, receiver.url)
    step(web, to, mode=0)
    going = threading.Event()
    receiver.answer = lambda post: 200 if going.wait(30) else 500
    answers = [web.call("POST", "accounts", {"name": "Held up"}).fault for _ in range(5)]
    assert answers == [(400, "0x80050202")] * 5
    assert len(receiver.posts) == 3
    going.set()
    assert web.get("accounts?$filter=name eq 'Held up'").rows == []
    # Whoever repairs an endpoint need not wait.
    changed = {"url": f"{receiver.url}/repaired"}
    assert web.call("PATCH", f"serviceendpoints({to})", changed).status == 204
    assert web.call("POST", "accounts", {"name": "Repaired"}).status == 204


def test_a_read_does_not_wait_for_a_write_that_waits_for_an_endpoint(web: Web, receiver: Receiver) -> None:
    step(web, endpoint(web, receiver.url), mode=0)
    reading = threading.Event()
    receiver.answer = lambda post: 200 if reading.wait(30) else 500
    answers = []
    writer = threading.Thread(
        target=lambda: answers.append(web.call("POST", "accounts", {"name": "Slow"}).status)
    )
    writer.start()
    receiver.wait(1)
    assert web.get("accounts?$filter=name eq 'Slow'").rows == []
    reading.set()
    writer.join()
    assert answers == [204]


# -- registration ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "given",
    [
        {"url": "ftp://127.0.0.1/"},
        {"url": "/relative"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "https://user:secret@127.0.0.1/"},
        {"url": "http://10.0.0.1/hook"},
        {"url": "https://169.254.169.254/latest/meta-data"},
        {"contract": 1},
        {"authtype": 1},
        {"authtype": 5, "authvalue": "<settings></settings>"},
        {"authtype": 5, "authvalue": "no xml"},
        {"authtype": 5, "authvalue": '<settings><setting name="host" value="x"/></settings>'},
        {"authtype": 5, "authvalue": '<settings><setting name="a b" value="x"/></settings>'},
        {"authtype": 5, "authvalue": '<settings><setting name="a" value="x&#10;b: c"/></settings>'},
        {
            "authtype": 6,
            "authvalue": '<!DOCTYPE s [<!ENTITY e "x">]><settings><setting name="a" value="&e;"/></settings>',
        },
        {"authtype": 4, "authvalue": None},
    ],
)  # fmt: skip
def test_an_endpoint_that_could_not_be_called_is_refused(web: Web, given: dict[str, Any]) -> None:
    values = {
        "name": "Bad", "contract": 8, "connectionmode": 1, "url": "http://127.0.0.1:9/", "authtype": 4,
        "authvalue": "k", **given,
    }  # fmt: skip
    answer = web.call("POST", "serviceendpoints", values)
    assert answer.status in (400, 501), answer.text
    assert web.get("serviceendpoints?$filter=name eq 'Bad'").rows == []


@pytest.mark.parametrize(
    ("name", "table", "given"),
    [
        ("Create", "account", {"stage": 30}),
        ("Create", "account", {"stage": 50}),
        ("Create", "account", {"stage": 20, "mode": 1}),
        ("Create", "account", {"filteringattributes": "name"}),
        ("Update", "account", {"filteringattributes": "name,nonsense"}),
        ("Create", "account", {"rank": -1}),
        ("Create", "account", {"supporteddeployment": 1}),
        ("Create", "account", {"stage": None}),
        ("Create", "asyncoperation", {}),
    ],
)
def test_a_step_that_could_not_run_is_refused(
    web: Web, receiver: Receiver, name: str, table: str, given: dict[str, Any]
) -> None:
    to = endpoint(web, receiver.url)
    answer = web.call("POST", "sdkmessageprocessingsteps", body_of_step(web, to, name, table, **given))
    assert answer.status in (400, 404, 501), answer.text
    assert web.get("sdkmessageprocessingsteps?$select=name").rows == []


@pytest.mark.parametrize(
    ("message_name", "kind", "attributes", "property_name", "code"),
    [
        ("Create", 0, None, "Id", "0x8004416d"),
        ("Create", 1, None, "Target", "0x8004416b"),
        ("Delete", 1, None, "Target", "0x8004416d"),
        ("Update", 1, "nonsense", "Target", "0x80041103"),
        ("Update", 7, None, "Target", "0x8004431a"),
    ],
)
def test_an_image_that_could_not_be_taken_is_refused(
    web: Web,
    receiver: Receiver,
    message_name: str,
    kind: int,
    attributes: str | None,
    property_name: str,
    code: str,
) -> None:
    of = step(web, endpoint(web, receiver.url), message_name)
    answer = web.call(
        "POST",
        "sdkmessageprocessingstepimages",
        {
            "name": "Bad",
            "entityalias": "Bad",
            "imagetype": kind,
            "attributes": attributes,
            "messagepropertyname": property_name,
            "sdkmessageprocessingstepid@odata.bind": f"/sdkmessageprocessingsteps({of})",
        },
    )
    assert (answer.status, answer.json["error"]["code"]) == (400, code), answer.text


def test_deliveries_are_not_written_by_hand(web: Web) -> None:
    assert web.call("POST", "orgstead_deliveries", {"name": "x"}).status in (400, 403, 501)
