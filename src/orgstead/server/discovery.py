"""The adapter of discovery: the service of 2011 over SOAP, and the global discovery Web API."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from orgstead.engine.context import Caller
from orgstead.engine.job import Job
from orgstead.errors import Fault, fault
from orgstead.model.messages import Execute, Options
from orgstead.server.http import Scope
from orgstead.server.lanes import Lanes
from orgstead.server.organization import CONTENT_TYPES, OrganizationService, SoapReply
from orgstead.wire.odata.response import failure
from orgstead.wire.odatav4.reply import JSON_TYPE, dump
from orgstead.wire.soap.envelope import SOAP11, close, open_, read_envelope
from orgstead.wire.soap.finding import discovered, instance

__all__ = ["Discovery"]

VERSIONS = frozenset({"v1.0", "v2.0", "v2.1", "v9.0", "v9.1", "v9.2"})
INSTANCES = "Instances"


class Discovery:
    """Tells which organisations there are: the one that is here."""

    def __init__(self, lanes: Lanes, organization: OrganizationService) -> None:
        self._lanes = lanes
        self._organization = organization

    async def detail(self, origin: str, caller: Caller) -> Mapping[str, Any]:
        """What the organisation says of itself."""
        message = Execute(name="RetrieveCurrentOrganization", parameters={"AccessType": "Default"})
        (result,) = await self._lanes.run(Job((message,), caller, Options(address=origin)))
        found: Mapping[str, Any] = result.value["Detail"]
        return found

    async def answer(self, body: bytes, headers: Mapping[str, str], origin: str, caller: Caller) -> SoapReply:
        """Answer an envelope of the discovery service; every failure is an answer, too."""
        version, relates_to = SOAP11, None
        try:
            envelope = read_envelope(body)
            version, relates_to = envelope.version, envelope.message_id
            text = discovered(envelope.operation)(await self.detail(origin, caller))
        except Exception as error:  # noqa: BLE001 - the last line: nothing leaves as a bare 500
            return self._organization.failed(error, version, relates_to)
        whole = f"{open_(version, relates_to)}{text}{close()}"
        return SoapReply(status=200, content_type=CONTENT_TYPES[version], body=whole.encode())

    async def instances(self, method: str, path: str, scope: Scope, caller: Caller, origin: str) -> SoapReply:
        """Answer a request below ``/api/discovery/``; every failure is an answer, too."""
        try:
            found = instance(await self.detail(origin, caller), origin)
            value = _asked(method, path, scope["query_string"].decode("latin-1"), found, origin)
        except Fault as error:
            reply = failure(error)
            return SoapReply(status=reply.status, content_type=JSON_TYPE, body=reply.body)
        return SoapReply(status=200, content_type=JSON_TYPE, body=dump(value))


def _asked(method: str, path: str, query: str, found: Mapping[str, Any], origin: str) -> Mapping[str, Any]:
    """The set of instances, or one of them; raises ResourceNotFound, MethodNotAllowed, ODataUnsupported."""
    version, _, rest = path.partition("/")
    name, _, key = rest.strip("/").partition("(")
    if version not in VERSIONS or name != INSTANCES:
        raise fault("ResourceNotFound", segment=rest[:100])
    if method != "GET":
        raise fault("MethodNotAllowed", method=method, resource=rest[:100])
    shown = dict(found)
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option != "$select":
            raise fault("ODataUnsupported", feature=f"The query option {option[:100]} of discovery")
        wanted = [each.strip() for each in value.split(",")]
        for each in wanted:
            if each not in found:
                raise fault("PropertyNotFound", name=each[:100], type="Microsoft.Dynamics.CRM.Instance")
        shown = {each: found[each] for each in wanted}
    context = f"{origin}/api/discovery/{version}/$metadata#{INSTANCES}"
    if not key:
        return {"@odata.context": context, "value": [shown]}
    text = key.removesuffix(")")
    named = text.partition("=")[2] or text
    if named.strip("'").lower() not in (found["Id"], str(found["UniqueName"]).lower()):
        raise fault("ResourceNotFound", segment=rest[:100])
    return {"@odata.context": f"{context}/$entity", **shown}
