"""``orgstead collection``: valid for the programs that read it, and its requests do what they say."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from tests.transfer.conftest import Live, Run

TABLES = "account,contact,lead"
# What of https://schema.getpostman.com/json/collection/v2.1.0/collection.json concerns what is in a collection here.
PAIR = {
    "type": "object",
    "required": ["key", "value"],
    "properties": {"key": {"type": "string"}, "value": {"type": "string"}},
}
POSTMAN = {
    "type": "object",
    "required": ["info", "item"],
    "properties": {
        "info": {
            "type": "object",
            "required": ["name", "schema"],
            "properties": {
                "name": {"type": "string"},
                "schema": {"const": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
            },
        },
        "item": {"type": "array", "items": {"$ref": "#/$defs/item"}},
        "variable": {
            "type": "array",
            "items": {**PAIR, "properties": {"type": {"enum": ["string", "boolean", "any", "number"]}}},
        },
        "auth": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"const": "oauth2"}, "oauth2": {"type": "array", "items": PAIR}},
        },
    },
    "$defs": {
        "item": {
            "type": "object",
            "oneOf": [
                {
                    "required": ["item"],
                    "properties": {"item": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
                },
                {"required": ["request"], "properties": {"request": {"$ref": "#/$defs/request"}}},
            ],
            "properties": {
                "name": {"type": "string", "minLength": 1},
                "event": {"type": "array", "items": {"required": ["listen"]}},
                "response": {"type": "array"},
            },
        },
        "request": {
            "type": "object",
            "required": ["method", "url"],
            "properties": {
                "method": {"enum": ["GET", "POST", "PATCH", "PUT", "DELETE"]},
                "header": {"type": "array", "items": PAIR},
                "url": {
                    "type": "object",
                    "required": ["raw", "host"],
                    "properties": {
                        "raw": {"type": "string"},
                        "host": {"type": "array", "items": {"type": "string"}},
                        "path": {"type": "array", "items": {"type": "string"}},
                        "query": {"type": "array", "items": PAIR},
                    },
                },
                "body": {
                    "type": "object",
                    "required": ["mode", "raw"],
                    "properties": {"mode": {"const": "raw"}, "raw": {"type": "string"}},
                },
            },
        },
    },
}


@pytest.fixture
def made(run: Run, tmp_path: Path) -> dict[str, Any]:
    """A collection of some tables."""
    run("collection", "-o", "made.json", "--tables", TABLES)
    found: dict[str, Any] = json.loads((tmp_path / "made.json").read_text("utf-8"))
    return found


class Runner:
    """Sends the requests of a collection as Postman does: variables filled in, a token by what the collection says."""

    def __init__(self, collection: Mapping[str, Any]) -> None:
        self.variables = {each["key"]: each["value"] for each in collection["variable"]}
        auth = {each["key"]: self.filled(each["value"]) for each in collection["auth"]["oauth2"]}
        assert auth["grant_type"] == "client_credentials"
        body = {
            "grant_type": auth["grant_type"],
            "client_id": auth["clientId"],
            "client_secret": auth["clientSecret"],
            "scope": auth["scope"],
        }
        self.token = httpx2.post(auth["accessTokenUrl"], data=body).raise_for_status().json()["access_token"]

    def filled(self, text: str) -> str:
        """A text with its variables."""
        while "{{" in text:
            text = re.sub(r"\{\{(\w+)\}\}", lambda found: self.variables[found[1]], text)
        return text

    def send(self, item: Mapping[str, Any]) -> httpx2.Response:
        """Send a request, and keep the id of what it made."""
        request = item["request"]
        url = request["url"]
        address = "/".join([*url["host"], *url.get("path", ())])
        shown = "&".join(f"{each['key']}={each['value']}" for each in url.get("query", ()))
        assert url["raw"] == address + (f"?{shown}" if shown else "")
        answer = httpx2.request(
            request["method"],
            self.filled(address),
            params=[(each["key"], self.filled(each["value"])) for each in url.get("query", ())] or None,
            headers=[
                ("Authorization", f"Bearer {self.token}"),
                *((each["key"], each["value"]) for each in request["header"]),
            ],
            content=self.filled(request["body"]["raw"]) if "body" in request else None,
        )
        for event in item.get("event", ()):
            (name,) = re.findall(r'set\("(\w+)"', "\n".join(event["script"]["exec"]))
            self.variables[name] = answer.headers["odata-entityid"][-37:-1]
        return answer


def folder(collection: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """The items of a folder."""
    found: Any = collection
    for name in names:
        (found,) = [each for each in found["item"] if each["name"] == name]
    items: list[dict[str, Any]] = found["item"]
    return items


def test_it_is_a_collection_as_postman_has_them(made: dict[str, Any], live: Live, run: Run) -> None:
    jsonschema.validate(made, POSTMAN)
    variables = {each["key"]: each["value"] for each in made["variable"]}
    assert variables["url"] == live.http
    assert variables["webapiurl"] == "{{url}}/api/data/v{{version}}/"
    assert variables["clientid"] == live.client_id
    assert variables["clientsecret"] == live.client_secret
    assert variables["tenantid"] == live.tenant_id
    assert variables["authurl"] == f"{live.http}/{live.tenant_id}/oauth2/authorize?resource={{{{url}}}}"
    assert {"version", "callback", "redirecturl", "accountid"} <= variables.keys()
    assert [each["name"] for each in made["item"]] == [
        "Start here", "Tables", "Functions", "Actions", "Batch", "Definitions", "SOAP",
    ]  # fmt: skip
    assert [each["name"] for each in folder(made, "Tables")] == ["Account", "Contact", "Lead"]
    assert "QualifyLead" in [each["name"] for each in folder(made, "Tables", "Lead")]
    implicit = json.loads(run("collection", "--tables", TABLES, "--grant", "implicit").stdout)
    assert implicit == {**made, "auth": implicit["auth"]}
    jsonschema.validate(implicit, POSTMAN)
    said = run("collection", "--tables", "nosuchtable", code=1)
    assert "nosuchtable" in said.output


def test_its_requests_do_what_they_say(made: dict[str, Any]) -> None:
    runner = Runner(made)
    for each in (*folder(made, "Start here"), *folder(made, "Definitions"), *folder(made, "SOAP")):
        answer = runner.send(each)
        assert answer.status_code == 200, (each["name"], answer.text)
    for table in folder(made, "Tables"):
        for each in table["item"]:
            if each["name"] in ("Create", "Retrieve", "Update", "Upsert", "List", "Query", "FetchXML"):
                answer = runner.send(each)
                assert answer.status_code in (200, 204), (table["name"], each["name"], answer.text)
                if each["name"] == "Query":
                    assert answer.json()["@odata.count"] >= 1
    for table in folder(made, "Tables"):
        (delete,) = [each for each in table["item"] if each["name"] == "Delete"]
        (retrieve,) = [each for each in table["item"] if each["name"] == "Retrieve"]
        assert runner.send(delete).status_code == 204
        assert runner.send(retrieve).status_code == 404
    (batch,) = folder(made, "Batch")
    answer = runner.send(batch)
    assert answer.status_code == 200
    assert answer.text.count("HTTP/1.1 204") == 2
    assert answer.text.count("HTTP/1.1 200") == 1


def test_functions_and_actions_are_understood(made: dict[str, Any]) -> None:
    runner = Runner(made)
    runner.send(folder(made, "Tables", "Account")[0])
    # A sample value need not be one that the service can do something with; that it is read is what counts.
    unread = {"0x80060888", "0x80048d19", "0x0"}
    for each in folder(made, "Functions"):
        answer = runner.send(each)
        assert answer.status_code < 500, (each["name"], answer.text)
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert error["code"] not in unread, (each["name"], error)
    names = {each["name"] for each in folder(made, "Actions")}
    assert {"BulkDelete", "Merge", "WinOpportunity"} <= names
    (bound,) = [each for each in folder(made, "Tables", "Lead") if each["name"] == "QualifyLead"]
    assert "CreateAccount" in json.loads(bound["request"]["body"]["raw"])


def test_a_running_server_hands_out_its_own(made: dict[str, Any], live: Live) -> None:
    address = f"{live.http}/_orgstead/collection"
    served = httpx2.get(address).raise_for_status().json()
    jsonschema.validate(served, POSTMAN)
    url = next(each["value"] for each in served["variable"] if each["key"] == "url")
    assert url.replace("localhost", "127.0.0.1") == live.http.replace("localhost", "127.0.0.1")
    tables = {each["name"]: each["item"] for each in folder(served, "Tables")}
    for each in folder(made, "Tables"):
        assert tables[each["name"]] == each["item"]
    for kind in ("Functions", "Actions"):
        assert [each["name"] for each in folder(served, kind)] == [
            each["name"] for each in folder(made, kind)
        ]
    assert Runner(served).send(folder(served, "Start here")[0]).status_code == 200
    assert httpx2.get(address, params={"format": "insomnia"}).json()["__export_format"] == 4
    assert httpx2.get(address, params={"format": "paw"}).status_code == 400


def test_insomnia_gets_the_same_requests_in_its_own_words(made: dict[str, Any], run: Run) -> None:
    export = json.loads(run("collection", "--tables", TABLES, "--format", "insomnia").stdout)
    assert (export["_type"], export["__export_format"]) == ("export", 4)
    resources = export["resources"]
    ids = [each["_id"] for each in resources]
    assert len(set(ids)) == len(ids)
    assert {each["parentId"] for each in resources} <= {None, *ids}
    requests = [each for each in resources if each["_type"] == "request"]

    def names(items: Any) -> Iterator[str]:
        for each in items:
            yield from names(each["item"]) if "item" in each else [each["name"]]

    assert [each["name"] for each in requests] == list(names(made["item"]))
    (environment,) = [each["data"] for each in resources if each["_type"] == "environment"]
    assert environment["webapiurl"] == "{{ _.url }}/api/data/v{{ _.version }}/"
    used = set(re.findall(r"\{\{ ?_\.(\w+) ?\}\}", json.dumps(requests)))
    assert used <= environment.keys()
    assert "{{url}}" not in json.dumps(export)
    assert all(each["authentication"]["accessTokenUrl"] == "{{ _.tokenurl }}" for each in requests)
