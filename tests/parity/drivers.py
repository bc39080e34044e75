"""One way to drive an organisation over any wire: scenarios that are no wire's own are written against ``Driver``."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any, Protocol
from urllib.parse import quote

from tests.parity.conftest import ORIGIN, Answer, Web
from tests.parity.soap import (
    Aliased,
    Of,
    Ref,
    Row,
    Soap,
    SoapFault,
    columns,
    fetch,
    guid,
    moment,
    money,
    option,
    options,
    parts_of,
    raw,
    written,
)

__all__ = ["Driver", "Found", "ODataDriver", "Option", "Query", "Refused", "SoapDriver"]


class Option(int):
    """The number of a choice as a parameter of a message."""


class Refused(Exception):
    """A failure: its code as the Web API has it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Rows by conditions that must all hold: column, operator (eq, ne, gt, ge, lt, le, like, null), value."""

    table: str
    columns: Sequence[str]
    where: Sequence[tuple[str, str, Any]] = ()
    order: str | None = None
    descending: bool = False
    page_size: int | None = None


@dataclass(slots=True)
class Found:
    """The rows of a page, null columns left out, and how to ask for the next one."""

    rows: list[dict[str, Any]]
    next: Any = None
    formatted: list[Mapping[str, str]] = field(default_factory=list)


class Driver(Protocol):
    """Values are plain: text, bool, int (choices, too), Decimal, ``Ref`` for lookups, and ids of lookups when read."""

    web: Web

    def create(self, table: str, **values: Any) -> str:
        """Its id."""

    def upsert(self, table: str, key: Mapping[str, Any], **values: Any) -> bool:
        """Whether it has created."""

    def retrieve(self, table: str, id: str, *names: str) -> dict[str, Any]:
        """Columns of a row; nulls are left out."""

    def version(self, table: str, id: str) -> str:
        """The version of a row as its wire has it."""

    def update(self, table: str, id: str, version: str | None = None, **values: Any) -> None:
        """Change a row, perhaps only in a version."""

    def delete(self, table: str, id: str, version: str | None = None) -> None:
        """Remove a row, perhaps only in a version."""

    def associate(self, table: str, id: str, relationship: str, other: Ref) -> None:
        """Tie two rows."""

    def disassociate(self, table: str, id: str, relationship: str, other: Ref) -> None:
        """Untie them."""

    def query(self, query: Query, after: Any = None) -> Found:
        """A page of rows in the wire's own language."""

    def fetch(self, text: str) -> Found:
        """A page of rows by FetchXML."""

    def execute(self, message: str, **parameters: Any) -> dict[str, Any]:
        """An unbound message: texts, numbers, Option, Ref, Row."""

    def table(self, name: str) -> tuple[dict[str, Any], set[str]]:
        """Facts of a table's definition, and the names of its columns."""

    def act_as(self, user: str | None) -> None:
        """Whom the following requests are made for."""


FACTS = (
    "LogicalName",
    "SchemaName",
    "EntitySetName",
    "PrimaryIdAttribute",
    "PrimaryNameAttribute",
    "OwnershipType",
)


class ODataDriver:
    """The Web API."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.headers: dict[str, str] = {}
        self.set = cache(
            lambda table: web.get(f"{_definition(table)}?$select=EntitySetName").json["EntitySetName"]
        )
        self.key = cache(
            lambda table: web.get(f"{_definition(table)}?$select=PrimaryIdAttribute").json[
                "PrimaryIdAttribute"
            ]
        )

        def bindings(table: str) -> dict[tuple[str, str], str]:
            path = "ReferencingAttribute,ReferencedEntity,ReferencingEntityNavigationPropertyName"
            found = web.get(f"{_definition(table)}/ManyToOneRelationships?$select={path}").rows
            return {
                (each["ReferencingAttribute"], each["ReferencedEntity"]): each[
                    "ReferencingEntityNavigationPropertyName"
                ]
                for each in found
            }

        self.bindings = cache(bindings)
        self.lookups = cache(lambda table: {column for column, _ in self.bindings(table)})

    def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        content = None if body is None else json.dumps(body, default=_number).encode()
        answer = self.web.call(method, path, content, **self.headers, **headers)
        if answer.status >= 400:
            error = answer.json["error"]
            raise Refused(error["code"], error["message"])
        return answer

    def _body(self, table: str, values: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Ref):
                navigation = self.bindings(table)[name, value.table]
                body[f"{navigation}@odata.bind"] = f"{self.set(value.table)}({value.id})"
            elif value is None and name in self.lookups(table):
                navigation = next(nav for (column, _), nav in self.bindings(table).items() if column == name)
                body[f"{navigation}@odata.bind"] = None
            else:
                body[name] = value
        return body

    def _names(self, table: str, names: Sequence[str]) -> str:
        return ",".join(f"_{name}_value" if name in self.lookups(table) else name for name in names)

    def _path(self, table: str, id: str) -> str:
        return f"{self.set(table)}({id})"

    def create(self, table: str, **values: Any) -> str:
        return self._ask("POST", self.set(table), self._body(table, values)).id

    def upsert(self, table: str, key: Mapping[str, Any], **values: Any) -> bool:
        said = ",".join(f"{name}='{value}'" for name, value in key.items())
        answer = self._ask(
            "PATCH", self._path(table, said), self._body(table, values), prefer="return=representation"
        )
        return answer.status == 201

    def retrieve(self, table: str, id: str, *names: str) -> dict[str, Any]:
        path = f"{self._path(table, id)}?$select={self._names(table, names)}"
        found = _plain(_exact(self._ask("GET", path).text))
        # Amounts bring their currency along.
        return {name: value for name, value in found.items() if name in (*names, self.key(table))}

    def version(self, table: str, id: str) -> str:
        return str(self._ask("GET", f"{self._path(table, id)}?$select={self.key(table)}").json["@odata.etag"])

    def update(self, table: str, id: str, version: str | None = None, **values: Any) -> None:
        self._ask("PATCH", self._path(table, id), self._body(table, values), if_match=version or "*")

    def delete(self, table: str, id: str, version: str | None = None) -> None:
        self._ask("DELETE", self._path(table, id), **({"if_match": version} if version else {}))

    def associate(self, table: str, id: str, relationship: str, other: Ref) -> None:
        address = f"{ORIGIN}/api/data/v9.2/{self._path(other.table, other.id)}"
        self._ask("POST", f"{self._path(table, id)}/{relationship}/$ref", {"@odata.id": address})

    def disassociate(self, table: str, id: str, relationship: str, other: Ref) -> None:
        self._ask("DELETE", f"{self._path(table, id)}/{relationship}({other.id})/$ref")

    def query(self, query: Query, after: Any = None) -> Found:
        path = after
        if path is None:
            path = f"{self.set(query.table)}?$select={self._names(query.table, query.columns)}"
            if query.where:
                told = " and ".join(self._condition(query.table, *each) for each in query.where)
                path += f"&$filter={quote(told)}"
            if query.order:
                path += f"&$orderby={query.order} {'desc' if query.descending else 'asc'}"
        prefer = ['odata.include-annotations="*"']
        if query.page_size:
            prefer.append(f"odata.maxpagesize={query.page_size}")
        return self._found(self._ask("GET", path, prefer=",".join(prefer)))

    def _condition(self, table: str, name: str, operator: str, value: Any) -> str:
        name = self._names(table, [name])
        match operator, value:
            case "null", _:
                return f"{name} eq null"
            case "like", str():
                return f"startswith({name},'{value.rstrip('%')}')"
            case _, Ref():
                return f"{name} {operator} {value.id}"
            case _, str() if not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", value):
                return f"{name} {operator} '{value}'"
        return f"{name} {operator} {json.dumps(value, default=str).strip(chr(34))}"

    def fetch(self, text: str) -> Found:
        table = re.search(r"<entity name='(\w+)'", text)
        assert table is not None
        path = f"{self.set(table[1])}?fetchXml={quote(text)}"
        return self._found(self._ask("GET", path, prefer='odata.include-annotations="*"'))

    def _found(self, answer: Answer) -> Found:
        page = _exact(answer.text)
        suffix = "@OData.Community.Display.V1.FormattedValue"
        formatted = [
            {_plainly(name.removesuffix(suffix)): text for name, text in row.items() if name.endswith(suffix)}
            for row in page["value"]
        ]
        return Found([_plain(row) for row in page["value"]], page.get("@odata.nextLink"), formatted)

    def execute(self, message: str, **parameters: Any) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in parameters.items():
            match value:
                case Ref(table=table, id=id):
                    body[name] = {"@odata.type": f"Microsoft.Dynamics.CRM.{table}", self.key(table): id}
                case Row(table=table, values=values):
                    body[name] = {
                        "@odata.type": f"Microsoft.Dynamics.CRM.{table}",
                        **self._body(table, values),
                    }
                case _:
                    body[name] = value
        answer = self._ask(*(("POST", message, body) if body else ("GET", message)))
        return answer.json if answer.text else {}

    def table(self, name: str) -> tuple[dict[str, Any], set[str]]:
        path = f"{_definition(name)}?$select={','.join(FACTS)}&$expand=Attributes($select=LogicalName)"
        found = self._ask("GET", path).json
        return {fact: found[fact] for fact in FACTS}, {each["LogicalName"] for each in found["Attributes"]}

    def act_as(self, user: str | None) -> None:
        self.headers = {} if user is None else {"MSCRMCallerID": user}


class SoapDriver:
    """The Organization Service."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.soap = Soap(web)

        def kinds(table: str) -> dict[str, str]:
            rows = web.get(f"{_definition(table)}/Attributes?$select=LogicalName,AttributeTypeName").rows
            return {each["LogicalName"]: each["AttributeTypeName"]["Value"] for each in rows}

        self.kinds = cache(kinds)

    def _value(self, table: str, name: str, value: Any) -> Any:
        if value is None or isinstance(value, Ref):
            return value
        match self.kinds(table).get(name):
            case "PicklistType" | "StateType" | "StatusType":
                return option(value)
            case "MultiSelectPicklistType":
                return options(*map(int, value.split(",")))
            case "MoneyType":
                return money(str(value))
            case "DateTimeType":
                return moment(value if "T" in value else f"{value}T00:00:00Z")
            case "DoubleType":
                return float(value)
            case "UniqueidentifierType":
                return guid(value)
        return value

    def _values(self, table: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(table, name, value) for name, value in values.items()}

    def create(self, table: str, **values: Any) -> str:
        return str(self._told("Create", Target=Row(table, values))["id"])

    def upsert(self, table: str, key: Mapping[str, Any], **values: Any) -> bool:
        return bool(self._told("Upsert", Target=Row(table, dict(values), keys=key))["RecordCreated"])

    def retrieve(self, table: str, id: str, *names: str) -> dict[str, Any]:
        wanted = raw("a:ColumnSet", columns(*names))
        return _read(self._told("Retrieve", Target=Ref(table, id), ColumnSet=wanted)["Entity"], names)

    def version(self, table: str, id: str) -> str:
        wanted = raw("a:ColumnSet", columns())
        return str(self._told("Retrieve", Target=Ref(table, id), ColumnSet=wanted)["Entity"].version)

    def update(self, table: str, id: str, version: str | None = None, **values: Any) -> None:
        self._told("Update", Target=Row(table, values, id, version=version), **_matching(version))

    def delete(self, table: str, id: str, version: str | None = None) -> None:
        self._told("Delete", Target=Ref(table, id, version=version), **_matching(version))

    def associate(self, table: str, id: str, relationship: str, other: Ref) -> None:
        self._tie("Associate", table, id, relationship, other)

    def disassociate(self, table: str, id: str, relationship: str, other: Ref) -> None:
        self._tie("Disassociate", table, id, relationship, other)

    def _tie(self, name: str, table: str, id: str, relationship: str, other: Ref) -> None:
        try:
            self.soap.tie(name, table, id, relationship, other)
        except SoapFault as failed:
            raise Refused(failed.hex, failed.message) from None

    def query(self, query: Query, after: Any = None) -> Found:
        page, cookie = after or (1, None)
        spelled = {"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterEqual", "lt": "LessThan",
                   "le": "LessEqual", "like": "Like", "null": "Null"}  # fmt: skip
        conditions = "".join(
            f"<a:ConditionExpression><a:AttributeName>{name}</a:AttributeName><a:Operator>{spelled[operator]}"
            f"</a:Operator><a:Values>{self._operand(query.table, name, value)}</a:Values></a:ConditionExpression>"
            for name, operator, value in query.where
        )
        orders = (
            f"<a:OrderExpression><a:AttributeName>{query.order}</a:AttributeName><a:OrderType>"
            f"{'Descending' if query.descending else 'Ascending'}</a:OrderType></a:OrderExpression>"
            if query.order
            else ""
        )
        paging = (
            f"<a:PageInfo><a:Count>{query.page_size}</a:Count><a:PageNumber>{page}</a:PageNumber>"
            f"{written('a:PagingCookie', cookie, bare=True) if cookie else ''}</a:PageInfo>"
            if query.page_size
            else ""
        )
        body = (
            f"<a:ColumnSet>{columns(*query.columns)}</a:ColumnSet><a:Criteria><a:Conditions>{conditions}"
            "</a:Conditions><a:FilterOperator>And</a:FilterOperator></a:Criteria>"
            f"<a:EntityName>{query.table}</a:EntityName><a:Orders>{orders}</a:Orders>{paging}"
        )
        found = self._told("RetrieveMultiple", Query=raw("a:QueryExpression", body))["EntityCollection"]
        return Found(
            [_read(row, query.columns) for row in found.rows],
            (page + 1, found.cookie) if found.more else None,
            [row.formatted for row in found.rows],
        )

    def _operand(self, table: str, name: str, value: Any) -> str:
        match value:
            case None:
                return ""
            case Ref():
                return written("f:anyType", guid(value.id))
            case str() if self.kinds(table)[name] == "DateTimeType":
                return written("f:anyType", moment(value))
        return written("f:anyType", value)

    def fetch(self, text: str) -> Found:
        found = self._told("RetrieveMultiple", Query=fetch(text))["EntityCollection"]
        return Found([_read(row, None) for row in found.rows], None, [row.formatted for row in found.rows])

    def execute(self, message: str, **parameters: Any) -> dict[str, Any]:
        return self._told(message, **parameters)

    def _told(self, message: str, **parameters: Any) -> dict[str, Any]:
        sent: dict[str, Any] = {}
        for name, value in parameters.items():
            match value:
                case Option():
                    sent[name] = option(value)
                case Row():
                    sent[name] = replace(value, values=self._values(value.table, value.values))
                case _:
                    sent[name] = value
        try:
            return self.soap.execute(message, **sent)
        except SoapFault as failed:
            raise Refused(failed.hex, failed.message) from None

    def table(self, name: str) -> tuple[dict[str, Any], set[str]]:
        told = self._told(
            "RetrieveEntity", LogicalName=name, EntityFilters=Of("h:EntityFilters", "Entity Attributes"),
            MetadataId=guid("00000000-0000-0000-0000-000000000000"), RetrieveAsIfPublished=False,
        )  # fmt: skip
        parts = parts_of(told["EntityMetadata"])
        return (
            {fact: parts[fact].text for fact in FACTS},
            {parts_of(each)["LogicalName"].text for each in parts["Attributes"]},
        )

    def act_as(self, user: str | None) -> None:
        self.soap.headers = "" if user is None else f"<a:CallerId>{user}</a:CallerId>"


def _definition(table: str) -> str:
    return f"EntityDefinitions(LogicalName='{table}')"


def _number(value: Any) -> Any:
    # JSON has no other numbers; the values of the scenarios are exact in it.
    assert isinstance(value, Decimal)
    return float(value)


def _exact(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _plainly(name: str) -> str:
    return name[1:-6] if name.startswith("_") and name.endswith("_value") else name


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {_plainly(name): value for name, value in row.items() if "@" not in name and value is not None}


def _read(row: Row, names: Sequence[str] | None) -> dict[str, Any]:
    found = {}
    for name, value in row.values.items():
        inner = value.value if isinstance(value, Aliased) else value
        inner = inner.id if isinstance(inner, Ref) else inner
        found[name] = ",".join(map(str, inner)) if isinstance(inner, tuple) else inner
    # The key comes along unasked on both wires.
    return (
        found
        if names is None
        else {name: found[name] for name in (*names, f"{row.table}id") if name in found}
    )


def _matching(version: str | None) -> dict[str, Of]:
    return (
        {} if version is None else {"ConcurrencyBehavior": Of("m:ConcurrencyBehavior", "IfRowVersionMatches")}
    )
