"""The commands, as a person types them."""

import base64
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orgstead import __version__
from orgstead.app import open_organisation
from orgstead.cli import main
from orgstead.config import Config
from orgstead.engine.subscriptions import opens, read_keys
from orgstead.identity.development import CLIENT_ID


def run(*arguments: str, environment: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def rows(data: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(data / "organisation.sqlite")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_help_names_every_command() -> None:
    said = run("--help").output
    for name in ("serve", "init", "seed", "certs", "token", "keys", "config", "version"):
        assert f"\n  {name} " in said


def test_the_version_is_printed() -> None:
    assert run("version").output.strip() == __version__


def test_an_organisation_is_made_once_and_seeded_the_same_each_time(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two", "three"):
        data = tmp_path / name
        assert run("init", "--data", str(data)).exit_code == 0
        assert run("init", "--data", str(data)).exit_code == 0
        random = "2" if name == "three" else "1"
        asked = ("seed", "--data", str(data), "--accounts", "30", "--contacts", "20", "--random", random)
        done = run(*asked)
        assert done.exit_code == 0, done.output
        made.append(
            (
                rows(data, "SELECT name, accountnumber, revenue, address1_city FROM account ORDER BY 1, 2"),
                rows(data, "SELECT fullname, emailaddress1 FROM contact ORDER BY 1, 2"),
            )
        )
    assert (len(made[0][0]), len(made[0][1])) == (30, 20)
    assert made[0] == made[1]
    assert made[0] != made[2]


def test_a_token_is_one_of_the_development_application(tmp_path: Path) -> None:
    # Where no organisation is, a token would be one that no server takes.
    refused = run("token", "--data", str(tmp_path), "--url", "http://localhost:9999")
    assert (refused.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert "There is no organisation" in refused.output
    run("init", "--data", str(tmp_path))
    done = run("token", "--data", str(tmp_path), "--url", "http://localhost:9999")
    assert done.exit_code == 0, done.output
    payload = done.output.strip().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["appid"], claims["aud"]) == (CLIENT_ID, "http://localhost:9999")


def test_certificates_are_made_and_their_authority_is_told(tmp_path: Path) -> None:
    said = run("certs", "--data", str(tmp_path)).output
    authority = tmp_path / "certificates" / "ca.pem"
    assert authority.is_file()
    assert f"export SSL_CERT_FILE={authority}" in said
    assert "It is new" not in run("certs", "--data", str(tmp_path)).output


def test_settings_are_shown_without_secrets_and_checked() -> None:
    environment = {"ORGSTEAD_CLIENT_SECRET": "s3cret", "ORGSTEAD_HTTP_PORT": "8081"}
    said = run("config", "show", environment=environment).output
    assert "http_port = 8081" in said
    assert "s3cret" not in said
    assert run("config", "check").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (("init",), {"ORGSTEAD_HOST": "0.0.0.0"}, "Development mode"),
        (("config", "check"), {"ORGSTEAD_DEV": "false"}, "ORGSTEAD_ADMIN_PASSWORD"),
        (("token", "--no-dev"), {"ORGSTEAD_ADMIN_PASSWORD": "x"}, "token endpoint"),
        (("seed", "--accounts", "-1"), {}, "--accounts"),
        (("init", "--database-url", "mysql://x"), {}, "postgresql://"),
        (("init", "--database-url", "postgresql://127.0.0.1:1/nothing"), {}, "PostgreSQL"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_not_in_a_traceback(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = run(*arguments, environment={"ORGSTEAD_DATA": str(tmp_path), **environment})
    assert done.exit_code != 0
    assert said in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output


def test_a_directory_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory", "utf-8")
    done = run("init", "--data", str(tmp_path / "file" / "below"))
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit), done.exception


def test_commands_work_on_postgresql(tmp_path: Path, new_postgres_database: Callable[[], str]) -> None:
    common = ("--data", str(tmp_path), "--database-url", new_postgres_database())
    for command in (("init",), ("seed", "--accounts", "5"), ("token",)):
        done = run(*command, *common)
        assert done.exit_code == 0, done.output


def test_subscription_keys_are_shown_once_and_renewed_one_by_one(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    shown = run("keys", "show-once", *data)
    made = dict(line.split() for line in shown.output.splitlines())
    assert list(made) == ["primary", "secondary"]
    assert {len(key) for key in made.values()} == {64}
    again = run("keys", "show-once", *data)
    assert again.exit_code == 1
    assert not any(key in again.output for key in made.values())
    renewed = run("keys", "rotate", "primary", *data).output.strip()
    organisation = open_organisation(Config(data=str(tmp_path)))
    try:
        with organisation.store.read() as unit:
            kept = read_keys(unit)
    finally:
        organisation.close()
    assert [opens(kept, key) for key in (renewed, made["secondary"], made["primary"])] == [True, True, False]
    assert run("keys", "rotate", "third", *data).exit_code == 2
