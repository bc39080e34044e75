"""What has ended goes after some days, a few rows at a time; what has not stays, on both databases.

https://learn.microsoft.com/power-platform/admin/cleanup-asyncoperationbase-table
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orgstead.engine.context import SYSTEM
from orgstead.model.messages import Execute
from orgstead.server.housekeeping import Housekeeping
from tests.parity.conftest import Clock, Web, opened
from tests.parity.test_parity_jobs import FAR, begin, query
from tests.parity.test_parity_webhooks import deliveries, endpoint, job_of, step
from tests.receiver import Receiver, receiving

DAY = 86_400
UPLOAD = "11111111-1111-4111-8111-111111111111"
clock = Clock()


@pytest.fixture(scope="module")
def web(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    new_postgres_database: Callable[[], str],
) -> Iterator[Web]:
    with opened(request.param, tmp_path_factory, new_postgres_database, clock=clock) as client:
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def swept(web: Web, days: int) -> dict[str, Any]:
    assert web.organisation is not None
    parameters = {"Days": days}
    engine = web.organisation.engine
    value: dict[str, Any] = engine.run([Execute(name="SweepJobs", parameters=parameters)], SYSTEM)[0].value
    return value


def told(web: Web, name: str) -> tuple[str, str]:
    """A new account whose making has been told of, with the job that has ended."""
    id = web.make("accounts", name=name)
    job = job_of(web, id)["asyncoperationid"]
    assert web.ended(job)["statuscode"] == 30
    return id, job


def test_what_ended_long_ago_goes_and_what_waits_stays(web: Web, receiver: Receiver) -> None:
    to = endpoint(web, receiver.url)
    steps = [step(web, to), step(web, to, mode=0)]
    receiver.answer = lambda post: 503 if post.json["Mode"] == 1 and len(receiver.posts) > 2 else 204
    done, ended = told(web, "Done")
    waiting = web.make("accounts", name="Waits")
    while len(deliveries(web, waiting)) < 2:
        pass
    waits = job_of(web, waiting)["asyncoperationid"]
    assert web.call("PATCH", f"asyncoperations({waits})", {"statecode": 1}).status == 204
    assert len(deliveries(web, done)) == 2
    clock.now += 20 * DAY
    web.sign_in()
    receiver.answer = lambda post: 204
    late, last = told(web, "Late")
    assert swept(web, 30) == {"Removed": 0, "More": False}
    clock.now += 11 * DAY
    web.sign_in()
    # The two deliveries and the job of the first; of the second, what was told while it was made has no job.
    assert swept(web, 30) == {"Removed": 4, "More": False}
    assert web.get(f"asyncoperations({ended})").status == 404
    assert deliveries(web, done) == []
    assert web.get(f"asyncoperations({waits})").json["statecode"] == 1
    assert [row["httpstatus"] for row in deliveries(web, waiting)] == [503]
    assert web.get(f"asyncoperations({last})").json["statecode"] == 3
    assert len(deliveries(web, late)) == 2
    for each in steps:
        assert web.call("DELETE", f"sdkmessageprocessingsteps({each})").status == 204


def test_a_few_rows_go_at_a_time_and_a_job_goes_with_what_hangs_on_it(
    web: Web, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgstead.engine.handlers.retention.BATCH", 3)
    of = step(web, endpoint(web, receiver.url))
    jobs = [told(web, web.name("Told"))[1] for _ in range(4)]
    assert web.call("DELETE", f"sdkmessageprocessingsteps({of})").status == 204
    kept = begin(web, query("nothing"), StartDateTime=FAR)
    bulk = begin(web, query("nothing"))
    (operation,) = web.get(f"bulkdeleteoperations?$filter=_asyncoperationid_value eq {bulk}").rows
    clock.now += 100 * DAY
    web.sign_in()
    rounds = [swept(web, 99)]
    while rounds[-1]["More"]:
        rounds.append(swept(web, 99))
    assert len(rounds) > 2
    assert max(each["Removed"] for each in rounds) <= 6
    assert {web.get(f"asyncoperations({job})").status for job in (*jobs, bulk)} == {404}
    assert web.get(f"bulkdeleteoperations({operation['bulkdeleteoperationid']})").status == 404
    assert web.get(f"asyncoperations({kept})").json["statecode"] == 0


def test_a_server_sweeps_by_itself_unless_everything_is_kept(web: Web, receiver: Receiver) -> None:
    assert web.organisation is not None
    engine = web.organisation.engine
    uploads = engine.schema.tables["orgstead_upload"]
    of = step(web, endpoint(web, receiver.url))
    _, job = told(web, web.name("Told"))
    assert web.call("DELETE", f"sdkmessageprocessingsteps({of})").status == 204
    clock.now += 100 * DAY
    web.sign_in()
    with Housekeeping(engine, days=0, seconds=0.01):
        for _ in range(2):
            # An upload that was given up shows that a round has come and gone.
            with engine.store.write() as unit:
                unit.insert(uploads, [{uploads.primary_id: UPLOAD, "createdon": "2020-01-01T00:00:00Z"}])
            while _there(web):
                pass
    assert web.get(f"asyncoperations({job})").status == 200
    with Housekeeping(engine, days=99, seconds=0.01):
        while web.get(f"asyncoperations({job})").status == 200:
            pass


def _there(web: Web) -> bool:
    assert web.organisation is not None
    engine = web.organisation.engine
    with engine.store.read() as unit:
        return unit.get(engine.schema.tables["orgstead_upload"], UPLOAD) is not None
