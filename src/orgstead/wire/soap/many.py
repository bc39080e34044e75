"""What many requests in one answer: a response or a fault for each.

https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.executemultipleresponseitem
https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.messages.executetransactionresponse
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orgstead.model.schema import Schema
from orgstead.wire.soap.answers import Response, response_pieces
from orgstead.wire.soap.contracts import TypeName
from orgstead.wire.soap.pieces import Piece
from orgstead.wire.soap.write import Scope, element

__all__ = ["Item", "multiple_response", "transaction_response"]

FAULT: TypeName = ("xrm", "OrganizationServiceFault")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What became of the request at a place: its response, or the members of its fault."""

    index: int
    response: Response | None = None
    fault: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Items:
    items: Sequence[Item]

    def pieces(self, tag: str, scope: Scope, schema: Schema) -> Iterator[Piece]:
        """The items as the value of a result."""
        scope, said = scope.with_("xrm12")
        of = scope.known["xrm12"]
        yield f'<{tag}{said} i:type="{of}:OrganizationResponseCollection">'
        for each in self.items:
            fault = element(f"{of}:Fault", each.fault, FAULT, scope)
            yield f"<{of}:ExecuteMultipleResponseItem>{fault}<{of}:RequestIndex>{each.index}</{of}:RequestIndex>"
            if each.response is None:
                yield f'<{of}:Response i:nil="true"/>'
            else:
                yield from response_pieces(f"{of}:Response", each.response, scope, schema)
            yield f"</{of}:ExecuteMultipleResponseItem>"
        yield f"</{tag}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Responses:
    responses: Sequence[Response]

    def pieces(self, tag: str, scope: Scope, schema: Schema) -> Iterator[Piece]:
        """The responses as the value of a result."""
        scope, said = scope.with_("xrm71")
        of = scope.known["xrm71"]
        yield f'<{tag}{said} i:type="{of}:OrganizationResponseCollection">'
        for each in self.responses:
            yield from response_pieces(f"{of}:OrganizationResponse", each, scope, schema)
        yield f"</{tag}>"


def multiple_response(items: Sequence[Item], *, return_responses: bool) -> Response:
    """What ExecuteMultiple answers: all items, or only those that failed."""
    told = [each for each in items if return_responses or each.fault is not None]
    failed = any(each.fault is not None for each in items)
    return Response(
        name="ExecuteMultiple", results=(("IsFaulted", failed), ("Responses", _Items(items=told)))
    )


def transaction_response(responses: Sequence[Response], *, return_responses: bool) -> Response:
    """What ExecuteTransaction answers."""
    told = responses if return_responses else ()
    return Response(name="ExecuteTransaction", results=(("Responses", _Responses(responses=told)),))
