"""Envelopes of SOAP 1.1 and 1.2: what is asked, under which headers, and the frame of an answer.

https://www.w3.org/TR/2000/NOTE-SOAP-20000508/
https://www.w3.org/TR/soap12-part1/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orgstead.errors import fault
from orgstead.wire.soap.contracts import NAMESPACES
from orgstead.wire.soap.xml import Element, children, escape, is_nil, local, malformed, parse

__all__ = [
    "ADDRESSING",
    "DISCOVERY",
    "SERVICES",
    "SOAP11",
    "SOAP12",
    "Envelope",
    "close",
    "open_",
    "read_envelope",
]

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
SERVICES = "http://schemas.microsoft.com/xrm/2011/Contracts/Services"
DISCOVERY = "http://schemas.microsoft.com/xrm/2011/Contracts/Discovery"
# Headers that say who asks and by what, and change no answer.
# https://learn.microsoft.com/dotnet/api/microsoft.xrm.sdk.client.sdkheaders
_QUIET = frozenset({
    "SdkClientVersion", "UserType", "ClientAppName", "ClientAppVersion", "LanguageCodeOverride",
    "OutlookSyncOperationType", "IsOfflinePlayback", "CallerRegardingObjectId", "x-ms-client-request-id",
    "x-ms-client-session-id", "Consistency", "ApplyDefaultValues", "SecureTokenHeader",
})  # fmt: skip
_IMPERSONATION: Mapping[str, str] = {
    "CallerId": "mscrmcallerid",
    "CallerObjectId": "callerobjectid",
    "AADCallerId": "callerobjectid",
}
EMPTY_ID = "00000000-0000-0000-0000-000000000000"
MAX_HEADERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A request: the element in its body, and what its headers say.

    ``acting`` are headers of the Web API that name the user to act as; ``message_id`` is WS-Addressing's.
    """

    version: str
    operation: Element
    acting: Mapping[str, str] = field(default_factory=dict)
    message_id: str | None = None


def read_envelope(body: bytes) -> Envelope:
    """Read a request; raises SoapMalformed, QueryTooComplex, NotSupported for a header that has to be understood."""
    root = parse(body)
    version = str(root.tag).partition("}")[0].removeprefix("{")
    if version not in (SOAP11, SOAP12) or local(root) != "Envelope":
        raise malformed("its root is no Envelope of SOAP 1.1 or 1.2")
    acting: dict[str, str] = {}
    message_id: str | None = None
    bodies: list[Element] = []
    for part in children(root):
        if part.tag == f"{{{version}}}Header":
            for header in children(part):
                message_id = _header(header, version, acting) or message_id
        elif part.tag == f"{{{version}}}Body":
            bodies.append(part)
        else:
            raise malformed(f"<{local(part)}> in the Envelope")
    if len(bodies) != 1:
        raise malformed("an Envelope has one Body")
    found = list(children(bodies[0]))
    if len(found) != 1:
        raise malformed("a Body asks for one operation")
    return Envelope(version=version, operation=found[0], acting=acting, message_id=message_id)


def _header(header: Element, version: str, acting: dict[str, str]) -> str | None:
    """Read a header; answers the id of the message where it is that."""
    space, _, name = str(header.tag).rpartition("}")
    space, text = space.removeprefix("{"), (header.text or "").strip()
    if space == ADDRESSING:
        return text[:500] if name == "MessageID" else None
    if space == NAMESPACES["xrm"]:
        if name in _IMPERSONATION:
            if not is_nil(header) and text != EMPTY_ID:
                acting[_IMPERSONATION[name]] = text
            return None
        if name in _QUIET:
            return None
    if header.get(f"{{{version}}}mustUnderstand") in ("1", "true"):
        raise fault("NotSupported", feature=f"The header {name[:100]} of a SOAP message")
    return None


def open_(version: str, relates_to: str | None = None, action: str = "") -> str:
    """The beginning of an answer, up to its body."""
    if relates_to is None:
        return f'<s:Envelope xmlns:s="{version}"><s:Body>'
    return (
        f'<s:Envelope xmlns:s="{version}" xmlns:wsa="{ADDRESSING}"><s:Header>'
        f'<wsa:Action s:mustUnderstand="1">{escape(action)}</wsa:Action>'
        f"<wsa:RelatesTo>{escape(relates_to)}</wsa:RelatesTo></s:Header><s:Body>"
    )


def close() -> str:
    """The end of an answer."""
    return "</s:Body></s:Envelope>"
