"""Requests of an independent client of Finance and Operations, as its source builds them: tests/golden/finops."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.parity.conftest import Web

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "finops" / "requests.json").read_text("utf-8"))
ORIGIN = "http://localhost:5365"
HEADERS = {
    "accept": "application/json",
    "content_type": "application/json",
    "x_ms_client_request_id": "0a3f8c1e-6f1d-4a53-9a5a-6f8f6f1d4a53",
    "x_ms_client_session_id": "1b3f8c1e-6f1d-4a53-9a5a-6f8f6f1d4a53",
}


@pytest.fixture(scope="module", autouse=True)
def company(web: Web) -> None:
    web.make("finops_legalentities", legalentityid="usmf", name="Heron")


def test_the_requests_of_d365fo_client_are_answered_as_it_expects(web: Web) -> None:
    answers: dict[str, Any] = {}
    for method, path, body, statuses in GOLDEN:
        answer = web.call(method, f"{ORIGIN}{path}", body, **HEADERS)
        assert answer.status in statuses, (method, path, answer.text)
        if answer.status != 204:
            assert "application/json" in answer.headers["content-type"]
            answers[f"{method} {path.partition('?')[0]}"] = answer.json
    page = answers["GET /data/CustomerGroups"]
    assert (page["@odata.count"], page["value"][0]["Description"]) == (1, "Golden")
    written = answers[
        "POST /data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.GetAzureWriteUrl"
    ]
    # It hands the text on as it is.
    assert json.loads(written["value"])["BlobUrl"].startswith(f"{ORIGIN}/blob/dmf/")
    assert {each["Name"] for each in answers["GET /metadata/PublicEntities"]["value"]} >= {"CustomerGroup"}


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("GetExecutionSummaryStatus", {"executionId": "none"}),
        ("GetMessageStatus", {"messageId": "none"}),
        ("ExportToPackage", {
            "definitionGroupId": "none", "packageName": "p", "executionId": "", "reExecute": False,
            "legalEntityId": "",
        }),
    ],
)  # fmt: skip
def test_its_actions_are_refused_with_a_message(web: Web, action: str, parameters: dict[str, Any]) -> None:
    path = f"{ORIGIN}/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities.{action}"
    answer = web.call("POST", path, parameters, **HEADERS)
    assert 400 <= answer.status < 500
    assert "none" in answer.json["error"]["innererror"]["message"]
