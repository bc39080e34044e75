"""Changes of definitions: bodies of the Web API as the SDK's requests."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orgstead.errors import Fault
from orgstead.model.messages import Options, Result
from orgstead.model.schema import Schema, Table
from orgstead.wire.definitions.actions import DEFINITION_ACTIONS
from orgstead.wire.odata.request import Request
from orgstead.wire.odata.response import VERSION, Reply
from orgstead.wire.odatav4.paths import Segment, parse_path
from orgstead.wire.soap.contracts import CONTRACTS, PRIMITIVES, TypeName, find_type, is_a, members_of
from tests.parity.bridge.ledger import Alone, Why
from tests.parity.bridge.requests import Asked
from tests.parity.bridge.values import typed

__all__ = ["Change", "change_of"]

SETS = ("EntityDefinitions", "RelationshipDefinitions", "GlobalOptionSetDefinitions")
Values = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A request that changes definitions, and its answer."""

    asked: Asked
    options: Options
    render: Callable[[Result], Reply]


def change_of(request: Request, schema: Schema) -> Change | None:
    """The request of a change of definitions; None for any other request. Raises Alone."""
    if request.method == "GET":
        return None
    try:
        segments = parse_path(request.path)
    except Fault:
        raise Alone(Why.REFUSED) from None
    if not segments or (segments[0].name not in SETS and segments[0].name not in DEFINITION_ACTIONS):
        return None
    if request.query or request.headers.get("prefer") or "if-match" in request.headers:
        raise Alone(Why.REFUSED)
    try:
        body = json.loads(request.body) if request.body else {}
    except (ValueError, RecursionError):
        raise Alone(Why.REFUSED) from None
    if not isinstance(body, dict):
        raise Alone(Why.REFUSED)
    options = Options(
        solution=request.headers.get("mscrm.solutionuniquename"),
        callbacks=request.headers.get("mscrm.suppresscallbackregistrationexpanderjob", "").lower() != "true",
    )
    body = {name: value for name, value in body.items() if name != "@odata.context"}
    key = tuple(segment.name for segment in segments)
    if key[0] in DEFINITION_ACTIONS:
        if request.method != "POST" or len(segments) > 1:
            raise Alone(Why.REFUSED)
        return _action(segments[0], body, options, request.base)
    found = _request(request.method, segments, body, schema, _base(segments))
    if found is None:
        raise Alone(Why.DEFINITION)
    name, parameters, address = found

    def render(result: Result) -> Reply:
        made = address(result.value) if address is not None else None
        more = () if made is None else (("OData-EntityId", f"{request.base}{made}"),)
        return Reply(status=204, headers=(VERSION, *more) if more else (VERSION,))

    asked = Asked(name=name, parameters=parameters, read=lambda results: Result(value=results))
    return Change(asked=asked, options=options, render=render)


def _base(segments: Any) -> str:
    """The first segment as an answer spells it."""
    first = segments[0]
    if first.id is not None:
        return f"{first.name}({first.id})"
    if first.pairs:
        return f"{first.name}({','.join(f'''{name}={chr(39)}{value}{chr(39)}''' for name, value in first.pairs)})"
    return str(first.name)


Found = tuple[str, dict[str, Any], Callable[[Mapping[str, Any]], str] | None]


def _request(method: str, segments: Any, body: Values, schema: Schema, base: str) -> Found | None:
    """Name, parameters, and the address of what has been made."""
    first, rest = segments[0], [each.name for each in segments[1:] if "." not in each.name]
    if first.name == "EntityDefinitions":
        if method == "POST" and not first.called and not rest:
            return _create_table(body)
        if not first.called:
            return None
        table = _table(first, schema)
        if not rest:
            if method == "PUT":
                merged = _under(body, "LogicalName", table.logical_name)
                flags = {name: merged.pop(name) for name in ("HasNotes", "HasActivities") if name in merged}
                return "UpdateEntity", {"Entity": _typed("EntityMetadata", merged), **flags}, None
            return ("DeleteEntity", {"LogicalName": table.logical_name}, None) if method == "DELETE" else None
        if len(rest) > 1:
            return None
        return _part(method, rest[0], segments[1], body, table, base)
    if first.name == "GlobalOptionSetDefinitions" and not rest:
        if method == "POST" and not first.called:
            return (
                "CreateOptionSet", {"OptionSet": _typed("OptionSetMetadataBase", body)},
                lambda told: f"GlobalOptionSetDefinitions({told['OptionSetId']})",
            )  # fmt: skip
        name = _named(first, "Name")
        if method == "PUT":
            return (
                "UpdateOptionSet",
                {"OptionSet": _typed("OptionSetMetadataBase", _under(body, "Name", name))},
                None,
            )
        return ("DeleteOptionSet", {"Name": name}, None) if method == "DELETE" else None
    if first.name == "RelationshipDefinitions" and not rest:
        return _relationship(method, first, body)
    return None


def _create_table(body: Values) -> Found | None:
    attributes = body.get("Attributes")
    if not isinstance(attributes, list) or len(attributes) != 1 or not isinstance(attributes[0], dict):
        return None
    primary = dict(attributes[0])
    if not primary.pop("IsPrimaryName", False) or "SchemaName" not in primary:
        return None
    kind = str(primary.get("@odata.type", "")).rpartition(".")[2]
    if kind != "StringAttributeMetadata":
        return None
    rest = {
        name: value
        for name, value in body.items()
        if name not in ("Attributes", "HasNotes", "HasActivities", "HasFeedback")
    }
    flags = {name: body[name] for name in ("HasNotes", "HasActivities", "HasFeedback") if name in body}
    if not all(isinstance(each, bool) for each in flags.values()):
        return None
    parameters = {
        "Entity": _typed("EntityMetadata", rest),
        "PrimaryAttribute": _typed("StringAttributeMetadata", primary),
        **flags,
    }
    return "CreateEntity", parameters, lambda told: f"EntityDefinitions({told['EntityId']})"


def _part(method: str, part: str, segment: Segment, body: Values, table: Table, base: str) -> Found | None:
    """A column or a key of a table."""
    if part == "Attributes":
        if method == "POST" and not segment.called:
            return (
                "CreateAttribute",
                {"EntityName": table.logical_name, "Attribute": _typed("AttributeMetadata", body)},
                lambda told: f"{base}/Attributes({told['AttributeId']})",
            )
        name = _named(segment, "LogicalName")
        if method == "PUT":
            given = _under(body, "LogicalName", name)
            return (
                "UpdateAttribute",
                {"EntityName": table.logical_name, "Attribute": _typed("AttributeMetadata", given)},
                None,
            )
        if method == "DELETE":
            return "DeleteAttribute", {"EntityLogicalName": table.logical_name, "LogicalName": name}, None
    if part == "Keys":
        if method == "POST" and not segment.called:
            return (
                "CreateEntityKey", {"EntityName": table.logical_name, "EntityKey": _typed("EntityKeyMetadata", body)},
                lambda told: f"{base}/Keys({told['EntityKeyId']})",
            )  # fmt: skip
        if method == "DELETE":
            name = _named(segment, "LogicalName")
            return "DeleteEntityKey", {"EntityLogicalName": table.logical_name, "Name": name}, None
    return None


def _relationship(method: str, first: Segment, body: Values) -> Found | None:
    if method == "POST" and not first.called:
        kind = str(body.get("@odata.type", "")).rpartition(".")[2]
        if kind == "OneToManyRelationshipMetadata" and isinstance(body.get("Lookup"), dict):
            rest = {name: value for name, value in body.items() if name != "Lookup"}
            parameters = {
                "OneToManyRelationship": _typed(kind, rest),
                "Lookup": _typed("LookupAttributeMetadata", body["Lookup"]),
            }
            return (
                "CreateOneToMany",
                parameters,
                lambda told: f"RelationshipDefinitions({told['RelationshipId']})",
            )
        if kind == "ManyToManyRelationshipMetadata":
            named = body.get("IntersectEntityName")
            rest = {name: value for name, value in body.items() if name != "IntersectEntityName"}
            parameters = {"ManyToManyRelationship": _typed(kind, rest)}
            if isinstance(named, str):
                parameters["IntersectEntitySchemaName"] = named  # type: ignore[assignment]
            return (
                "CreateManyToMany", parameters,
                lambda told: f"RelationshipDefinitions({told['ManyToManyRelationshipId']})",
            )  # fmt: skip
        return None
    if not first.called:
        return None
    name = _named(first, "SchemaName")
    if method == "PUT":
        return (
            "UpdateRelationship",
            {"Relationship": _typed("RelationshipMetadataBase", _under(body, "SchemaName", name))},
            None,
        )
    return ("DeleteRelationship", {"Name": name}, None) if method == "DELETE" else None


def _action(segment: Segment, body: Values, options: Options, base: str) -> Change:
    """An action about definitions; its parameters have the same names."""
    kinds = {"Lookup": "LookupAttributeMetadata", "Label": "Label", "Description": "Label"}
    parameters: dict[str, Any] = {}
    for name, value in body.items():
        match value:
            case _ if name in kinds:
                parameters[name] = _typed(kinds[name], value)
            case list() if all(isinstance(each, int) for each in value):
                parameters[name] = typed(("arrays", "ArrayOfint"), value)
            case list():
                kind = {
                    "OneToManyRelationships": "OneToManyRelationshipMetadata",
                    "Entities": "EntityMetadata",
                }.get(name)
                if kind is None or not all(isinstance(each, dict) for each in value):
                    raise Alone(Why.DEFINITION)
                for each in value:
                    _check(("meta", kind), each)
                parameters[name] = typed(("meta", f"ArrayOf{kind}"), value)
            case dict():
                raise Alone(Why.DEFINITION)
            case _:
                parameters[name] = value
    returned = {
        "InsertOptionValue": "NewOptionValue", "InsertStatusValue": "NewOptionValue",
    }.get(segment.name)  # fmt: skip

    def render(result: Result) -> Reply:
        if returned is None:
            raise Alone(Why.DEFINITION)
        told = {
            "@odata.context": f"{base}$metadata#Microsoft.Dynamics.CRM.{segment.name}Response",
            **result.value,
        }
        return Reply(
            status=200,
            headers=(("Content-Type", "application/json"), VERSION),
            body=json.dumps(told).encode(),
        )

    def done(result: Result) -> Reply:
        return Reply(status=204)

    if returned is None and segment.name not in (
        "UpdateOptionValue",
        "DeleteOptionValue",
        "OrderOption",
        "UpdateStateValue",
    ):
        raise Alone(Why.DEFINITION)
    asked = Asked(name=segment.name, parameters=parameters, read=lambda results: Result(value=dict(results)))
    return Change(asked=asked, options=options, render=render if returned else done)


def _table(segment: Segment, schema: Schema) -> Table:
    """The table that a segment names."""
    for table in schema.tables.values():
        if segment.id is not None and table.metadata_id == segment.id.lower():
            return table
        if segment.pairs == (("LogicalName", table.logical_name),) or list(segment.pairs) == [
            ("LogicalName", table.logical_name)
        ]:
            return table
    raise Alone(Why.DEFINITION)


def _under(body: Values, key: str, name: Any) -> Values:
    """A definition with the name that its address has; raises Alone for one that says another."""
    if body.get(key, name) != name:
        raise Alone(Why.DEFINITION)
    return {**body, key: name}


def _named(segment: Segment, key: str) -> Any:
    """What a segment's key says."""
    if segment.id is None and len(segment.pairs) == 1 and segment.pairs[0][0] == key:
        return segment.pairs[0][1]
    raise Alone(Why.DEFINITION)


def _typed(kind: str, value: Any) -> Any:
    """A definition of a class, or of the class that it states."""
    found = find_type(None, kind)
    assert found is not None, kind
    stated = (
        str(value.get("@odata.type", "")).rpartition(".")[2].removeprefix("Complex")
        if isinstance(value, dict)
        else ""
    )
    if stated:
        other = find_type(None, stated)
        if other is None or not is_a(other, found):
            raise Alone(Why.DEFINITION)
        found = other
    elif kind.endswith("Base") or kind == "AttributeMetadata":
        raise Alone(Why.DEFINITION)
    _check(found, value)
    return typed(found, value)


def _check(type: TypeName, value: Any) -> None:
    """Refuse what no object of the class could hold."""
    if value is None:
        return
    if type in PRIMITIVES:
        fits = {
            "boolean": bool, "int": int, "long": int, "string": str, "guid": str, "dateTime": str,
            "decimal": (int, float), "double": (int, float),
        }.get(type[1], object)  # fmt: skip
        if not isinstance(value, fits) or (isinstance(value, bool) and fits is not bool):  # type: ignore[arg-type]
            raise Alone(Why.DEFINITION)
        if fits is int and not -(2**31) <= value < 2**31:
            raise Alone(Why.DEFINITION)
        return
    contract = CONTRACTS[type]
    if contract.values:
        if not isinstance(value, str) or not set(value.split(",")) <= set(contract.values):
            raise Alone(Why.DEFINITION)
        return
    if contract.item is not None:
        if not isinstance(value, list):
            raise Alone(Why.DEFINITION)
        for each in value:
            _check(contract.item.type, each)
        return
    if not isinstance(value, dict):
        raise Alone(Why.DEFINITION)
    stated = str(value.get("@odata.type", "")).rpartition(".")[2].removeprefix("Complex")
    if stated:
        other = find_type(None, stated)
        if other is None or not is_a(other, type):
            raise Alone(Why.DEFINITION)
        type = other
    members = members_of(type)
    for name, each in value.items():
        if name.startswith("@"):
            continue
        if name not in members or (each is None and not members[name].nillable):
            raise Alone(Why.DEFINITION)
        _check(members[name].type, each)
