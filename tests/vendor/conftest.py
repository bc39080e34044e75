"""The live server for clients that Microsoft and others wrote."""

from collections.abc import Iterator

import pytest
from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient

from tests.live import Live, live, trusted

__all__ = ["Live", "client", "live", "trusted"]


@pytest.fixture
def client(trusted: Live) -> Iterator[DataverseClient]:
    credential = ClientSecretCredential(
        trusted.tenant_id,
        trusted.client_id,
        trusted.client_secret,
        authority=trusted.https,
        disable_instance_discovery=True,
    )
    with DataverseClient(trusted.https, credential) as made:
        yield made
