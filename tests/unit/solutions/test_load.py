"""The loader turns the shipped files into one schema whose parts agree with each other."""

from uuid import UUID

from orgstead.model.schema import Schema
from orgstead.solutions.load import load_base, metadata_id

# Lookups that lead somewhere no published relationship describes; reads of their ids work, navigation does not.
WITHOUT_RELATIONSHIP = {
    "accountid",
    "contactid",
    "entityid",
    "groupid",
    "listid",
    "parentcontactid",
    "parentqueryid",
}
SYSTEM_LOOKUPS = {"createdby", "modifiedby", "ownerid", "owningbusinessunit", "owningteam", "owninguser"}


def schema() -> Schema:
    return load_base()


def test_the_same_files_always_give_the_same_ids() -> None:
    first = schema().tables["account"]
    load_base.cache_clear()
    second = schema().tables["account"]
    assert first is not second
    assert first.metadata_id == second.metadata_id == metadata_id("table", "account")
    assert {name: c.metadata_id for name, c in first.columns.items()} == {
        name: c.metadata_id for name, c in second.columns.items()
    }


def test_every_definition_has_an_id_of_its_own() -> None:
    loaded = schema()
    ids = [table.metadata_id for table in loaded.tables.values()]
    ids += [column.metadata_id for table in loaded.tables.values() for column in table.columns.values()]
    ids += [rel.metadata_id for rel in loaded.one_to_many.values()]
    ids += [rel.metadata_id for rel in loaded.many_to_many.values()]
    ids += [choice.metadata_id for choice in loaded.choices.values()]
    assert len(set(ids)) == len(ids)
    assert all(str(UUID(id)) == id for id in ids)


def test_both_ends_of_every_relationship_exist() -> None:
    loaded = schema()
    for rel in loaded.one_to_many.values():
        assert rel.referencing_attribute in loaded.tables[rel.referencing].columns, rel.schema_name
        assert rel.referenced_attribute in loaded.tables[rel.referenced].columns, rel.schema_name
    for crossing in loaded.many_to_many.values():
        columns = loaded.tables[crossing.intersect].columns
        assert {crossing.entity1_attribute, crossing.entity2_attribute} <= columns.keys(), (
            crossing.schema_name
        )
        assert {crossing.entity1, crossing.entity2} <= loaded.tables.keys()


def test_an_undescribed_many_to_many_gets_an_intersect_table() -> None:
    loaded = schema()
    table = loaded.tables["accountleads"]
    assert table.is_intersect
    assert table.primary_id == "accountleadsid"
    assert {"accountleadsid", "accountid", "leadid", "versionnumber"} <= table.columns.keys()


def test_lookups_without_a_relationship_are_the_ones_that_are_known() -> None:
    loaded = schema()
    found = {
        column.name
        for table in loaded.tables.values()
        if not table.logical_name.startswith("orgstead_")
        for column in table.columns.values()
        if column.is_lookup
        for target in column.targets
        if loaded.lookup_relationship(table.logical_name, column.name, target) is None
    }
    assert found <= WITHOUT_RELATIONSHIP | SYSTEM_LOOKUPS


def test_states_and_statuses_know_each_other() -> None:
    loaded = schema()
    for table in loaded.tables.values():
        if table.state_column is None:
            continue
        assert table.status_column is not None, table.logical_name
        states = {option.value: option.default_status for option in table.state_column.options}
        statuses = {option.value: option.state for option in table.status_column.options}
        assert set(statuses.values()) <= states.keys(), table.logical_name
        for state, default in states.items():
            assert default is None or statuses[default] == state, table.logical_name
