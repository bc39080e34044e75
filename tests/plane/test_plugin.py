"""The plugin of pytest, in runs of pytest of their own."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parent.parent.parent
PLUGIN = "orgstead.testing.pytest_plugin"

HELPERS = """
import httpx2

def call(orgstead, method, path, **more):
    headers = {"Authorization": f"Bearer {orgstead.token()}"}
    return httpx2.request(method, f"{orgstead.url}/api/data/v9.2/{path}", headers=headers, **more)

def names(orgstead):
    return sorted(row["name"] for row in call(orgstead, "GET", "accounts?$select=name").json()["value"])
"""


def run(directory: Path, *arguments: str, **files: str) -> tuple[int, str]:
    """Run pytest over files in a directory; how it ended, and what it said."""
    (directory / "helpers.py").write_text(HELPERS, "utf-8")
    (directory / "pytest.ini").write_text(files.pop("ini", "[pytest]\n"), "utf-8")
    for name, text in files.items():
        (directory / f"{name}.py").write_text(dedent(text), "utf-8")
    # Whether the plugin's entry point is installed here or not, it is loaded once.
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:orgstead",
        "-p",
        PLUGIN,
        "-p",
        "no:cacheprovider",
        "-q",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(directory)])}
    done = subprocess.run(
        [*command, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=110
    )
    return done.returncode, done.stdout + done.stderr


def test_the_distribution_brings_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"orgstead": PLUGIN}


def test_a_run_that_wants_no_organisation_loads_nothing_of_it(tmp_path: Path) -> None:
    test = """
    import sys

    def test_nothing():
        assert not {"orgstead.testing.plane", "orgstead.app", "httpx2"} & set(sys.modules)
    """
    code, said = run(tmp_path, "-p", "no:xdist", "-p", "no:randomly", test_nothing=test)
    assert code == 0, said


def test_each_test_finds_the_organisation_as_it_was_at_the_start(tmp_path: Path) -> None:
    tests = """
    import os
    import ssl
    from datetime import datetime, timezone

    import httpx2
    import pytest

    from helpers import call, names

    @pytest.fixture(scope="session")
    def orgstead_prepare(orgstead_server):
        call(orgstead_server, "POST", "accounts", json={"name": "Prepared"}).raise_for_status()

    @pytest.mark.parametrize("number", range(3))
    def test_rows_do_not_outlive_a_test(orgstead, number):
        assert names(orgstead) == ["Prepared"]
        call(orgstead, "POST", "accounts", json={"name": f"Made {number}"})
        assert names(orgstead) == [f"Made {number}", "Prepared"]

    @pytest.mark.parametrize("number", range(2))
    def test_clock_faults_and_log_do_not_outlive_a_test(orgstead, number):
        assert abs((orgstead.clock.now() - datetime.now(timezone.utc)).total_seconds()) < 60
        assert orgstead.faults.listed() == orgstead.requests(path="/api/data/") == []
        orgstead.clock.set("2031-01-01T00:00:00", frozen=True)
        assert orgstead.clock.advance(days=1, hours=1) == datetime(2031, 1, 2, 1, tzinfo=timezone.utc)
        call(orgstead, "POST", "accounts", json={"name": "Then"}).raise_for_status()
        rows = call(orgstead, "GET", "accounts?$select=createdon&$filter=name eq 'Then'").json()["value"]
        assert [row["createdon"] for row in rows] == ["2031-01-02T01:00:00Z"]
        orgstead.faults.add(status=503, count=1, retry_after=2)
        answer = call(orgstead, "GET", "accounts")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert [row["status"] for row in orgstead.requests(path="/accounts", limit=1)] == [503]
        assert orgstead.faults.listed()[0]["spent"]

    def test_a_snapshot_within_a_test(orgstead):
        orgstead.seed(accounts=5)
        orgstead.snapshot.save("five")
        orgstead.seed(accounts=5, random=2)
        assert len(names(orgstead)) == 11
        orgstead.snapshot.restore("five")
        assert len(names(orgstead)) == 6

    def test_https_and_what_the_environment_has(orgstead, monkeypatch):
        for name, value in orgstead.env.items():
            monkeypatch.setenv(name, value)
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        headers = {"Authorization": f"Bearer {orgstead.token()}"}
        url = f"{os.environ['DATAVERSE_URL']}/api/data/v9.2/WhoAmI"
        assert httpx2.get(url, headers=headers, verify=context).status_code == 200
        assert orgstead.ca.is_file()

    def test_what_the_plane_refuses_is_an_exception(orgstead):
        with pytest.raises(Exception, match="There is no snapshot 'no'"):
            orgstead.snapshot.restore("no")
    """
    code, said = run(tmp_path, "-p", "no:xdist", test_all=tests)
    assert code == 0, said
    assert "8 passed" in said


def test_microsofts_own_credential_signs_in_with_the_environment(tmp_path: Path) -> None:
    test = """
    from azure.identity import EnvironmentCredential
    import requests

    def test_credential(orgstead, monkeypatch):
        for name, value in orgstead.env.items():
            monkeypatch.setenv(name, value)
        credential = EnvironmentCredential(disable_instance_discovery=True)
        token = credential.get_token(f"{orgstead.https_url}/.default").token
        url = f"{orgstead.https_url}/api/data/v9.2/WhoAmI"
        assert requests.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    """
    code, said = run(tmp_path, "-p", "no:xdist", test_credential=test)
    assert code == 0, said


def test_workers_of_xdist_have_a_server_each(tmp_path: Path) -> None:
    tests = """
    import pytest
    from helpers import call, names

    @pytest.mark.parametrize("number", range(8))
    def test_alone(orgstead, number, worker_id, tmp_path_factory):
        assert names(orgstead) == []
        for _ in range(3):
            call(orgstead, "POST", "accounts", json={"name": worker_id})
        assert names(orgstead) == [worker_id] * 3
        (tmp_path_factory.getbasetemp().parent / f"{worker_id}-{orgstead.url.rpartition(':')[2]}").touch()

    def test_and_who_was_there(orgstead, tmp_path_factory):
        pass
    """
    code, said = run(tmp_path, "-n", "2", "--basetemp", str(tmp_path / "temp"), test_workers=tests)
    assert code == 0, said
    assert "9 passed" in said
    seen = {path.name.partition("-")[::2] for path in (tmp_path / "temp").glob("gw*-*")}
    assert {worker for worker, _ in seen} == {"gw0", "gw1"}
    assert len({port for _, port in seen}) == 2


def test_options_of_the_server_come_from_the_settings(tmp_path: Path) -> None:
    test = """
    from helpers import names

    def test_sample(orgstead):
        assert len(names(orgstead)) > 5
    """
    ini = "[pytest]\norgstead_args = --sample\n"
    code, said = run(tmp_path, "-p", "no:xdist", ini=ini, test_sample=test)
    assert code == 0, said


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    test = """
    def test_never(orgstead):
        raise AssertionError
    """
    ini = "[pytest]\norgstead_args = --database-url mysql://x\n"
    code, said = run(tmp_path, "-p", "no:xdist", ini=ini, test_never=test)
    assert code == 1
    assert "postgresql://" in said
    assert "Fatal Python error" not in said


def test_no_server_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    test = """
    import os
    import signal

    def test_end(orgstead):
        print(orgstead.url, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    code, said = run(tmp_path, "-s", "-p", "no:xdist", test_end=test)
    assert code < 0
    (url,) = [word for word in said.split() if word.startswith("http://")]
    port = int(url.rpartition(":")[2])
    # It ends in its own time.
    for _ in range(100_000):
        if not listens(port):
            return
    raise AssertionError("the server is still there")


def listens(port: int) -> bool:
    """Whether somebody takes connections on a port of this machine."""
    try:
        subprocess.run([sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"],
                       check=True, capture_output=True)  # fmt: skip
    except subprocess.CalledProcessError:
        return False
    return True
