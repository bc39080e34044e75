"""Messages of service, queues, lists and rows at large."""

from typing import Any

import pytest

from tests.parity.conftest import Answer, Web

CRM = "Microsoft.Dynamics.CRM"


def action(web: Web, path: str, /, **body: Any) -> Answer:
    return web.call("POST", path, body)


def named(table: str, id: str) -> dict[str, str]:
    return {f"{table}id" if table not in ACTIVITIES else "activityid": id, "@odata.type": f"{CRM}.{table}"}


ACTIVITIES = {"task", "email"}


def a_case(web: Web) -> str:
    customer = web.make("contacts", lastname="Customer")
    return web.make("incidents", title="Broken", **{"customerid_contact@odata.bind": f"contacts({customer})"})


def test_a_case_is_closed_once_with_the_time_that_it_took(web: Web) -> None:
    case = a_case(web)
    for minutes, done in ((30, True), (15, True), (60, False)):
        task = web.make("tasks", subject="Work", actualdurationminutes=minutes, **{
            "regardingobjectid_incident_task@odata.bind": f"incidents({case})"
        })  # fmt: skip
        if done:
            assert web.call("PATCH", f"tasks({task})", {"statecode": 1, "statuscode": 5}).status == 204
    took = web.get(f"incidents({case})/{CRM}.CalculateTotalTimeIncident").json
    assert took["TotalTime"] == 45
    resolution = {"subject": "Mended", "timespent": 5, "incidentid@odata.bind": f"/incidents({case})"}
    assert action(web, "CloseIncident", IncidentResolution=resolution, Status=1).status == 400
    assert web.get(f"incidents({case})?$select=statecode").json["statecode"] == 0
    answer = action(web, "CloseIncident", IncidentResolution=resolution, Status=5)
    assert answer.status == 204, answer.text
    row = web.get(f"incidents({case})?$select=statecode,statuscode").json
    assert (row["statecode"], row["statuscode"]) == (1, 5)
    (made,) = web.get(
        f"incidentresolutions?$filter=_incidentid_value eq {case}&$select=subject,totaltimespent"
    ).rows
    assert (made["subject"], made["totaltimespent"]) == ("Mended", 50)
    assert action(web, "CloseIncident", IncidentResolution=resolution, Status=5).fault == (400, "0x80040233")


def test_rows_go_through_queues(web: Web) -> None:
    me = web.get("WhoAmI").json["UserId"]
    inbox, other = (web.make("queues", name=web.name("queue")) for _ in range(2))
    case = a_case(web)
    item = action(web, f"queues({inbox})/{CRM}.AddToQueue", Target=named("incident", case)).json[
        "QueueItemId"
    ]
    row = web.get(f"queueitems({item})?$select=title,_queueid_value,_objectid_value").json
    assert (row["title"], row["_queueid_value"], row["_objectid_value"]) == ("Broken", inbox, case)
    # Once: adding it again moves it.
    moved = action(
        web,
        f"queues({other})/{CRM}.AddToQueue",
        Target=named("incident", case),
        SourceQueue=named("queue", inbox),
        QueueItemProperties={"priority": 3, "@odata.type": f"{CRM}.queueitem"},
    ).json["QueueItemId"]
    assert moved == item
    row = web.get(f"queueitems({item})?$select=priority,_queueid_value").json
    assert (row["priority"], row["_queueid_value"]) == (3, other)
    gone = action(
        web,
        f"queues({other})/{CRM}.AddToQueue",
        Target=named("incident", case),
        SourceQueue=named("queue", inbox),
    )
    assert gone.status == 400
    picked = action(
        web,
        f"queueitems({item})/{CRM}.PickFromQueue",
        SystemUser=named("systemuser", me),
        RemoveQueueItem=False,
    )
    assert picked.status == 204, picked.text
    assert web.get(f"queueitems({item})?$select=_workerid_value").json["_workerid_value"] == me
    assert action(web, f"queueitems({item})/{CRM}.ReleaseToQueue").status == 204
    assert web.get(f"queueitems({item})?$select=_workerid_value").json["_workerid_value"] is None
    assert action(web, f"queueitems({item})/{CRM}.RouteTo", Target=named("queue", inbox)).status == 204
    assert web.get(f"queueitems({item})?$select=_queueid_value").json["_queueid_value"] == inbox
    assert action(web, f"queueitems({item})/{CRM}.RouteTo", Target=named("systemuser", me)).status == 204
    assert web.get(f"incidents({case})?$select=_ownerid_value").json["_ownerid_value"] == me
    assert action(web, f"queueitems({item})/{CRM}.RemoveFromQueue").status == 204
    assert web.get(f"queueitems({item})").status == 404
    assert web.get(f"incidents({case})?$select=title").status == 200
    account = web.make("accounts", name="Not for queues")
    assert action(web, f"queues({inbox})/{CRM}.AddToQueue", Target=named("account", account)).status == 400


def test_members_of_lists(web: Web) -> None:
    people = web.make("lists", listname="People", createdfromcode=2)
    first, second = (web.make("contacts", lastname=name) for name in ("One", "Two"))
    firm = web.make("accounts", name="Firm")
    both = {"List": named("list", people), "Members": [named("contact", id) for id in (first, second)]}
    assert action(web, "AddListMembersList", **both).status == 204
    assert action(web, "AddListMembersList", **both).status == 204
    path = f"lists({people})/listcontact_association?$select=lastname&$orderby=lastname"
    assert [row["lastname"] for row in web.get(path).rows] == ["One", "Two"]
    wrong = {"List": named("list", people), "Members": [named("account", firm)]}
    assert action(web, "AddListMembersList", **wrong).status == 400
    assert action(web, f"lists({people})/{CRM}.RemoveMemberList", EntityId=first).status == 204
    assert action(web, f"lists({people})/{CRM}.RemoveMemberList", EntityId=first).status == 404
    member = action(web, f"lists({people})/{CRM}.AddMemberList", EntityId=first).json["Id"]
    assert web.get(f"listmembers({member})?$select=_listid_value").json["_listid_value"] == people
    dynamic = web.make("lists", listname="Found", createdfromcode=2, type=True)
    assert action(web, f"lists({dynamic})/{CRM}.AddMemberList", EntityId=first).status == 400


def test_two_accounts_become_one(web: Web) -> None:
    keep, gone = (web.make("accounts", name=name, telephone1=name) for name in ("Keep", "Gone"))
    child = web.make(
        "contacts", lastname="Child", **{"parentcustomerid_account@odata.bind": f"accounts({gone})"}
    )
    task = web.make(
        "tasks", subject="About", **{"regardingobjectid_account_task@odata.bind": f"accounts({gone})"}
    )
    lists = web.make("lists", listname="Firms", createdfromcode=1)
    assert action(web, f"lists({lists})/{CRM}.AddMemberList", EntityId=gone).status == 200
    asked = {
        "Target": named("account", keep),
        "Subordinate": named("account", gone),
        "UpdateContent": {"telephone1": "Gone", "@odata.type": f"{CRM}.account"},
        "PerformParentingChecks": False,
    }
    answer = action(web, "Merge", **asked)
    assert answer.status == 204, answer.text
    row = web.get(f"accounts({gone})?$select=statecode,merged,_masterid_value").json
    assert (row["statecode"], row["merged"], row["_masterid_value"]) == (1, True, keep)
    assert web.get(f"accounts({keep})?$select=telephone1").json["telephone1"] == "Gone"
    assert (
        web.get(f"contacts({child})?$select=_parentcustomerid_value").json["_parentcustomerid_value"] == keep
    )
    assert web.get(f"tasks({task})?$select=_regardingobjectid_value").json["_regardingobjectid_value"] == keep
    members = web.get(f"lists({lists})/listaccount_association?$select=accountid").rows
    assert keep in {row["accountid"] for row in members}
    assert action(web, "Merge", **asked).fault == (400, "0x80040233")
    assert action(web, "Merge", **{**asked, "Subordinate": named("account", keep)}).status == 400
    contact = web.make("contacts", lastname="Other kind")
    assert action(web, "Merge", **{**asked, "Subordinate": named("contact", contact)}).status == 400


def test_what_a_new_row_starts_with(web: Web) -> None:
    account = web.make("accounts", name="Start", telephone1="555", address1_city="Rome")
    path = "InitializeFrom(EntityMoniker=@p1,TargetEntityName=@p2,TargetFieldType=@p3)"
    path += (
        f"?@p1={{'@odata.id':'accounts({account})'}}&@p2='contact'&@p3={CRM}.TargetFieldType'ValidForCreate'"
    )
    given = web.get(path)
    assert given.status == 200, given.text
    body = given.json
    assert (body["telephone1"], body["address1_city"]) == ("555", "Rome")
    assert "contactid" not in body
    bind = {name: value for name, value in body.items() if name.endswith("@odata.bind")}
    assert any(account in value for value in bind.values())
    # What came is what can be sent.
    sent = {
        name: value for name, value in body.items() if not name.startswith("@") and not name.startswith("_")
    }
    made = web.make("contacts", lastname="Started", **sent)
    assert (
        web.get(f"contacts({made})?$select=_parentcustomerid_value").json["_parentcustomerid_value"]
        == account
    )


def test_rows_are_counted_by_table(web: Web) -> None:
    web.make("competitors", name="Rival")
    path = "RetrieveTotalRecordCount(EntityNames=@p1)?@p1=['competitor','subject']"
    counted = web.get(path)
    assert counted.status == 200, counted.text
    body = counted.json["EntityRecordCountCollection"]
    expected = int(web.get("competitors/$count").text.lstrip("\ufeff"))
    assert dict(zip(body["Keys"], body["Values"], strict=True))["competitor"] == expected
    assert body["Count"] == 2
    # In place, as the documentation shows, or as an alias.
    inline = "RetrieveTotalRecordCount(EntityNames=['competitor','subject'])"
    assert web.get(inline).json == web.get(path).json
    assert web.get("RetrieveTotalRecordCount(EntityNames=['a/b','c,d)'])").fault == (400, "0x80041102")
    assert web.get("RetrieveTotalRecordCount(EntityNames=['competitor')").status == 400
    assert web.get("RetrieveTotalRecordCount(EntityNames={'a':1})").status == 400
    assert web.get("accounts(name=['x'])").status == 400
    assert web.get("RetrieveTotalRecordCount(EntityNames=@p1)?@p1=['nothing']").status in (400, 404)
    assert web.get("RetrieveTotalRecordCount(EntityNames=@p1)?@p1=[]").status == 400


@pytest.mark.parametrize(
    ("state", "status", "valid"),
    [("Inactive", 2, True), ("Inactive", 1, False), ("Nowhere", 1, False), ("Active", -1, True)],
)
def test_states_that_may_follow(web: Web, state: str, status: int, valid: bool) -> None:
    account = web.make("accounts", name="State")
    path = (
        f"IsValidStateTransition(Entity=@e,NewState=@s,NewStatus=@n)?@e={{'@odata.id':'accounts({account})'}}"
    )
    assert web.get(f"{path}&@s='{state}'&@n={status}").json["IsValid"] is valid


def test_tables_that_may_be_related(web: Web) -> None:
    assert action(web, "CanBeReferenced", EntityName="account").json["CanBeReferenced"] is True
    assert action(web, "CanBeReferencing", EntityName="listmember").json["CanBeReferencing"] is False
    assert action(web, "CanManyToMany", EntityName="contact").json["CanManyToMany"] is True
    assert action(web, "CanManyToMany", EntityName="nothing").status in (400, 404)
    names = web.get("GetValidManyToMany()").json["EntityNames"]
    assert {"account", "contact"} <= set(names)
    assert "orgstead_grant" not in names


def test_several_rows_are_deleted_or_none(web: Web) -> None:
    ids = [web.make("accounts", name="Several") for _ in range(3)]
    missing = "00000000-0000-4000-8000-00000000dead"
    targets = [named("account", id) for id in (*ids, missing)]
    answer = action(web, f"accounts/{CRM}.DeleteMultiple", Targets=targets)
    assert answer.status == 404
    assert all(web.get(f"accounts({id})?$select=name").status == 200 for id in ids)
    assert action(web, f"accounts/{CRM}.DeleteMultiple", Targets=targets[:3]).status == 204
    assert all(web.get(f"accounts({id})").status == 404 for id in ids)


@pytest.mark.parametrize(
    ("code", "utc", "local"),
    [
        (85, "2024-01-15T12:00:00Z", "2024-01-15T12:00:00Z"),
        (85, "2024-07-15T12:00:00Z", "2024-07-15T13:00:00Z"),
        (4, "2024-03-10T09:59:59Z", "2024-03-10T01:59:59Z"),
        (4, "2024-03-10T10:00:00Z", "2024-03-10T03:00:00Z"),
        (190, "2024-01-01T00:00:00Z", "2024-01-01T05:30:00Z"),
        (92, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        # Shown twice: in summer time, and again in standard time.
        (35, "2024-11-03T06:30:00Z", "2024-11-03T01:30:00Z"),
    ],
)
def test_times_of_one_zone_in_another(web: Web, code: int, utc: str, local: str) -> None:
    there = web.get(f"LocalTimeFromUtcTime(TimeZoneCode=@c,UtcTime=@t)?@c={code}&@t={utc}")
    assert there.json["LocalTime"] == local
    back = web.get(f"UtcTimeFromLocalTime(LocalTime={local},TimeZoneCode={code})")
    assert back.json["UtcTime"] == utc


def test_times_that_there_are_not(web: Web) -> None:
    assert web.get("LocalTimeFromUtcTime(TimeZoneCode=999,UtcTime=2024-01-01T00:00:00Z)").status == 400
    assert web.get("LocalTimeFromUtcTime(TimeZoneCode=85,UtcTime='x')").status == 400
    # An hour that clocks skip.
    skipped = web.get("UtcTimeFromLocalTime(LocalTime=2024-03-31T01:30:00Z,TimeZoneCode=85)")
    assert skipped.json["UtcTime"] == "2024-03-31T01:30:00Z"


def test_an_email_is_sent_or_waits_to_be(web: Web) -> None:
    me = web.get("WhoAmI").json["UserId"]
    contact = web.make("contacts", lastname="Reader", emailaddress1="r@example.org")

    def party(path: str, mask: int) -> dict[str, Any]:
        return {f"partyid_{path.split('(')[0][:-1]}@odata.bind": path, "participationtypemask": mask}

    def draft(*parties: dict[str, Any]) -> str:
        return web.make("emails", subject="Hello", email_activity_parties=list(parties))

    sender, reader = party(f"systemusers({me})", 1), party(f"contacts({contact})", 2)
    state = "$select=statecode,statuscode,subject,senton"
    for issue, status in ((True, 6), (False, 3)):
        email = draft(sender, reader)
        sent = action(web, f"emails({email})/{CRM}.SendEmail", IssueSend=issue, TrackingToken="CRM:01")
        assert (sent.status, sent.json["Subject"]) == (200, "Hello CRM:01")
        row = web.get(f"emails({email})?{state}").json
        assert (row["statecode"], row["statuscode"], row["subject"]) == (1, status, "Hello CRM:01")
        assert (row["senton"] is None) == issue
        assert action(web, f"emails({email})/{CRM}.SendEmail", IssueSend=issue).status == 400
    for parties, code in (((sender,), "0x80040b04"), ((reader,), "0x80040203")):
        email = draft(*parties)
        assert action(web, f"emails({email})/{CRM}.SendEmail", IssueSend=True).fault == (400, code)
        assert web.get(f"emails({email})?{state}").json["statecode"] == 0
    tasked = web.make("tasks", subject="No e-mail")
    assert action(web, f"tasks({tasked})/{CRM}.SendEmail", IssueSend=True).status == 404
