"""A whole query string to a ``QueryOptions``.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview#odata-query-options
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from orgstead.errors import Fault
from orgstead.languages.odata.apply import Applied, both, parse_apply, refuse_aggregates
from orgstead.languages.odata.lexer import is_name, syntax, too_complex, unsupported
from orgstead.languages.odata.limits import MAX_QUERY_CHARS
from orgstead.languages.odata.orderby import parse_orderby
from orgstead.languages.odata.parser import parse_filter
from orgstead.languages.odata.select_expand import parse_expand, parse_select, parse_top
from orgstead.model.query import Query

__all__ = ["CUSTOM_OPTIONS", "QueryOptions", "parse_options", "split_options"]

# Options without $ that the Web API has, by their lower-case form; their names are written in any case.
CUSTOM_OPTIONS = {
    name.lower(): name
    for name in ("api-version", "fetchXml", "partitionId", "queryId", "savedQuery", "sql", "tag", "userQuery")
}
_SYSTEM_OPTIONS = frozenset(
    {"$apply", "$count", "$deltatoken", "$expand", "$filter", "$orderby", "$select", "$skiptoken", "$top"}
)
_MAY_BE_EMPTY = frozenset({"$select", "$expand"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """A query string, read.

    ``query`` is what the ``$`` options ask of ``query.table``. ``skiptoken`` and ``deltatoken`` are as the
    server once wrote them. ``aliases`` are the texts of parameter aliases by name without ``@``; ``custom``
    the texts of options without ``$``; ``given`` those of the ``$`` options that were there, in their order.
    """

    query: Query
    skiptoken: str | None = None
    deltatoken: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)


def parse_options(
    text: str,
    table: str = "",
    *,
    extra: Collection[str] = (),
    system: Collection[str] = _SYSTEM_OPTIONS,
    max_chars: int = MAX_QUERY_CHARS,
) -> QueryOptions:
    """Read what stands behind the ``?`` of a URL, still percent-encoded, to options about ``table``.

    ``extra`` are further names without ``$`` that the route knows, ``system`` those with it; ``max_chars`` is
    ``MAX_BATCH_QUERY_CHARS`` inside a batch. Raises ODataSyntax, ODataUnsupported and QueryTooComplex; nothing is ever
    ignored.
    """
    given, aliases, custom = split_options(text, extra=extra, system=system, max_chars=max_chars)
    return QueryOptions(
        query=_query(table, given, aliases, max_chars),
        skiptoken=given.get("$skiptoken"),
        deltatoken=given.get("$deltatoken"),
        aliases=aliases,
        custom=custom,
        given=given,
    )


def split_options(
    text: str,
    *,
    extra: Collection[str] = (),
    system: Collection[str] = _SYSTEM_OPTIONS,
    max_chars: int = MAX_QUERY_CHARS,
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """The decoded ``$`` options, parameter aliases (without ``@``) and custom options of a query string.

    Raises ODataSyntax for a name that is not known, given twice, or empty where it needs a value.
    """
    if len(text) > max_chars:
        raise too_complex(f"{max_chars} characters")
    given: dict[str, str] = {}
    aliases: dict[str, str] = {}
    custom: dict[str, str] = {}
    for part in text.removeprefix("?").split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name, value = _decoded(name).strip(), _decoded(value)
        if name in system:
            known, key, value = given, name, value.strip()
            if not value and name not in _MAY_BE_EMPTY:
                raise syntax(f"The value for OData query '{name}' cannot be empty.")
        elif name[:1] == "@" and is_name(name[1:]):
            known, key = aliases, name[1:]
        elif name in extra:
            known, key = custom, name
        elif name.lower() in CUSTOM_OPTIONS:
            known, key = custom, CUSTOM_OPTIONS[name.lower()]
        else:
            raise _unknown(name)
        if key in known:
            raise syntax(
                f"Query option '{name}' was specified more than once, but it must be specified at most once."
            )
        known[key] = value
    return given, aliases, custom


def _query(table: str, given: Mapping[str, str], aliases: Mapping[str, str], max_chars: int) -> Query:
    get = given.get
    if (apply := get("$apply")) is not None:
        return _aggregated(table, given, aliases, parse_apply(apply, aliases, max_chars=max_chars), max_chars)
    select, where, order, expand, top = (
        get("$select"),
        get("$filter"),
        get("$orderby"),
        get("$expand"),
        get("$top"),
    )
    return Query(
        table=table,
        columns=None if select is None else parse_select(select, max_chars=max_chars),
        where=None if where is None else parse_filter(where, aliases, max_chars=max_chars),
        order=() if order is None else parse_orderby(order, aliases, max_chars=max_chars),
        expand=() if expand is None else parse_expand(expand, max_chars=max_chars),
        top=None if top is None else parse_top(top),
        count=_count(get("$count")),
    )


def _aggregated(
    table: str, given: Mapping[str, str], aliases: Mapping[str, str], applied: Applied, max_chars: int
) -> Query:
    """The query of a ``$apply``; the other options see its result, as OData has it."""
    for name in ("$select", "$expand"):
        if applied.grouped and given.get(name):
            raise unsupported(f"{name} together with $apply")
    rest = _query(
        table, {name: value for name, value in given.items() if name != "$apply"}, aliases, max_chars
    )
    if rest.where is not None and applied.grouped:
        refuse_aggregates(rest.where, applied.aggregates)
    refuse_aggregates(rest.order, applied.aggregates)
    return Query(
        table=table,
        columns=rest.columns,
        where=applied.where if applied.grouped else both(applied.where, rest.where),
        order=rest.order,
        expand=rest.expand,
        groups=applied.groups,
        aggregates=applied.aggregates,
        having=both(applied.having, rest.where) if applied.grouped else None,
        top=rest.top,
        count=rest.count,
    )


def _count(text: str | None) -> bool:
    if text not in {None, "true", "false"}:
        raise syntax(f"Invalid value '{text}' for $count query option found. It must be true or false.")
    return text == "true"


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" in text:
        try:
            text = unquote(text, errors="strict")
        except UnicodeDecodeError:
            raise syntax("The query string is not valid UTF-8.") from None
    if "\0" in text:
        raise syntax("The query string contains a NUL character.")
    return text


def _unknown(name: str) -> Fault:
    """The texts that Dataverse gives; ``$skip`` has its own."""
    if name == "$skip":
        return syntax("Skip Clause is not supported in CRM")
    return unsupported(f"The query parameter {name}")
