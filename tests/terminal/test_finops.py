"""``orgstead finops``: files pushed and pulled by commands, and a push out of the system seen at its end."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orgstead.client import Client, ClientSecret
from tests.finops_files import GROUPS, groups, package_of
from tests.terminal.conftest import Live, Run


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    secret = ClientSecret(client_id=live.client_id, client_secret=live.client_secret)
    with Client(live.https, secret, verify=ssl.create_default_context(cafile=live.ca)) as made:
        yield made


@pytest.fixture
def signed_in(run: Run, live: Live) -> Run:
    run.good("auth", "create", "--dev", "--url", live.http)
    return run


def job(client: Client, live: Live, operation: int) -> str:
    project = client.records.create("orgstead_dataproject", {"name": str(uuid4()), "operation": operation})
    parent = {"projectid@odata.bind": f"/orgstead_dataprojects({project})"}
    client.records.create("orgstead_dataprojectentity", {**parent, "entityname": GROUPS, "sourceformat": 1})
    values: dict[str, Any] = {"name": "Job", "operation": operation, "applicationid": live.client_id}
    return str(client.records.create("orgstead_datajob", {**parent, **values}))


def test_push_says_what_became_of_a_file_and_errors_why(
    signed_in: Run, client: Client, live: Live, tmp_path: Path
) -> None:
    id, file = job(client, live, 1), tmp_path / "groups.csv"
    file.write_bytes(groups("T1"))
    said = signed_in.good("finops", "push", id, str(file), "--entity", GROUPS, "--company", "usmf")
    message = said.out.strip()
    assert "Processed" in said.err
    assert signed_in.good("finops", "status", message, "--json").json == {
        "id": message,
        "status": "Processed",
    }
    assert signed_in.good("finops", "errors", message, "--json").json == []
    file.write_bytes(groups("T2") + b",no group\r\n")
    bad = signed_in("finops", "push", id, str(file), "--entity", GROUPS, "--company", "usmf", "--json")
    assert (bad.code, bad.json["status"]) == (1, "ProcessedWithErrors")
    assert bad.json["message"] in bad.err
    [error] = signed_in.good("finops", "errors", bad.json["message"], "--json").json
    assert (error["record"], "CustomerGroupId" in error["message"]) == ("2", True)
    signed_in.good("finops", "errors", bad.json["message"], "--file", str(tmp_path / "wrong.csv"))
    assert "no group" in (tmp_path / "wrong.csv").read_text("utf-8-sig")


def test_pull_receives_what_waits_and_takes_it_apart(
    signed_in: Run, client: Client, live: Live, tmp_path: Path
) -> None:
    id = job(client, live, 2)
    assert "Nothing waits" in signed_in.good("finops", "pull", id, str(tmp_path)).err
    client.request("POST", f"orgstead_datajobs({id})/Microsoft.Dynamics.CRM.orgstead_RunNow", json={})
    said = signed_in.good(
        "finops", "pull", id, str(tmp_path), "--unpack", "--json", "--limit", "1", "--every", "1"
    )
    told = json.loads(said.out)
    assert Path(told["file"]).stat().st_size == told["size"]
    assert {Path(each).name for each in told["unpacked"]} == {
        "Manifest.xml", "PackageHeader.xml", f"{GROUPS}.csv",
    }  # fmt: skip


def test_packages_go_in_and_out_by_the_name_of_a_data_project(
    signed_in: Run, client: Client, tmp_path: Path
) -> None:
    name, file = f"Command {uuid4()}", tmp_path / "groups.zip"
    file.write_bytes(package_of(name, groups("T3")))
    said = signed_in.good("finops", "push", name, str(file), "--project", "--company", "usmf")
    assert "Succeeded" in said.err
    execution = said.out.strip()
    assert signed_in.good("finops", "status", execution, "--execution").out.strip() == "Succeeded"
    missing = signed_in("finops", "pull", f"No {name}"[:60], str(tmp_path), "--project")
    assert missing.code == 1
    assert "no data project" in missing.err


def test_a_message_that_ends_is_pushed_to_the_trigger_of_a_workflow(
    signed_in: Run, client: Client, live: Live, tmp_path: Path
) -> None:
    """The seed's push out of the system: a JSON body posted to the address of an HTTP trigger."""
    with signed_in.start("finops", "trigger", "--key", "a-secret", "--count", "1") as trigger:
        assert trigger.stderr is not None
        assert trigger.stdout is not None
        url = trigger.stderr.readline().strip().replace("…", "a-secret")
        registration = client.records.create(
            "callbackregistration",
            {
                "name": "Files that ended", "entityname": "orgstead_datamessage", "message": 3, "scope": 4,
                "version": 1, "url": url, "filteringattributes": "messagestatus",
                "filterexpression": "messagestatus eq 5",
            },
        )  # fmt: skip
        try:
            message = client.finops.connector.enqueue(
                job(client, live, 1), groups("T4"), entity=GROUPS, company="usmf"
            )
            body = json.loads(trigger.stdout.readline())
            assert (body["orgstead_datamessageid"], body["messagestatus"]) == (message, 5)
            assert (body["entityname"], body["_messagestatus_label"]) == (GROUPS, "Processed")
            assert trigger.wait(30) == 0
        finally:
            client.records.delete("callbackregistration", registration)
            trigger.kill()
