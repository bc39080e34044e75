"""JSON bodies to records: values, ``@odata.bind``, deep inserts.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.query import ToMany, ToOne
from orgstead.model.record import Pending, Record, Ref, Related
from orgstead.model.schema import Table
from orgstead.wire.odata.names import NAMESPACE, Names, Navigation
from orgstead.wire.odatav4.paths import Alias, Segment, parse_path

__all__ = ["Origin", "decode_record", "read_reference", "ref_of"]

MAX_DEEP_INSERT = 10
OWNER = "owner"
MAX_RELATED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where addresses in a request are relative to.

    ``base`` is the API's root as the client wrote it (``https://host/api/data/v9.2/``). ``pending`` maps a
    Content-ID of the same change set to the place of its request and the table of its row.
    """

    base: str
    pending: Mapping[str, tuple[int, str]] = field(default_factory=dict)


def decode_record(body: Any, table: Table, names: Names, origin: Origin, *, depth: int = 0) -> Record:
    """The record that a JSON object describes.

    Annotations are skipped; what is no column, navigation property or binding raises PropertyNotFound.
    """
    if not isinstance(body, dict):
        raise fault("InvalidPayload", message="A JSON object was expected.")
    if depth > MAX_DEEP_INSERT:
        raise fault("QueryTooComplex", limit=f"{MAX_DEEP_INSERT} levels of nested rows")
    related: list[Related] = []
    plain, others = names.members(table, tuple(body))
    values = {name: body[name] for name in plain}
    for key in others:
        value = body[key]
        name, at, annotation = key.partition("@")
        if at:
            if annotation == "odata.bind":
                _bind(name, value, table, names, origin, values, related)
            elif key == "@odata.type":
                _check_type(value, table)
            continue
        column = names.written_column(table, name)
        if column is not None:
            if column.is_lookup:
                raise fault(
                    "InvalidPayload",
                    message="CRM do not support direct update of Entity Reference properties, "
                    "Use Navigation properties instead.",
                )
            values[column.name] = _managed(value)
            continue
        navigation = names.navigation(table, name)
        if navigation is None:
            raise _unknown(name, table)
        _nested(navigation, value, names, origin, values, related, depth)
    return Record(table=table.logical_name, values=values, related=tuple(related))


def _managed(value: Any) -> Any:
    """A managed property is an object; only its value can be set here."""
    return value.get("Value") if isinstance(value, dict) else value


def _unknown(name: str, table: Table) -> Fault:
    return fault("InvalidProperty", name=name[:100], type=f"{NAMESPACE}{table.logical_name}")


def _check_type(value: Any, table: Table) -> None:
    if not isinstance(value, str) or value.lstrip("#").removeprefix(NAMESPACE) not in (
        table.logical_name,
        "expando",
        "crmbaseentity",
    ):
        raise fault(
            "InvalidPayload",
            message=f"The type {str(value)[:100]} does not fit the table {table.logical_name}.",
        )


def _bind(
    name: str,
    value: Any,
    table: Table,
    names: Names,
    origin: Origin,
    values: dict[str, Any],
    related: list[Related],
) -> None:
    navigation = names.navigation(table, name)
    if navigation is None:
        raise fault(
            "InvalidPayload",
            message=f"An undeclared property '{name[:100]}' which only has property annotations in the payload but no "
            "property value was found in the payload. In OData, only declared navigation properties and declared named "
            "streams can be represented as properties without values.",
        )
    if isinstance(navigation.link, ToOne):
        _refuse_second(navigation, values, related)
        ref = None if value is None else read_reference(value, names, origin)
        if ref is not None and navigation.target not in (ref.table, OWNER):
            raise fault("InvalidPayload", message=f"{name} leads to {navigation.target}, not to {ref.table}.")
        values[navigation.link.lookup] = ref
        return
    if not isinstance(value, list) or len(value) > MAX_RELATED:
        raise fault(
            "InvalidPayload", message=f"{name}@odata.bind needs an array of at most {MAX_RELATED} addresses."
        )
    refs = tuple(read_reference(item, names, origin) for item in value)
    related.append(Related(relationship=navigation.relationship, refs=refs, reverse=is_reverse(navigation)))


def _refuse_second(navigation: Navigation, values: dict[str, Any], related: list[Related]) -> None:
    """A lookup holds one row, whichever of its navigation properties names it."""
    lookup = navigation.link.lookup if isinstance(navigation.link, ToOne) else ""
    if lookup in values or any(
        each.relationship == navigation.relationship for each in related if each.to_one
    ):
        raise fault("InvalidPayload", message=f"{lookup} is bound twice.")


def _nested(
    navigation: Navigation,
    value: Any,
    names: Names,
    origin: Origin,
    values: dict[str, Any],
    related: list[Related],
    depth: int,
) -> None:
    target = names.schema.tables[navigation.target]
    if isinstance(navigation.link, ToOne):
        _refuse_second(navigation, values, related)
        if value is None:
            values[navigation.link.lookup] = None
            return
        if isinstance(value, dict) and set(value) == {"@odata.id"}:
            values[navigation.link.lookup] = read_reference(value["@odata.id"], names, origin)
            return
        record = decode_record(value, target, names, origin, depth=depth + 1)
        related.append(Related(relationship=navigation.relationship, to_one=True, records=(record,)))
        return
    if not isinstance(value, list) or len(value) > MAX_RELATED:
        raise fault(
            "InvalidPayload", message=f"{navigation.name} needs an array of at most {MAX_RELATED} rows."
        )
    refs = tuple(
        read_reference(item["@odata.id"], names, origin)
        for item in value
        if isinstance(item, dict) and set(item) == {"@odata.id"}
    )
    records = tuple(
        decode_record(item, target, names, origin, depth=depth + 1)
        for item in value
        if not (isinstance(item, dict) and set(item) == {"@odata.id"})
    )
    related.append(
        Related(
            relationship=navigation.relationship,
            records=records,
            refs=refs,
            reverse=is_reverse(navigation),
        )
    )


def is_reverse(navigation: Navigation) -> bool:
    """Whether it leads from the second end, or from the many side, of a relationship of a table with itself."""
    return not isinstance(navigation.link, ToMany) or navigation.link.reverse


def read_reference(text: Any, names: Names, origin: Origin) -> Ref:
    """The row that an address names: absolute, rooted or relative, or ``$1`` in a change set.

    Raises InvalidPayload for what is no address of a row.
    """
    if not isinstance(text, str) or len(text) > 4096:
        raise fault("InvalidPayload", message="The address of a row must be text.")
    if text.startswith("$"):
        pending = origin.pending.get(text[1:])
        if pending is None:
            raise fault(
                "InvalidBatch",
                message=f"Content-ID Reference: '{text[:50]}' does not exist in the batch context.",
            )
        return Ref(pending[1], Pending(pending[0]))
    path = text
    if path[:8].lower().startswith(("https://", "http://")):
        _, _, path = path.partition("/api/data/")
        _, _, path = path.partition("/")
    elif path.startswith("/api/data/"):
        path = path.split("/", 4)[4] if path.count("/") >= 4 else ""
    segments = parse_path(path)
    if len(segments) != 1 or not segments[0].called:
        raise fault("InvalidPayload", message=f"'{text[:100]}' is not the address of a row.")
    return ref_of(names.table(segments[0].name), segments[0], names)


def ref_of(table: Table, segment: Segment, names: Names, aliases: Mapping[str, Any] | None = None) -> Ref:
    """The row of ``table`` that a segment's key names: by id or by alternate key."""
    if segment.id is not None:
        return Ref(table.logical_name, segment.id)
    if not segment.pairs:
        raise fault("ResourceNotFound", segment=segment.name)
    pairs: list[tuple[str, Any]] = []
    for name, value in segment.pairs:
        if isinstance(value, Alias):
            if aliases is None or value.name not in aliases:
                raise fault("ODataSyntax", message=f"The parameter alias @{value.name} has no value.")
            value = aliases[value.name]
        column = names.column(table, name)
        if column is None:
            raise fault("PropertyNotFound", name=name, type=f"{NAMESPACE}{table.logical_name}")
        if column.name == table.primary_id and len(segment.pairs) == 1:
            if not isinstance(value, str):
                raise fault("InvalidGuid", value=str(value)[:100])
            return Ref(table.logical_name, value.lower())
        pairs.append((column.name, value))
    return Ref(table.logical_name, tuple(pairs))


def texts(value: Any) -> Sequence[str]:
    """A list of texts, or raises InvalidPayload."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise fault("InvalidPayload", message="An array of texts was expected.")
    return value
