"""Reset, snapshots and what follows them: rows, definitions, files, users, jobs, versions, other processes."""

import base64
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from orgstead.engine.context import SYSTEM
from orgstead.model.messages import Execute
from tests.parity.conftest import ORIGIN, Web
from tests.parity.test_parity_jobs import begin, fill, operation, query
from tests.parity.test_parity_security import make_user
from tests.parity.test_parity_tables import column, make_table
from tests.plane.conftest import PlaneWeb

TRACK = "odata.track-changes"
DELTA = "@odata.deltaLink"
DAY = 86_400


def everything(web: Web) -> dict[str, list[Any]]:
    """All rows of all tables, as the database has them, but for what moves on by itself."""
    assert web.organisation is not None
    engine = web.organisation.engine
    found = {}
    with engine.store.read() as unit:
        for name, table in engine.schema.tables.items():
            if name not in ("orgstead_host", "orgstead_grant"):
                ids = sorted(unit.find(table, {}, 1_000_000))
                found[name] = [unit.get(table, id) for id in ids]
    return found


def note(web: Web, content: bytes) -> str:
    return web.make(
        "annotations", subject="s", filename="a.txt", mimetype="text/plain",
        documentbody=base64.b64encode(content).decode(),
    )  # fmt: skip


def content(web: Web, id: str) -> bytes:
    return base64.b64decode(web.get(f"annotations({id})?$select=documentbody").json["documentbody"])


def sweep(web: Web) -> None:
    """Take back the room of what nobody needs, as a server does from time to time."""
    assert web.organisation is not None
    for _ in range(2):
        web.organisation.engine.run([Execute(name="SweepFiles"), Execute(name="SweepOrphans")], SYSTEM)


def test_a_reset_brings_back_every_row_of_the_start(web: PlaneWeb) -> None:
    before = everything(web)
    kept = web.make("accounts", name="Made later", revenue=12.5)
    web.make("contacts", lastname="Later", **{"parentcustomerid_account@odata.bind": f"accounts({kept})"})
    currency, *_ = web.get("transactioncurrencies?$select=transactioncurrencyid").rows
    web.call(
        "PATCH", f"transactioncurrencies({currency['transactioncurrencyid']})", {"currencyname": "Doubloon"}
    )
    assert everything(web) != before
    web.plane("POST", "reset")
    assert everything(web) == before


def test_a_snapshot_brings_back_every_row_whatever_happened_to_it(web: PlaneWeb) -> None:
    changed, gone = web.make("accounts", name="As it was", revenue=1), web.make("accounts", name="Gone later")
    web.call("PATCH", f"accounts({changed})", {"description": "Größe, İ and 𝄞"})
    web.plane("PUT", "snapshots/here")
    before = everything(web)
    # A change of case alone, of zeros alone, and of everything.
    web.call("PATCH", f"accounts({changed})", {"name": "AS IT WAS", "revenue": 1.0, "description": None})
    web.call("DELETE", f"accounts({gone})")
    web.make("accounts", name="New")
    for _ in range(2):
        web.plane("POST", "snapshots/here/restore")
        assert everything(web) == before
        web.make("accounts", name="New")
    assert web.names() == ["As it was", "Gone later", "New"]


def test_definitions_follow_a_snapshot_in_both_directions(web: PlaneWeb) -> None:
    make_table(web, "new_Boat")
    web.make("new_boats", new_name="Ada")
    columns = "EntityDefinitions(LogicalName='account')/Attributes"
    number = column("Integer", "new_Depth", MinValue=0, MaxValue=100)
    assert web.call("POST", columns, number).status == 204
    deep = web.make("accounts", name="Deep", new_depth=7)
    web.plane("PUT", "snapshots/boats")
    # The column comes back as another kind, the table goes, and another one comes.
    assert web.call("DELETE", f"{columns}(LogicalName='new_depth')").status == 204
    text = column("String", "new_Depth", MaxLength=50, FormatName={"Value": "Text"})
    assert web.call("POST", columns, text).status == 204
    web.call("PATCH", f"accounts({deep})", {"new_depth": "very"})
    assert web.call("DELETE", "EntityDefinitions(LogicalName='new_boat')").status == 204
    make_table(web, "new_Train")
    web.plane("PUT", "snapshots/trains")

    web.plane("POST", "snapshots/boats/restore")
    assert [row["new_name"] for row in web.get("new_boats").rows] == ["Ada"]
    assert web.get(f"accounts({deep})").json["new_depth"] == 7
    assert web.get("new_trains").status == 404
    web.make("new_boats", new_name="Bela")

    web.plane("POST", "snapshots/trains/restore")
    assert web.get("new_boats").status == 404
    assert web.get(f"accounts({deep})").json["new_depth"] == "very"
    web.make("new_trains", new_name="Slow")

    web.plane("POST", "snapshots/boats/restore")
    assert [row["new_name"] for row in web.get("new_boats").rows] == ["Ada"]
    # What is changed after that works as ever, and a reset forgets it all.
    make_table(web, "new_Plane")
    web.make("new_planes", new_name="Fast")
    web.plane("POST", "reset")
    assert {web.get(each).status for each in ("new_boats", "new_trains", "new_planes")} == {404}
    assert "new_depth" not in web.get("accounts?$top=1").text
    make_table(web, "new_Boat")
    assert web.get("new_boats").rows == []


def test_a_client_that_keeps_definitions_is_told_to_read_them_again(web: PlaneWeb) -> None:
    stamp = web.get("RetrieveMetadataChanges").json["ServerVersionStamp"]
    make_table(web, "new_Boat")
    newer = web.get("RetrieveMetadataChanges").json["ServerVersionStamp"]
    web.plane("POST", "reset")
    after = web.get("RetrieveMetadataChanges").json["ServerVersionStamp"]
    assert len({stamp, newer, after}) == 3
    answer = web.get(f"RetrieveMetadataChanges(ClientVersionStamp=@s)?@s='{newer}'")
    assert answer.fault == (400, "0x80044352")


def test_no_version_number_ever_stands_for_two_states(web: PlaneWeb) -> None:
    id = web.make("accounts", name="One")
    web.plane("PUT", "snapshots/one")
    seen = set()
    for name in ("Two", "Three", "Four"):
        assert web.call("PATCH", f"accounts({id})", {"name": name}).status == 204
        etag = web.get(f"accounts({id})").json["@odata.etag"]
        assert etag not in seen
        seen.add(etag)
        web.plane("POST", "snapshots/one/restore")
        assert web.call("PATCH", f"accounts({id})", {"name": "Lost"}, if_match=etag).status == 412


def test_whoever_follows_changes_has_to_begin_anew(web: PlaneWeb) -> None:
    web.make("accounts", name="Seen and lost")
    before = web.get("accounts?$select=name", Prefer=TRACK).json[DELTA]
    web.plane("POST", "reset")
    assert web.get(before).status == 400
    web.make("accounts", name="Known")
    after = web.get("accounts?$select=name", Prefer=TRACK).json[DELTA]
    web.make("accounts", name="New")
    assert [row["name"] for row in web.get(after).rows] == ["New"]


def test_the_content_of_files_comes_back_after_it_was_deleted_and_swept(web: PlaneWeb) -> None:
    id = note(web, b"a letter")
    web.plane("PUT", "snapshots/letter")
    assert web.call("DELETE", f"annotations({id})").status == 204
    web.plane("POST", "clock/advance", {"seconds": 3 * DAY})
    sweep(web)
    web.plane("DELETE", "clock")
    web.plane("POST", "snapshots/letter/restore")
    assert content(web, id) == b"a letter"


def test_content_that_no_state_names_is_removed(web: PlaneWeb) -> None:
    assert web.organisation is not None
    blobs: Any = web.organisation.engine.blobs
    removed: list[str] = []
    inner, blobs._blobs = blobs._blobs, _Removals(blobs._blobs, removed)
    try:
        note(web, b"first")
        web.plane("PUT", "snapshots/first")
        note(web, b"second")
        web.plane("POST", "snapshots/first/restore")
        assert len(removed) == 1
        web.plane("POST", "reset")
        assert len(removed) == 1
        web.plane("DELETE", "snapshots/first")
        assert len(set(removed)) == 2
    finally:
        blobs._blobs = inner


class _Removals:
    """Storage of files that tells what is removed from it, and removes it."""

    def __init__(self, blobs: Any, removed: list[str]) -> None:
        self._blobs, self._removed = blobs, removed

    def delete(self, key: str) -> None:
        self._removed.append(key)
        self._blobs.delete(key)


def test_users_and_what_they_may_do_follow_at_once(web: PlaneWeb) -> None:
    unit = web.get("WhoAmI").json["BusinessUnitId"]
    before = web.make(
        "roles", name=web.name("role"), **{"businessunitid@odata.bind": f"businessunits({unit})"}
    )
    user = make_user(web, unit, before)
    assert web.get("WhoAmI", MSCRMCallerID=user).status == 200
    web.plane("POST", "reset")
    assert web.get("WhoAmI", MSCRMCallerID=user).fault == (403, "0x80072560")


def test_a_job_that_was_under_way_in_a_snapshot_goes_on_from_there(web: PlaneWeb) -> None:
    assert web.organisation is not None
    name = web.name("bulk")
    fill(web, name, 350)
    job = begin(web, query(name))
    # Kept somewhere on the way: pieces of a job are small, and a copy waits for the one that runs.
    for _ in range(10_000):
        done = operation(web, job)["successcount"] or 0
        if done:
            break
    web.plane("PUT", "snapshots/middle")
    assert web.ended(job)["statuscode"] == 30
    web.plane("POST", "snapshots/middle/restore")
    assert web.ended(job)["statuscode"] == 30
    row = operation(web, job)
    assert (row["successcount"], row["failurecount"]) == (350, 0)
    assert web.names() == []


def test_a_job_under_way_does_not_outlive_a_reset(web: PlaneWeb) -> None:
    name = web.name("bulk")
    fill(web, name, 350)
    web.plane("PUT", "snapshots/full")
    job = begin(web, query(name))
    web.plane("POST", "snapshots/full/restore")
    assert web.get(f"asyncoperations({job})").status == 404
    assert len(web.names()) == 350
    # The runner works on.
    assert web.ended(begin(web, query(name)))["statuscode"] == 30
    assert web.names() == []


def test_every_acknowledged_write_is_there_whole_or_not_at_all(web: PlaneWeb) -> None:
    """A hundred writers of pairs in one change set, resets in their midst."""
    web.plane("PUT", "snapshots/empty")
    stop = threading.Event()
    faults: list[str] = []
    rounds = [0] * 100

    def write(number: int) -> None:
        while not stop.is_set():
            rounds[number] += 1
            pair = f"{number}-{rounds[number]}"
            answer = web.call("POST", "accounts", {"name": pair, "primarycontactid": {"lastname": pair}})
            if answer.status != 204:
                faults.append(answer.text)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(100)]
    for each in writers:
        each.start()
    for _ in range(5):
        web.plane("POST", "snapshots/empty/restore")
        rows = web.get(
            "accounts?$select=name,_primarycontactid_value&$expand=primarycontactid($select=lastname)"
        ).rows
        assert [row["name"] for row in rows] == [row["primarycontactid"]["lastname"] for row in rows]
        contacts = {row["lastname"] for row in web.get("contacts?$select=lastname").rows}
        assert {row["name"] for row in rows} <= contacts
    stop.set()
    for each in writers:
        each.join()
    assert faults == []
    # Whoever was told after the last reset is there.
    last = threading.Barrier(101)
    done: list[str] = []

    def once(number: int) -> None:
        last.wait()
        if web.call("POST", "accounts", {"name": f"last {number}"}).status == 204:
            done.append(f"last {number}")

    web.plane("POST", "snapshots/empty/restore")
    writers = [threading.Thread(target=once, args=(number,)) for number in range(100)]
    for each in writers:
        each.start()
    last.wait()
    for each in writers:
        each.join()
    assert web.names() == sorted(done)
    assert len(done) == 100
    web.plane("POST", "snapshots/empty/restore")
    assert web.names() == []


def test_a_snapshot_under_writes_is_whole(web: PlaneWeb) -> None:
    stop = threading.Event()

    def write(number: int) -> None:
        for round in range(10_000):
            if stop.is_set():
                return
            name = f"{number}-{round}"
            web.call("POST", "accounts", {"name": name, "primarycontactid": {"lastname": name}})

    writers = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for each in writers:
        each.start()
    for number in range(5):
        web.plane("PUT", f"snapshots/busy{number}")
    stop.set()
    for each in writers:
        each.join()
    for number in range(5):
        web.plane("POST", f"snapshots/busy{number}/restore")
        accounts = web.get("accounts?$select=name&$expand=primarycontactid($select=lastname)").rows
        assert [row["name"] for row in accounts] == [row["primarycontactid"]["lastname"] for row in accounts]
        assert len(web.get("contacts?$select=lastname").rows) == len(accounts)


def test_names_numbers_and_what_is_not_there(web: PlaneWeb) -> None:
    for name in ("UPPER", "a b", "x" * 41, "ä", "a.b", '"', "%00"):
        told = web.plane("PUT", f"snapshots/{name}", status=400)
        assert told["error"]["code"] == "bad_name"
    assert web.plane("PUT", "snapshots/start", status=409)["error"]["code"] == "reserved_name"
    assert web.plane("DELETE", "snapshots/start", status=409)["error"]["code"] == "reserved_name"
    for method, path in (("POST", "snapshots/no/restore"), ("DELETE", "snapshots/no")):
        assert web.plane(method, path, status=404)["error"]["code"] == "unknown_snapshot"
    assert web.plane("POST", "reset", {"snapshot": "no"}, status=404)["error"]["code"] == "unknown_snapshot"
    for number in range(20):
        web.plane("PUT", f"snapshots/n{number}")
    assert web.plane("PUT", "snapshots/n20", status=409)["error"]["code"] == "too_many"
    # In place of one of them there is room.
    web.plane("PUT", "snapshots/n19")
    listed = web.plane("GET", "snapshots")["snapshots"]
    assert [each["name"] for each in listed] == sorted([f"n{number}" for number in range(20)] + ["start"])
    assert all(each["bytes"] > 100_000 and each["taken"].endswith("Z") for each in listed)


def test_a_refused_restore_changes_nothing_and_lets_everybody_on(web: PlaneWeb) -> None:
    web.make("accounts", name="Stays")
    before = everything(web)
    web.plane("POST", "snapshots/no/restore", status=404)
    assert everything(web) == before
    web.make("accounts", name="Goes on")


def test_rows_are_made_up_the_same_for_the_same_number(web: PlaneWeb) -> None:
    web.plane("POST", "seed", {"accounts": 30, "contacts": 20})
    names = web.names()
    assert (len(names), len(web.get("contacts").rows)) == (30, 20)
    web.plane("POST", "reset")
    web.plane("POST", "seed", {"accounts": 30, "random": 1})
    assert web.names() == names
    # Twice the same does not fit, and nothing of it is there.
    web.plane("POST", "seed", {"accounts": 31}, status=412)
    assert web.names() == names
    web.plane("POST", "seed", {"accounts": 1, "random": 2})


@pytest.mark.parametrize(
    "body", [{"accounts": -1}, {"accounts": 100_001}, {"accounts": "3"}, {"rows": 3}, [], 3]
)
def test_what_cannot_be_made_up(web: PlaneWeb, body: Any) -> None:
    assert web.plane("POST", "seed", body, status=400)["error"]["code"] == "bad_body"
    assert web.names() == []


def test_another_process_of_the_same_organisation_follows(
    new_postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    config = Config(data=str(tmp_path), database_url=new_postgres_database())
    one, other = (open_organisation(config) for _ in range(2))
    with (
        TestClient(build_application(one, [ORIGIN]), base_url=ORIGIN) as client,
        TestClient(build_application(other, [ORIGIN]), base_url=ORIGIN) as beside,
    ):
        here, there = PlaneWeb(client, one), PlaneWeb(beside, other)
        here.plane("PUT", "snapshots/empty")
        make_table(there, "new_Boat")
        there.make("new_boats", new_name="Ada")
        assert here.get("new_boats").rows != []
        here.plane("PUT", "snapshots/boats")
        here.plane("POST", "snapshots/empty/restore")
        assert there.get("new_boats").status in (400, 404)
        there.plane("POST", "snapshots/boats/restore")
        assert [row["new_name"] for row in here.get("new_boats").rows] == ["Ada"]
        here.make("new_boats", new_name="Bela")
        there.make("new_boats", new_name="Chidi")
        assert len(there.get("new_boats").rows) == 3
    one.close()
    other.close()


def test_snapshots_are_still_there_after_a_restart_and_the_start_is_the_new_one(
    new_organisation: Callable[..., Any], tmp_path: Path
) -> None:
    for round in range(2):
        organisation = new_organisation(data=str(tmp_path))
        with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
            web = PlaneWeb(client, organisation)
            if round == 0:
                web.make("accounts", name="Kept")
                web.plane("PUT", "snapshots/kept")
                web.make("accounts", name="There at the second start")
            else:
                web.make("accounts", name="Later")
                web.plane("POST", "reset")
                assert web.names() == ["Kept", "There at the second start"]
                web.plane("POST", "snapshots/kept/restore")
                assert web.names() == ["Kept"]
        organisation.close()
