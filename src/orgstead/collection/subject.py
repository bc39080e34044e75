"""What a collection is made of: the tables and the operations of an organisation, as its definitions have them.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/web-api-service-documents
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from orgstead.client import Client, ConfigurationError
from orgstead.client.answers import body_of
from orgstead.client.definitions import label_of
from orgstead.client.literals import name as checked_name
from orgstead.client.literals import query_text

__all__ = ["Operation", "Parameter", "SampleTable", "Subject", "read_operations", "read_subject"]

_EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
_SELECT = "LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,DisplayName,IsIntersect"
_COLUMN = "LogicalName,AttributeType,RequiredLevel,IsValidForCreate,IsValidForUpdate,AttributeOf"
MAX_METADATA = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTable:
    """A table; ``writable`` are columns by type that a request may set, ``required`` those that it has to."""

    name: str
    set: str
    key: str
    title: str | None
    label: str
    writable: Mapping[str, str]
    required: Sequence[str]
    keys: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of an operation, of a type as the metadata document names it."""

    name: str
    type: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An action or a function; ``bound`` is the type that it is bound to, ``many`` when to a collection of it."""

    name: str
    function: bool
    parameters: Sequence[Parameter] = ()
    bound: str | None = None
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An organisation: where it is, who signs in for it, and what can be asked of it.

    ``enums`` has the first member of each enumeration by the qualified name of its type.
    """

    url: str
    authority: str
    tenant: str
    tables: Sequence[SampleTable]
    operations: Sequence[Operation]
    enums: Mapping[str, str]
    client_id: str = ""
    client_secret: str = ""
    version: str = "9.2"


def read_subject(
    client: Client, *, tables: Sequence[str] = (), client_id: str = "", client_secret: str = ""
) -> Subject:
    """An organisation as its definitions describe it; with ``tables`` only these. Raises what requests raise."""
    options: dict[str, str | None] = {
        "$select": _SELECT,
        "$expand": f"Attributes($select={_COLUMN}),Keys($select=KeyAttributes)",
    }
    names = [checked_name(each).lower() for each in tables]
    options["$filter"] = " or ".join(f"LogicalName eq '{each}'" for each in names) or "IsPrivate eq false"
    found = body_of(client.request("GET", f"EntityDefinitions?{query_text(options)}"))["value"]
    missing = sorted(set(names) - {each["LogicalName"] for each in found})
    if missing:
        raise ConfigurationError(f"there is no table {missing[0]}")
    authority, tenant = client.authority()
    operations, enums = read_operations(
        client.request("GET", "$metadata", headers={"Accept": "application/xml"}).content
    )
    sample = [_table(each) for each in found if each.get("EntitySetName") and not each.get("IsIntersect")]
    return Subject(
        url=client.url,
        authority=authority.rstrip("/"),
        tenant=tenant,
        tables=sorted(sample, key=lambda each: each.label.casefold()),
        operations=operations,
        enums=enums,
        client_id=client_id,
        client_secret=client_secret,
    )


def _table(found: Mapping[str, Any]) -> SampleTable:
    writable, required = {}, []
    for each in found["Attributes"]:
        if each.get("IsValidForCreate") and each.get("IsValidForUpdate") and not each.get("AttributeOf"):
            writable[each["LogicalName"]] = str(each.get("AttributeType"))
            if (each.get("RequiredLevel") or {}).get("Value") in ("ApplicationRequired", "SystemRequired"):
                required.append(each["LogicalName"])
    return SampleTable(
        name=found["LogicalName"],
        set=found["EntitySetName"],
        key=found["PrimaryIdAttribute"],
        title=found.get("PrimaryNameAttribute"),
        label=label_of(found.get("DisplayName")) or found["LogicalName"],
        writable=writable,
        required=required,
        keys=[tuple(each["KeyAttributes"]) for each in found.get("Keys") or ()],
    )


def read_operations(content: bytes) -> tuple[Sequence[Operation], Mapping[str, str]]:
    """Actions, functions and enumerations of a metadata document. Raises ConfigurationError for what is none."""
    if len(content) > MAX_METADATA or b"<!DOCTYPE" in content[:4096]:
        raise ConfigurationError("the metadata document is none")
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ConfigurationError(f"the metadata document cannot be read: {error}") from None
    operations: list[Operation] = []
    enums: dict[str, str] = {}
    for schema in root.iter(f"{_EDM}Schema"):
        space = schema.get("Namespace", "")
        for each in schema.iter(f"{_EDM}EnumType"):
            member = each.find(f"{_EDM}Member")
            if member is not None:
                enums[f"{space}.{each.get('Name')}"] = member.get("Name", "")
        operations += _operations(schema, space)
    operations.sort(key=lambda each: (each.name, each.bound or ""))
    return operations, enums


def _operations(schema: ElementTree.Element, space: str) -> Iterator[Operation]:
    aliases = {schema.get("Alias"): space}
    for kind in ("Action", "Function"):
        for each in schema.iter(f"{_EDM}{kind}"):
            parameters = [
                Parameter(
                    name=found.get("Name", ""),
                    type=_qualified(found.get("Type", ""), aliases),
                    optional=kind == "Action" and found.get("Nullable") != "false",
                )
                for found in each.findall(f"{_EDM}Parameter")
            ]
            bound, many = None, False
            if each.get("IsBound") == "true" and parameters:
                bound = parameters.pop(0).type
                many = bound.startswith("Collection(")
                bound = bound.removeprefix("Collection(").removesuffix(")").rpartition(".")[2]
            yield Operation(
                name=each.get("Name", ""),
                function=kind == "Function",
                parameters=parameters,
                bound=bound,
                many=many,
            )


def _qualified(text: str, aliases: Mapping[str | None, str]) -> str:
    inner = text.removeprefix("Collection(").removesuffix(")")
    space, _, name = inner.rpartition(".")
    full = f"{aliases.get(space, space)}.{name}"
    return f"Collection({full})" if text != inner else full
