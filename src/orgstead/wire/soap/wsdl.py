"""The documents that describe the services to their clients: WSDL, its schemas and its policies.

https://www.w3.org/TR/wsdl
https://learn.microsoft.com/power-apps/developer/data-platform/org-service/overview
"""

from collections.abc import Mapping
from functools import cache

from orgstead.errors import fault
from orgstead.wire.soap.envelope import DISCOVERY as DISCOVERY_NAMESPACE
from orgstead.wire.soap.envelope import SERVICES
from orgstead.wire.soap.finding import DISCOVERY_SCHEMA
from orgstead.wire.soap.schemas import FILES, OPERATIONS, namespace_of, schema_of

__all__ = ["DISCOVERY", "ORGANIZATION", "document"]

ORGANIZATION, DISCOVERY = "Organization", "Discovery"
HEAD = '<?xml version="1.0" encoding="utf-8"?>'
NAMES = (
    ' xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"'
    ' xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy"'
    ' xmlns:sp="http://schemas.xmlsoap.org/ws/2005/07/securitypolicy"'
    ' xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl"'
    ' xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"'
)
TRANSPORT = "http://schemas.xmlsoap.org/soap/http"
OWN = ("Create", "Retrieve", "Update", "Delete", "Execute", "Associate", "Disassociate", "RetrieveMultiple")
FAULT = "OrganizationServiceFault"


def document(service: str, asked: Mapping[str, str], origin: str) -> str | None:
    """The document that the query string of a GET asks for; None when it asks for none. Raises ResourceNotFound."""
    address = f"{origin}/XRMServices/2011/{service}.svc"
    if "singlewsdl" in asked:
        return HEAD + _whole(service, address)
    if "wsdl" in asked:
        part = asked["wsdl"]
        if part == "":
            return HEAD + _service(service, address)
        if part == "wsdl0":
            return HEAD + _contract(service, address, _located(service, address))
        raise fault("ResourceNotFound", segment=f"wsdl={part[:50]}")
    if "xsd" in asked:
        number = asked["xsd"].removeprefix("xsd")
        if service == ORGANIZATION and number.isdecimal() and len(number) < 4 and int(number) < len(FILES):
            return HEAD + schema_of(FILES[int(number)], address)
        if service == DISCOVERY and number == "0":
            return HEAD + DISCOVERY_SCHEMA
        raise fault("ResourceNotFound", segment=f"xsd={asked['xsd'][:50]}")
    return None


def _operations(service: str) -> tuple[tuple[str, ...], str, str]:
    """The names of a service's operations, their namespace and their interface."""
    if service == DISCOVERY:
        return ("Execute",), DISCOVERY_NAMESPACE, "IDiscoveryService"
    return OWN, SERVICES, "IOrganizationService"


def _whole(service: str, address: str) -> str:
    """Everything in one document."""
    _, namespace, _ = _operations(service)
    schemas = _schemas(service)
    return (
        f'<wsdl:definitions{NAMES} name="{service}Service" targetNamespace="{namespace}" xmlns:tns="{namespace}"'
        f' xmlns:i0="{namespace}">{_policies(address)}<wsdl:types>{schemas}</wsdl:types>'
        f"{_interface(service)}{_bindings(service, address)}</wsdl:definitions>"
    )


@cache
def _schemas(service: str) -> str:
    if service == DISCOVERY:
        return DISCOVERY_SCHEMA
    return "".join(map(schema_of, FILES))


def _service(service: str, address: str) -> str:
    """The bindings and addresses; what is called stands in another document."""
    _, namespace, _ = _operations(service)
    return (
        f'<wsdl:definitions{NAMES} name="{service}Service" targetNamespace="http://tempuri.org/"'
        f' xmlns:tns="http://tempuri.org/" xmlns:i0="{namespace}">{_policies(address)}'
        f'<wsdl:import namespace="{namespace}" location="{address}?wsdl=wsdl0"/><wsdl:types/>'
        f"{_bindings(service, address)}</wsdl:definitions>"
    )


def _located(service: str, address: str) -> str:
    """Imports of the schemas by their addresses."""
    if service == DISCOVERY:
        imports = f'<xsd:import namespace="{DISCOVERY_NAMESPACE}" schemaLocation="{address}?xsd=xsd0"/>'
    else:
        imports = "".join(
            f'<xsd:import namespace="{namespace_of(each)}" schemaLocation="{address}?xsd=xsd{number}"/>'
            for number, each in enumerate(FILES)
        )
    namespace = _operations(service)[1]
    return f'<xsd:schema targetNamespace="{namespace}/Imports">{imports}</xsd:schema>'


def _contract(service: str, address: str, schemas: str) -> str:
    """What is called and what is answered."""
    _, namespace, _ = _operations(service)
    return (
        f'<wsdl:definitions{NAMES} targetNamespace="{namespace}" xmlns:tns="{namespace}">'
        f"<wsdl:types>{schemas}</wsdl:types>{_interface(service)}</wsdl:definitions>"
    )


def _interface(service: str) -> str:
    names, namespace, interface = _operations(service)
    told, fault_name = (
        (namespace_of("xrm"), FAULT) if service == ORGANIZATION else (namespace, "DiscoveryServiceFault")
    )
    messages = "".join(
        f'<wsdl:message name="{interface}_{name}_InputMessage"><wsdl:part name="parameters" element="tns:{name}"/>'
        f'</wsdl:message><wsdl:message name="{interface}_{name}_OutputMessage">'
        f'<wsdl:part name="parameters" element="tns:{name}Response"/></wsdl:message>'
        f'<wsdl:message name="{interface}_{name}_{fault_name}Fault_FaultMessage">'
        f'<wsdl:part name="detail" xmlns:f="{told}" element="f:{fault_name}"/></wsdl:message>'
        for name in names
    )
    operations = "".join(
        f'<wsdl:operation name="{name}">'
        f'<wsdl:input wsaw:Action="{namespace}/{interface}/{name}" message="tns:{interface}_{name}_InputMessage"/>'
        f'<wsdl:output wsaw:Action="{namespace}/{interface}/{name}Response"'
        f' message="tns:{interface}_{name}_OutputMessage"/>'
        f'<wsdl:fault wsaw:Action="{namespace}/{interface}/{name}{fault_name}Fault" name="{fault_name}Fault"'
        f' message="tns:{interface}_{name}_{fault_name}Fault_FaultMessage"/></wsdl:operation>'
        for name in names
    )
    return f'{messages}<wsdl:portType name="{interface}">{operations}</wsdl:portType>'


def _bindings(service: str, address: str) -> str:
    """SOAP 1.1 at ``/web``, which the SDK's clients of OAuth call, and SOAP 1.2 at the service itself."""
    names, namespace, interface = _operations(service)
    fault_name = FAULT if service == ORGANIZATION else "DiscoveryServiceFault"
    bindings = ""
    for kind, soap in (("BasicHttpBinding", "soap"), ("CustomBinding", "soap12")):
        operations = "".join(
            f'<wsdl:operation name="{name}">'
            f'<{soap}:operation soapAction="{namespace}/{interface}/{name}" style="document"/>'
            f'<wsdl:input><{soap}:body use="literal"/></wsdl:input>'
            f'<wsdl:output><{soap}:body use="literal"/></wsdl:output>'
            f'<wsdl:fault name="{fault_name}Fault"><{soap}:fault name="{fault_name}Fault" use="literal"/>'
            "</wsdl:fault></wsdl:operation>"
            for name in names
        )
        policy = (
            f'<wsp:PolicyReference URI="#{kind}_{interface}_policy"/>'
            if address.startswith("https:") and service == ORGANIZATION
            else ""
        )
        bindings += (
            f'<wsdl:binding name="{kind}_{interface}" type="i0:{interface}">{policy}'
            f'<{soap}:binding transport="{TRANSPORT}"/>{operations}</wsdl:binding>'
        )
    return (
        f'{bindings}<wsdl:service name="{service}Service">'
        f'<wsdl:port name="BasicHttpBinding_{interface}" binding="tns:BasicHttpBinding_{interface}">'
        f'<soap:address location="{address}/web"/></wsdl:port>'
        f'<wsdl:port name="CustomBinding_{interface}" binding="tns:CustomBinding_{interface}">'
        f'<soap12:address location="{address}"/></wsdl:port></wsdl:service>'
    )


def _policies(address: str) -> str:
    """Over HTTPS the bindings ask for it; who is asking stands in a bearer token, of which policies know nothing."""
    if not address.startswith("https:"):
        return ""
    return "".join(
        f'<wsp:Policy wsu:Id="{kind}_IOrganizationService_policy"><wsp:ExactlyOne><wsp:All><sp:TransportBinding>'
        '<wsp:Policy><sp:TransportToken><wsp:Policy><sp:HttpsToken RequireClientCertificate="false"/></wsp:Policy>'
        "</sp:TransportToken><sp:AlgorithmSuite><wsp:Policy><sp:Basic256/></wsp:Policy></sp:AlgorithmSuite>"
        "<sp:Layout><wsp:Policy><sp:Strict/></wsp:Policy></sp:Layout></wsp:Policy></sp:TransportBinding></wsp:All>"
        "</wsp:ExactlyOne></wsp:Policy>"
        for kind in ("BasicHttpBinding", "CustomBinding")
    )


# The schema of operations comes first, as everything else is reached from it.
if FILES[0] != OPERATIONS:
    raise TypeError("xsd0 is the schema of the operations")
