"""What a client that connects over SOAP asks on the way: challenge, organisation, discovery, WSDL."""

import re
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.parity.conftest import ORIGIN, Web
from tests.parity.soap import Soap, name_of, type_of

GOLDEN = Path(__file__).parents[1] / "golden" / "soap"
EXECUTE = '"http://schemas.microsoft.com/xrm/2011/Contracts/Services/IOrganizationService/Execute"'
PROBE = "/XRMServices/2011/Organization.svc/web?SDKClientVersion=9.2.49.16082"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
STANDING = {
    "{guid}": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "{text}": r".*",
    "{version}": r"\d+\.\d+\.\d+\.\d+",
}


def shape(element: Any) -> tuple[Any, ...]:
    """An element without its prefixes; results sorted by key."""
    inner = [shape(each) for each in element]
    if name_of(element) == "Results":
        inner.sort(key=lambda pair: pair[3][0][2])
    return element.tag, type_of(element), (element.text or "").strip(), tuple(inner)


def fits(found: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Whether a shape is the golden one, but for what stands for values."""
    pattern = STANDING.get(wanted[2]) or re.escape(wanted[2].replace("{origin}", ORIGIN))
    return (
        found[:2] == wanted[:2]
        and re.fullmatch(pattern, found[2]) is not None
        and len(found[3]) == len(wanted[3])
        and all(map(fits, found[3], wanted[3]))
    )


@pytest.fixture
def soap(web: Web) -> Soap:
    """A client of the service."""
    return Soap(web)


@pytest.mark.parametrize("name", ["retrieve-version", "retrieve-current-organization", "who-am-i"])
def test_what_the_service_client_asks_is_answered_as_it_reads_it(soap: Soap, name: str) -> None:
    sent = (GOLDEN / f"{name}.request.xml").read_bytes()
    answer = soap.post(
        sent, PROBE, soapaction=EXECUTE, user_agent="DataverseSvcClient:9.2.49.16082", connection="keep-alive"
    )
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    found, wanted = (
        shape(etree.fromstring(each))
        for each in (answer.content, (GOLDEN / f"{name}.response.xml").read_bytes())
    )
    assert fits(found, wanted), (found, wanted)


def test_the_probe_without_a_token_is_read_as_the_service_client_reads_it(soap: Soap) -> None:
    answer = soap.web.client.get(PROBE)
    assert answer.status_code == 401
    # The client splits at the first space, then at commas, then at the first equals sign.
    scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
    told = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert scheme == "Bearer"
    assert told["authorization_uri"].endswith("/oauth2/authorize")
    assert told["resource_id"].startswith(ORIGIN)


def test_the_service_client_may_ask_the_same_through_the_web_api(web: Web) -> None:
    organisation = web.get(
        "RetrieveCurrentOrganization(AccessType=@p1)?@p1=Microsoft.Dynamics.CRM.EndpointAccessType'Default'"
    ).json["Detail"]
    assert {"OrganizationId", "FriendlyName", "UniqueName", "UrlName", "Endpoints"} <= set(organisation)
    assert web.get("RetrieveVersion").json["Version"] == organisation["OrganizationVersion"]
    assert web.get("WhoAmI").json["OrganizationId"] == organisation["OrganizationId"]


def test_the_global_discovery_names_the_one_organisation(soap: Soap, web: Web) -> None:
    path = "/api/discovery/v2.0/Instances"
    for each in (path, "/api/aad/challenge"):
        assert soap.web.client.get(each).headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
    (found,) = web.get(f"{ORIGIN}{path}").rows
    assert found["Id"] == web.get("WhoAmI").json["OrganizationId"]
    assert (found["Url"], found["ApiUrl"], found["State"]) == (f"{ORIGIN}/", ORIGIN, 0)
    assert web.get(f"{ORIGIN}{path}?$select=UniqueName").rows == [{"UniqueName": found["UniqueName"]}]
    for key in (found["Id"], f"UniqueName='{found['UniqueName']}'"):
        assert web.get(f"{ORIGIN}{path}({key})").json["Id"] == found["Id"]
    assert web.get(f"{ORIGIN}{path}?$filter=State eq 0").status == 400
    assert web.get(f"{ORIGIN}{path}({web.make('accounts', name='x')})").status == 404
    assert web.get(f"{ORIGIN}/api/discovery/v2.0/Nothing").status == 404


@pytest.mark.parametrize("service", ["Organization", "Discovery"])
def test_a_wsdl_and_all_that_it_imports_can_be_downloaded(soap: Soap, service: str) -> None:
    asked = [f"{ORIGIN}/XRMServices/2011/{service}.svc?wsdl"]
    for url in asked:
        answer = soap.web.client.get(url)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
        for element in etree.fromstring(answer.content).iter("{*}import"):
            target = element.get("location") or element.get("schemaLocation")
            if target and target not in asked:
                asked.append(target)
    assert len(asked) > 2
    whole = soap.web.client.get(f"{ORIGIN}/XRMServices/2011/{service}.svc?singleWsdl")
    assert not [each for each in etree.fromstring(whole.content).iter("{*}import") if each.get("location")]


@pytest.mark.parametrize("query", ["wsdl=wsdl99", "xsd=xsd99", "xsd=../x", "wsdl=%00"])
def test_a_document_that_is_not_there_is_not_found(soap: Soap, query: str) -> None:
    assert soap.web.client.get(f"/XRMServices/2011/Organization.svc?{query}").status_code == 404
