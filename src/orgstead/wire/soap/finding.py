"""The discovery service: which organisations there are, here the one.

https://learn.microsoft.com/previous-versions/dynamicscrm-2016/developers-guide/gg328127(v=crm.8)
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/discover-url-organization-web-api
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orgstead.errors import fault
from orgstead.wire.soap.contracts import NAMESPACES
from orgstead.wire.soap.envelope import DISCOVERY
from orgstead.wire.soap.xml import XSI, Element, children, escape, local, malformed

__all__ = ["DISCOVERY_SCHEMA", "discovered", "instance"]

TYPE = f"{{{XSI}}}type"
XS = "http://www.w3.org/2001/XMLSchema"
PAIR = "KeyValuePairOfEndpointTypestringztYlk6OT"


def _simple(name: str, values: Sequence[str]) -> str:
    inner = "".join(f'<xs:enumeration value="{each}"/>' for each in values)
    return f'<xs:simpleType name="{name}"><xs:restriction base="xs:string">{inner}</xs:restriction></xs:simpleType>'


def _complex(name: str, members: Sequence[str], base: str = "") -> str:
    inner = "".join(
        f'<xs:element minOccurs="0" name="{each.split(":", 1)[0]}" nillable="true" type="{each.split(":", 1)[1]}"/>'
        for each in members
    )
    inner = f"<xs:sequence>{inner}</xs:sequence>"
    if base:
        inner = (
            f'<xs:complexContent><xs:extension base="tns:{base}">{inner}</xs:extension></xs:complexContent>'
        )
    return f'<xs:complexType name="{name}">{inner}</xs:complexType>'


def _list(name: str, item: str, kind: str) -> str:
    return (
        f'<xs:complexType name="{name}"><xs:sequence><xs:element minOccurs="0" maxOccurs="unbounded" name="{item}"'
        f' nillable="true" type="{kind}"/></xs:sequence></xs:complexType>'
    )


def _operation(name: str, part: str, kind: str) -> str:
    return (
        f'<xs:element name="{name}"><xs:complexType><xs:sequence><xs:element minOccurs="0" name="{part}"'
        f' nillable="true" type="tns:{kind}"/></xs:sequence></xs:complexType></xs:element>'
    )


DISCOVERY_SCHEMA = (
    f'<xs:schema xmlns:xs="{XS}" xmlns:tns="{DISCOVERY}" elementFormDefault="qualified" targetNamespace="{DISCOVERY}">'
    + _operation("Execute", "request", "DiscoveryRequest")
    + _operation("ExecuteResponse", "ExecuteResult", "DiscoveryResponse")
    + _complex("DiscoveryRequest", ())
    + _complex("DiscoveryResponse", ())
    + _complex(
        "RetrieveOrganizationsRequest",
        ("AccessType:tns:EndpointAccessType", "Release:tns:OrganizationRelease"),
        "DiscoveryRequest",
    )
    + _complex(
        "RetrieveOrganizationRequest",
        ("AccessType:tns:EndpointAccessType", "Release:tns:OrganizationRelease", "UniqueName:xs:string"),
        "DiscoveryRequest",
    )
    + _complex(
        "RetrieveOrganizationsResponse", ("Details:tns:OrganizationDetailCollection",), "DiscoveryResponse"
    )
    + _complex("RetrieveOrganizationResponse", ("Detail:tns:OrganizationDetail",), "DiscoveryResponse")
    + _list("OrganizationDetailCollection", "OrganizationDetail", "tns:OrganizationDetail")
    + _complex(
        "OrganizationDetail",
        (
            "Endpoints:tns:EndpointCollection", "FriendlyName:xs:string", "OrganizationId:xs:string",
            "OrganizationVersion:xs:string", "State:tns:OrganizationState", "UniqueName:xs:string",
            "UrlName:xs:string",
        ),
    )
    + _list("EndpointCollection", PAIR, "xs:anyType")
    + _simple("EndpointAccessType", ("Default", "Internet", "Intranet"))
    + _simple("OrganizationRelease", ("Current", "V5"))
    + _simple("OrganizationState", ("Enabled", "Disabled"))
    + _complex("DiscoveryServiceFault", ("ErrorCode:xs:int", "Message:xs:string"))
    + '<xs:element name="DiscoveryServiceFault" nillable="true" type="tns:DiscoveryServiceFault"/></xs:schema>'
)  # fmt: skip


def discovered(operation: Element) -> Callable[[Mapping[str, Any]], str]:
    """How to answer a request to the discovery service, given the detail of the organisation.

    Raises SoapMalformed, NotSupported; the answer raises ResourceNotFound for an organisation that is not here.
    """
    if operation.tag != f"{{{DISCOVERY}}}Execute":
        raise malformed(f"<{local(operation)}> is no operation of the discovery service")
    requests = list(children(operation))
    if len(requests) != 1:
        raise malformed("Execute needs a request")
    name = (requests[0].get(TYPE) or "").rpartition(":")[2]
    if name == "RetrieveOrganizationsRequest":
        return _all
    if name == "RetrieveOrganizationRequest":
        wanted = next(
            ((each.text or "").strip() for each in children(requests[0]) if local(each) == "UniqueName"), ""
        )
        return lambda detail: _one(detail, wanted)
    raise fault("NotSupported", feature=f"The discovery request {name[:100] or 'without a type'}")


def _answer(kind: str, inner: str) -> str:
    return (
        f'<ExecuteResponse xmlns="{DISCOVERY}"><ExecuteResult xmlns:i="{XSI}" i:type="{kind}">{inner}'
        "</ExecuteResult></ExecuteResponse>"
    )


def _all(detail: Mapping[str, Any]) -> str:
    inner = f"<Details><OrganizationDetail>{_detail(detail)}</OrganizationDetail></Details>"
    return _answer("RetrieveOrganizationsResponse", inner)


def _one(detail: Mapping[str, Any], wanted: str) -> str:
    if wanted.lower() not in (str(detail["UniqueName"]).lower(), str(detail["OrganizationId"])):
        raise fault("InvalidArgument", message=f"There is no organization {wanted[:100]}.")
    return _answer("RetrieveOrganizationResponse", f"<Detail>{_detail(detail)}</Detail>")


def _detail(detail: Mapping[str, Any]) -> str:
    endpoints = "".join(
        f'<{PAIR}><a:key xmlns:a="{NAMESPACES["pairs"]}">{name}</a:key>'
        f'<a:value xmlns:a="{NAMESPACES["pairs"]}">{escape(address)}</a:value></{PAIR}>'
        for name, address in zip(detail["Endpoints"]["Keys"], detail["Endpoints"]["Values"], strict=True)
    )
    names = ("FriendlyName", "OrganizationId", "OrganizationVersion", "State", "UniqueName", "UrlName")
    plain = "".join(f"<{name}>{escape(str(detail[name] or ''))}</{name}>" for name in names)
    return f"<Endpoints>{endpoints}</Endpoints>{plain}"


def instance(detail: Mapping[str, Any], address: str) -> dict[str, Any]:
    """The organisation as an instance of the global discovery Web API."""
    return {
        "Id": detail["OrganizationId"],
        "UniqueName": detail["UniqueName"],
        "UrlName": detail["UrlName"],
        "FriendlyName": detail["FriendlyName"],
        "State": 0,
        "StatusMessage": 0,
        "Version": detail["OrganizationVersion"],
        "Url": f"{address}/",
        "ApiUrl": address,
        "LastUpdated": "2000-01-01T00:00:00Z",
        "SchemaType": "Full",
        "OrganizationType": 0,
        "Region": "",
        "TenantId": detail["TenantId"],
        "EnvironmentId": detail["EnvironmentId"],
        "DatacenterId": detail["DatacenterId"],
        "TrialExpirationDate": "0001-01-01T00:00:00Z",
        "Purpose": None,
    }
