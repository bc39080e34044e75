"""The tools as an agent has them: the official client over every transport, in both of the protocol's ages."""

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from orgstead import client as dynamics
from orgstead.actions import ELEVEN, TOOLKIT
from orgstead.actions.mcp_server import make_server
from orgstead.identity.development import ADMIN_PASSWORD, ADMIN_UPN
from tests.client.conftest import secret
from tests.live import Live, live, served

__all__ = ["live"]

READS = {name for name, each in TOOLKIT.items() if each.reads}
AGES = ["legacy", "auto"]
Open = Callable[..., Any]


def trust(live: Live) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=live.ca)


def direct(live: Live, credential: Any = None) -> dynamics.Client:
    """A client of the Web API beside the agent."""
    return dynamics.Client(live.https, credential or secret(live), verify=trust(live))


def token(live: Live, credential: Any = None) -> str:
    with direct(live, credential) as client:
        client.who_am_i()
        return client._driver.run(client._session.token())


def command(live: Live, *more: str) -> list[str]:
    return [
        "-m", "orgstead", "mcp", "--url", live.https, "--client-id", live.client_id, "--client-secret",
        live.client_secret, *more,
    ]  # fmt: skip


@asynccontextmanager
async def over_stdio(live: Live, mode: str = "auto", allow: str = "read") -> AsyncIterator[Client]:
    environment = {**live.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    server = StdioServerParameters(
        command=sys.executable, args=command(live, "--allow", allow), env=environment
    )
    async with Client(server, mode=mode) as agent:
        yield agent


@asynccontextmanager
async def over_http(
    url: str, mode: str = "auto", bearer: str | None = None, verify: Any = True, **headers: str
) -> AsyncIterator[Client]:
    given = headers | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    async with (
        httpx2.AsyncClient(headers=given, verify=verify, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as agent,
    ):
        yield agent


@contextmanager
def alone(live: Live, *more: str) -> Iterator[str]:
    """``orgstead mcp --http`` in a process of its own; its address."""
    server = subprocess.Popen(
        [sys.executable, *command(live, "--http", "127.0.0.1:0", *more)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=live.environment,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        found = re.search(r"http://\S+", server.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def writable(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that lets agents do all that their tokens may, on either database."""
    url = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    data = tmp_path_factory.mktemp("writable")
    with served(data, database_url=url, mcp="delete", sample="true") as (found, _):
        yield found


def scenario(client: dynamics.Client) -> list[tuple[str, dict[str, Any]]]:
    """Every tool once, with arguments that it can do something with."""
    records = client.records
    account = records.create("account", {"name": f"Scenario {dynamics.new_id()}"})
    contact = records.create("contact", {"lastname": "Scenario"})
    lead = records.create("lead", {"subject": "Scenario", "lastname": "Lead"})
    deal = records.create("opportunity", {"name": "Scenario"})
    case = records.create(
        "incident", {"title": "Leak", "customerid_account": dynamics.Ref("account", account)}
    )
    times = {"scheduledstart": "2026-05-01T10:00:00Z", "scheduledend": "2026-05-01T11:00:00Z"}
    appointment = records.create("appointment", {"subject": "Scenario", **times})
    return [
        ("create_appointment", {"subject": "With an agent", "regarding_account_id": account,
                                "required_attendee_email": ADMIN_UPN, **times}),
        ("update_appointment", {"appointment_id": appointment, "subject": "Moved"}),
        ("list_appointments", {}),
        ("list_appointment_categories", {}),
        ("list_appointment_category_options", {}),
        ("list_solution_id_options", {}),
        ("create_custom_entity", {"solution_id": "Default", "display_name": f"T {dynamics.new_id()[:8]}",
                                  "primary_attribute": "Name"}),
        ("find_contact", {"contact_id": contact}),
        ("get_account", {"account_id": account}),
        ("list_accounts", {"records_per_page": 3}),
        ("search_accounts", {"search_term": "Scenario"}),
        ("describe", {"table": "account", "search": "name"}),
        ("search", {"search_term": "Scenario"}),
        ("get_record", {"table": "account", "record_id": account}),
        ("read_query", {"querytext": "SELECT name FROM account"}),
        ("create_record", {"table": "account", "values": {"name": "By an agent"}}),
        ("update_record", {"table": "account", "record_id": account, "values": {"revenue": 12.5}}),
        ("delete_record", {"table": "contact", "record_id": contact, "confirm": True}),
        ("qualify_lead", {"lead_id": lead, "create_opportunity": False}),
        ("close_opportunity", {"opportunity_id": deal, "outcome": "won"}),
        ("create_task", {"subject": "Call", "regarding_table": "account", "regarding_id": account}),
        ("add_note", {"table": "account", "record_id": account, "text": "Noted"}),
        ("resolve_case", {"case_id": case, "resolution": "Mended"}),
    ]  # fmt: skip


async def every_tool(agent: Client, calls: list[tuple[str, dict[str, Any]]]) -> None:
    tools = {each.name: each for each in (await agent.list_tools()).tools}
    assert tools.keys() == TOOLKIT.keys() == {name for name, _ in calls}
    for name, arguments in calls:
        result = await agent.call_tool(name, arguments)
        text = result.content[0].text
        assert not result.is_error, f"{name}: {text}"
        assert json.loads(text) == result.structured_content
        assert result.structured_content["success"] is True
        jsonschema.validate(result.structured_content, tools[name].output_schema)


@pytest.mark.parametrize("mode", AGES)
def test_every_tool_is_listed_and_called_over_standard_input(live: Live, mode: str) -> None:
    async def talk() -> None:
        async with over_stdio(live, mode, allow="delete") as agent:
            await every_tool(agent, calls)

    with direct(live) as client:
        calls = scenario(client)
    asyncio.run(talk())


@pytest.mark.parametrize("mode", AGES)
def test_every_tool_is_listed_and_called_over_http(live: Live, mode: str) -> None:
    async def talk(url: str) -> None:
        async with over_http(url, mode) as agent:
            await every_tool(agent, calls)

    with direct(live) as client:
        calls = scenario(client)
    with alone(live, "--allow", "delete") as url:
        asyncio.run(talk(url))


@pytest.mark.parametrize("mode", AGES)
def test_every_tool_is_listed_and_called_inside_of_the_server(writable: Live, mode: str) -> None:
    async def talk() -> None:
        address = f"{writable.https}/api/mcp"
        async with over_http(address, mode, bearer, trust(writable)) as agent:
            await every_tool(agent, calls)

    bearer = token(writable)
    with direct(writable) as client:
        calls = scenario(client)
    asyncio.run(talk())


async def only_reads(agent: Client, client: dynamics.Client) -> None:
    tools = (await agent.list_tools()).tools
    assert {each.name for each in tools} == READS
    assert all(each.annotations.read_only_hint for each in tools)
    for name, arguments in scenario(client):
        result = await agent.call_tool(name, arguments)
        assert result.is_error == (name not in READS), name
        if result.is_error:
            assert "this session may not" in result.content[0].text


@pytest.mark.parametrize("way", ["stdio", "http", "inside"])
def test_a_session_that_may_read_cannot_write(live: Live, way: str) -> None:
    async def talk(url: str | None, bearer: str | None = None) -> None:
        opened = over_stdio(live) if url is None else over_http(url, bearer=bearer, verify=trust(live))
        async with opened as agent:
            await only_reads(agent, client)

    mark = "By an agent"
    with direct(live) as client:
        before = client.query("account").where(dynamics.col("name") == mark).count()
        if way == "stdio":
            asyncio.run(talk(None))
        elif way == "http":
            with alone(live) as url:
                asyncio.run(talk(url))
        else:
            asyncio.run(talk(f"{live.https}/api/mcp", token(live)))
        assert client.query("account").where(dynamics.col("name") == mark).count() == before


def test_a_session_that_may_write_cannot_delete(live: Live) -> None:
    async def talk() -> None:
        async with over_stdio(live, allow="write") as agent:
            names = {each.name for each in (await agent.list_tools()).tools}
            assert names == TOOLKIT.keys() - {"delete_record"}
            result = await agent.call_tool(
                "delete_record", {"table": "contact", "record_id": contact, "confirm": True}
            )
            assert result.is_error
            assert "--allow delete" in result.content[0].text

    with direct(live) as client:
        contact = client.records.create("contact", {"lastname": "Stays"})
        asyncio.run(talk())
        assert client.records.find("contact", contact) is not None


def test_tools_say_what_they_do_to_the_world(live: Live) -> None:
    async def talk() -> None:
        async with over_stdio(live, allow="delete") as agent:
            for each in (await agent.list_tools()).tools:
                hints, action = each.annotations, TOOLKIT[each.name]
                assert (each.title, each.description) == (action.title, action.description)
                assert (each.input_schema, each.output_schema) == (action.input_schema, action.output_schema)
                assert hints.read_only_hint == action.reads
                assert hints.open_world_hint is False
            told = {each.name: each.annotations for each in (await agent.list_tools()).tools}
            assert told["delete_record"].destructive_hint
            assert told["update_record"].destructive_hint
            assert told["update_record"].idempotent_hint
            assert not told["create_record"].destructive_hint
            assert not told["create_record"].idempotent_hint

    asyncio.run(talk())


def test_errors_are_results_that_say_the_next_step(live: Live) -> None:
    async def talk() -> None:
        async with over_stdio(live, allow="write") as agent:
            for name, arguments, said in (
                ("get_account", {"account_id": "00000000-0000-4000-8000-000000000001"}, "Not found"),
                ("get_account", {}, "missing required field `account_id`"),
                ("list_accounts", {"records_per_page": 9999}, "<= 5000"),
                ("no_such_tool", {}, "There are: create_appointment"),
                (
                    "create_appointment",
                    {**asked, "required_attendee_email": "x@y"},
                    "No user has the e-mail address",
                ),
            ):
                result = await agent.call_tool(name, arguments)
                assert result.is_error
                assert said in result.content[0].text, name

    times = {"scheduledstart": "2026-05-01T10:00:00Z", "scheduledend": "2026-05-01T11:00:00Z"}
    with direct(live) as client:
        account = client.records.create("account", {"name": "For errors"})
    asked = {"subject": "x", "regarding_account_id": account, **times}
    asyncio.run(talk())


def test_an_answer_that_is_too_large_is_refused_and_smaller_ones_lead_through_all_rows(live: Live) -> None:
    async def talk() -> None:
        client = dynamics.AsyncClient(live.https, secret(live), verify=trust(live))
        async with client, Client(make_server(lambda request: client, max_answer=4096)) as agent:
            refused = await agent.call_tool("list_accounts", {"filter": f"address1_city eq '{city}'"})
            assert refused.is_error
            assert "fewer" in refused.content[0].text
            names, cursor = [], None
            query = f"SELECT name FROM account WHERE address1_city = '{city}' ORDER BY name"
            while not names or cursor:
                more = {"cursor": cursor} if cursor else {}
                result = await agent.call_tool(
                    "read_query", {"querytext": query, "records_per_page": 10, **more}
                )
                assert not result.is_error
                names += [row["name"] for row in result.structured_content["rows"]]
                cursor = result.structured_content["next_cursor"]
            assert names == sorted(f"Row {number:02}" for number in range(25))

    city = f"Town {dynamics.new_id()}"
    with direct(live) as client:
        rows = [{"name": f"Row {number:02}", "address1_city": city} for number in range(25)]
        client.bulk.create("account", rows)
    asyncio.run(talk())


def test_inside_of_the_server_agents_act_as_whoever_their_token_is_of(writable: Live) -> None:
    async def talk(bearer: str) -> dict[str, Any]:
        async with over_http(f"{writable.https}/api/mcp", bearer=bearer, verify=trust(writable)) as agent:
            made = await agent.call_tool("create_record", {"table": "account", "values": {"name": "Whose?"}})
            found = await agent.call_tool(
                "get_record", {"table": "account", "record_id": made.structured_content["record_id"]}
            )
            record: dict[str, Any] = found.structured_content["record"]
            return record

    admin = dynamics.Password(username=ADMIN_UPN, password=ADMIN_PASSWORD)
    by_person = asyncio.run(talk(token(writable, admin)))
    by_application = asyncio.run(talk(token(writable)))
    assert by_person["_createdby_value@label"] == "Orgstead Administrator"
    assert by_application["_createdby_value@label"].startswith("#")


def test_inside_of_the_server_nobody_comes_in_without_a_token(live: Live) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with httpx2.Client(verify=trust(live), base_url=live.https) as http:
        for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic eDp5"}):
            answer = http.post("/api/mcp", json=body, headers=headers)
            assert answer.status_code == 401
            assert "authorization_uri=" in answer.headers["WWW-Authenticate"]
            assert "tools" not in answer.text
        good = {"Authorization": f"Bearer {token(live)}"}
        assert http.get("/api/mcp", headers=good).status_code == 405
        assert http.post("/api/mcp", content=b"x" * (2 * 1024 * 1024), headers=good).status_code == 413
        accepted = good | {"Accept": "application/json, text/event-stream"}
        assert http.post("/api/mcp", json={"no": "rpc"}, headers=accepted).status_code == 400


HOSTILE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b"null",
    b'"x"',
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":{"search_term":"\\ud800"}}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search","arguments":[]}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}',
    b'{"jsonrpc":"2.0","id":1e400,"method":"tools/list"}',
    b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
    b'{"jsonrpc":"2.0","id":1,"method":"no/such"}',
    b'{"jsonrpc":"1.0","id":1,"method":"tools/list"}',
    b'[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]',
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_accounts","arguments":{"records_per_page":'
    + b"9" * 4000
    + b"}}}",
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:40]))
@pytest.mark.parametrize("version", [None, "2025-11-25", "2026-07-28", "x" * 3000])
def test_what_is_no_request_of_the_protocol_is_refused_in_order(
    live: Live, body: bytes, version: str | None
) -> None:
    headers = {
        "Authorization": f"Bearer {token(live)}", "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        **({"MCP-Protocol-Version": version} if version else {}),
    }  # fmt: skip
    answer = httpx2.post(f"{live.http}/api/mcp", content=body, headers=headers, timeout=30)
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200:
        said = answer.json()
        assert "error" in said or said["result"].get("isError"), said


def test_agents_can_be_kept_out(tmp_path: Path) -> None:
    with served(tmp_path, mcp="off") as (found, _), httpx2.Client() as http:
        assert http.post(f"{found.http}/api/mcp", json={}).status_code == 404


def test_alone_over_http_a_token_of_the_callers_own_wins_and_pages_are_kept_out(live: Live) -> None:
    async def whose(url: str, bearer: str | None) -> str:
        async with over_http(url, bearer=bearer) as agent:
            made = await agent.call_tool("create_record", {"table": "account", "values": {"name": "Whose?"}})
            id = made.structured_content["record_id"]
            found = await agent.call_tool("get_record", {"table": "account", "record_id": id})
            name: str = found.structured_content["record"]["_createdby_value@label"]
            return name

    admin = token(live, dynamics.Password(username=ADMIN_UPN, password=ADMIN_PASSWORD))
    with alone(live, "--allow", "write") as url:
        assert asyncio.run(whose(url, admin)) == "Orgstead Administrator"
        assert asyncio.run(whose(url, None)).startswith("#")
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        accepted = {"Accept": "application/json, text/event-stream"}
        for hostile in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}):
            assert httpx2.post(url, json=body, headers=accepted | hostile).status_code in (403, 421)
        refused = httpx2.post(url, json=body, headers=accepted | {"Authorization": "Basic x"})
        assert refused.status_code == 401
        assert httpx2.get(url.replace("/mcp", "/")).status_code == 404


def test_the_eleven_alone_can_be_given(live: Live) -> None:
    async def talk() -> None:
        environment = {**live.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        arguments = command(live, "--tools", "eleven", "--allow", "write")
        server = StdioServerParameters(command=sys.executable, args=arguments, env=environment)
        async with Client(server) as agent:
            assert {each.name for each in (await agent.list_tools()).tools} == {each.name for each in ELEVEN}

    asyncio.run(talk())
