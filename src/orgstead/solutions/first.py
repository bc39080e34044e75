"""What an organisation is born with, as messages: itself, its first unit, currency, users, roles and solutions.

Ids that Dynamics fixes are those of Dynamics; the others are made from names and never change.
"""

from collections.abc import Iterator
from decimal import Decimal
from importlib.resources import files
from typing import Any

import msgspec

from orgstead.model.messages import Associate, Create, Message, Update
from orgstead.model.record import Record, Ref
from orgstead.solutions.load import metadata_id

__all__ = ["FirstIds", "first_messages", "read_rows", "user_messages"]


class FirstIds:
    """Ids of first rows that others refer to."""

    organization = metadata_id("row", "organization")
    business_unit = metadata_id("row", "businessunit")
    currency = metadata_id("row", "transactioncurrency", "USD")
    system_user = metadata_id("row", "systemuser", "SYSTEM")
    administrator = metadata_id("row", "systemuser", "administrator")
    application_user = metadata_id("row", "systemuser", "application")
    administrator_role = metadata_id("row", "role", "System Administrator")
    salesperson_role = metadata_id("row", "role", "Salesperson")


def first_messages(organization_name: str) -> Iterator[Message]:
    """The rows that do not depend on who will sign in."""
    yield from read_rows("base", {"organization": organization_name, "unit": organization_name.lower()})


def user_messages(
    id: str, *, upn: str, object_id: str, first_name: str, last_name: str, application_id: str | None = None
) -> Iterator[Message]:
    """A user row with the System Administrator role; with ``application_id`` an application user."""
    values: dict[str, Any] = {
        "domainname": upn,
        "internalemailaddress": upn,
        "firstname": first_name,
        "lastname": last_name,
        "azureactivedirectoryobjectid": object_id,
        "businessunitid": Ref("businessunit", FirstIds.business_unit),
        "isdisabled": False,
        "accessmode": 0 if application_id is None else 4,
    }
    if application_id is not None:
        values["applicationid"] = application_id
    yield _create("systemuser", id, values)
    role = Ref("role", FirstIds.administrator_role)
    yield Associate(ref=Ref("systemuser", id), relationship="systemuserroles_association", related=role)


def read_rows(solution: str, names: dict[str, str], file: str = "rows.jsonl") -> Iterator[Message]:
    """The rows of a file of a shipped solution, in its order.

    A value ``{"ref": "table/name"}`` refers to the row with that id or that name in the file; a list is the parties of
    an activity; texts may hold ``{placeholders}`` of ``names``.
    """
    path = files("orgstead.solutions").joinpath(solution, file)
    known: dict[str, Ref] = {}
    for line in path.read_bytes().splitlines():
        if not line.strip() or line.startswith(b"//"):
            continue
        row = msgspec.json.decode(line, type=dict[str, Any])
        if "relationship" in row:
            ref, related = (_value({"ref": row[end]}, known, names) for end in ("of", "to"))
            yield Associate(ref=ref, relationship=row["relationship"], related=related)
            continue
        table, name = row["table"], row["name"]
        if "update" in row:
            ref = known[f"{table}/{name}"]
            values = {key: _value(value, known, names) for key, value in row["update"].items()}
            yield Update(ref=ref, record=Record(table=table, values=values))
            continue
        id = row.get("id") or metadata_id("row", table, name)
        known[f"{table}/{name}"] = Ref(table, id)
        values = {key: _value(value, known, names) for key, value in row["values"].items()}
        yield _create(table, id, values)


def _value(value: Any, known: dict[str, Ref], names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return tuple(
            Record(table="activityparty", values={k: _value(v, known, names) for k, v in each.items()})
            for each in value
        )
    if isinstance(value, dict):
        target = value["ref"].format(**names)
        if target in known:
            return known[target]
        table, _, id = target.partition("/")
        return Ref(table, id)
    if isinstance(value, str):
        return value.format(**names) if "{" in value else value
    return Decimal(repr(value)) if isinstance(value, float) else value


def _create(table: str, id: str, values: dict[str, Any]) -> Create:
    return Create(record=Record(table=table, id=id, values=values))
