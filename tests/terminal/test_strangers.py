"""What a server says that is no friend of the terminal."""

import json

from tests.stranger import strange
from tests.terminal.conftest import Run


def test_a_message_does_not_steer_the_terminal(run: Run) -> None:
    with strange() as stranger:
        stranger.status = 400
        message = "bad \x1b]0;owned\x07\x1b[2J\x9b31m\nnext line"
        stranger.body = json.dumps({"error": {"code": "0x1\x1b[31m", "message": message}}).encode()
        said = run("api", "request", "GET", "accounts", "--url", stranger.url, "--token", "t")
        assert said.code == 1
        assert said.err.replace("\n", "").isprintable()
        assert "next line" in said.err


def test_a_page_of_a_proxy_is_said_to_be_none_of_the_web_api(run: Run) -> None:
    with strange() as stranger:
        stranger.body = b"<html>Sign in</html>"
        said = run("data", "query", "account", "--url", stranger.url, "--token", "t")
        assert said.code == 1
        assert "none of the Web API" in said.err
