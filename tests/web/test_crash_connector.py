"""A server that is killed again and again while files come in and are worked on.

Every file that was acknowledged is processed to its end, and none of its rows is written twice: rows without a number
get one, so that each time a row is written makes another row.
"""

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.live import Live, served
from tests.web.hostile import API
from tests.web.test_crash_deliveries import Organisation, signed_in

KILLS = 5
SENDERS = 3
FILES_AT_MOST = 12
# Some files are worked on in several pieces.
SIZES = (1, 40, 40, 2500, 4500)
SECONDS = 30
ENTITY = "Demand%20forecast%20entries"


class Sender:
    """A client that sends files until its server is gone."""

    def __init__(self, live: Live, token: str, job: str, sent: dict[str, tuple[str, int]], seed: int) -> None:
        self.url = f"{live.http}/api/connector/enqueue/{job}?entity={ENTITY}&company=usmf"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"
        self.sent = sent
        self.random = random.Random(seed)

    def run(self, goal: threading.Semaphore) -> None:
        """Send until the connection breaks; every answer releases the goal once."""
        try:
            while True:
                mark, count = f"{self.random.getrandbits(60):015x}", self.random.choice(SIZES)
                rows = "".join(f"Current,{mark},2026-03-01,{n}\r\n" for n in range(count))
                data = f"FORECASTMODELID,ITEMNUMBER,FORECASTSTARTDATE,FORECASTEDQUANTITY\r\n{rows}"
                answer = self.session.post(self.url, data=data.encode(), timeout=SECONDS)
                assert answer.status_code == 200, answer.text
                self.sent[answer.json()] = (mark, count)
                goal.release()
        except requests.RequestException:
            # Killed: what was under way may or may not be there.
            for _ in range(FILES_AT_MOST):
                goal.release()


def prepared(live: Live) -> str:
    """A company and a recurring data job; its id."""
    organisation = Organisation(live)
    organisation.post("finops_legalentities", {"legalentityid": "usmf", "name": "Contoso"})
    project = organisation.post("orgstead_dataprojects", {"name": "Forecasts", "operation": 1})
    tied: dict[str, Any] = {"projectid@odata.bind": f"orgstead_dataprojects({project})"}
    organisation.post(
        "orgstead_dataprojectentities", {"entityname": "Demand forecast entries", "sourceformat": 1, **tied}
    )
    return organisation.post(
        "orgstead_datajobs", {"name": "In", "operation": 1, "applicationid": live.client_id, **tied}
    )


# A server on PostgreSQL is given a minute before others take over what it had begun.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_no_file_that_was_acknowledged_is_lost_and_no_row_is_written_twice(
    database: str, tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    url = new_postgres_database() if database == "postgres" else None
    sent: dict[str, tuple[str, int]] = {}
    chance = random.Random(20261127)
    with served(tmp_path, database_url=url) as (live, server):
        job = prepared(live)
        server.terminate()
        server.wait(timeout=30)
    for _ in range(KILLS):
        with served(tmp_path, database_url=url) as (live, server):
            token = signed_in(live)
            goal = threading.Semaphore(0)
            senders = [Sender(live, token, job, sent, chance.getrandbits(32)) for _ in range(SENDERS)]
            threads = [threading.Thread(target=sender.run, args=(goal,)) for sender in senders]
            for thread in threads:
                thread.start()
            for _ in range(chance.randrange(1, FILES_AT_MOST)):
                goal.acquire()
            server.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
    with served(tmp_path, database_url=url) as (live, _):
        organisation = Organisation(live)
        while organisation.get("orgstead_datamessages?$filter=messagestatus lt 5&$select=name&$top=1"):
            pass
        messages = {
            row["orgstead_datamessageid"]: row
            for row in organisation.get(
                "orgstead_datamessages?$select=messagestatus,errormessage,recordcount"
            )
        }
        counted = Counter()
        grouped = "finops_demandforecastentries?$apply=groupby((itemnumber),aggregate($count as number))"
        for row in organisation.get(grouped):
            counted[row["itemnumber"]] = row["number"]
        staged = organisation.session.get(
            f"{live.http}{API}orgstead_stagingrows?$filter=transferstatus ne 1&$top=1", timeout=60
        ).json()["value"]
    assert sent
    # What was acknowledged is there, and all of it has come to its end.
    assert sent.keys() - messages.keys() == set()
    assert [row for row in messages.values() if row["messagestatus"] != 5] == []
    # Every row once, also of files of whose acknowledgement no client has heard.
    assert {mark: counted[mark] for mark, _ in sent.values()} == dict(sent.values())
    assert set(counted.values()) <= set(SIZES)
    assert sum(counted.values()) == sum(row["recordcount"] for row in messages.values())
    assert staged == []
