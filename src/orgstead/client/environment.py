"""What to connect to, from the environment variables that are in use.

Three families, tried in this order; the ids and the secret are taken from one of them as a whole:

- ``TENANT_ID``, ``CLIENT_ID``, ``CLIENT_SECRET``, as Microsoft's samples for Dataverse have them;
- ``AZURE_TENANT_ID``, ``AZURE_CLIENT_ID``, and ``AZURE_CLIENT_SECRET`` or ``AZURE_CLIENT_CERTIFICATE_PATH`` (with
  ``AZURE_CLIENT_CERTIFICATE_PASSWORD``) or ``AZURE_USERNAME`` and ``AZURE_PASSWORD``, and ``AZURE_AUTHORITY_HOST``:
  https://learn.microsoft.com/python/api/azure-identity/azure.identity.environmentcredential
- ``POWER_PLATFORM_TENANT_ID``, ``POWER_PLATFORM_CLIENT_ID``, ``POWER_PLATFORM_CLIENT_SECRET``, as Terraform has them.

The address is ``DATAVERSE_URL`` or ``POWER_PLATFORM_URL``. ``DATAVERSE_CONNECTION_STRING`` comes before all.
"""

import os
from collections.abc import Mapping

from orgstead.client.connection_string import Connection, read_connection_string
from orgstead.client.credentials import ClientCertificate, ClientSecret, Credential
from orgstead.client.errors import ConfigurationError
from orgstead.client.sign_in import Password

__all__ = ["read_environment"]

FAMILIES = ("", "AZURE_", "POWER_PLATFORM_")


def read_environment(environment: Mapping[str, str] | None = None, *, url: str | None = None) -> Connection:
    """What the environment says; ``url`` wins over its address.

    Raises ConfigurationError that names the variables that are missing, and never their values.
    """
    found = os.environ if environment is None else environment
    text = found.get("DATAVERSE_CONNECTION_STRING")
    if text and url is None:
        return read_connection_string(text)
    address = url or found.get("DATAVERSE_URL") or found.get("POWER_PLATFORM_URL")
    if not address:
        raise ConfigurationError("the environment has no DATAVERSE_URL")
    for family in FAMILIES:
        credential = _credential(found, family)
        if credential is not None:
            credential.tenant_id = found.get(f"{family}TENANT_ID") or None
            credential.authority = found.get("AZURE_AUTHORITY_HOST") or None
            return Connection(url=address, credential=credential)
    raise ConfigurationError(
        "the environment has no credential: "
        "set CLIENT_ID and CLIENT_SECRET, or those of AZURE_ or POWER_PLATFORM_"
    )


def _credential(found: Mapping[str, str], family: str) -> Credential | None:
    client = found.get(f"{family}CLIENT_ID")
    if not client:
        return None
    if secret := found.get(f"{family}CLIENT_SECRET"):
        return ClientSecret(client_id=client, client_secret=secret)
    if path := found.get(f"{family}CLIENT_CERTIFICATE_PATH"):
        password = found.get(f"{family}CLIENT_CERTIFICATE_PASSWORD")
        return ClientCertificate(client_id=client, certificate=path, password=password)
    user, password = found.get(f"{family}USERNAME"), found.get(f"{family}PASSWORD")
    # USERNAME alone is a variable of Windows.
    if family and user and password:
        return Password(client_id=client, username=user, password=password)
    return None
