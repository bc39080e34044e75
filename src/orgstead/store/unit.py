"""One transaction, in terms of the two things a driver does: read rows, change rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.plan import Plan
from orgstead.model.record import Ref
from orgstead.model.schema import Schema, Table
from orgstead.store import saved
from orgstead.store.ddl import guards
from orgstead.store.ddl import statements as ddl_statements
from orgstead.store.statements import Line, Statements

__all__ = ["BaseUnit"]


class BaseUnit:
    """What units of work on both databases have in common; see ``engine.ports.UnitOfWork``."""

    def __init__(self, statements: Statements) -> None:
        self.statements = statements
        self.dialect = statements.dialect
        # Whether whole rows are read in order to write them.
        self.locks = False
        self._depth = 0

    # -- the driver ----------------------------------------------------------------------------------------------
    def rows(self, sql: str, arguments: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """Rows in the driver's form."""
        raise NotImplementedError

    def change(self, sql: str, arguments: Sequence[Any], table: Table | None = None) -> int:
        """Run a statement; how many rows it changed. ``table`` is for the faults of its keys."""
        raise NotImplementedError

    def insert_many(self, table: Table, line: Line, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows of the same columns."""
        raise NotImplementedError

    def run(self, sql: Iterable[str], tables: Iterable[Table] = ()) -> None:
        """Run statements without parameters. ``tables`` are for the faults of their keys."""
        raise NotImplementedError

    def next_version(self, count: int = 1) -> int:
        """Take change numbers."""
        raise NotImplementedError

    # -- queries -------------------------------------------------------------------------------------------------
    def fetch(self, plan: Plan, params: Sequence[Any]) -> list[Sequence[Any]]:
        """Run a plan. Raises QueryTooComplex when it is too deep, or too much for the database."""
        try:
            compiled = self.statements.plan(plan, self.dialect.wide(params))
        except RecursionError as error:
            raise _too_deep() from error
        return compiled.decode(self.rows(compiled.sql, compiled.arguments(params)))

    def count(self, plan: Plan, params: Sequence[Any], limit: int | None) -> int:
        """Count the rows of a plan."""
        try:
            compiled = self.statements.counting(plan, self.dialect.wide(params), limit is not None)
        except RecursionError as error:
            raise _too_deep() from error
        ((count,),) = self.rows(compiled.sql, compiled.arguments([*params, limit]))
        return int(count)

    # -- rows ----------------------------------------------------------------------------------------------------
    def get(self, table: Table, id: str, columns: Sequence[str] | None = None) -> dict[str, Any] | None:
        """One row by id."""
        # Whoever reads a whole row here is about to write it; single columns are looked up on the way.
        locked = self.locks and columns is None
        look = self.statements.look(table, None if columns is None else tuple(columns), locked)
        for row in self.rows(look.sql, (id if look.key is None else look.key(id),)):
            return look.record(row)
        return None

    def find(self, table: Table, values: Mapping[str, Any], limit: int = 2) -> list[str]:
        """Ids of rows with these values."""
        shape: list[tuple[str, bool]] = []
        arguments: list[Any] = []
        for name, value in values.items():
            for part, encoded in self.statements.found(table.columns[name], value):
                shape.append((part, encoded is not None))
                if encoded is not None:
                    arguments.append(encoded)
        wide = self.dialect.wide_keys(list(values.values()))
        arguments.append(self.argument(limit))
        return [row[0] for row in self.rows(self.statements.find(table, tuple(shape), wide), arguments)]

    def argument(self, value: Any) -> Any:
        """A value that is no column's in the driver's form."""
        encode = self.dialect.encoder(None)
        return value if encode is None or value is None else encode(value)

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows."""
        groups: dict[tuple[str, ...], list[Iterable[Any]]] = {}
        for row in rows:
            given = {name: value for name, value in row.items() if value is not None}
            groups.setdefault(tuple(given), []).append(given.values())
        for names, lines in groups.items():
            line = self.statements.line(table, names)
            if len(lines) == 1:
                self.change(line.sql, line.encode(*lines[0]), table)
            else:
                self.insert_many(table, line, [line.encode(*each) for each in lines])

    def add(self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Add many rows with the same columns."""
        if rows:
            line = self.statements.nullable(table, tuple(columns))
            self.insert_many(table, line, [line.encode(*row) for row in rows])

    def update_range(
        self,
        table: Table,
        values: Mapping[str, Any],
        where: Mapping[str, Any],
        over: str,
        first: int,
        last: int,
    ) -> int:
        """Set columns of the rows in a range."""
        sets = [
            each
            for name, value in values.items()
            for each in self.statements.written(table.columns[name], value)
        ]
        same = [
            each
            for name, value in where.items()
            for each in self.statements.found(table.columns[name], value)
        ]
        encode = self.statements.encoder(table.columns[over])
        ends = [first, last] if encode is None else [encode(first), encode(last)]
        sql = self.statements.update_range(
            table, tuple(name for name, _ in sets), tuple(name for name, _ in same), over
        )
        return self.change(sql, [*(each for _, each in sets), *(each for _, each in same), *ends], table)

    def update(self, table: Table, id: str, values: Mapping[str, Any]) -> bool:
        """Set columns of a row."""
        names: list[str] = []
        arguments: list[Any] = []
        for name, value in values.items():
            for part, encoded in self.statements.written(table.columns[name], value):
                names.append(part)
                arguments.append(encoded)
        if not names:
            return self.get(table, id, (table.primary_id,)) is not None
        arguments.extend(
            encoded for _, encoded in self.statements.written(table.columns[table.primary_id], id)
        )
        return bool(self.change(self.statements.update(table, tuple(names)), arguments, table))

    def find_many(
        self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> list[str | None]:
        """The id of a row for each tuple of values."""
        raise NotImplementedError

    def update_many(self, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Set columns of many rows."""
        names: tuple[str, ...] = ()
        lines: list[list[Any]] = []
        chosen = [table.columns[name] for name in columns]
        key = self.statements.writer(table.columns[table.primary_id])
        for id, *values in rows:
            parts = [
                part
                for column, value in zip(chosen, values, strict=True)
                for part in self.statements.written(column, value)
            ]
            found = tuple(name for name, _ in parts)
            if lines and found != names:
                self.change_many(table, names, lines)
                lines = []
            names = found
            lines.append([*(encoded for _, encoded in parts), id if key is None else key(id)])
        if lines:
            self.change_many(table, names, lines)

    def change_many(self, table: Table, names: tuple[str, ...], lines: Sequence[Sequence[Any]]) -> None:
        """Set SQL columns of many rows: a line has their values in the driver's form and, last, the row's id."""
        raise NotImplementedError

    def delete(self, table: Table, ids: Sequence[str]) -> int:
        """Remove rows."""
        if not ids:
            return 0
        sql, encode = self.statements.delete(table)
        return self.change(sql, (encode(ids),))

    def clear(self, table: Table, column: str, value: Ref, version: int) -> list[str]:
        """Empty a lookup wherever it points at a row."""
        arguments = [self.argument(value.id)]
        if table.columns[column].polymorphic:
            arguments.append(self.argument(value.table))
        if "versionnumber" in table.columns:
            arguments.append(self.argument(version))
        return [row[0] for row in self.rows(self.statements.clear(table, column), arguments)]

    # -- the transaction -----------------------------------------------------------------------------------------
    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happened inside when an exception leaves the block."""
        self._depth += 1
        name = f"s{self._depth}"
        self.run([f"SAVEPOINT {name}"])
        try:
            yield
        except BaseException:
            self.undo(name)
            raise
        else:
            self.run([f"RELEASE {name}"])
        finally:
            self._depth -= 1

    def undo(self, savepoint: str) -> None:
        """Go back to a savepoint and forget it."""
        self.run([f"ROLLBACK TO {savepoint}", f"RELEASE {savepoint}"])

    def migrate(self, old: Schema, new: Schema) -> None:
        """Bring tables and definitions to another schema.

        Raises StoreBusy when another process has changed the schema since ``old`` was read, DecimalOutOfRange,
        NotSupported for a column of another type, DuplicateKey for a key whose values rows share.
        """
        if self.schema_version(changing=True) != old.version:
            raise fault("StoreBusy", hint="Another process has changed the definitions: read them again.")
        for column, sql in guards(old, new, self.dialect):
            if list(self.rows(sql, ())):
                raise fault("DecimalOutOfRange", column=column.name)
        self.run(ddl_statements(old, new, self.dialect), new.tables.values())
        for kind, name, definition in saved.changes(old, new):
            if definition is None:
                self.change(self.statements.delete_definition, [self.argument(kind), self.argument(name)])
            else:
                values = (kind, name, saved.write_body(definition))
                self.change(self.statements.write_definition, [self.argument(value) for value in values])
        self.write_setting(saved.VERSION, str(new.version))
        if new.forgotten != old.forgotten:
            self.write_setting(saved.FORGOTTEN, str(new.forgotten))

    def schema_version(self, *, changing: bool = False) -> int:
        """The version of the saved schema, 0 when there is none."""
        return int(BaseUnit.read_setting(self, saved.VERSION) or 0)

    def read_setting(self, name: str) -> str | None:
        """A setting."""
        for row in self.rows(self.statements.read_setting, (self.argument(name),)):
            return str(row[0])
        return None

    def write_setting(self, name: str, value: str | None) -> None:
        """Set or remove a setting."""
        if value is None:
            self.change(self.statements.delete_setting, (self.argument(name),))
        else:
            self.change(self.statements.write_setting, (self.argument(name), self.argument(value)))


def _too_deep() -> Fault:
    return fault("QueryTooComplex", limit="levels that conditions can be nested in one another")
