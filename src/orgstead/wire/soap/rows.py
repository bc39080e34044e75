"""Rows of a page as Entity elements.

A page of 5,000 rows is the case that everybody waits for: per plan one comprehension is written out that puts the
text of a row together, with everything that does not depend on the row made beforehand.
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.entity
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
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
CHUNK = 500
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
        # The places of texts.
        self.texts: list[int] = []
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
        source = f"lambda rows, labels, tables{names}: [{row} for {places} in rows]"
        escaping, plain = eval(source, self.scope), eval(source.replace("esc(", "("), self.scope)
        wanted, texts, extended = tuple(self.looked_up), tuple(self.texts), self.extended

        def write(rows: Sequence[Any], labels: Labels, tables: Mapping[str, str]) -> list[str]:
            compiled = plain if not extended and _is_plain(rows, texts) else escaping
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
        schema = f' xmlns:{self.letters.value}="{NAMESPACES["xs"]}"'
        head = self.constant(f"<{a}:Entity><{a}:Attributes{pairs}{schema}>")
        middle = f'</{a}:Attributes><{a}:EntityState i:nil="true"/><{a}:FormattedValues{pairs}>'
        after = self.constant(
            f"</{a}:Id><{a}:KeyAttributes/>"
            f"<{a}:LogicalName>{escape(self.plan.source.table.logical_name)}</{a}:LogicalName>"
            f"<{a}:RelatedEntities>"
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
        pair = f"{a}:KeyValuePairOfstringstring"
        before = f"<{pair}><{b}:key>{escape(output.name)}</{b}:key><{b}:value>"
        said = self.label(place, output, column, before, f"</{b}:value></{pair}>")
        if said is not None:
            self.formatted.append(f"'' if v{place} is None else {said}")

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
                self.texts.append(place)
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
                opened = f'<{tag} i:type="{a}:Money"><{a}:Value>'
                return opened, f"format({v}, 'f')", f"</{a}:Value>{closed}"
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
        return (
            self.primitive(tag, letter, ("xs", "string")),
            f"{self.constant(lambda value: escape(str(value)))}({v})",
            closed,
        )

    def primitive(self, tag: str, letter: str, type: TypeName) -> str:
        """A start tag that states a type of another namespace."""
        if type[0] == "xs" and letter == self.letters.value:
            # That of most values is declared around all of them.
            return f'<{tag} i:type="{letter}:{type[1]}">'
        return f'<{tag} i:type="{letter}:{type[1]}" xmlns:{letter}="{NAMESPACES[type[0]]}">'

    def number(self, tag: str, letter: str, output: Output, v: str, kind: str) -> tuple[str, str, str]:
        """A number; an average of whole numbers is none."""
        if isinstance(output.of, Agg) and output.of.function == "avg" and kind in ("int", "long"):
            convert = self.constant(lambda value: _untyped(value, tag, letter))
            return "", f"{convert}({v})", ""
        text = f"str({v})" if kind in ("int", "long") else f"{self.constant(write_primitive)}({v})"
        text = f"format({v}, 'f')" if kind == "decimal" else text
        return self.primitive(tag, letter, ("xs", kind)), text, f"</{tag}>"

    def reference(self, place: int, column: Column, tag: str, letter: str) -> tuple[str, str, str]:
        """An EntityReference with the name of its row."""
        a, v = self.letters.xrm, f"v{place}"
        opened = f'<{tag} i:type="{a}:EntityReference"><{a}:Id>'
        between = f"</{a}:Id><{a}:KeyAttributes/><{a}:LogicalName>"
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

    def label(
        self, place: int, output: Output, column: Column | None, before: str, behind: str
    ) -> str | None:
        """The source of the formatted value between its tags; None where there is none."""
        v = f"v{place}"
        if column is None or (isinstance(output.of, Agg) and column.type in NUMBERS):
            return f"{self.constant(_wrapped(before, behind, _grouped))}({v})"
        if column.is_lookup:
            wrap = self.constant(_wrapped(before, behind, str))
            if column.polymorphic:
                return f"{wrap}(labels.get(v{place + 1}, none).get({v}))"
            return f"{wrap}({self.names(column.targets[0])}.get({v}))"
        if column.type == "entityname":
            return f"{self.constant(_wrapped(before, behind, str))}(tables.get({v}))"
        if column.is_choice or column.type == "boolean":
            # Their values are few.
            known: dict[Any, str] = {option.value: option.label for option in column.options}
            if column.type == "boolean":
                known = {False: known.get(0) or "No", True: known.get(1) or "Yes"}
            texts = {value: f"{before}{escape(label)}{behind}" for value, label in known.items()}
            return f"{self.constant(texts)}.get({v}, '')"
        if column.type in NUMBERS:
            return f"{self.constant(before)} + format({v}, ',') + {self.constant(behind)}"
        if column.type not in FORMATTED:
            return None
        if column.type == "multichoice":
            return f"{self.constant(_wrapped(before, behind, partial(format_value, column)))}({v})"
        # Numbers and dates have nothing that needs escaping.
        shown = f"{self.constant(partial(format_value, column))}({v})"
        return f"{self.constant(before)} + {shown} + {self.constant(behind)}"


def _is_plain(rows: Sequence[Any], texts: Sequence[int]) -> bool:
    """Whether none of the texts in rows needs escaping: most pages are asked once, not once a value."""
    text = "".join([row[place] for place in texts for row in rows if row[place] is not None])
    return (not text or text.isprintable()) and not any(each in text for each in "&<>")


def _wrapped(before: str, behind: str, read: Callable[[Any], str | None]) -> Callable[[Any], str]:
    """A formatted value between its tags, nothing where there is none."""

    def wrap(value: Any) -> str:
        text = None if value is None else read(value)
        return "" if text is None else before + escape(text) + behind

    return wrap


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
