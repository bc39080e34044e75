"""Shipped tables: files to one schema.

A table is a file of JSON lines, one definition a line, so that a change of one column shows as one line and a
whole organisation loads in a tenth of a second. Ids of definitions are made from their names and never change.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid5

import msgspec

from orgstead.model.schema import Cascade, Choice, Column, Key, ManyToMany, OneToMany, Option, Schema, Table

__all__ = ["SOLUTIONS", "load_base", "metadata_id"]

# What is shipped, in the order in which it is read.
SOLUTIONS = ("base", "orgstead", "finops", "marketing", "crm")
NAMESPACE = UUID("0d365000-0000-4000-8000-00000000d365")
INTERSECT_CODES = 10_000


def metadata_id(*names: str) -> str:
    """The id of a shipped definition."""
    return str(uuid5(NAMESPACE, "/".join(names)))


@dataclass(slots=True)
class _Gathered:
    tables: dict[str, Table] = field(default_factory=dict)
    one_to_many: dict[str, OneToMany] = field(default_factory=dict)
    many_to_many: dict[str, ManyToMany] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)


@lru_cache(maxsize=1)
def load_base() -> Schema:
    """The schema that every organisation starts with."""
    gathered = _Gathered()
    for solution in SOLUTIONS:
        root = files("orgstead.solutions").joinpath(solution)
        choices = root.joinpath("choices.jsonl")
        if choices.is_file():
            for kind, row in _lines(choices.read_bytes()):
                _choice(gathered, kind, row)
        tables = root.joinpath("tables")
        if tables.is_dir():
            for path in sorted(tables.iterdir(), key=lambda path: path.name):
                if path.name.endswith(".jsonl"):
                    _table(gathered, _lines(path.read_bytes()))
    _intersects(gathered)
    return Schema(
        version=1,
        tables=gathered.tables,
        one_to_many=gathered.one_to_many,
        many_to_many=gathered.many_to_many,
        choices=gathered.choices,
    )


def _lines(text: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in text.splitlines():
        if line.strip():
            ((kind, row),) = msgspec.json.decode(line).items()
            yield kind, row


def _choice(gathered: _Gathered, kind: str, row: dict[str, Any]) -> None:
    if kind != "choice":
        raise ValueError(f"a line of choices.jsonl is a {kind}")
    name = row["name"]
    options = tuple(Option(*option) for option in row.pop("options"))
    gathered.choices[name] = Choice(**row, options=options, metadata_id=metadata_id("choice", name))


def _table(gathered: _Gathered, lines: Iterable[tuple[str, dict[str, Any]]]) -> None:
    rows = iter(lines)
    kind, head = next(rows)
    if kind != "table":
        raise ValueError("the first line of a table's file is the table")
    name = head["logical_name"]
    columns: dict[str, Column] = {}
    keys: list[Key] = []
    for kind, row in rows:
        match kind:
            case "column":
                columns[row["name"]] = _column(name, row, gathered.choices)
            case "one_to_many":
                _one_to_many(gathered, row)
            case "many_to_many":
                schema_name = row["schema_name"]
                id = metadata_id("relationship", schema_name)
                gathered.many_to_many[schema_name] = ManyToMany(**row, metadata_id=id)
            case "key":
                id = metadata_id("key", name, row["logical_name"])
                keys.append(Key(**{**row, "columns": tuple(row["columns"])}, metadata_id=id))
            case _:
                raise ValueError(f"{name}: a line is a {kind}")
    for column in [column for column in columns.values() if column.type == "image"]:
        # What the product fills in when an image is set.
        for shown in (f"{column.name}_timestamp", f"{column.name}_url"):
            if shown in columns:
                columns[shown] = replace(columns[shown], stored=True)
    head["indexes"] = tuple(tuple(over) for over in head.pop("indexes", ()))
    gathered.tables[name] = Table(
        **head, columns=columns, keys=tuple(keys), metadata_id=metadata_id("table", name)
    )


def _column(table: str, row: dict[str, Any], choices: Mapping[str, Choice]) -> Column:
    options = row.pop("options", ())
    if row["type"] == "state":
        made = tuple(Option(value, label, default_status=status) for value, label, status in options)
    elif row["type"] == "status":
        made = tuple(Option(value, label, state=state) for value, label, state in options)
    else:
        made = tuple(Option(value, label) for value, label in options)
    shared = row.get("global_choice")
    if shared and not made:
        made = choices[shared].options
    targets = tuple(row.pop("targets", ()))
    return Column(**row, options=made, targets=targets, metadata_id=metadata_id("column", table, row["name"]))


def _one_to_many(gathered: _Gathered, row: dict[str, Any]) -> None:
    cascade = Cascade(**row.pop("cascade", {}))
    name = row["schema_name"]
    gathered.one_to_many[name] = OneToMany(
        **row, cascade=cascade, metadata_id=metadata_id("relationship", name)
    )


def _intersects(gathered: _Gathered) -> None:
    """Tables behind N:N relationships that no file describes."""
    code = INTERSECT_CODES
    for rel in gathered.many_to_many.values():
        known = gathered.tables.get(rel.intersect)
        ends = {rel.entity1_attribute: rel.entity1, rel.entity2_attribute: rel.entity2}
        if known is None:
            code += 1
            id = f"{rel.intersect}id"
            columns = {
                id: _end(rel.intersect, id),
                "versionnumber": Column(
                    name="versionnumber",
                    schema_name="VersionNumber",
                    type="bigint",
                    create=False,
                    update=False,
                    metadata_id=metadata_id("column", rel.intersect, "versionnumber"),
                ),
            }
            known = Table(
                logical_name=rel.intersect,
                schema_name=rel.intersect,
                entity_set=f"{rel.intersect}s"
                if not rel.intersect.endswith("s")
                else f"{rel.intersect}collection",
                metadata_id=metadata_id("table", rel.intersect),
                object_type_code=code,
                primary_id=id,
                primary_name=None,
                columns=columns,
                display_name=rel.intersect,
                display_collection_name=rel.intersect,
                ownership="None",
                is_intersect=True,
            )
        missing = {name: _end(rel.intersect, name) for name in ends if name not in known.columns}
        if missing or known.logical_name not in gathered.tables:
            widened = {**known.columns, **missing}
            gathered.tables[rel.intersect] = Table(**{**_fields(known), "columns": widened})


def _end(table: str, name: str) -> Column:
    return Column(
        name=name,
        schema_name=name,
        type="uniqueidentifier",
        create=False,
        update=False,
        metadata_id=metadata_id("column", table, name),
    )


def _fields(table: Table) -> dict[str, Any]:
    return {name: getattr(table, name) for name in Table.__dataclass_fields__}
