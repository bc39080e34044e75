"""The collection of requests that a running server hands out, made of its own definitions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orgstead.collection import GRANTS, SampleTable, Subject, insomnia, postman, read_operations
from orgstead.config import Config
from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET
from orgstead.model.schema import Table
from orgstead.server.dataverse import Dataverse
from orgstead.wire.definitions.describe_columns import ATTRIBUTE_KINDS

__all__ = ["FORMATS", "collect"]

FORMATS: Mapping[str, Callable[..., Mapping[str, Any]]] = {"postman": postman, "insomnia": insomnia}


def collect(config: Config, urls: Sequence[str], dataverse: Dataverse, kind: str) -> Mapping[str, Any]:
    """The collection for a program, one of ``FORMATS``. Raises KeyError for another.

    It holds a secret only where that is the published one of development mode.
    """
    make = FORMATS[kind]
    url = config.base_url or next((each for each in urls if each.startswith("http://localhost")), urls[0])
    operations, enums = read_operations(dataverse.metadata())
    published = config.dev and not config.client_secret
    subject = Subject(
        url=url,
        authority=url,
        tenant=config.tenant_id,
        tables=sorted(
            (
                _sample(each)
                for each in dataverse.engine.schema.tables.values()
                if each.entity_set and not each.is_private and not each.is_intersect
            ),
            key=lambda table: table.label.casefold(),
        ),
        operations=operations,
        enums=enums,
        client_id=config.client_id or (CLIENT_ID if config.dev else ""),
        client_secret=CLIENT_SECRET if published else "",
    )
    return make(subject, name=f"Orgstead {url.partition('://')[2]}", grant=GRANTS[0])


def _sample(table: Table) -> SampleTable:
    writable = {
        column.name: ATTRIBUTE_KINDS[column.type][1]
        for column in table.columns.values()
        if column.create and column.update and column.attribute_of is None
    }
    must = ("ApplicationRequired", "SystemRequired")
    return SampleTable(
        name=table.logical_name,
        set=table.entity_set,
        key=table.primary_id,
        title=table.primary_name,
        label=table.display_name or table.logical_name,
        writable=writable,
        required=[name for name in writable if table.columns[name].required in must],
        keys=[each.columns for each in table.keys],
    )
