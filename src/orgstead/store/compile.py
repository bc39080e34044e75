"""A plan to SQL text and the order of its parameters. Values never become text.

The text depends on the plan's shape and on one bit: whether text parameters hold letters beyond ASCII, for which
SQLite's own folding is not enough and a slower, right comparison is written instead.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.model.plan import (
    Agg, AllOf, AnyOf, Col, DatePart, Descends, HasAny, IsNull, Joined, Like, Nested, NoneOf, OneOf, Operand, Output,
    Param, Plan, Related, Sort, Test, Verdict,
)
from orgstead.model.schema import Column
from orgstead.store.dialect import Dialect
from orgstead.store.forms import TABLE_SUFFIX

__all__ = ["Compiled", "compile_count", "compile_plan", "flat_outputs", "quoted"]

TEXT = frozenset({"string", "memo"})
SYMBOLS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL with the parameters it wants, in order: their index, and what encodes each."""

    sql: str
    params: tuple[tuple[int, Callable[[Any], Any] | None], ...]
    decode: Callable[[Iterable[Any]], list[Any]]

    def arguments(self, values: Sequence[Any]) -> list[Any]:
        """The values in the order and form that the database wants."""
        return [
            values[index] if encode is None or values[index] is None else encode(values[index])
            for index, encode in self.params
        ]


def quoted(name: str) -> str:
    """A name as SQL has it. Names come from the schema, which admits letters, digits and underscores only."""
    if '"' in name or "\x00" in name:
        raise ValueError(name)
    return f'"{name}"'


def row_decoder(count: int, decoders: Mapping[int, Callable[[Any], Any]]) -> Callable[[Iterable[Any]], list[Any]]:
    """What turns the driver's rows into rows of canonical values.

    Where anything has to be converted it is one comprehension with the conversions written out; its source
    is made of numbers only.
    """
    if not decoders:
        return list
    scope: dict[str, Any] = {f"d{index}": decode for index, decode in decoders.items()}
    names = [f"v{index}" for index in range(count)]
    values = [
        f"None if v{index} is None else d{index}(v{index})" if index in decoders else f"v{index}" for index in range(count)
    ]
    source = f"lambda rows: [({', '.join(values)},) for {', '.join(names)}, in rows]"
    made: Callable[[Iterable[Any]], list[Any]] = eval(source, scope)  # noqa: S307
    return made


def flat_outputs(plan: Plan) -> list[Output]:
    """All places of a row: the plan's own, then those of its to-one expands, depth first."""
    outputs = list(plan.outputs)

    def walk(parts: Sequence[Nested]) -> None:
        for part in parts:
            outputs.extend(part.outputs)
            walk(part.nested)

    walk(plan.nested)
    return outputs


def compile_plan(plan: Plan, dialect: Dialect, wide: bool) -> Compiled:
    """The text that reads the rows of a plan. ``wide``: text parameters hold letters beyond ASCII."""
    return _Compiler(dialect, wide).rows(plan)


def compile_count(plan: Plan, dialect: Dialect, wide: bool, limited: bool) -> Compiled:
    """The text that counts the rows of a plan; ``limited`` adds a last parameter at which to stop."""
    return _Compiler(dialect, wide).count(plan, limited)


class _Compiler:
    def __init__(self, dialect: Dialect, wide: bool) -> None:
        self.dialect = dialect
        self.wide = wide
        self.params: list[tuple[int, Callable[[Any], Any] | None]] = []

    # -- statements ----------------------------------------------------------------------------------------------
    def rows(self, plan: Plan) -> Compiled:
        outputs = flat_outputs(plan)
        if plan.partition is not None:
            return self.per_parent(plan, outputs)
        columns = ", ".join(self.output(o) for o in outputs) or "1"
        sql = f"SELECT {'DISTINCT ' if plan.distinct else ''}{columns}{self.body(plan)}"
        if plan.order:
            sql += " ORDER BY " + ", ".join(self.sort(s) for s in plan.order)
        if plan.limit is not None:
            sql += f" LIMIT {self.param(plan.limit)}"
            if plan.offset is not None:
                sql += f" OFFSET {self.param(plan.offset)}"
        return self.done(sql, outputs)

    def per_parent(self, plan: Plan, outputs: list[Output]) -> Compiled:
        """Rows of all parents at once, at most ``limit`` of each, in order."""
        if plan.partition is None or plan.limit is None:
            raise TypeError("a plan with a partition has a limit")
        names = [f"c{index}" for index in range(len(outputs))]
        columns = ", ".join(f"{self.output(o)} AS {name}" for o, name in zip(outputs, names, strict=True))
        order = ", ".join(self.sort(s) for s in plan.order)
        number = f"ROW_NUMBER() OVER (PARTITION BY {self.operand(plan.partition)} ORDER BY {order})"
        inner = f"SELECT {columns}, {number} AS place{self.body(plan)}"
        sql = f"SELECT {', '.join(names)} FROM ({inner}) AS ranked WHERE place <= {self.param(plan.limit)} ORDER BY c0, place"
        return self.done(sql, outputs)

    def count(self, plan: Plan, limited: bool) -> Compiled:
        columns = ", ".join(self.output(o) for o in plan.outputs) if plan.groups or plan.distinct else "1"
        inner = f"SELECT {'DISTINCT ' if plan.distinct else ''}{columns}{self.body(plan)}"
        if not limited and not plan.groups and not plan.distinct:
            return self.done(f"SELECT count(*){inner.removeprefix('SELECT 1')}", [])
        limit = ""
        if limited:
            self.params.append((-1, None))
            limit = f" LIMIT {self.dialect.placeholder}"
        return self.done(f"SELECT count(*) FROM ({inner}{limit}) AS counted", [])

    def done(self, sql: str, outputs: Sequence[Output]) -> Compiled:
        decoders: dict[int, Callable[[Any], Any]] = {}
        for index, output in enumerate(outputs):
            column = output.column if output.part != "table" else None
            decode = self.dialect.decoder(column, output.of) if column is not None or isinstance(output.of, Agg) else None
            if decode is not None:
                decoders[index] = decode
        return Compiled(sql, tuple(self.params), row_decoder(len(outputs), decoders))

    def body(self, plan: Plan) -> str:
        sql = f" FROM {quoted(plan.source.table.logical_name)} AS {plan.source.alias}"
        sql += "".join(self.join(j) for j in plan.joins)
        conditions = []
        if plan.where is not None:
            conditions.append(self.verdict(plan.where))
        if plan.seek is not None:
            conditions.append(self.seek(plan.order, plan.seek))
        conditions = [c for c in conditions if c != "TRUE"]
        if conditions:
            sql += " WHERE " + " AND ".join(conditions)
        if plan.groups:
            sql += " GROUP BY " + ", ".join(self.operand(g) for g in plan.groups)
        if plan.having is not None:
            sql += (" GROUP BY NULL" if not plan.groups else "") + f" HAVING {self.verdict(plan.having)}"
        return sql

    def join(self, join: Joined) -> str:
        on = " AND ".join(self.verdict(v) for v in join.on) or "TRUE"
        kind = "JOIN" if join.kind == "inner" else "LEFT JOIN"
        return f" {kind} {quoted(join.source.table.logical_name)} AS {join.source.alias} ON {on}"

    # -- operands ------------------------------------------------------------------------------------------------
    def output(self, output: Output) -> str:
        return self.operand(output.of)

    def operand(self, operand: Operand) -> str:
        match operand:
            case Col(alias, column, part):
                name = column.name + TABLE_SUFFIX if part == "table" else column.name
                return f"{alias}.{quoted(name)}"
            case Param():
                return self.param(operand)
            case DatePart():
                return self.date_part(operand)
            case Agg(function, of):
                return self.aggregate(function, of)

    def param(self, param: Param) -> str:
        encode = self.dialect.encoder(param.column)
        if param.many:
            self.params.append((param.index, self.dialect.many(param.column, encode)))
        else:
            self.params.append((param.index, encode))
        return self.dialect.placeholder

    def date_part(self, part: DatePart) -> str:
        text = self.operand(part.of)
        if part.offset is not None:
            text = self.dialect.shifted(text, self.param(part.offset))
        return self.dialect.date_part(text, part.part, part.first_month)

    def aggregate(self, function: str, of: Operand | None) -> str:
        if of is None:
            return "count(*)"
        text = self.operand(of)
        match function:
            case "countdistinct":
                return f"count(DISTINCT {text})"
            case "count" | "countcolumn":
                return f"count({text})"
            case "avg":
                return self.dialect.average(text, of)
            case _:
                return f"{function}({text})"

    def sort(self, sort: Sort) -> str:
        text = self.operand(sort.of)
        return f"{text} {self.dialect.descending if sort.descending else self.dialect.ascending}"

    def seek(self, order: Sequence[Sort], cursor: Sequence[Param | None]) -> str:
        """Rows after the cursor: the first key bounds a range of an index, the rest decides among equals."""
        sort, value, rest = order[0], cursor[0], order[1:]
        text = self.operand(sort.of)
        deeper = (lambda: self.seek(rest, cursor[1:])) if rest else (lambda: "FALSE")
        if value is None:
            # Nulls are the smallest: behind them ascending comes everything else, descending nothing.
            null = f"{text} IS NULL AND {deeper()}"
            return f"({null})" if sort.descending else f"({text} IS NOT NULL OR ({null}))"
        if sort.descending:
            first = f"({text} <= {self.param(value)} OR {text} IS NULL)"
            then = f"({text} < {self.param(value)} OR {text} IS NULL OR {deeper()})"
        elif not rest:
            return f"({text} > {self.param(value)})"
        else:
            first = f"{text} >= {self.param(value)}"
            then = f"({text} > {self.param(value)} OR {deeper()})"
        return f"({first} AND {then})"

    # -- verdicts ------------------------------------------------------------------------------------------------
    def verdict(self, verdict: Verdict) -> str:
        match verdict:
            case Test(op, left, right):
                return self.test(op, left, right)
            case IsNull(of):
                return f"{self.operand(of)} IS NULL"
            case Like():
                return self.like(verdict)
            case OneOf(of, values):
                return self.one_of(of, values)
            case HasAny(of, values, every):
                return self.has_any(of, values, every)
            case AllOf(items):
                parts = [self.verdict(item) for item in items]
                return f"({' AND '.join(parts)})" if parts else "TRUE"
            case AnyOf(items):
                parts = [self.verdict(item) for item in items]
                return f"({' OR '.join(parts)})" if parts else "FALSE"
            case NoneOf(item):
                return f"(({self.verdict(item)}) IS NOT TRUE)"
            case Related():
                return self.related(verdict)
            case Descends():
                return self.descends(verdict)

    def test(self, op: str, left: Operand, right: Operand) -> str:
        a, b = self.operand(left), self.operand(right)
        if self.wide and _folds(left, right):
            a, b = self.dialect.folded(a), self.dialect.folded(b)
        return f"{a} {SYMBOLS[op]} {b}"

    def like(self, like: Like) -> str:
        text, pattern = self.operand(like.of), self.param(like.pattern)
        return self.dialect.like(text, pattern, wide=not like.ascii, classes=like.classes)

    def one_of(self, of: Operand, values: Param) -> str:
        text = self.operand(of)
        fold = self.wide and _folds(of, values)
        if fold:
            text = self.dialect.folded(text)
        return self.dialect.member(text, self.param(values), of.column if isinstance(of, Col) else None, fold)

    def has_any(self, of: Col, values: Param, every: bool) -> str:
        text = self.operand(of)
        if every:
            self.params.append((values.index, self.dialect.encoder(of.column)))
            return f"{text} = {self.dialect.placeholder}"
        self.params.append((values.index, self.dialect.many(None, None)))
        return self.dialect.holds(text, self.dialect.placeholder)

    def related(self, test: Related) -> str:
        source = f"{quoted(test.source.table.logical_name)} AS {test.source.alias}"
        joins = "".join(self.join(join) for join in test.joins)
        parts = [self.verdict(v) for v in test.on]
        if test.where is not None:
            parts.append(self.verdict(test.where))
        return f"EXISTS (SELECT 1 FROM {source}{joins} WHERE {' AND '.join(parts) or 'TRUE'})"

    def descends(self, test: Descends) -> str:
        table, parent = quoted(test.table.logical_name), quoted(test.parent.name)
        key = quoted(test.table.primary_id)
        operand, root = self.operand(test.of), self.param(test.root)
        # UNION, not UNION ALL: a cycle in the rows must end.
        step = f"SELECT n.{parent} FROM {table} n JOIN tree ON n.{key} = tree.id" if test.up else (
            f"SELECT n.{key} FROM {table} n JOIN tree ON n.{parent} = tree.id"
        )
        start = self.dialect.typed_root(root)
        tree = f"WITH RECURSIVE tree(id) AS (SELECT {start} UNION {step}) SELECT id FROM tree WHERE id IS NOT NULL"
        if not test.include_self:
            tree += f" AND id <> {self.param(test.root)}"
        return f"{operand} IN ({tree})"


def _folds(*operands: Operand) -> bool:
    columns: list[Column] = [o.column for o in operands if isinstance(o, (Col, Param)) and o.column is not None]
    return any(column.type in TEXT for column in columns)
