"""One column of an answer as texts: what surrounds each value, and how a value becomes text."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from orgstead.model.formatted import format_value
from orgstead.model.plan import Agg, Output
from orgstead.model.schema import Column
from orgstead.wire.soap.contracts import NAMESPACES, TypeName
from orgstead.wire.soap.primitives import write_primitive
from orgstead.wire.soap.write import inferred
from orgstead.wire.soap.xml import escape

__all__ = ["Cell", "Labels", "label_of", "value_of"]

Labels = Mapping[str, Mapping[str, str]]
NOTHING: Mapping[str, str] = {}
NUMBERS = frozenset({"integer", "bigint"})
# What has a formatted value beside choices and lookups.
FORMATTED = NUMBERS | {"decimal", "double", "money", "multichoice", "datetime", "managedproperty"}
TEXTS = frozenset({"string", "memo", "entityname"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The values at a place of rows, between two texts.

    ``make`` makes one value a text (None: it is one); ``named`` one with the names of rows and
    tables instead, given the value, and of a polymorphic lookup its table. What is made None leaves
    no trace. ``text``: needs escaping.
    """

    place: int
    head: str = ""
    tail: str = ""
    make: Callable[[Any], str | None] | None = None
    named: Callable[[Labels, Mapping[str, str]], Callable[..., str | None]] | None = None
    polymorphic: bool = False
    text: bool = False
    optional: bool = False

    def within(self, head: str, tail: str) -> "Cell":
        """The cell between two more texts."""
        return replace(self, head=f"{head}{self.head}", tail=f"{self.tail}{tail}")

    def add(
        self,
        columns: Sequence[Sequence[Any]],
        labels: Labels,
        tables: Mapping[str, str],
        template: list[str],
        values: list[Iterable[Any]],
    ) -> None:
        """Put a column of rows into a template and its values; what is null in all rows is left out."""
        column = columns[self.place]
        missing = None in column
        if missing and column.count(None) == len(column):
            return
        if self.named is not None:
            make: Any = self.named(labels, tables)
        else:
            make = self.make
        if self.text and not missing and _is_plain(column):
            make = None
        given: Iterable[Any] = column
        if self.polymorphic:
            given = zip(column, columns[self.place + 1], strict=True)
        if missing or self.optional:
            template.append("%s")
            values.append(self.pieces(column, given, make))
            return
        template += (self.head.replace("%", "%%"), "%s", self.tail.replace("%", "%%"))
        values.append(column if make is None else list(map(make, given)))

    def pieces(self, column: Sequence[Any], given: Iterable[Any], make: Any) -> list[str]:
        """The texts with what surrounds them, where there is a value."""
        head, tail, found = self.head, self.tail, []
        for value, each in zip(column, given, strict=True):
            text = None if value is None else each if make is None else make(each)
            found.append("" if text is None else f"{head}{text}{tail}")
        return found


def _is_plain(column: Sequence[str]) -> bool:
    """Whether none of the texts needs escaping: the whole column is asked once, not each value."""
    text = "".join(column)
    return (not text or text.isprintable()) and not any(each in text for each in "&<>")


# -- values --------------------------------------------------------------------------------------------------------
def value_of(place: int, output: Output, tag: str, a: str, letter: str) -> Cell:
    """A value as an element that states its type; ``a`` is the prefix of xrm, ``letter`` that of other types."""
    column = output.column
    close = f"</{tag}>"
    if column is None or (
        isinstance(output.of, Agg) and output.of.function == "avg" and column.type in NUMBERS
    ):
        return Cell(place=place, make=partial(_untyped, tag, letter))
    if column.is_lookup:
        return _reference(place, column, tag, a)
    special = _SPECIAL.get(column.type)
    if special is not None:
        head, tail = f'<{tag} i:type="{a}:{special}"><{a}:Value>', f"</{a}:Value>{close}"
        if column.type == "managedproperty":
            name = escape(column.name)
            head = (
                f'<{tag} i:type="{a}:{special}"><{a}:CanBeChanged>true</{a}:CanBeChanged>'
                f"<{a}:ManagedPropertyLogicalName>{name}</{a}:ManagedPropertyLogicalName><{a}:Value>"
            )
        return Cell(place=place, head=head, tail=tail, make=_MAKE[column.type])
    namespace, name = _TYPES.get(column.type, ("xs", "string"))
    head = f'<{tag} i:type="{letter}:{name}" xmlns:{letter}="{NAMESPACES[namespace]}">'
    if namespace == "xs":
        # The one of most values is declared around all of them.
        head = f'<{tag} i:type="{letter}:{name}">'
    if column.type == "multichoice":
        return Cell(place=place, head=head, tail=close, make=partial(_options, a))
    make: Callable[[Any], str] | None = _MAKE.get(column.type)
    if column.date_only:
        make = "{}T00:00:00Z".format
    text = column.type in TEXTS
    return Cell(place=place, head=head, tail=close, make=escape if text else make, text=text)


_SPECIAL: Mapping[str, str] = {
    "money": "Money", "choice": "OptionSetValue", "state": "OptionSetValue", "status": "OptionSetValue",
    "managedproperty": "BooleanManagedProperty",
}  # fmt: skip
_TYPES: Mapping[str, TypeName] = {
    "integer": ("xs", "int"), "bigint": ("xs", "long"), "decimal": ("xs", "decimal"), "double": ("xs", "double"),
    "boolean": ("xs", "boolean"), "datetime": ("xs", "dateTime"), "image": ("xs", "base64Binary"),
    "uniqueidentifier": ("ser", "guid"), "file": ("ser", "guid"), "multichoice": ("xrm90", "OptionSetValueCollection"),
}  # fmt: skip
_TRUTH = {True: "true", False: "false"}
_MAKE: Mapping[str, Callable[[Any], str]] = {
    "integer": str, "bigint": str, "decimal": "{:f}".format, "money": "{:f}".format, "double": write_primitive,
    "boolean": _TRUTH.__getitem__, "managedproperty": _TRUTH.__getitem__, "choice": str, "state": str, "status": str,
    "image": lambda value: base64.b64encode(value).decode("ascii"), "uniqueidentifier": str, "file": str,
}  # fmt: skip


def _untyped(tag: str, letter: str, value: Any) -> str:
    """A value whose type no column tells."""
    namespace, name = inferred(value)
    said = f'{letter}:{name}" xmlns:{letter}="{NAMESPACES[namespace]}'
    return f'<{tag} i:type="{said}">{write_primitive(value)}</{tag}>'


def _options(a: str, values: Sequence[int]) -> str:
    return "".join(
        f"<{a}:OptionSetValue><{a}:Value>{each}</{a}:Value></{a}:OptionSetValue>" for each in values
    )


def _reference(place: int, column: Column, tag: str, a: str) -> Cell:
    """An EntityReference with the name of its row."""
    head = f'<{tag} i:type="{a}:EntityReference"><{a}:Id>'
    tail = f'<{a}:RowVersion i:nil="true"/></{tag}>'
    between = f"</{a}:Id><{a}:KeyAttributes/><{a}:LogicalName>"
    nameless = f'<{a}:Name i:nil="true"/>'

    def shown(name: str | None) -> str:
        return nameless if name is None else f"<{a}:Name>{escape(name)}</{a}:Name>"

    def of_one(labels: Labels, tables: Mapping[str, str]) -> Callable[[str], str]:
        names = labels.get(column.targets[0], NOTHING)
        middle = f"{between}{escape(column.targets[0])}</{a}:LogicalName>"
        return lambda id: f"{id}{middle}{shown(names.get(id))}"

    def of_several(labels: Labels, tables: Mapping[str, str]) -> Callable[[tuple[str, str]], str]:
        def make(given: tuple[str, str]) -> str:
            id, table = given
            return f"{id}{between}{table}</{a}:LogicalName>{shown(labels.get(table, NOTHING).get(id))}"

        return make

    named = of_several if column.polymorphic else of_one
    return Cell(place=place, head=head, tail=tail, named=named, polymorphic=column.polymorphic)


# -- formatted values ----------------------------------------------------------------------------------------------
def label_of(place: int, output: Output) -> Cell | None:
    """The formatted value of an output; None where it has none."""
    column = output.column
    if column is None or (isinstance(output.of, Agg) and column.type in NUMBERS):
        return Cell(place=place, make=_grouped, optional=True)
    if column.is_lookup:
        named = _name_of_several if column.polymorphic else partial(_name_of_one, column.targets[0])
        return Cell(place=place, named=named, polymorphic=column.polymorphic, optional=True)
    if column.type == "entityname":
        return Cell(place=place, named=lambda labels, tables: _escaped(tables), optional=True)
    if column.is_choice or column.type == "boolean":
        # Their values are few.
        known: dict[Any, str] = {option.value: escape(option.label) for option in column.options}
        if column.type == "boolean":
            known = {False: known.get(0) or "No", True: known.get(1) or "Yes"}
        return Cell(place=place, make=known.get, optional=True)
    if column.type in NUMBERS:
        return Cell(place=place, make="{:,}".format)
    if column.type == "multichoice":
        return Cell(place=place, make=lambda value: escape(format_value(column, value) or ""))
    if column.type not in FORMATTED:
        return None
    # Other numbers and dates have nothing that needs escaping.
    return Cell(place=place, make=partial(format_value, column))


def _escaped(names: Mapping[str, str]) -> Callable[[str], str | None]:
    def make(id: str) -> str | None:
        name = names.get(id)
        return None if name is None else escape(name)

    return make


def _name_of_one(table: str, labels: Labels, tables: Mapping[str, str]) -> Callable[[str], str | None]:
    return _escaped(labels.get(table, NOTHING))


def _name_of_several(labels: Labels, tables: Mapping[str, str]) -> Callable[[tuple[str, str]], str | None]:
    def make(given: tuple[str, str]) -> str | None:
        name = labels.get(given[1], NOTHING).get(given[0])
        return None if name is None else escape(name)

    return make


def _grouped(value: Any) -> str | None:
    return f"{value:,}" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None
