"""Faults on purpose, as a client sees them."""

from typing import Any

import pytest

from tests.parity.conftest import ORIGIN
from tests.parity.soap import SOAP12, Soap, SoapFault, envelope
from tests.parity.test_parity_security import make_user
from tests.plane.conftest import PlaneWeb


def add(web: PlaneWeb, **rule: Any) -> int:
    id: int = web.plane("POST", "faults", rule)["id"]
    return id


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "0x80040203"), (401, "0x80044302"), (403, "0x80040220"), (404, "0x80040217"), (412, "0x80060882"),
        (429, "0x80072322"), (500, "0x80040216"), (502, "0x80040216"), (503, "0x8004a001"), (504, "0x80040216"),
    ],
)  # fmt: skip
def test_a_status_comes_in_the_shape_of_the_web_api(web: PlaneWeb, status: int, code: str) -> None:
    add(web, status=status)
    answer = web.get("accounts")
    assert answer.fault == (status, code)
    assert answer.json["error"]["message"]
    assert (answer.headers.get("Retry-After") == "1") == (status == 429)
    assert answer.headers["x-ms-service-request-id"]
    assert answer.headers["OData-Version"] == "4.0"


def test_code_text_and_the_time_to_wait_are_what_the_rule_says(web: PlaneWeb) -> None:
    add(web, status=503, code="0x80044151", message="SQL timeout expired.", retry_after=7)
    answer = web.get("accounts")
    assert answer.fault == (503, "0x80044151")
    assert answer.json["error"]["message"] == "SQL timeout expired."
    assert answer.headers["Retry-After"] == "7"


def test_a_rule_with_a_count_strikes_so_often_and_no_more(web: PlaneWeb) -> None:
    add(web, status=500, count=2)
    assert [web.get("accounts").status for _ in range(4)] == [500, 500, 200, 200]
    (rule,) = web.plane("GET", "faults")["faults"]
    assert (rule["fired"], rule["spent"]) == (2, True)


def test_a_rule_with_a_rate_strikes_about_that_part_and_the_same_for_the_same_seed(web: PlaneWeb) -> None:
    seen = []
    for _ in range(2):
        add(web, status=500, rate=0.3, seed=4)
        seen.append([web.get("accounts?$top=1").status for _ in range(200)])
        web.plane("DELETE", "faults")
    assert seen[0] == seen[1]
    assert 30 < seen[0].count(500) < 90


def test_nothing_was_done_by_a_request_that_a_status_answers(web: PlaneWeb) -> None:
    add(web, status=500, method="POST", count=1)
    assert web.call("POST", "accounts", {"name": "Not there"}).status == 500
    assert web.names() == []


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["Twice?"])])
def test_a_connection_is_dropped_before_the_work_or_after_it(
    web: PlaneWeb, when: str, left: list[str]
) -> None:
    add(web, drop=when, method="POST", count=1)
    # The test's client has no connection that could end: it gets the exception.
    with pytest.raises(ConnectionAbortedError):
        web.call("POST", "accounts", {"name": "Twice?"})
    assert web.names() == left
    (row,) = web.plane("GET", "requests?status=dropped")["requests"]
    assert (row["method"], row["status"], row["injected"] is None) == ("POST", None, False)


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ({"method": "post"}, {"POST accounts"}),
        ({"table": "account"}, {"GET accounts", "POST accounts", "GET accounts(…)"}),
        ({"table": "contacts"}, {"GET contacts"}),
        ({"table": "nothing"}, set()),
        ({"path": "/api/data/v9.2/accounts(*)"}, {"GET accounts(…)"}),
        ({"path": "*/contacts"}, {"GET contacts"}),
        ({"path": "/api/data/v9.2/account"}, set()),
        ({"path": "*", "method": "GET"}, {"GET accounts", "GET accounts(…)", "GET contacts"}),
        ({"method": "GET", "table": "account", "path": "*)"}, {"GET accounts(…)"}),
    ],
)
def test_a_rule_is_about_what_it_names(web: PlaneWeb, rule: dict[str, Any], struck: set[str]) -> None:
    id = web.make("accounts", name="One")
    add(web, status=500, **rule)
    asked = {
        "GET accounts": web.get("accounts"),
        "POST accounts": web.call("POST", "accounts", {"name": "Two"}),
        "GET accounts(…)": web.get(f"accounts({id})"),
        "GET contacts": web.get("contacts"),
    }
    assert {name for name, answer in asked.items() if answer.status == 500} == struck


def test_a_rule_for_a_user_strikes_that_user_alone(web: PlaneWeb) -> None:
    me = web.get("WhoAmI").json
    role, *_ = web.get("roles?$filter=name eq 'System Administrator'").rows
    other = make_user(web, me["BusinessUnitId"], role["roleid"])
    add(web, status=503, user=other.upper())
    assert web.get("accounts").status == 200
    assert web.get("accounts", MSCRMCallerID=other).status == 503
    assert web.get("accounts", authorization="Bearer nonsense").status == 401
    web.plane("DELETE", "faults")
    add(web, status=503, user=me["UserId"])
    assert web.get("accounts").status == 503
    assert web.get("accounts", MSCRMCallerID=other).status == 200


def test_the_first_rule_that_strikes_decides(web: PlaneWeb) -> None:
    first = add(web, status=500, count=1)
    second = add(web, status=503)
    assert [web.get("accounts").status for _ in range(2)] == [500, 503]
    web.plane("DELETE", f"faults/{second}")
    assert web.get("accounts").status == 200
    assert [rule["id"] for rule in web.plane("GET", "faults")["faults"]] == [first]
    assert web.plane("DELETE", "faults") == {"faults": []}


def test_latency_comes_before_the_answer_whatever_it_is(web: PlaneWeb) -> None:
    add(web, latency=0.2, method="GET", count=1)
    add(web, latency=0.2, status=503, method="DELETE")
    web.get("accounts")
    web.call("DELETE", "accounts(00000000-0000-0000-0000-000000000001)")
    slow, fast = web.plane("GET", "requests")["requests"]
    assert (slow["status"], fast["status"]) == (503, 200)
    assert slow["ms"] >= 200
    assert fast["ms"] >= 200


def test_signing_in_fails_in_its_own_shape_and_only_when_asked_for(web: PlaneWeb) -> None:
    add(web, status=503, path="*/oauth2/*", retry_after=3)
    answer = web.client.post("/common/oauth2/v2.0/token", data={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert answer.json()["error"] == "temporarily_unavailable"
    web.plane("DELETE", "faults")
    add(web, status=503)
    assert web.client.get("/common/v2.0/.well-known/openid-configuration").status_code == 200


def test_the_plane_and_the_probes_never_fail_on_purpose(web: PlaneWeb) -> None:
    add(web, status=500, path="*")
    assert [web.client.get(path).status_code for path in ("/healthz", "/readyz", "/")] == [200, 200, 500]
    assert len(web.plane("GET", "faults")["faults"]) == 1


def test_pages_of_other_origins_may_read_a_fault(web: PlaneWeb) -> None:
    add(web, status=503)
    answer = web.get("accounts", origin="https://app.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_reset_forgets_the_rules(web: PlaneWeb) -> None:
    add(web, status=500)
    web.plane("POST", "reset")
    assert web.plane("GET", "faults") == {"faults": []}
    assert web.get("accounts").status == 200


def test_rules_are_bounded_in_number_and_spent_ones_make_room(web: PlaneWeb) -> None:
    add(web, status=500, count=1)
    for _ in range(99):
        add(web, status=503, table="nothing")
    assert web.plane("POST", "faults", {"status": 500}, status=409)["error"]["code"] == "too_many"
    assert web.get("accounts").status == 500
    add(web, status=500)
    assert len(web.plane("GET", "faults")["faults"]) == 100


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({}, "no_effect"),
        ({"table": "account"}, "no_effect"),
        ({"status": 500, "drop": "after"}, "two_effects"),
        ({"latency": 1, "code": "0x80040216"}, "no_status"),
        ({"drop": "before", "retry_after": 1}, "no_status"),
        ({"status": 200}, "bad_body"),
        ({"status": 600}, "bad_body"),
        ({"status": "500"}, "bad_body"),
        ({"status": 500, "code": "80040216"}, "bad_body"),
        ({"status": 500, "code": "0x" + "f" * 9}, "bad_body"),
        ({"status": 500, "message": "x" * 1_001}, "bad_body"),
        ({"latency": -1}, "bad_body"),
        ({"latency": 601}, "bad_body"),
        ({"drop": "during"}, "bad_body"),
        ({"status": 500, "rate": 0}, "bad_body"),
        ({"status": 500, "rate": 1.1}, "bad_body"),
        ({"status": 500, "count": 0}, "bad_body"),
        ({"status": 500, "method": "GET\r\nX"}, "bad_body"),
        ({"status": 500, "path": "x" * 201}, "bad_body"),
        ({"status": 500, "retry_after": -1}, "bad_body"),
        ({"status": 500, "seed": 1.5}, "bad_body"),
        ({"status": 500, "typo": 1}, "bad_body"),
        ([], "bad_body"),
        ("status", "bad_body"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_and_not_kept(web: PlaneWeb, rule: Any, code: str) -> None:
    assert web.plane("POST", "faults", rule, status=400)["error"]["code"] == code
    assert web.plane("GET", "faults") == {"faults": []}
    assert web.plane("DELETE", "faults/7", status=404)["error"]["code"] == "unknown_rule"


def test_a_pattern_made_to_be_slow_is_not(web: PlaneWeb) -> None:
    add(web, status=500, path="*a" * 90 + "b")
    answer = web.client.get(
        f"{ORIGIN}/api/data/v9.2/" + "a" * 4_000, headers={"authorization": f"Bearer {web.token}"}
    )
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [(400, 500, "0x80040203"), (412, 500, "0x80060882"), (429, 500, "0x80072322"), (503, 503, "0x8004a001")],
)
def test_a_status_comes_to_a_soap_service_as_a_fault_of_the_service(
    web: PlaneWeb, status: int, said: int, code: str
) -> None:
    add(web, status=status, path="/XRMServices/*", message="On <purpose>.")
    soap = Soap(web)
    with pytest.raises(SoapFault) as failed:
        soap.execute("WhoAmI")
    assert (failed.value.status, failed.value.hex, failed.value.message) == (said, code, "On <purpose>.")
    assert failed.value.details.get("Retry-After") == ("PT1S" if status == 429 else None)
    (row,) = web.plane("GET", f"requests?status={said}&limit=1")["requests"]
    assert row["code"] == code
    soap.version = SOAP12
    answer = soap.post(envelope(""))
    assert answer.headers["content-type"].startswith("application/soap+xml")


def test_who_is_not_signed_in_on_purpose_gets_no_envelope(web: PlaneWeb) -> None:
    add(web, status=401, path="/XRMServices/*")
    answer = Soap(web).post(envelope(""))
    assert (answer.status_code, answer.content) == (401, b"")
