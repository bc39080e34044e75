"""The packages dynamics-web-api and @odata/client on Node, against a live server over TLS: scripts are in ``js``."""

import subprocess
from pathlib import Path

import pytest

from tests.vendor.conftest import Live

SCRIPTS = Path(__file__).parent / "js"


@pytest.mark.parametrize("script", sorted(path.name.split(".")[0] for path in SCRIPTS.glob("*.test.mjs")))
def test_dynamics_web_api(live: Live, script: str) -> None:
    environment = {
        **live.environment,
        "LIVE_URL": live.https,
        "LIVE_HTTP": live.http,
        "LIVE_TENANT": live.tenant_id,
        "LIVE_CLIENT": live.client_id,
        "LIVE_SECRET": live.client_secret,
    }
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", f"{script}.test.mjs"],
        cwd=SCRIPTS, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
