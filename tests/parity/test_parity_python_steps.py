"""Python functions as steps around messages, on both databases.

https://learn.microsoft.com/power-apps/developer/data-platform/event-framework
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from orgstead import extensions as org
from orgstead.engine.timed import Hold, TimeLimit
from orgstead.errors import Fault
from orgstead.extensions import functions
from tests.parity.conftest import ORIGIN, Web, opened
from tests.parity.test_parity_custom_apis import define

# What steps have seen: stage, message, and whatever they note.
seen: list[tuple[Any, ...]] = []


def _register() -> None:
    @org.step("Create", "account", stage=10)
    def first(event: org.StepInvocation) -> None:
        event.shared["begun"] = event.values.get("name")
        seen.append((10, event.message, event.values.get("name"), event.depth))
        if event.values.get("name") == "refused at 10":
            raise org.Refused("Not before the checks.")

    @org.step("Create", "account", stage=20, rank=2)
    def second(event: org.StepInvocation) -> None:
        seen.append((20, event.message, event.shared.get("begun"), event.values.get("numberofemployees")))

    @org.step("Create", "account", stage=20, rank=1)
    def earlier(event: org.StepInvocation) -> None:
        if event.values.get("name") == "counted":
            event.values["numberofemployees"] = "not a number"
        elif event.values.get("name") == "parted":
            event.values["description"] = "by a step"
            event.values["revenue"] = 12
            del event.values["telephone1"]

    @org.step("Create", "account", stage=40)
    def last(event: org.StepInvocation) -> None:
        name = event.values.get("name")
        seen.append((40, event.message, event.outputs["id"], event.after["name"]))
        if name == "with a task":
            event.create("task", subject="Call them", regardingobjectid=event.target)
        if name == "refused at 40":
            event.create("task", subject="never there")
            raise org.Refused("Not after the write.")
        if name == "broken":
            raise KeyError("a mistake")
        if name == "ends the process":
            sys.exit(3)
        if name == "unspeakable":
            raise org.Refused("\ud800" * 10_000)
        if name == "goes on":
            with suppress(Fault):
                event.create("account", name="refused at 40")

    @org.step("Create", "contact", stage=40)
    def endless(event: org.StepInvocation) -> None:
        if event.values.get("lastname") == "endless":
            event.create("contact", lastname="endless")

    @org.step("Update", "account", stage=40, filtering={"name"})
    def renamed(event: org.StepInvocation) -> None:
        seen.append(("renamed", event.before["name"], event.after["name"], sorted(event.values)[:1]))

    @org.step("Delete", "account", stage=20)
    def kept(event: org.StepInvocation) -> None:
        seen.append(("deleting", event.before["name"]))
        if event.before["name"] == "kept":
            raise org.Refused("This one stays.")

    @org.step("Associate", stage=20)
    def tied(event: org.StepInvocation) -> None:
        seen.append(("tied", event.parameters["Relationship"], event.parameters["Target"].table))

    @org.step("CreateMultiple", "lead", stage=20)
    def many(event: org.StepInvocation) -> None:
        seen.append(("many", [row.values["lastname"] for row in event.parameters["Targets"]]))

    @org.step("Create", "lead", stage=20)
    def each(event: org.StepInvocation) -> None:
        seen.append(("each", event.values["lastname"]))

    @org.step("Win", "opportunity", stage=40)
    def won(event: org.StepInvocation) -> None:
        seen.append(("won", event.parameters["Status"], event.before["name"], event.after["statecode"]))

    @org.step("Update", "account", asynchronous=True, filtering={"fax"})
    def later(event: org.StepInvocation) -> None:
        if event.values["fax"] == "fails":
            raise org.Refused("Not this fax.")
        if event.values["fax"] == "ends the process":
            sys.exit(3)
        event.update(event.target, description=f"{event.before['fax']} to {event.values['fax']}")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def web(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Web]:
    _register()
    try:
        with opened(request.param, tmp_path_factory, new_postgres_database) as client:
            yield client
    finally:
        for code in org.steps():
            org._steps.pop(code.step.id)


@pytest.fixture(autouse=True)
def fresh() -> None:
    seen.clear()


def test_steps_run_in_the_order_of_stages_and_ranks_and_pass_on_what_they_share(web: Web) -> None:
    id = web.make("accounts", name="Nine")
    assert seen == [(10, "Create", "Nine", 1), (20, "Create", "Nine", None), (40, "Create", id, "Nine")]


def test_a_step_before_the_write_changes_what_is_written_and_the_rules_follow(web: Web) -> None:
    id = web.make("accounts", name="parted", telephone1="1")
    row = web.get(f"accounts({id})?$select=description,revenue,revenue_base,telephone1").json
    assert (row["description"], row["revenue"], row["revenue_base"]) == ("by a step", 12, 12)
    assert row["telephone1"] is None


def test_what_a_step_sets_is_checked_like_what_a_client_sends(web: Web) -> None:
    answer = web.call("POST", "accounts", {"name": "counted"})
    assert answer.status == 400
    assert "numberofemployees" in answer.json["error"]["message"]


@pytest.mark.parametrize("name", ["refused at 10", "refused at 40"])
def test_a_step_that_refuses_leaves_nothing_behind(web: Web, name: str) -> None:
    answer = web.call("POST", "accounts", {"name": name})
    assert answer.fault == (400, "0x80040265")
    assert answer.json["error"]["message"].startswith("Not ")
    assert web.get(f"accounts?$filter=name eq '{name}'").rows == []
    assert web.get("tasks?$filter=subject eq 'never there'").rows == []


def test_a_mistake_in_a_step_is_a_fault_of_the_server_that_tells_nothing(web: Web) -> None:
    answer = web.call("POST", "accounts", {"name": "broken"})
    assert answer.status == 500
    assert "a mistake" not in answer.text
    assert web.get("accounts?$filter=name eq 'broken'").rows == []


@pytest.mark.parametrize(
    ("name", "told"), [("ends the process", (500, "0x80040224")), ("unspeakable", (400, "0x80040265"))]
)
def test_whatever_a_step_raises_is_a_fault(web: Web, name: str, told: tuple[int, str]) -> None:
    answer = web.call("POST", "accounts", {"name": name})
    assert answer.fault == told
    assert len(answer.text) < 20_000
    assert web.get(f"accounts?$filter=name eq '{name}'").rows == []


def test_what_was_refused_is_not_there_when_a_step_goes_on_regardless(web: Web) -> None:
    web.make("accounts", name="goes on")
    assert web.get("accounts?$filter=name eq 'refused at 40'").rows == []
    assert len(web.get("accounts?$filter=name eq 'goes on'").rows) == 1


def test_a_step_after_the_write_adds_rows_in_the_same_transaction(web: Web) -> None:
    id = web.make("accounts", name="with a task")
    (task,) = web.get(f"tasks?$filter=_regardingobjectid_value eq {id}&$select=subject").rows
    assert task["subject"] == "Call them"


def test_steps_that_set_each_other_off_come_to_an_end(web: Web) -> None:
    answer = web.call("POST", "contacts", {"lastname": "endless"})
    assert answer.fault == (400, "0x80044182")
    assert web.get("contacts?$filter=lastname eq 'endless'").rows == []


def test_a_step_with_filtering_columns_runs_only_when_one_of_them_is_named(web: Web) -> None:
    id = web.make("accounts", name="Old")
    seen.clear()
    assert web.call("PATCH", f"accounts({id})", {"telephone1": "2"}).status == 204
    assert seen == []
    assert web.call("PATCH", f"accounts({id})", {"name": "New"}).status == 204
    assert seen == [("renamed", "Old", "New", ["accountid"])]


def test_a_step_keeps_a_row_from_being_deleted(web: Web) -> None:
    id = web.make("accounts", name="kept")
    assert web.call("DELETE", f"accounts({id})").json["error"]["message"] == "This one stays."
    other = web.make("accounts", name="goes")
    assert web.call("DELETE", f"accounts({other})").status == 204
    assert web.get(f"accounts({id})").status == 200
    assert ("deleting", "goes") in seen


def test_ties_have_steps_of_their_own(web: Web) -> None:
    list_id = web.make("lists", listname="Spring", createdfromcode=1)
    account = web.make("accounts", name="Tied")
    body = {"@odata.id": f"https://x/api/data/v9.2/accounts({account})"}
    body = {"@odata.id": f"accounts({account})"}
    lead = web.make("leads", lastname="Tied")
    seen.clear()
    answer = web.call(
        "POST", f"accounts({account})/accountleads_association/$ref", {"@odata.id": f"leads({lead})"}
    )
    assert answer.status == 204, (answer.text, list_id, body)
    assert seen == [("tied", "accountleads_association", "account")]


def test_a_step_for_many_rows_sees_a_single_one_and_a_step_for_one_sees_each_of_many(web: Web) -> None:
    web.make("leads", lastname="One")
    assert sorted(map(str, seen)) == ["('each', 'One')", "('many', ['One'])"]
    seen.clear()
    rows = [
        {"@odata.type": "Microsoft.Dynamics.CRM.lead", "lastname": "A"},
        {"@odata.type": "Microsoft.Dynamics.CRM.lead", "lastname": "B"},
    ]
    answer = web.call("POST", "leads/Microsoft.Dynamics.CRM.CreateMultiple", {"Targets": rows})
    assert answer.status == 200, answer.text
    assert seen == [("many", ["A", "B"]), ("each", "A"), ("each", "B")]


def test_named_messages_have_steps(web: Web) -> None:
    id = web.make("opportunities", name="Big")
    body = {
        "Status": 3,
        "OpportunityClose": {"subject": "Won", "opportunityid@odata.bind": f"/opportunities({id})"},
    }
    answer = web.call("POST", "WinOpportunity", body)
    assert answer.status == 204, answer.text
    assert seen == [("won", 3, "Big", 1)]


def test_an_asynchronous_step_is_a_system_job_that_runs_after_the_commit(web: Web) -> None:
    id = web.make("accounts", name="Fax", fax="1")
    assert web.call("PATCH", f"accounts({id})", {"fax": "2"}).status == 204
    (job,) = web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
    row = web.ended(job["asyncoperationid"])
    assert (row["statuscode"], row["operationtype"], row["messagename"]) == (30, 1, "Update"), row
    assert row["primaryentitytype"] == "account"
    assert web.get(f"accounts({id})?$select=description").json["description"] == "1 to 2"


def test_an_asynchronous_step_that_refuses_fails_its_job_and_nothing_else(web: Web) -> None:
    id = web.make("accounts", name="Fax", fax="1")
    assert web.call("PATCH", f"accounts({id})", {"fax": "fails"}).status == 204
    (job,) = web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
    row = web.ended(job["asyncoperationid"])
    assert (row["statuscode"], row["message"]) == (31, "Not this fax.")
    assert web.get(f"accounts({id})?$select=fax").json["fax"] == "fails"


def test_an_asynchronous_step_that_ends_its_process_fails_its_job_and_no_server(web: Web) -> None:
    id = web.make("accounts", name="Fax", fax="1")
    assert web.call("PATCH", f"accounts({id})", {"fax": "ends the process"}).status == 204
    (job,) = web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
    assert web.ended(job["asyncoperationid"])["statuscode"] == 31


def test_a_function_that_takes_its_time_holds_up_no_other(
    tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> None:
    going, before = threading.Event(), set(org._steps)

    @org.step("Update", "account", asynchronous=True, filtering={"telephone2"})
    def slow(event: org.StepInvocation) -> None:
        going.wait(30)

    @org.step("Update", "contact", asynchronous=True, filtering={"telephone2"})
    def quick(event: org.StepInvocation) -> None:
        pass

    def job(web: Web, path: str, id: str) -> str:
        assert web.call("PATCH", f"{path}({id})", {"telephone2": "1"}).status == 204
        (row,) = web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
        found: str = row["asyncoperationid"]
        return found

    try:
        # On SQLite a function that has not come to its end keeps all others from writing.
        with opened("postgres", tmp_path_factory, new_postgres_database) as here:
            waiting = [job(here, "accounts", here.make("accounts", name="Slow")) for _ in range(3)]
            assert (
                here.ended(job(here, "contacts", here.make("contacts", lastname="Quick")))["statuscode"] == 30
            )
            states = {here.get(f"asyncoperations({each})").json["statecode"] for each in waiting}
            going.set()
            assert 3 not in states
    finally:
        for added in set(org._steps) - before:
            org._steps.pop(added)


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_function_that_does_not_end_fails_its_operation_and_does_nothing_more(
    database: str, tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> None:
    going, tried, before = threading.Event(), threading.Event(), set(org._steps)

    @org.step("Create", "contact", stage=20)
    def endless(event: org.StepInvocation) -> None:
        name = event.values["lastname"]
        if name == "loops":
            while True:
                pass
        if name == "goes on":
            with suppress(Fault):
                event.create("contact", lastname="loops")
        if name == "swallows":
            while True:
                with suppress(Exception):
                    time.sleep(0.01)
        if name == "waits":
            # No exception reaches a thread that waits for a lock; this one goes on when it does.
            with suppress(BaseException):
                going.wait()
            try:
                event.create("task", subject="never there")
            finally:
                tried.set()

    @org.step("Update", "contact", asynchronous=True)
    def later(event: org.StepInvocation) -> None:
        going.wait()

    @org.custom_api("new_Endless")
    def answers_never(call: org.Invocation) -> None:
        going.wait()

    try:
        with opened(database, tmp_path_factory, new_postgres_database, step_seconds=1) as here:
            for name in ("loops", "swallows", "goes on", "waits"):
                answer = here.call("POST", "contacts", {"lastname": name})
                assert answer.fault == (500, "0x80044171"), (name, answer.text)
            define(here, "new_Endless", [], [])
            assert here.call("POST", "new_Endless", {}).fault == (500, "0x80044171")
            id = here.make("contacts", lastname="in time")
            assert here.call("PATCH", f"contacts({id})", {"fax": "1"}).status == 204
            (job,) = here.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
            ended = here.ended(job["asyncoperationid"])
            assert (ended["statuscode"], ended["errorcode"]) == (31, -2147204751)
            going.set()
            assert tried.wait(30)
            assert [row["lastname"] for row in here.get("contacts?$select=lastname").rows] == ["in time"]
            assert here.get("tasks?$select=subject").rows == []
    finally:
        going.set()
        functions().pop("new_Endless")  # type: ignore[attr-defined]
        for added in set(org._steps) - before:
            org._steps.pop(added)


def test_threads_that_are_left_behind_are_bounded() -> None:
    going, limit = threading.Event(), TimeLimit(0.0)

    def waits(hold: Hold) -> None:
        going.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orgstead.engine.timed.GRACE_SECONDS", 0.0)
        patch.setattr("orgstead.engine.timed.MAX_LEFT", 2)
        threads = threading.active_count()
        for _ in range(5):
            with pytest.raises(Fault, match="timed-out"):
                limit.run("waits", waits)
        assert threading.active_count() == threads + 2
    going.set()
    assert TimeLimit(30.0).run("quick", lambda hold: 3) == 3


def test_a_reset_does_not_wait_for_ever_for_a_function(
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orgstead.server.jobs.REST_SECONDS", 0.2)
    began, going, before = threading.Event(), threading.Event(), set(org._steps)

    @org.step("Update", "account", asynchronous=True, filtering={"telephone2"})
    def slow(event: org.StepInvocation) -> None:
        began.set()
        going.wait(30)

    try:
        with opened("sqlite", tmp_path_factory, new_postgres_database) as here:
            id = here.make("accounts", name="Slow")
            here.call("PATCH", f"accounts({id})", {"telephone2": "1"})
            (job,) = here.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows
            assert began.wait(30)
            refused = here.call("POST", f"{ORIGIN}/_orgstead/reset", {})
            assert (refused.status, refused.json["error"]["code"]) == (503, "busy")
            assert not going.is_set()
            assert here.get(f"accounts({id})").status == 200
            going.set()
            # It goes on as if nothing had been asked.
            assert here.ended(job["asyncoperationid"])["statuscode"] == 30
            assert here.call("POST", f"{ORIGIN}/_orgstead/reset", {}).status == 200
            assert here.get(f"accounts({id})").status == 404
    finally:
        going.set()
        for added in set(org._steps) - before:
            org._steps.pop(added)


def test_a_message_that_fails_leaves_no_asynchronous_step(web: Web) -> None:
    id = web.make("accounts", name="Fax", fax="1")
    answer = web.call("PATCH", f"accounts({id})", {"fax": "3"}, If_Match='W/"1"')
    assert answer.status == 412
    assert web.get(f"asyncoperations?$filter=_regardingobjectid_value eq {id}").rows == []


@pytest.mark.parametrize(
    "given", [{"stage": 30}, {"stage": 20, "asynchronous": True}, {"stage": 40, "filtering": {"name"}}]
)
def test_a_step_that_could_not_run_is_refused_where_it_is_written(given: dict[str, Any]) -> None:
    with pytest.raises(Fault, match="cannot be registered"):
        org.step("Create", "account", **given)
