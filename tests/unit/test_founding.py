"""An organisation is founded once and whole, whoever else is at it and whatever went wrong before."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orgstead.app import Organisation, open_organisation
from orgstead.config import Config
from orgstead.engine.context import SYSTEM
from orgstead.engine.subscriptions import APPLICATION
from orgstead.model.messages import Create, Delete, RetrieveMultiple
from orgstead.model.query import Query
from orgstead.model.record import Record, Ref
from orgstead.model.schema import Table
from orgstead.solutions.load import load_base
from orgstead.store.open import open_store


@pytest.fixture(params=["sqlite", "postgres"])
def config(
    request: pytest.FixtureRequest, tmp_path: Path, new_postgres_database: Callable[[], str]
) -> Config:
    """The settings of an organisation that is not there yet, on each database."""
    url = new_postgres_database() if request.param == "postgres" else None
    return Config(data=str(tmp_path / "data"), database_url=url)


def count(organisation: Organisation, table: str) -> int:
    (result,) = organisation.engine.run(
        [RetrieveMultiple(query=Query(table=table, columns=(), count_only=True))], SYSTEM
    )
    assert result.page is not None
    return result.page.total or 0


def test_what_an_interrupted_founding_left_is_replaced(config: Config) -> None:
    store = open_store(config.data, config.database_url)
    with store.write() as unit:
        unit.migrate(store.load_schema(), load_base())
        unit.insert(
            load_base().tables["account"],
            [{"accountid": "00000000-0000-4000-8000-000000000001", "name": "Left over"}],
        )
    store.close()
    organisation = open_organisation(config)
    assert count(organisation, "account") == 0
    assert count(organisation, "organization") == 1
    organisation.engine.run([Create(record=Record(table="account", values={"name": "New"}))], SYSTEM)
    organisation.close()
    again = open_organisation(config)
    assert count(again, "account") == 1
    again.close()


def test_processes_that_found_the_same_organisation_at_once_make_one(config: Config) -> None:
    command = [sys.executable, "-m", "orgstead", "init", "--data", config.data]
    if config.database_url:
        command += ["--database-url", config.database_url]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(3)
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    organisation = open_organisation(config)
    assert count(organisation, "organization") == 1
    assert count(organisation, "businessunit") == 1
    organisation.close()


def test_an_organisation_of_an_older_version_gets_what_has_been_added_and_keeps_what_was_changed(
    config: Config,
) -> None:
    base = load_base()
    account = base.tables["account"]
    open_organisation(config).close()
    store = open_store(config.data, config.database_url)
    with store.write() as unit:
        now = store.load_schema()
        older = now.evolve(
            tables={
                "letter": None,
                "account": Table(
                    **{name: getattr(account, name) for name in Table.__dataclass_fields__}
                    | {
                        "display_name": "Firm",
                        "columns": {
                            n: c for n, c in account.columns.items() if n not in ("fax", "telephone1")
                        },
                    }
                ),
            },
            one_to_many={
                n: None for n, r in now.one_to_many.items() if "letter" in (r.referenced, r.referencing)
            },
        )
        unit.migrate(now, older)
        unit.write_setting("base_digest", "that of an older version")
    store.close()
    organisation = open_organisation(config)
    schema = organisation.engine.schema
    assert schema.tables.keys() == base.tables.keys()
    assert schema.one_to_many.keys() == base.one_to_many.keys()
    assert schema.tables["account"].columns.keys() == account.columns.keys()
    assert schema.tables["account"].display_name == "Firm"
    organisation.engine.run([Create(record=Record(table="letter", values={"subject": "Again"}))], SYSTEM)
    organisation.engine.run(
        [Create(record=Record(table="account", values={"name": "A", "fax": "1"}))], SYSTEM
    )
    version = schema.version
    organisation.close()
    again = open_organisation(config)
    assert again.engine.schema.version == version
    again.close()


def test_an_organisation_that_had_no_data_entities_gets_them_with_their_roles(config: Config) -> None:
    organisation = open_organisation(config)
    roles = organisation.engine.schema.tables["role"]
    with organisation.engine.store.read() as unit:
        (role,) = unit.find(roles, {"name": "Data management viewer"}, 1)
    organisation.engine.run([Delete(ref=Ref("role", role))], SYSTEM)
    organisation.close()
    store = open_store(config.data, config.database_url)
    with store.write() as unit:
        now = store.load_schema()
        gone = {name for name in now.tables if name.startswith(("finops_", "orgstead_dataentity"))}
        while more := {
            rel.referencing
            for rel in now.one_to_many.values()
            if rel.referenced in gone and rel.referencing not in gone
        }:
            gone |= more
        users = now.tables["systemuser"]
        columns = {name: each for name, each in users.columns.items() if name != "orgstead_company"}
        older = now.evolve(
            tables={
                **dict.fromkeys(gone),
                "systemuser": Table(
                    **{name: getattr(users, name) for name in Table.__dataclass_fields__}
                    | {"columns": columns}
                ),
            },
            one_to_many={n: None for n, r in now.one_to_many.items() if gone & {r.referenced, r.referencing}},
            entities=dict.fromkeys(now.entities),
        )
        unit.migrate(now, older)
        unit.write_setting("base_digest", "that of an older version")
    store.close()
    again = open_organisation(config)
    assert again.engine.schema.entities.keys() == now.entities.keys()
    assert (
        again.engine.schema.entities["CustomerV3"].fields.keys() == now.entities["CustomerV3"].fields.keys()
    )
    with again.engine.store.read() as unit:
        (found,) = unit.find(roles, {"name": "Data management viewer"}, 1)
        held = again.engine.schema.tables["roleprivileges"]
        assert unit.find(held, {"roleid": found}, 1)
    values = {"dataareaid": "dat", "customeraccount": "1"}
    again.engine.run([Create(record=Record(table="finops_customer", values=values))], SYSTEM)
    again.close()


def test_an_organisation_that_had_no_subscription_keys_gets_whom_they_act_as_once(config: Config) -> None:
    open_organisation(config).close()
    store = open_store(config.data, config.database_url)

    def older() -> None:
        with store.write() as unit:
            unit.write_setting("base_digest", "that of an older version")

    def held() -> tuple[list[str], list[str]]:
        schema = store.load_schema()
        with store.read() as unit:
            users = unit.find(schema.tables["systemuser"], {"applicationid": APPLICATION}, 2)
            ties = unit.find(schema.tables["systemuserroles"], {"systemuserid": users[0]}, 2) if users else []
            return users, ties

    (user,), (tie,) = held()
    with store.write() as unit:
        schema = store.load_schema()
        (role,) = unit.find(schema.tables["role"], {"name": "CRM as a Service"}, 1)
        rights = unit.find(schema.tables["roleprivileges"], {"roleid": role}, 1_000)
        for table, ids in (("roleprivileges", rights), ("systemuserroles", [tie]), ("systemuser", [user])):
            unit.delete(schema.tables[table], ids)
        unit.delete(schema.tables["role"], [role])
    older()
    open_organisation(config).close()
    (again,), (tie,) = held()
    assert again == user
    # Whoever took the role away later keeps it so.
    with store.write() as unit:
        unit.delete(store.load_schema().tables["systemuserroles"], [tie])
    older()
    open_organisation(config).close()
    assert held() == ([user], [])
    store.close()


def test_grants_are_counted_and_purged_however_many_there_are(config: Config) -> None:
    organisation = open_organisation(config)
    table = organisation.engine.schema.tables["orgstead_grant"]
    rows = [
        {
            table.primary_id: f"{number:08x}-0000-4000-8000-000000000000",
            "kind": "code" if number % 2 else "refresh",
            "data": "{}",
            "expires": 100.0 if number < 10_002 else 50.0,
        }
        for number in range(10_010)
    ]
    with organisation.engine.store.write() as unit:
        unit.insert(table, rows)
    directory = organisation.directory
    assert directory.count_grants("code", 75.0) == 5_001
    assert directory.count_grants("code", 100.0) == 5_001
    assert directory.count_grants("code", 101.0) == 0
    assert directory.purge_grants(75.0) == 8
    assert directory.purge_grants(75.0) == 0
    assert directory.count_grants("refresh", 10.0) == 5_001
    organisation.close()
