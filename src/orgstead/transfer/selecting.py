"""What is exported: which columns of which rows, page by page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from orgstead.client import Client, ConfigurationError, Page, Record, raw
from orgstead.client.literals import query_text
from orgstead.client.record import FORMATTED, LOOKUP_TABLE
from orgstead.transfer.definition import LOOKUPS, Column, Table, describe_table
from orgstead.transfer.formats import Sketch
from orgstead.transfer.mapping import FORMATTED as FORMATTED_HEADER
from orgstead.transfer.opening import FileOptions

__all__ = ["ExportOptions", "Output", "Pages", "selected"]

PAGE = 5000
_KINDS = {
    "Integer": "int",
    "BigInt": "int",
    "Picklist": "int",
    "State": "int",
    "Status": "int",
    "Decimal": "decimal",
    "Money": "decimal",
    "Double": "float",
    "Boolean": "bool",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is exported: the columns of ``select`` or all, rows that fulfil ``filter`` (OData), or a FetchXML query.

    ``formatted`` adds what a person reads beside each value. ``resume`` goes on with an export that broke off.
    ``force`` replaces a file that is there.
    """

    select: Sequence[str] = ()
    filter: str | None = None
    fetchxml: str | None = None
    formatted: bool = False
    resume: bool = False
    force: bool = False
    page_size: int = PAGE
    file: FileOptions = field(default_factory=FileOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A column of the file: the name in the answer, and whether the table of a lookup or what people read is meant."""

    sketch: Sketch
    name: str
    formatted: bool = False
    many_tables: bool = False

    def value(self, record: Record) -> Any:
        """What stands in a row."""
        if self.formatted:
            annotations = record.raw
            return annotations.get(self.name + FORMATTED) or annotations.get(f"_{self.name}_value{FORMATTED}")
        found = record.get(self.name)
        if found is None:
            return None
        if self.many_tables:
            table = record.raw.get(f"_{self.name}_value{LOOKUP_TABLE}") or record.raw.get(
                self.name + LOOKUP_TABLE
            )
            return f"{table}:{found}" if table else found
        return found


def selected(client: Client, table: Table, options: ExportOptions) -> "tuple[Sequence[Output], Pages]":
    """The columns of a file, and the rows for it. Raises ConfigurationError for what is no column, filter or query."""
    if options.fetchxml is not None:
        outputs = _of_fetch(client, options.fetchxml, table, options)
        return outputs, _Fetched(client, options.fetchxml, options)
    outputs = _of_table(table, options)
    return outputs, _Queried(client, table, options, outputs)


class Pages:
    """Rows page by page; ``first`` is the address of the first page where one can go on from a link."""

    first = ""

    def read(self, link: str) -> Iterator[Page]:
        """The pages from a link on."""
        raise NotImplementedError


class _Queried(Pages):
    """The rows of a table, in the order of the service, by links."""

    def __init__(
        self, client: Client, table: Table, options: ExportOptions, outputs: Sequence[Output]
    ) -> None:
        self._client = client
        query = client.query(table.name).select(*dict.fromkeys(each.name for each in outputs))
        if options.filter is not None:
            query = query.where(raw(options.filter))
        wanted = {**query.options, "$select": _select(table, outputs)}
        self.first = f"{table.set}?{query_text(wanted)}"
        self._prefer = [f"odata.maxpagesize={options.page_size}"]
        annotations = [FORMATTED[1:]] if options.formatted else []
        annotations += [LOOKUP_TABLE[1:]] if any(each.many_tables for each in outputs) else []
        if annotations:
            self._prefer.append(f'odata.include-annotations="{",".join(annotations)}"')

    def read(self, link: str) -> Iterator[Page]:
        """Along the links. Raises ConfigurationError for one that leads to elsewhere."""
        if "://" in link.partition("?")[0]:
            parts = urlsplit(link)
            tail = parts.path.rpartition("/")[2]
            link = f"{tail}?{parts.query}"
        yield from self._client.odata(link, headers={"Prefer": ",".join(self._prefer)}).pages()


class _Fetched(Pages):
    """The rows of a FetchXML query."""

    def __init__(self, client: Client, xml: str, options: ExportOptions) -> None:
        self._rows = client.fetchxml(xml, page_size=options.page_size, annotations=True)

    def read(self, link: str) -> Iterator[Page]:
        """From the beginning."""
        yield from self._rows.pages()


def _select(table: Table, outputs: Sequence[Output]) -> str:
    names = dict.fromkeys(each.name for each in outputs)
    return ",".join(f"_{name}_value" if table.columns[name].type in LOOKUPS else name for name in names)


def _of_table(table: Table, options: ExportOptions) -> Sequence[Output]:
    names = [each.strip().lower() for each in options.select]
    strange = [each for each in names if each not in table.columns or not table.columns[each].readable]
    if strange:
        raise ConfigurationError(f"{table.name} has no column {', '.join(strange)} that a file could hold")
    if not names:
        rest = sorted(
            each.name for each in table.columns.values() if each.readable and each.name != table.key
        )
        names = [table.key, *rest]
    return [output for name in names for output in _outputs(table.columns[name], name, options)]


def _outputs(column: Column | None, name: str, options: ExportOptions) -> Iterator[Output]:
    if column is None:  # an aggregate, or a name that the query made up
        yield Output(sketch=Sketch(header=name, kind="text", guard=options.file.guard), name=name)
        return
    kind = _KINDS.get(column.type, "text")
    if column.type == "DateTime":
        kind = "date" if column.behavior == "DateOnly" else "time"
    guard = options.file.guard and column.type in ("String", "Memo", "EntityName")
    many = column.type in LOOKUPS and (len(column.targets) != 1)
    yield Output(sketch=Sketch(header=name, kind=kind, guard=guard), name=name, many_tables=many)
    if options.formatted and column.type not in ("String", "Memo", "Uniqueidentifier", "EntityName"):
        header = f"{name}{FORMATTED_HEADER}"
        yield Output(sketch=Sketch(header=header, guard=options.file.guard), name=name, formatted=True)


def _of_fetch(client: Client, xml: str, table: Table, options: ExportOptions) -> Sequence[Output]:
    """The columns of a FetchXML query, in its order."""
    if options.select or options.filter:
        raise ConfigurationError(
            "a FetchXML query says by itself which columns and rows: leave out the others"
        )
    if len(xml) > 1_000_000 or "<!" in xml:
        raise ConfigurationError("a FetchXML query has no declarations and at most a million characters")
    try:
        fetch = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ConfigurationError(f"the FetchXML cannot be read: {error}") from None
    entity = fetch.find("entity")
    if entity is None or entity.get("name", "").lower() != table.name:
        raise ConfigurationError(f"the FetchXML is not of {table.name}")
    found: dict[str, Output] = {}
    tables = {table.name: table}
    for place in (entity, *entity.iter("link-entity")):
        name = place.get("name", "").lower()
        if name not in tables:
            tables[name] = describe_table(client, name)
        prefix = "" if place is entity else f"{place.get('alias') or ''}."
        for column, shown in _fetched(place, tables[name], prefix):
            for output in _outputs(column, shown, options):
                found.setdefault(output.sketch.header, output)
    if table.key not in found and fetch.get("aggregate") != "true" and fetch.get("distinct") != "true":
        # It comes unasked, and it is what an import goes by.
        output = next(_outputs(table.columns[table.key], table.key, options))
        return [output, *found.values()]
    return list(found.values())


def _fetched(place: Any, table: Table, prefix: str) -> Iterator[tuple[Column | None, str]]:
    if place.find("all-attributes") is not None:
        for each in table.columns.values():
            if each.readable:
                yield each, f"{prefix}{each.name}"
    for each in place.findall("attribute"):
        name = each.get("name", "").lower()
        made = each.get("aggregate") or each.get("dategrouping")
        column = None if made else table.columns.get(name)
        if column is None or column.readable:
            yield column, each.get("alias") or f"{prefix}{name}"
