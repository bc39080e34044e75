"""Messages of the product and custom APIs, by the signatures that they have on the Web API.

https://learn.microsoft.com/power-apps/developer/data-platform/org-service/use-messages
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from orgstead.errors import fault
from orgstead.model.messages import Execute, Parameter, Result, Retrieve, Signature
from orgstead.model.query import Query
from orgstead.model.record import Record, Ref
from orgstead.model.types import is_guid
from orgstead.wire.soap.answers import Operation, Response
from orgstead.wire.soap.ask import Ask
from orgstead.wire.soap.contracts import CONTRACTS, TypeName, find_type
from orgstead.wire.soap.pieces import Row
from orgstead.wire.soap.records import entity_of
from orgstead.wire.soap.registry import request
from orgstead.wire.soap.write import Typed

__all__ = ["call"]

MAX_ITEMS = 1000
ANY_ROW = "crmbaseentity"
EDM: Mapping[str, TypeName] = {
    "Edm.Boolean": ("xs", "boolean"), "Edm.DateTimeOffset": ("xs", "dateTime"), "Edm.Decimal": ("xs", "decimal"),
    "Edm.Double": ("xs", "double"), "Edm.Int32": ("xs", "int"), "Edm.Int64": ("xs", "long"),
    "Edm.String": ("xs", "string"), "Edm.Guid": ("ser", "guid"), "Edm.Binary": ("xs", "base64Binary"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How a message is called over SOAP."""

    target: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    results: Mapping[str, str] = field(default_factory=dict)


@cache
def _spellings() -> Mapping[str, Spelling]:
    rows = tomllib.loads(files("orgstead.wire.soap").joinpath("messages.toml").read_text("utf-8"))
    return {name: Spelling(**row) for name, row in rows.items()}


PLAIN = Spelling()


def call(ask: Ask, signature: Signature, *, custom: bool) -> Operation:
    """A message that the engine knows. ``custom``: a custom API, which has no class of its own in the SDK.

    Raises MissingParameter, UnexpectedParameter, SoapMalformed for a value of another type.
    """
    spelling = _spellings().get(ask.name, PLAIN)
    target = _target(ask, signature, spelling)
    theirs = {ours.partition(":")[0]: name for name, ours in spelling.parameters.items()}
    parameters: dict[str, Any] = {}
    for parameter in signature.parameters:
        name = theirs.get(parameter.name, parameter.name)
        table = spelling.parameters.get(name, "").partition(":")[2]
        value = _rows(ask.value(name), table) if table else ask.value(name)
        if value is not None:
            parameters[parameter.name] = _fitting(ask, parameter, name, value)
        elif not parameter.optional:
            raise fault("MissingParameter", name=name, message=f"{ask.name} needs it")
    ask.finish()
    message = Execute(name=ask.name, parameters=parameters, target=target)

    def render(results: Sequence[Result]) -> Response:
        (result,) = results
        return Response(
            name=ask.name, results=tuple(_results(ask, signature, spelling, result)), typed=not custom
        )

    return Operation(messages=(message,), render=render, options=ask.options)


def _target(ask: Ask, signature: Signature, spelling: Spelling) -> Ref | str | None:
    """What a bound message is called on; raises MissingParameter."""
    if not signature.bound:
        return None
    if signature.collection:
        return signature.bound[0] if signature.bound != ("*",) else (ask.text("EntityName") or "")
    name, _, table = (spelling.target or "Target").partition(":")
    value = ask.needed(name)
    if isinstance(value, str) and table:
        value = Ref(table, value)
    if isinstance(value, Record):
        value = value.key
    if not isinstance(value, Ref) or not {"*", value.table}.intersection(signature.bound):
        raise ask.wrong(name, f"row of {' or '.join(signature.bound)}")
    return value


def _rows(value: Any, table: str) -> Any:
    """Ids as references to rows of a table."""
    if isinstance(value, list | tuple):
        return tuple(_rows(each, table) for each in value)
    return Ref(table, value) if isinstance(value, str) and is_guid(value) else value


def _fitting(ask: Ask, parameter: Parameter, name: str, value: Any) -> Any:
    """A value as the message takes it; raises SoapMalformed for one of another type."""
    kind = parameter.type
    if kind.startswith("Collection("):
        if not isinstance(value, list | tuple):
            raise ask.wrong(name, kind)
        if len(value) > MAX_ITEMS:
            raise fault("QueryTooComplex", limit=f"{MAX_ITEMS} items in {name}")
        item = Parameter(name=parameter.name, type=kind[11:-1])
        return tuple(_fitting(ask, item, name, each) for each in value)
    plain = kind.removeprefix("mscrm.")
    if kind.startswith("Edm."):
        return _primitive(ask, kind, name, value)
    if plain == ANY_ROW or plain in ask.schema.tables:
        fits = isinstance(value, Record | Ref)
    elif plain == "QueryExpression":
        fits = isinstance(value, Query)
    else:
        # An enumeration by its member, or an object by its members: as its contract has read it.
        contract = CONTRACTS.get(find_type(None, plain) or ("", ""))
        fits = isinstance(value, str if contract is not None and contract.values else dict)
    if not fits:
        raise ask.wrong(name, plain)
    return value


def _primitive(ask: Ask, kind: str, name: str, value: Any) -> Any:
    match kind:
        case "Edm.String" | "Edm.DateTimeOffset" if isinstance(value, str):
            return value
        case "Edm.Boolean" if isinstance(value, bool):
            return value
        case "Edm.Int32" | "Edm.Int64" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "Edm.Decimal" if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return value if isinstance(value, Decimal) else Decimal(repr(value))
        case "Edm.Double" if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return float(value)
        case "Edm.Binary" if isinstance(value, bytes):
            return value
        case "Edm.Guid" if isinstance(value, str) and is_guid(value):
            return value
    raise ask.wrong(name, kind.removeprefix("Edm."))


# -- results -------------------------------------------------------------------------------------------------------
def _results(ask: Ask, signature: Signature, spelling: Spelling, result: Result) -> list[tuple[str, Any]]:
    if signature.direct is not None:
        name = spelling.results.get("", "Entity")
        if result.page is not None:
            return [(name, Row(page=result.page))]
        return [(name, _typed(ask, signature.direct, result.value, name))]
    value = result.value if isinstance(result.value, Mapping) else {}
    return [
        (spelling.results.get(each.name, each.name), _typed(ask, each.type, value.get(each.name), each.name))
        for each in signature.returns
        if each.name in value
    ]


def _typed(ask: Ask, kind: str, value: Any, name: str) -> Any:
    """A result with its type."""
    if value is None:
        return None
    if kind.startswith("Collection("):
        return _collection(ask, kind[11:-1], value, name)
    if kind in EDM:
        return Typed(EDM[kind], value)
    plain = kind.removeprefix("mscrm.")
    if isinstance(value, Record):
        return entity_of(value, ask.schema)
    if isinstance(value, Ref):
        return value
    return Typed(find_type(None, plain) or ("xs", "anyType"), value)


def _collection(ask: Ask, kind: str, values: Any, name: str) -> Any:
    if kind in EDM:
        return Typed(("arrays", f"ArrayOf{EDM[kind][1]}"), list(values))
    plain = kind.removeprefix("mscrm.")
    if plain == ANY_ROW or plain in ask.schema.tables:
        if name == "EntityCollection":
            rows = [
                entity_of(Record(table=each.table, id=each.id) if isinstance(each, Ref) else each, ask.schema)
                for each in values
            ]
            return Typed(
                ("xrm", "EntityCollection"),
                {"Entities": rows, "EntityName": plain, "TotalRecordCount": -1},
            )
        return Typed(("xrm", "EntityReferenceCollection"), list(values))
    return Typed(find_type(None, f"ArrayOf{plain}") or ("arrays", "ArrayOfanyType"), list(values))


# -- messages whose rows have to be looked at first -----------------------------------------------------------------
KINDS = {1: "account", 2: "contact", 4: "lead"}


@request("AddListMembersList")
def _add_list_members(ask: Ask) -> Operation:
    """Only the list knows of which table its members are.

    https://learn.microsoft.com/dotnet/api/microsoft.crm.sdk.messages.addlistmemberslistrequest
    """
    id, members = ask.needed("ListId"), ask.needed("MemberIds")
    if not is_guid(id) or not isinstance(members, list) or not all(map(is_guid, members)):
        raise ask.wrong("MemberIds", "ArrayOfguid")
    ask.finish()
    wanted = Ref("list", id)

    def then(results: Sequence[Result]) -> Operation:
        page = results[0].page
        places = {each.name: i for i, each in enumerate(page.plan.outputs)} if page is not None else {}
        kind = KINDS[page.rows[0][places["createdfromcode"]]] if page is not None else ""
        parameters = {"List": wanted, "Members": tuple(Ref(kind, each) for each in members)}
        return Operation(
            messages=(Execute(name=ask.name, parameters=parameters),),
            render=lambda _: Response(name=ask.name),
            options=ask.options,
        )

    query = Query(table="list", columns=("createdfromcode",))
    return Operation(
        messages=(Retrieve(ref=wanted, query=query),),
        render=lambda _: Response(name=ask.name),
        options=ask.options,
        then=then,
    )


@request("Merge")
def _merge(ask: Ask) -> Operation:
    """https://learn.microsoft.com/dotnet/api/microsoft.crm.sdk.messages.mergerequest"""
    target, id = ask.ref("Target"), ask.needed("SubordinateId")
    if not is_guid(id):
        raise ask.wrong("SubordinateId", "guid")
    parameters: dict[str, Any] = {
        "Target": target,
        "Subordinate": Ref(target.table, id),
        "PerformParentingChecks": ask.flag("PerformParentingChecks"),
    }
    content = ask.value("UpdateContent")
    if content is not None:
        if not isinstance(content, Record):
            raise ask.wrong("UpdateContent", "Entity")
        parameters["UpdateContent"] = content
    ask.finish()
    return Operation(
        messages=(Execute(name="Merge", parameters=parameters),),
        render=lambda _: Response(name="Merge"),
        options=ask.options,
    )
