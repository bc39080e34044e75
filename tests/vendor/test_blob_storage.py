"""Microsoft's Blob Storage client, by the addresses that data management tells."""

import json
import os
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
)
from azure.storage.blob import BlobBlock, BlobClient

from orgstead.client import Client, ClientSecret, NotFoundError
from tests.finops_files import GROUPS, groups, package_of
from tests.live import Live, live, trusted

__all__ = ["live", "trusted"]

GROUPS_ACTION = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."


@pytest.fixture
def client(trusted: Live) -> Iterator[Client]:
    secret = ClientSecret(client_id=trusted.client_id, client_secret=trusted.client_secret)
    with Client(trusted.https, secret, verify=ssl.create_default_context(cafile=trusted.ca)) as made:
        yield made


def act(client: Client, action: str, **parameters: Any) -> Any:
    return json.loads(client.request("POST", f"{GROUPS_ACTION}{action}", json=parameters).content)["value"]


def write_address(client: Client) -> str:
    """As clients read it: JSON in a text."""
    told = json.loads(act(client, "GetAzureWriteUrl", uniqueFileName=f"{uuid4()}.zip"))
    assert told["BlobId"].startswith("{")
    url: str = told["BlobUrl"]
    return url


def blob(url: str, **options: Any) -> BlobClient:
    return BlobClient.from_blob_url(url, **{"retry_total": 0, **options})


@pytest.mark.parametrize("size", [0, 100, 9_000_000])
def test_a_package_goes_up_whole_or_in_blocks_and_is_imported(client: Client, size: int) -> None:
    """Above 4 MB here the client sends blocks at the same time, and a list of them."""
    with blob(write_address(client), max_single_put_size=4 * 2**20, max_block_size=2**21) as target:
        done = target.upload_blob(os.urandom(size), overwrite=True, max_concurrency=3)
        assert done["etag"]
        again = target.upload_blob(package_of("x", groups("V1")), overwrite=True)
        assert again["etag"] != done["etag"]
        name = f"Vendor {uuid4()}"
        id = act(
            client, "ImportFromPackage", packageUrl=target.url, definitionGroupId=name, executionId="",
            execute=True, overwrite=True, legalEntityId="usmf",
        )  # fmt: skip
    assert client.finops.packages.wait(id, seconds=60, every=0.2) == "Succeeded"


def test_blocks_are_staged_and_committed_in_the_order_of_their_list(client: Client) -> None:
    package = package_of("x", groups("V2"))
    halves = package[:100], package[100:]
    with blob(write_address(client)) as target:
        target.stage_block("Mg==", halves[1])
        target.stage_block("MQ==", b"something else")
        target.stage_block("MQ==", halves[0])
        with pytest.raises(HttpResponseError) as caught:
            target.commit_block_list([BlobBlock("OQ==")])
        assert caught.value.error_code == "InvalidBlockList"
        target.commit_block_list([BlobBlock("MQ=="), BlobBlock("Mg==")])
        id = act(
            client, "ImportFromPackageAsync", packageUrl=target.url, definitionGroupId=f"Vendor {uuid4()}",
            executionId="", execute=False, overwrite=True, legalEntityId="usmf", failOnError=True,
            runAsyncWithoutBatch=True, thresholdToRunInBatch=1,
        )  # fmt: skip
    assert client.finops.packages.wait(id, seconds=60, every=0.2) == "Succeeded"
    [status] = client.finops.packages.entity_statuses(id)
    assert json.loads(status)["TargetStatus"] == "NotRun"


@pytest.fixture
def exported(client: Client) -> str:
    """The address of a package that was exported."""
    name = f"Out {uuid4()}"
    project = client.records.create("orgstead_dataproject", {"name": name, "operation": 2})
    client.records.create(
        "orgstead_dataprojectentity",
        {
            "projectid@odata.bind": f"/orgstead_dataprojects({project})",
            "entityname": GROUPS,
            "sourceformat": 4,
        },
    )
    id = act(
        client, "ExportToPackage", definitionGroupId=name, packageName="groups", executionId="", reExecute=True,
        legalEntityId="usmf",
    )  # fmt: skip
    assert client.finops.packages.wait(id, seconds=60, every=0.2) == "Succeeded"
    url: str = act(client, "GetExportedPackageUrl", executionId=id)
    return url


def test_an_exported_package_comes_down_whole_and_in_ranges_at_once(exported: str) -> None:
    with blob(exported) as source:
        whole = source.download_blob().readall()
        properties = source.get_blob_properties()
        assert (properties.size, whole[:2]) == (len(whole), b"PK")
        assert source.download_blob(offset=10, length=20).readall() == whole[10:30]
    with blob(exported, max_single_get_size=512, max_chunk_get_size=256) as source:
        assert source.download_blob(max_concurrency=3).readall() == whole
        with pytest.raises(HttpResponseError):
            source.download_blob(offset=len(whole) + 10, length=5).readall()
        with pytest.raises(ResourceModifiedError):
            source.download_blob(etag='"another"', match_condition=MatchConditions.IfNotModified).readall()


def test_an_address_permits_what_it_says_and_nothing_else(client: Client, exported: str) -> None:
    def refused(url: str, use: Callable[[BlobClient], object]) -> str:
        with blob(url) as target, pytest.raises(AzureError) as caught:
            use(target)
        return str(getattr(caught.value, "error_code", ""))

    writable = write_address(client)
    assert (
        refused(writable, lambda target: target.download_blob().readall())
        == "AuthorizationPermissionMismatch"
    )
    assert refused(exported, lambda target: target.upload_blob(b"x")) == "AuthorizationPermissionMismatch"
    for changed in (
        exported.replace("sp=r", "sp=cw"),
        exported.replace("se=2", "se=3"),
        exported.partition("?")[0],
        exported[:-8] + "AAAA%3D%3D",
        exported.replace("-groups", "-others"),
    ):
        with pytest.raises(ClientAuthenticationError), blob(changed) as target:
            target.download_blob().readall()
    with blob(writable) as target:
        target.upload_blob(b"x")
        with pytest.raises(ResourceExistsError):
            target.upload_blob(b"y")
        for wrong in (target.delete_blob, target.create_append_blob, lambda: target.create_page_blob(512)):
            with pytest.raises(HttpResponseError):
                wrong()


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:1/dmf/x.zip", "file:///etc/passwd", "own"])
def test_nothing_is_imported_from_an_empty_blob_or_from_elsewhere(client: Client, address: str) -> None:
    url = write_address(client) if address == "own" else address
    with pytest.raises(NotFoundError):
        act(
            client, "ImportFromPackage", packageUrl=url, definitionGroupId="x", executionId="", execute=True,
            overwrite=True, legalEntityId="usmf",
        )  # fmt: skip
