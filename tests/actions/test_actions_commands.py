"""``orgstead actions`` and ``orgstead mcp`` as a person types them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orgstead.actions import TOOLKIT
from orgstead.cli import main
from tests.actions.conftest import ADMIN_UPN
from tests.client.conftest import secret
from tests.live import Live, live

__all__ = ["live"]

NOTHING = dict.fromkeys(
    ("DATAVERSE_URL", "CLIENT_ID", "CLIENT_SECRET", "ORGSTEAD_TOKEN", "DATAVERSE_CONNECTION_STRING")
)


def run(*arguments: str, given: str | None = None, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, input=given, env={**NOTHING, **environment})


def options(live: Live) -> tuple[str, ...]:
    return ("--url", live.http, "--client-id", live.client_id, "--client-secret", live.client_secret)


def test_actions_are_listed_and_described() -> None:
    listed = run("actions", "list").output
    assert [line.split()[0] for line in listed.splitlines()] == list(TOOLKIT)
    assert [each["name"] for each in json.loads(run("actions", "list", "--json").output)] == list(TOOLKIT)
    told: dict[str, Any] = json.loads(run("actions", "describe", "create_appointment").output)
    assert told["input_schema"] == TOOLKIT["create_appointment"].input_schema
    assert told["output_schema"] == TOOLKIT["create_appointment"].output_schema
    refused = run("actions", "describe", "nope")
    assert (refused.exit_code, "actions list" in refused.output) == (1, True)


def test_an_action_is_run_with_arguments_of_every_kind(live: Live) -> None:
    done = run(
        "actions", "run", "list_accounts", "records_per_page=2", "filter=statecode eq 0", *options(live)
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)["accounts"]
    assert len(found) == 2
    id = found[0]["accountid"]
    asked = {
        "subject": "From a terminal", "regarding_account_id": id, "required_attendee_email": ADMIN_UPN,
        "scheduledstart": "2026-05-01T10:00:00Z", "scheduledend": "2026-05-01T11:00:00Z",
    }  # fmt: skip
    done = run(
        "actions", "run", "create_appointment", "--input", "-", *options(live), given=json.dumps(asked)
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["appointment"]["subject"] == "From a terminal"
    done = run("actions", "run", "create_record", "table=account", 'values={"name": "1"}', *options(live))
    assert done.exit_code == 0, done.output


def test_an_action_that_fails_ends_with_one_and_says_why(live: Live) -> None:
    done = run("actions", "run", "get_account", "account_id=1", *options(live))
    assert done.exit_code == 1
    assert json.loads(done.output)["success"] is False
    for arguments, said in (
        (("nope",), "There is no action"),
        (("get_account", "account_id"), "name=value"),
        (("list_accounts", "--input", "-"), "JSON object"),
    ):
        refused = run("actions", "run", *arguments, *options(live), given="[1]")
        assert (refused.exit_code, said in refused.output) == (1, True), refused.output


def test_the_environment_and_connection_strings_connect(live: Live) -> None:
    credential = secret(live)
    done = run(
        "actions", "run", "list_accounts",
        DATAVERSE_URL=live.http, CLIENT_ID=credential.client_id, CLIENT_SECRET=credential.client_secret,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    text = (
        f"AuthType=ClientSecret;Url={live.http};ClientId={live.client_id};ClientSecret={live.client_secret}"
    )
    assert run("actions", "run", "list_accounts", "--connection-string", text).exit_code == 0
    for arguments, said in (((), "DATAVERSE_URL"), (("--token", "x"), "which organisation")):
        refused = run("actions", "run", "list_accounts", *arguments)
        assert (refused.exit_code, said in refused.output) == (1, True), refused.output


@pytest.mark.parametrize("address", ["8000", "localhost:", "localhost:x", ":8000", "h:99999"])
def test_an_address_of_http_is_a_host_and_a_port(live: Live, address: str) -> None:
    refused = run("mcp", *options(live), "--http", address)
    assert (refused.exit_code, "HOST:PORT" in refused.output) == (1, True)


def test_agents_need_an_organisation(tmp_path: Path) -> None:
    assert "DATAVERSE_URL" in run("mcp").output
    assert "Which organisation?" in run("mcp", "--http", "127.0.0.1:0").output
    assert "Invalid value for '--allow'" in run("mcp", "--allow", "everything").output
