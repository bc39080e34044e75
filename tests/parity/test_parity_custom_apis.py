"""Custom APIs: rows define them, functions answer them, on the Web API they are messages like all others."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree

import pytest

from orgstead.app import open_organisation
from orgstead.config import Config
from orgstead.errors import Fault
from orgstead.extensions import Invocation, Ref, Refused, custom_api, functions
from tests.parity.conftest import Web
from tests.parity.test_parity_security import make_user

BOOLEAN, DATETIME, DECIMAL, ENTITY, ENTITIES, REFERENCE, FLOAT, INTEGER = range(8)
MONEY, PICKLIST, STRING, STRINGS, GUID = range(8, 13)
EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


def part(name: str, type: int, **more: Any) -> dict[str, Any]:
    return {"uniquename": name, "name": name, "displayname": name, "type": type, **more}


def define(
    web: Web, name: str, parameters: list[dict[str, Any]], properties: list[dict[str, Any]], **more: Any
) -> str:
    """A custom API as the documentation makes one: in one request with all that belongs to it."""
    body = {
        "uniquename": name, "name": name, "displayname": name, "description": "A test", "bindingtype": 0,
        "isfunction": False, "isprivate": False, "workflowsdkstepenabled": False, "allowedcustomprocessingsteptype": 0,
        "CustomAPIRequestParameters": parameters, "CustomAPIResponseProperties": properties, **more,
    }  # fmt: skip
    return web.call("POST", "customapis", body).id


EVERY = [
    ("Flag", BOOLEAN, True), ("At", DATETIME, "2024-02-29T12:00:00Z"), ("Share", DECIMAL, Decimal("0.1")),
    ("Speed", FLOAT, 1.5), ("Count", INTEGER, 7), ("Price", MONEY, Decimal("12.34")), ("Kind", PICKLIST, 2),
    ("Text", STRING, "é"), ("Words", STRINGS, ["a", "b"]), ("Id", GUID, "00000000-0000-4000-8000-000000000001"),
]  # fmt: skip


@custom_api("new_Echo")
def echo(call: Invocation) -> Mapping[str, Any]:
    return {**call.parameters, "Id": UUID(call.parameters["Id"])}


@custom_api("new_Work")
def work(call: Invocation) -> Mapping[str, Any]:
    made = call.create("contact", lastname=call.parameters["Name"], parentcustomerid=call.target)
    row = call.retrieve(call.target, "name")  # type: ignore[arg-type]
    call.update(call.target, description="worked on")  # type: ignore[arg-type]
    rows = call.fetch(f"<fetch><entity name='contact'><attribute name='lastname'/><filter><condition "
                      f"attribute='contactid' operator='eq' value='{made.id}'/></filter></entity></fetch>")  # fmt: skip
    if call.parameters["Name"] == "refuse":
        raise Refused("Not this one.")
    if call.parameters["Name"] == "break":
        raise KeyError("a mistake")
    if call.parameters["Name"] == "undeclared":
        return {"Other": 1}
    if call.parameters["Name"] == "fault":
        call.delete(Ref("account", call.user_id))
    me = call.execute("WhoAmI")
    return {"Made": made, "Said": f"{row['name']} {rows[0]['lastname']}", "Me": me["UserId"]}


@custom_api("new_Count")
def count(call: Invocation) -> Mapping[str, Any]:
    return {
        "Rows": len(
            call.fetch(f"<fetch><entity name='{call.target}'><attribute name='createdon'/></entity></fetch>")
        )
    }


@custom_api("new_Nothing")
def nothing(call: Invocation) -> None:
    """Answers nothing."""


@pytest.fixture(scope="module")
def apis(web: Web) -> Iterator[Web]:
    define(web, "new_Echo", [part(n, t) for n, t, _ in EVERY], [part(n, t) for n, t, _ in EVERY])
    define(
        web, "new_Work", [part("Name", STRING)],
        [part("Made", REFERENCE, logicalentityname="contact"), part("Said", STRING), part("Me", GUID)],
        bindingtype=1, boundentitylogicalname="account",
    )  # fmt: skip
    define(
        web,
        "new_Count",
        [],
        [part("Rows", INTEGER)],
        bindingtype=2,
        boundentitylogicalname="account",
        isfunction=True,
    )
    define(web, "new_Nothing", [part("Maybe", STRING, isoptional=True)], [], isprivate=True)
    define(web, "new_Unanswered", [], [])
    yield web
    for row in web.get("customapis?$select=customapiid").rows:
        assert web.call("DELETE", f"customapis({row['customapiid']})").status == 204
    assert web.get("customapirequestparameters?$select=name").rows == []


def test_values_of_every_type_go_in_and_come_out(apis: Web) -> None:
    sent = {name: float(value) if isinstance(value, Decimal) else value for name, _, value in EVERY}
    answer = apis.call("POST", "new_Echo", sent)
    assert answer.status == 200, answer.text
    assert answer.json.pop("@odata.context").endswith("$metadata#Microsoft.Dynamics.CRM.new_EchoResponse")
    assert {name: value for name, value in answer.json.items() if not name.startswith("@")} == sent


@pytest.mark.parametrize("name", [name for name, _, _ in EVERY])
def test_a_value_of_another_type_is_refused(apis: Web, name: str) -> None:
    sent = {each: float(value) if isinstance(value, Decimal) else value for each, _, value in EVERY}
    wrong: Any = 5 if isinstance(sent[name], str | list) else "x"
    assert apis.call("POST", "new_Echo", {**sent, name: wrong}).status == 400
    sent.pop(name)
    assert apis.call("POST", "new_Echo", sent).status == 400


def test_a_function_works_with_the_rows_of_its_caller(apis: Web) -> None:
    account = apis.make("accounts", name="Worked")
    path = f"accounts({account})/Microsoft.Dynamics.CRM.new_Work"
    answer = apis.call("POST", path, {"Name": "Made"}).json
    assert answer["Said"] == "Worked Made"
    assert answer["Me"] == apis.get("WhoAmI").json["UserId"]
    assert apis.get(f"contacts({answer['Made']['contactid']})?$select=lastname").json["lastname"] == "Made"
    assert apis.get(f"accounts({account})?$select=description").json["description"] == "worked on"


@pytest.mark.parametrize(
    ("name", "fault"),
    [("refuse", (400, "0x80040265")), ("break", (500, "0x80040224")), ("undeclared", (500, "0x80040224")),
     ("fault", (404, "0x80040217"))],
)  # fmt: skip
def test_what_a_function_raises_undoes_what_it_did(apis: Web, name: str, fault: tuple[int, str]) -> None:
    account = apis.make("accounts", name="Undone")
    answer = apis.call("POST", f"accounts({account})/Microsoft.Dynamics.CRM.new_Work", {"Name": name})
    assert answer.fault == fault
    assert ("Not this one." in answer.text) == (name == "refuse")
    assert apis.get(f"accounts({account})?$select=description").json["description"] is None
    assert apis.get(f"contacts?$filter=_parentcustomerid_value eq {account}&$select=lastname").rows == []


def test_a_function_has_the_rights_of_its_caller(apis: Web) -> None:
    nobody = make_user(apis, apis.get("WhoAmI").json["BusinessUnitId"])
    account = apis.make("accounts", name="Closed")
    path = f"accounts({account})/Microsoft.Dynamics.CRM.new_Work"
    assert apis.call("POST", path, {"Name": "x"}, MSCRMCallerID=nobody).fault == (403, "0x80040220")
    (row,) = apis.get("customapis?$filter=uniquename eq 'new_Nothing'&$select=customapiid").rows
    assert apis.call("POST", "new_Nothing", {}, MSCRMCallerID=nobody).status == 204
    address = f"customapis({row['customapiid']})"
    assert apis.call("PATCH", address, {"executeprivilegename": "prvReadAccount"}).status == 204
    assert apis.call("POST", "new_Nothing", {}, MSCRMCallerID=nobody).fault == (403, "0x80040220")
    assert apis.call("POST", "new_Nothing", {}).status == 204
    assert apis.call("PATCH", address, {"executeprivilegename": None}).status == 204


def test_calls_fit_their_definition(apis: Web) -> None:
    assert apis.get("accounts/Microsoft.Dynamics.CRM.new_Count()").json["Rows"] >= 0
    assert apis.call("POST", "accounts/Microsoft.Dynamics.CRM.new_Count", {}).status == 405
    assert apis.call("POST", "new_Count", {}).status == 404
    assert apis.call("POST", "new_Nothing", {"Maybe": "x"}).status == 204
    assert apis.call("POST", "new_Nothing", {"Other": "x"}).status == 400
    assert apis.call("POST", "new_Unanswered", {}).fault == (501, "0x80040219")
    batch = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        "POST /api/data/v9.2/new_Nothing HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{}\r\n--b--"
    )
    assert (
        "204" in apis.call("POST", "$batch", batch.encode(), content_type="multipart/mixed;boundary=b").text
    )


def test_the_description_tells_of_them_but_for_private_ones(apis: Web) -> None:
    root = ElementTree.fromstring(apis.get("$metadata").text)
    actions = {each.get("Name"): each for each in root.iter(f"{EDM}Action")}
    assert [each.get("Name") for each in actions["new_Work"].iter(f"{EDM}Parameter")] == ["entity", "Name"]
    assert "new_Nothing" not in actions
    assert any(each.get("Name") == "new_Count" for each in root.iter(f"{EDM}Function"))
    assert any(each.get("Name") == "new_Echo" for each in root.iter(f"{EDM}ActionImport"))


def test_a_definition_changes_with_its_rows(apis: Web) -> None:
    id = define(apis, "new_Later", [], [])
    assert apis.call("POST", "new_Later", {"X": "y"}).status == 400
    more = {**part("X", STRING), "CustomAPIId@odata.bind": f"customapis({id})"}
    made = apis.make("customapirequestparameters", **more)
    assert apis.call("POST", "new_Later", {}).status == 400
    assert apis.call("POST", "new_Later", {"X": "y"}).status == 501
    assert apis.call("DELETE", f"customapirequestparameters({made})").status == 204
    assert apis.call("POST", "new_Later", {}).status == 501
    assert apis.call("DELETE", f"customapis({id})").status == 204
    assert apis.call("POST", "new_Later", {}).status == 404


@pytest.mark.parametrize(
    "more",
    [
        {"uniquename": "Unprefixed"}, {"uniquename": "new_"}, {"uniquename": "new_a b"}, {"uniquename": "new_echo"},
        {"uniquename": None}, {"bindingtype": 1}, {"bindingtype": 0, "boundentitylogicalname": "account"},
        {"bindingtype": 1, "boundentitylogicalname": "nothing"}, {"bindingtype": 5},
        {"CustomAPIRequestParameters": [part("1", STRING)]}, {"CustomAPIRequestParameters": [part("a b", STRING)]},
        {"CustomAPIRequestParameters": [part("A", 13)]}, {"CustomAPIRequestParameters": [part("A", STRING)] * 2},
        {"CustomAPIRequestParameters": [part("A", ENTITY, logicalentityname="nothing")]},
        {"CustomAPIRequestParameters": [part("A", ENTITIES)], "isfunction": True},
    ],
)  # fmt: skip
def test_definitions_that_nobody_could_call_are_refused(apis: Web, more: dict[str, Any]) -> None:
    body = {"uniquename": "new_Bad", "name": "Bad", "displayname": "Bad", **more}
    assert apis.call("POST", "customapis", body).status in (400, 412)
    assert apis.call("POST", "new_Bad", {}).status == 404
    assert apis.get("customapis?$filter=name eq 'Bad'").rows == []


def test_functions_come_from_a_directory(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        "from orgstead.extensions import custom_api\n@custom_api('new_FromAFile')\ndef f(call):\n    return {}\n"
    )
    (tmp_path / "_helper.py").write_text("raise RuntimeError('is not imported')")
    open_organisation(Config(data=":memory:", extensions=str(tmp_path))).close()
    assert "new_FromAFile" in functions()
    with pytest.raises(Fault, match="no directory"):
        open_organisation(Config(data=":memory:", extensions=str(tmp_path / "nowhere")))
