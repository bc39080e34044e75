"""An organisation that an older version made gets the definitions that have been added since.

What is there stays as it is, since people may have changed it: only tables, columns, keys, indexes, relationships,
choices and options that are missing are put in.
"""

from dataclasses import replace
from hashlib import sha256
from importlib.resources import files

from orgstead.model.schema import Column, Option, Schema, Table
from orgstead.solutions.load import SOLUTIONS

__all__ = ["base_digest", "with_missing"]

# Files of rows that only a new organisation gets.
ROWS = frozenset({"rows.jsonl", "sample.jsonl"})


def base_digest() -> str:
    """What the shipped definitions are, as a short text that changes whenever they do."""
    digest = sha256()
    for solution in SOLUTIONS:
        root = files("orgstead.solutions").joinpath(solution)
        for folder in (root, root.joinpath("tables")):
            if folder.is_dir():
                for path in sorted(folder.iterdir(), key=lambda path: path.name):
                    if path.name.endswith(".jsonl") and path.name not in ROWS:
                        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def with_missing(current: Schema, base: Schema) -> Schema:
    """The next version of ``current``, with everything of ``base`` that it lacks."""
    tables: dict[str, Table | None] = {}
    for name, shipped in base.tables.items():
        there = current.tables.get(name)
        widened = shipped if there is None else _widened(there, shipped)
        if widened is not there:
            tables[name] = widened
    choices = {
        name: shipped if name not in current.choices else replace(
            current.choices[name], options=_options(current.choices[name].options, shipped.options)
        )
        for name, shipped in base.choices.items()
    }  # fmt: skip
    return current.evolve(
        tables=tables,
        one_to_many={n: rel for n, rel in base.one_to_many.items() if n not in current.one_to_many},
        many_to_many={n: rel for n, rel in base.many_to_many.items() if n not in current.many_to_many},
        choices={name: choice for name, choice in choices.items() if choice != current.choices.get(name)},
    )


def _widened(there: Table, shipped: Table) -> Table:
    columns: dict[str, Column] = dict(there.columns)
    for name, column in shipped.columns.items():
        known = columns.get(name)
        if known is None:
            columns[name] = column
        elif known.options != column.options:
            columns[name] = replace(known, options=_options(known.options, column.options))
    names = {key.logical_name for key in there.keys}
    keys = (*there.keys, *(key for key in shipped.keys if key.logical_name not in names))
    indexes = (*there.indexes, *(over for over in shipped.indexes if over not in there.indexes))
    if columns == there.columns and keys == there.keys and indexes == there.indexes:
        return there
    return Table(
        **{field: getattr(there, field) for field in Table.__dataclass_fields__}
        | {"columns": columns, "keys": keys, "indexes": indexes}
    )


def _options(there: tuple[Option, ...], shipped: tuple[Option, ...]) -> tuple[Option, ...]:
    values = {option.value for option in there}
    return (*there, *(option for option in shipped if option.value not in values))
