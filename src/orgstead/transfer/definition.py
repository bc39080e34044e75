"""A table as files see it: what each column takes, by what navigation property a lookup is bound, what options say.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/attributemetadata
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from orgstead.client import Client, ColumnInfo
from orgstead.client.answers import body_of
from orgstead.client.definitions import NAMESPACE, label_of
from orgstead.client.literals import query_text

__all__ = ["COLLECTIONS", "LOOKUPS", "Column", "Table", "describe_table"]

LOOKUPS = frozenset({"Lookup", "Customer", "Owner"})
COLLECTIONS = frozenset({"PartyList", "CalendarRules"})
# What is no value of a row: rows of others, contents of files, names that the service makes of other columns.
_OTHERS = frozenset({"File", "Image", "Virtual", "ManagedProperty"}) | COLLECTIONS
_CHOICES = frozenset({"Picklist", "MultiSelectPicklist", "Boolean", "State", "Status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: ``type`` is its AttributeType, ``targets`` the tables of a lookup with their navigation properties.

    ``length`` is in characters, ``options`` are labels by value, ``behavior`` is that of a time: UserLocal, DateOnly or
    TimeZoneIndependent.
    """

    name: str
    type: str
    label: str = ""
    create: bool = True
    update: bool = True
    read: bool = True
    length: int | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    precision: int | None = None
    behavior: str = ""
    options: Mapping[int, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)

    @property
    def writable(self) -> bool:
        """Whether a file may bring it; a lookup that leads nowhere has nothing to be bound to."""
        if self.type in LOOKUPS and not self.targets:
            return False
        return (self.create or self.update) and self.type not in _OTHERS

    @property
    def readable(self) -> bool:
        """Whether a file can hold it."""
        return self.read and self.type not in _OTHERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with its columns by logical name, and the columns of its alternate keys."""

    name: str
    set: str
    key: str
    title: str | None
    columns: Mapping[str, Column]
    keys: Sequence[tuple[str, ...]] = ()


def describe_table(client: Client, table: str) -> Table:
    """A table by its logical name. Raises NotFoundError, and what else requests raise."""
    info = client.tables.get(table)
    found = client.tables.columns(info.name)
    navigation: dict[str, dict[str, str]] = {}
    for each in client.tables.relationships(info.name):
        if each.kind == "ManyToOne":
            navigation.setdefault(each.column, {})[each.other_table] = each.navigation
    options = _options(client, info.name, {each.type for each in found})
    columns = {
        each.name: _column(each, navigation.get(each.name, {}), options.get(each.name, {}))
        for each in found
        if not each.raw.get("AttributeOf")
    }
    keys = tuple(key.columns if isinstance(key.columns, tuple) else tuple(key.columns)
                 for key in client.tables.keys(info.name))  # fmt: skip
    return Table(name=info.name, set=info.set, key=info.key, title=info.title, columns=columns, keys=keys)


def _column(info: ColumnInfo, navigation: Mapping[str, str], options: Mapping[int, str]) -> Column:
    raw = info.raw
    targets: Mapping[str, str] = {}
    if info.type == "Owner":
        targets = {"systemuser": info.name, "team": info.name}
    elif info.type in LOOKUPS:
        targets = {each: navigation[each] for each in raw.get("Targets") or navigation if each in navigation}
    return Column(
        name=info.name,
        type=info.type,
        label=info.label,
        create=bool(raw.get("IsValidForCreate")),
        update=bool(raw.get("IsValidForUpdate")),
        read=bool(raw.get("IsValidForRead", True)),
        length=raw.get("MaxLength"),
        least=_number(raw.get("MinValue")),
        most=_number(raw.get("MaxValue")),
        precision=raw.get("Precision"),
        behavior=str((raw.get("DateTimeBehavior") or {}).get("Value") or ""),
        options=options,
        targets=targets,
    )


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _options(client: Client, table: str, types: set[str]) -> Mapping[str, Mapping[int, str]]:
    """The labels by value of every column of choices, a request for each kind."""
    query = query_text({"$select": "LogicalName", "$expand": "OptionSet,GlobalOptionSet"})
    found: dict[str, Mapping[int, str]] = {}
    for kind in sorted(types & _CHOICES):
        path = (
            f"EntityDefinitions(LogicalName='{table}')/Attributes/{NAMESPACE}{kind}AttributeMetadata?{query}"
        )
        for each in body_of(client.request("GET", path))["value"]:
            found[each["LogicalName"]] = _labels(each.get("OptionSet") or each.get("GlobalOptionSet") or {})
    return found


def _labels(found: Mapping[str, Any]) -> dict[int, str]:
    options: Sequence[Any] = found.get("Options") or ()
    if found.get("TrueOption"):
        options = (found["FalseOption"], found["TrueOption"])
    return {int(each["Value"]): label_of(each.get("Label")) for each in options}
