"""A client of the Organization Service with a codec of its own: envelopes are written and read here once more, so that
what the server's own codec mistakes is seen."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from tests.parity.conftest import Web

XRM = "http://schemas.microsoft.com/xrm/2011/Contracts"
PAIRS = "http://schemas.datacontract.org/2004/07/System.Collections.Generic"
SERVICES = f"{XRM}/Services"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SPACES: Mapping[str, str] = {
    "a": XRM, "b": PAIRS, "i": XSI, "c": "http://www.w3.org/2001/XMLSchema",
    "e": "http://schemas.microsoft.com/2003/10/Serialization/",
    "f": "http://schemas.microsoft.com/2003/10/Serialization/Arrays",
    "g": "http://schemas.microsoft.com/crm/2011/Contracts", "h": "http://schemas.microsoft.com/xrm/2011/Metadata",
    "j": "http://schemas.microsoft.com/xrm/2011/Metadata/Query", "k": "http://schemas.microsoft.com/xrm/2013/Metadata",
    "l": "http://schemas.microsoft.com/xrm/2012/Contracts", "m": "http://schemas.microsoft.com/xrm/7.1/Contracts",
    "n": "http://schemas.microsoft.com/xrm/9.0/Contracts", "o": "http://schemas.microsoft.com/xrm/7.1/Metadata",
    "p": "http://schemas.microsoft.com/xrm/2014/Contracts", "q": "http://schemas.microsoft.com/xrm/8.0",
    "r": "http://schemas.microsoft.com/xrm/8.1/Contracts", "t": "http://schemas.microsoft.com/xrm/9.0/Metadata",
}  # fmt: skip
EMPTY = "00000000-0000-0000-0000-000000000000"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"


@dataclass(frozen=True, slots=True)
class Ref:
    """An EntityReference."""

    table: str
    id: str = EMPTY
    name: str | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Of:
    """A value of a stated type: ``Of("e:guid", "…")``; ``raw`` is XML."""

    type: str
    value: Any = ""
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """A value that writes its own element of a given name."""

    make: Callable[[str], str]


@dataclass(slots=True)
class Row:
    """An Entity."""

    table: str
    values: dict[str, Any] = field(default_factory=dict)
    id: str = EMPTY
    keys: Mapping[str, Any] = field(default_factory=dict)
    related: Mapping[tuple[str, str | None], Sequence["Row"]] = field(default_factory=dict)
    formatted: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None


@dataclass(slots=True)
class Rows:
    """An EntityCollection."""

    rows: list[Row]
    cookie: str | None = None
    more: bool = False
    total: int = -1
    capped: bool = False
    table: str | None = None


@dataclass(frozen=True, slots=True)
class Aliased:
    """An AliasedValue."""

    table: str
    column: str
    value: Any


def guid(text: str) -> Of:
    """An id."""
    return Of("e:guid", text)


def option(number: int) -> Of:
    """An OptionSetValue."""
    return Of("a:OptionSetValue", number)


def options(*numbers: int) -> Of:
    """An OptionSetValueCollection."""
    inner = "".join(f"<a:OptionSetValue><a:Value>{each}</a:Value></a:OptionSetValue>" for each in numbers)
    return Of("n:OptionSetValueCollection", inner, raw=True)


def money(amount: str) -> Of:
    """An amount."""
    return Of("a:Money", amount)


def moment(text: str) -> Of:
    """A DateTime."""
    return Of("c:dateTime", text)


def raw(type: str, xml: str) -> Of:
    """A value that is XML."""
    return Of(type, xml, raw=True)


# -- writing ---------------------------------------------------------------------------------------------------------
def written(tag: str, value: Any, *, bare: bool = False) -> str:
    """An element with a value; ``bare``: without saying its type."""
    match value:
        case None:
            return f'<{tag} i:nil="true"/>'
        case bool():
            kind, inner = "c:boolean", str(value).lower()
        case int():
            kind, inner = "c:int", str(value)
        case Decimal():
            kind, inner = "c:decimal", str(value)
        case float():
            kind, inner = "c:double", repr(value)
        case str():
            kind, inner = "c:string", escape(value)
        case bytes():
            kind, inner = "c:base64Binary", base64.b64encode(value).decode()
        case Ref():
            kind, inner = "a:EntityReference", _ref(value)
        case Row():
            kind, inner = "a:Entity", _row(value)
        case Rows():
            kind = "a:EntityCollection"
            inner = "<a:Entities>" + "".join(f"<a:Entity>{_row(each)}</a:Entity>" for each in value.rows)
            inner += f"</a:Entities><a:EntityName>{value.table or ''}</a:EntityName>"
        case Made(make):
            return make(tag)
        case Of(type, held, True):
            kind, inner = type, held
        case Of(type, held):
            kind = type
            inner = escape(str(held))
            if type in ("a:OptionSetValue", "a:Money"):
                inner = f"<a:Value>{inner}</a:Value>"
        case _:
            raise TypeError(value)
    stated = "" if bare else f" i:type={quoteattr(kind)}"
    return f"<{tag}{stated}>{inner}</{tag}>"


def _pairs(tag: str, values: Mapping[str, Any]) -> str:
    inner = "".join(
        f"<a:KeyValuePairOfstringanyType><b:key>{escape(name)}</b:key>{written('b:value', value)}"
        "</a:KeyValuePairOfstringanyType>"
        for name, value in values.items()
    )
    return f"<{tag}>{inner}</{tag}>"


def _keys(values: Mapping[str, Any]) -> str:
    inner = "".join(
        f"<m:KeyValuePairOfstringanyType><b:key>{escape(name)}</b:key>{written('b:value', value)}"
        "</m:KeyValuePairOfstringanyType>"
        for name, value in values.items()
    )
    return f"<a:KeyAttributes>{inner}</a:KeyAttributes>"


def _ref(ref: Ref) -> str:
    version = f"<a:RowVersion>{ref.version}</a:RowVersion>" if ref.version is not None else ""
    return (
        f"<a:Id>{ref.id}</a:Id>{_keys(ref.keys)}<a:LogicalName>{escape(ref.table)}</a:LogicalName>"
        f'<a:Name i:nil="true"/>{version}'
    )


def _row(row: Row) -> str:
    related = "".join(
        f"<a:KeyValuePairOfRelationshipEntityCollectionX_PsK4FkN><b:key>{relationship(*key)}</b:key><b:value>"
        f"<a:Entities>{''.join(f'<a:Entity>{_row(each)}</a:Entity>' for each in rows)}</a:Entities></b:value>"
        "</a:KeyValuePairOfRelationshipEntityCollectionX_PsK4FkN>"
        for key, rows in row.related.items()
    )
    version = f"<a:RowVersion>{row.version}</a:RowVersion>" if row.version is not None else ""
    return (
        f'{_pairs("a:Attributes", row.values)}<a:EntityState i:nil="true"/><a:FormattedValues/>'
        f"<a:Id>{row.id}</a:Id>{_keys(row.keys)}<a:LogicalName>{escape(row.table)}</a:LogicalName>"
        f"<a:RelatedEntities>{related}</a:RelatedEntities>{version}"
    )


def relationship(name: str, role: str | None = None) -> str:
    """The members of a Relationship."""
    said = f"<a:PrimaryEntityRole>{role}</a:PrimaryEntityRole>" if role else ""
    return f"{said}<a:SchemaName>{escape(name)}</a:SchemaName>"


def references(*refs: Ref) -> str:
    """The items of an EntityReferenceCollection."""
    return "".join(f"<a:EntityReference>{_ref(each)}</a:EntityReference>" for each in refs)


def guids(*ids: str) -> Of:
    """An array of ids."""
    return raw("f:ArrayOfguid", "".join(f"<f:guid>{each}</f:guid>" for each in ids))


def columns(*names: str, everything: bool = False) -> str:
    """The members of a ColumnSet."""
    listed = "".join(f"<f:string>{escape(name)}</f:string>" for name in names)
    return f"<a:AllColumns>{str(everything).lower()}</a:AllColumns><a:Columns>{listed}</a:Columns>"


def fetch(text: str) -> Of:
    """A FetchExpression."""
    return raw("a:FetchExpression", f"<a:Query>{escape(text)}</a:Query>")


def request(name: str, parameters: Mapping[str, Any], tag: str = "request", kind: str | None = None) -> str:
    """An OrganizationRequest."""
    stated = f' i:type="{kind}"' if kind else ""
    return (
        f"<{tag}{stated}>{_pairs('a:Parameters', parameters)}"
        f'<a:RequestId i:nil="true"/><a:RequestName>{escape(name)}</a:RequestName></{tag}>'
    )


def envelope(body: str, headers: str = "", version: str = SOAP11) -> bytes:
    """A whole message."""
    spaces = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in SPACES.items())
    head = f"<s:Header>{headers}</s:Header>" if headers else ""
    return f'<s:Envelope xmlns:s="{version}"{spaces}>{head}<s:Body>{body}</s:Body></s:Envelope>'.encode()


# -- reading ---------------------------------------------------------------------------------------------------------
def name_of(element: Any) -> str:
    """An element's name without its namespace."""
    return str(etree.QName(element).localname)


def type_of(element: Any) -> str:
    """The stated type as ``{namespace}name``; empty without one."""
    text = element.get(f"{{{XSI}}}type")
    if text is None:
        return ""
    prefix, _, name = text.rpartition(":")
    return f"{{{element.nsmap[prefix or None]}}}{name}"


def value_of(element: Any) -> Any:
    """The value of an element by the type that it states."""
    if element.get(f"{{{XSI}}}nil") == "true":
        return None
    kind = type_of(element)
    text, name = element.text or "", kind.rpartition("}")[2]
    match name:
        case "boolean":
            return {"true": True, "false": False}[text]
        case "int" | "long":
            return int(text)
        case "decimal":
            return Decimal(text)
        case "double":
            return float(text)
        case "base64Binary":
            return base64.b64decode(text)
        case "guid" | "string" | "dateTime":
            return text
        case "Money":
            return Decimal(element[0].text)
        case "OptionSetValue":
            return int(element[0].text)
        case "OptionSetValueCollection":
            return tuple(int(each[0].text) for each in element)
        case "BooleanManagedProperty":
            return {"true": True, "false": False}[parts_of(element)["Value"].text]
        case "EntityReference":
            return read_ref(element)
        case "Entity":
            return read_row(element)
        case "EntityCollection":
            return read_rows(element)
        case "EntityReferenceCollection":
            return [read_ref(each) for each in element]
        case "AliasedValue":
            parts = parts_of(element)
            return Aliased(
                parts["EntityLogicalName"].text,
                parts["AttributeLogicalName"].text,
                value_of(parts["Value"]),
            )
        case _ if name.startswith("ArrayOf") and len(element) and not len(element[0]):
            return [each.text for each in element]
    return element if len(element) else text


def parts_of(element: Any) -> dict[str, Any]:
    """The children of an element by name."""
    return {name_of(each): each for each in element}


def _found(element: Any) -> dict[str, Any]:
    pairs = (parts_of(each) for each in element)
    return {each["key"].text: value_of(each["value"]) for each in pairs}


def read_ref(element: Any) -> Ref:
    """An EntityReference."""
    parts = parts_of(element)
    return Ref(parts["LogicalName"].text, parts["Id"].text, parts["Name"].text)


def read_row(element: Any) -> Row:
    """An Entity."""
    parts = parts_of(element)
    formatted = (parts_of(each) for each in parts["FormattedValues"])
    related = {}
    for each in parts["RelatedEntities"]:
        pair = parts_of(each)
        key = parts_of(pair["key"])
        related[(key["SchemaName"].text, None)] = read_rows(pair["value"]).rows
    return Row(
        parts["LogicalName"].text,
        _found(parts["Attributes"]),
        parts["Id"].text,
        related=related,
        formatted={each["key"].text: each["value"].text for each in formatted},
        version=parts["RowVersion"].text,
    )


def read_rows(element: Any) -> Rows:
    """An EntityCollection."""
    parts = parts_of(element)
    return Rows(
        [read_row(each) for each in parts["Entities"]],
        parts["PagingCookie"].text,
        parts["MoreRecords"].text == "true",
        int(parts["TotalRecordCount"].text),
        parts["TotalRecordCountLimitExceeded"].text == "true",
        parts["EntityName"].text,
    )


@dataclass(slots=True)
class SoapFault(Exception):
    """A fault of the service."""

    code: int
    message: str
    element: Any
    status: int

    @property
    def hex(self) -> str:
        """The code as the Web API has it."""
        return f"0x{self.code & 0xFFFFFFFF:08x}"

    @property
    def details(self) -> dict[str, Any]:
        """The ErrorDetails."""
        return _found(parts_of(self.element)["ErrorDetails"])


class Soap:
    """A client that is signed in as the development application."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.headers = ""
        self.http: dict[str, str] = {}
        self.version = SOAP11

    def post(self, body: bytes, path: str = "/XRMServices/2011/Organization.svc/web", **headers: str) -> Any:
        """Send a body; the answer as it is."""
        sent = {
            "content-type": "text/xml; charset=utf-8"
            if self.version == SOAP11
            else "application/soap+xml; charset=utf-8",
            "authorization": f"Bearer {self.web.token}",
            **self.http,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.web.client.post(path, content=body, headers=sent)

    def send(self, body: str) -> Any:
        """Send an operation; the element that answers it. Raises SoapFault."""
        answer = self.post(envelope(body, self.headers, self.version))
        root = etree.fromstring(answer.content)
        inner = root[-1][0]
        if name_of(inner) == "Fault":
            detail = next(each for each in inner if name_of(each).lower() == "detail")[0]
            parts = parts_of(detail)
            raise SoapFault(int(parts["ErrorCode"].text), parts["Message"].text, detail, answer.status_code)
        assert answer.status_code == 200
        return inner

    def operation(self, name: str, body: str) -> Any:
        """Call an operation of the service; its result element, or None."""
        answer = self.send(f'<{name} xmlns="{SERVICES}">{body}</{name}>')
        assert name_of(answer) == f"{name}Response"
        return answer[0] if len(answer) else None

    def create(self, table: str, **values: Any) -> str:
        """Create a row; its id."""
        found = self.operation("Create", f"<entity>{_row(Row(table, values))}</entity>")
        return str(found.text)

    def create_row(self, row: Row) -> str:
        """Create a row with all that hangs on it; its id."""
        return str(self.operation("Create", f"<entity>{_row(row)}</entity>").text)

    def retrieve(self, table: str, id: str, *names: str, everything: bool = False) -> Row:
        """Read a row."""
        body = (
            f"<entityName>{table}</entityName><id>{id}</id>"
            f"<columnSet>{columns(*names, everything=everything)}</columnSet>"
        )
        return read_row(self.operation("Retrieve", body))

    def update(self, table: str, id: str, **values: Any) -> None:
        """Change a row."""
        self.operation("Update", f"<entity>{_row(Row(table, values, id))}</entity>")

    def delete(self, table: str, id: str) -> None:
        """Remove a row."""
        self.operation("Delete", f"<entityName>{table}</entityName><id>{id}</id>")

    def tie(self, name: str, table: str, id: str, by: str, *related: Ref, role: str | None = None) -> None:
        """Associate or Disassociate."""
        body = (
            f"<entityName>{table}</entityName><entityId>{id}</entityId>"
            f"<relationship>{relationship(by, role)}</relationship>"
            f"<relatedEntities>{references(*related)}</relatedEntities>"
        )
        self.operation(name, body)

    def query(self, query: Of) -> Rows:
        """RetrieveMultiple."""
        return read_rows(self.operation("RetrieveMultiple", written("query", query)))

    def execute(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Execute a request by its name; the results."""
        return self.results(self.executed(name, parameters))

    def executed(self, name: str, parameters: Mapping[str, Any], kind: str | None = None) -> Any:
        """Execute a request; the ExecuteResult."""
        return self.operation("Execute", request(name, parameters, kind=kind))

    def results(self, element: Any) -> dict[str, Any]:
        """The results of a response."""
        return _found(parts_of(element)["Results"])
