"""A plan to SQL text and the order of its parameters. Values never become text.

The text depends on the plan's shape and on one bit, ``wide``: whether the values need the slower, right comparison of
the dialect (on SQLite text beyond ASCII, on PostgreSQL numbers that are no 64-bit integers).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.errors import fault
from orgstead.model.plan import (
    Agg,
    AllOf,
    AnyOf,
    Bits,
    Col,
    Comparison,
    DatePart,
    Descends,
    HasAny,
    IsNull,
    Joined,
    Like,
    Nested,
    NoneOf,
    OneOf,
    Operand,
    Output,
    Param,
    Plan,
    Ranked,
    Related,
    Sort,
    Source,
    Tally,
    Test,
    Verdict,
    Within,
)
from orgstead.store.dialect import Dialect
from orgstead.store.forms import TABLE_SUFFIX, TEXT, Convert, kind, row_decoder
from orgstead.store.identifiers import quoted
from orgstead.store.patterns import bounded

__all__ = ["Compiled", "compile_count", "compile_plan", "flat_outputs"]

MIRRORED: dict[Comparison, Comparison] = {
    "eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge",
}  # fmt: skip
SYMBOLS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(frozen=True, slots=True)
class Compiled:
    """SQL with the parameters it wants, in order: their index, and what encodes each."""

    sql: str
    params: tuple[tuple[int, Convert | None], ...]
    decode: Callable[[Iterable[Any]], list[Any]]

    def arguments(self, values: Sequence[Any]) -> list[Any]:
        """The values in the order and form that the database wants."""
        return [
            values[index] if encode is None or values[index] is None else encode(values[index])
            for index, encode in self.params
        ]


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
    """The text that reads the rows of a plan."""
    return _Compiler(plan, dialect, wide).rows()


def compile_count(plan: Plan, dialect: Dialect, wide: bool, limited: bool) -> Compiled:
    """The text that counts the rows of a plan; ``limited`` adds a last parameter at which to stop."""
    return _Compiler(plan, dialect, wide).count(limited)


class _Compiler:
    def __init__(self, plan: Plan, dialect: Dialect, wide: bool) -> None:
        self.plan = plan
        self.dialect = dialect
        self.wide = wide
        self.params: list[tuple[int, Convert | None]] = []
        # A parameter that is used again keeps its number: databases tell by it that two expressions are the same.
        self.numbers: dict[object, str] = {}

    # -- statements ----------------------------------------------------------------------------------------------
    def rows(self) -> Compiled:
        plan, outputs = self.plan, flat_outputs(self.plan)
        if plan.partition is not None:
            return self.per_parent(plan.partition, outputs)
        columns = ", ".join(self.output(o) for o in outputs) or "1"
        sql = f"SELECT {'DISTINCT ' if plan.distinct else ''}{columns}{self.body()}"
        if plan.order:
            sql += " ORDER BY " + ", ".join(self.sort(s) for s in plan.order)
        if plan.limit is not None:
            sql += f" LIMIT {self.param(plan.limit)}"
            if plan.offset is not None:
                sql += f" OFFSET {self.param(plan.offset)}"
        if plan.claiming:
            sql += self.dialect.claim
        return self.done(sql, outputs)

    def per_parent(self, partition: Col, outputs: list[Output]) -> Compiled:
        """Rows of all parents at once, at most ``limit`` of each, in order."""
        if self.plan.limit is None:
            raise TypeError("a plan with a partition has a limit")
        names = [f"c{index}" for index in range(len(outputs))]
        columns = ", ".join(f"{self.output(o)} AS {name}" for o, name in zip(outputs, names, strict=True))
        order = ", ".join(self.sort(s) for s in self.plan.order)
        number = f"ROW_NUMBER() OVER (PARTITION BY {self.operand(partition)} ORDER BY {order})"
        inner = f"SELECT {columns}, {number} AS place{self.body()}"
        limit = self.param(self.plan.limit)
        sql = f"SELECT {', '.join(names)} FROM ({inner}) AS ranked WHERE place <= {limit} ORDER BY c0, place"
        return self.done(sql, outputs)

    def count(self, limited: bool) -> Compiled:
        plan, body = self.plan, self.body()
        totals = any(isinstance(output.of, Agg) for output in plan.outputs)
        grouped = plan.distinct or plan.groups or plan.having or totals
        limit = self.number("limit", -1, self.dialect.encoder(None)) if limited else ""
        if not grouped and not limit:
            return self.done(f"SELECT count(*){body}", [])
        if not grouped and not plan.joins and plan.where is None and plan.seek is None:
            # Of a whole table: to pass rows over is cheaper than to count them, and a small table knows its count.
            many = f"EXISTS (SELECT 1{body} LIMIT 1 OFFSET {limit} - 1)"
            return self.done(f"SELECT CASE WHEN {many} THEN {limit} ELSE (SELECT count(*){body}) END", [])
        columns = ", ".join(f"{self.output(o)} AS c{index}" for index, o in enumerate(plan.outputs))
        inner = f"SELECT {'DISTINCT ' if plan.distinct else ''}{columns if grouped else '1'}{body}"
        return self.done(f"SELECT count(*) FROM ({inner}{limit and f' LIMIT {limit}'}) AS counted", [])

    def done(self, sql: str, outputs: Sequence[Output]) -> Compiled:
        decoders: dict[int, Callable[[Any], Any]] = {}
        for index, output in enumerate(outputs):
            column = output.column if output.part != "table" else None
            decode = self.dialect.decoder(column, output.of)
            if decode is not None:
                decoders[index] = decode
        return Compiled(sql, tuple(self.params), row_decoder(len(outputs), decoders))

    def body(self) -> str:
        plan = self.plan
        sql = f" FROM {_named(plan.source)}" + "".join(self.join(join) for join in plan.joins)
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
            sql += f" HAVING {self.verdict(plan.having)}"
        return sql

    def join(self, join: Joined) -> str:
        alias, table = join.source.alias, quoted(join.source.table.logical_name)
        on = self.all_of(join.on)
        if join.kind == "first":
            # The row with the smallest key, if there is any. Inside, the alias hides the one outside.
            key = f"{alias}.{quoted(join.source.table.primary_id)}"
            on = f"{key} = (SELECT {key} FROM {table} AS {alias} WHERE {on} ORDER BY {key} LIMIT 1)"
        return f" {'LEFT JOIN' if join.kind == 'left' else 'JOIN'} {table} AS {alias} ON {on}"

    # -- operands ------------------------------------------------------------------------------------------------
    def output(self, output: Output) -> str:
        if isinstance(output.of, Agg) and output.of.function == "avg" and output.of.of is not None:
            of = output.of.of
            return self.dialect.average(self.operand(of), of.column if isinstance(of, Col) else None)
        return self.operand(output.of)

    def operand(self, operand: Operand, beside: Operand | None = None, op: Comparison = "eq") -> str:
        """The text of an operand.

        ``beside`` is what it is compared with, which types a value that is no column's, and ``op`` how.
        """
        match operand:
            case Col(alias, column, part, hidden):
                text = f"{alias}.{quoted(column.name + TABLE_SUFFIX if part == 'table' else column.name)}"
                # Null of the column's own type.
                return f"NULLIF({text}, {text})" if hidden else text
            case Param():
                return self.param(operand, beside, op)
            case DatePart():
                return self.date_part(operand)
            case Ranked(of, ranks):
                places = " ".join(f"WHEN {int(value)} THEN {int(place)}" for value, place in ranks)
                return f"CASE {self.operand(of)} {places} END"
            case Agg(function, of):
                return self.aggregate(function, of)
            case Tally(source, on):
                return f"(SELECT count(*) FROM {_named(source)} WHERE {self.all_of(on)})"

    def param(self, param: Param, beside: Operand | None = None, op: Comparison = "eq") -> str:
        column = param.column
        total = isinstance(beside, Agg) and beside.function == "sum"
        if column is None and beside is not None:
            if isinstance(beside, Agg) and beside.function in ("min", "max", "sum"):
                beside = beside.of
            elif isinstance(beside, Agg | DatePart | Ranked):
                key, plain = (param.index, "number"), self.dialect.encoder(None)
                return self.number(key, param.index, plain, self.dialect.typed_number)
            column = beside.column if isinstance(beside, Col) and beside.part == "value" else None
        if param.many:
            encode: Convert | None = self.dialect.many(column)
        else:
            encode = self.dialect.total_encoder(column, op) if total else self.dialect.encoder(column, op)

        def typed(placeholder: str) -> str:
            return self.dialect.typed(placeholder, column, many=param.many, wide=self.wide)

        return self.number((param.index, column, param.many, total, op), param.index, encode, typed)

    def number(
        self, key: object, index: int, encode: Convert | None, typed: Callable[[str], str] = str
    ) -> str:
        """The placeholder of a value, a new one unless it has been used with this key."""
        text = self.numbers.get(key)
        if text is None:
            self.params.append((index, encode))
            text = self.numbers[key] = typed(self.dialect.placeholder(len(self.params)))
        return text

    def date_part(self, part: DatePart) -> str:
        text, column = self.operand(part.of), part.of.column
        # Calendar dates, and times that are nobody's in particular, are the same in every zone.
        if part.offset is not None and column.behavior not in ("DateOnly", "TimeZoneIndependent"):
            text = self.dialect.shifted(text, self.param(part.offset))
        return self.dialect.date_part(text, part.part, part.first_month, 12 // part.periods)

    def aggregate(self, function: str, of: Operand | None) -> str:
        if of is None:
            return "count(*)"
        text, column = self.operand(of), of.column if isinstance(of, Col) else None
        match function:
            case "countdistinct":
                return f"count(DISTINCT {text})"
            case "count" | "countcolumn":
                return f"count({text})"
            case "min" | "max":
                if column is not None and column.type in ("image", "multichoice"):
                    raise fault("IncompatibleTypes", column=column.name, type=column.type, value=function)
                return self.dialect.extreme(function, text, column)
            case "avg":
                return self.dialect.mean(text, column)
            case "sum":
                return self.dialect.total(text, column)
            case _:
                return f"{function}({text})"

    def sort(self, sort: Sort) -> str:
        key = Col(self.plan.source.alias, self.plan.source.table.columns[self.plan.source.table.primary_id])
        return self.dialect.order(self.operand(sort.of), descending=sort.descending, nullable=sort.of != key)

    def seek(self, order: Sequence[Sort], cursor: Sequence[Param | None]) -> str:
        """Rows after the cursor: the first key bounds a range of an index, the rest decides among equals."""
        sort, value, rest = order[0], cursor[0], order[1:]
        text = self.operand(sort.of)
        deeper = self.seek(rest, cursor[1:]) if rest else "FALSE"
        if value is None:
            # Nulls are the smallest: behind them ascending comes everything else, descending nothing.
            null = f"{text} IS NULL AND {deeper}"
            return f"({null})" if sort.descending else f"({text} IS NOT NULL OR ({null}))"
        bound = self.param(value, sort.of)
        if sort.descending:
            first = f"({text} <= {bound} OR {text} IS NULL)"
            then = f"({text} < {bound} OR {text} IS NULL OR {deeper})"
        elif not rest:
            return f"({text} > {bound})"
        else:
            first = f"{text} >= {bound}"
            then = f"({text} > {bound} OR {deeper})"
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
                return f"({self.all_of(items)})" if items else "TRUE"
            case AnyOf(items):
                return self.dialect.either([self.verdict(item) for item in items]) if items else "FALSE"
            case NoneOf(item):
                return f"(({self.verdict(item)}) IS NOT TRUE)"
            case Related():
                return self.related(verdict)
            case Descends():
                return self.descends(verdict)
            case Bits(of, bits):
                return f"({self.operand(of)} & {self.param(bits, of)}) <> 0"
            case Within(of, column, source, where):
                among = f"SELECT {self.operand(column)} FROM {_named(source)}"
                return f"{self.operand(of)} IN ({among} WHERE {self.all_of(where)})"

    def all_of(self, verdicts: Sequence[Verdict]) -> str:
        return " AND ".join(self.verdict(each) for each in verdicts) or "TRUE"

    def test(self, op: Comparison, left: Operand, right: Operand) -> str:
        a, b = self.operand(left, right, MIRRORED[op]), self.operand(right, left, op)
        if isinstance(left, Col) and isinstance(right, Col) and left.part == right.part == "value":
            if kind(left.column) != kind(right.column):
                one, other = left.column, right.column
                raise fault("IncompatibleTypes", column=one.name, type=one.type, value=other.name)
            a, b = self.dialect.aligned(a, left.column, b, right.column)
        if self.wide and _folds(left, right):
            a, b = self.dialect.folded(a), self.dialect.folded(b)
        return f"{a} {SYMBOLS[op]} {b}"

    def like(self, like: Like) -> str:
        text, classes = self.operand(like.of), like.classes
        encode = self.dialect.like_encoder(classes=classes)
        pattern = self.number(
            (like.pattern.index, "like", classes), like.pattern.index, lambda value: encode(bounded(value))
        )
        return self.dialect.like(text, pattern, wide=not like.ascii, classes=classes)

    def one_of(self, of: Operand, values: Param) -> str:
        text = self.operand(of)
        fold = self.wide and _folds(of, values)
        if fold:
            text = self.dialect.folded(text)
        return self.dialect.member(text, self.param(values, of), fold=fold)

    def has_any(self, of: Col, values: Param, every: bool) -> str:
        text = self.operand(of)
        if every:
            exactly = self.number((values.index, "exactly"), values.index, self.dialect.encoder(of.column))
            return f"{text} = {exactly}"
        some = self.number((values.index, "some"), values.index, self.dialect.many(None))
        return self.dialect.holds(text, some)

    def related(self, test: Related) -> str:
        joins = "".join(self.join(join) for join in test.joins)
        where = self.all_of(test.on if test.where is None else (*test.on, test.where))
        return f"EXISTS (SELECT 1 FROM {_named(test.source)}{joins} WHERE {where})"

    def descends(self, test: Descends) -> str:
        table, parent = quoted(test.table.logical_name), quoted(test.parent.name)
        key = quoted(test.table.primary_id)
        operand, root = self.operand(test.of), self.param(test.root, test.of)
        # UNION, not UNION ALL: a cycle in the rows must end.
        step = (
            f"SELECT n.{parent} FROM {table} n JOIN tree ON n.{key} = tree.id"
            if test.up
            else (f"SELECT n.{key} FROM {table} n JOIN tree ON n.{parent} = tree.id")
        )
        tree = f"WITH RECURSIVE tree(id) AS (SELECT {root} UNION {step}) SELECT id FROM tree WHERE id IS NOT NULL"
        if not test.include_self:
            tree += f" AND id <> {root}"
        return f"{operand} IN ({tree})"


def _named(source: Source) -> str:
    return f"{quoted(source.table.logical_name)} AS {source.alias}"


def _folds(*operands: Operand) -> bool:
    found = [each.column for each in operands if isinstance(each, Col | Param)]
    return any(column is not None and column.type in TEXT for column in found)
