"""System jobs: bulk deletions; jobs that are paused, canceled, repeated, or left behind by a dead process."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from orgstead.engine.context import SYSTEM
from orgstead.model.messages import Execute
from tests.parity.conftest import ORIGIN, Answer, Web
from tests.parity.test_parity_security import make_user

CRM = "Microsoft.Dynamics.CRM"
FAR = "2090-01-01T00:00:00Z"


def begin(web: Web, *queries: Any, caller: str | None = None, **more: Any) -> str:
    """Begin a bulk deletion; the id of its job."""
    headers = {"MSCRMCallerID": caller} if caller is not None else {}
    answer = web.call("POST", "BulkDelete", {"QuerySet": queries, "JobName": "Clean", **more}, **headers)
    assert answer.status == 200, answer.text
    id: str = answer.json["JobId"]
    return id


def somebody(web: Web, **depths: str) -> str:
    """A user with these privileges."""
    unit = web.get("WhoAmI").json["BusinessUnitId"]
    bound = {"businessunitid@odata.bind": f"businessunits({unit})"}
    role = web.make("roles", name=web.name("role"), **bound)
    known = {row["name"]: row["privilegeid"] for row in web.get("privileges?$select=name,privilegeid").rows}
    given = [{"PrivilegeId": known[f"prv{name}"], "Depth": depth} for name, depth in depths.items()]
    answer = web.call("POST", f"roles({role})/{CRM}.ReplacePrivilegesRole", {"Privileges": given})
    assert answer.status == 204, answer.text
    return make_user(web, unit, role)


def operation(web: Web, job: str) -> dict[str, Any]:
    """The bulk deletion of a job."""
    (row,) = web.get(f"bulkdeleteoperations?$filter=_asyncoperationid_value eq {job}").rows
    return row


def count(web: Web, name: str) -> int:
    return len(web.get(f"accounts?$select=name&$filter=name eq '{name}'").rows)


def fill(web: Web, name: str, number: int) -> list[str]:
    """Make accounts; their ids."""
    targets = [
        {"@odata.type": "Microsoft.Dynamics.CRM.account", "name": name, "numberofemployees": each}
        for each in range(number)
    ]
    answer = web.call("POST", f"accounts/{CRM}.CreateMultiple", {"Targets": targets})
    ids: list[str] = answer.json["Ids"]
    return ids


def query(name: str, *conditions: tuple[str, str, tuple[Any, ...]], **more: Any) -> dict[str, Any]:
    return {
        "EntityName": "account",
        "Criteria": {
            "FilterOperator": "And",
            "Conditions": [
                {
                    "AttributeName": attribute,
                    "Operator": operator,
                    "Values": [{"Value": str(value), "Type": "System.String"} for value in values],
                }
                for attribute, operator, values in (("name", "Equal", (name,)), *conditions)
            ],
        },
        **more,
    }


def test_a_bulk_deletion_is_a_job_that_deletes_what_its_queries_find(web: Web) -> None:
    name, other = web.name("bulk"), web.name("bulk")
    kept = fill(web, name, 450)[0]
    fill(web, other, 3)
    found = query(name, ("numberofemployees", "GreaterEqual", (1,)))
    job = begin(web, found, query(other), SendEmailNotification=False, ToRecipients=[], CCRecipients=[],
                RecurrencePattern="", StartDateTime="2026-01-01T00:00:00Z")  # fmt: skip
    ended = web.ended(job)
    assert (ended["name"], ended["operationtype"], ended["statuscode"]) == ("Clean", 13, 30)
    assert ended["startedon"] <= ended["completedon"]
    row = operation(web, job)
    assert (row["successcount"], row["failurecount"], row["isrecurring"]) == (452, 0, False)
    assert (row["statecode"], row["statuscode"], row["processingqeindex"]) == (3, 30, 1)
    assert row["orderedquerysetxml"].count("<fetch") == 2
    assert [each["accountid"] for each in web.get(f"accounts?$filter=name eq '{name}'").rows] == [kept]
    assert count(web, other) == 0


def test_what_a_bulk_deletion_may_not_delete_stays_and_is_told(web: Web) -> None:
    name = web.name("bulk")
    theirs = fill(web, name, 120)
    user = somebody(
        web, ReadAccount="Global", DeleteAccount="Basic", CreateAccount="Basic", BulkDelete="Global"
    )
    mine = web.call("POST", "accounts", {"name": name}, MSCRMCallerID=user).id
    job = begin(web, query(name), caller=user)
    web.ended(job)
    row = operation(web, job)
    assert (row["successcount"], row["failurecount"]) == (1, 120)
    assert web.get(f"accounts({mine})").status == 404
    failures = web.get(f"bulkdeletefailures?$filter=_asyncoperationid_value eq {job}").rows
    assert {each["_regardingobjectid_value"] for each in failures} == set(theirs)
    assert {each["errornumber"] for each in failures} == {-2147220960}
    nobody = somebody(web, ReadAccount="Global", BulkDelete="Global")
    refused = web.call(
        "POST", "BulkDelete", {"QuerySet": [query(name)], "JobName": "No"}, MSCRMCallerID=nobody
    )
    assert refused.fault == (403, "0x80040220")


def test_a_bulk_deletion_of_the_first_rows(web: Web) -> None:
    name = web.name("bulk")
    fill(web, name, 300)
    first = {"Orders": [{"AttributeName": "numberofemployees", "OrderType": "Descending"}], "TopCount": 150}
    web.ended(begin(web, query(name, **first)))
    left = web.get(f"accounts?$select=numberofemployees&$filter=name eq '{name}'").rows
    assert sorted(each["numberofemployees"] for each in left) == list(range(150))


def test_joins_and_tests_of_a_bulk_deletion_are_kept(web: Web) -> None:
    name = web.name("bulk")
    with_contact = web.call("POST", "accounts", {"name": name, "primarycontactid": {"lastname": "One"}}).id
    without = web.make("accounts", name=name)
    link = {
        "LinkFromEntityName": "account", "LinkFromAttributeName": "primarycontactid",
        "LinkToEntityName": "contact", "LinkToAttributeName": "contactid",
    }  # fmt: skip
    web.ended(begin(web, query(name, LinkEntities=[{**link, "JoinOperator": "NotAny"}])))
    assert (web.get(f"accounts({without})").status, web.get(f"accounts({with_contact})").status) == (404, 200)
    web.ended(begin(web, query(name, LinkEntities=[{**link, "JoinOperator": "Inner"}])))
    assert web.get(f"accounts({with_contact})").status == 404


@pytest.mark.parametrize(
    "broken",
    [
        {"EntityName": "nothing"},
        {
            "EntityName": "account",
            "Criteria": {"Conditions": [{"AttributeName": "name", "Operator": "Sounds"}]},
        },
        {"EntityName": "account", "Criteria": {"Filters": "x"}},
        {"Criteria": {}},
        {"EntityName": "account", "QueryType": "x"},
        {
            "EntityName": "account",
            "Criteria": {"Conditions": [{"AttributeName": "nmae", "Operator": "Null"}]},
        },
        {"EntityName": "account", "TopCount": 1_000_000},
        {"EntityName": "orgstead_job"},
        "account",
    ],
)
def test_a_bulk_deletion_that_could_not_run_is_refused_at_once(web: Web, broken: Any) -> None:
    refused = web.call("POST", "BulkDelete", {"QuerySet": [broken], "JobName": "Broken"})
    assert refused.status in (400, 404, 501), refused.text
    assert refused.json["error"]["code"].startswith("0x8")


@pytest.mark.parametrize(
    "more",
    [
        {"SendEmailNotification": True},
        {"RecurrencePattern": "FREQ=SECONDLY"},
        {"RecurrencePattern": "FREQ=DAILY;BYMONTHDAY=30;BYMONTH=2"},
        {
            "RecurrencePattern": "FREQ=DAILY;INTERVAL=14;BYDAY=MO,TU",
            "StartDateTime": "2026-01-01T00:00:00Z",
        },
        {"SourceImportId": "11111111-1111-4111-8111-111111111111"},
    ],
)
def test_what_a_bulk_deletion_does_not_do_is_refused_by_name(web: Web, more: dict[str, Any]) -> None:
    refused = web.call("POST", "BulkDelete", {"QuerySet": [query("x")], "JobName": "No", **more})
    assert refused.status == 501
    assert refused.json["error"]["code"].startswith("0x8")


def state(web: Web, job: str, **values: Any) -> Answer:
    return web.call("PATCH", f"asyncoperations({job})", values)


def test_a_job_is_paused_resumed_postponed_and_canceled(web: Web) -> None:
    name = web.name("bulk")
    fill(web, name, 1)
    job = begin(web, query(name), StartDateTime=FAR)
    row = web.get(f"asyncoperations({job})").json
    assert (row["statecode"], row["statuscode"], row["postponeuntil"]) == (0, 0, FAR)
    assert web.call("DELETE", f"asyncoperations({job})").fault == (400, "0x8004416a")
    assert state(web, job, statecode=2, statuscode=20).fault == (400, "0x80044162")
    assert state(web, job, statecode=3, statuscode=30).fault == (400, "0x80044162")
    assert state(web, job, statecode=1, statuscode=10).status == 204
    # Held: not even its time makes it run.
    assert state(web, job, postponeuntil="2026-01-01T00:00:00Z").status == 204
    other = begin(web, query(web.name("nothing")))
    web.ended(other)
    assert count(web, name) == 1
    assert state(web, job, statecode=0).status == 204
    assert web.ended(job)["statuscode"] == 30
    assert count(web, name) == 0
    assert state(web, job, statecode=0).fault == (400, "0x80044162")
    assert web.call("DELETE", f"asyncoperations({job})").status == 204
    assert web.get(f"bulkdeleteoperations?$filter=_asyncoperationid_value eq {job}").rows == []
    fill(web, name, 1)
    job = begin(web, query(name), StartDateTime=FAR)
    assert state(web, job, statecode=3, statuscode=32).status == 204
    assert state(web, job, recurrencepattern="FREQ=DAILY").fault == (400, "0x80044168")
    assert web.get(f"asyncoperations({job})").json["statuscode"] == 32
    assert state(web, job, postponeuntil=None).status == 204
    web.ended(begin(web, query(web.name("nothing"))))
    assert count(web, name) == 1


def test_a_recurring_job_runs_again_when_its_time_has_come(web: Web) -> None:
    assert web.organisation is not None
    engine = web.organisation.engine
    name = web.name("bulk")
    fill(web, name, 2)
    job = begin(web, query(name), RecurrencePattern="FREQ=DAILY;INTERVAL=2;")
    ended = web.ended(job)
    assert (ended["statecode"], ended["statuscode"]) == (1, 10)
    due = datetime.fromisoformat(ended["postponeuntil"])
    assert due == datetime.fromisoformat(ended["recurrencestarttime"]) + timedelta(days=2)
    assert operation(web, job)["isrecurring"] is True
    fill(web, name, 3)
    clock = engine.clock
    engine.clock = lambda: due.timestamp() + 1
    try:
        for _ in range(20_000):
            if (
                count(web, name) == 0
                and web.get(f"asyncoperations({job})").json["postponeuntil"] > due.isoformat()
            ):
                break
    finally:
        engine.clock = clock
    assert count(web, name) == 0
    assert state(web, job, statecode=3, statuscode=32).status == 204
    assert web.get(f"asyncoperations({job})").json["statecode"] == 3


def test_a_recurring_job_whose_pattern_no_day_fits_any_more_ends(web: Web) -> None:
    thursday, friday = "2090-01-05T00:00:00Z", "2026-01-02T00:00:00Z"
    job = begin(
        web, query("nothing"), RecurrencePattern="FREQ=DAILY;INTERVAL=7;BYDAY=TH", StartDateTime=thursday
    )
    assert state(web, job, recurrencepattern="FREQ=DAILY;INTERVAL=7;BYDAY=FR").status == 501
    assert state(web, job, recurrencestarttime=friday, postponeuntil=friday).status == 204
    row = web.ended(job)
    assert (row["statecode"], row["statuscode"]) == (3, 30)


def test_a_job_that_its_own_process_has_lost_sight_of_is_done_all_the_same(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgstead.server.jobs.BEAT_SECONDS", 0.05)
    organisation = open_organisation(Config(data=str(tmp_path), sample=False))
    engine = organisation.engine
    jobs = engine.schema.tables["orgstead_job"]
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        here = Web(client, organisation)
        job = begin(here, query("nothing"), StartDateTime=FAR)
        with engine.store.write() as unit:
            (host,) = unit.find(engine.schema.tables["orgstead_host"], {}, 2)
            # As after a failure of the database that let nothing be put back.
            unit.update(jobs, job, {"host": host, "due": "2026-01-01T00:00:00Z"})
        assert here.ended(job)["statuscode"] == 30
    organisation.close()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_job_that_a_dead_process_had_taken_is_done_by_another_one(
    database: str, tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    url = new_postgres_database() if database == "postgres" else None
    config = Config(data=str(tmp_path), database_url=url, sample=False)
    now = [time.time()]
    organisation = open_organisation(config, clock=lambda: now[0])
    engine = organisation.engine

    def send(message: str, **parameters: Any) -> Any:
        return engine.run([Execute(name=message, parameters={"Host": DEAD, **parameters})], SYSTEM)[0].value

    # Nothing runs in the background of an application that nobody has started.
    web = Web(TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN), organisation)
    fill(web, "Left", 250)
    job = begin(web, query("Left"))
    send("SeeHost", Now=stamp(now[0]))
    (taken,) = send("ClaimJobs", Full=[], Limit=5, PerLane=5)
    assert taken["id"] == job
    assert send("CountDueJobs", Full=[]) == 0
    assert send("WorkOnJob", Id=job) is True
    assert operation(web, job)["successcount"] == 100
    # Somebody who has not taken it does nothing.
    assert (
        engine.run([Execute(name="WorkOnJob", parameters={"Host": OTHER, "Id": job})], SYSTEM)[0].value
        is False
    )
    assert (
        engine.run(
            [Execute(name="ReleaseJobs", parameters={"Host": OTHER, "Alone": False, "Now": stamp(now[0])})],
            SYSTEM,
        )[0].value
        == 0
    )
    now[0] += 61
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        again = Web(client, organisation)
        assert again.ended(job)["statuscode"] == 30
        row = operation(again, job)
        assert (row["successcount"], row["failurecount"]) == (250, 0)
    # The one that was taken for dead has nothing to say any more.
    assert send("WorkOnJob", Id=job) is False
    organisation.close()


def test_a_lease_does_not_end_when_the_clock_of_the_organisation_is_moved(
    tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    config = Config(data=str(tmp_path), database_url=new_postgres_database(), sample=False)
    organisation = open_organisation(config)
    engine = organisation.engine
    web = Web(TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN), organisation)
    fill(web, "Taken", 250)
    job = begin(web, query("Taken"))

    def send(message: str, **parameters: Any) -> Any:
        return engine.run([Execute(name=message, parameters={"Host": DEAD, **parameters})], SYSTEM)[0].value

    send("SeeHost", Now=stamp(time.time()))
    (taken,) = send("ClaimJobs", Full=[], Limit=5, PerLane=5)
    organisation.clock.advance(7200)
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        again = Web(client, organisation)
        fill(again, "Free", 101)
        # A runner looks for hosts that are gone before it takes anything.
        assert again.ended(begin(again, query("Free")))["statuscode"] == 30
    assert taken["id"] == job
    assert send("WorkOnJob", Id=job) is True
    organisation.close()


def test_a_job_of_a_few_rows_has_ended_when_its_id_is_answered(web: Web) -> None:
    fill(web, "Few", 100)
    job = begin(web, query("Few"))
    assert web.get("accounts?$filter=startswith(name,'Few')").rows == []
    assert web.get(f"asyncoperations({job})?$select=statecode,statuscode").json["statuscode"] == 30
    assert operation(web, job)["successcount"] == 100


def test_two_processes_share_the_jobs_and_do_none_twice(
    new_postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    config = Config(data=str(tmp_path), database_url=new_postgres_database(), sample=False)
    one, other = open_organisation(config), open_organisation(config)
    web = Web(TestClient(build_application(one, [ORIGIN]), base_url=ORIGIN), one)
    fill(web, "Shared", 60)
    queries = [query("Shared", ("numberofemployees", "Equal", (number,))) for number in range(60)]
    # What starts later is the runners' work, however small.
    soon = (datetime.now(UTC) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    jobs = [begin(web, each, StartDateTime=soon) for each in queries]
    with (
        TestClient(build_application(one, [ORIGIN]), base_url=ORIGIN),
        TestClient(build_application(other, [ORIGIN]), base_url=ORIGIN),
    ):
        hosts = {web.ended(job)["hostid"] for job in jobs}
    assert len(hosts) == 2
    assert [operation(web, job)["successcount"] for job in jobs] == [1] * 60
    one.close()
    other.close()


DEAD, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
