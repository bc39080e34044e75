"""Where an answer could be wrong without looking wrong: edges of paging, comparisons, keys and relationships."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from orgstead.app import build_application, open_organisation
from orgstead.config import Config
from orgstead.engine.callers import load_caller
from orgstead.engine.job import Job
from orgstead.errors import Fault
from orgstead.identity.development import ADMIN_PASSWORD, CLIENT_ID, PUBLIC_CLIENT_ID, TENANT_ID
from orgstead.model.messages import Create
from orgstead.model.record import Record
from tests.parity.conftest import ORIGIN, ROOT, Web
from tests.parity.test_parity_tables import CRM, column, label, make_table


def walked(web: Web, path: str, size: int) -> list[dict[str, Any]]:
    """All rows of a walk by pages; a walk that does not end fails."""
    rows: list[dict[str, Any]] = []
    link = path
    for _ in range(200):
        page = web.get(link, prefer=f"odata.maxpagesize={size}")
        rows += page.rows
        link = page.json.get("@odata.nextLink")
        if link is None:
            return rows
    raise AssertionError("the walk goes on and on")


# -- pages -----------------------------------------------------------------------------------------------------------
def test_values_that_look_encoded_do_not_lead_a_walk_astray(web: Web) -> None:
    names = ["50%25 off", "50%41", "A %20B", "a&amp;b", "b<c", 'd"e', "x%22y", "y%253c", "z'+z"]
    for name in names:
        web.make("accounts", name=name, address1_city="Encoded")
    rows = walked(web, "accounts?$select=name&$filter=address1_city eq 'Encoded'&$orderby=name", 1)
    assert sorted(row["name"] for row in rows) == sorted(names)


def test_a_walk_over_groups_meets_each_of_them_once(web: Web) -> None:
    for number in range(40):
        web.make(
            "accounts",
            name="Grouped",
            address1_city=f"G{number * 7 % 40:02}",
            address1_country=str(number % 2),
        )
    groups = "accounts?$apply=filter(name eq 'Grouped')/groupby((address1_city),aggregate($count as many))"
    rows = walked(web, groups, 7)
    assert sorted(row["address1_city"] for row in rows) == [f"G{number:02}" for number in range(40)]


@pytest.mark.parametrize("token", ["²", "9999999999999999999", "-1", "1e3"])
def test_a_place_among_groups_that_is_none_is_refused(web: Web, token: str) -> None:
    inner = quote(quote(f'<cookie page="1"><offset last="{token}" /></cookie>'))
    cookie = quote(f'<cookie pagenumber="2" pagingcookie="{inner}" istracking="False" />')
    assert web.get(f"accounts?$apply=groupby((statecode))&$skiptoken={cookie}").status == 400


@pytest.mark.parametrize("order", ["name", "statecode,name", "primarycontactid/fullname"])
def test_groups_are_ordered_by_what_they_have(web: Web, order: str) -> None:
    groups = "accounts?$apply=groupby((statecode),aggregate($count as n))&$orderby="
    assert web.get(f"{groups}{order}").fault == (400, "0x8004110a")
    assert web.get(f"{groups}statecode desc").status == 200


def test_a_page_within_a_page_keeps_its_own_options(web: Web) -> None:
    top = web.make("accounts", name="Top of three")
    kid = web.make("accounts", name="kid", **{"parentaccountid@odata.bind": f"accounts({top})"})
    rows = [
        {
            "@odata.type": "Microsoft.Dynamics.CRM.account",
            "name": f"grand {number}",
            "parentaccountid@odata.bind": f"accounts({kid})",
        }
        for number in range(5001)
    ]
    for start in range(0, 5001, 1000):
        body = {"Targets": rows[start : start + 1000]}
        assert web.call("POST", "accounts/Microsoft.Dynamics.CRM.CreateMultiple", body).status == 200
    inner = "account_parent_account($select=name;$filter=startswith(name,'grand'))"
    outer = f"account_parent_account($select=name;$filter=name eq 'kid';$expand={inner})"
    answer = web.get(f"accounts({top})?$select=name&$expand={outer}")
    assert answer.status == 200, answer.text
    (found,) = answer.json["account_parent_account"]
    rest = web.get(found["account_parent_account@odata.nextLink"]).rows
    names = [row["name"] for row in (*found["account_parent_account"], *rest)]
    assert (len(rest), len(set(names))) == (1, 5001)


# -- comparisons -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ("eq", False), ("ne", True), ("gt", False), ("ge", False), ("lt", True), ("le", True),
    ],
)  # fmt: skip
def test_an_instant_between_seconds_is_between_them(web: Web, test: str, holds: bool) -> None:
    subject = web.name("At a second")
    web.make("tasks", subject=subject, scheduledend="2024-05-01T10:00:49Z")
    where = f"subject eq '{subject}' and scheduledend"
    assert (
        len(web.get(f"tasks?$select=subject&$filter={where} {test} 2024-05-01T10:00:49.500Z").rows) == holds
    )
    assert len(web.get(f"tasks?$select=subject&$filter={where} eq 2024-05-01T10:00:49.000Z").rows) == 1


def test_the_last_day_of_all_is_a_day(web: Web) -> None:
    subject = web.name("Never")
    web.make("tasks", subject=subject, scheduledend="9999-12-31T12:00:00Z")
    on = "Microsoft.Dynamics.CRM.On(PropertyName='scheduledend',PropertyValue='9999-12-31')"
    assert len(web.get(f"tasks?$select=subject&$filter=subject eq '{subject}' and {on}").rows) == 1


def test_a_literal_is_refused_whatever_was_asked_before(web: Web) -> None:
    path = "accounts?$select=name&$filter=numberofemployees eq "
    assert web.get(f"{path}1").status == 200
    assert web.get(f"{path}true").status == 400
    assert web.get("accounts?$select=name&$filter=creditonhold eq true").status == 200
    assert web.get("accounts?$select=name&$filter=creditonhold eq 1").status == 400


# -- keys ------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def keyed(web: Web) -> Web:
    """With a table that has an alternate key."""
    path = make_table(web, "new_Keyed")
    assert web.call("POST", f"{path}/Attributes", column("String", "new_Code", MaxLength=50)).status == 204
    key = {"SchemaName": "new_ByCode", "KeyAttributes": ["new_code"], "DisplayName": label("Code")}
    assert web.call("POST", f"{path}/Keys", key).status == 204
    return web


@pytest.mark.parametrize(("one", "other"), [("é1", "É1"), ("straße", "STRASSE"), ("ab", "AB")])
def test_a_key_that_names_a_row_cannot_be_used_twice(keyed: Web, one: str, other: str) -> None:
    made = keyed.make("new_keyeds", new_name="First", new_code=one)
    second = keyed.call("POST", "new_keyeds", {"new_name": "Second", "new_code": other})
    answer = keyed.call("PATCH", f"new_keyeds(new_code='{other}')", {"new_name": "Changed"})
    assert answer.status == 204
    if second.status == 204:
        # Two keys to this database: each names its own row.
        assert answer.id == second.id
        assert keyed.get(f"new_keyeds({made})").json["new_name"] == "First"
    else:
        assert second.fault == (412, "0x80060892")
        assert answer.id in (made, answer.id)
    assert keyed.get(f"new_keyeds(new_code='{one}')").json["new_keyedid"] == made


def test_a_body_does_not_contradict_the_key_of_its_address(keyed: Web) -> None:
    path = "new_keyeds(new_code='AAA')"
    assert keyed.call("PATCH", path, {"new_code": "BBB", "new_name": "x"}).status == 400
    assert keyed.get(path).status == 404
    assert keyed.get("new_keyeds(new_code='BBB')").status == 404
    assert keyed.call("PATCH", path, {"new_code": "AAA", "new_name": "x"}).status == 204


# -- relationships ---------------------------------------------------------------------------------------------------
def test_a_relationship_of_a_table_with_itself_has_two_ends(web: Web) -> None:
    make_table(web, "new_Peer")
    body = {
        "@odata.type": f"{CRM}ManyToManyRelationshipMetadata",
        "SchemaName": "new_peers",
        "IntersectEntityName": "new_peers",
        "Entity1LogicalName": "new_peer",
        "Entity2LogicalName": "new_peer",
        "Entity1NavigationPropertyName": "new_below",
        "Entity2NavigationPropertyName": "new_above",
    }
    assert web.call("POST", "RelationshipDefinitions", body).status == 204
    one, two = (web.make("new_peers", new_name=name) for name in ("One", "Two"))
    three = web.make("new_peers", new_name="Three", **{"new_above@odata.bind": [f"new_peers({one})"]})

    def seen(id: str, end: str) -> list[str]:
        return sorted(row["new_name"] for row in web.get(f"new_peers({id})/{end}?$select=new_name").rows)

    assert (
        web.call("POST", f"new_peers({one})/new_above/$ref", {"@odata.id": f"{ROOT}new_peers({two})"}).status
        == 204
    )
    assert (seen(one, "new_above"), seen(one, "new_below")) == (["Two"], ["Three"])
    assert (seen(two, "new_above"), seen(two, "new_below")) == ([], ["One"])
    assert seen(three, "new_above") == ["One"]
    four = web.call("POST", f"new_peers({one})/new_above", {"new_name": "Four"})
    assert four.status == 204
    assert seen(one, "new_above") == ["Four", "Two"]
    assert web.call("DELETE", f"new_peers({two})/new_below({one})/$ref").status == 204
    assert seen(one, "new_above") == ["Four"]


def test_a_cascade_goes_as_deep_as_the_rows(web: Web) -> None:
    make_table(web, "new_Link")
    body = {
        "@odata.type": f"{CRM}OneToManyRelationshipMetadata",
        "SchemaName": "new_link_link",
        "ReferencedEntity": "new_link",
        "ReferencingEntity": "new_link",
        "CascadeConfiguration": {"Delete": "Cascade"},
        "Lookup": column("Lookup", "new_UpId"),
    }
    assert web.call("POST", "RelationshipDefinitions", body).status == 204
    first = up = web.make("new_links", new_name="0")
    for number in range(1, 41):
        up = web.make("new_links", new_name=str(number), **{"new_UpId@odata.bind": f"new_links({up})"})
    assert web.call("DELETE", f"new_links({first})").status == 204
    assert web.get("new_links?$select=new_name").rows == []


def test_a_base_amount_has_a_range(web: Web) -> None:
    currency = web.make(
        "transactioncurrencies", isocurrencycode="XTS", currencyname="Tiny", currencysymbol="t",
        exchangerate=0.0000000001, currencyprecision=2,
    )  # fmt: skip
    bound = {"transactioncurrencyid@odata.bind": f"transactioncurrencies({currency})"}
    assert web.call("POST", "accounts", {"name": "Rich", "revenue": 100000000000, **bound}).status == 400
    assert web.call("POST", "accounts", {"name": "Rich", "revenue": 1, **bound}).status == 204


# -- processes -------------------------------------------------------------------------------------------------------
@pytest.fixture
def two(new_postgres_database: Callable[[], str], tmp_path: Path) -> Iterator[tuple[Web, Web]]:
    """Clients of two servers on one database."""
    config = Config(data=str(tmp_path), database_url=new_postgres_database(), sample=False)
    organisations = [open_organisation(config) for _ in range(2)]
    with (
        TestClient(build_application(organisations[0], [ORIGIN]), base_url=ORIGIN) as one,
        TestClient(build_application(organisations[1], [ORIGIN]), base_url=ORIGIN) as other,
    ):
        yield Web(one), Web(other)
    for organisation in organisations:
        organisation.close()


def test_writers_of_two_servers_do_not_wait_for_one_another(
    new_postgres_database: Callable[[], str], tmp_path: Path
) -> None:
    config = Config(data=str(tmp_path), database_url=new_postgres_database(), sample=False)
    one, other = (open_organisation(config) for _ in range(2))
    with TestClient(build_application(other, [ORIGIN]), base_url=ORIGIN) as client:
        web = Web(client)
        with one.store.write() as unit:
            assert unit.schema_version() > 0
            assert web.make("accounts", name="Made while another writes")
    for organisation in (one, other):
        organisation.close()


def test_upserts_of_one_key_at_once_make_one_row(two: tuple[Web, Web]) -> None:
    one, other = two
    path = make_table(one, "new_Raced")
    assert one.call("POST", f"{path}/Attributes", column("String", "new_Code", MaxLength=50)).status == 204
    key = {"SchemaName": "new_RacedCode", "KeyAttributes": ["new_code"], "DisplayName": label("Code")}
    assert one.call("POST", f"{path}/Keys", key).status == 204

    def upsert(web: Web, number: int) -> int:
        return web.call("PATCH", f"new_raceds(new_code='{number}')", {"new_name": "x"}).status

    with ThreadPoolExecutor(2) as pool:
        for number in range(40):
            calls = [pool.submit(upsert, web, number) for web in (one, other)]
            assert [call.result() for call in calls] == [204, 204]
    assert len(one.get("new_raceds?$select=new_code").rows) == 40


def test_what_one_server_defines_the_other_knows(two: tuple[Web, Web]) -> None:
    one, other = two
    path = make_table(one, "new_Shared")
    assert other.get(path).status == 200
    assert other.make("new_shareds", new_name="Made at the other one")
    assert one.call("POST", f"{path}/Attributes", column("String", "new_More", MaxLength=9)).status == 204
    assert other.get("new_shareds?$select=new_more").status == 200
    assert 'Name="new_more"' in other.get("$metadata").text
    assert one.call("DELETE", path).status == 204
    assert other.get("new_shareds?$select=new_more").status in (400, 404)
    assert other.get("new_shareds").status == 404


# -- what goes wrong -------------------------------------------------------------------------------------------------
def test_an_account_is_locked_under_every_spelling(web: Web) -> None:
    form = {
        "grant_type": "password",
        "client_id": PUBLIC_CLIENT_ID,
        "scope": f"{ORIGIN}/.default",
        "username": "admin@orgstead.localhost",
    }

    def ask(**change: str) -> int:
        answer = web.client.post(f"/{TENANT_ID}/oauth2/v2.0/token", data={**form, **change})
        return int(answer.status_code)

    assert ask(password=ADMIN_PASSWORD) == 200
    assert {ask(password=f"guess {number}") for number in range(10)} == {400}
    for name in (
        "admin@orgstead.localhost",
        "admin@orgstead.localhost".upper(),
        "admin@orgstead.localhost".replace("s", "ſ"),
        "admin@orgstead.localhost".replace("@", "\u200b@"),
    ):
        assert ask(username=name, password=ADMIN_PASSWORD) == 400


def test_when_the_disk_is_full_nothing_of_a_group_is_kept(tmp_path: Path) -> None:
    organisation = open_organisation(Config(data=str(tmp_path), sample=False))
    with TestClient(build_application(organisation, [ORIGIN]), base_url=ORIGIN) as client:
        web = Web(client)
        with organisation.store.read() as unit:
            caller = load_caller(unit, organisation.engine.schema, application_id=CLIENT_ID)
        assert caller is not None
        long = [
            Create(record=Record(table="account", values={"description": "x" * 2000})) for _ in range(300)
        ]
        short = [Create(record=Record(table="account", values={"name": "kept?"}))]
        jobs = [Job(short, caller), Job(long, caller), Job(short, caller)]
        writer = organisation.store._writer  # type: ignore[attr-defined]
        writer.pragma("max_page_count", writer.pragma("page_count") + 20)
        organisation.engine.run_group(jobs)
        writer.pragma("max_page_count", 1_000_000)
        assert all(isinstance(job.outcome, Fault) for job in jobs)
        assert web.get("accounts?$select=name").rows == []
        assert web.make("accounts", name="afterwards")
    organisation.close()
