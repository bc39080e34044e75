"""The real commands against a live server: in this process, or in one of their own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orgstead.cli import main
from tests.live import Live, live

__all__ = ["Live", "Run", "Said", "live"]

# What says where to connect; a test gives what it means.
NOTHING = dict.fromkeys(
    (
        "DATAVERSE_URL", "DATAVERSE_CONNECTION_STRING", "POWER_PLATFORM_URL", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET",
        "AZURE_CLIENT_ID", "ORGSTEAD_TOKEN", "ORGSTEAD_PROFILE",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The failure that a command said as JSON."""
        found: dict[str, Any] = json.loads(self.err)["error"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Runs commands with profiles of their own in ``place``."""

    place: Path

    def __call__(self, *arguments: str, given: str | bytes | None = None, **environment: str) -> Said:
        """Run a command; ``given`` is its standard input."""
        done = CliRunner().invoke(main, arguments, input=given, env={**NOTHING, **self._own, **environment})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(code=done.exit_code, out=done.stdout, err=done.stderr)

    def good(self, *arguments: str, given: str | bytes | None = None, **environment: str) -> Said:
        """Run a command that succeeds."""
        said = self(*arguments, given=given, **environment)
        assert said.code == 0, said.err
        return said

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a command in a process of its own."""
        environment = {**options.pop("env", {}), **self._own}
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen([sys.executable, "-m", "orgstead", *arguments], env=environment, **options)

    @property
    def _own(self) -> dict[str, str]:
        return {"ORGSTEAD_CONFIG_DIR": str(self.place)}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Commands without a profile."""
    return Run(place=tmp_path / "profiles of this test")


@pytest.fixture(scope="session")
def signed(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Commands with a profile of the development application."""
    made = Run(place=tmp_path_factory.mktemp("signed"))
    made.good("auth", "create", "--dev", "--url", live.http)
    return made


@pytest.fixture
def account(signed: Run, request: pytest.FixtureRequest) -> str:
    """The id of an account of the test's own."""
    return signed.good("data", "create", "account", f"name={request.node.name}").out.strip()
