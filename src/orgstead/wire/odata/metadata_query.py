"""Query options over definitions: which ones, which of their properties, what is nested in them.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.errors import fault
from orgstead.languages.odata import EnumLiteral, NavName, parse_options
from orgstead.model.query import And, Condition, Exists, Expand, Field, Not, Or, Predicate
from orgstead.wire.definitions.definition import Definition
from orgstead.wire.definitions.labels import LANGUAGE, spelled
from orgstead.wire.definitions.vocabulary import (
    COMPLEX_TYPES,
    ENUM_TYPES,
    METADATA_TYPES,
    Link,
    is_a,
    properties_of,
)
from orgstead.wire.odata.names import NAMESPACE
from orgstead.wire.odatav4.memory import OPERATORS, holds

__all__ = ["Asked", "Reading", "matching", "project", "read_asked", "typed"]

LABEL_LANGUAGES = "LabelLanguages"
MAX_EXPAND_DEPTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options ask of definitions of one type; ``select`` None means all properties."""

    select: tuple[str, ...] | None = None
    where: Predicate | None = None
    expand: tuple[Expand, ...] = ()
    count: bool = False
    labels: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Where a definition is being written: the API's root and the path of what is written, for contexts."""

    base: str
    path: str
    labels: bool = True


def read_asked(text: str, type_name: str, *, filterable: bool = True) -> Asked:
    """The options in a query string, checked against the type; raises what they cannot ask as a fault."""
    options = parse_options(text, extra=(LABEL_LANGUAGES,))
    query = options.query
    for name in options.given:
        if name not in ("$select", "$filter", "$expand", "$count") or (name == "$filter" and not filterable):
            raise fault("ODataUnsupported", feature=f"The query parameter {name}")
    for name in (*options.custom, *(f"@{alias}" for alias in options.aliases)):
        if name != LABEL_LANGUAGES:
            raise fault("ODataUnsupported", feature=f"The query parameter {name}")
    asked = Asked(
        select=query.columns,
        where=query.where,
        expand=query.expand,
        count=query.count,
        labels=_language_wanted(options.custom.get(LABEL_LANGUAGES)),
    )
    _check(asked.select, asked.where, asked.expand, type_name, 1)
    return asked


def _language_wanted(text: str | None) -> bool:
    if text is None:
        return True
    codes = text.split(",")
    if len(codes) > 100 or not all(code.strip().isascii() and code.strip().isdigit() for code in codes):
        raise fault("ODataSyntax", message=f"{LABEL_LANGUAGES} must be a list of language codes.")
    return str(LANGUAGE) in {code.strip() for code in codes}


def _check(
    select: Sequence[str] | None,
    where: Predicate | None,
    expand: Sequence[Expand],
    type_name: str,
    depth: int,
) -> None:
    properties, links = properties_of(type_name)
    for name in select or ():
        if name not in properties and name not in links:
            raise _unknown(name, type_name)
    if where is not None:
        _check_predicate(where, type_name)
    if expand and depth > MAX_EXPAND_DEPTH:
        raise fault("QueryTooComplex", limit=f"{MAX_EXPAND_DEPTH} levels of $expand")
    for each in expand:
        link = _link(each, type_name)
        if each.order or each.top is not None or each.refs_only:
            raise fault("ODataUnsupported", feature="$orderby, $top and $ref in $expand of definitions")
        _check(each.columns, each.where, each.expand, _target(each, link), depth + 1)


def _unknown(name: str, type_name: str) -> Exception:
    return fault("PropertyNotFound", name=name[:100], type=f"{NAMESPACE}{type_name}")


def _link(expand: Expand, type_name: str) -> Link:
    name = expand.link.name if isinstance(expand.link, NavName) else expand.link
    link = properties_of(type_name)[1].get(name)
    if link is None:
        raise _unknown(name, type_name)
    return link


def _target(expand: Expand, link: Link) -> str:
    """The type at the end of an expanded link: the declared one, or the one it is cast to."""
    if not isinstance(expand.link, NavName):
        return link.type
    cast = expand.link.cast
    if cast not in METADATA_TYPES or not is_a(cast, link.type):
        raise _unknown(f"{link.name}/{NAMESPACE}{cast[:100]}", link.type)
    return cast


def _check_predicate(predicate: Predicate, type_name: str) -> None:
    match predicate:
        case Condition(field, operator, values):
            kind = _type_of(field, type_name)
            if operator not in OPERATORS:
                raise fault("ODataUnsupported", feature=f"The operator {operator} on definitions")
            for value in values:
                if isinstance(value, Field):
                    _type_of(value, type_name)
                else:
                    _check_value(value, kind, field)
        case And(items) | Or(items):
            for item in items:
                _check_predicate(item, type_name)
        case Not(item):
            _check_predicate(item, type_name)
        case Exists():
            raise fault("ODataUnsupported", feature="any and all on definitions")


def _type_of(field: Field, type_name: str) -> str:
    """The CSDL type of a primitive or enumeration that a path leads to."""
    current = type_name
    for step in field.path:
        if not isinstance(step, str):
            raise fault("ODataUnsupported", feature="A type cast in $filter on definitions")
        prop = properties_of(current)[0].get(step)
        if prop is None:
            raise _unknown(step, current)
        current = prop.type.removeprefix("mscrm.")
        if current not in COMPLEX_TYPES or current == "Label":
            raise fault("ODataUnsupported", feature=f"A path through {step} in $filter on definitions")
    prop = properties_of(current)[0].get(field.name)
    if prop is None:
        raise _unknown(field.name, current)
    kind = prop.type.removeprefix("mscrm.")
    if kind not in ENUM_TYPES and not kind.startswith("Edm."):
        raise fault("ODataUnsupported", feature=f"The property {field.name} in $filter on definitions")
    return kind


def _check_value(value: Any, kind: str, field: Field) -> None:
    members = ENUM_TYPES.get(kind)
    if members is not None:
        member = value.member if isinstance(value, EnumLiteral) else value
        right_type = not isinstance(value, EnumLiteral) or value.type == kind
        if not right_type or not isinstance(member, str) or member not in members:
            raise fault("ODataSyntax", message=f"{member!s:.100} is no member of {NAMESPACE}{kind}.")
    elif isinstance(value, EnumLiteral):
        raise fault(
            "ODataSyntax", message=f"The property {field.name} is of type {kind}, not of an enumeration."
        )
    elif value is not None and not _fits(kind, value):
        raise fault("ODataSyntax", message=f"A value for {field.name} is not of type {kind}: {value!s:.100}.")


def _fits(kind: str, value: Any) -> bool:
    if kind == "Edm.Boolean":
        return isinstance(value, bool)
    if kind in ("Edm.String", "Edm.Guid", "Edm.DateTimeOffset"):
        return isinstance(value, str)
    return not isinstance(value, bool | str)


def matching(definitions: Iterable[Definition], where: Predicate | None) -> list[Definition]:
    """The definitions that a checked filter lets through."""
    return [each for each in definitions if where is None or holds(where, each.values)]


def typed(definitions: Iterable[Definition], type_name: str) -> list[Definition]:
    """The definitions of a type or of one that derives from it."""
    return [each for each in definitions if is_a(each.type, type_name)]


def project(
    definition: Definition, select: Sequence[str] | None, expand: Sequence[Expand], declared: str, at: Reading
) -> dict[str, Any]:
    """A definition as JSON. ``declared`` is the type that a reader expects here; another one is stated."""
    row: dict[str, Any] = {}
    if definition.type != declared:
        row["@odata.type"] = f"#{NAMESPACE}{definition.type}"
    values = definition.values
    if select is None:
        for name, value in values.items():
            row[name] = spelled(value, at.labels)
    else:
        for name in select:
            if name in values:
                row[name] = spelled(values[name], at.labels)
        row.setdefault("MetadataId", values["MetadataId"])
    for each in expand:
        _expanded(row, definition, each, declared, at)
    return row


def _expanded(
    row: dict[str, Any], definition: Definition, expand: Expand, declared: str, at: Reading
) -> None:
    link = _link(expand, declared)
    target = _target(expand, link)
    found = definition.links[link.name]()
    path = (
        f"{at.path}({definition.id})/{link.name}" if not at.path.endswith(")") else f"{at.path}/{link.name}"
    )
    if target != link.type:
        path = f"{path}/{NAMESPACE}{target}"
    inner = Reading(base=at.base, path=path, labels=at.labels)
    parts = ",".join(expand.columns or ())
    context = f"{at.base}$metadata#{path}({parts})" if parts else f"{at.base}$metadata#{path}"
    if link.many:
        definitions = found if isinstance(found, Sequence) else ()
        rows = matching(typed(definitions, target), expand.where)
        row[f"{link.name}@odata.context"] = context
        row[link.name] = [project(each, expand.columns, expand.expand, target, inner) for each in rows]
        return
    single = found if isinstance(found, Definition) else None
    if single is not None:
        row[f"{link.name}@odata.context"] = f"{context}/$entity"
    row[link.name] = None if single is None else project(single, expand.columns, expand.expand, target, inner)
