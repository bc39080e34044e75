"""The asynchronous half of Microsoft's Python client: every area once."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from azure.identity.aio import ClientSecretCredential
from PowerPlatform.Dataverse.aio import AsyncDataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError
from PowerPlatform.Dataverse.models.filters import col
from PowerPlatform.Dataverse.models.upsert import UpsertItem

from orgstead.identity.development import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from tests.vendor.conftest import Live

ROOT = Path(__file__).parent.parent.parent


async def _records(client: AsyncDataverseClient) -> None:
    one = await client.records.create("account", {"name": "Async one"})
    many = await client.records.create("account", [{"name": f"Async {n}"} for n in range(4)])
    await client.records.update("account", [one, *many], {"address1_city": "Brill"})
    rows = await client.records.list(
        "account", select=["name"], filter="address1_city eq 'Brill'", orderby=["name"]
    )
    assert [row["name"] for row in rows] == ["Async 0", "Async 1", "Async 2", "Async 3", "Async one"]
    found = await (
        client.query.builder("account")
        .select("name")
        .where((col("address1_city") == "Brill") & col("name").endswith("one"))
        .execute()
    )
    assert [row["name"] for row in found] == ["Async one"]
    sizes = []
    async for page in client.records.list_pages(
        "account", select=["name"], filter="address1_city eq 'Brill'", page_size=2
    ):
        sizes.append(len(list(page)))
    assert sizes == [2, 2, 1]
    await client.records.delete("account", one)
    assert await client.records.retrieve("account", one) is None
    with pytest.raises(HttpError) as raised:
        await client.records.update("account", one, {"name": "x"})
    assert raised.value.details["service_error_code"] == "0x80040217"


async def _tables(client: AsyncDataverseClient) -> None:
    info = await client.tables.create("new_Kite", {"new_Code": "string", "new_Span": "decimal"})
    try:
        assert info["table_logical_name"] == "new_kite"
        await client.tables.create_alternate_key("new_kite", "new_kitekey", ["new_code"])
        for span in (1.5, 2.5):
            await client.records.upsert(
                "new_kite", [UpsertItem(alternate_key={"new_code": "K"}, record={"new_span": span})]
            )
        (row,) = await client.records.list("new_kite", select=["new_code", "new_span"])
        assert (row["new_code"], row["new_span"]) == ("K", 2.5)
        made = await client.tables.create_lookup_field("new_kite", "new_FlownById", "contact")
        assert made.relationship_id
        await client.tables.add_columns("new_kite", {"new_Colour": "string"})
        await client.tables.remove_columns("new_kite", ["new_Colour"])
    finally:
        await client.tables.delete("new_kite")
    assert await client.tables.get("new_kite") is None


async def _batch(client: AsyncDataverseClient) -> None:
    batch = client.batch.new()
    async with batch.changeset() as changes:
        made = changes.records.create("contact", {"lastname": "Async batch"})
        changes.records.update("contact", made, {"firstname": "In"})
    batch.records.list("contact", select=["fullname"], filter="lastname eq 'Async batch'")
    result = await batch.execute()
    assert [answer.status_code for answer in result.responses] == [204, 204, 200]
    assert result.responses[2].data["value"][0]["fullname"] == "In Async batch"


AREAS = {"records": _records, "tables": _tables, "batch": _batch}


async def _run(area: str) -> None:
    url = os.environ["LIVE_URL"]
    async with (
        ClientSecretCredential(
            TENANT_ID, CLIENT_ID, CLIENT_SECRET, authority=url, disable_instance_discovery=True
        ) as credential,
        AsyncDataverseClient(url, credential) as client,
    ):
        await AREAS[area](client)


@pytest.mark.parametrize("area", AREAS)
def test_the_asynchronous_client_works(live: Live, area: str) -> None:
    """In a process of its own: aiohttp reads the authorities to trust once, when it is imported."""
    environment = {**live.environment, "LIVE_URL": live.https, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, __file__, area],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
