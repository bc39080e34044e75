"""OData v4 as the Dataverse Web API speaks it: text to unbound queries and back, without a schema."""

from orgstead.languages.odata.apply import Applied, parse_apply
from orgstead.languages.odata.limits import MAX_BATCH_QUERY_CHARS, MAX_QUERY_CHARS
from orgstead.languages.odata.literals import DateText, DateTimeText, EnumLiteral, Guid, NavName
from orgstead.languages.odata.options import QueryOptions, parse_options, split_options
from orgstead.languages.odata.orderby import parse_orderby
from orgstead.languages.odata.parser import parse_filter
from orgstead.languages.odata.printer import (
    print_apply,
    print_expand,
    print_filter,
    print_orderby,
    print_query,
)
from orgstead.languages.odata.select_expand import parse_expand, parse_select

__all__ = [
    "MAX_BATCH_QUERY_CHARS", "MAX_QUERY_CHARS", "Applied", "DateText", "DateTimeText", "EnumLiteral",
    "Guid", "NavName", "QueryOptions", "parse_apply", "parse_expand", "parse_filter", "parse_options",
    "parse_orderby", "parse_select", "print_apply", "print_expand", "print_filter", "print_orderby",
    "print_query", "split_options",
]  # fmt: skip
