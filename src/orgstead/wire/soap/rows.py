"""Rows of a page as Entity elements.

A page of 5,000 rows is the case that everybody waits for. It is written by columns, some rows at a time: each column
becomes texts by a function of C where there is one, and so do the rows, which are joined from these and the texts
that all rows have in common.
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.entity
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

from orgstead.model.plan import Agg, Col, DatePart, Output, Plan, Ranked
from orgstead.model.record import Page
from orgstead.wire.soap.cells import Cell, Labels, Line, label_of, value_of
from orgstead.wire.soap.contracts import NAMESPACES
from orgstead.wire.soap.primitives import EMPTY_ID
from orgstead.wire.soap.xml import escape

__all__ = ["Beside", "Letters", "at_a_time", "entities"]

# Values that are made into text at a time: a millisecond or two.
CELLS = 3000
# More attributes of each row, and what is related to it, as text.
Beside = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Letters:
    """The prefixes around an entity: that of xrm, that of pairs, and the next one that is free."""

    xrm: str = "a"
    pairs: str = "b"
    value: str = "c"


def entities(
    page: Page, tables: Mapping[str, str], letters: Letters, beside: Beside | None = None
) -> Iterator[str]:
    """The rows of a page as texts, one by one; ``tables`` has the display names of tables."""
    writer, size = _writer(page.plan, letters), at_a_time(page)
    for start in range(0, len(page.rows), size):
        end = start + size
        part = (beside[0][start:end], beside[1][start:end]) if beside is not None else None
        yield from writer.texts(page.rows[start:end], page.labels, tables, part)


def at_a_time(page: Page) -> int:
    """How many rows of a page are made into text at a time."""
    return max(1, CELLS // max(1, len(page.plan.outputs)))


@lru_cache(maxsize=2048)
def _writer(plan: Plan, letters: Letters) -> "_Writer":
    return _Writer(plan, letters)


class _Writer:
    """What the rows of one plan are put together from."""

    def __init__(self, plan: Plan, letters: Letters) -> None:
        self.plan = plan
        self.letters = letters
        self.shown: list[Cell] = []
        self.formatted: list[Cell] = []
        self.id: int | None = None
        self.version: int | None = None
        for place, output in enumerate(plan.outputs):
            if output.part == "version":
                self.version = place
            elif output.part in ("value", "id") and output.name:
                self.add(place, output)
            if self.id is None and self.is_key(output):
                self.id = place
        a, b = letters.xrm, letters.pairs
        pairs = f' xmlns:{b}="{NAMESPACES["pairs"]}"'
        schema = f' xmlns:{letters.value}="{NAMESPACES["xs"]}"'
        self.head = f"<{a}:Entity><{a}:Attributes{pairs}{schema}>"
        self.middle = f'</{a}:Attributes><{a}:EntityState i:nil="true"/><{a}:FormattedValues{pairs}>'
        name = escape(plan.source.table.logical_name)
        self.id_head = f"</{a}:FormattedValues><{a}:Id>"
        table = f"<{a}:LogicalName>{name}</{a}:LogicalName>"
        self.id_tail = f"</{a}:Id><{a}:KeyAttributes/>{table}<{a}:RelatedEntities{pairs}>"
        self.last = f'</{a}:RelatedEntities><{a}:RowVersion i:nil="true"/></{a}:Entity>'
        if self.version is not None:
            self.last, self.end = f"</{a}:RelatedEntities><{a}:RowVersion>", f"</{a}:RowVersion></{a}:Entity>"

    def texts(
        self,
        rows: Sequence[Any],
        labels: Labels,
        tables: Mapping[str, str],
        beside: Beside | None = None,
    ) -> Iterator[str]:
        """Some rows as texts."""
        columns = list(zip(*rows, strict=True))
        line = Line(len(rows))
        line.say(self.head)
        for cell in self.shown:
            cell.add(columns, labels, tables, line)
        if beside is not None:
            line.fill(beside[0])
        line.say(self.middle)
        for cell in self.formatted:
            cell.add(columns, labels, tables, line)
        line.say(self.id_head)
        line.fill(columns[self.id] if self.id is not None else repeat(EMPTY_ID))
        line.say(self.id_tail)
        if beside is not None:
            line.fill(beside[1])
        line.say(self.last)
        if self.version is not None:
            line.fill(map(str, columns[self.version]))
            line.say(self.end)
        return line.texts()

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

    def add(self, place: int, output: Output) -> None:
        """A place in a row as an attribute, with its formatted value where it has one."""
        of, a, b = output.of, self.letters.xrm, self.letters.pairs
        key = f"<{b}:key>{escape(output.name)}</{b}:key>"
        head, tail = f"<{a}:KeyValuePairOfstringanyType>{key}", f"</{a}:KeyValuePairOfstringanyType>"
        tag = f"{b}:value"
        if not isinstance(of, Col) or output.name != of.column.name or of.alias != self.plan.source.alias:
            head += f'<{tag} i:type="{a}:AliasedValue">{self.alias_of(output)}'
            tail = f"</{tag}>{tail}"
            tag = f"{a}:Value"
        self.shown.append(value_of(place, output, tag, a, self.letters.value).within(head, tail))
        label = label_of(place, output)
        if label is not None:
            pair = f"{a}:KeyValuePairOfstringstring"
            self.formatted.append(label.within(f"<{pair}>{key}<{b}:value>", f"</{b}:value></{pair}>"))

    def alias_of(self, output: Output) -> str:
        """The beginning of an AliasedValue: of which column and table the value is."""
        a = self.letters.xrm
        of: Any = output.of
        while isinstance(of, Agg | DatePart | Ranked):
            of = of.of
        table = self.plan.source.table
        column, name = table.primary_id, table.logical_name
        if isinstance(of, Col):
            column = of.column.name
            for join in self.plan.joins:
                if join.source.alias == of.alias:
                    name = join.source.table.logical_name
        return (
            f"<{a}:AttributeLogicalName>{escape(column)}</{a}:AttributeLogicalName>"
            f"<{a}:EntityLogicalName>{escape(name)}</{a}:EntityLogicalName>"
            f"<{a}:NeedFormatting>true</{a}:NeedFormatting><{a}:ReturnType>0</{a}:ReturnType>"
        )
