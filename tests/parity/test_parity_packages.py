"""The package API at /data: who may do what, what is made of a package, what is told of an execution."""

import csv
import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from orgstead.engine.context import SYSTEM
from orgstead.model.messages import Execute
from tests.finops_files import GROUPS, groups, package, package_of
from tests.parity.conftest import Answer, Clock, Web, opened
from tests.parity.test_parity_security import make_user

ORIGIN = "http://localhost:5365"
ACTIONS = f"{ORIGIN}/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
SECONDS = 60.0


def act(web: Web, action: str, **parameters: Any) -> Answer:
    return web.call("POST", f"{ACTIONS}{action}", parameters)


def told(web: Web, action: str, **parameters: Any) -> Any:
    answer = act(web, action, **parameters)
    assert answer.status == 200, answer.text
    return answer.json["value"]


def blob(web: Web, content: bytes | None, name: str = "in.zip") -> str:
    """The address of a blob with this content."""
    url: str = json.loads(told(web, "GetAzureWriteUrl", uniqueFileName=name))["BlobUrl"]
    if content is not None:
        put = web.client.put(url, content=content, headers={"x-ms-blob-type": "BlockBlob"})
        assert put.status_code == 201, put.text
    return url


def bring_in(web: Web, content: bytes, name: str, **more: Any) -> Answer:
    given = {"executionId": "", "execute": True, "overwrite": True, "legalEntityId": "usmf", **more}
    return act(web, "ImportFromPackage", packageUrl=blob(web, content), definitionGroupId=name, **given)


def ended(web: Web, execution: str) -> str:
    end = time.monotonic() + SECONDS
    while (status := told(web, "GetExecutionSummaryStatus", executionId=execution)) == "Executing":
        assert time.monotonic() < end
    return str(status)


def fetched(web: Web, url: str) -> bytes:
    answer = web.client.get(url)
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.fixture(scope="module", autouse=True)
def company(web: Web) -> None:
    web.make("finops_legalentities", legalentityid="usmf", name="Heron")


def test_a_package_makes_its_data_project_and_runs_it(web: Web) -> None:
    name = web.name("Project")
    execution = bring_in(web, package_of(name, groups("A1", "A2")), name).json["value"]
    assert execution.startswith(name)
    assert ended(web, execution) == "Succeeded"
    [project] = web.get(f"orgstead_dataprojects?$filter=name eq '{name}'").rows
    [entity] = web.get(
        f"orgstead_dataprojectentities?$filter=_projectid_value eq {project['orgstead_dataprojectid']}"
    ).rows
    assert (project["operation"], entity["entityname"], entity["sourceformat"]) == (1, GROUPS, 1)
    rows = web.get("finops_customergroups?$filter=startswith(customergroupid,'A')").rows
    assert {row["customergroupid"] for row in rows} == {"A1", "A2"}


def test_columns_of_a_package_are_mapped_by_its_manifest(web: Web) -> None:
    name = web.name("Project")
    content = package_of(name, groups("M1").replace(b"CUSTOMERGROUPID", b"GROUP"))
    maps = "".join(
        f"<EntityMap><EntityField>{field}</EntityField><XMLField>{column}</XMLField></EntityMap>"
        for column, field in (("GROUP", "CUSTOMERGROUPID"), ("DESCRIPTION", "DESCRIPTION"))
    )
    content = remade(
        content, lambda text: text.replace("<EntityMapList/>", f"<EntityMapList>{maps}</EntityMapList>")
    )
    execution = bring_in(web, content, name).json["value"]
    assert ended(web, execution) == "Succeeded"
    assert len(web.get("finops_customergroups?$filter=customergroupid eq 'M1'").rows) == 1


def remade(content: bytes, change: Callable[[str], str]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data.decode()) if name == "Manifest.xml" else data)
    return made.getvalue()


def test_without_execute_rows_stay_in_staging(web: Web) -> None:
    name = web.name("Project")
    execution = bring_in(web, package_of(name, groups("S1")), name, execute=False, executionId=name).json[
        "value"
    ]
    assert execution == name
    assert ended(web, execution) == "Succeeded"
    [status] = map(json.loads, told(web, "GetEntityExecutionSummaryStatusList", executionId=execution))
    assert (status["StagingRecordsCount"], status["TargetStatus"]) == (1, "NotRun")
    assert web.get("finops_customergroups?$filter=customergroupid eq 'S1'").rows == []
    again = bring_in(web, package_of(name, groups("S1")), name, executionId=name)
    assert (again.status, name in again.text) == (400, True)


def test_files_of_errors_tell_the_two_steps_apart(web: Web) -> None:
    name = web.name("Project")
    lines = b"SALESORDERNUMBER,INVENTORYLOTID\r\nNOORDER,L1\r\n" + b"x" * 2000 + b",L2\r\n"
    content = package(name, [(GROUPS, "g.csv", groups("E1")), ("Sales order lines", "l.csv", lines)])
    execution = bring_in(web, content, name).json["value"]
    assert ended(web, execution) == "PartiallySucceeded"
    errors = json.loads(told(web, "GetExecutionErrors", executionId=execution))
    assert sorted(each["RecordId"] for each in errors) == ["1", "2"]
    of = {"executionId": execution, "entityName": "Sales order lines"}
    assert told(web, "GetImportTargetErrorKeysFileUrl", **of) == ""
    staging = rows_of(fetched(web, told(web, "GetImportStagingErrorFileUrl", **of)))
    assert [row["INVENTORYLOTID"] for row in staging] == ["L2"]
    assert told(web, "GenerateImportTargetErrorKeysFile", **of) is True
    keys = rows_of(fetched(web, told(web, "GetImportTargetErrorKeysFileUrl", **of)))
    assert [(row["InventoryLotId"], row["ROWNUMBER"]) for row in keys] == [("L1", "1")]
    nothing = {**of, "entityName": GROUPS}
    assert told(web, "GetImportStagingErrorFileUrl", **nothing) == ""
    assert told(web, "GenerateImportTargetErrorKeysFile", **nothing) is False


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def exporting(web: Web) -> str:
    name = web.name("Out")
    project = web.make("orgstead_dataprojects", name=name, operation=2)
    web.make(
        "orgstead_dataprojectentities",
        **{
            "entityname": GROUPS,
            "projectid@odata.bind": f"orgstead_dataprojects({project})",
            "sourceformat": 1,
        },
    )
    return name


def test_an_export_is_run_again_under_its_own_id(web: Web) -> None:
    name = exporting(web)
    given = {"definitionGroupId": name, "packageName": "groups", "legalEntityId": "usmf"}
    first = told(web, "ExportToPackage", **given, executionId="", reExecute=False)
    assert ended(web, first) == "Succeeded"
    url = told(web, "GetExportedPackageUrl", executionId=first)
    assert urlsplit(url).path.endswith("-groups.zip")
    assert fetched(web, url)[:2] == b"PK"
    taken = act(web, "ExportToPackage", **given, executionId=first, reExecute=False)
    assert taken.status == 400
    assert told(web, "ExportToPackageAsync", **given, executionId=first, reExecute=True) == first
    assert ended(web, first) == "Succeeded"
    assert len(told(web, "GetEntityExecutionSummaryStatusList", executionId=first)) == 1


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("ExportToPackage", {"definitionGroupId": "none", "legalEntityId": "usmf"}),
        ("GetExecutionSummaryStatus", {"executionId": "none"}),
        ("GetExecutionErrors", {"executionId": ""}),
        ("GetExportedPackageUrl", {"executionId": "x" * 500}),
        ("GetImportStagingErrorFileUrl", {"executionId": "none", "entityName": GROUPS}),
        ("GetAzureWriteUrl", {}),
        (
            "ImportFromPackage",
            {"packageUrl": "x", "definitionGroupId": "x", "execute": "yes", "overwrite": True},
        ),
    ],
)
def test_what_is_not_there_or_not_said_is_a_bad_request(
    web: Web, action: str, parameters: dict[str, Any]
) -> None:
    answer = act(web, action, **parameters)
    assert answer.status == 400, answer.text
    assert answer.json["error"]["innererror"]["message"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no zip", "no zip file"),
        (package("x", [("Martians", "m.csv", b"A\r\n")]), "Martians"),
        (package("x", [(GROUPS, "g.csv", groups("X1"))], "Fixed width"), "Fixed width"),
        (package("x", [(GROUPS, "g.csv", groups("X1")), (GROUPS, "../h.csv", b"x")]), "not allowed"),
    ],
)
def test_a_package_that_cannot_be_used_changes_nothing(web: Web, content: bytes, reason: str) -> None:
    name = web.name("Project")
    answer = bring_in(web, content, name)
    assert answer.status == 400
    assert reason in answer.text
    assert web.get(f"orgstead_dataprojects?$filter=name eq '{name}'").rows == []


def test_who_operates_data_management_imports_and_nobody_else_nor_out_of_somebody_elses_blob(
    web: Web,
) -> None:
    unit = web.get("businessunits?$select=businessunitid&$top=1").rows[0]["businessunitid"]
    [role] = web.get("roles?$filter=name eq 'Data management operations user'&$select=roleid").rows
    [viewer] = web.get("roles?$filter=name eq 'Data management viewer'&$select=roleid").rows
    operator = make_user(web, unit, role["roleid"])

    def asked(user: str, action: str, **parameters: Any) -> Answer:
        return web.call("POST", f"{ACTIONS}{action}", parameters, mscrmcallerid=user)

    name = web.name("Project")
    given = {"definitionGroupId": name, "executionId": name, "execute": True, "overwrite": True}
    mine = blob(web, package_of("x", groups("R1")))
    assert asked(operator, "ImportFromPackage", packageUrl=mine, **given).status == 404
    theirs = json.loads(asked(operator, "GetAzureWriteUrl", uniqueFileName="x.zip").json["value"])["BlobUrl"]
    web.client.put(theirs, content=package_of("x", groups("R1")), headers={"x-ms-blob-type": "BlockBlob"})
    for nobody in (make_user(web, unit), make_user(web, unit, viewer["roleid"])):
        assert asked(nobody, "ImportFromPackage", packageUrl=theirs, **given).status == 403
        assert asked(nobody, "GetAzureWriteUrl", uniqueFileName="x").status == 403
    answer = asked(operator, "ImportFromPackage", packageUrl=theirs, legalEntityId="usmf", **given)
    assert answer.status == 200, answer.text
    assert ended(web, name) == "Succeeded"


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_an_address_ends_after_an_hour_and_a_blob_after_a_week(
    database: str, tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> None:
    clock = Clock()
    with opened(database, tmp_path_factory, new_postgres_database, clock=clock) as web:
        web.make("finops_legalentities", legalentityid="usmf", name="Heron")
        url = blob(web, b"x")
        clock.now += 3601
        assert web.client.put(url, content=b"y", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 403
        web.sign_in()
        name = exporting(web)
        execution = told(web, "ExportToPackage", definitionGroupId=name, legalEntityId="usmf")
        assert ended(web, execution) == "Succeeded"
        assert told(web, "GetExportedPackageUrl", executionId=execution)
        clock.now += 8 * 86_400
        web.sign_in()
        assert web.organisation is not None
        web.organisation.engine.run([Execute(name="SweepFiles")], SYSTEM)
        assert told(web, "GetExportedPackageUrl", executionId=execution) == ""


def test_an_action_that_is_not_here_is_named(web: Web) -> None:
    answer = act(web, "ExportToPackagePreview", definitionGroupId="x")
    assert answer.status == 404
    assert "ExportToPackagePreview" in answer.text
