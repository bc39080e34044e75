"""A client for Dynamics 365 and Orgstead: one core, two colours.

``from orgstead.client import Client, AsyncClient``. See ``docs/how-to/use-the-python-client.md``.
"""

from orgstead.client.client import AsyncClient, Client
from orgstead.client.connection_string import Connection, read_connection_string
from orgstead.client.credentials import (
    AzureCredential,
    ClientCertificate,
    ClientSecret,
    Credential,
    GivenToken,
)
from orgstead.client.environment import read_environment
from orgstead.client.errors import (
    BadRequestError,
    BulkError,
    ConfigurationError,
    ConflictError,
    CredentialError,
    DuplicateError,
    DynamicsError,
    ForbiddenError,
    NotFoundError,
    PreconditionError,
    ServerError,
    ServiceError,
    ThrottledError,
    TransportError,
    UnauthorizedError,
)
from orgstead.client.filters import Condition, Path, col, raw
from orgstead.client.flow import Answer
from orgstead.client.literals import Ref
from orgstead.client.outcome import BulkResult, RowFailure
from orgstead.client.query import Expand, Query
from orgstead.client.record import Page, Record
from orgstead.client.records import Records, Upserted, new_id
from orgstead.client.retry import Retry
from orgstead.client.rows import Rows
from orgstead.client.sign_in import SAMPLE_CLIENT_ID, Browser, DeviceCode, Password, RefreshToken
from orgstead.client.token_store import TokenStore

__all__ = [
    "SAMPLE_CLIENT_ID",
    "Answer",
    "AsyncClient",
    "AzureCredential",
    "BadRequestError",
    "Browser",
    "BulkError",
    "BulkResult",
    "Client",
    "ClientCertificate",
    "ClientSecret",
    "Condition",
    "ConfigurationError",
    "ConflictError",
    "Connection",
    "Credential",
    "CredentialError",
    "DeviceCode",
    "DuplicateError",
    "DynamicsError",
    "Expand",
    "ForbiddenError",
    "GivenToken",
    "NotFoundError",
    "Page",
    "Password",
    "Path",
    "PreconditionError",
    "Query",
    "Record",
    "Records",
    "Ref",
    "RefreshToken",
    "Retry",
    "RowFailure",
    "Rows",
    "ServerError",
    "ServiceError",
    "ThrottledError",
    "TokenStore",
    "TransportError",
    "UnauthorizedError",
    "Upserted",
    "col",
    "new_id",
    "raw",
    "read_connection_string",
    "read_environment",
]
