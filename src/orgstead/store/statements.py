"""The SQL of single rows, the same on both databases but for placeholders: made once per shape, kept by shape."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orgstead.model.plan import Param, Plan
from orgstead.model.record import Ref
from orgstead.model.schema import Column, Table
from orgstead.store.compile import Compiled, compile_count, compile_plan
from orgstead.store.ddl import kept
from orgstead.store.dialect import Dialect
from orgstead.store.forms import TABLE_SUFFIX, TEXT, Convert
from orgstead.store.identifiers import quoted

__all__ = ["Line", "Look", "Statements"]

# Values of one row, in the order of its columns, in the driver's form.
Encode = Callable[..., Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a row with values in certain columns is added: the SQL columns, the text, what encodes the values."""

    parts: tuple[str, ...]
    sql: str
    encode: Encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a row is read by its id: the text, what encodes the id, what makes canonical values by name of the row."""

    sql: str
    key: Convert | None
    record: Callable[[Sequence[Any]], dict[str, Any]]


class Statements:
    """Texts of one dialect, with the conversions that belong to them."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.writer: Callable[[Column], Convert | None] = lru_cache(maxsize=65536)(dialect.writer)
        self.encoder: Callable[[Column], Convert | None] = lru_cache(maxsize=65536)(dialect.encoder)
        self.plan: Callable[[Plan, bool], Compiled] = lru_cache(maxsize=2048)(
            lambda plan, wide: compile_plan(plan, dialect, wide)
        )
        self.counting: Callable[[Plan, bool, bool], Compiled] = lru_cache(maxsize=512)(
            lambda plan, wide, limited: compile_count(plan, dialect, wide, limited)
        )
        self.line: Callable[[Table, tuple[str, ...]], Line] = lru_cache(maxsize=4096)(self._line)
        self.nullable: Callable[[Table, tuple[str, ...]], Line] = lru_cache(maxsize=1024)(
            lambda table, names: self._line(table, names, nullable=True)
        )
        self.find_many: Callable[[Table, tuple[str, ...]], str] = lru_cache(maxsize=256)(self._find_many)
        self.update_range: Callable[[Table, tuple[str, ...], tuple[str, ...], str], str]
        self.update_range = lru_cache(maxsize=256)(self._update_range)
        self.update: Callable[[Table, tuple[str, ...]], str] = lru_cache(maxsize=4096)(self._update)
        self.look: Callable[[Table, tuple[str, ...] | None, bool], Look]
        self.look = lru_cache(maxsize=4096)(self._look)
        self.find: Callable[[Table, tuple[tuple[str, bool], ...], bool], str] = lru_cache(maxsize=4096)(
            self._find
        )
        self.delete: Callable[[Table], tuple[str, Convert]] = lru_cache(maxsize=4096)(self._delete)
        self.clear: Callable[[Table, str], str] = lru_cache(maxsize=4096)(self._clear)
        setting, value = quoted("orgstead_setting"), dialect.placeholder(2)
        name = dialect.placeholder(1)
        self.read_setting = f'SELECT "value" FROM {setting} WHERE "name" = {name}'
        self.write_setting = (
            f'INSERT INTO {setting} ("name", "value") VALUES ({name}, {value}) '
            'ON CONFLICT ("name") DO UPDATE SET "value" = excluded."value"'
        )
        self.delete_setting = f'DELETE FROM {setting} WHERE "name" = {name}'
        self.read_definitions = (
            'SELECT "kind", "name", "body" FROM "orgstead_definition" '
            f"""UNION ALL SELECT "name", '', "value" FROM {setting} """
            """WHERE "name" IN ('schema_version', 'schema_forgotten')"""
        )
        values = ", ".join(self._placeholders(3))
        self.write_definition = (
            f'INSERT INTO "orgstead_definition" ("kind", "name", "body") VALUES ({values}) '
            'ON CONFLICT ("kind", "name") DO UPDATE SET "body" = excluded."body"'
        )
        self.delete_definition = (
            f'DELETE FROM "orgstead_definition" WHERE "kind" = {name} AND "name" = {value}'
        )

    def written(self, column: Column, value: Any) -> list[tuple[str, Any]]:
        """The SQL columns of a canonical value and what goes into them."""
        encode = self.writer(column)
        if column.is_lookup:
            id, table = (value.id, value.table) if isinstance(value, Ref) else (value, None)
            if encode is not None and id is not None:
                id = encode(id)
            if not column.polymorphic or (table is None and id is not None):
                return [(column.name, id)]
            if encode is not None and table is not None:
                table = encode(table)
            return [(column.name, id), (column.name + TABLE_SUFFIX, table)]
        return [(column.name, value if encode is None or value is None else encode(value))]

    def _line(self, table: Table, names: tuple[str, ...], *, nullable: bool = False) -> Line:
        """The insertion of new rows with values in these columns, none of them null unless they are ``nullable``.

        What encodes them is written out as one expression, because a load of many rows spends most of its time here.
        """
        scope: dict[str, Any] = {"Ref": Ref}
        parts: list[str] = []
        values: list[str] = []
        for index, name in enumerate(names):
            column, value = table.columns[name], f"v{index}"
            encode = self.writer(column)
            if encode is not None:
                scope[f"e{index}"] = encode
            wrapped = "{}" if encode is None else f"e{index}({{}})"
            if nullable and encode is not None:
                wrapped = f"(None if {value} is None else e{index}({{}}))"
            parts.append(name)
            if not column.is_lookup:
                values.append(wrapped.format(value))
                continue
            id = f"{value}.id if {value}.__class__ is Ref else {value}"
            values.append(wrapped.format(id) if encode is not None else f"({id})")
            if column.polymorphic:
                parts.append(name + TABLE_SUFFIX)
                values.append(f"{wrapped.format(f'{value}.table')} if {value}.__class__ is Ref else None")
        places = ", ".join(f"v{index}" for index in range(len(names)))
        made: Encode = eval(f"lambda {places}: ({', '.join(values)},)", scope)
        return Line(parts=tuple(parts), sql=self._insert(table, parts), encode=made)

    def _placeholders(self, count: int) -> list[str]:
        return [self.dialect.placeholder(number) for number in range(1, count + 1)]

    def _typed(self, table: Table, *names: str) -> list[str]:
        """Placeholders of values of these SQL columns.

        With their types: a statement that was prepared keeps the types of its parameters when a column gets another
        one, so the text has to be another then.
        """
        return [
            self.dialect.typed(
                self.dialect.placeholder(number), table.columns.get(name), many=False, wide=False
            )
            for number, name in enumerate(names, 1)
        ]

    def _insert(self, table: Table, names: Sequence[str]) -> str:
        columns, values = ", ".join(quoted(name) for name in names), ", ".join(self._typed(table, *names))
        return f"INSERT INTO {quoted(table.logical_name)} ({columns}) VALUES ({values})"

    def _update(self, table: Table, names: tuple[str, ...]) -> str:
        *places, last = self._typed(table, *names, table.primary_id)
        sets = ", ".join(f"{quoted(name)} = {place}" for name, place in zip(names, places, strict=True))
        return f"UPDATE {quoted(table.logical_name)} SET {sets} WHERE {quoted(table.primary_id)} = {last}"

    def _update_range(self, table: Table, sets: tuple[str, ...], same: tuple[str, ...], over: str) -> str:
        places = self._typed(table, *sets, *same, over, over)
        changes = ", ".join(
            f"{quoted(name)} = {place}" for name, place in zip(sets, places[: len(sets)], strict=True)
        )
        conditions = [
            f"{quoted(name)} = {place}" for name, place in zip(same, places[len(sets) : -2], strict=True)
        ]
        conditions.append(f"{quoted(over)} BETWEEN {places[-2]} AND {places[-1]}")
        return f"UPDATE {quoted(table.logical_name)} SET {changes} WHERE {' AND '.join(conditions)}"

    def _look(self, table: Table, names: tuple[str, ...] | None, locked: bool) -> Look:
        columns = kept(table)
        chosen = (
            list(columns.values()) if names is None else [columns[name] for name in names if name in columns]
        )
        texts: list[str] = []
        values: list[str] = []
        scope: dict[str, Any] = {"Ref": Ref, "names": [column.name for column in chosen]}
        for index, column in enumerate(chosen):
            value, decode = f"v{len(texts)}", self.dialect.decoder(column, Param(0))
            texts.append(quoted(column.name))
            if column.is_lookup:
                scope[f"t{index}"] = None if column.polymorphic else column.targets[0]
                target = f"v{len(texts)}" if column.polymorphic else f"t{index}"
                values.append(f"None if {value} is None else Ref({target}, {value})")
            elif decode is not None:
                scope[f"d{index}"] = decode
                values.append(f"None if {value} is None else d{index}({value})")
            else:
                values.append(value)
            if column.polymorphic:
                texts.append(quoted(column.name + TABLE_SUFFIX))
        # One expression, whose source is made of numbers only: whatever writes a row has read it whole.
        places = "".join(f"v{index}, " for index in range(len(texts))) or "_, "
        made = eval(f"lambda {places}: dict(zip(names, ({''.join(f'{each}, ' for each in values)})))", scope)
        sql = (
            f"SELECT {', '.join(texts) or '1'} FROM {quoted(table.logical_name)} "
            f"WHERE {quoted(table.primary_id)} = {self.dialect.placeholder(1)}"
        )
        return Look(
            sql=sql + (self.dialect.lock if locked else ""),
            key=self.writer(table.columns[table.primary_id]),
            record=lambda row: made(*row),
        )

    def found(self, column: Column, value: Any) -> list[tuple[str, Any]]:
        """The SQL columns of a value to look for and what they are compared with; None is null."""
        if column.is_lookup or value is None:
            return self.written(column, value)
        encode = self.encoder(column)
        return [(column.name, value if encode is None else encode(value))]

    def _find(self, table: Table, shape: tuple[tuple[str, bool], ...], wide: bool) -> str:
        """``shape``: names of SQL columns, each with whether it is compared with a value or is to be null."""
        conditions: list[str] = []
        number = 0
        for name, valued in shape:
            left, column = quoted(name), table.columns.get(name)
            if not valued:
                conditions.append(f"{left} IS NULL")
                continue
            number += 1
            right = self.dialect.typed(self.dialect.placeholder(number), column, many=False, wide=wide)
            if wide and column is not None and column.type in TEXT:
                left, right = self.dialect.folded(left), self.dialect.folded(right)
            conditions.append(f"{left} = {right}")
        return (
            f"SELECT {quoted(table.primary_id)} FROM {quoted(table.logical_name)} "
            f"WHERE {' AND '.join(conditions) or 'TRUE'} LIMIT {self.dialect.placeholder(number + 1)}"
        )

    def _find_many(self, table: Table, names: tuple[str, ...]) -> str:
        """The place of what is looked for, which is the last parameter, and the id of a row that is it."""
        same = " AND ".join(
            f"{quoted(name)} = {place}" for name, place in zip(names, self._typed(table, *names), strict=True)
        )
        place = self.dialect.placeholder(len(names) + 1)
        return f"SELECT {place}, {quoted(table.primary_id)} FROM {quoted(table.logical_name)} WHERE {same}"

    def _delete(self, table: Table) -> tuple[str, Convert]:
        key = table.columns[table.primary_id]
        values = self.dialect.typed(self.dialect.placeholder(1), key, many=True, wide=False)
        condition = self.dialect.member(quoted(table.primary_id), values, fold=False)
        return f"DELETE FROM {quoted(table.logical_name)} WHERE {condition}", self.dialect.many(key)

    def _clear(self, table: Table, name: str) -> str:
        # Rows of several tables may have the same id.
        ends = [name, name + TABLE_SUFFIX] if table.columns[name].polymorphic else [name]
        *values, version = self._typed(table, *ends, "versionnumber")
        sets = [f"{quoted(end)} = NULL" for end in ends]
        if "versionnumber" in table.columns:
            sets.append(f'"versionnumber" = {version}')
        pointing = " AND ".join(f"{quoted(end)} = {value}" for end, value in zip(ends, values, strict=True))
        return (
            f"UPDATE {quoted(table.logical_name)} SET {', '.join(sets)} WHERE {pointing} "
            f"RETURNING {quoted(table.primary_id)}"
        )
