"""Solutions, and the tables that go into them.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-update-entity-definitions-using-web-api
https://learn.microsoft.com/power-platform/alm/solution-concepts-alm
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any
from xml.sax.saxutils import escape

from msgspec import Meta, field

from orgstead.actions.action import Parameters, Result, Steps, action
from orgstead.actions.common import Fields, Long
from orgstead.actions.failures import Refusal
from orgstead.client import ConfigurationError, Expand, col
from orgstead.client.definitions import column_body, label
from orgstead.client.literals import guid, name

__all__ = [
    "CreateCustomEntity", "CreateCustomEntityOutput", "ListSolutionIdOptions", "ListSolutionIdOptionsOutput",
    "create_custom_entity", "list_solution_id_options",
]  # fmt: skip

MAX_SOLUTIONS = 1000
MAX_ATTRIBUTES = 100
PUBLISHER = Expand("publisherid", select=["customizationprefix"])
COLUMNS = ("solutionid", "uniquename", "friendlyname", "version", "ismanaged")


class ListSolutionIdOptions(Parameters, frozen=True):
    """Nothing to say."""


class ListSolutionIdOptionsOutput(Result, frozen=True):
    """The solutions as options."""

    solutions: list[Fields] = field(default_factory=list)


@action("List solutions", reads=True)
def list_solution_id_options(crm: Any, asked: ListSolutionIdOptions) -> Steps[ListSolutionIdOptionsOutput]:
    """List the solutions that a new table may go into, those that are visible and unmanaged.

    Each has a value (the id for ``solution_id`` of create_custom_entity), a label, its unique name, version and the
    prefix that names of new tables get.
    """
    query = crm.query("solution").select(*COLUMNS).expand(PUBLISHER).order_by("friendlyname")
    found = (
        yield query.where(
            (col("isvisible") == True) & (col("ismanaged") == False)  # noqa: E712 - conditions, not truth
        )
        .top(MAX_SOLUTIONS)
        .all()
    )
    solutions = [
        {
            "value": each.id,
            "label": each["friendlyname"] or each["uniquename"],
            "unique_name": each["uniquename"],
            "version": each["version"],
            "publisher_prefix": (each["publisherid"] or {}).get("customizationprefix"),
        }
        for each in found
    ]
    return ListSolutionIdOptionsOutput(success=True, solutions=solutions)


class CreateCustomEntity(Parameters, frozen=True):
    """What the table is called, where it belongs, and which columns it has."""

    solution_id: Annotated[
        str,
        Meta(description="Id of the solution it goes into; list_solution_id_options tells which there are."),
    ]
    display_name: Annotated[
        str,
        Meta(min_length=1, max_length=64, description="Name of the table for people, such as: Bank Account."),
    ]
    primary_attribute: Annotated[
        str,
        Meta(min_length=1, max_length=64, description="Name of the column that names a row: Account Name."),
    ]
    language_code: Annotated[
        int, Meta(description="Language of the names, by its LCID: 1033 is English (US).")
    ] = 1033
    additional_attributes: Annotated[
        list[Fields] | Fields | None,
        Meta(
            description="Further columns, each as {name, type} with type string, memo, int, decimal, float, money, "
            "bool, datetime, date, choice, choices, file or image, and where wanted description, required, length, "
            "precision, minimum, maximum, options (labels of a choice); or as an attribute definition of the Web API "
            "with @odata.type and SchemaName."
        ),
    ] = None
    description: Annotated[Long | None, Meta(description="What its rows are.")] = None
    has_activities: Annotated[bool, Meta(description="Whether activities may be about its rows.")] = False
    has_notes: Annotated[bool, Meta(description="Whether its rows have notes.")] = False


class CreateCustomEntityOutput(Result, frozen=True):
    """The definition of the table."""

    entity: Fields | None = None


@action("Create a custom table")
def create_custom_entity(crm: Any, asked: CreateCustomEntity) -> Steps[CreateCustomEntityOutput]:
    """Make a table of the organisation's own, with its columns, in a solution, and publish it.

    Changes the organisation's schema. Names get the prefix of the solution's publisher. Rows belong to users or teams.
    """
    solution = yield from _solution(crm, asked.solution_id)
    unique = solution["uniquename"]
    if solution["ismanaged"]:
        raise Refusal(
            f"The solution {unique} is managed, so nothing can be put into it. "
            "list_solution_id_options lists those that take tables."
        )
    prefix = str((solution["publisherid"] or {}).get("customizationprefix") or "")
    language = asked.language_code
    schema_name, title = _named(prefix, asked.display_name), _named(prefix, asked.primary_attribute)
    primary = column_body(title, {"kind": "string", "DisplayName": label(asked.primary_attribute, language)})
    attributes = [_attribute(prefix, language, each) for each in _listed(asked.additional_attributes)]
    members = {
        "DisplayName": label(asked.display_name, language),
        "DisplayCollectionName": label(_plural(asked.display_name), language),
        **({"Description": label(asked.description, language)} if asked.description else {}),
        "HasActivities": asked.has_activities,
        "HasNotes": asked.has_notes,
        "Attributes": [{**primary, "IsPrimaryName": True}, *attributes],
    }
    made = yield crm.tables.create(schema_name, solution=unique, members=members)
    document = f"<importexportxml><entities><entity>{escape(made.name)}</entity></entities></importexportxml>"
    yield crm.actions.invoke("PublishXml", {"ParameterXml": document}, idempotent=True)
    entity = {key: value for key, value in made.raw.items() if "@" not in key}
    return CreateCustomEntityOutput(success=True, entity=entity)


def _solution(crm: Any, given: str) -> Steps[Mapping[str, Any]]:
    """The solution of an id, or of a unique name. Raises Refusal."""
    try:
        condition = col("solutionid") == guid(given)
    except ConfigurationError:
        condition = col("uniquename") == given.strip()
    query = crm.query("solution").select(*COLUMNS).expand(PUBLISHER)
    found = yield query.where(condition).first()
    if found is None:
        raise Refusal(f"There is no solution {given[:60]!r}. list_solution_id_options lists those there are.")
    solution: Mapping[str, Any] = found
    return solution


def _named(prefix: str, text: str) -> str:
    """The schema name of what people call ``text``: ``new_BankAccount``. Raises Refusal."""
    words = re.findall(r"[A-Za-z0-9_]+", text)
    made = "".join(word[:1].upper() + word[1:] for word in words)
    if not made:
        raise Refusal(f"{text[:60]!r} holds no letter of a to z, of which schema names are made.")
    return name(f"{prefix}_{made}")


def _plural(text: str) -> str:
    if re.search(r"[^aeiou]y$", text):
        return f"{text[:-1]}ies"
    return f"{text}es" if re.search(r"(s|x|z|ch|sh)$", text) else f"{text}s"


def _listed(given: list[Fields] | Fields | None) -> list[Fields]:
    found = [given] if isinstance(given, dict) else given or []
    if len(found) > MAX_ATTRIBUTES:
        raise Refusal(f"At most {MAX_ATTRIBUTES} columns can be made along with a table.")
    return found


def _attribute(prefix: str, language: int, given: Fields) -> dict[str, Any]:
    """The definition of a column. Raises Refusal and ConfigurationError for what is none."""
    if "SchemaName" in given:
        name(str(given["SchemaName"]))
        return given
    more = dict(given)
    text = more.pop("name", None)
    kind = more.pop("type", None)
    if not isinstance(text, str) or not text or not isinstance(kind, str):
        raise Refusal("A column is {name, type}, or a definition with @odata.type and SchemaName.")
    if kind == "lookup":
        raise Refusal(
            f"{text[:60]} is a lookup, which is a relationship: it cannot be made along with a table."
        )
    more["DisplayName"] = label(text, language)
    if isinstance(more.get("description"), str):
        more["Description"] = label(more.pop("description"), language)
    return column_body(_named(prefix, text), {"kind": kind, **more})
