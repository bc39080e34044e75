"""One column of an answer as texts: what surrounds each value, and how a column of values becomes texts."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import repeat
from typing import Any

from orgstead.model.formatted import formatter
from orgstead.model.plan import Agg, Output
from orgstead.model.schema import Column
from orgstead.wire.soap.contracts import NAMESPACES, TypeName
from orgstead.wire.soap.primitives import write_primitive
from orgstead.wire.soap.write import inferred
from orgstead.wire.soap.xml import escape, escape_all

__all__ = ["Cell", "Labels", "Line", "label_of", "value_of"]

Labels = Mapping[str, Mapping[str, str]]
Texts = Sequence[str | None]
Make = Callable[[Sequence[Any], Labels, Mapping[str, str]], Texts]
NOTHING: Mapping[str, str] = {}
NUMBERS = frozenset({"integer", "bigint"})


class Line:
    """What rows are put together from: texts that all have in common, and columns of texts between them."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._held = ""
        self._parts: list[Iterable[str]] = []

    def say(self, text: str) -> None:
        """The same text in each row."""
        self._held += text

    def fill(self, texts: Iterable[str]) -> None:
        """A text for each row."""
        self._parts += (repeat(self._held), texts)
        self._held = ""

    def texts(self) -> Iterator[str]:
        """The rows."""
        # Without a function of Python's for any row, which is an order of magnitude.
        return map("".join, zip(*self._parts, repeat(self._held, self._rows), strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The values at a place of rows, between two texts.

    ``make`` makes values into texts, a column of them at a time, given the names of rows and of tables; of a
    polymorphic lookup it takes pairs of the value and its table. It is never given None; what it makes None, where it
    is ``optional``, leaves no trace.
    """

    place: int
    head: str = ""
    tail: str = ""
    make: Make
    polymorphic: bool = False
    optional: bool = False

    def within(self, head: str, tail: str) -> "Cell":
        """The cell between two more texts."""
        return replace(self, head=f"{head}{self.head}", tail=f"{self.tail}{tail}")

    def add(
        self, columns: Sequence[Sequence[Any]], labels: Labels, tables: Mapping[str, str], line: Line
    ) -> None:
        """Add a column of rows to a line; what is null in all rows is left out."""
        column = columns[self.place]
        # The first question is the faster one, and mostly enough.
        missing = not all(column) and None in column
        given: Sequence[Any] = column
        if self.polymorphic:
            given = list(zip(column, columns[self.place + 1], strict=True))
        if missing:
            given = [each for each, value in zip(given, column, strict=True) if value is not None]
            if not given:
                return
        texts = self.make(given, labels, tables)
        if missing:
            left = iter(texts)
            texts = [None if value is None else next(left) for value in column]
        if missing or (self.optional and not all(texts) and None in texts):
            head, tail = self.head, self.tail
            line.fill(["" if text is None else f"{head}{text}{tail}" for text in texts])
            return
        line.say(self.head)
        line.fill(texts)  # type: ignore[arg-type]
        line.say(self.tail)


def each(function: Callable[[Any], str | None]) -> Make:
    """What makes a column of texts by a function of one value."""
    return lambda column, labels, tables: list(map(function, column))


def repeated(function: Callable[[Any], str | None]) -> Make:
    """The same for values of which few differ."""

    def make(column: Sequence[Any], labels: Labels, tables: Mapping[str, str]) -> Texts:
        known = {value: function(value) for value in set(column)}
        return list(map(known.__getitem__, column))

    return make


def _as_they_are(column: Sequence[Any], labels: Labels, tables: Mapping[str, str]) -> Texts:
    return column


def _exact(column: Sequence[Decimal], labels: Labels, tables: Mapping[str, str]) -> Texts:
    """Numbers without an exponent, which their usual text seldom has."""
    texts = list(map(str, column))
    return list(map("{:f}".format, column)) if "E" in "".join(texts) else texts


def _escaped_texts(column: Sequence[str], labels: Labels, tables: Mapping[str, str]) -> Texts:
    return escape_all(column)


# -- values --------------------------------------------------------------------------------------------------------
def value_of(place: int, output: Output, tag: str, a: str, letter: str) -> Cell:
    """A value as an element that states its type; ``a`` is the prefix of xrm, ``letter`` that of other types."""
    column = output.column
    close = f"</{tag}>"
    if column is None or (
        isinstance(output.of, Agg) and output.of.function == "avg" and column.type in NUMBERS
    ):
        return Cell(place=place, make=each(partial(_untyped, tag, letter)))
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
        return Cell(place=place, head=head, tail=close, make=each(partial(_options, a)))
    make = _MAKE.get(column.type, _escaped_texts)
    if column.date_only:
        make = each("{}T00:00:00Z".format)
    return Cell(place=place, head=head, tail=close, make=make)


_SPECIAL: Mapping[str, str] = {
    "money": "Money", "choice": "OptionSetValue", "state": "OptionSetValue", "status": "OptionSetValue",
    "managedproperty": "BooleanManagedProperty",
}  # fmt: skip
_TYPES: Mapping[str, TypeName] = {
    "integer": ("xs", "int"), "bigint": ("xs", "long"), "decimal": ("xs", "decimal"), "double": ("xs", "double"),
    "boolean": ("xs", "boolean"), "datetime": ("xs", "dateTime"), "image": ("xs", "base64Binary"),
    "uniqueidentifier": ("ser", "guid"), "file": ("ser", "guid"), "multichoice": ("xrm90", "OptionSetValueCollection"),
}  # fmt: skip
_TRUTH = each({True: "true", False: "false"}.__getitem__)
_WHOLE, _FEW = each(str), repeated(str)
_MAKE: Mapping[str, Make] = {
    "integer": _WHOLE, "bigint": _WHOLE, "decimal": _exact, "money": _exact, "double": each(write_primitive),
    "boolean": _TRUTH, "managedproperty": _TRUTH, "choice": _FEW, "state": _FEW, "status": _FEW,
    "image": each(lambda value: base64.b64encode(value).decode("ascii")), "uniqueidentifier": _as_they_are,
    "file": _as_they_are, "datetime": _as_they_are,
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

    def of_one(column: Sequence[str], labels: Labels, tables: Mapping[str, str]) -> Texts:
        names, middle = labels.get(target, NOTHING), f"{between}{escape(target)}</{a}:LogicalName>"
        return repeated(lambda id: f"{id}{middle}{shown(names.get(id))}")(column, labels, tables)

    def of_several(column: Sequence[tuple[str, str]], labels: Labels, tables: Mapping[str, str]) -> Texts:
        def make(given: tuple[str, str]) -> str:
            id, table = given
            return f"{id}{between}{table}</{a}:LogicalName>{shown(labels.get(table, NOTHING).get(id))}"

        return repeated(make)(column, labels, tables)

    target = column.targets[0] if column.targets else ""
    make: Make = of_several if column.polymorphic else of_one
    return Cell(place=place, head=head, tail=tail, make=make, polymorphic=column.polymorphic)


# -- formatted values ----------------------------------------------------------------------------------------------
def label_of(place: int, output: Output) -> Cell | None:
    """The formatted value of an output; None where it has none."""
    column = output.column
    if column is None or (isinstance(output.of, Agg) and column.type in NUMBERS):
        return Cell(place=place, make=each(_grouped), optional=True)
    if column.is_lookup:
        make: Make = (
            _name_of_several
            if column.polymorphic
            else partial(_name_of_one, column.targets[0] if column.targets else "")
        )
        return Cell(place=place, make=make, polymorphic=column.polymorphic, optional=True)
    if column.type == "entityname":
        return Cell(place=place, make=_name_of_table, optional=True)
    shown = formatter(column)
    if shown is None:
        return None
    labelled = column.is_choice or column.type in ("boolean", "managedproperty", "multichoice")
    return Cell(place=place, make=partial(_formatted, shown, labelled), optional=labelled)


def _formatted(
    shown: Callable[[Sequence[Any]], Texts],
    labelled: bool,
    column: Sequence[Any],
    labels: Labels,
    tables: Mapping[str, str],
) -> Texts:
    texts = shown(column)
    # Numbers and dates have nothing that needs escaping.
    return _escape_known(texts) if labelled else texts


def _escape_known(texts: Texts) -> Texts:
    """Labels, of which few differ and some may be missing, escaped."""
    known = {text: text if text is None else escape(text) for text in set(texts)}
    return list(map(known.__getitem__, texts))


def _name_of_table(column: Sequence[str], labels: Labels, tables: Mapping[str, str]) -> Texts:
    return _escape_known(list(map(tables.get, column)))


def _name_of_one(table: str, column: Sequence[str], labels: Labels, tables: Mapping[str, str]) -> Texts:
    return _escape_known(list(map(labels.get(table, NOTHING).get, column)))


def _name_of_several(column: Sequence[tuple[str, str]], labels: Labels, tables: Mapping[str, str]) -> Texts:
    return _escape_known([labels.get(table, NOTHING).get(id) for id, table in column])


def _grouped(value: Any) -> str | None:
    return f"{value:,}" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None
