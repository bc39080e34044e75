"""Webhooks are received: the key is checked, the execution context becomes plain values; under ASGI and WSGI."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx2
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from orgstead.client import Event, EventRow, Ref, WebhookReceiver, col, read_event

KEY = "the key of the webhook"
ID = "11111111-2222-4333-8444-555555555555"
# As https://learn.microsoft.com/power-apps/developer/data-platform/use-webhooks describes what is posted.
CONTEXT = {
    "BusinessUnitId": ID, "CorrelationId": ID, "Depth": 1, "InitiatingUserId": ID, "IsExecutingOffline": False,
    "InputParameters": [
        {
            "key": "Target",
            "value": {
                "__type": "Entity:http://schemas.microsoft.com/xrm/2011/Contracts", "Id": ID,
                "LogicalName": "account", "KeyAttributes": [], "RelatedEntities": [], "RowVersion": None,
                "EntityState": None, "FormattedValues": [{"key": "revenue", "value": "$10.50"}],
                "Attributes": [
                    {"key": "name", "value": "Grebe"},
                    {"key": "revenue", "value": {
                        "__type": "Money:http://schemas.microsoft.com/xrm/2011/Contracts", "Value": 10.50}},
                    {"key": "statuscode", "value": {
                        "__type": "OptionSetValue:http://schemas.microsoft.com/xrm/2011/Contracts", "Value": 1}},
                    {"key": "primarycontactid", "value": {
                        "__type": "EntityReference:http://schemas.microsoft.com/xrm/2011/Contracts", "Id": ID,
                        "KeyAttributes": [], "LogicalName": "contact", "Name": None, "RowVersion": None}},
                    {"key": "createdon", "value": "/Date(1700000000000)/"},
                    {"key": "telephone1", "value": None},
                ],
            },
        }
    ],
    "OutputParameters": [{"key": "id", "value": ID}], "SharedVariables": [], "PreEntityImages": [],
    "PostEntityImages": [{"key": "after", "value": {"Id": ID, "LogicalName": "account", "Attributes": []}}],
    "MessageName": "Create", "Mode": 1, "OperationCreatedOn": "/Date(1700000000000+0000)/", "OperationId": ID,
    "OrganizationId": ID, "OrganizationName": "contoso", "PrimaryEntityId": ID, "PrimaryEntityName": "account",
    "Stage": 40, "UserId": ID,
}  # fmt: skip
BODY = json.dumps(CONTEXT).encode()
Serve = Callable[..., Any]


@contextmanager
def under_asgi(receiver: WebhookReceiver) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(receiver, host="127.0.0.1", port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/hook"
    server.should_exit = True
    thread.join(30)


@contextmanager
def under_wsgi(receiver: WebhookReceiver) -> Iterator[str]:
    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    with make_server("127.0.0.1", 0, receiver.wsgi, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
        thread.join(30)


@pytest.mark.parametrize("serve", [under_asgi, under_wsgi])
@pytest.mark.parametrize("header", [None, "X-Webhook-Key"])
def test_only_who_has_the_key_is_heard(serve: Serve, header: str | None) -> None:
    heard: list[Event] = []
    with serve(WebhookReceiver(heard.append, key=KEY, header=header)) as url:

        def post(key: str, body: bytes = BODY, **more: str) -> int:
            sent = {header: key, **more} if header else more
            query = {} if header else {"code": key}
            return httpx2.post(url, params=query, headers=sent, content=body).status_code

        assert post(KEY) == 200
        for wrong in ("", "wrong", KEY + "x", KEY[:-1], KEY.upper()):
            assert post(wrong) == 401
        assert httpx2.post(url, content=BODY).status_code == 401
        assert post(KEY, b"no context") == 400
        assert post(KEY, b"[]") == 400
        assert post(KEY, b"{" + b" " * 5_000_000) == 413
        assert httpx2.get(url, params={"code": KEY}, headers={"X-Webhook-Key": KEY}).status_code == 405
        assert post(KEY, **{"x-ms-dynamics-msg-size-exceeded": "true"}) == 200
    assert [each.trimmed for each in heard] == [False, True]
    assert heard[0].message == "Create"


def test_an_asynchronous_handler_is_awaited() -> None:
    heard: list[str] = []

    async def handle(event: Event) -> None:
        heard.append(event.table)

    with under_asgi(WebhookReceiver(handle, key=KEY)) as url:
        assert httpx2.post(url, params={"code": KEY}, content=BODY).status_code == 200
    assert heard == ["account"]


def test_the_execution_context_is_read_into_plain_values() -> None:
    event = read_event(BODY)
    assert (event.message, event.table, event.id, event.stage, event.depth) == (
        "Create",
        "account",
        ID,
        40,
        1,
    )
    assert event.operation_created_on == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    target = event.target
    assert isinstance(target, EventRow)
    assert target.values == {
        "name": "Grebe", "revenue": Decimal("10.5"), "statuscode": 1, "primarycontactid": Ref("contact", ID),
        "createdon": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC), "telephone1": None,
    }  # fmt: skip
    assert target.formatted == {"revenue": "$10.50"}
    assert event.outputs == {"id": ID}
    assert isinstance(event.post_images["after"], EventRow)
    assert event.raw["OrganizationName"] == "contoso"


@pytest.mark.parametrize("serve", [under_asgi, under_wsgi])
def test_what_the_service_posts_is_received(serve: Serve, client: Any) -> None:
    heard: list[Event] = []
    with serve(WebhookReceiver(heard.append, key=KEY)) as url:
        endpoint = client.records.create(
            "serviceendpoint",
            {
                "name": "Receiver",
                "contract": 8,
                "connectionmode": 1,
                "url": url,
                "authtype": 4,
                "authvalue": KEY,
            },
        )
        message = client.query("sdkmessage").where(col("name") == "Create").one()
        wanted = (col("primaryobjecttypecode") == "account") & (col("_sdkmessageid_value") == message.id)
        step = client.records.create(
            "sdkmessageprocessingstep",
            {
                "name": "New accounts", "stage": 40, "mode": 0, "rank": 1, "supporteddeployment": 0,
                "eventhandler_serviceendpoint": Ref("serviceendpoint", endpoint),
                "sdkmessageid": message.ref,
                "sdkmessagefilterid": client.query("sdkmessagefilter").where(wanted).one().ref,
            },
        )  # fmt: skip
        contact = client.records.create("contact", {"lastname": "Told"})
        values = {
            "name": "Told",
            "revenue": Decimal("10.5"),
            "lastonholdtime": datetime(2026, 1, 2, tzinfo=UTC),
        }
        id = client.records.create("account", {**values, "primarycontactid": Ref("contact", contact)})
        client.records.delete("sdkmessageprocessingstep", step)
        client.records.delete("serviceendpoint", endpoint)
    (event,) = heard
    assert (event.message, event.table, event.id, event.stage) == ("Create", "account", id, 40)
    assert isinstance(event.target, EventRow)
    assert {name: event.target.values[name] for name in values} == values
    assert event.target.values["primarycontactid"] == Ref("contact", contact)
    assert event.user_id == client.who_am_i()["UserId"]


def test_a_receiver_needs_a_key() -> None:
    with pytest.raises(ValueError, match="key"):
        WebhookReceiver(print, key="")


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(
    st.fixed_dictionaries({"key": inner, "value": inner}) | inner, max_size=3), max_leaves=10).map(
        lambda inner: json.dumps({**CONTEXT, "InputParameters": inner}).encode()))  # fmt: skip
def test_whatever_is_posted_is_read_or_refused(body: bytes) -> None:
    try:
        event = read_event(body)
    except ValueError:
        return
    assert isinstance(event.inputs, dict)
