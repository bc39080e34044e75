"""Files through the connector of Finance and Operations: what is taken, what becomes of it, what can be seen of it."""

import csv
import io
import json
import time
import zipfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from orgstead.engine.callers import load_caller
from orgstead.engine.ids import new_id
from orgstead.identity.development import CLIENT_ID
from orgstead.model.messages import Execute
from orgstead.wire.finops.files.manifest import FieldMap, Manifest, PackageEntity
from orgstead.wire.finops.files.package import write_package
from tests.parity.conftest import Answer, Clock, Web, opened
from tests.parity.test_parity_security import make_user

ENTITY = "Demand forecast entries"
COMPANY = "usmf"
HEADER = ("FORECASTENTRYNUMBER", "FORECASTMODELID", "ITEMNUMBER", "FORECASTSTARTDATE", "FORECASTEDQUANTITY")
ENDED = {5, 6, 7, 8}
NAMES = (
    "Enqueued", "Dequeued", "Acked", "Preprocessing", "Processing", "Processed", "PreProcessingError",
    "ProcessedWithErrors", "PostProcessingFailed",
)  # fmt: skip
SECONDS = 60.0


def table(*rows: tuple[Any, ...], header: tuple[str, ...] = HEADER) -> bytes:
    """A CSV file."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode()


def forecasts(prefix: str, count: int, quantity: Any = 5) -> bytes:
    """Rows of demand forecast entries."""
    return table(*((f"{prefix}-{n}", "Current", f"A{n}", "2026-03-01", quantity) for n in range(count)))


class Exchange:
    """A recurring data job with its data project, and what a client does with it."""

    def __init__(
        self, web: Web, *, entity: str = ENTITY, project: dict[str, Any] | None = None, **job: Any
    ) -> None:
        self.web = web
        operation = job.get("operation", 1)
        self.project = web.make("orgstead_dataprojects", name=web.name("Project"), operation=operation)
        self.part = web.make(
            "orgstead_dataprojectentities",
            **{
                "entityname": entity,
                "projectid@odata.bind": f"orgstead_dataprojects({self.project})",
                "sourceformat": 1,
                **(project or {}),
            },
        )
        self.entity = entity
        values = {"name": web.name("Job"), "applicationid": CLIENT_ID, "operation": 1, **job}
        self.job = web.make(
            "orgstead_datajobs",
            **values,
            **{"projectid@odata.bind": f"orgstead_dataprojects({self.project})"},
        )

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """A request to the connector."""
        return self.web.call(method, f"{ORIGIN}/api/connector/{path}", body, **headers)

    def enqueue(self, body: bytes, query: str | None = None, **headers: str) -> Answer:
        """Send a file."""
        asked = f"entity={self.entity.replace(' ', '%20')}&company={COMPANY}" if query is None else query
        return self.ask(
            "POST", f"enqueue/%7B{self.job.upper()}%7D?{asked}", body, content_type="text/csv", **headers
        )

    def sent(self, body: bytes, query: str | None = None) -> str:
        """The id of the message that a file became."""
        answer = self.enqueue(body, query)
        assert answer.status == 200, answer.text
        id: str = answer.json
        return id

    def message(self, id: str) -> dict[str, Any]:
        """The row of a message."""
        row: dict[str, Any] = self.web.get(f"orgstead_datamessages({id})").json
        return row

    def ended(self, id: str) -> dict[str, Any]:
        """The row of a message once nothing more becomes of it."""
        end = time.monotonic() + SECONDS
        while (row := self.message(id))["messagestatus"] not in ENDED:
            assert time.monotonic() < end, row
        return row

    def became(self, id: str) -> str:
        """The name of the last status of a message."""
        return NAMES[self.ended(id)["messagestatus"]]

    def parts(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """What an execution has done, by entity."""
        return self.web.get(
            f"orgstead_dataexecutionentities?$filter=_executionid_value eq {row['_executionid_value']}"
        ).rows

    def staging(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """The staging rows of a message about one entity."""
        (part,) = self.parts(row)
        id = part["orgstead_dataexecutionentityid"]
        return self.web.get(f"orgstead_stagingrows?$filter=executionentityid eq {id}&$orderby=rownumber").rows

    def errors(self, id: str) -> list[dict[str, str]]:
        """The error file of a message."""
        answer = self.ask("GET", f"errors/{id}")
        assert answer.status == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))


ORIGIN = "http://localhost:5365"


def written(web: Web, prefix: str) -> dict[str, dict[str, Any]]:
    """The demand forecast entries whose numbers begin like this."""
    rows = web.get(
        f"finops_demandforecastentries?$filter=startswith(forecastentrynumber,'{prefix}-')&$orderby=forecastentrynumber"
    ).rows
    return {row["forecastentrynumber"]: row for row in rows}


@pytest.fixture(scope="module", autouse=True)
def company(web: Web) -> None:
    """The company that files are for."""
    web.make("finops_legalentities", legalentityid=COMPANY, name="Contoso")


# -- taking files ------------------------------------------------------------------------------------------------------
def test_a_file_is_acknowledged_by_an_id_and_ends_processed_in_its_table(web: Web) -> None:
    exchange = Exchange(web)
    id = exchange.sent(forecasts("A", 3))
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "Processed"
    assert (row["recordcount"], row["errorcount"], row["entityname"], row["company"]) == (
        3,
        0,
        ENTITY,
        COMPANY,
    )
    assert row["filesize"] == len(forecasts("A", 3))
    for moment in ("enqueuedon", "preprocessingon", "processingon", "completedon"):
        assert row[moment] is not None
    found = written(web, "A")
    assert list(found) == ["A-0", "A-1", "A-2"]
    assert found["A-1"]["dataareaid"] == COMPANY
    assert (found["A-1"]["forecaststartdate"], found["A-1"]["forecastedquantity"]) == ("2026-03-01", 5)


def test_what_was_sent_can_be_had_again_byte_by_byte(web: Web) -> None:
    exchange = Exchange(web)
    data = b"\x00\x01nothing that fits\xff" * 300_000
    id = exchange.sent(data)
    assert exchange.became(id) == "PreProcessingError"
    headers = {"authorization": f"Bearer {web.token}"}
    answer = web.client.get(f"/api/connector/file/{id}", headers=headers)
    assert answer.status_code == 200
    assert answer.content == data


def test_a_file_may_be_for_the_company_of_its_job_and_carries_an_identifier_of_the_clients(web: Web) -> None:
    exchange = Exchange(web, company=COMPANY)
    answer = exchange.enqueue(
        forecasts("B", 1), f"entity={ENTITY.replace(' ', '%20')}", x_ms_dyn_externalidentifier="order 7"
    )
    row = exchange.ended(answer.json)
    assert (row["externalidentifier"], row["company"]) == ("order 7", COMPANY)
    assert written(web, "B")["B-0"]["dataareaid"] == COMPANY


def test_an_entity_goes_by_each_of_its_names(web: Web) -> None:
    exchange = Exchange(web)
    for place, name in enumerate(
        ("DemandForecastEntries", "demandforecastentry", "DEMAND%20FORECAST%20ENTRIES")
    ):
        answer = exchange.enqueue(forecasts(f"N{place}", 1), f"entity={name}&company={COMPANY}")
        assert answer.status == 200, answer.text
        assert exchange.ended(answer.json)["entityname"] == ENTITY


@pytest.mark.parametrize(
    ("change", "query", "status"),
    [
        ({"applicationid": "11111111-1111-4111-8111-111111111111"}, None, 403),
        ({"isauthorized": False}, None, 403),
        ({"isactive": False}, None, 400),
        ({"operation": 2}, None, 400),
        ({}, "entity=Customers%20V3&company=usmf", 400),
        ({}, "company=usmf", 400),
        ({}, "entity=Demand%20forecast%20entries&company=none", 400),
    ],
)
def test_what_a_job_is_not_for_is_refused_and_nothing_of_it_is_kept(
    web: Web, change: dict[str, Any], query: str | None, status: int
) -> None:
    exchange = Exchange(web)
    if change:
        assert web.call("PATCH", f"orgstead_datajobs({exchange.job})", change).status == 204
    before = web.get("orgstead_datamessages?$count=true&$top=1").json["@odata.count"]
    answer = exchange.enqueue(forecasts("C", 1), query)
    assert answer.status == status, answer.text
    assert answer.json["error"]["message"]
    assert web.get("orgstead_datamessages?$count=true&$top=1").json["@odata.count"] == before


def test_nobody_sends_files_without_a_token_or_by_a_job_that_is_not_there(web: Web) -> None:
    exchange = Exchange(web)
    assert exchange.enqueue(b"x", authorization="").status == 401
    assert exchange.ask("POST", "enqueue/no-guid?entity=x", b"x").status == 404
    exchange.job = "00000000-0000-4000-8000-000000000000"
    assert exchange.enqueue(b"x").status == 404
    assert exchange.ask("GET", f"enqueue/{exchange.job}").status == 405
    assert exchange.ask("GET", f"nothing/{exchange.job}").status == 404


def test_whoever_may_not_write_an_entity_gets_errors_and_no_rows(web: Web) -> None:
    exchange = Exchange(web)
    assert web.organisation is not None
    engine = web.organisation.engine
    root = web.get("businessunits?$filter=_parentbusinessunitid_value eq null").rows[0]["businessunitid"]
    user = make_user(web, root)
    with engine.store.read() as unit:
        caller = load_caller(unit, engine.schema, user_id=user)
    assert caller is not None
    data, key = forecasts("D", 3), new_id()
    engine.blobs.put(key, data)
    given = {
        "Job": exchange.job, "Application": CLIENT_ID, "Entity": ENTITY, "Company": COMPANY,
        "Pieces": [(key, len(data))],
    }  # fmt: skip
    (result,) = engine.run([Execute(name="EnqueueDataMessage", parameters=given)], caller)
    row = exchange.ended(result.value)
    assert NAMES[row["messagestatus"]] == "ProcessedWithErrors"
    assert row["errorcount"] == 3
    assert "privilege" in exchange.errors(result.value)[0]["ErrorMessage"]
    assert written(web, "D") == {}
    # Nor does anybody see messages who may not read them.
    assert exchange.ask("GET", f"file/{result.value}").status == 200
    assert web.get(f"orgstead_datamessages({result.value})", mscrmcallerid=user).status == 403


def test_the_status_of_a_message_is_asked_by_its_id(web: Web) -> None:
    exchange = Exchange(web)
    id = exchange.sent(forecasts("Q", 1))
    row = exchange.ended(id)
    answers = {}
    for name in ("GetMessageStatus", "GetExecutionIdByMessageId"):
        path = f"{ORIGIN}/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{name}"
        answer = web.call("POST", path, {"messageId": id.upper()})
        assert answer.status == 200, answer.text
        answers[name] = answer.json["value"]
        assert web.call("POST", path, {"messageId": "nothing"}).status == 404
    execution = web.get(f"orgstead_dataexecutions({row['_executionid_value']})").json
    assert answers == {"GetMessageStatus": "Processed", "GetExecutionIdByMessageId": execution["name"]}


# -- what is wrong with files ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"NOTHING,OF,IT\r\n1,2,3\r\n", "no field"),
        (b"FORECASTENTRYNUMBER\r\nE-1\r\n", "mandatory"),
        (b"FORECASTENTRYNUMBER,FORECASTENTRYNUMBER\r\n1,2\r\n", "twice"),
        (b"FORECASTMODELID\r\n\xff\xfe\xfa\r\n", ""),
        (table(("E-2", "Current", "A", "no date", 1)), "No row"),
        (b'FORECASTENTRYNUMBER,FORECASTMODELID,FORECASTSTARTDATE\r\n"E-3', ""),
    ],
    ids=["empty", "other columns", "a mandatory one missing", "a column twice", "encoding", "no row fits", "cut off"],
)  # fmt: skip
def test_a_file_that_cannot_be_read_changes_no_row_and_says_why(web: Web, data: bytes, said: str) -> None:
    exchange = Exchange(web)
    id = exchange.sent(data)
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "PreProcessingError"
    assert said.lower() in row["errormessage"].lower()
    assert exchange.errors(id)[0]["ErrorMessage"] == row["errormessage"]
    assert written(web, "E") == {}


def test_wrong_rows_are_left_out_each_with_its_reason(web: Web) -> None:
    exchange = Exchange(web)
    long = "x" * 200
    data = table(
        ("F-0", "Current", "A", "2026-03-01", 1),
        ("F-1", "Current", "A", "2026-13-01", 1),
        ("F-2", "Current", "A", "2026-03-01", "many"),
        ("F-3", long, "A", "2026-03-01", 1),
        ("F-4", "", "A", "2026-03-01", 1),
        ("F-5", "Current", "A", "3/1/2026", "1.25"),
    )
    id = exchange.sent(data)
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "ProcessedWithErrors"
    assert (row["recordcount"], row["errorcount"]) == (6, 4)
    found = written(web, "F")
    assert list(found) == ["F-0", "F-5"]
    assert (found["F-5"]["forecaststartdate"], found["F-5"]["forecastedquantity"]) == ("2026-03-01", 1.25)
    errors = exchange.errors(id)
    assert [each["RowNumber"] for each in errors] == ["2", "3", "4", "5"]
    assert [each["FORECASTENTRYNUMBER"] for each in errors] == ["F-1", "F-2", "F-3", "F-4"]
    assert all(each["ErrorMessage"] for each in errors)
    staged = exchange.staging(row)
    assert [each["transferstatus"] for each in staged] == [1, 2, 2, 2, 2, 1]
    (part,) = exchange.parts(row)
    assert (part["stagingrecords"], part["stagingerrors"], part["createdrecords"]) == (6, 4, 2)


def test_rows_are_updated_by_their_keys_and_the_last_of_two_in_a_file_stands(web: Web) -> None:
    exchange = Exchange(web)
    assert exchange.became(exchange.sent(forecasts("G", 3, 1))) == "Processed"
    before = written(web, "G")
    data = table(
        ("g-1", "Current", "A", "2026-03-01", 7),
        ("G-1", "Other", "A", "2026-03-01", 8),
        ("G-9", "Current", "A", "2026-03-01", 9),
        ("G-9", "Current", "A", "2026-03-01", 10),
    )
    row = exchange.ended(exchange.sent(data))
    assert NAMES[row["messagestatus"]] == "Processed"
    found = written(web, "G")
    assert {number: each["forecastedquantity"] for number, each in found.items()} == {
        "G-0": 1, "G-1": 8, "G-2": 1, "G-9": 10,
    }  # fmt: skip
    id = "finops_demandforecastentryid"
    assert found["G-1"][id] == before["G-1"][id]
    (part,) = exchange.parts(row)
    assert (part["createdrecords"], part["updatedrecords"]) == (1, 3)


def test_rows_without_a_number_get_one(web: Web) -> None:
    exchange = Exchange(web)
    data = table(("Current", "H", "2026-03-01", 1), ("Current", "H", "2026-03-01", 2), header=HEADER[1:])
    assert exchange.became(exchange.sent(data)) == "Processed"
    rows = web.get("finops_demandforecastentries?$filter=itemnumber eq 'H'").rows
    numbers = {row["forecastentrynumber"] for row in rows}
    assert len(numbers) == 2
    assert None not in numbers


def test_a_row_of_another_company_is_wrong(web: Web) -> None:
    exchange = Exchange(web)
    data = table(("I-0", "Current", "A", "2026-03-01", 1, "USMF"), ("I-1", "Current", "A", "2026-03-01", 1, "demf"),
                 header=(*HEADER, "DATAAREAID"))  # fmt: skip
    id = exchange.sent(data)
    assert exchange.became(id) == "ProcessedWithErrors"
    (error,) = exchange.errors(id)
    assert "demf" in error["ErrorMessage"]
    assert list(written(web, "I")) == ["I-0"]


def test_wrong_rows_are_tried_again_when_what_they_need_is_there(web: Web) -> None:
    exchange = Exchange(web)
    data = table(("J-0", "Current", "A", "2026-03-01", 1), ("J-1", "Current", "A", "not yet", 1))
    id = exchange.sent(data)
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "ProcessedWithErrors"
    wrong = exchange.staging(row)[1]
    mended = (
        wrong["sourcevalues"]
        .replace("not yet", "2026-05-01")
        .replace('FORECASTEDQUANTITY":"1"', 'FORECASTEDQUANTITY":1')
    )
    path = f"orgstead_stagingrows({wrong['orgstead_stagingrowid']})"
    assert web.call("PATCH", path, {"sourcevalues": mended}).status == 204
    again = web.call("POST", f"orgstead_datamessages({id})/Microsoft.Dynamics.CRM.orgstead_RunAgain", {})
    assert again.json["Rows"] == 1, again.text
    assert exchange.became(id) == "Processed"
    assert written(web, "J")["J-1"]["forecaststartdate"] == "2026-05-01"
    refused = web.call("POST", f"orgstead_datamessages({id})/Microsoft.Dynamics.CRM.orgstead_RunAgain", {})
    assert refused.status == 400


def test_columns_are_mapped_to_fields_of_other_names(web: Web) -> None:
    mapping = (
        '{"No": "ForecastEntryNumber", "Model": "ForecastModelId", "Day": "ForecastStartDate", "Note": ""}'
    )
    exchange = Exchange(web, project={"fieldmapping": mapping})
    data = table(("K-1", "Current", "2026-03-01", "ignored"), header=("no", "model", "day", "note"))
    assert exchange.became(exchange.sent(data)) == "Processed"
    assert list(written(web, "K")) == ["K-1"]


def test_what_follows_an_import_may_fail_and_the_message_says_so(web: Web) -> None:
    exchange = Exchange(web, project={"posttargetprocess": "new_NotThere"})
    id = exchange.sent(forecasts("L", 1))
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "PostProcessingFailed"
    assert "new_NotThere" in row["errormessage"]
    assert list(written(web, "L")) == ["L-0"]


def test_messages_are_processed_in_the_order_in_which_they_came(web: Web) -> None:
    exchange = Exchange(web, processinorder=True)
    ids = [exchange.sent(forecasts("M", 20, quantity)) for quantity in range(8)]
    assert [exchange.became(id) for id in ids] == ["Processed"] * 8
    assert {row["forecastedquantity"] for row in written(web, "M").values()} == {7}


# -- fetching files ----------------------------------------------------------------------------------------------------
def exported(exchange: Exchange) -> None:
    """Run an export to its end."""
    answer = exchange.web.call(
        "POST", f"orgstead_datajobs({exchange.job})/Microsoft.Dynamics.CRM.orgstead_RunNow", {}
    )
    assert answer.status == 200, answer.text
    row = exchange.web.ended(answer.json["AsyncOperationId"])
    assert row["statuscode"] == 30, row


def fetched(exchange: Exchange, lent: dict[str, Any]) -> zipfile.ZipFile:
    """The package of a loan."""
    headers = {"authorization": f"Bearer {exchange.web.token}"}
    answer = exchange.web.client.get(lent["DownloadLocation"], headers=headers)
    assert answer.status_code == 200, answer.text
    return zipfile.ZipFile(io.BytesIO(answer.content))


def rows_of(package: zipfile.ZipFile) -> list[dict[str, str]]:
    """The rows of the one entity of a package."""
    (name,) = [name for name in package.namelist() if name.endswith(".csv")]
    return list(csv.DictReader(io.StringIO(package.read(name).decode("utf-8-sig"))))


def test_an_export_is_enqueued_dequeued_and_acknowledged(web: Web) -> None:
    assert Exchange(web).became(Exchange(web).sent(forecasts("N", 3))) == "Processed"
    exchange = Exchange(web, operation=2, company=COMPANY)
    assert exchange.ask("GET", f"dequeue/{exchange.job}").status == 204
    exported(exchange)
    (row,) = web.get(f"orgstead_datamessages?$filter=_jobid_value eq {exchange.job}").rows
    assert NAMES[row["messagestatus"]] == "Enqueued"
    lent = exchange.ask("GET", f"dequeue/{exchange.job}").json
    assert set(lent) == {
        "CorrelationId", "PopReceipt", "DownloadLocation", "IsDownLoadFileExist", "FileDownLoadErrorMessage",
        "LastDequeueDateTime",
    }  # fmt: skip
    assert lent["IsDownLoadFileExist"] is True
    assert lent["LastDequeueDateTime"] is None
    id = row["orgstead_datamessageid"]
    assert NAMES[exchange.message(id)["messagestatus"]] == "Dequeued"
    assert exchange.ask("GET", f"dequeue/{exchange.job}").status == 204
    package = fetched(exchange, lent)
    assert {"Manifest.xml", "PackageHeader.xml"} <= set(package.namelist())
    found = {row["FORECASTENTRYNUMBER"]: row for row in rows_of(package)}
    assert found["N-1"]["FORECASTSTARTDATE"] == "2026-03-01"
    assert exchange.ask("POST", f"ack/{exchange.job}", json.dumps(lent).encode()).status == 200
    assert exchange.ask("POST", f"ack/{exchange.job}", json.dumps(lent).encode()).status == 200
    row = exchange.message(id)
    assert NAMES[row["messagestatus"]] == "Acked"
    assert row["ackedon"] is not None
    assert exchange.ask("GET", f"dequeue/{exchange.job}").status == 204


def test_what_is_not_acknowledged_comes_back_and_an_old_receipt_is_worth_nothing(
    tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> None:
    clock = Clock()
    for database in ("sqlite", "postgres"):
        with opened(database, tmp_path_factory, new_postgres_database, clock=clock) as web:
            exchange = Exchange(web, operation=2, preventuploadwhenzero=True)
            exported(exchange)
            first = exchange.ask("GET", f"dequeue/{exchange.job}").json
            assert first["IsDownLoadFileExist"] is False
            assert first["FileDownLoadErrorMessage"]
            clock.now += 29 * 60
            web.sign_in()
            assert exchange.ask("GET", f"dequeue/{exchange.job}").status == 204
            clock.now += 2 * 60
            second = exchange.ask("GET", f"dequeue/{exchange.job}").json
            assert second["LastDequeueDateTime"] is not None
            assert second["CorrelationId"] != first["CorrelationId"]
            assert exchange.ask("POST", f"ack/{exchange.job}", json.dumps(first).encode()).status == 404
            stale = {**second, "PopReceipt": first["PopReceipt"]}
            assert exchange.ask("POST", f"ack/{exchange.job}", json.dumps(stale).encode()).status == 400
            assert exchange.ask("POST", f"ack/{exchange.job}", json.dumps(second).encode()).status == 200


def test_a_message_is_acknowledged_by_its_id_alone(web: Web) -> None:
    exchange = Exchange(web, operation=2)
    exported(exchange)
    assert exchange.ask("GET", f"dequeue/{exchange.job}").status == 200
    (row,) = web.get(f"orgstead_datamessages?$filter=_jobid_value eq {exchange.job}").rows
    body = json.dumps({"MessageId": row["orgstead_datamessageid"]}).encode()
    assert exchange.ask("POST", f"ack/{exchange.job}", body).status == 200
    for bad in (b"{", b"[]", b"{}", b'{"CorrelationId": 1}', b"nothing"):
        assert exchange.ask("POST", f"ack/{exchange.job}", bad).status == 400
    other = Exchange(web, operation=2)
    assert other.ask("POST", f"ack/{other.job}", body).status == 404


def test_an_incremental_export_has_what_has_changed_since_the_last_one(web: Web) -> None:
    importing = Exchange(web)
    assert importing.became(importing.sent(forecasts("O", 3))) == "Processed"
    exchange = Exchange(web, operation=2, project={"refreshtype": 1}, company=COMPANY)

    def numbers() -> list[str]:
        exported(exchange)
        lent = exchange.ask("GET", f"dequeue/{exchange.job}").json
        found = [row["FORECASTENTRYNUMBER"] for row in rows_of(fetched(exchange, lent))]
        assert exchange.ask("POST", f"ack/{exchange.job}", json.dumps(lent).encode()).status == 200
        return sorted(number for number in found if number.startswith("O-"))

    assert numbers() == ["O-0", "O-1", "O-2"]
    assert numbers() == []
    assert importing.became(importing.sent(forecasts("O", 2, 77))) == "Processed"
    assert numbers() == ["O-0", "O-1"]


def test_a_package_that_was_exported_can_be_imported(web: Web) -> None:
    importing = Exchange(web)
    assert importing.became(importing.sent(forecasts("P", 2))) == "Processed"
    exchange = Exchange(web, operation=2, company=COMPANY)
    exported(exchange)
    lent = exchange.ask("GET", f"dequeue/{exchange.job}").json
    headers = {"authorization": f"Bearer {web.token}"}
    data = web.client.get(lent["DownloadLocation"], headers=headers).content
    packages = Exchange(web, datasource=2)
    row = packages.ended(packages.sent(data, f"company={COMPANY}"))
    assert NAMES[row["messagestatus"]] == "Processed", row["errormessage"]
    assert (
        packages.became(packages.sent(data[: len(data) // 2], f"company={COMPANY}")) == "PreProcessingError"
    )


def test_a_recurring_export_runs_again_when_its_time_has_come(
    tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> None:
    clock = Clock()
    with opened("sqlite", tmp_path_factory, new_postgres_database, clock=clock) as web:
        exchange = Exchange(web, operation=2, recurrenceminutes=10)
        path = f"orgstead_datajobs({exchange.job})"
        first = web.get(path).json["_systemjobid_value"]
        clock.now += 601
        web.sign_in()
        row = web.ended(first)
        assert row["statuscode"] == 30, row
        assert len(web.get(f"orgstead_datamessages?$filter=_jobid_value eq {exchange.job}").rows) == 1
        second = web.get(path).json["_systemjobid_value"]
        assert second not in (None, first)
        assert web.call("PATCH", path, {"isactive": False}).status == 204
        assert web.get(path).json["_systemjobid_value"] is None


# -- how a data project has it -----------------------------------------------------------------------------------------
def test_without_staging_rows_go_straight_to_their_table_and_only_wrong_ones_are_kept(web: Web) -> None:
    exchange = Exchange(web, project={"skipstaging": True})
    data = table(
        ("R-0", "Current", "A", "2026-03-01", 1),
        ("R-1", "Current", "A", "never", 1),
        ("R-2", "Current", "A", "2026-03-01", 1),
    )
    id = exchange.sent(data)
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "ProcessedWithErrors"
    assert (row["recordcount"], row["errorcount"]) == (3, 1)
    assert list(written(web, "R")) == ["R-0", "R-2"]
    assert [each["rownumber"] for each in exchange.staging(row)] == [2]
    assert exchange.became(exchange.sent(b"OTHER\r\n1\r\n")) == "PreProcessingError"


def test_a_project_may_empty_an_entity_and_its_staging_before_it_writes(web: Web) -> None:
    web.make("finops_legalentities", legalentityid="zap", name="Zap")
    asked = f"entity={ENTITY.replace(' ', '%20')}&company=zap"
    exchange = Exchange(web, project={"truncateentity": True, "truncatestaging": True})
    first = exchange.ended(exchange.sent(forecasts("S", 3), asked))
    kept = Exchange(web)
    assert kept.became(kept.sent(forecasts("S-K", 1))) == "Processed"
    second = exchange.ended(exchange.sent(forecasts("S", 1), asked))
    assert [NAMES[row["messagestatus"]] for row in (first, second)] == ["Processed"] * 2
    assert list(written(web, "S")) == ["S-0", "S-K-0"]
    assert (exchange.staging(first), len(exchange.staging(second))) == ([], 1)


def test_xml_goes_through_a_style_sheet_and_a_style_sheet_reads_no_file(web: Web) -> None:
    sheet = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
    <xsl:template match="/"><Document><xsl:for-each select="//f"><F>
    <FORECASTENTRYNUMBER><xsl:value-of select="@n"/></FORECASTENTRYNUMBER>
    <FORECASTMODELID>Current</FORECASTMODELID><FORECASTSTARTDATE>2026-03-01</FORECASTSTARTDATE>
    </F></xsl:for-each></Document></xsl:template></xsl:stylesheet>"""
    exchange = Exchange(web, project={"sourceformat": 2, "xslt": sheet})
    assert exchange.became(exchange.sent(b"<all><f n='T-1'/><f n='T-2'/></all>")) == "Processed"
    assert list(written(web, "T")) == ["T-1", "T-2"]
    reading = sheet.replace('select="//f"', "select=\"document('/etc/passwd')//*\"")
    exchange = Exchange(web, project={"sourceformat": 2, "xslt": reading})
    row = exchange.ended(exchange.sent(b"<all><f n='T-3'/></all>"))
    assert NAMES[row["messagestatus"]] in ("PreProcessingError", "Processed")
    assert "T-3" not in written(web, "T")
    assert "root:" not in json.dumps(row)


def test_a_composite_file_is_refused_by_its_name(web: Web) -> None:
    exchange = Exchange(web, project={"sourceformat": 2})
    data = b"<d><F><FORECASTENTRYNUMBER>V-1</FORECASTENTRYNUMBER><L><ITEM>1</ITEM></L></F></d>"
    row = exchange.ended(exchange.sent(data))
    assert NAMES[row["messagestatus"]] == "PreProcessingError"
    assert "composite" in row["errormessage"]


def test_a_package_maps_its_columns_by_its_manifest(web: Web) -> None:
    fields = [("No", "FORECASTENTRYNUMBER"), ("Model", "FORECASTMODELID"), ("Day", "FORECASTSTARTDATE")]
    entity = PackageEntity(
        name=ENTITY,
        file="f.csv",
        source_format="CSV",
        fields=tuple(FieldMap(column=column, field=field) for column, field in fields),
    )
    rows = table(("W-1", "Current", "2026-03-01"), header=("No", "Model", "Day"))
    file = io.BytesIO()
    write_package(
        file, Manifest(project="p", entities=(entity,)), [("f.csv", lambda member: member.write(rows))]
    )
    exchange = Exchange(web, datasource=2)
    row = exchange.ended(exchange.sent(file.getvalue(), f"company={COMPANY}"))
    assert NAMES[row["messagestatus"]] == "Processed", row["errormessage"]
    assert list(written(web, "W")) == ["W-1"]


def zipped(*files: tuple[str, bytes]) -> bytes:
    """An archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def entities_xml(count: int) -> bytes:
    """An XML file whose entities would grow without bounds."""
    steps = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(count))
    return f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY e0 "ha">{steps}]><d><f>&e{count};</f></d>'.encode()


@pytest.mark.parametrize(
    ("source", "data"),
    [
        (1, b"\x00" * 10_000),
        (1, b"\xff" * 1000),
        (1, b'"' + b"x" * 5_000_000),
        (1, b"A" * 3_000_000),
        (1, b",".join(b"C%d" % n for n in range(5000)) + b"\r\n1\r\n"),
        (2, entities_xml(9)),
        (2, b'<!DOCTYPE d SYSTEM "file:///etc/passwd"><d/>'),
        (2, b"<d>" + b"<e>" * 5000),
        (2, b"<d><F><FORECASTENTRYNUMBER>U-1"),
        (3, b"not xml at all"),
        (4, b"PK\x03\x04 no workbook"),
        (4, zipped(("xl/workbook.xml", entities_xml(3)), ("[Content_Types].xml", b"<a/>"))),
        (4, zipped(("a.txt", b"0" * 50_000_000))),
    ],
)
def test_hostile_files_end_in_the_status_of_files_that_cannot_be_read(
    web: Web, source: int, data: bytes
) -> None:
    exchange = Exchange(web, project={"sourceformat": source})
    id = exchange.sent(data)
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "PreProcessingError", row
    (error,) = exchange.errors(id)
    assert error["ErrorMessage"] == row["errormessage"]
    assert web.get("WhoAmI").status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        zipped(("Manifest.xml", b"<a/>")),
        zipped(("../../Manifest.xml", b"<a/>"), ("PackageHeader.xml", b"<a/>")),
        zipped(("Manifest.xml", entities_xml(9)), ("PackageHeader.xml", entities_xml(9))),
        zipped(("a.zip", zipped(("b", b"x"))), ("Manifest.xml", b"<a/>"), ("PackageHeader.xml", b"<a/>")),
        zipped(*((f"f{n}", b"") for n in range(2000))),
        zipped(("bomb", b"0" * 60_000_000)),
    ],
)
def test_hostile_packages_end_likewise(web: Web, data: bytes) -> None:
    exchange = Exchange(web, datasource=2)
    id = exchange.sent(data, f"company={COMPANY}")
    row = exchange.ended(id)
    assert NAMES[row["messagestatus"]] == "PreProcessingError", row
    assert exchange.errors(id)[0]["ErrorMessage"] == row["errormessage"]


def test_what_spreadsheets_take_for_formulas_is_told_as_text(web: Web) -> None:
    exchange = Exchange(web)
    data = table(("=1+1", "Current", "@SUM(A1)", "never", 1))
    id = exchange.sent(data)
    assert exchange.became(id) == "PreProcessingError"
    answer = exchange.ask("GET", f"errors/{id}")
    assert '"\'=1+1"' in answer.text


def test_rows_of_shipped_entities_can_be_written_many_at_once(web: Web) -> None:
    assert web.organisation is not None
    engine = web.organisation.engine
    call: Any = SimpleNamespace(schema=engine.schema, steps=engine.steps)
    entities = [each for each in engine.schema.entities.values() if each.table.startswith("finops_")]
    tables = [engine.schema.tables[entity.table] for entity in entities]
    one_by_one = [
        table.logical_name
        for table in tables
        if not all(engine.hooks.ahead(call, table, event) for event in ("Create", "Update"))
    ]
    assert tables
    assert one_by_one == []
