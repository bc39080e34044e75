"""Finance and Operations from the client's side: files pushed and pulled, packages, data entities, both colours."""

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from orgstead.client import ConfigurationError, NotFoundError, ServiceError, unpack
from orgstead.client.finops.landing import JOURNAL, Received
from tests.client.conftest import Live, Make
from tests.finops_files import GROUPS, groups, package, package_of

Job = Callable[..., str]


@pytest.fixture(scope="session")
def client(make: Make, live: Live) -> Any:
    return make()


@pytest.fixture(scope="session")
def job(client: Any, live: Live) -> Job:
    """Makes a recurring data job of the development application for customer groups; its id."""

    def made(*, export: bool = False, packages: bool = False) -> str:
        way = 2 if export else 1
        project = str(client.records.create("orgstead_dataproject", {"name": str(uuid4()), "operation": way}))
        parent = {"projectid@odata.bind": f"/orgstead_dataprojects({project})"}
        client.records.create(
            "orgstead_dataprojectentity", {**parent, "entityname": GROUPS, "sourceformat": 1}
        )
        values = {
            "name": "Job",
            "operation": way,
            "applicationid": live.client_id,
            "datasource": 2 if packages else 1,
        }
        return str(client.records.create("orgstead_datajob", {**parent, **values}))

    return made


def test_a_file_is_pushed_and_watched_to_its_end(client: Any, job: Job, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_bytes(groups("A1", "A2"))
    id = client.finops.connector.enqueue(job(), path, entity=GROUPS, company="usmf", external_id="order 7")
    seen = list(client.finops.connector.watch(id, seconds=60, every=0.2))
    assert seen[-1] == "Processed"
    assert client.finops.connector.status(id) == "Processed"
    key = {"dataAreaId": "usmf", "CustomerGroupId": "A1"}
    assert client.finops.entities.get("CustomerGroups", key)["Description"] == "Group A1"
    copy = tmp_path / "copy.csv"
    assert client.finops.connector.pushed_file(id, copy) == path.stat().st_size
    assert copy.read_bytes() == path.read_bytes()


def test_what_was_wrong_with_a_file_can_be_had_in_both_ways(client: Any, job: Job, tmp_path: Path) -> None:
    content = groups("B1") + b"," + b"x" * 5 + b"\r\n" + groups("B2").splitlines(True)[1]
    id = client.finops.connector.enqueue(job(), content, entity=GROUPS, company="usmf")
    assert client.finops.connector.wait(id, seconds=60, every=0.2) == "ProcessedWithErrors"
    [error] = client.finops.packages.errors(client.finops.connector.execution(id))
    assert (error.record, "CustomerGroupId" in error.message) == ("2", True)
    client.finops.connector.error_file(id, tmp_path / "errors.csv")
    [row] = csv.DictReader(io.StringIO((tmp_path / "errors.csv").read_text("utf-8-sig")))
    assert row["DESCRIPTION"] == "xxxxx"


def test_what_waits_is_pulled_once_and_acknowledged_when_it_is_on_the_disk(
    client: Any, job: Job, tmp_path: Path
) -> None:
    id = job(export=True)
    client.records.create(
        "finops_customergroup", {"customergroupid": f"P{uuid4().hex[:6]}", "dataareaid": "usmf"}
    )
    for _ in range(2):
        exported(client, id)
    [first, second] = list(client.finops.connector.pull(id, tmp_path))
    assert first.path != second.path
    for pulled in (first, second):
        assert pulled.size == pulled.path.stat().st_size
        [data] = [each for each in unpack(pulled.path, tmp_path / pulled.path.stem) if each.suffix == ".csv"]
        assert b"CUSTOMERGROUPID" in data.read_bytes().upper()
    assert list(client.finops.connector.pull(id, tmp_path)) == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
        [JOURNAL, first.path.name, second.path.name]
    )


def exported(client: Any, job: str) -> None:
    answer = client.request(
        "POST", f"orgstead_datajobs({job})/Microsoft.Dynamics.CRM.orgstead_RunNow", json={}
    )
    [system_job] = [part for part in answer.content.decode().split('"') if part.count("-") == 4]
    while client.records.retrieve("asyncoperation", system_job, select=["statecode"])["statecode"] != 3:
        pass


def test_a_file_whose_acknowledgement_was_lost_is_not_received_twice(
    client: Any, job: Job, tmp_path: Path
) -> None:
    id = job(export=True)
    exported(client, id)
    message = client.finops.connector.dequeue(id)
    # As it is left by a program that ended between the download and the acknowledgement.
    client.finops.connector.download(message, tmp_path / "kept.zip")
    Received(tmp_path).add(message.key, "kept.zip")
    client.finops.connector.acknowledge(id, message)
    assert client.finops.connector.dequeue(id) is None
    assert Received(tmp_path).get(message.key) == "kept.zip"
    client.finops.connector.acknowledge(id, message)


def test_a_download_that_fails_leaves_nothing_and_nothing_is_acknowledged(
    client: Any, job: Job, tmp_path: Path
) -> None:
    id = job(export=True)
    exported(client, id)
    (tmp_path / "taken").mkdir()
    message = client.finops.connector.dequeue(id)
    with pytest.raises(OSError, match="taken"):
        client.finops.connector.download(message, tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    client.finops.connector.acknowledge(id, message)


def test_a_job_of_somebody_else_and_an_id_that_is_none(client: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        client.finops.connector.enqueue(str(uuid4()), b"x", entity=GROUPS)
    with pytest.raises(ConfigurationError):
        client.finops.connector.status("no id")
    with pytest.raises(NotFoundError):
        client.finops.connector.pushed_file(str(uuid4()), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_package_is_imported_over_blob_storage_and_exported_again(client: Any, tmp_path: Path) -> None:
    name = f"Groups {uuid4()}"
    path = tmp_path / "groups.zip"
    first, second = (f"C{uuid4().hex[:6]}" for _ in range(2))
    path.write_bytes(package_of(name, groups(first, second)))
    id = client.finops.packages.import_package(path, name, company="usmf")
    assert client.finops.packages.wait(id, seconds=60, every=0.2) == "Succeeded"
    assert client.finops.packages.errors(id) == []
    [status] = client.finops.packages.entity_statuses(id)
    assert '"TargetRecordsCreatedCount": 2' in status
    project = str(client.records.create("orgstead_dataproject", {"name": f"Out {name}"[:60], "operation": 2}))
    client.records.create(
        "orgstead_dataprojectentity",
        {
            "projectid@odata.bind": f"/orgstead_dataprojects({project})",
            "entityname": GROUPS,
            "sourceformat": 1,
        },
    )
    out = client.finops.packages.export(f"Out {name}"[:60], company="usmf")
    assert client.finops.packages.wait(out, seconds=60, every=0.2) == "Succeeded"
    size = client.finops.packages.download(out, tmp_path / "out.zip")
    assert size == (tmp_path / "out.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert f"Group {first}".encode() in archive.read(f"{GROUPS}.csv")


def test_files_of_errors_name_the_rows_that_failed_at_each_step(client: Any, tmp_path: Path) -> None:
    name = f"Wrong {uuid4()}"
    content = groups("D1") + b",no group\r\n" + b"TOOLONGFORAGROUP,long\r\n"
    path = tmp_path / "wrong.zip"
    path.write_bytes(package_of(name, content))
    id = client.finops.packages.import_package(path, name, company="usmf")
    assert client.finops.packages.wait(id, seconds=60, every=0.2) == "PartiallySucceeded"
    assert {error.record for error in client.finops.packages.errors(id)} == {"2", "3"}
    assert client.finops.packages.staging_errors(id, GROUPS, tmp_path / "staging.csv") > 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "staging.csv").read_text("utf-8-sig"))))
    assert {row["ROWNUMBER"] for row in rows} == {"2", "3"}
    assert client.finops.packages.target_errors(id, GROUPS, tmp_path / "keys.csv") == 0
    assert not (tmp_path / "keys.csv").exists()


def test_a_package_that_is_none_is_refused_before_anything_is_done(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "none.zip"
    path.write_bytes(b"no zip")
    with pytest.raises(ServiceError, match="no zip file"):
        client.finops.packages.import_package(path, f"None {uuid4()}")
    path.write_bytes(package("x", [("Martians", "Martians.csv", b"A\r\n1\r\n")]))
    with pytest.raises(ServiceError, match="Martians"):
        client.finops.packages.import_package(path, f"None {uuid4()}")


def test_rows_of_data_entities(client: Any) -> None:
    entities = client.finops.entities
    group = f"E{uuid4().hex[:6]}"
    made = entities.create(
        "CustomerGroups", {"dataAreaId": "usmf", "CustomerGroupId": group, "Description": "Ah"}
    )
    key = {"dataAreaId": "usmf", "CustomerGroupId": group}
    assert made["CustomerGroupId"] == group
    entities.update("CustomerGroups", key, {"Description": "Oh, it's new"})
    [row] = entities.rows("CustomerGroups", filter=f"CustomerGroupId eq '{group}'", cross_company=True)
    assert row["Description"] == "Oh, it's new"
    assert entities.count("CustomerGroups", filter=f"CustomerGroupId eq '{group}'", cross_company=True) == 1
    entities.delete("CustomerGroups", key)
    with pytest.raises(NotFoundError):
        entities.get("CustomerGroups", key)


@pytest.mark.parametrize("name", ["../out.csv", "/etc/out.csv", "a\\b.csv", "C:x.csv", "a/b.csv", ""])
def test_a_package_whose_names_lead_elsewhere_is_not_unpacked(tmp_path: Path, name: str) -> None:
    file = tmp_path / "bad.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("good.csv", b"x")
        archive.writestr(zipfile.ZipInfo(name or "."), b"x")
    with pytest.raises(ConfigurationError):
        unpack(file, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_what_was_received_is_known_after_a_line_was_cut_off(tmp_path: Path) -> None:
    Received(tmp_path).add("one", "1.zip")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b"tw")
    Received(tmp_path).add("three", "3.zip")
    found = Received(tmp_path)
    assert [found.get(key) for key in ("one", "two", "three")] == ["1.zip", None, "3.zip"]
