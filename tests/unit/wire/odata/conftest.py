"""A service for definitions: requests in the Web API's words, run by a real engine on a database in memory."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from orgstead.engine.context import SYSTEM
from orgstead.engine.handlers import metadata
from orgstead.engine.ids import new_id
from orgstead.engine.pipeline import Engine
from orgstead.model.messages import Message, Options, Result
from orgstead.model.schema import Column, Table
from orgstead.solutions.load import load_base
from orgstead.store.open import open_store
from orgstead.wire.odata.metadata import read_definitions
from orgstead.wire.odata.metadata_changes import decode_change
from orgstead.wire.odata.metadata_expression import retrieve_metadata_changes
from orgstead.wire.odatav4.paths import parse_path
from orgstead.wire.odatav4.reply import Reply

BASE = "http://localhost/api/data/v9.2/"
CRM = "Microsoft.Dynamics.CRM."


def label(text: str) -> dict[str, Any]:
    """A label as clients write it."""
    return {
        "@odata.type": f"{CRM}Label",
        "LocalizedLabels": [{"@odata.type": f"{CRM}LocalizedLabel", "Label": text, "LanguageCode": 1033}],
    }


def column(kind: str, schema_name: str, **more: Any) -> dict[str, Any]:
    """An attribute as clients write it."""
    return {
        "@odata.type": f"{CRM}{kind}AttributeMetadata",
        "SchemaName": schema_name,
        "DisplayName": label(schema_name.partition("_")[2]),
        "RequiredLevel": {"Value": "None"},
        **more,
    }


class Service:
    """What answers requests about definitions."""

    def __init__(self) -> None:
        self.store = open_store(":memory:")
        self.engine = Engine(self.store, time.time)
        with self.store.write() as unit:
            unit.migrate(self.engine.schema, load_base())
        self.engine.schema = self.store.load_schema()
        self.numbers = itertools.count(1)

    def call(self, method: str, url: str, body: Any = None, *, solution: str | None = None) -> Reply:
        """Answer a request, or raise its fault."""
        path, _, query = url.partition("?")
        segments, schema = parse_path(path), self.engine.schema
        if method == "GET" and segments[0].name == "RetrieveMetadataChanges":
            return retrieve_metadata_changes(segments[0], query, schema, BASE)
        if method == "GET":
            return read_definitions(segments, query, schema, BASE)
        text = b"" if body is None else json.dumps(body).encode()
        change = decode_change(method, segments, query, text, BASE, schema, new_id)
        return change.render(self.send(change.message, solution=solution))

    def send(self, message: Message, *, solution: str | None = None) -> Result:
        """Run a message as the organisation itself."""
        return self.engine.run([message], SYSTEM, Options(solution=solution))[0]

    def get(self, url: str) -> dict[str, Any]:
        """The JSON of a successful GET."""
        reply = self.call("GET", url)
        assert reply.status == 200
        found: dict[str, Any] = json.loads(reply.body)
        return found

    def rows(self, url: str) -> list[dict[str, Any]]:
        """The members of a collection."""
        found: list[dict[str, Any]] = self.get(url)["value"]
        return found

    def made(self, url: str, body: Any, *, solution: str | None = None) -> str:
        """The id of what a POST made, out of OData-EntityId."""
        reply = self.call("POST", url, body, solution=solution)
        assert reply.status == 204
        return dict(reply.headers)["OData-EntityId"].rpartition("(")[2].removesuffix(")")

    def table(self, *columns: dict[str, Any], **more: Any) -> Table:
        """A new table with a name of its own."""
        name = f"new_Thing{next(self.numbers)}"
        primary = column(
            "String", "new_Name", IsPrimaryName=True, MaxLength=100, FormatName={"Value": "Text"}
        )
        body = {
            "@odata.type": f"{CRM}EntityMetadata",
            "SchemaName": name,
            "DisplayName": label(name),
            "DisplayCollectionName": label(f"{name}s"),
            "OwnershipType": "UserOwned",
            "HasNotes": False,
            "HasActivities": False,
            "IsActivity": False,
            "Attributes": [primary, *columns],
            **more,
        }
        self.made("EntityDefinitions", body)
        return self.engine.schema.tables[str(body["SchemaName"]).lower()]

    def now(self, table: Table) -> Table:
        """A table as it is by now."""
        return self.engine.schema.tables[table.logical_name]

    def column(self, table: Table, name: str) -> Column:
        """A column as it is by now."""
        return self.now(table).columns[name]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    assert metadata.__all__
    made = Service()
    yield made
    made.store.close()
