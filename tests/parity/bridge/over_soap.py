"""A client of the Web API whose requests go over SOAP: scenarios that were written for OData are heard on both wires.

A request is read by the Web API's own reader, said again as requests of the Organization Service, and what these answer
is written as the Web API writes it. What has no counterpart goes to the Web API, for one of the reasons of ``Why``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from starlette.testclient import TestClient

from orgstead.app import Organisation
from orgstead.engine.ids import new_id
from orgstead.errors import Fault, FaultKind, fault_kinds
from orgstead.model.apis import signature_of
from orgstead.model.messages import Message, Options, Result, Signature
from orgstead.model.schema import Schema
from orgstead.wire.odata.decode import decode
from orgstead.wire.odata.files import read_upload
from orgstead.wire.odata.names import Names
from orgstead.wire.odata.request import Request
from orgstead.wire.odata.response import Reply, failure
from orgstead.wire.odatav4.prefer import parse_prefer
from orgstead.wire.odatav4.reply import Operation
from tests.parity.bridge.definitions import change_of
from tests.parity.bridge.ledger import Alone, Ledger, Why
from tests.parity.bridge.requests import Asked, Bridge, fetched_query
from tests.parity.conftest import ROOT, Answer, Web
from tests.parity.soap import (
    Made,
    Soap,
    SoapFault,
    _found,
    parts_of,
    request,
)

__all__ = ["OverSoap"]

WHOLE = "@Microsoft.PowerApps.CDS.ErrorDetails"
ACTING = {"mscrmcallerid": "CallerId", "callerobjectid": "AADCallerId"}


class OverSoap(Web):
    """Requests of the Web API, sent over SOAP."""

    def __init__(self, client: TestClient, organisation: Organisation) -> None:
        super().__init__(client, organisation)
        self.ledger = Ledger()
        self.soap = _Soap(self)
        self._names: Names | None = None
        self._shipped: dict[str, Signature] = {
            name: handler.signature
            for name, handler in organisation.engine.registry.handlers.items()
            if handler.signature is not None
        }

    @property
    def schema(self) -> Schema:
        """What stands now."""
        assert self.organisation is not None
        return self.organisation.engine.schema

    def names(self) -> Names:
        """The alphabet of the schema."""
        if self._names is None or self._names.schema is not self.schema:
            self._names = Names(self.schema)
        return self._names

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request over SOAP where that can be said in SOAP."""
        try:
            return self._over_soap(method, path, body, headers)
        except Alone as alone:
            self.ledger.alone[alone.why] += 1
            if alone.why is Why.SIGN_IN:
                self.ledger.sent["Execute"] += 1
            return super().call(method, path, body, **headers)

    def _over_soap(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        asked = self._request(method, path, body, headers)
        self.soap.authorization = asked.headers.get("authorization")
        self.soap.headers = "".join(
            f"<a:{ours}>{asked.headers[name]}</a:{ours}>"
            for name, ours in ACTING.items()
            if name in asked.headers
        )
        change = change_of(asked, self.schema)
        try:
            if change is not None:
                return self._answer(self._run([change.asked], change.options).render(change))
            options = dict(parse_qsl(asked.query, keep_blank_values=True))
            fetched = options["fetchXml"] if list(options) == ["fetchXml"] else None
            try:
                operation = self._operation(asked)
            except Alone as alone:
                if alone.why is Why.REFUSED and fetched:
                    self._refused(fetched)
                raise
            results = self._results(operation, fetched)
            if operation.then is not None:
                try:
                    operation = operation.then(results)
                except Fault:
                    raise Alone(Why.REFUSED) from None
                results = self._results(operation, None)
            return self._answer(operation.render(results))
        except SoapFault as failed:
            self.ledger.sent["Execute"] += 1
            told = parse_prefer(asked.headers.get("prefer", "")).wants(WHOLE)
            return self._answer(failure(_fault(failed), annotations=told))

    def _request(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> Request:
        url = path if path.startswith("http") else f"/api/data/v9.2/{path}"
        sent = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("content-type", "application/json")
        built = self.client.build_request(method, url, content=content, headers=sent)
        whole = f"{built.url.scheme}://{built.url.netloc.decode()}{built.url.raw_path.decode('latin-1')}"
        below, _, query = whole.partition("#")[0].partition("?")
        if not below.startswith(ROOT) or method == "OPTIONS":
            raise Alone(Why.ELSEWHERE)
        if below == f"{ROOT}$batch":
            raise Alone(Why.BATCH)
        custom = {name: signature_of(api) for name, api in self.schema.apis.items()}
        return Request(
            method=method, path=below.removeprefix(ROOT), query=query,
            headers={**{name.lower(): value for name, value in built.headers.items()}, **sent}, base=ROOT,
            body=content or b"",
            signatures={**self._shipped, **custom}, new_id=new_id,
        )  # fmt: skip

    def _operation(self, asked: Request) -> Operation:
        try:
            if asked.method == "PATCH" and "/" in asked.path.strip("/") and read_upload(asked, self.names()):
                raise Alone(Why.PART)
            operation = decode(asked, self.names())
        except Fault:
            raise Alone(Why.REFUSED) from None
        if not operation.messages:
            raise Alone(Why.DOCUMENT)
        return operation

    def _refused(self, fetched: str) -> None:
        """Ask what the Web API's reader refuses: SOAP's raises the same fault, unless it is about the address."""
        self.soap.execute("RetrieveMultiple", Query=fetched_query(fetched))

    def _results(self, operation: Operation, fetched: str | None) -> Sequence[Result]:
        bridge = Bridge(self.schema, self._request_signatures())
        return self._run(
            [self._asked(bridge, each, fetched) for each in operation.messages], operation.options
        ).results

    def _request_signatures(self) -> Mapping[str, Signature]:
        return {**self._shipped, **{name: signature_of(api) for name, api in self.schema.apis.items()}}

    def _asked(self, bridge: Bridge, message: Message, fetched: str | None) -> Asked:
        return bridge.asked(message, fetched)

    def _run(self, asked: Sequence[Asked], options: Options) -> "_Run":
        """Send requests: one alone, several in one transaction."""
        more: dict[str, Any] = {}
        if options.solution is not None:
            more["SolutionUniqueName"] = options.solution
        if not options.callbacks:
            more["SuppressCallbackRegistrationExpanderJob"] = True
        if len(asked) == 1:
            (each,) = asked
            self.ledger.sent[each.name] += 1
            result = each.read(self.soap.execute(each.name, **each.parameters, **more))
            if each.then is not None:
                after = each.then(result)
                self.ledger.sent[after.name] += 1
                result = after.read(self.soap.execute(after.name, **after.parameters))
            return _Run([result])
        if any(each.then is not None for each in asked):
            raise Alone(Why.LAYOUT)
        self.ledger.sent["ExecuteTransaction"] += 1
        inner = "".join(
            request(each.name, {**each.parameters, **more}, tag="a:OrganizationRequest") for each in asked
        )
        together = Made(lambda tag: f'<{tag} i:type="a:OrganizationRequestCollection">{inner}</{tag}>')
        told = self.soap.execute("ExecuteTransaction", Requests=together, ReturnResponses=True)
        responses = [_found(parts_of(each)["Results"]) for each in told["Responses"]]
        return _Run([each.read(results) for each, results in zip(asked, responses, strict=True)])

    def _answer(self, reply: Reply) -> Answer:
        last = self.soap.last
        headers = type(last.headers)(
            {
                **{name: value for name, value in last.headers.items() if not name.startswith("content-")},
                **dict(reply.headers),
            }
        )
        body = reply.body if reply.stream is None else b"".join(reply.stream())
        return Answer(reply.status, headers, body.decode())


class _Run:
    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results

    def render(self, change: Any) -> Reply:
        """The answer to a change of definitions."""
        reply: Reply = change.render(self.results[0])
        return reply


class _Soap(Soap):
    """The client of the Organization Service, which keeps the last answer and signs in as it is told."""

    def __init__(self, web: Web) -> None:
        super().__init__(web)
        self.last: Any = None
        self.authorization: str | None = None

    def post(self, body: bytes, path: str = "/XRMServices/2011/Organization.svc/web", **headers: str) -> Any:
        self.http = {} if self.authorization is None else {"authorization": self.authorization}
        self.last = super().post(body, path, **headers)
        if self.last.status_code == 401:
            raise Alone(Why.SIGN_IN)
        return self.last


def _fault(failed: SoapFault) -> Fault:
    """The fault that SOAP has told of: its code, and the kind whose text it says."""
    details = {
        name: str(value)
        for name, value in failed.details.items()
        if name not in ("OperationStatus", "RequestIndex")
    }
    code = failed.code & 0xFFFFFFFF
    kinds = [kind for kind in fault_kinds().values() if kind.code == code]
    kind = max(kinds, key=lambda each: (_says(each, failed.message), len(each.text)))
    return Fault(kind, failed.message, details=details, hint=parts_of(failed.element)["TraceText"].text or "")


def _says(kind: FaultKind, message: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in re.split(r"\{\w+\}", kind.text))
    return re.fullmatch(pattern, message, re.DOTALL) is not None
