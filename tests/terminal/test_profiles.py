"""Profiles: made in every way to sign in, tried before they are kept, and never telling a secret."""

import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from orgstead.client import Credential, Retry, TokenStore
from orgstead.client.flow import Call, Flow, Pause, Request
from orgstead.client.tokens import Token, Where
from orgstead.identity.development import ADMIN_PASSWORD, ADMIN_UPN
from orgstead.terminal.kept import Kept
from orgstead.testing.plane import Plane
from tests.client.person import Person
from tests.terminal.conftest import Live, Run

DEAD = "http://localhost:9"


@pytest.fixture
def person(live: Live) -> Iterator[Person]:
    made = Person(live)
    yield made
    made.close()


def files(place: Path) -> list[Path]:
    return [each for each in place.rglob("*") if each.is_file()]


def test_a_profile_of_a_development_organisation_needs_no_more_than_the_address(run: Run, live: Live) -> None:
    said = run.good("auth", "create", "--dev", "--url", live.http)
    assert "Profile dev is kept and selected." in said.err
    (row,) = run.good("auth", "list", "--json").json
    assert (row["name"], row["url"], row["kind"], row["selected"]) == ("dev", live.http, "dev", True)
    told = run.good("auth", "who", "--json").json
    assert (told["url"], told["source"]) == (live.http, "profile dev")
    assert told["user_id"]
    assert told["user_id"] in run.good("auth", "who").out
    # It has no secret, so there is nothing to encrypt.
    assert [each.name for each in files(run.place)] == ["profiles.json"]


def test_a_secret_comes_from_standard_input_and_is_kept_encrypted(run: Run, live: Live) -> None:
    arguments = ("--url", live.http, "--client-id", live.client_id, "--client-secret", "-")
    said = run.good("auth", "create", "--name", "app", *arguments, given=f"{live.client_secret}\n")
    shown = [said, run.good("auth", "list"), run.good("auth", "list", "--json"), run.good("auth", "who")]
    assert run.good("data", "count", "account").out.strip().isdigit()
    assert not any(live.client_secret in each.out + each.err for each in shown)
    for each in files(run.place):
        assert live.client_secret.encode() not in each.read_bytes()
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
    for folder in (run.place, run.place / "profiles"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_person_signs_in_by_name_and_password(run: Run, live: Live) -> None:
    said = run.good(
        "auth", "create", "--url", live.https, "--ca", live.ca,
        "--username", ADMIN_UPN, "--password", "-", given=ADMIN_PASSWORD,
    )  # fmt: skip
    assert "as Orgstead Administrator" in said.err
    # The profile knows whom to trust.
    assert run.good("auth", "who", "--json").json["user_name"] == ADMIN_UPN
    assert all(ADMIN_PASSWORD.encode() not in each.read_bytes() for each in files(run.place))


def test_a_connection_string_and_the_environment_are_kept_as_such(run: Run, live: Live) -> None:
    text = (
        f"AuthType=ClientSecret;Url={live.http};ClientId={live.client_id};ClientSecret={live.client_secret}"
    )
    run.good("auth", "create", "--name", "text", "--connection-string", text)
    family = {"CLIENT_ID": live.client_id, "CLIENT_SECRET": live.client_secret}
    run.good("auth", "create", "--name", "around", "--url", live.http, "--from-environment", **family)
    assert run.good("auth", "who", "--json", "--profile", "text").json["source"] == "profile text"
    run.good("auth", "who", "--profile", "around", **family)
    alone = run("auth", "who", "--profile", "around")
    assert (alone.code, "CLIENT_ID" in alone.err) == (1, True)
    assert all(live.client_secret.encode() not in each.read_bytes() for each in files(run.place))


def test_a_person_stays_signed_in_by_a_code_for_another_device(run: Run, live: Live, person: Person) -> None:
    arguments = ("--url", live.https, "--ca", live.ca, "--device-code", "--name", "me")
    with run.start("auth", "create", *arguments, env=live.environment) as process:
        assert process.stderr is not None
        person.enters(process.stderr.readline())
        told = process.stderr.read()
    assert (process.returncode, "Profile me is kept" in told) == (0, True)
    # Another command signs in by the refresh token, with nobody to enter a code; and again, by the one that came then.
    for _ in range(2):
        assert run.good("auth", "who", "--json").json["user_name"] == ADMIN_UPN


def test_commands_at_one_time_share_a_refresh_token_that_works_once(
    run: Run, live: Live, person: Person
) -> None:
    arguments = ("--url", live.https, "--ca", live.ca, "--device-code", "--name", "me")
    with run.start("auth", "create", *arguments, env=live.environment) as process:
        assert process.stderr is not None
        person.enters(process.stderr.readline())
    secrets = TokenStore(run.place / "profiles" / "me")
    secrets.set("access token", None)
    several = [run.start("data", "count", "account", env=live.environment) for _ in range(3)]
    ends = [(*each.communicate(timeout=60), each.returncode) for each in several]
    assert [code for _, _, code in ends] == [0] * 3, ends
    # Nobody is asked where there is nobody: a sign-in that has ended ends the command.
    secrets.set("access token", None)
    (name,) = (each for each in decrypted(secrets) if each != "client secret")
    secrets.set(name, None)
    over = run("data", "count", "account", "--json")
    assert (over.code, over.error["code"]) == (1, "login_required")
    assert "auth create --replace" in over.error["hint"]


@dataclass(kw_only=True)
class Once(Credential):
    """A credential that may be asked one time among all that share ``asked``."""

    asked: list[str]

    def token(self, where: Where, retry: Retry) -> Flow[Token]:
        self.asked.append("asked")
        assert len(self.asked) == 1, "two have used the refresh token"
        yield Pause(0)
        return Token("fresh", time.time() + 3600)


def test_who_renews_a_token_keeps_others_waiting_who_then_take_it(tmp_path: Path) -> None:
    where, asked = Where(authority="https://a", tenant="t", resource="https://r"), list[str]()
    first, second = (
        Kept(inner=Once(asked=asked), store=TokenStore(tmp_path / "kept")).token(where, Retry()) for _ in "12"
    )

    def drive(flow: Flow[Token], until: type) -> str | None:
        step = next(flow)
        try:
            while not isinstance(step, until):
                step = flow.send(step.function() if isinstance(step, Call) else None)
        except StopIteration as end:
            found: str = end.value.value
            return found
        return None

    assert drive(first, Pause) is None  # and holds the lock
    found: list[str | None] = []
    other = threading.Thread(target=lambda: found.append(drive(second, Request)))
    other.start()
    other.join(0.2)
    assert (other.is_alive(), asked) == (True, ["asked"])
    assert drive(first, Request) == "fresh"
    other.join(30)
    assert (found, asked) == (["fresh"], ["asked"])


def decrypted(store: TokenStore) -> dict[str, str]:
    return store._read()


def test_a_token_that_is_kept_and_no_longer_taken_is_renewed_once(run: Run, live: Live) -> None:
    arguments = ("--client-id", live.client_id, "--client-secret", live.client_secret)
    run.good("auth", "create", "--url", live.http, *arguments)
    (name,) = (each["name"] for each in run.good("auth", "list", "--json").json)
    secrets = TokenStore(run.place / "profiles" / name)
    kept = secrets.get("access token")
    run.good("data", "count", "account")
    assert secrets.get("access token") == kept
    with Plane(live.http) as plane:
        try:
            plane.clock.advance(hours=3)
            run.good("data", "count", "account")
        finally:
            plane.clock.resume()
    assert secrets.get("access token") != kept
    secrets.set("access token", "no token at all")
    run.good("data", "count", "account")


def test_a_person_signs_in_with_the_browser(run: Run, live: Live, person: Person, tmp_path: Path) -> None:
    line = tmp_path / "address"
    os.mkfifo(line)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{line}"\n')
    browser.chmod(0o700)
    environment = {**live.environment, "BROWSER": f"{browser} %s"}
    with run.start("auth", "create", "--url", live.https, "--ca", live.ca, env=environment) as process:
        person.opens(line.read_text().strip())
        _, told = process.communicate(timeout=60)
    assert (process.returncode, "as Orgstead Administrator" in told) == (0, True), told
    assert run.good("auth", "list", "--json").json[0]["kind"] == "browser"
    run.good("auth", "who")


def test_what_does_not_sign_in_is_not_kept(run: Run, live: Live) -> None:
    arguments = (
        "auth",
        "create",
        "--url",
        live.http,
        "--client-id",
        live.client_id,
        "--client-secret",
        "wrong",
    )
    said = run(*arguments)
    assert (said.code, said.out) == (1, "")
    assert "AADSTS7000215" in said.err
    assert "Check the credentials" in said.err
    error = run(*arguments, "--json").error
    assert (error["code"], error["codes"]) == ("invalid_client", [7000215])
    gone = run("auth", "create", "--dev", "--url", DEAD, "--json")
    assert (gone.code, gone.error["code"]) == (1, "no_connection")
    assert run.good("auth", "list", "--json").json == []
    assert files(run.place) == []


def test_a_certificate_of_a_stranger_is_said_with_what_to_do(run: Run, live: Live) -> None:
    said = run("auth", "create", "--dev", "--url", live.https)
    assert (said.code, "--ca FILE" in said.err) == (1, True)
    said = run("auth", "create", "--dev", "--url", live.https, "--ca", __file__)
    assert (said.code, "cannot be read" in said.err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Which organisation?"),
        (("--url", DEAD, "--dev", "--device-code"), "one way to sign in"),
        (("--url", DEAD, "--client-secret", "x"), "Give --client-id"),
        (("--url", DEAD, "--certificate", "x.pem"), "Give --client-id"),
        (("--url", DEAD, "--password", "x"), "Give --username"),
    ],
)
def test_what_makes_no_sense_ends_with_two(run: Run, arguments: tuple[str, ...], said: str) -> None:
    refused = run("auth", "create", *arguments)
    assert (refused.code, said in refused.err) == (2, True), refused.err


@pytest.mark.parametrize("name", ["../other", "a/b", " ", "x.key", "-x", "n" * 65])
def test_the_name_of_a_profile_is_no_path(run: Run, live: Live, name: str) -> None:
    said = run("auth", "create", "--dev", "--url", live.http, f"--name={name}")
    assert (said.code, "is no name of a profile" in said.err) == (1, True)
    assert run("auth", "remove", "../profiles.json").code == 1


def test_tokens_go_over_http_to_loopback_alone_unless_allowed(run: Run) -> None:
    said = run("auth", "create", "--dev", "--url", "http://crm.example")
    assert (said.code, "plain http" in said.err) == (1, True)


def test_a_profile_is_selected_replaced_and_removed(run: Run, live: Live) -> None:
    for name in ("one", "two"):
        run.good("auth", "create", "--dev", "--url", live.http, "--name", name)
    assert run.good("auth", "who", "--json").json["source"] == "profile two"
    run.good("auth", "select", "one")
    assert run.good("auth", "who", "--json").json["source"] == "profile one"
    again = ("auth", "create", "--dev", "--url", live.http, "--name", "one")
    assert "--replace" in run(*again).err
    run.good(*again, "--replace")
    run.good("auth", "remove", "one")
    alone = run("auth", "who")
    assert (alone.code, "auth select NAME" in alone.err) == (1, True)
    assert "there are: two" in run("auth", "select", "one").err
    refused = run("auth", "clear")
    assert (refused.code, "--yes" in refused.err) == (2, True)
    run.good("auth", "clear", "--yes")
    assert run.good("auth", "list", "--json").json == []


def test_the_profile_is_the_one_that_was_named(run: Run, live: Live) -> None:
    run.good("auth", "create", "--dev", "--url", live.http, "--name", "here")
    run.good("auth", "create", "--dev", "--url", live.https, "--ca", live.ca, "--name", "safe")

    def source(*arguments: str, **environment: str) -> str:
        told: str = run.good("auth", "who", "--json", *arguments, **environment).json["source"]
        return told

    assert source() == "profile safe"
    assert source("--profile", "here") == "profile here"
    assert source(ORGSTEAD_PROFILE="here") == "profile here"
    assert source("--profile", "safe", ORGSTEAD_PROFILE="here") == "profile safe"
    assert source("--url", live.http) == "profile here"
    assert source(DATAVERSE_URL=live.https) == "profile safe"
    two = run("auth", "who", "--url", live.http, "--profile", "safe")
    assert (two.code, "leave out --url" in two.err) == (1, True)
    assert "there is no profile 'nope'" in run("auth", "who", "--profile", "nope").err.lower()


def test_between_two_organisations_nothing_is_guessed(run: Run, live: Live) -> None:
    run.good("auth", "create", "--dev", "--url", live.http)
    elsewhere = {"DATAVERSE_URL": "https://contoso.crm.dynamics.com", "CLIENT_ID": "x", "CLIENT_SECRET": "y"}
    said = run("data", "count", "account", **elsewhere)
    assert (said.code, "say which with --url or --profile" in said.err) == (1, True)
    run.good("data", "count", "account", "--profile", "dev", **elsewhere)


def test_without_a_profile_the_environment_says_where(run: Run, live: Live) -> None:
    nothing = run("data", "count", "account")
    assert (nothing.code, "DATAVERSE_URL" in nothing.err, "auth create" in nothing.err) == (1, True, True)
    for prefix in ("", "AZURE_", "POWER_PLATFORM_"):
        family = {f"{prefix}CLIENT_ID": live.client_id, f"{prefix}CLIENT_SECRET": live.client_secret}
        told = run.good("auth", "who", "--json", DATAVERSE_URL=live.http, **family).json
        assert told["source"] == "the environment"
    text = f"Url={live.http};ClientId={live.client_id};ClientSecret={live.client_secret}"
    assert run.good("auth", "who", "--json", DATAVERSE_CONNECTION_STRING=text).json["url"] == live.http
    assert run.good("data", "count", "account", "--connection-string", text).code == 0


def test_a_token_is_taken_until_it_expires(run: Run, live: Live) -> None:
    run.good("auth", "create", "--dev", "--url", live.http)
    form = {
        "grant_type": "client_credentials", "client_id": live.client_id,
        "client_secret": live.client_secret, "resource": live.http,
    }  # fmt: skip
    with Plane(live.http) as plane:
        token = a_token(live, form)
        told = run.good("auth", "who", "--json", "--token", token).json
        assert (told["url"], told["source"]) == (live.http, "a token")
        run.good("auth", "who", "--url", live.http, ORGSTEAD_TOKEN=token)
        try:
            plane.clock.advance(hours=3)
            said = run("auth", "who", "--token", token, "--json")
        finally:
            plane.clock.resume()
    assert (said.code, said.error["status"]) == (1, 401)
    assert said.error["request_id"]
    assert "auth create --replace" in said.error["hint"]


def a_token(live: Live, form: dict[str, str]) -> str:
    answer = httpx2.post(f"{live.http}/{live.tenant_id}/oauth2/token", data=form)
    token: str = answer.json()["access_token"]
    return token


def test_a_file_of_profiles_that_is_none_is_said_and_cleared(run: Run, live: Live) -> None:
    run.good("auth", "create", "--dev", "--url", live.http)
    path = run.place / "profiles.json"
    for content in ("", "[]", '{"profiles": {"a": 1}}', '{"profiles": {"a": {"url": "x"}}}', "\x00" * 10):
        path.write_text(content)
        for arguments in (("auth", "list"), ("data", "count", "account"), ("auth", "select", "a")):
            said = run(*arguments)
            assert (said.code, "auth clear" in said.err) == (1, True), said.err
    assert path.read_text() == "\x00" * 10
    run.good("auth", "clear", "--yes")
    run.good("auth", "create", "--dev", "--url", live.http)


def test_secrets_that_cannot_be_read_are_said(run: Run, live: Live) -> None:
    arguments = ("--url", live.http, "--client-id", live.client_id, "--client-secret", live.client_secret)
    run.good("auth", "create", "--name", "app", *arguments)
    secrets, key = run.place / "profiles" / "app", run.place / "profiles" / "app.key"
    kept = key.read_bytes()
    key.write_text("short")
    assert "32 bytes" in run("auth", "who").err
    key.unlink()
    assert "not written with this key" in run("auth", "who").err
    key.unlink(missing_ok=True)
    key.mkdir()
    said = run("auth", "who", "--json")
    assert (said.code, said.error["code"]) == (1, "file")
    key.rmdir()
    key.write_bytes(kept)
    run.good("auth", "who")
    secrets.unlink()
    assert "has no client secret" in run("auth", "who").err


def test_a_directory_that_cannot_be_written_is_said(live: Live, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = Run(place=tmp_path / "file" / "below")("auth", "create", "--dev", "--url", live.http)
    assert (said.code, "Not a directory" in said.err) == (1, True)


def test_actions_connect_by_the_same_profiles(run: Run, live: Live) -> None:
    assert "auth create" in run("actions", "run", "list_accounts").err
    run.good("auth", "create", "--dev", "--url", live.http)
    assert run.good("actions", "run", "list_accounts", "records_per_page=2").json["success"] is True


def test_a_user_acts_for_another(run: Run, live: Live) -> None:
    run.good(
        "auth", "create", "--url", live.http, "--authority", live.https, "--ca", live.ca,
        "--username", ADMIN_UPN, "--password", ADMIN_PASSWORD,
    )  # fmt: skip
    me = run.good("auth", "who", "--json").json["user_id"]
    other = run.good(
        "data", "query", "systemuser", "--filter", f"systemuserid ne {me} and isdisabled eq false",
        "--select", "systemuserid", "--top", "1", "--json",
    ).json[0]["systemuserid"]  # fmt: skip
    assert run.good("auth", "who", "--json", "--as", other).json["user_id"] == other
