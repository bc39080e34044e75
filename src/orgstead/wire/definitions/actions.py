"""Actions about definitions whose parameters are definitions, labels or options themselves.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-optionsets
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/createcustomerrelationships
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.schema import Schema
from orgstead.wire.definitions.labels import read_label
from orgstead.wire.definitions.read_columns import read_lookup
from orgstead.wire.definitions.read_options import read_option_value
from orgstead.wire.definitions.read_relationships import read_one_to_many
from orgstead.wire.definitions.read_tables import read_table

__all__ = ["DEFINITION_ACTIONS", "Making", "read_action"]

MAX_ENTITIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What new definitions are made with: the schema that they join and where their ids come from."""

    schema: Schema
    new_id: Callable[[], str]


def _wrong(name: str, kind: str) -> Fault:
    return fault("InvalidPayload", message=f"The parameter {name} is not of type {kind}.")


def _needed(body: dict[str, Any], name: str) -> Any:
    value = body.pop(name, None)
    if value is None:
        raise fault("MissingParameter", name=name, message="the action needs it")
    return value


def _create_entities(body: dict[str, Any], made: Making) -> dict[str, Any]:
    given = _needed(body, "Entities")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_ENTITIES:
        raise fault("InvalidPayload", message=f"Entities must be an array of 1 to {MAX_ENTITIES} entities.")
    return {"tables": tuple(read_table(each, made.schema, made.new_id) for each in given)}


def _lookup_with_relationships(body: dict[str, Any], made: Making) -> dict[str, Any]:
    given = _needed(body, "OneToManyRelationships")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_ENTITIES:
        raise fault(
            "InvalidPayload", message=f"OneToManyRelationships must be an array of 1 to {MAX_ENTITIES}."
        )
    lookup = read_lookup(_needed(body, "Lookup"), made.schema, made.new_id)
    rels = tuple(read_one_to_many(each, made.schema, made.new_id, lookup=False)[0] for each in given)
    return {"lookup": lookup, "relationships": rels}


def _place(body: dict[str, Any]) -> dict[str, Any]:
    """Which options are meant: those of a column, or of a global choice."""
    place: dict[str, Any] = {}
    for name, key in (
        ("OptionSetName", "choice"),
        ("EntityLogicalName", "table"),
        ("AttributeLogicalName", "column"),
    ):
        value = body.pop(name, None)
        if value is not None:
            if not isinstance(value, str):
                raise _wrong(name, "Edm.String")
            place[key] = value
    if not place:
        raise fault(
            "MissingParameter", name="OptionSetName", message="or EntityLogicalName and AttributeLogicalName"
        )
    return place


def _insert(body: dict[str, Any], made: Making) -> dict[str, Any]:
    parameters = _place(body)
    label = read_label(_needed(body, "Label"), "Label")
    parameters |= {"label": label or "", "value": _whole(body, "Value"), "color": _color(body)}
    _unread(body, "Description", "ExternalValue", "ParentValues")
    return parameters


def _insert_status(body: dict[str, Any], made: Making) -> dict[str, Any]:
    state = _whole(body, "StateCode")
    return {**_insert(body, made), "state": state}


def _update(body: dict[str, Any], made: Making) -> dict[str, Any]:
    parameters = _place(body)
    parameters |= {
        "value": read_option_value(_needed(body, "Value"), "Value"),
        "label": read_label(body.pop("Label", None), "Label"),
        "color": _color(body),
    }
    if not isinstance(body.pop("MergeLabels", False), bool):
        raise _wrong("MergeLabels", "Edm.Boolean")
    _unread(body, "Description", "ExternalValue", "ParentValues")
    return parameters


def _update_state(body: dict[str, Any], made: Making) -> dict[str, Any]:
    status = _whole(body, "DefaultStatusCode")
    return {**_update(body, made), "default_status": status}


def _delete(body: dict[str, Any], made: Making) -> dict[str, Any]:
    return {**_place(body), "value": read_option_value(_needed(body, "Value"), "Value")}


def _order(body: dict[str, Any], made: Making) -> dict[str, Any]:
    values = _needed(body, "Values")
    if not isinstance(values, list):
        raise _wrong("Values", "Collection(Edm.Int32)")
    return {**_place(body), "values": tuple(read_option_value(value, "Values") for value in values)}


def _whole(body: dict[str, Any], name: str) -> int | None:
    value = body.pop(name, None)
    return None if value is None else read_option_value(value, name)


def _color(body: dict[str, Any]) -> str | None:
    value = body.pop("Color", None)
    if value is not None and not isinstance(value, str):
        raise _wrong("Color", "Edm.String")
    return value or None


def _unread(body: dict[str, Any], *names: str) -> None:
    """Details of options that are not kept: refused unless they are empty."""
    for name in names:
        value = body.pop(name, None)
        empty = value is None or value in ("", [])
        if not empty and not (name == "Description" and not read_label(value, name)):
            raise fault("NotSupported", feature=f"{name} of an option")


_ACTIONS: Mapping[str, Callable[[dict[str, Any], Making], dict[str, Any]]] = {
    "CreateCustomerRelationships": _lookup_with_relationships,
    "CreateEntities": _create_entities,
    "CreatePolymorphicLookupAttribute": _lookup_with_relationships,
    "DeleteOptionValue": _delete,
    "InsertOptionValue": _insert,
    "InsertStatusValue": _insert_status,
    "OrderOption": _order,
    "UpdateOptionValue": _update,
    "UpdateStateValue": _update_state,
}
DEFINITION_ACTIONS = frozenset(_ACTIONS)


def read_action(name: str, body: dict[str, Any], made: Making) -> dict[str, Any]:
    """The parameters of the message of an action, out of those of the request.

    Raises MissingParameter, UnexpectedParameter, InvalidPayload and what the definitions in it raise.
    """
    given = {key: value for key, value in body.items() if not key.startswith("@")}
    parameters = _ACTIONS[name](given, made)
    solution = given.pop("SolutionUniqueName", None)
    if solution is not None:
        if not isinstance(solution, str):
            raise _wrong("SolutionUniqueName", "Edm.String")
        parameters["solution"] = solution
    if given:
        raise fault("UnexpectedParameter", name=next(iter(given))[:100], message=name)
    return parameters
