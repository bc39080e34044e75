"""Change tracking: a first look, then only what has changed, whoever writes meanwhile."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from orgstead.engine.context import SYSTEM
from orgstead.model.messages import Create
from orgstead.model.record import Record
from tests.parity.conftest import Web

TRACK = "odata.track-changes"
DELTA, NEXT = "@odata.deltaLink", "@odata.nextLink"


class Copy:
    """What somebody who follows the changes knows: rows by id."""

    def __init__(self, web: Web, path: str, **headers: str) -> None:
        self.web, self.headers = web, headers
        self.rows: dict[str, dict[str, Any]] = {}
        self.gone: set[str] = set()
        self.link = path
        self.pages = 0

    def follow(self, between: Callable[[], None] = lambda: None) -> None:
        """Walk a window to its end."""
        while True:
            headers = dict(self.headers)
            if "deltatoken" not in self.link:
                headers["Prefer"] = ",".join(filter(None, (TRACK, headers.get("Prefer"))))
            answer = self.web.get(self.link, **headers)
            assert answer.status == 200, answer.text
            self.pages += 1
            for row in answer.json["value"]:
                if row.get("reason") == "deleted":
                    assert row["@odata.context"].endswith("/$metadata#accounts/$deletedEntity")
                    self.gone.add(row["id"])
                    self.rows.pop(row["id"], None)
                else:
                    self.rows[row["accountid"]] = row
            if NEXT in answer.json:
                assert DELTA not in answer.json
                self.link = answer.json[NEXT]
                between()
                continue
            self.link = answer.json[DELTA]
            return

    def names(self) -> list[str]:
        return sorted(row["name"] for row in self.rows.values())


def accounts(web: Web, *names: str) -> list[str]:
    return [web.make("accounts", name=name) for name in names]


def test_a_first_look_and_then_what_has_changed(web: Web) -> None:
    first, second, third = accounts(web, "tr one", "tr two", "tr three")
    answer = web.get("accounts?$select=name", Prefer=TRACK)
    assert answer.headers["Preference-Applied"] == TRACK
    assert answer.json["@odata.context"].endswith("$metadata#accounts(name)")
    assert {first, second, third} <= {row["accountid"] for row in answer.rows}
    assert all(set(row) == {"@odata.etag", "name", "accountid"} for row in answer.rows)
    link = answer.json[DELTA]
    nothing = web.get(link).json
    assert nothing["value"] == []
    assert nothing["@odata.context"].endswith("$metadata#accounts(name)/$delta")

    assert web.call("PATCH", f"accounts({second})", {"name": "tr two again"}).status == 204
    assert web.call("DELETE", f"accounts({third})").status == 204
    (fourth,) = accounts(web, "tr four")
    (short,) = accounts(web, "tr short")
    assert web.call("DELETE", f"accounts({short})").status == 204
    changed = web.get(link).json
    told = {row.get("accountid"): row["name"] for row in changed["value"] if "accountid" in row}
    assert told == {second: "tr two again", fourth: "tr four"}
    assert {row["id"] for row in changed["value"] if "id" in row} == {third, short}
    assert all(row["reason"] == "deleted" for row in changed["value"] if "id" in row)
    # A token can be used again, and the next one begins where this one ended.
    assert web.get(link).json["value"] == changed["value"]
    assert web.get(changed[DELTA]).json["value"] == []


def test_windows_are_walked_in_pages_while_others_write(web: Web) -> None:
    made = accounts(web, *(f"pg {number}" for number in range(7)))
    copy = Copy(web, "accounts?$select=name", Prefer="odata.maxpagesize=3")
    late: list[str] = []

    def write() -> None:
        if copy.pages == 1:
            late.extend(accounts(web, "pg late"))
            assert web.call("PATCH", f"accounts({made[0]})", {"name": "pg 0 again"}).status == 204
            assert web.call("DELETE", f"accounts({made[1]})").status == 204

    copy.follow(write)
    assert copy.pages > 2
    copy.follow()
    assert copy.rows[late[0]]["name"] == "pg late"
    assert copy.rows[made[0]]["name"] == "pg 0 again"
    assert made[1] not in copy.rows
    # Deletions have pages, too.
    for id in made[2:]:
        assert web.call("DELETE", f"accounts({id})").status == 204
    copy.pages = 0
    copy.follow()
    assert copy.pages >= 2
    assert set(made[1:]) <= copy.gone
    copy.pages = 0
    copy.follow()
    assert copy.pages == 1


def test_what_is_made_again_under_its_id_is_not_gone(web: Web) -> None:
    (id,) = accounts(web, "again")
    link = web.get("accounts?$select=name", Prefer=TRACK).json[DELTA]
    assert web.call("DELETE", f"accounts({id})").status == 204
    web.make("accounts", name="again", accountid=id)
    changed = web.get(link).json["value"]
    assert [row.get("accountid") or row.get("id") for row in changed] == [id]
    assert "reason" not in changed[0]


def test_cascades_and_taken_links_are_changes(web: Web) -> None:
    (firm,) = accounts(web, "cascade")
    child = web.make(
        "contacts", lastname="stays", **{"parentcustomerid_account@odata.bind": f"accounts({firm})"}
    )
    task = web.make(
        "tasks", subject="goes", **{"regardingobjectid_account_task@odata.bind": f"accounts({firm})"}
    )
    contacts = web.get("contacts?$select=lastname", Prefer=TRACK).json[DELTA]
    tasks = web.get("tasks?$select=subject", Prefer=TRACK).json[DELTA]
    assert web.call("DELETE", f"accounts({firm})").status == 204
    touched = web.get(contacts).json["value"]
    gone = web.get(tasks).json["value"]
    left = web.get(f"contacts({child})?$select=_parentcustomerid_value")
    if left.status == 200:
        assert [row.get("contactid") for row in touched] == [child]
    else:
        assert [row.get("id") for row in touched] == [child]
    assert web.get(f"tasks({task})").status == 404
    assert [row.get("id") for row in gone] == [task]


@pytest.mark.parametrize(
    "option",
    [
        "$filter=name eq 'x'",
        "$orderby=name",
        "$top=3",
        "$expand=primarycontactid",
        "$count=true",
        "$apply=aggregate($count as n)",
    ],
)
def test_options_that_do_not_go_with_tracking_are_refused(web: Web, option: str) -> None:
    answer = web.get(f"accounts?{option}", Prefer=TRACK)
    assert answer.status in (400, 501)
    assert option.partition("=")[0] in answer.text
    assert web.get("accounts?$select=name&$deltatoken=1!01/01/2026 00:00:00&" + option).status in (400, 501)


@pytest.mark.parametrize(
    "token",
    ["x", "1", "1!", "1!yesterday", "-1!01/01/2026 00:00:00", "1!01/01/2026 00:00:00!x", "²!01/01/2026 00:00:00",
     "9999999999999999999999!01/01/2026 00:00:00", "1!01/01/2026 00:00:00!1!1!1", "1!13/32/2026 00:00:00", "!!!"],
)  # fmt: skip
def test_tokens_that_were_never_given_out_are_refused(web: Web, token: str) -> None:
    answer = web.get(f"accounts?$select=name&$deltatoken={token}")
    assert answer.status == 400
    assert answer.json["error"]["code"].startswith("0x8")


def test_a_token_lasts_seven_days(web: Web) -> None:
    link = web.get("accounts?$select=name", Prefer=TRACK).json[DELTA]
    number = unquote(link).partition("deltatoken=")[2].partition("!")[0]
    old = f"accounts?$select=name&$deltatoken={number}!01/01/2020 00:00:00"
    assert web.get(old).fault == (400, "0x80044352")


def test_tables_that_are_not_tracked_say_so(web: Web) -> None:
    answer = web.get("listmembers?$select=name", Prefer=TRACK)
    assert answer.status == 400
    assert "listmember" in answer.text
    (id,) = accounts(web, "single")
    assert web.get(f"accounts({id})?$select=name", Prefer=TRACK).status in (400, 501)
    assert web.get("accounts?fetchXml=<fetch><entity name='account'/></fetch>", Prefer=TRACK).status in (
        400,
        501,
    )


def test_a_change_that_commits_late_is_not_lost(web: Web) -> None:
    """Writers in threads, each with its own transactions, and somebody who follows them all the time."""
    assert web.organisation is not None
    engine = web.organisation.engine
    copy = Copy(web, "accounts?$select=name", Prefer="odata.maxpagesize=10")
    copy.follow()
    before = set(copy.rows)
    made: list[str] = []
    errors: list[Exception] = []

    def write(number: int) -> None:
        try:
            for round in range(15):
                messages = [
                    Create(record=Record(table="account", values={"name": f"late {number} {round} {each}"}))
                    for each in range(3)
                ]
                made.extend(
                    result.ref.id for result in engine.run(messages, SYSTEM) if result.ref is not None
                )
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        copy.follow()
    for thread in threads:
        thread.join()
    copy.follow()
    assert errors == []
    assert len(made) == 4 * 15 * 3
    assert set(copy.rows) - before == set(made)


def test_a_transaction_that_is_still_open_holds_the_window_back(web: Web) -> None:
    assert web.organisation is not None
    if web.organisation.config.database_url is None:
        # One writer at a time: nobody commits while another is at it.
        return
    store, table = web.organisation.store, web.organisation.engine.schema.tables["account"]
    link = web.get("accounts?$select=name", Prefer=TRACK).json[DELTA]
    id = "00000000-0000-4000-8000-0000000ab1de"
    with store.write() as unit:
        version = unit.next_version()
        unit.insert(table, [{"accountid": id, "name": "open", "versionnumber": version}])
        (other,) = accounts(web, "meanwhile")
        first = web.get(link).json
        assert id not in str(first["value"])
    second = web.get(first[DELTA]).json
    seen = {row["accountid"] for row in (*first["value"], *second["value"])}
    assert {id, other} <= seen
    assert id in {row["accountid"] for row in second["value"]}
