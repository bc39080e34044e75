"""The OpenAPI document of CRM as a Service, and requests that schemathesis makes up from it."""

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from orgstead.identity.development import SUBSCRIPTION_KEY
from orgstead.solutions.load import load_base
from orgstead.wire.crm.openapi import document
from tests.live import Live

KEY = {"Ocp-Apim-Subscription-Key": SUBSCRIPTION_KEY}
CHECKED = (
    not_a_server_error,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
)


NEW: dict[str, dict[str, object]] = {
    "/pipeline/leads": {"title": "Made", "lastName": "Made"},
    "/pipeline/opportunities": {"name": "Made"},
    "/directory/contacts": {"lastName": "Made"},
    "/directory/organizations": {"name": "Made"},
    "/activities": {"type": "task", "subject": "Made"},
    "/notes": {"subject": "Made"},
    "/products": {"name": "Made", "number": "Made"},
}
DOCUMENT = document(load_base(), "http://localhost/crm")
DESCRIBED = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS = [
    (path, method) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
]


@pytest.fixture(scope="session")
def made(live: Live) -> dict[str, str]:
    """The id of a row of each kind."""
    with httpx2.Client(base_url=f"{live.http}/crm", headers=KEY) as client:
        return {path: client.post(path, json=values).json()["id"] for path, values in NEW.items()}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_answers_are_as_described_whatever_is_asked(
    live: Live, made: dict[str, str], path: str, method: str
) -> None:
    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=DESCRIBED[path][method].as_strategy())
    def holds(case: schemathesis.Case) -> None:
        # Nothing can be made up that refers to a row; and a row that is there shows more than one that is not.
        if isinstance(case.body, dict):
            case.body = {name: value for name, value in case.body.items() if not name.endswith("Id")}
        if method != "delete" and "id" in case.path_parameters and path.removesuffix("/{id}") in made:
            case.path_parameters["id"] = made[path.removesuffix("/{id}")]
        case.call_and_validate(base_url=f"{live.http}/crm", headers=KEY, checks=CHECKED)

    holds()


def test_the_document_is_of_its_standard_and_needs_a_key(live: Live) -> None:
    address = f"{live.http}/eu/crm/openapi.json"
    assert httpx2.get(address).status_code == 401
    document = httpx2.get(address, headers=KEY).json()
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": f"{live.http}/eu/crm"}]
    schemathesis.openapi.from_dict(document).validate()
    assert {"/pipeline/leads", "/pipeline/leads/{id}", "/directory/bulk-actions"} <= set(document["paths"])
