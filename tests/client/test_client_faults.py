"""What the client does when the service or the line fails: nothing is lost, nothing is doubled, nobody is hammered."""

import os
import socket
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from orgstead.client import (
    BadRequestError,
    BulkError,
    NotFoundError,
    Position,
    PreconditionError,
    Ref,
    Retry,
    ServerError,
    ThrottledError,
    TransportError,
    col,
    new_id,
)
from orgstead.testing.plane import Plane
from tests.client.conftest import Make
from tests.live import Live

SWIFT = Retry(first=0.01, longest=0.1, budget=60)


@pytest.fixture
def plane(live: Live) -> Iterator[Plane]:
    """The live server's faults and throttling, which are ended with the test."""
    with Plane(live.http) as made:
        made.forget_requests()
        yield made
        made.faults.clear()
        made.throttle.clear()


@pytest.fixture
def client(make: Make, plane: Plane) -> Any:
    """A client with a window of its own, which knows the table of accounts."""
    made = make(retry=SWIFT)
    made.query("account").top(1).all()
    plane.forget_requests()
    return made


def sent(plane: Plane, method: str) -> int:
    """How many requests of a method have come to the Web API."""
    return len([row for row in plane.requests(method=method) if "/api/data/" in row["path"]])


def named(client: Any, name: str) -> int:
    found: int = client.query("account").where(col("name") == name).count()
    return found


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 502}, {"drop": "before"}, {"drop": "after"}], ids=str
)
def test_a_read_is_repeated_until_it_is_answered(client: Any, plane: Plane, fault: dict[str, Any]) -> None:
    plane.faults.add(**fault, count=3)
    assert client.query("account").top(1).all()
    assert sent(plane, "GET") == 4


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": "before"}, {"drop": "after"}], ids=str)
def test_a_create_without_an_id_is_never_repeated_blindly(
    client: Any, plane: Plane, fault: dict[str, Any]
) -> None:
    name = f"blind {new_id()}"
    plane.faults.add(**fault, count=1, method="POST")
    with pytest.raises((ServerError, TransportError)) as failure:
        client.records.create("account", {"name": name})
    assert failure.value.maybe_applied
    assert failure.value.transient
    assert sent(plane, "POST") == 1
    assert named(client, name) == (fault == {"drop": "after"})


def test_a_create_that_was_refused_for_the_limits_is_repeated(client: Any, plane: Plane) -> None:
    name = f"throttled {new_id()}"
    plane.throttle.force(count=2, retry_after=1)
    client.records.create("account", {"name": name})
    assert sent(plane, "POST") == 3
    assert named(client, name) == 1


@pytest.mark.parametrize("fault", [{"status": 503}, {"drop": "before"}, {"drop": "after"}], ids=str)
def test_a_create_with_an_id_is_repeated_and_makes_one_row(
    client: Any, plane: Plane, fault: dict[str, Any]
) -> None:
    id, name = new_id(), f"once {new_id()}"
    plane.faults.add(**fault, count=2, method="POST")
    assert client.records.create("account", {"name": name}, id=id) == id
    other = new_id()
    plane.faults.add(**fault, count=1, method="POST")
    assert client.records.create_returning("account", {"name": name}, id=other).id == other
    assert named(client, name) == 2


def test_changes_and_deletions_are_repeated_and_end_well(client: Any, plane: Plane) -> None:
    id = client.records.create("account", {"name": "to go"})
    plane.faults.add(drop="after", count=1, method="PATCH")
    client.records.update("account", id, {"name": "to go soon"})
    plane.faults.add(drop="after", count=1, method="DELETE")
    client.records.delete("account", id)
    assert client.records.find("account", id) is None
    with pytest.raises(NotFoundError):
        client.records.delete("account", id)


def test_a_guarded_change_whose_answer_is_lost_says_that_it_may_have_been_made(
    client: Any, plane: Plane
) -> None:
    made = client.records.create_returning("account", {"name": "guarded"})
    plane.faults.add(drop="after", count=1, method="PATCH")
    with pytest.raises(PreconditionError) as failure:
        client.records.update("account", made.id, {"name": "changed"}, if_match=made.etag)
    assert failure.value.maybe_applied


def test_a_batch_of_things_that_may_be_repeated_is_repeated(client: Any, plane: Plane) -> None:
    id = new_id()
    batch = client.batch()
    made = batch.create("account", {"accountid": id, "name": "batched"})
    plane.faults.add(drop="after", count=1, path="/api/data/*/$batch")
    assert batch.send(continue_on_error=True)[getattr(made, "inner", made)].id == id
    blind = client.batch()
    blind.create("account", {"name": "batched"})
    plane.faults.add(drop="before", count=1, path="/api/data/*/$batch")
    with pytest.raises(TransportError):
        blind.send()


def test_files_survive_lost_answers(client: Any, plane: Plane) -> None:
    note = Ref("contact", client.records.create("contact", {"lastname": "pictured"}))
    held = BytesIO()
    Image.frombytes("RGB", (1500, 1500), os.urandom(1500 * 1500 * 3)).save(held, "PNG")
    for where in ("after", "before"):
        plane.faults.add(drop=where, rate=0.4, seed=7, method="PATCH")
        assert client.files.upload(note, "entityimage", held.getvalue(), file_name="a.png") > 4 * 1024 * 1024
        plane.faults.add(drop=where, count=1, method="GET")
        assert client.files.download(note, "entityimage").content
        plane.faults.clear()


def test_patience_ends_with_the_budget(client: Any, make: Make, plane: Plane) -> None:
    plane.throttle.force(count=1, retry_after=3600)
    with pytest.raises(ThrottledError) as failure:
        client.query("account").top(1).all()
    assert failure.value.retry_after == 3600
    assert sent(plane, "GET") == 1
    # Whoever shares the session is not let through to be refused as well.
    with pytest.raises(ThrottledError):
        client.query("account").top(1).all()
    assert sent(plane, "GET") == 1
    plane.faults.add(status=503, count=1)
    with pytest.raises(ServerError):
        make(retry=Retry(budget=0)).request("GET", "accounts?$top=1")


def test_what_never_left_this_machine_says_so(make: Make) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = make(url, "token", retry=Retry(first=0.01, longest=0.02, budget=0.1))
        with pytest.raises(TransportError) as failure:
            client.request("POST", "accounts", json={"name": "x"})
    assert not failure.value.maybe_applied


def test_what_can_never_succeed_is_not_waited_for(make: Make, live: Live) -> None:
    for url in (live.https, "https://no-such-host.invalid"):
        with pytest.raises(TransportError) as failure:
            make(url, "token", verify=True).who_am_i()
        assert not failure.value.transient
        assert not failure.value.maybe_applied


def test_the_window_grows_while_all_is_well_and_halves_when_it_is_not(client: Any, plane: Plane) -> None:
    client.bulk.create("account", ({"name": "window"} for _ in range(200)), chunk=2)
    grown = client.concurrency
    assert grown > 2
    plane.throttle.force(count=1, retry_after=1)
    client.query("account").top(1).all()
    assert client.concurrency < grown


def test_an_import_through_a_storm_ends_with_exactly_its_rows(client: Any, plane: Plane) -> None:
    mark = new_id()[:8]
    names = [f"storm {mark} {number}" for number in range(2000)]
    plane.faults.add(status=503, rate=0.05, seed=1)
    plane.faults.add(drop="before", rate=0.05, seed=2)
    plane.faults.add(drop="after", rate=0.1, seed=3)
    plane.faults.add(status=503, count=2)
    plane.faults.add(drop="after", count=3, path="/api/data/*CreateMultiple")
    plane.throttle.force(count=2, retry_after=1)
    seen: list[int] = []
    result = client.bulk.create(
        "account",
        ({"name": name} for name in names),
        chunk=50,
        progress=lambda so_far: seen.append(so_far.done),
    )
    plane.faults.clear()
    assert result.summary == {"total": 2000, "done": 2000, "skipped": 0, "failed": 0}
    assert seen == sorted(seen)
    assert seen[-1] == 2000
    rows = client.query("account").where(col("name").startswith(f"storm {mark} ")).select("name").all()
    assert sorted(row["name"] for row in rows) == sorted(names)
    ids = [row.id for row in rows]
    plane.faults.add(drop="after", rate=0.2, seed=4)
    assert (
        client.bulk.update("account", ({"accountid": id, "telephone1": "1"} for id in ids), chunk=50).done
        == 2000
    )
    assert client.bulk.delete("account", ids, chunk=100).done == 2000
    plane.faults.clear()
    assert client.query("account").where(col("name").startswith(f"storm {mark} ")).count() == 0


def test_an_import_that_breaks_off_goes_on_where_it_was(client: Any, plane: Plane, tmp_path: Any) -> None:
    mark = new_id()[:8]
    rows = [{"name": f"resumed {mark} {number}"} for number in range(1000)]
    rows[15] = {"nosuchcolumn": 1}

    def broken() -> Iterator[Any]:
        yield from rows[:620]
        raise KeyboardInterrupt

    place = tmp_path / "position"
    refused: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        client.bulk.create(
            "account",
            broken(),
            chunk=20,
            position=Position(place),
            on_failure=lambda f: refused.append(f.index),
        )
    position = Position(place)
    assert position.resumed
    assert position.done <= 620
    result = client.bulk.create("account", rows, chunk=30, position=position, strict=False)
    assert result.skipped + result.done + result.failed == 1000
    found = client.query("account").where(col("name").startswith(f"resumed {mark} ")).select("name").all()
    assert sorted(row["name"] for row in found) == sorted(row["name"] for row in rows if "name" in row)
    assert {*refused, *(each.index for each in result.failures)} == {15}
    with pytest.raises(ValueError, match="only 3 rows"):
        client.bulk.create("account", rows[:3], position=Position(place))


def test_bad_rows_are_named_and_all_others_written(client: Any) -> None:
    mark = new_id()[:8]
    rows: list[Any] = [{"name": f"bad {mark} {number}"} for number in range(300)]
    rows[7] = {"nosuchcolumn": 1}
    rows[150] = {"name": "x" * 5000}
    rows[299] = {"name": object()}
    with pytest.raises(BulkError, match="3 of 300") as failure:
        client.bulk.create("account", rows, chunk=100)
    result = failure.value.result
    assert [each.index for each in result.failures] == [7, 150, 299]
    assert isinstance(result.failures[0].error, BadRequestError)
    assert result.failures[0].row is rows[7]
    assert result.done == 297
    assert client.query("account").where(col("name").startswith(f"bad {mark} ")).count() == 297
    again = client.bulk.create("account", rows, chunk=100, strict=False)
    assert (again.failed, bool(again)) == (3, False)
