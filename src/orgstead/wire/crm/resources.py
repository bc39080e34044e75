"""Resources and their fields: which is which table and column.

https://teamswork.app/crmapi
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

from orgstead.model.schema import Column, Schema, Table

__all__ = ["Field", "Resource", "all_resources", "form_fields"]

REQUIRED = ("ApplicationRequired", "SystemRequired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field: its column, the table that it leads to if it is a lookup, and whether it is only read."""

    name: str
    column: str
    target: str | None = None
    only_read: bool = False


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A collection of rows. ``kinds`` are the tables of which a new row is one; ``form`` shapes what is written."""

    name: str
    path: str
    table: str
    title: str
    fields: Mapping[str, Field]
    search: tuple[str, ...] = ()
    form: str | None = None
    bulk: bool = False
    only_read: bool = False
    kinds: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that a row is shown by."""
        return tuple(dict.fromkeys(field.column for field in self.fields.values()))

    def column(self, schema: Schema, field: Field) -> Column:
        """The column of a field."""
        return schema.tables[self.table].columns[field.column]

    def needs(self, schema: Schema, field: Field) -> bool:
        """Whether a field has to be given as long as no form says something else."""
        column = self.column(schema, field)
        return (
            not field.only_read
            and field.target is None
            and column.required in REQUIRED
            and column.default is None
        )

    def kind(self, schema: Schema, name: str) -> Table | None:
        """The table of a new row of a kind; None when rows of this resource are of no such kind."""
        return schema.tables.get(name) if name in self.kinds else None


@cache
def all_resources() -> Mapping[str, Resource]:
    """Every resource by its name."""
    text = files("orgstead.wire.crm").joinpath("resources.toml").read_text("utf-8")
    return {name: _resource(name, **row) for name, row in tomllib.loads(text).items()}


def form_fields(form: str, schema: Schema) -> Mapping[str, tuple[Resource, Field]]:
    """The fields of a form by their names, each with the first resource that has it."""
    found: dict[str, tuple[Resource, Field]] = {}
    for resource in all_resources().values():
        if resource.form == form:
            for field in resource.fields.values():
                if not field.only_read:
                    found.setdefault(field.name, (resource, field))
    return found


def _resource(
    name: str, *, fields: Mapping[str, str], search: list[str], kinds: tuple[str, ...] = (), **values: object
) -> Resource:
    return Resource(
        name=name,
        fields={each: _field(each, text) for each, text in fields.items()},
        search=tuple(search),
        kinds=tuple(kinds),
        **values,  # type: ignore[arg-type]
    )


def _field(name: str, text: str) -> Field:
    column, _, target = text.rstrip("!").partition(">")
    return Field(name=name, column=column, target=target or None, only_read=text.endswith("!"))
