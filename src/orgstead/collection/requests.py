"""The requests of a collection, as a tree that no program's format is in yet.

Names in double braces are variables. Those of Microsoft's own page about it are among them, under the same names:
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-postman-web-api
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.collection.subject import Operation, Parameter, SampleTable, Subject

__all__ = ["Folder", "Request", "folders", "variables"]

_SAMPLES: Mapping[str, Any] = {
    "String": "Sample", "Memo": "Sample", "Integer": 1, "BigInt": 1, "Decimal": 1, "Double": 1, "Money": 1,
    "Boolean": False, "DateTime": "2026-03-31",
}  # fmt: skip
_EDM: Mapping[str, Any] = {
    "Edm.String": "text", "Edm.Boolean": False, "Edm.Int16": 1, "Edm.Int32": 1, "Edm.Int64": 1, "Edm.Byte": 1,
    "Edm.Double": 1.0, "Edm.Decimal": 1.0, "Edm.Single": 1.0, "Edm.Date": "2026-03-31",
    "Edm.DateTimeOffset": "2026-03-31T12:00:00Z", "Edm.Guid": "00000000-0000-0000-0000-000000000000",
    "Edm.Binary": "", "Edm.TimeOfDay": "12:00:00", "Edm.Duration": "PT1H",
}  # fmt: skip
NAMESPACE = "Microsoft.Dynamics.CRM"
ANNOTATED = ("Prefer", 'odata.include-annotations="*"')
JSON = ("Content-Type", "application/json")
SHARED = (("Accept", "application/json"), ("OData-MaxVersion", "4.0"), ("OData-Version", "4.0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request: ``address`` with variables in it, the options of its query as they are written, what it sends.

    ``keeps`` is the variable that takes the id of the row that it makes.
    """

    name: str
    method: str
    address: str
    query: Sequence[tuple[str, str]] = ()
    headers: Sequence[tuple[str, str]] = ()
    body: str | None = None
    language: str = "json"
    about: str = ""
    keeps: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Requests, and folders of them."""

    name: str
    items: "Sequence[Request | Folder]" = field(default_factory=tuple)


def variables(subject: Subject, callback: str) -> Mapping[str, str]:
    """The variables by name: those that are usual, and an id for each table."""
    root = f"{subject.authority}/{subject.tenant}"
    return {
        "url": subject.url,
        "version": subject.version,
        "webapiurl": "{{url}}/api/data/v{{version}}/",
        "clientid": subject.client_id,
        "clientsecret": subject.client_secret,
        "tenantid": subject.tenant,
        "authurl": f"{root}/oauth2/authorize?resource={{{{url}}}}",
        "tokenurl": f"{root}/oauth2/v2.0/token",
        "authurlv2": f"{root}/oauth2/v2.0/authorize",
        "scope": "{{url}}/.default",
        "callback": callback,
        "redirecturl": "{{callback}}",
        **{table.key: "00000000-0000-0000-0000-000000000000" for table in subject.tables},
    }


def folders(subject: Subject) -> Sequence[Folder]:
    """All requests, in folders."""
    by_type: dict[str, list[Operation]] = {}
    free = []
    for each in subject.operations:
        if each.bound is None:
            free.append(each)
        else:
            by_type.setdefault(each.bound, []).append(each)
    tables = [
        Folder(name=table.label, items=tuple(_rows(table, by_type.get(table.name, ()), subject)))
        for table in subject.tables
    ]
    return (
        Folder(name="Start here", items=tuple(_start())),
        Folder(name="Tables", items=tuple(tables)),
        Folder(name="Functions", items=tuple(_call(each, subject) for each in free if each.function)),
        Folder(name="Actions", items=tuple(_call(each, subject) for each in free if not each.function)),
        Folder(name="Batch", items=tuple(_batches(subject))),
        Folder(name="Definitions", items=tuple(_definitions(subject))),
        Folder(name="SOAP", items=(_soap(),)),
    )


def _web_api(
    name: str,
    method: str,
    path: str,
    *,
    query: Sequence[tuple[str, str]] = (),
    headers: Sequence[tuple[str, str]] = (),
    body: Any = None,
    about: str = "",
    keeps: str | None = None,
) -> Request:
    return Request(
        name=name,
        method=method,
        address=f"{{{{webapiurl}}}}{path}",
        query=query,
        headers=(*SHARED, *((JSON,) if body is not None else ()), *headers),
        body=None if body is None else json.dumps(body, indent=2, ensure_ascii=False),
        about=about,
        keeps=keeps,
    )


def _start() -> Iterator[Request]:
    yield _web_api("WhoAmI", "GET", "WhoAmI", about="Who is signed in.")
    yield _web_api("RetrieveVersion", "GET", "RetrieveVersion()")
    yield _web_api("Service document", "GET", "")
    yield Request(
        name="Metadata document",
        method="GET",
        address="{{webapiurl}}$metadata",
        headers=(("Accept", "application/xml"),),
    )


# -- rows ------------------------------------------------------------------------------------------------------------


def _sample(table: SampleTable) -> dict[str, Any]:
    """Values for a new row: its name, and what it has to have, of simple types."""
    names = [*([table.title] if table.title else []), *table.required]
    return {
        name: _SAMPLES[table.writable[name]]
        for name in dict.fromkeys(names)
        if table.writable.get(name) in _SAMPLES and name != table.key
    }


def _rows(table: SampleTable, operations: Sequence[Operation], subject: Subject) -> Iterator[Request]:
    place = f"{table.set}({{{{{table.key}}}}})"
    body = _sample(table)
    shown = ",".join([table.title] if table.title else [table.key])
    change = dict(list(body.items())[:1])
    yield _web_api("Create", "POST", table.set, body=body, keeps=table.key,
                   about="The id of the new row is kept for the other requests.")  # fmt: skip
    yield _web_api("Retrieve", "GET", place, headers=(ANNOTATED,))
    for columns in table.keys:
        pairs = ",".join(f"{each}='value'" for each in columns)
        yield _web_api(f"Retrieve by {', '.join(columns)}", "GET", f"{table.set}({pairs})")
    yield _web_api("Update", "PATCH", place, body=change, headers=(("If-Match", "*"),))
    yield _web_api("Upsert", "PATCH", place, body=body)
    yield _web_api("List", "GET", table.set, query=(("$select", shown), ("$top", "10")))
    yield _web_api(
        "Query", "GET", table.set, headers=(ANNOTATED, ("Prefer", "odata.maxpagesize=50")),
        query=(("$select", shown), ("$filter", f"{table.title or table.key} ne null"),
               ("$orderby", f"{table.title or table.key} asc"), ("$count", "true")),
    )  # fmt: skip
    attribute = f"<attribute name='{table.title or table.key}'/>"
    fetch = f"<fetch top='10'><entity name='{table.name}'>{attribute}</entity></fetch>"
    yield _web_api("FetchXML", "GET", table.set, query=(("fetchXml", fetch),))
    yield _web_api("Delete", "DELETE", place)
    for each in operations:
        yield _call(each, subject, table)


# -- operations ------------------------------------------------------------------------------------------------------


def _call(operation: Operation, subject: Subject, table: SampleTable | None = None) -> Request:
    path = operation.name
    if table is not None:
        base = table.set if operation.many else f"{table.set}({{{{{table.key}}}}})"
        path = f"{base}/{NAMESPACE}.{operation.name}"
    if not operation.function:
        body = {
            each.name: _argument(each.type, subject, 0) for each in operation.parameters if not each.optional
        }
        return _web_api(operation.name, "POST", path, body=body)
    if not operation.parameters:
        return _web_api(
            operation.name, "GET", path if table is None and not operation.parameters else f"{path}()"
        )
    names = ",".join(f"{each.name}=@p{place}" for place, each in enumerate(operation.parameters, 1))
    values = tuple(
        (f"@p{place}", _literal(each, subject)) for place, each in enumerate(operation.parameters, 1)
    )
    return _web_api(operation.name, "GET", f"{path}({names})", query=values)


def _argument(type: str, subject: Subject, depth: int) -> Any:
    """A value of a type, to be changed by whoever sends it."""
    if type.startswith("Collection("):
        return [_argument(type[11:-1], subject, depth + 1)]
    if type in _EDM:
        return _EDM[type]
    if type in subject.enums:
        return subject.enums[type]
    name = type.rpartition(".")[2]
    for table in subject.tables:
        if name in (table.name, "crmbaseentity"):  # any row will do for the latter
            type = f"{NAMESPACE}.{table.name}"
            return {"@odata.type": type, table.key: f"{{{{{table.key}}}}}"}
    return {"@odata.type": type}


def _literal(parameter: Parameter, subject: Subject) -> str:
    if parameter.type in subject.enums:
        return f"{parameter.type}'{subject.enums[parameter.type]}'"
    value = _argument(parameter.type, subject, 0)
    if parameter.type == "Edm.String":
        return f"'{value}'"
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and (name := parameter.type.rpartition(".")[2]):
        for table in subject.tables:
            if name in (table.name, "crmbaseentity"):
                return json.dumps({"@odata.id": f"{table.set}({{{{{table.key}}}}})"})
    return json.dumps(value)


# -- the rest --------------------------------------------------------------------------------------------------------


def _batches(subject: Subject) -> Iterator[Request]:
    if not subject.tables:
        return
    table = next((each for each in subject.tables if each.name == "account"), subject.tables[0])
    row = json.dumps(_sample(table))
    text = "\r\n".join(
        [
            "--batch_one", "Content-Type: multipart/mixed; boundary=changes_one", "",
            "--changes_one", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 1", "",
            f"POST /api/data/v{{{{version}}}}/{table.set} HTTP/1.1", "Content-Type: application/json", "", row, "",
            "--changes_one", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 2", "",
            f"POST /api/data/v{{{{version}}}}/{table.set} HTTP/1.1", "Content-Type: application/json", "", row, "",
            "--changes_one--", "",
            "--batch_one", "Content-Type: application/http", "Content-Transfer-Encoding: binary", "",
            f"GET /api/data/v{{{{version}}}}/{table.set}?$top=1&$select={table.key} HTTP/1.1",
            "Accept: application/json", "", "",
            "--batch_one--", "",
        ]
    )  # fmt: skip
    yield Request(
        name="Two rows or none, and a query",
        method="POST",
        address="{{webapiurl}}$batch",
        headers=(*SHARED, ("Content-Type", "multipart/mixed; boundary=batch_one")),
        body=text,
        language="text",
    )


def _definitions(subject: Subject) -> Iterator[Request]:
    name = subject.tables[0].name if subject.tables else "account"
    name = "account" if any(each.name == "account" for each in subject.tables) else name
    yield _web_api(
        "Tables", "GET", "EntityDefinitions", query=(("$select", "LogicalName,SchemaName,EntitySetName"),)
    )
    yield _web_api("A table", "GET", f"EntityDefinitions(LogicalName='{name}')")
    yield _web_api("Its columns", "GET", f"EntityDefinitions(LogicalName='{name}')/Attributes",
                   query=(("$select", "LogicalName,AttributeType"),))  # fmt: skip
    yield _web_api("Its choices", "GET",
                   f"EntityDefinitions(LogicalName='{name}')/Attributes/{NAMESPACE}.PicklistAttributeMetadata",
                   query=(("$select", "LogicalName"), ("$expand", "OptionSet,GlobalOptionSet")))  # fmt: skip
    yield _web_api("Its keys", "GET", f"EntityDefinitions(LogicalName='{name}')/Keys")
    yield _web_api("Global choices", "GET", "GlobalOptionSetDefinitions")
    yield _web_api("Relationships", "GET", "RelationshipDefinitions", query=(("$select", "SchemaName"),))


def _soap() -> Request:
    contracts = "http://schemas.microsoft.com/xrm/2011/Contracts"
    body = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">
  <s:Body>
    <Execute xmlns="{contracts}/Services" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
      <request i:type="b:WhoAmIRequest" xmlns:a="{contracts}" xmlns:b="http://schemas.microsoft.com/crm/2011/Contracts">
        <a:Parameters xmlns:c="http://schemas.datacontract.org/2004/07/System.Collections.Generic"/>
        <a:RequestId i:nil="true"/>
        <a:RequestName>WhoAmI</a:RequestName>
      </request>
    </Execute>
  </s:Body>
</s:Envelope>"""
    return Request(
        name="WhoAmI",
        method="POST",
        address="{{url}}/XRMServices/2011/Organization.svc/web",
        headers=(
            ("Content-Type", "text/xml; charset=utf-8"),
            ("SOAPAction", f"{contracts}/Services/IOrganizationService/Execute"),
        ),
        body=body,
        language="xml",
    )
