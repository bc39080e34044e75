"""Batches: parts, change sets, references between their requests."""

from tests.parity.conftest import ROOT, Web

TYPE = 'multipart/mixed;boundary="batch_1"'


def batch(web: Web, text: str, **headers: str) -> tuple[int, str]:
    answer = web.call("POST", "$batch", text.replace("\n", "\r\n").encode(), content_type=TYPE, **headers)
    return answer.status, answer.text


def test_a_change_set_refers_to_its_own_rows(web: Web) -> None:
    name = web.name("Batch")
    status, text = batch(
        web,
        f"""--batch_1
Content-Type: multipart/mixed;boundary=changeset_1

--changeset_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 1

POST {ROOT}accounts HTTP/1.1
Content-Type: application/json

{{"name":"{name}"}}
--changeset_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 2

POST /api/data/v9.2/contacts HTTP/1.1
Content-Type: application/json

{{"lastname":"{name}","parentcustomerid_account@odata.bind":"$1"}}
--changeset_1
Content-Type: application/http
Content-Transfer-Encoding: binary
Content-ID: 3

PATCH $1 HTTP/1.1
Content-Type: application/json

{{"telephone1":"42","primarycontactid@odata.bind":"$2"}}
--changeset_1--
--batch_1
Content-Type: application/http
Content-Transfer-Encoding: binary

GET accounts?$select=name,telephone1&$filter=name eq '{name}' HTTP/1.1
Accept: application/json

--batch_1--
""",
    )
    assert status == 200, text
    assert text.startswith("--batchresponse_")
    assert "--changesetresponse_" in text
    assert text.count("HTTP/1.1 204 No Content") == 3
    assert "Content-ID: 2" in text
    assert '"telephone1":"42"' in text
    row = web.get(
        f"contacts?$select=lastname&$filter=lastname eq '{name}'&$expand=parentcustomerid_account($select=name)"
    ).rows
    assert row[0]["parentcustomerid_account"]["name"] == name


def test_a_failing_change_set_leaves_nothing_and_stops_the_batch(web: Web) -> None:
    name = web.name("Atomic")
    text = f"""--batch_1
Content-Type: multipart/mixed;boundary=changeset_1

--changeset_1
Content-Type: application/http
Content-ID: 1

POST accounts HTTP/1.1
Content-Type: application/json

{{"name":"{name}"}}
--changeset_1
Content-Type: application/http
Content-ID: 2

POST accounts HTTP/1.1
Content-Type: application/json

{{"nosuch":1}}
--changeset_1--
--batch_1
Content-Type: application/http

GET WhoAmI HTTP/1.1

--batch_1--
"""
    status, answer = batch(web, text)
    assert status == 400
    assert "UserId" not in answer
    assert web.get(f"accounts?$filter=name eq '{name}'").rows == []
    status, answer = batch(web, text, prefer="odata.continue-on-error")
    assert status == 200
    assert "HTTP/1.1 400 Bad Request" in answer
    assert "UserId" in answer


def test_malformed_batches_are_refused(web: Web) -> None:
    assert web.call("POST", "$batch", b"", content_type="multipart/mixed").status == 415
    assert web.call("POST", "$batch", b"nothing here", content_type=TYPE).status == 400
    assert web.call("POST", "$batch", b"--batch_1\r\n", content_type=TYPE).status == 400
    assert web.call("GET", "$batch").status == 405
    status, text = batch(web, "--batch_1\nContent-Type: application/http\n\nnonsense\n--batch_1--\n")
    assert status == 400, text


def test_a_read_in_a_change_set_is_refused(web: Web) -> None:
    status, _ = batch(
        web,
        "--batch_1\nContent-Type: multipart/mixed;boundary=c\n\n--c\nContent-Type: application/http\n\n"
        "GET accounts HTTP/1.1\n\n--c--\n--batch_1--\n",
    )
    assert status == 400
