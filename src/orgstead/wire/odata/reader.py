"""What reading any request of the Web API needs: its options, its conditional headers, the shape of its answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from orgstead.errors import fault
from orgstead.languages.odata import MAX_BATCH_QUERY_CHARS, MAX_QUERY_CHARS, QueryOptions, parse_options
from orgstead.languages.paging import read_cookie
from orgstead.model.messages import Message, Options, Result
from orgstead.model.query import Query
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table
from orgstead.wire.odata.contexts import context_of
from orgstead.wire.odata.members import PLAIN, Annotations
from orgstead.wire.odata.names import Names
from orgstead.wire.odata.operations import decode_operation
from orgstead.wire.odata.payload import Origin, decode_record, read_reference
from orgstead.wire.odata.request import Request
from orgstead.wire.odata.resolve import resolve
from orgstead.wire.odata.response import Shape
from orgstead.wire.odatav4.body import decode_object
from orgstead.wire.odatav4.paths import Segment
from orgstead.wire.odatav4.prefer import Match, Prefer, parse_match
from orgstead.wire.odatav4.reply import Operation, Reply

__all__ = ["Reader"]

FORMATTED = "OData.Community.Display.V1.FormattedValue"
LOOKUP_TABLE = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION = "Microsoft.Dynamics.CRM.associatednavigationproperty"
ATTRIBUTE = "OData.Community.Display.V1.AttributeName"
NO_OPTIONS = Options()
# https://learn.microsoft.com/power-apps/developer/data-platform/bypass-power-automate-flows
SUPPRESS_CALLBACKS = "mscrm.suppresscallbackregistrationexpanderjob"


class Reader:
    """One request being read."""

    def __init__(self, request: Request, names: Names, prefer: Prefer) -> None:
        self.request = request
        self.names = names
        self.prefer = prefer
        self.match: Match = parse_match(request.headers)
        self.origin = Origin(base=request.base, pending=request.pending)
        self.annotations = PLAIN
        self.run_options = NO_OPTIONS
        solution = request.headers.get("mscrm.solutionuniquename")
        callbacks = request.headers.get(SUPPRESS_CALLBACKS, "").lower() != "true"
        if prefer.annotations or solution or not callbacks:
            annotations = Annotations(
                formatted=prefer.wants(FORMATTED),
                lookup_table=prefer.wants(LOOKUP_TABLE),
                navigation=prefer.wants(NAVIGATION),
                attribute=prefer.wants(ATTRIBUTE),
            )
            self.annotations = PLAIN if annotations == PLAIN else annotations
            self.run_options = Options(labels=annotations.formatted, solution=solution, callbacks=callbacks)

    @property
    def longest_query(self) -> int:
        """How many characters the query string may have: in a batch it is no part of an address."""
        return MAX_BATCH_QUERY_CHARS if self.request.in_batch else MAX_QUERY_CHARS

    def only(self, *methods: str) -> None:
        """Refuse other methods."""
        if self.request.method not in methods:
            raise fault("MethodNotAllowed", method=self.request.method, resource=self.request.path[:200])

    def shape(self, context: str = "", options: QueryOptions | None = None) -> Shape:
        """What the answer needs, with its context."""
        return Shape(
            base=self.request.base,
            names=self.names,
            prefer=self.prefer,
            annotations=self.annotations,
            context=context,
            link=self.link(),
            expands=options.query.expand if options is not None else (),
        )

    def link(self) -> str:
        """This request's own address without ``$skiptoken``."""
        kept = "&".join(
            part
            for part in self.request.query.split("&")
            if part and not part.lower().startswith(("$skiptoken=", "%24skiptoken="))
        )
        path = self.request.path.lstrip("/")
        return f"{self.request.base}{path}?{kept}" if kept else f"{self.request.base}{path}"

    def operation_of(
        self, messages: tuple[Message, ...], render: Callable[[Sequence[Result]], Reply]
    ) -> Operation:
        """An operation with this request's options."""
        return Operation(messages=messages, render=render, options=self.run_options)

    def options(self, table: Table, *allowed: str, tracking: bool = False) -> tuple[QueryOptions, Query]:
        """The query options, read and in logical names; those outside of ``allowed`` (when given) are refused."""
        read = partial(_read_options, max_chars=self.longest_query)
        options, query = self.names.cached_options(table, self.request.query, read)
        if allowed:
            for name in (*options.given, *options.custom):
                if name not in allowed:
                    raise fault("ODataUnsupported", feature=f"The query option {name} on this resource")
        for name in options.custom:
            raise fault("ODataUnsupported", feature=f"The query option {name}")
        if options.deltatoken is not None and not tracking:
            raise fault("ODataUnsupported", feature="The query option $deltatoken on this resource")
        if self.prefer.track_changes and not tracking:
            raise fault("ODataUnsupported", feature="Prefer: odata.track-changes on this resource")
        return options, query

    def no_options(self) -> None:
        """Refuse every query option."""
        if self.request.query.strip("&"):
            name = self.request.query.split("=")[0][:100]
            raise fault("ODataUnsupported", feature=f"The query option {name} on this resource")

    def conditions(self, *, version: bool = False, missing: bool = False) -> None:
        """Refuse conditional headers that a write would not heed.

        ``version`` and ``missing`` say that it heeds ``If-Match`` with a version and ``If-None-Match: *``.
        """
        if self.match.if_none_match is not None or (self.match.missing and not missing):
            raise fault("ODataUnsupported", feature="The header If-None-Match on this write")
        if self.match.if_match is not None and not version:
            raise fault("ODataUnsupported", feature="The header If-Match on this write")

    def returning(self, table: Table) -> tuple[Query | None, str]:
        """The query of ``Prefer: return=representation`` and the answer's context."""
        options, query = self.options(table, "$select", "$expand")
        context = context_of(self.names.set_of(table.logical_name), options, query)
        return (query if self.prefer.representation else None), context

    def earlier(self, name: str) -> tuple[Table, Ref]:
        """The table and the reference of ``$1``."""
        ref = read_reference(name, self.names, self.origin)
        return self.names.schema.tables[ref.table], ref

    def paged(self, query: Query, options: QueryOptions) -> Query:
        """The query with its page size and its place in the walk."""
        if self.prefer.page_size is not None:
            # https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/page-results: the page size
            # wins over $top.
            query = replace(query, page_size=self.prefer.page_size, top=None)
        if options.skiptoken is not None:
            number, after = read_cookie(options.skiptoken)
            query = replace(query, page_number=number, after=after)
        return query

    def record(self, table: Table) -> Record:
        """The body as a record of ``table``."""
        return decode_record(decode_object(self.request.body), table, self.names, self.origin)

    def operation(
        self, segments: Sequence[Segment], table: Table | None, ref: Ref | None = None
    ) -> Operation:
        """A call of an action or a function, bound to ``table`` or ``ref`` or to nothing."""
        if len(segments) != 1:
            raise fault("ResourceNotFound", segment=segments[-1].name)
        for part in self.request.query.split("&"):
            if part.startswith(("$", "%24")):
                raise fault(
                    "ODataUnsupported", feature=f"The query option {part.partition('=')[0][:100]} on a call"
                )
        message, response = decode_operation(
            segments[0],
            self.request.method,
            self.request.body,
            self.names.aliases(self.request.query),
            table,
            ref,
            self.request.signatures,
            self.names,
            self.origin,
        )
        operation = self.operation_of((message,), partial(self.shape().value, type_name=response))
        address = self.request.base.partition("/api/data/")[0]
        return replace(operation, options=replace(self.run_options, address=address))


def _read_options(text: str, table: Table, names: Names, *, max_chars: int) -> tuple[QueryOptions, Query]:
    options = parse_options(text, table.logical_name, max_chars=max_chars)
    return options, resolve(names, options.query)
