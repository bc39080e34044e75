"""The request log, the numbers, and what was asked for in vain."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from tests.plane.conftest import PlaneWeb


def test_a_request_is_noted_with_what_became_of_it(web: PlaneWeb) -> None:
    me = web.get("WhoAmI").json["UserId"]
    id = web.make("accounts", name="One")
    answer = web.get("accounts(00000000-0000-0000-0000-000000000001)?$select=name")
    missing, made, first = web.plane("GET", "requests")["requests"]
    assert (missing["method"], missing["status"], missing["code"]) == ("GET", 404, "0x80040217")
    assert missing["path"] == "/api/data/v9.2/accounts(00000000-0000-0000-0000-000000000001)?$select=name"
    assert missing["request_id"] == answer.headers["x-ms-service-request-id"]
    assert (made["method"], made["status"], made["user"], made["code"]) == ("POST", 204, me, None)
    assert missing["time"] >= made["time"] >= first["time"]
    assert min(each["ms"] for each in (missing, made, first)) > 0
    assert web.call("DELETE", f"accounts({id})").status == 204


def test_the_log_is_narrowed_by_status_path_method_and_number(web: PlaneWeb) -> None:
    web.get("accounts")
    web.get("nothing")
    web.call("POST", "contacts", {"nonsense": 1})

    def found(query: str) -> list[str]:
        return [each["path"].rpartition("/")[2] for each in web.plane("GET", f"requests?{query}")["requests"]]

    assert found("status=404") == ["nothing"]
    assert found("status=4XX") == ["contacts", "nothing"]
    assert found("status=2xx") == ["accounts"]
    assert found("status=5xx") == found("status=dropped") == found("path=leads") == []
    assert found("path=data/v9.2/acc") == ["accounts"]
    assert found("method=post") == ["contacts"]
    assert found("limit=2") == ["contacts", "nothing"]
    assert found("limit=0") == []
    assert found("method=GET&status=4xx&limit=1") == ["nothing"]
    web.plane("DELETE", "requests")
    assert found("") == []


def test_no_secret_is_in_the_log(web: PlaneWeb) -> None:
    secrets = [web.token, CLIENT_SECRET, "hunter2", "c0de", "st4te", "t0ken"]
    web.get("WhoAmI", cookie="session=hunter2", x_api_key="hunter2")
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "scope": "http://localhost:5365/.default",
    }
    web.client.post(f"/{TENANT_ID}/oauth2/v2.0/token", data={**form, "client_secret": CLIENT_SECRET})
    web.client.post(f"/{TENANT_ID}/oauth2/v2.0/token", data={**form, "client_secret": "hunter2"})
    web.client.get(
        f"/{TENANT_ID}/oauth2/v2.0/authorize?client_id=x&state=st4te&code_challenge=c0de&login_hint=hunter2"
    )
    for name in (
        "%74oken", "pwd", "jwt", "SAMLResponse", "%73ig", "code", "X-Amz-Credential", "authorization", "sid", "pass"
    ):  # fmt: skip
        web.client.get(f"/nothing?{name}=hunter2")
    web.client.get(f"/nothing/{web.token}?{web.token}")
    web.get("accounts?access_token=t0ken&$select=name&Client_Secret=hunter2&%24top=1")
    shown = web.client.get("/_orgstead/requests").text
    assert [each for each in secrets if each in shown] == []
    rows = web.plane("GET", "requests")["requests"]
    assert (len(rows), rows[13]["code"]) == (16, "invalid_client")
    assert "$select=name" in rows[0]["path"]


def test_the_log_is_bounded(web: PlaneWeb) -> None:
    for _ in range(1_010):
        web.client.get("/nothing")
    assert len(web.plane("GET", "requests")["requests"]) == 1_000
    web.client.get("/" + "long" * 2_000)
    assert len(web.plane("GET", "requests?limit=1")["requests"][0]["path"]) == 2_000


def test_the_plane_and_the_probes_are_not_in_it(web: PlaneWeb) -> None:
    for path in ("/_orgstead/clock", "/healthz", "/readyz"):
        web.client.get(path)
    assert web.plane("GET", "requests")["requests"] == []


def test_numbers_are_in_the_text_format_of_prometheus(web: PlaneWeb) -> None:
    def read() -> dict[tuple[str, str], float]:
        text = web.client.get("/_orgstead/metrics").text
        return {
            (
                sample.name,
                ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items())),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    before = read()
    web.get("accounts")
    web.get("accounts")
    web.get("nothing")
    web.plane("POST", "faults", {"drop": "before", "count": 1})
    with pytest.raises(ConnectionAbortedError):
        web.get("accounts")
    after = read()

    def more(name: str, labels: str = "") -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert more("orgstead_requests_total", "method=GET,status=200") == 2
    assert more("orgstead_requests_total", "method=GET,status=404") == 1
    assert more("orgstead_requests_total", "method=GET,status=dropped") == 1
    assert more("orgstead_request_seconds_count") == 4
    assert more("orgstead_request_seconds_bucket", "le=+Inf") == 4
    assert after["orgstead_requests_running", ""] == 0
    assert after["orgstead_faults_injected_total", ""] == 1


def test_what_was_asked_for_in_vain_outlives_a_reset(web: PlaneWeb) -> None:
    web.plane("DELETE", "unsupported")
    for _ in range(2):
        assert web.call("POST", "$batch?x=1", b"", content_type="multipart/mixed;boundary=b").status == 400
        web.plane("POST", "reset")
    (row,) = web.plane("GET", "unsupported")["unsupported"]
    assert row["count"] == 2
    assert web.plane("DELETE", "unsupported") == {"unsupported": []}


def test_health_tells_what_stands_behind_it(web: PlaneWeb) -> None:
    found = web.plane("GET", "health")
    assert (found["status"], found["running"]) == ("ready", 0)
    assert found["database"] in ("memory", "sqlite", "postgresql")
    assert web.client.get("/_orgstead/ready").text == "ready"
