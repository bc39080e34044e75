"""A server that is told to end, and whatever it is waiting for."""

import signal
import threading
from pathlib import Path

import pytest

from tests.live import served
from tests.receiver import receiving
from tests.web.hostile import API
from tests.web.test_crash_deliveries import Organisation

STEP = """
import pathlib
import time
from orgstead import extensions as org


@org.step("Create", "contact")
def endless(event):
    pathlib.Path({marker!r}).touch()
    time.sleep(3600)
"""


@pytest.mark.parametrize("what", ["function", "endpoint"])
def test_a_server_ends_whatever_a_step_waits_for(what: str, tmp_path: Path) -> None:
    steps, marker, going = tmp_path / "steps", tmp_path / "begun", threading.Event()
    steps.mkdir()
    (steps / "endless.py").write_text(STEP.format(marker=str(marker)))
    data = tmp_path / "data"
    data.mkdir()
    answers: list[int] = []
    with receiving() as receiver, served(data, extensions=str(steps)) as (live, server):
        organisation = Organisation(live)
        receiver.answer = lambda post: 200 if going.wait(60) else 500
        if what == "endpoint":
            organisation.register(receiver.url, mode=0)
        table, body = ("contacts", {"lastname": "X"}) if what == "function" else ("accounts", {"name": "X"})

        def write() -> None:
            answer = organisation.session.post(f"{live.http}{API}{table}", json=body, timeout=60)
            answers.append(answer.status_code)

        writer = threading.Thread(target=write)
        writer.start()
        if what == "function":
            while not marker.exists():
                pass
        else:
            receiver.wait(1)
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0
        writer.join()
        going.set()
    # Nothing has been done, and trying again may help.
    assert answers == [503]
    with served(data) as (live, _):
        again = Organisation(live)
        assert again.get(f"{table}?$top=1") == []
