"""Settings: where they come from, what is refused, what is hidden."""

from pathlib import Path

import pytest

from orgstead.config import Config, ConfigError, read_config, redacted

REAL = {"ORGSTEAD_DEV": "false", "ORGSTEAD_ADMIN_PASSWORD": "a password"}


def test_an_option_wins_over_the_environment_and_that_over_the_default() -> None:
    environment = {"ORGSTEAD_HTTP_PORT": "8080", "ORGSTEAD_LOG_LEVEL": "debug"}
    config = read_config({"http_port": 9090, "log_level": None}, environment)
    assert (config.http_port, config.log_level, config.https_port) == (9090, "debug", 5366)


def test_a_variable_may_name_a_file_that_holds_the_value(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from the file\n", "utf-8")
    config = read_config({}, {"ORGSTEAD_DEV": "false", "ORGSTEAD_ADMIN_PASSWORD_FILE": str(secret)})
    assert config.admin_password == "from the file"
    with pytest.raises(ConfigError, match="ORGSTEAD_ADMIN_PASSWORD_FILE"):
        read_config({}, {"ORGSTEAD_ADMIN_PASSWORD_FILE": str(tmp_path / "missing")})


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ORGSTEAD_HOST": "0.0.0.0"}, "Development mode"),
        ({"ORGSTEAD_HOST": "crm.example.org"}, "Development mode"),
        ({"ORGSTEAD_DEV": "false"}, "ORGSTEAD_ADMIN_PASSWORD"),
        ({"ORGSTEAD_DEV": "false", "ORGSTEAD_CLIENT_ID": "x"}, "ORGSTEAD_CLIENT_SECRET"),
        ({"ORGSTEAD_DEV": "maybe"}, "true or false"),
        ({"ORGSTEAD_HTTP_PORT": "many"}, "whole number"),
        ({"ORGSTEAD_HTTP_PORT": "70000"}, "65535"),
        ({"ORGSTEAD_TENANT_ID": "mine"}, "GUID"),
        ({"ORGSTEAD_LOG_FORMAT": "xml"}, "console or json"),
        ({"ORGSTEAD_LIMITS": "dynamics"}, "limits must be one of auto, on, count, off"),
        ({"ORGSTEAD_LIMIT_REQUESTS": "10000001"}, "limit_requests must be between 0 and 10000000"),
        ({"ORGSTEAD_LIMIT_CONCURRENT": "-1"}, "ORGSTEAD_LIMIT_CONCURRENT must be a whole number"),
        ({"ORGSTEAD_LIMIT_WINDOW_SECONDS": "0"}, "limit_window_seconds must be between 1 and 86400"),
        ({"ORGSTEAD_LIMIT_EXEMPT": "somebody"}, "limit_exempt must be GUIDs"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_config({}, environment)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "crm.localhost", "127.1.2.3"])
def test_development_mode_is_for_loopback(host: str) -> None:
    assert Config(host=host).dev


def test_outside_development_mode_any_address_may_be_listened_on() -> None:
    assert read_config({"host": "0.0.0.0"}, REAL).host == "0.0.0.0"


def test_secrets_are_hidden_where_settings_are_shown() -> None:
    config = read_config(
        {}, {**REAL, "ORGSTEAD_CLIENT_SECRET": "s3cret", "ORGSTEAD_DATABASE_URL": "postgresql://u:pw@h/d"}
    )
    shown = repr(redacted(config))
    assert not any(secret in shown for secret in ("a password", "s3cret", "pw@h"))
    assert redacted(config)["client_id"] is None


def test_lists_are_separated_by_commas() -> None:
    config = read_config({}, {"ORGSTEAD_TLS_HOSTS": "a.example, b.example,"})
    assert config.tls_hosts == ("a.example", "b.example")
