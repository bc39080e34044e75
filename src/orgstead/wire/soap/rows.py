"""Rows of a page as Entity elements.

A page of 5,000 rows is the case that everybody waits for: per plan one comprehension is written out that puts the
text of a row together, with everything that does not depend on the row made beforehand.
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.entity
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from orgstead.model.plan import Agg, Col, DatePart, Output, Plan, Ranked, width
from orgstead.model.record import Page
from orgstead.model.schema import Column
from orgstead.model.types import format_value
from orgstead.wire.soap.contracts import NAMESPACES, TypeName
from orgstead.wire.soap.primitives import EMPTY_ID, write_primitive
from orgstead.wire.soap.write import inferred
from orgstead.wire.soap.xml import escape

__all__ = ["Beside", "Letters", "entities", "entity_list"]

# Rows that are made into text at a time.
CHUNK = 250
NOTHING: Mapping[str, str] = {}
NUMBERS = frozenset({"integer", "bigint"})
# What has a formatted value beside choices and lookups.
FORMATTED = NUMBERS | {"decimal", "double", "money", "multichoice", "datetime", "managedproperty"}


@dataclass(frozen=True, slots=True)
class Letters:
    """The prefixes around an entity: that of xrm, that of pairs, and the next one that is free."""

    xrm: str = "a"
    pairs: str = "b"
    value: str = "c"


# More attributes of each row, and what is related to it, as text.
Beside = tuple[Sequence[str], Sequence[str]]
Labels = Mapping[str, Mapping[str, str]]
Writer = Callable[[Sequence[Any], Labels, Mapping[str, str]], list[str]]


def entities(
    page: Page, tables: Mapping[str, str], letters: Letters, beside: Beside | None = None
) -> Iterator[str]:
    """The rows of a page as text, some at a time; ``tables`` has the display names of tables."""
    write = _writer(page.plan, letters, beside is not None)
    for start in range(0, len(page.rows), CHUNK):
        rows: Any = page.rows[start : start + CHUNK]
        if beside is not None:
            more, related = (each[start : start + CHUNK] for each in beside)
            rows = zip(rows, more, related, strict=True)
        yield "".join(write(rows, page.labels, tables))


def entity_list(page: Page, tables: Mapping[str, str], letters: Letters) -> list[str]:
    """The rows of a page as text, one by one."""
    return _writer(page.plan, letters, False)(page.rows, page.labels, tables)


@lru_cache(maxsize=2048)
def _writer(plan: Plan, letters: Letters, extended: bool) -> Writer:
    """One comprehension over the rows of a plan. The source is made of numbers only."""
    return _Template(plan, letters, extended).made()


class _Template:
    """The text of a row of one plan, being put together."""

    def __init__(self, plan: Plan, letters: Letters, extended: bool) -> None:
        self.plan = plan
        self.extended = extended
        self.letters = letters
        self.scope: dict[str, Any] = {"esc": escape, "none": NOTHING}
        self.shown: list[str] = []
        self.formatted: list[str] = []
        # Tables whose names are looked up once a page, not once a row.
        self.looked_up: list[str] = []

    def constant(self, value: Any) -> str:
        """The name under which the comprehension has a value."""
        name = f"k{len(self.scope)}"
        self.scope[name] = value
        return name

    def made(self) -> Writer:
        """The comprehension."""
        plan, id, version = self.plan, None, None
        for place, output in enumerate(plan.outputs):
            if output.part == "version":
                version = place
            elif output.part in ("value", "id") and output.name:
                self.output(place, output)
            if self.is_key(output):
                id = place if id is None else id
        row = self.row(id, version)
        places = "".join(f"v{place}, " for place in range(_width(plan)))
        if self.extended:
            places = f"({places}), more, related"
        names = "".join(f", l{index}" for index in range(len(self.looked_up)))
        compiled = eval(f"lambda rows, labels, tables{names}: [{row} for {places} in rows]", self.scope)
        wanted = tuple(self.looked_up)

        def write(rows: Sequence[Any], labels: Labels, tables: Mapping[str, str]) -> list[str]:
            found: list[str] = compiled(rows, labels, tables, *(labels.get(each, NOTHING) for each in wanted))
            return found

        return write

    def is_key(self, output: Output) -> bool:
        """Whether an output is the primary key of the table that is asked for."""
        source, of = self.plan.source, output.of
        return (
            isinstance(of, Col)
            and of.alias == source.alias
            and of.part == "value"
            and of.column.name == source.table.primary_id
            and not self.plan.groups
        )

    def row(self, id: int | None, version: int | None) -> str:
        """The source of the text of a row."""
        a, b = self.letters.xrm, self.letters.pairs
        pairs = f' xmlns:{b}="{NAMESPACES["pairs"]}"'
        head = self.constant(f"<{a}:Entity><{a}:Attributes{pairs}>")
        middle = f'</{a}:Attributes><{a}:EntityState i:nil="true"/><{a}:FormattedValues{pairs}>'
        after = self.constant(
            f'</{a}:Id><{a}:KeyAttributes xmlns:{b}="{NAMESPACES["xrm71"]}"'
            f' xmlns:{self.letters.value}="{NAMESPACES["pairs"]}"/>'
            f"<{a}:LogicalName>{escape(self.plan.source.table.logical_name)}</{a}:LogicalName>"
            f'<{a}:RelatedEntities xmlns:{b}="{NAMESPACES["pairs"]}">'
        )
        ended = f"</{a}:RelatedEntities>"
        key = f"v{id}" if id is not None else self.constant(EMPTY_ID)
        last = self.constant(f'{ended}<{a}:RowVersion i:nil="true"/></{a}:Entity>')
        if version is not None:
            begin = self.constant(f"{ended}<{a}:RowVersion>")
            last = f"({begin} + str(v{version}) + {self.constant(f'</{a}:RowVersion></{a}:Entity>')})"
        parts = [
            head,
            *self.shown,
            *(("more",) if self.extended else ()),
            self.constant(middle),
            *self.formatted,
            self.constant(f"</{a}:FormattedValues><{a}:Id>"),
            key,
            after,
            *(("related",) if self.extended else ()),
            last,
        ]
        return 'f"' + "".join(f"{{{part}}}" for part in parts) + '"'

    def output(self, place: int, output: Output) -> None:
        """A place in a row as an attribute with its formatted value."""
        column, of = output.column, output.of
        a, b = self.letters.xrm, self.letters.pairs
        aliased = not isinstance(of, Col) or output.name != of.column.name or of.alias != self.alias
        head = f"<{a}:KeyValuePairOfstringanyType><{b}:key>{escape(output.name)}</{b}:key>"
        tail = f"</{a}:KeyValuePairOfstringanyType>"
        tag = f"{b}:value"
        if aliased:
            wrapped = self.letters.value
            tag = f"{a}:Value"
            head += f'<{b}:value i:type="{a}:AliasedValue">{self.alias_of(output)}'
            tail = f"</{b}:value>{tail}"
            opened, text, closed = self.value(place, output, tag, wrapped)
        else:
            opened, text, closed = self.value(place, output, tag, self.letters.value)
        before, behind = self.constant(head + opened), self.constant(closed + tail)
        self.shown.append(f"'' if v{place} is None else {before} + {text} + {behind}")
        said = self.label(place, output, column)
        if said is not None:
            pair = f"{a}:KeyValuePairOfstringstring"
            before = f"<{pair}><{b}:key>{escape(output.name)}</{b}:key><{b}:value>"
            behind = f"</{b}:value></{pair}>"
            wrap = self.constant(_wrapped(before, behind))
            self.formatted.append(f"'' if v{place} is None else {wrap}({said})")

    @property
    def alias(self) -> str:
        """The alias of the table that is asked for."""
        return self.plan.source.alias

    def alias_of(self, output: Output) -> str:
        """The beginning of an AliasedValue: of which column and table the value is."""
        a = self.letters.xrm
        of: Any = output.of
        while isinstance(of, Agg | DatePart | Ranked):
            of = of.of
        column, table = "", self.plan.source.table.logical_name
        if isinstance(of, Col):
            column = of.column.name
            for join in self.plan.joins:
                if join.source.alias == of.alias:
                    table = join.source.table.logical_name
        else:
            column = self.plan.source.table.primary_id
        return (
            f"<{a}:AttributeLogicalName>{escape(column)}</{a}:AttributeLogicalName>"
            f"<{a}:EntityLogicalName>{escape(table)}</{a}:EntityLogicalName>"
            f"<{a}:NeedFormatting>true</{a}:NeedFormatting><{a}:ReturnType>0</{a}:ReturnType>"
        )

    def value(self, place: int, output: Output, tag: str, letter: str) -> tuple[str, str, str]:
        """The start tag of a value, the source of its text, and its end tag."""
        column, v = output.column, f"v{place}"
        closed = f"</{tag}>"
        if column is None:
            convert = self.constant(lambda value: _untyped(value, tag, letter))
            # The tags depend on the value.
            return "", f"{convert}({v})", ""
        a = self.letters.xrm
        match column.type:
            case "string" | "memo" | "entityname":
                return self.primitive(tag, letter, ("xs", "string")), f"esc({v})", closed
            case "integer":
                return self.number(tag, letter, output, v, "int")
            case "bigint":
                return self.number(tag, letter, output, v, "long")
            case "decimal":
                return self.number(tag, letter, output, v, "decimal")
            case "double":
                return self.number(tag, letter, output, v, "double")
            case "money":
                text = self.constant(write_primitive)
                return f'<{tag} i:type="{a}:Money"><{a}:Value>', f"{text}({v})", f"</{a}:Value>{closed}"
            case "boolean":
                return self.primitive(tag, letter, ("xs", "boolean")), f"('true' if {v} else 'false')", closed
            case "choice" | "state" | "status":
                opened = f'<{tag} i:type="{a}:OptionSetValue"><{a}:Value>'
                return opened, f"str({v})", f"</{a}:Value>{closed}"
            case "multichoice":
                item = f"<{a}:OptionSetValue><{a}:Value>"
                text = self.constant(
                    lambda values: "".join(
                        f"{item}{each}</{a}:Value></{a}:OptionSetValue>" for each in values
                    )
                )
                return (
                    self.primitive(tag, letter, ("xrm90", "OptionSetValueCollection")),
                    f"{text}({v})",
                    closed,
                )
            case "datetime":
                text = f"({v} + 'T00:00:00Z')" if column.date_only else v
                return self.primitive(tag, letter, ("xs", "dateTime")), text, closed
            case "lookup" | "customer" | "owner":
                return self.reference(place, column, tag, letter)
            case "uniqueidentifier" | "file":
                return self.primitive(tag, letter, ("ser", "guid")), f"str({v})", closed
            case "image":
                text = self.constant(lambda value: base64.b64encode(value).decode("ascii"))
                return self.primitive(tag, letter, ("xs", "base64Binary")), f"{text}({v})", closed
            case "managedproperty":
                opened = (
                    f'<{tag} i:type="{a}:BooleanManagedProperty"><{a}:CanBeChanged>true</{a}:CanBeChanged>'
                    f"<{a}:ManagedPropertyLogicalName>{escape(column.name)}</{a}:ManagedPropertyLogicalName><{a}:Value>"
                )
                return opened, f"('true' if {v} else 'false')", f"</{a}:Value>{closed}"
        return self.primitive(tag, letter, ("xs", "string")), f"esc(str({v}))", closed

    def primitive(self, tag: str, letter: str, type: TypeName) -> str:
        """A start tag that states a type of another namespace."""
        return f'<{tag} i:type="{letter}:{type[1]}" xmlns:{letter}="{NAMESPACES[type[0]]}">'

    def number(self, tag: str, letter: str, output: Output, v: str, kind: str) -> tuple[str, str, str]:
        """A number; an average of whole numbers is none."""
        if isinstance(output.of, Agg) and output.of.function == "avg" and kind in ("int", "long"):
            convert = self.constant(lambda value: _untyped(value, tag, letter))
            return "", f"{convert}({v})", ""
        text = f"str({v})" if kind in ("int", "long") else f"{self.constant(write_primitive)}({v})"
        return self.primitive(tag, letter, ("xs", kind)), text, f"</{tag}>"

    def reference(self, place: int, column: Column, tag: str, letter: str) -> tuple[str, str, str]:
        """An EntityReference with the name of its row."""
        a, v = self.letters.xrm, f"v{place}"
        keys = (
            f'<{a}:KeyAttributes xmlns:{letter}="{NAMESPACES["xrm71"]}"'
            f' xmlns:{chr(ord(letter) + 1)}="{NAMESPACES["pairs"]}"/>'
        )
        opened = f'<{tag} i:type="{a}:EntityReference"><{a}:Id>'
        between = f"</{a}:Id>{keys}<{a}:LogicalName>"
        name = self.constant(
            lambda text: (
                f'<{a}:Name i:nil="true"/>' if text is None else f"<{a}:Name>{escape(text)}</{a}:Name>"
            )
        )
        closed = f'<{a}:RowVersion i:nil="true"/></{tag}>'
        if column.polymorphic:
            mid, end = self.constant(between), self.constant(f"</{a}:LogicalName>")
            table = f"v{place + 1}"
            return (
                opened,
                f"{v} + {mid} + {table} + {end} + {name}(labels.get({table}, none).get({v}))",
                closed,
            )
        mid = self.constant(f"{between}{escape(column.targets[0])}</{a}:LogicalName>")
        return opened, f"{v} + {mid} + {name}({self.names(column.targets[0])}.get({v}))", closed

    def names(self, table: str) -> str:
        """The names of the rows of a table, looked up once."""
        if table not in self.looked_up:
            self.looked_up.append(table)
        return f"l{self.looked_up.index(table)}"

    def label(self, place: int, output: Output, column: Column | None) -> str | None:
        """The source of the formatted value; None where there is none."""
        v = f"v{place}"
        if column is None or (isinstance(output.of, Agg) and column.type in NUMBERS):
            return f"{self.constant(_grouped)}({v})"
        if column.is_lookup:
            if column.polymorphic:
                return f"labels.get(v{place + 1}, none).get({v})"
            return f"{self.names(column.targets[0])}.get({v})"
        if column.type == "entityname":
            return f"tables.get({v})"
        if column.is_choice or column.type == "boolean":
            # Their values are few.
            known = {option.value: option.label for option in column.options}
            if column.type == "boolean":
                known = {False: known.get(0) or "No", True: known.get(1) or "Yes"}
            return f"{self.constant(known)}.get({v})"
        if column.type not in FORMATTED:
            return None
        return f"{self.constant(_formatter(column))}({v})"


def _formatter(column: Column) -> Callable[[Any], str | None]:
    if column.type == "datetime" and not column.date_only:
        return lru_cache(maxsize=4096)(lambda value: format_value(column, value))
    return lambda value: format_value(column, value)


def _wrapped(before: str, behind: str) -> Callable[[str | None], str]:
    return lambda text: "" if text is None else before + escape(text) + behind


def _grouped(value: Any) -> str | None:
    return f"{value:,}" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else None


def _untyped(value: Any, tag: str, letter: str) -> str:
    """A value whose type no column tells."""
    namespace, name = inferred(value)
    said = f'{letter}:{name}" xmlns:{letter}="{NAMESPACES[namespace]}'
    return f'<{tag} i:type="{said}">{write_primitive(value)}</{tag}>'


def _width(plan: Plan) -> int:
    """How many places a row has."""
    return len(plan.outputs) + sum(map(width, plan.nested))
