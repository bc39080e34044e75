"""Privileges and what the shipped roles hold of them, as messages."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from importlib.resources import files
from typing import Any

import msgspec

from orgstead.model.messages import Create, Execute, Message
from orgstead.model.privileges import ACCESS, Privilege, other_privileges, privilege_name, table_privileges
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Schema
from orgstead.solutions.load import metadata_id

__all__ = ["all_privileges", "privilege_messages", "role_messages"]


def all_privileges(schema: Schema) -> dict[str, Privilege]:
    """Every privilege by name."""
    found = {each.name: each for table in schema.tables.values() for each in table_privileges(table, schema)}
    return found | {each.name: each for each in other_privileges()}


def privilege_messages(schema: Schema, known: Collection[str] = ()) -> Iterator[Message]:
    """The rows of the privileges that are not ``known``."""
    for name, privilege in all_privileges(schema).items():
        if name not in known:
            values: dict[str, Any] = {
                "name": name,
                "accessright": ACCESS.get(privilege.right or "", 0),
                **{
                    f"canbe{depth.lower()}": depth in privilege.depths
                    for depth in ("Basic", "Local", "Deep", "Global")
                },
            }
            yield Create(record=Record(table="privilege", id=privilege.id, values=values))


def role_messages(schema: Schema, there: Collection[str] | None = None) -> Iterator[Message]:
    """What the shipped roles hold, those with the ids ``there`` or all of them."""
    privileges = all_privileges(schema)
    held: dict[str, dict[str, str]] = defaultdict(dict)
    for row in (row for solution in ("base", "finops", "crm") for row in _lines(solution, "roles.jsonl")):
        names = [
            privilege_name(schema.tables[table], right, schema)
            for table in row.get("tables", ())
            for right in row.get("rights", ())
        ]
        for name in (*names, *row.get("privileges", ())):
            held[row["role"]][privileges[name].name] = row["depth"]
    for role, depths in held.items():
        given = tuple({"PrivilegeId": privileges[name].id, "Depth": depth} for name, depth in depths.items())
        id = _role_id(role)
        if there is None or id in there:
            yield Execute(name="AddPrivilegesRole", parameters={"Privileges": given}, target=Ref("role", id))


def _role_id(name: str) -> str:
    return _FIXED.get(name) or metadata_id("row", "role", name)


def _fixed_ids() -> dict[str, str]:
    found: dict[str, str] = {}
    for row in _lines("base", "rows.jsonl"):
        if row.get("table") == "role" and "id" in row:
            found[row["name"]] = row["id"]
    return found


def _lines(solution: str, file: str) -> Iterator[dict[str, Any]]:
    for line in files("orgstead.solutions").joinpath(solution, file).read_bytes().splitlines():
        if line.startswith(b"{"):
            yield msgspec.json.decode(line, type=dict[str, Any])


_FIXED = _fixed_ids()
