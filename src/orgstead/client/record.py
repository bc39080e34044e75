"""What comes back: records, pages, and what is known of the tables that they are of."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from orgstead.client.literals import Ref
from orgstead.client.values import decode, read_time

__all__ = ["Page", "Record", "Shape", "Shapes"]

FORMATTED = "@OData.Community.Display.V1.FormattedValue"
LOOKUP_TABLE = "@Microsoft.Dynamics.CRM.lookuplogicalname"
ETAG, TYPE = "@odata.etag", "@odata.type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A table as the client knows it.

    ``name`` is the logical name, ``set`` the entity set, ``key`` the primary key, ``title`` the primary name, ``types``
    the AttributeType of each column, ``navigation`` the table at the end of each navigation property, once asked for.
    """

    name: str
    set: str
    key: str
    title: str | None = None
    types: Mapping[str, str] = field(default_factory=dict, repr=False)
    navigation: Mapping[str, str] | None = field(default=None, repr=False)


Shapes = Mapping[str, Shape]


class _About:
    """What the records of a page have in common: their table, all tables, and the row that was read last."""

    __slots__ = ("last", "shape", "shapes")

    def __init__(self, shape: Shape | None, shapes: Shapes | None) -> None:
        self.shape = shape
        self.shapes = shapes
        self.last: tuple[Any, dict[str, Any]] = (None, {})


class Record(Mapping[str, Any]):
    """A row: a mapping of column names to values, in the order of the answer, without the annotations.

    Columns of decimals and money are ``Decimal``, times are aware ``datetime`` in UTC, days ``date``, choices numbers,
    several choices a list of numbers, floating points ``float``; expanded rows are records or lists of records. A
    lookup is the id under its name (``primarycontactid``) as under that of the wire (``_primarycontactid_value``).

    Rows of pages stay the text that came, a third of the values' size, and are read when a value is asked for.
    """

    __slots__ = ("_about", "_held")

    def __init__(self, row: dict[str, Any], shape: Shape | None = None, shapes: Shapes | None = None) -> None:
        self._held: Any = row
        self._about = _About(shape, shapes)
        self._about.last = (row, row)

    @classmethod
    def page(cls, texts: Iterable[Any], shape: Shape | None, shapes: Shapes) -> "list[Record]":
        """Records of the JSON texts of rows."""
        about, found = _About(shape, shapes), []
        for text in texts:
            made = cls.__new__(cls)
            made._held = bytes(text)
            made._about = about
            found.append(made)
        return found

    @property
    def _row(self) -> dict[str, Any]:
        last = self._about.last
        return last[1] if last[0] is self._held else self._read()

    def _read(self) -> dict[str, Any]:
        row: dict[str, Any] = decode(self._held)
        # Whoever reads one value of a row reads another.
        self._about.last = (self._held, row)
        return row

    @property
    def _shape(self) -> Shape | None:
        return self._about.shape

    @property
    def table(self) -> str:
        """The logical name of the table, empty where it is not known."""
        if self._shape is not None:
            return self._shape.name
        return str(self._row.get(TYPE, "")).removeprefix("#Microsoft.Dynamics.CRM.")

    @property
    def id(self) -> str:
        """The primary key. Raises KeyError for a row without one, such as one of an aggregate."""
        if self._shape is None:
            raise KeyError("the primary key is not known")
        value: str = self._row[self._shape.key]
        return value

    @property
    def ref(self) -> Ref:
        """Table and id. Raises KeyError for a row without one."""
        return Ref(self.table, self.id)

    @property
    def etag(self) -> str | None:
        """The version, for ``if_match=``."""
        return self._row.get(ETAG)

    @property
    def formatted(self) -> Mapping[str, str]:
        """Values as people read them, by column; empty unless annotations were asked for."""
        end = len(FORMATTED)
        return {k[:-end]: v for k, v in self._row.items() if k.endswith(FORMATTED)}

    @property
    def lookups(self) -> Mapping[str, Ref]:
        """The lookups that are set, by column; the table is empty unless annotations were asked for."""
        found = {}
        for key, value in self._row.items():
            if key[:1] == "_" and key.endswith("_value") and value is not None:
                found[key[1:-6]] = Ref(self._row.get(key + LOOKUP_TABLE, ""), value)
        return found

    @property
    def annotations(self) -> Mapping[str, Any]:
        """All annotations as they came."""
        return {key: value for key, value in self._row.items() if "@" in key}

    @property
    def raw(self) -> dict[str, Any]:
        """The row as it came: a Decimal where JSON had decimal places, texts for times."""
        return self._row

    def __getitem__(self, name: str) -> Any:
        about = self._about
        last = about.last
        row = last[1] if last[0] is self._held else self._read()
        value = row[name] if name in row else row[f"_{name}_value"]
        if value is None:
            return None
        kind = type(value)
        if kind is dict or kind is list:
            return self._nested(name, value)
        shape = about.shape
        typed = None if shape is None else _TYPED.get(shape.types.get(name, ""))
        return value if typed is None else typed(value)

    def _nested(self, name: str, value: Any) -> Any:
        target, shape, shapes = None, self._about.shape, self._about.shapes
        if shape is not None and shape.navigation is not None and shapes is not None:
            target = shapes.get(shape.navigation.get(name, ""))
        if isinstance(value, dict):
            return Record(value, target, shapes)
        return [Record(each, target, shapes) if isinstance(each, dict) else each for each in value]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._row if "@" not in name)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._row or f"_{name}_value" in self._row

    def __repr__(self) -> str:
        return f"Record({self.table or '?'}, {dict(self)!r})"

    def __reduce__(self) -> Any:
        return Record, (self._row, self._shape, None)


def _time(value: Any) -> Any:
    return read_time(value) if type(value) is str else value


def _choices(value: Any) -> Any:
    return [int(each) for each in value.split(",")] if type(value) is str else value


def _exact(value: Any) -> Any:
    return Decimal(value) if type(value) is int else value


def _floating(value: Any) -> Any:
    return float(value) if type(value) is int or type(value) is Decimal else value


# By AttributeType: what makes of a value of JSON one of the column's type.
_TYPED: Mapping[str, Callable[[Any], Any]] = {
    "DateTime": _time, "MultiSelectPicklist": _choices, "Decimal": _exact, "Money": _exact, "Double": _floating,
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Page(Sequence[Record]):
    """Rows of one answer. ``total`` is the number of all rows where it was asked for, ``next`` leads to more."""

    rows: list[Record]
    total: int | None = None
    next: str | None = field(default=None, repr=False)

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)
