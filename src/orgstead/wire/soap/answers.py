"""What operations answer: results by name, and how they are written.

https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.organizationresponse
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from orgstead.model.messages import Message, Options, Result
from orgstead.model.schema import Schema
from orgstead.wire.soap.contracts import NAMESPACES, TypeName, find_type
from orgstead.wire.soap.envelope import SERVICES
from orgstead.wire.soap.pieces import Piece, Pieces, Row, Rows
from orgstead.wire.soap.write import ANY, PAIR, Scope, element
from orgstead.wire.soap.xml import XSI, Element, escape

__all__ = ["Many", "Operation", "Response", "execute_pieces", "operation_pieces", "response_pieces"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An OrganizationResponse: the name of its message and its results. ``typed``: it has a class of its own."""

    name: str
    results: Sequence[tuple[str, Any]] = ()
    typed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """Messages, the options of their run, and what their results are as a response.

    ``then`` makes the results into the operation whose response is the response.
    """

    messages: tuple[Message, ...]
    render: Callable[[Sequence[Result]], Response]
    options: Options = Options()
    then: "Callable[[Sequence[Result]], Operation] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """Requests that are run one by one, each in a transaction of its own."""

    requests: Sequence[Element]
    continue_on_error: bool = False
    return_responses: bool = False
    # In one transaction instead.
    together: bool = False
    options: Options = field(default_factory=Options)


def _type(response: Response) -> TypeName | None:
    """The type of a response; what the contracts do not name is a class of the product's own messages."""
    if not response.typed:
        return None
    return find_type(None, f"{response.name}Response") or ("crm", f"{response.name}Response")


def execute_pieces(response: Response, schema: Schema) -> Iterator[Piece]:
    """What Execute answers, inside of the Body."""
    scope = Scope({"xrm": "a"})
    type = _type(response)
    said = ""
    if type is not None:
        scope, said = scope.with_(type[0])
        said += f' xmlns:i="{XSI}" i:type="{scope.name(*type)}"'
    else:
        said = f' xmlns:i="{XSI}"'
    yield f'<ExecuteResponse xmlns="{SERVICES}"><ExecuteResult xmlns:a="{NAMESPACES["xrm"]}"{said}>'
    yield from _content(response, scope, schema)
    yield "</ExecuteResult></ExecuteResponse>"


def response_pieces(tag: str, response: Response, scope: Scope, schema: Schema) -> Iterator[Piece]:
    """A response as an element among others."""
    type, said = _type(response), ""
    if type is not None:
        scope, said = scope.with_(type[0])
        said += f' i:type="{scope.name(*type)}"'
    yield f"<{tag}{said}>"
    yield from _content(response, scope, schema)
    yield f"</{tag}>"


def _content(response: Response, scope: Scope, schema: Schema) -> Iterator[Piece]:
    name, results = scope.name("xrm", "ResponseName"), scope.name("xrm", "Results")
    inner, said = scope.with_("pairs")
    yield f"<{name}>{escape(response.name)}</{name}><{results}{said}>"
    for key, value in response.results:
        pair, left = inner.name("xrm", PAIR), inner.name("pairs", "key")
        yield f"<{pair}><{left}>{escape(key)}</{left}>"
        yield from value_pieces(inner.name("pairs", "value"), value, inner, schema)
        yield f"</{pair}>"
    yield f"</{results}>"


def value_pieces(tag: str, value: Any, scope: Scope, schema: Schema) -> Iterator[Piece]:
    """A result as an element."""
    if isinstance(value, Pieces):
        yield from value.pieces(tag, scope, schema)
    else:
        yield element(tag, value, ANY, scope)


def operation_pieces(name: str, response: Response, schema: Schema) -> Iterator[Piece]:
    """What one of the service's own operations answers, inside of the Body."""
    yield f'<{name}Response xmlns="{SERVICES}">'
    scope = Scope({"xrm": "a"})
    declared = f' xmlns:a="{NAMESPACES["xrm"]}" xmlns:i="{XSI}"'
    for _, value in response.results[:1]:
        match value:
            case Rows():
                yield f"<{name}Result{declared}>"
                yield from value.content(scope, schema)
                yield f"</{name}Result>"
            case Row():
                yield f"<{name}Result{declared}>{value.content(scope, schema)}</{name}Result>"
            case _:
                yield f"<{name}Result>{escape(str(value.value))}</{name}Result>"
    yield f"</{name}Response>"
